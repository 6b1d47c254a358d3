"""The field over a target for every pose, from one solve for each direction."""

from __future__ import annotations

import numpy as np

from actionloop.errors import GeometryError
from actionloop.field.assemble import gradients
from actionloop.field.reader import Reader
from actionloop.field.solver import FieldSolver
from actionloop.types import FloatArray


def adjoint_currents(
    solver: FieldSolver, reader: Reader, weights: FloatArray, *, tolerance: float | None = None
) -> FloatArray:
    """Currents whose product with any primary field is a weighted sum of the electric field it makes.

    For every k and every dA/dt, sum(weights[k] * E) == sum(currents[k] * dadt), where E is what the reader reads after
    a forward solve. The stiffness is symmetric, so that one solve with the reader's adjoint as its source takes the
    place of a forward solve for each coil pose.

    Parameters
    ----------
    solver : FieldSolver
    reader : Reader
        Of this solver.
    weights : (k, point, 3) float ndarray
        E.g. 1 / n_points along one axis: the mean of that component over the points.
    tolerance : float, optional
        Of the solves.

    Returns
    -------
    (k, voxel, 3) float64 ndarray
        In the order of the solver's `centres_mm`; without unit for weights without unit (V/m of the sum for each V/m
        of dA/dt in the voxel).

    Raises
    ------
    GeometryError
        Weights that do not fit the reader.

    References
    ----------
    .. [1] Gomez et al. 2021, doi:10.1016/j.neuroimage.2020.117696 (the auxiliary dipole method)
    """
    if weights.ndim != 3 or not len(weights):
        raise GeometryError(f"expected weights (k, point, 3), found {weights.shape}")
    pairs = [reader.adjoint(one) for one in weights]
    potentials = solver.solve(np.stack([right for right, _ in pairs], axis=1), tolerance=tolerance)
    conductance = (solver.conductivity * solver.edge_m**3)[:, None]
    currents = np.empty((len(weights), *solver.centres_mm.shape))
    for k, (_, direct) in enumerate(pairs):
        slope = gradients(np.ascontiguousarray(potentials[:, k]), solver.corners, solver.edge_m)
        currents[k] = direct - conductance * slope
    return currents
