"""`actionloop trial`: a study from its protocol to unblinding, through the command line; what is refused; crashes."""

from __future__ import annotations

import os
import random
import re
import shlex
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.trialcommands import CORA, OLGA, RITA, Trial, part, people, receipt, spawn
from tests.trialstories import small_protocol

from actionloop.cli import main
from actionloop.errors import InputError
from actionloop.journal import Journal, verify
from actionloop.pipeline.trialcsv import row_content
from actionloop.pipeline.trialprotocol import read_protocol, write_protocol
from actionloop.pipeline.trialstudy import open_study
from actionloop.trial import follow, read_event, read_secret, record, replay_entries, verify_allocation

ARMS = ("Classic M1", "Lowest")


@pytest.fixture
def trial(tmp_path, capsys):
    made = Trial(tmp_path, capsys)
    made.begin()
    return made


def kinds(study):
    with Journal.open(study / "journal.sqlite") as journal:
        return [entry.kind for entry in journal.entries()]


def require_unchanged(trial, *words, code=1, says, **given):
    """Run a command that is refused: one clear error, nothing entered."""
    before = kinds(trial.study)
    out, err = trial.record(*words, code=code, **given)
    assert re.search(says, err), err
    assert err.count("error:") == 1 and "receipt" not in out
    assert kinds(trial.study) == before


# From beginning to end


def conduct(trial, *, n=12):
    """Enrol, allocate, treat and rate `n` people; two more are not allocated. Returns what became of them."""
    everybody = people(n)
    trial.enrol(everybody)
    trial.record("screened", "--participant", "X1", "--set", "centre=east", "sex=f", *CORA)
    trial.record("ineligible", "--participant", "X1", "--reason", "Metal in the head", *CORA)
    trial.record("screened", "--participant", "X2", "--set", "centre=west", "sex=m", *CORA)
    targets = {}
    for name, _, _ in everybody:
        out, err = trial.allocate(name)
        assert not any(arm in out + err for arm in (*ARMS, "low"))
        told = dict(line.split("\t", 1) for line in out.splitlines())
        targets[name] = told["target"]
        assert told["frame"] == "T1w"
        assert told["xyz_mm"] == {"m1": "-37.5\t-20\t60", "acc": "2\t-20\t60"}[told["target"]]
    lost, stopped = everybody[0][0], everybody[1][0]
    sessions = [
        {"participant": name, "number": k, "date": f"2026-01-{10 + k}", "target": targets[name]}
        for name, _, _ in everybody
        for k in (1, 2, 3)
        if not (name == stopped and k > 1)
    ]
    trial.table("sessions", sessions, OLGA)
    trial.record(
        "withdrawn",
        "--participant",
        stopped,
        "--set",
        "from=treatment",
        "date=2026-01-12",
        "--reason",
        "Headache",
        *CORA,
    )
    trial.record(
        "withdrawn",
        "--participant",
        lost,
        "--set",
        "from=follow_up",
        "date=2026-01-20",
        "--reason",
        "Moved away",
        *CORA,
    )
    followed = [name for name, _, _ in everybody if name != lost]
    for visit, day in (("w4", "2026-02-02"), ("w8", "2026-03-02")):
        trial.table("visits", [{"participant": name, "visit": visit, "date": day} for name in followed], RITA)
        rows = [
            {"participant": name, "visit": visit, "outcome": outcome, "value": 1 + (i + len(visit)) % 7}
            for i, name in enumerate(followed)
            for outcome in ("pain", "pgic")
        ]
        trial.table("ratings", rows, RITA)
    event = ("date=2026-01-15", "term=Headache", "severity=mild", "serious=no", "related=possible")
    trial.record("adverse_event", "--participant", stopped, "--set", *event, *OLGA)
    return targets, lost, stopped


