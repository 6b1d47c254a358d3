"""A coil on the head: from above, from the side, and the cortex as the coil sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.brain import Scalp
from actionloop.figures.coilshape import CoilShape, moved, tube
from actionloop.figures.colours import rgb
from actionloop.figures.fieldmap import FieldScale, field_bar, line_sample, paint_field
from actionloop.figures.page import ink, place, png, quiet, sheet, write
from actionloop.figures.raster import rasterise
from actionloop.figures.views import SUPERSAMPLING, View, close_up, finish, folds
from actionloop.types import SIDES, Anatomy, BoolArray, FloatArray, Hemisphere, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POSE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#8a4f9e", "#b8860b", "#56b4e9", "#7f3b08", "#4d4d4d")
"""One for each posed target, as they come; a mark beside the coil tells them apart without colour."""
_CELL, _GAP, _HEAD, _FOOT = 520, 30, 44, 110  # pixels
_SKIN = np.array([0.84, 0.81, 0.78])
_TUBE_MM, _HANDLE_MM = 3.0, 4.0  # radius
_LOWEST_MM = 190.0  # below the top of the head nothing is shown
_HALF_MM = 42.0
_SPECK_PX = 1e-4  # faces seen smaller, or edge on, cover nothing
_LIGHT = np.array([-0.25, 0.45, 0.86])
_ABOVE = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
_SIDEWAYS: Mapping[Hemisphere, FloatArray] = {
    "L": np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]]),
    "R": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]),
}
Solid = tuple[FloatArray, FloatArray, IntArray, FloatArray]
"""Vertices, normals, faces, and one colour."""


@dataclass(frozen=True, eq=False)
class SeenField:
    """What the close-up shows.

    Attributes
    ----------
    field_v_per_m : (vertex,) float ndarray
        |E| on the coil's hemisphere, at 1 A/µs.
    target, network : (vertex,) bool ndarray
    scale : FieldScale
    """

    field_v_per_m: FloatArray
    target: BoolArray
    network: BoolArray
    scale: FieldScale


def coil_on_head(
    anatomy: Anatomy,
    scalp: Scalp | None,
    shape: CoilShape,
    matrix: FloatArray,
    *,
    hemisphere: Hemisphere,
    seen: SeenField,
    colour: str,
    title: str,
) -> bytes:
    """Draw the coil on the scalp from above and from its side, and the field on the cortex as the coil sees it; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    scalp : Scalp or None
        Without one only the cortex is drawn.
    shape : CoilShape
    matrix : (4, 4) float ndarray
        Pose: coil axes in columns, RAS mm.
    hemisphere : {'L', 'R'}
        Of the target.
    seen : SeenField
    colour : str
        Of the coil, '#rrggbb'.
    title : str

    Returns
    -------
    bytes
    """
    panels = 1 if scalp is None else 3
    height = _HEAD + _CELL + _FOOT
    figure, page = sheet(max(panels * _CELL + (panels - 1) * _GAP, 900), height)
    words = f"{title} ({SIDES[hemisphere]} hemisphere, {hemisphere})"
    write(page, 8, _HEAD / 2, words if len(words) < 90 else words[:89] + "…", fontsize=9, weight="bold")
    middle = anatomy.surface(hemisphere, "pial").vertices[seen.target]
    aim = middle.mean(axis=0) if len(middle) else None
    if scalp is not None:
        head = _cut(scalp)
        coil = _coil_solids(shape, matrix, rgb(colour))
        for i, axes in enumerate((_ABOVE, _SIDEWAYS[hemisphere])):
            corner = (i * (_CELL + _GAP) + 4.0, float(_HEAD))
            _panel(page, [head, *coil], axes, corner, (moved(shape.handle_mm, matrix), aim))
            _letters(page, axes, corner, hemisphere)
    corner = ((panels - 1) * (_CELL + _GAP) + 4.0, float(_HEAD))
    _cortex(page, anatomy, (hemisphere, matrix), seen, corner)
    return png(figure)


def _cut(scalp: Scalp) -> Solid:
    """Leave out what is far below the top of the head."""
    low = scalp.vertices[:, 2].max() - _LOWEST_MM
    faces = scalp.faces[(scalp.vertices[scalp.faces][:, :, 2] > low).all(axis=1)]
    return scalp.vertices, scalp.normals, faces, _SKIN


def _coil_solids(shape: CoilShape, matrix: FloatArray, colour: FloatArray) -> list[Solid]:
    """Windings and handle as tubes, in the frame of the head."""
    made: list[Solid] = []
    paths = [(path, True, _TUBE_MM, colour) for path in shape.windings_mm]
    paths += [(shape.handle_mm, False, _HANDLE_MM, 0.55 * colour)]
    for path, closed, radius, paint_ in paths:
        vertices, normals, faces = tube(path, radius_mm=radius, closed=closed)
        made.append((moved(vertices, matrix), normals @ matrix[:3, :3].T, faces, paint_))
    return made


def _panel(
    page: Axes,
    solids: Sequence[Solid],
    axes: FloatArray,
    corner: tuple[float, float],
    marks: tuple[FloatArray, FloatArray | None],
) -> None:
    """Draw solids with a camera so that all of them fill one cell; name the handle, mark the target behind them."""
    handle, aim = marks
    points = np.concatenate([vertices[np.unique(faces.astype(int))] for vertices, _, faces, _ in solids]) @ axes.T
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    size = _CELL - 8
    scale = (size - 76) / float((high - low).max())
    shift = (np.array([size, size]) - scale * (high - low)) / 2

    def placed(xyz: FloatArray) -> FloatArray:
        turned = np.atleast_2d(xyz) @ axes.T
        column = shift[0] + scale * (turned[:, 0] - low[0])
        return np.stack([column, size - shift[1] - scale * (turned[:, 1] - low[1]), turned[:, 2]], axis=1)

    place(page, _render(solids, placed, axes, size), corner)
    if aim is not None:
        column, row = placed(aim)[0, :2] + np.array(corner)
        page.plot(column, row, "D", ms=5.5, mfc="white", mec=ink(), mew=1.4)
    end, begin = placed(handle[[-1, 0]])[:, :2] + np.array(corner)
    away = (end - begin) / max(float(np.linalg.norm(end - begin)), 1e-9)
    beside = np.clip(end + 16 * away, np.array(corner) + 34, np.array(corner) + size - 34)
    write(page, beside[0], beside[1], "handle", ha="center", fontsize=6.5, bbox=_halo())


def _render(solids: Sequence[Solid], placed: Any, axes: FloatArray, size: int) -> FloatArray:
    """Shade what is nearest to the viewer; RGBA of size × size."""
    starts = np.cumsum([0, *(len(solid[0]) for solid in solids)])
    vertices = np.concatenate([solid[0] for solid in solids])
    normals = np.concatenate([solid[1] for solid in solids]) @ axes.T
    colours = np.concatenate([np.tile(solid[3], (len(solid[0]), 1)) for solid in solids])
    faces = np.concatenate([solid[2].astype(int) + start for solid, start in zip(solids, starts, strict=False)])
    at = placed(vertices)
    one, two, three = at[faces].transpose(1, 0, 2)
    faces = faces[np.abs(np.cross(two - one, three - one)[:, 2]) > _SPECK_PX]
    raster = rasterise(at * np.array([SUPERSAMPLING, SUPERSAMPLING, 1]), faces, (size * SUPERSAMPLING,) * 2)
    normal = raster.interpolate(normals)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    shade = (0.55 + 0.36 * light + 0.14 * np.clip(normal[:, 2], 0, 1)).astype(np.float32)
    view = View("head", raster, shade, at, (), 1.0)
    return finish(view, np.clip(raster.interpolate(colours) * shade[:, None], 0, 1))


def _letters(page: Axes, axes: FloatArray, corner: tuple[float, float], hemisphere: Hemisphere) -> None:
    """Name the sides in letters and in words."""
    left, top = corner
    right, bottom = left + _CELL - 8, top + _CELL - 8
    big: dict[str, Any] = {"fontsize": 12, "weight": "bold"}
    small: dict[str, Any] = {"fontsize": 6.5, "color": quiet()}
    middle = (left + right) / 2
    if axes is _ABOVE:
        write(page, left + 6, top + 18, "L", **big)
        write(page, right - 6, top + 18, "R", ha="right", **big)
        write(page, middle, top + 14, "front", ha="center", **small)
        write(page, middle, bottom + 12, "from above: left is on the left; diamond: target", ha="center", **small)
        return
    write(page, left + 6, top + 18, hemisphere, **big)
    write(page, left + 40, top + 20, f"{SIDES[hemisphere]} side", **small)
    ends = ("front", "back") if hemisphere == "L" else ("back", "front")
    write(page, left + 6, bottom - 12, ends[0], **small)
    write(page, right - 6, bottom - 12, ends[1], ha="right", **small)
    write(
        page,
        middle,
        bottom + 12,
        f"from the {SIDES[hemisphere]} ({hemisphere}); diamond: target",
        ha="center",
        **small,
    )


def _cortex(
    page: Axes,
    anatomy: Anatomy,
    coil: tuple[Hemisphere, FloatArray],
    seen: SeenField,
    corner: tuple[float, float],
) -> None:
    """Close-up of the pial surface along the coil's axis, with the field, the handle's direction and the scale."""
    hemisphere, matrix = coil
    axes = _camera(matrix)
    vertices = anatomy.surface(hemisphere, "pial").vertices
    centre = vertices[seen.target].mean(axis=0) if seen.target.any() else matrix[:3, 3]
    view = close_up(
        anatomy,
        hemisphere,
        kind="pial",
        centre=centre,
        axes=axes,
        half_width_mm=_HALF_MM,
        pixels_per_mm=(_CELL - 8) / (2 * _HALF_MM),
    )
    sulc = folds(anatomy.sulc[hemisphere])
    painted = paint_field(
        view,
        sulc,
        np.asarray(seen.field_v_per_m),
        limit=seen.scale.limit_v_per_m,
        target=seen.target,
        network=seen.network,
    )
    place(page, finish(view, painted), corner)
    _compass(page, axes, matrix, corner)
    left, bottom = corner[0], corner[1] + _CELL - 8
    write(page, left + _CELL / 2 - 4, bottom + 12, "cortex (pial) as the coil sees it", ha="center", fontsize=6.5,
          color=quiet())  # fmt: skip
    field_bar(page, (left + 30, bottom + 30, 240, 16), FieldScale(seen.scale.limit_v_per_m))
    for i, kind in enumerate(("target", "network")):
        line_sample(page, (left + 320, bottom + 42 + 28 * i), kind)
        write(page, left + 368, bottom + 42 + 28 * i, kind, fontsize=6.8, va="center_baseline")


def _camera(matrix: FloatArray) -> FloatArray:
    """Screen axes: the viewer stands where the coil is; up is up, or front for a coil on top of the head."""
    towards = -matrix[:3, 2]
    upright = np.array([0.0, 1.0, 0.0]) if abs(towards[2]) > 0.75 else np.array([0.0, 0.0, 1.0])
    up = upright - (upright @ towards) * towards
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, towards), up, towards])


def _compass(page: Axes, axes: FloatArray, matrix: FloatArray, corner: tuple[float, float]) -> None:
    """Name the anatomical direction of each edge, and draw the way the handle points at the middle of the coil."""
    from matplotlib.patheffects import Normal, Stroke

    size = _CELL - 8
    handle = axes[:2] @ -matrix[:3, 1]
    handle = handle / max(float(np.linalg.norm(handle)), 1e-9)
    middle = np.array(corner) + size / 2
    for direction, step in ((axes[0], (1, 0)), (-axes[0], (-1, 0)), (axes[1], (0, -1)), (-axes[1], (0, 1))):
        if axes[:2] @ direction @ handle > 0.94:
            continue
        axis = int(np.abs(direction).argmax())
        name = (("left", "right"), ("back", "front"), ("down", "up"))[axis][int(direction[axis] > 0)]
        spot = middle + np.array(step) * (size / 2 - 14)
        align = {1: "right", -1: "left"}.get(step[0], "center")
        write(page, spot[0], spot[1], name, ha=align, fontsize=6.5, bbox=_halo())
    on_page = handle * np.array([1, -1])
    ends = [tuple(middle + reach * on_page) for reach in (212, 150)]
    arrow = {"arrowstyle": "-|>", "color": ink(), "lw": 1.3, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    effects = [Stroke(linewidth=3.2, foreground="white"), Normal()]
    page.annotate("", xy=ends[1], xytext=ends[0], arrowprops={**arrow, "path_effects": effects})
    beside = middle + 232 * on_page
    write(page, beside[0], beside[1], "handle", ha="center", fontsize=6.5, bbox=_halo())


def _halo() -> dict[str, Any]:
    return {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
