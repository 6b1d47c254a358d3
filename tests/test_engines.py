"""Fields of other programs beside ours: their files, their scripts run by stand-ins, and what is said and refused."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.sphere import CORTEX_MM, FRAME, SCALP_MM, balls, half, mesh
from tests.standin import cubes, gmsh_bytes, install
from tests.test_poses import posed

from actionloop import facts, files
from actionloop.brain import Scalp
from actionloop.cli import main
from actionloop.errors import ActionloopError, EngineError, GeometryError, InputError, OptionError
from actionloop.field import (
    ElementField,
    dipole_coil,
    figure_of_eight,
    find_coil,
    grey_elements,
    primary_field,
    require_same_head,
    sample_elements,
    sphere_field,
)
from actionloop.files import read_coil, read_mesh_field, write_coil
from actionloop.navigation import place_coil, write_cunibs_script, write_simnibs_script
from actionloop.pipeline.doctor import doctor
from actionloop.pipeline.enginepage import (
    compared_in_short,
    compared_part,
    compared_rows,
    compared_words,
    scale_words,
)
from actionloop.pipeline.engines import engine_mesh, find_program, require_engines, run_script
from actionloop.pipeline.foreign import compare_engines
from actionloop.pipeline.posing import Posing
from actionloop.pipeline.progress import Silent
from actionloop.pipeline.settings import PoseSettings
from actionloop.pipeline.steps import Steps
from actionloop.poses import PoseSearch, ScoredPose, SearchSettings, compare_fields
from actionloop.types import CoilPose, Image, ImageTie, Surface

NAMES = ("magnE", "normE", "E")
MATRIX = posed(CORTEX_MM * np.array([-0.6, 0.2, 0.7746]), turn_deg=20.0)
SHA = "ab" * 32
# Over the left hemisphere, the coil's z axis downwards.
LEFT = CoilPose(
    np.array([[-1.0, 0, 0, -40], [0, 1, 0, 0], [0, 0, -1, 90], [0, 0, 0, 1]]),
    ImageTie("sub-01 T1w", SHA),
    "M1 L",
    "note",
)
posix = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


def make_image(frame="sub-01 T1w"):
    affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros((160, 200, 180), np.int8), affine, frame, "t1.nii.gz", SHA, (1, 1), True)


@pytest.fixture
def ball():
    """A ball of tetrahedra of 8 mm, and a field in it."""
    nodes, tetrahedra, region = cubes(balls(4000, 60.0), edge_mm=8.0, reach_mm=8.0)
    field = np.random.default_rng(0).normal(size=(len(tetrahedra), 3))
    return nodes, tetrahedra, region, field


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_a_result_of_simnibs(tmp_path, ball, order):
    nodes, tetrahedra, region, field = ball
    strength, path = np.linalg.norm(field, axis=1), tmp_path / "x_TMS_1-0001_coil_scalar.msh"
    potential = {"v": np.arange(len(nodes))}
    path.write_bytes(
        gmsh_bytes(nodes, tetrahedra, region, {"E": field, "magnE": strength}, order=order, node_fields=potential)
    )
    read = read_mesh_field(path, frame="T1", names=NAMES)
    assert read.name == "magnE" and read.mesh.frame == "T1"
    np.testing.assert_array_equal(read.mesh.tetrahedra, tetrahedra)
    np.testing.assert_array_equal(read.strength, strength)
    path.write_bytes(gmsh_bytes(nodes, tetrahedra, region, {"E": field}, order=order))
    np.testing.assert_allclose(read_mesh_field(path, frame="T1", names=NAMES).strength, strength, atol=1e-12)


def test_values_belong_to_elements_by_their_number(tmp_path):
    """A text file with elements out of order, and values in yet another order."""
    nodes = np.array([[0.0, 0, 0], [80, 0, 0], [0, 80, 0], [0, 0, 80], [80, 80, 80]])
    text = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n5\n"
    text += "".join(f"{k + 1} {x} {y} {z}\n" for k, (x, y, z) in enumerate(nodes)) + "$EndNodes\n$Elements\n3\n"
    text += "9 4 2 2 2 1 2 3 4\n4 2 2 1005 1005 1 2 3\n2 4 2 1 1 2 3 4 5\n$EndElements\n"
    text += '$ElementData\n1\n"magnE"\n1\n0\n3\n0\n1\n3\n2 0.25\n4 7\n9 0.5\n$EndElementData\n'
    path = tmp_path / "a.msh"
    path.write_text(text)
    read = read_mesh_field(path, frame="T1", names=NAMES)
    assert read.strength.tolist() == [0.5, 0.25] and read.mesh.region.tolist() == [2, 1]
    grey = grey_elements(read.mesh, read.strength)
    assert grey.strength.tolist() == [0.5] and grey.centres_mm.tolist() == [[20, 20, 20]]
    path.write_text(text.replace("2 0.25\n4 7", "5 0.25\n4 7"))
    with pytest.raises(InputError, match="no value for some of the 2"):
        read_mesh_field(path, frame="T1", names=NAMES)


def broken(kind, nodes, tetrahedra, region, field):
    strength = np.linalg.norm(field, axis=1)
    whole = gmsh_bytes(nodes, tetrahedra, region, {"magnE": strength})
    if kind == "other field":
        return gmsh_bytes(nodes, tetrahedra, region, {"J": field}, node_fields={"v": np.zeros(len(nodes))})
    if kind == "no field":
        return gmsh_bytes(nodes, tetrahedra, region)
    if kind == "not finite":
        return gmsh_bytes(nodes, tetrahedra, region, {"magnE": np.where(np.arange(len(strength)) == 7, np.nan, 1.0)})
    if kind == "negative":
        return gmsh_bytes(nodes, tetrahedra, region, {"magnE": -strength})
    if kind == "two components":
        return gmsh_bytes(nodes, tetrahedra, region, {"magnE": field[:, :2]})
    if kind == "metres":
        return gmsh_bytes(nodes / 1000, tetrahedra, region, {"magnE": strength})
    return {
        "truncated": whole[:-4000],
        "count": whole.replace(b"\n4\n0\n1\n", b"\n4\n0\n999999999\n"),
        "tags": whole.replace(b'$ElementData\n1\n"magnE"', b'$ElementData\nx\n"magnE"'),
        "empty": b"",
        "foreign": b"not a mesh at all",
    }[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("other field", r"found v \(nodes\), J \(tetrahedra\)"),
        ("no field", "found no field at all"),
        ("not finite", "not finite"),
        ("negative", "below 0"),
        ("two components", "2 components"),
        ("metres", "metres"),
        ("truncated", "truncated or damaged"),
        ("count", "truncated or damaged"),
        ("tags", "truncated or damaged"),
        ("empty", "empty"),
        ("foreign", "not a gmsh file"),
    ],
)
def test_refuses_a_bad_result(tmp_path, ball, kind, said):
    path = tmp_path / "x.msh"
    path.write_bytes(broken(kind, *ball))
    with pytest.raises((InputError, GeometryError)) as caught:
        read_mesh_field(path, frame="T1", names=NAMES)
    assert re.search(said, f"{caught.value}") and str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["figure-of-eight-70mm", "round-90mm"])
def test_own_coil_as_dipoles_makes_the_field_of_its_wires(name):
    rng, wires, dipoles = np.random.default_rng(1), find_coil(name), dipole_coil(name)
    assert not len(dipoles.wires_mm) and dipoles.name == name
    for depth, allowed in ((2.0, 1e-3), (5.0, 1e-4), (12.0, 1e-5)):
        points = np.column_stack((rng.uniform(-90, 90, (400, 2)), np.full(400, depth)))
        exact = primary_field(wires, np.eye(4), points)
        error = np.abs(primary_field(dipoles, np.eye(4), points) - exact).max()
        assert error <= allowed * np.abs(exact).max()
    with pytest.raises(OptionError):
        dipole_coil("no such coil")
    with pytest.raises(OptionError, match="above 0"):
        dipole_coil(name, spacing_mm=0)


def test_a_written_coil_reads_back(tmp_path):
    coil = replace(dipole_coil("round-90mm", spacing_mm=8.0), name="a;b=c #d", didt_max_a_per_us=120.0)
    write_coil(tmp_path / "a.ccd", coil)
    back = read_coil(tmp_path / "a.ccd")
    np.testing.assert_allclose(back.dipoles_mm, coil.dipoles_mm, atol=1e-6)
    np.testing.assert_allclose(back.moments_m2, coil.moments_m2, rtol=1e-8)
    assert back.didt_max_a_per_us == 120 and back.name == "abc d"
    with pytest.raises(InputError, match="pieces of wire"):
        write_coil(tmp_path / "b.ccd", figure_of_eight())
    assert not (tmp_path / "b.ccd").exists()


# --- reading at the cortex, and comparing ----------------------------------------------------------------------------


def holding(corners, point):
    """Elements whose four volumes with the point add up to the whole one."""

    def volume(p):
        return np.abs(np.linalg.det(p[:, 1:] - p[:, :1]))

    parts = np.zeros(len(corners))
    for k in range(4):
        replaced = corners.copy()
        replaced[:, k] = point
        parts += volume(replaced)
    return np.flatnonzero(parts <= volume(corners) * (1 + 1e-9))


def test_reads_the_element_that_holds_a_point_else_the_nearest(ball):
    nodes, tetrahedra, _, field = ball
    corners, strength = nodes[tetrahedra], np.linalg.norm(field, axis=1)
    elements = ElementField(corners.mean(axis=1), strength, corners)
    rng = np.random.default_rng(2)
    points = np.vstack([balls(60, 60.0) + rng.normal(size=(60, 3)), [[0, 0, 90.0]]])
    found = sample_elements(elements, points)
    for point, value, inside in zip(points, found.strength, found.inside, strict=True):
        held = holding(corners, point)
        assert inside == bool(len(held))
        if len(held):
            assert value in strength[held]
    assert found.inside[:-1].mean() > 0.9 and np.isnan(found.strength[-1])
    bare = sample_elements(replace(elements, corners_mm=None), points)
    away = np.linalg.norm(points[:, None] - elements.centres_mm, axis=2)
    near = away.min(axis=1) <= 4.0
    np.testing.assert_array_equal(bare.strength[near], strength[away.argmin(axis=1)][near])
    assert np.isnan(bare.strength[~near]).all() and not bare.inside.any()


def test_another_head_or_space_is_refused(ball):
    nodes, tetrahedra, _, field = ball
    cortex, strength = balls(2000, 60.0), np.linalg.norm(field, axis=1)

    def judged(move):
        corners = nodes[tetrahedra] @ np.diag(move[:3]) + np.array(move[3:])
        elements = ElementField(corners.mean(axis=1), strength, corners, "theirs.msh")
        require_same_head(elements, cortex, sample_elements(elements, cortex).strength)

    judged([1, 1, 1, 2, -1, 1])
    for move in ([1, 1, 1, 0, 15, 0], [1, 1, 1, -14, 0, 0], [1.3, 1.3, 1.3, 0, 0, 0], [-1, -1, 1, 40, 40, 0]):
        with pytest.raises(GeometryError, match="another head or another space") as caught:
            judged(move)
        assert "theirs.msh" in str(caught.value) and "T1" in str(caught.value)
    for wrong in (strength[:-1], np.where(strength > 0, np.nan, 0), -strength):
        with pytest.raises(GeometryError):
            ElementField(nodes[tetrahedra].mean(axis=1), wrong)
    with pytest.raises(GeometryError, match="no grey matter"):
        ElementField(np.zeros((0, 3)), np.zeros(0))


def naive(ours, theirs, points, area, weights, target, percentiles):
    """Everything once more, by loops and without the program's own percentiles."""

    def hot(values, percentile):
        order = sorted(range(len(values)), key=lambda k: -values[k])
        chosen, total = [], 0.0
        for k in order:
            chosen.append(k)
            total += area[k]
            if total >= (1 - percentile / 100) * sum(area) * (1 - 1e-12):
                return chosen
        return chosen

    a, b = hot(ours, 99.0), hot(theirs, 99.0)
    both = set(a) & set(b)
    means = [sum(area * v) / sum(area) for v in (ours, theirs)]
    one, two = ours - means[0], theirs - means[1]
    shares = [np.mean([sum((area * weights)[h]) / sum(area[h]) for h in (hot(v, p) for p in percentiles)])
              for v in (ours, theirs)]  # fmt: skip
    middles = [sum(points[k] * area[k] * v[k] for k in h) / sum(area[k] * v[k] for k in h)
               for h, v in ((a, ours), (b, theirs))]  # fmt: skip
    ratio = sum(area * ours * theirs) / sum(area * ours**2)
    return {
        "correlation": sum(area * one * two) / np.sqrt(sum(area * one**2) * sum(area * two**2)),
        "ratio": ratio,
        "relative_difference": np.sqrt(sum(area * (theirs - ours) ** 2) / sum(area * ours**2)),
        "scaled_difference": np.sqrt(sum(area * (theirs - ratio * ours) ** 2) / sum(area * theirs**2)),
        "peak_mm": np.linalg.norm(points[np.argmax(ours)] - points[np.argmax(theirs)]),
        "centre_mm": np.linalg.norm(middles[0] - middles[1]),
        "dice": 2 * sum(area[k] for k in both) / (sum(area[a]) + sum(area[b])),
        "share_ours": shares[0],
        "share_theirs": shares[1],
        "target_ours": sum((area * ours)[target]) / sum(area[target]),
        "target_theirs": sum((area * theirs)[target]) / sum(area[target]),
        "peak_ours": ours[hot(ours, 99.9)[-1]],
        "peak_theirs": theirs[hot(theirs, 99.9)[-1]],
        "covered": 1.0,
    }


