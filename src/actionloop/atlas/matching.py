"""Which of many people's pieces are the same part: SCAN nodes by name, AMN islands by nearness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.optimize import linear_sum_assignment

from actionloop import facts
from actionloop.brain import Geodesic
from actionloop.errors import EmptyRegionError, InputError
from actionloop.types import HEMISPHERES, Anatomy, FloatArray, Hemisphere, IntArray

ABSENT = -1
"""Vertex of a centre that a person does not have."""


class Placed(Protocol):
    """A part of a network that lies somewhere: a `Piece`, or what was kept of one."""

    @property
    def name(self) -> str:
        """E.g. 'SCAN middle'."""

    @property
    def network(self) -> str:
        """Network that it is a part of."""

    @property
    def hemisphere(self) -> Hemisphere:
        """Side."""

    @property
    def centre_vertex(self) -> int:
        """Mesh vertex of its centre."""


def node_centres(people: Sequence[Sequence[Placed]], network: str) -> dict[tuple[str, Hemisphere], IntArray]:
    """Match people's pieces by name and side: SCAN nodes, whose names stand for places.

    Parameters
    ----------
    people : sequence of sequence of Placed
        Such as `Piece`.
    network : str

    Returns
    -------
    dict of (name, hemisphere) to (person,) int ndarray
        Mesh vertex of each centre; `ABSENT` where a person has no such piece. In order of first appearance.

    Raises
    ------
    InputError
        Nobody, or a person with two pieces of one name.
    """
    if not people:
        raise InputError("there is nobody to compare")
    found: dict[tuple[str, Hemisphere], IntArray] = {}
    for number, pieces in enumerate(people):
        own: set[tuple[str, Hemisphere]] = set()
        for piece in (one for one in pieces if one.network == network):
            place = piece.name, piece.hemisphere
            if place in own:
                raise InputError(f"person {number + 1} has {piece.name} {piece.hemisphere} twice")
            own.add(place)
            found.setdefault(place, np.full(len(people), ABSENT, dtype=np.int64))[number] = piece.centre_vertex
    return found


def island_centres(
    people: Sequence[Sequence[Placed]], template: Anatomy, *, prefix: str = "AMN dlPFC"
) -> dict[tuple[str, Hemisphere], IntArray]:
    """Match people's islands by nearness: their numbers say how large they are, not where.

    Places of the group are found one after another: the island within reach (along the template's cortex, by the heat
    method) of which the most people have one. Islands within reach of it then count no more. Each person's islands go
    one to one to the places within reach, as many as possible, the nearest together.

    Parameters
    ----------
    people : sequence of sequence of Placed
        Such as `Piece`.
    template : Anatomy
        Whose vertices correspond to everybody's.
    prefix : str
        How the names of islands begin.

    Returns
    -------
    dict of (name, hemisphere) to (person,) int ndarray
        As from `node_centres`; names are the prefix with 'place 1', 'place 2' ..., the most frequent first.

    Raises
    ------
    InputError
        Nobody.
    EmptyRegionError
        No place that enough people share.
    """
    if not people:
        raise InputError("there is nobody to compare")
    settings = facts.load("atlas")["scatter"]
    reach_mm, least = float(settings["reach_mm"]), float(settings["least_share"]) * len(people)
    found: dict[tuple[str, Hemisphere], IntArray] = {}
    for side in HEMISPHERES:
        islands = [
            (person, piece.centre_vertex)
            for person, pieces in enumerate(people)
            for piece in pieces
            if piece.hemisphere == side and piece.name.startswith(prefix)
        ]
        if not islands:
            continue
        owner, vertex = np.array(islands, dtype=np.int64).T
        geodesic = Geodesic(template.surface(side))
        away_mm = np.stack([geodesic.from_vertices(at)[vertex] for at in vertex.tolist()])
        places = _places(owner, away_mm, reach_mm, max(least, 1))
        for number, centres in enumerate(_assigned(owner, vertex, away_mm[places], reach_mm, len(people)), 1):
            found[f"{prefix} place {number}", side] = centres
    if not found:
        raise EmptyRegionError(
            f"no place of {prefix} is shared by {least:g} of {len(people)} people",
            fix="add people, or look at their maps: are there islands?",
        )
    return found


def _places(owner: IntArray, away_mm: FloatArray, reach_mm: float, least: float) -> list[int]:
    """Choose the islands at which the group's places are, the most frequent first."""
    near = away_mm <= reach_mm
    total = np.where(near, away_mm, 0).sum(axis=1)
    left, places = np.ones(len(owner), dtype=bool), []
    while left.any():
        shared = [len(np.unique(owner[own & left])) if free else 0 for own, free in zip(near, left, strict=True)]
        people = np.array(shared)
        # Of islands that as many people share, the one amidst them.
        best = int(np.lexsort((total, -people))[0])
        if people[best] < least:
            break
        places.append(best)
        left &= ~near[best]
    return places


def _assigned(owner: IntArray, vertex: IntArray, away_mm: FloatArray, reach_mm: float, n_people: int) -> IntArray:
    """Give each person's islands to places, (place, island) mm away; centres as (place, person)."""
    centres = np.full((len(away_mm), n_people), ABSENT, dtype=np.int64)
    for person in np.unique(owner).tolist():
        own = np.flatnonzero(owner == person)
        distance = away_mm[:, own]
        # One more island placed outweighs any distances saved.
        cost = np.where(distance <= reach_mm, distance, 1e3 * reach_mm)
        for place, island in zip(*linear_sum_assignment(cost), strict=True):
            if distance[place, island] <= reach_mm:
                centres[place, person] = vertex[own[island]]
    return centres
