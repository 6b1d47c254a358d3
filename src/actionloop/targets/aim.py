"""Which vertex of a piece to aim at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.targets.side import Side
from actionloop.targets.weights import Ranking, weighted_mean
from actionloop.types import FloatArray, Piece


@dataclass(frozen=True)
class Aim:
    """The vertex aimed at, and what was weighed.

    Attributes
    ----------
    vertex : int
    centre_vertex : int
        Nearest the probability-weighted centroid of the piece.
    centre_mm, border_mm : float
        Distance along the surface from that centre, and from the edge of the piece.
    probability, sulc : float
        Of the piece's network, and the sulcal depth, there.
    """

    vertex: int
    centre_vertex: int
    centre_mm: float
    border_mm: float
    probability: float
    sulc: float


def choose_aim(piece: Piece, side: Side, ranking: Ranking) -> Aim:
    """Choose the vertex of a piece that weighs best.

    Nearness to the probability-weighted centre weighs most: a target is to hit the node, and a crown a centimetre
    off is another place. Probability, crown, depth and distance from the edge move it by a few mm.

    Parameters
    ----------
    piece : Piece
    side : Side
    ranking : Ranking

    Returns
    -------
    Aim
    """
    members = np.sort(piece.vertices)
    scales = ranking.scales
    probability = side.probability(piece.network)[members]
    centre = side.weighted_centre(members, probability * side.area_mm2[members])
    from_centre = side.geodesic.from_vertices(centre)[members]
    from_border = side.border_distance(members)
    terms: dict[str, FloatArray] = {
        "centre": np.exp(-0.5 * (from_centre / scales["centre_mm"]) ** 2),
        "probability": np.clip(probability, 0, 1),
        "border": np.clip(from_border / scales["border_mm"], 0, 1),
    }
    if side.crown is not None:
        terms["crown"] = side.crown[members]
    depth = side.depth(members)
    if depth is not None:
        terms["depth"] = depth_term(depth, ranking)
    # Rounded, so that a tie is settled by the vertex number and not by the last digit of a sum.
    best = int(np.round(weighted_mean(terms, ranking.vertex), 9).argmax())
    vertex = int(members[best])
    return Aim(
        vertex=vertex,
        centre_vertex=centre,
        centre_mm=float(from_centre[best]),
        border_mm=float(from_border[best]),
        probability=float(probability[best]),
        sulc=float(side.sulc[vertex]),
    )


def depth_term(depth_mm: FloatArray, ranking: Ranking) -> FloatArray:
    """1 where shallow, 0 where too deep for a coil, linear between."""
    shallow, deep = ranking.scales["shallow_mm"], ranking.scales["deep_mm"]
    term: FloatArray = np.clip((deep - depth_mm) / (deep - shallow), 0, 1)
    return term
