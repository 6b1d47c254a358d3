"""Mapping by communities: graph, partition by the real program, pieces and labels against naive versions."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.rows import Near, axis

from actionloop import arrays, files, signal
from actionloop.brain import adjacency, connected_pieces, vertex_areas
from actionloop.errors import OptionError, PriorError, ResourceError, SignalError
from actionloop.networks import communities, graph, infomap, partition
from actionloop.networks.graph import strongest_partners
from actionloop.networks.infomap import InfomapSettings, map_infomap
from actionloop.networks.task import prepare
from actionloop.signal.stream import correlation_blocks
from actionloop.types import Basis, Grayordinates, Prior, Timeseries

NAMES = ("SCAN", "AMN", "hand", "visual")


def person(rows: Grayordinates, *, frames: int = 150, noise: float = 1.0) -> tuple[Timeseries, Prior, np.ndarray]:
    """Make a scan with four networks and a prior that knows most of them; row 11 is constant."""
    rng = np.random.default_rng(0)
    n = len(rows)
    network = rng.integers(0, len(NAMES), n)
    data = rng.standard_normal((frames, len(NAMES)))[:, network] + noise * rng.standard_normal((frames, n)) + 70
    data[:, 11] = 70
    belongs = network == np.arange(len(NAMES))[:, None]
    template = (0.3 * belongs + rng.normal(0, 0.2, (len(NAMES), n))).astype(np.float32)
    probability = (0.2 + 0.2 * belongs).astype(np.float32)
    prior = Prior(NAMES, np.arange(1, 5) * 2, np.eye(4, 3), probability, rows, template)
    return Timeseries(data.astype(np.float32), rows, 0.8), prior, network


def naive_partners(basis: Basis, valid: np.ndarray, near: np.ndarray, k: int) -> list[list[int]]:
    """Partners of each row by sorting its whole row."""
    r = basis.data.T @ basis.data
    r = np.triu(r, 1) + np.triu(r, 1).T
    cortex = np.arange(len(valid)) < basis.grayordinates.n_cortex
    r[near | ~np.outer(valid, valid) | ~(cortex[:, None] | cortex)] = 0
    return [[int(j) for j in np.lexsort((np.arange(len(valid)), -row))[:k] if row[j] > 0] for row in r]


@pytest.mark.parametrize("shape", [(70, 60, 0), (50, 40, 45)])
@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize("n_rows", [1, 30, 10_000])
def test_partners_and_edges_are_those_of_the_sorted_matrix(monkeypatch, shape, near, n_rows):
    monkeypatch.setattr(graph, "correlation_blocks", partial(correlation_blocks, block_bytes=n_rows * sum(shape) * 4))
    series, _, _ = person(axis(*shape))
    basis = signal.compress(series)
    n = sum(shape)
    nearby = Near(n, 0.15) if near else None
    valid = basis.valid.copy()
    valid[60:63] = False
    found = strongest_partners(basis, 20, valid=valid, nearby=nearby)
    expected = naive_partners(basis, valid, nearby.matrix if nearby else np.eye(n, dtype=bool), 20)
    r = basis.data.T.astype(float) @ basis.data
    chosen = [[j for j in row if j >= 0] for row in found.partner.tolist()]
    for i, (ours, theirs) in enumerate(zip(chosen, expected, strict=True)):
        assert len(ours) == len(theirs)
        np.testing.assert_allclose(r[i, ours], r[i, theirs], atol=1e-6)  # rounding may exchange partners that tie
    assert sum(ours == theirs for ours, theirs in zip(chosen, expected, strict=True)) > 0.95 * n
    expected = chosen
    for k in (1, 7, 20):
        one, other, weight = found.edges(k)
        pairs = {(min(i, j), max(i, j)) for i, row in enumerate(expected) for j in row[:k]}
        assert len(one) == len(pairs)
        assert {(min(i, j), max(i, j)) for i, j in zip(one.tolist(), other.tolist(), strict=True)} == pairs
        np.testing.assert_allclose(weight, r[one, other], atol=1e-6)


def test_equal_partners_come_by_row_and_lists_may_stay_short():
    """Four identical rows, two of the opposite sign: nobody gets a partner with r below 0."""
    data = np.array([[1, 1, 1, 1, -1, -1]], dtype=np.float32)
    basis = Basis(data, axis(3, 3), np.ones(6, bool), 9, 1.0, 0.0)
    for device in (None, arrays.device("torch")):
        found = strongest_partners(basis, 3, valid=basis.valid, device=device)
        assert found.partner.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [5, -1, -1], [4, -1, -1]]
        one, other, _ = found.edges(2)
        assert sorted(zip(one.tolist(), other.tolist(), strict=True)) == [
            (0, 1),
            (0, 2),
            (1, 2),
            (3, 0),
            (3, 1),
            (4, 5),
        ]


# Zachary 1977, J Anthropol Res 33:452; members from 1.
KARATE = {
    1: (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 20, 22, 32),
    2: (3, 4, 8, 14, 18, 20, 22, 31),
    3: (4, 8, 9, 10, 14, 28, 29, 33),
    4: (8, 13, 14),
    5: (7, 11),
    6: (7, 11, 17),
    7: (17,),
    9: (31, 33, 34),
    10: (34,),
    14: (34,),
    15: (33, 34),
    16: (33, 34),
    19: (33, 34),
    20: (34,),
    21: (33, 34),
    23: (33, 34),
    24: (26, 28, 30, 33, 34),
    25: (26, 28, 32),
    26: (32,),
    27: (30, 34),
    28: (34,),
    29: (32, 34),
    30: (33, 34),
    31: (33, 34),
    32: (33, 34),
    33: (34,),
}
KARATE_COMMUNITIES = "2222333212322211321212111111111111"


def karate() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = np.array([(i - 1, j - 1) for i, row in KARATE.items() for j in row])
    return pairs[:, 0], pairs[:, 1], np.full(len(pairs), 0.5)


def codelength(edges: tuple[np.ndarray, np.ndarray, np.ndarray], module: np.ndarray) -> float:
    """Bits of the map equation in two levels (Rosvall & Bergstrom 2008)."""
    one, other, weight = edges
    flow = np.bincount(np.concatenate([one, other]), np.concatenate([weight, weight])) / (2 * weight.sum())
    crosses = module[one] != module[other]
    leaves = [
        weight[crosses & ((module[one] == m) | (module[other] == m))].sum() / (2 * weight.sum())
        for m in np.unique(module)
    ]
    inside = [flow[module == m].sum() for m in np.unique(module)]

    def plogp(values):
        values = np.asarray(values, dtype=float)
        return (values[values > 0] * np.log2(values[values > 0])).sum()

    return (
        plogp([sum(leaves)])
        - 2 * plogp(leaves)
        - plogp(flow)
        + plogp([a + b for a, b in zip(leaves, inside, strict=True)])
    )


def same_groups(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


@pytest.fixture
def clean_folder(tmp_path, monkeypatch):
    """Where temporary folders are made; empty again afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def test_the_program_divides_a_known_graph_as_expected(clean_folder):
    """The optimum known for this graph: three communities at 4.3118 bits."""
    found = partition.partition(karate(), 34, trials=10, seed=1)
    expected = np.array([int(letter) for letter in KARATE_COMMUNITIES])
    assert same_groups(found, expected)
    assert codelength(karate(), found) == pytest.approx(4.3118, abs=1e-4)
    assert codelength(karate(), np.where(np.arange(34) < 17, 1, 2)) > 4.33


