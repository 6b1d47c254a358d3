"""The von Mises-Fisher distribution on the unit sphere, safe in more than a thousand dimensions.

Its density at a unit vector x is C_d(κ) exp(κ m·x), with C_d(κ) = κ^(d/2-1) / ((2π)^(d/2) I_(d/2-1)(κ)), mean
direction m and concentration κ. The Bessel function overflows or underflows long before d and κ are large, so that only
its logarithm and ratios of neighbouring orders are computed here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ive

from actionloop.types import FloatArray

# Coefficients of p, p², ... of the polynomials u_k of the uniform expansion (NIST handbook, 10.41.10).
_U = (
    np.array([0, 3, 0, -5]) / 24,
    np.array([0, 0, 81, 0, -462, 0, 385]) / 1152,
    np.array([0, 0, 0, 30375, 0, -369603, 0, 765765, 0, -425425]) / 414720,
    np.array([0, 0, 0, 0, 4465125, 0, -94121676, 0, 349922430, 0, -446185740, 0, 185910725]) / 39813120,
)
_HIGH_ORDER = 50.0  # from here on the four terms above leave less than 1e-10
_TINY = 1e-3  # below this, two terms of the power series are exact
_DEPTH = 256  # orders from which the ratio of Bessel functions is recurred down
_NEWTON_STEPS = 20
_EXACT = 1e-10  # relative step that ends them


def log_bessel(order: float, x: ArrayLike) -> FloatArray:
    """Natural logarithm of the modified Bessel function I of the first kind.

    Parameters
    ----------
    order : float
        0 or more.
    x : array_like
        0 or more.

    Returns
    -------
    float64 ndarray
        Absolute error below 1e-9 (where the value itself is below 1e6).

    References
    ----------
    .. [1] NIST Digital Library of Mathematical Functions, 10.25.2 and 10.41.3
    """
    x = np.asarray(x, dtype=np.float64)
    if order >= _HIGH_ORDER:
        return _uniform(order, x)
    small = x < _TINY
    safe = np.where(small, 1.0, x)
    with np.errstate(divide="ignore"):
        first = (order * np.log(x / 2) if order else np.zeros_like(x)) - gammaln(order + 1)
    series = first + np.log1p(x**2 / (4 * (order + 1)))
    return np.asarray(np.where(small, series, np.log(ive(order, safe)) + safe))


def _uniform(order: float, x: FloatArray) -> FloatArray:
    """Expand for a high order, uniformly in x."""
    z = x / order
    root = np.sqrt(1 + z**2)
    with np.errstate(divide="ignore"):
        exponent = order * (root + np.log(z) - np.log1p(root))
    terms = sum(np.polynomial.polynomial.polyval(1 / root, u) / order**k for k, u in enumerate(_U, start=1))
    return np.asarray(exponent - 0.5 * np.log(2 * np.pi * order * root) + np.log1p(terms))


def log_normaliser(concentration: ArrayLike, n_dimensions: int) -> FloatArray:
    """Natural logarithm of C_d(κ).

    Parameters
    ----------
    concentration : array_like
        κ, 0 or more (0 is the uniform distribution).
    n_dimensions : int
        d, of the space that the sphere lies in; 2 or more.

    Returns
    -------
    float64 ndarray
    """
    kappa = np.asarray(concentration, dtype=np.float64)
    order = n_dimensions / 2 - 1
    safe = np.where(kappa > 0, kappa, 1.0)
    log_c = order * np.log(safe) - n_dimensions / 2 * np.log(2 * np.pi) - log_bessel(order, safe)
    even = gammaln(n_dimensions / 2) - np.log(2) - n_dimensions / 2 * np.log(np.pi)
    return np.asarray(np.where(kappa > 0, log_c, even))


def mean_resultant(concentration: ArrayLike, n_dimensions: int) -> FloatArray:
    """Return the expected cosine with the mean direction, A_d(κ) = I_(d/2)(κ) / I_(d/2-1)(κ).

    The recurrence of the Bessel functions is run from high orders down, where it is stable, from a bound that is tight
    there [1]_.

    Parameters
    ----------
    concentration : array_like
        κ, 0 or more.
    n_dimensions : int
        d.

    Returns
    -------
    float64 ndarray
        0 to 1.

    References
    ----------
    .. [1] Amos 1974, doi:10.1090/S0025-5718-1974-0333287-7
    """
    kappa = np.asarray(concentration, dtype=np.float64)
    order = n_dimensions / 2 - 1
    top = order + _DEPTH
    ratio = kappa / (top + 0.5 + np.sqrt((top + 1.5) ** 2 + kappa**2))
    for step in range(_DEPTH - 1, -1, -1):
        ratio = kappa / (2 * (order + step + 1) + kappa * ratio)
    return np.asarray(ratio)


def concentration(resultant: ArrayLike, n_dimensions: int, *, most: float = 0.999) -> FloatArray:
    """Concentration whose expected cosine is given: the inverse of `mean_resultant`, by Newton's method [1]_.

    Parameters
    ----------
    resultant : array_like
        Mean cosine of unit vectors with their mean direction; above 0 (less counts as 0).
    n_dimensions : int
        d.
    most : float
        Larger cosines count as this: one vector alone would have an infinite concentration.

    Returns
    -------
    float64 ndarray
        κ.

    References
    ----------
    .. [1] Sra 2012, doi:10.1007/s00180-011-0232-x
    """
    target = np.clip(np.asarray(resultant, dtype=np.float64), 0, most)
    kappa = target * (n_dimensions - target**2) / (1 - target**2)
    for _ in range(_NEWTON_STEPS):
        cosine = mean_resultant(kappa, n_dimensions)
        safe = np.where(kappa > 0, kappa, 1.0)
        slope = 1 - cosine**2 - (n_dimensions - 1) * cosine / safe
        step = np.where(kappa > 0, (cosine - target) / np.where(slope > 0, slope, np.inf), 0)
        kappa = np.maximum(kappa - step, kappa / 2)
        if (np.abs(step) <= _EXACT * kappa).all():
            break
    return np.asarray(kappa)
