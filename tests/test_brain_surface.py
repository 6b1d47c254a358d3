"""Surfaces, distances and smoothing on meshes small enough to check by hand or by brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop.brain import (
    Geodesic,
    adjacency,
    connected_pieces,
    piece_centre,
    require_consistent_hemispheres,
    smooth,
    sphere_triangles,
    vertex_areas,
    vertex_normals,
)
from actionloop.brain.smooth import cotangent_laplacian
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import Surface

RADIUS = 50.0


def fibonacci(n: int) -> np.ndarray:
    """Points spread evenly over the unit sphere."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.arange(n) * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)


def ball(n: int = 2000, radius: float = RADIUS, x: float = 0.0) -> Surface:
    points = fibonacci(n)
    return Surface(points * radius + [x, 0, 0], sphere_triangles(points), "R" if x > 0 else "L", "inflated", "test")


def sheet(n: int, step: float = 1.0) -> Surface:
    """Return n x n vertices in a plane, diagonals alternating so that no direction is preferred."""
    row, column = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    points = np.stack([row, column, 0 * row], axis=-1).reshape(-1, 3) * step
    faces = []
    for i, j in itertools.product(range(n - 1), repeat=2):
        a, b, c, d = i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1
        faces += [(a, b, c), (a, c, d)] if (i + j) % 2 else [(a, b, d), (b, c, d)]
    return Surface(points.astype(float), np.array(faces), "L", "inflated", "test")


def potato(seed: int, n: int = 150) -> Surface:
    """Closed, bumpy, irregular."""
    rng = np.random.default_rng(seed)
    points = fibonacci(n) + rng.normal(scale=0.04, size=(n, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    bumps = 1 + 0.2 * np.sin(3 * points @ rng.normal(size=3))
    return Surface(points * bumps[:, None] * 30, sphere_triangles(points), "L", "inflated", "test")


def permuted(surface: Surface, order: np.ndarray) -> Surface:
    """Vertex k of the result is vertex order[k]."""
    place = np.argsort(order)
    return replace(surface, vertices=surface.vertices[order], faces=place[surface.faces])


def moved(surface: Surface, seed: int) -> Surface:
    turn = Rotation.random(random_state=seed).as_matrix()
    return replace(surface, vertices=surface.vertices @ turn.T + [10.0, -20.0, 30.0])


def mirrored(surface: Surface) -> Surface:
    return replace(surface, vertices=surface.vertices * [-1, 1, 1], faces=surface.faces[:, ::-1], hemisphere="R")


seeds = st.integers(0, 10_000)
few = settings(max_examples=12, deadline=None)


# ---- areas and normals


def test_vertex_areas_match_a_face_by_face_sum() -> None:
    surface = potato(0)
    expected = np.zeros(surface.n_vertices)
    for face in surface.faces:
        a, b, c = (
            np.linalg.norm(surface.vertices[i] - surface.vertices[j]) for i, j in itertools.combinations(face, 2)
        )
        s = (a + b + c) / 2
        expected[face] += np.sqrt(s * (s - a) * (s - b) * (s - c)) / 3  # Heron
    np.testing.assert_allclose(vertex_areas(surface), expected, rtol=1e-9)


def test_vertex_areas_of_a_ball_sum_to_its_surface() -> None:
    assert vertex_areas(ball(4000)).sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=2e-3)


def test_a_vertex_without_faces_has_no_area_and_no_normal() -> None:
    surface = Surface(np.r_[ball(100).vertices, [[1.0, 2, 3]]], ball(100).faces, "L", "inflated", "test")
    assert vertex_areas(surface)[-1] == 0
    assert not vertex_normals(surface)[-1].any()


@pytest.mark.parametrize("inside_out", [False, True])
def test_normals_of_a_ball_point_outward(inside_out: bool) -> None:
    surface = ball(1500, x=70)
    if inside_out:
        surface = replace(surface, faces=surface.faces[:, ::-1])
    outward = (surface.vertices - [70, 0, 0]) / RADIUS
    assert np.einsum("vi,vi->v", vertex_normals(surface), outward).min() > 0.999


def test_normals_of_an_open_sheet_follow_its_faces() -> None:
    np.testing.assert_allclose(vertex_normals(sheet(5)), np.tile([0, 0, 1.0], (25, 1)), atol=1e-12)
    flipped = replace(sheet(5), faces=sheet(5).faces[:, ::-1])
    np.testing.assert_allclose(vertex_normals(flipped), np.tile([0, 0, -1.0], (25, 1)), atol=1e-12)


@few
@given(seeds)
def test_areas_and_normals_follow_order_motion_and_mirror(seed: int) -> None:
    surface, order = potato(seed), np.random.default_rng(seed).permutation(150)
    area, normal = vertex_areas(surface), vertex_normals(surface)
    np.testing.assert_allclose(vertex_areas(permuted(surface, order)), area[order], rtol=1e-9)
    np.testing.assert_allclose(vertex_normals(permuted(surface, order)), normal[order], atol=1e-9)
    np.testing.assert_allclose(vertex_areas(moved(surface, seed)), area, rtol=1e-9)
    turn = Rotation.random(random_state=seed).as_matrix()
    np.testing.assert_allclose(vertex_normals(moved(surface, seed)), normal @ turn.T, atol=1e-9)
    np.testing.assert_allclose(vertex_areas(mirrored(surface)), area, rtol=1e-9)
    np.testing.assert_allclose(vertex_normals(mirrored(surface)), normal * [-1, 1, 1], atol=1e-9)


# ---- neighbours and pieces


def test_adjacency_matches_brute_force() -> None:
    surface = potato(1)
    expected = np.zeros((150, 150), dtype=bool)
    for face in surface.faces:
        for i, j in itertools.permutations(face, 2):
            expected[i, j] = True
    found = adjacency(surface.faces, 150)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found.toarray(), expected)


