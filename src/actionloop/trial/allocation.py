"""Allocation: the next number of a stratum, its target for the operator, its arm for nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actionloop.errors import ActionloopError, InputError
from actionloop.journal import Entry, Journal, Receipt
from actionloop.trial.blocks import arm_in_blocks
from actionloop.trial.digest import protocol_digest
from actionloop.trial.minimisation import arms_by_minimisation
from actionloop.trial.register import (
    ALLOCATED,
    ASSIGNED,
    COMMITTED,
    EVERYBODY,
    Person,
    Register,
    candidate_digest,
    scheme_digest,
    scored,
    stratum_of,
    table_digest,
    target_of,
    tied,
)
from actionloop.trial.secrecy import Secret
from actionloop.types import TrialProtocol

ROLE = "allocator"
Reason = Literal[
    "journal",
    "secret",
    "protocol",
    "scheme",
    "closed",
    "unknown",
    "withdrawn",
    "allocated",
    "full",
    "consent",
    "factors",
    "baseline",
    "targets",
    "thawed",
    "eligibility",
    "order",
]


class AllocationError(ActionloopError):
    """Nobody was allocated, and the journal is as it was; `reason` is one word for why. It never names an arm."""

    def __init__(
        self, reason: Reason, problem: str, *, where: str | Path | None = None, fix: str | None = None
    ) -> None:
        self.reason = reason
        super().__init__(problem, where=where, fix=fix)


@dataclass(frozen=True)
class Assignment:
    """What an operator is told.

    Attributes
    ----------
    participant, stratum : str
    number : int
        Within the stratum, 1 is the first.
    target : str
        Name of the frozen candidate that is to be stimulated.
    candidate : str
        Its hash in the frozen table.
    receipt : Receipt
        The journal's head just after; worth keeping elsewhere.
    """

    participant: str
    stratum: str
    number: int
    target: str
    candidate: str
    receipt: Receipt


def commit_secret(journal: Journal, secret: Secret, *, actor: str) -> Entry:
    """Write the hash of the secret as the first entry of a journal.

    Raises
    ------
    InputError
        The journal has entries already.
    """
    with journal.transaction(actor=actor, role=ROLE) as pen:
        if pen.entries:
            raise InputError(
                "the secret's hash is the first entry of a journal, and this one has entries",
                where=journal.path,
                fix="begin a new study",
            )
        return pen.append(COMMITTED, {"commitment": secret.commitment})


def allocate(
    journal: Journal,
    secret: Secret,
    *,
    protocol: TrialProtocol,
    participant: str,
    actor: str,
    receipts: Iterable[Receipt] = (),
) -> Assignment:
    """Allocate one participant: read, decide and append under one lock.

    Two entries are added together or not at all: 'allocated' with the number and the seal, 'target_assigned' with the
    target. A process that dies before that leaves nothing, and asking again gives the same.

    Parameters
    ----------
    receipts : iterable of Receipt
        Heads kept elsewhere; a journal that does not hold them is refused.

    Raises
    ------
    AllocationError
        A condition is not met, or the journal is not whole. No message names an arm.
    OutputError
        The journal cannot be written.
    """
    with journal.transaction(actor=actor, role=ROLE) as pen:
        broken = [fault for fault in pen.faults(receipts) if fault.breaks]
        if broken:
            raise AllocationError(
                "journal",
                f"the journal is not whole ({len(broken)} faults; first: {broken[0]})",
                where=journal.path,
                fix="verify it and restore the newest whole copy; allocate nobody meanwhile",
            )
        allocated, assigned = decide(
            Register(pen.entries), secret, protocol=protocol, study=pen.study, participant=participant
        )
        pen.append(ALLOCATED, allocated)
        last = pen.append(ASSIGNED, assigned)
    return Assignment(
        participant, allocated["stratum"], allocated["number"], assigned["target"], assigned["candidate"], last.receipt
    )


def decide(
    register: Register, secret: Secret, *, protocol: TrialProtocol, study: str, participant: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the contents of 'allocated' and 'target_assigned' for one participant.

    Nothing but the target and the seal depends on the arm: whether scores tie, for example, is told for both ends of
    the table and not for the arm's.

    Raises
    ------
    AllocationError
        A condition is not met.
    """
    scheme = _require_trial(register, secret, protocol)
    person = _require_person(register, protocol, participant)
    stratum = stratum_of(protocol, person.levels)
    number = 1 + sum(entry.content.get("stratum") == stratum for entry, _ in register.history)
    _require_order(register, protocol, person, stratum)
    name = _arm(register, secret, protocol, study=study, stratum=stratum, number=number, levels=person.levels)
    arm = next(one for one in protocol.arms if one.name == name)
    target = target_of(arm, person.candidates)
    seal = secret.seal(study=study, participant=participant, number=number, arm=name)
    allocated = {
        "participant": participant,
        "stratum": stratum,
        "number": number,
        "seal": seal,
        "scheme": scheme,
    }
    assigned = {
        "participant": participant,
        "target": target["name"],
        "candidate": candidate_digest(target),
        "table": table_digest(person.candidates),
        "tied": tied(person.candidates),
    }
    return allocated, assigned


