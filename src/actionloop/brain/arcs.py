"""Lines that a tape makes on the scalp: where a plane cuts a mesh, walked from point to point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from actionloop.brain.scalp import Scalp
from actionloop.errors import GeometryError
from actionloop.types import FloatArray, IntArray

# A point farther than this from the cut is not on it: the cut misses the patch of scalp that the point lies on.
OFF_MM = 1.0


@dataclass(frozen=True, eq=False)
class Arc:
    """A line on the scalp.

    Attributes
    ----------
    points : (point, 3) float64 ndarray
        RAS mm, in order.
    closed : bool
        True where the last point is the first again.
    """

    points: FloatArray
    closed: bool = False

    @cached_property
    def along_mm(self) -> FloatArray:
        """Length of the line up to each of its points; (point,)."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length_mm(self) -> float:
        """Exact length of the line."""
        return float(self.along_mm[-1])

    def at(self, mm: float) -> FloatArray:
        """Return the point so many mm along the line; (3,). A closed line is gone round, an open one ends."""
        if not np.isfinite(mm):
            raise GeometryError("a length along the scalp is not a number")
        if self.closed:
            mm = mm % self.length_mm
        elif not -1e-6 <= mm <= self.length_mm + 1e-6:
            raise GeometryError(
                f"{mm:.0f} mm along this line of {self.length_mm:.0f} mm is beyond the scalp that was imaged",
                fix="check the measurement, or use an image that holds the whole head",
            )
        return np.array([np.interp(mm, self.along_mm, self.points[:, axis]) for axis in range(3)])

    def locate(self, xyz: FloatArray) -> tuple[float, float]:
        """Find a place on the line: mm along it, and mm beside it."""
        start, step = self.points[:-1], np.diff(self.points, axis=0)
        squared = np.maximum(np.einsum("ij,ij->i", step, step), 1e-18)
        share = np.clip(np.einsum("ij,ij->i", xyz - start, step) / squared, 0, 1)
        beside = np.linalg.norm(start + share[:, None] * step - xyz, axis=1)
        best = int(beside.argmin())
        return float(self.along_mm[best] + share[best] * np.sqrt(squared[best])), float(beside[best])

    def crossing(self, point: FloatArray, normal: FloatArray, *, ahead: FloatArray | None = None) -> float | None:
        """Find where a plane crosses the line, mm along it; None where it does not.

        Parameters
        ----------
        point, normal : (3,) float ndarray
            Of the plane.
        ahead : (3,) float ndarray, optional
            Of several crossings the one farthest in this direction is returned; without it the first.
        """
        side = (self.points - point) @ normal
        crossed = np.flatnonzero((side[:-1] >= 0) != (side[1:] >= 0))
        if not crossed.size:
            return None
        share = side[crossed] / (side[crossed] - side[crossed + 1])
        places = self.along_mm[crossed] + share * (self.along_mm[crossed + 1] - self.along_mm[crossed])
        if ahead is None:
            return float(places[0])
        found = self.points[crossed] + share[:, None] * (self.points[crossed + 1] - self.points[crossed])
        return float(places[int(np.argmax(found @ ahead))])


def cut_scalp(scalp: Scalp, point: FloatArray, normal: FloatArray) -> list[Arc]:
    """Cut the scalp with a plane.

    Parameters
    ----------
    scalp : Scalp
    point, normal : (3,) float ndarray
        Of the plane.

    Returns
    -------
    list of Arc
        Longest first; open where the scalp ends.

    Raises
    ------
    GeometryError
        A plane without direction, or one that misses the scalp.
    """
    length = float(np.linalg.norm(normal))
    if not (np.isfinite(length) and length > 0 and np.isfinite(point).all()):
        raise GeometryError("points on one line do not span a plane to measure along")
    height = (scalp.vertices - point) @ (np.asarray(normal) / length)
    above = height >= 0
    faces = scalp.faces[above[scalp.faces].any(axis=1) & ~above[scalp.faces].all(axis=1)]
    if not len(faces):
        raise GeometryError("the plane to measure along does not meet the scalp")
    pairs = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    pairs = pairs[above[pairs[:, 0]] != above[pairs[:, 1]]]  # two of each face's three, in the order of the faces
    edges, number = np.unique(pairs, axis=0, return_inverse=True)
    share = height[edges[:, 0]] / (height[edges[:, 0]] - height[edges[:, 1]])
    points = scalp.vertices[edges[:, 0]] + share[:, None] * (scalp.vertices[edges[:, 1]] - scalp.vertices[edges[:, 0]])
    arcs = [Arc(points[line], closed) for line, closed in _chains(number.reshape(-1, 2), len(edges))]
    return sorted(arcs, key=lambda arc: -arc.length_mm)


