"""The design matrix that arms are compared with: intercept, arms, baseline, strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.estimates import Comparisons
from actionloop.types import BoolArray, FloatArray, TrialData


@dataclass(frozen=True, eq=False)
class Predictors:
    """A design matrix.

    Attributes
    ----------
    matrix : (participant, column) float ndarray
        Intercept, one column for every arm but the control, then the baseline (centred) and the strata's levels; 0
        where a participant is not `kept`.
    names : tuple of str
    kept : (participant,) bool ndarray
        False where the baseline is wanted and missing.
    arms : tuple of str
        Columns 1 to `len(arms) - 1` are these arms without the first.
    """

    matrix: FloatArray
    names: tuple[str, ...]
    kept: BoolArray
    arms: tuple[str, ...]

    def contrast(self, arm: str, reference: str) -> FloatArray:
        """Return the weights of the columns that give one arm minus another, (column,)."""
        weights = np.zeros(len(self.names))
        for name, sign in ((arm, 1.0), (reference, -1.0)):
            if name not in self.arms:
                raise InputError(f"no arm is called {name}", fix=f"choose from {', '.join(self.arms)}")
            index = self.arms.index(name)
            if index:
                weights[index] += sign
        return weights


def make_predictors(data: TrialData, *, adjust: Sequence[str] = ("baseline",)) -> Predictors:
    """Return the design matrix of a trial.

    Parameters
    ----------
    data : TrialData
    adjust : sequence of str
        'baseline' and names of `data.factors`. A factor's levels are taken in alphabetical order, the first being the
        reference; levels that nobody has make no column.

    Raises
    ------
    InputError
        A factor that the data lack, or everyone's baseline missing.
    """
    n = len(data.participants)
    kept = np.ones(n, bool)
    columns, names = [np.ones(n)], ["intercept"]
    for index, arm in enumerate(data.arms[1:], start=1):
        columns.append((data.arm == index).astype(float))
        names.append(f"arm {arm}")
    for name in adjust:
        if name == "baseline":
            kept = np.isfinite(data.baseline)
            if not kept.any():
                raise InputError("nobody has a baseline to adjust for", fix="leave 'baseline' out of 'adjust'")
            columns.append(np.where(kept, data.baseline - data.baseline[kept].mean(), 0.0))
            names.append("baseline")
            continue
        if name not in data.factors:
            raise InputError(f"the data have no stratum {name}", fix=f"they have {', '.join(data.factors) or 'none'}")
        for level in sorted(set(np.asarray(data.factors[name]).tolist()))[1:]:
            columns.append((np.asarray(data.factors[name]) == level).astype(float))
            names.append(f"{name} {level}")
    matrix = np.column_stack(columns)
    matrix[~kept] = 0
    return Predictors(matrix, tuple(names), kept, data.arms)


def visit_index(data: TrialData, visit: str) -> int:
    """Return which visit this is.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if visit not in data.visits:
        raise InputError(f"no visit after allocation is called {visit}", fix=f"choose from {', '.join(data.visits)}")
    return data.visits.index(visit)


def counts(data: TrialData, used: BoolArray, comparisons: Comparisons) -> list[tuple[int, int]]:
    """Return how many of arm and reference are used in each comparison.

    Raises
    ------
    InputError
        Fewer than two in an arm that is compared.
    """
    number = {name: int((used & (data.arm == index)).sum()) for index, name in enumerate(data.arms)}
    for name in dict.fromkeys(one for pair in comparisons for one in pair):
        if number.get(name, 0) < 2:
            raise InputError(
                f"the arm {name} has {number.get(name, 0)} participants with the outcome; a comparison needs 2",
                fix="wait for more ratings, or look at why they are missing",
            )
    return [(number[arm], number[reference]) for arm, reference in comparisons]


def require_rank(matrix: FloatArray, names: Sequence[str]) -> None:
    """Refuse a design whose columns cannot be told apart.

    Raises
    ------
    InputError
        It names a column that follows from those before it.
    """
    for column in range(1, matrix.shape[1] + 1):
        if np.linalg.matrix_rank(matrix[:, :column]) < column:
            raise InputError(
                f"{names[column - 1]!r} follows from the other columns of the model",
                fix="leave that stratum out of 'adjust', or look at whether an arm is empty",
            )
