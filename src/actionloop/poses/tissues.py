"""How the field answers to the conductivity of each tissue, to first order."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field import TISSUES, FieldSolver, Reader
from actionloop.types import FloatArray

# Stiffness of a cube of trilinear elements per conductivity and edge: 1/3 for a corner with itself, 0 along an edge,
# -1/12 across a face and across the cube. Corners are numbered with the last axis fastest: differing bits are axes.
_ACROSS = np.array([1 / 3, 0, -1 / 12, -1 / 12])
_CUBE = np.array([[_ACROSS[(a ^ b).bit_count()] for b in range(8)] for a in range(8)])
# The derivative needs far fewer digits than the field.
_TOLERANCE = 1e-4
# Of the largest tissue's share: what a potential may leave over that belongs to this drive.
_LEFT = 0.05


def conductivity_response(
    solver: FieldSolver, potential: FloatArray, dadt: FloatArray, reader: Reader, *, tolerance: float = _TOLERANCE
) -> FloatArray:
    """Differentiate the field by the logarithm of each tissue's conductivity.

    The potential solves K phi = b, where K and b are sums over tissues, each proportional to its conductivity. So
    d phi / d log s_t = K^-1 (b_t - K_t phi): exact for the same voxels, with the system that is set up already.
    Scaling all tissues alike changes nothing, therefore the derivatives sum to 0 and the last needs no solve.

    Parameters
    ----------
    solver : FieldSolver
    potential : (node,) float ndarray
        Of the pose, V.
    dadt : (voxel, 3) float ndarray
        Of the pose, V/m.
    reader : Reader
        Of the points asked for.
    tolerance : float
        Of the solves.

    Returns
    -------
    (5, point, 3) float64 ndarray
        dE / d log conductivity in V/m, white matter to scalp; 0 for tissues that the head has not.

    Raises
    ------
    GeometryError
        Arrays that do not fit the solver's head, or a potential that does not solve it for this `dadt`.
    """
    head = solver.head
    tissue = head.tissue[tuple(head.voxels.T)]
    if potential.shape != (solver.n_nodes,) or dadt.shape != (len(tissue), 3):
        raise GeometryError(
            f"expected a potential at {solver.n_nodes} nodes and dA/dt in {len(tissue)} voxels, found "
            f"{potential.shape} and {dadt.shape}",
            where=head.source or None,
        )
    conductance = solver.conductivity * head.edge_mm / 1000
    there = [number for number in range(1, len(TISSUES)) if conductance[tissue == number].any()]
    push = np.zeros((solver.n_nodes, len(there)))
    for column, number in enumerate(there):
        inside = tissue == number
        corners = solver.corners[inside]
        drawn = potential[corners] @ _CUBE * conductance[inside, None]
        push[:, column] = solver.drive(np.where(inside[:, None], dadt, 0)) - np.bincount(
            corners.ravel(), weights=drawn.ravel(), minlength=solver.n_nodes
        )
    left, size = np.linalg.norm(push.sum(axis=1)), np.linalg.norm(push, axis=0).max()
    if left > _LEFT * size:
        raise GeometryError("the potential does not solve this head with this dA/dt", where=head.source or None)
    found = np.zeros((len(TISSUES) - 1, len(reader.points_mm), 3))
    if len(there) > 1:
        moved = solver.solve(np.ascontiguousarray(push[:, :-1]), tolerance=tolerance)
        nothing = np.zeros_like(dadt)
        for number, change in zip(there[:-1], moved.T, strict=True):
            found[number - 1] = reader.field(np.ascontiguousarray(change), nothing)
        found[there[-1] - 1] = -found.sum(axis=0)
    return found


def log_response(field: FloatArray, response: FloatArray) -> FloatArray:
    """Turn the response of the field into that of the logarithm of its strength.

    A relative change varies less from pose to pose than the change itself, and serves for the poses near this one.

    Parameters
    ----------
    field : (vertex, 3) float ndarray
    response : (5, vertex, 3) float ndarray
        From `conductivity_response`, at the same vertices.

    Returns
    -------
    (5, vertex) float32 ndarray
        d log|E| / d log conductivity, cut off at `draws.largest_response` of data/chance.toml; 0 without a field.

    Raises
    ------
    GeometryError
        Shapes that do not fit.
    """
    if field.ndim != 2 or field.shape[1] != 3 or response.shape != (len(TISSUES) - 1, *field.shape):
        raise GeometryError(f"a response of shape {response.shape} does not belong to a field of shape {field.shape}")
    most = float(facts.load("chance")["draws"]["largest_response"])
    squared = np.einsum("vx,vx->v", field, field)
    along = np.einsum("vx,tvx->tv", field, response) / np.where(squared > 0, squared, 1)
    relative: FloatArray = np.clip(along, -most, most).astype(np.float32)
    return relative
