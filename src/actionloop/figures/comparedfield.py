"""One field beside another one on the cortex under the coil: ours, theirs, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.figures.colours import brain_colour
from actionloop.figures.fieldmap import FIELD_RAMP, paint_field
from actionloop.figures.layout import SIGNED_RAMP, colour_bar, colour_ramp
from actionloop.figures.page import place, png, quiet, sheet, write
from actionloop.figures.views import View, close_up, finish, folds, paint
from actionloop.types import Anatomy, BoolArray, FloatArray, Hemisphere

_CELL, _HEAD, _FOOT = 430, 44, 92
_HALF_MM = 45.0


@dataclass(frozen=True, eq=False)
class TwoFields:
    """|E| of two programs on the vertices of one hemisphere.

    Attributes
    ----------
    ours, theirs : (vertex,) float ndarray
        V/m at 1 A/µs; NaN where it is not known.
    names : (str, str)
    limit_v_per_m : float
        Where the colours of both end.
    target : (vertex,) bool ndarray
    """

    ours: FloatArray
    theirs: FloatArray
    names: tuple[str, str]
    limit_v_per_m: float
    target: BoolArray


def compared_fields(anatomy: Anatomy, hemisphere: Hemisphere, matrix: FloatArray, fields: TwoFields) -> bytes:
    """Ours, theirs, and theirs less ours, on the cortex as the coil sees it, with one scale; PNG.

    Parameters
    ----------
    anatomy : Anatomy
    hemisphere : {'L', 'R'}
    matrix : (4, 4) float ndarray
        Pose of the coil, RAS mm.
    fields : TwoFields

    Returns
    -------
    bytes
    """
    surface = anatomy.surface(hemisphere, "pial").vertices
    along = (surface - matrix[:3, 3]) @ matrix[:3, :3]
    centre = surface[int((along[:, 0] ** 2 + along[:, 1] ** 2 + (along[:, 2] * 0.3) ** 2).argmin())]
    view = close_up(
        anatomy,
        hemisphere,
        kind="pial",
        centre=centre,
        axes=_camera(matrix),
        half_width_mm=_HALF_MM,
        pixels_per_mm=(_CELL - 12) / (2 * _HALF_MM),
    )
    sulc, limit = folds(anatomy.sulc[hemisphere]), fields.limit_v_per_m
    nowhere = np.zeros(len(surface), dtype=bool)
    painted = [
        paint_field(view, sulc, values, limit=limit, target=fields.target, network=nowhere)
        for values in (fields.ours, fields.theirs)
    ]
    apart = np.asarray(fields.theirs, dtype=np.float64) - fields.ours
    painted.append(_signed(view, sulc, apart, limit / 2))
    figure, page = sheet(3 * _CELL, _HEAD + _CELL + _FOOT)
    scales = ((FIELD_RAMP, (0.0, limit)), (FIELD_RAMP, (0.0, limit)), (SIGNED_RAMP, (-limit / 2, limit / 2)))
    titles = (*fields.names, f"{fields.names[1]} less {fields.names[0]}")
    for k, (title, (ramp, ends)) in enumerate(zip(titles, scales, strict=True)):
        write(page, k * _CELL + 8, _HEAD / 2, title if len(title) <= 44 else title[:43] + "…", weight="bold")
        place(page, finish(view, painted[k]), (k * _CELL + 4, _HEAD))
        colour_bar(page, ramp, ends, (k * _CELL + 60, _HEAD + _CELL + 12, _CELL - 120, 18))
        style = {"ha": "center", "fontsize": 6.5, "color": quiet()}
        write(page, (k + 0.5) * _CELL, _HEAD + _CELL + 70, "V/m per A/µs; white line: target", **style)
    return png(figure)


def _camera(matrix: FloatArray) -> FloatArray:
    """Screen axes: the viewer stands where the coil does, up is up (or front, for a coil on top)."""
    towards = -np.asarray(matrix)[:3, 2]
    upright = np.array([0.0, 1.0, 0.0]) if abs(towards[2]) > 0.75 else np.array([0.0, 0.0, 1.0])
    up = upright - (upright @ towards) * towards
    up /= np.linalg.norm(up)
    return np.stack([np.cross(up, towards), up, towards])


def _signed(view: View, sulc: FloatArray, values: FloatArray, limit: float) -> FloatArray:
    known = np.isfinite(values)
    share = np.clip(np.where(known, values, 0) / (2 * limit if limit > 0 else 1.0) + 0.5, 0, 1)
    seen = view.raster.interpolate(share)
    painted = paint(view, sulc, colour=colour_ramp(SIGNED_RAMP, seen), opacity=np.full(len(seen), 0.9))
    painted[view.raster.label(known.astype(int)) == 0] = brain_colour("wall")
    return painted
