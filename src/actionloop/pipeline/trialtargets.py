"""One person's candidate targets from a table of targets, and, where they stand apart, a table of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionloop.errors import InputError, OptionError
from actionloop.pipeline.trialcsv import read_cells, to_number
from actionloop.trial import Candidate, TargetsFrozen, freeze_targets
from actionloop.types import TrialProtocol

NAMES, SCORES = ("name", "site"), ("score", "global")
"""Columns that hold a candidate's name and its score: those of `plan` and of `tmseeg choose`, too."""


@dataclass(frozen=True)
class TargetTable:
    """Where one person's candidates stand.

    Attributes
    ----------
    places : path
        Columns name (or site), x, y, z, and score (or global) where `scores` is not given.
    frame : str
        Of the coordinates.
    scores : path or None
        Columns name (or site) and score (or global), such as what `tmseeg choose` wrote.
    called : mapping of str to str
        What a candidate of the protocol is called in the tables; letter case makes no difference.
    """

    places: Path
    frame: str
    scores: Path | None = None
    called: Mapping[str, str] | None = None


def read_targets(table: TargetTable, protocol: TrialProtocol, participant: str) -> TargetsFrozen:
    """Return the entry that freezes a person's candidates; rows of other targets are passed over.

    Raises
    ------
    InputError
        A candidate without a row, with two, without coordinates or a score.
    OptionError
        No frame, a name for a candidate that the protocol does not have.
    """
    if not table.frame.strip():
        raise OptionError("in which frame are the coordinates?", fix="name it: --frame 'T1w of this person', MNI152")
    called = dict(table.called or {})
    odd = sorted(set(called) - set(protocol.candidates))
    if odd:
        known = ", ".join(protocol.candidates)
        raise OptionError(f"no candidate target is called {', '.join(odd)}", fix=f"choose from {known}")
    places = _rows(table.places, ("x", "y", "z") if table.scores else ("x", "y", "z", SCORES))
    scores = places if table.scores is None else _rows(table.scores, (SCORES,))
    found = []
    for name in protocol.candidates:
        place = _row_of(places, called.get(name, name), table.places)
        score = _row_of(scores, called.get(name, name), table.scores or table.places)
        x, y, z = (_number(place, axis, name, table.places) for axis in ("x", "y", "z"))
        column = next(one for one in SCORES if one in score)
        found.append(Candidate(name, (x, y, z), _number(score, column, name, table.scores or table.places)))
    return freeze_targets(participant, found, frame=table.frame.strip())


def _rows(path: Path, wanted: Sequence[str | tuple[str, ...]]) -> dict[str, list[dict[str, str]]]:
    """Return the rows of a table by the name of their target, in small letters."""
    header, body = read_cells(path)
    for names in (NAMES, *wanted):
        either = (names,) if isinstance(names, str) else names
        if not set(either) & set(header):
            raise InputError(f"no column is called {' or '.join(either)}", where=path, fix="give such a table")
    column = next(one for one in NAMES if one in header)
    found: dict[str, list[dict[str, str]]] = {}
    for line, cells in body:
        if len(cells) != len(header):
            raise InputError(f"line {line}: {len(cells)} cells, the header has {len(header)}", where=path)
        row = dict(zip(header, cells, strict=True))
        found.setdefault(row[column].casefold(), []).append(row)
    return found


def _row_of(rows: Mapping[str, list[dict[str, str]]], name: str, path: Path) -> dict[str, str]:
    found = rows.get(name.casefold(), [])
    if len(found) != 1:
        there = ", ".join(rows)
        told = f"{len(found)} rows are of the candidate {name!r}, expected one; there are {there}"
        raise InputError(told, where=path, fix="mend the table, or say what it is called there: --set CANDIDATE=NAME")
    return found[0]


def _number(row: Mapping[str, str], column: str, name: str, path: Path) -> float:
    found = to_number(row[column])
    if isinstance(found, str):
        raise InputError(f"{column} of {name}: expected a number, found {found!r}", where=path)
    return found
