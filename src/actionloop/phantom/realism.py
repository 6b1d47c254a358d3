"""How much like a real scan a series is: one fixed route to fsLR, and the figures that a real scan has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq

from actionloop.brain import apply_weights, sphere_weights
from actionloop.errors import SignalError
from actionloop.files import fsaverage_sphere, read_lemon
from actionloop.phantom.series import Session
from actionloop.phantom.template import template
from actionloop.signal import global_signal, halves, regress, standardise, valid_rows
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Hemisphere, IntArray, Timeseries

DISTANCES_MM = (3, 6, 10, 20)
_BLOCK_FRAMES = 60
_ROWS, _COLUMNS, _SOURCES = 1500, 4000, 400
_SEED = 0


@dataclass(frozen=True)
class Realism:
    """What the reference scan was measured by.

    Attributes
    ----------
    split_half_contiguous, split_half_blocks : float
        Mean over vertices of the correlation between a vertex's connectivity map (Fisher z) in one half of the scan
        and in the other: first against second half; 60-frame blocks in turn.
    lag1 : float
        Mean correlation of a vertex with itself one frame later.
    participation_ratio : float
        (Σλ)² / Σλ² over the eigenvalues λ of the frame-by-frame covariance of the standardised series.
    components : tuple of 5 float
        Share of the variance of the first five of them.
    correlation_at_mm : tuple of 4 float
        Mean correlation of vertices of one hemisphere 3, 6, 10 and 20 mm apart in a straight line on the template
        midthickness (pairs from d to d + 1 mm).
    """

    split_half_contiguous: float
    split_half_blocks: float
    lag1: float
    participation_ratio: float
    components: tuple[float, ...]
    correlation_at_mm: tuple[float, ...]

    def figures(self) -> dict[str, float]:
        """Every figure by its name."""
        named = {
            "split_half_contiguous": self.split_half_contiguous,
            "split_half_blocks": self.split_half_blocks,
            "lag1": self.lag1,
            "participation_ratio": self.participation_ratio,
        }
        named |= {f"component_{i}": share for i, share in enumerate(self.components, 1)}
        return named | {f"correlation_at_{d}_mm": r for d, r in zip(DISTANCES_MM, self.correlation_at_mm, strict=True)}


def realism(series: Timeseries) -> Realism:
    """Measure a cortical series.

    Parameters
    ----------
    series : Timeseries
        59,412 cortical rows after `fsaverage5_route`; rows may be zero (dropout).

    Returns
    -------
    Realism

    Raises
    ------
    SignalError
        Too few frames or rows.
    """
    axis = series.grayordinates
    if series.n_frames < 2 * _BLOCK_FRAMES or len(axis) != axis.n_cortex:
        raise SignalError(
            f"expected a cortical series of at least {2 * _BLOCK_FRAMES} frames", where=series.source or None
        )
    valid = valid_rows(series)
    unit = standardise(series).data
    lag1 = float(np.einsum("tg,tg->g", unit[1:], unit[:-1])[valid].mean() / (series.n_frames - 1))
    eigenvalues = np.linalg.eigvalsh((unit @ unit.T).astype(np.float64))[::-1].clip(0)
    total = eigenvalues.sum()
    return Realism(
        split_half_contiguous=_split_half(series.data, valid, blocks=None),
        split_half_blocks=_split_half(series.data, valid, blocks=_BLOCK_FRAMES),
        lag1=lag1,
        participation_ratio=float(total**2 / (eigenvalues**2).sum()),
        components=tuple(float(share) for share in eigenvalues[:5] / total),
        correlation_at_mm=correlation_over_distance(unit, valid),
    )


def fsaverage5_route(series: Timeseries, confounds: FloatArray, names: Sequence[str]) -> Timeseries:
    """Send a cortical fsLR series the way the reference scan went.

    To fsaverage5 (barycentric), the soft band-pass that the reference scan's spectrum shows, back to fsLR-32k
    (barycentric), and regression of the confounds, then of the global signal; no smoothing.

    Parameters
    ----------
    series : Timeseries
        Its first 59,412 rows are used.
    confounds : (frame, confound) float ndarray
        Unfiltered, as the reference scan's are.
    names : sequence of str
        One per confound.

    Returns
    -------
    Timeseries
        Cortical rows.
    """
    meshes: dict[Hemisphere, FloatArray] = {}
    axis = series.grayordinates
    for hemisphere in HEMISPHERES:
        down = _weights(hemisphere, "down")[:, axis.vertices(hemisphere)]
        meshes[hemisphere] = soft_band_pass(
            apply_weights(down, series.data[:, axis.rows(hemisphere)]), tr_s=series.tr_s
        )
    return _from_fsaverage5(meshes, confounds, names, tr_s=series.tr_s)


def reference_scan() -> Timeseries:
    """Return the reference scan (LEMON sub-010188, already band-passed) after the same route.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    scan = read_lemon()
    return _from_fsaverage5({"L": scan.left, "R": scan.right}, scan.confounds, scan.names, tr_s=scan.tr_s)


