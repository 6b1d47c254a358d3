"""One phantom person: where the networks truly lie, and which parts of them have signals of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import connected_pieces, piece_centre
from actionloop.errors import PriorError
from actionloop.phantom.group import (
    Ball,
    GroupMap,
    Patch,
    area_names,
    group_map,
    local_axes,
    nearest,
    paint,
    voxel_label,
)
from actionloop.phantom.template import template
from actionloop.phantom.warp import Warp, WarpScale, draw_warp, on_sphere, random_field
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Hemisphere, IntArray


@dataclass(frozen=True, eq=False)
class TrueNode:
    """One true piece of SCAN or AMN on the cortex.

    Attributes
    ----------
    name : str
        E.g. 'SCAN middle', 'AMN dlPFC 1'.
    network : str
    hemisphere : {'L', 'R'}
    vertex : int
        Nearest the area-weighted centroid.
    xyz_mni : (3,) float64 ndarray
        mm on the template midthickness.
    area_mm2 : float
    """

    name: str
    network: str
    hemisphere: Hemisphere
    vertex: int
    xyz_mni: FloatArray
    area_mm2: float


@dataclass(frozen=True, eq=False)
class PhantomPerson:
    """A person whose networks are known.

    Attributes
    ----------
    names : tuple of str
    keys : (network,) int64 ndarray
    colours : (network, 3) float64 ndarray
    truth : (91282,) int64 ndarray
        Key of each grayordinate; 0 is no network.
    part : (91282,) int64 ndarray
        Part of a network with a signal of its own; -1 without network. A part of the left hemisphere and the one
        opposite have neighbouring numbers (2 k and 2 k + 1).
    nodes : tuple of TrueNode
    kind : {'drawn', 'given'}
        Drawn from the group map, or a map that was given.
    trait_seed : int
        For what stays the same over the sessions beside the networks.
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    truth: IntArray
    part: IntArray
    nodes: tuple[TrueNode, ...]
    kind: Literal["drawn", "given"]
    trait_seed: int

    def key(self, name: str) -> int:
        """Label value of a network."""
        if name not in self.names:
            raise PriorError(f"the true map has no network {name!r} (it has {', '.join(self.names)})")
        return int(self.keys[self.names.index(name)])


