"""Replacing the pulse, filters that do not ring over it, decay, and the rules for muscle."""

from __future__ import annotations

import numpy as np
import pytest

from actionloop import facts
from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.actions import subtract_decay, subtract_map_decay
from actionloop.tmseeg.blending import burg, gap_samples, interpolate_pulse, predict
from actionloop.tmseeg.decay import DecayModel, fit_decay
from actionloop.tmseeg.filtering import (
    Apart,
    band_stop,
    downsample,
    high_pass,
    line_frequency,
    low_pass,
    subtract_line,
)
from actionloop.tmseeg.muscle import early_ratio, spectral_slope, tense_muscle, tms_muscle
from actionloop.types import FloatArray, Montage, Trials

RATE = 1000.0
GAP_S = (-0.002, 0.012)
APART = Apart(gap_s=GAP_S, fit_s=(0.1, 0.03), extend_s=0.5)
UV = 1e-6


def montage(count: int) -> Montage:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    places = np.stack((85 * np.cos(turn), 85 * np.sin(turn), np.full(count, 30.0)), axis=1)
    return Montage(tuple(f"E{number}" for number in range(count)), places)


def trials_of(data: FloatArray, *, start_s: float = -0.5, rate: float = RATE) -> Trials:
    return Trials(data, rate, start_s, montage(data.shape[1]))


def times_of(stop_s: float = 0.6, *, start_s: float = -0.5, rate: float = RATE) -> FloatArray:
    return start_s + np.arange(round((stop_s - start_s) * rate)) / rate


def autoregressive(rng: np.random.Generator, weights: list[float], count: int) -> FloatArray:
    values = np.zeros(count + 200)
    for place in range(len(weights), len(values)):
        values[place] = rng.standard_normal() + sum(w * values[place - 1 - k] for k, w in enumerate(weights))
    return values[200:]


def naive_least_squares(series: FloatArray, order: int, count: int) -> FloatArray:
    rows = np.array([series[place - order : place][::-1] for place in range(order, len(series))])
    weights = np.linalg.lstsq(rows, series[order:], rcond=None)[0]
    known = list(series)
    for _ in range(count):
        known.append(sum(w * known[-1 - k] for k, w in enumerate(weights)))
    return np.array(known[len(series) :])


def test_prediction_equals_naive_least_squares() -> None:
    rng = np.random.default_rng(0)
    series = autoregressive(rng, [1.6, -0.9], 4000)
    series -= series.mean()
    assert burg(series[None], order=2)[0] == pytest.approx([1.6, -0.9], abs=0.03)
    ours = predict(series[None], 30, order=6)[0]
    naive = naive_least_squares(series, 6, 30)
    assert np.abs(ours - naive).max() < 0.02 * series.std()


def test_prediction_never_grows() -> None:
    rng = np.random.default_rng(1)
    series = np.cumsum(rng.standard_normal((20, 60)), axis=1)
    far = predict(series, 2000, order=20)
    assert np.abs(far).max() < 4 * np.abs(series).max()


@pytest.mark.parametrize("hertz", [10.0, 25.0, 60.0])
def test_sinusoid_goes_on_across_the_gap(hertz: float) -> None:
    times = times_of()
    wave = np.sin(2 * np.pi * hertz * times + 0.4)
    data = np.tile(wave, (2, 3, 1))
    gap = gap_samples(-0.5, RATE, len(times), GAP_S)
    data[:, :, gap] += 5000.0
    filled = interpolate_pulse(data, start_s=-0.5, sfreq_hz=RATE, gap_s=GAP_S, fit_s=(0.1, 0.1), order_share=1 / 3)
    assert np.abs(filled - wave).max() < 0.05
    outside = np.ones(len(times), dtype=bool)
    outside[gap] = False
    assert np.array_equal(filled[:, :, outside], data[:, :, outside])


def test_gap_is_within_the_ends_and_holds_samples() -> None:
    assert gap_samples(-0.5, 1000.0, 1000, (-0.002, 0.012)) == slice(498, 513)
    with pytest.raises(SignalError, match="no sample lies between"):
        gap_samples(-0.5, 100.0, 100, (0.001, 0.002))
    with pytest.raises(SignalError, match="nothing to predict"):
        gap_samples(-0.003, 1000.0, 100, (-0.002, 0.012))


