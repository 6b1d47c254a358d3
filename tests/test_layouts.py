"""Finding a person's files in what XCP-D, fMRIPrep and the HCP pipelines write, in surface folders and bare paths.

Names are those that the pipelines write, several versions of each.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionloop.errors import InputError
from actionloop.files import (
    Selection,
    bare_person,
    detect_layout,
    find_person,
    list_people,
    read_bids_filter,
)
from actionloop.files.bids import is_combined, natural_key, parse_name
from actionloop.files.peek import cifti_header, gifti_vertices, mgh_header
from actionloop.files.sidecar import repetition_time

BOLD = "space-fsLR_den-91k_desc-denoised_bold"
HEMIS = ("L", "R")


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put(root: Path, *names: str) -> None:
    for name in names:
        touch(root / name)


def put_json(path: Path, **content: object) -> Path:
    return touch(path, json.dumps(content))


def put_series(path: Path, *, tr_s: float = 0.8, n_frames: int = 5) -> Path:
    """Write a real CIFTI-2 series of three rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = nib.cifti2.BrainModelAxis.from_surface([0, 1, 2], 32492, "CortexLeft")
    axis = nib.cifti2.SeriesAxis(0, tr_s, n_frames)
    nib.save(nib.Cifti2Image(np.ones((n_frames, 3), np.float32), (axis, rows)), path)
    return path


