"""A planted thalamus: a nucleus that belongs to SCAN, one that belongs to the effectors, nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.phantom.loudness import UNIT, calibrated
from actionloop.phantom.noise import Timing, coloured
from actionloop.phantom.person import PhantomPerson
from actionloop.phantom.series import Session
from actionloop.phantom.template import template
from actionloop.types import HEMISPHERES, SIDES, BoolArray, FloatArray, Hemisphere, IntArray

_STRUCTURE = "CIFTI_STRUCTURE_THALAMUS_"


@dataclass(frozen=True, eq=False)
class PlantedNucleus:
    """Voxels of the thalamus that follow one network.

    Attributes
    ----------
    name : str
        E.g. 'CM', 'VPL hand'.
    network : str
    hemisphere : {'L', 'R'}
    rows : (member,) int ndarray
        Of the 91,282.
    """

    name: str
    network: str
    hemisphere: Hemisphere
    rows: IntArray

    @property
    def centre_mm(self) -> FloatArray:
        """Mean place of its voxels, RAS mm (MNI); (3,)."""
        centre: FloatArray = template().voxel_xyz[self.rows - template().grayordinates.n_cortex].mean(axis=0)
        return centre


def planted_nuclei() -> tuple[PlantedNucleus, ...]:
    """Return what is planted: the same in everybody.

    A nucleus of several networks is cut into parts of as many voxels each, from medial to lateral.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    return tuple(_nuclei())


def thalamic_rows(hemisphere: Hemisphere) -> BoolArray:
    """Rows of one thalamus among the 91,282; (91282,)."""
    axis = template().grayordinates
    rows = np.zeros(len(axis), dtype=bool)
    if axis.voxels is not None:
        rows[axis.n_cortex :] = np.asarray(axis.voxels.structure) == _STRUCTURE + SIDES[hemisphere].upper()
    return rows


def plant_thalamus(person: PhantomPerson) -> PhantomPerson:
    """Give a person the planted thalamus in place of their own; nothing else changes.

    Parameters
    ----------
    person : PhantomPerson

    Returns
    -------
    PhantomPerson
        Voxels that have another network now have no part of it with a signal of its own.

    Raises
    ------
    PriorError
        A map without one of the networks.
    """
    truth, part = person.truth.copy(), person.part.copy()
    for hemisphere in HEMISPHERES:
        truth[thalamic_rows(hemisphere)] = 0
    for nucleus in planted_nuclei():
        truth[nucleus.rows] = person.key(nucleus.network)
    part[truth != person.truth] = -1
    return replace(person, truth=truth, part=part)


def add_hub(session: Session, person: PhantomPerson, *, rng: Generator) -> Session:
    """Add one signal that all of the thalamus follows and networks of the cortex too: degree that tells nothing.

    Parameters
    ----------
    session : Session
        Its series is overwritten.
    person : PhantomPerson
    rng : Generator

    Returns
    -------
    Session
    """
    hub: Mapping[str, Any] = facts.load("phantom")["thalamus"]["hub"]
    series, axis = session.series, template().grayordinates
    share = np.zeros(len(axis), dtype=np.float32)
    for hemisphere in HEMISPHERES:
        share[thalamic_rows(hemisphere)] = 1.0
    for name, amount in hub["networks"].items():
        share[: axis.n_cortex][person.truth[: axis.n_cortex] == person.key(name)] = amount
    timing = Timing(series.n_frames, series.tr_s)
    course = coloured(rng, calibrated().network_spectrum, timing, n_rows=1)[0]
    series.data[:, share > 0] += (UNIT * float(hub["sd"]) * course)[:, None] * share[share > 0]
    return session


def thalamus_rows() -> list[dict[str, Any]]:
    """Return what is planted as rows of a table."""
    voxels = template().grayordinates.voxels
    size = 0.0 if voxels is None else float(abs(np.linalg.det(voxels.affine[:3, :3])))
    return [
        {
            "name": nucleus.name,
            "network": nucleus.network,
            "side": SIDES[nucleus.hemisphere],
            **dict(zip("xyz", map(float, nucleus.centre_mm), strict=True)),
            "volume": size * len(nucleus.rows),
            "voxels": len(nucleus.rows),
        }
        for nucleus in planted_nuclei()
    ]


def _nuclei() -> Iterator[PlantedNucleus]:
    first, xyz = template().grayordinates.n_cortex, template().voxel_xyz
    for entry in facts.load("phantom")["thalamus"]["nucleus"]:
        networks = entry["networks"]
        for hemisphere in HEMISPHERES:
            centre = np.array(entry[SIDES[hemisphere]], dtype=np.float64)
            inside = np.flatnonzero(np.linalg.norm(xyz - centre, axis=1) <= float(entry["radius_mm"])) + first
            inside = inside[thalamic_rows(hemisphere)[inside]]
            outward = np.argsort(np.abs(xyz[inside - first, 0]), kind="stable")
            for name, rows in zip(networks, np.array_split(inside[outward], len(networks)), strict=True):
                whole = entry["name"] if len(networks) == 1 else f"{entry['name']} {name}"
                yield PlantedNucleus(whole, name, hemisphere, np.sort(rows))
