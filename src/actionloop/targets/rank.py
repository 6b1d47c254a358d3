"""The ranked list of targets, with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.targets.aim import Aim, choose_aim
from actionloop.targets.pain import Pain
from actionloop.targets.pose import geometric_pose
from actionloop.targets.score import Measured, weigh
from actionloop.targets.side import Side
from actionloop.targets.sites import read_sites
from actionloop.targets.weights import Ranking, weighted_mean
from actionloop.types import HEMISPHERES, Anatomy, CoilPose, FloatArray, Hemisphere, Image, NetworkMap, Piece, Target


def rank_targets(  # noqa: PLR0913 - each is another kind of input, and all but three have a default
    network_map: NetworkMap,
    nodes: Sequence[Piece],
    islands: Sequence[Piece],
    *,
    anatomy: Anatomy,
    template: Anatomy,
    scalp: Scalp | None = None,
    image: Image | None = None,
    pain: Pain | None = None,
    options: Ranking | None = None,
) -> list[Target]:
    """Rank the places that a coil could stimulate.

    Candidates are the SCAN nodes of the lateral motor strip and the AMN islands of the dlPFC, on both sides. In each
    the best vertex is chosen (`choose_aim`), then the pieces are ranked by a weighted mean of network probability,
    size, crown, neighbours, depth, evidence, and how well side and node suit the pain.

    Parameters
    ----------
    network_map : NetworkMap
        Lesioned cortex already taken out.
    nodes, islands : sequence of Piece
        SCAN nodes and AMN regions; those that are no candidates are passed over.
    anatomy : Anatomy
        Frame of the exported coordinates.
    template : Anatomy
        In MNI space, same vertices.
    scalp : Scalp, optional
        Of the person, in the frame of `anatomy`. Without it there is no entry, no depth and no pose.
    image : Image, optional
        That the pose is tied to. Without it there is no pose.
    pain : Pain, optional
    options : Ranking, optional

    Returns
    -------
    list of Target
        Best first, rank 1, 2, ...; empty when there is no candidate.

    Raises
    ------
    GeometryError
        Scalp, image and anatomy are not in one frame.
    """
    ranking, pain = options or Ranking.default(), pain or Pain()
    if image is not None and image.frame != anatomy.frame:
        raise GeometryError(
            f"the image is in the frame {image.frame!r}, the surfaces are in {anatomy.frame!r}",
            where=image.source or None,
        )
    sides = {side: Side(network_map, anatomy, side, scalp, template=template) for side in HEMISPHERES}
    sites = read_sites(network_map, anatomy, template)
    targets = []
    for piece in _candidates(nodes, islands, sides, ranking):
        side = sides[piece.hemisphere]
        aim = choose_aim(piece, side, ranking)
        xyz = side.surface.vertices[aim.vertex]
        entry = _entry(xyz, scalp)
        measured = Measured(
            piece, aim, _neighbour_distances(piece, aim, side, ranking), None if entry is None else entry.depth_mm
        )
        terms, reasons = weigh(measured, side, pain=pain, ranking=ranking)
        target = Target(
            rank=0,
            piece=_with_depth(piece, scalp),
            vertex=aim.vertex,
            xyz_ras=xyz,
            xyz_mni=template.surface(piece.hemisphere).vertices[aim.vertex],
            score=float(weighted_mean(terms, ranking.piece)),
            terms=terms,
            reasons=reasons,
            neighbour_distance_mm=measured.neighbour_mm,
            sulcal_depth=aim.sulc,
            entry_ras=None if entry is None else entry.point,
            scalp_distance_mm=measured.depth_mm,
            tie=None if image is None else image.tie,
            site_distance_mm={
                reading.site: float(np.linalg.norm(reading.xyz_ras - xyz))
                for reading in sites
                if reading.hemisphere == piece.hemisphere
            },
        )
        targets.append(replace(target, pose=_pose(target, entry, image, ranking)))
    targets.sort(key=lambda target: (-round(target.score, 9), target.name))
    return [replace(target, rank=rank) for rank, target in enumerate(targets, start=1)]


def piece_depths(pieces: Sequence[Piece], scalp: Scalp | None) -> list[Piece]:
    """Fill in how deep each piece's centre lies below the scalp; unchanged without a scalp."""
    return [_with_depth(piece, scalp) for piece in pieces]


@dataclass(frozen=True, eq=False)
class _Entry:
    point: FloatArray
    normal: FloatArray
    depth_mm: float


def _entry(xyz: FloatArray, scalp: Scalp | None) -> _Entry | None:
    return None if scalp is None else _Entry(*scalp.nearest(xyz))


def _with_depth(piece: Piece, scalp: Scalp | None) -> Piece:
    return piece if scalp is None else replace(piece, depth_mm=scalp.nearest(piece.centre_ras)[2])


def _candidates(
    nodes: Sequence[Piece], islands: Sequence[Piece], sides: dict[Hemisphere, Side], ranking: Ranking
) -> list[Piece]:
    """Pieces that a coil can reach, in a fixed order."""
    wanted = ranking.candidates
    found = []
    for piece in [*nodes, *islands]:
        lateral = piece.name in wanted["scan"] or piece.name.startswith(wanted["amn_prefix"])
        if not lateral and piece.name in wanted["scan_medial"]:
            depth = sides[piece.hemisphere].depth(piece.vertices)
            lateral = depth is not None and bool(depth.min() <= wanted["medial_reach_mm"])
        if lateral:
            found.append(piece)
    return found


def _neighbour_distances(piece: Piece, aim: Aim, side: Side, ranking: Ranking) -> dict[str, float]:
    """Distance along the surface from the aim to each network of interest, nearest first."""
    known = side.network_map
    networks = [name for name in ranking.neighbours.get(piece.network, []) if name in known.names]
    if not networks:
        apart = np.linalg.norm(side.surface.vertices - side.surface.vertices[aim.vertex], axis=1)
        near = np.unique(side.label[apart <= ranking.scales["near_mm"]])
        networks = [
            name
            for name, key in zip(known.names, known.keys, strict=True)
            if key in near and key > 0 and name != piece.network
        ]
    # From the aim to everywhere: a single source is where the heat method is at its best.
    distance = side.geodesic.from_vertices(aim.vertex)
    territories = {name: side.territory(name) for name in networks}
    told = {name: float(distance[place].min()) for name, place in territories.items() if place.size}
    return dict(sorted(told.items(), key=lambda item: (item[1], item[0])))


def _pose(target: Target, entry: _Entry | None, image: Image | None, ranking: Ranking) -> CoilPose | None:
    if entry is None or image is None:
        return None
    return geometric_pose(
        entry.point,
        entry.normal,
        hemisphere=target.piece.hemisphere,
        image=image,
        label=target.name,
        **ranking.pose,
    )
