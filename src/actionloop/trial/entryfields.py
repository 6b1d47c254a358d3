"""The fields of journal entries: how each kind of value is read, and refused (ValueError) when it is none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from datetime import date
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LONGEST_TEXT = 2000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_name(value: Any) -> str:
    """Take letters, digits, - _ and ."""
    if not isinstance(value, str) or NAME.fullmatch(value) is None:
        raise ValueError("expected a name of letters, digits, '-', '_' and '.', at most 64")
    return value


def read_text(value: Any) -> str:
    """Take one line of text."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"expected one line of text, at most {LONGEST_TEXT} characters")
    return value


def read_number(value: Any) -> float:
    """Take a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def read_count(value: Any) -> int:
    """Take a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("expected a whole number from 1")
    return value


def read_day(value: Any) -> date:
    """Take a day, YYYY-MM-DD."""
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("expected a day as YYYY-MM-DD")


def read_flag(value: Any) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 (all of these are one kind of fault)
    return value


def read_words(value: Any) -> Mapping[str, str]:
    """Take names with a text each."""
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise ValueError("expected names with a text each")
    return dict(value)


def one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    """Return a reader of one of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return str(value)

    return read


def entry(read: Callable[[Any], Any], *, default: Any = MISSING, name: str | None = None) -> Any:
    """Return a dataclass field that `read` reads, called `name` in the entry where that differs."""
    return field(metadata={"read": read, "name": name}, **({} if default is MISSING else {"default": default}))


@dataclass(frozen=True)
class Candidate:
    """A place that could be stimulated: its name, RAS mm, and the score that arms choose by."""

    name: str
    xyz: tuple[float, float, float]
    score: float


def read_candidates(value: Any) -> tuple[Candidate, ...]:
    """Take candidates with name, xyz and score."""
    try:
        found = tuple(
            Candidate(str(one["name"]), tuple(read_number(x) for x in one["xyz"]), read_number(one["score"]))  # type: ignore[arg-type]
            for one in value
        )
    except (TypeError, KeyError, ValueError):
        found = ()
    if not found or any(len(one.xyz) != 3 for one in found):
        raise ValueError("expected candidates, each with a name, xyz (three numbers) and a score")
    return found
