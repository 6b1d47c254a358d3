"""Connectivity of many seeds over many people, one person in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from actionloop import facts
from actionloop.errors import EmptyRegionError, PriorError, SignalError
from actionloop.types import Basis, BoolArray, FloatArray, Grayordinates, IntArray, Prior

_MOST_R = float(facts.load("lesion")["seed"]["most_r"])
_BLOCK = 2048  # rows of the maps that are worked on at a time
_TINY = 1e-6

Weights = FloatArray | sparse.csr_array[Any]
"""Seeds as weights on rows, (seed, row); sparse for the small ones."""


@dataclass(frozen=True, eq=False)
class SeedMaps:
    """What many people's scans say of seeds.

    Attributes
    ----------
    names : tuple of str
        Of the first seeds; the others are null lesions.
    mean_z : (seed, row) float32 ndarray
        Mean Fisher z over people; 0 in rows that nobody has.
    t : (first seed, row) float32 ndarray
        One-sample t of the Fisher z over people, for those seeds whose spread was kept; NaN below two people.
    degree : (row,) float64 ndarray
        Mean over people of the mean correlation of a row with all others.
    component : (row,) float64 ndarray
        Mean over people of the correlation with the first principal component of the rows' standardised series, its
        sign such that rows correlate positively on average; 0 where it was not asked for.
    people : (row,) int ndarray
        How many people have signal there.
    n_people : int
    """

    names: tuple[str, ...]
    mean_z: FloatArray
    t: FloatArray
    degree: FloatArray
    component: FloatArray
    people: IntArray
    n_people: int

    @property
    def valid(self) -> BoolArray:
        """Rows that everybody has; (row,)."""
        known: BoolArray = self.people == self.n_people
        return known


class SeedSums:
    """Running sums of seeds' connectivity over people; nothing of a person is kept.

    A person adds one product of matrices: the seeds' mean series with the compressed series. Memory is that of the
    maps, however many people there are.

    Parameters
    ----------
    weight : (seed, row) float ndarray or csr_array
        Not negative. What is averaged are standardised series.
    names : sequence of str
        Of the first seeds: lesions in question, whose spread over people is kept for t maps.
    grayordinates : Grayordinates, optional
        Rows that everybody has; without them only their number is checked.
    component : bool
        Also find each person's first principal component.

    Raises
    ------
    EmptyRegionError
        No seed, or a seed without weight.
    SignalError
        Weights that are negative or not finite, or more names than seeds.
    """

    def __init__(
        self,
        weight: Weights,
        *,
        names: Sequence[str] = (),
        grayordinates: Grayordinates | None = None,
        component: bool = True,
    ) -> None:
        matrix = sparse.csr_array(weight)
        n_seeds, n_rows = matrix.shape
        if not np.isfinite(matrix.data).all() or (matrix.data < 0).any() or len(names) > n_seeds:
            raise SignalError(f"expected finite weights, not negative, for {len(names)} named seeds or more")
        total = np.asarray(matrix.sum(axis=1)).ravel()
        if not n_seeds or not total.all():
            raise EmptyRegionError(f"{int((total == 0).sum())} of {n_seeds} seeds have no row")
        self.names, self.grayordinates, self.n_people = tuple(names), grayordinates, 0
        self._rows = np.unique(matrix.indices)
        self._weight: sparse.csr_array[Any] = matrix[:, self._rows].astype(np.float32)
        self._mean: FloatArray = np.zeros((n_seeds, n_rows), dtype=np.float32)
        self._square: FloatArray = np.zeros((len(names), n_rows), dtype=np.float32)
        self._people = np.zeros(n_rows, dtype=np.int64)
        self._degree, self._loading = np.zeros(n_rows), np.zeros(n_rows)
        self._component = component

    def add(self, person: Basis | FloatArray) -> None:
        """Add one person; after an error the sums are as before.

        Parameters
        ----------
        person : Basis or (frame, row) float ndarray
            From `signal.compress`, or a series such as that of parcels.

        Raises
        ------
        SignalError
            Other rows, values that are not finite, or a seed without signal.
        """
        data, valid, where = _unit_rows(person)
        if data.shape[1] != len(self._people):
            raise SignalError(
                f"this person has {data.shape[1]} rows, the seeds lie on {len(self._people)}", where=where or None
            )
        axis = person.grayordinates if isinstance(person, Basis) else None
        if axis is not None and self.grayordinates is not None and not axis.same_rows(self.grayordinates):
            raise SignalError("this person has other rows than the seeds", where=where or None)
        mean: FloatArray = np.asarray(self._weight @ np.ascontiguousarray(data[:, self._rows].T))
        length = np.linalg.norm(mean, axis=1)
        low = _TINY * np.asarray(self._weight.sum(axis=1)).ravel()
        if (silent := np.flatnonzero(length <= low)).size:
            named = [self.names[k] if k < len(self.names) else f"null lesion {k - len(self.names)}" for k in silent[:3]]
            raise SignalError(
                f"no signal in this person's rows of {', '.join(named)}",
                where=where or None,
                fix="leave this person out; the scan does not reach there",
            )
        degree = degree_of(data, valid)
        loading = component_of(data) if self._component else self._loading
        self._people += valid
        self.n_people += 1
        share = valid / np.maximum(self._people, 1)
        self._degree += share * (degree - self._degree)
        self._loading += share * (loading - self._loading)
        self._update(mean / length[:, None], data, valid)

    def _update(self, unit: FloatArray, data: FloatArray, valid: BoolArray) -> None:
        """Welford's update of mean and squares, a block of rows at a time."""
        n_named = len(self.names)
        step = (valid / np.maximum(self._people, 1)).astype(np.float32)
        for first in range(0, data.shape[1], _BLOCK):
            part = slice(first, first + _BLOCK)
            z = unit @ data[:, part]
            np.clip(z, -_MOST_R, _MOST_R, out=z)
            np.arctanh(z, out=z)
            named = z[:n_named].copy()
            before = named - self._mean[:n_named, part]
            z -= self._mean[:, part]
            z *= step[part]
            self._mean[:, part] += z
            self._square[:, part] += before * (named - self._mean[:n_named, part]) * valid[part]

    def result(self) -> SeedMaps:
        """Return the maps of everybody added so far.

        Raises
        ------
        SignalError
            Nobody was added.
        """
        if not self.n_people:
            raise SignalError("connectivity of a lesion needs at least one person; none was added")
        n = np.maximum(self._people, 1)
        error = np.sqrt(self._square / np.maximum(n - 1, 1) / n)
        enough = (self._people > 1) & (error > 0)
        t = np.divide(self._mean[: len(self.names)], error, out=np.full(error.shape, np.nan), where=enough)
        return SeedMaps(
            names=self.names,
            mean_z=self._mean.copy(),
            t=t.astype(np.float32),
            degree=self._degree.copy(),
            component=self._loading.copy(),
            people=self._people.copy(),
            n_people=self.n_people,
        )


