"""Colours: networks of interest that everybody can tell apart, other networks kept quiet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.types import FloatArray

Vision = Literal["deuteranopia", "protanopia", "tritanopia"]


def rgb(colour: str) -> FloatArray:
    """Turn '#rrggbb' into red, green and blue, 0 to 1."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def hexadecimal(colour: FloatArray) -> str:
    """Turn red, green and blue, 0 to 1, into '#rrggbb'."""
    return "#" + "".join(f"{round(255 * float(np.clip(channel, 0, 1))):02x}" for channel in colour)


def brain_colour(name: str) -> FloatArray:
    """One of the colours of the brain and its writing ('crown', 'fundus', 'wall', 'ink', 'quiet')."""
    return rgb(facts.load("palette")["brain"][name])


def display_colours(names: Sequence[str], colours: FloatArray) -> FloatArray:
    """Colours for pictures: the palette's for SCAN, AMN, foot, hand and mouth, the map's own but muted for the rest.

    Parameters
    ----------
    names : sequence of str
    colours : (network, 3) float ndarray
        RGB, 0 to 1, of the map.

    Returns
    -------
    (network, 3) float ndarray
    """
    palette = {name.casefold(): rgb(colour) for name, colour in facts.load("palette")["networks"].items()}
    brain = facts.load("palette")["brain"]
    share, muted = float(brain["muted_share"]), rgb(brain["muted"])
    return np.array(
        [
            palette.get(name.casefold(), share * muted + (1 - share) * np.asarray(colour))
            for name, colour in zip(names, colours, strict=True)
        ]
    )


def of_interest(name: str) -> bool:
    """Tell whether a network is one of the five that pictures bring out."""
    return name.casefold() in {known.casefold() for known in facts.load("palette")["networks"]}


def seen_with(colours: FloatArray, vision: Vision) -> FloatArray:
    """Colours as seen without one kind of cone.

    Parameters
    ----------
    colours : (..., 3) float ndarray
        sRGB, 0 to 1.
    vision : {'deuteranopia', 'protanopia', 'tritanopia'}

    References
    ----------
    .. [1] Machado et al. 2009, doi:10.1109/TVCG.2009.113
    """
    matrix = np.array(facts.load("palette")["vision"][vision])
    colours = np.asarray(colours, dtype=float)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ matrix.T, 0, 1)
    encoded: FloatArray = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return encoded
