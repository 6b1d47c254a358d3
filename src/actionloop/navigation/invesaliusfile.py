"""InVesalius's marker file (.mkss): Euler angles in degrees, once from a corner of the image and once in its world."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import rigid
from actionloop.navigation.corner import TOLD_UNPLACED, UNPLACED, from_corner
from actionloop.navigation.exchange import floats, numbers, table
from actionloop.navigation.found import Entry, Kind
from actionloop.navigation.laterality import plain, without_side
from actionloop.navigation.parsing import require_bounded
from actionloop.navigation.telling import told_tie
from actionloop.navigation.verbatim import Line, LinedFile, lines_of
from actionloop.types import FloatArray, Image

# InVesalius: x away from the handle, z out of the head. Its own inverse.
INVESALIUS_AXES: FloatArray = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])

MAGIC = "##INVESALIUS3_MARKER_FILE_"
NEWEST = 5
PLACE_AND_TURN = ("x", "y", "z", "alpha", "beta", "gamma")
WORLD = tuple(f"{name}_world" for name in PLACE_AND_TURN)
# InVesalius looks its columns up by name, so that one of ours after them is passed over.
OURS = "actionloop"
NOTE = "; note: "
COIL_TARGET, COIL_POSE, _BRAIN_TARGET = "3", "4", "2"
# The two places of one marker may differ by the rounding of an affine stored as float32.
_AGREE_MM, _AGREE_TURN = 0.5, 0.01


def read_invesalius(text: str, *, source: str = "", image: Image | None = None) -> LinedFile:
    """Read the markers of an InVesalius file.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    image : Image, optional
        The image of the project. A file without world coordinates counts from a corner of it: without the image its
        numbers stay as they are, in the directions of RAS, and `frame` and `skipped` say so. Where the file has world
        coordinates, both places of each marker must agree on this image.

    Returns
    -------
    LinedFile
        Coil targets are targets, coil poses samples. A brain target is a point: its angles are no coil's.

    Raises
    ------
    InputError
        Not such a file, an unknown version, or a damaged row.
    GeometryError
        A file of another image.
    """
    require_bounded(text, where=source)
    version, lines = _rows(text, source)
    inner = None if image is None else inner_of(image, source)
    rows = [{name: unquoted(cell) for name, cell in line.raw.items()} for line in lines if line.raw]
    unplaced = inner is None and bool(rows) and not any(_has_world(row) for row in rows)
    entries: list[Entry] = []
    skipped: list[str] = [TOLD_UNPLACED] if unplaced else []
    kept: list[Line] = []
    for line in lines:
        entry = None
        if line.raw:
            row = {name: unquoted(cell) for name, cell in line.raw.items()}
            label = plain(row.get("label", "")) or f"marker {sum(bool(one.raw) for one in kept) + 1}"
            if inner is None and not unplaced and not _has_world(row):
                skipped.append(f"{label}: it counts from a corner of the image only, and no image was given.")
            else:
                entry, why = _entry(row, line.raw, label, (np.eye(4), 0.0) if unplaced else inner, source)
                entries.append(entry)
                skipped += why
        kept.append(replace(line, entry=entry))
    frame = f"InVesalius, {UNPLACED}" if unplaced else "world coordinates of the project's image"
    return LinedFile(
        "InVesalius",
        version,
        frame,
        "corner" if unplaced else "RAS",
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=told_tie(text),
        lines=tuple(kept),
    )


def _entry(
    row: Mapping[str, str], raw: Mapping[str, str], label: str, inner: tuple[FloatArray, float] | None, source: str
) -> tuple[Entry, list[str]]:
    kind = _kind(row)
    # The world angles of a marker without angles are those of the axes of the image, not of a coil.
    turned = all(_is_set(row.get(name)) for name in PLACE_AND_TURN[3:])
    coil = turned and kind in ("target", "sample") and row.get("marker_type", COIL_TARGET) != _BRAIN_TARGET
    matrix = _placed(row, label, inner, turned=turned, source=source)
    about = row.get(OURS, "")
    note = plain(about.partition(NOTE)[2])
    if about:
        label = without_side(label)
    why = [f"{label}: its angles were left out, because it is a marker without a coil."] if turned and not coil else []
    pose = rigid(matrix @ INVESALIUS_AXES, label=label, where=source) if coil else None
    return Entry(kind, label, pose, matrix[:3, 3].copy(), note, raw), why


def inner_of(image: Image, where: str) -> tuple[FloatArray, float]:
    """Find the matrix from mm along the voxels (right, forward, up) to RAS, and how far y is from back to front."""
    corner = from_corner(image)
    if np.abs(corner[:3, :3].T @ corner[:3, :3] - np.eye(3)).max() > 1e-4:
        raise GeometryError(
            "the image's voxel axes are not perpendicular (shear), and InVesalius counts along them",
            where=where or None,
            fix="resample the image to perpendicular axes and navigate with that one",
        )
    last = np.array(np.meshgrid(*[(0, n - 1) for n in image.data.shape])).reshape(3, -1)
    ends = image.affine[:3, :3] @ last + image.affine[:3, 3:]
    left_mm, back_mm = ((np.linalg.inv(corner[:3, :3]) @ (ends - corner[:3, 3:])).max(axis=1))[:2]
    to_ras = np.eye(4)
    to_ras[:3, :3] = corner[:3, :3] * [-1, -1, 1]
    to_ras[:3, 3] = corner[:3, :3] @ [left_mm, back_mm, 0] + corner[:3, 3]
    return to_ras, float(back_mm)


def _rows(text: str, source: str) -> tuple[str, list[Line]]:
    found = lines_of(text.lstrip("\ufeff"))
    filled = [number for number, line in enumerate(found) if line.text.strip()]
    first = found[filled[0]].text if filled else ""
    magic = re.fullmatch(re.escape(MAGIC) + r"(\d{1,3})", first.strip())
    if magic is None or int(magic.group(1)) > NEWEST:
        raise InputError(
            f"this is not an InVesalius marker file of version 0 to {NEWEST} (it begins with "
            f"{plain(first)[:60] or 'nothing'!r})",
            where=source or None,
            fix=f"export the markers again; the file begins with {MAGIC}{NEWEST}",
        )
    columns = [unquoted(name) for name in found[filled[1]].text.split("\t")] if len(filled) > 1 else []
    if (
        any(name.startswith('"') for name in columns)
        or not {*PLACE_AND_TURN[:3], "label"} <= set(columns)
        or len(set(columns)) != len(columns)
    ):
        raise InputError(
            "the marker file has no whole header line with x, y, z and label, or a column twice",
            where=source or None,
            fix="export the markers again",
        )
    for number in filled[2:]:
        [cells] = table([found[number].text], columns, first=number + 1, where=source)
        found[number] = replace(found[number], section="marker", raw=cells)
        # A cut in the last cell leaves the number of cells as it was.
        if any(unquoted(cell).startswith('"') for cell in cells.values()):
            raise InputError(
                "a quoted cell does not end in its own row",
                where=source or None,
                fix="the file is truncated or was edited; export it again",
            )
    return magic.group(1), found


def unquoted(cell: str) -> str:
    """Return a cell without the quotes around it."""
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _has_world(row: Mapping[str, str]) -> bool:
    return all(_is_set(row.get(name)) for name in WORLD[:3])


def _is_set(cell: str | None) -> bool:
    return cell not in (None, "", "None", "N/A")


def _kind(row: Mapping[str, str]) -> Kind:
    if "marker_type" in row:
        known = row["marker_type"]
        return "sample" if known == COIL_POSE else "target" if known in (COIL_TARGET, _BRAIN_TARGET) else "landmark"
    # Older files have no type; their image fiducials are the left and right ear and the nasion.
    return "target" if _is_set(row.get("alpha")) and row["label"] not in ("LEI", "REI", "NAI") else "landmark"


def _placed(
    row: Mapping[str, str], label: str, inner: tuple[FloatArray, float] | None, *, turned: bool, source: str
) -> FloatArray:
    """Place a marker in RAS with InVesalius's axes, by its world columns, its own, or both."""
    world = local = None
    if _has_world(row):
        world = _matrix(row, WORLD, label, turned=turned, source=source)
    if inner is not None:
        to_ras, front_mm = inner
        local = _matrix(row, PLACE_AND_TURN, label, turned=turned, source=source)
        local[1, 3] = front_mm - local[1, 3]
        local = to_ras @ local
    if world is not None and local is not None:
        apart_mm = float(np.linalg.norm(world[:3, 3] - local[:3, 3]))
        if apart_mm > _AGREE_MM or np.abs(world[:3, :3] - local[:3, :3]).max() > _AGREE_TURN:
            raise GeometryError(
                f"the two places of {label!r} are {apart_mm:.1f} mm apart, or turned, on the image given: the "
                "file belongs to another image, or one of the two was changed",
                where=source or None,
                fix="give the image of that InVesalius project",
            )
    found = world if world is not None else local
    return np.eye(4) if found is None else found


def _matrix(row: Mapping[str, str], names: Sequence[str], label: str, *, turned: bool, source: str) -> FloatArray:
    matrix = np.eye(4)
    matrix[:3, 3] = numbers(floats(row, names[:3]), 3, what=f"the place of {label!r}", where=source, mm=True)
    if turned:
        angles = numbers(floats(row, names[3:]), 3, what=f"the angles of {label!r} in degrees", where=source)
        if np.abs(angles).max() > 360:
            raise InputError(
                f"the angles of {label!r} are beyond 360 degrees", where=source or None, fix="export the markers again"
            )
        matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return matrix