def two_fields(n=3000, seed=0):
    rng, points = np.random.default_rng(seed), balls(n, 70.0)
    ours = np.exp(-((points - [-42, 14, 54]) ** 2).sum(axis=1) / 900) + 0.05 * rng.random(n)
    theirs = 1.2 * np.exp(-((points - [-38, 18, 55]) ** 2).sum(axis=1) / 1000) + 0.05 * rng.random(n)
    cortex = {"points_mm": points, "area_mm2": rng.uniform(0.5, 2, n), "weights": rng.random(n)}
    return ours, theirs, cortex, np.linalg.norm(points - [-42, 14, 54], axis=1) < 12


@pytest.mark.parametrize("seed", range(3))
def test_comparison_is_what_loops_find(seed):
    ours, theirs, cortex, target = two_fields(seed=seed)
    settings = SearchSettings.default()
    found = compare_fields(ours, theirs, cortex=cortex, target=target, settings=settings)
    expected = naive(
        ours, theirs, cortex["points_mm"], cortex["area_mm2"], cortex["weights"], target, settings.percentiles
    )
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_comparison_of_a_field_with_itself_and_with_its_multiple():
    ours, _, cortex, target = two_fields()
    for factor in (1.0, 1e6, 1e-6):
        found = compare_fields(ours, factor * ours, cortex=cortex, target=target, settings=SearchSettings.default())
        assert found.ratio == pytest.approx(factor) and found.correlation == pytest.approx(1)
        assert found.dice == pytest.approx(1) and found.peak_mm == 0 and found.centre_mm < 1e-9
        assert found.scaled_difference == pytest.approx(0, abs=1e-7) and found.share_ours == found.share_theirs
    part = np.where(np.arange(len(ours)) % 3 == 0, np.nan, ours)
    found = compare_fields(ours, part, cortex=cortex, target=target, settings=SearchSettings.default())
    assert 0.5 < found.covered < 0.8 and found.ratio == pytest.approx(1)
    for wrong in (ours * 0, ours * np.nan, ours[:-1]):
        with pytest.raises(GeometryError):
            compare_fields(ours, wrong, cortex=cortex, target=target, settings=SearchSettings.default())


