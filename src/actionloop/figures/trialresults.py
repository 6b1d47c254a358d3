"""Pictures of what a trial found, and of what one could find: intervals, courses, power, replays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.curves import _LOOKS
from actionloop.figures.page import FONT, graph, ink, name_axes, png, quiet, sheet, write
from actionloop.figures.trialforest import LETTER, broken, short
from actionloop.types import FloatArray

if TYPE_CHECKING:
    pass

_WIDTH, _HEIGHT = 1500, 780


@dataclass(frozen=True, eq=False)
class Course:
    """A line with its interval over one axis; `low` and `high` may be left out."""

    name: str
    at: FloatArray
    value: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


def courses(
    lines: Sequence[Course],
    *,
    across: str,
    up: str,
    none: float | None = None,
    level: tuple[float, str] | None = None,
    share: bool = False,
) -> bytes:
    """Draw several courses with intervals, named beneath: means of arms over weeks, power over people; PNG.

    Parameters
    ----------
    lines : sequence of Course
        Told apart by line and marker.
    across, up : str
    none : float, optional
        A level drawn strong, e.g. no change.
    level : (float, str), optional
        A level drawn dashed, with its name.
    share : bool
        Whether the values are shares, 0 to 1.
    """
    rows = -(-len(lines) // 2)
    foot = 104 + 34 * rows
    height = 600 + foot
    figure, page = sheet(_WIDTH, height)
    axes = graph(figure, (0.09, foot / height, 0.88, 1 - (foot + 24) / height))
    many = len(np.unique(np.concatenate([line.at for line in lines])))
    step = _nudge(lines)
    for k, line in enumerate(lines):
        style, marker, filled, colour = _LOOKS[k % len(_LOOKS)]
        at = line.at + (k - (len(lines) - 1) / 2) * step
        looks: dict[str, Any] = {"ms": 5.5, "mfc": colour if filled else "white", "mec": colour, "mew": 1.2}
        axes.plot(at, line.value, ls=style if many > 1 else "none", marker=marker, color=colour, lw=1.5, **looks)
        if line.low is not None and line.high is not None:
            axes.vlines(at, line.low, line.high, color=colour, lw=1.1)
        column, row = 0.09 * _WIDTH + (k % 2) * 0.45 * _WIDTH, height - foot + 96 + 34 * (k // 2)
        page.plot([column, column + 60], [row, row], ls=style, color=colour, lw=1.5)
        page.plot(column + 30, row, marker, color=colour, **looks)
        write(page, column + 74, row, short(line.name, 36), fontsize=7)
    if none is not None:
        axes.axhline(none, color=ink(), lw=0.8, zorder=1)
    if share:
        axes.set_ylim(-0.02, 1.02)
    if level is not None:
        axes.axhline(level[0], color=quiet(), lw=0.9, ls=(0, (4, 2)), zorder=1)
        told: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 6.5, "family": FONT}
        axes.text(0.005, level[0], level[1], ha="left", va="bottom", color=quiet(), **told)
    if many <= 12:
        axes.set_xticks(np.unique(np.concatenate([line.at for line in lines])))
    name_axes(axes, short(across, 100), short(up, 58))
    return png(figure)


def _nudge(lines: Sequence[Course]) -> float:
    """Return how far lines are moved apart so that their intervals do not cover each other."""
    at = np.unique(np.concatenate([line.at for line in lines]))
    if not any(line.low is not None for line in lines) or len(lines) == 1:
        return 0.0
    gap = float(np.diff(at).min()) if len(at) > 1 else 1.0
    return 0.24 * gap / len(lines)


def difference_by_marker(
    grid: FloatArray,
    difference: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    bounds: Sequence[float] = (),
    across: str,
    up: str,
) -> bytes:
    """Draw a difference between arms along a biomarker, and where its interval leaves 0 (Johnson & Neyman); PNG.

    Parameters
    ----------
    grid, difference, low, high : (point,) float ndarray
    bounds : sequence of float
        Where the interval touches 0.
    across, up : str
    """
    figure, _ = sheet(_WIDTH, _HEIGHT)
    axes = graph(figure, (0.09, 0.15, 0.88, 0.81))
    colour = _LOOKS[0][3]
    axes.fill_between(grid, low, high, color=colour, alpha=0.16, lw=0)
    apart = (low > 0) | (high < 0)
    axes.fill_between(grid, low, high, where=apart, color=colour, alpha=0.22, lw=0)
    axes.plot(grid, difference, color=colour, lw=1.8)
    axes.axhline(0, color=ink(), lw=0.8)
    for bound in bounds:
        axes.axvline(bound, color=ink(), lw=0.8, ls=(0, (4, 2)))
        style: dict[str, Any] = {
            "transform": axes.get_xaxis_transform(),
            "fontsize": 6.5,
            "color": ink(),
            "family": FONT,
        }
        axes.text(bound, 0.985, f" {bound:.3g}".replace("-", "−"), va="top", **style)
    axes.set_xlim(float(grid[0]), float(grid[-1]))
    name_axes(axes, short(across, 100), short(up, 58))
    return png(figure)


def tipping_plot(
    deltas: FloatArray,
    estimate: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    at: Sequence[float] = (),
    across: str,
    up: str,
) -> bytes:
    """Draw an effect under shifts of what was imputed, and where its significance changes; PNG.

    Parameters
    ----------
    deltas, estimate, low, high : (shift,) float ndarray
    at : sequence of float
        Shifts at which significance changes.
    across, up : str
    """
    figure, _ = sheet(_WIDTH, _HEIGHT)
    axes = graph(figure, (0.09, 0.15, 0.88, 0.81))
    clear = (low > 0) | (high < 0)
    for there, filled, colour in ((clear, True, _LOOKS[1][3]), (~clear, False, _LOOKS[0][3])):
        axes.vlines(deltas[there], low[there], high[there], color=colour, lw=1.6 if filled else 1.1)
        axes.plot(
            deltas[there],
            estimate[there],
            "s" if filled else "o",
            ms=5.5,
            mec=colour,
            mfc=colour if filled else "white",
        )
    axes.axhline(0, color=ink(), lw=0.8)
    axes.axvline(0, color=quiet(), lw=0.8, ls=(0, (1, 1.6)))
    for shift in at:
        axes.axvline(shift, color=ink(), lw=0.9, ls=(0, (4, 2)))
        style: dict[str, Any] = {
            "transform": axes.get_xaxis_transform(),
            "fontsize": 6.5,
            "color": ink(),
            "family": FONT,
        }
        axes.text(shift, 0.985, f" changes at {shift:+.3g}".replace("-", "−"), va="top", **style)
    name_axes(axes, short(across, 100), short(up, 58))
    return png(figure)


def share_bars(
    names: Sequence[str], share: FloatArray, low: FloatArray, high: FloatArray, *, across: str, strong: int = 0
) -> bytes:
    """Draw shares with their intervals as bars, one below another: how often worlds give a pattern; PNG.

    Parameters
    ----------
    names : sequence of str
    share, low, high : (bar,) float ndarray
        0 to 1.
    across : str
    strong : int
        The bar that others are compared with; a line goes down from it.
    """
    row, head, foot = 66, 24, 96
    height = head + row * len(names) + foot
    figure, page = sheet(_WIDTH, height)
    left = 0.46
    axes = graph(figure, (left, foot / height, 0.42, row * len(names) / height))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    at = np.arange(len(names))
    fills = ["#5b6673" if k == strong else "#9cc4dd" for k in at]
    axes.barh(at, 100 * share, height=0.62, color=fills, edgecolor=ink(), lw=0.5, zorder=3)
    axes.hlines(at, 100 * low, 100 * high, color=ink(), lw=1.4, zorder=4)
    axes.axvline(100 * float(share[strong]), color=ink(), lw=0.8, ls=(0, (4, 2)), zorder=5)
    axes.set_xlim(0, max(100 * float(high.max()) * 1.05, 1e-3))
    for k, name in enumerate(names):
        middle = head + row * (k + 0.5)
        for j, line in enumerate(lines := broken(name, (left * _WIDTH - 40) / LETTER)):
            write(page, left * _WIDTH - 16, middle + (j - (len(lines) - 1) / 2) * 24, line, fontsize=7, ha="right")
        write(page, 0.89 * _WIDTH, middle, f"{100 * share[k]:.2g} %", fontsize=7)
    name_axes(axes, across, "")
    return png(figure)
