"""Grids of a V-cycle: from voxels to voxels of twice the edge, and from there by algebraic multigrid."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from actionloop.field.assemble import number_nodes
from actionloop.field.multigrid import Cycle, Level
from actionloop.types import FloatArray, IntArray

_MOST_COARSE = 500
"""Nodes of the coarsest grid, which is inverted densely."""


def build_cycle(matrix: tuple[Any, Any, Any], conductance: FloatArray, nodes: IntArray) -> Cycle:
    """Build the V-cycle for the stiffness of voxels.

    The first coarser grid has voxels of twice the edge, trilinear as well, with the exact (Galerkin) stiffness of the
    voxels within; coarser ones come from smoothed aggregation.

    Parameters
    ----------
    matrix : (indptr, indices, data) tuple
        CSR of `assemble_stiffness`.
    conductance : (i, j, k) float64 ndarray
    nodes : (i + 1, j + 1, k + 1) int32 ndarray

    Returns
    -------
    Cycle

    References
    ----------
    .. [1] Vanek, Mandel & Brezina 1996, doi:10.1007/BF02238511 (smoothed aggregation)
    .. [2] Bell, Olson & Schroder 2022, doi:10.21105/joss.04142 (PyAMG)
    """
    import pyamg
    from scipy import sparse

    half = tuple((n + 1) // 2 for n in conductance.shape)
    even = np.pad(conductance, [(0, 2 * m - n) for m, n in zip(half, conductance.shape, strict=True)])
    conducts = np.asarray(even.reshape(half[0], 2, half[1], 2, half[2], 2).any(axis=(1, 3, 5)))
    coarse_nodes, n_coarse = number_nodes(conducts)
    finer = _interpolate(nodes, len(matrix[0]) - 1, coarse_nodes)
    levels = [_level(matrix, finer, n_coarse)]
    coarse = _assemble_coarse(even, coarse_nodes, n_coarse)
    # The weights by rows need no random start vector, as an estimate of the largest eigenvalue would.
    hierarchy = pyamg.smoothed_aggregation_solver(
        sparse.csr_matrix((coarse[2], coarse[1], coarse[0]), shape=(n_coarse, n_coarse)),
        B=np.ones((n_coarse, 1)),
        strength=("symmetric", {"theta": 0.0}),
        smooth=("jacobi", {"weighting": "local"}),
        improve_candidates=None,
        presmoother=None,
        postsmoother=None,
        max_coarse=_MOST_COARSE,
    ).levels
    for level in hierarchy[:-1]:
        own, up = level.A.tocsr(), level.P.tocsr()
        own.sort_indices()
        up_to = _single((up.indptr, up.indices, up.data))
        levels.append(_level((own.indptr, own.indices, own.data), up_to, up.shape[1]))
    coarsest = np.linalg.pinv(hierarchy[-1].A.toarray(), hermitian=True, rcond=1e-10)
    return Cycle(tuple(levels), coarsest.astype(np.float32))


def _single(matrix: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    indptr, indices, data = matrix
    return (
        np.ascontiguousarray(indptr, dtype=np.int32),
        np.ascontiguousarray(indices, dtype=np.int32),
        np.ascontiguousarray(data, dtype=np.float32),
    )


def _level(matrix: tuple[Any, Any, Any], finer: tuple[Any, Any, Any], n_coarse: int) -> Level:
    diagonal = np.empty(len(matrix[0]) - 1, dtype=np.int32)
    _find_diagonal(matrix[0], matrix[1], diagonal)
    return Level(_single(matrix), diagonal, np.asarray(1 / matrix[2][diagonal], dtype=np.float32), finer, n_coarse)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _find_diagonal(indptr: Any, indices: Any, diagonal: Any) -> None:
    for i in range(len(diagonal)):
        for p in range(indptr[i], indptr[i + 1]):
            if indices[p] == i:
                diagonal[i] = p


def _interpolate(nodes: IntArray, n_nodes: int, coarse_nodes: IntArray) -> tuple[Any, Any, Any]:
    indptr = np.zeros(n_nodes + 1, dtype=np.int32)
    places = np.argwhere(nodes >= 0)
    indptr[1:] = np.cumsum(2 ** (places % 2).sum(axis=1))
    indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)
    _fill_parents(places, coarse_nodes, indptr, indices, data)
    return indptr, indices, data


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill_parents(places: Any, coarse_nodes: Any, indptr: Any, indices: Any, data: Any) -> None:
    for n in range(len(places)):
        i, j, k = places[n]
        place, weight = indptr[n], 1.0 / (indptr[n + 1] - indptr[n])
        for x in range(i // 2, (i + 1) // 2 + 1):
            for y in range(j // 2, (j + 1) // 2 + 1):
                for z in range(k // 2, (k + 1) // 2 + 1):
                    indices[place], data[place] = coarse_nodes[x, y, z], weight
                    place += 1


def _pieces() -> FloatArray:
    """Stiffness of each eighth of a cube between the cube's corners, for a conductance of 1; (eighth, 8, 8)."""
    corner = np.stack(np.meshgrid(*[(0, 1)] * 3, indexing="ij"), axis=-1).reshape(8, 3)
    steps = np.abs(corner[:, None] - corner[None]).sum(axis=2)
    whole = np.choose(steps, [1 / 3, 0.0, -1 / 12, -1 / 12])
    pieces = np.empty((8, 8, 8))
    for eighth in range(8):
        at = (corner[eighth] + corner) / 2
        weights = np.where(corner[None] == 1, at[:, None], 1 - at[:, None]).prod(axis=2)
        pieces[eighth] = weights.T @ whole @ weights
    return pieces


