"""Pictures of the report's section 'How far to trust this', with their captions and alternative texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from actionloop import figures
from actionloop.pipeline.motion import RunMotion
from actionloop.reliability.found import Curve, Reliability
from actionloop.report import Picture
from actionloop.types import (
    HEMISPHERES,
    Anatomy,
    BoolArray,
    FloatArray,
    Grayordinates,
    IntArray,
    NetworkMap,
    Timeseries,
)


def timelines(
    motion: Sequence[RunMotion], series: Timeseries | None, network_map: NetworkMap, progress: Callable[[str], None]
) -> list[Picture]:
    """Draw the motion of every run, and the signal of the kept frames as a carpet."""
    made = []
    shown = [(run, kept) for run in motion if (kept := kept_frames(run)) is not None]
    if any(run.fd_mm is not None or not kept.all() for run, kept in shown):
        progress("motion")
        left_out = sum(int((~kept).sum()) for _, kept in shown)
        frames = sum(len(kept) for _, kept in shown)
        low, high = figures.THRESHOLDS_MM
        png = figures.motion_trace(
            [run.name for run, _ in shown],
            [run.fd_mm for run, _ in shown],
            [kept for _, kept in shown],
            [run.tr_s for run, _ in shown],
        )
        made.append(
            Picture(
                "motion",
                "trust",
                png,
                f"Framewise displacement of {len(shown)} run(s); {left_out} of {frames} frames left out",
                f"Framewise displacement (FD) of every frame. Lines at {low:g} and {high:g} mm; {left_out} of "
                f"{frames} frames were left out (shaded, and black below the trace).",
            )
        )
    if series is not None:
        progress("carpet")
        cortex = series.cortex()
        png = figures.carpet(
            cortex.data,
            _networks_of(cortex.grayordinates, network_map),
            network_map.names,
            network_map.colours,
            fd_mm=_kept_fd(motion, series.n_frames),
            run_lengths=_kept_lengths(motion, series.n_frames),
        )
        made.append(
            Picture(
                "carpet",
                "trust",
                png,
                f"Carpet plot: a sample of the cortical rows, ordered by network, over {series.n_frames} kept frames",
                "Cleaned signal of a sample of cortical rows, ordered by network, frame after frame. Stripes across "
                "all networks are motion or breathing that the cleaning left.",
            )
        )
    return made


def kept_frames(run: RunMotion) -> BoolArray | None:
    """Which frames of a run were kept: all where only its motion is known, None where nothing is."""
    if run.kept is not None:
        return run.kept
    return None if run.fd_mm is None else np.ones(len(run.fd_mm), dtype=bool)


def _kept_fd(motion: Sequence[RunMotion], n_frames: int) -> FloatArray | None:
    """FD of the joined kept frames, NaN for runs whose motion is not known; None where nothing fits the series."""
    lengths = _kept_lengths(motion, n_frames)
    if not lengths or all(run.fd_mm is None for run in motion):
        return None
    parts = [
        np.full(n, np.nan) if run.fd_mm is None else np.nan_to_num(run.fd_mm)[kept_frames(run)]
        for run, n in zip(motion, lengths, strict=True)
    ]
    whole: FloatArray = np.concatenate(parts)
    return whole


def _kept_lengths(motion: Sequence[RunMotion], n_frames: int) -> list[int]:
    """Kept frames of each run; empty where they are not those of the series."""
    known = [kept for kept in (kept_frames(run) for run in motion) if kept is not None]
    lengths = [int(kept.sum()) for kept in known]
    return lengths if len(known) == len(motion) and sum(lengths) == n_frames else []


def _networks_of(axis: Grayordinates, network_map: NetworkMap) -> IntArray:
    """Place of each row's network among the map's names, −1 for none; rows may be parcels, by their vertex."""
    place = {int(key): i for i, key in enumerate(network_map.keys)}
    sides = []
    for side in HEMISPHERES:
        mesh = network_map.grayordinates.to_mesh(network_map.label, side)
        sides.append(mesh[axis.vertices(side)])
    return np.array([place.get(int(key), -1) for key in np.concatenate(sides)], dtype=np.int64)


def brains(
    reliability: Reliability, network_map: NetworkMap, anatomy: Anatomy, progress: Callable[[str], None]
) -> list[Picture]:
    """Draw halves and stability where they are on the vertices of the map, and the curve."""
    halves, drawn, curve = reliability.halves, reliability.resamples, reliability.curve
    n_cortex = network_map.grayordinates.n_cortex
    on_vertices = halves.maps[0].grayordinates.same_cortex(network_map.grayordinates)
    made = []
    views = figures.surface_views(anatomy, pixels_per_mm=2.0)
    if on_vertices:
        progress("halves of the scan")
        made.append(
            Picture(
                "halves",
                "trust",
                figures.half_maps(anatomy, halves.maps, halves.agree, views=views),
                f"Maps of the two halves of the scan in five views, and where they differ; {percent(halves.equal)} "
                "of the labelled rows agree",
                f"The same map from two halves of the scan ({halves.minutes:.1f} min each), and the rows whose label "
                f"differs, dark; {percent(halves.equal)} of labelled rows agree.",
            )
        )
    if len(drawn.stability) >= n_cortex:
        progress("stability")
        made.append(
            Picture(
                "stability",
                "trust",
                figures.stability_map(anatomy, network_map, drawn.stability, views=views),
                f"Share of {drawn.n} resamples in which each vertex keeps its network, five views, from 0 to 1",
                f"Stability: share of {drawn.n} resamples of blocks of frames in which a vertex keeps its "
                "network. Dark places change with the frames that were drawn.",
            )
        )
    progress("curve")
    made.append(_curve_picture(curve.minutes, curve.agreement, reliability))
    return made


def _curve_picture(minutes: Sequence[float], agreement: Sequence[float], reliability: Reliability) -> Picture:
    curve = reliability.curve
    ahead = "; ".join(f"{t:g} min: {decimal(r)}" for t, r in sorted(curve.projected.items()))
    known = math.isfinite(curve.ceiling) and math.isfinite(curve.rate_per_min)
    fit = "fitted by a saturating exponential" if known else "too few or too scattered points for a curve"
    return Picture(
        "agreement",
        "trust",
        figures.agreement_curve(
            minutes,
            agreement,
            ceiling=curve.ceiling,
            rate_per_min=curve.rate_per_min,
            floor=_floor(curve),
            projected=curve.projected,
        ),
        "Share of equal labels of two halves against minutes of each half: "
        + "; ".join(f"{t:.1f} min {decimal(r)}" for t, r in zip(minutes, agreement, strict=True)),
        f"Agreement of halves against their minutes, {fit}."
        + (f" To expect between two scans of so many minutes each: {ahead}." if ahead else ""),
    )


def _floor(curve: Curve) -> float:
    """Return where a curve that does not begin at 0 begins, which its projected values tell."""
    if not curve.projected:
        return 0.0
    t, r = min(curve.projected.items())
    left = math.exp(-curve.rate_per_min * t)
    known = math.isfinite(left) and left > 1e-3
    return max(0.0, curve.ceiling - (curve.ceiling - r) / left) if known else 0.0


def percent(share: float) -> str:
    """Write a share, 0 to 1, in per cent; a dash where it is not known."""
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"


def decimal(value: float) -> str:
    """Write a number with two digits; a dash where it is not known."""
    return f"{value:.2f}" if math.isfinite(value) else "–"
