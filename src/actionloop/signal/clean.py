"""Plain, named cleaning of runs that nobody denoised."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from actionloop.errors import SignalError
from actionloop.signal.motion import checked_motion, framewise_displacement, motion24
from actionloop.signal.regress import bandpass
from actionloop.signal.series import blocks, frame_mask, global_signal, valid_rows
from actionloop.signal.strategies import Cleaning, orthogonalise
from actionloop.types import BoolArray, FloatArray, Timeseries

_SHORTEST_FILTERED = 40
"""Frames below which the Butterworth filter has no room for its padding."""


def clean(
    series: Timeseries,
    motion: FloatArray | None,
    *,
    cleaning: Cleaning,
    fd_mm: FloatArray | None = None,
    keep: BoolArray | None = None,
    others: FloatArray | None = None,
    spared: FloatArray | None = None,
    filtered: bool = False,
) -> tuple[Timeseries, BoolArray]:
    """Detrend, filter, censor and regress one run.

    Censored frames are filled in before the filter and dropped after it; confounds are filtered alike and fitted on
    the kept frames only.

    Parameters
    ----------
    series : Timeseries
        One run, preprocessed, not denoised.
    motion : (frame, 6) float ndarray or None
        Three translations (mm), three rotations (rad); None where neither confounds nor `fd_mm` need them.
    cleaning : Cleaning
    fd_mm : (frame,) float ndarray, optional
        Framewise displacement; computed from `motion` if absent. NaN (first frame) counts as 0.
    keep : (frame,) bool ndarray, optional
        False for frames to drop whatever their motion, for example before steady state.
    others : (frame, confound) float ndarray, optional
        Further confounds.
    spared : (frame, column) float ndarray, optional
        What `others` share with these stays in the series.
    filtered : bool
        The series was band-passed before: it is not filtered again, but the confounds are filtered alike.

    Returns
    -------
    Timeseries
        The kept frames, mean 0, float32; constant grayordinates zero.
    keep : (frame,) bool ndarray
        Which frames these are.

    Raises
    ------
    SignalError
        Shapes that do not fit, too little left after censoring for the filter or the confounds, or a band that
        the repetition time cannot carry.

    References
    ----------
    .. [1] Lindquist et al. 2019, doi:10.1002/hbm.24528 (order of filter and regression)
    """
    motion = None if motion is None else checked_motion(motion, series)
    kept = frame_mask(keep, series).copy()
    if cleaning.fd_threshold_mm is not None or fd_mm is not None:
        fd_mm = _displacement(fd_mm, motion, series)
    if cleaning.fd_threshold_mm is not None and fd_mm is not None:
        kept &= fd_mm <= cleaning.fd_threshold_mm
    frame_mask(kept, series)
    tr_s, band_hz = series.tr_s, cleaning.band_hz
    before, during = (band_hz, None) if filtered else (None, band_hz)
    if others is not None and spared is not None and others.size and spared.size:
        others = orthogonalise(
            others,
            spared,
            seen=lambda columns: _clean_columns(_passed(columns, tr_s, before), None, kept, tr_s, during),
        )
    confounds = _confounds(series, motion, cleaning, others)
    _check_room(series, kept, 0 if confounds is None else confounds.shape[1], cleaning)
    confounds = None if confounds is None else _passed(confounds, tr_s, before)
    out = np.zeros((int(kept.sum()), series.data.shape[1]), dtype=np.float32)
    varies = valid_rows(series)
    # Every step is linear in time, so cleaning one unit pulse per frame gives the matrix that cleans any signal.
    operator = _clean_columns(np.eye(series.n_frames), confounds, kept, tr_s, during)
    for part in blocks(out.shape[1]):
        block = series.data[:, part].astype(np.float64)
        block -= block.mean(axis=0)
        cleaned = operator @ block
        cleaned -= cleaned.mean(axis=0)
        explained = cleaned.std(axis=0) <= 1e-6 * block.std(axis=0)
        out[:, part] = np.where(varies[part] & ~explained, cleaned, 0)
    return replace(series, data=out, steps=(*series.steps, _in_words(cleaning, kept, filtered=filtered))), kept


def _passed(columns: FloatArray, tr_s: float, band_hz: tuple[float, float] | None) -> FloatArray:
    return columns if band_hz is None else bandpass(columns, tr_s=tr_s, band_hz=band_hz)


def _clean_columns(
    columns: FloatArray, confounds: FloatArray | None, kept: BoolArray, tr_s: float, band_hz: tuple[float, float] | None
) -> FloatArray:
    """Clean (frame, column) to (kept frame, column)."""
    import nilearn.signal

    with warnings.catch_warnings():
        # It announces another divisor for the confounds' scale, which does not touch the space they span.
        warnings.simplefilter("ignore", DeprecationWarning)
        cleaned: Any = nilearn.signal.clean(
            columns,
            confounds=confounds,
            sample_mask=None if kept.all() else np.flatnonzero(kept),
            t_r=tr_s,
            detrend=True,
            standardize=None,
            standardize_confounds=True,
            filter="butterworth" if band_hz else False,
            high_pass=band_hz[0] if band_hz else None,
            low_pass=band_hz[1] if band_hz else None,
        )
    return np.asarray(cleaned, dtype=np.float64)


def _displacement(fd_mm: FloatArray | None, motion: FloatArray | None, series: Timeseries) -> FloatArray:
    where = series.source or None
    if fd_mm is not None:
        fd_mm = np.nan_to_num(np.asarray(fd_mm, dtype=np.float64))
    elif motion is not None:
        fd_mm = framewise_displacement(motion)
    else:
        raise SignalError(
            "frames cannot be censored: neither framewise displacement nor the six motion parameters are there",
            where=where,
            fix="give them, or keep all frames with --fd-threshold 0",
        )
    if fd_mm.shape != (series.n_frames,):
        raise SignalError(
            f"expected framewise displacement of {series.n_frames} frames, found {fd_mm.shape}", where=where
        )
    return fd_mm


def _confounds(
    series: Timeseries, motion: FloatArray | None, cleaning: Cleaning, others: FloatArray | None
) -> FloatArray | None:
    where = series.source or None
    columns = []
    if cleaning.motion24:
        if motion is None:
            raise SignalError("the motion parameters are to be regressed and are not there", where=where)
        columns.append(motion24(motion))
    if others is not None:
        others = np.asarray(others, dtype=np.float64)
        if others.ndim != 2 or len(others) != series.n_frames or not np.isfinite(others).all():
            raise SignalError(
                f"expected finite confounds of shape ({series.n_frames}, k), found {others.shape}", where=where
            )
        columns.append(others)
    if cleaning.global_signal:
        columns.append(global_signal(series)[:, None])
    if not columns:
        return None
    confounds = np.concatenate(columns, axis=1)
    varying = (confounds != confounds[:1]).any(axis=0)
    return confounds[:, varying] if varying.any() else None


def _check_room(series: Timeseries, kept: BoolArray, n_confounds: int, cleaning: Cleaning) -> None:
    where, left = series.source or None, int(kept.sum())
    room = float(left)
    if cleaning.band_hz is not None:
        low, high = cleaning.band_hz
        if high >= 0.5 / series.tr_s:
            raise SignalError(
                f"a repetition time of {series.tr_s:g} s cannot carry frequencies up to {high:g} Hz",
                where=where,
                fix="check the repetition time, or lower the upper edge of the band",
            )
        span = int(np.ptp(np.flatnonzero(kept))) + 1
        if span < _SHORTEST_FILTERED or span * series.tr_s * low < 1:
            raise SignalError(
                f"a run of {span * series.tr_s:.0f} s ({span} frames) is too short for a filter from {low:g} Hz",
                where=where,
                fix="leave this run out",
            )
        room *= 2 * (high - low) * series.tr_s
    if room <= n_confounds + 2:
        band = "" if cleaning.band_hz is None else f" (about {room:.0f} degrees of freedom in the pass band)"
        raise SignalError(
            f"{left} of {series.n_frames} frames are left after censoring{band}, too few for {n_confounds} confounds",
            where=where,
            fix="leave this run out (--session-label, --run-id), choose a cleaning with fewer confounds (--cleaning), "
            "or give data that were denoised elsewhere (XCP-D)",
        )


def _in_words(cleaning: Cleaning, kept: BoolArray, *, filtered: bool) -> str:
    parts = ["detrended"]
    if cleaning.band_hz is not None:
        band = f"{cleaning.band_hz[0]:g}-{cleaning.band_hz[1]:g} Hz"
        parts.append(f"filtered before, confounds band-passed {band}" if filtered else f"band-pass {band}")
    removed = [name for name, on in (("24 motion parameters", cleaning.motion24),) if on]
    removed += [cleaning.others] if cleaning.others else []
    removed += ["global signal"] if cleaning.global_signal else []
    if removed:
        parts.append(f"regressed on {' and '.join(removed)}")
    if cleaning.fd_threshold_mm is not None:
        parts.append(f"frames with FD > {cleaning.fd_threshold_mm:g} mm left out")
    return f"{cleaning.name}: {', '.join(parts)} ({int(kept.sum())} of {len(kept)} frames kept)"
