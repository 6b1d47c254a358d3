"""Template matching by eta² against the formula written out, pair by pair of grayordinates."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.rows import axis

from actionloop import files, signal
from actionloop.arrays import device
from actionloop.errors import OptionError, PriorError, ResourceError
from actionloop.networks import Eta2Settings, map_eta2, overlap
from actionloop.types import Grayordinates, Prior, Timeseries, Voxels

TOLERANCE = 1e-4
NAMES = ("default", "visual", "SCAN", "hand", "AMN", "foot")


def person(rows: Grayordinates, *, frames: int = 150, seed: int = 0, strength: float = 0.7) -> tuple[Timeseries, Prior]:
    """Make a scan with six networks, and templates that say about where they are."""
    rng = np.random.default_rng(seed)
    n = len(rows)
    network = rng.integers(0, len(NAMES), n)
    courses = rng.standard_normal((frames, len(NAMES))) @ rng.normal(0, 0.5, (len(NAMES), len(NAMES))) + 0.5
    data = strength * courses[:, network] + rng.standard_normal((frames, n)) + rng.uniform(50, 90, n)
    template = np.corrcoef(courses.T)[:, network] * 0.5 + rng.normal(0, 0.2, (len(NAMES), n))
    probability = np.full((len(NAMES), n), 1 / len(NAMES), dtype=np.float32)
    colours = np.eye(len(NAMES), 3)
    prior = Prior(NAMES, np.arange(1, 7) * 3, colours, probability, rows, template.astype(np.float32))
    return Timeseries(data.astype(np.float32), rows, 0.8), prior


def naive(series: Timeseries, prior: Prior, *, threshold: float, columns=None, fisher: bool = False) -> np.ndarray:
    """Eta² from the whole matrix in double precision."""
    n = len(series.grayordinates)
    structure = np.repeat([0, 1, 2], [len(series.grayordinates.left), len(series.grayordinates.right), 0])
    structure = np.concatenate([structure, np.full(n - len(structure), 2)])
    valid = np.ptp(series.data, axis=0) > 0
    columns = valid & prior.fingerprint.any(axis=0) if columns is None else columns
    c = np.zeros((n, n))
    c[np.ix_(valid, valid)] = np.corrcoef(series.data[:, valid].astype(float).T)
    if fisher:
        c = np.arctanh(np.clip(c, -0.999, 0.999))
    t = prior.fingerprint.astype(float).copy()
    for a in range(3):
        mine = columns & (structure == a)
        if mine.any():
            t[:, mine] = (t[:, mine] - t[:, mine].mean(1, keepdims=True)) / t[:, mine].std(1, keepdims=True)
        for b in range(3):
            block = np.ix_(valid & (structure == a), columns & (structure == b))
            if c[block].size:
                c[block] = (c[block] - c[block].mean()) / c[block].std()
    out = np.zeros((len(prior.names), n))
    for k in range(len(prior.names)):
        mask = columns & (t[k] > threshold)
        for i in np.flatnonzero(valid):
            one, other = t[k, mask], c[i, mask]
            m, g = (one + other) / 2, (one.mean() + other.mean()) / 2
            below = ((one - g) ** 2 + (other - g) ** 2).sum()
            out[k, i] = 1 - ((one - m) ** 2 + (other - m) ** 2).sum() / below if mask.any() and below > 0 else 0
    return out


def mapped(series: Timeseries, prior: Prior, **options) -> object:
    settings = Eta2Settings(**({"second_threshold_z": 0.0} | options))
    return map_eta2(signal.compress(series, tolerance=1e-6), prior, None, settings=settings)


@pytest.mark.parametrize("shape", [(60, 50, 0), (40, 45, 50)])
@pytest.mark.parametrize("fisher", [False, True])
def test_values_and_labels_are_those_of_the_formula(shape, fisher):
    series, prior = person(axis(*shape))
    found = mapped(series, prior, fisher_z=fisher)
    expected = naive(series, prior, threshold=1.0, fisher=fisher)
    np.testing.assert_allclose(found.probability, np.clip(expected, 0, 1), atol=TOLERANCE)
    same_labels(found.label, prior, expected)


def test_values_on_rows_of_the_standard_91k_axis():
    """Every 150th row of cortex and voxels, with the standard axis's own vertices and voxels."""
    try:
        files.require(groups=("phantom",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    from actionloop.phantom.template import template

    whole = template().grayordinates
    assert len(whole) == 91_282
    voxels = whole.voxels
    some = Voxels(voxels.ijk[::150], voxels.structure[::150], voxels.affine, voxels.shape)
    rows = Grayordinates(whole.left[::150], whole.right[::150], whole.n_vertices, some)
    series, prior = person(rows, frames=300, seed=4, strength=0.5)
    expected = naive(series, prior, threshold=1.0)
    found = mapped(series, prior)
    np.testing.assert_allclose(found.probability, np.clip(expected, 0, 1), atol=TOLERANCE)
    same_labels(found.label, prior, expected)


def same_labels(label: np.ndarray, prior: Prior, expected: np.ndarray) -> None:
    """Labels are those of the formula but for ties."""
    ranked = np.sort(expected, axis=0)
    clear = ranked[-1] - ranked[-2] > 2 * TOLERANCE
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(label[clear], prior.keys[expected.argmax(axis=0)][clear])


def test_the_second_pass_compares_somatomotor_rows_again_with_all_networks():
    series, prior = person(axis(70, 70, 30), strength=0.4)
    once = mapped(series, prior)
    twice = mapped(series, prior, second_threshold_z=1.6)
    again = naive(series, prior, threshold=1.6)
    expected = naive(series, prior, threshold=1.0)
    second = np.isin(once.label, prior.keys[[2, 3, 5]])
    expected[:, second] = again[:, second]
    np.testing.assert_allclose(twice.probability, np.clip(expected, 0, 1), atol=TOLERANCE)
    same_labels(twice.label, prior, expected)
    assert (once.label != twice.label).any()
    assert (once.label == twice.label)[~second].all()


def test_rows_without_signal_excluded_rows_and_rows_without_template():
    series, prior = person(axis(60, 60, 20))
    data, template = series.data.copy(), prior.fingerprint.copy()
    data[:, [3, 70]] = 5
    template[:, 100:] = 0
    series, prior = replace(series, data=data), replace(prior, fingerprint=template)
    exclude = np.zeros(140, dtype=bool)
    exclude[[10, 11]] = True
    settings = Eta2Settings(second_threshold_z=0)
    found = map_eta2(signal.compress(series), prior, None, settings=settings, exclude=exclude)
    assert not found.label[[3, 70, 10, 11]].any() and not found.probability[:, [3, 70, 10, 11]].any()
    assert found.label[100:].all()  # without a template of their own they still have connectivity
    blank = data.copy()
    blank[:, exclude] = 5
    expected = naive(replace(series, data=blank), prior, threshold=1.0)
    np.testing.assert_allclose(found.probability, np.clip(expected, 0, 1), atol=TOLERANCE)


def test_order_of_vertices_and_scale_of_templates_and_series_do_not_matter():
    series, prior = person(axis(80, 60, 0))
    order = np.random.default_rng(1).permutation(80)
    order = np.concatenate([order, 80 + np.random.default_rng(2).permutation(60)])
    scale = np.random.default_rng(3).uniform(0.1, 9, 140).astype(np.float32)
    moved = replace(series, data=series.data[:, order] * scale)
    turned = replace(prior, fingerprint=prior.fingerprint[:, order] * 7 + 3)
    one, other = mapped(series, prior), mapped(moved, turned)
    np.testing.assert_allclose(other.probability, one.probability[:, order], atol=TOLERANCE)


@pytest.mark.parametrize("name", ["torch", "cuda"])
def test_every_device_gives_the_same_values(name):
    try:
        place = device(name)
    except ResourceError as missing:
        assert name == "cuda"
        pytest.skip(str(missing))
    series, prior = person(axis(70, 60, 40))
    basis = signal.compress(series)
    one, other = map_eta2(basis, prior, None), map_eta2(basis, prior, None, device=place)
    np.testing.assert_allclose(other.probability, one.probability, atol=1e-5)


def test_bad_input_is_refused():
    series, prior = person(axis(40, 40, 0))
    basis = signal.compress(series)
    with pytest.raises(PriorError, match="has none"):
        map_eta2(basis, replace(prior, fingerprint=None), None)
    flat = prior.fingerprint.copy()
    flat[2] = 0.3
    with pytest.raises(PriorError, match="without any variation: SCAN"):
        map_eta2(basis, replace(prior, fingerprint=flat), None)
    _, other = person(axis(41, 40, 0))
    with pytest.raises(PriorError, match="81 rows and the series 80"):
        map_eta2(basis, other, None)
    with pytest.raises(OptionError):
        Eta2Settings(threshold_z=np.nan)


def test_a_template_that_exceeds_the_threshold_nowhere_wins_nothing():
    series, prior = person(axis(60, 60, 0))
    found = mapped(series, prior, threshold_z=1.9)
    above = (prior.fingerprint - 0).std() > 0
    assert above
    high = mapped(series, prior, threshold_z=50.0)
    assert not high.label.any() and not high.probability.any()
    assert found.label.any()


# The published templates and a mesh of 10,242 vertices


def washu() -> Prior:
    folder = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data")) / "networks"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent (set ACTIONLOOP_DATA)")
    return files.read_prior(folder / "networkTemplates.mat")


@pytest.fixture(scope="module")
def lemon() -> Timeseries:
    try:
        files.require(groups=("demo",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    from actionloop.phantom import reference_scan

    return reference_scan()


def test_a_whole_hemisphere_of_the_real_scan_with_published_templates(lemon):
    """10,242 rows of one hemisphere: the formula in blocks of rows, in double precision."""
    prior = files.align_prior(washu(), lemon.grayordinates)
    left = lemon.grayordinates.left[:10_242]
    rows = Grayordinates(left, np.array([], dtype=np.int64))
    series = replace(lemon, data=lemon.data[:, :10_242], grayordinates=rows)
    some = Prior(
        prior.names,
        prior.keys,
        prior.colours,
        np.full((len(prior.names), 10_242), 1 / len(prior.names), dtype=np.float32),
        rows,
        prior.fingerprint[:, :10_242],
    )
    found = map_eta2(signal.compress(series), some, None, settings=Eta2Settings(second_threshold_z=0))
    valid = np.ptp(series.data, axis=0) > 0
    unit = series.data[:, valid].astype(np.float64)
    unit -= unit.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=0)
    mean = (unit.sum(axis=1) ** 2).sum() / valid.sum() ** 2
    spread = np.sqrt(((unit @ unit.T) ** 2).sum() / valid.sum() ** 2 - mean**2)
    t = some.fingerprint[:, valid].astype(np.float64)
    t = (t - t.mean(axis=1, keepdims=True)) / t.std(axis=1, keepdims=True)
    expected = np.zeros((len(some.names), valid.sum()))
    for start in range(0, valid.sum(), 500):
        c = (unit[:, start : start + 500].T @ unit - mean) / spread
        for k, template in enumerate(t):
            mask = template > 1
            one, other = template[mask], c[:, mask]
            m, g = (one + other) / 2, (one.mean() + other.mean(axis=1)[:, None]) / 2
            above = ((one - m) ** 2 + (other - m) ** 2).sum(axis=1)
            expected[k, start : start + 500] = 1 - above / ((one - g) ** 2 + (other - g) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.probability[:, valid], np.clip(expected, 0, 1), atol=TOLERANCE)
    ranked = np.sort(expected, axis=0)
    clear = ranked[-1] - ranked[-2] > 2 * TOLERANCE
    np.testing.assert_array_equal(found.label[valid][clear], some.keys[expected.argmax(axis=0)][clear])
    assert clear.mean() > 0.99


# Overlapping networks


def test_overlap_marks_the_upper_hump_of_eta2():
    """Most rows fit badly, some well: the threshold lies between the two humps, so that members are the latter."""
    rng = np.random.default_rng(0)
    series, prior = person(axis(300, 300, 0))
    made = mapped(series, prior)
    score = np.clip(
        np.where(rng.random((6, 600)) < 0.2, rng.normal(0.8, 0.04, (6, 600)), rng.normal(0.2, 0.05, (6, 600))), 0, 1
    )
    members = overlap(replace(made, probability=score.astype(np.float32)), None)
    assert members.shape == (6, 600)
    np.testing.assert_array_equal(members, score > 0.5)
