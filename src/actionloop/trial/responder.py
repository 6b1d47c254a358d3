"""Responders: who is one, the unadjusted tests, and the adjusted difference of proportions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats
from scipy.special import expit

from actionloop.errors import InputError
from actionloop.trial.estimates import Comparisons, Effect, make_effect
from actionloop.trial.logistic import LogisticFits, fit_firth, fit_logistic, is_separated
from actionloop.trial.power import score_statistic
from actionloop.trial.predictors import Predictors, counts, make_predictors, require_rank, visit_index
from actionloop.types import BoolArray, FloatArray, IntArray, TrialData

ROUNDING = 1e-9


@dataclass(frozen=True)
class ResponderResult:
    """Adjusted differences of proportions.

    Attributes
    ----------
    effects : tuple of Effect
        Beside each: the proportions ('proportion', 'proportion in reference'), the g-computed ones ('adjusted ...'),
        the odds ratio with its interval, and the unadjusted score test and Newcombe interval.
    method : {'maximum likelihood', 'Firth'}
    left_out : int
        Participants without the outcome or the baseline.
    """

    effects: tuple[Effect, ...]
    method: Literal["maximum likelihood", "Firth"]
    left_out: int


def responded(
    baseline: FloatArray, value: FloatArray, *, threshold: float, better: Literal["lower", "higher"] = "lower"
) -> FloatArray:
    """Return 1 for relief of at least `threshold` × baseline, 0 for less, NaN where it cannot be said.

    Parameters
    ----------
    baseline, value : float ndarray
        Shapes that broadcast. A baseline of 0 or less has no share: NaN.
    threshold : float
        .3 is 30 %; met exactly counts.
    """
    relief = (baseline - value) if better == "lower" else (value - baseline)
    known = np.isfinite(relief) & (baseline > 0)
    return np.where(known, relief >= threshold * baseline - ROUNDING, np.nan)


def responder_test(successes: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return z and two-sided p of the score test of two proportions (pooled, uncorrected), for many trials.

    Parameters
    ----------
    successes, n : (..., 2) ndarray
        Responders and participants of the arm and of its reference.

    Returns
    -------
    (...,) float ndarray, (...,) float ndarray
        z is positive where the arm has more; p is 1 where both proportions are 0 or 1.
    """
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    z = score_statistic(successes[..., 0], successes[..., 1], n[..., 0], n[..., 1])
    return z, np.asarray(2 * stats.norm.sf(np.abs(z)))


def newcombe_interval(successes: FloatArray, n: FloatArray, *, alpha: float = 0.05) -> tuple[FloatArray, FloatArray]:
    """Return Newcombe's interval of a difference of proportions, for many trials.

    Parameters
    ----------
    successes, n : (..., 2) ndarray

    References
    ----------
    .. [1] Newcombe 1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    z = stats.norm.ppf(1 - alpha / 2)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = centre - half, centre + half
    difference = share[..., 0] - share[..., 1]
    below = np.sqrt((share[..., 0] - low[..., 0]) ** 2 + (high[..., 1] - share[..., 1]) ** 2)
    above = np.sqrt((high[..., 0] - share[..., 0]) ** 2 + (share[..., 1] - low[..., 1]) ** 2)
    return difference - below, difference + above


def risk_differences(
    fits: LogisticFits, design: FloatArray, *, used: BoolArray, arm: int, reference: int, n_arms: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return g-computed differences of proportions with their standard errors, for many trials.

    Everyone is given first the one arm and then the other; the predicted probabilities are averaged over everyone
    used.

    Parameters
    ----------
    fits : LogisticFits
    design : (trial, participant, column) float ndarray
        Columns 1 to `n_arms - 1` are the arms' (the first arm has none).
    used : (trial, participant) bool ndarray
    arm, reference : int
        Indices of arms.

    Returns
    -------
    difference : (trial,) float ndarray
    se : (trial,) float ndarray
        Delta method, with the variance that comes from the participants' own covariates being a sample, times
        n / (n − columns): without it, and with normal quantiles, .06 of null trials of 90 are rejected at .05. Read it
        with t quantiles of n − columns degrees of freedom (`spare`).
    proportions : (trial, 2) float ndarray

    References
    ----------
    .. [1] Ge et al. 2011, doi:10.1177/009286151104500409; Ye et al. 2023, doi:10.1080/24754269.2023.2205802
    """
    weight = used / used.sum(axis=1, keepdims=True)
    probabilities, gradients = [], []
    for one in (arm, reference):
        given = design.copy()
        given[..., 1:n_arms] = 0
        if one:
            given[..., one] = 1
        p = expit((given @ fits.beta[..., None])[..., 0])
        probabilities.append(p)
        gradients.append(np.einsum("tn,tnk->tk", weight * p * (1 - p), given))
    proportions = np.stack([(weight * p).sum(axis=1) for p in probabilities], axis=1)
    difference = proportions[:, 0] - proportions[:, 1]
    gradient = gradients[0] - gradients[1]
    own = probabilities[0] - probabilities[1] - difference[:, None]
    variance = np.einsum("ti,tij,tj->t", gradient, fits.covariance, gradient)
    n = used.sum(axis=1)
    variance = (variance + (weight * own**2).sum(axis=1) / n) * n / spare(used, design)
    return difference, np.sqrt(variance), proportions


