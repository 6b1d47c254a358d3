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
from actionloop.report.coil import CoiledHead, PlacedCoil
from actionloop.types import HEMISPHERES, SIDES, Anatomy, FloatArray, IntArray, NetworkMap, Target

_STEP_MM = 0.01  # vertices are rounded to this: far below what a screen shows
_GAP_MM = 6.0
_HEAD_STEP_MM = 0.1
_SCALP_MM, _LOWEST_MM = 6.0, 190.0  # edge of what is drawn of the scalp, and how far below the top it goes
_OUTWARD_MM = 8.0  # targets stand off the surface, or they would be half hidden in it


@cache
def packed_plotly() -> str:
    """Return plotly.js as base64 of gzip; a browser unpacks it without a network."""
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode("ascii")


def rotatable_view(
    anatomy: Anatomy, network_map: NetworkMap, targets: Sequence[Target] = (), *, head: CoiledHead | None = None
) -> dict[str, Any]:
    """Pack both inflated hemispheres, labels and probabilities for the page.

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    targets : sequence of Target
    head : CoiledHead, optional
        Scalp and coils, shown around the pial surfaces.

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
        "head": None if head is None else _head(anatomy, head),
    }


def _head(anatomy: Anatomy, head: CoiledHead) -> dict[str, Any]:
    """Pial surfaces (faces as of the inflated ones), a coarse scalp, and lines of the coils; RAS mm."""
    vertices, faces = _coarse(np.asarray(head.vertices), np.asarray(head.faces))
    pial = [np.round(anatomy.surface(side, "pial").vertices / _HEAD_STEP_MM).astype("<i2").T for side in HEMISPHERES]
    return {
        "step": _HEAD_STEP_MM,
        "pial": [_pack(points) for points in pial],
        "scalp": {
            "vertices": _pack(np.round(vertices / _HEAD_STEP_MM).astype("<i2").T),
            "faces": _pack(faces.astype("<u2").T),
        },
        "coils": [_coil(coil) for coil in head.coils],
    }


def _coil(coil: PlacedCoil) -> dict[str, Any]:
    def rounded(points: FloatArray) -> list[list[float]]:
        return [[round(float(value), 1) for value in point] for point in np.atleast_2d(points)]

    outward = np.asarray(coil.middle) - np.asarray(coil.aim)
    outward = outward / max(float(np.linalg.norm(outward)), 1e-9)
    return {
        "mark": coil.mark,
        "name": coil.name,
        "side": SIDES[coil.hemisphere],
        "colour": coil.colour,
        "lines": [rounded(line) for line in coil.lines],
        "handle": rounded(coil.handle),
        "middle": rounded(coil.middle)[0],
        "aim": rounded(np.asarray(coil.aim) + _OUTWARD_MM * outward)[0],
    }


def _coarse(vertices: FloatArray, faces: IntArray) -> tuple[FloatArray, IntArray]:
    """Join the vertices of each cube of a lattice; what falls together is left out, and so is the neck."""
    faces = faces[(vertices[faces][:, :, 2] > vertices[:, 2].max() - _LOWEST_MM).all(axis=1)]
    used, faces = np.unique(faces, return_inverse=True)
    vertices, faces = vertices[used], faces.reshape(-1, 3)
    edge = _SCALP_MM
    while True:
        cubes = np.floor((vertices - vertices.min(axis=0)) / edge).astype(np.int64)
        _, cube = np.unique(cubes, axis=0, return_inverse=True)
        cube = cube.ravel()
        n = int(cube.max()) + 1
        if n <= np.iinfo(np.uint16).max:
            break
        edge *= 1.5
    summed = np.stack([np.bincount(cube, vertices[:, i], n) for i in range(3)], axis=1)
    middle = summed / np.bincount(cube, minlength=n)[:, None]
    kept = cube[faces]
    kept = kept[(kept[:, 0] != kept[:, 1]) & (kept[:, 1] != kept[:, 2]) & (kept[:, 2] != kept[:, 0])]
    _, first = np.unique(np.sort(kept, axis=1), axis=0, return_index=True)
    return middle, kept[np.sort(first)]


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
