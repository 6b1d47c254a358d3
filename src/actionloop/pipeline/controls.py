"""Checks on a person's own data: map on one half, connectivity in the other; with and without global signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.arrays import device, side_by_side
from actionloop.brain import Parcels
from actionloop.errors import ActionloopError
from actionloop.networks import expand, find_method, map_networks, parcellate_prior
from actionloop.pipeline.settings import MappingSettings
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, Grayordinates, NetworkMap, Prior, Timeseries

EFFECTORS = ("foot", "hand", "mouth")
Say = Callable[[str], None]
Make = Callable[[Timeseries], NetworkMap]


@dataclass(frozen=True, eq=False)
class Recipe:
    """What it takes to make a map: prior, surfaces, method and options, rows to leave out; the prior with voxels."""

    prior: Prior
    anatomy: Anatomy | None
    mapping: MappingSettings
    exclude: BoolArray | None = None
    whole_prior: Prior | None = None

    def on(self, axis: Grayordinates) -> Recipe:
        """Return the recipe for an axis that may have voxels.

        Voxels lie in the space of the template, so that distances to them are measured from its surfaces.
        """
        if axis.voxels is None:
            return self
        exclude = None if self.exclude is None else np.pad(self.exclude, (0, len(axis) - axis.n_cortex))
        return replace(
            self,
            prior=files.align_prior(self.whole_prior or self.prior, axis),
            anatomy=files.template_anatomy(),
            exclude=exclude,
        )

    def of(self, parcels: Parcels) -> Recipe:
        """Return the recipe for series of parcels, without any step along the surface."""
        exclude = None if self.exclude is None else np.array([self.exclude[rows].all() for rows in parcels.members])
        return replace(self, prior=parcellate_prior(self.prior, parcels), anatomy=None, exclude=exclude)

    def maker(self, axis: Grayordinates, *, parcels: Parcels | None = None, lesion: BoolArray | None = None) -> Make:
        """Return what maps any series on an axis to the cortical vertices, whether it has voxels or is of parcels.

        A recipe of parcels no longer knows the rows of the lesion, which are then given.
        """
        recipe = self.on(axis)

        def make(series: Timeseries) -> NetworkMap:
            return on_vertices(recipe.make(series), parcels, lesion)

        return make

    def make(self, series: Timeseries) -> NetworkMap:
        """Map a series."""
        wanted = self.mapping
        basis, sessions = self._compress(series), None
        if find_method(wanted.method).wants_sessions and series.n_frames > 1:
            cut = signal.halves(series.n_frames)
            sessions = [self._compress(signal.select_frames(series, half)) for half in cut]
        return map_networks(
            basis,
            self.prior,
            self.anatomy,
            method=wanted.method,
            settings=wanted.chosen(),
            exclude=self.exclude,
            device=device(wanted.device),
            sessions=sessions,
        )

    def _compress(self, series: Timeseries) -> Basis:
        return signal.compress(series, tolerance=self.mapping.compression)


def on_vertices(made: NetworkMap, parcels: Parcels | None, lesion: BoolArray | None) -> NetworkMap:
    """Return a map on the cortical vertices: without its voxels, or each vertex with what its parcel has.

    The lesion is taken out of what parcels spread; elsewhere it never came in.
    """
    if parcels is None:
        return made.cortex()
    spread = expand(made, parcels, files.template_grayordinates())
    return spread if lesion is None else spread.without(lesion)


@dataclass(frozen=True, eq=False)
class Halves:
    """Two halves of one scan, and the map of each."""

    series: tuple[Timeseries, Timeseries]
    maps: tuple[NetworkMap, NetworkMap]


def map_halves(series: Timeseries, recipe: Recipe, *, blocks: int | None = None) -> Halves:
    """Split a scan in two and map each half.

    Parameters
    ----------
    series : Timeseries
        Cleaned cortical series.
    recipe : Recipe
    blocks : int, optional
        Frames of the blocks that go to the halves in turn; by default the halves are the first and the second in time.

    Returns
    -------
    Halves

    Raises
    ------
    SignalError
        A half is too short for a map.
    """
    one, other = (signal.select_frames(series, half) for half in signal.halves(series.n_frames, blocks=blocks))
    for half in (one, other):
        signal.usable(half)
    if find_method(recipe.mapping.method).compiled:  # its loops take all cores, and bear no company
        return Halves((one, other), (recipe.make(one), recipe.make(other)))
    first, second = side_by_side(recipe.make, (one, other))
    return Halves((one, other), (first, second))


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
        Per direction: as `read_across`. Empty when the prior lacks SCAN or AMN, or the scan is too short to be
        halved.
    """
    if not {"SCAN", "AMN"} <= set(recipe.prior.names):
        return []
    say(f"mapping the two halves, {variant}")
    try:
        halves = map_halves(series, recipe)
    except ActionloopError:
        return []
    return read_across(halves, variant=variant)


def read_across(halves: Halves, *, variant: str) -> list[dict[str, Any]]:
    """Read, in each half, the connectivity with AMN of the networks that were mapped on the other.

    Parameters
    ----------
    halves : Halves
    variant : str
        What this series is.

    Returns
    -------
    list of dict
        Per direction: r of SCAN, foot, hand and mouth with AMN, whether SCAN exceeds all three, and agreement of the
        two halves' maps (Dice of SCAN and of AMN).
    """
    agreement = {
        f"dice_{name.lower()}_between_halves": dice(*(made.members(name) for made in halves.maps))
        for name in ("SCAN", "AMN")
    }
    rows = []
    for mapped, read, words in ((0, 1, "map on half 1, read in half 2"), (1, 0, "map on half 2, read in half 1")):
        fc = amn_connectivity(halves.series[read], halves.maps[mapped])
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
