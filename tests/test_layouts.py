"""Finding a person's files in XCP-D's and fMRIPrep's output, by the names that several versions of each write."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from actionloop.errors import InputError
from actionloop.files import Selection, detect_layout, find_person

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


def test_fmriprep_single_echoes_are_ignored_and_double_runs_refused(tmp_path: Path) -> None:
    func = put_fmriprep(tmp_path) / "sub-01" / "func"
    put(func, "sub-01_task-rest_run-01_echo-1_space-fsLR_den-91k_bold.dtseries.nii")
    put(func, "sub-01_task-rest_run-01_part-phase_space-fsLR_den-91k_bold.dtseries.nii")
    assert len(find_person(tmp_path, "01").runs) == 2
    put(func, "sub-01_task-rest_run-01_part-mag_space-fsLR_den-91k_bold.dtseries.nii")
    with pytest.raises(InputError, match="two series claim the same run"):
        find_person(tmp_path, "01")


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
    with pytest.raises(InputError, match=r"sub-01 is not in the fMRIPrep folder .* sub-02"):
        find_person(xcpd, "01", anatomy=source)


def test_xcpd_joined_series_believes_a_link_to_its_single_runs(xcpd: Path) -> None:
    put_fmriprep(xcpd.parent / "fmriprep")
    for path in (xcpd / "sub-01" / "func").glob("*_run-0*"):
        path.unlink()
    assert find_person(xcpd, "01").t1w is not None


def test_xcpd_surfaces_serve_where_fmriprep_has_none_on_a_registered_mesh(xcpd: Path) -> None:
    source = put_fmriprep(xcpd.parent / "fmriprep")
    for path in (source / "sub-01" / "anat").glob("*_sphere.surf.gii"):
        path.unlink()
    person = find_person(xcpd, "01")
    assert person.t1w is not None and source in person.t1w.parents
    assert person.surfaces is not None and person.surfaces.space == "unknown"
    assert all(xcpd in p.parents for p in person.surfaces.files)
    assert any("this is tested" in note for note in person.notes)
