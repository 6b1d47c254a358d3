"""The text of a Brainsight file: lines, comments, headings, rows, numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from actionloop.errors import InputError
from actionloop.navigation.verbatim import Line
from actionloop.types import FloatArray

OLDEST, NEWEST = 7, 14
NOTHING = "(null)"
OURS = "actionloop frame"
OURS_SHA256 = "actionloop image header sha256"
OURS_VOXELS = "actionloop image voxels sha256"
PLACE = ("Loc. X", "Loc. Y", "Loc. Z")
# mXnY is coordinate Y of axis X: the axes in reading order are the columns of the matrix.
AXES = tuple(f"m{axis}n{coordinate}" for axis in range(3) for coordinate in range(3))

NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")
_MOST_CHARACTERS = 100_000_000


def read_lines(text: str, *, source: str) -> tuple[Line, ...]:
    """Part a text into lines, and rows into cells; a section is named after its first column.

    Raises
    ------
    InputError
        Too large, a row before the first heading, or with fewer cells than its heading.
    """
    if len(text) > _MOST_CHARACTERS:
        raise InputError(f"the file has {len(text):,} characters, more than any export", where=source or None)
    lines: list[Line] = []
    columns: list[str] = []
    for number, found in enumerate(re.finditer(r"([^\r\n]*)(\r\n|\r|\n|\Z)", text), start=1):
        line, end = found.groups()
        if not line and not end:
            break
        bare = line.lstrip("\ufeff")
        cells = line.split("\t")
        if bare.startswith("#") and "Loc. X" in cells:
            columns = [bare[1:].split("\t")[0].strip(), *(cell.strip() for cell in cells[1:])]
            lines.append(Line(line, end))
        elif not bare.strip() or (bare.startswith("#") and (len(cells) == 1 or not columns)):
            lines.append(Line(line, end))
        elif not columns:
            raise _no_brainsight(source)
        elif len(cells) < len(columns):
            raise InputError(
                f"line {number} has {len(cells)} columns, expected {len(columns)}",
                where=source or None,
                fix="the file is truncated or was edited; export it again",
            )
        else:
            names = [*columns, *(f"column {i + 1}" for i in range(len(columns), len(cells)))]
            unique = [f"{name} ({i + 1})" if name in names[:i] else name for i, name in enumerate(names)]
            lines.append(Line(line, end, columns[0], dict(zip(unique, cells, strict=True))))
    return tuple(lines)


def read_header(lines: Sequence[Line], *, source: str) -> dict[str, str]:
    """Read the comments 'key: value'; of equal keys the first.

    Raises
    ------
    InputError
        No version or coordinate system, one that is not known, two coordinate systems, or other units.
    """
    header: dict[str, str] = {}
    for line in lines:
        text = line.text.lstrip("\ufeff")
        if line.raw or not text.startswith("#"):
            continue
        key, _, value = (piece.strip() for piece in text[1:].partition(":"))
        if key == "Coordinate system" and header.get(key, value) != value:
            raise InputError(
                f"the file names two coordinate systems, {header[key]!r} and {value!r}",
                where=source or None,
                fix="files were joined by hand; export again from Brainsight",
            )
        header.setdefault("Units" if key.lower() == "units" else key, value)
    if "Version" not in header or "Coordinate system" not in header:
        raise _no_brainsight(source)
    version = header["Version"]
    if not re.fullmatch(r"[0-9]{1,3}", version) or not OLDEST <= int(version) <= NEWEST:
        raise InputError(
            f"Brainsight file version {version[:20]!r} is not known ({OLDEST} to {NEWEST})",
            where=source or None,
            fix="export again in a version that is known",
        )
    if not re.match(r"millimet(?:re|er)s", header.get("Units", "millimetres")):
        raise InputError(
            f"expected millimetres, the file says {header['Units'][:60]!r}",
            where=source or None,
            fix="export again in millimetres",
        )
    return header


def planned_landmarks(lines: Sequence[Line], *, source: str) -> dict[str, FloatArray]:
    """Landmarks on the image, mm as written."""
    return {
        line.raw["Planned Landmark Name"]: np.array(numbers(line, PLACE, source))
        for line in lines
        if line.section == "Planned Landmark Name" and is_placed(line)
    }


def is_placed(line: Line) -> bool:
    """Whether any coordinate of a row's place is given."""
    return any(line.raw.get(column, NOTHING) != NOTHING for column in PLACE)


def numbers(line: Line, columns: Sequence[str], source: str) -> list[float]:
    """Read finite numbers from a row's cells.

    Raises
    ------
    InputError
        A cell is missing, empty or no number.
    """
    cells = [line.raw.get(column, NOTHING).strip() for column in columns]
    if all(NUMBER.fullmatch(cell) for cell in cells):
        return [float(cell) for cell in cells]
    comma = any(NUMBER.fullmatch(cell.replace(",", ".")) and "," in cell for cell in cells)
    raise InputError(
        f"the row {next(iter(line.raw.values()))[:60]!r} lacks numbers under {columns[0]} to {columns[-1]}"
        + (" (decimal commas)" if comma else ""),
        where=source or None,
        fix="set a decimal point in Brainsight and export again" if comma else "the file is damaged; export it again",
    )


def _no_brainsight(source: str) -> InputError:
    return InputError(
        "this is not a Brainsight text file (no '# Version:', no '# Coordinate system:' or no heading)",
        where=source or None,
        fix="export targets and samples from Brainsight as text",
    )
