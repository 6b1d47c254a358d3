"""A person's motor hotspot: where it lies on the cortex, how far from the map's hand area, and the field there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import Geodesic, Scalp, vertex_areas
from actionloop.errors import GeometryError, OptionError
from actionloop.poses.around import fields_around
from actionloop.poses.clearance import lift_needed
from actionloop.poses.cortex import CortexHead
from actionloop.poses.grid import lift_out
from actionloop.poses.settings import SearchSettings
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Hemisphere

_STEP_MM = 0.5
# Distances up to here are exact; beyond, they are a few per cent off.
_EXACT_MM = 40.0


@dataclass(frozen=True, eq=False)
class Hotspot:
    """The place that moves the hand, on the cortex.

    Attributes
    ----------
    given_ras : (3,) float64 ndarray
        As it was given, mm.
    kind : {'scalp', 'cortex'}
        What it lay nearest to.
    away_mm : float
        From that.
    hemisphere : {'L', 'R'}
    vertex : int
        Mesh vertex of the cortex there: under a place of the scalp along its inward normal, else the nearest one.
    xyz_ras : (3,) float64 ndarray
        On the midthickness, mm.
    """

    given_ras: FloatArray
    kind: Literal["scalp", "cortex"]
    away_mm: float
    hemisphere: Hemisphere
    vertex: int
    xyz_ras: FloatArray


@dataclass(frozen=True)
class HandDistance:
    """How far the nearest vertex of the map's hand network is.

    Attributes
    ----------
    straight_mm : float
    hemisphere : {'L', 'R'}
        Where that vertex lies.
    along_mm : float
        Along the cortex of the hotspot's hemisphere; infinite where that has no hand network.
    """

    straight_mm: float
    hemisphere: Hemisphere
    along_mm: float

    @property
    def near(self) -> bool:
        """True where the hotspot lies in the hand network or next to it."""
        return self.along_mm <= float(facts.load("poses")["hotspot"]["near_mm"])


@dataclass(frozen=True, eq=False)
class HandField:
    """The field at the hand of the coil flat over the hotspot, at 1 A/µs.

    Attributes
    ----------
    matrix : (4, 4) float64 ndarray
        Pose of the coil, lifted off the head.
    lift_mm : float
    hand_v_per_m : float
        Length of the mean field over the hand's cortex, as fields at targets are given.
    mean_v_per_m : float
        Mean of its length; never less.
    n_vertices : int
        Averaged over.
    around : mapping of str to float
        |E| by other choices of the cortex that counts (`fields_around`), V/m.
    """

    matrix: FloatArray
    lift_mm: float
    hand_v_per_m: float
    mean_v_per_m: float
    n_vertices: int
    around: Mapping[str, float] = field(default_factory=dict)


def place_hotspot(
    xyz_ras: FloatArray, anatomy: Anatomy, scalp: Scalp | None, cortex: Mapping[Hemisphere, BoolArray]
) -> Hotspot:
    """Find the cortex that a hotspot stands for.

    Parameters
    ----------
    xyz_ras : (3,) float ndarray
        On scalp or cortex, or the middle of the coil, mm in the frame of the surfaces.
    anatomy : Anatomy
    scalp : Scalp or None
        Without it the place counts as one of the cortex.
    cortex : mapping of hemisphere to (vertex,) bool ndarray
        Vertices of the cortex.

    Returns
    -------
    Hotspot

    Raises
    ------
    OptionError
        Not finite, far from the head, or over no cortex.
    """
    limits = facts.load("poses")["hotspot"]
    place = np.asarray(xyz_ras, dtype=np.float64)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise OptionError("the motor hotspot is not three finite numbers (RAS mm)", where="--motor-hotspot")
    numbers = {side: np.flatnonzero(cortex[side]) for side in HEMISPHERES}
    tree = cKDTree(np.concatenate([anatomy.surface(side).vertices[numbers[side]] for side in HEMISPHERES]))
    apart, at = tree.query(place[None])
    kind: Literal["scalp", "cortex"] = "cortex"
    away = float(np.asarray(apart)[0])
    row: int | None = int(np.asarray(at)[0])
    if scalp is not None:
        point, outward, to_scalp = scalp.nearest(place)
        if to_scalp < away:
            kind, away, row = "scalp", to_scalp, _under(tree, point, outward)
    if not away <= limits["farthest_mm"]:
        nearest = "the cortex" if scalp is None else "scalp and cortex"
        raise OptionError(
            f"the motor hotspot {_mm(place)} is {away:.0f} mm from {nearest}",
            where="--motor-hotspot",
            fix=f"give RAS mm in the frame {anatomy.frame!r}: a place over the hand, or the middle of the coil",
        )
    if row is None:
        raise OptionError(
            f"no cortex lies within {limits['deepest_mm']:g} mm under the motor hotspot {_mm(place)}",
            where="--motor-hotspot",
            fix=f"give RAS mm in the frame {anatomy.frame!r}: a place over the hand, or the middle of the coil",
        )
    side: Hemisphere = "L" if row < len(numbers["L"]) else "R"
    vertex = int(numbers[side][row - (0 if side == "L" else len(numbers["L"]))])
    return Hotspot(place, kind, away, side, vertex, anatomy.surface(side).vertices[vertex])


def hand_distance(hotspot: Hotspot, anatomy: Anatomy, hand: Mapping[Hemisphere, BoolArray]) -> HandDistance | None:
    """Measure how far the hand network of a map lies from a hotspot.

    Parameters
    ----------
    hotspot : Hotspot
    anatomy : Anatomy
    hand : mapping of hemisphere to (vertex,) bool ndarray
        Members of the network.

    Returns
    -------
    HandDistance or None
        None where the map has no such vertex.
    """
    straight = {
        side: float(np.linalg.norm(anatomy.surface(side).vertices[hand[side]] - hotspot.xyz_ras, axis=1).min())
        for side in HEMISPHERES
        if hand[side].any()
    }
    if not straight:
        return None
    side = min(straight, key=lambda one: straight[one])
    own, along = hand[hotspot.hemisphere], np.inf
    if own.any():
        paths = Geodesic(anatomy.surface(hotspot.hemisphere))
        along = float(paths.near(hotspot.vertex, _EXACT_MM)[own].min())
        if not np.isfinite(along):
            along = float(paths.from_vertices(hotspot.vertex)[own].min())
    return HandDistance(straight[side], side, along)


def hand_field(head: CortexHead, hotspot: Hotspot, matrix: FloatArray, *, settings: SearchSettings) -> HandField:
    """Compute the field at the hand of one pose, which is solved forward unless it was before.

    Parameters
    ----------
    head : CortexHead
    hotspot : Hotspot
    matrix : (4, 4) float ndarray
        Pose of the coil flat on the scalp; lifted off the head like every other pose.
    settings : SearchSettings

    Returns
    -------
    HandField

    Raises
    ------
    GeometryError
        No cortex near grey matter of the head model at the hotspot.
    """
    needed = lift_needed(head.casing, matrix[None], head.scalp.vertices, gap_mm=settings.gap_mm)
    lift = np.maximum(needed, 0.0)
    pose = lift_out(np.asarray(matrix, dtype=np.float64)[None], lift)[0]
    surface = head.anatomy.surface(hotspot.hemisphere)
    within = Geodesic(surface).within(hotspot.vertex, float(facts.load("poses")["hotspot"]["radius_mm"]))
    vertices = np.intersect1d(within, head.vertices[hotspot.hemisphere])
    if not vertices.size:
        raise GeometryError(
            f"the cortex at the motor hotspot {_mm(hotspot.given_ras)} is far from grey matter of the head model",
            fix="check that the hotspot and the head model are of one head and frame",
        )
    number = head.solved.find(pose)
    if number is None:
        number = int(head.solved.solve(pose[None], tolerance=settings.solve_tolerance)[0])
    everywhere = head.solved.fields(np.array([number]))[0].astype(np.float64)
    over = everywhere[head.rows(hotspot.hemisphere, vertices)]
    length = head.spread(np.linalg.norm(everywhere, axis=1))[hotspot.hemisphere]
    area = vertex_areas(surface)[vertices]
    return HandField(
        matrix=pose,
        lift_mm=float(lift[0]),
        hand_v_per_m=float(np.linalg.norm(np.average(over, axis=0, weights=area))),
        mean_v_per_m=float(np.average(np.linalg.norm(over, axis=1), weights=area)),
        n_vertices=len(vertices),
        around=fields_around(length, surface, hotspot.vertex),
    )


def _under(tree: cKDTree, point: FloatArray, outward: FloatArray) -> int | None:
    """Return the vertex that the inward normal of the scalp comes to first; None where there is none."""
    limits = facts.load("poses")["hotspot"]
    depth_mm = np.arange(0.0, limits["deepest_mm"] + _STEP_MM / 2, _STEP_MM)
    apart, rows = tree.query(point - depth_mm[:, None] * outward)
    beside: FloatArray = np.asarray(apart)
    reached = np.flatnonzero(beside <= limits["beside_mm"])
    if not reached.size:
        return None
    at = int(reached[0])
    while at + 1 < len(beside) and beside[at + 1] < beside[at]:
        at += 1
    return int(np.asarray(rows)[at])


def _mm(xyz: FloatArray) -> str:
    return "(" + ", ".join(f"{value:+.1f}" for value in xyz) + ") mm"
