"""Real trials of back pain through `trial analyse --table`: the entry point that a person uses."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import numpy as np
import pytest
from benchmarks import trial_real
from benchmarks.pain_ratings import WEEKS, read_ratings, weekly
from tests.test_trial_results_command import is_offline, rows_of, written

from actionloop.cli import main
from actionloop.pipeline.trialprotocol import write_protocol
from actionloop.types import Analysis, TrialOutcome, Visit

pytest.importorskip("statsmodels", reason="needs the extra 'trial'")

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data")) / "pain_trials"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no ratings in {DATA} (set ACTIONLOOP_DATA)")
WEEKLY = [f"week_{week}" for week in range(1, WEEKS + 1)]
PAIN = TrialOutcome("pain", "Weekly mean of pain, 0-10", "scale", 0, 10)


def weekly_visits():
    return [Visit("baseline", 0), *(Visit(name, week + 1) for week, name in enumerate(WEEKLY))]


def ratings_of(name):
    people, baseline, value = weekly(read_ratings(DATA / name))
    return {
        who: {"pain:baseline": first, **{f"pain:{visit}": one for visit, one in zip(WEEKLY, row, strict=True)}}
        for who, first, row in zip(people, baseline, value, strict=True)
    }


def plain(row):
    return {name: "" if isinstance(one, float) and np.isnan(one) else one for name, one in row.items()}


def analysed(folder, plan, rows, *more):
    write_protocol(folder / "plan.yaml", plan)
    source = written(folder / "data.csv", [plain(row) for row in rows])
    out = folder / "out"
    assert main(["trial", "analyse", str(folder / "plan.yaml"), str(out), "--table", str(source), *more]) == 0
    return out


def found(out, analysis, arm, reference):
    """Return estimate and interval of one comparison as the table has them, in percentage points for shares."""
    keys = ("analysis", "arm", "reference", "way")
    rows = rows_of(out / "trial_results.tsv")
    (row,) = [one for one in rows if tuple(one[k] for k in keys) == (analysis, arm, reference, "n/a")]
    scale = 100 if row["measure"] == "risk difference" else 1
    return tuple(scale * float(row[name]) for name in ("estimate", "low", "high"))


def told(lines, analysis, arm, reference):
    """Return the same as the library says it when it is called without files."""
    (line,) = [one for one in lines if one.startswith(f"| {analysis} | {arm} against {reference} |")]
    return tuple(float(one) for one in re.findall(r"-?\d+\.\d+", line.replace("−", "-").replace("95 %", ""))[:3])


def test_placebo_two_as_the_library_has_it(tmp_path):
    from openpyxl import load_workbook

    sheet = list(load_workbook(DATA / "placeboII_groups.xlsx", read_only=True).active.values)
    groups = [dict(zip(sheet[0], row, strict=True)) for row in sheet[1:] if row[0] is not None]
    ratings = ratings_of("placeboII_ratings.csv")
    rows = [
        {"participant": one["SID"], "arm": f"group_{int(one['group'])}", "dlpfc_precg": float(one["DLPFC_PreCG"])}
        | ratings[one["SID"]]
        for one in groups
    ]
    arms = ("group_0", "group_1", "group_2")
    pairs = (("group_1", "group_0"), ("group_2", "group_0"), ("group_2", "group_1"))
    analyses = trial_real._change_analyses("week_8", pairs, adjust=("baseline",), margin=1.0, gaps=True)
    more = {"biomarker": "dlpfc_precg", "multiplicity": "none"}
    analyses.append(Analysis("marker", "biomarker", "exploratory", "pain", "week_8", (pairs[2],), **more))
    marker = TrialOutcome("dlpfc_precg", "Connectivity", "biomarker", -1, 1, visits=("baseline",))
    plan = trial_real._protocol("Placebo II", arms, weekly_visits(), [PAIN, marker], analyses)
    out = analysed(tmp_path, plan, rows, "--seed", "20")
    lines = trial_real.placebo_two(DATA)
    for pair in pairs:
        for analysis in ("responders_30", "change", "last_visit_alone", "equivalence", "missing_are_no_responders"):
            assert found(out, analysis, *pair) == pytest.approx(told(lines, analysis, *pair), abs=0.0051), analysis
        for analysis in ("imputed", "from_reference", "tipping_point"):
            assert found(out, analysis, *pair) == pytest.approx(told(lines, analysis, *pair), abs=0.06), analysis
    assert found(out, "marker", *pairs[2]) == pytest.approx(told(lines, "marker", *pairs[2]), abs=0.0051)
    page = is_offline(out / "trial_results.html")
    assert "A null is not equivalence" in page
    assert "no journal vouches" in page


def test_placebo_one_without_arms_is_looked_at_together(tmp_path, capsys):
    rows = [{"participant": who, **row} for who, row in ratings_of("placeboI_ratings.csv").items()]
    arms, pair = ("arm_a", "arm_b"), (("arm_b", "arm_a"),)
    analyses = trial_real._change_analyses("week_8", pair, adjust=("baseline",), margin=1.0, gaps=False)
    plan = trial_real._protocol("Placebo I", arms, weekly_visits(), [PAIN], analyses)
    out = analysed(tmp_path, plan, rows, "--blinded")
    sd, share = rows_of(out / "trial_blinded.tsv")
    change = [row["pain:week_8"] - row["pain:baseline"] for row in rows]
    assert float(sd["pooled"]) == pytest.approx(np.nanstd(change, ddof=1), rel=1e-5)
    assert int(sd["n"]) == int(np.isfinite(change).sum()) == int(share["n"])
    assert "arm_a" not in is_offline(out / "trial_blinded.html")
    words = ["trial", "analyse", str(tmp_path / "plan.yaml"), str(tmp_path / "no")]
    assert main([*words, "--table", str(tmp_path / "data.csv")]) == 1
    assert "'arm'" in capsys.readouterr().err


def test_ldopa_as_the_library_has_it(tmp_path):
    with (DATA / "ldopa_groups.csv").open(newline="", encoding="utf-8-sig") as stream:
        people = [row for row in csv.DictReader(stream) if row["treat"] in ("1", "2")]
    days = np.array([[float(row[f"d{day}"]) for day in range(1, trial_real.LDOPA_DAYS + 1)] for row in people])
    part = trial_real.LDOPA_PART
    parts = trial_real.LDOPA_DAYS // part * part
    value = days[:, -parts:].reshape(len(people), -1, part).mean(axis=2)
    weeks = (trial_real.LDOPA_DAYS - parts + part * np.arange(1, value.shape[1] + 1)) / 7
    names = [f"week_{week:.0f}" for week in weeks]
    visits = [Visit("baseline", 0), *(Visit(name, float(week)) for name, week in zip(names, weeks, strict=True))]
    rows = [
        {"participant": row["id"], "arm": "l_dopa" if row["treat"] == "1" else "placebo", "pain:baseline": 1.0}
        | {f"pain:{name}": one for name, one in zip(names, series, strict=True)}
        for row, series in zip(people, value.tolist(), strict=True)
    ]
    pair = (("l_dopa", "placebo"),)
    analyses = trial_real._change_analyses(names[-1], pair, adjust=(), margin=0.15, gaps=False)
    share = TrialOutcome("pain", "Pain as a share of the baseline", "scale", 0, 3)
    plan = trial_real._protocol("L-DOPA", ("placebo", "l_dopa"), visits, [share], analyses)
    out = analysed(tmp_path, plan, rows)
    lines = trial_real.ldopa(DATA)
    for analysis in ("responders_30", "change", "equivalence", "posterior"):
        assert found(out, analysis, *pair[0]) == pytest.approx(told(lines, analysis, *pair[0]), abs=0.0051), analysis
    assert found(out, "change", *pair[0]) == pytest.approx(found(out, "last_visit_alone", *pair[0]), rel=1e-5)
