"""Ratings of pain, annoyance and twitches under TMS at named places of the scalp, as the TMS-SMART table has them."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import InputError
from actionloop.files.opening import check_file

_LARGEST_BYTES = 100_000_000
_FORM = "give a table with tabs or commas and the columns SubNo, HomLocation, Pain, Annoyance and Twitches"
_TOLD = 3


@dataclass(frozen=True)
class Rated:
    """One rating at one place.

    Attributes
    ----------
    mean : float
        Over people, of each person's mean over trials.
    spread : float
        Standard deviation of these means; NaN for one person.
    n_people : int
        With a rating there.
    """

    mean: float
    spread: float
    n_people: int


@dataclass(frozen=True)
class Tolerability:
    """Ratings of a group of people.

    Attributes
    ----------
    locations : mapping of str to (mapping of str to Rated)
        By place as the file names it and rating ('pain', 'annoyance', 'twitch', 'visible twitch'); in the order of the
        file.
    n_people, n_trials : int
    n_missing : mapping of str to int
        Trials without a value, by rating.
    scales : mapping of str to (float, float)
        Ends of the scale of each rating.
    source : str
        Name of the file.
    """

    locations: Mapping[str, Mapping[str, Rated]]
    n_people: int
    n_trials: int
    n_missing: Mapping[str, int]
    scales: Mapping[str, tuple[float, float]]
    source: str


def read_tolerability(path: str | Path) -> Tolerability:
    """Read a table of one row a trial and summarise it: each person's mean first, then mean and spread over people.

    Parameters
    ----------
    path : path
        Text with a header; tabs or commas. A first column of row numbers without a heading is known.

    Returns
    -------
    Tolerability

    Raises
    ------
    InputError
        No table of ratings: columns missing, rows of another length, a value that is no number or off its scale.
    """
    path = check_file(path)
    header, rows = _table(path)
    known = facts.load("tolerability")
    columns = known["columns"]
    ratings = [one for one in known["rating"] if one["required"] or one["column"] in header]
    needed = [columns["person"], columns["location"], *(one["column"] for one in ratings)]
    lacking = [name for name in needed if name not in header]
    if lacking:
        raise InputError(
            f"the table of ratings has no column {', '.join(lacking)} (it has {', '.join(header[:8])} ...)",
            where=path,
            fix=_FORM,
        )
    at = {name: header.index(name) for name in needed}
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    missing = {str(one["name"]): 0 for one in ratings}
    people: set[str] = set()
    for line, row in enumerate(rows, start=2):
        person, location = row[at[columns["person"]]].strip(), row[at[columns["location"]]].strip()
        if not person or not location or location in columns["missing"] or person in columns["missing"]:
            raise InputError(f"line {line} names no person or no place of the scalp", where=path, fix=_FORM)
        people.add(person)
        here = values.setdefault(location, {str(one["name"]): defaultdict(list) for one in ratings})
        for one in ratings:
            value = _number(row[at[one["column"]]].strip(), one, columns["missing"], (line, path))
            if math.isnan(value):
                missing[str(one["name"])] += 1
            else:
                here[str(one["name"])][person].append(value)
    found = {
        location: {name: _rated(of_people) for name, of_people in here.items()} for location, here in values.items()
    }
    scales = {str(one["name"]): (float(one["range"][0]), float(one["range"][1])) for one in ratings}
    return Tolerability(found, len(people), len(rows), missing, scales, path.name)


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows, without a first column of row numbers."""
    size = path.stat().st_size
    if size > _LARGEST_BYTES:
        raise InputError(f"the file has {size:,} bytes: no table of ratings", where=path, fix=_FORM)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("the table of ratings is no text", where=path, fix=_FORM) from error
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if line]
    except csv.Error as error:
        raise InputError(f"the table of ratings is damaged ({error})", where=path, fix=_FORM) from error
    if len(lines) < 2:
        raise InputError("the table of ratings has no rows", where=path, fix=_FORM)
    header, rows = [name.strip() for name in lines[0]], lines[1:]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"the table names columns twice: {', '.join(twice)}", where=path, fix=_FORM)
    if all(len(row) == len(header) + 1 for row in rows):
        rows = [row[1:] for row in rows]
    wrong = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if wrong:
        told = ", ".join(map(str, wrong[:_TOLD])) + (" ..." if len(wrong) > _TOLD else "")
        raise InputError(
            f"expected {len(header)} columns in every row, found another number in line {told}", where=path, fix=_FORM
        )
    return header, rows


def _number(text: str, rating: Mapping[str, Any], missing: list[str], at: tuple[int, Path]) -> float:
    if text in missing:
        return math.nan
    line, path = at
    low, high = rating["range"]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise InputError(
            f"line {line}: expected {rating['column']} from {low} to {high} or NA, found {text!r}",
            where=path,
            fix="correct the value, or write NA where it is not known",
        )
    return value


def _rated(of_people: Mapping[str, list[float]]) -> Rated:
    means = [float(np.mean(values)) for values in of_people.values()]
    least = int(facts.load("tolerability")["columns"]["least_people"])
    spread = float(np.std(means, ddof=1)) if len(means) >= least else math.nan
    return Rated(float(np.mean(means)) if means else math.nan, spread, len(means))
