"""The trial's conduct: where everybody stands, by playing the journal again, and what may be entered next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from actionloop.errors import ActionloopError, InputError
from actionloop.journal import Entry, Journal
from actionloop.trial import events as ev
from actionloop.trial.checks import check_event
from actionloop.trial.entryfields import Candidate
from actionloop.trial.people import Person, Rating, TrialState, Trouble
from actionloop.trial.register import table_digest
from actionloop.trial.roles import require_append
from actionloop.types import TrialProtocol

__all__ = [
    "EntryLike",
    "Person",
    "Rating",
    "Sifted",
    "TrialState",
    "Trouble",
    "advance",
    "follow",
    "freeze_targets",
    "is_known",
    "record",
    "replay",
    "sift",
]


class EntryLike(Protocol):
    """What replay reads of an entry; `actionloop.journal.Entry` is one."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def time(self) -> str: ...  # noqa: D102
    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def content(self) -> Mapping[str, Any]: ...  # noqa: D102


def replay(entries: Iterable[EntryLike], protocol: TrialProtocol, *, known: TrialState | None = None) -> TrialState:
    """Play entries, in their order, on top of `known`.

    Entries of other kinds than those of conduct, allocation and locks are passed over. One that the protocol does not
    allow (written by another program, say) does not stop the trial from being read: it is left out and named in
    `trouble`.

    Parameters
    ----------
    entries : iterable
        With number, time, actor, role, kind and content.
    protocol : TrialProtocol
    known : TrialState, optional
        The state before the first of `entries`.
    """
    state = known or TrialState()
    people, arms, trouble = dict(state.people), dict(state.arms), list(state.trouble)
    state = replace(state, people=people, arms=arms)
    for entry in entries:
        try:
            if entry.kind in ev.KINDS:
                event = ev.read_event(entry.kind, entry.content)
                people[event.participant] = advance(state, protocol, event, by=entry.actor, entered=entry.time)
            elif entry.kind in _LOCKS:
                state = _LOCKS[entry.kind](state, entry)
                people, arms = dict(state.people), dict(state.arms)
                state = replace(state, people=people, arms=arms)
        except ActionloopError as error:
            trouble.append(Trouble(entry.number, entry.kind, error.problem))
    return replace(state, trouble=tuple(trouble))


_FOLLOWED: WeakKeyDictionary[Journal, tuple[TrialProtocol, tuple[Entry, ...], TrialState]] = WeakKeyDictionary()


def follow(journal: Journal, entries: tuple[Entry, ...], protocol: TrialProtocol) -> TrialState:
    """Replay the entries of an open journal; of those that were replayed before only what came after is played.

    An open journal hands out the very same entries as long as nobody else has written; if it read them anew, all of
    them are played again.
    """
    known = _FOLLOWED.get(journal)
    if known is not None and known[0] is protocol and _begins(entries, known[1]):
        state = replay(entries[len(known[1]) :], protocol, known=known[2])
    else:
        state = replay(entries, protocol)
    _FOLLOWED[journal] = (protocol, entries, state)
    return state


def _begins(entries: tuple[Entry, ...], first: tuple[Entry, ...]) -> bool:
    """Tell whether `entries` begin with the same objects."""
    return len(first) <= len(entries) and all(map(is_, entries, first))


def advance(state: TrialState, protocol: TrialProtocol, event: ev.Event, *, by: str = "", entered: str = "") -> Person:
    """Return the participant as the event leaves them.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    event : Event
    by, entered : str
        Who entered it, and when (UTC, ISO 8601).

    Raises
    ------
    InputError
        What the protocol or the state does not allow.
    """
    check_event(event, protocol, state)
    if isinstance(event, ev.Screened):
        factors = dict(event.factors)
        if any(one.name == "centre" for one in protocol.strata):
            factors["centre"] = event.centre
        return Person(event.participant, event.centre, factors, screened_day=event.day)
    person = state.person(event.participant)
    if isinstance(event, ev.Allocated):
        return replace(person, allocated=entered)
    if isinstance(event, ev.Rated):
        key = (event.visit, event.outcome)
        rating = Rating(event.value, by, entered, event.day, event.reason)
        return replace(person, ratings={**person.ratings, key: (*person.ratings.get(key, ()), rating)})
    return replace(person, **_CHANGES[type(event)](person, event))


_CHANGES: dict[type[ev.Event], Callable[[Person, Any], dict[str, Any]]] = {
    ev.Consented: lambda _, event: {"consented": True, "consent_day": event.day},
    ev.TargetsFrozen: lambda _, event: {"candidates": event.candidates},
    ev.Eligible: lambda _, event: {"eligible": True},
    ev.Ineligible: lambda _, event: {"excluded": event.reason, "eligible": False},
    ev.TargetAssigned: lambda _, event: {"target": event.target},
    ev.Visited: lambda person, event: {"visits": {**person.visits, event.visit: event.day}},
    ev.SessionDone: lambda person, event: {"sessions": _by_number((*person.sessions, event))},
    ev.Deviated: lambda person, event: {"deviations": (*person.deviations, event)},
    ev.AdverseEvent: lambda person, event: {"adverse": (*person.adverse, event)},
    ev.Rescued: lambda person, event: {"rescues": (*person.rescues, event)},
    ev.Withdrawn: lambda person, event: {"withdrawals": (*person.withdrawals, event)},
}


def _by_number(sessions: tuple[ev.SessionDone, ...]) -> tuple[ev.SessionDone, ...]:
    return tuple(sorted(sessions, key=lambda one: one.number))


