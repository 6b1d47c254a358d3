"""What the steps of cleaning do: trials and parameters in, trials and what was removed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg import library
from actionloop.tmseeg.artefacts import artefact_components
from actionloop.tmseeg.blending import gap_samples, interpolate_pulse
from actionloop.tmseeg.channels import find_unpredicted, require_enough
from actionloop.tmseeg.cutting import cut_trials, require_trials
from actionloop.tmseeg.decay import DecayModel, decay_of_trials, topography_decay
from actionloop.tmseeg.filtering import Apart, band_stop, downsample, high_pass, line_frequency, low_pass, subtract_line
from actionloop.tmseeg.pulses import find_recharge
from actionloop.types import FloatArray, Recording, Trials

Span = Sequence[float]


@dataclass(frozen=True)
class Removal:
    """What a step removed.

    Attributes
    ----------
    channels : dict of str to str
        Channels that were marked or replaced, and why.
    components : tuple of str
        Components that were removed, each with its number and why.
    n_components : int
        Components that there were.
    trials : tuple of int
        Trials that were removed, by their number in the step's input.
    notes : tuple of str
    """

    channels: dict[str, str] | None = None
    components: tuple[str, ...] = ()
    n_components: int = 0
    trials: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def cut(
    given: Recording | Trials, *, rng: np.random.Generator, start_s: float, stop_s: float
) -> tuple[Trials, Removal]:
    """Cut trials; see `cut_trials`."""
    if not isinstance(given, Recording):
        raise OptionError("the step 'cut' works on a recording, and trials were given", fix="leave out the step 'cut'")
    trials, broken, notes = cut_trials(given, start_s=start_s, stop_s=stop_s)
    return trials, Removal(channels=broken, notes=tuple(notes))


def interpolate(
    trials: Trials, *, rng: np.random.Generator, gap_s: Span, fit_s: Span, order_share: float, recharge: bool
) -> tuple[Trials, Removal]:
    """Replace the pulse, and bursts of the stimulator recharging; see `interpolate_pulse`."""
    gaps = [(gap_s[0], gap_s[1])]
    notes = []
    if recharge:
        later = find_recharge(trials)
        gaps += later
        notes = [f"the stimulator's recharging bridged from {a * 1000:.0f} to {b * 1000:.0f} ms" for a, b in later]
    data = trials.data
    for gap in gaps:
        data = interpolate_pulse(
            data,
            start_s=trials.start_s,
            sfreq_hz=trials.sfreq_hz,
            gap_s=gap,
            fit_s=(fit_s[0], fit_s[1]),
            order_share=order_share,
        )
    return trials.with_data(data), Removal(notes=tuple(notes))


def lower_rate(trials: Trials, *, rng: np.random.Generator, to_hz: float) -> tuple[Trials, Removal]:
    """Lower the sampling rate; see `downsample`."""
    lower = downsample(trials, to_hz=to_hz)
    note = f"{trials.sfreq_hz:g} Hz to {lower.sfreq_hz:g} Hz" if lower is not trials else "as slow as that already"
    return lower, Removal(notes=(note,))


def subtract_baseline(trials: Trials, *, rng: np.random.Generator, window_s: Span) -> tuple[Trials, Removal]:
    """Subtract each trial's and channel's mean over a window before the pulse."""
    window = trials.window(window_s[0], window_s[1])
    return trials.with_data(trials.data - trials.data[:, :, window].mean(axis=2, keepdims=True)), Removal()


def remove_drifts(
    trials: Trials, *, rng: np.random.Generator, cutoff_hz: float, order: int, gap_s: Span, fit_s: Span, extend_s: float
) -> tuple[Trials, Removal]:
    """High-pass; see `high_pass`."""
    return high_pass(trials, cutoff_hz=cutoff_hz, order=order, apart=_apart(gap_s, fit_s, extend_s)), Removal()


def remove_fast(
    trials: Trials, *, rng: np.random.Generator, cutoff_hz: float, order: int, gap_s: Span, fit_s: Span, extend_s: float
) -> tuple[Trials, Removal]:
    """Low-pass; see `low_pass`."""
    return low_pass(trials, cutoff_hz=cutoff_hz, order=order, apart=_apart(gap_s, fit_s, extend_s)), Removal()


def _apart(gap_s: Span, fit_s: Span, extend_s: float) -> Apart:
    return Apart((gap_s[0], gap_s[1]), (fit_s[0], fit_s[1]), extend_s)


def remove_line(
    trials: Trials, *, rng: np.random.Generator, line_hz: float, harmonics: int, stands_out: float, gap_s: Span
) -> tuple[Trials, Removal]:
    """Subtract mains hum as sines; see `subtract_line`. A frequency of 0 is looked for."""
    hertz = line_hz or line_frequency(trials, stands_out=stands_out)
    if hertz is None:
        return trials, Removal(notes=("no mains hum stands out; nothing was done",))
    gap = (gap_s[0], gap_s[1])
    return subtract_line(trials, line_hz=hertz, harmonics=harmonics, gap_s=gap), Removal(
        notes=(f"mains at {hertz:g} Hz",)
    )


def notch_line(
    trials: Trials,
    *,
    rng: np.random.Generator,
    line_hz: float,
    stands_out: float,
    half_width_hz: float,
    order: int,
    **apart: Any,
) -> tuple[Trials, Removal]:
    """Remove mains hum by a band-stop; see `band_stop`. A frequency of 0 is looked for."""
    hertz = line_hz or line_frequency(trials, stands_out=stands_out)
    if hertz is None:
        return trials, Removal(notes=("no mains hum stands out; nothing was done",))
    cleaned = band_stop(trials, centre_hz=hertz, half_width_hz=half_width_hz, order=order, apart=_apart(**apart))
    return cleaned, Removal(notes=(f"mains at {hertz:g} Hz",))


def replace_bad_channels(trials: Trials, *, rng: np.random.Generator, times_mad: float) -> tuple[Trials, Removal]:
    """Interpolate channels that the others do not predict, together with those marked before."""
    found = dict.fromkeys(trials.bads, "marked before")
    found |= find_unpredicted(trials, times_mad=times_mad)
    require_enough(trials.names, found, source=trials.source)
    marked = replace(trials, bads=tuple(name for name in trials.names if name in found))
    return library.interpolate_channels(marked), Removal(channels=found)


def average_reference(trials: Trials, *, rng: np.random.Generator) -> tuple[Trials, Removal]:
    """Subtract the mean of the good channels from all."""
    mean = trials.data[:, trials.good].mean(axis=1, keepdims=True)
    return trials.with_data(trials.data - mean, reference="average"), Removal()


def sound(
    trials: Trials,
    *,
    rng: np.random.Generator,
    regularisation: float,
    iterations: int,
    source: str,
    windows_s: Sequence[Span],
) -> tuple[Trials, Removal]:
    """Suppress channel noise; see `library.run_sound`."""
    windows = tuple((start, stop) for start, stop in windows_s)
    cleaned, noise = library.run_sound(
        trials, regularisation=regularisation, iterations=iterations, source=source, windows_s=windows, rng=rng
    )
    worst = int(np.nanargmax(noise))
    middle = float(np.nanmedian(noise)) * 1e6
    note = f"channel noise of {middle:.2g} µV at the median, {noise[worst] * 1e6:.2g} µV at {trials.names[worst]}"
    return replace(cleaned, reference="average"), Removal(notes=(note,))


def sspsir(
    trials: Trials, *, rng: np.random.Generator, n_patterns: int, window_s: Span, high_pass_hz: float
) -> tuple[Trials, Removal]:
    """Project out fast early patterns; see `library.run_sspsir`."""
    cleaned, count = library.run_sspsir(
        trials, n_patterns=n_patterns, window_s=(window_s[0], window_s[1]), high_pass_hz=high_pass_hz
    )
    return replace(cleaned, reference="average"), Removal(notes=(f"{count} patterns projected out",))


def subtract_decay(
    trials: Trials, *, rng: np.random.Generator, fit_s: Span, taus_s: Span, **known: Any
) -> tuple[Trials, Removal]:
    """Subtract slow decay after the pulse; see `decay_of_trials`."""
    model = DecayModel((fit_s[0], fit_s[1]), taus_s=(taus_s[0], taus_s[1]), **known)
    decay, note = decay_of_trials(trials, model)
    return trials.with_data(trials.data - decay), Removal(notes=(note,))


def subtract_map_decay(
    trials: Trials, *, rng: np.random.Generator, blend_taus: Span, **known: float
) -> tuple[Trials, Removal]:
    """Subtract decay that has one map; see `topography_decay`."""
    decay, note = topography_decay(trials, blend_taus=(blend_taus[0], blend_taus[1]), **known)
    return trials.with_data(trials.data - decay), Removal(notes=(note,))


def remove_components(
    trials: Trials,
    *,
    rng: np.random.Generator,
    most: int,
    explained: float,
    fit: Mapping[str, Any],
    **rules: Any,
) -> tuple[Trials, Removal]:
    """Split into independent components and remove those that rules name as artefact, in average reference."""
    referenced = average_reference(trials, rng=rng)[0]
    count = min(most, _rank(referenced, explained))
    found = library.fit_components(referenced, n_components=count, rng=rng, **fit)
    reasons = artefact_components(found, trials.times_s, **rules)
    told = tuple(f"{number}: {why}" for number, why in sorted(reasons.items()))
    cleaned = library.without_components(referenced, found, sorted(reasons))
    return cleaned, Removal(components=told, n_components=count)


def _rank(trials: Trials, explained: float) -> int:
    """Components that hold a share of the good channels' variance, 2 at least."""
    data: FloatArray = trials.data[:, trials.good]
    values = np.linalg.eigvalsh(np.mean([np.cov(one) for one in data], axis=0))[::-1]
    if not values[0] > 0:
        raise SignalError("the trials hold no signal: all good channels are constant", where=trials.source or None)
    held = np.cumsum(values) / values.sum()
    return max(2, min(int(np.searchsorted(held, explained)) + 1, int((values > 1e-9 * values[0]).sum())))


