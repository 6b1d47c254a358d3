"""Nuclei as labelled voxels: how far a place is from each, and how much of each lies in a region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from actionloop import facts
from actionloop.brain.region import STEP_MM, Region, box_distance, places_mm, voxel_shares
from actionloop.errors import EmptyRegionError, GeometryError, OptionError
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Hemisphere, IntArray

_TABLES: dict[str, Any] = facts.load("nuclei")
MIDLINE_MM = float(_TABLES["limits"]["midline_mm"])
"""Nearer to x = 0 than this, a place has no side."""
ATLASES = tuple(name for name, table in _TABLES.items() if isinstance(table, dict) and "labels" in table)
"""Atlases whose labels are known (data/nuclei.toml)."""


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Labelled structures of one image.

    Attributes
    ----------
    names : tuple of str
    sides : tuple of {'L', 'R'}
    ijk : tuple of (voxel, 3) int ndarray
        Voxels of each.
    affine : (4, 4) float ndarray
        ijk to RAS mm, axes at right angles.
    source : str

    Raises
    ------
    EmptyRegionError
        A nucleus without a voxel.
    GeometryError
        Sheared voxels, or a nucleus on the other side of the midline than said: the image is mirrored.
    """

    names: tuple[str, ...]
    sides: tuple[Hemisphere, ...]
    ijk: tuple[IntArray, ...]
    affine: FloatArray
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        axes = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            raise GeometryError("the voxels of the atlas are sheared; distances to them are not defined", where=where)
        for name, side, voxels in zip(self.names, self.sides, self.ijk, strict=True):
            if not len(voxels):
                raise EmptyRegionError(f"the atlas has no voxel of {name} ({SIDES[side]})", where=where)
            x = float(places_mm(voxels, self.affine)[:, 0].mean())
            if (x > 0) != (side == "R"):
                raise GeometryError(
                    f"{name} is labelled {SIDES[side]} but lies at x = {x:+.1f} mm (RAS: left is negative)",
                    where=where,
                    fix="the image is stored or read mirrored; check its qform and sform",
                )

    def centres_mm(self, nucleus: int) -> FloatArray:
        """Centre of each voxel of a nucleus; (voxel, 3)."""
        return places_mm(self.ijk[nucleus], self.affine)

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))


@dataclass(frozen=True)
class NucleusReading:
    """Where a place or a region stands to one nucleus.

    Attributes
    ----------
    name : str
    side : {'L', 'R'}
    volume_mm3 : float
        Of the nucleus.
    distance_mm : float
        From the region's centre to the nearest voxel's box; 0 inside.
    centroid_mm : float
        From the region's centre to the centroid of the nucleus.
    overlap_mm3 : float
    share_of_region, share_of_nucleus : float
        Of the overlap, 0 to 1.
    """

    name: str
    side: Hemisphere
    volume_mm3: float
    distance_mm: float
    centroid_mm: float
    overlap_mm3: float
    share_of_region: float
    share_of_nucleus: float


