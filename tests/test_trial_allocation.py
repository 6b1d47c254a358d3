"""Allocation: conditions, balance, two processes, kills, tampering."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trialpeople import ARMS, allocate_all, begin, minimised, preparation, protocol, table

from actionloop.errors import InputError, OutputError
from actionloop.journal import Journal, verify
from actionloop.trial.allocation import AllocationError, allocate, commit_secret
from actionloop.trial.blocks import arm_in_blocks, next_arm_law, stratum_bound, trial_bound
from actionloop.trial.digest import protocol_digest
from actionloop.trial.minimisation import arms_by_minimisation, assignment_law, imbalances
from actionloop.trial.recount import verify_allocation
from actionloop.trial.register import Register, stratum_of, table_digest, target_of, tied
from actionloop.trial.secrecy import Secret, create_secret, read_secret
from actionloop.trial.unblinding import open_arms
from actionloop.types import Allocation, Arm

PLANS = {"blocks": protocol(), "minimisation": minimised()}
NAMES = tuple(arm.name for arm in ARMS)
ROOT = Path(__file__).parents[1]


def secret_of(number):
    return Secret(number.to_bytes(32, "big"))


def spread(arms, plan):
    """Most that counts over ratios differ, at any time."""
    counts, worst = dict.fromkeys(plan.arm_names, 0), Fraction(0)
    for arm in arms:
        counts[arm] += 1
        shares = [Fraction(counts[one.name], one.ratio) for one in plan.arms]
        worst = max(worst, max(shares) - min(shares))
    return worst


def require_whole(path, plan, receipts=()):
    secret = read_secret(path.parent / "allocator")
    with Journal.open(path) as journal:
        entries = journal.entries()
        assert not [fault for fault in verify(path, receipts) if fault.breaks]
        assert verify_allocation(journal.study, entries, secret, protocol=plan) == ()
        arms = open_arms(journal.study, entries, secret, protocol=plan)
    allocated = [entry.content for entry in entries if entry.kind == "allocated"]
    assert len({one["participant"] for one in allocated}) == len(allocated) == len(arms)
    for stratum in {one["stratum"] for one in allocated}:
        numbers = [one["number"] for one in allocated if one["stratum"] == stratum]
        assert numbers == list(range(1, len(numbers) + 1))
        if plan.allocation.method == "blocks":
            within = [arms[one["participant"]] for one in allocated if one["stratum"] == stratum]
            assert spread(within, plan) <= stratum_bound(plan)
    assert sum(entry.kind == "target_assigned" for entry in entries) == len(allocated)
    return entries, arms


# Draws


def test_draws_are_uniform_and_follow_from_key_and_label():
    draws = secret_of(1).draws("a", 3)
    counts = np.bincount([draws.below(7) for _ in range(7000)])
    assert ((counts - 1000) ** 2 / 1000).sum() < 22.5  # chi-square of 6 degrees of freedom, p = .001
    orders = Counter(tuple(draws.shuffled("abc")) for _ in range(6000))
    assert len(orders) == 6 and sum((n - 1000) ** 2 / 1000 for n in orders.values()) < 20.5
    law = [Fraction(1, 10), Fraction(1, 3), Fraction(17, 30)]
    picked = np.bincount([draws.choice(law) for _ in range(6000)])
    assert sum((n - 6000 * p) ** 2 / (6000 * p) for n, p in zip(picked, law, strict=True)) < 13.8
    first = [secret_of(1).draws("a", 3).below(1 << 70) for _ in range(2)]
    assert first[0] == first[1] < 1 << 70
    others = [secret_of(2).draws("a", 3), secret_of(1).draws("a", 4), secret_of(1).draws("a3")]
    assert len({first[0], *(one.below(1 << 70) for one in others)}) == 4


# Blocks

ratios = st.lists(st.integers(1, 3), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 200), ratios, st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 3))
def test_counts_stay_within_the_bound(number, shares, multiples, strata):
    arms = tuple(Arm(f"arm{i}", "", "fixed", "m1", ratio) for i, ratio in enumerate(shares))
    sizes = tuple(sum(shares) * one for one in multiples)
    plan = protocol(
        arms=arms, control="arm0", analyses=analyses("arm1", "arm0"), allocation=Allocation("blocks", sizes)
    )
    length = 2 * max(sizes) + 3
    runs = [
        [arm_in_blocks(secret_of(number), plan, study="s", stratum=f"c={i}", number=n + 1) for n in range(length)]
        for i in range(strata)
    ]
    for run in runs:
        assert spread(run, plan) <= stratum_bound(plan) == max(multiples)
    together = [run[n] for n in range(length) for run in runs]
    assert spread(together, plan) <= trial_bound(plan, strata=strata)


def analyses(first, second):
    return (replace(protocol().analyses[0], comparisons=((first, second),)),)


def test_the_bound_is_reached_and_blocks_are_whole():
    plan, reached, sizes = protocol(), set(), set()
    for number in range(200):
        run = [arm_in_blocks(secret_of(number), plan, study="s", stratum="all", number=n + 1) for n in range(12)]
        reached.add(spread(run, plan))
        whole = {n for n in range(1, 13) if len(set(Counter(run[:n]).values())) == 1 and len(set(run[:n])) == 3}
        assert 6 in whole or 3 in whole
        sizes.add(min(whole))
    assert max(reached) == stratum_bound(plan) == 2
    assert sizes == {3, 6}


def naive_law(plan, possible):
    """All orders of up to some blocks, one by one."""
    counts, total = Counter(), Fraction(0)
    sizes = plan.allocation.block_sizes
    blocks = len(possible) // min(sizes) + 1
    for chosen in product(sizes, repeat=blocks):
        kinds = [
            sorted(set(permutations([a.name for a in plan.arms for _ in range(a.ratio * size // 2)])))
            for size in chosen
        ]
        for orders in product(*kinds):
            run = [arm for order in orders for arm in order]
            if all(arm in arms for arm, arms in zip(run, possible, strict=False)):
                weight = Fraction(1, len(sizes) ** blocks * int(np.prod([len(one) for one in kinds])))
                counts[run[len(possible)]] += weight
                total += weight
    return {name: counts[name] / total for name in plan.arm_names}


@pytest.mark.parametrize("seen", ["", "a", "ab", "aab", "?", "?b?", "a?b", "?????"])
def test_law_of_the_next_arm_equals_all_orders_one_by_one(seen):
    arms = (Arm("a", "", "fixed", "m1"), Arm("b", "", "sham", "m1"))
    plan = protocol(arms=arms, control="a", analyses=analyses("b", "a"), allocation=Allocation("blocks", (2, 4)))
    possible = ["ab" if one == "?" else one for one in seen]
    assert next_arm_law(plan, possible) == naive_law(plan, possible)


def test_what_one_opened_arm_tells_of_the_next():
    plan = protocol()
    assert set(next_arm_law(plan, []).values()) == {Fraction(1, 3)}
    one = next_arm_law(plan, [{"heron"}])
    assert one == {"kestrel": Fraction(9, 20), "heron": Fraction(1, 10), "plover": Fraction(9, 20)}
    assert next_arm_law(plan, [{"heron"}, {"kestrel"}])["plover"] == Fraction(7, 9)
    before = next_arm_law(plan, [{"heron"}, set(NAMES), set(NAMES)])
    assert max(before.values()) < Fraction(38, 100)
    with pytest.raises(ValueError, match="no order"):
        next_arm_law(plan, [{"heron"}] * 5)


# Minimisation


def naive_minimisation(plan, arms, past, levels):
    """Pocock and Simon by counting people, for equal ratios: total range of every arm."""
    totals = []
    for arm in arms:
        total = 0
        for factor, level in levels.items():
            here = Counter(given for given, other in past if other[factor] == level)
            here[arm] += 1
            total += max(here[one] for one in arms) - min(here[one] for one in arms)
        totals.append(total)
    return totals


def people(number, seed):
    rng = np.random.default_rng(seed)
    return [
        {"centre": str(rng.choice(["north", "south"])), "severe": str(rng.choice(["no", "yes"]))} for _ in range(number)
    ]


def test_minimisation_equals_counting_and_keeps_margins_close():
    plan, levels = minimised(), people(90, 0)
    arms = arms_by_minimisation(secret_of(5), plan, levels, study="s")
    preferred = 0
    for n in range(90):
        totals = naive_minimisation(plan, NAMES, list(zip(arms[:n], levels[:n], strict=True)), levels[n])
        counts = {
            (name, level): [
                sum(a == arm and one[name] == level for a, one in zip(arms[:n], levels[:n], strict=True))
                for arm in NAMES
            ]
            for name in ("centre", "severe")
            for level in {one[name] for one in levels}
        }
        assert list(imbalances(plan, counts, levels[n])) == totals
        preferred += totals[NAMES.index(arms[n])] == min(totals)
    assert 0.72 < preferred / 90 < 0.97  # the coin is .8, and ties count as preferred
    assert arms_by_minimisation(secret_of(5), plan, levels[:40], study="s") == arms[:40]
    assert arms_by_minimisation(secret_of(6), plan, levels, study="s") != arms
    for name in ("centre", "severe"):
        for level in {one[name] for one in levels}:
            here = Counter(arm for arm, one in zip(arms, levels, strict=True) if one[name] == level)
            assert max(here.values()) - min(here[one] for one in NAMES) <= 5


def test_minimisation_equals_smallerize_where_that_is_deterministic():
    smallerize = pytest.importorskip("smallerize")
    plan, levels = minimised(), people(60, 1)
    other = smallerize.Minimizer(
        [smallerize.Factor(one.name, one.levels) for one in plan.strata],
        [smallerize.Arm(one.name, one.ratio) for one in plan.arms],
        d_imbalance_method="range",
        probability_method="biased_coin",
        preferred_p=0.8,
    )
    counts, laws = {}, 0
    for who, arm in zip(levels, arms_by_minimisation(secret_of(9), plan, levels, study="s"), strict=True):
        mine = imbalances(plan, counts, who)
        theirs = other.get_new_total_imbalances(who)
        assert [theirs[name] for name in NAMES] == list(mine)
        if len(set(mine)) == 3:
            law = other.get_arm_probability(theirs)
            assert [law[name] for name in NAMES] == pytest.approx([float(one) for one in assignment_law(plan, mine)])
            laws += 1
        other.add_existing_participant(who, arm)
        for margin in who.items():
            counts.setdefault(margin, [0, 0, 0])[NAMES.index(arm)] += 1
    assert laws > 5
    arms = tuple(replace(arm, ratio=ratio) for arm, ratio in zip(ARMS, (1, 2, 3), strict=True))
    unequal = protocol(arms=arms, allocation=Allocation("minimisation", (6,), 0.8))
    other = smallerize.Minimizer(
        [smallerize.Factor("centre", ["north", "south"])],
        [smallerize.Arm(one.name, one.ratio) for one in arms],
        probability_method="biased_coin",
        preferred_p=0.8,
    )
    for order in permutations(range(3)):
        law = other.get_arm_probability(dict(zip(NAMES, order, strict=True)))
        mine = assignment_law(unequal, [Fraction(one) for one in order])
        assert [law[name] for name in NAMES] == pytest.approx([float(one) for one in mine])


@given(st.lists(st.integers(1, 10), min_size=2, max_size=5), st.floats(0.51, 0.99), st.data())
@settings(max_examples=50, deadline=None)
def test_law_of_minimisation_sums_to_one_and_prefers_the_best(shares, coin, data):
    arms = tuple(Arm(f"arm{i}", "", "fixed", "m1", ratio) for i, ratio in enumerate(shares))
    plan = protocol(
        arms=arms,
        control="arm0",
        analyses=analyses("arm1", "arm0"),
        allocation=Allocation("minimisation", (sum(shares),), coin),
    )
    imbalance = [Fraction(data.draw(st.integers(0, 3))) for _ in shares]
    law = assignment_law(plan, imbalance)
    assert sum(law) == 1 and min(law) > 0
    if imbalance.count(min(imbalance)) == 1 and len(set(shares)) == 1:
        assert float(law[imbalance.index(min(imbalance))]) == pytest.approx(coin)


# Targets


def test_rules_choose_targets_and_ties_are_told_for_both_ends():
    flat = [{"name": name, "xyz": [0, 0, 0], "score": score} for name, score in zip("abcd", (2, 1, 1, 2), strict=True)]
    named = [
        target_of(arm, flat)["name"]
        for arm in (Arm("x", "", "lowest"), Arm("y", "", "highest"), Arm("z", "", "sham", "d"))
    ]
    assert named == ["b", "a", "d"]
    assert tied(flat) == {"lowest": True, "highest": True}
    assert tied(flat[:2]) == {"lowest": False, "highest": False}


# Conditions


def with_steps(tmp_path, change):
    """A study whose one participant's steps are changed first."""
    journal, secret = begin(tmp_path, protocol(), 0)
    name, steps = preparation(0)
    for kind, content in change(list(steps)):
        journal.append(kind, content, actor="cora", role="coordinator")
    return journal, secret, name


