"""The pipeline of TMS-EEG cleaning: pulses, trials, order, swapping, the log, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from tests import eegtrials

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg import library
from actionloop.tmseeg.actions import Removal
from actionloop.tmseeg.channels import find_broken, noise_levels
from actionloop.tmseeg.clean import clean
from actionloop.tmseeg.cutting import cut_trials
from actionloop.tmseeg.pulses import find_pulses, find_recharge
from actionloop.tmseeg.steps import Step, build_pipeline, named_pipeline, named_step, pipeline_names, step_names
from actionloop.types import FloatArray, IntArray, Montage, Recording, Trials

RATE = 500.0
UV = 1e-6
N_CHANNELS = 24
FIT = {"fit_hz": RATE, "every": 1, "tolerance": 1e-3, "max_iterations": 50}
LIGHT = ("cut", "interpolate", "baseline", "high_pass", "bad_channels", "average_reference")


@cache
def montage() -> Montage:
    """Places spread evenly over the upper half of a head of 90 mm."""
    number = np.arange(N_CHANNELS)
    height = 0.95 - 0.9 * number / N_CHANNELS
    turn = number * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - height**2)
    places = 90 * np.stack((flat * np.cos(turn), flat * np.sin(turn), height), axis=1)
    return Montage(tuple(f"E{one}" for one in number), places)


def smooth_maps(rng: np.random.Generator, count: int) -> FloatArray:
    apart = np.linalg.norm(montage().xyz_head_mm[:, None] - montage().xyz_head_mm[None], axis=2)
    lower = np.linalg.cholesky(np.exp(-((apart / 60) ** 2)) + 1e-6 * np.eye(N_CHANNELS))
    return lower @ rng.standard_normal((N_CHANNELS, count))


@cache
def scene(n_trials: int = 40, seed: int = 0) -> tuple[FloatArray, IntArray, FloatArray]:
    """Continuous data in volts with pulses and an evoked response, the pulses' samples, and the response, V."""
    rng = np.random.default_rng(seed)
    gap = round(1.8 * RATE)
    pulses = round(1.5 * RATE) + np.arange(n_trials) * gap + rng.integers(0, 40, n_trials)
    count = int(pulses[-1] + 1.5 * RATE)
    sources = np.cumsum(rng.standard_normal((12, count)), axis=1)
    trend = np.stack([np.convolve(one, np.ones(251) / 251, mode="same") for one in sources])
    sources = (sources - trend) / (sources - trend).std(axis=1, keepdims=True)
    data = smooth_maps(rng, 12) @ sources * 2 * UV + rng.standard_normal((N_CHANNELS, count)) * 0.5 * UV
    times = np.arange(round(0.5 * RATE)) / RATE
    shape = sum(
        size * np.exp(-0.5 * ((times - at) / (0.17 * at)) ** 2)
        for at, size in ((0.03, 6), (0.045, -8), (0.1, -10), (0.18, 9))
    )
    evoked = smooth_maps(rng, 1) * shape * UV
    strength = rng.uniform(0.5, 1.5, (N_CHANNELS, 1))
    pulse = strength * np.array([0.0, 4e-3, -3e-3, 1e-3])
    for start in pulses:
        data[:, start : start + len(times)] += evoked
        data[:, start - 1 : start + 3] += pulse
    return data, pulses, evoked


def recording(n_trials: int = 40, **changes: Any) -> Recording:
    data, pulses, _ = scene(n_trials)
    return replace(Recording(data.copy(), RATE, pulses, montage(), site="M1", source="one.vhdr"), **changes)


def none() -> IntArray:
    return np.zeros(0, dtype=np.int64)


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_pulses_are_found_by_size_and_steepness() -> None:
    given = recording(pulses=none())
    assert np.abs(find_pulses(given) - scene()[1]).max() <= 1


