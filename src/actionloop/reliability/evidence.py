"""What is measured of each target to judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from actionloop import facts
from actionloop.reliability.found import Halves, Resamples
from actionloop.reliability.places import ABSENT, Place
from actionloop.types import FloatArray, IntArray, NetworkMap


@dataclass(frozen=True)
class Evidence:
    """Measures of one target, none of which knows the truth.

    Attributes
    ----------
    spread_mm, spread_95_mm : float
        Over resamples that have the piece: median and 95th percentile of the distance of its centre from the target;
        `far_mm` where none has it.
    present, within : float
        Shares of resamples that have the piece, and that have its centre within `near_mm`.
    halves_mm : float
        Mean distance from the target to the centres in the two halves' maps; `far_mm` for a half that lacks the piece.
    apart_mm : float
        Straight distance between the two halves' centres; `far_mm` where one is absent.
    stability : float
        Mean over the piece of the share of resamples that keep a vertex's network.
    held_out : float
        Fisher z with the piece's own network, far away and in the half that was not mapped; 0 where unknown.
    lead : float
        The same less the largest of the other networks'.
    equal : float
        Share of equal labels of the two halves' maps.
    probability : float
        Of the network, mean over the piece.
    area_mm2 : float
    minutes : float
    island : float
        1 for an island of AMN, named by its size among others; 0 for a node of SCAN, named by its place.
    """

    spread_mm: float
    spread_95_mm: float
    present: float
    within: float
    halves_mm: float
    apart_mm: float
    stability: float
    held_out: float
    lead: float
    equal: float
    probability: float
    area_mm2: float
    minutes: float
    island: float = 0.0

    def features(self) -> dict[str, float]:
        """Return the measures on the scales on which they are weighed."""
        found = {field.name: float(getattr(self, field.name)) for field in fields(self)}
        for name in ("spread_mm", "spread_95_mm", "halves_mm", "apart_mm", "area_mm2", "minutes"):
            found[name] = float(np.log1p(found[name]))
        return found


def gather(
    places: Sequence[Place],
    halves: Halves,
    resamples: Resamples,
    held: FloatArray,
    *,
    names: Sequence[str],
    minutes: float,
) -> list[Evidence]:
    """Collect the evidence of every target.

    Parameters
    ----------
    places : sequence of Place
    halves : Halves
    resamples : Resamples
        With the centres of these places.
    held : (target, network) float ndarray
        From `held_out`.
    names : sequence of str
        Networks of `held`.
    minutes : float
        Usable minutes.

    Returns
    -------
    list of Evidence
    """
    limits = facts.load("reliability")["held_out"]
    near_mm, far_mm = float(limits["near_mm"]), float(limits["far_mm"])
    found = []
    for place, centres, z in zip(places, resamples.centres, held, strict=True):
        piece = place.target.piece
        away = np.array([place.distance_mm(int(vertex)) for vertex in centres if vertex != ABSENT])
        ends = [half_centre(place, made) for made in halves.maps]
        own = names.index(piece.network)
        others = np.delete(z, own)
        known = np.isfinite(z[own])
        rest = float(np.nanmax(others)) if known and np.isfinite(others).any() else 0.0
        found.append(
            Evidence(
                spread_mm=float(np.median(away)) if away.size else far_mm,
                spread_95_mm=float(np.quantile(away, 0.95)) if away.size else far_mm,
                present=float((centres != ABSENT).mean()),
                within=float((away <= near_mm).sum() / len(centres)),
                halves_mm=float(np.mean([far_mm if v == ABSENT else place.distance_mm(v) for v in ends])),
                apart_mm=between_mm(place, ends, far_mm),
                stability=float(resamples.stability[place.rows[place.own]].mean()),
                held_out=float(z[own]) if known else 0.0,
                lead=float(z[own] - rest) if known else 0.0,
                equal=halves.equal if np.isfinite(halves.equal) else 0.0,
                probability=piece.mean_probability,
                area_mm2=piece.area_mm2,
                minutes=minutes,
                island=float(piece.network != "SCAN"),
            )
        )
    return found


def half_centre(place: Place, made: NetworkMap) -> int:
    """Find the centre of a target's piece in another map; `ABSENT` where there is none."""
    network = made.names.index(place.target.piece.network)
    members = made.members(place.target.piece.network)[place.rows]
    return place.centre(members, made.probability[network][place.rows])


def between_mm(place: Place, ends: Sequence[int], far_mm: float) -> float:
    """Straight distance between two centres of one place, mm; `far_mm` where one is absent."""
    if ABSENT in ends:
        return far_mm
    where: IntArray = np.searchsorted(place.vertices, np.asarray(ends))
    return float(np.linalg.norm(place.xyz[where[0]] - place.xyz[where[1]]))
