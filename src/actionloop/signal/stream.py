"""Correlations between all pairs of grayordinates, one block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from actionloop.arrays import Device
from actionloop.errors import OptionError
from actionloop.types import Basis, FloatArray

BLOCK_BYTES = 200_000_000
"""Memory of one block unless told otherwise."""


def correlation_blocks(
    basis: Basis,
    *,
    rows: slice | None = None,
    upper: bool = False,
    device: Device | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[slice, FloatArray]]:
    """Go through the matrix of correlations in blocks of rows; the whole of it is never in memory.

    Parameters
    ----------
    basis : Basis
    rows : slice, optional
        Rows wanted, one after another; all unless given.
    upper : bool
        Leave out the columns before the block's first row: each pair of rows then comes once, but for the square on
        the diagonal that every block begins with, and half the work is saved.
    device : Device, optional
        Where the products are taken; NumPy unless given.
    block_bytes : int
        Largest block; one row is the least.

    Yields
    ------
    rows : slice
        Rows of the block.
    block : (row, grayordinate) float32 ndarray
        Pearson r, to within `basis.error`; 0 in rows and columns of constant grayordinates. With `upper`, its first
        column is `rows.start`. May be written to, and holds until the next block is asked for.

    Raises
    ------
    OptionError
        Rows that are not one after another, or no room for a block.
    """
    n_rows = basis.data.shape[1]
    first, last, step = (rows or slice(None)).indices(n_rows)
    if step != 1 or block_bytes < 1:
        raise OptionError(f"expected rows one after another and a block of 1 byte or more, found {rows}, {block_bytes}")
    product = _Product(basis.data, device)
    while first < last:
        start = first if upper else 0
        end = min(last, first + max(1, block_bytes // (4 * (n_rows - start))))
        yield slice(first, end), product(first, end, start)
        first = end


class _Product:
    """Products of some columns of a basis with others; on NumPy all go to one piece of memory."""

    def __init__(self, data: FloatArray, device: Device | None) -> None:
        self._on_device = None if device is None or device.library == "numpy" else device
        self._data = np.asarray(data, dtype=np.float32)
        self._there = None if self._on_device is None else self._on_device.put(self._data)
        # A fresh array for every block costs more in page faults than a tenth of the product.
        self._memory = np.empty(0, dtype=np.float32)

    def __call__(self, first: int, end: int, start: int) -> FloatArray:
        """Rows from `first` to before `end`, columns from `start` on."""
        if self._on_device is not None and self._there is not None:
            there = self._there[:, first:end].T @ self._there[:, start:]
            return self._on_device.get(there)
        shape = (end - first, self._data.shape[1] - start)
        size = shape[0] * shape[1]
        if self._memory.size < size:
            self._memory = np.empty(size, dtype=np.float32)
        return np.matmul(self._data[:, first:end].T, self._data[:, start:], out=self._memory[:size].reshape(shape))
