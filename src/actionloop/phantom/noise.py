"""Noise with a given spectrum in time and a given smoothness in space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy import sparse
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.spatial import cKDTree

from actionloop.phantom.template import template
from actionloop.types import FloatArray

REFERENCE_BAND_HZ = (0.01, 0.1)
_REACH_SIGMAS = 2.2
_ROWS = 4096
_SPARE_S = 60.0
"""Drawn and cut off, so that the end of a series does not run on into its start."""


@dataclass(frozen=True)
class Timing:
    """How many frames, and how far apart."""

    n_frames: int
    tr_s: float


@dataclass(frozen=True)
class Spectrum:
    """Power over frequency: (f² + knee²)^(-exponent/2) · exp(-(f / roll_off)²), in Hz; flat without roll-off at 0.

    The variance between 0.01 and 0.1 Hz is 1, whatever the repetition time.
    """

    exponent: float = 0.0
    knee_hz: float = 0.01
    roll_off_hz: float = 0.0

    def gain(self, frequency: FloatArray) -> FloatArray:
        """Amplitude at each frequency, per square root of Hz."""
        fine = np.linspace(*REFERENCE_BAND_HZ, 200)
        power = self._shape(fine)
        in_band = np.sum((power[1:] + power[:-1]) / 2) * (fine[1] - fine[0])
        return np.asarray(np.sqrt(self._shape(frequency) / in_band))

    def _shape(self, frequency: FloatArray) -> FloatArray:
        power = (frequency**2 + self.knee_hz**2) ** (-self.exponent / 2)
        if self.roll_off_hz > 0:
            power = power * np.exp(-((frequency / self.roll_off_hz) ** 2))
        return np.asarray(power)


def coloured(rng: Generator, spectrum: Spectrum, timing: Timing, *, n_rows: int) -> FloatArray:
    """Independent Gaussian series of a given spectrum.

    Parameters
    ----------
    rng : Generator
    spectrum : Spectrum
    timing : Timing
    n_rows : int

    Returns
    -------
    (row, frame) float32 ndarray
        Variance 1 between 0.01 and 0.1 Hz.
    """
    length = next_fast_len(timing.n_frames + round(_SPARE_S / timing.tr_s), real=True)
    frequency = rfftfreq(length, timing.tr_s)
    # White noise of variance s² spreads s² · 2 TR per Hz over 0 to 0.5 / TR.
    gain = (spectrum.gain(frequency) / np.sqrt(2 * timing.tr_s)).astype(np.float32)
    gain[0] = 0
    out = np.empty((n_rows, timing.n_frames), dtype=np.float32)
    for first in range(0, n_rows, _ROWS):
        rows = slice(first, min(first + _ROWS, n_rows))
        white = rng.standard_normal((rows.stop - rows.start, length), dtype=np.float32)
        out[rows] = irfft(rfft(white, axis=1) * gain, n=length, axis=1)[:, : timing.n_frames]
    return out


@dataclass(frozen=True, eq=False)
class Kernel:
    """Gaussian smoothing from a sparse set of points to all rows; every row has variance 1 for white input.

    Attributes
    ----------
    weights : (row, node) float32 csr array
    """

    weights: Any

    @property
    def n_nodes(self) -> int:
        """Number of points that noise is drawn at."""
        return int(self.weights.shape[1])

    def spread(self, nodes: FloatArray) -> FloatArray:
        """Smooth (node, column) float32 to (row, column)."""
        return np.asarray(self.weights @ nodes)


@lru_cache(maxsize=8)
def kernel(fwhm_mm: float, *, cortex_only: bool = False) -> Kernel:
    """Return the kernel of one width over the standard rows, built once.

    Distances are straight lines in the volume, between midthickness vertices and voxels alike: in a real scan too
    noise passes from one bank of a sulcus to the other.

    Parameters
    ----------
    fwhm_mm : float
    cortex_only : bool
        Only the cortical rows.

    Returns
    -------
    Kernel
    """
    sigma = fwhm_mm / np.sqrt(8 * np.log(2))
    points = row_xyz()[: template().grayordinates.n_cortex] if cortex_only else row_xyz()
    nodes = points[_thin(points, sigma)]
    reach = _REACH_SIGMAS * sigma
    near = cKDTree(points).sparse_distance_matrix(cKDTree(nodes), reach, output_type="coo_matrix").tocsr()
    near.data = np.exp(-(near.data**2) / (2 * sigma**2))
    power = np.asarray(near.multiply(near).sum(axis=1)).ravel()
    return Kernel(sparse.csr_array(sparse.diags_array(1 / np.sqrt(power)) @ near).astype(np.float32))


@lru_cache(maxsize=4)
def blur(fwhm_mm: float, *, cortex_only: bool = False) -> Any:
    """Weights that spread every row's signal over its neighbourhood, as blood flow and voxels do.

    Parameters
    ----------
    fwhm_mm : float
    cortex_only : bool

    Returns
    -------
    (row, row) float32 csr array
        Rows sum to 1.
    """
    sigma = fwhm_mm / np.sqrt(8 * np.log(2))
    tree = cKDTree(row_xyz()[: template().grayordinates.n_cortex] if cortex_only else row_xyz())
    near = tree.sparse_distance_matrix(tree, _REACH_SIGMAS * sigma, output_type="coo_matrix").tocsr()
    near.data = np.exp(-(near.data**2) / (2 * sigma**2))
    near.setdiag(1.0)
    total = np.asarray(near.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(1 / total) @ near).astype(np.float32)


def row_xyz() -> FloatArray:
    """Place of each of the 91,282 rows: template midthickness or voxel centre, RAS mm; shape (row, 3)."""
    axis = template().grayordinates
    parts = [template().sides[h].midthickness.vertices[axis.vertices(h)] for h in ("L", "R")]
    return np.concatenate([*parts, template().voxel_xyz])


def _thin(points: FloatArray, spacing: float) -> Any:
    """Index of one point per cube of a grid."""
    cube = np.floor(points / spacing).astype(np.int64)
    return np.unique(cube, axis=0, return_index=True)[1]
