"""People of known truth: as unlike their group map as real people, and as noisy as a real scan."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from actionloop import files, phantom
from actionloop.errors import OptionError, ResourceError
from actionloop.types import Timeseries

# "What one real scan looks like": LEMON sub-010188, 15.2 min, after the fsaverage5 route.
REFERENCE = {
    "split_half_contiguous": 0.42,
    "split_half_blocks": 0.50,
    "lag1": 0.95,
    "participation_ratio": 28.0,
    "correlation_at_3_mm": 0.77,
    "correlation_at_6_mm": 0.47,
    "correlation_at_10_mm": 0.28,
    "correlation_at_20_mm": 0.12,
}
TOLERANCE = 0.15
TR_S, N_FRAMES = 1.4, 652


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("phantom",))
    except ResourceError as missing:
        pytest.skip(str(missing))


def routed(seed: int) -> Timeseries:
    """One session of one person, of the reference scan's length and sampling, sent the reference scan's way."""
    rng = np.random.default_rng(seed)
    person = phantom.draw_person(rng)
    session = phantom.simulate_session(person, minutes=N_FRAMES * TR_S / 60, tr_s=TR_S, rng=rng, cortex_only=True)
    assert session.series.n_frames == N_FRAMES
    return phantom.fsaverage5_route(session.series, *phantom.reference_confounds(session))


def test_the_reference_scan_gives_the_reference_figures():
    measured = phantom.realism(phantom.reference_scan()).figures()
    for name, expected in REFERENCE.items():
        assert measured[name] == pytest.approx(expected, rel=0.11), name


def test_phantoms_look_like_the_reference_scan():
    people = [phantom.realism(routed(seed)).figures() for seed in (1, 2, 3, 4)]
    for name, expected in REFERENCE.items():
        measured = float(np.mean([figures[name] for figures in people]))
        assert measured == pytest.approx(expected, rel=TOLERANCE), name


def test_people_differ_from_their_group_map_as_real_people_do():
    group = phantom.group_map()
    overlap = {name: [] for name in ("SCAN", "AMN")}
    for seed in range(10):
        person = phantom.draw_person(np.random.default_rng(seed))
        for name, found in overlap.items():
            keys = {"key": group.key(name), "other_key": person.key(name)}
            found.append(phantom.dice(group.label, person.truth, **keys))
    assert 0.40 <= np.mean(overlap["SCAN"]) <= 0.50, overlap
    assert 0.50 <= np.mean(overlap["AMN"]) <= 0.65, overlap


def test_the_group_map_is_not_the_default_prior():
    from actionloop.pipeline.priors import cached_default_prior

    prior, group = cached_default_prior(), phantom.group_map()
    winner = prior.keys[prior.probability.argmax(axis=0)]
    for name in ("SCAN", "AMN"):
        mine = group.label[: len(winner)] == group.key(name)
        theirs = winner == prior.keys[prior.index(name)]
        assert 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()) < 0.9


def test_the_same_seed_makes_the_same_person_and_scan():
    def made(seed):
        rng = np.random.default_rng(seed)
        person = phantom.draw_person(rng)
        return person, phantom.simulate_series(person, minutes=3, tr_s=2.0, rng=rng, cortex_only=True)

    (one, first), (same, again), (other, _) = made(5), made(5), made(6)
    assert np.array_equal(one.truth, same.truth)
    assert np.array_equal(first.data, again.data)
    assert (one.truth != other.truth).mean() > 0.05


def test_a_given_truth_is_left_as_it_is():
    group = phantom.group_map()
    given = phantom.given_person(
        group.label, names=group.names, keys=group.keys, colours=group.colours, rng=np.random.default_rng(0)
    )
    assert np.array_equal(given.truth, np.where(np.isin(group.label, group.keys), group.label, 0))
    assert {"SCAN", "AMN"} <= {node.network for node in given.nodes}


def test_a_data_set_has_two_sessions_91282_rows_and_its_truth_beside(tmp_path):
    (label,) = phantom.make_phantoms(tmp_path / "data", subjects=1, minutes=5, seed=3)
    series = sorted((tmp_path / "data").rglob("*_bold.dtseries.nii"))
    assert len(series) == 2
    assert {path.parts[-3] for path in series} == {"ses-1", "ses-2"}
    read = files.read_cifti_series(series[0])
    assert len(read.grayordinates) == 91282
    assert read.tr_s == pytest.approx(0.8)
    person = files.find_person(tmp_path / "data", label)
    assert person.layout == "xcpd"
    assert len(person.runs) == 2 and all(run.outliers for run in person.runs)
    truth = files.read_label_map(next((tmp_path / "data").rglob("*_truth.dlabel.nii")))
    assert len(truth.label) == 91282
    with next((tmp_path / "data").rglob("*nodes*truth*.tsv")).open() as rows:
        nodes = list(csv.DictReader(rows, delimiter="\t"))
    assert {"network", "side", "x", "y", "z"} <= set(nodes[0])
    for node in nodes:
        assert (float(node["x"]) < 0) == (node["side"] == "left")


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(OptionError):
        phantom.make_phantoms(tmp_path / "data", subjects=0)
    with pytest.raises(OptionError):
        phantom.make_phantoms(tmp_path / "data", layout="nonsense")
    assert not (tmp_path / "data").exists()
