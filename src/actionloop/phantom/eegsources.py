"""What a cortex answers to a pulse, what sound adds to it, and what goes on besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from actionloop import facts
from actionloop.phantom.eeghead import average_reference, dipole_leadfield, eeg_head
from actionloop.phantom.eegsites import eeg_site, patch_map
from actionloop.types import FloatArray

UV = 1e-6
MS = 1e-3


@dataclass(frozen=True, eq=False)
class Evoked:
    """The components of one person's response at one site.

    Attributes
    ----------
    names : tuple of str
    maps : (channel + 1, component) float64 ndarray
        Volts at the peak; the last row is the reference electrode.
    latency_s, width_s : (component,) float64 ndarray
    gain_sd : tuple of 2 float
        Standard deviations of the logarithm of a trial's gain: common to all components, and of each.
    latency_sd : float
        Share of the latency, common to a trial's components.
    """

    names: tuple[str, ...]
    maps: FloatArray
    latency_s: FloatArray
    width_s: FloatArray
    gain_sd: tuple[float, float]
    latency_sd: float

    def courses(self, trials: int, times_s: FloatArray, *, rng: np.random.Generator) -> FloatArray:
        """Return the course of each component in each trial, drawn anew: (trial, component, sample)."""
        common, own = self.gain_sd
        shape = (trials, len(self.latency_s))
        gain = _spread(rng, (trials, 1), common) * _spread(rng, shape, own)
        moved = 1 + self.latency_sd * np.clip(rng.standard_normal((trials, 1)), -2.5, 2.5)
        past = times_s - (moved * self.latency_s)[..., None]
        course: FloatArray = gain[..., None] * np.exp(-0.5 * (past / self.width_s[:, None]) ** 2)
        # Nothing answers before the pulse: each component rises from zero within its first half width.
        risen: FloatArray = course * np.clip(times_s / (0.5 * self.width_s[:, None]), 0.0, 1.0)
        return risen


def draw_evoked(site: str, *, rng: np.random.Generator) -> Evoked:
    """Draw one person's response of the cortex to pulses at a site.

    Raises
    ------
    OptionError
        No such site.
    """
    settings = facts.load("tmseeg_simulation")["evoked"]
    own = eeg_site(site).xyz_mni
    rows: Sequence[Mapping[str, Any]] = settings[site]
    size = UV * np.array([row["uv"] for row in rows]) * _spread(rng, (len(rows),), settings["person_amplitude"])
    maps = [patch_map(own if row["at"] == "site" else row["at"], width_mm=settings["extent_mm"]) for row in rows]
    return Evoked(
        tuple(row["name"] for row in rows),
        np.column_stack(maps) * size,
        MS * np.array([row["ms"] for row in rows]) * _spread(rng, (len(rows),), settings["person_latency"]),
        MS * np.array([row["width_ms"] for row in rows]),
        (settings["trial_amplitude"], settings["trial_amplitude"]),
        settings["trial_latency"],
    )


def draw_auditory(*, rng: np.random.Generator, masked: bool = True) -> Evoked:
    """Draw one person's response to the coil's click; it is the same at all sites.

    Parameters
    ----------
    rng : Generator
    masked : bool
        With noise masking and foam; otherwise larger.
    """
    settings = facts.load("tmseeg_simulation")["auditory"]
    person = facts.load("tmseeg_simulation")["evoked"]
    count = len(settings["ms"])
    size = UV * np.array(settings["uv"]) * _spread(rng, (count,), person["person_amplitude"])
    if not masked:
        size = size * settings["unmasked_gain"]
    return Evoked(
        tuple(f"auditory {ms:g}" for ms in settings["ms"]),
        np.outer(_auditory_map(), size),
        MS * np.array(settings["ms"]) * _spread(rng, (count,), person["person_latency"]),
        MS * np.array(settings["width_ms"]),
        (settings["trial_amplitude"], 0.0),
        settings["trial_latency"],
    )


@cache
def _auditory_map() -> FloatArray:
    settings = facts.load("tmseeg_simulation")["auditory"]
    head = eeg_head()
    right = np.array(settings["direction"])
    field = dipole_leadfield(
        head.montage,
        head.reference_xyz_head_mm,
        head.shells,
        np.array([settings["left"], settings["right"]], dtype=np.float64),
        np.array([right * [-1, 1, 1], right]),
    ).sum(axis=1)
    scaled: FloatArray = field / average_reference(field[:-1])[head.montage.index("Cz")]
    return scaled


@dataclass(frozen=True, eq=False)
class Ongoing:
    """One kind of ongoing activity: where it is heard, and its spectrum.

    Attributes
    ----------
    name : str
    mixing : (channel + 1, part) float64 ndarray
        Volts; independent parts of unit variance are mixed by it.
    hz, width_hz : float
        Peak and width of a rhythm; hz 0: power falls as (f² + knee²)^(-exponent / 2).
    """

    name: str
    mixing: FloatArray
    hz: float
    width_hz: float

    def amplitude(self, frequency_hz: FloatArray) -> FloatArray:
        """Return the amplitude spectrum, without scale."""
        if self.hz:
            peak: FloatArray = np.exp(-0.25 * ((frequency_hz - self.hz) / self.width_hz) ** 2)
            return peak
        settings = facts.load("tmseeg_simulation")["background"]
        falling: FloatArray = (frequency_hz**2 + settings["knee_hz"] ** 2) ** (-0.25 * settings["exponent"])
        return falling

    def draw(self, samples: int, sfreq_hz: float, *, rng: np.random.Generator) -> FloatArray:
        """Return (channel + 1, sample) volts."""
        drawn: FloatArray = self.mixing @ coloured(self.mixing.shape[1], samples, sfreq_hz, self.amplitude, rng=rng)
        return drawn

    def power(self, frequency_hz: FloatArray) -> FloatArray:
        """Return the power density of one part, 1/Hz, one-sided; its integral is 1."""
        every = np.arange(1, 50_001) / 100.0
        density: FloatArray = self.amplitude(frequency_hz) ** 2 / ((self.amplitude(every) ** 2).sum() / 100.0)
        return density


def ongoing() -> tuple[Ongoing, ...]:
    """Return what goes on in everybody: 1/f activity and rhythms, correlated along the cortex at no lag."""
    return _ongoing()


@cache
def _ongoing() -> tuple[Ongoing, ...]:
    settings = facts.load("tmseeg_simulation")["background"]
    head = eeg_head()
    kinds = [Ongoing("broad", _mixing(np.ones(len(head.vertex)), settings["broad_uv"]), 0.0, 0.0)]
    for row in settings["rhythm"]:
        near = np.zeros(len(head.vertex))
        for centre in row["centres"]:
            far = np.linalg.norm(head.xyz_mni - np.array(centre), axis=1)
            near = np.maximum(near, np.exp(-0.5 * (far / row["spread_mm"]) ** 2))
        kinds.append(Ongoing(row["name"], _mixing(near, row["uv"]), row["hz"], row["width_hz"]))
    return tuple(kinds)


@cache
def _smoothing() -> Any:
    """Return (source, source) csr weights that make neighbours on one bank alike."""
    from scipy.spatial import cKDTree

    head = eeg_head()
    width = facts.load("tmseeg_simulation")["background"]["smooth_mm"]
    tree = cKDTree(head.xyz_mni)
    pairs = tree.sparse_distance_matrix(tree, 3 * width, output_type="coo_matrix")
    one, other = pairs.row, pairs.col
    same = head.hemisphere[one] == head.hemisphere[other]
    same &= np.einsum("pk,pk->p", head.normals[one], head.normals[other]) > 0
    weight = np.where(same, np.exp(-0.5 * (pairs.data / width) ** 2), 0.0)
    return sparse.csr_array((weight, (one, other)), shape=pairs.shape)


def _mixing(strength: FloatArray, size_uv: float) -> FloatArray:
    """Return the mixing whose covariance is that of correlated sources, without its silent parts."""
    head = eeg_head()
    heard = (_smoothing() @ (head.leadfield * strength).T).T
    left, value, _ = np.linalg.svd(heard, full_matrices=False)
    loud = np.cumsum(value**2) <= (1 - 1e-6) * (value**2).sum()
    mixing = left[:, loud] * value[loud]
    spread = np.sqrt((average_reference(mixing[:-1]) ** 2).sum(axis=1)).mean()
    scaled: FloatArray = mixing * (size_uv * UV / spread)
    return scaled


def coloured(
    series: int, samples: int, sfreq_hz: float, amplitude: Any, *, rng: np.random.Generator, analytic: bool = False
) -> NDArray[Any]:
    """Gaussian noise with a given spectrum, unit variance.

    Parameters
    ----------
    series, samples : int
    sfreq_hz : float
    amplitude : callable
        From frequencies (Hz) to amplitudes, in any unit.
    rng : Generator
    analytic : bool
        Complex, without negative frequencies; its real part has unit variance.

    Returns
    -------
    (series, sample) float64 or complex128 ndarray
    """
    size = fft.next_fast_len(samples, real=not analytic)
    frequency = np.arange(size // 2 + 1) * sfreq_hz / size
    weight = np.zeros(len(frequency))
    weight[1:] = amplitude(frequency[1:])
    weight /= np.sqrt(2 * (weight**2).sum())
    noise = rng.standard_normal((series, len(frequency), 2)).view(np.complex128)[..., 0]
    noise *= weight * size / 2 * np.sqrt(2)
    if not analytic:
        found: FloatArray = fft.irfft(noise, size, axis=1)[:, :samples]
        return found
    full = np.zeros((series, size), dtype=np.complex128)
    full[:, : len(frequency)] = 2 * noise
    return np.asarray(fft.ifft(full, axis=1)[:, :samples])


def _spread(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> FloatArray:
    """Return gains of mean 1 whose logarithm has this standard deviation."""
    gain: FloatArray = np.exp(sd * rng.standard_normal(shape) - 0.5 * sd**2)
    return gain
