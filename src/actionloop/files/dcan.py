"""DCAN's (ABCC's) output: filtered CIFTI series of a session, and the .mat that says which frames motion spoils."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from actionloop.errors import InputError
from actionloop.files.anatomy import find_anatomy
from actionloop.files.bids import BidsFile, data_folders, files_in, listed, parse_name, people_folders, run_name
from actionloop.files.opening import check_file, reading
from actionloop.files.person import PersonFiles, RunFiles
from actionloop.files.selection import EVERYTHING, Selection, choose_runs
from actionloop.files.sidecar import repetition_time
from actionloop.types import BoolArray

_SERIES = re.compile(r"_bold_desc-filtered_timeseries\.dtseries\.nii$")
_MASK = "_desc-filtered_motion_mask.mat"


@dataclass(frozen=True, eq=False)
class RemovalMask:
    """Frames that DCAN keeps at one threshold.

    Attributes
    ----------
    fd_mm : float
        Threshold of framewise displacement.
    keep : (frame,) bool ndarray
        True for frames to keep. Leading frames and short stretches are removed too.
    recorded : int or None
        Number of kept frames that the file states itself.
    tr_s : float or None
        Repetition time that the file states.
    """

    fd_mm: float
    keep: BoolArray
    recorded: int | None
    tr_s: float | None


def read_removal_masks(path: str | Path) -> tuple[RemovalMask, ...]:
    """Read DCAN's motion .mat (1 = removed), one mask per threshold, ascending.

    Parameters
    ----------
    path : path

    Returns
    -------
    tuple of RemovalMask

    Raises
    ------
    InputError
        Another kind of file, masks of different lengths, values other than 0 and 1, or a count of its own that its
        mask contradicts.
    """
    from scipy.io import loadmat

    path = check_file(path)
    with reading(path, "DCAN motion .mat (not in HDF5)"):
        cells = np.atleast_1d(loadmat(path, squeeze_me=True, struct_as_record=False)["motion_data"])
        found = [_mask(cell) for cell in cells]
    for removed, mask in found:
        if not np.isin(removed, (0, 1)).all():
            raise InputError("expected only 0 (keep) and 1 (remove) in the mask", where=path)
        if mask.recorded is not None and mask.recorded != int(mask.keep.sum()):
            raise InputError(
                f"at {mask.fd_mm:g} mm the mask keeps {int(mask.keep.sum())} frames, by its own record {mask.recorded}",
                where=path,
                fix="make the mask again",
            )
    masks = sorted((mask for _, mask in found), key=lambda mask: mask.fd_mm)
    if not masks or len({len(mask.keep) for mask in masks}) != 1:
        raise InputError("expected masks of one length, one per threshold", where=path, fix="make the file again")
    return tuple(masks)


def _mask(cell: object) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], RemovalMask]:
    removed = np.asarray(getattr(cell, "frame_removal"), dtype=np.float64).ravel()  # noqa: B009 - a struct of the file
    recorded, tr_s = getattr(cell, "remaining_frame_count", None), getattr(cell, "epi_TR", None)
    mask = RemovalMask(
        fd_mm=round(float(getattr(cell, "FD_threshold")), 4),  # noqa: B009
        keep=removed == 0,
        recorded=None if recorded is None or np.size(recorded) != 1 else int(recorded),
        tr_s=None if tr_s is None or np.size(tr_s) != 1 else float(tr_s),
    )
    return removed, mask


def dcan_people(root: Path) -> dict[str, Path]:
    """Return the `sub-` folders that hold a filtered series of the DCAN pipeline, by label."""
    return {
        label: folder
        for label, folder in people_folders(root).items()
        if _series(files_in(data_folders(folder, "func")))
    }


def find_dcan(root: Path, person: Path, *, selection: Selection = EVERYTHING) -> PersonFiles:
    """Find one person's filtered series and motion masks; nothing is loaded.

    Parameters
    ----------
    root, person : Path
        The data set's folder and the person's in it.
    selection : Selection

    Returns
    -------
    PersonFiles
        Of layout 'bare'; runs are sessions, which this pipeline joins.

    Raises
    ------
    InputError
        Nothing left of the selection.
    """
    files = files_in(data_folders(person, "func"))
    series = _series(files)
    indices, notes = choose_runs([_entities(each) for each in series], selection, where=person)
    runs = [_run(series[i], root, notes) for i in indices]
    found = find_anatomy(person, selection, space="unknown")
    return PersonFiles(
        label=person.name.removeprefix("sub-"),
        layout="bare",
        runs=tuple(runs),
        surfaces=found.surfaces,
        sulc=found.sulc,
        t1w=found.t1w,
        notes=(*notes, *found.notes),
    )


def _series(files: Sequence[BidsFile]) -> list[BidsFile]:
    return [file for file in files if _SERIES.search(file.path.name)]


def _entities(file: BidsFile) -> dict[str, str]:
    return file.run


def _run(series: BidsFile, root: Path, notes: list[str]) -> RunFiles:
    tr_s, tr_notes = repetition_time([series.path], root=root)
    notes += tr_notes
    mask = series.path.with_name(_SERIES.sub(_MASK, series.path.name))
    if not mask.is_file():
        notes.append(f"run {run_name(series.run)} has no {mask.name}: no frame of it is censored")
    return RunFiles(
        paths=(series.path,),
        kind="cifti",
        space="fsLR32k",
        cleaned=True,
        filtered=True,
        tr_s=tr_s,
        entities=series.run,
        name=run_name(series.run),
        outliers=mask if mask.is_file() else None,
    )


def find_bare_folder(root: Path) -> PersonFiles | None:
    """Describe the person whose one CIFTI series lies in a folder by itself, with its mask of frames if one is there.

    Parameters
    ----------
    root : Path

    Returns
    -------
    PersonFiles or None
        Of layout 'bare'; None where the folder does not hold exactly one series.

    Raises
    ------
    InputError
        Several masks lie beside the series.
    """
    from actionloop.files.bare import bare_person

    entries = [entry for entry in listed(root) if not entry.is_dir()]
    series = [e for e in entries if e.name.endswith((".dtseries.nii", ".ptseries.nii"))]
    if len(series) != 1:
        return None
    masks = [e for e in entries if e.suffix == ".mat" or e.name.endswith("_outliers.tsv")]
    if len(masks) > 1:
        raise InputError(
            f"{len(masks)} masks of frames lie beside one series: {', '.join(mask.name for mask in masks)}",
            where=root,
            fix="leave the one that belongs to the series",
        )
    label = parse_name(series[0]).get("subject") or root.resolve().name
    tables = [e for e in entries if e.name.endswith((".tsv", ".txt")) and "confound" in e.name.casefold()]
    person = bare_person(label, bold=series, outliers=masks, confounds=tables if len(tables) == 1 else ())
    if masks and masks[0].suffix == ".mat":
        # Such masks are made by the program that also denoises.
        person = replace(person, runs=tuple(replace(run, cleaned=True, filtered=True) for run in person.runs))
    return person
