"""Time series: scaling, joining, cleaning, regression, halves and correlations."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionloop.errors import OptionError, ResourceError, SignalError
from actionloop.signal import (
    Cleaning,
    bandpass,
    clean,
    concatenate,
    correlate,
    framewise_displacement,
    global_signal,
    halves,
    motion24,
    network_fc,
    plain_cleaning,
    regress,
    select_frames,
    standardise,
    usable,
    valid_rows,
)
from actionloop.types import Grayordinates, Timeseries, Voxels

few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)
nothing = Cleaning("nothing", motion24=False, global_signal=False)


def make(data: np.ndarray, tr_s: float = 1.0, source: str = "") -> Timeseries:
    n = data.shape[1]
    axis = Grayordinates(np.arange((n + 1) // 2), np.arange(n // 2))
    return Timeseries(data.astype(np.float32), axis, tr_s, source)


def noise(n_frames: int = 120, n_rows: int = 30, seed: int = 0) -> Timeseries:
    return make(np.random.default_rng(seed).normal(size=(n_frames, n_rows)) * 20 + 1000)


def still(n_frames: int) -> np.ndarray:
    return np.zeros((n_frames, 6))


# ---- scaling


def test_standardise_gives_mean_0_and_variance_1_and_leaves_constant_rows_zero() -> None:
    data = noise().data.copy()
    data[:, 3] = 10_000.1
    data[:, 4] = 0
    before = data.copy()
    found = standardise(make(data))
    varies = np.ones(30, bool)
    varies[[3, 4]] = False
    np.testing.assert_array_equal(valid_rows(make(data)), varies)
    np.testing.assert_array_equal(valid_rows(found), varies)
    np.testing.assert_allclose(found.data[:, varies].astype(float).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.data[:, varies].astype(float).std(axis=0), 1, atol=1e-5)
    assert not found.data[:, ~varies].any()
    assert found.data.dtype == np.float32
    np.testing.assert_array_equal(data, before)
    assert "unit variance" in found.steps[-1]


@few
@given(seeds, st.floats(0.01, 1e4), st.floats(-1e4, 1e4))
def test_standardise_does_not_care_about_scale_and_offset(seed: int, scale: float, offset: float) -> None:
    # Signals no smaller than a thousandth of their offset, as float32 carries them.
    scale = max(scale, abs(offset) * 1e-3)
    raw = np.random.default_rng(seed).normal(size=(50, 8))
    found = standardise(make(raw * scale + offset)).data
    np.testing.assert_allclose(found, standardise(make(raw)).data, atol=2e-3)


def test_rows_worked_on_in_parts_are_all_worked_on() -> None:
    series = make(np.random.default_rng(0).normal(size=(20, 20_000)))
    np.testing.assert_allclose(standardise(series).data.std(axis=0), 1, atol=1e-4)
    assert correlate(series, series.data[:, [19_999]])[0, 19_999] == pytest.approx(1)
    np.testing.assert_allclose(global_signal(series), series.data.mean(axis=1), atol=1e-6)


def test_global_signal_leaves_dropout_out() -> None:
    data = noise(40, 6).data.copy()
    data[:, 2] = 0
    np.testing.assert_allclose(global_signal(make(data)), data[:, [0, 1, 3, 4, 5]].mean(axis=1), rtol=1e-6)
    with pytest.raises(SignalError, match="varies"):
        global_signal(make(np.ones((10, 3))))


# ---- joining, cutting


def test_concatenate_joins_in_order_and_names_the_sources() -> None:
    runs = [replace(standardise(noise(n, seed=n)), source=f"run-{n}") for n in (40, 60)]
    found = concatenate(runs)
    np.testing.assert_array_equal(found.data, np.concatenate([r.data for r in runs]))
    assert found.source == "run-40, run-60"
    assert found.steps == (*runs[0].steps, "2 runs joined")
    assert found.minutes == pytest.approx(100 / 60)
    assert concatenate(runs[:1]) is runs[0]


def test_concatenate_refuses_runs_that_do_not_fit() -> None:
    run = replace(standardise(noise()), source="first.nii")
    voxels = Voxels(np.zeros((1, 3), int), np.array(["THALAMUS_LEFT"]), np.eye(4), (1, 1, 1))
    axis = run.grayordinates
    fewer = Grayordinates(axis.left[:-1], axis.right)
    wrong = {
        "repetition time": replace(run, tr_s=1.1, source="second.nii"),
        "different grayordinates": Timeseries(run.data[:, 1:], fewer, 1.0, "second.nii"),
        "grayordinates": Timeseries(
            np.c_[run.data, run.data[:, 0]], Grayordinates(axis.left, axis.right, voxels=voxels), 1.0, "second.nii"
        ),
        "mean 0 and variance 1": replace(noise(), source="second.nii"),
    }
    for message, other in wrong.items():
        with pytest.raises(SignalError, match=message) as caught:
            concatenate([run, other])
        assert "second.nii" in str(caught.value)
    with pytest.raises(SignalError, match="no run"):
        concatenate([])
    assert concatenate([run, replace(run, tr_s=1.0 + 1e-6)]).n_frames == 240


@few
@given(st.integers(2, 500), st.one_of(st.none(), st.integers(1, 60)))
def test_halves_are_disjoint_whole_and_even(n_frames: int, blocks: int | None) -> None:
    if blocks is not None and n_frames <= blocks:
        with pytest.raises(SignalError, match="two halves"):
            halves(n_frames, blocks=blocks)
        return
    one, other = halves(n_frames, blocks=blocks)
    assert (one ^ other).all()
    assert abs(int(one.sum()) - int(other.sum())) <= (1 if blocks is None else blocks)
    changes = np.flatnonzero(np.diff(one.astype(int))) + 1
    if blocks is None:
        assert changes.tolist() == [(n_frames + 1) // 2]
    else:
        assert changes.tolist() == list(range(blocks, n_frames, blocks))


@pytest.mark.parametrize("n_frames", [0, 1])
def test_too_few_frames_have_no_halves(n_frames: int) -> None:
    with pytest.raises(SignalError, match="two halves"):
        halves(n_frames)


def test_select_frames_takes_the_kept_ones() -> None:
    series = noise(10)
    keep = np.arange(10) % 3 == 0
    np.testing.assert_array_equal(select_frames(series, keep).data, series.data[keep])
    for bad, message in ((keep[:9], "mask of 10 frames"), (keep.astype(int), "bool"), (keep & False, "none of the 10")):
        with pytest.raises(SignalError, match=message):
            select_frames(series, bad)


def test_usable_wants_enough_frames_and_minutes() -> None:
    usable(noise(121))
    with pytest.raises(SignalError, match=r"too few frames: 99 .*2\.0 min.*100 frames"):
        usable(replace(noise(99), tr_s=1.2))
    with pytest.raises(SignalError, match=r"1\.4 min"):
        usable(replace(noise(120), tr_s=0.72))
    usable(noise(20), min_frames=20, min_minutes=0)


# ---- regression


def independent(data: np.ndarray, confounds: np.ndarray) -> np.ndarray:
    """Residuals by numpy's own least squares with an intercept."""
    design = np.c_[np.ones(len(data)), confounds]
    return data - design @ np.linalg.lstsq(design, data, rcond=None)[0]