def reference_confounds(session: Session, *, spikes: int = 8) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the 29 confounds that the reference scan has.

    Components, motion parameters, their differences, spikes, a constant, trends.

    Parameters
    ----------
    session : Session
    spikes : int
        One-frame regressors at the frames that moved most.

    Returns
    -------
    (frame, 29) float64 ndarray
    tuple of str
    """
    n_frames = len(session.motion)
    time = np.linspace(-1, 1, n_frames)
    pulses = np.zeros((n_frames, spikes))
    pulses[np.argsort(session.fd_mm)[::-1][:spikes], np.arange(spikes)] = 1
    columns = {
        "component": session.components,
        "motion": session.motion,
        "difference": np.diff(session.motion, axis=0, prepend=session.motion[:1]),
        "spike": pulses,
        "constant": np.ones((n_frames, 1)),
        "trend": np.stack([time, time**2], axis=1),
    }
    names = tuple(f"{name}_{i + 1}" for name, block in columns.items() for i in range(block.shape[1]))
    return np.concatenate(list(columns.values()), axis=1), names


def soft_band_pass(data: FloatArray, *, tr_s: float, band_hz: tuple[float, float] = (0.01, 0.1)) -> FloatArray:
    """Band-pass with Gaussian flanks.

    The reference scan's power falls from 0.03 to 0.1 Hz as exp(-4π²σ²f²) with σ = 5 s, and towards 0 as
    (1 - exp(-2π²σ²f²))² with σ = 50 s: a Gaussian filter whose σ is half the period of each cut-off, as FSL's.

    Parameters
    ----------
    data : (frame, row) float ndarray
    tr_s : float
    band_hz : tuple of 2 float

    Returns
    -------
    (frame, row) float32 ndarray
        Without the mean.
    """
    n_frames = len(data)
    # Mirrored at both ends: a jump there would ring.
    padded = np.concatenate([data, data[::-1]]) - data.mean(axis=0)
    frequency = rfftfreq(len(padded), tr_s)
    low, high = (np.exp(-2 * (np.pi * frequency / (2 * cut)) ** 2) for cut in band_hz)
    spectrum = rfft(padded, axis=0) * ((1 - low) * high)[:, None].astype(np.float32)
    return np.asarray(irfft(spectrum, n=len(padded), axis=0)[:n_frames], dtype=np.float32)


def _from_fsaverage5(
    meshes: Mapping[Hemisphere, FloatArray], confounds: FloatArray, names: Sequence[str], *, tr_s: float
) -> Timeseries:
    axis = template().grayordinates.cortex()
    parts = []
    for hemisphere in HEMISPHERES:
        data = meshes[hemisphere]
        up = _weights(hemisphere, "up")[axis.vertices(hemisphere)]
        varies = (data != data[:1]).any(axis=0)
        weight = apply_weights(up, varies.astype(np.float32))
        part = np.divide(
            apply_weights(up, data), weight, out=np.zeros((len(data), len(weight)), np.float32), where=weight > 0
        )
        parts.append(part)
    carried = Timeseries(np.concatenate(parts, axis=1), axis, tr_s)
    cleaned = regress(carried, confounds, names=names)
    return regress(cleaned, global_signal(cleaned)[:, None], names=["global signal"])


@cache
def _weights(hemisphere: Hemisphere, direction: str) -> Any:
    fslr, fsaverage = template().sides[hemisphere].sphere, fsaverage_sphere(hemisphere)
    source, target = (fslr, fsaverage) if direction == "down" else (fsaverage, fslr)
    return sphere_weights(source, target)


def _split_half(data: FloatArray, valid: BoolArray, *, blocks: int | None) -> float:
    rng = np.random.default_rng(_SEED)
    usable = np.flatnonzero(valid)
    rows, columns = (np.sort(rng.choice(usable, min(n, len(usable)), replace=False)) for n in (_ROWS, _COLUMNS))
    maps = []
    for half in halves(len(data), blocks=blocks):
        one, other = (_unit(data[half][:, chosen]) for chosen in (rows, columns))
        z = np.arctanh(np.clip(one.T @ other, -0.999, 0.999))
        maps.append(z - z.mean(axis=1, keepdims=True))
    first, second = maps
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return float(((first * second).sum(axis=1) / scale).mean())


def _unit(data: FloatArray) -> FloatArray:
    centred = data - data.mean(axis=0)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12))


def correlation_over_distance(unit: FloatArray, valid: BoolArray) -> tuple[float, ...]:
    """Mean correlation of vertices of one hemisphere at each of `DISTANCES_MM`.

    Parameters
    ----------
    unit : (frame, grayordinate) float ndarray
        Standardised, cortical rows.
    valid : (grayordinate,) bool ndarray
    """
    total, count = np.zeros(len(DISTANCES_MM)), np.zeros(len(DISTANCES_MM))
    for source, rings in neighbours_at(valid):
        for i, ring in enumerate(rings):
            total[i] += float((unit[:, source] @ unit[:, ring]).sum()) / len(unit)
            count[i] += len(ring)
    return tuple(float(r) for r in total / np.maximum(count, 1))


def neighbours_at(valid: BoolArray) -> Iterator[tuple[int, list[IntArray]]]:
    """Yield some valid rows, always the same, each with the valid rows of its side at each of `DISTANCES_MM`."""
    axis = template().grayordinates
    rng = np.random.default_rng(_SEED)
    for hemisphere in HEMISPHERES:
        rows = axis.rows(hemisphere)
        usable = np.flatnonzero(valid[rows])
        points = template().sides[hemisphere].midthickness.vertices[axis.vertices(hemisphere)]
        for source in rng.choice(usable, min(_SOURCES, len(usable)), replace=False):
            distances = np.linalg.norm(points[usable] - points[source], axis=1)
            rings = [usable[(distances >= distance) & (distances < distance + 1)] for distance in DISTANCES_MM]
            yield rows.start + int(source), [rows.start + ring for ring in rings]
