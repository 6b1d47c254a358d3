"""Every allocation computed anew, and what an observer of the journal can know of the next one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from actionloop.journal import Entry, Fault
from actionloop.trial.allocation import AllocationError, decide
from actionloop.trial.blocks import next_arm_law
from actionloop.trial.digest import protocol_digest
from actionloop.trial.register import ALLOCATED, ASSIGNED, Register, target_of
from actionloop.trial.secrecy import Secret
from actionloop.types import TrialProtocol


def verify_allocation(
    study: str, entries: Iterable[Entry], secret: Secret, *, protocol: TrialProtocol
) -> tuple[Fault, ...]:
    """Compute every allocation anew from the secret and from what stood before it; no fault names an arm.

    Finds numbers with gaps or twice, participants twice, seals and targets that are not those of the arm, an
    allocation whose conditions were not met at that time, targets frozen anew afterwards, and another secret.

    Raises
    ------
    AllocationError
        The secret is not the committed one, or the protocol is not the one that arms follow from.
    """
    told = tuple(entries)
    whole = Register(told)
    if not whole.commitments or whole.commitments[0].content.get("commitment") != secret.commitment:
        raise AllocationError("secret", "this is not the secret that the study began with")
    register, faults, open_pair = Register(), list[Fault](), None
    for entry in told:
        if open_pair is not None and (entry.kind != ASSIGNED or dict(entry.content) != open_pair):
            faults.append(Fault(entry.number, "changed", "the target of the allocation before it does not stand here"))
        elif entry.kind == ASSIGNED and open_pair is None:
            faults.append(Fault(entry.number, "order", "a target without an allocation just before it"))
        open_pair = None
        if entry.kind == ALLOCATED:
            open_pair, problem = _again(register, entry, secret, protocol, study)
            faults += problem
        person = register.people.get(str(entry.content.get("participant", "")))
        if entry.kind == "targets_frozen" and person is not None and person.allocated is not None:
            faults.append(Fault(entry.number, "order", f"targets of {person.name} were frozen after the allocation"))
        register.add(entry)
    if open_pair is not None:
        faults.append(Fault(len(told), "missing", "the target of the last allocation is not there"))
    return tuple(faults)


def _again(
    register: Register, entry: Entry, secret: Secret, protocol: TrialProtocol, study: str
) -> tuple[dict[str, Any] | None, list[Fault]]:
    """Decide anew what an entry decided, with the protocol's digest that was locked then."""
    name, locked = str(entry.content.get("participant", "")), register.protocol
    register.protocol = protocol_digest(protocol) if locked else ""
    try:
        allocated, assigned = decide(register, secret, protocol=protocol, study=study, participant=name)
    except AllocationError as problem:
        return None, [Fault(entry.number, "order", f"{name} was allocated although: {problem.problem}")]
    finally:
        register.protocol = locked
    differ = sorted(key for key in {*allocated, *entry.content} if allocated.get(key) != entry.content.get(key))
    faults = [Fault(entry.number, "changed", f"{', '.join(differ)} of {name} do not follow from the secret")]
    return assigned, faults if differ else []


def observer_law(register: Register, protocol: TrialProtocol, stratum: str) -> Mapping[str, Fraction]:
    """Return what anybody who reads the journal can know of the next arm of a stratum, with permuted blocks.

    From the frozen tables follows which arms a delivered target may belong to, and an unblinded participant has one.
    The journal holds nothing else that depends on an arm, but for seals.
    """
    possible = []
    for entry, _ in register.history:
        if entry.content.get("stratum") == stratum:
            person = register.people[str(entry.content["participant"])]
            target = None if person.assigned is None else person.assigned.content.get("target")
            arms = {arm.name for arm in protocol.arms if target_of(arm, person.candidates)["name"] == target}
            possible.append(arms & {person.unblinded} if person.unblinded else arms)
    return next_arm_law(protocol, possible)
