"""Pictures of power and type I error over what a simulation varies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.figures import Course, courses, share_bars
from actionloop.pipeline.trialpictures import Drawn
from actionloop.trial import ANY, Row, SimulationTable, percent, world
from actionloop.types import FloatArray

MOST_LINES = 6
_VARIED = {"n": "people of the trial", "effect": "multiple of the effect", "dropout": "share who leave"}
_Z = 1.96


def drawn_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """Return the rows of the first method of each design, of the familywise decision where there is one."""
    order = facts.load("trial_results")["simulated"]["curve_methods"]
    for design in dict.fromkeys(row.design for row in rows):
        own = [row for row in rows if row.design == design]
        method = next(name for name in order if any(row.method == name for row in own))
        arms = {row.arm for row in own if row.method == method}
        yield from (row for row in own if row.method == method and (row.arm == ANY or ANY not in arms))


def draw_power(table: SimulationTable) -> Iterator[Drawn]:
    """Draw power over what is varied, a picture a world; bars where nothing is."""
    rows = list(drawn_rows(table.rows))
    varied = next((name for name in _VARIED if len({getattr(row, name) for row in rows}) > 1), None)
    if varied is None:
        names = [f"{row.world.replace('_', ' ')}: {row.design}, {row.method}" for row in rows]
        bars = share_bars(names, *_interval(rows), across="% of simulated trials that reject, 95 % interval")
        yield Drawn("power", "", bars, "Share of trials that reject in each world and design.", "As in the table.")
        return
    for name in dict.fromkeys(row.world for row in rows):
        own = [row for row in rows if row.world == name]
        null = own[0].null
        wanted = float(facts.load("trial_results")["simulated"]["wanted_power"])
        level = (table.alpha, percent(table.alpha)) if null else (wanted, percent(wanted))
        up = "type I error" if null else "power"
        picture = courses(_lines(own, varied), across=_VARIED[varied], up=up, level=level, share=not null)
        label = world(name).label or name
        alt = f"{up} over {_VARIED[varied]} if {label}; the table holds the same numbers."
        yield Drawn("power", "", picture, alt, f"If {label}. 95 % Monte Carlo intervals.")


def _lines(rows: Sequence[Row], varied: str) -> list[Course]:
    """Return a line for each design and for each setting of what else is varied; the first few."""
    others = [name for name in _VARIED if name != varied and len({getattr(row, name) for row in rows}) > 1]
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.design, row.method, *(getattr(row, name) for name in others)), []).append(row)
    lines = []
    for (design, method, *values), members in list(groups.items())[:MOST_LINES]:
        told = [f"{name} {value:g}" for name, value in zip(others, values, strict=True)]
        at = np.array([float(getattr(row, varied)) for row in members])
        order = np.argsort(at)
        share, low, high = (one[order] for one in _interval(members))
        lines.append(Course(", ".join([f"{design}: {method}", *told]), at[order], share, low, high))
    return lines


def _interval(rows: Sequence[Row]) -> tuple[FloatArray, FloatArray, FloatArray]:
    share, se = (np.array([float(getattr(row, name)) for row in rows]) for name in ("rejected", "rejected_se"))
    return share, np.clip(share - _Z * se, 0, 1), np.clip(share + _Z * se, 0, 1)
