"""The hierarchical model: its distributions, its steps written out in loops, and people of known networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.special import gammaln, iv, ive, logsumexp

from actionloop.arrays import device
from actionloop.errors import GeometryError, OptionError, PriorError, SignalError
from actionloop.networks import expectation, profiles, training, vonmises
from actionloop.networks.group import keep_seeds, prior_parameters
from actionloop.networks.hierarchical import HierarchicalSettings, map_hierarchical, mesh_neighbours
from actionloop.networks.training import train_hierarchical
from actionloop.signal import compress
from actionloop.types import (
    HEMISPHERES,
    Anatomy,
    Basis,
    Grayordinates,
    GroupParameters,
    Prior,
    Surface,
    Timeseries,
    Voxels,
)

NAMES = ("default", "visual", "SCAN", "AMN")
K = len(NAMES)
SIDE = 13
N_SIDE = SIDE * SIDE
EVERY = HierarchicalSettings(n_seeds=1000)
"""Every row is a seed."""


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    """Two flat squares of cortex, 13 x 13 vertices; all other vertices of the mesh are loose."""
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1).reshape(-1, 2) * 3.0
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + SIDE], axis=1)
    upper = np.stack([corner + 1, corner + SIDE + 1, corner + SIDE], axis=1)
    surfaces = {}
    for hemisphere, x in zip(HEMISPHERES, (-80.0, 30.0), strict=True):
        vertices = np.full((32_492, 3), (x, -900.0, -900.0))
        vertices[:N_SIDE] = np.column_stack([grid[:, 0] + x, grid[:, 1], np.zeros(N_SIDE)])
        for kind in ("white", "pial", "midthickness", "inflated"):
            faces = np.concatenate([lower, upper])
            surfaces[hemisphere, kind] = Surface(vertices, faces, hemisphere, kind, "test")
    return Anatomy(surfaces, {h: np.zeros(32_492) for h in HEMISPHERES}, "test", False, "two squares")


def rows_of(voxels: int = 0) -> Grayordinates:
    ijk = np.stack(np.unravel_index(np.arange(voxels), (8, 8, 8)), axis=1)
    structure = np.repeat("CIFTI_STRUCTURE_CEREBELLUM_LEFT", voxels)
    part = Voxels(ijk, structure, np.eye(4), (8, 8, 8)) if voxels else None
    return Grayordinates(np.arange(N_SIDE), np.arange(N_SIDE), voxels=part)


AXIS = rows_of()
GROUP_LABEL = np.minimum(np.arange(N_SIDE) // SIDE * K // SIDE, K - 1)
COUPLING = np.random.default_rng(99).normal(0, 0.35, (K, K)) + np.eye(K)
"""How the courses of networks mix: the same in all people, so that templates fit."""


def own_label(seed: int = 0) -> np.ndarray:
    """Networks of one person: the group's stripes, with borders that wander."""
    rng = np.random.default_rng(seed)
    across, along = np.divmod(np.arange(N_SIDE), SIDE)
    both = []
    for _ in HEMISPHERES:
        shift = 1.6 * np.sin(along / SIDE * 2 * np.pi + rng.uniform(0, 6)) + rng.normal(0, 0.3)
        both.append(np.clip(((across + 0.5 + shift) * K / SIDE).astype(int), 0, K - 1))
    return np.concatenate(both)


def series_of(
    label: np.ndarray, axis: Grayordinates = AXIS, *, seed: int, noise: float = 1.2, frames=200
) -> Timeseries:
    rng = np.random.default_rng(seed)
    courses = rng.standard_normal((frames, K)) @ COUPLING
    data = courses[:, label] + noise * rng.standard_normal((frames, len(axis))) + 90
    return Timeseries(data.astype(np.float32), axis, 0.8)


