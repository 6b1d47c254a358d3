"""From the files of a person's runs to one cleaned, standardised series on the 59,412 cortical rows, or all 91,282."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse

from actionloop import files, signal
from actionloop.brain import Parcels, apply_weights, sphere_weights
from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files import Confounds, PersonFiles, RunFiles
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Grayordinates, Hemisphere, Timeseries

HALF = 0.5
# Share of cortex that exchanging the sides would fill; an exchanged medial wall leaves some 9 % of the cortex empty.
LEAST_GAIN = 0.05
_FSAVERAGE_LEVELS = {10_242: 5, 40_962: 6}
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class PersonSeries:
    """A person's runs, joined.

    Attributes
    ----------
    series : Timeseries
        (frame, 59412), with voxels (frame, 91282), or one column per parcel; each run demeaned and scaled before
        joining.
    run_lengths : tuple of int
        Frames of each run that remain.
    runs : tuple of mappings
        One row per run for the report.
    cleaning : str
        Name of what was removed, for the methods paragraph.
    """

    series: Timeseries
    run_lengths: tuple[int, ...]
    runs: tuple[Mapping[str, Any], ...]
    cleaning: str


def load_series(
    person: PersonFiles,
    *,
    global_signal: bool | None = None,
    voxels: bool = False,
    adjacent_mm: float = 0,
    say: Say = lambda _: None,
) -> PersonSeries:
    """Read, clean and join the runs of one person.

    Parameters
    ----------
    person : PersonFiles
    global_signal : bool, optional
        Remove the global signal. By default it is removed where the cleaning is ours (preprocessed input), and
        input that another program denoised is taken as it is.
    voxels : bool
        Keep subcortex and cerebellum, which CIFTI series have.
    adjacent_mm : float
        Regress the mean of the cortex within this distance from each voxel; 0 does not.
    say : callable
        Gets one line per run.

    Returns
    -------
    PersonSeries

    Raises
    ------
    InputError, SignalError
        A run that cannot be used; nothing is joined then.
    """
    target = files.template_grayordinates()
    parts: list[Timeseries] = []
    rows: list[dict[str, Any]] = []
    for run in person.runs:
        say(f"reading {run.name}")
        raw = _read(run)
        cleaned, words = _clean(raw, run, global_signal)
        if run.kind == "parcels":
            on_target = cleaned
        else:
            on_target = _with_voxels(cleaned, target, run, adjacent_mm) if voxels else to_cortex(cleaned, target)
        signal.usable(on_target, min_frames=1, min_minutes=0)
        parts.append(signal.standardise(on_target))
        rows.append(
            {
                "name": run.name,
                "file": run.paths[0].name,
                "tr_s": raw.tr_s,
                "frames": raw.n_frames,
                "frames_kept": cleaned.n_frames,
                "minutes": raw.minutes,
                "minutes_kept": cleaned.minutes,
                "cleaning": words,
                "coverage": float(signal.valid_rows(on_target).mean()),
            }
        )
        del raw, cleaned, on_target
    joined = signal.concatenate(parts)
    signal.usable(joined)
    names = list(dict.fromkeys(str(row["cleaning"]) for row in rows))
    return PersonSeries(joined, tuple(part.n_frames for part in parts), tuple(rows), "; ".join(names))


def _with_voxels(series: Timeseries, target: Grayordinates, run: RunFiles, adjacent_mm: float) -> Timeseries:
    """Carry a series to the target's cortical rows and keep its voxels."""
    axis = series.grayordinates
    if axis.voxels is None:
        raise InputError(
            f"expected a series with subcortex and cerebellum (91,282 rows), found {len(axis):,} cortical rows",
            where=run.paths[0],
            fix="leave out --subcortex, or give 91k CIFTI series (fMRIPrep: --cifti-output 91k)",
        )
    whole = replace(
        series,
        data=np.concatenate([to_cortex(series, target).data, series.data[:, axis.n_cortex :]], axis=1),
        grayordinates=Grayordinates(target.left, target.right, target.n_vertices, axis.voxels),
    )
    # Voxels lie in the space of the template, whatever surfaces the person has.
    if adjacent_mm > 0:
        whole = signal.regress_adjacent_cortex(whole, files.template_anatomy(), radius_mm=adjacent_mm)
    return whole


