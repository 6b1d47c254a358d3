"""Places that count from a corner of the image: Brainsight's own coordinate system, and InVesalius's."""

from __future__ import annotations

import numpy as np

from actionloop.errors import GeometryError
from actionloop.navigation.found import NavigationFile
from actionloop.types import FloatArray, Image

UNPLACED = "counted from a corner of an image that was not given"
TOLD_UNPLACED = (
    "the places count from a corner of the image, and no image was given: only their directions are those of RAS, so "
    "they belong to no image yet"
)


def is_unplaced(found: NavigationFile) -> bool:
    """Tell whether a file's places still count from a corner of an image that was not given."""
    return found.space == "corner" and UNPLACED in found.frame


def require_placed(found: NavigationFile) -> None:
    """Refuse places that count from a corner of an image that was not given.

    Raises
    ------
    GeometryError
    """
    if is_unplaced(found):
        raise GeometryError(
            f"the file counts from a corner of its image (system {found.system!r}), and no image was given",
            where=found.source or None,
            fix=f"give the image of that {found.system} project, or export again in coordinates of the image itself",
        )


def from_corner(image: Image) -> FloatArray:
    """Matrix to RAS from Brainsight's own system: mm to the left, back and up, along the voxel axes.

    Its origin is the middle of the right, anterior, inferior voxel.

    Parameters
    ----------
    image : Image

    Returns
    -------
    (4, 4) float ndarray
    """
    axes = image.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    order = _anatomical_order(axes / spacing)
    to_ras = np.eye(4)
    corner = np.zeros(3)
    for direction, wanted in enumerate((-1.0, -1.0, 1.0)):  # left, posterior, superior
        axis = order[direction]
        sign = np.sign(axes[direction, axis]) * wanted
        to_ras[:3, direction] = sign * axes[:, axis] / spacing[axis]
        corner[axis] = 0.0 if sign > 0 else image.data.shape[axis] - 1
    to_ras[:3, 3] = axes @ corner + image.affine[:3, 3]
    return to_ras


def _anatomical_order(directions: FloatArray) -> list[int]:
    """Voxel axis nearest to x, to y and to z, each used once."""
    left = np.abs(directions)
    order = [0, 0, 0]
    for _ in range(3):
        direction, axis = np.unravel_index(int(left.argmax()), left.shape)
        order[int(direction)] = int(axis)
        left[direction, :], left[:, axis] = -1, -1
    return order
