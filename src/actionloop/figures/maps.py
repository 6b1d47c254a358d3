"""Maps on the five standard views of the inflated cortex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.figures.colours import brain_colour, display_colours, hexadecimal
from actionloop.figures.layout import (
    SIGNED_RAMP,
    colour_bar,
    colour_ramp,
    compose,
    free_place,
    mark_targets,
    network_legend,
)
from actionloop.figures.page import png, write
from actionloop.figures.views import SurfaceViews, View, outline, paint, surface_views
from actionloop.types import Anatomy, BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Target

EMPHASISED = ("SCAN", "AMN")
# Darkens steadily, so that it is told apart in grey and without any one kind of cone.
SHARE_RAMP = np.array([[0.99, 0.96, 0.82], [0.62, 0.81, 0.74], [0.24, 0.52, 0.68], [0.12, 0.20, 0.42]])


def inflated_map(
    anatomy: Anatomy,
    network_map: NetworkMap,
    *,
    targets: Sequence[Target] = (),
    emphasised: Sequence[str] = EMPHASISED,
    views: SurfaceViews | None = None,
    title: str = "",
) -> bytes:
    """Networks on the inflated cortex: outlined where `emphasised`, targets as numbers; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    targets : sequence of Target
        Marked with their rank in every view in which they are seen.
    emphasised : sequence of str
        Networks with an outline.
    views : SurfaceViews, optional
        From `surface_views(anatomy)`; drawn if not given.
    title : str

    Returns
    -------
    bytes
    """
    views = views or surface_views(anatomy)
    axis = network_map.grayordinates
    label = on_mesh(views, axis, network_map.label)
    table = colour_table(network_map)
    keys = [network_map.key(name) for name in emphasised if name in network_map.names]

    def colour(view: View) -> FloatArray:
        seen = view.raster.label(label)
        painted = paint(view, views.sulc, colour=table[seen], opacity=np.where(seen > 0, 0.94, 0.0))
        painted[view.raster.label(on_mesh(views, axis, np.ones(len(axis), int))) == 0] = brain_colour("wall")
        for key in keys:
            painted[outline(view, seen == key)] = 0.45 * table[key]
        return painted

    figure, axes, corners = compose(views, colour, title)
    mark_targets(axes, views, corners, targets)
    shown = [name for name in emphasised if name in network_map.names]
    place_free = free_place(views, corners)
    network_legend(axes, network_map, place_free, emphasised=shown, numbered=bool(targets))
    return png(figure)


def probability_map(
    anatomy: Anatomy, network_map: NetworkMap, *, name: str, views: SurfaceViews | None = None, title: str = ""
) -> bytes:
    """Probability of one network on the inflated cortex, with the border of its label; PNG."""
    views = views or surface_views(anatomy)
    axis = network_map.grayordinates
    probability = network_map.probability[network_map.names.index(name)]
    table = colour_table(network_map)
    colour = table[network_map.key(name)]
    member = on_mesh(views, axis, network_map.members(name).astype(int))
    return scalar_map(
        views,
        axis,
        probability,
        ramp=np.stack([np.array([0.97, 0.95, 0.90]), colour, 0.45 * colour]),
        limits=(0.0, 1.0),
        caption=(f"probability of {name}", "line: border of its label"),
        borders=member,
        title=title,
    )


def confidence_map(
    anatomy: Anatomy, network_map: NetworkMap, *, views: SurfaceViews | None = None, title: str = ""
) -> bytes:
    """Confidence (winning probability minus runner-up) on the inflated cortex, with the borders of networks; PNG."""
    views = views or surface_views(anatomy)
    ramp = np.array([[0.99, 0.86, 0.55], [0.86, 0.89, 0.80], [0.58, 0.75, 0.78], [0.29, 0.52, 0.62]])
    emphasised = np.isin(network_map.label, [network_map.key(n) for n in EMPHASISED if n in network_map.names])
    return scalar_map(
        views,
        network_map.grayordinates,
        network_map.confidence,
        ramp=ramp,
        limits=(0.0, 1.0),
        caption=("confidence", "lines: borders of SCAN, AMN"),
        borders=on_mesh(views, network_map.grayordinates, np.where(emphasised, network_map.label, 0)),
        title=title,
    )


def coverage(
    anatomy: Anatomy,
    values: NDArray[Any],
    grayordinates: Grayordinates,
    *,
    views: SurfaceViews | None = None,
    title: str = "",
) -> bytes:
    """BOLD coverage on the inflated cortex; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    values : (grayordinate,) ndarray
        A mask of rows with signal (bool), or the temporal standard deviation of each row.
    grayordinates : Grayordinates
    views : SurfaceViews, optional
    title : str
    """
    views = views or surface_views(anatomy)
    values = np.asarray(values)
    valid = values if values.dtype == bool else np.isfinite(values) & (values > 0)
    share = 100 * float(valid[: grayordinates.n_cortex].mean())
    lost = np.array([0.84, 0.33, 0.10])
    if values.dtype == bool:
        ramp, numbers, limits = np.array([[0.60, 0.75, 0.82], [0.60, 0.75, 0.82]]), values.astype(float), (0.0, 1.0)
        caption = (f"blue: signal ({share:.1f} %)", f"orange: none ({100 - share:.1f} %)")
    else:
        ramp, numbers = np.array([[0.88, 0.94, 0.97], [0.52, 0.70, 0.84], [0.20, 0.42, 0.62]]), values.astype(float)
        limits = (0.0, float(np.percentile(numbers[valid], 98)) if valid.any() else 1.0)
        caption = ("temporal SD of signal", f"orange: none ({100 - share:.1f} %)")
    return scalar_map(
        views,
        grayordinates,
        numbers,
        ramp=ramp,
        limits=limits,
        caption=caption,
        lost=(~valid, lost),
        bar=values.dtype != bool,
        title=title,
    )


def scalar_map(  # noqa: PLR0913 - one painter serves all scalar maps
    views: SurfaceViews,
    axis: Grayordinates,
    values: FloatArray,
    *,
    ramp: FloatArray,
    limits: tuple[float, float],
    caption: tuple[str, ...],
    borders: IntArray | None = None,
    lost: tuple[BoolArray, FloatArray] | None = None,
    bar: bool = True,
    title: str = "",
) -> bytes:
    """Paint one value per grayordinate; `borders` are labels to outline, `lost` a mask and its colour."""
    low, high = limits
    scaled = np.clip((np.asarray(values, dtype=float) - low) / ((high - low) or 1.0), 0, 1)
    scaled = np.nan_to_num(scaled)
    mesh = on_mesh(views, axis, scaled)
    inside = on_mesh(views, axis, np.ones(len(axis), dtype=int))
    absent = None if lost is None else on_mesh(views, axis, lost[0].astype(int))

    def colour(view: View) -> FloatArray:
        seen = view.raster.interpolate(mesh)
        painted = paint(view, views.sulc, colour=colour_ramp(ramp, seen), opacity=np.full(len(seen), 0.95))
        if absent is not None and lost is not None:
            gone = view.raster.label(absent) == 1
            painted[gone] = lost[1] * view.shade[gone, None]
        if borders is not None:
            seen_label = view.raster.label(borders)
            for key in np.unique(borders[borders > 0]):
                painted[outline(view, seen_label == key, width_px=0.9)] = 0.12
        painted[view.raster.label(inside) == 0] = brain_colour("wall")
        return np.clip(painted, 0, 1)

    figure, axes, corners = compose(views, colour, title)
    column, row, width, _ = free_place(views, corners)
    for i, line in enumerate(caption):
        write(axes, column + width / 2, row + 50 + 28 * i, line, ha="center", fontsize=8 if i == 0 else 6.5)
    if bar:
        colour_bar(axes, ramp, limits, (column + 0.1 * width, row + 100, 0.8 * width, 26))
    return png(figure)


def value_map(
    views: SurfaceViews,
    axis: Grayordinates,
    values: FloatArray,
    *,
    limit: float,
    caption: tuple[str, ...],
    borders: IntArray | None = None,
    title: str = "",
) -> bytes:
    """Values of either sign on the five views, with borders; PNG.

    Parameters
    ----------
    views : SurfaceViews
    axis : Grayordinates
    values : (row,) float ndarray
        NaN is shown as not known.
    limit : float
        Where the colours end, on both sides of 0.
    caption : tuple of str
        Lines beside the scale.
    borders : (vertex,) int ndarray, optional
        Labels to outline, left mesh and then right; 0 is none.
    title : str

    Returns
    -------
    bytes
    """
    unknown = ~np.isfinite(np.asarray(values, dtype=float))
    lost = (unknown, brain_colour("wall")) if unknown.any() else None
    return scalar_map(
        views,
        axis,
        np.where(unknown, 0.0, values),
        ramp=SIGNED_RAMP,
        limits=(-limit, limit),
        caption=caption,
        borders=borders,
        lost=lost,
        title=title,
    )


def share_map(views: SurfaceViews, axis: Grayordinates, values: FloatArray, *, caption: tuple[str, ...]) -> bytes:
    """Paint shares from 0 to 1 on the five views, dark where large; NaN is shown as not known; PNG.

    Parameters
    ----------
    views : SurfaceViews
    axis : Grayordinates
        Of the cortex.
    values : (row,) float ndarray
    caption : tuple of str
        Lines beside the scale.

    Returns
    -------
    bytes
    """
    unknown = ~np.isfinite(np.asarray(values, dtype=float))
    return scalar_map(
        views,
        axis,
        np.where(unknown, 0.0, values),
        ramp=SHARE_RAMP,
        limits=(0.0, 1.0),
        caption=caption,
        lost=(unknown, brain_colour("wall")) if unknown.any() else None,
    )


def on_mesh(views: SurfaceViews, axis: Grayordinates, values: NDArray[Any]) -> NDArray[Any]:
    """Spread values of cortical rows over both meshes, in the order of the views."""
    return views.both(axis.to_mesh(values, "L"), axis.to_mesh(values, "R"))


def colour_table(network_map: NetworkMap) -> FloatArray:
    """Colours by label key, row 0 for unassigned."""
    table = np.tile(brain_colour("wall"), (int(network_map.keys.max()) + 1, 1))
    table[network_map.keys] = display_colours(network_map.names, network_map.colours)
    return table


def legend_colours(network_map: NetworkMap) -> dict[str, str]:
    """Colour of each network as the pictures show it, '#rrggbb'."""
    colours = display_colours(network_map.names, network_map.colours)
    return {name: hexadecimal(colour) for name, colour in zip(network_map.names, colours, strict=True)}