def draw_person(rng: Generator, *, group: GroupMap | None = None) -> PhantomPerson:
    """Draw a person from the group map.

    A smooth flow along the sphere moves every border; SCAN nodes are moved once more along and across the strip and
    vary in size and outline; the prefrontal islands of the action-mode network are dropped, split and moved;
    small islands of other networks are scattered outside the somatomotor strip. data/phantom.toml says how much.

    Parameters
    ----------
    rng : Generator
    group : GroupMap, optional

    Returns
    -------
    PhantomPerson

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    group = group or group_map()
    settings = facts.load("phantom")["person"]
    axis = template().grayordinates
    meshes: dict[Hemisphere, IntArray] = {}
    painted: list[tuple[Patch, Any]] = []
    for hemisphere in HEMISPHERES:
        meshes[hemisphere], drawn = _draw_hemisphere(hemisphere, group, settings, rng)
        painted += drawn
    balls = tuple(_moved_ball(ball, float(settings["node"]["voxel_sd_mm"]), rng) for ball in group.balls)
    keys = dict(zip(group.names, group.keys.tolist(), strict=True))
    truth = np.concatenate([axis.cortex().from_mesh(meshes["L"], meshes["R"]), voxel_label(balls, keys)])
    nodes = (*_painted_nodes(painted, truth, group.key("SCAN")), *_pieces(truth, "AMN", group.key("AMN")))
    part, seed = _parts(truth, rng), int(rng.integers(2**31))
    return PhantomPerson(group.names, group.keys, group.colours, truth, part, nodes, "drawn", seed)


def given_person(
    truth: IntArray, *, names: tuple[str, ...], keys: IntArray, colours: FloatArray, rng: Generator
) -> PhantomPerson:
    """Make a person whose truth is a given map, unchanged; only the parts of the networks differ by `rng`.

    Parameters
    ----------
    truth : (91282,) int ndarray
    names, keys, colours
        Of the networks; 'SCAN' and 'AMN' among the names.
    rng : Generator

    Returns
    -------
    PhantomPerson

    Raises
    ------
    PriorError
        Wrong number of rows, or no SCAN or AMN on the cortex.
    """
    axis = template().grayordinates
    truth = np.asarray(truth, dtype=np.int64)
    if truth.shape != (len(axis),):
        raise PriorError(f"expected a true map of {len(axis)} rows, found {truth.shape}")
    truth = np.where(np.isin(truth, keys), truth, 0)
    person = PhantomPerson(names, keys, colours, truth, _parts(truth, rng), (), "given", int(rng.integers(2**31)))
    nodes: list[TrueNode] = []
    for name in ("SCAN", "AMN"):
        found = _pieces(truth, name, person.key(name))
        if not found:
            raise PriorError(f"the true map has no {name} on the cortex")
        nodes += found
    return replace(person, nodes=tuple(nodes))


def _draw_hemisphere(
    hemisphere: Hemisphere, group: GroupMap, settings: Mapping[str, Any], rng: Generator
) -> tuple[IntArray, list[tuple[Patch, Any]]]:
    side = template().sides[hemisphere]
    vertices = side.sphere.vertices
    mean_scale = float(np.sqrt((side.scale**2).mean()))
    scales = [WarpScale(s["rms_mm"] / mean_scale, s["fwhm_mm"] / mean_scale) for s in settings["warp"]]
    warp = draw_warp(vertices, scales, rng=rng)
    ground = group.ground[hemisphere][cKDTree(vertices).query(warp.backward(vertices))[1]]
    variants = list(_variants(hemisphere, group, settings["variants"], rng))
    strip = np.isin(ground, [group.key(name) for name in ("foot", "hand", "mouth")])
    mesh = np.where(strip, ground, paint(ground, variants))
    islands = list(_islands(hemisphere, group, warp, settings["island"], rng))
    nodes = [_moved_node(node, warp, settings["node"], rng) for node in group.nodes if node.hemisphere == hemisphere]
    # Outlines: noise a third as wide as a node is long, in shares of its half axis.
    noise = random_field(vertices, fwhm_mm=8.0 / mean_scale, n=len(nodes), rng=rng) * settings["node"]["border"]
    border = {node.name: noise[:, i] for i, node in enumerate(nodes)}
    mesh = paint(mesh, islands)
    painted = []
    for node in nodes:
        after = paint(mesh, [node], border=border)
        only = np.zeros(len(mesh), dtype=np.int64)
        painted.append((node, paint(only, [node], border=border) > 0))
        mesh = after
    return mesh, painted


def _moved_node(node: Patch, warp: Warp, settings: Mapping[str, Any], rng: Generator) -> Patch:
    side = template().sides[node.hemisphere]
    centre = warp.forward(node.centre[None])[0]
    along, across = local_axes(node.hemisphere, centre)
    scale = side.scale[nearest(side, centre)]
    shift = rng.normal(0, [settings["along_sd_mm"], settings["across_sd_mm"]]) / scale
    size = np.exp(rng.normal(0, settings["size_sd"], 2))
    half_axes = (node.half_axes_mm[0] * float(size[0]), node.half_axes_mm[1] * float(size[1]))
    moved = on_sphere(centre + shift[0] * along + shift[1] * across)
    return Patch(node.name, node.key, node.hemisphere, moved, half_axes)


def _islands(
    hemisphere: Hemisphere, group: GroupMap, warp: Warp, settings: Mapping[str, Any], rng: Generator
) -> Iterator[Patch]:
    side = template().sides[hemisphere]
    whole = group.whole_islands[hemisphere]
    centre = warp.forward(on_sphere(side.sphere.vertices[whole].mean(axis=0))[None])[0]
    scale = side.scale[nearest(side, centre)]
    first, second = local_axes(hemisphere, centre)
    chance = rng.random()
    count = 0 if chance < settings["drop"] else 2 if chance < settings["drop"] + settings["split"] else 1
    apart = rng.random() * 2 * np.pi
    for i in range(count):
        shift = rng.normal(0, settings["moved_sd_mm"], 2)
        if count == 2:
            shift += (i - 0.5) * settings["apart_mm"] * np.array([np.cos(apart), np.sin(apart)])
        place = on_sphere(centre + (shift[0] * first + shift[1] * second) / scale)
        low, high = settings["half_axis_mm"]
        half_axes = rng.uniform(low, high, 2) / np.sqrt(count)
        yield Patch(f"island {i + 1}", group.key("AMN"), hemisphere, place, (float(half_axes[0]), float(half_axes[1])))


def _variants(hemisphere: Hemisphere, group: GroupMap, settings: Mapping[str, Any], rng: Generator) -> Iterator[Patch]:
    vertices = template().sides[hemisphere].sphere.vertices[template().grayordinates.vertices(hemisphere)]
    keys = [int(k) for n, k in zip(group.names, group.keys, strict=True) if n not in ("SCAN", "foot", "hand", "mouth")]
    for i in range(int(settings["per_hemisphere"])):
        low, high = settings["half_axis_mm"]
        half_axes = rng.uniform(low, high, 2)
        centre = vertices[rng.integers(len(vertices))]
        axes = (float(half_axes[0]), float(half_axes[1]))
        yield Patch(f"variant {i + 1}", int(rng.choice(keys)), hemisphere, centre, axes)


def _moved_ball(ball: Ball, sd_mm: float, rng: Generator) -> Ball:
    return Ball(ball.name, ball.key, ball.hemisphere, ball.centre + rng.normal(0, sd_mm, 3), ball.radius_mm)


def _painted_nodes(painted: list[tuple[Patch, Any]], truth: IntArray, key: int) -> list[TrueNode]:
    axis = template().grayordinates.cortex()
    found = []
    for i, (patch, mask) in enumerate(painted):
        later = [m for p, m in painted[i + 1 :] if p.hemisphere == patch.hemisphere]
        own = mask & (axis.to_mesh(truth[: len(axis)], patch.hemisphere) == key)
        for other in later:
            own &= ~other
        if own.any():
            pieces = connected_pieces(own, template().sides[patch.hemisphere].neighbours)
            found.append(_node(patch.name, "SCAN", patch.hemisphere, pieces[0]))
    return found


def _pieces(truth: IntArray, network: str, key: int) -> list[TrueNode]:
    """List the connected pieces of a network, largest first on each side, named by where they lie."""
    data = facts.load("phantom")
    axis = template().grayordinates.cortex()
    found: list[TrueNode] = []
    for hemisphere in HEMISPHERES:
        side = template().sides[hemisphere]
        count: dict[str, int] = {}
        for piece in connected_pieces(axis.to_mesh(truth[: len(axis)], hemisphere) == key, side.neighbours):
            if side.area_mm2[piece].sum() < data["nodes"]["least_area_mm2"]:
                continue
            vertex = piece_centre(side.sphere, piece, area_mm2=side.area_mm2)
            name = _place_name(network, hemisphere, vertex)
            count[name] = count.get(name, 0) + 1
            numbered = f"{name} {count[name]}" if network == "AMN" or count[name] > 1 else name
            found.append(_node(numbered, network, hemisphere, piece))
    return found


def _place_name(network: str, hemisphere: Hemisphere, vertex: int) -> str:
    data = facts.load("phantom")
    if network == "AMN":
        inside = area_names(hemisphere)[vertex] in data["nodes"]["dlpfc"]
        return "AMN dlPFC" if inside else "AMN"
    xyz = template().sides[hemisphere].midthickness.vertices[vertex]
    peaks = {e["name"]: np.array(e[SIDES[hemisphere]]) for e in data["scan"]["node"]}
    return str(min(peaks, key=lambda name: float(np.linalg.norm(peaks[name] - xyz))))


def _node(name: str, network: str, hemisphere: Hemisphere, piece: IntArray) -> TrueNode:
    side = template().sides[hemisphere]
    vertex = int(piece_centre(side.sphere, piece, area_mm2=side.area_mm2))
    xyz = side.midthickness.vertices[vertex].astype(np.float64)
    return TrueNode(name, network, hemisphere, vertex, xyz, float(side.area_mm2[piece].sum()))


def _parts(truth: IntArray, rng: Generator) -> IntArray:
    """Cut every network into parts; opposite places of the two hemispheres get numbers 2 k and 2 k + 1."""
    axis = template().grayordinates
    side = template().sides["L"]
    count = round(float(side.area_mm2.sum()) / facts.load("phantom")["parts"]["area_mm2"])
    # Seeds are vertex numbers, which stand for corresponding places in both hemispheres.
    seeds = rng.choice(axis.left, count, replace=False)
    cell = np.asarray(cKDTree(side.midthickness.vertices[seeds]).query(side.midthickness.vertices)[1])
    place = np.concatenate([cell[axis.left], cell[axis.right], np.full(len(axis) - axis.n_cortex, count)])
    right = np.zeros(len(axis), dtype=bool)
    right[axis.rows("R")] = True
    right[axis.n_cortex :] = template().voxel_xyz[:, 0] > 0
    named = truth > 0
    part = np.full(len(axis), -1, dtype=np.int64)
    _, number = np.unique(truth[named] * (count + 1) + place[named], return_inverse=True)
    part[named] = 2 * number + right[named]
    return part
