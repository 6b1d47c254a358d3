"""One person's map for the variability of many: found or made, and what of it is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.errors import InputError, OptionError, PriorError
from actionloop.networks import amn_regions, scan_nodes
from actionloop.pipeline.choice import Choice
from actionloop.pipeline.labels import LabelMaker
from actionloop.pipeline.people import MapFolder, find_files, list_everybody
from actionloop.pipeline.priors import PHANTOMS, area_names
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.series import load_series
from actionloop.pipeline.settings import MappingSettings
from actionloop.pipeline.stages import axis_of, voxel_arrays
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.types import BoolArray, Grayordinates, Hemisphere, NetworkMap

Network = tuple[str, int, tuple[float, ...]]


@dataclass(frozen=True)
class VariabilityRequest(Choice):
    """Everything that `actionloop variability` was asked; paths as given.

    `source` is a data set, whose people are mapped from `prior` or the default one, or a folder with one finished map a
    person. `coordinate` is a place to judge besides the conventional ones, MNI mm.
    """

    source: Path
    out: Path
    prior: Path | None = None
    subcortex: bool = False
    coordinate: tuple[float, float, float] | None = None
    overwrite: bool = False
    stop_on_first_crash: bool = False


@dataclass(frozen=True)
class KeptPlace:
    """What is kept of a node or island."""

    name: str
    network: str
    hemisphere: Hemisphere
    centre_vertex: int


@dataclass(frozen=True, eq=False)
class KeptMap:
    """What is kept of a person's map in memory; labels lie on disk.

    Attributes
    ----------
    file : Path
        Arrays of the finished step.
    networks : tuple of (name, key, colour)
    places : tuple of KeptPlace
    axis : Grayordinates
    """

    file: Path
    networks: tuple[Network, ...]
    places: tuple[KeptPlace, ...]
    axis: Grayordinates

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the person's networks."""
        return tuple(name for name, _, _ in self.networks)

    def on(self, axis: Grayordinates) -> KeptMap:
        """Return the same with an axis of the same rows, shared with others."""
        return replace(self, axis=axis)

    def read(self, networks: Mapping[str, tuple[int, tuple[float, ...]]]) -> NetworkMap:
        """Read the labels again, with the keys of many people's networks.

        A label is certain; where there are data without a label, every network is as likely.
        """
        with np.load(self.file, allow_pickle=False) as stored:
            own, valid = stored["label"], stored["valid"]
        place = np.zeros(int(own.max(initial=0)) + 1, dtype=np.int64)
        for name, key, _ in self.networks:
            if key < len(place):
                place[key] = networks[name][0]
        label = place[own]
        keys = np.array([key for key, _ in networks.values()], dtype=np.int64)
        probability = (label == keys[:, None]).astype(np.float32)
        probability[:, valid & (label == 0)] = 1 / len(keys)
        return NetworkMap(
            names=tuple(networks),
            keys=keys,
            colours=np.array([colour for _, colour in networks.values()], dtype=np.float64),
            probability=probability,
            label=label,
            confidence=(label > 0).astype(np.float32),
            grayordinates=self.axis,
            method="kept labels",
        )