def without(kind):
    return lambda steps: [step for step in steps if step[0] != kind]


def frozen(change):
    def changed(steps):
        found = change([dict(one) for one in table(0)])
        content = {"participant": "p000", "candidates": found, "digest": table_digest(found)}
        return [(kind, content if kind == "targets_frozen" else given) for kind, given in steps]

    return changed


def shifted(steps):
    return [(kind, {**given, "digest": "0" * 64} if kind == "targets_frozen" else given) for kind, given in steps]


CONDITIONS = {
    "unknown": without("screened"),
    "consent": without("consented"),
    "baseline": without("rating"),
    "eligibility": without("eligible"),
    "factors": lambda steps: [(steps[0][0], {**steps[0][1], "factors": {"severe": "perhaps"}}), *steps[1:]],
    "withdrawn": lambda steps: [*steps, ("withdrawn", {"participant": "p000", "from": "follow_up"})],
    "thawed": lambda steps: [*steps, steps[3]],
    "closed": lambda steps: [*steps, ("data_locked", {"digest": "0"})],
}


@pytest.mark.parametrize("reason", CONDITIONS)
def test_each_condition_has_its_own_refusal(tmp_path, reason):
    require_refused(*with_steps(tmp_path, CONDITIONS[reason]), reason)


def require_refused(journal, secret, name, reason, plan=None, receipts=()):
    head = journal.head()
    with pytest.raises(AllocationError) as problem:
        allocate(journal, secret, protocol=plan or protocol(), participant=name, actor="anna", receipts=receipts)
    assert problem.value.reason == reason
    assert journal.head() == head
    assert not any(arm in str(problem.value) for arm in NAMES)
    return str(problem.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("targets_frozen"), "targets"),
        (frozen(lambda rows: rows[:3]), "targets"),
        (frozen(lambda rows: [*rows, rows[0]]), "targets"),
        (frozen(lambda rows: [{**rows[0], "score": None}, *rows[1:]]), "targets"),
        (frozen(lambda rows: [{**rows[0], "xyz": [1, 2]}, *rows[1:]]), "targets"),
        (shifted, "thawed"),
        (lambda steps: [*steps, ("ineligible", {"participant": "p000", "reason": "metal"})], "eligibility"),
    ],
)
def test_frozen_tables_and_locks(tmp_path, change, reason):
    require_refused(*with_steps(tmp_path, change), reason)


