"""Composing the five views on one sheet: places, letters, markers, legends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import display_colours, of_interest
from actionloop.figures.page import ink, place, quiet, sheet, spread, write
from actionloop.figures.views import SurfaceViews, View, ViewName, finish
from actionloop.types import FloatArray, NetworkMap, Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 24  # pixels between the views
_HEAD = 44  # pixels for the title
_STRIP = 34  # pixels above each view for its letters
Corners = dict[ViewName, tuple[float, float]]
Box = tuple[float, float, float, float]
# Below 0 and above, told apart by every kind of vision.
SIGNED_RAMP = np.array(
    [[0.13, 0.35, 0.62], [0.60, 0.76, 0.88], [0.97, 0.97, 0.96], [0.95, 0.70, 0.52], [0.70, 0.17, 0.10]]
)


def compose(views: SurfaceViews, colour: Callable[[View], FloatArray], title: str) -> tuple[Any, Axes, Corners]:
    """Compose the five views: lateral above medial at the sides, dorsal between."""
    shapes = {name: view.shape for name, view in views.views.items()}
    head = _HEAD if title else 8
    side = max(shapes[name][1] for name in shapes if name != "dorsal")
    upper = max(shapes["L lateral"][0], shapes["R lateral"][0])
    lower = max(shapes["L medial"][0], shapes["R medial"][0])
    middle = shapes["dorsal"][1] + 8
    width, height = 2 * side + middle + 2 * _GAP, head + upper + lower + 2 * _STRIP + _GAP
    figure, axes = sheet(width, height)
    right = side + middle + 2 * _GAP
    corners: Corners = {
        "L lateral": (0, head + _STRIP),
        "L medial": (0, head + upper + 2 * _STRIP + _GAP),
        "dorsal": (side + _GAP + (middle - shapes["dorsal"][1]) // 2, head + _STRIP),
        "R lateral": (right, head + _STRIP),
        "R medial": (right, head + upper + 2 * _STRIP + _GAP),
    }
    for name, corner in corners.items():
        view = views.views[name]
        place(axes, finish(view, colour(view)), corner)
        _letters(axes, name, corner, shapes[name])
    if title:
        write(axes, width / 2, head / 2 - 2, title, ha="center", fontsize=9.5, weight="bold")
    return figure, axes, corners


def _letters(axes: Axes, name: ViewName, corner: tuple[float, float], shape: tuple[int, int]) -> None:
    column, row = corner
    big: dict[str, Any] = {"fontsize": 12, "weight": "bold"}
    small: dict[str, Any] = {"fontsize": 6.5, "color": quiet()}
    above = row - _STRIP / 2
    if name == "dorsal":
        write(axes, column + 4, above, "L", **big)
        write(axes, column + shape[1] - 4, above, "R", ha="right", **big)
        write(axes, column + shape[1] / 2, row + shape[0] + 8, "from above, front up", ha="center", **small)
        return
    write(axes, column + 4, above, name[0], **big)
    write(axes, column + 36, above + 2, f"{'left' if name[0] == 'L' else 'right'} {name[2:]}", **small)
    front_left = name in ("L lateral", "R medial")
    for text, at_left in (("front", front_left), ("back", not front_left)):
        at = column + (6 if at_left else shape[1] - 6)
        write(axes, at, row + shape[0] - 12, text, ha="left" if at_left else "right", **small)


def free_place(views: SurfaceViews, corners: Corners) -> Box:
    """Column, row, width and height of the free place under the dorsal view."""
    left = views.views["L lateral"].shape[1] + _GAP
    width = corners["R lateral"][0] - _GAP - left
    row = corners["dorsal"][1] + views.views["dorsal"].shape[0]
    bottom = corners["L medial"][1] + views.views["L medial"].shape[0]
    return left, row, width, bottom - row


def mark_targets(axes: Axes, views: SurfaceViews, corners: Corners, targets: Sequence[Target]) -> None:
    """Dots at the targets and their ranks beside them."""
    for name, view in views.views.items():
        seen = [(item, view.locate(item.piece.hemisphere, item.vertex, n_left=views.n_left)) for item in targets]
        found = [(target, spot) for target, spot in seen if spot is not None]
        if not found:
            continue
        dots = np.array([spot for _, spot in found]) + np.array(corners[name])
        centre = np.array(corners[name]) + np.array(view.shape[::-1]) / 2
        away = dots - centre
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
        home = dots + 34 * away
        labels = spread(home, gap=36, home=home)
        for (target, _), dot, label in zip(found, dots, labels, strict=True):
            axes.plot(*zip(dot, label, strict=True), color=ink(), lw=0.7, zorder=5)
            axes.plot(*dot, "o", ms=3.6, mfc="white", mec=ink(), mew=0.8, zorder=6)
            axes.plot(*label, "o", ms=10.5, mfc="white", mec=ink(), mew=0.9, zorder=7)
            number: dict[str, Any] = {
                "ha": "center",
                "va": "center_baseline",
                "fontsize": 7,
                "weight": "bold",
                "zorder": 8,
            }
            write(axes, label[0], label[1], str(target.rank), **number)


def network_legend(
    axes: Axes,
    network_map: NetworkMap,
    box: Box,
    *,
    emphasised: Sequence[str],
    numbered: bool,
) -> None:
    """Write the names of the networks that the map holds, those of interest first, and what the marks mean."""
    from matplotlib.patches import Rectangle

    column, row, width, height = box
    colours = display_colours(network_map.names, network_map.colours)
    present = [i for i in range(len(network_map.names)) if (network_map.label == network_map.keys[i]).any()]
    order = [i for i in present if of_interest(network_map.names[i])]
    order += [i for i in present if i not in order]
    per_column = max(1, -(-len(order) // 2))
    step = min(30.0, (height - 130) / per_column)
    for place_in, i in enumerate(order):
        x = column + 8 + (place_in // per_column) * width / 2
        y = row + 52 + (place_in % per_column) * step
        strong = of_interest(network_map.names[i])
        axes.add_patch(Rectangle((x, y - 8), 22, 16, facecolor=colours[i], edgecolor=ink(), lw=0.7 if strong else 0.2))
        name = network_map.names[i]
        shown = name if len(name) <= 22 else name[:21] + "…"
        write(axes, x + 30, y, shown, fontsize=7, weight="bold" if strong else "normal", va="center_baseline")
    notes = ["dark line: border of " + " and ".join(emphasised)] if emphasised else []
    notes += ["numbers: targets by rank"] if numbered else []
    notes += ["light grey: no network assigned; dark grey: no data"]
    for i, note in enumerate(notes):
        write(axes, column + 8, row + 52 + per_column * step + 8 + 23 * i, note, fontsize=6.5, color=quiet())


def colour_bar(axes: Axes, ramp: FloatArray, limits: tuple[float, float], box: Box) -> None:
    """Draw a colour bar with its ends and middle numbered."""
    column, row, width, height = box
    strip = colour_ramp(ramp, np.linspace(0, 1, int(width)))[None].repeat(int(height), axis=0)
    place(axes, np.concatenate([strip, np.ones((*strip.shape[:2], 1))], axis=-1), (column, row))
    for share in (0.0, 0.5, 1.0):
        value = limits[0] + share * (limits[1] - limits[0])
        write(axes, column + share * width, row + height + 16, f"{value:.2g}", ha="center", fontsize=7)


def colour_ramp(colours: FloatArray, values: FloatArray) -> FloatArray:
    """Colours (value, 3) between evenly spaced stops, for values from 0 to 1."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, colours[:, i]) for i in range(3)], axis=-1)