def make_prior(axis: Grayordinates = AXIS) -> Prior:
    """Stripes blurred over their borders, and templates from the coupling of courses."""
    centre = (np.arange(N_SIDE) // SIDE + 0.5) * K / SIDE
    near = np.exp(-(((centre[None] - np.arange(K)[:, None] - 0.5) / 0.6) ** 2))
    probability = np.zeros((K, len(axis)), dtype=np.float32)
    probability[:, : axis.n_cortex] = np.tile(near / near.sum(axis=0), 2)
    similar = np.corrcoef((COUPLING.T @ COUPLING).T)
    covariance = COUPLING.T @ COUPLING
    similar = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    label = np.concatenate([GROUP_LABEL, GROUP_LABEL, np.zeros(len(axis) - axis.n_cortex, dtype=int)])
    fingerprint = (0.4 * similar[:, label]).astype(np.float32)
    return Prior(NAMES, np.arange(1, K + 1) * 3, np.eye(K, 3), probability, axis, fingerprint)


def two_sessions(label: np.ndarray, axis: Grayordinates = AXIS, *, seed: int = 0, **options) -> tuple[Basis, Basis]:
    return tuple(compress(series_of(label, axis, seed=seed + 1000 * (k + 1), **options)) for k in range(2))


def right(made, label) -> float:
    return float((made.label[: len(label)] == made.keys[label]).mean())


# ---- von Mises-Fisher


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 2.5, 9.0])
def test_log_bessel_is_that_of_scipy_where_it_can_be(order) -> None:
    x = np.array([1e-3, 0.1, 1.0, 5.0, 40.0, 300.0])
    np.testing.assert_allclose(vonmises.log_bessel(order, x), np.log(iv(order, x)), atol=1e-10)
    assert vonmises.log_bessel(order, 5000.0) == pytest.approx(np.log(ive(order, 5000.0)) + 5000, abs=1e-8)
    assert vonmises.log_bessel(order, 1e-9) == pytest.approx(order * np.log(5e-10) - gammaln(order + 1), abs=1e-9)


@pytest.mark.parametrize("order", [49.5, 50.0, 51.0, 120.5, 740.0, 740.5, 3000.0])
@pytest.mark.parametrize("x", [0.5, 30.0, 650.0, 5000.0])
def test_log_bessel_of_high_order_obeys_recurrence(order, x) -> None:
    """I(v-1) - I(v+1) = 2 v / x I(v), also across the order where the formula changes."""
    low, mid, high = (float(vonmises.log_bessel(v, x)) for v in (order - 1, order, order + 1))
    assert np.exp(low - mid) - np.exp(high - mid) == pytest.approx(2 * order / x, rel=1e-8)


def test_log_bessel_of_high_order_is_its_power_series() -> None:
    k = np.arange(400)
    for x in (1.0, 80.0, 500.0):
        terms = (740 + 2 * k) * np.log(x / 2) - gammaln(k + 1) - gammaln(740 + k + 1)
        assert vonmises.log_bessel(740.0, x) == pytest.approx(logsumexp(terms), abs=1e-9)


@pytest.mark.parametrize("n_dimensions", [2, 3, 10, 100, 1482])
@pytest.mark.parametrize("kappa", [0.0, 0.3, 20.0, 650.0, 3000.0])
def test_density_integrates_to_1_and_its_cosine_is_the_resultant(n_dimensions, kappa) -> None:
    angle = (np.arange(400_000) + 0.5) * np.pi / 400_000
    ring = np.log(2) + (n_dimensions - 1) / 2 * np.log(np.pi) - gammaln((n_dimensions - 1) / 2)
    log_density = vonmises.log_normaliser(kappa, n_dimensions) + kappa * np.cos(angle)
    log_mass = log_density + ring + (n_dimensions - 2) * np.log(np.sin(angle)) + np.log(np.pi / 400_000)
    assert logsumexp(log_mass) == pytest.approx(0, abs=1e-7)
    mean = float((np.exp(log_mass) * np.cos(angle)).sum())
    assert vonmises.mean_resultant(kappa, n_dimensions) == pytest.approx(mean, abs=1e-8)


def test_concentration_inverts_the_resultant() -> None:
    for n_dimensions in (3, 50, 1482):
        kappa = np.array([0.5, 30.0, 900.0, 2500.0])
        cosine = vonmises.mean_resultant(kappa, n_dimensions)
        inside = cosine < 0.999
        np.testing.assert_allclose(vonmises.concentration(cosine, n_dimensions)[inside], kappa[inside], rtol=1e-7)
    assert vonmises.concentration(-0.2, 50) == 0
    assert np.isfinite(vonmises.concentration(1.0, 50))


