"""Communities of rows: small ones dropped, gaps filled along the surface, each named after a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from actionloop.brain import adjacency, vertex_areas
from actionloop.errors import PriorError
from actionloop.networks.task import Task
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Grayordinates, IntArray, Surface

_TOGETHER = 256  # communities whose connectivity is in memory at a time
_RUNNERS_UP = 3


def drop_small(community: IntArray, *, min_rows: int) -> IntArray:
    """Set communities of fewer rows than `min_rows` to 0 and number the others from 1 on, in their order."""
    size = np.bincount(community)
    size[0] = 0
    kept = size >= max(min_rows, 1)
    return np.where(kept, np.cumsum(kept), 0)[community]


def tidy(
    community: IntArray,
    grayordinates: Grayordinates,
    anatomy: Anatomy,
    *,
    valid: BoolArray,
    min_piece_mm2: float,
    reach_mm: float,
) -> IntArray:
    """Drop small pieces of communities, then give cortical rows without one that of the nearest row with one.

    Parameters
    ----------
    community : (grayordinate,) int ndarray
        0 for none.
    grayordinates : Grayordinates
    anatomy : Anatomy
        Midthickness.
    valid : (grayordinate,) bool ndarray
        Rows that may be filled.
    min_piece_mm2 : float
        Smaller connected pieces are dropped, unless most of their border is no row.
    reach_mm : float
        Along the edges of the mesh; rows farther away stay without.

    Returns
    -------
    (grayordinate,) int ndarray
        Voxels are left as they are.
    """
    out = community.copy()
    for hemisphere in HEMISPHERES:
        surface, rows = anatomy.surface(hemisphere), grayordinates.rows(hemisphere)
        edges = _edge_lengths(surface)
        mesh = grayordinates.to_mesh(community, hemisphere)
        is_row = np.isin(np.arange(surface.n_vertices), grayordinates.vertices(hemisphere))
        mesh[_piece_areas(mesh, is_row, edges, vertex_areas(surface)) < min_piece_mm2] = 0
        empty = (mesh == 0) & grayordinates.to_mesh(valid, hemisphere, fill=False)
        sources = np.flatnonzero(mesh)
        if empty.any() and sources.size:
            distance, _, nearest = dijkstra(
                edges, directed=False, indices=sources, limit=reach_mm, min_only=True, return_predecessors=True
            )
            near = empty & np.isfinite(distance)
            mesh[near] = mesh[nearest[near]]
        out[rows] = mesh[grayordinates.vertices(hemisphere)]
    return out


def _edge_lengths(surface: Surface) -> Any:
    """Lengths of a mesh's edges; (vertex, vertex) sparse array, mm."""
    edges = sparse.coo_array(adjacency(surface.faces, surface.n_vertices))
    one, other = edges.coords
    length = np.linalg.norm(surface.vertices[one] - surface.vertices[other], axis=1)
    return sparse.csr_array((length, (one, other)), shape=edges.shape)


def _piece_areas(mesh: IntArray, is_row: BoolArray, edges: Any, area_mm2: FloatArray) -> FloatArray:
    """Area of the connected piece of one community that each vertex belongs to; (vertex,) mm².

    A piece whose border holds more vertices that are no rows than rows counts as infinite: where few vertices stand for
    parcels, every piece is such, and its area says nothing.
    """
    one, other = sparse.coo_array(edges).coords
    inside = mesh[one] == mesh[other]
    links = sparse.csr_array((np.ones(int(inside.sum())), (one[inside], other[inside])), shape=edges.shape)
    _, piece = connected_components(links, directed=False)
    border = np.bincount(piece[one[~inside]], weights=is_row[other[~inside]] - 0.5, minlength=piece.max() + 1)
    total = np.bincount(piece, weights=area_mm2)
    area: FloatArray = np.where(border >= 0, total, np.inf)[piece]
    return area


def score_communities(task: Task, community: IntArray, templates: FloatArray) -> FloatArray:
    """Tell how well each community fits each network.

    The score is the correlation of the community's mean cortical connectivity with the network's template, times the
    mean of the spatial prior inside the community [1]_.

    Parameters
    ----------
    task : Task
    community : (grayordinate,) int ndarray
        Numbered from 1; 0 for none.
    templates : (network, grayordinate) float ndarray

    Returns
    -------
    (community, network) float64 ndarray
        May be negative.

    Raises
    ------
    PriorError
        The templates cover no cortical row with signal.

    References
    ----------
    .. [1] Lynch et al. 2024, doi:10.1038/s41586-024-07805-2
    """
    columns = np.flatnonzero(task.informed & task.valid & (task.structure < 2))
    if not columns.size:
        raise PriorError(
            "the connectivity templates cover no cortical row with signal", where=task.prior.source or None
        )
    members = np.flatnonzero(community)
    n_communities = int(community.max(initial=0))
    belongs = sparse.csr_array(
        (np.ones(len(members)), (community[members] - 1, members)), shape=(n_communities, len(community))
    )
    size: FloatArray = np.asarray(belongs.sum(axis=1))[:, None]
    mean = ((belongs @ task.basis.data.T) / size).astype(np.float32)
    target = task.basis.data[:, columns]
    wanted = _unit_rows(templates[:, columns])
    likeness = np.zeros((n_communities, len(templates)))
    for first in range(0, n_communities, _TOGETHER):
        part = slice(first, first + _TOGETHER)
        likeness[part] = _unit_rows(mean[part] @ target) @ wanted.T
    spatial: FloatArray = (belongs @ task.spatial.T) / size
    return likeness * spatial


def _unit_rows(values: FloatArray) -> FloatArray:
    """Centre rows and bring them to length 1; constant ones to 0."""
    centred = values.astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


def shares(score: FloatArray) -> FloatArray:
    """Bring the positive scores of each community to sum 1; (community, network), 0 where none is positive."""
    positive = np.maximum(score, 0)
    total = positive.sum(axis=1, keepdims=True)
    return positive / np.where(total > 0, total, 1)


def describe(task: Task, community: IntArray, score: FloatArray, *, density: float) -> list[dict[str, Any]]:
    """List the communities: the network each was given, and the ones that came next.

    Parameters
    ----------
    task : Task
    community : (grayordinate,) int ndarray
    score : (community, network) float ndarray
        From `score_communities`.
    density : float
        Of the graph they come from.

    Returns
    -------
    list of dict
        For each community `density`, `id`, `rows` (how many), `label` (None if no network fits), `score`, `confidence`
        ((s1 - s2) / s2, None where s2 is not positive) and `runners_up`, a list of `label` and `score`.
    """
    size = np.bincount(community, minlength=len(score) + 1)[1:]
    table = []
    for index, own in enumerate(score):
        order = np.argsort(-own, kind="stable")[: _RUNNERS_UP + 1]
        ranked = [{"label": task.prior.names[k], "score": round(float(own[k]), 6)} for k in order]
        best, second = float(own[order[0]]), float(own[order[1]]) if len(order) > 1 else 0.0
        table.append(
            {
                "density": density,
                "id": index + 1,
                "rows": int(size[index]),
                "label": ranked[0]["label"] if best > 0 else None,
                "score": ranked[0]["score"],
                "confidence": round((best - second) / second, 6) if second > 0 else None,
                "runners_up": ranked[1:],
            }
        )
    return table
