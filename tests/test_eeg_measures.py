"""Evoked measures, spectral perturbation, coherence between trials, global and local connectivity, predictors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.eegtrials import NAMES, SFREQ, montage, trials

from actionloop.errors import GeometryError, InputError, OptionError, SignalError
from actionloop.tmseeg.bands import Band, Grid, Window, fwhm_s
from actionloop.tmseeg.classifier import ClassifierOptions, cross_validate, detectable_auc
from actionloop.tmseeg.connectivity import ConnectivityOptions, contrasts_of, measure_connectivity, subtract
from actionloop.tmseeg.evoked import average, global_field_power, local_field_power
from actionloop.tmseeg.oscillation import measure_oscillation, picture
from actionloop.tmseeg.phaselag import phase_lag
from actionloop.tmseeg.places import Places, near, sensors
from actionloop.tmseeg.predictors import m1_predictors

SMALL = Grid(
    bands=(Band("alpha", 8, 12), Band("high beta", 25, 33)),
    windows=(Window("early", 0.015, 0.08), Window("full", 0.015, 0.3)),
    frequency_step_hz=2.0,
    step_s=0.02,
)
OPTIONS = ConnectivityOptions(grid=SMALL)


def test_a_window_carries_a_band_when_it_is_longer_than_the_wavelet():
    full_width = fwhm_s(10.0, 3.0)
    time = np.arange(-0.5, 0.5, 1e-4)
    envelope = np.exp(-(time**2) / 2 / (3 / (2 * np.pi * 10)) ** 2)
    assert abs((envelope >= 0.5).sum() * 1e-4 - full_width) < 3e-4
    grid = Grid()
    assert [band.name for band in grid.bands] == ["theta", "alpha", "low beta", "high beta"]
    assert grid.carried[:, grid.window_index("early")].tolist() == [False, False, False, True]
    assert grid.carried[:, grid.window_index("full")].all()
    assert len(grid.frequencies_hz) == 32 and np.allclose(grid.of_band.sum(axis=1), 1)
    found = measure_connectivity(trials(), options=OPTIONS)
    with pytest.raises(OptionError, match="too short for alpha"):
        found.mean("global", ["alpha"], "early")
    assert found.mean("global", ["high beta"], "early")[0] == found.value[0, 1, 0]


def test_field_power_equals_its_formula_and_the_average_its_own():
    made = trials(bads=("O2",))
    data = np.delete(made.data, NAMES.index("O2"), axis=1)
    data = data - data.mean(axis=1, keepdims=True)
    before = (made.times_s >= -0.5 - 1e-9) & (made.times_s <= -0.1 + 1e-9)
    data = data - data[:, :, before].mean(axis=2, keepdims=True)
    mean = data.mean(axis=0)
    baseline = Grid().before
    found = average(made, baseline=baseline)
    np.testing.assert_allclose(found.data, mean, atol=1e-18)
    assert found.montage.names == tuple(name for name in NAMES if name != "O2") and found.n_trials == 60
    np.testing.assert_allclose(global_field_power(made, baseline=baseline).value, mean.std(axis=0), rtol=1e-9)
    local = local_field_power(made, ["C3", "C1"], baseline=baseline).value
    np.testing.assert_allclose(local, np.sqrt((mean[0] ** 2 + mean[2] ** 2) / 2), rtol=1e-9)
    with pytest.raises(SignalError, match="bad or absent: O2"):
        local_field_power(made, ["C3", "O2"])


def test_draws_of_field_power_are_not_lifted_by_noise():
    rng = np.random.default_rng(1)
    data = 1e-6 * (rng.standard_normal((40, len(NAMES), 500)) + 0.3 * np.sin(np.arange(15))[:, None])
    found = global_field_power(trials(data), draws=200, rng=rng)
    value, drawn = found.mean(Window("full", 0.015, 0.3))
    assert abs(drawn.mean() - value) < 0.03 * value
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert low < value < high
    noise = 1e-6 * rng.standard_normal((40, len(NAMES), 500))
    floor = global_field_power(trials(noise))
    assert abs(floor.value.mean() / floor.floor.mean() - 1) < 0.1


def test_coherence_between_trials_and_perturbation_equal_those_of_mne():
    tfr = pytest.importorskip("mne.time_frequency")
    made = trials(n=20, seed=2)
    data = sensors(made).of(made)
    frequencies = SMALL.frequencies_hz
    theirs = tfr.tfr_array_morlet(data, SFREQ, frequencies, n_cycles=3.0, output="itc", verbose="ERROR")
    power = tfr.tfr_array_morlet(data, SFREQ, frequencies, n_cycles=3.0, output="avg_power", verbose="ERROR")
    found = measure_oscillation(made, grid=SMALL)
    times = made.times_s
    before = np.flatnonzero((times >= -0.5 - 1e-9) & (times <= -0.1 + 1e-9))[::5]
    db = 10 * np.log10(power / power[..., before].mean(axis=2, keepdims=True))
    for column, window in enumerate(SMALL.windows):
        at = np.flatnonzero((times >= window.start_s - 1e-9) & (times <= window.stop_s + 1e-9))[::5]
        for row, some in enumerate((slice(0, 3), slice(3, 8))):
            np.testing.assert_allclose(found.itc[:, row, column], theirs[:, some][..., at].mean(axis=(1, 2)), atol=1e-9)
            np.testing.assert_allclose(found.ersp_db[:, row, column], db[:, some][..., at].mean(axis=(1, 2)), atol=1e-9)


def test_coherence_between_trials_by_hand_and_at_its_ends():
    times = trials(n=2).times_s
    rng = np.random.default_rng(3)
    wave = np.sin(2 * np.pi * 10 * times)
    locked = 1e-6 * np.tile(wave, (12, len(NAMES), 1)) * np.arange(1, 16)[:, None] ** 2
    found = measure_oscillation(trials(locked), grid=SMALL)
    assert found.itc[:, 0].min() > 1 - 1e-6 and np.allclose(found.ersp_db[:, 0], 0, atol=0.2)
    loud = locked * np.where(times > -0.05, 2.0, 1.0)
    louder = measure_oscillation(trials(loud), grid=SMALL).ersp_db[:, 0, 1]
    assert np.all((louder > 4.5) & (louder < 6.1))  # twice the amplitude is 6 dB; the wavelet blurs the step
    free = measure_oscillation(trials(n=200, seed=4), grid=SMALL)
    assert abs(free.itc.mean() * np.sqrt(200) - np.sqrt(np.pi) / 2) < 0.1
    low, high = free.interval("itc", 0.95)
    assert ((low < free.itc) & (free.itc < high)).all()
    seen = picture(trials(n=20), names=["C3", "C1"], start_s=-0.3, stop_s=0.4, grid=SMALL)
    assert seen.itc.shape == seen.ersp_db.shape == (len(SMALL.frequencies_hz), len(seen.times_s))
    flat = trials(1e-6 * rng.standard_normal((5, 15, 500)) * (np.arange(15) != -1)[:, None])
    assert measure_oscillation(flat, names=["C3"], grid=SMALL, averaged=True).names == ("C3",)


def test_errors_of_leaving_out_are_those_of_new_trials():
    some = [measure_oscillation(trials(n=40, seed=seed), names=["C3"], grid=SMALL) for seed in range(20, 50)]
    for value, error in (("itc", "itc_error"), ("ersp_db", "ersp_error")):
        seen = np.std([getattr(one, value)[0, :, 1] for one in some], axis=0)
        told = np.sqrt(np.mean([getattr(one, error)[0, :, 1] ** 2 for one in some], axis=0))
        assert np.all((told / seen > 0.6) & (told / seen < 1.7))


def test_global_and_local_are_the_means_that_their_names_say():
    made = trials(n=30, seed=5)
    found = measure_connectivity(made, options=OPTIONS)
    places = sensors(made)
    assert set(found.near) == {"C3", "C5", "C1", "CP3"} and found.site == "M1" and found.n_trials == 30
    inside = near(places, "M1", options=OPTIONS)
    pairs, contrasts = contrasts_of(places, inside, OPTIONS)
    assert len(pairs) == 4 * 11 + 6 and np.allclose(contrasts.sum(axis=1), 1)
    far = np.linalg.norm(places.xyz_mm[pairs[:, 0]] - places.xyz_mm[pairs[:, 1]], axis=1)
    outward = inside[pairs].sum(axis=1) == 1
    np.testing.assert_allclose(contrasts[0], np.where(outward, far, 0) / far[outward].sum())
    np.testing.assert_allclose(contrasts[1], ~outward / 6)
    values = _values(made)
    index = phase_lag(values, pairs=pairs)
    at = np.isin(_at(made), np.flatnonzero((made.times_s >= 0.015 - 1e-9) & (made.times_s <= 0.3 + 1e-9))[::5])
    expected = (contrasts[0] @ index.reshape(len(pairs), -1)).reshape(index.shape[1:])[:3][:, at].mean()
    np.testing.assert_allclose(found.value[0, 0, 1], expected, atol=1e-12)
    whole = measure_connectivity(made, options=replace(OPTIONS, pairs="all", global_weight="none"))
    assert whole.value[0, 0, 1] != found.value[0, 0, 1] and np.allclose(whole.value[1], found.value[1])


def _at(made):
    times = made.times_s
    parts = [
        np.flatnonzero((times >= window.start_s - 1e-9) & (times <= window.stop_s + 1e-9))[::5]
        for window in SMALL.windows
    ]
    return np.unique(np.concatenate(parts))


def _values(made):
    from actionloop.tmseeg.wavelets import transform

    data = made.data - made.data.mean(axis=1, keepdims=True)
    return transform(data, SMALL.frequencies_hz, sfreq_hz=SFREQ, cycles=3.0, at=_at(made))


def test_cortical_places_and_the_induced_part():
    made = trials(n=30, seed=6)
    n = len(NAMES)
    cortex = Places(tuple(f"V{k}" for k in range(n)), montage().xyz_head_mm * 0.7, NAMES, np.eye(n) - 1 / n)
    same = measure_connectivity(
        made, at=cortex.xyz_mm[0], places=cortex, options=replace(OPTIONS, global_weight="none")
    )
    scalp = measure_connectivity(made, options=replace(OPTIONS, global_weight="none"))
    np.testing.assert_allclose(same.value, scalp.value, atol=1e-12)
    wave = np.sin(2 * np.pi * 10 * made.times_s[None] + np.linspace(0, 3, n)[:, None])
    driven = trials(made.data + 5e-6 * wave)
    total = measure_connectivity(driven, options=OPTIONS).value[0, 0, 1]
    induced = measure_connectivity(driven, options=replace(OPTIONS, part="induced")).value[0, 0, 1]
    assert total > 0.5 and abs(induced) < 0.05
    hidden = measure_connectivity(trials(n=30, bads=("C3",)), options=OPTIONS)
    assert {"C5", "C1", "CP3"} < set(hidden.near) and "C3" not in hidden.near  # the coil is where it is
    with pytest.raises(GeometryError, match="an operator of"):
        Places(NAMES, montage().xyz_head_mm, NAMES, np.eye(3))
    with pytest.raises(SignalError, match="bad or absent: C3"):
        measure_connectivity(trials(bads=("C3",)), at="V1", places=cortex, options=OPTIONS)


def test_sham_is_taken_off_with_an_interval():
    rng = np.random.default_rng(7)
    active = measure_connectivity(trials(n=30, seed=8), options=OPTIONS, draws=50, rng=rng)
    sham = measure_connectivity(trials(n=25, seed=9, condition="sham"), options=OPTIONS, draws=50, rng=rng)
    difference, (low, high) = subtract(active, sham, level=0.95)
    np.testing.assert_allclose(difference, active.value - sham.value)
    assert ((low < difference) & (difference < high)).all()
    other = measure_connectivity(trials(n=30, site="DLPFC"), at="F3", options=OPTIONS)
    with pytest.raises(OptionError, match="one site measured alike"):
        subtract(active, other, level=0.95)


def test_bad_input_of_the_measures_is_told():
    short = trials(1e-6 * np.random.default_rng(0).standard_normal((30, 15, 125)), start_s=-0.2)
    elsewhere = Places(tuple(f"V{k}" for k in range(15)), montage().xyz_head_mm, NAMES, np.eye(15))
    cases = [
        (lambda: measure_connectivity(short, options=ConnectivityOptions()), SignalError, "needs trials from"),
        (
            lambda: measure_oscillation(trials(), grid=replace(SMALL, windows=(Window("w", 0.5, 1.5),))),
            SignalError,
            "beyond",
        ),
        (lambda: measure_connectivity(trials(n=1), options=OPTIONS), SignalError, "at least 2 trials"),
        (lambda: measure_connectivity(trials(site="V1"), options=OPTIONS), OptionError, "where the site 'V1' lies"),
        (
            lambda: measure_connectivity(trials(), places=elsewhere, options=OPTIONS),
            OptionError,
            "none of the electrodes",
        ),
        (lambda: measure_connectivity(trials(), options=OPTIONS, draws=9), OptionError, "random generator"),
        (lambda: measure_connectivity(trials(bads=NAMES[3:]), options=OPTIONS), SignalError, "3 good channels"),
        (lambda: ConnectivityOptions(part="both"), OptionError, "choose one of total, induced"),
        (lambda: Window("w", 0.3, 0.1), OptionError, "from 300 to 100 ms"),
        (lambda: Band("b", 13, 8), OptionError, "13 to 8 Hz"),
        (lambda: Grid(bands=(Band("b", 8, 9), Band("b", 9, 10))), OptionError, "of one name"),
        (lambda: SMALL.band_index("gamma"), OptionError, "there is no band 'gamma'"),
        (lambda: measure_oscillation(trials(n=2), grid=SMALL), SignalError, "at least 3 trials"),
    ]
    for work, kind, expected in cases:
        with pytest.raises(kind, match=expected):
            work()


def test_predictors_of_m1_carry_their_direction_and_source():
    found = m1_predictors(trials(n=30), rng=np.random.default_rng(0), draws=50)
    known = [one.name for one in found if one.direction == "lower"]
    assert known == ["GMFP", "LMFP", "ERSP alpha", "ITC alpha"] and len(found) == 8
    assert all(one.low <= one.value <= one.high for one in found if one.name[:4] in ("ERSP", "ITC "))
    assert all(("2025.10.11" in one.source) == (one.name in known) for one in found)
    with pytest.raises(OptionError, match="of M1, the trials of DLPFC"):
        m1_predictors(trials(site="DLPFC"), rng=np.random.default_rng(0))


QUICK = ClassifierOptions(folds=3, inner_folds=2, repeats=1, permutations=19, draws=200, penalties=(0.1, 1.0))


def test_the_classifier_finds_what_is_there_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    responded = np.arange(40) % 2 == 0
    noise = rng.standard_normal((40, 3))
    there = cross_validate(noise + 2 * responded[:, None], responded, names="abc", rng=rng, options=QUICK)
    assert there.auc > 0.9 and there.p == 0.05 and there.interval[0] > 0.7
    absent = cross_validate(noise, responded, names="abc", rng=rng, options=QUICK)
    assert absent.p > 0.05 and absent.interval[0] < 0.5 < absent.interval[1]
    assert "20 responders and 20 others" in there.can_show and "3 features are many" in there.can_show
    assert 0.72 < detectable_auc(20, 23) < 0.78 and detectable_auc(200, 200) < 0.6


def test_the_classifier_refuses_what_it_cannot_tell():
    rng = np.random.default_rng(0)
    few, table = np.arange(24) < 5, rng.standard_normal((24, 2))
    half = np.arange(24) < 12
    broken = np.where(np.arange(48).reshape(24, 2) == 3, np.nan, table)
    for features, outcome, expected in (
        (table, few, "5 responders and 19 others"),
        (table, half.astype(float), "yes or no"),
        (broken, half, "no numbers: b"),
        (np.ones((24, 2)), half, "do not vary: a, b"),
        (table[:, :1], half, "24 people by 2 features"),
    ):
        with pytest.raises(InputError, match=expected):
            cross_validate(features, outcome, names="ab", rng=rng, options=QUICK)
