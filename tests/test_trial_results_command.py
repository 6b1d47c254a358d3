"""`trial analyse`, `trial simulate` and `trial report` through the command line."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.trialstories import small_protocol
from tests.trialstudies import NASTY, begun, locked, opened

from actionloop.cli import main
from actionloop.pipeline.trialprotocol import read_packaged, write_protocol
from actionloop.pipeline.trialsimulation import read_design
from actionloop.pipeline.trialstudy import open_study
from actionloop.pipeline.trialtable import read_trial_table
from actionloop.trial.analyse import analyse
from actionloop.trial.dataset import trial_data
from actionloop.trial.power import power_proportions


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def kinds(study):
    with open_study(study) as there:
        return [entry.kind for entry in there.entries]


def is_offline(page):
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    assert "default-src 'none'" in text
    return text


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Return a study that goes on: nothing is locked."""
    return begun(tmp_path_factory.mktemp("running"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a study whose data are locked and whose arms are open."""
    study, secret = begun(tmp_path_factory.mktemp("finished"))
    locked(study)
    opened(study, secret)
    return study, secret


# --- analyse ---------------------------------------------------------------------------------------------------------
def test_a_study_is_analysed_by_its_locked_protocol(finished, tmp_path, capsys) -> None:
    study, secret = finished
    words = ["trial", "analyse", str(study), str(tmp_path / "out"), "--actor", "sam", "--seed", "4"]
    assert main([*words, "--allocator", str(secret)]) == 0
    assert "A null is not equivalence" in capsys.readouterr().out
    with open_study(study) as there:
        data = {"pain": trial_data(there.state, there.protocol, "pain", there.state.arms)}
        found = analyse(there.protocol, data, rng=np.random.default_rng(4))
        entry = next(one for one in there.entries if one.kind == "analysed")
    assert (entry.actor, entry.role, entry.content["digest"], entry.content["seed"]) == (
        "sam",
        "statistician",
        found.digest,
        4,
    )
    rows = rows_of(tmp_path / "out" / "trial_results.tsv")
    assert [row["analysis"] for row in rows] == ["resp", "change", "week8"]
    for row, result in zip(rows, found.results, strict=True):
        (effect,) = result.effects
        for name in ("estimate", "low", "high", "p"):
            assert float(row[name]) == pytest.approx(getattr(effect, name), rel=1e-5, abs=1e-6)
        assert "The data exclude" in row["words"]
    told = json.loads((tmp_path / "out" / "trial_results.json").read_text(encoding="utf-8"))
    assert told["AnalysisDigest"] == found.digest
    assert told["Seed"] == 4
    assert told["Receipt"].startswith(f"{entry.number}:")
    page = is_offline(tmp_path / "out" / "trial_results.html")
    assert "What the data exclude" in page
    assert (tmp_path / "out" / "figures" / "trial_desc-comparisons.png").is_file()
    assert (tmp_path / "out" / "figures" / "trial_desc-course.png").is_file()
    n = len(kinds(study))
    assert main(words) == 0, "again"
    assert len(kinds(study)) == n, "the same analysis again is not entered again"


def test_nothing_by_arm_before_the_end(running, tmp_path, capsys) -> None:
    study, _ = running
    assert main(["trial", "analyse", str(study), str(tmp_path / "no"), "--actor", "sam"]) == 1
    assert "not locked" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
    assert main(["trial", "analyse", str(study), str(tmp_path / "out"), "--actor", "sam", "--blinded"]) == 0
    page = is_offline(tmp_path / "out" / "trial_blinded.html")
    for arm in ("Classic M1", "Lowest"):
        assert arm not in page
    (sd, share) = rows_of(tmp_path / "out" / "trial_blinded.tsv")
    with open_study(study) as there:
        people = there.state.allocated()
        change = [p.value("w8", "pain") - p.value("base", "pain") for p in people if p.value("w8", "pain") is not None]
        responders = [
            p.value("w8", "pain") <= 0.7 * p.value("base", "pain") for p in people if p.value("w8", "pain") is not None
        ]
    assert float(sd["pooled"]) == pytest.approx(np.std(change, ddof=1), rel=1e-5)
    assert float(share["pooled"]) == pytest.approx(np.mean(responders), rel=1e-5)
    assert "interim" in kinds(study)


def test_locked_data_without_open_arms_are_not_analysed(tmp_path, capsys) -> None:
    study, _ = begun(tmp_path, people=4)
    locked(study)
    assert main(["trial", "analyse", str(study), str(tmp_path / "out"), "--actor", "sam"]) == 1
    assert "arms are not open" in capsys.readouterr().err


def test_changed_analyses_are_refused_and_the_refusal_is_recorded(finished, tmp_path, capsys) -> None:
    study, _ = finished
    plan = small_protocol()
    easier = replace(plan, analyses=(replace(plan.analyses[0], threshold=0.2), *plan.analyses[1:]))
    write_protocol(tmp_path / "easier.yaml", easier)
    before = kinds(study).count("analysis_refused")
    words = ["trial", "analyse", str(study), str(tmp_path / "out"), "--actor", "sam", "--protocol"]
    assert main([*words, str(tmp_path / "easier.yaml")]) != 0
    assert "refusal is recorded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert kinds(study).count("analysis_refused") == before + 1
    write_protocol(tmp_path / "same.yaml", replace(plan, title="Another title"))
    assert main([*words, str(tmp_path / "same.yaml")]) == 0, "a title is no analysis"


def test_another_studys_secret_is_refused(finished, tmp_path, capsys) -> None:
    study, _ = finished
    (tmp_path / "other").mkdir()
    _, other = begun(tmp_path / "other", people=2)
    words = ["trial", "analyse", str(study), str(tmp_path / "out"), "--actor", "sam", "--allocator", str(other)]
    assert main(words) == 1
    assert "secret" in capsys.readouterr().err


def test_who_analyses_must_be_said(finished, tmp_path, capsys) -> None:
    assert main(["trial", "analyse", str(finished[0]), str(tmp_path / "out")]) == 2
    assert "--actor" in capsys.readouterr().err


# --- a table ---------------------------------------------------------------------------------------------------------
def table(plan, *, people=30, seed=1):
    """Ratings of a made-up trial: rows of a wide table."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(people):
        base = float(np.clip(np.round(rng.normal(6, 1.2), 1), 1, 10))
        row = {"participant": f"T{k:02d}", "arm": plan.arm_names[k % 2], "centre": "east", "sex": "fm"[k % 3 % 2]}
        row |= {"local": f"{rng.uniform(-1, 1):.2f}", "pain:base": base}
        for visit in ("w4", "w8"):
            gone = k == 3 and visit == "w8"
            row[f"pain:{visit}"] = "" if gone else float(np.clip(np.round(base - rng.normal(1.5, 1), 1), 0, 10))
            row[f"pgic:{visit}"] = "n/a" if gone else int(rng.integers(1, 8))
        rows.append(row)
    return rows


def written(path, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_wide_and_long_tables_are_the_same_data(tmp_path) -> None:
    plan = small_protocol()
    wide = table(plan)
    long = [
        {**{name: row[name] for name in ("participant", "arm", "centre", "sex")}, "visit": visit, "outcome": outcome}
        | {"value": row[column]}
        for row in wide
        for column in row
        if column == "local" or ":" in column
        for outcome, _, visit in [("local:base" if column == "local" else column).partition(":")]
    ]
    one = read_trial_table(written(tmp_path / "wide.csv", wide), plan)
    two = read_trial_table(written(tmp_path / "long.csv", long), plan)
    for name in ("pain", "pgic"):
        np.testing.assert_array_equal(one[name].value, two[name].value)
        np.testing.assert_array_equal(one[name].baseline, two[name].baseline)
        np.testing.assert_array_equal(one[name].markers["local"], two[name].markers["local"])
    assert one["pain"].arms == ("m1", "low")
    assert np.isnan(one["pain"].value[3, 1])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pain:w4": "11"}, "lies outside 0 to 10"),
        ({"pain:w4": "many"}, "expected a number, found 'many'"),
        ({"pgic:w8": "2.5"}, "whole number"),
        ({"arm": "sham"}, "no arm is called 'sham'"),
        ({"sex": "x"}, "sex is one of f, m"),
        ({"participant": "T00"}, "stands in line 2 already"),
        ({"participant": ""}, "no participant"),
    ],
)
def test_a_faulty_table_is_refused_by_line(tmp_path, capsys, change, told) -> None:
    plan = small_protocol()
    write_protocol(tmp_path / "plan.yaml", plan)
    rows = table(plan)
    rows[4] |= change
    words = ["trial", "analyse", str(tmp_path / "plan.yaml"), str(tmp_path / "out"), "--table"]
    assert main([*words, str(written(tmp_path / "bad.csv", rows))]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "line 6" in error
    assert not (tmp_path / "out").exists()


def test_a_table_with_strange_columns_is_refused(tmp_path, capsys) -> None:
    plan = small_protocol()
    write_protocol(tmp_path / "plan.yaml", plan)
    rows = [{**row, "pain:w12": 3} for row in table(plan)]
    words = ["trial", "analyse", str(tmp_path / "plan.yaml"), str(tmp_path / "out"), "--table"]
    assert main([*words, str(written(tmp_path / "bad.csv", rows))]) == 1
    assert "'pain:w12'" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "none.csv"), "--actor", "sam"]) == 2