def _unblinded(state: TrialState, entry: EntryLike) -> TrialState:
    """Read who was revealed: one 'participant' with its 'arm', or all with their 'arms'."""
    who, listed, arm = (entry.content.get(name) for name in ("participant", "arms", "arm"))
    if isinstance(listed, Mapping):
        revealed = {str(name): str(one) for name, one in listed.items()}
        return replace(state, arms={**state.arms, **revealed}, unblinded=True)
    if not isinstance(who, str) or not isinstance(arm, str):
        raise InputError("an unblinding names a participant and an arm, or all arms")
    person = replace(state.person(who), unblinded=entry.time)
    return replace(state, arms={**state.arms, who: arm}, people={**state.people, who: person})


_LOCKS: dict[str, Callable[[TrialState, EntryLike], TrialState]] = {
    "protocol_locked": lambda state, entry: replace(state, protocol_digest=str(entry.content.get("digest"))),
    "analysis_locked": lambda state, entry: replace(state, analysis_digest=str(entry.content.get("digest"))),
    "data_locked": lambda state, _: replace(state, data_locked=True),
    "analysis_refused": lambda state, _: replace(state, refusals=state.refusals + 1),
    "unblinded": _unblinded,
}


def _without_centre(factors: Mapping[str, str]) -> dict[str, str]:
    return {name: level for name, level in factors.items() if name != "centre"}


def _same_person(person: Person, event: Any) -> bool:
    given = (event.centre, _without_centre(event.factors), event.day)
    return (person.centre, _without_centre(person.factors), person.screened_day) == given


def _same_rating(person: Person, event: Any) -> bool:
    earlier = person.ratings.get((event.visit, event.outcome), ())
    return (event.value, event.day, event.reason) in [(one.value, one.day, one.reason) for one in earlier]


_KNOWN: dict[type[ev.Event], Callable[[Person, Any], bool]] = {
    ev.Screened: _same_person,
    ev.Consented: lambda person, event: person.consented and person.consent_day == event.day,
    ev.TargetsFrozen: lambda person, event: person.candidates == event.candidates,
    ev.Eligible: lambda person, _: person.eligible,
    ev.Ineligible: lambda person, event: person.excluded == event.reason,
    ev.Visited: lambda person, event: person.visits.get(event.visit) == event.day,
    ev.Rated: _same_rating,
    ev.SessionDone: lambda person, event: event in person.sessions,
    ev.Deviated: lambda person, event: event in person.deviations,
    ev.AdverseEvent: lambda person, event: event in person.adverse,
    ev.Rescued: lambda person, event: event in person.rescues,
    ev.Withdrawn: lambda person, event: event in person.withdrawals,
}


def is_known(event: ev.Event, state: TrialState) -> bool:
    """Tell whether the very same was entered before, corrected since or not."""
    person, same = state.people.get(event.participant), _KNOWN.get(type(event))
    return person is not None and same is not None and same(person, event)


def freeze_targets(participant: str, candidates: Sequence[Candidate], *, frame: str = "") -> ev.TargetsFrozen:
    """Return the entry that freezes a participant's candidates, with the digest that allocation looks for."""
    unsigned = ev.TargetsFrozen(participant, tuple(candidates), "", frame)
    return replace(unsigned, digest=table_digest(ev.event_content(unsigned)["candidates"]))


@dataclass(frozen=True)
class Sifted:
    """Events that are new, how many are entered already, and what is wrong with the others.

    `problems` holds (index of the event, error).
    """

    new: tuple[ev.Event, ...]
    n_known: int
    problems: tuple[tuple[int, ActionloopError], ...]


def sift(events: Sequence[ev.Event], protocol: TrialProtocol, state: TrialState) -> Sifted:
    """Check events one after the other, each as if those before it had been entered; nothing is written.

    Parameters
    ----------
    events : sequence of Event
    protocol : TrialProtocol
    state : TrialState
    """
    people, new, problems, n_known = dict(state.people), [], [], 0
    working = replace(state, people=people)
    for index, event in enumerate(events):
        if is_known(event, working):
            n_known += 1
            continue
        try:
            people[event.participant] = advance(working, protocol, event, entered="")
        except ActionloopError as error:
            problems.append((index, error))
        else:
            new.append(event)
    return Sifted(tuple(new), n_known, tuple(problems))


def record(
    journal: Journal, protocol: TrialProtocol, events: Sequence[ev.Event], *, actor: str, role: str
) -> tuple[Entry, ...]:
    """Check events against the journal as it stands and enter all that are new, or none, under one lock.

    Parameters
    ----------
    journal : Journal
    protocol : TrialProtocol
    events : sequence of Event
    actor, role : str

    Returns
    -------
    tuple of Entry
        What was entered; empty when all of it was there before.

    Raises
    ------
    InputError
        Every event that cannot be, in one error; nothing is entered.
    OptionError
        The role does not write such entries.
    """
    for kind in sorted({event.kind for event in events}):
        if kind not in ev.RECORDED:
            raise InputError("allocation is entered by allocation alone", fix="allocate the participant")
        require_append(role, kind)
    for event in events:
        if isinstance(event, ev.TargetsFrozen) and event.digest != freeze_targets("", event.candidates).digest:
            raise InputError("the digest is not that of the candidates", where=f"{event.kind} of {event.participant}")
    with journal.transaction(actor=actor, role=role) as pen:
        sifted = sift(events, protocol, follow(journal, pen.entries, protocol))
        if len(sifted.problems) == 1:
            raise sifted.problems[0][1]
        if sifted.problems:
            told = "\n".join(f"  - {error.where}: {error.problem}" for _, error in sifted.problems)
            raise InputError(f"{len(sifted.problems)} entries cannot be made:\n{told}", fix="mend them; none was made")
        return tuple(pen.append(event.kind, ev.event_content(event)) for event in sifted.new)
