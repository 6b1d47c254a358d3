"""What a pulse does to electrodes, amplifier and scalp, and what else disturbs a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.phantom.eeghead import eeg_head
from actionloop.phantom.eegsites import scalp_point, site_channels, site_names
from actionloop.phantom.eegsources import MS, UV, coloured
from actionloop.types import FloatArray, IntArray

MV = 1e-3
DECAY_AT_S = 0.015
DECAY_LASTS_S = 1.4
FADE_S = 0.3
SOFT_S = 0.002


@dataclass(frozen=True, eq=False)
class Setting:
    """What the artefacts of one recording have in common.

    Attributes
    ----------
    site : str
    sfreq_hz : float
    samples : int
    pulses : (pulse,) int ndarray
    sham : bool
    """

    site: str
    sfreq_hz: float
    samples: int
    pulses: IntArray
    sham: bool

    def share(self, name: str) -> float:
        """Return what is left of an artefact of the pulse: 1, or less for sham."""
        return float(facts.load("tmseeg_simulation")["sham"][name]) if self.sham else 1.0

    def after(self, last_s: float) -> FloatArray:
        """Return times after the pulse, from 0, s."""
        times: FloatArray = np.arange(round(last_s * self.sfreq_hz)) / self.sfreq_hz
        return times

    def add(self, data: FloatArray, starts: IntArray, waves: Callable[[int], FloatArray]) -> None:
        """Add the k-th (channel, sample) wave at the k-th start, in place; what reaches beyond the end is cut."""
        for k, start in enumerate(starts):
            wave = waves(k)
            stop = min(int(start) + wave.shape[1], self.samples)
            if 0 <= start < stop:
                data[:, start:stop] += wave[:, : stop - start]


def coil_point(site: str) -> FloatArray:
    """Return the middle of the coil over a site, head mm."""
    shells = eeg_head().shells
    outwards = scalp_point(site) - shells.centre_mm
    above = facts.load("tmseeg_simulation")["coil"]["above_mm"]
    point: FloatArray = shells.centre_mm + outwards * (1 + above / shells.radius_mm)
    return point


def add_pulse(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add the pulse with the ringing of the amplifier, to (channel, sample) volts in place."""
    own = facts.load("tmseeg_simulation")["pulse"]
    near = np.exp(-_from_coil(setting.site) / own["reach_mm"])
    signed = near * np.exp(own["spread"] * rng.standard_normal(len(near))) * rng.choice([-1.0, 1.0], len(near))
    size = signed / np.abs(signed).max() * own["mv"] * MV * setting.share("pulse")
    times = setting.after(0.015)
    phase = rng.uniform(-0.5, 0.5, len(near))[:, None]
    ring = np.exp(-times / (own["ring_ms"] * MS)) * np.cos(2 * np.pi * own["ring_hz"] * times + phase)
    gain = 1 + own["trial"] * rng.standard_normal(len(setting.pulses))
    setting.add(data, setting.pulses, lambda k: gain[k] * size[:, None] * ring)


