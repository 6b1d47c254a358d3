"""The analyses of a batch of simulated trials: estimate, interval and p of each comparison in every trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import stats

from actionloop.errors import ActionloopError, OptionError
from actionloop.trial.ancova import fit_linear
from actionloop.trial.logistic import fit_logistic
from actionloop.trial.mmrm import MmrmFit, fit_many
from actionloop.trial.observe import Trials
from actionloop.trial.responder import newcombe_interval, responded, responder_test, risk_differences, spare
from actionloop.types import BoolArray, FloatArray, TrialProtocol

Method = Literal["responder", "responder_adjusted", "ancova", "mmrm"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, eq=False)
class Estimates:
    """One comparison in many trials; arrays of (trial,), NaN where a trial gave none.

    Attributes
    ----------
    estimate, low, high, p : (trial,) float ndarray
        Differences arm minus control, of the rating in points or of the share of responders; two-sided p.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray


@dataclass(frozen=True)
class Plan:
    """How a batch is analysed.

    Attributes
    ----------
    methods : tuple of str
        'responder' (score test, Newcombe's interval), 'responder_adjusted' (logistic, g-computed), 'ancova', 'mmrm'.
    threshold : float
        Relief that counts as a response; leaving and rescue count as none.
    baseline, strata : bool
        Whether models adjust for them.
    alpha : float
        Two-sided; intervals cover 1 − alpha. No correction for several comparisons.
    """

    methods: tuple[Method, ...] = METHODS
    threshold: float = 0.3
    baseline: bool = True
    strata: bool = True
    alpha: float = 0.05

    def __post_init__(self) -> None:
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown or not self.methods:
            raise OptionError(
                f"no analysis to simulate is called {', '.join(unknown) or 'nothing'}",
                where="methods",
                fix=f"choose from {', '.join(METHODS)}",
            )


def plan_of(protocol: TrialProtocol, methods: Sequence[Method] = METHODS) -> Plan:
    """Return how a protocol's trial is analysed: its threshold, its level, its adjustment.

    Parameters
    ----------
    protocol : TrialProtocol
    methods : sequence of str
    """
    thresholds = [one.threshold for one in protocol.analyses if one.threshold is not None]
    adjusted = {name for one in protocol.analyses if one.kind in ("responder", "ancova", "mmrm") for name in one.adjust}
    return Plan(
        tuple(methods),
        threshold=thresholds[0] if thresholds else 0.3,
        baseline="baseline" in adjusted,
        strata=bool(adjusted - {"baseline"}),
        alpha=protocol.alpha,
    )


def response_of(trials: Trials, *, threshold: float, period: int = 0) -> FloatArray:
    """Return who responded at the last visit of a period, (trial, participant): 1, or 0 also for those who left."""
    seen = responded(trials.baseline[..., period], trials.value[..., period, -1], threshold=threshold)
    return np.where(trials.stopped[..., period, -1], 0.0, np.nan_to_num(seen))


def design_matrix(trials: Trials, plan: Plan, *, used: BoolArray | None = None) -> FloatArray:
    """Return intercept, arms without the control, baseline and strata, (trial, participant, column).

    Parameters
    ----------
    trials : Trials
    plan : Plan
    used : (trial, participant) bool ndarray, optional
        Over whom the baseline is centred.
    """
    setting = trials.patients.setting
    arm = trials.given[..., 0]
    columns = [np.ones(arm.shape), *((arm == one) for one in _others(setting.protocol))]
    if plan.baseline:
        baseline = trials.baseline[..., 0]
        weight = np.ones(arm.shape) if used is None else used.astype(float)
        columns.append(baseline - ((weight * baseline).sum(axis=1) / weight.sum(axis=1))[:, None])
    if plan.strata:
        for index, (_, levels) in enumerate(setting.factors):
            columns += [trials.patients.factors[..., index] == level for level in range(1, len(levels))]
    return np.stack(columns, axis=-1).astype(float)


def _others(protocol: TrialProtocol) -> list[int]:
    return [index for index, name in enumerate(protocol.arm_names) if name != protocol.control]


def estimate(trials: Trials, plan: Plan, *, used: BoolArray | None = None) -> Mapping[tuple[str, str], Estimates]:
    """Analyse every trial of a batch, arm by arm against the control, at the last visit of the first period.

    Parameters
    ----------
    trials : Trials
    plan : Plan
    used : (trial, participant) bool ndarray, optional
        Who counts; everyone by default. Not with 'mmrm'.

    Returns
    -------
    mapping of (method, arm) to Estimates
    """
    made: dict[tuple[str, str], Estimates] = {}
    for method in plan.methods:
        made.update(_BY_METHOD[method](trials, plan, used))
    return made


