"""A look before the end that keeps the blind: pooled variance, pooled event rate, sample size; arms are unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.trial.power import sample_size_means, sample_size_proportions
from actionloop.types import FloatArray

LEAST = 10
MARGIN = 0.005


@dataclass(frozen=True)
class BlindedLook:
    """What a blinded look found and what follows for the size of the trial.

    Attributes
    ----------
    n : int
        Participants with the outcome.
    pooled : float
        Standard deviation, or share of responders, over everybody.
    low, high : float
        Its interval.
    per_arm : int
        Participants with the outcome that each arm then needs, within the stated limits.
    unlimited : int
        The same without limits.
    """

    n: int
    pooled: float
    low: float
    high: float
    per_arm: int
    unlimited: int


def look_at_variance(
    values: FloatArray,
    *,
    difference: float,
    planned_per_arm: int,
    alpha: float = 0.05,
    power: float | None = None,
) -> BlindedLook:
    """Re-estimate the sample size from the standard deviation over all participants, arms unknown.

    Parameters
    ----------
    values : (participant,) float ndarray
        Changes from baseline of everybody together, NaN where missing. The one-sample standard deviation contains the
        difference between arms, if any, so the size errs on the large side.
    difference : float
        The difference that the protocol plans for.
    planned_per_arm : int
        The size is never reduced below it, nor raised beyond the stated multiple.

    References
    ----------
    .. [1] Kieser & Friede 2003, doi:10.1002/sim.1585
    """
    known = _known(values)
    if difference == 0:
        raise OptionError("the planned difference is above or below 0, found 0")
    n = len(known)
    sd = float(known.std(ddof=1))
    low, high = (sd * float(np.sqrt((n - 1) / stats.chi2.ppf(q, n - 1))) for q in (1 - alpha / 2, alpha / 2))
    if sd == 0:
        raise InputError("everybody's value is the same: there is no variance to look at")
    per_arm = int(sample_size_means(difference / sd, power=_power(power), alpha=alpha))
    return BlindedLook(n, sd, low, high, _limited(per_arm, planned_per_arm), per_arm)


def look_at_events(
    responses: FloatArray,
    *,
    difference: float,
    planned_per_arm: int,
    alpha: float = 0.05,
    power: float | None = None,
) -> BlindedLook:
    """Re-estimate the sample size from the share of responders over all participants, arms unknown.

    Parameters
    ----------
    responses : (participant,) float ndarray
        1, 0 or NaN.
    difference : float
        Difference of proportions that the protocol plans for; it is laid around the pooled share.

    References
    ----------
    .. [1] Gould 1992, doi:10.1002/sim.4780110106
    """
    known = _known(responses)
    if not 0 < abs(difference) < 1 - 2 * MARGIN:
        raise OptionError(f"a difference of proportions lies between 0 and 1, found {difference}")
    if not np.isin(known, (0, 1)).all():
        raise InputError("responses are 1, 0 or missing")
    n, share = len(known), float(known.mean())
    z = float(stats.norm.ppf(1 - alpha / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    reach = abs(difference) / 2 + MARGIN
    inner = min(max(share, reach), 1 - reach)
    one, other = inner + difference / 2, inner - difference / 2
    per_arm = sample_size_proportions(one, other, power=_power(power), alpha=alpha)
    return BlindedLook(n, share, centre - half, centre + half, _limited(per_arm, planned_per_arm), per_arm)


def _known(values: FloatArray) -> FloatArray:
    known: FloatArray = np.asarray(values, float)
    if known.ndim != 1:
        raise InputError(f"a blinded look takes one list of everybody's values, found shape {known.shape}")
    known = np.asarray(known[np.isfinite(known)])
    if len(known) < LEAST:
        raise InputError(f"a look needs {LEAST} participants with the outcome, found {len(known)}", fix="wait for more")
    return known


def _power(given: float | None) -> float:
    wanted = float(facts.load("trial_analysis")["interim"]["power"]) if given is None else given
    if not 0 < wanted < 1:
        raise OptionError(f"power lies between 0 and 1, found {wanted}")
    return wanted


def _limited(per_arm: int, planned: int) -> int:
    if planned < 2:
        raise OptionError(f"an arm has at least 2 people, found {planned} planned", where="planned_per_arm")
    most = int(planned * float(facts.load("trial_analysis")["interim"]["most"]))
    return min(max(per_arm, planned), most)
