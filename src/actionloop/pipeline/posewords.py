"""Sentences on coil poses: what a pose does, how it stands beside others, how sure it is, and what nobody knows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.poses.found import Chance, PoseSearch, ScoredPose
from actionloop.types import Coil, FloatArray

UNCERTAINTIES = {
    "map": "where the network lies",
    "registration": "registration",
    "placement": "placement of the coil",
    "conductivity": "conductivities",
}
_BELOW_MM = 20.0  # where under the coil the direction of its field is told
_CLEAR = 0.4  # of the longest around it, along the handle
_TOLD = 0.35  # component of a direction that is worth a word


@dataclass(frozen=True)
class Current:
    """The rate of change for which fields are stated beside 1 A/µs.

    Attributes
    ----------
    didt_a_per_us : float or None
    words : str
        What it is, e.g. 'the largest of Cool-B65 by its file'.
    away_from_handle : bool or None
        Which way the field points under the middle of the coil while the current rises; None where it is neither.
    """

    didt_a_per_us: float | None = None
    words: str = ""
    away_from_handle: bool | None = None


def current_of(coil: Coil | None, didt_a_per_us: float | None) -> Current:
    """Find the rate of change to state, and the direction of the field that a rising current makes.

    Parameters
    ----------
    coil : Coil or None
    didt_a_per_us : float or None
        Asked for; else the coil's largest, where its file says it.

    Returns
    -------
    Current
    """
    away = None if coil is None else _away_from_handle(coil)
    if didt_a_per_us is not None:
        return Current(float(didt_a_per_us), "as asked for", away)
    if coil is None or coil.didt_max_a_per_us is None:
        return Current(away_from_handle=away)
    return Current(float(coil.didt_max_a_per_us), f"the largest of {coil.name} by its file", away)


def _away_from_handle(coil: Coil) -> bool | None:
    """Tell the sign along y of the field in free space, −dA/dt, under the middle."""
    from actionloop.field.primary import primary_field

    # Under the middle, and around it: a round coil has its field there, and none in the middle.
    beside = _BELOW_MM * np.array([[0, 0, 1], [2, 0, 1], [-2, 0, 1], [0, 2, 1], [0, -2, 1]], dtype=float)
    field = -primary_field(coil, np.eye(4), beside, method="direct")
    along = float(field[0, 1])
    if not abs(along) > _CLEAR * float(np.linalg.norm(field, axis=1).max()):
        return None
    return along > 0


def preview_words() -> str:
    """Say that fields are those of a sphere, what that costs, and what they must not be used for."""
    known = facts.load("poses")["preview"]
    low, high = (100 * share for share in known["off_field"])
    return (
        "Preview: the head is taken as a sphere fitted to the scalp over each target. A sphere has no radial field; "
        f"|E| is off by {low:.0f} to {high:.0f} % and by orientation by up to {100 * known['off_orientation']:.0f} %, "
        "measured elsewhere, not in this head. Not for navigation: exported poses stay geometric."
    )


def out_of_reach(search: PoseSearch) -> str:
    """Say that no pose reaches a target; empty where one does."""
    best, chance, limits = search.best, search.chance, facts.load("poses")["reach"]
    likely = math.nan if chance is None else chance.on_target
    if not (best.on_target < limits["least_share"] or likely < limits["least_chance"]):
        return ""
    judged = "" if chance is None else f", chance of hitting {percent(likely)}"
    return (
        f"Out of reach: no pose of {search.coil} brings the field to {search.name} (at best "
        f"{percent(best.on_target)} of the stimulated cortex lies in {search.network}{judged}). Crowns beside it get "
        "more field than the target does. Choose another target."
    )


def field_words(search: PoseSearch, current: Current) -> list[str]:
    """Say what the best pose does, where it is, and which way the current and the handle go."""
    best = search.best
    low, high = _ends(search.thresholds_percent)
    made = "computed" if search.preview else "solved"
    solved = f"{search.n_poses:,} poses were scored, {search.n_solved:,} of them {made} on the whole cortex."
    share = (
        f"With the best, {percent(best.on_target)} of the stimulated cortex lies in {search.network} and "
        f"{percent(best.avoided)} in networks to avoid (mean over thresholds at the {low} to {high} percentile of |E|)."
    )
    didt = current.didt_a_per_us
    stated = "" if didt is None else f" ({number(best.target_v_per_m * didt, 0)} V/m at {didt:g} A/µs, {current.words})"
    if math.isfinite(best.normal_v_per_m):
        way = "into" if best.normal_v_per_m >= 0 else "out of"
        part = f"; of it, {number(abs(best.normal_v_per_m))} points {way} the cortex"
    else:
        part = ""
    field = (
        f"Mean field over the target: {number(best.target_v_per_m)} V/m per A/µs{stated}{part}. Peak over the cortex "
        f"(99.9th percentile): {number(best.peak_v_per_m)} V/m per A/µs."
    )
    x, y, z = (number(float(value), 0) for value in best.matrix[:3, 3])
    place = (
        f"The middle of the coil lies at x, y, z = {x}, {y}, {z} mm, {number(best.lift_mm, 1)} mm off the scalp so "
        f"that no part of it is in the head; the handle points {_direction(-best.matrix[:3, 1])}."
    )
    said = [f"{solved} {share}", field, place, _current_words(current)]
    short = "Preview, not for navigation: these are fields in a sphere fitted to the scalp."
    return [short, *said] if search.preview else said


def _current_words(current: Current) -> str:
    sign = {
        True: "under the middle of the coil the induced field then points away from the handle",
        False: "under the middle of the coil the induced field then points towards the handle",
        None: "the file's own sign decides which way the induced field points",
    }[current.away_from_handle]
    return (
        f"All of this is for a current that rises at 1 A/µs in the direction that the coil calls positive: {sign}. "
        "A current that falls, or runs the other way, turns the field round: shares and lengths stay, and what "
        "pointed into the cortex points out of it."
    )


def compared_words(search: PoseSearch) -> list[str]:
    """Say in which respect the geometric and the conventional poses do better than the best one, whether they do."""
    best, others = search.best, search.conventional
    if not others:
        return ["No geometric or conventional pose was scored beside it."]
    words = []
    shares = [one for one in others if one.on_target > best.on_target]
    for one in sorted(shares, key=lambda pose: -pose.on_target):
        words.append(
            f"More on target: {one.label}, {percent(one.on_target)} of the stimulated cortex against "
            f"{percent(best.on_target)} (networks to avoid {percent(one.avoided)} against {percent(best.avoided)})."
        )
    if not shares:
        names = ", ".join(f"{one.label} {percent(one.on_target)}" for one in others)
        words.append(f"No other pose has more on target than {percent(best.on_target)}: {names}.")
    fields = [one for one in others if one.target_v_per_m > best.target_v_per_m]
    for one in sorted(fields, key=lambda pose: -pose.target_v_per_m):
        words.append(
            f"Stronger at the target: {one.label}, {number(one.target_v_per_m)} against "
            f"{number(best.target_v_per_m)} V/m per A/µs."
        )
    if not fields:
        words.append(f"No other pose makes a stronger field at the target than {number(best.target_v_per_m)} V/m.")
    scores = [one for one in others if one.score > best.score]
    if scores:
        names = ", ".join(f"{one.label} ({number(one.score)})" for one in scores)
        words.append(f"Ranked higher by score than the best pose ({number(best.score)}): {names}. Look at it again.")
    return words


def chance_words(search: PoseSearch) -> list[str]:
    """Say how likely the pose hits its network."""
    chance = search.chance
    if chance is None:
        return ["How likely this pose hits was not worked out."]
    known = chance.map_right > 0
    hits = chance.on_target / chance.map_right if known else math.nan
    drawn = (
        f"In {percent(hits)} of {chance.draws:,} draws, which vary {_listed(alone_words(chance))}, "
        f"the strongest field lies on {search.network}."
    )
    if chance.map_right >= 1:
        judged = (
            "How likely the map is right was not judged and is taken as certain here, so this is the chance of the "
            "coil alone, and too high."
        )
    else:
        judged = (
            f"The calibrated probability that the target is where the map has it is {number(chance.map_right)}; both "
            f"together give {percent(chance.on_target)}."
        )
    if math.isfinite(chance.standard_error):
        judged += f" The number of draws alone leaves ± {100 * chance.standard_error:.1f} percentage points."
    low, high = chance.target_range_v_per_m
    spread = f"The field at the target lies between {number(low)} and {number(high)} V/m per A/µs in nine draws of ten."
    words = [
        f"Chance of hitting {search.network}: {percent(chance.on_target)}. {drawn} {judged}",
        spread,
        *chance.notes,
    ]
    if search.preview:
        words.insert(0, "Preview, by the field in a sphere: what that is off by is not in the chance.")
    return words


def alone_words(chance: Chance) -> dict[str, float]:
    """Share of draws that hit with one uncertainty alone, by its name for reading."""
    return {UNCERTAINTIES.get(name, name): float(value) for name, value in chance.alone.items()}


def _listed(names: Iterable[str]) -> str:
    told = list(names) or ["all uncertain things"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def limit_words(searches: Sequence[PoseSearch], *, approximate: bool, told: bool) -> list[str]:
    """Say what the numbers do not.

    Parameters
    ----------
    searches : sequence of PoseSearch
    approximate : bool
        The head is a template's.
    told : bool
        A rate of change beside 1 A/µs was stated.
    """
    preview = any(search.preview for search in searches)
    errors = [f"{search.name} {_error(search.numerical_error)}" for search in searches if not search.preview]
    words = [
        "Research use only. A pose is a proposal to be tested, not a treatment decision.",
        "It is not known what field these networks need. V/m are stated so that poses can be compared; no dose follows "
        "from them.",
        "“Stimulated” means above a percentile of |E| in this head, not above a threshold of neurons.",
        "dI/dt is the rate of change of the current in the coil, not per cent of a stimulator's output; "
        + ("fields grow in proportion to it." if told else "multiply by the one that is used."),
        "The geometric pose and the poses over conventional sites may be better than the best one here; they are "
        "shown either way. Nothing here shows that this choice of pose helps people more.",
        "Conductivities do not enter: the field in a sphere does not depend on them."
        if preview
        else "Conductivities are averages from the literature, the same in every direction.",
    ]
    if preview:
        words[1:1] = [preview_words()]
        words.append("Numerical error: not known; how far a sphere is from this head was not computed.")
    if errors:
        words.append(
            f"Numerical error: the field of the best pose as found differs from its own full solution by "
            f"{'; '.join(errors)}. What both leave out, the steps of the voxels and the outlines of the tissues, comes "
            "on top."
        )
    if approximate:
        words.append(
            "The head model is a template's head carried over to this person: thickness of skull and fluid, the scalp, "
            "and so the field and the distance of the coil are an average head's."
        )
    words.append("The handle is drawn with a length of its own; its direction is that of the pose.")
    return words


def _error(value: float) -> str:
    if not math.isfinite(value):
        return "not known"
    return f"{100 * value:.1f} %" if value >= 0.0005 else "less than 0.1 %"


def _ends(thresholds_percent: FloatArray) -> tuple[str, str]:
    if not len(thresholds_percent):
        return "–", "–"
    return f"{thresholds_percent.min():g}th", f"{thresholds_percent.max():g}th"


def _direction(vector: FloatArray) -> str:
    """Name a direction by its parts, the largest first: 'back, left and down'."""
    names = (("left", "right"), ("back", "forwards"), ("down", "up"))
    order = np.argsort(-np.abs(vector))
    return _listed(names[axis][int(vector[axis] > 0)] for axis in order if abs(vector[axis]) > _TOLD)


def number(value: float, digits: int = 2) -> str:
    """Write a number with a real minus; a dash where it is not known."""
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def percent(share: float) -> str:
    """Write a share, 0 to 1, in per cent; a dash where it is not known."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"


def better_than(search: PoseSearch) -> list[ScoredPose]:
    """Poses beside the best one that have more on target."""
    return [one for one in search.conventional if one.on_target > search.best.on_target]
