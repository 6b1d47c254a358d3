"""Pictures along time: how much the head moved, and what every grayordinate did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import display_colours, of_interest
from actionloop.figures.page import FONT, ink, place, png, quiet, sheet, write
from actionloop.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THRESHOLDS_MM = (0.2, 0.3)
_DASHES = ((0, (5, 3)), (0, (1, 2)), (0, (8, 2, 1, 2)))
_LEFT, _RIGHT, _WIDTH = 230, 50, 1900  # pixels
_GREYS = 20  # steps, few enough for a small file
_CENSORED = "#dfd8c8"
_BAND_ROWS, _LEAST_ROWS = 220, 5


def motion_trace(
    names: Sequence[str],
    fd_mm: Sequence[FloatArray | None],
    kept: Sequence[BoolArray],
    tr_s: Sequence[float],
    *,
    thresholds_mm: Sequence[float] = THRESHOLDS_MM,
) -> bytes:
    """Framewise displacement of every run, one after the other, with the frames that were left out; PNG.

    Parameters
    ----------
    names : sequence of str
        Of the runs.
    fd_mm : sequence of (frame,) float ndarray or None
        NaN counts as 0; None where the motion of a run is not known.
    kept : sequence of (frame,) bool ndarray
    tr_s : sequence of float
    thresholds_mm : sequence of float
        Drawn as lines.
    """
    height, top, bottom = 480, 54, 132
    known = np.concatenate([np.zeros(1), *(np.nan_to_num(fd) for fd in fd_mm if fd is not None)])
    limit = float(np.clip(1.1 * np.percentile(known, 99), 2 * max(thresholds_mm, default=0.25), 1.2))
    minutes = [len(frames) * seconds / 60 for frames, seconds in zip(kept, tr_s, strict=True)]
    figure, page = sheet(_WIDTH, height)
    axes = _panel(figure, (top, height - bottom), height)
    starts = np.concatenate([[0.0], np.cumsum(minutes)])
    _frame_axes(axes, (0, float(starts[-1]) or 1.0), (0, limit))
    beyond = False
    for name, fd, frames, seconds, start in zip(names, fd_mm, kept, tr_s, starts[:-1], strict=True):
        at = start + np.arange(len(frames) + 1) * seconds / 60
        _shade_censored(axes, at, frames, limit)
        axes.axvline(start, color=ink(), lw=0.6)
        middle = _LEFT + (start + at[-1]) / 2 / (float(starts[-1]) or 1.0) * (_WIDTH - _LEFT - _RIGHT)
        if fd is None:
            write(page, middle, (top + height - bottom) / 2, "motion not known", ha="center", color=quiet())
        else:
            values = np.nan_to_num(np.asarray(fd, dtype=float))
            axes.plot(at[:-1], np.minimum(values, limit), color=ink(), lw=0.6)
            cut = values > limit
            beyond |= bool(cut.any())
            axes.plot(at[:-1][cut], np.full(cut.sum(), limit), "^", color=ink(), ms=3.2, clip_on=False)
        write(page, middle, top - 18, _short(name, 60 if len(names) < 4 else 24), ha="center", fontsize=7)
    for threshold, dashes in zip(thresholds_mm, _DASHES, strict=False):
        axes.axhline(threshold, color=ink(), lw=0.9, ls=dashes, zorder=4)
        row = height - bottom - threshold / limit * (height - bottom - top)
        write(page, _WIDTH - _RIGHT + 8, row, f"{threshold:g}", fontsize=6.5)
    write(page, _LEFT - 100, (top + height - bottom) / 2, "FD, mm", rotation=90, ha="center", fontsize=7.5)
    write(page, _WIDTH / 2, height - 56, "minutes of scan", ha="center", fontsize=7.5)
    note = "shaded, and black below the trace: frames left out" + (f";  ▲ beyond {limit:.2g} mm" if beyond else "")
    write(page, _LEFT, height - 22, note, fontsize=7, color=quiet())
    return png(figure)


def carpet(
    data: FloatArray,
    network: IntArray,
    names: Sequence[str],
    colours: FloatArray,
    *,
    fd_mm: FloatArray | None = None,
    run_lengths: Sequence[int] = (),
    n_columns: int = 540,
) -> bytes:
    """Show what every grayordinate did, rows ordered by network, with the motion above; PNG.

    Rows are a sample of each network's and at most `n_columns` columns are means of neighbouring frames, so that the
    picture stays small.

    Parameters
    ----------
    data : (frame, grayordinate) float ndarray
        Cleaned; every row is scaled to unit variance here.
    network : (grayordinate,) int ndarray
        Index into `names`; below 0 for rows without a network.
    names : sequence of str
    colours : (network, 3) float ndarray
        RGB, 0 to 1, of the map.
    fd_mm : (frame,) float ndarray, optional
        Of the same frames; NaN leaves a gap.
    run_lengths : sequence of int
        Frames of each run, to draw where one ends.
    n_columns : int
    """
    blocks = _blocks(data, network, names)
    rows = np.concatenate([block for _, block in blocks]) if blocks else np.zeros(0, dtype=int)
    band = _decimated(data[:, rows], n_columns)
    top, gap, bottom, rise = (150 if fd_mm is not None else 24), 22, 70, 3
    height = top + gap + rise * len(rows) + bottom
    figure, page = sheet(_WIDTH, height)
    width = _WIDTH - _LEFT - _RIGHT
    across = np.minimum(np.arange(width) * band.shape[1] // width, band.shape[1] - 1)
    grey = (np.clip(0.5 + band / 4, 0, 1) * _GREYS).round() / _GREYS
    grey = grey.repeat(rise, axis=0)[:, across] if len(rows) else np.ones((1, width))
    place(page, np.stack([grey, grey, grey, np.ones_like(grey)], axis=-1), (_LEFT, top + gap))
    _name_blocks(page, blocks, display_colours(names, colours), names, (top + gap, rise))
    n_frames = len(data)
    ends = [end for end in np.cumsum(run_lengths)[:-1] if end < n_frames]
    if fd_mm is not None:
        axes = _panel(figure, (30, top), height)
        values = np.asarray(fd_mm, dtype=float)
        _frame_axes(axes, (0, n_frames), (0, max(0.4, 1.1 * float(np.nan_to_num(values).max(initial=0)))))
        axes.set_xticks([])
        axes.plot(np.arange(n_frames) + 0.5, values, color=ink(), lw=0.6)
        for threshold, dashes in zip(THRESHOLDS_MM, _DASHES, strict=False):
            axes.axhline(threshold, color=ink(), lw=0.7, ls=dashes)
        write(page, _LEFT - 100, (30 + top) / 2, "FD, mm", rotation=90, ha="center", fontsize=7.5)
    for end in ends:
        column = _LEFT + end / n_frames * width
        page.plot([column, column], [top + gap - 8, height - bottom + 4], color=ink(), lw=1.4)
        page.plot([column, column], [top + gap, height - bottom], color="white", lw=0.5)
    for frame in (0, n_frames):
        anchor = "left" if frame == 0 else "right"
        write(page, _LEFT + frame / n_frames * width, height - bottom + 24, f"{frame:,}", ha=anchor, fontsize=7)
    label = "kept frames" + (", lines between runs" if ends else "") + "; grey: −2 (black) to 2 (white) SD"
    write(page, _LEFT + width / 2, height - bottom + 32, label, ha="center", fontsize=7.5)
    return png(figure)


def _blocks(data: FloatArray, network: IntArray, names: Sequence[str]) -> list[tuple[int, IntArray]]:
    """Choose rows with signal, evenly from every network: those of interest first, rows without a network last."""
    varies = data.max(axis=0) > data.min(axis=0)
    order = sorted(range(len(names)), key=lambda i: (not of_interest(names[i]), i))
    found: list[tuple[int, IntArray]] = []
    for index in (*order, -1):
        members = np.flatnonzero(varies & (network == index if index >= 0 else network < 0))
        if len(members):
            wanted = round(_BAND_ROWS * len(members) / int(varies.sum()))
            n = min(len(members), max(wanted, _LEAST_ROWS))
            found.append((index, members[np.linspace(0, len(members) - 1, n).round().astype(int)]))
    return found


def _decimated(data: FloatArray, n_columns: int) -> FloatArray:
    """Scale the rows and average neighbouring frames; shape (row, column)."""
    scaled = np.asarray(data, dtype=np.float64) - data.mean(axis=0)
    scaled /= np.maximum(scaled.std(axis=0), 1e-12)
    edges = np.unique(np.linspace(0, len(scaled), min(n_columns, len(scaled)) + 1).astype(int))
    summed = np.add.reduceat(scaled, edges[:-1], axis=0)
    means: FloatArray = (summed / np.diff(edges)[:, None]).T
    return means


def _name_blocks(
    page: Axes, blocks: Sequence[tuple[int, IntArray]], shown: FloatArray, names: Sequence[str], at: tuple[int, int]
) -> None:
    """Draw a strip of the networks' colours beside the band, and their names where there is room."""
    from matplotlib.patches import Rectangle

    row, rise = at
    free = 0.0
    for index, block in blocks:
        height = rise * len(block)
        colour = shown[index] if index >= 0 else np.full(3, 0.93)
        page.add_patch(Rectangle((_LEFT - 24, row), 20, height, facecolor=colour, edgecolor="white", lw=0.4))
        middle = max(row + height / 2, free)
        name = names[index] if index >= 0 else "no network"
        strong = index >= 0 and of_interest(name)
        if strong or (height >= 20 and middle == row + height / 2):
            style: dict[str, Any] = {"ha": "right", "fontsize": 6, "weight": "bold" if strong else "normal"}
            write(page, _LEFT - 30, middle, _short(name, 19), **style)
            free = middle + 20
        row += height


def _panel(figure: Figure, rows: tuple[float, float], height: int) -> Axes:
    """Make axes between two rows of a sheet."""
    width = (_WIDTH - _LEFT - _RIGHT) / _WIDTH
    axes = figure.add_axes((_LEFT / _WIDTH, 1 - rows[1] / height, width, (rows[1] - rows[0]) / height))
    axes.set_facecolor("none")  # what is written on the sheet stays readable
    return axes


def _frame_axes(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    axes.tick_params(labelsize=7, color=ink(), labelcolor=ink(), width=0.5, length=3, pad=9, labelfontfamily=FONT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_linewidth(0.6)
        spine.set_color(ink())


def _shade_censored(axes: Axes, edges: FloatArray, kept: BoolArray, limit: float) -> None:
    """Mark frames that were left out: pale over the height of the trace, dark in a strip along its foot."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], ~kept, [False]]).astype(int)))
    spans = [(edges[first], edges[last] - edges[first]) for first, last in bounds.reshape(-1, 2)]
    if spans:
        axes.broken_barh(spans, (0, limit), facecolor=_CENSORED, lw=0, zorder=0.5)
        axes.broken_barh(spans, (-0.075 * limit, 0.05 * limit), facecolor=ink(), lw=0, clip_on=False)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
