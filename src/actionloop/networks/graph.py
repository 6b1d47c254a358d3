"""The graph of each row's strongest partners, built while correlations stream by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.arrays import Device
from actionloop.networks.pairs import Neighbourhood
from actionloop.signal import correlation_blocks
from actionloop.types import Basis, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Partners:
    """The partners of each row, strongest first; the lower row comes first among equals.

    Attributes
    ----------
    partner : (grayordinate, rank) int32 ndarray
        -1 where there are no more with r above 0.
    weight : (grayordinate, rank) float32 ndarray
        Pearson r; 0 where there is no partner.
    """

    partner: IntArray
    weight: FloatArray

    def edges(self, n_partners: int) -> tuple[IntArray, IntArray, FloatArray]:
        """Join every row with its first partners.

        Parameters
        ----------
        n_partners : int
            Of each row, at most as many as there are ranks.

        Returns
        -------
        one, other : (edge,) int32 ndarray
            Rows joined; each edge comes once, whether one of its rows chose the other or both did.
        weight : (edge,) float32 ndarray
        """
        other, weight = self.partner[:, :n_partners], self.weight[:, :n_partners]
        one = np.broadcast_to(np.arange(len(other), dtype=np.int32)[:, None], other.shape)
        # The edge from the higher row is new unless the lower one chose it too, which the last of its choices tells.
        last, least = other[other, -1], weight[other, -1]
        one_sided = (last >= 0) & ((weight < least) | ((weight == least) & (one > last)))
        new = (other >= 0) & ((one < other) | one_sided)
        return one[new], other[new], weight[new]


def strongest_partners(
    basis: Basis,
    n_partners: int,
    *,
    valid: BoolArray,
    nearby: Neighbourhood | None = None,
    device: Device | None = None,
) -> Partners:
    """Find the partners with which each row correlates most.

    Every correlation is computed once and offered to both of its rows, which keep the best offers so far in a heap. The
    order of offers does not matter, for ties are broken by the row's number.

    Parameters
    ----------
    basis : Basis
    n_partners : int
        Partners of each row; memory is 8 bytes for each of them and a block.
    valid : (grayordinate,) bool ndarray
        Rows that take part.
    nearby : Neighbourhood or None
        Pairs that do not count. Taken to be symmetric.
    device : Device, optional

    Returns
    -------
    Partners
        Without pairs of voxels, and without r of 0 and below.
    """
    from actionloop.networks import offers

    n_rows = len(valid)
    weight = np.zeros((n_rows, n_partners), dtype=np.float32)
    partner = np.full((n_rows, n_partners), -1, dtype=np.int32)
    # Blocks of voxel rows would hold pairs of voxels only.
    cortex = slice(0, basis.grayordinates.n_cortex)
    for rows, block in correlation_blocks(basis, rows=cortex, upper=True, device=device):
        if nearby is not None:
            offers.strike(block, rows.start, *nearby.block(rows))
        offers.offer_to_rows(block, rows.start, valid, partner, weight)
        offers.offer_to_columns(block, rows.start, valid, partner, weight)
    offers.sort(partner, weight)
    return Partners(partner, weight)
