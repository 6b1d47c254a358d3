"""p values from nulls, and their adjustment for many tests."""

from __future__ import annotations

from typing import Literal

import numpy as np

from actionloop.errors import InputError, OptionError
from actionloop.types import FloatArray

Side = Literal["both", "positive"]

_SLACK = 1e-12
"""Values that are equal but for rounding count as reached."""


def null_p(observed: FloatArray, null: FloatArray, *, side: Side = "both") -> FloatArray:
    """How often a null reaches what was observed, the observed one counted among it.

    Parameters
    ----------
    observed : (test,) float ndarray
    null : (draw, test) float ndarray
    side : {'both', 'positive'}
        'both' compares absolute values.

    Returns
    -------
    (test,) float64 ndarray
        (1 + draws that reach it) / (1 + draws): never 0 [1]_. NaN where the observed value is NaN.

    Raises
    ------
    InputError
        Other shapes, no draws, or a null that holds NaN.
    OptionError
        No such side.

    References
    ----------
    .. [1] Phipson & Smyth 2010, doi:10.2202/1544-6115.1585
    """
    value, drawn = _sided(observed, null, side)
    return _reached(value, drawn)


def max_p(observed: FloatArray, null: FloatArray, *, side: Side = "both", balance: bool = False) -> FloatArray:
    """Compare each test with the largest of all tests in every draw, which keeps the family-wise error.

    Parameters
    ----------
    observed : (test,) float ndarray
    null : (draw, test) float ndarray
        The tests of a draw belong together.
    side : {'both', 'positive'}
    balance : bool
        Divide each test by its standard deviation (about 0) over the null and the observed value first, so that tests
        whose null is wide do not decide alone. For measures without a common scale.

    Returns
    -------
    (test,) float64 ndarray
        NaN where the observed value is NaN; such tests are left out of the maximum.

    Raises
    ------
    InputError, OptionError
        As `null_p`.

    References
    ----------
    .. [1] Nichols & Holmes 2002, doi:10.1002/hbm.1058
    """
    value, drawn = _sided(observed, null, side)
    known = np.isfinite(value)
    out = np.full(len(value), np.nan)
    if not known.any():
        return out
    value, drawn = value[known], drawn[:, known]
    if balance:
        spread = np.sqrt(((drawn**2).sum(axis=0) + value**2) / (len(drawn) + 1))
        spread[spread == 0] = 1
        value, drawn = value / spread, drawn / spread
    out[known] = _reached(value, drawn.max(axis=1, keepdims=True))
    return out


def fdr(p: FloatArray) -> FloatArray:
    """Adjust p values so that those up to q hold at most a share q of false findings.

    Parameters
    ----------
    p : (test,) float ndarray
        0 to 1; NaN for tests that were not made, which do not count.

    Returns
    -------
    (test,) float64 ndarray

    Raises
    ------
    InputError
        Values that are no probabilities.

    References
    ----------
    .. [1] Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    given = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(given))
    if given.ndim != 1 or ((given[known] < 0) | (given[known] > 1)).any():
        raise InputError("expected a list of p values between 0 and 1")
    order = known[np.argsort(given[known], kind="stable")]
    scaled = given[order] * len(order) / np.arange(1, len(order) + 1)
    out = np.full(len(given), np.nan)
    out[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return out


def _sided(observed: FloatArray, null: FloatArray, side: Side) -> tuple[FloatArray, FloatArray]:
    value, drawn = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    if side not in ("both", "positive"):
        raise OptionError(f"there is no side {side!r}", fix="choose 'both' or 'positive'")
    if value.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != len(value) or not len(drawn):
        raise InputError(f"expected draws of shape (draw, {value.size}) of a null, found {drawn.shape}")
    if np.isnan(drawn[:, ~np.isnan(value)]).any():
        raise InputError("the null holds NaN", fix="draw again what could not be measured")
    return (np.abs(value), np.abs(drawn)) if side == "both" else (value, drawn)


def _reached(value: FloatArray, drawn: FloatArray) -> FloatArray:
    limit = value - _SLACK * np.maximum(1, np.abs(value))
    p = (1 + (drawn >= limit).sum(axis=0)) / (len(drawn) + 1)
    out: FloatArray = np.where(np.isnan(value), np.nan, p)
    return out
