"""Vector potential and magnetic field of very many currents at many places, by a tree of blocks."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from actionloop import facts
from actionloop.types import FloatArray, IntArray

_TOGETHER_MM = 16.0
"""Places in a cube of this edge share one list of blocks."""
_FEW = 8
"""Blocks with which the tree ends."""
_FAST = {"contract", "reassoc", "nsz", "arcp"}


def sum_currents(centres_mm: FloatArray, currents: FloatArray, places_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum currents over their distance, and over its square, at places.

    Blocks that are far away are replaced by currents at a few Chebyshev points of the block that make the same field
    up to the order of the interpolation (a tree code). A place within a voxel is treated as if the current filled a
    ball of the voxel's volume.

    Parameters
    ----------
    centres_mm : (voxel, 3) float64 ndarray
        On a grid of cubes.
    currents : (k, voxel, 3) float64 ndarray
    places_mm : (place, 3) float64 ndarray

    Returns
    -------
    potential : (place, k, 3) float64 ndarray
        Sum of J / |d|, d from the place to the voxel in m.
    field : (place, k, 3) float64 ndarray
        Sum of d × J / |d|³.

    References
    ----------
    .. [1] Wang, Tlupova & Krasny 2020, doi:10.1007/s10444-020-09827-5
    """
    settings = facts.load("solver")["table"]
    values = np.ascontiguousarray(currents.transpose(1, 0, 2).reshape(len(centres_mm), -1))
    keys = _keys(places_mm, _TOGETHER_MM)
    order = np.argsort(keys, kind="stable")
    first = np.append(np.flatnonzero(np.diff(keys[order], prepend=-1)), len(order))
    potential = np.empty((len(places_mm), values.shape[1]))
    field = np.empty_like(potential)
    edge_mm = _edge(centres_mm)
    ball_mm = edge_mm * (3 / (4 * np.pi)) ** (1 / 3)
    tree = _grow(centres_mm, values, edge_mm * float(settings["block_edges"]), int(settings["points"]))
    _sum(places_mm[order], first, tree, (float(settings["opening"]), ball_mm), (potential, field))
    shape = (len(places_mm), len(currents), 3)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    # Distances were in mm.
    return potential[back].reshape(shape) * 1e3, field[back].reshape(shape) * 1e6


def _edge(centres_mm: FloatArray) -> float:
    steps = np.abs(np.diff(centres_mm, axis=0)).max(axis=1)
    return float(steps[steps > 0].min()) if (steps > 0).any() else 1.0


def _keys(places_mm: FloatArray, width_mm: float) -> IntArray:
    """Key of the cube of each place: the bits of its three indices in turn, so that shifts by 3 give larger cubes."""
    cell = np.floor((places_mm - places_mm.min(axis=0)) / width_mm).astype(np.int64)
    key = np.zeros(len(cell), dtype=np.int64)
    for bit in range(16):
        for axis in range(3):
            key |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return key