def test_a_wrong_rate_of_current_is_said_in_words():
    assert "millionth" in scale_words(1.1e-6) and "A/µs" in scale_words(1.1e-6)
    assert "a million times" in scale_words(0.8e6)
    assert "thousand" in scale_words(900.0) and "thousandth" in scale_words(1.2e-3)
    assert "times ours" in scale_words(2.0) and "times ours" in scale_words(0.4)
    assert scale_words(1.0) == scale_words(1.2) == scale_words(0.8) == ""
    assert "another pose" in scale_words(0.0)


# --- scripts, programs -----------------------------------------------------------------------------------------------


def test_scripts_are_python_and_hold_data_only():
    nasty = "C:\\m2m 'x'\n\"\"\"; import os; os.remove('y')"
    points = balls(2000, 90.0)
    scalp = Scalp(points, mesh(points), points / 90, LEFT.tie.frame)
    image = make_image()
    texts = {
        "cunibs": write_cunibs_script([LEFT], image=image, scalp=scalp, head_mesh=nasty, coil_file=nasty),
        "beside": write_simnibs_script([LEFT], image=image, head_folder="a.msh", coil_file=nasty, coil_beside=True),
    }
    for text in texts.values():
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)}
        assert not any("os." in call for call in calls) and "import os\n" not in text
        assert facts.notice() in text and "sub-01 T1w" in text
    assert "session.fnamehead = 'a.msh'" in texts["beside"] and "resolve().parent" in texts["beside"]
    at = place_coil(LEFT.matrix, scalp)
    np.testing.assert_allclose((at.along_mm - at.centre_mm) / 50, LEFT.matrix[:3, 1], atol=1e-12)
    assert at.distance_mm == pytest.approx(np.linalg.norm(LEFT.matrix[:3, 3] - at.centre_mm))
    with pytest.raises(OptionError):
        write_cunibs_script([LEFT], image=image, scalp=scalp, head_mesh="a", coil_file="b", didt_a_per_s=0)


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without either program."""
    for name in ("ACTIONLOOP_SIMNIBS", "ACTIONLOOP_CUNIBS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


@posix
def test_programs_that_are_not_there_are_said(nowhere, monkeypatch, tmp_path):
    assert find_program("simnibs") is None and find_program("cunibs") is None
    assert not any("SimNIBS" in tool.what for tool in doctor().tools)
    head = tmp_path / "head.msh"
    for key, word in (("simnibs", "search path"), ("cunibs", "ACTIONLOOP_CUNIBS is not set")):
        with pytest.raises(OptionError, match=word) as caught:
            require_engines(PoseSettings(compare=(key,), compare_head=head), 1)
        assert "--foreign-field" in str(caught.value) and f"ACTIONLOOP_{key.upper()}" in str(caught.value)
    monkeypatch.setenv("ACTIONLOOP_SIMNIBS", str(tmp_path / "gone"))
    with pytest.raises(OptionError, match="gone"):
        require_engines(PoseSettings(compare=("simnibs",), compare_head=head), 1)
    for name, value in install(tmp_path / "there").items():
        monkeypatch.setenv(name, value)
    require_engines(PoseSettings(compare=("simnibs", "cunibs"), compare_head=head), 1)
    assert {Path(tool.path).name for tool in doctor().tools if "--compare" in tool.what} == {"simnibs_python", "python"}
    with pytest.raises(OptionError, match="no head"):
        require_engines(PoseSettings(compare=("simnibs",)), 1)
    with pytest.raises(OptionError, match="2 people"):
        require_engines(PoseSettings(foreign_fields=(head,)), 2)
    with pytest.raises(OptionError, match="no field of ours"):
        require_engines(PoseSettings(foreign_fields=(head,), engine="geometric"), 1)
    require_engines(PoseSettings(), 5)


def test_the_mesh_of_a_folder_of_simnibs(tmp_path):
    folder = tmp_path / "m2m_07"
    folder.mkdir()
    wanted = PoseSettings(compare=("simnibs",), compare_head=folder)
    with pytest.raises(InputError, match=r"07\.msh"):
        engine_mesh(wanted)
    (folder / "07.msh").write_bytes(b"x")
    (folder / "other.msh").write_bytes(b"x")
    assert engine_mesh(wanted) == folder / "07.msh"
    assert engine_mesh(PoseSettings(compare=("cunibs",), head=tmp_path / "a.msh")) == tmp_path / "a.msh"


@posix
def test_a_failing_or_endless_program_is_quoted_and_ended(tmp_path, monkeypatch):
    for name, value in install(tmp_path).items():
        monkeypatch.setenv(name, value)
    script = tmp_path / "a.py"
    script.write_text("import sys\nprint('<b>out of\\x1b memory</b>')\nsys.exit(3)\n")
    with pytest.raises(EngineError, match=r"code 3; it wrote last: <b>out of  memory</b>"):
        run_script("simnibs", script)
    script.write_text("import os, sys\nsys.exit(2 if 'PYTHONSTARTUP' in os.environ else 0)\n")
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    run_script("simnibs", script)
    script.write_text(
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\ntime.sleep(60)\n"
    )
    begin = time.monotonic()
    with pytest.raises(EngineError, match="took longer than"):
        run_script("simnibs", script, minutes=0.05)
    assert time.monotonic() - begin < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("what the program started still runs")


# --- one head of spheres, both stand-ins -----------------------------------------------------------------------------


class Rows:
    """Every vertex of both hemispheres is a row."""

    def __init__(self, n):
        self.n = n

    def to_mesh(self, values, side):
        return values[: self.n] if side == "L" else values[self.n :]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A sphere as a head, a pose whose field is known exactly, a head mesh, and both stand-ins."""
    points = balls(4000, CORTEX_MM)
    left, faces = half(points, mesh(points))
    surfaces = {
        "L": Surface(left, faces, "L", "midthickness", FRAME),
        "R": Surface(left * [-1, 1, 1], faces[:, ::-1], "R", "midthickness", FRAME),
    }
    anatomy = SimpleNamespace(frame=FRAME, surface=lambda side, kind="midthickness": surfaces[side])
    write_coil(tmp_path / "coil.ccd", dipole_coil("figure-of-eight-70mm", spacing_mm=14.0))
    coil = read_coil(tmp_path / "coil.ccd")
    matrix = MATRIX.copy()
    matrix[:3, 3] *= (SCALP_MM + 2.5) / np.linalg.norm(matrix[:3, 3])
    exact = {s: np.linalg.norm(sphere_field(coil, matrix, surfaces[s].vertices, centre_mm=np.zeros(3)), axis=1)
             for s in "LR"}  # fmt: skip
    near = {s: np.linalg.norm(surfaces[s].vertices - [-42, 14, 54], axis=1) < 10 for s in "LR"}
    best = ScoredPose(matrix, 0.0, 0.5, 0.1, 0.5, 0.1, float(exact["L"].max()), 0.4, "best")
    search = PoseSearch(
        "SCAN middle L", "SCAN", "L", np.array([-42.0, 14, 54]), coil.name, 10, 1, best, (best,), (),
        np.array([99.0]), {"best": np.array([0.5])}, exact, near, 0.01,
    )  # fmt: skip
    n = len(left)
    far = np.linalg.norm(np.vstack([surfaces[s].vertices for s in "LR"]) - [-42, 14, 54], axis=1)
    network_map = SimpleNamespace(names=("SCAN",), probability=np.exp(-(far**2) / 600)[None], grayordinates=Rows(n))
    out = balls(4000, SCALP_MM)
    scalp = Scalp(out, mesh(out), out / SCALP_MM, FRAME)
    posing = Posing(searches=(search,), coil=coil, scalp=scalp, head="sphere")
    image = make_image(FRAME)
    head = SimpleNamespace(anatomy=anatomy, image=image, reason="", scalp=scalp)
    folder = tmp_path / "m2m_01"
    folder.mkdir()
    nodes, tetrahedra, region = cubes(points, edge_mm=4.0, reach_mm=4.0)
    (folder / "01.msh").write_bytes(gmsh_bytes(nodes, tetrahedra, region))
    for name, value in install(tmp_path / "programs").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STANDIN_CENTRE", "0 0 0")

    def compare(**wanted):
        settings = PoseSettings(**{"compare_head": folder, "coil": str(tmp_path / "coil.ccd")} | wanted)
        job = SimpleNamespace(settings=SimpleNamespace(pose=settings))
        with Steps(tmp_path / "work") as steps:
            return compare_engines(job, head, network_map, posing, kept=(steps, "files"), progress=Silent())

    return SimpleNamespace(
        compare=compare, folder=folder, search=search, mesh=(nodes, tetrahedra, region), coil=coil, tmp=tmp_path
    )


