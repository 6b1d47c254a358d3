"""The field of a coil on the cortex: five inflated views with one scale, and the painter of close-ups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import brain_colour
from actionloop.figures.layout import Box, colour_ramp, compose, free_place
from actionloop.figures.page import ink, place, png, quiet, write
from actionloop.figures.views import SurfaceViews, View, outline, paint
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Hemisphere

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Darkens steadily, so that it is told apart in grey and without any one kind of cone; it ends where dark and white
# lines are both still seen on it.
FIELD_RAMP = np.array(
    [[0.96, 0.95, 0.91], [0.99, 0.87, 0.58], [0.97, 0.65, 0.26], [0.87, 0.38, 0.12], [0.66, 0.20, 0.09]]
)
_LINE, _CORE = 0.10, 1.0  # dark and white


@dataclass(frozen=True)
class FieldScale:
    """How |E| is coloured and numbered.

    Attributes
    ----------
    limit_v_per_m : float
        Where the colours end, at 1 A/µs.
    didt_a_per_us : float or None
        A rate of change for which the scale is numbered a second time.
    """

    limit_v_per_m: float
    didt_a_per_us: float | None = None


def field_map(
    views: SurfaceViews,
    field_v_per_m: Mapping[Hemisphere, FloatArray],
    *,
    scale: FieldScale,
    target: Mapping[Hemisphere, BoolArray],
    network: Mapping[Hemisphere, BoolArray],
    network_name: str,
    title: str = "",
) -> bytes:
    """|E| on the five views, with the outlines of a target and of its network; PNG.

    Parameters
    ----------
    views : SurfaceViews
    field_v_per_m : mapping of hemisphere to (vertex,) float ndarray
        At 1 A/µs; a hemisphere that is missing and vertices that are NaN are shown as not known.
    scale : FieldScale
    target, network : mapping of hemisphere to (vertex,) bool ndarray
    network_name, title : str

    Returns
    -------
    bytes
    """
    n_left = views.n_left
    sizes = {"L": n_left, "R": len(views.sulc) - n_left}
    values, aim, member = (
        np.concatenate([_of_side(one, side, sizes[side], empty) for side in HEMISPHERES])
        for one, empty in ((field_v_per_m, np.nan), (target, False), (network, False))
    )

    def colour(view: View) -> FloatArray:
        return paint_field(view, views.sulc, values, limit=scale.limit_v_per_m, target=aim, network=member)

    figure, axes, corners = compose(views, colour, title)
    _key(axes, free_place(views, corners), scale, network_name)
    return png(figure)


def paint_field(
    view: View, sulc: FloatArray, values: FloatArray, *, limit: float, target: BoolArray, network: BoolArray
) -> FloatArray:
    """Colour the covered pixels of a view by |E|; the network is outlined dark, the target white between dark lines.

    Parameters
    ----------
    view : View
    sulc, values : (vertex,) float ndarray
        Of the vertices of the view; values that are NaN are painted as not known.
    limit : float
        Value at which the colours end.
    target, network : (vertex,) bool ndarray

    Returns
    -------
    (covered, 3) float ndarray
    """
    known = np.isfinite(values)
    share = np.clip(np.where(known, values, 0) / (limit if limit > 0 else 1.0), 0, 1)
    seen = view.raster.interpolate(share)
    # Weak fields let the folds through; from a quarter of the scale on the colour alone is seen.
    opacity = 0.35 + 0.60 * np.clip(4 * seen, 0, 1)
    painted = paint(view, sulc, colour=colour_ramp(FIELD_RAMP, seen), opacity=opacity)
    painted[view.raster.label(known.astype(int)) == 0] = brain_colour("wall")
    inside = view.raster.label(network.astype(int)) == 1
    painted[outline(view, inside, width_px=1.0)] = _LINE
    aimed = view.raster.label(target.astype(int)) == 1
    for members in (aimed, ~aimed):
        painted[outline(view, members, width_px=2.4)] = _LINE
    for members in (aimed, ~aimed):
        painted[outline(view, members, width_px=1.0)] = _CORE
    return painted


def _of_side(
    values: Mapping[Hemisphere, Any], side: Hemisphere, n_vertices: int, empty: float | bool
) -> FloatArray | BoolArray:
    found = values.get(side)
    made: FloatArray | BoolArray = np.full(n_vertices, empty) if found is None else np.asarray(found)
    return made


def _key(axes: Axes, box: Box, scale: FieldScale, network_name: str) -> None:
    """Write what the colours and lines mean into the free place of the sheet."""
    column, row, width, _ = box
    middle = column + width / 2
    write(axes, middle, row + 40, "|E| on the cortex", ha="center", fontsize=7.5)
    field_bar(axes, (column + 0.10 * width, row + 66, 0.80 * width, 22), scale)
    below = row + (176 if scale.didt_a_per_us is None else 250)
    name = network_name if len(network_name) <= 18 else network_name[:17] + "…"
    for i, (kind, words) in enumerate((("target", "target"), ("network", f"border of {name}"))):
        line_sample(axes, (column + 0.10 * width, below + 26 * i), kind)
        write(axes, column + 0.10 * width + 48, below + 26 * i, words, fontsize=6.5, va="center_baseline")


def field_bar(axes: Axes, box: Box, scale: FieldScale) -> None:
    """Draw the scale with its units, and a second time for another rate of change where one is stated."""
    column, row, width, height = box
    strip = colour_ramp(FIELD_RAMP, np.linspace(0, 1, int(width)))[None].repeat(int(height), axis=0)
    place(axes, np.concatenate([strip, np.ones((*strip.shape[:2], 1))], axis=-1), (column, row))
    lines = [(1.0, "V/m per A/µs")]
    if scale.didt_a_per_us is not None:
        lines.append((scale.didt_a_per_us, f"V/m at {scale.didt_a_per_us:g} A/µs"))
    for i, (factor, unit) in enumerate(lines):
        at = row + height + 16 + 62 * i
        for share in (0.0, 0.5, 1.0):
            value = share * scale.limit_v_per_m * factor
            write(axes, column + share * width, at, f"{value:.3g}", ha="center", fontsize=6.8)
        write(axes, column + width / 2, at + 25, unit, ha="center", fontsize=6.8, color=quiet())


def line_sample(axes: Axes, spot: tuple[float, float], kind: str) -> None:
    """Draw a piece of the line that marks a 'target' or a 'network'."""
    column, row = spot
    ends = ([column, column + 38], [row, row])
    axes.plot(*ends, color=ink(), lw=2.6 if kind == "target" else 0.9, solid_capstyle="butt")
    if kind == "target":
        axes.plot(*ends, color="white", lw=1.0, solid_capstyle="butt")
