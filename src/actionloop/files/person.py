"""What was found for one person: which files hold the runs, the surfaces and the T1, and what is noteworthy of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from actionloop.errors import InputError
from actionloop.files.opening import check_file
from actionloop.types import HEMISPHERES, Hemisphere, SurfaceKind

Layout = Literal["xcpd", "fmriprep", "hcp", "surface"]
SeriesSpace = Literal["fsLR32k", "fsaverage5", "fsaverage6"]
SurfaceSpace = Literal["native", "standard", "unknown"]
Mesh = Literal["fsLR32k", "native"]


@dataclass(frozen=True)
class RunFiles:
    """The files of one run.

    Attributes
    ----------
    paths : tuple of Path
        One CIFTI series, or the left and the right surface series.
    kind : {'cifti', 'parcels', 'surface'}
    space : {'fsLR32k', 'fsaverage5', 'fsaverage6'}
    cleaned : bool
        Confounds were already removed by the pipeline that wrote it.
    filtered : bool
        A temporal filter was already applied.
    tr_s : float or None
        Repetition time: sidecar, else CIFTI header; None where neither can be trusted.
    entities : mapping of str to str
        'session', 'task', 'acquisition', 'direction', 'run' ... as far as the name states them.
    name : str
        Short name, e.g. 'ses-01_task-rest_run-01'.
    confounds, outliers, motion : Path or None
        Confound table; frames to censor; motion parameters and framewise displacement.
    tedana : (Path, Path) or None
        tedana's metrics, which classify ICA components, and their mixing matrix.
    """

    paths: tuple[Path, ...]
    kind: Literal["cifti", "parcels", "surface"]
    space: SeriesSpace
    cleaned: bool
    filtered: bool
    tr_s: float | None
    entities: Mapping[str, str]
    name: str
    confounds: Path | None = None
    outliers: Path | None = None
    motion: Path | None = None
    tedana: tuple[Path, Path] | None = None

    @property
    def about_confounds(self) -> Path | None:
        """The JSON file beside the confound table, which tells the tissues of its components; None without it."""
        beside = None if self.confounds is None else self.confounds.with_suffix(".json")
        return beside if beside is not None and beside.is_file() else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the run."""
        beside = (self.confounds, self.about_confounds, self.outliers, self.motion, *(self.tedana or ()))
        return (*self.paths, *dict.fromkeys(p for p in beside if p is not None))


@dataclass(frozen=True)
class SurfaceFiles:
    """One person's cortical surfaces.

    Attributes
    ----------
    paths : mapping of (hemisphere, kind) to Path
    space : {'native', 'standard', 'unknown'}
        'native': the space of this person's T1. 'standard': warped to a template, not usable for navigation.
        'unknown': to be tested against the T1.
    mesh : {'fsLR32k', 'native'}
        'native' surfaces need resampling through `spheres`.
    spheres : mapping of hemisphere to Path
        Sphere of the native mesh registered to fsLR; empty for 'fsLR32k'.
    registration : str
        E.g. 'MSMAll', 'MSMSulc', 'FreeSurfer'; empty when not stated.
    """

    paths: Mapping[tuple[Hemisphere, SurfaceKind], Path]
    space: SurfaceSpace
    mesh: Mesh
    spheres: Mapping[Hemisphere, Path] = field(default_factory=dict)
    registration: str = ""

    @property
    def complete(self) -> bool:
        """True when white and pial are there on both sides (midthickness is their mean)."""
        return all((side, kind) in self.paths for side in HEMISPHERES for kind in ("white", "pial"))

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not there, e.g. 'L inflated'."""
        kinds: tuple[SurfaceKind, ...] = ("white", "pial", "midthickness", "inflated")
        return tuple(f"{side} {kind}" for side in HEMISPHERES for kind in kinds if (side, kind) not in self.paths)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file, in a fixed order."""
        return (*(self.paths[key] for key in sorted(self.paths)), *(self.spheres[key] for key in sorted(self.spheres)))


@dataclass(frozen=True)
class PersonFiles:
    """Everything found for one person.

    Attributes
    ----------
    label : str
        Without 'sub-'.
    layout : str
        'xcpd', 'fmriprep', 'hcp', 'surface' or 'bare'.
    runs : tuple of RunFiles
    surfaces : SurfaceFiles or None
    sulc : mapping of str to Path
        Sulcal depth: 'L' and 'R' on the mesh of `surfaces`, or 'both', a CIFTI map on fsLR-32k.
    t1w : Path or None
        The T1 that `surfaces` belong to; never one in a template's space.
    notes : tuple of str
        Sentences for the report.
    """

    label: str
    layout: str
    runs: tuple[RunFiles, ...]
    surfaces: SurfaceFiles | None = None
    sulc: Mapping[str, Path] = field(default_factory=dict)
    t1w: Path | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(dict.fromkeys(self.notes)))

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file, runs first, each once."""
        found = [path for run in self.runs for path in run.files]
        found += list(self.surfaces.files) if self.surfaces else []
        found += [self.sulc[key] for key in sorted(self.sulc)]
        found += [self.t1w] if self.t1w else []
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class AnatomyFiles:
    """Surfaces, sulcal depth and T1 of one person, before they join the runs."""

    surfaces: SurfaceFiles | None = None
    sulc: Mapping[str, Path] = field(default_factory=dict)
    t1w: Path | None = None
    notes: tuple[str, ...] = ()


def check_present(files: Iterable[Path]) -> None:
    """Refuse files that are not really there.

    Raises
    ------
    InputError
        A file is empty, or is a link whose content has not been fetched.
    """
    for path in files:
        if path.is_symlink() and not path.exists():
            raise InputError(
                "the file is a link to content that is not there",
                where=path,
                fix="fetch it first (in a DataLad or git-annex data set: datalad get FILE)",
            )
        check_file(path)