def test_every_kind_of_analysis_has_its_page(tmp_path) -> None:
    plan = read_packaged("connectivity_guided")
    rng = np.random.default_rng(2)
    rows = []
    for k in range(45):
        base = float(np.clip(rng.normal(6.5, 1.2), 1, 10))
        gone = k % 9 == 4
        row = {"participant": f"{NASTY}{k}", "arm": plan.arm_names[k % 3], "local_m1": rng.uniform(-1, 1)}
        row |= {"baseline_pain": "below_7" if base < 7 else "from_7", "pain:baseline": base}
        for n, visit in enumerate(("week_2", "week_4", "week_6", "week_8")):
            row[f"pain:{visit}"] = "" if gone and n > 1 else float(np.clip(base - n * 0.5 + rng.normal(0, 1), 0, 10))
            row[f"pgic:{visit}"] = "" if gone and n > 1 else int(rng.integers(1, 8))
        rows.append(row)
    source = written(tmp_path / "data.csv", rows)
    assert main(["trial", "analyse", "connectivity_guided", str(tmp_path / "out"), "--table", str(source)]) == 0
    found = {row["analysis"] for row in rows_of(tmp_path / "out" / "trial_results.tsv")}
    assert found == {one.name for one in plan.analyses}
    for kind in ("comparisons", "course", "marker1", "tipping1", "tipping2"):
        assert (tmp_path / "out" / "figures" / f"trial_desc-{kind}.png").is_file(), kind
    page = is_offline(tmp_path / "out" / "trial_results.html")
    methods = ("equivalent by that margin", "sceptical", "Johnson", "significance changes", "jump to reference")
    for words in (*methods, "liberal"):
        assert words in page, words


