"""The field at points, read from voxels of the same tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field.assemble import add_drive, gradients
from actionloop.field.model import GREY, TISSUES
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from actionloop.field.solver import FieldSolver


class Reader:
    """The field at points inside a tissue, as a linear function of a potential and a primary field.

    The field is taken at the centres of voxels of this tissue near the point, where it is most exact, and averaged
    with Gaussian weights, so that a point near an interface does not mix tissues, and that errors of opposite sign
    beside the steps of an interface cancel. Where no voxel of the tissue is near, the nearest one counts, up to a
    distance (all in data/solver.toml).

    Parameters
    ----------
    solver : FieldSolver
    points_mm : (point, 3) float ndarray
    tissue : int
        Number in `TISSUES`.

    Attributes
    ----------
    points_mm : (point, 3) float64 ndarray

    Raises
    ------
    GeometryError
        No points, points that are not finite, or points with no voxel of the tissue near them.
    """

    def __init__(self, solver: FieldSolver, points_mm: FloatArray, *, tissue: int = GREY) -> None:
        from scipy import sparse

        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not len(points) or not np.isfinite(points).all():
            raise GeometryError(f"expected finite points (point, 3) to read the field at, found {points.shape}")
        self.points_mm = points
        self._edge_m, self._n_nodes, self._n_voxels = solver.edge_m, solver.n_nodes, len(solver.centres_mm)
        head, kept = solver.head, solver.connected
        number = np.full(head.tissue.shape, -1, dtype=np.int32)
        chosen = kept & (head.tissue[tuple(head.voxels.T)] == tissue)
        number[tuple(head.voxels[chosen].T)] = np.flatnonzero(chosen)
        first, voxels, weights = self._gather((points - head.corner_ras) / head.edge_mm, number, tissue)
        self._voxels, place = np.unique(voxels, return_inverse=True)
        self._mean = sparse.csr_matrix((weights, place, first), shape=(len(points), len(self._voxels)))
        self._corners = solver.corners[self._voxels]

    def _gather(self, points: FloatArray, number: Any, tissue: int) -> tuple[Any, Any, Any]:
        settings = facts.load("solver")["reader"]
        radii = np.array([float(settings[f"{name}_edges"]) for name in ("radius", "fallback", "width")])
        most = int(2 * radii[0] + 1) ** 3
        counts = np.zeros(len(points) + 1, dtype=np.int64)
        found, weights = np.empty((len(points), most), dtype=np.int32), np.empty((len(points), most))
        _find(points, number, radii, counts[1:], found, weights)
        lost = counts[1:] == 0
        if lost.any():
            name = TISSUES[tissue] if 0 <= tissue < len(TISSUES) else f"tissue {tissue}"
            raise GeometryError(
                f"{int(lost.sum())} of {len(points)} points lie more than {radii[1]:g} voxels away from {name}; the "
                f"first is ({', '.join(f'{x:.1f}' for x in self.points_mm[lost.argmax()])}) mm",
                fix="check that points and head model are in one frame, and that the head model covers them",
            )
        filled = np.arange(most) < counts[1:, None]
        return np.cumsum(counts), found[filled], weights[filled]

    def field(self, potential: FloatArray, dadt: FloatArray) -> FloatArray:
        """Return E = -grad(phi) - dA/dt at the points.

        Parameters
        ----------
        potential : (node,) float64 ndarray
            V.
        dadt : (voxel, 3) float ndarray
            At the solver's `centres_mm`, V/m.

        Returns
        -------
        (point, 3) float64 ndarray
            V/m.

        Raises
        ------
        GeometryError
            Shapes that do not fit.
        """
        if potential.shape != (self._n_nodes,) or dadt.shape != (self._n_voxels, 3):
            raise GeometryError(
                f"expected a potential of {self._n_nodes} nodes and a primary field of {self._n_voxels} voxels by 3, "
                f"found {potential.shape} and {dadt.shape}"
            )
        result: FloatArray = -(self._mean @ (gradients(potential, self._corners, self._edge_m) + dadt[self._voxels]))
        return result

    def adjoint(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what turns a weighted sum of the field into products with the potential and the primary field.

        Parameters
        ----------
        weights : (point, 3) float ndarray

        Returns
        -------
        right : (node,) float64 ndarray
        direct : (voxel, 3) float64 ndarray
            sum(weights * field(phi, dadt)) == sum(right * phi) + sum(direct * dadt).

        Raises
        ------
        GeometryError
            Not one finite vector for each point.
        """
        if weights.shape != self.points_mm.shape or not np.isfinite(weights).all():
            raise GeometryError(f"expected finite weights {self.points_mm.shape}, found {weights.shape}")
        spread = np.asarray(self._mean.T @ weights)
        right, direct = np.zeros(self._n_nodes), np.zeros((self._n_voxels, 3))
        add_drive(right, self._corners, np.full(len(spread), 1 / (4 * self._edge_m)), spread)
        direct[self._voxels] = -spread
        return right, direct


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _find(points: Any, number: Any, radii: Any, counts: Any, found: Any, weights: Any) -> None:
    """List voxels and weights of each point (in voxel coordinates)."""
    radius, farthest, width = radii
    for p in range(len(points)):
        point = points[p]
        total, n = 0.0, 0
        i0, i1, j0, j1, k0, k1 = _window(point, radius, number.shape)
        for i in range(i0, i1):
            for j in range(j0, j1):
                for k in range(k0, k1):
                    square = (i - point[0]) ** 2 + (j - point[1]) ** 2 + (k - point[2]) ** 2
                    if number[i, j, k] >= 0 and square <= radius**2:
                        found[p, n], weights[p, n] = number[i, j, k], np.exp(-0.5 * square / width**2)
                        total += weights[p, n]
                        n += 1
        weights[p, :n] /= total if n else 1.0
        counts[p] = n
        if n == 0:
            _take_nearest(p, point, farthest, number, counts, found, weights)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _take_nearest(p: Any, point: Any, radius: Any, number: Any, counts: Any, found: Any, weights: Any) -> None:
    best = radius**2
    i0, i1, j0, j1, k0, k1 = _window(point, radius, number.shape)
    for i in range(i0, i1):
        for j in range(j0, j1):
            for k in range(k0, k1):
                square = (i - point[0]) ** 2 + (j - point[1]) ** 2 + (k - point[2]) ** 2
                if number[i, j, k] >= 0 and square <= best:
                    best, counts[p], found[p, 0], weights[p, 0] = square, 1, number[i, j, k], 1.0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _window(point: Any, radius: Any, shape: Any) -> Any:
    return (
        int(max(np.ceil(point[0] - radius), 0)),
        int(min(np.floor(point[0] + radius) + 1, shape[0])),
        int(max(np.ceil(point[1] - radius), 0)),
        int(min(np.floor(point[1] + radius) + 1, shape[1])),
        int(max(np.ceil(point[2] - radius), 0)),
        int(min(np.floor(point[2] + radius) + 1, shape[2])),
    )
