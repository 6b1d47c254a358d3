"""What the few rows close to a row add to a product with its correlations."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from actionloop.types import FloatArray, IntArray


def near_products(y: FloatArray, weight: FloatArray, rows: slice, indptr: IntArray, indices: IntArray) -> FloatArray:
    """Sum the correlations of each row with the rows near it, weighted.

    Parameters
    ----------
    y : (dimension, grayordinate) float32 ndarray
        Basis, whose columns dot to correlations.
    weight : (cortical row, network) float32 ndarray
        Of the first rows of the grayordinate axis; later rows count as 0.
    rows : slice
        Consecutive cortical rows to sum for.
    indptr, indices : (row + 1,) and (near,) int ndarray
        Rows near each, from `Nearby.block(rows)`.

    Returns
    -------
    (row, network) float64 ndarray
        Sum over near rows j of weight_j r_ij.
    """
    own = np.arange(rows.start, rows.stop)
    on_cortex = indices < len(weight)
    used = np.union1d(indices[on_cortex], own)
    columns = np.ascontiguousarray(y[:, used].T, dtype=np.float32)
    place = np.where(on_cortex, np.searchsorted(used, indices), -1)
    return np.asarray(_sum(columns, weight[used], np.searchsorted(used, own), np.asarray(indptr), place))


@numba.njit(cache=True, parallel=True, fastmath={"reassoc", "nsz"})  # type: ignore[untyped-decorator]
def _sum(columns: Any, weight: Any, own: Any, indptr: Any, near: Any) -> Any:
    out = np.zeros((len(own), weight.shape[1]))
    for i in numba.prange(len(own)):
        mine = columns[own[i]]
        for k in range(indptr[i], indptr[i + 1]):
            j = near[k]
            if j < 0:
                continue
            r = np.float32(0)
            for d in range(columns.shape[1]):
                r += mine[d] * columns[j, d]
            for n in range(weight.shape[1]):
                out[i, n] += weight[j, n] * r
    return out