# --- simulate --------------------------------------------------------------------------------------------------------
def test_a_simulation_goes_on_where_it_stopped(tmp_path, capsys) -> None:
    words = [
        "trial",
        "simulate",
        "connectivity_guided",
        str(tmp_path / "out"),
        "--trials",
        "8",
        "--replay",
        "--seed",
        "3",
    ]
    words += [
        "--sample-sizes",
        "45",
        "90",
        "--designs",
        "parallel",
        "enriched=0.4",
        "--worlds",
        "no_difference",
        "only_local_m1",
    ]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "power 0.35" in out
    assert "0.055 of true null hypotheses" in out
    first = (tmp_path / "out" / "trial_simulation.tsv").read_bytes()
    cells = sorted((tmp_path / "out" / "cells").iterdir())
    assert len(cells) == 9
    stamps = [cell.stat().st_mtime_ns for cell in cells]
    cells[0].write_text("{", encoding="utf-8")
    cells[1].unlink()
    assert main(words) == 0
    assert "7 of 9 parts were there" in capsys.readouterr().err
    assert (tmp_path / "out" / "trial_simulation.tsv").read_bytes() == first
    again = [cell.stat().st_mtime_ns for cell in cells]
    assert again[2:] == stamps[2:]
    assert again[0] != stamps[0]
    rows = rows_of(tmp_path / "out" / "trial_simulation.tsv")
    assert {(row["design"], row["n"]) for row in rows} == {
        (d, n) for d in ("parallel", "enriched_0.4") for n in ("45", "90")
    }
    replays = rows_of(tmp_path / "out" / "trial_replay.tsv")
    assert [row["world"] for row in replays] == ["no_difference", *["only_local_m1"] * 3]
    for row in replays:
        assert 0 <= float(row["low"]) <= float(row["share"]) <= float(row["high"]) <= 1
        assert int(row["matches"]) == round(8 * float(row["share"]))
    page = is_offline(tmp_path / "out" / "trial_simulation.html")
    assert "unverified" in page
    assert "[S]" in page
    assert f"{float(power_proportions(0.67, 0.47, 30)):.3f}" in page


