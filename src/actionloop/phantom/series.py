"""Scans of a person of known truth: networks, noise, drift, motion; preprocessed, and denoised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy import sparse

from actionloop.errors import SignalError
from actionloop.phantom.latent import network_correlation, paired_courses, slow_gain, time_courses
from actionloop.phantom.loudness import BASELINE, UNIT, Loudness, calibrated, traits
from actionloop.phantom.motion import draw_motion
from actionloop.phantom.noise import REFERENCE_BAND_HZ, Timing, blur, coloured, kernel
from actionloop.phantom.person import PhantomPerson
from actionloop.phantom.template import template
from actionloop.signal import framewise_displacement
from actionloop.types import FloatArray, IntArray, Timeseries

_ROWS = 4096
_LEAST_FRAMES = 60
_SETTLING_S = 3.0
"""How long the signal takes to recover after a movement."""


@dataclass(frozen=True, eq=False)
class Session:
    """One session of a phantom person.

    Attributes
    ----------
    series : Timeseries
        Preprocessed, not denoised: baseline 10,000, drift, global signal and motion artefact included.
    motion : (frame, 6) float64 ndarray
        Translations (mm), rotations (rad).
    fd_mm : (frame,) float64 ndarray
    components : (frame, 6) float64 ndarray
        What noise components of white matter and CSF would show.
    """

    series: Timeseries
    motion: FloatArray
    fd_mm: FloatArray
    components: FloatArray


def simulate_series(
    person: PhantomPerson,
    *,
    minutes: float,
    tr_s: float = 0.8,
    rng: Generator,
    loudness: Loudness | None = None,
    cortex_only: bool = False,
) -> Timeseries:
    """Simulate one session's preprocessed series; see `simulate_session`."""
    return simulate_session(
        person, minutes=minutes, tr_s=tr_s, rng=rng, loudness=loudness, cortex_only=cortex_only
    ).series


def simulate_session(
    person: PhantomPerson,
    *,
    minutes: float,
    tr_s: float = 0.8,
    rng: Generator,
    loudness: Loudness | None = None,
    cortex_only: bool = False,
    restlessness: float = 1.0,
) -> Session:
    """Simulate one session.

    Every network has a signal, correlated between networks; every part of a network one of its own; to these come
    long-range fluctuations, a global signal, smooth noise of two widths, white noise, drift, and the traces of
    movement.

    Parameters
    ----------
    person : PhantomPerson
    minutes : float
    tr_s : float
    rng : Generator
    loudness : Loudness, optional
        The calibrated one by default.
    cortex_only : bool
        Only the 59,412 cortical rows.
    restlessness : float
        How much the head moves, as a multiple of the usual.

    Returns
    -------
    Session

    Raises
    ------
    SignalError
        Too few frames, or a repetition time that cannot carry 0.1 Hz.
    """
    loud = loudness or calibrated()
    timing = Timing(check_length(minutes, tr_s), tr_s)
    axis = template().grayordinates.cortex() if cortex_only else template().grayordinates
    trait = traits(person, loud, cortex_only=cortex_only)
    rows = _networks(person, loud, timing, rng, cortex_only=cortex_only)
    long = coloured(rng, loud.network_spectrum, timing, n_rows=loud.long_count).T
    long *= slow_gain(rng, timing, n_series=loud.long_count, depth=loud.depth, period_s=loud.period_s)
    whole = coloured(rng, loud.network_spectrum, timing, n_rows=1).T
    motion = draw_motion(rng, timing, restlessness=restlessness)
    fd_mm = framewise_displacement(motion)
    low = np.concatenate(
        [long * (loud.long_sd / np.sqrt(loud.long_count)), whole * loud.global_sd, _trace(motion, fd_mm, tr_s)], axis=1
    ).astype(np.float32)
    places = np.concatenate([trait.long, trait.whole[:, None], trait.moved * loud.artefact_sd], axis=1)
    for block in _blocks(len(rows)):
        rows[block] += places[block] @ low.T
    _add_noise(rows, trait.noise, loud, timing, rng)
    series = Timeseries(_scaled(rows, trait.baseline, _drift(rng, loud, timing)), axis, tr_s, source="phantom")
    return Session(series, motion, fd_mm, _components(rng, low, loud))


def check_length(minutes: float, tr_s: float) -> int:
    """Count the frames of a session.

    Raises
    ------
    SignalError
        Too few frames, or a repetition time that cannot carry 0.1 Hz.
    """
    n_frames = round(minutes * 60 / tr_s) if tr_s > 0 and np.isfinite(minutes) else 0
    if n_frames < _LEAST_FRAMES or tr_s >= 0.5 / REFERENCE_BAND_HZ[1]:
        raise SignalError(
            f"a session of {minutes:g} min at a repetition time of {tr_s:g} s cannot be simulated",
            fix=f"ask for at least {_LEAST_FRAMES} frames and a repetition time below {0.5 / REFERENCE_BAND_HZ[1]:g} s",
        )
    return n_frames