def test_planted_communities_rows_without_edges_and_weights(clean_folder):
    """Strong edges inside twelve groups of twenty, weaker ones between; rows from 240 on have none."""
    rng = np.random.default_rng(8)
    group = rng.permutation(np.repeat(np.arange(12), 20))
    one, other = np.triu_indices(240, 1)
    inside = group[one] == group[other]
    kept = rng.random(len(one)) < np.where(inside, 0.5, 0.05)
    weight = np.where(inside, 0.8, 0.2).astype(np.float32)
    edges = (one[kept].astype(np.int32), other[kept].astype(np.int32), weight[kept])
    found = partition.partition(edges, 250, trials=3, seed=4)
    assert same_groups(found[:240], group)
    assert set(found[:240]) == set(range(1, 13)) and not found[240:].any()
    np.testing.assert_array_equal(partition.partition(edges, 250, trials=3, seed=4), found)
    # Without their weights the groups drown in the edges between them.
    dense = kept | (rng.random(len(one)) < 0.5)
    even = (one[dense], other[dense], np.full(int(dense.sum()), 0.5, dtype=np.float32))
    assert not same_groups(partition.partition(even, 240, trials=3, seed=4), group)
    graded = (one[dense], other[dense], np.where(inside, 0.9, 0.01)[dense])
    assert same_groups(partition.partition(graded, 240, trials=3, seed=4), group)


