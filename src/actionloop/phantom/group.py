"""The group map that people are drawn from, built from cortical areas and not from the default prior's ingredients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import Geodesic
from actionloop.errors import ResourceError
from actionloop.files import atlas, network_colour
from actionloop.phantom.template import Side, template
from actionloop.phantom.warp import on_sphere
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Hemisphere, IntArray


@dataclass(frozen=True, eq=False)
class Patch:
    """An ellipse on the cortex: a SCAN node or an island.

    Attributes
    ----------
    name : str
    key : int
        Network it belongs to.
    hemisphere : {'L', 'R'}
    centre : (3,) float ndarray
        On the sphere of radius 100 mm.
    half_axes_mm : (float, float)
        Along and across the somatomotor strip, mm on the midthickness.
    """

    name: str
    key: int
    hemisphere: Hemisphere
    centre: FloatArray
    half_axes_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball of voxels that belongs to a network; `centre` in RAS mm (MNI)."""

    name: str
    key: int
    hemisphere: Hemisphere
    centre: FloatArray
    radius_mm: float


@dataclass(frozen=True, eq=False)
class GroupMap:
    """The group map, in layers: networks, then islands, then SCAN nodes; below the cortex structures, then balls.

    Attributes
    ----------
    names : tuple of str
    keys : (network,) int64 ndarray
    colours : (network, 3) float64 ndarray
    ground : mapping of hemisphere to (vertex,) int64 ndarray
        Networks without SCAN nodes and islands, over the whole mesh (carried on into the medial wall, so that a
        moved border never meets a hole).
    whole_islands : mapping of hemisphere to (vertex,) bool ndarray
        The islands of the group.
    nodes : tuple of Patch
    balls : tuple of Ball
    label : (91282,) int64 ndarray
        All layers together; 0 is no network.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    ground: Mapping[Hemisphere, IntArray]
    whole_islands: Mapping[Hemisphere, Any]
    nodes: tuple[Patch, ...]
    balls: tuple[Ball, ...]
    label: IntArray

    def key(self, name: str) -> int:
        """Label value of a network."""
        return int(self.keys[self.names.index(name)])


@cache
def group_map() -> GroupMap:
    """Build the group map.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    data = facts.load("phantom")
    keys = {entry["name"]: int(entry["key"]) for entry in [*data["network"], *data["somatomotor"]["effector"]]}
    keys["SCAN"] = int(data["scan"]["key"])
    areas = {h: area_names(h) for h in HEMISPHERES}
    ground = {h: _ground(h, areas[h], keys) for h in HEMISPHERES}
    islands = {h: areas[h] == data["island"]["area"] for h in HEMISPHERES}
    nodes = tuple(_node(entry, h, keys["SCAN"], i) for i, entry in enumerate(data["scan"]["node"]) for h in HEMISPHERES)
    balls = tuple(
        Ball(entry["name"], keys[entry["network"]], h, _place(entry, h), float(entry["radius_mm"]))
        for entry in data["subcortex"]["ball"]
        for h in HEMISPHERES
    )
    meshes = {}
    for h in HEMISPHERES:
        mesh = np.where(islands[h], keys["AMN"], ground[h])
        meshes[h] = paint(mesh, [node for node in nodes if node.hemisphere == h])
    axis = template().grayordinates
    label = np.concatenate([axis.cortex().from_mesh(meshes["L"], meshes["R"]), voxel_label(balls, keys)])
    names = tuple(sorted(keys, key=lambda name: keys[name]))
    return GroupMap(
        names,
        np.array([keys[name] for name in names], dtype=np.int64),
        np.array([network_colour(name) for name in names]),
        ground,
        islands,
        nodes,
        balls,
        label,
    )


def paint(mesh: IntArray, patches: list[Patch], *, border: Mapping[str, FloatArray] | None = None) -> IntArray:
    """Lay patches over a hemisphere's labels.

    Parameters
    ----------
    mesh : (vertex,) int ndarray
    patches : list of Patch
        All of one hemisphere; later ones lie on top.
    border : mapping of patch name to (vertex,) float ndarray, optional
        Added to the distance from the centre (in half axes) before it is cut at 1: an irregular border.

    Returns
    -------
    (vertex,) int64 ndarray
    """
    painted = mesh.copy()
    for patch in patches:
        side = template().sides[patch.hemisphere]
        along, across = local_axes(patch.hemisphere, patch.centre)
        offset = side.sphere.vertices - patch.centre
        near = np.linalg.norm(offset, axis=1) < 60
        scale = side.scale[nearest(side, patch.centre)]
        distance = np.hypot(
            offset @ along * scale / patch.half_axes_mm[0], offset @ across * scale / patch.half_axes_mm[1]
        )
        if border is not None and patch.name in border:
            distance = distance + border[patch.name]
        painted[near & (distance < 1)] = patch.key
    return painted