@few
@given(seeds, st.integers(0, 12))
def test_regression_matches_least_squares(seed: int, n_confounds: int) -> None:
    rng = np.random.default_rng(seed + 1)
    series, confounds = noise(60, 7, seed), rng.normal(size=(60, n_confounds)) * 10 ** rng.uniform(-6, 6, n_confounds)
    found = regress(series, confounds, names=[f"c{k}" for k in range(n_confounds)])
    scaled = confounds / np.maximum(np.abs(confounds).max(axis=0, initial=1e-300), 1e-300)
    np.testing.assert_allclose(found.data, independent(series.data.astype(float), scaled), atol=1e-3)


def test_collinear_constant_and_one_frame_confounds_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    series, base = noise(80, 5), rng.normal(size=(80, 3))
    spike = np.eye(80)[:, [10]]
    messy = np.c_[base, base @ rng.normal(size=(3, 2)), np.ones(80), np.zeros(80), spike, 1e-9 * spike]
    found = regress(series, messy, names=list("abcdefghi")).data
    np.testing.assert_allclose(found, independent(series.data.astype(float), np.c_[base, spike]), atol=1e-3)
    np.testing.assert_allclose(found[10], 0, atol=1e-3)


def test_regression_leaves_nothing_of_the_confounds() -> None:
    rng = np.random.default_rng(1)
    confounds = rng.normal(size=(100, 4))
    data = confounds @ rng.normal(size=(4, 20)) * 50 + rng.normal(size=(100, 20)) + 900
    found = regress(make(data), confounds, names=list("abcd"))
    assert np.abs(correlate(found, confounds)).max() < 1e-5
    np.testing.assert_allclose(found.data.mean(axis=0), 0, atol=1e-5)
    assert found.steps == ("regressed on a, b, c, d",)


