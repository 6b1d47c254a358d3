"""One person's contrast: series, map and regions, measured or taken from the finished steps."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import evidence, facts, files, signal
from actionloop.brain import ATLASES, Nuclei, atlas_nuclei
from actionloop.errors import EmptyRegionError, OptionError
from actionloop.evidence import Bootstrap, ContrastTable, PreferentialMap, Region
from actionloop.files import PersonFiles
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.labels import LabelMaker
from actionloop.pipeline.people import MapFolder, find_files, list_everybody
from actionloop.pipeline.priors import PHANTOMS, area_names
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.series import PersonSeries, load_series
from actionloop.pipeline.settings import CleaningSettings, MappingSettings
from actionloop.pipeline.stages import axis_of, voxel_arrays
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.types import HEMISPHERES, BoolArray, Grayordinates, NetworkMap, Timeseries

NO_VOXELS = "the series were read without voxels (--subcortex, with 91k CIFTI series)"


@dataclass(frozen=True)
class ContrastRequest(Choice):
    """Everything that `actionloop contrast` was asked; paths as given.

    `maps` is a folder with one finished map a person; without it everybody is mapped, from `prior` or the default one.
    `nuclei` are images of an atlas (left and right for THOMAS). `given` are people found already, in place of those of
    `derivatives`.
    """

    derivatives: Path | None
    out: Path
    maps: Path | None = None
    prior: Path | None = None
    subcortex: bool = False
    nuclei: tuple[Path, ...] = ()
    nuclei_atlas: str = "thomas"
    no_gsr: bool = False
    draws: int | None = None
    seed: int = 0
    given: tuple[PersonFiles, ...] = ()
    overwrite: bool = False
    stop_on_first_crash: bool = False


class ContrastSource:
    """Where people, maps and nuclei come from; wrong options are refused here, before anybody is read.

    Parameters
    ----------
    request : ContrastRequest

    Attributes
    ----------
    labels : list of str
        Of everybody asked for.
    bootstrap : Bootstrap
    nuclei : tuple of Nuclei
    folder : MapFolder or None
    maker : LabelMaker or None
    words : str
        Where maps come from.
    inputs : list of Path
        Files that concern everybody.

    Raises
    ------
    OptionError, InputError, PriorError
        Options that contradict each other, files that cannot be used, nobody.
    """

    def __init__(self, request: ContrastRequest) -> None:
        if request.maps is not None and request.prior is not None:
            raise OptionError(
                "--prior starts the mapping of people; with --maps nobody is mapped", fix="leave one of them out"
            )
        if request.nuclei and not request.subcortex:
            raise OptionError("--nuclei needs voxels", fix="give --subcortex and 91k CIFTI series")
        self._request = request
        self.bootstrap = Bootstrap() if request.draws is None else Bootstrap(n=request.draws)
        self.nuclei = _read_nuclei(request)
        self.folder = None if request.maps is None else MapFolder(request.maps, subcortex=request.subcortex)
        self.maker = None if request.maps is not None else LabelMaker(None, request.prior)
        self.words = f"given maps ({request.maps.name})" if request.maps else "mapped iteratively from the same scan"
        given = {person.label: person for person in request.given}
        self._given = given
        if not given and request.derivatives is None:
            raise OptionError("there is nobody to look at", fix="give DERIVATIVES, the folder of a data set")
        self.labels = list(given) if request.derivatives is None else list_everybody(request, request.derivatives)
        self.inputs = [path for path in (request.prior, *request.nuclei) if path is not None]

    def person(self, label: str) -> PersonFiles:
        """Find one person's files."""
        if label in self._given or self._request.derivatives is None:
            return self._given[label]
        return find_files(self._request, self._request.derivatives, label)

    @property
    def phantoms(self) -> bool:
        """Tell whether people or prior were simulated."""
        made = self.maker is not None and self.maker.prior is not None and PHANTOMS in self.maker.prior.source
        return made or (self._request.derivatives is not None and files.is_phantom(self._request.derivatives))


def _read_nuclei(request: ContrastRequest) -> tuple[Nuclei, ...]:
    if not request.nuclei:
        return ()
    if request.nuclei_atlas not in ATLASES:
        raise OptionError(
            f"there is no atlas of nuclei {request.nuclei_atlas!r}", fix=f"choose one of {', '.join(ATLASES)}"
        )
    split = bool(facts.load("nuclei")[request.nuclei_atlas]["split"])
    if len(request.nuclei) != (2 if split else 1):
        raise OptionError(
            f"{request.nuclei_atlas} has {'an image for each side' if split else 'one image'}, found "
            f"{len(request.nuclei)} file(s)",
            fix="give --nuclei LEFT RIGHT" if split else "give --nuclei FILE",
        )
    found = []
    for path, side in zip(request.nuclei, HEMISPHERES if split else (None,), strict=True):
        image = files.read_image(path, frame=files.MNI_FRAME)
        found.append(atlas_nuclei(image.data, image.affine, atlas=request.nuclei_atlas, side=side, source=str(path)))
    return tuple(found)


