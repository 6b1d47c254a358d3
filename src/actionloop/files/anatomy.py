"""Surfaces, sulcal depth and T1 in the `anat` folders of a BIDS derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actionloop.files.bids import BidsFile, data_folders, files_in, same_label
from actionloop.files.meshes import Assembled, assemble
from actionloop.files.person import AnatomyFiles, SurfaceSpace
from actionloop.files.selection import Selection, filter_allows
from actionloop.types import HEMISPHERES

# Entities in which a T1 and its surfaces differ.
_SPACE_WORDS = ("hemi", "space", "density", "desc")


def find_anatomy(person: Path, selection: Selection, *, space: SurfaceSpace) -> AnatomyFiles:
    """Find surfaces, sulcal depth and T1 in the `anat` folders of a BIDS derivative.

    Where several sessions have their own, the wanted session that has most is taken, and T1 and surfaces come from
    the same folder.

    Parameters
    ----------
    person : Path
    selection : Selection
    space : {'native', 'standard', 'unknown'}
        Space of the surfaces that this pipeline writes.

    Returns
    -------
    AnatomyFiles
    """
    found = [_anatomy_of(folder, selection, space) for folder in _anat_folders(person, selection)]
    if not found:
        return AnatomyFiles(notes=(f"there is no anat folder in {person.name}: neither surfaces nor T1",))
    best = max(found, key=_worth)
    if sum(_worth(each) == _worth(best) for each in found) > 1:
        return replace(best, notes=(*best.notes, "several sessions have their own anatomy: the first is used"))
    return best


def _worth(each: AnatomyFiles) -> tuple[bool, bool, bool]:
    return each.surfaces is not None and each.surfaces.complete, each.t1w is not None, each.surfaces is not None


def _anat_folders(person: Path, selection: Selection) -> list[Path]:
    folders = data_folders(person, "anat")
    wanted = [f for f in folders if any(same_label(s, f.parent.name.removeprefix("ses-")) for s in selection.sessions)]
    return [f for f in folders if f.parent == person or f in wanted] if wanted else folders


def _anatomy_of(folder: Path, selection: Selection, space: SurfaceSpace) -> AnatomyFiles:
    files = files_in([folder])
    t1s = [
        f
        for f in files
        if f.suffix == "T1w"
        and f.extension in (".nii.gz", ".nii")
        and f.get("desc") == "preproc"
        and f.get("space") in (None, "T1w")
    ]
    query = selection.bids_filter.get("t1w", {})
    allowed = [f for f in t1s if filter_allows(query, f.entities, lenient=True)]
    assembled = assemble([f.path for f in files], space=space)
    notes = list(assembled.notes)
    if not assembled.surfaces and not assembled.notes:
        notes.append(f"no surfaces were found in {folder.parent.name}/{folder.name}")
    t1w = _t1_of(allowed, assembled)
    if t1w is None:
        notes.append(_no_t1(files, bool(t1s)))
    elif len(allowed) > 1:
        notes.append(f"there are {len(allowed)} preprocessed T1s: {t1w.name} is used")
    return AnatomyFiles(assembled.surfaces, _sulc(files, assembled), t1w, tuple(notes))


def _t1_of(allowed: Sequence[BidsFile], assembled: Assembled) -> Path | None:
    # The T1 whose name agrees with the surfaces' in everything else is theirs.
    def agrees(file: BidsFile) -> bool:
        rest = "_".join(f"{k}-{v}" for k, v in file.entities.items() if k not in _SPACE_WORDS)
        return rest == assembled.group

    return min(allowed, key=lambda f: (not agrees(f), f.path.name)).path if allowed else None


def _no_t1(files: Sequence[BidsFile], filtered_out: bool) -> str:
    if filtered_out:
        return "the BIDS filter file leaves no T1"
    if any(f.suffix == "T1w" and f.get("space") for f in files):
        return "the only T1s are in a template's space: not usable for navigation"
    return "there is no preprocessed T1"


def _sulc(files: Sequence[BidsFile], assembled: Assembled) -> dict[str, Path]:
    if assembled.surfaces is not None and all(side in assembled.sulc for side in HEMISPHERES):
        return dict(assembled.sulc)
    maps = [
        f for f in files if f.suffix == "sulc" and f.extension == ".dscalar.nii" and f.get("density") in ("91k", "32k")
    ]
    return {"both": maps[0].path} if maps else {}