def add_recharge(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add the click of the stimulator's recharging, in place."""
    own = facts.load("tmseeg_simulation")["recharge"]
    near = np.exp(-_from_coil(setting.site) / facts.load("tmseeg_simulation")["pulse"]["reach_mm"])
    signed = near * rng.choice([-1.0, 1.0], len(near))
    size = signed / near.max() * own["uv"] * UV * setting.share("pulse")
    times = setting.after(0.02)
    ring = np.exp(-times / (own["ring_ms"] * MS)) * np.cos(2 * np.pi * own["ring_hz"] * times)
    late = own["s"] + own["jitter_ms"] * MS * rng.standard_normal(len(setting.pulses))
    starts = setting.pulses + np.round(late * setting.sfreq_hz).astype(np.int64)
    setting.add(data, starts, lambda k: size[:, None] * ring)


def add_decay(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add the decay of charge at each electrode, of its own size, sign, shape and history, in place."""
    own = facts.load("tmseeg_simulation")["decay"]
    count, trials = len(data), len(setting.pulses)
    near = np.exp(-_from_coil(setting.site) / own["reach_mm"])
    signed = near * np.exp(own["spread"] * rng.standard_normal(count)) * rng.choice([-1.0, 1.0], count)
    size = signed / np.abs(signed).max() * own["uv"] * UV * setting.share("decay")
    times = setting.after(DECAY_LASTS_S)
    fast, slow = (np.exp(_between(rng, np.log(own[name]), (count, 1))) * MS for name in ("fast_ms", "slow_ms"))
    share = _between(rng, own["slow_share"], (count, 1))
    late = times - DECAY_AT_S
    exponential = (1 - share) * np.exp(-late / fast) + share * np.exp(-late / slow)
    power = ((times + SOFT_S) / (DECAY_AT_S + SOFT_S)) ** -_between(rng, own["power"], (count, 1))
    shape = np.where(rng.random((count, 1)) < own["power_share"], power, exponential)
    left = np.clip((times[-1] - times) / FADE_S, 0.0, 1.0)
    shape *= 0.5 - 0.5 * np.cos(np.pi * left)
    session = np.linspace(-0.5, 0.5, trials)[:, None] * rng.uniform(-1, 1, count)
    gain = (1 + own["common_trial"] * rng.standard_normal((trials, 1))) * (
        1 + own["trial"] * rng.standard_normal((trials, count)) + own["drift"] * session
    )
    setting.add(data, setting.pulses, lambda k: (gain[k] * size)[:, None] * shape)


def add_muscle(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add the twitch of scalp muscle near the coil: two lobes and a slow return, in place."""
    own = facts.load("tmseeg_simulation")["muscle"]
    bundles = _muscle_maps(setting.site, own["sources"], own["reach_mm"], rng)
    times = setting.after(0.08)
    first, second = (
        np.exp(-0.5 * ((times - at * MS) / (width * MS)) ** 2)
        for at, width in zip(own["ms"], own["width_ms"], strict=True)
    )
    slow = np.exp(-np.maximum(times - 0.012, 0.0) / (own["tail_ms"] * MS)) * np.clip((times - 0.004) / 0.008, 0.0, 1.0)
    lobes = np.array(
        [
            first + own["second"] * turn * second + own["tail"] * late * slow
            for turn, late in rng.uniform(0.6, 1.4, (own["sources"], 2))
        ]
    )
    whole = bundles @ lobes
    size = own["uv"][setting.site] * UV * setting.share("muscle") * np.exp(0.2 * rng.standard_normal())
    bundles *= size / np.abs(whole).max()
    gain = np.exp(own["trial"] * rng.standard_normal((len(setting.pulses), own["sources"])))
    setting.add(data, setting.pulses, lambda k: bundles @ (gain[k][:, None] * lobes))


def _muscle_maps(site: str, count: int, reach_mm: float, rng: np.random.Generator) -> FloatArray:
    """Return (channel, bundle) potentials of bundles strewn around the coil, each between two ends of opposite sign."""
    head = eeg_head()
    places = (
        scalp_point(site) + 15.0 * rng.standard_normal((count, 2, 3)) + np.array([[[0, 12.0, -12.0], [0, -12.0, 12.0]]])
    )
    ends = head.recorded(np.exp(-_far(places.reshape(-1, 3)) / reach_mm)).reshape(-1, count, 2)
    maps: FloatArray = ends[..., 0] - 0.6 * ends[..., 1]
    return maps


def add_blinks(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add blinks, some of them provoked by the pulse, and saccades, in place."""
    own = facts.load("tmseeg_simulation")["blink"]
    head = eeg_head()
    forehead = [head.montage.index(name) for name in ("Fp1", "Fp2")]
    eyes = head.montage.xyz_head_mm[forehead] + np.array(own["below_mm"])
    left, right = head.recorded(np.exp(-_far(eyes) / own["reach_mm"])).T
    minutes = setting.samples / setting.sfreq_hz / 60
    free = rng.uniform(0, setting.samples, rng.poisson(own["per_minute"] * minutes))
    provoked = setting.pulses[rng.random(len(setting.pulses)) < own["locked"]]
    mean, spread = own["locked_ms"]
    late = np.maximum(mean + spread * rng.standard_normal(len(provoked)), 20.0) * MS * setting.sfreq_hz
    starts = np.concatenate([free, provoked + late]).astype(np.int64)
    both = (left + right) / np.abs(left + right).max()
    lasts, size = (
        _between(rng, own["s"], (len(starts),)),
        own["uv"] * UV * np.exp(0.25 * rng.standard_normal(len(starts))),
    )
    setting.add(data, starts, lambda k: np.outer(both * size[k], np.hanning(round(lasts[k] * setting.sfreq_hz))))
    turned = (right - left) / np.abs(right - left).max()
    moves = rng.uniform(0, setting.samples, rng.poisson(own["saccades_per_minute"] * minutes)).astype(np.int64)
    height = own["saccade_uv"] * UV * rng.choice([-1.0, 1.0], len(moves))
    stays = rng.uniform(0.3, 1.0, len(moves))
    setting.add(data, moves, lambda k: np.outer(turned * height[k], _plateau(setting.after(stays[k]))))


def _between(rng: np.random.Generator, ends: Sequence[float], shape: tuple[int, ...]) -> FloatArray:
    """Draw evenly between two ends."""
    return rng.uniform(ends[0], ends[1], shape)


def _plateau(times: FloatArray) -> FloatArray:
    risen: FloatArray = np.clip(times / 0.03, 0.0, 1.0) * np.clip((times[-1] - times) / 0.03, 0.0, 1.0)
    return risen


def add_line(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add the hum of the mains and its third harmonic, in place."""
    own = facts.load("tmseeg_simulation")["line"]
    times = np.arange(setting.samples) / setting.sfreq_hz
    size = own["uv"] * UV * np.exp(own["spread"] * rng.standard_normal(len(data)))
    swell = 1 + 0.1 * np.sin(2 * np.pi * times / 37.0)
    for order, share in ((1, 1.0), (3, own["harmonic"])):
        if order * own["hz"] >= setting.sfreq_hz / 2:
            continue
        wave = swell * np.exp(2j * np.pi * order * own["hz"] * times)
        phase = share * size * np.exp(2j * np.pi * rng.random(len(data)))
        data += phase.real[:, None] * wave.real - phase.imag[:, None] * wave.imag


def add_electrodes(data: FloatArray, setting: Setting, *, rng: np.random.Generator) -> None:
    """Add noise and slow drift of every electrode, in place."""
    own = facts.load("tmseeg_simulation")["electrode"]
    white = own["white_uv"] * UV * np.sqrt(setting.sfreq_hz / 1000.0)
    for channel in range(len(data)):
        data[channel] += white * rng.standard_normal(setting.samples)
        data[channel] += own["drift_uv"] * UV * _wander(setting, own["drift_hz"], rng)


def add_bad(data: FloatArray, setting: Setting, bad: IntArray, *, rng: np.random.Generator) -> None:
    """Add to electrodes that are not usable, in place: in turn noise, and drift with sudden steps that fade."""
    own = facts.load("tmseeg_simulation")["electrode"]
    times = setting.after(2.0)
    for place, channel in enumerate(bad):
        if place % 2 == 0:
            data[channel] += own["bad_white_uv"] * UV * rng.standard_normal(setting.samples)
            continue
        data[channel] += own["bad_drift_uv"] * UV * _wander(setting, 4 * own["drift_hz"], rng)
        pops = rng.poisson(own["bad_pops_per_minute"] * setting.samples / setting.sfreq_hz / 60)
        starts = rng.integers(0, setting.samples, pops)
        height = own["bad_pop_uv"] * UV * rng.standard_normal(pops)
        steps = height[:, None, None] * np.exp(-times / own["bad_pop_s"])
        setting.add(data[channel : channel + 1], starts, steps.__getitem__)


def draw_bad(*, rng: np.random.Generator) -> IntArray:
    """Draw which electrodes are not usable in one session: none of those nearest to a site."""
    settings = facts.load("tmseeg_simulation")
    kept = [site_channels(name, count=settings["coupling"]["neighbours"]) for name in site_names()]
    free = np.setdiff1d(np.arange(len(eeg_head().montage.names)), np.concatenate(kept))
    chosen: IntArray = np.sort(rng.choice(free, settings["electrode"]["bad"], replace=False))
    return chosen


def cut_to_amplifier(data: FloatArray) -> None:
    """Cut what the amplifier cannot carry, in place."""
    limit = facts.load("tmseeg_simulation")["pulse"]["amplifier_mv"] * MV
    np.clip(data, -limit, limit, out=data)


def _wander(setting: Setting, knee_hz: float, rng: np.random.Generator) -> FloatArray:
    def slow(frequency_hz: FloatArray) -> FloatArray:
        amplitude: FloatArray = (
            1 / (frequency_hz**2 + (0.1 * knee_hz) ** 2) * (1 + (frequency_hz / knee_hz) ** 2) ** -0.5
        )
        return amplitude

    wave: FloatArray = coloured(1, setting.samples, setting.sfreq_hz, slow, rng=rng)[0]
    return wave


def _from_coil(site: str) -> FloatArray:
    """Return the distance of each channel from the middle of the coil, mm."""
    return _far(coil_point(site)[None])[:-1, 0]


def _far(points_head_mm: FloatArray) -> FloatArray:
    """Return (channel + 1, point) distances of the electrodes, the reference last, mm."""
    head = eeg_head()
    places = np.vstack([head.montage.xyz_head_mm, head.reference_xyz_head_mm])
    far: FloatArray = np.linalg.norm(places[:, None] - points_head_mm[None], axis=2)
    return far
