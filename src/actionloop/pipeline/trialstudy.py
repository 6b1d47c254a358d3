"""A trial's study folder: journal, locked protocol and synopsis; begun whole or not at all, opened only if whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.files.atomic import atomic_folder
from actionloop.journal import Entry, Fault, Journal, Receipt, check
from actionloop.pipeline.trialprotocol import (
    packaged_protocols,
    plain_protocol,
    protocol_from_plain,
    read_packaged,
    read_protocol,
    write_protocol,
)
from actionloop.pipeline.trialsynopsis import write_synopsis_files
from actionloop.trial import (
    SECRET,
    Register,
    TrialState,
    analysis_digest,
    commit_secret,
    create_secret,
    protocol_digest,
    replay_entries,
)
from actionloop.types import TrialProtocol

JOURNAL, PROTOCOL = "journal.sqlite", "protocol.yaml"
COORDINATOR = "coordinator"
STILL = "adverse events can still be entered, and one arm opened in an emergency"


class EditedProtocolError(InputError):
    """The protocol's file is not what was locked; `recorded` is True where the journal now says so."""

    recorded = False


@dataclass(frozen=True)
class Begun:
    """A study that was begun: its folder, the head of its journal, and the pages of its synopsis."""

    folder: Path
    receipt: Receipt
    digest: str
    synopsis: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """A study as it stood when it was opened; close it, or use it in a `with` statement.

    Attributes
    ----------
    folder : Path
    journal : Journal
    protocol : TrialProtocol
        The one that was locked last, as the journal holds it.
    entries : tuple of Entry
    faults : tuple of Fault
        Harmless ones (a clock that was set back); others only where it was opened although it is not whole.
    """

    folder: Path
    journal: Journal
    protocol: TrialProtocol
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...] = ()

    @cached_property
    def state(self) -> TrialState:
        """Where everybody stands."""
        return replay_entries(self.entries, self.protocol)

    @cached_property
    def register(self) -> Register:
        """What allocation knows."""
        return Register(self.entries)

    def require_whole(self) -> None:
        """Refuse a journal whose entries cannot be trusted."""
        require_whole(self.faults, self.journal.path)

    def __enter__(self) -> Study:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the journal."""
        self.journal.close()


def find_protocol(name: str | Path) -> TrialProtocol:
    """Read a protocol from a file, or, where there is none of that name, one that comes along.

    Raises
    ------
    InputError, OptionError
        As `read_protocol`, `read_packaged`.
    """
    path = Path(name)
    if not path.exists() and str(name) in packaged_protocols():
        return read_packaged(str(name))
    if not path.exists():
        known = ", ".join(packaged_protocols())
        raise InputError("there is no such protocol", where=path, fix=f"give a file, or one of {known}")
    return read_protocol(path)


def new_study(protocol: str | Path, folder: str | Path, *, allocator: str | Path, actor: str) -> Begun:
    """Begin a study: draw its secret, commit to it, lock the protocol and its analyses, write the synopsis.

    The folder appears whole or not at all.

    Parameters
    ----------
    protocol : str or Path
        A file, or the name of a protocol that comes along.
    folder : path
        New or empty.
    allocator : path
        The allocator's own folder, which holds no secret yet; not inside `folder`, nor the other way round.
    actor : str

    Raises
    ------
    InputError, OptionError
        The protocol cannot be used; the secret would lie beside the journal.
    OutputError
        Something is there already, or cannot be written.
    """
    plan = find_protocol(protocol)
    folder, allocator = Path(folder), Path(allocator)
    require_apart(folder, allocator)
    before = allocator.exists()
    made = False
    try:
        with atomic_folder(folder) as whole, Journal.create(whole / JOURNAL) as journal:
            write_protocol(whole / PROTOCOL, plan)
            synopsis = write_synopsis_files(whole, plan)
            secret = create_secret(allocator)
            made = True
            commit_secret(journal, secret, actor=actor)
            with journal.transaction(actor=actor, role=COORDINATOR) as pen:
                pen.append("protocol_locked", locked_content(plan))
                last = pen.append("analysis_locked", {"digest": analysis_digest(plan)})
    except BaseException:
        if made:
            (allocator / SECRET).unlink(missing_ok=True)
            if not before:
                allocator.rmdir()
        raise
    return Begun(folder, last.receipt, protocol_digest(plan), tuple(folder / one.name for one in synopsis))


def locked_content(protocol: TrialProtocol) -> dict[str, object]:
    """Return what the journal holds of a protocol: its digest and all of it."""
    return {"digest": protocol_digest(protocol), "protocol": plain_protocol(protocol)}


def require_apart(folder: Path, allocator: Path) -> None:
    """Refuse a secret inside the study's folder, and a study inside the allocator's.

    Raises
    ------
    OptionError
    """
    study, private = folder.resolve(), allocator.resolve()
    if study == private or study in private.parents or private in study.parents:
        raise OptionError(
            "the allocator's secret does not belong where operators and raters read",
            where=allocator,
            fix="name a folder outside the study's, which only the allocator's account reads",
        )


def open_study(
    folder: str | Path,
    *,
    receipts: Iterable[Receipt] = (),
    actor: str = "",
    role: str = COORDINATOR,
    broken: bool = False,
) -> Study:
    """Open a study, after its journal was verified.

    Parameters
    ----------
    folder : path
    receipts : iterable of Receipt
        Heads that were kept elsewhere.
    actor, role : str
        Who asks. Where the protocol's file was changed after unblinding, the refusal is entered in this name.
    broken : bool
        Open a study although its journal is not whole or its protocol's file was changed: to look, and to enter what
        must never be lost.

    Raises
    ------
    InputError
        No study, a journal that is not whole, a protocol's file that is not what was locked.
    """
    folder = Path(folder)
    if not (folder / JOURNAL).is_file():
        raise InputError("there is no study here", where=folder, fix="begin it: actionloop trial new")
    journal = Journal.open(folder / JOURNAL)
    try:
        entries = journal.entries()
        faults = check(journal.study, entries, receipts)
        if not broken:
            require_whole(faults, journal.path)
        study = Study(folder, journal, _locked_protocol(entries, folder), entries, faults)
        if not broken:
            _require_unedited(study, actor, role)
    except BaseException:
        journal.close()
        raise
    return study


def require_whole(faults: Iterable[Fault], path: Path) -> None:
    """Refuse a journal whose entries cannot be trusted.

    Raises
    ------
    InputError
    """
    breaking = [fault for fault in faults if fault.breaks]
    if breaking:
        raise InputError(
            f"the journal is not whole ({len(breaking)} faults; first: {breaking[0]}): nothing is read from it or "
            "entered",
            where=path,
            fix=f"keep this file, restore the newest whole copy, find out who wrote; {STILL}",
        )


def _locked(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "protocol_locked"]


def _locked_protocol(entries: Iterable[Entry], folder: Path) -> TrialProtocol:
    """Return the protocol that was locked last; the file stands in where the journal cannot be read that far."""
    locked = _locked(entries)
    try:
        return protocol_from_plain(locked[-1].content["protocol"])
    except (ActionloopError, IndexError, KeyError):
        return read_protocol(folder / PROTOCOL)


def _require_unedited(study: Study, actor: str, role: str) -> None:
    """Refuse a protocol's file that says something else; one that is gone or of an earlier lock is written anew."""
    path, locked = study.folder / PROTOCOL, study.state.protocol_digest
    if not path.exists():
        write_protocol(path, study.protocol)
        return
    found: TrialProtocol | None = None
    told = "cannot be read"
    try:
        found = read_protocol(path)
        told = f"says something else (locked {str(locked)[:12]}, found {protocol_digest(found)[:12]})"
    except ActionloopError:
        pass
    if found is not None and protocol_digest(found) == locked:
        return
    if found is not None and protocol_digest(found) in [one.content.get("digest") for one in _locked(study.entries)]:
        write_protocol(path, study.protocol)
        return
    error = EditedProtocolError(
        f"the protocol was locked, and its file {told}",
        where=path,
        fix="move it away (the next command writes the locked one again); amend by: actionloop trial record STUDY "
        "protocol --protocol FILE --reason WHY",
    )
    if found is not None and actor and study.state.unblinded and analysis_digest(found) != study.state.analysis_digest:
        refuse_analyses(study, found, actor=actor, role=role)
        error.recorded = True
    raise error


def refuse_analyses(study: Study, changed: TrialProtocol, *, actor: str, role: str) -> Receipt:
    """Enter that analyses were to be changed after unblinding and were not."""
    content = refused_content(str(study.state.analysis_digest), changed, "the protocol's file was changed")
    return study.journal.append("analysis_refused", content, actor=actor, role=role).receipt


def refused_content(locked: str, changed: TrialProtocol, reason: str) -> dict[str, object]:
    """Return what the journal holds of analyses that were refused because the trial is unblinded."""
    return {"locked": locked, "found": analysis_digest(changed), "reason": reason.strip()}
