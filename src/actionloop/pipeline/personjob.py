"""What is to be done for one person, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actionloop import files
from actionloop.files import PersonFiles
from actionloop.pipeline.brought import Brought
from actionloop.pipeline.engines import given_files
from actionloop.pipeline.head import Head
from actionloop.pipeline.headmodels import head_key, label_file
from actionloop.pipeline.posing import Posing, coil_file
from actionloop.pipeline.safety import Safety
from actionloop.pipeline.series import PersonSeries
from actionloop.pipeline.settings import Settings
from actionloop.pipeline.sidebyside import ForeignField
from actionloop.pipeline.steps import key_of
from actionloop.pipeline.trust import trusted
from actionloop.reliability import Reliability
from actionloop.types import SIDES, BoolArray, FloatArray, NetworkMap, Piece, Prior, SiteReading, Target


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
    safety : Safety
        Read from the settings' files.
    """

    person: PersonFiles
    settings: Settings
    prior_file: Path | None = None
    map_file: Path | None = None
    lesion_file: Path | None = None
    template_image: bool = False
    safety: Safety = field(default_factory=Safety)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file that is read for this person, but for a DICOM series, whose file names may hold a person's."""
        pose, safety = self.settings.pose, self.settings.safety
        given = (
            *(*self.prior_files, self.map_file, self.lesion_file, *self.coil_and_head, self.settings.export.fiducials),
            *(safety.protocol, safety.screening, pose.tolerability, *given_files(pose)),
        )
        return (*self.person.files, *(path for path in given if path is not None))

    @property
    def prior_files(self) -> tuple[Path, ...]:
        """The prior that was given, and the file of its names where that lies beside it."""
        if self.prior_file is None:
            return ()
        names = files.names_beside(self.prior_file)
        return (self.prior_file,) if names is None else (self.prior_file, names)

    @property
    def coil_and_head(self) -> tuple[Path | None, Path | None, Path | None]:
        """Files of the coil, of another program's head model, and of what its numbers mean."""
        pose = self.settings.pose
        return coil_file(pose.coil), pose.head, label_file(pose.labels)


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
    brought : Brought
        What was given for the exports.
    asked : tuple of Target
        Places that were asked for besides.
    notes : tuple of str
    input_sha256 : mapping of path to hash
    key : str
        Hash of everything that shaped this result.
    compared : tuple of ForeignField
        Fields of other programs beside ours.
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
    brought: Brought
    asked: tuple[Target, ...]
    notes: tuple[str, ...]
    input_sha256: Mapping[str, str]
    key: str
    compared: tuple[ForeignField, ...] = ()

    @property
    def trusted(self) -> tuple[Target, ...]:
        """Targets that nothing speaks against: those to be trusted, all of them where nobody judged.

        Nobody judges where there is no scan (a map was given), or where it was not asked for; files say so. A scan too
        short to be judged counts as none to be trusted.
        """
        return trusted_targets(self.job, self.targets, self.reliability)

    @property
    def exported(self) -> tuple[Target, ...]:
        """Targets that exports are made of: the trusted ones, all with --force; none after a yes in the screening."""
        if self.job.safety.stopped(force=self.job.settings.force):
            return ()
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


def trusted_targets(job: PersonJob, targets: Sequence[Target], reliability: Reliability | None) -> tuple[Target, ...]:
    """Return the targets that nothing speaks against: all of them where nobody was to judge."""
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
            "prior": contents(*job.prior_files, job.map_file, job.lesion_file),
            "mapping": settings.mapping.resolved(),
            "template_image": job.template_image,
        }
    )
    given = contents(settings.export.fiducials, settings.pose.tolerability, *job.coil_and_head)
    given += contents(*given_files(settings.pose))
    brought = [given, _series_hash(settings.export.dicom)]
    safety = job.safety.recorded(force=settings.force)
    stated = {"label": person.label, "settings": settings.model_dump(), "brought": brought, "safety": safety}
    person_key = key_of({"mapping": mapping, **stated})
    model = head_key(job, head, hashes)
    return {"series": series, "map": mapping, "controls": mapping, "head": model, "person": person_key}


def _series_hash(folder: Path | None) -> str | None:
    return None if folder is None else files.series_sha256(folder)


def best_targets(targets: Sequence[Target], *, most: int = 3) -> list[str]:
    """One line per target, best first, laterality in words and in sign."""
    return [
        f"{target.rank}. {target.piece.name}, {SIDES[target.piece.hemisphere]} "
        "(x {:+.1f}, y {:+.1f}, z {:+.1f} mm; ".format(*target.xyz_ras)
        + f"score {target.score:.2f})"
        for target in targets[:most]
    ]
