"""A person given as bare paths: series, surfaces and T1 without any data set around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.bids import in_words, listed, parse_name, run_name, without_prefix
from actionloop.files.meshes import Assembled, assemble
from actionloop.files.person import PersonFiles, RunFiles, SurfaceSpace, check_present
from actionloop.files.sidecar import repetition_time
from actionloop.files.surfacefiles import EXTENSIONS, Pair, pair_up, run_of_pair, says_cleaned

_CIFTI = (".dtseries.nii", ".ptseries.nii")
_TEMPLATES = ("MNI", "fs", "Talairach", "OASIS", "PNC", "NKI", "UNC", "dhcp")
_FREESURFER = ("lh.white", "rh.white", "lh.pial", "rh.pial")


def bare_person(
    label: str,
    *,
    bold: Sequence[str | Path],
    surfaces: str | Path | Sequence[str | Path] | None = None,
    t1w: str | Path | None = None,
    confounds: Sequence[str | Path] = (),
    outliers: Sequence[str | Path] = (),
    tr_s: float | None = None,
) -> PersonFiles:
    """Describe a person from bare paths.

    Parameters
    ----------
    label : str
    bold : sequence of path
        CIFTI series, or left and right surface series (paired by name); one or more runs.
    surfaces : path or sequence of path, optional
        A folder, or the files; hemisphere and kind are read from the names.
    t1w : path, optional
        The T1 that the surfaces belong to.
    confounds, outliers : sequence of path
        One per run, in the order of the runs, or none. Without confounds the series are taken as cleaned.
    tr_s : float, optional
        Repetition time; otherwise from sidecar or CIFTI header.

    Returns
    -------
    PersonFiles

    Raises
    ------
    InputError
        A file that is missing, empty or of the wrong kind, a series without its other half, numbers of files that
        do not agree, or a folder without surfaces.
    """
    paths = [Path(p) for p in bold]
    check_present(paths)
    items = _in_given_order(paths)
    tables, masks = (_one_per_run(each, items, what) for each, what in ((confounds, "confound"), (outliers, "outlier")))
    notes: list[str] = []
    runs = tuple(_run(item, table, mask, tr_s, notes) for item, table, mask in zip(items, tables, masks, strict=True))
    return _person(label, runs, _surfaces(surfaces, paths), _t1(t1w), notes)


def bare_geometry(
    label: str,
    *,
    surfaces: str | Path | Sequence[str | Path] | None = None,
    t1w: str | Path | None = None,
) -> PersonFiles:
    """Describe a person without a scan, for whom a finished map is given: surfaces and T1 as for `bare_person`.

    Raises
    ------
    InputError
        As `bare_person`.
    """
    return _person(label, (), _surfaces(surfaces, ()), _t1(t1w), [])


def _person(
    label: str, runs: tuple[RunFiles, ...], found: Assembled, image: Path | None, notes: list[str]
) -> PersonFiles:
    if image is None:
        notes.append("no T1 was given")
    if found.surfaces is None:
        notes.append("no surfaces were given")
    person = PersonFiles(
        label=without_prefix(label, "sub"),
        layout="bare",
        runs=runs,
        surfaces=found.surfaces,
        sulc=found.sulc,
        t1w=image,
        notes=(*notes, *found.notes),
    )
    check_present(person.files)
    return person


def _in_given_order(paths: Sequence[Path]) -> list[Path | Pair]:
    if not paths:
        raise InputError("no series was given", fix="give one or more with --bold")
    for path in paths:
        if not path.name.endswith((*_CIFTI, *EXTENSIONS)):
            raise InputError(
                "expected a CIFTI series (.dtseries.nii, .ptseries.nii) or surface series (.func.gii, .mgz, .mgh)",
                where=path,
                fix="volumes must be sampled to the surface first, e.g. by fMRIPrep with --cifti-output 91k",
            )
    pairs = pair_up(p for p in paths if not p.name.endswith(_CIFTI))
    items: list[Path | Pair] = []
    for path in paths:
        item = path if path.name.endswith(_CIFTI) else next((p for p in pairs if path in (p.left, p.right)), None)
        if item is None:
            raise InputError(
                "this file was not recognised as the left or right half of a surface series",
                where=path,
                fix="put hemi-L, lh or L into the name of the left file, and hemi-R, rh or R into that of the right",
            )
        if item not in items:
            items.append(item)
    return items


def _one_per_run(given: Sequence[str | Path], items: Sequence[object], what: str) -> list[Path | None]:
    files = [Path(p) for p in given]
    if not files:
        return [None] * len(items)
    if len(files) != len(items):
        raise InputError(
            f"{len(files)} {what} files were given for {len(items)} runs",
            where=files[0],
            fix="give one per run, in the order of the runs",
        )
    return [*files]


def _run(item: Path | Pair, table: Path | None, mask: Path | None, tr_s: float | None, notes: list[str]) -> RunFiles:
    first = item if isinstance(item, Path) else item.left
    if table is None and not says_cleaned(first):
        notes.append("no confound table was given: the series are taken as cleaned already")
    if isinstance(item, Pair):
        run = run_of_pair(item, root=first.parent, confounds=table, cleaned=table is None, notes=notes, tr_s=tr_s)
        return RunFiles(**{**vars(run), "outliers": mask})
    if tr_s is None:
        tr_s, tr_notes = repetition_time([first], root=first.parent)
        notes += tr_notes
    entities = parse_name(first).run
    return RunFiles(
        paths=(first,),
        kind="parcels" if first.name.endswith(".ptseries.nii") else "cifti",
        space="fsLR32k",
        cleaned=table is None,
        filtered=False,
        tr_s=tr_s,
        entities=entities,
        name=run_name(entities) if entities else first.name.removesuffix(_CIFTI[0]).removesuffix(_CIFTI[1]),
        confounds=table,
        outliers=mask,
        motion=table,
    )


def _surfaces(given: str | Path | Sequence[str | Path] | None, series: Sequence[Path]) -> Assembled:
    if given is None:
        return Assembled(None, {})
    if isinstance(given, (str, Path)):
        folder = Path(given)
        if not folder.exists():
            raise InputError("the surfaces folder does not exist", where=folder)
        files = _in_folder(folder) if folder.is_dir() else [folder]
    else:
        files = [Path(p) for p in given]
        check_present(files)
        folder = files[0].parent if files else Path()
    space = _space_of(files[0].parent if files else folder)
    found = Assembled(None, {})
    if any("MSMAll" in path.name for path in series):
        found = assemble(files, space=space, registration="MSMAll")
    if found.surfaces is None:
        found = assemble(files, space=space)
    if found.rivals:
        raise InputError(
            f"there are surfaces of more than one person: {in_words((found.group, *found.rivals))}",
            where=folder,
            fix="name the files one by one, or give a folder with one person's surfaces",
        )
    if found.surfaces is None:
        binaries = any(path.name in _FREESURFER for path in files)
        raise InputError(
            "no white, pial or midthickness surfaces were recognised by name "
            f"(found {in_words((p.name for p in files), limit=5)}){': ' + found.notes[0] if found.notes else ''}",
            where=folder,
            fix="convert FreeSurfer surfaces with mris_convert --to-scanner and resample them to fsLR-32k"
            if binaries
            else "name GIFTI files like sub-01_hemi-L_den-32k_white.surf.gii or 01.L.pial.32k_fs_LR.surf.gii",
        )
    return found


def _in_folder(folder: Path) -> list[Path]:
    files = [p for p in listed(folder) if not p.is_dir()]
    if any(p.name.endswith(".surf.gii") for p in files):
        return files
    for inner in (folder / "fsaverage_LR32k", folder / "T1w" / "fsaverage_LR32k", folder / "anat"):
        if inner.is_dir():
            return [p for p in listed(inner) if not p.is_dir()]
    return files


def _space_of(folder: Path) -> SurfaceSpace:
    parts = folder.resolve().parts
    if "MNINonLinear" in parts:
        return "standard"
    return "native" if parts[-2:] == ("T1w", "fsaverage_LR32k") else "unknown"


def _t1(given: str | Path | None) -> Path | None:
    if given is None:
        return None
    path = Path(given)
    check_present([path])
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError("expected a T1 in NIfTI format (.nii or .nii.gz)", where=path, fix="convert it, e.g. dcm2niix")
    space = parse_name(path).get("space") or ""
    if space.startswith(_TEMPLATES):
        raise InputError(
            f"this T1 is in the space of a template ({space}): positions on it are not positions in the person's head",
            where=path,
            fix="give the T1 in the person's own space, e.g. sub-01_desc-preproc_T1w.nii.gz",
        )
    return path
