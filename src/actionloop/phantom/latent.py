"""What the networks say to each other: covariance and time courses of networks and of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.files import schaefer_fc
from actionloop.phantom.group import group_map
from actionloop.phantom.noise import Spectrum, Timing, coloured
from actionloop.types import FloatArray


def network_correlation(names: Sequence[str]) -> FloatArray:
    """Correlation between the signals of networks, without the global signal.

    Group connectivity between 400 parcels (HCP) without the mean signal of the cortex, averaged over the
    phantom's group networks; the pairs that data/phantom.toml states in place of it; then the nearest
    matrix without negative eigenvalues. A network that the group map does not know is independent of the others.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    (network, network) float64 ndarray
    """
    known, base = _group_correlation()
    correlation = np.eye(len(names))
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            if i != j and one in known and other in known:
                correlation[i, j] = base[known.index(one), known.index(other)]
    values, vectors = np.linalg.eigh(correlation)
    positive = (vectors * values.clip(1e-6)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(scale, scale))


def time_courses(rng: Generator, correlation: FloatArray, spectrum: Spectrum, timing: Timing) -> FloatArray:
    """Draw series of a given correlation and spectrum; shape (frame, series) float32."""
    values, vectors = np.linalg.eigh(correlation)
    mixing = (vectors * np.sqrt(values.clip(0))).astype(np.float32)
    white = coloured(rng, spectrum, timing, n_rows=len(correlation))
    return np.asarray((mixing @ white).T)


def paired_courses(rng: Generator, spectrum: Spectrum, timing: Timing, *, n_pairs: int, between: float) -> FloatArray:
    """Draw series in pairs (2 k, 2 k + 1) that correlate by `between`, else independent; (frame, 2 pairs) float32."""
    shared, own = (coloured(rng, spectrum, timing, n_rows=n).T for n in (n_pairs, 2 * n_pairs))
    return np.asarray(np.sqrt(between) * np.repeat(shared, 2, axis=1) + np.sqrt(1 - between) * own, dtype=np.float32)


def slow_gain(rng: Generator, timing: Timing, *, n_series: int, depth: float, period_s: float) -> FloatArray:
    """Draw how strong each signal is over a session: a slow positive walk of mean square 1; (frame, series) float32."""
    if depth <= 0:
        return np.ones((timing.n_frames, n_series), dtype=np.float32)
    walk = coloured(rng, Spectrum(exponent=6.0, knee_hz=1 / period_s), timing, n_rows=n_series).T
    gain = np.exp(depth * walk / max(float(walk.std()), 1e-12))
    return np.asarray(gain / np.sqrt((gain**2).mean(axis=0, keepdims=True)), dtype=np.float32)


@cache
def _group_correlation() -> tuple[tuple[str, ...], FloatArray]:
    group = group_map()
    fc, parcel = schaefer_fc(400)
    label = group.label[: len(parcel)]
    covered = parcel > 0
    area = np.bincount(parcel[covered] - 1, minlength=len(fc)).astype(np.float64)
    with_all = fc @ area
    fc = fc - np.outer(with_all, with_all) / (area @ with_all)
    member = np.stack(
        [np.bincount(parcel[covered & (label == key)] - 1, minlength=len(fc)) for key in group.keys]
    ).astype(np.float64)
    member /= member.sum(axis=1, keepdims=True)
    covariance = member @ fc @ member.T
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    stated: Mapping[str, Mapping[str, float]] = facts.load("phantom")["correlation"]["pairs"]
    for one, others in stated.items():
        for other, r in others.items():
            i, j = group.names.index(one), group.names.index(other)
            correlation[i, j] = correlation[j, i] = r
    return group.names, correlation
