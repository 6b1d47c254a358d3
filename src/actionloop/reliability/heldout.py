"""Whether a target's piece, found in one half of a scan, belongs to its network in the other half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionloop import facts, signal
from actionloop.reliability.places import Place
from actionloop.types import Anatomy, FloatArray, NetworkMap, Timeseries

_LIMIT = 0.999


def held_out(
    halves: tuple[Timeseries, Timeseries],
    maps: tuple[NetworkMap, NetworkMap],
    places: Sequence[Place],
    anatomy: Anatomy,
) -> FloatArray:
    """Correlate each target's piece with distant parts of every network, in the half that was not mapped.

    In a half's map the piece is what lies of the network within the target's own piece. Its mean series in the other
    half is correlated with the mean series of every network there, of rows no nearer than `held_out.away_mm` on that
    side: near rows are alike whatever they do. Noise of any smoothness gives values around 0, a network does not.

    Parameters
    ----------
    halves : pair of Timeseries
        Cortex.
    maps : pair of NetworkMap
        Of these halves.
    places : sequence of Place
    anatomy : Anatomy
        From which distances are measured, straight.

    Returns
    -------
    (target, network) float64 ndarray
        Fisher z, mean over the two directions; NaN where neither half has the piece, or a network no distant rows.
    """
    away_mm = float(facts.load("reliability")["held_out"]["away_mm"])
    found = [
        _one_way(maps[0], halves[1], places, anatomy, away_mm),
        _one_way(maps[1], halves[0], places, anatomy, away_mm),
    ]
    both = np.stack(found)
    known = np.isfinite(both)
    total = np.where(known, both, 0).sum(axis=0)
    mean: FloatArray = np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
    return mean


def _one_way(
    made: NetworkMap, series: Timeseries, places: Sequence[Place], anatomy: Anatomy, away_mm: float
) -> FloatArray:
    data = signal.standardise(series).data
    members = (made.label[:, None] == np.asarray(made.keys)).astype(np.float32)
    totals = data @ members
    axis = made.grayordinates
    found = np.full((len(places), len(made.keys)), np.nan)
    for number, place in enumerate(places):
        target = place.target
        network = made.names.index(target.piece.network) if target.piece.network in made.names else -1
        rows = place.rows[place.own]
        rows = rows[members[rows, network] > 0] if network >= 0 else rows[:0]
        if not rows.size:
            continue
        side = target.piece.hemisphere
        points = anatomy.surface(side).vertices
        first = 0 if side == "L" else len(axis.left)
        apart = np.linalg.norm(points[axis.vertices(side)] - points[target.vertex], axis=1)
        near = first + np.flatnonzero(apart < away_mm)
        piece = data[:, rows].mean(axis=1)
        distant = totals - data[:, near] @ members[near]
        counts = members.sum(axis=0) - members[near].sum(axis=0)
        found[number] = np.where(counts > 0, _fisher(piece, distant), np.nan)
    return found


def _fisher(one: FloatArray, others: FloatArray) -> FloatArray:
    """Fisher z of the correlation of one series with the columns of another; 0 where one is constant."""
    a = one - one.mean()
    b = others - others.mean(axis=0)
    size = np.linalg.norm(a) * np.linalg.norm(b, axis=0)
    r = np.divide(a @ b, size, out=np.zeros(b.shape[1]), where=size > 0)
    z: FloatArray = np.arctanh(np.clip(r, -_LIMIT, _LIMIT)).astype(np.float64)
    return z