def test_regression_fits_and_returns_the_kept_frames() -> None:
    rng = np.random.default_rng(2)
    series, confounds, keep = noise(90), rng.normal(size=(90, 3)), np.arange(90) % 5 > 0
    confounds[~keep] = np.nan
    found = regress(series, confounds, names=list("abc"), keep=keep)
    assert found.n_frames == keep.sum()
    np.testing.assert_allclose(found.data, independent(series.data[keep].astype(float), confounds[keep]), atol=1e-3)


def test_rows_that_are_constant_or_wholly_explained_become_zero() -> None:
    rng = np.random.default_rng(3)
    confounds = rng.normal(size=(60, 2))
    data = rng.normal(size=(60, 5)) + 500
    data[:, 1] = 7.3
    data[:, 2] = 3 * confounds[:, 0].astype(np.float32)
    found = regress(make(data), confounds.astype(np.float32), names=["a", "b"])
    np.testing.assert_array_equal(valid_rows(found), [True, False, False, True, True])


def test_regression_refuses_what_does_not_fit() -> None:
    series, confounds = noise(30), np.random.default_rng(0).normal(size=(30, 2))
    holed = confounds.copy()
    holed[0, 1] = np.nan
    wrong: list[tuple[str, np.ndarray, list[str]]] = [
        (r"shape \(30, k\)", confounds[:-1], ["a", "b"]),
        (r"shape \(30, k\)", confounds[:, 0], ["a"]),
        ("1 names were given for 2", confounds, ["a"]),
        ("NaN or infinite values: b", holed, ["a", "b"]),
        ("cannot carry 30 independent", np.random.default_rng(0).normal(size=(30, 40)), [str(k) for k in range(40)]),
    ]
    for message, table, names in wrong:
        with pytest.raises(SignalError, match=message):
            regress(series, table, names=names)


def test_the_demonstration_scan_is_rid_of_its_confounds() -> None:
    from actionloop import files

    try:
        scan = files.read_lemon()
    except ResourceError as error:
        pytest.skip(f"the demonstration scan is not fetched: {error.problem}")
    data = scan.left[:, ::9]
    n = data.shape[1]
    series = Timeseries(data, Grayordinates(np.arange(n), np.arange(0), n_vertices=n), scan.tr_s)
    found = regress(series, scan.confounds, names=scan.names)
    kept = valid_rows(found)
    assert 50 < (~kept).sum() < 150  # the dropout and medial wall of this scan, one vertex in nine
    np.testing.assert_array_equal(kept, valid_rows(series))
    scaled = scan.confounds / np.abs(scan.confounds).max(axis=0)
    expected = independent(data[:, kept].astype(float), scaled)
    np.testing.assert_allclose(found.data[:, kept], expected, atol=1e-4 * expected.std())


