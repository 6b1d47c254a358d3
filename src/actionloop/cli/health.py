"""The doctor's report as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from actionloop import facts

if TYPE_CHECKING:
    from actionloop.pipeline import DoctorReport

_WIDTH = 100


def as_json(report: DoctorReport) -> str:
    """Write the whole report as JSON, with the notice."""
    return json.dumps({"notice": facts.notice(), **asdict(report)}, indent=2)


def data_json(report: DoctorReport) -> str:
    """Write only what concerns the data as JSON."""
    whole = asdict(report)
    return json.dumps({key: whole[key] for key in ("cache", "cache_writable", "data", "network")}, indent=2)


def as_text(report: DoctorReport) -> str:
    """Write the report for a person to read."""
    return "\n".join(_lines(report))


def data_text(report: DoctorReport) -> str:
    """Write only what concerns the data."""
    return "\n".join(_data_lines(report))


def _lines(report: DoctorReport) -> Iterator[str]:
    yield f"actionloop {report.actionloop}"
    yield from _wrapped(facts.notice())
    yield ""
    yield "What works here (no GPU, no extra and no other program is needed)"
    for ability in report.abilities:
        state = "works" if ability.works else f"not yet: {', '.join(ability.lacks)}"
        yield from _wrapped(f"{ability.name:<9}{state}", indent="  ", more=" " * 11)
        if ability.fix:
            yield f"           to fix: {ability.fix}"
    for remark in sorted({remark for ability in report.abilities for remark in ability.remarks}):
        yield from _wrapped(f"note: {remark}", indent="  ")
    yield ""
    yield "This machine"
    yield from _table(
        [
            ("system", report.system),
            ("Python", report.python),
            ("cores", str(report.cores)),
            ("memory", f"{_gib(report.memory_gib)}, {_gib(report.free_memory_gib)} free"),
            ("disk", f"{_gib(report.free_disk_gib)} free where the cache is"),
            ("GPU", f"{report.gpu} (not needed)"),
            *((tool.name, f"{tool.path or 'not installed'} (not needed; {tool.what})") for tool in report.tools),
        ]
    )
    yield ""
    yield "Libraries"
    needed = [f"{one.name} {one.version or 'MISSING'}" for one in report.libraries if not one.extra]
    yield from _wrapped(", ".join(needed), indent="  ")
    for extra in dict.fromkeys(one.extra for one in report.libraries if one.extra):
        mine = [f"{one.name} {one.version or 'not installed'}" for one in report.libraries if one.extra == extra]
        yield from _wrapped(f"extra [{extra}]: {', '.join(mine)}", indent="  ", more="    ")
    yield ""
    yield from _data_lines(report)


def _data_lines(report: DoctorReport) -> Iterator[str]:
    yield "Data"
    yield from _table([("cache", f"{report.cache} ({'writable' if report.cache_writable else 'NOT WRITABLE'})")])
    for one in report.data:
        size = f", {one.size_bytes / 1e6:.0f} MB" if one.size_bytes else ""
        what = f"{one.package} {one.version}: {one.place}{size}; for {', '.join(one.needed_by)}"
        yield from _wrapped(what, indent="  ", more="    ")
        if one.place == "absent":
            shown = ", ".join(one.missing[:4]) + (" ..." if len(one.missing) > 4 else "")
            yield from _wrapped(f"missing: {shown}; run: actionloop data fetch", indent="    ", more="      ")
        yield from _wrapped(f"licence {one.licence}. {one.terms}", indent="    ")
    yield from _wrapped(report.network, indent="  ")


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in rows:
        yield from _wrapped(f"{name:<12}{value}", indent="  ", more=" " * 14)


def _wrapped(text: str, *, indent: str = "", more: str | None = None) -> list[str]:
    """Break at blanks only, so that paths and names stay whole for copying."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if more is None else more,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def _gib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} GiB"
