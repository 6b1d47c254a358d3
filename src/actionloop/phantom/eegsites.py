"""Where the four probed sites lie on the cortex, and patches of cortex as weights over the simulated sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from actionloop import facts
from actionloop.brain import Geodesic
from actionloop.errors import EmptyRegionError, OptionError
from actionloop.files import template_anatomy
from actionloop.phantom.eeghead import average_reference, eeg_head
from actionloop.types import FloatArray, Hemisphere, IntArray

REACH = 3.0


@dataclass(frozen=True)
class EegSite:
    """One stimulated site.

    Attributes
    ----------
    name : str
    xyz_mni : tuple of 3 float
        As data/tmseeg_sites.toml has it.
    verified : bool
        The number was read in its source.
    source : str
    """

    name: str
    xyz_mni: tuple[float, float, float]
    verified: bool
    source: str


def site_names() -> tuple[str, ...]:
    """Return the names of the sites, in the order of the data file."""
    return tuple(row["name"] for row in facts.load("tmseeg_sites")["site"])


def eeg_site(name: str) -> EegSite:
    """Return one site.

    Raises
    ------
    OptionError
        No such site.
    """
    for row in facts.load("tmseeg_sites")["site"]:
        if row["name"] == name:
            x, y, z = map(float, row["xyz"])
            return EegSite(name, (x, y, z), row["verified"], row["source"])
    raise OptionError(f"there is no site {name!r}", fix=f"choose from {', '.join(site_names())}")


def patch(xyz_mni: Sequence[float], *, width_mm: float) -> FloatArray:
    """Weights of a Gaussian patch of cortex around the vertex nearest to a place.

    Parameters
    ----------
    xyz_mni : (3,) sequence of float
    width_mm : float
        Standard deviation along the cortex.

    Returns
    -------
    (source,) float64 ndarray
        Sum 1; 0 beyond three widths and on the other hemisphere.

    Raises
    ------
    EmptyRegionError
        The place lies too far from the cortex.
    """
    x, y, z = map(float, xyz_mni)
    return _patch((x, y, z), width_mm)


@cache
def _patch(xyz_mni: tuple[float, float, float], width_mm: float) -> FloatArray:
    head = eeg_head()
    hemisphere, vertex = _nearest(xyz_mni)
    own = head.hemisphere == hemisphere
    far = np.full(len(own), np.inf)
    far[own] = _geodesic(hemisphere).from_vertices(vertex)[head.vertex[own]]
    weight = np.where(far <= REACH * width_mm, np.exp(-0.5 * (far / width_mm) ** 2), 0.0)
    weight /= weight.sum()
    weight.setflags(write=False)
    return weight


@cache
def _geodesic(hemisphere: Hemisphere) -> Geodesic:
    return Geodesic(template_anatomy().surface(hemisphere))


def _nearest(xyz_mni: tuple[float, float, float]) -> tuple[Hemisphere, int]:
    """Return hemisphere and fsLR vertex of the source nearest to a place."""
    head = eeg_head()
    far = np.linalg.norm(head.xyz_mni - np.asarray(xyz_mni), axis=1)
    nearest = int(far.argmin())
    if far[nearest] > facts.load("tmseeg_sites")["farthest_mm"]:
        raise EmptyRegionError(f"{xyz_mni} lies {far[nearest]:.0f} mm from the cortex", where="data/tmseeg_sites.toml")
    return ("L" if head.hemisphere[nearest] == "L" else "R"), int(head.vertex[nearest])


def patch_map(xyz_mni: Sequence[float], *, width_mm: float) -> FloatArray:
    """Potentials of a patch whose current runs along the outward normals.

    Returns
    -------
    (channel + 1,) float64 ndarray
        Scaled so that the largest absolute value over the channels, average reference, is 1; the last is the reference.
    """
    head = eeg_head()
    raw = head.leadfield @ patch(xyz_mni, width_mm=width_mm)
    scaled: FloatArray = raw / np.abs(average_reference(raw[:-1])).max()
    return scaled


def site_channels(name: str, *, count: int) -> IntArray:
    """Return the electrodes nearest to a site's point on the scalp, nearest first."""
    head = eeg_head()
    far = np.linalg.norm(head.montage.xyz_head_mm - scalp_point(name), axis=1)
    nearest: IntArray = np.argsort(far, kind="stable")[:count]
    return nearest


def scalp_point(name: str) -> FloatArray:
    """Return the point of the scalp's sphere straight out from a site's cortex, head mm."""
    head = eeg_head()
    shells = head.shells
    outwards = head.to_head(np.array([eeg_site(name).xyz_mni]))[0] - shells.centre_mm
    point: FloatArray = shells.centre_mm + outwards / np.linalg.norm(outwards) * shells.radius_mm
    return point