@pytest.mark.parametrize("faces", [np.zeros((2, 4), int), np.array([[0, 1, 9]]), np.array([[-1, 1, 2]])])
def test_adjacency_refuses_bad_faces(faces: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="faces"):
        adjacency(faces, 5)


def flood(mask: np.ndarray, neighbours: np.ndarray) -> set[frozenset[int]]:
    left, pieces = set(np.flatnonzero(mask).tolist()), set()
    while left:
        piece, front = set(), {left.pop()}
        while front:
            piece |= front
            front = {int(n) for v in front for n in np.flatnonzero(neighbours[v]) if mask[n]} - piece
        left -= piece
        pieces.add(frozenset(piece))
    return pieces


@few
@given(seeds, st.floats(0.05, 0.95))
def test_pieces_match_flood_filling_in_any_vertex_order(seed: int, share: float) -> None:
    surface, rng = potato(seed), np.random.default_rng(seed)
    mask, order = rng.random(150) < share, rng.permutation(150)
    neighbours = adjacency(surface.faces, 150)
    pieces = connected_pieces(mask, neighbours)
    assert {frozenset(p.tolist()) for p in pieces} == flood(mask, neighbours.toarray())
    assert [len(p) for p in pieces] == sorted((len(p) for p in pieces), reverse=True)
    shuffled = connected_pieces(mask[order], adjacency(permuted(surface, order).faces, 150))
    assert {frozenset(order[p].tolist()) for p in shuffled} == {frozenset(p.tolist()) for p in pieces}


def test_an_empty_mask_has_no_pieces_and_a_wrong_one_is_refused() -> None:
    neighbours = adjacency(sheet(4).faces, 16)
    assert connected_pieces(np.zeros(16, bool), neighbours) == []
    with pytest.raises(GeometryError, match="does not fit"):
        connected_pieces(np.ones(15, bool), neighbours)
    with pytest.raises(GeometryError, match="bool"):
        connected_pieces(np.ones(16), neighbours)


