"""Rows of the exported tables, made from what the science rooms return; the columns stand in data/outputs.toml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.files.outputs import columns
from actionloop.types import SIDES, FloatArray, Hemisphere, NetworkMap, Piece, SiteReading, Target


def network_rows(network_map: NetworkMap, areas_mm2: Mapping[Hemisphere, FloatArray]) -> list[dict[str, Any]]:
    """One row per network: area per hemisphere, mean probability and confidence over its members.

    Parameters
    ----------
    network_map : NetworkMap
    areas_mm2 : mapping of hemisphere to (vertex,) float ndarray
        Vertex areas of the midthickness, mm².
    """
    axis = network_map.grayordinates
    area = np.zeros(len(axis))
    area[: axis.n_cortex] = axis.from_mesh(np.asarray(areas_mm2["L"]), np.asarray(areas_mm2["R"]))
    rows = []
    for index, name in enumerate(network_map.names):
        members = network_map.members(name)
        per_side = {side: members[axis.rows(side)] @ area[axis.rows(side)] for side in SIDES}
        any_member = bool(members.any())
        rows.append(
            {
                "network": name,
                "key": int(network_map.keys[index]),
                "colour": "#" + "".join(f"{round(255 * float(c)):02x}" for c in network_map.colours[index]),
                "area_left": float(per_side["L"]),
                "area_right": float(per_side["R"]),
                "mean_probability": float(network_map.probability[index, members].mean()) if any_member else None,
                "mean_confidence": float(network_map.confidence[members].mean()) if any_member else None,
            }
        )
    return rows


def node_rows(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """One row per SCAN node or AMN region."""
    return [
        {
            "name": f"{piece.name} {piece.hemisphere}",
            "network": piece.network,
            "side": SIDES[piece.hemisphere],
            **_xyz(piece.centre_ras),
            **_xyz(piece.centre_mni, "{}_mni"),
            **_xyz(piece.peak_ras, "peak_{}"),
            **_xyz(piece.peak_mni, "peak_{}_mni"),
            "area": piece.area_mm2,
            "mean_probability": piece.mean_probability,
            "peak_probability": piece.peak_probability,
            "mean_confidence": piece.mean_confidence,
            "depth": piece.depth_mm,
            "centre_vertex": piece.centre_vertex,
            "peak_vertex": piece.peak_vertex,
        }
        for piece in pieces
    ]


def target_rows(
    targets: Sequence[Target], verdicts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """One row per target, best first.

    Parameters
    ----------
    targets : sequence of Target
    verdicts : mapping of str to mapping, optional
        By the name of a target, what fills the columns from 'verdict' on; n/a in all of them otherwise.
    """
    names = list(columns("targets"))
    blank = dict.fromkeys(names[names.index("verdict") :])
    judged = verdicts or {}
    return [
        {
            "rank": target.rank,
            "name": target.name,
            "network": target.piece.network,
            "side": SIDES[target.piece.hemisphere],
            **_xyz(target.xyz_ras),
            **_xyz(target.xyz_mni, "{}_mni"),
            "score": target.score,
            "probability": target.piece.peak_probability,
            "mean_probability": target.piece.mean_probability,
            "confidence": target.piece.mean_confidence,
            "area": target.piece.area_mm2,
            "sulcal_depth": target.sulcal_depth,
            "scalp_distance": target.scalp_distance_mm,
            **_xyz(target.entry_ras, "entry_{}"),
            "vertex": target.vertex,
            "neighbours": _distances(target.neighbour_distance_mm),
            "sites": _distances(target.site_distance_mm),
            "pose": None if target.pose is None else target.pose.note or target.pose.label,
            "reasons": "; ".join(target.reasons),
            **blank,
            **judged.get(target.name, {}),
        }
        for target in sorted(targets, key=lambda target: target.rank)
    ]


def site_rows(sites: Sequence[SiteReading], targets: Sequence[Target] = ()) -> list[dict[str, Any]]:
    """One row per conventional site, with the best-ranked target of the same side and the distance to it."""
    rows = []
    for site in sites:
        same_side = [target for target in targets if target.piece.hemisphere == site.hemisphere]
        best = min(same_side, key=lambda target: target.rank, default=None)
        away = None if best is None else float(np.linalg.norm(np.asarray(best.xyz_ras) - np.asarray(site.xyz_ras)))
        rows.append(
            {
                "site": site.site,
                "side": SIDES[site.hemisphere],
                "network": site.network,
                "probability": site.network_probability,
                **_xyz(site.xyz_ras),
                **_xyz(site.xyz_mni, "{}_mni"),
                "best_target": None if best is None else best.name,
                "best_target_distance": away,
                "source": site.source,
            }
        )
    return rows


def table_sidecar(table: str, *, frame: str, **more: Any) -> dict[str, Any]:
    """Return the JSON sidecar of a table: notice, sides, frame, meaning and unit of each column.

    Parameters
    ----------
    table : str
        'targets', 'nodes', 'sites' or 'networks'.
    frame : str
        Frame of x, y and z, for example 'sub-01 T1w (scanner)'.
    **more
        Further entries.
    """
    return {
        "Notice": facts.notice(),
        "Sides": facts.load("outputs")["dataset"]["sides"],
        "Frame": frame,
        **more,
        **columns(table),
    }


def _xyz(point: FloatArray | None, pattern: str = "{}") -> dict[str, float | None]:
    # A thousandth of a millimetre is far below what any of this knows, and keeps the tables readable.
    return {pattern.format(axis): None if point is None else round(float(point[i]), 3) for i, axis in enumerate("xyz")}


def _distances(distances: Mapping[str, float]) -> str:
    return "; ".join(f"{name} {distance:.1f}" for name, distance in distances.items())