def test_conditions_of_the_trial(tmp_path):
    plan = protocol(sample_size=2)
    journal, secret = begin(tmp_path, plan, 12)
    first = allocate(journal, secret, protocol=plan, participant="p000", actor="anna")
    assert (first.number, first.stratum) == (1, "centre=north|severe=no")
    require_refused(journal, secret, "p000", "allocated", plan)
    told = require_refused(journal, secret, "p008", "order", plan)
    assert "p004" in told
    journal.append("withdrawn", {"participant": "p004", "from": "treatment"}, actor="cora", role="coordinator")
    assert allocate(journal, secret, protocol=plan, participant="p008", actor="anna").number == 2
    require_refused(journal, secret, "p001", "full", plan)
    require_refused(journal, secret, "p001", "protocol", protocol())
    require_refused(journal, secret_of(3), "p001", "secret", plan)
    amended = replace(plan, sample_size=90, allocation=Allocation("blocks", (3,)))
    journal.append("protocol_locked", {"digest": protocol_digest(amended)}, actor="cora", role="coordinator")
    require_refused(journal, secret, "p001", "scheme", amended)
    larger = replace(plan, sample_size=90)
    journal.append("protocol_locked", {"digest": protocol_digest(larger)}, actor="cora", role="coordinator")
    allocate(journal, secret, protocol=larger, participant="p001", actor="anna")
    assert verify_allocation(journal.study, journal.entries(), secret, protocol=larger) == ()
    with pytest.raises(InputError):
        commit_secret(journal, secret, actor="anna")


