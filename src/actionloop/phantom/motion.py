"""Heads that move: drift, breathing, jitter, and bursts that spoil frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.phantom.noise import Spectrum, Timing, coloured
from actionloop.types import FloatArray


def draw_motion(rng: Generator, timing: Timing, *, restlessness: float = 1.0) -> FloatArray:
    """Draw the motion parameters of a session.

    Parameters
    ----------
    rng : Generator
    timing : Timing
    restlessness : float
        Multiple of the usual number of bursts; drift grows with its square root.

    Returns
    -------
    (frame, 6) float64 ndarray
        Three translations (mm), three rotations (rad); data/phantom.toml says how much.
    """
    how: dict[str, Any] = facts.load("phantom")["motion"]
    n_frames, tr_s = timing.n_frames, timing.tr_s
    seconds = np.arange(n_frames) * tr_s
    drift = coloured(rng, Spectrum(exponent=4.0, knee_hz=0.003), timing, n_rows=6).T
    drift = drift * how["drift_mm"] * np.sqrt(restlessness) / np.maximum(drift.std(axis=0), 1e-12)
    motion = drift.astype(np.float64) + rng.normal(0, how["jitter_mm"], (n_frames, 6))
    phase = 2 * np.pi * (how["breathing_hz"] * seconds + 0.05 * np.cumsum(rng.normal(0, np.sqrt(tr_s), n_frames)))
    motion += np.sin(phase)[:, None] * how["breathing_mm"] * rng.uniform(0.2, 1.0, 6)
    for _ in range(rng.poisson(restlessness * how["bursts_per_minute"] * n_frames * tr_s / 60)):
        start, length = rng.uniform(0, seconds[-1]), rng.uniform(*how["burst_s"])
        size = how["burst_mm"] * np.exp(rng.normal(0, how["burst_spread"]))
        direction = rng.normal(size=6)
        shift = size * direction / np.linalg.norm(direction)
        during = (seconds >= start) & (seconds < start + length)
        motion[during] += shift
        motion[seconds >= start + length] += how["stays"] * shift
    motion[:, 3:] *= np.deg2rad(how["degrees_per_mm"])
    return np.asarray(motion - motion[:1])
