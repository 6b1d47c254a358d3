"""Named cleanings of one run, against dense least squares written out; what tables and files must hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt
from tests.confounds import MOTION, N_FRAMES, RUN, TERMS, TR_S, make_table, tedana_files, walk, write

from actionloop import files, signal
from actionloop.errors import InputError, OptionError, SignalError
from actionloop.files import PersonFiles, RunFiles
from actionloop.pipeline.cleaning import clean_run, describe_cleaning, require_cleanable
from actionloop.pipeline.settings import CleaningSettings, read_settings
from actionloop.signal import Cleaning, clean, expand, orthogonalise
from actionloop.types import Grayordinates, Timeseries

BAND = (0.01, 0.1)


def reference(
    data: np.ndarray, confounds: np.ndarray, kept: np.ndarray, band: tuple[float, float] | None
) -> np.ndarray:
    """Fill in, detrend, filter, drop, and subtract what dense least squares explains; without a filter drop first."""
    if band is None:
        data, confounds, kept = data[kept], confounds[kept], np.ones(int(kept.sum()), dtype=bool)

    def prepared(columns: np.ndarray) -> np.ndarray:
        time = np.arange(len(columns), dtype=float)
        filled = columns.astype(float).copy()
        if not kept.all():
            filled[~kept] = CubicSpline(time[kept], columns[kept])(time[~kept])
        line = np.stack([np.ones_like(time), time], axis=1)
        filled -= line @ np.linalg.lstsq(line, filled, rcond=None)[0]
        if band is not None:
            filled = sosfiltfilt(butter(5, band, btype="band", fs=1 / TR_S, output="sos"), filled, axis=0)
        return filled[kept]

    series, design = prepared(data), prepared(confounds)
    design = np.concatenate([np.ones((len(design), 1)), design / design.std(axis=0)], axis=1)
    return series - design @ np.linalg.lstsq(design, series, rcond=1e-12)[0]


def make_series(table: dict[str, np.ndarray], n_rows: int = 24, seed: int = 1) -> Timeseries:
    rng = np.random.default_rng(seed)
    mixed = np.stack(
        [table["global_signal"], table["csf"], table["trans_x"] * 100, table["a_comp_cor_00"] * 10], axis=1
    )
    data = 5000 + mixed @ rng.normal(size=(4, n_rows)) + walk(rng, n_rows, 3.0)
    axis = Grayordinates(np.arange(n_rows // 2), np.arange(n_rows // 2))
    return Timeseries(data.astype(np.float32), axis, TR_S, "bold.dtseries.nii")


def run_of(path: Path, **more: Any) -> RunFiles:
    given: dict[str, Any] = {"cleaned": False, "filtered": False, "confounds": path, "motion": path, **more}
    return RunFiles(
        paths=(Path("bold.dtseries.nii"),),
        kind="cifti",
        space="fsLR32k",
        tr_s=TR_S,
        entities={"task": "rest"},
        name=RUN,
        **given,
    )


def published(table: dict[str, np.ndarray], *names: str, terms: tuple[str, ...] = TERMS) -> np.ndarray:
    """Columns as they stand in the table, n/a as 0."""
    return np.nan_to_num(np.stack([table[f"{name}{term}"] for term in terms for name in names], axis=1))


def expected_confounds(
    name: str, table: dict[str, np.ndarray], series: Timeseries, *, gsr: bool, band: Any
) -> np.ndarray:
    mean = series.data.astype(float).mean(axis=1)[:, None]
    if name == "24P":
        return np.concatenate([published(table, *MOTION)] + [mean] * gsr, axis=1)
    if name == "36P":
        return published(table, *MOTION, "white_matter", "csf", *(["global_signal"] * gsr))
    cosines = [published(table, *(f"cosine{i:02d}" for i in range(5)), terms=("",))] * (band is None)
    components = published(table, *(f"a_comp_cor_{i:02d}" for i in range(10)), terms=("",))
    return np.concatenate([published(table, *MOTION, terms=TERMS[:2]), components, *cosines] + [mean] * gsr, axis=1)


@pytest.mark.parametrize("gsr", [True, False])
@pytest.mark.parametrize("band", [BAND, None], ids=["filtered", "all frequencies"])
@pytest.mark.parametrize(("name", "n_confounds"), [("24P", 25), ("36P", 36), ("aCompCor", 23)])
def test_a_cleaning_is_dense_least_squares_on_the_kept_frames(name, n_confounds, band, gsr, tmp_path) -> None:
    table = make_table()
    series = make_series(table)
    wanted = CleaningSettings(name=name, global_signal=gsr, band_hz=band or ())
    found, words, moved = clean_run(series, run_of(write(tmp_path, table)), wanted)
    kept = np.nan_to_num(table["framewise_displacement"]) <= 0.3
    assert 0 < (~kept).sum() < 20
    np.testing.assert_array_equal(moved.kept, kept)
    confounds = expected_confounds(name, table, series, gsr=gsr, band=band)
    assert confounds.shape[1] == n_confounds - (4 if name == "36P" else 1) * (not gsr) + 5 * (
        name == "aCompCor" and not band
    )
    expected = reference(series.data, confounds, kept, band)
    np.testing.assert_allclose(found.data, expected, atol=2e-6 * np.abs(series.data - series.data.mean(0)).max())
    without = reference(series.data, confounds[:, :-1], kept, band)  # one confound less is something else
    assert np.abs(found.data - without).max() > 1e-3 * expected.std()
    names = {"24P": "24P+GSR" if gsr else "24P", "36P": "36P" if gsr else "32P"}
    assert f"plain cleaning {names.get(name, 'aCompCor+GSR' if gsr else 'aCompCor')}+censoring" in words
    assert ("no filter" in words) == (band is None)


def test_the_default_is_24p_with_the_global_signal_and_censoring(tmp_path) -> None:
    table = make_table()
    series, run = make_series(table), run_of(write(tmp_path, table))
    found, words, moved = clean_run(series, run, CleaningSettings())
    assert words == "plain cleaning 24P+GSR+censoring"
    motion = np.stack([table[name] for name in MOTION], axis=1)
    plain = Cleaning("plain", motion24=True, global_signal=True, fd_threshold_mm=0.3, band_hz=BAND)
    expected, kept = clean(series, motion, cleaning=plain, fd_mm=table["framewise_displacement"])
    np.testing.assert_allclose(found.data, expected.data, atol=1e-6)
    named, _, _ = clean_run(series, run, CleaningSettings(name="24p"))
    np.testing.assert_array_equal(named.data, found.data)
    np.testing.assert_array_equal(moved.of_kept(), np.nan_to_num(table["framewise_displacement"])[kept])


def test_the_threshold_decides_which_frames_stay(tmp_path) -> None:
    table = make_table()
    table["framewise_displacement"][[50, 60]] = 0.25
    series, run = make_series(table), run_of(write(tmp_path, table))
    left_out = {}
    for threshold in (None, 0.2, 0.0):
        found, words, moved = clean_run(series, run, CleaningSettings(fd_threshold_mm=threshold))
        left_out[threshold] = np.flatnonzero(~moved.kept).tolist()
        assert found.n_frames == moved.kept.sum()
        assert ("FD > 0.2 mm" in words) == (threshold == 0.2)
        assert ("censoring" in words) == (threshold != 0.0)
    assert left_out == {None: [120, 121], 0.2: [50, 60, 120, 121], 0.0: []}


def test_expansion_gives_what_fmriprep_publishes() -> None:
    table = make_table()
    base = np.stack([table["csf"], table["rot_z"]], axis=1)
    np.testing.assert_allclose(expand(base), published(table, "csf", "rot_z"), atol=1e-12)
    assert expand(base, ()).shape == (N_FRAMES, 0)


# ---- tables


def test_values_that_are_missing_where_they_matter(tmp_path) -> None:
    table = make_table()
    series = make_series(table)
    clean_run(series, run_of(write(tmp_path, table)), CleaningSettings(name="36P"))  # n/a of differences at the start
    for column, frame in (("white_matter", 0), ("csf", 7), ("framewise_displacement", 7), ("trans_y", 3)):
        spoiled = {name: values.copy() for name, values in table.items()}
        spoiled[column][frame] = np.nan
        with pytest.raises(InputError, match=f"column {column} has no number at frame {frame + 1}"):
            clean_run(series, run_of(write(tmp_path, spoiled)), CleaningSettings(name="36P"))
    spoiled["trans_y"] = table["trans_y"]
    spoiled["csf"][7] = np.nan  # not needed here
    clean_run(series, run_of(write(tmp_path, spoiled)), CleaningSettings(name="24P"))


def test_displacement_is_computed_where_the_table_lacks_it(tmp_path) -> None:
    table = make_table()
    series = make_series(table)
    stated, _, _ = clean_run(series, run_of(write(tmp_path, table)), CleaningSettings())
    del table["framewise_displacement"]
    computed, _, moved = clean_run(series, run_of(write(tmp_path, table)), CleaningSettings())
    np.testing.assert_allclose(computed.data, stated.data, atol=1e-4)
    assert moved.fd_mm[120] == pytest.approx(2.0, abs=0.1)
    for name in MOTION:
        del table[name]
    rejects = {**table, **{f"rejected_{i:02d}": table[f"a_comp_cor_{i:02d}"] for i in range(3)}}
    run = run_of(write(tmp_path, rejects))
    with pytest.raises(SignalError, match="neither framewise displacement nor the six motion parameters"):
        clean_run(series, run, CleaningSettings(name="tedana"))
    assert clean_run(series, run, CleaningSettings(name="tedana", fd_threshold_mm=0))[2].fd_mm is None


@pytest.mark.parametrize(
    ("name", "dropped", "named"),
    [
        ("24P", MOTION, "trans_x, trans_y, trans_z, rot_x, rot_y, rot_z"),
        ("36P", ("csf", "global_signal"), "csf, global_signal"),
        ("36P", ("rot_x", "white_matter"), "rot_x, white_matter"),
        ("aCompCor", tuple(f"a_comp_cor_{i:02d}" for i in range(12)), "a_comp_cor_00"),
    ],
)
def test_columns_that_a_strategy_needs_are_named(name, dropped, named, tmp_path) -> None:
    table = make_table()
    series = make_series(table)
    for column in dropped:
        del table[column]
    with pytest.raises(InputError, match=f"{name} needs columns that the table lacks: {named}") as refused:
        clean_run(series, run_of(write(tmp_path, table)), CleaningSettings(name=name))
    assert "--cleaning" in str(refused.value)


def test_cosines_are_needed_only_where_nothing_is_filtered(tmp_path) -> None:
    table = make_table()
    series = make_series(table)
    before, _, _ = clean_run(series, run_of(write(tmp_path, table)), CleaningSettings(name="aCompCor"))
    for i in range(5):
        del table[f"cosine{i:02d}"]
    run = run_of(write(tmp_path, table))
    np.testing.assert_array_equal(clean_run(series, run, CleaningSettings(name="aCompCor"))[0].data, before.data)
    with pytest.raises(InputError, match="cosine00"):
        clean_run(series, run, CleaningSettings(name="aCompCor", band_hz=()))


def test_components_of_single_tissues_are_passed_over(tmp_path) -> None:
    table = make_table()
    masks = ["CSF"] * 4 + ["combined"] * 5 + ["WM"] * 3
    path = write(tmp_path, table)
    path.with_suffix(".json").write_text(json.dumps({f"a_comp_cor_{i:02d}": {"Mask": m} for i, m in enumerate(masks)}))
    _, words, _ = clean_run(make_series(table), run_of(path), CleaningSettings(name="aCompCor"))
    assert "5 components" in words
    assert files.components_of(files.read_confounds(path), "a_comp_cor_") == tuple(
        f"a_comp_cor_{i:02d}" for i in range(4, 9)
    )


# ---- tedana


CLASSES = ["accepted", "rejected", "rejected", "accepted", "ignored", "rejected"]


def test_rejected_components_go_and_accepted_ones_stay(tmp_path) -> None:
    table = make_table()
    rng = np.random.default_rng(5)
    courses = walk(rng, 6, 1.0)
    courses[:, 1] += 0.7 * courses[:, 0]  # rejected, but shares much with an accepted one
    given = tedana_files(tmp_path, courses, CLASSES)
    axis = Grayordinates(np.arange(3), np.arange(3))
    data = 5000 + courses @ np.diag([5, 5, 5, 5, 5, 5.0])
    series = Timeseries(data.astype(np.float32), axis, TR_S, "bold")
    run = run_of(write(tmp_path, table), tedana=given)
    wanted = CleaningSettings(name="tedana", global_signal=False)
    found, words, moved = clean_run(series, run, wanted)
    assert "tedana+censoring (3 of 6 components rejected)" in words
    rejected = np.array([c == "rejected" for c in CLASSES])
    seen, before = (reference(each, courses[:, :0], moved.kept, BAND) for each in (courses, series.data))
    stays = seen[:, ~rejected]
    rest = seen[:, rejected] - stays @ np.linalg.lstsq(stays, seen[:, rejected], rcond=None)[0]
    expected = before - rest @ np.linalg.lstsq(rest, before, rcond=None)[0]
    np.testing.assert_allclose(found.data, expected - expected.mean(axis=0), atol=2e-3)
    left = found.data.std(axis=0) / before.std(axis=0)
    np.testing.assert_allclose(left[~rejected], 1, atol=1e-4)
    assert left[rejected].max() < 0.8


def test_orthogonal_as_seen_through_a_filter() -> None:
    rng = np.random.default_rng(0)
    columns, others = walk(rng, 3, 1.0), walk(rng, 2, 1.0)
    plain = orthogonalise(columns, others)
    np.testing.assert_allclose(np.cov(others.T, plain.T)[:2, 2:], 0, atol=1e-9)

    def seen(given: np.ndarray) -> np.ndarray:
        return signal.bandpass(given, tr_s=TR_S, band_hz=BAND)

    through = orthogonalise(columns, others, seen=seen)
    np.testing.assert_allclose(np.cov(seen(others).T, seen(through).T)[:2, 2:], 0, atol=1e-9)
    assert np.abs(np.corrcoef(seen(others).T, seen(plain).T)[:2, 2:]).max() > 0.1


def test_components_from_the_columns_of_the_table(tmp_path) -> None:
    table = make_table()
    rejects = {f"rejected_{i:02d}": table[f"a_comp_cor_{i:02d}"] for i in range(3)}
    series = make_series(table)
    found, words, moved = clean_run(
        series, run_of(write(tmp_path, {**table, **rejects})), CleaningSettings(name="tedana", global_signal=False)
    )
    assert "3 components" in words
    np.testing.assert_allclose(
        found.data, reference(series.data, np.stack(list(rejects.values()), axis=1), moved.kept, BAND), atol=1e-3
    )


def test_nothing_rejected_regresses_nothing(tmp_path) -> None:
    table = make_table()
    given = tedana_files(tmp_path, walk(np.random.default_rng(5), 2, 1.0), ["accepted", "accepted"])
    run = run_of(write(tmp_path, table), tedana=given)
    _, words, _ = clean_run(make_series(table), run, CleaningSettings(name="tedana", global_signal=False))
    assert "0 of 2 components rejected" in words


def test_tedana_files_that_do_not_fit(tmp_path) -> None:
    table = make_table()
    series, path = make_series(table), write(tmp_path, table)
    wanted = CleaningSettings(name="tedana")
    with pytest.raises(InputError, match="tedana's files of run task-rest, which were not found") as absent:
        clean_run(series, run_of(path), wanted)
    assert "desc-tedana_metrics.tsv" in str(absent.value)
    courses = walk(np.random.default_rng(5), 6, 1.0)
    given = tedana_files(tmp_path, courses, CLASSES)

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=message):
            clean_run(series, run_of(path, tedana=given), wanted)

    tedana_files(tmp_path, courses[:-1], CLASSES)
    refused("240 frames, tedana's components have 239")
    tedana_files(tmp_path, courses, CLASSES)
    given[0].write_text(given[0].read_text().replace("ICA_5", "ICA_7"))
    refused("numbered differently")
    tedana_files(tmp_path, courses, [*CLASSES[:-1], "Rejeted"])
    refused("found rejeted")
    given[0].write_text("Component\tkappa\nICA_0\t1\n")
    refused("columns Component and classification")


# ---- cleaned or filtered before


def test_denoised_series_are_not_cleaned_twice(tmp_path) -> None:
    run = run_of(write(tmp_path, make_table()), cleaned=True)
    person = PersonFiles("01", "xcpd", (run,))
    require_cleanable(person, CleaningSettings())
    for asked, flag in (({"name": "24P"}, "--cleaning"), ({"fd_threshold_mm": 0.2}, "--fd-threshold")):
        with pytest.raises(OptionError, match=f"{flag} cannot be used: task-rest came denoised .* twice"):
            require_cleanable(person, CleaningSettings(**asked))


def test_filtered_series_are_not_filtered_twice(tmp_path) -> None:
    table = make_table()
    raw = make_series(table)
    sections = butter(5, BAND, btype="band", fs=1 / TR_S, output="sos")
    once = replace(raw, data=sosfiltfilt(sections, raw.data - raw.data.mean(axis=0), axis=0).astype(np.float32))
    run = run_of(write(tmp_path, table), filtered=True)
    wanted = CleaningSettings(name="36P", fd_threshold_mm=0)
    found, words, _ = clean_run(once, run, wanted)
    assert "filtered before, so that only the confounds were filtered here" in words
    confounds = expected_confounds("36P", table, raw, gsr=True, band=BAND)
    everything = np.ones(N_FRAMES, dtype=bool)
    filtered = signal.bandpass(confounds, tr_s=TR_S, band_hz=BAND)
    np.testing.assert_allclose(found.data, reference(once.data, filtered, everything, None), atol=1e-3)
    twice, _, _ = clean_run(once, replace(run, filtered=False), wanted)
    assert np.abs(twice.data - found.data).max() > 0.05 * found.data.std()


def test_motion_of_denoised_series_is_known_or_not(tmp_path) -> None:
    table = make_table()
    series, path = make_series(table), write(tmp_path, table, "motion.tsv")
    outliers = tmp_path / "sub-01_outliers.tsv"
    removed = np.zeros(N_FRAMES, dtype=int)
    removed[[3, 120, 121]] = 1
    outliers.write_text("\n".join(["framewise_displacement", *map(str, removed)]) + "\n")
    run = run_of(path, cleaned=True, confounds=None, outliers=outliers)
    whole, _, moved = clean_run(series, run, CleaningSettings())
    censored, words, again = clean_run(whole, run, CleaningSettings())  # as XCP-D censors: fewer frames than the mask
    assert "censored there" in words
    for one in (moved, again):
        np.testing.assert_array_equal(one.kept, removed == 0)
        np.testing.assert_array_equal(one.fd_mm, np.nan_to_num(table["framewise_displacement"]))
        assert len(one.of_kept()) == N_FRAMES - 3 == censored.n_frames
    path.write_text("framewise_displacement\n0\n")  # of another length: the series is used all the same
    assert clean_run(series, run, CleaningSettings())[2].of_kept() is None


def test_movement_regressors_of_the_hcp(tmp_path) -> None:
    table = make_table()
    motion = np.stack([table[name] for name in MOTION], axis=1) * np.array([1, 1, 1, *[180 / np.pi] * 3])
    path = tmp_path / "Movement_Regressors.txt"
    np.savetxt(path, np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1])], axis=1), fmt="%.8f")
    run = run_of(path, cleaned=True, confounds=None)
    _, _, moved = clean_run(make_series(table), run, CleaningSettings())
    np.testing.assert_allclose(moved.of_kept(), np.nan_to_num(table["framewise_displacement"]), atol=1e-5)
    with pytest.raises(InputError, match="36P needs columns that the table lacks: white_matter, csf, global_signal"):
        clean_run(make_series(table), replace(run, cleaned=False), CleaningSettings(name="36P"))


# ---- settings


def test_settings_name_what_is_wrong(tmp_path) -> None:
    for given, message in (
        ({"name": "37P"}, "no cleaning '37P'"),
        ({"fd_threshold_mm": -1}, "fd_threshold_mm"),
        ({"band_hz": (0.1, 0.01)}, "two rising frequencies"),
        ({"colour": 1}, "colour"),
    ):
        with pytest.raises(OptionError, match=message):
            read_settings(None, cleaning=given)
    config = tmp_path / "c.toml"
    config.write_text('[cleaning]\nname = "36P"\nband_hz = []\nglobal_signal = false\n')
    settings = read_settings(config, cleaning={"name": None, "fd_threshold_mm": 0.2}).cleaning
    assert settings.chosen().name == "32P+censoring"
    assert (settings.chosen().band_hz, settings.chosen().fd_threshold_mm) == (None, 0.2)
    assert settings.resolved()["strategy"] == "36P"


def test_the_methods_sentence_says_what_was_done() -> None:
    plain = describe_cleaning(CleaningSettings())
    assert "24 motion parameters and the global signal" in plain and "0.01-0.1 Hz" in plain and "0.3 mm" in plain
    other = describe_cleaning(CleaningSettings(name="acompcor", band_hz=(), fd_threshold_mm=0))
    assert (
        "CompCor" in other
        and "band-pass" not in other
        and "all frames" in other
        and "10.1016/j.neuroimage.2007" in other
    )
