"""Chance of hitting: known truth on a plane, each kind alone, conductivities, and what is kept of resamples."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import optimize, sparse, stats
from scipy.sparse.linalg import cg

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.field.assemble import assemble_stiffness, number_nodes, voxel_nodes
from actionloop.field.coils import figure_of_eight
from actionloop.field.model import CSF, GREY, SCALP, SKULL, WHITE, HeadModel, conductivities
from actionloop.field.primary import primary_field
from actionloop.field.solver import FieldSolver
from actionloop.poses import chance, draws, hottest, tissues
from actionloop.poses.chance import Aim, estimate_chance
from actionloop.poses.draws import Spread, maps_of, published_spread, soft_maps
from actionloop.reliability import resample
from actionloop.reliability.found import Resamples
from actionloop.types import Grayordinates, NetworkMap

STEP_MM, HALF_MM, DEPTH_MM = 0.75, 24.0, 85.0
AXIS = np.arange(-HALF_MM, HALF_MM + STEP_MM / 2, STEP_MM)
PLACES = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), axis=-1).reshape(-1, 2)
AREA = np.full(len(PLACES), STEP_MM**2)
NONE = Spread(0.0, 0.0, True, 0.0, 0.0, 0.0, (0.0,) * 5)
# z into the head, which is below the plane.
POSE = np.array([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])


def bump(poses):
    """One bump under the middle of the coil, along its x; falls off by distance alone."""
    away = PLACES[None] - poses[:, None, :2, 3]
    strength = np.exp(-(away**2).sum(axis=2) / 200)
    return (strength[..., None] * poses[:, None, :3, 0]).astype(np.float32)


def disc(radius_mm, x=0.0, y=0.0):
    return ((PLACES - (x, y)) ** 2).sum(axis=1) <= radius_mm**2


def an_aim(**changed):
    target = disc(3.0)
    return Aim(
        **{
            "area_mm2": AREA,
            "side": np.ones(len(AREA), dtype=bool),
            "target": target,
            "centre_ras": np.array([0.0, 0.0, -DEPTH_MM]),
            **changed,
        }
    )


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def wide(monkeypatch):
    """The hottest 1 % of this small plane: enough vertices for a round part."""
    known = copy.deepcopy(facts.load("chance"))
    known["hit"]["percentile"] = 99.0
    monkeypatch.setattr(chance.facts, "load", lambda name: known)


def farthest_hit(hot_mm: float, radius_mm: float) -> float:
    """How far the middle of a disc may be from that of another which is to hold half of it."""

    def lens(away: float) -> float:
        r, big = hot_mm, radius_mm
        if away <= big - r:
            return 1.0
        a = r**2 * np.arccos((away**2 + r**2 - big**2) / (2 * away * r))
        b = big**2 * np.arccos((away**2 + big**2 - r**2) / (2 * away * big))
        c = np.sqrt((-away + r + big) * (away + r - big) * (away - r + big) * (away + r + big)) / 2
        return float((a + b - c) / (np.pi * r**2))

    return float(optimize.brentq(lambda away: lens(away) - 0.5, 0.1, hot_mm + radius_mm - 1e-6))


HOT_MM = float(np.sqrt(0.01 * AREA.sum() / np.pi))


@pytest.mark.parametrize(("offset_mm", "sd_mm"), [(0.0, 3.0), (3.0, 2.0), (6.0, 2.0)])
def test_chance_of_a_bump_on_a_disc_is_that_of_a_displaced_normal(wide, offset_mm, sd_mm):
    network, spread = disc(5.0, x=offset_mm), replace(NONE, position_sd_mm=sd_mm)
    reach = farthest_hit(HOT_MM, float(np.sqrt(AREA[network].sum() / np.pi)))
    expected = stats.ncx2.cdf((reach / sd_mm) ** 2, 2, max(1e-12, (offset_mm / sd_mm) ** 2))
    assert 0.05 < expected < 0.95
    shares = []
    for seed in range(4):
        found = estimate_chance(bump, POSE, an_aim(), maps_of([network]), spread=spread, n=400, rng=rng(seed))
        assert found.standard_error == pytest.approx(np.sqrt(expected * (1 - expected) / 400), rel=0.25)
        assert found.alone["placement"] == found.on_target and found.alone["registration"] == float(offset_mm < reach)
        # Draw by draw: a hit is where the coil is near enough.
        drawn = sd_mm * draws.draw(400, 1, spread, rng(seed)).placement[:, :2] * [1, -1]
        near = np.hypot(drawn[:, 0] - offset_mm, drawn[:, 1]) < reach
        assert (near != (found.shares > 0.5)).mean() < 0.03
        shares.append(found.on_target)
    assert abs(np.mean(shares) - expected) < 3 * np.sqrt(expected * (1 - expected) / 1600)


def test_registration_moves_the_coil_along_the_head_and_turns_about_its_middle(wide):
    spread = replace(NONE, translation_sd_mm=1.5, rotation_sd_deg=1.5)
    found = estimate_chance(bump, POSE, an_aim(), maps_of([disc(5.0)]), spread=spread, n=1500, rng=rng(2))
    sd_mm = np.hypot(1.5, np.deg2rad(1.5) * DEPTH_MM)
    expected = stats.ncx2.cdf((farthest_hit(HOT_MM, 5.0) / sd_mm) ** 2, 2, 1e-12)
    assert abs(found.on_target - expected) < 3 * found.standard_error and 0.2 < expected < 0.95
    drawn = draws.draw(2000, 1, spread, rng(3))
    poses = draws.displaced(POSE, drawn, spread, centre_ras=an_aim().centre_ras)
    np.testing.assert_allclose(poses[:, 2, 3], 0, atol=1e-9)
    free = draws.displaced(POSE, drawn, replace(spread, keeps_contact=False), centre_ras=an_aim().centre_ras)
    assert free[:, 2, 3].std() == pytest.approx(1.5, rel=0.06)
    np.testing.assert_allclose(
        poses[:, :3, :3].swapaxes(1, 2) @ poses[:, :3, :3], np.tile(np.eye(3), (2000, 1, 1)), atol=1e-9
    )
    turned = np.rad2deg(np.arccos(np.clip((np.einsum("dij,ij->d", poses[:, :3, :3], POSE[:3, :3]) - 1) / 2, -1, 1)))
    assert np.median(turned) == pytest.approx(1.5 * stats.maxwell.median(), rel=0.06)


def test_placement_is_drawn_in_the_axes_of_the_coil():
    tilted = POSE.copy()
    angle = np.deg2rad(50)
    tilted[:3, :3] = (
        np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]) @ POSE[:3, :3]
    )
    tilted[:3, 3] = 10, -20, 30
    spread = replace(NONE, position_sd_mm=2.0, tilt_sd_deg=0.0, angle_sd_deg=4.0)
    drawn = draws.draw(3000, 1, spread, rng(4))
    poses = draws.displaced(tilted, drawn, spread, centre_ras=np.zeros(3))
    local = np.linalg.inv(tilted) @ poses
    np.testing.assert_allclose(local[:, 2, 3], 0, atol=1e-9)
    np.testing.assert_allclose(local[:, :2, 3], 2.0 * drawn.placement[:, :2], atol=1e-9)
    np.testing.assert_allclose(local[:, :3, 2], np.tile([0, 0, 1], (3000, 1)), atol=1e-9)
    angle_deg = np.rad2deg(np.arctan2(local[:, 1, 0], local[:, 0, 0]))
    np.testing.assert_allclose(angle_deg, 4.0 * drawn.placement[:, 4], atol=1e-6)


def test_random_numbers_are_as_they_are_called():
    drawn = draws.draw(20000, 7, published_spread(), rng(14))
    for values in (*drawn.registration.T, *drawn.placement.T):
        assert stats.kstest(values, "norm").pvalue > 1e-4
    for values in drawn.conductivity.T:
        assert stats.kstest(values, stats.beta(3, 3, loc=-1, scale=2).cdf).pvalue > 1e-4
    assert np.ptp(np.bincount(drawn.maps)) <= 1
    together = np.corrcoef(np.c_[drawn.registration, drawn.placement, drawn.conductivity].T)
    assert np.abs(together - np.eye(16)).max() < 0.04


def test_published_placement_has_the_median_errors_it_is_taken_from():
    spread = published_spread()
    poses = draws.displaced(
        POSE, draws.draw(20000, 1, spread, rng(5)), spread.only("placement"), centre_ras=np.zeros(3)
    )
    assert np.median(np.linalg.norm(poses[:, :3, 3], axis=1)) == pytest.approx(1.34, rel=0.02)
    turned = np.rad2deg(np.arccos(np.clip((np.einsum("dij,ij->d", poses[:, :3, :3], POSE[:3, :3]) - 1) / 2, -1, 1)))
    assert np.median(turned) == pytest.approx(3.48, rel=0.02)
    poses = draws.displaced(
        POSE,
        draws.draw(20000, 1, spread, rng(5)),
        replace(spread.only("registration"), keeps_contact=False),
        centre_ras=np.array([0, 0, -85.0]),
    )
    assert np.sqrt((poses[:, :3, 3] ** 2).sum(axis=1).mean()) == pytest.approx(3.3, abs=0.1)


@pytest.mark.parametrize(("x", "expected"), [(0.0, 1.0), (20.0, 0.0)])
def test_without_uncertainty_it_hits_or_misses(x, expected):
    found = estimate_chance(bump, POSE, an_aim(), maps_of([disc(8.0, x=x)]), spread=NONE, n=50, rng=rng())
    assert found.on_target == expected and found.shares.shape == (50,)
    assert found.alone == {"registration": expected, "placement": expected}
    low, high = found.target_range_v_per_m
    assert low == pytest.approx(high) and 0.95 < low < 1
    assert 0 < found.standard_error < 0.05


def test_more_spread_hits_less_and_all_together_less_than_each_alone(wide):
    maps = maps_of([disc(4.0, x=x) for x in np.linspace(-3, 3, 25)])
    chances = [
        estimate_chance(
            bump, POSE, an_aim(), maps, spread=replace(NONE, position_sd_mm=sd), n=400, rng=rng(6)
        ).on_target
        for sd in (0.5, 1.5, 3.0, 6.0)
    ]
    assert (np.diff(chances) < 0).all()
    spread = replace(NONE, position_sd_mm=2.0, translation_sd_mm=2.0)
    found = estimate_chance(bump, POSE, an_aim(), maps, spread=spread, n=400, rng=rng(6))
    assert found.on_target < min(found.alone.values())
    assert set(found.alone) == {"map", "registration", "placement"}


def test_draws_follow_the_seed():
    maps = maps_of([disc(4.0, x=x) for x in np.linspace(-5, 5, 7)])
    one, same, other = (
        estimate_chance(bump, POSE, an_aim(), maps, spread=replace(NONE, position_sd_mm=3.0), n=60, rng=rng(seed))
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one.shares, same.shares)
    assert one.alone == same.alone and one.on_target == same.on_target
    assert (one.shares != other.shares).any()


def test_every_map_counts_equally_and_alone_where_nothing_else_varies():
    """Of ten maps three have the network under the coil."""
    maps = maps_of([disc(8.0, x=0.0 if number < 3 else 20.0) for number in range(10)])
    found = estimate_chance(bump, POSE, an_aim(), maps, spread=NONE, n=200, rng=rng(9))
    assert found.alone["map"] == pytest.approx(0.3) and found.on_target == pytest.approx(0.3)
    assert found.alone["placement"] == 0.0  # most maps have it elsewhere


def test_doubt_about_the_map_multiplies():
    spread = replace(NONE, position_sd_mm=3.0)
    sure, judged = (
        estimate_chance(bump, POSE, an_aim(), maps_of([disc(4.0)], right=right), spread=spread, n=200, rng=rng(10))
        for right in (None, 0.8)
    )
    assert judged.on_target == pytest.approx(0.8 * sure.on_target)
    assert judged.standard_error == pytest.approx(0.8 * sure.standard_error)
    assert (sure.map_right, judged.map_right) == (1.0, 0.8) and judged.alone == sure.alone
    assert any("not judged" in note for note in sure.notes) and not any("not judged" in note for note in judged.notes)
    assert any("one map" in note for note in sure.notes) and any("Conductivities" in note for note in sure.notes)


def test_the_other_side_and_the_medial_wall_do_not_count():
    aim = an_aim(side=PLACES[:, 0] < 1.0, target=disc(3.0, x=-5.0))
    everywhere = np.ones(len(AREA), dtype=bool)
    over = POSE.copy()
    over[0, 3] = 8.0  # over the other side
    assert estimate_chance(bump, over, aim, maps_of([everywhere]), spread=NONE, n=4, rng=rng()).on_target == 0
    assert estimate_chance(bump, POSE, aim, maps_of([everywhere]), spread=NONE, n=4, rng=rng()).on_target == 1
    hole = an_aim(area_mm2=np.where(disc(10.0), 0.0, AREA), target=disc(12.0))
    found = estimate_chance(bump, POSE, hole, maps_of([~disc(10.0)]), spread=NONE, n=4, rng=rng())
    np.testing.assert_allclose(found.shares, 1)


def two_bumps(poses):
    """In the network 1 V/m, beyond it 1.05 V/m, whatever the pose."""
    strength = np.where(disc(8.0, x=-15), 1.0, np.where(disc(8.0, x=15), 1.05, 0.1))
    return np.tile(np.stack([strength, 0 * strength, 0 * strength], axis=1).astype(np.float32), (len(poses), 1, 1))


def test_conductivity_alone_is_the_chance_that_the_right_bump_becomes_the_stronger():
    response = np.zeros((5, len(AREA)), dtype=np.float32)
    response[1, disc(8.0, x=-15)] = 0.5
    spread = replace(NONE, log_range=(0.0, 0.9, 0.0, 0.0, 0.0))
    found = estimate_chance(
        two_bumps,
        POSE,
        an_aim(target=disc(3.0, x=-15)),
        maps_of([disc(8.0, x=-15)]),
        response=response,
        spread=spread,
        n=1500,
        rng=rng(11),
    )
    expected = stats.beta(3, 3, loc=-0.9, scale=1.8).sf(2 * np.log(1.05))
    assert abs(found.on_target - expected) < 3 * found.standard_error and 0.2 < expected < 0.6
    assert abs(found.alone["conductivity"] - expected) < 3 * np.sqrt(3) * found.standard_error
    assert found.alone["placement"] == 0
    ends = np.exp(0.5 * stats.beta(3, 3, loc=-0.9, scale=1.8).ppf([0.05, 0.95]))
    np.testing.assert_allclose(found.target_range_v_per_m, ends, rtol=0.02)


def test_strongest_part_agrees_with_sorting():
    generator = rng(12)
    strength, area = generator.random((5, 3000)), generator.random(3000) + 1e-3
    area[::50] = 1e-4
    known = np.argsort(-area)[:120]
    for limit, some in ((1.5, None), (1.5, known[:2]), (40.0, None), (40.0, known), (float(area.sum()), None)):
        vertices, share = hottest.strongest(strength, area, limit_mm2=limit, known=some)
        for row in range(5):
            left, expected = limit, np.zeros(3000)
            for vertex in np.argsort(-strength[row]):
                expected[vertex] = min(area[vertex], left)
                left -= expected[vertex]
                if left <= 0:
                    break
            found = np.zeros(3000)
            np.add.at(found, vertices[row], share[row])
            np.testing.assert_allclose(found, expected / limit, atol=1e-9)


def test_probabilities_are_met_by_cutting_them_at_a_common_level():
    probability = rng(13).random(500)
    maps = soft_maps(probability)
    frequency = np.mean([maps.members(np.array([number]))[0] for number in range(len(maps))], axis=0)
    np.testing.assert_allclose(frequency, probability, atol=0.5 / len(maps) + 1e-9)
    assert "probabilities" in maps.note


def test_bad_input_is_named():
    maps, aim = maps_of([disc(4.0)]), an_aim()

    def estimate(field=bump, matrix=POSE, aim=aim, maps=maps, **more):
        return estimate_chance(field, matrix, aim, maps, **{"spread": NONE, "n": 5, "rng": rng(), **more})

    for matrix in (np.eye(3), -POSE, np.diag([1.0, 1, -1, 1]), np.full((4, 4), np.nan)):
        with pytest.raises(GeometryError, match="right-handed"):
            estimate(matrix=matrix)
    with pytest.raises(GeometryError, match="maps have 7"):
        estimate(maps=maps_of([np.ones(7, dtype=bool)]))
    with pytest.raises(GeometryError, match="expected the field of"):
        estimate(field=lambda poses: bump(poses)[:, :5])
    with pytest.raises(GeometryError, match="NaN"):
        estimate(field=lambda poses: bump(poses) * np.nan)
    with pytest.raises(GeometryError, match="expected the response"):
        estimate(response=np.zeros((4, len(AREA))))
    with pytest.raises(GeometryError, match="response to conductivities holds NaN"):
        estimate(response=np.full((5, len(AREA)), np.nan))
    with pytest.raises(OptionError, match="at least 2 draws"):
        estimate(n=1)
    with pytest.raises(OptionError, match="position_sd_mm"):
        replace(NONE, position_sd_mm=-1.0)
    with pytest.raises(OptionError, match="no uncertainty called 'wind'"):
        NONE.only("wind")
    with pytest.raises(OptionError, match="same vertices"):
        maps_of([np.ones(4, dtype=bool), np.ones(5, dtype=bool)])
    with pytest.raises(OptionError, match="probability that the map is right"):
        maps_of([np.ones(4, dtype=bool)], right=1.2)
    with pytest.raises(OptionError, match="0 to 1"):
        soft_maps(np.array([0.2, 1.4]))
    with pytest.raises(GeometryError, match="same vertices"):
        an_aim(side=np.ones(4, dtype=bool))
    with pytest.raises(GeometryError, match="no cortex"):
        an_aim(target=np.zeros(len(AREA), dtype=bool))


@pytest.fixture(scope="module")
def ball():
    """A ball with tissues that are not concentric (there the field would not depend on them), coil, and reader."""
    edge = 8.0
    middle = (np.arange(25) - 12) * edge
    x, y, z = np.meshgrid(middle, middle, middle, indexing="ij")
    tissue = np.zeros(x.shape, dtype=np.uint8)
    for number, radius in ((SCALP, 91.0), (SKULL, 82.0), (CSF, 74.0)):
        tissue[x**2 + y**2 + z**2 < radius**2] = number
    tissue[((x + 4) / 66) ** 2 + ((y - 6) / 60) ** 2 + ((z - 2) / 68) ** 2 < 1] = GREY
    tissue[((x + 12) / 30) ** 2 + (y / 42) ** 2 + ((z - 4) / 52) ** 2 < 1] = WHITE
    head = HeadModel(tissue, np.full(3, middle[0]), edge, "ball", "not concentric")
    solver = FieldSolver(head)
    centres = head.centres()
    grey = centres[(head.tissue[tuple(head.voxels.T)] == GREY) & (centres[:, 2] > 20)]
    pose = POSE.copy()
    pose[:3, 3] = 5.0, 10.0, 96.0
    return SimpleNamespace(solver=solver, coil=figure_of_eight(), reader=solver.reader(grey), pose=pose)


def solve_plainly(solver, values, dadt):
    """The potential under other conductivities, by conjugate gradients of SciPy."""
    head = solver.head
    lattice, n_nodes = number_nodes(head.tissue > 0)
    edge_m = head.edge_mm / 1000
    indptr, indices, data = assemble_stiffness(values[head.tissue] * edge_m, lattice, n_nodes)
    matrix = sparse.csr_array((data, indices, indptr), shape=(n_nodes, n_nodes))
    signs = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    corners, sigma = voxel_nodes(lattice, head.voxels), values[head.tissue[tuple(head.voxels.T)]]
    each = -(sigma[:, None] * edge_m**2 / 4) * (dadt @ signs.T)
    drive = np.bincount(corners.ravel(), weights=each.ravel(), minlength=n_nodes)
    found, failed = cg(matrix, drive, rtol=1e-9, M=sparse.diags_array(1 / matrix.diagonal()))
    assert not failed
    return found


def test_first_order_response_is_the_slope_of_full_solves(ball):
    solver, reader = ball.solver, ball.reader
    dadt = primary_field(ball.coil, ball.pose, solver.centres_mm)
    potential = solver.solve(solver.drive(dadt))
    field = reader.field(potential, dadt)
    response = tissues.conductivity_response(solver, potential, dadt, reader)
    np.testing.assert_allclose(response.sum(axis=0), 0, atol=1e-9 * np.abs(field).max())
    relative = tissues.log_response(field, response)
    strength = np.linalg.norm(field, axis=1)
    strong = strength > np.percentile(strength, 50)
    for number in range(1, 6):
        resolved = []
        for sign in (1, -1):
            values = conductivities()
            values[number] *= np.exp(sign * 0.1)
            resolved.append(reader.field(solve_plainly(solver, values, dadt), dadt))
        slope = (resolved[0] - resolved[1]) / 0.2
        assert np.linalg.norm(response[number - 1] - slope) < 0.02 * np.linalg.norm(slope)
        # The strength with a tenth more, from the slope alone.
        off = strength * np.exp(0.1 * relative[number - 1]) - np.linalg.norm(resolved[0], axis=1)
        assert np.abs(off[strong] / strength[strong]).max() < 0.005
    assert np.linalg.norm(response[1]) > 0.05 * np.linalg.norm(field)  # grey matter matters


def test_response_of_what_does_not_belong_together_is_refused(ball):
    solver, reader = ball.solver, ball.reader
    dadt = primary_field(ball.coil, ball.pose, solver.centres_mm)
    potential = solver.solve(solver.drive(dadt))
    with pytest.raises(GeometryError, match="does not solve"):
        tissues.conductivity_response(solver, potential * 0.5, dadt, reader)
    with pytest.raises(GeometryError, match="nodes"):
        tissues.conductivity_response(solver, potential[1:], dadt, reader)
    with pytest.raises(GeometryError, match="does not belong"):
        tissues.log_response(np.zeros((4, 3)), np.zeros((5, 3, 3)))
    assert not tissues.log_response(np.zeros((4, 3)), np.ones((5, 4, 3))).any()


def test_displaced_poses_that_are_not_known_well_are_told():
    class Nearby:
        """Knows poses the less, the farther away they are."""

        def __call__(self, poses):
            return bump(poses)

        def missing(self, poses):
            return np.abs(poses[:, 0, 3]) / 20

    for sd_mm, told in ((0.1, False), (3.0, True)):
        spread = replace(NONE, position_sd_mm=sd_mm)
        found = estimate_chance(Nearby(), POSE, an_aim(), maps_of([disc(4.0)]), spread=spread, n=50, rng=rng())
        assert any("not known" in note for note in found.notes) == told


def a_map():
    names = ("one", "SCAN", "AMN")
    label = np.array([1, 2, 3, 2, 0, 2, 3, 1, 2, 2, 3])
    return NetworkMap(
        names,
        np.array([1, 2, 3]),
        np.eye(3),
        np.zeros((3, 11), dtype=np.float32),
        label,
        np.zeros(11, dtype=np.float32),
        Grayordinates(np.arange(6), np.arange(5), 6),
        "test",
    )


def collected(networks, n=5):
    made = a_map()
    places = [SimpleNamespace(target=SimpleNamespace(piece=SimpleNamespace(network=name))) for name in networks]
    labels = []

    def one(generator):
        labels.append(generator.permutation(made.label))
        return labels[-1], np.zeros(len(places), dtype=np.int64)

    found = resample._collect(one, made, resample.Draws(n, seed=3), block_s=30.0, places=places, at_once=1)
    return made, found, labels


def test_resamples_keep_which_rows_belong_to_the_networks_of_the_targets():
    made, found, labels = collected(["SCAN", "AMN", "SCAN"])
    assert list(found.members) == ["SCAN", "AMN"]
    for number, label in enumerate(labels):
        for name in ("SCAN", "AMN"):
            np.testing.assert_array_equal(found.rows_of(name, number), label == made.key(name))
    share = np.mean([found.rows_of("AMN", number) for number in range(5)], axis=0)
    np.testing.assert_allclose(share, found.occurrence[2], atol=1e-6)
    for name, number in (("one", 0), ("SCAN", 5), ("SCAN", -1)):
        with pytest.raises(OptionError, match="were not kept"):
            found.rows_of(name, number)
    assert collected([])[1].members == {}
    with pytest.raises(OptionError, match="packed rows of SCAN"):
        replace(found, members={"SCAN": np.zeros((5, 3), dtype=np.uint8)})
    plain = Resamples(4, 30.0, 0, np.zeros(11, dtype=np.float32), np.zeros((3, 11), dtype=np.float32), ())
    assert plain.members == {}


@pytest.mark.parametrize("networks", [["SCAN", "AMN"], []])
def test_a_resumed_run_keeps_the_resampled_networks(tmp_path, networks):
    from actionloop.pipeline import trust
    from actionloop.pipeline.steps import Steps
    from actionloop.reliability import Curve, Halves, Measures

    made, found, labels = collected(networks)
    halves = Halves((made, made), 60.0, 5.0, 1.0, 1.0, {}, np.ones(11, dtype=bool))
    measured = Measures(halves, found, Curve((), (), np.nan, np.nan, {}), None, np.zeros((0, 2)))
    steps = Steps(tmp_path / "work")
    steps.run("reliability", "a" * 20, lambda: trust._pack(measured))
    arrays, finished = steps.run("reliability", "a" * 20, lambda: pytest.fail("was made again"))
    again = trust._unpack(arrays, made).resamples
    assert finished and list(again.members) == networks
    for name in networks:
        np.testing.assert_array_equal(again.rows_of(name, 2), labels[2] == made.key(name))
