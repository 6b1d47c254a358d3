"""Pictures of TMS-EEG: evoked responses, topographies, field power, time and frequency, sites side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.page import graph, ink, name_axes, place, png, quiet, sheet, write
from actionloop.types import FloatArray, Montage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 1360
_MV, _MS = 1e6, 1e3  # V to µV, s to ms
_STRONG, _OTHER, _PALE = "#0072b2", "#d55e00", "#8d99a6"
# Marker and colour: any two sites differ in both.
LOOKS = (("o", "#0072b2"), ("^", "#d55e00"), ("s", "#5b6673"), ("D", "#009e73"), ("v", "#8a4f9e"), ("X", "#7f3b08"))
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2)), (0, (8, 3)), (0, (3, 1, 1, 1, 1, 1)))
_GRID = 96


def butterfly(
    rows: Sequence[tuple[str, FloatArray, FloatArray]], *, near: Sequence[int], until_s: float = 0.35
) -> bytes:
    """Average responses of all channels over time, one row a state or site; those near the site drawn strong; PNG.

    Parameters
    ----------
    rows : sequence of (name, (sample,) times in s, (channel, sample) V)
    near : sequence of int
        Channels near the stimulated site.
    until_s : float
        Last time shown; the first is 100 ms before the pulse.

    Returns
    -------
    bytes
    """
    each, head, foot = 250, 30, 70
    height = head + each * len(rows) + foot
    figure, page = sheet(_WIDTH, height)
    for k, (name, times, values) in enumerate(rows):
        bottom = foot + each * (len(rows) - 1 - k)
        axes = graph(figure, (0.09, (bottom + 36) / height, 0.89, (each - 72) / height))
        shown = (times >= -0.1) & (times <= until_s)
        at, some = times[shown] * _MS, values[:, shown] * _MV
        others = np.setdiff1d(np.arange(len(some)), near)
        axes.plot(at, some[others].T, color=_PALE, lw=0.35, alpha=0.8)
        axes.plot(at, some[list(near)].T, color=_STRONG, lw=1.1)
        axes.axvline(0, color=ink(), lw=0.8, ls=(0, (3, 2)))
        axes.set_xlim(-100, until_s * _MS)
        late = (times >= 0.015) & (times <= until_s)
        limit = 1.15 * float(np.abs(values[:, late]).max()) * _MV if late.any() else 1.0
        axes.set_ylim(-limit or -1.0, limit or 1.0)
        name_axes(axes, "time after the pulse, ms" if k == len(rows) - 1 else "", "µV")
        write(page, 0.09 * _WIDTH, head + each * k + 16, name, fontsize=8, weight="bold")
    return png(figure)


def topographies(
    rows: Sequence[tuple[str, Sequence[FloatArray]]], montage: Montage, *, columns: Sequence[str], unit: str = "µV"
) -> bytes:
    """Draw maps of the scalp, nose up, the person's left at the left; one colour scale a row; PNG.

    Parameters
    ----------
    rows : sequence of (name, sequence of (channel,) float ndarray)
        One map a column, in `unit`.
    montage : Montage
    columns : sequence of str
        What each column is, such as a time.
    unit : str

    Returns
    -------
    bytes
    """
    side, left, head, foot = 200, 130, 46, 44
    width = left + side * len(columns) + 110
    height = head + (side + 14) * len(rows) + foot
    figure, page = sheet(width, height)
    flat = _flattened(montage)
    for j, words in enumerate(columns):
        write(page, left + side * (j + 0.5), head / 2, words, ha="center", fontsize=8)
    for k, (name, maps) in enumerate(rows):
        limit = float(np.nanpercentile(np.abs(np.stack(list(maps))), 98)) or 1.0
        top = head + (side + 14) * k
        write(page, left - 12, top + side / 2, name, ha="right", fontsize=8, weight="bold")
        for j, values in enumerate(maps):
            _scalp(page, flat, np.asarray(values, dtype=float) / limit, (left + side * j + 8, top), side - 16)
        write(page, left + side * len(columns) + 8, top + side / 2, f"±{limit:.2g} {unit}", fontsize=7, color=quiet())
    words = "nose up, the person's left at the left; blue below, red above zero, contours at each third"
    write(page, left, height - foot / 2, words, fontsize=7, color=quiet())
    return png(figure)


def _flattened(montage: Montage) -> FloatArray:
    """Azimuthal equidistant projection around the top of the head: the ears lie at radius 1."""
    xyz = montage.xyz_head_mm - montage.xyz_head_mm.mean(axis=0) * [1, 1, 0]
    polar = np.arctan2(np.linalg.norm(xyz[:, :2], axis=1), xyz[:, 2])
    around = np.arctan2(xyz[:, 1], xyz[:, 0])
    flat: FloatArray = np.stack([np.cos(around), np.sin(around)], axis=1) * (polar / (np.pi / 2))[:, None]
    return flat


def _scalp(page: Axes, flat: FloatArray, values: FloatArray, corner: tuple[float, float], side: float) -> None:
    """Draw one map: smooth between the electrodes, outline with nose and ears."""
    from matplotlib import colormaps
    from scipy.interpolate import RBFInterpolator

    reach = max(1.08, float(np.linalg.norm(flat, axis=1).max()) + 0.04)
    axis = np.linspace(-reach, reach, _GRID)
    right, up = np.meshgrid(axis, -axis)
    inside = np.hypot(right, up) <= reach
    smooth = RBFInterpolator(flat, values, kernel="thin_plate_spline", smoothing=1e-3)
    field = np.zeros((_GRID, _GRID))
    field[inside] = smooth(np.stack([right[inside], up[inside]], axis=1))
    picture = colormaps["RdBu_r"](np.clip((field + 1) / 2, 0, 1))
    picture[~inside] = 1.0
    steps = round(side / _GRID) or 1
    picture = np.kron(picture, np.ones((steps, steps, 1)))
    column, row = corner
    place(page, picture, (column, row))
    size = _GRID * steps
    middle, radius = (column + size / 2, row + size / 2), size / 2
    across = np.linspace(0, 2 * np.pi, 120)
    page.plot(middle[0] + radius * np.cos(across), middle[1] + radius * np.sin(across), color=ink(), lw=0.9)
    page.plot(middle[0] + radius * np.array([-0.12, 0, 0.12]), row + np.array([1, -9, 1]), color=ink(), lw=0.9)
    levels = [-1, -2 / 3, -1 / 3, 1 / 3, 2 / 3, 1]
    rows = row + (np.arange(_GRID) + 0.5) * steps
    columns = column + (np.arange(_GRID) + 0.5) * steps
    known = np.where(inside, field, np.nan)
    page.contour(columns, rows, known, levels=levels, colors=ink(), linewidths=0.3)
    at = middle + radius / reach * flat * [1, -1]
    page.plot(at[:, 0], at[:, 1], ".", color=ink(), ms=1.2)


def field_power(
    times_s: FloatArray,
    curves: Mapping[str, tuple[FloatArray, FloatArray]],
    *,
    what: str,
    windows_s: Sequence[tuple[float, float]] = (),
) -> bytes:
    """Field power of sites over time, with intervals; PNG.

    Parameters
    ----------
    times_s : (sample,) float ndarray
    curves : mapping of site to ((sample,) V, (2, sample) V)
        Value and interval.
    what : str
        Axis label.
    windows_s : sequence of (start, stop)
        Shaded at the foot.

    Returns
    -------
    bytes
    """
    height = 560
    figure, page = sheet(_WIDTH, height)
    axes = graph(figure, (0.09, 0.16, 0.76, 0.78))
    shown = (times_s >= -0.1) & (times_s <= 0.35)
    at = times_s[shown] * _MS
    for k, (site, (value, interval)) in enumerate(curves.items()):
        colour, line = LOOKS[k % len(LOOKS)][1], _LINES[k % len(_LINES)]
        axes.fill_between(at, *(interval[:, shown] * _MV), color=colour, alpha=0.15, lw=0)
        axes.plot(at, value[shown] * _MV, color=colour, ls=line, lw=1.5)
        y = 40 + 30 * k
        page.plot([0.87 * _WIDTH, 0.91 * _WIDTH], [y, y], color=colour, ls=line, lw=1.5)
        write(page, 0.92 * _WIDTH, y, site, fontsize=8)
    axes.axvline(0, color=ink(), lw=0.8, ls=(0, (3, 2)))
    for start, stop in windows_s:
        axes.plot([start * _MS, stop * _MS], [0, 0], color=ink(), lw=3, alpha=0.5, clip_on=False)
    axes.set_xlim(-100, 350)
    axes.set_ylim(bottom=0)
    name_axes(axes, "time after the pulse, ms (bars: windows that are reported)", what)
    return png(figure)


def time_frequency(
    panels: Sequence[tuple[str, FloatArray, str]], times_s: FloatArray, frequencies_hz: FloatArray
) -> bytes:
    """Draw maps over time and frequency, each with its own scale; PNG.

    Parameters
    ----------
    panels : sequence of (name, (frequency, time) float ndarray, unit)
        Drawn around 0 where there are values on both sides of it.
    times_s, frequencies_hz : (time,), (frequency,) float ndarray

    Returns
    -------
    bytes
    """
    from matplotlib import colormaps

    columns = 2
    rows = -(-len(panels) // columns)
    each, foot = 360, 70
    height = each * rows + foot
    figure, page = sheet(_WIDTH, height)
    for k, (name, values, unit) in enumerate(panels):
        row, column = divmod(k, columns)
        left, bottom = 0.07 + 0.48 * column, (foot + each * (rows - 1 - row) + 30) / height
        axes = graph(figure, (left, bottom, 0.36, (each - 80) / height))
        signed = bool((values < 0).any())
        limit = float(np.nanpercentile(np.abs(values), 99)) or 1.0
        low = -limit if signed else 0.0
        shown = axes.pcolormesh(
            times_s * _MS, frequencies_hz, values, vmin=low, vmax=limit, cmap="RdBu_r" if signed else "cividis",
            shading="nearest", rasterized=True,
        )  # fmt: skip
        axes.axvline(0, color=ink(), lw=0.8, ls=(0, (3, 2)))
        name_axes(axes, "ms" if row == rows - 1 else "", "Hz" if column == 0 else "")
        write(page, left * _WIDTH, each * row + 24, f"{name}, {unit}" if unit else name, fontsize=8, weight="bold")
        bar = figure.add_axes((left + 0.37, bottom, 0.008, (each - 80) / height))
        scale = np.linspace(0, 1, 64)[:, None]
        bar.imshow(colormaps[shown.get_cmap().name](scale), aspect="auto", origin="lower", extent=(0, 1, low, limit))
        bar.set_xticks([])
        bar.tick_params(labelsize=6, left=False, labelleft=False, right=True, labelright=True)
    return png(figure)


def site_ranking(
    sites: Sequence[str], value: FloatArray, interval: FloatArray, p_lowest: FloatArray, p_highest: FloatArray
) -> bytes:
    """Draw the connectivity of each site with its interval, and the chance of coming first at either end; PNG.

    Parameters
    ----------
    sites : sequence of str
    value : (site,) float ndarray
    interval : (2, site) float ndarray
    p_lowest, p_highest : (site,) float ndarray

    Returns
    -------
    bytes
    """
    each, head, foot = 70, 44, 84
    height = head + each * len(sites) + foot
    figure, page = sheet(_WIDTH, height)
    box = (foot / height, each * len(sites) / height)
    axes = graph(figure, (0.11, box[0], 0.45, box[1]))
    order = np.argsort(value)
    for row, k in enumerate(order):
        marker, colour = LOOKS[k % len(LOOKS)]
        axes.hlines(row, *interval[:, k], color=colour, lw=2)
        axes.plot(value[k], row, marker, ms=7, mfc=colour, mec=colour)
        write(page, 0.11 * _WIDTH - 14, head + each * (row + 0.5), sites[k], ha="right", weight="bold")
    axes.set_ylim(len(sites) - 0.5, -0.5)
    axes.set_yticks([])
    name_axes(axes, "global connectivity (debiased wPLI²), lowest site first", "")
    chances = graph(figure, (0.62, box[0], 0.34, box[1]))
    at = np.arange(len(sites))
    chances.barh(at - 0.18, p_lowest[order], 0.34, color=_STRONG, edgecolor=ink(), lw=0.5)
    chances.barh(at + 0.18, p_highest[order], 0.34, color="white", edgecolor=_OTHER, hatch="////", lw=0.8)
    chances.set_ylim(len(sites) - 0.5, -0.5)
    chances.set_yticks([])
    chances.set_xlim(0, 1)
    name_axes(chances, "P(rank 1)", "")
    write(page, 0.62 * _WIDTH, head / 2, "filled: lowest; hatched: highest", fontsize=7, color=quiet())
    return png(figure)


def stacked(pictures: Sequence[bytes]) -> bytes:
    """Put PNG pictures below one another; PNG."""
    from PIL import Image

    opened = [Image.open(io.BytesIO(one)).convert("RGB") for one in pictures]
    whole = Image.new("RGB", (max(one.width for one in opened), sum(one.height for one in opened)), "white")
    top = 0
    for one in opened:
        whole.paste(one, (0, top))
        top += one.height
    drawn = io.BytesIO()
    whole.save(drawn, format="png", compress_level=6)
    return drawn.getvalue()
