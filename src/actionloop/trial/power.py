"""Power and sample size of two arms: proportions by enumeration, means by the noncentral t distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import special, stats

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.types import BoolArray, FloatArray, IntArray

_SETTINGS: dict[str, Any] = facts.load("trial_simulation")["power"]
_SLACK = 1e-9  # a statistic that equals the critical value rejects, whatever the last bit of either


def _check(alpha: float, *sizes: float) -> None:
    if not 0 < alpha < 1:
        raise OptionError(f"a level lies between 0 and 1, found {alpha}", where="alpha")
    if min(sizes) < 2:
        raise OptionError(f"an arm has at least 2 people, found {min(sizes):g}", where="n")


def _within(value: FloatArray, name: str) -> FloatArray:
    if not ((value > 0) & (value < 1)).all():
        raise OptionError(f"expected shares between 0 and 1, found {value.min():g} to {value.max():g}", where=name)
    return value


def score_statistic(successes: FloatArray, other: FloatArray, n: FloatArray, n_other: FloatArray) -> FloatArray:
    """Score statistic of two proportions: their difference over its standard error under the pooled proportion.

    Parameters
    ----------
    successes, other, n, n_other : array_like
        Responders and people of the arm and of its reference; any shapes that go together.

    Returns
    -------
    ndarray
        z, without continuity correction; 0 where everyone or nobody responded. Its square is Pearson's chi-square.
    """
    x, y, n, m = (np.asarray(one, float) for one in (successes, other, n, n_other))
    pooled = (x + y) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    safe = np.where(variance > 0, variance, 1)
    return np.asarray(np.where(variance > 0, (x / n - y / m) / np.sqrt(safe), 0.0))


def _rejects(n: int, m: int, alpha: float) -> BoolArray:
    z = score_statistic(np.arange(n + 1.0)[:, None], np.arange(m + 1.0), np.array(float(n)), np.array(float(m)))
    return np.asarray(np.abs(z) >= stats.norm.isf(alpha / 2) - _SLACK)


def power_proportions(
    share: FloatArray | float,
    reference: FloatArray | float,
    n: int,
    n_reference: int | None = None,
    *,
    alpha: float = 0.05,
) -> FloatArray:
    """Exact power of the two-sided, uncorrected score test with pooled variance.

    Both binomial distributions are enumerated: the probabilities of all pairs of counts that reject are summed.

    Parameters
    ----------
    share, reference : array_like
        True proportions of responders; any shapes that go together.
    n, n_reference : int
        People per arm; the same when only one is given.
    alpha : float
        Two-sided level.

    Returns
    -------
    ndarray
        Power; the size where both proportions are the same.

    Raises
    ------
    OptionError
        A proportion outside 0 to 1, an arm of fewer than two people.
    """
    m = n if n_reference is None else n_reference
    _check(alpha, n, m)
    p, q = np.broadcast_arrays(
        _within(np.asarray(share, float), "share"), _within(np.asarray(reference, float), "reference")
    )
    first = stats.binom.pmf(np.arange(n + 1), n, p[..., None])
    second = stats.binom.pmf(np.arange(m + 1), m, q[..., None])
    return np.asarray(((first @ _rejects(n, m, alpha)) * second).sum(axis=-1))


def power_means(
    d: FloatArray | float,
    n: FloatArray | int,
    n_reference: FloatArray | int | None = None,
    *,
    correlation: FloatArray | float = 0.0,
    alpha: float = 0.05,
    method: Literal["t", "normal"] = "t",
) -> FloatArray:
    """Power of a two-sided comparison of two means.

    Parameters
    ----------
    d : array_like
        Difference in standard deviations of the outcome at the visit compared.
    n, n_reference : array_like of int
        People per arm; the same when only one is given.
    correlation : array_like
        Of baseline with the outcome: adjustment divides the variance by 1 / (1 - r²), and takes a degree of freedom.
    alpha : float
        Two-sided level.
    method : {'t', 'normal'}
        Noncentral t, or the approximation by a normal distribution.

    Returns
    -------
    ndarray
    """
    n, m = np.asarray(n, float), np.asarray(n if n_reference is None else n_reference, float)
    r = np.asarray(correlation, float)
    _check(alpha, float(n.min()), float(m.min()))
    if (np.abs(r) >= 1).any():
        raise OptionError("a correlation lies between -1 and 1", where="correlation")
    shift = np.asarray(d, float) / np.sqrt((1 / n + 1 / m) * (1 - r**2))
    if method == "normal":
        cut = stats.norm.isf(alpha / 2)
        return np.asarray(stats.norm.sf(cut - shift) + stats.norm.cdf(-cut - shift))
    df = n + m - 2 - (r != 0)
    cut = stats.t.isf(alpha / 2, df)
    far = special.nctdtr(df, np.abs(shift), -cut)
    return np.asarray(1 - special.nctdtr(df, np.abs(shift), cut) + far)


def _bisect(rises: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray, wanted: float) -> FloatArray:
    """Where a rising function of an array passes a value, element by element."""
    low, high = np.array(low, float), np.array(high, float)
    for _ in range(60):
        middle = (low + high) / 2
        short = rises(middle) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return high


def detectable_difference(
    n: FloatArray | int,
    n_reference: FloatArray | int | None = None,
    *,
    power: float = 0.8,
    correlation: FloatArray | float = 0.0,
    alpha: float = 0.05,
) -> FloatArray:
    """Smallest difference of means, in standard deviations, that is found with a given power.

    Parameters
    ----------
    n, n_reference : array_like of int
        People per arm; the same when only one is given.
    power, correlation, alpha
        As in `power_means`.

    Returns
    -------
    ndarray
    """
    m = n if n_reference is None else n_reference
    shape = np.broadcast(np.asarray(n), np.asarray(m), np.asarray(correlation)).shape
    return _bisect(
        lambda d: power_means(d, n, m, correlation=correlation, alpha=alpha),
        np.zeros(shape),
        np.full(shape, 50.0),
        power,
    )


def detectable_share(
    reference: FloatArray | float, n: int, n_reference: int | None = None, *, power: float = 0.8, alpha: float = 0.05
) -> FloatArray:
    """Smallest proportion above a reference that the score test finds with a given exact power; NaN where none is.

    Parameters
    ----------
    reference : array_like
        Proportion of responders in the reference arm.
    n, n_reference, power, alpha
        As in `power_proportions`.

    Returns
    -------
    ndarray
    """
    q = _within(np.asarray(reference, float), "reference")
    top = np.full(q.shape, 1 - 1e-9)
    found = _bisect(lambda p: power_proportions(p, q, n, n_reference, alpha=alpha), q, top, power)
    return np.where(power_proportions(top, q, n, n_reference, alpha=alpha) >= power, found, np.nan)


def sample_size_means(
    d: FloatArray | float, *, power: float = 0.8, correlation: FloatArray | float = 0.0, alpha: float = 0.05
) -> IntArray:
    """People per arm, arms equal, that find a difference of means with a given power (noncentral t).

    Parameters
    ----------
    d : array_like
        Difference in standard deviations, not 0.
    power, correlation, alpha
        As in `power_means`.

    Returns
    -------
    int ndarray

    Raises
    ------
    OptionError
        More people would be needed than any trial has.
    """
    d, r = np.broadcast_arrays(np.abs(np.asarray(d, float)), np.asarray(correlation, float))
    most = float(_SETTINGS["most_per_arm"])
    if (power_means(d, int(most), correlation=r, alpha=alpha) < power).any():
        raise OptionError(f"{d.min():g} SD would need more than {most:,.0f} people per arm", where="d")
    found = _bisect(
        lambda n: power_means(d, n, correlation=r, alpha=alpha), np.full(d.shape, 2.0), np.full(d.shape, most), power
    )
    return np.asarray(np.ceil(found - 1e-6).astype(int))


def sample_size_proportions(share: float, reference: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """People per arm from which the exact power of the score test stays at or above what is asked.

    Exact power rises by steps and falls between them, so a smaller trial may reach it by chance; that size is not
    given.

    Parameters
    ----------
    share, reference : float
        True proportions, not equal.
    power, alpha
        As in `power_proportions`.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        The proportions are the same, or the trial would be too large to enumerate.
    """
    p, q = _within(np.array([share, reference], float), "share")
    if p == q:
        raise OptionError("equal proportions have no sample size", where="share", fix="give two that differ")
    mean = (p + q) / 2
    z, z_power = stats.norm.isf(alpha / 2), stats.norm.ppf(power)
    root = z * np.sqrt(2 * mean * (1 - mean)) + z_power * np.sqrt(p * (1 - p) + q * (1 - q))
    near = (root / (p - q)) ** 2
    if near > _SETTINGS["most_enumerated"]:
        raise OptionError(f"about {near:,.0f} people per arm: too many to enumerate", where="share")
    sizes = np.arange(max(2, int(near * 0.8) - 10), int(near * 1.2) + 20)
    reached = np.array([float(power_proportions(p, q, int(n), alpha=alpha)) >= power for n in sizes])
    return int(sizes[np.flatnonzero(~reached).max(initial=-1) + 1])
