"""Series of voxels that fMRIPrep or tedana left: what can be told of people whose data were never put on the cortex."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.bids import BidsFile, beside, data_folders, files_in, listed, parse_name, run_name
from actionloop.files.opening import check_file, load
from actionloop.files.sidecar import repetition_time

TEDANA_SERIES = ("desc-denoised_bold.nii.gz", "desc-optcomDenoised_bold.nii.gz", "dn_ts_OC.nii.gz")
_METRICS = ("desc-tedana_metrics.tsv", "ica_metrics.tsv", "comp_table_ica.tsv")
_DEPTH = 4


@dataclass(frozen=True)
class VolumeRun:
    """One run as voxels.

    Attributes
    ----------
    path : Path
    name : str
    entities : mapping of str to str
    n_frames : int
    tr_s : float or None
        Sidecar, else header; None where neither states it.
    confounds : Path or None
        fMRIPrep's table.
    components : mapping of str to int
        tedana's components by classification ('accepted', 'rejected'); empty for other pipelines.
    """

    path: Path
    name: str
    entities: Mapping[str, str]
    n_frames: int
    tr_s: float | None
    confounds: Path | None = None
    components: Mapping[str, int] = field(default_factory=dict)


def fmriprep_volumes(root: Path, person: Path) -> list[VolumeRun]:
    """Describe the volume series of a person in fMRIPrep's output, one per run, by their headers alone.

    Parameters
    ----------
    root, person : Path

    Returns
    -------
    list of VolumeRun
        Empty where there are none.

    Raises
    ------
    InputError
        A file that cannot be read.
    """
    files = files_in(data_folders(person, "func"))
    tables = [file for file in files if file.get("desc") == "confounds"]
    found: dict[str, BidsFile] = {}
    for file in files:
        whole = file.get("echo") is None and file.get("part") in (None, "mag")
        if file.suffix == "bold" and file.extension == ".nii.gz" and file.get("desc") == "preproc" and whole:
            found.setdefault(run_name(file.run), file)
    runs = []
    for file in found.values():
        table = beside(tables, file.run, suffixes=("timeseries", "regressors"))
        runs.append(_run(file, root, table.path if table else None, {}))
    return runs


def tedana_people(root: Path) -> dict[str, list[Path]]:
    """Return tedana's output folders in a data set, by label: 'sub-' in a file's or a folder's name, else the folder's.

    Parameters
    ----------
    root : Path

    Returns
    -------
    dict of str to list of Path
        Denoised series, in a fixed order.
    """
    people: dict[str, list[Path]] = {}
    for path in _walk(root, _DEPTH):
        if path.name.endswith(TEDANA_SERIES) and _metrics(path) is not None:
            folders = (part for part in path.relative_to(root).parts[:-1] if part.startswith("sub-"))
            label = parse_name(path).get("subject") or next(folders, root.resolve().name).removeprefix("sub-")
            people.setdefault(label.split("_")[0], []).append(path)
    return people


def find_tedana(root: Path, paths: Sequence[Path]) -> list[VolumeRun]:
    """Describe a person's denoised series of tedana.

    Parameters
    ----------
    root : Path
    paths : sequence of Path
        From `tedana_people`.

    Returns
    -------
    list of VolumeRun

    Raises
    ------
    InputError
        A file that cannot be read.
    """
    return [_run(parse_name(path), root, None, _components(path)) for path in paths]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for entry in listed(folder):
        if not entry.is_dir():
            yield entry
        elif depth and entry.name not in ("figures", "work", "anat"):
            yield from _walk(entry, depth - 1)


def _metrics(series: Path) -> Path | None:
    ending = next(end for end in TEDANA_SERIES if series.name.endswith(end))
    stem = series.name.removesuffix(ending)
    return next((p for p in (series.with_name(stem + end) for end in _METRICS) if p.is_file()), None)


def _components(series: Path) -> dict[str, int]:
    path = _metrics(series)
    if path is None:
        return {}
    try:
        lines = check_file(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"expected a table in plain text ({error})", where=path) from error
    names = lines[0].split("\t") if lines else []
    if "classification" not in names:
        raise InputError(
            "tedana's table of components has no column classification", where=path, fix="run tedana to its end"
        )
    column = names.index("classification")
    kinds = [cells[column].strip() for cells in (line.split("\t") for line in lines[1:]) if len(cells) > column]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _run(file: BidsFile, root: Path, confounds: Path | None, components: Mapping[str, int]) -> VolumeRun:
    image = load(file.path, "NIfTI series (.nii.gz)")
    shape = tuple(getattr(image, "shape", ()))
    if len(shape) != 4:
        raise InputError(f"expected a series of volumes, found shape {shape}", where=file.path)
    stated, _ = repetition_time([file.path], root=root)
    zooms = image.header.get_zooms()
    unit = {"sec": 1.0, "msec": 1e-3}.get(image.header.get_xyzt_units()[1])
    header = float(zooms[3]) * unit if unit and zooms[3] > 0 else None
    name = run_name(file.run) if file.run else file.path.parent.name
    return VolumeRun(file.path, name, file.run, shape[3], stated or header, confounds, components)