# ---- motion


def test_framewise_displacement_of_known_steps() -> None:
    motion = still(5)
    motion[2:, 0] = 0.3
    motion[3:, 4] = -0.01
    np.testing.assert_allclose(framewise_displacement(motion), [0, 0, 0.3, 0.5, 0])
    np.testing.assert_allclose(framewise_displacement(motion, radius_mm=80), [0, 0, 0.3, 0.8, 0])


@few
@given(seeds)
def test_displacement_ignores_where_the_head_starts(seed: int) -> None:
    motion = np.random.default_rng(seed).normal(size=(30, 6)) * 0.01
    np.testing.assert_allclose(framewise_displacement(motion + 0.3), framewise_displacement(motion), atol=1e-9)
    np.testing.assert_allclose(framewise_displacement(-motion), framewise_displacement(motion), atol=1e-12)


def test_motion24_holds_positions_differences_and_squares() -> None:
    motion = np.random.default_rng(0).normal(size=(20, 6)) * 0.1
    found = motion24(motion)
    difference = np.zeros((20, 6))
    for frame in range(1, 20):
        difference[frame] = motion[frame] - motion[frame - 1]
    np.testing.assert_allclose(found, np.c_[motion, difference, motion**2, difference**2], atol=1e-12)


@pytest.mark.parametrize(
    ("motion", "message"),
    [(np.zeros((5, 5)), r"\(frame, 6\)"), (np.full((5, 6), np.nan), "NaN"), (np.full((5, 6), 3.0), "radians")],
)
def test_motion_that_cannot_be_is_refused(motion: np.ndarray, message: str) -> None:
    for function in (framewise_displacement, motion24):
        with pytest.raises(SignalError, match=message):
            function(motion)


# ---- cleaning


