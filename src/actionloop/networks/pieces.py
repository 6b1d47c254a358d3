"""Connected pieces of a map: cleaning away the small ones, measuring the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from actionloop.brain import adjacency, connected_pieces, piece_centre, unfolded, vertex_areas
from actionloop.errors import EmptyRegionError
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Hemisphere, IntArray, NetworkMap, Piece

_MOST_ROUNDS = 10


def clean_pieces(network_map: NetworkMap, anatomy: Anatomy, *, min_area_mm2: float) -> NetworkMap:
    """Refill pieces smaller than `min_area_mm2` from their border.

    Each vertex of a small piece takes, among the networks that border the piece, the one with the highest probability
    there; a small piece that borders nothing stays. Repeated until no small piece changes.

    Parameters
    ----------
    network_map : NetworkMap
    anatomy : Anatomy
        Areas are measured on its midthickness.
    min_area_mm2 : float

    Returns
    -------
    NetworkMap
        Labels changed; probabilities and confidence untouched.
    """
    label = network_map.label.copy()
    axis = network_map.grayordinates
    for hemisphere in HEMISPHERES:
        surface = anatomy.surface(hemisphere)
        neighbours = adjacency(surface.faces, surface.n_vertices)
        area_mm2 = vertex_areas(surface)
        mesh = axis.to_mesh(label, hemisphere)
        probability = axis.to_mesh(network_map.probability, hemisphere)
        for _ in range(_MOST_ROUNDS):
            small = _small_pieces(mesh, neighbours, area_mm2, min_area_mm2)
            if not _refill(mesh, small, probability, network_map.keys, neighbours):
                break
        rows = axis.rows(hemisphere)
        # Rows without data stay unassigned.
        label[rows] = np.where(label[rows] > 0, mesh[axis.vertices(hemisphere)], 0)
    return replace(network_map, label=label)


def _refill(mesh: IntArray, small: list[IntArray], probability: FloatArray, keys: IntArray, neighbours: Any) -> bool:
    """Refill small pieces once, in place; tells whether anything changed."""
    changed = False
    for piece in sorted(small, key=len):
        around = np.unique(mesh[np.setdiff1d(neighbours[piece].indices, piece)])
        bordering = np.flatnonzero(np.isin(keys, around[(around > 0) & (around != mesh[piece[0]])]))
        if bordering.size:
            mesh[piece] = keys[bordering][probability[bordering][:, piece].argmax(axis=0)]
            changed = True
    return changed


def _small_pieces(mesh: IntArray, neighbours: Any, area_mm2: FloatArray, min_area_mm2: float) -> list[IntArray]:
    """List the connected pieces of any one label whose area is below the limit."""
    return [
        piece
        for key in np.unique(mesh[mesh > 0])
        for piece in connected_pieces(mesh == key, neighbours)
        if area_mm2[piece].sum() < min_area_mm2
    ]


def describe_piece(
    network_map: NetworkMap,
    anatomy: Anatomy,
    template: Anatomy,
    *,
    vertices: IntArray,
    place: tuple[str, str, Hemisphere],
) -> Piece:
    """Measure one piece.

    Parameters
    ----------
    network_map : NetworkMap
    anatomy, template : Anatomy
        The person's surfaces, and the template's, whose vertices correspond: the MNI coordinates come from there.
    vertices : (member,) int ndarray
        Mesh vertices.
    place : (name, network, hemisphere)

    Returns
    -------
    Piece
        Without depth.

    Raises
    ------
    EmptyRegionError
        No vertices.
    """
    name, network, hemisphere = place
    if len(vertices) == 0:
        raise EmptyRegionError(f"{name} {hemisphere} has no vertices")
    surface, mni = anatomy.surface(hemisphere), template.surface(hemisphere)
    area_mm2 = vertex_areas(surface)
    index = network_map.names.index(network)
    probability = network_map.grayordinates.to_mesh(network_map.probability[index], hemisphere)
    confidence = network_map.grayordinates.to_mesh(network_map.confidence, hemisphere)
    centre = piece_centre(unfolded(template, hemisphere), vertices, area_mm2=area_mm2)
    peak = int(vertices[probability[vertices].argmax()])
    weights = area_mm2[vertices]
    return Piece(
        name=name,
        network=network,
        hemisphere=hemisphere,
        vertices=vertices,
        area_mm2=float(weights.sum()),
        centre_vertex=centre,
        centre_ras=surface.vertices[centre],
        centre_mni=mni.vertices[centre],
        peak_vertex=peak,
        peak_ras=surface.vertices[peak],
        peak_mni=mni.vertices[peak],
        mean_probability=float(np.average(probability[vertices], weights=weights)),
        peak_probability=float(probability[peak]),
        mean_confidence=float(np.average(confidence[vertices], weights=weights)),
    )


def mask_of(network_map: NetworkMap, network: str, hemisphere: Hemisphere) -> BoolArray:
    """Mask of one network on one hemisphere's mesh; shape (vertex,)."""
    mask: BoolArray = network_map.grayordinates.to_mesh(network_map.members(network), hemisphere, fill=False)
    return mask