def _arm(
    register: Register,
    secret: Secret,
    protocol: TrialProtocol,
    *,
    study: str,
    stratum: str,
    number: int,
    levels: Mapping[str, str],
) -> str:
    if protocol.allocation.method == "blocks":
        return arm_in_blocks(secret, protocol, study=study, stratum=stratum, number=number)
    past = [levels for _, levels in register.history]
    return arms_by_minimisation(secret, protocol, [*past, levels], study=study)[-1]


def _require_trial(register: Register, secret: Secret, protocol: TrialProtocol) -> str:
    """Return the digest of what arms follow from, once the trial is found open, with its own secret and protocol."""
    commitments = register.commitments
    if len(commitments) != 1 or commitments[0].number != 1:
        raise AllocationError(
            "secret", "the journal does not begin with the hash of one secret", fix="begin the study with its secret"
        )
    if commitments[0].content.get("commitment") != secret.commitment:
        raise AllocationError(
            "secret", "this is not the secret that the study began with", fix="restore the allocator's sealed copy"
        )
    if register.protocol != protocol_digest(protocol):
        told = "no protocol is locked" if not register.protocol else "this is not the protocol that was locked"
        raise AllocationError("protocol", told, fix="lock the protocol, or give the locked file")
    scheme = scheme_digest(protocol)
    if any(entry.content.get("scheme") != scheme for entry, _ in register.history):
        raise AllocationError(
            "scheme",
            "arms, ratios, strata, block sizes or candidates are not those that earlier participants were allocated by",
            fix="an amendment leaves them as they were",
        )
    if register.closed:
        raise AllocationError("closed", f"nobody is allocated any more: {register.closed}")
    return scheme


def _require_person(register: Register, protocol: TrialProtocol, name: str) -> Person:
    person = register.people.get(name)
    if person is None or name == EVERYBODY:
        raise AllocationError(
            "unknown", f"nobody of this name was screened: {name!r}", fix="check the participant's id"
        )
    if person.allocated is not None:
        raise AllocationError(
            "allocated",
            f"{name} was allocated already, in entry {person.allocated.number}",
            fix="the target stands in the entry after it",
        )
    if person.withdrawn:
        raise AllocationError("withdrawn", f"{name} was withdrawn")
    if len(register.history) >= protocol.sample_size:
        raise AllocationError("full", f"all {protocol.sample_size} places of the trial are taken")
    if not person.consented:
        raise AllocationError("consent", f"no consent of {name} is recorded", fix="record it first")
    for one in protocol.strata:
        if person.levels.get(one.name) not in one.levels:
            found = person.levels.get(one.name) or "nothing"
            raise AllocationError("factors", f"{name}: {one.name} is {found}", fix=f"one of {', '.join(one.levels)}")
    first = protocol.visits[0]
    absent = [outcome for outcome in protocol.asked_first if (first.name, outcome) not in person.rated]
    if absent:
        raise AllocationError(
            "baseline", f"{name} has no {', '.join(absent)} at {first.name}", fix="record the baseline first"
        )
    _require_frozen(person, protocol)
    if not person.lock:
        raise AllocationError("eligibility", f"the eligibility of {name} is not locked", fix="lock it first")
    return person


def _require_frozen(person: Person, protocol: TrialProtocol) -> None:
    table, name = person.candidates, person.name
    if len(person.freezes) != 1:
        told = "were frozen more than once" if person.freezes else "are not frozen"
        raise AllocationError("thawed" if person.freezes else "targets", f"the candidate targets of {name} {told}")
    if sorted(str(one.get("name")) for one in table) != sorted(protocol.candidates) or not all(map(scored, table)):
        raise AllocationError(
            "targets",
            f"expected a place and a score of every candidate of {name}",
            fix=f"freeze {', '.join(protocol.candidates)}",
        )
    if person.freezes[0].content.get("digest") != table_digest(table):
        raise AllocationError("thawed", f"the frozen table of {name} does not have the hash that was frozen with it")


def _require_order(register: Register, protocol: TrialProtocol, person: Person, stratum: str) -> None:
    first = register.waiting(protocol, stratum)[0]
    if first.name != person.name:
        raise AllocationError(
            "order",
            f"{first.name} was locked before {person.name} in {stratum} and is not allocated yet",
            fix=f"allocate {first.name} first, or record why not ('ineligible' or 'withdrawn')",
        )