def test_a_journal_without_a_secret_or_a_protocol(tmp_path):
    with Journal.create(tmp_path / "j.sqlite") as journal:
        require_refused(journal, secret_of(1), "p000", "secret")
        commit_secret(journal, secret_of(1), actor="anna")
        require_refused(journal, secret_of(1), "p000", "protocol")


def test_the_secret_is_for_one_account(tmp_path):
    folder = tmp_path / "allocator"
    made = create_secret(folder)
    assert read_secret(folder).commitment == made.commitment
    assert "Secret(...)" == repr(made) == str(made)
    with pytest.raises(OutputError, match="there already"):
        create_secret(folder)
    with pytest.raises(InputError, match="not here"):
        read_secret(tmp_path / "elsewhere")
    if os.name == "posix":
        assert (folder / "secret").stat().st_mode & 0o777 == 0o600
        for path, mode in ((folder / "secret", 0o640), (folder / "secret", 0o604), (folder, 0o711)):
            before = path.stat().st_mode
            path.chmod(mode)
            with pytest.raises(InputError, match="others may read"):
                read_secret(folder)
            path.chmod(before)
    (folder / "secret").write_bytes(b"short")
    with pytest.raises(InputError, match="32 bytes"):
        read_secret(folder)


# Processes


def child(folder, method, actor):
    command = [sys.executable, "-m", "tests.trialpeople", str(folder), method, actor]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert started.stdout.readline().strip() == b"ready"
    return started


