"""The flag or step that mends what `check` finds, by the pipeline that wrote the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actionloop.files import PersonFiles

CIFTI = "run fMRIPrep again with --cifti-output 91k (finished steps are reused when the work folder is kept)"
TEDANA = (
    "run fMRIPrep with --cifti-output 91k on the same data (it combines the echoes), leave this folder beside its "
    "output under the name tedana, and plan from fMRIPrep's output with --cleaning tedana"
)
_OPTIONS = {
    "run": "--run-id",
    "session": "--session-label",
    "acquisition": "--acquisition",
    "task": "--task-id",
}
_SURFACES = {
    "fmriprep": "run fMRIPrep without --fs-no-reconall and with --cifti-output 91k, and keep the *.surf.gii in anat",
    "xcpd": "name the fMRIPrep folder that XCP-D worked on: --anatomy FMRIPREP",
    "hcp": "copy T1w/fsaverage_LR32k/*.surf.gii (structural package, in the T1's space)",
    "surface": "put white and pial surfaces of both hemispheres (hemi-L_white.surf.gii ...) into sub-<label>/anat",
    "dcan": "copy the person's anat folder with white and pial surfaces in T1 space, or give `plan` --surfaces",
    "bare": "give `plan` the surfaces with --surfaces FOLDER",
}
_T1 = {
    "fmriprep": "keep *_desc-preproc_T1w.nii.gz in anat",
    "xcpd": _SURFACES["xcpd"],
    "hcp": "copy T1w/T1w_acpc_dc_restore.nii.gz",
    "surface": "put *_desc-preproc_T1w.nii.gz into sub-<label>/anat",
    "dcan": "give `plan` the T1 with --t1w",
    "bare": "give `plan` the T1 with --t1w T1w.nii.gz",
}
_MOTION = {
    "fmriprep": "put fMRIPrep's *_desc-confounds_timeseries.tsv, with its motion columns, beside the series",
    "xcpd": "keep XCP-D's *_motion.tsv and *_outliers.tsv beside the series",
    "hcp": "copy Movement_Regressors.txt of each run beside its series",
    "surface": "put fMRIPrep's *_desc-confounds_timeseries.tsv beside the series",
    "dcan": "copy *_desc-filtered_motion_mask.mat beside the series",
    "bare": "put the mask of frames (DCAN's .mat, or XCP-D's *_outliers.tsv) beside the series",
}
_FILTER = {
    "xcpd": "run XCP-D again without --disable-bandpass-filter",
}
_DENOISE = (
    "give `plan` preprocessed series with their confounds (it cleans them), or denoise again (XCP-D: "
    "--nuisance-regressors 36P)"
)


def surfaces(layout: str) -> str:
    """How to come by surfaces."""
    return _SURFACES.get(layout, _SURFACES["bare"])


def t1w(layout: str) -> str:
    """How to come by the T1."""
    return _T1.get(layout, _T1["bare"])


def motion(layout: str) -> str:
    """How to come by displacement or masks."""
    return _MOTION.get(layout, _MOTION["bare"])


def filtering(layout: str) -> str:
    """How to come by a filtered series."""
    return _FILTER.get(layout, _DENOISE)


def denoising() -> str:
    """How to come by a denoised series."""
    return _DENOISE


def censoring(layout: str) -> str:
    """How to leave moving frames out of a denoised series."""
    if layout == "hcp":
        return "denoise with XCP-D (--input-type hcp --fd-thresh 0.3), which also writes the frames to leave out"
    return motion(layout)


def more_minutes(lacking: float, usable: float, length: float) -> str:
    """How much to scan, at this person's share of usable minutes."""
    if usable <= 0.05 * length:
        return "scan again with less motion: nearly no frame of these runs can be used"
    return (
        f"add runs or sessions: about {lacking / (usable / length):.0f} more minutes in the scanner "
        f"at this person's share of usable frames ({usable / length:.0%})"
    )


def leave_out(bad: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> str:
    """Option that chooses the other runs of a person; what to do where there are none."""
    if not others:
        return "scan again: no other run is there"
    for entity, option in _OPTIONS.items():
        labels = list(dict.fromkeys(run[entity] for run in others if entity in run))
        if entity in bad and bad[entity] not in labels and all(entity in run for run in others):
            return f"leave the run out: {option} {' '.join(labels)}"
    return "leave the run out with --bids-filter-file"


def surfaces_in_words(person: PersonFiles) -> str:
    """Tell which surfaces a person has: 'own', 'incomplete', 'template space' or 'none'."""
    if person.surfaces is None:
        return "none"
    if not person.surfaces.complete:
        return "incomplete"
    return "template space" if person.surfaces.space == "standard" else "own"