def degree_of(data: FloatArray, valid: BoolArray) -> FloatArray:
    """Mean correlation of each row with all others, without their matrix.

    Parameters
    ----------
    data : (dimension, row) float ndarray
        Columns of length 1, 0 where a row is constant.
    valid : (row,) bool ndarray

    Returns
    -------
    (row,) float64 ndarray
        0 for constant rows.
    """
    total = data.sum(axis=1, dtype=np.float64)
    own = np.einsum("dg,dg->g", data, data)
    partners = max(int(valid.sum()) - 1, 1)
    degree: FloatArray = np.where(valid, (total.astype(data.dtype) @ data - own) / partners, 0.0)
    return degree


def component_of(data: FloatArray) -> FloatArray:
    """Correlation of each row with the first principal component of all rows.

    Parameters
    ----------
    data : (dimension, row) float ndarray
        Columns of length 1.

    Returns
    -------
    (row,) float64 ndarray
        Positive on average.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = len(data)
    if n < 3:
        direction = np.linalg.eigh(data @ data.T)[1][:, -1]
    else:
        start = data.sum(axis=1, dtype=np.float64)
        start = start if np.linalg.norm(start) > _TINY else np.ones(n)
        gram = LinearOperator(
            (n, n), matvec=lambda v: data @ (v.ravel().astype(data.dtype) @ data), dtype=np.dtype(np.float64)
        )
        direction = eigsh(gram, k=1, v0=start, tol=1e-4)[1][:, 0]
    loading: FloatArray = (direction.astype(data.dtype) @ data).astype(np.float64)
    return loading if loading.sum() >= 0 else -loading


def prior_connectivity(prior: Prior, weight: Weights) -> FloatArray:
    """Look up the connectivity of seeds with networks in a prior: no scan is read.

    Parameters
    ----------
    prior : Prior
        With templates.
    weight : (seed, row) float ndarray or csr_array
        On the prior's rows.

    Returns
    -------
    (seed, network) float64 ndarray
        Weighted mean Fisher z of the templates over those of a seed's rows that have one.

    Raises
    ------
    PriorError
        No templates, other rows, or seeds on rows without template.
    """
    where = prior.source or None
    if prior.fingerprint is None:
        raise PriorError("the prior has no connectivity templates", where=where, fix="give one built from scans")
    matrix = sparse.csr_array(weight)
    if matrix.shape[1] != prior.fingerprint.shape[1]:
        raise PriorError(f"seeds on {matrix.shape[1]} rows do not fit {prior.fingerprint.shape[1]}", where=where)
    known = np.asarray(prior.fingerprint.any(axis=0), dtype=np.float64)
    total = np.asarray(matrix @ known)
    if (total <= 0).any():
        raise PriorError(
            f"the prior has no template in the rows of {int((total <= 0).sum())} seeds",
            where=where,
            fix="a prior of cortex alone says nothing of the thalamus: build one with voxels",
        )
    fisher_z = np.arctanh(np.clip(prior.fingerprint.astype(np.float64), -_MOST_R, _MOST_R))
    connectivity: FloatArray = np.asarray(matrix @ (fisher_z * known).T) / total[:, None]
    return connectivity


def _unit_rows(person: Basis | FloatArray) -> tuple[FloatArray, BoolArray, str]:
    """Bring a person to columns of length 1; which rows vary; the source."""
    if isinstance(person, Basis):
        return person.data, person.valid, person.source
    series = np.asarray(person, dtype=np.float64)
    if series.ndim != 2 or len(series) < 3 or not np.isfinite(series).all():
        raise SignalError(f"expected a finite series of 3 frames or more, (frame, row), found {series.shape}")
    centred = series - series.mean(axis=0)
    valid: BoolArray = np.ptp(series, axis=0) > 0
    length = np.where(valid, np.linalg.norm(centred, axis=0), 1)
    return (centred / length * valid).astype(np.float32), valid, ""