def put_mgz(path: Path, *, n_vertices: int, n_frames: int = 4, tr_ms: float = 1000) -> Path:
    """Write a real .mgz by the format's description: 284 bytes of header, data, then the TR in ms."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">7i", 1, n_vertices, 1, 1, n_frames, 3, 0).ljust(284, b"\0")
    with gzip.open(path, "wb") as stream:
        stream.write(head + b"\0" * (4 * n_vertices * n_frames) + struct.pack(">4f", tr_ms, 0, 0, 0))
    return path


# --- XCP-D ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def xcpd(tmp_path: Path) -> Path:
    """Recent XCP-D (0.10): two runs and their joined copy, smoothed copies, parcellated by-products."""
    root = tmp_path / "xcp_d"
    put_json(
        root / "dataset_description.json",
        Name="XCP-D: ...",
        DatasetType="derivative",
        GeneratedBy=[{"Name": "xcp_d", "Version": "0.10.0"}, {"Name": "fMRIPrep", "Version": "23.2.1"}],
    )
    func = root / "sub-01" / "func"
    for run in ("_run-01", "_run-02", ""):
        put_series(func / f"sub-01_task-rest{run}_{BOLD}.dtseries.nii", tr_s=0.8)
        put_json(
            func / f"sub-01_task-rest{run}_{BOLD}.json",
            RepetitionTime=0.8,
            NuisanceParameters="36P",
            SoftwareFilters={"Bandpass filter": {"Filter order": 2}},
        )
        put(
            func,
            f"sub-01_task-rest{run}_space-fsLR_den-91k_desc-denoisedSmoothed_bold.dtseries.nii",
            f"sub-01_task-rest{run}_space-fsLR_atlas-4S156Parcels_den-91k_stat-mean_timeseries.ptseries.nii",
            f"sub-01_task-rest{run}_outliers.tsv",
            f"sub-01_task-rest{run}_motion.tsv",
            f"sub-01_task-rest{run}_desc-abcc_qc.hdf5",
        )
        if run:
            put(func, f"sub-01_task-rest{run}_design.tsv")
    put(root / "sub-01" / "anat", "sub-01_space-MNI152NLin6Asym_desc-preproc_T1w.nii.gz")
    for hemi in HEMIS:
        put(
            root / "sub-01" / "anat",
            f"sub-01_hemi-{hemi}_space-fsLR_den-32k_desc-hcp_midthickness.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_den-32k_desc-hcp_inflated.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_den-32k_desc-hcp_vinflated.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_den-32k_pial.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_den-32k_white.surf.gii",
        )
    put(root / "sub-01" / "anat", "sub-01_space-fsLR_den-91k_sulc.dscalar.nii")
    put(root, "sourcedata/atlases/atlas-4S156Parcels_description.json")
    return root


def test_xcpd_runs_without_their_joined_and_smoothed_copies(xcpd: Path) -> None:
    person = find_person(xcpd, "sub-01")
    assert person.layout == detect_layout(xcpd) == "xcpd"
    assert [run.name for run in person.runs] == ["task-rest_run-01", "task-rest_run-02"]
    first = person.runs[0]
    assert [p.name for p in first.paths] == [f"sub-01_task-rest_run-01_{BOLD}.dtseries.nii"]
    assert first.outliers is not None and first.outliers.name == "sub-01_task-rest_run-01_outliers.tsv"
    assert first.motion is not None and first.motion.name == "sub-01_task-rest_run-01_motion.tsv"
    assert (first.kind, first.space, first.cleaned, first.filtered, first.tr_s) == ("cifti", "fsLR32k", True, True, 0.8)
    assert first.confounds is None
    assert any("joined" in note for note in person.notes)


def test_xcpd_joined_series_alone_is_used(xcpd: Path) -> None:
    for path in (xcpd / "sub-01" / "func").glob("*_run-0*"):
        path.unlink()
    assert [run.name for run in find_person(xcpd, "01").runs] == ["task-rest"]


def test_xcpd_run_without_index_beside_one_with_is_kept_when_it_has_its_own_design(xcpd: Path) -> None:
    put(xcpd / "sub-01" / "func", "sub-01_task-rest_design.tsv")
    assert len(find_person(xcpd, "01").runs) == 3


def test_xcpd_alone_has_no_t1_and_surfaces_of_unknown_space(xcpd: Path) -> None:
    person = find_person(xcpd, "01")
    assert person.t1w is None
    assert person.surfaces is not None
    assert (person.surfaces.space, person.surfaces.mesh, person.surfaces.complete) == ("unknown", "fsLR32k", True)
    assert person.surfaces.missing == ()
    assert "vinflated" not in person.surfaces.paths["L", "inflated"].name
    assert person.sulc["both"].name == "sub-01_space-fsLR_den-91k_sulc.dscalar.nii"
    assert any("no T1" in note for note in person.notes)


def old_xcpd(root: Path, version: str) -> None:
    """XCP-D 0.1 to 0.6: desc-residual, then desc-denoised with filtered motion, smoothwm for white."""
    put_json(root / "dataset_description.json", PipelineDescription={"Name": "xcp_d", "Version": version})
    func, anat = root / "sub-01" / "ses-A" / "func", root / "sub-01" / "ses-A" / "anat"
    desc = "residual" if version == "0.1.0" else "denoised"
    stem = "sub-01_ses-A_task-rest_acq-mb"
    put_series(func / f"{stem}_space-fsLR_den-91k_desc-{desc}_bold.dtseries.nii", tr_s=2)
    put_json(
        func / f"{stem}_space-fsLR_den-91k_desc-{desc}_bold.json",
        RepetitionTime=2.0,
        **{"Freq Band": [0.01, 0.08], "nuisance parameters": "27P"},
    )
    put(func, f"{stem}_outliers.tsv", f"{stem}_desc-filtered_motion.tsv")
    if version != "0.1.0":
        put_series(func / f"{stem}_space-fsLR_den-91k_desc-interpolated_bold.dtseries.nii", tr_s=2)
    for hemi in HEMIS:
        space = "" if version == "0.1.0" else "space-fsLR_"
        put(anat, *(f"sub-01_ses-A_{space}den-32k_hemi-{hemi}_{k}.surf.gii" for k in ("pial", "smoothwm")))
        put(anat, f"sub-01_ses-A_{space}den-32k_hemi-{hemi}_desc-hcp_midthickness.surf.gii")


@pytest.mark.parametrize(("version", "desc"), [("0.1.0", "residual"), ("0.5.0", "denoised")])
def test_xcpd_of_earlier_versions(tmp_path: Path, version: str, desc: str) -> None:
    old_xcpd(tmp_path, version)
    person = find_person(tmp_path, "01")
    (run,) = person.runs
    assert f"desc-{desc}_bold" in run.paths[0].name
    assert run.motion is not None and run.motion.name.endswith("desc-filtered_motion.tsv")
    assert run.entities == {"session": "A", "task": "rest", "acquisition": "mb"}
    assert run.filtered
    assert person.surfaces is not None and person.surfaces.complete
    assert person.surfaces.paths["R", "white"].name.endswith("hemi-R_smoothwm.surf.gii")


@pytest.mark.parametrize(
    ("metadata", "cleaned", "filtered"),
    [
        ({"NuisanceParameters": "36P"}, True, False),
        ({"nuisance parameters": "27P", "Freq Band": [0.01, 0.08]}, True, True),
        ({"NuisanceParameters": "none", "SoftwareFilters": "n/a"}, False, False),
        ({}, True, True),
    ],
)
def test_xcpd_sidecar_says_what_was_done(xcpd: Path, metadata: dict, cleaned: bool, filtered: bool) -> None:
    for path in (xcpd / "sub-01" / "func").glob(f"*{BOLD}.json"):
        put_json(path, RepetitionTime=0.8, **metadata)
    run = find_person(xcpd, "01").runs[0]
    assert (run.cleaned, run.filtered) == (cleaned, filtered)


def test_xcpd_with_only_smoothed_or_volume_series_says_so(tmp_path: Path) -> None:
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "xcp_d"}])
    func = tmp_path / "sub-01" / "func"
    put(func, "sub-01_task-rest_space-MNI152NLin6Asym_desc-denoised_bold.nii.gz")
    with pytest.raises(InputError, match="found 1 volume series") as error:
        find_person(tmp_path, "01")
    assert "--file-format cifti" in str(error.value)
    put(func, "sub-01_task-rest_space-fsLR_den-91k_desc-denoisedSmoothed_bold.dtseries.nii")
    with pytest.raises(InputError, match="only smoothed"):
        find_person(tmp_path, "01")


# --- fMRIPrep ------------------------------------------------------------------------------------------------------


def put_fmriprep(root: Path, *, runs: tuple[str, ...] = ("_run-01", "_run-02"), fslr: tuple[str, ...] = ()) -> Path:
    """Recent fMRIPrep (23.2 to 25) with --cifti-output 91k."""
    put_json(
        root / "dataset_description.json", Name="fMRIPrep", GeneratedBy=[{"Name": "fMRIPrep", "Version": "24.1.1"}]
    )
    func, anat = root / "sub-01" / "func", root / "sub-01" / "anat"
    for run in runs:
        stem = f"sub-01_task-rest{run}"
        put_series(func / f"{stem}_space-fsLR_den-91k_bold.dtseries.nii", tr_s=0.8)
        put_json(func / f"{stem}_space-fsLR_den-91k_bold.json", RepetitionTime=0.8)
        put(
            func,
            f"{stem}_desc-confounds_timeseries.tsv",
            f"{stem}_desc-confounds_timeseries.json",
            f"{stem}_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz",
            f"{stem}_echo-1_desc-preproc_bold.nii.gz",
        )
    put(
        anat,
        "sub-01_desc-preproc_T1w.nii.gz",
        "sub-01_desc-brain_mask.nii.gz",
        "sub-01_space-MNI152NLin2009cAsym_desc-preproc_T1w.nii.gz",
        "sub-01_from-MNI152NLin6Asym_to-T1w_mode-image_xfm.h5",
        "sub-01_space-fsLR_den-91k_sulc.dscalar.nii",
    )
    for hemi in HEMIS:
        put(
            anat,
            *(f"sub-01_hemi-{hemi}_{k}.surf.gii" for k in ("white", "pial", "midthickness", "inflated", "sphere")),
            *(f"sub-01_hemi-{hemi}_{k}.shape.gii" for k in ("sulc", "curv", "thickness")),
            f"sub-01_hemi-{hemi}_desc-cortex_mask.label.gii",
            f"sub-01_hemi-{hemi}_space-fsaverage_desc-reg_sphere.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_desc-msmsulc_sphere.surf.gii",
            f"sub-01_hemi-{hemi}_space-fsLR_desc-reg_sphere.surf.gii",
            *(f"sub-01_hemi-{hemi}_space-fsLR_den-32k_{k}.surf.gii" for k in fslr),
        )
    return root


def test_fmriprep_runs_and_anatomy(tmp_path: Path) -> None:
    person = find_person(put_fmriprep(tmp_path), "01")
    assert person.layout == "fmriprep"
    assert [run.name for run in person.runs] == ["task-rest_run-01", "task-rest_run-02"]
    run = person.runs[1]
    assert (run.cleaned, run.filtered, run.tr_s, run.outliers) == (False, False, 0.8, None)
    assert run.confounds is not None and run.confounds.name == "sub-01_task-rest_run-02_desc-confounds_timeseries.tsv"
    assert run.motion == run.confounds
    assert person.t1w is not None and person.t1w.name == "sub-01_desc-preproc_T1w.nii.gz"


@pytest.mark.parametrize(
    ("fslr", "mesh", "sulc"),
    [
        ((), "native", {"L", "R"}),
        (("midthickness",), "native", {"L", "R"}),
        (("white", "pial", "midthickness"), "fsLR32k", {"both"}),
        (("white", "pial"), "fsLR32k", {"both"}),
    ],
)
def test_fmriprep_surfaces_complete_on_fslr_else_native(
    tmp_path: Path, fslr: tuple[str, ...], mesh: str, sulc: set[str]
) -> None:
    person = find_person(put_fmriprep(tmp_path, fslr=fslr), "01")
    surfaces = person.surfaces
    assert surfaces is not None and surfaces.complete
    assert (surfaces.space, surfaces.mesh) == ("native", mesh)
    assert set(person.sulc) == sulc
    if mesh == "native":
        assert surfaces.registration == "MSMSulc"
        assert surfaces.spheres["R"].name == "sub-01_hemi-R_space-fsLR_desc-msmsulc_sphere.surf.gii"
        assert all("den-32k" not in p.name for p in surfaces.files)
    else:
        assert not surfaces.spheres
        assert all("den-32k" in p.name for p in surfaces.files)


def test_fmriprep_without_msm_uses_freesurfer_spheres(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    for path in (tmp_path / "sub-01" / "anat").glob("*msmsulc*"):
        path.unlink()
    surfaces = find_person(tmp_path, "01").surfaces
    assert surfaces is not None and surfaces.registration == "FreeSurfer"
    assert surfaces.spheres["L"].name == "sub-01_hemi-L_space-fsLR_desc-reg_sphere.surf.gii"


def test_fmriprep_native_surfaces_without_spheres_are_left_out_with_the_flag(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    for path in (tmp_path / "sub-01" / "anat").glob("*_sphere.surf.gii"):
        path.unlink()
    person = find_person(tmp_path, "01")
    assert person.surfaces is None
    assert any("--cifti-output 91k" in note for note in person.notes)
    # Depth on fsLR stays of use with template surfaces.
    assert set(person.sulc) == {"both"}


def test_fmriprep_without_cifti_names_the_flag(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    for path in (tmp_path / "sub-01" / "func").glob("*dtseries*"):
        path.unlink()
    with pytest.raises(InputError) as error:
        find_person(tmp_path, "01")
    assert "--cifti-output 91k" in str(error.value)
    assert "4 volume series" in str(error.value)
    put(tmp_path / "sub-01" / "func", "sub-01_task-rest_run-01_space-fsLR_den-170k_bold.dtseries.nii")
    with pytest.raises(InputError, match="another CIFTI density"):
        find_person(tmp_path, "01")


def test_fmriprep_surface_series_stand_in_for_cifti(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    func = tmp_path / "sub-01" / "func"
    for path in func.glob("*dtseries*"):
        path.unlink()
    for run in ("01", "02"):
        for hemi in HEMIS:
            stem = f"sub-01_task-rest_run-{run}_hemi-{hemi}"
            put(func, f"{stem}_space-fsnative_bold.func.gii", f"{stem}_space-fsaverage5_bold.func.gii")
            put_json(func / f"{stem}_space-fsaverage5_bold.json", RepetitionTime=1.5)
            if run == "02":
                put(func, f"{stem}_space-fsaverage6_bold.func.gii")
                put_json(func / f"{stem}_space-fsaverage6_bold.json", RepetitionTime=1.5)
    person = find_person(tmp_path, "01")
    assert [(run.kind, run.space, run.tr_s) for run in person.runs] == [
        ("surface", "fsaverage5", 1.5),
        ("surface", "fsaverage6", 1.5),
    ]
    left, right = person.runs[1].paths
    assert left.name == "sub-01_task-rest_run-02_hemi-L_space-fsaverage6_bold.func.gii"
    assert right.name == "sub-01_task-rest_run-02_hemi-R_space-fsaverage6_bold.func.gii"
    assert person.runs[0].confounds is not None
    assert any("--cifti-output 91k" in note for note in person.notes)


def test_fmriprep_20_names(tmp_path: Path) -> None:
    """fMRIPrep 20.0/20.1: hemi after space and no suffix, 'regressors', smoothwm, no fsLR spheres."""
    put_json(tmp_path / "dataset_description.json", PipelineDescription={"Name": "fMRIPrep", "Version": "20.1.1"})
    func, anat = tmp_path / "sub-01" / "ses-1" / "func", tmp_path / "sub-01" / "anat"
    stem = "sub-01_ses-1_task-rest"
    for hemi in HEMIS:
        put(func, f"{stem}_space-fsaverage5_hemi-{hemi}.func.gii")
        put(anat, *(f"sub-01_hemi-{hemi}_{k}.surf.gii" for k in ("smoothwm", "pial", "midthickness", "inflated")))
    put(func, f"{stem}_desc-confounds_regressors.tsv")
    put_json(func / f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.json", RepetitionTime=2.2)
    (run,) = find_person(tmp_path, "01").runs
    assert (run.space, run.tr_s) == ("fsaverage5", 2.2)
    assert run.confounds is not None and run.confounds.name == f"{stem}_desc-confounds_regressors.tsv"


def test_fmriprep_20_2_double_ending_of_the_sidecar(tmp_path: Path) -> None:
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "fMRIPrep", "Version": "20.2.0"}])
    func = tmp_path / "sub-01" / "func"
    put_series(func / "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", tr_s=1)
    put_json(func / "sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.json", RepetitionTime=2.5)
    put(func, "sub-01_task-rest_desc-confounds_timeseries.tsv")
    person = find_person(tmp_path, "01")
    assert person.runs[0].tr_s == 2.5
    assert any("2.5 s" in note and "header 1 s" in note for note in person.notes)


def test_fmriprep_run_without_confounds_is_an_error(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    (tmp_path / "sub-01" / "func" / "sub-01_task-rest_run-02_desc-confounds_timeseries.tsv").unlink()
    with pytest.raises(InputError, match="confound table of run task-rest_run-02"):
        find_person(tmp_path, "01")
    assert len(find_person(tmp_path, "01", selection=Selection(runs=["1"])).runs) == 1


def test_fmriprep_run_without_fslr_series_is_noted(tmp_path: Path) -> None:
    put_fmriprep(tmp_path)
    (tmp_path / "sub-01" / "func" / "sub-01_task-rest_run-02_space-fsLR_den-91k_bold.dtseries.nii").unlink()
    person = find_person(tmp_path, "01")
    assert len(person.runs) == 1
    assert any("left out: task-rest_run-02" in note for note in person.notes)


def test_fmriprep_anatomy_of_the_wanted_session_and_matching_names(tmp_path: Path) -> None:
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "NiBabies", "Version": "24.1.0"}])
    for session in ("1", "2"):
        person = tmp_path / "sub-01" / f"ses-{session}"
        put_series(person / "func" / f"sub-01_ses-{session}_task-rest_space-fsLR_den-91k_bold.dtseries.nii")
        put(person / "func", f"sub-01_ses-{session}_task-rest_desc-confounds_timeseries.tsv")
        put(person / "anat", f"sub-01_ses-{session}_acq-a_desc-preproc_T1w.nii.gz")
        put(person / "anat", f"sub-01_ses-{session}_acq-b_desc-preproc_T1w.nii.gz")
        for hemi in HEMIS:
            stem = f"sub-01_ses-{session}_acq-b_hemi-{hemi}_space-fsLR_den-32k"
            put(person / "anat", *(f"{stem}_{k}.surf.gii" for k in ("white", "pial", "midthickness")))
    person = find_person(tmp_path, "01", selection=Selection(sessions=["ses-2"]))
    assert person.layout == "fmriprep"
    assert person.surfaces is not None
    assert {p.parent.parent.name for p in person.surfaces.files} == {"ses-2"}
    # Two T1s: the one whose name agrees with the surfaces' is theirs.
    assert person.t1w is not None and person.t1w.name == "sub-01_ses-2_acq-b_desc-preproc_T1w.nii.gz"
    both = find_person(tmp_path, "01")
    assert both.t1w is not None and "ses-1" in both.t1w.name
    assert any("several sessions" in note for note in both.notes)
    chosen = find_person(tmp_path, "01", selection=Selection(bids_filter={"t1w": {"acquisition": "a"}}))
    assert chosen.t1w is not None and "acq-a" in chosen.t1w.name


# --- XCP-D with the fMRIPrep data set behind it ----------------------------------------------------------------------


def test_xcpd_takes_t1_and_surfaces_from_fmriprep_beside(xcpd: Path) -> None:
    put_fmriprep(xcpd.parent / "fmriprep", fslr=("white", "pial", "midthickness"))
    person = find_person(xcpd, "01")
    assert person.layout == "xcpd"
    assert person.t1w == xcpd.parent / "fmriprep" / "sub-01" / "anat" / "sub-01_desc-preproc_T1w.nii.gz"
    assert person.surfaces is not None and person.surfaces.space == "native"
    assert any("beside" in note for note in person.notes)


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_xcpd_follows_its_dataset_link(xcpd: Path, tmp_path: Path, prefix: str) -> None:
    source = put_fmriprep(tmp_path / "elsewhere" / "prep")
    put_json(
        xcpd / "dataset_description.json",
        GeneratedBy=[{"Name": "xcp_d"}],
        DatasetLinks={"preprocessed": f"{prefix}{source}", "templateflow": "/not/there"},
    )
    person = find_person(xcpd, "01")
    assert person.t1w is not None and source in person.t1w.parents
    assert any("dataset_description.json" in note for note in person.notes)


def test_xcpd_does_not_believe_a_link_to_a_study_without_these_runs(xcpd: Path) -> None:
    put_fmriprep(xcpd.parent / "fmriprep", runs=("_run-01",))
    person = find_person(xcpd, "01")
    assert person.t1w is None
    assert person.surfaces is not None and person.surfaces.space == "unknown"


def test_xcpd_with_fmriprep_named(xcpd: Path, tmp_path: Path) -> None:
    source = put_fmriprep(tmp_path / "prep")
    assert find_person(xcpd, "01", anatomy=source).t1w is not None
    (source / "sub-01").rename(source / "sub-02")
    with pytest.raises(InputError, match="sub-01 is not in the fMRIPrep folder .* sub-02"):
        find_person(xcpd, "01", anatomy=source)


# --- HCP -----------------------------------------------------------------------------------------------------------

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
    assert any("rfMRI_REST is left out" in note for note in person.notes)
    for path in results.glob("rfMRI_REST1_*/*_clean.dtseries.nii"):
        path.unlink()
    (run,) = find_person(tmp_path, "100307").runs
    assert (run.name, run.cleaned, run.motion) == ("rfMRI_REST", True, None)


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


# --- surface files ---------------------------------------------------------------------------------------------------

LEMON = "sub-010188_ses-02_task-rest_acq-AP_run-01"


def test_surface_folder_with_a_headerless_confound_table(tmp_path: Path) -> None:
    for side in ("lh", "rh"):
        put_mgz(tmp_path / f"{LEMON}.fsa5.{side}.mgz", n_vertices=30)
    put(tmp_path, f"{LEMON}_confounds.txt")
    assert detect_layout(tmp_path) == "surface"
    assert list_people(tmp_path) == ["010188"]
    person = find_person(tmp_path, "sub-010188")
    (run,) = person.runs
    assert [p.name for p in run.paths] == [f"{LEMON}.fsa5.lh.mgz", f"{LEMON}.fsa5.rh.mgz"]
    assert (run.kind, run.space, run.cleaned) == ("surface", "fsaverage5", False)
    assert run.name == "ses-02_task-rest_acq-AP_run-01"
    assert run.confounds is not None and run.confounds.name == f"{LEMON}_confounds.txt"
    # The header says 1 s; it is a default, and nobody else says anything.
    assert run.tr_s is None
    assert any("says TR 1 s" in note for note in person.notes)
    put_json(tmp_path / "task-nback_bold.json", RepetitionTime=9.9)
    put_json(tmp_path / "task-rest_bold.json", RepetitionTime=1.4)
    again = find_person(tmp_path, "010188")
    assert again.runs[0].tr_s == 1.4
    assert any("1.4 s" in note and "header 1 s" in note for note in again.notes)


@pytest.mark.parametrize(("n_vertices", "space"), [(10242, "fsaverage5"), (40962, "fsaverage6")])
def test_surface_space_from_the_vertex_count(tmp_path: Path, n_vertices: int, space: str) -> None:
    for run in ("rest1", "rest2"):
        for side in ("lh", "rh"):
            put_mgz(tmp_path / "patient" / f"{side}.{run}.mgz", n_vertices=n_vertices, n_frames=2)
    put_mgz(tmp_path / "patient" / "lh.thickness.mgz", n_vertices=n_vertices, n_frames=1)
    put(tmp_path / "patient", "rest2_confounds.tsv")
    person = find_person(tmp_path / "patient", "patient")
    assert [(run.name, run.space) for run in person.runs] == [("rest1", space), ("rest2", space)]
    assert person.runs[0].confounds is None and person.runs[0].cleaned
    assert person.runs[1].confounds is not None and not person.runs[1].cleaned


def test_surface_errors(tmp_path: Path) -> None:
    left = put_mgz(tmp_path / "a" / "sub-01_task-rest.fsa5.lh.mgz", n_vertices=30)
    with pytest.raises(InputError, match="right half is missing"):
        find_person(tmp_path / "a", "01")
    for side in ("lh", "rh"):
        put_mgz(tmp_path / "b" / f"sub-01_task-rest.{side}.mgz", n_vertices=163)
    with pytest.raises(InputError, match="found 163 vertices"):
        find_person(tmp_path / "b", "01")
    for desc in ("", "_desc-x"):
        for side in ("lh", "rh"):
            put_mgz(tmp_path / "c" / f"sub-01_task-rest{desc}.fsa5.{side}.mgz", n_vertices=30)
    with pytest.raises(InputError, match="claim the same run"):
        find_person(tmp_path / "c", "01")
    assert left.exists()


# --- bare paths ------------------------------------------------------------------------------------------------------


def put_bare_surfaces(folder: Path, pattern: str, kinds: tuple[str, ...], sides: tuple[str, str]) -> None:
    for side in sides:
        put(folder, *(pattern.format(side=side, kind=kind) for kind in kinds))


ALL_KINDS = ("white", "pial", "midthickness", "inflated")


@pytest.mark.parametrize(
    ("pattern", "sides"),
    [
        ("MSC06.{side}.{kind}.32k_fs_LR.surf.gii", ("L", "R")),
        ("sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii", ("L", "R")),
        ("sub-01_space-fsLR_den-32k_hemi-{side}_{kind}.surf.gii", ("L", "R")),
        ("patient_{side}_{kind}_32k.gii", ("lh", "rh")),
    ],
)
def test_bare_surfaces_by_name(tmp_path: Path, pattern: str, sides: tuple[str, str]) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii", tr_s=2.2)
    t1w = touch(tmp_path / "T1.nii.gz")
    put_bare_surfaces(tmp_path / "surf", pattern, ALL_KINDS, sides)
    person = bare_person("sub-01", bold=[bold], surfaces=tmp_path / "surf", t1w=t1w)
    assert (person.label, person.layout, person.t1w) == ("01", "bare", t1w)
    (run,) = person.runs
    assert (run.kind, run.tr_s, run.name, run.cleaned) == ("cifti", 2.2, "rest", True)
    assert any("cleaned already" in note for note in person.notes)
    surfaces = person.surfaces
    assert surfaces is not None and surfaces.missing == ()
    assert (surfaces.space, surfaces.mesh) == ("unknown", "fsLR32k")
    for (side, kind), path in surfaces.paths.items():
        assert path.name == pattern.format(side=sides[HEMIS.index(side)], kind=kind)


def test_bare_missing_midthickness_is_noted_and_missing_white_is_not_complete(tmp_path: Path) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii")
    put_bare_surfaces(tmp_path / "surf", "p.{side}.{kind}.32k_fs_LR.surf.gii", ("white", "pial", "inflated"), HEMIS)
    person = bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert person.surfaces is not None and person.surfaces.complete
    assert any("mean of white and pial" in note for note in person.notes)
    (tmp_path / "surf" / "p.L.white.32k_fs_LR.surf.gii").unlink()
    person = bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert person.surfaces is not None and not person.surfaces.complete
    assert any("L white" in note for note in person.notes)


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


def test_bare_surface_pairs_keep_the_order_given_and_their_tables(tmp_path: Path) -> None:
    files = [put_mgz(tmp_path / f"{side}.run{r}.fsa5.mgz", n_vertices=30) for r in (2, 1) for side in ("rh", "lh")]
    tables = [touch(tmp_path / f"{r}.tsv") for r in (2, 1)]
    person = bare_person("01", bold=files, confounds=tables, tr_s=1.4)
    assert [run.name for run in person.runs] == ["run2", "run1"]
    assert [run.confounds for run in person.runs] == tables
    assert all(run.tr_s == 1.4 and not run.cleaned for run in person.runs)
    assert [p.name for p in person.runs[0].paths] == ["lh.run2.fsa5.mgz", "rh.run2.fsa5.mgz"]


def test_bare_errors(tmp_path: Path) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii")
    with pytest.raises(InputError, match="no series"):
        bare_person("01", bold=[])
    with pytest.raises(InputError, match="does not exist"):
        bare_person("01", bold=[tmp_path / "absent.dtseries.nii"])
    with pytest.raises(InputError, match="expected a CIFTI series"):
        bare_person("01", bold=[touch(tmp_path / "bold.nii.gz")])
    with pytest.raises(InputError, match="2 confound files were given for 1 runs"):
        bare_person("01", bold=[bold], confounds=[touch(tmp_path / "a.tsv"), touch(tmp_path / "b.tsv")])
    with pytest.raises(InputError, match="template"):
        bare_person("01", bold=[bold], t1w=touch(tmp_path / "sub-01_space-MNI152NLin6Asym_desc-preproc_T1w.nii.gz"))
    put(tmp_path / "surf", "lh.white", "rh.white", "lh.pial", "rh.pial")
    with pytest.raises(InputError, match="no white, pial or midthickness") as error:
        bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert "mris_convert" in str(error.value)
    put(
        tmp_path / "two",
        *(f"{p}.L.white.32k_fs_LR.surf.gii" for p in ("a", "b")),
        "x_lh_white_32k.gii",
        "y_lh_white_32k.gii",
    )
    with pytest.raises(InputError, match="two files could be the white of hemisphere L"):
        bare_person("01", bold=[bold], surfaces=tmp_path / "two")


# --- choosing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Two sessions, two tasks, ten runs of rest in the second."""
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "xcp_d"}])
    for session, task, run in [
        ("01", "nback", ""),
        ("01", "rest", "_run-1"),
        *(("02", "rest", f"_run-{i}") for i in range(1, 11)),
    ]:
        func = tmp_path / "sub-01" / f"ses-{session}" / "func"
        put_series(func / f"sub-01_ses-{session}_task-{task}{run}_{BOLD}.dtseries.nii")
        put(func, f"sub-01_ses-{session}_task-{task}{run}_outliers.tsv")
    return tmp_path


