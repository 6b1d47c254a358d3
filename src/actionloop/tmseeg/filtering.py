"""Filters that do not ring over the pulse: what lies before and after it is filtered apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from actionloop.errors import OptionError
from actionloop.tmseeg.blending import LEAST_FIT, blend_weights, gap_samples, predict
from actionloop.types import FloatArray, Trials

_ORDER_SHARE = 1 / 3
_LARGEST_RATIO = 1000


@dataclass(frozen=True)
class Apart:
    """How the parts before and after the pulse are kept apart.

    Attributes
    ----------
    gap_s : (float, float)
        Window around the pulse; within it the two parts are blended.
    fit_s : (float, float)
        Time before and after the window that the continuation is fitted to.
    extend_s : float
        How long each part is continued past the window's edge, by autoregressive prediction.
    """

    gap_s: tuple[float, float]
    fit_s: tuple[float, float]
    extend_s: float


def apply_apart(trials: Trials, change: Callable[[FloatArray], FloatArray], *, apart: Apart) -> Trials:
    """Apply a filter to the part before the pulse and to the part after it, each continued past the pulse.

    Neither part sees a sample of the other, so that nothing leaks from after the pulse to before it or back.

    Parameters
    ----------
    trials : Trials
    change : callable
        Filter of (series, sample), with as many samples out as in.
    apart : Apart

    Returns
    -------
    Trials

    Raises
    ------
    SignalError
        The window holds no sample, or nothing is left before or after it.
    """
    n_samples, rate = trials.data.shape[2], trials.sfreq_hz
    gap = gap_samples(trials.start_s, rate, n_samples, apart.gap_s)
    count, extra = gap.stop - gap.start, max(gap.stop - gap.start, round(apart.extend_s * rate))
    before, after = (max(LEAST_FIT, round(one * rate)) for one in apart.fit_s)
    weights = blend_weights(count)
    out = np.empty_like(trials.data)
    for source, target in zip(trials.data, out, strict=True):
        early, late = source[:, : gap.start], source[:, gap.stop :]
        early = np.concatenate((early, _continued(early[:, -before:], extra)), axis=1)
        late = np.concatenate((_continued(late[:, after - 1 :: -1], extra)[:, ::-1], late), axis=1)
        early, late = change(early), change(late)
        target[:, : gap.start] = early[:, : gap.start]
        target[:, gap.stop :] = late[:, extra:]
        target[:, gap] = weights * early[:, gap] + (1 - weights) * late[:, extra - count : extra]
    return trials.with_data(out)


def _continued(series: FloatArray, count: int) -> FloatArray:
    return predict(series, count, order=int(np.ceil(series.shape[1] * _ORDER_SHARE)))


def butterworth(
    kind: Literal["highpass", "lowpass", "bandstop"], *cutoffs_hz: float, order: int, sfreq_hz: float
) -> Callable[[FloatArray], FloatArray]:
    """Zero-phase Butterworth filter of (series, sample).

    Parameters
    ----------
    kind : {'highpass', 'lowpass', 'bandstop'}
    cutoffs_hz : float
        One, or the two ends of a band.
    order : int
        Of the whole filter, run forwards and backwards: an even number, 2 at least.
    sfreq_hz : float

    Raises
    ------
    OptionError
        A cut-off beyond half the sampling rate, an odd order.
    """
    from scipy.signal import butter, sosfiltfilt

    if min(cutoffs_hz) <= 0 or max(cutoffs_hz) >= sfreq_hz / 2:
        raise OptionError(
            f"a cut-off lies between 0 and half the sampling rate, {sfreq_hz / 2:g} Hz; found {cutoffs_hz}",
            fix="change the step's cutoff_hz, or sample less coarsely",
        )
    if order < 2 or order % 2:
        raise OptionError(f"the order of a filter that runs both ways is even, found {order}")
    edges = cutoffs_hz[0] if len(cutoffs_hz) == 1 else cutoffs_hz
    sections = butter(order // 2, edges, btype=kind, fs=sfreq_hz, output="sos")

    def run(series: FloatArray) -> FloatArray:
        pad = min(series.shape[1] - 1, round(sfreq_hz))
        return np.asarray(sosfiltfilt(sections, series, axis=1, padtype="odd", padlen=pad))

    return run


def high_pass(trials: Trials, *, cutoff_hz: float, order: int, apart: Apart) -> Trials:
    """Subtract slow drifts: what a low-pass finds in signals in which the pulse's window is predicted, not measured.

    Inside the window the measured values stay, less the drift, so that a wide window costs no early response.
    """
    run = butterworth("highpass", cutoff_hz, order=order, sfreq_hz=trials.sfreq_hz)
    slow = apply_apart(trials, lambda series: series - run(series), apart=apart)
    return trials.with_data(trials.data - slow.data)


def low_pass(trials: Trials, *, cutoff_hz: float, order: int, apart: Apart) -> Trials:
    """Remove what is faster than the cut-off; see `apply_apart`."""
    run = butterworth("lowpass", cutoff_hz, order=order, sfreq_hz=trials.sfreq_hz)
    return apply_apart(trials, run, apart=apart)


def band_stop(trials: Trials, *, centre_hz: float, half_width_hz: float, order: int, apart: Apart) -> Trials:
    """Remove a narrow band; see `apply_apart`."""
    low, high = centre_hz - half_width_hz, centre_hz + half_width_hz
    run = butterworth("bandstop", low, high, order=order, sfreq_hz=trials.sfreq_hz)
    return apply_apart(trials, run, apart=apart)


def downsample(trials: Trials, *, to_hz: float) -> Trials:
    """Lower the sampling rate, with time 0 on a sample where it was on one.

    The pulse has to be interpolated before: the anti-alias filter, about 20 samples of the lower rate long, runs
    across it.

    Raises
    ------
    OptionError
        A rate that is no whole fraction or simple ratio of the present one.
    """
    from scipy.signal import resample_poly

    if trials.sfreq_hz <= to_hz:
        return trials
    ratio = Fraction(to_hz / trials.sfreq_hz).limit_denominator(_LARGEST_RATIO)
    if abs(float(ratio) * trials.sfreq_hz - to_hz) > 1e-9 * to_hz:
        raise OptionError(
            f"{trials.sfreq_hz:g} Hz cannot be brought to {to_hz:g} Hz by a simple ratio",
            fix="give the step 'downsample' a to_hz that divides the recording's rate",
        )
    # Whole steps of the lower rate from time 0 on
    skipped = (-round(trials.start_s * trials.sfreq_hz)) % ratio.denominator if ratio.numerator == 1 else 0
    data = trials.data[:, :, skipped:]
    start = trials.start_s + skipped / trials.sfreq_hz
    lower = np.stack([resample_poly(one, ratio.numerator, ratio.denominator, axis=1, padtype="line") for one in data])
    return trials.with_data(lower, sfreq_hz=to_hz, start_s=start)


def line_frequency(trials: Trials, *, stands_out: float) -> float | None:
    """Return 50 or 60 Hz, whichever stands out of its neighbours in the spectrum before the pulse, or None."""
    rate, times = trials.sfreq_hz, trials.times_s
    quiet = trials.data[:, trials.good][:, :, times < -0.01]
    if quiet.shape[2] < rate / 4 or rate < 140:
        return None
    window = np.hanning(quiet.shape[2])
    power = np.mean(
        [np.abs(np.fft.rfft((one - one.mean(axis=1, keepdims=True)) * window)) ** 2 for one in quiet], axis=0
    )
    power = np.median(power / power.mean(axis=1, keepdims=True), axis=0)
    hertz = np.fft.rfftfreq(quiet.shape[2], 1 / rate)
    best: tuple[float, float | None] = (stands_out, None)
    for centre in (50.0, 60.0):
        near, beside = np.abs(hertz - centre) <= 1.5, (np.abs(hertz - centre) > 4) & (np.abs(hertz - centre) < 9)
        height = float(power[near].max() / np.median(power[beside]))
        best = max(best, (height, centre), key=lambda one: one[0])
    return best[1]


def subtract_line(trials: Trials, *, line_hz: float, harmonics: int, gap_s: tuple[float, float]) -> Trials:
    """Subtract sines of the mains and its harmonics, fitted in each trial and channel outside the pulse.

    Amplitude and phase are fitted together with a straight line; the frequency is the same in all trials and is
    found within 0.2 Hz of the mains' own. What is subtracted lasts the whole trial: nothing rings.

    Raises
    ------
    SignalError
        The window holds no sample, or nothing is left before or after it.
    """
    gap = gap_samples(trials.start_s, trials.sfreq_hz, trials.data.shape[2], gap_s)
    times = trials.times_s
    outside = np.ones(len(times), dtype=np.bool_)
    outside[gap] = False
    series = trials.data[:, :, outside]
    candidates = line_hz + np.linspace(-0.2, 0.2, 9)
    kept = [_explained(series, times[outside], one) for one in candidates]
    centre = float(candidates[int(np.argmax(kept))])
    wanted = [centre * n for n in range(1, harmonics + 1) if centre * n < 0.45 * trials.sfreq_hz]
    sines = np.concatenate([_sines(times, one) for one in wanted], axis=1)
    basis = np.concatenate((sines, np.ones((len(times), 1)), times[:, None]), axis=1)
    solve = np.linalg.pinv(basis[outside])[: sines.shape[1]]
    data = trials.data.copy()
    for number, seen in enumerate(series):
        data[number] -= (seen @ solve.T) @ sines.T
    return trials.with_data(data)


def _sines(times: FloatArray, hertz: float) -> FloatArray:
    return np.stack((np.sin(2 * np.pi * hertz * times), np.cos(2 * np.pi * hertz * times)), axis=1)


def _explained(series: FloatArray, times: FloatArray, hertz: float) -> float:
    """Power that sines of one frequency explain, over trials and channels."""
    basis = np.linalg.qr(_sines(times, hertz))[0]
    return float(((series @ basis) ** 2).sum())
