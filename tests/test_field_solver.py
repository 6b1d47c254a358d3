"""The field solver, its reader, reciprocity, tables and the exact sphere, on coarse grids."""

import functools

import numpy as np
import pytest

from actionloop.errors import GeometryError
from actionloop.field.assemble import assemble_stiffness, number_nodes
from actionloop.field.layered import sphere_field
from actionloop.field.model import CSF, GREY, SCALP, SKULL, WHITE, HeadModel, conductivities
from actionloop.field.reader import Reader
from actionloop.field.reciprocity import adjoint_currents
from actionloop.field.solver import FieldSolver
from actionloop.field.summation import sum_currents
from actionloop.field.tables import FieldTable
from actionloop.types import Coil

RADII_MM = (67.0, 74.0, 78.0, 85.0, 92.0)


def head_of(tissue, edge_mm=4.0, corner=(0.0, 0.0, 0.0)):
    return HeadModel(
        np.asarray(tissue, dtype=np.uint8), np.asarray(corner, dtype=float), edge_mm, "test", "made for a test"
    )


def sphere(edge_mm):
    half = int(np.ceil(RADII_MM[-1] / edge_mm)) + 1
    axis = (np.arange(2 * half) - half + 0.5) * edge_mm
    radius = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij")), axis=0)
    tissue = np.zeros(radius.shape, dtype=np.uint8)
    for number, limit in zip((SCALP, SKULL, CSF, GREY, WHITE), RADII_MM[::-1], strict=True):
        tissue[radius < limit] = number
    return head_of(tissue, edge_mm, np.full(3, axis[0]))


@functools.cache
def solved_sphere():
    return FieldSolver(sphere(5.0))


def pose(direction, gap_mm=4.0, angle=0.3):
    up = np.asarray(direction) / np.linalg.norm(direction)
    side = np.cross(up, [1.0, 0.2, 0.1])
    side /= np.linalg.norm(side)
    y = np.cos(angle) * side + np.sin(angle) * np.cross(up, side)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(y, -up), y, -up], axis=1)
    matrix[:3, 3] = up * (RADII_MM[-1] + gap_mm)
    return matrix


def eight(n=12, radius_mm=30.0, wires=False):
    """Two rings of opposite dipoles, or of opposite current."""
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], axis=1)
    along = np.stack([-np.sin(angle), np.cos(angle), np.zeros(n)], axis=1)
    places = np.concatenate([radius_mm * ring + [sign * radius_mm, 0, -5.0] for sign in (1, -1)])
    if wires:
        pieces = 2 * np.pi * radius_mm / n / 1e3 * np.concatenate([along, -along])
        return Coil("wires", wires_mm=places, wires_m=pieces)
    moments = 1e-3 * np.concatenate([np.tile([0.0, 0.0, 1.0], (n, 1)), np.tile([0.0, 0.0, -1.0], (n, 1))])
    return Coil("dipoles", dipoles_mm=places, moments_m2=moments)


def naive_primary(coil, matrix, points_mm):
    """dA/dt at 1 A/µs by plain sums."""
    total = np.zeros(points_mm.shape)
    for place, what, is_wire in (
        (coil.dipoles_mm, coil.moments_m2, False),
        (coil.wires_mm, coil.wires_m, True),
    ):
        for x, v in zip(place @ matrix[:3, :3].T + matrix[:3, 3], what @ matrix[:3, :3].T, strict=True):
            away = (points_mm - x) / 1e3
            r = np.linalg.norm(away, axis=1, keepdims=True)
            total += 0.1 * (v / r if is_wire else np.cross(v, away) / r**3)
    return total


def dense(conductance, nodes, n_nodes):
    """Stiffness by 2-point Gauss quadrature of trilinear functions, cube by cube, for an edge of 1."""
    corners = np.array(list(np.ndindex(2, 2, 2)))
    sign = 2 * corners - 1
    local = np.zeros((8, 8))
    for point in np.array(list(np.ndindex(2, 2, 2))) - 0.5:
        place = point / np.sqrt(3)
        share = 0.5 + sign * place
        slope = np.stack([sign[:, a] * share[:, (a + 1) % 3] * share[:, (a + 2) % 3] for a in range(3)], axis=1)
        local += slope @ slope.T / 8
    matrix = np.zeros((n_nodes, n_nodes))
    for voxel in np.argwhere(conductance > 0):
        at = nodes[tuple((voxel + corners).T)]
        matrix[np.ix_(at, at)] += conductance[tuple(voxel)] * local
    return matrix