def test_a_trial_of_twelve_from_protocol_to_unblinding(tmp_path, capsys):
    trial = Trial(tmp_path, capsys)
    out, err = trial.begin()
    assert "Research use only" in err and "receipt\t3:" in out
    begun = receipt(out)
    assert sorted(path.name for path in trial.study.iterdir()) == [
        "journal.sqlite",
        "protocol.yaml",
        "synopsis.html",
        "synopsis.md",
    ]
    assert read_protocol(trial.study / "protocol.yaml") == trial.protocol
    page = (trial.study / "synopsis.html").read_text()
    assert "Research use only" in page and "src=" not in page and "http://" not in page and "https://" not in page
    assert (trial.allocator / "secret").stat().st_size == 32
    assert kinds(trial.study) == ["secret_committed", "protocol_locked", "analysis_locked"]
    targets, lost, stopped = conduct(trial)

    out, _ = trial.status("coordinator", "--out", tmp_path / "seen", "--receipt", begun)
    counts = {row["what"]: (row["all"], row["east"], row["west"]) for row in part(out, "Counts")}
    assert counts["assessed"] == ("14", "7", "7")
    assert counts["allocated"] == ("12", "6", "6")
    assert counts["withdrawn"][0] == "2"
    assert "sessions" not in counts
    require_adding_up(part(out, "Flow"), columns=1)
    assert (tmp_path / "seen" / "trial_flow.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "seen" / "trial_flow.svg").read_bytes()[:1000]
    assert part(out, "Table 1")[0]["All arms together (blinded)"] == "12"

    trial.unblind("--all", "--reason", "the trial has ended", code=1)
    trial.record("data_locked", "--actor", "cora", "--role", "coordinator")
    out, _ = trial.unblind("--all", "--reason", "the trial has ended")
    arms = dict(line.split("\t") for line in out.splitlines() if not line.startswith("receipt"))
    assert sorted(arms) == sorted(targets)
    # the arm's rule gives the target that the operator was told
    for i, (name, _, _) in enumerate(people(12)):
        expected = "m1" if arms[name] == "m1" or 0.1 + i / 20 > 0.5 else "acc"
        assert targets[name] == expected or 0.1 + i / 20 == 0.5
    out, _ = trial.status("rater")
    assert part(out, "Flow") is None
    out, _ = trial.status("statistician", "--out", tmp_path / "seen")
    flow = part(out, "Flow")
    require_adding_up(flow, columns=2)
    assert {row["arm"] for row in flow} == {"", *ARMS}
    lost_rows = [row for row in flow if row["step"] == "lost"]
    assert [(row["reason"], row["n"]) for row in lost_rows] == [("Moved away", "1")]
    assert lost_rows[0]["arm"] == {"m1": ARMS[0], "low": ARMS[1]}[arms[lost]]
    assert [row["n"] for row in flow if row["step"] == "discontinued"] == ["1"]
    assert stopped != lost
    out, _ = trial.run("allocate", trial.study, "--allocator", trial.allocator, "--verify", "--receipt", begun)
    assert out.splitlines()[-1].startswith("whole")


def require_adding_up(flow, *, columns):
    """The numbers of each step are those of the step before it."""

    def total(step, arm=None):
        return sum(int(row["n"]) for row in flow if row["step"] == step and arm in (None, row["arm"]))

    arms = {row["arm"] for row in flow} - {""}
    assert len(arms) == columns
    assert total("assessed") == 14 and total("excluded") == 1 and total("undecided") == 1
    assert total("randomised") == total("allocated") == 12
    for arm in arms:
        assert total("allocated", arm) == total("received", arm) + total("not received", arm)
        assert total("allocated", arm) == sum(total(step, arm) for step in ("following", "analysed", "not analysed"))


def test_a_packaged_protocol_is_begun_by_its_name(tmp_path, capsys):
    words = ["new", "connectivity_guided", tmp_path / "study", "--allocator", tmp_path / "a", "--actor", "anna"]
    assert main(["trial", *map(str, words)]) == 0
    assert "Classic M1" in (tmp_path / "study" / "synopsis.md").read_text()


def test_the_example_of_the_guide_runs(tmp_path, capsys, monkeypatch):
    guide = (Path(__file__).parents[1] / "docs" / "usage.md").read_text(encoding="utf-8")
    section = guide.split("\n## trial\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    lines = next(text for language, text in blocks if language == "").splitlines()
    named = re.search(r"with ((?:`\w+\.csv`[, and]*)+):", section)
    names = re.findall(r"\w+\.csv", named[1])
    tables = [text for language, text in blocks if language == "csv"]
    monkeypatch.chdir(tmp_path)
    for name, text in zip(names, tables, strict=True):
        Path(name).write_text(text)
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    out = capsys.readouterr().out
    assert out.count("target\t") == 3 and out.splitlines()[-1].startswith("whole")
    assert Path("OUT", "trial_flow.svg").exists()


# Beginning


def begin_refused(trial, *, study=None, allocator=None, protocol=None, actor="anna", code=1):
    given = (protocol or trial.folder / "plan.yaml", study or trial.study)
    out, err = trial.run("new", *given, "--allocator", allocator or trial.allocator, "--actor", actor, code=code)
    assert "receipt" not in out
    return err


@pytest.mark.parametrize("inside", ["study/secret", "study", "."])
def test_the_secret_does_not_lie_beside_the_journal(tmp_path, capsys, inside):
    trial = Trial(tmp_path, capsys)
    assert "does not belong" in begin_refused(trial, allocator=tmp_path / inside, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.yaml"]


def test_what_cannot_be_begun_leaves_nothing(tmp_path, capsys):
    trial = Trial(tmp_path, capsys)
    assert "has a name" in begin_refused(trial, actor=" ")
    assert "no such protocol" in begin_refused(trial, protocol="nothing")
    text = (tmp_path / "plan.yaml").read_text().replace("outcome: pain", "outcome: pian")
    (tmp_path / "odd.yaml").write_text(text)
    err = begin_refused(trial, protocol=tmp_path / "odd.yaml")
    assert "pian" in err and "line" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["odd.yaml", "plan.yaml"]
    trial.begin()
    before = (trial.study / "journal.sqlite").read_bytes(), (trial.allocator / "secret").read_bytes()
    assert "not empty" in begin_refused(trial)
    assert "a secret is there already" in begin_refused(trial, study=tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert before == ((trial.study / "journal.sqlite").read_bytes(), (trial.allocator / "secret").read_bytes())


def test_a_command_without_a_study_says_so(tmp_path, capsys):
    trial = Trial(tmp_path, capsys)
    for words in (
        ("status", trial.study),
        ("record", trial.study, "consented", "--participant", "P01", *CORA),
        ("allocate", trial.study, "--allocator", trial.allocator, "--participant", "P01", "--actor", "anna"),
    ):
        _, err = trial.run(*words, code=1)
        assert "there is no study here" in err and "trial new" in err
    assert not trial.study.exists()


# Bad input: one clear error each, nothing entered


def test_tables_that_cannot_be_enter_nothing(trial):
    trial.enrol(people(2))
    before = kinds(trial.study)
    base = {"participant": "P01", "visit": "base", "outcome": "pain"}
    for name, rows, says in (
        ("ratings", [{**base, "value": 11, "reason": "typing error"}], "from 0 to 10, found 11"),
        ("ratings", [{**base, "outcome": "mood", "value": 1}], "no outcome is called 'mood'"),
        ("ratings", [{**base, "visit": "w9", "value": 1}], "no visit is called 'w9'"),
        ("participants", [{"participant": "P01", "centre": "east", "sex": "f"}], "P01"),
        ("participants", [{"participant": "p01", "centre": "west", "sex": "f"}], "P01"),
        ("participants", [{"participant": "P9", "centre": "west", "sex": "x"}], "no level of sex"),
        ("visits", [{"participant": "P01", "visit": "w4", "date": "2026-02-02"}], "not allocated"),
        ("sessions", [{"participant": "P01", "number": 1, "date": "2026-02-02", "target": "m1"}], "allocate first"),
    ):
        who = OLGA if name == "sessions" else CORA
        good = {"participants": [{"participant": "P8", "centre": "east", "sex": "f"}]}.get(name, [])
        _, err = trial.table(name, [*good, *rows], who, code=1)
        assert re.search(says, err), (says, err)
        assert "nothing was entered" in err or "next:" in err
        assert kinds(trial.study) == before
    # the same table again changes nothing
    out, _ = trial.table("consents", [{"participant": "P01"}])
    assert "entered\t0\nthere before\t1" in out
    assert kinds(trial.study) == before


def test_visits_out_of_order(trial):
    trial.enrol(people(1))
    trial.allocate("P01")
    trial.record("visit", "--participant", "P01", "--set", "visit=w8", "date=2026-03-02", *RITA)
    given = ("visit", "--participant", "P01", "--set", "visit=w4", "date=2026-03-20")
    require_unchanged(trial, *given, *RITA, says="out of order")


def test_one_event_by_command_is_checked(trial):
    trial.enrol(people(1))
    rating = ("rating", "--participant", "P01", "--set", "visit=base", "outcome=pain")
    require_unchanged(trial, *rating, "value=11", "--reason", "typing", *CORA, says="from 0 to 10, found 11")
    require_unchanged(trial, *rating, "value=9", *CORA, says="entered already")
    require_unchanged(trial, *rating, "value=nine", *CORA, says="expected a finite number")
    require_unchanged(
        trial, *rating, "value=9", "worth=2", "--reason", "typing", *CORA, says="no field is called worth"
    )
    require_unchanged(trial, "rating", "--participant", "P77", *CORA, says="missing")
    require_unchanged(trial, "consented", "--participant", "P77", *CORA, says="no participant is called P77")
    require_unchanged(trial, "dinner", "--participant", "P01", *CORA, says="no entry is of kind")
    require_unchanged(trial, "allocated", "--participant", "P01", *CORA, says="allocation alone")
    out, _ = trial.record(*rating, "value=9", "--reason", "misread", *CORA)
    assert "entered\t1" in out
    with open_study(trial.study) as study:
        assert [one.value for one in study.state.people["P01"].ratings["base", "pain"]] == [4, 9]


def test_options_that_do_not_fit(trial):
    rating = ("rating", "--participant", "P01")
    for words in (
        (*CORA,),
        ("--csv", "x.csv", *CORA),
        ("rating", "--csv", "x.csv", "--table", "ratings", *CORA),
        ("rating", *CORA),
        (*rating, "--set", "visit", *CORA),
        (*rating, "--set", "visit=base", "visit=w4", *CORA),
        (*rating, "--frame", "T1w", *CORA),
        (*rating, "--protocol", "x.yaml", *CORA),
        ("protocol", *CORA),
        ("protocol", "--protocol", trial.folder / "plan.yaml", *CORA),
        ("data_locked", "--participant", "P01", *CORA),
        ("targets_frozen", "--participant", "P01", *CORA),
        ("consented", "--participant", "P01", *RITA),
        ("consented", "--participant", "P01", "--actor", "x", "--role", "king"),
        ("data_locked", *RITA),
        ("--csv", "x.csv", "--table", "dinners", *CORA),
        ("consented", "--participant", "P01", "--actor", "x"),
    ):
        require_refused_option(trial, *words)
    trial.run("allocate", trial.study, "--allocator", trial.allocator, code=2)
    trial.unblind("--reason", "an emergency, at night", code=2)
    trial.unblind("--all", "--participant", "P01", "--reason", "an emergency, at night", code=2)
    trial.status("king", code=2)
    trial.status("rater", "--allocator", trial.allocator, code=2)


def require_refused_option(trial, *words):
    before = kinds(trial.study)
    trial.record(*words, code=2)
    assert kinds(trial.study) == before


# Targets


def test_targets_from_a_table_and_scores_from_another(trial):
    trial.enrol(people(1))
    for name in ("Q1", "Q2"):
        trial.record("screened", "--participant", name, "--set", "centre=east", "sex=f", *CORA)
        trial.record("consented", "--participant", name, *CORA)
    places, scores = trial.folder / "sub-1_targets.tsv", trial.folder / "sub-1_desc-choice_tmseeg.tsv"
    places.write_text("rank\tname\tx\ty\tz\tscore\n1\tM1\t-37\t-21\t58\t.8\n2\tSCAN middle L\t-3\t4\t50\t.7\n")
    scores.write_text("site\tglobal\tlow\thigh\nM1\t0.031\t.02\t.04\nACC\t-0.002\t-.01\t.01\n")
    freeze = ("targets_frozen", "--participant", "Q1", "--targets", places)
    require_unchanged(trial, *freeze, *CORA, says="which frame", code=2)
    require_unchanged(trial, *freeze, "--frame", "T1w", *CORA, says="0 rows are of the candidate 'acc'")
    named = ("--set", "acc=SCAN middle L")
    require_unchanged(trial, *freeze, "--frame", "T1w", "--set", "psi=M1", *CORA, says="no candidate target", code=2)
    require_unchanged(trial, *freeze, *named, "--frame", "T1w", "--scores", scores, *CORA, says="0 rows")
    trial.record(*freeze, *named, "--frame", "T1w of Q1", *CORA)
    places.write_text("name\tx\ty\tz\nM1\t-37\t-21\t58\nAcc\t-3\t4\t50\n")
    require_unchanged(
        trial, "targets_frozen", "--participant", "Q2", *freeze[3:], "--frame", "T1w", *CORA, says="score"
    )
    trial.record("targets_frozen", "--participant", "Q2", *freeze[3:], "--scores", scores, "--frame", "T1w", *CORA)
    with open_study(trial.study) as study:
        first, second = (study.state.people[name].candidates for name in ("Q1", "Q2"))
        assert [(one.name, one.xyz, one.score) for one in first] == [
            ("m1", (-37, -21, 58), 0.8),
            ("acc", (-3, 4, 50), 0.7),
        ]
        assert [one.score for one in second] == [0.031, -0.002]
        assert study.entries[-1].content["frame"] == "T1w"
    require_unchanged(trial, *freeze, "--scores", scores, "--frame", "T1w", *CORA, says="frozen already")


# Allocation


def test_allocation_keeps_the_order_and_says_where_the_target_stands(trial):
    trial.enrol(people(5))
    _, err = trial.allocate("P05", code=1)  # P01 waits in the same stratum
    assert "P01 was locked before P05" in err
    trial.allocate("P01")
    _, err = trial.allocate("P01", code=1)
    assert "allocated already" in err and "--role operator" in err
    _, err = trial.allocate("P77", code=1)
    assert "nobody of this name" in err
    out, _ = trial.status("operator")
    row = part(out, "Targets")[0]
    assert (row["participant"], row["sessions"], row["frame"]) == ("P01", "0 of 3", "T1w")
    assert [row["participant"] for row in part(out, "Waiting for allocation")] == ["P02", "P03", "P04", "P05"]
    assert "stratum" not in part(out, "Waiting for allocation")[0]


def test_the_coil_is_told_to_its_keeper_alone(tmp_path, capsys):
    from actionloop.types import Arm

    arms = (Arm("m1", "Classic M1", "fixed", "m1"), Arm("low", "Sham", "sham", "m1"))
    trial = Trial(tmp_path, capsys, arms=arms)
    trial.begin()
    trial.enrol(people(4))
    told = []
    for name, _, _ in people(4):
        assert trial.allocate(name)[0].startswith("target\tm1\n")
        told.append(trial.allocate(name, "--coil")[0].strip())
    assert set(told) <= {"active", "sham"}
    text = (trial.study / "journal.sqlite").read_bytes()
    assert b'"active"' not in text and b'"sham"' in text  # the protocol's own word
    with open_study(trial.study) as study:
        asked = [dict(entry.content) for entry in study.entries if entry.kind == "coil_told"]
    assert asked == [{"participant": name} for name, _, _ in people(4)]


def test_another_secret_and_an_open_one_are_refused(trial, tmp_path):
    trial.enrol(people(1))
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "secret").write_bytes(b"x" * 32)
    (other / "secret").chmod(0o600)
    given = ("--participant", "P01", "--actor", "anna")
    _, err = trial.run("allocate", trial.study, "--allocator", other, *given, code=1)
    assert "not the secret" in err
    if os.name == "posix":
        (trial.allocator / "secret").chmod(0o644)
        _, err = trial.allocate("P01", code=1)
        assert "chmod" in err
    assert "allocated" not in kinds(trial.study)


def test_one_arm_in_an_emergency(trial):
    trial.enrol(people(2))
    trial.allocate("P01")
    trial.unblind("--participant", "P01", "--reason", "short", code=1)
    trial.unblind("--participant", "P02", "--reason", "a seizure at night", code=1)
    out, _ = trial.unblind("--participant", "P01", "--reason", "a seizure at night")
    assert re.match(r"P01\t(m1|low)\nreceipt\t", out)
    out, err = trial.status("coordinator")
    assert not any(arm in out + err for arm in ARMS)


# Roles


def test_each_role_sees_what_is_its_own(trial):
    conduct(trial, n=6)
    seen = {role: trial.status(role)[0] for role in ("rater", "operator", "coordinator", "allocator", "statistician")}
    assert {role for role, out in seen.items() if part(out, "Targets") is not None} == {"operator", "allocator"}
    assert {role for role, out in seen.items() if part(out, "Table 1") is not None} == {
        "coordinator",
        "allocator",
        "statistician",
    }
    assert {role for role, out in seen.items() if part(out, "Flow") is None} == {"rater"}
    for role in ("rater", "coordinator", "statistician"):
        assert "-37.5" not in seen[role] and "acc" not in seen[role]
    assert "sessions" not in seen["rater"] and "sessions" in seen["operator"]
    assert "\nratings" not in seen["operator"]
    for out in seen.values():
        assert not any(arm in out for arm in ARMS)
    out, _ = trial.status("statistician", "--allocator", trial.allocator)
    assert {row["arm"] for row in part(out, "Flow")} <= {"", "Group arm_1", "Group arm_2"}
    assert not any(arm in out for arm in ARMS)


def test_what_another_role_wrote_does_not_stay_in_a_folder(trial, tmp_path):
    conduct(trial, n=4)
    trial.status("operator", "--out", tmp_path / "seen")
    assert (tmp_path / "seen" / "trial_targets.tsv").exists()
    trial.status("rater", "--out", tmp_path / "seen")
    left = sorted(path.name for path in (tmp_path / "seen").iterdir() if path.name.startswith("trial_"))
    assert left == ["trial_counts.tsv", "trial_queries.tsv", "trial_status.json"]


def test_next_visits(trial):
    trial.enrol(people(2))
    for name, _, _ in people(2):
        trial.allocate(name)
    trial.record("visit", "--participant", "P01", "--set", "visit=w4", "date=2026-02-02", *RITA)
    out, _ = trial.status("rater")
    rows = [(row["participant"], row["visit"], row["due"], row["now"]) for row in part(out, "Next visits")]
    assert rows == [("P02", "w4", "2026-02-02", "overdue"), ("P01", "w8", "2026-03-02", "overdue")]


# Amendments


def amended(trial, **changes):
    path = trial.folder / "new.yaml"
    write_protocol(path, small_protocol(**{"sample_size": 12, **changes}))
    return path


def amend(trial, path, *, code=0, reason="the board asked for it"):
    return trial.record("protocol", "--protocol", path, "--reason", reason, *CORA, code=code)


def test_an_amendment_is_locked_with_its_reason(trial):
    trial.enrol(people(2))
    trial.allocate("P01")
    path = amended(trial, title="A small trial, amended", sample_size=20)
    out, _ = amend(trial, path)
    assert "entered\t1" in out
    with open_study(trial.study) as study:
        assert study.protocol.sample_size == 20
        assert study.entries[-1].content["reason"] == "the board asked for it"
    assert read_protocol(trial.study / "protocol.yaml").sample_size == 20
    assert "amended" in (trial.study / "synopsis.md").read_text()
    assert "there before\t1" in amend(trial, path)[0]
    trial.allocate("P02")
    out, _ = trial.run("allocate", trial.study, "--allocator", trial.allocator, "--verify")
    assert "whole" in out


def test_an_amendment_of_what_people_were_allocated_by_is_refused(trial):
    from actionloop.types import Allocation, TrialOutcome

    trial.enrol(people(2))
    trial.allocate("P01")
    before = kinds(trial.study)
    plan = trial.protocol
    more = (*plan.outcomes, TrialOutcome("mood", "Mood", "scale", 0, 10))
    narrow = (TrialOutcome("pain", "Pain", "scale", 5, 10), *plan.outcomes[1:])
    for changes, says in (
        ({"allocation": Allocation(block_sizes=(4,))}, "as earlier participants were allocated"),
        ({"outcomes": more}, "mood at the first visit"),
        ({"outcomes": narrow}, "entries would not be allowed"),
    ):
        _, err = amend(trial, amended(trial, **changes), code=1)
        assert says in err
    assert kinds(trial.study) == before
    assert read_protocol(trial.study / "protocol.yaml") == plan
    amend(trial, amended(trial), reason=" ", code=2)


def test_analyses_changed_after_unblinding_are_refused_and_that_is_recorded(trial):
    from dataclasses import replace

    conduct(trial, n=4)
    trial.record("data_locked", *CORA)
    trial.unblind("--all", "--reason", "the trial has ended")
    plan = trial.protocol
    easier = (replace(plan.analyses[0], threshold=0.1), *plan.analyses[1:])
    path, before = amended(trial, analyses=easier), kinds(trial.study)
    _, err = amend(trial, path, code=2)
    assert "the analyses differ from those locked" in err and "refusal stands in the journal" in err
    assert kinds(trial.study) == [*before, "analysis_refused"]
    with open_study(trial.study) as study:
        assert study.state.refusals == 1 and study.protocol == plan
        assert study.entries[-1].content["reason"] == "the board asked for it"
        assert study.entries[-1].actor == "cora"
    # the same by editing the study's own file: refused at the next command that writes, and recorded
    write_protocol(trial.study / "protocol.yaml", small_protocol(sample_size=12, analyses=easier))
    _, err = trial.status("coordinator", code=1)
    assert "says something else" in err and "move it away" in err
    trial.allocate("P01", code=1)
    assert kinds(trial.study) == [*before, "analysis_refused", "analysis_refused"]
    (trial.study / "protocol.yaml").unlink()
    out, _ = trial.status("coordinator")
    assert "2 changes of analyses refused" in out
    assert read_protocol(trial.study / "protocol.yaml") == plan
    # a title may still be changed
    amend(trial, amended(trial, title="Another title"))


def test_an_edited_file_is_refused_before_unblinding_too_and_is_amended_by_itself(trial):
    write_protocol(trial.study / "protocol.yaml", small_protocol(sample_size=14))
    before = kinds(trial.study)
    _, err = trial.record("screened", "--participant", "P01", "--set", "centre=east", "sex=f", *CORA, code=1)
    assert "says something else" in err
    assert kinds(trial.study) == before
    amend(trial, trial.study / "protocol.yaml")
    trial.record("screened", "--participant", "P01", "--set", "centre=east", "sex=f", *CORA)
    (trial.study / "protocol.yaml").write_text("arms: [")
    _, err = trial.status("rater", code=1)
    assert "cannot be read" in err


def test_an_amendment_that_was_cut_off_before_its_file_is_finished_by_the_next_command(trial):
    old = (trial.study / "protocol.yaml").read_bytes()
    amend(trial, amended(trial, sample_size=20))
    (trial.study / "protocol.yaml").write_bytes(old)
    trial.status("rater")
    assert read_protocol(trial.study / "protocol.yaml").sample_size == 20


# Journals that are not whole


def tamper(study):
    """Change a recorded rating as somebody with a database tool would."""
    with sqlite3.connect(study / "journal.sqlite") as connection:
        connection.execute("DROP TRIGGER entry_keep")
        connection.execute("UPDATE entry SET content = replace(content, '4.0', '9.0') WHERE kind = 'rating'")
    connection.close()


def test_a_tampered_journal_is_refused_by_all_but_adverse_events_and_emergencies(trial):
    trial.enrol(people(3))
    trial.allocate("P01")
    tamper(trial.study)
    before = kinds(trial.study)
    commands = (
        ("status", trial.study),
        ("record", trial.study, "consented", "--participant", "P01", *CORA),
        ("record", trial.study, "--csv", trial.folder / "eligible.csv", "--table", "eligible", *CORA),
        ("record", trial.study, "data_locked", *CORA),
        ("record", trial.study, "protocol", "--protocol", amended(trial, title="x"), "--reason", "why", *CORA),
        ("allocate", trial.study, "--allocator", trial.allocator, "--participant", "P02", "--actor", "anna"),
        ("allocate", trial.study, "--allocator", trial.allocator, "--participant", "P01", "--coil", "--actor", "anna"),
        ("unblind", trial.study, "--allocator", trial.allocator, "--all", "--reason", "it has ended", "--actor", "a"),
    )
    for words in commands:
        out, err = trial.run(*words, code=1)
        assert "not whole" in err and "restore the newest whole copy" in err and "adverse events" in err
        assert "receipt" not in out
    assert kinds(trial.study) == before
    out, _ = trial.run("allocate", trial.study, "--allocator", trial.allocator, "--verify", code=1)
    assert "changed" in out and "triggers" in out
    fields = ("date=2026-01-15", "term=Seizure", "severity=severe", "serious=yes", "related=possible")
    event = ("adverse_event", "--participant", "P02", "--set", *fields, *OLGA)
    out, err = trial.record(*event)
    assert "entered\t1" in out and "not whole" in err
    assert kinds(trial.study) == [*before, "adverse_event"]
    assert "there before\t1" in trial.record(*event)[0]
    trial.record("adverse_event", "--participant", "P02", "--set", "term=Seizure", *OLGA, code=1)
    trial.record(
        "adverse_event", "--participant", "P02", "--set", *fields, "--actor", "s", "--role", "statistician", code=2
    )
    out, err = trial.unblind("--participant", "P01", "--reason", "a seizure at night")
    assert re.match(r"P01\t(m1|low)", out) and "not whole" in err


def test_a_cut_journal_is_found_by_a_receipt(trial):
    out, _ = trial.record("screened", "--participant", "P01", "--set", "centre=east", "sex=f", *CORA)
    kept = receipt(out)
    with sqlite3.connect(trial.study / "journal.sqlite") as connection:
        connection.execute("DROP TRIGGER entry_stay")
        connection.execute("DELETE FROM entry WHERE number = 4")
    connection.close()
    trial.status("rater")
    for words in (
        ("status", trial.study, "--receipt", kept),
        ("record", trial.study, "screened", "--participant", "P02", "--set", "centre=east", "sex=f", *CORA),
    ):
        given = () if words[0] == "status" else ("--receipt", kept)
        _, err = trial.run(*words, *given, code=1)
        assert "not whole" in err and "cut" in err
    _, err = trial.status("rater", "--receipt", "4:abc", code=1)
    assert "copy the whole line" in err


def test_a_clock_that_was_set_back_is_told_and_stops_nothing(trial):
    late = datetime.now(UTC) + timedelta(days=30)
    with Journal.open(trial.study / "journal.sqlite", clock=lambda: late) as journal:
        content = {"participant": "P01", "centre": "east", "factors": {"sex": "f"}}
        journal.append("screened", content, actor="cora", role="coordinator")
    trial.record("consented", "--participant", "P01", *CORA)
    _, err = trial.status("rater")
    assert "clock had been set back" in err


def test_a_file_that_is_no_journal(trial):
    (trial.study / "journal.sqlite").write_bytes(b"nothing" * 100)
    _, err = trial.status("rater", code=1)
    assert "not a journal" in err


def test_a_change_by_another_connection_is_seen_by_an_open_journal(trial):
    with open_study(trial.study) as study:
        first = study.journal.entries()
        assert study.journal.entries() is first  # nobody wrote
        trial.record("screened", "--participant", "P01", "--set", "centre=east", "sex=f", *CORA)
        assert len(study.journal.entries()) == len(first) + 1
        tamper_content = "UPDATE entry SET content = replace(content, 'east', 'west') WHERE kind = 'screened'"
        with sqlite3.connect(trial.study / "journal.sqlite") as connection:
            connection.execute("DROP TRIGGER entry_keep")
            connection.execute(tamper_content)
        connection.close()
        with study.journal.transaction(actor="a", role="b") as pen:
            assert [fault.kind for fault in pen.faults() if fault.breaks] == ["changed"]


def test_what_is_followed_is_what_is_replayed(trial):
    path, plan = trial.study / "journal.sqlite", trial.protocol
    events = [
        read_event("screened", row_content({"participant": n, "centre": c, "sex": s}, plan)) for n, c, s in people(8)
    ]
    with Journal.open(path) as one, Journal.open(path) as other:
        for turn, event in enumerate(events):
            journal = one if turn % 3 else other
            assert len(record(journal, plan, [event], actor="cora", role="coordinator")) == 1
            with pytest.raises(InputError):  # taken back: nothing of it is remembered
                odd = [read_event("consented", {"participant": name}) for name in (event.participant, "P99")]
                record(journal, plan, odd, actor="cora", role="coordinator")
            for each in (one, other):
                assert follow(each, each.entries(), plan) == replay_entries(each.entries(), plan)
            assert one.entries() == other.entries()
        assert len(one.entries()) == 3 + len(events)


# Processes


def ended(child):
    out, err = child.communicate(timeout=120)
    assert "Traceback" not in err
    return child.returncode, out, err


def require_whole(trial, n):
    """The chain, and every allocation, follow from the secret; `n` are allocated, each once."""
    assert not [fault for fault in verify(trial.study / "journal.sqlite") if fault.breaks]
    with open_study(trial.study) as study:
        secret = read_secret(trial.allocator)
        assert not verify_allocation(study.journal.study, study.entries, secret, protocol=study.protocol)
        named = [entry.content["participant"] for entry in study.entries if entry.kind == "allocated"]
        assert len(named) == len(set(named)) == n
        assert sum(entry.kind == "target_assigned" for entry in study.entries) == n


def allocation(trial, name):
    given = ("--allocator", trial.allocator, "--participant", name, "--actor", "anna")
    return ("allocate", trial.study, *given)


def test_programs_that_run_at_once(trial):
    trial.enrol(people(4))
    rating = ("rating", "--participant", "P03", "--set", "visit=base", "outcome=local", "value=0.5")
    children = [
        spawn(*allocation(trial, "P01")),
        spawn(*allocation(trial, "P01")),
        spawn(*allocation(trial, "P02")),
        spawn("record", trial.study, *rating, *CORA),
    ]
    first, second, other, rated = map(ended, children)
    assert sorted((first[0], second[0])) == [0, 1]
    assert "allocated already" in first[2] + second[2]
    assert other[0] == rated[0] == 0
    require_whole(trial, 2)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_programs_that_are_killed_lose_and_double_nothing(trial):
    trial.enrol(people(12))
    rng = random.Random(20260302)
    started = time.monotonic()
    assert ended(spawn(*allocation(trial, "P01")))[0] == 0
    took = time.monotonic() - started
    done = 1
    for name, _, _ in people(6)[1:]:
        child = spawn(*allocation(trial, name))
        time.sleep(rng.uniform(0.3, 1.0) * took)
        child.kill()
        child.communicate()
        with open_study(trial.study) as study:
            there = study.state.people[name].allocated is not None
        done += there
        require_whole(trial, done)
        _, err = trial.allocate(name, code=1 if there else 0)
        assert ("allocated already" in err) == there
        done += not there
        require_whole(trial, done)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_import_and_a_killed_beginning_are_whole_or_absent(trial):
    table = trial.folder / "participants.csv"
    rows = [f"P{i:04d},east,f" for i in range(4000)]
    table.write_text("\n".join(["participant,centre,sex", *rows]) + "\n")
    rng = random.Random(1)
    for turn in range(4):
        child = spawn("record", trial.study, "--csv", table, "--table", "participants", *CORA)
        beginning = spawn(
            *("new", trial.folder / "plan.yaml", trial.folder / f"s{turn}"),
            *("--allocator", trial.folder / f"a{turn}", "--actor", "anna"),
        )
        time.sleep(rng.uniform(1.0, 2.5))
        for one in (child, beginning):
            one.kill()
            one.communicate()
        assert kinds(trial.study).count("screened") in (0, 4000)
        if (trial.folder / f"s{turn}").exists():
            with open_study(trial.folder / f"s{turn}") as study:
                assert study.state.protocol_digest is not None
                assert read_secret(trial.folder / f"a{turn}").commitment == study.entries[0].content["commitment"]
    trial.record("--csv", table, "--table", "participants", *CORA)
    assert kinds(trial.study).count("screened") == 4000
    with pytest.raises(InputError, match="no study"):
        open_study(trial.folder / "elsewhere")
