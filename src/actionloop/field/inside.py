"""Which voxels lie inside a closed surface."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray

# Rays stand this much (in voxels) beside the voxels' centres, so that none runs through a vertex of a surface that was
# made on the same grid.
_ASIDE = (1.234e-4, 2.718e-4)


@dataclass(frozen=True, eq=False)
class Grid:
    """Cubes along the axes of a frame.

    Attributes
    ----------
    corner_ras : (3,) float64 ndarray
        Centre of voxel (0, 0, 0), RAS mm.
    edge_mm : float
    shape : tuple of 3 int
    """

    corner_ras: FloatArray
    edge_mm: float
    shape: tuple[int, int, int]

    def ijk(self, xyz_ras: FloatArray) -> FloatArray:
        """Voxel coordinates of places; (..., 3)."""
        found: FloatArray = (np.asarray(xyz_ras, dtype=np.float64) - self.corner_ras) / self.edge_mm
        return found

    def xyz(self, ijk: FloatArray | IntArray) -> FloatArray:
        """RAS mm of voxel coordinates; (..., 3)."""
        found: FloatArray = self.corner_ras + self.edge_mm * np.asarray(ijk, dtype=np.float64)
        return found


def inside_surface(vertices: FloatArray, faces: IntArray, *, grid: Grid) -> BoolArray:
    """Tell which voxels have their centre inside a surface, by its winding number.

    One ray per column of voxels, from the top down: the signed crossings above a voxel add up to its winding number, so
    that a surface which folds over itself, or several that overlap, count once. The surface has to be closed except
    below: under a lower opening (the neck, where an image ends) the inside goes on straight down.

    Parameters
    ----------
    vertices : (vertex, 3) float ndarray
        RAS mm.
    faces : (face, 3) int ndarray
        All the same way round; which way does not matter.
    grid : Grid

    Returns
    -------
    (i, j, k) bool ndarray

    Raises
    ------
    GeometryError
        Coordinates that are not finite, or a surface without volume.
    """
    if not np.isfinite(vertices).all():
        raise GeometryError("surface coordinates hold NaN or infinite values")
    ijk, shape = grid.ijk(vertices), grid.shape
    sign = _way_round(ijk, faces)
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), dtype=np.int16)
    _cross(np.ascontiguousarray(ijk), np.ascontiguousarray(faces, dtype=np.int64), crossings, sign, *_ASIDE)
    winding = np.cumsum(crossings[:, :, ::-1], axis=2, dtype=np.int16)[:, :, ::-1]
    inside: BoolArray = winding[:, :, 1:] > 0
    return inside


def _way_round(vertices: FloatArray, faces: IntArray) -> int:
    """Return +1 where faces are counter-clockwise from outside, by what faces up at the top of the surface."""
    middle = vertices.mean(axis=0)
    first, second, third = (vertices[faces[:, corner]] - middle for corner in range(3))
    # Of an open surface, too: seen from its middle, faces of a head turn their outside away from it.
    sixfold = float(np.einsum("ij,ij->", first, np.cross(second, third)))
    if not abs(sixfold) > 1e-9:
        raise GeometryError("the surface has no inside: its triangles enclose no volume")
    return 1 if sixfold > 0 else -1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _cross(
    vertices: FloatArray, faces: IntArray, crossings: IntArray, sign: int, aside_i: float, aside_j: float
) -> None:
    """Add each triangle's crossings with the columns: entry k + 1 holds those between voxel k and voxel k + 1."""
    n_i, n_j, n_k = crossings.shape
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ai, aj, ak = vertices[a, 0] - aside_i, vertices[a, 1] - aside_j, vertices[a, 2]
        bi, bj, bk = vertices[b, 0] - aside_i, vertices[b, 1] - aside_j, vertices[b, 2]
        ci, cj, ck = vertices[c, 0] - aside_i, vertices[c, 1] - aside_j, vertices[c, 2]
        area = (bi - ai) * (cj - aj) - (bj - aj) * (ci - ai)
        if area == 0.0:
            continue
        way = sign if area > 0 else -sign
        low_i = max(0, int(np.ceil(min(ai, bi, ci))))
        high_i = min(n_i - 1, int(np.floor(max(ai, bi, ci))))
        low_j = max(0, int(np.ceil(min(aj, bj, cj))))
        high_j = min(n_j - 1, int(np.floor(max(aj, bj, cj))))
        for i in range(low_i, high_i + 1):
            for j in range(low_j, high_j + 1):
                # Each edge's test is worked out from the lower vertex number, so that neighbours agree on it exactly.
                u = _side(b, c, bi, bj, ci, cj, i, j)
                v = _side(c, a, ci, cj, ai, aj, i, j)
                w = _side(a, b, ai, aj, bi, bj, i, j)
                if area > 0 and not (u >= 0 and v >= 0 and w >= 0):
                    continue
                if area < 0 and not (u <= 0 and v <= 0 and w <= 0):
                    continue
                height = (u * ak + v * bk + w * ck) / (u + v + w)
                k = min(max(int(np.floor(height)) + 1, 0), n_k - 1)
                crossings[i, j, k] += way


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _side(first: int, second: int, fi: float, fj: float, si: float, sj: float, i: int, j: int) -> float:
    """Twice the signed area of an edge and a point; the same number, negated, from the edge's other end."""
    if first > second:
        return -((fi - si) * (j - sj) - (fj - sj) * (i - si))
    return (si - fi) * (j - fj) - (sj - fj) * (i - fi)
