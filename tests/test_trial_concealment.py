"""What each role sees, what unblinding opens, and that nobody can tell the next arm from the journal."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count

import numpy as np
import pytest
from scipy.stats import chi2, norm
from tests.trialpeople import ARMS, allocate_all, begin, minimised, preparation, protocol

from actionloop.errors import InputError, OptionError
from actionloop.journal import canonical, make_entry, verify
from actionloop.trial.allocation import AllocationError, allocate, commit_secret, decide
from actionloop.trial.blocks import arm_in_blocks
from actionloop.trial.digest import protocol_digest
from actionloop.trial.recount import observer_law, verify_allocation
from actionloop.trial.register import Register, stratum_of
from actionloop.trial.roles import may_append, require_append, role_names, view
from actionloop.trial.secrecy import Secret
from actionloop.trial.unblinding import arm_codes, open_arms, tell_coil, unblind
from actionloop.types import Allocation, Arm

NAMES = tuple(arm.name for arm in ARMS)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLACEBO = protocol(
    arms=(Arm("kestrel", "Real", "fixed", "m1"), Arm("wren", "Sham", "sham", "m1")),
    control="wren",
    analyses=tuple(
        type(one)(one.name, one.kind, one.role, one.outcome, one.visit, (("kestrel", "wren"),))
        for one in protocol().analyses
    ),
    allocation=Allocation("blocks", (2, 4)),
    strata=(),
)


def secret_of(number):
    return Secret(sha256(number.to_bytes(4, "big")).digest())


@pytest.fixture
def trial(tmp_path):
    journal, secret = begin(tmp_path, protocol(), 16)
    allocate_all(tmp_path, protocol())
    journal.append("session", {"participant": "p000", "number": 1, "target": "m1"}, actor="otto", role="operator")
    return journal, secret


# Concealment


class Ledger:
    """A journal in memory with a clock that does not depend on anything."""

    def __init__(self, plan, people):
        self.entries, self.register = [], Register()
        self._plan, self._ticks = plan, count()
        self.add("protocol_locked", {"digest": protocol_digest(plan)})
        for person in range(people):
            for kind, content in preparation(person)[1]:
                self.add(kind, content)

    def add(self, kind, content):
        now = START + timedelta(minutes=next(self._ticks))
        last = self.entries[-1] if self.entries else None
        self.entries.append(make_entry(last, "study", kind, content, actor="a", role="b", now=now))


def played(plan, secret, base, people):
    """Allocate all but the last of `people`; returns register, contents, and the arm that the last would get."""
    first = make_entry(
        None, "study", "secret_committed", {"commitment": secret.commitment}, actor="a", role="b", now=START
    )
    register = Register([first, *base])
    contents = []
    for n in range(people - 1):
        name = f"p{n:03d}"
        for kind, content in zip(
            ("allocated", "target_assigned"),
            decide(register, secret, protocol=plan, study="study", participant=name),
            strict=True,
        ):
            contents.append(content)
            register.add(make_entry(None, "study", kind, content, actor="a", role="b", now=START))
    arm = arm_in_blocks(secret, plan, study="study", stratum="all", number=people)
    return register, contents, arm


def masked(contents):
    return canonical([{name: value for name, value in one.items() if name != "seal"} for one in contents])


def bits(contents):
    seals = b"".join(bytes.fromhex(one["seal"]) for one in contents if "seal" in one)
    return np.unpackbits(np.frombuffer(seals, dtype=np.uint8))


def looked_at(features, hit):
    """P values of the largest and of the summed association of any feature with what is to be told."""
    features, hit = features - features.mean(0), hit - hit.mean()
    z = features.T @ hit / (np.linalg.norm(features, axis=0) * hit.std())
    largest = min(1.0, 2 * norm.sf(np.abs(z).max()) * len(z))
    return largest, chi2.sf((z**2).sum(), len(z))


@pytest.mark.slow
def test_where_all_targets_are_the_same_the_next_arm_cannot_be_told():
    from sklearn.linear_model import LogisticRegression

    base, seen, features, hits = Ledger(PLACEBO, 6).entries, set(), [], []
    for number in range(2000):
        register, contents, arm = played(PLACEBO, secret_of(number), base, 6)
        seen.add(masked(contents))
        features.append(bits(contents))
        hits.append(arm == "wren")
        if not number:
            assert set(observer_law(register, PLACEBO, "all").values()) == {0.5}
    assert len(seen) == 1  # but for seals every study's entries are the same, whatever the arms
    features, hits = np.array(features, float), np.array(hits, float)
    assert abs(hits.mean() - 0.5) < 3 * 0.5 / np.sqrt(2000)
    assert min(looked_at(features, hits)) > 0.001
    model = LogisticRegression(C=0.01).fit(features[:1000], hits[:1000])
    assert abs(model.score(features[1000:], hits[1000:]) - 0.5) < 3 * 0.5 / np.sqrt(1000)
    leaking = features.copy()
    leaking[:, 77] = np.where(np.random.default_rng(0).random(2000) < 0.15, hits, leaking[:, 77])
    assert looked_at(leaking, hits)[0] < 0.001  # the test would see one bit that tells in every seventh study


@pytest.mark.slow
def test_delivered_targets_tell_what_the_law_of_blocks_says_and_nothing_more():
    plan = protocol(strata=())
    base, by_site = Ledger(plan, 6).entries, defaultdict(list)
    features, residuals, variance = [], [], 0.0
    for number in range(2000):
        register, contents, arm = played(plan, secret_of(number), base, 6)
        law = observer_law(register, plan, "all")
        by_site[masked(contents)].append((arm, law))
        features.append(bits(contents))
        residuals.append((arm == "heron") - float(law["heron"]))
        variance += float(law["heron"] * (1 - law["heron"]))
    assert len(by_site) > 40
    statistic = freedom = 0.0
    for told in by_site.values():
        law = told[0][1]
        assert all(one == law for _, one in told)  # what is seen settles what can be known
        found = Counter(arm for arm, _ in told)
        assert all(law[name] or not found[name] for name in NAMES)
        if len(told) >= 30:
            expected = {name: len(told) * float(law[name]) for name in NAMES if law[name]}
            statistic += sum((found[name] - want) ** 2 / want for name, want in expected.items())
            freedom += len(expected) - 1
    assert abs(sum(residuals)) < 3 * np.sqrt(variance)
    assert freedom == 0 or chi2.sf(statistic, freedom) > 0.001
    assert min(looked_at(np.array(features, float), np.array(residuals))) > 0.001


def test_no_arm_stands_in_the_files(tmp_path):
    for name, plan in (("blocks", protocol()), ("minimisation", minimised())):
        folder = tmp_path / name
        folder.mkdir()
        journal, secret = begin(folder, plan, 30)
        allocate_all(folder, plan)
        key = (folder / "allocator" / "secret").read_bytes()
        raw = b"".join(path.read_bytes() for path in folder.glob("journal.sqlite*"))
        assert len(list(folder.glob("journal.sqlite*"))) == 3  # the database, its -wal and -shm
        for word in (*NAMES, key.hex()):
            assert word.encode() not in raw
        assert key not in raw
        assert secret.commitment.encode() in raw
        journal.close()


def test_ties_do_not_tell_the_rule(tmp_path):
    plan = protocol(strata=())
    journal, secret = begin(tmp_path, plan, 9)
    allocate_all(tmp_path, plan)
    told = [entry.content["tied"] for entry in journal.entries() if entry.kind == "target_assigned"]
    assert told == [{"lowest": False, "highest": False}] * 9
    fields = {tuple(sorted(entry.content)) for entry in journal.entries() if entry.kind == "target_assigned"}
    assert len(fields) == 1
    assert len(set(open_arms(journal.study, journal.entries(), secret, protocol=plan).values())) == 3


# Roles


def test_every_role_sees_its_own(trial):
    journal, secret = trial
    entries = journal.entries()
    codes = arm_codes(journal.study, entries, secret, protocol=protocol())
    seen = {role: view(entries, role, codes=codes) for role in role_names()}
    assert seen["allocator"] == entries
    for role, told in seen.items():
        if role == "allocator":
            continue
        assert not any(entry.digest or entry.salt or entry.previous for entry in told)
        assert all(canonical(dict(entry.content)) == entry.text for entry in told)
        assert "seal" not in "".join(entry.text for entry in told)
        assert "score" not in "".join(entry.text for entry in told) or role == "coordinator"
    text = {role: "".join(entry.text for entry in told) for role, told in seen.items()}
    assert "target" in text["operator"]
    for role in ("rater", "statistician"):
        assert not any(site in text[role] for site in ("m1", "dlpfc", "acc", "psi"))
        assert not {entry.kind for entry in seen[role]} & {"session", "target_assigned", "targets_frozen", "deviation"}
    assert not {"target_assigned", "session"} & {entry.kind for entry in seen["coordinator"]}
    coded = {
        entry.content["participant"]: entry.content["code"]
        for entry in seen["statistician"]
        if entry.kind == "allocated"
    }
    assert coded == codes and len(coded) == 16
    arms = open_arms(journal.study, entries, secret, protocol=protocol())
    assert len({(arms[name], code) for name, code in codes.items()}) == 3
    assert all("code" not in entry.content for entry in seen["rater"] + seen["operator"])
    with pytest.raises(OptionError, match="no role"):
        view(entries, "visitor")


def test_codes_are_shuffled_between_studies():
    entries = Ledger(protocol(strata=()), 2).entries
    orders = set()
    for number in range(60):
        secret = secret_of(number)
        orders.add(tuple(secret.draws("codes", "study").shuffled(NAMES)))
    assert len(orders) == 6
    assert arm_codes("study", entries, secret_of(1), protocol=protocol(strata=())) == {}


def test_roles_write_their_own_kinds():
    assert may_append("rater", "rating") and not may_append("rater", "session")
    assert [role for role in role_names() if may_append(role, "allocated")] == ["allocator"]
    assert all(may_append(role, "adverse_event") for role in ("operator", "rater", "coordinator"))
    require_append("operator", "session")
    with pytest.raises(OptionError, match="does not write"):
        require_append("operator", "rating")
    with pytest.raises(OptionError, match="no role"):
        require_append("visitor", "rating")


# Unblinding


def test_an_emergency_opens_one_arm(trial):
    journal, secret = trial
    arms = open_arms(journal.study, journal.entries(), secret, protocol=protocol())
    found = unblind(journal, secret, protocol=protocol(), participant="p003", reason="seizure, 2 March", actor="dora")
    assert found.arms == {"p003": arms["p003"]} and found.whole
    last = journal.entries()[-1]
    assert (last.actor, last.kind, last.receipt) == ("dora", "unblinded", found.receipt)
    assert last.content == {"participant": "p003", "reason": "seizure, 2 March", "whole": True, "arm": arms["p003"]}
    assert sum(any(arm in entry.text for arm in NAMES) for entry in journal.entries()) == 1
    for role in ("rater", "statistician", "operator", "coordinator"):
        assert not any(arm in entry.text for arm in NAMES for entry in view(journal.entries(), role))
    assert not any(entry.kind == "unblinded" for entry in view(journal.entries(), "rater"))
    register = Register(journal.entries())
    opened = observer_law(register, protocol(), stratum_of(protocol(), register.people["p003"].levels))
    assert max(opened.values()) < 1
    assert verify(journal.path, [found.receipt]) == ()
    assert verify_allocation(journal.study, journal.entries(), secret, protocol=protocol()) == ()


def test_an_emergency_does_not_wait_for_faults_elsewhere(trial):
    journal, secret = trial
    arms = open_arms(journal.study, journal.entries(), secret, protocol=protocol())
    journal._connection.execute("DROP TRIGGER entry_keep")
    for change in ("content = replace(content, '6.0', '1.0') WHERE number = 5", "content = '{}' WHERE number = 1"):
        journal._connection.execute(f"UPDATE entry SET {change}")
        found = unblind(journal, secret, protocol=protocol(), participant="p003", reason="serious event", actor="dora")
        assert found.arms == {"p003": arms["p003"]} and not found.whole
        assert journal.entries()[-1].content["whole"] is False


def test_what_unblinding_refuses(trial):
    journal, secret = trial
    head = journal.head()

    def ask(kind, match, **changes):
        asked = {"participant": "p003", "reason": "serious adverse event", "actor": "dora", "secret": secret, **changes}
        with pytest.raises(kind, match=match) as problem:
            unblind(journal, asked.pop("secret"), protocol=protocol(), **asked)
        assert journal.head() == head
        assert not any(arm in str(problem.value) for arm in NAMES)

    ask(InputError, "reason", reason=" because ")
    ask(AllocationError, "nobody", participant="p099")
    ask(AllocationError, "fits no arm", secret=secret_of(1))
    ask(AllocationError, "data are locked", participant="trial")


def test_the_whole_trial_is_opened_after_the_data_are_locked(trial):
    journal, secret = trial
    reason = {"reason": "analysis, all data locked", "actor": "dora"}
    journal.append("data_locked", {"digest": "0" * 64}, actor="cora", role="coordinator")
    with pytest.raises(AllocationError, match="not the secret"):
        unblind(journal, secret_of(1), protocol=protocol(), participant="trial", **reason)
    found = unblind(journal, secret, protocol=protocol(), participant="trial", **reason)
    assert found.arms == open_arms(journal.study, journal.entries(), secret, protocol=protocol())
    told = view(journal.entries(), "statistician")[-1]
    assert told.content["arms"] == found.arms
    with pytest.raises(AllocationError, match="nobody is allocated any more"):
        allocate(journal, secret, protocol=protocol(), participant="p000", actor="anna")


def test_the_whole_trial_is_not_opened_with_a_fault(trial):
    journal, secret = trial
    journal.append("data_locked", {"digest": "0" * 64}, actor="cora", role="coordinator")
    seal = {"participant": "p001", "stratum": "centre=north|severe=no", "number": 9, "seal": "0" * 64}
    journal.append("allocated", seal, actor="anna", role="allocator")
    with pytest.raises(AllocationError, match="faults"):
        unblind(journal, secret, protocol=protocol(), participant="trial", reason="end of the trial", actor="dora")


def test_the_coil_is_told_to_its_keeper_and_to_no_journal(tmp_path):
    journal, secret = begin(tmp_path, PLACEBO, 8)
    allocate_all(tmp_path, PLACEBO)
    arms = open_arms(journal.study, journal.entries(), secret, protocol=PLACEBO)
    for name, arm in arms.items():
        told = tell_coil(journal, secret, protocol=PLACEBO, participant=name, actor="kurt")
        assert told == ("sham" if arm == "wren" else "active")
        assert journal.entries()[-1].content == {"participant": name}
    assert {entry.content["target"] for entry in journal.entries() if entry.kind == "target_assigned"} == {"m1"}
    with pytest.raises(AllocationError, match="nobody"):
        tell_coil(journal, secret, protocol=PLACEBO, participant="p099", actor="kurt")


def test_a_secret_is_committed_once(tmp_path):
    journal, secret = begin(tmp_path, protocol(), 1)
    with pytest.raises(InputError, match="first entry"):
        commit_secret(journal, secret, actor="anna")
