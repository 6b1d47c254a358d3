"""The cortex that the reader can turn: compact arrays for the script of the page."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from actionloop.figures import folds, legend_colours
from actionloop.files import SIDES
from actionloop.types import HEMISPHERES, Anatomy, NetworkMap, Target

_STEP_MM = 0.01  # vertices are rounded to this: far below what a screen shows
_GAP_MM = 6.0
_OUTWARD_MM = 8.0  # targets stand off the surface, or they would be half hidden in it


@cache
def packed_plotly() -> str:
    """Return plotly.js as base64 of gzip; a browser unpacks it without a network."""
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode("ascii")


def rotatable_view(anatomy: Anatomy, network_map: NetworkMap, targets: Sequence[Target] = ()) -> dict[str, Any]:
    """Pack both inflated hemispheres, labels and probabilities for the page.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    targets : sequence of Target

    Returns
    -------
    dict
        Plain values for JSON; arrays as base64 of gzip of little-endian bytes.
    """
    colours = legend_colours(network_map)
    layers = [name for name in ("SCAN", "AMN") if name in network_map.names]
    rows = {name: network_map.probability[network_map.names.index(name)] for name in layers}
    index = {int(key): i + 1 for i, key in enumerate(network_map.keys)}
    label = np.array([index.get(int(key), 0) for key in network_map.label], dtype=np.uint8)
    winning = np.where(label > 0, network_map.probability[np.maximum(label, 1) - 1, np.arange(len(label))], 0)
    hemispheres = []
    shift: dict[str, float] = {}
    for side in HEMISPHERES:
        surface = anatomy.surface(side, "inflated")
        points = np.array(surface.vertices)
        edge = points[:, 0].max() if side == "L" else points[:, 0].min()
        shift[side] = (-_GAP_MM / 2 if side == "L" else _GAP_MM / 2) - edge
        points[:, 0] += shift[side]
        inside = network_map.grayordinates.to_mesh(np.ones(len(label), dtype=np.uint8), side)
        spread = network_map.grayordinates.to_mesh
        hemispheres.append(
            {
                "name": SIDES[side],
                "vertices": _pack(np.round(points / _STEP_MM).astype("<i2").T),
                "faces": _pack(surface.faces.astype("<u2").T),  # an Anatomy has 32,492 vertices a side
                "label": _pack(np.where(inside == 1, spread(label, side), 255).astype(np.uint8)),
                "fold": _pack(_percent(0.5 + 0.5 * folds(anatomy.sulc[side]))),
                "winning": _pack(_percent(spread(winning, side))),
                "layers": [_pack(_percent(spread(rows[name], side))) for name in layers],
            }
        )
    return {
        "step": _STEP_MM,
        "names": ["no network", *network_map.names],
        "colours": ["#c9c9c6", *(colours[name] for name in network_map.names)],
        "layers": layers,
        "hemispheres": hemispheres,
        "targets": [_marker(anatomy, target, shift) for target in targets],
    }


def _marker(anatomy: Anatomy, target: Target, shift: Mapping[str, float]) -> dict[str, Any]:
    side = target.piece.hemisphere
    surface = anatomy.surface(side, "inflated")
    at = surface.vertices[target.vertex]
    outward = at - surface.vertices.mean(axis=0)
    outward = outward / max(float(np.linalg.norm(outward)), 1e-9)
    at = at + _OUTWARD_MM * outward + np.array([shift[side], 0, 0])
    return {"rank": target.rank, "name": f"{target.piece.name}, {SIDES[side]}", "at": [round(float(v), 1) for v in at]}


def _percent(values: Any) -> Any:
    return np.round(100 * np.clip(np.asarray(values, dtype=float), 0, 1)).astype(np.uint8)


def _pack(values: Any) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(values).tobytes(), 9, mtime=0)).decode("ascii")
