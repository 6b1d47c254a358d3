"""What is done to a study: entries, tables, amendments, the lock on the data, allocation, coils, unblinding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionloop.errors import InputError, OptionError
from actionloop.journal import Fault, Receipt, verify
from actionloop.pipeline.trialcsv import Imported, import_table, row_content
from actionloop.pipeline.trialstudy import COORDINATOR, JOURNAL, Study, open_study
from actionloop.pipeline.trialtargets import TargetTable, read_targets
from actionloop.trial import (
    EVERYBODY,
    AdverseEvent,
    AllocationError,
    Assignment,
    Event,
    Register,
    Unblinding,
    allocate,
    event_content,
    read_event,
    read_secret,
    record,
    require_append,
    tell_coil,
    unblind,
    verify_allocation,
)

DATA_LOCKED = "data_locked"


@dataclass(frozen=True)
class TrialWriter:
    """Who writes, as what, and which heads of the journal they hold."""

    actor: str
    role: str = COORDINATOR
    receipts: tuple[Receipt, ...] = ()


def read_receipts(texts: Sequence[str]) -> tuple[Receipt, ...]:
    """Read receipts as they were printed; one that is none is an InputError."""
    return tuple(map(Receipt.parse, texts))


@dataclass(frozen=True)
class TrialEvent:
    """What one command is about, as it was typed.

    Attributes
    ----------
    kind : str
        Of the entry.
    participant : str or None
    fields : mapping of str to str
        Names and texts, as in a table of that kind.
    targets : TargetTable or None
        With 'targets_frozen'.
    """

    kind: str
    participant: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    targets: TargetTable | None = None


@dataclass(frozen=True)
class Entered:
    """What was entered: how many entries, how many were there before, the journal's head; a warning where it is due."""

    n: int
    n_known: int
    receipt: Receipt
    warning: str = ""
    n_empty: int = 0


@dataclass(frozen=True)
class Allotted:
    """What the operator is told: the assignment and where its target lies."""

    assignment: Assignment
    xyz: tuple[float, float, float]
    frame: str


def record_event(folder: str | Path, told: TrialEvent, writer: TrialWriter) -> Entered:
    """Enter one event.

    An adverse event is entered even where the journal is not whole or the protocol's file was changed: its fields are
    checked then, and nothing else.

    Raises
    ------
    InputError
        What the protocol or the trial's state does not allow; nothing is entered.
    OptionError
        The role does not write such entries.
    """
    harm = told.kind == AdverseEvent.kind
    with _opened(folder, writer, broken=harm) as study:
        event = _event(told, study)
        warning = _distrust(study) if harm else ""
        if warning:
            return _enter_regardless(study, event, writer, warning)
        made = record(study.journal, study.protocol, [event], actor=writer.actor, role=writer.role)
        return Entered(len(made), 1 - len(made), study.journal.head())


def _opened(folder: str | Path, writer: TrialWriter, *, broken: bool = False) -> Study:
    return open_study(folder, receipts=writer.receipts, actor=writer.actor, role=writer.role, broken=broken)


def _event(told: TrialEvent, study: Study) -> Event:
    if told.participant is None:
        raise OptionError("whom is this about?", fix="name the participant: --participant ID")
    if told.targets is not None:
        if told.kind != "targets_frozen":
            raise OptionError("only 'targets_frozen' takes a table of targets", fix="leave --targets out")
        return read_targets(told.targets, study.protocol, told.participant)
    if told.kind == "targets_frozen":
        raise OptionError("'targets_frozen' needs a table", fix="--targets FILE --frame NAME")
    return read_event(told.kind, row_content({**told.fields, "participant": told.participant}, study.protocol))


def _distrust(study: Study) -> str:
    """Say why the journal is not to be trusted, or nothing."""
    broken = [fault for fault in study.faults if fault.breaks]
    return f"the journal is not whole (first fault: {broken[0]}); entered all the same" if broken else ""


def _enter_regardless(study: Study, event: Event, writer: TrialWriter, warning: str) -> Entered:
    require_append(writer.role, event.kind)
    content = event_content(event)
    with study.journal.transaction(actor=writer.actor, role=writer.role) as pen:
        known = any(entry.kind == event.kind and dict(entry.content) == content for entry in pen.entries)
        if not known:
            pen.append(event.kind, content)
    return Entered(int(not known), int(known), study.journal.head(), warning)


