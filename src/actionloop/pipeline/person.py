"""One person along the line: series, map, nodes, targets. Nothing here writes into OUT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.networks import amn_regions, find_method, scan_nodes
from actionloop.pipeline.aiming import aim_at, wanted_targets
from actionloop.pipeline.brought import Brought, bring, open_brought
from actionloop.pipeline.controls import Recipe, on_vertices
from actionloop.pipeline.foreign import compare_engines, foreign_key
from actionloop.pipeline.head import Head, read_head, template_head
from actionloop.pipeline.lesion import lesion_rows
from actionloop.pipeline.otherwise import Otherwise
from actionloop.pipeline.personjob import PersonJob, PersonResult, best_targets, job_keys, trusted_targets
from actionloop.pipeline.posing import find_poses, posed, require_coil
from actionloop.pipeline.priors import PHANTOMS, area_names, choose_prior, read_any_prior
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.series import parcels_of
from actionloop.pipeline.settings import Settings
from actionloop.pipeline.stages import (
    controls_of,
    given_map,
    map_of,
    series_of,
    shifts_of,
    uncleaned,
)
from actionloop.pipeline.steps import Steps
from actionloop.pipeline.trust import judge_targets
from actionloop.reliability.matching import Ruler
from actionloop.targets import piece_depths, rank_targets, read_sites
from actionloop.types import BoolArray, NetworkMap, Piece, Prior, SiteReading, Target

__all__ = ["STEPS", "PersonJob", "PersonResult", "best_targets", "find_targets", "job_keys", "run_person"]

OF_INTEREST = ("SCAN", "AMN", "foot", "hand", "mouth")
STEPS = (
    "reading the anatomy",
    "reading the scan",
    "mapping",
    "controls",
    "nodes and targets",
    "reliability",
    "coil poses",
    "files",
    "report",
)


def run_person(job: PersonJob, steps: Steps, *, progress: Progress) -> PersonResult:
    """Walk one person along the line.

    Parameters
    ----------
    job : PersonJob
    steps : Steps
        Finished steps are taken from here.
    progress : Progress

    Returns
    -------
    PersonResult

    Raises
    ------
    ActionloopError
        Whatever is wrong with the input; nothing has been written into OUT then.
    """
    hashes = steps.hash_files(job.inputs)
    keys = job_keys(job, hashes)
    head, brought = _read(job, progress)
    lesion = lesion_rows(job.lesion_file, head, t1w=job.person.t1w)
    prior = None if job.map_file else choose_prior(job.prior_file, files.template_grayordinates())
    given = None if job.map_file is None else given_map(job.map_file, lesion)
    progress.step(STEPS[1])
    loaded = None if job.map_file else series_of(job, steps, keys["series"], progress)
    progress.step(STEPS[2])
    recipe = None if prior is None else Recipe(prior, head.anatomy, job.settings.mapping, lesion)
    if recipe and job.settings.mapping.subcortex:
        recipe = replace(recipe, whole_prior=read_any_prior(job.prior_file))
    parcels = parcels_of(job.person) if loaded else None
    if recipe and parcels:
        recipe = recipe.of(parcels)
    made = given or map_of(loaded, recipe, steps, keys["map"])
    network_map = on_vertices(made, parcels, lesion)
    progress.step(STEPS[3])
    controls = controls_of(job, loaded, recipe, steps, keys["controls"], progress)
    progress.step(STEPS[4])
    pieces, targets, sites = find_targets(network_map, head, job.settings)
    progress.step(STEPS[5])
    reliability, unjudged = None, "it was not asked for" if loaded else "there is no scan: a finished map was given"
    if loaded and recipe and targets and job.settings.reliability:
        reliability, unjudged = judge_targets(
            job,
            loaded.series if parcels else loaded.series.cortex(),
            recipe,
            network_map,
            targets,
            head,
            kept=(steps, keys["map"]),
            progress=progress,
            lesion=lesion,
            parcels=parcels,
        )
    shifts: list[dict[str, Any]] = []
    if loaded and recipe and targets and job.settings.controls:
        by_name = tuple(sorted(targets, key=lambda target: target.name))
        otherwise = Otherwise(
            loaded,
            network_map,
            recipe.maker(loaded.series.grayordinates, parcels=parcels, lesion=lesion),
            Ruler(by_name, head.anatomy, files.template_anatomy(), area_names()),
            prior,
            uncleaned(job),
            job.settings.cleaning.chosen().band_hz,
            at_once=not find_method(job.settings.mapping.method).compiled,
        )
        halves = None if reliability is None else reliability.halves
        shifts = shifts_of(job, otherwise, halves, steps, keys["map"], progress)
    progress.step(STEPS[6])
    asked = _asked(job, network_map, head, rank=len(targets) + 1)
    candidates = targets if job.settings.force else trusted_targets(job, targets, reliability)
    posing = find_poses(
        job,
        head,
        network_map,
        [*wanted_targets(job.settings.pose.targets, targets, candidates), *asked],
        sites,
        reliability,
        hotspot=brought.hotspot,
        kept=(steps, keys["head"], keys["map"]),
        progress=progress,
    )
    compared = compare_engines(
        job, head, network_map, posing, kept=(steps, foreign_key(job, hashes, keys["head"])), progress=progress
    )
    fc_names = tuple(name for name in OF_INTEREST if name in network_map.names and network_map.members(name).any())
    fc_keys = np.array([network_map.key(name) for name in fc_names], dtype=np.int64)
    return PersonResult(
        job=job,
        network_map=network_map,
        whole_map=None if made.grayordinates.voxels is None else made,
        prior=prior,
        head=head,
        pieces=tuple(pieces),
        targets=posed(targets, posing, head),
        sites=tuple(sites),
        controls=tuple(controls),
        shifts=tuple(shifts),
        runs=loaded.runs if loaded else (),
        cleaning=loaded.cleaning if loaded else "",
        fc=signal.network_fc(loaded.series.cortex(), made.cortex().label, fc_keys) if loaded and fc_names else None,
        fc_names=fc_names,
        valid=network_map.probability.sum(axis=0) > 0,
        excluded=int(lesion.sum()),
        loaded=loaded,
        reliability=reliability,
        unjudged=unjudged if targets else "there is no target",
        posing=posing,
        brought=brought,
        asked=posed(asked, posing, head),
        notes=_notes(job, head, lesion, prior),
        input_sha256=hashes,
        key=keys["person"],
        compared=compared,
    )


def _read(job: PersonJob, progress: Progress) -> tuple[Head, Brought]:
    """Read the head, and what was given besides; what cannot be used is refused before anything is computed."""
    require_coil(job.settings.pose)
    opened = open_brought(job)
    progress.step(STEPS[0])
    head = template_head() if job.template_image else read_head(job.person)
    return head, bring(job, opened, head)


def _asked(job: PersonJob, network_map: NetworkMap, head: Head, *, rank: int) -> list[Target]:
    """Return the place that was asked for besides, as a target."""
    place = job.settings.pose.coordinate
    return [] if place is None else [aim_at(np.array(place), network_map, head, rank=rank)]


def find_targets(
    network_map: NetworkMap, head: Head, settings: Settings
) -> tuple[list[Piece], list[Target], list[SiteReading]]:
    """Find nodes and regions, rank targets, read the conventional sites."""
    template = files.template_anatomy()
    nodes = scan_nodes(network_map, head.anatomy, template)
    regions = amn_regions(network_map, head.anatomy, template, area=area_names())
    nodes, regions = (piece_depths(pieces, head.scalp) for pieces in (nodes, regions))
    islands = [piece for piece in regions if piece.name.startswith("AMN dlPFC")]
    targets = rank_targets(
        network_map,
        nodes,
        islands,
        anatomy=head.anatomy,
        template=template,
        scalp=head.scalp,
        image=head.image,
        pain=settings.pain(),
    )
    return [*nodes, *regions], list(targets), list(read_sites(network_map, head.anatomy, template))


def _notes(job: PersonJob, head: Head, lesion: BoolArray, prior: Prior | None) -> tuple[str, ...]:
    notes: list[str] = [*job.person.notes, *head.notes]
    if job.lesion_file is not None:
        notes.append(f"{int(lesion.sum())} cortical vertices lie in the lesion and take no part in map or targets")
    if prior is not None and PHANTOMS in prior.source:
        notes.append(f"the prior was {PHANTOMS} (simulated people)")
    return tuple(dict.fromkeys(notes))
