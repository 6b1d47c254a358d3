"""Turned spheres against a k-d tree, uniform rotations, and p values against naive counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import false_discovery_control, kstest
from tests.sphere import balls

from actionloop import files
from actionloop.errors import GeometryError, InputError, OptionError, ResourceError
from actionloop.evidence.adjust import fdr, max_p, null_p
from actionloop.evidence.spins import Spinner, draw_rotations, mirrored

MIRROR = np.diag([-1.0, 1.0, 1.0])


def scattered(n, seed):
    points = np.random.default_rng(seed).standard_normal((n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def nearest(points, rotation):
    """Distance of each vertex to the nearest turned one, and which that is."""
    return cKDTree(points @ rotation.T).query(points)


@pytest.mark.parametrize("make", [balls, lambda n, radius: radius * scattered(n, 3)])
def test_sources_are_the_nearest_turned_vertices(make):
    left, right = make(700, 100.0), make(900, 80.0) * [-1, 1, 1]
    rotations = draw_rotations(6, rng=np.random.default_rng(0))
    found = Spinner(left, right).sources(rotations)
    for rotation, source in zip(rotations, found, strict=True):
        for points, turn, rows in (
            (left / 100, rotation, source[:700]),
            (right / 80, MIRROR @ rotation @ MIRROR, source[700:] - 700),
        ):
            distance, _ = nearest(points, turn)
            mine = np.linalg.norm((points @ turn.T)[rows] - points, axis=1)
            assert np.abs(mine - distance).max() < 1e-12


def test_sources_on_the_template_sphere():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    anatomy = files.template_anatomy()
    left, right = (anatomy.surface(side, "sphere").vertices for side in "LR")
    spinner = Spinner(left, right)
    rotations = draw_rotations(2, rng=np.random.default_rng(1))
    found = spinner.sources(rotations)
    for rotation, source in zip(rotations, found, strict=True):
        for points, turn, rows in (
            (left, rotation, source[: len(left)]),
            (right, mirrored(rotation), source[len(left) :] - len(left)),
        ):
            unit = points / np.linalg.norm(points, axis=1, keepdims=True)
            distance, _ = nearest(unit, turn)
            assert np.abs(np.linalg.norm((unit @ turn.T)[rows] - unit, axis=1) - distance).max() < 1e-12


def test_hemispheres_turn_as_mirror_images():
    left = balls(500, 100.0)
    rotations = draw_rotations(4, rng=np.random.default_rng(2))
    both = Spinner(left, left * [-1, 1, 1]).sources(rotations)
    assert (both[:, 500:] - 500 == both[:, :500]).all()
    # A hair off the mirror image the right is searched by itself, and finds the same but for ties.
    alone = Spinner(left, left * [-1, 1, 1] * (1 + 1e-15) + 1e-13).sources(rotations)
    assert (alone == both).mean() > 0.999


def test_order_of_vertices_does_not_matter():
    left = balls(400, 100.0)
    order = np.random.default_rng(3).permutation(400)
    rotations = draw_rotations(3, rng=np.random.default_rng(4))
    plain = Spinner(left, left * [-1, 1, 1]).sources(rotations)[:, :400]
    shuffled = Spinner(left[order], left[order] * [-1, 1, 1]).sources(rotations)[:, :400]
    assert (order[shuffled] == plain[:, order]).all()


def test_missing_stays_missing_and_a_turn_moves_a_map_as_the_rotation_says():
    left = balls(3000, 100.0)
    spinner = Spinner(left, left * [-1, 1, 1])
    rotation = draw_rotations(1, rng=np.random.default_rng(5))
    x = np.concatenate([left[:, 0], -left[:, 0]]) / 100
    x[:50] = np.nan
    turned = x[spinner.sources(rotation)[0]]
    assert np.isnan(turned[:3000]).any()
    assert not (turned == 0).any()
    back = left @ rotation[0][:, 0] / 100  # x of each vertex turned back; on the right its mirror image
    known = ~np.isnan(turned)
    off = np.abs(turned - np.concatenate([back, -back]))
    assert off[known].max() < 0.06  # about the distance between vertices


def test_rotations_are_uniform_and_not_near_the_identity():
    rotations = draw_rotations(4000, rng=np.random.default_rng(6), least_angle_deg=0)
    assert np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.linalg.det(rotations).min() > 0.999
    for row in range(3):
        for column in range(3):  # each coordinate of a uniform direction is uniform
            assert kstest(rotations[:, row, column], "uniform", args=(-1, 2)).pvalue > 1e-4
    angle = np.arccos(np.clip((np.trace(rotations, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-4
    far = draw_rotations(500, rng=np.random.default_rng(7), least_angle_deg=80)
    angle = np.arccos(np.clip((np.trace(far, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert np.rad2deg(angle).min() >= 80 - 1e-9
    assert (draw_rotations(3, rng=np.random.default_rng(8)) == draw_rotations(3, rng=np.random.default_rng(8))).all()


def test_bad_spheres_and_rotations():
    good = balls(100, 100.0)
    with pytest.raises(GeometryError, match="right surface cannot be spun"):
        Spinner(good, good + np.array([0, 0, 300]))
    with pytest.raises(GeometryError, match="left surface cannot be spun"):
        Spinner(good[:, :2], good)
    spinner = Spinner(good, good * [-1, 1, 1])
    with pytest.raises(GeometryError, match="shape"):
        spinner.sources(np.eye(3))
    with pytest.raises(GeometryError, match="stretch or mirror"):
        spinner.sources(MIRROR[None])
    with pytest.raises(OptionError, match="at least 170"):
        draw_rotations(1, rng=np.random.default_rng(0), least_angle_deg=170)


def test_fdr_is_benjamini_and_hochbergs():
    p = np.random.default_rng(0).uniform(size=40) ** 2
    assert np.abs(fdr(p) - false_discovery_control(p)).max() < 1e-12
    with_gap = np.insert(p, 7, np.nan)
    assert np.isnan(fdr(with_gap)[7])
    assert np.abs(np.delete(fdr(with_gap), 7) - fdr(p)).max() == 0
    assert fdr(np.array([])).shape == (0,)
    with pytest.raises(InputError, match="between 0 and 1"):
        fdr(np.array([0.1, 1.2]))


@pytest.mark.parametrize("side", ["both", "positive"])
def test_p_values_count_the_observed_one(side):
    rng = np.random.default_rng(1)
    null, observed = rng.standard_normal((99, 5)), np.array([0.1, -3.0, 2.0, np.nan, 9.0])
    size = np.abs if side == "both" else np.array
    p, largest = null_p(observed, null, side=side), max_p(observed, null, side=side)
    tested = [0, 1, 2, 4]
    for k in tested:
        assert p[k] == (1 + sum(size(draw[k]) >= size(observed[k]) for draw in null)) / 100
        over = sum(max(size(draw[j]) for j in tested) >= size(observed[k]) for draw in null)
        assert largest[k] == (1 + over) / 100
    assert np.isnan(p[3])
    assert np.isnan(largest[3])
    assert p[4] == 0.01


def test_equal_but_for_rounding_counts_as_reached():
    assert null_p(np.array([0.3]), np.array([[0.1 + 0.2], [0.3 - 1e-16]]))[0] == 1


def test_balanced_maximum_does_not_depend_on_units():
    rng = np.random.default_rng(2)
    null, observed = rng.standard_normal((200, 3)), np.array([2.5, 1.0, 0.2])
    scale = np.array([1.0, 100.0, 0.01])
    plain = max_p(observed, null, balance=True)
    assert np.abs(max_p(observed * scale, null * scale, balance=True) - plain).max() < 1e-12
    assert max_p(observed * scale, null * scale)[0] > 0.9


def test_maximum_keeps_the_family_wise_error():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        draws = rng.standard_normal((100, 8)) @ np.tril(np.ones((8, 8)))
        wrong += max_p(draws[0], draws[1:], balance=True).min() <= 0.05
    assert wrong / 400 <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 400)


def test_bad_nulls():
    with pytest.raises(OptionError, match="no side"):
        null_p(np.zeros(2), np.zeros((3, 2)), side="left")
    with pytest.raises(InputError, match="shape"):
        null_p(np.zeros(2), np.zeros((3, 4)))
    with pytest.raises(InputError, match="holds NaN"):
        max_p(np.zeros(1), np.full((2, 1), np.nan))