@posix
def test_both_programs_beside_ours(bench, monkeypatch):
    found = bench.compare(compare=("simnibs", "cunibs"))
    assert [one.program for one in found] == ["SimNIBS", "cuNIBS"]
    for one in found:
        assert one.found is not None, one.reason
        assert one.found.correlation > 0.99 and one.found.ratio == pytest.approx(1, abs=0.03)
        assert one.found.dice > 0.8 and one.found.centre_mm < 2 and one.found.covered > 0.99
        assert one.found.share_theirs == pytest.approx(one.found.share_ours, abs=0.05)
        assert one.found.target_theirs == pytest.approx(one.found.target_ours, rel=0.05)
        assert scale_words(one.found.ratio) == ""
    assert found[0].inside > 0.9 and found[0].matrix is None
    np.testing.assert_allclose(found[1].matrix, bench.search.best.matrix, atol=0.1)
    assert not any("laid the coil itself" in said for said in compared_words(found[1]))
    monkeypatch.setenv("STANDIN_FAILS", "must not run again")
    again = bench.compare(compare=("simnibs",))
    assert again[0].found == found[0].found
    rows = compared_rows(found)
    assert list(rows[0]) == list(files.columns("compared")) and rows[1]["moved"] < 0.1


@posix
def test_a_program_that_fails_is_told_and_ours_stays(bench, monkeypatch):
    monkeypatch.setenv("STANDIN_FAILS", "<script>no licence</script>")
    (one,) = bench.compare(compare=("simnibs",))
    assert one.found is None and "<script>no licence</script>" in one.reason
    said = compared_in_short([one])
    assert "not compared with SimNIBS" in said[0]
    (row,) = compared_rows([one])
    assert row["correlation"] is None and row["reason"] == "SimNIBS ended with code 1"
    assert str(bench.tmp) not in one.reason and "/actionloop-" not in one.reason
    part = compared_part(
        SimpleNamespace(compared=(one,), posing=SimpleNamespace(head="x", preview=False), head=SimpleNamespace())
    )
    assert part is not None and not part.tables and not part.pictures and "Unverified" in part.sentences[0]
    assert not list(bench.tmp.glob("work/enginesimnibs*"))


