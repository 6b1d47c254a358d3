"""Plain, named cleaning of runs that nobody denoised."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError, SignalError
from actionloop.signal.series import blocks, frame_mask, global_signal, valid_rows
from actionloop.types import BoolArray, FloatArray, Timeseries

_SHORTEST_FILTERED = 40
"""Frames below which the Butterworth filter has no room for its padding."""


@dataclass(frozen=True)
class Cleaning:
    """What is removed from a run; defaults in cleaning.toml.

    Attributes
    ----------
    name : str
        For the report, e.g. '24P+GSR+censoring'.
    motion24 : bool
        Regress the six motion parameters, their derivatives, and the squares of both.
    global_signal : bool
        Regress the mean signal.
    fd_threshold_mm : float or None
        Leave out frames that moved more; None keeps all.
    band_hz : (float, float) or None
        Butterworth band-pass; None for no filter.
    version : int
    """

    name: str
    motion24: bool = True
    global_signal: bool = True
    fd_threshold_mm: float | None = None
    band_hz: tuple[float, float] | None = None
    version: int = 0

    def __post_init__(self) -> None:
        if self.fd_threshold_mm is not None and not self.fd_threshold_mm > 0:
            raise OptionError(f"the motion threshold must be above 0 mm, found {self.fd_threshold_mm}")
        if self.band_hz is not None and not 0 < self.band_hz[0] < self.band_hz[1]:
            raise OptionError(f"the pass band must be two rising frequencies in Hz, found {self.band_hz}")


def plain_cleaning(*, with_global_signal: bool = True) -> Cleaning:
    """Return the default cleaning, or the same without global signal regression."""
    plain = facts.load("cleaning")["plain"]
    name = str(plain["name"])
    return Cleaning(
        name=name if with_global_signal else name.replace("+GSR", ""),
        motion24=bool(plain["motion24"]),
        global_signal=bool(plain["global_signal"]) and with_global_signal,
        fd_threshold_mm=float(plain["fd_threshold_mm"]),
        band_hz=(float(plain["band_hz"][0]), float(plain["band_hz"][1])),
        version=int(plain["version"]),
    )


def clean(
    series: Timeseries,
    motion: FloatArray,
    *,
    cleaning: Cleaning,
    fd_mm: FloatArray | None = None,
    keep: BoolArray | None = None,
) -> tuple[Timeseries, BoolArray]:
    """Detrend, filter, censor and regress one run.

    Censored frames are filled in before the filter and dropped after it; confounds are filtered alike and fitted on
    the kept frames only.

    Parameters
    ----------
    series : Timeseries
        One run, preprocessed, not denoised.
    motion : (frame, 6) float ndarray
        Three translations (mm), three rotations (rad).
    cleaning : Cleaning
    fd_mm : (frame,) float ndarray, optional
        Framewise displacement; computed from `motion` if absent. NaN (first frame) counts as 0.
    keep : (frame,) bool ndarray, optional
        False for frames to drop whatever their motion, for example before steady state.

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
    motion = _checked_motion(motion, series)
    fd_mm = framewise_displacement(motion) if fd_mm is None else np.nan_to_num(np.asarray(fd_mm, dtype=np.float64))
    if fd_mm.shape != (series.n_frames,):
        raise SignalError(
            f"expected framewise displacement of {series.n_frames} frames, found {fd_mm.shape}",
            where=series.source or None,
        )
    kept = frame_mask(keep, series).copy()
    if cleaning.fd_threshold_mm is not None:
        kept &= fd_mm <= cleaning.fd_threshold_mm
    frame_mask(kept, series)
    confounds = _confounds(series, motion, cleaning)
    _check_room(series, kept, 0 if confounds is None else confounds.shape[1], cleaning)
    out = np.zeros((int(kept.sum()), series.data.shape[1]), dtype=np.float32)
    varies = valid_rows(series)
    # Every step is linear in time, so cleaning one unit pulse per frame gives the matrix that cleans any signal.
    operator = _clean_columns(np.eye(series.n_frames), confounds, kept, series.tr_s, cleaning.band_hz)
    for part in blocks(out.shape[1]):
        block = series.data[:, part].astype(np.float64)
        block -= block.mean(axis=0)
        cleaned = operator @ block
        cleaned -= cleaned.mean(axis=0)
        explained = cleaned.std(axis=0) <= 1e-6 * block.std(axis=0)
        out[:, part] = np.where(varies[part] & ~explained, cleaned, 0)
    return replace(series, data=out, steps=(*series.steps, _in_words(cleaning, kept))), kept


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


