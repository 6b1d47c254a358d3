"""A target's sphere for planning tools: GIFTI in RAS, binary STL in RAS or LPS."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.files.atomic import atomic_path
from actionloop.files.overlays import ascii_text, side_statement
from actionloop.navigation import plain, side_of
from actionloop.types import FloatArray, Image, IntArray

_STL_HEADER = 80
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def sphere_mesh(xyz_ras: FloatArray, *, radius_mm: float, subdivisions: int = 3) -> tuple[FloatArray, IntArray]:
    """Make a sphere of triangles that face outwards.

    Parameters
    ----------
    xyz_ras : (3,) float ndarray
    radius_mm : float
    subdivisions : int
        0 is an icosahedron of 20 triangles; each one makes four of one (at most 5).

    Returns
    -------
    vertices : (vertex, 3) float64 ndarray
    faces : (face, 3) int64 ndarray
    """
    from scipy.spatial import ConvexHull

    golden = (1 + 5**0.5) / 2
    corners = [p for a in (-1, 1) for b in (-golden, golden) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
    points = np.array(corners, dtype=np.float64) / np.hypot(1, golden)
    for _ in range(min(max(subdivisions, 0), 5)):
        triangles = ConvexHull(points).simplices
        edges = np.unique(
            np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])), axis=0
        )
        middles = points[edges].sum(axis=1)
        points = np.concatenate([points, middles / np.linalg.norm(middles, axis=1, keepdims=True)])
    faces = ConvexHull(points).simplices.astype(np.int64)
    corner = points[faces]
    inward = (np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]) * corner.mean(axis=1)).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return np.asarray(xyz_ras) + radius_mm * points, faces


def write_target_gifti(
    path: str | Path, mesh: tuple[FloatArray, IntArray], image: Image, *, label: str, xyz_ras: FloatArray
) -> None:
    """Write a target's surface as GIFTI (RAS mm), with side, frame and notice in its metadata.

    Parameters
    ----------
    path : path
        Ends in '.surf.gii'.
    mesh : tuple of (vertex, 3) and (face, 3) ndarray
    image : Image
        T1 that it belongs to.
    label : str
    xyz_ras : (3,) float ndarray
        The target, mm.

    Raises
    ------
    GeometryError
        The label contradicts the place, or no triangles.
    """
    import nibabel
    from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage, GiftiMetaData

    vertices, faces = _require_mesh(mesh, path)
    said = side_statement(label, xyz_ras, image)
    meta = {"Name": plain(label), "Side": said, "Notice": facts.notice(), "Space": "RAS mm"}
    meta |= {"Frame": plain(image.frame), "ImageHeaderSHA256": image.header_sha256}
    meta |= {"ImageVoxelsSHA256": image.voxels_sha256}
    points = GiftiDataArray(
        vertices.astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        datatype="NIFTI_TYPE_FLOAT32",
        coordsys=GiftiCoordSystem(dataspace=1, xformspace=1),  # the scanner's, as the T1's
        meta=GiftiMetaData(meta),
    )
    triangles = GiftiDataArray(
        faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32", coordsys=None
    )
    with atomic_path(path) as temporary:
        nibabel.save(GiftiImage(darrays=[points, triangles], meta=GiftiMetaData(meta)), temporary)


def write_target_stl(
    path: str | Path,
    mesh: tuple[FloatArray, IntArray],
    image: Image,
    *,
    label: str,
    xyz_ras: FloatArray,
    space: Literal["RAS", "LPS"] = "LPS",
) -> None:
    """Write a target's surface as binary STL in mm.

    The 80 bytes of text hold 'SPACE=RAS' or 'SPACE=LPS', which 3D Slicer obeys; other tools take STL as LPS, if they
    think of it at all.

    Parameters
    ----------
    path, mesh, image, label, xyz_ras
        As in `write_target_gifti`.
    space : {'LPS', 'RAS'}

    Raises
    ------
    GeometryError
        As `write_target_gifti`.
    OptionError
        Another space.
    """
    if space not in ("RAS", "LPS"):
        raise OptionError(f"an STL file is written in RAS or LPS, not {space!r}", where="space")
    vertices, faces = _require_mesh(mesh, path)
    side = side_of(label, xyz_ras, image)
    # Both x and y change sign: a rotation, so triangles keep facing outwards.
    corners = (vertices * ([-1, -1, 1] if space == "LPS" else [1, 1, 1]))[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    rows = np.zeros(len(faces), dtype=_TRIANGLE)
    rows["normal"], rows["corners"] = normals / np.where(length > 0, length, 1), corners
    # Not 'solid' at the start, which marks the text form.
    header = ascii_text(
        f"RESEARCH USE ONLY;SPACE={space};mm;{side.upper()};{image.header_sha256[:8]};{label}", _STL_HEADER
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(header.ljust(_STL_HEADER) + np.uint32(len(faces)).tobytes() + rows.tobytes())


def _require_mesh(mesh: tuple[FloatArray, IntArray], path: str | Path) -> tuple[FloatArray, IntArray]:
    vertices, faces = mesh
    if not len(faces) or not np.isfinite(vertices).all() or faces.min() < 0 or faces.max() >= len(vertices):
        raise GeometryError("the target's surface has no triangles, or such as name no vertex", where=path)
    return vertices, faces
