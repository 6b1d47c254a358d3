"""An amendment of a study's protocol: what may still be changed, and the record of what was refused."""

from __future__ import annotations

from pathlib import Path

from actionloop.errors import InputError, OptionError
from actionloop.journal import Pen
from actionloop.pipeline.trialconduct import Entered, TrialWriter
from actionloop.pipeline.trialprotocol import write_protocol
from actionloop.pipeline.trialstudy import PROTOCOL, find_protocol, locked_content, open_study, refused_content
from actionloop.pipeline.trialsynopsis import write_synopsis_files
from actionloop.trial import (
    Register,
    analysis_digest,
    protocol_digest,
    replay_entries,
    require_append,
    require_locked,
    scheme_digest,
)
from actionloop.types import TrialProtocol


def amend_protocol(folder: str | Path, protocol: str | Path, *, reason: str, writer: TrialWriter) -> Entered:
    """Lock another protocol in place of the one that is locked, with a reason.

    Parameters
    ----------
    protocol : path
        May be the study's own file, edited.

    Raises
    ------
    OptionError
        The analyses differ and the trial is unblinded: refused, and the refusal is entered. The role does not amend;
        no reason.
    InputError
        What earlier participants were allocated by differs; entries would no longer be allowed. Nothing is entered.
    """
    require_append(writer.role, "protocol_locked")
    if not reason.strip():
        raise OptionError("an amendment needs a reason", fix="--reason 'why the protocol is changed'")
    plan = find_protocol(protocol)
    with open_study(folder, receipts=writer.receipts, broken=True) as study:
        study.require_whole()
        refused: OptionError | None = None
        with study.journal.transaction(actor=writer.actor, role=writer.role) as pen:
            state = replay_entries(pen.entries, study.protocol)
            if state.protocol_digest == protocol_digest(plan):
                return Entered(0, 1, study.journal.head())
            try:
                require_locked(plan, str(state.analysis_digest), unblinded=state.unblinded)
            except OptionError as problem:
                refused = problem
                pen.append("analysis_refused", refused_content(str(state.analysis_digest), plan, reason))
            else:
                _require_fitting(pen, study.protocol, plan)
                changed = state.analysis_digest != analysis_digest(plan)
                pen.append("protocol_locked", {**locked_content(plan), "reason": reason.strip()})
                if changed:
                    pen.append("analysis_locked", {"digest": analysis_digest(plan), "reason": reason.strip()})
        if refused is not None:
            refused.fix = f"{refused.fix}; the refusal stands in the journal"
            raise refused
        write_protocol(study.folder / PROTOCOL, plan)
        write_synopsis_files(study.folder, plan)
        return Entered(2 if changed else 1, 0, study.journal.head())


def _require_fitting(pen: Pen, before: TrialProtocol, plan: TrialProtocol) -> None:
    """Refuse what would put in doubt what was done under the protocol before.

    Raises
    ------
    InputError
    """
    problems = []
    allocated = len(Register(pen.entries).history)
    if allocated and scheme_digest(plan) != scheme_digest(before):
        problems.append("arms, ratios, strata, block sizes and candidates stay as earlier participants were allocated")
    if plan.sample_size < allocated:
        problems.append(f"{allocated} are allocated, more than the new sample size of {plan.sample_size}")
    added = sorted(set(plan.asked_first) - set(before.asked_first))
    if allocated and added:
        problems.append(f"{', '.join(added)} at the first visit was not asked of who is allocated")
    known = {one.number for one in replay_entries(pen.entries, before).trouble}
    worse = [one for one in replay_entries(pen.entries, plan).trouble if one.number not in known]
    if worse:
        first = f"entry {worse[0].number}, {worse[0].kind}: {worse[0].problem}"
        problems.append(f"{len(worse)} entries would not be allowed any more, the first: {first}")
    if problems:
        told = "\n".join(["the protocol cannot be amended so:", *(f"  - {problem}" for problem in problems)])
        raise InputError(told, where="protocol", fix="leave that as it was; nothing was entered")
