"""Restricted maximum likelihood of repeated measures with values missing at random."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.covariance import Covariance, Structure, fill, pairs
from actionloop.trial.likelihood import derivatives_at, fit_at
from actionloop.trial.rows import Rows, rough_covariance
from actionloop.types import FloatArray

TOLERANCE = 1e-8
STALLED = 1e-6
MOST_STEPS = 200
WORST_CONDITION, SUSPECT_CONDITION = 1e8, 1e6


@dataclass(frozen=True, eq=False)
class RemlFit:
    """Where the search for one covariance structure ended.

    Attributes
    ----------
    structure : Structure
    theta : (parameter,) ndarray
    v : (visit, visit) ndarray
    loglik : float
    beta : (column,) ndarray
    root : (column, column) ndarray
        The covariance of `beta` under a known V is root root'.
    moves : (element, column, column) ndarray
        Change of that covariance with each element of V is root moves root'.
    expected, observed : (element, element) ndarray
        Covariance of the estimated elements of V, from expected and observed information.
    converged : bool
    iterations : int
    gradient : float
        Length of the gradient in standard errors of the parameters: no parameter is farther from the optimum than this
        share of its standard error.
    condition : float
        Of V, in units of the visits' least-squares standard deviations.
    trouble : str
        Why it did not converge; empty otherwise.
    """

    structure: Structure
    theta: FloatArray
    v: FloatArray
    loglik: float
    beta: FloatArray
    root: FloatArray
    moves: FloatArray
    expected: FloatArray
    observed: FloatArray
    converged: bool
    iterations: int
    gradient: float
    condition: float
    trouble: str


@dataclass(frozen=True, eq=False)
class _Point:
    """Likelihood, gradient and information in a structure's own parameters."""

    loglik: float
    beta: FloatArray
    root: FloatArray
    moves: FloatArray
    gradient: FloatArray
    expected: FloatArray
    observed: FloatArray
    jacobian: FloatArray

    @property
    def length(self) -> float:
        """Length of the gradient in standard errors."""
        try:
            return math.sqrt(max(float(self.gradient @ np.linalg.solve(self.expected, self.gradient)), 0.0))
        except np.linalg.LinAlgError:
            return float("inf")


def _point(rows: Rows, structure: Structure, theta: FloatArray, fit: Any) -> _Point:
    loglik, beta, root, inverse, rotated, scaled = fit
    first, second = pairs(structure.n_visits)
    gradient, expected, average, moves = derivatives_at(rows.kind, inverse, rotated, scaled, first, second)
    jacobian, curvature = structure.derivatives(theta)
    known = jacobian.T @ expected @ jacobian
    bend = np.tensordot(gradient, curvature, axes=1)
    observed = 2 * jacobian.T @ average @ jacobian - known - bend
    return _Point(loglik, beta, root, moves, jacobian.T @ gradient, known, observed, jacobian)


def _at(rows: Rows, structure: Structure, theta: FloatArray) -> Any:
    v = fill(structure.elements(theta), structure.n_visits)
    return fit_at(rows.y, rows.x, rows.kind, rows.seen, v)


def _step(point: _Point, damping: float) -> FloatArray | None:
    """Newton's step, with so much expected added to the observed information; None where that is indefinite."""
    information = point.observed + damping * point.expected
    try:
        np.linalg.cholesky(information)
        return np.asarray(np.linalg.solve(information, point.gradient))
    except np.linalg.LinAlgError:
        return None


