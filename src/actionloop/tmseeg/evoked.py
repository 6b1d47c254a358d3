"""Averages over trials, and global and local mean field power with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.bands import Window
from actionloop.tmseeg.connectivity import percentile_interval
from actionloop.tmseeg.phaselag import draw_weights
from actionloop.tmseeg.places import sensors
from actionloop.types import FloatArray, Montage, Trials


@dataclass(frozen=True, eq=False)
class Evoked:
    """Average response of one site, against the average of the good channels.

    Attributes
    ----------
    data : (channel, sample) float64 ndarray
        Volts.
    error : (channel, sample) float64 ndarray
        Standard error over trials, V.
    times_s : (sample,) float64 ndarray
    montage : Montage
        Of the good channels.
    n_trials : int
    site, condition : str
    """

    data: FloatArray
    error: FloatArray
    times_s: FloatArray
    montage: Montage
    n_trials: int
    site: str
    condition: str


@dataclass(frozen=True, eq=False)
class FieldPower:
    """Mean field power over time.

    Attributes
    ----------
    names : tuple of str
        Channels that were used.
    value : (sample,) float64 ndarray
        Volts.
    drawn : (draw, sample) float64 ndarray
        For trials drawn anew; no rows where none were asked for.
    floor : (sample,) float64 ndarray
        What noise alone would give with as many trials, V.
    times_s : (sample,) float64 ndarray
    """

    names: tuple[str, ...]
    value: FloatArray
    drawn: FloatArray
    floor: FloatArray
    times_s: FloatArray

    def interval(self, level: float) -> FloatArray:
        """Percentile interval over time; (2, sample)."""
        return percentile_interval(self.drawn, level)

    def mean(self, window: Window) -> tuple[float, FloatArray]:
        """Mean over a window, and of every draw; (draw,).

        Raises
        ------
        SignalError
            The window holds no sample.
        """
        inside = (self.times_s >= window.start_s - 1e-6) & (self.times_s <= window.stop_s + 1e-6)
        if not inside.any():
            raise SignalError(f"the window {window.name!r} lies outside the trials", fix="cut longer trials")
        return float(self.value[inside].mean()), self.drawn[:, inside].mean(axis=1)


def average(trials: Trials, *, baseline: Window | None = None) -> Evoked:
    """Average over trials, against the average reference and a baseline.

    Parameters
    ----------
    trials : Trials
    baseline : Window, optional
        Its mean is taken off each channel.

    Returns
    -------
    Evoked

    Raises
    ------
    SignalError
        Fewer than two trials or four good channels, or a baseline that reaches beyond the trials.
    """
    data, places = _referenced(trials, baseline), sensors(trials)
    return Evoked(
        data=data.mean(axis=0),
        error=data.std(axis=0, ddof=1) / np.sqrt(len(data)),
        times_s=trials.times_s,
        montage=Montage(places.names, places.xyz_mm),
        n_trials=len(data),
        site=trials.site,
        condition=trials.condition,
    )


def global_field_power(
    trials: Trials, *, baseline: Window | None = None, draws: int = 0, rng: Generator | None = None
) -> FieldPower:
    """Global mean field power: standard deviation over all good channels of the average response [1]_.

    Trials drawn anew carry the noise of the average twice, which would lift every draw; the noise that drawing adds
    is taken off the squares.

    Parameters
    ----------
    trials : Trials
    baseline : Window, optional
    draws : int
        0 for none.
    rng : Generator, optional
        Needed for draws.

    Returns
    -------
    FieldPower

    Raises
    ------
    SignalError
        As `average`.
    OptionError
        Draws without `rng`.

    References
    ----------
    .. [1] Lehmann & Skrandies 1980, doi:10.1016/0013-4694(80)90419-8
    """
    return _field_power(_referenced(trials, baseline), trials, sensors(trials).names, draws, rng)


def local_field_power(
    trials: Trials,
    names: Sequence[str],
    *,
    baseline: Window | None = None,
    draws: int = 0,
    rng: Generator | None = None,
) -> FieldPower:
    """Local mean field power: root mean square of the average response over named channels near the site.

    Against the average of all good channels; no mean of the named ones is taken off.

    Parameters
    ----------
    trials : Trials
    names : sequence of str
        Channels near the site; bad ones are refused.
    baseline, draws, rng
        As `global_field_power`.

    Returns
    -------
    FieldPower

    Raises
    ------
    SignalError
        As `average`, or a channel that is bad or absent.
    OptionError
        No channel, or draws without `rng`.
    """
    good = sensors(trials).names
    lost = [name for name in names if name not in good]
    if lost:
        raise SignalError(
            f"channels near the site are bad or absent: {', '.join(lost)}",
            where=trials.source or None,
            fix="name good channels, or interpolate these",
        )
    if not names:
        raise OptionError("local mean field power needs at least one channel")
    rows = [good.index(name) for name in names]
    return _field_power(_referenced(trials, baseline)[:, rows], trials, tuple(names), draws, rng)


def _referenced(trials: Trials, baseline: Window | None) -> FloatArray:
    """Good channels against their average, the baseline taken off."""
    if len(trials.data) < 2:
        raise SignalError("an average with its error needs at least 2 trials", where=trials.source or None)
    data = sensors(trials).of(trials)
    if baseline is not None:
        before = trials.window(baseline.start_s, baseline.stop_s)
        data = data - data[:, :, before].mean(axis=2, keepdims=True)
    return data


def _field_power(
    data: FloatArray, trials: Trials, names: tuple[str, ...], draws: int, rng: Generator | None
) -> FieldPower:
    """Root mean square over channels; of all good ones this is the standard deviation, their mean being 0."""
    n = len(data)
    noise = (data.var(axis=0) / n).mean(axis=0)
    drawn = np.empty((0, data.shape[2]))
    if draws:
        if rng is None:
            raise OptionError("resamples need a random generator", fix="give rng=numpy.random.default_rng(seed)")
        means = np.tensordot(draw_weights(n, draws, rng=rng) / n, data, axes=1)
        drawn = np.sqrt(np.maximum((means**2).mean(axis=1) - noise, 0))
    return FieldPower(
        names=names,
        value=np.sqrt((data.mean(axis=0) ** 2).mean(axis=0)),
        drawn=drawn,
        floor=np.sqrt(noise * n / (n - 1)),
        times_s=trials.times_s,
    )
