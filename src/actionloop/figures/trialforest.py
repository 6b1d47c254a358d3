"""Comparisons of arms with their intervals, one below another."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actionloop.figures.curves import _LOOKS
from actionloop.figures.page import graph, ink, name_axes, png, sheet, write
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 1960  # pixels, of the sheet
_ROW, _HEAD, _FOOT = 58, 62, 96  # pixels, of a panel
_LEFT, _RIGHT = 0.42, 0.80  # where its axis lies
LETTER = 11.6  # pixels, mean width at 7 points
_MARGIN_FILL = "#e8f1f7"


@dataclass(frozen=True)
class IntervalRow:
    """One line: a name, an estimate with its interval, and what is written at its end."""

    name: str
    estimate: float
    low: float
    high: float
    told: str = ""
    strong: bool = False


@dataclass(frozen=True)
class IntervalPanel:
    """Lines that share an axis.

    Attributes
    ----------
    title, axis : str
        What is estimated, and its unit with the direction of a benefit.
    rows : sequence of IntervalRow
    none : float
        Where there is no difference.
    margin : float or None
        The differences that do not matter are those within it on either side of `none`.
    logarithmic : bool
    """

    title: str
    axis: str
    rows: Sequence[IntervalRow]
    none: float = 0.0
    margin: float | None = None
    logarithmic: bool = False


def forest_plot(panels: Sequence[IntervalPanel]) -> bytes:
    """Draw comparisons with their intervals, one panel for each measure; PNG.

    Parameters
    ----------
    panels : sequence of IntervalPanel

    Returns
    -------
    bytes
    """
    heights = [_HEAD + _ROW * len(panel.rows) + _FOOT for panel in panels]
    figure, page = sheet(_WIDE, sum(heights))
    top = 0
    for panel, height in zip(panels, heights, strict=True):
        write(page, 16, top + _HEAD / 2, short(panel.title, 110), fontsize=8.5, weight="bold")
        inner, whole = _ROW * len(panel.rows), sum(heights)
        box = (_LEFT, 1 - (top + _HEAD + inner) / whole, _RIGHT - _LEFT, inner / whole)
        axes = graph(figure, box)
        _draw_intervals(axes, panel)
        for index, row in enumerate(panel.rows):
            at, weight = top + _HEAD + _ROW * (index + 0.5), "bold" if row.strong else "normal"
            for k, line in enumerate(lines := broken(row.name, (_LEFT * _WIDE - 40) / LETTER)):
                write(page, 30, at + (k - (len(lines) - 1) / 2) * 24, line, fontsize=7, weight=weight)
            write(page, _RIGHT * _WIDE + 18, at, row.told, fontsize=7, weight=weight)
        top += height
    return png(figure)


def _draw_intervals(axes: Axes, panel: IntervalPanel) -> None:
    n = len(panel.rows)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_yticks([])
    if panel.logarithmic:
        axes.set_xscale("log")
    ends = np.array([panel.none, *(one for row in panel.rows for one in (row.low, row.high, row.estimate))], float)
    if panel.margin is not None:
        ends = np.append(ends, [panel.none - panel.margin, panel.none + panel.margin])
        axes.axvspan(panel.none - panel.margin, panel.none + panel.margin, color=_MARGIN_FILL, lw=0, zorder=0)
        for edge in (panel.none - panel.margin, panel.none + panel.margin):
            axes.axvline(edge, color="#1f4e6b", lw=0.7, ls=(0, (4, 2)), zorder=1)
    _fit(axes, ends[np.isfinite(ends)], logarithmic=panel.logarithmic)
    axes.axvline(panel.none, color=ink(), lw=0.8, zorder=2)
    for index, row in enumerate(panel.rows):
        colour = _LOOKS[0][3] if row.strong else ink()
        axes.hlines(index, row.low, row.high, color=colour, lw=2.4 if row.strong else 1.4, zorder=4)
        marker = "s" if row.strong else "o"
        axes.plot(row.estimate, index, marker, ms=6 if row.strong else 4.5, color=colour, zorder=5)
    name_axes(axes, panel.axis, "")


def _fit(axes: Axes, ends: FloatArray, *, logarithmic: bool) -> None:
    if logarithmic:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        low, high = float(ends[ends > 0].min()), float(ends.max())
        axes.set_xlim(low / 1.15, high * 1.15)
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return
    low, high = float(ends.min()), float(ends.max())
    span = (high - low) or 1.0
    axes.set_xlim(low - 0.06 * span, high + 0.06 * span)


def broken(text: str, letters: float) -> list[str]:
    """Break a name into two lines at most."""
    lines = textwrap.wrap(text, max(int(letters), 10)) or [""]
    return lines if len(lines) <= 2 else [lines[0], f"{lines[1][: int(letters) - 1]}…"]


def short(text: str, most: int) -> str:
    """Cut a text that is too long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