def search(rows: Rows, structure: Structure, *, start: FloatArray | None = None) -> RemlFit:
    """Maximise the restricted likelihood over one covariance structure.

    Newton's method on the observed information. A step that would leave the positive definite matrices or lower the
    likelihood is replaced by one with more and more of the expected information added, which turns it towards Fisher
    scoring with short steps; such a step rises wherever the gradient is not zero.

    Parameters
    ----------
    rows : Rows
    structure : Structure
    start : (visit, visit) ndarray, optional
        Rough covariance, positive definite.

    Returns
    -------
    RemlFit
        `converged` says whether the gradient is zero to 1e-8 standard errors (1e-6 where rounding stops the search) and
        V is regular; `trouble` says what is wrong otherwise. Too few people for the visits often drive the likelihood
        up without bound as V becomes singular.
    """
    theta = structure.start(rough_covariance(rows) if start is None else start)
    fit = _at(rows, structure, theta)
    if not np.isfinite(fit[0]):
        variances = np.diag(rough_covariance(rows))
        theta = structure.start(np.diag(variances))
        fit = _at(rows, structure, theta)
    point = _point(rows, structure, theta, fit)
    damping, steps, stuck = 1.0, 0, False
    while point.length > TOLERANCE and steps < MOST_STEPS and not stuck:
        steps += 1
        slack = 1e-12 * (1 + abs(point.loglik))
        while True:
            move = _step(point, damping)
            if move is not None:
                fit = _at(rows, structure, theta + move)
                if fit[0] >= point.loglik - slack:
                    theta = theta + move
                    point = _point(rows, structure, theta, fit)
                    damping = damping / 10 if damping > 1e-4 else 0.0
                    break
            damping = max(10 * damping, 1e-3)
            if damping > 1e12:
                stuck = True
                break
    return _finish(rows, structure, theta, point, steps)


def _finish(rows: Rows, structure: Structure, theta: FloatArray, point: _Point, steps: int) -> RemlFit:
    v = fill(structure.elements(theta), structure.n_visits)
    sd = np.sqrt(np.diag(rough_covariance(rows)))
    condition = float(np.linalg.cond(v / np.outer(sd, sd)))
    length = point.length
    trouble = ""
    if not condition < (WORST_CONDITION if length <= STALLED else SUSPECT_CONDITION):
        trouble = f"the covariance of the visits becomes singular (condition {condition:.1e})"
    elif not length <= STALLED:
        trouble = f"the gradient is still {length:.1e} standard errors after {steps} steps"
    q = len(point.jacobian)
    expected = observed = np.full((q, q), np.nan)
    if not trouble:
        try:
            np.linalg.cholesky(point.observed)
            expected = point.jacobian @ np.linalg.inv(point.expected) @ point.jacobian.T
            observed = point.jacobian @ np.linalg.inv(point.observed) @ point.jacobian.T
        except np.linalg.LinAlgError:
            trouble = "the information about the covariance is singular"
    return RemlFit(
        structure=structure,
        theta=theta,
        v=v,
        loglik=float(point.loglik),
        beta=point.beta,
        root=point.root,
        moves=point.moves,
        expected=expected,
        observed=observed,
        converged=not trouble,
        iterations=steps,
        gradient=length,
        condition=condition,
        trouble=trouble,
    )


def _why_not(rows: Rows, structure: Structure) -> str:
    """Why these data cannot carry a structure, before any search; empty where they may."""
    present, t = rows.present, rows.y.shape[1]
    spare = rows.n_values - rows.x.shape[2]
    if spare <= structure.n_parameters:
        return f"{spare} values beyond the coefficients for {structure.n_parameters} parameters"
    together = present.T.astype(int) @ present
    if structure.name == "unstructured" and together.min() < 2:
        a, b = np.unravel_index(int(together.argmin()), (t, t))
        return f"visits {a + 1} and {b + 1} have {together[a, b]} people in common"
    if structure.name == "unstructured" and (rows.y.shape[0] < t + 1):
        return f"{rows.y.shape[0]} people for {t} visits"
    return ""


def fit_reml(
    rows: Rows, *, covariance: Covariance, fallback: tuple[Covariance, ...]
) -> tuple[RemlFit, tuple[str, ...]]:
    """Fit the first structure of a declared order that these data can carry.

    Returns
    -------
    fit : RemlFit
        Converged.
    refused : tuple of str
        What came before it in the order and why it was not kept.

    Raises
    ------
    InputError
        None of the structures could be estimated.
    """
    refused: list[str] = []
    rough = rough_covariance(rows)
    for name in (covariance, *fallback):
        structure = Structure(name, rows.y.shape[1])
        trouble = _why_not(rows, structure)
        if not trouble:
            fit = search(rows, structure, start=rough)
            if fit.converged:
                return fit, tuple(refused)
            trouble = fit.trouble
        refused.append(f"{name}: {trouble}")
    raise InputError(
        f"no covariance of the visits could be estimated; {'; '.join(refused)}",
        fix="analyse fewer visits, adjust for less, or allow a simpler structure",
    )
