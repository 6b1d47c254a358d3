"""The field over a target for any coil pose, from a table around the scalp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field.summation import sum_currents
from actionloop.types import Coil, FloatArray, IntArray

_A_PER_S = 1e6
"""A/s in 1 A/µs."""
_CHUNK = 1_000_000
"""Points whose cells are marked at once."""


@dataclass(frozen=True, eq=False)
class FieldTable:
    """Magnetic field and vector potential of adjoint currents on the nodes of a lattice.

    By reciprocity they give the same sums of the electric field as a forward solve: a magnetic dipole m adds m·B where
    it lies, a piece of wire dl adds dl·A. Between the nodes they are interpolated with cubic polynomials. The table
    holds the nodes around the cells that it was asked for; elsewhere it refuses rather than guess.

    Attributes
    ----------
    corner_mm : (3,) float64 ndarray
        First node of the lattice.
    spacing_mm : float
    row : (i, j, k) int32 ndarray
        Of each node in the tables; -1 outside.
    asked : (i, j, k) bool ndarray
        Cells, by their first node, in which values can be read.
    magnetic : (node, 3 k) float32 ndarray
        V/m of each functional for 1 A·m² per A of a dipole, at 1 A/µs.
    potential : (node, 3 k) float32 ndarray
        V/m for 1 m of wire.
    """

    corner_mm: FloatArray
    spacing_mm: float
    row: IntArray
    asked: Any
    magnetic: FloatArray
    potential: FloatArray

    @classmethod
    def build(
        cls,
        centres_mm: FloatArray,
        currents: FloatArray,
        region_mm: FloatArray,
        *,
        spacing_mm: float | None = None,
    ) -> FieldTable:
        """Sum the field of all currents on a lattice.

        Parameters
        ----------
        centres_mm : (voxel, 3) float64 ndarray
            Of the solver.
        currents : (k, voxel, 3) float64 ndarray
            Of `adjoint_currents`.
        region_mm : (point, 3) float ndarray
            Where elements of coils will lie: the table covers the cells of these points. (2, 3) is a box, its lowest
            and its highest corner.
        spacing_mm : float, optional
            Of the lattice; that of data/solver.toml by default.

        Returns
        -------
        FieldTable

        Raises
        ------
        GeometryError
            Shapes that do not fit, values that are not finite, or no region.
        """
        step = float(facts.load("solver")["table"]["spacing_mm"]) if spacing_mm is None else spacing_mm
        region = np.asarray(region_mm, dtype=np.float64)
        if centres_mm.ndim != 2 or currents.shape[1:] != centres_mm.shape or not len(currents):
            raise GeometryError(f"expected currents (k, {len(centres_mm)}, 3), found {currents.shape}")
        if region.ndim != 2 or region.shape[1] != 3 or not len(region) or not np.isfinite(step) or step <= 0:
            raise GeometryError(f"expected points (point, 3) for the table to cover, found {region.shape}")
        if not (np.isfinite(region).all() and np.isfinite(currents).all()):
            raise GeometryError("the currents or the region of the table hold NaN or infinite values")
        asked, corner = _mark_cells(region, step)
        needed = np.zeros_like(asked)
        for shift in np.ndindex(4, 4, 4):
            # A cell is read from 4 nodes along each axis, from the one before its first.
            moved = [slice(n, n + m - 3) for n, m in zip(shift, asked.shape, strict=True)]
            needed[tuple(moved)] |= asked[1:-2, 1:-2, 1:-2]
        nodes = np.argwhere(needed)
        row = np.full(asked.shape, -1, dtype=np.int32)
        row[needed] = np.arange(len(nodes), dtype=np.int32)
        potential, magnetic = sum_currents(centres_mm, currents, corner + step * nodes)
        scale = float(facts.load("solver")["physics"]["mu0_over_4pi"]) * _A_PER_S
        tables = [(scale * values).reshape(len(nodes), -1).astype(np.float32) for values in (magnetic, potential)]
        return cls(corner, step, row, asked, tables[0], tables[1])

    def values(self, coil: Coil, matrices: FloatArray) -> FloatArray:
        """Read the sums of the electric field that a coil makes in many poses, at 1 A/µs.

        Parameters
        ----------
        coil : Coil
        matrices : (pose, 4, 4) float64 ndarray
            Coil axes in columns, mm.

        Returns
        -------
        (pose, k) float64 ndarray
            V/m for weights without unit.

        Raises
        ------
        GeometryError
            Poses that are not (pose, 4, 4), or with an element outside the region that the table was built for.
        """
        poses = np.ascontiguousarray(matrices, dtype=np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4) or not np.isfinite(poses).all():
            raise GeometryError(f"expected finite poses (pose, 4, 4), found {poses.shape}")
        result = np.zeros((len(poses), self.magnetic.shape[1] // 3))
        outside = np.zeros(len(poses), dtype=np.int64)
        lattice = (self.corner_mm, self.spacing_mm, self.row, self.asked)
        for place, what, table in (
            (coil.dipoles_mm, coil.moments_m2, self.magnetic),
            (coil.wires_mm, coil.wires_m, self.potential),
        ):
            elements = [np.ascontiguousarray(values, dtype=np.float64) for values in (place, what)]
            _add_values(poses, elements[0], elements[1], lattice, table, (result, outside))
        if outside.any():
            raise GeometryError(
                f"{int((outside > 0).sum())} of {len(poses)} poses have elements of the coil {coil.name!r} outside the "
                "region that the table was built for",
                fix="build the table with the elements of these poses in its region",
            )
        return result


def _mark_cells(region: FloatArray, step: float) -> tuple[Any, FloatArray]:
    """Mark the cells of a region; two more on each side; returns the first node as well, a multiple of the step."""
    low = np.floor(region.min(axis=0) / step).astype(np.int64) - 2
    high = np.floor(region.max(axis=0) / step).astype(np.int64) + 3
    asked = np.zeros(high - low + 1, dtype=bool)
    if len(region) == 2:
        asked[2:-3, 2:-3, 2:-3] = True
    for first in range(0, len(region), _CHUNK):
        cells = np.floor(region[first : first + _CHUNK] / step).astype(np.int64) - low
        asked[tuple(cells.T)] = True
    return asked, low * step


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _add_values(poses: Any, places: Any, vectors: Any, lattice: Any, table: Any, results: Any) -> None:
    corner, step, row, asked = lattice
    for pose in numba.prange(len(poses)):
        weights, read = np.empty((3, 4)), np.empty(table.shape[1])
        cell = np.empty(3, np.int64)
        for e in range(len(places)):
            is_in = True
            for axis in range(3):
                at = poses[pose, axis, 3] - corner[axis]
                for c in range(3):
                    at += poses[pose, axis, c] * places[e, c]
                cell[axis] = int(np.floor(at / step))
                is_in = is_in and 0 < cell[axis] < row.shape[axis] - 2
                _weigh(at / step - cell[axis], weights[axis])
            if not is_in or not asked[cell[0], cell[1], cell[2]]:
                results[1][pose] += 1
                continue
            _read(cell, weights, row, table, read)
            for k in range(len(read) // 3):
                for axis in range(3):
                    turned = 0.0
                    for c in range(3):
                        turned += poses[pose, axis, c] * vectors[e, c]
                    results[0][pose, k] += turned * read[3 * k + axis]


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _weigh(t: Any, weights: Any) -> None:
    """Lagrange weights of the nodes at -1, 0, 1 and 2."""
    weights[0] = -t * (t - 1) * (t - 2) / 6
    weights[1] = (t + 1) * (t - 1) * (t - 2) / 2
    weights[2] = -(t + 1) * t * (t - 2) / 2
    weights[3] = (t + 1) * t * (t - 1) / 6


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _read(cell: Any, weights: Any, row: Any, table: Any, read: Any) -> None:
    read[:] = 0
    for a in range(4):
        for b in range(4):
            first = weights[0, a] * weights[1, b]
            for c in range(4):
                values = table[row[cell[0] - 1 + a, cell[1] - 1 + b, cell[2] - 1 + c]]
                weight = first * weights[2, c]
                for m in range(len(read)):
                    read[m] += weight * values[m]
