"""Straight lines over a triangle mesh: its edges, and lines across strips of triangles unfolded into a plane."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from actionloop.types import FloatArray, IntArray


class _Views(NamedTuple):
    """What is seen from some vertices through one side each; the vertex lies at the origin of its plane.

    `side` belongs to the face behind; `right` and `left` are its ends as seen from the vertex.
    """

    source: IntArray
    side: IntArray
    right: IntArray
    left: IntArray
    right_xy: FloatArray
    left_xy: FloatArray
    right_limit: FloatArray
    left_limit: FloatArray

    def where(self, keep: IntArray) -> _Views:
        parts: list[Any] = [part[keep] for part in self]
        return _Views(*parts)


def unfolded_lines(points: FloatArray, faces: IntArray, *, crossings: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Join vertices by the edges of a mesh and by straight lines over its unfolded triangles.

    A line runs through a strip of neighbouring triangles laid flat, without leaving it. It is a path on the surface,
    so that no sum of lines is shorter than the distance.

    Parameters
    ----------
    points : (vertex, 3) float ndarray
        mm.
    faces : (face, 3) int ndarray
    crossings : int
        A line crosses at most so many edges; 0 gives the edges of the mesh alone.

    Returns
    -------
    low, high : (line,) int64 ndarray
        Both ends, low < high; each pair once.
    length : (line,) float64 ndarray
        mm; that of the shortest line between the two.
    """
    points, faces = np.asarray(points, dtype=np.float64), np.asarray(faces, dtype=np.int64)
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    length = np.linalg.norm(points[start] - points[end], axis=1)
    lines = [(start, end, length)]
    partner = np.where(length > 0, _partners(faces), -1)  # nothing is seen through a side without width
    views = _first_views(points, faces, partner)
    for _ in range(crossings):
        seen, views = _look_on(points, faces, partner, views)
        lines.append(seen)
    start, end, length = (np.concatenate(part) for part in zip(*lines, strict=True))
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((length, high, low))
    order = order[low[order] != high[order]]
    low, high, length = low[order], high[order], length[order]
    first = _changes(low, high)
    return low[first], high[first], length[first]


def _changes(low: IntArray, high: IntArray) -> IntArray:
    """Positions in a sorted list of pairs where another pair begins."""
    return np.flatnonzero(np.diff(low, prepend=-1).astype(bool) | np.diff(high, prepend=-1).astype(bool))


def _partners(faces: IntArray) -> IntArray:
    """Side of the other face along the same edge; -1 at a border and where more than two faces meet.

    Side 3 f + k joins the corners k and k + 1 of face f.
    """
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    low, high = np.minimum(start, end), np.maximum(start, end)
    order = np.lexsort((high, low))
    first = _changes(low[order], high[order])
    pairs = first[np.diff(first, append=len(order)) == 2]
    partner = np.full(len(order), -1, dtype=np.int64)
    partner[order[pairs]], partner[order[pairs + 1]] = order[pairs + 1], order[pairs]
    return partner


def _first_views(points: FloatArray, faces: IntArray, partner: IntArray) -> _Views:
    """Lay every face flat with each of its corners in turn at the origin, and look through the opposite side."""
    source = faces.ravel()
    right, left = np.roll(faces, -1, axis=1).ravel(), np.roll(faces, -2, axis=1).ravel()
    to_right, to_left = points[right] - points[source], points[left] - points[source]
    reach = np.linalg.norm(to_right, axis=1)
    height = np.linalg.norm(np.cross(to_right, to_left), axis=1)
    side = partner[np.roll(np.arange(faces.size).reshape(-1, 3), -1, axis=1).ravel()]
    flat = np.flatnonzero((height > 0) & (side >= 0))
    reach, height = reach[flat], height[flat] / reach[flat]
    along = np.einsum("si,si->s", to_right[flat], to_left[flat]) / reach
    right_xy, left_xy = np.stack([reach, np.zeros_like(reach)], axis=1), np.stack([along, height], axis=1)
    return _Views(source[flat], side[flat], right[flat], left[flat], right_xy, left_xy, right_xy, left_xy)


def _look_on(
    points: FloatArray, faces: IntArray, partner: IntArray, views: _Views
) -> tuple[tuple[IntArray, IntArray, FloatArray], _Views]:
    """Unfold the faces behind the sides: the lines to those of their tips that are seen, and the views beyond."""
    corner = views.side % 3
    tip = faces[views.side // 3, (corner + 2) % 3]
    tip_xy = _unfold_tip(points, tip, views)
    past_right, before_left = _turn(views.right_limit, tip_xy) > 0, _turn(tip_xy, views.left_limit) > 0
    seen = past_right & before_left
    lines = (views.source[seen], tip[seen], np.linalg.norm(tip_xy[seen], axis=1))
    # The face runs along its side from right to left or the other way round; its next side starts where this one ends.
    forward = faces.ravel()[views.side] == views.right
    next_side, last_side = (views.side - corner + (corner + step) % 3 for step in (1, 2))
    to_right = views._replace(
        side=partner[np.where(forward, last_side, next_side)],
        left=tip,
        left_xy=tip_xy,
        left_limit=np.where(before_left[:, None], tip_xy, views.left_limit),
    )
    to_left = views._replace(
        side=partner[np.where(forward, next_side, last_side)],
        right=tip,
        right_xy=tip_xy,
        right_limit=np.where(past_right[:, None], tip_xy, views.right_limit),
    )
    on_right = to_right.where(np.flatnonzero(past_right & (to_right.side >= 0)))
    on_left = to_left.where(np.flatnonzero(before_left & (to_left.side >= 0)))
    parts: list[Any] = [np.concatenate(pair) for pair in zip(on_right, on_left, strict=True)]
    return lines, _Views(*parts)


def _unfold_tip(points: FloatArray, tip: IntArray, views: _Views) -> FloatArray:
    """Where the far corners of the faces behind come to lie; (view, 2), mm."""
    across = views.left_xy - views.right_xy
    width = np.linalg.norm(across, axis=1)
    across /= width[:, None]
    to_right = np.linalg.norm(points[tip] - points[views.right], axis=1)
    to_left = np.linalg.norm(points[tip] - points[views.left], axis=1)
    along = (to_right**2 + width**2 - to_left**2) / (2 * width)
    away = np.sqrt(np.maximum(to_right**2 - along**2, 0))
    outward = np.stack([across[:, 1], -across[:, 0]], axis=1)
    place: FloatArray = views.right_xy + along[:, None] * across + away[:, None] * outward
    return place


def _turn(one: FloatArray, other: FloatArray) -> FloatArray:
    """Positive where `other` lies to the left of `one`."""
    turn: FloatArray = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return turn
