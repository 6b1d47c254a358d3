"""NaviNIBS's targets as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import BRAINSIGHT_AXES, rigid
from actionloop.navigation.exchange import Saying, items, mapping, numbers, tell, words
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.navigation.laterality import without_side
from actionloop.navigation.parsing import parse_json, require_bottom_row
from actionloop.navigation.telling import told_tie
from actionloop.types import CoilPose, FloatArray, Image

# Between a target and the coil's own axes no more than the thickness of a foam is a matter of definition.
_BEHIND_MM = 5.0


def write_navinibs(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    aimed_ras: Mapping[str, FloatArray] | None = None,
    kept: NavigationFile | None = None,
) -> str:
    """Write coil poses as a file of targets that NaviNIBS merges into a session.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The MRI of the NaviNIBS session.
    aimed_ras : mapping of str to (3,) float ndarray, optional
        Label of a pose and the place on the cortex that it aims at, RAS mm: 'targetCoord'.
    kept : NavigationFile, optional
        Targets read from such a file, written back first and as they stood there.

    Returns
    -------
    str
        JSON: 'targets', and our own words under 'actionloop', which NaviNIBS passes over.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, or a
        place that lies behind its coil.
    EmptyRegionError
        Nothing to write.

    Notes
    -----
    A whole coilToMRITransf is written rather than entry and angle: NaviNIBS counts the angle from the midline of
    its own head model.
    """
    general, sayings = tell(poses, image=image, system="NaviNIBS", kept=kept)
    aimed_ras = aimed_ras or {}
    there = kept.entries if kept else ()
    targets = [dict(entry.raw) for entry in there]
    for pose, saying in zip(poses, sayings, strict=True):
        target: dict[str, Any] = {"key": saying.name}
        if pose.label in aimed_ras:
            aim = np.asarray(aimed_ras[pose.label], dtype=float)
            _require_ahead(pose.matrix, aim, saying.name, image.source)
            target["targetCoord"] = [round(float(value), 6) for value in aim]
        # No other field is added: NaviNIBS refuses a target with fields it does not know.
        matrix = pose.matrix @ BRAINSIGHT_AXES
        target["coilToMRITransf"] = [
            [round(float(matrix[i, j]), 6 if j == 3 else 9) for j in range(4)] for i in range(4)
        ]
        targets.append(target)
    document = {"actionloop": {"file": general, "targets": _told(sayings, there)}, "targets": targets}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def read_navinibs(text: str, *, source: str = "") -> NavigationFile:
    """Read the targets of a NaviNIBS file or session.

    Parameters
    ----------
    text : str
        A JSON object with 'targets', or the array of targets itself.
    source : str
        File name, for errors.

    Returns
    -------
    NavigationFile
        A target with entry and angle but without a transform is a point at its targetCoord: the angle counts from
        the midline of a head model that the file does not hold.

    Raises
    ------
    InputError
        Not such a file, or a damaged target.
    GeometryError
        A transform that is no right-handed rotation, or a target behind its coil.
    """
    root = parse_json(text, source=source)
    told: Mapping[str, Any] = {}
    if isinstance(root, dict):
        if "targets" not in root:
            raise InputError(
                "this is not a NaviNIBS file of targets (no 'targets')",
                where=source or None,
                fix="export the targets from NaviNIBS as JSON",
            )
        ours = root.get("actionloop")
        if isinstance(ours, dict) and isinstance(ours.get("targets"), dict):
            told = ours["targets"]
        root = root["targets"]
    entries: list[Entry] = []
    skipped: list[str] = []
    for index, value in enumerate(items(root, what="'targets'", where=source), 1):
        target = mapping(value, what=f"target {index}", where=source)
        label = words(target.get("key")) or f"target {index}"
        if target.get("isHistorical") is True:
            skipped.append(f"{label}: an older version that NaviNIBS keeps only for its samples.")
            continue
        entry, why = _entry(target, label, told, source)
        skipped += why
        entries += [entry] if entry else []
    return NavigationFile(
        "NaviNIBS",
        "",
        "MRI space of the session",
        "RAS",
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=told_tie(text),
    )


def _told(sayings: Sequence[Saying], there: Sequence[Entry]) -> dict[str, dict[str, str]]:
    # A target of ours is known by standing here; what was read from others stays theirs.
    ours = [entry for entry in there if entry.raw.get("key") != entry.label]
    return {
        str(entry.raw["key"]): {"said": "as it was read", "note": entry.note} for entry in ours if "key" in entry.raw
    } | {one.name: {"said": one.said, "note": one.note} for one in sayings}


def _entry(target: Mapping[str, Any], key: str, told: Mapping[str, Any], source: str) -> tuple[Entry | None, list[str]]:
    own = told.get(key)
    label, note = (without_side(key), words(own.get("note"))) if isinstance(own, dict) else (key, "")
    aim, entry = (
        None if target.get(name) is None else numbers(target[name], 3, what=f"{name} of {key!r}", where=source, mm=True)
        for name in ("targetCoord", "entryCoord")
    )
    rows = target.get("coilToMRITransf")
    if rows is not None:
        theirs = np.array(
            [
                numbers(row, 4, what=f"coilToMRITransf of {key!r}", where=source)
                for row in items(rows, what=f"coilToMRITransf of {key!r}", where=source)
            ]
        )
        if theirs.shape != (4, 4):
            raise InputError(
                f"coilToMRITransf of {key!r} is not 4 x 4",
                where=source or None,
                fix="the file is damaged; export it again",
            )
        require_bottom_row(theirs, label=key, where=source)
        numbers(theirs[:3, 3].tolist(), 3, what=f"coilToMRITransf of {key!r}", where=source, mm=True)
        if np.allclose(theirs, np.eye(4), atol=1e-9):
            return None, [f"{key}: its transform is the identity, so it was never set."]
        matrix = rigid(theirs @ BRAINSIGHT_AXES, label=key, where=source)
        if aim is not None:
            _require_ahead(matrix, aim, key, source)
        return Entry("target", label, matrix, matrix[:3, 3].copy(), note, target), []
    place = aim if aim is not None else entry
    if place is None:
        return None, [f"{key}: neither a transform nor a place."]
    if aim is None or entry is None:
        return Entry("target", label, None, place, note, target), []
    why = f"{key}: planned by entry and angle; a point, because the angle counts from the midline of the head model."
    return Entry("target", label, None, place, note, target), [why]


def _require_ahead(matrix: FloatArray, aim: FloatArray, name: str, source: str) -> None:
    ahead_mm = float(matrix[:3, 2] @ (aim - matrix[:3, 3]))
    if ahead_mm < -_BEHIND_MM:
        raise GeometryError(
            f"the target of {name!r} lies {-ahead_mm:.0f} mm behind its coil: the coil's axes are not those of "
            "NaviNIBS (-z into the head, -y along the handle)",
            where=source or None,
            fix="find out which axes the transform is in; export it again",
        )
