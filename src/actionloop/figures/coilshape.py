"""The outline of a coil, from its elements, for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.types import Coil, FloatArray, IntArray

_HANDLE_MM = 85.0  # drawn from the edge of the windings; files do not say how long handles are
_SPACING_MM = 4.0
_LEVEL_MM = 12.0  # elements within this give the outline its height
_FAINT = 0.05  # of the strongest dipole
_LEAST = 6  # elements that make an outline
# Circulations of two halves are opposite where their sum is this much smaller than their size.
_OPPOSITE = 0.3


@dataclass(frozen=True, eq=False)
class CoilShape:
    """What is drawn of a coil, in its own axes (x = y × z, y away from the handle, z into the head).

    Attributes
    ----------
    windings_mm : tuple of (point, 3) float ndarray
        Closed lines around each group of elements whose current turns the same way: two wings of a figure-of-eight,
        one of a round coil. Empty where the coil is not known.
    handle_mm : (2, 3) float ndarray
        From the middle of the coil to the end that is drawn.
    """

    windings_mm: tuple[FloatArray, ...]
    handle_mm: FloatArray


def coil_shape(coil: Coil | None) -> CoilShape:
    """Outline the windings of a coil.

    Parameters
    ----------
    coil : Coil or None
        None where only its name is known: then only the handle is drawn.

    Returns
    -------
    CoilShape
    """
    groups = [] if coil is None else _groups(coil)
    windings = tuple(_hull(group) for group in groups if len(group) >= _LEAST)
    every = np.concatenate(windings) if windings else np.zeros((1, 3))
    edge, level = float(every[:, 1].min()), float(every[:, 2].mean())
    return CoilShape(windings, np.array([[0.0, 0.0, level], [0.0, edge - _HANDLE_MM, level]]))


def moved(points_mm: FloatArray, matrix: FloatArray) -> FloatArray:
    """Carry points of the coil to the head; `matrix` has the coil's axes in columns."""
    there: FloatArray = np.asarray(points_mm) @ matrix[:3, :3].T + matrix[:3, 3]
    return there


def tube(
    path_mm: FloatArray, *, radius_mm: float, closed: bool, around: int = 10
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Surface of a tube around a line in the plane of a coil.

    Parameters
    ----------
    path_mm : (point, 3) float ndarray
        No piece of it runs along z.
    radius_mm : float
    closed : bool
        The last point is joined to the first; otherwise both ends are capped.
    around : int
        Corners of the tube's section.

    Returns
    -------
    vertices, normals : (vertex, 3) float64 ndarray
    faces : (face, 3) int64 ndarray
        Counter-clockwise seen from outside.
    """
    path = np.asarray(path_mm, dtype=np.float64)
    n = len(path)
    ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    aside = np.cross([0.0, 0.0, 1.0], ahead)
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-12)
    over = np.cross(ahead, aside)
    over /= np.maximum(np.linalg.norm(over, axis=1, keepdims=True), 1e-12)
    turn = 2 * np.pi * np.arange(around) / around
    normals = np.cos(turn)[None, :, None] * aside[:, None] + np.sin(turn)[None, :, None] * over[:, None]
    vertices = (path[:, None] + radius_mm * normals).reshape(-1, 3)
    ring = np.arange(n if closed else n - 1)[:, None] * around
    next_ring = (ring + around) % (n * around)
    corner, after = np.arange(around), (np.arange(around) + 1) % around
    first = np.stack([ring + corner, ring + after, next_ring + after], axis=-1)
    second = np.stack([ring + corner, next_ring + after, next_ring + corner], axis=-1)
    faces = np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
    outward = normals.reshape(-1, 3)
    if not closed:
        last = (n - 1) * around
        caps = [[k + 1, k, 0] for k in range(1, around - 1)]
        caps += [[last, last + k, last + k + 1] for k in range(1, around - 1)]
        faces = np.concatenate([faces, np.array(caps)])
    # Wound so that the first edge runs along the section: turned about where that looks inwards.
    one, two, three = vertices[faces].transpose(1, 0, 2)
    if float((np.cross(two, three) * one).sum()) < 0:
        faces = faces[:, ::-1].copy()
    return vertices, outward, faces


def _groups(coil: Coil) -> list[FloatArray]:
    """Elements of each half in which the current turns its own way, of both halves where it turns one way."""
    if len(coil.dipoles_mm):
        places, turn = coil.dipoles_mm, coil.moments_m2[:, 2]
        halves = [places[:, 0] >= 0, places[:, 0] < 0]
        turns = [float(turn[half].sum()) for half in halves]
        # Dipoles fitted to a measured field hold faint ones of the other sign, and beside the windings.
        strong = np.abs(turn) > _FAINT * np.abs(turn).max()
        sense = np.where(halves[0], *np.sign(turns)) if _opposite(turns) else np.sign(sum(turns))
        kept = strong & (np.sign(turn) == sense)
    else:
        places = coil.wires_mm
        halves = [places[:, 0] >= 0, places[:, 0] < 0]
        turns = [_circulation(places[half], coil.wires_m[half]) for half in halves]
        kept = np.ones(len(places), dtype=bool)
    return [places[kept & half] for half in halves] if _opposite(turns) else [places[kept]]


def _opposite(turns: Sequence[float]) -> bool:
    return abs(sum(turns)) < _OPPOSITE * sum(abs(turn) for turn in turns)


def _circulation(places: FloatArray, along: FloatArray) -> float:
    """Which way, and how much, a current turns about the middle of its own elements."""
    if not len(places):
        return 0.0
    arm = places[:, :2] - places[:, :2].mean(axis=0)
    return float((arm[:, 0] * along[:, 1] - arm[:, 1] * along[:, 0]).sum())


def _hull(points: FloatArray) -> FloatArray:
    """Draw a closed line around points as seen along z, evenly spaced, at the height of the points."""
    from scipy.spatial import ConvexHull, QhullError, cKDTree

    flat = points[:, :2]
    try:
        corners = flat[ConvexHull(flat).vertices]
    except QhullError:  # elements in one line
        low, high = flat.min(axis=0) - 1, flat.max(axis=0) + 1
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    line = _evenly(corners)
    tree = cKDTree(flat)
    near = tree.query_ball_point(line, _LEVEL_MM)
    alone = np.atleast_1d(tree.query(line)[1])
    level = [points[found, 2].mean() if found else points[one, 2] for found, one in zip(near, alone, strict=True)]
    return np.column_stack([line, level])


def _evenly(corners: FloatArray) -> FloatArray:
    """Points along a closed line of straight pieces."""
    ring = np.concatenate([corners, corners[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(12, int(length[-1] / _SPACING_MM)), endpoint=False)
    return np.stack([np.interp(at, length, ring[:, i]) for i in range(2)], axis=-1)


def outlines(shape: CoilShape, matrix: FloatArray) -> Sequence[FloatArray]:
    """Lay the closed lines of the windings on the head, the first point repeated at the end; RAS mm."""
    return [moved(np.concatenate([line, line[:1]]), matrix) for line in shape.windings_mm]