def names(root: Path, **selection: object) -> list[str]:
    return [run.name for run in find_person(root, "01", selection=Selection(**selection)).runs]  # type: ignore[arg-type]


def test_resting_runs_by_default_in_natural_order(sessions: Path) -> None:
    found = find_person(sessions, "01")
    assert [run.name for run in found.runs] == [
        "ses-01_task-rest_run-1",
        *(f"ses-02_task-rest_run-{i}" for i in range(1, 11)),
    ]
    assert any("left out: task nback" in note for note in found.notes)


def test_labels_choose(sessions: Path) -> None:
    assert names(sessions, sessions=["01"], tasks=["nback", "rest"]) == ["ses-01_task-nback", "ses-01_task-rest_run-1"]
    assert names(sessions, sessions=["ses-02"], runs=["run-01", "10"]) == [
        "ses-02_task-rest_run-1",
        "ses-02_task-rest_run-10",
    ]
    assert names(sessions, tasks=["task-nback"]) == ["ses-01_task-nback"]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"sessions": ["03"]}, "session 03 was asked for and is not there; there are 01, 02"),
        ({"tasks": ["motor"]}, "task motor was asked for and is not there; there are nback, rest"),
        ({"runs": ["11"]}, "run 11 was asked for .* there are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ({"acquisitions": ["AP"]}, "no file name states a acquisition"),
        ({"sessions": ["02"], "tasks": ["nback"]}, "no run is left .* ses-01_task-nback"),
        ({"bids_filter": {"bold": {"session": "09"}}}, "no run is left"),
    ],
)
def test_what_is_not_there_is_named(sessions: Path, selection: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        names(sessions, **selection)


def test_bids_filter_as_fmriprep_reads_it(sessions: Path, tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    text = {"bold": {"datatype": "func", "suffix": "bold", "ses": ["01"], "task": "rest"}, "t1w": {"session": "01"}}
    path.write_text(json.dumps(text))
    read = read_bids_filter(path)
    assert read == {"bold": {"session": ["01"], "task": "rest"}, "t1w": {"session": "01"}}
    assert names(sessions, bids_filter=read) == ["ses-01_task-rest_run-1"]
    assert names(sessions, bids_filter={"bold": {"run": None, "task": "*"}}) == ["ses-01_task-nback"]
    assert names(sessions, bids_filter={"bold": {"run": "Query.NONE", "task": "nback"}}) == ["ses-01_task-nback"]
    assert names(sessions, bids_filter={"bold": {"run": [1, "02"]}}, sessions=["02"]) == [
        "ses-02_task-rest_run-1",
        "ses-02_task-rest_run-2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not hold an object"),
        ('{"BOLD": {}}', "unknown query BOLD"),
        ('{"bold": ["rest"]}', "is not an object"),
        ('{"bold": {"tsk": "rest"}}', "uses 'tsk'"),
        ('{"bold": {"task": {"a": 1}}}', "not a label"),
        ('{"bold": {"run": true}}', "not a label"),
    ],
)
def test_bids_filter_errors(tmp_path: Path, text: str, message: str) -> None:
    path = touch(tmp_path / "filter.json", text)
    with pytest.raises(InputError, match=message):
        read_bids_filter(path)