def draw(rng, mean: np.ndarray, kappa: float) -> np.ndarray:
    """One von Mises-Fisher vector in the space of profiles (sum 0)."""
    d = len(mean) - 1
    cosine = np.linspace(-1, 1, 20_001)[1:-1]
    log_p = kappa * cosine + (d - 3) / 2 * np.log1p(-(cosine**2))
    p = np.exp(log_p - log_p.max())
    w = rng.choice(cosine, p=p / p.sum())
    other = rng.standard_normal(len(mean))
    other -= other.mean()
    other -= (other @ mean) * mean
    return w * mean + np.sqrt(1 - w**2) * other / np.linalg.norm(other)


def directions(rng, *shape) -> np.ndarray:
    values = rng.standard_normal(shape)
    values -= values.mean(axis=-1, keepdims=True)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


# ---- profiles


def naive_profiles(data: np.ndarray, rows, seeds, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit profiles by the definition, and how far each correlation is from the limit."""
    r = np.corrcoef(data.T.astype(float))[np.ix_(rows, seeds)]
    limit = np.sort(r.ravel())[::-1][max(1, round(share * r.size)) - 1]
    x = (r >= limit).astype(float)
    x -= x.mean(axis=1, keepdims=True)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0), np.abs(r - limit).min(axis=1)


def test_profiles_are_the_largest_tenth_centred_and_scaled(monkeypatch) -> None:
    monkeypatch.setattr(profiles, "_ROWS", 37)
    series = series_of(own_label(), seed=3)
    basis = compress(series, tolerance=1e-6)
    rows, seeds = np.arange(4, 330), np.arange(1, 338, 3)
    made = profiles.seed_profiles(basis, rows=rows, seeds=seeds, share=0.1)
    expected, distance = naive_profiles(series.data, rows, seeds, 0.1)
    clear = distance > 5e-5
    assert clear.mean() > 0.8
    rng = np.random.default_rng(0)
    along = directions(rng, 5, len(seeds))
    np.testing.assert_allclose(made.cosines(along)[clear], (expected @ along.T)[clear], atol=1e-5)
    weight = rng.uniform(size=(len(rows), K)) * clear[:, None]
    np.testing.assert_allclose(made.sums(weight), weight.T @ expected, atol=1e-4)
    assert made.bits.sum() >= round(0.1 * made.bits.size), "ties at the limit are in"
    assert made.bits.mean() == pytest.approx(0.1, abs=0.002)


def test_rows_that_go_with_no_seed_have_no_profile() -> None:
    series = series_of(own_label(), seed=4)
    data = series.data.copy()
    data[:, 51] = np.random.default_rng(1).standard_normal(len(data))
    basis = compress(replace(series, data=data))
    made = profiles.seed_profiles(basis, rows=np.arange(338), seeds=np.arange(0, 338, 5), share=0.25)
    others = np.delete(np.arange(338), 51)
    assert not made.present[51] and made.present[others].mean() > 0.9
    assert not made.cosines(directions(np.random.default_rng(0), 2, 68))[51].any()
    made = map_hierarchical(basis, make_prior(), None, settings=replace(EVERY, n_seeds=68, profile_share=0.25))
    assert made.label[51] == 0 and not made.probability[:, 51].any()


def test_too_few_seeds_are_refused() -> None:
    basis = compress(series_of(own_label(), seed=4))
    with pytest.raises(SignalError, match="seeds"):
        profiles.seed_profiles(basis, rows=np.arange(9), seeds=np.arange(2), share=0.1)


def test_seeds_are_named_by_hemisphere_and_vertex() -> None:
    axis = Grayordinates(np.array([2, 5, 9]), np.array([0, 5]))
    rows = np.array([1, 3, 4])
    named = profiles.name_rows(axis, rows)
    np.testing.assert_array_equal(named, [[0, 5], [1, 0], [1, 5]])
    np.testing.assert_array_equal(profiles.find_rows(axis, named), rows)
    np.testing.assert_array_equal(profiles.find_rows(Grayordinates(np.array([5]), np.array([7])), named), [0, -1, -1])


# ---- steps, in loops


def small_group(rng, n_seeds: int) -> GroupParameters:
    return GroupParameters(
        NAMES,
        directions(rng, K, n_seeds),
        rng.uniform(20, 40, K),
        rng.uniform(60, 90, K),
        rng.uniform(30, 50, K),
        np.stack([np.zeros(n_seeds, dtype=int), np.arange(n_seeds)], axis=1),
    )


def random_sessions(rng, n_rows: int, n_seeds: int) -> tuple[list[profiles.Profiles], list[np.ndarray]]:
    """Profiles and the same as unit vectors; the first row has none in session 0, the second in neither."""
    made, unit = [], []
    for t in range(2):
        bits = (rng.uniform(size=(n_rows, n_seeds)) < 0.2).astype(np.uint8)
        bits[t:2] = 0
        x = bits - bits.mean(axis=1, keepdims=True)
        length = np.linalg.norm(x, axis=1)
        scale = np.divide(1, length, out=np.zeros(n_rows), where=length > 0)
        made.append(profiles.Profiles(bits, scale, device()))
        unit.append(x * scale[:, None])
    return made, unit


def test_expectation_step_equals_loops() -> None:
    rng = np.random.default_rng(5)
    sessions, unit = random_sessions(rng, 200, 40)
    means, kappa = directions(rng, 2, K, 40), rng.uniform(5, 30, K)
    log_prior = 3 * np.log(rng.dirichlet(np.ones(K), 200))
    edges = sparse.random_array((200, 200), density=0.02, rng=rng, format="csr")
    neighbours = ((edges + edges.T) > 0).astype(float).tocsr()
    neighbours.setdiag(0)
    neighbours.eliminate_zeros()
    c = 0.4
    found = expectation.log_likelihood(sessions, means, kappa)
    present = np.any([s.present for s in sessions], axis=0)
    q = expectation.expect(
        found + log_prior,
        present,
        neighbours,
        smoothness=c,
        start=expectation.softmax(found + log_prior, present),
    )
    for n in range(200):
        log_l = np.zeros(K)
        for t in range(2):
            if unit[t][n].any():
                for k in range(K):
                    log_l[k] += vonmises.log_normaliser(kappa[k], 39) + kappa[k] * (unit[t][n] @ means[t, k])
        np.testing.assert_allclose(found[n], log_l, atol=1e-4)
        score = np.zeros(K)
        for k in range(K):
            disagreement = 0.0
            for j in range(200):
                if neighbours[n, j] and present[j]:
                    disagreement += 1 - q[j, k]
            score[k] = log_l[k] + log_prior[n, k] - 2 * c * disagreement
        expected = np.exp(score - score.max())
        expected = expected / expected.sum() if n != 1 else expected * 0
        np.testing.assert_allclose(q[n], expected, atol=2e-3)


@pytest.mark.parametrize("refit", [True, False])
def test_maximisation_step_equals_loops(refit) -> None:
    rng = np.random.default_rng(6)
    sessions, unit = random_sessions(rng, 200, 40)
    group = small_group(rng, 40)
    q = rng.dirichlet(np.ones(K), 200)
    q[1] = 0
    sums = np.stack([s.sums(q) for s in sessions])
    counts = np.stack([q[s.present].sum(axis=0) for s in sessions])
    means, person, kappa = expectation.maximise(
        sums, counts, group, kappa=group.kappa, person=group.mu, refit_kappa=refit
    )
    nu, psi, k = np.zeros((2, K, 40)), group.mu.copy(), group.kappa.copy()
    for _ in range(20):
        for t in range(2):
            for m in range(K):
                total = group.sigma[m] * psi[m]
                for n in range(200):
                    total = total + k[m] * q[n, m] * unit[t][n]
                nu[t, m] = total / np.linalg.norm(total)
        for m in range(K):
            total = group.epsilon[m] * group.mu[m] + group.sigma[m] * (nu[0, m] + nu[1, m])
            psi[m] = total / np.linalg.norm(total)
        if refit:
            cosine, weight = 0.0, 0.0
            for t in range(2):
                for n in range(200):
                    if unit[t][n].any():
                        cosine += sum(q[n, m] * (unit[t][n] @ nu[t, m]) for m in range(K))
                        weight += q[n].sum()
            k[:] = vonmises.concentration(cosine / weight, 39)
    np.testing.assert_allclose(means, nu, atol=1e-3)
    np.testing.assert_allclose(person, psi, atol=1e-3)
    np.testing.assert_allclose(kappa, k, rtol=1e-3)


def test_every_round_raises_the_objective() -> None:
    rng = np.random.default_rng(7)
    sessions, _ = random_sessions(rng, 200, 40)
    log_prior = np.log(rng.dirichlet(np.ones(K), 200))
    fit = expectation.fit_person(
        sessions,
        log_prior,
        small_group(rng, 40),
        neighbours=None,
        smoothness=0.0,
        refit_kappa=True,
        stop=(25, 0.0),
    )
    assert len(fit.objective) > 3
    assert np.diff(fit.objective).min() > -1e-3 * abs(fit.objective[0])
    assert fit.objective[-1] > fit.objective[0] + 1
    np.testing.assert_allclose(np.linalg.norm(fit.session_means, axis=2), 1, atol=1e-9)


def test_objective_equals_loops() -> None:
    rng = np.random.default_rng(8)
    group = small_group(rng, 20)
    q, evidence = rng.dirichlet(np.ones(K), 12), rng.normal(size=(12, K))
    neighbours = sparse.csr_array(np.roll(np.eye(12), 1, axis=1) + np.roll(np.eye(12), -1, axis=1))
    expected = 0.0
    for n in range(12):
        for k in range(K):
            expected += q[n, k] * (evidence[n, k] - np.log(q[n, k]))
            expected -= 0.7 * sum(q[n, k] * (1 - q[j, k]) for j in ((n - 1) % 12, (n + 1) % 12))
    assert expectation.row_energy(q, evidence, neighbours, 0.7) == pytest.approx(expected)
    means, person = directions(rng, 2, K, 20), directions(rng, K, 20)
    expected = 0.0
    for k in range(K):
        for t in range(2):
            expected += vonmises.log_normaliser(group.sigma[k], 19) + group.sigma[k] * (means[t, k] @ person[k])
        expected += vonmises.log_normaliser(group.epsilon[k], 19) + group.epsilon[k] * (person[k] @ group.mu[k])
    assert expectation.mean_energy(means, person, group) == pytest.approx(expected)


# ---- one person


def test_known_networks_are_found(anatomy) -> None:
    label, prior = own_label(11), make_prior()
    sessions = two_sessions(label, seed=11)
    atlas = np.tile(GROUP_LABEL, 2)
    made = map_hierarchical(sessions[0], prior, anatomy, settings=EVERY, sessions=sessions)
    assert (atlas == label).mean() < 0.85
    assert right(made, label) > 0.97
    assert made.method == "hierarchical" and made.measure == "probability"
    np.testing.assert_allclose(made.probability.sum(axis=0), 1, atol=1e-5)
    assert made.settings["sessions"] == 2 and made.settings["group"] == "templates of the prior"
    alone = map_hierarchical(sessions[0], prior, anatomy, settings=EVERY)
    assert right(alone, label) > 0.93


def test_seeds_may_be_few(anatomy) -> None:
    label = own_label(12)
    sessions = two_sessions(label, seed=12)
    made = map_hierarchical(sessions[0], make_prior(), anatomy, settings=replace(EVERY, n_seeds=60), sessions=sessions)
    assert made.settings["seeds"] == 60
    assert right(made, label) > 0.93


def test_smoothness_takes_an_isolated_row_along(anatomy) -> None:
    label = np.tile(GROUP_LABEL, 2)
    middle = 1 * SIDE + 6
    assert GROUP_LABEL[middle] == 0
    label[middle] = 2
    sessions = two_sessions(label, seed=13)
    options = replace(EVERY, prior_weight=0.0, smoothness=300.0)
    rough = map_hierarchical(
        sessions[0], make_prior(), anatomy, settings=replace(options, smoothness=0.0), sessions=sessions
    )
    smooth = map_hierarchical(sessions[0], make_prior(), anatomy, settings=options, sessions=sessions)
    assert rough.label[middle] == rough.keys[2]
    assert smooth.label[middle] == smooth.keys[0]
    without = map_hierarchical(sessions[0], make_prior(), None, settings=options, sessions=sessions)
    np.testing.assert_array_equal(without.label, rough.label)


def test_more_weight_pulls_to_the_prior() -> None:
    label, prior = own_label(14), make_prior()
    sessions = two_sessions(label, seed=14, noise=2.0)
    ranked = np.sort(prior.probability, axis=0)
    clear = ranked[-1] - ranked[-2] > 0.01  # the middle line of the squares is drawn between two networks
    agreement = []
    for weight in (0.0, 300.0, 20_000.0):
        options = replace(EVERY, prior_weight=weight)
        made = map_hierarchical(sessions[0], prior, None, settings=options, sessions=sessions)
        agreement.append(float((made.label == prior.keys[prior.probability.argmax(axis=0)])[clear].mean()))
    assert agreement[0] < agreement[1] < agreement[2] == 1


def test_constant_and_excluded_rows_are_unassigned(anatomy) -> None:
    label, prior = own_label(15), make_prior()
    runs = [series_of(label, seed=s) for s in (1, 2)]
    for series, flat in zip(runs, (7, 200), strict=True):
        series.data[:, flat] = 3.0
    sessions = [compress(series) for series in runs]
    exclude = np.zeros(len(AXIS), dtype=bool)
    exclude[100:120] = True
    made = map_hierarchical(sessions[0], prior, anatomy, settings=EVERY, sessions=sessions, exclude=exclude)
    gone = exclude.copy()
    gone[[7, 200]] = True
    assert not made.label[gone].any() and not made.probability[:, gone].any() and not made.confidence[gone].any()
    assert made.label[~gone].all()
    assert made.settings["seeds"] == (~gone).sum()
    assert (made.label == made.keys[label])[~gone].mean() > 0.95


def test_voxels_get_the_network_they_go_with() -> None:
    axis = rows_of(voxels=60)
    label = np.concatenate([own_label(16), np.arange(60) % K])
    sessions = two_sessions(label, axis, seed=16)
    made = map_hierarchical(sessions[0], make_prior(axis), None, settings=EVERY, sessions=sessions)
    assert right(made, label) > 0.93
    assert (made.label[338:] == made.keys[label[338:]]).mean() > 0.9
    cortex = [replace(s, data=s.data[:, :338], grayordinates=AXIS, valid=s.valid[:338]) for s in sessions]
    alone = map_hierarchical(cortex[0], make_prior(), None, settings=EVERY, sessions=cortex)
    np.testing.assert_array_equal(alone.label, made.label[:338])


def test_scale_of_the_series_and_order_of_rows_do_not_matter() -> None:
    label, prior = own_label(17), make_prior()
    rng = np.random.default_rng(0)
    order, gain = rng.permutation(338), rng.uniform(0.5, 9, 338)
    runs = [series_of(label, seed=s) for s in (5, 6)]
    one = map_hierarchical(compress(runs[0]), prior, None, settings=EVERY, sessions=[compress(r) for r in runs])
    other = [replace(r, data=(r.data * gain)[:, order].astype(np.float32)) for r in runs]
    moved = replace(prior, probability=prior.probability[:, order], fingerprint=prior.fingerprint[:, order])
    two = map_hierarchical(compress(other[0]), moved, None, settings=EVERY, sessions=[compress(r) for r in other])
    assert (two.label == one.label[order]).mean() > 0.99


def test_neighbours_are_the_mesh_of_the_rows(anatomy) -> None:
    axis = Grayordinates(np.array([0, 1, 2, 13, 14]), np.array([5, 6]))
    dense = mesh_neighbours(axis, anatomy, np.array([0, 1, 3, 4, 5, 6])).toarray()
    expected = np.zeros((6, 6))
    for a, b in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (4, 5)):
        expected[a, b] = expected[b, a] = 1
    np.testing.assert_array_equal(dense, expected)
    with pytest.raises(GeometryError, match="mesh"):
        mesh_neighbours(Grayordinates(np.arange(5), np.arange(5), n_vertices=100), anatomy, np.arange(3))


def test_torch_gives_the_same_map() -> None:
    pytest.importorskip("torch")
    sessions = two_sessions(own_label(18), seed=18)
    options = {"settings": EVERY, "sessions": sessions}
    one = map_hierarchical(sessions[0], make_prior(), None, **options)
    other = map_hierarchical(sessions[0], make_prior(), None, device=device("torch"), **options)
    assert (one.label == other.label).mean() > 0.995


# ---- the group


def test_group_is_estimated_from_sums_of_known_people() -> None:
    rng = np.random.default_rng(19)
    n_seeds, people, sessions = 60, 40, 3
    truth = directions(rng, K, n_seeds)
    epsilon, sigma = np.array([60.0, 120, 120, 60]), np.array([200.0, 200, 400, 400])
    moments = []
    for _ in range(people):
        means = np.empty((sessions, K, n_seeds))
        for k in range(K):
            own = draw(rng, truth[k], epsilon[k])
            for t in range(sessions):
                means[t, k] = draw(rng, own, sigma[k])
        moments.append(training.Moments(means * 400.0 * 0.5, np.full((sessions, K), 400.0)))
    start = replace(
        small_group(rng, n_seeds), mu=training.as_directions(truth + 0.1 * rng.standard_normal(truth.shape))
    )
    made = training.estimate_group(moments, start)
    assert ((made.mu * truth).sum(axis=1) > 0.96).all()
    np.testing.assert_allclose(made.epsilon, epsilon, rtol=0.15)
    np.testing.assert_allclose(made.sigma, sigma, rtol=0.15)
    np.testing.assert_allclose(made.kappa, vonmises.concentration(0.5, n_seeds - 1), rtol=0.02)
    assert made.n_people == people


def test_training_learns_what_maps_better_than_the_prior_alone(anatomy) -> None:
    prior = replace(make_prior(), fingerprint=make_prior().fingerprint.copy())
    rng = np.random.default_rng(0)
    prior.fingerprint[:] += rng.normal(0, 0.4, prior.fingerprint.shape)
    people = [two_sessions(own_label(30 + p), seed=30 + p) for p in range(4)]
    group = train_hierarchical(iter(people), prior, anatomy, settings=EVERY)
    assert group.n_people == 4 and group.names == NAMES
    truth = prior_parameters(make_prior(), n_seeds=1000).mu
    before = prior_parameters(prior, n_seeds=1000).mu
    assert ((group.mu * truth).sum(axis=1) > (before * truth).sum(axis=1)).all()
    label = own_label(50)
    sessions = two_sessions(label, seed=50)
    made = map_hierarchical(sessions[0], prior, anatomy, settings=EVERY, sessions=sessions, group=group)
    assert made.settings["group"] == "4 people"
    assert right(made, label) > 0.96
    own = map_hierarchical(sessions[0], replace(prior, group=group), anatomy, settings=EVERY, sessions=sessions)
    np.testing.assert_array_equal(own.probability, made.probability)
    assert own.settings["group"] == "4 people"
    again = train_hierarchical(people, prior, anatomy, settings=EVERY, rounds=2)
    assert ((again.mu * truth).sum(axis=1) > (before * truth).sum(axis=1)).all()


def test_a_group_stands_in_for_templates() -> None:
    label, prior = own_label(51), make_prior()
    sessions = two_sessions(label, seed=51)
    group = prior_parameters(prior, n_seeds=1000)
    bare = replace(prior, fingerprint=None)
    made = map_hierarchical(sessions[0], bare, None, settings=EVERY, sessions=sessions, group=group)
    same = map_hierarchical(sessions[0], prior, None, settings=EVERY, sessions=sessions)
    np.testing.assert_array_equal(made.probability, same.probability)
    kept = map_hierarchical(sessions[0], replace(bare, group=group), None, settings=EVERY, sessions=sessions)
    np.testing.assert_array_equal(kept.probability, made.probability)
    assert made.settings["group"] == kept.settings["group"] == "templates of the prior", "nobody was trained on"
    fixed = replace(EVERY, refit_kappa=False)
    held = map_hierarchical(sessions[0], bare, None, settings=fixed, sessions=sessions, group=group)
    np.testing.assert_allclose(held.settings["kappa"], group.kappa)
    assert np.abs(np.array(made.settings["kappa"]) / group.kappa - 1).max() > 0.05


def test_training_holds_one_person_at_a_time() -> None:
    import gc
    import weakref

    alive, most = weakref.WeakSet(), []

    def people():
        for p in range(3):
            pair = two_sessions(own_label(p), seed=p, frames=60)
            alive.add(pair[0])
            gc.collect()
            most.append(len(alive))
            yield pair
            del pair

    train_hierarchical(people(), make_prior(), settings=replace(EVERY, n_seeds=50, max_rounds=2))
    assert len(most) == 3 and max(most) <= 2, "the loop variable may hold the last person while the next is made"


def test_who_cannot_be_trained_on_can_be_left_out() -> None:
    prior, options = make_prior(), replace(EVERY, n_seeds=50, max_rounds=2)
    people = [two_sessions(own_label(p), seed=p, frames=60) for p in range(3)]
    alone = train_hierarchical(people, prior, settings=options)
    errors: list[Exception] = []
    mixed = [people[0], people[1][:1], people[1], people[2]]
    group = train_hierarchical(mixed, prior, settings=options, refused=errors.append)
    assert group.n_people == 3 and len(errors) == 1 and "two sessions" in str(errors[0])
    np.testing.assert_array_equal(group.mu, alone.mu)
    with pytest.raises(SignalError, match="at least 2 people, found 1"):
        train_hierarchical(mixed[:2], prior, settings=options, refused=errors.append)


def test_impossible_training_is_refused() -> None:
    prior = make_prior()
    pair = two_sessions(own_label(), frames=60)
    with pytest.raises(OptionError, match="rounds"):
        train_hierarchical(iter([pair, pair]), prior, settings=EVERY, rounds=2)
    with pytest.raises(OptionError, match="rounds"):
        train_hierarchical([pair, pair], prior, settings=EVERY, rounds=0)
    with pytest.raises(SignalError, match="people"):
        train_hierarchical([pair], prior, settings=EVERY)
    with pytest.raises(SignalError, match="two sessions"):
        train_hierarchical([pair[:1], pair], prior, settings=EVERY)


def test_seeds_that_a_person_lacks_are_left_out() -> None:
    group = prior_parameters(make_prior(), n_seeds=100)
    valid = np.ones(len(AXIS), dtype=bool)
    lost = profiles.find_rows(AXIS, group.seeds)[:30]
    valid[lost] = False
    own, rows = keep_seeds(group, AXIS, valid)
    assert len(rows) == 70 and not np.isin(rows, lost).any()
    np.testing.assert_allclose(own.mu.sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(own.mu, axis=1), 1)
    before = vonmises.mean_resultant(group.kappa, group.n_dimensions)
    np.testing.assert_allclose(vonmises.mean_resultant(own.kappa, own.n_dimensions), before, atol=2e-3)
    valid[profiles.find_rows(AXIS, group.seeds)[:60]] = False
    with pytest.raises(PriorError, match="seeds"):
        keep_seeds(group, AXIS, valid)


def test_bad_input_is_named(anatomy) -> None:
    prior = make_prior()
    sessions = two_sessions(own_label(), frames=60)
    with pytest.raises(PriorError, match="templates"):
        map_hierarchical(sessions[0], replace(prior, fingerprint=None), None)
    flat = prior.fingerprint.copy()
    flat[2] = 0.3
    with pytest.raises(PriorError, match="SCAN"):
        map_hierarchical(sessions[0], replace(prior, fingerprint=flat), None)
    with pytest.raises(SignalError, match="session"):
        map_hierarchical(sessions[0], prior, None, sessions=[])
    wide = rows_of(voxels=5)
    other = compress(series_of(np.zeros(343, dtype=int), wide, seed=0))
    with pytest.raises(SignalError, match="343"):
        map_hierarchical(sessions[0], prior, None, sessions=[sessions[0], other])
    with pytest.raises(SignalError):
        map_hierarchical(sessions[0], prior, None, exclude=np.ones(len(AXIS), dtype=bool))
    group = replace(prior_parameters(prior, n_seeds=50), names=("a", "b", "c", "d"))
    with pytest.raises(PriorError, match="a, b, c, d"):
        map_hierarchical(sessions[0], prior, None, group=group)
    group = prior_parameters(prior, n_seeds=50)
    for wrong in (
        {"sigma": group.sigma[:2]},
        {"kappa": group.kappa * 0},
        {"mu": group.mu[:, :9]},
        {"mu": group.mu * np.nan},
    ):
        with pytest.raises(PriorError):
            replace(group, **wrong)


@pytest.mark.parametrize(
    "option",
    [
        {"prior_weight": -1},
        {"smoothness": float("nan")},
        {"profile_share": 0},
        {"profile_share": 1},
        {"prior_floor": 0},
        {"n_seeds": 2},
        {"max_rounds": 0},
        {"tolerance": float("nan")},
    ],
)
def test_impossible_options_are_refused(option) -> None:
    with pytest.raises(OptionError):
        HierarchicalSettings(**option)
