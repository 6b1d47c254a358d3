"""`actionloop check-export`: what a navigation file holds, as a table and sentences or as JSON."""

from __future__ import annotations

import io
import json as jsonlib
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from actionloop import facts
from actionloop.cli.options import Flag, Verbose
from actionloop.cli.streams import put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actionloop.pipeline import ExportCheck
    from actionloop.pipeline.checkedexport import CheckedEntry

_WIDTH, _NARROWEST = 110, 72
# A session has thousands of samples; the terminal shows the first, JSON all.
_MOST_ROWS = 40


def check_export(
    file: Path,
    /,
    *,
    image: Path | None = None,
    surfaces: Path | None = None,
    system: str | None = None,
    assume: Literal["RAS", "LPS"] | None = None,
    axes: Literal["simnibs", "brainsight", "localite"] | None = None,
    json: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Tell what a navigation file holds; with --image, where each pose points on that head. Writes nothing.

    Reads files of any system that actionloop knows. The exit code is 0 when nothing speaks against the file, and 1 when
    a pose must not be used: another image, another head, out of the head, sides that contradict each other.

    Parameters
    ----------
    file
        The navigation file; the sidecar of a NIBS-BIDS table is found beside it.
    image
        T1 (not defaced) that the poses are to be used on.
    surfaces
        Folder of the person's own surfaces, in the space of the image; without them the template's cortex is laid into
        the head by its scalp, and regions are approximate.
    system
        The file's system, such as brainsight or localite; found by its contents when left out.
    assume
        RAS or LPS, where the file does not tell which way its axes point.
    axes
        Coil axes of a Slicer or NIBS-BIDS file that does not state them.
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline

    request = pipeline.CheckExportRequest(file, image, surfaces, system, assume, axes)
    found = pipeline.check_export(request)
    put(as_json(found) if json else as_text(found))
    return 0 if found.usable else 1


def as_json(found: ExportCheck) -> str:
    """Write everything as JSON, with the notice; what is not known is null."""
    return jsonlib.dumps({"notice": facts.notice(), "usable": found.usable, **asdict(found)}, indent=2, allow_nan=False)


def as_text(found: ExportCheck) -> str:
    """Write it for a person to read: what the file is, warnings, a table, where each pose points."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = io.StringIO()
    width = max(_NARROWEST, shutil.get_terminal_size((_WIDTH, 24)).columns)
    console = Console(
        file=stream,
        width=width,
        force_terminal=sys.stdout.isatty(),
        highlight=False,
        markup=False,
        emoji=False,
    )
    facts_of = Table.grid(padding=(0, 2))
    facts_of.add_column(no_wrap=True)
    facts_of.add_column(overflow="fold")
    for name, value in _facts(found):
        facts_of.add_row(Text(name), Text(_plain(value)))
    console.print(facts_of)
    for warned in found.warnings:
        label = f"{_plain(warned.label)}: " if warned.label else ""
        head = Text("WARNING " if warned.unusable else "note ", style="bold red" if warned.unusable else "")
        console.print(head + Text(f"{label}{_plain(warned.what)}", style=""))
    shown = found.entries[:_MOST_ROWS]
    if shown:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        table.add_column("label", overflow="fold", max_width=32)
        table.add_column("kind")
        for name in ("x mm", "y mm", "z mm"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("by name")
        table.add_column("by x")
        table.add_column("axes", no_wrap=True)
        table.add_column("note", overflow="fold")
        for one in shown:
            table.add_row(*map(Text, _cells(one)))
        console.print(table)
    for one in shown:
        if one.points_at:
            console.print(Text(f"{_plain(one.label)}: {_plain(one.points_at)}"))
    if len(found.entries) > len(shown):
        console.print(f"{len(found.entries) - len(shown)} more entries are not shown here; --json has all of them.")
    for note in found.notes:
        console.print(Text(_plain(note)))
    console.print(Text(facts.notice()))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def _facts(found: ExportCheck) -> Iterator[tuple[str, str]]:
    yield "file", found.file
    version = f", version {found.version}" if found.version else ""
    yield "system", f"{found.name}{version}"
    checked = "tried on real files of this system" if found.verified else "UNVERIFIED: no real file was at hand"
    yield "format", checked
    yield "frame", f"{found.frame} (axes: {found.space})"
    if found.tie is not None:
        voxels = found.tie.voxels_sha256[:12] or "not stated"
        yield "made on", f"image with header {found.tie.header_sha256[:12]}, voxels {voxels}"
    if found.image is not None:
        image = found.image
        yield (
            "image",
            f"{image.path} (header {image.header_sha256[:12]}, voxels {image.voxels_sha256[:12]}; {image.form})",
        )
        other = "another header" if image.differs == "header" else "the same header, other voxels"
        words = {True: "yes", False: f"NO: {other}", None: "not known: the file names no image"}
        yield "same image", words[image.same]
        yield "cortex", image.cortex
    counts = ", ".join(f"{n} {kind}{'s' if n != 1 else ''}" for kind, n in found.counts.items())
    yield "holds", counts or "no poses and no points"
    for left_out in found.skipped:
        yield "left out", left_out


def _cells(one: CheckedEntry) -> list[str]:
    axes = "-"
    if one.determinant is not None and one.off_square_deg is not None:
        axes = f"det {one.determinant:+.2f}, {one.off_square_deg:.1f}° off square"
    places = [f"{value:+.1f}" for value in one.xyz_ras]
    return [_plain(one.label), one.kind, *places, one.side_by_name or "-", one.side_by_x or "?", axes, _plain(one.note)]


def _plain(text: str) -> str:
    """One line without control characters, so that no label can move the cursor or change colours."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