# --- people, folders, files that are not what they seem --------------------------------------------------------------


def test_label_that_is_not_there_names_those_found_closest_first(tmp_path: Path) -> None:
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "xcp_d"}])
    for label in ("pain02", "pain10", "control1"):
        (tmp_path / f"sub-{label}").mkdir()
    put(tmp_path, "sub-pain02.html")
    assert list_people(tmp_path) == ["control1", "pain02", "pain10"]
    with pytest.raises(InputError) as error:
        find_person(tmp_path, "sub-pain2")
    assert "'pain2' is not there; found pain02, " in str(error.value)
    assert "control1" in str(error.value) and "did you mean pain02" in str(error.value)


def test_folders_that_are_not_what_is_needed(tmp_path: Path, xcpd: Path) -> None:
    with pytest.raises(InputError, match="found nothing"):
        detect_layout(tmp_path / "absent")
    with pytest.raises(InputError, match="found a file"):
        detect_layout(xcpd / "dataset_description.json")
    with pytest.raises(InputError, match="one person") as error:
        detect_layout(xcpd / "sub-01")
    assert "--participant-label 01" in str(error.value) and str(xcpd) in str(error.value)
    with pytest.raises(InputError, match="folders inside it do") as error:
        detect_layout(tmp_path)
    assert str(xcpd) in str(error.value)
    raw = tmp_path / "raw"
    put_json(raw / "dataset_description.json", Name="study", BIDSVersion="1.8.0", DatasetType="raw")
    with pytest.raises(InputError, match="raw data set"):
        detect_layout(raw)
    put(tmp_path / "pictures", "holiday.jpg")
    with pytest.raises(InputError, match=r"found holiday\.jpg"):
        detect_layout(tmp_path / "pictures")