@pytest.mark.parametrize("kind", ["high", "low", "notch", "both"])
def test_nothing_leaks_across_the_pulse(kind: str) -> None:
    rng = np.random.default_rng(2)
    times = times_of()
    quiet = trials_of(rng.standard_normal((2, 4, len(times))) * UV)
    struck = quiet.data.copy()
    struck[:, :, np.argmin(np.abs(times - 0.02))] += 1e-3
    chosen = {
        "high": lambda one: high_pass(one, cutoff_hz=1.0, order=4, apart=APART),
        "low": lambda one: low_pass(one, cutoff_hz=100.0, order=4, apart=APART),
        "notch": lambda one: band_stop(one, centre_hz=50.0, half_width_hz=2.0, order=4, apart=APART),
        "both": lambda one: low_pass(
            high_pass(one, cutoff_hz=1.0, order=4, apart=APART), cutoff_hz=100.0, order=4, apart=APART
        ),
    }[kind]
    without, with_impulse = chosen(quiet).data, chosen(quiet.with_data(struck)).data
    before, after = times < GAP_S[0] - 1e-6, times > GAP_S[1] + 1e-6
    # Not one digit before the pulse depends on what follows it
    assert np.array_equal(with_impulse[:, :, before], without[:, :, before])
    assert not np.allclose(with_impulse[:, :, after], without[:, :, after], atol=1e-6)


def test_filters_pass_and_stop() -> None:
    times = times_of(0.8, start_s=-0.8)
    drift, fast, brain = 5 * np.sin(2 * np.pi * 0.2 * times), np.sin(2 * np.pi * 300 * times), np.sin(62 * times)
    given = Trials(np.tile((drift + fast + brain) * UV, (1, 2, 1)), RATE, -0.8, montage(2))
    high = high_pass(given, cutoff_hz=1.0, order=4, apart=APART)
    low = low_pass(high, cutoff_hz=100.0, order=4, apart=APART)
    middle = (np.abs(times) < 0.4) & ~((times > -0.02) & (times < 0.03))
    left = low.data[0, 0, middle] / UV
    assert np.corrcoef(left, brain[middle])[0, 1] > 0.9
    with pytest.raises(OptionError, match="half the sampling rate"):
        low_pass(given, cutoff_hz=600.0, order=4, apart=APART)
    with pytest.raises(OptionError, match="even"):
        low_pass(given, cutoff_hz=60.0, order=3, apart=APART)


def test_downsampling_keeps_time_zero() -> None:
    rate = 5000.0
    times = times_of(rate=rate, start_s=-0.5002)
    given = trials_of(np.tile(np.sin(2 * np.pi * 10 * times), (1, 2, 1)), start_s=-0.5002, rate=rate)
    lower = downsample(given, to_hz=1000.0)
    assert lower.sfreq_hz == 1000.0
    assert np.abs(lower.times_s).min() < 1e-9
    inside = np.abs(lower.times_s) < 0.4
    assert np.abs(lower.data[0, 0] - np.sin(2 * np.pi * 10 * lower.times_s))[inside].max() < 1e-3
    assert downsample(given, to_hz=9000.0) is given
    with pytest.raises(OptionError, match="simple ratio"):
        downsample(given, to_hz=1000 * np.pi)


def test_mains_is_found_and_subtracted() -> None:
    rng = np.random.default_rng(3)
    times = times_of(0.8, start_s=-0.8)
    brain = np.cumsum(rng.standard_normal((20, 3, len(times))), axis=2) * 0.3
    brain -= brain.mean(axis=2, keepdims=True)
    phases = rng.uniform(0, 6, (20, 3, 1))
    hum = 8 * np.sin(2 * np.pi * 50.05 * times + phases) + 2 * np.sin(2 * np.pi * 150.15 * times + phases)
    given = Trials((brain + hum) * UV, RATE, -0.8, montage(3))
    assert line_frequency(given, stands_out=3.0) == 50.0
    assert line_frequency(given.with_data(brain * UV), stands_out=3.0) is None
    left = subtract_line(given, line_hz=50.0, harmonics=3, gap_s=GAP_S).data / UV - brain
    assert left.std() < 0.1 * hum.std()


def decay_model(**changes: object) -> DecayModel:
    known = facts.load("tmseeg_cleaning")["steps"]["decay"]["parameters"] | changes
    return DecayModel(**{name: tuple(one) if isinstance(one, list) else one for name, one in known.items()})


def responses(rng: np.random.Generator, times: FloatArray, n_trials: int) -> tuple[FloatArray, FloatArray]:
    """Trials of an evoked response and ongoing activity, and the response; µV."""
    peaks = ((0.016, -4), (0.03, 6), (0.045, -8), (0.06, 7), (0.1, -11), (0.18, 9), (0.28, -4))
    shape = sum(size * np.exp(-0.5 * ((times - at) / (0.17 * at)) ** 2) for at, size in peaks)
    evoked = np.cos(np.linspace(0, 2 * np.pi, 12, endpoint=False) - 0.5)[:, None] * shape
    ongoing = np.cumsum(rng.standard_normal((n_trials, 12, len(times))), axis=2)
    ongoing -= np.apply_along_axis(lambda one: np.convolve(one, np.ones(150) / 150, mode="same"), 2, ongoing)
    return evoked + 5 * ongoing / ongoing.std(), evoked


def test_decay_spares_a_response_without_decay() -> None:
    times = times_of()
    data, evoked = responses(np.random.default_rng(4), times, 60)
    given = trials_of(data * UV)
    late = times > 0.015
    found = fit_decay(given, decay_model())[:, late] / UV
    assert np.sqrt(np.mean(found**2)) < 0.15 * np.sqrt(np.mean(evoked[:, late] ** 2))


