"""Coil definitions (.tcd): JSON with dipoles and pieces of wire, of one or several stimulators."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from actionloop.errors import InputError
from actionloop.types import Coil, FloatArray

_DIPOLES, _WIRES, _SAMPLED = 1, 2, 3
_MOST_ELEMENTS = 1_000_000
_LONGEST_MM = 4.0
"""Longer pieces of a wire are split, since the field of a piece is taken to come from its middle."""
_CHAINED = 0.05
"""Mean gap between consecutive pieces, in lengths of a piece, below which they are a wire."""


def parse_definition(text: str, path: Path, stimulator: str | int | None) -> Coil:
    """Take a .tcd file apart.

    Parameters
    ----------
    text : str
        Its contents.
    path : Path
        For messages.
    stimulator : str, int or None
        Which one's elements to take, by name or number; None where there is one.

    Returns
    -------
    Coil
        Dipoles (type 1) and pieces of wire (type 2) of one stimulator, and the outlines of every casing in the file.
        The format's description has pieces of wire at their starts, files at their middles: whichever makes consecutive
        pieces meet is taken.

    Raises
    ------
    InputError
    """
    definition = _load(text, path)
    everything = _items(definition, "coilElementList", path)
    which, name = _choose(everything, definition, stimulator, path)
    dipoles: list[tuple[FloatArray, FloatArray]] = []
    wires: list[tuple[FloatArray, FloatArray]] = []
    for number, element in enumerate(everything):
        if element.get("stimulator") == which:
            _require_at_rest(element, definition, number, path)
            points, values = _points_and_values(element, number, path)
            if element["type"] == _DIPOLES:
                dipoles.append((points, values))
            else:
                wires.append(_wire(points, values))
    none = (np.zeros((0, 3)), np.zeros((0, 3)))
    places, moments = (np.concatenate(parts) for parts in zip(none, *dipoles, strict=True))
    middles, lengths = (np.concatenate(parts) for parts in zip(none, *wires, strict=True))
    return Coil(
        name=(_word(definition.get("name")) or path.stem) + (f", {name}" if name else ""),
        dipoles_mm=places,
        moments_m2=moments,
        wires_mm=middles,
        wires_m=lengths / 1000,
        didt_max_a_per_us=_largest_didt(definition, which, path),
        casing_mm=_casing(everything, definition, path),
        brand=_word(definition.get("brand")),
        source=str(path),
    )


def _load(text: str, path: Path) -> dict[str, Any]:
    """Parse the JSON."""
    try:
        definition = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"this is not a complete coil definition in JSON (line {error.lineno}: {error.msg})",
            where=path,
            fix="copy or make it again, completely",
        ) from None
    except (RecursionError, ValueError):
        raise InputError("this is not a coil definition: its JSON is absurdly deep or large", where=path) from None
    if not isinstance(definition, dict):
        raise InputError("expected a coil definition (a JSON object), found something else", where=path)
    return definition


def _items(definition: dict[str, Any], key: str, path: Path, *, needed: bool = True) -> list[dict[str, Any]]:
    """Return a list of objects in the definition; an empty one where it may be missing."""
    items = definition.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{key} is not a list of objects", where=path)
    if needed and not items:
        raise InputError(f"the coil has no {key}", where=path, fix="check that this is a coil definition (.tcd)")
    return items


def _choose(
    everything: list[dict[str, Any]], definition: dict[str, Any], wanted: str | int | None, path: Path
) -> tuple[int | None, str]:
    """Return the number of the stimulator whose elements are read, and its name if there are others."""
    names = [_word(entry.get("name")) for entry in _items(definition, "stimulatorList", path, needed=False)]
    used = []
    for number, element in enumerate(everything):
        which = element.get("stimulator")
        if which is not None and (isinstance(which, bool) or not isinstance(which, int) or which < 0):
            raise InputError(f"element {number} of the coil names no stimulator: {which!r:.40}", where=path)
        if which not in used:
            used.append(which)
    titles = {which: (names[which] if which is not None and which < len(names) else "") for which in used}
    if wanted is None and len(used) == 1:
        return used[0], ""
    listed = ", ".join(
        f"{'none' if which is None else which} ({title or 'no name'})" for which, title in titles.items()
    )
    if wanted is None:
        raise InputError(
            f"the coil's elements belong to {len(used)} stimulators, each with its own current: {listed}",
            where=path,
            fix="say which one is used, by its name or number",
        )
    word = str(wanted).strip().lower()
    fitting = [which for which, title in titles.items() if word in (str(which), title.lower())]
    if len(fitting) != 1:
        raise InputError(
            f"{len(fitting) or 'no'} stimulators of the coil are {wanted!r}; there are {listed}",
            where=path,
            fix="give the number of one",
        )
    return fitting[0], titles[fitting[0]] or str(fitting[0])


def _largest_didt(definition: dict[str, Any], which: int | None, path: Path) -> float | None:
    """Largest rate of change that the stimulator reaches, A/µs."""
    stimulators = _items(definition, "stimulatorList", path, needed=False)
    didt = stimulators[which].get("maxdIdt") if which is not None and which < len(stimulators) else None
    if didt is None:
        return None
    if isinstance(didt, bool) or not isinstance(didt, (int, float)):
        raise InputError(f"maxdIdt is not a number: {didt!r:.40}", where=path, fix="correct or remove it (A/s)")
    return didt / 1e6


def _points_and_values(element: dict[str, Any], number: int, path: Path) -> tuple[FloatArray, FloatArray]:
    """Return where an element's sources are, and their moments (A·m²) or lengths (mm)."""
    kind = element.get("type")
    if kind not in (_DIPOLES, _WIRES):
        known = "is a sampled field, which is not read" if kind == _SAMPLED else f"has the unknown type {kind!r:.40}"
        raise InputError(
            f"element {number} of the coil {known}",
            where=path,
            fix="give a coil file with dipoles (type 1) or pieces of wire (type 2)",
        )
    points, values = (_vectors(element.get(key), f"{key} of element {number}", path) for key in ("points", "values"))
    if len(points) != len(values):
        raise InputError(f"element {number} of the coil has {len(points)} points and {len(values)} values", where=path)
    return points, values


