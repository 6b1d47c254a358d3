"""Regions whose connectivity is asked for: parts of the cortex, quadrants, spheres and nuclei."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import Geodesic, row_places
from actionloop.errors import EmptyRegionError, GeometryError, OptionError
from actionloop.types import HEMISPHERES, SIDES, Anatomy, BoolArray, FloatArray, Grayordinates, Hemisphere, NetworkMap


@dataclass(frozen=True, eq=False)
class Region:
    """Some rows of a map under one name; a thalamic nucleus, say.

    Attributes
    ----------
    name : str
    rows : (grayordinate,) bool ndarray

    Raises
    ------
    GeometryError
        Not a bool mask.
    EmptyRegionError
        No rows.
    """

    name: str
    rows: BoolArray

    def __post_init__(self) -> None:
        if self.rows.dtype != np.bool_ or self.rows.ndim != 1:
            raise GeometryError(
                f"expected the region {self.name!r} as a bool mask of shape (grayordinate,), found {self.rows.dtype} "
                f"{self.rows.shape}"
            )
        if not self.rows.any():
            raise EmptyRegionError(f"the region {self.name!r} has no rows", fix="check the mask and its space")


def network_region(network_map: NetworkMap, name: str) -> Region:
    """Return the cortex of one of a person's networks.

    Parameters
    ----------
    network_map : NetworkMap
    name : str

    Returns
    -------
    Region
        Without voxels: the map's say on these is weaker.
    """
    rows = network_map.members(name).copy()
    rows[network_map.grayordinates.n_cortex :] = False
    return Region(name, rows)


def cortical_regions(grayordinates: Grayordinates, area: NDArray[np.str_]) -> list[Region]:
    """Return dACC/SMA and insula, both sides together, as data/contrast.toml puts them together.

    Parameters
    ----------
    grayordinates : Grayordinates
    area : (cortical grayordinate,) str ndarray
        HCP-MMP area (without side) of each cortical row.

    Returns
    -------
    list of Region
    """
    if area.shape != (grayordinates.n_cortex,):
        raise GeometryError(f"expected an area for each of {grayordinates.n_cortex} cortical rows, found {area.shape}")
    wanted = facts.load("contrast")["cortical"]
    return [Region(one["name"], _padded(np.isin(area, one["areas"]), grayordinates)) for one in wanted]


def subcortical_regions(grayordinates: Grayordinates) -> list[Region]:
    """Return the dorsal posterior putamen and spheres around the published thalamic and cerebellar points of SCAN.

    Parameters
    ----------
    grayordinates : Grayordinates
        With voxels in MNI space, named by their CIFTI structures.

    Returns
    -------
    list of Region
        Both sides together.

    Raises
    ------
    EmptyRegionError
        No voxels of these structures.

    References
    ----------
    .. [1] Gordon et al. 2023, doi:10.1038/s41586-023-05964-2 (Table S1)
    """
    spheres = facts.load("contrast")["spheres"]
    found = [putamen_quadrant(grayordinates)]
    for point in facts.load("scan")["subcortical"]:
        if point["name"] in spheres["structures"]:
            sides = [
                voxel_sphere(
                    grayordinates,
                    np.asarray(point[side], dtype=np.float64),
                    radius_mm=float(spheres["radius_mm"]),
                    structure=spheres["structures"][point["name"]] + SIDES[side].upper(),
                )
                for side in HEMISPHERES
            ]
            found.append(Region(point["name"], sides[0] | sides[1]))
    return found


def putamen_quadrant(grayordinates: Grayordinates) -> Region:
    """Return the dorsal posterior quadrant of the putamen of both sides.

    Each side is cut at the median y and the median z of its voxels; voxels on a cut belong to the quadrant.

    Parameters
    ----------
    grayordinates : Grayordinates
        With voxels, RAS.

    Returns
    -------
    Region

    Raises
    ------
    EmptyRegionError
        A putamen without voxels.
    """
    wanted = facts.load("contrast")["putamen"]
    rows = np.zeros(len(grayordinates), dtype=bool)
    for side in HEMISPHERES:
        own, xyz = structure_voxels(grayordinates, wanted["structure"] + SIDES[side].upper())
        middle = np.median(xyz, axis=0)
        rows[own[(xyz[:, 1] <= middle[1]) & (xyz[:, 2] >= middle[2])]] = True
    return Region(wanted["name"], rows)


def voxel_sphere(grayordinates: Grayordinates, xyz_mni: FloatArray, *, radius_mm: float, structure: str) -> BoolArray:
    """Voxels of a structure whose centres lie within a radius of a point.

    Parameters
    ----------
    grayordinates : Grayordinates
    xyz_mni : (3,) float ndarray
        mm, in the space of the voxels.
    radius_mm : float
    structure : str
        CIFTI structure, e.g. 'CIFTI_STRUCTURE_THALAMUS_LEFT'.

    Returns
    -------
    (grayordinate,) bool ndarray

    Raises
    ------
    OptionError
        A radius that is none.
    EmptyRegionError
        No voxel so near.
    """
    if not 0 < radius_mm < np.inf:
        raise OptionError(f"expected a radius above 0 mm, found {radius_mm}")
    own, xyz = structure_voxels(grayordinates, structure)
    away_mm = np.linalg.norm(xyz - xyz_mni, axis=1)
    rows = np.zeros(len(grayordinates), dtype=bool)
    rows[own[away_mm <= radius_mm]] = True
    if not rows.any():
        place = ", ".join(f"{value:g}" for value in xyz_mni)
        raise EmptyRegionError(
            f"no voxel of {structure} lies within {radius_mm:g} mm of {place}; the nearest lies at {away_mm.min():.1f}",
            fix="check side and space of the point (RAS, MNI mm)",
        )
    return rows


def structure_voxels(grayordinates: Grayordinates, structure: str) -> tuple[NDArray[np.intp], FloatArray]:
    """Rows and centres (RAS mm) of the voxels of a CIFTI structure.

    Raises
    ------
    EmptyRegionError
        There are none.
    """
    voxels = grayordinates.voxels
    own = np.zeros(0, dtype=np.intp) if voxels is None else np.flatnonzero(voxels.structure == structure)
    if voxels is None or not own.size:
        raise EmptyRegionError(
            f"there are no voxels of {structure}",
            fix="subcortical regions need grayordinates with voxels, e.g. a 91k dtseries",
        )
    xyz: FloatArray = voxels.ijk[own] @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
    return own + grayordinates.n_cortex, xyz


def near_rows(grayordinates: Grayordinates, anatomy: Anatomy, seed: BoolArray, *, distance_mm: float) -> BoolArray:
    """Cortical rows within a distance of some cortical rows.

    Within a hemisphere the distance runs along the midthickness (heat method, a few per cent off); to the other one it
    is straight.

    Parameters
    ----------
    grayordinates : Grayordinates
    anatomy : Anatomy
    seed : (grayordinate,) bool ndarray
        Its voxels do not count.
    distance_mm : float
        0 gives the seed's own rows.

    Returns
    -------
    (grayordinate,) bool ndarray
        False for voxels.

    Raises
    ------
    OptionError
        A distance below 0.
    """
    if not 0 <= distance_mm < np.inf:
        raise OptionError(f"expected a distance of 0 mm or more, found {distance_mm}")
    near = seed.copy()
    near[grayordinates.n_cortex :] = False
    if distance_mm == 0:
        return near
    cortex = grayordinates.cortex()
    places, own = row_places(cortex, anatomy), np.flatnonzero(seed[: len(cortex)])
    for side in HEMISPHERES:
        rows = np.arange(len(cortex))[cortex.rows(side)]
        here = _vertices(seed, cortex, side)
        if here.size:
            along = Geodesic(anatomy.surface(side)).from_vertices(here)
            near[rows[along[cortex.vertices(side)] <= distance_mm]] = True
        opposite = own[(own < rows[0]) | (own > rows[-1])] if rows.size else own
        if opposite.size and rows.size:
            straight, _ = cKDTree(places[opposite]).query(places[rows], distance_upper_bound=distance_mm * (1 + 1e-9))
            near[rows[np.isfinite(straight)]] = True
    return near


def without(region: Region, rows: BoolArray) -> Region | None:
    """Return a region less some rows; None where nothing is left."""
    left = region.rows & ~rows
    return replace(region, rows=left) if left.any() else None


def _vertices(seed: BoolArray, cortex: Grayordinates, side: Hemisphere) -> NDArray[np.intp]:
    return np.asarray(cortex.vertices(side)[seed[: len(cortex)][cortex.rows(side)]], dtype=np.intp)


def _padded(cortical: BoolArray, grayordinates: Grayordinates) -> BoolArray:
    return np.concatenate([cortical, np.zeros(len(grayordinates) - len(cortical), dtype=bool)])
