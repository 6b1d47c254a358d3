"""Rubin's rules: one estimate from many completed data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.errors import InputError
from actionloop.types import FloatArray


@dataclass(frozen=True)
class Pooled:
    """A pooled estimate.

    Attributes
    ----------
    estimate, se, df : float
    within, between : float
        Variances: mean of the completed data sets', and of their estimates.
    missing_information : float
        Share of the information that is missing, λ = (1 + 1/m) between / total.
    """

    estimate: float
    se: float
    df: float
    within: float
    between: float
    missing_information: float


def pool(estimates: FloatArray, variances: FloatArray, *, complete_df: float = np.inf) -> Pooled:
    """Pool the estimates of completed data sets.

    Parameters
    ----------
    estimates, variances : (completed,) float ndarray
        Variances are squared standard errors.
    complete_df : float
        Degrees of freedom had nothing been missing; infinite for a normal statistic.

    Returns
    -------
    Pooled
        With Barnard and Rubin's degrees of freedom, which never exceed `complete_df`.

    Raises
    ------
    InputError
        Fewer than two completed data sets, or numbers that are not finite.

    References
    ----------
    .. [1] Rubin 1987; Barnard & Rubin 1999, doi:10.1093/biomet/86.4.948
    """
    estimates, variances = np.asarray(estimates, float), np.asarray(variances, float)
    m = len(estimates)
    if m < 2 or estimates.shape != variances.shape:
        raise InputError(f"expected at least 2 completed data sets, found {m} and {len(variances)} variances")
    if not (np.isfinite(estimates).all() and np.isfinite(variances).all()):
        raise InputError("a completed data set has no finite estimate")
    within, between = float(variances.mean()), float(estimates.var(ddof=1))
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total if total > 0 else 0.0
    between_df = (m - 1) / share**2 if share > 0 else np.inf
    if np.isinf(complete_df):
        df = between_df
    else:
        observed_df = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        df = 1 / (1 / between_df + 1 / observed_df)
    return Pooled(float(estimates.mean()), float(np.sqrt(total)), float(df), within, between, share)
