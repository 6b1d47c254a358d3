"""What happened in a trial as tables (CSV): all rows are checked first, and the same rows again change nothing."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.journal import Entry, Journal, canonical
from actionloop.trial import (
    KINDS,
    Candidate,
    Event,
    event_content,
    follow,
    freeze_targets,
    read_event,
    require_append,
    sift,
)
from actionloop.types import TrialProtocol

MOST_BYTES = 20 * 1024 * 1024
MOST_PROBLEMS = 50
ABSENT = ("", "na", "n/a", "nan", "null")
TABLES = {
    "participants": "screened",
    "consents": "consented",
    "targets": "targets_frozen",
    "eligible": "eligible",
    "ineligible": "ineligible",
    "visits": "visit",
    "ratings": "rating",
    "sessions": "session",
    "deviations": "deviation",
    "adverse_events": "adverse_event",
    "rescue": "rescue",
    "withdrawals": "withdrawn",
}
"""Names of tables, and the kind of entry that a row of each becomes."""
_TARGET_COLUMNS, _TARGET_EXTRA = ("participant", "name", "x", "y", "z", "score"), ("frame",)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Imported:
    """What an import did: entries made, rows that were there before, ratings left empty."""

    entries: tuple[Entry, ...]
    n_known: int
    n_empty: int


@dataclass(frozen=True)
class _Row:
    """One event of a table and the line that it stands in."""

    line: int
    event: Event


def table_columns(table: str, protocol: TrialProtocol) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns that a table must and may have.

    Parameters
    ----------
    table : str
        One of `TABLES`.
    protocol : TrialProtocol
        Its strata are columns of 'participants'.

    Raises
    ------
    OptionError
        No such table.
    """
    if table not in TABLES:
        raise OptionError(f"no table is called {table!r}", fix=f"choose from {', '.join(TABLES)}")
    if table == "targets":
        return _TARGET_COLUMNS, _TARGET_EXTRA
    kind = KINDS[TABLES[table]]
    names = [(one.metadata["name"] or one.name, one) for one in fields(kind)]
    must = [name for name, one in names if one.default is MISSING and name != "factors"]
    may = [name for name, _ in names if name not in must and name != "factors"]
    if table == "participants":
        must += [one.name for one in protocol.strata if one.name != "centre"]
    return tuple(must), tuple(may)


def import_table(
    journal: Journal, protocol: TrialProtocol, path: str | Path, *, table: str, actor: str, role: str
) -> Imported:
    """Enter a table's rows into the journal, all of them or none.

    Parameters
    ----------
    journal : Journal
    protocol : TrialProtocol
    path : path
        CSV with a header; comma, semicolon or tab; UTF-8. Days are YYYY-MM-DD, decimals have a point, a rating that was
        not made is left empty or 'n/a'.
    table : str
        One of `TABLES`; its columns are those of `table_columns`.
    actor, role : str

    Returns
    -------
    Imported
        Rows that stand in the journal already are passed over, so that a table may grow and be read again.

    Raises
    ------
    InputError
        Everything that is wrong, with its line, in one error; nothing is entered then.
    OptionError
        No such table, or the role does not write it.
    """
    path = Path(path)
    table_columns(table, protocol)
    require_append(role, TABLES[table])
    rows, problems, n_empty = _read_rows(path, table, protocol)
    problems += _repeated(rows)
    with journal.transaction(actor=actor, role=role) as pen:
        sifted = sift([row.event for row in rows], protocol, follow(journal, pen.entries, protocol))
        problems += [(rows[index].line, _told(error)) for index, error in sifted.problems]
        if problems:
            _refuse(path, problems)
        made = tuple(pen.append(event.kind, event_content(event)) for event in sifted.new)
    return Imported(made, sifted.n_known, n_empty)


def _repeated(rows: Sequence[_Row]) -> list[tuple[int, str]]:
    """Name rows that stand twice in one table: an oversight, unlike a table that is read in again."""
    first: dict[str, int] = {}
    told = []
    for row in rows:
        line = first.setdefault(canonical(event_content(row.event)), row.line)
        if line != row.line:
            told.append((row.line, f"the same stands in line {line}"))
    return told


def _told(error: ActionloopError) -> str:
    told = error.problem.replace("\n", " ")
    return f"{told} ({error.fix})" if error.fix else told


def _refuse(path: Path, problems: Sequence[tuple[int, str]]) -> None:
    ordered = sorted(problems)
    if len(ordered) == 1:
        line, told = ordered[0]
        raise InputError(f"line {line}: {told}", where=path, fix="mend the row; nothing was entered")
    listed = [f"  - line {line}: {told}" for line, told in ordered[:MOST_PROBLEMS]]
    if len(ordered) > MOST_PROBLEMS:
        listed.append(f"  - and {len(ordered) - MOST_PROBLEMS} more")
    told = "\n".join([f"{len(ordered)} rows cannot be entered:", *listed])
    raise InputError(told, where=path, fix="mend them all; nothing was entered")


