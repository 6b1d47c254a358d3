"""Pictures of contrasts: connectivity of networks with regions, and which network a place of the cortex prefers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import brain_colour, display_colours, hexadecimal
from actionloop.figures.layout import colour_ramp, compose, free_place
from actionloop.figures.maps import on_mesh
from actionloop.figures.page import FONT, graph, ink, name_axes, place, png, quiet, sheet, write
from actionloop.figures.views import SurfaceViews, View, paint
from actionloop.types import BoolArray, FloatArray, Grayordinates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _ROW, _HEAD, _FOOT = 1360, 104, 70, 86
_LEFT = 0.27
_MARKERS = ("o", "^", "s", "D")
_PALE = np.array([0.93, 0.92, 0.90])
_LONGEST = 26


def contrast_intervals(
    regions: Sequence[str],
    seeds: Sequence[str],
    value: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    each: FloatArray | None = None,
    axis: str = "Fisher z with the region",
) -> bytes:
    """Draw the connectivity of each network with each region, with intervals; PNG.

    Parameters
    ----------
    regions : sequence of str
    seeds : sequence of str
        Told apart by marker and colour; the first is drawn strongest.
    value, low, high : (seed, region) float ndarray
        NaN is left out, and named so.
    each : (person, seed, region) float ndarray, optional
        People's own values, as pale dots.
    axis : str
        What the values are.

    Returns
    -------
    bytes
    """
    height = _HEAD + _ROW * len(regions) + _FOOT
    figure, page = sheet(_WIDTH, height)
    axes = graph(figure, (_LEFT, _FOOT / height, 0.98 - _LEFT, _ROW * len(regions) / height))
    colours = [hexadecimal(colour) for colour in display_colours(seeds, np.zeros((len(seeds), 3)))]
    axes.set_ylim(len(regions) - 0.5, -0.5)
    axes.set_yticks([])
    axes.axvline(0, color=ink(), lw=0.7)
    for row, region in enumerate(regions):
        name = region if len(region) <= _LONGEST else region[: _LONGEST - 1] + "…"
        write(page, _LEFT * _WIDTH - 14, _HEAD + _ROW * (row + 0.5), name, ha="right", fontsize=8)
        if row:
            axes.axhline(row - 0.5, color="#e3e7eb", lw=0.7)
        if not np.isfinite(value[:, row]).any():
            axes.text(
                0.01, row, "no value", transform=axes.get_yaxis_transform(), fontsize=7, color=quiet(), va="center"
            )
    for k, colour in enumerate(colours):
        at = np.arange(len(regions)) + (k - (len(seeds) - 1) / 2) * 0.8 / len(seeds)
        if each is not None:
            for own in each:
                axes.plot(own[k], at, _MARKERS[k % 4], ms=2.6, mfc="none", mec=colour, mew=0.4, alpha=0.5, zorder=3)
        axes.hlines(at, low[k], high[k], color=colour, lw=2.6 if k == 0 else 1.5, zorder=4)
        axes.plot(value[k], at, _MARKERS[k % 4], ms=6, mfc=colour if k == 0 else "white", mec=colour, mew=1.3, zorder=5)
    name_axes(axes, axis, "")
    _legend(page, seeds, colours)
    return png(figure)


def _legend(page: Axes, seeds: Sequence[str], colours: Sequence[str]) -> None:
    column = _LEFT * _WIDTH + 14
    for k, (name, colour) in enumerate(zip(seeds, colours, strict=True)):
        page.plot([column - 14, column + 14], [30, 30], color=colour, lw=2.6 if k == 0 else 1.5)
        page.plot(column, 30, _MARKERS[k % 4], ms=6, mfc=colour if k == 0 else "white", mec=colour, mew=1.3)
        weight = "bold" if k == 0 else "normal"
        write(page, column + 24, 30, name, fontsize=8, weight=weight, va="center_baseline", family=FONT)
        column += 74 + 17 * len(name)


def preferred_map(
    views: SurfaceViews,
    axis: Grayordinates,
    seeds: Sequence[str],
    margin: FloatArray,
    *,
    limit: float,
    words: str = "Fisher z above the next",
) -> bytes:
    """Paint which network each place is tied to most, the stronger the colour the clearer; PNG.

    Parameters
    ----------
    views : SurfaceViews
    axis : Grayordinates
        Of the cortex.
    seeds : sequence of str
    margin : (seed, row) float ndarray
        Above 0 for at most one network a row; NaN is shown as not known.
    limit : float
        Where the colours end.
    words : str
        What the margin is.

    Returns
    -------
    bytes
    """
    strong = display_colours(seeds, np.zeros((len(seeds), 3)))
    known: BoolArray = np.asarray(np.isfinite(margin).all(axis=0))
    filled = np.where(known, margin, 0)
    best = np.where(filled.max(axis=0) > 0, filled.argmax(axis=0) + 1, 0)
    strength = np.clip(filled.max(axis=0) / (limit or 1.0), 0, 1)
    colour_of = np.concatenate([_PALE[None], strong])[best]
    share = strength[:, None]
    rgb = np.concatenate([share * colour_of + (1 - share) * _PALE, known[:, None]], axis=1)
    meshes = [on_mesh(views, axis, np.ascontiguousarray(channel)) for channel in rgb.T]

    def colour(view: View) -> FloatArray:
        seen = np.stack([view.raster.interpolate(mesh) for mesh in meshes], axis=1)
        inside = seen[:, 3] > 0.5
        painted = paint(view, views.sulc, colour=seen[:, :3], opacity=np.full(len(seen), 0.95))
        painted[~inside] = brain_colour("wall")
        return np.clip(painted, 0, 1)

    figure, page, corners = compose(views, colour, "")
    column, row, width, _ = free_place(views, corners)
    for k, name in enumerate(seeds):
        y = row + 56 + 44 * k
        strip = colour_ramp(np.stack([_PALE, strong[k]]), np.linspace(0, 1, int(0.45 * width)))[None].repeat(26, axis=0)
        place(page, np.concatenate([strip, np.ones((*strip.shape[:2], 1))], axis=-1), (column + 0.5 * width, y - 13))
        write(page, column + 0.47 * width, y, name, ha="right", fontsize=8, weight="bold" if k == 0 else "normal")
    below = row + 56 + 44 * len(seeds)
    style: dict[str, Any] = {"fontsize": 6.5, "color": quiet()}
    write(page, column + 0.5 * width, below - 8, "0", **style)
    write(page, column + 0.95 * width, below - 8, f"{limit:.2g}", ha="right", **style)
    write(page, column + width / 2, below + 24, words, ha="center", **style)
    return png(figure)
