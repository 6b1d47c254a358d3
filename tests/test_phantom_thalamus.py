"""The planted thalamus: what is planted, that the cortex stays as it was, and what lesions find in it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from benchmarks import lesions

from actionloop import facts, files, phantom
from actionloop.brain import nuclei
from actionloop.errors import ActionloopError
from actionloop.phantom.template import template
from actionloop.types import SIDES


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan", "phantom"))
    except ActionloopError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def person():
    return phantom.draw_person(np.random.default_rng(11))


def test_nuclei_lie_in_the_thalamus_and_effectors_share_vpl():
    planted = phantom.planted_nuclei()
    assert [one.name for one in planted if one.hemisphere == "R"] == ["CM", "VPL mouth", "VPL hand", "VPL foot"]
    rows = np.concatenate([one.rows for one in planted])
    assert len(np.unique(rows)) == len(rows)
    for one in planted:
        assert phantom.thalamic_rows(one.hemisphere)[one.rows].all()
        assert (one.centre_mm[0] > 0) == (one.hemisphere == "R")
        assert nuclei.hemisphere_of(one.centre_mm) == one.hemisphere
    across = [abs(one.centre_mm[0]) for one in planted if one.hemisphere == "R"]
    assert across == sorted(across)
    peak = next(one for one in facts.load("scan")["subcortical"] if one["name"] == "CM thalamus")
    for side in ("L", "R"):
        cm = next(one for one in planted if one.hemisphere == side and one.name == "CM")
        assert np.linalg.norm(cm.centre_mm - peak[side]) < 1.5


def test_only_the_thalamus_changes(person):
    planted = phantom.plant_thalamus(person)
    thalamus = phantom.thalamic_rows("L") | phantom.thalamic_rows("R")
    assert np.array_equal(planted.truth[~thalamus], person.truth[~thalamus])
    assert np.array_equal(planted.part[~thalamus], person.part[~thalamus])
    assert planted.nodes is person.nodes and planted.trait_seed == person.trait_seed
    for nucleus in phantom.planted_nuclei():
        assert (planted.truth[nucleus.rows] == planted.key(nucleus.network)).all()
    rows = np.concatenate([one.rows for one in phantom.planted_nuclei()])
    rest = np.setdiff1d(np.flatnonzero(thalamus), rows)
    assert not planted.truth[rest].any() and (planted.part[rest] == -1).sum() >= (person.truth[rest] > 0).sum()


def test_a_hub_is_one_signal_of_the_thalamus_and_its_networks(person):
    planted = phantom.plant_thalamus(person)
    session = phantom.simulate_session(planted, minutes=4, tr_s=2.4, rng=np.random.default_rng(3))
    before = session.series.data.copy()
    added = phantom.add_hub(session, planted, rng=np.random.default_rng(4)).series.data - before
    share = facts.load("phantom")["thalamus"]["hub"]["networks"]
    thalamus = np.flatnonzero(phantom.thalamic_rows("R"))
    course = added[:, thalamus[0]]
    assert np.allclose(added[:, thalamus], course[:, None], atol=0.02)
    cortex = np.arange(len(planted.truth)) < template().grayordinates.n_cortex
    for name, amount in share.items():
        rows = np.flatnonzero(cortex & (planted.truth == planted.key(name)))[:50]
        assert np.allclose(added[:, rows], amount * course[:, None], atol=0.02)
    assert not added[:, cortex & (planted.truth == planted.key("default"))].any()


def test_a_data_set_has_its_thalamus_beside_it_and_others_stay_as_they_were(tmp_path):
    phantom.make_phantoms(tmp_path / "with", minutes=4.0, tr_s=2.0, seed=3, thalamus=True)
    truth = tmp_path / "with" / "truth"
    with (truth / "sub-P01_desc-thalamus_truth.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert {row["network"] for row in rows} == {"SCAN", "foot", "hand", "mouth"}
    assert {row["side"] for row in rows} == set(SIDES.values())
    assert json.loads((truth / "phantom.json").read_text())["thalamus"] is True
    label = files.read_label_map(truth / "sub-P01_truth.dlabel.nii").label
    cm = next(one for one in phantom.planted_nuclei() if one.name == "CM" and one.hemisphere == "R")
    assert (label[cm.rows] == 18).all()
    person = phantom.draw_person(np.random.default_rng([3, 0]))
    n = template().grayordinates.n_cortex
    assert np.array_equal(label[:n], person.truth[:n])


def test_the_planted_circuit_is_told_apart_and_degree_fools_the_naive_overlap_alone():
    """A small version of docs/validation/lesions.md: four people of five minutes tell CM and VPL apart."""
    cohort = lesions.people(4, seed=1, minutes=5.0)
    p = {(row["lesion"], row["network"]): row["p"] for row in lesions.planted(cohort, nulls=199, seed=2)}
    assert p["CM", "SCAN"] < p["VPL", "SCAN"]
    effectors = [np.mean([p[name, one] for one in ("foot", "hand", "mouth")]) for name in ("CM", "VPL")]
    assert effectors[1] < effectors[0]
    rates = lesions.elsewhere(cohort, n=30, nulls=99, seed=3)
    assert rates["naive"] >= 0.5  # ten times nominal; the more people, the more it is fooled (1.0 with six)
    assert rates["null"] <= 0.15 and rates["removed"] <= 0.15