def as_dense(matrix, n):
    from scipy import sparse

    return sparse.csr_matrix((matrix[2], matrix[1], matrix[0]), shape=(n, n)).toarray()


# Assembly


def test_stiffness_equals_quadrature():
    rng = np.random.default_rng(0)
    conductance = rng.uniform(0.1, 2.0, (3, 4, 3)) * (rng.random((3, 4, 3)) < 0.7)
    nodes, n_nodes = number_nodes(conductance > 0)
    matrix = assemble_stiffness(conductance, nodes, n_nodes)
    assert all((np.diff(matrix[1][a:b]) > 0).all() for a, b in zip(matrix[0][:-1], matrix[0][1:], strict=True))
    found = as_dense(matrix, n_nodes)
    np.testing.assert_allclose(found, dense(conductance, nodes, n_nodes), atol=1e-14)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-14)


def test_coarse_grid_is_galerkin():
    rng = np.random.default_rng(1)
    tissue = rng.integers(0, 6, (13, 12, 11)) * (rng.random((13, 12, 11)) < 0.95)
    tissue[4:9, 4:9, 4:9] = GREY
    solver = FieldSolver(head_of(tissue))
    from scipy import sparse

    level = solver._cycle.levels[0]
    up = sparse.csr_matrix((level.finer[2], level.finer[1], level.finer[0])).toarray()
    np.testing.assert_allclose(up.sum(axis=1), 1, atol=1e-6)
    exact = up.T @ as_dense(solver._matrix, solver.n_nodes) @ up
    if len(solver._cycle.levels) > 1:
        coarse = as_dense(solver._cycle.levels[1].matrix, level.n_coarse)
    else:
        coarse = np.linalg.pinv(solver._cycle.coarsest.astype(float), hermitian=True, rcond=1e-6)
    np.testing.assert_allclose(coarse, exact, atol=1e-4 * np.abs(exact).max())


def test_solution_equals_dense_algebra():
    rng = np.random.default_rng(2)
    tissue = np.pad(rng.integers(1, 6, (6, 5, 4)), 1)
    tissue[3, 3, 3] = GREY
    solver = FieldSolver(head_of(tissue))
    dadt = rng.normal(size=solver.centres_mm.shape)
    drive = solver.drive(dadt)
    # b_i = -∫ σ grad N_i · dA/dt, where the mean slope of a trilinear function is its slope at the centre.
    exact = np.zeros(solver.n_nodes)
    for at, s, d in zip(solver.corners, solver.conductivity, dadt, strict=True):
        exact[at] -= s * 0.004**2 / 4 * (2 * np.array(list(np.ndindex(2, 2, 2))) - 1) @ d
    np.testing.assert_allclose(drive, exact, atol=1e-15 + 1e-12 * np.abs(exact).max())
    want = np.linalg.lstsq(as_dense(solver._matrix, solver.n_nodes), drive, rcond=1e-12)[0]
    got = solver.solve(drive, tolerance=1e-10)
    np.testing.assert_allclose(got, want - want.mean(), atol=1e-7 * np.abs(want).max())


def test_uniform_field_in_one_tissue_is_cancelled():
    """In a conductor of one tissue of any shape a uniform dA/dt moves charges until no field is left."""
    rng = np.random.default_rng(3)
    tissue = np.pad(np.where(rng.random((9, 8, 7)) < 0.8, GREY, 0), 1)
    solver = FieldSolver(head_of(tissue))
    dadt = np.tile([1.0, -2.0, 0.5], (len(solver.centres_mm), 1))
    potential = solver.solve(solver.drive(dadt), tolerance=1e-10)
    inside = solver.connected & (np.abs(solver.centres_mm).sum(axis=1) > -1)
    field = solver.reader(solver.centres_mm[inside]).field(potential, dadt)
    assert np.abs(field).max() < 1e-6


