"""Many people's maps: counts, scatter and hits against naive versions and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tests.rows import axis

from actionloop import files
from actionloop.atlas.hits import FixedSite, left_out_chance, place_site, rate, site_chances
from actionloop.atlas.matching import ABSENT, island_centres, node_centres
from actionloop.atlas.probability import MapCounts
from actionloop.atlas.scatter import left_out_places, principal_directions, scatter
from actionloop.brain import Geodesic, unfolded
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError, ResourceError
from actionloop.types import Grayordinates, NetworkMap, Piece

NAMES, KEYS = ("SCAN", "AMN", "hand"), np.array([18, 9, 10])


def network_map(rows: Grayordinates, label: np.ndarray, *, names=NAMES, keys=KEYS) -> NetworkMap:
    return NetworkMap(
        names=names,
        keys=np.asarray(keys),
        colours=np.zeros((len(names), 3)),
        probability=(label == np.asarray(keys)[:, None]).astype(np.float32),
        label=label,
        confidence=np.zeros(len(label), dtype=np.float32),
        grayordinates=rows,
        method="given",
    )


def crowd(n: int = 12, seed: int = 0, rows: int = 40):
    """Random labels, some rows of each person without data, some with data and no network."""
    rng = np.random.default_rng(seed)
    label = rng.choice([0, 18, 9, 10], size=(n, rows), p=[0.1, 0.5, 0.3, 0.1])
    valid = rng.random((n, rows)) > 0.15
    valid[:, 3] = False
    label[:, 5], valid[:, 5] = 9, True
    return label, valid


def counted(label, valid, rows) -> MapCounts:
    counts = MapCounts.like(network_map(rows, label[0]))
    for own, have in zip(label, valid, strict=True):
        counts.add(network_map(rows, own), valid=have)
    return counts


# Probability


def test_an_atlas_is_that_of_all_maps_at_once():
    rows = axis(20, 20)
    label, valid = crowd()
    found = counted(label, valid, rows).result()
    for row in range(40):
        own = label[valid[:, row], row]
        assert found.with_data[row] == len(own)
        if not len(own):
            assert np.isnan(found.agreement[row]) and np.isnan(found.entropy_bits[row]) and found.label[row] == 0
            continue
        shares = np.array([(own == key).mean() for key in (*KEYS, 0)])
        np.testing.assert_allclose(found.probability[:, row], shares[:3], atol=1e-6)
        np.testing.assert_allclose(found.unassigned[row], shares[3], atol=1e-6)
        np.testing.assert_allclose(found.entropy_bits[row], stats.entropy(shares, base=2), atol=1e-6)
        np.testing.assert_allclose(found.agreement[row], shares.max(), atol=1e-6)
        even = np.bincount(np.arange(len(own)) % 4, minlength=4)
        np.testing.assert_allclose(
            found.entropy_share[row], stats.entropy(shares, base=2) / stats.entropy(even, base=2), atol=1e-6
        )
        assert found.label[row] in (0, *KEYS[shares[:3] == shares[:3].max()])
        assert (found.label[row] == 0) == (shares[3] > shares[:3].max())
    assert found.people == 12 and found.entropy_bits[5] == 0 and found.label[5] == 9
    assert np.nanmax(found.entropy_share) <= 1 + 1e-6


def test_order_of_people_rows_and_networks_does_not_matter():
    rows = axis(20, 20)
    label, valid = crowd()
    found = counted(label, valid, rows).result()
    order = np.random.default_rng(1).permutation(12)
    again = counted(label[order], valid[order], rows).result()
    np.testing.assert_array_equal(again.probability, found.probability)
    shuffled = np.random.default_rng(2).permutation(40)
    moved = counted(label[:, shuffled], valid[:, shuffled], rows).result()
    np.testing.assert_array_equal(moved.entropy_bits, found.entropy_bits[shuffled])
    counts = MapCounts.like(network_map(rows, label[0]))
    other = {18: 1, 9: 2, 10: 3, 0: 0}
    for own, have in zip(label, valid, strict=True):
        renamed = np.vectorize(other.get)(own)
        counts.add(network_map(rows, renamed, names=("hand", "SCAN", "AMN"), keys=[3, 1, 2]), valid=have)
    np.testing.assert_array_equal(counts.result().probability, found.probability)


def test_rows_with_data_are_told_from_the_map():
    rows = axis(2, 2)
    made = network_map(rows, np.array([18, 0, 0, 9]))
    made.probability[:, 1] = 0.2
    counts = MapCounts.like(made)
    counts.add(made)
    assert counts.result().with_data.tolist() == [1, 1, 0, 1]
    assert counts.result().unassigned.tolist() == [0, 1, 0, 0]
    assert counts.result().entropy_share[0] == 0


def test_merged_and_stored_counts_are_those_of_everybody():
    rows = axis(20, 20)
    label, valid = crowd()
    whole = counted(label, valid, rows)
    first, second = counted(label[:5], valid[:5], rows), counted(label[5:], valid[5:], rows)
    second = MapCounts.from_arrays(second.arrays(), rows)
    first.merge(second)
    np.testing.assert_array_equal(first.arrays()["counts"], whole.arrays()["counts"])
    assert first.people == 12 and second.people == 7
    turned = MapCounts(rows, names=("AMN", "hand", "SCAN"), keys=np.array([9, 10, 18]), colours=np.zeros((3, 3)))
    turned.merge(whole)
    np.testing.assert_array_equal(turned.result().probability[2], whole.result().probability[0])


def test_memory_does_not_grow_with_people():
    rows = axis(20, 20)
    label, valid = crowd(30)
    sizes = [sum(one.nbytes for one in counted(label[:n], valid[:n], rows).arrays().values()) for n in (2, 30)]
    assert sizes[0] == sizes[1]


def test_maps_that_do_not_fit_are_refused_and_counts_stay():
    rows = axis(20, 20)
    label, valid = crowd(2)
    counts = counted(label, valid, rows)
    before = counts.arrays()["counts"]
    made = network_map(rows, label[0])
    with pytest.raises(GeometryError, match="41 rows, the atlas 40"):
        counts.add(network_map(axis(20, 21), np.append(label[0], 9)))
    with pytest.raises(InputError, match="only the map or only the atlas has: foot, hand"):
        counts.add(network_map(rows, label[0], names=("SCAN", "AMN", "foot")))
    with pytest.raises(InputError, match="labels without a network: 5"):
        counts.add(network_map(rows, np.full(40, 5)))
    with pytest.raises(GeometryError, match="bool mask of 40 rows"):
        counts.add(made, valid=np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="no row with data"):
        counts.add(network_map(rows, np.zeros(40, dtype=int)))
    with pytest.raises(GeometryError, match="different rows"):
        counts.merge(MapCounts.like(network_map(axis(20, 21), np.append(label[0], 9))))
    with pytest.raises(InputError, match="different networks or keys"):
        counts.merge(MapCounts(rows, names=NAMES, keys=np.array([1, 2, 3]), colours=np.zeros((3, 3))))
    with pytest.raises(InputError, match="distinct name"):
        MapCounts(rows, names=("a", "a"), keys=np.array([1, 2]), colours=np.zeros((2, 3)))
    with pytest.raises(InputError, match="at least one person"):
        MapCounts.like(made).result()
    stored = counts.arrays()
    with pytest.raises(InputError, match="people missing"):
        MapCounts.from_arrays({name: one for name, one in stored.items() if name != "people"}, rows)
    with pytest.raises(InputError, match="of more than 1 people"):
        MapCounts.from_arrays({**stored, "people": np.array(1)}, rows)
    with pytest.raises(GeometryError, match="counts of shape"):
        MapCounts.from_arrays(stored, axis(3, 3))
    np.testing.assert_array_equal(counts.arrays()["counts"], before)
    assert counts.people == 2


# Rates


def test_intervals_are_those_of_jeffreys():
    found = rate(3, 20)
    wanted = stats.beta(3.5, 17.5).ppf([0.025, 0.975])
    np.testing.assert_allclose([found.low, found.high], wanted)
    assert rate(0, 10).low == 0 and rate(10, 10).high == 1 and rate(0, 10).high < 0.3
    rng = np.random.default_rng(0)
    held = [one.low <= 0.3 <= one.high for one in (rate(int(n), 25) for n in rng.binomial(25, 0.3, 2000))]
    assert 0.91 <= np.mean(held) <= 0.99
    with pytest.raises(InputError, match="3 of 2 people"):
        rate(3, 2)
    with pytest.raises(OptionError, match="between 0 and 1"):
        rate(1, 2, level=95)


# Scatter


@pytest.fixture(scope="module")
def template():
    try:
        files.require(groups=("plan",))
    except ResourceError as error:
        pytest.skip(str(error))
    return files.template_anatomy()


def piece(name: str, side: str, vertex: int) -> Piece:
    at = np.zeros(3)
    return Piece(
        name, name.split(maxsplit=1)[0], side, np.array([vertex]), 50.0, vertex, at, at, vertex, at, at, 1.0, 1.0, 1.0
    )


def around(template, side: str, vertex: int, radius_mm: float) -> np.ndarray:
    return Geodesic(template.surface(side)).within(vertex, radius_mm)


def hand_vertex(template, side: str) -> int:
    sign = -1 if side == "L" else 1
    return int(np.linalg.norm(template.surface(side).vertices - [sign * 38, -18, 44], axis=1).argmin())


def test_nodes_are_matched_by_name_and_side():
    people = [[piece("SCAN middle", "L", 5), piece("SCAN middle", "R", 6)], [piece("SCAN middle", "R", 7)]]
    found = node_centres([*people, [piece("AMN dACC", "L", 1)]], "SCAN")
    assert {place: one.tolist() for place, one in found.items()} == {
        ("SCAN middle", "L"): [5, ABSENT, ABSENT],
        ("SCAN middle", "R"): [6, 7, ABSENT],
    }
    with pytest.raises(InputError, match="person 1 has SCAN middle L twice"):
        node_centres([[piece("SCAN middle", "L", 5), piece("SCAN middle", "L", 6)]], "SCAN")
    with pytest.raises(InputError, match="nobody to compare"):
        node_centres([], "SCAN")


def test_scatter_is_the_distance_to_where_the_others_are(template):
    rng, centre = np.random.default_rng(0), hand_vertex(template, "L")
    centres = rng.choice(around(template, "L", centre, 12.0), 7)
    with_absent = np.insert(centres, 3, ABSENT)
    found = scatter(with_absent, template, name="SCAN middle", hemisphere="L")
    surface, flat = template.surface("L"), unfolded(template, "L")
    exact, xyz = Geodesic(surface), surface.vertices[centres]
    for place, person in zip(range(7), [0, 1, 2, 4, 5, 6, 7], strict=True):
        others = np.delete(centres, place)
        mean = flat.vertices[others].mean(axis=0)
        mean *= 100 / np.linalg.norm(mean) if flat.kind == "sphere" else 1
        at = int(np.linalg.norm(flat.vertices - mean, axis=1).argmin())
        np.testing.assert_allclose(found.cortex.each_mm[person], exact.near(at, 30)[centres[place]], atol=1e-9)
        straight = np.linalg.norm(xyz[place] - surface.vertices[others].mean(axis=0))
        np.testing.assert_allclose(found.straight.each_mm[person], straight, atol=1e-9)
        assert left_out_places(with_absent, template, "L")[person] == at
    assert np.isnan(found.cortex.each_mm[3]) and found.presence.count == 7 and found.presence.people == 8
    known = found.cortex.each_mm[np.isfinite(found.cortex.each_mm)]
    assert found.cortex.median_mm == np.median(known) and found.cortex.largest_mm == np.quantile(known, 0.95)
    assert (found.cortex.median_low_mm, found.cortex.median_high_mm) == (known.min(), known.max())
    assert np.linalg.norm(found.centre_mni - surface.vertices[centre]) < 12


def test_principal_directions_are_those_of_the_points():
    rng = np.random.default_rng(1)
    turned = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    xyz = rng.standard_normal((500, 3)) * np.array([6.0, 3.0, 1.0]) @ turned.T
    spread, directions = principal_directions(xyz)
    np.testing.assert_allclose(spread, [6, 3, 1], rtol=0.1)
    np.testing.assert_allclose(np.abs(np.sum(directions * turned.T, axis=1)), 1, atol=0.01)
    mirrored, across = principal_directions(xyz * np.array([-1.0, 1, 1]))
    np.testing.assert_allclose(mirrored, spread)
    np.testing.assert_allclose(np.abs(across), np.abs(directions), atol=1e-9)


def test_islands_go_to_the_place_they_are_nearest(template):
    rng, first = np.random.default_rng(2), hand_vertex(template, "R")
    away = Geodesic(template.surface("R")).from_vertices(first)
    second = int(np.abs(away - 60).argmin())
    near = [around(template, "R", at, 6.0) for at in (first, second)]
    people, truth = [], np.full((2, 10), ABSENT)
    for person in range(10):
        own = [(place, int(rng.choice(near[place]))) for place in (0, 1) if place == 0 or person < 7]
        rng.shuffle(own)
        people.append([piece(f"AMN dlPFC {n}", "R", vertex) for n, (_, vertex) in enumerate(own, 1)])
        for place, vertex in own:
            truth[place, person] = vertex
    stray = int(np.abs(away - 110).argmin())
    people[0].append(piece("AMN dlPFC 3", "R", stray))
    found = island_centres(people, template)
    assert list(found) == [("AMN dlPFC place 1", "R"), ("AMN dlPFC place 2", "R")]
    np.testing.assert_array_equal(np.stack(list(found.values())), truth)
    with pytest.raises(EmptyRegionError, match="no place of AMN dlPFC"):
        island_centres([[piece("SCAN middle", "L", 3)]], template)


def test_scatter_that_cannot_be_measured_is_refused(template):
    with pytest.raises(EmptyRegionError, match="found in 2 people; its scatter needs 3"):
        scatter(np.array([1, 2, ABSENT]), template, name="SCAN middle", hemisphere="L")
    with pytest.raises(OptionError, match="vertex below 32492"):
        scatter(np.array([1, 2, 40_000]), template, name="SCAN middle", hemisphere="L")
    with pytest.raises(EmptyRegionError, match="needs two people"):
        left_out_places(np.array([1, ABSENT]), template, "L")


# Hits


def planted(template, rows: Grayordinates, centres: list[int], radius_mm: float) -> list[NetworkMap]:
    """People whose SCAN is one disc on the left; one person has no data there."""
    found = []
    for number, centre in enumerate(centres):
        left, right = np.full(rows.n_vertices, 9), np.full(rows.n_vertices, 9)
        left[around(template, "L", centre, radius_mm)] = 18
        label = rows.from_mesh(left, right)
        if number == 3:
            label[rows.rows("L")] = 0
        found.append(network_map(rows, label))
    return found


def test_a_place_hits_in_those_whose_network_is_there(template):
    rows, rng, centre = files.template_grayordinates(), np.random.default_rng(3), hand_vertex(template, "L")
    cortex = {"L": rows.left, "R": rows.right}
    site = place_site(template.surface("L").vertices[centre], template, name="hand knob", cortex=cortex)
    assert site.vertex == centre and site.hemisphere == "L" and site.moved_mm < 1e-9
    centres = rng.choice(np.intersect1d(around(template, "L", centre, 15.0), rows.left), 8).tolist()
    opposite = FixedSite("opposite", "R", hand_vertex(template, "R"), np.zeros(3), 0.0)
    maps = planted(template, rows, centres, 7.0)
    found = site_chances(iter(maps), [site, opposite], template, networks=["SCAN", "AMN"])
    assert [(one.site, one.network) for one in found] == [
        (name, network) for name in ("hand knob", "opposite") for network in ("SCAN", "AMN")
    ]
    exact, have = Geodesic(template.surface("L")), [n for n in range(8) if n != 3]
    away = exact.near(centre, 30.0)
    hits = [away[centres[n]] <= 7 for n in have]
    discs = [around(template, "L", centres[n], 7.0) for n in have]
    near = [away[np.intersect1d(disc, rows.left)].min() <= 5 for disc in discs]
    assert (found[0].hit.count, found[0].hit.people) == (sum(hits), 7)
    assert found[0].near.count == sum(near) and found[0].near.count >= found[0].hit.count
    assert found[1].hit.count == 7 - sum(hits)
    assert found[2].hit.count == 0 and found[3].hit.count == 8
    places = left_out_places(np.array(centres), template, "L")
    place = ("SCAN middle", "L")
    left_out = left_out_chance(iter(maps), places, template, place=place, network="SCAN", within_mm=0)
    expected = [exact.near(int(places[n]), 30.0)[centres[n]] <= 7 for n in have]
    assert left_out.hit.count == left_out.near.count == sum(expected) and left_out.hit.people == 7


def test_places_that_cannot_be_used_are_refused(template):
    rows = files.template_grayordinates()
    cortex = {"L": rows.left, "R": rows.right}
    for xyz, words in (
        ([0.0, -30, 60], "has no side"),
        ([-38.0, -18, 200], "from the nearest cortex"),
        ([-38.0, np.nan, 44], "as x, y, z"),
        ([-38.0, 44], "as x, y, z"),
    ):
        with pytest.raises(GeometryError, match=words):
            place_site(np.array(xyz), template, name="M1", cortex=cortex)
    site = FixedSite("M1", "L", hand_vertex(template, "L"), np.zeros(3), 0.0)
    with pytest.raises(OptionError, match="one site and one network"):
        site_chances([], [], template, networks=["SCAN"])
    with pytest.raises(InputError, match="nobody has data at M1 L"):
        site_chances([], [site], template, networks=["SCAN"])
    with pytest.raises(OptionError, match="0 mm or more"):
        site_chances([], [site], template, networks=["SCAN"], within_mm=-1)
    made = network_map(rows, np.full(len(rows), 9))
    given = {"place": ("M1", "L"), "network": "SCAN"}
    with pytest.raises(InputError, match="more maps than the 1 people"):
        left_out_chance([made, made], np.array([site.vertex]), template, **given)
    with pytest.raises(InputError, match="expected the maps of 2 people"):
        left_out_chance([made], np.array([site.vertex] * 2), template, **given)
