"""The piece of another map that a target belongs to, and how far away its centre lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.brain import Geodesic, vertex_areas
from actionloop.networks import amn_regions, scan_nodes
from actionloop.types import Anatomy, Hemisphere, NetworkMap, Piece, Surface, Target

Match = tuple[int | None, float]
"""Vertex at the centre of a piece (None where the map has no such piece), and mm from the target (NaN then)."""

_DETOUR, _MARGIN_MM = 1.5, 5.0


@dataclass(frozen=True, eq=False)
class Ruler:
    """Targets of one person, and what it takes to find their pieces in other maps.

    Attributes
    ----------
    targets : tuple of Target
    anatomy, template : Anatomy
        The person's surfaces, and the template's.
    area : (grayordinate,) str ndarray
        HCP-MMP area, without side, of each cortical row.
    """

    targets: tuple[Target, ...]
    anatomy: Anatomy
    template: Anatomy
    area: NDArray[np.str_]
    _known: WeakKeyDictionary[NetworkMap, list[Match]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False
    )

    def measure(self, other: NetworkMap) -> list[Match]:
        """Find every target's piece in a map; in the order of the targets. A map is looked at once."""
        if other not in self._known:
            self._known[other] = match_pieces(self.targets, other, self.anatomy, self.template, area=self.area)
        return self._known[other]

    def between(self, hemisphere: Hemisphere, one: int | None, other: int | None) -> float:
        """Geodesic distance between two centres, mm; NaN where one is absent."""
        if one is None or other is None:
            return np.nan
        return geodesic_mm(self.anatomy.surface(hemisphere), one, other)


def match_pieces(
    targets: Sequence[Target], other: NetworkMap, anatomy: Anatomy, template: Anatomy, *, area: NDArray[np.str_]
) -> list[Match]:
    """Find targets' pieces in another map of the same person.

    SCAN nodes and AMN regions are found by name. Islands (AMN in the dlPFC) are numbered by size, which says nothing
    from map to map: the island that shares most area with the target's own is taken, else the one of that side whose
    centre is nearest.

    Parameters
    ----------
    targets : sequence of Target
    other : NetworkMap
        On the person's mesh.
    anatomy, template : Anatomy
        The person's surfaces, and the template's.
    area : (grayordinate,) str ndarray
        HCP-MMP area, without side, of each cortical row.

    Returns
    -------
    list of (int or None, float)
        Of each target: the centre vertex, None where the map has no such piece; and the exact geodesic distance along
        the midthickness from the target to it, mm, NaN then.
    """
    other = other.cortex()
    pieces = [*scan_nodes(other, anatomy, template), *amn_regions(other, anatomy, template, area=area)]
    found: list[Match] = []
    for target in targets:
        piece = _piece_of(target, pieces, anatomy)
        if piece is None:
            found.append((None, np.nan))
        else:
            surface = anatomy.surface(target.piece.hemisphere)
            found.append((piece.centre_vertex, geodesic_mm(surface, target.vertex, piece.centre_vertex)))
    return found


def geodesic_mm(surface: Surface, one: int, other: int) -> float:
    """Exact geodesic distance between two vertices.

    Only faces near the first vertex are looked at, ever more of them until they hold the path.

    Parameters
    ----------
    surface : Surface
    one, other : int
        Vertices.

    Returns
    -------
    float
        mm; NaN where no path leads.
    """
    geodesic, away_mm = Geodesic(surface), np.linalg.norm(surface.vertices - surface.vertices[one], axis=1)
    radius_mm = _DETOUR * float(away_mm[other]) + _MARGIN_MM
    while radius_mm < away_mm.max():
        found = float(geodesic.near(one, radius_mm)[other])
        if np.isfinite(found):
            return found
        radius_mm *= 2
    found = float(geodesic.from_vertices(one, exact=True)[other])
    return found if np.isfinite(found) else np.nan


def _piece_of(target: Target, pieces: Sequence[Piece], anatomy: Anatomy) -> Piece | None:
    own = target.piece
    beside = [piece for piece in pieces if piece.hemisphere == own.hemisphere and piece.network == own.network]
    kind = _island_kind(own.name)
    if kind is None:
        return next((piece for piece in beside if piece.name == own.name), None)
    islands = [piece for piece in beside if piece.name.startswith(kind)]
    if not islands:
        return None
    surface = anatomy.surface(own.hemisphere)
    area_mm2 = vertex_areas(surface)
    shared = [float(area_mm2[np.intersect1d(piece.vertices, own.vertices)].sum()) for piece in islands]
    if max(shared) > 0:
        return islands[int(np.argmax(shared))]
    return min(islands, key=lambda piece: _or_far(geodesic_mm(surface, target.vertex, piece.centre_vertex)))


def _island_kind(name: str) -> str | None:
    """Return what the names of all islands of a region begin with; None for a piece that is alone in its region."""
    kinds = [f"AMN {region['name']} " for region in facts.load("regions")["region"] if region["islands"]]
    return next((kind for kind in kinds if name.startswith(kind)), None)


def _or_far(distance_mm: float) -> float:
    return distance_mm if np.isfinite(distance_mm) else np.inf