# Solving


def test_many_at_once_equal_one_by_one_and_start_is_used():
    solver = solved_sphere()
    rng = np.random.default_rng(4)
    drives = np.stack([solver.drive(rng.normal(size=solver.centres_mm.shape)) for _ in range(5)], axis=1)
    drives[:, 3] = 0
    together = solver.solve(drives, tolerance=1e-9)
    assert not together[:, 3].any()
    for k in (0, 4):
        one = solver.solve(drives[:, k], tolerance=1e-9)
        np.testing.assert_allclose(together[:, k], one, atol=1e-7 * np.abs(one).max())
    matrix = solver._matrix
    rest = as_dense_product(matrix, together) - drives
    assert (np.linalg.norm(rest, axis=0) <= 1.01e-9 * np.linalg.norm(drives, axis=0)).all()
    # Already good enough: nothing is done.
    again = solver.solve(drives, tolerance=1e-6, start=together)
    np.testing.assert_allclose(again, together, atol=1e-14 * np.abs(together).max())
    np.testing.assert_array_equal(solver.solve(drives), solver.solve(drives))


def as_dense_product(matrix, vectors):
    from scipy import sparse

    return sparse.csr_matrix((matrix[2], matrix[1], matrix[0])) @ vectors


def test_islands_take_no_current():
    tissue = np.zeros((12, 9, 9), dtype=np.uint8)
    tissue[1:6, 1:8, 1:8] = GREY
    alone = FieldSolver(head_of(tissue))
    tissue[8:11, 2:5, 2:5] = SCALP
    tissue[6, 8, 8] = SKULL  # touches by a corner only
    solver = FieldSolver(head_of(tissue))
    assert solver.n_nodes == alone.n_nodes and len(solver.centres_mm) == (tissue > 0).sum()
    assert solver.connected.sum() == len(alone.centres_mm)
    dadt = np.random.default_rng(5).normal(size=solver.centres_mm.shape)
    np.testing.assert_allclose(solver.drive(dadt), alone.drive(dadt[solver.connected]), atol=1e-20)
    island = Reader(solver, solver.centres_mm[solver.connected][:2])
    assert island.field(np.zeros(solver.n_nodes), dadt).shape == (2, 3)
    with pytest.raises(GeometryError, match="scalp"):
        solver.reader(solver.centres_mm[~solver.connected][-1:], tissue=SCALP)


def test_turns_and_mirrors():
    """A quarter turn or a mirror of head and field turns or mirrors the solution."""
    rng = np.random.default_rng(6)
    tissue = np.pad(rng.integers(1, 6, (7, 7, 7)), 1).astype(np.uint8)
    solver = FieldSolver(head_of(tissue))
    dadt = rng.normal(size=(*tissue.shape, 3))
    at = solver.centres_mm[(tissue == GREY)[tissue > 0]]
    reference = field_of(solver, dadt, at)
    middle = solver.head.centres(np.array([[4, 4, 4]]))[0]
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    turned = FieldSolver(head_of(np.rot90(tissue, axes=(0, 1))))
    moved = field_of(turned, np.rot90(dadt, axes=(0, 1)) @ turn.T, (at - middle) @ turn.T + middle)
    np.testing.assert_allclose(moved, reference @ turn.T, atol=1e-6 * np.abs(reference).max())
    flip = np.diag([-1.0, 1, 1])
    mirrored = FieldSolver(head_of(tissue[::-1]))
    moved = field_of(mirrored, dadt[::-1] @ flip, (at - middle) @ flip + middle)
    np.testing.assert_allclose(moved, reference @ flip, atol=1e-6 * np.abs(reference).max())


def field_of(solver, dadt, points_mm):
    flat = np.ascontiguousarray(dadt[solver.head.tissue > 0])
    return solver.reader(points_mm).field(solver.solve(solver.drive(flat), tolerance=1e-9), flat)