def _score_tests(trials: Trials, plan: Plan, used: BoolArray | None) -> dict[tuple[str, str], Estimates]:
    protocol = trials.patients.setting.protocol
    response = response_of(trials, threshold=plan.threshold)
    counted = np.ones(response.shape, bool) if used is None else used
    arm, control = trials.given[..., 0], protocol.arm_names.index(protocol.control)
    made = {}
    for index in _others(protocol):
        member = np.stack([counted & (arm == one) for one in (index, control)], axis=-1)
        n = member.sum(axis=1)
        successes = (member * response[..., None]).sum(axis=1)
        safe = np.maximum(n, 1)
        _, p = responder_test(successes, safe)
        low, high = newcombe_interval(successes, safe, alpha=plan.alpha)
        share = successes / safe
        made["responder", protocol.arm_names[index]] = _known(
            Estimates(share[:, 0] - share[:, 1], low, high, p), (n > 0).all(axis=1)
        )
    return made


def _known(one: Estimates, known: BoolArray) -> Estimates:
    return Estimates(*(np.where(known, array, np.nan) for array in (one.estimate, one.low, one.high, one.p)))


def _g_computed(trials: Trials, plan: Plan, used: BoolArray | None) -> dict[tuple[str, str], Estimates]:
    protocol = trials.patients.setting.protocol
    response = response_of(trials, threshold=plan.threshold)
    counted = np.ones(response.shape, bool) if used is None else used
    design = design_matrix(trials, plan, used=counted)
    fits = fit_logistic(response, design, used=counted)
    made, n_arms = {}, len(protocol.arms)
    for place, index in enumerate(_others(protocol), start=1):
        difference, se, _ = risk_differences(fits, design, used=counted, arm=place, reference=0, n_arms=n_arms)
        df = spare(counted, design)
        half = stats.t.isf(plan.alpha / 2, df) * se
        p = np.asarray(2 * stats.t.sf(np.abs(np.divide(difference, se, out=np.zeros_like(se), where=se > 0)), df))
        one = Estimates(difference, difference - half, difference + half, p)
        made["responder_adjusted", protocol.arm_names[index]] = _known(one, fits.converged)
    return made


def _ancova(trials: Trials, plan: Plan, used: BoolArray | None) -> dict[tuple[str, str], Estimates]:
    protocol = trials.patients.setting.protocol
    outcome = trials.value[..., 0, -1] - trials.baseline[..., 0]
    design = design_matrix(trials, plan)
    fits = fit_linear(outcome, design, used=used)
    made = {}
    for place, index in enumerate(_others(protocol), start=1):
        difference, se = fits.contrast(np.eye(design.shape[-1])[place])
        half = stats.t.isf(plan.alpha / 2, fits.df) * se
        p = np.asarray(2 * stats.t.sf(np.abs(difference) / se, fits.df))
        made["ancova", protocol.arm_names[index]] = Estimates(difference, difference - half, difference + half, p)
    return made


def _mmrm(trials: Trials, plan: Plan, used: BoolArray | None) -> dict[tuple[str, str], Estimates]:
    if used is not None:
        raise OptionError("repeated measures of part of a simulated trial are not offered", where="methods")
    setting = trials.patients.setting
    factors = tuple(name for name, _ in setting.factors) if plan.strata else ()
    adjust = (*(("baseline",) if plan.baseline else ()), *factors)
    fits = fit_many((trials.one(index) for index in range(len(trials))), adjust=adjust)
    names = [setting.protocol.arm_names[index] for index in _others(setting.protocol)]
    rows = np.full((len(names), len(trials), 4), np.nan)
    for index, fit in enumerate(fits):
        if isinstance(fit, MmrmFit):
            rows[:, index] = [_mmrm_row(fit, name, setting.protocol.control, plan.alpha) for name in names]
    return {("mmrm", name): Estimates(*rows[place].T) for place, name in enumerate(names)}


def _mmrm_row(fit: MmrmFit, arm: str, control: str, alpha: float) -> tuple[float, ...]:
    try:
        one = fit.difference(arm, control, fit.visits[-1], level=1 - alpha)
    except ActionloopError:
        return (np.nan,) * 4
    return one.estimate, one.low, one.high, one.p


_BY_METHOD = {"responder": _score_tests, "responder_adjusted": _g_computed, "ancova": _ancova, "mmrm": _mmrm}
