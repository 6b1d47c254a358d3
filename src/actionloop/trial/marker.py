"""Does a biomarker, as a continuous measure, tell who gains more in one arm than in another? Exploratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop.errors import InputError
from actionloop.trial.ancova import fit_linear, outcome_at
from actionloop.trial.estimates import Effect, make_effect
from actionloop.trial.predictors import counts, make_predictors, require_rank
from actionloop.types import FloatArray, TrialData


@dataclass(frozen=True, eq=False)
class MarkerResult:
    """One contrast of slopes, and what a picture of it needs.

    Attributes
    ----------
    effect : Effect
        Slope of the change on the marker in the arm minus that in the reference, per unit of the marker.
    centre : float
        Mean of the marker, which the model subtracts.
    grid : (point,) float ndarray
        Values of the marker, from the lowest to the highest seen.
    difference, low, high : (point,) float ndarray
        Arm minus reference at each, with pointwise intervals.
    bounds : tuple of float
        Values within the grid where the interval touches 0 (Johnson & Neyman 1936).
    left_out : int
    """

    effect: Effect
    centre: float
    grid: FloatArray
    difference: FloatArray
    low: FloatArray
    high: FloatArray
    bounds: tuple[float, ...]
    left_out: int


def compare_slopes(
    data: TrialData,
    visit: str,
    *,
    marker: str,
    comparison: tuple[str, str],
    adjust: Sequence[str] = ("baseline",),
    alpha: float = 0.05,
    points: int = 101,
) -> MarkerResult:
    """Compare how the change at a visit depends on a marker between two arms.

    The marker is continuous and centred; every arm has its own slope, in one model with the baseline and strata.

    Raises
    ------
    InputError
        The marker is not there, does not vary, or an arm has too few with marker and outcome.

    References
    ----------
    .. [1] Johnson & Neyman 1936, Statistical Research Memoirs 1:57
    """
    if marker not in data.markers:
        raise InputError(f"the data have no marker {marker}", fix=f"they have {', '.join(data.markers) or 'none'}")
    predictors = make_predictors(data, adjust=adjust)
    outcome, values = outcome_at(data, visit), np.asarray(data.markers[marker], float)
    used = predictors.kept & np.isfinite(outcome) & np.isfinite(values)
    n = counts(data, used, [comparison])[0]
    centre = float(values[used].mean())
    spread = float(values[used].std())
    if spread <= 1e-12 * max(abs(centre), 1e-300):
        raise InputError(f"the marker {marker} does not vary: {centre:g} in everyone")
    scaled = (values[used] - centre) / spread
    base, arms = predictors.matrix[used], len(data.arms)
    interaction = base[:, 1:arms] * scaled[:, None]
    x = np.column_stack([base, scaled, interaction])
    names = [*predictors.names, marker, *(f"{marker} × {arm}" for arm in data.arms[1:])]
    require_rank(x, names)
    if len(x) <= x.shape[1]:
        raise InputError(f"{len(x)} participants do not suffice for {x.shape[1]} columns", fix="adjust for less")
    fits = fit_linear(outcome[used][None], x)
    arm_part = predictors.contrast(*comparison)
    slope = np.concatenate([np.zeros(base.shape[1] + 1), arm_part[1:arms]])
    level = np.concatenate([arm_part, np.zeros(arms)])
    estimate, se = (float(one[0]) / spread for one in fits.contrast(slope))
    effect = make_effect(comparison, estimate, se, measure="slope difference", df=float(fits.df[0]), n=n, alpha=alpha)
    critical = float(stats.t.ppf(1 - alpha / 2, fits.df[0]))
    at = np.linspace(scaled.min(), scaled.max(), points)
    weights = level + at[:, None] * slope
    difference = weights @ fits.beta[0]
    half = critical * np.sqrt(np.einsum("pi,ij,pj->p", weights, fits.covariance[0], weights))
    bounds = _touching(level, slope, fits.beta[0], fits.covariance[0], critical)
    inside = tuple(centre + spread * one for one in bounds if at[0] <= one <= at[-1])
    left_out = int((~used).sum())
    return MarkerResult(
        effect, centre, centre + spread * at, difference, difference - half, difference + half, inside, left_out
    )


def _touching(
    level: FloatArray, slope: FloatArray, beta: FloatArray, covariance: FloatArray, critical: float
) -> list[float]:
    """Return the marker's values where difference² = critical² × its variance."""
    a = (slope @ beta) ** 2 - critical**2 * (slope @ covariance @ slope)
    b = 2 * ((slope @ beta) * (level @ beta) - critical**2 * (level @ covariance @ slope))
    c = (level @ beta) ** 2 - critical**2 * (level @ covariance @ level)
    roots = np.roots([a, b, c])
    return sorted(float(root.real) for root in roots if abs(root.imag) < 1e-9 * (1 + abs(root.real)))
