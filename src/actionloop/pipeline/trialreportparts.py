"""Sections of the page of a trial: protocol, flow in words, table 1, conduct, items of CONSORT, journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from statistics import median
from typing import Any

from actionloop import facts
from actionloop.pipeline.trialstudy import Study
from actionloop.report import EvidenceSection, Table
from actionloop.trial import TOGETHER, BaselineTable, Person, Query, Synopsis, tally
from actionloop.types import TrialFlow

MOST_QUERIES = 40
_STATES: dict[str, Callable[[Study, bool], str]] = {
    "always": lambda study, analysed: "on this page",
    "registered": lambda study, analysed: "on this page" if study.protocol.registration else "open",
    "randomised": lambda study, analysed: "on this page" if study.state.allocated() else "not yet",
    "analysed": lambda study, analysed: "on this page" if analysed else "not yet",
    "part": lambda study, analysed: "in part",
    "never": lambda study, analysed: "open",
}


def flow_words(flow: TrialFlow) -> str:
    """Tell the flow in a sentence."""
    out, lost = sum(flow.excluded.values()), sum(sum(arm.lost.values()) for arm in flow.arms)
    following, analysed = sum(arm.following for arm in flow.arms), sum(arm.analysed for arm in flow.arms)
    told = f"{flow.assessed} assessed, {out} excluded, {flow.randomised} randomised, {lost} lost to follow-up, "
    return told + (f"{following} still followed, " if following else "") + f"{analysed} analysed ({flow.analysis})."


def protocol_section(synopsis: Synopsis) -> EvidenceSection:
    """Return the synopsis as one table, and those of its parts that are tables."""
    rows = [(part.heading, _joined(part.lines), part.item_2013, part.item_2025) for part in synopsis.parts]
    columns = ["Part", "What the protocol states", "SPIRIT 2013", "SPIRIT 2025"]
    tables = [
        Table(f"Synopsis; digest {synopsis.digest}", columns, rows, " ".join(f"{one}." for one in synopsis.sources))
    ]
    tables += [Table(part.heading, part.head, part.rows) for part in synopsis.parts if part.rows]
    return EvidenceSection("Protocol", (), tables)


def _joined(lines: Sequence[str]) -> str:
    return " ".join(line if line.endswith((".", "?", "!")) else f"{line}." for line in lines)


def baseline_section(table: BaselineTable) -> EvidenceSection:
    """Return table 1."""
    columns = ["Variable", "Summary", *(f"{name} (n = {n})" for name, n in zip(table.columns, table.n, strict=True))]
    rows = [(row.label, row.summary, *row.cells) for row in table.rows]
    return EvidenceSection("Baseline", (), [Table("Table 1: participants as allocated", columns, rows, table.note)])


def conduct_section(study: Study, queries: Sequence[Query]) -> EvidenceSection:
    """Return what was done, what departed from the protocol, harms and open questions."""
    tables = [_visits(study), _delivery(study), _harms(study)]
    state = study.state
    departed = tally(one.what for person in state.people.values() for one in person.deviations)
    rescued = tally(one.what for person in state.people.values() for one in person.rescues)
    for caption, counts in (("Deviations that were entered", departed), ("Rescue treatment", rescued)):
        if counts:
            tables.append(Table(caption, ["What", "n"], list(counts.items())))
    seen = [one for one in queries if state.unblinded or not one.shows_target]
    rows = [(one.participant or None, one.visit or None, one.what, one.why) for one in seen[:MOST_QUERIES]]
    hidden = len(queries) - len(seen)
    kinds = Counter(one.what for one in seen)
    if len(kinds) > 1:
        tables.append(Table("Questions about the data, by kind", ["Kind", "n"], kinds.most_common()))
    note = f"{len(rows)} of {len(seen)}; 'trial status' lists all." if len(rows) < len(seen) else ""
    note += f" {hidden} would show a target and stand here after unblinding." if hidden else ""
    if rows or hidden:
        tables.append(Table("Questions about the data", ["Participant", "Visit", "What", "Why"], rows, note.strip()))
    return EvidenceSection("Conduct", _dates(study), [table for table in tables if table.rows])


def _dates(study: Study) -> list[str]:
    people = study.state.people.values()
    screened = sorted(one.screened_day for one in people if one.screened_day is not None)
    allocated = sorted(str(one.allocated)[:10] for one in people if one.allocated)
    seen: list[date] = sorted(day for one in people for day in one.visits.values())
    told = [f"Screened {screened[0]} to {screened[-1]}."] if screened else []
    told += [f"Allocated {allocated[0]} to {allocated[-1]} (UTC)."] if allocated else []
    told += [f"Visits {seen[0]} to {seen[-1]}."] if seen else []
    return told or ["Nobody has been seen yet."]


def _columns(study: Study) -> list[tuple[str, list[Person]]]:
    """Return arms with their people once the whole trial is unblinded, else everybody together."""
    people = list(study.state.allocated())
    if not study.state.unblinded:
        return [(TOGETHER, people)]
    arms = study.state.arms
    return [(arm.label, [one for one in people if arms[one.name] == arm.name]) for arm in study.protocol.arms]


def _visits(study: Study) -> Table:
    columns = _columns(study)
    rows = []
    for visit in study.protocol.visits:
        rated = [
            f"{sum(any(key[0] == visit.name for key in one.ratings) for one in people)} of {len(people)}"
            for _, people in columns
        ]
        rows.append((visit.name, f"{visit.week:g}", *rated))
    return Table("Participants with a rating at each visit", ["Visit", "Week", *(name for name, _ in columns)], rows)


def _delivery(study: Study) -> Table:
    planned = study.protocol.sessions
    rows: list[tuple[Any, ...]] = []
    for name, people in _columns(study):
        done = [len(one.sessions) for one in people]
        gone = sum(one.left("treatment") is not None for one in people)
        whole = sum(number >= planned for number in done)
        rows.append(
            (name, len(people), sum(done), f"{median(done):g}" if done else None, f"{whole} of {len(people)}", gone)
        )
    columns = ["Arm", "Allocated", "Sessions", "Median", f"All {planned} sessions", "Stopped treatment"]
    return Table("Sessions delivered", columns, rows if planned else [])


def _harms(study: Study) -> Table:
    columns = _columns(study)
    terms = tally(one.term for person in study.state.people.values() for one in person.adverse)
    rows: list[tuple[Any, ...]] = []
    for term in terms:
        own = [[one for p in people for one in p.adverse if _same(one.term, term)] for _, people in columns]
        hit = [sum(any(_same(one.term, term) for one in p.adverse) for p in people) for _, people in columns]
        told = [f"{n} ({len(events)})" for n, events in zip(hit, own, strict=True)]
        events = [one for listed in own for one in listed]
        worst = Counter(one.severity for one in events)
        related = Counter(one.related for one in events)
        rows.append((term, *told, sum(one.serious for one in events), _counted(worst), _counted(related)))
    head = ["Adverse event", *(f"{name}: people (events)" for name, _ in columns), "Serious", "Severity", "Related"]
    before = sum(len(one.adverse) for one in study.state.people.values() if one.allocated is None)
    note = f"{before} events before allocation are not in the columns." if before else ""
    return Table("Harms", head, rows, note)


def _same(term: str, other: str) -> bool:
    """Tell whether two terms are counted as one, as `tally` counts them."""
    return " ".join(term.split()).casefold() == other.casefold()


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common())


def consort_section(study: Study, *, analysed: bool) -> EvidenceSection:
    """Return the items of CONSORT 2025 and where each is met, as far as the journal tells."""
    known = facts.load("trial_results")["consort"]
    rows = [
        (
            one["number"],
            one["what"],
            _STATES[one["by"]](study, analysed),
            one["met"],
            "read" if one["verified"] else "unverified",
        )
        for one in known["item"]
    ]
    columns = ["Item", "Subject (our words)", "State", "Where", "Item number"]
    note = f"{known['source']}. Unverified: number and subject from memory, to be checked against the checklist."
    return EvidenceSection("CONSORT 2025", (), [Table("Items, and where they are met", columns, rows, note)])


def journal_section(study: Study, recounted: str) -> EvidenceSection:
    """Return the journal's locks, unblindings and heads."""
    shown = (
        *("secret_committed", "protocol_locked", "analysis_locked", "analysis_refused", "data_locked", "unblinded"),
        *("interim", "analysed"),
    )
    rows = [
        (
            entry.number,
            entry.time[:19].replace("T", " "),
            entry.kind,
            entry.actor,
            entry.role,
            _about(entry.content),
            entry.digest,
        )
        for entry in study.entries
        if entry.kind in shown
    ]
    last = study.entries[-1]
    rows.append((last.number, last.time[:19].replace("T", " "), "head", last.actor, last.role, "", last.digest))
    kinds = Counter(entry.kind for entry in study.entries)
    tables = [
        Table(
            "Locks, openings and the head", ["Entry", "UTC", "Kind", "Who", "Role", "About", "Receipt (SHA-256)"], rows
        ),
        Table("Entries by kind", ["Kind", "n"], sorted(kinds.items())),
    ]
    told = [
        f"The chain of {len(study.entries)} entries was verified; allocations were {recounted}.",
        f"Receipt to keep elsewhere: {last.receipt}",
    ]
    return EvidenceSection("Journal", told, tables)


def _about(content: Any) -> str:
    """Return what an entry is about, without an arm."""
    told = [str(content[name]) for name in ("participant", "reason") if content.get(name)]
    return ": ".join(told) or str(content.get("digest", ""))[:12]