def test_conductivity_scales():
    solver = solved_sphere()
    twice = FieldSolver(solver.head, conductivity=2 * conductivities())
    dadt = naive_primary(eight(4), pose([0, 0, 1]), solver.centres_mm)
    one, other = (s.solve(s.drive(dadt), tolerance=1e-9) for s in (solver, twice))
    np.testing.assert_allclose(other, one, atol=1e-7 * np.abs(one).max())
    changed = FieldSolver(solver.head, conductivity=conductivities(skull=0.05))
    assert np.abs(changed.solve(changed.drive(dadt)) - one).max() > 1e-4 * np.abs(one).max()


# The sphere


def test_sphere_field_is_what_induction_asks_for():
    """No radial part, curl E = -dB/dt of the free coil, no divergence: there is only one such field."""
    rng = np.random.default_rng(7)
    coil, matrix = eight(5), pose([0.3, -0.5, 0.8])
    centre, step = np.array([3.0, -2.0, 5.0]), 0.01
    matrix[:3, 3] += centre
    points = rng.normal(size=(5, 3)) * 25 + centre
    field = sphere_field(coil, matrix, points, centre_mm=centre)
    radial = ((points - centre) * field).sum(axis=1)
    assert np.abs(radial).max() < 1e-12 * np.abs(field).max() * 100

    def slopes(function):
        return np.stack(
            [(function(points + step * e) - function(points - step * e)) / (2 * step) for e in np.eye(3)], axis=-1
        )

    def curl(slope):
        return np.stack(
            [slope[:, 2, 1] - slope[:, 1, 2], slope[:, 0, 2] - slope[:, 2, 0], slope[:, 1, 0] - slope[:, 0, 1]], axis=-1
        )

    own = slopes(lambda p: sphere_field(coil, matrix, p, centre_mm=centre))
    free = slopes(lambda p: naive_primary(coil, matrix, p))
    np.testing.assert_allclose(curl(own), -curl(free), atol=1e-5 * np.abs(curl(free)).max())
    assert np.abs(np.trace(own, axis1=1, axis2=2)).max() < 1e-5 * np.abs(own).max()


def test_sphere_field_of_wires_equals_dipoles():
    """A small closed loop of wire is a dipole."""
    n, radius_mm = 200, 0.3
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], axis=1)
    along = np.stack([-np.sin(angle), np.cos(angle), np.zeros(n)], axis=1) * 2 * np.pi * radius_mm / n / 1e3
    loop = Coil("loop", wires_mm=radius_mm * ring + [4.0, 3.0, -6.0], wires_m=along)
    area = np.pi * (radius_mm / 1e3) ** 2
    dipole = Coil("dipole", dipoles_mm=np.array([[4.0, 3.0, -6.0]]), moments_m2=np.array([[0.0, 0.0, area]]))
    points = np.random.default_rng(8).normal(size=(6, 3)) * 25
    one, other = (sphere_field(c, pose([1, 1, 1]), points, centre_mm=np.zeros(3)) for c in (loop, dipole))
    np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())
    with pytest.raises(GeometryError, match="outside the sphere"):
        sphere_field(dipole, pose([0, 0, 1], gap_mm=-40), np.array([[0, 0, 60.0]]), centre_mm=np.zeros(3))


