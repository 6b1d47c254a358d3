"""Compiled loops of `pairs`: strongest correlations as one bit for each pair, counted word by word."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_COLUMNS = 1024
"""Columns that one worker goes down: of each row of the block, a page of memory."""


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def count_rows(block: Any, low: Any, high: Any, bits: Any) -> Any:
    """Count for the rows of a block: (set, row) partners above `high`, and the partners inside the bracket as bits."""
    n_rows, n_columns = block.shape
    n_sets, n_words = bits.shape
    common = np.zeros((n_sets, n_rows), dtype=np.int32)
    edge = np.zeros((n_rows, n_words), dtype=np.uint64)
    for row in numba.prange(n_rows):
        strong = np.zeros(n_words, dtype=np.uint64)
        for word in range(n_words):
            above, reached = np.uint64(0), np.uint64(0)
            start = word * 64
            for bit in range(min(64, n_columns - start)):
                value = block[row, start + bit]
                above |= np.uint64(value > high) << np.uint64(bit)
                reached |= np.uint64(value >= low) << np.uint64(bit)
            strong[word] = above
            edge[row, word] = reached & ~above & bits[0, word]
        for k in range(n_sets):
            total = 0
            for word in range(n_words):
                total += _popcount(strong[word] & bits[k, word])
            common[k, row] = total
    return common, edge


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def count_columns(block: Any, high: Any, bits: Any, common: Any) -> None:
    """Count for the columns of a block, with its rows as partners; adds to `common` (set, column)."""
    n_rows, n_columns = block.shape
    for part in numba.prange((n_columns + _COLUMNS - 1) // _COLUMNS):
        start = part * _COLUMNS
        size = min(_COLUMNS, n_columns - start)
        strong = np.empty(_COLUMNS, dtype=np.uint64)
        for word in range((n_rows + 63) // 64):
            strong[:] = 0
            for row in range(word * 64, min(n_rows, word * 64 + 64)):
                bit = np.uint64(row - word * 64)
                for column in range(size):
                    strong[column] |= np.uint64(block[row, start + column] > high) << bit
            for k in range(bits.shape[0]):
                chosen = bits[k, word]
                for column in range(size):
                    common[k, start + column] += _popcount(strong[column] & chosen)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def take_near(block: Any, first: Any, indptr: Any, indices: Any, member: Any, limits: Any, removed: Any) -> Any:
    """Take near pairs out of a block: how many lie above the bracket, and the values inside it.

    They have a say in the threshold, which is that of all pairs. `member` and `removed` are (grayordinate, set).
    """
    low, high = limits
    inside = np.empty(len(indices), dtype=np.float32)
    above, n_inside = 0, 0
    for row in range(block.shape[0]):
        one = first + row
        for position in range(indptr[row], indptr[row + 1]):
            other = indices[position]
            if other <= one or not (member[one, 0] and member[other, 0]):
                continue
            value = block[row, other - first]
            if value > high:
                above += 1
            elif value >= low:
                inside[n_inside] = value
                n_inside += 1
            block[row, other - first] = np.nan
            for k in range(member.shape[1]):
                removed[one, k] += member[other, k]
                removed[other, k] += member[one, k]
    return above, inside[:n_inside].copy()


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def add_pairs(row: Any, column: Any, member: Any, common: Any) -> None:
    """Add pairs to `common` (set, grayordinate), each to both of its rows."""
    for pair in range(len(row)):
        one, other = row[pair], column[pair]
        for k in range(member.shape[1]):
            common[k, one] += member[other, k]
            common[k, other] += member[one, k]


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _popcount(word: Any) -> Any:
    """Bits set in a word of 64; halves, quarters, bytes, then their sum in the top byte."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int32((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
