"""What the data exclude: two one-sided tests, and posteriors under stated priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.errors import OptionError


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests against a margin.

    Attributes
    ----------
    margin : float
    p_lower, p_upper : float
        Of a difference at or below −margin, and at or above +margin.
    p : float
        The larger.
    low, high : float
        The interval at 1 − 2 alpha: inside the margins exactly where p < alpha.
    equivalent : bool
    """

    margin: float
    p_lower: float
    p_upper: float
    p: float
    low: float
    high: float
    equivalent: bool


@dataclass(frozen=True)
class Posterior:
    """A normal posterior of the difference.

    Attributes
    ----------
    prior : str
    prior_mean, prior_sd : float
    mean, sd : float
    low, high : float
        Equal-tailed credible interval.
    above_zero, within, below, above : float
        Probabilities of a difference above 0, within the margins, below −margin, above +margin.
    """

    prior: str
    prior_mean: float
    prior_sd: float
    mean: float
    sd: float
    low: float
    high: float
    above_zero: float
    within: float
    below: float
    above: float


def _require_margin(margin: float) -> None:
    if not (np.isfinite(margin) and margin > 0):
        raise OptionError(f"a margin is above 0, found {margin}", fix="give the smallest difference that matters")


def judge_equivalence(estimate: float, se: float, *, df: float, margin: float, alpha: float = 0.05) -> Equivalence:
    """Test whether a difference lies within ± margin (two one-sided tests).

    References
    ----------
    .. [1] Schuirmann 1987, doi:10.1007/BF01068419
    """
    _require_margin(margin)
    lower = float(stats.t.sf((estimate + margin) / se, df))
    upper = float(stats.t.cdf((estimate - margin) / se, df))
    half = float(stats.t.ppf(1 - alpha, df)) * se
    p = max(lower, upper)
    return Equivalence(margin, lower, upper, p, estimate - half, estimate + half, p < alpha)


def priors(margin: float, *, better: str = "lower") -> Mapping[str, tuple[float, float]]:
    """Return mean and standard deviation of each stated prior, from data/trial_analysis.toml.

    'weak' is wide; 'sceptical' is centred at no difference and gives a benefit beyond the margin its stated chance;
    'enthusiastic' is as wide, centred at a benefit of the margin.
    """
    _require_margin(margin)
    stated = facts.load("trial_analysis")["priors"]
    narrow = margin / float(stats.norm.ppf(1 - stated["sceptical_chance"]))
    sign = -1.0 if better == "lower" else 1.0
    return {
        "weak": (0.0, float(stated["weak_margins"]) * margin),
        "sceptical": (0.0, narrow),
        "enthusiastic": (sign * margin, narrow),
    }


def posterior(
    estimate: float,
    se: float,
    *,
    margin: float,
    prior: tuple[float, float],
    name: str = "given",
    alpha: float = 0.05,
) -> Posterior:
    """Return the posterior of a difference: normal prior, normal likelihood with a known standard error."""
    _require_margin(margin)
    mean, sd = prior
    weight = 1 / se**2 + 1 / sd**2
    centre, spread = (estimate / se**2 + mean / sd**2) / weight, float(np.sqrt(1 / weight))
    found = stats.norm(centre, spread)
    below, above = float(found.cdf(-margin)), float(found.sf(margin))
    low, high = (float(one) for one in found.ppf([alpha / 2, 1 - alpha / 2]))
    within = float(found.cdf(margin) - found.cdf(-margin))
    return Posterior(name, mean, sd, centre, spread, low, high, float(found.sf(0)), within, below, above)
