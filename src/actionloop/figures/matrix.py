"""Connectivity between networks as a table of coloured cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actionloop.figures.colours import of_interest
from actionloop.figures.layout import SIGNED_RAMP, colour_ramp
from actionloop.figures.page import FONT, ink, png, quiet, sheet, write
from actionloop.types import FloatArray

_CELL, _HEAD, _LETTER = 58, 64, 13  # pixels


def fc_matrix(fc: FloatArray, names: Sequence[str], *, title: str = "", limit: float = 0.8) -> bytes:
    """Network connectivity as coloured cells with the numbers in them; PNG.

    Parameters
    ----------
    fc : (network, network) float ndarray
        Pearson r; NaN where a network has no member.
    names : sequence of str
    title : str
    limit : float
        |r| at which the colours end.
    """
    from matplotlib.patches import Rectangle

    fc = np.asarray(fc, dtype=float)
    n = len(names)
    side = 30 + _LETTER * max(map(len, names), default=0)
    width, height = side + n * _CELL + 16, _HEAD + n * _CELL + side + 40
    figure, axes = sheet(width, height)
    if title:
        write(axes, width / 2, _HEAD / 2, title, ha="center", fontsize=9.5, weight="bold")
    for i, name in enumerate(names):
        weight = "bold" if of_interest(name) else "normal"
        middle = (i + 0.5) * _CELL
        write(axes, side - 10, _HEAD + middle, name, ha="right", fontsize=7, weight=weight)
        write(
            axes,
            side + middle,
            _HEAD + n * _CELL + 10,
            name,
            rotation=90,
            ha="center",
            va="top",
            fontsize=7,
            weight=weight,
        )
        for j in range(n):
            value = fc[i, j]
            known = np.isfinite(value) and i != j
            shade = colour_ramp(SIGNED_RAMP, np.array([0.5 + 0.5 * value / limit]))[0] if known else np.full(3, 0.9)
            corner = (side + j * _CELL, _HEAD + i * _CELL)
            axes.add_patch(Rectangle(corner, _CELL - 2, _CELL - 2, facecolor=shade, edgecolor="none"))
            if known:
                dark = float(shade @ (0.3, 0.6, 0.1)) < 0.5
                looks: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6, "family": FONT}
                text = f"{round(value, 2) + 0.0:.2f}".replace("-", "−").replace("0.", ".", 1)
                write(
                    axes, corner[0] + _CELL / 2, corner[1] + _CELL / 2, text, color="white" if dark else ink(), **looks
                )
    write(axes, 8, height - 18, "Pearson r between mean series of networks", fontsize=6.5, color=quiet())
    return png(figure)
