"""Checks on a person's own data: map on one half, connectivity in the other; with and without global signal."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop import signal
from actionloop.errors import ActionloopError
from actionloop.networks import IterativeSettings, map_individual
from actionloop.types import Anatomy, BoolArray, FloatArray, NetworkMap, Prior, Timeseries

EFFECTORS = ("foot", "hand", "mouth")
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Recipe:
    """What it takes to make a map: prior, surfaces, options, rows to leave out."""

    prior: Prior
    anatomy: Anatomy
    settings: IterativeSettings
    exclude: BoolArray | None = None

    def make(self, series: Timeseries) -> NetworkMap:
        """Map a series."""
        return map_individual(series, self.prior, self.anatomy, settings=self.settings, exclude=self.exclude)


def halves_control(
    series: Timeseries, recipe: Recipe, *, variant: str, say: Say = lambda _: None
) -> list[dict[str, Any]]:
    """Map each contiguous half of a scan and read connectivity with AMN in the other half.

    Parameters
    ----------
    series : Timeseries
        Cleaned cortical series.
    recipe : Recipe
    variant : str
        What this series is, e.g. 'with global signal regression'.
    say : callable
        Gets one line.

    Returns
    -------
    list of dict
        Per direction: r of SCAN, foot, hand and mouth with AMN, whether SCAN exceeds all three, and agreement of the
        two halves' maps (Dice of SCAN and of AMN). Empty when the prior lacks SCAN or AMN, or the scan is too short
        to be halved.
    """
    if not {"SCAN", "AMN"} <= set(recipe.prior.names):
        return []
    first, second = signal.halves(series.n_frames)
    halves = [signal.select_frames(series, half) for half in (first, second)]
    try:
        for half in halves:
            signal.usable(half)
        say(f"mapping the two halves, {variant}")
        with ThreadPoolExecutor(max_workers=2) as pool:
            maps = list(pool.map(recipe.make, halves))
    except ActionloopError:
        return []
    agreement = {
        f"dice_{name.lower()}_between_halves": dice(*(m.members(name) for m in maps)) for name in ("SCAN", "AMN")
    }
    rows = []
    for mapped, read, words in ((0, 1, "map on half 1, read in half 2"), (1, 0, "map on half 2, read in half 1")):
        fc = amn_connectivity(halves[read], maps[mapped])
        others = [fc[name] for name in EFFECTORS if name in fc]
        rows.append(
            {
                "series": variant,
                "direction": words,
                **{f"{name.lower()}_amn_r": value for name, value in fc.items()},
                "scan_exceeds_effectors": bool("SCAN" in fc and others and fc["SCAN"] > max(others)),
                **agreement,
            }
        )
    return rows


def amn_connectivity(series: Timeseries, network_map: NetworkMap) -> dict[str, float]:
    """Correlation of the mean series of SCAN and each effector network with that of AMN."""
    names = [name for name in ("SCAN", *EFFECTORS, "AMN") if name in network_map.names]
    present = [name for name in names if network_map.members(name).any()]
    if "AMN" not in present:
        return {}
    keys = np.array([network_map.key(name) for name in present])
    fc: FloatArray = signal.network_fc(series, network_map.label, keys)
    amn = present.index("AMN")
    return {name: float(fc[index, amn]) for index, name in enumerate(present) if name != "AMN"}


def dice(one: BoolArray, other: BoolArray) -> float:
    """Twice the overlap over the sum of sizes; 0 when both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0


def without_global_signal(series: Timeseries) -> Timeseries:
    """Regress the global signal out of a series that still has it."""
    column = signal.global_signal(series)[:, None]
    return replace(signal.regress(series, column, names=["global signal"]), source=series.source)