def _read_rows(path: Path, table: str, protocol: TrialProtocol) -> tuple[list[_Row], list[tuple[int, str]], int]:
    must, may = table_columns(table, protocol)
    header, body = read_cells(path)
    missing, odd = [name for name in must if name not in header], [name for name in header if name not in (*must, *may)]
    twice = sorted({name for name in header if header.count(name) > 1})
    for names, told in ((missing, "no column is called"), (odd, "columns that are not read:"), (twice, "two columns:")):
        if names:
            fix = f"the columns are {', '.join(must)}" + (f"; also {', '.join(may)}" if may else "")
            raise InputError(f"{told} {', '.join(repr(name) for name in names)}", where=path, fix=fix)
    if table == "targets":
        return _target_rows(header, body)
    rows, problems, n_empty = [], [], 0
    for line, cells in body:
        if len(cells) != len(header):
            problems.append((line, f"{len(cells)} cells, the header has {len(header)}"))
            continue
        given = dict(zip(header, cells, strict=True))
        if table == "ratings" and given["value"].casefold() in ABSENT:
            n_empty += 1
            continue
        try:
            rows.append(_Row(line, read_event(TABLES[table], row_content(given, protocol))))
        except ActionloopError as error:
            problems.append((line, error.problem))
    return rows, problems, n_empty


def row_content(given: Mapping[str, str], protocol: TrialProtocol) -> dict[str, Any]:
    """Turn texts into what the entry holds; one that is no number stays a text, and is refused with its name."""
    strata = {one.name for one in protocol.strata if one.name != "centre"}
    told: dict[str, Any] = {}
    for name, text in given.items():
        if name in strata and "centre" in given:
            told.setdefault("factors", {})[name] = text
        elif text.casefold() not in ABSENT:
            told[name] = _CONVERTERS[name](text) if name in _CONVERTERS else text
    if "centre" in given:
        told.setdefault("factors", {})
    return told


def to_number(text: str) -> float | str:
    """Return a finite number, or the text where it is none."""
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return number if math.isfinite(number) else text


def _to_count(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else text


def _to_flag(text: str) -> bool | str:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(text.casefold(), text)


_CONVERTERS: dict[str, Callable[[str], Any]] = {"value": to_number, "number": _to_count, "serious": _to_flag}


def _target_rows(
    header: Sequence[str], body: Sequence[tuple[int, list[str]]]
) -> tuple[list[_Row], list[tuple[int, str]], int]:
    """Gather the rows of each participant, one for each candidate, into one entry."""
    found: dict[str, tuple[int, list[Candidate], str]] = {}
    problems = []
    for line, cells in body:
        if len(cells) != len(header):
            problems.append((line, f"{len(cells)} cells, the header has {len(header)}"))
            continue
        given = dict(zip(header, cells, strict=True))
        numbers = {name: to_number(given[name]) for name in ("x", "y", "z", "score")}
        odd = [f"{name}: expected a number, found {one!r}" for name, one in numbers.items() if isinstance(one, str)]
        if odd:
            problems.append((line, "; ".join(odd)))
            continue
        xyz = (float(numbers["x"]), float(numbers["y"]), float(numbers["z"]))
        frame = given.get("frame", "")
        _, candidates, first = found.setdefault(given["participant"], (line, [], frame))
        if frame != first:
            problems.append((line, f"frame: expected {first!r} as in the first row of this person, found {frame!r}"))
        candidates.append(Candidate(given["name"], xyz, float(numbers["score"])))
    rows = [_Row(line, freeze_targets(who, listed, frame=frame)) for who, (line, listed, frame) in found.items()]
    return rows, problems, 0


def read_cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read the header and, with their line numbers, the rows that hold something."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the table cannot be read: {error.strerror}", where=path, fix="check the path") from error
    if len(raw) > MOST_BYTES:
        raise InputError(f"a table has at most {MOST_BYTES // 1024**2} MiB", where=path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the table is not UTF-8 text", where=path, fix="save it as 'CSV UTF-8'") from error
    if "\0" in text:
        raise InputError("the table holds bytes that are no text", where=path, fix="save it as 'CSV UTF-8'")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: {error}", where=path, fix="mend the quotes of this line") from error
    if not rows:
        raise InputError("the table is empty", where=path, fix="give a header and rows")
    return rows[0][1], rows[1:]
