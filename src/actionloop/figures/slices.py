"""T1 slices with the cut lines of surfaces; left is on the left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from actionloop.figures.page import ink, png, quiet, sheet, write
from actionloop.types import HEMISPHERES, Anatomy, FloatArray, Image, IntArray, Surface, SurfaceKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PlaneName = Literal["axial", "coronal", "sagittal"]
PIAL, WHITE = "#f5b02e", "#5cc3ff"
# RAS axis that runs right on the screen, the one that runs up, and the one that is cut.
_PLANES: dict[PlaneName, tuple[int, int, int]] = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
_ENDS = (("L", "R"), ("back", "front"), ("low", "high"))


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane through an image, in RAS mm.

    Attributes
    ----------
    name : str
    position_mm : float
        RAS coordinate of the plane along the axis that it cuts.
    picture : (row, column) float ndarray
        Image values, row 0 at the top.
    extent : (float, float, float, float)
        Left, right, lower and upper edge, RAS mm.
    """

    name: PlaneName
    position_mm: float
    picture: FloatArray
    extent: tuple[float, float, float, float]


def take_slice(
    image: Image, name: PlaneName, centre: FloatArray, *, half_mm: tuple[float, float], spacing_mm: float = 0.5
) -> Slice:
    """Sample an image on a plane of RAS space (linear), whatever the direction of its voxels.

    Parameters
    ----------
    image : Image
    name : {'axial', 'coronal', 'sagittal'}
    centre : (3,) float ndarray
        RAS mm; middle of the slice.
    half_mm : (float, float)
        Half width and half height.
    spacing_mm : float
    """
    from scipy.ndimage import map_coordinates

    across, up, cut = _PLANES[name]
    columns, rows = (np.arange(-half, half, spacing_mm) + spacing_mm / 2 for half in half_mm)
    points = np.tile(np.asarray(centre, dtype=float), (len(rows), len(columns), 1))
    points[..., across] += columns
    points[..., up] += rows[::-1, None]
    to_voxel = np.linalg.inv(image.affine)
    ijk = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    picture = map_coordinates(image.data, np.moveaxis(ijk, -1, 0), order=1, mode="constant", output=np.float32)
    middle = (float(centre[across]), float(centre[up]))
    extent = (middle[0] - half_mm[0], middle[0] + half_mm[0], middle[1] - half_mm[1], middle[1] + half_mm[1])
    return Slice(name, float(centre[cut]), picture, extent)


def cut_lines(surface: Surface, name: PlaneName, position_mm: float) -> tuple[FloatArray, IntArray]:
    """Lines in which a plane cuts a surface.

    Parameters
    ----------
    surface : Surface
    name : {'axial', 'coronal', 'sagittal'}
    position_mm : float
        RAS coordinate of the plane.

    Returns
    -------
    segments : (segment, 2, 2) float ndarray
        Both ends, (across, up) in RAS mm.
    faces : (segment,) int ndarray
        Face that each segment lies in.
    """
    across, up, cut = _PLANES[name]
    # A vertex exactly on the plane would make a face without two crossing edges.
    side = surface.vertices[:, cut] - position_mm
    side = np.where(side == 0, 1e-9, side)
    above = side > 0
    count = above[surface.faces].sum(axis=1)
    crossing = np.flatnonzero((count == 1) | (count == 2))
    corners = surface.faces[crossing]
    # Turn each face so that its lonely corner comes first; both crossing edges then start there.
    lonely = np.where((count[crossing] == 1)[:, None], above[corners], ~above[corners]).argmax(axis=1)
    order = (lonely[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(corners, order, axis=1)
    ends = []
    for other in (1, 2):
        start, end = corners[:, 0], corners[:, other]
        share = (side[start] / (side[start] - side[end]))[:, None]
        points = surface.vertices[start] + share * (surface.vertices[end] - surface.vertices[start])
        ends.append(points[:, [across, up]])
    return np.stack(ends, axis=1), crossing


def grey_window(image: Image) -> tuple[float, float]:
    """Darkest and brightest value to show: air black, the brightest half per cent of the head white."""
    data = np.asarray(image.data)[::2, ::2, ::2]
    finite = data[np.isfinite(data)]
    head = finite[finite > 0.1 * np.percentile(finite, 99)] if finite.size else finite
    if not head.size or finite.max() <= finite.min():
        return 0.0, 1.0
    return float(max(finite.min(), 0.0)), float(np.percentile(head, 99.5))


def show_slice(
    axes: Axes,
    piece: Slice,
    anatomy: Anatomy,
    *,
    window: tuple[float, float],
    colours: tuple[str, str] = (WHITE, PIAL),
) -> None:
    """Draw a slice, white and pial outlines (in `colours`) and L/R or front/back letters into an axes in RAS mm."""
    axes.imshow(
        piece.picture, cmap="gray", extent=piece.extent, vmin=window[0], vmax=window[1], interpolation="bilinear"
    )
    kinds: tuple[SurfaceKind, SurfaceKind] = ("white", "pial")
    for kind, colour in zip(kinds, colours, strict=True):
        for side in HEMISPHERES:
            segments, _ = cut_lines(anatomy.surface(side, kind), piece.name, piece.position_mm)
            draw_segments(axes, segments, colour=colour, width=0.65)
    axes.set_xlim(piece.extent[:2])
    axes.set_ylim(piece.extent[2:])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    low, high = _ENDS[_PLANES[piece.name][0]]
    looks: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": "white",
        "fontsize": 8,
        "weight": "bold",
        "va": "top",
    }
    if piece.name == "sagittal":
        looks.update(fontsize=6, weight="normal")
    axes.text(0.02, 0.98, low, ha="left", **looks)
    axes.text(0.98, 0.98, high, ha="right", **looks)
    axis = "xyz"[_PLANES[piece.name][2]]
    label: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": "white",
        "fontsize": 6.5,
        "ha": "left",
        "va": "bottom",
    }
    axes.text(0.02, 0.015, f"{piece.name}, {axis} = {piece.position_mm:+.0f} mm", **label)


