"""Which sessions, tasks and runs are wanted: labels from the command line, or a BIDS filter file like fMRIPrep's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actionloop.errors import InputError
from actionloop.files.bids import ENTITIES, SHORT, in_words, natural_key, run_name, same_label, without_prefix
from actionloop.files.opening import check_file

# Names of fMRIPrep's and XCP-D's queries; only 'bold' and 't1w' mean anything here.
QUERIES = ("bold", "t1w", "t2w", "flair", "sbref", "fmap", "roi", "anat", "func", "asl", "dwi", "pet", "mask")
# These describe the raw file that a pipeline read, not the derivative that is looked for here.
_OF_RAW_FILES = ("datatype", "suffix", "extension", "subject", "scope", "invalid_filters")
_ABSENT = ("Query.NONE", "NONE")
_PRESENT = ("*", "Query.ANY", "Query.REQUIRED")
_EITHER = ("Query.OPTIONAL",)


@dataclass(frozen=True)
class Selection:
    """What to use of a person's data; empty means everything (of several tasks, the resting ones).

    Attributes
    ----------
    sessions, tasks, runs, acquisitions : tuple of str
        Labels, with or without 'ses-', 'task-', 'run-', 'acq-'.
    bids_filter : mapping
        Parsed by `read_bids_filter`; its 'bold' query chooses runs, its 't1w' query the T1.
    """

    sessions: Sequence[str] = ()
    tasks: Sequence[str] = ()
    runs: Sequence[str] = ()
    acquisitions: Sequence[str] = ()
    bids_filter: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, key in (("sessions", "ses"), ("tasks", "task"), ("runs", "run"), ("acquisitions", "acq")):
            labels = tuple(without_prefix(str(label), key) for label in getattr(self, name) or ())
            object.__setattr__(self, name, labels)

    def wanted(self) -> dict[str, Sequence[str]]:
        """Labels asked for, by entity."""
        return {
            "session": self.sessions,
            "task": self.tasks,
            "acquisition": self.acquisitions,
            "run": self.runs,
        }


EVERYTHING = Selection()


def read_bids_filter(path: str | Path) -> dict[str, dict[str, object]]:
    """Read a BIDS filter file: ``{"bold": {"session": ["01"], "task": "rest"}, "t1w": {...}}``.

    Entities may be written long or short ('session' or 'ses'). A value is a label, a list of labels, null (the
    entity must be absent) or "*" (it must be present).

    Parameters
    ----------
    path : path

    Returns
    -------
    dict
        Query name to (entity to value), entities under their long names.

    Raises
    ------
    InputError
        Not JSON, or not of that form.
    """
    path = check_file(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise InputError(f"the BIDS filter file is not valid JSON ({error})", where=path) from error
    example = 'expected e.g. {"bold": {"task": "rest", "session": ["01"]}}'
    if not isinstance(content, dict):
        raise InputError(f"the BIDS filter file does not hold an object; {example}", where=path)
    unknown = [name for name in content if name not in QUERIES]
    if unknown:
        raise InputError(f"unknown query {in_words(unknown)}; {example}", where=path, fix="use 'bold' and 't1w'")
    return {name: _query(name, query, path=path, example=example) for name, query in content.items()}


def _query(name: str, query: object, *, path: Path, example: str) -> dict[str, object]:
    if not isinstance(query, dict):
        raise InputError(f"the query {name!r} is not an object; {example}", where=path)
    known: dict[str, object] = {}
    for entity, value in query.items():
        long = ENTITIES.get(entity, entity)
        if long in _OF_RAW_FILES:
            continue
        if name in ("bold", "t1w") and long not in SHORT:
            names = in_words(SHORT, limit=len(SHORT))
            raise InputError(f"the query {name!r} uses {entity!r}, which is not one of {names}", where=path)
        for each in value if isinstance(value, list) else [value]:
            if not (each is None or (isinstance(each, (str, int)) and not isinstance(each, bool))):
                raise InputError(f"the query {name!r} gives {entity!r} a value that is not a label: {each}", where=path)
        known[str(long)] = value
    return known


def filter_allows(query: Mapping[str, object], entities: Mapping[str, str], *, lenient: bool = False) -> bool:
    """Tell whether a file passes a filter query.

    Parameters
    ----------
    query, entities : mapping
    lenient : bool
        Pass a file that does not state an entity (a T1 averaged over sessions states none).
    """
    for entity, value in query.items():
        label = entities.get(entity)
        if label is None and lenient:
            continue
        values = value if isinstance(value, list) else [value]
        if not any(_allows(v, label, SHORT.get(entity, entity)) for v in values):
            return False
    return True


def _allows(value: object, label: str | None, key: str) -> bool:
    if value is None or value in _ABSENT:
        return label is None
    if value in _PRESENT:
        return label is not None
    return value in _EITHER or (label is not None and same_label(without_prefix(str(value), key), label))


def choose_runs(runs: Sequence[Mapping[str, str]], selection: Selection, *, where: Path) -> tuple[list[int], list[str]]:
    """Choose runs by label and filter.

    Parameters
    ----------
    runs : sequence of mapping
        Entities of each run found.
    selection : Selection
    where : Path
        The person's folder, for errors.

    Returns
    -------
    indices : list of int
    notes : list of str

    Raises
    ------
    InputError
        A label that is not there, or nothing left; the message names what there is.
    """
    chosen = list(range(len(runs)))
    for entity, labels in selection.wanted().items():
        if labels:
            _require(entity, labels, runs, where)
            chosen = [i for i in chosen if any(same_label(w, runs[i].get(entity, "")) for w in labels)]
    query = selection.bids_filter.get("bold", {})
    chosen = [i for i in chosen if filter_allows(query, runs[i])]
    if not chosen:
        raise InputError(
            f"no run is left after choosing; there are {in_words(run_name(r) for r in runs)}",
            where=where,
            fix="ask for a combination of session, task and run that exists, or correct the BIDS filter file",
        )
    if selection.tasks or "task" in query:
        return chosen, []
    return _resting(chosen, runs)


def _require(entity: str, labels: Sequence[str], runs: Sequence[Mapping[str, str]], where: Path) -> None:
    present = sorted({run[entity] for run in runs if entity in run}, key=natural_key)
    absent = [label for label in labels if not any(same_label(label, p) for p in present)]
    if absent:
        there = f"there are {in_words(present)}" if present else f"no file name states a {entity}"
        raise InputError(
            f"{entity} {in_words(absent)} was asked for and is not there; {there}",
            where=where,
            fix=f"choose the {entity} among those, or leave the option out",
        )


def _resting(chosen: list[int], runs: Sequence[Mapping[str, str]]) -> tuple[list[int], list[str]]:
    rest = [i for i in chosen if "rest" in runs[i].get("task", "").casefold()]
    tasks = in_words(sorted({runs[i]["task"] for i in chosen if i not in rest and "task" in runs[i]}, key=natural_key))
    if rest and len(rest) < len(chosen):
        return rest, [f"only resting-state runs are used; left out: task {tasks}"]
    if not rest and tasks != "none":
        return chosen, [f"no run is named resting state; all runs are used (task {tasks})"]
    return chosen, []
