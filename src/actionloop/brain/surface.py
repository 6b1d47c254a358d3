"""Areas, normals, neighbours and connected pieces of a triangle mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import Anatomy, BoolArray, FloatArray, Hemisphere, IntArray, Surface


def face_vectors(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Cross product of two sides of each face: outward direction, twice the area long.

    Parameters
    ----------
    vertices : (vertex, 3) float ndarray
        mm.
    faces : (face, 3) int ndarray

    Returns
    -------
    (face, 3) float64 ndarray
        mm².
    """
    corner = np.asarray(vertices, dtype=np.float64)[faces]
    return np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])


def mesh_areas(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Return `vertex_areas` of a mesh that is no `Surface`; (vertex,), mm²."""
    third = np.linalg.norm(face_vectors(vertices, faces), axis=1) / 6
    return np.bincount(faces.ravel(), weights=np.repeat(third, 3), minlength=len(vertices)).astype(np.float64)


def mesh_normals(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Return the area-weighted mean of the faces around each vertex as they are stored; (vertex, 3), length 1 or 0."""
    vectors = face_vectors(vertices, faces)
    normals = np.stack(
        [
            np.bincount(faces.ravel(), weights=np.repeat(vectors[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: FloatArray = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    return unit


def vertex_areas(surface: Surface) -> FloatArray:
    """Area that belongs to each vertex: a third of every face around it.

    Parameters
    ----------
    surface : Surface

    Returns
    -------
    (vertex,) float64 ndarray
        mm²; sums to the area of the mesh.
    """
    return mesh_areas(surface.vertices, surface.faces)


def vertex_normals(surface: Surface) -> FloatArray:
    """Outward unit normal at each vertex, the area-weighted mean of the faces around it.

    A closed mesh whose faces are stored clockwise is recognised by its negative volume, so that the normals
    point outward either way; an open mesh is taken as it is stored.

    Parameters
    ----------
    surface : Surface

    Returns
    -------
    (vertex, 3) float64 ndarray
        Zero where a vertex has no face.
    """
    unit = mesh_normals(surface.vertices, surface.faces)
    return -unit if _inside_out(surface) else unit


def _inside_out(surface: Surface) -> bool:
    """Tell whether a closed mesh encloses a negative volume."""
    faces = face_vectors(surface.vertices, surface.faces)
    if not np.allclose(faces.sum(axis=0), 0, atol=1e-6 * np.abs(faces).sum()):
        return False
    corner = np.asarray(surface.vertices, dtype=np.float64)[surface.faces]
    middle = corner.mean(axis=1) - corner.mean(axis=(0, 1))
    six_volumes = np.einsum("fi,fi->f", middle, faces)
    return bool(six_volumes.sum() < -1e-9 * np.abs(six_volumes).sum())


def adjacency(faces: IntArray, n_vertices: int) -> sparse.csr_array[Any]:
    """Which vertices share an edge.

    Parameters
    ----------
    faces : (face, 3) int ndarray
    n_vertices : int

    Returns
    -------
    (vertex, vertex) bool csr_array
        Symmetric, empty diagonal.

    Raises
    ------
    GeometryError
        Wrong shape or indices out of range.
    """
    faces = np.asarray(faces)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise GeometryError(f"expected faces of shape (face, 3), found {faces.shape}")
    if faces.size and (faces.min() < 0 or faces.max() >= n_vertices):
        raise GeometryError(f"faces name vertices outside 0..{n_vertices - 1}")
    start = faces.ravel()
    end = np.roll(faces, -1, axis=1).ravel()
    off_diagonal = start != end
    start, end = start[off_diagonal], end[off_diagonal]
    ones = np.ones(2 * len(start), dtype=bool)
    return sparse.csr_array(
        (ones, (np.concatenate([start, end]), np.concatenate([end, start]))), shape=(n_vertices, n_vertices)
    )


def connected_pieces(mask: BoolArray, adjacency: Any) -> list[IntArray]:
    """Split the vertices of a mask into pieces connected over edges.

    Parameters
    ----------
    mask : (vertex,) bool ndarray
    adjacency : (vertex, vertex) sparse array
        From `adjacency`.

    Returns
    -------
    list of (member,) int ndarray
        Ascending vertex indices; the piece of most vertices first, ties by lowest index. Empty for an empty mask.

    Raises
    ------
    GeometryError
        Mask and adjacency do not fit each other.
    """
    mask = np.asarray(mask)
    if mask.dtype != np.bool_ or mask.ndim != 1:
        raise GeometryError(f"expected a bool mask of shape (vertex,), found {mask.dtype} {mask.shape}")
    if adjacency.shape != (len(mask), len(mask)):
        raise GeometryError(f"a mask of {len(mask)} vertices does not fit an adjacency of {adjacency.shape}")
    members = np.flatnonzero(mask)
    if not members.size:
        return []
    inside = sparse.csr_array(adjacency)[members][:, members]
    _, piece = connected_components(inside, directed=False)
    order = np.argsort(piece, kind="stable")
    pieces = np.split(members[order], np.flatnonzero(np.diff(piece[order])) + 1)
    return sorted(pieces, key=lambda vertices: (-len(vertices), int(vertices[0])))


def unfolded(template: Anatomy, hemisphere: Hemisphere) -> Surface:
    """Return the template's surface on which centres of pieces are found: the sphere, or else the inflated cortex.

    On the folded cortex two banks of a sulcus lie side by side, and the vertex nearest the centroid of a piece may jump
    between them, by more than a centimetre along the cortex, for a change of a few vertices.
    """
    found = template.surfaces.get((hemisphere, "sphere"))
    return template.surface(hemisphere, "inflated") if found is None else found


def weighted_centre(points: FloatArray, weight: FloatArray) -> int:
    """Find the point nearest the weighted centroid.

    Parameters
    ----------
    points : (member, 3) float ndarray
    weight : (member,) float ndarray
        At least 0; all 0 counts as equal.

    Returns
    -------
    int
        Number of the point.
    """
    weight = np.asarray(weight, dtype=np.float64)
    weight = weight if weight.sum() > 0 else np.ones_like(weight)
    centroid = weight @ np.asarray(points, dtype=np.float64) / weight.sum()
    return int(np.linalg.norm(points - centroid, axis=1).argmin())


def piece_centre(surface: Surface, vertices: IntArray, *, area_mm2: FloatArray | None = None) -> int:
    """Member vertex nearest the area-weighted centroid of a piece.

    Parameters
    ----------
    surface : Surface
        On which the centroid is found: `unfolded`, but for pieces that do not fold.
    vertices : (member,) int ndarray
    area_mm2 : (vertex,) float ndarray, optional
        Vertex areas; computed from `surface` if absent.

    Returns
    -------
    int
        A member of `vertices`, also where the centroid of a bent piece lies outside it.

    Raises
    ------
    EmptyRegionError
        No vertices.
    """
    vertices = np.asarray(vertices)
    if not vertices.size:
        raise EmptyRegionError("a piece without vertices has no centre")
    area = vertex_areas(surface) if area_mm2 is None else area_mm2
    if area.shape != (surface.n_vertices,):
        raise GeometryError(f"expected vertex areas of shape ({surface.n_vertices},), found {area.shape}")
    return int(vertices[weighted_centre(surface.vertices[vertices], area[vertices])])


def require_consistent_hemispheres(left: Surface, right: Surface) -> None:
    """Check that two surfaces are the two sides of one head.

    Parameters
    ----------
    left, right : Surface
        White, pial or midthickness.

    Raises
    ------
    GeometryError
        Same side twice, exchanged, different kinds, frames or vertex counts, or overlapping hemispheres.
    """
    where = ", ".join(s for s in (left.source, right.source) if s) or None
    exchanged = "give the left and the right file of one person, in this order"
    if (left.hemisphere, right.hemisphere) != ("L", "R"):
        raise GeometryError(
            f"expected a left and a right surface, found {left.hemisphere} and {right.hemisphere}",
            where=where,
            fix=exchanged,
        )
    if left.kind != right.kind:
        raise GeometryError(f"the left surface is {left.kind}, the right one {right.kind}", where=where, fix=exchanged)
    if left.frame != right.frame:
        raise GeometryError(
            f"the left surface lies in {left.frame!r}, the right one in {right.frame!r}", where=where, fix=exchanged
        )
    if left.n_vertices != right.n_vertices:
        raise GeometryError(
            f"the left surface has {left.n_vertices} vertices, the right one {right.n_vertices}",
            where=where,
            fix="use surfaces of one mesh, for example fsLR-32k",
        )
    if left.kind not in ("white", "pial", "midthickness"):
        return
    gap = float(right.vertices[:, 0].mean() - left.vertices[:, 0].mean())
    if gap < 0:
        raise GeometryError(
            f"the left surface lies {-gap:.1f} mm to the right of the right one",
            where=where,
            fix="left and right files are probably exchanged; check names and contents before anything else",
        )
    height = np.abs(left.vertices[:, 1:].mean(axis=0) - right.vertices[:, 1:].mean(axis=0)).max()
    if height > 15:
        raise GeometryError(
            f"the two hemispheres are {height:.0f} mm apart in y or z, so they are not of one head",
            where=where,
            fix=exchanged,
        )