def draw_segments(axes: Axes, segments: FloatArray, *, colour: str, width: float) -> None:
    """Draw (segment, 2, 2) lines as one path: a hundred times faster than one artist each."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if len(segments):
        codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(segments))
        path = Path(segments.reshape(-1, 2), codes)
        # add_patch would walk every segment to widen the axes, whose limits are set by hand.
        axes.add_artist(PathPatch(path, facecolor="none", edgecolor=colour, lw=width, capstyle="round"))


def pial_on_t1(anatomy: Anatomy, image: Image, *, title: str = "") -> bytes:
    """Mosaic of twelve T1 slices with pial and white outlines, to check that surfaces and image fit; PNG."""
    vertices = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre, size = (low + high) / 2, high - low
    window = grey_window(image)
    cell, head, foot = 340, 44 if title else 6, 40
    rows: dict[PlaneName, list[float]] = {
        "axial": list(np.linspace(low[2] + 0.22 * size[2], high[2] - 0.08 * size[2], 4)),
        "coronal": list(np.linspace(low[1] + 0.15 * size[1], high[1] - 0.15 * size[1], 4)),
        "sagittal": [
            low[0] + 0.16 * size[0],
            low[0] + 0.34 * size[0],
            high[0] - 0.34 * size[0],
            high[0] - 0.16 * size[0],
        ],
    }
    half = (0.5 * float(size.max()) + 14,) * 2
    figure, page = sheet(4 * cell, head + 3 * cell + foot)
    height = head + 3 * cell + foot
    for i, (name, positions) in enumerate(rows.items()):
        for j, position in enumerate(positions):
            at = centre.copy()
            at[_PLANES[name][2]] = position
            corner = (j / 4 + 0.0015, 1 - (head + (i + 1) * cell - 3) / height)
            axes = figure.add_axes((*corner, 0.25 - 0.003, (cell - 6) / height))
            axes.set_facecolor("black")
            show_slice(axes, take_slice(image, name, at, half_mm=half, spacing_mm=0.8), anatomy, window=window)
    if title:
        write(page, 2 * cell, head / 2, title, ha="center", fontsize=9.5, weight="bold")
    _line_key(page, 12, height - foot / 2)
    write(
        page,
        4 * cell - 12,
        height - foot / 2,
        "left is on the left (neurological)",
        ha="right",
        fontsize=7,
        color=quiet(),
    )
    return png(figure)


def _line_key(axes: Axes, column: float, row: float) -> None:
    for text, colour, shift in (("pial surface", PIAL, 0), ("white surface", WHITE, 190)):
        axes.plot([column + shift, column + shift + 36], [row, row], color=colour, lw=2.2)
        write(axes, column + shift + 44, row, text, fontsize=7, color=ink())