def local_axes(hemisphere: Hemisphere, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return unit vectors of the sphere at a point: along the somatomotor strip (foot to mouth), and across it."""
    foot, mouth = (_effector_centre(name, hemisphere) for name in ("foot", "mouth"))
    normal = centre / np.linalg.norm(centre)
    along = mouth - foot
    along = along - (along @ normal) * normal
    along /= np.linalg.norm(along)
    return along, np.cross(normal, along)


def nearest(side: Side, point: FloatArray) -> int:
    """Vertex nearest to a point of the sphere."""
    return int(np.argmin(((side.sphere.vertices - point) ** 2).sum(axis=1)))


def voxel_label(balls: tuple[Ball, ...], keys: Mapping[str, int]) -> IntArray:
    """Label the voxels: structures first, balls over them; shape (voxel,)."""
    voxels = template().grayordinates.voxels
    xyz = template().voxel_xyz
    label = np.zeros(len(xyz), dtype=np.int64)
    if voxels is None:
        return label
    for structure, network in facts.load("phantom")["subcortex"]["structures"].items():
        label[np.char.startswith(voxels.structure.astype(str), f"CIFTI_STRUCTURE_{structure}")] = keys[network]
    for ball in balls:
        inside = np.linalg.norm(xyz - ball.centre, axis=1) <= ball.radius_mm
        if not inside.any():  # the peak lies just outside the structures of the axis
            inside = np.linalg.norm(xyz - ball.centre, axis=1) <= ball.radius_mm + 2
        label[inside & (np.sign(xyz[:, 0]) == np.sign(ball.centre[0]))] = ball.key
    return label


@cache
def area_names(hemisphere: Hemisphere) -> Any:
    """Name of the cortical area of each vertex of the mesh; '' outside."""
    label, names = atlas("mmp")
    table = np.full(max(names) + 1, "", dtype="<U16")
    for key, name in names.items():
        table[key] = name.split("_", 1)[1]
    return template().grayordinates.cortex().to_mesh(table[label], hemisphere, fill="")


def _ground(hemisphere: Hemisphere, areas: Any, keys: Mapping[str, int]) -> IntArray:
    data = facts.load("phantom")
    effectors = data["somatomotor"]["effector"]
    of_area = {area: keys[entry["name"]] for entry in [*data["network"], *effectors] for area in entry["areas"]}
    of_area[data["island"]["area"]] = keys[data["island"]["around"]]
    strip = set(data["somatomotor"]["split"])
    unknown = set(np.unique(areas)) - set(of_area) - strip - {""}
    if unknown or (set(of_area) | strip) - set(np.unique(areas)):
        raise ResourceError(f"the areas do not fit the network table of the phantom: {', '.join(sorted(unknown))}")
    label = np.array([of_area.get(area, 0) for area in areas.tolist()], dtype=np.int64)
    side = template().sides[hemisphere]
    geodesic = Geodesic(side.midthickness)
    distance = [geodesic.from_vertices(_vertex(entry, hemisphere)) for entry in effectors]
    winner = np.array([int(entry["key"]) for entry in effectors])[np.argmin(distance, axis=0)]
    label = np.where(np.isin(areas, list(strip)), winner, label)
    known = label > 0
    from_known = cKDTree(side.sphere.vertices[known]).query(side.sphere.vertices[~known])[1]
    label[~known] = label[known][from_known]
    return label


def _node(entry: Mapping[str, Any], hemisphere: Hemisphere, key: int, index: int) -> Patch:
    data = facts.load("phantom")["scan"]
    rng = np.random.default_rng([int(data["group_seed"]), index, HEMISPHERES.index(hemisphere)])
    side = template().sides[hemisphere]
    vertex = _vertex(entry, hemisphere)
    centre = side.sphere.vertices[vertex]
    along, across = local_axes(hemisphere, centre)
    shift = rng.normal(0, float(data["group_jitter_mm"]), 2) / side.scale[vertex]
    moved = on_sphere(centre + shift[0] * along + shift[1] * across)
    half_axes = entry["half_axes_mm"]
    return Patch(entry["name"], key, hemisphere, moved, (float(half_axes[0]), float(half_axes[1])))


def _place(entry: Mapping[str, Any], hemisphere: Hemisphere) -> FloatArray:
    return np.array(entry[SIDES[hemisphere]], dtype=np.float64)


def _vertex(entry: Mapping[str, Any], hemisphere: Hemisphere) -> int:
    """Cortical vertex of the midthickness nearest to an entry's coordinate."""
    rows = template().grayordinates.vertices(hemisphere)
    points = template().sides[hemisphere].midthickness.vertices[rows]
    return int(rows[np.argmin(((points - _place(entry, hemisphere)) ** 2).sum(axis=1))])


@cache
def _effector_centre(name: str, hemisphere: Hemisphere) -> FloatArray:
    entry = next(e for e in facts.load("phantom")["somatomotor"]["effector"] if e["name"] == name)
    return np.asarray(template().sides[hemisphere].sphere.vertices[_vertex(entry, hemisphere)])
