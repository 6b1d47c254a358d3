"""Multiple imputation: Rubin's rules by hand, proper draws, no bias at random, reference-based, tipping point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionloop.errors import InputError
from actionloop.trial.ancova import ancova
from actionloop.trial.imputation import _by_reference, _Parameters, impute, missing_after_last
from actionloop.trial.pooling import pool
from actionloop.trial.sensitivity import Question, compare_completed, tip
from actionloop.types import TrialData

PAIR = (("new", "old"),)


def made_up(rng: np.random.Generator, n: int = 200, *, effect: float = -1.0, visits: int = 3) -> TrialData:
    """Return two complete arms whose visits correlate at .7."""
    arm = np.arange(n) % 2
    baseline = rng.normal(6, 1, n)
    person = 0.6 * (baseline - 6) + rng.normal(0, np.sqrt(0.7), n)
    weeks = np.arange(1.0, visits + 1)
    value = 5 - 0.2 * weeks + person[:, None] + rng.normal(0, np.sqrt(0.3), (n, visits))
    value += effect * (arm == 1)[:, None] * weeks / visits
    return TrialData(
        tuple(f"P{i:04d}" for i in range(n)),
        ("old", "new"),
        arm,
        tuple(f"w{int(week)}" for week in weeks),
        weeks,
        baseline,
        value,
        np.zeros((n, visits), bool),
    )


def drop_at_random(data: TrialData, rng: np.random.Generator) -> TrialData:
    """Let the worse leave the new arm and the better the old one after the first visit: at random given it."""
    first = data.value[:, 0] - 5
    p = 1 / (1 + np.exp(-1.5 * first * np.where(data.arm == 1, 1, -1)))
    value = data.value.copy()
    value[rng.random(len(p)) < 0.6 * p, 1:] = np.nan
    return replace(data, value=value)


# -- Rubin's rules ----------------------------------------------------------------------------------------------------
def test_rubins_rules_by_hand():
    found = pool(np.array([1.0, 2.0, 3.0]), np.ones(3), complete_df=20)
    assert found.estimate == 2
    assert found.se**2 == pytest.approx(1 + 4 / 3)
    assert found.missing_information == pytest.approx(4 / 7)
    assert found.df == pytest.approx(1 / (1 / 6.125 + 1 / (21 / 23 * 20 * 3 / 7)))
    assert pool(np.array([1.0, 2.0, 3.0]), np.ones(3)).df == pytest.approx(6.125)
    same = pool(np.full(3, 1.5), np.full(3, 0.25), complete_df=40)
    assert (same.se, same.df) == pytest.approx((0.5, 41 / 43 * 40))
    with pytest.raises(InputError, match="at least 2"):
        pool(np.ones(1), np.ones(1))
    with pytest.raises(InputError, match="no finite"):
        pool(np.array([1, np.nan]), np.ones(2))


# -- draws ------------------------------------------------------------------------------------------------------------
def test_what_is_observed_stays_and_nothing_is_missing():
    rng = np.random.default_rng(0)
    data = drop_at_random(made_up(rng, 80), rng)
    value = data.value.copy()
    value[5, 1] = np.nan
    baseline = data.baseline.copy()
    baseline[7] = np.nan
    data = replace(data, value=value, baseline=baseline)
    found = impute(data, rng=rng, completed=4)["at_random"]
    seen = np.isfinite(value)
    assert (found.value[:, seen] == value[seen]).all()
    assert found.kept.sum() == 79
    assert np.isfinite(found.value[:, found.kept]).all()
    assert len(np.unique(found.value[:, ~seen & found.kept[:, None]][:, 0])) == 4


def test_complete_data_come_back_and_pool_to_the_plain_analysis():
    rng = np.random.default_rng(1)
    data = made_up(rng, 60)
    found = impute(data, rng=rng, completed=3)["at_random"]
    np.testing.assert_array_equal(found.value, np.repeat(data.value[None], 3, axis=0))
    one = compare_completed(data, found, Question("w3", PAIR))[0]
    plain = ancova(data, "w3", comparisons=PAIR).effects[0]
    assert (one.estimate, one.se) == pytest.approx((plain.estimate, plain.se), abs=1e-12)


def test_draws_are_proper():
    """One visit, two thirds missing: the mean is as uncertain as the observed one (14 % too sure if improper)."""
    rng = np.random.default_rng(2)
    data = made_up(rng, 360, visits=1)
    value = data.value.copy()
    value[rng.random(360) < 2 / 3] = np.nan
    data = replace(data, value=value)
    found = impute(data, rng=rng, adjust=(), completed=400)["at_random"]
    for arm in (0, 1):
        inside, seen = found.value[:, data.arm == arm, 0], value[data.arm == arm, 0]
        seen = seen[np.isfinite(seen)]
        pooled = pool(inside.mean(axis=1), inside.var(axis=1, ddof=1) / inside.shape[1])
        assert pooled.estimate == pytest.approx(seen.mean(), abs=0.02)
        assert pooled.se == pytest.approx(seen.std(ddof=1) / np.sqrt(len(seen)), rel=0.08)


def test_covariance_of_visits_survives():
    rng = np.random.default_rng(3)
    data = made_up(rng, 600)
    value = np.where(rng.random((600, 3)) < 0.3, np.nan, data.value)
    value[:60] = data.value[:60]
    found = impute(replace(data, value=value), rng=rng, completed=20)["at_random"]
    for arm in (0, 1):
        rows = data.arm == arm
        drawn = np.mean([np.cov(one[rows].T) for one in found.value], axis=0)
        np.testing.assert_allclose(drawn, np.cov(data.value[rows].T), atol=0.12)


def test_no_bias_when_missing_at_random_where_complete_cases_have_one():
    ours, theirs = [], []
    for seed in range(30):
        rng = np.random.default_rng(100 + seed)
        data = drop_at_random(made_up(rng, 240), rng)
        found = impute(data, rng=rng, completed=5)["at_random"]
        ours.append(compare_completed(data, found, Question("w3", PAIR))[0].estimate)
        theirs.append(ancova(data, "w3", comparisons=PAIR).effects[0].estimate)
    error = np.std(ours, ddof=1) / np.sqrt(len(ours))
    assert abs(np.mean(ours) + 1) < 3.5 * error
    assert abs(np.mean(theirs) + 1) > 6 * error


def test_small_arms_share_a_covariance_and_too_small_trials_are_refused():
    rng = np.random.default_rng(4)
    data = made_up(rng, 18)
    value = data.value.copy()
    value[3, 2] = np.nan
    assert impute(replace(data, value=value), rng=rng, completed=2)["at_random"].shared
    tiny = made_up(rng, 6)
    with pytest.raises(InputError, match="do not suffice"):
        impute(tiny, rng=rng)
    nobody = data.value.copy()
    nobody[data.arm == 1, 2] = np.nan
    with pytest.raises(InputError, match="the arm new has 0 ratings at w3"):
        impute(replace(data, value=nobody), rng=rng)
    with pytest.raises(InputError, match="covariance cannot be drawn"):
        impute(replace(data, value=np.repeat(data.value[:, :1], 3, axis=1)), rng=rng)
    with pytest.raises(InputError, match="no arm is called"):
        impute(data, rng=rng, rules=("jump_to_reference",), reference="sham")


def test_order_and_scale_of_the_outcome():
    rng = np.random.default_rng(5)
    data = drop_at_random(made_up(rng, 80), rng)
    order = rng.permutation(80)
    mixed = replace(
        data,
        participants=tuple(data.participants[i] for i in order),
        arm=data.arm[order],
        baseline=data.baseline[order],
        value=data.value[order],
    )
    rules = ("at_random", "jump_to_reference")
    one = impute(data, rng=np.random.default_rng(6), rules=rules, completed=3)
    two = impute(mixed, rng=np.random.default_rng(6), rules=rules, completed=3)
    scaled = replace(data, value=10 * data.value + 5, baseline=10 * data.baseline + 5)
    three = impute(scaled, rng=np.random.default_rng(6), rules=rules, completed=3)
    for rule in rules:
        np.testing.assert_allclose(two[rule].value, one[rule].value[:, order], atol=1e-6)
        np.testing.assert_allclose(three[rule].value, 10 * one[rule].value + 5, atol=1e-5)


# -- reference-based --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", ["jump_to_reference", "copy_increments", "copy_reference"])
def test_reference_rules_equal_the_joint_distribution_they_stand_for(rule):
    """Carpenter, Roger and Kenward state means and a joint covariance; ours uses its conditional distribution."""
    rng = np.random.default_rng(7)
    v, start = 4, 2
    sigmas = [np.cov(rng.normal(size=(v, 9))) + 0.2 * np.eye(v) for _ in range(2)]
    betas = [rng.normal(size=(2, v)) for _ in range(2)]
    betas = [np.vstack([one[:1], np.zeros((1, v)), one[1:]]) for one in betas]
    baseline = rng.normal(size=3)
    matrix = np.column_stack([np.ones(3), [0, 1, 1], baseline])
    value = rng.normal(size=(3, v))
    missing = value.copy()
    missing[1:, start:] = np.nan
    data = TrialData(
        ("a", "b", "c"), ("old", "new"), np.array([0, 1, 1]), ("1", "2", "3", "4"), np.arange(4.0), baseline, missing,
        np.zeros((3, v), bool),
    )  # fmt: skip
    noise = rng.normal(size=(3, v))
    found = _by_reference(data, matrix, value, _Parameters(betas, sigmas), rule, "old", noise)
    np.testing.assert_array_equal(found[0], value[0])
    r, a = sigmas
    r11, r21, r22 = r[:start, :start], r[start:, :start], r[start:, start:]
    a11 = a[:start, :start]
    joint11, joint21 = (r11, r21) if rule == "copy_reference" else (a11, r21 @ np.linalg.inv(r11) @ a11)
    joint22 = r22
    if rule != "copy_reference":
        joint22 = r22 - r21 @ np.linalg.inv(r11) @ (r11 - a11) @ np.linalg.inv(r11) @ r21.T
    slope = joint21 @ np.linalg.inv(joint11)
    rest = joint22 - slope @ joint21.T
    for person in (1, 2):
        own, theirs = matrix[person] @ betas[1], matrix[person] @ betas[0]
        # An arm's column of the matrix meets a zero row of its coefficients, so both are plain regressions.
        mean = {
            "jump_to_reference": np.concatenate([own[:start], theirs[start:]]),
            "copy_reference": theirs,
            "copy_increments": np.concatenate([own[:start], own[start - 1] + theirs[start:] - theirs[start - 1]]),
        }[rule]
        expected = mean[start:] + slope @ (value[person, :start] - mean[:start])
        expected = expected + np.linalg.cholesky(rest) @ noise[person, start:]
        np.testing.assert_allclose(found[person, start:], expected, atol=1e-10)


def test_jump_to_reference_pulls_the_effect_by_the_share_that_dropped_out():
    rng = np.random.default_rng(8)
    data = made_up(rng, 400, visits=2)
    value = data.value.copy()
    gone = (rng.random(400) < 0.3) & (data.arm == 1)
    value[gone] = np.nan
    data = replace(data, value=value)
    found = impute(data, rng=rng, adjust=(), rules=("at_random", "jump_to_reference"), completed=100)
    question = Question("w2", PAIR, adjust=())
    at_random, jumped = (compare_completed(data, found[rule], question)[0].estimate for rule in found)
    change = data.change[:, 1]
    share = gone.sum() / 200
    seen = np.nanmean(change[data.arm == 1]) - change[data.arm == 0].mean()
    # The baseline of those who left is theirs, and is part of a change.
    own = data.baseline[gone].mean() - data.baseline[(data.arm == 1) & ~gone].mean()
    level = np.nanmean(value[data.arm == 1, 1]) - value[data.arm == 0, 1].mean()
    assert at_random == pytest.approx(seen - share * own, abs=0.03)
    assert jumped == pytest.approx(seen - share * own - share * level, abs=0.03)
    assert abs(jumped) < abs(at_random)


def test_rules_lie_where_they_should():
    """Where the new arm gains visit by visit: at random > copy increments > jump, in size."""
    rng = np.random.default_rng(9)
    data = made_up(rng, 400, effect=-3.0)
    value = data.value.copy()
    value[(rng.random(400) < 0.4) & (data.arm == 1), 2:] = np.nan
    data = replace(data, value=value)
    rules = ("at_random", "copy_increments", "jump_to_reference", "copy_reference")
    found = impute(data, rng=rng, rules=rules, completed=20)
    size = {rule: -compare_completed(data, found[rule], Question("w3", PAIR))[0].estimate for rule in rules}
    assert size["at_random"] > size["copy_increments"] > size["jump_to_reference"] > 0
    assert size["at_random"] > size["copy_reference"] > size["jump_to_reference"]


def test_after_last():
    value = np.array([[1, np.nan, 2, np.nan], [np.nan] * 4, [1, 2, 3, 4]])
    expected = [[False, False, False, True], [True] * 4, [False] * 4]
    np.testing.assert_array_equal(missing_after_last(value), expected)


# -- tipping point, responders ----------------------------------------------------------------------------------------
def test_tipping_point_is_monotone_and_begins_at_the_plain_result():
    rng = np.random.default_rng(10)
    data = drop_at_random(made_up(rng, 160, effect=-1.2), rng)
    found = impute(data, rng=rng, completed=10)["at_random"]
    question = Question("w3", PAIR)
    one = tip(data, found, question, deltas=np.linspace(-4, 4, 17))[0]
    estimates = np.array([effect.estimate for effect in one.effects])
    share = (found.dropped[:, 2] & (data.arm == 1)).sum() / (data.arm == 1).sum()
    slopes = np.diff(estimates) / np.diff(one.deltas)
    np.testing.assert_allclose(slopes, slopes[0], atol=1e-9)
    assert slopes[0] == pytest.approx(share, abs=0.03)
    middle = one.effects[int(np.flatnonzero(one.deltas == 0)[0])]
    assert middle == compare_completed(data, found, question)[0]
    assert middle.p < 0.05
    assert one.below is None
    assert one.above is not None
    before = [effect.p < 0.05 for effect, delta in zip(one.effects, one.deltas, strict=True) if 0 <= delta < one.above]
    assert all(before)


def test_responders_of_completed_data_and_events():
    rng = np.random.default_rng(11)
    data = drop_at_random(made_up(rng, 200), rng)
    found = impute(data, rng=rng, completed=10)["at_random"]
    question = Question("w3", PAIR, threshold=0.3)
    effect = compare_completed(data, found, question)[0]
    assert effect.measure == "risk difference"
    assert 0 < effect.estimate < 1
    assert effect.beside["missing information"] > 0
    lost = replace(data, stopped=np.isnan(data.value))
    strict = compare_completed(lost, found, question)[0]
    assert strict.beside["missing information"] == pytest.approx(0, abs=1e-12)
    shifted = tip(data, found, question, deltas=np.array([-2.0, 2.0]))[0].effects
    assert shifted[0].estimate >= shifted[1].estimate >= shifted[2].estimate
