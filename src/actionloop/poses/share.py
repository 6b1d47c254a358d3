"""Which share of the stimulated cortex lies in a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import FloatArray, Hemisphere, IntArray

# First guess of how many vertices hold the strongest field, as a multiple of their share of the area.
_GENEROUS = 2.5


@dataclass(frozen=True, eq=False)
class NetworkShares:
    """How much each vertex belongs to the network wanted, and to networks to avoid.

    Attributes
    ----------
    wanted : mapping of hemisphere to (vertex,) float ndarray
        Soft probability (or 0 and 1 of a label) on the mesh; 0 where unknown.
    avoided : mapping of str to mapping of hemisphere to (vertex,) float ndarray
        The same of each network to avoid.
    """

    wanted: Mapping[Hemisphere, FloatArray]
    avoided: Mapping[str, Mapping[Hemisphere, FloatArray]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class HotShares:
    """Of each pose, what lies where its field is strongest.

    Attributes
    ----------
    share : (kind, pose, threshold) float64 ndarray
        Σ area × weight / Σ area over the vertices above each threshold.
    level_v_per_m : (pose, threshold) float64 ndarray
        The field at each threshold.
    """

    share: FloatArray
    level_v_per_m: FloatArray


def scale_probability(
    probability: FloatArray, area_mm2: FloatArray, *, percentile: float = 99.0, least: float = 0.5
) -> FloatArray:
    """Turn a network's probability into weights from 0 to 1: divided by a percentile over the cortex and clipped [1]_.

    Parameters
    ----------
    probability : (vertex,) float ndarray
    area_mm2 : (vertex,) float ndarray
    percentile : float
        By area.
    least : float
        The divisor is no less than this share of the maximum, so that a network smaller than the percentile leaves
        free keeps its core.

    Returns
    -------
    (vertex,) float64 ndarray

    Raises
    ------
    EmptyRegionError
        No vertex with a probability above 0.

    References
    ----------
    .. [1] Lynch et al. 2022, doi:10.1016/j.neuron.2022.08.012
    """
    values = np.nan_to_num(np.asarray(probability, dtype=np.float64))
    highest = float(values.max(initial=0.0))
    if not highest > 0:
        raise EmptyRegionError("no vertex of the cortex belongs to the network", fix="check the map of the networks")
    divisor = max(float(area_percentiles(values, area_mm2, [percentile])[0]), least * highest)
    weights: FloatArray = np.clip(values / divisor, 0.0, 1.0)
    return weights


def area_percentiles(values: FloatArray, area_mm2: FloatArray, percentiles: Sequence[float]) -> FloatArray:
    """Percentiles of values over the cortex, by area.

    Parameters
    ----------
    values : (vertex,) float ndarray
    area_mm2 : (vertex,) float ndarray
    percentiles : sequence of float
        0 to 100.

    Returns
    -------
    (percentile,) float64 ndarray
        The largest value that is reached on no less than (100 - percentile) % of the area.
    """
    order = np.argsort(-np.asarray(values), kind="stable")
    reached = np.cumsum(np.asarray(area_mm2, dtype=np.float64)[order])
    at = np.searchsorted(reached, _areas(percentiles, float(reached[-1])))
    found: FloatArray = np.asarray(values, dtype=np.float64)[order][np.minimum(at, len(order) - 1)]
    return found


def hot_shares(
    strength: FloatArray, area_mm2: FloatArray, weights: FloatArray, percentiles: Sequence[float]
) -> HotShares:
    """Share of the stimulated cortex that lies in each kind of network, above percentiles of the field.

    Parameters
    ----------
    strength : (pose, vertex) float ndarray
        |E| of each pose, V/m; any monotone function of it gives the same shares.
    area_mm2 : (vertex,) float ndarray
    weights : (kind, vertex) float ndarray
        How much each vertex belongs, 0 to 1.
    percentiles : sequence of float
        Of |E| over the cortex, by area.

    Returns
    -------
    HotShares

    Raises
    ------
    GeometryError
        Shapes that do not fit, or a cortex without area.
    """
    area = np.asarray(area_mm2, dtype=np.float64)
    total = float(area.sum())
    if strength.ndim != 2 or strength.shape[1:] != area.shape or weights.shape[1:] != area.shape:
        raise GeometryError(
            f"expected fields and weights on {len(area)} vertices, found {strength.shape} and {weights.shape}"
        )
    if not total > 0:
        raise GeometryError("the cortex has no area")
    wanted = _areas(percentiles, total)
    share = np.empty((len(weights), len(strength), len(wanted)))
    level = np.empty((len(strength), len(wanted)))
    n_guess = int(np.ceil(_GENEROUS * len(area) * wanted.max() / total)) + 16
    for pose, values in enumerate(strength):
        hot = _strongest(values, area, float(wanted.max()), n_guess)
        reached = np.cumsum(area[hot])
        last = np.minimum(np.searchsorted(reached, wanted), len(hot) - 1)
        level[pose] = values[hot[last]]
        belongs = np.cumsum(area[hot] * weights[:, hot], axis=1)
        share[:, pose] = belongs[:, last] / reached[last]
    return HotShares(share, level)


def _areas(percentiles: Sequence[float], total: float) -> FloatArray:
    """Area above each percentile, a rounding error less."""
    areas: FloatArray = (1 - np.asarray(percentiles, dtype=np.float64) / 100) * total * (1 - 1e-12)
    return areas


def _strongest(values: FloatArray, area: FloatArray, wanted: float, n_guess: int) -> IntArray:
    """Vertices of the strongest field, strongest first, that hold at least an area."""
    n = min(n_guess, len(values))
    while True:
        if n < len(values):
            chosen = np.sort(np.argpartition(values, len(values) - n)[len(values) - n :])
        else:
            chosen = np.arange(len(values))
        if n == len(values) or area[chosen].sum() >= wanted:
            strongest: IntArray = chosen[np.argsort(-values[chosen], kind="stable")]
            return strongest
        n = min(2 * n, len(values))
