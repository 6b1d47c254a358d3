"""Planted phase coupling, and its truth in closed form.

Each site and its partners have a band-limited Gaussian rhythm of their own. In the window, partner k is

    p_k(t) = c(t) · Re[z(t) exp(−i θ_k)] + sqrt(1 − c(t)²) · own_k(t),    site(t) = Re[z(t)],

with z analytic, so that powers stay and only the relation changes. With the ongoing activity all that is recorded is
then jointly Gaussian, and wavelet values of one trial are complex Gaussian with the cross-spectrum

    S(f) = Σ ongoing + a aᵀ + Σ b_k b_kᵀ + c Σ (a b_kᵀ e^{iθ_k} + b_k aᵀ e^{−iθ_k})
           + c² Σ_{k≠l} b_k b_lᵀ e^{i(θ_l − θ_k)},

each part times its power at f, and summed over bands. For two channels with coherency C the imaginary part of the
cross-product is the difference of two exponential variables with means (D ± m) / 2, D² = 1 − Re(C)², m = Im(C), hence

    wPLI = E[Im] / E|Im| = 2 D m / (D² + m²),

and what its debiased estimate over trials tends to is the square. Without coupling S is real and the truth is zero for
every pair, however much is conducted through the volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.phantom.eeghead import average_reference
from actionloop.phantom.eegsites import eeg_site, patch_map, site_channels
from actionloop.phantom.eegsources import UV, coloured, ongoing
from actionloop.types import FloatArray, IntArray

EDGE_HZ = 1.5
GRID_HZ = 0.25
TURNS = 5
CLOSE = 2e-3


@dataclass(frozen=True, eq=False)
class Coupling:
    """The rhythm of one site and its partners in one band.

    Attributes
    ----------
    site, band : str
    band_hz : tuple of 2 float
    maps : (channel + 1, patch) float64 ndarray
        Volts, root mean square; the site's patch first; the last row is the reference electrode.
    lag_rad : (patch,) float64 ndarray
        Behind the site; 0 for the site.
    coherence : float
        Of each partner with the site in the window, 0 to 1.
    """

    site: str
    band: str
    band_hz: tuple[float, float]
    maps: FloatArray
    lag_rad: FloatArray
    coherence: float

    def amplitude(self, frequency_hz: FloatArray) -> FloatArray:
        """Return the amplitude spectrum of the rhythm: flat in the band, with cosine edges outside it."""
        low, high = self.band_hz
        outside = np.maximum(np.maximum(low - frequency_hz, frequency_hz - high), 0.0)
        flat: FloatArray = 0.5 + 0.5 * np.cos(np.pi * np.minimum(outside / EDGE_HZ, 1.0))
        return flat

    def power(self, frequency_hz: float) -> float:
        """Return the power density of a patch's rhythm of unit variance, 1/Hz, seen through the stated wavelet."""
        grid, seen = _seen(frequency_hz)
        every = np.arange(GRID_HZ / 10, 2 * self.band_hz[1], GRID_HZ / 10)
        return float(seen @ self.amplitude(grid) ** 2 / ((self.amplitude(every) ** 2).sum() * GRID_HZ / 10))

    def coherency(self) -> NDArray[np.complex128]:
        """Return the (patch, patch) complex coherency of the planted rhythms in the window."""
        follow = np.exp(-1j * self.lag_rad) * np.where(np.arange(len(self.lag_rad)) == 0, 1.0, self.coherence)
        found: NDArray[np.complex128] = np.outer(follow, follow.conj())
        np.fill_diagonal(found, 1.0)
        return found

    def draw(
        self, samples: int, sfreq_hz: float, pulses: IntArray, *, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return the rhythms of all patches, (patch, sample), and the coherence at each sample."""
        leader = coloured(1, samples, sfreq_hz, self.amplitude, rng=rng, analytic=True)[0]
        own = coloured(len(self.lag_rad) - 1, samples, sfreq_hz, self.amplitude, rng=rng)
        follow = self.coherence * opening(samples, sfreq_hz, pulses)
        alone = np.sqrt(1 - follow**2)
        waves = np.empty((len(self.lag_rad), samples))
        waves[0] = leader.real
        for k, lag in enumerate(self.lag_rad[1:]):
            turned = np.cos(lag) * leader.real + np.sin(lag) * leader.imag
            waves[k + 1] = follow * turned + alone * own[k]
        return waves, follow


def cross_spectrum(couplings: Sequence[Coupling], frequency_hz: float) -> NDArray[np.complex128]:
    """Return the (channel, channel) cross-spectrum in the window, average reference, V²/Hz.

    Of ongoing activity and of the rhythms of all bands, whose edges a wavelet sees too.
    """
    found: NDArray[np.complex128] = _ongoing_spectrum(frequency_hz).astype(np.complex128)
    for one in couplings:
        maps = average_reference(one.maps[:-1])
        found += one.power(frequency_hz) * (maps @ one.coherency() @ maps.T)
    return found


def true_dwpli(couplings: Sequence[Coupling], band_hz: tuple[float, float]) -> FloatArray:
    """Return what debiased wPLI between channels tends to, mean over a band: (channel, channel) float64."""
    spectra = (cross_spectrum(couplings, float(one)) for one in _frequencies(band_hz))
    found: FloatArray = np.mean([dwpli_of(one) for one in spectra], axis=0)
    return found


def _frequencies(band_hz: tuple[float, float]) -> FloatArray:
    step = facts.load("tmseeg_simulation")["coupling"]["step_hz"]
    return np.arange(band_hz[0], band_hz[1] + step / 2, step)


def _seen(frequency_hz: float) -> tuple[FloatArray, FloatArray]:
    """Return frequencies and the share of each in the power that the stated wavelet sees."""
    cycles = facts.load("tmseeg_simulation")["coupling"]["cycles"]
    grid = np.arange(GRID_HZ, 3 * frequency_hz, GRID_HZ)
    seen = np.exp(-(((grid - frequency_hz) * cycles / frequency_hz) ** 2))
    return grid, seen / seen.sum()


@cache
def _ongoing_spectrum(frequency_hz: float) -> FloatArray:
    grid, seen = _seen(frequency_hz)
    mixed = [average_reference(kind.mixing[:-1]) for kind in ongoing()]
    parts = [(seen @ kind.power(grid)) * (one @ one.T) for kind, one in zip(ongoing(), mixed, strict=True)]
    found: FloatArray = np.sum(parts, axis=0)
    return found


def opening(samples: int, sfreq_hz: float, pulses: IntArray) -> FloatArray:
    """Return how far coupling is switched on at each sample, 0 to 1, with cosine ramps around the window."""
    settings = facts.load("tmseeg_simulation")["coupling"]
    (start, stop), ramp = settings["window_s"], settings["ramp_s"]
    first = int(np.floor((start - ramp) * sfreq_hz))
    time = np.arange(first, int(np.ceil((stop + ramp) * sfreq_hz)) + 1) / sfreq_hz
    outside = np.maximum(np.maximum(start - time, time - stop), 0.0)
    shape = 0.5 + 0.5 * np.cos(np.pi * np.minimum(outside / ramp, 1.0))
    opened = np.zeros(samples)
    for pulse in pulses:
        at = pulse + first + np.arange(len(time))
        inside = (at >= 0) & (at < samples)
        opened[at[inside]] = np.maximum(opened[at[inside]], shape[inside])
    return opened


def dwpli_of(cross_spectrum: NDArray[np.complex128]) -> FloatArray:
    """Return what debiased wPLI tends to for jointly Gaussian signals.

    Parameters
    ----------
    cross_spectrum : (channel, channel) complex ndarray
        Hermitian.

    Returns
    -------
    (channel, channel) float64 ndarray
        0 to 1; 0 on the diagonal.
    """
    power = np.sqrt(np.abs(np.diag(cross_spectrum)))
    coherency = cross_spectrum / np.outer(power, power)
    imaginary = coherency.imag
    real = np.sqrt(np.maximum(1 - coherency.real**2, 0.0))
    total = real**2 + imaginary**2
    wpli = np.divide(2 * real * imaginary, total, out=np.zeros_like(total), where=total > 1e-12)
    np.fill_diagonal(wpli, 0.0)
    return np.asarray(wpli**2)


def global_value(dwpli: FloatArray, site: str) -> float:
    """Mean dwPLI of the electrodes nearest to a site with all others."""
    near = site_channels(site, count=facts.load("tmseeg_simulation")["coupling"]["neighbours"])
    others = np.setdiff1d(np.arange(len(dwpli)), near)
    return float(dwpli[np.ix_(near, others)].mean())


def plant_coupling(site: str, *, dwpli: float) -> tuple[Coupling, ...]:
    """Plant coupling of one site in every band of the data file, so strong that its true global value is as wanted.

    Parameters
    ----------
    site : str
    dwpli : float
        `global_value` of the truth, 0 up to what full coherence gives.

    Returns
    -------
    tuple of Coupling
        One of each band.

    Raises
    ------
    OptionError
        No such site, or a value that no coherence gives.
    """
    return _planted(eeg_site(site).name, float(dwpli))


@cache
def _planted(site: str, dwpli: float) -> tuple[Coupling, ...]:
    settings = facts.load("tmseeg_simulation")["coupling"]
    rows = settings["partners"][site]
    places = [settings["place"].get(site, eeg_site(site).xyz_mni), *(row[:3] for row in rows)]
    shapes = np.column_stack([patch_map(place, width_mm=settings["extent_mm"]) for place in places])
    size = UV * np.array([settings["site_uv"]] + [settings["partner_uv"]] * len(rows))
    lag = np.deg2rad([0.0, *(row[3] for row in rows)])
    made = [
        Coupling(site, band["name"], (band["hz"][0], band["hz"][1]), shapes * size * band.get("gain", 1.0), lag, 0.0)
        for band in settings["band"]
    ]
    return tuple(_solved(made, dwpli)) if dwpli else tuple(made)


def _solved(couplings: Sequence[Coupling], dwpli: float) -> list[Coupling]:
    """Give each band the coherence that makes its global value as wanted, in turns, since bands see each other."""

    def value(bands: Sequence[Coupling], k: int) -> float:
        return global_value(true_dwpli(bands, bands[k].band_hz), bands[k].site)

    def having(bands: Sequence[Coupling], k: int, coherence: float) -> list[Coupling]:
        return [replace(one, coherence=coherence) if one is bands[k] else one for one in bands]

    full = [replace(one, coherence=1.0) for one in couplings]
    most = min(value(full, k) for k in range(len(full)))
    bands = list(couplings)
    for _ in range(TURNS if 0 <= dwpli <= most else 0):
        for k in range(len(bands)):
            bands = having(bands, k, _root(lambda c, k=k, now=bands: value(having(now, k, c), k) - dwpli))  # type: ignore[misc]
    if not all(abs(value(bands, k) - dwpli) < CLOSE for k in range(len(bands))):
        raise OptionError(
            f"a true dwPLI of {dwpli:g} cannot be planted at {couplings[0].site}: 0 to about {most:.2f}",
            fix="ask for a smaller value",
        )
    return bands


def _root(miss: Callable[[float], float]) -> float:
    """Return where a rising function passes zero between 0 and 1, or the end nearest to that."""
    if miss(0.0) >= 0:
        return 0.0
    return float(optimize.brentq(miss, 0.0, 1.0, xtol=1e-4)) if miss(1.0) > 0 else 1.0
