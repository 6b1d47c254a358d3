"""One person: connectivity of SCAN with regions, against that of foot, hand and mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.evidence.blockwise import BlockSums, Bootstrap, interval
from actionloop.evidence.regions import Region, near_rows, without
from actionloop.signal import valid_rows
from actionloop.types import Anatomy, BoolArray, FloatArray, IntArray, NetworkMap, Timeseries

_COLUMNS = 1024


@dataclass(frozen=True, eq=False)
class ContrastTable:
    """What one person's scan says.

    Attributes
    ----------
    seeds : tuple of str
        SCAN first, then the effectors.
    regions : tuple of str
    fisher_z : (seed, region) float64 ndarray
        Of the correlation between mean series; NaN where a network or region has no row with signal.
    fisher_z_low, fisher_z_high : (seed, region) float64 ndarray
        Bootstrap interval.
    difference : (effector, region) float64 ndarray
        Fisher z of SCAN minus that of each effector.
    difference_low, difference_high : (effector, region) float64 ndarray
    seed_rows : (seed,) int ndarray
        Rows with signal that were averaged.
    region_rows : (region,) int ndarray
        Likewise, away from all seeds.
    away_mm : float
        Cortex of the regions no farther than this from any seed was left out.
    bootstrap : Bootstrap
    n_blocks : int
        Blocks in each resample.
    """

    seeds: tuple[str, ...]
    regions: tuple[str, ...]
    fisher_z: FloatArray
    fisher_z_low: FloatArray
    fisher_z_high: FloatArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    seed_rows: IntArray
    region_rows: IntArray
    away_mm: float
    bootstrap: Bootstrap
    n_blocks: int


def contrast(
    series: Timeseries,
    network_map: NetworkMap,
    regions: Sequence[Region],
    *,
    anatomy: Anatomy | None,
    rng: Generator,
    kept: Sequence[BoolArray] | None = None,
    away_mm: float | None = None,
    bootstrap: Bootstrap | None = None,
) -> ContrastTable:
    """Compare the connectivity of SCAN with that of the effectors, region by region.

    Cortex near any of the seeds is taken out of every region, so that each seed is correlated with the same series of
    a region and a difference is never one of vertices. Rows are brought to unit variance over the whole scan, then
    averaged; resamples draw frames of these means, not rows.

    Parameters
    ----------
    series : Timeseries
        Cleaned; kept frames of all runs joined.
    network_map : NetworkMap
        On the same rows; only cortex seeds.
    regions : sequence of Region
        On the same rows, with distinct names.
    anatomy : Anatomy or None
        Distances run on its midthickness; None only where `away_mm` is 0.
    rng : Generator
    kept : sequence of (scanned frame,) bool ndarray, optional
        For each run, which of its frames were kept; without it the frames count as one run without gaps.
    away_mm : float, optional
        10 (data/contrast.toml) unless given.
    bootstrap : Bootstrap, optional

    Returns
    -------
    ContrastTable

    Raises
    ------
    GeometryError
        Series, map or regions on different rows.
    OptionError
        A map without these networks, no anatomy, or regions of one name.
    EmptyRegionError
        SCAN or all effectors without signal, or no region left.
    InputError
        Masks of frames that do not fit, or a scan too short for an interval.

    References
    ----------
    .. [1] Gordon et al. 2023, doi:10.1038/s41586-023-05964-2
    """
    settings = bootstrap or Bootstrap()
    away_mm = float(facts.load("contrast")["exclusion"]["away_mm"] if away_mm is None else away_mm)
    _check(series, network_map, regions, anatomy, away_mm)
    names = seed_names(network_map)
    n_cortex = network_map.grayordinates.n_cortex
    seeds = np.stack([network_map.members(name) & (np.arange(len(network_map.label)) < n_cortex) for name in names])
    near: BoolArray = np.any(seeds, axis=0)
    if anatomy is not None:
        near = near_rows(network_map.grayordinates, anatomy, near, distance_mm=away_mm)
    left = [without(region, near) for region in regions]
    masks = np.stack([*seeds, *(np.zeros_like(near) if one is None else one.rows for one in left)])
    mean, counts = mean_series(series, masks)
    _require_signal(names, regions, counts, series, away_mm)
    sums = BlockSums(
        mean[:, : len(names)], mean[:, len(names) :], tr_s=series.tr_s, kept=kept, block_s=settings.block_s
    )
    found, drawn, left_out = sums.fisher_z(sums.whole), sums.draw(settings.n, rng=rng), sums.without_each()
    low, high = interval(found, drawn, left_out, settings)
    change, changes, changed = (z[..., :1, :] - z[..., 1:, :] for z in (found, drawn, left_out))
    change_low, change_high = interval(change, changes, changed, settings)
    return ContrastTable(
        seeds=names,
        regions=tuple(region.name for region in regions),
        fisher_z=found,
        fisher_z_low=low,
        fisher_z_high=high,
        difference=change,
        difference_low=change_low,
        difference_high=change_high,
        seed_rows=counts[: len(names)],
        region_rows=counts[len(names) :],
        away_mm=away_mm,
        bootstrap=settings,
        n_blocks=sums.n_drawn,
    )


def seed_names(network_map: NetworkMap) -> tuple[str, ...]:
    """Return SCAN and the effectors, as data/contrast.toml names them; the map must have them all.

    Raises
    ------
    OptionError
        It has not.
    """
    wanted = facts.load("contrast")["seeds"]
    names = (str(wanted["network"]), *(str(name) for name in wanted["against"]))
    lacking = [name for name in names if name not in network_map.names]
    if lacking:
        raise OptionError(
            f"the map has no network {', '.join(lacking)} (it has {', '.join(network_map.names)})",
            fix="map with a prior that has SCAN, foot, hand and mouth",
        )
    return names


def mean_series(series: Timeseries, masks: BoolArray) -> tuple[FloatArray, IntArray]:
    """Average the series of some rows, each first brought to unit variance.

    Parameters
    ----------
    series : Timeseries
    masks : (mask, grayordinate) bool ndarray

    Returns
    -------
    mean : (frame, mask) float64 ndarray
        0 where no row varies.
    counts : (mask,) int ndarray
        Rows that vary.
    """
    counted = masks & valid_rows(series)
    counts: IntArray = counted.sum(axis=1)
    members = np.flatnonzero(counted.any(axis=0))
    mean = np.zeros((series.n_frames, len(masks)))
    for first in range(0, len(members), _COLUMNS):
        some = members[first : first + _COLUMNS]
        block = series.data[:, some].astype(np.float64)
        block -= block.mean(axis=0)
        spread = np.sqrt(np.einsum("tg,tg->g", block, block) / len(block))
        mean += (block / np.where(spread > 0, spread, 1)) @ counted[:, some].T.astype(np.float64)
    return mean / np.maximum(counts, 1), counts


def _check(
    series: Timeseries, network_map: NetworkMap, regions: Sequence[Region], anatomy: Anatomy | None, away_mm: float
) -> None:
    where, n_rows = series.source or None, len(series.grayordinates)
    if not series.grayordinates.same_rows(network_map.grayordinates):
        raise GeometryError(
            f"the series has {n_rows} rows and the map {len(network_map.label)}, or others of them",
            where=where,
            fix="bring both to the same grayordinates",
        )
    for region in regions:
        if region.rows.shape != (n_rows,):
            raise GeometryError(f"the region {region.name!r} has {len(region.rows)} rows, the series {n_rows}")
    if not regions or len({region.name for region in regions}) != len(regions):
        raise OptionError("expected one region or more, each with a name of its own")
    if anatomy is None and away_mm != 0:
        raise OptionError(
            f"{away_mm:g} mm from a network can only be measured on a surface",
            fix="give the person's or the template's anatomy, or a distance of 0",
        )


def _require_signal(
    names: tuple[str, ...], regions: Sequence[Region], counts: IntArray, series: Timeseries, away_mm: float
) -> None:
    where = series.source or None
    if not counts[0] or not counts[1 : len(names)].any():
        lacking = names[0] if not counts[0] else ", ".join(names[1:])
        raise EmptyRegionError(f"{lacking}: no row of the cortex with signal in this person's map", where=where)
    if not counts[len(names) :].any():
        raise EmptyRegionError(
            f"nothing is left of {', '.join(region.name for region in regions)}: all rows lie within {away_mm:g} mm of "
            f"{', '.join(names)}, or have no signal",
            where=where,
            fix="leave out less cortex, or look at the coverage of the scan",
        )


def stacked(tables: Sequence[ContrastTable]) -> FloatArray:
    """Put people's differences together.

    Parameters
    ----------
    tables : sequence of ContrastTable
        One a person.

    Returns
    -------
    (person, effector, region) float64 ndarray

    Raises
    ------
    InputError
        Nobody, or people with other networks, regions or distances.
    """
    if not tables:
        raise InputError("there is nobody to compare")
    first = tables[0]
    for number, table in enumerate(tables, 1):
        if (table.seeds, table.regions, table.away_mm) != (first.seeds, first.regions, first.away_mm):
            raise InputError(
                f"person {number} was measured otherwise than person 1: {', '.join(table.regions)} at "
                f"{table.away_mm:g} mm against {', '.join(first.regions)} at {first.away_mm:g} mm",
                fix="run the same regions and the same distance for everybody",
            )
    return np.stack([table.difference for table in tables])
