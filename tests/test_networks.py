"""The default prior, the iterative mapping and its pieces, against naive versions and known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionloop import arrays, facts, files, networks, signal
from actionloop.brain import adjacency, vertex_areas
from actionloop.errors import ActionloopError, OptionError, PriorError, ResourceError, SignalError
from actionloop.networks import iterative
from actionloop.types import HEMISPHERES, NetworkMap, Prior, Timeseries


@pytest.fixture(scope="module")
def template():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    return files.template_anatomy()


@pytest.fixture(scope="module")
def prior(template) -> Prior:
    from actionloop.pipeline.priors import prior_ingredients

    return networks.default_prior(prior_ingredients())


def dice(one, other) -> float:
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def simulated(truth, axis, *, n_frames, noise, seed=0) -> Timeseries:
    """One random series per network plus white noise."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n_frames, int(truth.max()) + 1)).astype(np.float32)
    latent[:, 0] = 0
    data = latent[:, truth] + noise * rng.standard_normal((n_frames, len(axis)), dtype=np.float32)
    return Timeseries(data, axis, 1.0)


def test_prior_is_a_probability_with_every_network(prior):
    assert prior.probability.shape == (19, 59412)
    np.testing.assert_allclose(prior.probability.sum(axis=0), 1, atol=1e-5)
    assert prior.probability.min() >= 0
    assert prior.names[:5] == ("SCAN", "AMN", "foot", "hand", "mouth")
    winner = prior.probability.argmax(axis=0)
    assert set(winner) == set(range(19))


def test_prior_holds_the_published_points(prior, template):
    winner = prior.probability.argmax(axis=0)
    table = facts.load("scan")
    wanted = [("SCAN", node) for node in table["node"] if node["name"] in ("superior", "middle", "inferior", "SMA")]
    wanted += [(effector["name"], effector) for effector in table["effector"]]
    for network, place in wanted:
        for side in HEMISPHERES:
            rows = prior.grayordinates.rows(side)
            points = template.surface(side).vertices[prior.grayordinates.vertices(side)]
            nearest = np.linalg.norm(points - np.array(place[side]), axis=1).argmin()
            assert prior.names[winner[rows][nearest]] == network, (network, place, side)


def test_prior_fingerprints_are_parcel_means_without_the_parcel_itself(prior, template):
    fc, parcel = files.schaefer_fc(400)
    assert prior.fingerprint is not None
    network, row = prior.index("AMN"), int(np.flatnonzero(parcel == 57)[0])
    weights = np.array([prior.probability[network][parcel == k].sum() for k in range(1, 401)], dtype=float)
    weights[56] = 0
    assert prior.fingerprint[network, row] == pytest.approx((weights @ fc[:, 56]) / weights.sum(), abs=1e-4)


def test_discriminant_equals_scikit_learn():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(3), 200)
    values = rng.standard_normal((600, 4)) @ rng.standard_normal((4, 4)) + 0.8 * rng.standard_normal((3, 4))[group]
    hard = (group == np.arange(3)[:, None]).astype(float)
    rows = iterative.Rows(values.T.astype(np.float32), np.ones(600, dtype=bool), arrays.device())
    score = rows.discriminate(hard, hard, 1e-12)
    reference = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(3, 1 / 3)).fit(values, group)
    expected = reference.predict_log_proba(values).T
    np.testing.assert_allclose(score - score[0], expected - expected[0], atol=1e-4)


def test_only_shaping_rows_shape_and_shrinkage_goes_to_a_multiple_of_the_identity():
    rng = np.random.default_rng(4)
    values = rng.standard_normal((5, 90)).astype(np.float32)
    shaping = np.arange(90) < 60
    hard = (np.arange(90) % 3 == np.arange(3)[:, None]) * shaping.astype(float)
    score = iterative.Rows(values, shaping, arrays.device()).discriminate(hard, hard, 0.4)
    some = values[:, :60].astype(np.float64)
    means = np.stack([some[:, np.arange(60) % 3 == k].mean(axis=1) for k in range(3)])
    away = some - means[np.arange(60) % 3].T
    within = away @ away.T / 60
    within = 0.6 * within + 0.4 * np.trace(within) / 5 * np.eye(5)
    for row in (0, 61, 89):
        for k in range(3):
            gap = values[:, row] - means[k]
            other = values[:, row] - means[0]
            expected = -0.5 * (gap @ np.linalg.solve(within, gap) - other @ np.linalg.solve(within, other))
            assert score[k, row] - score[0, row] == pytest.approx(expected, abs=1e-4)