def test_trials_side_by_side_give_what_trials_in_turn_give(monkeypatch):
    rng = np.random.default_rng(1)
    edges = (*np.nonzero(np.triu(rng.random((120, 120)) < 0.1, 1)), None)
    edges = (edges[0], edges[1], rng.random(len(edges[0])) + 0.01)
    found = partition.partition(edges, 120, trials=6, seed=2)
    monkeypatch.setattr(partition, "_MEMORY", 0)
    np.testing.assert_array_equal(partition.partition(edges, 120, trials=6, seed=2), found)


def test_a_graph_without_edges_and_programs_missing_or_failing(clean_folder, monkeypatch):
    empty = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))
    with pytest.raises(SignalError, match="no edges"):
        partition.partition(empty, 10, trials=1, seed=1)
    monkeypatch.setattr(partition, "find_program", lambda: sys.executable)
    with pytest.raises(ResourceError, match="failed") as failed:
        partition.partition(karate(), 34, trials=1, seed=1)
    assert failed.value.where == sys.executable
    monkeypatch.undo()
    monkeypatch.setattr(partition.shutil, "which", lambda *_, **__: None)
    series, prior, _ = person(axis(30, 30))
    with pytest.raises(ResourceError, match="infomap") as missing:
        map_infomap(signal.compress(series), prior, None)
    assert 'pip install "actionloop[communities]"' in str(missing.value)


def test_small_communities_are_dropped_and_the_others_numbered():
    community = np.array([0, 1, 1, 1, 2, 3, 3, 3, 3, 5, 5])
    assert communities.drop_small(community, min_rows=3).tolist() == [0, 1, 1, 1, 0, 2, 2, 2, 2, 0, 0]
    assert communities.drop_small(community, min_rows=1).tolist() == [0, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4]
    assert communities.drop_small(np.zeros(3, dtype=int), min_rows=1).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(60, 50, 0), (40, 30, 50)])
def test_scores_are_those_of_the_formula(monkeypatch, shape):
    monkeypatch.setattr(communities, "_TOGETHER", 3)
    series, prior, _ = person(axis(*shape))
    rng = np.random.default_rng(2)
    template = prior.fingerprint.copy()
    template[:, 20:24] = 0
    prior = replace(prior, fingerprint=template, probability=rng.dirichlet(np.ones(4), sum(shape)).T.astype(np.float32))
    task = prepare(signal.compress(series), prior)
    community = rng.integers(0, 8, sum(shape))
    community[11] = 0
    score = communities.score_communities(task, community, template)
    valid = np.arange(sum(shape)) != 11
    r = np.zeros((sum(shape), sum(shape)))
    r[np.ix_(valid, valid)] = np.corrcoef(series.data[:, valid].astype(float).T)
    columns = valid & template.any(axis=0) & (np.arange(sum(shape)) < shape[0] + shape[1])
    assert score.shape == (7, 4)
    for c in range(7):
        inside = community == c + 1
        for k in range(4):
            likeness = np.corrcoef(r[inside][:, columns].mean(axis=0), template[k, columns])[0, 1]
            assert score[c, k] == pytest.approx(likeness * prior.probability[k, inside].mean(), abs=2e-4)
    share = communities.shares(score)
    positive = np.where(score > 0, score, 0)
    np.testing.assert_allclose(share * positive.sum(axis=1, keepdims=True), positive, atol=1e-12)
    np.testing.assert_allclose(share.sum(axis=1), (positive.sum(axis=1) > 0).astype(float))


def test_the_table_tells_label_confidence_and_runners_up():
    series, prior, _ = person(axis(20, 20))
    score = np.array([[0.1, 0.5, 0.2, 0.25], [-0.3, -0.1, -0.2, -0.4], [0.3, -0.1, -0.2, -0.4]])
    community = np.repeat([0, 1, 2, 3], [10, 12, 8, 10])
    table = communities.describe(prepare(signal.compress(series), prior), community, score, density=0.01)
    assert table[0] == {
        "density": 0.01,
        "id": 1,
        "rows": 12,
        "label": "AMN",
        "score": 0.5,
        "confidence": 1.0,
        "runners_up": [
            {"label": "visual", "score": 0.25},
            {"label": "hand", "score": 0.2},
            {"label": "SCAN", "score": 0.1},
        ],
    }
    assert table[1]["label"] is None and table[1]["score"] == -0.1 and table[1]["rows"] == 8
    assert table[2]["label"] == "SCAN" and table[2]["confidence"] is None
    assert json.loads(json.dumps(table)) == table
    assert not communities.shares(score)[1].any()


