"""Questions about the data: departures from the protocol, what is missing or late, what looks unlikely."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from actionloop import facts
from actionloop.trial.people import Person, TrialState
from actionloop.trial.query import Query
from actionloop.trial.ratingpatterns import pattern_queries
from actionloop.trial.schedule import planned_day, utc_day
from actionloop.types import TrialProtocol

_OF_TARGETS = ("session", "target_assigned", "targets_frozen")


def data_queries(state: TrialState, protocol: TrialProtocol, *, today: date) -> tuple[Query, ...]:
    """Ask about everything in the log that is not as the protocol has it, or not likely.

    Nothing here looks at arms. A query refuses nothing and changes nothing: it is answered by a correction with a
    reason, or by a deviation that is entered.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    today : date
        Visits whose window ended before are missing; days after it are questioned.

    Returns
    -------
    tuple of Query
        By participant and visit.
    """
    rules = facts.load("trial")["queries"]
    found = [
        Query("", "", "not allowed", f"entry {one.number}: {one.kind}: {one.problem}", one.kind in _OF_TARGETS)
        for one in state.trouble
    ]
    for name in sorted(state.people):
        person = state.people[name]
        found += departures(person, protocol)
        found += _missing(person, protocol, today)
        found += _times(person, today, int(rules["late_days"]))
        found += _jumps(person, protocol, float(rules["jump_share"]))
    found += pattern_queries(state, protocol, rules)
    return tuple(sorted(found))


def departures(person: Person, protocol: TrialProtocol) -> Iterator[Query]:
    """Departures from the protocol that the log shows by itself; those that somebody entered stand in the person."""
    for visit in protocol.visits:
        day, due = person.visits.get(visit.name), planned_day(person, protocol, visit.name)
        if day is not None and due is not None and abs((day - due).days) > visit.window_days:
            why = f"on {day}, due {due} ± {visit.window_days} days"
            yield Query(person.name, visit.name, "window", why)
    gone = person.left("treatment")
    for done in person.sessions:
        where = f"session {done.number}"
        if person.target is not None and done.target != person.target:
            yield Query(
                person.name, where, "target", f"{done.target} was stimulated, assigned is {person.target}", True
            )
        if done.number > protocol.sessions:
            yield Query(person.name, where, "session", f"{protocol.sessions} sessions are planned")
        if gone is not None and done.day > gone.day:
            yield Query(person.name, where, "session", f"on {done.day}, treatment was stopped on {gone.day}")
        # Days are local, entries are UTC: a day's difference is none.
        if person.allocated is not None and done.day < utc_day(person.allocated) - timedelta(days=1):
            why = f"on {done.day}, allocation was on {utc_day(person.allocated)}"
            yield Query(person.name, where, "session", why)
    first = protocol.visits[0].name
    for (visit_name, outcome), ratings in person.ratings.items():
        after = person.allocated is not None and ratings[-1].entered > person.allocated
        if visit_name == first and after:
            why = f"{outcome}, from before allocation, was entered or corrected after it ({ratings[-1].entered[:10]})"
            yield Query(person.name, visit_name, "baseline", why)


def _missing(person: Person, protocol: TrialProtocol, today: date) -> Iterator[Query]:
    if person.allocated is None:
        return
    gone = person.left("follow_up")
    for visit in protocol.visits:
        due = planned_day(person, protocol, visit.name)
        if due is None or due + timedelta(days=visit.window_days) >= today or (gone is not None and gone.day < due):
            continue
        wanted = [one.name for one in protocol.outcomes if visit in protocol.rated(one.name)]
        wanted = [
            name
            for name in wanted
            if protocol.outcome(name).kind != "biomarker" or protocol.rated(name)[0].name == visit.name
        ]
        absent = [name for name in wanted if person.value(visit.name, name) is None]
        if absent:
            yield Query(person.name, visit.name, "missing", f"no {', '.join(absent)}; due {due}")
        if len(absent) < len(wanted) and visit.name not in person.visits:
            yield Query(person.name, visit.name, "undated", "rated, but the visit has no day")


def _times(person: Person, today: date, late_days: int) -> Iterator[Query]:
    for (visit, outcome), ratings in person.ratings.items():
        latest = ratings[-1]
        day = person.day_of(latest, visit)
        if day is not None and latest.entered:
            behind = (utc_day(latest.entered) - day).days
            if behind > late_days and not latest.reason:
                yield Query(person.name, visit, "late", f"{outcome} was entered {behind} days after it was rated")
        if len(ratings) > 1:
            series = " → ".join(f"{one.value:g}" for one in ratings)
            yield Query(person.name, visit, "corrected", f"{outcome}: {series} ({latest.reason})")
    days = [
        *((visit, day) for visit, day in person.visits.items()),
        *((f"session {done.number}", done.day) for done in person.sessions),
        *((visit, one.day) for (visit, _), rated in person.ratings.items() for one in rated if one.day is not None),
        *(("adverse event", one.day) for one in person.adverse),
        *(("rescue", one.day) for one in person.rescues),
        *(("withdrawal", one.day) for one in person.withdrawals),
    ]
    for where, day in sorted(set(days)):
        if day > today:
            yield Query(person.name, where, "future", f"{day} is after {today}")


def _jumps(person: Person, protocol: TrialProtocol, share: float) -> Iterator[Query]:
    for outcome in protocol.outcomes:
        if outcome.kind != "scale":
            continue
        visits = [visit.name for visit in protocol.rated(outcome.name)]
        known: list[tuple[str, Any]] = [(visit, person.value(visit, outcome.name)) for visit in visits]
        known = [(visit, value) for visit, value in known if value is not None]
        for (before, was), (visit, value) in pairwise(known):
            if abs(value - was) > share * (outcome.high - outcome.low):
                yield Query(person.name, visit, "jump", f"{outcome.name}: {was:g} at {before}, {value:g} at {visit}")
