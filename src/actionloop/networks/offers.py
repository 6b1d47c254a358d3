"""Compiled loops of `graph`: heaps of the strongest partners, the weakest on top."""

from __future__ import annotations

from typing import Any

import numba

_COLUMNS = 1024
"""Columns that one worker goes down: of each row of the block, a page of memory."""


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def strike(block: Any, first: Any, indptr: Any, indices: Any) -> None:
    """Set near pairs of a block of the upper triangle to 0, which nobody chooses."""
    for row in numba.prange(block.shape[0]):
        for position in range(indptr[row], indptr[row + 1]):
            if indices[position] >= first:
                block[row, indices[position] - first] = 0


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def offer_to_rows(block: Any, first: Any, valid: Any, partner: Any, weight: Any) -> None:
    """Offer the columns right of the diagonal to the rows of a block of the upper triangle."""
    n_rows, n_columns = block.shape
    for row in numba.prange(n_rows):
        if valid[first + row]:
            partners, weights = partner[first + row], weight[first + row]
            for column in range(row + 1, n_columns):
                if block[row, column] >= weights[0] and valid[first + column]:
                    _offer(first + column, block[row, column], partners, weights)


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def offer_to_columns(block: Any, first: Any, valid: Any, partner: Any, weight: Any) -> None:
    """Offer the rows of a block of the upper triangle to its columns right of the diagonal."""
    n_rows, n_columns = block.shape
    for part in numba.prange((n_columns + _COLUMNS - 1) // _COLUMNS):
        start = part * _COLUMNS
        end = min(n_columns, start + _COLUMNS)
        least = weight[first + start : first + end, 0].copy()
        for row in range(n_rows):
            if valid[first + row]:
                for column in range(max(start, row + 1), end):
                    if block[row, column] >= least[column - start] and valid[first + column]:
                        weights = weight[first + column]
                        _offer(first + row, block[row, column], partner[first + column], weights)
                        least[column - start] = weights[0]


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def sort(partner: Any, weight: Any) -> None:
    """Bring heaps to falling order, in place: the weakest of those left goes last."""
    for row in numba.prange(partner.shape[0]):
        partners, weights = partner[row], weight[row]
        for end in range(len(weights) - 1, 0, -1):
            candidate, value = partners[end], weights[end]
            partners[end], weights[end] = partners[0], weights[0]
            _sink(candidate, value, partners[:end], weights[:end])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _offer(candidate: Any, value: Any, partners: Any, weights: Any) -> None:
    """Take a candidate with r above 0 in place of the weakest partner, if that one is weaker."""
    if value > 0 and _weaker(partners[0], weights[0], candidate, value):
        _sink(candidate, value, partners, weights)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _sink(candidate: Any, value: Any, partners: Any, weights: Any) -> None:
    """Put a candidate on top of a heap whose top is free, and let it sink to its place."""
    place, size = 0, len(weights)
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _weaker(partners[child + 1], weights[child + 1], partners[child], weights[child]):
            child += 1
        if not _weaker(partners[child], weights[child], candidate, value):
            break
        partners[place], weights[place] = partners[child], weights[child]
        place = child
    partners[place], weights[place] = candidate, value


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _weaker(one: Any, one_value: Any, other: Any, other_value: Any) -> Any:
    """Tell whether a partner loses against another: by r, then by the higher row."""
    return one_value < other_value or (one_value == other_value and one > other)
