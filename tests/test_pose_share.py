"""Which share of the stimulated cortex lies in a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.poses.share import area_percentiles, hot_shares, scale_probability

PERCENTILES = [99.0 + 0.1 * k for k in range(10)]


def naive_share(strength, area, weight, percentile):
    """Lower the threshold vertex by vertex until enough area is above it."""
    total, wanted = area.sum(), (100 - percentile) / 100 * area.sum()
    for level in sorted(set(strength), reverse=True):
        hot = strength >= level
        if area[hot].sum() >= wanted - 1e-9 * total:
            return (area[hot] * weight[hot]).sum() / area[hot].sum(), level
    raise AssertionError


@pytest.mark.parametrize("seed", range(3))
def test_share_is_that_of_the_naive_sum(seed):
    rng = np.random.default_rng(seed)
    strength = rng.gamma(2.0, size=(4, 3000)) ** 2
    # Large vertices where the field is weak and small ones where it is strong: counting vertices would be wrong.
    area = 0.2 + 5 / (1 + strength[0])
    weights = rng.random((2, 3000))
    found = hot_shares(strength.astype(np.float32), area, weights, PERCENTILES)
    for pose in range(4):
        for k, percentile in enumerate(PERCENTILES):
            for kind in range(2):
                share, level = naive_share(strength[pose].astype(np.float32), area, weights[kind], percentile)
                assert found.share[kind, pose, k] == pytest.approx(share, abs=1e-9)
                assert found.level_v_per_m[pose, k] == pytest.approx(level)


def test_area_and_not_the_count_of_vertices_decides():
    # 90 small vertices have the strongest field, 10 large ones hold all of the rest of the area.
    strength = np.concatenate([np.linspace(10, 9, 90), np.linspace(5, 1, 10)])
    area = np.concatenate([np.full(90, 0.01), np.full(10, 100.0)])
    weights = np.concatenate([np.ones(90), np.zeros(10)])[None]
    share = hot_shares(strength[None], area, weights, [90.0]).share[0, 0, 0]
    assert share == pytest.approx(0.9 / 100.9)
    assert area_percentiles(strength, area, [90.0])[0] == 5.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50.0))
def test_share_stays_within_bounds_and_does_not_change_with_the_current(seed, current):
    rng = np.random.default_rng(seed)
    strength, area, weights = rng.random((2, 400)), rng.random(400) + 0.1, rng.random((1, 400))
    found = hot_shares(strength, area, weights, [95.0, 99.0])
    assert ((found.share >= weights.min()) & (found.share <= weights.max())).all()
    assert np.allclose(found.share, hot_shares(current * strength, area, weights, [95.0, 99.0]).share)
    assert (found.level_v_per_m[:, 0] <= found.level_v_per_m[:, 1]).all()


def test_network_all_under_the_coil_has_share_one():
    strength = np.linspace(0, 1, 1000)[None]
    weights = np.stack([strength[0] > 0.98, strength[0] < 0.5]).astype(float)
    found = hot_shares(strength, np.ones(1000), weights, [99.0, 99.5]).share
    assert np.allclose(found[0], 1) and np.allclose(found[1], 0)


def test_probability_is_scaled_by_its_percentile_and_clipped():
    probability = np.linspace(0, 1, 1001)
    weights = scale_probability(probability, np.ones(1001))
    assert weights[-11:] == pytest.approx(1.0)
    assert weights[500] == pytest.approx(0.5 / 0.99, rel=1e-9)


def test_small_network_is_scaled_by_its_maximum():
    probability = np.zeros(1000)
    probability[:5] = [0.8, 0.7, 0.4, 0.2, 0.1]
    weights = scale_probability(probability, np.ones(1000))
    assert weights[:5] == pytest.approx([1, 1, 1, 0.5, 0.25])
    assert scale_probability((probability > 0).astype(float), np.ones(1000))[:6] == pytest.approx([1, 1, 1, 1, 1, 0])


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(EmptyRegionError, match="no vertex"):
        scale_probability(np.zeros(10), np.ones(10))
    with pytest.raises(GeometryError, match="vertices"):
        hot_shares(np.ones((2, 5)), np.ones(6), np.ones((1, 6)), [99.0])
    with pytest.raises(GeometryError, match="area"):
        hot_shares(np.ones((2, 6)), np.zeros(6), np.ones((1, 6)), [99.0])
