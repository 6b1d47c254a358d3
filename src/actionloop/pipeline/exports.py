"""Writing one person's results into OUT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, files
from actionloop.brain import vertex_areas
from actionloop.files import OutputFolder
from actionloop.pipeline.cleaning import OURS
from actionloop.pipeline.enginepage import UNVERIFIED, compared_rows
from actionloop.pipeline.exported import Handed, Shelf
from actionloop.pipeline.imagingexports import put_dicom, put_overlays
from actionloop.pipeline.navigationexports import navigation_state, put_navigation, told_withheld, withheld_poses
from actionloop.pipeline.personjob import PersonResult
from actionloop.pipeline.posetables import pose_table
from actionloop.pipeline.sheets import put_sheets
from actionloop.types import HEMISPHERES

_CONVENTION = "4 x 4, coil axes in columns, RAS mm; x = y × z, y away from the handle, z into the head"


def entities_of(result: PersonResult) -> dict[str, str | None]:
    """Return the BIDS entities of a person's file names: those that all runs share, and the space of positions."""
    runs = result.job.person.runs

    def shared(entity: str) -> str | None:
        values = {run.entities.get(entity) for run in runs}
        return values.pop() if len(values) == 1 else None

    head = result.head
    if not head.anatomy.own:
        space: str | None = "MNI152NLin6Asym"
    else:
        space = "T1w" if head.image is not None else None
    return {
        "sub": result.job.person.label,
        "ses": shared("session"),
        "task": shared("task"),
        "run": shared("run"),
        "space": space,
    }


def write_results(
    out: OutputFolder, result: PersonResult, *, root: Path | None, say: Callable[[str], None]
) -> tuple[Shelf, Handed, dict[str, Any]]:
    """Write maps and tables, and what other programs and people are given.

    Parameters
    ----------
    out : OutputFolder
    result : PersonResult
    root : Path or None
        Input data set; inputs are named relative to it.
    say : callable
        Told what takes a while.

    Returns
    -------
    shelf : Shelf
        What was written.
    handed : Handed
        What of it is for other programs and people, and what was left out.
    provenance : dict

    Raises
    ------
    OutputError
        A file cannot be written; those already there are whole.
    """
    shelf, handed = Shelf(out, entities_of(result)), Handed()
    put = shelf.put
    _put_maps(put, result)
    withheld = withheld_poses(result)
    _put_tables(put, result, withheld)
    _put_poses(put, result, withheld)
    safety, force = result.job.safety, result.job.settings.force
    for line in safety.lines(force=force):
        say(line)
    put_navigation(shelf, result, handed)
    say("writing overlays and scalp sheets")
    put_overlays(shelf, result, handed)
    put_dicom(shelf, result, handed)
    put_sheets(shelf, result, handed)
    provenance = files.provenance(
        result.job.inputs,
        root=root,
        options={**result.job.settings.model_dump(), "cleaning": _cleaning(result), **_given_files(result)},
        seed=result.job.settings.seed,
        frame=result.head.anatomy.frame,
        anatomy=result.head.anatomy.description,
        image_sha256=None if result.head.image is None else result.head.image.header_sha256,
        voxels_sha256=None if result.head.image is None else result.head.image.voxels_sha256,
        navigation=navigation_state(result),
        exports=handed.recorded(),
        reliability=_reliability(result),
        **safety.recorded(force=force),
        coil_poses=_posing(result, withheld),
        method=result.network_map.method,
        method_settings=dict(result.network_map.settings),
        runs=[dict(run) for run in result.runs],
        notes=[*result.notes, *result.gaps],
        key=result.key,
    )
    put("provenance", lambda path: files.write_json(path, provenance))
    return shelf, handed, provenance


def _reliability(result: PersonResult) -> dict[str, Any]:
    """Return what the provenance says of reliability."""
    found = result.reliability
    if found is None:
        return {"judged": False, "reason": result.unjudged, "forced": result.job.settings.force}
    return {
        "judged": True,
        "forced": result.job.settings.force,
        "minutes": found.minutes,
        "resamples": found.resamples.n,
        "block_s": found.resamples.block_s,
        "halves_equal": found.halves.equal,
        "halves_nmi": found.halves.nmi,
        "nsi": None if found.similarity is None else found.similarity.value,
        "verdicts": {one.name: [one.verdict, round(one.probability, 4)] for one in found.targets},
    }


