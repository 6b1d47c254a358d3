"""Table 1: who was allocated to which arm, as they were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.trial.consort import arm_columns
from actionloop.trial.people import TrialState
from actionloop.types import TrialOutcome, TrialProtocol

NOTE = (
    "No p values: after random allocation any difference between arms is one of chance, so a test of it answers "
    "nothing, and whether a variable is adjusted for was decided before (CONSORT)."
)


@dataclass(frozen=True)
class BaselineRow:
    """One line: a variable or a level of one, how it is summed up, and a text for each column."""

    label: str
    summary: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class BaselineTable:
    """Table 1.

    Attributes
    ----------
    columns : tuple of str
        Arms or blinded codes, then 'All'.
    n : tuple of int
    rows : tuple of BaselineRow
    note : str
    """

    columns: tuple[str, ...]
    n: tuple[int, ...]
    rows: tuple[BaselineRow, ...]
    note: str = NOTE


def baseline_table(
    state: TrialState, protocol: TrialProtocol, *, arms: Mapping[str, str] | None = None
) -> BaselineTable:
    """Describe everybody who was allocated, as allocated.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    arms : mapping of str to str, optional
        Arm or blinded code of everybody; without it all stand in one column until the trial is unblinded.

    Returns
    -------
    BaselineTable
        Scales and biomarkers as mean (SD) and median [quartiles], levels as n (%) of those known, missing ones counted.

    Raises
    ------
    InputError
        Somebody has no arm.
    """
    people = state.allocated()
    revealed = arms if arms is not None else (state.arms if state.unblinded else None)
    columns = arm_columns(protocol, people, revealed)
    if revealed is not None:
        columns.append(("All", list(people)))
    groups = [members for _, members in columns]
    rows: list[BaselineRow] = []
    if len(protocol.centres) > 1:
        rows += _levels("Centre", protocol.centres, [[p.centre for p in group] for group in groups])
    for stratum in protocol.strata:
        if stratum.name != "centre":
            told = [[p.factors[stratum.name] for p in group] for group in groups]
            rows += _levels(stratum.name.replace("_", " "), stratum.levels, told)
    first = protocol.visits[0].name
    for outcome in protocol.outcomes:
        if first in [visit.name for visit in protocol.rated(outcome.name)]:
            rows += _outcome_rows(outcome, [[p.value(first, outcome.name) for p in group] for group in groups])
    return BaselineTable(tuple(label for label, _ in columns), tuple(len(group) for group in groups), tuple(rows))


def _outcome_rows(outcome: TrialOutcome, values: Sequence[Sequence[float | None]]) -> list[BaselineRow]:
    if outcome.kind == "ordinal":
        levels = [f"{level:g}" for level in np.arange(outcome.low, outcome.high + 1)]
        told = [[None if one is None else f"{one:g}" for one in group] for group in values]
        return _levels(outcome.label, levels, told)
    known = [np.array([one for one in group if one is not None], dtype=float) for group in values]
    rows = [
        BaselineRow(outcome.label, "mean (SD)", tuple(_mean(group) for group in known)),
        BaselineRow(outcome.label, "median [quartiles]", tuple(_median(group) for group in known)),
    ]
    return [*rows, *_missing(outcome.label, [len(a) - len(b) for a, b in zip(values, known, strict=True)])]


def _levels(label: str, levels: Sequence[str], values: Sequence[Sequence[str | None]]) -> list[BaselineRow]:
    known = [[one for one in group if one is not None] for group in values]
    rows = [
        BaselineRow(f"{label}: {level}", "n (%)", tuple(_share(group.count(level), len(group)) for group in known))
        for level in levels
    ]
    return [*rows, *_missing(label, [len(a) - len(b) for a, b in zip(values, known, strict=True)])]


def _missing(label: str, counts: Sequence[int]) -> list[BaselineRow]:
    return [BaselineRow(f"{label}: missing", "n", tuple(map(str, counts)))] if any(counts) else []


def _share(count: int, whole: int) -> str:
    return f"{count} ({100 * count / whole:.0f} %)" if whole else "-"


def _mean(values: np.ndarray) -> str:
    if not len(values):
        return "-"
    spread = f"{values.std(ddof=1):.2f}" if len(values) > 1 else "-"
    return f"{values.mean():.2f} ({spread})"


def _median(values: np.ndarray) -> str:
    if not len(values):
        return "-"
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"
