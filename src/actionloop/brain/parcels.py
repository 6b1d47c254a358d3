"""Parcels of the cortex: which rows each has, and the one vertex that stands for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from actionloop.brain.surface import piece_centre, vertex_areas
from actionloop.errors import GeometryError
from actionloop.types import HEMISPHERES, FloatArray, Grayordinates, Hemisphere, IntArray, Surface


@dataclass(frozen=True, eq=False)
class Parcels:
    """A parcellation of the cortex, its parcels in the order of a sparse axis.

    Attributes
    ----------
    names : tuple of str
        One per parcel.
    axis : Grayordinates
        One vertex per parcel, the member nearest to its centroid: left parcels first, ascending by that vertex, then
        right ones. Series and maps of parcels live on this axis.
    cortex : Grayordinates
        The full cortical axis that `members` index.
    members : tuple of (member,) int ndarray
        Rows of `cortex` that belong to each parcel.

    Raises
    ------
    GeometryError
        Arrays that do not fit each other, a parcel without rows, rows in two parcels, voxels, or a vertex that stands
        for a parcel without belonging to it.
    """

    names: tuple[str, ...]
    axis: Grayordinates
    cortex: Grayordinates
    members: tuple[IntArray, ...]

    def __post_init__(self) -> None:
        n_parcels = len(self.names)
        if self.axis.voxels is not None or self.cortex.voxels is not None:
            raise GeometryError("parcels are made of cortical rows; found voxels")
        if not n_parcels or len(self.members) != n_parcels or len(self.axis) != n_parcels:
            raise GeometryError(
                f"expected one name, vertex and set of rows per parcel, found {n_parcels}, {len(self.axis)} "
                f"and {len(self.members)}"
            )
        empty = [name for name, rows in zip(self.names, self.members, strict=True) if not len(rows)]
        if empty:
            raise GeometryError(f"parcels without any row: {', '.join(empty[:5])}")
        rows = np.concatenate(self.members)
        if rows.min() < 0 or rows.max() >= len(self.cortex):
            raise GeometryError(f"parcels hold rows outside 0..{len(self.cortex) - 1}")
        if len(np.unique(rows)) != len(rows):
            raise GeometryError(f"{len(rows) - len(np.unique(rows))} rows lie in more than one parcel")
        for hemisphere in HEMISPHERES:
            stands_for = self.cortex.to_mesh(self.owner, hemisphere, fill=-1)[self.axis.vertices(hemisphere)]
            span = self.axis.rows(hemisphere)
            if not np.array_equal(stands_for, np.arange(span.start, span.stop)):
                raise GeometryError("a vertex stands for a parcel that it does not belong to")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def owner(self) -> IntArray:
        """Parcel of each row of `cortex`, -1 where there is none; (row of cortex,)."""
        owner = np.full(len(self.cortex), -1, dtype=np.int64)
        owner[np.concatenate(self.members)] = np.repeat(np.arange(len(self)), [len(rows) for rows in self.members])
        return owner


def make_parcels(
    names: Sequence[str],
    members: Sequence[IntArray],
    cortex: Grayordinates,
    surfaces: Mapping[Hemisphere, Surface],
) -> tuple[Parcels, IntArray]:
    """Choose the vertex that stands for each parcel, and bring the parcels to the order of these vertices.

    A parcel with rows on both hemispheres is stood for on the one where it has more.

    Parameters
    ----------
    names : sequence of str
        One per parcel.
    members : sequence of (member,) int ndarray
        Rows of `cortex` of each parcel.
    cortex : Grayordinates
        Without voxels.
    surfaces : mapping of hemisphere to Surface
        Midthickness, for the centroids (area-weighted, mm).

    Returns
    -------
    Parcels
    (parcel,) int ndarray
        For each parcel of the result, its place in `names`: ``data[:, order]`` brings a series along.

    Raises
    ------
    GeometryError
        As `Parcels`, or surfaces of another mesh.
    """
    if len(names) != len(members):
        raise GeometryError(f"{len(names)} names were given for {len(members)} parcels")
    for hemisphere in HEMISPHERES:
        if surfaces[hemisphere].n_vertices != cortex.n_vertices:
            raise GeometryError(
                f"the surface of hemisphere {hemisphere} has {surfaces[hemisphere].n_vertices} vertices, the rows "
                f"belong to a mesh of {cortex.n_vertices}"
            )
    area_mm2: dict[Hemisphere, FloatArray] = {side: vertex_areas(surfaces[side]) for side in HEMISPHERES}
    n_left = len(cortex.left)
    place: list[tuple[int, int]] = []
    for name, rows in zip(names, members, strict=True):
        if not len(rows):
            raise GeometryError(f"parcels without any row: {name}")
        if rows.min() < 0 or rows.max() >= cortex.n_cortex:
            raise GeometryError(f"parcel {name} holds rows outside 0..{cortex.n_cortex - 1}")
        on_left = rows < n_left
        side = 0 if 2 * on_left.sum() >= len(rows) else 1
        vertices = cortex.left[rows[on_left]] if side == 0 else cortex.right[rows[~on_left] - n_left]
        hemisphere = HEMISPHERES[side]
        place.append((side, piece_centre(surfaces[hemisphere], vertices, area_mm2=area_mm2[hemisphere])))
    order = np.array(sorted(range(len(names)), key=lambda parcel: place[parcel]), dtype=np.int64)
    sides, centres = np.array(place, dtype=np.int64)[order].T
    if (np.diff(centres)[np.diff(sides) == 0] <= 0).any():
        raise GeometryError("two parcels share a vertex; every vertex may belong to one parcel")
    parcels = Parcels(
        names=tuple(names[parcel] for parcel in order),
        axis=Grayordinates(centres[sides == 0], centres[sides == 1], cortex.n_vertices),
        cortex=cortex,
        members=tuple(np.sort(members[parcel]) for parcel in order),
    )
    return parcels, order


def label_parcels(
    label: IntArray, names: Mapping[int, str], cortex: Grayordinates, surfaces: Mapping[Hemisphere, Surface]
) -> tuple[Parcels, IntArray]:
    """Make parcels of an atlas: one per key of `names`.

    Parameters
    ----------
    label : (row of cortex,) int ndarray
        Key of each row; 0 belongs to no parcel.
    names : mapping of key to name
    cortex : Grayordinates
    surfaces : mapping of hemisphere to Surface
        Midthickness.

    Returns
    -------
    Parcels
    (parcel,) int ndarray
        For each parcel, its place among the ascending keys: with 360 keys 1 to 360, ``key - 1``.

    Raises
    ------
    GeometryError
        Labels that do not fit the axis, or a key without any row.
    """
    if label.shape != (len(cortex),):
        raise GeometryError(f"expected labels of shape ({len(cortex)},), found {label.shape}")
    keys = sorted(names)
    return make_parcels([names[key] for key in keys], [np.flatnonzero(label == key) for key in keys], cortex, surfaces)
