"""One target at a time: the cortex as the coil sees it, and three T1 slices through the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import brain_colour, display_colours, hexadecimal, of_interest
from actionloop.figures.page import FONT, ink, place, png, quiet, sheet, write
from actionloop.figures.slices import PlaneName, Slice, cut_lines, draw_segments, grey_window, show_slice, take_slice
from actionloop.figures.views import View, close_up, finish, folds, outline, paint
from actionloop.types import (
    HEMISPHERES,
    SIDES,
    Anatomy,
    FloatArray,
    Image,
    NetworkMap,
    SiteReading,
    SurfaceKind,
    Target,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = 500  # pixels of each panel
_FOOT = 76
_HEAD = 40
_HALF_MM = 36.0
_OUTLINES = ("#ffffff90", "#ffffffd0")  # white and pial surface; colours belong to the networks here
_PANELS: tuple[PlaneName, ...] = ("axial", "coronal", "sagittal")


def target_views(
    anatomy: Anatomy,
    network_map: NetworkMap,
    target: Target,
    *,
    image: Image | None = None,
    others: Sequence[Target] = (),
    sites: Sequence[SiteReading] = (),
    kind: SurfaceKind = "pial",
) -> bytes:
    """Picture of one target: close-up of the cortex, and axial, coronal and sagittal slices if there is an image; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    target : Target
    image : Image, optional
        In the frame of `anatomy`.
    others : sequence of Target
        Shown small in the close-up.
    sites : sequence of SiteReading
        Conventional sites, shown as crosses in the close-up.
    kind : str
        Surface of the close-up.

    Returns
    -------
    bytes
    """
    panels = 4 if image is not None else 1
    width, height = max(panels * _CELL, 760), _HEAD + _CELL + _FOOT
    figure, page = sheet(width, height)
    title = f"Target {target.rank}: {target.name} ({SIDES[target.piece.hemisphere]} hemisphere)"
    write(page, 8, _HEAD / 2, title, fontsize=9, weight="bold")
    axes = _camera(anatomy, target)
    centre = anatomy.surface(target.piece.hemisphere, kind).vertices[target.vertex]
    view = close_up(
        anatomy,
        target.piece.hemisphere,
        kind=kind,
        centre=centre,
        axes=axes,
        half_width_mm=_HALF_MM,
        pixels_per_mm=(_CELL - 12) / (2 * _HALF_MM),
    )
    labels = network_map.grayordinates.to_mesh(network_map.label, target.piece.hemisphere)
    place(page, finish(view, _painted(view, anatomy, network_map, target)), (4, _HEAD))
    _clutter(page, view, anatomy, target, (others, sites))
    _compass(page, axes, target)
    _coil(page, axes, target)
    seen = set(np.unique(view.raster.label(labels)).tolist())
    _key(page, network_map, seen, has_slices=image is not None)
    if image is not None:
        _slices(figure, anatomy, network_map, target, image)
    return png(figure)


def _camera(anatomy: Anatomy, target: Target) -> FloatArray:
    """Screen axes: the viewer stands where the coil would be, up is up (or front, for targets on top)."""
    if target.pose is not None:
        towards = -target.pose.matrix[:3, 2]
    elif target.entry_ras is not None:
        towards = np.asarray(target.entry_ras) - np.asarray(target.xyz_ras)
    else:
        inflated = anatomy.surface(target.piece.hemisphere, "inflated").vertices
        towards = inflated[target.vertex] - inflated.mean(axis=0)
    towards = towards / max(float(np.linalg.norm(towards)), 1e-9)
    upright = np.array([0.0, 1.0, 0.0]) if abs(towards[2]) > 0.75 else np.array([0.0, 0.0, 1.0])
    up = upright - (upright @ towards) * towards
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, towards), up, towards])


def _painted(view: View, anatomy: Anatomy, network_map: NetworkMap, target: Target) -> FloatArray:
    hemisphere = target.piece.hemisphere
    axis = network_map.grayordinates
    label = axis.to_mesh(network_map.label, hemisphere)
    inside = axis.to_mesh(np.ones(len(axis), dtype=int), hemisphere)
    table = np.tile(brain_colour("wall"), (int(network_map.keys.max()) + 1, 1))
    table[network_map.keys] = display_colours(network_map.names, network_map.colours)
    seen = view.raster.label(label)
    # Only networks of interest are coloured: the folds stay readable around the target.
    wanted = np.zeros(len(table), dtype=bool)
    wanted[[int(key) for name, key in zip(network_map.names, network_map.keys, strict=True) if of_interest(name)]] = (
        True
    )
    opacity = np.where(wanted[seen], 0.88, np.where(seen > 0, 0.25, 0.0))
    painted = paint(view, folds(anatomy.sulc[hemisphere]), colour=table[seen], opacity=opacity)
    painted[view.raster.label(inside) == 0] = brain_colour("wall")
    member = np.zeros(len(label), dtype=int)
    member[target.piece.vertices] = 1
    painted[outline(view, view.raster.label(member) == 1, width_px=2.0)] = 0.08
    return painted


def _clutter(
    page: Axes, view: View, anatomy: Anatomy, target: Target, marks: tuple[Sequence[Target], Sequence[SiteReading]]
) -> None:
    others, sites = marks
    middle = _CELL / 2 - 2
    hemisphere = target.piece.hemisphere
    for other in others:
        spot = view.locate(other.piece.hemisphere, other.vertex, n_left=0)
        if other.rank != target.rank and spot is not None and _within(spot):
            column, row = spot[0] + 4, spot[1] + _HEAD
            page.plot(column, row, "o", ms=8, mfc="white", mec=ink(), mew=0.7, alpha=0.9)
            looks: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": 6}
            write(page, column, row, str(other.rank), **looks)
    vertices = anatomy.surface(hemisphere).vertices
    for site in sites:
        if site.hemisphere != hemisphere:
            continue
        nearest = int(np.linalg.norm(vertices - site.xyz_ras, axis=1).argmin())
        spot = view.locate(hemisphere, nearest, n_left=0)
        if spot is not None and _within(spot):
            column, row = spot[0] + 4, spot[1] + _HEAD
            page.plot(column, row, "x", ms=6, color="white", mew=2.6)
            page.plot(column, row, "x", ms=6, color=ink(), mew=1.4)
            write(page, column + 12, row + 14, site.site, fontsize=6.5, bbox=_halo())
    page.plot(middle + 4, _HEAD + middle, "o", ms=7, mfc="none", mec="white", mew=3)
    page.plot(middle + 4, _HEAD + middle, "o", ms=7, mfc="none", mec=ink(), mew=1.6)
    page.plot(middle + 4, _HEAD + middle, "o", ms=1.8, mfc=ink(), mec=ink())


def _within(spot: tuple[float, float]) -> bool:
    return all(16 < value < _CELL - 28 for value in spot)


def _halo() -> dict[str, Any]:
    return {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def _compass(page: Axes, axes: FloatArray, target: Target) -> None:
    """Name the anatomical direction of each edge of the close-up, save where the handle is written."""
    handle = None if target.pose is None else axes[:2] @ -target.pose.matrix[:3, 1]
    middle, low, high = _CELL / 2, 14.0, _CELL - 14.0
    places = [(axes[0], high, middle, "right"), (-axes[0], low, middle, "left")]
    places += [(axes[1], middle, low, "center"), (-axes[1], middle, high - 6, "center")]
    for direction, column, row, align in places:
        if handle is not None and axes[:2] @ direction @ handle > 0.94 * np.linalg.norm(handle):
            continue
        axis = int(np.abs(direction).argmax())
        name = (("left", "right"), ("back", "front"), ("down", "up"))[axis][int(direction[axis] > 0)]
        write(page, column, row + _HEAD, name, ha=align, fontsize=6.5, color=ink(), bbox=_halo())


def _coil(page: Axes, axes: FloatArray, target: Target) -> None:
    """Arrow from the handle towards the coil's centre, as the coil lies on the head."""
    from matplotlib.patheffects import Normal, Stroke

    if target.pose is None:
        return
    handle = axes[:2] @ -target.pose.matrix[:3, 1]
    handle = handle / max(float(np.linalg.norm(handle)), 1e-9) * np.array([1, -1])
    middle = np.array([_CELL / 2 + 2, _HEAD + _CELL / 2 - 2])
    start, end = middle + 150 * handle, middle + 26 * handle
    arrow = {"arrowstyle": "-|>", "color": ink(), "lw": 1.3, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    halo = [Stroke(linewidth=3.2, foreground="white"), Normal()]
    page.annotate("", xy=tuple(end), xytext=tuple(start), arrowprops={**arrow, "path_effects": halo})
    beside = middle + 172 * handle
    write(page, beside[0], beside[1], "handle", ha="center", fontsize=6.5, bbox=_halo())


def _key(page: Axes, network_map: NetworkMap, seen: set[int], *, has_slices: bool) -> None:
    from matplotlib.patches import Rectangle

    colours = display_colours(network_map.names, network_map.colours)
    column, row = 10.0, _HEAD + _CELL + 14
    for name, key, colour in zip(network_map.names, network_map.keys, colours, strict=True):
        if int(key) in seen and of_interest(name):
            page.add_patch(Rectangle((column, row - 8), 20, 16, facecolor=colour, edgecolor=ink(), lw=0.4))
            write(page, column + 26, row, name, fontsize=7, va="center_baseline")
            column += 52 + 13.5 * len(name)
    note = "Cortex as the coil sees it. Ring: target; dark line: its node or region; x: conventional site."
    if has_slices:
        note += (
            " Slices: left is on the left; thin: pial and white surface; thick: networks; dashed: way from the scalp."
        )
    write(page, 10, row + 36, note, fontsize=6.3, color=quiet(), family=FONT)


def _slices(figure: Figure, anatomy: Anatomy, network_map: NetworkMap, target: Target, image: Image) -> None:
    width, height = figure.bbox.width, figure.bbox.height
    window = grey_window(image)
    for i, name in enumerate(_PANELS, start=1):
        box = ((i * _CELL + 4) / width, (_FOOT + 4) / height, (_CELL - 8) / width, (_CELL - 8) / height)
        axes = figure.add_axes(box)
        axes.set_facecolor("black")
        piece = take_slice(image, name, np.asarray(target.xyz_ras), half_mm=(55.0, 55.0), spacing_mm=0.4)
        show_slice(axes, piece, anatomy, window=window, colours=_OUTLINES)
        _ribbon(axes, anatomy, network_map, piece)
        _crosshair(axes, piece, target)


def _ribbon(axes: Axes, anatomy: Anatomy, network_map: NetworkMap, piece: Slice) -> None:
    """Networks of interest as thick lines along the middle of the cortex."""
    colours = display_colours(network_map.names, network_map.colours)
    for hemisphere in HEMISPHERES:
        surface = anatomy.surface(hemisphere)
        label = network_map.grayordinates.to_mesh(network_map.label, hemisphere)
        segments, faces = cut_lines(surface, piece.name, piece.position_mm)
        shown = np.median(label[surface.faces[faces]], axis=1)
        for name, key, colour in zip(network_map.names, network_map.keys, colours, strict=True):
            if of_interest(name) and (shown == key).any():
                draw_segments(axes, segments[shown == key], colour=hexadecimal(colour), width=2.8)


def _crosshair(axes: Axes, piece: Slice, target: Target) -> None:
    across, up = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}[piece.name]
    x, y = float(target.xyz_ras[across]), float(target.xyz_ras[up])
    left, right, low, high = piece.extent
    for ends_x, ends_y in (
        ((left, x - 4), (y, y)), ((x + 4, right), (y, y)), ((x, x), (low, y - 4)), ((x, x), (y + 4, high)),
    ):  # fmt: skip
        axes.plot(ends_x, ends_y, color="white", lw=0.5, alpha=0.75)
    axes.plot(x, y, "o", ms=6, mfc="none", mec="white", mew=1.2)
    if target.entry_ras is not None:
        entry = (float(target.entry_ras[across]), float(target.entry_ras[up]))
        axes.plot((entry[0], x), (entry[1], y), color="white", lw=0.9, ls=(0, (3, 2)))
        axes.plot(*entry, "v", ms=4.5, mfc="white", mec="black", mew=0.5)
