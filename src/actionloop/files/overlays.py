"""What planning tools lay over a T1, in its grid, as NIfTI: probability, field, target spheres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import actionloop
from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.files.atomic import atomic_path
from actionloop.navigation import image_frame, plain, side_of, statement, with_side
from actionloop.types import BoolArray, FloatArray, Hemisphere, Image, IntArray, Surface

_DEPTHS = np.linspace(0, 1, 5)  # of the ribbon, white to pial
_NIFTI_COMMENT = 6
_LARGEST_SPHERE_MM = 100.0


def sphere_mask(image: Image, xyz_ras: FloatArray, *, radius_mm: float) -> BoolArray:
    """Mark the voxels whose centre lies in a sphere, and always the voxel at its centre.

    Parameters
    ----------
    image : Image
    xyz_ras : (3,) float ndarray
        mm in the image's frame.
    radius_mm : float

    Returns
    -------
    (i, j, k) bool ndarray

    Raises
    ------
    GeometryError
        The centre lies outside the image, or is not three finite numbers.
    OptionError
        A radius that is none.
    """
    if not 0 < radius_mm <= _LARGEST_SPHERE_MM:
        raise OptionError(f"a radius of {radius_mm} mm is not within 0 to {_LARGEST_SPHERE_MM:g}", where="radius_mm")
    place = np.asarray(xyz_ras, dtype=np.float64)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise GeometryError("the target is not three finite coordinates", where=image.source or None)
    inverse = np.linalg.inv(image.affine)
    centre = np.round(inverse[:3, :3] @ place + inverse[:3, 3]).astype(np.int64)
    shape = np.array(image.data.shape)
    if (centre < 0).any() or (centre >= shape).any():
        raise GeometryError(
            f"the target at {np.round(place, 1).tolist()} mm (RAS) lies outside the image",
            where=image.source or None,
            fix="check that target and image are of one frame",
        )
    # Rows of the inverse say how many voxels a millimetre takes along each axis.
    reach = np.ceil(radius_mm * np.linalg.norm(inverse[:3, :3], axis=1)).astype(int) + 1
    spans = [slice(max(0, c - r), min(n, c + r + 1)) for c, r, n in zip(centre, reach, shape, strict=True)]
    grid = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in spans), indexing="ij"), axis=-1)
    away = grid @ image.affine[:3, :3].T + image.affine[:3, 3] - place
    mask = np.zeros(image.data.shape, dtype=bool)
    mask[tuple(spans)] = np.linalg.norm(away, axis=-1) <= radius_mm
    mask[tuple(centre)] = True
    return mask


Ribbon = Mapping[Hemisphere, tuple[Surface, Surface]]
"""White and pial surface of each hemisphere, of the same vertices."""


@dataclass(frozen=True, eq=False)
class RibbonGrid:
    """Which vertex of the cortex each voxel on and beside the cortical ribbon takes its value from.

    Attributes
    ----------
    shape : (int, int, int)
        Of the image.
    voxels : (voxel, 3) int ndarray
    vertices : (voxel,) int ndarray
        Index into the vertices of all hemispheres, one after the other.
    counts : mapping of hemisphere to int
        Vertices of each hemisphere, in their order.
    """

    shape: tuple[int, ...]
    voxels: IntArray
    vertices: IntArray
    counts: Mapping[Hemisphere, int]

    def fill(self, values: Mapping[Hemisphere, FloatArray]) -> FloatArray:
        """Carry values on the cortex into the voxels; nothing is averaged.

        Parameters
        ----------
        values : mapping of hemisphere to (vertex,) float ndarray
            Probability, or field in V/m; not-a-number counts as 0.

        Returns
        -------
        (i, j, k) float32 ndarray
            0 away from the cortex.

        Raises
        ------
        GeometryError
            Values of another number than vertices.
        """
        for side, count in self.counts.items():
            if values[side].shape != (count,):
                raise GeometryError(f"hemisphere {side} has {count:,} vertices and {values[side].shape} values")
        each = np.concatenate([np.nan_to_num(values[side], posinf=0, neginf=0) for side in self.counts])
        volume = np.zeros(self.shape, dtype=np.float32)
        volume[tuple(self.voxels.T)] = each[self.vertices]
        return volume


def lay_ribbon(image: Image, ribbon: Ribbon, *, reach_mm: float = 2.0) -> RibbonGrid:
    """Find, for each voxel on and beside the cortical ribbon, the vertex whose line from white to pial is nearest.

    Parameters
    ----------
    image : Image
        T1 that the surfaces belong to, or another image in its place.
    ribbon : mapping of hemisphere to (Surface, Surface)
        White and pial, of the same vertices.
    reach_mm : float
        Voxels farther than this from every line stay out. Lines stand 1 to 2 mm apart on fsLR-32k.

    Returns
    -------
    RibbonGrid

    Raises
    ------
    GeometryError
        Surfaces of unequal vertices or outside the image.
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree

    lines: list[FloatArray] = []
    owners: list[IntArray] = []
    counts: dict[Hemisphere, int] = {}
    for side, (white, pial) in ribbon.items():
        if white.n_vertices != pial.n_vertices:
            raise GeometryError(
                f"white and pial of hemisphere {side} have {white.n_vertices:,} and {pial.n_vertices:,} vertices",
                where=white.source or None,
            )
        depths = white.vertices + _DEPTHS[:, None, None] * (pial.vertices - white.vertices)
        lines.append(depths.reshape(-1, 3))
        owners.append(np.tile(np.arange(white.n_vertices) + sum(counts.values()), len(_DEPTHS)))
        counts[side] = white.n_vertices
    points, owner = np.concatenate(lines), np.concatenate(owners)
    inverse = np.linalg.inv(image.affine)
    ijk = np.round(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.int64)
    inside = ((ijk >= 0) & (ijk < np.array(image.data.shape))).all(axis=1)
    if inside.mean() < 0.5:
        raise GeometryError(
            "most of the cortex lies outside the image", where=image.source or None, fix="give the surfaces' own T1"
        )
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    # A touched voxel's centre is up to half its diagonal from the point that touched it.
    reach = reach_mm + float(np.linalg.norm(spacing)) / 2
    # Nothing farther from the cortex than this is looked at.
    first = np.maximum(ijk[inside].min(axis=0) - np.ceil(reach / spacing).astype(np.int64), 0)
    last = np.minimum(ijk[inside].max(axis=0) + np.ceil(reach / spacing).astype(np.int64) + 1, image.data.shape)
    touched = np.zeros(last - first, dtype=bool)
    touched[tuple((ijk[inside] - first).T)] = True
    near = np.argwhere(distance_transform_edt(~touched, sampling=spacing) <= reach) + first
    places = near @ image.affine[:3, :3].T + image.affine[:3, 3]
    distance, nearest = map(np.asarray, cKDTree(points).query(places, distance_upper_bound=reach_mm))
    found = np.isfinite(distance)
    return RibbonGrid(image.data.shape, near[found], owner[nearest[found]], counts)


