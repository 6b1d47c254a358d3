"""Remove from each subcortical voxel what it shares with the cortex beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import row_places
from actionloop.errors import OptionError, SignalError
from actionloop.signal.series import blocks, valid_rows
from actionloop.types import Anatomy, FloatArray, Timeseries

_RADIUS_MM: float = facts.load("mapping")["adjacent"]["radius_mm"]
_CUBE_MM = 16.0
"""Voxels of such a cube are worked on together: their cortex is much the same."""
_EXPLAINED = 1e-5
"""Of the standard deviation: what rounding in single precision leaves of a voxel that its cortex explains."""


def regress_adjacent_cortex(series: Timeseries, anatomy: Anatomy, *, radius_mm: float = _RADIUS_MM) -> Timeseries:
    """Regress each voxel on the mean series of the cortex near it, and keep the residual.

    Signal of the cortex reaches nearby voxels by partial volume and smoothing [1]_.

    Parameters
    ----------
    series : Timeseries
        Any units.
    anatomy : Anatomy
        Midthickness in the space of the voxels, mm.
    radius_mm : float
        Cortical rows whose vertex is no farther from the centre of the voxel (straight) are averaged; 20 as published.

    Returns
    -------
    Timeseries
        float32. Cortical rows as they were. Voxels with mean 0: residuals of the regression with intercept, or only
        demeaned where no varying cortex is near. Voxels that their cortex explains wholly become 0. A series without
        voxels comes back as it is.

    Raises
    ------
    OptionError
        A radius that is none.
    SignalError
        Fewer than 3 frames.

    References
    ----------
    .. [1] Lynch et al. 2024, doi:10.1038/s41586-024-07805-2 (steps and value are those of the authors' public code)
    """
    if not 0 < radius_mm < np.inf:
        raise OptionError(f"expected a radius above 0 mm, found {radius_mm}")
    axis = series.grayordinates
    if axis.voxels is None or not len(axis.voxels):
        return series
    if series.n_frames < 3:
        raise SignalError(
            f"{series.n_frames} frames cannot carry a regression on adjacent cortex", where=series.source or None
        )
    places = row_places(axis, anatomy)
    cortex = np.flatnonzero(valid_rows(series)[: axis.n_cortex])
    tree, level = cKDTree(places[cortex]), series.data[:, : axis.n_cortex].mean(axis=0, dtype=np.float64)
    out = np.array(series.data, dtype=np.float32)
    regressed = 0
    for rows in _cubes(places[axis.n_cortex :]):
        voxels = rows + axis.n_cortex
        block = series.data[:, voxels].astype(np.float64)
        block -= block.mean(axis=0)
        # A hair more, for places that lie exactly so far by rule and not by rounding.
        pairs = cKDTree(places[voxels]).sparse_distance_matrix(tree, radius_mm * (1 + 1e-9), output_type="ndarray")
        total = _sums(series, level, cortex[pairs["j"]], pairs["i"], len(rows))
        out[:, voxels] = _residual(block, total)
        regressed += len(np.unique(pairs["i"]))
    step = (
        f"{regressed} of {len(axis.voxels)} voxels regressed on the mean of the cortex within {radius_mm:g} mm, "
        "the others demeaned"
    )
    return replace(series, data=out, steps=(*series.steps, step))


def _cubes(places: FloatArray) -> Iterator[NDArray[np.intp]]:
    """Cut voxels into groups that lie together, none larger than a block."""
    cube = np.floor((places - places.min(axis=0)) / _CUBE_MM).astype(np.int64)
    _, group = np.unique(cube, axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(group.ravel()[order])) + 1):
        for part in blocks(len(rows)):
            yield rows[part]


def _sums(
    series: Timeseries, level: FloatArray, cortex: NDArray[np.intp], voxel: NDArray[np.intp], n_voxels: int
) -> FloatArray:
    """Add up the demeaned series of the cortical rows paired with each voxel; (frame, voxel) float64."""
    used, column = np.unique(cortex, return_inverse=True)
    total = np.zeros((series.n_frames, n_voxels))
    for part in blocks(len(used)):
        inside = (column >= part.start) & (column < part.stop)
        weight = np.zeros((part.stop - part.start, n_voxels), dtype=np.float32)
        weight[column[inside] - part.start, voxel[inside]] = 1
        total += (series.data[:, used[part]] - level[used[part]].astype(np.float32)) @ weight
    return total


def _residual(block: FloatArray, regressor: FloatArray) -> FloatArray:
    """Regress each demeaned column on another, of any scale; columns whose regressor is 0 stay."""
    regressor = regressor - regressor.mean(axis=0)
    square = np.einsum("tg,tg->g", regressor, regressor)
    slope = np.einsum("tg,tg->g", regressor, block) / np.where(square > 0, square, 1)
    left = block - regressor * slope
    explained = left.std(axis=0) <= _EXPLAINED * block.std(axis=0)
    residual: FloatArray = np.where(explained, 0, left)
    return residual
