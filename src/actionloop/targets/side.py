"""What the choice of targets needs to know of one hemisphere, computed once."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from actionloop.brain import Geodesic, Scalp, unfolded, vertex_areas, weighted_centre
from actionloop.errors import GeometryError
from actionloop.types import Anatomy, FloatArray, Hemisphere, IntArray, NetworkMap


class Side:
    """One hemisphere of one person: labels, areas, distances, sulci, and depth below the scalp.

    Parameters
    ----------
    network_map : NetworkMap
    anatomy : Anatomy
    hemisphere : {'L', 'R'}
    scalp : Scalp or None
        In the frame of the anatomy.
    template : Anatomy, optional
        Same vertices; centres of pieces are found on its sphere.

    Raises
    ------
    GeometryError
        The scalp is in another frame, or the sulcal depth has another length than the mesh.
    """

    def __init__(
        self,
        network_map: NetworkMap,
        anatomy: Anatomy,
        hemisphere: Hemisphere,
        scalp: Scalp | None,
        *,
        template: Anatomy | None = None,
    ) -> None:
        if scalp is not None and scalp.frame != anatomy.frame:
            raise GeometryError(
                f"the scalp is in the frame {scalp.frame!r}, the surfaces are in {anatomy.frame!r}",
                fix="take both from the same image",
            )
        self.network_map = network_map
        self.hemisphere = hemisphere
        self.surface = anatomy.surface(hemisphere)
        self.unfolded = unfolded(template or anatomy, hemisphere)
        self.area_mm2 = vertex_areas(self.surface)
        self.scalp = scalp
        axis = network_map.grayordinates
        self.label: IntArray = axis.to_mesh(network_map.label, hemisphere)
        self.sulc = np.asarray(anatomy.sulc[hemisphere], dtype=np.float64)
        if self.sulc.shape != (self.surface.n_vertices,):
            raise GeometryError(f"expected {self.surface.n_vertices} values of sulcal depth, found {self.sulc.shape}")

    @cached_property
    def geodesic(self) -> Geodesic:
        """Distances along the midthickness."""
        return Geodesic(self.surface)

    @cached_property
    def crown(self) -> FloatArray | None:
        """1 on crowns, falling to 0 in the deepest sulci; (vertex,). None when no sulcal depth is known.

        The scale is the 90th percentile of its own absolute value, since units differ between sources.
        """
        scale = float(np.quantile(np.abs(self.sulc[self.network_map.grayordinates.vertices(self.hemisphere)]), 0.9))
        if not scale > 0:
            return None
        crown: FloatArray = np.clip(1 + self.sulc / scale, 0, 1)
        return crown

    def probability(self, network: str) -> FloatArray:
        """Probability of one network; (vertex,)."""
        index = self.network_map.names.index(network)
        return self.network_map.grayordinates.to_mesh(
            self.network_map.probability[index].astype(np.float64), self.hemisphere
        )

    def territory(self, network: str) -> IntArray:
        """Vertices labelled with a network; (vertex,)."""
        found: IntArray = np.flatnonzero(self.label == self.network_map.key(network))
        return found

    def border_distance(self, vertices: IntArray) -> FloatArray:
        """Exact distance of each member of a piece from the nearest vertex beyond its edge, mm; (member,)."""
        member = np.zeros(self.surface.n_vertices, dtype=bool)
        member[vertices] = True
        faces = self.surface.faces[member[self.surface.faces].any(axis=1)]
        rim = np.setdiff1d(faces, vertices)
        if not rim.size:
            return np.full(len(vertices), np.inf)
        # The way to the edge lies in the faces of the piece, so a mesh of these alone gives it.
        return Geodesic(replace(self.surface, faces=faces)).from_vertices(rim, exact=True)[vertices]

    def weighted_centre(self, vertices: IntArray, weight: FloatArray) -> int:
        """Member of a piece nearest its weighted centroid on the unfolded cortex."""
        return int(vertices[weighted_centre(self.unfolded.vertices[vertices], weight)])

    def depth(self, vertices: IntArray) -> FloatArray | None:
        """Distance of vertices from the scalp, mm; None without a scalp."""
        return None if self.scalp is None else self.scalp.distances(self.surface.vertices[vertices])
