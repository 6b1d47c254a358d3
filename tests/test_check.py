"""`check`: minutes that motion leaves, dropout, unfinished denoising, and what mends them; bad input of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

from actionloop import files, pipeline
from actionloop.cli import main
from actionloop.cli.check import as_json, as_text
from actionloop.errors import InputError
from actionloop.pipeline.checked import CheckReport, PersonCheck
from actionloop.pipeline.leftover import fast_share, mean_in_sd, motion_share
from actionloop.pipeline.progress import Silent

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL = DATA / "parcellated_rest" / "dcan_ptseries"
VERTICES = np.arange(0, 600, 2)
NAMES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


@pytest.fixture
def no_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge everything but dropout, on small files."""
    monkeypatch.setattr("actionloop.pipeline.check._wanted_rows", lambda: ({}, ()))


def check(folder: Path, **asked: Any) -> CheckReport:
    return pipeline.check_data(pipeline.CheckRequest(folder, **asked), progress=Silent())


def only(folder: Path, **asked: Any) -> PersonCheck:
    (person,) = check(folder, **asked).people
    return person


def said(person: PersonCheck, light: str = "") -> str:
    return "\n".join(f"{f.what} FIX {f.fix}" for f in person.findings if light in ("", f.light))


def band_passed(n_frames: int, n_rows: int, seed: int = 0, tr_s: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((n_frames, n_rows))
    spectrum = np.fft.rfft(noise, axis=0)
    spectrum[np.fft.rfftfreq(n_frames, tr_s) > 0.1] = 0
    spectrum[0] = 0
    return np.fft.irfft(spectrum, n=n_frames, axis=0)


def put_series(path: Path, data: np.ndarray, *, tr_s: float = 2.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = VERTICES[: data.shape[1] // 2]
    rows = nib.cifti2.BrainModelAxis.from_surface(half, 32492, "CortexRight")
    rows += nib.cifti2.BrainModelAxis.from_surface(half, 32492, "CortexLeft")
    axis = nib.cifti2.SeriesAxis(0, tr_s, len(data))
    nib.save(nib.Cifti2Image(data.astype(np.float32), (axis, rows)), path)
    return path


def walk(n_frames: int, seed: int = 0) -> np.ndarray:
    """Motion, most frames below 0.2 mm and some above."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((n_frames, 6)) * np.array([0.02, 0.02, 0.02, 0.0004, 0.0004, 0.0004])
    steps[rng.choice(n_frames, n_frames // 20, replace=False)] *= 10
    return np.cumsum(steps, axis=0)


def displacement(motion: np.ndarray) -> np.ndarray:
    change = np.abs(np.diff(motion, axis=0))
    return np.append(0, change[:, :3].sum(axis=1) + 50 * change[:, 3:].sum(axis=1))


def put_table(path: Path, columns: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append("\t".join("n/a" if np.isnan(value) else f"{value:.8f}" for value in row))
    path.write_text("\n".join(lines) + "\n")
    return path


def fmriprep_run(
    root: Path, run: str = "01", *, label: str = "01", n_frames: int = 700, tr_s: float = 2.0, motion: Any = None
) -> Path:
    """Write one preprocessed run with its table; returns the table."""
    motion = walk(n_frames) if motion is None else motion
    stem = root / f"sub-{label}" / "func" / f"sub-{label}_task-rest_run-{run}"
    data = 1000 + 10 * np.random.default_rng(1).standard_normal((n_frames, 40))
    put_series(Path(f"{stem}_space-fsLR_den-91k_bold.dtseries.nii"), data, tr_s=tr_s)
    fd = displacement(motion)
    fd[0] = np.nan
    columns = {"framewise_displacement": fd, **dict(zip(NAMES, motion.T, strict=True))}
    return put_table(Path(f"{stem}_desc-confounds_timeseries.tsv"), columns)


def xcpd_run(root: Path, data: np.ndarray, motion: np.ndarray, keep: np.ndarray, *, label: str = "01") -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "x", "GeneratedBy": [{"Name": "xcp_d"}]}))
    stem = root / f"sub-{label}" / "func" / f"sub-{label}_task-rest"
    put_series(Path(f"{stem}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii"), data)
    columns = {**dict(zip(NAMES, motion.T, strict=True)), "framewise_displacement": displacement(motion)}
    put_table(Path(f"{stem}_motion.tsv"), columns)
    put_table(Path(f"{stem}_outliers.tsv"), {"framewise_displacement": (~keep).astype(float)})


def put_masks(path: Path, kept: dict[float, np.ndarray], *, recorded: int | None = None, tr_s: float = 2.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty(len(kept), dtype=object)
    for i, (fd_mm, keep) in enumerate(kept.items()):
        count = int(keep.sum()) if recorded is None else recorded
        cells[i] = {
            "FD_threshold": fd_mm,
            "frame_removal": (~keep).astype(float)[:, None],
            "remaining_frame_count": count,
            "epi_TR": tr_s,
        }
    savemat(path, {"motion_data": cells})
    return path


# --- the real record ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason="the real series is not at ACTIONLOOP_DATA")
def test_the_real_masks_leave_what_they_record(capsys: pytest.CaptureFixture[str]) -> None:
    masks = {mask.fd_mm: mask for mask in files.read_removal_masks(next(REAL.glob("*.mat")))}
    assert len(masks) == 51
    assert masks[0.2].recorded == 22
    assert main(["check", str(REAL), "--json"]) == 0
    (person,) = json.loads(capsys.readouterr().out)["people"]
    (run,) = person["runs"]
    assert (run["frames"], run["tr_s"], run["minutes"]) == (600, 2.0, 20.0)
    assert run["usable"] == [
        {"fd_mm": 0.2, "before": None, "after": 22},
        {"fd_mm": 0.3, "before": None, "after": 140},
    ]
    assert person["usable_minutes"]["0.2"]["after_masks"] == pytest.approx(22 * 2 / 60)
    assert person["light"] == "red"
    assert "140 of 600 frames" in person["findings"][0]["what"]
    # It was band-passed and demeaned, and no parcel of it is empty.
    assert run["fast_share"] < 0.1
    assert run["mean_sd"] < 0.1
    assert person["missing"] == {"SCAN": 0, "AMN": 0}


# --- minutes -----------------------------------------------------------------------------------------------------


def test_frames_are_counted_as_by_hand(tmp_path: Path, no_prior: None) -> None:
    motion = walk(700)
    fmriprep_run(tmp_path, motion=motion)
    person = only(tmp_path)
    fd = displacement(motion)
    expected = [int((fd <= limit).sum()) for limit in (0.2, 0.3)]
    assert expected[0] < expected[1] < 700
    (run,) = person.runs
    assert [each.before for each in run.usable] == expected
    assert [each.after for each in run.usable] == expected
    assert person.usable_minutes(0.2) == pytest.approx(expected[0] * 2 / 60)
    assert run.state == "preprocessed"
    assert any("not denoised" in note for note in person.notes)
    assert said(person, "red") == ""
    assert person.light == "amber"  # no surfaces
    assert "--cifti-output 91k" in said(person, "amber")
    assert said(person, "red") == ""


def test_masks_count_beside_displacement(tmp_path: Path, no_prior: None) -> None:
    motion, keep = walk(700), np.ones(700, dtype=bool)
    keep[:100] = False
    xcpd_run(tmp_path, band_passed(700, 40), motion, keep)
    (run,) = only(tmp_path).runs
    below = displacement(motion) <= 0.3
    assert run.usable[1].before == below.sum()
    assert run.usable[1].after == (below & keep).sum() < below.sum()


def test_a_series_without_its_censored_frames(tmp_path: Path, no_prior: None) -> None:
    motion = walk(700)
    keep = displacement(motion) <= 0.3
    xcpd_run(tmp_path, band_passed(700, 40)[keep], motion, keep)
    person = only(tmp_path)
    assert person.runs[0].frames == keep.sum()
    assert [u.after for u in person.runs[0].usable] == [(displacement(motion) <= 0.2).sum(), keep.sum()]
    assert said(person, "red") == ""


def test_displacement_is_computed_where_the_column_is_missing(tmp_path: Path, no_prior: None) -> None:
    motion = walk(700)
    table = fmriprep_run(tmp_path, motion=motion)
    put_table(table, dict(zip(NAMES, motion.T, strict=True)))
    person = only(tmp_path)
    assert person.runs[0].usable[0].after == (displacement(motion) <= 0.2).sum()
    assert any("no column framewise_displacement" in note for note in person.notes)
    put_table(table, {"csf": motion[:, 0]})
    person = only(tmp_path)
    assert person.usable_minutes(0.3) is None
    assert "motion is not known" in said(person, "amber")
    assert "_desc-confounds_timeseries.tsv" in said(person)


def test_hcp_motion_in_degrees(tmp_path: Path, no_prior: None) -> None:
    motion = walk(700)
    folder = tmp_path / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_LR"
    put_series(folder / "rfMRI_REST1_LR_Atlas_MSMAll_hp2000_clean.dtseries.nii", 5000 + band_passed(700, 40))
    degrees = motion * np.array([1, 1, 1, *[180 / np.pi] * 3])
    both = np.concatenate([degrees, np.diff(degrees, axis=0, prepend=degrees[:1])], axis=1)
    np.savetxt(folder / "Movement_Regressors.txt", both, fmt="%.8f")
    report = check(tmp_path)
    (person,) = report.people
    assert report.layout == "hcp"
    assert person.runs[0].usable[0].before == (displacement(motion) <= 0.2).sum()
    assert any("the mean was kept" in note for note in person.notes)
    assert "fsaverage_LR32k" in said(person)


def test_little_data_and_what_would_be_enough(tmp_path: Path, no_prior: None) -> None:
    fmriprep_run(tmp_path, n_frames=300, motion=np.zeros((300, 6)))
    person = only(tmp_path)
    assert person.light == "amber"
    assert "10.0 of 10.0 min (300 of 300 frames)" in said(person)
    assert "about 10 more minutes" in said(person)
    fmriprep_run(tmp_path / "short", n_frames=120, motion=np.zeros((120, 6)))
    assert "at least 5" in said(only(tmp_path / "short"), "red")


def test_green_when_nothing_is_missing(tmp_path: Path, no_prior: None) -> None:
    fmriprep_run(tmp_path, n_frames=700, motion=np.zeros((700, 6)))
    anat = tmp_path / "sub-01" / "anat"
    anat.mkdir()
    (anat / "sub-01_desc-preproc_T1w.nii.gz").write_text("x")
    for name in ("L_space-fsLR_den-32k_white", "R_space-fsLR_den-32k_white", "L_space-fsLR_den-32k_pial"):
        (anat / f"sub-01_hemi-{name}.surf.gii").write_text("x")
    assert "surfaces are missing (R pial)" in said(only(tmp_path), "amber")
    (anat / "sub-01_hemi-R_space-fsLR_den-32k_pial.surf.gii").write_text("x")
    person = only(tmp_path)
    assert (person.light, person.findings, person.surfaces) == ("green", (), "own")


def test_every_frame_censored(tmp_path: Path, no_prior: None) -> None:
    motion = np.zeros((300, 6))
    motion[::2, 0] = 5
    fmriprep_run(tmp_path, motion=motion, n_frames=300)
    person = only(tmp_path)
    assert person.readable
    assert person.light == "red"
    assert person.usable_minutes(0.3) == pytest.approx(2 / 60)  # the first frame counts as still
    assert "scan again" in said(person, "red")


def test_one_run_of_forty_frames(tmp_path: Path, no_prior: None) -> None:
    fmriprep_run(tmp_path, n_frames=40)
    person = only(tmp_path)
    assert person.light == "red"
    assert "plan` refuses this run" in said(person, "red")


def test_a_short_run_is_to_be_left_out(tmp_path: Path, no_prior: None) -> None:
    for run in ("01", "02"):
        fmriprep_run(tmp_path, run)
    fmriprep_run(tmp_path, "03", n_frames=30)
    (refused,) = [f for f in only(tmp_path).findings if f.light == "red"]
    assert refused.run == "task-rest_run-03"
    assert refused.fix == "leave the run out: --run-id 01 02"
    assert said(only(tmp_path, runs=("01", "02")), "red") == ""


def test_runs_of_different_repetition_times(tmp_path: Path, no_prior: None) -> None:
    fmriprep_run(tmp_path, "01")
    fmriprep_run(tmp_path, "02", tr_s=0.8)
    person = only(tmp_path)
    assert "0.8 s and 2 s" in said(person, "red")
    assert "--run-id 01; or" in said(person, "red")
    assert "--tr 2" in said(person, "red")
    assert "repetition" not in said(only(tmp_path, tr_s=2.0))


def test_a_table_of_another_length(tmp_path: Path, no_prior: None) -> None:
    table = fmriprep_run(tmp_path)
    table.write_text("\n".join(table.read_text().splitlines()[:-3]) + "\n")
    person = only(tmp_path)
    assert "700 frames" in said(person, "red")
    assert "697 rows" in said(person, "red")
    assert person.runs[0].frames == 700


def test_a_cell_without_a_number(tmp_path: Path, no_prior: None) -> None:
    table = fmriprep_run(tmp_path)
    lines = table.read_text().splitlines()
    lines[5] = "n/a" + lines[5][lines[5].index("\t") :]
    table.write_text("\n".join(lines))
    assert "framewise_displacement has no number at frame 5" in said(only(tmp_path), "red")


# --- signal ------------------------------------------------------------------------------------------------------


def test_measures_of_what_is_left() -> None:
    rng = np.random.default_rng(3)
    white, slow, motion = rng.standard_normal((800, 30)), band_passed(800, 30), walk(800)
    assert fast_share(slow, tr_s=2.0, edge_hz=0.12) < 0.01
    assert fast_share(white, tr_s=2.0, edge_hz=0.12) == pytest.approx(1 - 0.12 / 0.25, abs=0.02)
    assert np.isnan(fast_share(white, tr_s=4.0, edge_hz=0.12))
    assert mean_in_sd(white + 50) == pytest.approx(50, rel=0.1)
    assert mean_in_sd(white) < 0.2
    moved = white + (motion - motion.mean(axis=0)) / motion.std(axis=0) @ rng.standard_normal((6, 30))
    assert motion_share(moved, motion) > 0.3
    assert abs(motion_share(white, motion)) < 0.02
    both = np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1]), np.ones((800, 1))], axis=1)
    trend = np.arange(800)[:, None]
    both = np.concatenate([both, trend], axis=1)
    regressed = moved - both @ np.linalg.lstsq(both, moved, rcond=None)[0]
    assert motion_share(regressed, motion) < 0.01


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x, m: x, None),
        (lambda x, m: x + 100, "standard deviations from 0"),
        (lambda x, m: x + np.random.default_rng(5).standard_normal(x.shape) * x.std(), "--disable-bandpass-filter"),
        (lambda x, m: x + 2 * x.std() * (m[:, :1] - m[:, 0].mean()) / m[:, 0].std(), "motion explains"),
    ],
    ids=["clean", "mean", "unfiltered", "motion"],
)
def test_signs_of_unfinished_denoising(tmp_path: Path, no_prior: None, spoil: Any, words: str | None) -> None:
    motion = walk(700)
    keep = displacement(motion) <= 0.3
    xcpd_run(tmp_path, spoil(band_passed(700, 40), motion), motion, keep)
    person = only(tmp_path)
    found = [f for f in person.findings if f.run]
    assert [words in f"{f.what} {f.fix}" for f in found] == ([] if words is None else [True])
    assert all(f.light == "amber" and "denoised by XCP-D" in f.what for f in found)


def test_moving_frames_that_nobody_leaves_out(tmp_path: Path, no_prior: None) -> None:
    motion = walk(700)
    motion[::3, 0] += 1
    xcpd_run(tmp_path, band_passed(700, 40), motion, np.ones(700, dtype=bool))
    next(tmp_path.rglob("*_outliers.tsv")).unlink()
    assert "no mask says to leave them out" in said(only(tmp_path), "amber")


def test_dropout_is_the_share_of_the_prior_without_signal(tmp_path: Path) -> None:
    from actionloop.pipeline.priors import cached_default_prior

    prior = cached_default_prior()
    scan = np.flatnonzero((prior.probability.argmax(axis=0) == prior.index("SCAN")) & prior.probability.any(axis=0))
    data = band_passed(50, len(prior.grayordinates)).astype(np.float32)
    lost = scan[: len(scan) // 4]
    data[:, lost] = 7.0  # constant, not zero
    folder = tmp_path / "bare"
    folder.mkdir()
    from actionloop.types import Timeseries

    files.write_dtseries(folder / "one.dtseries.nii", Timeseries(data, prior.grayordinates, 2.0))
    person = only(folder)
    assert person.missing["SCAN"] == pytest.approx(len(lost) / len(scan))
    assert person.missing["AMN"] == 0
    assert "25% of SCAN cortex have no signal" in said(person, "amber")


def test_rows_are_read_as_the_file_has_them(tmp_path: Path) -> None:
    data = np.random.default_rng(0).standard_normal((20, 600)).astype(np.float32)
    path = put_series(tmp_path / "a.dtseries.nii", data)  # right before left in the file
    series = files.open_series(path)
    whole = files.read_cifti_series(path).data
    wanted = np.array([599, 3, 4, 100, 101, 250, 299, 300])
    got = {int(row): block[:, i] for rows, block in series.read(wanted) for i, row in enumerate(rows)}
    assert sorted(got) == sorted(wanted.tolist())
    for row, values in got.items():
        np.testing.assert_array_equal(values, whole[:, row])
    np.testing.assert_array_equal(whole[:, 0], data[:, 300])


def test_fsaverage_surfaces(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for side in ("lh", "rh"):
        data = rng.standard_normal((10242, 1, 1, 50)).astype(np.float32)
        nib.save(nib.MGHImage(data, np.eye(4)), tmp_path / f"sub-01_task-rest.fsa5.{side}.mgz")
    report = check(tmp_path)
    (person,) = report.people
    assert report.layout == "surface"
    assert person.missing == {"SCAN": 0.0, "AMN": 0.0}
    assert "--tr" in said(person, "red")
    assert only(tmp_path, tr_s=2.0).minutes == pytest.approx(100 / 60)


# --- other layouts -----------------------------------------------------------------------------------------------


def test_dcan_layout_and_its_masks(tmp_path: Path, no_prior: None) -> None:
    func = tmp_path / "sub-01" / "ses-A" / "func"
    stem = "sub-01_ses-A_task-rest"
    put_series(func / f"{stem}_bold_desc-filtered_timeseries.dtseries.nii", band_passed(700, 40))
    kept = {0.2: np.arange(700) < 350, 0.3: np.arange(700) < 640}
    mask = put_masks(func / f"{stem}_desc-filtered_motion_mask.mat", kept)
    report = check(tmp_path)
    (person,) = report.people
    assert report.layout == "dcan"
    assert [each.after for each in person.runs[0].usable] == [350, 640]
    assert any("with --outliers" in note for note in person.notes)
    assert said(person, "red") == ""
    put_masks(mask, kept, tr_s=0.8)
    assert "--tr 0.8" in said(only(tmp_path), "amber")
    put_masks(mask, kept, recorded=12)
    assert "by its own record 12" in said(only(tmp_path), "red")
    put_masks(mask, {fd: keep[:500] for fd, keep in kept.items()})
    assert "has 500" in said(only(tmp_path), "red")
    put_masks(mask, {0.5: kept[0.3]})
    assert "no mask for 0.2, 0.3 mm" in said(only(tmp_path), "red")
    mask.write_bytes(b"nonsense")
    assert "not a readable DCAN" in said(only(tmp_path), "red")


def put_volume(path: Path, n_frames: int = 700) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.zeros((2, 2, 2, n_frames), np.float32), np.eye(4))
    image.header.set_zooms((2, 2, 2, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def test_fmriprep_without_cifti(tmp_path: Path, no_prior: None) -> None:
    table = fmriprep_run(tmp_path)
    next(tmp_path.rglob("*.dtseries.nii")).unlink()
    put_volume(table.parent / "sub-01_task-rest_run-01_space-T1w_desc-preproc_bold.nii.gz")
    person = only(tmp_path)
    assert person.readable
    assert person.light == "red"
    assert "--cifti-output 91k" in said(person, "red")
    assert person.usable_minutes(0.2) == pytest.approx((displacement(walk(700)) <= 0.2).sum() * 2 / 60)


def test_tedana(tmp_path: Path, no_prior: None) -> None:
    folder = tmp_path / "sub-02" / "func"
    put_volume(folder / "sub-02_task-rest_desc-denoised_bold.nii.gz")
    metrics = folder / "sub-02_task-rest_desc-tedana_metrics.tsv"
    metrics.write_text("Component\tclassification\nICA_0\taccepted\nICA_1\trejected\nICA_2\trejected\n")
    report = check(tmp_path)
    (person,) = report.people
    assert (report.layout, person.label, person.minutes) == ("tedana", "02", pytest.approx(700 * 2 / 60))
    assert any("1 accepted, 2 rejected" in note for note in person.notes)
    assert "--cifti-output 91k" in said(person, "red")
    metrics.write_text("Component\tclassification\nICA_0\taccepted\n")
    assert "looks unfinished" in said(only(tmp_path), "amber")
    metrics.write_text("Component\n")
    assert not only(tmp_path).readable


# --- people who cannot be read -----------------------------------------------------------------------------------


def test_one_damaged_person_does_not_stop_the_others(
    tmp_path: Path, no_prior: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("01", "02", "03"):
        fmriprep_run(tmp_path, label=label)
    damaged = next((tmp_path / "sub-01").rglob("*.dtseries.nii"))
    damaged.write_bytes(damaged.read_bytes()[:-200])
    next((tmp_path / "sub-02").rglob("*.tsv")).unlink()
    assert main(["check", str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    people = {person["label"]: person for person in json.loads(captured.out)["people"]}
    assert [people[label]["readable"] for label in ("01", "02", "03")] == [False, False, True]
    assert "truncated" in people["01"]["findings"][0]["what"]
    assert "confound table" in people["02"]["findings"][0]["what"]
    assert "Traceback" not in captured.err
    assert main(["check", str(tmp_path), "--participant-label", "sub-01", "02"]) == 1
    assert "sub-03" not in capsys.readouterr().out


def test_a_bug_in_one_person_is_told(tmp_path: Path, no_prior: None, monkeypatch: pytest.MonkeyPatch) -> None:
    fmriprep_run(tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr("actionloop.pipeline.check.check_run", broken)
    assert "bug in actionloop" in said(only(tmp_path), "red")


def test_folders_with_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 1
    assert "next:" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    (tmp_path / "dataset_description.json").write_text('{"Name": "fMRIPrep"}')
    assert main(["check", str(tmp_path)]) == 1
    assert "there is nobody" in capsys.readouterr().err
    put_series(tmp_path / "bare" / "a.dtseries.nii", band_passed(100, 4))
    for name in ("a", "b"):
        put_masks(tmp_path / "bare" / f"{name}.mat", {0.2: np.ones(100, dtype=bool)})
    with pytest.raises(InputError, match="2 masks"):
        check(tmp_path / "bare")


def test_table_and_json_say_the_same(tmp_path: Path, no_prior: None, capsys: pytest.CaptureFixture[str]) -> None:
    fmriprep_run(tmp_path, label="[red]A")
    report = check(tmp_path)
    text = as_text(report, colour=False)
    assert "sub-[red]A" in text  # names are not markup
    assert "\x1b" not in text
    assert "\x1b" in as_text(report, colour=True)
    (person,) = json.loads(as_json(report))["people"]
    assert f"{person['minutes']:.1f}" in text
    assert person["light"] in text
    for finding in person["findings"]:
        assert finding["fix"].split()[0] in text
    assert all(len(line) <= 110 for line in text.splitlines())
