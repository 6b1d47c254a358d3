"""Finding TMS pulses in a continuous recording by their size and steepness."""

from __future__ import annotations

from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import SignalError
from actionloop.types import FloatArray, IntArray, Recording, Trials

_LARGEST = 0.9
"""Quantile of the pulses' sizes that stands for a large one: a single giant does not hide the others."""


def find_pulses(recording: Recording) -> IntArray:
    """Find the samples at which TMS pulses begin.

    A pulse is steep in most channels at once, steeper than anything of the brain, the eyes or the muscles. What is
    much smaller than the large ones (the stimulator recharging) is left out. Limits stand in tmseeg_cleaning.toml.

    Parameters
    ----------
    recording : Recording
        Its own pulses are not looked at.

    Returns
    -------
    (pulse,) int ndarray
        Ascending.

    Raises
    ------
    SignalError
        No pulse, or pulses nearer than single ones are given.
    """
    limits = facts.load("tmseeg_cleaning")["pulses"]
    rate = recording.sfreq_hz
    good = [place for place, name in enumerate(recording.names) if name not in recording.bads]
    slope = _median_over(np.abs(np.diff(recording.data[good], axis=1))) * rate
    least = max(limits["steep_v_per_s"], limits["steep_times"] * float(np.median(slope)))
    steep = np.flatnonzero(slope > least)
    pulses = _sized(recording.data[good], _first_of_runs(steep, apart=round(limits["same_s"] * rate)), rate, limits)
    if not len(pulses):
        largest = float(slope.max()) if slope.size else 0.0
        raise SignalError(
            f"no TMS pulse was found: nothing is steeper than {least:.3g} V/s in most channels (steepest: "
            f"{largest:.3g} V/s)",
            where=recording.source or None,
            fix="give the pulses' events, or check that this is the raw recording in volts, not a filtered one",
        )
    require_single(pulses, recording)
    return pulses


def find_recharge(trials: Trials) -> list[tuple[float, float]]:
    """Find when the stimulator recharges: bursts after the pulse that are steep in the mean over trials.

    Returns
    -------
    list of (float, float)
        Windows to bridge, s against the pulse; empty where there is none.

    Raises
    ------
    SignalError
        More bursts than a stimulator makes.
    """
    limits = facts.load("tmseeg_cleaning")["recharge"]
    times = trials.times_s
    mean = np.median(np.abs(np.diff(trials.data[:, trials.good].mean(axis=0), axis=1)), axis=0)
    steep = (mean > limits["steep_times"] * float(np.median(mean))) & (times[:-1] > limits["after_s"])
    before, after = limits["around_s"]
    windows: list[tuple[float, float]] = []
    for place in np.flatnonzero(steep):
        start, stop = float(times[place]) + before, min(float(times[place]) + after, float(times[-1]))
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], stop)
        else:
            windows.append((start, stop))
    if len(windows) > limits["most"]:
        raise SignalError(
            f"{len(windows)} bursts follow each pulse of {trials.site or 'the site'}; a stimulator that recharges "
            f"makes {limits['most']} at most",
            where=trials.source or None,
            fix="give all pulses' events, and single pulses only",
        )
    room = float(times[-1]) - 2 * after
    return [window for window in windows if window[1] < room]


def require_single(pulses: IntArray, recording: Recording) -> None:
    """Refuse pulses that follow each other faster than single ones do.

    Raises
    ------
    SignalError
        Two pulses too near.
    """
    closest_s = float(facts.load("tmseeg_cleaning")["pulses"]["closest_s"])
    gaps = np.diff(pulses) / recording.sfreq_hz
    if not (gaps < closest_s).any():
        return
    place = int(np.argmax(gaps < closest_s))
    raise SignalError(
        f"pulses are too dense: {int((gaps < closest_s).sum())} of {len(gaps)} follow within {closest_s:g} s, the "
        f"first {gaps[place] * 1000:.0f} ms after the pulse at {pulses[place] / recording.sfreq_hz:.3f} s",
        where=recording.source or None,
        fix="give single pulses; trains, paired pulses and double triggers cannot be measured",
    )


def _median_over(values: FloatArray, *, block: int = 200_000) -> FloatArray:
    """Median over channels, some samples at a time."""
    parts = [np.median(values[:, start : start + block], axis=0) for start in range(0, values.shape[1], block)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _first_of_runs(samples: IntArray, *, apart: int) -> IntArray:
    """Return the first sample of each run of samples that lie nearer than `apart`."""
    if not len(samples):
        return samples
    return samples[np.concatenate(([True], np.diff(samples) > apart))]


def _sized(data: FloatArray, starts: IntArray, rate: float, limits: dict[str, Any]) -> IntArray:
    """Keep those that are large, and not much smaller than the large ones."""
    if not len(starts):
        return starts
    extent = max(2, round(limits["extent_s"] * rate))
    before = max(1, round(0.001 * rate))
    parts = [data[:, max(0, start - before) : start + extent] for start in starts]
    sizes = np.array([np.median(np.ptp(part, axis=1)) for part in parts])
    least = max(limits["size_v"], limits["share_of_largest"] * float(np.quantile(sizes, _LARGEST)))
    kept: IntArray = starts[sizes >= least]
    return kept
