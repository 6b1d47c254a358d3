"""Small versions of the long validation in benchmarks/, on people of known truth."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from benchmarks import methods, validate
from benchmarks.validate import prior_as_map

from actionloop import files
from actionloop.errors import ResourceError
from actionloop.pipeline.priors import cached_default_prior


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


def methods_arguments(out: Path) -> argparse.Namespace:
    return argparse.Namespace(out=out, choose=[1], report=[11], minutes=[10.0, 30.0])


def methods_rows() -> list[dict]:
    """Rows as the long run writes them: ridge is better on the seeds of the choice, iterative on the reported ones."""
    rows = []
    for seed, best in ((1, "ridge"), (11, "iterative")):
        for method in ("iterative", "ridge"):
            for minutes in (10.0, 30.0):
                value = 0.8 if method == best else 0.4
                row = {"kind": "drawn", "seed": seed, "minutes": minutes, "prior": "default", "method": method}
                rows.append(
                    row | {"scan": value, "amn": value, "all": value, "node_mm": 9 * (1 - value), "seconds": 1.0}
                )
    return rows


def test_methods_are_chosen_on_other_people_than_those_reported(tmp_path):
    rows = methods_rows()
    assert methods.choose(rows, [1]) == "ridge"
    methods.write_results(rows, methods_arguments(tmp_path))
    page = (tmp_path / "methods.md").read_text(encoding="utf-8")
    assert "**ridge**" in page
    assert "| iterative | 0.80 | 0.80 |" in page and "| ridge | 0.40 | 0.40 |" in page
    assert (tmp_path / "methods.tsv").read_text().count("\n") == 9
    assert (tmp_path / "methods.png").stat().st_size > 5000


def test_one_method_on_one_short_scan():
    person, series, time_min = methods.scan("drawn", 11, 4.0)
    assert series.n_frames == len(time_min) and time_min[-1] < 4
    prior = cached_default_prior()
    row = methods.run_method(series, "iterative", prior, person, halves=False)
    alone = methods.measure(prior_as_map(prior), person)
    assert row["scan"] > alone["scan"] and row["amn"] > alone["amn"]
    assert row["node_mm"] < alone["node_mm"] <= 30
