"""A smooth vector field on a lattice of points, read between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from actionloop.types import BoolArray, FloatArray


class Lattice(NamedTuple):
    """A field on the nodes of a lattice, and which nodes are too near to its sources to interpolate beside.

    Attributes
    ----------
    corner_mm : (3,) float64 ndarray
        The first node.
    step_mm : float
    field : (i, j, k, 3) float64 ndarray
    near : (i, j, k) bool ndarray
    summed : callable
        The field at points (point, 3), where it is not interpolated.
    """

    corner_mm: FloatArray
    step_mm: float
    field: FloatArray
    near: BoolArray
    summed: Callable[[FloatArray], FloatArray]

    @classmethod
    def over(
        cls,
        points: FloatArray,
        places: FloatArray,
        *,
        summed: Callable[[FloatArray], FloatArray],
        step_mm: float,
        near_mm: float,
    ) -> Lattice | None:
        """Sum a field on a lattice that reaches two nodes beyond the points.

        Parameters
        ----------
        points : (point, 3) float64 ndarray
            Where the field will be asked for, mm.
        places : (source, 3) float64 ndarray
        summed : callable
            The field at points (point, 3).
        step_mm : float
        near_mm : float
            Points nearer to a source are not interpolated.

        Returns
        -------
        Lattice or None
            None where the lattice would save little: it has more than half as many nodes as there are points.
        """
        if not len(points):
            return None
        corner = points.min(axis=0) - 2.5 * step_mm
        counts = np.ceil((points.max(axis=0) - corner) / step_mm).astype(int) + 4
        if counts.astype(float).prod() > len(points) / 2:
            return None
        axes = [start + step_mm * np.arange(n) for start, n in zip(corner, counts, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        near = np.empty(len(nodes), dtype=np.bool_)
        # no point of a cell is farther from its node than the diagonal
        _mark_near(nodes, np.ascontiguousarray(places), (near_mm + step_mm * np.sqrt(3)) ** 2, near)
        return cls(corner, step_mm, summed(nodes).reshape(*counts, 3), near.reshape(*counts), summed)

    def read(self, points: FloatArray) -> FloatArray:
        """Interpolate the field at points that the lattice was laid over; sum it at those near its sources."""
        field = np.empty(points.shape)
        near = np.zeros(len(points), dtype=np.bool_)
        _interpolate(self.field, self.near, (points - self.corner_mm) / self.step_mm, field, near)
        field[near] = self.summed(points[near])
        return field


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _mark_near(nodes: Any, places: Any, within2: Any, near: Any) -> None:
    """Mark nodes that have an element within a distance."""
    for node in numba.prange(nodes.shape[0]):
        x, y, z = nodes[node, 0], nodes[node, 1], nodes[node, 2]
        found = False
        for k in range(places.shape[0]):
            dx, dy, dz = x - places[k, 0], y - places[k, 1], z - places[k, 2]
            if dx * dx + dy * dy + dz * dz < within2:
                found = True
                break
        near[node] = found


@numba.njit(cache=True, parallel=True, fastmath=True)  # type: ignore[untyped-decorator]
def _interpolate(values: Any, near_nodes: Any, places: Any, field: Any, near: Any) -> None:
    """Interpolate between six nodes along each axis; places are in steps from the first node."""
    for point in numba.prange(places.shape[0]):
        base = np.empty(3, np.int64)
        weight = np.empty((3, 6))
        for axis in range(3):
            base[axis] = int(np.floor(places[point, axis]))
            t = places[point, axis] - base[axis]
            for i in range(6):
                w = 1.0
                for j in range(6):
                    if j != i:
                        w *= (t + 2 - j) / (i - j)
                weight[axis, i] = w
        i0, j0, k0 = base
        if near_nodes[i0, j0, k0]:
            near[point] = True
            continue
        a = b = c = 0.0
        for i in range(6):
            for j in range(6):
                ij = weight[0, i] * weight[1, j]
                for k in range(6):
                    w = ij * weight[2, k]
                    value = values[i0 - 2 + i, j0 - 2 + j, k0 - 2 + k]
                    a += w * value[0]
                    b += w * value[1]
                    c += w * value[2]
        field[point, 0], field[point, 1], field[point, 2] = a, b, c
