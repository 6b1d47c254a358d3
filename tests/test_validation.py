"""Small versions of the long validation in benchmarks/, on people of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import validate

from actionloop import files
from actionloop.errors import ResourceError


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan", "phantom"))
    except ResourceError as missing:
        pytest.skip(str(missing))


def test_the_individual_map_beats_the_prior_on_a_drawn_person(tmp_path):
    row = validate.one_case("drawn", 8, 11, tmp_path)
    assert row["dice_scan_map"] - row["dice_scan_prior"] >= 0.10
    assert row["dice_amn_map"] - row["dice_amn_prior"] >= 0.10
    assert row["target_map"].startswith("SCAN")
    assert row["nearest_mm_map"] < 10
    assert not list(tmp_path.iterdir())


def test_the_individual_map_beats_the_prior_on_a_given_truth(tmp_path):
    if not (validate.shared_data() / validate.MSC06).is_file():
        pytest.skip("MSC06's published map is not there (ACTIONLOOP_DATA)")
    row = validate.one_case("MSC06", 8, 12, tmp_path)
    assert row["dice_scan_map"] - row["dice_scan_prior"] >= 0.10
    assert row["dice_amn_map"] - row["dice_amn_prior"] >= 0.10


def test_summary_counts_missing_nodes_as_misses():
    row = {"kind": "drawn", "minutes": 20.0, "geodesic_mm_map": 2.0, "geodesic_mm_prior": np.nan}
    row |= {f"dice_{name}_{who}": value for name in ("scan", "amn") for who, value in (("map", 0.8), ("prior", 0.5))}
    (line,) = validate.summary([row, {**row, "geodesic_mm_map": 7.0}, row])
    assert line["≤ 5 mm, map"] == "2/3"
    assert line["≤ 5 mm, prior"] == "0/3"
    assert line["SCAN gain [95 %]"] == "+0.30 [+0.30, +0.30]"


def test_interval_holds_the_mean():
    values = np.random.default_rng(1).normal(0.3, 0.1, 12)
    low, high = validate.interval(values, rng=np.random.default_rng(0))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(12), rel=0.2)
