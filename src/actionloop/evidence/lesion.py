"""A lesion in MNI space, from a mask or a coordinate, and the rows of a scan that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from actionloop import facts
from actionloop.brain.nuclei import hemisphere_of
from actionloop.brain.parcels import Parcels
from actionloop.brain.region import Ball, Mask, Region, voxel_shares
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.types import HEMISPHERES, Anatomy, FloatArray, Grayordinates, Hemisphere, Image

LesionSide = Literal["L", "R", "both"]

_FACTS: dict[str, Any] = facts.load("lesion")["seed"]
_WORDS: Mapping[LesionSide, str] = {"L": "left", "R": "right", "both": "both sides"}


@dataclass(frozen=True, eq=False)
class Lesion:
    """A lesion whose side was said and agrees with its place.

    Attributes
    ----------
    name : str
    region : Ball or Mask
        RAS mm, MNI.
    side : {'L', 'R', 'both'}
    made : str
        E.g. 'sphere of 3 mm around a coordinate'.
    """

    name: str
    region: Region
    side: LesionSide
    made: str

    @property
    def statement(self) -> str:
        """The side twice: as a word, and beside the sign of x."""
        x = float(self.region.centre_mm[0])
        sign = "negative" if x < 0 else "positive"
        where = "BOTH SIDES" if self.side == "both" else f"{_WORDS[self.side].upper()} hemisphere"
        return f"{self.name} ({_WORDS[self.side]}): {where}, centre at x = {x:+.1f} mm, {sign} (RAS: left is negative)"


@dataclass(frozen=True, eq=False)
class LesionRows:
    """What a lesion takes of the rows of a scan.

    Attributes
    ----------
    weight : (grayordinate,) float32 ndarray
        Share of each voxel, and of each vertex's depth, that lies in it.
    covered : float
        Share of its volume that voxels of the scan hold; the rest is white matter, fluid or cortex.
    structure_mm3 : mapping of str to float
        Volume in each structure of voxels.
    """

    weight: FloatArray
    covered: float
    structure_mm3: Mapping[str, float]


def lesion_at(
    xyz_mni: FloatArray, *, radius_mm: float | None = None, side: Hemisphere | None = None, name: str = "lesion"
) -> Lesion:
    """Take a sphere around a coordinate for a lesion.

    Parameters
    ----------
    xyz_mni : (3,) float ndarray
        RAS mm, MNI.
    radius_mm : float, optional
        `seed.radius_mm` of data/lesion.toml unless given.
    side : {'L', 'R'}, optional
        Needed close to the midline.
    name : str

    Returns
    -------
    Lesion

    Raises
    ------
    GeometryError
        No finite coordinate, no radius, no side, or a side that contradicts x.
    """
    radius = float(_FACTS["radius_mm"] if radius_mm is None else radius_mm)
    ball = Ball(np.asarray(xyz_mni, dtype=np.float64), radius)
    return Lesion(name, ball, hemisphere_of(ball.centre_mm, said=side), f"sphere of {radius:g} mm around a coordinate")


def lesion_of(
    mask: Image,
    *,
    side: LesionSide,
    reference: Image | None = None,
    moving_to_mni: FloatArray | None = None,
    name: str = "lesion",
) -> Lesion:
    """Take a mask for a lesion.

    A mask stored mirrored looks like any other. What gives it away is the grid of the image it was drawn on, and the
    side that somebody who knows the patient says.

    Parameters
    ----------
    mask : Image
        Above 0 in the lesion.
    side : {'L', 'R', 'both'}
        Where the lesion is known to be.
    reference : Image, optional
        The image that it was drawn on.
    moving_to_mni : (4, 4) float ndarray, optional
        From RAS mm of the mask to those of MNI; needed where the mask's frame is not MNI.
    name : str

    Returns
    -------
    Lesion

    Raises
    ------
    InputError
        Values that are not finite.
    EmptyRegionError
        Nothing above 0.
    GeometryError
        Another grid than the reference's, its x axis reversed among them; native space without a transform, a
        transform that mirrors; or most of the lesion on the other side than said.
    OptionError
        No such side.
    """
    where, values = mask.source or None, np.asarray(mask.data)
    if side not in _WORDS:
        raise OptionError(f"{side!r} is no side of a lesion", fix="say 'L', 'R' or 'both'")
    if not np.isfinite(values).all():
        raise InputError("the lesion mask holds NaN or infinite values", where=where, fix="save it with 0 and 1 only")
    if reference is not None:
        _require_grid(mask, reference)
    affine = np.asarray(mask.affine, dtype=np.float64)
    if moving_to_mni is not None:
        affine = _checked(moving_to_mni, where) @ affine
    elif not mask.frame.startswith("MNI"):
        raise GeometryError(
            f"the lesion mask is in the frame {mask.frame!r}; healthy people's scans are in MNI space",
            where=where,
            fix="give the affine that takes it to MNI, or a mask that was warped there",
        )
    if not (values > 0).any():
        raise EmptyRegionError("the lesion mask is empty: no voxel is above 0", where=where)
    region = Mask(values > 0, affine)
    _require_side(region, side, where)
    return Lesion(name, region, side, "mask")


def lesion_rows(lesion: Lesion, grayordinates: Grayordinates, *, anatomy: Anatomy | None = None) -> LesionRows:
    """Find the share of each row of a scan that a lesion takes.

    Parameters
    ----------
    lesion : Lesion
    grayordinates : Grayordinates
        Its voxels in MNI space.
    anatomy : Anatomy, optional
        Surfaces in MNI space, on the mesh of the rows: without them a lesion takes no cortex.

    Returns
    -------
    LesionRows

    Raises
    ------
    EmptyRegionError
        No row lies in it.
    """
    n_cortex, voxels = grayordinates.n_cortex, grayordinates.voxels
    weight = np.zeros(len(grayordinates), dtype=np.float32)
    structures, held = dict[str, float](), 0.0
    if voxels is not None:
        share = voxel_shares(lesion.region, voxels.ijk, voxels.affine)
        volume = share * float(abs(np.linalg.det(voxels.affine[:3, :3])))
        names = np.asarray(voxels.structure)
        structures = {str(one): float(volume[names == one].sum()) for one in np.unique(names[share > 0])}
        held = min(1.0, float(volume.sum()) / lesion.region.volume_mm3)
        weight[n_cortex:] = share
    if anatomy is not None:
        weight[:n_cortex] = _cortical_shares(lesion.region, grayordinates, anatomy)
    if not weight.any():
        centre = ", ".join(f"{x:.0f}" for x in lesion.region.centre_mm)
        extra = "" if anatomy is not None else " (cortex was not looked at: no surfaces)"
        raise EmptyRegionError(
            f"{lesion.name} at MNI {centre} lies outside the brain: no row of the scans is within it{extra}",
            fix="check that it is in MNI space (RAS mm), or give a larger radius",
        )
    return LesionRows(weight, held, structures)


def on_parcels(weight: FloatArray, parcels: Parcels) -> FloatArray:
    """Bring weights on cortical rows to parcels: the sum over each parcel's members.

    A parcel's series is its members' mean, which stands for each of them.

    Parameters
    ----------
    weight : (..., grayordinate) float ndarray
        The first rows are those of ``parcels.cortex``.
    parcels : Parcels

    Returns
    -------
    (..., parcel) float32 ndarray

    Raises
    ------
    GeometryError
        Fewer rows than the parcels index.
    EmptyRegionError
        A lesion takes no parcel.
    """
    weight = np.asarray(weight)
    if weight.shape[-1] < len(parcels.cortex):
        raise GeometryError(f"weights on {weight.shape[-1]} rows do not fit parcels of {len(parcels.cortex)} rows")
    out: FloatArray = np.stack([weight[..., rows].sum(axis=-1) for rows in parcels.members], axis=-1)
    if not out.any(axis=-1).all():
        raise EmptyRegionError(
            "the lesion takes no parcel", fix="these parcels are cortex alone: use scans with voxels"
        )
    return out.astype(np.float32)


def _cortical_shares(region: Region, grayordinates: Grayordinates, anatomy: Anatomy) -> FloatArray:
    """Share of the depth from white to pial surface that lies in a region; (cortical row,)."""
    share, depths = np.zeros(grayordinates.n_cortex), np.linspace(0, 1, int(_FACTS["depths"]))[:, None, None]
    for hemisphere in HEMISPHERES:
        white, pial = (anatomy.surface(hemisphere, kind) for kind in ("white", "pial"))
        if white.n_vertices != grayordinates.n_vertices:
            raise GeometryError(
                f"the rows belong to a mesh of {grayordinates.n_vertices} vertices, the surface has {white.n_vertices}",
                where=white.source or None,
            )
        own = grayordinates.vertices(hemisphere)
        places = (1 - depths) * white.vertices[own] + depths * pial.vertices[own]
        share[grayordinates.rows(hemisphere)] = region.contains(places).mean(axis=0)
    return share


def _require_grid(mask: Image, reference: Image) -> None:
    """Refuse a mask on another grid than the image it was drawn on, and say so when only x runs the other way."""
    where, to_name = mask.source or None, reference.source or "the image it was drawn on"
    slack = 1e-3 * float(np.linalg.norm(reference.affine[:3, :3], axis=0).max())
    same_shape = mask.data.shape == reference.data.shape
    if same_shape and np.allclose(mask.affine, reference.affine, atol=slack):
        return
    mine, other = (image.affine[0, :3] / np.linalg.norm(image.affine[0, :3]) for image in (mask, reference))
    if same_shape and float(mine @ other) < 0:
        raise GeometryError(
            f"the lesion mask's affine is mirrored against that of {to_name}: along its first axis left and right are "
            "exchanged, or the voxels were reordered",
            where=where,
            fix="save the mask again on the grid of that image and look at both: it must lie where it was drawn",
        )
    raise GeometryError(
        f"the lesion mask {mask.data.shape} is on another grid than {to_name} {reference.data.shape}",
        where=where,
        fix="resample the mask to that image with nearest neighbour, or give the image that it was drawn on",
    )


def _checked(transform: FloatArray, where: str | None) -> FloatArray:
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise GeometryError("the transform to MNI is not a finite 4 x 4 affine", where=where)
    if not np.linalg.det(matrix[:3, :3]) > 0:
        raise GeometryError(
            f"the transform to MNI mirrors or flattens (determinant {np.linalg.det(matrix[:3, :3]):+.3f})",
            where=where,
            fix="left and right would be exchanged; check that it is in RAS mm on both ends (ITK writes LPS)",
        )
    return matrix


def _require_side(region: Mask, side: LesionSide, where: str | None) -> None:
    """Refuse a mask most of which lies on the other side than said."""
    right = float((region.points_mm[:, 0] > 0).mean())
    found = {"L": 1 - right, "R": right, "both": min(right, 1 - right)}[side]
    if found < 0.5 if side != "both" else not found:
        raise GeometryError(
            f"the lesion is said to be {_WORDS[side]}, but {right:.0%} of it lies at x above 0 (RAS: left is negative)",
            where=where,
            fix="a mask stored radiologically is read mirrored; check its affine against the patient's images",
        )