def _networks(
    person: PhantomPerson, loud: Loudness, timing: Timing, rng: Generator, *, cortex_only: bool
) -> FloatArray:
    """Signals of networks and their parts, spread as blood flow spreads them; (row, frame) float32."""
    courses = time_courses(rng, network_correlation(person.names), loud.network_spectrum, timing)
    courses *= slow_gain(rng, timing, n_series=len(person.names), depth=loud.depth, period_s=loud.period_s)
    courses *= np.array([loud.gain.get(name, 1.0) for name in person.names], dtype=np.float32) * loud.network_sd
    n_pairs = int(person.part.max()) // 2 + 1
    parts = paired_courses(rng, loud.network_spectrum, timing, n_pairs=n_pairs, between=loud.part_between)
    parts *= slow_gain(rng, timing, n_series=2 * n_pairs, depth=loud.depth, period_s=loud.period_s) * loud.part_sd
    n_rows = template().grayordinates.n_cortex if cortex_only else len(template().grayordinates)
    order = {int(key): i for i, key in enumerate(person.keys)}
    network = np.array([order.get(int(key), -1) for key in person.truth[:n_rows]])
    spread = blur(loud.spread_fwhm_mm, cortex_only=cortex_only)
    share = sparse.hstack(
        [spread @ _membership(network, len(order)), spread @ _membership(person.part[:n_rows], 2 * n_pairs)],
        format="csr",
    )
    signals = np.ascontiguousarray(np.concatenate([courses, parts], axis=1).T)
    out = np.asarray(share @ signals)
    out[template().grayordinates.n_cortex :] *= np.float32(loud.subcortex_gain)
    return out


def _membership(index: IntArray, count: int) -> Any:
    """Sparse (row, group) indicator; rows with -1 belong nowhere."""
    member = np.flatnonzero(index >= 0)
    ones = np.ones(len(member), dtype=np.float32)
    return sparse.csr_array((ones, (member, index[member])), shape=(len(index), count))


def _trace(motion: FloatArray, fd_mm: FloatArray, tr_s: float) -> FloatArray:
    """Trace of movement in the signal, for `artefact_sd` = 1; (frame, 7)."""
    as_mm = motion * np.array([1, 1, 1, 50, 50, 50])
    settling = np.exp(-np.arange(0, 4 * _SETTLING_S, tr_s) / _SETTLING_S)
    after = np.convolve(np.maximum(fd_mm - 0.1, 0), settling)[: len(fd_mm)]
    return np.concatenate([(as_mm - as_mm.mean(axis=0)) / np.sqrt(6), -after[:, None]], axis=1)


def _add_noise(rows: FloatArray, local: FloatArray, loud: Loudness, timing: Timing, rng: Generator) -> None:
    cortex_only = len(rows) == template().grayordinates.n_cortex
    smooth = kernel(loud.fine_fwhm_mm, cortex_only=cortex_only)
    nodes = coloured(rng, loud.noise_spectrum, timing, n_rows=smooth.n_nodes)
    for block in _blocks(len(rows)):
        rows[block] += (smooth.weights[block] @ nodes) * (loud.fine_sd * local[block, None])
    # White noise that has `white_sd` in the band has this in a frame.
    low, high = REFERENCE_BAND_HZ
    white_sd = np.float32(loud.white_sd / np.sqrt(2 * timing.tr_s * (high - low)))
    for block in _blocks(len(rows)):
        rows[block] += rng.standard_normal(rows[block].shape, dtype=np.float32) * (white_sd * local[block, None])


def _drift(rng: Generator, loud: Loudness, timing: Timing) -> FloatArray:
    """Slow drift, one for all rows; (frame,) float32."""
    time = np.linspace(-1, 1, timing.n_frames)
    shapes = np.stack([time, time**2 - 1 / 3, time**3 - 0.6 * time], axis=1)
    shapes /= shapes.std(axis=0)
    drift = shapes @ (loud.drift_sd / np.sqrt(3) * rng.choice([-1, 1], 3) * rng.uniform(0.5, 1.5, 3))
    return np.asarray(drift, dtype=np.float32)


def _scaled(rows: FloatArray, baseline: FloatArray, drift: FloatArray) -> FloatArray:
    """Bring (row, frame) in units of loudness to a (frame, row) series around its baseline."""
    out = np.empty(rows.shape[::-1], dtype=np.float32)
    # Drift scales with the baseline, as that of a scanner does.
    for block in _blocks(len(rows)):
        level = baseline[block] / BASELINE
        out[:, block] = baseline[block] + UNIT * (rows[block].T + drift[:, None] * level)
    return out


def _components(rng: Generator, low: FloatArray, loud: Loudness) -> FloatArray:
    # Six mixtures of what is not neural: movement, the global signal and some of the long-range fluctuations. Most of
    # each is something else: regressing the six of the reference scan takes only a hundredth of its variance.
    nuisance = np.concatenate([low[:, loud.long_count :], low[:, :4]], axis=1)
    nuisance = nuisance / np.maximum(nuisance.std(axis=0), 1e-6)
    mixed = nuisance @ rng.normal(size=(nuisance.shape[1], 6)) / np.sqrt(nuisance.shape[1])
    return np.asarray(0.3 * mixed + rng.normal(0, 1.0, mixed.shape), dtype=np.float64)


def _blocks(n_rows: int) -> Iterator[slice]:
    for first in range(0, n_rows, _ROWS):
        yield slice(first, min(first + _ROWS, n_rows))
