"""Daily ratings of the two placebo trials: read, counted, averaged by week."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WEEKS = 8
LEAST = 2


@dataclass(frozen=True)
class Ratings:
    """Usable ratings of one study, and what was set aside.

    Attributes
    ----------
    person, phase : list of str
    day, pain : (rating,) float ndarray
    set_aside : dict of str to int
    """

    person: list[str]
    phase: list[str]
    day: np.ndarray
    pain: np.ndarray
    set_aside: dict[str, int]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def read_ratings(path: Path) -> Ratings:
    """Read ratings; rows without a day, with a pain outside 0 to 10, or given twice are set aside and counted."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    aside = {"no day": 0, "pain not 0-10": 0, "given twice": 0, "without one of the phases 1-5": 0}
    kept, seen = [], set()
    for row in rows:
        day, pain, phase = _number(row["day"]), _number(row["pain"]), _number(row["phase"])
        key = (row["subject"], day, pain)
        if not np.isfinite(day):
            aside["no day"] += 1
        elif not 0 <= pain <= 10:
            aside["pain not 0-10"] += 1
        elif key in seen:
            aside["given twice"] += 1
        else:
            known = phase in (1, 2, 3, 4, 5)
            aside["without one of the phases 1-5"] += not known
            kept.append((row["subject"], str(int(phase)) if known else "", day, pain))
            seen.add(key)
    kept.sort()
    person, phase, day, pain = zip(*kept, strict=True)
    return Ratings(list(person), list(phase), np.array(day), np.array(pain), aside)


def weekly(ratings: Ratings) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return people, their mean of phase 1, and their mean of each week after it (NaN below two ratings)."""
    people = sorted(set(ratings.person))
    person, phase = np.array(ratings.person), np.array(ratings.phase)
    baseline, value = np.full(len(people), np.nan), np.full((len(people), WEEKS), np.nan)
    for index, name in enumerate(people):
        own = person == name
        first = own & (phase == "1")
        if not first.any():
            continue
        # A phase-1 day long after the others is a slip: the phase ends before the first day of any later one.
        later = own & np.isin(phase, ["2", "3", "4", "5"])
        end = min(ratings.day[first].max(), ratings.day[later].min() if later.any() else np.inf)
        baseline[index] = ratings.pain[own & (ratings.day <= end)].mean()
        week = np.floor((ratings.day - end) / 7)
        for number in range(WEEKS):
            there = own & (week == number) & (ratings.day > end)
            if there.sum() >= LEAST:
                value[index, number] = ratings.pain[there].mean()
    return people, baseline, value
