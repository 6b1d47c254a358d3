"""Which targets coil poses are wanted of, and places given by coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actionloop import files
from actionloop.errors import OptionError
from actionloop.networks import describe_piece, mask_of
from actionloop.pipeline.head import Head
from actionloop.targets import Ranking, geometric_pose
from actionloop.types import HEMISPHERES, FloatArray, Hemisphere, NetworkMap, Target

# A place farther than this from the cortex is not one to aim at; a named place is a disc of this radius.
_FARTHEST_MM, _DISC_MM = 15.0, 8.0


def wanted_targets(asked: str | Sequence[str], targets: Sequence[Target], trusted: Sequence[Target]) -> list[Target]:
    """Return the targets that poses are wanted of.

    Parameters
    ----------
    asked : str or sequence of str
        'best' (the first SCAN and the first AMN target that can be trusted), 'all' (that can), or names.
    targets, trusted : sequence of Target
        All, and those to be trusted; best first.

    Raises
    ------
    OptionError
        A name that no target has.
    """
    if asked == "all":
        return list(trusted)
    if asked == "best":
        found: dict[str, Target] = {}
        for target in trusted:
            found.setdefault(target.piece.network, target)
        return list(found.values())
    names = [asked] if isinstance(asked, str) else list(asked)
    known = {target.name.lower(): target for target in targets}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise OptionError(
            f"there is no target {', '.join(map(repr, unknown))}",
            fix=f"this person's targets are: {', '.join(target.name for target in targets) or 'none'}",
        )
    return [known[name.lower()] for name in names]


def aim_at(xyz_ras: FloatArray, network_map: NetworkMap, head: Head, *, rank: int) -> Target:
    """Make a target of a place.

    Parameters
    ----------
    xyz_ras : (3,) float ndarray
        mm, in the frame of the surfaces.
    network_map : NetworkMap
    head : Head
    rank : int

    Returns
    -------
    Target
        At the nearest vertex of the cortex, for the network there.

    Raises
    ------
    OptionError
        Far from the cortex, or where the map has no network.
    """
    anatomy, axis = head.anatomy, network_map.grayordinates
    nearest: list[tuple[float, Hemisphere, int, int]] = []
    for side in HEMISPHERES:
        vertices = axis.vertices(side)
        away = np.linalg.norm(anatomy.surface(side).vertices[vertices] - xyz_ras, axis=1)
        row = int(away.argmin())
        nearest.append((float(away[row]), side, int(vertices[row]), axis.rows(side).start + row))
    distance, side, vertex, at = min(nearest)
    if not distance <= _FARTHEST_MM:
        raise OptionError(
            f"the place {_mm(xyz_ras)} is {distance:.0f} mm from the cortex",
            fix=f"give RAS mm in the frame {anatomy.frame!r}",
        )
    label = int(network_map.label[at])
    if label == 0:
        raise OptionError(f"the map has no network at {_mm(xyz_ras)}", fix="choose a place in a network")
    network = network_map.names[list(map(int, network_map.keys)).index(label)]
    surface = anatomy.surface(side)
    xyz = surface.vertices[vertex]
    near = np.linalg.norm(surface.vertices - xyz, axis=1) <= _DISC_MM
    template = files.template_anatomy()
    piece = describe_piece(
        network_map,
        anatomy,
        template,
        vertices=np.flatnonzero(near & mask_of(network_map, network, side)),
        place=(f"coordinate in {network}", network, side),
    )
    xyz_mni = template.surface(side).vertices[vertex]
    entry = None if head.scalp is None else head.scalp.nearest(xyz)
    target = Target(
        rank=rank,
        piece=replace(piece, centre_vertex=vertex, centre_ras=xyz, centre_mni=xyz_mni),
        vertex=vertex,
        xyz_ras=xyz,
        xyz_mni=xyz_mni,
        score=float("nan"),
        terms={},
        reasons=(f"asked for: {_mm(xyz_ras)}, {distance:.1f} mm from the cortex",),
        neighbour_distance_mm={},
        sulcal_depth=float(anatomy.sulc[side][vertex]),
        entry_ras=None if entry is None else entry[0],
        scalp_distance_mm=None if entry is None else entry[2],
        tie=None if head.image is None else head.image.tie,
    )
    if entry is None or head.image is None:
        return target
    lay = Ranking.default().pose
    return replace(
        target,
        pose=geometric_pose(entry[0], entry[1], hemisphere=side, image=head.image, label=target.name, **lay),
    )


def _mm(xyz: FloatArray) -> str:
    return "(" + ", ".join(f"{value:+.1f}" for value in xyz) + ") mm"
