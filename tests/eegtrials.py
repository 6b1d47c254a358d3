"""Small TMS-EEG trials of known content."""

from __future__ import annotations

import numpy as np

from actionloop.types import Montage, Trials

NAMES = ("C3", "C5", "C1", "CP3", "F3", "F5", "FCz", "Fz", "P4", "O1", "O2", "F8", "Cz", "T8", "C4")
SFREQ = 250.0


def montage():
    """Fifteen electrodes spread over a sphere, the first four close together."""
    k = np.arange(len(NAMES))
    height = 0.95 - 0.9 * k / len(NAMES)
    turn = 2.4 * k
    xyz = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], axis=1)
    for row, step in enumerate(((0, 0.25), (0.25, 0), (0.2, 0.2)), start=1):
        xyz[row] = xyz[0] + [*step, -0.05]
    return Montage(NAMES, 90 * xyz / np.linalg.norm(xyz, axis=1, keepdims=True))


def trials(data=None, *, n=60, seed=0, site="M1", sfreq=SFREQ, start_s=-1.0, **more):
    """Trials of white noise of 1 µV, or of given values."""
    if data is None:
        rng = np.random.default_rng(seed)
        data = 1e-6 * rng.standard_normal((n, len(NAMES), round(2 * sfreq)))
    return Trials(data, sfreq, start_s, montage(), site=site, **more)
