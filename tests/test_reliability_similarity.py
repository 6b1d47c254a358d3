"""NSI against the definition with every correlation written out, its published values, and rows that are apart."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from actionloop import files
from actionloop.errors import PriorError
from actionloop.reliability.similarity import explained_variance, similarity, sparse_rows, usability
from actionloop.signal import compress
from actionloop.types import HEMISPHERES, Anatomy, Basis, Grayordinates, Prior, Surface, Timeseries, Voxels

NAMES = ("default", "visual", "SCAN", "hand", "AMN")
SIDE = 13
N_SIDE = SIDE * SIDE
N_CORTEX = 2 * N_SIDE


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """Two flat squares of cortex, 13 x 13 vertices; all other vertices of the mesh are loose."""
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2) * 4.0
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    one = np.stack([corner, corner + 1, corner + SIDE], axis=1)
    other = np.stack([corner + 1, corner + SIDE + 1, corner + SIDE], axis=1)
    faces, surfaces = np.concatenate([one, other]), {}
    for hemisphere, x in zip(HEMISPHERES, (-80.0, 30.0), strict=True):
        vertices = np.full((32_492, 3), (x, -900.0, -900.0))
        vertices[:N_SIDE] = np.column_stack([grid[:, 0] + x, grid[:, 1], np.zeros(N_SIDE)])
        for kind in ("white", "pial", "midthickness", "inflated"):
            surfaces[hemisphere, kind] = Surface(vertices, faces, hemisphere, kind, "test")
    return Anatomy(surfaces, {h: np.zeros(32_492) for h in HEMISPHERES}, "test", False, "two squares")


def rows_of(voxels: int = 60) -> Grayordinates:
    ijk = np.stack(np.unravel_index(np.arange(voxels), (5, 4, 3)), axis=1)
    structure = np.repeat("CIFTI_STRUCTURE_CEREBELLUM_LEFT", voxels)
    part = Voxels(ijk, structure, np.diag([2.0, 2.0, 2.0, 1.0]), (5, 4, 3)) if voxels else None
    return Grayordinates(np.arange(N_SIDE), np.arange(N_SIDE), voxels=part)


def person(axis: Grayordinates, *, noise: float = 1.5, seed: int = 0) -> tuple[Timeseries, Prior]:
    """Make a scan with five networks that share a signal, and templates that know about where they are."""
    rng = np.random.default_rng(seed)
    n, k = len(axis), len(NAMES)
    network = rng.integers(0, k, n)
    courses = rng.standard_normal((120, k)) @ rng.normal(0, 0.6, (k, k)) + rng.standard_normal((120, 1))
    data = courses[:, network] + noise * rng.standard_normal((120, n))
    data[:, [5, 40, 200]] = 3.0
    template = np.corrcoef(courses.T)[:, network] * 0.5 + rng.normal(0, 0.1, (k, n))
    template[:, [7, 41]] = 0
    probability = rng.dirichlet(np.ones(k), n).T
    prior = Prior(NAMES, np.arange(1, k + 1), np.eye(k, 3), probability, axis, template.astype(np.float32), "group")
    return Timeseries(data.astype(np.float32), axis, 0.8), prior


def naive(series: Timeseries, prior: Prior, keep: np.ndarray, *, penalty: float = 10.0) -> np.ndarray:
    """R² of every row, by a ridge regression of its correlations, one row at a time; NaN for rows without signal."""
    n, m = len(series.grayordinates), series.grayordinates.n_cortex
    known = [j for j in range(m) if keep[j] and prior.fingerprint[:, j].any()]
    a = prior.fingerprint[:, known].T.astype(float)
    out = np.full(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.corrcoef(series.data.T.astype(float))
    for i in np.flatnonzero(keep):
        c = r[i, known]
        augmented = np.vstack([a, np.sqrt(penalty) * np.eye(len(NAMES))])
        b = np.linalg.lstsq(augmented, np.append(c, np.zeros(len(NAMES))), rcond=None)[0]
        out[i] = 1 - ((c - a @ b) ** 2).sum() / ((c - c.mean()) ** 2).sum()
    return out


@pytest.fixture(scope="module")
def case(anatomy: Anatomy) -> tuple[Timeseries, Prior, Basis, np.ndarray]:
    series, prior = person(rows_of())
    return series, prior, compress(series, tolerance=1e-6), naive(series, prior, np.ptp(series.data, axis=0) > 0)


def test_explained_variance_is_that_of_a_dense_ridge(case) -> None:
    series, prior, basis, expected = case
    rows = np.flatnonzero(basis.valid)
    assert len(rows) == len(series.grayordinates) - 3
    found = explained_variance(basis, prior.fingerprint, rows, valid=basis.valid)
    np.testing.assert_allclose(found, expected[rows], atol=2e-5)
    assert np.ptp(expected[rows]) > 0.3


def test_the_index_is_the_median_over_sparse_rows_without_those_below_0(case, anatomy: Anatomy) -> None:
    series, prior, basis, expected = case
    # Templates that are opposite to the mean leave fits that are worse than it.
    for template in (prior.fingerprint, np.ascontiguousarray(prior.fingerprint[:, ::-1])):
        changed = replace(prior, fingerprint=template)
        r2 = expected if template is prior.fingerprint else naive(series, changed, basis.valid)
        rows = sparse_rows(series.grayordinates, anatomy, valid=basis.valid)
        found = similarity(basis, changed, anatomy)
        assert found is not None
        assert found.value == pytest.approx(np.median([x for x in r2[rows] if x >= 0]), abs=2e-5)
        assert found.usable == usability(found.value)
        assert (found.rows, found.prior) == (len(rows), "group")
    assert (r2[rows] < 0).any()


def test_excluded_rows_neither_count_nor_enter(case, anatomy: Anatomy) -> None:
    series, prior, basis, _ = case
    exclude = np.zeros(len(series.grayordinates), dtype=bool)
    exclude[60:150] = True
    found = similarity(basis, prior, anatomy, exclude=exclude)
    keep = basis.valid & ~exclude
    rows = sparse_rows(series.grayordinates, anatomy, valid=keep)
    assert not exclude[rows].any()
    assert found is not None
    expected = naive(series, prior, keep)[rows]
    assert found.value == pytest.approx(np.median(expected[expected >= 0]), abs=2e-5)


@pytest.mark.parametrize(("value", "probability"), [(0.409, 0.5), (0.515, 0.8), (0.583, 0.9)])
def test_usability_is_the_published_one(value: float, probability: float) -> None:
    assert usability(value) == pytest.approx(probability, abs=0.003)


def test_usability_rises_over_all_values_that_there_are() -> None:
    found = [usability(value) for value in np.linspace(0, 1, 201)]
    assert (np.diff(found) > 0).all()
    assert found[0] < 0.01
    assert found[-1] > 0.99
    assert np.isnan(usability(float("nan")))


def test_noise_has_a_lower_index_than_signal(anatomy: Anatomy) -> None:
    values = []
    for noise in (0.3, 3.0, 30.0):
        series, prior = person(rows_of(), noise=noise)
        found = similarity(compress(series), prior, anatomy)
        assert found is not None
        values.append(found.value)
    assert values[0] > values[1] + 0.1 > values[2] + 0.2


def test_sparse_rows_are_apart_and_none_could_be_added(case, anatomy: Anatomy) -> None:
    series, _, basis, _ = case
    axis = series.grayordinates
    rows = sparse_rows(axis, anatomy, valid=basis.valid)
    assert (np.diff(rows) > 0).all()
    assert basis.valid[rows].all()
    linked = np.zeros((len(axis), len(axis)), dtype=bool)
    for first in (0, N_SIDE):
        for face in anatomy.surface("L").faces + first:
            linked[np.ix_(face, face)] = True
    place = axis.voxels.ijk * 2.0
    linked[N_CORTEX:, N_CORTEX:] = np.linalg.norm(place[:, None] - place, axis=2) <= 2
    np.fill_diagonal(linked, val=False)
    assert not linked[np.ix_(rows, rows)].any()
    others = np.setdiff1d(np.flatnonzero(basis.valid), rows)
    assert linked[np.ix_(others, rows)].any(axis=1).all()
    assert len(rows[rows >= N_CORTEX]) == 30  # a checkerboard


def test_without_templates_or_an_anatomy_there_is_no_index(case, anatomy: Anatomy) -> None:
    _, prior, basis, _ = case
    assert similarity(basis, replace(prior, fingerprint=None), anatomy) is None
    assert similarity(basis, prior, None) is None


def test_templates_that_explain_nothing_leave_no_number(case, anatomy: Anatomy) -> None:
    # Correlations far from 0 that hardly vary, and a template that is orthogonal to them.
    rng = np.random.default_rng(1)
    axis = rows_of(0)
    data = rng.standard_normal((120, 1)) + 0.1 * rng.standard_normal((120, N_CORTEX))
    prior = person(axis)[1]
    sign = np.resize([1.0, -1.0], N_CORTEX).astype(np.float32)
    found = similarity(
        compress(Timeseries(data, axis, 0.8)), replace(prior, fingerprint=np.tile(sign, (5, 1))), anatomy
    )
    assert found is not None
    assert np.isnan(found.value)
    assert np.isnan(found.usable)


def test_priors_that_do_not_fit_are_refused(case, anatomy: Anatomy) -> None:
    _, prior, basis, _ = case
    with pytest.raises(PriorError, match="rows"):
        similarity(basis, person(rows_of(0))[1], anatomy)
    broken = prior.fingerprint.copy()
    broken[0, 3] = np.nan
    with pytest.raises(PriorError, match="NaN"):
        similarity(basis, replace(prior, fingerprint=broken), anatomy)
    only_voxels = prior.fingerprint.copy()
    only_voxels[:, :N_CORTEX] = 0
    with pytest.raises(PriorError, match="no cortical row"):
        similarity(basis, replace(prior, fingerprint=only_voxels), anatomy)


def test_the_whole_cortex_takes_seconds() -> None:
    anatomy, axis = files.template_anatomy(), files.template_grayordinates()
    rng = np.random.default_rng(0)
    k, n, d = 19, len(axis), 200
    network = np.arange(n) * k // n
    y = rng.standard_normal((k, d), dtype=np.float32)[network].T + rng.standard_normal((d, n), dtype=np.float32)
    y /= np.linalg.norm(y, axis=0)
    basis = Basis(y, axis, np.ones(n, dtype=bool), 1000, 0.8, 0.0)
    template = np.eye(k, dtype=np.float32)[network].T * 0.5
    names = tuple(f"network {i}" for i in range(k))
    prior = Prior(names, np.arange(1, k + 1), np.zeros((k, 3)), template, axis, template)
    start = time.process_time()
    found = similarity(basis, prior, anatomy)
    assert time.process_time() - start < 10
    assert found is not None
    assert 0.25 * n > found.rows > 0.2 * n
    rows = np.sort(rng.choice(n, 5, replace=False))
    for row, r2 in zip(rows, explained_variance(basis, template, rows, valid=basis.valid), strict=True):
        c = (y[:, row] @ y).astype(float)
        b = np.linalg.solve(template @ template.T + 10 * np.eye(k), template @ c)
        assert r2 == pytest.approx(1 - ((c - b @ template) ** 2).sum() / ((c - c.mean()) ** 2).sum(), abs=1e-4)
