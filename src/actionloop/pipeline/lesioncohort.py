"""Lesions and their null lesions as seeds in many people's scans, or in a prior, one person in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.brain import Parcels
from actionloop.errors import ActionloopError, InputError, SignalError
from actionloop.evidence import Lesion, SeedMaps, SeedSums, prior_connectivity
from actionloop.files import PersonFiles
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.lesionseeds import Seeds, make_seeds
from actionloop.pipeline.people import visit
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.run import Outcome
from actionloop.pipeline.series import load_series
from actionloop.pipeline.settings import MappingSettings
from actionloop.types import Basis, FloatArray, Grayordinates, Prior

_PARCELS = "*.ptseries.nii"
Load = Callable[[str], tuple[Basis, Parcels | None, dict[str, Any]]]


@dataclass(frozen=True, eq=False)
class Connected:
    """What a cohort says of lesions.

    Attributes
    ----------
    seeds : Seeds
    axis : Grayordinates
        Rows of the maps; with parcels one vertex for each.
    parcels : Parcels or None
    maps : SeedMaps or None
        None with a prior.
    prior : Prior or None
    to_networks : (seed, network) float ndarray or None
        Mean Fisher z with the prior's networks; None with scans.
    people : tuple of mappings
        One row a person, for the sidecar.
    outcomes : tuple of Outcome
    phantoms : bool
    """

    seeds: Seeds
    axis: Grayordinates
    parcels: Parcels | None = None
    maps: SeedMaps | None = None
    prior: Prior | None = None
    to_networks: FloatArray | None = None
    people: tuple[Mapping[str, Any], ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    phantoms: bool = False


def connect_people(
    cohort: Path, choice: Choice, lesions: Sequence[Lesion], *, n: int, rng: np.random.Generator, progress: Progress
) -> Connected:
    """Seed lesions and null lesions in every person's scan; a person who cannot be used is named and left out.

    Parameters
    ----------
    cohort : Path
        A data set as for 'plan', or a folder of series of parcels (.ptseries.nii), one a person.
    choice : Choice
        People and runs.
    lesions : sequence of Lesion
    n : int
        Null lesions for each.
    rng : numpy Generator
    progress : Progress

    Raises
    ------
    ActionloopError
        No such folder, nobody in it, nobody who can be used; a lesion that takes no row of the first person's scan or
        has no structure for null lesions.
    """
    labels, load, phantoms = _everybody(cohort, choice, progress)
    progress.start(f"lesion in {len(labels)} people", len(labels) + 2)
    running = _Running(lesions, n, rng)

    def work(label: str) -> str:
        running.add(label, load)
        return "used"

    with threadpool_limits(limits=1, user_api="blas"):
        try:
            outcomes = visit(labels, work, progress=progress, where=cohort)
        except _LesionError as wrong:  # concerns everybody
            raise wrong.error from None
    assert running.seeds is not None  # visit raises where nobody could be used
    assert running.sums is not None
    assert running.axis is not None
    return Connected(
        running.seeds,
        running.axis,
        running.parcels,
        running.sums.result(),
        people=tuple(running.people),
        outcomes=tuple(outcomes),
        phantoms=phantoms,
    )


def connect_prior(path: Path, lesions: Sequence[Lesion], *, n: int, rng: np.random.Generator) -> Connected:
    """Look up lesions and null lesions in the connectivity templates of a prior.

    Raises
    ------
    PriorError
        No templates, or none where a lesion lies.
    ActionloopError
        As `connect_people` of lesions.
    """
    prior = files.read_prior(path)
    if prior.fingerprint is None:
        prior_connectivity(prior, np.ones((1, len(prior.grayordinates))))  # says what is missing
    seeds = make_seeds(lesions, prior.grayordinates, parcels=None, n=n, rng=rng)
    known = np.asarray(np.asarray(prior.fingerprint).any(axis=0), dtype=np.float64)
    dark = np.flatnonzero(np.asarray(seeds.weight @ known) <= 0)
    dark = dark[dark >= len(lesions)]
    found = np.full((seeds.weight.shape[0], len(prior.names)), np.nan)
    bright = np.setdiff1d(np.arange(len(found)), dark)
    found[bright] = prior_connectivity(prior, seeds.weight[bright])
    return Connected(seeds, prior.grayordinates, prior=prior, to_networks=found)


class _LesionError(Exception):
    """What is wrong with a lesion, not with a person."""

    def __init__(self, error: ActionloopError) -> None:
        self.error = error
        super().__init__(error.problem)


@dataclass
class _Running:
    """Sums over people; they begin with the rows of the first who can be read, and keep nothing of anybody."""

    lesions: Sequence[Lesion]
    n: int
    rng: np.random.Generator
    seeds: Seeds | None = None
    sums: SeedSums | None = None
    axis: Grayordinates | None = None
    parcels: Parcels | None = None
    people: list[dict[str, Any]] = field(default_factory=list)

    def add(self, label: str, load: Load) -> None:
        """Read and add one person."""
        basis, parcels, row = load(label)
        if self.sums is None:
            try:
                self.seeds = make_seeds(self.lesions, basis.grayordinates, parcels=parcels, n=self.n, rng=self.rng)
            except ActionloopError as error:
                raise _LesionError(error) from error
            names = tuple(lesion.name for lesion in self.lesions)
            self.sums = SeedSums(self.seeds.weight, names=names, grayordinates=basis.grayordinates)
            self.axis, self.parcels = basis.grayordinates, parcels
        self.sums.add(basis)
        self.people.append(row)


def _everybody(cohort: Path, choice: Choice, progress: Progress) -> tuple[list[str], Load, bool]:
    """Labels of the people, how one is read, and whether they are phantoms."""
    wanted = [label.removeprefix("sub-") for label in choice.participant_labels]
    parcelled = {path.name.removesuffix(_PARCELS[1:]): path for path in sorted(cohort.glob(_PARCELS))}
    if parcelled:
        strange = [label for label in wanted if label not in parcelled]
        if strange:
            raise InputError(f"there is no {strange[0]}.ptseries.nii", where=cohort)
        return wanted or list(parcelled), lambda label: _load_parcels(parcelled[label], choice), False
    found = wanted or files.list_people(cohort, layout=choice.layout)
    if not found:
        raise InputError("there is nobody in this data set", where=cohort)
    phantoms = files.is_phantom(cohort)
    return list(dict.fromkeys(found)), lambda label: _load(cohort, choice, label, progress), phantoms


def _load(cohort: Path, choice: Choice, label: str, progress: Progress) -> tuple[Basis, Parcels | None, dict[str, Any]]:
    person = files.find_person(
        cohort, label, layout=choice.layout, selection=choice.selection(), anatomy=choice.anatomy
    )
    if choice.tr_s is not None:
        person = replace(person, runs=tuple(replace(run, tr_s=choice.tr_s) for run in person.runs))
    voxels = has_voxels(person)
    adjacent_mm = MappingSettings().adjacent_mm if voxels else 0.0
    loaded = load_series(person, voxels=voxels, adjacent_mm=adjacent_mm, say=progress.note)
    basis = signal.compress(loaded.series)
    row = _row(label, loaded.series.minutes, loaded.cleaning, [path for run in person.runs for path in run.files])
    return basis, None, {**row, "Runs": [run.name for run in person.runs]}


def _load_parcels(path: Path, choice: Choice) -> tuple[Basis, Parcels | None, dict[str, Any]]:
    series, parcels = files.read_ptseries(path, tr_s=choice.tr_s)
    signal.usable(series)
    basis = signal.compress(signal.standardise(series))
    return basis, parcels, _row(path.name.removesuffix(_PARCELS[1:]), series.minutes, "as given", [path])


def has_voxels(person: PersonFiles) -> bool:
    """Tell whether every run of a person has voxels below the cortex; nothing but axes is read."""
    return all(
        run.kind == "cifti" and files.open_series(run.paths[0]).grayordinates.voxels is not None for run in person.runs
    )


def _row(label: str, minutes: float, cleaning: str, read: Sequence[Path]) -> dict[str, Any]:
    if not minutes > 0:
        raise SignalError("nothing of this person's scan is left")
    inputs = [{"File": path.name, "SHA256": files.file_sha256(path)} for path in dict.fromkeys(read)]
    return {"Label": label, "Minutes": round(minutes, 3), "Cleaning": cleaning, "Inputs": inputs}
