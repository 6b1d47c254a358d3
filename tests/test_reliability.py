"""Resampled frames, places of targets, held-out connectivity and verdicts, against naive versions and known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionloop import facts, files, networks, signal
from actionloop.brain import Geodesic
from actionloop.errors import OptionError, ResourceError, SignalError
from actionloop.reliability import resample, verdict
from actionloop.reliability.evidence import Evidence, gather
from actionloop.reliability.heldout import held_out
from actionloop.reliability.places import ABSENT, find_places
from actionloop.types import HEMISPHERES, NetworkMap, Timeseries


@pytest.fixture(scope="module")
def world():
    """Prior, template and head of the template."""
    try:
        files.require(groups=("plan",))
    except ResourceError as error:
        pytest.skip(str(error))
    from actionloop.pipeline.head import template_head
    from actionloop.pipeline.priors import area_names, cached_default_prior

    axis = files.template_grayordinates()
    return files.align_prior(cached_default_prior(), axis), files.template_anatomy(), template_head(), area_names()


def planted(prior, *, n_frames: int, noise: float, seed: int = 3) -> Timeseries:
    """The prior's winner map, one random series per network, in white noise."""
    rng = np.random.default_rng(seed)
    label = prior.probability.argmax(axis=0)
    own = rng.standard_normal((n_frames, len(prior.names)))
    data = own[:, label] + noise * rng.standard_normal((n_frames, len(label)))
    return Timeseries(data.astype(np.float32), prior.grayordinates, 2.0)


@pytest.fixture(scope="module")
def mapped(world):
    """A planted person: series, map, targets and their places."""
    from actionloop.pipeline.person import find_targets
    from actionloop.pipeline.settings import Settings

    prior, template, head, area = world
    series = planted(prior, n_frames=240, noise=3.0)
    made = networks.map_iterative(signal.compress(series), prior, template)
    _, targets, _ = find_targets(made, head, Settings())
    return series, made, find_places(targets, made.grayordinates, head.anatomy, template, area=area)


def test_weights_of_frames_give_the_correlations_of_the_drawn_frames(world):
    """Without pooling, dot products under new weights are Pearson r of the resampled series."""
    prior, _, _, _ = world
    series = planted(prior, n_frames=120, noise=1.0)
    basis = signal.compress(series)
    person = resample._Resampling(
        basis, prior, None, settings=networks.IterativeSettings(max_dimensions=120), exclude=None
    )
    rng = np.random.default_rng(0)
    drawn = resample._drawn(rng, 120, 15)
    assert len(drawn) == 120 and len(np.unique(drawn)) < 120
    found = person.resampled(np.bincount(drawn, minlength=120).astype(float))
    rows = np.arange(0, 59412, 4000)
    expected = np.corrcoef(series.data[drawn][:, rows].T)
    np.testing.assert_allclose(found[:, rows].T @ found[:, rows], expected, atol=2e-3)


def test_blocks_keep_neighbours_together():
    drawn = resample._drawn(np.random.default_rng(1), 200, 20)
    steps = np.diff(drawn) % 200
    assert (steps == 1).mean() > 0.9


def test_resampled_maps_scatter_around_the_map_and_more_in_noise(world, mapped):
    prior, template, _, _ = world
    series, made, places = mapped
    draws = resample.Draws(6, seed=1)
    clear = resample.resample_frames(signal.compress(series), prior, template, made=made, places=places, draws=draws)
    again = resample.resample_frames(signal.compress(series), prior, template, made=made, places=places, draws=draws)
    np.testing.assert_array_equal(clear.stability, again.stability)
    noisy = planted(prior, n_frames=150, noise=20.0)
    poor = networks.map_iterative(signal.compress(noisy), prior, template)
    doubtful = resample.resample_frames(signal.compress(noisy), prior, template, made=poor, draws=draws)
    assert clear.stability[made.label > 0].mean() > 0.95
    assert doubtful.stability[poor.label > 0].mean() < clear.stability[made.label > 0].mean() - 0.03
    np.testing.assert_allclose(clear.occurrence.sum(axis=0)[made.label > 0], 1, atol=1e-5)
    for place, centres in zip(places, clear.centres, strict=True):
        assert max(place.distance_mm(int(vertex)) for vertex in centres) < 8, place.target.name


