"""Scale, cut and join time series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from actionloop import facts
from actionloop.errors import SignalError
from actionloop.types import BoolArray, FloatArray, Timeseries

_COLUMNS = 1024
"""Rows of the map worked on at a time in double precision; so many stay in the processor's cache."""


def blocks(n_columns: int) -> Iterator[slice]:
    """Cut a column axis into slices that fit in memory in double precision."""
    for first in range(0, n_columns, _COLUMNS):
        yield slice(first, min(first + _COLUMNS, n_columns))


def valid_rows(series: Timeseries) -> BoolArray:
    """Grayordinates whose signal varies at all.

    Parameters
    ----------
    series : Timeseries

    Returns
    -------
    (grayordinate,) bool ndarray
        False for dropout and anything else that is constant.
    """
    varies: BoolArray = np.ptp(series.data, axis=0) > 0
    return varies


def standardise(series: Timeseries) -> Timeseries:
    """Bring every grayordinate to mean 0 and variance 1 over time.

    Parameters
    ----------
    series : Timeseries

    Returns
    -------
    Timeseries
        float32; constant grayordinates become zero.
    """
    out: FloatArray = np.zeros(series.data.shape, dtype=np.float32)
    varies = valid_rows(series)
    for part in blocks(out.shape[1]):
        block = series.data[:, part].astype(np.float64)
        block -= block.mean(axis=0)
        spread = np.sqrt(np.einsum("tg,tg->g", block, block) / len(block))
        keep = varies[part] & (spread > 0)
        out[:, part] = block * np.divide(1, spread, out=np.zeros_like(spread), where=keep)
    return replace(series, data=out, steps=(*series.steps, "each grayordinate demeaned and scaled to unit variance"))


def select_frames(series: Timeseries, keep: BoolArray) -> Timeseries:
    """Take some frames of a series.

    Parameters
    ----------
    series : Timeseries
    keep : (frame,) bool ndarray

    Returns
    -------
    Timeseries
        Without a note in `steps`.

    Raises
    ------
    SignalError
        The mask does not fit, or keeps nothing.
    """
    keep = frame_mask(keep, series)
    return replace(series, data=series.data[keep])


def frame_mask(keep: BoolArray | None, series: Timeseries) -> BoolArray:
    """Check a mask of frames; None keeps all.

    Raises
    ------
    SignalError
        Not bool, not of shape (frame,), or nothing kept.
    """
    if keep is None:
        return np.ones(series.n_frames, dtype=bool)
    keep = np.asarray(keep)
    if keep.dtype != np.bool_ or keep.shape != (series.n_frames,):
        raise SignalError(
            f"expected a bool mask of {series.n_frames} frames, found {keep.dtype} {keep.shape}",
            where=series.source or None,
        )
    if not keep.any():
        raise SignalError(
            f"none of the {series.n_frames} frames is left after censoring",
            where=series.source or None,
            fix="look at the motion of this run; leave it out (--run-id, --session-label) or raise --fd-threshold",
        )
    return keep


def concatenate(runs: Sequence[Timeseries]) -> Timeseries:
    """Join standardised runs over time.

    Parameters
    ----------
    runs : sequence of Timeseries
        Each from `standardise`, all with the same grayordinates and repetition time.

    Returns
    -------
    Timeseries

    Raises
    ------
    SignalError
        No runs, different axes or repetition times, or a run that was not standardised.
    """
    if not runs:
        raise SignalError("there is no run to analyse", fix="check the person, session, task and run labels")
    first = runs[0]
    for number, run in enumerate(runs, 1):
        pair = f"{first.source or 'run 1'}, {run.source or f'run {number}'}"
        if not first.grayordinates.same_rows(run.grayordinates):
            raise SignalError(
                f"runs cover different grayordinates ({len(first.grayordinates)} and {len(run.grayordinates)} rows)",
                where=pair,
                fix="give runs of one space and density",
            )
        if abs(run.tr_s - first.tr_s) > 1e-3 * first.tr_s:
            raise SignalError(
                f"runs differ in repetition time: {first.tr_s:g} s and {run.tr_s:g} s",
                where=pair,
                fix="map them apart, or correct the wrong one with --tr",
            )
        if not _standardised(run):
            raise SignalError(
                "a run must have mean 0 and variance 1 before runs are joined",
                where=run.source or f"run {number}",
                fix="call standardise on each run first",
            )
    if len(runs) == 1:
        return first
    return replace(
        first,
        data=np.concatenate([run.data for run in runs]),
        source=", ".join(run.source for run in runs if run.source),
        steps=(*dict.fromkeys(step for run in runs for step in run.steps), f"{len(runs)} runs joined"),
    )


def _standardised(series: Timeseries) -> bool:
    # Every hundredth row is enough to tell raw data from standardised ones.
    some = series.data[:, :: max(1, series.data.shape[1] // 500)].astype(np.float64)
    spread = some.std(axis=0)
    return bool((np.abs(some.mean(axis=0)) < 1e-3).all() and ((np.abs(spread - 1) < 1e-2) | (spread == 0)).all())


def halves(n_frames: int, *, blocks: int | None = None) -> tuple[BoolArray, BoolArray]:
    """Split frames into two halves.

    Parameters
    ----------
    n_frames : int
    blocks : int, optional
        Length in frames of the blocks that go to the halves in turn. Without it the halves are the first and the
        second half in time.

    Returns
    -------
    tuple of two (frame,) bool ndarrays
        Disjoint, together all frames. Contiguous halves differ by at most one frame, interleaved ones by at
        most one block.

    Raises
    ------
    SignalError
        Too few frames for two halves.
    """
    length = -(-n_frames // 2) if blocks is None else blocks
    if length < 1 or n_frames <= length:
        raise SignalError(f"{n_frames} frames cannot be split in two halves by blocks of {length} frames")
    first: BoolArray = (np.arange(n_frames) // length) % 2 == 0
    return first, ~first


def usable(series: Timeseries, *, min_frames: int | None = None, min_minutes: float | None = None) -> None:
    """Refuse a series that is too short for any map.

    Parameters
    ----------
    series : Timeseries
        After censoring.
    min_frames : int, optional
    min_minutes : float, optional
        Both from `analysis_minimum` in cleaning.toml unless given.

    Raises
    ------
    SignalError
        Too few frames or minutes.
    """
    least = facts.load("cleaning")["analysis_minimum"]
    min_frames = int(least["frames"]) if min_frames is None else min_frames
    min_minutes = float(least["minutes"]) if min_minutes is None else min_minutes
    if series.n_frames < min_frames or series.minutes < min_minutes:
        raise SignalError(
            f"too few frames: {series.n_frames} usable ones ({series.minutes:.1f} min at TR {series.tr_s:g} s); "
            f"a map needs at least {min_frames} frames and {min_minutes:g} min",
            where=series.source or None,
            fix="add runs or sessions; for a reliable map scan 30 min or more",
        )


def global_signal(series: Timeseries) -> FloatArray:
    """Mean over all grayordinates that vary.

    Parameters
    ----------
    series : Timeseries

    Returns
    -------
    (frame,) float64 ndarray
        In the units of the series.
    """
    varies = valid_rows(series)
    if not varies.any():
        raise SignalError("no grayordinate varies over time", where=series.source or None)
    total = np.zeros(series.n_frames)
    for part in blocks(series.data.shape[1]):
        total += series.data[:, part][:, varies[part]].sum(axis=1, dtype=np.float64)
    return total / int(varies.sum())
