"""Cleaning through the command line: fMRIPrep's series of one person, options, bad input."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.confounds import N_FRAMES, TR_S, make_table, tedana_files, walk, write

from actionloop import files
from actionloop.cli import main
from actionloop.errors import ResourceError
from actionloop.pipeline import person as person_module
from actionloop.pipeline import run as run_module
from actionloop.pipeline.person import PersonJob, job_keys
from actionloop.pipeline.progress import Silent
from actionloop.pipeline.series import PersonSeries, load_series
from actionloop.pipeline.settings import CleaningSettings, Settings
from actionloop.pipeline.stages import series_of
from actionloop.pipeline.steps import Steps
from actionloop.types import Timeseries

RUNS = ("task-rest_run-1", "task-rest_run-2")


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def series() -> Timeseries:
    """Return one slow signal for each of a few patches, in noise."""
    rng, axis = np.random.default_rng(0), files.template_grayordinates()
    latent = walk(rng, 20, 1.0).astype(np.float32)
    latent = latent / latent.std(axis=0)
    data = latent[:, np.arange(len(axis)) * 20 // len(axis)]
    return Timeseries(1000 + data + rng.standard_normal(data.shape, dtype=np.float32), axis, TR_S)


def write_fmriprep(root: Path, series: Timeseries) -> Path:
    """Write a person of two runs; returns the folder of the data set."""
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    description = {"Name": "fMRIPrep", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "fMRIPrep"}]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    for seed, run in enumerate(RUNS):
        stem = f"sub-01_{run}_space-fsLR_den-91k_bold"
        files.write_dtseries(func / f"{stem}.dtseries.nii", series)
        (func / f"{stem}.json").write_text(json.dumps({"RepetitionTime": series.tr_s}))
        write(func, make_table(seed), table_name(run))
    return root


def table_name(run: str = RUNS[0]) -> str:
    return f"sub-01_{run}_desc-confounds_timeseries.tsv"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, series) -> Path:
    return write_fmriprep(tmp_path_factory.mktemp("data") / "fmriprep", series)


@pytest.fixture
def copy(dataset, tmp_path) -> Path:
    """Return the data set again, to be spoiled: series by link, small files by copy."""
    root = tmp_path / "fmriprep"
    for path in dataset.rglob("*"):
        place = root / path.relative_to(dataset)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(".nii"):
            place.symlink_to(path)
        elif path.is_file():
            place.write_bytes(path.read_bytes())
    return root


class EnoughError(Exception):
    """The series is there; nothing after it is of interest here."""


@contextlib.contextmanager
def stopped_after_series() -> Iterator[list[PersonSeries]]:
    """End a plan once its series is loaded, and hand that out."""
    found: list[PersonSeries] = []

    def until(*given) -> PersonSeries:
        found.append(series_of(*given))
        raise EnoughError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(person_module, "series_of", until)
        yield found


def plan(root: Path, out: Path, *words: object) -> tuple[int, str]:
    """Call the command line in this process; returns its exit code and what it said on stderr."""
    said = io.StringIO()
    given = [
        "plan",
        root,
        out,
        "participant",
        "--participant-label",
        "01",
        "--no-controls",
        "--no-reliability",
        "--engine",
        "geometric",
        *words,
    ]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = int(main([str(word) for word in given]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, said.getvalue()


def refused(root: Path, out: Path, *words: object, expected: str) -> None:
    """Hold that a call ends with one clear error and leaves nothing."""
    code, said = plan(root, out, *words)
    assert code != 0
    assert re.search(expected, said), said
    assert said.count("error:") == 1, said
    assert "Traceback" not in said and "unexpected error" not in said, said
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((), "plain cleaning 24P+GSR+censoring"),
        (
            ("--cleaning", "36P", "--fd-threshold", "0.2"),
            "plain cleaning 36P+censoring (frames with FD > 0.2 mm left out)",
        ),
        (("--cleaning", "acompcor", "--no-gsr"), "plain cleaning aCompCor+censoring (10 components)"),
    ],
)
def test_options_reach_the_series(dataset, tmp_path, words, name) -> None:
    with stopped_after_series() as found:
        plan(dataset, tmp_path / "out", *words)
    (loaded,) = found
    assert loaded.cleaning == name
    assert [run.name for run in loaded.motion] == list(RUNS)
    fd_mm = loaded.fd_of_frames()
    assert fd_mm is not None and len(fd_mm) == loaded.series.n_frames == sum(loaded.run_lengths)
    stated = np.concatenate([np.nan_to_num(make_table(seed)["framewise_displacement"]) for seed in (0, 1)])
    limit = 0.2 if "--fd-threshold" in words else 0.3
    np.testing.assert_array_equal(fd_mm, stated[stated <= limit])
    assert sum(len(run.kept) for run in loaded.motion) == 2 * N_FRAMES


def test_motion_survives_the_finished_step_and_another_cleaning_repeats_it(dataset, tmp_path) -> None:
    person = files.find_person(dataset, "01")
    job = PersonJob(person, Settings())
    other = PersonJob(person, Settings(cleaning=CleaningSettings(fd_threshold_mm=0.2)))
    hashes = {str(path): "x" for path in person.files}
    keys, other_keys = job_keys(job, hashes), job_keys(other, hashes)
    assert all(keys[step] != other_keys[step] for step in ("series", "map", "controls", "person"))
    with Steps(tmp_path / "work") as steps, pytest.MonkeyPatch.context() as patch:
        first = series_of(job, steps, keys["series"], Silent())
        patch.setattr("actionloop.pipeline.stages.load_series", None)  # must not be asked again
        again = series_of(job, steps, keys["series"], Silent())
    np.testing.assert_array_equal(again.fd_of_frames(), first.fd_of_frames())
    for one, two in zip(first.motion, again.motion, strict=True):
        assert (one.name, one.tr_s) == (two.name, two.tr_s)
        np.testing.assert_array_equal(one.kept, two.kept)
    assert replace(first, motion=first.motion[:1]).fd_of_frames() is None
    without = (replace(first.motion[0], fd_mm=None), first.motion[1])
    assert replace(first, motion=without).fd_of_frames() is None


def test_tedana_files_are_found_beside_the_series_and_beside_the_data_set(copy, tmp_path) -> None:
    func, apart = copy / "sub-01" / "func", copy.parent / "tedana" / "sub-01" / "func"
    apart.mkdir(parents=True)
    for folder, run in ((func, RUNS[0]), (apart, RUNS[1])):
        made = tedana_files(folder, walk(np.random.default_rng(0), 4, 1.0), ["accepted", "rejected"] * 2)
        for path in made:
            path.rename(path.with_name(f"sub-01_{run}_{path.name}"))
    person = files.find_person(copy, "01")
    assert [run.tedana[1].parent for run in person.runs if run.tedana] == [func, apart]
    assert {path for run in person.runs for path in run.tedana or ()} <= set(person.files)
    loaded = load_series(person, cleaning=CleaningSettings(name="tedana"))
    assert loaded.cleaning == "plain cleaning tedana+GSR+censoring (2 of 4 components rejected)"


# Wrong input: one clear error, no output.


def rewrite(root: Path, **columns: np.ndarray | None) -> None:
    """Give the first run's table other columns; None takes one away."""
    table = {name: values for name, values in {**make_table(), **columns}.items() if values is not None}
    write(root / "sub-01" / "func", table, table_name())


