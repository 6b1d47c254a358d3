"""Lesions of the same size elsewhere in the same structure: how they are drawn."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from scipy import sparse

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, OptionError
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray

_FACTS: dict[str, Any] = facts.load("lesion")["null"]


@dataclass(frozen=True, eq=False)
class Structure:
    """Rows among which lesions can lie, and which of them touch.

    Attributes
    ----------
    name : str
    rows : (member,) int ndarray
        Of the scan.
    xyz_mm : (member, 3) float ndarray
    touching : (member, member) csr_array
        Not 0 where two members share a face (or an edge of the mesh).

    Raises
    ------
    EmptyRegionError
        No member.
    GeometryError
        Arrays that do not fit each other.
    """

    name: str
    rows: IntArray
    xyz_mm: FloatArray
    touching: sparse.csr_array[Any]

    def __post_init__(self) -> None:
        n = len(self.rows)
        if not n:
            raise EmptyRegionError(f"the structure {self.name} has no row in these scans")
        if self.xyz_mm.shape != (n, 3) or self.touching.shape != (n, n):
            raise GeometryError(f"expected a place and neighbours for each of the {n} rows of {self.name}")


def structure_of(grayordinates: Grayordinates, weight: FloatArray) -> Structure:
    """Find the structure of voxels that a lesion lies in.

    Parameters
    ----------
    grayordinates : Grayordinates
        With voxels.
    weight : (grayordinate,) float ndarray
        Of the lesion.

    Returns
    -------
    Structure
        That with most of the weight; members touch where their voxels share a face.

    Raises
    ------
    GeometryError
        Weights on other rows.
    EmptyRegionError
        No voxels, or no structure that holds enough of the lesion (`null.least_inside` of data/lesion.toml).
    """
    voxels, n_cortex = grayordinates.voxels, grayordinates.n_cortex
    if weight.shape != (len(grayordinates),):
        raise GeometryError(f"expected weights of {len(grayordinates)} rows, found {weight.shape}")
    if voxels is None or not weight.any():
        raise EmptyRegionError("a lesion without voxels has no structure to draw others in")
    names = np.asarray(voxels.structure)
    held = {str(name): float(weight[n_cortex:][names == name].sum()) for name in np.unique(names)}
    best = max(held, key=lambda name: held[name])
    share, least = held[best] / float(weight.sum()), float(_FACTS["least_inside"])
    if share < least:
        raise EmptyRegionError(
            f"no structure holds {least:.0%} of the lesion (most: {share:.0%} in {best}), so there is none to draw "
            "lesions of its size in",
            fix="for cortex use spins of the map; otherwise give the structure",
        )
    member = np.flatnonzero(names == best)
    ijk = voxels.ijk[member]
    xyz = ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
    return Structure(best, member + n_cortex, xyz, _face_neighbours(ijk))


def random_lesions(
    weight: FloatArray,
    structure: Structure,
    *,
    n: int | None = None,
    avoid: BoolArray | None = None,
    scatter_mm: float | None = None,
    rng: np.random.Generator,
) -> sparse.csr_array[Any]:
    """Grow lesions of a given lesion's size from random places of a structure.

    From a random row on, the neighbour that is nearest to it joins, each row's distance lengthened at random by up to
    `scatter_mm`: connected, and round unless the scatter is large. Rounder than the lesion is on the safe side, since a
    compact seed mixes fewer circuits. The lesion's weights go to the rows in falling order, so that whole voxels lie
    inside and parts of voxels at the rim.

    Parameters
    ----------
    weight : (row,) float ndarray
        Of the lesion, on the rows of the scan.
    structure : Structure
    n : int, optional
        `null.n` of data/lesion.toml unless given.
    avoid : (row,) bool ndarray, optional
        Rows that no lesion may take, e.g. those of the lesion itself. Without it the lesion is one of the possible
        draws, as an exact test asks.
    scatter_mm : float, optional
        0 for balls, large for ragged shapes; `null.scatter_mm` unless given.
    rng : numpy Generator

    Returns
    -------
    (n, row) csr_array of float32

    Raises
    ------
    OptionError
        No lesions asked for, or a scatter below 0.
    EmptyRegionError
        A lesion without weight, or no connected part of the structure as large as it.
    """
    n = int(_FACTS["n"]) if n is None else n
    scatter = float(_FACTS["scatter_mm"]) if scatter_mm is None else scatter_mm
    if n < 1 or not scatter >= 0:
        raise OptionError(f"expected 1 null lesion or more and a scatter of 0 mm or more, found {n} and {scatter:g}")
    falling = np.sort(weight[weight > 0])[::-1].astype(np.float32)
    size = len(falling)
    if not size:
        raise EmptyRegionError("the lesion has no row, so there is no size to match")
    open_ = np.ones(len(structure.rows), dtype=bool) if avoid is None else ~np.asarray(avoid)[structure.rows]
    free = np.flatnonzero(open_)
    touching = sparse.csr_array(structure.touching[free][:, free])
    _, part = sparse.csgraph.connected_components(touching, directed=False)
    starts = np.flatnonzero(np.bincount(part)[part] >= size) if len(free) else free
    if not len(starts):
        raise EmptyRegionError(
            f"no connected part of {structure.name} ({len(free)} rows free) is as large as the lesion ({size} rows)",
            fix="do not keep out of the lesion, or draw in a larger structure",
        )
    xyz = structure.xyz_mm[free]
    indptr, indices = touching.indptr.astype(np.int64), touching.indices.astype(np.int64)
    members = np.empty((n, size), dtype=np.int64)
    for k, start in enumerate(rng.choice(starts, size=n)):
        cost = np.linalg.norm(xyz - xyz[start], axis=1) + scatter * rng.random(len(free))
        members[k] = _grow(int(start), size, indptr, indices, cost)
    columns = structure.rows[free][members].ravel()
    lesions = sparse.csr_array((np.tile(falling, n), columns, np.arange(n + 1) * size), shape=(n, len(weight)))
    lesions.sort_indices()
    return lesions


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _grow(start: Any, size: Any, indptr: Any, indices: Any, cost: Any) -> Any:
    """Take rows one after another, always the cheapest that touches those taken; (size,) in the order taken."""
    known = np.zeros(len(cost), dtype=np.bool_)
    known[start] = True
    rim = [(cost[start], start)]
    taken = np.empty(size, dtype=np.int64)
    for k in range(size):
        row = heapq.heappop(rim)[1]
        taken[k] = row
        for other in indices[indptr[row] : indptr[row + 1]]:
            if not known[other]:
                known[other] = True
                heapq.heappush(rim, (cost[other], other))
    return taken


def _face_neighbours(ijk: IntArray) -> sparse.csr_array[Any]:
    """Voxels that share a face; (voxel, voxel)."""
    low = ijk.min(axis=0) - 1
    number = np.full(ijk.max(axis=0) - low + 2, -1, dtype=np.int64)
    at = ijk - low
    number[tuple(at.T)] = np.arange(len(ijk))
    one, other = [], []
    for axis in range(3):
        beside = at.copy()
        beside[:, axis] += 1
        found = number[tuple(beside.T)]
        one.append(np.flatnonzero(found >= 0))
        other.append(found[found >= 0])
    first, second = np.concatenate(one), np.concatenate(other)
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(ijk), len(ijk)))
