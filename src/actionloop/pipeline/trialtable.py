"""A trial that was not run with this program, as one table: a row for each participant, or for each rating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionloop.errors import InputError
from actionloop.pipeline.trialcsv import ABSENT, MOST_PROBLEMS, read_cells, to_number
from actionloop.trial import outcome_data
from actionloop.types import TrialData, TrialOutcome, TrialProtocol

LONG = ("visit", "value")
STOPPED = "stopped"
TOGETHER = "everybody"


@dataclass
class _Row:
    """One participant as read so far."""

    arm: str
    line: int
    factors: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    values: dict[tuple[str, str], float] = field(default_factory=dict)


def read_trial_table(path: str | Path, protocol: TrialProtocol, *, blinded: bool = False) -> dict[str, TrialData]:
    """Read the ratings of a finished trial.

    Parameters
    ----------
    path : path
        CSV with a header; comma, semicolon or tab; UTF-8; decimals have a point; a rating that was not made is empty or
        'n/a'. Columns 'participant', 'arm' and the strata; then either one column for each rating, OUTCOME:VISIT (VISIT
        alone where one outcome only is rated after allocation, OUTCOME alone where it is rated once), or the columns
        'visit', 'value' and, where there are several, 'outcome', one row a rating. 'stopped' may name the first visit
        from which on a participant counts as non-response.
    protocol : TrialProtocol
    blinded : bool
        The arms are not read, and need not be there: everybody is one group.

    Returns
    -------
    dict of str to TrialData
        By outcome, of those that are rated after allocation.

    Raises
    ------
    InputError
        Everything that is wrong, with its line.
    """
    path = Path(path)
    header, body = read_cells(path)
    _require_header(header, protocol, path, blinded=blinded)
    long = all(name in header for name in LONG)
    places = {} if long else _places(header, protocol, path)
    people: dict[str, _Row] = {}
    problems: list[tuple[int, str]] = []
    for line, cells in body:
        if len(cells) != len(header):
            problems.append((line, f"{len(cells)} cells, the header has {len(header)}"))
            continue
        given = dict(zip(header, cells, strict=True))
        problems += [(line, told) for told in _take(given, line, people, protocol, places, blinded=blinded)]
    if not people:
        problems.append((1, "no participant"))
    if problems:
        listed = [f"  - line {line}: {told}" for line, told in sorted(problems)[:MOST_PROBLEMS]]
        more = [f"  - and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        told = "\n".join([f"{len(problems)} faults:", *listed, *more])
        raise InputError(told, where=path, fix="mend them all; nothing was analysed")
    return {one.name: _data(people, protocol, one) for one in protocol.outcomes if one.kind != "biomarker"}


def _require_header(header: Sequence[str], protocol: TrialProtocol, path: Path, *, blinded: bool) -> None:
    must = ["participant", *([] if blinded else ["arm"]), *(one.name for one in protocol.strata)]
    missing = [name for name in must if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    for names, told in ((missing, "no column is called"), (twice, "two columns:")):
        if names:
            raise InputError(
                f"{told} {', '.join(map(repr, names))}",
                where=path,
                fix=f"columns that must be there: {', '.join(must)}",
            )


def _known(protocol: TrialProtocol) -> list[str]:
    return ["participant", "arm", STOPPED, *(one.name for one in protocol.strata)]


def _rated_after(protocol: TrialProtocol) -> list[TrialOutcome]:
    return [one for one in protocol.outcomes if one.kind != "biomarker"]


def _places(header: Sequence[str], protocol: TrialProtocol, path: Path) -> dict[str, tuple[str, str]]:
    """Return what each column of ratings holds: outcome and visit."""
    names: dict[str, tuple[str, str]] = {}
    after = _rated_after(protocol)
    for outcome in protocol.outcomes:
        visits = [visit.name for visit in protocol.rated(outcome.name)]
        visits = visits[:1] if outcome.kind == "biomarker" else visits
        names |= {f"{outcome.name}:{visit}": (outcome.name, visit) for visit in visits}
        if len(visits) == 1:
            names[outcome.name] = (outcome.name, visits[0])
        if len(after) == 1 and outcome in after:
            names |= {visit: (outcome.name, visit) for visit in visits}
    found = {name: names[name] for name in header if name in names}
    odd = [name for name in header if name not in found and name not in _known(protocol)]
    if odd:
        raise InputError(
            f"columns that are not read: {', '.join(map(repr, odd))}",
            where=path,
            fix=f"take them out, or mend their names; ratings are called {', '.join(list(names)[:6])} and so on",
        )
    doubled = sorted(
        {f"{one}:{visit}" for one, visit in found.values() if list(found.values()).count((one, visit)) > 1}
    )
    if doubled:
        raise InputError(f"two columns hold {', '.join(doubled)}", where=path, fix="keep one")
    absent = [one.name for one in protocol.outcomes if one.name not in {name for name, _ in found.values()}]
    if absent:
        raise InputError(f"no column holds {', '.join(absent)}", where=path, fix="name it OUTCOME:VISIT")
    return found


def _take(
    given: Mapping[str, str],
    line: int,
    people: dict[str, _Row],
    protocol: TrialProtocol,
    places: Mapping[str, tuple[str, str]],
    *,
    blinded: bool,
) -> list[str]:
    """Take one row in; return what is wrong with it."""
    who = given["participant"]
    if not who:
        return ["no participant"]
    arm = TOGETHER if blinded else given["arm"]
    factors = {one.name: given[one.name] for one in protocol.strata}
    problems = []
    if not blinded and arm not in protocol.arm_names:
        problems.append(f"{who}: no arm is called {arm!r}; there are {', '.join(protocol.arm_names)}")
    for one in protocol.strata:
        if factors[one.name] not in one.levels:
            problems.append(f"{who}: {one.name} is one of {', '.join(one.levels)}, found {factors[one.name]!r}")
    stopped = given.get(STOPPED, "")
    stopped = "" if stopped.casefold() in ABSENT else stopped
    if stopped and stopped not in [visit.name for visit in protocol.visits[1:]]:
        problems.append(f"{who}: no visit after allocation is called {stopped!r}")
    row = _Row(arm, line, factors, stopped)
    known = people.get(who)
    if known is not None and places:
        return [*problems, f"{who} stands in line {known.line} already"]
    if known is not None and (known.arm, known.factors, known.stopped) != (arm, factors, stopped):
        return [*problems, f"{who} has another arm, stratum or {STOPPED!r} in line {known.line}"]
    row = people.setdefault(who, row)
    cells = [(key, given[name]) for name, key in places.items()] if places else [_long(given, protocol)]
    return problems + [told for key, text in cells if (told := _rate(row, who, key, text, protocol))]


def _long(given: Mapping[str, str], protocol: TrialProtocol) -> tuple[tuple[str, str], str]:
    after = _rated_after(protocol)
    outcome = given.get("outcome", after[0].name if len(after) == 1 else "")
    return (outcome, given["visit"]), given["value"]


def _rate(row: _Row, who: str, key: tuple[str, str], text: str, protocol: TrialProtocol) -> str:
    """Enter one rating; return what is wrong with it, or nothing."""
    name, visit = key
    if name not in [one.name for one in protocol.outcomes]:
        return f"{who}: no outcome is called {name!r}"
    if visit not in [one.name for one in protocol.rated(name)]:
        return f"{who}: {name} is not rated at {visit!r}"
    if text.casefold() in ABSENT:
        return ""
    value = to_number(text)
    problem = _value_problem(protocol.outcome(name), value) or ("given twice" if key in row.values else "")
    if not problem:
        row.values[key] = float(value)
    return f"{who}: {name} at {visit}: {problem}" if problem else ""


def _value_problem(outcome: TrialOutcome, value: float | str) -> str:
    if isinstance(value, str):
        return f"expected a number, found {value!r}"
    if not outcome.low <= value <= outcome.high:
        return f"{value:g} lies outside {outcome.low:g} to {outcome.high:g}"
    whole = outcome.kind != "ordinal" or value == round(value)
    return "" if whole else f"expected a whole number, found {value:g}"


def _data(people: Mapping[str, _Row], protocol: TrialProtocol, outcome: TrialOutcome) -> TrialData:
    names, order = sorted(people), [visit.name for visit in protocol.visits]

    def stopped(name: str, visit: str) -> bool:
        return bool(people[name].stopped) and order.index(visit) >= order.index(people[name].stopped)

    return outcome_data(
        protocol,
        outcome.name,
        {name: people[name].arm for name in names},
        value=lambda name, rated, visit: people[name].values.get((rated, visit)),
        stopped=stopped,
        factors={name: people[name].factors for name in names},
    )