OPTIONS = {"density": 0.03, "densities": (0.02, 0.03, 0.05), "trials": 2}


@pytest.mark.parametrize("choice", ["density", "consensus"])
def test_networks_of_a_made_person_are_found(choice):
    series, prior, network = person(axis(160, 140, 60))
    found = map_infomap(signal.compress(series), prior, None, settings=InfomapSettings(choice=choice, **OPTIONS))
    assigned = found.label > 0
    assert assigned.mean() > 0.95
    np.testing.assert_array_equal(found.label[assigned], prior.keys[network][assigned])
    assert found.label[11] == 0 and found.measure == "share of the score"
    np.testing.assert_allclose(found.probability.sum(axis=0)[assigned], 1, atol=1e-5)
    table = json.loads(json.dumps(found.settings))["communities"]
    assert {row["density"] for row in table} == ({0.03} if choice == "density" else {0.02, 0.03, 0.05})
    if choice == "density":
        assert sum(row["rows"] for row in table) == assigned.sum()
        sizes = {name: sum(row["rows"] for row in table if row["label"] == name) for name in NAMES}
        assert sizes == {name: int((found.label == found.key(name)).sum()) for name in NAMES}
    assert "infomap" not in sys.modules


def test_the_consensus_is_the_mean_over_densities_with_a_community():
    series, prior, _ = person(axis(120, 100), noise=2.0)
    basis = signal.compress(series)
    options = {**OPTIONS, "min_rows": 4}
    each = [
        map_infomap(basis, prior, None, settings=InfomapSettings(**{**options, "density": density})).probability
        for density in (0.02, 0.03, 0.05)
    ]
    found = map_infomap(basis, prior, None, settings=InfomapSettings(choice="consensus", **options))
    present = np.sum([one.any(axis=0) for one in each], axis=0)
    assert len(set(present)) > 1
    np.testing.assert_allclose(found.probability, np.sum(each, axis=0) / np.maximum(present, 1), atol=1e-6)


def test_order_of_rows_scale_and_exclusion():
    series, prior, _ = person(axis(200, 0))
    settings = InfomapSettings(**OPTIONS)
    expected = map_infomap(signal.compress(series), prior, None, settings=settings)
    order = np.random.default_rng(5).permutation(200)
    turned = replace(prior, fingerprint=prior.fingerprint[:, order] * 3, probability=prior.probability[:, order])
    louder = replace(series, data=series.data[:, order] * np.float32(4))
    found = map_infomap(signal.compress(louder), turned, None, settings=settings)
    np.testing.assert_array_equal(found.label, expected.label[order])
    exclude = np.arange(200) < 60
    found = map_infomap(signal.compress(series), prior, None, settings=settings, exclude=exclude)
    assert not found.label[exclude].any() and found.label[~exclude].any()
    assert sum(row["rows"] for row in found.settings["communities"]) <= 140


def test_bad_input_is_refused():
    bad = (
        {"choice": "mode"},
        {"density": 0},
        {"choice": "consensus", "densities": ()},
        {"trials": 0},
        {"seed": 0},
        {"min_rows": 0},
        {"exclusion_mm": -1},
        {"reach_mm": np.inf},
    )
    for options in bad:
        with pytest.raises(OptionError):
            InfomapSettings(**options)
    series, prior, _ = person(axis(30, 30))
    with pytest.raises(PriorError, match="templates"):
        map_infomap(signal.compress(series), replace(prior, fingerprint=None), None)
    # Five rows whose correlations are all negative.
    data = (np.eye(5) - 0.2).astype(np.float32)
    data /= np.linalg.norm(data, axis=0)
    rows = axis(3, 2)
    basis = Basis(data, rows, np.ones(5, dtype=bool), 9, 1.0, 0.0)
    small = Prior(
        NAMES, prior.keys, prior.colours, np.full((4, 5), 0.25), rows, np.random.default_rng(0).random((4, 5))
    )
    with pytest.raises(SignalError, match="no edges"):
        map_infomap(basis, small, None)


