"""Candidate designs of one trial: parallel, enriched by the biomarker, crossover, arms dropped at an interim look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from scipy import stats

from actionloop.errors import OptionError
from actionloop.trial.ancova import fit_linear
from actionloop.trial.estimators import Estimates, Plan, design_matrix, estimate
from actionloop.trial.observe import Trials, allocate, block, observe
from actionloop.trial.patients import Patients, Seed, Setting, draw_patients
from actionloop.types import BoolArray, FloatArray, IntArray, TrialProtocol

Kind = Literal["parallel", "enriched", "crossover", "drop"]
ANY = "any"


@dataclass(frozen=True)
class Design:
    """One way to spend the same number of people.

    Attributes
    ----------
    kind : {'parallel', 'enriched', 'crossover', 'drop'}
        'enriched' takes those with the lowest biomarker; 'crossover' gives everyone the control and one arm, in random
        order; 'drop' looks once and leaves out arms that are not ahead of the control.
    keep_share : float
        With 'enriched': share of those screened who are taken.
    arm : str
        With 'crossover': the arm set against the control; the first other arm when empty.
    washout_weeks : float
        With 'crossover'.
    interim_share : float
        With 'drop': share of the people whose last rating is known at the look; nobody is allocated meanwhile.
    futility : float
        With 'drop': an arm stays while its benefit over the control is at least so many standard errors.
    """

    kind: Kind = "parallel"
    keep_share: float = 0.5
    arm: str = ""
    washout_weeks: float = 4.0
    interim_share: float = 0.5
    futility: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise OptionError(
                f"no design is called {self.kind!r}", where="designs", fix=f"choose from {', '.join(get_args(Kind))}"
            )
        if not 0 < self.interim_share < 1:
            raise OptionError(f"expected a share between 0 and 1, found {self.interim_share}", where="interim_share")
        if not 0 < self.keep_share <= 1:
            raise OptionError(f"expected a share above 0, found {self.keep_share}", where="keep_share")
        if self.washout_weeks < 0:
            raise OptionError(f"a washout is 0 weeks or more, found {self.washout_weeks}", where="washout_weeks")

    @property
    def name(self) -> str:
        """Kind and what was chosen of it, the same for the same design."""
        chosen = {
            "parallel": "",
            "enriched": f"_{self.keep_share:g}",
            "crossover": f"_{self.washout_weeks:g}wk" + (f"_{self.arm}" if self.arm else ""),
            "drop": f"_{self.interim_share:g}_{self.futility:g}",
        }
        return f"{self.kind}{chosen[self.kind]}"

    def screened(self, n: int) -> int:
        """Return how many people are screened to take `n`."""
        return int(np.ceil(n / self.keep_share)) if self.kind == "enriched" else n

    def fit_to(self, setting: Setting) -> Setting:
        """Return the setting that this design draws its people from."""
        if self.kind == "enriched":
            return replace(setting, keep_share=self.keep_share)
        if self.kind == "crossover":
            self.compared(setting.protocol)
            return replace(setting, periods=2)
        return setting

    def compared(self, protocol: TrialProtocol) -> str:
        """Return the arm that a crossover sets against the control."""
        others = [name for name in protocol.arm_names if name != protocol.control]
        if self.arm and self.arm not in others:
            raise OptionError(f"no arm but the control is called {self.arm!r}", where="designs: crossover: arm")
        return self.arm or others[0]


def run(design: Design, setting: Setting, plan: Plan, seeds: Sequence[Seed]) -> Mapping[tuple[str, str], Estimates]:
    """Simulate and analyse one trial for each seed.

    Parameters
    ----------
    design : Design
    setting : Setting
        As the design's `fit_to` gives it.
    plan : Plan
        A crossover and arm dropping have their own analyses and take only threshold, adjustment and level from it.
    seeds : sequence of SeedSequence

    Returns
    -------
    mapping of (method, arm) to Estimates
        Where several arms are compared, the arm 'any' holds the smallest p after correction (Bonferroni, as Holm's
        first step; closed testing in 'drop'), so that its rejections are familywise.
    """
    patients = draw_patients(setting, seeds)
    if design.kind == "crossover":
        return _crossover(design, patients, plan)
    if design.kind == "drop":
        return _dropping(design, patients, plan)
    trials = observe(patients, allocate(patients, block(setting))[..., None])
    made = dict(estimate(trials, plan))
    for method in plan.methods:
        p = np.stack([one.p for (name, _), one in made.items() if name == method])
        if len(p) > 1:
            made[method, ANY] = _p_only(np.minimum(p.min(axis=0) * len(p), 1))
    return made


def _p_only(p: FloatArray) -> Estimates:
    nothing = np.full(p.shape, np.nan)
    return Estimates(nothing, nothing, nothing, p)


# --- crossover -------------------------------------------------------------------------------------------------------
def crossover_test(first: FloatArray, second: FloatArray, sequence: BoolArray, *, alpha: float = 0.05) -> Estimates:
    """Compare two treatments within people, periods taken out.

    The difference of the two periods is compared between the sequences: the mixed model with participant, period and
    treatment, for those seen in both periods.

    Parameters
    ----------
    first, second : (trial, participant) float ndarray
        Outcome at the end of each period; NaN where it is missing.
    sequence : (trial, participant) bool ndarray
        True where the arm comes first, False where the control does.
    alpha : float

    Returns
    -------
    Estimates
        Arm minus control. Carry-over that the washout leaves biases it.

    References
    ----------
    .. [1] Senn 2002, Cross-over Trials in Clinical Research, chapter 3
    """
    return _two_samples((first - second) / 2, sequence, alpha=alpha)


def _two_samples(value: FloatArray, arm: BoolArray, *, alpha: float) -> Estimates:
    """Student's test of two groups in many trials, without the missing."""
    fits = fit_linear(value, np.stack([np.ones(arm.shape), arm.astype(float)], axis=-1))
    difference, se = fits.contrast(np.array([0.0, 1.0]))
    half = stats.t.isf(alpha / 2, fits.df) * se
    p = np.asarray(2 * stats.t.sf(np.abs(difference) / se, fits.df))
    return Estimates(difference, difference - half, difference + half, p)


