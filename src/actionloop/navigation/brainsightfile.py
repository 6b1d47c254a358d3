"""Brainsight's text file as a whole: every section read, every field kept, written back as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from actionloop.errors import GeometryError
from actionloop.navigation.brainsightspace import Handed, Placing, named_space, place
from actionloop.navigation.brainsighttext import (
    AXES,
    NOTHING,
    NUMBER,
    OURS,
    OURS_SHA256,
    OURS_VOXELS,
    PLACE,
    is_placed,
    numbers,
    planned_landmarks,
    read_header,
    read_lines,
)
from actionloop.navigation.conventions import BRAINSIGHT_AXES, ROUNDING, rigid
from actionloop.navigation.corner import UNPLACED
from actionloop.navigation.found import Entry, Kind
from actionloop.navigation.verbatim import Line, LinedFile
from actionloop.types import FloatArray, Image, ImageTie

_KINDS: dict[str, Kind] = {
    "Target Name": "target",
    "Sample Name": "sample",
    "Electrode Name": "electrode",
    "Planned Landmark Name": "landmark",
    "Session Landmark Name": "landmark",
}
_NOTES = {"Sample Name": "Comment", "Electrode Name": "Electrode Type", "Session Landmark Name": "Session Name"}
_STATEMENT = re.compile(
    r"# (.+?): (?:LEFT|RIGHT) hemisphere, x = ([+-][0-9]{1,4}\.[0-9]) mm, [^;]*(?:;[^;]*)*?(?:; note: (.*))?"
)

_LONGEST_COMMENT = 4_000
_FARTHEST_MM = 1_000.0
# No direction cosine and no angle in radians is larger than this; angles in degrees are.
_MOST_RADIANS = 3.2
# Session landmarks may be in the tracker's frame; those of the image lie near the planned ones.
_SAME_PLACE_MM = 25.0


def read_brainsight_file(
    text: str,
    *,
    image: Image | None = None,
    assume: Handed | None = None,
    source: str = "",
) -> LinedFile:
    """Read a Brainsight text file (versions 7 to 14) whole.

    Parameters
    ----------
    text : str
    image : Image, optional
        A file in the system 'Brainsight' counts from a corner of it: without the image its numbers stay as they are, in
        the directions of RAS, and `frame` and `skipped` say so. With a file in a NIfTI system it is checked that the
        image has that system.
    assume : {'RAS', 'LPS'}, optional
        For a file without landmarks, or one whose landmarks contradict the name of its coordinate system.
    source : str
        File name, for errors.

    Returns
    -------
    LinedFile
        A `NavigationFile` with targets, samples, electrodes and landmarks in the file's order, RAS mm. Electrodes are
        points: their axes are not a coil's and stay in `raw`. `skipped` names rows without a place, untracked
        samples, session landmarks in the tracker's frame, sections that are not read, and evidence that `assume`
        overruled.

    Raises
    ------
    InputError
        Not a Brainsight text file, a version or coordinate system that is not known, or a damaged row.
    GeometryError
        Axes that are no right-handed rotation; or nothing tells RAS from LPS: real files named 'NIfTI:Aligned' exist
        in either, so the landmarks have to agree with the name.
    """
    lines = read_lines(text, source=source)
    header = read_header(lines, source=source)
    system, tie = header["Coordinate system"], None
    if OURS in header:
        tie = ImageTie(header[OURS], header.get(OURS_SHA256, ""), header.get(OURS_VOXELS, ""))
    if tie is not None and tie.header_sha256 and image is not None and image.header_sha256:
        why = replace(tie, frame=image.frame).why_not(image.tie)
        if why:
            raise GeometryError(
                f"the file {why}", where=source or None, fix="give the image that the file was exported with"
            )
    named_space(system, where=source)
    placing = Placing(np.eye(4), "unknown")
    skipped: list[str] = []
    if any(line.section in _KINDS and is_placed(line) for line in lines):
        marks = planned_landmarks(lines, source=source)
        placing = place(system, marks, image=image, assume=assume, ours=OURS in header, where=source)
        skipped += placing.said
    foreign = _tracker_landmarks(lines, source)
    statements = _statements(lines) if OURS in header else {}
    kept = []
    for number, line in enumerate(lines, start=1):
        entry, why = None, ""
        if line.section in _KINDS:
            why = "in the tracker's frame" if id(line) in foreign else _why_not(line)
            entry = None if why else _entry(line, placing, statements, source=source, number=number)
        if why:
            skipped.append(f"line {number}: {next(iter(line.raw.values()))!r} was left out: {why}")
        kept.append(Line(line.text, line.end, line.section, line.raw, entry))
    for section in dict.fromkeys(line.section for line in lines if line.section not in (*_KINDS, "")):
        skipped.append(f"the section {section!r} holds no poses and is not read")
    return LinedFile(
        "Brainsight",
        header["Version"],
        f"{system}, {UNPLACED}" if placing.space == "corner" and image is None else system,
        placing.space,
        tuple(line.entry for line in kept if line.entry is not None),
        tuple(skipped),
        source=source,
        lines=tuple(kept),
        tie=tie,
    )


def _why_not(line: Line) -> str:
    if not is_placed(line):
        return "it has no place"
    axes = [line.raw.get(column, NOTHING) for column in AXES]
    cells = [*(line.raw.get(column, NOTHING) for column in PLACE), *axes]
    if all(NUMBER.fullmatch(cell) for cell in cells):
        values = np.array([float(cell) for cell in cells])
        if not values[:3].any() and np.array_equal(values[3:].reshape(3, 3), np.eye(3)):
            return "it is the identity, which stands for a coil that was not tracked"
    return ""


def _tracker_landmarks(lines: Sequence[Line], source: str) -> set[int]:
    """Session landmarks that are not on the image: some versions write them in the tracker's frame."""
    planned = planned_landmarks(lines, source=source)
    rows = [line for line in lines if line.section == "Session Landmark Name" and is_placed(line)]
    foreign: dict[str, bool] = {}
    for line in rows:
        session, label = line.raw.get("Session Name", ""), line.raw["Session Landmark Name"]
        if label in planned:
            away = np.linalg.norm(np.array(numbers(line, PLACE, source)) - planned[label])
            foreign[session] = foreign.get(session, False) or bool(away > _SAME_PLACE_MM)
    return {id(line) for line in rows if foreign.get(line.raw.get("Session Name", ""), True)}


