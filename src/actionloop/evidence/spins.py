"""Spheres turned at random: where each vertex of both hemispheres comes from."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import adjacency, sphere_triangles
from actionloop.errors import GeometryError, OptionError
from actionloop.types import FloatArray, IntArray

_FACTS: dict[str, Any] = facts.load("evidence")["spin"]
_MIRROR = np.array([-1.0, 1.0, 1.0])
_CELLS = 1.0  # sides of a cell of the lookup that go into the distance between vertices, about


def draw_rotations(n: int, *, rng: np.random.Generator, least_angle_deg: float | None = None) -> FloatArray:
    """Draw rotations, uniform but for those near the identity.

    Parameters
    ----------
    n : int
    rng : numpy Generator
    least_angle_deg : float, optional
        Smaller rotations are drawn again; `spin.least_angle_deg` of data/evidence.toml by default, 0 keeps all.

    Returns
    -------
    (rotation, 3, 3) float64 ndarray
        Of the left sphere; `mirrored` gives those of the right.

    Raises
    ------
    OptionError
        Fewer than 0, or an angle that leaves next to no rotations.
    """
    least = float(_FACTS["least_angle_deg"]) if least_angle_deg is None else least_angle_deg
    if n < 0 or not 0 <= least <= 90:
        raise OptionError(f"cannot draw {n} rotations of at least {least:g}°", fix="give 0 to 90 degrees")
    kept = np.empty((0, 4))
    while len(kept) < n:
        # Normal quaternions point in all directions alike; |w| is the cosine of half the angle.
        drawn = rng.standard_normal((n - len(kept), 4))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        large = np.abs(drawn[:, 0]) <= np.cos(np.deg2rad(least) / 2)
        kept = np.concatenate([kept, drawn[large]])
    w, x, y, z = kept.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix: FloatArray = np.moveaxis(np.array(rows), -1, 0)
    return np.ascontiguousarray(matrix)


def mirrored(rotations: FloatArray) -> FloatArray:
    """Return what rotations of the left sphere are on the right: x reversed before and after."""
    turned: FloatArray = rotations * np.outer(_MIRROR, _MIRROR)
    return turned


class Spinner:
    """Both spheres, ready to be turned.

    The nearest vertex is found exactly: from a lookup by direction the search walks to ever nearer neighbours in the
    triangulation of the vertices' convex hull, where the only vertex without a nearer neighbour is the nearest. Where
    the right sphere is the mirror image of the left, vertex for vertex, as in fsLR, only the left is searched.

    Parameters
    ----------
    left, right : (vertex, 3) float ndarray
        Registered spheres around the origin, of any radius; not the anatomical surfaces.

    Raises
    ------
    GeometryError
        No spheres around the origin, or vertices that coincide.
    """

    def __init__(self, left: FloatArray, right: FloatArray) -> None:
        left, right = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
        self._left = _Lookup(left, "left")
        mirror_image = left.shape == right.shape and np.array_equal(left * _MIRROR, right)
        self._right = None if mirror_image else _Lookup(right, "right")
        self.n_left, self.n_right = len(left), len(right)

    @property
    def n_vertices(self) -> int:
        """Vertices of both meshes."""
        return self.n_left + self.n_right

    def sources(self, rotations: FloatArray) -> IntArray:
        """Tell which vertex comes to lie nearest each vertex when the spheres are turned.

        Parameters
        ----------
        rotations : (rotation, 3, 3) float ndarray
            Of the left sphere; the right one turns as its mirror image.

        Returns
        -------
        (rotation, vertex) int32 ndarray
            Vertices of the left mesh and then of the right. `map_[sources]` is the turned map; what is NaN (the medial
            wall) is NaN where it comes to lie.

        Raises
        ------
        GeometryError
            No rotations.
        """
        turns = np.asarray(rotations, dtype=np.float64)
        if turns.ndim != 3 or turns.shape[1:] != (3, 3) or not np.isfinite(turns).all():
            raise GeometryError(f"expected rotations of shape (rotation, 3, 3), found {turns.shape}")
        off = np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max(initial=0)
        if off > 1e-6 or (np.linalg.det(turns) < 0).any():
            raise GeometryError("expected rotations, found matrices that stretch or mirror")
        out = np.empty((len(turns), self.n_vertices), dtype=np.int32)
        self._left.find(turns, out[:, : self.n_left])
        if self._right is None:
            out[:, self.n_left :] = out[:, : self.n_left]
        else:
            self._right.find(mirrored(turns), out[:, self.n_left :])
        out[:, self.n_left :] += self.n_left
        return out


class _Lookup:
    """Nearest vertex of one sphere by direction."""

    def __init__(self, vertices: FloatArray, side: str) -> None:
        try:
            faces = sphere_triangles(vertices)
        except GeometryError as error:
            raise GeometryError(
                f"the {side} surface cannot be spun: {error.problem}",
                where=error.where,
                fix="give the registered sphere of each hemisphere, (vertex, 3)",
            ) from error
        self.points = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
        links = adjacency(faces, len(vertices))
        self.indptr, self.indices = links.indptr.astype(np.int32), links.indices.astype(np.int32)
        apart = np.sqrt(4 * np.pi / len(vertices))
        self.cells = int(np.ceil(_CELLS / apart))
        self.start = cKDTree(self.points).query(_cell_centres(self.cells))[1].astype(np.int32)

    def find(self, rotations: FloatArray, out: IntArray) -> None:
        """Write to `out` (rotation, vertex) the vertex that comes nearest each vertex."""
        _find(rotations, self.points, self.indptr, self.indices, self.start, self.cells, out)


def _cell_centres(cells: int) -> FloatArray:
    """Directions of the cells on the six sides of a cube, in the order of `_cell`; (6 cells², 3), length 1."""
    along = (np.arange(cells) + 0.5) / cells * 2 - 1
    first, second = (part.ravel() for part in np.meshgrid(along, along, indexing="ij"))
    sides = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            side = np.empty((cells * cells, 3))
            side[:, axis], side[:, (axis + 1) % 3], side[:, (axis + 2) % 3] = sign, first, second
            sides.append(side)
    centres = np.concatenate(sides)
    unit: FloatArray = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    return unit


@numba.njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _cell(x: Any, y: Any, z: Any, cells: Any) -> Any:
    """Cell of the cube's surface that a direction passes through."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax >= ay and ax >= az:
        side, major, first, second = 0 if x > 0 else 1, ax, y, z
    elif ay >= az:
        side, major, first, second = 2 if y > 0 else 3, ay, z, x
    else:
        side, major, first, second = 4 if z > 0 else 5, az, x, y
    scale = 0.5 * cells / major
    i = min(int(first * scale + 0.5 * cells), cells - 1)
    j = min(int(second * scale + 0.5 * cells), cells - 1)
    return (side * cells + i) * cells + j


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _find(rotations: Any, points: Any, indptr: Any, indices: Any, start: Any, cells: Any, out: Any) -> None:
    for turn in numba.prange(len(rotations)):
        r = rotations[turn]
        for target in range(len(points)):
            # The vertex nearest v on the turned sphere is nearest to v turned back on the sphere at rest.
            a, b, c = points[target, 0], points[target, 1], points[target, 2]
            x = r[0, 0] * a + r[1, 0] * b + r[2, 0] * c
            y = r[0, 1] * a + r[1, 1] * b + r[2, 1] * c
            z = r[0, 2] * a + r[1, 2] * b + r[2, 2] * c
            here = start[_cell(x, y, z, cells)]
            best = x * points[here, 0] + y * points[here, 1] + z * points[here, 2]
            moved = True
            while moved:
                moved = False
                for place in range(indptr[here], indptr[here + 1]):
                    other = indices[place]
                    near = x * points[other, 0] + y * points[other, 1] + z * points[other, 2]
                    if near > best:
                        best, step, moved = near, other, True
                if moved:
                    here = step
            out[turn, target] = here
