"""Targets drawn into the voxels of a series, and the banner that says what such a series is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import actionloop
from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.files.dicomseries import rescaling
from actionloop.files.overlays import side_statement, sphere_mask
from actionloop.navigation import side_of
from actionloop.types import BoolArray, FloatArray, Image

_BANNER = ("RESEARCH USE ONLY", "NOT FOR TREATMENT")
_CROSS_MM = 1.0
_FONT_PX = (8, 18)
_BANNER_SHARE = 0.15  # of the rows, at most, where the smallest letters allow it


@dataclass(frozen=True, eq=False)
class Mark:
    """A target to be shown in a DICOM series.

    Attributes
    ----------
    label : str
        E.g. 'SCAN middle L'.
    xyz_ras : (3,) float64 ndarray
        mm in the T1's frame.
    radius_mm : float
        Of the sphere, or half the length of the cross's arms.
    shape : {'sphere', 'cross'}
    note : str
        How sure it is.
    """

    label: str
    xyz_ras: FloatArray
    radius_mm: float = 5.0
    shape: Literal["sphere", "cross"] = "sphere"
    note: str = ""


def sides_of(marks: Sequence[Mark], image: Image) -> list[str]:
    """Return 'LEFT', 'RIGHT' or both, as labels and places say.

    Raises
    ------
    EmptyRegionError
        No mark.
    GeometryError
        A label that its place contradicts, or one used twice.
    """
    if not marks:
        raise EmptyRegionError("there is no target to mark")
    if len({mark.label for mark in marks}) < len(marks):
        raise GeometryError("two targets have one label; nobody could tell them apart")
    found = {side_of(mark.label, np.asarray(mark.xyz_ras), image).upper() for mark in marks}
    return sorted(found)


def said_of(marks: Sequence[Mark], image: Image) -> list[str]:
    """Say program, each target with its side, and the T1 that they were found on."""
    told = [f"actionloop {actionloop.__version__}"]
    for mark in marks:
        statement = side_statement(mark.label, np.asarray(mark.xyz_ras), image)
        told.append(f"{statement}; {mark.shape} of {mark.radius_mm:g} mm{f'; note: {mark.note}' if mark.note else ''}")
    return [*told, f"T1 header sha256 {image.header_sha256}, voxels sha256 {image.voxels_sha256 or 'unknown'}"]


def burned(image: Image, marks: Sequence[Mark]) -> tuple[BoolArray, BoolArray]:
    """Return the voxels to be bright, and those around them to be dark so that the mark stands out on bright tissue."""
    inside, around = (np.zeros(image.data.shape, dtype=bool) for _ in range(2))
    voxel_mm = np.linalg.norm(image.affine[:3, :3], axis=0)
    for mark in marks:
        if mark.shape not in ("sphere", "cross"):
            raise OptionError(f"a mark is a sphere or a cross, not {mark.shape!r}", where="shape")
        ball = sphere_mask(image, mark.xyz_ras, radius_mm=mark.radius_mm)
        if mark.shape == "cross":
            ijk = np.argwhere(ball)
            away = np.abs(ijk @ image.affine[:3, :3].T + image.affine[:3, 3] - mark.xyz_ras)
            # On an arm where two of the three distances are small.
            arm = np.sort(away, axis=1)[:, 1] <= max(_CROSS_MM, float(voxel_mm.max()) / 2 + 1e-6)
            ball[tuple(ijk[~arm].T)] = False
        inside |= ball
        around |= sphere_mask(image, mark.xyz_ras, radius_mm=mark.radius_mm + 1.5 * float(voxel_mm.min()))
    return inside, around


def draw_banner(image: Image, sides: Sequence[str], inside: BoolArray) -> tuple[BoolArray, slice]:
    """Draw the banner; return its pixels (row, column) and the rows it takes, clear of the marks."""
    from PIL import Image as Picture
    from PIL import ImageDraw, ImageFont

    columns, n_rows, _ = image.data.shape
    least = facts.load("dicom")["limits"]["slices_columns_at_least"]
    if min(columns, n_rows) < least:
        raise InputError(
            f"slices of {columns} x {n_rows} pixels are too small for a legible research-use banner (at least {least})"
        )
    lines = [*_BANNER, f"TARGET {' + '.join(sides)}"]
    fitting = [
        size
        for size in range(_FONT_PX[1], _FONT_PX[0], -1)
        if max(ImageFont.load_default(size).getlength(line) for line in lines) < columns - 4
        and (size + 2) * len(lines) < _BANNER_SHARE * n_rows
    ]
    size = fitting[0] if fitting else _FONT_PX[0]
    font, step = ImageFont.load_default(size), size + 2
    height = step * len(lines) + 2
    picture = Picture.new("1", (columns, height))
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((2, 1 + number * step), line, fill=1, font=font)
    marked = np.asarray(inside.any(axis=(0, 2)))
    places = [slice(0, height), slice(n_rows - height, n_rows)]
    free = [place for place in places if not marked[place].any()]
    if not free:
        raise GeometryError(
            "the research-use banner would cover a target at the top and another at the bottom",
            fix="write one series per target",
        )
    # Where it hides least of the head.
    best = min(free, key=lambda place: float(np.abs(image.data[:, place]).sum()))
    pixels: BoolArray = np.asarray(picture).astype(bool)
    return pixels, best


def bright_and_dark(source: Any, top: float) -> tuple[int, int]:
    """Return stored values that show bright (a quarter above all tissue, where that fits) and dark."""
    slope, intercept = rescaling(source)
    bits = int(source.BitsStored) - int(source.PixelRepresentation)
    lowest = -(2**bits) if source.PixelRepresentation else 0
    bright = np.clip(round((1.25 * top - intercept) / slope), lowest, 2**bits - 1)
    return int(bright), int(np.clip(round(-intercept / slope), lowest, 2**bits - 1))
