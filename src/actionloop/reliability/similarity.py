"""Network similarity index (NSI): how much of single rows' connectivity the prior's templates explain."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

from actionloop import facts
from actionloop.brain import adjacency, row_places
from actionloop.errors import PriorError
from actionloop.networks.task import prepare
from actionloop.reliability.found import Similarity
from actionloop.types import HEMISPHERES, Anatomy, Basis, BoolArray, FloatArray, Grayordinates, IntArray, Prior

_FACTS: dict[str, Any] = facts.load("reliability")["similarity"]
_COLUMNS = 4096  # of the basis multiplied at a time


def similarity(
    basis: Basis, prior: Prior, anatomy: Anatomy | None, *, exclude: BoolArray | None = None
) -> Similarity | None:
    """Tell how well a prior's templates explain the connectivity of sparse rows.

    The correlations of each sparse row with the cortex are regressed on all templates at once, with a small ridge
    penalty and no intercept; NSI is the median of R² over the rows, those below 0 left out [1]_.

    What the sources leave open, and what is done here. Neighbours are skipped in the order of the vertices: a vertex is
    looked at unless one that shares an edge with it already is; voxels likewise, with all within 2 mm, in the order of
    the rows. Rows without signal neither count nor block. Correlations are r and not Fisher z; neither they nor the
    templates are demeaned or scaled, as centred ones could give no R² below 0; the total sum of squares is about the
    mean. A row's correlation with itself and with cortex close by stays in.

    The published probability belongs to the templates and rows of its authors, voxels among them. With other
    templates, or of the cortex alone, it is a guide; and since the same prior labels the map, it is an optimist's.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows, with templates (`fingerprint`) in units of r or Fisher z.
    anatomy : Anatomy or None
        Whose midthickness tells the neighbours.
    exclude : (grayordinate,) bool ndarray, optional
        Rows to leave out, e.g. a lesion.

    Returns
    -------
    Similarity or None
        None where the prior has no templates, or without an anatomy (parcels are no vertices).

    Raises
    ------
    PriorError
        The prior's rows are not those of the series, or templates that are not finite or do not touch the cortex with
        signal.
    SignalError
        No row carries signal.

    References
    ----------
    .. [1] Code of the group of Lynch et al. 2024, doi:10.1038/s41586-024-07805-2 (steps and values)
    """
    if prior.fingerprint is None or anatomy is None:
        return None
    valid = prepare(basis, prior, exclude).valid
    rows = sparse_rows(basis.grayordinates, anatomy, valid=valid)
    explained = explained_variance(basis, prior.fingerprint, rows, valid=valid, where=prior.source or None)
    left = explained[explained >= 0]
    value = float(np.median(left)) if left.size else float("nan")
    return Similarity(value=value, usable=usability(value), rows=len(rows), prior=prior.source)


def usability(value: float) -> float:
    """Return the published probability that a scan of this NSI is usable.

    Parameters
    ----------
    value : float
        NSI, 0 to 1.

    Returns
    -------
    float
        0 to 1; NaN for NaN.
    """
    d = value - float(_FACTS["usable_centre"])
    logit = _FACTS["usable_constant"] + _FACTS["usable_linear"] * d + _FACTS["usable_quadratic"] * d**2
    return float(expit(logit))


def sparse_rows(grayordinates: Grayordinates, anatomy: Anatomy, *, valid: BoolArray) -> IntArray:
    """Choose rows that are no neighbours of each other.

    Parameters
    ----------
    grayordinates : Grayordinates
    anatomy : Anatomy
    valid : (grayordinate,) bool ndarray
        Rows to choose from.

    Returns
    -------
    (row,) int ndarray
        Ascending. No two vertices share an edge of the mesh, no two voxels lie within 2 mm; no row could be added.
    """
    chosen = []
    for hemisphere in HEMISPHERES:
        surface = anatomy.surface(hemisphere)
        linked = adjacency(surface.faces, surface.n_vertices)
        rows = grayordinates.rows(hemisphere)
        vertices = grayordinates.vertices(hemisphere)
        taken = _skip(linked.indptr, linked.indices, vertices[valid[rows]])
        chosen.append(rows.start + np.searchsorted(vertices, taken))
    n_cortex = grayordinates.n_cortex
    if len(voxels := np.flatnonzero(valid[n_cortex:])):
        places = row_places(grayordinates, anatomy)[n_cortex:]
        # A hair more, for voxels that lie exactly so far by rule and not by rounding.
        pairs = cKDTree(places).query_pairs(_FACTS["voxel_distance_mm"] * (1 + 1e-6), output_type="ndarray")
        start, end = np.concatenate([pairs, pairs[:, ::-1]]).T
        order = np.argsort(start, kind="stable")
        indptr = np.append(0, np.cumsum(np.bincount(start, minlength=len(places))))
        chosen.append(n_cortex + _skip(indptr, end[order], voxels))
    return np.concatenate(chosen)


def explained_variance(
    basis: Basis, templates: FloatArray, rows: IntArray, *, valid: BoolArray, where: str | None = None
) -> FloatArray:
    """Regress the cortical correlations of some rows on templates, and tell the share of variance explained.

    No correlation is ever made: their sum, their sum of squares and their products with the templates follow from the
    Gram matrix of the basis and its products with the templates.

    Parameters
    ----------
    basis : Basis
    templates : (network, grayordinate) float ndarray
    rows : (row,) int ndarray
    valid : (grayordinate,) bool ndarray
        Rows with signal; of these, the cortical ones that have a template enter the regression.
    where : str, optional
        Whose templates, for errors.

    Returns
    -------
    (row,) float64 ndarray
        R² = 1 - residual / total sum of squares about the mean. Below 0 where the fit is worse than the mean.

    Raises
    ------
    PriorError
        Templates that are not finite, or none where the cortex has signal.
    """
    n_cortex = basis.grayordinates.n_cortex
    a = templates[:, :n_cortex].T
    if not np.isfinite(a).all():
        raise PriorError("the connectivity templates hold NaN or infinite values", where=where)
    known = np.flatnonzero(valid[:n_cortex] & a.any(axis=1))
    if len(known) < 2:
        raise PriorError("no cortical row has both a template and signal", where=where)
    n_dimensions, n_networks = len(basis.data), a.shape[1]
    total = np.zeros(n_dimensions)
    gram = np.zeros((n_dimensions, n_dimensions))
    courses = np.zeros((n_dimensions, n_networks))
    inner = np.zeros((n_networks, n_networks))
    for part in _parts(known):
        y, some = basis.data[:, part], a[part].astype(np.float64)
        total += y.sum(axis=1, dtype=np.float64)
        gram += y @ y.T
        courses += y @ some.astype(np.float32)
        inner += some.T @ some
    gram, courses = gram.astype(np.float32), courses.astype(np.float32)
    solve = np.linalg.inv(inner + float(_FACTS["penalty"]) * np.eye(n_networks))
    out = np.empty(len(rows))
    for first in range(0, len(rows), _COLUMNS):
        y = basis.data[:, rows[first : first + _COLUMNS]]
        squares = np.einsum("dr,dr->r", y, gram @ y, dtype=np.float64)
        spread = squares - (total @ y) ** 2 / len(known)
        products = (courses.T @ y).astype(np.float64)
        b = solve @ products
        residual = squares - 2 * (b * products).sum(axis=0) + (b * (inner @ b)).sum(axis=0)
        out[first : first + _COLUMNS] = 1 - residual / np.maximum(spread, np.finfo(np.float32).tiny)
    return out


def _parts(rows: IntArray) -> list[IntArray]:
    return [rows[first : first + _COLUMNS] for first in range(0, len(rows), _COLUMNS)]


def _skip(indptr: IntArray, indices: IntArray, candidates: IntArray) -> IntArray:
    """Take candidates in turn, and skip those that a taken one is linked to."""
    blocked = np.zeros(len(indptr) - 1, dtype=bool)
    taken = []
    for one in candidates.tolist():
        if not blocked[one]:
            taken.append(one)
            blocked[indices[indptr[one] : indptr[one + 1]]] = True
    return np.array(taken, dtype=np.int64)
