"""Targets on a synthetic pair of hemispheres with known pieces, on the S1200 brain and on one real map."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.brain import Geodesic, Scalp, sphere_triangles, vertex_areas
from actionloop.errors import GeometryError, OptionError, ResourceError
from actionloop.networks import amn_regions, describe_piece, scan_nodes
from actionloop.targets import (
    Pain,
    Ranking,
    conventional_sites,
    geometric_pose,
    piece_depths,
    rank_targets,
    read_sites,
)
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, Image, NetworkMap, Surface

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
N = 32_492
NAMES = ("SCAN", "AMN", "foot", "hand", "mouth", "other")
KEYS = np.arange(1, 7)
MIDDLE, RADII = np.array([35.0, -15.0, 15.0]), np.array([33.0, 75.0, 50.0])
MIRROR = np.array([-1.0, 1.0, 1.0])
SHA = "cd" * 32
IMAGE = Image(np.zeros((2, 2, 2)), np.eye(4), "synthetic", "", SHA, (1, 1))


def fibonacci(n):
    step = np.arange(n) + 0.5
    polar, around = np.arccos(1 - 2 * step / n), np.pi * (1 + 5**0.5) * step
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)


@pytest.fixture(scope="module")
def right_mesh():
    """Right hemisphere as an ellipsoid."""
    unit = fibonacci(N)
    return unit * RADII + MIDDLE, sphere_triangles(unit)


def make_anatomy(right_mesh, *, sulc=None, move=lambda p: p):
    points, faces = right_mesh
    surfaces = {}
    for side, sign in (("L", MIRROR), ("R", np.ones(3))):
        for kind in ("white", "pial", "midthickness", "inflated"):
            turned = faces if side == "R" else faces[:, ::-1]
            surfaces[side, kind] = Surface(move(points * sign), turned, side, kind, "synthetic")
    depth = np.sin(points[:, 1] / 4) if sulc is None else sulc
    return Anatomy(surfaces, {"L": depth, "R": depth}, "synthetic", True, "ellipsoids")


def angle(points):
    """Angle around the y axis from straight up towards lateral, degrees."""
    return np.degrees(np.arctan2(np.abs(points[:, 0]) - MIDDLE[0], points[:, 2] - MIDDLE[2]))


# Along the strip from the midline down: territory and where it begins, degrees.
STRIP = ((-40, 3), (-15, 1), (5, 4), (30, 1), (55, 5), (80, 1), (105, 6))
NODES = {"SCAN superior": (-15, 5), "SCAN middle": (30, 55), "SCAN inferior": (80, 105)}


def hemisphere_labels(points):
    label = np.full(len(points), 6)
    strip = np.abs(points[:, 1] + 20) < 11
    for begin, key in STRIP:
        label[strip & (angle(points) > begin)] = key
    label[np.linalg.norm(points - [62, 35, 32], axis=1) < 14] = 2  # dlPFC
    label[np.linalg.norm(points - [66, -5, -5], axis=1) < 12] = 2  # insula, say
    label[np.linalg.norm(points - [3, -10, 25], axis=1) < 9] = 1  # medial wall
    return label


@pytest.fixture(scope="module")
def network_map(right_mesh):
    label = hemisphere_labels(right_mesh[0])
    axis = Grayordinates(np.arange(N), np.arange(N))
    return as_map(np.concatenate([label, label]), axis)


def as_map(label, axis, names=NAMES, keys=KEYS):
    probability = np.full((len(names), len(label)), 0.02, np.float32)
    for row, key in enumerate(keys):
        probability[row, label == key] = 0.8
    return NetworkMap(
        names,
        keys,
        np.zeros((len(names), 3)),
        probability,
        label,
        np.full(len(label), 0.7, np.float32),
        axis,
        "synthetic",
    )


def pieces_of(network_map, anatomy, template):
    nodes, islands = [], []
    for side in HEMISPHERES:
        points = template.surface(side).vertices
        mesh = network_map.grayordinates.to_mesh(network_map.label, side)
        medial = np.abs(points[:, 0]) < 10

        def describe(mask, name, network, side=side):
            return describe_piece(
                network_map, anatomy, template, vertices=np.flatnonzero(mask), place=(name, network, side)
            )

        for name, (begin, end) in NODES.items():
            inside = (angle(points) > begin) & (angle(points) <= end) & ~medial
            nodes.append(describe((mesh == 1) & inside, name, "SCAN"))
        nodes.append(describe((mesh == 1) & medial, "SCAN SMA", "SCAN"))
        islands.append(describe((mesh == 2) & (points[:, 1] > 15), "AMN dlPFC 1", "AMN"))
        islands.append(describe((mesh == 2) & (points[:, 1] < 15), "AMN insula", "AMN"))
    return nodes, islands


@cache
def shell(gap=15.0):
    """A scalp that runs `gap` mm outside both ellipsoids, as one larger ellipsoid."""
    unit = fibonacci(20_000)
    middle, radii = MIDDLE * [0, 1, 1], RADII + np.array([35.0, 0, 0]) + gap
    normals = unit / radii
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Scalp(unit * radii + middle, sphere_triangles(unit), normals, "synthetic")


@pytest.fixture(scope="module")
def anatomy(right_mesh):
    return make_anatomy(right_mesh)


@pytest.fixture(scope="module")
def pieces(network_map, anatomy):
    return pieces_of(network_map, anatomy, anatomy)


@pytest.fixture(scope="module")
def ranked(network_map, anatomy, pieces):
    return rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, scalp=shell(), image=IMAGE)


def by_name(targets):
    return {target.name: target for target in targets}


def test_candidates_are_lateral_nodes_and_dlpfc_islands(ranked):
    names = [f"{name} {side}" for side in "LR" for name in (*NODES, "AMN dlPFC 1")]
    assert sorted(by_name(ranked)) == sorted(names)
    assert [target.rank for target in ranked] == list(range(1, 9))
    scores = [round(target.score, 9) for target in ranked]
    assert scores == sorted(scores, reverse=True)
    for target in ranked:
        assert 0 <= target.score <= 1
        assert all(0 <= value <= 1 for value in target.terms.values())
        assert set(target.terms) == set(facts.load("targets")["piece"])
        assert len(target.reasons) == len(target.terms) + 1
        assert target.vertex in target.piece.vertices
        weights = facts.load("targets")["piece"]
        naive = sum(weights[k] * v for k, v in target.terms.items()) / sum(weights.values())
        assert target.score == pytest.approx(naive)


def test_a_medial_node_counts_only_when_it_is_near_the_scalp(network_map, anatomy, pieces):
    def names(scalp):
        found = rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, scalp=scalp)
        return {target.piece.name for target in found}

    assert "SCAN SMA" not in names(None)
    assert "SCAN SMA" not in names(shell(15.0))
    assert "SCAN SMA" in names(Scalp(*near_the_wall(), "synthetic"))


def near_the_wall():
    close = shell(-20.0)
    return close.vertices, close.faces, close.normals


def test_without_scalp_or_image(network_map, anatomy, pieces):
    bare = rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy)
    for target in bare:
        assert target.entry_ras is None
        assert target.pose is None
        assert target.scalp_distance_mm is None
        assert "depth" not in target.terms
        assert 0 <= target.score <= 1
    entered = rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, scalp=shell())
    assert all(target.pose is None and target.entry_ras is not None for target in entered)
    assert rank_targets(network_map, [], [], anatomy=anatomy, template=anatomy) == []


def test_refuses_mixed_frames(network_map, anatomy, pieces):
    elsewhere = replace(shell(), frame="another")
    with pytest.raises(GeometryError, match="scalp is in the frame"):
        rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, scalp=elsewhere)
    with pytest.raises(GeometryError, match="image is in the frame"):
        rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, image=replace(IMAGE, frame="another"))


def test_depth_and_entry_against_the_shell(ranked):
    scalp = shell()
    for target in ranked:
        apart = np.linalg.norm(scalp.vertices - target.xyz_ras, axis=1)
        assert target.scalp_distance_mm == pytest.approx(apart.min(), abs=0.1)
        assert np.linalg.norm(target.entry_ras - scalp.vertices[apart.argmin()]) < 2.5
        assert target.piece.depth_mm == pytest.approx(
            np.linalg.norm(scalp.vertices - target.piece.centre_ras, axis=1).min(), abs=0.1
        )
        assert target.terms["depth"] == pytest.approx(np.clip((40 - target.scalp_distance_mm) / 30, 0, 1), abs=0.01)


def test_piece_depths(pieces):
    assert piece_depths(pieces[0], None) == pieces[0]
    scalp = shell()
    for piece in piece_depths(pieces[0], scalp):
        apart = np.linalg.norm(scalp.vertices - piece.centre_ras, axis=1)
        assert piece.depth_mm == pytest.approx(apart.min(), abs=0.1)


def test_the_aim_is_near_the_centre(ranked):
    for target in ranked:
        surface_centre = target.piece.centre_ras
        assert np.linalg.norm(target.xyz_ras - surface_centre) < 5.0


def test_the_aim_follows_the_probability(network_map, anatomy, pieces):
    """All the probability at the lateral end of a node pulls its aim there."""
    piece = next(p for p in pieces[0] if p.name == "SCAN middle" and p.hemisphere == "R")
    points = anatomy.surface("R").vertices
    lateral = angle(points[piece.vertices]) > 48
    probability = network_map.probability.copy()
    probability[0, N + piece.vertices] = np.where(lateral, 0.9, 0.1)
    pulled = replace(network_map, probability=probability)
    target = rank_targets(pulled, [piece], [], anatomy=anatomy, template=anatomy)[0]
    assert angle(target.xyz_ras[None])[0] > 45
    weight = probability[0, N + piece.vertices] * vertex_areas(anatomy.surface("R"))[piece.vertices]
    centroid = weight @ points[piece.vertices] / weight.sum()
    assert np.linalg.norm(target.xyz_ras - centroid) < 5.5


def test_the_aim_prefers_a_crown_within_reason(right_mesh, network_map):
    points, _ = right_mesh
    flat = make_anatomy(right_mesh, sulc=np.zeros(N))
    # The middle of the strip, at y = -20, lies in a sulcus; the crown begins 3 mm ahead of it.
    folded = make_anatomy(right_mesh, sulc=np.clip((points[:, 1] + 17) / 3, -1, 1))
    aims = {}
    for name, anatomy in (("flat", flat), ("folded", folded)):
        nodes, _ = pieces_of(network_map, anatomy, anatomy)
        node = next(p for p in nodes if p.name == "SCAN middle" and p.hemisphere == "R")
        aims[name] = rank_targets(network_map, [node], [], anatomy=anatomy, template=anatomy)[0]
    assert "crown" not in aims["flat"].terms
    moved = aims["folded"].xyz_ras - aims["flat"].xyz_ras
    assert 0.3 < moved[1] < 5.0
    assert aims["folded"].sulcal_depth > -0.5  # it was -1 at the centre
    # Without the weight of the crown it stays.
    ranking = Ranking.default()
    blind = replace(ranking, vertex={**ranking.vertex, "crown": 0.0})
    nodes, _ = pieces_of(network_map, folded, folded)
    node = next(p for p in nodes if p.name == "SCAN middle" and p.hemisphere == "R")
    stays = rank_targets(network_map, [node], [], anatomy=folded, template=folded, options=blind)[0]
    assert stays.vertex == aims["flat"].vertex


def test_pain_side_and_region_change_the_order(network_map, anatomy, pieces, ranked):
    def order(pain):
        return rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, scalp=shell(), pain=pain)

    hand = order(Pain("left", "hand"))
    assert hand[0].name == "SCAN middle R"
    assert {t.piece.hemisphere for t in hand[:3]} == {"R"}
    assert any("pain is on the left, so the right hemisphere is preferred" in reason for reason in hand[0].reasons)
    foot = order(Pain("right", "foot"))
    assert foot[0].name == "SCAN superior L"
    assert {t.piece.hemisphere for t in foot[:3]} == {"L"}
    # Nothing known of the pain: no side wins in this symmetric brain.
    none = by_name(ranked)
    assert none["SCAN middle L"].score == pytest.approx(none["SCAN middle R"].score, abs=2e-3)
    assert any("neither hemisphere is preferred" in reason for reason in none["SCAN middle L"].reasons)


def test_what_suits_the_pain(pieces):
    nodes = {piece.name: piece for piece in pieces[0] if piece.hemisphere == "R"}
    island = pieces[1][0]
    for region, node in (("leg", "superior"), ("arm", "middle"), ("face", "inferior"), ("back", "superior")):
        pain = Pain("left", region)
        assert pain.node == node
        suits = {name: pain.region_term(piece)[0] for name, piece in nodes.items() if name != "SCAN SMA"}
        assert max(suits, key=suits.get) == f"SCAN {node}"
        assert pain.region_term(island)[0] == pain.region_term(nodes["SCAN SMA"])[0] == 0.5
    assert {Pain("left").side_term(piece)[0] for piece in nodes.values()} == {1.0}
    assert {Pain("right").side_term(piece)[0] for piece in nodes.values()} == {0.0}
    for side in ("both", "midline", "unknown"):
        assert {Pain(side, "hand").side_term(piece)[0] for piece in nodes.values()} == {0.5}
    assert {Pain("left", "widespread").region_term(piece)[0] for piece in nodes.values()} == {0.5}


def test_pain_words():
    assert Pain("left", "hand").hemisphere == "R"
    assert Pain("right", "face").node == "inferior"
    assert Pain().hemisphere is None
    assert Pain().node is None
    with pytest.raises(OptionError, match="left, right, both"):
        Pain("L", "hand")
    with pytest.raises(OptionError, match="foot"):
        Pain("left", "everywhere")


def test_distances_to_the_territories_are_geodesic(ranked, network_map, anatomy):
    for target in ranked:
        listed = list(target.neighbour_distance_mm.values())
        assert listed == sorted(listed)
        wanted = {"foot", "hand", "mouth"} if target.piece.network == "SCAN" else {"other"}
        assert set(target.neighbour_distance_mm) == wanted
    for target in (by_name(ranked)["SCAN middle R"], by_name(ranked)["SCAN superior L"]):
        mesh = network_map.grayordinates.to_mesh(network_map.label, target.piece.hemisphere)
        surface = anatomy.surface(target.piece.hemisphere)
        near = np.linalg.norm(surface.vertices - target.xyz_ras, axis=1) < 50  # no way to a territory is longer
        patch = replace(surface, faces=surface.faces[near[surface.faces].all(axis=1)])
        exact = Geodesic(patch).from_vertices(target.vertex, exact=True)
        for name, key in (("foot", 3), ("hand", 4), ("mouth", 5)):
            assert target.neighbour_distance_mm[name] == pytest.approx(exact[mesh == key].min(), rel=0.05, abs=0.7)


def test_a_map_without_the_territories_uses_what_is_near(network_map, anatomy, pieces):
    names = ("SCAN", "AMN", "a", "b", "c", "other")
    other = replace(network_map, names=names)
    for target in rank_targets(other, *pieces, anatomy=anatomy, template=anatomy):
        assert target.neighbour_distance_mm
        assert set(target.neighbour_distance_mm) <= set(names) - {target.piece.network}
        assert all(distance < 40 for distance in target.neighbour_distance_mm.values())


def test_order_of_input_does_not_matter(network_map, anatomy, pieces, ranked):
    rng = np.random.default_rng(3)
    shuffled = [
        [replace(piece, vertices=rng.permutation(piece.vertices)) for piece in rng.permutation(np.array(group, object))]
        for group in pieces
    ]
    again = rank_targets(network_map, *shuffled, anatomy=anatomy, template=anatomy, scalp=shell(), image=IMAGE)
    assert [(t.name, t.vertex, round(t.score, 9)) for t in again] == [
        (t.name, t.vertex, round(t.score, 9)) for t in ranked
    ]


def test_more_probable_and_larger_is_better(network_map, anatomy, pieces):
    piece = pieces[0][0]
    variants = [replace(piece, mean_probability=p) for p in (0.5, 0.9)]
    variants += [replace(piece, area_mm2=a) for a in (100.0, 400.0, 2000.0, 4000.0)]
    found = rank_targets(network_map, variants, [], anatomy=anatomy, template=anatomy)
    score = {(t.piece.mean_probability, t.piece.area_mm2): t.score for t in found}
    less, more, *sizes = (score[v.mean_probability, v.area_mm2] for v in variants)
    assert more > less
    assert sizes == sorted(sizes)
    assert sizes[1] > sizes[0]
    assert sizes[3] - sizes[2] < 0.001  # beyond a coil's reach more area is worth nothing


def test_a_rigid_motion_leaves_scores(right_mesh, network_map, anatomy, pieces, ranked):
    turn = Rotation.from_euler("xyz", [4, -3, 6], degrees=True).as_matrix()
    shift = np.array([3.0, 12, -7])

    def move(points):
        return points @ turn.T + shift

    moved_anatomy = make_anatomy(right_mesh, move=move)
    moved_pieces = pieces_of(network_map, moved_anatomy, anatomy)
    scalp = shell()
    moved_scalp = Scalp(move(scalp.vertices), scalp.faces, scalp.normals @ turn.T, "synthetic")
    moved = rank_targets(
        network_map, *moved_pieces, anatomy=moved_anatomy, template=anatomy, scalp=moved_scalp, image=IMAGE
    )
    for one, other in zip(ranked, moved, strict=True):
        assert one.name == other.name
        assert one.vertex == other.vertex
        assert other.score == pytest.approx(one.score, abs=1e-5)
        np.testing.assert_allclose(other.xyz_ras, move(one.xyz_ras), atol=1e-9)
        np.testing.assert_allclose(other.xyz_mni, one.xyz_mni)
        np.testing.assert_allclose(other.entry_ras, move(one.entry_ras), atol=1e-6)
        # The handle is laid by the frame's axes, so it turns by little with a small turn of the head.
        assert np.degrees(np.arccos(other.pose.matrix[:3, 1] @ turn @ one.pose.matrix[:3, 1])) < 10


def test_a_mirrored_person_has_mirrored_targets(right_mesh, network_map, anatomy, pieces):
    """Left and right exchanged: the same scores, places and poses on the other side."""
    rng = np.random.default_rng(0)
    label = network_map.label.copy()
    drop = rng.random(2 * N) < 0.02
    drop[:N] |= (anatomy.surface("L").vertices[:, 2] > 60) & (anatomy.surface("L").vertices[:, 1] > -20)
    label[drop] = 6  # the two sides are now unlike
    one = as_map(label, network_map.grayordinates)
    other = as_map(np.concatenate([label[N:], label[:N]]), network_map.grayordinates)
    here, there = (
        rank_targets(
            each,
            *pieces_of(each, anatomy, anatomy),
            anatomy=anatomy,
            template=anatomy,
            scalp=shell(),
            image=IMAGE,
            pain=pain,
        )
        for each, pain in ((one, Pain("left", "arm")), (other, Pain("right", "arm")))
    )
    assert len({round(t.score, 4) for t in here}) > 6
    for target, twin in zip(here, there, strict=True):
        assert target.piece.name == twin.piece.name
        assert {target.piece.hemisphere, twin.piece.hemisphere} == {"L", "R"}
        assert target.vertex == twin.vertex
        assert twin.score == pytest.approx(target.score, abs=2e-3)
        np.testing.assert_allclose(twin.xyz_ras, target.xyz_ras * MIRROR, atol=1e-9)
        np.testing.assert_allclose(twin.entry_ras, target.entry_ras * MIRROR, atol=1.5)
        # A mirrored pose: y and z mirrored, x mirrored and reversed, so that it stays right-handed.
        np.testing.assert_allclose(twin.pose.matrix[:3, 1:3], (target.pose.matrix[:3, 1:3].T * MIRROR).T, atol=0.05)
        assert {k.replace("F4", "F3"): round(v, 6) for k, v in twin.site_distance_mm.items()} == {
            k.replace("F4", "F3"): round(v, 6) for k, v in target.site_distance_mm.items()
        }


def test_poses_lie_flat_with_the_handle_backwards_and_outwards(ranked):
    scalp = shell()
    for target in ranked:
        pose = target.pose
        x, y, z = pose.matrix[:3, :3].T
        assert np.linalg.det(pose.matrix[:3, :3]) == pytest.approx(1)
        np.testing.assert_allclose(x, np.cross(y, z), atol=1e-12)
        _, normal, _ = scalp.nearest(target.entry_ras)
        assert z @ normal < -0.999
        np.testing.assert_allclose(pose.matrix[:3, 3], target.entry_ras, atol=1e-9)
        assert (pose.tie.frame, pose.tie.header_sha256, pose.label) == ("synthetic", SHA, target.name)
        assert pose.note == "geometric, no field yet"
        handle, outwards = -y, -1 if target.piece.hemisphere == "L" else 1
        assert handle[1] < -0.3  # backwards
        # Outwards; low on the side of the head that is downwards along the scalp.
        assert outwards * handle[0] - handle[2] > 0.5


@settings(max_examples=200, deadline=None)
@given(st.floats(0, np.pi), st.floats(-np.pi, np.pi), st.sampled_from("LR"), st.floats(0, 90), st.floats(0, 8))
def test_any_pose_is_right_handed_and_mirrors(polar, around, side, handle_deg, gap_mm):
    normal = np.array([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)])
    entry = 90 * normal
    one, twin = (
        geometric_pose(
            entry * sign, normal * sign * 3, hemisphere=h, image=IMAGE, label="p", handle_deg=handle_deg, gap_mm=gap_mm
        ).matrix
        for sign, h in ((np.ones(3), side), (MIRROR, {"L": "R", "R": "L"}[side]))
    )
    assert np.linalg.det(one[:3, :3]) == pytest.approx(1)
    np.testing.assert_allclose(one[:3, 2], -normal, atol=1e-9)
    np.testing.assert_allclose(one[:3, 3], entry + gap_mm * normal, atol=1e-9)
    np.testing.assert_allclose(twin[:3, 1:3], (one[:3, 1:3].T * MIRROR).T, atol=1e-9)
    forward = np.array([0, 1, 0]) - normal[1] * normal
    if abs(normal[1]) < 0.85:
        forward /= np.linalg.norm(forward)
        assert np.degrees(np.arccos(np.clip(one[:3, 1] @ forward, -1, 1))) == pytest.approx(handle_deg, abs=1e-4)


@pytest.mark.parametrize(("side", "outwards"), [("L", -1), ("R", 1)])
def test_the_textbook_pose_over_the_motor_cortex(side, outwards):
    """On top of the head the handle points straight backwards and outwards at 45°."""
    pose = geometric_pose(
        np.array([outwards * 30.0, -20, 90]), np.array([0, 0, 1.0]), hemisphere=side, image=IMAGE, label=f"M1 {side}"
    )
    np.testing.assert_allclose(-pose.matrix[:3, 1], [outwards * np.sqrt(0.5), -np.sqrt(0.5), 0], atol=1e-12)
    with pytest.raises(GeometryError, match="not usable"):
        geometric_pose(np.zeros(3), np.zeros(3), hemisphere=side, image=IMAGE, label="x")


def test_ranking_options_are_checked():
    ranking = Ranking.default()
    assert ranking.version >= 1
    for changed in ({"size": -1.0}, {"beauty": 1.0}, dict.fromkeys(ranking.piece, 0.0), {}):
        with pytest.raises(OptionError):
            replace(ranking, piece=changed)
    with pytest.raises(OptionError):
        replace(ranking, scales={**ranking.scales, "deep_mm": 5.0})


def test_weights_decide(network_map, anatomy, pieces):
    ranking = Ranking.default()
    only_network = replace(ranking, piece={"evidence": 1.0})
    best = rank_targets(network_map, *pieces, anatomy=anatomy, template=anatomy, options=only_network)
    assert [t.piece.network for t in best] == ["SCAN"] * 6 + ["AMN"] * 2
    assert best[0].score == 1.0


def test_sites_are_declared_with_source_on_both_sides():
    sites = conventional_sites()
    assert {(site.name, site.hemisphere) for site in sites} >= {
        ("M1 hand knob", "L"),
        ("Beam F3", "L"),
        ("Beam F4", "R"),
    }
    for site in sites:
        assert (site.xyz_mni[0] < 0) == (site.hemisphere == "L")
        assert "doi" in site.source or "Brain Topogr" in site.source
        assert site.verified or "not verified" in site.source


def test_reading_sites_takes_the_template_vertex_to_the_person(right_mesh, network_map, anatomy):
    person = make_anatomy(right_mesh, move=lambda p: p * 1.1 + np.array([0, 5.0, 0]))
    label = network_map.label.copy()
    readings = read_sites(network_map, person, anatomy)
    assert len(readings) == len(conventional_sites())
    for reading, site in zip(readings, conventional_sites(), strict=True):
        points = anatomy.surface(site.hemisphere).vertices
        vertex = np.linalg.norm(points - site.xyz_mni, axis=1).argmin()
        np.testing.assert_allclose(reading.xyz_mni, points[vertex])
        np.testing.assert_allclose(reading.xyz_ras, points[vertex] * 1.1 + [0, 5, 0])
        row = vertex + (N if site.hemisphere == "R" else 0)
        assert reading.network == NAMES[label[row] - 1]
        assert reading.network_probability == pytest.approx(0.8)
        label[row] = 0
    for reading in read_sites(replace(network_map, label=label), person, anatomy):
        assert (reading.network, reading.network_probability) == ("unassigned", 0.0)


@pytest.fixture(scope="module")
def template():
    files = pytest.importorskip("actionloop.files")
    try:
        return files.template_anatomy(), files.template_grayordinates(), files.atlas("mmp"), files.template_image()
    except ResourceError as error:
        pytest.skip(f"the template is not installed: {error}")


def test_the_hand_knob_lies_in_area_4_of_the_template(template):
    anatomy, axis, (area, names), _ = template
    keys = np.unique(area[area > 0])
    network_map = as_map(area.copy(), axis, tuple(names[k] for k in keys), keys)
    readings = {(r.site, r.hemisphere): r for r in read_sites(network_map, anatomy, anatomy)}
    assert readings["M1 hand knob", "L"].network == "L_4"
    assert readings["M1 hand knob", "R"].network == "R_4"
    for (_, side), reading in readings.items():
        declared = next(s for s in conventional_sites() if s.name == reading.site and s.hemisphere == side)
        # Averaged surfaces are smaller than any person's: sites near the skull lie outside them.
        assert np.linalg.norm(reading.xyz_mni - declared.xyz_mni) < 9
        assert reading.network.startswith(side)


def test_one_real_map_becomes_targets(template):
    """MSC06's published networks on the person's own surfaces, and on the template's with its scalp."""
    nib = pytest.importorskip("nibabel")
    from actionloop.brain import find_scalp, sulcal_depth

    folder = DATA / "individual_msc06"
    if not folder.is_dir():
        pytest.skip(f"no {folder} (set ACTIONLOOP_DATA)")
    average, axis, (area, names), image = template
    surfaces = {}
    for side in HEMISPHERES:
        for kind in ("white", "pial", "midthickness", "inflated"):
            points, faces = (a.data for a in nib.load(folder / f"MSC06.{side}.{kind}.32k_fs_LR.surf.gii").darrays[:2])
            surfaces[side, kind] = Surface(points.astype(float), faces.astype(np.int64), side, kind, "MSC06")
    own = Anatomy(surfaces, {s: sulcal_depth(surfaces[s, "midthickness"]) for s in HEMISPHERES}, "MSC06", True, "MSC06")
    label = np.asarray(nib.load(next(folder.glob("sub-*.dlabel.nii"))).dataobj)[0, : len(axis)].astype(int)
    keys = np.unique(label[label > 0])
    known = {18: "SCAN", 9: "AMN", 10: "hand", 11: "mouth"}
    network_map = as_map(label, axis, tuple(known.get(k, f"network {k}") for k in keys), keys)
    where = np.array([names.get(k, "").split("_", 1)[-1] for k in area])
    for anatomy, scalp in ((own, None), (average, find_scalp(image))):
        nodes = scan_nodes(network_map, anatomy, average)
        islands = amn_regions(network_map, anatomy, average, area=where)
        found = rank_targets(
            network_map,
            nodes,
            islands,
            anatomy=anatomy,
            template=average,
            scalp=scalp,
            image=None if scalp is None else image,
            pain=Pain("left", "hand"),
        )
        assert found[0].name == "SCAN middle R"
        assert {t.piece.network for t in found} == {"SCAN", "AMN"}
        assert {t.piece.hemisphere for t in found} == {"L", "R"}
        for target in found:
            assert np.linalg.norm(target.xyz_ras - target.piece.centre_ras) < 5
            assert (target.xyz_ras[0] < 0) == (target.piece.hemisphere == "L")
            if target.pose is not None:
                assert 10 < target.scalp_distance_mm < 45
                outwards = -1 if target.piece.hemisphere == "L" else 1
                assert target.pose.matrix[1, 1] > 0.3
                assert outwards * target.pose.matrix[0, 1] < -0.3