def let_go(*children):
    for one in children:
        one.stdin.write(b"go\n")
        one.stdin.flush()


def ended(started):
    started.stdin.close()
    started.stdout.close()
    return started.wait(120)


@pytest.mark.parametrize("method", PLANS)
def test_two_allocators_at_once(tmp_path, method):
    journal, _ = begin(tmp_path, PLANS[method], 40)
    journal.close()
    children = [child(tmp_path, method, name) for name in ("anna", "arno")]
    let_go(*children)
    assert [ended(one) for one in children] == [0, 0]
    entries, arms = require_whole(tmp_path / "journal.sqlite", PLANS[method])
    assert len(arms) == 40
    assert {entry.actor for entry in entries if entry.kind == "allocated"} == {"anna", "arno"}


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_kills_at_random_instants_lose_and_double_nothing(tmp_path):
    plan, rng = protocol(), np.random.default_rng(20260302)
    journal, _ = begin(tmp_path, plan, 80)
    receipts = [journal.head()]
    journal.close()
    told = []
    for _ in range(10):
        started = child(tmp_path, "blocks", "anna")
        let_go(started)
        time.sleep(rng.uniform(0.0, 0.12))
        started.send_signal(signal.SIGKILL)
        assert ended(started) in (-signal.SIGKILL, 0)
        _, arms = require_whole(tmp_path / "journal.sqlite", plan, receipts)
        told.append(arms)
        with Journal.open(tmp_path / "journal.sqlite") as again:
            receipts.append(again.head())
    assert len(told[-1]) > 2
    allocate_all(tmp_path, plan)
    _, arms = require_whole(tmp_path / "journal.sqlite", plan, receipts)
    assert len(arms) == 80
    assert all(before.items() <= arms.items() for before in told)


