"""What the protocol and the state allow: each entry is checked against both before it is written."""

from __future__ import annotations

from actionloop.errors import InputError
from actionloop.trial import events as ev
from actionloop.trial.people import Person, TrialState
from actionloop.trial.register import EVERYBODY
from actionloop.types import TrialProtocol

_AFTER_LOCK = (ev.AdverseEvent, ev.Deviated)
"""What may still be entered when the data are locked."""


def _require(met: bool, problem: str, *, where: str, fix: str | None = None) -> None:
    if not met:
        raise InputError(problem, where=where, fix=fix)


def check_event(event: ev.Event, protocol: TrialProtocol, state: TrialState) -> None:
    """Refuse what cannot be; what merely should not have been (a visit outside its window) passes, and is a query.

    Parameters
    ----------
    event : Event
    protocol : TrialProtocol
    state : TrialState
        Before the event.

    Raises
    ------
    InputError
        Somebody unknown or twice the same, an unknown visit, outcome, centre or target, values that cannot be, visits
        out of order, something that comes too early or after withdrawal or after the data were locked.
    """
    where = f"{event.kind} of {event.participant}"
    _require(
        not state.data_locked or isinstance(event, _AFTER_LOCK),
        "the data are locked: only adverse events and deviations are still entered",
        where=where,
    )
    if isinstance(event, ev.Screened):
        _check_screened(event, protocol, state, where)
        return
    person = state.person(event.participant)
    match event:
        case ev.Consented() | ev.Eligible() | ev.Ineligible() | ev.TargetsFrozen():
            _check_before(event, protocol, person, where)
        case ev.Allocated():
            _require(person.allocated is None, "already allocated", where=where)
        case ev.TargetAssigned():
            _require(person.allocated is not None, "not allocated", where=where)
            _known(event.target, protocol.candidates, "candidate target", where)
        case ev.Visited():
            _check_visit(event, protocol, person, where)
        case ev.Rated():
            _check_rating(event, protocol, person, where)
        case ev.SessionDone():
            _check_session(event, protocol, person, where)
        case ev.Rescued():
            _require(person.allocated is not None, "rescue counts after allocation only", where=where)
        case ev.Withdrawn():
            again = person.left("follow_up") is not None or event.of in [one.of for one in person.withdrawals]
            _require(not again, f"already withdrawn from {event.of}", where=where)
    _require_new(event, person, where)


def _known(name: str, names: tuple[str, ...], what: str, where: str) -> None:
    _require(name in names, f"no {what} is called {name!r}", where=where, fix=f"choose from {', '.join(names)}")


def _require_new(event: ev.Event, person: Person, where: str) -> None:
    """Refuse a second entry of the very same deviation, adverse event or rescue."""
    known = (*person.deviations, *person.adverse, *person.rescues)
    _require(event not in known, "the very same is entered already", where=where, fix="say in a note what differs")


def _check_screened(event: ev.Screened, protocol: TrialProtocol, state: TrialState, where: str) -> None:
    same = [name for name in state.people if name.casefold() == event.participant.casefold()]
    _require(not same, f"there is a participant {''.join(same)} already", where=where, fix="give another name")
    _require(event.participant.casefold() != EVERYBODY, "this word stands for all participants", where=where)
    _known(event.centre, protocol.centres, "centre", where)
    strata = {one.name: one.levels for one in protocol.strata if one.name != "centre"}
    given = {name: level for name, level in event.factors.items() if name != "centre"}
    missing, odd = sorted(set(strata) - set(given)), sorted(set(given) - set(strata))
    _require(not missing, f"no level is given for {', '.join(missing)}", where=where)
    _require(not odd, f"no stratum is called {', '.join(odd)}", where=where, fix=f"choose from {', '.join(strata)}")
    for name, levels in strata.items():
        _known(given[name], levels, f"level of {name}", where)
    same_centre = event.factors.get("centre", event.centre) == event.centre
    _require(same_centre, "the factor 'centre' is another centre", where=where)


