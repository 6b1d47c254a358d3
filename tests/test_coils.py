"""Coils against formulas, analytic fields and real coils; the readers against files that are wrong in many ways."""

from __future__ import annotations

import base64
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import ActionloopError, GeometryError, InputError, OptionError
from actionloop.field.coils import casing_of, figure_of_eight, find_coil, round_coil
from actionloop.field.primary import primary_field, primary_field_on_lattice
from actionloop.files.coils import read_coil
from actionloop.types import Coil

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "coils"
HERE = np.eye(4)
MU0 = 4e-7 * np.pi


def real(name, **choice):
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}")
    return read_coil(DATA / name, **choice)


def pose(seed=0):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    matrix[:3, 3] = [12.0, -40.0, 75.0]
    return matrix


def mixed(seed=3, n=40):
    rng = np.random.default_rng(seed)
    return Coil(
        "mixed",
        dipoles_mm=rng.uniform(-40, 0, (n, 3)),
        moments_m2=rng.normal(0, 1e-4, (n, 3)),
        wires_mm=rng.uniform(-40, 0, (n + 1, 3)),
        wires_m=rng.normal(0, 1e-2, (n + 1, 3)),
    )


def naive(coil, matrix, points_mm):
    """SI throughout, one point after the other."""
    total = []
    for point in points_mm / 1000:
        r = point - (coil.dipoles_mm @ matrix[:3, :3].T + matrix[:3, 3]) / 1000
        a = (np.cross(coil.moments_m2 @ matrix[:3, :3].T, r) / np.linalg.norm(r, axis=1)[:, None] ** 3).sum(axis=0)
        r = point - (coil.wires_mm @ matrix[:3, :3].T + matrix[:3, 3]) / 1000
        a = a + (coil.wires_m @ matrix[:3, :3].T / np.linalg.norm(r, axis=1)[:, None]).sum(axis=0)
        total.append(MU0 / (4 * np.pi) * 1e6 * a)
    return np.array(total)


def loop(radius_mm, n=200, turns=1.0):
    angle = np.arange(n) * 2 * np.pi / n
    ring = np.column_stack((np.cos(angle), np.sin(angle), 0 * angle))
    tangent = np.column_stack((-ring[:, 1], ring[:, 0], 0 * angle))
    return Coil("loop", wires_mm=radius_mm * ring, wires_m=turns * tangent * 2 * np.pi * radius_mm / 1000 / n)


def below(n=300, seed=5, depth=(4.0, 70.0)):
    rng = np.random.default_rng(seed)
    return np.column_stack((rng.uniform(-70, 70, (n, 2)), rng.uniform(*depth, n)))


def relative(found, expected):
    return np.linalg.norm(found - expected, axis=1).max() / np.linalg.norm(expected, axis=1).max()


def test_one_dipole_by_hand():
    # µ0/4π · 1e6 A/s · 1e-3 m² / (0.01 m)² = 1 V/m, along z × x
    coil = Coil("one", dipoles_mm=np.zeros((1, 3)), moments_m2=np.array([[0, 0, 1e-3]]))
    np.testing.assert_allclose(primary_field(coil, HERE, np.array([[10.0, 0, 0]])), [[0, 1, 0]], rtol=1e-9)


def test_one_piece_of_wire_by_hand():
    # µ0/4π · 1e6 A/s · 0.01 m / 0.02 m = 0.05 V/m, along the wire
    coil = Coil("one", wires_mm=np.zeros((1, 3)), wires_m=np.array([[0, 0.01, 0]]))
    np.testing.assert_allclose(primary_field(coil, HERE, np.array([[0, 0, 20.0]])), [[0, 0.05, 0]], rtol=1e-9)


