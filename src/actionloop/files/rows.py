"""Some rows of a dense CIFTI series, without reading the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from actionloop.errors import InputError
from actionloop.files.cifti import describe_axes, open_matrix, read_axis
from actionloop.files.opening import reading
from actionloop.types import FloatArray, Grayordinates, IntArray

_MOST_ROWS = 2048
_GAP = 32
"""Rows between wanted ones that are read along rather than skipped."""


@dataclass(frozen=True, eq=False)
class SeriesRows:
    """A dense series that was opened and not read.

    Attributes
    ----------
    path : Path
    grayordinates : Grayordinates
    n_frames : int
    """

    path: Path
    grayordinates: Grayordinates
    n_frames: int
    _data: Any = field(repr=False)
    _order: IntArray | None = field(repr=False)

    def read(self, rows: IntArray) -> Iterator[tuple[IntArray, FloatArray]]:
        """Read rows in small blocks.

        Parameters
        ----------
        rows : (row,) int ndarray
            Rows of `grayordinates`.

        Yields
        ------
        rows : (block,) int ndarray
            Those of this block; each row comes once.
        data : (frame, block) float32 ndarray

        Raises
        ------
        InputError
            The file is damaged.
        """
        rows = np.unique(rows)
        place = rows if self._order is None else self._order[rows]
        turn = np.argsort(place, kind="stable")
        rows, place = rows[turn], place[turn]
        first = 0
        while first < len(place):
            inside = place[first : first + _MOST_ROWS]
            gaps = np.flatnonzero(np.diff(inside) > _GAP)
            last = first + (int(gaps[0]) + 1 if len(gaps) else len(inside))
            start, stop = int(place[first]), int(place[last - 1]) + 1
            with reading(self.path, "CIFTI-2"):
                block = np.asarray(self._data[:, start:stop], dtype=np.float32)
            yield rows[first:last], block[:, place[first:last] - start]
            first = last


def open_series(path: str | Path) -> SeriesRows:
    """Open a dense series (.dtseries.nii) and read its axes, none of its data.

    Parameters
    ----------
    path : path

    Returns
    -------
    SeriesRows

    Raises
    ------
    InputError
        Missing, truncated, CIFTI-1, or another kind of CIFTI file.
    GeometryError
        Not on fsLR-32k, or a hemisphere is missing.
    """
    path = Path(path)
    image = open_matrix(path, "CIFTI-2 dense series (.dtseries.nii)")
    if type(image.first).__name__ != "SeriesAxis" or type(image.second).__name__ != "BrainModelAxis":
        raise InputError(
            f"expected a dense series (dtseries), found {describe_axes(image.first, image.second)}",
            where=path,
            fix="give the .dtseries.nii file",
        )
    grayordinates, order = read_axis(image.second, where=path)
    needed = int(image.dataobj.offset) + int(np.prod(image.dataobj.shape)) * image.dataobj.dtype.itemsize
    if path.suffix != ".gz" and path.stat().st_size < needed:
        raise InputError(
            "the file is truncated (ends too early) or damaged", where=path, fix="copy or make it again, completely"
        )
    return SeriesRows(path, grayordinates, len(image.first), image.dataobj, order)
