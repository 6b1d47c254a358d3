"""Pictures of what halves and resampled frames of a scan say of its map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import brain_colour, of_interest
from actionloop.figures.maps import colour_table, on_mesh, scalar_map
from actionloop.figures.page import FONT, graph, ink, name_axes, place, png, quiet, sheet, write
from actionloop.figures.views import SurfaceViews, View, ViewName, finish, outline, paint, surface_views
from actionloop.types import Anatomy, BoolArray, FloatArray, IntArray, NetworkMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Brightens steadily, so that it is told apart in grey and without any one kind of cone; what is unstable stands out.
RAMP = np.array([[0.12, 0.20, 0.42], [0.24, 0.52, 0.68], [0.62, 0.81, 0.74], [0.99, 0.96, 0.82]])
_NO_NETWORK = np.array([0.87, 0.87, 0.86])
_DIFFER, _AGREE = np.array([0.16, 0.19, 0.24]), np.array([0.90, 0.91, 0.92])
_COLUMNS: tuple[ViewName, ...] = ("L lateral", "L medial", "dorsal", "R medial", "R lateral")
_SIDE, _GAP, _HEAD, _FOOT = 190, 14, 40, 46  # pixels


def stability_map(
    anatomy: Anatomy,
    network_map: NetworkMap,
    stability: FloatArray,
    *,
    views: SurfaceViews | None = None,
) -> bytes:
    """Share of resamples in which each vertex keeps its network, on the inflated cortex; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
        The map that was resampled, whose borders of SCAN and AMN are drawn.
    stability : (grayordinate,) float ndarray
        0 to 1, on the cortical rows of `network_map`.
    views : SurfaceViews, optional
    """
    views = views or surface_views(anatomy)
    axis = network_map.grayordinates.cortex()
    label = network_map.label[: axis.n_cortex]
    interest = [network_map.key(name) for name in ("SCAN", "AMN") if name in network_map.names]
    lines = ["lines: " + ", ".join(name for name in ("SCAN", "AMN") if name in network_map.names)] if interest else []
    lines += ["grey: none"] if (label == 0).any() else []
    return scalar_map(
        views,
        axis,
        stability[: axis.n_cortex],
        ramp=RAMP,
        limits=(0.0, 1.0),
        caption=("share of resamples", "; ".join(lines)),
        borders=on_mesh(views, axis, np.where(np.isin(label, interest), label, 0)),
        lost=(label == 0, _NO_NETWORK),
    )


def half_maps(
    anatomy: Anatomy,
    maps: tuple[NetworkMap, NetworkMap],
    agree: BoolArray,
    *,
    views: SurfaceViews | None = None,
) -> bytes:
    """Draw the maps of two halves of a scan and where they differ, the five views side by side; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    maps : pair of NetworkMap
        On the same rows.
    agree : (grayordinate,) bool ndarray
        Rows with the same label in both.
    views : SurfaceViews, optional
    """
    views = views or surface_views(anatomy, pixels_per_mm=2.0)
    axis = maps[0].grayordinates.cortex()
    labels = [on_mesh(views, axis, one.label[: axis.n_cortex]) for one in maps]
    inside = on_mesh(views, axis, np.ones(axis.n_cortex, dtype=int))
    either = np.logical_or(*(label > 0 for label in labels)).astype(int)
    differ = on_mesh(views, axis, (~agree[: axis.n_cortex]).astype(int)) * either
    tables = [colour_table(one) for one in maps]
    scan = maps[0].key("SCAN") if "SCAN" in maps[0].names else None

    def half(view: View, which: int) -> FloatArray:
        seen = view.raster.label(labels[which])
        painted = paint(view, views.sulc, colour=tables[which][seen], opacity=np.where(seen > 0, 0.94, 0.0))
        if scan is not None:
            painted[outline(view, seen == scan, width_px=1.6)] = 1.0  # seen in grey, where SCAN and AMN look alike
        return _with_wall(view, painted, inside)

    def difference(view: View) -> FloatArray:
        seen = view.raster.label(differ + either)  # 0 no network, 1 the same, 2 another
        colour = np.array([_NO_NETWORK, _AGREE, _DIFFER])[seen]
        painted = paint(view, views.sulc, colour=colour, opacity=np.where(seen > 0, 0.94, 0.0))
        return _with_wall(view, painted, inside)

    shapes = [views.views[name].shape for name in _COLUMNS]
    tallest = max(shape[0] for shape in shapes)
    width = _SIDE + sum(shape[1] for shape in shapes) + _GAP * len(shapes)
    figure, page = sheet(width, _HEAD + 3 * (tallest + _GAP) + _FOOT)
    for i, words in enumerate(("half 1", "half 2", "where they\ndiffer (dark)")):
        column, row = _SIDE, _HEAD + i * (tallest + _GAP)
        write(page, 8, row + tallest / 2, words, fontsize=8, weight="bold")
        for name, shape in zip(_COLUMNS, shapes, strict=True):
            view = views.views[name]
            painted = difference(view) if i == 2 else half(view, i)
            place(page, finish(view, painted), (column, row + (tallest - shape[0]) // 2))
            if i == 0:
                words_above = "from above" if name == "dorsal" else ("left" if name[0] == "L" else "right") + name[1:]
                write(page, column + shape[1] / 2, _HEAD / 2, words_above, ha="center", fontsize=7, color=quiet())
            column += shape[1] + _GAP
    _legend(page, maps[0], tables[0], _HEAD + 3 * (tallest + _GAP) + _FOOT / 2)
    return png(figure)


def agreement_curve(
    minutes: Sequence[float],
    agreement: Sequence[float],
    *,
    ceiling: float = float("nan"),
    rate_per_min: float = float("nan"),
    floor: float = 0.0,
    projected: Mapping[float, float] | None = None,
) -> bytes:
    """Agreement of halves against minutes, the fitted curve and what more minutes would give; PNG.

    Parameters
    ----------
    minutes, agreement : sequence of float
        Minutes that each of two maps is made from, and their share of equal labels.
    ceiling, rate_per_min : float
        Of R(T) = floor + (ceiling − floor) (1 − exp(−rate T)); NaN draws no curve.
    floor : float
    projected : mapping of float to float, optional
        Minutes to agreement.
    """
    ahead = {t: r for t, r in sorted((projected or {}).items()) if np.isfinite(t) and np.isfinite(r)}
    width, height = 1000, 640
    figure, page = sheet(width, height)
    axes = graph(figure, (0.12, 0.19, 0.84, 0.76))
    reach = 1.08 * max([1.0, *(t for t in minutes if np.isfinite(t)), *ahead])
    axes.set_xlim(0, reach)
    axes.set_ylim(0, 1)
    name_axes(axes, "minutes that each map is made from", "share of equal labels")
    if np.isfinite(ceiling) and np.isfinite(rate_per_min):
        at = np.linspace(0, reach, 200)
        fit = floor + (ceiling - floor) * -np.expm1(-rate_per_min * at)
        last = max(minutes, default=0.0)
        axes.plot(at[at <= last], fit[at <= last], color=ink(), lw=1.4)
        axes.plot(at[at >= last], fit[at >= last], color=ink(), lw=1.2, ls=(0, (4, 2.5)))
        axes.axhline(ceiling, color=quiet(), lw=0.8, ls=(0, (1, 2)))
        begin = f"{floor:.2f} + {ceiling - floor:.2f}" if floor > 0.005 else f"{ceiling:.2f}"
        shown = f"R(T) = {begin} (1 − exp(−{rate_per_min:.2g} T))"
    else:
        shown = "the points do not determine a curve"
    axes.plot(minutes, agreement, "o", color="#1f4e6b", ms=5, mec="white", mew=0.5, zorder=5, clip_on=False)
    axes.plot(list(ahead), list(ahead.values()), "D", mfc="white", mec=ink(), ms=5, mew=1, zorder=5, clip_on=False)
    for t, r in ahead.items():
        below = r > 0.9
        spot = (0, -7 if below else 7)
        looks: dict[str, Any] = {"ha": "center", "va": "top" if below else "bottom", "textcoords": "offset points"}
        looks |= {"fontsize": 7, "color": ink(), "family": FONT}
        axes.annotate(f"{r:.2f}", (t, r), spot, **looks)
    write(page, 0.12 * width, height - 22, f"● measured   ◇ projected   {shown}", fontsize=7, color=quiet())
    return png(figure)


def _with_wall(view: View, painted: FloatArray, inside: IntArray) -> FloatArray:
    painted[view.raster.label(inside) == 0] = brain_colour("wall")
    return painted


def _legend(page: Axes, network_map: NetworkMap, table: FloatArray, row: float) -> None:
    """Name the colours of the networks of interest in one line."""
    from matplotlib.patches import Rectangle

    column = float(_SIDE)
    for name, key in zip(network_map.names, network_map.keys, strict=True):
        if of_interest(name):
            page.add_patch(Rectangle((column, row - 8), 22, 16, facecolor=table[key], edgecolor=ink(), lw=0.5))
            write(page, column + 30, row, name, fontsize=7, weight="bold", va="center_baseline")
            column += 60 + 16 * len(name)
    write(
        page,
        column + 6,
        row,
        "other networks muted; white line: border of SCAN",
        fontsize=7,
        color=quiet(),
        va="center_baseline",
    )
