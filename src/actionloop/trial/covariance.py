"""Covariance structures of repeated measures: parameters to a (visit, visit) matrix, with its first two derivatives.

Everything downstream works on the distinct elements of the matrix (`pairs`): a structure is its map from parameters to
these elements, so that likelihood, information and small-sample corrections are written once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

from actionloop.errors import OptionError
from actionloop.types import FloatArray, IntArray

Covariance = Literal["unstructured", "toeplitz", "ar1", "compound_symmetry"]
COVARIANCES: tuple[Covariance, ...] = get_args(Covariance)


@cache
def pairs(n_visits: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of the distinct elements of a (visit, visit) matrix, row by row from the diagonal on."""
    rows, columns = _fixed(*np.triu_indices(n_visits))
    return rows, columns


def _fixed(*arrays: Any) -> Any:
    for one in arrays:
        one.setflags(write=False)
    return arrays


def fill(elements: Any, n_visits: int) -> FloatArray:
    """Return the symmetric matrix of these distinct elements."""
    rows, columns = pairs(n_visits)
    matrix = np.empty((n_visits, n_visits))
    matrix[rows, columns] = matrix[columns, rows] = elements
    return matrix


@cache
def _linear(name: Covariance, n_visits: int) -> tuple[FloatArray, FloatArray] | None:
    """Constant derivatives of a structure that is linear in its parameters; None of another."""
    rows, columns = pairs(n_visits)
    if name == "unstructured":
        jacobian = np.eye(len(rows))
    elif name == "compound_symmetry":
        jacobian = np.stack([np.ones(len(rows)), rows == columns], axis=1).astype(float)[:, n_visits == 1 :]
    else:
        return None
    jacobian, curvature = _fixed(jacobian, np.zeros((*jacobian.shape, jacobian.shape[1])))
    return jacobian, curvature


@dataclass(frozen=True)
class Structure:
    """How the covariance of one participant's visits depends on parameters.

    Attributes
    ----------
    name : {'unstructured', 'toeplitz', 'ar1', 'compound_symmetry'}
        'unstructured' has one parameter an element. 'toeplitz' and 'ar1' have one logarithm of a standard deviation a
        visit; correlations depend on how many visits lie between, one each or powers of one. 'compound_symmetry' has
        the common covariance, which may be negative, and the residual variance: a random intercept where it is not.
    n_visits : int

    Raises
    ------
    OptionError
        No structure has this name.
    """

    name: Covariance
    n_visits: int

    def __post_init__(self) -> None:
        if self.name not in COVARIANCES:
            raise OptionError(f"expected one of {', '.join(COVARIANCES)}, found {self.name!r}", where="covariance")

    @property
    def n_parameters(self) -> int:
        """Number of parameters."""
        v = self.n_visits
        more = {"unstructured": v * (v + 1) // 2, "toeplitz": 2 * v - 1, "ar1": v + (v > 1)}
        return more.get(self.name, 1 + (v > 1))

    def start(self, rough: FloatArray) -> FloatArray:
        """Parameters near a rough positive definite (visit, visit) matrix."""
        rows, columns = pairs(self.n_visits)
        if self.name == "unstructured":
            return rough[rows, columns]
        apart = rows != columns
        if self.name == "compound_symmetry":
            common = [float(rough[rows, columns][apart].mean())] if self.n_visits > 1 else []
            return np.array([*common, float(np.diag(rough).mean()) - sum(common)])
        sd = np.sqrt(np.diag(rough))
        mean = float((rough / np.outer(sd, sd))[rows, columns][apart].mean()) if self.n_visits > 1 else 0.0
        lags = 0 if self.n_visits == 1 else 1 if self.name == "ar1" else self.n_visits - 1
        return np.concatenate([np.log(sd), np.full(lags, mean)])

    def elements(self, theta: FloatArray) -> FloatArray:
        """Distinct elements of the matrix, (element,)."""
        linear = _linear(self.name, self.n_visits)
        if linear is not None:
            return linear[0] @ theta
        return self._expand(theta)[0]

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """First and second derivatives of the distinct elements.

        Returns
        -------
        jacobian : (element, parameter) ndarray
        curvature : (element, parameter, parameter) ndarray
            Zero where the structure is linear.
        """
        return _linear(self.name, self.n_visits) or self._expand(theta)[1:]

    def _expand(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        v = self.n_visits
        rows, columns = pairs(v)
        lag = columns - rows
        sd = np.exp(theta[:v])
        free = theta[v:]
        n = len(free)
        value, slope, bend = np.ones(v), np.zeros((v, n)), np.zeros((v, n, n))
        steps = np.arange(1, v)
        if self.name == "ar1" and n:
            value[1:] = free[0] ** steps
            slope[1:, 0] = steps * free[0] ** (steps - 1)
            bend[2:, 0, 0] = steps[1:] * (steps[1:] - 1) * free[0] ** (steps[1:] - 2)
        elif n:
            value[1:] = free
            slope[1:] = np.eye(n)
        product = sd[rows] * sd[columns]
        counts = (rows[:, None] == np.arange(v)).astype(float) + (columns[:, None] == np.arange(v))
        element = product * value[lag]
        jacobian = np.concatenate([counts * element[:, None], product[:, None] * slope[lag]], axis=1)
        curvature = np.zeros((len(rows), len(theta), len(theta)))
        curvature[:, :v, :v] = counts[:, :, None] * counts[:, None, :] * element[:, None, None]
        mixed = counts[:, :, None] * (product[:, None] * slope[lag])[:, None, :]
        curvature[:, :v, v:] = mixed
        curvature[:, v:, :v] = mixed.transpose(0, 2, 1)
        curvature[:, v:, v:] = product[:, None, None] * bend[lag]
        return element, jacobian, curvature