def write_overlay(path: str | Path, data: NDArray[Any], image: Image, *, name: str, places: Sequence[str] = ()) -> None:
    """Write an overlay in the T1's grid as NIfTI.

    Parameters
    ----------
    path : path
        Ends in '.nii' or '.nii.gz'.
    data : (i, j, k) ndarray
        Booleans are written as 0 and 1.
    image : Image
        T1; its affine and its form codes are written, so that the header hash is the T1's wherever its qform and sform
        are the same.
    name : str
        What it shows and its unit, e.g. 'SCAN probability'.
    places : sequence of str
        Lines about laterality, from `side_statement`.

    Raises
    ------
    GeometryError
        Another shape than the image, or an image whose qform and sform disagree or are missing.
    """
    import nibabel
    from nibabel.nifti1 import Nifti1Extension

    if data.shape != image.data.shape:
        raise GeometryError(f"the overlay has shape {data.shape}, the T1 {image.data.shape}", where=path)
    image_frame(image)
    nifti = nibabel.Nifti1Image(data.astype(np.uint8) if data.dtype == bool else data, image.affine)
    q_code, s_code = image.form_codes
    nifti.set_qform(image.affine if q_code else None, code=q_code)
    nifti.set_sform(image.affine if s_code else None, code=s_code)
    nifti.header.set_xyzt_units("mm", "sec")
    nifti.header["descrip"] = ascii_text(f"RESEARCH USE ONLY; {name}; actionloop {actionloop.__version__}", 79)
    comment = "\n".join([name, *_about(image), *places]).encode()
    nifti.header.extensions.append(Nifti1Extension(_NIFTI_COMMENT, comment))
    with atomic_path(path) as temporary:
        nibabel.save(nifti, temporary)


def side_statement(label: str, xyz_ras: FloatArray, image: Image) -> str:
    """Say a target's side beside the sign of its x; refuses a label that its place contradicts.

    Raises
    ------
    GeometryError
    """
    side = side_of(label, xyz_ras, image)
    return statement(with_side(plain(label), side), float(xyz_ras[0]), side)


def _about(image: Image) -> list[str]:
    told = [facts.notice(), f"frame: {plain(image.frame)}", f"image header sha256: {image.header_sha256}"]
    told += [f"image voxels sha256: {image.voxels_sha256}"] * bool(image.voxels_sha256)
    return [*told, f"actionloop {actionloop.__version__}", "RAS mm: left is negative x"]


def ascii_text(text: str, length: int) -> bytes:
    """Return one line of plain ASCII, cut to a length; what ASCII lacks becomes '?'."""
    return plain(text).encode("ascii", "replace")[:length]