def test_principal_axes_keep_what_varies_most_on_the_cortex(prior, template):
    """With as many axes as there are dimensions nothing changes; a planted rank-3 series needs three."""
    axis = prior.grayordinates
    rng = np.random.default_rng(5)
    planted = (rng.standard_normal((60, 3)) @ rng.standard_normal((3, len(axis)))).astype(np.float32)
    basis = signal.compress(Timeseries(planted, axis, 2.0))
    task = iterative.prepare(basis, prior)
    settings = networks.IterativeSettings(max_dimensions=2)
    cut = iterative.Iteration(task, None, settings, arrays.device()).pooled
    value = np.linalg.svd(basis.data.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(cut.astype(np.float64), compute_uv=False), value[:2], rtol=1e-4)


def test_mapping_recovers_a_person_who_differs_from_the_prior(prior, template):
    """The truth is the prior's winner map shifted along the strip: the map must follow the data, not the prior."""
    axis = prior.grayordinates
    truth = shifted_truth(prior, template)
    series = simulated(truth, axis, n_frames=150, noise=3.0)
    made = networks.map_iterative(signal.compress(series), prior, template)
    start = prior.keys[prior.probability.argmax(axis=0)]
    for network in ("SCAN", "AMN"):
        key = made.key(network)
        before, after = dice(start == key, truth == key), dice(made.label == key, truth == key)
        assert before < 0.75
        assert after > 0.9
    np.testing.assert_allclose(made.probability.sum(axis=0), 1, atol=1e-4)
    assert (made.confidence >= 0).all() and (made.confidence <= 1).all()


def shifted_truth(prior, template):
    """Take each row's network from the row 8 mm further forward and down."""
    from scipy.spatial import cKDTree

    winner = prior.keys[prior.probability.argmax(axis=0)]
    truth = np.zeros(len(winner), dtype=np.int64)
    for side in HEMISPHERES:
        rows = prior.grayordinates.rows(side)
        points = template.surface(side).vertices[prior.grayordinates.vertices(side)]
        truth[rows] = winner[rows][cKDTree(points).query(points + np.array([0, 6, -6]))[1]]
    return truth


def test_mapping_ignores_scale_and_leaves_dropout_and_lesion_empty(prior, template):
    axis = prior.grayordinates
    truth = prior.keys[prior.probability.argmax(axis=0)]
    series = simulated(truth, axis, n_frames=60, noise=2.0)
    data = series.data.copy()
    data[:, 100:300] = 0
    lesion = np.zeros(len(axis), dtype=bool)
    lesion[500:900] = True
    settings = networks.IterativeSettings(max_iterations=2)
    first = networks.map_iterative(
        signal.compress(replace(series, data=data)), prior, template, settings=settings, exclude=lesion
    )
    scaled = replace(series, data=data * 7.0 + 3.0 * (data != 0))
    second = networks.map_iterative(signal.compress(scaled), prior, template, settings=settings, exclude=lesion)
    assert np.array_equal(first.label, second.label)
    for empty in (slice(100, 300), slice(500, 900)):
        assert not first.label[empty].any()
        assert not first.probability[:, empty].any()
        assert not first.confidence[empty].any()
    assert (first.label[1000:] > 0).all()


def test_mapping_does_not_depend_on_the_order_of_networks(prior, template):
    order = np.random.default_rng(3).permutation(len(prior.names))
    shuffled = Prior(
        tuple(prior.names[i] for i in order),
        prior.keys[order],
        prior.colours[order],
        prior.probability[order],
        prior.grayordinates,
    )
    truth = prior.keys[prior.probability.argmax(axis=0)]
    series = simulated(truth, prior.grayordinates, n_frames=60, noise=3.0)
    settings = networks.IterativeSettings(max_iterations=2)
    one = networks.map_iterative(signal.compress(series), prior, template, settings=settings)
    other = networks.map_iterative(signal.compress(series), shuffled, template, settings=settings)
    assert (one.label == other.label).mean() > 0.9999
    np.testing.assert_allclose(one.probability[order], other.probability, atol=1e-3)


def test_mapping_refuses_a_prior_on_other_rows(prior, template):
    small = replace(prior.grayordinates, left=prior.grayordinates.left[:-1])
    series = Timeseries(np.random.default_rng(0).standard_normal((50, 59411)).astype(np.float32), small, 1.0)
    with pytest.raises(PriorError, match="59412 rows and the series 59411"):
        networks.map_iterative(signal.compress(series), prior, template)


def test_mapping_refuses_series_without_signal(prior, template):
    constant = Timeseries(np.ones((50, 59412), dtype=np.float32), prior.grayordinates, 1.0)
    with pytest.raises(SignalError, match="no grayordinate varies"):
        networks.map_iterative(signal.compress(constant), prior, template)


@pytest.mark.parametrize(
    "wrong", [{"prior_weight": -1}, {"evidence_weight": 0}, {"max_iterations": 0}, {"prior_floor": 1}]
)
def test_settings_out_of_bounds(wrong):
    with pytest.raises(OptionError):
        networks.IterativeSettings(**wrong)


