"""The terms that rank a piece, each with the sentence that says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actionloop.targets.aim import Aim, depth_term
from actionloop.targets.pain import Pain
from actionloop.targets.side import Side
from actionloop.targets.weights import Ranking
from actionloop.types import Piece


@dataclass(frozen=True)
class Measured:
    """What is known of one candidate.

    Attributes
    ----------
    piece : Piece
    aim : Aim
    neighbour_mm : mapping of str to float
        Distance along the surface from the aim to each network of interest, nearest first.
    depth_mm : float or None
        From the aim to the scalp.
    """

    piece: Piece
    aim: Aim
    neighbour_mm: Mapping[str, float]
    depth_mm: float | None


def weigh(measured: Measured, side: Side, *, pain: Pain, ranking: Ranking) -> tuple[dict[str, float], tuple[str, ...]]:
    """Weigh one candidate.

    Parameters
    ----------
    measured : Measured
    side : Side
    pain : Pain
    ranking : Ranking

    Returns
    -------
    terms : dict of str to float
        0 to 1 each; what cannot be known (depth without a scalp, neighbours without any) is absent.
    reasons : tuple of str
        A sentence for each term with its number, and one on the aim.
    """
    piece, aim = measured.piece, measured.aim
    found = {
        "probability": (
            piece.mean_probability,
            f"Network: mean probability of {piece.network} {piece.mean_probability:.2f} over the piece, "
            f"{aim.probability:.2f} at the aim.",
        ),
        "size": (
            1 - float(np.exp(-piece.area_mm2 / ranking.scales["size_mm2"])),
            f"Size: {piece.area_mm2:.0f} mm² of cortex.",
        ),
        **_crown(measured, side),
        **_around(measured, ranking),
        "evidence": (
            float(ranking.evidence.get(piece.network, 0.5)),
            f"Evidence: trials in pain give {piece.network} a weight of {ranking.evidence.get(piece.network, 0.5):.1f} "
            f"of 1 ({ranking.evidence['cite']}).",
        ),
        "pain_side": pain.side_term(piece),
        "pain_region": pain.region_term(piece),
    }
    at = (
        f"Aim: {aim.centre_mm:.0f} mm from the probability-weighted centre of the piece, {aim.border_mm:.0f} mm from "
        "its edge, along the surface."
    )
    terms = {name: float(np.clip(value, 0, 1)) for name, (value, _) in found.items()}
    return terms, (*(sentence for _, sentence in found.values()), at)


def _crown(measured: Measured, side: Side) -> dict[str, tuple[float, str]]:
    if side.crown is None:
        return {}
    members, sulc = measured.piece.vertices, measured.aim.sulc
    share = float(np.average(side.sulc[members] >= 0, weights=side.area_mm2[members]))
    place = "on a gyral crown" if sulc >= 0 else "in a sulcus"
    return {
        "crown": (
            share,
            f"Crown: {share:.0%} of the piece is gyral crown; the aim lies {place} (sulcal depth {sulc:+.2f}).",
        )
    }


def _around(measured: Measured, ranking: Ranking) -> dict[str, tuple[float, str]]:
    """Terms of what lies beside the aim and above it."""
    found = {}
    if measured.neighbour_mm:
        nearest = min(measured.neighbour_mm.values())
        listed = ", ".join(f"{name} {distance:.0f} mm" for name, distance in measured.neighbour_mm.items())
        found["neighbours"] = (nearest / ranking.scales["neighbour_mm"], f"Neighbours along the surface: {listed}.")
    if measured.depth_mm is not None:
        term = float(depth_term(np.array(measured.depth_mm), ranking))
        found["depth"] = (term, f"Depth: {measured.depth_mm:.0f} mm below the scalp.")
    return found
