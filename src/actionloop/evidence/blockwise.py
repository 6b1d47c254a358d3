"""How sure one scan is of correlations between a few series: blocks of frames drawn anew, from their sums alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import special

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.types import BoolArray, FloatArray, IntArray

_MOST_R = 1 - 1e-7
INTERVALS = ("percentile", "bca")


@dataclass(frozen=True)
class Bootstrap:
    """How blocks of frames are drawn; values of data/contrast.toml unless given.

    Attributes
    ----------
    n : int
        Resamples.
    block_s : float
        Seconds of scan in a block, censored frames included.
    level : float
        Of the intervals, 0 to 1.
    interval : {'percentile', 'bca'}
    """

    n: int = int(facts.load("contrast")["bootstrap"]["n"])
    block_s: float = float(facts.load("contrast")["bootstrap"]["block_s"])
    level: float = float(facts.load("contrast")["bootstrap"]["level"])
    interval: str = str(facts.load("contrast")["bootstrap"]["interval"])

    def __post_init__(self) -> None:
        if self.n < 2 or not 0 < self.level < 1 or not 0 < self.block_s < np.inf:
            raise OptionError(
                f"expected 2 resamples or more, blocks longer than 0 s and a level between 0 and 1, found {self.n}, "
                f"{self.block_s:g} s, {self.level:g}"
            )
        if self.interval not in INTERVALS:
            raise OptionError(f"there is no interval {self.interval!r}", fix=f"choose one of {', '.join(INTERVALS)}")


class BlockSums:
    """Sums over blocks of frames, from which the correlations of any resample follow.

    A block begins at any frame of any run, lasts `block_s` seconds of scan, and goes round the end of its run: every
    frame lies in equally many blocks, and none joins two runs. Censored frames are gaps: their blocks hold fewer
    frames, and frames on the two sides of a gap stay as far apart as they were.

    Parameters
    ----------
    first : (frame, a) float ndarray
    second : (frame, b) float ndarray
        Kept frames of all runs, one run after another.
    tr_s : float
    kept : sequence of (scanned frame,) bool ndarray, optional
        For each run, which of its frames were kept; one run without a gap unless given.
    block_s : float

    Raises
    ------
    InputError
        Masks that do not fit the frames, or a scan of too few blocks.

    References
    ----------
    .. [1] Kunsch 1989, doi:10.1214/aos/1176347265; Politis & Romano 1992 (round the end)
    """

    def __init__(
        self,
        first: FloatArray,
        second: FloatArray,
        *,
        tr_s: float,
        kept: Sequence[BoolArray] | None = None,
        block_s: float,
    ) -> None:
        runs = _checked_runs(len(first), kept)
        length, frames = max(1, round(block_s / tr_s)), sum(len(run) for run in runs)
        least = int(facts.load("contrast")["bootstrap"]["least_blocks"])
        if frames < least * length:
            raise InputError(
                f"{frames * tr_s / 60:.1f} minutes hold {frames // length} blocks of {block_s:g} s; an interval needs "
                f"{least}",
                fix="add runs, or shorten the blocks",
            )
        self.n_drawn = -(-frames // length)
        self._shape = first.shape[1], second.shape[1]
        # Means are taken off once: sums of squares then lose no digits, and correlations do not change.
        a, b = (np.asarray(part, dtype=np.float64) - part.mean(axis=0) for part in (first, second))
        features = np.concatenate(
            [np.ones((len(a), 1)), a, b, a**2, b**2, (a[:, :, None] * b[:, None]).reshape(len(a), -1)], axis=1
        )
        self.whole: FloatArray = features.sum(axis=0)
        windows, pieces, start = [], [], 0
        for run in runs:
            some = np.zeros((len(run), features.shape[1]))
            some[run] = features[start : start + int(run.sum())]
            start += int(run.sum())
            windows.append(_windows(some, min(length, len(run))))
            pieces.append(np.add.reduceat(some, np.arange(0, len(run), length), axis=0))
        self.windows: FloatArray = np.concatenate(windows)
        self.pieces: FloatArray = np.concatenate(pieces)

    def fisher_z(self, sums: FloatArray) -> FloatArray:
        """Fisher z of the correlations that some sums give.

        Parameters
        ----------
        sums : (..., feature) float64 ndarray

        Returns
        -------
        (..., a, b) float64 ndarray
            NaN where a series is constant.
        """
        a, b = self._shape
        n, mean_a, mean_b, square_a, square_b, cross = np.split(sums, np.cumsum([1, a, b, a, b]), axis=-1)
        n = np.where(n > 0, n, np.nan)
        mean_a, mean_b = mean_a / n, mean_b / n
        spread_a, spread_b = square_a / n - mean_a**2, square_b / n - mean_b**2
        shared = cross.reshape(*cross.shape[:-1], a, b) / n[..., None] - mean_a[..., :, None] * mean_b[..., None, :]
        scale = np.sqrt(np.maximum(spread_a, 0))[..., :, None] * np.sqrt(np.maximum(spread_b, 0))[..., None, :]
        r = np.divide(shared, scale, out=np.full_like(shared, np.nan), where=scale > 0)
        z: FloatArray = np.arctanh(np.clip(r, -_MOST_R, _MOST_R))
        return z

    def draw(self, n: int, *, rng: Generator) -> FloatArray:
        """Draw resamples.

        Parameters
        ----------
        n : int
        rng : Generator

        Returns
        -------
        (n, a, b) float64 ndarray
            Fisher z.
        """
        starts: IntArray = rng.integers(len(self.windows), size=(n, self.n_drawn))
        return self.fisher_z(np.stack([self.windows[own].sum(axis=0) for own in starts]))

    def without_each(self) -> FloatArray:
        """Fisher z without each block of the scan in turn; (block, a, b)."""
        return self.fisher_z(self.whole - self.pieces[self.pieces[:, 0] > 0])


def interval(
    estimate: FloatArray, drawn: FloatArray, left_out: FloatArray, settings: Bootstrap
) -> tuple[FloatArray, FloatArray]:
    """Interval of each value.

    Parameters
    ----------
    estimate : (...) float ndarray
    drawn : (resample, ...) float ndarray
    left_out : (block, ...) float ndarray
        Without each block in turn: the acceleration of 'bca' [1]_.
    settings : Bootstrap

    Returns
    -------
    low, high : (...) float ndarray
        NaN where a resample has no value.

    References
    ----------
    .. [1] Efron 1987, doi:10.1080/01621459.1987.10478410
    """
    tail = (1 - settings.level) / 2
    if settings.interval == "percentile":
        low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
        return low, high
    n = len(drawn)
    below = ((drawn < estimate).sum(axis=0) + 0.5 * (drawn == estimate).sum(axis=0)) / n
    shift = special.ndtri(np.clip(below, 1 / (n + 1), n / (n + 1)))
    away = left_out.mean(axis=0) - left_out
    square = (away**2).sum(axis=0)
    acceleration = (away**3).sum(axis=0) / (6 * np.where(square > 0, square, 1) ** 1.5)
    ends = []
    for z in special.ndtri([tail, 1 - tail]):
        share = special.ndtr(shift + (shift + z) / (1 - acceleration * (shift + z)))
        ends.append(_quantiles(drawn, share))
    return ends[0], ends[1]


def _quantiles(drawn: FloatArray, share: NDArray[np.float64]) -> FloatArray:
    """One quantile for each value, its own share; linear between draws."""
    ordered = np.sort(drawn, axis=0)
    place = np.clip(np.nan_to_num(share, nan=0.5), 0, 1) * (len(drawn) - 1)
    lower = np.floor(place).astype(np.int64)
    upper = np.minimum(lower + 1, len(drawn) - 1)
    low, high = (np.take_along_axis(ordered, some[None], axis=0)[0] for some in (lower, upper))
    found: FloatArray = low + (place - lower) * (high - low)
    return np.where(np.isfinite(ordered[-1]), found, np.nan)


def _windows(some: FloatArray, length: int) -> FloatArray:
    """Sum over `length` frames from each frame on, round the end; (frame, feature)."""
    total = np.cumsum(np.concatenate([np.zeros_like(some[:1]), some, some[: length - 1]]), axis=0)
    sums: FloatArray = total[length:] - total[:-length]
    return sums


def _checked_runs(n_frames: int, kept: Sequence[BoolArray] | None) -> list[BoolArray]:
    runs = [np.ones(n_frames, dtype=bool)] if kept is None else [np.asarray(run) for run in kept]
    if any(run.dtype != np.bool_ or run.ndim != 1 or not run.size for run in runs):
        raise InputError("expected for each run a bool mask of its frames")
    counted = sum(int(run.sum()) for run in runs)
    if counted != n_frames:
        raise InputError(
            f"the masks keep {counted} frames and the series has {n_frames}",
            fix="give the masks of the runs in the order in which they were joined",
        )
    return runs