@pytest.mark.parametrize("wires", [False, True])
def test_solver_against_the_exact_sphere(wires):
    solver, coil, matrix = solved_sphere(), eight(40, wires=wires), pose([0.2, 0.3, 1])
    dadt = naive_primary(coil, matrix, solver.centres_mm)
    potential = solver.solve(solver.drive(dadt))
    rng = np.random.default_rng(9)
    points = rng.normal(size=(400, 3)) + np.array([0.4, 0.6, 2.0])
    points *= rng.uniform(68, 73, (400, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
    exact = sphere_field(coil, matrix, points, centre_mm=np.zeros(3))
    found = solver.reader(points).field(potential, dadt)
    # 5 mm voxels in a grey matter of 7 mm; without the potential the field is wrong by much more.
    assert np.linalg.norm(found - exact) < 0.16 * np.linalg.norm(exact)
    assert np.linalg.norm(-naive_primary(coil, matrix, points) - exact) > 0.32 * np.linalg.norm(exact)


# Reader


def test_reader_keeps_to_its_tissue():
    tissue = np.zeros((10, 8, 8), dtype=np.uint8)
    tissue[1:5, 1:7, 1:7], tissue[5:9, 1:7, 1:7] = GREY, CSF
    solver = FieldSolver(head_of(tissue, 2.0))
    kinds = tissue[tissue > 0]
    dadt = np.where(kinds[:, None] == GREY, [1.0, 0, 0], [5.0, 0, 0])
    point = np.array([[8.9, 8.0, 8.0]])
    nothing = np.zeros(solver.n_nodes)
    np.testing.assert_allclose(solver.reader(point).field(nothing, dadt), [[-1.0, 0, 0]])
    np.testing.assert_allclose(solver.reader(point, tissue=CSF).field(nothing, dadt), [[-5.0, 0, 0]])
    # Two and a half voxels away: the nearest voxel; farther: refused.
    np.testing.assert_allclose(solver.reader(np.array([[13.0, 8, 8]])).field(nothing, dadt), [[-1.0, 0, 0]])
    with pytest.raises(GeometryError, match="1 of 1 points lie more than 3 voxels away from grey"):
        solver.reader(np.array([[14.5, 8, 8]]))


def test_reader_is_linear_and_its_adjoint_fits():
    solver = solved_sphere()
    rng = np.random.default_rng(10)
    points = rng.normal(size=(30, 3))
    points *= 70 / np.linalg.norm(points, axis=1, keepdims=True)
    reader = solver.reader(points)
    np.testing.assert_array_equal(reader.points_mm, points)
    potential, dadt = rng.normal(size=solver.n_nodes), rng.normal(size=solver.centres_mm.shape)
    weights = rng.normal(size=(30, 3))
    right, direct = reader.adjoint(weights)
    total = (weights * reader.field(potential, dadt)).sum()
    assert total == pytest.approx((right * potential).sum() + (direct * dadt).sum(), rel=1e-10)
    # A potential that rises evenly has the field of its slope.
    along = np.empty((solver.n_nodes, 3))
    offsets = np.array(list(np.ndindex(2, 2, 2))) - 0.5
    along[solver.corners] = solver.centres_mm[:, None] / 1e3 + offsets * solver.edge_m
    even = reader.field(along @ [1.0, 2.0, 3.0], np.zeros_like(dadt))
    np.testing.assert_allclose(even, np.tile([-1.0, -2.0, -3.0], (30, 1)), atol=1e-9)


# Reciprocity and tables


@functools.cache
def adjoint():
    solver = solved_sphere()
    rng = np.random.default_rng(11)
    points = rng.normal(size=(20, 3)) * 0.1 + [0.2, 0.3, 1.0]
    points *= 71 / np.linalg.norm(points, axis=1, keepdims=True)
    weights = np.zeros((3, 20, 3))
    for axis in range(3):
        weights[axis, :, axis] = 1 / 20
    reader = solver.reader(points)
    return reader, weights, adjoint_currents(solver, reader, weights, tolerance=1e-9)


def poses():
    return np.stack([pose([0.2, 0.3, 1]), pose([0.5, 0.1, 1], angle=1.3), pose([0, 0.6, 1], gap_mm=2.0, angle=2.9)])


def test_reciprocity_equals_forward_solves():
    solver, (reader, weights, currents) = solved_sphere(), adjoint()
    for matrix in poses():
        dadt = naive_primary(eight(), matrix, solver.centres_mm)
        field = reader.field(solver.solve(solver.drive(dadt), tolerance=1e-9), dadt)
        forward = (weights * field).sum(axis=(1, 2))
        found = (currents * dadt).sum(axis=(1, 2))
        assert np.linalg.norm(found - forward) <= 1e-5 * np.linalg.norm(forward)


@pytest.mark.parametrize("wires", [False, True])
def test_table_equals_forward_solves(wires):
    solver, (reader, weights, currents) = solved_sphere(), adjoint()
    coil, matrices = eight(wires=wires), poses()
    elements = np.concatenate([coil.dipoles_mm, coil.wires_mm])
    placed = (elements @ matrices[:, :3, :3].transpose(0, 2, 1) + matrices[:, None, :3, 3]).reshape(-1, 3)
    assert np.linalg.norm(placed, axis=1).min() < RADII_MM[-1] + 8.5
    table = FieldTable.build(solver.centres_mm, currents, placed)
    values = table.values(coil, matrices)
    for matrix, value in zip(matrices, values, strict=True):
        dadt = naive_primary(coil, matrix, solver.centres_mm)
        field = reader.field(solver.solve(solver.drive(dadt), tolerance=1e-9), dadt)
        forward = (weights * field).sum(axis=(1, 2))
        assert np.linalg.norm(value - forward) <= 2e-3 * np.linalg.norm(forward)


def test_table_refuses_what_it_does_not_cover():
    solver, (_, _, currents) = solved_sphere(), adjoint()
    box = np.array([[-70.0, -70, 95], [70, 70, 105]])
    table = FieldTable.build(solver.centres_mm, currents[:1], box, spacing_mm=8.0)
    coil, upright = eight(), pose([0, 0, 1], angle=0.0)
    assert table.values(coil, upright[None]).shape == (1, 1)
    far = upright.copy()
    far[2, 3] += 20
    with pytest.raises(GeometryError, match="1 of 2 poses have elements of the coil 'dipoles' outside"):
        table.values(coil, np.stack([upright, far]))


def test_sum_of_currents_equals_plain_sums():
    rng = np.random.default_rng(12)
    centres = np.argwhere(np.ones((24, 20, 22))) * 3.0
    currents = rng.normal(size=(2, len(centres), 3)) + np.array([1.0, -1, 2])
    places = np.concatenate([rng.uniform(75, 120, (40, 3)), centres[[100]] + 0.2])
    potential, field = sum_currents(centres, currents, places)
    away = (centres[None] - places[:-1, None]) / 1e3
    r = np.linalg.norm(away, axis=2)[..., None]
    for k in range(2):
        exact = (currents[k] / r).sum(axis=1)
        np.testing.assert_allclose(potential[:-1, k], exact, atol=3e-4 * np.abs(exact).max())
        exact = np.cross(away, currents[k] / r**3).sum(axis=1)
        np.testing.assert_allclose(field[:-1, k], exact, atol=2e-3 * np.abs(exact).max())
    assert np.isfinite(field[-1]).all()


# Bad input


def test_bad_input_is_refused():
    solver, (reader, weights, currents) = solved_sphere(), adjoint()
    good = np.zeros_like(solver.centres_mm)
    table = FieldTable.build(solver.centres_mm, currents[:1], np.array([[0, 0, 100.0]] * 3), spacing_mm=8.0)
    holes = good.copy()
    holes[3, 1] = np.nan
    wrong = [
        lambda: FieldSolver(solver.head, conductivity=np.ones(5)),
        lambda: FieldSolver(solver.head, conductivity=np.array([0, 1, 1, 1, 0, 1.0])),
        lambda: solver.drive(good[1:]),
        lambda: solver.drive(holes),
        lambda: solver.solve(np.ones(solver.n_nodes)),
        lambda: solver.solve(np.zeros(solver.n_nodes - 1)),
        lambda: solver.solve(np.zeros(solver.n_nodes), start=np.zeros((solver.n_nodes, 2))),
        lambda: solver.reader(np.zeros((0, 3))),
        lambda: solver.reader(np.array([[np.nan, 0, 0]])),
        lambda: reader.field(np.zeros(3), good),
        lambda: reader.adjoint(weights[0, 1:]),
        lambda: adjoint_currents(solver, reader, weights[0]),
        lambda: FieldTable.build(solver.centres_mm[1:], currents, good),
        lambda: FieldTable.build(solver.centres_mm, currents, good[:0]),
        lambda: FieldTable.build(solver.centres_mm, currents, good[:1], spacing_mm=0.0),
        lambda: table.values(eight(), np.eye(4)),
    ]
    for call in wrong:
        with pytest.raises(GeometryError):
            call()
    rng = np.random.default_rng(13)
    with pytest.raises(GeometryError, match="did not come to rest"):
        solver.solve(solver.drive(rng.normal(size=good.shape)), tolerance=1e-30)
