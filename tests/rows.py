"""Small axes, and rows close by, for people without anatomy."""

from __future__ import annotations

import numpy as np

from actionloop.types import Grayordinates, Voxels


class Near:
    """Rows close by in a random space: what `brain.Nearby` tells, for rows without anatomy."""

    def __init__(self, n_rows: int, radius: float, seed: int = 0) -> None:
        place = np.random.default_rng(seed).random((n_rows, 2))
        self.matrix = np.linalg.norm(place[:, None] - place, axis=2) <= radius

    def block(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        some = self.matrix[rows]
        return np.append(0, np.cumsum(some.sum(axis=1))), np.nonzero(some)[1].astype(np.int32)


def axis(left: int, right: int, voxels: int = 0) -> Grayordinates:
    if not voxels:
        return Grayordinates(np.arange(left), np.arange(right))
    ijk = np.stack(np.unravel_index(np.arange(voxels), (20, 20, 30)), axis=1)
    structure = np.repeat("CIFTI_STRUCTURE_CEREBELLUM_LEFT", voxels)
    return Grayordinates(np.arange(left), np.arange(right), voxels=Voxels(ijk, structure, np.eye(4), (20, 20, 30)))