def test_two_processes_give_the_same_table(tmp_path) -> None:
    words = ["--trials", "6", "--seed", "5", "--drop-out", "0.1", "0.3", "--effects", "1", "2"]
    for name, more in (("one", []), ("two", ["--workers", "2"])):
        assert main(["trial", "simulate", "attal2021", str(tmp_path / name), *words, *more]) == 0
    one, two = ((tmp_path / name / "trial_simulation.tsv").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--worlds", "flat"], "no world is called 'flat'"),
        (["--designs", "factorial"], "no design is called 'factorial'"),
        (["--designs", "parallel=2"], "cannot read 'parallel=2'"),
        (["--trials", "0"], "--trials"),
        (["--drop-out", "1.5"], "--drop-out"),
        (["--sample-sizes", "1"], "--sample-sizes"),
        (["--effects", "-1"], "--effects"),
        (["--dask", "tcp://127.0.0.1:1"], "dask"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused(tmp_path, capsys, more, told) -> None:
    words = ["trial", "simulate", "connectivity_guided", str(tmp_path / "out"), "--trials", "2"]
    assert main([*words, *more]) == 2
    assert told in capsys.readouterr().err


def test_only_published_trials_are_replayed(tmp_path, capsys) -> None:
    write_protocol(tmp_path / "plan.yaml", small_protocol())
    words = ["trial", "simulate", str(tmp_path / "plan.yaml"), str(tmp_path / "out"), "--replay"]
    assert main(words) == 2
    assert "connectivity_guided" in capsys.readouterr().err


def test_designs_are_read_with_their_number() -> None:
    assert read_design("crossover=6").washout_weeks == 6
    assert read_design("drop=0.4").interim_share == 0.4
    assert read_design("enriched=0.25").keep_share == 0.25


# --- report ----------------------------------------------------------------------------------------------------------
def test_a_report_of_a_running_trial_tells_no_arm(running, tmp_path) -> None:
    study, secret = running
    assert main(["trial", "report", str(study), str(tmp_path / "out"), "--allocator", str(secret)]) == 0
    page = is_offline(tmp_path / "out" / "trial_report.html")
    assert "All arms together (blinded)" in page
    assert "Nothing on this page tells one arm from another" in page
    assert "25 assessed, 1 excluded, 24 randomised, 1 lost to follow-up" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "data:image/svg+xml" in page
    assert b"<script" not in (tmp_path / "out" / "trial_flow.svg").read_bytes()
    assert "recounted from the secret" in page


def test_a_report_of_a_finished_trial_holds_everything(finished, tmp_path) -> None:
    study, secret = finished
    out = str(tmp_path / "out")
    assert main(["trial", "analyse", str(study), out, "--actor", "sam"]) == 0
    assert main(["trial", "report", str(study), out, "--allocator", str(secret)]) == 0
    page = is_offline(tmp_path / "out" / "trial_report.html")
    for words in ("Participant flow", "Table 1", "Harms", "CONSORT 2025", "unverified", "permuted blocks", "Receipt"):
        assert words in page, words
    assert "A null is not equivalence" in page
    assert "holds other numbers" not in page
    with open_study(study) as there:
        assert str(there.entries[-1].receipt) in page
    (tmp_path / "out" / "trial_results.tsv").write_text("analysis\n", encoding="utf-8")
    assert main(["trial", "report", str(study), out]) == 0
    assert "holds other numbers" in (tmp_path / "out" / "trial_report.html").read_text(encoding="utf-8")
