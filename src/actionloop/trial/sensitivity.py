"""Effects pooled over completed data sets, and how far what was imputed must be shifted for the answer to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.trial.ancova import fit_linear
from actionloop.trial.estimates import Comparisons, Effect, make_effect
from actionloop.trial.imputation import Completed
from actionloop.trial.logistic import LogisticFits, fit_firth, fit_logistic
from actionloop.trial.pooling import Pooled, pool
from actionloop.trial.predictors import Predictors, counts, make_predictors, require_rank, visit_index
from actionloop.trial.responder import responded, risk_differences, spare
from actionloop.types import BoolArray, FloatArray, TrialData


@dataclass(frozen=True)
class Question:
    """What is asked of every completed data set.

    Attributes
    ----------
    visit : str
    comparisons : sequence of (str, str)
    adjust : sequence of str
    alpha : float
    threshold : float or None
        With it responders are compared, else changes from baseline.
    better : {'lower', 'higher'}
    """

    visit: str
    comparisons: Comparisons
    adjust: Sequence[str] = ("baseline",)
    alpha: float = 0.05
    threshold: float | None = None
    better: Literal["lower", "higher"] = "lower"


@dataclass(frozen=True, eq=False)
class Tipping:
    """One comparison under shifts of what was imputed after drop-out in its arm.

    Attributes
    ----------
    arm, reference : str
    deltas : (shift,) float ndarray
        Added to the rating at the visit, in units of the outcome.
    effects : tuple of Effect
        One for each shift.
    below, above : float or None
        The shifts nearest to 0, on either side, at which significance changes; None where it does not on the grid.
    """

    arm: str
    reference: str
    deltas: FloatArray
    effects: tuple[Effect, ...]
    below: float | None
    above: float | None


def compare_completed(data: TrialData, completed: Completed, question: Question) -> tuple[Effect, ...]:
    """Return the effects of a question, pooled over completed data sets by Rubin's rules.

    Raises
    ------
    InputError
        An empty arm, or columns that cannot be told apart.
    """
    index = visit_index(data, question.visit)
    return _compare(data, completed.value[:, :, index], completed.kept, question, question.comparisons)


def tip(
    data: TrialData, completed: Completed, question: Question, *, deltas: FloatArray | None = None, span: float = 10.0
) -> tuple[Tipping, ...]:
    """Shift what was imputed after drop-out, in the arm of each comparison, over a grid.

    Parameters
    ----------
    data : TrialData
    completed : Completed
        Imputed at random.
    question : Question
    deltas : (shift,) float ndarray, optional
        By default even steps either way, as in data/trial_analysis.toml.
    span : float
        Range of the outcome, which the default steps are shares of.
    """
    if deltas is None:
        stated = facts.load("trial_analysis")["tipping"]
        deltas = span * float(stated["span"]) * np.linspace(-1, 1, int(stated["steps"]))
    grid = np.sort(np.unique(np.append(deltas, 0.0)))
    index = visit_index(data, question.visit)
    found = []
    for pair in question.comparisons:
        shifted = completed.dropped[:, index] & (data.arm == data.arms.index(pair[0]))
        effects = tuple(
            _compare(data, completed.value[:, :, index] + delta * shifted, completed.kept, question, [pair])[0]
            for delta in grid
        )
        significant = np.array([one.p < question.alpha for one in effects])
        other = grid[significant != significant[grid == 0][0]]
        below, above = other[other < 0], other[other > 0]
        found.append(
            Tipping(
                *pair,
                grid,
                effects,
                float(below.max()) if len(below) else None,
                float(above.min()) if len(above) else None,
            )
        )
    return tuple(found)


def _compare(
    data: TrialData, value: FloatArray, kept: BoolArray, question: Question, comparisons: Comparisons
) -> tuple[Effect, ...]:
    predictors = make_predictors(data, adjust=question.adjust)
    used = kept & predictors.kept & np.isfinite(value).all(axis=0)
    numbers = counts(data, used, comparisons)
    require_rank(predictors.matrix[used], predictors.names)
    compare = _compare_changes if question.threshold is None else _compare_shares
    pooled = compare(data, value, used, predictors, question, comparisons)
    return tuple(
        make_effect(
            pair,
            one.estimate,
            one.se,
            measure="difference in change" if question.threshold is None else "risk difference",
            df=one.df,
            n=n,
            alpha=question.alpha,
            beside={"missing information": one.missing_information},
        )
        for pair, one, n in zip(comparisons, pooled, numbers, strict=True)
    )


def _compare_changes(
    data: TrialData,
    value: FloatArray,
    used: BoolArray,
    predictors: Predictors,
    question: Question,
    comparisons: Comparisons,
) -> list[Pooled]:
    baseline = data.baseline[used] if np.isfinite(data.baseline).any() else 0.0
    fits = fit_linear(value[:, used] - baseline, predictors.matrix[used])
    found = []
    for pair in comparisons:
        estimate, se = fits.contrast(predictors.contrast(*pair))
        found.append(pool(estimate, se**2, complete_df=float(fits.df[0])))
    return found


def _compare_shares(
    data: TrialData,
    value: FloatArray,
    used: BoolArray,
    predictors: Predictors,
    question: Question,
    comparisons: Comparisons,
) -> list[Pooled]:
    threshold = float(question.threshold or 0.0)
    used = used & (data.baseline > 0)
    stopped = data.stopped[used, visit_index(data, question.visit)]
    response = responded(data.baseline[used], value[:, used], threshold=threshold, better=question.better)
    response = np.where(stopped, 0.0, response)
    x = np.broadcast_to(predictors.matrix[used], (*response.shape, predictors.matrix.shape[1]))
    fits = fit_logistic(response, x)
    for failed in np.flatnonzero(~fits.converged):
        penalised = fit_firth(response[failed], x[failed])
        fits.beta[failed], fits.covariance[failed] = penalised.beta[0], penalised.covariance[0]
    fits = LogisticFits(fits.beta, fits.covariance, np.ones(len(response), bool))
    everyone = np.ones(response.shape, bool)
    found = []
    for arm, reference in comparisons:
        difference, se, _ = risk_differences(
            fits,
            x,
            used=everyone,
            arm=data.arms.index(arm),
            reference=data.arms.index(reference),
            n_arms=len(data.arms),
        )
        found.append(pool(difference, se**2, complete_df=float(spare(everyone, x)[0])))
    return found