def test_asking_again_after_nothing_was_written_gives_the_same(tmp_path):
    plan = protocol()

    class DiesError(Exception):
        pass

    asked = []

    def clock():
        asked.append(None)
        if len(asked) == 8:  # inside the transaction of the first allocation, between its two entries
            raise DiesError
        return datetime.now(UTC)

    journal, secret = begin(tmp_path, plan, 1, clock=clock)
    head = journal.head()
    with pytest.raises(DiesError):
        allocate(journal, secret, protocol=plan, participant="p000", actor="anna")
    assert journal.head() == head
    found = allocate(journal, secret, protocol=plan, participant="p000", actor="anna")
    arm = arm_in_blocks(secret, plan, study=journal.study, stratum=found.stratum, number=1)
    assert target_of(next(one for one in ARMS if one.name == arm), table(0))["name"] == found.target


# Tampering


def tampered(path, *statements):
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER entry_keep")
    connection.execute("DROP TRIGGER entry_stay")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_tampered_journal_allocates_nobody(tmp_path):
    plan = protocol()
    journal, secret = begin(tmp_path, plan, 12)
    allocate(journal, secret, protocol=plan, participant="p000", actor="anna")
    head = journal.head()
    tampered(journal.path, "DELETE FROM entry WHERE number > 62")
    require_refused(journal, secret, "p000", "journal", plan, [head])
    tampered_row = "UPDATE entry SET content = replace(content, '6.0', '7.0') WHERE number = 5"
    with sqlite3.connect(journal.path) as connection:
        connection.execute(tampered_row)
    require_refused(journal, secret, "p001", "journal", plan)


@pytest.mark.parametrize("method", PLANS)
def test_a_chain_forged_by_somebody_without_the_secret_is_found(tmp_path, method):
    plan = PLANS[method]
    journal, secret = begin(tmp_path, plan, 16)
    allocate_all(tmp_path, plan)
    entries, study = journal.entries(), journal.study
    assert verify_allocation(study, entries, secret, protocol=plan) == ()
    pairs = [n for n, entry in enumerate(entries) if entry.kind == "allocated"]

    def changed(at, **fields):
        return [replace(e, content={**e.content, **fields}) if n == at else e for n, e in enumerate(entries)]

    wrong = {
        "seal": changed(pairs[2], seal="0" * 64),
        "number": changed(pairs[2], number=9),
        "person": changed(pairs[2], participant="p015"),
        "target": changed(pairs[2] + 1, target="acc", candidate="0" * 64),
        "cut": entries[: pairs[2]] + entries[pairs[2] + 2 :],
        "half": entries[: pairs[-1] + 1],
        "moved": [
            *entries[: pairs[0]],
            *entries[pairs[1] : pairs[1] + 2],
            *entries[pairs[0] : pairs[1]],
            *entries[pairs[2] :],
        ]
        if method == "minimisation"
        else entries[: pairs[2] + 1] + entries[pairs[2] + 2 :],
        "thawed": [*entries, replace(next(e for e in entries if e.kind == "targets_frozen"), number=999)],
        "unlocked": [e for e in entries if not (e.kind == "eligible" and e.content["participant"] == "p003")],
    }
    for what, told in wrong.items():
        faults = verify_allocation(study, told, secret, protocol=plan)
        assert faults, what
        assert not any(arm in str(faults) for arm in NAMES), what
    with pytest.raises(AllocationError, match="not the secret"):
        verify_allocation(study, entries, secret_of(1), protocol=plan)
    assert verify_allocation("another study", entries, secret, protocol=plan)
    assert Register(entries).waiting(plan) == ()
    assert stratum_of(protocol(strata=()), {}) == "all"
