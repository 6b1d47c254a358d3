"""Files kept line by line, so that what was only read is written back character for character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.types import Image


@dataclass(frozen=True, eq=False)
class Line:
    """One line of the file, its line end, and the entry that was read from it.

    Attributes
    ----------
    text, end : str
    section : str
        First column of the heading that a row stands under; empty for comments and headings.
    raw : mapping of str to str
        A row's cells by column, as they stand in the text.
    entry : Entry or None
    """

    text: str
    end: str
    section: str = ""
    raw: Mapping[str, str] = field(default_factory=dict)
    entry: Entry | None = None


@dataclass(frozen=True, eq=False)
class LinedFile(NavigationFile):
    """A file with all its lines.

    Attributes
    ----------
    lines : tuple of Line
    """

    lines: tuple[Line, ...] = ()


def lines_of(text: str) -> list[Line]:
    """Part a text into its lines, each with the line end that it has."""
    parts = re.finditer(r"([^\r\n]*)(\r\n|\r|\n|\Z)", text)
    return [Line(part[1], part[2]) for part in parts if part[0]]


def write_as_read(found: NavigationFile, *, system: str) -> str:
    """Write a file that was only read: every character as it was, without the entries that were taken out.

    Parameters
    ----------
    found : NavigationFile
        From the reader of `system`. `entries` may be fewer; none may be changed or new.
    system : str
        As in `NavigationFile.system`.

    Returns
    -------
    str
        With the line ends of the text that was read.

    Raises
    ------
    InputError
        Read from another system's file, or an entry was changed or added.
    """
    where = found.source or None
    fix = "write edited and new poses as poses of their image, not as entries of a file"
    if not isinstance(found, LinedFile) or found.system != system:
        raise InputError(f"this was read from a {found.system} file, not from a {system} one", where=where, fix=fix)
    wanted = {id(entry.raw): entry for entry in found.entries}
    pieces = []
    for line in found.lines:
        if line.entry is not None:
            entry = wanted.pop(id(line.entry.raw), None)
            if entry is None:
                continue
            if not _is_unchanged(entry, line):
                raise InputError(f"{entry.label!r} was changed after it was read", where=where, fix=fix)
        pieces.append(line.text + line.end)
    if wanted:
        label = next(iter(wanted.values())).label
        raise InputError(f"{label!r} was not read from this file", where=where, fix=fix)
    return "".join(pieces)


def require_kept(kept: NavigationFile, image: Image) -> None:
    """Refuse to write back entries of a file that says that it belongs to another image.

    Raises
    ------
    GeometryError
    """
    why = replace(kept.tie, frame=image.frame).why_not(image.tie) if kept.tie else ""
    if why:
        raise GeometryError(
            f"the file whose entries are to be written back {why}",
            where=kept.source or None,
            fix="give the image that the file was exported with",
        )


def _is_unchanged(entry: Entry, line: Line) -> bool:
    first = line.entry
    if first is None or "\t".join(entry.raw.values()) != line.text:
        return False
    same_pose = (entry.matrix is None) == (first.matrix is None) and (
        entry.matrix is None or first.matrix is None or np.array_equal(entry.matrix, first.matrix)
    )
    words = (entry.kind, entry.label, entry.note) == (first.kind, first.label, first.note)
    return same_pose and words and np.array_equal(entry.xyz_ras, first.xyz_ras)
