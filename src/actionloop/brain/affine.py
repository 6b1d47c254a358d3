"""The affine between two meshes whose vertices correspond."""

from __future__ import annotations

import numpy as np

from actionloop.types import FloatArray


def fit_affine(source_mm: FloatArray, target_mm: FloatArray) -> FloatArray:
    """Fit the affine that takes points to others, by least squares.

    Parameters
    ----------
    source_mm, target_mm : (point, 3) float64 ndarray
        RAS mm of the same points, e.g. the vertices that two fsLR meshes share.

    Returns
    -------
    (4, 4) float64 ndarray
        Any affine that fits best, a mirroring one too: how far apart the points stay is for the caller to judge.
    """
    with_one = np.hstack([source_mm, np.ones((len(source_mm), 1))])
    affine = np.eye(4)
    affine[:3] = np.linalg.lstsq(with_one, target_mm, rcond=None)[0].T
    return affine
