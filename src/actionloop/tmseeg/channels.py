"""Channels that no cleaning can repair: flat, saturated, or predicted by none of the others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from actionloop import facts
from actionloop.errors import SignalError
from actionloop.types import BoolArray, FloatArray, IntArray, Recording, Trials


def find_broken(recording: Recording, pulses: IntArray) -> dict[str, str]:
    """Find channels that are flat or saturated off the pulses.

    Parameters
    ----------
    recording : Recording
    pulses : (pulse,) int ndarray
        Samples at which pulses begin.

    Returns
    -------
    dict of str to str
        Name and what is the matter, for channels not yet marked as bad.
    """
    limits = facts.load("tmseeg_cleaning")["channels"]
    quiet = _off_pulses(recording, pulses, limits["pulse_s"])
    found: dict[str, str] = {}
    for name, values in zip(recording.names, recording.data, strict=True):
        if name in recording.bads:
            continue
        seen = values[quiet]
        if float(np.std(seen)) < limits["flat_v"]:
            found[name] = "flat"
            continue
        railed = _share_at_rail(seen, run=limits["rail_run"])
        if railed > limits["rail_share"]:
            found[name] = f"saturated in {railed:.0%} of the samples"
    return found


def require_enough(names: tuple[str, ...], bad: Mapping[str, str], *, source: str) -> None:
    """Refuse a recording of which too many channels are bad.

    Raises
    ------
    SignalError
        More than the stated share is bad, or fewer are left than SOUND and ICA need.
    """
    limits = facts.load("tmseeg_cleaning")["channels"]
    most, left = limits["most_bad_share"] * len(names), len(names) - len(bad)
    if len(bad) <= most and left >= limits["least_good"]:
        return
    told = ", ".join(f"{name} ({why})" for name, why in bad.items()) or "none"
    raise SignalError(
        f"{len(bad)} of {len(names)} channels are bad, and {left} are left; at most {limits['most_bad_share']:.0%} may "
        f"be bad and {limits['least_good']} are needed. Bad: {told}",
        where=source or None,
        fix="check the amplifier's range and the electrodes' contact, and record again",
    )


def noise_levels(trials: Trials) -> FloatArray:
    """Part of each good channel that the others do not predict (data-driven Wiener estimate), V; NaN where bad.

    References
    ----------
    .. [1] Mutanen et al. 2018, doi:10.1016/j.neuroimage.2017.10.021
    """
    good = np.flatnonzero(trials.good)
    covariance = np.mean([one @ one.T for one in trials.data[:, good]], axis=0) / trials.data.shape[2]
    ridge = float(np.mean(np.diag(covariance)))
    levels = np.full(len(trials.names), np.nan)
    for place, channel in enumerate(good):
        others = np.delete(np.arange(len(good)), place)
        among = covariance[np.ix_(others, others)]
        weights = np.linalg.solve(among + ridge * np.eye(len(others)), covariance[others, place])
        left = covariance[place, place] - 2 * weights @ covariance[others, place] + weights @ among @ weights
        levels[channel] = np.sqrt(max(0.0, left))
    return levels


def find_unpredicted(trials: Trials, *, times_mad: float) -> dict[str, str]:
    """Find channels whose own noise stands far above the others'.

    Returns
    -------
    dict of str to str
        Name and what is the matter, for channels not yet marked as bad.
    """
    levels = noise_levels(trials)
    middle = float(np.nanmedian(levels))
    limit = middle + times_mad * float(np.nanmedian(np.abs(levels - middle)))
    return {
        name: f"noise of {level * 1e6:.1f} µV, limit {limit * 1e6:.1f} µV"
        for name, level in zip(trials.names, levels, strict=True)
        if level > limit or level == 0
    }


def _off_pulses(recording: Recording, pulses: IntArray, window_s: list[float]) -> BoolArray:
    quiet = np.ones(recording.data.shape[1], dtype=np.bool_)
    before, after = (round(edge * recording.sfreq_hz) for edge in window_s)
    for pulse in pulses:
        quiet[max(0, pulse + before) : pulse + after] = False
    return quiet if quiet.any() else ~quiet


def _share_at_rail(values: FloatArray, *, run: int) -> float:
    """Share of samples that lie in runs at the highest or the lowest value."""
    at_rail = np.zeros(len(values), dtype=np.bool_)
    for edge in (values.max(), values.min()):
        there = values == edge
        inside = np.convolve(there, np.ones(run), mode="valid") >= run
        at_rail |= np.convolve(inside, np.ones(run), mode="full")[: len(values)] > 0
    return float(at_rail.mean())
