"""Event-related spectral perturbation and coherence between trials, per band and window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.bands import ComplexArray, Grid
from actionloop.tmseeg.places import sensors
from actionloop.tmseeg.wavelets import samples_of, transform
from actionloop.types import FloatArray, IntArray, Trials

_LEAST_TRIALS = 3


@dataclass(frozen=True, eq=False)
class Oscillation:
    """Band power and phase locking after the pulse.

    Attributes
    ----------
    names : tuple of str
        Channels.
    ersp_db : (channel, band, window) float64 ndarray
        Power of all trials together against the baseline, dB, averaged over frequencies and times.
    itc : (channel, band, window) float64 ndarray
        Coherence between trials, 0 to 1. Noise alone gives about 0.89 / √trials.
    ersp_error, itc_error : (channel, band, window) float64 ndarray
        Standard errors, by leaving out each trial once.
    grid : Grid
    n_trials : int
    """

    names: tuple[str, ...]
    ersp_db: FloatArray
    itc: FloatArray
    ersp_error: FloatArray
    itc_error: FloatArray
    grid: Grid
    n_trials: int

    def interval(self, what: str, level: float) -> FloatArray:
        """Interval of 'ersp_db' or 'itc'; (2, channel, band, window)."""
        if what not in ("ersp_db", "itc") or not 0 < level < 1:
            raise OptionError(f"there is no interval of {what!r} at {level:g}", fix="ask for ersp_db or itc")
        value, error = (self.ersp_db, self.ersp_error) if what == "ersp_db" else (self.itc, self.itc_error)
        half = NormalDist().inv_cdf((1 + level) / 2) * error
        return np.stack([value - half, value + half])


@dataclass(frozen=True, eq=False)
class TimeFrequency:
    """A picture of power and phase locking, averaged over some channels.

    Attributes
    ----------
    ersp_db, itc : (frequency, time) float64 ndarray
    frequencies_hz, times_s : (frequency,), (time,) float64 ndarray
    names : tuple of str
    """

    ersp_db: FloatArray
    itc: FloatArray
    frequencies_hz: FloatArray
    times_s: FloatArray
    names: tuple[str, ...]


def measure_oscillation(
    trials: Trials, *, names: Sequence[str] | None = None, grid: Grid | None = None, averaged: bool = False
) -> Oscillation:
    """ERSP against the baseline, and coherence between trials, of each channel, band and window.

    Parameters
    ----------
    trials : Trials
        Cleaned; the average of the good channels is taken as reference.
    names : sequence of str, optional
        Channels; else all good ones.
    grid : Grid, optional
    averaged : bool
        Give the mean over the channels, with its error, in place of each.

    Returns
    -------
    Oscillation

    Raises
    ------
    SignalError
        Fewer than three trials, channels that are bad or absent, windows or wavelets that reach beyond the trial, or a
        baseline without power.
    OptionError
        A band beyond the sampling rate.

    References
    ----------
    .. [1] Makeig 1993, doi:10.1016/0013-4694(93)90110-H (ERSP); Tallon-Baudry 1996,
       doi:10.1523/JNEUROSCI.16-13-04240.1996 (phase locking)
    """
    grid = grid or Grid()
    data, names = _channels(trials, names)
    before = samples_of(trials, grid.before, grid=grid)
    within = [samples_of(trials, window, grid=grid) for window in grid.windows]
    at = np.unique(np.concatenate(within))
    columns = np.stack([np.isin(at, some) / len(some) for some in within], axis=1)
    shape = (len(data), len(names), len(grid.bands), len(grid.windows))
    value, left = np.empty((2, *shape[1:])), np.empty((2, *shape))
    for channel in range(len(names)):
        values = _values(data[:, channel : channel + 1], trials, grid, np.concatenate([before, at]))[:, 0]
        if not (np.abs(values[..., : len(before)]) ** 2).sum(axis=(0, 2)).all():
            raise SignalError(
                f"{names[channel]} has no power in the baseline", where=trials.source or None, fix="mark it as bad"
            )
        whole, without = _leaving_out(values, len(before))
        value[:, channel] = grid.of_band @ whole @ columns
        left[:, :, channel] = grid.of_band @ without @ columns
    if averaged:
        value, left = value.mean(axis=1, keepdims=True), left.mean(axis=2, keepdims=True)
        names = (" + ".join(names),)
    n = len(data)
    error = np.sqrt((n - 1) ** 2 / n * left.var(axis=1, ddof=1))
    return Oscillation(names, value[0], value[1], error[0], error[1], grid, n)


def picture(
    trials: Trials, *, names: Sequence[str], start_s: float, stop_s: float, grid: Grid | None = None
) -> TimeFrequency:
    """Power against the baseline and coherence between trials over time and frequency, averaged over channels.

    Near the trial's ends wavelets reach beyond it, so that values there come out too low.

    Parameters
    ----------
    trials : Trials
    names : sequence of str
    start_s, stop_s : float
    grid : Grid, optional

    Returns
    -------
    TimeFrequency

    Raises
    ------
    SignalError, OptionError
        As `measure_oscillation`.
    """
    grid = grid or Grid()
    data, names = _channels(trials, names)
    before = samples_of(trials, grid.before, grid=grid)
    inside = np.flatnonzero(trials.window(start_s, stop_s))
    at = inside[:: max(1, round(grid.step_s * trials.sfreq_hz))]
    values = _values(data, trials, grid, np.concatenate([before, at]))
    power = (np.abs(values) ** 2).mean(axis=0)
    ratio = power[..., len(before) :] / power[..., : len(before)].mean(axis=2, keepdims=True)
    itc = np.abs(_unit(values[..., len(before) :]).mean(axis=0))
    return TimeFrequency(
        (10 * np.log10(ratio)).mean(axis=0), itc.mean(axis=0), grid.frequencies_hz, trials.times_s[at], names
    )


def _channels(trials: Trials, names: Sequence[str] | None) -> tuple[FloatArray, tuple[str, ...]]:
    if len(trials.data) < _LEAST_TRIALS:
        raise SignalError(
            f"expected at least {_LEAST_TRIALS} trials, found {len(trials.data)}", where=trials.source or None
        )
    places = sensors(trials)
    wanted = places.names if names is None else tuple(names)
    lost = [name for name in wanted if name not in places.names]
    if lost or not wanted:
        raise SignalError(f"channels that are bad or absent: {', '.join(lost) or 'all'}", where=trials.source or None)
    return places.of(trials)[:, [places.names.index(name) for name in wanted]], wanted


def _values(data: FloatArray, trials: Trials, grid: Grid, at: IntArray) -> ComplexArray:
    return transform(data, grid.frequencies_hz, sfreq_hz=trials.sfreq_hz, cycles=grid.cycles, at=at)


def _unit(values: ComplexArray) -> ComplexArray:
    size = np.abs(values)
    return np.asarray(values / np.where(size > 0, size, 1))


def _leaving_out(values: ComplexArray, n_before: int) -> tuple[FloatArray, FloatArray]:
    """ERSP in dB and ITC of all trials, (2, frequency, time), and with each left out, (2, trial, frequency, time)."""
    n = len(values)
    power, unit = np.abs(values) ** 2, _unit(values[..., n_before:])
    after, before = power[..., n_before:], power[..., :n_before].mean(axis=2, keepdims=True)
    total, base, locked = after.sum(axis=0), before.sum(axis=0), unit.sum(axis=0)
    whole = np.stack([10 * np.log10(total / base), np.abs(locked) / n])
    without = np.stack([10 * np.log10((total - after) / (base - before)), np.abs(locked - unit) / (n - 1)])
    return whole, without
