"""The search for a coil pose: candidates, clearance, modes, the whole of it on a sphere, and two coils at once."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tests.sphere import CORTEX_MM, FRAME, MIRROR, SCALP_MM, balls, mesh, sphere_head

from actionloop.brain import Scalp
from actionloop.errors import EmptyRegionError, GeometryError, OptionError
from actionloop.field import FieldSolver, HeadModel, casing_of, figure_of_eight, primary_field, round_coil, sphere_field
from actionloop.poses.clearance import lift_needed, make_casing
from actionloop.poses.first import cells_of_elements, mean_fields
from actionloop.poses.grid import hexagon, lay_candidates, scalp_places
from actionloop.poses.head import PoseHead
from actionloop.poses.modes import choose_modes, combine
from actionloop.poses.sampler import CoilSampler
from actionloop.poses.search import search_pose
from actionloop.poses.session import hull_distance, plan_session
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares, hot_shares, scale_probability
from actionloop.poses.target import PoseAim, gather_focus
from actionloop.targets.pose import geometric_pose
from actionloop.types import ImageTie

AIM = CORTEX_MM * np.array([-0.6, 0.2, 0.7746])
COARSE = SearchSettings.default(
    radius_mm=10.0, spacing_mm=4.0, turn_deg=20.0, turn_step=2, target_mm=6.0, samples=300, least_places=5
)


def bumpy_scalp(seed=0):
    """A head with bumps and an ear, so that a flat coil does not lie on one point."""
    points = balls(6000, SCALP_MM)
    rng = np.random.default_rng(seed)
    for centre in balls(12, 1.0):
        away = np.arccos(np.clip(points @ centre / SCALP_MM, -1, 1))
        points = points * (1 + 0.05 * rng.random() * np.exp(-0.5 * (away / 0.2) ** 2))[:, None]
    for centre, height in ((np.add(AIM, [0, 25, 5]), 0.07), (np.subtract(AIM, [0, 35, 0]), 0.05)):
        away = np.arccos(np.clip(points @ centre / np.linalg.norm(points, axis=1) / np.linalg.norm(centre), -1, 1))
        points = points * (1 + height * np.exp(-0.5 * (away / 0.12) ** 2))[:, None]
    points = points * (1 + 0.15 * np.exp(-(((points - [-86, 0, 0]) ** 2).sum(axis=1)) / 100))[:, None]
    return Scalp(points, mesh(points), points / np.linalg.norm(points, axis=1, keepdims=True), FRAME)


def posed(outward, forward=(0.0, 1.0, 0.0), distance_mm=SCALP_MM + 2, turn_deg=0.0):
    outward = np.asarray(outward, dtype=float) / np.linalg.norm(outward)
    ahead = np.asarray(forward) - outward * (outward @ forward)
    ahead /= np.linalg.norm(ahead)
    turn = np.radians(turn_deg)
    matrix = np.eye(4)
    matrix[:3, 2] = -outward
    matrix[:3, 1] = np.cos(turn) * ahead + np.sin(turn) * np.cross(ahead, outward)
    matrix[:3, 0] = np.cross(matrix[:3, 1], matrix[:3, 2])
    matrix[:3, 3] = distance_mm * outward
    return matrix


def test_lattice_is_even():
    points = hexagon(10.0, 2.0)
    away = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(len(points))
    assert np.allclose(away.min(axis=1), 2.0)
    assert len(points) == pytest.approx(np.pi * 100 / (4 * np.sqrt(0.75)), rel=0.06)
    assert np.allclose(points[0], 0)


def test_candidates_are_many_even_rigid_and_the_right_way_round():
    scalp, casing = bumpy_scalp(), make_casing(casing_of(figure_of_eight()))
    settings = SearchSettings.default()
    for hemisphere, sign in (("L", 1), ("R", -1)):
        found = lay_candidates(AIM * [sign, 1, 1], scalp, casing, hemisphere=hemisphere, settings=settings)
        turned = found.matrices[:, :3, :3]
        assert len(found) >= 5000
        assert np.abs(np.swapaxes(turned, 1, 2) @ turned - np.eye(3)).max() < 1e-9
        assert np.allclose(np.linalg.det(turned), 1)
        assert (np.einsum("pi,pi->p", turned[:, :, 2], found.matrices[:, :3, 3]) < 0).all()
        places = found.places_mm
        nearest = np.sort(np.linalg.norm(places[:, None] - places[None], axis=2), axis=1)[:, 1]
        assert nearest.min() > 1.99 and nearest.max() < 2.6
        # one orientation is the geometric pose's, handle backwards and outwards; none is nearer to its half-turn
        image = SimpleNamespace(tie=ImageTie(FRAME))
        normal = -turned[0, :, 2]
        usual = geometric_pose(places[0], normal, hemisphere=hemisphere, image=image, label="").matrix[:3, :3]
        here = turned[found.place == 0]
        assert np.abs(here - usual).max(axis=(1, 2)).min() < 5e-3
        assert (here[:, :, 1] @ usual[:, 1]).min() > -5e-3
        # every orientation over half a circle: no two the same line
        one = here[:, :, 1]
        assert np.abs(one @ one.T - np.eye(len(one))).max() < np.cos(np.radians(4.9))


def test_mirrored_head_has_mirrored_candidates():
    scalp, casing = bumpy_scalp(), make_casing(casing_of(figure_of_eight()))
    mirrored = Scalp(scalp.vertices * [-1, 1, 1], scalp.faces[:, ::-1], scalp.normals * [-1, 1, 1], FRAME)
    left = lay_candidates(AIM, scalp, casing, hemisphere="L", settings=COARSE)
    right = lay_candidates(AIM * [-1, 1, 1], mirrored, casing, hemisphere="R", settings=COARSE)
    assert np.allclose(MIRROR @ left.matrices @ MIRROR, right.matrices, atol=1e-9)
    assert np.allclose(left.lift_mm, right.lift_mm)


def test_tilts_turn_the_coil_about_its_own_axes():
    scalp, casing = bumpy_scalp(), make_casing(casing_of(figure_of_eight()))
    settings = replace(COARSE, tilts_deg=(8.0,))
    found = lay_candidates(AIM, scalp, casing, hemisphere="L", settings=settings)
    one = (found.place == 0) & (found.turn == 3)
    z = found.matrices[one][:, :3, 2]
    assert len(z) == 5
    assert np.degrees(np.arccos(np.clip(z[1:] @ z[0], -1, 1))) == pytest.approx(8.0, abs=1e-6)
    near = found.near(5.0)
    assert all((found.tilt[near[i]] == found.tilt[i]).all() and i in near[i] for i in range(len(found)))


@pytest.mark.parametrize("coil", [figure_of_eight(), round_coil()], ids=lambda coil: coil.name)
def test_no_part_of_the_head_is_in_the_casing(coil):
    """Brute force: every scalp vertex against the hull of the casing itself, by linear inequalities."""
    from scipy.spatial import ConvexHull

    scalp, outline = bumpy_scalp(), casing_of(coil)
    found = lay_candidates(AIM, scalp, make_casing(outline), hemisphere="L", settings=COARSE)
    assert np.ptp(found.lift_mm) > 1.0
    planes = ConvexHull(outline).equations
    touched = []
    for matrix in found.matrices[::7]:
        local = (scalp.vertices - matrix[:3, 3]) @ matrix[:3, :3]
        assert (local @ planes[:, :3].T + planes[:, 3]).max(axis=1).min() > 0
        closer = np.add(local, [0, 0, -COARSE.gap_mm - 0.3])
        touched.append((closer @ planes[:, :3].T + planes[:, 3]).max(axis=1).min() < 0)
    # no higher than needed: a little beyond the gap, nearly all of them would touch (some are held off at their rim)
    assert np.mean(touched) > 0.8


def test_lift_of_a_flat_coil_is_that_of_the_highest_point_under_it():
    casing = make_casing(np.array([[x, y, z] for x in (-50, 50) for y in (-30, 30) for z in (0, -20)], dtype=float))
    scalp = np.array([[0.0, 0, -1], [40, 20, -7], [60, 0, -30], [0, 45, -30]])
    assert lift_needed(casing, np.eye(4)[None], scalp, gap_mm=2.0) == pytest.approx([9.0])
    away = np.eye(4)
    away[2, 3] = -20.0
    assert lift_needed(casing, away[None], scalp, gap_mm=2.0) == pytest.approx([-11.0])


def test_poses_that_must_be_lifted_far_are_dropped():
    scalp, casing = bumpy_scalp(), make_casing(casing_of(figure_of_eight()))
    every = lay_candidates(AIM, scalp, casing, hemisphere="L", settings=COARSE)
    limit = float(np.median(every.lift_mm))
    found = lay_candidates(AIM, scalp, casing, hemisphere="L", settings=replace(COARSE, limit_mm=limit))
    assert found.n_dropped == (every.lift_mm > limit).sum() > 0
    assert np.array_equal(found.lift_mm, every.lift_mm[every.lift_mm <= limit])
    with pytest.raises(GeometryError, match="clear of the head"):
        lay_candidates(AIM, scalp, casing, hemisphere="L", settings=replace(COARSE, limit_mm=0.1))


def test_target_without_scalp_is_refused():
    scalp = bumpy_scalp()
    with pytest.raises(GeometryError, match="outside the scalp"):
        scalp_places(AIM * 1.5, scalp, hemisphere="L", settings=COARSE)
    with pytest.raises(GeometryError, match="no scalp near"):
        scalp_places(np.zeros(3), scalp, hemisphere="L", settings=COARSE)
    for height in (80, 70):  # the image ends inside the patch, or below all of it
        faces = scalp.faces[(scalp.vertices[:, 2] > height)[scalp.faces].all(axis=1)]
        with pytest.raises(GeometryError, match="whole head"):
            scalp_places(AIM, replace(scalp, faces=faces), hemisphere="L", settings=replace(COARSE, least_places=15))


def test_focus_is_the_near_part_of_the_piece_by_area(monkeypatch):
    surface = sphere_head(monkeypatch).anatomy.surface("L")
    vertex = int(np.linalg.norm(surface.vertices - AIM, axis=1).argmin())
    away = CORTEX_MM * np.arccos(np.clip(surface.vertices @ surface.vertices[vertex] / CORTEX_MM**2, -1, 1))
    members = np.flatnonzero(surface.vertices[:, 2] > surface.vertices[vertex, 2] - 1)
    focus = gather_focus(PoseAim("SCAN L", "SCAN", "L", vertex, members), surface, radius_mm=8.0)
    assert set(focus.vertices) <= set(members) and away[focus.vertices].max() < 8.3
    assert set(np.flatnonzero(away < 7.5)) & set(members) <= set(focus.vertices)
    assert focus.share.sum() == pytest.approx(1)
    assert focus.inward @ surface.vertices[vertex] < -0.99 * CORTEX_MM
    field = np.random.default_rng(0).normal(size=(len(focus.vertices), 3))
    assert np.allclose(np.einsum("kpd,pd->k", focus.weights, field), focus.share @ field)
    with pytest.raises(GeometryError, match="hemisphere"):
        gather_focus(PoseAim("SCAN R", "SCAN", "R", vertex, members), surface, radius_mm=8.0)
    with pytest.raises(GeometryError, match="vertices"):
        gather_focus(PoseAim("SCAN L", "SCAN", "L", 10**6, members), surface, radius_mm=8.0)


def test_sampler_agrees_with_the_sum():
    coil, rng = figure_of_eight(spacing_mm=12.0), np.random.default_rng(1)
    points = rng.normal(size=(200, 3)) * 15 + [0, 0, 45]
    matrices = np.array([posed(rng.normal(size=3) * 0.2 + [0, 0, 1], turn_deg=40 * k) for k in range(4)])
    sampler = CoilSampler(coil, lattice_mm=4.0)
    sampler.rows(matrices[:1], points[:5])  # a small box first: it must grow
    rows = sampler.rows(matrices, points)
    exact = np.array([primary_field(coil, matrix, points).ravel() for matrix in matrices])
    assert np.abs(rows - exact).max() < 1e-3 * np.abs(exact).max()


def test_cells_hold_every_element():
    coil = figure_of_eight(spacing_mm=12.0)
    matrices = np.array([posed([0.1 * k, 0.2, 1], turn_deg=25 * k) for k in range(5)])
    cells = cells_of_elements(coil, matrices, cell_mm=4.0)
    placed = (coil.wires_mm @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]).reshape(-1, 3)
    inside = [np.abs(cells - place).max(axis=1).min() <= 2.0 + 1e-6 for place in placed[::11]]
    assert all(inside)


def test_modes_are_few_and_what_they_miss_is_told():
    coil, rng = figure_of_eight(spacing_mm=12.0), np.random.default_rng(0)
    matrices = np.array([posed([*rng.uniform(-0.12, 0.12, 2), 1], turn_deg=rng.uniform(-40, 40)) for _ in range(150)])
    points = rng.normal(size=(150, 3)) * 20
    points = points[points[:, 2] > -30] + [0, 0, 30]
    rows = CoilSampler(coil, lattice_mm=4.0).rows(matrices, points[np.linalg.norm(points, axis=1) < 75])
    allowed = np.full(len(rows), 0.02)
    span = choose_modes(rows, rows[:0], allowed=allowed, most=60)
    assert 5 < len(span.chosen) < 25 and span.missing.max() <= 0.02
    parts = combine(rows, rows[span.chosen])
    missed = np.linalg.norm(parts @ rows[span.chosen] - rows, axis=1) / np.linalg.norm(rows, axis=1)
    assert np.allclose(missed, span.missing, atol=1e-5)
    assert np.allclose(parts[span.chosen], np.eye(len(span.chosen)), atol=1e-6)
    # poses solved before are used, and those that add nothing are not
    again = choose_modes(rows, rows[np.r_[span.chosen, span.chosen[:3]]], allowed=allowed, most=60)
    assert not len(again.chosen) and list(again.known) == list(range(len(span.chosen)))
    assert len(choose_modes(rows, rows[:0], allowed=allowed, most=4).chosen) == 4


def elongated(head, centre, axis, long_mm=16.0, short_mm=6.0):
    """A network along one line over a place of the cortex."""
    across = np.cross(axis, centre / np.linalg.norm(centre))
    found = {}
    for hemisphere in "LR":
        points = head.anatomy.surface(hemisphere).vertices
        away = points - centre
        soft = np.exp(-0.5 * ((away @ axis / long_mm) ** 2 + (away @ across / short_mm) ** 2))
        found[hemisphere] = np.where(points @ centre > 0, soft, 0.0)
    return found


def aimed(head, hemisphere="L", avoid=False):
    side = np.array([1 if hemisphere == "L" else -1, 1, 1])
    surface = head.anatomy.surface(hemisphere)
    vertex = int(np.linalg.norm(surface.vertices - AIM * side, axis=1).argmin())
    centre = surface.vertices[vertex]
    axis = np.cross(centre * side, [0.3, 1.0, 0.2]) * side
    axis /= np.linalg.norm(axis)
    wanted = elongated(head, centre, axis)
    beside = np.cross(axis, centre / np.linalg.norm(centre)) * (1 if hemisphere == "L" else -1)
    avoided = {"hand": elongated(head, centre + 14 * beside, axis)} if avoid else {}
    members = np.flatnonzero(wanted[hemisphere] > 0.5)
    return PoseAim(f"SCAN middle {hemisphere}", "SCAN", hemisphere, vertex, members), NetworkShares(wanted, avoided)


def exact_strength(head, matrix):
    points = np.concatenate([head.anatomy.surface(h).vertices[head.vertices[h]] for h in "LR"])
    return np.linalg.norm(sphere_field(head.coil, matrix, points, centre_mm=np.zeros(3)), axis=1)


def test_strongest_pose_lies_right_above_a_tangential_target(monkeypatch):
    head = sphere_head(monkeypatch)
    aim, _ = aimed(head)
    surface = head.anatomy.surface("L")
    focus = gather_focus(aim, surface, radius_mm=6.0)
    found = lay_candidates(surface.vertices[aim.vertex], head.scalp, head.casing, hemisphere="L", settings=COARSE)
    means = mean_fields(head, focus, found.matrices, table_mm=4.0)
    strength = np.linalg.norm(means, axis=1)
    above = surface.vertices[aim.vertex] / CORTEX_MM
    assert np.degrees(np.arccos(-found.matrices[strength.argmax(), :3, 2] @ above)) < 2.0
    over = found.place == 0
    along = means / strength[:, None]
    # right above, the field runs along the coil's y whatever the orientation, and not into the sphere
    assert np.einsum("pi,pi->p", along[over], found.matrices[over, :3, 1]) == pytest.approx(1.0, abs=0.01)
    assert np.abs(means[over] @ focus.inward).max() < 0.02 * strength.max()
    for pose in (0, 57, 150):
        exact = sphere_field(head.coil, found.matrices[pose], focus.points_mm, centre_mm=np.zeros(3))
        assert np.linalg.norm(means[pose] - focus.share @ exact) < 0.01 * np.linalg.norm(focus.share @ exact)


def test_search_finds_what_the_exact_field_of_every_pose_says(monkeypatch):
    head = sphere_head(monkeypatch)
    aim, networks = aimed(head, avoid=True)
    conventional = {"far": posed([-0.6, 0.75, 0.3]), "above": posed(AIM, turn_deg=45.0, distance_mm=SCALP_MM)}
    told = []
    settings = replace(COARSE, refined=100)
    found = search_pose(
        head, aim, networks, conventional=conventional, settings=settings, tell=lambda words, share: told.append(share)
    )
    candidates = lay_candidates(found.aim_ras, head.scalp, head.casing, hemisphere="L", settings=settings)
    weights = head.weigh(networks, settings)
    exact = np.array([exact_strength(head, matrix) for matrix in candidates.matrices])
    shares = hot_shares(exact, head.area_mm2, weights, settings.percentiles).share.mean(axis=2)
    score = np.array([(shares[0] - shares[1])[near].mean() for near in candidates.near(settings.navigation_mm)])
    best = int(np.abs(candidates.matrices - found.best.matrix).max(axis=(1, 2)).argmin())
    assert found.n_poses == len(candidates) and found.n_solved < 45
    assert score[best] > score.max() - 0.01
    assert found.best.score == pytest.approx(score[best], abs=0.02)
    assert found.best.on_target == pytest.approx(shares[0, best], abs=0.02)
    assert found.best.peak_v_per_m == pytest.approx(np.quantile(exact[best], 0.999), rel=0.03)
    assert found.numerical_error < settings.largest_error
    for hemisphere in "LR":
        assert found.field_v_per_m[hemisphere].dtype == np.float32
    strength = np.concatenate([found.field_v_per_m[h][head.vertices[h]] for h in "LR"])
    assert np.abs(strength - exact[best]).max() < 0.02 * exact[best].max()
    assert found.averaged["L"][aim.vertex] and not found.averaged["R"].any()
    ranks = [pose.score for pose in found.ranked[1:]]
    assert found.ranked[0] is found.best and ranks == sorted(ranks, reverse=True)
    far, above = found.conventional
    assert (far.label, above.label) == ("far", "above")
    # laid on the scalp itself: lifted by what the candidates are lifted by
    assert above.lift_mm == pytest.approx(found.best.lift_mm, abs=0.3) and far.lift_mm < above.lift_mm
    assert far.score < above.score <= found.best.score + 0.02
    exact_far = exact_strength(head, far.matrix)
    assert far.on_target == pytest.approx(
        hot_shares(exact_far[None], head.area_mm2, weights, settings.percentiles).share[0, 0].mean(), abs=0.03
    )
    assert set(found.curves) == {"best", "far", "above"}
    assert found.curves["best"].mean() == pytest.approx(found.best.on_target)
    assert told == sorted(told) and told[-1] == 1.0
    # the same target again needs no more than the best pose's own solve
    again = search_pose(head, aim, networks, conventional=conventional, settings=settings)
    assert again.n_solved <= 1 and again.best.score == pytest.approx(found.best.score, abs=0.01)


def test_search_runs_on_voxels_and_tables(monkeypatch):
    """Solver, reader, reciprocity and table as they are, on a coarse sphere of five tissues."""
    plain = sphere_head(monkeypatch)
    monkeypatch.undo()
    edge, n = 5.0, 38
    axis = (np.arange(n) - (n - 1) / 2) * edge
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None] ** 2)
    tissue = np.zeros((n, n, n), dtype=np.uint8)
    for number, outer in ((5, 84), (4, 80), (3, 76), (2, 73), (1, 66)):
        tissue[radius < outer] = number
    solver = FieldSolver(HeadModel(tissue, np.full(3, axis[0]), edge, FRAME, "sphere"))
    head = PoseHead(solver, plain.anatomy, plain.scalp, plain.coil)
    aim, networks = aimed(head, avoid=True)
    found = search_pose(head, aim, networks, settings=COARSE)
    exact = exact_strength(head, found.best.matrix)
    strength = np.concatenate([found.field_v_per_m[h][head.vertices[h]] for h in "LR"])
    # the voxels cost about a tenth; what the search adds is told, and far less
    assert np.linalg.norm(strength - exact) < 0.13 * np.linalg.norm(exact)
    assert found.numerical_error < 0.02
    same = search_pose(sphere_head(monkeypatch), aim, networks, settings=COARSE)
    assert found.best.score == pytest.approx(same.best.score, abs=0.1)


def test_mirrored_target_has_the_mirrored_pose(monkeypatch):
    left, right = (sphere_head(monkeypatch, mirrored=m) for m in (False, True))
    one = search_pose(left, *aimed(left, "L"), settings=COARSE)
    other = search_pose(right, *aimed(right, "R"), settings=COARSE)
    assert np.allclose(MIRROR @ one.best.matrix @ MIRROR, other.best.matrix, atol=1e-6)
    assert one.best.target_v_per_m == pytest.approx(other.best.target_v_per_m, rel=1e-3)
    assert one.best.score == pytest.approx(other.best.score, abs=5e-3)


def test_modes_that_are_too_few_are_noticed_and_mended(monkeypatch):
    head = sphere_head(monkeypatch)
    aim, networks = aimed(head)
    few = replace(COARSE, most=5, largest_error=1.0)
    rough = search_pose(head, aim, networks, settings=few)
    assert rough.numerical_error > 0.03
    mended = search_pose(sphere_head(monkeypatch), aim, networks, settings=replace(few, largest_error=0.02))
    assert mended.numerical_error < rough.numerical_error and mended.n_solved > rough.n_solved


def test_bad_input_is_refused(monkeypatch):
    head = sphere_head(monkeypatch)
    aim, networks = aimed(head)
    none = NetworkShares({h: np.zeros_like(networks.wanted[h]) for h in "LR"})
    with pytest.raises(EmptyRegionError, match="no vertex"):
        search_pose(head, aim, none, settings=COARSE)
    with pytest.raises(GeometryError, match="probability"):
        search_pose(head, aim, NetworkShares({h: np.ones(7) for h in "LR"}), settings=COARSE)
    with pytest.raises(GeometryError, match="'F3'"):
        search_pose(head, aim, networks, conventional={"F3": np.diag([1.0, 1, -1, 1])}, settings=COARSE)
    outside = {h: np.arange(head.anatomy.surface(h).n_vertices) != aim.vertex for h in "LR"}
    with pytest.raises(EmptyRegionError, match="outside the cortex"):
        search_pose(replace(head, cortex=outside), aim, networks, settings=COARSE)
    with pytest.raises(GeometryError, match="different frames"):
        replace(head, scalp=replace(head.scalp, frame="another"))
    with pytest.raises(OptionError, match="no setting"):
        SearchSettings.default(radius=3)
    with pytest.raises(OptionError, match="multiple"):
        SearchSettings.default(turn_deg=7.0)
    with pytest.raises(GeometryError, match="no extent"):
        make_casing(np.zeros((2, 3)))


def test_network_to_avoid_that_is_not_there_changes_nothing(monkeypatch):
    head = sphere_head(monkeypatch)
    _, networks = aimed(head)
    empty = {h: np.zeros_like(networks.wanted[h]) for h in "LR"}
    weights = head.weigh(replace(networks, avoided={"hand": empty}), COARSE)
    assert not weights[1].any()
    whole = np.concatenate([networks.wanted[h][head.vertices[h]] for h in "LR"])
    assert np.allclose(weights[0], scale_probability(whole, head.area_mm2))


@pytest.mark.parametrize("seed", range(4))
def test_distance_of_hulls(seed):
    rng = np.random.default_rng(seed)
    box = np.array([[x, y, z] for x in (-50, 50) for y in (-30, 30) for z in (0, -20)], dtype=float)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    side = np.add(box, [130, 0, 0])
    assert hull_distance(box @ turn, side @ turn) == pytest.approx(30.0, abs=1e-4)
    corner = np.add(box, [103, 64, 32])
    assert hull_distance(box @ turn, corner @ turn) == pytest.approx(13.0, abs=1e-4)
    assert hull_distance(box @ turn, np.add(box, [60, 20, 5]) @ turn) == 0.0
    # one wholly inside the other, and an edge across an edge
    assert hull_distance(box, 0.1 * box - [0, 0, 9]) == 0.0
    assert hull_distance(np.array([[-9.0, 0, 0], [9, 0, 0]]), np.array([[0, -9.0, 2.5], [0, 9, 2.5]])) == pytest.approx(
        2.5
    )


def session_of(name, matrices, scores):
    ranked = tuple(SimpleNamespace(matrix=m, score=s) for m, s in zip(matrices, scores, strict=True))
    return SimpleNamespace(name=name, ranked=ranked)


def test_session_moves_the_coil_that_loses_least():
    casing = make_casing(casing_of(figure_of_eight()))
    top = [posed([-0.5, 0, 1]), posed([-1.2, 0, 1])]
    front = [posed([-0.5, 0.9, 1]), posed([1.5, 1.5, 0.3]), posed([1.0, 0.2, -0.5])]
    plan = plan_session(
        session_of("SCAN middle L", top, [0.8, 0.5]),
        session_of("AMN dlPFC L", front, [0.6, 0.55, 0.1]),
        (casing, casing),
    )
    assert plan.at_once and plan.moved == ("AMN dlPFC L",) and plan.lost == pytest.approx(0.05)
    assert plan.distance_mm >= 5.0 and "AMN dlPFC L moved" in plan.words
    assert np.array_equal(plan.poses[0].matrix, top[0]) and np.array_equal(plan.poses[1].matrix, front[1])


def test_session_says_when_two_coils_do_not_fit():
    casing = make_casing(casing_of(figure_of_eight()))
    one = session_of("SCAN middle L", [posed([-0.5, 0, 1])], [0.8])
    other = session_of("AMN dlPFC L", [posed([-0.5, 0.6, 1])], [0.6])
    plan = plan_session(one, other, (casing, casing))
    assert not plan.at_once and plan.distance_mm == 0.0 and "one after another" in plan.words
    with pytest.raises(GeometryError, match="twice"):
        plan_session(one, one, (casing, casing))
    with pytest.raises(EmptyRegionError):
        plan_session(one, session_of("AMN", [], []), (casing, casing))