def test_layout_by_shape_without_a_description(tmp_path: Path, xcpd: Path) -> None:
    (xcpd / "dataset_description.json").unlink()
    assert detect_layout(xcpd) == "xcpd"
    prep = put_fmriprep(tmp_path / "prep")
    (prep / "dataset_description.json").unlink()
    assert detect_layout(prep) == "fmriprep"
    touch(prep / "dataset_description.json", "{")
    with pytest.raises(InputError, match="JSON"):
        detect_layout(prep)


def test_a_written_phantom_is_told_by_its_shape(xcpd: Path) -> None:
    put_json(xcpd / "dataset_description.json", GeneratedBy=[{"Name": "actionloop"}], DatasetType="derivative")
    assert detect_layout(xcpd) == "xcpd"


def test_hidden_doubles_are_ignored(xcpd: Path) -> None:
    before = find_person(xcpd, "01")
    for path in [*xcpd.rglob("*")]:
        if path.is_file():
            touch(path.with_name(f"._{path.name}"), "AppleDouble")
    touch(xcpd / "._sub-09" / "x")
    assert list_people(xcpd) == ["01"]
    assert find_person(xcpd, "01") == before


def test_empty_file_and_unfetched_link_are_named(xcpd: Path) -> None:
    series = xcpd / "sub-01" / "func" / f"sub-01_task-rest_run-02_{BOLD}.dtseries.nii"
    series.write_bytes(b"")
    with pytest.raises(InputError, match="empty") as error:
        find_person(xcpd, "01")
    assert error.value.where == str(series)
    assert len(find_person(xcpd, "01", selection=Selection(runs=["1"])).runs) == 1
    series.unlink()
    series.symlink_to(xcpd / ".git" / "annex" / "objects" / "gone")
    with pytest.raises(InputError, match="link to content") as error:
        find_person(xcpd, "01")
    assert "datalad get" in str(error.value)


