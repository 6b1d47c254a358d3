"""Where a trial stands, as far as a role may see: counts, who waits, visits, questions, table 1, flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from actionloop.errors import OptionError
from actionloop.journal import Fault, Receipt, verify
from actionloop.pipeline.trialconduct import place_of
from actionloop.pipeline.trialstatusfiles import Rows, TrialStatus, write_status
from actionloop.pipeline.trialstudy import JOURNAL, Study, open_study
from actionloop.trial import (
    Person,
    Query,
    TrialState,
    arm_codes,
    baseline_table,
    count_flow,
    data_queries,
    may_see,
    planned_day,
    read_secret,
    stratum_of,
)
from actionloop.types import TrialProtocol

WIDEST = "screened"
_COUNTS: tuple[tuple[str, str, Callable[[Person], int]], ...] = (
    ("screened", "assessed", lambda person: 1),
    ("consented", "consented", lambda person: int(person.consented)),
    ("ineligible", "excluded", lambda person: int(person.excluded is not None)),
    ("allocated", "allocated", lambda person: int(person.allocated is not None)),
    ("visit", "visits", lambda person: len(person.visits)),
    ("rating", "ratings", lambda person: len(person.ratings)),
    ("session", "sessions", lambda person: len(person.sessions)),
    ("deviation", "deviations entered", lambda person: len(person.deviations)),
    ("adverse_event", "adverse events", lambda person: len(person.adverse)),
    ("adverse_event", "serious ones", lambda person: sum(one.serious for one in person.adverse)),
    ("rescue", "rescue treatments", lambda person: len(person.rescues)),
    ("withdrawn", "withdrawn", lambda person: int(bool(person.withdrawals))),
)


@dataclass(frozen=True)
class StatusRequest:
    """What is asked.

    Attributes
    ----------
    study : path
    role : str
        Whose eyes; a rater's sees least.
    out : path or None
        Where tables and the flow diagram are written.
    allocator : path or None
        With the role of the statistician: arms as codes, before the trial is unblinded.
    receipts : tuple of Receipt
    today : date or None
        The day that visits are due by; today by this machine's clock.
    """

    study: Path
    role: str = "rater"
    out: Path | None = None
    allocator: Path | None = None
    receipts: tuple[Receipt, ...] = ()
    today: date | None = None
    overwrite: bool = False


def trial_status(request: StatusRequest) -> TrialStatus:
    """Verify a study and tell where it stands.

    Raises
    ------
    InputError
        No study, or a journal that is not whole.
    OptionError
        No such role; codes for another role than the statistician.
    """
    may_see(request.role, WIDEST)
    if request.allocator is not None and request.role != "statistician":
        raise OptionError("only the statistician sees arms as codes", fix="--role statistician, or no --allocator")
    with open_study(request.study, receipts=request.receipts) as study:
        faults = verify(study.folder / JOURNAL, request.receipts)
        return _seen(study, request, faults)


def _seen(study: Study, request: StatusRequest, faults: tuple[Fault, ...]) -> TrialStatus:
    state, protocol, role = study.state, study.protocol, request.role
    today = date.today() if request.today is None else request.today
    codes = None
    if request.allocator is not None and not state.unblinded:
        codes = arm_codes(study.journal.study, study.entries, read_secret(request.allocator), protocol=protocol)
    allocated = may_see(role, "allocated")
    queries = [one for one in data_queries(state, protocol, today=today) if may_see(role, needed(one))]
    found = TrialStatus(
        title=protocol.title,
        role=role,
        receipt=study.entries[-1].receipt,
        faults=faults,
        counts=count_rows(state, protocol, role),
        visits=visit_rows(state, protocol, today=today),
        waiting=_waiting(study, role) if allocated else None,
        targets=_targets(study) if may_see(role, "target_assigned") else None,
        queries=query_rows(queries),
        baseline=baseline_table(state, protocol, arms=codes) if allocated and may_see(role, "rating") else None,
        flow=count_flow(state, protocol, arms=codes) if allocated else None,
        locks=_locks(state),
    )
    if request.out is None:
        return found
    return replace(found, written=write_status(found, request.out, overwrite=request.overwrite))


def needed(query: Query) -> str:
    """Return the kind of entry that a role must see to be asked this."""
    if query.shows_target:
        return "target_assigned"
    if query.visit.startswith("session"):
        return "session"
    return "visit" if query.what == "window" else "rating"


def count_rows(state: TrialState, protocol: TrialProtocol, role: str) -> Rows:
    """Return how much of everything there is, in all and at each centre."""
    centres = protocol.centres if len(protocol.centres) > 1 else ()
    rows = []
    for kind, told, count in _COUNTS:
        if may_see(role, kind):
            at = {centre: sum(count(p) for p in state.people.values() if p.centre == centre) for centre in centres}
            rows.append({"what": told, "all": sum(map(count, state.people.values())), **at})
    return tuple(rows)


def visit_rows(state: TrialState, protocol: TrialProtocol, *, today: date) -> Rows:
    """Return the next visit of everybody who is followed, the first to be due on top."""
    rows = []
    for person in state.allocated():
        ahead = [visit for visit in protocol.visits if visit.name not in person.visits]
        done = [index for index, visit in enumerate(protocol.visits) if visit.name in person.visits]
        ahead = [visit for visit in ahead if not done or protocol.visits.index(visit) > done[-1]]
        due = planned_day(person, protocol, ahead[0].name) if ahead else None
        if due is None or person.left("follow_up") is not None or state.data_locked:
            continue
        window = timedelta(days=ahead[0].window_days)
        when = "overdue" if today > due + window else "open" if today >= due - window else "later"
        first, last = due - window, due + window
        told = {"participant": person.name, "centre": person.centre, "visit": ahead[0].name, "due": due.isoformat()}
        rows.append({**told, "from": first.isoformat(), "to": last.isoformat(), "now": when})
    return tuple(sorted(rows, key=lambda row: (row["due"], row["participant"])))


def query_rows(queries: Sequence[Query]) -> Rows:
    """Return questions about the data as rows."""
    return tuple(
        {"participant": one.participant, "visit": one.visit, "what": one.what, "why": one.why} for one in queries
    )


def _waiting(study: Study, role: str) -> Rows:
    """Return who waits for allocation, in the order of the locks; strata for those who see the factors."""
    levels = role in ("allocator", "coordinator", "statistician")
    return tuple(
        {"participant": one.name, **({"stratum": stratum_of(study.protocol, one.levels)} if levels else {})}
        for one in study.register.waiting(study.protocol)
    )


def _targets(study: Study) -> Rows:
    rows = []
    for person in study.state.allocated():
        (x, y, z), frame = place_of(study.register, person.name)
        done = f"{len(person.sessions)} of {study.protocol.sessions}"
        target = {"participant": person.name, "target": person.target, "x": x, "y": y, "z": z, "frame": frame}
        rows.append({**target, "sessions": done})
    return tuple(rows)


def _locks(state: TrialState) -> tuple[str, ...]:
    told = [f"protocol {str(state.protocol_digest)[:12]}", f"analyses {str(state.analysis_digest)[:12]}"]
    told += ["data locked"] if state.data_locked else []
    told += ["unblinded"] if state.unblinded else []
    told += [f"{state.refusals} changes of analyses refused"] if state.refusals else []
    return tuple(told)