class MapSource:
    """Where maps come from.

    A folder that is a data set of a known pipeline is taken as one; else it is looked through for maps.

    Parameters
    ----------
    request : VariabilityRequest

    Attributes
    ----------
    labels : list of str
        Of everybody asked for.
    words : str
        Where maps come from.
    inputs : list of Path
        Files that concern everybody.

    Raises
    ------
    InputError, OptionError, PriorError
        Neither data set nor maps, or options that do not fit.
    """

    def __init__(self, request: VariabilityRequest) -> None:
        self._request = request
        self._folder = _map_folder(request)
        self._maker: LabelMaker | None = None
        if self._folder is None:
            self._maker = LabelMaker(None, request.prior)
            self.words = "mapped iteratively on template surfaces"
            self.labels = list_everybody(request, request.source)
        else:
            if request.prior is not None:
                raise OptionError(
                    "--prior starts the mapping of people; these maps are finished", fix="leave out --prior"
                )
            self.words = f"given maps ({request.source.resolve().name})"
            wanted = [label.removeprefix("sub-") for label in request.participant_labels]
            self.labels = list(dict.fromkeys(wanted or self._folder.labels))
        self.inputs = [] if request.prior is None else [request.prior]

    @property
    def phantoms(self) -> bool:
        """Tell whether people or prior were simulated."""
        if self._maker is None or self._maker.prior is None:
            return False
        return PHANTOMS in self._maker.prior.source or files.is_phantom(self._request.source)

    def person(self, label: str, *, progress: Progress) -> tuple[dict[str, Any], KeptMap]:
        """Find or make one person's map, and keep what is needed of it.

        Parameters
        ----------
        label : str
        progress : Progress

        Returns
        -------
        row : dict
            How the person was used, for the description.
        kept : KeptMap

        Raises
        ------
        ActionloopError
            The person cannot be used.
        """
        request = self._request
        person = None if self._folder else find_files(request, request.source, label)
        own = [self._folder.file_of(label)] if self._folder else []
        if person is not None:
            own = list(dict.fromkeys(path for run in person.runs for path in run.files))

        def make() -> Arrays:
            if person is None:
                made = _on_rows(files.read_network_map(own[0]), subcortex=request.subcortex)
                return _arrays(made, (made.label > 0) | made.probability.any(axis=0))
            assert self._maker is not None  # there is a maker or a folder
            adjacent_mm = MappingSettings().adjacent_mm if request.subcortex else 0.0
            series = load_series(person, voxels=request.subcortex, adjacent_mm=adjacent_mm, say=progress.note).series
            return _arrays(self._maker.make(signal.compress(series), None), signal.valid_rows(series))

        with Steps(request.out / ".work" / f"sub-{label}") as steps:
            hashes = steps.hash_files((*own, *self.inputs))
            runs = [] if person is None else [[run.name, run.space, run.tr_s] for run in person.runs]
            key = key_of({"inputs": list(hashes.values()), "runs": runs, "subcortex": request.subcortex})
            arrays, finished = steps.run("labels", key, make)
            kept = _kept(arrays, steps.file("labels", key))
        if finished:
            progress.note(f"sub-{label}: taken from the finished steps")
        made_of = own[0].name if self._folder else "iterative mapping"
        inputs = [{"File": files.shown_path(path, root=request.source), "SHA256": hashes[str(path)]} for path in own]
        return {"Label": label, "Map": made_of, "Inputs": inputs}, kept


def _map_folder(request: VariabilityRequest) -> MapFolder | None:
    """Return the folder of maps; None where it is a data set."""
    if request.layout is not None:
        return None
    try:
        files.detect_layout(request.source)
    except InputError as unknown:
        if not request.source.is_dir():
            raise
        try:
            return MapFolder(request.source, subcortex=request.subcortex)
        except InputError as empty:
            raise InputError(
                f"this is neither a data set nor a folder of maps: {unknown.problem}",
                where=request.source,
                fix=empty.fix,
            ) from unknown
    return None


def _on_rows(made: NetworkMap, *, subcortex: bool) -> NetworkMap:
    """Bring a map to the standard cortical rows, and keep its voxels where these are wanted."""
    axis = files.template_grayordinates()
    voxels = made.grayordinates.voxels
    if subcortex:
        if voxels is None:
            raise PriorError("this map has no subcortex", fix="leave out --subcortex, or map with 'plan --subcortex'")
        axis = Grayordinates(axis.left, axis.right, axis.n_vertices, voxels)
    return files.align_map(made, axis)


def _arrays(made: NetworkMap, valid: BoolArray) -> Arrays:
    template, cortex = files.template_anatomy(), made.cortex()
    pieces = [
        *scan_nodes(cortex, template, template),
        *amn_regions(cortex, template, template, area=area_names()),
    ]
    present = [k for k, key in enumerate(made.keys) if (made.label == key).any()]
    return {
        **voxel_arrays(made.grayordinates),
        "label": made.label.astype(np.int32),
        "valid": valid | (made.label > 0),
        "names": np.array([made.names[k] for k in present]),
        "keys": made.keys[present],
        "colours": made.colours[present],
        "places": np.array([[one.name, one.network, one.hemisphere] for one in pieces]).reshape(-1, 3),
        "centres": np.array([one.centre_vertex for one in pieces], dtype=np.int64),
    }


def _kept(arrays: Arrays, file: Path) -> KeptMap:
    networks = tuple(
        (str(name), int(key), tuple(float(part) for part in colour))
        for name, key, colour in zip(arrays["names"], arrays["keys"], arrays["colours"], strict=True)
    )
    places = []
    for (name, network, side), centre in zip(arrays["places"], arrays["centres"], strict=True):
        hemisphere: Hemisphere = "L" if str(side) == "L" else "R"
        places.append(KeptPlace(str(name), str(network), hemisphere, int(centre)))
    return KeptMap(file, networks, tuple(places), axis_of(arrays))