def crossover_trials(design: Design, patients: Patients) -> tuple[Trials, BoolArray]:
    """Return a crossover as it is seen, and who has the arm before the control, (trial, participant)."""
    protocol = patients.setting.protocol
    arm, control = (protocol.arm_names.index(name) for name in (design.compared(protocol), protocol.control))
    first = allocate(patients, [arm, control])
    given = np.stack([first, np.where(first == arm, control, arm)], axis=-1)
    return observe(patients, given, washout_weeks=design.washout_weeks), first == arm


def _crossover(design: Design, patients: Patients, plan: Plan) -> dict[tuple[str, str], Estimates]:
    trials, sequence = crossover_trials(design, patients)
    name = design.compared(patients.setting.protocol)
    last = trials.value[..., -1]
    return {
        ("paired", name): crossover_test(last[..., 0], last[..., 1], sequence, alpha=plan.alpha),
        ("period_1", name): _two_samples(last[..., 0], sequence, alpha=plan.alpha),
        ("period_2", name): _two_samples(last[..., 1], ~sequence, alpha=plan.alpha),
    }


# --- arm dropping ----------------------------------------------------------------------------------------------------
def closed_test(first: FloatArray, second: FloatArray, kept: BoolArray, *, weight: float) -> FloatArray:
    """Adjust p values of two stages for several arms and for the choice between the stages.

    Every intersection of null hypotheses is tested by Bonferroni within a stage and the weighted inverse normal
    combination over stages; an arm's p is the largest over the intersections that hold it. It keeps the familywise
    level whatever rule dropped arms, for the second stage's people are other people.

    Parameters
    ----------
    first, second : (trial, arm) float ndarray
        One-sided p values of each stage on its own.
    kept : (trial, arm) bool ndarray
        Arms that went on; `second` counts only there.
    weight : float
        Share of the information planned for the first stage.

    Returns
    -------
    (trial, arm) float ndarray
        One-sided, adjusted.

    References
    ----------
    .. [1] Bretz, Schmidli, König, Racine, Maurer 2006, doi:10.1002/bimj.200510232
    """
    n_arms = first.shape[1]
    adjusted = np.zeros(first.shape)
    for size in range(1, n_arms + 1):
        for members in combinations(range(n_arms), size):
            chosen = list(members)
            on = kept[:, chosen]
            early = np.minimum(first[:, chosen].min(axis=1) * size, 1)
            late = np.where(on, second[:, chosen], 1).min(axis=1) * on.sum(axis=1)
            late = np.where(on.any(axis=1), np.minimum(late, 1), 1)
            z = np.sqrt(weight) * _normal(early) + np.sqrt(1 - weight) * _normal(late)
            adjusted[:, chosen] = np.maximum(adjusted[:, chosen], stats.norm.sf(z)[:, None])
    return np.where(kept, adjusted, 1.0)


