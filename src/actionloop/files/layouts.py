"""Which pipeline wrote a folder, who is in it, and which files are one person's: the same answer for every pipeline."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from actionloop.errors import InputError
from actionloop.files.bids import (
    BidsFile,
    data_folders,
    files_in,
    in_words,
    listed,
    natural_key,
    people_folders,
    without_prefix,
)
from actionloop.files.fmriprep import find_fmriprep, is_cifti_bold
from actionloop.files.hcp import find_hcp, hcp_people
from actionloop.files.person import Layout, PersonFiles, check_present
from actionloop.files.selection import EVERYTHING, Selection
from actionloop.files.sidecar import read_json
from actionloop.files.surfacefiles import find_surface_series, surface_people
from actionloop.files.xcpd import DESCRIPTIONS, find_xcpd

# XCP-D also names the pipeline it worked on, so it is looked for first.
_PIPELINES: tuple[tuple[str, Layout], ...] = (("xcp", "xcpd"), ("fmriprep", "fmriprep"), ("nibabies", "fmriprep"))
_LOOKED_AT = 10
_PHANTOM = "actionloop phantom"


def detect_layout(derivatives: str | Path) -> Layout:
    """Tell which pipeline's output a folder is, from dataset_description.json, else from its shape.

    Parameters
    ----------
    derivatives : path

    Returns
    -------
    {'xcpd', 'fmriprep', 'hcp', 'surface'}

    Raises
    ------
    InputError
        Not a folder, raw data, one person's folder instead of the data set's, or nothing that is known.
    """
    root = _folder(derivatives)
    description = root / "dataset_description.json"
    if description.is_file():
        stated = read_json(description)
        names = " ".join(_generators(stated)).casefold().replace("-", "_")
        for word, layout in _PIPELINES:
            if word in names:
                return layout
        if stated.get("DatasetType") == "raw":
            raise InputError(
                "this is a raw data set; preprocessed data are needed",
                where=root,
                fix="run fMRIPrep with --cifti-output 91k (and then XCP-D), and give its output folder",
            )
    shape = _by_shape(root)
    if shape is None:
        raise _unknown(root)
    return shape


def is_phantom(derivatives: str | Path) -> bool:
    """Tell whether a data set's dataset_description.json says that `actionloop phantom` made its people."""
    description = _folder(derivatives) / "dataset_description.json"
    return description.is_file() and _PHANTOM in _generators(read_json(description))


def _generators(description: dict[str, Any]) -> Iterable[str]:
    generated = description.get("GeneratedBy", description.get("PipelineDescription", []))
    for each in generated if isinstance(generated, list) else [generated]:
        if isinstance(each, dict):
            yield str(each.get("Name", ""))
    yield str(description.get("Name", ""))


def _by_shape(root: Path) -> Layout | None:
    if hcp_people(root):
        return "hcp"
    people = list(people_folders(root).values())[:_LOOKED_AT]
    files = [file for person in people for file in files_in(data_folders(person, "func"))]
    if any(_is_denoised(file) for file in files):
        return "xcpd"
    if any(is_cifti_bold(f) for f in files) or any(
        f.get("desc") == "confounds" and f.suffix == "timeseries" for f in files
    ):
        return "fmriprep"
    return "surface" if surface_people(root) else None


def _is_denoised(file: BidsFile) -> bool:
    return is_cifti_bold(file) and file.get("desc") in DESCRIPTIONS


def _unknown(root: Path) -> InputError:
    if (root / "MNINonLinear").is_dir() or root.name.startswith("sub-"):
        return InputError(
            "this is the folder of one person; the folder that holds everybody is needed",
            where=root,
            fix=f"give {root.parent} and name the person: --participant-label {without_prefix(root.name, 'sub')}",
        )
    inner = [e for e in listed(root) if e.is_dir() and not e.name.startswith("sub-") and _by_shape(e) is not None]
    if inner:
        return InputError(
            "this folder holds no people, but folders inside it do",
            where=root,
            fix=f"give one of them: {in_words(str(e) for e in inner)}",
        )
    return InputError(
        "expected the output of XCP-D, fMRIPrep or the HCP pipelines, or surface series (*lh*.mgz, *hemi-L*.func.gii); "
        f"found {in_words((e.name for e in listed(root)), limit=6)}",
        where=root,
        fix="check the folder, or give the files one by one with --bold, --surfaces and --t1w",
    )


def list_people(derivatives: str | Path, *, layout: Layout | None = None) -> list[str]:
    """Return the labels of the people in a folder, sorted, without 'sub-'.

    Parameters
    ----------
    derivatives : path
    layout : {'xcpd', 'fmriprep', 'hcp', 'surface'}, optional
        Found out when not given.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
    """
    return sorted(_people(_folder(derivatives), layout or detect_layout(derivatives)), key=natural_key)


def _people(root: Path, layout: Layout) -> dict[str, Path]:
    if layout not in get_args(Layout):
        raise InputError(f"unknown layout {layout!r}; expected one of {in_words(get_args(Layout))}", where=root)
    if layout == "hcp":
        return hcp_people(root)
    if layout == "surface":
        return dict.fromkeys(surface_people(root), root)
    return people_folders(root)


def find_person(
    derivatives: str | Path,
    label: str,
    *,
    layout: Layout | None = None,
    selection: Selection = EVERYTHING,
    anatomy: str | Path | None = None,
) -> PersonFiles:
    """Find the files of one person: series, censoring, confounds, surfaces, T1. Nothing is loaded.

    Parameters
    ----------
    derivatives : path
        The folder that holds everybody.
    label : str
        With or without 'sub-'.
    layout : {'xcpd', 'fmriprep', 'hcp', 'surface'}, optional
        Found out when not given.
    selection : Selection
        Sessions, tasks, runs, acquisitions, BIDS filter.
    anatomy : path, optional
        For XCP-D: fMRIPrep's output folder, for T1 and surfaces.

    Returns
    -------
    PersonFiles
        Runs and notes are in a fixed order; every file exists and is not empty.

    Raises
    ------
    InputError
        The person, session, task or run is not there (the message names what is), the series or a table that they
        need is missing, or a file is empty.
    """
    root = _folder(derivatives)
    layout = detect_layout(root) if layout is None else layout
    people = _people(root, layout)
    known = _match(without_prefix(label, "sub"), people, root)
    person = people[known]
    if layout == "xcpd":
        found = find_xcpd(root, person, selection, anatomy=None if anatomy is None else _folder(anatomy))
    elif layout == "fmriprep":
        found = find_fmriprep(root, person, selection)
    elif layout == "hcp":
        found = find_hcp(root, person, selection)
    else:
        found = find_surface_series(root, known, selection)
    check_present(found.files)
    return found


def _match(label: str, people: dict[str, Path], root: Path) -> str:
    if label in people:
        return label
    close = difflib.get_close_matches(label, people, n=5, cutoff=0.5)
    others = sorted(set(people) - set(close), key=natural_key)
    raise InputError(
        f"participant {label!r} is not there; found {in_words([*close, *others])}",
        where=root,
        fix=f"did you mean {close[0]}?" if close else "choose among those found",
    )


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing"
        raise InputError(f"expected a folder, found {what}", where=folder, fix="check the path")
    return folder
