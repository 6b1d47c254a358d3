"""Remove confounds by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actionloop.errors import SignalError
from actionloop.signal.series import blocks, frame_mask, valid_rows
from actionloop.types import BoolArray, FloatArray, Timeseries


def regress(
    series: Timeseries, confounds: FloatArray, *, names: Sequence[str], keep: BoolArray | None = None
) -> Timeseries:
    """Remove confounds and the mean from every grayordinate by least squares.

    Collinear and constant confounds do no harm: only the space they span counts.

    Parameters
    ----------
    series : Timeseries
    confounds : (frame, confound) float ndarray
        Filtered like the series, or removing them puts back what the filter took out.
    names : sequence of str
        One per confound, for errors and the methods paragraph.
    keep : (frame,) bool ndarray, optional
        Frames to fit on and to return; all by default. Confounds may be NaN elsewhere.

    Returns
    -------
    Timeseries
        The kept frames; float32. A grayordinate that is constant, or that the confounds explain wholly, becomes zero.

    Raises
    ------
    SignalError
        Shapes that do not fit, NaN in a confound, or no more frames than confounds.
    """
    where = series.source or None
    confounds = np.asarray(confounds)
    if confounds.ndim != 2 or len(confounds) != series.n_frames:
        raise SignalError(
            f"expected confounds of shape ({series.n_frames}, k), found {confounds.shape}",
            where=where,
            fix="check that the confounds table belongs to this run",
        )
    if len(names) != confounds.shape[1]:
        raise SignalError(f"{len(names)} names were given for {confounds.shape[1]} confounds", where=where)
    keep = frame_mask(keep, series)
    kept = confounds[keep].astype(np.float64)
    bad = [name for name, column in zip(names, kept.T, strict=True) if not np.isfinite(column).all()]
    if bad:
        raise SignalError(f"confounds hold NaN or infinite values: {', '.join(bad)}", where=where)
    basis = _orthonormal(kept)
    if basis.shape[1] >= len(kept):
        raise SignalError(
            f"{len(kept)} frames cannot carry {basis.shape[1]} independent confounds",
            where=where,
            fix="use fewer confounds or more frames",
        )
    out = np.zeros((len(kept), series.data.shape[1]), dtype=np.float32)
    varies = valid_rows(series)
    for part in blocks(out.shape[1]):
        block = series.data[:, part][keep].astype(np.float64)
        block -= block.mean(axis=0)
        before = block.std(axis=0)
        block -= basis @ (basis.T @ block)
        explained = block.std(axis=0) <= 1e-6 * before
        out[:, part] = np.where(varies[part] & ~explained, block, 0)
    step = f"regressed on {_listed(names)}" if len(names) else "demeaned"
    return replace(series, data=out, steps=(*series.steps, step))


def bandpass(columns: FloatArray, *, tr_s: float, band_hz: tuple[float, float]) -> FloatArray:
    """Band-pass columns as `clean` (nilearn) does: fifth-order Butterworth, to and fro, after removing the mean.

    Parameters
    ----------
    columns : (frame, column) float ndarray
    tr_s : float
    band_hz : (float, float)

    Returns
    -------
    (frame, column) float64 ndarray

    Raises
    ------
    SignalError
        The band does not fit below the Nyquist frequency, or there are too few frames.
    """
    from scipy.signal import butter, sosfiltfilt

    columns = np.array(columns, dtype=np.float64)
    low, high = band_hz
    if columns.ndim != 2 or len(columns) < 1 / (low * tr_s) or not high < 0.5 / tr_s:
        raise SignalError(
            f"{columns.shape} columns sampled every {tr_s:g} s cannot be band-passed to {low:g}-{high:g} Hz"
        )
    columns -= columns.mean(axis=0)
    sections = butter(5, (low, high), btype="band", fs=1 / tr_s, output="sos")
    filtered: FloatArray = sosfiltfilt(sections, columns, axis=0)
    return filtered


def _orthonormal(confounds: FloatArray) -> FloatArray:
    """Orthonormal basis of the intercept and the confounds; shape (frame, rank)."""
    centred = confounds - confounds.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varies = length > 1e-10 * np.linalg.norm(confounds, axis=0)
    centred = centred[:, varies] / length[varies]
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    rank = int((size > 1e-8 * size.max(initial=0)).sum())
    mean = np.full((len(confounds), 1), 1 / np.sqrt(len(confounds)))
    return np.concatenate([mean, left[:, :rank]], axis=1)


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)} confounds" if len(names) > 8 else ", ".join(names)
