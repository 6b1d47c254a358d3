"""The five standard views of a cortex, drawn once and then painted as often as needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from actionloop.brain import vertex_normals
from actionloop.figures.colours import brain_colour
from actionloop.figures.raster import Raster, rasterise
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Hemisphere, IntArray, SurfaceKind

ViewName = Literal["L lateral", "L medial", "R lateral", "R medial", "dorsal"]
SUPERSAMPLING = 2
# Screen axes (right, up, towards the viewer) in RAS; the dorsal view has left on the left.
_AXES: dict[ViewName, tuple[tuple[float, ...], ...]] = {
    "L lateral": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    "L medial": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "R lateral": ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
    "R medial": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    "dorsal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
_LIGHT = np.array([-0.25, 0.45, 0.86])
_GAP_MM = 6.0
_MARGIN_MM = 3.0


@dataclass(frozen=True, eq=False)
class View:
    """One view: what is seen at each pixel, without colours yet.

    Attributes
    ----------
    name : str
    raster : Raster
        Vertices of the left hemisphere count from 0, those of the right follow; pixels are supersampled.
    shade : (covered,) float ndarray
        Brightness from the light, about 0.7 to 1.05.
    placed : (vertex, 3) float ndarray
        Column, row (in final pixels) and depth of every vertex.
    hemispheres : tuple
        Those that are shown.
    pixels_per_mm : float
    """

    name: str
    raster: Raster
    shade: FloatArray
    placed: FloatArray
    hemispheres: tuple[Hemisphere, ...]
    pixels_per_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the finished picture."""
        return self.raster.shape[0] // SUPERSAMPLING, self.raster.shape[1] // SUPERSAMPLING

    def locate(self, hemisphere: Hemisphere, vertex: int, *, n_left: int) -> tuple[float, float] | None:
        """Column and row of a vertex in the finished picture; None where it is hidden in this view."""
        if hemisphere not in self.hemispheres:
            return None
        column, row, depth = self.placed[vertex + (n_left if hemisphere == "R" else 0)]
        image = self.raster.depth_image()
        i = int(np.clip(row * SUPERSAMPLING, 0, image.shape[0] - 1))
        j = int(np.clip(column * SUPERSAMPLING, 0, image.shape[1] - 1))
        # Near the rim the depth falls steeply: a vertex is hidden only where everything around it is well in front.
        around = image[max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]
        return (float(column), float(row)) if depth >= around.min() - 2.0 else None


