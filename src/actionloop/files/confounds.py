"""Confound tables and motion parameters, as fMRIPrep, XCP-D and the HCP pipelines write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from actionloop.errors import InputError
from actionloop.files.opening import check_file
from actionloop.files.sidecar import read_json
from actionloop.types import BoolArray, FloatArray

MOTION_NAMES = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# Differences between frames have no value at the first one.
_DIFFERENCE = re.compile(r"derivative|displacement|^fd$|dvars|rmsd", re.IGNORECASE)
_DISPLACEMENT_NAMES = ("framewise_displacement", "FramewiseDisplacement", "FD", "fd")
_MISSING = ("", "n/a", "na", "nan", "null")
# No head turns this far in a scanner: rotations above it are degrees.
_LARGEST_ROTATION_RAD = 1.0


@dataclass(frozen=True, eq=False)
class Confounds:
    """A table with one row per frame.

    Attributes
    ----------
    names : tuple of str
        Column names; empty when the file has no header.
    values : (frame, column) float64 ndarray
        NaN where the file says n/a.
    source : str
    """

    names: tuple[str, ...]
    values: FloatArray
    source: str

    @property
    def n_frames(self) -> int:
        """Number of rows."""
        return len(self.values)

    def columns(self, names: Sequence[str]) -> FloatArray:
        """Columns by name, shape (frame, len(names)).

        A difference between frames (a derivative, framewise displacement, DVARS) that is n/a at the first frame
        counts as 0 there.

        Raises
        ------
        InputError
            A column is not there, or has another missing value.
        """
        absent = [name for name in names if name not in self.names]
        if absent:
            has = ", ".join(self.names[:8]) + (" ..." if len(self.names) > 8 else "") or "no header"
            raise InputError(f"the table has no column {', '.join(absent)} (it has {has})", where=self.source)
        picked = np.array(self.values[:, [self.names.index(name) for name in names]])
        for column, name in enumerate(names):
            if np.isnan(picked[0, column]) and _DIFFERENCE.search(name):
                picked[0, column] = 0.0
        _require_whole(picked, names, self.source)
        return picked

    def numbered(self, prefix: str) -> tuple[str, ...]:
        """Names of the columns that are a prefix and a number, in the order of the numbers."""
        found = [name for name in self.names if name.startswith(prefix) and name[len(prefix) :].isdecimal()]
        return tuple(sorted(found, key=lambda name: int(name[len(prefix) :])))

    def everything(self) -> FloatArray:
        """All columns, shape (frame, column), by the same rule; for tables made to be regressed whole."""
        if self.names:
            return self.columns(self.names)
        _require_whole(self.values, [f"{i + 1}" for i in range(self.values.shape[1])], self.source)
        return self.values

    def framewise_displacement(self) -> FloatArray | None:
        """Framewise displacement in mm, shape (frame,), or None if the table has none."""
        name = next((n for n in _DISPLACEMENT_NAMES if n in self.names), None)
        return None if name is None else self.columns([name])[:, 0]

    def global_signal(self) -> FloatArray | None:
        """Global signal, shape (frame,), or None if the table has none."""
        return self.columns(["global_signal"])[:, 0] if "global_signal" in self.names else None

    def non_steady(self) -> BoolArray:
        """Frames before the steady state, as fMRIPrep marks them; shape (frame,)."""
        marks = [name for name in self.names if name.startswith("non_steady_state_outlier")]
        return (
            np.asarray(self.columns(marks).astype(bool).any(axis=1)) if marks else np.zeros(self.n_frames, dtype=bool)
        )


def _require_whole(values: FloatArray, names: Sequence[str], source: str) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"column {names[column]} has no number at frame {row + 1}"
            + (f" ({len(bad)} such cells in the columns that are needed)" if len(bad) > 1 else ""),
            where=source,
            fix="check the table; a value per frame is needed",
        )


def read_confounds(path: str | Path) -> Confounds:
    """Read a confound table: tab-, comma- or space-separated, with a header line or without.

    Parameters
    ----------
    path : path

    Returns
    -------
    Confounds

    Raises
    ------
    InputError
        Missing, empty, ragged, or with cells that are neither numbers nor n/a.
    """
    path = check_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"expected a table in plain text ({error})", where=path) from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError("the table is empty", where=path, fix="copy or make it again")
    separator = "\t" if "\t" in lines[0] else "," if "," in lines[0] else None
    rows = [_cells(line, separator) for line in lines]
    names = () if all(_number(cell) is not None for cell in rows[0]) else tuple(rows.pop(0))
    if not rows:
        raise InputError("the table has a header but no rows", where=path, fix="copy or make it again")
    if len(set(names)) != len(names):
        raise InputError("two columns of the table have the same name", where=path)
    width = len(names) or len(rows[0])
    values = np.empty((len(rows), width))
    for frame, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"row {frame + 1} has {len(row)} cells, expected {width}", where=path)
        for column, cell in enumerate(row):
            number = _number(cell)
            if number is None:
                name = names[column] if names else str(column + 1)
                raise InputError(f"expected a number in column {name}, row {frame + 1}, found {cell!r}", where=path)
            values[frame, column] = number
    return Confounds(names, values, str(path))


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"') for cell in (line.rstrip("\r\n").split(separator) if separator else line.split())]


def _number(cell: str) -> float | None:
    if cell.casefold() in _MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        return None


def components_of(table: Confounds, prefix: str) -> tuple[str, ...]:
    """Names of a table's numbered components, first one first.

    fMRIPrep before 21.0 numbered CompCor components of several tissues through; where the JSON file beside the table
    tells their tissues, only those of all tissues together ('combined') are taken.
    """
    names = table.numbered(prefix)
    beside = Path(table.source).with_suffix(".json")
    if not names or not beside.is_file():
        return names
    about = read_json(beside)
    masks = {name: about[name].get("Mask") for name in names if isinstance(about.get(name), dict)}
    return tuple(name for name in names if masks.get(name) in (None, "combined"))


def motion_parameters(table: Confounds, *, rotations: Literal["rad", "deg"] | None = None) -> FloatArray:
    """Return the six rigid-body parameters.

    Parameters
    ----------
    table : Confounds
        Named columns trans_x ... rot_z (fMRIPrep, XCP-D: mm and rad), or the HCP's Movement_Regressors.txt (12
        columns without a header: 3 translations in mm, 3 rotations in degrees, their derivatives).
    rotations : {'rad', 'deg'}, optional
        Unit of the rotations, where the file is neither.

    Returns
    -------
    (frame, 6) float64 ndarray
        Translations in mm, rotations in rad.

    Raises
    ------
    InputError
        The parameters are not there or their unit cannot be right.
    """
    if set(MOTION_NAMES) <= set(table.names):
        values, unit = table.columns(MOTION_NAMES), rotations or "rad"
    elif not table.names and table.values.shape[1] in (6, 12):
        is_hcp = Path(table.source).name.startswith("Movement_Regressors")
        if not is_hcp and rotations is None:
            raise InputError(
                "the motion table has no header, so the order and unit of its columns are unknown",
                where=table.source,
                fix=f"give a table with the columns {', '.join(MOTION_NAMES)} (mm and rad)",
            )
        values, unit = np.array(table.values[:, :6]), rotations or "deg"
        _require_whole(values, MOTION_NAMES, table.source)
    else:
        raise InputError(
            f"the motion parameters {', '.join(MOTION_NAMES)} are not in the table",
            where=table.source,
            fix="give fMRIPrep's confounds_timeseries.tsv, XCP-D's motion.tsv or the HCP's Movement_Regressors.txt",
        )
    if unit == "deg":
        values[:, 3:] = np.deg2rad(values[:, 3:])
    largest = float(np.abs(values[:, 3:]).max())
    if largest > _LARGEST_ROTATION_RAD:
        raise InputError(
            f"the head would have turned by {np.rad2deg(largest):.0f} degrees: the rotations are not in {unit}",
            where=table.source,
            fix="give rotations in rad",
        )
    return values


def require_frames(table: Confounds, n_frames: int, *, series: str | Path) -> None:
    """Refuse a table that does not have one row per frame.

    Raises
    ------
    InputError
    """
    if table.n_frames != n_frames:
        raise InputError(
            f"{Path(series).name} has {n_frames} frames, its table {Path(table.source).name} has {table.n_frames} rows",
            where=table.source,
            fix="check that both are of the same run and that no frames were cut from only one of them",
        )