def test_remapping_agrees_with_reweighting(world, mapped):
    """The quick way (weights, warm start) and the plain one (draw, map from the start) see the same scatter."""
    prior, template, _, _ = world
    series, made, places = mapped

    def make(some: Timeseries) -> NetworkMap:
        return networks.map_iterative(signal.compress(some), prior, template)

    plain = resample.resample_series(series, make, made=made, places=places, draws=resample.Draws(3, seed=2))
    quick = resample.resample_frames(
        signal.compress(series), prior, template, made=made, places=places, draws=resample.Draws(3, seed=2)
    )
    assert np.abs(plain.occurrence - quick.occurrence).mean() < 0.01
    for place, one, other in zip(places, plain.centres, quick.centres, strict=True):
        for a, b in zip(one, other, strict=True):
            assert abs(place.distance_mm(int(a)) - place.distance_mm(int(b))) < 4


def test_too_short_a_scan_and_too_few_resamples(world):
    prior, template, _, _ = world
    series = planted(prior, n_frames=20, noise=1.0)
    basis = signal.compress(series, tolerance=0.01)
    label = np.asarray(prior.keys)[prior.probability.argmax(axis=0)]
    made = NetworkMap(
        prior.names, prior.keys, prior.colours, prior.probability, label, label * 0.0, prior.grayordinates, "prior"
    )
    with pytest.raises(SignalError, match="too short"):
        resample.resample_frames(basis, prior, template, made=made)
    with pytest.raises(SignalError, match="no directions"):
        resample.resample_frames(replace(basis, frames=None), prior, template, made=made)
    with pytest.raises(OptionError, match="at least 2"):
        resample.Draws(1)