def test_the_plain_cleaning_is_named_and_complete() -> None:
    plain = plain_cleaning()
    assert plain.name == "24P+GSR+censoring"
    assert plain.motion24
    assert plain.global_signal
    assert plain.band_hz == (0.01, 0.1)
    assert plain.fd_threshold_mm is not None
    without = plain_cleaning(with_global_signal=False)
    assert without == replace(plain, name="24P+censoring", global_signal=False)
    for bad in ({"fd_threshold_mm": 0.0}, {"band_hz": (0.1, 0.01)}, {"band_hz": (0.0, 0.1)}):
        with pytest.raises(OptionError):
            Cleaning("bad", **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("band", [None, (0.01, 0.1)])
@pytest.mark.parametrize("censored", [[], [0, 1], [50, 51, 90], [198, 199]], ids=["none", "start", "middle", "end"])
@pytest.mark.filterwarnings("ignore:From release:DeprecationWarning")
def test_cleaning_equals_nilearn_column_by_column(band: Any, censored: list[int]) -> None:
    import nilearn.signal

    rng = np.random.default_rng(0)
    series = make(np.cumsum(rng.normal(size=(200, 12)), axis=0) + 800, tr_s=1.4)
    motion = np.cumsum(rng.normal(size=(200, 6)), axis=0) * 1e-3
    fd_mm = np.zeros(200)
    fd_mm[censored] = 1
    found, keep = clean(
        series, motion, cleaning=Cleaning("t", fd_threshold_mm=0.5, band_hz=band, global_signal=False), fd_mm=fd_mm
    )
    np.testing.assert_array_equal(np.flatnonzero(~keep), censored)
    expected = nilearn.signal.clean(
        series.data.astype(float),
        confounds=motion24(motion),
        sample_mask=np.flatnonzero(keep) if censored else None,
        t_r=1.4,
        detrend=True,
        standardize=None,
        filter="butterworth" if band else False,
        high_pass=band[0] if band else None,
        low_pass=band[1] if band else None,
    )
    expected -= expected.mean(axis=0)
    np.testing.assert_allclose(found.data, expected, atol=1e-3 * expected.std())


def test_cleaning_removes_motion_and_global_signal_and_keeps_the_rest() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(400) * 1.0
    wave = np.sin(2 * np.pi * 0.05 * time)
    motion = np.cumsum(rng.normal(size=(400, 6)), axis=0) * 1e-3
    drift, shared = time / 10, rng.normal(size=400)
    sign = np.where(np.arange(20) % 2, 1.0, -1.0)
    data = sign * wave[:, None] * 3 + motion @ rng.normal(size=(6, 20)) * 800 + (drift + 4 * shared)[:, None] + 1000
    found, keep = clean(make(data), motion, cleaning=replace(plain_cleaning(), fd_threshold_mm=None))
    assert keep.all()
    assert (
        correlate(found, wave)[0] * sign
    ).min() > 0.75  # 24 motion parameters in a narrow band take some of any wave
    assert np.abs(correlate(found, global_signal(found))).max() < 0.3
    assert "400 of 400 frames kept" in found.steps[-1]
    assert "24 motion parameters and global signal" in found.steps[-1]


def test_the_band_pass_passes_its_band_only() -> None:
    time = np.arange(500) * 1.0
    waves = np.stack([np.sin(2 * np.pi * f * time) for f in (0.002, 0.05, 0.25)], axis=1)
    found, _ = clean(make(waves * 100), still(500), cleaning=replace(nothing, band_hz=(0.01, 0.1)))
    power = found.data[50:-50].std(axis=0) / 70.7
    assert power[1] == pytest.approx(1, abs=0.02)
    assert power[0] < 0.05
    assert power[2] < 0.05


def test_the_band_pass_of_confounds_equals_nilearn() -> None:
    import nilearn.signal

    columns = np.random.default_rng(3).normal(5, 2, (400, 6))
    expected = nilearn.signal.butterworth(
        columns - columns.mean(axis=0), sampling_rate=1 / 1.4, low_pass=0.1, high_pass=0.01, copy=True
    )
    np.testing.assert_allclose(bandpass(columns, tr_s=1.4, band_hz=(0.01, 0.1)), expected, atol=1e-10)


def test_a_burst_does_not_ring_into_the_kept_frames() -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * 0.04 * np.arange(300))[:, None] * 10 + rng.normal(size=(300, 4))
    motion, burst = still(300), wave.copy()
    motion[150, 0], burst[150] = 2.0, 5000.0
    settings = replace(nothing, band_hz=(0.01, 0.1), fd_threshold_mm=0.5)
    found, keep = clean(make(burst), motion, cleaning=settings)
    np.testing.assert_array_equal(np.flatnonzero(~keep), [150, 151])  # there and back
    expected, _ = clean(make(wave), motion, cleaning=settings)
    np.testing.assert_allclose(found.data, expected.data, atol=0.02)
    ringing, _ = clean(make(burst), motion, cleaning=replace(settings, fd_threshold_mm=None))
    assert np.abs(ringing.data[keep] - expected.data).max() > 50


def test_frames_that_the_reader_drops_stay_dropped() -> None:
    keep = np.arange(200) >= 4
    fd_mm = np.zeros(200)
    fd_mm[0], fd_mm[20] = np.nan, 0.9
    found, kept = clean(noise(200), still(200), cleaning=plain_cleaning(), fd_mm=fd_mm, keep=keep)
    expected = keep.copy()
    expected[20] = False
    np.testing.assert_array_equal(kept, expected)
    assert found.n_frames == 195
    assert "195 of 200" in found.steps[-1]


def test_dropout_stays_zero_after_cleaning() -> None:
    data = noise(200).data.copy()
    data[:, [0, 7]] = 0, 812.4
    found, _ = clean(make(data), still(200), cleaning=plain_cleaning())
    np.testing.assert_array_equal(np.flatnonzero(~valid_rows(found)), [0, 7])


