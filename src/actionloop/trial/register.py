"""What allocation has to know of every participant, read from the journal one entry at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from actionloop.journal import Entry, canonical, sha256
from actionloop.trial.digest import plain_protocol
from actionloop.types import Arm, TrialProtocol

WHOLE = "all"
ALLOCATED, ASSIGNED, UNBLINDED, COMMITTED = "allocated", "target_assigned", "unblinded", "secret_committed"
EVERYBODY = "trial"
Candidate = Mapping[str, Any]


@dataclass
class Person:
    """One participant, as far as the journal tells.

    Attributes
    ----------
    levels : dict of str to str
        Level of each factor; 'centre' is one of them.
    lock : int
        Number of the entry that locked eligibility; 0 while it is open.
    freezes : list of Entry
    rated : set of (visit, outcome)
    unblinded : str
        The arm, once it was opened for this participant alone.
    """

    name: str
    levels: dict[str, str]
    consented: bool = False
    lock: int = 0
    freezes: list[Entry] = field(default_factory=list)
    rated: set[tuple[str, str]] = field(default_factory=set)
    withdrawn: bool = False
    allocated: Entry | None = None
    assigned: Entry | None = None
    unblinded: str = ""

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The frozen candidates, in the order in which they were frozen."""
        found = self.freezes[0].content.get("candidates", []) if self.freezes else []
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, Sequence) else []


class Register:
    """Everybody in the journal; `add` takes entries in their order.

    Attributes
    ----------
    people : dict of str to Person
    history : list of (Entry, dict)
        The 'allocated' entries, each with the participant's levels at that time.
    protocol : str
        Digest of the protocol that was locked last; empty before.
    commitments : list of Entry
    closed : str
        Why nobody is allocated any more; empty while the trial is open.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.people: dict[str, Person] = {}
        self.history: list[tuple[Entry, dict[str, str]]] = []
        self.commitments: list[Entry] = []
        self.protocol = self.closed = ""
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take one more entry; kinds that allocation does not depend on are passed over."""
        content, kind = entry.content, entry.kind
        if kind == COMMITTED:
            self.commitments.append(entry)
        elif kind == "protocol_locked":
            self.protocol = str(content.get("digest", ""))
        elif kind == "data_locked":
            self.closed = "the data are locked"
        elif kind == UNBLINDED and content.get("participant") == EVERYBODY:
            self.closed = "the trial is unblinded"
        elif kind == "screened":
            factors = content.get("factors")
            given = factors if isinstance(factors, Mapping) else {}
            levels = {str(name): str(level) for name, level in given.items()}
            name = str(content.get("participant", ""))
            self.people.setdefault(name, Person(name, {**levels, "centre": str(content.get("centre", ""))}))
        else:
            person = self.people.get(str(content.get("participant", "")))
            if person is not None:
                self._add_to(person, entry)

    def _add_to(self, person: Person, entry: Entry) -> None:
        content = entry.content
        match entry.kind:
            case "consented":
                person.consented = True
            case "eligible":
                person.lock = person.lock or entry.number
            case "ineligible":
                person.lock = 0
            case "withdrawn":
                person.withdrawn = True
            case "targets_frozen":
                person.freezes.append(entry)
            case "rating" if content.get("value") is not None:
                person.rated.add((str(content.get("visit")), str(content.get("outcome"))))
            case "allocated":
                person.allocated = person.allocated or entry
                self.history.append((entry, dict(person.levels)))
            case "target_assigned":
                person.assigned = person.assigned or entry
            case "unblinded":
                person.unblinded = str(content.get("arm", ""))

    def waiting(self, protocol: TrialProtocol, stratum: str | None = None) -> tuple[Person, ...]:
        """Return who is locked and not yet allocated, by the order of the locks, of one stratum or of all."""
        found = [one for one in self.people.values() if one.lock and one.allocated is None and not one.withdrawn]
        if stratum is not None:
            found = [one for one in found if stratum_of(protocol, one.levels) == stratum]
        return tuple(sorted(found, key=lambda one: one.lock))


def stratum_of(protocol: TrialProtocol, levels: Mapping[str, str]) -> str:
    """Return the stratum that numbers run in; minimisation and a trial without strata number the whole trial."""
    if protocol.allocation.method == "minimisation" or not protocol.strata:
        return WHOLE
    return "|".join(f"{one.name}={levels.get(one.name, '')}" for one in protocol.strata)


def table_digest(candidates: Sequence[Candidate]) -> str:
    """Return the hash of a frozen table: name, xyz (mm) and score of every candidate, in order.

    Raises
    ------
    InputError
        Something that is no finite number or text.
    """
    return sha256(canonical([_row(one) for one in candidates]))


def candidate_digest(candidate: Candidate) -> str:
    """Return the hash of one frozen candidate."""
    return sha256(canonical(_row(candidate)))


def _row(candidate: Candidate) -> dict[str, Any]:
    return {"name": candidate.get("name"), "xyz": candidate.get("xyz"), "score": candidate.get("score")}


def scored(candidate: Candidate) -> bool:
    """Return whether a candidate has a name, three coordinates and a finite score."""
    xyz, score = candidate.get("xyz"), candidate.get("score")
    numbers = [*xyz, score] if isinstance(xyz, Sequence) and len(xyz) == 3 else [None]
    good = all(isinstance(one, int | float) and not isinstance(one, bool) and isfinite(one) for one in numbers)
    return good and isinstance(candidate.get("name"), str)


def target_of(arm: Arm, candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate that an arm stimulates; of equal scores the one frozen first."""
    if arm.target is not None:
        return next(one for one in candidates if one["name"] == arm.target)
    sign = 1 if arm.rule == "lowest" else -1
    return min(candidates, key=lambda one: sign * one["score"])


def tied(candidates: Sequence[Candidate]) -> dict[str, bool]:
    """Return whether two candidates share the lowest and the highest score, whichever arm it is asked for."""
    scores = [one["score"] for one in candidates]
    return {"lowest": scores.count(min(scores)) > 1, "highest": scores.count(max(scores)) > 1}


def scheme_digest(protocol: TrialProtocol) -> str:
    """Return the hash of what arms follow from: it stays as it is from the first allocation on."""
    plain = plain_protocol(protocol)
    arms = [{name: arm[name] for name in ("name", "rule", "target", "ratio")} for arm in plain["arms"]]
    return sha256(canonical([arms, plain["strata"], plain["allocation"], plain["candidates"]]))
