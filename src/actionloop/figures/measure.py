"""The head from above and from the side, with the lines of a tape and the point they lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from actionloop.brain import Arc, Scalp, ScalpLines, ScalpMeasure, ray_over
from actionloop.figures.page import ink, place, png, quiet, sheet, write
from actionloop.figures.raster import rasterise
from actionloop.figures.views import SUPERSAMPLING, View, finish
from actionloop.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL, _GAP, _FOOT = 640, 60, 112  # pixels
_MARGIN = 48
_SKIN = np.array([0.87, 0.85, 0.82])
_LOWEST_MM = 60.0  # below the lowest landmark nothing is shown
_TURNED = -0.15  # scalp that looks this far away from the viewer is out of sight
_SPECK_PX = 5e-3  # faces seen smaller, or edge on, cover nothing
_LIGHT = np.array([-0.25, 0.45, 0.86])
# To the right, up, and towards the viewer.
_VIEWS: Mapping[str, FloatArray] = {
    "above": np.eye(3),
    "left": np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]]),
    "right": np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]),
}
# Told apart by dashes as well, so that print without colour shows them.
_LINES: Mapping[str, tuple[str, Any, float]] = {
    "nasion–inion": ("#0072b2", "-", 1.6),
    "ear to ear": ("#8a4f9e", (0, (6, 2)), 1.6),
    "circumference": ("#5b6673", (0, (1, 1.6)), 1.4),
    "from Cz over the point": ("#d55e00", "-", 2.4),
}


def measured_head(lines: ScalpLines, measure: ScalpMeasure) -> bytes:
    """Draw a head from above and from the side of the point, with the lines, the landmarks and the point; PNG.

    Parameters
    ----------
    lines : ScalpLines
    measure : ScalpMeasure
        On the same head. A point on the midline is seen from the left.

    Returns
    -------
    bytes
    """
    side = "right" if measure.side == "right" else "left"
    figure, page = sheet(2 * _CELL + _GAP, _CELL + _FOOT)
    ray = ray_over(lines, measure.xyz_ras)
    drawn = [("nasion–inion", lines.nasion_inion), ("ear to ear", lines.tragus)]
    if lines.circumference is not None:
        drawn.append(("circumference", lines.circumference))
    if measure.from_vertex_mm > 0:
        drawn.append(("from Cz over the point", _up_to(ray, measure.from_vertex_mm)))
    for i, view in enumerate(("above", side)):
        _panel(page, lines, (drawn, measure.xyz_ras), view, i * (_CELL + _GAP))
    _letters(page, side)
    for i, (name, _) in enumerate(drawn):
        colour, dashes, width = _LINES[name]
        column, row = 30 + (i % 2) * 330, _CELL + 56 + (i // 2) * 34
        page.plot([column, column + 70], [row, row], color=colour, ls=dashes, lw=width)
        write(page, column + 84, row, name, fontsize=7)
    page.plot(_CELL + _GAP + 50, _CELL + 56, "o", ms=8, mfc="#d55e00", mec=ink(), mew=1.2)
    write(page, _CELL + _GAP + 76, _CELL + 56, "the point to stimulate over", fontsize=7, weight="bold")
    write(page, _CELL + _GAP + 30, _CELL + 90, "faint: on the far side of the head", fontsize=7, color=quiet())
    return png(figure)


def _up_to(arc: Arc, mm: float) -> Arc:
    """Return the beginning of a line."""
    return Arc(np.concatenate([arc.points[arc.along_mm < mm], arc.at(min(mm, arc.length_mm))[None]]))


@dataclass(frozen=True, eq=False)
class _Backdrop:
    """A head as seen from one direction, and where its places come to lie.

    Attributes
    ----------
    picture : (row, column, 4) float ndarray
    axes : (3, 3) float ndarray
        To the right, up, and towards the viewer; in rows.
    scale : float
        Pixels per mm.
    low, shift : (2,) float ndarray
        Least place along the first two axes, mm; where it lies, pixels.
    """

    picture: FloatArray
    axes: FloatArray
    scale: float
    low: FloatArray
    shift: FloatArray

    def placed(self, xyz: FloatArray) -> FloatArray:
        """Return column, row and depth of places, pixels; (place, 3)."""
        return _placed(xyz, self.axes, self.scale, self.low, self.shift)


# One head is drawn for each of its targets, from three directions at most.
@lru_cache(maxsize=3)
def _backdrop(lines: ScalpLines, view: str) -> _Backdrop:
    """Draw the head alone."""
    scalp, marks, axes = lines.scalp, lines.fiducials, _VIEWS[view]
    floor = min(getattr(marks, name)[2] for name in ("nasion", "inion", "left", "right")) - _LOWEST_MM
    faces = scalp.faces[(scalp.vertices[scalp.faces][:, :, 2] > floor).all(axis=1)]
    turned = scalp.vertices[np.unique(faces)] @ axes.T
    low, high = turned[:, :2].min(axis=0), turned[:, :2].max(axis=0)
    scale = (_CELL - 2 * _MARGIN) / float((high - low).max())
    shift = (_CELL - scale * (high - low)) / 2
    at = _placed(scalp.vertices, axes, scale, low, shift)
    return _Backdrop(_render(scalp, faces, at, axes), axes, scale, low, shift)


def _placed(xyz: FloatArray, axes: FloatArray, scale: float, low: FloatArray, shift: FloatArray) -> FloatArray:
    at = np.atleast_2d(xyz) @ axes.T
    column = shift[0] + scale * (at[:, 0] - low[0])
    return np.stack([column, _CELL - shift[1] - scale * (at[:, 1] - low[1]), scale * at[:, 2]], axis=1)


def _panel(
    page: Axes, lines: ScalpLines, drawn: tuple[list[tuple[str, Arc]], FloatArray], view: str, left: float
) -> None:
    """Draw one view: the head, the lines on it, landmarks by letter, the point on top."""
    scalp, marks, back = lines.scalp, lines.fiducials, _backdrop(lines, view)
    axes, placed, above = back.axes, back.placed, view == "above"
    place(page, back.picture, (left, 0.0))
    shown, point = drawn
    for name, arc in shown:
        colour, dashes, width = _LINES[name]
        points = _dense(arc)
        at, seen = placed(points), _seen(scalp, points, axes)
        for visible, alpha in ((~seen, 0.22), (seen, 1.0)):
            column = np.where(visible, at[:, 0] + left, np.nan)
            page.plot(column, at[:, 1], color=colour, ls=dashes, lw=width, alpha=alpha, solid_capstyle="round")
    letters = (("nasion", marks.nasion), ("inion", marks.inion), ("left ear", marks.left), ("right ear", marks.right))
    for name, spot in (*letters, ("Cz", lines.vertex)):
        at = placed(spot)
        if name != "Cz" and not above and not _seen(scalp, spot, axes)[0]:
            continue
        column, row = at[0, :2]
        page.plot(column + left, row, "s", ms=4.2, mfc="white", mec=ink(), mew=1.0, zorder=5)
        row += {"nasion": -20, "inion": 22}.get(name, 22) if above else (-20 if name == "Cz" else 22)
        beside = left + float(np.clip(column, 46, _CELL - 46))
        write(page, beside, row, name, ha="center", fontsize=6.5, bbox=_halo(), zorder=6)
    column, row = placed(point)[0, :2]
    page.plot(column + left, row, "o", ms=8, mfc="#d55e00", mec=ink(), mew=1.2, zorder=7)


def _render(scalp: Scalp, faces: IntArray, at: FloatArray, axes: FloatArray) -> FloatArray:
    """Shade the scalp; RGBA of one cell."""
    one, two, three = at[faces].transpose(1, 0, 2)
    faces = faces[np.abs(np.cross(two - one, three - one)[:, 2]) > _SPECK_PX]
    size = (_CELL * SUPERSAMPLING,) * 2
    raster = rasterise(at * np.array([SUPERSAMPLING, SUPERSAMPLING, 1]), faces, size)
    normal = raster.interpolate(scalp.normals @ axes.T)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = np.clip(normal @ (_LIGHT / np.linalg.norm(_LIGHT)), 0, 1)
    shade = (0.60 + 0.34 * light + 0.12 * np.clip(normal[:, 2], 0, 1)).astype(np.float32)
    view = View("head", raster, shade, at, (), 1.0)
    return finish(view, np.clip(_SKIN * shade[:, None], 0, 1))


def _dense(arc: Arc, step_mm: float = 1.0) -> FloatArray:
    """Points of a line so close that what is hidden of it can be told."""
    steps = np.linspace(0, arc.length_mm, max(2, int(arc.length_mm / step_mm)))
    return np.stack([np.interp(steps, arc.along_mm, arc.points[:, axis]) for axis in range(3)], axis=1)


def _seen(scalp: Scalp, points: FloatArray, axes: FloatArray) -> BoolArray:
    """Tell which points of the scalp look at the viewer; (point,)."""
    _, nearest = cKDTree(scalp.vertices).query(np.atleast_2d(points))
    seen: BoolArray = scalp.normals[nearest] @ axes[2] > _TURNED
    return seen


def _letters(page: Axes, side: str) -> None:
    """Name the sides of both views in letters and in words."""
    big: dict[str, Any] = {"fontsize": 13, "weight": "bold"}
    small: dict[str, Any] = {"fontsize": 7, "color": quiet()}
    write(page, 8, 24, "L", **big)
    write(page, 40, 26, "left", **small)
    write(page, _CELL - 8, 24, "R", ha="right", **big)
    write(page, _CELL - 42, 26, "right", ha="right", **small)
    write(page, _CELL / 2, 14, "front", ha="center", **small)
    write(page, _CELL / 2, _CELL + 18, "from above: the person's left is on the left", ha="center", **small)
    start = _CELL + _GAP
    write(page, start + 8, 24, side[0].upper(), **big)
    write(page, start + 40, 26, f"{side} side", **small)
    front, back = ("front", "back") if side == "left" else ("back", "front")
    write(page, start + 6, _CELL - 12, front, **small)
    write(page, start + _CELL - 6, _CELL - 12, back, ha="right", **small)
    write(page, start + _CELL / 2, _CELL + 18, f"from the {side}", ha="center", **small)


def _halo() -> dict[str, Any]:
    return {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
