"""Connectivity profiles: with which of many seeds each row goes together most, as points of the unit sphere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actionloop import arrays
from actionloop.arrays import Device
from actionloop.errors import SignalError
from actionloop.types import Basis, BoolArray, FloatArray, Grayordinates, IntArray

_ROWS = 4096
"""Profiles worked on at a time."""

_STEPS = 65_535
"""Correlations are ranked in steps of 2 / 65,535."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Binary profiles of one session's rows, centred and brought to length 1 when they are used.

    Attributes
    ----------
    bits : (row, seed) uint8 ndarray
        1 where the correlation is among the largest of the session.
    scale : (row,) float64 ndarray
        One over the length of the centred profile; 0 for rows without a profile (all bits equal).
    device : Device
        Where the products are done.
    """

    bits: NDArray[np.uint8]
    scale: FloatArray
    device: Device

    @property
    def present(self) -> BoolArray:
        """Rows that have a profile; (row,)."""
        return self.scale > 0

    def cosines(self, directions: FloatArray) -> FloatArray:
        """Dot product of each row's unit profile with some directions.

        Parameters
        ----------
        directions : (network, seed) float ndarray
            Each sums to 0 over the seeds, so that the profiles need not be centred.

        Returns
        -------
        (row, network) float64 ndarray
            0 for rows without a profile.
        """
        xp = self.device.xp
        right = self.device.put(np.ascontiguousarray(directions.T, dtype=np.float32))
        out = np.zeros((len(self.bits), len(directions)))
        for part in _parts(len(out)):
            left = xp.astype(self.device.put(self.bits[part]), xp.float32)
            out[part] = self.device.get(xp.matmul(left, right))
        return np.asarray(out * self.scale[:, None])

    def sums(self, weight: FloatArray) -> FloatArray:
        """Add the unit profiles up, by weight.

        Parameters
        ----------
        weight : (row, network) float ndarray

        Returns
        -------
        (network, seed) float64 ndarray
            Sums to 0 over the seeds.
        """
        xp = self.device.xp
        scaled = (weight * self.scale[:, None]).astype(np.float32)
        out = np.zeros((self.bits.shape[1], weight.shape[1]))
        for part in _parts(len(scaled)):
            left = xp.astype(self.device.put(self.bits[part]), xp.float32).T
            out += self.device.get(xp.matmul(left, self.device.put(scaled[part])))
        return np.asarray((out - out.mean(axis=0)).T)


def seed_profiles(
    basis: Basis, *, rows: IntArray, seeds: IntArray, share: float, device: Device | None = None
) -> Profiles:
    """Correlate rows with seeds and mark the largest correlations of all [1]_.

    Parameters
    ----------
    basis : Basis
        One session.
    rows, seeds : (row,) and (seed,) int ndarray
        Grayordinates with signal.
    share : float
        Part of all row-seed pairs that is marked (ties at the limit too), 0 to 1. Correlations are ranked to 3e-5.
    device : Device, optional

    Returns
    -------
    Profiles

    Raises
    ------
    SignalError
        Fewer than 3 seeds or no rows.

    References
    ----------
    .. [1] Yeo et al. 2011, doi:10.1152/jn.00338.2011
    """
    if len(seeds) < 3 or len(rows) == 0:
        raise SignalError(
            f"profiles need rows and at least 3 seeds with signal, found {len(rows)} and {len(seeds)}",
            where=basis.source or None,
        )
    place = device or arrays.device()
    right = place.put(np.ascontiguousarray(basis.data[:, seeds]))
    rank = np.empty((len(rows), len(seeds)), dtype=np.uint16)
    counts = np.zeros(_STEPS + 1, dtype=np.int64)
    for part in _parts(len(rows)):
        left = place.put(np.ascontiguousarray(basis.data[:, rows[part]].T))
        r = np.clip(place.get(place.xp.matmul(left, right)), -1, 1)
        rank[part] = np.rint((r + 1) * (_STEPS / 2))
        counts += np.bincount(rank[part].ravel(), minlength=_STEPS + 1)
    wanted = max(1, round(share * rank.size))
    limit = int(np.flatnonzero(np.cumsum(counts[::-1])[::-1] >= wanted)[-1])
    bits = np.empty(rank.shape, dtype=np.uint8)
    for part in _parts(len(rows)):
        bits[part] = rank[part] >= limit
    marked = bits.sum(axis=1, dtype=np.int64).astype(np.float64)
    length = np.sqrt(marked - marked**2 / len(seeds))
    return Profiles(bits, np.divide(1, length, out=np.zeros_like(length), where=length > 0), place)


def regular_seeds(candidates: IntArray, n_seeds: int) -> IntArray:
    """Take evenly spaced elements of an axis; all of them where there are fewer."""
    if len(candidates) <= n_seeds:
        return candidates
    return np.asarray(candidates[np.linspace(0, len(candidates) - 1, n_seeds).round().astype(np.int64)])


def as_directions(values: FloatArray) -> FloatArray:
    """Centre each row over the seeds and bring it to length 1; rows without variation become 0."""
    centred: FloatArray = values.astype(np.float64) - values.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9))


def name_rows(grayordinates: Grayordinates, rows: IntArray) -> IntArray:
    """Give cortical rows as (hemisphere, vertex), hemisphere 0 left and 1 right; (row, 2)."""
    vertices = np.concatenate([grayordinates.left, grayordinates.right])
    return np.stack([rows >= len(grayordinates.left), vertices[rows]], axis=1).astype(np.int64)


def find_rows(grayordinates: Grayordinates, named: IntArray) -> IntArray:
    """Find the cortical row of each (hemisphere, vertex); -1 where the axis has none."""
    lookup = np.full((2, grayordinates.n_vertices), -1, dtype=np.int64)
    lookup[0, grayordinates.left] = np.arange(len(grayordinates.left))
    lookup[1, grayordinates.right] = np.arange(len(grayordinates.left), grayordinates.n_cortex)
    return np.asarray(lookup[named[:, 0], named[:, 1]])


def _parts(n_rows: int) -> Iterator[slice]:
    for first in range(0, n_rows, _ROWS):
        yield slice(first, min(first + _ROWS, n_rows))
