"""Virtual patients as asked for, designs that find what was planted, tables that no splitting changes, replays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import actionloop
from actionloop.errors import OptionError
from actionloop.pipeline.trialprotocol import read_protocol
from actionloop.trial import simulate as simulation
from actionloop.trial.designs import Design, closed_test, crossover_test, crossover_trials, run
from actionloop.trial.estimators import METHODS, Plan, plan_of, response_of
from actionloop.trial.observe import allocate, block, observe, true_effects
from actionloop.trial.patients import Seed, Setting, draw_patients
from actionloop.trial.power import power_proportions
from actionloop.trial.replay import replay, studies
from actionloop.trial.sideeffect import side_effect
from actionloop.trial.simulate import Assumptions, Grid, simulate
from actionloop.trial.workers import Workers
from actionloop.trial.worlds import (
    Dropout,
    Rescue,
    World,
    default_dropout,
    default_population,
    default_rescue,
    sites_of,
    world,
    world_names,
)

PROTOCOLS = Path(actionloop.__file__).parent / "data" / "protocols"
GUIDED = read_protocol(PROTOCOLS / "connectivity_guided.yaml")
ATTAL = read_protocol(PROTOCOLS / "attal2021.yaml")
QUESADA = read_protocol(PROTOCOLS / "quesada2020.yaml")
STAY = Dropout(rate=0.0)
WIDE = default_population(low=-100.0, high=200.0, centre_sd=0.0)
NULL = world("no_difference")
STRONG = World("strong", stimulation=3.0)


def setting(protocol=GUIDED, *, n=90, given=NULL, people=WIDE, dropout=STAY, **changes):
    return Setting(protocol, given, people, dropout, Rescue(), "pain", n, **changes)


def seen_by(one: Setting, trials: int = 1, seed: int = 1):
    patients = draw_patients(one, [Seed([seed, trial]) for trial in range(trials)])
    return patients, observe(patients, allocate(patients, block(one))[..., None])


def near(found, wanted, se, *, times=4.0):
    assert abs(found - wanted) <= times * se, f"{found} is not {wanted} ± {times} × {se}"


# --- the people ------------------------------------------------------------------------------------------------------
def test_ratings_have_the_mean_spread_and_correlation_asked_for():
    n = 20_000
    one = setting(n=n, people=replace(WIDE, fall_sd=0.0, correlation=0.6, sd=2.0))
    patients, trials = seen_by(one)
    ratings = np.column_stack([patients.baseline[0, :, 0], trials.complete[0, :, 0]])
    near(ratings[:, 0].mean(), 6.5, 2 / n**0.5)
    np.testing.assert_allclose(ratings.std(axis=0), 2.0, rtol=4 / (2 * n) ** 0.5)
    between = np.corrcoef(ratings.T)[np.triu_indices(ratings.shape[1], 1)]
    np.testing.assert_allclose(between, 0.6, atol=4 * (1 - 0.36) / n**0.5)
    near(ratings[:, 0].mean() - ratings[:, -1].mean(), 0.25 * 6.5, 2 * 0.9 / n**0.5)
    course = (ratings[:, 0].mean() - ratings[:, 1:].mean(axis=0)) / (0.25 * 6.5)
    np.testing.assert_allclose(course, one.course, atol=0.05)


def test_falls_differ_between_people_and_periods_as_asked_for():
    n = 20_000
    quiet = replace(WIDE, sd=1e-9, fall_sd=1.5, fall_correlation=0.3)
    one = setting(QUESADA, n=n, people=quiet, periods=2)
    patients = draw_patients(one, [Seed(3)])
    falls = -patients.latent[0, :, :, 0, -1]
    np.testing.assert_allclose(falls.std(axis=0), 1.5, rtol=0.03)
    near(np.corrcoef(falls.T)[0, 1], 0.3, (1 - 0.09) / n**0.5)


def test_rules_take_the_site_that_they_name_and_engagement_follows_its_distribution():
    patients, _ = seen_by(setting(n=20_000))
    lowest, highest = (GUIDED.arm_names.index(name) for name in ("lowest_connectivity", "highest_connectivity"))
    np.testing.assert_array_equal(patients.delivered[..., lowest], patients.scores.argmin(axis=-1))
    np.testing.assert_array_equal(patients.delivered[..., highest], patients.scores.argmax(axis=-1))
    assert (patients.delivered[..., GUIDED.arm_names.index("classic_m1")] == 0).all()
    np.testing.assert_allclose(patients.scores.std(axis=(0, 1)), 1.0, rtol=0.03)
    known = sites_of(GUIDED.candidates)
    np.testing.assert_allclose(
        np.median(patients.engagement[0], axis=0), [one.engagement for one in known.sites], atol=0.02
    )
    logits = np.log(patients.engagement[0] / (1 - patients.engagement[0]))
    for index in range(len(known.sites)):
        near(np.corrcoef(logits[:, index], patients.scores[0, :, index])[0, 1], known.score_engagement, 0.007)
    near(np.corrcoef(patients.marker[0], patients.scores[0, :, 0])[0, 1], known.marker_score, 0.007)
    near(np.corrcoef(patients.scores[0, :, 1], patients.scores[0, :, 2])[0, 1], known.score_shared, 0.007)


def test_worlds_plant_what_they_say():
    patients, _ = seen_by(setting(ATTAL, given=World("w", stimulation=1.2), n=400))
    sham = ATTAL.arm_names.index("sham")
    assert (patients.benefit[..., sham] == 0).all()
    np.testing.assert_allclose(np.delete(patients.benefit, sham, axis=-1), 1.2)
    patients, _ = seen_by(setting(ATTAL, given=World("w", engagement=3.0), n=400))
    np.testing.assert_allclose(patients.benefit[..., ATTAL.arm_names.index("dlpfc")], 3 * patients.engagement[..., 1])
    patients, _ = seen_by(setting(ATTAL, given=World("w", marker=0.8), n=400))
    np.testing.assert_allclose(patients.benefit[..., ATTAL.arm_names.index("m1")], -0.8 * patients.marker)
    assert (patients.benefit[..., ATTAL.arm_names.index("dlpfc")] == 0).all()
    patients, _ = seen_by(setting(given=World("w", connectivity=1.0), n=400))
    np.testing.assert_allclose(patients.benefit[..., 1], -patients.scores.min(axis=-1))
    assert World("w", marker=2.0).scaled(0.5).marker == 1.0


def test_true_effects_are_the_planted_ones():
    truth = true_effects(setting(ATTAL, given=STRONG, n=90))
    assert truth["m1"][0] == pytest.approx(-3.0, abs=1e-9)
    assert truth["m1"][1] > 0.3
    assert set(true_effects(setting(given=NULL)).values()) == {(0.0, 0.0)}


def test_centres_shift_everyone_alike_and_are_told_as_a_factor():
    one = setting(ATTAL, people=replace(WIDE, centre_sd=3.0), n=4000)
    patients, trials = seen_by(one)
    falls = patients.baseline[0, :, 0] - trials.complete[0, :, 0, -1]
    means = [falls[patients.factors[0, :, 0] == level].mean() for level in range(4)]
    assert np.std(means) > 0.5
    assert set(np.unique(trials.one(0).factors["centre"])) == set(ATTAL.centres)


@pytest.mark.parametrize("mechanism", ["mcar", "mar", "mnar"])
def test_people_leave_at_the_rate_asked_for_by_the_mechanism_asked_for(mechanism):
    n = 20_000
    one = setting(n=n, people=default_population(centre_sd=0.0), dropout=Dropout(0.3, mechanism, 1.5))
    patients, trials = seen_by(one)
    missing = np.isnan(trials.value[0, :, 0])
    near(missing[:, -1].mean(), 0.3, (0.3 * 0.7 / n) ** 0.5)
    assert (missing[:, 1:] >= missing[:, :-1]).all(), "nobody comes back"
    np.testing.assert_array_equal(trials.value[~np.isnan(trials.value)], trials.complete[~np.isnan(trials.value)])
    before, now = patients.baseline[0, :, 0], trials.complete[0, :, 0, 0]
    gone, se = missing[:, 0], 1.6 / missing[:, 0].sum() ** 0.5
    if mechanism == "mcar":
        near(before[gone].mean(), before[~gone].mean(), se)
        near(now[gone].mean(), now[~gone].mean(), se)
    elif mechanism == "mar":
        assert before[gone].mean() > before[~gone].mean() + 10 * se
    else:
        assert now[gone].mean() > now[~gone].mean() + 10 * se
        # Given the rating that is missing, the one before tells no more: the slope on it vanishes.
        slope = np.linalg.lstsq(np.column_stack([np.ones(n), now, now**2, before]), gone.astype(float), rcond=None)[0][
            3
        ]
        near(slope, 0.0, 0.003)


def test_rescue_counts_from_the_next_visit_and_lowers_what_follows():
    one = replace(setting(n=2000), rescue=Rescue(from_week=2.0, relief_below=0.5, probability=1.0, points=2.0))
    _, trials = seen_by(one)
    _, plain = seen_by(setting(n=2000))
    relief = plain.complete[..., 0, 0] <= 0.5 * plain.baseline[..., 0]
    assert not trials.stopped[..., 0].any()
    np.testing.assert_array_equal(trials.stopped[0, :, 0, 1], ~relief[0])
    taken = trials.stopped[..., 1]
    np.testing.assert_allclose((plain.complete - trials.complete)[..., 1][taken], 2.0)
    assert (response_of(trials, threshold=0.3)[trials.stopped[:, :, 0, -1]] == 0).all()


def test_blocks_are_balanced_within_strata():
    one = setting(ATTAL, n=150)
    patients, trials = seen_by(one, trials=20)
    for trial in range(20):
        for centre in range(4):
            members = np.flatnonzero(patients.factors[trial, :, 0] == centre)
            arms = trials.given[trial, members, 0]
            whole = len(arms) // 6 * 6
            counts = np.stack([(arms[:whole].reshape(-1, 6) == arm).sum(axis=1) for arm in range(3)])
            assert (counts == 2).all()
    firsts = trials.given[:, 0, 0]
    assert len(set(firsts.tolist())) == 3


def test_trial_data_start_with_the_control():
    _, trials = seen_by(setting(ATTAL, n=30, dropout=default_dropout()))
    data = trials.one(0)
    assert data.arms[0] == ATTAL.control
    for index, name in enumerate(data.arms):
        np.testing.assert_array_equal(data.arm == index, trials.given[0, :, 0] == ATTAL.arm_names.index(name))
    np.testing.assert_array_equal(data.value, trials.value[0, :, 0])
    assert data.visits == tuple(visit.name for visit in ATTAL.visits[1:])


# --- seeds and splitting ---------------------------------------------------------------------------------------------
def test_a_trial_is_the_same_whatever_it_is_drawn_with():
    one, seeds = setting(dropout=default_dropout()), [Seed([5, trial]) for trial in range(6)]
    together = draw_patients(one, seeds)
    for trial, seed in enumerate(seeds):
        alone = draw_patients(one, [seed])
        np.testing.assert_array_equal(alone.latent[0], together.latent[trial])
        np.testing.assert_array_equal(alone.keys[0], together.keys[trial])
    assert not np.array_equal(together.latent[0], together.latent[1])


@pytest.mark.slow
def test_no_splitting_changes_the_table(monkeypatch):
    worlds, designs, plan = [NULL, world("low_connectivity_matters")], [Design(), Design("drop")], Plan(METHODS[:3])

    def table(workers=None, grid=None, chunk=100):
        monkeypatch.setitem(simulation._ENGINE, "chunk_trials", chunk)
        rng = np.random.default_rng(7)
        return simulate(GUIDED, worlds, designs, n_trials=30, rng=rng, grid=grid, plan=plan, workers=workers)

    whole = table()
    assert repr(table()) == repr(whole)
    parts = table(chunk=7)
    for name, column in whole.columns().items():
        if isinstance(column[0], float):
            np.testing.assert_allclose(parts.columns()[name], column, rtol=1e-9, atol=1e-12)
        else:
            assert parts.columns()[name] == column
    assert repr(table(Workers(processes=2), chunk=7)) == repr(parts)
    larger = table(grid=Grid(n=(60, 90)))
    assert repr(larger.find(n=90)) == repr(whole.rows)
    assert {len(column) for column in whole.columns().values()} == {len(whole.rows)}


@pytest.mark.slow
def test_dask_gives_the_same_table():
    pytest.importorskip("distributed")
    given = {"n_trials": 20, "plan": Plan(("ancova",))}
    plain = simulate(GUIDED, [NULL], [Design()], rng=np.random.default_rng(7), **given)
    dask = simulate(GUIDED, [NULL], [Design()], rng=np.random.default_rng(7), workers=Workers(1, dask="local"), **given)
    assert repr(dask) == repr(plain)


# --- designs ---------------------------------------------------------------------------------------------------------
def bounds(share: float, n: int, *, miss: float = 1e-3) -> tuple[float, float]:
    """Counts that a binomial variable leaves once in a thousand times, as shares."""
    return stats.binom.ppf(miss / 2, n, share) / n, stats.binom.isf(miss / 2, n, share) / n


def test_null_trials_reject_and_cover_as_they_should():
    n = 200
    given = Assumptions(default_population(centre_sd=0.0), Dropout(0.2, "mar"), default_rescue())
    table = simulate(GUIDED, [NULL], [Design()], n_trials=n, rng=np.random.default_rng(11), assumptions=given)
    assert {row.method for row in table.rows} == set(METHODS)
    low, high = bounds(0.05, n, miss=1e-4)
    for row in table.rows:
        assert row.failed == 0
        assert row.rejected <= high
        if row.arm != "any":
            assert low <= row.rejected
            assert 1 - high <= row.coverage <= 1 - low
            near(row.bias, 0.0, row.bias_se)


def test_the_score_test_of_responders_has_its_enumerated_size():
    n = 3000
    people, leaving = default_population(centre_sd=0.0), Dropout(0.2)
    one, plan = setting(n=72, people=people, dropout=leaving), Plan(("responder",))
    seeds = [Seed([13, trial]) for trial in range(n)]
    made = run(Design(), one, plan, seeds)
    _, trials = seen_by(one, trials=n, seed=13)
    share = float(response_of(trials, threshold=0.3).mean())
    arm = trials.given[..., 0]
    for name in ("lowest_connectivity", "highest_connectivity"):
        index = GUIDED.arm_names.index(name)
        pairs = np.stack([(arm == index).sum(axis=1), (arm == 0).sum(axis=1)], axis=1)
        each, count = np.unique(pairs, axis=0, return_counts=True)
        exact = np.average([float(power_proportions(share, share, int(a), int(b))) for a, b in each], weights=count)
        near((made["responder", name].p < 0.05).mean(), exact, (exact * (1 - exact) / n) ** 0.5, times=3.3)


def test_a_strong_effect_is_found_without_bias_by_every_analysis():
    table = simulate(ATTAL, [STRONG], [Design()], n_trials=60, rng=np.random.default_rng(3), grid=Grid(n=(90,)))
    for row in table.find(arm="m1"):
        assert not row.null
        assert row.rejected > 0.8
        near(row.bias, 0.0, row.bias_se)
        assert (row.truth > 0) == row.method.startswith("responder")


def test_leaving_by_what_is_missing_biases_and_leaving_at_random_does_not():
    plan = Plan(("mmrm",))
    found = {}
    for mechanism in ("mar", "mnar"):
        given = Assumptions(default_population(), Dropout(0.5, mechanism, 3.0), default_rescue())
        (row,) = simulate(
            QUESADA, [STRONG], [Design()], n_trials=150, rng=np.random.default_rng(5), plan=plan, assumptions=given,
            grid=Grid(n=(120,)),
        ).rows  # fmt: skip
        found[mechanism] = row
    near(found["mar"].bias, 0.0, found["mar"].bias_se)
    assert abs(found["mnar"].bias) > 4 * found["mnar"].bias_se


def test_enrichment_takes_the_lowest_biomarkers():
    design = Design("enriched", keep_share=0.4)
    patients = draw_patients(design.fit_to(setting(n=20_000)), [Seed(2)])
    cut = stats.norm.ppf(0.4)
    assert patients.marker.max() <= cut
    near(patients.marker.mean(), -stats.norm.pdf(cut) / 0.4, 0.005)
    assert design.screened(90) == 225
    truth = true_effects(design.fit_to(setting(ATTAL, given=World("w", marker=1.0))))
    assert truth["m1"][0] == pytest.approx(-stats.norm.pdf(cut) / 0.4, abs=0.02)


def test_the_crossover_test_is_the_model_with_participant_period_and_treatment():
    rng, n = np.random.default_rng(1), 14
    sequence = np.arange(n) % 2 == 0
    first, second = rng.normal(size=(2, n)) + rng.normal(size=n)
    first[3] = np.nan
    one = crossover_test(first[None], second[None], sequence[None])
    seen = np.flatnonzero(~np.isnan(first))
    y = np.concatenate([first[seen], second[seen]])
    treated = np.concatenate([sequence[seen], ~sequence[seen]]).astype(float)
    period = np.repeat([0.0, 1.0], len(seen))
    people = np.tile(np.eye(len(seen)), (2, 1))
    sm = pytest.importorskip("statsmodels.api")
    fit = sm.OLS(y, np.column_stack([treated, period, people])).fit()
    assert float(one.estimate[0]) == pytest.approx(fit.params[0], abs=1e-12)
    assert float(one.p[0]) == pytest.approx(fit.pvalues[0], abs=1e-12)
    np.testing.assert_allclose([one.low[0], one.high[0]], fit.conf_int()[0], atol=1e-12)


@pytest.mark.parametrize("washout", [0.0, 1.0, 200.0])
def test_the_crossover_recovers_the_effect_less_half_of_what_is_carried_over(washout):
    design = Design("crossover", washout_weeks=washout)
    one = design.fit_to(setting(QUESADA, given=World("w", stimulation=2.0), n=36))
    carried = one.population.carried(washout)
    made = run(design, one, Plan(("ancova",)), [Seed([4, trial]) for trial in range(300)])
    for method, wanted in (("paired", -2 * (1 - carried / 2)), ("period_1", -2.0), ("period_2", -2 * (1 - carried))):
        estimate = made[method, "active"].estimate
        near(estimate.mean(), wanted, estimate.std() / 300**0.5)
    cover = (made["paired", "active"].low <= -2) & (made["paired", "active"].high >= -2)
    if washout == 200:
        low, high = bounds(0.95, 300)
        assert low <= cover.mean() <= high


def test_everyone_in_a_crossover_gets_both_and_the_order_is_balanced():
    design = Design("crossover")
    trials, sequence = crossover_trials(design, draw_patients(design.fit_to(setting(QUESADA, n=36)), [Seed(1)]))
    assert (trials.given.sum(axis=-1) == 1).all()
    assert sequence.sum() == 18
    assert trials.value.shape == (1, 36, 2, 4)


def naive_closed(first, second, kept, weight):
    """Adjusted p of arm 0 of two, written out."""
    z = stats.norm.isf

    def combine(a, b):
        return stats.norm.sf(weight**0.5 * z(a) + (1 - weight) ** 0.5 * z(b))

    if not kept[0]:
        return 1.0
    both = min(2 * min(second), 1) if kept[1] else second[0]
    return max(combine(first[0], second[0]), combine(min(2 * min(first), 1 - 1e-15), min(both, 1 - 1e-15)))


def test_closed_testing_equals_two_arms_written_out():
    rng = np.random.default_rng(9)
    first, second = rng.uniform(size=(2, 200, 2))
    kept = rng.uniform(size=(200, 2)) < 0.7
    got = closed_test(first, second, kept, weight=0.4)
    wanted = [naive_closed(*one, 0.4) for one in zip(first, second, kept, strict=True)]
    np.testing.assert_allclose(got[:, 0], wanted, atol=1e-9)


def test_dropping_arms_keeps_the_familywise_error_and_drops_the_useless():
    n = 1500
    plan, design = Plan(("ancova",)), Design("drop")
    one = setting(dropout=default_dropout())
    made = run(design, one, plan, [Seed([6, trial]) for trial in range(n)])
    assert (made["ancova", "any"].p < 0.05).mean() <= bounds(0.025, n)[1]
    harmful = World("w", stimulation=-3.0)
    made = run(design, setting(ATTAL, given=harmful, n=90), plan, [Seed([6, trial]) for trial in range(50)])
    assert (made["ancova", "any"].p == 1).mean() > 0.95
    made = run(design, setting(ATTAL, given=STRONG, n=90), plan, [Seed([6, trial]) for trial in range(50)])
    assert (made["ancova", "m1"].p < 0.05).mean() > 0.95


# --- replay ----------------------------------------------------------------------------------------------------------
def test_the_null_trial_speaks_for_a_predicting_biomarker_and_hardly_of_targets():
    found = replay("connectivity_guided", GUIDED, n_trials=400, rng=np.random.default_rng(2), effects=(1.0,))
    assert {one.world for one in found.frequencies} == set(world_names())
    ratio = {one.world: one for one in found.ratios}
    assert ratio["only_local_m1"].low > 1
    assert ratio["target_matters"].low < 1 < ratio["target_matters"].high
    base = found.frequencies[0]
    assert base.low < base.share < base.high
    assert all(share >= base.share for _, share in base.parts)
    assert len(found.sentences()) == len(found.frequencies) + 1
    assert "not checked" in found.sentences()[-1]


@pytest.mark.slow
def test_replays_do_not_depend_on_who_does_the_work():
    given = {"n_trials": 150, "worlds": [NULL, world("stimulation_works")], "effects": (1.0,)}
    plain = replay("quesada2020", QUESADA, rng=np.random.default_rng(2), **given)
    split = replay("quesada2020", QUESADA, rng=np.random.default_rng(2), workers=Workers(2), **given)
    assert plain == split
    assert plain.ratios[0].low > 3


def test_each_world_falls_as_was_published_whatever_its_effect():
    from actionloop.trial.replay import _FACTS, _calibrated

    for name in world_names():
        one = _calibrated(_FACTS["studies"]["connectivity_guided"], GUIDED, world(name), Assumptions())
        _, trials = seen_by(replace(one, n=6000, dropout=STAY, population=replace(one.population, low=-50.0)), seed=3)
        fall = 1 - trials.complete[..., -1].mean() / trials.baseline.mean()
        near(fall, 0.35, 0.01)


def test_headache_was_neither_shown_nor_excluded():
    found = side_effect("attal2021")
    assert found is not None
    assert found.counts == (17, 13)
    assert found.low < 0 < found.high
    table = np.array([[17, 32], [13, 35]])
    assert found.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-12)
    assert found.power < 0.2
    assert side_effect("quesada2020") is None


# --- bad input -------------------------------------------------------------------------------------------------------
def rng():
    return np.random.default_rng(1)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: simulate(GUIDED, [NULL], [Design()], n_trials=0, rng=rng()), "trial"),
        (lambda: simulate(GUIDED, [], [Design()], n_trials=5, rng=rng()), "none"),
        (lambda: simulate(GUIDED, [NULL, NULL], [Design()], n_trials=5, rng=rng()), "once"),
        (lambda: simulate(GUIDED, [NULL], [Design()], n_trials=5, rng=rng(), grid=Grid(n=(4,))), "too few"),
        (
            lambda: simulate(GUIDED, [NULL], [Design()], n_trials=5, rng=rng(), workers=Workers(1, "127.0.0.1:1")),
            "Dask",
        ),
        (lambda: world("utopia"), "utopia"),
        (lambda: sites_of(("m1", "cerebellum")), "cerebellum"),
        (lambda: Design("adaptive"), "adaptive"),
        (lambda: Design("crossover", washout_weeks=-1), "washout"),
        (lambda: Design("crossover", arm="nobody").fit_to(setting()), "nobody"),
        (lambda: Design("drop", interim_share=1.0), "share"),
        (lambda: Plan(("anova",)), "anova"),
        (lambda: Dropout(1.0), "share"),
        (lambda: Dropout(0.2, "moody"), "moody"),
        (lambda: Rescue(probability=2.0), "0 to 1"),
        (lambda: default_population(correlation=1.5), "correlation"),
        (lambda: default_population(baseline_mean=12.0), "scale"),
        (lambda: setting(keep_share=0.0), "share"),
        (lambda: replace(setting(), outcome="joy"), "joy"),
        (lambda: Workers(0), "process"),
        (lambda: replay("nobody2020", GUIDED, n_trials=5, rng=rng()), "nobody2020"),
        (lambda: replay("attal2021", GUIDED, n_trials=5, rng=rng()), "no arm"),
        (lambda: replay("attal2021", ATTAL, n_trials=0, rng=rng()), "trial"),
    ],
)
def test_bad_input_is_one_clear_error(call, told):
    with pytest.raises(OptionError) as error:
        call()
    assert told in str(error.value)


def test_the_plan_follows_the_protocol():
    plan = plan_of(GUIDED)
    assert (plan.threshold, plan.baseline, plan.strata, plan.alpha) == (0.3, True, True, 0.05)
    assert set(studies()) == {"connectivity_guided", "attal2021", "quesada2020"}
