"""The commands of a randomised trial: new, allocate, record, status, unblind; analyse, simulate and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from actionloop import facts
from actionloop.cli.options import Flag, Verbose, Words
from actionloop.cli.streams import put, say
from actionloop.cli.trialrecord import record
from actionloop.cli.trialresults import analyse, report, simulate
from actionloop.errors import OptionError

if TYPE_CHECKING:
    from actionloop.pipeline import TrialStatus

trial = App(name="trial", help="A randomised trial: protocol, allocation, conduct, analyses, simulation.")
RECORD = "actionloop trial record STUDY KIND|--csv FILE --table NAME --actor NAME --role ROLE [OPTIONS]"
trial.command(record, usage=f"Usage: {RECORD}")
trial.command(analyse)
trial.command(simulate)
trial.command(report)


@trial.command
def new(
    protocol: Path,
    study: Path,
    /,
    *,
    allocator: Path,
    actor: str,
    verbose: Verbose = False,
) -> int:
    """Begin a study: draw the secret that arms follow from, lock the protocol, write its synopsis.

    Parameters
    ----------
    protocol
        A file, or the name of a protocol that comes along.
    study
        New folder for the journal, the locked protocol and the synopsis.
    allocator
        Folder for the secret, outside the study's, which only the allocator's account reads.
    actor
        Who begins it; stands in the journal.
    """
    say(facts.notice())
    from actionloop import pipeline

    begun = pipeline.new_study(protocol, study, allocator=allocator, actor=actor)
    put(f"receipt\t{begun.receipt}")
    put(f"protocol\t{begun.digest}")
    for page in begun.synopsis:
        put(f"synopsis\t{page}")
    say(
        "Write the receipt down elsewhere, and a new one after each session: it shows a journal that was cut or "
        f"forged. Give a sealed copy of the secret in {allocator} to somebody else: without it no arm can be found "
        "again."
    )
    return 0


@trial.command
def allocate(
    study: Path,
    /,
    *,
    allocator: Path,
    actor: str = "",
    participant: str | None = None,
    coil: Flag = False,
    verify: Flag = False,
    receipt: Words = (),
    verbose: Verbose = False,
) -> int:
    """Allocate the next participant and tell the target, never the arm.

    Parameters
    ----------
    study
        A study folder.
    allocator
        Folder of the study's secret.
    actor
        Who allocates; stands in the journal.
    participant
        Whom; the one who has waited longest in the stratum.
    coil
        Tell which coil is mounted for somebody who was allocated: active or sham. That it was asked is recorded.
    verify
        Compute every allocation anew from the secret; nothing is changed.
    receipt
        Heads of the journal that were kept elsewhere; a journal without them is refused.
    """
    say(facts.notice())
    from actionloop import pipeline

    if verify:
        faults = pipeline.verify_study(study, allocator=allocator, receipts=pipeline.read_receipts(receipt))
        for fault in faults:
            put(str(fault))
        broken = any(fault.breaks for fault in faults)
        put("not whole" if broken else "whole: every allocation follows from the secret")
        return 1 if broken else 0
    if participant is None or not actor:
        raise OptionError("whom, and who asks?", fix="give --participant ID and --actor NAME, or --verify")
    writer = pipeline.TrialWriter(actor, "allocator", pipeline.read_receipts(receipt))
    if coil:
        put(pipeline.coil_of(study, allocator=allocator, participant=participant, writer=writer))
        return 0
    found = pipeline.allocate_participant(study, allocator=allocator, participant=participant, writer=writer)
    put(f"target\t{found.assignment.target}")
    put("xyz_mm\t" + "\t".join(f"{x:g}" for x in found.xyz))
    put(f"frame\t{found.frame or 'not stated'}")
    put(f"receipt\t{found.assignment.receipt}")
    return 0


@trial.command
def status(
    study: Path,
    /,
    *,
    role: str = "rater",
    out: Path | None = None,
    allocator: Path | None = None,
    receipt: Words = (),
    overwrite: Flag = False,
    verbose: Verbose = False,
) -> int:
    """Verify the journal and tell where the trial stands, as far as a role may see.

    Parameters
    ----------
    study
        A study folder.
    role
        Whose eyes: rater (who sees least), operator, coordinator, statistician or allocator.
    out
        Folder for the tables and the flow diagram.
    allocator
        Folder of the study's secret, with --role statistician: arms as codes before the trial is unblinded.
    receipt
        Heads of the journal that were kept elsewhere; a journal without them is refused.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """
    say(facts.notice())
    from actionloop import pipeline

    receipts = pipeline.read_receipts(receipt)
    request = pipeline.StatusRequest(study, role, out, allocator, receipts, overwrite=overwrite)
    _show(pipeline.trial_status(request))
    return 0


def _show(found: TrialStatus) -> None:
    put(f"{found.title}\nseen by\t{found.role}\nlocked\t{', '.join(found.locks)}")
    for fault in found.faults:
        say(f"warning: {fault}")
    parts: tuple[tuple[str, Sequence[Mapping[str, Any]] | None], ...] = (
        ("Counts", found.counts),
        ("Waiting for allocation", found.waiting),
        ("Targets", found.targets),
        ("Next visits", found.visits),
        ("Questions about the data", found.queries),
        ("Table 1", found.baseline_rows),
        ("Flow", found.flow_rows),
    )
    for title, rows in parts:
        if rows is None:
            continue
        put(f"\n{title}" + ("" if rows else "\nnone"))
        if rows:
            put("\t".join(rows[0]))
        for row in rows:
            put("\t".join(str(row[name]) for name in rows[0]))
    put("")
    for path in found.written:
        put(str(path))
    put(f"receipt\t{found.receipt}")


@trial.command
def unblind(
    study: Path,
    /,
    *,
    allocator: Path,
    reason: str,
    actor: str,
    participant: str | None = None,
    everybody: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    receipt: Words = (),
    verbose: Verbose = False,
) -> int:
    """Open the arm of one participant in an emergency, or of all after the data are locked; the reason is recorded.

    Parameters
    ----------
    study
        A study folder.
    allocator
        Folder of the study's secret.
    reason
        What the arm is needed for.
    actor
        Who asks; stands in the journal.
    participant
        Whose arm.
    everybody
        All arms, at the trial's end.
    receipt
        Heads of the journal that were kept elsewhere; a journal without them is refused.
    """
    say(facts.notice())
    from actionloop import pipeline

    if (participant is None) != everybody:
        raise OptionError("whose arm?", fix="give --participant ID, or --all")
    writer = pipeline.TrialWriter(actor, "allocator", pipeline.read_receipts(receipt))
    found = pipeline.open_arms_of(study, allocator=allocator, participant=participant, reason=reason, writer=writer)
    for name, arm in found.arms.items():
        put(f"{name}\t{arm}")
    if not found.whole:
        say("warning: the journal or its allocations are not whole: see actionloop trial allocate STUDY --verify")
    put(f"receipt\t{found.receipt}")
    return 0