def test_field_is_the_sum_over_elements():
    coil, matrix, points = mixed(), pose(), below()
    found = primary_field(coil, matrix, points)
    np.testing.assert_allclose(found, naive(coil, matrix, points), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(primary_field(coil, matrix, points, didt_a_per_us=-67.5), -67.5 * found, rtol=1e-12)


def test_loop_on_its_axis():
    # B = curl A; A for 1 A is a millionth of dA/dt at 1 A/µs
    radius, h = 40.0, 0.2
    for z in (0.0, 15.0, 60.0):
        at = np.array([[h, 0, z], [-h, 0, z], [0, h, z], [0, -h, z]])
        a = primary_field(loop(radius), HERE, at) / 1e6
        found = ((a[0, 1] - a[1, 1]) - (a[2, 0] - a[3, 0])) / (2 * h / 1000)
        expected = MU0 * 0.04**2 / (2 * (0.04**2 + (z / 1000) ** 2) ** 1.5)
        assert found == pytest.approx(expected, rel=1e-4)


def test_disc_of_dipoles_is_a_loop_far_away():
    radius, step = 30.0, 1.0
    x, y = np.meshgrid(np.arange(-30, 31, step), np.arange(-30, 31, step))
    places = np.column_stack((x.ravel(), y.ravel(), 0 * x.ravel()))
    places = places[np.hypot(places[:, 0], places[:, 1]) < radius]
    moments = np.zeros_like(places)
    moments[:, 2] = np.pi * (radius / 1000) ** 2 / len(places)
    disc = Coil("disc", dipoles_mm=places, moments_m2=moments)
    far = below(depth=(60.0, 120.0))
    assert relative(primary_field(disc, HERE, far), primary_field(loop(radius), HERE, far)) < 2e-3


def test_rigid_motion_takes_the_field_along():
    coil, matrix, points = mixed(), pose(1), below()
    moved = points @ matrix[:3, :3].T + matrix[:3, 3]
    expected = primary_field(coil, HERE, points) @ matrix[:3, :3].T
    np.testing.assert_allclose(primary_field(coil, matrix, moved), expected, rtol=1e-8, atol=1e-10)


def test_mirrored_coil_has_the_mirrored_field():
    coil, mirror = mixed(), np.array([-1.0, 1, 1])
    other = Coil(  # moments are axial vectors
        "mirrored", coil.dipoles_mm * mirror, -coil.moments_m2 * mirror, coil.wires_mm * mirror, coil.wires_m * mirror
    )
    points = below()
    np.testing.assert_allclose(
        primary_field(other, HERE, points * mirror), primary_field(coil, HERE, points) * mirror, rtol=1e-8, atol=1e-10
    )


def test_points_on_elements_have_a_finite_field():
    coil = mixed()
    field = primary_field(coil, HERE, np.concatenate((coil.dipoles_mm, coil.wires_mm)))
    assert np.isfinite(field).all()
    one = Coil("one", dipoles_mm=np.zeros((1, 3)), moments_m2=np.array([[0, 0, 1e-3]]))
    near = primary_field(one, HERE, np.array([[0.0, 0, 0], [0.499999, 0, 0], [0.500001, 0, 0]]))
    assert not near[0].any()
    np.testing.assert_allclose(near[1], near[2], rtol=1e-4)


def test_fast_multipoles_equal_the_sum():
    pytest.importorskip("fmm3dpy")
    coil, matrix = mixed(n=200), pose(2)
    points = np.concatenate((below(2000), coil.wires_mm[:50])) @ matrix[:3, :3].T + matrix[:3, 3]
    assert (
        relative(
            primary_field(coil, matrix, points, method="fmm"), primary_field(coil, matrix, points, method="direct")
        )
        < 1e-5
    )


def head_voxels(step=3.0):
    """An ellipsoid 4 mm below the face of a coil at the origin."""
    axis = np.arange(-97, 98, step)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[((grid / [78, 96, 88]) ** 2).sum(axis=1) < 1] + [0, 0, 92]


def test_lattice_keeps_its_tolerance():
    matrix, points = pose(4), head_voxels()
    coil, points = figure_of_eight(), points @ matrix[:3, :3].T + matrix[:3, 3]
    expected = primary_field(coil, matrix, points, didt_a_per_us=2.0)
    found = primary_field_on_lattice(coil, matrix, points, didt_a_per_us=2.0)
    assert 0 < relative(found, expected) < 2e-4
    exact = primary_field_on_lattice(coil, matrix, points, didt_a_per_us=2.0, tolerance=1e-14)
    np.testing.assert_allclose(exact, expected, rtol=1e-10, atol=1e-12)
    few = primary_field_on_lattice(coil, matrix, points[:20], didt_a_per_us=2.0)
    np.testing.assert_allclose(few, expected[:20], rtol=1e-10, atol=1e-12)
    assert primary_field_on_lattice(coil, matrix, points[:0]).shape == (0, 3)
    assert primary_field(coil, matrix, points[:0]).shape == (0, 3)


@pytest.mark.parametrize(
    "matrix", [np.diag([-1.0, 1, 1, 1]), np.diag([1.0, 1, 1.01, 1]), np.full((4, 4), np.nan), np.eye(3), pose()[None]]
)
def test_poses_that_are_none(matrix):
    with pytest.raises(GeometryError, match="pose"):
        primary_field(loop(30.0), matrix, below())


def test_other_refusals():
    with pytest.raises(GeometryError, match="finite points"):
        primary_field(loop(30.0), HERE, np.array([[0.0, np.nan, 0]]))
    with pytest.raises(GeometryError, match="finite points"):
        primary_field_on_lattice(loop(30.0), HERE, np.zeros(3))
    with pytest.raises(OptionError, match="quick"):
        primary_field(loop(30.0), HERE, below(), method="quick")
    with pytest.raises(OptionError, match="figure-of-eight-70mm"):
        find_coil("D70")
    with pytest.raises(OptionError, match="wings"):
        figure_of_eight(name="round-90mm")
    with pytest.raises(OptionError, match="spacing"):
        round_coil(spacing_mm=0.0)


# ---- the coils of the program ----


@pytest.mark.parametrize("name", facts.load("coils")["coil"])
def test_own_coils_are_closed_and_lie_in_their_casing(name):
    coil = find_coil(name)
    assert len(coil.wires_mm) <= 1500
    np.testing.assert_allclose(coil.wires_m.sum(axis=0), 0, atol=1e-12)
    assert coil.wires_mm[:, 2].max() < 0
    casing = casing_of(coil)
    assert casing[:, 2].max() == 0
    hull = ConvexHull(casing)
    inside = coil.wires_mm @ hull.equations[:, :3].T + hull.equations[:, 3]
    assert inside.max() < -3.0


def test_names_are_forgiving():
    assert find_coil("Figure of eight_70mm").name == "figure-of-eight-70mm" == figure_of_eight().name
    assert find_coil("ROUND 90mm").name == round_coil().name


def test_figure_of_eight_points_away_from_the_handle():
    coil = figure_of_eight()
    electric = -primary_field(coil, HERE, np.array([[0, 0, 5.0], [0, 0, 15], [0, 0, 40]]))
    assert (electric[:, 1] > 0.5).all()
    assert (np.diff(electric[:, 1]) < 0).all()
    np.testing.assert_allclose(electric[:, [0, 2]], 0, atol=1e-9)
    # strongest under the middle, and half as strong or less under the far rims
    line = -primary_field(coil, HERE, np.column_stack((np.arange(-100, 101.0), np.zeros(201), np.full(201, 15.0))))
    assert np.argmax(np.linalg.norm(line, axis=1)) == 100
    assert line[:, 1].min() > -0.6 * line[100, 1]


def test_figure_of_eight_is_symmetric():
    coil, points = figure_of_eight(), below()
    field = primary_field(coil, HERE, points)
    np.testing.assert_allclose(primary_field(coil, HERE, points * [-1, 1, 1]), field * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(primary_field(coil, HERE, points * [1, -1, 1]), field * [-1, 1, -1], atol=1e-9)


def test_round_coil_runs_anticlockwise_from_behind():
    coil = round_coil()
    electric = -primary_field(coil, HERE, np.array([[0, 0, 15.0], [45, 0, 15], [0, 45, 15], [-45, 0, 15]]))
    np.testing.assert_allclose(electric[0], 0, atol=1e-9)
    assert electric[1, 1] < -0.5
    assert electric[2, 0] > 0.5
    assert electric[3, 1] == pytest.approx(-electric[1, 1])


@pytest.mark.parametrize("make", [figure_of_eight, round_coil])
def test_own_coils_have_enough_elements(make):
    fine = make(spacing_mm=2.0, n_layers=5)
    for depth, allowed in ((2.0, 1e-3), (5.0, 2e-4), (15.0, 2e-5)):
        x, y = np.meshgrid(np.arange(-90, 91, 5.3), np.arange(-60, 61, 5.3))
        plane = np.column_stack((x.ravel(), y.ravel(), np.full(x.size, depth)))
        assert relative(primary_field(make(), HERE, plane), primary_field(fine, HERE, plane)) < allowed


@pytest.mark.parametrize(
    ("name", "low", "high"), [("Magstim_70mm_Fig8.ccd", 0.97, 1.01), ("MagStim_D70.ccd", 1.05, 1.15)]
)
def test_figure_of_eight_is_near_real_coils(name, low, high):
    axis = np.array([[0, 0, 15.0], [0, 0, 20.0]])
    ours, theirs = primary_field(figure_of_eight(), HERE, axis), primary_field(real(name), HERE, axis)
    ratio = ours[:, 1] / theirs[:, 1]
    assert (low < ratio).all()
    assert (ratio < high).all()
    # and of the same shape in the plane 15 mm below
    x, y = np.meshgrid(np.arange(-60, 61, 6.0), np.arange(-40, 41, 6.0))
    plane = np.column_stack((x.ravel(), y.ravel(), np.full(x.size, 15.0)))
    a, b = (primary_field(coil, HERE, plane) for coil in (figure_of_eight(), real(name)))
    assert relative(a / ratio[0], b) < 0.12


def test_casings():
    bare = casing_of(Coil("bare", dipoles_mm=np.array([[-40.0, 0, -5], [40, 0, -9]]), moments_m2=np.full((2, 3), 1e-3)))
    assert bare[:, 2].max() == 0
    assert bare[:, 2].min() == pytest.approx(-14)
    assert bare[:, 0].max() == pytest.approx(45, abs=0.05)
    bent = casing_of(Coil("bent", dipoles_mm=np.array([[-40.0, 0, 10], [40, 0, -9]]), moments_m2=np.full((2, 3), 1e-3)))
    assert bent[:, 2].max() == pytest.approx(15)
    box = np.array([[x, y, z] for x in (-50, 50) for y in (-30, 30) for z in (-20, 0)], dtype=float)
    own = Coil("own", dipoles_mm=np.zeros((1, 3)), moments_m2=np.ones((1, 3)), casing_mm=np.vstack((box, box / 2)))
    assert {tuple(point) for point in casing_of(own)} == {tuple(point) for point in box}
    flat = Coil("flat", dipoles_mm=np.zeros((1, 3)), moments_m2=np.ones((1, 3)), casing_mm=box * [1, 1, 0])
    with pytest.raises(GeometryError, match="no volume"):
        casing_of(flat)


# ---- coil files ----


@pytest.mark.parametrize(
    ("name", "title", "brand", "n", "didt"),
    [
        ("MagStim_D70.ccd", "D70", "Magstim", 964, 114.73),
        ("MagVenture_Cool-B65.ccd", "Cool-B65", "MagVenture", 1000, 149.77),
        ("MagVenture_MCF-B65.ccd", "MCF-B65", "MagVenture", 1024, 147.86),
        ("Magstim_70mm_Fig8.ccd", "Magstim_70mm_Fig8", "", 2712, None),
        ("testcoil.ccd", "Test coil", "", 4, 100.0),
    ],
)
def test_real_dipole_files(name, title, brand, n, didt):
    coil = real(name)
    assert (coil.name, coil.brand, len(coil.dipoles_mm), coil.didt_max_a_per_us) == (title, brand, n, didt)
    assert coil.source.endswith(name)
    rows = [
        line.split() for line in (DATA / name).read_text().splitlines() if len(line.split()) == 6 and line[0] != "#"
    ]
    np.testing.assert_allclose(np.hstack((coil.dipoles_mm / 1000, coil.moments_m2)), np.array(rows, float), rtol=1e-14)
    assert casing_of(coil)[:, 2].max() == 0


def test_real_coils_differ_in_the_sense_of_their_current():
    at = np.array([[0, 0, 15.0]])
    d70, cool = (primary_field(real(name), HERE, at)[0] for name in ("MagStim_D70.ccd", "MagVenture_Cool-B65.ccd"))
    assert -2.5 < d70[1] < -1.8
    assert 1.3 < cool[1] < 2.0


def test_real_coil_with_two_stimulators():
    with pytest.raises(InputError, match=r"2 stimulators.*0 \(Example Stimulator 1\), 1 \(Example Stimulator 2\)"):
        real("two_stimulator_example_coil.tcd")
    name = "two_stimulator_example_coil.tcd"
    first, second = real(name, stimulator="example stimulator 1"), real(name, stimulator=1)
    assert first.name == "Example Coil, Example Stimulator 1"
    assert first.didt_max_a_per_us == pytest.approx(122.22)
    assert second.didt_max_a_per_us == pytest.approx(102.45)
    np.testing.assert_allclose(first.wires_m.sum(axis=0), 0, atol=1e-12)
    # two figures of eight, one turned by 90° and 4 mm farther away
    assert len(first.wires_mm) == len(second.wires_mm) == 2100
    np.testing.assert_allclose(np.ptp(first.wires_mm, axis=0), np.ptp(second.wires_mm, axis=0)[[1, 0, 2]], rtol=0.01)
    fields = [primary_field(coil, HERE, np.array([[0, 0, 15.0]]))[0] for coil in (first, second)]
    assert abs(fields[0][1]) > 20 * abs(fields[0][0])
    assert abs(fields[1][0]) > 20 * abs(fields[1][1])
    assert 0.5 < abs(fields[1][0]) < abs(fields[0][1]) < 3
    with pytest.raises(InputError, match="no stimulators"):
        real(name, stimulator="third")
    with pytest.raises(InputError, match="one stimulator"):
        real("MagStim_D70.ccd", stimulator=0)


ROWS = "-0.04 0 -0.005 0 0 1e-3\n0.04 0 -0.005 0 0 -1e-3\n"


@pytest.mark.parametrize(
    "text",
    [
        "# a;dIdtmax=90;coilname=x;brand=None;\n2\n# rows\n" + ROWS,
        "\ufeff# a;dIdtmax=90;coilname=x\r\n2\r\n" + ROWS.replace("\n", "\r\n\r\n"),
        "# a;coilname=x ;dIdtmax = 90.0\n1\n" + ROWS,  # a count that is too small
        "#\n# b;dIdtmax=90;coilname=x\n" + ROWS.replace(" ", "\t"),
    ],
)
def test_dipole_files_of_many_looks(tmp_path, text):
    path = tmp_path / "a.CCD"
    path.write_bytes(text.encode())
    coil = read_coil(path)
    assert (coil.name, coil.brand, coil.didt_max_a_per_us) == ("x", "", 90.0)
    np.testing.assert_allclose(coil.dipoles_mm, [[-40, 0, -5], [40, 0, -5]])
    np.testing.assert_allclose(coil.moments_m2, [[0, 0, 1e-3], [0, 0, -1e-3]])


def test_dipole_file_without_a_header(tmp_path):
    path = tmp_path / "mine.ccd"
    path.write_text("2\n" + ROWS)
    coil = read_coil(path)
    assert (coil.name, coil.didt_max_a_per_us) == ("mine", None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"# only a header\n2\n", "no dipoles"),
        (b"# a\n3\n" + ROWS.encode(), "truncated"),
        (b"# a\n2\n" + ROWS.encode()[:-8], "line 4"),
        (b"# a\n2\n" + ROWS.replace("0.04", "0,04").encode(), "line 3"),
        (b"# a\n2\n" + ROWS.replace("-0.04", "nan").encode(), "NaN"),
        (b"# a\n2\n" + ROWS.replace("1e-3", "1e999").encode(), "NaN"),
        (b"# a\n2\n" + ROWS.replace("1e-3", "0").encode(), "no element"),
        (b"# a\n2\n" + ROWS.replace("0.04", "40").encode(), "metres"),
        (b"# a\n2\n" + ROWS.replace("0.04", "4e-5").encode().replace(b"-0.005", b"0"), "metres"),
        (b"# a\n2\n" + ROWS.replace("1e-3", "1e3").encode(), "A·m²"),
        (b"# a;dIdtmax=1.2e8\n2\n" + ROWS.encode(), "A/µs"),
        (b"# a;dIdtmax=fast\n2\n" + ROWS.encode(), "dIdtmax"),
        ("# Prüfspule\n2\n".encode("latin-1") + ROWS.encode(), "UTF-8"),
        (b"\x1f\x8b\x08\x00\x00\xff\xfe", "UTF-8"),
        (b"\x00" * 100, "line 1"),
    ],
)
def test_dipole_files_that_are_wrong(tmp_path, content, words):
    path = tmp_path / "wrong.ccd"
    path.write_bytes(content)
    with pytest.raises(ActionloopError) as caught:
        read_coil(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_coil(tmp_path / "none.ccd")
    (tmp_path / "folder.ccd").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_coil(tmp_path / "folder.ccd")
    for name, words in (("a.nii.gz", "ccd or .tcd"), ("a.nii", "ccd or .tcd"), ("a.stl", "ending in")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(InputError, match=words):
            read_coil(tmp_path / name)
    with (tmp_path / "big.tcd").open("wb") as stream:
        stream.truncate(300 * 2**20)
    with pytest.raises(InputError, match="300 MB"):
        read_coil(tmp_path / "big.tcd")


def packed(values):
    return base64.b64encode(zlib.compress(np.asarray(values, "<f8").tobytes())).decode()


def definition(*elements, **more):
    return {"coilElementList": list(elements), "stimulatorList": [{"name": "s", "maxdIdt": 1.2e8}], **more}


def element(kind=1, points=((-40, 0, -5), (40, 0, -5)), values=((0, 0, 1e-3), (0, 0, -1e-3)), **more):
    return {"stimulator": 0, "type": kind, "points": points, "values": values, **more}


def read_definition(folder, content, **choice):
    path = folder / "a.tcd"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_coil(path, **choice)


def test_definition_with_dipoles(tmp_path):
    points, values = np.array(element()["points"], float), np.array(element()["values"], float)
    plain = read_definition(tmp_path, definition(element(), name="N", brand="B"))
    assert (plain.name, plain.brand, plain.didt_max_a_per_us) == ("N", "B", 120.0)
    small = read_definition(tmp_path, definition(element(points=packed(points), values=packed(values))))
    for coil in (plain, small):
        np.testing.assert_array_equal(coil.dipoles_mm, points)
        np.testing.assert_array_equal(coil.moments_m2, values)
    both = read_definition(tmp_path, definition(element(), element(2, values=[[0, 5, 0], [0, -5, 0]])))
    assert len(both.dipoles_mm) == 2
    np.testing.assert_allclose(both.wires_m, [[0, 0.005, 0], [0, -0.005, 0]])


def test_definition_with_casings_and_parts_at_rest(tmp_path):
    outline = [[x, y, z] for x in (-50, 50) for y in (-30, 30) for z in (-20, 0)]
    coil = read_definition(
        tmp_path,
        definition(
            element(elementCasing=1, deformations=[0]),
            coilCasing=0,
            coilModels=[{"points": outline, "faces": []}, {"points": packed(outline[:4]), "faces": []}],
            deformList=[{"type": "x", "deformRange": 0}],
            deformRangeList=[{"initial": 0.0, "range": [-5, 5]}],
        ),
    )
    np.testing.assert_array_equal(coil.casing_mm, outline + outline[:4])


@pytest.mark.parametrize("middles", [False, True])
def test_wires_are_read_at_starts_and_at_middles(tmp_path, middles):
    angle = np.arange(12) * np.pi / 6
    corners = 40 * np.column_stack((np.cos(angle), np.sin(angle), 0 * angle))
    values = np.roll(corners, -1, axis=0) - corners
    points = corners + values / 2 if middles else corners
    coil = read_definition(tmp_path, definition(element(2, points.tolist(), values.tolist())))
    # a polygon: everything lies on its sides, in pieces of at most 4 mm that close it
    assert np.linalg.norm(coil.wires_m, axis=1).max() <= 0.004
    assert np.linalg.norm(coil.wires_m, axis=1).sum() == pytest.approx(np.linalg.norm(values, axis=1).sum() / 1000)
    np.testing.assert_allclose(coil.wires_m.sum(axis=0), 0, atol=1e-12)
    outward = np.column_stack((np.cos(angle + np.pi / 12), np.sin(angle + np.pi / 12), 0 * angle))
    np.testing.assert_allclose((coil.wires_mm @ outward.T).max(axis=1), 40 * np.cos(np.pi / 12), rtol=1e-12)


def deep():
    return "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "complete"),
        ("[1, 2]", "object"),
        ("{}", "coilElementList"),
        (deep(), "deep"),
        ('{"coilElementList": ' + "1" * 5000 + "}", "absurd"),
        (definition(5), "list of objects"),
        (definition(element(3)), "sampled"),
        (definition(element(9)), "unknown type"),
        (definition(element(points=[[0, 0, 0]])), "1 points and 2 values"),
        (definition(element(points=[[0, 0]])), "rows of three"),
        (definition(element(points=None)), "rows of three"),
        (definition(element(points="%%%")), "damaged"),
        (definition(element(points=packed([[1.0, 2, 3]])[:-6])), "damaged"),
        (definition(element(points=packed([1.0, 2]))), "damaged"),
        (definition(element(points=base64.b64encode(zlib.compress(bytes(50_000_000))).decode())), "1,000,000"),
        (definition(element(values=[[0, 0, float("nan")]] * 2)), "NaN"),
        (definition(element(points=[[-0.04, 0, 0], [0.04, 0, 0]])), "mm"),
        (definition(element(points=[[-4e4, 0, 0], [4e4, 0, 0]])), ".tcd file in mm"),
        (definition(element(deformations=[0])), "moving"),
        (
            definition(
                element(deformations=[0]),
                deformList=[{"type": "x", "deformRange": 0}],
                deformRangeList=[{"initial": 3, "range": [0, 5]}],
            ),
            "moving",
        ),
        (definition(element(), coilCasing=0), "casing"),
        (definition(element(stimulator="s")), "stimulator"),
        ({**definition(element()), "stimulatorList": [{"maxdIdt": 120}]}, "A/s"),
        ({**definition(element()), "stimulatorList": [{"maxdIdt": "fast"}]}, "maxdIdt"),
        ({**definition(element()), "stimulatorList": 3}, "stimulatorList"),
    ],
)
def test_definitions_that_are_wrong(tmp_path, content, words):
    with pytest.raises(ActionloopError) as caught:
        read_definition(tmp_path, content)
    assert words in str(caught.value)
    assert "a.tcd" in str(caught.value)
