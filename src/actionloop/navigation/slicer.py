"""3D Slicer's markups file (.mrk.json): points in LPS, and coil poses as the orientation of control points."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import LPS_TO_RAS, rigid
from actionloop.navigation.exchange import (
    OUR_AXES,
    Axes,
    Saying,
    axes_of,
    items,
    mapping,
    numbers,
    tell,
    words,
)
from actionloop.navigation.found import Entry, NavigationFile, Space
from actionloop.navigation.laterality import from_landmarks, without_side
from actionloop.navigation.parsing import parse_json
from actionloop.navigation.telling import told_tie
from actionloop.types import CoilPose, FloatArray, Image

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_OURS = "actionloop coil pose"
_NOTE = "; note: "
_LANDMARKS = {"lpa": "left", "rpa": "right", "nasion": "nasion", "nas": "nasion"}


def write_slicer(poses: Sequence[CoilPose], *, image: Image, kept: NavigationFile | None = None) -> str:
    """Write coil poses as one point list of 3D Slicer, in LPS.

    Slicer knows no coil, so each control point's 3 x 3 orientation carries the coil's axes in its columns, and its
    description says so: the description survives loading and saving in Slicer, fields of our own would not.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The volume that is loaded in Slicer.
    kept : NavigationFile, optional
        Points read from a file in LPS, written back first and as they stood there.

    Returns
    -------
    str
        JSON of schema 1.0.3.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, or a name that contradicts its place.
    EmptyRegionError
        Nothing to write.

    References
    ----------
    .. [1] Slicer markups schema 1.0.3 (row-major orientation: elements 0, 3 and 6 are the x axis).
    """
    general, sayings = tell(poses, image=image, system="Slicer", kept=kept, space="LPS")
    about = "; ".join(general)
    there = [dict(entry.raw) for entry in kept.entries] if kept else []
    points = there + [
        _point(number, pose, saying, about)
        for number, (pose, saying) in enumerate(zip(poses, sayings, strict=True), len(there) + 1)
    ]
    markup = {
        "type": "Fiducial",
        "name": "actionloop coil poses",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": points,
    }
    document = {"@schema": _SCHEMA, "actionloop": general, "markups": [markup]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def read_slicer(text: str, *, source: str = "", axes: Axes | None = None) -> NavigationFile:
    """Read the points and coil poses of a markups file of 3D Slicer.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    axes : {'simnibs', 'brainsight', 'localite'}, optional
        Which way the coil's axes point in a file that actionloop did not write; without it the orientations of such
        a file are left out, and its poses are points.

    Returns
    -------
    NavigationFile
        Points named LPA, RPA and nasion are landmarks.

    Raises
    ------
    InputError
        Not a markups file, a coordinate system other than LPS and RAS, or units other than mm.
    GeometryError
        Axes that are no right-handed rotation, or landmarks that contradict the coordinate system.
    """
    theirs = axes_of(axes)
    root = mapping(parse_json(text, source=source), what="the file", where=source)
    schema = words(root.get("@schema"))
    if "markups" not in root or "markups-schema" not in schema:
        raise InputError(
            "this is not a 3D Slicer markups file (no '@schema' of markups, or no 'markups')",
            where=source or None,
            fix="save the point list in Slicer as .mrk.json",
        )
    entries: list[Entry] = []
    skipped: list[str] = []
    systems: list[str] = []
    for index, value in enumerate(items(root["markups"], what="'markups'", where=source), 1):
        markup = mapping(value, what=f"markup {index}", where=source)
        name = words(markup.get("name")) or f"markup {index}"
        if markup.get("type") != "Fiducial":
            skipped.append(f"{name}: not a point list but {words(markup.get('type')) or 'without a type'}.")
            continue
        system = _system(markup, name, source)
        systems.append(system)
        for one in items(markup.get("controlPoints", []), what=f"the control points of {name}", where=source):
            point = mapping(one, what=f"a control point of {name}", where=source)
            entry, why = _entry(point, LPS_TO_RAS if system == "LPS" else np.eye(4), theirs, len(entries), source)
            skipped += why
            entries += [entry] if entry else []
    _require_landmarks(entries, source)
    found = sorted(set(systems))
    space: Space = "unknown" if len(found) != 1 else ("LPS" if found[0] == "LPS" else "RAS")
    version = re.search(r"markups(?:-schema)?-v(\d[\d.]*\d)", schema)
    return NavigationFile(
        "Slicer",
        version.group(1) if version else "",
        " and ".join(found) or "no point list",
        space,
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=told_tie(text),
    )


def _point(number: int, pose: CoilPose, saying: Saying, about: str) -> dict[str, Any]:
    matrix = LPS_TO_RAS @ pose.matrix
    described = f"{_OURS}; {OUR_AXES}; {saying.said}; {about}"
    return {
        "id": str(number),
        "label": saying.name,
        "description": described + (_NOTE + saying.note if saying.note else ""),
        "associatedNodeID": "",
        "position": [round(float(value), 6) for value in matrix[:3, 3]],
        "orientation": [round(float(value), 9) for value in matrix[:3, :3].flat],
        "selected": True,
        "locked": True,
        "visibility": True,
        "positionStatus": "defined",
    }


def _system(markup: Mapping[str, Any], name: str, source: str) -> str:
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS"):
        raise InputError(
            f"{name} is in the coordinate system {words(system) or 'without a name'!r}, expected LPS or RAS",
            where=source or None,
            fix="save it again in Slicer, which writes LPS",
        )
    units = markup.get("coordinateUnits", "mm")
    if units != "mm" and not (isinstance(units, list) and units[:2] == ["mm", "UCUM"]):
        raise InputError(
            f"the units of {name} are {words(units) or 'not given in words'!r}, expected mm",
            where=source or None,
            fix="save it again in Slicer with coordinates in mm",
        )
    return str(system)


def _entry(
    point: Mapping[str, Any], to_ras: FloatArray, theirs: FloatArray | None, index: int, source: str
) -> tuple[Entry | None, list[str]]:
    """One control point as an entry, and what was left out of it."""
    label = words(point.get("label")) or f"point {index + 1}"
    if point.get("positionStatus", "defined") != "defined" or not point.get("position"):
        return None, [f"{label}: its position is not defined."]
    matrix = np.eye(4)
    matrix[:3, 3] = numbers(point["position"], 3, what=f"the position of {label!r}", where=source, mm=True)
    xyz = (to_ras @ matrix)[:3, 3]
    described = words(point.get("description"))
    ours = described.startswith(_OURS)
    if ours:
        label = without_side(label)
    note = described.partition(_NOTE)[2] if ours else described
    landmark = label.lower() in _LANDMARKS
    turn = point.get("orientation")
    if turn is None or landmark:
        if ours:
            raise InputError(
                f"the coil pose {label!r} has lost its orientation", where=source or None, fix="export it again"
            )
        return Entry("landmark" if landmark else "target", label, None, xyz, note, point), []
    matrix[:3, :3] = numbers(turn, 9, what=f"the orientation of {label!r}", where=source).reshape(3, 3)
    if not ours and _is_default(matrix[:3, :3], to_ras):
        return Entry("target", label, None, xyz, note, point), []
    if not ours and theirs is None:
        why = f"{label}: its orientation was left out, because the file does not say which way the coil's axes point."
        return Entry("target", label, None, xyz, note, point), [why]
    coil_axes = np.eye(4) if ours or theirs is None else theirs
    return Entry("target", label, rigid(to_ras @ matrix @ coil_axes, label=label, where=source), xyz, note, point), []


def _is_default(turn: FloatArray, to_ras: FloatArray) -> bool:
    # Slicer gives every point the identity in RAS; other programs write the identity as it stands, or zeros.
    return any(np.allclose(turn, one, atol=1e-6) for one in (np.eye(3), to_ras[:3, :3], np.zeros((3, 3))))


def _require_landmarks(entries: Sequence[Entry], source: str) -> None:
    """Refuse a file whose ears and nasion do not lie as its coordinate system says."""
    marks = {_LANDMARKS[one.label.lower()]: one.xyz_ras for one in entries if one.kind == "landmark"}
    if len(marks) == 3 and from_landmarks(marks["left"], marks["right"], marks["nasion"], where=source) != "RAS":
        raise GeometryError(
            "the landmarks (LPA, RPA, nasion) contradict the coordinate system that the file names: LPS and RAS are "
            "exchanged, so left and right are too",
            where=source or None,
            fix="find out which program wrote the file and in which system; do not rename the landmarks",
        )