@pytest.mark.parametrize("law", ["exponential", "two", "power"])
def test_planted_decay_is_removed(law: str) -> None:
    rng = np.random.default_rng(5)
    times = times_of()
    data, evoked = responses(rng, times, 60)
    clock = np.maximum(times, 0.012)
    shape = {
        "exponential": np.exp(-(clock - 0.012) / 0.02),
        "two": 0.8 * np.exp(-(clock - 0.012) / 0.01) + 0.2 * np.exp(-(clock - 0.012) / 0.1),
        "power": (clock / 0.012) ** -1.3,
    }[law] * (times > 0)
    sizes = np.array([150.0, -80, 40, 0, 200, 20, 0, 5, -30, 0, 10, 60])[:, None]
    given = trials_of((data + sizes * shape * rng.uniform(0.9, 1.1, (60, 1, 1))) * UV)
    cleaned = subtract_decay(given, rng=rng, **facts.load("tmseeg_cleaning")["steps"]["decay"]["parameters"])[0]
    late = (times > 0.016) & (times < 0.3)
    evoked = evoked - evoked.mean(axis=0)
    means = [(one.data.mean(axis=0) - one.data.mean(axis=(0, 1)))[:, late] / UV for one in (given, cleaned)]
    raw, left = (one - evoked[:, late] for one in means)
    assert np.sqrt(np.mean(left**2)) < 0.1 * np.sqrt(np.mean(raw**2))
    assert np.corrcoef(means[1].ravel(), evoked[:, late].ravel())[0, 1] > 0.9
    assert np.array_equal(cleaned.data[:, :, times < 0], given.data[:, :, times < 0])


def test_decay_with_one_map_is_removed() -> None:
    rng = np.random.default_rng(6)
    times = times_of()
    data, evoked = responses(rng, times, 60)
    shape = np.exp(-(np.maximum(times, 0.012) - 0.012) / 0.015) * (times > 0)
    pattern = np.array([150.0, -80, 40, 0, 200, 20, 0, 5, -30, 0, 10, 60])[:, None]
    given = trials_of((data + pattern * shape) * UV)
    known = facts.load("tmseeg_cleaning")["steps"]["decay_topography"]["parameters"]
    cleaned = subtract_map_decay(given, rng=rng, **known)[0]
    late = (times > 0.015) & (times < 0.3)
    raw, left = (one.data.mean(axis=0)[:, late] / UV - evoked[:, late] for one in (given, cleaned))
    assert np.sqrt(np.mean(left**2)) < 0.25 * np.sqrt(np.mean(raw**2))


def test_decay_refuses_windows_that_make_no_sense() -> None:
    with pytest.raises(OptionError, match="ascend"):
        decay_model(fit_s=(0.5, 0.01))
    with pytest.raises(OptionError, match="places"):
        decay_model(points=3)
    with pytest.raises(SignalError, match="beyond the trials"):
        fit_decay(trials_of(np.ones((2, 3, 600))), decay_model())


def test_rule_names_muscle_and_spares_the_brain() -> None:
    rng = np.random.default_rng(7)
    times = times_of(0.8, start_s=-0.8)
    twitch = 40 * np.exp(-0.5 * ((times - 0.016) / 0.004) ** 2)
    brain = 3 * np.exp(-0.5 * ((times - 0.1) / 0.02) ** 2) + 2 * np.exp(-0.5 * ((times - 0.02) / 0.004) ** 2)
    ongoing = np.cumsum(rng.standard_normal((60, 2, len(times))), axis=2)
    ongoing -= ongoing.mean(axis=2, keepdims=True)
    sources = ongoing / ongoing.std() + np.stack((twitch, brain))
    assert tms_muscle(sources, times).tolist() == [True, False]
    size = np.abs(sources.mean(axis=0))
    inside = (times >= 0.011) & (times < 0.03)
    naive = [np.mean(row[inside]) / np.mean(row) for row in size]
    assert early_ratio(sources, times, window_s=(0.011, 0.03)) == pytest.approx(naive)
    assert early_ratio(np.zeros((3, 1, len(times))), times, window_s=(0.011, 0.03)).tolist() == [0.0]


def test_slope_tells_a_tense_muscle_from_the_brain() -> None:
    rng = np.random.default_rng(8)
    white = rng.standard_normal((40, 1, 1600))
    brown = np.cumsum(rng.standard_normal((40, 1, 1600)), axis=2)
    sources = np.concatenate((white, brown), axis=1)
    slopes = spectral_slope(sources, RATE, band_hz=(7.0, 70.0), except_hz=(50.0,), width_hz=2.0)
    assert slopes == pytest.approx([0.0, -2.0], abs=0.15)
    assert tense_muscle(sources, RATE).tolist() == [True, False]
