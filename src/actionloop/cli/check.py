"""`actionloop check`: who has usable data, as a table or as JSON."""

from __future__ import annotations

import io
import json as jsonlib
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Who
from actionloop.cli.streams import put

if TYPE_CHECKING:
    from actionloop.pipeline import CheckReport
    from actionloop.pipeline.checked import PersonCheck

_WHO = Who()
_VERBOSE = Parameter(name=("--verbose", "-v"), negative="", show_default=False, help="Show the details of an error.")
# Okabe and Ito's bluish green, orange and vermilion; the word always stands beside the colour.
_COLOURS = {"green": "#009E73", "amber": "#E69F00", "red": "#D55E00"}
_WIDTH = 110
_NARROWEST = 72


def check(
    derivatives: Path,
    /,
    *,
    who: Who = _WHO,
    tr: float | None = None,
    json: Flag = False,
    verbose: Annotated[bool, _VERBOSE] = False,
) -> int:
    """Tell who has usable data, and which flag or step would mend the rest. Writes nothing.

    Reads the output of fMRIPrep, XCP-D, the HCP pipelines, DCAN (ABCC) or tedana, fsaverage surface series, or a folder
    with one CIFTI series. The exit code is 0 unless nobody could be read.

    Parameters
    ----------
    derivatives
        Folder that holds everybody.
    tr
        Repetition time in seconds, where the files do not state it or state it wrongly.
    json
        Write JSON in place of text.
    """
    from actionloop import pipeline

    request = pipeline.CheckRequest(derivatives=derivatives, **who.choice(), tr_s=tr)
    with shown_progress() as progress:
        report = pipeline.check_data(request, progress=progress)
    put(as_json(report) if json else as_text(report))
    return 0 if any(person.readable for person in report.people) else 1


def as_json(report: CheckReport) -> str:
    """Write the whole report as JSON, with the notice and the limits; what is not known is null."""
    people = []
    for person in report.people:
        fields: dict[str, Any] = asdict(person)
        for run, checked in zip(fields["runs"], person.runs, strict=True):
            run["minutes"] = checked.minutes
        usable = {
            f"{limit:g}": {
                "before_masks": person.usable_minutes(limit, masked=False),
                "after_masks": person.usable_minutes(limit),
            }
            for limit in report.fd_mm
        }
        summary = {
            "light": person.light,
            "minutes": person.minutes,
            "usable_minutes": usable,
            "missing": person.missing,
        }
        people.append({"label": person.label, **summary, **fields})
    whole = {
        "notice": facts.notice(),
        "derivatives": report.derivatives,
        "layout": report.layout,
        "limits": facts.load("check"),
        "notes": list(report.notes),
        "people": people,
    }
    return jsonlib.dumps(whole, indent=2, allow_nan=False)


def as_text(report: CheckReport, *, colour: bool | None = None) -> str:
    """Write the report for a person to read: a table, then what was found and how to mend it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    wide = shutil.get_terminal_size((_WIDTH, 24)).columns
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=max(_NARROWEST, wide),
        force_terminal=sys.stdout.isatty() if colour is None else colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("person", no_wrap=True, overflow="fold")
    table.add_column("light")
    for name in ("runs", "TR s", "frames", "min", *(f"FD {limit:g}" for limit in report.fd_mm)):
        table.add_column(name, justify="right")
    networks = list(dict.fromkeys(name for person in report.people for name in person.missing))
    for name in networks:
        table.add_column(f"{name} lost", justify="right")
    table.add_column("input", no_wrap=True)
    table.add_column("surfaces", no_wrap=True)
    for person in report.people:
        light = Text(person.light, style=_COLOURS[person.light])
        table.add_row(Text(f"sub-{person.label}"), light, *map(Text, _cells(person, report, networks)))
    console.print(f"{report.derivatives} ({report.layout})")
    console.print(table)
    for person in report.people:
        console.print(Text.assemble(f"sub-{person.label}: ", (person.light, _COLOURS[person.light])))
        for finding in person.findings:
            run = f"{finding.run}: " if finding.run else ""
            _entry(console, finding.light, f"{run}{finding.what}", _COLOURS[finding.light])
            _entry(console, "  fix", finding.fix)
        for note in person.notes:
            _entry(console, "note", note)
    for note in report.notes:
        console.print(f"note: {note}")
    counts = [f"{sum(p.light == light for p in report.people)} {light}" for light in _COLOURS]
    console.print(f"{', '.join(counts)}. FD: usable minutes at that displacement, alone -> after the pipeline's masks.")
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def _entry(console: Any, head: str, text: str, style: str = "") -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=5)
    grid.add_column(overflow="fold")
    grid.add_row(Text(head, style=style), Text(text))
    console.print(Padding(grid, (0, 0, 0, 2)))


def _cells(person: PersonCheck, report: CheckReport, networks: list[str]) -> list[str]:
    if not person.runs:
        return ["-"] * (6 + len(report.fd_mm) + len(networks))
    times = dict.fromkeys("?" if run.tr_s is None else f"{run.tr_s:.3g}" for run in person.runs)
    states = dict.fromkeys(run.state for run in person.runs)
    return [
        str(len(person.runs)),
        ", ".join(times),
        str(sum(run.frames for run in person.runs)),
        _minutes(person.minutes),
        *(_usable(person, limit) for limit in report.fd_mm),
        *("-" if name not in person.missing else f"{person.missing[name]:.0%}" for name in networks),
        ", ".join(states),
        person.surfaces if person.t1w else f"{person.surfaces}, no T1",
    ]


def _usable(person: PersonCheck, limit: float) -> str:
    before, after = person.usable_minutes(limit, masked=False), person.usable_minutes(limit)
    if before is None or before == after:
        return _minutes(after)
    return f"{_minutes(before)} -> {_minutes(after)}"


def _minutes(value: float | None) -> str:
    return "?" if value is None else f"{value:.1f}"
