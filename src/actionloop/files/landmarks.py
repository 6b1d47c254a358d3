"""Landmarks of a head that somebody marked, from a JSON or TSV file."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actionloop.errors import InputError
from actionloop.files.opening import check_file
from actionloop.types import FloatArray

FIDUCIALS = ("nasion", "inion", "left", "right")
_FORM = 'give {"nasion": [x, y, z], "inion": ..., "left": ..., "right": ...} or a table with columns name, x, y, z'
_LARGEST_BYTES = 1_000_000
# A head is larger than this in millimetres and smaller than this in metres or centimetres.
_LEAST_SPREAD_MM, _MOST_MM = 50.0, 2000.0


def read_fiducials(path: str | Path) -> dict[str, FloatArray]:
    """Read where nasion, inion and the two tragi lie.

    Parameters
    ----------
    path : path
        '.json': an object of the four names, each with three numbers; '.tsv': columns name, x, y, z.

    Returns
    -------
    dict of str to (3,) float64 ndarray
        'nasion', 'inion', 'left' and 'right' (the person's own), RAS mm of the T1.

    Raises
    ------
    InputError
        Another kind of file; a landmark missing, unknown or named twice; values that are no numbers, or no millimetres.
    """
    path = check_file(path)
    if path.stat().st_size > _LARGEST_BYTES:
        raise InputError(f"the file has {path.stat().st_size:,} bytes: no list of landmarks", where=path, fix=_FORM)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the file of landmarks is no text", where=path, fix=_FORM) from error
    if path.suffix.lower() == ".json":
        stated = _from_json(text, path)
    elif path.suffix.lower() in (".tsv", ".txt"):
        stated = _from_table(text, path)
    else:
        raise InputError(f"landmarks are read from .json or .tsv, not {path.suffix!r}", where=path, fix=_FORM)
    unknown, missing = sorted(set(stated) - set(FIDUCIALS)), [name for name in FIDUCIALS if name not in stated]
    if unknown or missing:
        told = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(unknown)}"] * bool(unknown)
        raise InputError(
            f"expected the landmarks {', '.join(FIDUCIALS)}; {'; '.join(told)}",
            where=path,
            fix=f"{_FORM}; left and right are the person's own ears",
        )
    places = {name: _place(name, stated[name], path) for name in FIDUCIALS}
    spread = float(np.ptp(np.stack(list(places.values())), axis=0).max())
    if not spread >= _LEAST_SPREAD_MM:
        raise InputError(
            f"all four landmarks lie within {spread:.2g}: no head in millimetres",
            where=path,
            fix="give RAS millimetres of the T1, not metres or voxels",
        )
    return places


def _from_json(text: str, path: Path) -> Mapping[str, Any]:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _require_distinct([name for name, _ in pairs], path)
        return dict(pairs)

    try:
        stated = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file of landmarks is no JSON ({error})", where=path, fix=_FORM) from error
    if not isinstance(stated, dict):
        raise InputError("the file of landmarks holds no JSON object", where=path, fix=_FORM)
    return stated


def _from_table(text: str, path: Path) -> Mapping[str, Any]:
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    if not rows or set(rows[0]) != {"name", "x", "y", "z"}:
        raise InputError("expected a table of landmarks: rows of name, x, y and z", where=path, fix=_FORM)
    names = [str(row["name"]).strip() for row in rows]
    _require_distinct(names, path)
    return {name: [row[axis] for axis in "xyz"] for name, row in zip(names, rows, strict=True)}


def _require_distinct(names: list[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"named twice: {', '.join(twice)}", where=path, fix="keep the right one of each")


def _place(name: str, stated: Any, path: Path) -> FloatArray:
    three = isinstance(stated, list) and len(stated) == 3 and not any(isinstance(value, bool) for value in stated)
    try:
        place = np.array([float(value) for value in stated] if three else [np.nan])
    except (TypeError, ValueError, OverflowError):
        place = np.array([np.nan])
    if not np.isfinite(place).all() or np.abs(place).max() > _MOST_MM:
        raise InputError(f"the landmark {name!r} is not three numbers in millimetres", where=path, fix=_FORM)
    return place
