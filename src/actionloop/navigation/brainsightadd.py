"""New targets beside those of a Brainsight file that is otherwise written back as it was."""

from __future__ import annotations

from collections.abc import Sequence

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.navigation.brainsighttext import AXES, PLACE
from actionloop.navigation.conventions import image_frame
from actionloop.navigation.found import NavigationFile
from actionloop.navigation.verbatim import lines_of, require_kept, write_as_read
from actionloop.types import Image

_HEADING = ("# Target Name", *PLACE, *AXES)


def add_to_brainsight(kept: NavigationFile, rows: Sequence[str], said: Sequence[str], *, image: Image) -> str:
    """Write a file back as it was, with new rows at the end of its targets.

    Parameters
    ----------
    kept : NavigationFile
        From `read_brainsight_file`.
    rows : sequence of str
        Targets, tab-separated: name, place and axes in RAS mm of `image`.
    said : sequence of str
        What a comment says of each.
    image : Image

    Returns
    -------
    str

    Raises
    ------
    GeometryError
        The file belongs to another image; or it is in other coordinates than the new rows, has other columns, or has
        one of their names already.
    InputError
        Not a Brainsight file, or an entry was changed.
    """
    require_kept(kept, image)
    text = write_as_read(kept, system="Brainsight")
    if not rows:
        return text
    _require_same_frame(kept, image)
    _require_new_names(kept, rows)
    lines = [line.text + line.end for line in lines_of(text)]
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    headings = [number for number, line in enumerate(lines) if line.startswith("# ") and "\tLoc. X\t" in line]
    start = next((number for number in headings if lines[number].split("\t")[0] == _HEADING[0]), None)
    about = [f"# {facts.notice()}", f"# image header sha256 of the targets named below: {image.header_sha256}"]
    comments = [line + end for line in (*about, *(f"# {one}" for one in said))]
    added = [row + end for row in rows]
    if start is None:
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        return "".join([*lines, *comments, "\t".join(_HEADING) + end, *added])
    if tuple(cell.strip() for cell in lines[start].split("\t")) != _HEADING:
        raise GeometryError(
            "the targets of this Brainsight file have other columns than name, place and axes, so no row can be added",
            where=kept.source or None,
            fix="export the new poses to a file of their own",
        )
    stop = next((number for number in headings if number > start), len(lines))
    # Empty lines and comments before the next heading belong to that one.
    while stop - 1 > start and (lines[stop - 1].startswith("#") or not lines[stop - 1].strip()):
        stop -= 1
    if not lines[stop - 1].endswith(("\n", "\r")):
        lines[stop - 1] += end
    return "".join([*lines[:start], *comments, *lines[start:stop], *added, *lines[stop:]])


def _require_same_frame(kept: NavigationFile, image: Image) -> None:
    frame = image_frame(image)
    wanted = (f"NIfTI:{frame.name}", f"NIfTI:{frame.form}:{frame.name}")
    if kept.space != "RAS" or kept.frame not in wanted:
        raise GeometryError(
            f"the file is in {kept.frame} ({kept.space}), the new poses are in {wanted[0]} (RAS) of their image: they "
            "cannot stand in one file",
            where=kept.source or None,
            fix="export the new poses to a file of their own",
        )


def _require_new_names(kept: NavigationFile, rows: Sequence[str]) -> None:
    there = {entry.label for entry in kept.entries if entry.kind == "target"}
    twice = next((name for name in (row.split("\t")[0] for row in rows) if name in there), None)
    if twice is not None:
        raise GeometryError(
            f"the file has a target named {twice!r} already; the navigator could not tell them apart",
            where=kept.source or None,
            fix="rename one of them",
        )
