"""Participants and the trial as they stand at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from actionloop.errors import InputError
from actionloop.trial import events as ev
from actionloop.trial.entryfields import Candidate


@dataclass(frozen=True)
class Rating:
    """One rating as it was entered: by whom, and when (UTC)."""

    value: float
    by: str
    entered: str
    day: date | None = None
    reason: str = ""


@dataclass(frozen=True)
class Person:
    """One participant.

    Attributes
    ----------
    name, centre : str
    factors : mapping of str to str
        Level of each stratum, 'centre' included when it is one.
    excluded : str or None
        Why the person was found not eligible.
    candidates : tuple of Candidate
        Frozen targets; empty before.
    allocated : str or None
        When an arm was drawn, UTC. Which is not known here.
    target : str or None
        The candidate that is to be stimulated.
    visits : mapping of str to date
    ratings : mapping of (visit, outcome) to tuple of Rating
        The last one counts; the others were corrected.
    sessions : tuple of SessionDone
        By number.
    unblinded : str or None
        When the arm of this one person was revealed, UTC.
    """

    name: str
    centre: str
    factors: Mapping[str, str]
    consented: bool = False
    screened_day: date | None = None
    consent_day: date | None = None
    excluded: str | None = None
    eligible: bool = False
    candidates: tuple[Candidate, ...] = ()
    allocated: str | None = None
    target: str | None = None
    visits: Mapping[str, date] = field(default_factory=dict)
    ratings: Mapping[tuple[str, str], tuple[Rating, ...]] = field(default_factory=dict)
    sessions: tuple[ev.SessionDone, ...] = ()
    deviations: tuple[ev.Deviated, ...] = ()
    adverse: tuple[ev.AdverseEvent, ...] = ()
    rescues: tuple[ev.Rescued, ...] = ()
    withdrawals: tuple[ev.Withdrawn, ...] = ()
    unblinded: str | None = None

    def value(self, visit: str, outcome: str) -> float | None:
        """Return the rating that counts, or None."""
        known = self.ratings.get((visit, outcome))
        return known[-1].value if known else None

    def left(self, of: str) -> ev.Withdrawn | None:
        """Return the withdrawal from 'treatment' or 'follow_up'; who is no longer followed is no longer treated."""
        counted = (of,) if of == "follow_up" else ("treatment", "follow_up")
        return min((one for one in self.withdrawals if one.of in counted), key=lambda one: one.day, default=None)

    def day_of(self, rating: Rating, visit: str) -> date | None:
        """Return the day of a rating: its own, or that of its visit."""
        return rating.day or self.visits.get(visit)


@dataclass(frozen=True)
class Trouble:
    """An entry that the journal holds although the protocol does not allow it; replay leaves it out."""

    number: int
    kind: str
    problem: str


@dataclass(frozen=True)
class TrialState:
    """A trial at one moment.

    Attributes
    ----------
    people : mapping of str to Person
    arms : mapping of str to str
        Arms that were revealed.
    protocol_digest, analysis_digest : str or None
        What was locked.
    data_locked, unblinded : bool
        No rating can be added; all arms were revealed.
    refusals : int
        Attempts that were refused and recorded.
    trouble : tuple of Trouble
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    arms: Mapping[str, str] = field(default_factory=dict)
    protocol_digest: str | None = None
    analysis_digest: str | None = None
    data_locked: bool = False
    unblinded: bool = False
    refusals: int = 0
    trouble: tuple[Trouble, ...] = field(default=(), compare=False)

    def person(self, name: str) -> Person:
        """Return a participant; an unknown one is an InputError."""
        if name not in self.people:
            like = [known for known in self.people if known.casefold() == name.casefold()]
            fix = f"did you mean {like[0]}?" if like else "screen the participant first, or mend the name"
            raise InputError(f"no participant is called {name}", fix=fix)
        return self.people[name]

    def allocated(self) -> tuple[Person, ...]:
        """Return who was allocated, by name."""
        return tuple(self.people[name] for name in sorted(self.people) if self.people[name].allocated is not None)
