"""The steps of one person whose results are kept: series, map, controls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop import files
from actionloop.errors import OptionError
from actionloop.pipeline.cleaning import require_cleanable
from actionloop.pipeline.controls import Recipe, halves_control, without_global_signal
from actionloop.pipeline.motion import RunMotion
from actionloop.pipeline.otherwise import Otherwise, variant_controls
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.series import PersonSeries, load_series, parcels_of
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.reliability import Halves
from actionloop.types import BoolArray, Grayordinates, NetworkMap, Timeseries, Voxels

if TYPE_CHECKING:
    from actionloop.pipeline.person import PersonJob


def series_of(job: PersonJob, steps: Steps, key: str, progress: Progress) -> PersonSeries:
    """Read, clean and join the runs, or take them from the finished steps."""

    def make() -> Arrays:
        wanted = job.settings.mapping
        loaded = load_series(
            job.person,
            cleaning=job.settings.cleaning,
            voxels=wanted.subcortex,
            adjacent_mm=wanted.adjacent_mm,
            say=progress.note,
        )
        return {
            **voxel_arrays(loaded.series.grayordinates),
            **_motion_arrays(loaded.motion),
            "data": np.asarray(loaded.series.data, dtype=np.float32),
            "tr_s": np.array(loaded.series.tr_s),
            "lengths": np.array(loaded.run_lengths),
            "text": np.array(json.dumps([list(loaded.runs), loaded.cleaning, list(loaded.series.steps)])),
        }

    require_cleanable(job.person, job.settings.cleaning)  # also where an equal step is there already
    arrays, _ = steps.run("series", key, make)
    runs, cleaning, words = json.loads(str(arrays["text"]))
    source = ", ".join(run.paths[0].name for run in job.person.runs)
    parcels = parcels_of(job.person)
    axis = axis_of(arrays) if parcels is None else parcels.axis
    series = Timeseries(arrays["data"], axis, float(arrays["tr_s"]), source, tuple(words))
    return PersonSeries(series, tuple(int(n) for n in arrays["lengths"]), tuple(runs), cleaning, _motion(arrays, runs))


def voxel_arrays(axis: Grayordinates) -> Arrays:
    """Return what of an axis has to be kept with a step: its voxels."""
    voxels = axis.voxels
    if voxels is None:
        return {}
    return {
        "ijk": voxels.ijk,
        "structure": voxels.structure.astype(str),
        "affine": voxels.affine,
        "shape": np.array(voxels.shape),
    }


def _motion_arrays(motion: Sequence[RunMotion]) -> Arrays:
    """Return what of the motion of runs has to be kept with a step."""
    found: Arrays = {}
    for number, run in enumerate(motion):
        if run.fd_mm is not None:
            found[f"fd_mm_{number}"] = run.fd_mm
        if run.kept is not None:
            found[f"kept_{number}"] = run.kept
    return found


def _motion(arrays: Arrays, runs: Sequence[Mapping[str, Any]]) -> tuple[RunMotion, ...]:
    return tuple(
        RunMotion(run["name"], arrays.get(f"fd_mm_{number}"), arrays.get(f"kept_{number}"), float(run["tr_s"]))
        for number, run in enumerate(runs)
    )


def axis_of(arrays: Arrays) -> Grayordinates:
    """Return the standard cortical rows, and the voxels that were kept with a step."""
    cortex = files.template_grayordinates()
    if "ijk" not in arrays:
        return cortex
    i, j, k = (int(n) for n in arrays["shape"])
    voxels = Voxels(arrays["ijk"], arrays["structure"], arrays["affine"], (i, j, k))
    return Grayordinates(cortex.left, cortex.right, cortex.n_vertices, voxels)


def map_of(loaded: PersonSeries | None, recipe: Recipe | None, steps: Steps, key: str) -> NetworkMap:
    """Make the map, or take it from the finished steps."""
    if loaded is None or recipe is None:
        raise OptionError("there is neither a scan nor a finished map", fix="give DERIVATIVES, --bold or --map")
    prior, axis = recipe.prior, loaded.series.grayordinates

    def make() -> Arrays:
        made = recipe.on(axis).make(loaded.series)
        return {
            "method": np.array([made.method, made.measure]),
            "probability": made.probability,
            "label": made.label,
            "confidence": made.confidence,
            "settings": np.array(json.dumps(dict(made.settings))),
        }

    arrays, _ = steps.run("map", key, make)
    return NetworkMap(
        names=prior.names,
        keys=prior.keys,
        colours=prior.colours,
        probability=arrays["probability"],
        label=arrays["label"],
        confidence=arrays["confidence"],
        grayordinates=axis,
        method=str(arrays["method"][0]),
        settings=json.loads(str(arrays["settings"])),
        measure=str(arrays["method"][1]),
    )


def given_map(path: Path, lesion: BoolArray) -> NetworkMap:
    """Take somebody's finished map, on the cortical rows; the lesion is taken out of it."""
    return files.align_map(files.read_network_map(path), files.template_grayordinates()).without(lesion)


def controls_of(
    job: PersonJob, loaded: PersonSeries | None, recipe: Recipe | None, steps: Steps, key: str, progress: Progress
) -> list[dict[str, Any]]:
    """Check halves of the scan, with and without global signal, or take that from the finished steps."""
    if loaded is None or recipe is None or not job.settings.controls:
        return []

    def make() -> Arrays:
        ours = any(not run.cleaned for run in job.person.runs)
        removed = job.settings.cleaning.global_signal is not False
        words = {True: "with global signal regression", False: "without global signal regression"}
        first = words[removed] if ours else "as the input was denoised"
        series = loaded.series.cortex()
        rows = halves_control(series, recipe, variant=first, say=progress.note)
        if ours:
            cleaning = job.settings.cleaning
            other = load_series(job.person, cleaning=cleaning, global_signal=not removed, say=progress.note).series
            second = words[not removed]
        else:
            other, second = without_global_signal(series), "with global signal regressed here"
        rows += halves_control(other, recipe, variant=second, say=progress.note)
        return {"text": np.array(json.dumps(rows))}

    arrays, _ = steps.run("controls", key, make)
    found: list[dict[str, Any]] = json.loads(str(arrays["text"]))
    return found


def uncleaned(job: PersonJob) -> Callable[[], Timeseries] | None:
    """Return what loads the series with its global signal; None where another program denoised it."""
    if all(run.cleaned for run in job.person.runs):
        return None
    wanted, cleaning = job.settings.mapping, job.settings.cleaning

    def load() -> Timeseries:
        return load_series(
            job.person,
            cleaning=cleaning,
            global_signal=False,
            voxels=wanted.subcortex,
            adjacent_mm=wanted.adjacent_mm,
        ).series

    return load


def shifts_of(
    job: PersonJob, otherwise: Otherwise, halves: Halves | None, steps: Steps, key: str, progress: Progress
) -> list[dict[str, Any]]:
    """Look for every target in maps made otherwise, or take that from the finished steps."""

    def make() -> Arrays:
        rows = variant_controls(job.person, otherwise, halves=halves, seed=job.settings.seed, say=progress.note)
        return {"text": np.array(json.dumps(rows))}

    own_key = key_of(
        {
            "map": key,
            "seed": job.settings.seed,
            "halves": halves is not None,
            "targets": [[target.name, target.vertex] for target in otherwise.ruler.targets],
        }
    )
    arrays, _ = steps.run("shifts", own_key, make)
    found: list[dict[str, Any]] = json.loads(str(arrays["text"]))
    return found
