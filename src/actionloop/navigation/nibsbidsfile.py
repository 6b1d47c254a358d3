"""NIBS-BIDS (BEP037, a proposal): reading '*_markers.tsv' with its sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import LPS_TO_RAS, rigid
from actionloop.navigation.exchange import (
    OUR_AXES,
    Axes,
    axes_of,
    floats,
    items,
    mapping,
    numbers,
    table,
    words,
)
from actionloop.navigation.found import Entry, Kind
from actionloop.navigation.laterality import plain, without_side
from actionloop.navigation.parsing import parse_json, require_bottom_row, require_bounded
from actionloop.navigation.telling import told_tie
from actionloop.navigation.verbatim import Line, LinedFile, lines_of
from actionloop.types import FloatArray

PROPOSAL = "NIBS-BIDS proposal 6.2 (BEP037, not part of BIDS)"
XYZ = ("x", "y", "z")
COIL, NORMAL, DIRECTION, _TARGET, _ENTRY = (
    tuple(f"{what}_{axis}" for axis in XYZ) for what in ("coil", "normal", "direction", "target", "entry")
)
NOTE = "; note: "
# The only keyword of BIDS for the person's own scan; templates have names of their own and RAS axes too.
OWN_SCAN = "ScanRAS"
# Columns may be rounded to three decimals by other programs.
_AGREE_MM, _AGREE_TURN = 0.01, 0.004


@dataclass(frozen=True, eq=False)
class MarkersFile(LinedFile):
    """A table of markers and the text of the sidecar that it was read with.

    Attributes
    ----------
    sidecar : str
    """

    sidecar: str = ""


def read_nibsbids(
    text: str,
    *,
    source: str = "",
    sidecar: str = "",
    space: Literal["RAS", "LPS"] | None = None,
    axes: Axes | None = None,
) -> MarkersFile:
    """Read '*_markers.tsv'.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    sidecar : str
        Text of '*_markers.json' or '*_coordsystem.json'.
    space : {'RAS', 'LPS'}, optional
        For a file whose sidecar names no coordinate system with known axes.
    axes : {'simnibs', 'brainsight', 'localite'}, optional
        Which way the coil's axes point in a file that actionloop did not write; without it its poses are points.

    Returns
    -------
    MarkersFile
        A row with a timestamp is a sample.

    Raises
    ------
    InputError
        Not such a file, a damaged row, units other than mm, or an identifier twice.
    GeometryError
        Nothing tells RAS from LPS, axes that are no right-handed rotation, or a matrix that contradicts the columns.
    """
    require_bounded(text, where=source)
    about = mapping(parse_json(sidecar or "{}", source=source), what="sidecar", where=source)
    own = about.get("actionloop")
    ours = isinstance(own, dict) and own.get("CoilAxes") == OUR_AXES
    theirs = np.eye(4) if ours else axes_of(axes)
    known = _space(about, space, source)
    to_ras = np.eye(4) if known == "RAS" else LPS_TO_RAS
    entries: list[Entry] = []
    skipped: list[str] = []
    kept: list[Line] = []
    for line in _rows(text, source):
        entry = None
        if line.raw:
            entry, why = _entry(line.raw, to_ras, theirs, ours, source)
            skipped += why
            entries += [entry] if entry else []
        kept.append(replace(line, entry=entry))
    return MarkersFile(
        "NIBS-BIDS",
        words(own.get("Proposal")) if isinstance(own, dict) else "",
        words(about.get("NIBSCoordinateSystem")) or known,
        known,
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=told_tie(sidecar) if ours else None,
        lines=tuple(kept),
        sidecar=sidecar,
    )


def _space(about: Mapping[str, Any], space: str | None, source: str) -> Literal["RAS", "LPS"]:
    units = about.get("NIBSCoordinateUnits", "mm")
    if units != "mm":
        raise InputError(
            f"the coordinates are in {words(units) or 'unnamed units'!r}, expected mm",
            where=source or None,
            fix="convert them to mm, in the table and in the sidecar",
        )
    if about.get("NIBSCoordinateSystem") == OWN_SCAN:
        if space == "LPS":
            raise GeometryError("the sidecar says that the file is RAS, not LPS", where=source or None)
        return "RAS"
    if space in ("RAS", "LPS"):
        return "RAS" if space == "RAS" else "LPS"
    raise GeometryError(
        f"the coordinate system {words(about.get('NIBSCoordinateSystem')) or 'without a name'!r} does not say whether "
        "the file is RAS or LPS: left and right could be exchanged",
        where=source or None,
        fix=f"give the sidecar with NIBSCoordinateSystem {OWN_SCAN}, or say the space yourself",
    )


def _rows(text: str, source: str) -> list[Line]:
    found = lines_of(text.lstrip("\ufeff"))
    filled = [number for number, line in enumerate(found) if line.text.strip()]
    columns = found[filled[0]].text.split("\t") if filled else []
    if "target_id" not in columns or len(set(columns)) != len(columns):
        raise InputError(
            "this is not a table of NIBS-BIDS markers (no column 'target_id', or a column twice)",
            where=source or None,
            fix=f"give a '*_markers.tsv' of the {PROPOSAL}",
        )
    seen: set[tuple[str, str]] = set()
    for number in filled[1:]:
        [row] = table([found[number].text], columns, first=number + 1, where=source)
        found[number] = replace(found[number], section="marker", raw=row)
        key = (row["target_id"], row.get("target_part", ""))
        if key in seen:
            raise InputError(
                f"line {number + 1} has the identifier {plain(key[0])!r} a second time",
                where=source or None,
                fix="give every row its own target_id, or tell its parts apart by target_part",
            )
        seen.add(key)
    return found


def _entry(
    row: Mapping[str, str], to_ras: FloatArray, theirs: FloatArray | None, ours: bool, source: str
) -> tuple[Entry | None, list[str]]:
    label = plain(row.get("target_label", "")) if row.get("target_label", "n/a") != "n/a" else plain(row["target_id"])
    described = plain(row.get("target_description", ""))
    note = described.partition(NOTE)[2] if ours else ("" if described == "n/a" else described)
    name = without_side(label) if ours else label
    kind: Kind = "sample" if row.get("timestamp", "n/a") not in ("n/a", "") else "target"
    coil, normal, direction = (_vector(row, names, label, source) for names in (COIL, NORMAL, DIRECTION))
    whole = _transform(row, label, source)
    if whole is not None:
        _require_same(whole, coil, normal if ours else None, direction if ours else None, label, source)
    elif ours and coil is not None and normal is not None and direction is not None:
        whole = np.eye(4)
        whole[:3, :3] = np.column_stack([np.cross(direction, normal), direction, normal])
        whole[:3, 3] = coil
    if whole is not None and np.allclose(whole, np.eye(4), atol=1e-9):
        return None, [f"{label}: its matrix is the identity, so the coil was not tracked."]
    if whole is not None and theirs is not None:
        matrix = rigid(to_ras @ whole @ theirs, label=label, where=source)
        return Entry(kind, name, matrix, matrix[:3, 3].copy(), note, row), []
    place = whole[:3, 3] if whole is not None else coil
    for names in (_TARGET, _ENTRY):
        place = _vector(row, names, label, source) if place is None else place
    if place is None:
        return None, [f"{label}: no coordinates."]
    why = f"{label}: its orientation was left out, because the file does not say which way the coil's axes point."
    point = Entry(kind, name, None, to_ras[:3, :3] @ place, note, row)
    return point, [why] if whole is not None or normal is not None else []


def _vector(row: Mapping[str, str], names: Sequence[str], label: str, source: str) -> FloatArray | None:
    if all(row.get(name, "n/a") in ("n/a", "") for name in names):
        return None
    return numbers(floats(row, names), 3, what=f"{names[0]} to {names[-1]} of {label!r}", where=source, mm=True)


def _transform(row: Mapping[str, str], label: str, source: str) -> FloatArray | None:
    cell = row.get("coil_transform", "n/a")
    if cell in ("n/a", ""):
        return None
    what = f"coil_transform of {label!r}"
    value = items(parse_json(cell, source=source), what=what, where=source)
    flat = [one for part in value for one in (part if isinstance(part, list) else [part])]
    matrix = numbers(flat, 16, what=what, where=source).reshape(4, 4)
    require_bottom_row(matrix, label=label, where=source)
    numbers(matrix[:3, 3].tolist(), 3, what=what, where=source, mm=True)
    return matrix


def _require_same(
    whole: FloatArray,
    coil: FloatArray | None,
    normal: FloatArray | None,
    direction: FloatArray | None,
    label: str,
    source: str,
) -> None:
    for found, column, most in ((coil, 3, _AGREE_MM), (normal, 2, _AGREE_TURN), (direction, 1, _AGREE_TURN)):
        if found is not None and np.abs(found - whole[:3, column]).max() > most:
            raise GeometryError(
                f"coil_transform of {label!r} contradicts the columns beside it (place, normal or direction): one of "
                "the two was changed",
                where=source or None,
                fix="export it again; never edit one of the two by hand",
            )
