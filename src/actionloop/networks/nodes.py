"""SCAN nodes and AMN regions of one person."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.brain import Geodesic, adjacency, connected_pieces, vertex_areas
from actionloop.networks.pieces import describe_piece, mask_of
from actionloop.networks.prior import node_vertex
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, Grayordinates, Hemisphere, NetworkMap, Piece, Surface


def scan_nodes(network_map: NetworkMap, anatomy: Anatomy, template: Anatomy) -> list[Piece]:
    """Split a person's SCAN into its nodes: superior, middle, inferior, SMA, preSMA/dACC on each side.

    Every SCAN vertex goes to the published node that is nearest along the template's surface, if within reach; the
    largest connected piece of each share is the node. Nodes that run into each other are so still told apart.

    Parameters
    ----------
    network_map : NetworkMap
        With a network 'SCAN'; otherwise the list is empty.
    anatomy, template : Anatomy

    Returns
    -------
    list of Piece
        Left before right, superior to inferior; nodes that this person lacks are absent.

    References
    ----------
    .. [1] Gordon et al. 2023, doi:10.1038/s41586-023-05964-2 (Table S1)
    """
    if "SCAN" not in network_map.names:
        return []
    limits = facts.load("mapping")["nodes"]
    pieces: list[Piece] = []
    for hemisphere in HEMISPHERES:
        mask = mask_of(network_map, "SCAN", hemisphere)
        surface = anatomy.surface(hemisphere)
        neighbours, area_mm2 = adjacency(surface.faces, surface.n_vertices), vertex_areas(surface)
        for name, territory in node_territories(network_map.grayordinates, template, hemisphere).items():
            share = connected_pieces(mask & territory, neighbours)
            largest = max(share, key=lambda piece: area_mm2[piece].sum(), default=None)
            if largest is not None and area_mm2[largest].sum() >= limits["min_node_mm2"]:
                place = (name, "SCAN", hemisphere)
                pieces.append(describe_piece(network_map, anatomy, template, vertices=largest, place=place))
    return pieces


def amn_regions(network_map: NetworkMap, anatomy: Anatomy, template: Anatomy, *, area: NDArray[np.str_]) -> list[Piece]:
    """Find a person's AMN in dlPFC, dACC, insula, premotor, inferior parietal and marginal cortex.

    Parameters
    ----------
    network_map : NetworkMap
        With a network 'AMN'; otherwise the list is empty.
    anatomy, template : Anatomy
    area : (grayordinate,) str ndarray
        HCP-MMP area (without side) of each row.

    Returns
    -------
    list of Piece
        The dlPFC gives every island ('AMN dlPFC 1' is the largest); other regions one piece, the largest.
    """
    if "AMN" not in network_map.names:
        return []
    table = facts.load("regions")
    smallest_mm2 = float(table["limits"]["min_island_mm2"])
    axis = network_map.grayordinates
    pieces: list[Piece] = []
    for hemisphere in HEMISPHERES:
        mask = mask_of(network_map, "AMN", hemisphere)
        surface = anatomy.surface(hemisphere)
        neighbours, area_mm2 = adjacency(surface.faces, surface.n_vertices), vertex_areas(surface)
        for region in table["region"]:
            inside = axis.to_mesh(np.isin(area, region["areas"]), hemisphere, fill=False)
            found = [
                piece for piece in connected_pieces(mask & inside, neighbours) if area_mm2[piece].sum() >= smallest_mm2
            ]
            found.sort(key=lambda piece: -float(area_mm2[piece].sum()))
            for number, vertices in enumerate(found if region["islands"] else found[:1], start=1):
                name = f"AMN {region['name']} {number}" if region["islands"] else f"AMN {region['name']}"
                place = (name, "AMN", hemisphere)
                pieces.append(describe_piece(network_map, anatomy, template, vertices=vertices, place=place))
    return pieces


def node_territories(axis: Grayordinates, template: Anatomy, hemisphere: Hemisphere) -> dict[str, BoolArray]:
    """Divide the cortex near the published SCAN nodes among them, by geodesic distance on the template.

    Parameters
    ----------
    axis : Grayordinates
    template : Anatomy
    hemisphere : {'L', 'R'}

    Returns
    -------
    dict of str to (vertex,) bool ndarray
        Mesh vertices of each node, by name.
    """
    vertices = np.ascontiguousarray(axis.vertices(hemisphere), dtype=np.int64)
    return dict(_territories(template.surface(hemisphere), hemisphere, vertices.tobytes()))


@lru_cache(maxsize=4)
def _territories(surface: Surface, hemisphere: Hemisphere, cortex: bytes) -> dict[str, BoolArray]:
    nodes, reach_mm = facts.load("scan")["node"], facts.load("mapping")["nodes"]["reach_mm"]
    geodesic, vertices = Geodesic(surface), np.frombuffer(cortex, dtype=np.int64)
    starts = [node_vertex(surface, vertices, np.asarray(node[hemisphere], dtype=float)) for node in nodes]
    distance_mm = np.stack([geodesic.from_vertices(start) for start in starts])
    nearest, reachable = distance_mm.argmin(axis=0), distance_mm.min(axis=0) <= reach_mm
    return {f"SCAN {node['name']}": reachable & (nearest == index) for index, node in enumerate(nodes)}
