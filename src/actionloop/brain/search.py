"""Compiled loops of `nearby`: which rows are reached within a radius, as one bit for each row."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_CHUNK = 16
"""Rows that one worker searches with the same scratch."""
_ONE = np.uint64(1)
_SLACK = 1 + 1e-9
"""For places that lie exactly so far by rule and not by rounding."""


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def mark_near(bits: Any, rows: Any, graph: Any, space: Any, radius: Any) -> None:
    """Mark the rows near some rows.

    Parameters
    ----------
    bits : (row, word) uint64 ndarray
        Zeros; bit k of word w is set for grayordinate 64 w + k.
    rows : (row,) int64 ndarray
    graph : (indptr, neighbour, length, row_of_vertex, vertex_of_row, bucket) tuple
        Lines from each vertex by rising length in whole steps; which row is which vertex (-1 for none); steps of a
        bucket of the queue.
    space : (xyz, part, sorted_xyz, sorted_row) tuple
        Place of each row in mm; where left, right and voxel rows begin, and their end; places and rows of each part by
        rising x.
    radius : (int, float) tuple
        In steps and in mm.
    """
    n_rows = len(rows)
    for chunk in numba.prange((n_rows + _CHUNK - 1) // _CHUNK):
        n_vertices = len(graph[0]) - 1
        distance = np.full(n_vertices, -1, np.int32)
        chain = np.empty((3, n_vertices), np.int32)
        head = np.full(radius[0] // graph[5] + 1, -1, np.int32)
        for i in range(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n_rows)):
            row, part = rows[i], space[1]
            _mark(bits[i], row)
            if graph[4][row] >= 0:
                found = _search(graph[4][row], graph, radius[0], distance, chain, head)
                for k in range(found):
                    other = graph[3][chain[2, k]]
                    if other >= 0:
                        _mark(bits[i], other)
            for p in range(3):
                if p == 2 or not part[p] <= row < part[p + 1]:
                    _mark_through_space(bits[i], row, space, part[p], part[p + 1], radius[1])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def list_marked(bits: Any, indptr: Any, indices: Any) -> None:
    """Write the marked grayordinates of row i to `indices`, ascending, from `indptr[i]` on."""
    for i in range(len(bits)):
        place = indptr[i]
        for word in range(bits.shape[1]):
            left, other = bits[i, word], 64 * word
            while left:
                if left & _ONE:
                    indices[place] = other
                    place += 1
                left >>= _ONE
                other += 1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _mark(bits: Any, row: Any) -> None:
    bits[row >> 6] |= _ONE << np.uint64(row & 63)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _mark_through_space(bits: Any, row: Any, space: Any, first: Any, last: Any, radius_mm: Any) -> None:
    xyz, _, sorted_xyz, sorted_row = space
    x, y, z = xyz[row]
    reach, square_mm2 = radius_mm * _SLACK, radius_mm**2 * _SLACK
    near = first + np.searchsorted(sorted_xyz[first:last, 0], x - reach)
    for place in range(near, last):
        across = sorted_xyz[place, 0] - x
        if across > reach:
            break
        if across**2 + (sorted_xyz[place, 1] - y) ** 2 + (sorted_xyz[place, 2] - z) ** 2 <= square_mm2:
            _mark(bits, sorted_row[place])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _search(source: Any, graph: Any, reach: Any, distance: Any, chain: Any, head: Any) -> Any:
    """Search along lines up to `reach`; returns how many vertices are listed in `chain[2]`.

    A queue of buckets: `head` holds the first vertex of each, `chain[0]` and `chain[1]` the next and the one before.
    Where no line is shorter than a bucket every vertex is taken once; otherwise again when a shorter way is found.
    `distance` and `head` come and go all -1.
    """
    indptr, neighbour, length, _, _, bucket = graph
    chain[0, source] = chain[1, source] = -1
    head[0], distance[source], chain[2, 0], found = source, 0, source, 1
    for turn in range(len(head)):
        while head[turn] >= 0:
            vertex = head[turn]
            _unlink(vertex, turn, chain, head)
            here = distance[vertex]
            for line in range(indptr[vertex], indptr[vertex + 1]):
                there, other = here + length[line], neighbour[line]
                if there > reach:
                    break
                before = distance[other]
                if before < 0:
                    chain[2, found] = other
                    found += 1
                elif before <= there:
                    continue
                elif head[before // bucket] == other or chain[1, other] >= 0:
                    _unlink(other, before // bucket, chain, head)
                distance[other] = there
                _link(other, there // bucket, chain, head)
    for k in range(found):
        distance[chain[2, k]] = -1
    return found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _link(vertex: Any, turn: Any, chain: Any, head: Any) -> None:
    after = head[turn]
    chain[0, vertex], chain[1, vertex] = after, -1
    if after >= 0:
        chain[1, after] = vertex
    head[turn] = vertex


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _unlink(vertex: Any, turn: Any, chain: Any, head: Any) -> None:
    after, before = chain[0, vertex], chain[1, vertex]
    if before >= 0:
        chain[0, before] = after
    else:
        head[turn] = after
    if after >= 0:
        chain[1, after] = before
    chain[1, vertex] = -1
