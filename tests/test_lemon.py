"""The demonstration's person through the real functions, against noise in the likeness of the same scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import lemon
from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.errors import ResourceError
from actionloop.phantom import fit_surrogate, realism, reference_scan
from actionloop.pipeline import demo_person
from actionloop.pipeline.controls import EFFECTORS, map_halves, read_across
from actionloop.pipeline.series import load_series


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("demo", "plan", "phantom"))
    except ResourceError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def recipe(resources):
    return lemon.demo_recipe()


@pytest.fixture(scope="module")
def halves(recipe):
    return map_halves(load_series(demo_person()).series, recipe)


@pytest.fixture(scope="module")
def reference(resources):
    """Return the same scan after the fixed route by which scans are compared, and its figures."""
    scan = reference_scan()
    return scan, realism(scan)


@pytest.fixture(scope="module")
def model(reference):
    return fit_surrogate(reference[0])


@pytest.fixture(scope="module")
def surrogate(model):
    return model.draw(np.random.default_rng(1))


def test_scan_goes_with_amn_in_the_half_that_was_not_mapped(halves):
    rows = read_across(halves, variant="with global signal regression")
    assert len(rows) == 2
    for row in rows:
        excess = [row["scan_amn_r"] - row[f"{name}_amn_r"] for name in EFFECTORS]
        assert min(excess) > 0.05, row
        assert row["scan_exceeds_effectors"]
        assert row["scan_amn_r"] > 0.2


def test_noise_in_the_scans_likeness_maps_less_alike_than_the_scan(halves, surrogate, recipe):
    """Halves of noise agree as far as the prior makes them; the scan's must agree further."""
    real, noise = lemon.agreement(halves), lemon.agreement(map_halves(surrogate, recipe))
    for what in ("labels equal", "NMI", "Dice SCAN", "Dice AMN"):
        assert real[what] > noise[what] + 0.02, what


def test_the_reference_scan_is_as_measured_before(reference):
    """Figures of an earlier measurement of this scan, made with other code."""
    found = reference[1]
    np.testing.assert_allclose(found.correlation_at_mm, (0.77, 0.47, 0.28, 0.12), atol=0.015)
    np.testing.assert_allclose(found.components, (0.11, 0.08, 0.06, 0.06, 0.04), atol=0.006)
    assert found.lag1 == pytest.approx(0.95, abs=0.01)
    assert found.participation_ratio == pytest.approx(28, rel=0.05)
    assert found.split_half_contiguous == pytest.approx(0.42, abs=0.02)
    assert found.split_half_blocks == pytest.approx(0.50, abs=0.02)


def test_a_surrogate_has_the_scans_spectrum_and_smoothness_and_no_networks(reference, model, surrogate):
    scan, real = reference
    noise = realism(surrogate)
    np.testing.assert_allclose(noise.correlation_at_mm, real.correlation_at_mm, atol=0.02)
    assert noise.lag1 == pytest.approx(real.lag1, abs=0.01)
    assert noise.split_half_contiguous < real.split_half_contiguous / 2
    np.testing.assert_array_equal(signal.valid_rows(surrogate), signal.valid_rows(scan))
    assert sum(model.shares.values()) == pytest.approx(1)
    shares = []
    for series in (scan, surrogate):
        some = signal.standardise(series).data[:, model.valid][:, ::50]
        power = (np.abs(np.fft.rfft(some, axis=0)) ** 2).mean(axis=1)
        shares.append(power[: 6 * 54].reshape(6, 54).sum(axis=1) / power.sum())
    np.testing.assert_allclose(shares[1], shares[0], atol=0.03)


def test_surrogates_differ_by_seed_only(model):
    short = replace(model, n_frames=50)
    one, again, other = (short.draw(np.random.default_rng(seed)).data for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert abs(np.mean(one * other)) < 0.05


def test_the_group_label_is_carried_to_the_right_side_and_place():
    if not (lemon.shared_data() / "scan" / "lh.Net18_fs6.annot").is_file():
        pytest.skip("the group label is not there (ACTIONLOOP_DATA)")
    label, axis = lemon.group_label(), files.template_grayordinates()
    assert set(np.unique(label)) <= set(range(19))
    for side, sign in (("L", -1), ("R", 1)):
        rows = axis.rows(side)
        points = files.template_anatomy().surface(side).vertices[axis.vertices(side)]
        scan = points[label[rows] == lemon.GROUP_KEYS["SCAN"]]
        node = np.array([sign * 39, -17, 44])  # middle node, between the published left and right one
        assert np.linalg.norm(scan - node, axis=1).min() < 5
        share = (label[rows] == lemon.GROUP_KEYS["SCAN"]).mean()
        assert 0.01 < share < 0.04
