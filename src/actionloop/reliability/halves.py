"""Maps of two halves of a scan, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from actionloop import facts, signal
from actionloop.arrays import side_by_side
from actionloop.errors import OptionError, SignalError
from actionloop.reliability.found import Halves
from actionloop.reliability.likeness import compare_maps
from actionloop.types import NetworkMap, Timeseries

_FACTS: dict[str, Any] = facts.load("reliability")["halves"]


def split_halves(
    series: Timeseries,
    make: Callable[[Timeseries], NetworkMap],
    *,
    block_s: float | None = None,
    at_once: bool = False,
) -> Halves:
    """Map two halves of a scan, whose blocks of frames alternate, and compare the maps.

    Both halves hold early and late frames, so that drift and drowsiness are not taken for a difference between maps.
    Neighbouring frames say much the same: halves of alternate frames would agree whatever the data, and blocks have a
    least length. Across the borders of blocks some of that remains. Maps that lean on a spatial prior are alike even
    where there is no signal: what they share is to be read beside what maps of noise share.

    Parameters
    ----------
    series : Timeseries
        After cleaning and censoring; blocks are of the frames that are left.
    make : callable
        Maps a series.
    block_s : float, optional
        Length of the blocks in seconds, from data/reliability.toml unless given. It is rounded so that both halves
        have the same number of blocks, and shortened where there would be fewer than two a half.
    at_once : bool
        Make both maps at the same time, on one core each; not for a `make` that uses all cores itself.

    Returns
    -------
    Halves
        `equal` and `nmi` are over the rows that either map labels, and unassigned is one more label there; NaN where
        there are no such rows.

    Raises
    ------
    OptionError
        A block length that is none, or shorter than neighbouring frames stay alike.
    SignalError
        A half is too short for a map.

    References
    ----------
    .. [1] Strehl & Ghosh 2002, J Mach Learn Res 3:583 (normalised mutual information; here over the arithmetic mean of
       the two entropies, as scikit-learn has it)
    """
    halves, length = cut(series, block_s=block_s)
    return map_halves(halves, make, length=length, at_once=at_once)


def map_halves(
    halves: tuple[Timeseries, Timeseries],
    make: Callable[[Timeseries], NetworkMap],
    *,
    length: int,
    at_once: bool = False,
) -> Halves:
    """Map two halves and compare the maps.

    Parameters
    ----------
    halves : pair of Timeseries
    make : callable
    length : int
        Frames of a block.
    at_once : bool
        As in `split_halves`.

    Returns
    -------
    Halves
        As from `split_halves`.
    """
    first, second = side_by_side(make, halves) if at_once else [make(half) for half in halves]
    alike = compare_maps(first, second)
    return Halves(
        maps=(first, second),
        block_s=length * halves[0].tr_s,
        minutes=(halves[0].minutes + halves[1].minutes) / 2,
        equal=alike.equal,
        nmi=alike.nmi,
        dice=alike.dice,
        agree=(first.label == second.label) & (first.label > 0),
    )


def cut(series: Timeseries, *, block_s: float | None = None) -> tuple[tuple[Timeseries, Timeseries], int]:
    """Cut a series in two halves, whose blocks of frames alternate.

    Parameters
    ----------
    series : Timeseries
    block_s : float, optional
        As in `split_halves`.

    Returns
    -------
    halves : pair of Timeseries
    length : int
        Frames of a block, 2 or more.

    Raises
    ------
    OptionError, SignalError
        As in `split_halves`.
    """
    length = block_frames(series.n_frames, series.tr_s, block_s=block_s)
    try:
        masks = signal.halves(series.n_frames, blocks=length)
        one, other = (signal.select_frames(series, mask) for mask in masks)
        for half in (one, other):
            signal.usable(half)
    except SignalError as error:
        raise SignalError(
            f"half of the scan is too short for a map of its own: {error.problem}",
            where=series.source or None,
            fix="add runs or sessions; without halves nothing can be said of how far the map is chance",
        ) from None
    return (one, other), length


def block_frames(n_frames: int, tr_s: float, *, block_s: float | None = None) -> int:
    """Tell how many frames a block has.

    Parameters
    ----------
    n_frames : int
    tr_s : float
    block_s : float, optional
        As in `split_halves`.

    Returns
    -------
    int
        2 or more.

    Raises
    ------
    OptionError
        As in `split_halves`.
    """
    wanted_s = float(_FACTS["block_s"] if block_s is None else block_s)
    least_s = float(_FACTS["least_block_s"])
    if not least_s <= wanted_s < np.inf:
        raise OptionError(
            f"expected blocks of {least_s:g} s or more, found {wanted_s:g} s: neighbouring frames share their noise, "
            "so that halves of short blocks agree whatever the data",
            fix=f"give blocks of {_FACTS['block_s']:g} s",
        )
    pairs = max(int(_FACTS["least_blocks"]), round(n_frames * tr_s / wanted_s / 2))
    return max(2, -(-n_frames // (2 * pairs)))
