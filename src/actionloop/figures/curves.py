"""How much of the stimulated cortex is on target, threshold by threshold and draw by draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.page import FONT, graph, ink, name_axes, png, quiet, sheet, spread, write
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 1100, 640
# Line, marker, filled, colour: any two differ in line and marker, so that colour is not needed.
_LOOKS: tuple[tuple[Any, str, bool, str], ...] = (
    ("-", "o", True, "#0072b2"),
    ((0, (5, 2.5)), "^", False, "#d55e00"),
    ((0, (1, 1.6)), "s", True, "#5b6673"),
    ((0, (6, 2, 1, 2)), "D", False, "#009e73"),
    ((0, (3, 1.5, 1, 1.5, 1, 1.5)), "v", True, "#8a4f9e"),
    ((0, (8, 3)), "X", False, "#7f3b08"),
)
_LONGEST = 22  # letters of a name beside its line


def on_target_curves(thresholds_percent: FloatArray, curves: Mapping[str, FloatArray]) -> bytes:
    """Share on target above each threshold, one line a pose, named beside its end; PNG.

    Parameters
    ----------
    thresholds_percent : (threshold,) float ndarray
        Percentiles of |E| over the cortex.
    curves : mapping of str to (threshold,) float ndarray
        Share on target, 0 to 1, by the name of the pose; the first is drawn strongest. NaN leaves a gap.

    Returns
    -------
    bytes
    """
    figure, page = sheet(_WIDTH, _HEIGHT)
    axes = graph(figure, (0.10, 0.17, 0.62, 0.78))
    at = np.asarray(thresholds_percent, dtype=float)
    low, high = (float(at.min()), float(at.max())) if at.size else (99.0, 99.9)
    span = (high - low) or 1.0
    axes.set_xlim(low - 0.02 * span, high + 0.02 * span)
    axes.set_ylim(0, 1)
    name_axes(axes, "threshold, percentile of |E| over the cortex", "share of the stimulated cortex on target")
    home, ends = [], []
    for i, (name, values) in enumerate(curves.items()):
        line, marker, filled, colour = _LOOKS[i % len(_LOOKS)]
        known = np.asarray(values, dtype=float)
        looks: dict[str, Any] = {"ms": 4.5, "mfc": colour if filled else "white", "mec": colour, "mew": 1.0}
        looks |= {"lw": 2.0 if i == 0 else 1.3, "zorder": 20 - i, "clip_on": False}
        axes.plot(at, known, ls=line, marker=marker, color=colour, **looks)
        finite = np.flatnonzero(np.isfinite(known))
        if finite.size:
            last = finite[-1]
            ends.append((name, i))
            home.append((0.0, (1 - float(np.clip(known[last], 0, 1))) * 0.78 * _HEIGHT + 0.05 * _HEIGHT))
    if ends:
        _name_lines(page, ends, np.array(home))
    return png(figure)


def _name_lines(page: Axes, ends: Sequence[tuple[str, int]], home: FloatArray) -> None:
    """Write names at the right, moved apart, with a piece of each line."""
    order = np.argsort(home[:, 1], kind="stable")
    rows = home[order] + np.stack([np.zeros(len(home)), 1e-3 * np.arange(len(home))], axis=1)  # none on one spot
    placed = np.sort(spread(rows, gap=34.0, home=home[order])[:, 1])
    edge = 0.72 * _WIDTH
    for (name, i), row, target in zip([ends[k] for k in order], placed, home[order, 1], strict=True):
        line, marker, filled, colour = _LOOKS[i % len(_LOOKS)]
        page.plot([edge + 2, edge + 22], [target, row], color=quiet(), lw=0.5)
        page.plot([edge + 26, edge + 74], [row, row], ls=line, color=colour, lw=2.0 if i == 0 else 1.3)
        page.plot(edge + 50, row, marker, ms=4.5, mfc=colour if filled else "white", mec=colour, mew=1.0)
        short = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        write(page, edge + 84, row, short, fontsize=7, weight="bold" if i == 0 else "normal", va="center_baseline")


def share_histogram(
    shares: FloatArray, *, undisturbed: float, network: str, alone: Mapping[str, float] | None = None
) -> bytes:
    """How the share on target varies over draws, and what each uncertainty does by itself; PNG.

    Parameters
    ----------
    shares : (draw,) float ndarray
        0 to 1; NaN is left out.
    undisturbed : float
        Share of the pose as planned.
    network : str
    alone : mapping of str to float, optional
        Share of draws that hit, with one kind of uncertainty alone.

    Returns
    -------
    bytes
    """
    figure, _ = sheet(_WIDTH, _HEIGHT)
    both = bool(alone)
    axes = graph(figure, (0.075, 0.17, 0.42 if both else 0.88, 0.76))
    finite = np.asarray(shares, dtype=float)
    finite = np.clip(finite[np.isfinite(finite)], 0, 1)
    counts, edges = np.histogram(finite, bins=20, range=(0, 1))
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#8fb4cc", edgecolor="white", lw=0.6)
    axes.set_xlim(0, 1)
    top = 1.22 * max(1, int(counts.max(initial=0)))
    axes.set_ylim(0, top)
    name = network if len(network) <= _LONGEST else network[: _LONGEST - 1] + "…"
    name_axes(axes, f"share of the stimulated cortex in {name}", "draws")
    marks: list[tuple[float, Any, str]] = [(float(undisturbed), "-", "as planned")]
    if finite.size:
        marks.append((float(np.median(finite)), (0, (4, 2)), "median of draws"))
    marks = [mark for mark in marks if np.isfinite(mark[0])]
    for i, (value, line, words) in enumerate(marks):
        axes.axvline(value, color=ink(), lw=1.3, ls=line)
        reach = value < 0.55
        axes.text(
            value + (0.015 if reach else -0.015), (0.965 - 0.065 * i) * top, words, ha="left" if reach else "right",
            va="center", fontsize=6.8, color=ink(), family=FONT, parse_math=False,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
    if alone:
        _dots(figure, alone)
    return png(figure)


def _dots(figure: Figure, alone: Mapping[str, float]) -> None:
    """One dot a kind of uncertainty, on a line from 1: what it takes away by itself."""
    axes = graph(figure, (0.745, 0.17, 0.215, 0.76))
    rows = np.arange(len(alone))[::-1]
    values = np.array([float(value) for value in alone.values()])
    axes.hlines(rows, np.nan_to_num(values, nan=1.0), 1.0, color="#b9c2cc", lw=2.0)
    axes.plot(values, rows, "o", color="#0072b2", ms=6, mec="white", mew=0.6, clip_on=False)
    for row, value in zip(rows, values, strict=True):
        if np.isfinite(value):
            axes.text(
                float(np.clip(value, 0.06, 0.94)), row + 0.2, f"{100 * value:.0f} %", ha="center", va="bottom",
                fontsize=6.8, color=ink(), family=FONT, parse_math=False,
            )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(rows) - 0.3)
    words = [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in alone]
    axes.set_yticks(rows, words, parse_math=False)
    axes.grid(visible=False, axis="y")
    name_axes(axes, "share of draws that hit", "")
