"""The second stage: the field of many poses on the whole cortex, from a few that are solved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actionloop.arrays import side_by_side
from actionloop.poses.cortex import CortexHead
from actionloop.poses.modes import choose_modes, combine
from actionloop.poses.pool import Pool
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import hot_shares
from actionloop.types import FloatArray, IntArray

PEAK_PERCENTILE = 99.9
_CHUNK = 32
"""Poses whose field on the cortex is held at once."""


class SecondStage:
    """Shares on and off the network of the poses of a pool, and the poses solved for them.

    Parameters
    ----------
    head : CortexHead
    pool : Pool
    weights : (2, vertex) float ndarray
        Of the network wanted and of those avoided, on the cortex.
    settings : SearchSettings
    aim_mm : (3,) float ndarray
    tell : callable of (str, float)
        Told how far the solves are, 0 to 1.

    Attributes
    ----------
    share : (2, pose, threshold) float64 ndarray
        NaN where a pose was not looked at.
    peak : (pose,) float64 ndarray
        99.9th percentile of |E| over the cortex, V/m.
    n_solved : int
        Forward solves made here.
    """

    def __init__(
        self,
        head: CortexHead,
        pool: Pool,
        weights: FloatArray,
        settings: SearchSettings,
        *,
        aim_mm: FloatArray,
        tell: Callable[[str, float], None],
    ) -> None:
        self._head, self._pool, self._weights, self._settings, self._tell = head, pool, weights, settings, tell
        self.share = np.full((2, len(pool.matrices), len(settings.percentiles)), np.nan)
        self.peak = np.full(len(pool.matrices), np.nan)
        self.n_solved = 0
        self._modes = np.zeros(0, dtype=np.int64)
        centres = np.vstack([aim_mm, *(pool.matrices[p, :3, 3] for p in pool.sites.values())])
        self._points = head.sample_brain(centres, reach_mm=settings.reach_mm, n_points=settings.samples)
        self._centres = centres

    @property
    def looked_at(self) -> IntArray:
        """Poses whose share is known."""
        return np.flatnonzero(~np.isnan(self.peak))

    def open(self, poses: IntArray) -> None:
        """Choose and solve as many poses as make up all of some, and look at these.

        Parameters
        ----------
        poses : (wanted,) int ndarray
        """
        settings, solved = self._settings, self._head.solved
        rows = self._rows(self._pool.matrices[poses])
        known = np.arange(len(solved))
        if len(known):
            away = solved.matrices[:, None, :3, 3] - self._centres[None]
            known = known[np.linalg.norm(away, axis=2).min(axis=1) <= settings.reach_mm]
        known_rows = self._rows(solved.matrices[known]) if len(known) else np.zeros((0, rows.shape[1]))
        of_site = poses >= len(self._pool.candidates)
        allowed = np.where(of_site, settings.site_tolerance, settings.tolerance)
        span = choose_modes(rows, known_rows, allowed=allowed, most=settings.most)
        self._modes, basis = known[span.known], known_rows[span.known]
        for first in range(0, len(span.chosen), settings.at_once):
            chosen = span.chosen[first : first + settings.at_once]
            self._tell(
                f"field of {len(span.chosen)} poses that make up all others: {first} solved", first / len(span.chosen)
            )
            self._solve(poses[chosen], rows[chosen], basis)
            basis = np.vstack([basis, rows[chosen]])
        self.look(poses, rows)

    def look(self, poses: IntArray, rows: FloatArray | None = None) -> None:
        """Find the shares of some poses from those solved.

        Parameters
        ----------
        poses : (wanted,) int ndarray
        rows : (wanted, value) float ndarray, optional
            Their dA/dt in the brain, where it is known.
        """
        parts = self._parts(self._pool.matrices[poses], rows)
        fields = self._head.solved.fields(self._modes)
        flat = fields.reshape(len(fields), -1)

        def enter(first: int) -> None:
            chunk = slice(first, first + _CHUNK)
            field = (parts[chunk].astype(np.float32) @ flat).reshape(-1, *fields.shape[1:])
            self._enter(poses[chunk], field)

        side_by_side(enter, range(0, len(poses), _CHUNK))

    def own(self, pose: int) -> FloatArray:
        """Field of a pose on the cortex, from its own solve; (vertex, 3) float32, V/m."""
        matrix = self._pool.matrices[pose]
        number = self._head.solved.find(matrix)
        if number is None:
            rows = self._rows(matrix[None])
            self._solve(np.array([pose]), rows, self._rows(self._head.solved.matrices[self._modes]))
            number = int(self._modes[-1])
        elif number not in self._modes:
            self._modes = np.append(self._modes, number)
        field: FloatArray = self._head.solved.fields(np.array([number]))[0]
        self._enter(np.array([pose]), field[None])
        return field

    def field(self, pose: int) -> FloatArray:
        """Field of a pose on the cortex, as made up of those solved; (vertex, 3), V/m."""
        parts = self._parts(self._pool.matrices[pose][None], None)[0]
        field: FloatArray = np.tensordot(parts, self._head.solved.fields(self._modes), axes=1)
        return field

    def averaged(self, poses: IntArray) -> FloatArray:
        """Share on the network less the share avoided, mean over thresholds and navigation error; (pose,)."""
        score = (self.share[0] - self.share[1]).mean(axis=1)
        found: FloatArray = np.array([np.nanmean(score[self._pool.near[int(pose)]]) for pose in poses])
        return found

    def _enter(self, poses: IntArray, field: FloatArray) -> None:
        """Enter the shares of some poses from their fields, (pose, vertex, 3)."""
        strength = np.sqrt(np.einsum("pvc,pvc->pv", field, field))
        percentiles = (*self._settings.percentiles, PEAK_PERCENTILE)
        found = hot_shares(strength, self._head.area_mm2, self._weights, percentiles)
        self.share[:, poses] = found.share[..., :-1]
        self.peak[poses] = found.level_v_per_m[:, -1]

    def _rows(self, matrices: FloatArray) -> FloatArray:
        return self._head.sampler(self._settings.lattice_mm).rows(matrices, self._points)

    def _parts(self, matrices: FloatArray, rows: FloatArray | None) -> FloatArray:
        rows = self._rows(matrices) if rows is None else rows
        return combine(rows, self._rows(self._head.solved.matrices[self._modes]))

    def _solve(self, poses: IntArray, rows: FloatArray, basis: FloatArray) -> None:
        """Solve poses, starting from what those solved before make of them."""
        parts = combine(rows, basis) if len(basis) else None
        numbers = self._head.solved.solve(
            self._pool.matrices[poses],
            tolerance=self._settings.solve_tolerance,
            known=self._modes if parts is not None else None,
            parts=parts,
        )
        self._modes = np.concatenate([self._modes, numbers])
        self.n_solved += len(poses)
