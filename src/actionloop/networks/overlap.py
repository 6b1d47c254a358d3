"""Networks that overlap: every network's own threshold on how well a row fits it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import savgol_filter

from actionloop import facts
from actionloop.networks.components import clean_components
from actionloop.types import Anatomy, BoolArray, FloatArray, NetworkMap

_DEFAULTS: dict[str, Any] = facts.load("mapping")["eta2"]


def overlap(network_map: NetworkMap, anatomy: Anatomy | None, *, min_rows: int | None = None) -> BoolArray:
    """Rows of each network when a row may belong to several (OMNI).

    For every network a spline runs through the histogram of its eta², is smoothed, and gives the threshold: the place
    within its middle where it is flattest. Rows above it are members [1]_.

    Parameters
    ----------
    network_map : NetworkMap
        From `map_eta2`; other similarities work alike.
    anatomy : Anatomy or None
        For the components that are cleaned; None leaves the rows as they are.
    min_rows : int, optional
        Smaller islands are dropped and smaller holes filled; from data/mapping.toml unless given.

    Returns
    -------
    (network, grayordinate) bool ndarray

    References
    ----------
    .. [1] Hermosillo et al. 2024, doi:10.1038/s41593-024-01596-5
    """
    least = int(facts.load("mapping")["components"]["min_rows"]) if min_rows is None else min_rows
    valid: BoolArray = np.asarray(network_map.probability.any(axis=0))
    members = np.zeros(network_map.probability.shape, dtype=bool)
    for network, score in enumerate(network_map.probability):
        if np.ptp(score[valid]) > 0:
            members[network] = valid & (score > flattest(score[valid]))
            if anatomy is not None:
                members[network] = _cleaned(members[network], valid, network_map, anatomy, least)
    return members


def flattest(values: FloatArray) -> float:
    """Return the value where the smoothed histogram of some values is flattest, within its middle."""
    count, edges = np.histogram(values, bins=_DEFAULTS["overlap_bins"])
    x = np.linspace(edges[0], edges[-1], _DEFAULTS["overlap_points"])
    curve = CubicSpline((edges[:-1] + edges[1:]) / 2, count)(x)
    curve = savgol_filter(curve, _DEFAULTS["overlap_span"] + 1, _DEFAULTS["overlap_order"])
    first, last = _DEFAULTS["overlap_window"]
    return float(x[first + np.abs(np.gradient(curve)[first:last]).argmin()])


def _cleaned(
    members: BoolArray, valid: BoolArray, network_map: NetworkMap, anatomy: Anatomy, min_rows: int
) -> BoolArray:
    two = replace(network_map, label=np.where(valid, 1 + members, 0))
    return np.asarray(clean_components(two, anatomy, min_rows=min_rows).label == 2)
