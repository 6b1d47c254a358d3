"""How loud every ingredient of a scan is, and where: what is calibrated, and what stays with a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.phantom.noise import Spectrum, kernel
from actionloop.phantom.person import PhantomPerson
from actionloop.types import FloatArray

BASELINE, UNIT = 10_000.0, 60.0
"""Mean of a preprocessed series, and what the common unit of loudness is in it: 0.6 per cent of that mean."""


@dataclass(frozen=True)
class Loudness:
    """How loud every ingredient is; the fields are those of [signal] in data/phantom.toml."""

    network_sd: float
    part_sd: float
    part_between: float
    spread_fwhm_mm: float
    long_sd: float
    long_count: int
    long_fwhm_mm: float
    fine_sd: float
    fine_fwhm_mm: float
    white_sd: float
    global_sd: float
    subcortex_gain: float
    depth: float
    period_s: float
    noise_spread: float
    drift_sd: float
    artefact_sd: float
    network_spectrum: Spectrum
    noise_spectrum: Spectrum
    gain: Mapping[str, float] = field(default_factory=dict)


def calibrated() -> Loudness:
    """Return the loudness that makes phantoms like the reference scan."""
    data: dict[str, Any] = facts.load("phantom")["signal"]
    stated = {f.name: data[f.name] for f in fields(Loudness) if f.name in data}
    stated |= {f"{name}_spectrum": Spectrum(**shape) for name, shape in data["spectrum"].items()}
    return Loudness(**stated)


@dataclass(frozen=True, eq=False)
class Traits:
    """What stays the same over a person's sessions, apart from the networks.

    Attributes
    ----------
    long : (row, pattern) float32 ndarray
        Places of the long-range fluctuations.
    noise : (row,) float32 ndarray
        Local strength of the noise.
    whole : (row,) float32 ndarray
        Share of each row in the global signal.
    moved : (row, 7) float32 ndarray
        Trace of the six motion parameters and of movement itself.
    baseline : (row,) float32 ndarray
    """

    long: FloatArray
    noise: FloatArray
    whole: FloatArray
    moved: FloatArray
    baseline: FloatArray


def traits(person: PhantomPerson, loud: Loudness, *, cortex_only: bool) -> Traits:
    """Draw a person's traits: the same for every session."""
    rng = np.random.default_rng(person.trait_seed)
    wide = kernel(loud.long_fwhm_mm, cortex_only=cortex_only)

    def maps(n: int) -> FloatArray:
        return wide.spread(rng.standard_normal((wide.n_nodes, n), dtype=np.float32))

    long = maps(loud.long_count)
    noise = np.exp(loud.noise_spread * maps(1)[:, 0])
    noise /= np.sqrt((noise**2).mean())
    whole = 1 + 0.3 * maps(1)[:, 0]
    whole /= whole.mean()
    moved = maps(7)
    moved[:, 6] += 1  # movement darkens nearly everything
    return Traits(long, noise, whole, moved, np.asarray(BASELINE * (1 + 0.15 * maps(1)[:, 0]), dtype=np.float32))