def drop_trials(
    trials: Trials, *, rng: np.random.Generator, times_mad: float, window_s: Span
) -> tuple[Trials, Removal]:
    """Remove trials whose size (root mean square over good channels and a window) stands out of the others'."""
    inside = trials.window(window_s[0], window_s[1])
    inside[gap_samples(trials.start_s, trials.sfreq_hz, len(inside), (-0.002, 0.012))] = False
    sizes = np.log([np.sqrt(np.mean(one[:, inside] ** 2)) for one in trials.data[:, trials.good]])
    middle = float(np.median(sizes))
    return _keep(trials, sizes <= middle + times_mad * 1.4826 * float(np.median(np.abs(sizes - middle))))


def autoreject(
    trials: Trials, *, rng: np.random.Generator, folds: int, decimate: int, most_share: float
) -> tuple[Trials, Removal]:
    """Remove trials above autoreject's threshold; see `library.rejection_threshold`."""
    limit = library.rejection_threshold(trials, folds=folds, decimate=decimate, rng=rng)
    kept = np.ptp(trials.data[:, trials.good], axis=2).max(axis=1) <= limit
    if kept.mean() < 1 - most_share:
        raise SignalError(
            f"autoreject's threshold of {limit * 1e6:.0f} µV would remove {int((~kept).sum())} of {len(kept)} trials",
            where=trials.source or None,
            fix="put the step behind those that remove artefacts, or leave it out",
        )
    cleaned, removal = _keep(trials, kept)
    return cleaned, replace(removal, notes=(*removal.notes, f"threshold {limit * 1e6:.0f} µV"))


def _keep(trials: Trials, kept: Any) -> tuple[Trials, Removal]:
    notes = require_trials(int(kept.sum()), source=trials.source)
    gone = tuple(int(number) for number in np.flatnonzero(~kept))
    return trials.with_data(trials.data[kept]), Removal(trials=gone, notes=tuple(notes))
