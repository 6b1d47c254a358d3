"""Two coils in one session: whether they can lie on the head at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.poses.clearance import Casing
from actionloop.poses.found import PoseSearch, ScoredPose
from actionloop.types import FloatArray

# Weight of "the shares of the corners sum to 1" beside millimetres; the distance is right to far below 0.01 mm.
_FIRMLY = 1e5


@dataclass(frozen=True, eq=False)
class SessionPlan:
    """One pose for each of two targets.

    Attributes
    ----------
    names : (str, str)
        Of the targets.
    poses : (ScoredPose, ScoredPose)
    at_once : bool
        False: no pair of poses leaves room for both coils; the best of each, one after another.
    distance_mm : float
        Between the casings of the two poses; 0 where they would meet.
    moved : tuple of str
        Targets whose pose is not its best, so that both coils have room.
    lost : float
        Score given up for it, of both together.
    words : str
        The same in one sentence.
    """

    names: tuple[str, str]
    poses: tuple[ScoredPose, ScoredPose]
    at_once: bool
    distance_mm: float
    moved: tuple[str, ...]
    lost: float
    words: str


def plan_session(
    first: PoseSearch,
    second: PoseSearch,
    casings: tuple[Casing, Casing],
    *,
    apart_mm: float | None = None,
    n_candidates: int | None = None,
) -> SessionPlan:
    """Choose one pose of each search so that two coils have room on the head at once.

    Of the best poses of each, the pair with the highest sum of scores whose casings (convex hulls) keep the distance
    wanted. Handles and cables are not part of the casing.

    Parameters
    ----------
    first, second : PoseSearch
        E.g. of a SCAN and of an AMN target of one person.
    casings : (Casing, Casing)
        Of the coil of each.
    apart_mm : float, optional
        Between the casings; data/poses.toml by default.
    n_candidates : int, optional
        Poses of each search that are looked at.

    Returns
    -------
    SessionPlan

    Raises
    ------
    EmptyRegionError
        A search without poses.
    GeometryError
        The same target twice.
    """
    own = facts.load("poses")["session"]
    apart = float(own["apart_mm"]) if apart_mm is None else apart_mm
    most = int(own["candidates"]) if n_candidates is None else n_candidates
    if not (first.ranked and second.ranked):
        raise EmptyRegionError("a session needs at least one pose for each of its two targets")
    if first.name == second.name:
        raise GeometryError(f"a session of two coils needs two targets, found {first.name} twice")
    one, other = _spread(first.ranked, most), _spread(second.ranked, most)
    corners = tuple(
        [_placed(casing, pose.matrix) for pose in poses] for casing, poses in zip(casings, (one, other), strict=True)
    )
    pairs = sorted(
        product(range(len(one)), range(len(other))), key=lambda ij: (-one[ij[0]].score - other[ij[1]].score, ij)
    )
    best = (first.ranked[0], second.ranked[0])
    names = (first.name, second.name)
    for i, j in pairs:
        if _certainly_near(corners[0][i], corners[1][j], apart):
            continue
        distance = hull_distance(corners[0][i], corners[1][j])
        if distance >= apart:
            poses = (one[i], other[j])
            moved = tuple(name for name, pose, top in zip(names, poses, best, strict=True) if pose is not top)
            lost = sum(top.score - pose.score for pose, top in zip(poses, best, strict=True))
            return SessionPlan(names, poses, True, distance, moved, lost, _tell(names, distance, moved, lost))
    distance = hull_distance(corners[0][0], corners[1][0])
    words = (
        f"The coils for {names[0]} and {names[1]} do not fit on the head at once (no pair of their best poses leaves "
        f"{apart:g} mm between the casings; the best of each are {distance:.0f} mm apart): use them one after another."
    )
    return SessionPlan(names, best, False, distance, (), 0.0, words)


def hull_distance(one_mm: FloatArray, other_mm: FloatArray) -> float:
    """Distance between the convex hulls of two sets of points.

    Parameters
    ----------
    one_mm, other_mm : (point, 3) float ndarray

    Returns
    -------
    float
        mm; 0 where they meet.

    Notes
    -----
    The nearest points are averages of the corners with shares that are not negative and sum to 1: a least-squares
    problem with such unknowns.
    """
    from scipy.optimize import nnls

    middle = one_mm.mean(axis=0)
    left, right = one_mm - middle, other_mm - middle
    scale = max(float(np.abs(left).max()), float(np.abs(right).max()), 1e-9)
    # In units of the whole size, so that the two sums weigh the same whatever the coils' size.
    system = np.zeros((5, len(left) + len(right)))
    system[:3, : len(left)], system[:3, len(left) :] = left.T / scale, -right.T / scale
    system[3, : len(left)] = system[4, len(left) :] = _FIRMLY
    shares, _ = nnls(system, np.array([0.0, 0.0, 0.0, _FIRMLY, _FIRMLY]), maxiter=100 * system.shape[1])
    nearest = shares[: len(left)] @ left / shares[: len(left)].sum()
    there = shares[len(left) :] @ right / shares[len(left) :].sum()
    distance = float(np.linalg.norm(nearest - there))
    return distance if distance > 1e-6 * scale else 0.0


def _spread(ranked: tuple[ScoredPose, ...], most: int) -> list[ScoredPose]:
    """Take the best pose and others evenly over the ranks: neighbours in rank lie side by side."""
    if len(ranked) <= most:
        return list(ranked)
    chosen = np.unique(np.round(np.linspace(0, len(ranked) - 1, most)).astype(int))
    return [ranked[i] for i in chosen]


def _placed(casing: Casing, matrix: FloatArray) -> FloatArray:
    placed: FloatArray = casing.corners_mm @ matrix[:3, :3].T + matrix[:3, 3]
    return placed


def _certainly_near(one: FloatArray, other: FloatArray, apart_mm: float) -> bool:
    """Corners that are too near tell at once that the hulls are."""
    nearest = ((one[:, None] - other[None]) ** 2).sum(axis=2).min()
    return bool(nearest < apart_mm**2)


def _tell(names: tuple[str, str], distance_mm: float, moved: tuple[str, ...], lost: float) -> str:
    words = f"Both coils fit on the head at once, {distance_mm:.0f} mm between the casings ({names[0]}, {names[1]})"
    if moved:
        words += f"; {' and '.join(moved)} moved from the best pose for it, which costs {lost:.3f} of the score"
    return words + "."