def _normal(p: FloatArray) -> FloatArray:
    return np.asarray(stats.norm.isf(np.clip(p, 1e-15, 1 - 1e-15)))


def _dropping(design: Design, patients: Patients, plan: Plan) -> dict[tuple[str, str], Estimates]:
    protocol, n = patients.setting.protocol, patients.setting.n
    control = protocol.arm_names.index(protocol.control)
    others = [index for index in range(len(protocol.arms)) if index != control]
    early: BoolArray = np.asarray(np.arange(n) < round(design.interim_share * n))
    planned = allocate(patients, block(patients.setting))
    shape = planned.shape
    at_look = observe(patients, planned[..., None])
    z_first, p_first, _ = _stage(at_look, plan, np.broadcast_to(early, shape))
    kept: BoolArray = np.asarray(z_first >= design.futility)
    given = _reallocated(planned, early, kept, others=others, control=control)
    trials = observe(patients, given[..., None])
    late = np.broadcast_to(~early, shape) & kept.any(axis=1, keepdims=True)
    _, p_second, _ = _stage(trials, plan, late)
    _, _, pooled = _stage(trials, plan, np.broadcast_to(early, shape) | late)
    p = np.asarray(np.minimum(2 * closed_test(p_first, p_second, kept, weight=float(early.mean())), 1))
    made = {}
    for place, index in enumerate(others):
        difference, low, high = pooled[place]
        made["ancova", protocol.arm_names[index]] = Estimates(difference, low, high, p[:, place])
    if len(others) > 1:
        made["ancova", ANY] = _p_only(p.min(axis=1))
    return made


def _stage(
    trials: Trials, plan: Plan, used: BoolArray
) -> tuple[FloatArray, FloatArray, list[tuple[FloatArray, FloatArray, FloatArray]]]:
    """ANCOVA of part of the people: benefit in standard errors, one-sided p of it, and estimates with intervals."""
    outcome = trials.value[..., 0, -1] - trials.baseline[..., 0]
    design = design_matrix(trials, plan)
    fits = fit_linear(outcome, design, used=used)
    z, p = [], []
    intervals: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for place in range(1, len(trials.patients.setting.protocol.arms)):
        difference, se = fits.contrast(np.eye(design.shape[-1])[place])
        known = (se > 0) & (fits.df > 0)
        one = np.divide(-difference, se, out=np.zeros_like(se), where=known)
        z.append(one)
        p.append(np.where(known, stats.t.sf(one, np.maximum(fits.df, 1)), 1.0))
        half = stats.t.isf(plan.alpha / 2, np.maximum(fits.df, 1)) * se
        intervals.append((difference, np.asarray(difference - half), np.asarray(difference + half)))
    return np.stack(z, axis=1), np.stack(p, axis=1), intervals


def _reallocated(planned: IntArray, early: BoolArray, kept: BoolArray, *, others: list[int], control: int) -> IntArray:
    """After the look, give those planned for a dropped arm the control and the arms that stay, in turn."""
    stays = np.ones((len(planned), planned.max() + 1), bool)
    stays[:, others] = kept
    stays[:, control] = True
    moved = ~np.take_along_axis(stays, planned, axis=1) & ~early
    turn = (moved.cumsum(axis=1) - 1) % stays.sum(axis=1, keepdims=True)
    by_turn = np.argsort(~stays, axis=1, kind="stable")
    return np.where(moved, np.take_along_axis(by_turn, turn, axis=1), planned)
