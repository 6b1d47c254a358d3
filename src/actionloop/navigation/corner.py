"""Brainsight's own coordinate system, which counts from a corner of the image."""

from __future__ import annotations

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Image


def from_corner(image: Image | None, *, where: str) -> FloatArray:
    """Matrix to RAS from Brainsight's own system: mm to the left, back and up, along the voxel axes.

    Its origin is the middle of the right, anterior, inferior voxel.

    Parameters
    ----------
    image : Image or None
    where : str
        File, for the error.

    Returns
    -------
    (4, 4) float ndarray

    Raises
    ------
    GeometryError
        No image.
    """
    if image is None:
        raise GeometryError(
            "the file counts from a corner of its image (system 'Brainsight'), and no image was given",
            where=where or None,
            fix="give the image of that Brainsight project, or export again in a NIfTI coordinate system",
        )
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
