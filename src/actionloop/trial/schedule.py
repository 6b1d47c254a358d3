"""When a visit is due, and what happens after allocation that changes what a rating means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from actionloop.errors import OptionError
from actionloop.trial.people import Person
from actionloop.types import TrialProtocol


def utc_day(entered: str) -> date:
    """Return the UTC day of an entry's time."""
    return datetime.fromisoformat(entered).astimezone(UTC).date()


def planned_day(person: Person, protocol: TrialProtocol, visit: str) -> date | None:
    """Return the day that a visit is due: as many weeks after the first visit as the protocol says.

    Where the first visit has no day, weeks are counted from allocation; None before that.
    """
    first = protocol.visits[0]
    week = next(one.week for one in protocol.visits if one.name == visit)
    if first.name in person.visits:
        return person.visits[first.name] + timedelta(weeks=week - first.week)
    if person.allocated is not None:
        return utc_day(person.allocated) + timedelta(weeks=week)
    return None


def visit_day(person: Person, protocol: TrialProtocol, visit: str) -> date | None:
    """Return the day that a visit took place, or, not entered, is due."""
    return person.visits.get(visit) or planned_day(person, protocol, visit)


def _day_left(of: str) -> Callable[[Person, TrialProtocol], date | None]:
    def find(person: Person, _: TrialProtocol) -> date | None:
        gone = person.left(of)
        return None if gone is None else gone.day

    return find


def _first_elsewhere(person: Person, _: TrialProtocol) -> date | None:
    elsewhere = [one.day for one in person.sessions if person.target is not None and one.target != person.target]
    return min(elsewhere, default=None)


INTERCURRENT: dict[str, Callable[[Person, TrialProtocol], date | None]] = {
    "rescue": lambda person, _: min((one.day for one in person.rescues), default=None),
    "discontinuation": _day_left("treatment"),
    "lost": _day_left("follow_up"),
    "unblinding": lambda person, _: None if person.unblinded is None else utc_day(person.unblinded),
    "wrong_target": _first_elsewhere,
}
"""Intercurrent events that the log knows: the first day of each, for one participant."""


def require_known_events(protocol: TrialProtocol) -> None:
    """Refuse a protocol whose estimand names an intercurrent event that the log cannot tell.

    Raises
    ------
    OptionError
    """
    unknown = [one.event for one in protocol.estimand.intercurrent if one.event not in INTERCURRENT]
    if unknown:
        raise OptionError(
            f"the log knows no event {', '.join(unknown)}",
            where="estimand: intercurrent",
            fix=f"choose from {', '.join(INTERCURRENT)}",
        )


def stopped_day(person: Person, protocol: TrialProtocol) -> date | None:
    """Return the first day of an intercurrent event that counts as non-response, or None."""
    counted = [one.event for one in protocol.estimand.intercurrent if one.responder == "non_response"]
    days = [INTERCURRENT[name](person, protocol) for name in counted]
    return min((day for day in days if day is not None), default=None)
