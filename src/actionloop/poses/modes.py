"""A few poses whose fields make up those of all others: the field is linear in dA/dt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.types import FloatArray, IntArray

# A pose solved before is of use where it adds at least this share of the tolerance to those already taken.
_WORTHWHILE = 0.3


@dataclass(frozen=True, eq=False)
class Span:
    """Poses that were chosen, and how well they make up all others.

    Attributes
    ----------
    known : (used,) int64 ndarray
        Poses solved before that are of use.
    chosen : (new,) int64 ndarray
        Rows to be solved, the most needed first.
    missing : (row,) float64 ndarray
        Part of each row that no combination explains.
    """

    known: IntArray
    chosen: IntArray
    missing: FloatArray


def choose_modes(rows: FloatArray, known: FloatArray, *, allowed: FloatArray, most: int) -> Span:
    """Choose the fewest rows whose combinations make up all others: always the one that is explained worst.

    Parameters
    ----------
    rows : (row, value) float ndarray
        dA/dt of each pose.
    known : (solved, value) float ndarray
        Of poses solved before.
    allowed : (row,) float ndarray
        How much of each row may stay unexplained, as a share of its length.
    most : int
        Rows to choose at most.

    Returns
    -------
    Span

    Notes
    -----
    Gram-Schmidt with pivots (a pivoted QR decomposition that stops early).
    """
    left = np.asarray(rows, dtype=np.float64).copy()
    length = np.maximum(np.linalg.norm(left, axis=1), 1e-300)
    basis = np.zeros((0, left.shape[1]))
    used: list[int] = []
    for index, row in enumerate(np.asarray(known, dtype=np.float64)):
        rest = _rest(row, basis)
        if np.linalg.norm(rest) > _WORTHWHILE * allowed.min() * np.linalg.norm(row):
            basis = np.vstack([basis, rest / np.linalg.norm(rest)])
            left -= np.outer(left @ basis[-1], basis[-1])
            used.append(index)
    chosen: list[int] = []
    while len(chosen) < min(most, len(left)):
        excess = np.linalg.norm(left, axis=1) / length / allowed
        worst = int(excess.argmax())
        if excess[worst] <= 1:
            break
        rest = _rest(left[worst], basis)
        basis = np.vstack([basis, rest / np.linalg.norm(rest)])
        left -= np.outer(left @ basis[-1], basis[-1])
        chosen.append(worst)
    missing: FloatArray = np.linalg.norm(left, axis=1) / length
    return Span(np.array(used, dtype=np.int64), np.array(chosen, dtype=np.int64), missing)


def combine(rows: FloatArray, basis: FloatArray) -> FloatArray:
    """Coefficients with which some rows make up others best.

    Parameters
    ----------
    rows : (row, value) float ndarray
    basis : (mode, value) float ndarray

    Returns
    -------
    (row, mode) float64 ndarray
        Least squares; of the modes alone, 1 for itself and 0 for all others.
    """
    coefficients, *_ = np.linalg.lstsq(np.asarray(basis, np.float64).T, np.asarray(rows, np.float64).T, rcond=1e-10)
    found: FloatArray = coefficients.T
    return found


def _rest(row: FloatArray, basis: FloatArray) -> FloatArray:
    """Take from a row what is in an orthonormal basis; twice, against rounding."""
    for _ in range(2):
        row = row - (row @ basis.T) @ basis
    return row
