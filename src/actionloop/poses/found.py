"""What a pose search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actionloop.types import BoolArray, FloatArray, Hemisphere


@dataclass(frozen=True, eq=False)
class ScoredPose:
    """A coil pose and the field it makes, for a current that changes by 1 A/µs.

    Attributes
    ----------
    matrix : (4, 4) float64 ndarray
        Coil axes in columns, RAS mm (x = y × z, y away from the handle, z into the head).
    lift_mm : float
        How far the coil was moved outwards from the scalp point under its middle until no part of it is in the head.
    target_v_per_m : float
        Length of the mean field over the target.
    normal_v_per_m : float
        Its component into the cortex (along the inward normal of the target's surface); negative is outwards.
    on_target : float
        Share of the stimulated cortex that lies in the target's network, 0 to 1, mean over the thresholds.
    avoided : float
        The same of networks to avoid.
    peak_v_per_m : float
        99.9th percentile of |E| over the cortex, by area.
    score : float
        What poses were ranked by: on-target less avoided share, averaged over the navigation error.
    label : str
        What it is: 'best', or of a comparison 'M1 hand knob', 'Beam F3', 'geometric'.
    """

    matrix: FloatArray
    lift_mm: float
    target_v_per_m: float
    normal_v_per_m: float
    on_target: float
    avoided: float
    peak_v_per_m: float
    score: float
    label: str = ""


@dataclass(frozen=True, eq=False)
class Chance:
    """How likely the pose stimulates its target's network, everything uncertain taken together.

    Attributes
    ----------
    on_target : float
        Share of draws in which the strongest field lies on the network, times `map_right`.
    draws : int
    shares : (draw,) float64 ndarray
        Share of the stimulated cortex in the network, in each draw.
    map_right : float
        Calibrated probability that the target is where the map has it; 1 where the map was not judged.
    alone : mapping of str to float
        Share of draws on the network with one kind of uncertainty alone: 'map', 'registration', 'placement',
        'conductivity'; those that were varied. Without `map_right`.
    target_range_v_per_m : (float, float)
        5th and 95th percentile of the field on the target, at 1 A/µs.
    standard_error : float
        Of `on_target`, from the number of draws alone; never 0 (one draw of each kind is added).
    notes : tuple of str
        What was left out, in sentences.
    """

    on_target: float
    draws: int
    shares: FloatArray
    map_right: float
    alone: Mapping[str, float]
    target_range_v_per_m: tuple[float, float]
    standard_error: float = float("nan")
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PoseSearch:
    """The best pose for one target, what else was looked at, and how sure the choice is.

    Attributes
    ----------
    name : str
        Of the target, with its side.
    network : str
    hemisphere : {'L', 'R'}
    aim_ras : (3,) float64 ndarray
        The target, mm.
    coil : str
    n_poses : int
        Scored for their mean field over the target.
    n_solved : int
        Forward solves.
    best : ScoredPose
    ranked : tuple of ScoredPose
        Poses of the second stage, best first; the first is `best`.
    conventional : tuple of ScoredPose
        The geometric pose and the poses over conventional sites of this side, scored for the same target.
    thresholds_percent : (threshold,) float64 ndarray
        Percentiles of |E| over the cortex.
    curves : mapping of str to (threshold,) float64 ndarray
        Share on target above each threshold, by the label of the pose ('best' and every conventional one).
    field_v_per_m : mapping of hemisphere to (vertex,) float32 ndarray
        |E| of the best pose on the midthickness surface, at 1 A/µs.
    averaged : mapping of hemisphere to (vertex,) bool ndarray
        Vertices of the target that the field was averaged over.
    numerical_error : float
        Relative error of the field of the best pose as found, against its own forward solve.
    chance : Chance or None
    preview : bool
        Fields are those of a sphere fitted to the scalp, not of the head: not for navigation.
    """

    name: str
    network: str
    hemisphere: Hemisphere
    aim_ras: FloatArray
    coil: str
    n_poses: int
    n_solved: int
    best: ScoredPose
    ranked: tuple[ScoredPose, ...]
    conventional: tuple[ScoredPose, ...]
    thresholds_percent: FloatArray
    curves: Mapping[str, FloatArray]
    field_v_per_m: Mapping[Hemisphere, FloatArray]
    averaged: Mapping[Hemisphere, BoolArray]
    numerical_error: float
    chance: Chance | None = None
    preview: bool = False
