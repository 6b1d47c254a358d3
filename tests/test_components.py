"""Cleaning components of few rows, against a naive version that walks from row to row."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from actionloop import facts, files
from actionloop.errors import GeometryError, OptionError, ResourceError
from actionloop.networks.components import clean_components
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, NetworkMap, Surface, Voxels

few = settings(max_examples=15, deadline=None)
N_VERTICES = 120


class SmallAnatomy(Anatomy):
    """Surfaces of any size."""

    def __post_init__(self) -> None:
        pass


def head() -> SmallAnatomy:
    surfaces = {}
    for side, x in zip(HEMISPHERES, (-15.0, 15.0), strict=True):
        points = np.random.default_rng(ord(side)).normal(size=(N_VERTICES, 3))
        points *= 10 / np.linalg.norm(points, axis=1, keepdims=True)
        faces = ConvexHull(points).simplices.astype(np.int64)
        surfaces[side, "midthickness"] = Surface(points + np.array([x, 0, 0]), faces, side, "midthickness", "")
    return SmallAnatomy(surfaces, {}, "", own=False, description="")


def axis(step: int = 1) -> Grayordinates:
    """Every vertex but some, and the voxels of two structures that share a border and a far third one."""
    ijk = np.stack(np.meshgrid(*[np.arange(2, 6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ijk = np.concatenate([ijk, [[9, 9, 9], [9, 9, 8]]])
    structure = np.where(ijk[:, 0] < 4, "CIFTI_STRUCTURE_PUTAMEN_LEFT", "CIFTI_STRUCTURE_PALLIDUM_LEFT")
    order = np.argsort(structure, kind="stable")
    voxels = Voxels(ijk[order], structure[order], np.diag([2.0, 2, 2, 1]), (10, 10, 10))
    return Grayordinates(np.arange(0, N_VERTICES, step), np.arange(5, N_VERTICES, step), N_VERTICES, voxels)


def make(label: np.ndarray, rows: Grayordinates | None = None) -> NetworkMap:
    rows = rows or axis()
    n_networks = 5
    return NetworkMap(
        names=tuple("abcde"),
        keys=np.array([1, 2, 3, 7, 9]),
        colours=np.zeros((n_networks, 3)),
        probability=np.full((n_networks, len(rows)), 0.2, dtype=np.float32),
        label=label,
        confidence=np.zeros(len(rows), dtype=np.float32),
        grayordinates=rows,
        method="test",
        settings={"a": 1},
    )


def touching(rows: Grayordinates, anatomy: Anatomy) -> list[set[int]]:
    """Neighbours of each row."""
    near: list[set[int]] = [set() for _ in range(len(rows))]
    for side in HEMISPHERES:
        row_of = {int(v): rows.rows(side).start + i for i, v in enumerate(rows.vertices(side))}
        for face in anatomy.surface(side).faces.tolist():
            here = [row_of[v] for v in face if v in row_of]
            for row in here:
                near[row] |= set(here) - {row}
    assert rows.voxels is not None
    for i, one in enumerate(rows.voxels.ijk):
        for j, other in enumerate(rows.voxels.ijk):
            if i != j and np.abs(one - other).max() <= 1:
                near[rows.n_cortex + i].add(rows.n_cortex + j)
    return near


def walked(label: list[int], near: list[set[int]], min_rows: int) -> list[list[int]]:
    """Small components, the smallest first."""
    found, seen = [], set()
    for row in range(len(label)):
        if label[row] == 0 or row in seen:
            continue
        members, waiting = {row}, [row]
        while waiting:
            for other in near[waiting.pop()]:
                if label[other] == label[row] and other not in members:
                    members.add(other)
                    waiting.append(other)
        seen |= members
        if len(members) < min_rows:
            found.append(sorted(members))
    return sorted(found, key=lambda members: (len(members), members[0]))


def naive(label: np.ndarray, near: list[set[int]], min_rows: int) -> np.ndarray:
    values = label.tolist()
    for _ in range(10):
        before = list(values)
        for members in walked(values, near, min_rows):
            around = [values[row] for row in set().union(*(near[row] for row in members)) - set(members)]
            votes = Counter(key for key in around if key)
            if votes and values[members[0]] not in votes:
                best = min(votes, key=lambda key: (-votes[key], key))
                for row in members:
                    values[row] = best
        if values == before:
            break
    return np.array(values)


@few
@given(st.integers(0, 10_000), st.integers(0, 60), st.sampled_from([1, 2]), st.floats(0, 0.9))
def test_it_equals_the_walk(seed: int, min_rows: int, step: int, flat: float) -> None:
    rng = np.random.default_rng(seed)
    rows, anatomy = axis(step), head()
    label = rng.choice([0, 1, 2, 3, 7, 9], size=len(rows))
    label[rng.random(len(rows)) < flat] = 2
    given_map = make(label.copy(), rows)
    found = clean_components(given_map, anatomy, min_rows=min_rows)
    np.testing.assert_array_equal(found.label, naive(label, touching(rows, anatomy), min_rows))
    np.testing.assert_array_equal(given_map.label, label)
    np.testing.assert_array_equal(found.label == 0, label == 0)
    assert found.probability is given_map.probability and found.settings == given_map.settings
    again = clean_components(found, anatomy, min_rows=min_rows)
    np.testing.assert_array_equal(again.label, found.label)
    if min_rows <= 1:
        np.testing.assert_array_equal(found.label, label)


def test_small_islands_go_large_ones_stay_and_the_limit_itself_is_large() -> None:
    rows, anatomy = axis(), head()
    near = touching(rows, anatomy)
    label = np.full(len(rows), 1)
    disc = [0, *sorted(near[0])]
    label[disc] = 3
    for min_rows, key in ((len(disc), 3), (len(disc) + 1, 1)):
        assert set(clean_components(make(label, rows), anatomy, min_rows=min_rows).label[disc]) == {key}


def test_voxels_connect_over_corners_and_across_structures() -> None:
    rows, anatomy = axis(), head()
    assert rows.voxels is not None
    row_of = {tuple(ijk): rows.n_cortex + i for i, ijk in enumerate(rows.voxels.ijk.tolist())}
    label = np.full(len(rows), 1)
    diagonal = [row_of[i, i, i] for i in (2, 3, 4, 5)]  # putamen, putamen, pallidum, pallidum
    label[diagonal] = 7
    assert (clean_components(make(label), anatomy, min_rows=4).label[diagonal] == 7).all()
    assert (clean_components(make(label), anatomy, min_rows=5).label[diagonal] == 1).all()


def test_components_without_a_border_and_unassigned_rows_stay() -> None:
    rows, anatomy = axis(), head()
    assert rows.voxels is not None
    label = np.full(len(rows), 2)
    far = rows.n_cortex + np.flatnonzero(rows.voxels.ijk[:, 0] == 9)
    assert len(far) == 2
    label[far] = 9  # they touch nothing else
    label[0] = 3
    label[sorted(touching(rows, anatomy)[0])] = 0  # an island in unassigned rows
    found = clean_components(make(label), anatomy, min_rows=30)
    np.testing.assert_array_equal(found.label, label)


@pytest.mark.parametrize(
    ("nines", "threes", "twos", "expected"),
    [
        ([(0, 0), (1, 0), (2, 0)], [(3, 0), (4, 0)], [(5, 0), (6, 0), (7, 0)], 2),  # one each: the smaller key
        ([(0, 0), (0, 1), (0, 2)], [(1, 1)], [(2, 1), (3, 1), (4, 1)], 9),  # three rows against one
        ([(0, 1), (0, 0), (1, 0)], [(2, 0), (2, 1)], [(3, 2), (4, 2), (4, 3)], 2),  # (1, 0) touches both, counts once
    ],
)
def test_the_most_frequent_label_around_wins_and_ties_take_the_smallest_key(
    nines: list, threes: list, twos: list, expected: int
) -> None:
    ijk = np.array([(*place, 0) for place in (*nines, *threes, *twos)])
    voxels = Voxels(ijk, np.full(len(ijk), "CIFTI_STRUCTURE_BRAIN_STEM"), np.eye(4), (8, 4, 1))
    none = np.array([], dtype=np.int64)
    label = np.repeat([9, 3, 2], [len(nines), len(threes), len(twos)])
    found = clean_components(make(label, Grayordinates(none, none, N_VERTICES, voxels)), head(), min_rows=3)
    np.testing.assert_array_equal(found.label, np.where(label == 3, expected, label))


def test_cortex_alone_works_and_rows_without_neighbours_stay() -> None:
    rows = Grayordinates(np.array([0]), np.array([3, 90]), N_VERTICES)
    label = np.array([1, 2, 7])
    assert clean_components(make(label, rows), head(), min_rows=30).label.tolist() == [1, 2, 7]


def test_the_default_is_the_published_one() -> None:
    least = facts.load("mapping")["components"]["min_rows"]
    assert least == 30
    label = np.random.default_rng(0).choice([1, 2, 3], size=len(axis()), p=[0.5, 0.3, 0.2])
    np.testing.assert_array_equal(
        clean_components(make(label), head()).label, clean_components(make(label), head(), min_rows=30).label
    )


def test_bad_input_is_refused() -> None:
    rows = axis()
    with pytest.raises(OptionError, match="-1 rows"):
        clean_components(make(np.ones(len(rows), dtype=int)), head(), min_rows=-1)
    other = Grayordinates(np.arange(3), np.arange(3), 999)
    with pytest.raises(GeometryError, match="mesh of 999 vertices, the surface has 120"):
        clean_components(make(np.ones(6, dtype=int), other), head())


def test_noise_on_the_template_is_cleaned_to_components_of_thirty() -> None:
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    anatomy, rows = files.template_anatomy(), files.template_grayordinates()
    rng = np.random.default_rng(0)
    places = np.concatenate([anatomy.surface(side).vertices[rows.vertices(side)] for side in HEMISPHERES])
    stripes = np.array([1, 2, 3, 7])[(np.floor(places[:, 1] / 30) % 4).astype(int)]
    label = np.where(rng.random(len(rows)) < 0.1, rng.choice([1, 2, 3, 7], size=len(rows)), stripes)
    found = clean_components(make(label, rows), anatomy)
    assert (found.label == stripes).mean() > 0.99 > (label == stripes).mean()
    for key in (1, 2, 3, 7):
        rest = clean_components(make(np.where(found.label == key, 1, 2), rows), anatomy, min_rows=30).label
        np.testing.assert_array_equal(rest == 1, found.label == key)