def test_links_to_files_that_are_there_serve(xcpd: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(xcpd, target_is_directory=True)
    series = xcpd / "sub-01" / "func" / f"sub-01_task-rest_run-02_{BOLD}.dtseries.nii"
    series.rename(tmp_path / "store.dtseries.nii")
    series.symlink_to(tmp_path / "store.dtseries.nii")
    assert len(find_person(tmp_path / "linked", "01").runs) == 2


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_fmriprep(tmp_path, runs=tuple(f"_run-{i}" for i in (10, 2, 1)), fslr=("white", "pial"))
    straight = find_person(tmp_path, "01")
    assert [run.entities["run"] for run in straight.runs] == ["1", "2", "10"]
    plain = Path.iterdir
    rng = random.Random(1)

    def shuffled(folder: Path) -> list[Path]:
        entries = list(plain(folder))
        rng.shuffle(entries)
        return entries

    monkeypatch.setattr(Path, "iterdir", shuffled)
    for _ in range(5):
        assert find_person(tmp_path, "01") == straight


# --- repetition time, headers, names -----------------------------------------------------------------------------------


def test_sidecars_inherit_from_the_root_and_nearer_ones_win(tmp_path: Path) -> None:
    func = tmp_path / "sub-01" / "ses-1" / "func"
    series = put_series(func / "sub-01_ses-1_task-rest_space-fsLR_den-91k_bold.dtseries.nii", tr_s=1.0)
    assert repetition_time([series], root=tmp_path) == (1.0, [])
    put_json(tmp_path / "task-nback_bold.json", RepetitionTime=7)
    put_json(tmp_path / "task-rest_bold.json", RepetitionTime=2)
    tr_s, notes = repetition_time([series], root=tmp_path)
    assert tr_s == 2
    assert len(notes) == 1 and "header 1 s" in notes[0]
    put_json(tmp_path / "sub-01" / "sub-01_task-rest_bold.json", RepetitionTime=3)
    assert repetition_time([series], root=tmp_path)[0] == 3
    put_json(func / "sub-01_ses-1_task-rest_space-fsLR_den-91k_bold.json", RepetitionTime=1.005)
    assert repetition_time([series], root=tmp_path) == (1.005, [])


@pytest.mark.parametrize("value", ["2", 0, -1, True, [2]])
def test_sidecar_with_an_impossible_repetition_time(tmp_path: Path, value: object) -> None:
    series = put_series(tmp_path / "sub-01_task-rest_bold.dtseries.nii")
    put_json(tmp_path / "sub-01_task-rest_bold.json", RepetitionTime=value)
    with pytest.raises(InputError, match="number of seconds"):
        repetition_time([series], root=tmp_path)


def test_headers_agree_with_nibabel(tmp_path: Path) -> None:
    series = put_series(tmp_path / "a.dtseries.nii", tr_s=0.72, n_frames=11)
    axis = nib.load(series).header.get_axis(0)
    assert cifti_header(series).n_frames == axis.size == 11
    assert cifti_header(series).tr_s == pytest.approx(axis.step)
    points = nib.gifti.GiftiDataArray(np.zeros((42, 3), np.float32), "NIFTI_INTENT_POINTSET")
    faces = nib.gifti.GiftiDataArray(np.zeros((80, 3), np.int32), "NIFTI_INTENT_TRIANGLE")
    for order in ([points, faces], [faces, points]):
        nib.save(nib.gifti.GiftiImage(darrays=order), tmp_path / "a.surf.gii")
        assert gifti_vertices(tmp_path / "a.surf.gii") == 42
    image = nib.MGHImage(np.zeros((33, 1, 1, 7), np.float32), np.eye(4))
    image.header["tr"] = 1400
    for name in ("a.mgz", "a.mgh"):
        nib.save(image, tmp_path / name)
        assert mgh_header(tmp_path / name) == (33, (7, pytest.approx(1.4)))
    own = put_mgz(tmp_path / "own.mgz", n_vertices=12, n_frames=3, tr_ms=2000)
    assert nib.load(own).shape == (12, 1, 1, 3)
    assert mgh_header(own) == (12, (3, 2.0))


@pytest.mark.parametrize("content", [b"", b"x", b"\x1f\x8b\x08broken", b"\0" * 2000])
def test_headers_of_damaged_files_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mgz"
    path.write_bytes(content)
    assert cifti_header(path) == (None, None)
    assert gifti_vertices(path) is None
    assert mgh_header(path) == (None, (None, None))


labels = st.text("abcXYZ019", min_size=1, max_size=6)


@given(st.dictionaries(st.sampled_from(["ses", "task", "acq", "dir", "run"]), labels, min_size=1))
def test_names_are_taken_apart_whatever_their_order(entities: dict[str, str]) -> None:
    long = {"ses": "session", "task": "task", "acq": "acquisition", "dir": "direction", "run": "run"}
    middle = "_".join(f"{key}-{value}" for key, value in entities.items())
    name = parse_name(Path(f"/data/sub-01_{middle}_hemi-L_bold.func.gii"))
    assert name.run == {long[key]: value for key, value in entities.items()}
    assert (name.suffix, name.extension, name.get("subject"), name.get("hemi")) == ("bold", ".func.gii", "01", "L")
    assert not is_combined(name.run, [name.run])
    single = {**name.run, "run": "1"} if "run" not in name.run else {**name.run, "acquisition": "other"}
    assert is_combined(name.run, [single]) == ("run" not in name.run)


@given(st.lists(st.integers(0, 200), unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    assert sorted((f"run-{n}" for n in numbers), key=natural_key) == [f"run-{n}" for n in sorted(numbers)]
