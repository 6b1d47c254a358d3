"""Affine registrations of ITK/ANTs, FSL and FreeSurfer as one RAS matrix with its direction named.

Each program stores its matrix in its own coordinates and its own direction: ITK in LPS, from the reference image to
the moving one (the way pixels are pulled); FSL in scaled voxels that depend on both images, from moving to reference;
FreeSurfer from source to destination, in RAS or in voxels. Here a matrix always carries points from the moving image
to the reference image, RAS mm, and `carry_points` and `carry_pose` ask where to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.files.itk import LARGEST_TEXT, numbers_in, read_itk, small_text
from actionloop.files.opening import check_file
from actionloop.types import CoilPose, FloatArray, Image

Toward = Literal["reference", "moving"]

_SCALE = (0.2, 5.0)  # beyond: lengths in another unit, or no registration of heads
_RIGID = 1e-3  # of a stretch: what a text of few digits leaves of a rotation
_SAME_PLACE_MM = 0.01
_NAMES = re.compile(r"_from-(?P<moving>[A-Za-z0-9+]+)_to-(?P<reference>[A-Za-z0-9+]+)(?:_mode-(?P<mode>\w+?))?(?:_|\.)")


@dataclass(frozen=True, eq=False)
class AffineTransform:
    """A linear registration of two images.

    Attributes
    ----------
    moving_to_reference : (4, 4) float64 ndarray
        Carries points, RAS mm of the moving image to RAS mm of the reference image.
    moving, reference : str
        Their names where the file or its BIDS name says them, else 'moving' and 'reference'.
    format : str
        What it was read from, e.g. 'ITK'.
    source : str

    Raises
    ------
    GeometryError
        Not an affine matrix, a mirrored one, or one whose scale no two heads differ by.
    """

    moving_to_reference: FloatArray
    moving: str = "moving"
    reference: str = "reference"
    format: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        where, matrix = self.source or None, self.moving_to_reference
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1]):
            raise GeometryError("the transform is not a finite affine 4 x 4 matrix", where=where)
        if np.linalg.det(matrix[:3, :3]) <= 0:
            raise GeometryError(
                "the transform mirrors the head (determinant not above 0): left and right would be exchanged",
                where=where,
                fix="check the orientation of both images before registering them again",
            )
        low, high = self.stretch
        if low < _SCALE[0] or high > _SCALE[1]:
            raise GeometryError(
                f"the transform scales by {low:.3g} to {high:.3g}: no registration of two heads",
                where=where,
                fix="check that the file belongs to these images and is in millimetres",
            )

    @property
    def reference_to_moving(self) -> FloatArray:
        """The other direction."""
        return np.asarray(np.linalg.inv(self.moving_to_reference))

    @property
    def stretch(self) -> tuple[float, float]:
        """Smallest and largest scaling along any direction, from moving to reference; 1 and 1 for a rigid one."""
        values = np.linalg.svd(self.moving_to_reference[:3, :3], compute_uv=False)
        return float(values[-1]), float(values[0])

    def matrix(self, to: Toward) -> FloatArray:
        """Return the matrix that carries points to the reference or to the moving image."""
        if to not in ("reference", "moving"):
            raise OptionError(f"points are carried to 'reference' or 'moving', not {to!r}", where="to")
        return self.moving_to_reference if to == "reference" else self.reference_to_moving


def read_transform(path: str | Path, *, moving: Image | None = None, reference: Image | None = None) -> AffineTransform:
    """Read an affine registration: ITK (.h5, .mat, .txt, .tfm), FSL (.mat) or FreeSurfer (.lta).

    Parameters
    ----------
    path : path
        A .mat of 16 numbers as text is FSL's, another one ITK's.
    moving, reference : Image, optional
        Needed for FSL. For an LTA they are checked against the images that it names.

    Returns
    -------
    AffineTransform

    Raises
    ------
    InputError
        Missing, damaged, too large, nonlinear, of a kind that is not known; or FSL's without both images.
    GeometryError
        Mirrored, or images that are not those of the file.

    Notes
    -----
    A nonlinear registration is refused. The direction of a coil would change with the place on its casing, and
    the stored field carries points one way only: its inverse would have to be approximated.
    """
    path = check_file(path)
    match = _NAMES.search(path.name)
    if path.suffix == ".lta":
        found = _lta(small_text(path), path, moving=moving, reference=reference)
    elif path.suffix == ".mat" and (numbers := _sixteen(path)) is not None:
        found = _fsl(numbers, path, moving=moving, reference=reference)
    elif path.suffix in (".h5", ".mat", ".txt", ".tfm"):
        found = AffineTransform(np.linalg.inv(read_itk(path)), format="ITK", source=str(path))
    else:
        raise InputError(
            f"transforms end in .h5, .mat, .txt, .tfm or .lta, not {path.suffix!r}",
            where=path,
            fix="give the affine part of the registration in one of these formats",
        )
    # FSL's and FreeSurfer's own files are rarely named this way; ITK's of fMRIPrep are.
    if match is None:
        return found
    moved, still = match["moving"], match["reference"]
    if match["mode"] == "points":
        moved, still = still, moved
    return replace(found, moving=moved, reference=still)


def carry_points(points: FloatArray, transform: AffineTransform, *, to: Toward) -> FloatArray:
    """Carry points to the other image.

    Parameters
    ----------
    points : (..., 3) float ndarray
        RAS mm of the moving image for `to='reference'`, of the reference image for `to='moving'`.
    transform : AffineTransform
    to : {'reference', 'moving'}

    Returns
    -------
    (..., 3) float ndarray
    """
    matrix = transform.matrix(to)
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def carry_pose(pose: CoilPose, transform: AffineTransform, *, to: Toward, image: Image) -> CoilPose:
    """Carry a coil pose to the other image.

    Under scaling or shear the axes stay no rotation: the nearest one is taken, and the note says so, since a coil
    beside a stretched head is a guess.

    Parameters
    ----------
    pose : CoilPose
    transform : AffineTransform
    to : {'reference', 'moving'}
    image : Image
        The image that is carried to; the pose is tied to it.

    Returns
    -------
    CoilPose

    Raises
    ------
    GeometryError
        The image has no header hash.
    """
    if not image.header_sha256:
        raise GeometryError("the image has no header hash, so no pose can be tied to it", where=image.source or None)
    matrix = transform.matrix(to) @ pose.matrix
    left, _, right = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3] = left @ right
    told = f"carried from {pose.tie.frame} by {transform.format} registration to {to}"
    low, high = transform.stretch
    if max(abs(low - 1), abs(high - 1)) > _RIGID:
        told += f"; it scales by {low:.3f} to {high:.3f}, axes made perpendicular again"
    note = "; ".join(part for part in (pose.note, told) if part)
    return CoilPose(matrix, image.tie, pose.label, note)


def _sixteen(path: Path) -> FloatArray | None:
    """Return the (4, 4) matrix of a text of four rows of four numbers; None for anything else."""
    if path.stat().st_size > LARGEST_TEXT:
        return None
    try:
        rows = [[float(word) for word in line.split()] for line in path.read_text("ascii").splitlines() if line.strip()]
    except ValueError:  # bytes or words that are no numbers: MATLAB's format
        return None
    return np.array(rows) if [len(row) for row in rows] == [4] * 4 else None


def _fsl(numbers: FloatArray, path: Path, *, moving: Image | None, reference: Image | None) -> AffineTransform:
    if moving is None or reference is None:
        raise InputError(
            "an FSL matrix counts in the voxels of its two images, and they were not given",
            where=path,
            fix="give the moving image (flirt -in) and the reference image (flirt -ref)",
        )
    matrix = np.linalg.inv(_fsl_space(reference)) @ numbers @ _fsl_space(moving)
    return AffineTransform(matrix, moving.frame, reference.frame, "FSL", str(path))


def _fsl_space(image: Image) -> FloatArray:
    """Matrix from RAS mm to FSL's coordinates: mm along the voxel axes, x reversed where the voxels are RAS-like."""
    zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
    space = np.diag([*zooms, 1.0])
    if np.linalg.det(image.affine[:3, :3]) > 0:
        space[0] = [-zooms[0], 0, 0, (image.data.shape[0] - 1) * zooms[0]]
    return np.asarray(space @ np.linalg.inv(image.affine))


