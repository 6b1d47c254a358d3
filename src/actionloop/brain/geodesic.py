"""Distances along the cortical surface."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from actionloop.brain.surface import adjacency
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray, Surface

# Setting the heat method up takes a second: once for each surface, as long as somebody holds it.
_HEAT: WeakKeyDictionary[Surface, Any] = WeakKeyDictionary()


class Geodesic:
    """Distances along one surface, in mm.

    Two solvers: the heat method [1]_ (fast, a few per cent off) and exact polyhedral distances [2]_ (slow over a
    whole hemisphere, fast within a small radius). Steps along edges are never reported as distances.

    Parameters
    ----------
    surface : Surface
        A midthickness surface, as a rule. Vertices without a face are infinitely far from all others.

    References
    ----------
    .. [1] Crane, Weischedel & Wardetzky 2013, doi:10.1145/2516971.2516977
    .. [2] Mitchell, Mount & Papadimitriou 1987, doi:10.1137/0216045
    """

    def __init__(self, surface: Surface) -> None:
        if not len(surface.faces):
            raise GeometryError("a surface without faces has no distances", where=surface.source or None)
        self._n_vertices = surface.n_vertices
        self._used = np.unique(surface.faces)
        self._compact = np.full(surface.n_vertices, -1, dtype=np.int64)
        self._compact[self._used] = np.arange(len(self._used))
        self._points = np.ascontiguousarray(surface.vertices[self._used], dtype=np.float64)
        self._faces = np.ascontiguousarray(self._compact[surface.faces], dtype=np.int64)
        _, self._component = connected_components(adjacency(self._faces, len(self._used)), directed=False)
        self._surface = surface
        corner = self._points[self._faces]
        self._longest_edge = float(np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2).max())

    def from_vertices(self, sources: IntArray | int, *, exact: bool = False) -> FloatArray:
        """Distance of every vertex from the nearest of some vertices.

        Parameters
        ----------
        sources : (source,) int ndarray or int
        exact : bool
            Exact polyhedral distances instead of the heat method.

        Returns
        -------
        (vertex,) float64 ndarray
            mm; 0 at the sources, infinite where no path leads.

        Raises
        ------
        EmptyRegionError
            No sources.
        GeometryError
            Sources that are no vertices of the surface.
        """
        vertices = self._checked(sources)
        distance = np.full(self._n_vertices, np.inf)
        start = self._compact[vertices]
        start = start[start >= 0]
        if start.size:
            reached = np.isin(self._component, self._component[start])
            raw = self._exact_from(start, reached) if exact else self._heat_from(start)
            distance[self._used[reached]] = np.maximum(raw[reached], 0)
        distance[vertices] = 0
        return distance

    def within(self, source: int, radius_mm: float) -> IntArray:
        """Vertices not farther than a radius from one vertex, by exact distance.

        Parameters
        ----------
        source : int
        radius_mm : float

        Returns
        -------
        (member,) int64 ndarray
            Ascending; holds `source`.
        """
        vertices = self._checked(source)
        return np.union1d(np.flatnonzero(self.near(source, radius_mm) <= radius_mm), vertices)

    def near(self, source: int, radius_mm: float) -> FloatArray:
        """Exact distance of every vertex from one vertex, as far as it is not beyond a radius.

        Parameters
        ----------
        source : int
        radius_mm : float

        Returns
        -------
        (vertex,) float64 ndarray
            mm; infinite beyond the radius.
        """
        if not radius_mm >= 0 or not np.isfinite(radius_mm):
            raise GeometryError(f"expected a radius of 0 mm or more, found {radius_mm}")
        vertices = self._checked(source)
        start = self._compact[vertices]
        distance = np.full(self._n_vertices, np.inf)
        distance[vertices] = 0
        if start[0] < 0:
            return distance
        # A path no longer than the radius stays in the ball of that radius, and in the faces that meet the ball.
        straight = np.linalg.norm(self._points - self._points[start[0]], axis=1)
        near = (straight <= radius_mm + self._longest_edge) & (self._component == self._component[start[0]])
        found = self._exact_from(start, near)
        inside = found <= radius_mm
        distance[self._used[inside]] = np.maximum(found[inside], 0)
        return distance

    def _checked(self, sources: IntArray | int) -> NDArray[np.int64]:
        vertices = np.unique(np.atleast_1d(np.asarray(sources)))
        if not vertices.size:
            raise EmptyRegionError("distances need at least one vertex to start from")
        if not np.issubdtype(vertices.dtype, np.integer):
            raise GeometryError(f"expected vertex indices, found {vertices.dtype} values")
        if vertices[0] < 0 or vertices[-1] >= self._n_vertices:
            raise GeometryError(f"vertex {vertices[-1]} is not on a surface of {self._n_vertices} vertices")
        return vertices.astype(np.int64)

    def _heat_from(self, start: IntArray) -> FloatArray:
        solver = _HEAT.get(self._surface)
        if solver is None:
            import potpourri3d

            solver = _HEAT[self._surface] = potpourri3d.MeshHeatMethodDistanceSolver(self._points, self._faces)
        return np.asarray(solver.compute_distance_multisource([int(v) for v in start]), dtype=np.float64)

    def _exact_from(self, start: IntArray, inside: BoolArray) -> FloatArray:
        """Exact distances along the faces that touch `inside`; infinite elsewhere.

        The solver must see nothing that the sources do not reach: what it says of the rest is not defined.
        """
        import pygeodesic.geodesic

        faces = self._faces[inside[self._faces].any(axis=1)]
        kept = np.unique(faces)
        compact = np.full(len(self._points), -1, dtype=np.int64)
        compact[kept] = np.arange(len(kept))
        _, component = connected_components(adjacency(compact[faces], len(kept)), directed=False)
        reached = np.isin(component, component[compact[start]])
        faces = faces[reached[compact[faces[:, 0]]]]
        kept = kept[reached]
        compact[kept] = np.arange(len(kept))
        solver = pygeodesic.geodesic.PyGeodesicAlgorithmExact(self._points[kept], compact[faces].astype(np.int32))
        found, _ = solver.geodesicDistances(compact[start].astype(np.int32), None)
        distance = np.full(len(self._points), np.inf)
        distance[kept] = found
        return distance
