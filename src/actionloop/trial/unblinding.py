"""Opening arms: one in an emergency, all at the trial's end, as codes for the statistician, the coil for its keeper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actionloop.errors import ActionloopError, InputError
from actionloop.journal import Entry, Journal, Receipt
from actionloop.trial.allocation import ROLE, AllocationError
from actionloop.trial.recount import verify_allocation
from actionloop.trial.register import ALLOCATED, EVERYBODY, UNBLINDED, Register
from actionloop.trial.secrecy import Secret
from actionloop.types import TrialProtocol

LEAST_REASON = 10


@dataclass(frozen=True)
class Unblinding:
    """What was opened.

    Attributes
    ----------
    arms : mapping of str to str
        Arm of each participant that was asked for.
    whole : bool
        True where every allocation of the journal follows from the secret.
    receipt : Receipt
    """

    arms: Mapping[str, str]
    whole: bool
    receipt: Receipt


def unblind(
    journal: Journal, secret: Secret, *, protocol: TrialProtocol, participant: str, reason: str, actor: str
) -> Unblinding:
    """Open the arm of one participant, or of all ('trial'), and record who asked, why and what was opened.

    One arm is opened from its own seal: it needs nothing of anybody else and is never refused for a fault elsewhere,
    which is recorded beside it. All arms are opened only after the data are locked, and only if every one of them
    follows from the secret.

    Raises
    ------
    InputError
        No reason.
    AllocationError
        Nobody of this name is allocated, the secret is not the study's, a seal fits no arm; for the whole trial also:
        the data are not locked, or an allocation does not follow from the secret.
    """
    if len(reason.strip()) < LEAST_REASON:
        raise InputError(
            f"unblinding needs a reason of at least {LEAST_REASON} letters", fix="say what the arm is needed for"
        )
    with journal.transaction(actor=actor, role=ROLE) as pen:
        register = Register(pen.entries)
        faults = [str(one) for one in pen.faults() if one.breaks]
        faults += _faults(pen.study, pen.entries, secret, protocol)
        content: dict[str, Any] = {"participant": participant, "reason": reason.strip(), "whole": not faults}
        if participant == EVERYBODY:
            _require_end(pen.entries, faults)
            arms = open_arms(pen.study, pen.entries, secret, protocol=protocol)
            entry = pen.append(UNBLINDED, {**content, "arms": arms})
        else:
            person = register.people.get(participant)
            if person is None or person.allocated is None:
                raise AllocationError("unknown", f"nobody of this name is allocated: {participant!r}")
            arms = {participant: _open(pen.study, person.allocated, secret, protocol)}
            entry = pen.append(UNBLINDED, {**content, "arm": arms[participant]})
    return Unblinding(arms, not faults, entry.receipt)


def _faults(study: str, entries: Iterable[Entry], secret: Secret, protocol: TrialProtocol) -> list[str]:
    """Return what is wrong with allocations; that they cannot be looked at is one fault, not an end."""
    try:
        return [str(one) for one in verify_allocation(study, entries, secret, protocol=protocol)]
    except ActionloopError as problem:
        return [problem.problem]


def _require_end(entries: Iterable[Entry], faults: list[str]) -> None:
    if not any(entry.kind == "data_locked" for entry in entries):
        raise AllocationError(
            "closed", "the trial is unblinded after its data are locked, and they are not", fix="lock the data first"
        )
    if faults:
        raise AllocationError(
            "journal",
            f"the trial is not unblinded: {len(faults)} faults, the first: {faults[0]}",
            fix="restore the newest whole copy; verify it with the receipts",
        )


def _open(study: str, entry: Entry, secret: Secret, protocol: TrialProtocol) -> str:
    content = entry.content
    name, number, seal = str(content.get("participant")), content.get("number"), str(content.get("seal", ""))
    arm = None
    if isinstance(number, int):
        arm = secret.opened(seal, study=study, participant=name, number=number, arms=protocol.arm_names)
    if arm is None:
        raise AllocationError(
            "secret",
            f"the seal of {name} fits no arm",
            where=f"entry {entry.number}",
            fix="the entry was changed, or the protocol's arms are not those of the allocation; take the newest copy",
        )
    return arm


def open_arms(study: str, entries: Iterable[Entry], secret: Secret, *, protocol: TrialProtocol) -> dict[str, str]:
    """Return the arm of every allocated participant, from the seals; for the secret's holder only.

    Raises
    ------
    AllocationError
        A seal fits no arm.
    """
    allocated = [entry for entry in entries if entry.kind == ALLOCATED]
    return {str(entry.content["participant"]): _open(study, entry, secret, protocol) for entry in allocated}


def arm_codes(study: str, entries: Iterable[Entry], secret: Secret, *, protocol: TrialProtocol) -> dict[str, str]:
    """Return a letter for each allocated participant: the same for the same arm, in an order that the secret decides.

    The statistician works with these until the trial is unblinded. With unequal ratios the sizes of the groups tell
    which is which.
    """
    order = secret.draws("codes", study).shuffled(protocol.arm_names)
    arms = open_arms(study, entries, secret, protocol=protocol)
    return {participant: f"arm_{order.index(arm) + 1}" for participant, arm in arms.items()}


def tell_coil(
    journal: Journal, secret: Secret, *, protocol: TrialProtocol, participant: str, actor: str
) -> Literal["active", "sham"]:
    """Return which coil the coil's keeper mounts for a participant, and record only that it was asked.

    Raises
    ------
    AllocationError
        Nobody of this name is allocated, or the seal fits no arm.
    """
    with journal.transaction(actor=actor, role=ROLE) as pen:
        person = Register(pen.entries).people.get(participant)
        if person is None or person.allocated is None:
            raise AllocationError("unknown", f"nobody of this name is allocated: {participant!r}")
        name = _open(pen.study, person.allocated, secret, protocol)
        pen.append("coil_told", {"participant": participant})
    sham = next(arm for arm in protocol.arms if arm.name == name).rule == "sham"
    return "sham" if sham else "active"
