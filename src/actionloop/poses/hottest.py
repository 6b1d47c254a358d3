"""The part of the cortex with the strongest field, and how much of it a network has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from actionloop.errors import GeometryError
from actionloop.poses.draws import Maps
from actionloop.types import BoolArray, FloatArray, IntArray

# Of the vertices that may be among the strongest, so many times those known are looked at first.
_MANY = 4


@dataclass(frozen=True, eq=False)
class Hottest:
    """Where draws have their strongest field.

    Attributes
    ----------
    vertices : (draw, hottest) int64 ndarray
    weight : (draw, hottest) float64 ndarray
        Share of the strongest part that each vertex makes up; 0 on the side that is not the target's.
    target_v_per_m : (draw,) float ndarray
        Field on the target.
    """

    vertices: IntArray
    weight: FloatArray
    target_v_per_m: FloatArray

    def shares(self, maps: Maps, chosen: IntArray) -> FloatArray:
        """Share in the network of each draw's own map; one look serves all draws where nothing else varies."""
        found = np.empty(len(chosen))
        order = np.argsort(chosen, kind="stable")
        for some in np.array_split(order, np.flatnonzero(np.diff(chosen[order])) + 1):
            at = some if len(self.vertices) > 1 else np.zeros(1, dtype=np.int64)
            members = maps.members(chosen[some[:1]])[0]
            found[some] = (self.weight[at] * members[self.vertices[at]]).sum(axis=1)
        return found

    def shares_of(self, members: BoolArray) -> FloatArray:
        """Share in one network."""
        found: FloatArray = (self.weight * members[self.vertices]).sum(axis=1)
        return found


def join(parts: Sequence[Hottest]) -> Hottest:
    """Join draws; those with fewer vertices are filled up with weight 0."""
    width = max(part.vertices.shape[1] for part in parts)
    short = [((0, 0), (0, width - part.vertices.shape[1])) for part in parts]
    return Hottest(
        np.concatenate([np.pad(part.vertices, pad) for part, pad in zip(parts, short, strict=True)]),
        np.concatenate([np.pad(part.weight, pad) for part, pad in zip(parts, short, strict=True)]),
        np.concatenate([part.target_v_per_m for part in parts]),
    )


def measure_strength(
    field: FloatArray, area_mm2: FloatArray, *, response: FloatArray | None, factors: FloatArray
) -> FloatArray:
    """Measure |E| on the cortex in draws, with the first-order effect of other conductivities.

    Parameters
    ----------
    field : (draw, vertex, 3) float32 ndarray
        Or of one pose, (1, vertex, 3), for all draws.
    area_mm2 : (vertex,) float ndarray
    response : (tissue, vertex) float32 ndarray or None
        d log|E| / d log conductivity.
    factors : (draw, tissue) float32 ndarray
        Logarithm of the factor on each conductivity.

    Returns
    -------
    (draw, vertex) float32 ndarray
        -1 where there is no cortex.

    Raises
    ------
    GeometryError
        The field holds NaN or infinite values.
    """
    if response is None or not factors.any():
        response, factors = np.zeros((0, len(area_mm2)), dtype=np.float32), factors[:, :0]
    strength = np.empty((len(factors), len(area_mm2)), dtype=np.float32)
    _measure(np.ascontiguousarray(field), area_mm2 > 0, response, np.ascontiguousarray(factors), strength)
    if not np.isfinite(strength.sum()):
        raise GeometryError("the field of a pose near the planned one holds NaN or infinite values")
    return strength


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _measure(field: Any, cortex: Any, response: Any, factors: Any, strength: Any) -> None:
    for draw in range(strength.shape[0]):
        pose = draw if field.shape[0] > 1 else 0
        for vertex in range(strength.shape[1]):
            if not cortex[vertex]:
                strength[draw, vertex] = -1
                continue
            squared = np.float32(0)
            for axis in range(3):
                squared += field[pose, vertex, axis] ** 2
            found = np.sqrt(squared)
            if response.shape[0] > 0:
                change = np.float32(0)
                for tissue in range(response.shape[0]):
                    change += factors[draw, tissue] * response[tissue, vertex]
                found *= np.exp(change)
            strength[draw, vertex] = found


def strongest(
    strength: FloatArray, area_mm2: FloatArray, *, limit_mm2: float, known: IntArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Find the part of the cortex with the strongest field.

    Parameters
    ----------
    strength : (draw, vertex) float ndarray
        |E|; negative where there is no cortex.
    area_mm2 : (vertex,) float ndarray
    limit_mm2 : float
        Size of the part, at most that of the cortex; the last vertex counts with what is needed of it.
    known : (some,) int ndarray, optional
        Vertices of at least that size. Their weakest field is a lower limit, below which nothing has to be sorted.

    Returns
    -------
    vertices : (draw, hottest) int64 ndarray
        Strongest first, filled up with vertices that have no share.
    share : (draw, hottest) float64 ndarray
        Share of the part that each vertex makes up; sums to 1.
    """
    hot = []
    for values in strength:
        chosen = np.flatnonzero(values >= (0 if known is None else values[known].min()))
        if known is not None and len(chosen) > (n := _MANY * len(known)):
            fewer = chosen[np.argpartition(values[chosen], len(chosen) - n)[len(chosen) - n :]]
            chosen = fewer if area_mm2[fewer].sum() > limit_mm2 else chosen
        order = chosen[np.argsort(-values[chosen], kind="stable")]
        hot.append(order[: np.searchsorted(np.cumsum(area_mm2[order]), limit_mm2) + 1])
    vertices = np.zeros((len(hot), max(len(some) for some in hot)), dtype=np.int64)
    area = np.zeros(vertices.shape)
    for row, some in enumerate(hot):
        vertices[row, : len(some)], area[row, : len(some)] = some, area_mm2[some]
    before = np.cumsum(area, axis=1) - area
    share = np.clip(limit_mm2 - before, 0, area)
    return vertices, share / share.sum(axis=1, keepdims=True)