def test_places_find_the_piece_again_where_it_moved(world, mapped):
    """A SCAN node moved by known vertices is found there; without its network it is absent."""
    _, _, head, _ = world
    _, made, places = mapped
    for place in places:
        network = place.target.piece.network
        row = made.names.index(network)
        centre = place.centre(made.members(network)[place.rows], made.probability[row][place.rows])
        assert place.distance_mm(centre) == pytest.approx(place.away_mm[centre])
        exact = Geodesic(head.anatomy.surface(place.target.piece.hemisphere)).from_vertices(
            place.target.vertex, exact=True
        )
        assert place.away_mm[centre] == pytest.approx(min(exact[centre], 40), abs=0.01)
        assert place.centre(np.zeros(len(place.rows), dtype=bool), np.ones(len(place.rows))) == ABSENT
        if not place.by_overlap:
            far = np.argsort(-place.away_mm[place.vertices])[: len(place.rows) // 3]
            moved = np.zeros(len(place.rows), dtype=bool)
            moved[far] = True
            found = place.centre(moved, np.ones(len(place.rows)))
            assert found == ABSENT or place.distance_mm(found) > 5
    assert len(places) >= 4 and len({place.target.name for place in places}) == len(places)


def test_held_out_sees_networks_and_not_smooth_noise(world, mapped):
    prior, template, head, _ = world
    series, made, places = mapped
    pair = tuple(signal.select_frames(series, half) for half in signal.halves(series.n_frames))
    maps = tuple(networks.map_iterative(signal.compress(half), prior, template) for half in pair)
    z = held_out(pair, maps, places, head.anatomy)
    own = [made.names.index(place.target.piece.network) for place in places]
    assert all(z[number, network] > 0.5 for number, network in enumerate(own))
    rng = np.random.default_rng(8)
    noise = tuple(replace(half, data=rng.standard_normal(half.data.shape).astype(np.float32)) for half in pair)
    assert np.nanmax(np.abs(held_out(noise, maps, places, head.anatomy))) < 0.5
    # One row, written out.
    place, network = places[0], own[0]
    one_way = []
    for number, other in ((0, 1), (1, 0)):
        label, data = maps[number].label, pair[other].data
        inside = place.rows[place.own]
        inside = inside[label[inside] == made.keys[network]]
        side = place.target.piece.hemisphere
        points = head.anatomy.surface(side).vertices
        near = np.zeros(len(label), dtype=bool)
        vertices = made.grayordinates.vertices(side)
        apart = np.linalg.norm(points[vertices] - points[place.target.vertex], axis=1)
        near[made.grayordinates.rows(side)] = apart < facts.load("reliability")["held_out"]["away_mm"]
        standard = (data - data.mean(axis=0)) / data.std(axis=0)
        piece = standard[:, inside].mean(axis=1)
        rest = standard[:, (label == made.keys[network]) & ~near].mean(axis=1)
        one_way.append(np.arctanh(np.corrcoef(piece, rest)[0, 1]))
    assert z[0, network] == pytest.approx(np.mean(one_way), abs=1e-4)


def evidence(**changes: float) -> Evidence:
    """Evidence of a good target."""
    good = {
        "spread_mm": 1.0,
        "spread_95_mm": 2.0,
        "present": 1.0,
        "within": 1.0,
        "halves_mm": 1.5,
        "apart_mm": 1.0,
        "stability": 0.97,
        "held_out": 0.7,
        "lead": 0.2,
        "equal": 0.9,
        "probability": 0.97,
        "area_mm2": 300.0,
        "minutes": 30.0,
    }
    return Evidence(**{**good, **changes})


def test_verdict_falls_with_the_evidence_and_refuses_short_scans_and_noise():
    model = verdict.Model.calibrated()
    good, found = verdict.decide(evidence(), model)
    assert good > 0.8 and found in ("use", "caution")
    poor, _ = verdict.decide(
        evidence(spread_mm=12.0, within=0.1, halves_mm=20.0, stability=0.3, held_out=0.2, lead=0.01, equal=0.6), model
    )
    assert poor < good - 0.2
    limits = facts.load("verdict")["thresholds"]
    for changes in (
        {"minutes": limits["least_minutes"] - 0.1},
        {"held_out": 0.0},
        {"lead": limits["least_lead"] - 0.01},
    ):
        assert verdict.decide(evidence(**changes), model)[1] == "none", changes


def test_model_finds_the_weights_that_made_the_truth():
    rng = np.random.default_rng(0)
    found = [evidence(spread_mm=float(np.expm1(x)), held_out=float(y)) for x, y in rng.random((4000, 2)) * [3, 1]]
    logit = np.array([2 - 3 * one.features()["spread_mm"] + 4 * one.held_out for one in found])
    hit = rng.random(4000) < 1 / (1 + np.exp(-logit))
    model = verdict.fit_model(found, hit, names=("spread_mm", "held_out"), penalty=100.0)
    raw = np.array(model.weight) / model.scale
    np.testing.assert_allclose(raw, [-3, 4], rtol=0.2)
    stated = np.array([model.probability(one) for one in found])
    assert np.abs(stated - 1 / (1 + np.exp(-logit))).mean() < 0.03
    with pytest.raises(OptionError, match="all targets are hits"):
        verdict.fit_model(found, [True] * len(found), names=("spread_mm",))


def test_evidence_is_gathered_for_every_target(world, mapped):
    from actionloop.reliability.halves import split_halves

    prior, template, _, _ = world
    series, made, places = mapped
    halves = split_halves(series, lambda some: networks.map_iterative(signal.compress(some), prior, template))
    found = resample.resample_frames(
        signal.compress(series), prior, template, made=made, places=places, draws=resample.Draws(4)
    )
    held = np.full((len(places), len(made.names)), 0.1)
    held[0] = np.nan
    gathered = gather(places, halves, found, held, names=made.names, minutes=5.0)
    assert len(gathered) == len(places) and gathered[0].held_out == 0.0
    assert all(0 <= one.within <= one.present <= 1 and one.minutes == 5.0 for one in gathered)
    named = {place.target.piece.hemisphere for place in places}
    assert named == set(HEMISPHERES)
    told = verdict.judge(places[1], gathered[1])
    assert told.name == places[1].target.name and told.reasons and 0 <= told.probability <= 1
