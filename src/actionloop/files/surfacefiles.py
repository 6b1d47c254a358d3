"""Surface series as two files per run (fsaverage5/6 or fsLR-32k, .mgz or .func.gii) with a confound table beside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.anatomy import find_anatomy
from actionloop.files.bids import BidsFile, data_folders, files_in, listed, natural_key, parse_name, run_name
from actionloop.files.opening import side_in_name
from actionloop.files.peek import gifti_vertices, mgh_header
from actionloop.files.person import AnatomyFiles, PersonFiles, RunFiles, SeriesSpace
from actionloop.files.selection import Selection, choose_runs
from actionloop.files.sidecar import repetition_time
from actionloop.types import FSLR32K_VERTICES

EXTENSIONS = (".mgz", ".mgh", ".func.gii")
_SPACE = re.compile(r"(?<![A-Za-z])fs(?:a|average)-?([56])(?!\d)")
# fsaverage (164k) and the person's own mesh, which fMRIPrep writes beside the ones that are used.
_OTHER_SPACE = re.compile(r"(?<![A-Za-z])(?:fsnative|fsaverage7?(?![\d]))")
_SIDE = re.compile(r"(?<=hemi-)[LR](?=[._-])|(?:(?<=^)|(?<=[._]))(?:[LR]|lh|rh)(?=[._])")
_FSLR = re.compile(r"fsLR_den-32k|32k_fs_LR")
_VERTICES: dict[int, SeriesSpace] = {10_242: "fsaverage5", 40_962: "fsaverage6", FSLR32K_VERTICES: "fsLR32k"}
_MERIT = ("fsaverage5", "fsaverage6", "fsLR32k")
_TABLE_WORDS = ("confound", "regressor", "nuisance")
_CLEANED = re.compile(r"denois|residual|desc-clean|_clean(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """The left and the right file of one run.

    Attributes
    ----------
    left, right : Path
    space : {'fsaverage5', 'fsaverage6', 'fsLR32k'}
    entities : dict of str to str
    name : str
    """

    left: Path
    right: Path
    space: SeriesSpace
    entities: dict[str, str]
    name: str


def pair_up(paths: Iterable[Path]) -> list[Pair]:
    """Pair left and right series files; where a run is there on several meshes, fsLR-32k wins, then fsaverage6.

    Parameters
    ----------
    paths : iterable of Path
        Anything; files of another kind, mesh or with a single frame are passed over.

    Returns
    -------
    list of Pair

    Raises
    ------
    InputError
        One side is missing, a mesh cannot be told, or two pairs claim the same run.
    """
    halves: dict[str, dict[str, Path]] = {}
    for path in sorted(paths, key=lambda p: natural_key(p.name)):
        side = side_in_name(path)
        if side is not None and is_surface_series(path):
            halves.setdefault(str(path.parent / _SIDE.sub("?", path.name)), {})[side] = path
    pairs: dict[object, Pair] = {}
    for sides in halves.values():
        if len(sides) == 1:
            there, absent = ("left", "right") if "L" in sides else ("right", "left")
            raise InputError(
                f"found only the {there} half of a surface series; the {absent} half is missing",
                where=next(iter(sides.values())),
                fix="put the other hemisphere's file, of the same name otherwise, beside it",
            )
        pair = _pair(sides["L"], sides["R"])
        run = tuple(pair.entities.items()) or pair.name
        rival = pairs.get(run)
        if rival is not None and rival.space == pair.space:
            raise InputError(
                f"two surface series claim the same run: {rival.left.name} and {pair.left.name}",
                where=pair.left.parent,
                fix="keep one of them in the folder, or name the files with --bold",
            )
        if rival is None or _MERIT.index(pair.space) > _MERIT.index(rival.space):
            pairs[run] = pair
    return list(pairs.values())


def is_surface_series(path: Path) -> bool:
    """Tell from name and header whether a file is one half of a series on a mesh that may be used."""
    if not path.name.endswith(EXTENSIONS) or (_OTHER_SPACE.search(path.name) and not _SPACE.search(path.name)):
        return False
    return path.name.endswith(".gii") or mgh_header(path)[1].n_frames != 1


def _pair(left: Path, right: Path) -> Pair:
    entities = parse_name(left).run
    return Pair(left, right, _space_of(left), entities, run_name(entities) if entities else _stem(left))


def _stem(path: Path) -> str:
    # 'lh.rest1.fsa5.mgz' and 'rest1_hemi-L_space-fsaverage5.func.gii' both give 'rest1'.
    name = path.name.removesuffix(next(e for e in EXTENSIONS if path.name.endswith(e)))
    name = _SPACE.sub("", _SIDE.sub("", name)).replace("hemi-", "").replace("space-", "")
    return re.sub(r"([._-])[._-]+", r"\1", name).strip("._-") or path.parent.name


def _space_of(path: Path) -> SeriesSpace:
    if match := _SPACE.search(path.name):
        return "fsaverage5" if match.group(1) == "5" else "fsaverage6"
    if _FSLR.search(path.name):
        return "fsLR32k"
    count = gifti_vertices(path) if path.name.endswith(".gii") else mgh_header(path)[0]
    if count not in _VERTICES:
        raise InputError(
            f"expected a series on fsaverage5 (10,242 vertices), fsaverage6 (40,962) or fsLR-32k (32,492), found "
            f"{'a file whose mesh cannot be told' if count is None else f'{count:,} vertices'}",
            where=path,
            fix="resample it to fsaverage5 or fsaverage6, or give a CIFTI series",
        )
    return _VERTICES[count]


def run_of_pair(
    pair: Pair, *, root: Path, confounds: Path | None, cleaned: bool, notes: list[str], tr_s: float | None = None
) -> RunFiles:
    """Describe a surface run; what is noteworthy of its repetition time is added to `notes`."""
    if tr_s is None:
        tr_s, tr_notes = repetition_time([pair.left], root=root)
        notes += tr_notes
    named = confounds is not None and confounds.suffix == ".tsv"
    return RunFiles(
        paths=(pair.left, pair.right),
        kind="surface",
        space=pair.space,
        cleaned=cleaned,
        filtered=False,
        tr_s=tr_s,
        entities=pair.entities,
        name=pair.name,
        confounds=confounds,
        motion=confounds if named else None,
    )


def says_cleaned(path: Path) -> bool:
    """Tell whether a file's name says that confounds were removed from it."""
    return _CLEANED.search(path.name) is not None


