"""Where a target's piece lies in another map of the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from actionloop import facts
from actionloop.brain import Geodesic, adjacency, connected_pieces, unfolded, vertex_areas, weighted_centre
from actionloop.networks import node_territories
from actionloop.types import Anatomy, BoolArray, FloatArray, Grayordinates, IntArray, Target

ABSENT = -1
_REACH_MM = 40.0


@dataclass(frozen=True, eq=False)
class Place:
    """What it takes to find one target's piece again.

    Attributes
    ----------
    target : Target
    rows : (member,) int ndarray
        Grayordinates where the piece may lie.
    vertices : (member,) int ndarray
        Mesh vertices of those.
    neighbours : (member, member) sparse array
    area_mm2 : (member,) float ndarray
    xyz : (member, 3) float ndarray
        Frame of the person's surfaces.
    unfolded : (member, 3) float ndarray
        On the template's sphere.
    own : (member,) bool ndarray
        Vertices of the target's own piece.
    by_overlap : bool
        The piece is the one that overlaps the target's own most (islands); otherwise the largest.
    away_mm : (vertex,) float ndarray
        Geodesic distance from the target to every mesh vertex, 40 mm at most.
    least_mm2 : float
        Smaller pieces are none.
    """

    target: Target
    rows: IntArray
    vertices: IntArray
    neighbours: Any
    area_mm2: FloatArray
    xyz: FloatArray
    unfolded: FloatArray
    own: BoolArray
    by_overlap: bool
    away_mm: FloatArray
    least_mm2: float

    def centre(self, members: BoolArray, probability: FloatArray) -> int:
        """Find the vertex at the probability-weighted centre of the piece.

        Parameters
        ----------
        members : (member,) bool ndarray
            Which of `rows` belong to the target's network in the other map.
        probability : (member,) float ndarray
            Of that network.

        Returns
        -------
        int
            Mesh vertex; `ABSENT` where there is no such piece.
        """
        pieces = connected_pieces(members, self.neighbours)
        pieces = [piece for piece in pieces if self.area_mm2[piece].sum() >= self.least_mm2]
        if self.by_overlap:
            pieces = [piece for piece in pieces if self.own[piece].any()]
        if not pieces:
            return ABSENT
        counts = self.area_mm2 * self.own if self.by_overlap else self.area_mm2
        piece = max(pieces, key=lambda some: float(counts[some].sum()))
        weight = self.area_mm2[piece] * probability[piece]
        return int(self.vertices[piece[weighted_centre(self.unfolded[piece], weight)]])

    def distance_mm(self, vertex: int) -> float:
        """Geodesic distance from the target to a centre; NaN where it is absent."""
        return float(self.away_mm[vertex]) if vertex != ABSENT else np.nan


def find_places(
    targets: Sequence[Target],
    grayordinates: Grayordinates,
    anatomy: Anatomy,
    template: Anatomy,
    *,
    area: NDArray[np.str_],
) -> tuple[Place, ...]:
    """Prepare what finds every target's piece in other maps.

    SCAN nodes are looked for in the territory of their name, AMN islands in the areas of the dlPFC.

    Parameters
    ----------
    targets : sequence of Target
    grayordinates : Grayordinates
        Cortical rows of the maps.
    anatomy, template : Anatomy
        The person's surfaces, and the template's.
    area : (grayordinate,) str ndarray
        HCP-MMP area of each row.

    Returns
    -------
    tuple of Place
        In the order of the targets.
    """
    limits = facts.load("mapping")["nodes"]["min_node_mm2"], facts.load("regions")["limits"]["min_island_mm2"]
    island_areas = [name for region in facts.load("regions")["region"] if region["islands"] for name in region["areas"]]
    found = []
    for side in dict.fromkeys(target.piece.hemisphere for target in targets):
        surface, vertices, flat = anatomy.surface(side), grayordinates.vertices(side), unfolded(template, side)
        neighbours, area_mm2 = sparse.csr_array(adjacency(surface.faces, surface.n_vertices)), vertex_areas(surface)
        territories, geodesic = node_territories(grayordinates, template, side), Geodesic(surface)
        islands = grayordinates.to_mesh(np.isin(area, island_areas), side, fill=False)
        first = 0 if side == "L" else len(grayordinates.left)
        for target in (one for one in targets if one.piece.hemisphere == side):
            by_overlap = target.piece.name not in territories
            inside = islands if by_overlap else territories[target.piece.name]
            places = np.flatnonzero(inside[vertices])
            chosen = vertices[places]
            found.append(
                Place(
                    target=target,
                    rows=first + places,
                    vertices=chosen,
                    neighbours=neighbours[chosen][:, chosen],
                    area_mm2=area_mm2[chosen],
                    xyz=surface.vertices[chosen],
                    unfolded=flat.vertices[chosen],
                    own=np.isin(chosen, target.piece.vertices),
                    by_overlap=by_overlap,
                    away_mm=np.minimum(geodesic.near(target.vertex, _REACH_MM), _REACH_MM),
                    least_mm2=float(limits[by_overlap]),
                )
            )
    order = {id(target): position for position, target in enumerate(targets)}
    return tuple(sorted(found, key=lambda place: order[id(place.target)]))
