"""Fewer numbers for the same correlations: a basis of the frame axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import linalg

from actionloop.arrays import side_by_side
from actionloop.errors import OptionError, SignalError
from actionloop.signal.series import blocks, valid_rows
from actionloop.types import Basis, BoolArray, FloatArray, Timeseries

TOLERANCE = 1e-4
_SAMPLE = 2  # rows of the sample per frame: enough that the covariance of the frames is well determined
_MARGIN = 0.5  # of the tolerance for the sample: the worst row of all is seldom in it, and what is spare goes again
_ROUNDING = 3e-5  # length of what rounding leaves of a direction that is there already
_FEW = 256  # so many rows that miss the tolerance are given dimensions of their own


def compress(series: Timeseries, *, tolerance: float = TOLERANCE) -> Basis:
    """Express a series in as few dimensions as keep every correlation.

    Filtered and denoised frames depend on each other, so that far fewer dimensions than frames carry the series. A
    sample of grayordinates gives the principal directions of the frame axis; every grayordinate is then checked, and
    those that lose more than `tolerance` of their variance get further directions until none does. What a correlation
    can be off by is at most the larger loss of its two grayordinates (Cauchy-Schwarz on the two remainders), so the
    tolerance is a bound and no estimate.

    Parameters
    ----------
    series : Timeseries
        Need not be standardised.
    tolerance : float
        Largest error allowed in any correlation, in (0, 0.1].

    Returns
    -------
    Basis
        Columns of length 1 less the loss; 0 for constant grayordinates.

    Raises
    ------
    OptionError
        A tolerance that is none.
    SignalError
        No grayordinate varies, or there are fewer than 3 frames.
    """
    if not 0 < tolerance <= 0.1:
        raise OptionError(f"the tolerance of compression must lie in (0, 0.1], found {tolerance:g}")
    if series.n_frames < 3:
        raise SignalError(f"too few frames: {series.n_frames}", where=series.source or None)
    valid = valid_rows(series)
    if not valid.any():
        raise SignalError("no grayordinate varies over time", where=series.source or None)
    rows = np.flatnonzero(valid)
    directions, keep = _principal(_unit(series, rows[:: max(1, len(rows) // (_SAMPLE * series.n_frames))]), tolerance)
    basis = _Growing(series, valid, directions[:, :keep])
    while (missed := np.flatnonzero(basis.loss > tolerance)).size:
        used = basis.vectors.shape[1]
        spare = directions[:, keep : keep + max(16, keep // 8)]
        if len(missed) > _FEW and spare.shape[1]:
            keep += spare.shape[1]
            basis.add(spare, least=0.5)
        else:
            worst = missed[np.argsort(-basis.loss[missed], kind="stable")[:_FEW]]
            basis.add(_unit(series, worst), least=max(_ROUNDING, np.sqrt(tolerance) / 10))
        if basis.vectors.shape[1] == used:  # the rest is rounding
            break
    data = basis.data(tolerance)
    return Basis(
        data=data,
        grayordinates=series.grayordinates,
        valid=valid,
        n_frames=series.n_frames,
        tr_s=series.tr_s,
        error=float(basis.loss.max()),
        source=series.source,
        steps=series.steps,
        frames=np.ascontiguousarray(basis.vectors[:, : len(data)]),
    )


class _Growing:
    """Orthonormal directions of the frame axis, the series along them, and what every grayordinate has lost."""

    def __init__(self, series: Timeseries, valid: BoolArray, vectors: FloatArray) -> None:
        self.series, self.valid = series, valid
        self.vectors: FloatArray = np.zeros((series.n_frames, 0), dtype=np.float32)
        # Room for more than is asked: memory that is never written is never taken.
        self._store: FloatArray = np.zeros((min(series.n_frames, 2 * vectors.shape[1]), len(valid)), dtype=np.float32)
        self.loss = np.where(valid, 1.0, 0.0)
        self._project(vectors)

    def add(self, vectors: FloatArray, *, least: float) -> None:
        """Take what of some directions of length 1 is new and longer than `least`, and project the series on it."""
        new: FloatArray = vectors.astype(np.float64)
        for _ in range(2):  # once more for what rounding leaves
            new -= self.vectors @ (self.vectors.T @ new)
        new, size, _ = linalg.qr(new, mode="economic", pivoting=True)
        extent = np.abs(np.diag(size))
        # What is left of directions that are there already is rounding; taken as new, it would be counted twice.
        room = max(0, self.series.n_frames - self.vectors.shape[1])
        self._project(new[:, extent > least][:, :room].astype(np.float32))

    def _project(self, new: FloatArray) -> None:
        first = self.vectors.shape[1]
        self.vectors = np.concatenate([self.vectors, new], axis=1)
        last = self.vectors.shape[1]
        if last > len(self._store):
            room = np.zeros((last - len(self._store), len(self.valid)), dtype=np.float32)
            self._store = np.concatenate([self._store, room])
        part = self._store[first:last]

        def along(rows: np.ndarray) -> None:
            product = new.T @ _unit(self.series, rows)
            part[:, rows] = product
            self.loss[rows] -= np.einsum("kg,kg->g", product, product)

        side_by_side(along, _row_blocks(self.valid))
        self.loss = np.maximum(self.loss, 0)

    def data(self, tolerance: float) -> FloatArray:
        """Return the series along the directions, without the last ones that the tolerance can spare."""
        whole = self._store
        keep = self.vectors.shape[1]
        while keep > 1:
            loss = self.loss + whole[keep - 1].astype(np.float64) ** 2
            if loss.max() > tolerance:
                break
            self.loss, keep = loss, keep - 1
        return whole[:keep]


def _principal(sample: FloatArray, tolerance: float) -> tuple[FloatArray, int]:
    """Directions of the frame axis by falling variance, and how many keep all of the sample but the tolerance."""
    _, vectors = linalg.eigh(sample @ sample.T, overwrite_a=True, driver="evd")
    vectors = np.ascontiguousarray(vectors[:, ::-1], dtype=np.float32)
    energy = (vectors.T @ sample) ** 2
    left = np.cumsum(energy[::-1], axis=0)[::-1].max(axis=1)  # the worst loss when this direction and later ones go
    below = np.flatnonzero(left <= _MARGIN * tolerance)
    return vectors, max(1, int(below[0]) if below.size else vectors.shape[1])


def _unit(series: Timeseries, rows: np.ndarray) -> FloatArray:
    """Demean some grayordinates and bring them to length 1; (frame, row) float32."""
    first, last = int(rows[0]), int(rows[-1])
    whole = last - first + 1 == len(rows)
    block = series.data[:, first : last + 1] if whole else series.data[:, rows]
    mean = block.mean(axis=0, dtype=np.float64)
    # A series may lie far from 0: what is left is rounded only after the mean is gone.
    centred: FloatArray = np.subtract(block, mean.astype(np.float32), dtype=np.float32)
    centred -= centred.mean(axis=0, dtype=np.float32)
    length = np.sqrt(np.einsum("tg,tg->g", centred, centred))
    centred /= np.maximum(length, np.finfo(np.float32).tiny)
    return centred


def _row_blocks(valid: BoolArray) -> Iterator[np.ndarray]:
    rows = np.flatnonzero(valid)
    for part in blocks(len(rows)):
        yield rows[part]
