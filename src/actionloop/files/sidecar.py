"""JSON sidecars with BIDS inheritance, and the repetition time that they and the headers state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actionloop.errors import InputError
from actionloop.files.bids import BidsFile, listed, parse_name
from actionloop.files.peek import cifti_header, mgh_header

_AGREE = 0.01


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        Unreadable, not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise InputError(f"expected a JSON file ({error})", where=path, fix="correct or copy it again") from error
    if not isinstance(content, dict):
        raise InputError("expected a JSON object", where=path)
    return content


def sidecar(path: Path, *, root: Path) -> dict[str, Any]:
    """Metadata of a file: every JSON of its kind from `root` down whose entities it shares, nearer ones last.

    Parameters
    ----------
    path : Path
    root : Path
        The data set's folder; the search starts there.

    Returns
    -------
    dict
    """
    name = parse_name(path)
    folders = [path.parent]
    while folders[-1] != root and root in folders[-1].parents:
        folders.append(folders[-1].parent)
    merged: dict[str, Any] = {}
    for folder in reversed(folders):
        found = [
            parse_name(f) for f in listed(folder) if f.name.endswith(".json") and f.name != "dataset_description.json"
        ]
        for each in sorted((f for f in found if _describes(f, name)), key=lambda f: (len(f.entities), f.path.name)):
            merged.update(read_json(each.path))
    return merged


def _describes(json_file: BidsFile, name: BidsFile) -> bool:
    # fMRIPrep 20 wrote '_bold.dtseries.json' where later versions write '_bold.json'. A series whose name has no
    # suffix ('sub-01_task-rest.lh.mgz') is still described by a '_bold.json'.
    return (
        json_file.suffix in (name.suffix, name.suffix or "bold")
        and json_file.extension in (".json", f".{name.extension.split('.')[1]}.json")
        and json_file.entities.items() <= name.entities.items()
    )


def repetition_time(paths: Iterable[Path], *, root: Path) -> tuple[float | None, list[str]]:
    """Repetition time of a run, in seconds, and what is noteworthy of it.

    The sidecar wins. The header of a CIFTI series is believed where there is no sidecar; that of a surface file is
    not: it is often a default (1 s).

    Parameters
    ----------
    paths : iterable of Path
        The run's series files.
    root : Path
        The data set's folder.

    Returns
    -------
    tr_s : float or None
    notes : list of str

    Raises
    ------
    InputError
        A sidecar states a repetition time that is not a positive number.
    """
    first = next(iter(paths))
    is_cifti = first.name.endswith(".dtseries.nii")
    stated = _stated(sidecar(first, root=root).get("RepetitionTime"), first)
    if stated is None:
        stated = _of_same_run(first)
    header = header_tr_s(first)
    if stated is None:
        if is_cifti or header is None:
            return (header if is_cifti else None), []
        return None, [
            f"the header of {first.name} says TR {header:g} s, which surface files often state wrongly: not used"
        ]
    if header is not None and abs(header - stated) > _AGREE * stated:
        return stated, [f"the sidecar says TR {stated:g} s, the file header {header:g} s: the sidecar is used"]
    return stated, []


def _of_same_run(path: Path) -> float | None:
    # fMRIPrep before 20.2 wrote no sidecar for surface series, but one for the same run's volumes.
    name = parse_name(path)
    if not name.run:
        return None
    twins = [f for f in map(parse_name, listed(path.parent)) if f.extension == ".json" and f.suffix == "bold"]
    times = {_stated(read_json(f.path).get("RepetitionTime"), f.path) for f in twins if f.run == name.run} - {None}
    return times.pop() if len(times) == 1 else None


def header_tr_s(path: Path) -> float | None:
    """Repetition time that a CIFTI or FreeSurfer header states, in seconds, or None."""
    if path.name.endswith(".dtseries.nii"):
        return cifti_header(path).tr_s
    return mgh_header(path)[1].tr_s if path.suffix in (".mgh", ".mgz") else None


def _stated(value: object, path: Path) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InputError(f"the sidecar states the repetition time {value!r}; a number of seconds is needed", where=path)
    return float(value)
