"""`actionloop lesion`: connectivity of a lesion's place in healthy people, against lesions of its size elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop import facts, files
from actionloop.brain import Parcels, vertex_areas
from actionloop.errors import OptionError
from actionloop.evidence import (
    Lesion,
    LesionSide,
    NetworkEvidence,
    RowEvidence,
    SymptomEvidence,
    network_evidence,
    overlap_values,
    row_evidence,
    symptom_evidence,
)
from actionloop.files import OutputFolder
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.lesioncohort import Connected, connect_people, connect_prior
from actionloop.pipeline.lesionfiles import Symptoms, coordinate_lesion, lesion_name, read_lesions, read_symptoms
from actionloop.pipeline.lesionplaces import NucleiOfLesion, nuclei_of_lesion, read_nucleus_atlases
from actionloop.pipeline.lesionseeds import null_count
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.progress import Progress
from actionloop.types import HEMISPHERES, FloatArray, Grayordinates, Prior


@dataclass(frozen=True)
class LesionRequest(Choice):
    """Everything that `actionloop lesion` was asked; paths as given.

    `cohort` is a data set of healthy people as for `plan`, a folder of series of parcels, or a prior with connectivity
    templates. `lesions` are masks; without any, `coordinate` (MNI, RAS mm) is the centre of a sphere. `atlases` are
    images of nuclei in place of the fetched ones.
    """

    out: Path
    cohort: Path
    lesions: tuple[Path, ...] = ()
    coordinate: tuple[float, float, float] | None = None
    radius_mm: float | None = None
    side: LesionSide | None = None
    symptoms: Path | None = None
    atlases: tuple[Path, ...] = ()
    t1w: Path | None = None
    transform: Path | None = None
    nulls: int | None = None
    seed: int = 0
    overwrite: bool = False


@dataclass(frozen=True, eq=False)
class LesionFinding:
    """What was found of one lesion.

    Attributes
    ----------
    lesion : Lesion
    nuclei : tuple of NucleiOfLesion
        One an atlas.
    structure : str
        Where null lesions were drawn, as CIFTI names it.
    covered : float
        Share of its volume that voxels of the scans hold.
    plain, removed : NetworkEvidence
        Against null lesions; `removed` after degree and first component were partialled out, None with a prior.
    rows : RowEvidence or None
    """

    lesion: Lesion
    nuclei: tuple[NucleiOfLesion, ...]
    structure: str
    covered: float
    plain: NetworkEvidence
    removed: NetworkEvidence | None
    rows: RowEvidence | None


@dataclass(frozen=True, eq=False)
class LesionFindings:
    """What was found of all lesions.

    Attributes
    ----------
    each : tuple of LesionFinding
    connected : Connected
    networks : Prior
        Whose networks were asked for.
    symptom_networks, symptom_rows : SymptomEvidence or None
    """

    each: tuple[LesionFinding, ...]
    connected: Connected
    networks: Prior
    symptom_networks: SymptomEvidence | None = None
    symptom_rows: SymptomEvidence | None = None


def map_lesions(request: LesionRequest, *, progress: Progress) -> tuple[LesionFindings, Path]:
    """Place lesions among nuclei, seed them in a cohort, hold them against null lesions, and write all of it.

    Parameters
    ----------
    request : LesionRequest
    progress : Progress

    Returns
    -------
    found : LesionFindings
    page : Path

    Raises
    ------
    ActionloopError
        A lesion, atlas, table or cohort that cannot be used; nothing has been written then.
    """
    from actionloop.pipeline.lesionpage import write_lesions

    OutputFolder.check(request.out, overwrite=request.overwrite)
    files.require(groups=("plan",))
    lesions, symptoms = _lesions(request)
    n = null_count(request.nulls, len(lesions))
    atlases = read_nucleus_atlases(request.atlases)
    placed = [nuclei_of_lesion(lesion, atlases) for lesion in lesions]
    rng = np.random.default_rng([request.seed, 11])
    if request.cohort.is_dir() or not request.cohort.exists():
        connected = connect_people(request.cohort, request, lesions, n=n, rng=rng, progress=progress)
    else:
        progress.start("lesion in a prior", 3)
        progress.step("reading the prior")
        connected = connect_prior(request.cohort, lesions, n=n, rng=rng)
    progress.step("against lesions of the same size")
    found = weigh(lesions, placed, connected, symptoms, rng=rng)
    progress.step("writing")
    page = write_lesions(request, found, atlases, symptoms, n=n)
    progress.done()
    return found, page


def weigh(
    lesions: Sequence[Lesion],
    placed: Sequence[tuple[NucleiOfLesion, ...]],
    connected: Connected,
    symptoms: Symptoms | None,
    *,
    rng: np.random.Generator,
) -> LesionFindings:
    """Hold the connectivity of every lesion against its null lesions, and that of many against a symptom.

    Raises
    ------
    ActionloopError
        Networks without area in these rows, or scores that do not vary.
    """
    prior = cached_default_prior() if connected.prior is None else connected.prior
    area, targets, names = _targets(connected, prior)
    confounds = _confounds(connected)
    each = []
    for k, lesion in enumerate(lesions):
        maps = _stacked(connected, k)
        plain = network_evidence(maps, targets, names=names, weight=area)
        removed = rows = None
        if confounds:
            removed = network_evidence(maps, targets, names=names, weight=area, confounds=confounds)
            rows = row_evidence(maps, weight=area, confounds=confounds)
        seeds = connected.seeds
        each.append(LesionFinding(lesion, placed[k], seeds.structures[k], seeds.rows[k].covered, plain, removed, rows))
    if symptoms is None:
        return LesionFindings(tuple(each), connected, prior)
    score = np.array([symptoms.score[lesion.name] for lesion in lesions])
    covariates = np.array([symptoms.values[lesion.name] for lesion in lesions]).reshape(len(lesions), -1)
    own = _own(connected, len(lesions))
    values = overlap_values(own, targets, weight=area)[0]
    by_network = symptom_evidence(values, score, covariates=covariates, rng=rng)
    by_row = None if connected.maps is None else symptom_evidence(own, score, covariates=covariates, rng=rng)
    return LesionFindings(tuple(each), connected, prior, by_network, by_row)


def row_areas(axis: Grayordinates, parcels: Parcels | None) -> FloatArray:
    """Area of each row on the template's midthickness, mm²; 0 for voxels; (row,)."""
    whole = axis if parcels is None else parcels.cortex
    anatomy = files.template_anatomy()
    area = np.zeros(len(whole))
    area[: whole.n_cortex] = whole.cortex().from_mesh(*(vertex_areas(anatomy.surface(side)) for side in HEMISPHERES))
    return area if parcels is None else np.array([area[rows].sum() for rows in parcels.members])