def spoiled_values(root):
    values = make_table()["csf"].copy()
    values[7] = np.nan
    rewrite(root, csf=values)


def spoiled_motion(root):
    rewrite(root, framewise_displacement=None, rot_x=None)


def spoiled_columns(root):
    rewrite(root, csf=None, global_signal=None)


def spoiled_moving(root):
    rewrite(root, framewise_displacement=np.full(N_FRAMES, 0.9))


def spoiled_repetition_time(root):
    (next(root.rglob(f"*{RUNS[1]}*_bold.json"))).write_text(json.dumps({"RepetitionTime": 2.0}))


def untouched(root):
    pass


@pytest.mark.parametrize(
    ("spoil", "words", "expected"),
    [
        (spoiled_values, ("--cleaning", "36P"), "column csf has no number at frame 8"),
        (spoiled_motion, ("--cleaning", "24P"), "24P needs columns that the table lacks: rot_x"),
        (spoiled_columns, ("--cleaning", "36P"), "36P needs columns that the table lacks: csf, global_signal"),
        (spoiled_moving, (), r"none of the 240 frames is left after censoring(.|\n)*--fd-threshold"),
        (spoiled_repetition_time, (), r"task-rest_run-1 1.1 s, task-rest_run-2 2 s(.|\n)*--run-id.*--bids-filter"),
        (untouched, ("--cleaning", "tedana"), "tedana's files of run task-rest_run-1, which were not found"),
        (untouched, ("--cleaning", "37P"), "there is no cleaning '37P'(.|\n)*24P, 36P, aCompCor, tedana"),
        (untouched, ("--fd-threshold", "-1"), "fd_threshold_mm"),
    ],
)
def test_bad_input_gives_one_clear_error_and_no_output(copy, tmp_path, spoil, words, expected) -> None:
    spoil(copy)
    refused(copy, tmp_path / "out", *words, expected=expected)


def test_forty_frames_are_too_few(copy, tmp_path, series) -> None:
    path = next(copy.rglob(f"*{RUNS[0]}*.dtseries.nii"))
    path.unlink()
    files.write_dtseries(path, replace(series, data=series.data[:40]))
    table = {name: values[:40] for name, values in make_table().items()}
    write(path.parent, table, table_name())
    expected = r"a run of 44 s \(40 frames\) is too short for a filter from 0.01 Hz"
    refused(copy, tmp_path / "out", "--run-id", "1", expected=expected)


def test_denoised_input_is_refused_a_second_cleaning_even_when_it_was_finished(tmp_path, series) -> None:
    root = tmp_path / "xcpd"
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "GeneratedBy": [{"Name": "xcp_d"}]}))
    stem = "sub-01_task-rest_space-fsLR_den-91k_desc-denoised_bold"
    files.write_dtseries(func / f"{stem}.dtseries.nii", series)
    (func / f"{stem}.json").write_text(json.dumps({"RepetitionTime": TR_S}))
    refused(root, tmp_path / "out", "--cleaning", "24P", expected="--cleaning cannot be used: task-rest came denoised")
    person = files.find_person(root, "01")
    job, asked = (PersonJob(person, Settings(cleaning=CleaningSettings(name=name))) for name in (None, "24P"))
    hashes = {str(path): "x" for path in person.files}
    assert job_keys(job, hashes)["person"] != job_keys(asked, hashes)["person"]
    with Steps(tmp_path / "work") as steps:
        loaded = series_of(job, steps, "key", Silent())
        assert loaded.fd_of_frames() is None  # without motion.tsv
        with pytest.raises(run_module.ActionloopError, match="cleaned and filtered twice"):
            series_of(asked, steps, "key", Silent())
