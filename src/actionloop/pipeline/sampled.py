"""The part of a run's series that `check` reads: rows of SCAN and AMN, and a few for the spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actionloop import facts, files
from actionloop.errors import SignalError
from actionloop.files import RunFiles
from actionloop.pipeline.series import joined_surfaces, to_cortex
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Grayordinates, Hemisphere, IntArray, Timeseries


@dataclass(frozen=True, eq=False)
class Sample:
    """What was read of a run.

    Attributes
    ----------
    n_frames : int
    rows : int
        Cortical rows, vertices or parcels of the series.
    data : (frame, row) float32 ndarray
        Some rows that vary.
    missing : mapping of str to float
        By network, the share of its rows in the prior that have no signal; empty where no prior was given.
    tr_s : float or None
        Repetition time that the file states, where the run states none.
    notes : tuple of str
    """

    n_frames: int
    rows: int
    data: FloatArray
    missing: Mapping[str, float]
    tr_s: float | None
    notes: tuple[str, ...] = ()


def sample(run: RunFiles, wanted: Mapping[str, BoolArray]) -> Sample:
    """Read the rows of some networks.

    Parameters
    ----------
    run : RunFiles
    wanted : mapping of str to (row,) bool ndarray
        Networks' rows of the standard 59,412; without any, rows spread over the cortex are read.

    Returns
    -------
    Sample

    Raises
    ------
    ActionloopError
        The series is missing, damaged, of another mesh, or holds values that are not finite.
    """
    if run.kind == "cifti":
        return _of_cifti(run, wanted)
    return _of_parcels(run, wanted) if run.kind == "parcels" else _of_surfaces(run, wanted)


def _of_cifti(run: RunFiles, wanted: Mapping[str, BoolArray]) -> Sample:
    series = files.open_series(run.paths[0])
    axis = series.grayordinates
    place = {name: _rows_of(mask, axis) for name, mask in wanted.items()}
    every = np.concatenate([np.zeros(0, dtype=np.int64), *(rows[rows >= 0] for rows in place.values())])
    if not len(every):
        every = np.arange(0, axis.n_cortex, max(1, axis.n_cortex // _most_rows()))
    step = max(1, len(every) // _most_rows())
    varies = np.zeros(len(axis), dtype=bool)
    some: list[FloatArray] = []
    seen = 0
    for rows, data in series.read(every):
        _require_finite(data, run)
        varies[rows] = np.ptp(data, axis=0) > 0
        live = data[:, varies[rows]]
        some.append(np.array(live[:, -seen % step :: step]))
        seen += live.shape[1]
    missing = {name: float(1 - (varies[rows] & (rows >= 0)).mean()) for name, rows in place.items()}
    return Sample(series.n_frames, axis.n_cortex, np.concatenate(some, axis=1), missing, run.tr_s)


def _rows_of(mask: BoolArray, axis: Grayordinates) -> IntArray:
    """Row of a series for each row of a mask on the standard cortex; -1 where the series has none."""
    cortex = files.template_grayordinates()
    parts = []
    for hemisphere in HEMISPHERES:
        row_of = np.full(axis.n_vertices, -1, dtype=np.int64)
        span = axis.rows(hemisphere)
        row_of[axis.vertices(hemisphere)] = np.arange(span.start, span.stop)
        parts.append(row_of[cortex.vertices(hemisphere)[mask[cortex.rows(hemisphere)]]])
    return np.concatenate(parts)


def _of_parcels(run: RunFiles, wanted: Mapping[str, BoolArray]) -> Sample:
    series, parcels = files.read_ptseries(run.paths[0], tr_s=run.tr_s)
    varies = np.ptp(series.data, axis=0) > 0
    inside = parcels.owner >= 0
    has_signal = inside & varies[parcels.owner]
    missing, notes = {}, []
    for name, mask in wanted.items():
        # Gaps between parcels are the parcellation's; only a parcel without signal is dropout.
        missing[name] = float(1 - has_signal[mask & inside].mean()) if (mask & inside).any() else 1.0
        if not inside[mask].all():
            notes.append(f"{run.name}: {1 - inside[mask].mean():.0%} of {name} cortex lie in no parcel")
    return Sample(series.n_frames, len(parcels), series.data[:, varies], missing, series.tr_s, tuple(notes))


def _of_surfaces(run: RunFiles, wanted: Mapping[str, BoolArray]) -> Sample:
    # Files of this kind can only be read whole; their repetition time does not matter for what is read here.
    data, _ = files.read_surface_series(run.paths[0], run.paths[1], tr_s=run.tr_s or 1.0)
    varies = np.concatenate([np.ptp(data[side], axis=0) > 0 for side in HEMISPHERES])
    some = [data[side][:, np.ptp(data[side], axis=0) > 0] for side in HEMISPHERES]
    step = max(1, int(varies.sum()) // _most_rows())
    missing: dict[str, float] = {}
    if wanted:
        # Two frames, nothing and signal, are carried the way the series would be.
        pattern: dict[Hemisphere, FloatArray] = {
            side: np.stack([np.zeros(part.shape[1], np.float32), (np.ptp(part, axis=0) > 0).astype(np.float32)])
            for side, part in data.items()
        }
        carried = to_cortex(_as_series(pattern, run), files.template_grayordinates())
        has_signal = np.ptp(carried.data, axis=0) > 0
        missing = {name: float(1 - has_signal[mask].mean()) for name, mask in wanted.items()}
    picked = np.concatenate([part[:, ::step] for part in some], axis=1)
    return Sample(len(data["L"]), len(varies), picked, missing, run.tr_s)


def _as_series(pattern: Mapping[Hemisphere, FloatArray], run: RunFiles) -> Timeseries:
    sides = {side: pattern[side] for side in HEMISPHERES}
    return joined_surfaces(sides, tr_s=1.0, source=", ".join(str(path) for path in run.paths))


def _require_finite(data: FloatArray, run: RunFiles) -> None:
    if not np.isfinite(data).all():
        raise SignalError(
            "the series holds NaN or infinite values",
            where=run.paths[0],
            fix="check the denoising step that wrote it",
        )


def _most_rows() -> int:
    return int(facts.load("check")["reading"]["rows"])
