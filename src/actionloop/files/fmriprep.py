"""fMRIPrep's (and NiBabies') output: 91k CIFTI series with confound tables, surfaces and T1 in the T1's space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.anatomy import find_anatomy
from actionloop.files.bids import BidsFile, beside, data_folders, files_in, in_words, require_distinct, run_name
from actionloop.files.person import PersonFiles, RunFiles
from actionloop.files.selection import Selection, choose_runs
from actionloop.files.sidecar import repetition_time
from actionloop.files.surfacefiles import Pair, pair_up, run_of_pair

FLAG = "--cifti-output 91k"
_GRID_NAMES = ("91k", None)


def find_fmriprep(derivatives: Path, person: Path, selection: Selection) -> PersonFiles:
    """Find one person's files in fMRIPrep's output.

    Parameters
    ----------
    derivatives, person : Path
        The data set's folder and the person's in it.
    selection : Selection

    Returns
    -------
    PersonFiles

    Raises
    ------
    InputError
        No fsLR or fsaverage5/6 series, no confound table, or nothing left of the selection.
    """
    files = files_in(data_folders(person, "func"))
    # Nobody but tedana's users have these; a folder 'tedana' beside fMRIPrep's is looked into as well.
    beside_it = derivatives.resolve().parent / "tedana" / person.name
    tedana = files + (files_in(data_folders(beside_it, "func")) if beside_it.is_dir() else [])
    series = [
        f for f in files if is_cifti_bold(f) and f.get("density") in _GRID_NAMES and f.get("desc") in (None, "preproc")
    ]
    require_distinct(series)
    if series:
        indices, notes = choose_runs([f.run for f in series], selection, where=person)
        runs = [_cifti_run(series[i], files, derivatives, notes) for i in indices]
        notes += _left_behind(files, series)
    else:
        pairs = pair_up([f.path for f in files if f.suffix in ("bold", "") and f.extension == ".func.gii"])
        if not pairs:
            raise _no_series(files, person)
        indices, notes = choose_runs([p.entities for p in pairs], selection, where=person)
        runs = [_surface_run(pairs[i], files, derivatives, notes) for i in indices]
        notes.append(
            f"there are no fsLR series: {runs[0].space} series are resampled (fMRIPrep writes fsLR with {FLAG})"
        )
    runs = [replace(run, tedana=_tedana(tedana, run)) for run in runs]
    anatomy = find_anatomy(person, selection, space="native")
    return PersonFiles(
        label=person.name.removeprefix("sub-"),
        layout="fmriprep",
        runs=tuple(runs),
        surfaces=anatomy.surfaces,
        sulc=anatomy.sulc,
        t1w=anatomy.t1w,
        notes=(*notes, *anatomy.notes),
    )


def is_cifti_bold(file: BidsFile) -> bool:
    """Tell whether a file is a BOLD series on fsLR, of magnitude and combined over echoes."""
    return (
        file.suffix == "bold"
        and file.extension == ".dtseries.nii"
        and file.get("space") in ("fsLR", None)
        and file.get("echo") is None
        and file.get("part") in (None, "mag")
    )


def _cifti_run(series: BidsFile, files: Sequence[BidsFile], root: Path, notes: list[str]) -> RunFiles:
    tr_s, tr_notes = repetition_time([series.path], root=root)
    notes += tr_notes
    confounds = _confounds(files, series.run, series.path.parent)
    return RunFiles(
        paths=(series.path,),
        kind="cifti",
        space="fsLR32k",
        cleaned=False,
        filtered=False,
        tr_s=tr_s,
        entities=series.run,
        name=run_name(series.run),
        confounds=confounds,
        motion=confounds,
    )


def _surface_run(pair: Pair, files: Sequence[BidsFile], root: Path, notes: list[str]) -> RunFiles:
    confounds = _confounds(files, pair.entities, pair.left.parent)
    return run_of_pair(pair, root=root, confounds=confounds, cleaned=False, notes=notes)


def _tedana(files: Sequence[BidsFile], run: RunFiles) -> tuple[Path, Path] | None:
    metrics = beside([f for f in files if f.get("desc") == "tedana"], run.entities, suffixes=("metrics",))
    mixing = beside([f for f in files if f.get("desc") == "ICA"], run.entities, suffixes=("mixing",))
    return None if metrics is None or mixing is None else (metrics.path, mixing.path)


def _confounds(files: Sequence[BidsFile], run: dict[str, str], folder: Path) -> Path:
    # 'regressors' until fMRIPrep 20.1, 'timeseries' since.
    tables = [f for f in files if f.get("desc") == "confounds"]
    found = beside(tables, run, suffixes=("timeseries", "regressors"))
    if found is None:
        raise InputError(
            f"the confound table of run {run_name(run)} is not there; fMRIPrep leaves cleaning to others, who need it",
            where=folder,
            fix="copy the *_desc-confounds_timeseries.tsv beside the series, or give XCP-D's output instead",
        )
    return found.path


def _left_behind(files: Sequence[BidsFile], series: Sequence[BidsFile]) -> list[str]:
    have = [s.run for s in series]
    without = [
        run_name(f.run) for f in files if f.get("desc") == "confounds" and f.extension == ".tsv" and f.run not in have
    ]
    return [f"runs without a fsLR series are left out: {in_words(without)} ({FLAG} writes it)"] if without else []


def _no_series(files: Sequence[BidsFile], person: Path) -> InputError:
    finer = any(is_cifti_bold(f) for f in files)
    volumes = [f for f in files if f.suffix == "bold" and f.extension == ".nii.gz"]
    seen = "series of another CIFTI density" if finer else f"{len(volumes)} volume series" if volumes else "none at all"
    return InputError(
        f"expected *_space-fsLR_den-91k_bold.dtseries.nii series for {person.name}, found {seen}",
        where=person,
        fix=f"run fMRIPrep again with {FLAG} (finished steps are reused when the work folder is kept)",
    )