def parcels_of(person: PersonFiles) -> Parcels | None:
    """Return the parcels that a person's series are means of; None for series of vertices.

    Raises
    ------
    InputError
        Series of both kinds together.
    """
    kinds = {run.kind for run in person.runs}
    if "parcels" not in kinds:
        return None
    if len(kinds) > 1:
        raise InputError(
            "series of parcels and of vertices cannot be joined",
            where=", ".join(str(run.paths[0]) for run in person.runs),
            fix="give series of one kind",
        )
    run = person.runs[0]
    return files.read_ptseries(run.paths[0], tr_s=run.tr_s)[1]


def to_cortex(series: Timeseries, target: Grayordinates) -> Timeseries:
    """Carry a series to the target's cortical rows: by vertex for fsLR-32k, over the spheres for fsaverage.

    Rows without data come out as zero.
    """
    axis = series.grayordinates
    if axis.n_vertices == target.n_vertices:
        data = files.align(series.data[:, : axis.n_cortex], axis.cortex(), target)
        return replace(series, data=np.ascontiguousarray(data, dtype=np.float32), grayordinates=target)
    level = _FSAVERAGE_LEVELS.get(axis.n_vertices)
    if level is None:
        raise SignalError(f"no way from a mesh of {axis.n_vertices} vertices to fsLR-32k", where=series.source or None)
    data = np.zeros((series.n_frames, len(target)), dtype=np.float32)
    valid = signal.valid_rows(series)
    _require_sides(valid, axis, level, target, series.source)
    for hemisphere in HEMISPHERES:
        weights = _from_fsaverage(hemisphere, level)[target.vertices(hemisphere)]
        has_signal = axis.to_mesh(valid, hemisphere, fill=False).astype(float)
        # A vertex with half or more of its weight on empty source vertices counts as dropout: it is left zero.
        share = weights @ has_signal
        rescale = np.divide(1.0, share, out=np.zeros_like(share), where=share > HALF)
        weights = sparse.diags_array(rescale) @ weights @ sparse.diags_array(has_signal)
        mesh = axis.to_mesh(series.data, hemisphere)
        data[:, target.rows(hemisphere)] = apply_weights(weights, mesh)
    step = f"carried from fsaverage{level} to fsLR-32k (barycentric, over the registered spheres)"
    return replace(series, data=data, grayordinates=target, steps=(*series.steps, step))


@cache
def _from_fsaverage(hemisphere: Hemisphere, level: int) -> Any:
    """Weights from a mesh of fsaverage to fsLR-32k; shape (32492, vertex)."""
    sphere = files.fsaverage_sphere(hemisphere, level=level)
    return sphere_weights(sphere, files.template_anatomy().surface(hemisphere, "sphere"))


def _require_sides(valid: BoolArray, axis: Grayordinates, level: int, target: Grayordinates, source: str) -> None:
    """Refuse hemispheres whose empty vertices are the medial wall of the other one.

    The two meshes of fsaverage are the same sphere, on which the medial walls lie opposite each other. A series whose
    medial wall was sampled too has no empty vertices and cannot be judged.
    """
    side_of = {"L": axis.to_mesh(valid, "L", fill=False), "R": axis.to_mesh(valid, "R", fill=False)}
    other: dict[Hemisphere, Hemisphere] = {"L": "R", "R": "L"}
    gain = []
    for hemisphere in HEMISPHERES:
        weights = _from_fsaverage(hemisphere, level)[target.vertices(hemisphere)]
        given, exchanged = (float((weights @ side_of[side]).mean()) for side in (hemisphere, other[hemisphere]))
        gain.append(exchanged - given)
    if min(gain) > LEAST_GAIN:
        raise GeometryError(
            "left and right are exchanged: the empty vertices of each hemisphere are the medial wall of the other",
            where=source or None,
            fix="check which file is which; nothing but the file names states the side",
        )


def joined_surfaces(data: Mapping[Hemisphere, FloatArray], *, tr_s: float, source: str) -> Timeseries:
    """Join left and right surface series into one series on their own mesh."""
    n_vertices = data["L"].shape[1]
    axis = Grayordinates(np.arange(n_vertices), np.arange(n_vertices), n_vertices)
    return Timeseries(np.concatenate([data["L"], data["R"]], axis=1), axis, tr_s, source)


