"""InVesalius's marker file (.mkss): written with the places from a corner of the image and in its world."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from actionloop.errors import GeometryError, OptionError
from actionloop.navigation.corner import require_placed
from actionloop.navigation.exchange import tell
from actionloop.navigation.found import NavigationFile
from actionloop.navigation.invesaliusfile import (
    COIL_POSE,
    INVESALIUS_AXES,
    MAGIC,
    NEWEST,
    NOTE,
    OURS,
    PLACE_AND_TURN,
    WORLD,
    inner_of,
    read_invesalius,
    unquoted,
)
from actionloop.navigation.laterality import plain
from actionloop.navigation.verbatim import lines_of, require_kept, write_as_read
from actionloop.types import CoilPose, FloatArray, Image

__all__ = ["read_invesalius", "write_invesalius"]

# What a marker has beside place and angles, in the order of the file, with the values of a new marker.
_BEFORE = {"r": "1.0", "g": "1.0", "b": "0.0", "size": "2"}
_AFTER = {
    **dict.fromkeys(("x_seed", "y_seed", "z_seed"), "0"),
    "is_target": "False",
    "is_point_of_interest": "False",
    "session_id": "1",
    **dict.fromkeys((f"{name}_cortex" for name in PLACE_AND_TURN), "None"),
    "marker_type": "3",
    "z_rotation": "0.0",
    "z_offset": "0.0",
    "mep_value": "None",
    "brain_target_list": "[]",
}


def write_invesalius(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    version: int = NEWEST,
    samples: Collection[str] = (),
    kept: NavigationFile | None = None,
) -> str:
    """Write coil poses as markers of the kind 'coil target', or 'coil pose' where the coil was.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image of the InVesalius project: the markers count from a corner of it.
    version : int
        Of the file, 0 to 5; an older InVesalius refuses a number that it does not know.
    samples : collection of str
        Labels of poses that say where the coil was.
    kept : NavigationFile, optional
        From `read_invesalius`: its markers stand first and as they were, and the version is its own. A file without our
        column gets it, empty, where new markers stand beside its own.

    Returns
    -------
    str
        Tab-separated text. The format has no comments: a last column of our own says side, frame and notice.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, or an
        affine with shear; or kept markers of another image, of the same name, or with columns that are not known.
    EmptyRegionError
        Nothing to write.
    OptionError
        A version that is not known.

    Notes
    -----
    InVesalius turns an image to the nearest RAS order of its voxels, takes off their size, and counts y backwards
    from the front. Angles are about fixed x, then y, then z ('sxyz'), in the frame before y is turned.
    """
    if not 0 <= version <= NEWEST:
        raise OptionError(f"InVesalius marker file version {version} is not known (0 to {NEWEST})", where="version")
    if kept is not None:
        require_placed(kept)
        require_kept(kept, image)
    general, sayings = tell(poses, image=image, system="InVesalius", forbidden=("\t", '"'), kept=kept)
    about = "; ".join(general)
    columns = ["marker_id", *PLACE_AND_TURN, *_BEFORE, "label", *_AFTER, *WORLD, OURS]
    lines = [f"{MAGIC}{version}\n", "\t".join(f'"{name}"' for name in columns) + "\n"]
    if kept is not None and kept.entries:
        columns, lines = _kept_lines(kept, columns, {saying.name for saying in sayings})
    to_ras, front_mm = inner_of(image, image.source)
    for index, (pose, saying) in enumerate(zip(poses, sayings, strict=True), len(lines) - 2):
        world = pose.matrix @ INVESALIUS_AXES
        inner = np.linalg.inv(to_ras) @ world
        inner[1, 3] = front_mm - inner[1, 3]
        said = f"{saying.said}; {about}" + (NOTE + saying.note if saying.note else "")
        cells = {"marker_id": str(index), "label": f'"{saying.name}"', **_BEFORE, **_AFTER}
        cells |= dict(zip(PLACE_AND_TURN, _six(inner), strict=True)) | dict(zip(WORLD, _six(world), strict=True))
        cells |= {"marker_type": COIL_POSE} if pose.label in samples else {}
        cells[OURS] = '"' + plain(said, forbidden=('"',)) + '"'
        lines.append("\t".join(cells[name] for name in columns) + "\n")
    return "".join(lines)


def _kept_lines(kept: NavigationFile, known: Sequence[str], new: set[str]) -> tuple[list[str], list[str]]:
    """Columns and lines of a file to be written back; with new names, all that their rows need is there."""
    columns = [unquoted(name) for name in kept.entries[0].raw]
    text = write_as_read(kept, system="InVesalius")
    lines = [line.text + line.end for line in lines_of(text)]
    if not new:
        return columns, lines
    lines = [line for line in lines if line.strip()]
    strange = sorted(set(columns) - set(known))
    if strange:
        raise GeometryError(
            f"the markers have columns that are not known ({plain(', '.join(strange))[:80]}), so none are added",
            where=kept.source or None,
            fix="export the new poses to a file of their own",
        )
    twice = new & {plain(unquoted(entry.raw["label"])) for entry in kept.entries}
    if twice:
        raise GeometryError(
            f"the file has a marker named {min(twice)!r} already; the navigator could not tell them apart",
            where=kept.source or None,
            fix="rename one of them",
        )
    if OURS not in columns:
        columns.append(OURS)
        wider = ["", f'\t"{OURS}"', *['\t""'] * (len(lines) - 2)]
        lines = [line.rstrip("\r\n") + more + "\n" for line, more in zip(lines, wider, strict=True)]
    elif not lines[-1].endswith(("\n", "\r")):
        lines[-1] += "\n"
    return columns, lines


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