def test_the_centre_of_a_square_is_its_middle_and_of_a_ring_lies_on_the_ring() -> None:
    surface = sheet(9)
    assert piece_centre(surface, np.arange(81)) == 40
    row, column = np.divmod(np.arange(81), 9)
    ring = np.flatnonzero(np.maximum(abs(row - 4), abs(column - 4)) == 3)
    assert piece_centre(surface, ring) in ring
    with pytest.raises(EmptyRegionError):
        piece_centre(surface, np.array([], dtype=int))
    with pytest.raises(GeometryError):
        piece_centre(surface, ring, area_mm2=np.ones(3))


def test_the_centre_weighs_by_area() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0.0]])
    line = Surface(points, np.array([[0, 1, 2]]), "L", "inflated", "test")
    assert piece_centre(line, np.arange(4), area_mm2=np.array([0.1, 0.1, 0.1, 10.0])) == 3
    assert piece_centre(line, np.arange(4), area_mm2=np.zeros(4)) in (1, 2)


def test_hemispheres_must_belong_together() -> None:
    left, right = replace(ball(100, x=-60), kind="pial"), replace(ball(100, x=60), kind="pial")
    require_consistent_hemispheres(left, right)
    wrong = {
        "left and a right": (right, left),
        "right one midthickness": (left, replace(right, kind="midthickness")),
        "right one in": (left, replace(right, frame="other")),
        "vertices": (left, replace(ball(99, x=60), kind="pial")),
        "not of one head": (left, replace(right, vertices=right.vertices + np.array([0, 40, 0]))),
    }
    for message, pair in wrong.items():
        with pytest.raises(GeometryError, match=message):
            require_consistent_hemispheres(*pair)


# ---- distances


@pytest.fixture(scope="module")
def globe() -> Surface:
    return ball(3000)


def test_heat_distances_on_a_ball_follow_great_circles(globe: Surface) -> None:
    arc = RADIUS * np.arccos(np.clip(fibonacci(3000) @ fibonacci(3000)[7], -1, 1))
    distance = Geodesic(globe).from_vertices(7)
    far = arc > 10
    assert np.median(np.abs(distance - arc)[far] / arc[far]) < 0.02
    assert np.abs(distance - arc).max() < 3


def test_exact_distances_on_a_ball_follow_great_circles(globe: Surface) -> None:
    arc = RADIUS * np.arccos(np.clip(fibonacci(3000) @ fibonacci(3000)[7], -1, 1))
    distance = Geodesic(globe).from_vertices(7, exact=True)
    assert np.abs(distance - arc).max() < 0.3


def test_exact_distances_in_a_plane_are_straight() -> None:
    surface = sheet(21, step=1.5)
    straight = np.linalg.norm(surface.vertices - surface.vertices[100], axis=1)
    np.testing.assert_allclose(Geodesic(surface).from_vertices(100, exact=True), straight, atol=1e-6)
    off = np.abs(Geodesic(surface).from_vertices(100) - straight)
    assert off.max() < 2  # worst at the rim, where the heat is reflected
    assert np.median(off[straight > 5] / straight[straight > 5]) < 0.03


@pytest.mark.parametrize("exact", [False, True])
def test_several_sources_give_the_nearest(globe: Surface, exact: bool) -> None:
    sources = np.array([5, 1200, 2800])
    solver = Geodesic(globe)
    apart = np.min([solver.from_vertices(s, exact=exact) for s in sources], axis=0)
    together = solver.from_vertices(sources, exact=exact)
    np.testing.assert_array_equal(together[sources], 0)
    np.testing.assert_allclose(together, apart, atol=1e-6 if exact else 4.0)


@pytest.mark.parametrize("radius", [0.0, 3.0, 12.0, 40.0])
def test_within_agrees_with_exact_distances(globe: Surface, radius: float) -> None:
    solver = Geodesic(globe)
    expected = np.flatnonzero(solver.from_vertices(11, exact=True) <= radius)
    np.testing.assert_array_equal(solver.within(11, radius), expected)