def _grow(centres: FloatArray, values: FloatArray, block_mm: float, n_points: int) -> tuple[Any, ...]:
    """Build the tree, from blocks of voxels to blocks of twice the width each.

    Returns
    -------
    positions, currents
        Sources: voxels sorted by block, then the points of all blocks.
    begin, end : (block,) int64 ndarray
        Children: voxels in the first level, blocks above.
    middle : (block, 3), radius : (block,) float64 ndarray
        Of the sphere around each block.
    counts : (4,) int64 ndarray
        Voxels, points of a block, blocks of the first level, first block of the last level.
    """
    keys = _keys(centres, block_mm)
    order = np.argsort(keys, kind="stable")
    key, corner = keys[order], centres.min(axis=0)
    nodes = np.cos(np.pi * (np.arange(n_points) + 0.5) / n_points)
    grid = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1).reshape(-1, 3)
    positions, currents = [centres[order]], [values[order]]
    begins, ends, middles, radii = [], [], [], []
    width, below, per_child = block_mm, 0, 1
    cell = np.floor((positions[0] - corner) / block_mm).astype(np.int64)
    while True:
        first = np.flatnonzero(np.diff(key, prepend=-1))
        last = np.append(first[1:], len(key))
        cell = cell[first] if width == block_mm else cell[first] // 2
        middle = corner + (cell + 0.5) * width
        points = np.zeros((len(first), len(grid), values.shape[1]))
        spans = np.stack([first, last], axis=1) * per_child
        _spread(positions[-1], currents[-1], spans, middle, (nodes, width / 2), points)
        positions.append((middle[:, None] + grid * width / 2).reshape(-1, 3))
        currents.append(points.reshape(-1, values.shape[1]))
        begins.append(below + first)
        ends.append(below + last)
        middles.append(middle)
        radii.append(np.full(len(middle), width * np.sqrt(3) / 2))
        if len(first) <= _FEW or key[-1] == 0:
            break
        below += len(key) if len(begins) > 1 else 0
        key, width, per_child = key[first] >> 3, 2 * width, len(grid)
    counts = np.array([len(centres), len(grid), len(begins[0]), sum(len(b) for b in begins[:-1])])
    parts = (positions, currents, begins, ends, middles, radii)
    return (*(np.concatenate(part) for part in parts), counts)


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _spread(positions: Any, currents: Any, spans: Any, middle: Any, rule: Any, points: Any) -> None:
    """Give the currents of each span to the points of its block, with the weights of polynomial interpolation."""
    nodes, half = rule
    n = len(nodes)
    for b in numba.prange(len(spans)):
        weights = np.empty((3, n))
        for s in range(spans[b, 0], spans[b, 1]):
            for axis in range(3):
                at = (positions[s, axis] - middle[b, axis]) / half
                for i in range(n):
                    weights[axis, i] = 1.0
                    for j in range(n):
                        if j != i:
                            weights[axis, i] *= (at - nodes[j]) / (nodes[i] - nodes[j])
            for p in range(n * n * n):
                weight = weights[0, p // (n * n)] * weights[1, p // n % n] * weights[2, p % n]
                for c in range(currents.shape[1]):
                    points[b, p, c] += weight * currents[s, c]


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _sum(places: Any, first: Any, tree: Any, limits: Any, results: Any) -> None:
    _, _, begin, end, middle, radius, counts = tree
    opening, ball = limits
    for group in numba.prange(len(first) - 1):
        near = np.ascontiguousarray(places[first[group] : first[group + 1]].T)
        n_values = results[0].shape[1]
        potential, field = np.zeros((n_values, near.shape[1])), np.zeros((n_values, near.shape[1]))
        scratch = np.empty((5, near.shape[1]))
        heart = np.array([near[0].mean(), near[1].mean(), near[2].mean()])
        reach = 0.0
        for p in range(near.shape[1]):
            reach = max(reach, np.sqrt(((near[:, p] - heart) ** 2).sum()))
        # Each block on the list is either taken as its points or replaced by its children.
        todo = np.empty(8 * 64 + len(begin) - counts[3], np.int64)
        n_todo = 0
        for block in range(counts[3], len(begin)):
            todo[n_todo] = block
            n_todo += 1
        while n_todo:
            n_todo -= 1
            block = todo[n_todo]
            away = np.sqrt(((middle[block] - heart) ** 2).sum()) - reach
            if radius[block] < opening * away:
                start = counts[0] + block * counts[1]
                _add_sources(near, tree, (start, start + counts[1]), ball, (potential, field, scratch))
            elif block < counts[2]:
                _add_sources(near, tree, (begin[block], end[block]), ball, (potential, field, scratch))
            else:
                for child in range(begin[block], end[block]):
                    todo[n_todo] = child
                    n_todo += 1
        results[0][first[group] : first[group + 1]] = potential.T
        results[1][first[group] : first[group + 1]] = field.T


@numba.njit(cache=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def _add_sources(places: Any, tree: Any, span: Any, ball: Any, sums: Any) -> None:
    positions, currents = tree[0], tree[1]
    potential, field, scratch = sums
    near, cube, x, y, z = scratch
    for s in range(span[0], span[1]):
        for p in range(places.shape[1]):
            x[p] = positions[s, 0] - places[0, p]
            y[p] = positions[s, 1] - places[1, p]
            z[p] = positions[s, 2] - places[2, p]
            square = x[p] * x[p] + y[p] * y[p] + z[p] * z[p]
            inverse = 1 / np.sqrt(max(square, ball * ball))
            cube[p] = inverse * inverse * inverse
            # Equal to `inverse` outside the ball.
            near[p] = inverse * (1.5 - 0.5 * square * inverse * inverse)
        for c in range(0, currents.shape[1], 3):
            a, b, d = currents[s, c], currents[s, c + 1], currents[s, c + 2]
            for p in range(places.shape[1]):
                potential[c, p] += a * near[p]
                potential[c + 1, p] += b * near[p]
                potential[c + 2, p] += d * near[p]
                field[c, p] += (y[p] * d - z[p] * b) * cube[p]
                field[c + 1, p] += (z[p] * a - x[p] * d) * cube[p]
                field[c + 2, p] += (x[p] * b - y[p] * a) * cube[p]