def _confounds(series: Timeseries, motion: FloatArray, cleaning: Cleaning) -> FloatArray | None:
    columns = []
    if cleaning.motion24:
        columns.append(motion24(motion))
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
            fix="leave this run out (--session-label, --run-id), or give data that were denoised elsewhere (XCP-D)",
        )


def _in_words(cleaning: Cleaning, kept: BoolArray) -> str:
    parts = ["detrended"]
    if cleaning.band_hz is not None:
        parts.append(f"band-pass {cleaning.band_hz[0]:g}-{cleaning.band_hz[1]:g} Hz")
    removed = [name for name, on in (("24 motion parameters", cleaning.motion24),) if on]
    removed += ["global signal"] if cleaning.global_signal else []
    if removed:
        parts.append(f"regressed on {' and '.join(removed)}")
    if cleaning.fd_threshold_mm is not None:
        parts.append(f"frames with FD > {cleaning.fd_threshold_mm:g} mm left out")
    return f"{cleaning.name}: {', '.join(parts)} ({int(kept.sum())} of {len(kept)} frames kept)"


def motion24(motion: FloatArray) -> FloatArray:
    """Six motion parameters, their backward differences, and the squares of both.

    Parameters
    ----------
    motion : (frame, 6) float ndarray

    Returns
    -------
    (frame, 24) float64 ndarray
        The first frame has differences 0.

    References
    ----------
    .. [1] Friston et al. 1996, doi:10.1002/mrm.1910350312 (with differences instead of past positions)
    """
    motion = _checked_motion(motion, None)
    both = np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1])], axis=1)
    return np.concatenate([both, both**2], axis=1)


def framewise_displacement(motion: FloatArray, *, radius_mm: float | None = None) -> FloatArray:
    """Sum of the absolute changes of six motion parameters, rotations as arcs on a sphere.

    Parameters
    ----------
    motion : (frame, 6) float ndarray
        Three translations (mm), three rotations (rad).
    radius_mm : float, optional
        Of the sphere; 50 mm, from cleaning.toml.

    Returns
    -------
    (frame,) float64 ndarray
        mm; the first frame has 0.

    References
    ----------
    .. [1] Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018
    """
    motion = _checked_motion(motion, None)
    if radius_mm is None:
        radius_mm = float(facts.load("cleaning")["framewise_displacement"]["radius_mm"])
    change = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    displacement: FloatArray = change[:, :3].sum(axis=1) + radius_mm * change[:, 3:].sum(axis=1)
    return displacement


def _checked_motion(motion: FloatArray, series: Timeseries | None) -> FloatArray:
    where = (series.source or None) if series is not None else None
    motion = np.asarray(motion, dtype=np.float64)
    if motion.ndim != 2 or motion.shape[1] != 6:
        raise SignalError(f"expected motion parameters of shape (frame, 6), found {motion.shape}", where=where)
    if series is not None and len(motion) != series.n_frames:
        raise SignalError(
            f"the series has {series.n_frames} frames, the motion parameters {len(motion)}",
            where=where,
            fix="check that the confounds table belongs to this run",
        )
    if not np.isfinite(motion).all():
        raise SignalError("motion parameters hold NaN or infinite values", where=where)
    if np.abs(motion[:, 3:]).max(initial=0) > np.pi / 4:
        raise SignalError(
            f"a head rotation of {np.abs(motion[:, 3:]).max():.2f} rad is not possible in a scanner",
            where=where,
            fix="rotations must be in radians, in the last three columns",
        )
    return motion
