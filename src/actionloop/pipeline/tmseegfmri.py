"""Stimulated sites of TMS-EEG on one person's networks: how far the nodes are, and what a pose there engages."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop import facts, files
from actionloop.brain import vertex_areas
from actionloop.errors import InputError
from actionloop.field import sphere_field
from actionloop.pipeline.head import Head, template_head
from actionloop.pipeline.posing import choose_coil
from actionloop.poses import area_percentiles, fit_sphere
from actionloop.targets import Site, geometric_matrix, read_sites
from actionloop.types import HEMISPHERES, FloatArray, Hemisphere, NetworkMap


@dataclass(frozen=True, eq=False)
class SiteOnMap:
    """One stimulated site on one person's map.

    Attributes
    ----------
    site : str
    xyz_mni : (3,) float ndarray
        Cortex under the coil, mm.
    network : str
        The person's network there.
    probability : float
    distance_mm : mapping of node name to float
        Straight, on the template's cortex.
    share : mapping of network to float
        Of the stimulated cortex (the strongest percentile of |E| by area) under a geometric pose, largest first.
    source : str
        Where the coordinate is from.
    """

    site: str
    xyz_mni: FloatArray
    network: str
    probability: float
    distance_mm: dict[str, float]
    share: dict[str, float]
    source: str

    @property
    def nearest(self) -> dict[str, tuple[str, float]]:
        """Nearest node of SCAN and of AMN, with its distance."""
        found: dict[str, tuple[str, float]] = {}
        for name, far in sorted(self.distance_mm.items(), key=lambda item: item[1]):
            network = "SCAN" if name.startswith("SCAN") else "AMN"
            found.setdefault(network, (name, far))
        return found


def sites_on_map(folder: Path, label: str, sites: list[str]) -> list[SiteOnMap]:
    """Hold stimulated sites against a person's map, as `plan` wrote it.

    Everything is looked at on the template's cortex, at the vertices that it shares with the person's: the sites are
    MNI coordinates, not the coil's place on this head.

    Parameters
    ----------
    folder : Path
        OUT of `plan`.
    label : str
    sites : list of str
        Unknown ones are left out.

    Returns
    -------
    list of SiteOnMap

    Raises
    ------
    InputError
        No finished map or table of nodes of this person.
    """
    map_file, nodes_file = _files_of(folder, label)
    network_map, nodes = files.read_network_map(map_file), _nodes(nodes_file)
    known = {one.name: one for one in tms_sites()}
    wanted = [known[site] for site in sites if site in known]
    head = template_head()
    readings = read_sites(network_map, head.anatomy, head.anatomy, sites=wanted)
    return [
        SiteOnMap(
            site=reading.site,
            xyz_mni=reading.xyz_mni,
            network=reading.network,
            probability=reading.network_probability,
            distance_mm={name: float(np.linalg.norm(place - reading.xyz_mni)) for name, place in nodes.items()},
            share=engaged(network_map, head, reading.xyz_mni, reading.hemisphere),
            source=reading.source,
        )
        for reading in readings
    ]


def tms_sites() -> list[Site]:
    """Return the sites of data/tmseeg_sites.toml."""
    return [
        Site(
            name=one["name"],
            hemisphere="L" if one["xyz"][0] < 0 else "R",
            xyz_mni=np.array(one["xyz"], dtype=np.float64),
            source=one["source"] + ("" if one["verified"] else "; coordinates not verified"),
            verified=bool(one["verified"]),
            note="",
        )
        for one in facts.load("tmseeg_sites")["site"]
    ]


def engaged(network_map: NetworkMap, head: Head, xyz_mni: FloatArray, hemisphere: Hemisphere) -> dict[str, float]:
    """Share of each network in the cortex that a geometric pose over a point stimulates most.

    The field is that in a sphere fitted to the scalp: a preview.

    Returns
    -------
    dict of network to float
        Largest first; networks without a share are left out.
    """
    if head.scalp is None:
        return {}
    known = facts.load("poses")
    point, normal, _ = head.scalp.nearest(xyz_mni)
    matrix = geometric_matrix(point, normal, hemisphere=hemisphere, gap_mm=known["clearance"]["gap_mm"])
    sphere = fit_sphere(head.scalp, xyz_mni)
    surfaces = [head.anatomy.surface(side) for side in HEMISPHERES]
    points = np.concatenate([surface.vertices for surface in surfaces])
    strength = np.linalg.norm(
        sphere_field(
            choose_coil(None),
            matrix,
            sphere.drawn_in(points, sphere.radius_mm - known["preview"]["rim_mm"]),
            centre_mm=sphere.centre_mm,
        ),
        axis=1,
    )
    area = np.concatenate([vertex_areas(surface) for surface in surfaces])
    labels = np.concatenate(
        [network_map.grayordinates.to_mesh(network_map.label, side, fill=0) for side in HEMISPHERES]
    )
    hot = strength >= area_percentiles(strength, area, [99.0])[0]
    total = area[hot].sum()
    shares = {
        name: float(area[hot & (labels == key)].sum() / total)
        for name, key in zip(network_map.names, network_map.keys, strict=True)
    }
    return {name: share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > 0}


def _files_of(folder: Path, label: str) -> tuple[Path, Path]:
    """Find the map and the table of nodes; the plainest name where there are several runs."""
    own = [one for one in folder.glob(f"sub-{label}/**/*") if one.is_file() and ".work" not in one.parts]
    maps = sorted(
        (one for one in own if one.name.endswith("_dseg.dlabel.nii") and "den-91k" not in one.name), key=_plain
    )
    nodes = sorted((one for one in own if one.name.endswith("_nodes.tsv")), key=_plain)
    if not maps or not nodes:
        raise InputError(
            f"there is no finished map of sub-{label} (*_dseg.dlabel.nii and *_nodes.tsv)",
            where=folder,
            fix="give the OUT of 'actionloop plan', with the same label",
        )
    return maps[0], nodes[0]


def _plain(path: Path) -> tuple[int, str]:
    return len(path.name), path.name


def _nodes(path: Path) -> dict[str, FloatArray]:
    """Read centres of nodes and islands in MNI mm by name."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return {
            row["name"]: np.array([float(row[f"{axis}_mni"]) for axis in "xyz"])
            for row in rows
            if row["network"] in ("SCAN", "AMN")
        }
    except (OSError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"the table of nodes cannot be read ({error})", where=path, fix="run 'plan' again") from error