def _require_at_rest(element: dict[str, Any], definition: dict[str, Any], number: int, path: Path) -> None:
    """Refuse an element that is moved from where its points are."""
    moves = _items(definition, "deformList", path, needed=False)
    ranges = _items(definition, "deformRangeList", path, needed=False)
    try:
        moved = any(
            float(ranges[moves[index]["deformRange"]]["initial"]) != 0 for index in element.get("deformations") or ()
        )
    except (LookupError, TypeError, ValueError):
        moved = True
    if moved:
        raise InputError(
            f"element {number} of the coil has moving parts that do not start at 0, which is not supported",
            where=path,
            fix="save the coil in the shape that is used, without deformations",
        )


def _vectors(value: Any, what: str, path: Path) -> FloatArray:
    """Read vectors: rows of three numbers, or the same as compressed float64 in base64."""
    if isinstance(value, str):
        values: FloatArray = np.frombuffer(_unpack(value, what, path), dtype="<f8").reshape(-1, 3).astype(np.float64)
    else:
        try:
            values = np.array(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
    if values.ndim != 2 or values.shape[1] != 3 or not 0 < len(values) <= _MOST_ELEMENTS:
        raise InputError(
            f"{what} are not rows of three numbers, or far too many", where=path, fix="make the file again"
        )
    return values


def _unpack(value: str, what: str, path: Path) -> bytes:
    """Decompress, up to a size that no coil has."""
    most = 24 * _MOST_ELEMENTS
    try:
        stream = zlib.decompressobj()
        raw = stream.decompress(base64.b64decode(value, validate=True), most + 1)
        whole = stream.eof and not len(raw) % 24
    except (binascii.Error, ValueError, zlib.error):
        raw, whole = b"", False
    if len(raw) > most:
        raise InputError(f"{what} are more than {_MOST_ELEMENTS:,} vectors", where=path, fix="check the file")
    if not whole:
        raise InputError(
            f"{what} cannot be decompressed to vectors of float64: the file is damaged", where=path, fix="copy it again"
        )
    return raw


def _wire(points: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middles of pieces of wire that are short, and their vectors; mm."""
    lengths = np.linalg.norm(values, axis=1)
    if len(points) < 2 or not np.isfinite(lengths).all() or not lengths.any():
        return points, values
    step = np.diff(points, axis=0)

    def gap(expected: FloatArray) -> float:
        # the jump to the next turn counts as one length
        return float(np.minimum(np.linalg.norm(step - expected, axis=1), lengths[:-1]).sum() / lengths.sum())

    from_starts, from_middles = gap(values[:-1]), gap((values[:-1] + values[1:]) / 2)
    if min(from_starts, from_middles) > _CHAINED:
        return points, values
    middles = points + values / 2 if from_starts < from_middles / 2 else points
    pieces = np.maximum(np.ceil(lengths / _LONGEST_MM), 1).astype(np.int64)
    owner = np.repeat(np.arange(len(points)), pieces)
    order = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    part = (order + 0.5) / pieces[owner] - 0.5
    return middles[owner] + part[:, None] * values[owner], values[owner] / pieces[owner, None]


def _casing(everything: list[dict[str, Any]], definition: dict[str, Any], path: Path) -> FloatArray:
    """Points of every casing that the coil or an element names."""
    models = _items(definition, "coilModels", path, needed=False)
    named = {definition.get("coilCasing"), *(element.get("elementCasing") for element in everything)} - {None}
    outline: list[FloatArray] = [np.zeros((0, 3))]
    for index in sorted(named, key=str):
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(models):
            raise InputError(f"the coil names a casing that is not in the file: {index!r:.40}", where=path)
        outline.append(_vectors(models[index].get("points"), f"points of casing {index}", path))
    return np.concatenate(outline)


def _word(value: Any) -> str:
    """Return a name, or nothing."""
    return value.strip() if isinstance(value, str) else ""
