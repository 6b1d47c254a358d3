"""What SQLite says, as one error for a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from actionloop.errors import InputError, OutputError


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into one of our errors."""
    try:
        yield
    except sqlite3.Error as problem:
        tell(problem, path)


def tell(problem: sqlite3.Error, path: Path) -> NoReturn:
    """Raise what SQLite says as an error for a person."""
    if isinstance(problem, sqlite3.ProgrammingError):
        raise problem
    name = getattr(problem, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        raise OutputError(
            "another process is writing into the journal and did not finish in time; nothing was added",
            where=path,
            fix="try again; look for a program that hangs",
        ) from None
    if name.startswith("SQLITE_FULL"):
        raise OutputError("the disk is full; nothing was added", where=path, fix="make room, then repeat") from None
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_IOERR")):
        raise OutputError(
            f"the journal cannot be written ({problem}); nothing was added",
            where=path,
            fix="the file and its folder must be writable, on a local disk",
        ) from None
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or isinstance(problem, sqlite3.DatabaseError):
        raise InputError(
            f"this is not a journal, or it is damaged ({problem})", where=path, fix="restore the newest copy; verify it"
        ) from None
    raise problem
