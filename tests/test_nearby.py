"""Which rows lie near which, against dense references and exact distances."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import ConvexHull, Delaunay
from scipy.spatial.distance import cdist

from actionloop import files
from actionloop.brain import Geodesic, nearby
from actionloop.brain.nearby import CROSSINGS, Nearby
from actionloop.brain.unfold import unfolded_lines
from actionloop.errors import GeometryError, ResourceError
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, Surface, Voxels

few = settings(max_examples=10, deadline=None)


class SmallAnatomy(Anatomy):
    """Surfaces of any size."""

    def __post_init__(self) -> None:
        pass


def ball(n_vertices: int, seed: int, radius_mm: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Dent a random mesh of a sphere."""
    points = np.random.default_rng(seed).normal(size=(n_vertices, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices
    return points * radius_mm * (1 + 0.15 * np.sin(4 * points[:, :1])), faces.astype(np.int64)


def anatomy(n_vertices: int = 300) -> SmallAnatomy:
    surfaces = {}
    for hemisphere, x in zip(HEMISPHERES, (-23.0, 23.0), strict=True):
        points, faces = ball(n_vertices, seed=ord(hemisphere))
        surfaces[hemisphere, "midthickness"] = Surface(
            points + np.array([x, 0, 0]), faces, hemisphere, "midthickness", "somewhere"
        )
    return SmallAnatomy(surfaces, {}, "somewhere", own=False, description="")


def rows_of(n_vertices: int, step: int = 1) -> Grayordinates:
    ijk = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    affine = np.array([[-4.0, 0, 0, 8], [0, 4, 0, -8], [0, 0, 4, -8], [0, 0, 0, 1]])
    voxels = Voxels(ijk, np.full(len(ijk), "CIFTI_STRUCTURE_THALAMUS_LEFT"), affine, (5, 5, 5))
    return Grayordinates(np.arange(0, n_vertices, step), np.arange(1, n_vertices, step), n_vertices, voxels)


def dense(axis: Grayordinates, head: Anatomy, radius_mm: float) -> np.ndarray:
    """Every pair at once: Dijkstra along the lines within a hemisphere, straight distances otherwise."""
    places = [head.surface(side).vertices[axis.vertices(side)] for side in HEMISPHERES]
    if axis.voxels is not None:
        places.append(np.array([(axis.voxels.affine @ [*one, 1])[:3] for one in axis.voxels.ijk]))
    everything = np.concatenate(places)
    distance = cdist(everything, everything)
    for side in HEMISPHERES:
        surface, rows, vertices = head.surface(side), axis.rows(side), axis.vertices(side)
        low, high, length = unfolded_lines(surface.vertices, surface.faces, crossings=CROSSINGS)
        graph = sparse.csr_array((length, (low, high)), shape=(surface.n_vertices, surface.n_vertices))
        distance[rows, rows] = dijkstra(graph, directed=False, indices=vertices)[:, vertices]
    return distance <= radius_mm


def as_mask(block: tuple[np.ndarray, np.ndarray], n_rows: int) -> np.ndarray:
    indptr, indices = block
    mask = np.zeros((len(indptr) - 1, n_rows), dtype=bool)
    mask[np.repeat(np.arange(len(mask)), np.diff(indptr)), indices] = True
    assert mask.sum() == len(indices)
    return mask


# ---- lines over unfolded triangles


def sheet(n_points: int, seed: int, fold: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat points, the same with the sheet bent along x = 0, and faces that do not cross this line."""
    rng = np.random.default_rng(seed)
    crease = np.stack([np.zeros(9), np.linspace(0, 10, 9)], axis=1)
    flat = np.concatenate([crease, rng.uniform([-5, 0], [5, 10], size=(n_points, 2))])
    flat = np.concatenate([flat, [[-5, 0], [-5, 10], [5, 0], [5, 10]]])
    halves = [np.flatnonzero(flat[:, 0] <= 0), np.flatnonzero(flat[:, 0] >= 0)]
    faces = np.concatenate([half[Delaunay(flat[half]).simplices] for half in halves])
    bent = np.column_stack([np.where(flat[:, 0] > 0, 0, flat[:, 0]), flat[:, 1], np.maximum(flat[:, 0], 0)])
    return flat, bent, faces


@few
@given(st.integers(0, 1000))
def test_lines_on_a_folded_sheet_are_those_of_the_flat_one(seed: int) -> None:
    flat, bent, faces = sheet(40, seed)
    low, high, length = unfolded_lines(bent, faces, crossings=60)
    np.testing.assert_allclose(length, np.linalg.norm(flat[low] - flat[high], axis=1), atol=1e-9)
    # The sheet is convex and so many crossings are enough: no two points are without a straight way.
    graph = sparse.csr_array((length, (low, high)), shape=(len(flat), len(flat)))
    np.testing.assert_allclose(dijkstra(graph, directed=False), cdist(flat, flat), atol=1e-6)


def test_lines_without_crossings_are_the_edges_and_more_crossings_only_shorten() -> None:
    points, faces = ball(200, 0)
    edges = {tuple(sorted(pair)) for face in faces for pair in zip(face, np.roll(face, 1), strict=True)}
    low, high, length = unfolded_lines(points, faces, crossings=0)
    assert set(zip(low.tolist(), high.tolist(), strict=True)) == edges
    np.testing.assert_allclose(length, np.linalg.norm(points[low] - points[high], axis=1))
    before = np.full((200, 200), np.inf)
    for crossings in range(5):
        low, high, length = unfolded_lines(points, faces, crossings=crossings)
        assert (low < high).all() and len(np.unique(low * 200 + high)) == len(low)
        now = dijkstra(sparse.csr_array((length, (low, high)), shape=(200, 200)), directed=False)
        assert (now <= before + 1e-9).all() and (now < before - 1e-3).any()
        before = now
    exact = np.array(
        [
            Geodesic(Surface(points + np.array([-50, 0, 0]), faces, "L", "midthickness", "")).from_vertices(
                v, exact=True
            )
            for v in range(0, 200, 20)
        ]
    )
    assert (before[::20] >= exact - 1e-6).all()
    assert (before[::20] - exact).sum() < 0.01 * exact.sum()


@few
@given(st.integers(0, 1000))
def test_lines_do_not_depend_on_the_sense_of_faces_or_their_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, faces = ball(60, seed)
    turned = rng.permutation(faces)
    turned[::2] = turned[::2, ::-1]
    for one, other in zip(
        unfolded_lines(points, faces, crossings=4), unfolded_lines(points, turned, crossings=4), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_lines_stop_at_borders_and_at_edges_of_three_faces() -> None:
    points = np.array([[0.0, -1, 0], [0, 1, 0], [-1, 0, 0], [1, 0, 0], [0, 0, 1]])
    two, three = np.array([[0, 1, 2], [0, 1, 3]]), np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    assert (2, 3) in set(zip(*[part.tolist() for part in unfolded_lines(points, two, crossings=3)[:2]], strict=True))
    assert len(unfolded_lines(points, two, crossings=3)[0]) == 6
    assert len(unfolded_lines(points, three, crossings=3)[0]) == 7


def test_vertices_in_one_place_do_no_harm() -> None:
    points, faces = ball(100, 3)
    points[faces[0, 1]] = points[faces[0, 0]]
    with np.errstate(all="raise"):
        low, high, length = unfolded_lines(points, faces, crossings=4)
    assert (length >= np.linalg.norm(points[low] - points[high], axis=1) - 1e-9).all()
    assert len(length) > 3 * 100


# ---- rows near rows


@pytest.mark.parametrize(("radius_mm", "step"), [(3.0, 1), (12.0, 1), (25.0, 7), (500.0, 1)])
def test_block_and_mask_equal_the_dense_reference(radius_mm: float, step: int) -> None:
    head, axis = anatomy(), rows_of(300, step)
    expected = dense(axis, head, radius_mm)
    near = Nearby(axis, head, radius_mm=radius_mm)
    indptr, indices = near.block(slice(None))
    assert indptr.dtype == np.int64 and indices.dtype == np.int32
    assert all((np.diff(indices[a:b]) > 0).all() for a, b in pairwise(indptr))
    np.testing.assert_array_equal(as_mask((indptr, indices), len(axis)), expected)
    some = slice(len(axis.left) - 3, len(axis) - 2, 5)
    np.testing.assert_array_equal(as_mask(near.block(some), len(axis)), expected[some])
    np.testing.assert_array_equal(near.mask(some), expected[some])
    assert near.mask(some).dtype == np.bool_
    np.testing.assert_array_equal(expected, expected.T)
    assert expected.diagonal().all()


def test_cortex_alone_and_an_empty_block() -> None:
    head, axis = anatomy(), rows_of(300).cortex()
    near = Nearby(axis, head, radius_mm=10)
    np.testing.assert_array_equal(near.mask(slice(None)), dense(axis, head, 10))
    indptr, indices = near.block(slice(5, 5))
    assert indptr.tolist() == [0] and indices.size == 0
    assert near.mask(slice(5, 5)).shape == (0, len(axis))


def test_sparse_rows_are_reached_through_vertices_that_are_none() -> None:
    head, every = anatomy(), rows_of(300).cortex()
    axis = Grayordinates(np.arange(0, 300, 50), np.array([7]), 300)
    rows = np.append(axis.left, 300 + 6)  # the right rows of `every` begin with vertex 1
    found = Nearby(axis, head, radius_mm=30).mask(slice(None))
    np.testing.assert_array_equal(found, dense(every, head, 30)[np.ix_(rows, rows)])
    assert found.sum() > len(axis)


@pytest.mark.parametrize("n_buckets", [1, 3, 100])
def test_a_coarse_queue_changes_nothing(n_buckets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    head, axis = anatomy(), rows_of(300)
    monkeypatch.setattr(nearby, "_BUCKETS", n_buckets)
    near = Nearby(axis, head, radius_mm=30)
    assert near._graph[5] >= 30_000_000 // n_buckets
    np.testing.assert_array_equal(near.mask(slice(None)), dense(axis, head, 30))


def test_across_a_sulcus_is_far_and_across_the_midline_is_near() -> None:
    """Two banks 1 mm apart in space, and the same place of the other hemisphere 4 mm away."""
    across, along = np.meshgrid(np.arange(21), np.arange(4), indexing="ij")
    down = np.minimum(across, 20 - across)  # ten mm down one bank, ten up the other
    points = np.stack([-2 - along, np.where(across > 10, 1.0, 0.0), -down], axis=-1).reshape(-1, 3).astype(float)
    corner = (np.arange(20)[:, None] * 4 + np.arange(3)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 4, corner + 1], 1), np.stack([corner + 1, corner + 4, corner + 5], 1)]
    )
    surfaces = {
        (side, "midthickness"): Surface(points * [sign, 1, 1], faces, side, "midthickness", "")
        for side, sign in zip(HEMISPHERES, (1, -1), strict=True)
    }
    head = SmallAnatomy(surfaces, {}, "", own=False, description="")
    axis = Grayordinates(np.arange(84), np.arange(84), 84)
    mask = Nearby(axis, head, radius_mm=6).mask(slice(None))
    assert np.linalg.norm(points[0] - points[80]) == pytest.approx(1)
    assert not mask[0, 80]
    assert mask[0, 84] and mask[0, 84 + 80]
    # What lies exactly so far is near: six edges of 1 mm, down the bank.
    assert mask[0, 24] and not mask[0, 28]


def test_vertices_without_faces_are_near_themselves_only() -> None:
    head = anatomy()
    left = head.surface("L")
    cut = left.faces[~np.isin(left.faces, [11]).any(axis=1)]
    surfaces = {**head.surfaces, ("L", "midthickness"): Surface(left.vertices, cut, "L", "midthickness", "")}
    axis = rows_of(300).cortex()
    mask = Nearby(axis, SmallAnatomy(surfaces, {}, "", own=False, description=""), radius_mm=15).mask(slice(0, 300))
    assert np.flatnonzero(mask[11, :300]).tolist() == [11]
    assert (
        mask[11, 300:].any() == (np.linalg.norm(head.surface("R").vertices[1:] - left.vertices[11], axis=1) <= 15).any()
    )


@pytest.mark.parametrize("radius_mm", [0, -1, np.nan, np.inf, 2000])
def test_a_radius_that_is_none_is_refused(radius_mm: float) -> None:
    with pytest.raises(GeometryError, match="radius above 0"):
        Nearby(rows_of(300), anatomy(), radius_mm=radius_mm)


def test_rows_of_another_mesh_are_refused() -> None:
    with pytest.raises(GeometryError, match="mesh of 400 vertices, the surface has 300"):
        Nearby(rows_of(400), anatomy(), radius_mm=10)


def test_on_the_template_distances_are_never_too_short_and_hardly_too_long() -> None:
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    head, axis = files.template_anatomy(), files.template_grayordinates()
    near = Nearby(axis, head, radius_mm=20)
    wanted = missed = 0
    for row in (100, 9_000, 20_000):
        exact = Geodesic(head.surface("L")).within(int(axis.left[row]), 20)
        truth = np.zeros(axis.n_vertices, dtype=bool)
        truth[exact] = True
        found = near.mask(slice(row, row + 1))[0, : len(axis.left)]
        assert not (found & ~truth[axis.left]).any()
        wanted += int(truth[axis.left].sum())
        missed += int((truth[axis.left] & ~found).sum())
    assert wanted > 1000
    assert missed < 0.03 * wanted
