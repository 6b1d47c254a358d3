"""Pose searches as arrays, so that a finished one is kept as a step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from actionloop.pipeline.steps import Arrays
from actionloop.poses import Chance, PoseSearch, ScoredPose
from actionloop.types import HEMISPHERES

_NUMBERS = tuple(one.name for one in fields(ScoredPose) if one.name not in ("matrix", "label"))
_PLAIN = ("name", "network", "hemisphere", "coil", "n_poses", "n_solved", "numerical_error", "preview")


def search_to_arrays(search: PoseSearch) -> Arrays:
    """Return a search as arrays that `search_from_arrays` understands."""
    arrays: Arrays = {
        "text": np.array(json.dumps({name: getattr(search, name) for name in _PLAIN})),
        "aim": search.aim_ras,
        "thresholds": search.thresholds_percent,
        **_poses("ranked", search.ranked),
        **_poses("conventional", search.conventional),
        "curve_names": np.array(list(search.curves), dtype=str),
        "curves": np.stack(list(search.curves.values())),
    }
    for side in HEMISPHERES:
        arrays[f"field_{side}"] = np.asarray(search.field_v_per_m[side], dtype=np.float32)
        arrays[f"averaged_{side}"] = search.averaged[side]
    chance = search.chance
    if chance is not None:
        plain = {name: value for name, value in asdict(chance).items() if name != "shares"}
        arrays["chance"], arrays["shares"] = np.array(json.dumps(plain)), chance.shares
    return arrays


def search_from_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> PoseSearch:
    """Return the search that was kept."""
    said = json.loads(str(arrays["text"]))
    ranked = _read("ranked", arrays)
    chance = None
    if "chance" in arrays:
        known = json.loads(str(arrays["chance"]))
        low, high = known.pop("target_range_v_per_m")
        chance = Chance(
            shares=arrays["shares"],
            target_range_v_per_m=(low, high),
            **{**known, "notes": tuple(known["notes"])},
        )
    return PoseSearch(
        **said,
        aim_ras=arrays["aim"],
        best=ranked[0],
        ranked=ranked,
        conventional=_read("conventional", arrays),
        thresholds_percent=arrays["thresholds"],
        curves=dict(zip(arrays["curve_names"].tolist(), arrays["curves"], strict=True)),
        field_v_per_m={side: arrays[f"field_{side}"] for side in HEMISPHERES},
        averaged={side: arrays[f"averaged_{side}"] for side in HEMISPHERES},
        chance=chance,
    )


def _poses(name: str, poses: Sequence[ScoredPose]) -> Arrays:
    return {
        f"{name}_matrix": np.array([pose.matrix for pose in poses]).reshape(-1, 4, 4),
        f"{name}_number": np.array([[getattr(pose, n) for n in _NUMBERS] for pose in poses]).reshape(-1, len(_NUMBERS)),
        f"{name}_label": np.array([pose.label for pose in poses], dtype=str),
    }


def _read(name: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[ScoredPose, ...]:
    rows = zip(arrays[f"{name}_matrix"], arrays[f"{name}_number"], arrays[f"{name}_label"].tolist(), strict=True)
    return tuple(
        ScoredPose(matrix=matrix, label=label, **dict(zip(_NUMBERS, map(float, numbers), strict=True)))
        for matrix, numbers, label in rows
    )
