"""Finding a person's files in the HCP pipelines' output: registrations, cleaning, joined series, the two spaces."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from actionloop.errors import InputError
from actionloop.files import Selection, bare_person, detect_layout, find_person, list_people

HEMIS = ("L", "R")


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put(root: Path, *names: str) -> None:
    for name in names:
        touch(root / name)


def put_series(path: Path, *, tr_s: float = 0.8, n_frames: int = 5) -> Path:
    """Write a real CIFTI-2 series of three rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = nib.cifti2.BrainModelAxis.from_surface([0, 1, 2], 32492, "CortexLeft")
    axis = nib.cifti2.SeriesAxis(0, tr_s, n_frames)
    nib.save(nib.Cifti2Image(np.ones((n_frames, 3), np.float32), (axis, rows)), path)
    return path


RUNS_3T = ("rfMRI_REST1_LR", "rfMRI_REST1_RL", "rfMRI_REST2_LR", "rfMRI_REST2_RL")


def put_hcp(
    root: Path,
    *,
    runs: tuple[str, ...] = RUNS_3T,
    tails: tuple[str, ...] = ("_Atlas_MSMAll_hp2000_clean", "_Atlas_hp2000_clean", "_Atlas_MSMAll", "_Atlas"),
    registrations: tuple[str, ...] = ("", "_MSMAll"),
) -> Path:
    sub = root / "100307"
    for run in runs:
        for tail in tails:
            put_series(sub / "MNINonLinear" / "Results" / run / f"{run}{tail}.dtseries.nii", tr_s=0.72)
        put(sub / "MNINonLinear" / "Results" / run, "Movement_Regressors.txt", "Movement_RelativeRMS.txt")
        put(sub / "MNINonLinear" / "Results" / run, f"{run}_Atlas_MSMAll_hp2000_clean_vn.dscalar.nii")
    for part in ("T1w", "MNINonLinear"):
        for side in HEMIS:
            for registration in registrations:
                for kind in ("white", "pial", "midthickness", "inflated", "very_inflated"):
                    name = f"100307.{side}.{kind}{registration}.32k_fs_LR.surf.gii"
                    put(sub / part / "fsaverage_LR32k", name)
                if part == "MNINonLinear":
                    name = f"100307.{side}.sulc{registration}.32k_fs_LR.shape.gii"
                    put(sub / part / "fsaverage_LR32k", name)
    put(sub / "MNINonLinear" / "fsaverage_LR32k", "100307.L.sphere.32k_fs_LR.surf.gii")
    put(sub / "T1w", "T1w_acpc_dc_restore.nii.gz", "T1w_acpc_dc.nii.gz", "T1w_acpc_dc_restore_brain.nii.gz")
    return root


@pytest.mark.parametrize("label", ["100307", "sub-100307"])
def test_hcp_3t(tmp_path: Path, label: str) -> None:
    put_hcp(tmp_path)
    assert detect_layout(tmp_path) == "hcp"
    assert list_people(tmp_path) == ["100307"]
    person = find_person(tmp_path, label)
    assert [run.name for run in person.runs] == list(RUNS_3T)
    run = person.runs[1]
    assert run.paths[0].name == "rfMRI_REST1_RL_Atlas_MSMAll_hp2000_clean.dtseries.nii"
    assert run.entities == {"task": "REST", "direction": "RL", "run": "1"}
    assert (run.cleaned, run.filtered, run.confounds) == (True, False, None)
    assert run.tr_s == pytest.approx(0.72)
    assert run.motion is not None and run.motion.name == "Movement_Regressors.txt"
    assert person.t1w is not None and person.t1w.name == "T1w_acpc_dc_restore.nii.gz"
    surfaces = person.surfaces
    assert surfaces is not None
    assert (surfaces.space, surfaces.mesh, surfaces.registration) == ("native", "fsLR32k", "MSMAll")
    assert all("/T1w/" in str(p) and "_MSMAll" in p.name for p in surfaces.files)
    assert person.sulc["L"].name == "100307.L.sulc_MSMAll.32k_fs_LR.shape.gii"