def atlas_nuclei(
    label: IntArray | FloatArray,
    affine: FloatArray,
    *,
    atlas: str,
    side: Hemisphere | None = None,
    grouped: bool = False,
    source: str = "",
) -> Nuclei:
    """Take the nuclei out of an atlas image.

    Parameters
    ----------
    label : (i, j, k) ndarray
        Whole numbers.
    affine : (4, 4) float ndarray
        ijk to RAS mm (MNI).
    atlas : str
        One of `ATLASES`.
    side : {'L', 'R'}, optional
        Take this side alone; needed where the atlas has an image for each.
    grouped : bool
        Join nuclei to the groups that all atlases have: CM-Pf, VPL, pulvinar-LP.
    source : str

    Returns
    -------
    Nuclei

    Raises
    ------
    OptionError
        No such atlas, or no side for one that has an image for each.
    EmptyRegionError, GeometryError
        As `Nuclei`.
    """
    if atlas not in ATLASES:
        raise OptionError(f"there is no atlas of nuclei {atlas!r}", fix=f"choose one of {', '.join(ATLASES)}")
    table: Mapping[str, Any] = _TABLES[atlas]
    if table["split"] and side is None:
        raise OptionError(f"{atlas} has an image for each side; say which one this is", where=source or None)
    wanted = HEMISPHERES if side is None else (side,)
    groups = table["groups"] if grouped else {name: [name] for name in table["labels"]}
    order: Literal["C", "F"] = "F" if label.flags.f_contiguous else "C"  # as it lies in memory: atlases are large
    flat = label.ravel(order)
    filled = np.flatnonzero(flat)
    place, value = np.stack(np.unravel_index(filled, label.shape, order), axis=1), flat[filled]
    names, sides, ijk = [], [], []
    for one in wanted:
        for name, members in groups.items():
            names.append(str(name))
            sides.append(one)
            ijk.append(place[np.isin(value, [table["labels"][member][one] for member in members])])
    return Nuclei(tuple(names), tuple(sides), tuple(ijk), affine, source)


def read_nuclei(
    nuclei: Nuclei, region: Region, *, side: Hemisphere | None = None, step_mm: float = STEP_MM
) -> tuple[NucleusReading, ...]:
    """Tell how far every nucleus is from a region's centre, and how much of it the region takes.

    Parameters
    ----------
    nuclei : Nuclei
    region : Ball or Mask
        In the space of the atlas; a mask may have any grid.
    side : {'L', 'R'}, optional
        Nuclei of this side alone.
    step_mm : float
        Overlap is counted at points of the nucleus no farther apart.

    Returns
    -------
    tuple of NucleusReading
        Nearest first, those at the same distance by falling overlap.
    """
    readings = []
    for number, (name, own) in enumerate(zip(nuclei.names, nuclei.sides, strict=True)):
        if side is not None and own != side:
            continue
        volume = len(nuclei.ijk[number]) * nuclei.voxel_mm3
        shared = float(voxel_shares(region, nuclei.ijk[number], nuclei.affine, step_mm=step_mm).sum())
        overlap = shared * nuclei.voxel_mm3
        centre = nuclei.centres_mm(number).mean(axis=0)
        readings.append(
            NucleusReading(
                name=name,
                side=own,
                volume_mm3=volume,
                distance_mm=box_distance(region.centre_mm, nuclei.ijk[number], nuclei.affine),
                centroid_mm=float(np.linalg.norm(region.centre_mm - centre)),
                overlap_mm3=overlap,
                share_of_region=min(1.0, overlap / region.volume_mm3),
                share_of_nucleus=overlap / volume,
            )
        )
    return tuple(sorted(readings, key=lambda reading: (reading.distance_mm, -reading.overlap_mm3)))


def hemisphere_of(xyz_mm: FloatArray, *, said: Hemisphere | None = None) -> Hemisphere:
    """Tell the side of a place, and refuse one that has none or lies opposite to what was said.

    Parameters
    ----------
    xyz_mm : (3,) float ndarray
        RAS, with the origin on the midline (MNI).
    said : {'L', 'R'}, optional

    Raises
    ------
    GeometryError
        Nearer to the midline than `MIDLINE_MM` with nothing said, or beyond it on the other side than said.
    """
    x = float(xyz_mm[0])
    if said is None and abs(x) < MIDLINE_MM:
        raise GeometryError(
            f"a place at x = {x:+.1f} mm has no side: it lies within {MIDLINE_MM:g} mm of the midline",
            fix="say left or right",
        )
    found: Hemisphere = "R" if x > 0 else "L"
    if said is not None and abs(x) >= MIDLINE_MM and found != said:
        raise GeometryError(
            f"the place is said to be {SIDES[said]} but x = {x:+.1f} mm is {SIDES[found]} (RAS: left is negative)",
            fix="find out where left and right were exchanged; do not change the word",
        )
    return said or found
