"""The field of any pose near those that were solved."""

from __future__ import annotations

import numpy as np

from actionloop.errors import GeometryError
from actionloop.poses.cortex import CortexHead
from actionloop.poses.modes import combine
from actionloop.poses.settings import SearchSettings
from actionloop.types import FloatArray


class NearbyPoses:
    """Fields on the cortex of poses near a place, made up of the poses solved there.

    Parameters
    ----------
    head : CortexHead
        With the poses that a search has solved.
    aim_ras : (3,) float ndarray
        The target, mm.
    settings : SearchSettings, optional

    Raises
    ------
    GeometryError
        No pose was solved near that place.
    """

    def __init__(self, head: CortexHead, aim_ras: FloatArray, *, settings: SearchSettings | None = None) -> None:
        self._settings = SearchSettings.default() if settings is None else settings
        self._sampler = head.sampler(self._settings.lattice_mm)
        solved = head.solved
        away = np.linalg.norm(solved.matrices[:, :3, 3] - aim_ras, axis=1) if len(solved) else np.zeros(0)
        near = np.flatnonzero(away <= self._settings.reach_mm)
        if not near.size:
            raise GeometryError("no coil pose was solved near the target")
        self._points = head.sample_brain(aim_ras, reach_mm=self._settings.reach_mm, n_points=self._settings.samples)
        self._basis = self._sampler.rows(solved.matrices[near], self._points)
        self._fields = solved.fields(near)

    def __call__(self, matrices: FloatArray) -> FloatArray:
        """Return the fields of some poses; (pose, vertex, 3) float32, V/m at 1 A/µs."""
        parts = combine(self._sampler.rows(matrices, self._points), self._basis).astype(np.float32)
        flat = self._fields.reshape(len(self._fields), -1)
        return (parts @ flat).reshape(len(matrices), *self._fields.shape[1:])

    def missing(self, matrices: FloatArray) -> FloatArray:
        """Tell which part of each pose's dA/dt in the brain no combination of the solved poses explains; (pose,)."""
        rows = self._sampler.rows(matrices, self._points).astype(np.float64)
        rest = rows - combine(rows, self._basis) @ self._basis
        found: FloatArray = np.linalg.norm(rest, axis=1) / np.maximum(np.linalg.norm(rows, axis=1), 1e-300)
        return found
