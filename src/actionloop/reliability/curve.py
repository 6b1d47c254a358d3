"""How agreement grows with minutes, and what more minutes would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from actionloop import facts, signal
from actionloop.errors import OptionError, SignalError
from actionloop.reliability.found import Curve, Halves
from actionloop.reliability.halves import block_frames, cut, map_halves
from actionloop.types import FloatArray, NetworkMap, Timeseries

_FACTS: dict[str, Any] = facts.load("reliability")["curve"]
_NAN = float("nan")
_STEPS = 400  # of the rate, on a logarithmic scale, between which the best one is bracketed


def agreement_curve(
    series: Timeseries,
    make: Callable[[Timeseries], NetworkMap],
    *,
    lengths: Sequence[float] | None = None,
    halves: Halves | None = None,
    block_s: float | None = None,
    at_once: bool = False,
) -> Curve:
    """Map halves of ever longer beginnings of a scan, and fit how their agreement grows.

    A part of the scan runs from its start, as if the scan had ended there, and is cut in two halves whose blocks of
    frames alternate. The curve is R(T) = Rmax (1 - exp(-k T)), 0 < Rmax <= 1, by least squares. It begins at 0, but
    maps that lean on a prior agree where there is no signal, and no more so in longer halves: such points rise too
    slowly for it or not at all, and no curve is given.

    Parameters
    ----------
    series : Timeseries
        After cleaning and censoring.
    make : callable
        Maps a series; called twice for each length.
    lengths : sequence of float, optional
        Shares of the scan, above 0 and up to 1. Unless given, three from data/reliability.toml (a quarter, a half and
        the whole; for a short scan closer together, so that the shortest halves are long enough for a map), or only
        the whole where these would be too close.
    halves : Halves, optional
        Of the whole scan, from `split_halves`: saves two maps.
    block_s : float, optional
        As in `split_halves`.
    at_once : bool
        As in `split_halves`.

    Returns
    -------
    Curve
        Lengths whose halves are too short for a map are left out. `projected` holds R at 1, 1.5, 2 and 3 times the
        minutes of the scan and at those of 20, 30, 40 and 60 that are more: the agreement to expect between the maps of
        two scans of so many minutes each. Ceiling, rate and projection are absent where fewer than three points are
        left, where they do not rise, where the fit misses one of them by more than `largest_residual`, and where its
        ceiling lies below what the longest halves reach.

    Raises
    ------
    OptionError
        Lengths, or a block length, that are none.

    References
    ----------
    .. [1] Form of the curve: network similarity index, see `similarity`
    """
    whole = [1.0] if halves is not None else []
    shares = (_lengths(series, block_s) or whole) if lengths is None else [float(share) for share in lengths]
    if not all(0 < share <= 1 for share in shares):
        raise OptionError(f"lengths are shares of the scan, above 0 and up to 1; found {shares}")
    points: list[tuple[float, float]] = []
    for share in sorted(set(shares)):
        if share == 1 and halves is not None:
            points.append((halves.minutes, halves.equal))
            continue
        part = replace(series, data=series.data[: round(share * series.n_frames)])
        try:
            pair, length = cut(part, block_s=block_s)
        except SignalError:  # too short
            continue
        found = map_halves(pair, make, length=length, at_once=at_once)
        points.append((found.minutes, found.equal))
    minutes, agreement = [m for m, _ in points], [a for _, a in points]
    return project(minutes, agreement, scan_minutes=series.minutes)


def project(minutes: Sequence[float], agreement: Sequence[float], *, scan_minutes: float) -> Curve:
    """Fit a curve to points that were measured.

    Parameters
    ----------
    minutes, agreement : sequence of float
        Of each half; shares of equal labels.
    scan_minutes : float
        Minutes of the whole scan.

    Returns
    -------
    Curve
        As in `agreement_curve`.
    """
    t, measured = np.asarray(minutes, dtype=np.float64), np.asarray(agreement, dtype=np.float64)
    ceiling, rate = _fit(t, measured)
    projected: dict[float, float] = {}
    if np.isfinite(rate):
        wanted = [round(scan_minutes * factor, 2) for factor in _FACTS["multiples"]]
        wanted += [m for m in _FACTS["round_min"] if m > scan_minutes]
        projected = {float(m): -ceiling * float(np.expm1(-rate * m)) for m in sorted(set(wanted))}
    return Curve(tuple(t.tolist()), tuple(measured.tolist()), ceiling, rate, projected)


def minutes_needed(curve: Curve, agreement: float) -> float | None:
    """Tell how many minutes a scan needs for an agreement.

    Parameters
    ----------
    curve : Curve
    agreement : float
        Share of equal labels to expect between the maps of two such scans, above 0 and below 1.

    Returns
    -------
    float or None
        Minutes of one whole scan, those that were scanned included. None where the points determine no curve, where it
        stays below the agreement, and where it gets there only farther out than it is projected.

    Raises
    ------
    OptionError
        An agreement that is none.
    """
    if not 0 < agreement < 1:
        raise OptionError(f"expected an agreement above 0 and below 1, found {agreement:g}")
    if not curve.projected or agreement >= curve.ceiling:
        return None
    needed = float(-np.log1p(-agreement / curve.ceiling) / curve.rate_per_min)
    return needed if needed <= max(curve.projected) else None


def _lengths(series: Timeseries, block_s: float | None) -> list[float]:
    """Shares of the scan that are far enough apart, the shortest long enough for two maps."""
    least = facts.load("cleaning")["analysis_minimum"]
    frames = max(int(least["frames"]), int(np.ceil(round(least["minutes"] * 60 / series.tr_s, 6))))
    whole = 2 * frames
    while _smaller_half(whole, series.tr_s, block_s) < frames:
        whole += 1
    shortest = max(float(_FACTS["shortest"]), whole / series.n_frames)
    if shortest * _FACTS["least_span"] > 1:
        return []
    return [float(share) for share in np.geomspace(shortest, 1, int(_FACTS["points"]))]


def _smaller_half(n_frames: int, tr_s: float, block_s: float | None) -> int:
    halves = signal.halves(n_frames, blocks=block_frames(n_frames, tr_s, block_s=block_s))
    return min(int(half.sum()) for half in halves)


def _fit(t: FloatArray, measured: FloatArray) -> tuple[float, float]:
    """Ceiling and rate by least squares; NaN where the points do not determine them."""
    from scipy.optimize import minimize_scalar

    rising = len(t) >= 3 and np.isfinite(measured).all() and measured[-1] - measured[0] >= _FACTS["least_rise"]
    if not rising:
        return _NAN, _NAN

    def best(log_rate: float) -> tuple[float, FloatArray]:
        """Ceiling for a rate (linear, so that a rate has one best ceiling), and what it misses."""
        shape = -np.expm1(-np.exp(log_rate) * t)
        ceiling = float(np.clip(shape @ measured / (shape @ shape), 0, 1))
        return ceiling, ceiling * shape - measured

    def loss(log_rate: float) -> float:
        return float((best(log_rate)[1] ** 2).sum())

    grid = np.linspace(np.log(1e-3 / t.max()), np.log(20 / t.min()), _STEPS)
    lowest = int(np.clip(np.argmin([loss(x) for x in grid]), 1, _STEPS - 2))
    bounds = (float(grid[lowest - 1]), float(grid[lowest + 1]))
    found = float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)
    ceiling, missed = best(found)
    short = measured[-1] - ceiling > _FACTS["least_rise"]
    if short or ceiling <= 0 or np.abs(missed).max() > _FACTS["largest_residual"]:
        return _NAN, _NAN
    return ceiling, float(np.exp(found))