def as_map(prior, label) -> NetworkMap:
    """Make a map of given labels, sure of itself everywhere."""
    sure = np.ones(len(label), np.float32)
    return NetworkMap(
        prior.names, prior.keys, prior.colours, prior.probability, label, sure, prior.grayordinates, "test"
    )


def spotted_map(prior, template) -> tuple[NetworkMap, np.ndarray]:
    """The prior's own map with 40 single vertices flipped to another network."""
    label = prior.keys[prior.probability.argmax(axis=0)].copy()
    made = as_map(prior, label)
    cleaned = networks.clean_pieces(made, template, min_area_mm2=60)
    flipped = np.arange(2000, 22000, 500)
    label = cleaned.label.copy()
    label[flipped] = np.where(label[flipped] == 7, 8, 7)
    return replace(cleaned, label=label), flipped


def test_cleaning_removes_spots_and_leaves_no_small_piece(prior, template):
    spotted, flipped = spotted_map(prior, template)
    cleaned = networks.clean_pieces(spotted, template, min_area_mm2=30)
    assert (cleaned.label[flipped] != spotted.label[flipped]).mean() > 0.9
    for side in HEMISPHERES:
        surface = template.surface(side)
        graph, area = adjacency(surface.faces, surface.n_vertices), vertex_areas(surface)
        mesh = cleaned.grayordinates.to_mesh(cleaned.label, side)
        for piece in naive_pieces(mesh, graph):
            borders = set(np.unique(mesh[graph[piece].indices])) - {0, mesh[piece[0]]}
            assert area[piece].sum() >= 30 or not borders
    again = networks.clean_pieces(cleaned, template, min_area_mm2=30)
    assert np.array_equal(again.label, cleaned.label)


def naive_pieces(mesh, graph):
    """Flood fill, one vertex at a time."""
    seen = mesh == 0
    for start in range(len(mesh)):
        if seen[start]:
            continue
        piece, front = [start], [start]
        seen[start] = True
        while front:
            vertex = front.pop()
            for other in graph.indices[graph.indptr[vertex] : graph.indptr[vertex + 1]]:
                if not seen[other] and mesh[other] == mesh[vertex]:
                    seen[other] = True
                    piece.append(int(other))
                    front.append(int(other))
        yield np.array(piece)


def test_nodes_of_the_prior_lie_at_the_published_points(prior, template):
    label = prior.keys[prior.probability.argmax(axis=0)]
    made = as_map(prior, label)
    nodes = networks.scan_nodes(made, template, template)
    published = {f"SCAN {node['name']}": node for node in facts.load("scan")["node"]}
    assert [(n.name, n.hemisphere) for n in nodes] == [
        (f"SCAN {name}", side) for side in HEMISPHERES for name in ("superior", "middle", "inferior", "SMA")
    ]
    for node in nodes:
        assert np.linalg.norm(node.centre_mni - np.array(published[node.name][node.hemisphere])) < 6
        assert (node.centre_ras[0] < 0) == (node.hemisphere == "L")
        assert node.area_mm2 == pytest.approx(vertex_areas(template.surface(node.hemisphere))[node.vertices].sum())


def test_nodes_that_run_together_are_told_apart(prior, template):
    """One SCAN band from superior to inferior still gives three nodes."""
    label = prior.keys[prior.probability.argmax(axis=0)].copy()
    label[np.isin(label, [3, 4, 5])] = 1
    made = as_map(prior, label)
    names = [node.name for node in networks.scan_nodes(made, template, template) if node.hemisphere == "L"]
    assert {"SCAN superior", "SCAN middle", "SCAN inferior"} <= set(names)
    members = [node.vertices for node in networks.scan_nodes(made, template, template) if node.hemisphere == "L"]
    assert len(np.unique(np.concatenate(members))) == sum(map(len, members))


def test_amn_regions_come_from_the_listed_areas(prior, template):
    from actionloop.pipeline.priors import area_names

    label = prior.keys[prior.probability.argmax(axis=0)]
    made = as_map(prior, label)
    area = area_names()
    regions = networks.amn_regions(made, template, template, area=area)
    assert {"AMN dACC", "AMN insula", "AMN inferior parietal", "AMN pars marginalis"} <= {r.name for r in regions}
    listed = {region["name"]: region["areas"] for region in facts.load("regions")["region"]}
    for region in regions:
        mesh_area = prior.grayordinates.to_mesh(area, region.hemisphere, fill="")
        name = region.name.removeprefix("AMN ").rstrip("0123456789 ")
        assert set(mesh_area[region.vertices]) <= set(listed[name])


def test_unknown_network_is_named():
    with pytest.raises(ActionloopError, match="no network 'moon'"):
        Prior(("SCAN",), np.array([1]), np.zeros((1, 3)), np.ones((1, 4), np.float32), tiny_axis()).index("moon")


def tiny_axis():
    from actionloop.types import Grayordinates

    return Grayordinates(np.array([0, 1]), np.array([0, 1]), 10)