def _check_before(event: ev.Event, protocol: TrialProtocol, person: Person, where: str) -> None:
    """Check what comes before allocation."""
    _require(person.allocated is None, "already allocated", where=where)
    _require(person.excluded is None, f"excluded before: {person.excluded}", where=where)
    _require(not person.withdrawals, "withdrawn before", where=where)
    match event:
        case ev.Consented():
            _require(not person.consented, "consent is entered already", where=where)
        case ev.Eligible():
            _require(person.consented, "no consent is entered", where=where, fix="enter the consent first")
            _require(not person.eligible, "eligibility is locked already", where=where)
        case ev.TargetsFrozen():
            _require(not person.candidates, "the targets are frozen already", where=where)
            names = sorted(one.name for one in event.candidates)
            wanted = sorted(protocol.candidates)
            _require(names == wanted, f"expected scores of {', '.join(wanted)}, found {', '.join(names)}", where=where)


def _check_visit(event: ev.Visited, protocol: TrialProtocol, person: Person, where: str) -> None:
    names = tuple(visit.name for visit in protocol.visits)
    _known(event.visit, names, "visit", where)
    _require(person.consented, "no consent is entered", where=where, fix="enter the consent first")
    _require(event.visit not in person.visits, f"the visit {event.visit} is entered already", where=where)
    _require_allocated(event.visit, protocol, person, where)
    place = names.index(event.visit)
    for other, day in person.visits.items():
        before = names.index(other) < place
        _require(
            day < event.day if before else day > event.day,
            f"visits out of order: {other} was on {day}, {event.visit} is to be on {event.day}",
            where=where,
            fix="mend the day",
        )
    gone = person.left("follow_up")
    _require(gone is None or event.day <= gone.day, f"withdrawn on {gone and gone.day}", where=where)


def _require_allocated(visit: str, protocol: TrialProtocol, person: Person, where: str) -> None:
    later = visit != protocol.visits[0].name
    _require(not later or person.allocated is not None, "not allocated: only the first visit can be", where=where)


def _check_rating(event: ev.Rated, protocol: TrialProtocol, person: Person, where: str) -> None:
    _known(event.outcome, tuple(one.name for one in protocol.outcomes), "outcome", where)
    _known(event.visit, tuple(visit.name for visit in protocol.visits), "visit", where)
    outcome = protocol.outcome(event.outcome)
    rated = tuple(visit.name for visit in protocol.rated(event.outcome))
    if outcome.kind == "biomarker":
        rated = rated[:1]
    _require(event.visit in rated, f"{event.outcome} is not rated at {event.visit}", where=where)
    _require(person.consented, "no consent is entered", where=where, fix="enter the consent first")
    _require_allocated(event.visit, protocol, person, where)
    early = outcome.kind != "biomarker" or person.allocated is None
    _require(early, f"{event.outcome} is measured before allocation, which was {person.allocated}", where=where)
    _require(
        outcome.low <= event.value <= outcome.high,
        f"expected {event.outcome} from {outcome.low:g} to {outcome.high:g}, found {event.value:g}",
        where=where,
    )
    whole = outcome.kind != "ordinal" or event.value.is_integer()
    _require(whole, f"{event.outcome} is a whole number, found {event.value:g}", where=where)
    earlier = person.ratings.get((event.visit, event.outcome), ())
    if earlier:
        told = f"{event.outcome} at {event.visit} is entered already ({earlier[-1].value:g})"
        _require(bool(event.reason), told, where=where, fix="give a reason to correct it; both are kept")
        _require(event.value != earlier[-1].value, f"{told}: nothing is corrected", where=where)
    gone, day = person.left("follow_up"), event.day or person.visits.get(event.visit)
    within = gone is None or (day is not None and day <= gone.day)
    _require(within, f"withdrawn on {gone and gone.day}", where=where, fix="a rating from before is given with its day")


def _check_session(event: ev.SessionDone, protocol: TrialProtocol, person: Person, where: str) -> None:
    _require(person.allocated is not None, "a session before allocation", where=where, fix="allocate first")
    _known(event.target, protocol.candidates, "candidate target", where)
    for other in person.sessions:
        _require(other.number != event.number, f"session {event.number} is entered already", where=where)
        order = (other.number < event.number and other.day <= event.day) or (
            other.number > event.number and other.day >= event.day
        )
        _require(
            order,
            f"sessions out of order: number {other.number} was on {other.day}, {event.number} is to be on {event.day}",
            where=where,
            fix="mend the number or the day",
        )