def test_recharging_is_no_pulse() -> None:
    data, pulses, _ = scene()
    charged = data.copy()
    for start in pulses:
        charged[:, start + 250 : start + 252] += np.array([4e-4, -3e-4])
    found = find_pulses(recording(data=charged, pulses=none()))
    assert len(found) == len(pulses)
    trials = cut_trials(recording(data=charged), start_s=-0.8, stop_s=0.8)[0]
    ((first, last),) = find_recharge(trials)
    assert first < 0.5 < last
    bridged, removed = named_step("interpolate").run(trials, rng=rng_of())
    assert "recharging" in removed.notes[0]
    later = bridged.window(0.45, 0.55)
    assert np.abs(bridged.data[:, :, later]).max() < 1e-4
    assert find_recharge(cut_trials(recording(), start_s=-0.8, stop_s=0.8)[0]) == []


def test_no_pulse_is_told() -> None:
    rng = rng_of(1)
    quiet = Recording(rng.standard_normal((N_CHANNELS, 20_000)) * 10 * UV, RATE, none(), montage(), source="rest.fif")
    with pytest.raises(SignalError, match="no TMS pulse was found") as caught:
        clean(quiet, rng=rng)
    assert caught.value.where == "rest.fif"
    assert caught.value.fix


@pytest.mark.parametrize("given", [True, False])
def test_dense_pulses_are_refused(given: bool) -> None:
    data, pulses, _ = scene()
    twice = data.copy()
    for start in pulses:
        twice[:, start + 99 : start + 103] += np.array([0.0, 4e-3, -3e-3, 1e-3])
    both = np.sort(np.concatenate((pulses, pulses + 100)))
    with pytest.raises(SignalError, match="too dense"):
        clean(recording(data=twice, pulses=both if given else none()), rng=rng_of())


def test_pulses_nearer_than_a_trial_are_refused() -> None:
    longer = named_pipeline().with_parameters("cut", start_s=-1.5, stop_s=1.5)
    with pytest.raises(SignalError, match="a trial lasts 3 s"):
        clean(recording(), longer, rng=rng_of())


def test_flat_and_saturated_channels_are_marked() -> None:
    data = scene()[0].copy()
    data[3] = 1e-5
    data[7] = np.clip(data[7], -2 * UV, 2 * UV)
    given = recording(data=data, bads=("E20",))
    found = find_broken(given, given.pulses)
    assert found["E3"] == "flat"
    assert "saturated" in found["E7"]
    assert set(found) == {"E3", "E7"}
    trials, broken, _ = cut_trials(given, start_s=-0.5, stop_s=0.6)
    assert trials.bads == ("E20", *broken)


def test_too_many_bad_channels_are_refused() -> None:
    data = scene()[0].copy()
    data[:8] = 0.0
    with pytest.raises(SignalError, match=r"8 of 24 channels are bad.*E0 \(flat\)"):
        clean(recording(data=data), rng=rng_of())


def test_bad_channels_without_numbers_do_not_spread() -> None:
    data = scene()[0].copy()
    data[5] = np.nan
    out = clean(recording(data=data, bads=("E5",)), build_pipeline(LIGHT), rng=rng_of())
    assert np.isfinite(out.trials.data).all()
    assert out.trials.bads == ()
    assert out.log[4].removed.channels == {"E5": "marked before"}


def test_twenty_trials_are_refused_and_forty_told() -> None:
    with pytest.raises(SignalError, match="there are 20 trials, and at least 30"):
        clean(recording(20), rng=rng_of())
    out = clean(recording(40), build_pipeline(("cut", "baseline")), rng=rng_of())
    assert any("only 40 trials" in note for note in out.log[0].removed.notes)


def test_trials_beyond_the_recording_are_left_out() -> None:
    data, pulses, _ = scene()
    given = recording(data=data[:, : pulses[-1] + 100])
    trials, _, notes = cut_trials(given, start_s=-0.5, stop_s=0.6)
    assert len(trials.data) == len(pulses) - 1
    assert any("beyond the recording" in note for note in notes)
    assert np.array_equal(trials.data[2], data[:, pulses[2] - 250 : pulses[2] + 301])
    assert trials.times_s[250] == 0


