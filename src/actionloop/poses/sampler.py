"""dA/dt of many poses at some places of the brain, quickly."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy import ndimage

from actionloop.field import primary_field
from actionloop.types import Coil, FloatArray

# Nodes beyond what is asked for; a lattice that is too small is made this much wider.
_MARGIN, _WIDER_MM = 3, 10.0


class CoilSampler:
    """A coil's own dA/dt on a lattice in coil axes, read with cubic splines.

    For choosing and combining poses, at places a few steps of the lattice away from the windings. The lattice grows
    with what is asked for.

    Parameters
    ----------
    coil : Coil
    lattice_mm : float
        Step of the lattice.
    """

    def __init__(self, coil: Coil, *, lattice_mm: float) -> None:
        self._coil, self._step = coil, lattice_mm
        self._low, self._high = np.full(3, np.inf), np.full(3, -np.inf)
        self._corner = np.zeros(3)
        self._spline = np.zeros((0, 0, 0, 3))

    def rows(self, matrices: FloatArray, points_mm: FloatArray) -> FloatArray:
        """Sample dA/dt of some poses.

        Parameters
        ----------
        matrices : (pose, 4, 4) float ndarray
            In the frame of the points.
        points_mm : (point, 3) float ndarray

        Returns
        -------
        (pose, 3 * point) float32 ndarray
            V/m at 1 A/µs, in the frame of the points.
        """
        poses = np.ascontiguousarray(matrices, dtype=np.float64).reshape(-1, 4, 4)
        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        rows = np.zeros((len(poses), 3 * len(points)), dtype=np.float32)
        if rows.size:
            self._reach(*_box(poses, points))
            _read(self._spline, self._corner, self._step, poses, points, rows)
        return rows

    def _reach(self, low: FloatArray, high: FloatArray) -> None:
        """Sum the field on a lattice that holds a box."""
        if (low >= self._low).all() and (high <= self._high).all():
            return
        self._low, self._high = np.minimum(low - _WIDER_MM, self._low), np.maximum(high + _WIDER_MM, self._high)
        self._corner = self._low - _MARGIN * self._step
        counts = np.ceil((self._high - self._corner) / self._step).astype(int) + 1 + _MARGIN
        axes = [start + self._step * np.arange(n) for start, n in zip(self._corner, counts, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        values = primary_field(self._coil, np.eye(4), nodes).reshape(*counts, 3)
        splines = [ndimage.spline_filter(values[..., k], order=3) for k in range(3)]
        self._spline = np.ascontiguousarray(np.stack(splines, axis=-1))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _box(poses: Any, points: Any) -> Any:
    """Smallest and largest coordinates of the points in the axes of any pose."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for p in range(len(poses)):
        m = poses[p]
        for i in range(len(points)):
            dx, dy, dz = points[i, 0] - m[0, 3], points[i, 1] - m[1, 3], points[i, 2] - m[2, 3]
            for axis in range(3):
                along = m[0, axis] * dx + m[1, axis] * dy + m[2, axis] * dz
                low[axis], high[axis] = min(low[axis], along), max(high[axis], along)
    return low, high


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _read(spline: Any, corner: Any, step: float, poses: Any, points: Any, rows: Any) -> None:
    """Evaluate cubic B-splines at every point in the axes of every pose, and turn the field back."""
    for p in numba.prange(len(poses)):
        m = poses[p]
        base = np.empty(3, np.int64)
        weight = np.empty((3, 4))
        field = np.empty(3)
        for i in range(len(points)):
            dx, dy, dz = points[i, 0] - m[0, 3], points[i, 1] - m[1, 3], points[i, 2] - m[2, 3]
            for axis in range(3):
                along = (m[0, axis] * dx + m[1, axis] * dy + m[2, axis] * dz - corner[axis]) / step
                base[axis] = int(np.floor(along)) - 1
                t = along - np.floor(along)
                s = 1.0 - t
                weight[axis, 0] = s * s * s / 6.0
                weight[axis, 1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
                weight[axis, 2] = (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0
                weight[axis, 3] = t * t * t / 6.0
            field[:] = 0.0
            for a in range(4):
                for b in range(4):
                    ab = weight[0, a] * weight[1, b]
                    for c in range(4):
                        w = ab * weight[2, c]
                        value = spline[base[0] + a, base[1] + b, base[2] + c]
                        field[0] += w * value[0]
                        field[1] += w * value[1]
                        field[2] += w * value[2]
            for axis in range(3):
                rows[p, 3 * i + axis] = m[axis, 0] * field[0] + m[axis, 1] * field[1] + m[axis, 2] * field[2]