def _read(run: RunFiles) -> Timeseries:
    where = ", ".join(str(path) for path in run.paths)
    if run.kind == "parcels":
        return files.read_ptseries(run.paths[0], tr_s=run.tr_s)[0]
    if run.kind == "cifti":
        return files.read_cifti_series(run.paths[0], tr_s=run.tr_s)
    if run.tr_s is None:
        raise SignalError(
            "the repetition time (TR) is missing: surface files do not hold it reliably",
            where=where,
            fix="give it in seconds with --tr, e.g. --tr 0.8",
        )
    data, _ = files.read_surface_series(run.paths[0], run.paths[1], tr_s=run.tr_s)
    return joined_surfaces(data, tr_s=run.tr_s, source=where)


def _clean(series: Timeseries, run: RunFiles, global_signal: bool | None) -> tuple[Timeseries, str]:
    """Clean one run as its origin asks; returns the kept frames and what was done, in words."""
    if run.cleaned:
        kept, words = _censor(series, run)
        if global_signal:
            column = signal.global_signal(kept)[:, None]
            return signal.regress(kept, column, names=["global signal"]), f"{words}, global signal regressed here"
        return kept, words
    path = run.motion or run.confounds
    if path is None:
        raise InputError(
            "this run is preprocessed but not denoised, and its table of confounds or motion is missing",
            where=run.paths[0],
            fix="keep the *_desc-confounds_timeseries.tsv (HCP: Movement_Regressors.txt) beside it, or give denoised "
            "data (XCP-D)",
        )
    table = files.read_confounds(path)
    if table.n_frames != series.n_frames:
        raise InputError(
            f"the series has {series.n_frames} frames and its confound table {table.n_frames}",
            where=table.source,
            fix="check that both belong to the same run",
        )
    with_global_signal = global_signal is None or global_signal
    if set(files.MOTION_NAMES) <= set(table.names) or (not table.names and table.values.shape[1] in (6, 12)):
        cleaning = signal.plain_cleaning(with_global_signal=with_global_signal)
        cleaned, _ = signal.clean(
            series,
            files.motion_parameters(table),
            cleaning=cleaning,
            fd_mm=table.framewise_displacement(),
            keep=~table.non_steady(),
        )
        return cleaned, f"plain cleaning {cleaning.name}"
    return regress_whole(series, table, with_global_signal=with_global_signal, filtered=run.filtered)


def regress_whole(
    series: Timeseries, table: Confounds, *, with_global_signal: bool, filtered: bool
) -> tuple[Timeseries, str]:
    """Regress every column of a table, then the mean of what is left; for tables made to be used whole.

    A series that was filtered gets its confounds filtered alike: otherwise their removal would put back what the
    filter took out.
    """
    names = list(table.names) or [f"column {i + 1}" for i in range(table.values.shape[1])]
    columns = table.everything()
    words = f"{len(names)} confounds regressed"
    if filtered:
        band_hz = signal.plain_cleaning().band_hz
        assert band_hz is not None
        columns = signal.bandpass(columns, tr_s=series.tr_s, band_hz=band_hz)
        words += f" (band-passed {band_hz[0]:g}-{band_hz[1]:g} Hz like the series)"
    cleaned = signal.regress(series, columns, names=names)
    if with_global_signal:
        cleaned = signal.regress(cleaned, signal.global_signal(cleaned)[:, None], names=["global signal"])
        words += ", global signal regressed"
    return cleaned, words


def _censor(series: Timeseries, run: RunFiles) -> tuple[Timeseries, str]:
    words = "denoised by the pipeline that wrote it, used as it is"
    if run.outliers is None:
        return series, words
    keep, already = files.keep_frames(run.outliers, n_frames=series.n_frames, series=run.paths[0])
    if already:
        return series, f"{words}, censored there"
    return _kept(series, keep, run), f"{words}, {int((~keep).sum())} outlier frames left out"


def _kept(series: Timeseries, keep: BoolArray, run: RunFiles) -> Timeseries:
    if not keep.any():
        raise SignalError(
            "every frame of this run is marked as an outlier",
            where=run.outliers,
            fix="choose other runs with --run-id, or a milder motion threshold in the denoising",
        )
    return signal.select_frames(series, keep)
