"""Stiffness, drive and gradient of trilinear cubes, as compiled loops over nodes and voxels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from actionloop.types import FloatArray, IntArray

_TWELFTH = 1 / 12


def number_nodes(conducts: NDArray[np.bool_]) -> tuple[IntArray, int]:
    """Give the corners of conducting voxels numbers, in the order of the lattice.

    Parameters
    ----------
    conducts : (i, j, k) bool ndarray

    Returns
    -------
    nodes : (i + 1, j + 1, k + 1) int32 ndarray
        -1 where no voxel conducts; voxel (i, j, k) has the corners (i, j, k) to (i + 1, j + 1, k + 1).
    n_nodes : int
    """
    used = np.zeros(tuple(n + 1 for n in conducts.shape), dtype=bool)
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                used[i : i + conducts.shape[0], j : j + conducts.shape[1], k : k + conducts.shape[2]] |= conducts
    n_nodes = int(used.sum())
    nodes = np.full(used.shape, -1, dtype=np.int32)
    nodes[used] = np.arange(n_nodes, dtype=np.int32)
    return nodes, n_nodes


def voxel_nodes(nodes: IntArray, voxels: IntArray) -> IntArray:
    """Return the 8 nodes of each voxel, the last axis fastest; a corner without a node is given as node 0.

    Parameters
    ----------
    nodes : (i + 1, j + 1, k + 1) int32 ndarray
    voxels : (voxel, 3) int ndarray

    Returns
    -------
    (voxel, 8) int32 ndarray
    """
    i, j, k = voxels.T
    corners = [nodes[i + a, j + b, k + c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    result: IntArray = np.maximum(np.stack(corners, axis=1), 0)
    return result


def assemble_stiffness(conductance: FloatArray, nodes: IntArray, n_nodes: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Assemble the stiffness of trilinear cubes as rows of a sparse matrix.

    For a cube of edge h and conductivity s the entries are s h times 1/3 (same node), 0 (along an edge), and -1/12
    (across a face, and across the cube).

    Parameters
    ----------
    conductance : (i, j, k) float64 ndarray
        Conductivity times edge of each voxel, S; 0 in air.
    nodes : (i + 1, j + 1, k + 1) int32 ndarray
    n_nodes : int

    Returns
    -------
    indptr, indices, data
        Of a CSR matrix with sorted columns.
    """
    padded = np.pad(conductance, 1)
    indptr = np.zeros(n_nodes + 1, dtype=np.int32)
    _count_row(padded, nodes, indptr)
    np.cumsum(indptr, out=indptr)
    indices = np.empty(indptr[-1], dtype=np.int32)
    data = np.empty(indptr[-1])
    _fill_rows(padded, nodes, indptr, indices, data)
    return indptr, indices, data


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _count_row(s: Any, nodes: Any, indptr: Any) -> None:
    for i in numba.prange(nodes.shape[0]):
        near, entry = np.empty((2, 2, 2)), np.empty(27)
        for j in range(nodes.shape[1]):
            for k in range(nodes.shape[2]):
                if nodes[i, j, k] >= 0:
                    _row(s, i, j, k, near, entry)
                    indptr[nodes[i, j, k] + 1] = np.count_nonzero(entry)


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _fill_rows(s: Any, nodes: Any, indptr: Any, indices: Any, data: Any) -> None:
    for i in numba.prange(nodes.shape[0]):
        near, entry = np.empty((2, 2, 2)), np.empty(27)
        for j in range(nodes.shape[1]):
            for k in range(nodes.shape[2]):
                if nodes[i, j, k] >= 0:
                    _row(s, i, j, k, near, entry)
                    place = indptr[nodes[i, j, k]]
                    for n in range(27):
                        if entry[n] != 0:
                            indices[place] = nodes[i + n // 9 - 1, j + n // 3 % 3 - 1, k + n % 3 - 1]
                            data[place] = entry[n]
                            place += 1


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _row(s: Any, i: Any, j: Any, k: Any, near: Any, entry: Any) -> None:
    """Entries of node (i, j, k) with its 27 neighbours; `s` has a voxel of air more at the start of each axis."""
    total = 0.0
    for x in range(2):
        for y in range(2):
            for z in range(2):
                near[x, y, z] = -_TWELFTH * s[i + x, j + y, k + z]
                total += near[x, y, z]
                entry[18 * x + 6 * y + 2 * z] = near[x, y, z]
    entry[13] = -4 * total
    for n in (4, 10, 12, 14, 16, 22):
        entry[n] = 0.0
    for x in range(2):
        for y in range(2):
            entry[18 * x + 6 * y + 1] = near[x, y, 0] + near[x, y, 1]
            entry[18 * x + 3 + 2 * y] = near[x, 0, y] + near[x, 1, y]
            entry[9 + 6 * x + 2 * y] = near[0, x, y] + near[1, x, y]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_drive(drive: Any, corners: Any, factor: Any, dadt: Any) -> None:
    """Add -∫ σ grad N · dA/dt of every voxel to its nodes.

    Parameters
    ----------
    drive : (node,) float64 ndarray
        A; changed in place.
    corners : (voxel, 8) int32 ndarray
    factor : (voxel,) float64 ndarray
        Conductivity times edge squared over 4, S·m.
    dadt : (voxel, 3) float ndarray
        At the centres, V/m.
    """
    for v in range(len(corners)):
        x, y, z = dadt[v, 0] * factor[v], dadt[v, 1] * factor[v], dadt[v, 2] * factor[v]
        for n in range(8):
            drive[corners[v, n]] += (x if n < 4 else -x) + (y if n & 2 == 0 else -y) + (z if n & 1 == 0 else -z)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gradients(potential: Any, corners: Any, edge_m: Any) -> Any:
    """Gradient of the potential at the centres of voxels.

    Parameters
    ----------
    potential : (node,) float64 ndarray
        V.
    corners : (voxel, 8) int32 ndarray
    edge_m : float

    Returns
    -------
    (voxel, 3) float64 ndarray
        V/m.
    """
    result = np.empty((len(corners), 3))
    for v in range(len(corners)):
        x, y, z = 0.0, 0.0, 0.0
        for n in range(8):
            value = potential[corners[v, n]]
            x += value if n >= 4 else -value
            y += value if n & 2 else -value
            z += value if n & 1 else -value
        result[v] = x / (4 * edge_m), y / (4 * edge_m), z / (4 * edge_m)
    return result
