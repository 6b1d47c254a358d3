"""The journal as a file: one SQLite database in WAL mode that is only added to."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from actionloop.errors import ActionloopError, InputError, OutputError
from actionloop.journal.chain import (
    FORMAT,
    Entry,
    Fault,
    Receipt,
    canonical,
    check,
    entry_row,
    header_digest,
    make_entry,
    read_entry,
)
from actionloop.journal.trouble import telling

APPLICATION = 0x616C6A31  # "alj1": tells this database from any other
COLUMNS = "number, time, actor, role, kind, content, clock_back_us, salt, previous, digest"
TRIGGERS = ("entry_keep", "entry_stay", "header_keep", "header_stay")
SCHEMA = (
    "CREATE TABLE header (only INTEGER PRIMARY KEY CHECK (only = 1), format INTEGER NOT NULL, study TEXT NOT NULL)",
    "CREATE TABLE entry (number INTEGER PRIMARY KEY, time TEXT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL,"
    " kind TEXT NOT NULL, content TEXT NOT NULL, clock_back_us INTEGER NOT NULL, salt TEXT NOT NULL,"
    " previous TEXT NOT NULL, digest TEXT NOT NULL UNIQUE)",
    *(
        f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} BEGIN"
        " SELECT RAISE(ABORT, 'a journal is only added to'); END"
        for table in ("entry", "header")
        for name, verb in (("keep", "UPDATE"), ("stay", "DELETE"))
    ),
)


def utc_now() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


class Pen:
    """What writes inside one transaction of `Journal.transaction`: what is there, and what is to be added."""

    def __init__(self, journal: Journal, actor: str, role: str) -> None:
        self._journal, self._actor, self._role = journal, actor, role
        self.study = journal.study
        self.entries: tuple[Entry, ...] = journal._read_all()

    def append(self, kind: str, content: Mapping[str, Any]) -> Entry:
        """Add one entry; it stands once the transaction ends without an error."""
        last = self.entries[-1] if self.entries else None
        entry = self._journal._write(last, kind, content, actor=self._actor, role=self._role)
        self.entries = (*self.entries, entry)
        return entry

    def faults(self, receipts: Iterable[Receipt] = ()) -> tuple[Fault, ...]:
        """Return what is wrong with the chain as it stands under the write lock, read anew from the file."""
        self.entries = self._journal._read()
        return check(self.study, self.entries, receipts)


class Journal:
    """An append-only log in one SQLite file; every entry carries the digest of the one before.

    Entries are written in the order of a lock that all processes share, and are on the disk (WAL, synchronous=FULL)
    before `append` returns. Triggers refuse to change or take out a row: a barrier against accidents, not against
    somebody who means to. For what a chain of digests can and cannot prove see `actionloop.journal.verify`. A WAL
    file needs a local disk: on a network folder the lock does not hold.

    Use `create` or `open`, and close it, or use it in a `with` statement.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, study: str, clock: Callable[[], datetime]) -> None:
        self.path, self.study = path, study
        self._connection, self._clock = connection, clock
        self._known: tuple[int, tuple[Entry, ...]] | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        wait_s: float = 30.0,
        study: str | None = None,
    ) -> Journal:
        """Make an empty journal.

        Parameters
        ----------
        path : str or Path
            A file that does not exist, in a folder that does.
        clock : callable
            Returns the time, aware of its zone.
        wait_s : float
            How long to wait for another process's write.
        study : str, optional
            The study's id; random by default.

        Raises
        ------
        OutputError
            The file exists, or cannot be written.
        """
        path = Path(path)
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            fix = "open it, or name another file"
            raise OutputError("a journal is never written over", where=path, fix=fix) from None
        except OSError as problem:
            fix = "name a folder that exists and can be written"
            raise OutputError(f"the journal cannot be made: {problem.strerror}", where=path, fix=fix) from None
        study = secrets.token_hex(16) if study is None else study
        try:
            with telling(path):
                connection = _connect(path, wait_s)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA:
                    connection.execute(statement)
                connection.execute("INSERT INTO header VALUES (1, ?, ?)", (FORMAT, study))
                connection.execute(f"PRAGMA application_id={APPLICATION}")
                connection.execute("COMMIT")
        except ActionloopError:
            path.unlink(missing_ok=True)
            raise
        return cls(path, connection, study, clock)

    @classmethod
    def open(cls, path: str | Path, *, clock: Callable[[], datetime] = utc_now, wait_s: float = 30.0) -> Journal:
        """Open a journal to read and to add to.

        Raises
        ------
        InputError
            No such file, not a journal, or one of another version.
        OutputError
            The file cannot be written, or another process held it for longer than `wait_s`.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError("there is no journal here", where=path, fix="begin the study first, or mend the path")
        with telling(path):
            connection = _connect(path, wait_s)
            try:
                study = read_header(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, study, clock)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def transaction(self, *, actor: str, role: str) -> Iterator[Pen]:
        """Hold the write lock, hand out what is there, and add all of what the caller appends, or nothing.

        Raises
        ------
        OutputError
            Locked for too long, a full disk, a file that cannot be written: nothing was added.
        """
        with telling(self.path):
            with self._locked():
                pen = Pen(self, actor, role)
                yield pen
            self._keep(pen.entries)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the write lock; what was added stands at the end, or nothing of it after an error."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def append(self, kind: str, content: Mapping[str, Any], *, actor: str, role: str) -> Entry:
        """Add one entry; its `receipt` is worth keeping elsewhere.

        Parameters
        ----------
        kind : str
            A word of small letters, digits and _.
        content : mapping
            Named fields of what JSON can say.
        actor, role : str
            Who writes, and as what.

        Raises
        ------
        InputError
            A content that JSON cannot say, a NaN, an actor without a name.
        OutputError
            As in `transaction`.
        """
        with telling(self.path):
            with self._locked():
                known = self._known if self._known is not None and self._known[0] == self._version() else None
                rows = known[1][-1:] if known else self._read("ORDER BY number DESC LIMIT 1")
                entry = self._write(rows[0] if rows else None, kind, content, actor=actor, role=role)
            self._known = None if known is None else (known[0], (*known[1], entry))
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, as they stand at one moment."""
        with telling(self.path):
            self._connection.execute("BEGIN")
            try:
                return self._read_all()
            finally:
                self._connection.execute("COMMIT")

    def head(self) -> Receipt:
        """Return the number and digest of the last entry: written down elsewhere, it finds a cut or forged chain."""
        with telling(self.path):
            rows = self._read("ORDER BY number DESC LIMIT 1")
        return rows[0].receipt if rows else Receipt(0, header_digest(self.study))

    def export(self, path: str | Path) -> Receipt:
        """Write the chain as JSON lines: a header, every entry, and the head, which is also returned.

        Raises
        ------
        OutputError
            The file exists or cannot be written; nothing is left of it then.
        """
        path = Path(path)
        entries = self.entries()
        head = entries[-1].receipt if entries else Receipt(0, header_digest(self.study))
        names = COLUMNS.split(", ")
        lines = [
            canonical({"format": FORMAT, "study": self.study}),
            *(canonical(dict(zip(names, entry_row(entry), strict=True))) for entry in entries),
            canonical({"head": str(head)}),
        ]
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            if path.exists():
                raise OutputError("this file exists", where=path, fix="name another one")
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as problem:
            part.unlink(missing_ok=True)
            raise OutputError(f"the chain cannot be written: {problem.strerror}", where=path) from None
        return head

    def _read_all(self) -> tuple[Entry, ...]:
        """Return all entries; called within a transaction.

        They are read and parsed again unless SQLite tells that no other connection has written since: its data_version
        changes with every commit but our own.
        """
        version = self._version()
        if self._known is None or self._known[0] != version:
            self._known = (version, self._read())
        return self._known[1]

    def _keep(self, entries: tuple[Entry, ...]) -> None:
        """Remember what stands after our own commit, which leaves the version as it was."""
        if self._known is not None:
            self._known = (self._known[0], entries)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _read(self, tail: str = "ORDER BY number") -> tuple[Entry, ...]:
        return tuple(read_entry(row) for row in self._connection.execute(f"SELECT {COLUMNS} FROM entry {tail}"))  # noqa: S608

    def _write(self, last: Entry | None, kind: str, content: Mapping[str, Any], *, actor: str, role: str) -> Entry:
        entry = make_entry(last, self.study, kind, content, actor=actor, role=role, now=self._clock())
        self._connection.execute(f"INSERT INTO entry ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)", entry_row(entry))  # noqa: S608
        return entry


def read_header(connection: sqlite3.Connection, path: Path) -> str:
    """Return the study's id.

    Raises
    ------
    InputError
        Not a journal, or one of another version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        raise InputError("this database is not a journal", where=path, fix="name the study's journal.sqlite")
    found = connection.execute("SELECT format, study FROM header").fetchone()
    if found is None or found[0] != FORMAT:
        told = "no version" if found is None else f"version {found[0]}"
        raise InputError(f"expected a journal of version {FORMAT}, found {told}", where=path, fix="update actionloop")
    return str(found[1])


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection
