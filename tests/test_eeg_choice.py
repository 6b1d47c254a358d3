"""The choice of a site: equal trials, near ties, P(rank 1), and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks import tmseeg_choice as bench
from tests.eegtrials import NAMES, trials

from actionloop.errors import InputError, OptionError, SignalError
from actionloop.tmseeg.bands import Band, Grid, Window
from actionloop.tmseeg.choice import ChoiceOptions, choose_site, rank_sites
from actionloop.tmseeg.connectivity import ConnectivityOptions

GRID = Grid(bands=(Band("alpha", 8, 12),), windows=(Window("full", 0.015, 0.3),), frequency_step_hz=2.0, step_s=0.03)
MEASURED = ConnectivityOptions(grid=GRID)
OPTIONS = ChoiceOptions(bands=("alpha",), draws=60, least_trials=30)
SITES = ("M1", "DLPFC", "ACC", "PSI")


def four(**counts):
    return {site: trials(n=counts.get(site, 40), seed=k, site=site) for k, site in enumerate(SITES)}


def choose(made, **more):
    asked = {"rng": np.random.default_rng(0), "measured": MEASURED, "options": OPTIONS, **more}
    return choose_site(made, at={"PSI": "C5"}, **asked)


def test_sites_are_compared_on_equally_many_trials():
    made = four(ACC=34)
    made["M1"] = replace(made["M1"], bads=("T8",))
    found = choose(made)
    assert {len(kept) for kept in found.kept.values()} == {34} and found.few
    assert all(np.all(np.diff(kept) > 0) for kept in found.kept.values())
    assert found.kept["ACC"].tolist() == list(range(34)) and found.kept["M1"].tolist() != list(range(34))
    assert found.ranking.sites == SITES and {one.n_trials for one in found.connectivity.values()} == {34}
    low, value, high = found.local_m1[1], found.local_m1[0], found.local_m1[2]
    assert low < value < high
    again = choose(made)
    assert np.array_equal(again.ranking.value, found.ranking.value)
    assert np.array_equal(again.ranking.lowest.p_first, found.ranking.lowest.p_first)


def test_noise_gives_near_ties_and_picks_nothing():
    found = choose(four()).ranking
    for rank in (found.lowest, found.highest):
        assert rank.is_tie and rank.pick is None and len(rank.tied) >= 2 and rank.first in rank.tied
        assert abs(rank.p_first.sum() - 1) < 1e-12


def test_a_planted_coupling_is_the_highest():
    made = four()
    rng = np.random.default_rng(3)
    data = made["ACC"].data.copy()
    turned = 4e-6 * rng.standard_normal((40, 1, 500))
    rows = [NAMES.index(name) for name in ("FCz", "Fz", "Cz", "F5")]
    data[:, rows] += turned
    data[:, NAMES.index("O1")] += np.roll(turned[:, 0], 6, axis=1)
    data[:, NAMES.index("O2")] += np.roll(turned[:, 0], 6, axis=1)
    made["ACC"] = made["ACC"].with_data(data)
    found = choose(made).ranking
    assert found.highest.pick == "ACC" and found.highest.tied == ("ACC",) and found.highest.p_first[2] > 0.95


def test_ties_are_named_until_they_cover_what_is_asked():
    rng = np.random.default_rng(4)
    centre = dict(zip(SITES, (0.10, 0.105, 0.20, 0.30), strict=True))
    drawn = {site: value + 0.01 * rng.standard_normal(2000) for site, value in centre.items()}
    found = rank_sites(centre, drawn, rng=rng)
    assert found.highest.pick == "PSI" and found.lowest.pick is None and set(found.lowest.tied) == {"M1", "DLPFC"}
    assert found.lowest.first == "M1" and found.lowest.tied[0] == "M1"
    lower, upper = found.interval
    assert np.allclose(upper - lower, 2 * 1.96 * 0.01, rtol=0.1)
    with pytest.raises(OptionError, match="two or more sites"):
        rank_sites({"M1": 0.1}, {"M1": drawn["M1"]}, rng=rng)


def test_what_cannot_be_compared_is_refused():
    made = four()
    missing = {site: made[site] for site in SITES[:3]}
    slower = {**made, "PSI": trials(site="PSI", sfreq=200.0)}
    data = np.zeros((40, 14, 500)) + made["ACC"].data[:, :14]
    fewer = {**made, "ACC": replace(made["ACC"], data=data, montage=made["ACC"].montage.only(np.arange(15) < 14))}
    sham = {**made, "ACC": replace(made["ACC"], condition="sham")}
    for bad, kind, expected in (
        (missing, InputError, "M1, DLPFC, ACC, PSI; PSI is missing"),
        (slower, SignalError, "250 Hz and PSI at 200 Hz"),
        (fewer, SignalError, "other channels: C4"),
        (sham, SignalError, "recorded as 'active' and ACC as 'sham'"),
        (four(DLPFC=20), SignalError, "DLPFC has 20 trials; the choice of a site needs 30"),
    ):
        with pytest.raises(kind, match=expected):
            choose(bad)
    assert choose(missing, sites=SITES[:3]).ranking.sites == SITES[:3]
    early = ConnectivityOptions(grid=replace(GRID, windows=(Window("full", 0.015, 0.08),)))
    with pytest.raises(OptionError, match="too short for alpha"):
        choose(made, measured=early)
    with pytest.raises(OptionError, match="sure is 2"):
        ChoiceOptions(sure=2)


def test_light_worlds_have_their_closed_form():
    rng = np.random.default_rng(5)
    for index in (0.05, 0.2):
        assert bench.true_index(1j * bench.coupling_of(index)) == pytest.approx(index)
        found = [bench.light_estimate(index, trials=400, rng=rng) for _ in range(6)]
        assert abs(np.mean(found) - index) < 0.02
    assert abs(np.mean([bench.series_value(0.2, trials=150, rng=rng) for _ in range(4)]) - 0.2) < 0.03


def test_p_rank_one_is_true_and_the_ladder_in_order():
    rows = list(bench.worlds(40, spread=0.02, trials=150, seed=21))
    found = bench.summary(rows)
    assert found["ece_all"] < 0.08 and found["covered"] > 0.9  # 40 worlds alone scatter by about 0.03
    assert bench.recovery(bench.light_estimate, trials=150, worlds=40, seed=22)["both_ends"] >= 0.9