def test_nothing_is_reached_on_another_piece_or_a_lone_vertex() -> None:
    one, other = ball(200), ball(200, x=200)
    both = Surface(
        np.r_[one.vertices, other.vertices, [[0.0, 0, 0]]], np.r_[one.faces, other.faces + 200], "L", "inflated", "test"
    )
    for exact in (False, True):
        distance = Geodesic(both).from_vertices(3, exact=exact)
        assert np.isfinite(distance[:200]).all()
        assert np.isinf(distance[200:]).all()
    lone = Geodesic(both).from_vertices(400)
    assert lone[400] == 0
    assert np.isinf(lone[:400]).all()
    np.testing.assert_array_equal(Geodesic(both).within(400, 5), [400])
    assert Geodesic(both).within(3, 1000).max() == 199


@few
@given(seeds)
def test_distances_follow_order_motion_and_mirror(seed: int) -> None:
    surface, rng = potato(seed), np.random.default_rng(seed)
    order, source = rng.permutation(150), int(rng.integers(150))
    for exact in (False, True):
        distance = Geodesic(surface).from_vertices(source, exact=exact)
        tolerance = 1e-6 if exact else 0.05
        np.testing.assert_allclose(
            Geodesic(moved(surface, seed)).from_vertices(source, exact=exact), distance, atol=tolerance
        )
        np.testing.assert_allclose(
            Geodesic(mirrored(surface)).from_vertices(source, exact=exact), distance, atol=tolerance
        )
        shuffled = Geodesic(permuted(surface, order)).from_vertices(int(np.argsort(order)[source]), exact=exact)
        np.testing.assert_allclose(shuffled, distance[order], atol=tolerance)


def test_distances_refuse_bad_sources(globe: Surface) -> None:
    solver = Geodesic(globe)
    with pytest.raises(EmptyRegionError):
        solver.from_vertices(np.array([], dtype=int))
    for bad in (np.array([3000]), np.array([-1]), np.array([0.5])):
        with pytest.raises(GeometryError):
            solver.from_vertices(bad)
    for radius in (-1.0, np.nan):
        with pytest.raises(GeometryError, match="radius"):
            solver.within(0, radius)
    with pytest.raises(GeometryError, match="without faces"):
        Geodesic(Surface(np.zeros((3, 3)), np.zeros((0, 3), int), "L", "inflated", "test"))


# ---- smoothing


def test_smoothing_a_point_on_a_sheet_gives_the_gaussian_of_that_width() -> None:
    surface, fwhm = sheet(61, step=0.5), 5.0
    point = np.zeros(61 * 61)
    centre = 30 * 61 + 30
    point[centre] = 1
    found = smooth(point, surface, fwhm_mm=fwhm)
    sigma2 = (fwhm / np.sqrt(8 * np.log(2))) ** 2
    squared = ((surface.vertices - surface.vertices[centre]) ** 2).sum(axis=1)
    area = vertex_areas(surface)
    expected = area[centre] * np.exp(-squared / (2 * sigma2)) / (2 * np.pi * sigma2)
    assert np.abs(found - expected).max() < 0.02 * expected.max()
    assert (found * area * squared).sum() / (2 * area[centre]) == pytest.approx(sigma2, rel=0.01)


@settings(max_examples=5, deadline=None)
@given(seeds, st.floats(0.5, 30))
def test_smoothing_matches_the_dense_matrix_exponential(seed: int, fwhm: float) -> None:
    surface, rng = potato(seed), np.random.default_rng(seed)
    values = rng.normal(size=(3, 150))
    area = vertex_areas(surface)
    stiffness = cotangent_laplacian(surface).toarray()
    stiffness = np.minimum(stiffness - np.diag(np.diag(stiffness)), 0)
    stiffness -= np.diag(stiffness.sum(axis=1))
    kernel = scipy.linalg.expm(-(fwhm**2) / (16 * np.log(2)) * stiffness / area[:, None])
    np.testing.assert_allclose(smooth(values, surface, fwhm_mm=fwhm), values @ kernel.T, atol=1e-6)


@few
@given(seeds)
def test_smoothing_keeps_constants_the_weighted_sum_and_the_range(seed: int) -> None:
    surface, rng = potato(seed), np.random.default_rng(seed)
    area, values = vertex_areas(surface), rng.random(150)
    found = smooth(values, surface, fwhm_mm=8)
    assert found @ area == pytest.approx(values @ area, rel=1e-6)
    assert values.min() - 1e-6 <= found.min() <= found.max() <= values.max() + 1e-6
    np.testing.assert_allclose(smooth(np.full(150, 3.0), surface, fwhm_mm=8), 3, atol=1e-6)


