"""Cleaning a map of cortex and voxels: small components take the label around them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from actionloop import facts
from actionloop.brain import adjacency
from actionloop.errors import GeometryError, OptionError
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, IntArray, NetworkMap, Voxels

_MIN_ROWS: int = facts.load("mapping")["components"]["min_rows"]
_MOST_ROUNDS = 10


def clean_components(network_map: NetworkMap, anatomy: Anatomy, *, min_rows: int = _MIN_ROWS) -> NetworkMap:
    """Give components of few rows the label most frequent around them.

    A component is a connected set of rows of one label: rows of a hemisphere connect over the edges of its mesh, voxels
    over faces, edges and corners (26 neighbours), whatever structures they belong to; hemispheres and voxels do not
    connect. Smaller components come first, ties by their first row. Each takes the label that most rows around it have,
    ties the smallest key; unassigned rows are not counted, and remain unassigned. A component with no other label
    around it stays. Repeated until nothing small changes, at most ten times.

    Parameters
    ----------
    network_map : NetworkMap
    anatomy : Anatomy
        Only the faces of its midthickness matter.
    min_rows : int
        Components of fewer rows are small; 30 as published [1]_. Up to 1 nothing changes.

    Returns
    -------
    NetworkMap
        Labels changed; probabilities and confidence untouched.

    Raises
    ------
    OptionError
        A negative `min_rows`.
    GeometryError
        An anatomy on another mesh than the map.

    References
    ----------
    .. [1] Hermosillo et al. 2024, doi:10.1038/s41593-024-01596-5 (the value and the steps are those of its public code)
    """
    if min_rows < 0:
        raise OptionError(f"a component cannot have {min_rows} rows; min_rows must be 0 or more")
    label = network_map.label.copy()
    neighbours = _neighbours(network_map.grayordinates, anatomy)
    for _ in range(_MOST_ROUNDS):
        if not _refill(label, _small_components(label, neighbours, min_rows), neighbours):
            break
    return replace(network_map, label=label)


def _neighbours(axis: Grayordinates, anatomy: Anatomy) -> Any:
    """Which rows touch; (grayordinate, grayordinate) bool csr_array, symmetric, empty diagonal."""
    parts = []
    for hemisphere in HEMISPHERES:
        surface, vertices = anatomy.surface(hemisphere), axis.vertices(hemisphere)
        if surface.n_vertices != axis.n_vertices:
            raise GeometryError(
                f"the map belongs to a mesh of {axis.n_vertices} vertices, the surface has {surface.n_vertices}",
                where=surface.source or None,
            )
        parts.append(adjacency(surface.faces, surface.n_vertices)[vertices][:, vertices])
    if axis.voxels is not None:
        parts.append(_touching_voxels(axis.voxels))
    return sparse.csr_array(sparse.block_diag(parts, format="csr", dtype=np.bool_))


def _touching_voxels(voxels: Voxels) -> Any:
    """Which voxels share a face, an edge or a corner; (voxel, voxel) bool coo_array."""
    ijk = np.asarray(voxels.ijk, dtype=np.int64)
    place = ijk - ijk.min(axis=0, initial=0) + 1
    grid = np.full(place.max(axis=0, initial=0) + 2, -1, dtype=np.int64)
    grid[tuple(place.T)] = np.arange(len(place))
    start, end = [], []
    for step in product((-1, 0, 1), repeat=3):
        if any(step):
            there = grid[tuple((place + step).T)]
            start.append(np.flatnonzero(there >= 0))
            end.append(there[there >= 0])
    pairs = (np.concatenate(start), np.concatenate(end))
    return sparse.coo_array((np.ones(len(pairs[0]), dtype=np.bool_), pairs), shape=(len(place), len(place)))


def _small_components(label: IntArray, neighbours: Any, min_rows: int) -> list[IntArray]:
    """List the components of fewer than `min_rows` assigned rows, the smallest first."""
    pairs = neighbours.tocoo()
    same = (label[pairs.row] == label[pairs.col]) & (label[pairs.row] > 0)
    joined = sparse.coo_array((pairs.data[same], (pairs.row[same], pairs.col[same])), shape=neighbours.shape)
    _, component = connected_components(joined, directed=False)
    size = np.bincount(component)
    rows = np.flatnonzero((size[component] < min_rows) & (label > 0))
    rows = rows[np.argsort(component[rows], kind="stable")]
    split = np.split(rows, np.flatnonzero(np.diff(component[rows])) + 1) if rows.size else []
    return sorted(split, key=lambda members: (len(members), int(members[0])))


def _refill(label: IntArray, small: list[IntArray], neighbours: Any) -> bool:
    """Relabel small components once, in place; tells whether anything changed."""
    changed = False
    indptr, indices = neighbours.indptr, neighbours.indices
    for members in small:
        touching = np.concatenate([indices[indptr[row] : indptr[row + 1]] for row in members])
        around = label[np.setdiff1d(touching, members)]
        own = label[members[0]]
        # A neighbour of the same label was relabelled in this round: the component has grown and is looked at anew.
        if (around == own).any() or not (around > 0).any():
            continue
        keys, count = np.unique(around[around > 0], return_counts=True)
        label[members] = keys[count.argmax()]
        changed = True
    return changed