def test_hcp_tclean_is_preferred(tmp_path: Path) -> None:
    put_hcp(tmp_path, tails=("_Atlas_MSMAll_hp2000_clean_rclean_tclean", "_Atlas_MSMAll_hp2000_clean"))
    assert all("_rclean_tclean" in run.paths[0].name for run in find_person(tmp_path, "100307").runs)


def test_hcp_plain_registration_gets_plain_surfaces(tmp_path: Path) -> None:
    put_hcp(tmp_path, tails=("_Atlas_hp2000_clean",))
    surfaces = find_person(tmp_path, "100307").surfaces
    assert surfaces is not None and surfaces.registration == ""
    assert all("MSMAll" not in p.name for p in surfaces.files)


def test_hcp_surfaces_of_another_registration_are_not_used(tmp_path: Path) -> None:
    put_hcp(tmp_path, tails=("_Atlas_MSMAll_hp2000_clean",), registrations=("",))
    person = find_person(tmp_path, "100307")
    assert person.surfaces is None
    assert any("not of MSMAll" in note for note in person.notes)


def test_hcp_uncleaned_series_are_found_as_such(tmp_path: Path) -> None:
    put_hcp(tmp_path, tails=("_Atlas",))
    run = find_person(tmp_path, "100307").runs[0]
    assert not run.cleaned
    assert run.motion is not None


def test_hcp_cleaned_beats_msmall(tmp_path: Path) -> None:
    put_hcp(tmp_path, tails=("_Atlas_hp2000_clean", "_Atlas_MSMAll"))
    run = find_person(tmp_path, "100307").runs[0]
    assert run.paths[0].name == "rfMRI_REST1_LR_Atlas_hp2000_clean.dtseries.nii"


def test_hcp_joined_series_is_left_out_or_used_when_only_it_is_clean(tmp_path: Path) -> None:
    results = put_hcp(tmp_path, runs=("rfMRI_REST1_AP", "rfMRI_REST1_PA")) / "100307" / "MNINonLinear" / "Results"
    put_series(results / "rfMRI_REST" / "rfMRI_REST_Atlas_MSMAll_hp0_clean.dtseries.nii")
    put_series(results / "fMRI_CONCAT_ALL" / "fMRI_CONCAT_ALL_Atlas_MSMAll_hp0_clean.dtseries.nii")
    person = find_person(tmp_path, "100307")
    assert [run.name for run in person.runs] == ["rfMRI_REST1_AP", "rfMRI_REST1_PA"]
    assert any("joined series left out" in note and note.endswith(": rfMRI_REST") for note in person.notes)
    for path in results.glob("rfMRI_REST1_*/*_clean.dtseries.nii"):
        path.unlink()
    joined = find_person(tmp_path, "100307")
    (run,) = joined.runs
    assert (run.name, run.cleaned, run.motion) == ("rfMRI_REST", True, None)
    assert any("only their joined series is FIX-cleaned: rfMRI_REST1_AP, rfMRI_REST1_PA" in n for n in joined.notes)


def test_hcp_tasks_and_other_grids_are_left_out(tmp_path: Path) -> None:
    put_hcp(tmp_path, runs=("rfMRI_REST1_7T_PA", "tfMRI_MOTOR_RL"))
    folder = tmp_path / "100307" / "MNINonLinear" / "Results" / "rfMRI_REST1_7T_PA"
    put(folder, "rfMRI_REST1_7T_PA_Atlas_1.6mm_MSMAll_hp2000_clean.dtseries.nii")
    person = find_person(tmp_path, "100307")
    (run,) = person.runs
    assert run.paths[0].name == "rfMRI_REST1_7T_PA_Atlas_MSMAll_hp2000_clean.dtseries.nii"
    assert run.entities["acquisition"] == "7T"
    assert any("task MOTOR" in note for note in person.notes)
    assert len(find_person(tmp_path, "100307", selection=Selection(tasks=["motor"])).runs) == 1


