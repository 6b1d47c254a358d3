"""Analysis of covariance of many trials at once, and of one trial at one visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.estimates import Comparisons, Effect, make_effect
from actionloop.trial.predictors import counts, make_predictors, require_rank, visit_index
from actionloop.types import BoolArray, FloatArray, TrialData


@dataclass(frozen=True, eq=False)
class LinearFits:
    """Least-squares fits.

    Attributes
    ----------
    beta : (trial, column) float ndarray
    covariance : (trial, column, column) float ndarray
    df : (trial,) float ndarray
        Of the residuals.
    """

    beta: FloatArray
    covariance: FloatArray
    df: FloatArray

    def contrast(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return estimate and standard error of a combination of columns, each (trial,)."""
        variance = np.einsum("i,tij,j->t", weights, self.covariance, weights)
        return self.beta @ weights, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True)
class AncovaResult:
    """Adjusted differences at one visit; `left_out` counts participants without outcome or baseline."""

    effects: tuple[Effect, ...]
    left_out: int


def fit_linear(outcome: FloatArray, design: FloatArray, *, used: BoolArray | None = None) -> LinearFits:
    """Fit ordinary least squares, one model for each trial.

    Parameters
    ----------
    outcome : (trial, participant) float ndarray
        NaN where it is missing: left out.
    design : (trial, participant, column) or (participant, column) float ndarray
    used : (trial, participant) bool ndarray, optional
        Who counts besides having the outcome.

    Returns
    -------
    LinearFits
        Columns that cannot be told apart share their effect (smallest norm) and cost one degree of freedom less.
    """
    known = np.isfinite(outcome) if used is None else np.isfinite(outcome) & used
    x = np.where(known[..., None], np.broadcast_to(design, (*outcome.shape, design.shape[-1])), 0.0)
    y = np.where(known, outcome, 0.0)
    xt = np.swapaxes(x, -1, -2)
    gram = xt @ x
    inverse = np.linalg.pinv(gram, hermitian=True)
    beta = (inverse @ (xt @ y[..., None]))[..., 0]
    residual = y - (x @ beta[..., None])[..., 0]
    df = known.sum(axis=1) - np.linalg.matrix_rank(gram, hermitian=True)
    variance = np.divide((residual**2).sum(axis=1), df, out=np.full(len(y), np.nan), where=df > 0)
    return LinearFits(beta, inverse * variance[:, None, None], df.astype(float))


def outcome_at(data: TrialData, visit: str) -> FloatArray:
    """Return the change from baseline at a visit, (participant,); the rating itself where nobody has a baseline."""
    index = visit_index(data, visit)
    return data.change[:, index] if np.isfinite(data.baseline).any() else data.value[:, index]


def ancova(
    data: TrialData,
    visit: str,
    *,
    comparisons: Comparisons,
    adjust: Sequence[str] = ("baseline",),
    alpha: float = 0.05,
) -> AncovaResult:
    """Compare the change from baseline at one visit, adjusted for baseline and strata.

    Parameters
    ----------
    data : TrialData
    visit : str
    comparisons : sequence of (str, str)
        Arm and reference. All arms are in one model, with one residual variance.
    adjust : sequence of str

    Raises
    ------
    InputError
        An empty arm, an outcome that does not vary, or strata that cannot be told apart.
    """
    predictors = make_predictors(data, adjust=adjust)
    outcome = outcome_at(data, visit)
    used = predictors.kept & np.isfinite(outcome)
    numbers = counts(data, used, comparisons)
    y, x = outcome[used], predictors.matrix[used]
    if np.ptp(y) == 0:
        raise InputError(f"the outcome does not vary at {visit}: everyone's change is {y[0]:g}")
    require_rank(x, predictors.names)
    if len(y) <= x.shape[1]:
        raise InputError(f"{len(y)} participants do not suffice for {x.shape[1]} columns", fix="adjust for less")
    fits = fit_linear(y[None], x)
    effects = []
    for pair, n in zip(comparisons, numbers, strict=True):
        estimate, se = fits.contrast(predictors.contrast(*pair))
        effects.append(
            make_effect(
                pair,
                float(estimate[0]),
                float(se[0]),
                measure="difference in change",
                df=float(fits.df[0]),
                n=n,
                alpha=alpha,
            )
        )
    return AncovaResult(tuple(effects), int((~used).sum()))
