"""The command that enters what happened in a trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.options import Verbose, Words
from actionloop.cli.streams import put, say
from actionloop.errors import OptionError

EVERYTHING = ("protocol", "data_locked")
"""What `record` takes beside the kinds of entries about one participant."""


@Parameter(name="*")
@dataclass(frozen=True)
class Entering:
    """What is entered, and by whom.

    Parameters
    ----------
    actor
        Who enters it; stands in the journal.
    role
        As what: coordinator, rater or operator.
    participant
        Whom it is about.
    fields
        NAME=VALUE, the fields of the entry: visit=week_4 outcome=pain value=3.5 date=2026-03-02. With targets_frozen:
        CANDIDATE=NAME, what a candidate is called in the tables.
    reason
        Why: of a correction, a withdrawal, an exclusion, an amendment.
    csv
        Table of entries (CSV with a header); all of its rows are entered or none.
    table
        What the rows of --csv are: participants, consents, targets, eligible, ineligible, visits, ratings, sessions,
        deviations, adverse_events, rescue or withdrawals.
    targets
        With targets_frozen: table with name, x, y, z and score; that of 'plan' is one.
    scores
        With targets_frozen: table of the scores, where they stand apart; that of 'tmseeg choose' is one.
    frame
        Frame of the coordinates, in words.
    protocol
        With protocol: the amended file.
    receipt
        Heads of the journal that were kept elsewhere; a journal without them is refused.
    """

    actor: str
    role: str
    participant: str | None = None
    fields: Annotated[Words, Parameter(name="--set")] = ()
    reason: str = ""
    csv: Path | None = None
    table: str | None = None
    targets: Path | None = None
    scores: Path | None = None
    frame: str = ""
    protocol: Path | None = None
    receipt: Words = ()


def record(
    study: Path,
    kind: str | None = None,
    /,
    *,
    entering: Entering,
    verbose: Verbose = False,
) -> int:
    """Enter what happened: one event by its kind, or a table.

    Parameters
    ----------
    study
        A study folder.
    kind
        screened, consented, targets_frozen, eligible, ineligible, visit, rating, session, deviation, adverse_event,
        rescue or withdrawn; protocol for an amendment; data_locked when all is in.
    """
    say(facts.notice())
    from actionloop import pipeline

    writer = pipeline.TrialWriter(entering.actor, entering.role, pipeline.read_receipts(entering.receipt))
    if (kind is None) == (entering.csv is None):
        raise OptionError("expected one event or one table", fix="give KIND, or --csv FILE --table NAME")
    _require_kind(kind, entering)
    if kind is None:
        found = pipeline.record_table(study, entering.csv, table=entering.table, writer=writer)  # type: ignore[arg-type]
    elif kind == "protocol":
        found = pipeline.amend_protocol(study, entering.protocol, reason=entering.reason, writer=writer)  # type: ignore[arg-type]
    elif kind == "data_locked":
        found = pipeline.lock_data(study, writer, reason=entering.reason)
    else:
        found = pipeline.record_event(study, _event(kind, entering), writer)
    put(f"entered\t{found.n}")
    if found.n_known:
        put(f"there before\t{found.n_known}")
    if found.n_empty:
        put(f"left empty\t{found.n_empty}")
    put(f"receipt\t{found.receipt}")
    if found.warning:
        say(f"warning: {found.warning}")
    return 0


def _require_kind(kind: str | None, given: Entering) -> None:
    """Refuse options that do not belong to what is entered."""
    tabled, targets = kind is None, kind == "targets_frozen"
    for there, wanted, option in (
        (given.table is not None, tabled, "--table"),
        (given.protocol is not None, kind == "protocol", "--protocol"),
    ):
        if there != wanted:
            raise OptionError(f"{option} is {'missing' if wanted else 'not for this'}", fix="see: trial record --help")
    about_one = not tabled and kind not in EVERYTHING
    for there, may, option in (
        (given.targets is not None, targets, "--targets"),
        (given.scores is not None, targets, "--scores"),
        (bool(given.frame), targets, "--frame"),
        (given.participant is not None, about_one, "--participant"),
        (bool(given.fields), about_one, "--set"),
        (bool(given.reason), not tabled and not targets, "--reason"),
    ):
        if there and not may:
            raise OptionError(f"{option} is not for this", fix="see: trial record --help")


def _event(kind: str, given: Entering) -> Any:
    from actionloop import pipeline

    fields = dict(_pair(word) for word in given.fields)
    if len(fields) != len(given.fields):
        raise OptionError("--set names a field twice", fix="give each once")
    if given.targets is not None:
        table = pipeline.TargetTable(given.targets, given.frame, given.scores, called=fields)
        return pipeline.TrialEvent(kind, given.participant, {}, table)
    if given.reason:
        fields.setdefault("reason", given.reason)
    return pipeline.TrialEvent(kind, given.participant, fields)


def _pair(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not name or not sign:
        raise OptionError(f"--set: cannot read {word!r}", fix="give NAME=VALUE, such as visit=week_4")
    return name, value
