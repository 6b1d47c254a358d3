"""Drawing a triangle mesh without a graphics card: which face is seen at each pixel, and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Raster:
    """What is seen at each covered pixel; pixels are counted row by row from the upper left corner.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    pixel : (covered,) int ndarray
        Flat index of each covered pixel.
    corners : (covered, 3) int ndarray
        Vertices of the face seen there.
    weights : (covered, 3) float32 ndarray
        Barycentric place in that face; rows sum to 1.
    depth : (covered,) float32 ndarray
        Towards the viewer.
    """

    shape: tuple[int, int]
    pixel: IntArray
    corners: IntArray
    weights: FloatArray
    depth: FloatArray

    def interpolate(self, values: FloatArray) -> FloatArray:
        """Values of vertices, (vertex,) or (vertex, k), at each covered pixel."""
        values = np.asarray(values, dtype=np.float32)
        result = np.zeros((len(self.pixel), *values.shape[1:]), dtype=np.float32)
        for i in range(3):
            weight = self.weights[:, i] if values.ndim == 1 else self.weights[:, i, None]
            result += values[self.corners[:, i]] * weight
        return result

    def label(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Label with the largest share at each covered pixel, from (vertex,) labels."""
        first, second, third = (labels[self.corners[:, i]] for i in range(3))
        picked: NDArray[Any] = first.copy()
        mixed = np.flatnonzero((first != second) | (first != third))
        corner_labels = np.stack([first[mixed], second[mixed], third[mixed]], axis=1)
        weights = self.weights[mixed]
        share = np.stack([((corner_labels == corner_labels[:, [i]]) * weights).sum(axis=1) for i in range(3)])
        picked[mixed] = np.take_along_axis(corner_labels, share.argmax(axis=0)[:, None], axis=1)[:, 0]
        return picked

    def depth_image(self) -> FloatArray:
        """Depth of every pixel, minus infinity where nothing is seen; shape (row, column)."""
        image = np.full(self.shape, -np.inf, dtype=np.float32)
        image.ravel()[self.pixel] = self.depth
        return image

    def mask(self, members: BoolArray) -> BoolArray:
        """Spread a (covered,) mask over the picture; shape (row, column)."""
        image = np.zeros(self.shape, dtype=bool)
        image.ravel()[self.pixel] = members
        return image


def rasterise(points: FloatArray, faces: IntArray, shape: tuple[int, int]) -> Raster:
    """Find the face nearest to the viewer at every pixel centre.

    Parameters
    ----------
    points : (vertex, 3) float ndarray
        Column, row (both in pixels, from the upper left corner) and depth towards the viewer.
    faces : (face, 3) int ndarray
        Counter-clockwise as seen from outside; faces turned away are left out.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    Raster
    """
    u, v = points[faces, 0], points[faces, 1]
    # Rows count downwards, so a face that looks at the viewer turns clockwise in (column, row).
    area = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    seen = np.flatnonzero(area < -1e-9)
    first = np.ceil(np.stack([v[seen].min(axis=1), u[seen].min(axis=1)], axis=1) - 0.5).astype(np.int64)
    last = np.floor(np.stack([v[seen].max(axis=1), u[seen].max(axis=1)], axis=1) - 0.5).astype(np.int64)
    first, last = np.maximum(first, 0), np.minimum(last, np.array(shape) - 1)
    span = (last - first).max(axis=1) + 1
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    lower = 0
    for size in _sizes(int(span.max(initial=0))):
        group = np.flatnonzero((span > lower) & (span <= size))
        lower = size
        for block in np.array_split(group, max(1, len(group) * size * size // 4_000_000)):
            found.append(_inside(points, faces, (seen[block], first[block], last[block]), size, shape[1]))
    pixel = np.concatenate([item[0] for item in found]) if found else np.zeros(0, np.int64)
    face = np.concatenate([item[1] for item in found]) if found else np.zeros(0, np.int64)
    weights = np.concatenate([item[2] for item in found]) if found else np.zeros((0, 3), np.float32)
    depth = (points[faces[face], 2] * weights).sum(axis=1).astype(np.float32)
    nearest = _nearest(pixel, depth, shape[0] * shape[1])
    return Raster(shape, pixel[nearest], faces[face[nearest]], weights[nearest].astype(np.float32), depth[nearest])


def _nearest(pixel: IntArray, depth: FloatArray, n_pixels: int) -> IntArray:
    """Pick, of all faces found at a pixel, the one nearest to the viewer."""
    shared = np.bincount(pixel, minlength=n_pixels)[pixel] > 1
    alone, rivals = np.flatnonzero(~shared), np.flatnonzero(shared)
    rivals = rivals[np.lexsort((depth[rivals], pixel[rivals]))]
    winners = rivals[np.append(np.diff(pixel[rivals]) > 0, True)] if rivals.size else rivals
    return np.concatenate([alone, winners])


def _sizes(largest: int) -> list[int]:
    sizes, size = [], 2
    while True:
        sizes.append(size)
        if size >= largest:
            return sizes
        size = int(np.ceil(size * 1.4))


def _inside(
    points: FloatArray, faces: IntArray, boxed: tuple[IntArray, IntArray, IntArray], size: int, n_columns: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Pixels inside each face of a block of faces that fit into boxes of size × size."""
    chosen, first, last = boxed
    u, v = points[faces[chosen], 0].astype(np.float32), points[faces[chosen], 1].astype(np.float32)
    steps = np.arange(size)
    row = first[:, 0, None, None] + steps[:, None]
    column = first[:, 1, None, None] + steps
    x, y = (column + 0.5).astype(np.float32), (row + 0.5).astype(np.float32)
    area = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    parts = []
    for i, j in ((1, 2), (2, 0)):
        edge_u, edge_v = u[:, j] - u[:, i], v[:, j] - v[:, i]
        share = edge_u[:, None, None] * (y - v[:, i, None, None]) - edge_v[:, None, None] * (x - u[:, i, None, None])
        parts.append(share / area[:, None, None])
    third = 1 - parts[0] - parts[1]
    slack = -1e-5
    hit = (parts[0] >= slack) & (parts[1] >= slack) & (third >= slack)
    hit &= (row <= last[:, 0, None, None]) & (column <= last[:, 1, None, None])
    which, down, along = np.nonzero(hit)
    pixel = (first[which, 0] + down) * n_columns + first[which, 1] + along
    weights = np.stack([parts[0][hit], parts[1][hit], third[hit]], axis=1)
    return pixel, chosen[which], weights
