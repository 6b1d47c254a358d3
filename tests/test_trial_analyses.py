"""Analyses of a trial against statsmodels, against loops, and on data that do not allow them."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from actionloop.errors import InputError, OptionError
from actionloop.trial.analyse import analyse
from actionloop.trial.ancova import ancova, fit_linear
from actionloop.trial.equivalence import judge_equivalence, posterior, priors
from actionloop.trial.estimates import make_effect
from actionloop.trial.interim import look_at_events, look_at_variance
from actionloop.trial.locked import analysis_digest, require_locked, require_runnable
from actionloop.trial.logistic import fit_firth, fit_logistic, is_separated
from actionloop.trial.marker import compare_slopes
from actionloop.trial.multiplicity import holm
from actionloop.trial.ordinal import compare_ordered
from actionloop.trial.predictors import make_predictors
from actionloop.trial.responder import (
    compare_responders,
    newcombe_interval,
    respond,
    responded,
    responder_test,
    risk_differences,
)
from actionloop.trial.words import exclusion, favoured
from actionloop.types import (
    Analysis,
    Arm,
    Estimand,
    Intercurrent,
    Stratum,
    TrialData,
    TrialOutcome,
    TrialProtocol,
    Visit,
)

sm = pytest.importorskip("statsmodels.api", reason="needs the extra 'trial'")

ARMS = ("classic", "lowest", "highest")
PAIRS = (("lowest", "classic"), ("highest", "classic"))
VISITS = ("w2", "w4", "w8")


def made_up(seed: int = 0, n: int = 90, *, effect: float = -0.8, drop: float = 0.15) -> TrialData:
    """Return pain of three arms at three visits, with a centre, a marker and drop-out."""
    rng = np.random.default_rng(seed)
    arm = np.arange(n) % 3
    baseline = rng.normal(6.5, 1.2, n)
    marker = rng.normal(0.2, 0.05, n)
    person = 0.7 * (baseline - 6.5) + rng.normal(0, 1.0, n) + 8 * (marker - 0.2) * (arm == 0)
    value = 4.3 + person[:, None] + rng.normal(0, 0.9, (n, 3)) + effect * (arm == 1)[:, None]
    for person_ in np.flatnonzero(rng.random(n) < drop):
        value[person_, rng.integers(0, 3) :] = np.nan
    centre = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    return TrialData(
        tuple(f"P{i:03d}" for i in range(n)),
        ARMS,
        arm,
        VISITS,
        np.array([2.0, 4.0, 8.0]),
        baseline,
        value,
        np.zeros((n, 3), bool),
        {"centre": centre},
        {"local": marker},
    )


def shuffled(data: TrialData, seed: int = 5) -> TrialData:
    order = np.random.default_rng(seed).permutation(len(data.participants))
    return replace(
        data,
        participants=tuple(data.participants[i] for i in order),
        arm=data.arm[order],
        baseline=data.baseline[order],
        value=data.value[order],
        stopped=data.stopped[order],
        factors={name: one[order] for name, one in data.factors.items()},
        markers={name: one[order] for name, one in data.markers.items()},
    )


# -- responders -------------------------------------------------------------------------------------------------------
def test_responder_meets_the_threshold_exactly():
    baseline = np.array([10.0, 6.0, 6.0, 0.0, np.nan, 5.0])
    value = np.array([7.0, 4.2, 4.21, 0.0, 3.0, np.nan])
    found = responded(baseline, value, threshold=0.3)
    np.testing.assert_array_equal(found, [1, 1, 0, np.nan, np.nan, np.nan])
    assert responded(np.array(5.0), np.array(6.5), threshold=0.3, better="higher") == 1


def test_event_counts_as_non_response_even_where_it_was_rated():
    data = made_up()
    seen = respond(data, "w8", threshold=0.3)
    stopped = data.stopped.copy()
    stopped[:, 2] = True
    assert (respond(replace(data, stopped=stopped), "w8", threshold=0.3) == 0).all()
    assert np.isnan(seen).any()
    assert not np.isnan(respond(data, "w8", threshold=0.3, missing="non_response")).any()


def test_unadjusted_test_and_interval_equal_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep, test_proportions_2indep

    rng = np.random.default_rng(1)
    n = rng.integers(10, 60, (20, 2))
    successes = rng.binomial(n, 0.4)
    z, p = responder_test(successes, n)
    low, high = newcombe_interval(successes, n)
    for i, ((a, b), (m, k)) in enumerate(zip(successes, n, strict=True)):
        theirs = test_proportions_2indep(a, m, b, k, method="score", compare="diff", correction=False)
        assert (z[i], p[i]) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-9)
        interval = confint_proportions_2indep(a, m, b, k, method="newcomb", compare="diff")
        assert (low[i], high[i]) == pytest.approx(interval, abs=1e-9)
    assert responder_test(np.array([0, 0]), np.array([9, 9]))[1] == 1


def test_logistic_equals_statsmodels_for_many_trials_at_once():
    rng = np.random.default_rng(2)
    x = np.concatenate([np.ones((30, 80, 1)), rng.normal(size=(30, 80, 3))], axis=2)
    y = (rng.random((30, 80)) < 1 / (1 + np.exp(-x @ [0.2, 0.5, -0.7, 0.1]))).astype(float)
    used = rng.random((30, 80)) < 0.8
    fits = fit_logistic(np.where(used, y, np.nan), x, used=used)
    assert fits.converged.all()
    for i in range(30):
        theirs = sm.Logit(y[i][used[i]], x[i][used[i]]).fit(disp=False, method="newton", tol=1e-14, maxiter=100)
        np.testing.assert_allclose(fits.beta[i], theirs.params, atol=1e-8)
        np.testing.assert_allclose(fits.covariance[i], theirs.cov_params(), atol=1e-8)


def test_compared_responders_equal_statsmodels_and_a_naive_loop():
    data = made_up()
    response = respond(data, "w8", threshold=0.3)
    found = compare_responders(data, response, comparisons=PAIRS, adjust=("baseline", "centre"))
    used = np.isfinite(response)
    predictors = make_predictors(data, adjust=("baseline", "centre"))
    fit = sm.Logit(response[used], predictors.matrix[used]).fit(disp=False, tol=1e-14, maxiter=100)
    for effect, column in zip(found.effects, (1, 2), strict=True):
        shares = []
        for arm in (column, 0):
            total = 0.0
            for row in predictors.matrix[used]:
                given = row.copy()
                given[1:3] = 0
                if arm:
                    given[arm] = 1
                total += 1 / (1 + np.exp(-given @ fit.params))
            shares.append(total / used.sum())
        assert effect.estimate == pytest.approx(shares[0] - shares[1], abs=1e-8)
        assert effect.beside["adjusted proportion"] == pytest.approx(shares[0], abs=1e-8)
        assert effect.beside["odds ratio"] == pytest.approx(np.exp(fit.params[column]), rel=1e-7)
        low, high = np.exp(fit.conf_int()[column])
        assert (effect.beside["odds ratio low"], effect.beside["odds ratio high"]) == pytest.approx((low, high), 1e-6)
    assert found.left_out == (~used).sum()
    assert found.method == "maximum likelihood"


def test_without_covariates_the_difference_is_the_plain_one():
    data = made_up()
    response = respond(data, "w8", threshold=0.3, missing="non_response")
    effect = compare_responders(data, response, comparisons=PAIRS[:1], adjust=()).effects[0]
    p, q = response[data.arm == 1].mean(), response[data.arm == 0].mean()
    assert effect.estimate == pytest.approx(p - q, abs=1e-9)
    plain = np.sqrt(p * (1 - p) / 30 + q * (1 - q) / 30)
    assert effect.se == pytest.approx(plain * np.sqrt(90 / 87), abs=1e-9)  # three columns of 90 people
    assert effect.df == 87


def test_delta_method_agrees_with_a_large_bootstrap():
    data = made_up(seed=3, n=450, drop=0.0)
    response = respond(data, "w8", threshold=0.35)
    effect = compare_responders(data, response, comparisons=PAIRS[:1]).effects[0]
    x = make_predictors(data).matrix
    rng, n, times = np.random.default_rng(4), 450, 4000
    drawn = rng.integers(0, n, (times, n))
    estimates = []
    for part in np.array_split(drawn, 20):
        fits = fit_logistic(response[part], x[part])
        everyone = np.ones(part.shape, bool)
        estimates.append(risk_differences(fits, x[part], used=everyone, arm=1, reference=0, n_arms=3)[0])
    spread = np.concatenate(estimates).std(ddof=1)
    assert effect.se == pytest.approx(spread, rel=0.05)


def test_separation_is_found_and_handed_to_firth():
    y, x = np.repeat([0.0, 1.0], 10), np.column_stack([np.ones(20), np.repeat([0.0, 1.0], 10)])
    assert is_separated(y, x)
    quasi = y.copy()
    quasi[0] = 1
    assert is_separated(quasi, x)
    both = quasi.copy()
    both[-1] = 0
    assert not is_separated(both, x)
    data = made_up(n=60)
    response = (data.arm == 1).astype(float)
    response[data.arm == 2] = np.arange((data.arm == 2).sum()) % 2
    found = compare_responders(data, response, comparisons=PAIRS)
    assert found.method == "Firth"
    assert 0.8 < found.effects[0].estimate < 1
    assert np.isfinite(found.effects[0].se)


def test_firth_maximises_the_penalised_likelihood():
    rng = np.random.default_rng(6)
    x = np.column_stack([np.ones(25), rng.normal(size=25), np.arange(25) > 18])
    y = (x[:, 1] + rng.normal(0, 0.5, 25) > 0.2).astype(float)
    y[19:] = 1

    def cost(beta: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-x @ beta))
        information = x.T @ (x * (p * (1 - p))[:, None])
        return -float((y * np.log(p) + (1 - y) * np.log1p(-p)).sum() + 0.5 * np.linalg.slogdet(information)[1])

    naive = optimize.minimize(
        cost, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 9999}
    )
    np.testing.assert_allclose(fit_firth(y, x).beta[0], naive.x, atol=1e-5)


def test_no_responder_at_all_is_one_clear_error():
    data = made_up()
    with pytest.raises(InputError, match="nobody is a responder"):
        compare_responders(data, np.zeros(90), comparisons=PAIRS)
    with pytest.raises(InputError, match="the arm lowest has 0 participants"):
        compare_responders(data, np.where(data.arm == 1, np.nan, data.arm % 2), comparisons=PAIRS)
    with pytest.raises(InputError, match="no stratum sex"):
        compare_responders(data, np.arange(90) % 2.0, comparisons=PAIRS, adjust=("sex",))


# -- ANCOVA -----------------------------------------------------------------------------------------------------------
def test_least_squares_equal_statsmodels_for_many_trials_at_once():
    rng = np.random.default_rng(7)
    x = np.concatenate([np.ones((20, 50, 1)), rng.normal(size=(20, 50, 3))], axis=2)
    y = rng.normal(size=(20, 50)) + x[..., 1]
    y[rng.random(y.shape) < 0.2] = np.nan
    fits = fit_linear(y, x)
    for i in range(20):
        theirs = sm.OLS(y[i], x[i], missing="drop").fit()
        np.testing.assert_allclose(fits.beta[i], theirs.params, atol=1e-8)
        np.testing.assert_allclose(fits.covariance[i], theirs.cov_params(), atol=1e-8)
        assert fits.df[i] == theirs.df_resid


def test_ancova_equals_statsmodels_formula():
    import pandas as pd
    import statsmodels.formula.api as smf

    data = made_up()
    frame = pd.DataFrame(
        {
            "change": data.value[:, 2] - data.baseline,
            "arm": np.array(ARMS)[data.arm],
            "baseline": data.baseline,
            "centre": data.factors["centre"],
        }
    )
    theirs = smf.ols("change ~ C(arm, Treatment('classic')) + baseline + centre", frame).fit()
    found = ancova(data, "w8", comparisons=PAIRS, adjust=("baseline", "centre"))
    for effect in found.effects:
        name = f"C(arm, Treatment('classic'))[T.{effect.arm}]"
        assert effect.estimate == pytest.approx(theirs.params[name], abs=1e-8)
        assert (effect.se, effect.p) == pytest.approx((theirs.bse[name], theirs.pvalues[name]), abs=1e-8)
        assert (effect.low, effect.high) == pytest.approx(tuple(theirs.conf_int().loc[name]), abs=1e-8)
    other = ancova(data, "w8", comparisons=[("lowest", "highest")], adjust=("baseline", "centre")).effects[0]
    assert other.estimate == pytest.approx(found.effects[0].estimate - found.effects[1].estimate, abs=1e-10)


def test_order_and_scale_change_nothing_that_matters():
    data = made_up()
    first = ancova(data, "w8", comparisons=PAIRS).effects
    again = ancova(shuffled(data), "w8", comparisons=PAIRS).effects
    scaled = ancova(
        replace(data, value=10 * data.value + 3, baseline=10 * data.baseline + 3), "w8", comparisons=PAIRS
    ).effects
    for one, two, three in zip(first, again, scaled, strict=True):
        assert (two.estimate, two.se) == pytest.approx((one.estimate, one.se), abs=1e-10)
        assert (three.estimate, three.p) == pytest.approx((10 * one.estimate, one.p), rel=1e-8)
    response = respond(data, "w8", threshold=0.3)
    mixed = shuffled(data)
    one = compare_responders(data, response, comparisons=PAIRS).effects[0]
    two = compare_responders(mixed, respond(mixed, "w8", threshold=0.3), comparisons=PAIRS).effects[0]
    assert (two.estimate, two.se) == pytest.approx((one.estimate, one.se), abs=1e-9)


def test_ancova_refuses_what_it_cannot_estimate():
    data = made_up()
    constant = replace(data, value=np.tile(data.baseline[:, None], 3))
    with pytest.raises(InputError, match="does not vary"):
        ancova(constant, "w8", comparisons=PAIRS)
    with pytest.raises(InputError, match="has 0 participants"):
        ancova(replace(data, value=np.full((90, 3), np.nan)), "w8", comparisons=PAIRS)
    with pytest.raises(InputError, match="no visit"):
        ancova(data, "w9", comparisons=PAIRS)
    with pytest.raises(InputError, match="follows from the other columns"):
        twin = replace(data, factors={"same": np.array(ARMS)[data.arm]})
        ancova(twin, "w8", comparisons=PAIRS, adjust=("baseline", "same"))
    with pytest.raises(InputError, match="nobody has a baseline"):
        ancova(replace(data, baseline=np.full(90, np.nan)), "w8", comparisons=PAIRS)


# -- ordinal, marker --------------------------------------------------------------------------------------------------
def impression(seed: int = 8, n: int = 120) -> TrialData:
    rng = np.random.default_rng(seed)
    data = made_up(n=n)
    value = np.clip(np.round(rng.normal(3.6, 1.2, (n, 3)) - 0.8 * (data.arm == 1)[:, None]), 1, 7)
    return replace(data, value=value, baseline=np.full(n, np.nan))


def test_proportional_odds_equal_statsmodels_and_a_naive_likelihood():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    data = impression()
    found = compare_ordered(data, "w8", comparisons=PAIRS, adjust=("baseline",))
    assert found.adjusted == ()
    _, codes = np.unique(-data.value[:, 2], return_inverse=True)
    x = np.column_stack([data.arm == 1, data.arm == 2]).astype(float)
    theirs = OrderedModel(codes, x, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8, maxiter=2000)
    for effect, index in zip(found.effects, (0, 1), strict=True):
        assert effect.estimate == pytest.approx(theirs.params[index], abs=1e-4)
        assert effect.se == pytest.approx(theirs.bse[index], abs=1e-4)

    def cost(theta: np.ndarray) -> float:
        cuts = np.concatenate([[-np.inf], np.sort(theta[2:]), [np.inf]])
        below = stats.logistic.cdf(cuts[None, :] - (x @ theta[:2])[:, None])
        return -float(np.log(np.take_along_axis(np.diff(below, axis=1), codes[:, None], 1)).sum())

    start = np.concatenate([[0, 0], stats.logistic.ppf(np.cumsum(np.bincount(codes))[:-1] / len(codes))])
    naive = optimize.minimize(cost, start, method="BFGS", options={"gtol": 1e-6})
    np.testing.assert_allclose([one.estimate for one in found.effects], naive.x[:2], atol=1e-4)
    first = found.effects[0]
    assert first.estimate > 0, "lower ratings are better"
    one, other = (-data.value[data.arm == index, 2] for index in (1, 0))
    ahead = np.mean([(a > b) + 0.5 * (a == b) for a in one for b in other])
    assert first.beside["probability of a better rating"] == pytest.approx(ahead)
    expected = stats.mannwhitneyu(one, other, method="asymptotic").pvalue
    assert first.beside["Wilcoxon p"] == pytest.approx(expected)


def test_ordinal_refuses_one_level_and_ratings_that_do_not_overlap():
    data = impression()
    with pytest.raises(InputError, match="does not vary"):
        compare_ordered(replace(data, value=np.full(data.value.shape, 4.0)), "w8", comparisons=PAIRS)
    apart = np.repeat(np.where(data.arm == 1, 2.0, 5.0 + np.arange(120) % 2)[:, None], 3, axis=1)
    with pytest.raises(InputError, match="no maximum"):
        compare_ordered(replace(data, value=apart), "w8", comparisons=PAIRS)


def test_slopes_equal_statsmodels_and_the_bounds_touch_zero():
    import pandas as pd
    import statsmodels.formula.api as smf

    data = made_up(seed=9, n=300)
    found = compare_slopes(data, "w8", marker="local", comparison=("lowest", "classic"))
    frame = pd.DataFrame(
        {
            "change": data.change[:, 2],
            "arm": np.array(["0classic", "lowest", "highest"])[data.arm],
            "baseline": data.baseline,
            "local": data.markers["local"],
        }
    )
    theirs = smf.ols("change ~ baseline + arm * local", frame).fit()
    name = "arm[T.lowest]:local"
    assert (found.effect.estimate, found.effect.se) == pytest.approx((theirs.params[name], theirs.bse[name]), rel=1e-6)
    assert found.effect.p == pytest.approx(theirs.pvalues[name], abs=1e-8)
    at = float(found.grid[30])
    row = theirs.t_test(f"arm[T.lowest] + {at!r} * arm[T.lowest]:local")
    assert found.difference[30] == pytest.approx(float(row.effect[0]), abs=1e-6)
    assert (found.low[30], found.high[30]) == pytest.approx(tuple(row.conf_int()[0]), abs=1e-6)
    assert found.bounds
    for bound in found.bounds:
        ends = [np.interp(bound, found.grid, one) for one in (found.low, found.high)]
        assert min(abs(end) for end in ends) < 0.02


def test_slopes_do_not_depend_on_the_markers_unit():
    data = made_up(seed=9)
    one = compare_slopes(data, "w8", marker="local", comparison=PAIRS[0])
    other = replace(data, markers={"local": 1000 * data.markers["local"] - 7})
    two = compare_slopes(other, "w8", marker="local", comparison=PAIRS[0])
    assert (1000 * two.effect.estimate, two.effect.p) == pytest.approx((one.effect.estimate, one.effect.p), rel=1e-6)
    np.testing.assert_allclose(two.difference, one.difference, atol=1e-8)
    with pytest.raises(InputError, match="does not vary"):
        compare_slopes(replace(data, markers={"local": np.full(90, 0.1)}), "w8", marker="local", comparison=PAIRS[0])
    with pytest.raises(InputError, match="no marker"):
        compare_slopes(data, "w8", marker="global", comparison=PAIRS[0])


# -- multiplicity, equivalence, posterior, interim --------------------------------------------------------------------
def test_holm_equals_a_naive_one():
    rng = np.random.default_rng(10)
    for _ in range(20):
        p = rng.random(rng.integers(1, 7))
        order, naive, running = np.argsort(p), np.empty(len(p)), 0.0
        for rank, index in enumerate(order):
            running = max(running, min(1.0, (len(p) - rank) * p[index]))
            naive[index] = running
        np.testing.assert_allclose(holm(list(p)), naive)
    with pytest.raises(InputError, match="between 0 and 1"):
        holm([0.1, float("nan")])


def test_two_one_sided_tests_equal_statsmodels():
    from statsmodels.stats.weightstats import ttost_ind

    rng = np.random.default_rng(11)
    one, other = rng.normal(0.1, 1, 40), rng.normal(0, 1, 35)
    p, lower, upper = ttost_ind(one, other, -0.6, 0.6, usevar="pooled")
    df = 73
    pooled = np.sqrt((39 * one.var(ddof=1) + 34 * other.var(ddof=1)) / df * (1 / 40 + 1 / 35))
    found = judge_equivalence(float(one.mean() - other.mean()), float(pooled), df=df, margin=0.6)
    assert (found.p, found.p_lower, found.p_upper) == pytest.approx((p, lower[1], upper[1]), abs=1e-10)
    assert found.equivalent == (max(abs(found.low), abs(found.high)) < 0.6)
    with pytest.raises(OptionError, match="margin"):
        judge_equivalence(0, 1, df=9, margin=0)


@pytest.mark.parametrize("name", ["weak", "sceptical", "enthusiastic"])
def test_posterior_equals_numerical_integration(name):
    prior, margin = priors(1.0)[name], 1.0
    found = posterior(-0.4, 0.35, margin=margin, prior=prior, name=name)

    def density(d: float) -> float:
        return float(stats.norm.pdf(d, *prior) * stats.norm.pdf(-0.4, d, 0.35))

    def mass(low: float, high: float) -> float:
        return integrate.quad(density, low, high, epsabs=1e-13, points=[-0.4] if low < -0.4 < high else None)[0]

    whole = mass(-6, 6)
    assert found.above_zero == pytest.approx(mass(0, 6) / whole, abs=1e-8)
    assert found.within == pytest.approx(mass(-1, 1) / whole, abs=1e-8)
    assert found.below == pytest.approx(mass(-6, -1) / whole, abs=1e-8)
    mean = integrate.quad(lambda d: d * density(d), -6, 6, epsabs=1e-13, points=[-0.4])[0] / whole
    assert found.mean == pytest.approx(mean, abs=1e-8)
    assert mass(found.low, found.high) / whole == pytest.approx(0.95, abs=1e-7)


def test_priors_say_what_they_state():
    stated = priors(2.0, better="lower")
    assert stats.norm.cdf(-2.0, *stated["sceptical"]) == pytest.approx(0.05)
    assert stats.norm.sf(0, *stated["enthusiastic"]) == pytest.approx(0.05)
    assert priors(2.0, better="higher")["enthusiastic"][0] == 2.0


def test_blinded_looks_see_no_arm():
    rng = np.random.default_rng(12)
    values = rng.normal(0, 2.0, 60)
    look = look_at_variance(values, difference=1.5, planned_per_arm=20)
    assert look.pooled == pytest.approx(values.std(ddof=1))
    assert look.low < 2.0 < look.high
    assert look.per_arm == min(max(look.unlimited, 20), 40)
    permuted = look_at_variance(rng.permutation(np.append(values, np.nan)), difference=1.5, planned_per_arm=20)
    assert (permuted.n, permuted.unlimited) == (look.n, look.unlimited)
    events = (rng.random(60) < 0.5).astype(float)
    seen = look_at_events(events, difference=0.2, planned_per_arm=30)
    assert seen.pooled == events.mean()
    assert seen.unlimited > 80
    assert seen.per_arm == 60
    with pytest.raises(InputError, match="a look needs 10"):
        look_at_variance(np.full(20, np.nan), difference=1, planned_per_arm=9)
    with pytest.raises(InputError, match="one list"):
        look_at_variance(np.ones((3, 20)), difference=1, planned_per_arm=9)
    with pytest.raises(InputError, match="1, 0 or missing"):
        look_at_events(values, difference=0.2, planned_per_arm=9)


def test_words_name_both_ends_of_the_interval():
    effect = make_effect(("a", "b"), -0.4, 0.4, measure="difference in change", n=(30, 30))
    told = exclusion(effect, better="lower")
    assert "a benefit of more than 1.18 and a harm of more than 0.38" in told
    assert "a benefit of more than 0.38 and a harm of more than 1.18" in exclusion(effect, better="higher")
    clear = make_effect(("a", "b"), 0.3, 0.1, measure="risk difference", n=(30, 30))
    assert "no difference, a benefit of less than 10.40 percentage points" in exclusion(clear)
    worse = make_effect(("a", "b"), 2.0, 0.1, measure="difference in change", n=(30, 30))
    assert "any benefit, a harm of less than 1.80" in exclusion(worse)


# -- the locked whole -------------------------------------------------------------------------------------------------
def one_of_each() -> tuple[Analysis, ...]:
    base = Analysis("responders", "responder", "primary", "pain", "w8", PAIRS, threshold=0.3, missing="non_response")
    change = Analysis("change", "mmrm", "secondary", "pain", "w8", PAIRS, adjust=("baseline", "centre"))
    return (
        base,
        change,
        replace(change, name="week8", kind="ancova"),
        Analysis("pgic", "ordinal", "secondary", "pgic", "w8", PAIRS),
        Analysis("marker", "biomarker", "exploratory", "pain", "w8", PAIRS[:1], biomarker="local"),
        Analysis("same", "equivalence", "secondary", "pain", "w8", PAIRS, margin=1.0),
        Analysis("belief", "bayes", "secondary", "pain", "w8", PAIRS, margin=1.0),
        replace(change, name="mi", role="sensitivity", missing="multiple_imputation"),
        replace(base, name="j2r", role="sensitivity", missing="reference_based"),
        replace(change, name="tip", role="sensitivity", kind="ancova", missing="tipping_point"),
    )


def protocol(analyses: tuple[Analysis, ...] | None = None) -> TrialProtocol:
    return TrialProtocol(
        title="A trial",
        arms=(
            Arm("classic", "M1", "fixed", "m1"),
            Arm("lowest", "Lowest", "lowest"),
            Arm("highest", "Highest", "highest"),
        ),
        control="classic",
        candidates=("m1", "acc"),
        centres=("a", "b", "c"),
        sample_size=90,
        sessions=12,
        visits=(Visit("baseline", 0), Visit("w2", 2), Visit("w4", 4), Visit("w8", 8)),
        outcomes=(
            TrialOutcome("pain", "Pain", "scale", 0, 10),
            TrialOutcome("pgic", "PGIC", "ordinal", 1, 7, visits=("w2", "w4", "w8")),
            TrialOutcome("local", "Local M1", "biomarker", 0, 1, visits=("baseline",)),
        ),
        estimand=Estimand("all", "difference"),
        strata=(Stratum("centre", ("a", "b", "c")),),
        analyses=one_of_each() if analyses is None else analyses,
    )


@pytest.fixture(scope="module")
def whole():
    data = {"pain": made_up(effect=0.0), "pgic": impression(n=90)}
    return protocol(), data, analyse(protocol(), data, rng=np.random.default_rng(1))


def test_runs_what_the_protocol_names_in_its_order(whole):
    plan, _, found = whole
    assert [one.analysis.name for one in found.results] == [one.name for one in plan.analyses]
    assert [one.problem for one in found.results] == [None] * len(found.results)
    assert found.digest == analysis_digest(plan)
    for one in found.results:
        assert len(one.effects) == len(one.analysis.comparisons) == len(one.adjusted_p)
        assert one.finding is not None
        assert "have no outcome at w8" in one.finding.missing
        for effect, sentence in zip(one.effects, one.sentences, strict=False):
            assert effect.low < effect.estimate < effect.high
            assert 0 <= effect.p <= 1
            assert min(effect.n) > 1
            assert "The data exclude" in sentence
    assert found.result("change").label.startswith("Secondary")
    assert found.result("marker").label.startswith("Exploratory")
    assert found.result("change").adjusted_p == holm([one.p for one in found.result("change").effects])


def test_a_null_is_said_not_to_be_equivalence(whole):
    _, _, found = whole
    assert min(found.primary.adjusted_p) > 0.05, "the seed gives a null"
    assert found.conclusions[-1].startswith("A null is not equivalence")
    assert "percentage points (95 % interval" in found.conclusions[-1]


def test_leaving_one_analysis_out_changes_no_other(whole):
    plan, data, found = whole
    without = protocol((*plan.analyses[:8], plan.analyses[9]))
    again = analyse(without, data, rng=np.random.default_rng(1))
    assert again.result("mi").effects == found.result("mi").effects


def test_the_order_of_participants_does_not_matter(whole):
    plan, data, found = whole
    again = analyse(plan, {name: shuffled(one) for name, one in data.items()}, rng=np.random.default_rng(1))
    for one, two in zip(found.results, again.results, strict=True):
        for a, b in zip(one.effects, two.effects, strict=True):
            assert (b.estimate, b.se, b.p) == pytest.approx((a.estimate, a.se, a.p), abs=2e-5), one.analysis.name


def test_an_analysis_that_cannot_run_says_why_and_stops_no_other(whole):
    plan, data, _ = whole
    pain = data["pain"]
    empty = replace(pain, value=np.where(np.arange(3) == 2, np.nan, pain.value))
    found = analyse(
        protocol(plan.analyses[1:4] + plan.analyses[:1]), {**data, "pain": empty}, rng=np.random.default_rng(1)
    )
    assert "nobody" in str(found.result("change").problem)
    assert found.result("pgic").problem is None
    assert "nobody is a responder" in str(found.primary.problem)
    assert found.conclusions[0].startswith("The primary analysis could not be run")


def test_refuses_absent_outcomes_other_arms_and_impossible_ways(whole):
    plan, data, _ = whole
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="no data of pgic"):
        analyse(plan, {"pain": data["pain"]}, rng=rng)
    with pytest.raises(InputError, match="with classic first"):
        analyse(plan, {**data, "pain": replace(data["pain"], arms=("lowest", "classic", "highest"))}, rng=rng)
    wrong = replace(plan.analyses[3], missing="multiple_imputation")
    with pytest.raises(OptionError, match="pgic: 'ordinal' with 'multiple_imputation'"):
        analyse(protocol((plan.analyses[0], wrong)), data, rng=rng)


def test_strategies_that_no_analysis_has_are_refused():
    event = Intercurrent("rescue", "Rescue", strategy="hypothetical")
    with pytest.raises(OptionError, match="rescue: 'hypothetical'"):
        require_runnable(replace(protocol(), estimand=Estimand("all", "difference", (event,))))
    counted = replace(event, strategy="composite", responder="non_response")
    require_runnable(replace(protocol(), estimand=Estimand("all", "difference", (counted,))))


@pytest.mark.parametrize("name", ["connectivity_guided", "attal2021", "quesada2020"])
def test_protocols_that_come_along_can_be_run(name):
    from actionloop.pipeline.trialprotocol import read_protocol

    with resources.as_file(resources.files("actionloop") / "data" / "protocols" / f"{name}.yaml") as path:
        require_runnable(read_protocol(path))


def test_the_size_of_the_unadjusted_test_is_told_where_it_is_too_large():
    data = {"pain": made_up(n=72, effect=0, drop=0)}
    found = analyse(protocol(one_of_each()[:1]), data, rng=np.random.default_rng(1))
    finding = found.primary.finding
    assert finding is not None
    assert any("at 24 and 24 per arm the score test rejects up to 0.06" in note for note in finding.notes)


def test_a_changed_analysis_is_refused_after_unblinding():
    plan = protocol()
    locked = analysis_digest(plan)
    assert analysis_digest(replace(plan, title="Another title")) == locked
    changed = [
        replace(plan, alpha=0.1),
        protocol((replace(plan.analyses[0], threshold=0.5), *plan.analyses[1:])),
        protocol((plan.analyses[0], *plan.analyses[2:])),
        replace(plan, estimand=Estimand("completers", "difference")),
    ]
    digests = [locked, *(analysis_digest(one) for one in changed)]
    assert all(a != b for a, b in pairwise(digests))
    assert require_locked(plan, locked, unblinded=True) == locked
    for one in changed:
        require_locked(one, locked, unblinded=False)
        with pytest.raises(OptionError, match="differ from those locked"):
            require_locked(one, locked, unblinded=True)


@pytest.mark.parametrize(
    ("estimate", "measure", "better", "arm"),
    [
        (-0.3, "risk difference", "lower", "classic"),
        (0.3, "risk difference", "lower", "new"),
        (-1.2, "difference in change", "lower", "new"),
        (-1.2, "difference in change", "higher", "classic"),
        (0.7, "log odds ratio", "lower", "new"),
    ],
)
def test_the_arm_that_an_estimate_speaks_for_is_named(estimate, measure, better, arm):
    effect = make_effect(("new", "classic"), estimate, 0.1, measure=measure, n=(30, 30))
    assert favoured(effect, better=better) == arm


def test_a_significant_harm_is_not_told_as_a_success():
    plan = protocol()
    alone = replace(plan, analyses=tuple(one for one in plan.analyses if one.role == "primary"))
    found = analyse(alone, {"pain": made_up(effect=4.0)}, rng=np.random.default_rng(0))
    told = next(one for one in found.conclusions if one.startswith(f"{ARMS[1]} against {ARMS[0]}"))
    assert " not significant" not in told and f"in favour of {ARMS[0]}" in told and "percentage points" in told
