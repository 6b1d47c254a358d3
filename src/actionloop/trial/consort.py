"""Counts for the flow diagram of CONSORT 2025 (item 22a), from the log, at any time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from actionloop.errors import OptionError
from actionloop.trial.dataset import arm_order
from actionloop.trial.people import Person, TrialState
from actionloop.types import Analysis, FlowArm, TrialFlow, TrialProtocol

TOGETHER = "All arms together (blinded)"


def count_flow(
    state: TrialState, protocol: TrialProtocol, *, arms: Mapping[str, str] | None = None, analysis: str | None = None
) -> TrialFlow:
    """Count who was assessed, excluded, allocated, treated, lost and analysed.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    arms : mapping of str to str, optional
        Arm or blinded code of everybody who was allocated. Without it, and before the trial is unblinded, all arms
        stand in one column: the log does not hold them.
    analysis : str, optional
        Whose participants are counted as analysed; the primary analysis by default.

    Returns
    -------
    TrialFlow
        Its numbers add up, or it could not be made.

    Raises
    ------
    InputError
        Somebody has no arm.
    OptionError
        No such analysis.
    """
    chosen = _find_analysis(protocol, analysis)
    people = state.allocated()
    revealed = arms if arms is not None else (state.arms if state.unblinded else None)
    columns = arm_columns(protocol, people, revealed)
    before = [state.people[name] for name in sorted(state.people) if state.people[name].allocated is None]
    out = [reason for person in before if (reason := _excluded(person)) is not None]
    return TrialFlow(
        assessed=len(state.people),
        excluded=tally(out),
        undecided=len(before) - len(out),
        randomised=len(people),
        arms=tuple(_count_arm(label, members, state, protocol, chosen) for label, members in columns),
        analysis=chosen.name,
    )


def tally(reasons: Iterable[str]) -> dict[str, int]:
    """Count reasons, most frequent first; how they are capitalised makes no difference."""
    counts: dict[str, int] = {}
    words: dict[str, str] = {}
    for reason in reasons:
        plain = " ".join(reason.split())
        key = words.setdefault(plain.casefold(), plain)
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0].casefold())))


def _find_analysis(protocol: TrialProtocol, name: str | None) -> Analysis:
    for one in protocol.analyses:
        if one.name == name or (name is None and one.role == "primary"):
            return one
    known = ", ".join(one.name for one in protocol.analyses)
    raise OptionError(f"no analysis is called {name!r}", fix=f"choose from {known}")


def arm_columns(
    protocol: TrialProtocol, people: tuple[Person, ...], arms: Mapping[str, str] | None
) -> list[tuple[str, list[Person]]]:
    """Return the label and the people of each column of a table: by arm or code where known, else all together.

    Raises
    ------
    InputError
        Arms are given of some people and not of others.
    """
    if arms is None:
        return [(TOGETHER, list(people))]
    order = arm_order(protocol, {person.name: arms.get(person.name) for person in people})
    labels = {arm.name: arm.label for arm in protocol.arms}
    return [(labels.get(name, f"Group {name}"), [p for p in people if arms[p.name] == name]) for name in order]


def _excluded(person: Person) -> str | None:
    if person.excluded is not None:
        return person.excluded
    return f"Withdrew: {person.withdrawals[0].reason}" if person.withdrawals else None


def _count_arm(
    label: str, people: list[Person], state: TrialState, protocol: TrialProtocol, analysis: Analysis
) -> FlowArm:
    received = [person for person in people if person.sessions or not protocol.sessions]
    lost = [gone.reason for person in people if (gone := person.left("follow_up")) is not None]
    stopped = [
        gone.reason
        for person in people
        if person.left("follow_up") is None and (gone := person.left("treatment")) is not None
    ]
    final = [person for person in people if _is_final(person, state, analysis)]
    out = [reason for person in final if (reason := _left_out(person, protocol, analysis)) is not None]
    return FlowArm(
        label=label,
        allocated=len(people),
        received=len(received),
        not_received=tally(_untreated(person, state) for person in people if person not in received),
        lost=tally(lost),
        discontinued=tally(stopped),
        following=len(people) - len(final),
        analysed=len(final) - len(out),
        not_analysed=tally(out),
    )


def _untreated(person: Person, state: TrialState) -> str:
    gone = person.left("treatment")
    if gone is not None:
        return gone.reason
    return "No session" if state.data_locked else "No session yet"


def _is_final(person: Person, state: TrialState, analysis: Analysis) -> bool:
    """Tell whether it is settled if this person is analysed: nothing more can come that changes it."""
    rated = person.value(analysis.visit, analysis.outcome) is not None
    return state.data_locked or rated or person.left("follow_up") is not None


def _left_out(person: Person, protocol: TrialProtocol, analysis: Analysis) -> str | None:
    """Say why somebody is not analysed, or None."""
    first = protocol.visits[0].name
    visits = [visit.name for visit in protocol.rated(analysis.outcome)]
    if first in visits and person.value(first, analysis.outcome) is None:
        return "No rating before allocation"
    if analysis.missing != "as_observed":
        return None
    if analysis.kind == "mmrm":
        later = [visit for visit in visits if visit != first]
        rated = any(person.value(visit, analysis.outcome) is not None for visit in later)
        return None if rated else "No rating after allocation"
    rated = person.value(analysis.visit, analysis.outcome) is not None
    label = analysis.visit.replace("_", " ")
    return None if rated else f"No rating at {label}"
