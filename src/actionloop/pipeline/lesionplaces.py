"""Where a lesion lies among the thalamic nuclei, in every atlas at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, files
from actionloop.brain import Nuclei, NucleusReading, atlas_nuclei, read_nuclei
from actionloop.errors import OptionError, ResourceError
from actionloop.evidence import Lesion
from actionloop.files import MNI_FRAME
from actionloop.types import HEMISPHERES, SIDES, Hemisphere

_PACKAGED = {"hcpex": "nuclei_hcpex", "aal3": "nuclei_aal3"}
_NAMED = {"hcpex": r"hcpex", "aal3": r"aal3", "thomas": r"thomas|thalamus_.*label-allnuclei"}
_SIDED = re.compile(r"hemi-(left|right|l|r)\b|hemi-(left|right|l|r)_|[._-](left|right|lh|rh)[._-]", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class NucleusAtlas:
    """One atlas of thalamic nuclei.

    Attributes
    ----------
    name : str
        As its authors write it.
    own, grouped : Nuclei
        Its own nuclei, and the groups that all atlases have.
    source : Path
    citation : str
    """

    name: str
    own: Nuclei
    grouped: Nuclei
    source: Path
    citation: str


@dataclass(frozen=True, eq=False)
class NucleiOfLesion:
    """Where a lesion stands to the nuclei of one atlas, nearest first; its own side, or both for a lesion of both."""

    atlas: str
    own: tuple[NucleusReading, ...]
    grouped: tuple[NucleusReading, ...]


def read_nucleus_atlases(paths: Sequence[Path]) -> tuple[NucleusAtlas, ...]:
    """Read atlases of nuclei from files, else those of the fetched package.

    Parameters
    ----------
    paths : sequence of Path
        HCPex, AAL3 or THOMAS, known by their names; THOMAS has an image for each side.

    Returns
    -------
    tuple of NucleusAtlas

    Raises
    ------
    OptionError
        A file that is none of the atlases whose labels are known.
    ResourceError
        None given, none fetched.
    InputError, GeometryError, EmptyRegionError
        An image that cannot be read, lacks nuclei, or is mirrored.
    """
    if paths:
        return tuple(_read(path) for path in paths)
    try:
        files.require(groups=("lesion",))
    except ResourceError as error:
        raise ResourceError(
            f"there is no atlas of thalamic nuclei: {error.problem}",
            fix="run: actionloop data fetch lesion; or give one: --atlas FILE",
        ) from error
    return tuple(_of_image(files.resource(resource), name, None) for name, resource in _PACKAGED.items())


def nuclei_of_lesion(lesion: Lesion, atlases: Sequence[NucleusAtlas]) -> tuple[NucleiOfLesion, ...]:
    """Read where a lesion stands to the nuclei of every atlas that has its side."""
    found = []
    for atlas in atlases:
        side: Hemisphere | None = None if lesion.side == "both" else lesion.side
        if side is not None and side not in atlas.own.sides:
            continue
        readings = [read_nuclei(nuclei, lesion.region, side=side) for nuclei in (atlas.own, atlas.grouped)]
        found.append(NucleiOfLesion(atlas.name, readings[0], readings[1]))
    return tuple(found)


def nucleus_rows(lesion: Lesion, found: Sequence[NucleiOfLesion]) -> list[dict[str, Any]]:
    """Rows of the table of nuclei; columns in data/lesion.toml."""
    return [
        {
            "lesion": lesion.name,
            "atlas": one.atlas,
            "nucleus": reading.name,
            "grouped": grouped,
            "side": SIDES[reading.side],
            "distance_mm": reading.distance_mm,
            "centroid_mm": reading.centroid_mm,
            "overlap_mm3": reading.overlap_mm3,
            "share_of_lesion": reading.share_of_region,
            "share_of_nucleus": reading.share_of_nucleus,
        }
        for one in found
        for grouped, readings in ((1, one.grouped), (0, one.own))
        for reading in readings
    ]


def _read(path: Path) -> NucleusAtlas:
    name = next((name for name, words in _NAMED.items() if re.search(words, path.name, re.IGNORECASE)), None)
    if name is None:
        raise OptionError(
            f"the labels of this atlas are not known: {path.name}",
            where="--atlas",
            fix="give HCPex, AAL3 or THOMAS, with the atlas's name in that of the file",
        )
    said = _SIDED.search(path.name)
    word = "" if said is None else next(part for part in said.groups() if part).lower()
    side: Hemisphere | None = next((one for one in HEMISPHERES if word.startswith(one.lower())), None)
    if facts.load("nuclei")[name]["split"] and side is None:
        raise OptionError(
            f"{name} has an image for each side, and the name does not say which one this is",
            where=path,
            fix="put hemi-left or hemi-right into its name",
        )
    return _of_image(path, name, side)


def _of_image(path: Path, name: str, side: Hemisphere | None) -> NucleusAtlas:
    image = files.read_image(path, frame=MNI_FRAME)
    label = np.rint(image.data).astype(np.int32)
    own, grouped = (
        atlas_nuclei(label, image.affine, atlas=name, side=side, grouped=grouped, source=path.name)
        for grouped in (False, True)
    )
    table = facts.load("nuclei")[name]
    return NucleusAtlas(table["name"], own, grouped, path, f"{table['citation']}, doi:{table['doi']}")