def _chains(segments: IntArray, n_points: int) -> list[tuple[IntArray, bool]]:
    """Order the points of segments (segment, 2) into lines; closed ones repeat their first point."""
    neighbours: list[list[int]] = [[] for _ in range(n_points)]
    for first, second in segments.tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    ones = np.ones(len(segments))
    graph = sparse.coo_array((ones, (segments[:, 0], segments[:, 1])), shape=(n_points, n_points))
    n_lines, line_of = connected_components(graph, directed=False)
    degree = np.array([len(each) for each in neighbours])
    # Ends come first in each line, so that an open one is walked from an end.
    order = np.lexsort((degree, line_of))
    starts = order[np.searchsorted(line_of[order], np.arange(n_lines))]
    found: list[tuple[IntArray, bool]] = []
    for start in starts.tolist():
        line, before, here = [start], -1, start
        while len(line) <= n_points:
            ahead = [one for one in neighbours[here] if one != before]
            if not ahead or ahead[0] == start:
                break
            before, here = here, ahead[0]
            line.append(here)
        closed = len(neighbours[start]) == 2 and len(line) > 2
        found.append((np.array([*line, start] if closed else line), closed))
    return found


def arc_through(scalp: Scalp, stations: Sequence[FloatArray], *, what: str) -> Arc:
    """Walk along the scalp from the first of three points over the second to the third, in their plane.

    Parameters
    ----------
    scalp : Scalp
    stations : sequence of three (3,) float ndarrays
        On the scalp, mm.
    what : str
        Name of the line, for the error.

    Returns
    -------
    Arc
        Open; from the first point to the third.

    Raises
    ------
    GeometryError
        The points lie on one line, or the scalp has an end or a hole between them.
    """
    first, over, last = (np.asarray(place, dtype=np.float64) for place in stations)
    return walk(cut_scalp(scalp, first, np.cross(over - first, last - first)), (first, over, last), what=what)


def walk(arcs: Sequence[Arc], stations: Sequence[FloatArray], *, what: str) -> Arc:
    """Take, of the lines of one cut, the piece from the first of three points over the second to the third.

    Raises
    ------
    GeometryError
        No line holds all three in this order.
    """
    first, over, last = stations
    for arc in arcs:
        (start, off), (via, off_via), (end, off_end) = (arc.locate(place) for place in (first, over, last))
        if max(off, off_via, off_end) > OFF_MM:
            continue
        span = arc.length_mm
        if arc.closed:
            forwards = (via - start) % span <= (end - start) % span
            reach = (end - start) % span if forwards else (start - end) % span
        elif min(start, end) - 1e-6 <= via <= max(start, end) + 1e-6:
            forwards, reach = end >= start, abs(end - start)
        else:
            continue
        away = (arc.along_mm[:-1] - start) if forwards else (start - arc.along_mm[:-1])
        away = away % span if arc.closed else away
        between = (away > 1e-9) & (away < reach - 1e-9)
        middle = arc.points[:-1][between][np.argsort(away[between])]
        return Arc(np.concatenate([arc.at(start)[None], middle, arc.at(end)[None]]))
    raise GeometryError(
        f"the scalp has an end, a hole or a cut on the {what}, so it cannot be measured",
        where=None,
        fix="use an image that holds the whole head with its face and ears, or give the landmarks by hand",
    )
