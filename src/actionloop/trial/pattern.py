"""The signs by which a simulated trial is recognised as looking like a published one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from actionloop.trial.ancova import fit_linear
from actionloop.trial.designs import Design, crossover_test, crossover_trials
from actionloop.trial.estimators import Plan, design_matrix, estimate, plan_of, response_of
from actionloop.trial.observe import Trials, allocate, block, observe
from actionloop.trial.patients import Seed, Setting, draw_patients
from actionloop.trial.responder import responder_test
from actionloop.types import BoolArray, FloatArray

Signs = dict[str, BoolArray]


def fall_of(trials: Trials, arm: int, *, period: int = 0) -> FloatArray:
    """Mean fall of one arm as a share of its mean baseline, of those seen at the last visit, (trial,)."""
    last, start = trials.value[..., period, -1], trials.baseline[..., period]
    seen = (trials.given[..., period] == arm) & np.isfinite(last)
    start, last = np.where(seen, start, 0).sum(axis=1), np.where(seen, last, 0).sum(axis=1)
    return np.asarray(1 - last / start)


def guided_signs(published: Mapping[str, Any], setting: Setting, seeds: Sequence[Seed]) -> Signs:
    """Signs of the connectivity-guided trial: common fall, no difference, biomarker."""
    patients = draw_patients(setting, seeds)
    trials = observe(patients, allocate(patients, block(setting))[..., None])
    plan, (low, high) = plan_of(setting.protocol, ("ancova",)), published["arm_fall"]
    arms = range(len(setting.protocol.arms))
    falls = np.stack([fall_of(trials, arm) for arm in arms], axis=1)
    return {
        f"every arm falls by {100 * low:.0f} to {100 * high:.0f} %": ((falls >= low) & (falls <= high)).all(axis=1),
        "no two arms differ (ANCOVA, responders)": _no_pair_differs(trials, plan),
        "lower biomarker, more relief in the control arm": marker_slopes(trials, plan) < plan.alpha,
    }


def _no_pair_differs(trials: Trials, plan: Plan) -> BoolArray:
    protocol = trials.patients.setting.protocol
    outcome = trials.value[..., 0, -1] - trials.baseline[..., 0]
    design, response = design_matrix(trials, plan), response_of(trials, threshold=plan.threshold)
    fits, arm = fit_linear(outcome, design), trials.given[..., 0]
    order = [protocol.control, *(name for name in protocol.arm_names if name != protocol.control)]
    same = np.ones(len(trials), bool)
    for first, second in combinations(range(len(order)), 2):
        weights = np.zeros(design.shape[-1])
        weights[second] = 1.0
        weights[first] = -1.0 if first else 0.0
        difference, se = fits.contrast(weights)
        members = [arm == protocol.arm_names.index(order[place]) for place in (second, first)]
        successes = np.stack([(member * response).sum(axis=1) for member in members], axis=-1)
        _, p = responder_test(successes, np.stack([member.sum(axis=1) for member in members], axis=-1))
        same &= (2 * stats.t.sf(np.abs(difference) / se, fits.df) >= plan.alpha) & (p >= plan.alpha)
    return same


def marker_slopes(trials: Trials, plan: Plan) -> FloatArray:
    """Test in the control arm that a lower biomarker goes with more relief, baseline adjusted for.

    Parameters
    ----------
    trials : Trials
    plan : Plan

    Returns
    -------
    (trial,) float ndarray
        Two-sided p; 1 where the slope is the other way round.
    """
    setting = trials.patients.setting
    control = trials.given[..., 0] == setting.protocol.arm_names.index(setting.protocol.control)
    baseline, marker = trials.baseline[..., 0], trials.patients.marker
    design = np.stack([np.ones(baseline.shape), marker, baseline - setting.population.baseline_mean], axis=-1)
    fits = fit_linear(trials.value[..., 0, -1] - baseline, design, used=control)
    slope, se = fits.contrast(np.array([0.0, 1.0, 0.0]))
    return np.where(slope > 0, 2 * stats.t.sf(np.abs(slope) / se, fits.df), 1.0)


def parallel_signs(published: Mapping[str, Any], setting: Setting, seeds: Sequence[Seed]) -> Signs:
    """Signs of a parallel trial: which arms beat the control, and which do not."""
    patients = draw_patients(setting, seeds)
    trials = observe(patients, allocate(patients, block(setting))[..., None])
    plan = plan_of(setting.protocol, ("ancova",))
    made = estimate(trials, plan)
    signs: Signs = {}
    for name in published["differs"]:
        one = made["ancova", name]
        signs[f"{name} beats the control"] = (one.p < plan.alpha) & (one.estimate < 0)
    for name in published["same"]:
        one = made["ancova", name]
        signs[f"{name} does not"] = ~((one.p < plan.alpha) & (one.estimate < 0))
    return signs


def crossover_signs(published: Mapping[str, Any], setting: Setting, seeds: Sequence[Seed]) -> Signs:
    """Signs of a crossover: active beats sham, both falls and the responders are near what was published."""
    protocol = setting.protocol
    (name,) = published["differs"]
    design = Design("crossover", arm=name, washout_weeks=published["washout_weeks"])
    trials, sequence = crossover_trials(design, draw_patients(design.fit_to(setting), seeds))
    plan, last = plan_of(protocol, ("ancova",)), trials.value[..., -1]
    test = crossover_test(last[..., 0], last[..., 1], sequence, alpha=plan.alpha)
    falls, responders = {}, []
    for arm in (name, protocol.control):
        given = trials.given == protocol.arm_names.index(arm)
        start = np.where(given, trials.baseline, 0).sum(axis=(1, 2))
        falls[arm] = 1 - np.where(given, np.nan_to_num(last), 0).sum(axis=(1, 2)) / start
    for period in (0, 1):
        active = trials.given[..., period] == protocol.arm_names.index(name)
        responders.append((response_of(trials, threshold=plan.threshold, period=period) * active).sum(axis=1))
    share, near = sum(responders) / setting.n, published["fall_tolerance"]
    return {
        f"{name} beats {protocol.control}": (test.p < plan.alpha) & (test.estimate < 0),
        f"falls by {100 * published['active_fall']:.1f} and {100 * published['sham_fall']:.1f} %, ± {100 * near:.0f}": (
            (np.abs(falls[name] - published["active_fall"]) <= near)
            & (np.abs(falls[protocol.control] - published["sham_fall"]) <= near)
        ),
        f"{100 * published['responders']:.0f} % responders, ± {100 * published['responder_tolerance']:.0f}": np.abs(
            share - published["responders"]
        )
        <= published["responder_tolerance"],
    }


SIGNS: Mapping[str, Callable[[Mapping[str, Any], Setting, Sequence[Seed]], Signs]] = {
    "connectivity_guided": guided_signs,
    "attal2021": parallel_signs,
    "quesada2020": crossover_signs,
}
