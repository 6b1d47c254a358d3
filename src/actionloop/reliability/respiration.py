"""What breathing leaves in a scan that nobody recorded breathing in: regressors from motion and the global signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts, signal
from actionloop.errors import SignalError
from actionloop.types import BoolArray, FloatArray, Timeseries


@dataclass(frozen=True, eq=False)
class RunTrace:
    """One run as it was scanned.

    Attributes
    ----------
    shift_mm : (frame,) float ndarray or None
        Head translation along the phase-encode axis, of every frame; None where it is not known.
    kept : (frame,) bool ndarray
        Frames that are left in the series.
    band_hz : (float, float) or None
        Band the series was filtered to.
    """

    shift_mm: FloatArray | None
    kept: BoolArray
    band_hz: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Breathing:
    """Regressors for the frames of a joined series.

    Attributes
    ----------
    columns : (frame, regressor) float64 ndarray
    names : tuple of str
    words : str
        Where they come from, and what could not be had.
    """

    columns: FloatArray
    names: tuple[str, ...]
    words: str


def respiration_regressors(
    traces: Sequence[RunTrace], *, tr_s: float, global_signal: FloatArray | None = None
) -> Breathing:
    """Make regressors of breathing without a belt.

    From motion: breathing moves the field, and with it the image, along the phase-encode axis [1]_ [2]_. The spread of
    that movement in a sliding window stands for the depth of breathing, as it does for a belt [3]_ [4]_; convolved with
    the respiration response function [5]_, and its derivative, it stands for the slow change of the signal. From the
    global signal, much of which is the response to breathing [6]_: its derivative, to first order what is left of it
    where the response comes earlier or later than on average, which it does across the cortex [4]_. The global signal
    itself is no part of this.

    Parameters
    ----------
    traces : sequence of RunTrace
        In the order of the runs; their kept frames make up the series.
    tr_s : float
    global_signal : (frame,) float ndarray, optional
        Of the joined series' frames, before its removal.

    Returns
    -------
    Breathing
        Without columns where neither is known.

    Raises
    ------
    SignalError
        A global signal of other frames.

    References
    ----------
    .. [1] Fair et al. 2020, doi:10.1016/j.neuroimage.2019.116400
    .. [2] Power et al. 2019, doi:10.1016/j.neuroimage.2019.116041
    .. [3] Power et al. 2020, doi:10.1016/j.neuroimage.2019.116234
    .. [4] Chang & Glover 2009, doi:10.1016/j.neuroimage.2009.04.048
    .. [5] Birn et al. 2008, doi:10.1016/j.neuroimage.2007.11.059
    .. [6] Power et al. 2017, doi:10.1016/j.neuroimage.2016.09.038
    """
    columns: list[FloatArray] = []
    names: list[str] = []
    said: list[str] = []
    why = _no_motion(traces, tr_s)
    if why:
        said.append(f"motion was not used ({why})")
    else:
        columns.append(np.concatenate([_from_motion(trace, tr_s) for trace in traces]))
        names += ["depth of breathing from motion", "its derivative"]
        said.append("depth of breathing from movement along the phase-encode axis, and its derivative")
    if global_signal is None:
        said.append("the global signal was not used (it had been removed before)")
    else:
        columns.append(_global_derivative(np.asarray(global_signal, dtype=np.float64), traces))
        names.append("derivative of the global signal")
        said.append("derivative of the global signal")
    n_frames = sum(int(trace.kept.sum()) for trace in traces)
    joined = np.concatenate(columns, axis=1) if columns else np.zeros((n_frames, 0))
    return Breathing(joined, tuple(names), "; ".join(said))


def remove_respiration(series: Timeseries, breathing: Breathing, *, with_global_signal: bool) -> Timeseries:
    """Regress breathing, and the global signal where it is still there, out of a series.

    Parameters
    ----------
    series : Timeseries
    breathing : Breathing
    with_global_signal : bool
        Regress the mean of the series too.

    Returns
    -------
    Timeseries
    """
    columns, names = breathing.columns, list(breathing.names)
    if with_global_signal:
        columns = np.concatenate([columns, signal.global_signal(series)[:, None]], axis=1)
        names.append("global signal")
    return signal.regress(series, columns, names=names)


def has_global_signal(series: Timeseries) -> bool:
    """Tell whether the mean of all rows is more than what its removal leaves (`least_share` in reliability.toml)."""
    valid = signal.valid_rows(series)
    rows = float(np.mean(series.data[:, valid].var(axis=0)))
    return float(signal.global_signal(series).var()) > float(_settings()["least_share"]) * rows


def explained(series: Timeseries, columns: FloatArray) -> float:
    """Share of the variance that regressors explain, mean over the rows that vary; columns (frame, regressor)."""
    basis = np.linalg.qr(columns - columns.mean(axis=0))[0]
    r = signal.correlate(series, basis)
    return float((r**2).sum(axis=0)[signal.valid_rows(series)].mean())


def explained_by_chance(series: Timeseries, columns: FloatArray, *, rng: Generator) -> float:
    """Share of the variance that the same regressors explain with random phases; mean over some draws.

    Slow regressors explain some of any slow series: only what is above this is theirs.
    """
    spectrum = np.fft.rfft(columns - columns.mean(axis=0), axis=0)
    shares = []
    for _ in range(int(_settings()["surrogates"])):
        phase = np.exp(2j * np.pi * rng.random((len(spectrum), 1)))
        shares.append(explained(series, np.fft.irfft(spectrum * phase, n=len(columns), axis=0)))
    return float(np.mean(shares))


def breathing_depth(shift_mm: FloatArray, *, tr_s: float) -> FloatArray:
    """Spread of movement at the frequencies of breathing in a sliding window.

    Parameters
    ----------
    shift_mm : (frame,) float ndarray
    tr_s : float

    Returns
    -------
    (frame,) float64 ndarray
        mm; high outliers (a burst of movement is no breath) are clipped.
    """
    from scipy.ndimage import uniform_filter1d

    how = _settings()
    low, high = how["band_hz"]
    band_hz = (float(low), min(float(high), float(how["nyquist_share"]) * 0.5 / tr_s))
    fast = signal.bandpass(np.asarray(shift_mm, dtype=np.float64)[:, None], tr_s=tr_s, band_hz=band_hz)[:, 0]
    width = max(3, round(float(how["window_s"]) / tr_s))
    variance = uniform_filter1d(fast**2, width) - uniform_filter1d(fast, width) ** 2
    depth = np.sqrt(np.maximum(variance, 0))
    middle = np.median(depth)
    spread = 1.4826 * np.median(np.abs(depth - middle))
    return np.minimum(depth, middle + float(how["clip_sd"]) * spread) if spread > 0 else depth


def respiration_response(tr_s: float) -> FloatArray:
    """Signal after one deep breath, at frames; (frame,), its largest value 1 (Birn et al. 2008, equation 3)."""
    how = _settings()
    seconds = np.arange(0, float(how["response_s"]), tr_s)
    (a, p, t), (b, q, u) = how["response"]
    response = a * seconds**p * np.exp(-seconds / t) - b * seconds**q * np.exp(-seconds / u)
    return np.asarray(response / np.abs(response).max())


def _from_motion(trace: RunTrace, tr_s: float) -> FloatArray:
    """Response to breathing and its derivative, at the kept frames; (kept frame, 2)."""
    assert trace.shift_mm is not None
    depth = breathing_depth(trace.shift_mm, tr_s=tr_s)
    slow = np.convolve(depth - depth.mean(), respiration_response(tr_s))[: len(depth)]
    columns = np.stack([slow, np.gradient(slow)], axis=1)
    if trace.band_hz is not None:
        columns = signal.bandpass(columns, tr_s=tr_s, band_hz=trace.band_hz)
    return _standard(columns[trace.kept])


def _global_derivative(values: FloatArray, traces: Sequence[RunTrace]) -> FloatArray:
    """Slope within each run, over gaps filled by straight lines; (frame, 1)."""
    n_frames = sum(int(trace.kept.sum()) for trace in traces)
    if values.shape != (n_frames,):
        raise SignalError(f"expected a global signal of {n_frames} frames, found {values.shape}")
    out, first = [], 0
    for trace in traces:
        at = np.flatnonzero(trace.kept)
        filled = np.interp(np.arange(len(trace.kept)), at, values[first : first + len(at)])
        slope = np.gradient(filled) if len(filled) > 1 else np.zeros_like(filled)
        out.append(_standard(slope[at][:, None]))
        first += len(at)
    return np.concatenate(out)


def _standard(columns: FloatArray) -> FloatArray:
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    scaled: FloatArray = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return scaled


def _no_motion(traces: Sequence[RunTrace], tr_s: float) -> str:
    """Why motion tells nothing of breathing; '' where it does."""
    how = _settings()
    if not traces or any(trace.shift_mm is None for trace in traces):
        return "motion parameters of every run are needed"
    if 0.5 / tr_s < float(how["least_nyquist_hz"]):
        return f"at a repetition time of {tr_s:g} s breathing is too fast to be seen"
    shortest = float(how["least_s"])
    if any(len(trace.kept) * tr_s < shortest for trace in traces):
        return f"a run is shorter than {shortest:g} s"
    return ""


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = facts.load("reliability")["respiration"]
    return found
