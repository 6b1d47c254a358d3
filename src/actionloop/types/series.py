"""Time series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actionloop.errors import SignalError
from actionloop.types.basic import BoolArray, FloatArray
from actionloop.types.geometry import Grayordinates


@dataclass(frozen=True, eq=False)
class Timeseries:
    """A BOLD series.

    Attributes
    ----------
    data : (frame, grayordinate) float32 ndarray
    grayordinates : Grayordinates
    tr_s : float
        Repetition time in seconds.
    source : str
        File or files it came from.
    steps : tuple of str
        What was done to it so far, in words fit for the methods paragraph.

    Raises
    ------
    SignalError
        Shape mismatch, NaN, every row zero, or a repetition time that is missing or in milliseconds.
    """

    data: FloatArray
    grayordinates: Grayordinates
    tr_s: float
    source: str = ""
    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = self.source or None
        if self.data.ndim != 2 or self.data.shape[1] != len(self.grayordinates):
            raise SignalError(
                f"expected a series of shape (frame, {len(self.grayordinates)}), found {self.data.shape}", where=where
            )
        if not self.tr_s > 0:
            raise SignalError(
                "the repetition time (TR) is missing", where=where, fix="give it in seconds with --tr, e.g. --tr 0.8"
            )
        if self.tr_s > 20:
            raise SignalError(
                f"the repetition time is {self.tr_s:g} s, which looks like milliseconds",
                where=where,
                fix=f"correct the file, or give it in seconds with --tr {self.tr_s / 1000:g}",
            )
        if not np.isfinite(self.data).all():
            raise SignalError(
                "the series holds NaN or infinite values", where=where, fix="check the denoising step that wrote it"
            )
        if not self.data.any():
            raise SignalError("the series is zero everywhere", where=where, fix="check the file; it holds no signal")

    def cortex(self) -> Timeseries:
        """Return the series of the cortical rows alone; the data are shared."""
        return replace(
            self, data=self.data[:, : self.grayordinates.n_cortex], grayordinates=self.grayordinates.cortex()
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.data.shape[0])

    @property
    def minutes(self) -> float:
        """Length in minutes."""
        return self.n_frames * self.tr_s / 60


@dataclass(frozen=True, eq=False)
class Basis:
    """A series in few dimensions that keep its correlations (see `signal.compress`).

    Attributes
    ----------
    data : (dimension, grayordinate) float32 ndarray
        The dot product of two columns is the Pearson correlation of two grayordinates, to within `error`; 0 in columns
        of grayordinates that are constant.
    grayordinates : Grayordinates
    valid : (grayordinate,) bool ndarray
        Grayordinates that vary.
    n_frames : int
        Frames that were compressed.
    tr_s : float
    error : float
        Upper bound of the error of any correlation.
    source : str
    steps : tuple of str
        As in `Timeseries`.
    frames : (frame, dimension) float32 ndarray or None
        Orthonormal directions of the frame axis that the dimensions stand for, where they were kept.
    """

    data: FloatArray
    grayordinates: Grayordinates
    valid: BoolArray
    n_frames: int
    tr_s: float
    error: float
    source: str = ""
    steps: tuple[str, ...] = ()
    frames: FloatArray | None = None

    def __post_init__(self) -> None:
        n_rows = len(self.grayordinates)
        if self.data.ndim != 2 or self.data.shape[1] != n_rows or self.valid.shape != (n_rows,):
            raise SignalError(
                f"expected a basis of shape (dimension, {n_rows}), found {self.data.shape}", where=self.source or None
            )

    @property
    def n_dimensions(self) -> int:
        """Number of dimensions kept."""
        return int(self.data.shape[0])

    @property
    def minutes(self) -> float:
        """Length in minutes of the series that was compressed."""
        return self.n_frames * self.tr_s / 60
