"""Logistic regression of many trials at once, and what to do when a predictor separates the outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.special import expit

from actionloop.errors import InputError
from actionloop.types import BoolArray, FloatArray

EXTREME = 1e-6
FURTHEST = 30.0
LONGEST_STEP = 5.0


@dataclass(frozen=True, eq=False)
class LogisticFits:
    """Fitted models.

    Attributes
    ----------
    beta : (trial, column) float ndarray
    covariance : (trial, column, column) float ndarray
        Inverse of the expected information.
    converged : (trial,) bool ndarray
        False where no maximum was found, which is what separation looks like.
    """

    beta: FloatArray
    covariance: FloatArray
    converged: BoolArray


def _information(design: FloatArray, weight: FloatArray) -> FloatArray:
    return np.swapaxes(design * weight[..., None], -1, -2) @ design


def fit_logistic(
    response: FloatArray, design: FloatArray, *, used: BoolArray | None = None, iterations: int = 50
) -> LogisticFits:
    """Fit logistic regressions by Newton's method, one for each trial.

    Parameters
    ----------
    response : (trial, participant) float ndarray
        0 or 1.
    design : (trial, participant, column) float ndarray
    used : (trial, participant) bool ndarray, optional
        Participants that count; all by default.

    Returns
    -------
    LogisticFits
        Columns that cannot be told apart share their effect (smallest norm), so fitted values stay right.
    """
    counts = np.ones(response.shape) if used is None else used.astype(float)
    response = np.where(counts > 0, response, 0.0)
    beta = np.zeros((len(response), design.shape[-1]))
    gradient = np.full_like(beta, np.inf)
    for _ in range(iterations):
        probability = expit(np.clip((design @ beta[..., None])[..., 0], -FURTHEST, FURTHEST))
        gradient = np.einsum("tn,tnk->tk", counts * (response - probability), design)
        if np.abs(gradient).max(initial=0.0) < 1e-10:
            break
        information = _information(design, counts * probability * (1 - probability))
        step = (np.linalg.pinv(information, hermitian=True) @ gradient[..., None])[..., 0]
        longest = np.abs((design @ step[..., None])[..., 0]).max(axis=1, initial=0.0)
        beta = beta + step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))[:, None]
    probability = expit(np.clip((design @ beta[..., None])[..., 0], -FURTHEST, FURTHEST))
    information = _information(design, counts * probability * (1 - probability))
    at_edge = ((np.minimum(probability, 1 - probability) < EXTREME) & (counts > 0)).any(axis=1)
    return LogisticFits(
        beta,
        np.linalg.pinv(information, hermitian=True),
        (np.abs(gradient).max(axis=1, initial=0.0) < 1e-8) & ~at_edge,
    )


def is_separated(response: FloatArray, design: FloatArray) -> bool:
    """Say whether some combination of columns tells responders from the others without contradiction.

    Parameters
    ----------
    response : (participant,) float ndarray
        0 or 1.
    design : (participant, column) float ndarray

    Returns
    -------
    bool
        True with complete or quasi-complete separation: no maximum-likelihood estimate exists.

    References
    ----------
    .. [1] Albert & Anderson 1984, doi:10.1093/biomet/71.1.1; as a linear programme: Konis 2007
    """
    signed = design * np.where(response > 0.5, 1.0, -1.0)[:, None]
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
    return found.fun is not None and bool(found.fun < -1e-7)


def fit_firth(response: FloatArray, design: FloatArray, *, iterations: int = 200) -> LogisticFits:
    """Fit one logistic regression with Firth's penalty, which has an estimate even under separation.

    Parameters
    ----------
    response : (participant,) float ndarray
        0 or 1.
    design : (participant, column) float ndarray

    Returns
    -------
    LogisticFits
        Of one trial; the covariance is the inverse of the expected information at the estimate.

    Raises
    ------
    InputError
        It did not converge.

    References
    ----------
    .. [1] Firth 1993, doi:10.1093/biomet/80.1.27; Heinze & Schemper 2002, doi:10.1002/sim.1047
    """
    beta = np.zeros(design.shape[1])
    for _ in range(iterations):
        probability = expit(np.clip(design @ beta, -FURTHEST, FURTHEST))
        weight = probability * (1 - probability)
        covariance = np.linalg.pinv(_information(design, weight), hermitian=True)
        leverage = weight * np.einsum("ni,ij,nj->n", design, covariance, design)
        score = design.T @ (response - probability + leverage * (0.5 - probability))
        if np.abs(score).max() < 1e-9:
            return LogisticFits(beta[None], covariance[None], np.array([True]))
        step = covariance @ score
        beta = beta + step * min(1.0, 2.0 / max(float(np.abs(design @ step).max()), 2.0))
    raise InputError("Firth's logistic regression did not converge", fix="leave strata out of 'adjust'")
