"""The weights and scales of the ranking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from actionloop import facts
from actionloop.errors import OptionError


@dataclass(frozen=True)
class Ranking:
    """How targets are chosen and ranked; see data/targets.toml for every value and its meaning.

    Attributes
    ----------
    version : int
    vertex, piece : mapping of str to float
        Weights of the terms that choose a vertex within a piece, and that rank pieces.
    scales : mapping of str to float
        Where terms saturate, mm and mm².
    candidates, neighbours, evidence, pose : mapping
        Which pieces count, whose distance is told, what trials say of a network, how a coil is laid.

    Raises
    ------
    OptionError
        Weights that are negative, all zero, or of unknown terms; scales that are not above 0.
    """

    version: int
    vertex: Mapping[str, float]
    piece: Mapping[str, float]
    scales: Mapping[str, float]
    candidates: Mapping[str, Any]
    neighbours: Mapping[str, list[str]]
    evidence: Mapping[str, Any]
    pose: Mapping[str, Any]

    def __post_init__(self) -> None:
        defaults = facts.load("targets")
        for name, weights in (("vertex", self.vertex), ("piece", self.piece)):
            unknown = set(weights) - set(defaults[name])
            if unknown:
                raise OptionError(f"unknown terms among the {name} weights: {', '.join(sorted(unknown))}")
            if min(weights.values(), default=-1) < 0 or not sum(weights.values()) > 0:
                raise OptionError(f"the {name} weights must not be negative, and not all zero")
        if any(not value > 0 for value in self.scales.values()) or self.scales["deep_mm"] <= self.scales["shallow_mm"]:
            raise OptionError("the scales of the ranking must be above 0, and deep_mm above shallow_mm")

    @classmethod
    def default(cls) -> Self:
        """Return the shipped values."""
        table = facts.load("targets")
        return cls(**{name: table[name] for name in cls.__dataclass_fields__})


def weighted_mean(terms: Mapping[str, Any], weights: Mapping[str, float]) -> Any:
    """Mean of the terms that exist, by their weights; numbers or arrays.

    Raises
    ------
    OptionError
        None of the terms has a weight.
    """
    used = {name: weight for name, weight in weights.items() if name in terms and weight > 0}
    if not used:
        raise OptionError("no term of the ranking that can be computed here has a weight above 0")
    return sum(weight * terms[name] for name, weight in used.items()) / sum(used.values())