def test_hcp_mninonlinear_surfaces_are_standard_and_say_why(tmp_path: Path) -> None:
    put_hcp(tmp_path)
    (tmp_path / "100307" / "T1w" / "fsaverage_LR32k").rename(tmp_path / "100307" / "T1w" / "elsewhere")
    person = find_person(tmp_path, "100307")
    assert person.surfaces is not None and person.surfaces.space == "standard"
    assert any("warped to MNI152" in note for note in person.notes)


def test_hcp_t1_without_bias_correction_serves(tmp_path: Path) -> None:
    put_hcp(tmp_path)
    (tmp_path / "100307" / "T1w" / "T1w_acpc_dc_restore.nii.gz").unlink()
    t1w = find_person(tmp_path, "100307").t1w
    assert t1w is not None and t1w.name == "T1w_acpc_dc.nii.gz"


def test_hcp_without_series(tmp_path: Path) -> None:
    put_hcp(tmp_path, runs=())
    with pytest.raises(InputError, match="MNINonLinear/Results"):
        find_person(tmp_path, "100307")


def test_bare_surfaces_follow_the_registration_of_the_series(tmp_path: Path) -> None:
    put_hcp(tmp_path)
    sub = tmp_path / "100307"
    for tail, wanted in (("_Atlas_MSMAll_hp2000_clean", "MSMAll"), ("_Atlas_hp2000_clean", "")):
        bold = sub / "MNINonLinear" / "Results" / "rfMRI_REST1_LR" / f"rfMRI_REST1_LR{tail}.dtseries.nii"
        person = bare_person("x", bold=[bold], surfaces=sub / "T1w" / "fsaverage_LR32k")
        assert person.surfaces is not None
        assert (person.surfaces.space, person.surfaces.registration) == ("native", wanted)
    standard = bare_person("x", bold=[bold], surfaces=sub / "MNINonLinear" / "fsaverage_LR32k")
    assert standard.surfaces is not None and standard.surfaces.space == "standard"
    inside = bare_person("x", bold=[bold], surfaces=sub)
    assert inside.surfaces is not None and inside.surfaces.space == "native"


def test_hcp_plain_series_that_is_asked_for_is_not_hidden_by_msmall_ones(tmp_path: Path) -> None:
    put_hcp(tmp_path, runs=("rfMRI_REST1_LR",), tails=("_Atlas_MSMAll_hp2000_clean",))
    put_hcp(tmp_path, runs=("tfMRI_MOTOR_LR",), tails=("_Atlas",))
    (run,) = find_person(tmp_path, "100307", selection=Selection(tasks=["MOTOR"])).runs
    assert run.paths[0].name == "tfMRI_MOTOR_LR_Atlas.dtseries.nii"
    both = find_person(tmp_path, "100307", selection=Selection(tasks=["MOTOR", "rest"]))
    assert [run.name for run in both.runs] == ["rfMRI_REST1_LR"]
    assert any("no MSMAll series: tfMRI_MOTOR_LR" in note for note in both.notes)


def test_hcp_t1_that_is_only_a_link_is_an_error_not_an_absent_t1(tmp_path: Path) -> None:
    put_hcp(tmp_path)
    t1w = tmp_path / "100307" / "T1w" / "T1w_acpc_dc_restore.nii.gz"
    t1w.unlink()
    t1w.symlink_to(tmp_path / "annex" / "gone")
    with pytest.raises(InputError, match="link to content"):
        find_person(tmp_path, "100307")


def test_hcp_hidden_doubles_are_ignored(tmp_path: Path) -> None:
    put_hcp(tmp_path)
    before = find_person(tmp_path, "100307")
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        touch(path.with_name(f"._{path.name}"), "AppleDouble")
    assert find_person(tmp_path, "100307") == before
