"""Restricted likelihood of repeated measures with its derivatives, as compiled loops over patterns and participants.

With V the covariance of all visits, A the inverse of its observed part (zero elsewhere), B = A X, C = (Σ X'AX)⁻¹ and
e = A (y - X β), all derivatives with regard to the distinct elements of V need only sums over participants of A, B C B'
and e e', and one product of columns of B a pair of visits.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

_LOG_2PI = math.log(2 * math.pi)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _cholesky(matrix: Any, lower: Any) -> bool:
    """Lower Cholesky factor, written into `lower`; False unless positive definite."""
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = total / lower[j, j]
            elif total > 1e-13 * matrix[i, i]:
                lower[i, i] = math.sqrt(total)
            else:
                return False
    return True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _invert_lower(lower: Any) -> Any:
    """Transpose of the inverse of a lower triangle, upper triangular."""
    n = len(lower)
    upper = np.zeros((n, n))
    for j in range(n):
        upper[j, j] = 1 / lower[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for k in range(j, i):
                total -= lower[i, k] * upper[j, k]
            upper[j, i] = total / lower[i, i]
    return upper


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def invert_patterns(v: Any, seen: Any) -> Any:
    """Inverse of the observed part of V a pattern of missing visits, and the logarithm of its determinant.

    Parameters
    ----------
    v : (visit, visit) float64 ndarray
    seen : (pattern, visit) bool ndarray

    Returns
    -------
    inverse : (pattern, visit, visit) float64 ndarray
        Zero in the rows and columns of what is missing.
    logdet : (pattern,) float64 ndarray
    good : bool
        False where V is not positive definite.
    """
    m, t = seen.shape
    inverse, logdet = np.zeros((m, t, t)), np.zeros(m)
    lower = np.zeros((t, t))
    part = np.zeros((t, t))
    for k in range(m):
        for a in range(t):
            for b in range(t):
                both = seen[k, a] and seen[k, b]
                part[a, b] = v[a, b] if both else (1.0 if a == b else 0.0)
        if not _cholesky(part, lower):
            return inverse, logdet, False
        upper = _invert_lower(lower)
        for a in range(t):
            logdet[k] += 2 * math.log(lower[a, a])
            for b in range(t):
                if seen[k, a] and seen[k, b]:
                    inverse[k, a, b] = np.dot(upper[a], upper[b])
    return inverse, logdet, True


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _weigh(x: Any, kind: Any, inverse: Any, into: Any) -> None:
    """Add A X of every participant to `into`, (participant, visit, column)."""
    n, t, p = x.shape
    for i in range(n):
        for a in range(t):
            for c in range(t):
                w = inverse[kind[i], a, c]
                if w != 0.0:
                    for j in range(p):
                        into[i, a, j] += w * x[i, c, j]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def fit_at(y: Any, x: Any, kind: Any, seen: Any, v: Any) -> Any:
    """Coefficients and restricted log-likelihood under one covariance.

    Parameters
    ----------
    y : (participant, visit) float64 ndarray
        Finite; what is missing is ignored.
    x : (participant, visit, column) float64 ndarray
    kind : (participant,) int64 ndarray
        Row of `seen`.
    seen : (pattern, visit) bool ndarray
    v : (visit, visit) float64 ndarray

    Returns
    -------
    loglik : float
        -inf where V is not positive definite.
    beta : (column,) float64 ndarray
    root : (column, column) float64 ndarray
        Covariance of the coefficients is root root'.
    inverse : (pattern, visit, visit) float64 ndarray
    rotated : (participant, visit, column) float64 ndarray
        B root.
    scaled : (participant, visit) float64 ndarray
        e.
    """
    n, t, p = x.shape
    inverse, logdet, good = invert_patterns(v, seen)
    beta, root, scaled = np.zeros(p), np.zeros((p, p)), np.zeros((n, t))
    b, lower = np.zeros((n, t, p)), np.zeros((p, p))
    if good:
        _weigh(x, kind, inverse, b)
        good = _cholesky(np.dot(x.reshape(n * t, p).T, b.reshape(n * t, p)), lower)
    if not good:
        return -np.inf, beta, root, inverse, b, scaled
    root = _invert_lower(lower)
    rotated = np.dot(b.reshape(n * t, p), root)
    beta = np.dot(root, np.dot(rotated.T, y.reshape(n * t)))
    residual = y - np.dot(x.reshape(n * t, p), beta).reshape(n, t)
    loglik, count = 0.0, 0
    for i in range(n):
        loglik -= logdet[kind[i]] / 2
        for a in range(t):
            count += seen[kind[i], a]
            for c in range(t):
                scaled[i, a] += inverse[kind[i], a, c] * residual[i, c]
            loglik -= scaled[i, a] * residual[i, a] / 2
    for j in range(p):
        loglik -= math.log(lower[j, j])
    loglik -= (count - p) * _LOG_2PI / 2
    return loglik, beta, root, inverse, rotated.reshape(n, t, p), scaled


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _cross(one: Any, other: Any, rows: Any, columns: Any, into: Any, weight: float) -> None:
    """Add weight · tr(G_i one G_j other) to `into`; G_i = dV/dθ_i of the distinct elements."""
    for i in range(len(rows)):
        a, b = rows[i], columns[i]
        for j in range(len(rows)):
            c, d = rows[j], columns[j]
            total = (
                one[b, c] * other[d, a] + one[a, c] * other[d, b] + one[b, d] * other[c, a] + one[a, d] * other[c, b]
            )
            half = (0.5 if a == b else 1.0) * (0.5 if c == d else 1.0)
            into[i, j] += weight * half * total


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def derivatives_at(kind: Any, inverse: Any, rotated: Any, scaled: Any, rows: Any, columns: Any) -> Any:
    """Differentiate the restricted log-likelihood with regard to the distinct elements of V.

    Parameters
    ----------
    kind, inverse, rotated, scaled
        See `fit_at`.
    rows, columns : (element,) int64 ndarray
        See `covariance.pairs`.

    Returns
    -------
    gradient : (element,) float64 ndarray
    expected : (element, element) float64 ndarray
        Expected information.
    average : (element, element) float64 ndarray
        Average information; the observed one is twice this less the expected one.
    moves : (element, column, column) float64 ndarray
        How C changes with each element, in the coordinates of its root: dC = root moves root'.
    """
    n, t, p = rotated.shape
    m, q = len(inverse), len(rows)
    spread, outer, number = np.zeros((m, t, t)), np.zeros((m, t, t)), np.zeros(m)
    for i in range(n):
        k = kind[i]
        number[k] += 1
        spread[k] += np.dot(rotated[i], rotated[i].T)
        for a in range(t):
            for b in range(t):
                outer[k, a, b] += scaled[i, a] * scaled[i, b]
    slope = np.zeros((t, t))
    expected, average = np.zeros((q, q)), np.zeros((q, q))
    for k in range(m):
        slope += (outer[k] + spread[k] - number[k] * inverse[k]) / 2
        _cross(inverse[k], number[k] * inverse[k] - 2 * spread[k], rows, columns, expected, 0.5)
        _cross(inverse[k], outer[k], rows, columns, average, 0.5)
    gradient = np.empty(q)
    moves = np.empty((q, p, p))
    pull = np.empty((q, p))
    by_visit = np.ascontiguousarray(rotated.transpose(1, 0, 2))
    errors = np.ascontiguousarray(scaled.T)
    for i in range(q):
        a, b = rows[i], columns[i]
        product = np.dot(by_visit[a].T, by_visit[b])
        if a == b:
            gradient[i] = slope[a, a]
            moves[i] = product
            pull[i] = np.dot(errors[a], by_visit[a])
        else:
            gradient[i] = 2 * slope[a, b]
            moves[i] = product + product.T
            pull[i] = np.dot(errors[a], by_visit[b]) + np.dot(errors[b], by_visit[a])
    lines = moves.reshape(q, p * p)
    expected += np.dot(lines, lines.T) / 2
    average -= np.dot(pull, pull.T) / 2
    return gradient, expected, average, moves
