"""Ratings of real trials: what is set aside when reading, and the three of them end to end."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from benchmarks.pain_ratings import read_ratings, weekly
from benchmarks.trial_real import ldopa, placebo_one, placebo_two

pytest.importorskip("statsmodels", reason="needs the extra 'trial'")

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data")) / "pain_trials"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no ratings in {DATA} (set ACTIONLOOP_DATA)")


def test_reading_sets_aside_and_counts(tmp_path):
    rows = [
        "A,1,0.5,6,1", "A,1,6,8,1", "A,1,6,8,1", "A,2,8,5,1", "A,2,9,3,1", "A,NA,10,4,1", "A,0,16,1,1",
        "A,2,clean_day,3,1", "A,2,11,10.5,1", "B,1,3,5,1", "B,1,3,7,1", "B,3,25,5,1", "C,2,9,5,1",
    ]  # fmt: skip
    path = tmp_path / "ratings.csv"
    path.write_text("subject,phase,day,pain,mood\n" + "\n".join(rows) + "\n")
    found = read_ratings(path)
    assert found.set_aside == {"no day": 1, "pain not 0-10": 1, "given twice": 1, "without one of the phases 1-5": 2}
    people, baseline, value = weekly(found)
    assert people == ["A", "B", "C"]
    np.testing.assert_allclose(baseline, [7, 6, np.nan])
    np.testing.assert_allclose(value[0, :2], [4, np.nan], err_msg="days 8, 9, 10 of week 1; one rating in week 2")
    assert np.isnan(value[1]).all()


@needs_data
def test_placebo_one_has_no_comparison():
    told = "\n".join(placebo_one(DATA))
    assert "73 people" in told
    assert "against" not in told


@needs_data
def test_placebo_two_end_to_end():
    told = "\n".join(placebo_two(DATA))
    assert "(0, 1, 2: 12, 33, 35;" in told
    assert "cannot be run" not in told
    assert "Firth's penalised likelihood" in told, "nobody of group 0 responded at week 8"
    assert "A null is not equivalence" in told
    assert "3 of 12, 13 of 33, 22 of 35" in told


@needs_data
def test_ldopa_end_to_end_and_the_model_is_a_t_test_where_nothing_is_missing():
    told = "\n".join(ldopa(DATA))
    assert "L-DOPA 15 of 20, placebo 21 of 27" in told
    rows = {line.split(" | ")[0]: line.split(" | ")[1:] for line in told.splitlines() if line.startswith("| ")}
    assert rows["| change"] == rows["| last_visit_alone"]
    assert re.fullmatch(r"20, 27", rows["| change"][1])
