"""Parts of space: a ball around a coordinate or the voxels of a mask, and what voxels share with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray

STEP_MM = float(facts.load("nuclei")["limits"]["step_mm"])
"""Intersections are counted at points no farther apart."""

_AT_ONCE = 2_000_000  # points looked up at a time


@dataclass(frozen=True, eq=False)
class Ball:
    """All points within a radius.

    Attributes
    ----------
    centre_mm : (3,) float ndarray
    radius_mm : float

    Raises
    ------
    GeometryError
        A centre that is no finite place, or a radius not above 0.
    """

    centre_mm: FloatArray
    radius_mm: float

    def __post_init__(self) -> None:
        if self.centre_mm.shape != (3,) or not np.isfinite(self.centre_mm).all():
            raise GeometryError(f"expected a coordinate of three finite numbers (mm), found {self.centre_mm.tolist()}")
        if not (np.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise GeometryError(f"expected a radius above 0 mm, found {self.radius_mm:g}")

    @property
    def volume_mm3(self) -> float:
        """Volume."""
        return float(4 / 3 * np.pi * self.radius_mm**3)

    @property
    def bounds_mm(self) -> FloatArray:
        """Lowest and highest coordinates; (2, 3)."""
        return np.stack([self.centre_mm - self.radius_mm, self.centre_mm + self.radius_mm])

    def contains(self, xyz_mm: FloatArray) -> BoolArray:
        """Tell which points, (..., 3), lie inside; (...,)."""
        inside: BoolArray = ((xyz_mm - self.centre_mm) ** 2).sum(axis=-1) <= self.radius_mm**2
        return inside


@dataclass(frozen=True, eq=False)
class Mask:
    """The voxels of an image that are true, each with all of its box.

    Attributes
    ----------
    data : (i, j, k) bool ndarray
    affine : (4, 4) float ndarray
        ijk to RAS mm.

    Raises
    ------
    EmptyRegionError
        No voxel is true.
    """

    data: BoolArray
    affine: FloatArray

    def __post_init__(self) -> None:
        if not self.data.any():
            raise EmptyRegionError("the mask is empty: no voxel is above 0", fix="check which file was drawn on")

    @property
    def volume_mm3(self) -> float:
        """Volume."""
        return float(self.data.sum() * abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def points_mm(self) -> FloatArray:
        """Centre of each voxel; (voxel, 3)."""
        return places_mm(np.argwhere(self.data), self.affine)

    @property
    def centre_mm(self) -> FloatArray:
        """Centroid; (3,)."""
        centre: FloatArray = self.points_mm.mean(axis=0)
        return centre

    @property
    def bounds_mm(self) -> FloatArray:
        """Lowest and highest coordinates; (2, 3)."""
        points, half = self.points_mm, np.abs(self.affine[:3, :3]).sum(axis=1) / 2
        return np.stack([points.min(axis=0) - half, points.max(axis=0) + half])

    def contains(self, xyz_mm: FloatArray) -> BoolArray:
        """Tell which points, (..., 3), lie inside; (...,)."""
        back = np.linalg.inv(self.affine)
        voxel = np.floor(xyz_mm @ back[:3, :3].T + (back[:3, 3] + 0.5)).astype(np.int64)
        known = ((voxel >= 0) & (voxel < self.data.shape)).all(axis=-1)
        voxel[~known] = 0
        found: BoolArray = known & self.data[voxel[..., 0], voxel[..., 1], voxel[..., 2]]
        return found


Region = Ball | Mask
"""A part of space in RAS mm."""


def box_distance(xyz_mm: FloatArray, ijk: IntArray, affine: FloatArray) -> float:
    """Distance of a point from the nearest of some voxels, each taken as its box; 0 inside, mm.

    Parameters
    ----------
    xyz_mm : (3,) float ndarray
    ijk : (voxel, 3) int ndarray
    affine : (4, 4) float ndarray
        Axes at right angles.
    """
    back = np.linalg.inv(affine)
    place = back[:3, :3] @ xyz_mm + back[:3, 3]
    beyond = np.maximum(np.abs(ijk - place) - 0.5, 0) * np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.sqrt((beyond**2).sum(axis=1).min()))


def voxel_shares(region: Region, ijk: IntArray, affine: FloatArray, *, step_mm: float = STEP_MM) -> FloatArray:
    """Share of each voxel that lies in a region, counted at regular points inside the voxel.

    Parameters
    ----------
    region : Ball or Mask
    ijk : (voxel, 3) int ndarray
    affine : (4, 4) float ndarray
        ijk to RAS mm, in the space of the region.
    step_mm : float
        Points are no farther apart.

    Returns
    -------
    (voxel,) float64 ndarray
        0 to 1.
    """
    size = np.linalg.norm(affine[:3, :3], axis=0)
    along = [(np.arange(n) + 0.5) / n - 0.5 for n in np.maximum(1, np.ceil(size / step_mm - 1e-9)).astype(int)]
    offset = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3) @ affine[:3, :3].T
    centre, half = places_mm(ijk, affine), np.abs(affine[:3, :3]).sum(axis=1) / 2
    low, high = region.bounds_mm
    near = np.flatnonzero(((centre >= low - half) & (centre <= high + half)).all(axis=1))
    share = np.zeros(len(ijk))
    at_once = max(1, _AT_ONCE // len(offset))
    for first in range(0, len(near), at_once):
        some = near[first : first + at_once]
        share[some] = region.contains(centre[some][:, None] + offset).mean(axis=1)
    return share


def places_mm(ijk: IntArray, affine: FloatArray) -> FloatArray:
    """Centres of voxels, (voxel, 3), in mm."""
    xyz: FloatArray = ijk @ affine[:3, :3].T + affine[:3, 3]
    return xyz
