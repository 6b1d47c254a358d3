"""Denoise a simulated session as a pipeline would have done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from actionloop import facts
from actionloop.phantom.series import Session
from actionloop.signal import global_signal, motion24
from actionloop.types import BoolArray, FloatArray, Timeseries

_ROWS = 8192
_ORDER = 2


def kept_frames(session: Session) -> BoolArray:
    """Frames that moved no more than the threshold in data/phantom.toml; shape (frame,)."""
    keep: BoolArray = session.fd_mm <= float(facts.load("phantom")["denoising"]["fd_threshold_mm"])
    return keep


def denoise(session: Session, *, with_global_signal: bool, filtered: bool) -> Timeseries:
    """Regress 24 motion parameters, trends and perhaps the global signal, fill in moved frames, filter.

    The fit uses the kept frames only; the others are interpolated between their neighbours, and stay in the series.

    Parameters
    ----------
    session : Session
        Its series is overwritten, to save memory.
    with_global_signal : bool
    filtered : bool
        Butterworth band-pass, as data/phantom.toml states.

    Returns
    -------
    Timeseries
        Mean about 0.
    """
    series, keep = session.series, kept_frames(session)
    n_frames = series.n_frames
    time = np.linspace(-1, 1, n_frames)
    columns = [np.ones((n_frames, 1)), np.stack([time, time**2, time**3], axis=1), motion24(session.motion)]
    if with_global_signal:
        columns.append(global_signal(series)[:, None])
    operator: FloatArray = _interpolation(keep) @ _residual(np.concatenate(columns, axis=1), keep)
    if filtered:
        low, high = facts.load("phantom")["denoising"]["band_hz"]
        operator = _band_pass(operator, tr_s=series.tr_s, band_hz=(float(low), float(high)))
    matrix = operator.astype(np.float32)
    data = series.data
    for first in range(0, data.shape[1], _ROWS):
        block = data[:, first : first + _ROWS]
        data[:, first : first + _ROWS] = matrix @ (block - block.mean(axis=0))
    steps = ["24 motion parameters and trends regressed", "moved frames interpolated"]
    steps += ["global signal regressed"] if with_global_signal else []
    steps += ["band-pass"] if filtered else []
    return replace(series, data=data, steps=(*series.steps, *steps))


def _residual(confounds: FloatArray, keep: BoolArray) -> FloatArray:
    """(frame, frame) matrix that subtracts what the confounds explain in the kept frames."""
    size = np.linalg.norm(confounds, axis=0)
    scaled = confounds[:, size > 0] / size[size > 0]
    fit = np.zeros((scaled.shape[1], len(keep)))
    fit[:, keep] = np.linalg.pinv(scaled[keep])
    return np.asarray(np.eye(len(keep)) - scaled @ fit)


def _interpolation(keep: BoolArray) -> FloatArray:
    """(frame, frame) matrix that fills frames left out from the nearest kept ones on both sides."""
    kept = np.flatnonzero(keep)
    columns = np.zeros((len(keep), len(keep)))
    weights = np.eye(len(kept))
    for position, frame in enumerate(kept):
        columns[:, frame] = np.interp(np.arange(len(keep)), kept, weights[position])
    return columns


def _band_pass(columns: FloatArray, *, tr_s: float, band_hz: tuple[float, float]) -> FloatArray:
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, band_hz, btype="bandpass", fs=1 / tr_s, output="sos")
    return np.asarray(sosfiltfilt(sections, columns, axis=0))
