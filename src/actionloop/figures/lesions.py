"""A lesion on slices of the template with outlines of nuclei, and where it stands among lesions of its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.brain import Nuclei
from actionloop.brain.region import Region
from actionloop.figures.page import FONT, graph, ink, name_axes, png, quiet, sheet, write
from actionloop.figures.slices import PlaneName, Slice, grey_window, show_slice, take_slice
from actionloop.types import Anatomy, BoolArray, FloatArray, Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LESION = "#e8463c"
# Colour and line of each nucleus: any two differ in line, so that colour is not needed.
_LOOKS: tuple[tuple[str, Any], ...] = (
    ("#f5e04b", "solid"),
    ("#56b4e9", "dashed"),
    ("#e39bd0", "dotted"),
    ("#9be39b", "dashdot"),
)
_PLANES: tuple[PlaneName, ...] = ("axial", "coronal", "sagittal")
_AXES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
_CELL, _HEAD, _FOOT = 420, 44, 50
_STEP_MM, _LEAST_HALF_MM = 0.25, 26.0


def lesion_slices(
    image: Image, anatomy: Anatomy, region: Region, nuclei: Mapping[str, Nuclei], *, side: str | None = None
) -> bytes:
    """Three slices through a lesion's centre, one row an atlas, with the lesion filled and nuclei outlined; PNG.

    Parameters
    ----------
    image : Image
        The template's T1.
    anatomy : Anatomy
        Its surfaces.
    region : Ball or Mask
        In the same space, RAS mm.
    nuclei : mapping of str to Nuclei
        By name of the atlas.
    side : {'L', 'R'}, optional
        Nuclei of this side alone.

    Returns
    -------
    bytes
    """
    low, high = region.bounds_mm
    half = max(_LEAST_HALF_MM, float((high - low).max()) / 2 + 8)
    rows: list[tuple[str, Nuclei | None]] = [*nuclei.items()] or [("", None)]
    height = len(rows) * (_HEAD + _CELL) + _FOOT
    figure, page = sheet(3 * _CELL, height)
    window = grey_window(image)
    seen: dict[str, tuple[str, Any]] = {}
    for i, (name, own) in enumerate(rows):
        top = i * (_HEAD + _CELL)
        write(page, 12, top + _HEAD / 2, name, fontsize=8.5, weight="bold")
        for j, plane in enumerate(_PLANES):
            box = (j / 3 + 0.002, 1 - (top + _HEAD + _CELL) / height, 1 / 3 - 0.004, (_CELL - 4) / height)
            axes = figure.add_axes(box)
            axes.set_facecolor("black")
            piece = take_slice(image, plane, region.centre_mm, half_mm=(half, half))
            show_slice(axes, piece, anatomy, window=window, colours=("#8a8f96", "#8a8f96"))
            points = _points(piece, region.centre_mm)
            _fill(axes, piece, region.contains(points))
            if own is not None:
                seen |= _outline_nuclei(axes, piece, points, own, side)
    _key(page, height - _FOOT / 2, seen)
    return png(figure)


def null_strips(values: FloatArray, null: FloatArray, names: Sequence[str], p: FloatArray, *, across: str) -> bytes:
    """Each network's value of a lesion among those of null lesions: dots, the middle 95 %, and a diamond; PNG.

    Parameters
    ----------
    values : (network,) float ndarray
    null : (null lesion, network) float ndarray
    names : sequence of str
    p : (network,) float ndarray
    across : str
        What is measured.

    Returns
    -------
    bytes
    """
    height = 150 + 88 * len(names)
    figure, page = sheet(1100, height)
    axes = graph(figure, (0.13, 90 / height, 0.68, (height - 130) / height))
    rng = np.random.default_rng(0)  # of the dots' scatter alone
    for row, name in enumerate(names):
        drawn = null[np.isfinite(null[:, row]), row]
        if len(drawn):
            jitter = row + 0.26 * (rng.random(len(drawn)) - 0.5)
            axes.plot(drawn, jitter, ".", ms=2.2, color="#9aa7b2", mew=0, zorder=1, rasterized=True)
            low, high = np.percentile(drawn, [2.5, 97.5])
            axes.plot([low, high], [row + 0.27, row + 0.27], color="#5b6673", lw=2.0, solid_capstyle="butt", zorder=2)
        if np.isfinite(values[row]):
            axes.plot(values[row], row, "D", ms=7, color="#0072b2", mec="white", mew=0.8, zorder=3)
        words = f"p = {p[row]:.3f}" if np.isfinite(p[row]) else "cannot be told"
        inside = (40 + (row + 0.5) * (height - 130) / len(names)) if len(names) else 0
        write(page, 0.825 * 1100, inside, words, fontsize=7.5, weight="bold" if p[row] <= 0.05 else "normal")
        axes.text(
            -0.015, row, name, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8,
            color=ink(), family=FONT, parse_math=False,
        )  # fmt: skip
    axes.axvline(0, color="#b9c2cc", lw=0.8, zorder=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    name_axes(axes, across, "")
    write(
        page, 0.13 * 1100, 18, "diamond: this lesion    dots: lesions of its size    bar: their middle 95 %",
        fontsize=7, color=quiet(),
    )  # fmt: skip
    return png(figure)


def _points(piece: Slice, centre: FloatArray) -> FloatArray:
    """Points of a slice, row 0 at the bottom; (row, column, 3) RAS mm."""
    across, up, cut = _AXES[piece.name]
    left, right, low, high = piece.extent
    columns, rows = np.arange(left, right, _STEP_MM) + _STEP_MM / 2, np.arange(low, high, _STEP_MM) + _STEP_MM / 2
    points = np.empty((len(rows), len(columns), 3))
    points[..., across], points[..., up], points[..., cut] = columns, rows[:, None], centre[cut]
    return points


def _fill(axes: Axes, piece: Slice, inside: BoolArray) -> None:
    if inside.any():
        where: dict[str, Any] = {"extent": piece.extent, "origin": "lower"}
        axes.contourf(inside.astype(float), levels=[0.5, 1.5], colors=[LESION], alpha=0.45, **where)
        axes.contour(inside.astype(float), levels=[0.5], colors=["white"], linewidths=1.9, **where)
        axes.contour(inside.astype(float), levels=[0.5], colors=[LESION], linewidths=1.1, **where)


def _outline_nuclei(
    axes: Axes, piece: Slice, points: FloatArray, nuclei: Nuclei, side: str | None
) -> dict[str, tuple[str, Any]]:
    """Outline nuclei on a slice; returns the looks of those named."""
    back = np.linalg.inv(nuclei.affine)
    voxel = np.floor(points @ back[:3, :3].T + back[:3, 3] + 0.5).astype(np.int64)
    names = list(dict.fromkeys(nuclei.names))
    looks = {name: _LOOKS[k % len(_LOOKS)] for k, name in enumerate(names)}
    for name, own, ijk in zip(nuclei.names, nuclei.sides, nuclei.ijk, strict=True):
        if side is not None and own != side:
            continue
        low, high = ijk.min(axis=0), ijk.max(axis=0)
        block = np.zeros(high - low + 1, dtype=bool)
        block[tuple((ijk - low).T)] = True
        at = voxel - low
        known = ((at >= 0) & (at < block.shape)).all(axis=-1)
        at[~known] = 0
        inside = known & block[at[..., 0], at[..., 1], at[..., 2]]
        if inside.any():
            colour, line = looks[name]
            axes.contour(
                inside.astype(float), levels=[0.5], colors=[colour], linestyles=[line], linewidths=1.4,
                extent=piece.extent, origin="lower",
            )  # fmt: skip
    return looks


def _key(page: Axes, row: float, looks: Mapping[str, tuple[str, Any]]) -> None:
    column = 12.0
    page.plot([column, column + 36], [row, row], color=LESION, lw=6, alpha=0.6, solid_capstyle="butt")
    write(page, column + 46, row, "lesion", fontsize=7)
    column += 150
    for name, (colour, line) in looks.items():
        page.plot([column, column + 46], [row, row], color="#33383e", lw=6, solid_capstyle="butt")
        page.plot([column + 2, column + 44], [row, row], color=colour, lw=1.6, ls=line)
        write(page, column + 56, row, name, fontsize=7)
        column += 80 + 16 * len(name)
    write(page, 3 * _CELL - 12, row, "left is on the left (neurological)", ha="right", fontsize=7, color=quiet())
