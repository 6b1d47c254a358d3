"""What the report says under 'The coil: pose, field, and chance of hitting', and the rows of the table of poses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.brain import Scalp
from actionloop.pipeline.posepictures import Posed, coiled_head, draw_poses
from actionloop.pipeline.posewords import (
    alone_words,
    better_than,
    chance_words,
    compared_words,
    current_of,
    field_words,
    limit_words,
    number,
    out_of_reach,
    percent,
    preview_words,
)
from actionloop.poses import Dose
from actionloop.poses.found import PoseSearch, ScoredPose
from actionloop.report import CoilContent, CoilTarget, Picture, Table
from actionloop.types import SIDES, Anatomy, Coil, FloatArray, NetworkMap, Target

GEOMETRIC = "geometric"
"""Label of the pose that distances and angles are measured from."""


def pose_section(  # noqa: PLR0913 - the section shows all of it
    searches: Sequence[PoseSearch],
    network_map: NetworkMap,
    anatomy: Anatomy,
    *,
    scalp: Scalp | None = None,
    targets: Sequence[Target] = (),
    coils: Sequence[Coil] = (),
    head: str = "",
    approximate: bool = False,
    didt_a_per_us: float | None = None,
    plan: Sequence[str] = (),
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> CoilContent:
    """Put together everything that the report says of coil poses.

    Parameters
    ----------
    searches : sequence of PoseSearch
        One or more a target, in the order in which they are shown; empty says that no target has a pose.
    network_map : NetworkMap
        The map of the page, on vertices; its networks are outlined.
    anatomy : Anatomy
    scalp : Scalp, optional
        In the frame of `anatomy`; without it the coil is not drawn on the head.
    targets : sequence of Target
        Those of the page, for their ranks.
    coils : sequence of Coil
        Found by `PoseSearch.coil`; of a coil that is not among them only the handle is drawn.
    head : str
        What the head model was made from.
    approximate : bool
        It is a template's head carried over.
    didt_a_per_us : float, optional
        Rate of change for which fields are stated beside 1 A/µs; by default the largest of each coil, where known.
    plan : sequence of str
        Two coils at once, in sentences.
    notes : sequence of str
        Sentences on the head model and the search.
    progress : callable
        Told the name of each picture before it is drawn.

    Returns
    -------
    CoilContent
    """
    known = {coil.name: coil for coil in coils}
    posed = [
        Posed(search, mark, index, known.get(search.coil), current_of(known.get(search.coil), didt_a_per_us))
        for index, (search, mark) in enumerate(zip(searches, _marks(searches, targets), strict=True), start=1)
    ]
    drawn = draw_poses(posed, network_map, anatomy, scalp, progress)
    warnings = [preview_words()] if any(search.preview for search in searches) else []
    if approximate and posed:
        warnings.append(
            "The head model is a template's head carried over to this person: poses and fields are approximate."
        )
    warnings += [words for words in map(out_of_reach, searches) if words]
    if posed and scalp is None:
        warnings.append("There is no scalp, so the coil is not drawn on the head.")
    told = any(one.current.didt_a_per_us is not None for one in posed)
    return CoilContent(
        facts=_facts(posed, head),
        warnings=warnings,
        overview=_overview(posed) if posed else None,
        targets=[_target(one, pictures) for one, pictures in zip(posed, drawn, strict=True)],
        plan=list(plan),
        notes=list(notes),
        limits=limit_words(searches, approximate=approximate, told=told) if posed else [],
        head=coiled_head(posed, scalp) if posed and scalp is not None else None,
    )


def pose_table(searches: Sequence[PoseSearch], doses: Mapping[str, Dose] | None = None) -> list[dict[str, Any]]:
    """Return one row for every pose that was compared, the best of each target first.

    Parameters
    ----------
    searches : sequence of PoseSearch
    doses : mapping of str to Dose, optional
        By target, where the motor hotspot is known.

    Returns
    -------
    list of dict
        Columns in order: 'target', 'side', 'network', 'coil', 'pose', 'on_target', 'avoided', 'score', 'field',
        'into_cortex', 'peak' (V/m at 1 A/µs), 'lift' (mm), 'x', 'y', 'z' (middle of the coil, RAS mm), 'shift' (mm),
        'turn', 'tilt' (degrees, all three from the geometric pose), 'numerical_error', and of the best pose alone
        'chance', 'map_right', 'draws', 'field_low', 'field_high', 'hand_ratio', 'output'; None where nothing is known.
    """
    known = {} if doses is None else doses
    return [
        _row(search, pose, known.get(search.name) if pose is search.best else None)
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


def _marks(searches: Sequence[PoseSearch], targets: Sequence[Target]) -> list[str]:
    """Name each search by the rank of its target, or by a capital; a small letter tells several of one target apart."""
    ranks = {(target.name, target.piece.hemisphere): str(target.rank) for target in targets}
    order = list(dict.fromkeys((search.name, search.hemisphere) for search in searches))
    unknown = [key for key in order if key not in ranks]
    first = {**{key: chr(ord("A") + i % 26) for i, key in enumerate(unknown)}, **ranks}
    marks, seen = [], dict.fromkeys(order, 0)
    for search in searches:
        key = (search.name, search.hemisphere)
        several = sum((one.name, one.hemisphere) == key for one in searches) > 1
        marks.append(first[key] + (chr(ord("a") + seen[key] % 26) if several else ""))
        seen[key] += 1
    return marks


def _facts(posed: Sequence[Posed], head: str) -> dict[str, str]:
    found = {"Head model": head} if head else {}
    coils = list(dict.fromkeys(one.search.coil for one in posed))
    if coils:
        found["Coil" if len(coils) == 1 else "Coils"] = ", ".join(coils)
        found["Fields are given for"] = "dI/dt of 1 A/µs"
        stated = {
            f"{one.current.didt_a_per_us:g} A/µs ({one.current.words})"
            for one in posed
            if one.current.didt_a_per_us is not None
        }
        if stated:
            found["Fields are given for"] += " and of " + ", ".join(sorted(stated))
    return found


def _overview(posed: Sequence[Posed]) -> Table:
    rows = []
    for one in posed:
        search, best = one.search, one.search.best
        better = ", ".join(f"{pose.label} ({percent(pose.on_target)})" for pose in better_than(search))
        rows.append(
            [
                f"{one.mark}. {search.name} ({SIDES[search.hemisphere]})",
                search.coil,
                percent(best.on_target),
                percent(best.avoided),
                number(best.target_v_per_m),
                None if search.chance is None else percent(search.chance.on_target),
                better or "none",
            ]
        )
    columns = ["Target", "Coil", "On target", "Avoided networks", "Field at target, V/m per A/µs", "Chance of hitting"]
    return Table(
        "Best pose for each target" + (" (preview)" if any(one.search.preview for one in posed) else ""),
        [*columns, "Other poses with more on target"],
        rows,
        "On target: share of the stimulated cortex that lies in the target's network. Chance: that the pose stimulates "
        "that network, everything uncertain taken together.",
    )


def _target(one: Posed, pictures: Sequence[Picture]) -> CoilTarget:
    search = one.search
    alone = [] if search.chance is None or not search.chance.alone else [_alone_table(search)]
    return CoilTarget(
        title=f"{one.mark}. {search.name}, {search.coil}{', preview' if search.preview else ''}",
        hemisphere=search.hemisphere,
        sentences=field_words(search, one.current),
        compared=compared_words(search),
        chance=chance_words(search),
        tables=[_compared_table(one)],
        chance_tables=alone,
        pictures=pictures,
    )


def _compared_table(one: Posed) -> Table:
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


def _alone_table(search: PoseSearch) -> Table:
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
        "output": None if dose is None else dose.output_percent,
    }