def measure_person(
    request: ContrastRequest, source: ContrastSource, label: str, *, progress: Progress
) -> tuple[dict[str, Any], ContrastTable, PreferentialMap, dict[str, str]]:
    """Measure one person, or take that from the finished steps.

    Parameters
    ----------
    request : ContrastRequest
    source : ContrastSource
    label : str
    progress : Progress

    Returns
    -------
    row : dict
        How the person was used, for the description.
    table : ContrastTable
    preferred : PreferentialMap
    absent : dict of str to str
        Regions that the series lack, and why.

    Raises
    ------
    ActionloopError
        The person cannot be used.
    """
    person = source.person(label)
    map_file = None if source.folder is None else source.folder.file_of(label)
    own = dict.fromkeys([path for run in person.runs for path in run.files] + ([map_file] if map_file else []))

    def make() -> Arrays:
        return _measure(request, source, person, map_file, progress)

    with Steps(request.out / ".work" / f"sub-{label}") as steps:
        hashes = steps.hash_files((*own, *source.inputs))
        arrays, finished = steps.run("contrast", _key(request, source, person, hashes), make)
    if finished:
        progress.note(f"sub-{label}: taken from the finished steps")
    table = ContrastTable(**{one.name: _field(one.name, arrays, source) for one in fields(ContrastTable)})
    axis = axis_of(arrays)
    _, lacking = anatomical_regions(axis, source.nuclei)
    fisher_z = arrays["preferred_z"]
    preferred = PreferentialMap(table.seeds, fisher_z, evidence.margins(fisher_z), arrays["preferred_valid"], axis)
    row = {
        "Label": label,
        "Minutes": round(float(arrays["minutes"]), 3),
        "Runs": [run.name for run in person.runs],
        "Cleaning": str(arrays["cleaning"]),
        "Map": "iterative mapping" if map_file is None else map_file.name,
        "Inputs": [
            {"File": files.shown_path(path, root=request.derivatives), "SHA256": hashes[str(path)]} for path in own
        ],
    }
    return row, table, preferred, lacking


def _field(name: str, arrays: Arrays, source: ContrastSource) -> Any:
    if name in ("seeds", "regions"):
        return tuple(str(one) for one in arrays[name])
    if name == "bootstrap":
        return source.bootstrap
    return arrays[name].item() if arrays[name].ndim == 0 else arrays[name]


def _key(request: ContrastRequest, source: ContrastSource, person: PersonFiles, hashes: Mapping[str, str]) -> str:
    runs = [[run.name, run.kind, run.space, run.cleaned, run.filtered, run.tr_s] for run in person.runs]
    return key_of(
        {
            "inputs": list(hashes.values()),
            "runs": runs,
            "maps": request.maps is not None,
            "subcortex": request.subcortex,
            "nuclei": request.nuclei_atlas if request.nuclei else None,
            "no_gsr": request.no_gsr,
            "bootstrap": [source.bootstrap.n, source.bootstrap.block_s, source.bootstrap.level],
            "seed": request.seed,
            "contrast": facts.load("contrast")["version"],
        }
    )


def _measure(
    request: ContrastRequest,
    source: ContrastSource,
    person: PersonFiles,
    map_file: Path | None,
    progress: Progress,
) -> Arrays:
    cleaning = CleaningSettings(global_signal=False) if request.no_gsr else None
    adjacent_mm = MappingSettings().adjacent_mm if request.subcortex else 0.0
    own = load_series(person, cleaning=cleaning, voxels=request.subcortex, adjacent_mm=adjacent_mm, say=progress.note)
    series = own.series
    network_map = _map_of(source, series, map_file)
    regions, _ = anatomical_regions(series.grayordinates, source.nuclei)
    table = evidence.contrast(
        series,
        network_map,
        [evidence.network_region(network_map, "AMN"), *regions],
        anatomy=files.template_anatomy(),
        rng=np.random.default_rng([request.seed, 11, zlib.crc32(person.label.encode())]),
        kept=_kept(own),
        bootstrap=source.bootstrap,
    )
    preferred = evidence.preferential(series, network_map)
    skipped = ("bootstrap",)
    return {
        **{one.name: np.asarray(getattr(table, one.name)) for one in fields(table) if one.name not in skipped},
        **voxel_arrays(series.grayordinates),
        "preferred_z": preferred.fisher_z.astype(np.float32),
        "preferred_valid": preferred.valid,
        "minutes": np.array(series.minutes),
        "cleaning": np.array(own.cleaning),
    }


def _map_of(source: ContrastSource, series: Timeseries, map_file: Path | None) -> NetworkMap:
    if map_file is not None:
        return files.align_map(files.read_network_map(map_file), series.grayordinates)
    assert source.maker is not None  # there is a maker or a folder
    return source.maker.make(signal.compress(series), None)


def _kept(loaded: PersonSeries) -> list[BoolArray]:
    """Which of each run's frames were kept; all of them where that is not known."""
    found = []
    for length, run in zip(loaded.run_lengths, loaded.motion, strict=True):
        known = run.kept is not None and int(run.kept.sum()) == length
        found.append(run.kept if known and run.kept is not None else np.ones(length, dtype=bool))
    return found


def anatomical_regions(axis: Grayordinates, nuclei: tuple[Nuclei, ...]) -> tuple[list[Region], dict[str, str]]:
    """Return the regions that an axis holds, and by name why it lacks the others.

    Parameters
    ----------
    axis : Grayordinates
    nuclei : tuple of Nuclei
        Empty without an atlas.

    Returns
    -------
    list of Region
    dict of str to str
    """
    settings = facts.load("contrast")
    wanted = [settings["putamen"]["name"], *settings["spheres"]["structures"]]
    found, absent = evidence.cortical_regions(axis, area_names()), {}
    try:
        found += evidence.subcortical_regions(axis)
    except EmptyRegionError as error:
        absent = dict.fromkeys(wanted, NO_VOXELS if axis.voxels is None else error.problem)
    if not nuclei:
        absent["thalamic nuclei other than CM"] = NO_VOXELS if axis.voxels is None else "no atlas was given (--nuclei)"
        return found, absent
    own = evidence.nucleus_regions(axis, nuclei)
    names = dict.fromkeys(name for one in nuclei for name in one.names)
    known = {region.name for region in own}
    absent.update({name: "too small for the voxels of the series" for name in names if name not in known})
    return [*found, *own], absent
