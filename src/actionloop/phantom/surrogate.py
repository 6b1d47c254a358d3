"""Noise in the likeness of one scan: its spectrum, its smoothness along the cortex, its gaps, and no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import nnls

from actionloop.phantom.noise import kernel
from actionloop.phantom.realism import DISTANCES_MM, correlation_over_distance, neighbours_at
from actionloop.signal import standardise, valid_rows
from actionloop.types import BoolArray, FloatArray, Grayordinates, Timeseries

WIDTHS_MM = (3.0, 4.5, 6.5, 9.0, 13.0, 20.0, 30.0, 45.0)
"""Full widths at half maximum of the Gaussian kernels that are mixed."""

_STRICT = 100.0
"""Weight of the condition that the shares add up to 1, against the fit of each distance."""

_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Surrogate:
    """What surrogates of one scan are drawn from.

    Attributes
    ----------
    shares : mapping of float to float
        Share of the variance by kernel width in mm (0 is noise without any smoothness); adds up to 1.
    power : (frequency,) float64 ndarray
        Mean power of the scan's vertices from 0 to the Nyquist frequency.
    n_frames : int
    tr_s : float
    valid : (grayordinate,) bool ndarray
        Rows that carry signal; the others stay empty.
    grayordinates : Grayordinates
    """

    shares: Mapping[float, float]
    power: FloatArray
    n_frames: int
    tr_s: float
    valid: BoolArray
    grayordinates: Grayordinates

    def draw(self, rng: Generator) -> Timeseries:
        """Draw one surrogate.

        Parameters
        ----------
        rng : Generator

        Returns
        -------
        Timeseries
            (frame, 59412), variance about 1 in every row that the scan has signal in.
        """
        rows = np.zeros((len(self.grayordinates), self.n_frames), dtype=np.float32)
        for width_mm, share in self.shares.items():
            loud = np.float32(np.sqrt(share))
            if width_mm > 0:
                field = kernel(width_mm, cortex_only=True)
                rows += loud * field.spread(self._noise(rng, field.n_nodes))
            else:
                rows += loud * self._noise(rng, len(rows))
        rows[~self.valid] = 0
        steps = ("surrogate: noise with the spectrum and the smoothness of a scan",)
        return Timeseries(np.ascontiguousarray(rows.T), self.grayordinates, self.tr_s, "surrogate", steps)

    def _noise(self, rng: Generator, n_rows: int) -> FloatArray:
        """Independent series with the scan's spectrum; (row, frame)."""
        # Twice as long, and cut: the end of a series must not run on into its start.
        length = next_fast_len(2 * self.n_frames, real=True)
        place = np.linspace(0, len(self.power) - 1, length // 2 + 1)
        gain = np.sqrt(np.interp(place, np.arange(len(self.power)), self.power))
        gain = (gain / np.sqrt((gain**2).mean())).astype(np.float32)
        out = np.empty((n_rows, self.n_frames), dtype=np.float32)
        for first in range(0, n_rows, _ROWS):
            part = out[first : first + _ROWS]
            white = rng.standard_normal((len(part), length), dtype=np.float32)
            part[:] = irfft(rfft(white, axis=1) * gain, n=length, axis=1)[:, : self.n_frames]
        return out


def fit_surrogate(series: Timeseries) -> Surrogate:
    """Measure the spectrum and the smoothness of a scan, for surrogates of it.

    The smoothness is a mixture of Gaussian kernels of several widths, each over straight distances between the
    vertices of the template's midthickness, as noise in a volume spreads; non-negative least squares gives their
    shares, so that vertices 3, 6, 10 and 20 mm apart correlate as they do in the scan.

    Parameters
    ----------
    series : Timeseries
        Cleaned, on the 59,412 cortical rows; rows may be zero (dropout).

    Returns
    -------
    Surrogate

    Raises
    ------
    SignalError
        No row carries signal.
    """
    valid = valid_rows(series)
    unit = standardise(series).data
    wanted = np.array(correlation_over_distance(unit, valid))
    given = np.concatenate([np.zeros((len(wanted), 1)), _kernel_correlations(valid)], axis=1)
    system = np.concatenate([given, _STRICT * np.ones((1, given.shape[1]))])
    shares, _ = nnls(system, np.append(wanted, _STRICT))
    shares = shares / shares.sum()
    mixed = {width: float(share) for width, share in zip((0.0, *WIDTHS_MM), shares, strict=True) if share > 1e-6}
    return Surrogate(mixed, _mean_power(unit, valid), series.n_frames, series.tr_s, valid, series.grayordinates)


def _mean_power(unit: FloatArray, valid: BoolArray) -> FloatArray:
    total = np.zeros(len(unit) // 2 + 1)
    rows = np.flatnonzero(valid)
    for first in range(0, len(rows), _ROWS):
        spectrum = rfft(unit[:, rows[first : first + _ROWS]], axis=0)
        total += (np.abs(spectrum) ** 2).sum(axis=1, dtype=np.float64)
    return np.asarray(total / max(len(rows), 1))


def _kernel_correlations(valid: BoolArray) -> FloatArray:
    """Correlation over distance of white noise smoothed by each kernel; (distance, kernel). Exact, not from a draw."""
    pairs = [
        (np.full(len(ring), source), ring, np.full(len(ring), i))
        for source, rings in neighbours_at(valid)
        for i, ring in enumerate(rings)
    ]
    one, other, distance = (np.concatenate(column) for column in zip(*pairs, strict=True))
    count = np.maximum(np.bincount(distance, minlength=len(DISTANCES_MM)), 1)
    columns = []
    for width_mm in WIDTHS_MM:
        weights = kernel(width_mm, cortex_only=True).weights
        shared = np.concatenate(
            [
                np.asarray(weights[one[part]].multiply(weights[other[part]]).sum(axis=1)).ravel()
                for part in np.array_split(np.arange(len(one)), 1 + len(one) // 50_000)
            ]
        )
        columns.append(np.bincount(distance, weights=shared, minlength=len(DISTANCES_MM)) / count)
    return np.stack(columns, axis=1)