def surface_people(derivatives: Path) -> dict[str, list[Path]]:
    """Series files of each person, by label: 'sub-' in the file's name, else the folder's name.

    Parameters
    ----------
    derivatives : Path

    Returns
    -------
    dict of str to list of Path
    """
    folders = [derivatives]
    for entry in listed(derivatives):
        if entry.is_dir() and entry.name.startswith("sub-"):
            folders += [entry, *(e for e in listed(entry) if e.is_dir() and e.name.startswith("ses-"))]
            folders += data_folders(entry, "func")
    people: dict[str, list[Path]] = {}
    for file in files_in(folders):
        if side_in_name(file.path) is not None and is_surface_series(file.path):
            label = file.get("subject") or _folder_label(file.path, derivatives)
            people.setdefault(label, []).append(file.path)
    return people


def _folder_label(path: Path, derivatives: Path) -> str:
    inside = path.relative_to(derivatives).parts[0]
    return inside.removeprefix("sub-") if inside.startswith("sub-") else derivatives.resolve().name


def find_surface_series(derivatives: Path, label: str, selection: Selection) -> PersonFiles:
    """Find one person's surface series, with confound tables, sidecars and (in an `anat` folder) surfaces.

    Parameters
    ----------
    derivatives : Path
    label : str
        One of `surface_people`.
    selection : Selection

    Returns
    -------
    PersonFiles

    Raises
    ------
    InputError
    """
    paths = surface_people(derivatives)[label]
    pairs = pair_up(paths)
    indices, notes = choose_runs([p.entities for p in pairs], selection, where=derivatives)
    runs = []
    for pair in (pairs[i] for i in indices):
        table = table_beside(pair, notes)
        cleaned = says_cleaned(pair.left) or table is None
        if table is None and not says_cleaned(pair.left):
            notes.append("no confound table lies beside the series: they are taken as cleaned already")
        runs.append(run_of_pair(pair, root=derivatives, confounds=table, cleaned=cleaned, notes=notes))
    person = derivatives / f"sub-{label}"
    found = AnatomyFiles(notes=("there are neither surfaces nor a T1 of this person",))
    if person.is_dir() and data_folders(person, "anat"):
        found = find_anatomy(person, selection, space="unknown")
    return PersonFiles(label, "surface", tuple(runs), found.surfaces, found.sulc, found.t1w, (*notes, *found.notes))


def table_beside(pair: Pair, notes: list[str]) -> Path | None:
    """Find the confound table of a run in its folder, by its name."""
    files = files_in([pair.left.parent])
    tables = [f for f in files if f.extension in (".tsv", ".txt", ".csv") and _is_table(f.path.name)]
    found = [f for f in tables if _same_run(f, pair)]
    if not found:
        return None
    best = min(found, key=lambda f: (f.extension != ".tsv", f.path.name))
    if len(found) > 1:
        notes.append(f"there are {len(found)} confound tables for {pair.name}: {best.path.name} is used")
    return best.path


def _is_table(name: str) -> bool:
    return any(word in name.casefold() for word in _TABLE_WORDS)


def _same_run(table: BidsFile, pair: Pair) -> bool:
    if pair.entities:
        return table.run == pair.entities and table.get("subject") == parse_name(pair.left).get("subject")
    return not table.run and table.path.name.startswith(pair.name)
