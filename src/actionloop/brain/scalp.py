"""The outer surface of the head, found in a T1-weighted image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from actionloop.brain.surface import adjacency
from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, Image, IntArray

# Grids: the surface is taken from about 1.5 mm, closing and filling are done on about 3 mm.
FINE_MM, COARSE_MM = 1.6, 3.2
# Ear canals and nostrils narrower than twice this are closed.
CLOSING_MM = 8.0
# Smoothing of the surface, and of the normals that a coil is laid along.
SURFACE_SIGMA_MM, NORMAL_SIGMA_MM = 2.0, 5.0
# The vault of the skull: within this much of the top, facing up.
VAULT_MM, VAULT_UP = 80.0, 0.3
# A whole head shows bright scalp, dark skull, bright brain; without scalp there is no such dip (0 against 0.6-0.75).
LEAST_DIP = 0.25


@dataclass(frozen=True, eq=False)
class Scalp:
    """The outer surface of one head; open where the image ends.

    Attributes
    ----------
    vertices : (vertex, 3) float64 ndarray
        RAS mm in `frame`.
    faces : (face, 3) int64 ndarray
        Counter-clockwise seen from outside.
    normals : (vertex, 3) float64 ndarray
        Unit length, outward, of a more smoothed head, so that a fold or a hair does not tilt a coil.
    frame : str
    source : str
    """

    vertices: FloatArray
    faces: IntArray
    normals: FloatArray
    frame: str
    source: str = ""

    @cached_property
    def _tree(self) -> Any:
        return cKDTree(self.vertices)

    @cached_property
    def _faces_of(self) -> tuple[IntArray, IntArray]:
        """Faces in the order of their vertices, and where each vertex's faces begin."""
        order = np.argsort(self.faces.ravel(), kind="stable")
        begin = np.searchsorted(self.faces.ravel()[order], np.arange(len(self.vertices) + 1))
        return order // 3, begin

    def nearest(self, xyz_ras: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """Find the point of the scalp nearest to a place in the head.

        Parameters
        ----------
        xyz_ras : (3,) float ndarray
            mm.

        Returns
        -------
        point : (3,) float ndarray
            mm, on the outer surface (there is no inner one to be caught by).
        normal : (3,) float ndarray
            Outward, smoothed.
        distance_mm : float
        """
        place = np.asarray(xyz_ras, dtype=np.float64)
        _, candidates = self._tree.query(place, k=min(16, len(self.vertices)))
        vertex = int(np.atleast_1d(candidates)[0])
        owner, begin = self._faces_of
        around = np.unique(np.concatenate([owner[begin[v] : begin[v + 1]] for v in np.atleast_1d(candidates)]))
        corners = self.vertices[self.faces[around]]
        points = np.array([_closest(place, triangle) for triangle in corners] or [self.vertices[vertex]])
        distances = np.linalg.norm(points - place, axis=1)
        best = int(distances.argmin())
        return points[best], self.normals[vertex], float(distances[best])

    def distances(self, xyz_ras: FloatArray) -> FloatArray:
        """Distance of many places from the nearest vertex of the scalp.

        Parameters
        ----------
        xyz_ras : (point, 3) float ndarray
            mm.

        Returns
        -------
        (point,) float64 ndarray
            mm; at most about 0.1 mm more than `nearest` at 10 mm depth.
        """
        found: FloatArray = self._tree.query(np.asarray(xyz_ras, dtype=np.float64))[0]
        return found

    @property
    def rim(self) -> IntArray:
        """Vertices of edges with one face, where the surface is open, ascending; shape (vertex,)."""
        edges = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        once, count = np.unique(edges, axis=0, return_counts=True)
        rim: IntArray = np.unique(once[count == 1])
        return rim

    @property
    def vault(self) -> BoolArray:
        """Vertices of the upper head that face up; shape (vertex,)."""
        height = self.vertices[:, 2]
        found: BoolArray = (height > height.max() - VAULT_MM) & (self.normals[:, 2] > VAULT_UP)
        return found


def find_scalp(image: Image) -> Scalp:
    """Find the scalp in a T1-weighted image of a whole head.

    Threshold half-way between the background and Otsu's threshold, largest piece, closing, filling, smoothing,
    marching cubes. Any spacing and obliqueness; the surface stays open where the field of view cuts the head.

    Parameters
    ----------
    image : Image
        A whole head: neither skull-stripped nor with its scalp removed.

    Returns
    -------
    Scalp

    Raises
    ------
    GeometryError
        No head in the image, or no skull under its surface: then what looks like scalp is the brain.

    Notes
    -----
    A face cut away by defacing is not noticed; the surface there is the cut. Poses above the ears are not touched.
    """
    data, affine = _subsampled(image, FINE_MM)
    solid, level, step = _solid(data, affine, where=image.source)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # Inside the coarse head only the outermost layer is left to the finer image.
    core = _refined(ndimage.binary_erosion(solid, border_value=1), step, data.shape)
    near = _refined(ndimage.binary_dilation(solid), step, data.shape)
    fine = core | (near & (ndimage.gaussian_filter(data, 1.0 / spacing) > level))
    scalp = scalp_of(fine, affine, frame=image.frame, source=image.source)
    _require_skull(scalp, data, affine)
    return scalp


def scalp_of(inside: BoolArray, affine: FloatArray, *, frame: str, source: str = "") -> Scalp:
    """Return the surface of a head whose inside is known.

    Parameters
    ----------
    inside : (i, j, k) bool ndarray
    affine : (4, 4) float ndarray
        ijk to RAS mm.
    frame, source : str

    Returns
    -------
    Scalp
        Smoothed by about 2 mm, its normals by 5; open where the head leaves the volume.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    vertices, faces = _isosurface(ndimage.gaussian_filter(inside.astype(np.float32), SURFACE_SIGMA_MM / spacing))
    smooth = ndimage.gaussian_filter(inside.astype(np.float32), NORMAL_SIGMA_MM / spacing, truncate=3)
    normals = _normals(smooth, vertices, affine)
    xyz = vertices @ affine[:3, :3].T + affine[:3, 3]
    first, second, third = xyz[faces].transpose(1, 0, 2)
    if np.einsum("ij,ij->", np.cross(second - first, third - first), normals[faces[:, 0]]) < 0:
        faces = faces[:, ::-1].copy()
    return Scalp(xyz, faces, normals, frame, source)


def inside_head(image: Image, xyz_ras: FloatArray) -> BoolArray:
    """Tell which places lie inside the head, to about 3 mm.

    Parameters
    ----------
    image : Image
        May be skull-stripped: then the head is the brain.
    xyz_ras : (point, 3) float ndarray
        mm.

    Returns
    -------
    (point,) bool ndarray

    Raises
    ------
    GeometryError
        No head in the image.
    """
    data, affine = _subsampled(image, FINE_MM)
    solid, _, step = _solid(data, affine, where=image.source)
    coarse = affine.copy()
    coarse[:3, :3] *= step
    ijk = (np.asarray(xyz_ras) - coarse[:3, 3]) @ np.linalg.inv(coarse[:3, :3]).T
    found: BoolArray = ndimage.map_coordinates(solid.astype(np.float32), ijk.T, order=1, cval=0) > 0.5
    return found


def _subsampled(image: Image, step_mm: float) -> tuple[FloatArray, FloatArray]:
    """Every n-th voxel so that the grid is no finer than needed, and its affine."""
    step = _step(image.affine, step_mm)
    data = np.nan_to_num(np.asarray(image.data[:: step[0], :: step[1], :: step[2]], dtype=np.float32))
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3, :3] *= step
    return data, affine


def _step(affine: FloatArray, step_mm: float) -> IntArray:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    step: IntArray = np.maximum(1, (step_mm // spacing).astype(np.int64))
    return step


def _solid(data: FloatArray, affine: FloatArray, *, where: str) -> tuple[BoolArray, float, IntArray]:
    """Return the filled head on the coarse grid, the threshold, and the coarse step in voxels."""
    from skimage.filters import threshold_otsu

    step = _step(affine, COARSE_MM)
    coarse = data[:: step[0], :: step[1], :: step[2]]
    spacing = np.linalg.norm(affine[:3, :3], axis=0) * step
    if not coarse.max() > coarse.min():
        raise GeometryError("the image is constant: there is no head in it", where=where or None)
    otsu = float(threshold_otsu(coarse))
    background = float(np.median(coarse[coarse <= otsu]))
    level = background + (otsu - background) / 2
    labels, n_pieces = ndimage.label(ndimage.gaussian_filter(coarse, 1.0 / spacing) > level)
    if n_pieces == 0:
        raise GeometryError("no head was found in the image", where=where or None, fix="give a T1-weighted image")
    # Skull may part the scalp from a brain that is larger; what is left of noise and straps is far smaller.
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    head = _largest(_filled(_closed(np.isin(labels, np.flatnonzero(sizes > sizes.max() / 10)), spacing)))
    litres = head.sum() * float(spacing.prod()) / 1e6
    if litres < 0.3:
        raise GeometryError(
            f"the largest bright object in the image has {litres:.2f} l, too little for a head",
            where=where or None,
            fix="give a T1-weighted image of a whole head",
        )
    return head, level, step


def _largest(mask: BoolArray) -> BoolArray:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: BoolArray = labels == sizes.argmax()
    return largest


def _closed(head: BoolArray, spacing: FloatArray) -> BoolArray:
    margin = [(int(n), int(n)) for n in np.ceil(CLOSING_MM / spacing) + 1]
    # Repeating the edge keeps a neck that leaves the image from being rounded off there.
    padded = np.pad(head, margin, mode="edge")
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing) <= CLOSING_MM
    shrunk = ndimage.distance_transform_edt(grown, sampling=spacing) > CLOSING_MM
    inner = tuple(slice(before, -after) for before, after in margin)
    closed: BoolArray = shrunk[inner] | head
    return closed


def _filled(head: BoolArray) -> BoolArray:
    """Fill cavities, also those that reach the outside only through the cut neck (slice by slice)."""
    filled: BoolArray = ndimage.binary_fill_holes(head)
    for axis in range(3):
        slices = np.moveaxis(filled, axis, 0)
        for index in range(len(slices)):
            slices[index] = ndimage.binary_fill_holes(slices[index])
    return filled


def _refined(coarse: BoolArray, step: IntArray, shape: tuple[int, ...]) -> BoolArray:
    """Carry a coarse mask to the fine grid, nearest voxel."""
    nearest = [
        np.minimum((np.arange(n) + k // 2) // k, m - 1) for n, k, m in zip(shape, step, coarse.shape, strict=True)
    ]
    fine: BoolArray = coarse[np.ix_(*nearest)]
    return fine


def _isosurface(head: FloatArray) -> tuple[FloatArray, IntArray]:
    """Largest connected surface at one half, in voxel coordinates."""
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(head, 0.5, step_size=2, allow_degenerate=False)
    _, piece = connected_components(adjacency(faces.astype(np.int64), len(vertices)), directed=False)
    kept = piece == np.bincount(piece).argmax()
    number = np.cumsum(kept) - 1
    return vertices[kept].astype(np.float64), number[faces[kept[faces].all(axis=1)]].astype(np.int64)


def _normals(head: FloatArray, vertices: FloatArray, affine: FloatArray) -> FloatArray:
    """Outward unit normals: down the gradient of a smoothed head."""
    slope = np.stack(
        [
            ndimage.map_coordinates(head, (vertices + one).T, order=1, mode="nearest")
            - ndimage.map_coordinates(head, (vertices - one).T, order=1, mode="nearest")
            for one in np.eye(3)
        ],
        axis=1,
    )
    normals = -slope @ np.linalg.inv(affine[:3, :3])
    unit: FloatArray = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return unit


def _require_skull(scalp: Scalp, data: FloatArray, affine: FloatArray) -> None:
    """Refuse a surface without the dark layer of the skull beneath it."""
    vault = scalp.vault
    depth_mm = np.arange(0.0, 31.0)
    points = scalp.vertices[vault][:, None] - depth_mm[None, :, None] * scalp.normals[vault][:, None]
    ijk = (points.reshape(-1, 3) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    value = ndimage.map_coordinates(data, ijk.T, order=1).reshape(-1, len(depth_mm))
    profile = np.median(value, axis=0)
    outer = np.maximum.accumulate(profile[:13])
    dip = max(
        (float(outer[at - 1] - profile[at]) / float(max(outer[at - 1], profile[20:].max())) for at in range(3, 13)),
        default=0.0,
    )
    if not dip >= LEAST_DIP:
        raise GeometryError(
            "the surface of this head is not scalp: no dark skull lies beneath it, so the image is skull-stripped or "
            "its scalp was removed",
            where=scalp.source or None,
            fix="give the T1-weighted image as it came from the scanner (never defaced, never skull-stripped)",
        )


def _closest(place: FloatArray, triangle: FloatArray) -> FloatArray:
    """Point of a triangle nearest to a place."""
    corner, first, second = triangle[0], triangle[1] - triangle[0], triangle[2] - triangle[0]
    gram = np.array([[first @ first, first @ second], [first @ second, second @ second]])
    right = np.array([first @ (place - corner), second @ (place - corner)])
    if np.linalg.det(gram) > 1e-12:
        u, v = np.linalg.solve(gram, right)
        if u >= 0 and v >= 0 and u + v <= 1:
            inside: FloatArray = corner + u * first + v * second
            return inside
    edges = [(triangle[i], triangle[(i + 1) % 3] - triangle[i]) for i in range(3)]
    points = [
        start + np.clip((place - start) @ edge / max(float(edge @ edge), 1e-12), 0, 1) * edge for start, edge in edges
    ]
    return min(points, key=lambda point: float(np.linalg.norm(point - place)))