def test_cleaning_refuses_what_does_not_fit() -> None:
    series, plain = replace(noise(200), source="bold.nii"), plain_cleaning()
    every_second = np.arange(200) % 2 == 0
    jitter = np.random.default_rng(0).normal(size=(200, 6)) * 1e-4
    wild = np.cumsum(np.ones((200, 6)) * [1, 0, 0, 0, 0, 0], axis=0)
    wrong: list[tuple[str, Timeseries, np.ndarray, dict[str, Any]]] = [
        ("200 frames, the motion parameters 199", series, still(199), {}),
        ("framewise displacement of 200", series, still(200), {"fd_mm": np.zeros(199)}),
        ("mask of 200 frames", series, still(200), {"keep": np.ones(10, bool)}),
        ("a run of 1 s .* too short", series, wild, {}),
        ("a run of 60 s", series, still(200), {"keep": np.arange(200) < 60}),
        (r"100 of 200 frames are left .*18 degrees of freedom .* 25 confounds", series, jitter, {"keep": every_second}),
        ("none of the 200 frames", series, still(200), {"fd_mm": np.ones(200)}),
        ("cannot carry frequencies", replace(series, tr_s=6.0), still(200), {}),
    ]
    for message, given_series, motion, options in wrong:
        with pytest.raises(SignalError, match=message) as caught:
            clean(given_series, motion, cleaning=plain, **options)
        assert "bold.nii" in str(caught.value)


# ---- correlation


@few
@given(seeds)
def test_correlations_match_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series, seed_signal = noise(40, 9, seed), rng.normal(size=(40, 3)) + 100
    expected = np.corrcoef(seed_signal.T, series.data.T.astype(float))[:3, 3:]
    np.testing.assert_allclose(correlate(series, seed_signal), expected, atol=1e-5)
    np.testing.assert_allclose(correlate(series, seed_signal[:, 0]), expected[:1], atol=1e-5)


def test_constant_rows_and_seeds_have_no_correlation() -> None:
    data = noise(30, 4).data.copy()
    data[:, 1] = 55.5
    found = correlate(make(data), np.c_[data[:, 0], np.full(30, 0.1)])
    np.testing.assert_allclose(found[0, [0, 1]], [1, 0], atol=1e-6)
    assert not found[1].any()
    for bad, message in ((np.ones(29), r"shape \(30, k\)"), (np.full(30, np.nan), "NaN")):
        with pytest.raises(SignalError, match=message):
            correlate(make(data), bad)


@few
@given(seeds)
def test_network_fc_matches_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series, label, keys = noise(50, 24, seed), rng.integers(0, 4, 24), np.array([1, 2, 3, 9])
    data = series.data.astype(float)
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    found = network_fc(series, label, keys)
    for (i, a), (j, b) in itertools.product(enumerate(keys), repeat=2):
        if (label == a).any() and (label == b).any():
            expected = np.corrcoef(data[:, label == a].mean(axis=1), data[:, label == b].mean(axis=1))[0, 1]
            assert found[i, j] == pytest.approx(expected, abs=1e-6)
        else:
            assert np.isnan(found[i, j])
    order = rng.permutation(24)
    shuffled = network_fc(make(series.data[:, order]), label[order], keys)
    np.testing.assert_allclose(shuffled, found, atol=1e-9)


def test_network_fc_ignores_dropout_and_loud_vertices() -> None:
    data = noise(60, 6).data.copy()
    quiet = network_fc(make(data), np.array([1, 1, 1, 2, 2, 2]), np.array([1, 2]))
    data[:, 0] = (data[:, 0] - data[:, 0].mean()) * 100
    np.testing.assert_allclose(network_fc(make(data), np.array([1, 1, 1, 2, 2, 2]), np.array([1, 2])), quiet, atol=1e-5)
    data[:, 5] = 0
    found = network_fc(make(data), np.array([1, 1, 1, 2, 2, 3]), np.array([1, 2, 3]))
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[:2, :2]).all()
    with pytest.raises(SignalError, match="one label for each of 6"):
        network_fc(make(data), np.ones(5, int), np.array([1]))
