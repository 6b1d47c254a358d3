"""Ridge fusion against the formula written out with the whole matrix in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionloop.arrays import device
from actionloop.errors import OptionError, PriorError, SignalError
from actionloop.networks.ridge import RidgeSettings, map_ridge, over_networks
from actionloop.signal import compress
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, Prior, Surface, Timeseries, Voxels

NAMES = ("default", "visual", "SCAN", "hand", "AMN")
SIDE, SPACING_MM = 13, 4.0
N_SIDE = SIDE * SIDE


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """Two flat squares of cortex, 13 x 13 vertices 4 mm apart; all other vertices of the mesh are loose."""
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2) * SPACING_MM
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + SIDE], axis=1),
            np.stack([corner + 1, corner + SIDE + 1, corner + SIDE], axis=1),
        ]
    )
    surfaces = {}
    for hemisphere, x in zip(HEMISPHERES, (-80.0, 30.0), strict=True):
        vertices = np.full((32_492, 3), (x, -900.0, -900.0))
        vertices[:N_SIDE] = np.column_stack([grid[:, 0] + x, grid[:, 1], np.zeros(N_SIDE)])
        for kind in ("white", "pial", "midthickness", "inflated"):
            surfaces[hemisphere, kind] = Surface(vertices, faces, hemisphere, kind, "test")
    return Anatomy(surfaces, {h: np.zeros(32_492) for h in HEMISPHERES}, "test", False, "two squares")


def rows_of(vertices=range(N_SIDE), voxels: int = 40) -> Grayordinates:
    ijk = np.stack(np.unravel_index(np.arange(voxels), (8, 8, 8)), axis=1)
    structure = np.repeat("CIFTI_STRUCTURE_CEREBELLUM_LEFT", voxels)
    part = Voxels(ijk, structure, np.eye(4), (8, 8, 8)) if voxels else None
    return Grayordinates(np.array(vertices), np.array(vertices), voxels=part)


def person(axis: Grayordinates, *, frames: int = 120, seed: int = 0) -> tuple[Timeseries, Prior]:
    """Make a scan with five networks and templates that say about where they are; voxels without spatial prior."""
    rng = np.random.default_rng(seed)
    n, k = len(axis), len(NAMES)
    network = rng.integers(0, k, n)
    courses = rng.standard_normal((frames, k)) @ rng.normal(0, 0.6, (k, k))
    data = courses[:, network] + 1.5 * rng.standard_normal((frames, n)) + 50
    template = np.corrcoef(courses.T)[:, network] * 0.5 + rng.normal(0, 0.1, (k, n))
    probability = rng.dirichlet(np.ones(k), n).T
    probability[:, axis.n_cortex :] = 0
    probability[0, 3:9] = 0
    prior = Prior(
        NAMES,
        np.arange(1, k + 1) * 2,
        np.eye(k, 3),
        probability.astype(np.float32),
        axis,
        template.astype(np.float32),
    )
    return Timeseries(data.astype(np.float32), axis, 0.8), prior


def naive(series: Timeseries, prior: Prior, *, valid=None, exclusion_mm: float = 0.0, penalty=10.0) -> np.ndarray:
    """Probabilities by the definition: the whole matrix, zeroed near each cortical row, one solution per row."""
    n, m = len(series.grayordinates), series.grayordinates.n_cortex
    valid = np.ptp(series.data, axis=0) > 0 if valid is None else valid
    y = series.data.astype(float) - series.data.astype(float).mean(axis=0)
    length = np.linalg.norm(y, axis=0)
    y /= np.where(length > 0, length, 1)
    fc = y[:, :m].T @ y
    if exclusion_mm:
        vertices = np.concatenate([series.grayordinates.left, series.grayordinates.right])
        place = np.stack([vertices // SIDE, vertices % SIDE], axis=1) * SPACING_MM
        place[len(series.grayordinates.left) :] += 1000
        for i in range(m):
            fc[np.linalg.norm(place - place[i], axis=1) <= exclusion_mm, i] = 0
    known = np.flatnonzero(valid[:m] & prior.fingerprint[:, :m].any(axis=0))
    a = prior.fingerprint[:, known].T.astype(float)
    a -= a.mean(axis=0)
    a /= np.linalg.norm(a, axis=0)
    beta = np.linalg.inv(a.T @ a + penalty * np.eye(len(NAMES))) @ a.T @ fc[known]
    out = np.zeros((len(NAMES), n))
    for i in np.flatnonzero(valid):
        z = (beta[:, i] - beta[:, i].mean()) / beta[:, i].std(ddof=1)
        spatial = prior.probability[:, i].astype(float)
        spatial = spatial / spatial.sum() if spatial.any() else np.full(len(NAMES), 0.5)
        weight = np.exp(1.0 * z + 0.1 * np.log(np.maximum(spatial, 1e-6)))
        out[:, i] = weight / weight.sum()
    return out


def agrees(made, expected, tolerance=1e-4) -> None:
    np.testing.assert_allclose(made.probability, expected, atol=tolerance)
    ranked = np.sort(expected, axis=0)
    clear = (ranked[-1] - ranked[-2] > 2 * tolerance) & (expected.max(axis=0) > 0)
    assert clear.sum() > 0.9 * (expected.max(axis=0) > 0).sum()
    np.testing.assert_array_equal(made.label[clear], made.keys[expected.argmax(axis=0)][clear])


def test_map_is_the_dense_solution() -> None:
    series, prior = person(rows_of())
    made = map_ridge(compress(series, tolerance=1e-6), prior, None)
    agrees(made, naive(series, prior))
    assert made.measure == "probability" and made.method == "ridge"
    np.testing.assert_allclose(made.probability.sum(axis=0), 1, atol=1e-5)


def test_near_cortex_is_left_out_as_in_the_dense_matrix(anatomy) -> None:
    series, prior = person(rows_of(), seed=1)
    basis = compress(series, tolerance=1e-6)
    made = map_ridge(basis, prior, anatomy)
    expected = naive(series, prior, exclusion_mm=10.0)
    agrees(made, expected)
    kept = map_ridge(basis, prior, None).probability
    cortex = slice(0, 2 * N_SIDE)
    assert np.abs(kept[:, cortex] - expected[:, cortex]).max() > 0.01, "the exclusion must matter for this to be a test"
    np.testing.assert_array_equal(kept[:, 2 * N_SIDE :], made.probability[:, 2 * N_SIDE :])
    none = map_ridge(basis, prior, anatomy, settings=RidgeSettings(exclusion_mm=0.0))
    np.testing.assert_array_equal(none.probability, kept)


def test_sparse_vertices_and_blocks_smaller_than_the_axis(anatomy, monkeypatch) -> None:
    from actionloop.networks import ridge

    monkeypatch.setattr(ridge, "_ROWS", 7)
    monkeypatch.setattr(ridge, "_COLUMNS", 11)
    series, prior = person(rows_of(range(0, N_SIDE, 2), voxels=0), seed=2)
    made = map_ridge(compress(series, tolerance=1e-6), prior, anatomy)
    agrees(made, naive(series, prior, exclusion_mm=10.0))


def test_rows_without_signal_or_template_and_excluded_rows_take_no_part(anatomy) -> None:
    series, prior = person(rows_of(), seed=3)
    data, template = series.data.copy(), prior.fingerprint.copy()
    data[:, [5, 200, 340]] = 7.0
    template[:, [8, 250]] = 0
    series, prior = replace(series, data=data), replace(prior, fingerprint=template)
    exclude = np.zeros(len(series.grayordinates), dtype=bool)
    exclude[100:110] = True
    valid = ~exclude
    valid[[5, 200, 340]] = False
    made = map_ridge(compress(series, tolerance=1e-6), prior, anatomy, exclude=exclude)
    agrees(made, naive(series, prior, valid=valid, exclusion_mm=10.0))
    assert not made.label[~valid].any() and not made.probability[:, ~valid].any()
    assert made.label[[8, 250]].all()


def test_scale_and_offset_of_series_and_templates_do_not_matter() -> None:
    series, prior = person(rows_of(), seed=4)
    rng = np.random.default_rng(0)
    other = replace(series, data=(series.data * rng.uniform(0.5, 20, series.data.shape[1]) + 100).astype(np.float32))
    scaled = replace(prior, fingerprint=prior.fingerprint * 3)
    one = map_ridge(compress(series, tolerance=1e-6), prior, None)
    np.testing.assert_allclose(
        map_ridge(compress(other, tolerance=1e-6), scaled, None).probability, one.probability, atol=1e-4
    )


def test_order_of_rows_does_not_matter() -> None:
    axis = rows_of(range(100), voxels=0)
    series, prior = person(axis, seed=5)
    order = np.random.default_rng(0).permutation(len(axis))
    one = map_ridge(compress(series, tolerance=1e-6), prior, None)
    shuffled = replace(series, data=series.data[:, order])
    moved = replace(prior, probability=prior.probability[:, order], fingerprint=prior.fingerprint[:, order])
    other = map_ridge(compress(shuffled, tolerance=1e-6), moved, None)
    np.testing.assert_allclose(other.probability, one.probability[:, order], atol=1e-4)


def test_weights_and_penalty_are_used() -> None:
    series, prior = person(rows_of(), seed=6)
    basis = compress(series, tolerance=1e-6)
    cortex = slice(0, series.grayordinates.n_cortex)
    only_prior = map_ridge(basis, prior, None, settings=RidgeSettings(evidence_weight=0.0, prior_weight=1.0))
    spatial = prior.probability[:, cortex]
    expected = np.maximum(spatial / spatial.sum(axis=0), 1e-6)
    np.testing.assert_allclose(only_prior.probability[:, cortex], expected / expected.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(only_prior.probability[:, cortex.stop :], 1 / len(NAMES), atol=1e-6)
    made = map_ridge(basis, prior, None, settings=RidgeSettings(penalty=0.1))
    agrees(made, naive(series, prior, penalty=0.1))


def test_coefficients_that_do_not_vary_say_nothing() -> None:
    values = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 6.0]])
    np.testing.assert_allclose(over_networks(values), [[0, -1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(over_networks(np.array([[3.0, 5.0]])), [[0, 0]])


def test_torch_gives_the_same_map() -> None:
    pytest.importorskip("torch")
    series, prior = person(rows_of(), seed=7)
    basis = compress(series)
    one, other = map_ridge(basis, prior, None), map_ridge(basis, prior, None, device=device("torch"))
    np.testing.assert_allclose(other.probability, one.probability, atol=1e-5)


def test_bad_input_is_named() -> None:
    series, prior = person(rows_of(), seed=8)
    basis = compress(series)
    with pytest.raises(PriorError, match="templates"):
        map_ridge(basis, replace(prior, fingerprint=None), None)
    flat = prior.fingerprint.copy()
    flat[2, : series.grayordinates.n_cortex] = 0.3
    with pytest.raises(PriorError, match="SCAN"):
        map_ridge(basis, replace(prior, fingerprint=flat), None)
    subcortical = prior.fingerprint.copy()
    subcortical[:, : series.grayordinates.n_cortex] = 0
    with pytest.raises(PriorError, match="cortical"):
        map_ridge(basis, replace(prior, fingerprint=subcortical), None)
    with pytest.raises(SignalError):
        map_ridge(basis, prior, None, exclude=np.ones(len(series.grayordinates), dtype=bool))
    small = person(rows_of(range(20)), seed=8)[1]
    with pytest.raises(PriorError, match="rows"):
        map_ridge(basis, small, None)


@pytest.mark.parametrize(
    "option",
    [
        {"penalty": 0},
        {"penalty": float("nan")},
        {"evidence_weight": -1},
        {"prior_weight": -0.1},
        {"prior_floor": 0},
        {"exclusion_mm": -1},
    ],
)
def test_impossible_options_are_refused(option) -> None:
    with pytest.raises(OptionError):
        RidgeSettings(**option)