def _posing(result: PersonResult, withheld: Mapping[str, str]) -> dict[str, Any]:
    """Return what the provenance says of coil poses."""
    posing = result.posing
    return {
        "engine": result.job.settings.pose.engine,
        "reason": posing.reason,
        "coil": None if posing.coil is None else {"name": posing.coil.name, "source": posing.coil.source},
        "head_model": posing.head,
        "approximate": posing.approximate,
        "scored": {one.name: one.n_poses for one in posing.searches},
        "solved": {one.name: one.n_solved for one in posing.searches},
        "withheld": withheld,
        "motor": _motor(result, withheld),
        "compared": compared_rows(result.compared),
        "tolerability": None if result.brought.tolerability is None else result.brought.tolerability.source,
    }


def _motor(result: PersonResult, withheld: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what provenance and sidecar say of the motor hotspot: no pose there where none is exported."""
    motor = result.posing.motor
    return None if motor is None else motor.recorded(withheld=withheld, posed=bool(result.exported))


def _cleaning(result: PersonResult) -> dict[str, Any] | None:
    """Return the named cleaning that runs got here; None where none did."""
    ours = any(str(run["cleaning"]).startswith(OURS) for run in result.runs)
    return result.job.settings.cleaning.resolved() if ours else None


def _put_maps(put: Callable[..., object], result: PersonResult) -> None:
    network_map = result.network_map
    whole = result.whole_map or network_map
    axis, names = network_map.grayordinates, network_map.names
    confidence_name = ["confidence"]
    den = {"den": "91k"} if result.whole_map else {}
    put("dlabel", lambda path: files.write_dlabel(path, whole), **den)
    put("probability", lambda path: files.write_dscalar(path, whole.probability, names, whole.grayordinates), **den)
    put(
        "confidence",
        lambda path: files.write_dscalar(path, whole.confidence, confidence_name, whole.grayordinates),
        **den,
    )
    density = "91k: 59,412 cortical vertices of fsLR-32k, and voxels of subcortex and cerebellum (MNI, 2 mm)"
    sidecar = {
        "Notice": facts.notice(),
        "Density": density if den else "32k: 59,412 cortical vertices of fsLR-32k",
        "Sources": [
            path.name for path in (*(run.paths[0] for run in result.job.person.runs), result.job.map_file) if path
        ],
        "Method": network_map.method,
        "Settings": dict(network_map.settings),
        "Prior": None if result.prior is None else result.prior.source,
        "PriorTerms": None if result.prior is None else result.prior.terms,
        "Networks": {name: int(key) for name, key in zip(names, network_map.keys, strict=True)},
    }
    measure = network_map.measure
    units = {"dlabel_json": "label key", "probability_json": measure, "confidence_json": f"{measure} difference"}
    for key, unit in units.items():
        put(key, lambda path, unit=unit: files.write_json(path, {**sidecar, "Units": unit}), **den)
    for side in HEMISPHERES:
        put("label_gifti", lambda path, side=side: files.write_gifti_labels(path, network_map, side), hemi=side)
        mesh = axis.to_mesh(np.asarray(network_map.probability, dtype=np.float32), side)
        put(
            "probability_gifti",
            lambda path, mesh=mesh, side=side: files.write_gifti_scalar(path, mesh, names, side),
            hemi=side,
        )


def _put_tables(put: Callable[..., object], result: PersonResult, withheld: Mapping[str, str]) -> None:
    """Write the tables with their sidecars; of targets that are withheld without coil poses."""
    frame = result.head.anatomy.frame
    about = {"Anatomy": result.head.anatomy.description, "OwnSurfaces": result.head.anatomy.own}
    shown = [t for t in (*result.targets, *result.asked) if t.name not in withheld]
    poses = {t.name: t.pose.matrix.tolist() for t in shown if t.pose is not None}
    notes = {t.name: t.pose.note for t in shown if t.pose is not None}
    more: dict[str, dict[str, Any]] = {
        "targets": {
            "PoseConvention": _CONVENTION,
            "Poses": poses,
            "PoseNotes": notes,
            "Withheld": withheld,
        }
    }
    tables: dict[str, list[dict[str, Any]]] = {
        "networks": network_table(result),
        "nodes": files.node_rows(result.pieces),
        "targets": files.target_rows(told_withheld(result.targets, withheld), _verdict_columns(result)),
        "sites": files.site_rows(result.sites, result.targets),
    }
    for name, rows in tables.items():
        columns = list(files.columns(name))
        put(name, lambda path, rows=rows, columns=columns: files.write_table(path, rows, columns=columns))
        sidecar = files.table_sidecar(name, frame=frame, **about, **more.get(name, {}))
        put(f"{name}_json", lambda path, sidecar=sidecar: files.write_json(path, sidecar))
    if result.controls:
        put("controls", lambda path: files.write_table(path, result.controls))
    if result.shifts:
        put("shifts", lambda path: files.write_table(path, result.shifts))


def _put_poses(put: Callable[..., object], result: PersonResult, withheld: Mapping[str, str]) -> None:
    """Write coil poses and their fields on the cortex, where there are any; no pose of a target that is withheld."""
    posing, axis = result.posing, result.network_map.grayordinates
    if not posing.searches or posing.coil is None:
        return
    doses = {} if posing.motor is None else posing.motor.doses
    rows, columns = pose_table(posing.searches, doses, withheld=withheld), list(files.columns("poses"))
    shown = [one for one in posing.searches if one.name not in withheld]
    put("poses", lambda path: files.write_table(path, rows, columns=columns))
    sidecar = files.table_sidecar(
        "poses",
        frame=result.head.anatomy.frame,
        Anatomy=result.head.anatomy.description,
        OwnSurfaces=result.head.anatomy.own,
        PoseConvention=_CONVENTION,
        Coil=posing.coil.name,
        LargestDIdt=posing.coil.didt_max_a_per_us,
        HeadModel=posing.head,
        Approximate=posing.approximate,
        Session=posing.session,
        Notes=list(posing.notes),
        Motor=_motor(result, withheld),
        Withheld={one.name: withheld[one.name] for one in posing.searches if one.name in withheld},
        Poses={one.name: one.best.matrix.tolist() for one in shown},
        Conventional={one.name: {p.label: p.matrix.tolist() for p in one.conventional} for one in shown},
    )
    put("poses_json", lambda path: files.write_json(path, sidecar))
    if result.compared:
        compared, named = compared_rows(result.compared), list(files.columns("compared"))
        put("compared", lambda path: files.write_table(path, compared, columns=named))
        about = files.table_sidecar("compared", frame=result.head.anatomy.frame, Verified=UNVERIFIED)
        put("compared_json", lambda path: files.write_json(path, about))
    fields = np.stack([axis.from_mesh(*(one.field_v_per_m[side] for side in HEMISPHERES)) for one in posing.searches])
    names = [f"{one.name} (preview)" if one.preview else one.name for one in posing.searches]
    put("field", lambda path: files.write_dscalar(path, fields, names, axis))


def _verdict_columns(result: PersonResult) -> dict[str, dict[str, Any]]:
    """Columns of the targets' table that the verdict fills, by target."""
    return {
        one.name: {
            "verdict": one.verdict,
            "probability_near": one.probability,
            "spread": one.spread_mm,
            "spread_95": one.spread_95_mm,
            "present": one.present,
            "halves_distance": one.halves_mm,
            "minutes_more": one.minutes_more,
            "verdict_reasons": " ".join(one.reasons),
        }
        for one in (() if result.reliability is None else result.reliability.targets)
    }


def network_table(result: PersonResult) -> list[dict[str, Any]]:
    """Return one row per network, areas on this anatomy."""
    areas = {side: vertex_areas(result.head.anatomy.surface(side)) for side in HEMISPHERES}
    return files.network_rows(result.network_map, areas)


def _given_files(result: PersonResult) -> Mapping[str, str | None]:
    job = result.job
    given = {"prior": job.prior_file, "map": job.map_file, "lesion_mask": job.lesion_file}
    return {name: None if path is None else path.name for name, path in given.items()}
