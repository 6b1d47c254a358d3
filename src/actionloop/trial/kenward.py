"""Small-sample inference about coefficients: Kenward-Roger and Satterthwaite.

Both take the covariance of the estimated elements of V: Kenward-Roger from expected information, first order (a
structure's curvature left out, which makes it the same for every way of writing its parameters; the unstructured and
compound symmetric ones have none), Satterthwaite from observed information.

References
----------
.. [1] Kenward & Roger 1997, doi:10.2307/2533558
.. [2] Halekoh & Højsgaard 2014, doi:10.18637/jss.v059.i09
.. [3] Fai & Cornelius 1996, doi:10.1080/00949659608811740
"""

from __future__ import annotations

import numpy as np

from actionloop.trial.covariance import pairs
from actionloop.trial.likelihood import fit_at
from actionloop.trial.reml import RemlFit
from actionloop.trial.rows import Rows
from actionloop.types import FloatArray

FEW = 1e-10


def adjusted_covariance(rows: Rows, fit: RemlFit) -> FloatArray:
    """Kenward-Roger covariance of the coefficients, (column, column)."""
    _, _, root, inverse, rotated, _ = fit_at(rows.y, rows.x, rows.kind, rows.seen, fit.v)
    t, p = rotated.shape[1:]
    first, second = pairs(t)
    basis = np.zeros((len(first), t, t))
    basis[np.arange(len(first)), first, second] = 1.0
    basis[np.arange(len(first)), second, first] = 1.0
    weighted = np.tensordot(fit.expected, basis, axes=1)
    inner = np.zeros((p, p))
    for k in range(len(inverse)):
        kernel = (basis @ inverse[k] @ weighted).sum(axis=0)
        part = rotated[rows.kind == k]
        inner += part.reshape(-1, p).T @ (kernel @ part).reshape(-1, p)
    mixed = np.tensordot(fit.expected, fit.moves, axes=1)
    inner -= (fit.moves @ mixed).sum(axis=0)
    inner = (inner + inner.T) / 2
    return np.asarray(root @ (np.eye(p) + 2 * inner) @ root.T)


def kenward_roger(fit: RemlFit, rows: FloatArray) -> tuple[float, float]:
    """Denominator degrees of freedom and scale of the F statistic of several rows.

    Parameters
    ----------
    fit : RemlFit
    rows : (row, column) float ndarray
        Contrasts, linearly independent.

    Returns
    -------
    df : float
    scale : float
        The Wald statistic by the adjusted covariance, over the number of rows and times this, is compared with F.
    """
    q = len(rows)
    loads = rows @ fit.root
    changes = loads @ fit.moves @ loads.T
    unit = np.linalg.solve(loads @ loads.T, changes)
    traces = np.trace(unit, axis1=1, axis2=2)
    first = float(traces @ fit.expected @ traces)
    second = float(np.einsum("iab,ij,jba->", unit, fit.expected, unit))
    if second < FEW:
        return float("inf"), 1.0
    b = (first + 6 * second) / (2 * q)
    g = ((q + 1) * first - (q + 4) * second) / ((q + 2) * second)
    whole = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / whole, (q - g) / whole, (q + 2 - g) / whole
    mean = 1 / (1 - second / q)
    near = 1 - c2 * b
    variance = 2 / q * (1 + c1 * b) / (near**2 * (1 - c3 * b)) if abs(near) > FEW else float("inf")
    ratio = variance / (2 * mean**2)
    df = 4 + (q + 2) / (q * ratio - 1)
    return float(df), float(df / (mean * (df - 2)))


def satterthwaite(fit: RemlFit, rows: FloatArray) -> float:
    """Denominator degrees of freedom of one contrast, or of several by Fai and Cornelius; `rows` (row, column)."""
    loads = rows @ fit.root
    changes = loads @ fit.moves @ loads.T
    values, vectors = np.linalg.eigh(loads @ loads.T)
    gradients = np.einsum("ar,iab,br->ri", vectors, changes, vectors)
    spread = np.einsum("ri,ij,rj->r", gradients, fit.observed, gradients)
    each = np.where(spread > FEW * values**2, 2 * values**2 / np.maximum(spread, 1e-300), np.inf)
    if len(each) == 1 or np.isinf(each).all():
        return float(each[0])
    if each.min() <= 2:
        return 2.0
    total = float(np.where(np.isinf(each), 1.0, each / (each - 2)).sum())
    return 2 * total / (total - len(each))
