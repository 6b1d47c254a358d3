"""Brainsight's text file: tab-separated sections under '#' headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.navigation.brainsightadd import add_to_brainsight
from actionloop.navigation.brainsightspace import landmark_space
from actionloop.navigation.brainsighttext import (
    AXES,
    NEWEST,
    NOTHING,
    OLDEST,
    OURS,
    OURS_SHA256,
    OURS_VOXELS,
    PLACE,
)
from actionloop.navigation.conventions import (
    BRAINSIGHT_AXES,
    ImageFrame,
    image_frame,
    require_something,
    require_tied,
)
from actionloop.navigation.found import NavigationFile
from actionloop.navigation.laterality import plain, side_of, statement, with_side
from actionloop.navigation.telling import ON_A_TEMPLATE
from actionloop.types import CoilPose, FloatArray, Image

_FIRST_WITH_FORM = 14
Points = Mapping[str, FloatArray]


def write_brainsight(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    points: Points | None = None,
    electrodes: Points | None = None,
    landmarks: Points | None = None,
    version: int = 13,
    kept: NavigationFile | None = None,
) -> str:
    """Write coil poses, and points without orientation, as a Brainsight project's targets, electrodes and landmarks.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the Brainsight project is made from.
    points : mapping of str to (3,) float ndarray, optional
        Name and RAS mm of places to mark without a coil; their orientation is written as '(null)'.
    electrodes, landmarks : mapping of str to (3,) float ndarray, optional
        Name and RAS mm, named as they are: no side is appended. With landmarks 'LPA', 'RPA' and 'Nasion' any reader
        can tell left from right.
    version : int
        Of the file format. Up to 13 a coordinate system is 'NIfTI:Scanner'; from 14 on 'NIfTI:S:Scanner'.
    kept : NavigationFile, optional
        From `read_brainsight_file`: written back character for character, `poses` and `points` among its targets.
        Version and coordinate system are then its own.

    Returns
    -------
    str
        UTF-8 text. Targets' names end in '(left)' or '(right)', and a comment says the sign of each x.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, a
        place that is not three finite numbers, ears and nasion that are not RAS, or kept entries that new targets
        cannot stand beside.
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
    if not OLDEST <= version <= NEWEST:
        raise OptionError(f"Brainsight file version {version} is not known ({OLDEST} to {NEWEST})", where="version")
    points, electrodes, landmarks = points or {}, electrodes or {}, landmarks or {}
    require_something(len(poses) + len(points) + len(electrodes) + len(landmarks) + (len(kept.entries) if kept else 0))
    require_tied(poses, image)
    frame = image_frame(image)

    said: list[str] = []
    rows: list[str] = []
    for pose in poses:
        matrix = pose.matrix @ BRAINSIGHT_AXES
        entry = _entry_name(pose.label, matrix[:3, 3], image)
        said.append(_said(entry, matrix[0, 3], pose.note))
        axes = [f"{value:.8f}" for value in matrix[:3, :3].T.flat]
        rows.append("\t".join([entry, *_cells(entry, matrix[:3, 3]), *axes]))
    for label, xyz in points.items():
        place = _cells(label, xyz)
        entry = _entry_name(label, np.asarray(xyz, dtype=float), image)
        said.append(_said(entry, float(xyz[0]), "a point without a coil"))
        rows.append("\t".join([entry, *place, *[NOTHING] * 9]))
    if kept is not None and kept.entries:
        if electrodes or landmarks:
            raise OptionError("electrodes and landmarks are not added to a file that is written back", where="kept")
        return add_to_brainsight(kept, rows, said, image=image)
    lines = [*_comments(frame, image, version), *(f"# {text}" for text in said)]
    lines += ["\t".join(("# Target Name", *PLACE, *AXES)), *rows]
    if electrodes:
        lines.append("\t".join(("# Electrode Name", "Electrode Type", "Session Name", *PLACE, *AXES)))
        lines += _rows(electrodes, lambda place: [NOTHING, NOTHING, *place, *[NOTHING] * 9])
    if landmarks:
        if landmark_space(landmarks, where="landmarks") == "LPS":
            raise GeometryError("the landmarks are in LPS; expected RAS", where="landmarks", fix="negate their x and y")
        lines.append("\t".join(("# Planned Landmark Name", *PLACE)))
        lines += _rows(landmarks, lambda place: place)
    return "\n".join(lines) + "\n"


def _comments(frame: ImageFrame, image: Image, version: int) -> list[str]:
    if frame.name == "Other-Template" and version < _FIRST_WITH_FORM:
        raise GeometryError(
            "Brainsight before file version 14 has no name for NIfTI code 5 (another template)",
            where=image.source or None,
            fix=f"write version {_FIRST_WITH_FORM}",
        )
    name = f"{frame.form}:{frame.name}" if version >= _FIRST_WITH_FORM else frame.name
    lines = [
        f"# Version: {version}",
        f"# Coordinate system: NIfTI:{name}",
        "# Created by: actionloop",
        "# Units: millimetres, degrees, milliseconds, and microvolts",
        "# Encoding: UTF-8",
        "# Notes: Each column is delimited by a tab. Each value within a column is delimited by a semicolon.",
        f"# {facts.notice()}",
        f"# {OURS}: {plain(image.frame)}",
        f"# {OURS_SHA256}: {image.header_sha256}",
        *([f"# {OURS_VOXELS}: {image.voxels_sha256}"] if image.voxels_sha256 else []),
    ]
    if frame.template:
        lines.append(f"# {ON_A_TEMPLATE}")
    return lines


def _rows(points: Points, arrange: Callable[[list[str]], list[str]]) -> list[str]:
    return ["\t".join([_plain_name(label), *arrange(_cells(label, xyz))]) for label, xyz in points.items()]


def _cells(label: str, xyz: FloatArray) -> list[str]:
    place = np.asarray(xyz, dtype=float)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise GeometryError(f"the place of {label!r} is not three finite numbers")
    return [f"{value:.6f}" for value in place]


def _plain_name(label: str) -> str:
    # Tabs part the columns, semicolons the values, and '#' opens a heading.
    return plain(label, forbidden=("\t", ";", "#"))


def _entry_name(label: str, place: FloatArray, image: Image) -> str:
    entry = _plain_name(label)
    return with_side(entry, side_of(label, place, image))


def _said(entry: str, x_mm: float, note: str) -> str:
    side = "left" if entry.endswith("(left)") else "right"
    text = plain(statement(entry, x_mm, side))
    return f"{text}; note: {plain(note)}" if note else text
