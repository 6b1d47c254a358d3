"""Entries, their digests, and what a chain of digests shows to be wrong."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from actionloop.errors import InputError

FORMAT = 1
FaultKind = Literal["changed", "missing", "order", "link", "clock", "time", "cut", "receipt", "guard", "file"]
HARMLESS: tuple[FaultKind, ...] = ("clock", "guard")
KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
LONGEST_NAME = 200


def canonical(content: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, no NaN.

    Raises
    ------
    InputError
        Something that JSON cannot say, a NaN or an infinity, a key that is no text.
    """
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as problem:
        raise InputError(
            f"this cannot be written into a journal: {problem}", fix="use text and finite numbers"
        ) from None
    _require_text_keys(content)
    return text


def _require_text_keys(content: Any) -> None:
    if isinstance(content, Mapping):
        odd = [key for key in content if not isinstance(key, str)]
        if odd:
            raise InputError(f"names of fields are text, found {odd[0]!r}")
        for value in content.values():
            _require_text_keys(value)
    elif isinstance(content, list | tuple):
        for value in content:
            _require_text_keys(value)


def sha256(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Receipt:
    """The head of a journal at one moment: keep it elsewhere, it is what finds a chain that was cut or forged.

    Attributes
    ----------
    number : int
        Number of the last entry; 0 is an empty journal.
    digest : str
    """

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Receipt:
        """Read a receipt as it is printed, `number:digest`.

        Raises
        ------
        InputError
            Not of that form.
        """
        found = re.fullmatch(r"\s*(\d{1,18}):([0-9a-f]{64})\s*", text)
        if found is None:
            raise InputError("a receipt is a number, a colon and 64 hexadecimal digits", fix="copy the whole line")
        return cls(int(found[1]), found[2])


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a journal.

    Attributes
    ----------
    number : int
        Entry that it was seen at; 0 is the file.
    kind : str
        'changed' (its digest is not that of what it says), 'missing' (a number is not there), 'order' (it was written
        after another entry than the one before it), 'link' (what it was written after is not there), 'clock' (the
        clock was set back, recorded when it was written), 'time' (its time goes back and nothing recorded that), 'cut'
        (a receipt names a later entry), 'receipt' (a receipt names another digest), 'guard' (the triggers are gone),
        'file' (the database is damaged).
    detail : str
    """

    number: int
    kind: FaultKind
    detail: str

    @property
    def breaks(self) -> bool:
        """True where entries cannot be trusted; a recorded change of the clock and an absent trigger do not break."""
        return self.kind not in HARMLESS

    def __str__(self) -> str:
        return f"entry {self.number}: {self.kind}: {self.detail}"


@dataclass(frozen=True)
class Entry:
    """One entry of a journal.

    Attributes
    ----------
    number : int
        1 is the first.
    time : str
        UTC, ISO 8601 with microseconds.
    actor, role, kind : str
    content : mapping
        Read from `text`: do not change it.
    text : str
        The content as canonical JSON.
    clock_back_us : int
        How far the clock stood behind the entry before, microseconds; 0 where it did not.
    salt : str
        Random, so that nobody finds what an entry says by hashing guesses against a receipt.
    previous, digest : str
        SHA-256, hexadecimal.
    """

    number: int
    time: str
    actor: str
    role: str
    kind: str
    content: Mapping[str, Any]
    text: str
    clock_back_us: int
    salt: str
    previous: str
    digest: str

    @property
    def receipt(self) -> Receipt:
        """The journal's head just after this entry."""
        return Receipt(self.number, self.digest)

    @property
    def when(self) -> datetime:
        """Time as an aware datetime."""
        return datetime.fromisoformat(self.time)


def header_digest(study: str) -> str:
    """Return what the first entry follows: the digest of the format and of the study's random id."""
    return sha256(canonical({"format": FORMAT, "study": study}))


def entry_digest(row: Sequence[Any]) -> str:
    """Return the digest of (number, time, actor, role, kind, text, clock_back_us, salt, previous)."""
    return sha256(canonical(list(row)))


def make_entry(
    last: Entry | None, study: str, kind: str, content: Mapping[str, Any], *, actor: str, role: str, now: datetime
) -> Entry:
    """Return the entry that follows `last`.

    Raises
    ------
    InputError
        A kind that is no word, an actor or role without a name, a content that JSON cannot say.
    """
    if KIND.fullmatch(kind) is None:
        raise InputError(f"a kind is a word of small letters, digits and _, found {kind!r}")
    for what, name in (("actor", actor), ("role", role)):
        if not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
            raise InputError(f"who writes into a journal has a name: found {name!r} as {what}")
    if not isinstance(content, Mapping):
        raise InputError(f"the content of an entry has named fields, found {type(content).__name__}")
    text = canonical(dict(content))
    utc = now.astimezone(UTC)
    before = None if last is None else _moment(last)
    back = 0 if before is None else max(0, _microseconds(before) - _microseconds(utc))
    row = (
        1 if last is None else last.number + 1,
        utc.isoformat(timespec="microseconds"),
        actor,
        role,
        kind,
        text,
        back,
        secrets.token_hex(16),
        header_digest(study) if last is None else last.digest,
    )
    return read_entry((*row, entry_digest(row)))


def _microseconds(moment: datetime) -> int:
    gap = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def read_entry(row: Sequence[Any]) -> Entry:
    """Return the entry of a row of the table; content that cannot be read is empty, and its digest tells.

    Parameters
    ----------
    row : sequence
        number, time, actor, role, kind, text, clock_back_us, salt, previous, digest.
    """
    number, time, actor, role, kind, text, back, salt, previous, digest = row
    try:
        content = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        content = {}
    if not isinstance(content, dict):
        content = {}
    return Entry(number, time, actor, role, kind, content, text, back, salt, previous, digest)


def entry_row(entry: Entry) -> tuple[Any, ...]:
    """Return an entry as the table's row."""
    told = (entry.number, entry.time, entry.actor, entry.role, entry.kind, entry.text)
    return (*told, entry.clock_back_us, entry.salt, entry.previous, entry.digest)


def check(study: str, entries: Sequence[Entry], receipts: Iterable[Receipt] = ()) -> tuple[Fault, ...]:
    """Return what is wrong with a chain.

    Parameters
    ----------
    study : str
        The study's random id, from the header.
    entries : sequence of Entry
        By number.
    receipts : iterable of Receipt
        Heads that were kept elsewhere.
    """
    faults: list[Fault] = []
    known = {entry.digest: entry.number for entry in entries}
    before, stamp, expected = header_digest(study), None, 1
    for entry in entries:
        if entry.number != expected:
            gap = f"{expected}" if entry.number == expected + 1 else f"{expected} to {entry.number - 1}"
            faults.append(Fault(entry.number, "missing", f"entry {gap} is not there"))
        faults += _check_one(entry, before, known)
        now = _moment(entry)
        if now is not None:
            faults += _check_time(entry, stamp, now)
            stamp = now
        before, expected = entry.digest, entry.number + 1
    return (*faults, *_check_receipts(study, entries, receipts))


def _check_one(entry: Entry, before: str, known: Mapping[str, int]) -> list[Fault]:
    faults = []
    try:
        whole = entry_digest(entry_row(entry)[:-1]) == entry.digest and canonical(dict(entry.content)) == entry.text
    except InputError:
        whole = False
    if not whole:
        faults.append(Fault(entry.number, "changed", "its digest is not that of what it says"))
    if entry.previous != before:
        other = known.get(entry.previous)
        if other is None:
            faults.append(Fault(entry.number, "link", "the entry that it was written after is not there as it was"))
        else:
            faults.append(Fault(entry.number, "order", f"it was written after entry {other}"))
    return faults


def _moment(entry: Entry) -> datetime | None:
    try:
        found = entry.when
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _check_time(entry: Entry, stamp: datetime | None, now: datetime) -> list[Fault]:
    back = 0 if stamp is None else max(0, _microseconds(stamp) - _microseconds(now))
    if back != entry.clock_back_us:
        return [Fault(entry.number, "time", f"its time goes back by {back / 1e6:g} s, which nothing recorded")]
    if back:
        return [Fault(entry.number, "clock", f"the clock had been set back by {back / 1e6:g} s when it was written")]
    return []


def _check_receipts(study: str, entries: Sequence[Entry], receipts: Iterable[Receipt]) -> list[Fault]:
    digests = {0: header_digest(study), **{entry.number: entry.digest for entry in entries}}
    last = max(digests)
    faults = []
    for receipt in receipts:
        if receipt.number > last:
            faults.append(Fault(last, "cut", f"a receipt names entry {receipt.number}, the journal ends at {last}"))
        elif digests.get(receipt.number) != receipt.digest:
            faults.append(Fault(receipt.number, "receipt", "a receipt names another digest: the past was rewritten"))
    return faults