def spare(used: BoolArray, design: FloatArray) -> IntArray:
    """Return the degrees of freedom that the columns of a design leave, (trial,), at least 1."""
    left: IntArray = np.maximum(used.sum(axis=1) - design.shape[-1], 1)
    return left


def compare_responders(
    data: TrialData,
    response: FloatArray,
    *,
    comparisons: Comparisons,
    adjust: Sequence[str] = ("baseline",),
    alpha: float = 0.05,
) -> ResponderResult:
    """Compare proportions of responders by logistic regression and g-computation.

    Parameters
    ----------
    data : TrialData
    response : (participant,) float ndarray
        1, 0, or NaN for those to leave out.
    comparisons : sequence of (str, str)
        Arm and reference. All arms are in one model.

    Returns
    -------
    ResponderResult
        Under separation Firth's penalised likelihood stands in for maximum likelihood, and `method` says so.

    Raises
    ------
    InputError
        An empty arm, everybody or nobody a responder, or strata that cannot be told apart.
    """
    predictors = make_predictors(data, adjust=adjust)
    used = predictors.kept & np.isfinite(response)
    numbers = counts(data, used, comparisons)
    y, x = response[used], predictors.matrix[used]
    if y.min() == y.max():
        raise InputError(
            f"{'everybody' if y[0] else 'nobody'} is a responder: there is no difference to estimate",
            fix="read the unadjusted interval, or look at the threshold",
        )
    require_rank(x, predictors.names)
    fits = fit_logistic(y[None], x[None])
    firth = not fits.converged[0] and is_separated(y, x)
    if firth:
        fits = fit_firth(y, x)
    elif not fits.converged[0]:
        raise InputError("the logistic regression did not converge", fix="leave strata out of 'adjust'")
    effects = tuple(
        _effect(fits, predictors, x, y, data.arm[used], pair=pair, n=n, alpha=alpha)
        for pair, n in zip(comparisons, numbers, strict=True)
    )
    return ResponderResult(effects, "Firth" if firth else "maximum likelihood", int((~used).sum()))


def _effect(
    fits: LogisticFits,
    predictors: Predictors,
    x: FloatArray,
    y: FloatArray,
    arms: IntArray,
    *,
    pair: tuple[str, str],
    n: tuple[int, int],
    alpha: float,
) -> Effect:
    arm, reference = (predictors.arms.index(name) for name in pair)
    everyone = np.ones((1, len(y)), bool)
    difference, se, adjusted = risk_differences(
        fits, x[None], used=everyone, arm=arm, reference=reference, n_arms=len(predictors.arms)
    )
    contrast = predictors.contrast(*pair)
    log_odds, log_se = float(contrast @ fits.beta[0]), float(np.sqrt(contrast @ fits.covariance[0] @ contrast))
    z = float(stats.norm.ppf(1 - alpha / 2))
    successes, total = np.array([y[arms == arm].sum(), y[arms == reference].sum()]), np.array(n)
    _, score_p = responder_test(successes, total)
    low, high = newcombe_interval(successes, total, alpha=alpha)
    beside = {
        "responders": successes[0],
        "responders in reference": successes[1],
        "adjusted proportion": adjusted[0, 0],
        "adjusted proportion in reference": adjusted[0, 1],
        "odds ratio": np.exp(log_odds),
        "odds ratio low": np.exp(log_odds - z * log_se),
        "odds ratio high": np.exp(log_odds + z * log_se),
        "unadjusted difference": float(successes[0] / n[0] - successes[1] / n[1]),
        "unadjusted low": low,
        "unadjusted high": high,
        "unadjusted p (score test)": score_p,
    }
    return make_effect(
        pair,
        float(difference[0]),
        float(se[0]),
        measure="risk difference",
        n=n,
        alpha=alpha,
        df=float(spare(everyone, x[None])[0]),
        beside={name: float(value) for name, value in beside.items()},
    )


def respond(
    data: TrialData,
    visit: str,
    *,
    threshold: float,
    better: Literal["lower", "higher"] = "lower",
    missing: Literal["as_observed", "non_response"] = "as_observed",
) -> FloatArray:
    """Return who responded at a visit, (participant,): 1, 0, or NaN.

    Whoever had an intercurrent event that counts as non-response is 0, rated or not; with 'non_response' so is whoever
    has no rating at the visit.
    """
    index = visit_index(data, visit)
    response = responded(data.baseline, data.value[:, index], threshold=threshold, better=better)
    response = np.where(data.stopped[:, index], 0.0, response)
    return np.where(np.isnan(response), 0.0, response) if missing == "non_response" else response