@dataclass(frozen=True, eq=False)
class SurfaceViews:
    """All five views of one anatomy; make it once and hand it to every figure.

    Attributes
    ----------
    views : mapping of name to View
    n_left : int
        Vertices of the left mesh.
    sulc : (vertex,) float ndarray
        Left then right, about −1 (fundus) to 1 (crown).
    """

    views: Mapping[ViewName, View]
    n_left: int
    sulc: FloatArray

    def both(self, left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
        """Join two full-mesh arrays in the order of the views."""
        return np.concatenate([left, right])


def surface_views(anatomy: Anatomy, *, kind: SurfaceKind = "inflated", pixels_per_mm: float = 4.0) -> SurfaceViews:
    """Draw the views of an anatomy (about four seconds).

    Parameters
    ----------
    anatomy : Anatomy
    kind : str
        Surface to draw.
    pixels_per_mm : float
        Resolution of the finished pictures.
    """
    hemispheres = {side: anatomy.surface(side, kind) for side in HEMISPHERES}
    sulc = np.concatenate([folds(anatomy.sulc[side]) for side in HEMISPHERES])
    n_left = hemispheres["L"].n_vertices
    normals = np.concatenate([vertex_normals(hemispheres[side]) for side in HEMISPHERES])
    points = {side: np.array(hemispheres[side].vertices, dtype=float) for side in HEMISPHERES}
    # Inflated hemispheres may overlap at the midline; apart, they read as two.
    points["L"][:, 0] -= points["L"][:, 0].max() + _GAP_MM / 2
    points["R"][:, 0] -= points["R"][:, 0].min() - _GAP_MM / 2
    both = np.concatenate([points["L"], points["R"]])
    offset: dict[Hemisphere, int] = {"L": 0, "R": n_left}
    views: dict[ViewName, View] = {}
    for name, screen in _AXES.items():
        shown: tuple[Hemisphere, ...] = HEMISPHERES if name == "dorsal" else (("L",) if name[0] == "L" else ("R",))
        faces = np.concatenate([hemispheres[side].faces + offset[side] for side in shown])
        axes = np.array(screen, dtype=float)
        # A vertex that no face uses must not widen the picture.
        extent = both[np.bincount(faces.ravel(), minlength=len(both)) > 0] @ axes.T
        camera = (axes, extent.min(axis=0) - _MARGIN_MM, extent.max(axis=0) + _MARGIN_MM)
        views[name] = _draw(name, (both, normals, faces), camera, shown, pixels_per_mm)
    return SurfaceViews(views, n_left, sulc)


def paint(
    view: View, sulc: FloatArray, *, colour: FloatArray | None = None, opacity: FloatArray | None = None
) -> FloatArray:
    """Colour every covered pixel: grey folds, with `colour` over them; returns (covered, 3).

    Parameters
    ----------
    view : View
    sulc : (vertex,) float ndarray
    colour : (covered, 3) float ndarray, optional
    opacity : (covered,) float ndarray, optional
        Share of `colour`, 0 to 1.
    """
    fold = np.clip(0.5 + 0.5 * view.raster.interpolate(sulc), 0, 1)[:, None]
    dark, bright = (brain_colour(name).astype(np.float32) for name in ("fundus", "crown"))
    base = dark + fold * (bright - dark)
    if colour is not None:
        share = np.ones(1, dtype=np.float32) if opacity is None else opacity.astype(np.float32)
        # Folds stay faintly visible under the colour, so that a place can be found again on the bare brain.
        base += share[:, None] * (colour.astype(np.float32) * (0.88 + 0.12 * fold) - base)
    painted: FloatArray = np.clip(base * view.shade[:, None], 0, 1)
    return painted


def finish(view: View, painted: FloatArray) -> FloatArray:
    """Average the supersampled pixels into a finished RGBA picture, shape (row, column, 4)."""
    rows, columns = view.raster.shape
    picture = np.zeros((rows * columns, 4), dtype=np.float32)
    picture[view.raster.pixel, :3] = painted
    picture[view.raster.pixel, 3] = 1
    blocks = picture.reshape(rows // SUPERSAMPLING, SUPERSAMPLING, columns // SUPERSAMPLING, SUPERSAMPLING, 4)
    summed = blocks.sum(axis=(1, 3))
    alpha = summed[..., 3:]
    mean = np.divide(summed[..., :3], alpha, out=np.ones_like(summed[..., :3]), where=alpha > 0)
    return np.concatenate([mean, alpha / SUPERSAMPLING**2], axis=-1)


def outline(view: View, members: BoolArray, *, width_px: float = 1.2) -> BoolArray:
    """Mark the covered pixels just inside the border of a region; `members` is a (covered,) mask.

    The edge of the brain is not a border.
    """
    region = view.raster.mask(members)
    outside = view.raster.mask(~members)
    rows, columns = region.shape
    reach = int(np.ceil(width_px * SUPERSAMPLING))
    near = np.zeros_like(region)
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            if 0 < i * i + j * j <= (width_px * SUPERSAMPLING) ** 2:
                here = (slice(max(i, 0), rows + min(i, 0)), slice(max(j, 0), columns + min(j, 0)))
                there = (slice(max(-i, 0), rows + min(-i, 0)), slice(max(-j, 0), columns + min(-j, 0)))
                near[here] |= outside[there]
    marked: BoolArray = (near & region).ravel()[view.raster.pixel]
    return marked


def close_up(
    anatomy: Anatomy,
    hemisphere: Hemisphere,
    *,
    kind: SurfaceKind,
    centre: FloatArray,
    axes: FloatArray,
    half_width_mm: float,
    pixels_per_mm: float = 7.0,
) -> View:
    """Draw a square piece of one hemisphere.

    Parameters
    ----------
    anatomy : Anatomy
    hemisphere : {'L', 'R'}
    kind : str
        Surface to draw.
    centre : (3,) float ndarray
        RAS mm; the middle of the picture.
    axes : (3, 3) float ndarray
        Screen axes in rows: right, up, towards the viewer; orthonormal, RAS.
    half_width_mm : float
    pixels_per_mm : float

    Returns
    -------
    View
        Its vertices count from 0 in the hemisphere (as the left of the standard views, whatever the side).
    """
    surface = anatomy.surface(hemisphere, kind)
    near = np.linalg.norm(surface.vertices - centre, axis=1) < 2.2 * half_width_mm
    faces = surface.faces[near[surface.faces].any(axis=1)]
    middle = axes @ centre
    low, high = middle - half_width_mm, middle + half_width_mm
    mesh = (surface.vertices, vertex_normals(surface), faces)
    return _draw("close-up", mesh, (axes, low, high), (hemisphere,), pixels_per_mm)


def _draw(
    name: str,
    mesh: tuple[FloatArray, FloatArray, IntArray],
    camera: tuple[FloatArray, FloatArray, FloatArray],
    shown: tuple[Hemisphere, ...],
    pixels_per_mm: float,
) -> View:
    """Draw a mesh (vertices, normals, faces) with a camera (screen axes, lower and upper corner along them)."""
    points, normals, faces = mesh
    axes, low, high = camera
    turned = points @ axes.T
    columns, rows = (int(np.ceil(extent * pixels_per_mm)) for extent in (high - low)[:2])
    placed = np.stack(
        [(turned[:, 0] - low[0]) * pixels_per_mm, (high[1] - turned[:, 1]) * pixels_per_mm, turned[:, 2]], axis=1
    )
    scaled = placed * np.array([SUPERSAMPLING, SUPERSAMPLING, 1])
    raster = rasterise(scaled, faces, (rows * SUPERSAMPLING, columns * SUPERSAMPLING))
    normal = raster.interpolate(normals @ axes.T)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    light = _LIGHT / np.linalg.norm(_LIGHT)
    shade = 0.62 + 0.36 * np.clip(normal @ light, 0, 1) + 0.10 * np.clip(normal[:, 2], 0, 1)
    return View(name, raster, shade.astype(np.float32), placed, shown, pixels_per_mm)


def folds(sulc: FloatArray) -> FloatArray:
    """Scale sulcal depth to about −1 (fundus) to 1 (crown), whatever its unit."""
    centred = np.asarray(sulc, dtype=float) - np.median(sulc)
    spread = np.percentile(np.abs(centred), 90) or 1.0
    return np.tanh(1.6 * centred / spread)
