"""Tables of coil poses: those of the report, and the rows of the table of poses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.pipeline.posepictures import Posed
from actionloop.pipeline.posewords import alone_words, number, percent
from actionloop.poses import Dose
from actionloop.poses.found import PoseSearch, ScoredPose
from actionloop.report import Table
from actionloop.types import SIDES, FloatArray

_USABLE = ("x", "y", "z", "hand_ratio", "hand_ratio_low", "hand_ratio_high", "output")
GEOMETRIC = "geometric"
"""Label of the pose that distances and angles are measured from."""


def pose_table(
    searches: Sequence[PoseSearch],
    doses: Mapping[str, Dose] | None = None,
    *,
    withheld: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return one row for every pose that was compared, the best of each target first.

    Parameters
    ----------
    searches : sequence of PoseSearch
    doses : mapping of str to Dose, optional
        By target, where the motor hotspot is known.
    withheld : mapping of str to str, optional
        By target, why nobody is to use its pose: its rows say so, and hold neither place nor output.

    Returns
    -------
    list of dict
        Columns in order: 'target', 'side', 'network', 'coil', 'pose', 'on_target', 'avoided', 'score', 'field',
        'into_cortex', 'peak' (V/m at 1 A/µs), 'lift' (mm), 'x', 'y', 'z' (middle of the coil, RAS mm), 'shift' (mm),
        'turn', 'tilt' (degrees, all three from the geometric pose), 'numerical_error', and of the best pose alone
        'chance', 'map_right', 'draws', 'field_low', 'field_high', 'hand_ratio', 'hand_ratio_low',
        'hand_ratio_high', 'output'; of all 'withheld'; None where nothing is known.
    """
    known, kept_back = {} if doses is None else doses, {} if withheld is None else withheld
    return [
        _withhold(_row(search, pose, known.get(search.name) if pose is search.best else None), kept_back)
        for search in searches
        for pose in (search.best, *search.conventional)
    ]


def pose_shift(matrix: FloatArray, reference: FloatArray) -> tuple[float, float, float]:
    """Tell how far a pose lies from another one.

    Parameters
    ----------
    matrix, reference : (4, 4) float ndarray
        Coil axes in columns, RAS mm.

    Returns
    -------
    distance_mm : float
        Between the middles of the coil.
    turn_deg : float
        Between the handles once the coil's axes are brought together by the shortest turn, 0 to 180.
    tilt_deg : float
        Between the axes into the head, 0 to 180.
    """
    distance_mm = float(np.linalg.norm(matrix[:3, 3] - reference[:3, 3]))
    into, into_other = matrix[:3, 2], reference[:3, 2]
    across = np.cross(into, into_other)
    cosine = float(np.clip(into @ into_other, -1, 1))
    along = matrix[:3, 1]
    if cosine > -1 + 1e-9:  # opposite axes have no shortest turn
        along = along * cosine + np.cross(across, along) + across * (across @ along) / (1 + cosine)
    turn = math.atan2(float(np.linalg.norm(np.cross(along, reference[:3, 1]))), float(along @ reference[:3, 1]))
    tilt = math.atan2(float(np.linalg.norm(across)), cosine)
    return distance_mm, math.degrees(turn), math.degrees(tilt)


def compared_table(one: Posed) -> Table:
    """Compare the best pose of a target with the conventional ones."""
    search, didt = one.search, one.current.didt_a_per_us
    stated = [] if didt is None else [f"Field at {didt:g} A/µs, V/m"]
    rows = []
    for pose in (search.best, *search.conventional):
        shift = _from_geometric(search, pose)
        distance, turn, tilt = (None, None, None) if shift is None else shift
        rows.append(
            [
                pose.label or "best",
                percent(pose.on_target),
                percent(pose.avoided),
                number(pose.target_v_per_m),
                *([] if didt is None else [number(pose.target_v_per_m * didt, 0)]),
                number(pose.normal_v_per_m),
                number(pose.peak_v_per_m),
                number(pose.score),
                number(pose.lift_mm, 1),
                None if distance is None else number(distance, 0),
                None if turn is None else f"{number(turn, 0)}°",
                None if tilt is None else f"{number(tilt, 0)}°",
            ]
        )
    return Table(
        f"Poses for {search.name}, all scored for this target; fields in V/m per A/µs",
        [
            *("Pose", "On target", "Avoided", "Field at target", *stated, "Into the cortex", "Peak", "Score"),
            *("Lift, mm", "Shift, mm", "Turn", "Tilt"),
        ],
        rows,
        "Into the cortex: component along the inward normal; negative is outwards. Peak: 99.9th percentile. Score: "
        "what poses were ranked by, on-target less avoided share, averaged over the error of navigation. Lift: off the "
        "scalp under the middle of the coil. Shift, turn of the handle and tilt: from the geometric pose. A "
        "figure-of-eight turned by 180° makes the same field the other way round.",
    )


def alone_table(search: PoseSearch) -> Table:
    """Say how often a pose hits with one uncertainty at a time."""
    chance = search.chance
    rows = [] if chance is None else [[name, percent(value)] for name, value in alone_words(chance).items()]
    return Table(
        f"Each uncertainty by itself, {search.name}",
        ["Uncertain", "Share of draws that hit"],
        rows,
        "All others are held at their best guess; the lower the share, the more that one matters.",
    )


def _from_geometric(search: PoseSearch, pose: ScoredPose) -> tuple[float, float, float] | None:
    found = next((one for one in search.conventional if one.label == GEOMETRIC), None)
    return None if found is None else pose_shift(pose.matrix, found.matrix)


def _row(search: PoseSearch, pose: ScoredPose, dose: Dose | None) -> dict[str, Any]:
    distance_mm, turn_deg, tilt_deg = _from_geometric(search, pose) or (None, None, None)
    chance = search.chance if pose is search.best else None
    low, high = (None, None) if chance is None else chance.target_range_v_per_m
    x, y, z = (float(value) for value in pose.matrix[:3, 3])
    return {
        "target": search.name,
        "side": SIDES[search.hemisphere],
        "network": search.network,
        "coil": search.coil,
        "pose": pose.label or "best",
        "on_target": pose.on_target,
        "avoided": pose.avoided,
        "score": pose.score,
        "field": pose.target_v_per_m,
        "into_cortex": pose.normal_v_per_m,
        "peak": pose.peak_v_per_m,
        "lift": pose.lift_mm,
        "x": x,
        "y": y,
        "z": z,
        "shift": distance_mm,
        "turn": turn_deg,
        "tilt": tilt_deg,
        "numerical_error": search.numerical_error if pose is search.best else None,
        "chance": None if chance is None else chance.on_target,
        "map_right": None if chance is None else chance.map_right,
        "draws": None if chance is None else chance.draws,
        "field_low": low,
        "field_high": high,
        "hand_ratio": None if dose is None else dose.ratio,
        "hand_ratio_low": None if dose is None else dose.ratio_range[0],
        "hand_ratio_high": None if dose is None else dose.ratio_range[1],
        "output": None if dose is None else dose.output_percent,
    }


def _withhold(row: dict[str, Any], withheld: Mapping[str, str]) -> dict[str, Any]:
    """Take out of the row of a target that is withheld what a coil could be laid by."""
    reason = withheld.get(row["target"])
    return {**row, **(dict.fromkeys(_USABLE) if reason else {}), "withheld": reason}
