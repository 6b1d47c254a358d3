"""Ordered ratings such as the global impression of change: proportional odds, with a Wilcoxon test beside."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from actionloop.errors import InputError
from actionloop.trial.estimates import Comparisons, Effect, library, make_effect
from actionloop.trial.predictors import counts, make_predictors, require_rank, visit_index
from actionloop.types import TrialData

STEEPEST = 25.0


@dataclass(frozen=True)
class OrdinalResult:
    """Log odds ratios of a better rating.

    Attributes
    ----------
    effects : tuple of Effect
        Above 0 where the arm's ratings are better. Beside each: the odds ratio with its interval, Wilcoxon's p, and
        the probability that someone of the arm has a better rating than someone of the reference (ties count half).
    levels : tuple of float
        Ratings that occur.
    adjusted : tuple of str
        What the model was adjusted for; the baseline is left out where the outcome has none.
    left_out : int
    """

    effects: tuple[Effect, ...]
    levels: tuple[float, ...]
    adjusted: tuple[str, ...]
    left_out: int


def compare_ordered(
    data: TrialData,
    visit: str,
    *,
    comparisons: Comparisons,
    better: Literal["lower", "higher"] = "lower",
    adjust: Sequence[str] = (),
    alpha: float = 0.05,
) -> OrdinalResult:
    """Compare ordered ratings at one visit by a proportional-odds model of all arms.

    Raises
    ------
    InputError
        One level only, an empty arm, or a model without a maximum (an arm whose ratings all lie beyond the others').
    OptionError
        statsmodels is not installed.
    """
    if not np.isfinite(data.baseline).any():
        adjust = [name for name in adjust if name != "baseline"]
    predictors = make_predictors(data, adjust=adjust)
    rating = data.value[:, visit_index(data, visit)] * (1 if better == "higher" else -1)
    used = predictors.kept & np.isfinite(rating)
    numbers = counts(data, used, comparisons)
    y, x = rating[used], predictors.matrix[used]
    levels, codes = np.unique(y, return_inverse=True)
    if len(levels) < 2:
        raise InputError(f"the outcome does not vary at {visit}: everyone's rating is {abs(levels[0]):g}")
    require_rank(x, predictors.names)
    beta, covariance = _proportional_odds(codes, x[:, 1:])
    effects, arms = [], data.arm[used]
    for pair, n in zip(comparisons, numbers, strict=True):
        contrast = predictors.contrast(*pair)[1:]
        estimate, se = float(contrast @ beta), float(np.sqrt(contrast @ covariance @ contrast))
        one, other = (y[arms == data.arms.index(name)] for name in pair)
        wilcoxon = stats.mannwhitneyu(one, other, alternative="two-sided", method="asymptotic")
        half = float(stats.norm.ppf(1 - alpha / 2)) * se
        beside = {
            "odds ratio": np.exp(estimate),
            "odds ratio low": np.exp(estimate - half),
            "odds ratio high": np.exp(estimate + half),
            "Wilcoxon p": wilcoxon.pvalue,
            "probability of a better rating": wilcoxon.statistic / (len(one) * len(other)),
        }
        told = {name: float(value) for name, value in beside.items()}
        effects.append(make_effect(pair, estimate, se, measure="log odds ratio", n=n, alpha=alpha, beside=told))
    shown = tuple(sorted(float(abs(level)) for level in levels))
    return OrdinalResult(tuple(effects), shown, tuple(adjust), int((~used).sum()))


def _proportional_odds(codes: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and their covariance of a logit model of ordered levels, without intercept column."""
    ordinal = library("statsmodels.miscmodels.ordinal_model")
    k = x.shape[1]
    beta, covariance = np.zeros(k), np.full((k, k), np.nan)
    with warnings.catch_warnings(), suppress(np.linalg.LinAlgError):
        warnings.simplefilter("ignore")
        model = ordinal.OrderedModel(codes, x, distr="logit")
        found = model.fit(method="bfgs", disp=False, maxiter=2000, gtol=1e-8)
        found = model.fit(method="newton", start_params=found.params, disp=False, maxiter=50)
        beta, covariance = np.asarray(found.params)[:k], np.asarray(found.cov_params())[:k, :k]
    if not np.isfinite(covariance).all() or np.abs(beta).max() > STEEPEST or (np.diag(covariance) <= 0).any():
        raise InputError(
            "the proportional-odds model has no maximum: ratings of some arms or strata do not overlap",
            fix="adjust for less, and read the Wilcoxon test",
        )
    return beta, covariance