@posix
def test_a_million_and_another_space_through_the_program(bench, monkeypatch):
    monkeypatch.setenv("STANDIN_DIDT", "1e-6")
    (one,) = bench.compare(compare=("simnibs",))
    assert one.found is not None and "millionth" in " ".join(compared_words(one))
    nodes, tetrahedra, region = bench.mesh
    (bench.folder / "01.msh").write_bytes(gmsh_bytes(nodes + np.array([0, 20, 0]), tetrahedra, region))
    for path in bench.tmp.glob("work/engine*"):
        path.unlink()
    monkeypatch.setenv("STANDIN_CENTRE", "")  # the mesh reaches out of the sphere
    (one,) = bench.compare(compare=("simnibs",))
    assert one.found is None and "another head or another space" in one.reason


def a_result(bench, name="given.msh", *, factor=1.0, move=0.0):
    nodes, tetrahedra, region = bench.mesh
    centres = nodes[tetrahedra].mean(axis=1)
    field = factor * sphere_field(bench.coil, bench.search.best.matrix, centres, centre_mm=np.zeros(3))
    path = bench.tmp / name
    path.write_bytes(gmsh_bytes(nodes + move, tetrahedra, region, {"E": field}))
    return path


def test_a_result_that_was_given(bench):
    (one,) = bench.compare(foreign_fields=(a_result(bench),))
    assert one.source == "given.msh" and one.found is not None and one.found.correlation > 0.99
    assert one.found.ratio == pytest.approx(1, abs=0.03)
    assert any("taken on trust" in said for said in compared_words(one))
    (one,) = bench.compare(foreign_fields=(a_result(bench, factor=67.0),), foreign_didt=67e6)
    assert one.found is not None and one.found.ratio == pytest.approx(1, abs=0.03)
    with pytest.raises(GeometryError, match="another head or another space"):
        bench.compare(foreign_fields=(a_result(bench, move=25.0),))
    with pytest.raises(OptionError, match="SCAN middle L"):
        bench.compare(foreign_fields=(a_result(bench), a_result(bench)))
    assert bench.compare() == ()


