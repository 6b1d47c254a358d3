"""What happens to a participant, one frozen dataclass for each kind of entry, read from and written as plain fields."""

# ruff: noqa: RUF009 (entry() returns a field of a dataclass)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import Any, ClassVar

from actionloop.errors import InputError
from actionloop.trial.entryfields import (
    Candidate,
    entry,
    one_of,
    read_candidates,
    read_count,
    read_day,
    read_flag,
    read_name,
    read_number,
    read_text,
    read_words,
)

SEVERITIES = ("mild", "moderate", "severe")
RELATIONS = ("unrelated", "unlikely", "possible", "probable", "definite")
WITHDRAWN_FROM = ("treatment", "follow_up")


@dataclass(frozen=True)
class Event:
    """Something that happened to one participant; `kind` is that of its entry."""

    participant: str = entry(read_name)
    kind: ClassVar[str] = ""
    open: ClassVar[bool] = False
    """True for entries of which only some fields are read here."""


@dataclass(frozen=True)
class Screened(Event):
    """Assessed for eligibility."""

    centre: str = entry(read_text)
    factors: Mapping[str, str] = entry(read_words)
    day: date | None = entry(read_day, default=None, name="date")
    kind = "screened"


@dataclass(frozen=True)
class Consented(Event):
    """Gave written consent."""

    day: date | None = entry(read_day, default=None, name="date")
    kind = "consented"


@dataclass(frozen=True)
class TargetsFrozen(Event):
    """All candidate targets with their scores, before anybody can know the arm; `frame` is that of the coordinates."""

    candidates: tuple[Candidate, ...] = entry(read_candidates)
    digest: str = entry(read_text)
    frame: str = entry(read_text, default="")
    kind = "targets_frozen"
    open = True


@dataclass(frozen=True)
class Eligible(Event):
    """Eligibility is locked."""

    kind = "eligible"
    open = True


@dataclass(frozen=True)
class Ineligible(Event):
    """Excluded before allocation."""

    reason: str = entry(read_text)
    kind = "ineligible"


@dataclass(frozen=True)
class Allocated(Event):
    """An arm was drawn; which, the entry does not say."""

    kind = "allocated"
    open = True


@dataclass(frozen=True)
class TargetAssigned(Event):
    """The candidate that is to be stimulated."""

    target: str = entry(read_text)
    kind = "target_assigned"
    open = True


@dataclass(frozen=True)
class Visited(Event):
    """A visit took place."""

    visit: str = entry(read_text)
    day: date = entry(read_day, name="date")
    kind = "visit"


@dataclass(frozen=True)
class Rated(Event):
    """One outcome at one visit; `reason` says why an earlier rating is corrected."""

    visit: str = entry(read_text)
    outcome: str = entry(read_text)
    value: float = entry(read_number)
    day: date | None = entry(read_day, default=None, name="date")
    reason: str = entry(read_text, default="")
    kind = "rating"


@dataclass(frozen=True)
class SessionDone(Event):
    """A session of stimulation, and the candidate that was in fact stimulated."""

    number: int = entry(read_count)
    day: date = entry(read_day, name="date")
    target: str = entry(read_text)
    note: str = entry(read_text, default="")
    kind = "session"


@dataclass(frozen=True)
class Deviated(Event):
    """A departure from the protocol that somebody noticed."""

    day: date = entry(read_day, name="date")
    what: str = entry(read_text)
    note: str = entry(read_text, default="")
    kind = "deviation"


@dataclass(frozen=True)
class AdverseEvent(Event):
    """Anything untoward, whether held to be related or not."""

    day: date = entry(read_day, name="date")
    term: str = entry(read_text)
    severity: str = entry(one_of(SEVERITIES))
    serious: bool = entry(read_flag)
    related: str = entry(one_of(RELATIONS))
    note: str = entry(read_text, default="")
    kind = "adverse_event"


@dataclass(frozen=True)
class Rescued(Event):
    """Rescue treatment was taken."""

    day: date = entry(read_day, name="date")
    what: str = entry(read_text)
    kind = "rescue"


@dataclass(frozen=True)
class Withdrawn(Event):
    """Sessions stopped for good ('treatment': ratings go on), or nobody is rated any more ('follow_up')."""

    of: str = entry(one_of(WITHDRAWN_FROM), name="from")
    day: date = entry(read_day, name="date")
    reason: str = entry(read_text)
    kind = "withdrawn"


KINDS: dict[str, type[Event]] = {
    one.kind: one
    for one in (
        *(Screened, Consented, TargetsFrozen, Eligible, Ineligible, Allocated, TargetAssigned),
        *(Visited, Rated, SessionDone, Deviated, AdverseEvent, Rescued, Withdrawn),
    )
}
RECORDED = tuple(kind for kind in KINDS if kind not in (Allocated.kind, TargetAssigned.kind))
"""Kinds that conduct records; the other two come from allocation."""


def read_event(kind: str, content: Mapping[str, Any]) -> Event:
    """Build the event of an entry.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    content : mapping
        The entry's fields; days as YYYY-MM-DD.

    Raises
    ------
    InputError
        A kind that is none, and every field that is missing, unknown or not what it should be, in one error.
    """
    if kind not in KINDS:
        raise InputError(f"no entry is of kind {kind!r}", fix=f"choose from {', '.join(RECORDED)}")
    given, problems, values = dict(content), [], {}
    for one in fields(KINDS[kind]):
        name = one.metadata["name"] or one.name
        if name not in given or (given[name] in (None, "") and one.default is not MISSING):
            given.pop(name, None)
            if one.default is MISSING:
                problems.append(f"{name} is missing")
            continue
        found = given.pop(name)
        try:
            values[one.name] = one.metadata["read"](found)
        except ValueError as error:
            problems.append(f"{name}: {error}, found {_short(found)}")
    if given and not KINDS[kind].open:
        problems.append(f"no field is called {', '.join(sorted(map(str, given)))}")
    if problems:
        raise InputError("; ".join(problems), where=kind)
    return KINDS[kind](**values)


def event_content(event: Event) -> dict[str, Any]:
    """Return an event as the fields of its entry; what was left out stays out."""
    told: dict[str, Any] = {}
    for one in fields(event):
        value = getattr(event, one.name)
        if one.default is not MISSING and value == one.default:
            continue
        name = one.metadata["name"] or one.name
        if isinstance(value, date):
            told[name] = value.isoformat()
        elif isinstance(event, TargetsFrozen) and one.name == "candidates":
            told[name] = [{"name": c.name, "xyz": list(c.xyz), "score": c.score} for c in event.candidates]
        else:
            told[name] = dict(value) if isinstance(value, Mapping) else value
    return told


def _short(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