def record_table(folder: str | Path, path: str | Path, *, table: str, writer: TrialWriter) -> Entered:
    """Enter the rows of a table, all of them or none; rows that stand in the journal already are passed over.

    Raises
    ------
    InputError, OptionError
        As `import_table`.
    """
    with _opened(folder, writer) as study:
        found: Imported = import_table(
            study.journal, study.protocol, path, table=table, actor=writer.actor, role=writer.role
        )
        return Entered(len(found.entries), found.n_known, study.journal.head(), n_empty=found.n_empty)


def lock_data(folder: str | Path, writer: TrialWriter, *, reason: str = "") -> Entered:
    """Lock the data: adverse events and deviations alone are entered afterwards.

    Raises
    ------
    InputError
        They are locked already.
    OptionError
        The role does not lock.
    """
    require_append(writer.role, DATA_LOCKED)
    with _opened(folder, writer) as study:
        with study.journal.transaction(actor=writer.actor, role=writer.role) as pen:
            if any(entry.kind == DATA_LOCKED for entry in pen.entries):
                raise InputError("the data are locked already", where=study.journal.path)
            entry = pen.append(DATA_LOCKED, {"reason": reason.strip()} if reason.strip() else {})
        return Entered(1, 0, entry.receipt)


# What needs the secret


def allocate_participant(
    folder: str | Path, *, allocator: str | Path, participant: str, writer: TrialWriter
) -> Allotted:
    """Allocate one participant and return the target, never the arm.

    Raises
    ------
    AllocationError
        As `actionloop.trial.allocate`.
    """
    with _opened(folder, writer) as study:
        secret = read_secret(allocator)
        try:
            found = allocate(
                study.journal,
                secret,
                protocol=study.protocol,
                participant=participant,
                actor=writer.actor,
                receipts=writer.receipts,
            )
        except AllocationError as problem:
            if problem.reason == "allocated":
                problem.fix = "the target is told by: actionloop trial status STUDY --role operator"
            raise
        return Allotted(found, *place_of(Register(study.journal.entries()), participant))


def place_of(register: Register, participant: str) -> tuple[tuple[float, float, float], str]:
    """Return where the assigned target of a participant lies, RAS mm, and in which frame."""
    person = register.people[participant]
    assigned = "" if person.assigned is None else person.assigned.content.get("target")
    x, y, z = next(tuple(one["xyz"]) for one in person.candidates if one["name"] == assigned)
    return (float(x), float(y), float(z)), str(person.freezes[0].content.get("frame", ""))


def coil_of(folder: str | Path, *, allocator: str | Path, participant: str, writer: TrialWriter) -> str:
    """Return 'active' or 'sham' for whoever mounts the coil; that it was asked is recorded.

    Raises
    ------
    AllocationError
        Nobody of this name is allocated.
    """
    with _opened(folder, writer) as study:
        secret = read_secret(allocator)
        return tell_coil(study.journal, secret, protocol=study.protocol, participant=participant, actor=writer.actor)


def verify_study(folder: str | Path, *, allocator: str | Path | None, receipts: Sequence[Receipt]) -> tuple[Fault, ...]:
    """Return all that is wrong with a study's journal, and, with the secret, with its allocations; changes nothing.

    Raises
    ------
    InputError
        No study, or a secret that is not its own.
    """
    with open_study(folder, receipts=receipts, broken=True) as study:
        faults = verify(study.folder / JOURNAL, receipts)
        if allocator is not None:
            secret = read_secret(allocator)
            again = verify_allocation(study.journal.study, study.entries, secret, protocol=study.protocol)
            faults = (*faults, *again)
        return faults


def open_arms_of(
    folder: str | Path, *, allocator: str | Path, participant: str | None, reason: str, writer: TrialWriter
) -> Unblinding:
    """Open the arm of one participant, or, without one, of all.

    One arm is opened although the journal is not whole: an emergency does not wait for it.

    Raises
    ------
    InputError, AllocationError
        As `actionloop.trial.unblind`.
    """
    with _opened(folder, writer, broken=participant is not None) as study:
        who = EVERYBODY if participant is None else participant
        return unblind(
            study.journal,
            read_secret(allocator),
            protocol=study.protocol,
            participant=who,
            reason=reason,
            actor=writer.actor,
        )
