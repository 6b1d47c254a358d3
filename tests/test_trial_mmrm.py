"""Repeated measures against R, dense formulas, closed forms; properties; what must be refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from actionloop.errors import InputError, OptionError
from actionloop.trial.covariance import COVARIANCES, Structure, fill, pairs
from actionloop.trial.mmrm import fit_many, fit_mmrm, fit_repeated
from actionloop.types import TrialData

HERE = Path(__file__).parent / "reference" / "trial"
REAL = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "pain_trials"
NAMES = ("three_arms", "two_arms", "small")
STORED = json.loads((HERE / "mmrm.json").read_text())
ADJUST = ("baseline", "centre")


def has_r() -> bool:
    if shutil.which("Rscript") is None:
        return False
    asked = "for (p in c('nlme', 'lme4', 'lmerTest', 'pbkrtest', 'jsonlite')) library(p, character.only = TRUE)"
    return subprocess.run(["Rscript", "-e", asked], capture_output=True, check=False).returncode == 0


needs_r = pytest.mark.skipif(
    not has_r(), reason="no Rscript with nlme, lme4, lmerTest, pbkrtest and jsonlite; the stored numbers are compared"
)


def load(path: Path) -> TrialData:
    with path.open() as file:
        lines = list(csv.DictReader(file))
    people, visits, arms = (sorted({one[key] for one in lines}) for key in ("person", "visit", "arm"))
    first = {one["person"]: one for one in reversed(lines)}
    baseline = np.array([float(first[name]["baseline"]) for name in people])
    value = np.full((len(people), len(visits)), np.nan)
    for one in lines:
        i = people.index(one["person"])
        value[i, visits.index(one["visit"])] = baseline[i] + float(one["change"])
    factors = {"centre": np.array([first[name]["centre"] for name in people])} if "centre" in lines[0] else {}
    return TrialData(
        participants=tuple(people),
        arms=tuple(arms),
        arm=np.array([arms.index(first[name]["arm"]) for name in people]),
        visits=tuple(visits),
        weeks=np.arange(len(visits)) + 1.0,
        baseline=baseline,
        value=value,
        stopped=np.zeros(value.shape, dtype=bool),
        factors=factors,
    )


@pytest.fixture(scope="module")
def trials() -> dict[str, TrialData]:
    return {name: load(HERE / f"mmrm_{name}.csv") for name in NAMES}


def drawn(rng: np.random.Generator, *, n: int = 60, v: int = 4, arms: int = 2, missing: float = 0.15) -> TrialData:
    arm = np.arange(n) % arms
    rating = 5 + rng.standard_normal((n, 1)) + rng.standard_normal((n, v + 1)) * np.linspace(0.7, 1.5, v + 1)
    value = np.where(rng.random((n, v)) < missing, np.nan, rating[:, 1:])
    return TrialData(
        participants=tuple(f"p{i}" for i in range(n)),
        arms=tuple(f"a{k}" for k in range(arms)),
        arm=arm,
        visits=tuple(f"w{a}" for a in range(v)),
        weeks=np.arange(v) + 1.0,
        baseline=rating[:, 0],
        value=value,
        stopped=np.zeros((n, v), dtype=bool),
        factors={"centre": rng.choice(np.array(["x", "y"]), n)},
    )


def equals_gls(data: TrialData, reference: dict, adjust: tuple[str, ...]) -> None:
    fit = fit_mmrm(data, adjust=adjust, fallback=()).model
    assert fit.structure == "unstructured" and fit.reml.gradient <= 1e-6 and not fit.refused
    assert list(fit.names) == reference["names"]
    scale = np.sqrt(np.diag(fit.v)).max()
    np.testing.assert_allclose(fit.beta, reference["beta"], rtol=0, atol=1e-4 * min(scale, 1))
    np.testing.assert_allclose(np.sqrt(np.diag(fit.cov)), reference["se"], rtol=1e-4, atol=1e-4 * min(scale, 1))
    np.testing.assert_allclose(fit.loglik, reference["loglik"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(fit.v, reference["v"], rtol=1e-3, atol=1e-4 * scale**2)


def equals_lmer(data: TrialData, reference: dict, adjust: tuple[str, ...]) -> None:
    fit = fit_mmrm(data, adjust=adjust, covariance="compound_symmetry", fallback=()).model
    np.testing.assert_allclose(fit.loglik, reference["loglik"], rtol=0, atol=1e-7)
    np.testing.assert_allclose(fit.beta, reference["beta"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(fit.theta, reference["covariance"], rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.adjusted)), reference["adjusted_se"], rtol=1e-6)
    for one in reference["contrasts"]:
        found = fit.contrast(one["row"])
        np.testing.assert_allclose([found.se, found.df], [one["se"], one["df"]], rtol=1e-6)
        found = fit.contrast(one["row"], df="satterthwaite")
        np.testing.assert_allclose([found.se, found.df], [one["satterthwaite_se"], one["satterthwaite_df"]], rtol=1e-5)
    joint = reference["joint"]
    found = fit.joint(joint["rows"])
    np.testing.assert_allclose(
        [found.f, found.df, found.scale, found.p], [joint["f"], joint["df"], joint["scale"], joint["p"]], rtol=1e-6
    )
    found = fit.joint(joint["rows"], df="satterthwaite")
    np.testing.assert_allclose([found.f, found.df], [joint["satterthwaite_f"], joint["satterthwaite_df"]], rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_unstructured_equals_gls(name: str, trials: dict[str, TrialData]) -> None:
    equals_gls(trials[name], STORED[name]["unstructured"], ADJUST)


@pytest.mark.parametrize("name", NAMES)
def test_random_intercept_equals_pbkrtest_and_lmertest(name: str, trials: dict[str, TrialData]) -> None:
    equals_lmer(trials[name], STORED[name]["intercept"], ADJUST)


def ask_r(folder: Path, out: Path, *names: str) -> dict:
    script = str(HERE / "mmrm.R")
    done = subprocess.run(
        ["Rscript", script, str(folder), str(out), *names], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


@needs_r
@pytest.mark.slow
def test_the_script_gives_the_stored_numbers(tmp_path: Path, trials: dict[str, TrialData]) -> None:
    found = ask_r(HERE, tmp_path / "mmrm.json")
    for name in NAMES:
        equals_gls(trials[name], found[name]["unstructured"], ADJUST)
        equals_lmer(trials[name], found[name]["intercept"], ADJUST)


def write_placebo(folder: Path) -> Path:
    """Mean pain of weeks 4 to 8 of placebo II against that before day 14, a person a line and week."""
    openpyxl = pytest.importorskip("openpyxl")
    sheet = openpyxl.load_workbook(REAL / "placeboII_groups.xlsx", read_only=True).active
    group = {row[0]: row[1] for row in sheet.iter_rows(min_row=2, values_only=True)}
    ratings: dict[tuple[str, int], list[float]] = defaultdict(list)
    with (REAL / "placeboII_ratings.csv").open() as file:
        for one in csv.DictReader(file):
            try:
                day, pain = float(one["day"]), float(one["pain"])
            except ValueError:
                continue
            if one["subject"] in group and 0 <= pain <= 10 and day >= 0:
                ratings[one["subject"], 0 if day < 14 else int(day // 7)].append(pain)
    lines = ["person,arm,baseline,visit,change"]
    for person, week in sorted(ratings):
        if 3 <= week <= 7 and (person, 0) in ratings:
            baseline = np.mean(ratings[person, 0])
            change = np.mean(ratings[person, week]) - baseline
            lines.append(f"{person},g{group[person]},{baseline:.10f},v{week},{change:.10f}")
    path = folder / "mmrm_placebo.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@needs_r
@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no pain_trials at ACTIONLOOP_DATA")
def test_a_real_trial_equals_r(tmp_path: Path) -> None:
    data = load(write_placebo(tmp_path))
    reference = ask_r(tmp_path, tmp_path / "placebo.json", "placebo")["placebo"]
    assert np.isnan(data.value).any() and len(data.participants) > 70
    equals_gls(data, reference["unstructured"], ("baseline",))
    equals_lmer(data, reference["intercept"], ("baseline",))


class Dense:
    """The same model with one covariance matrix over all values, written as in the textbooks."""

    def __init__(self, y: np.ndarray, x: np.ndarray) -> None:
        self.person, self.visit = np.nonzero(~np.isnan(y))
        self.y, self.x, self.t = y[self.person, self.visit], x[self.person, self.visit], y.shape[1]
        self.same = self.person[:, None] == self.person

    def spread(self, v: np.ndarray) -> np.ndarray:
        return np.where(self.same, v[np.ix_(self.visit, self.visit)], 0.0)

    def estimate(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weight = np.linalg.inv(self.spread(v))
        cov = np.linalg.inv(self.x.T @ weight @ self.x)
        return cov @ self.x.T @ weight @ self.y, cov

    def loglik(self, v: np.ndarray) -> float:
        full = self.spread(v)
        beta, cov = self.estimate(v)
        left = self.y - self.x @ beta
        n, p = self.x.shape
        total = (n - p) * np.log(2 * np.pi) + np.linalg.slogdet(full)[1] - np.linalg.slogdet(cov)[1]
        return -float(total + left @ np.linalg.solve(full, left)) / 2


@pytest.mark.parametrize("seed", [1, 2])
def test_equals_dense_likelihood_maximised_by_scipy(seed: int) -> None:
    data = drawn(np.random.default_rng(seed), n=30, v=3, missing=0.2)
    x = np.einsum("nk,ab->nakb", np.eye(2)[data.arm], np.eye(3)).reshape(30, 3, 6)
    fit = fit_repeated(data.value, x)
    dense = Dense(data.value, x)
    lower = np.tril_indices(3)

    def matrix(theta: np.ndarray) -> np.ndarray:
        root = np.zeros((3, 3))
        root[lower] = theta
        root[np.diag_indices(3)] = np.exp(np.diag(root))
        return root @ root.T

    best = optimize.minimize(
        lambda theta: -dense.loglik(matrix(theta)), np.zeros(6), method="BFGS", options={"gtol": 1e-7}
    )
    best = optimize.minimize(
        lambda theta: -dense.loglik(matrix(theta)), best.x, method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000},
    )  # fmt: skip
    assert abs(fit.loglik + best.fun) < 1e-8
    beta, cov = dense.estimate(matrix(best.x))
    np.testing.assert_allclose(fit.beta, beta, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fit.cov, cov, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(fit.loglik, dense.loglik(fit.v), rtol=1e-12)


@pytest.mark.parametrize("name", COVARIANCES)
def test_every_structure_is_at_a_maximum_and_its_corrections_equal_dense_ones(name: str) -> None:
    """Kenward & Roger 1997 and Fai & Cornelius 1996 by dense matrices and differences of the dense likelihood."""
    data = drawn(np.random.default_rng(5), n=24, v=3, missing=0.2)
    x = np.einsum("nk,ab->nakb", np.eye(2)[data.arm], np.eye(3)).reshape(24, 3, 6)
    fit = fit_repeated(data.value, x, covariance=name, fallback=())
    structure, dense, theta = Structure(name, 3), Dense(data.value, x), fit.theta
    k, step = len(theta), 1e-4

    def at(*moves: tuple[int, float]) -> float:
        moved = theta.copy()
        for i, by in moves:
            moved[i] += by
        return dense.loglik(fill(structure.elements(moved), 3))

    gradient = [(at((i, step)) - at((i, -step))) / (2 * step) for i in range(k)]
    np.testing.assert_allclose(gradient, 0, atol=1e-5)

    def mixed(i: int, j: int) -> float:
        corners = ((a * b, at((i, a * step), (j, b * step))) for a in (1, -1) for b in (1, -1))
        return sum(sign * height for sign, height in corners) / (4 * step**2)

    hessian = np.array([[mixed(i, j) for j in range(k)] for i in range(k)])
    full = dense.spread(fit.v)
    weight, phi = np.linalg.inv(full), dense.estimate(fit.v)[1]
    jacobian = structure.derivatives(theta)[0]
    slopes = [dense.spread(fill(jacobian[:, i], 3)) for i in range(k)]
    projected = weight - weight @ dense.x @ phi @ dense.x.T @ weight
    expected = np.array([[np.trace(projected @ a @ projected @ b) / 2 for b in slopes] for a in slopes])
    w = np.linalg.inv(expected)
    p = [-dense.x.T @ weight @ a @ weight @ dense.x for a in slopes]
    q = [[dense.x.T @ weight @ a @ weight @ b @ weight @ dense.x for b in slopes] for a in slopes]
    middle = sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in range(k) for j in range(k))
    np.testing.assert_allclose(fit.adjusted, phi + 2 * phi @ middle @ phi, rtol=1e-7, atol=1e-10)
    row = np.array([0, 0, -1.0, 0, 0, 1.0])
    change = np.array([-row @ phi @ one @ phi @ row for one in p])
    found = fit.contrast(row)
    np.testing.assert_allclose(found.df, 2 * (row @ phi @ row) ** 2 / (change @ w @ change), rtol=1e-6)
    found = fit.contrast(row, df="satterthwaite")
    wanted = 2 * (row @ phi @ row) ** 2 / (change @ np.linalg.inv(-hessian) @ change)
    np.testing.assert_allclose(found.df, wanted, rtol=1e-3)
    assert fit.contrast(row, df="residual").df == fit.n_values - 6


@pytest.mark.parametrize("name", COVARIANCES)
@pytest.mark.parametrize("v", [1, 2, 5])
def test_derivatives_of_structures(name: str, v: int) -> None:
    structure = Structure(name, v)
    theta = structure.start(np.eye(v) + 0.4) + 0.01 * np.arange(structure.n_parameters)
    assert len(theta) == structure.n_parameters
    jacobian, curvature = structure.derivatives(theta)
    for i, move in enumerate(1e-5 * np.eye(len(theta))):
        np.testing.assert_allclose(
            (structure.elements(theta + move) - structure.elements(theta - move)) / 2e-5, jacobian[:, i], atol=1e-8
        )
        slope = (structure.derivatives(theta + move)[0] - structure.derivatives(theta - move)[0]) / 2e-5
        np.testing.assert_allclose(slope, curvature[:, :, i], atol=1e-8)


def complete(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arm = np.repeat([0, 1], [14, 11])
    y = rng.standard_normal((25, 3)) @ np.array([[1, 0.5, 0.3], [0, 1.5, 0.7], [0, 0, 2.0]])
    return y, arm, np.einsum("nk,ab->nakb", np.eye(2)[arm], np.eye(3)).reshape(25, 3, 6)


def test_complete_data_give_t_test_and_hotelling() -> None:
    y, arm, x = complete(np.random.default_rng(3))
    fit = fit_repeated(y, x)
    left = y - np.array([y[arm == k].mean(axis=0) for k in (0, 1)])[arm]
    pooled = left.T @ left / 23
    np.testing.assert_allclose(fit.v, pooled, rtol=1e-9)
    for a in range(3):
        row = np.zeros(6)
        row[[a, 3 + a]] = -1, 1
        known = stats.ttest_ind(y[arm == 1, a], y[arm == 0, a])
        interval = known.confidence_interval(0.9)
        for df in ("kenward_roger", "satterthwaite"):
            found = fit.contrast(row, df=df, level=0.9)
            np.testing.assert_allclose(
                [found.t, found.df, found.p, found.low, found.high],
                [known.statistic, 23, known.pvalue, interval.low, interval.high],
                rtol=1e-8,
            )
    rows = np.concatenate([-np.eye(3), np.eye(3)], axis=1)
    gap = rows @ fit.beta
    hotelling = 14 * 11 / 25 * gap @ np.linalg.solve(pooled, gap)
    found = fit.joint(rows)
    np.testing.assert_allclose([found.f, found.df], [hotelling * (25 - 3 - 1) / (23 * 3), 21], rtol=1e-7)
    np.testing.assert_allclose(found.p, stats.f.sf(found.f, 3, 21), rtol=1e-9)
    single = fit_repeated(y[:, :1], x[:, :1, [0, 3]])
    found = single.contrast(np.array([-1.0, 1.0]))
    np.testing.assert_allclose(found.t, stats.ttest_ind(y[arm == 1, 0], y[arm == 0, 0]).statistic, rtol=1e-9)


@pytest.mark.parametrize("name", ["unstructured", "compound_symmetry"])
def test_order_shift_and_scale(name: str) -> None:
    rng = np.random.default_rng(11)
    data = drawn(rng, n=50, arms=3)
    fit = fit_mmrm(data, adjust=ADJUST, covariance=name)
    first = fit.difference("a1", "a0", "w3")
    order, visits = rng.permutation(50), np.array([2, 0, 3, 1])
    moved = replace(
        data,
        participants=tuple(np.array(data.participants, dtype=object)[order]),
        arm=data.arm[order],
        baseline=data.baseline[order],
        value=data.value[order][:, visits],
        visits=tuple(data.visits[a] for a in visits),
        factors={"centre": data.factors["centre"][order]},
    )
    again = fit_mmrm(moved, adjust=ADJUST, covariance=name)
    np.testing.assert_allclose(again.model.v, fit.model.v[np.ix_(visits, visits)], rtol=1e-6)
    second = again.difference("a1", "a0", "w3")
    for one in ("estimate", "se", "df", "p", "low", "high"):
        np.testing.assert_allclose(getattr(second, one), getattr(first, one), rtol=1e-6, err_msg=one)
    scaled = replace(data, baseline=100 * data.baseline + 7, value=100 * data.value + 7)
    third = fit_mmrm(scaled, adjust=ADJUST, covariance=name).difference("a1", "a0", "w3")
    np.testing.assert_allclose([third.estimate, third.se], [100 * first.estimate, 100 * first.se], rtol=1e-6)
    np.testing.assert_allclose([third.df, third.p], [first.df, first.p], rtol=1e-6)
    turned = fit.difference("a0", "a1", "w3")
    np.testing.assert_allclose([turned.estimate, turned.low], [-first.estimate, -first.high], rtol=1e-9)
    both = fit.mean("a1", "w3").estimate - fit.mean("a0", "w3").estimate
    np.testing.assert_allclose(both, first.estimate, rtol=1e-9)


def test_one_row_jointly_is_the_contrast_squared() -> None:
    fit = fit_mmrm(drawn(np.random.default_rng(2)))
    for df in ("kenward_roger", "satterthwaite", "residual"):
        one, joint = fit.difference("a1", "a0", "w1", df=df), fit.any_difference("w1", df=df)
        np.testing.assert_allclose([joint.f, joint.df, joint.p], [one.t**2, one.df, one.p], rtol=1e-9)
        assert joint.df_rows == 1 and joint.scale == pytest.approx(1)


def test_who_is_left_out_is_named() -> None:
    data = drawn(np.random.default_rng(4), missing=0.0)
    baseline, value = data.baseline.copy(), data.value.copy()
    baseline[3] = np.nan
    value[5] = np.nan
    value[8, 2:] = np.nan
    fit = fit_mmrm(replace(data, baseline=baseline, value=value))
    assert fit.no_baseline == ("p3",) and fit.no_rating == ("p5",)
    assert fit.model.patterns == (("1111", 57), ("1100", 1)) and fit.model.n_people == 58
    assert fit.n_seen.sum() == fit.model.n_values == 58 * 4 - 2
    kept = [i for i in range(60) if i not in (3, 5)]
    alone = replace(
        data,
        participants=tuple(data.participants[i] for i in kept),
        arm=data.arm[kept],
        baseline=baseline[kept],
        value=value[kept],
        stopped=data.stopped[kept],
        factors={"centre": data.factors["centre"][kept]},
    )
    np.testing.assert_allclose(fit_mmrm(alone).model.beta, fit.model.beta, rtol=1e-12)


def test_fallback_is_recorded_and_can_be_refused() -> None:
    data = drawn(np.random.default_rng(6), n=40, v=3, missing=0.0)
    value = data.value.copy()
    value[:20, 0] = np.nan
    value[20:, 2] = np.nan
    apart = replace(data, value=value)
    fit = fit_mmrm(apart).model
    assert fit.structure == "ar1" and fit.converged
    assert fit.refused[0] == "unstructured: visits 1 and 3 have 0 people in common"
    assert fit.refused[1].startswith("toeplitz: ")
    with pytest.raises(InputError, match="could be estimated; unstructured: visits 1 and 3"):
        fit_mmrm(apart, fallback=())


def test_visits_that_repeat_each_other_are_not_estimated_silently() -> None:
    data = drawn(np.random.default_rng(7), n=40, v=3, missing=0.0)
    value = data.value.copy()
    value[:, 2] = value[:, 1]
    with pytest.raises(InputError, match="no covariance of the visits could be estimated"):
        fit_mmrm(replace(data, value=value), fallback=())


def test_too_many_visits_for_the_people_end_in_a_simpler_structure_or_an_error() -> None:
    """30 people, 8 visits, 30 % missing: the likelihood rises without bound as V becomes singular."""
    data = drawn(np.random.default_rng(0), n=30, v=8, missing=0.3)
    with pytest.raises(InputError, match="unstructured: the covariance of the visits becomes singular"):
        fit_mmrm(data, adjust=ADJUST, fallback=())
    fit = fit_mmrm(data, adjust=ADJUST).model
    assert fit.structure == "toeplitz" and fit.condition < 1e4
    assert len(fit.refused) == 1 and "becomes singular" in fit.refused[0]


def test_a_correction_that_breaks_down_is_told() -> None:
    data = drawn(np.random.default_rng(16), n=24, v=5, arms=3, missing=0.4)
    fit = fit_mmrm(data, adjust=ADJUST, covariance="toeplitz", fallback=())
    with pytest.raises(InputError, match="'kenward_roger' breaks down: too few people"):
        fit.profile("a1", "a0")
    assert fit.difference("a1", "a0", "w4").df > 0


def only(data: TrialData, kept: np.ndarray) -> TrialData:
    return replace(
        data,
        participants=tuple(np.array(data.participants, dtype=object)[kept]),
        arm=data.arm[kept],
        baseline=data.baseline[kept],
        value=data.value[kept],
        stopped=data.stopped[kept],
        factors={"centre": data.factors["centre"][kept]},
    )


def one_visit(data: TrialData) -> TrialData:
    return replace(data, visits=("w0",), weeks=data.weeks[:1], value=data.value[:, :1], stopped=data.stopped[:, :1])


def unseen(data: TrialData) -> TrialData:
    return replace(data, value=np.where(np.arange(4) == 2, np.nan, data.value))


def unseen_in_arm(data: TrialData) -> TrialData:
    return replace(data, value=np.where((data.arm == 1)[:, None] & (np.arange(4) == 2), np.nan, data.value))


def constant(data: TrialData) -> TrialData:
    return replace(
        data, baseline=np.full(60, 5.0) + np.arange(60), value=5.0 + np.arange(60)[:, None] + np.ones((60, 4))
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (one_visit, "two visits or more after allocation, found 1"),
        (unseen, "nobody has a rating at visit 'w2'"),
        (unseen_in_arm, "arm 'a1' has nobody with a rating at visit 'w2'"),
        (lambda data: replace(data, arms=("a0", "a1", "a2")), "arm 'a2' has nobody"),
        (constant, "does not vary between people at visit w0, w1, w2, w3"),
        (lambda data: only(data, np.arange(60) < 3), "cannot determine"),
        (lambda data: only(data, np.arange(60) < 0), "nobody has a rating"),
        (lambda data: replace(data, baseline=np.full(60, 4.0)), "tells baseline at w0"),
        (
            lambda data: replace(data, factors={"centre": np.array(["x", "y"])[data.arm]}),
            "tells centre y from the other",
        ),
        (lambda data: replace(data, baseline=np.full(60, np.nan)), "nobody has a rating"),
    ],
)
def test_degenerate_trials_give_one_clear_error(spoil, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_mmrm(spoil(drawn(np.random.default_rng(8), missing=0.05)), adjust=ADJUST)


def test_unknown_names_are_refused() -> None:
    data = drawn(np.random.default_rng(9))
    with pytest.raises(OptionError, match="nothing is called sex"):
        fit_mmrm(data, adjust=("sex",))
    with pytest.raises(OptionError, match="found 'diagonal'"):
        fit_mmrm(data, covariance="diagonal")
    fit = fit_mmrm(data)
    with pytest.raises(OptionError, match="nothing is called 'week 8'"):
        fit.difference("a1", "a0", "week 8")
    with pytest.raises(InputError, match="zero or depend"):
        fit.difference("a1", "a1", "w0")
    with pytest.raises(OptionError, match="found 'exact'"):
        fit.difference("a1", "a0", "w0", df="exact")
    with pytest.raises(OptionError, match="level"):
        fit.difference("a1", "a0", "w0", level=95)
    with pytest.raises(InputError, match="expected contrasts of"):
        fit.model.contrast(np.ones(3))


@pytest.mark.parametrize(
    ("y", "x", "message"),
    [
        (np.zeros(3), np.zeros((3, 1, 1)), "expected an outcome"),
        (np.zeros((3, 2)), np.full((3, 2, 1), np.nan), "finite numbers"),
        (np.full((3, 2), np.nan), np.zeros((3, 2, 1)), "nobody has a value"),
        (np.array([[1, np.nan], [2, np.nan]]), np.ones((2, 2, 1)), "at visit 2"),
    ],
)
def test_arrays_that_do_not_fit(y: np.ndarray, x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_repeated(y, x)


def test_many_trials_are_each_fitted_as_alone() -> None:
    rng = np.random.default_rng(10)
    sets = [drawn(rng), one_visit(drawn(rng)), drawn(rng, n=30)]
    found = fit_many(sets)
    assert isinstance(found[1], InputError)
    for k in (0, 2):
        np.testing.assert_array_equal(found[k].model.beta, fit_mmrm(sets[k]).model.beta)


def test_pairs_are_the_upper_triangle() -> None:
    rows, columns = pairs(3)
    np.testing.assert_array_equal(fill(np.arange(6), 3)[rows, columns], np.arange(6))
