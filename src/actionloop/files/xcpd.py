"""XCP-D's output: denoised CIFTI series with the frames to censor; geometry from the fMRIPrep data set behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actionloop.errors import InputError
from actionloop.files.anatomy import find_anatomy
from actionloop.files.bids import (
    BidsFile,
    beside,
    data_folders,
    files_in,
    in_words,
    is_combined,
    people_folders,
    require_distinct,
    run_name,
)
from actionloop.files.fmriprep import FLAG, is_cifti_bold
from actionloop.files.person import AnatomyFiles, PersonFiles, RunFiles
from actionloop.files.selection import Selection, choose_runs
from actionloop.files.sidecar import read_json, repetition_time, sidecar

# Newest name first; 'interpolated' (0.4 to 0.7) keeps censored frames as interpolated ones, which the mask removes.
DESCRIPTIONS = ("denoised", "residual", "interpolated")
TO_BE_TESTED = "XCP-D's surfaces are in the T1's or in MNI space, depending on its version: this is tested"
_FILTER_KEYS = ("SoftwareFilters", "Freq Band", "High-pass Cutoff", "Low-pass Cutoff")
_REGRESSION_KEYS = ("NuisanceParameters", "nuisance parameters", "nuissance parameters")


def find_xcpd(derivatives: Path, person: Path, selection: Selection, *, anatomy: Path | None = None) -> PersonFiles:
    """Find one person's files in XCP-D's output.

    XCP-D holds no T1 in the person's own space. Surfaces and T1 therefore come from the fMRIPrep data set it worked
    on, where that is found: `anatomy`, else the link in dataset_description.json, else a folder 'fmriprep' beside.
    A linked data set is believed only if it holds this person and these runs.

    Parameters
    ----------
    derivatives, person : Path
    selection : Selection
    anatomy : Path, optional
        fMRIPrep's output folder.

    Returns
    -------
    PersonFiles

    Raises
    ------
    InputError
        No denoised CIFTI series, or nothing left of the selection.
    """
    files = files_in(data_folders(person, "func"))
    series, notes = _without_combined(_denoised(files), files)
    if not series:
        raise _no_series(files, person)
    indices, chosen_notes = choose_runs([f.run for f in series], selection, where=person)
    notes += chosen_notes
    runs = [_run(series[i], files, derivatives, notes) for i in indices]
    found = _geometry(derivatives, person, runs, selection, anatomy)
    return PersonFiles(
        label=person.name.removeprefix("sub-"),
        layout="xcpd",
        runs=tuple(runs),
        surfaces=found.surfaces,
        sulc=found.sulc,
        t1w=found.t1w,
        notes=(*notes, *found.notes),
    )


def _denoised(files: Sequence[BidsFile]) -> list[BidsFile]:
    every = [f for f in files if is_cifti_bold(f) and f.get("density") in ("91k", None)]
    best: dict[tuple[tuple[str, str], ...], BidsFile] = {}
    for description in DESCRIPTIONS:
        found = [f for f in every if f.get("desc") == description]
        require_distinct(found)
        for file in found:
            best.setdefault(tuple(file.run.items()), file)
    return [f for f in every if f in best.values()]


def _without_combined(series: list[BidsFile], files: Sequence[BidsFile]) -> tuple[list[BidsFile], list[str]]:
    # With --combine-runs XCP-D writes the runs once more, joined; only single runs have a design table.
    runs = [f.run for f in series]
    joined = [f for f in series if is_combined(f.run, runs) and beside(files, f.run, suffixes=("design",)) is None]
    kept = [f for f in series if f not in joined]
    names = in_words(run_name(f.run) for f in joined)
    return kept, [
        f"XCP-D's joined series are left out, since their runs are used one by one: {names}"
    ] if joined else []


def _run(series: BidsFile, files: Sequence[BidsFile], root: Path, notes: list[str]) -> RunFiles:
    tr_s, tr_notes = repetition_time([series.path], root=root)
    metadata = sidecar(series.path, root=root)
    outliers = beside(files, series.run, suffixes=("outliers",))
    motion = beside(files, series.run, suffixes=("motion",))
    notes += tr_notes
    if outliers is None:
        notes.append(f"run {run_name(series.run)} has no outliers file: no frame of it is censored")
    cleaned = _regressed(metadata)
    if not cleaned:
        notes.append(f"run {run_name(series.run)} was written by XCP-D without confound regression")
    return RunFiles(
        paths=(series.path,),
        kind="cifti",
        space="fsLR32k",
        cleaned=cleaned,
        filtered=_filtered(metadata),
        tr_s=tr_s,
        entities=series.run,
        name=run_name(series.run),
        outliers=outliers.path if outliers else None,
        motion=motion.path if motion else None,
    )


def _regressed(metadata: Mapping[str, Any]) -> bool:
    return all(str(metadata.get(key, "stated nowhere")).casefold() != "none" for key in _REGRESSION_KEYS)


def _filtered(metadata: Mapping[str, Any]) -> bool:
    # XCP-D filters unless told not to; its sidecar then lacks the band while it still names the regressors.
    bands = [metadata[key] for key in _FILTER_KEYS if key in metadata]
    if bands:
        return any(band not in (None, "n/a", {}, []) for band in bands)
    return not any(key in metadata for key in _REGRESSION_KEYS)


def _no_series(files: Sequence[BidsFile], person: Path) -> InputError:
    volumes = sum(f.suffix == "bold" and f.extension == ".nii.gz" for f in files)
    smoothed = any(is_cifti_bold(f) and "Smoothed" in (f.get("desc") or "") for f in files)
    seen = "only smoothed ones" if smoothed else f"{volumes} volume series" if volumes else "none"
    return InputError(
        f"expected *_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii series for {person.name}, found {seen}",
        where=person,
        fix=f"run XCP-D with --file-format cifti on fMRIPrep output made with {FLAG}",
    )


def _geometry(
    derivatives: Path, person: Path, runs: Sequence[RunFiles], selection: Selection, given: Path | None
) -> AnatomyFiles:
    own = find_anatomy(person, selection, space="unknown")
    source, why = _source(derivatives, person, runs, given)
    if source is not None:
        found = find_anatomy(source, selection, space="native")
        notes = (f"anatomy comes from the fMRIPrep data set {source.parent.name} ({why})", *found.notes)
        if found.surfaces is not None or own.surfaces is None:
            return replace(found, notes=notes)
        return AnatomyFiles(own.surfaces, own.sulc, found.t1w, (*notes, f"surfaces are XCP-D's own. {TO_BE_TESTED}"))
    notes = tuple(note for note in own.notes if "T1" not in note)
    if own.t1w is None:
        notes += (f"XCP-D holds no T1 in this person's own space and its fMRIPrep data set was not found ({why})",)
    if own.surfaces is not None:
        notes += (TO_BE_TESTED,)
    return AnatomyFiles(own.surfaces, own.sulc, own.t1w, notes)


def _source(derivatives: Path, person: Path, runs: Sequence[RunFiles], given: Path | None) -> tuple[Path | None, str]:
    if given is not None:
        source = given / person.name
        if not source.is_dir():
            raise InputError(
                f"{person.name} is not in the fMRIPrep folder that was given; it has "
                f"{in_words('sub-' + label for label in people_folders(given))}",
                where=given,
            )
        return source, "as given"
    candidates = [(path, "named in dataset_description.json") for path in _linked(derivatives)]
    candidates.append((derivatives.resolve().parent / "fmriprep", "found beside XCP-D's folder"))
    for folder, why in candidates:
        source = folder / person.name
        if source.is_dir() and _holds(source, runs):
            return source, why
    return None, "neither where dataset_description.json says nor in a folder 'fmriprep' beside"


def _linked(derivatives: Path) -> list[Path]:
    description = derivatives / "dataset_description.json"
    links = read_json(description).get("DatasetLinks") if description.is_file() else None
    if not isinstance(links, dict):
        return []
    wanted = [
        str(links[key]).removeprefix("file://") for key in ("preprocessed", "fmriprep", "nibabies") if key in links
    ]
    return [(derivatives / each).resolve() for each in wanted if each and "://" not in each]


def _holds(source: Path, runs: Sequence[RunFiles]) -> bool:
    # A path from inside a container may lead to another study here: its runs must be there too.
    tables = [f.run for f in files_in(data_folders(source, "func")) if f.get("desc") == "confounds"]
    return all(run.entities in tables or is_combined(run.entities, tables) for run in runs)
