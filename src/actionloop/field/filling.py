"""Compiled loops of `labels`: tetrahedra and label images on a grid."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

# Barycentric coordinates may fall this far below 0: a centre on a shared face belongs to one of the two.
_SLACK = 1e-9


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def fill_tetrahedra(grid: Any, corners: Any, tissue: Any) -> None:
    """Give voxels whose centre lies in a tetrahedron its tissue; of several, the first.

    Parameters
    ----------
    grid : (i, j, k) uint8 ndarray
        Zeros.
    corners : (tetrahedron, 4, 3) float64 ndarray
        In voxels of the grid, whose centres are whole numbers.
    tissue : (tetrahedron,) uint8 ndarray
        Above 0.
    """
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for which in range(len(corners)):
        a = corners[which, 0]
        u, v, w = corners[which, 1] - a, corners[which, 2] - a, corners[which, 3] - a
        # Rows of the inverse of (u, v, w), times the determinant.
        vw, wu, uv = np.cross(v, w), np.cross(w, u), np.cross(u, v)
        volume = u[0] * vw[0] + u[1] * vw[1] + u[2] * vw[2]
        if volume == 0.0:
            continue
        for axis in range(3):
            low[axis] = max(0, int(np.ceil(corners[which, :, axis].min() - _SLACK)))
            high[axis] = min(grid.shape[axis] - 1, int(np.floor(corners[which, :, axis].max() + _SLACK)))
        for i in range(low[0], high[0] + 1):
            for j in range(low[1], high[1] + 1):
                for k in range(low[2], high[2] + 1):
                    x, y, z = i - a[0], j - a[1], k - a[2]
                    one = (x * vw[0] + y * vw[1] + z * vw[2]) / volume
                    two = (x * wu[0] + y * wu[1] + z * wu[2]) / volume
                    three = (x * uv[0] + y * uv[1] + z * uv[2]) / volume
                    if min(one, two, three, 1.0 - one - two - three) >= -_SLACK and grid[i, j, k] == 0:
                        grid[i, j, k] = tissue[which]


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def fill_by_majority(grid: Any, tissue: Any, turn: Any, start: Any, points: Any) -> None:
    """Give each voxel the tissue that most places in it have.

    Parameters
    ----------
    grid : (i, j, k) uint8 ndarray
        Filled.
    tissue : (i, j, k) uint8 ndarray
        Of the image's voxels, 0 to 5; 0 outside the image.
    turn : (3, 3) float64 ndarray
        Voxels of the grid to voxels of the image.
    start : (3,) float64 ndarray
        The grid's first voxel in the image.
    points : int
        Places along each axis of a voxel.
    """
    for i in numba.prange(grid.shape[0]):
        votes = np.empty(6, np.int64)
        for j in range(grid.shape[1]):
            for k in range(grid.shape[2]):
                votes[:] = 0
                # The centre settles a tie.
                votes[_at(tissue, turn, start, float(i), float(j), float(k))] += 1
                for p in range(points):
                    for q in range(points):
                        for r in range(points):
                            x, y, z = (p + 0.5) / points - 0.5, (q + 0.5) / points - 0.5, (r + 0.5) / points - 0.5
                            votes[_at(tissue, turn, start, i + x, j + y, k + z)] += 2
                grid[i, j, k] = votes.argmax()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _at(tissue: Any, turn: Any, start: Any, x: Any, y: Any, z: Any) -> Any:
    i = int(np.floor(turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z + start[0] + 0.5))
    j = int(np.floor(turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z + start[1] + 0.5))
    k = int(np.floor(turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z + start[2] + 0.5))
    if i < 0 or j < 0 or k < 0 or i >= tissue.shape[0] or j >= tissue.shape[1] or k >= tissue.shape[2]:
        return 0
    return tissue[i, j, k]