@pytest.fixture(scope="module")
def template():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    return files.template_anatomy()


def test_pieces_are_dropped_and_gaps_filled_from_the_nearest_row(template):
    """Left cortex in three bands with holes and specks, against pieces and paths taken one by one."""
    from scipy.sparse.csgraph import dijkstra

    rows = files.template_grayordinates()
    surface = template.surface("L")
    rng = np.random.default_rng(0)
    y = surface.vertices[:, 1]
    mesh = np.digitize(y, np.quantile(y, [0.3, 0.6])) + 1
    mesh[rng.choice(len(mesh), 400)] = 4  # specks
    mesh[np.linalg.norm(surface.vertices - surface.vertices[9000], axis=1) < 20] = 0
    mesh[np.linalg.norm(surface.vertices - surface.vertices[20000], axis=1) < 12] = 5
    community = np.zeros(len(rows), dtype=np.int64)
    community[rows.rows("L")] = mesh[rows.left]
    valid = np.ones(len(rows), dtype=bool)
    valid[100:130] = False
    community[~valid] = 0
    found = communities.tidy(community, rows, template, valid=valid, min_piece_mm2=50, reach_mm=9)
    mesh = rows.to_mesh(community, "L")
    friends, area_mm2 = adjacency(surface.faces, surface.n_vertices), vertex_areas(surface)
    kept = mesh.copy()
    for key in range(1, 6):
        for piece in connected_pieces(mesh == key, friends):
            if area_mm2[piece].sum() < 50:
                kept[piece] = 0
    assert (kept == 0).sum() > (mesh == 0).sum() and (kept == 5).any() and not (kept == 4).all()
    after = rows.to_mesh(found, "L")
    np.testing.assert_array_equal(after[kept > 0], kept[kept > 0])
    holes = rows.left[(kept[rows.left] == 0) & valid[rows.rows("L")]]
    lengths = communities._edge_lengths(surface)
    for vertex in rng.choice(holes, 60, replace=False):
        distance = dijkstra(lengths, indices=vertex)
        distance[kept == 0] = np.inf
        nearest = distance.min()
        allowed = set(kept[distance <= nearest + 1e-9]) if nearest <= 9 else {0}
        assert after[vertex] in allowed
    assert (after[holes] == 0).any() and (after[holes] > 0).any()
    assert not found[~valid].any() and not found[rows.rows("R")].any()


def test_rows_that_stand_for_parcels_keep_their_communities(template):
    rows = files.template_grayordinates()
    sparse = Grayordinates(rows.left[::97], rows.right[::97])
    community = np.arange(len(sparse)) % 3 + 1
    valid = np.ones(len(sparse), dtype=bool)
    found = communities.tidy(community, sparse, template, valid=valid, min_piece_mm2=50, reach_mm=50)
    np.testing.assert_array_equal(found, community)


def test_near_pairs_make_no_edge_on_the_real_surface(template, monkeypatch):
    """Every sixtieth row; where all of the brain is near there is no edge."""
    rows = files.template_grayordinates()
    sparse = Grayordinates(rows.left[::60], rows.right[::60])
    series, prior, network = person(sparse)
    basis = signal.compress(series)
    settings = InfomapSettings(**{**OPTIONS, "exclusion_mm": 30.0})
    found = map_infomap(basis, prior, template, settings=settings)
    assert (found.label == prior.keys[network]).mean() > 0.9
    given = []
    monkeypatch.setattr(infomap, "partition", lambda edges, *_, **__: given.append(edges) or network + 1)
    map_infomap(basis, prior, template, settings=settings)
    map_infomap(basis, prior, None, settings=settings)
    place = np.concatenate([template.surface(side).vertices[sparse.vertices(side)] for side in ("L", "R")])
    straight = [np.linalg.norm(place[one] - place[other], axis=1) for one, other, _ in given]
    assert straight[1].min() < 10
    left = len(sparse.left)
    crossing = (given[0][0] < left) != (given[0][1] < left)
    assert straight[0][crossing].min() > 30
    monkeypatch.undo()
    monkeypatch.setattr(infomap, "Nearby", lambda *_, **__: Near(len(sparse), 2.0))  # everything is near
    with pytest.raises(SignalError, match="no edges"):
        map_infomap(basis, prior, template, settings=settings)