def _assemble_coarse(even: FloatArray, nodes: IntArray, n_nodes: int) -> tuple[Any, Any, Any]:
    padded, pieces = np.pad(even, 2), _pieces()
    entries = np.zeros((n_nodes, 27))
    _add_pieces(padded, nodes, pieces, entries)
    # Entries that cancel stay in the pattern: it costs little, and a tolerance is not needed.
    used = entries != 0
    indptr = np.zeros(n_nodes + 1, dtype=np.int32)
    np.cumsum(used.sum(axis=1), out=indptr[1:])
    indices = np.empty(indptr[-1], dtype=np.int32)
    _number_columns(nodes, used, indptr, indices)
    return indptr, indices, entries[used]


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _add_pieces(padded: Any, nodes: Any, pieces: Any, entries: Any) -> None:
    for i in numba.prange(nodes.shape[0]):
        for j in range(nodes.shape[1]):
            for k in range(nodes.shape[2]):
                if nodes[i, j, k] < 0:
                    continue
                entry = entries[nodes[i, j, k]]
                for voxel in range(8):
                    x, y, z = voxel // 4, voxel // 2 % 2, voxel % 2
                    for eighth in range(8):
                        s = padded[2 * (i + x) + eighth // 4, 2 * (j + y) + eighth // 2 % 2, 2 * (k + z) + eighth % 2]
                        if s == 0:
                            continue
                        for n in range(8):
                            a, b, c = x + n // 4, y + n // 2 % 2, z + n % 2
                            entry[9 * a + 3 * b + c] += s * pieces[eighth, 7 - voxel, n]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _number_columns(nodes: Any, used: Any, indptr: Any, indices: Any) -> None:
    for i in range(nodes.shape[0]):
        for j in range(nodes.shape[1]):
            for k in range(nodes.shape[2]):
                row = nodes[i, j, k]
                if row < 0:
                    continue
                place = indptr[row]
                for n in range(27):
                    if used[row, n]:
                        indices[place] = nodes[i + n // 9 - 1, j + n // 3 % 3 - 1, k + n % 3 - 1]
                        place += 1
