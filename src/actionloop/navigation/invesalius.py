"""InVesalius's marker file (.mkss): Euler angles in degrees, once from a corner of the image and once in its world."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.navigation.conventions import rigid
from actionloop.navigation.corner import from_corner
from actionloop.navigation.exchange import floats, numbers, table, tell
from actionloop.navigation.found import Entry, Kind, NavigationFile
from actionloop.navigation.laterality import plain, without_side
from actionloop.navigation.parsing import require_bounded
from actionloop.navigation.telling import told_tie
from actionloop.types import CoilPose, FloatArray, Image

# InVesalius: x away from the handle, z out of the head. Its own inverse.
INVESALIUS_AXES: FloatArray = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])

_MAGIC = "##INVESALIUS3_MARKER_FILE_"
_NEWEST = 5
_PLACE, _TURN = ("x", "y", "z"), ("alpha", "beta", "gamma")
_WORLD = tuple(f"{name}_world" for name in (*_PLACE, *_TURN))
# What a marker has beside place and angles, in the order of the file, with the values of a new marker.
_BEFORE = {"r": "1.0", "g": "1.0", "b": "0.0", "size": "2"}
_AFTER = {
    **dict.fromkeys(("x_seed", "y_seed", "z_seed"), "0"),
    "is_target": "False",
    "is_point_of_interest": "False",
    "session_id": "1",
    **dict.fromkeys((f"{name}_cortex" for name in (*_PLACE, *_TURN)), "None"),
    "marker_type": "3",
    "z_rotation": "0.0",
    "z_offset": "0.0",
    "mep_value": "None",
    "brain_target_list": "[]",
}
# InVesalius looks its columns up by name, so that one of ours after them is passed over.
_OURS = "actionloop"
_NOTE = "; note: "
_COIL_TARGET, _COIL_POSE, _BRAIN_TARGET = "3", "4", "2"
# The two places of one marker may differ by the rounding of an affine stored as float32.
_AGREE_MM, _AGREE_TURN = 0.5, 0.01


def write_invesalius(poses: Sequence[CoilPose], *, image: Image, version: int = _NEWEST) -> str:
    """Write coil poses as markers of the kind 'coil target'.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image of the InVesalius project: the markers count from a corner of it.
    version : int
        Of the file, 0 to 5; an older InVesalius refuses a number that it does not know.

    Returns
    -------
    str
        Tab-separated text. The format has no comments: a last column of our own says side, frame and notice.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, or an
        affine with shear.
    EmptyRegionError
        Nothing to write.
    OptionError
        A version that is not known.

    Notes
    -----
    InVesalius turns an image to the nearest RAS order of its voxels, takes off their size, and counts y backwards
    from the front. Angles are about fixed x, then y, then z ('sxyz'), in the frame before y is turned.
    """
    if not 0 <= version <= _NEWEST:
        raise OptionError(f"InVesalius marker file version {version} is not known (0 to {_NEWEST})", where="version")
    general, sayings = tell(poses, image=image, system="InVesalius", forbidden=("\t", '"'))
    about = "; ".join(general)
    to_ras, front_mm = _inner(image, image.source)
    columns = ["marker_id", *_PLACE, *_TURN, *_BEFORE, "label", *_AFTER, *_WORLD, _OURS]
    lines = [f"{_MAGIC}{version}", "\t".join(f'"{name}"' for name in columns)]
    for index, (pose, saying) in enumerate(zip(poses, sayings, strict=True)):
        world = pose.matrix @ INVESALIUS_AXES
        inner = np.linalg.inv(to_ras) @ world
        inner[1, 3] = front_mm - inner[1, 3]
        said = f"{saying.said}; {about}" + (_NOTE + saying.note if saying.note else "")
        cells = [str(index), *_six(inner), *_BEFORE.values(), f'"{saying.name}"', *_AFTER.values(), *_six(world)]
        lines.append("\t".join([*cells, '"' + plain(said, forbidden=('"',)) + '"']))
    return "\n".join(lines) + "\n"


def read_invesalius(text: str, *, source: str = "", image: Image | None = None) -> NavigationFile:
    """Read the markers of an InVesalius file.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    image : Image, optional
        The image of the project. Needed where the file has no world coordinates; where it has, both places of each
        marker must agree on this image.

    Returns
    -------
    NavigationFile
        Coil targets are targets, coil poses samples. A brain target is a point: its angles are no coil's.

    Raises
    ------
    InputError
        Not such a file, an unknown version, or a damaged row.
    GeometryError
        No world coordinates and no image, or a file of another image.
    """
    require_bounded(text, where=source)
    version, rows = _rows(text, source)
    inner = None if image is None else _inner(image, source)
    entries: list[Entry] = []
    skipped: list[str] = []
    for index, row in enumerate(rows, 1):
        label = plain(row.get("label", "")) or f"marker {index}"
        kind = _kind(row)
        # The world angles of a marker without angles are those of the axes of the image, not of a coil.
        turned = all(_is_set(row.get(name)) for name in _TURN)
        coil = turned and kind in ("target", "sample") and row.get("marker_type", _COIL_TARGET) != _BRAIN_TARGET
        matrix = _placed(row, label, inner, turned=turned, source=source)
        about = row.get(_OURS, "")
        note = plain(about.partition(_NOTE)[2])
        if about:
            label = without_side(label)
        if not coil and turned:
            skipped.append(f"{label}: its angles were left out, because it is a marker without a coil.")
        pose = rigid(matrix @ INVESALIUS_AXES, label=label, where=source) if coil else None
        entries.append(Entry(kind, label, pose, matrix[:3, 3].copy(), note, row))
    return NavigationFile(
        "InVesalius",
        version,
        "world coordinates of the project's image",
        "RAS",
        tuple(entries),
        tuple(skipped),
        verified=False,
        source=source,
        tie=told_tie(text),
    )


def _inner(image: Image, where: str) -> tuple[FloatArray, float]:
    """Find the matrix from mm along the voxels (right, forward, up) to RAS, and how far y is from back to front."""
    corner = from_corner(image, where=where)
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


def _six(matrix: FloatArray) -> list[str]:
    """Place in mm and angles in degrees about fixed x, y, z."""
    turn = matrix[:3, :3]
    across = float(np.hypot(turn[0, 0], turn[1, 0]))
    beta = np.arctan2(-turn[2, 0], across)
    if across > 1e-9:
        alpha, gamma = np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    else:  # straight up or down, only the sum of the other two counts
        alpha, gamma = np.arctan2(-turn[1, 2], turn[1, 1]), 0.0
    return [f"{v:.6f}" for v in matrix[:3, 3]] + [f"{np.degrees(v):.9f}" for v in (alpha, beta, gamma)]


def _rows(text: str, source: str) -> tuple[str, list[dict[str, str]]]:
    lines = [line for line in text.lstrip("\ufeff").split("\n") if line.strip()]
    magic = re.fullmatch(re.escape(_MAGIC) + r"(\d{1,3})", lines[0].strip()) if lines else None
    if magic is None or int(magic.group(1)) > _NEWEST:
        raise InputError(
            f"this is not an InVesalius marker file of version 0 to {_NEWEST} (it begins with "
            f"{plain(lines[0])[:60] if lines else 'nothing'!r})",
            where=source or None,
            fix=f"export the markers again; the file begins with {_MAGIC}{_NEWEST}",
        )
    columns = [_unquoted(name) for name in lines[1].rstrip("\r").split("\t")] if len(lines) > 1 else []
    if (
        any(name.startswith('"') for name in columns)
        or not {*_PLACE, "label"} <= set(columns)
        or len(set(columns)) != len(columns)
    ):
        raise InputError(
            "the marker file has no whole header line with x, y, z and label, or a column twice",
            where=source or None,
            fix="export the markers again",
        )
    rows = [
        {name: _unquoted(cell) for name, cell in row.items()}
        for row in table(lines[2:], columns, first=3, where=source)
    ]
    # A cut in the last cell leaves the number of cells as it was.
    if any(cell.startswith('"') for row in rows for cell in row.values()):
        raise InputError(
            "a quoted cell does not end in its own row",
            where=source or None,
            fix="the file is truncated or was edited; export it again",
        )
    return magic.group(1), rows


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _is_set(cell: str | None) -> bool:
    return cell not in (None, "", "None", "N/A")


def _kind(row: Mapping[str, str]) -> Kind:
    if "marker_type" in row:
        known = row["marker_type"]
        return "sample" if known == _COIL_POSE else "target" if known in (_COIL_TARGET, _BRAIN_TARGET) else "landmark"
    # Older files have no type; their image fiducials are the left and right ear and the nasion.
    return "target" if _is_set(row.get("alpha")) and row["label"] not in ("LEI", "REI", "NAI") else "landmark"


def _placed(
    row: Mapping[str, str], label: str, inner: tuple[FloatArray, float] | None, *, turned: bool, source: str
) -> FloatArray:
    """Place a marker in RAS with InVesalius's axes, by its world columns, its own, or both."""
    world = local = None
    if all(_is_set(row.get(name)) for name in _WORLD[:3]):
        world = _matrix(row, _WORLD, label, turned=turned, source=source)
    if inner is not None:
        to_ras, front_mm = inner
        local = _matrix(row, (*_PLACE, *_TURN), label, turned=turned, source=source)
        local[1, 3] = front_mm - local[1, 3]
        local = to_ras @ local
    if world is None and local is None:
        raise GeometryError(
            f"{label!r} has no world coordinates: it counts from a corner of its image, and no image was given",
            where=source or None,
            fix="give the image of that InVesalius project",
        )
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
