"""Brainsight's text file: tab-separated sections under '#' headings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.navigation.conventions import (
    BRAINSIGHT_AXES,
    LPS_TO_RAS,
    image_frame,
    require_something,
    require_tied,
    rigid,
)
from actionloop.navigation.corner import from_corner
from actionloop.navigation.laterality import from_landmarks, plain, side_of, statement, with_side, without_side
from actionloop.types import CoilPose, FloatArray, Image

# mXnY is coordinate Y of axis X: the axes in reading order are the columns of the matrix.
_AXES = tuple(f"m{axis}n{coordinate}" for axis in range(3) for coordinate in range(3))
_PLACE = ("Loc. X", "Loc. Y", "Loc. Z")
_NOTHING = "(null)"
_OURS = "actionloop frame:"
_FIRST_WITH_FORM, _NEWEST = 14, 14

Row = dict[str, str]


def write_brainsight(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    points: Mapping[str, FloatArray] | None = None,
    version: int = 13,
) -> str:
    """Write coil poses, and points without orientation, as targets of a Brainsight project.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the Brainsight project is made from.
    points : mapping of str to (3,) float ndarray, optional
        Name and RAS mm of places to mark without a coil; their orientation is written as '(null)'.
    version : int
        Of the file format. Up to 13 a coordinate system is 'NIfTI:Scanner'; from 14 on 'NIfTI:S:Scanner'.

    Returns
    -------
    str
        UTF-8 text. Names end in '(left)' or '(right)', and a comment says the sign of each x.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, or a name that contradicts its place.
    EmptyRegionError
        Nothing to write.
    OptionError
        A version of the format that is not known.

    Notes
    -----
    The coordinate system is named after the NIfTI code of the form in use: 1 Scanner, 2 Aligned, 3 Talairach,
    4 MNI-152. An image of a template head (3 to 5) is exported too, with a warning, so that the demonstration can be
    looked at in Brainsight.
    """
    if not 7 <= version <= _NEWEST:
        raise OptionError(f"Brainsight file version {version} is not known (7 to {_NEWEST})", where="version")
    points = points or {}
    require_something(len(poses) + len(points))
    require_tied(poses, image)
    frame = image_frame(image)
    if frame.name == "Other-Template" and version < _FIRST_WITH_FORM:
        raise GeometryError(
            "Brainsight before file version 14 has no name for NIfTI code 5 (another template)",
            where=image.source or None,
            fix=f"write version {_FIRST_WITH_FORM}",
        )
    name = f"{frame.form}:{frame.name}" if version >= _FIRST_WITH_FORM else frame.name

    said: list[str] = []
    rows: list[str] = []
    for pose in poses:
        matrix = pose.matrix @ BRAINSIGHT_AXES
        entry = _entry_name(pose.label, matrix[:3, 3], image)
        said.append(_said(entry, matrix[0, 3], pose.note))
        axes = [f"{value:.8f}" for value in matrix[:3, :3].T.flat]
        rows.append("\t".join([entry, *(f"{value:.6f}" for value in matrix[:3, 3]), *axes]))
    for label, xyz in points.items():
        place = np.asarray(xyz, dtype=float)
        entry = _entry_name(label, place, image)
        said.append(_said(entry, float(place[0]), "a point without a coil"))
        rows.append("\t".join([entry, *(f"{v:.6f}" for v in place), *[_NOTHING] * 9]))

    lines = [
        f"# Version: {version}",
        f"# Coordinate system: NIfTI:{name}",
        "# Created by: actionloop",
        "# Units: millimetres, degrees, milliseconds, and microvolts",
        "# Encoding: UTF-8",
        "# Notes: Each column is delimited by a tab. Each value within a column is delimited by a semicolon.",
        f"# {facts.notice()}",
        f"# {_OURS} {plain(image.frame)}",
        f"# actionloop image header sha256: {image.header_sha256}",
    ]
    if frame.template:
        lines.append("# These places are on a template head, not on a person: never navigate a person with them.")
    lines += [f"# {text}" for text in said]
    return "\n".join([*lines, "\t".join(("# Target Name", *_PLACE, *_AXES)), *rows]) + "\n"


def read_brainsight(
    text: str,
    *,
    source: str = "",
    image: Image | None = None,
    space: Literal["RAS", "LPS"] | None = None,
) -> list[CoilPose]:
    """Read the coil poses (targets, then samples) of a Brainsight text file.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    image : Image, optional
        Needed for a file in the system 'Brainsight', which counts from a corner of the image.
    space : {'RAS', 'LPS'}, optional
        For a file without landmarks that actionloop did not write.

    Returns
    -------
    list of CoilPose
        RAS mm. Entries without orientation are left out. `frame` and `image_sha256` are those of the export for our
        own files, else the name of the coordinate system and ''.

    Raises
    ------
    InputError
        Not a Brainsight text file, or a damaged row.
    GeometryError
        Axes that are no rotation; or nothing tells RAS from LPS. The name of the coordinate system does not: real
        files marked 'NIfTI:Aligned' exist in either, so the landmarks decide.
    """
    header, sections = _parse(text, source)
    ours = re.search(rf"^# {_OURS} (.*)$", text, re.MULTILINE)
    frame, sha256, notes = header["Coordinate system"], "", {}
    if ours:
        frame = ours.group(1)
        found = re.search(r"^# actionloop image header sha256: ([0-9a-f]*)$", text, re.MULTILINE)
        sha256 = found.group(1) if found else ""
        notes = dict(re.findall(r"^# (.+?): (?:LEFT|RIGHT) hemisphere, .*? note: (.*)$", text, re.MULTILINE))
    posed = [
        (heading, row)
        for heading in ("Target Name", "Sample Name")
        for row in sections.get(heading, [])
        if all(row.get(column, _NOTHING) != _NOTHING for column in _AXES)
    ]
    if not posed:
        return []
    to_ras = _to_ras(header["Coordinate system"], sections, image=image, space=space, ours=bool(ours), source=source)
    poses = []
    for heading, row in posed:
        name = row[heading]
        theirs = np.eye(4)
        theirs[:3, :3] = np.array(_numbers(row, _AXES, source)).reshape(3, 3).T
        theirs[:3, 3] = _numbers(row, _PLACE, source)
        matrix = rigid(to_ras @ theirs @ BRAINSIGHT_AXES, label=name, where=source)
        label = without_side(name) if ours else name
        poses.append(CoilPose(matrix, frame, sha256, label, notes.get(name, "")))
    return poses


def read_brainsight_points(
    text: str,
    *,
    source: str = "",
    image: Image | None = None,
    space: Literal["RAS", "LPS"] | None = None,
) -> dict[str, FloatArray]:
    """Read the targets without orientation of a Brainsight text file.

    Parameters and errors as in `read_brainsight`.

    Returns
    -------
    dict of str to (3,) float ndarray
        RAS mm.
    """
    header, sections = _parse(text, source)
    ours = f"# {_OURS}" in text
    rows = [
        row
        for row in sections.get("Target Name", [])
        if any(row.get(column, _NOTHING) == _NOTHING for column in _AXES) and row.get("Loc. X", _NOTHING) != _NOTHING
    ]
    if not rows:
        return {}
    to_ras = _to_ras(header["Coordinate system"], sections, image=image, space=space, ours=ours, source=source)
    points = {}
    for row in rows:
        name = row["Target Name"]
        place = np.array([*_numbers(row, _PLACE, source), 1.0])
        points[without_side(name) if ours else name] = (to_ras @ place)[:3]
    return points


def _entry_name(label: str, place: FloatArray, image: Image) -> str:
    # Tabs part the columns, semicolons the values, and '#' opens a heading.
    entry = plain(label, forbidden=("\t", ";", "#"))
    return with_side(entry, side_of(label, place, image))


def _said(entry: str, x_mm: float, note: str) -> str:
    side = "left" if entry.endswith("(left)") else "right"
    text = plain(statement(entry, x_mm, side))
    return f"{text}; note: {plain(note)}" if note else text


def _parse(text: str, source: str) -> tuple[dict[str, str], dict[str, list[Row]]]:
    """Part a file into header values and sections; a section is named after its first column."""
    header: dict[str, str] = {}
    sections: dict[str, list[Row]] = {}
    columns: list[str] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if line.startswith("#") and "\t" in line:
            columns = line[1:].strip().split("\t")
            sections[columns[0]] = []
        elif line.startswith("#"):
            key, _, value = line[1:].partition(":")
            header.setdefault(key.strip(), value.strip())
        elif line.strip():
            values = line.split("\t")
            if not columns:
                break
            if len(values) < len(columns):
                raise InputError(
                    f"line {number} has {len(values)} columns, expected {len(columns)}",
                    where=source or None,
                    fix="the file is truncated or was edited; export it again",
                )
            sections[columns[0]].append(dict(zip(columns, values, strict=False)))
    if "Version" not in header or "Coordinate system" not in header:
        raise InputError(
            "this is not a Brainsight text file (no '# Version:' or no '# Coordinate system:')",
            where=source or None,
            fix="export targets and samples from Brainsight as text",
        )
    return header, sections


def _numbers(row: Row, columns: Sequence[str], source: str) -> list[float]:
    try:
        return [float(row[column]) for column in columns]
    except (KeyError, ValueError):
        raise InputError(
            f"the row {next(iter(row.values()))!r} lacks numbers under {columns[0]} to {columns[-1]}",
            where=source or None,
            fix="the file is damaged; export it again",
        ) from None


def _to_ras(
    system: str,
    sections: Mapping[str, list[Row]],
    *,
    image: Image | None,
    space: str | None,
    ours: bool,
    source: str,
) -> FloatArray:
    """Find the (4, 4) matrix from a file's coordinates to RAS mm."""
    if system == "Brainsight":
        return from_corner(image, where=source)
    if ours:
        return np.eye(4)
    # Session landmarks may be in the tracker's frame; planned ones are on the image.
    marks = {
        row["Planned Landmark Name"].lower(): np.array(_numbers(row, _PLACE, source))
        for row in sections.get("Planned Landmark Name", [])
        if row.get("Loc. X", _NOTHING) != _NOTHING
    }
    found = None
    if {"lpa", "rpa", "nasion"} <= marks.keys():
        found = from_landmarks(marks["lpa"], marks["rpa"], marks["nasion"], where=source)
    if found and space and found != space:
        raise GeometryError(
            f"the landmarks say that the file is {found}, not {space}",
            where=source or None,
            fix="leave the space out, or check the landmarks",
        )
    known = found or space
    if known is None:
        raise GeometryError(
            f"the file ({system}) has no landmarks, so nothing tells whether it is RAS or LPS: left and right could be "
            "exchanged",
            where=source or None,
            fix="export it with its planned landmarks (LPA, RPA, Nasion), or say the space yourself",
        )
    return np.eye(4) if known == "RAS" else LPS_TO_RAS