def _statements(lines: Sequence[Line]) -> dict[str, tuple[float, str]]:
    """Read from actionloop's comments what they say about each entry: its x, and its note."""
    said: dict[str, tuple[float, str]] = {}
    for line in lines:
        found = None if line.raw or len(line.text) > _LONGEST_COMMENT else _STATEMENT.fullmatch(line.text)
        if found:
            said.setdefault(found.group(1), (float(found.group(2)), found.group(3) or ""))
    return said


def _entry(
    line: Line, placing: Placing, statements: Mapping[str, tuple[float, str]], *, source: str, number: int
) -> Entry:
    label, kind = next(iter(line.raw.values())), _KINDS[line.section]
    xyz = np.array(numbers(line, PLACE, source))
    where = f"{source or 'Brainsight file'}, line {number}"
    if np.abs(xyz).max() > _FARTHEST_MM:
        raise GeometryError(
            f"{label!r} lies {np.abs(xyz).max():.0f} mm away; no head is that large",
            where=where,
            fix="the coordinates are not in millimetres of the image; export again",
        )
    note = line.raw.get(_NOTES.get(line.section, ""), "")
    note = "" if note == NOTHING else note
    if kind == "target" and label in statements:
        x_said, note = statements[label]
        if x_said * xyz[0] < 0 and abs(x_said - xyz[0]) > 1.0:
            raise GeometryError(
                f"{label!r} lies at x = {xyz[0]:+.1f} mm, but the comment of the export says {x_said:+.1f}",
                where=where,
                fix="left and right were exchanged after the export; export again",
            )
    theirs = np.eye(4)
    theirs[:3, 3] = xyz
    cells = [line.raw.get(column, NOTHING) for column in AXES]
    if kind in ("electrode", "landmark") or all(cell == NOTHING for cell in cells):
        return Entry(kind, label, None, (placing.to_ras @ theirs)[:3, 3], note, line.raw)
    theirs[:3, :3] = np.array(numbers(line, AXES, source)).reshape(3, 3).T
    _require_axes(theirs[:3, :3], label, where)
    matrix = rigid(placing.to_ras @ theirs @ BRAINSIGHT_AXES, label=label, where=where)
    return Entry(kind, label, matrix, matrix[:3, 3].copy(), note, line.raw)


def _require_axes(axes: FloatArray, label: str, where: str) -> None:
    """Say which of the usual mistakes keeps (3, 3) axes from being a right-handed rotation."""
    lengths = np.linalg.norm(axes, axis=0)
    cosines = np.abs((axes / np.where(lengths > 0, lengths, 1)).T @ (axes / np.where(lengths > 0, lengths, 1)))
    lean = np.degrees(np.arcsin(min(1.0, (cosines - np.diag(np.diag(cosines))).max())))
    fix = "export the pose again from Brainsight"
    if np.abs(axes).max() > _MOST_RADIANS:
        problem = (
            f"the axes of {label!r} hold values up to {np.abs(axes).max():.1f}: angles in degrees where direction "
        )
        problem += "cosines belong"
    elif np.sin(np.radians(lean)) > ROUNDING:
        problem = f"the axes of {label!r} are {lean:.1f}° off perpendicular (shear)"
    elif np.abs(lengths**2 - 1).max() > ROUNDING:
        problem = f"the axes of {label!r} are {', '.join(f'{v:.3f}' for v in lengths)} long, not 1 (scaling)"
    elif np.linalg.det(axes) < 0:
        problem = f"the axes of {label!r} are left-handed: one axis was flipped"
        fix += "; never change the sign of a single axis by hand"
    else:
        return
    raise GeometryError(problem, where=where, fix=fix)
