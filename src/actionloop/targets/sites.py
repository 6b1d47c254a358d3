"""Conventional stimulation sites, and what they would hit in this person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.types import HEMISPHERES, Anatomy, FloatArray, Hemisphere, NetworkMap, SiteReading


@dataclass(frozen=True, eq=False)
class Site:
    """One conventional site on the cortex of the MNI brain.

    Attributes
    ----------
    name : str
    hemisphere : {'L', 'R'}
    xyz_mni : (3,) float ndarray
        mm.
    source : str
    verified : bool
        False when the numbers still have to be checked by a person.
    note : str
    """

    name: str
    hemisphere: Hemisphere
    xyz_mni: FloatArray
    source: str
    verified: bool
    note: str


def conventional_sites() -> list[Site]:
    """Return the sites of data/sites.toml, left and right: M1 hand knob, Beam F3/F4, 10-20 F3/F4."""
    return [
        Site(
            name=site["name"][side],
            hemisphere=side,
            xyz_mni=np.array(site[side], dtype=np.float64),
            source=site["source"]
            + ("; mirrored from the left" if side == "R" and site["mirrored"] else "")
            + ("" if site["verified"] else "; coordinates not verified"),
            verified=bool(site["verified"]),
            note=site["note"],
        )
        for site in facts.load("sites")["site"]
        for side in HEMISPHERES
    ]


def read_sites(
    network_map: NetworkMap, anatomy: Anatomy, template: Anatomy, *, sites: Sequence[Site] | None = None
) -> list[SiteReading]:
    """Tell which of this person's networks each site would hit.

    The MNI point goes to the nearest cortical vertex of the template's midthickness, and by the shared vertices to
    the same place of this person's cortex.

    Parameters
    ----------
    network_map : NetworkMap
    anatomy : Anatomy
        The person's, for the coordinates.
    template : Anatomy
        In MNI space.
    sites : sequence of Site, optional
        The conventional ones by default.

    Returns
    -------
    list of SiteReading
        In the order of the sites.
    """
    readings = []
    axis = network_map.grayordinates
    for site in conventional_sites() if sites is None else sites:
        cortex = axis.vertices(site.hemisphere)
        places = template.surface(site.hemisphere).vertices[cortex]
        at = int(np.linalg.norm(places - site.xyz_mni, axis=1).argmin())
        row = axis.rows(site.hemisphere).start + at
        key = int(network_map.label[row])
        found = np.flatnonzero(network_map.keys == key)
        index = int(found[0]) if key > 0 and found.size else None
        readings.append(
            SiteReading(
                site=site.name,
                hemisphere=site.hemisphere,
                xyz_mni=places[at],
                xyz_ras=anatomy.surface(site.hemisphere).vertices[cortex[at]],
                network="unassigned" if index is None else network_map.names[index],
                network_probability=0.0 if index is None else float(network_map.probability[index, row]),
                source=site.source,
            )
        )
    return readings
