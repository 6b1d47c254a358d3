"""One person along the line: series, map, nodes, targets. Nothing here writes into OUT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.files import PersonFiles
from actionloop.networks import amn_regions, find_method, scan_nodes
from actionloop.pipeline.aiming import aim_at, wanted_targets
from actionloop.pipeline.controls import Recipe, on_vertices
from actionloop.pipeline.head import Head, read_head, template_head
from actionloop.pipeline.headmodels import head_key, label_file
from actionloop.pipeline.lesion import lesion_rows
from actionloop.pipeline.otherwise import Otherwise
from actionloop.pipeline.posing import Posing, coil_file, find_poses, posed, require_coil
from actionloop.pipeline.priors import PHANTOMS, area_names, choose_prior, read_any_prior
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.series import PersonSeries, parcels_of
from actionloop.pipeline.settings import Settings
from actionloop.pipeline.stages import (
    controls_of,
    given_map,
    map_of,
    series_of,
    shifts_of,
    uncleaned,
)
from actionloop.pipeline.steps import Steps, key_of
from actionloop.pipeline.trust import judge_targets, trusted
from actionloop.reliability import Reliability
from actionloop.reliability.matching import Ruler
from actionloop.targets import rank_targets, read_sites
from actionloop.types import (
    SIDES,
    BoolArray,
    FloatArray,
    NetworkMap,
    Piece,
    Prior,
    SiteReading,
    Target,
)

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


@dataclass(frozen=True, eq=False)
class PersonJob:
    """What is to be done for one person.

    Attributes
    ----------
    person : PersonFiles
    settings : Settings
    prior_file, map_file, lesion_file : Path or None
    template_image : bool
        True for the demo: the template's T1 stands in for the person's, and says so.
    """

    person: PersonFiles
    settings: Settings
    prior_file: Path | None = None
    map_file: Path | None = None
    lesion_file: Path | None = None
    template_image: bool = False

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file that is read for this person."""
        pose = self.settings.pose
        own = (path for path in (coil_file(pose.coil), label_file(pose.labels)) if path is not None)
        given = (self.prior_file, self.map_file, self.lesion_file, pose.head, *own)
        return (*self.person.files, *(path for path in given if path is not None))


