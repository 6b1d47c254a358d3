"""One simulated person: a recording of each stimulated site, and the truth behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.phantom import eegartefacts as artefacts
from actionloop.phantom.eegcoupling import Coupling, global_value, plant_coupling, true_dwpli
from actionloop.phantom.eeghead import average_reference, eeg_head
from actionloop.phantom.eegsites import site_names
from actionloop.phantom.eegsources import Evoked, draw_auditory, draw_evoked, ongoing
from actionloop.types import FloatArray, IntArray, Recording

BRAIN = ("evoked", "auditory", "ongoing", "coupling")
ARTEFACTS = ("pulse", "recharge", "decay", "muscle", "blink", "line", "electrode", "bad")
LOWEST_HZ, HIGHEST_HZ = 500.0, 20_000.0
SHORTEST_S = 1.0


def _default(name: str) -> float:
    return float(facts.load("tmseeg_simulation")["recording"][name])


@dataclass(frozen=True)
class EegOptions:
    """What is simulated; values not given are those of data/tmseeg_simulation.toml.

    Attributes
    ----------
    sites : tuple of str
    trials : int
        Pulses at each site.
    sfreq_hz : float
        500 to 20,000. At 1000 Hz four sites of 150 trials hold 0.6 GB, at 5000 Hz 3 GB.
    interval_s, interval_jitter_s : float
        Between pulses; uniform jitter either way.
    condition : {'active', 'sham'}
        Sham: the click, less artefact, no answer of the cortex, no coupling.
    masked : bool
        The click is masked by noise.
    dwpli : mapping of str to float, or None
        True global value of each site (`eegcoupling.global_value`), the same in every band; None: the values of the
        data file dealt out by chance.
    parts : tuple of str
        Which of `BRAIN` and `ARTEFACTS` are there.

    Raises
    ------
    OptionError
        Values that cannot be simulated.
    """

    sites: tuple[str, ...] = ("M1", "DLPFC", "ACC", "PSI")
    trials: int = field(default_factory=lambda: int(_default("trials")))
    sfreq_hz: float = field(default_factory=lambda: _default("sfreq_hz"))
    interval_s: float = field(default_factory=lambda: _default("interval_s"))
    interval_jitter_s: float = field(default_factory=lambda: _default("interval_jitter_s"))
    condition: Literal["active", "sham"] = "active"
    masked: bool = True
    dwpli: Mapping[str, float] | None = None
    parts: tuple[str, ...] = BRAIN + ARTEFACTS

    def __post_init__(self) -> None:
        for name, given, known in (
            ("sites", self.sites, site_names()),
            ("parts", self.parts, BRAIN + ARTEFACTS),
            ("dwpli", tuple(self.dwpli or ()), site_names()),
        ):
            strange = [one for one in given if one not in known]
            if strange or len(set(given)) < len(given):
                raise OptionError(
                    f"{name}: cannot use {', '.join(strange) or given}", fix=f"choose from {', '.join(known)}"
                )
        if not self.sites or self.trials < 1:
            raise OptionError(f"{self.trials} trials at {len(self.sites)} sites is nothing", fix="give at least one")
        if not LOWEST_HZ <= self.sfreq_hz <= HIGHEST_HZ:
            raise OptionError(
                f"a rate of {self.sfreq_hz:g} Hz cannot carry the artefacts", fix=f"{LOWEST_HZ:g} to {HIGHEST_HZ:g} Hz"
            )
        if not (self.interval_jitter_s >= 0 and self.interval_s - self.interval_jitter_s >= SHORTEST_S):
            raise OptionError(
                f"pulses {self.interval_s:g} ± {self.interval_jitter_s:g} s apart are too dense",
                fix=f"at least {SHORTEST_S:g} s between pulses",
            )
        if self.condition not in ("active", "sham"):
            raise OptionError(f"there is no condition {self.condition!r}", fix="choose 'active' or 'sham'")
        absent = [] if self.dwpli is None else [site for site in self.sites if site not in self.dwpli]
        if absent:
            raise OptionError(f"no true dwPLI is given for {', '.join(absent)}", fix="give one for each site, or none")


@dataclass(frozen=True, eq=False)
class EegTruth:
    """What is true of a simulated person.

    Attributes
    ----------
    times_s : (sample,) float64 ndarray
        Of the evoked responses, against the pulse, at the rate of the recordings.
    direct, auditory, evoked : mapping of site to (channel, sample) float64 ndarray
        Volts, average reference, without noise: the mean over the very trials that were drawn. The cortex's answer,
        what the click evokes, and the sum of both, which is what a perfect cleaning leaves.
    couplings : mapping of site to tuple of Coupling
        What was planted, band by band.
    coupling : mapping of site to mapping of band to (channel, channel) float64 ndarray
        Debiased wPLI in the window of full coherence, of what the brain does (ongoing activity included, evoked
        responses and electrodes' noise not), average reference, mean over the band, in closed form.
    global_dwpli : mapping of site to mapping of band to float
        Mean of that between the electrodes nearest to the site and all others.
    rank : tuple of str
        Sites from the lowest to the highest global value.
    bads : tuple of str
        Electrodes that are not usable.
    """

    times_s: FloatArray
    direct: Mapping[str, FloatArray]
    auditory: Mapping[str, FloatArray]
    evoked: Mapping[str, FloatArray]
    couplings: Mapping[str, tuple[Coupling, ...]]
    coupling: Mapping[str, Mapping[str, FloatArray]]
    global_dwpli: Mapping[str, Mapping[str, float]]
    rank: tuple[str, ...]
    bads: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SimulatedEeg:
    """Recordings of one person, by site, and the truth."""

    recordings: Mapping[str, Recording]
    truth: EegTruth


@dataclass(frozen=True, eq=False)
class _Person:
    responses: Mapping[str, Evoked]
    click: Evoked
    couplings: Mapping[str, tuple[Coupling, ...]]
    bad: IntArray


def simulate_person(options: EegOptions, *, rng: np.random.Generator) -> SimulatedEeg:
    """Simulate one person.

    A site's recording is the same whichever others are simulated. The person is the same for active and sham, what
    went on meanwhile is not.

    Parameters
    ----------
    options : EegOptions
    rng : Generator

    Returns
    -------
    SimulatedEeg
        Recordings in volts against the reference electrode, with nothing marked as bad.

    Raises
    ------
    OptionError
        MNE is missing, or a coupling that cannot be planted.
    ResourceError
        The surfaces have not been fetched.
    """
    person = _draw_person(options, rng)
    recordings, direct, auditory = {}, {}, {}
    for site, active in zip(site_names(), rng.spawn(len(site_names())), strict=True):
        own = active if options.condition == "active" else np.random.default_rng(active.integers(2**63))
        if site in options.sites:
            recordings[site], direct[site], auditory[site] = _record(site, person, options, own)
    matrices = {
        site: {one.band: true_dwpli(person.couplings[site], one.band_hz) for one in person.couplings[site]}
        for site in options.sites
    }
    values = {
        site: {band: global_value(matrix, site) for band, matrix in bands.items()} for site, bands in matrices.items()
    }
    names = eeg_head().montage.names
    truth = EegTruth(
        _truth_times(options.sfreq_hz),
        direct,
        auditory,
        {site: direct[site] + auditory[site] for site in options.sites},
        {site: person.couplings[site] for site in options.sites},
        matrices,
        values,
        tuple(sorted(options.sites, key=lambda site: float(np.mean(list(values[site].values()))))),
        tuple(names[k] for k in person.bad) if "bad" in options.parts else (),
    )
    return SimulatedEeg({site: recordings[site] for site in options.sites}, truth)


def _draw_person(options: EegOptions, rng: np.random.Generator) -> _Person:
    dealt = rng.permutation(facts.load("tmseeg_simulation")["coupling"]["dwpli"])
    wanted = dict(zip(site_names(), map(float, dealt), strict=True)) if options.dwpli is None else options.dwpli
    quiet = options.condition == "sham" or "coupling" not in options.parts
    responses = {site: draw_evoked(site, rng=rng) for site in site_names()}
    click = draw_auditory(rng=rng, masked=options.masked)
    bad = artefacts.draw_bad(rng=rng)
    couplings = {site: plant_coupling(site, dwpli=0.0 if quiet else wanted[site]) for site in options.sites}
    return _Person(responses, click, couplings, bad)


def _record(
    site: str, person: _Person, options: EegOptions, rng: np.random.Generator
) -> tuple[Recording, FloatArray, FloatArray]:
    """Return one site's recording and its true direct and auditory responses."""
    head = eeg_head()
    pulses, samples = _pulses(options, rng)
    rngs = dict(zip(BRAIN + ARTEFACTS, rng.spawn(len(BRAIN + ARTEFACTS)), strict=True))
    whole = np.zeros((len(head.leadfield), samples))
    if "ongoing" in options.parts:
        for kind in ongoing():
            whole += kind.draw(samples, options.sfreq_hz, rng=rngs["ongoing"])
    if "coupling" in options.parts:
        for coupling in person.couplings[site]:
            waves, _ = coupling.draw(samples, options.sfreq_hz, pulses, rng=rngs["coupling"])
            whole += coupling.maps @ waves
    times = _truth_times(options.sfreq_hz)
    silent = {"evoked": options.condition == "sham", "auditory": False}
    means = []
    for name, response in (("evoked", person.responses[site]), ("auditory", person.click)):
        there = name in options.parts and not silent[name]
        means.append(_respond(whole, response, pulses, times, options.sfreq_hz, rng=rngs[name]) if there else None)
    direct, auditory = (
        np.zeros((len(head.montage.names), len(times))) if mean is None else average_reference(mean[:-1])
        for mean in means
    )
    data = head.recorded(whole)
    del whole
    _disturb(data, site, person, options, pulses, rngs)
    recording = Recording(
        data, options.sfreq_hz, pulses, head.montage, (), site, options.condition, f"simulated {site}"
    )
    return recording, direct, auditory


def _respond(
    data: FloatArray,
    response: Evoked,
    pulses: IntArray,
    times_s: FloatArray,
    sfreq_hz: float,
    *,
    rng: np.random.Generator,
) -> FloatArray:
    """Add a response to every pulse, in place, and return its mean: (channel + 1, sample)."""
    courses = response.courses(len(pulses), times_s, rng=rng)
    first = round(times_s[0] * sfreq_hz)
    for pulse, course in zip(pulses, courses, strict=True):
        data[:, pulse + first : pulse + first + len(times_s)] += response.maps @ course
    mean: FloatArray = response.maps @ courses.mean(axis=0)
    return mean


def _disturb(
    data: FloatArray,
    site: str,
    person: _Person,
    options: EegOptions,
    pulses: IntArray,
    rngs: Mapping[str, np.random.Generator],
) -> None:
    setting = artefacts.Setting(site, options.sfreq_hz, data.shape[1], pulses, options.condition == "sham")
    steps = {
        "pulse": artefacts.add_pulse,
        "recharge": artefacts.add_recharge,
        "decay": artefacts.add_decay,
        "muscle": artefacts.add_muscle,
        "blink": artefacts.add_blinks,
        "line": artefacts.add_line,
        "electrode": artefacts.add_electrodes,
    }
    for name, step in steps.items():
        if name in options.parts:
            step(data, setting, rng=rngs[name])
    if "bad" in options.parts:
        artefacts.add_bad(data, setting, person.bad, rng=rngs["bad"])
    artefacts.cut_to_amplifier(data)


def _pulses(options: EegOptions, rng: np.random.Generator) -> tuple[IntArray, int]:
    """Return the samples of the pulses and the length of the recording."""
    margin = _default("margin_s")
    gaps = options.interval_s + options.interval_jitter_s * rng.uniform(-1, 1, options.trials - 1)
    onsets = margin + np.concatenate([[0.0], np.cumsum(gaps)])
    samples = int(np.ceil((onsets[-1] + margin) * options.sfreq_hz))
    return np.round(onsets * options.sfreq_hz).astype(np.int64), samples


def _truth_times(sfreq_hz: float) -> FloatArray:
    start, stop = facts.load("tmseeg_simulation")["recording"]["truth_s"]
    times: FloatArray = np.arange(round(start * sfreq_hz), round(stop * sfreq_hz) + 1) / sfreq_hz
    return times
