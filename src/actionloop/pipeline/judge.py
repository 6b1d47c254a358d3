"""From what was measured to amber and red, by the limits in check.toml."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from actionloop import facts
from actionloop.files import PersonFiles
from actionloop.pipeline import advice
from actionloop.pipeline.checked import Finding, PersonCheck, RunCheck


def judge_run(run: RunCheck, *, layout: str, cleaned_by: str, has_mask: bool) -> tuple[list[Finding], list[str]]:
    """Judge one denoised run by its signal.

    Parameters
    ----------
    run : RunCheck
    layout : str
    cleaned_by : str
        Whose word it is that the series is denoised, for the sentence.
    has_mask : bool
        Frames to leave out are known to `plan`.

    Returns
    -------
    findings : list of Finding
    notes : list of str
    """
    limits = facts.load("check")
    findings: list[Finding] = []
    notes: list[str] = []
    # FIX keeps the mean and filters drifts only, by design.
    by_design = layout == "hcp"
    if _above(run.mean_sd, limits["spectrum"]["mean_sd"]):
        what = f"{cleaned_by}, but its mean lies {run.mean_sd:.0f} standard deviations from 0"
        if by_design:
            notes.append(f"{run.name}: the mean was kept (FIX does so)")
        else:
            findings.append(Finding("amber", what, advice.denoising(), run.name))
    if _above(run.fast_share, limits["spectrum"]["unfiltered_share"]):
        share = f"{run.fast_share:.0%} of its variance lie above {limits['spectrum']['edge_hz']:g} Hz"
        if by_design:
            notes.append(f"{run.name} is not band-passed (FIX does not): {share}")
        else:
            findings.append(
                Finding("amber", f"{cleaned_by}, but not filtered: {share}", advice.filtering(layout), run.name)
            )
    if _above(run.motion_share, limits["motion"]["regressed_share"]):
        what = f"{cleaned_by}, but motion explains {run.motion_share:.0%} of its variance beyond chance"
        findings.append(Finding("amber", what, advice.denoising(), run.name))
    judged = next((u for u in run.usable if u.fd_mm == limits["motion"]["judged_fd_mm"]), None)
    if not has_mask and judged is not None and judged.before is not None:
        moving = 1 - judged.before / run.frames
        if moving > limits["motion"]["moving_share"]:
            what = f"{moving:.0%} of the frames moved more than {judged.fd_mm:g} mm and no mask says to leave them out"
            findings.append(Finding("amber", what, advice.censoring(layout), run.name))
    return findings, notes


def judge_minutes(person: PersonCheck) -> list[Finding]:
    """Judge how much data there is, after motion."""
    limits = facts.load("check")
    least, motion = limits["minutes"], limits["motion"]
    length = person.minutes
    if length is None or not person.runs:
        return []
    judged = person.usable_minutes(motion["judged_fd_mm"])
    strict = person.usable_minutes(motion["strict_fd_mm"])
    if judged is None or strict is None:
        found = [Finding("amber", "motion is not known: usable minutes cannot be told", advice.motion(person.layout))]
        return [*found, *_short(length, length, least, f"{length:.1f} min of scan")]
    frames = _kept(person, motion["judged_fd_mm"])
    if not any(frames):
        what = f"no frame is left below {motion['judged_fd_mm']:g} mm of {sum(run.frames for run in person.runs)}"
        return [Finding("red", what, advice.more_minutes(least["amber"], 0, length))]
    total = sum(run.frames for run in person.runs)
    words = (
        f"{judged:.1f} of {length:.1f} min ({sum(frames)} of {total} frames) are usable at FD "
        f"{motion['judged_fd_mm']:g} mm, {strict:.1f} min ({sum(_kept(person, motion['strict_fd_mm']))} frames) at "
        f"{motion['strict_fd_mm']:g} mm"
    )
    found = _short(judged, length, least, words)
    if strict < least["amber_strict"] and not any(each.light == "red" for each in found):
        what = f"{strict:.1f} min are usable at FD {motion['strict_fd_mm']:g} mm; {least['amber_strict']:g} are wanted"
        found.append(Finding("amber", what, advice.more_minutes(least["amber_strict"] - strict, strict, length)))
    return found


def _kept(person: PersonCheck, fd_mm: float) -> list[int]:
    return [next(each.after or 0 for each in run.usable if each.fd_mm == fd_mm) for run in person.runs]


def _short(usable: float, length: float, least: Mapping[str, Any], words: str) -> list[Finding]:
    if usable >= least["amber"]:
        return []
    light, wanted = ("red", "at least") if usable < least["red"] else ("amber", "better")
    limit = least["red"] if light == "red" else least["amber"]
    fix = advice.more_minutes(least["amber"] - usable, usable, length)
    return [Finding("red" if light == "red" else "amber", f"{words}; {wanted} {limit:g} are wanted", fix)]


def judge_times(runs: Sequence[tuple[RunCheck, Mapping[str, str]]]) -> list[Finding]:
    """Judge repetition times: one must be there for every run, and the same for all."""
    found = [
        Finding("red", "the repetition time (TR) is stated nowhere", "give it in seconds: --tr 0.8", run.name)
        for run, _ in runs
        if run.tr_s is None
    ]
    known = [(run, entities) for run, entities in runs if run.tr_s is not None]
    by_time: dict[float, int] = {}
    for run, _ in known:
        by_time[round(run.tr_s or 0.0, 3)] = by_time.get(round(run.tr_s or 0.0, 3), 0) + run.frames
    if len(by_time) < 2:
        return found
    most = max(by_time, key=lambda step: by_time[step] * step)
    kept = [entities for run, entities in known if round(run.tr_s or 0.0, 3) == most]
    odd = [(run, entities) for run, entities in known if round(run.tr_s or 0.0, 3) != most]
    times = " and ".join(f"{step:g} s" for step in sorted(by_time))
    for run, entities in odd:
        what = f"runs differ in repetition time ({times}), and only runs of one can be joined"
        fix = f"{advice.leave_out(entities, kept)}; or, if the time is stated wrongly: --tr {most:g}"
        found.append(Finding("red", what, fix, run.name))
    return found


def judge_dropout(person: PersonCheck) -> list[Finding]:
    """Judge the share of SCAN and AMN that has no signal."""
    limits = facts.load("check")["dropout"]
    found = []
    for name, share in person.missing.items():
        if share > limits["amber"]:
            what = f"{share:.0%} of {name} cortex have no signal"
            fix = "look at the field of view and the brain mask of the functional scan; other runs may cover it"
            found.append(Finding("red" if share > limits["red"] else "amber", what, fix))
    return found


def judge_anatomy(person: PersonFiles, layout: str) -> list[Finding]:
    """Judge surfaces and T1, without which no position in the person's head is written."""
    found = []
    state = advice.surfaces_in_words(person)
    without = "targets come without navigation files"
    if state == "none":
        found.append(Finding("amber", f"no white and pial surfaces: {without}", advice.surfaces(layout)))
    elif state == "incomplete" and person.surfaces is not None:
        kinds = [name for name in person.surfaces.missing if name.endswith(("white", "pial"))]
        what = f"surfaces are missing ({', '.join(kinds)}): {without}"
        found.append(Finding("amber", what, advice.surfaces(layout)))
    elif state == "template space":
        found.append(Finding("amber", f"the surfaces are in a template's space: {without}", advice.surfaces(layout)))
    if person.t1w is None:
        found.append(Finding("amber", f"no T1: {without}", advice.t1w(layout)))
    return found


def _above(value: float | None, limit: float) -> bool:
    return value is not None and not math.isnan(value) and value > limit