def _lta(text: str, path: Path, *, moving: Image | None, reference: Image | None) -> AffineTransform:
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    starts = [number for number, line in enumerate(lines) if line.split() == ["1", "4", "4"]]
    if len(starts) != 1:
        raise InputError(
            f"expected a FreeSurfer LTA with one transform, found {len(starts)}", where=path, fix="give a single one"
        )
    matrix = numbers_in(" ".join(lines[starts[0] + 1 : starts[0] + 5]), 16, path).reshape(4, 4)
    kind = re.search(r"^type\s*=\s*(\d+)", text, re.MULTILINE)
    source, destination = (_geometry(lines, f"{name} volume info", path) for name in ("src", "dst"))
    for name, stored, given in (("source", source, moving), ("destination", destination, reference)):
        if stored is not None and given is not None and not _same_grid(stored, given):
            raise GeometryError(
                f"the LTA's {name} volume lies elsewhere than the image {given.frame!r}",
                where=path,
                fix="source is the moving image and destination the reference; perhaps they are exchanged",
            )
    if kind is None or kind[1] not in ("0", "1"):
        raise InputError(
            f"LTA type {kind[1] if kind else 'unknown'} is not read (0 voxel to voxel, 1 RAS to RAS)",
            where=path,
            fix="convert it: lta_convert --inlta IN --outlta OUT (it writes type 1)",
        )
    if kind[1] == "0":
        if source is None or destination is None:
            raise InputError("a voxel-to-voxel LTA without valid volume geometry says nothing in mm", where=path)
        matrix = destination @ matrix @ np.linalg.inv(source)
    return AffineTransform(matrix, format="LTA", source=str(path))


def _geometry(lines: list[str], heading: str, path: Path) -> FloatArray | None:
    """Matrix from voxels to RAS mm of one volume of an LTA; None where it is marked as not valid."""
    if heading not in lines:
        return None
    start = lines.index(heading) + 1
    found = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines[start : start + 8] if "=" in line)
    if found.get("valid", "0").split()[:1] != ["1"]:
        return None
    parts = {name: numbers_in(found.get(name, ""), 3, path) for name in ("volume", "voxelsize", "xras", "yras", "zras")}
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([parts["xras"], parts["yras"], parts["zras"]]) * parts["voxelsize"]
    affine[:3, 3] = numbers_in(found.get("cras", ""), 3, path) - affine[:3, :3] @ parts["volume"] / 2
    return affine


def _same_grid(affine: FloatArray, image: Image) -> bool:
    # Compared where it matters: at the far corner as well as at the origin.
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in image.data.shape), 1]], dtype=float)
    return bool(np.abs(corners @ (affine - image.affine).T).max() < _SAME_PLACE_MM)