# --- the whole line --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@posix
def test_through_the_command_line(tmp_path, monkeypatch):
    """The template's head as a person's own, a preview, SimNIBS's stand-in, and a file without a result."""
    from tests.test_pose_preview import written_person

    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))
    monkeypatch.setattr("actionloop.pipeline.page.draw_pictures", lambda *_, **__: [])
    for name, value in install(tmp_path / "programs").items():
        monkeypatch.setenv(name, value)
    person, out = written_person(tmp_path), tmp_path / "out"
    anatomy = files.template_anatomy()
    cortex = np.concatenate([anatomy.surface(side).vertices for side in "LR"])
    folder = tmp_path / "m2m_01"
    folder.mkdir()
    (folder / "01.msh").write_bytes(gmsh_bytes(*cubes(cortex, edge_mm=4.0, reach_mm=4.5)))
    words = ["pose", out, "participant", "--map", person / "map.dlabel.nii", "--surfaces", person]
    words += ["--t1w", person / "T1w.nii.gz", "--engine", "sphere", "--pose-draws", "0", "--coil", person / "c.ccd"]
    words += ["--target", "SCAN middle L", "--export", "simnibs"]

    def run(*more):
        shown, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            try:
                code = int(main([str(word) for word in (*words, *more)]) or 0)
            except SystemExit as end:
                code = int(end.code or 0)
        assert "Traceback" not in said.getvalue() and "unexpected" not in said.getvalue(), said.getvalue()
        return code, shown.getvalue() + said.getvalue()

    code, said = run("--compare", "simnibs")
    assert code and "--compare-head" in said and not out.exists()
    code, said = run("--compare", "simnibs", "--compare-head", folder)
    assert not code, said
    assert "field of SimNIBS for" in said
    (table,) = out.rglob("*_compared.tsv")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert {row["program"] for row in rows} == {"SimNIBS"} and all(float(row["covered"]) > 0.95 for row in rows)
    assert all(0.5 < float(row["correlation"]) <= 1 for row in rows)
    (sidecar,) = out.rglob("*_compared.json")
    assert "Unverified" in json.loads(sidecar.read_text())["Verified"]
    page = next(out.glob("sub-*.html")).read_text(encoding="utf-8")
    assert "The field by other programs" in page and "Unverified: no real installation" in page
    assert len(list(out.rglob("*desc-compared*_figure.png"))) == len(rows)
    code, said = run("--foreign-field", folder / "01.msh")
    assert code and ("results given" in said or "found no field at all" in said)
