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
from actionloop.files import PersonFiles, RunFiles
from actionloop.pipeline.cleaning import clean_run, require_cleanable
from actionloop.pipeline.motion import RunMotion, joined_displacement
from actionloop.pipeline.settings import CleaningSettings
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
    motion : tuple of RunMotion
        One per run.
    """

    series: Timeseries
    run_lengths: tuple[int, ...]
    runs: tuple[Mapping[str, Any], ...]
    cleaning: str
    motion: tuple[RunMotion, ...] = ()

    def fd_of_frames(self) -> FloatArray | None:
        """Framewise displacement of each frame of the joined series, (frame,) in mm; None unless known of all runs."""
        found = joined_displacement(self.motion)
        return None if found is None or len(found) != self.series.n_frames else found


def load_series(
    person: PersonFiles,
    *,
    cleaning: CleaningSettings | None = None,
    global_signal: bool | None = None,
    voxels: bool = False,
    adjacent_mm: float = 0,
    say: Say = lambda _: None,
) -> PersonSeries:
    """Read, clean and join the runs of one person.

    Parameters
    ----------
    person : PersonFiles
    cleaning : CleaningSettings, optional
        For input that is only preprocessed; input that another program denoised is taken as it is.
    global_signal : bool, optional
        Remove the global signal, whatever `cleaning` says and from denoised input too.
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
    InputError, SignalError, OptionError
        A run that cannot be used, or a cleaning that would be a second one; nothing is joined then.
    """
    cleaning = cleaning or CleaningSettings()
    require_cleanable(person, cleaning)
    _require_one_tr({run.name: run.tr_s for run in person.runs if run.tr_s is not None})
    target = files.template_grayordinates()
    parts: list[Timeseries] = []
    rows: list[dict[str, Any]] = []
    motion: list[RunMotion] = []
    for run in person.runs:
        say(f"reading {run.name}")
        raw = _read(run)
        _require_one_tr({**{row["name"]: row["tr_s"] for row in rows}, run.name: raw.tr_s})
        cleaned, words, moved = clean_run(raw, run, cleaning, global_signal=global_signal)
        motion.append(moved)
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
    lengths = tuple(part.n_frames for part in parts)
    return PersonSeries(joined, lengths, tuple(rows), "; ".join(names), tuple(motion))


def _require_one_tr(tr_s: Mapping[str, float]) -> None:
    """Refuse runs, by name, of several repetition times."""
    if tr_s and max(tr_s.values()) - min(tr_s.values()) > 1e-3 * min(tr_s.values()):
        raise SignalError(
            f"runs differ in repetition time: {', '.join(f'{name} {value:g} s' for name, value in tr_s.items())}",
            fix="choose runs of one repetition time with --run-id, --session-label or --bids-filter-file, or correct a "
            "wrong one with --tr",
        )


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
