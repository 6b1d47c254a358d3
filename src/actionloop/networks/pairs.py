"""Which pairs of rows belong to a person's strongest correlations, counted without the matrix of them.

The threshold is exact although the pairs are never all in memory, nor passed through twice. A random sample of pairs
gives a narrow bracket that holds the wanted quantile but for a chance below one in a million. In one pass, pairs above
the bracket are counted at once, for they belong in any case; pairs below never do; the few inside are kept with their
value. Afterwards the rank of the quantile, less the number of pairs above, points at one of the kept values: the very
value that sorting all pairs would have found. The kept pairs at or above it are then added to the counts. Where the
rank points outside the kept values, the bracket had missed, and the pass is repeated with a wider one; the widest
keeps every pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from actionloop.arrays import Device
from actionloop.errors import SignalError
from actionloop.signal import correlation_blocks
from actionloop.types import Basis, BoolArray, FloatArray, IntArray

_SAMPLE = 200_000  # pairs
_WIDTH = 5.0  # standard errors of the sample's quantile on either side


class Neighbourhood(Protocol):
    """What tells which rows lie near others (`brain.Nearby`)."""

    def block(self, rows: slice) -> tuple[IntArray, IntArray]:
        """Rows within the radius of some rows, each row itself included: `indptr` and `indices`."""
        ...


@dataclass(frozen=True, eq=False)
class Counts:
    """How the strongest correlations of each row fall on some sets of columns; 0 for rows that take no part.

    Attributes
    ----------
    threshold : float
        Smallest r of the strongest pairs.
    common : (set, grayordinate) int32 ndarray
        Columns of the set among the row's strongest.
    size : (set, grayordinate) int32 ndarray
        Columns of the set that the row may be paired with.
    """

    threshold: float
    common: IntArray
    size: IntArray


def count_strongest(
    basis: Basis,
    sets: BoolArray,
    *,
    valid: BoolArray,
    share: float,
    nearby: Neighbourhood | None,
    seed: int,
    device: Device | None = None,
) -> Counts:
    """Count, for every row, how many of its partners among the strongest pairs lie in each set of columns.

    Parameters
    ----------
    basis : Basis
    sets : (set, grayordinate) bool ndarray
    valid : (grayordinate,) bool ndarray
        Rows and columns that take part.
    share : float
        Share of all pairs of valid rows, near ones included, that are the strongest; in (0, 1).
    nearby : Neighbourhood or None
        Pairs left out of every count; a row itself always is. Taken to be symmetric.
    seed : int
        Of the sample. The result does not depend on it.
    device : Device, optional

    Returns
    -------
    Counts

    Raises
    ------
    SignalError
        Fewer than two valid rows.
    """
    n_valid = int(valid.sum())
    if n_valid < 2:
        raise SignalError("pairs need at least two grayordinates with signal", where=basis.source or None)
    rank = max(1, round(share * (n_valid * (n_valid - 1) // 2)))
    member = np.concatenate([valid[None], sets & valid]).astype(np.uint8)
    sample = sample_pairs(basis.data, np.flatnonzero(valid), seed=seed)
    width = _WIDTH
    while True:
        count = _Count(member, bracket(sample, share, width=width))
        for rows, block in correlation_blocks(basis, upper=True, device=device):
            count.take(rows, block, nearby)
        threshold = count.quantile(rank)
        if threshold is not None:
            break
        width *= 4
    count.complete(threshold)
    size = member.sum(axis=1, dtype=np.int32)[:, None] - count.removed - member
    return Counts(threshold, np.where(valid, count.common[1:], 0), np.where(valid, size[1:], 0))


def sample_pairs(data: FloatArray, rows: IntArray, *, seed: int) -> FloatArray:
    """Correlations of a random sample of pairs, ascending; (pair,) float32."""
    rng = np.random.default_rng(seed)
    place = rng.integers(len(rows), size=_SAMPLE)
    one, other = rows[place], rows[(place + rng.integers(1, len(rows), size=_SAMPLE)) % len(rows)]
    correlation = np.zeros(_SAMPLE, dtype=np.float32)
    for series in data:
        correlation += series[one] * series[other]
    correlation.sort()
    return correlation


def bracket(sample: FloatArray, share: float, *, width: float) -> tuple[float, float]:
    """Two values around the upper quantile `share`, some standard errors of its rank apart."""
    rank, error = share * len(sample), np.sqrt(share * (1 - share) * len(sample))
    high, low = int(rank - width * error), int(np.ceil(rank + width * error)) + 1
    return (
        -np.inf if low > len(sample) else float(sample[-low]),
        np.inf if high < 1 else float(sample[-high]),
    )


class _Count:
    """One pass through the pairs; sets are (set, grayordinate) uint8, the first of them the valid rows."""

    def __init__(self, member: NDArray[np.uint8], limits: tuple[float, float]) -> None:
        self.low, self.high = np.float32(limits[0]), np.float32(limits[1])
        self.member = member
        self.by_row = np.ascontiguousarray(member.T)
        self.common = np.zeros(member.shape, dtype=np.int32)
        self._removed = np.zeros(self.by_row.shape, dtype=np.int32)
        self.above = 0
        self.near: list[FloatArray] = []
        self.kept: list[tuple[IntArray, IntArray, FloatArray]] = []

    @property
    def removed(self) -> IntArray:
        """Columns of each set that a row is too near to, itself not counted; (set, grayordinate)."""
        return self._removed.T

    def take(self, rows: slice, block: FloatArray, nearby: Neighbourhood | None) -> None:
        """Count the pairs of one block of the upper triangle; writes to the block."""
        from actionloop.networks import counting

        first, n_rows = rows.start, len(block)
        # No comparison holds for NaN: neither side of the diagonal, nor a row without signal, counts any further.
        for place in range(n_rows):
            block[place, : place + 1] = np.nan
        block[self.member[0, rows] == 0] = np.nan
        if nearby is not None:
            indptr, indices = nearby.block(rows)
            limits = (self.low, self.high)
            above, inside = counting.take_near(block, first, indptr, indices, self.by_row, limits, self._removed)
            self.above += above
            self.near.append(inside)
        bits = _packed(self.member[:, first:])
        own, edge = counting.count_rows(block, self.low, self.high, bits)
        self.above += int(own[0].sum())
        self.common[:, rows] += own
        counting.count_columns(block, self.high, bits, self.common[:, first:])
        row, column = _set_bits(edge)
        self.kept.append((row + first, column + first, block[row, column]))

    def quantile(self, rank: int) -> float | None:
        """Return the `rank`-th largest of all pairs; None where it is not among the kept."""
        values = np.concatenate([*self.near, *(value for _, _, value in self.kept)])
        left = rank - self.above
        return float(np.partition(values, -left)[-left]) if 0 < left <= len(values) else None

    def complete(self, threshold: float) -> None:
        """Add the kept pairs that reach the threshold."""
        from actionloop.networks import counting

        for row, column, value in self.kept:
            reached = value >= threshold
            counting.add_pairs(row[reached], column[reached], self.by_row, self.common)


def _packed(member: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Turn sets into bits: (set, word), the first column in the lowest bit."""
    padded = np.zeros((len(member), -(-member.shape[1] // 64) * 64), dtype=np.uint8)
    padded[:, : member.shape[1]] = member
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _set_bits(words: NDArray[np.uint64]) -> tuple[IntArray, IntArray]:
    """Row and column of every bit that is set."""
    row, word = np.nonzero(words)
    bits = np.unpackbits(words[row, word].astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    which, bit = np.nonzero(bits)
    return row[which].astype(np.int32), (word[which] * 64 + bit).astype(np.int32)