@dataclass(frozen=True, eq=False)
class PersonResult:
    """What was found for one person.

    Attributes
    ----------
    job : PersonJob
    network_map : NetworkMap
        The cortex.
    whole_map : NetworkMap or None
        With subcortex and cerebellum, where those were asked for.
    prior : Prior or None
        None when the map was given.
    head : Head
    pieces : tuple of Piece
        SCAN nodes, then AMN regions.
    targets : tuple of Target
        Best first.
    sites : tuple of SiteReading
    controls : tuple of mappings
    shifts : tuple of mappings
        Where targets go when the map is made otherwise.
    loaded : PersonSeries or None
    runs : tuple of mappings
    cleaning : str
    fc : (network, network) float ndarray or None
        Connectivity between the networks of interest, in the order of `fc_names`.
    fc_names : tuple of str
    valid : (grayordinate,) bool ndarray
        Rows with signal that were not excluded.
    excluded : int
        Rows left out as lesion.
    reliability : Reliability or None
        None where it was not, or could not be, found out.
    unjudged : str
        Why it is None.
    posing : Posing
        Coil poses by the field that they make.
    asked : tuple of Target
        Places that were asked for besides.
    notes : tuple of str
    input_sha256 : mapping of path to hash
    key : str
        Hash of everything that shaped this result.
    """

    job: PersonJob
    network_map: NetworkMap
    whole_map: NetworkMap | None
    prior: Prior | None
    head: Head
    pieces: tuple[Piece, ...]
    targets: tuple[Target, ...]
    sites: tuple[SiteReading, ...]
    controls: tuple[Mapping[str, Any], ...]
    shifts: tuple[Mapping[str, Any], ...]
    runs: tuple[Mapping[str, Any], ...]
    cleaning: str
    fc: FloatArray | None
    fc_names: tuple[str, ...]
    valid: BoolArray
    excluded: int
    loaded: PersonSeries | None
    reliability: Reliability | None
    unjudged: str
    posing: Posing
    asked: tuple[Target, ...]
    notes: tuple[str, ...]
    input_sha256: Mapping[str, str]
    key: str

    @property
    def trusted(self) -> tuple[Target, ...]:
        """Targets that nothing speaks against: those to be trusted, all of them where nobody judged.

        Nobody judges where there is no scan (a map was given), or where it was not asked for; files say so. A scan too
        short to be judged counts as none to be trusted.
        """
        return _trusted(self.job, self.targets, self.reliability)

    @property
    def exported(self) -> tuple[Target, ...]:
        """Targets that navigation files are written of: the trusted ones, all with --force."""
        return (*(self.targets if self.job.settings.force else self.trusted), *self.asked)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Networks to stimulate that cannot be found here, in words."""
        names = self.network_map.names
        return tuple(
            f"the prior or map has no {name}: its targets cannot be found"
            for name in ("SCAN", "AMN")
            if name not in names
        )


def _trusted(job: PersonJob, targets: Sequence[Target], reliability: Reliability | None) -> tuple[Target, ...]:
    if not job.settings.reliability or job.map_file is not None:
        return tuple(targets)
    return tuple(trusted(targets, reliability))


def job_keys(job: PersonJob, hashes: Mapping[str, str]) -> dict[str, str]:
    """Hash, for each step, everything that shapes it: a change of options repeats only the steps it concerns."""
    person, settings = job.person, job.settings

    def contents(*paths: Path | None) -> list[str | None]:
        return [None if path is None else hashes[str(path)] for path in paths]

    runs = [
        [run.name, run.kind, run.space, run.cleaned, run.filtered, run.tr_s, contents(*run.files)]
        for run in person.runs
    ]
    head = [contents(*(person.surfaces.files if person.surfaces else ())), contents(person.t1w, *person.sulc.values())]
    whole = {"subcortex": settings.mapping.subcortex, "adjacent_mm": settings.mapping.adjacent_mm}
    cleaning = settings.cleaning.resolved()
    series = key_of({"runs": runs, "cleaning": cleaning, **(whole if settings.mapping.subcortex else {})})
    mapping = key_of(
        {
            "series": series,
            "head": head,
            "prior": contents(job.prior_file, job.map_file, job.lesion_file),
            "mapping": settings.mapping.resolved(),
            "template_image": job.template_image,
        }
    )
    person_key = key_of({"mapping": mapping, "label": person.label, "settings": settings.model_dump()})
    model = head_key(job, head, hashes)
    return {"series": series, "map": mapping, "controls": mapping, "head": model, "person": person_key}


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
    require_coil(job.settings.pose)
    progress.step(STEPS[0])
    head = template_head() if job.template_image else read_head(job.person)
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
    candidates = targets if job.settings.force else _trusted(job, targets, reliability)
    posing = find_poses(
        job,
        head,
        network_map,
        [*wanted_targets(job.settings.pose.targets, targets, candidates), *asked],
        sites,
        reliability,
        kept=(steps, keys["head"], keys["map"]),
        progress=progress,
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
        asked=posed(asked, posing, head),
        notes=_notes(job, head, lesion, prior),
        input_sha256=hashes,
        key=keys["person"],
    )


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
    scalp = head.scalp
    if scalp is not None:
        nodes, regions = (
            [replace(piece, depth_mm=float(scalp.nearest(piece.centre_ras)[2])) for piece in pieces]
            for pieces in (nodes, regions)
        )
    islands = [piece for piece in regions if piece.name.startswith("AMN dlPFC")]
    targets = rank_targets(
        network_map,
        nodes,
        islands,
        anatomy=head.anatomy,
        template=template,
        scalp=scalp,
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


def best_targets(targets: Sequence[Target], *, most: int = 3) -> list[str]:
    """One line per target, best first, laterality in words and in sign."""
    return [
        f"{target.rank}. {target.piece.name}, {SIDES[target.piece.hemisphere]} "
        "(x {:+.1f}, y {:+.1f}, z {:+.1f} mm; ".format(*target.xyz_ras)
        + f"score {target.score:.2f})"
        for target in targets[:most]
    ]