def _lesions(request: LesionRequest) -> tuple[tuple[Lesion, ...], Symptoms | None]:
    if bool(request.lesions) == (request.coordinate is not None):
        what = "both masks and a coordinate" if request.lesions else "neither a mask nor a coordinate"
        raise OptionError(f"expected lesion masks or one coordinate, found {what}", fix="give LESION or --coordinate")
    if request.coordinate is not None:
        for option, value in (("--t1", request.t1w), ("--symptoms", request.symptoms)):
            if value is not None:
                raise OptionError(f"{option} does not go with a coordinate (MNI)", fix="give masks, or leave it out")
        one = coordinate_lesion(request.coordinate, radius_mm=request.radius_mm, side=request.side)
        return (one,), None
    if request.radius_mm is not None:
        raise OptionError("a radius goes with a coordinate alone", where="--radius", fix="leave it out")
    names = [lesion_name(path) for path in request.lesions]
    symptoms = None if request.symptoms is None else read_symptoms(request.symptoms, names)
    found = read_lesions(
        request.lesions, side=request.side, t1w=request.t1w, transform=request.transform, symptoms=symptoms
    )
    return found, symptoms


def _targets(connected: Connected, prior: Prior) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Weight of each column of the maps, networks on them, and their names: those asked for that the prior has."""
    wanted = [name for name in facts.load("lesion")["command"]["networks"] if name in prior.names] or list(prior.names)
    place = [prior.names.index(name) for name in wanted]
    if connected.maps is None:
        return np.ones(len(prior.names)), np.eye(len(prior.names))[place], tuple(wanted)
    axis, parcels = connected.axis, connected.parcels
    area = row_areas(axis, parcels)
    cortical = files.align_prior(prior, files.template_grayordinates()).probability[place].astype(np.float64)
    targets = np.zeros((len(wanted), len(area)))
    if parcels is None:
        targets[:, : axis.n_cortex] = files.align(cortical, files.template_grayordinates(), axis.cortex())
    else:
        whole = row_areas(parcels.cortex, None)
        on = files.align(cortical, files.template_grayordinates(), parcels.cortex)
        for k, rows in enumerate(parcels.members):
            targets[:, k] = on[:, rows] @ whole[rows] / whole[rows].sum()
    return np.where(connected.maps.valid, area, 0.0), targets.clip(0, 1), tuple(wanted)


def _confounds(connected: Connected) -> Mapping[str, FloatArray]:
    if connected.maps is None:
        return {}
    return {"degree": connected.maps.degree, "first component": connected.maps.component}


def _own(connected: Connected, n: int) -> FloatArray:
    """Return the maps of the lesions themselves; (lesion, column)."""
    if connected.maps is not None:
        return connected.maps.mean_z[:n]
    return np.zeros((n, 0)) if connected.to_networks is None else connected.to_networks[:n]


def _stacked(connected: Connected, lesion: int) -> FloatArray:
    """Map of one lesion and of its null lesions, without those that the prior does not know; (1 + null, column)."""
    chosen = connected.seeds.null_of[lesion]
    source = connected.to_networks if connected.maps is None else connected.maps.mean_z
    if source is None:
        return np.zeros((0, 0))
    if connected.maps is None:
        null = source[chosen]
        return np.concatenate([source[lesion][None], null[np.isfinite(null).all(axis=1)]])
    if chosen.start == lesion + 1:  # a single lesion: its null lesions follow it, and nothing large is copied
        return source[lesion : chosen.stop]
    return np.concatenate([source[lesion][None], source[chosen]])