@few
@given(seeds)
def test_smoothing_follows_order_motion_and_mirror(seed: int) -> None:
    surface, rng = potato(seed), np.random.default_rng(seed)
    values, order, valid = rng.normal(size=150), rng.permutation(150), rng.random(150) < 0.8
    found = smooth(values, surface, fwhm_mm=6, valid=valid)
    shuffled = smooth(values[order], permuted(surface, order), fwhm_mm=6, valid=valid[order])
    np.testing.assert_allclose(shuffled, found[order], atol=1e-7)
    np.testing.assert_allclose(smooth(values, moved(surface, seed), fwhm_mm=6, valid=valid), found, atol=1e-7)
    np.testing.assert_allclose(smooth(values, mirrored(surface), fwhm_mm=6, valid=valid), found, atol=1e-7)


def test_the_laplacian_of_a_sheet_is_the_five_point_one() -> None:
    stiffness = cotangent_laplacian(sheet(5)).toarray()
    np.testing.assert_allclose(stiffness, stiffness.T)
    np.testing.assert_allclose(stiffness.sum(axis=1), 0, atol=1e-12)
    assert np.linalg.eigvalsh(stiffness).min() > -1e-12
    middle = np.zeros(25)
    middle[[12, 11, 13, 7, 17]] = 4, -1, -1, -1, -1
    np.testing.assert_allclose(stiffness[12], middle, atol=1e-12)


def test_a_mask_stops_the_heat() -> None:
    surface = sheet(15)
    column = np.arange(225) % 15
    valid = column != 7
    values = np.where(column < 7, 1.0, np.where(column > 7, 5.0, np.nan))
    found = smooth(values, surface, fwhm_mm=10, valid=valid)
    np.testing.assert_allclose(found[column < 7], 1, atol=1e-6)
    np.testing.assert_allclose(found[column > 7], 5, atol=1e-6)
    np.testing.assert_array_equal(found[~valid], 0)
    one = np.zeros(225, bool)
    one[17] = True
    assert smooth(np.ones(225), surface, fwhm_mm=10, valid=one)[17] == 1  # too small to hold a face: left as it is
    assert not smooth(np.ones(225), surface, fwhm_mm=10, valid=np.zeros(225, bool)).any()


def test_smoothing_keeps_shape_kind_and_input() -> None:
    surface = sheet(8)
    values = np.random.default_rng(0).normal(size=(2, 3, 64)).astype(np.float32)
    before = values.copy()
    found = smooth(values, surface, fwhm_mm=3)
    assert found.shape == values.shape
    assert found.dtype == np.float32
    np.testing.assert_array_equal(values, before)
    np.testing.assert_allclose(found[1, 2], smooth(values[1, 2].astype(float), surface, fwhm_mm=3), atol=1e-5)
    untouched = smooth(values, surface, fwhm_mm=0)
    np.testing.assert_array_equal(untouched, values)
    assert untouched is not values


def test_a_collapsed_face_does_no_harm() -> None:
    surface = sheet(12)
    vertices = surface.vertices.copy()
    vertices[53] = vertices[54]
    found = smooth(np.arange(144.0), replace(surface, vertices=vertices), fwhm_mm=4)
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 143


def test_smoothing_refuses_bad_input() -> None:
    surface = sheet(5)
    for values in (np.ones(24), np.array(1.0), np.full(25, np.nan)):
        with pytest.raises(GeometryError):
            smooth(values, surface, fwhm_mm=3)
    for fwhm in (-1.0, np.nan, np.inf):
        with pytest.raises(GeometryError, match="width"):
            smooth(np.ones(25), surface, fwhm_mm=fwhm)
    with pytest.raises(GeometryError, match="valid"):
        smooth(np.ones(25), surface, fwhm_mm=3, valid=np.ones(25))