def test_default_is_the_published_order() -> None:
    names = named_pipeline().names
    assert names[:6] == ("cut", "interpolate", "downsample", "baseline", "high_pass", "bad_channels")
    published = ["eyes", "sound", "decay", "interpolate_again", "line", "components", "low_pass", "average_reference"]
    assert [name for name in names[6:] if name in published] == published
    for name in pipeline_names():
        assert named_pipeline(name).steps[0].needs_recording
    for name in step_names():
        assert named_step(name).what


def test_steps_are_swapped_left_out_and_added() -> None:
    base = named_pipeline()
    assert "sound" not in base.without("sound", "eyes").names
    assert base.swapped("sound", "sspsir").names[base.names.index("sound")] == "sspsir"
    assert base.added("bad_trials", after="baseline").names.index("bad_trials") == base.names.index("baseline") + 1
    changed = base.with_parameters("high_pass", cutoff_hz=0.5)
    assert changed.steps[4].parameters["cutoff_hz"] == 0.5
    assert base.steps[4].parameters["cutoff_hz"] == 1.0

    def halve(trials: Trials, *, rng: np.random.Generator) -> tuple[Trials, Removal]:
        return trials.with_data(trials.data / 2), Removal(notes=("halved",))

    own = build_pipeline(("cut", "baseline")).added(Step("halve", "half of everything", halve), after="baseline")
    whole, half = (clean(recording(), one, rng=rng_of()) for one in (own.without("halve"), own))
    assert np.allclose(half.trials.data * 2, whole.trials.data)
    assert half.log[-1].line == "halved"
    assert half.log[-1].changes[0].removed_v == pytest.approx(half.log[-1].changes[0].after_v)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: named_pipeline("best"), "default"),
        (lambda: named_step("magic"), "sspsir"),
        (lambda: named_pipeline().without("magic"), "average_reference"),
        (lambda: named_pipeline().swapped("sound", "magic"), "no step 'magic'"),
        (lambda: named_pipeline().with_parameters("sound", strength=2), "regularisation"),
        (lambda: build_pipeline(("cut", "baseline", "baseline")), "of one name: baseline"),
        (lambda: build_pipeline(("baseline", "cut")), "comes first"),
        (lambda: build_pipeline(()), "needs a step"),
        (lambda: clean(recording(), build_pipeline(("baseline",)), rng=rng_of()), "begins with 'baseline'"),
    ],
)
def test_errors_list_what_there_is(wrong: Any, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        wrong()


def test_log_says_what_was_removed_and_shows_before_and_after() -> None:
    data = scene()[0].copy()
    data[9] += 200 * UV * rng_of(3).standard_normal(data.shape[1])
    out = clean(recording(data=data), build_pipeline(LIGHT), rng=rng_of())
    assert [one.name for one in out.log] == list(LIGHT)
    assert "E9 (noise of" in out.log[4].line
    assert [one.name for one in out.before_after] == list(LIGHT[1:])
    bridged = out.before_after[0]
    pulse = np.abs(bridged.before_s) < 0.002
    assert np.abs(bridged.before[:, pulse]).max() > 1e-3
    assert np.abs(bridged.after[:, pulse]).max() < 1e-4
    for one in out.log[1:]:
        assert [(change.start_s, change.stop_s) for change in one.changes] == [
            (-0.5, -0.01),
            (0.015, 0.08),
            (0.08, 0.3),
        ]
        assert one.seconds >= 0
    assert out.log[1].changes[0].removed_v == 0
    assert out.trials.reference == "average"
    assert np.abs(out.trials.data.mean(axis=1)).max() < 1e-12


def test_trials_that_were_cut_before_are_not_cut_again() -> None:
    pipeline = build_pipeline(LIGHT)
    whole = clean(recording(), pipeline, rng=rng_of())
    trials = cut_trials(recording(), start_s=-0.8, stop_s=0.8)[0]
    out = clean(trials, pipeline, rng=rng_of())
    assert out.log[0].skipped
    assert np.array_equal(out.trials.data, whole.trials.data)


def test_noise_levels_equal_a_naive_estimate() -> None:
    trials = cut_trials(recording(), start_s=-0.5, stop_s=0.6)[0]
    series = np.concatenate(list(trials.data), axis=1)
    ridge = np.mean(np.sum(series**2, axis=1))
    place = 4
    others = np.delete(series, place, axis=0)
    weights = np.linalg.solve(others @ others.T + ridge * np.eye(len(others)), others @ series[place])
    naive = np.sqrt(np.mean((series[place] - weights @ others) ** 2))
    assert noise_levels(trials)[place] == pytest.approx(naive, rel=1e-6)


def test_trials_that_stand_out_are_dropped() -> None:
    trials = cut_trials(recording(), start_s=-0.5, stop_s=0.6)[0]
    data = trials.data.copy()
    data[11] *= 30
    out = clean(trials.with_data(data), build_pipeline(("cut", "interpolate", "baseline", "bad_trials")), rng=rng_of())
    assert out.log[-1].removed.trials == (11,)
    assert "trials: 12" in out.log[-1].line
    assert len(out.trials.data) == len(data) - 1


def test_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        if name.startswith("mne"):
            raise ImportError(f"No module named {name!r}")
        return import_module(name)

    monkeypatch.setattr(library, "import_module", missing)
    with pytest.raises(OptionError, match="TMS-EEG needs mne") as caught:
        clean(recording(), build_pipeline(("cut", "interpolate", "sound")), rng=rng_of())
    assert caught.value.fix == "pip install 'actionloop[tmseeg]'"


def test_importing_the_rooms_modules_loads_no_mne() -> None:
    import subprocess
    import sys

    code = "import sys, actionloop.tmseeg.clean; sys.exit(any(one.split('.')[0] == 'mne' for one in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def few() -> Iterator[Trials]:
    out = clean(recording(), build_pipeline(LIGHT[:-1]), rng=rng_of())
    yield out.trials


def test_values_survive_the_way_to_mne_and_back(few: Trials) -> None:
    epochs = library.to_epochs(few)
    assert epochs.info["sfreq"] == few.sfreq_hz
    assert epochs.times == pytest.approx(few.times_s)
    assert epochs.get_montage().get_positions()["ch_pos"]["E3"] * 1000 == pytest.approx(few.montage.xyz_head_mm[3])
    assert np.array_equal(library.from_epochs(epochs, few).data, few.data)
    assert library.to_raw(few.data[0], few).get_data().shape == few.data[0].shape


def test_sound_suppresses_a_noisy_channel(few: Trials) -> None:
    data = few.data.copy()
    data[:, 6] += 40 * UV * rng_of(2).standard_normal(data[:, 6].shape)
    noisy = few.with_data(data)
    cleaned, removed = named_step("sound").run(noisy, rng=rng_of())
    truth = few.data.mean(axis=0) - few.data.mean(axis=(0, 1))
    before, after = (np.std(one.data.mean(axis=0)[6] - truth[6]) for one in (noisy, cleaned))
    assert after < 0.5 * before
    assert "at E6" in removed.notes[0]
    assert cleaned.reference == "average"


def test_sspsir_projects_out_a_fast_pattern(few: Trials) -> None:
    data = few.data.copy()
    inside = few.window(0.012, 0.03)
    burst = 80 * UV * np.sin(2 * np.pi * 140 * few.times_s[inside])
    data[:, 2:5, inside] += burst * np.array([1.0, -0.6, 0.4])[:, None]
    fast = few.with_data(data)
    cleaned, removed = named_step("sspsir").with_parameters(n_patterns=1).run(fast, rng=rng_of())
    assert removed.notes == ("1 patterns projected out",)
    size = [np.ptp(one.data.mean(axis=0)[2, inside]) for one in (fast, cleaned)]
    assert size[1] < 0.3 * size[0]


def test_components_add_up_and_muscle_is_removed(few: Trials) -> None:
    rng = rng_of(4)
    data = few.data.copy()
    twitch = 150 * UV * np.exp(-0.5 * ((few.times_s - 0.018) / 0.004) ** 2)
    pattern = np.exp(-np.linalg.norm(montage().xyz_head_mm - montage().xyz_head_mm[20], axis=1) / 25)
    data += rng.uniform(0.5, 1.5, (len(data), 1, 1)) * pattern[:, None] * twitch
    step = named_step("components").with_parameters(eye_above=2.0, muscle_above=2.0, brain_below=0.0, fit=FIT)
    cleaned, removed = step.run(few.with_data(data), rng=rng_of())
    assert any("TMS-evoked muscle" in one for one in removed.components)
    truth = few.data.mean(axis=0) - few.data.mean(axis=(0, 1))
    early = few.window(0.013, 0.026)
    raw = data.mean(axis=0) - data.mean(axis=(0, 1))
    before, after = (np.abs(one[20, early] - truth[20, early]).mean() for one in (raw, cleaned.data.mean(axis=0)))
    assert after < 0.25 * before
    again, _ = step.run(few.with_data(data), rng=rng_of())
    assert np.array_equal(again.data, cleaned.data)
    referenced = few.with_data(data - data.mean(axis=1, keepdims=True))
    found = library.fit_components(referenced, n_components=12, rng=rng_of(), **FIT)
    nothing = library.without_components(referenced, found, [])
    assert np.allclose(nothing.data, referenced.data, atol=1e-12)
    everything = library.without_components(referenced, found, list(range(12)))
    assert everything.data.std() < 0.2 * referenced.data.std()


def test_too_many_components_are_refused(few: Trials) -> None:
    step = named_step("components").with_parameters(brain_below=1.1)
    with pytest.raises(SignalError, match="have to stay"):
        step.run(few, rng=rng_of())


@pytest.mark.slow
def test_default_pipeline_brings_the_response_back() -> None:
    data, pulses, evoked = scene()
    given = recording()
    decay = 150 * UV * np.exp(-np.arange(300) / RATE / 0.025)
    dirty = data.copy()
    for start in pulses:
        dirty[4:8, start : start + 300] += decay
    pipeline = named_pipeline().with_parameters("components", brain_below=0.0, muscle_above=0.9)
    out = clean(replace(given, data=dirty), pipeline, rng=rng_of())
    raw = clean(replace(given, data=dirty), "none", rng=rng_of())
    truth = evoked - evoked.mean(axis=0)

    def agreement(trials: Trials) -> float:
        mean = trials.data.mean(axis=0)[:, trials.window(0.016, 0.3)]
        first = round(0.016 * RATE)
        return float(np.corrcoef(mean.ravel(), truth[:, first : first + mean.shape[1]].ravel())[0, 1])

    assert agreement(out.trials) > max(0.85, agreement(raw.trials))
    assert [one.name for one in out.log] == list(named_pipeline().names)


def test_autoreject_removes_the_trials_that_stand_out() -> None:
    """The library's threshold takes those ten times as large, and some ordinary ones of even noise."""
    made = eegtrials.trials(n=60)
    data = made.data.copy()
    data[[7, 23, 41]] *= 10
    out = clean(made.with_data(data), build_pipeline(("autoreject",)), rng=rng_of())
    removed = out.log[0]
    gone = removed.removed.trials
    assert {7, 23, 41} <= set(gone) and len(gone) <= 15 and "threshold" in removed.line
    np.testing.assert_array_equal(out.trials.data, np.delete(data, gone, axis=0))


def test_autoreject_that_would_take_most_trials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actionloop.tmseeg.library.rejection_threshold", lambda *_, **__: 1e-9)
    with pytest.raises(SignalError, match="would remove 60 of 60"):
        clean(eegtrials.trials(n=60), build_pipeline(("autoreject",)), rng=rng_of())
