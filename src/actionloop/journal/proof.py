"""Whether a journal, or its export, is what was written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from actionloop.errors import InputError
from actionloop.journal.chain import FORMAT, Entry, Fault, Receipt, check, read_entry
from actionloop.journal.store import COLUMNS, TRIGGERS, read_header
from actionloop.journal.trouble import tell

LARGEST = 2_000_000_000


def verify(path: str | Path, receipts: Iterable[Receipt] = ()) -> tuple[Fault, ...]:
    """Return what is wrong with a journal (SQLite) or with its export (JSON lines); nothing is written.

    What this shows: that an entry was changed, taken out, moved or put in by somebody who did not compute all later
    digests anew; that times go back; and, against a `receipt` that was kept elsewhere, that the end was cut off or
    that the past before that receipt was rewritten. What it cannot show: whoever may rewrite the whole file can forge
    a whole chain that fits itself, and cut its end, and no digest inside the file tells. Receipts kept by somebody
    else do: hand one to another person after each session, and give them all to this function. Nor does a chain show
    that what was entered is true, or that the clock was right.

    Parameters
    ----------
    path : str or Path
    receipts : iterable of Receipt

    Raises
    ------
    InputError
        No such file, not a journal, or one of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no journal here", where=path)
    with path.open("rb") as stream:
        start = stream.read(16)
    if start.startswith(b"{"):
        return _verify_export(path, receipts)
    if not start.startswith(b"SQLite format 3"):
        raise InputError("this is not a journal", where=path, fix="name the study's journal.sqlite, or its export")
    connection = None
    try:
        connection = _look(path)
        study = read_header(connection, path)
        return (*_damage(connection), *check(study, _rows(connection), receipts))
    except sqlite3.Error as problem:
        if getattr(problem, "sqlite_errorname", "").startswith("SQLITE_CORRUPT"):
            return (Fault(0, "file", f"the database is damaged: {problem}"),)
        tell(problem, path)
    finally:
        if connection is not None:
            connection.close()


def _look(path: Path) -> sqlite3.Connection:
    """Open without writing; on a medium that cannot be written SQLite needs to hear that nobody else writes either."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as problem:
        connection.close()
        tail = path.with_name(f"{path.name}-wal")
        unwritable = str(getattr(problem, "sqlite_errorname", "")).startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not unwritable or (tail.exists() and tail.stat().st_size > 0):
            raise
        return sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def _damage(connection: sqlite3.Connection) -> list[Fault]:
    faults = [
        Fault(0, "file", f"the database is damaged: {row[0]}")
        for row in connection.execute("PRAGMA integrity_check(5)")
        if row[0] != "ok"
    ]
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    gone = [name for name in TRIGGERS if name not in there]
    if gone:
        faults.append(Fault(0, "guard", f"the triggers that refuse changes are gone: {', '.join(gone)}"))
    return faults


def _rows(connection: sqlite3.Connection) -> list[Entry]:
    return [read_entry(row) for row in connection.execute(f"SELECT {COLUMNS} FROM entry ORDER BY number")]  # noqa: S608


def _verify_export(path: Path, receipts: Iterable[Receipt]) -> tuple[Fault, ...]:
    if path.stat().st_size > LARGEST:
        raise InputError("this export is larger than any journal", where=path)
    lines = [_line(text, row, path) for row, text in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)]
    header = lines[0]
    if header.get("format") != FORMAT or not isinstance(header.get("study"), str):
        raise InputError(f"expected the export of a journal of version {FORMAT}", where=path)
    faults, kept = [], list(receipts)
    if "head" in lines[-1]:
        kept.append(Receipt.parse(str(lines.pop()["head"])))
    else:
        faults.append(Fault(len(lines) - 1, "cut", "the last line, which names the head, is not there"))
    names = COLUMNS.split(", ")
    entries = []
    for row, line in enumerate(lines[1:], 2):
        if sorted(line) != sorted(names) or not isinstance(line["number"], int):
            raise InputError(f"line {row} is no entry", where=path)
        entries.append(read_entry([line[name] for name in names]))
    faults += [
        Fault(late.number, "order", f"it stands after entry {early.number}")
        for early, late in pairwise(entries)
        if late.number <= early.number
    ]
    return (*faults, *check(header["study"], entries, kept))


def _line(text: str, row: int, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(f"line {row} of the export cannot be read", where=path)
    return found
