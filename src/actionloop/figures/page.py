"""A sheet of pixels to compose pictures on, and its bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.figures.colours import brain_colour, hexadecimal
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 200  # shown at half size: sharp on a dense screen and on paper
FONT = "DejaVu Sans"  # comes with matplotlib, so pictures look alike everywhere


def sheet(columns: int, rows: int) -> tuple[Figure, Axes]:
    """Make a white figure of `columns` × `rows` pixels with one axes in pixel coordinates, rows downwards."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns / DPI, rows / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return figure, axes


def place(axes: Axes, picture: FloatArray, corner: tuple[float, float]) -> None:
    """Put an RGBA picture with its upper left corner at (column, row), pixel for pixel."""
    column, row = corner
    height, width = picture.shape[:2]
    extent = (column, column + width, row + height, row)
    axes.imshow(picture, extent=extent, interpolation="none", aspect="auto", resample=False)
    axes.set_xlim(0, axes.figure.bbox.width)
    axes.set_ylim(axes.figure.bbox.height, 0)


def write(axes: Axes, column: float, row: float, text: str, **style: Any) -> None:
    """Write at (column, row); a dark 8-point text unless `style` says otherwise."""
    looks: dict[str, Any] = {"fontsize": 8, "color": ink(), "va": "center", "ha": "left", "family": FONT}
    looks["parse_math"] = False  # a $ in a name is a $
    axes.text(column, row, text, **{**looks, **style})


def ink() -> str:
    """Colour of writing."""
    return hexadecimal(brain_colour("ink"))


def quiet() -> str:
    """Colour of secondary writing."""
    return hexadecimal(brain_colour("quiet"))


def graph(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Add axes with a pale grid and small ticks, open above and at the right; `box` in shares of the figure."""
    axes = figure.add_axes(box)
    axes.grid(visible=True, color="#e3e7eb", lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7, color=ink(), labelcolor=ink(), width=0.5, length=3, labelfontfamily=FONT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_linewidth(0.6)
    return axes


def name_axes(axes: Axes, across: str, up: str) -> None:
    """Say what the axes of a graph are."""
    style: dict[str, Any] = {"fontsize": 7, "color": ink(), "family": FONT, "parse_math": False}
    axes.set_xlabel(across, **style)
    axes.set_ylabel(up, **style)


def png(figure: Figure) -> bytes:
    """Bytes of a figure as PNG; the same figure gives the same bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 6})
    return drawn.getvalue()


def spread(points: FloatArray, *, gap: float, home: FloatArray) -> FloatArray:
    """Move labels apart until none is nearer than `gap` to another; each stays as near to its `home` as it can.

    Parameters
    ----------
    points, home : (label, 2) float ndarray
    gap : float
    """
    placed = np.array(points, dtype=float)
    for _ in range(200):
        difference = placed[:, None] - placed[None]
        distance = np.linalg.norm(difference, axis=-1)
        np.fill_diagonal(distance, np.inf)
        # Two labels on one spot have no direction; a turn by the index gives them one.
        turn = np.arange(len(placed)) * 2.4
        direction = np.where(
            distance[..., None] > 1e-6,
            difference / np.maximum(distance, 1e-6)[..., None],
            np.stack([np.cos(turn), np.sin(turn)], axis=-1)[:, None],
        )
        push = (np.clip(gap - distance, 0, None)[..., None] * direction).sum(axis=1) / 2
        if not push.any():
            break
        placed += push + 0.02 * (home - placed)
    return placed
