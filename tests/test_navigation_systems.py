"""Visor2, SimNIBS, Softaxic and Localite: real files, round trips, and everything that must be refused."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import ActionloopError, EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.navigation.found import poses_of
from actionloop.navigation.localite import read_localite_file, write_localite
from actionloop.navigation.simnibs import pack_simnibs, read_simnibs, read_simnibs_mat, split_poses, write_simnibs
from actionloop.navigation.simnibsscript import write_simnibs_script
from actionloop.navigation.softaxic import read_softaxic
from actionloop.navigation.visor import read_visor, write_visor
from actionloop.types import CoilPose, Image, ImageTie

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "navigation"
SHA = "ab" * 32
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no navigation files in {DATA} (set ACTIONLOOP_DATA)")
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def make_image(affine=None, *, codes=(1, 1), agree=True, sha=SHA):
    if affine is None:
        affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros((160, 200, 180), np.int8), affine, "sub-01 T1w", "t1.nii.gz", sha, codes, agree)


def centred(rotation, spacing, flip):
    """An oblique, anisotropic affine, left-handed when flipped, with the middle of the image at the origin."""
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() @ np.diag(np.array(spacing) * [-1 if flip else 1, 1, 1])
    affine[:3, 3] = -affine[:3, :3] @ [79.5, 99.5, 89.5]
    return affine


def pose(matrix, label="M1 L", note="geometric, no field yet; ± 3 mm"):
    return CoilPose(matrix, ImageTie("sub-01 T1w", SHA), label, note)


def placed(rotation, xyz):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = xyz
    return matrix


DOWN = placed(Rotation.from_euler("y", 180, degrees=True), (-40.0, 0.0, 90.0))
LEFT, RIGHT = pose(DOWN), pose(np.vstack([[-1, 1, 1, -1] * DOWN[:1], DOWN[1:]]) @ np.diag([-1, 1, 1, 1]), "M1 R")

angles = st.floats(-180, 180)
rotations = st.builds(lambda a, b, c: Rotation.from_euler("xyz", [a, b, c], degrees=True), angles, angles, angles)
NAMES = ["M1", 'a<b & "c" -- d\'', "Süd;\tost #1", "'''\n\"\"\" + __import__('os')", "\\N{x} {0} %s"]


@st.composite
def matrices(draw):
    x = draw(st.floats(41, 75)) * draw(st.sampled_from([-1, 1]))
    return placed(draw(rotations), (x, draw(st.floats(-100, 100)), draw(st.floats(-40, 100))))


@st.composite
def several(draw):
    found = draw(st.lists(matrices(), min_size=1, max_size=5))
    names = [draw(st.sampled_from(NAMES)) for _ in found]
    return [
        pose(one, f"{name} {i} {'L' if one[0, 3] < 0 else 'R'}")
        for i, (one, name) in enumerate(zip(found, names, strict=True))
    ]


images = st.builds(
    lambda turn, spacing, flip: make_image(centred(turn, spacing, flip)),
    st.builds(lambda a, b: Rotation.from_euler("xz", [a, b], degrees=True), st.floats(-30, 30), st.floats(-30, 30)),
    st.tuples(*[st.floats(0.5, 3.0)] * 3),
    st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(several(), images)
def test_round_trips(poses, image):
    mat = io.BytesIO()
    savemat(mat, pack_simnibs(poses, image=image))
    visor = write_visor(poses, image=image, coil_type="D70", coil_id="D70.ccd")
    for back in (
        read_visor(visor, image=image),
        read_simnibs(write_simnibs(poses, image=image)),
        read_simnibs_mat(mat.getvalue()),
        read_localite_file(write_localite(poses, image=image)),
        read_localite_file(write_localite(poses, image=image, space="LPS")),
    ):
        assert len(back.entries) == len(poses)
        assert back.skipped == ()
        for one, entry in zip(poses, back.entries, strict=True):
            np.testing.assert_allclose(entry.matrix, one.matrix, atol=1e-9)
            np.testing.assert_array_equal(entry.xyz_ras, entry.matrix[:3, 3])
            assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
            side = "left" if one.matrix[0, 3] < 0 else "right"
            assert entry.label == f"{' '.join(one.label.split())} ({side})"
            assert entry.note == one.note
            assert entry.kind == "target"


@settings(max_examples=40, deadline=None)
@given(several(), images)
def test_the_script_is_data_and_nothing_else(poses, image):
    path = "C:\\m2m 'x'\n\"\"\"; import os; os.remove('y')"
    text = write_simnibs_script(poses, image=image, head_folder=path, coil_file="D70.ccd", didt_a_per_s=2e6)
    tree = ast.parse(text)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls <= {"sim_struct.SESSION", "session.add_tmslist", "coil.add_position", "print", "run_simnibs"}
    assert [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)] == [
        "from simnibs import run_simnibs, sim_struct"
    ]
    given_to = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.Call):
            given_to.setdefault(ast.unparse(node.targets[0]), []).append(ast.literal_eval(node.value))
    assert given_to["session.subpath"] == [path]
    assert given_to["position.didt"] == [2e6] * len(poses)
    np.testing.assert_array_equal(given_to["position.matsimnibs"], [one.matrix for one in poses])
    assert [name.rpartition(" (")[0] for name in given_to["position.name"]] == [
        " ".join(one.label.split()) for one in poses
    ]


def test_every_export_says_notice_frame_hash_side_and_note():
    image = make_image()
    for text in (
        write_visor([LEFT, RIGHT], image=image),
        write_simnibs([LEFT, RIGHT], image=image),
        write_simnibs_script([LEFT, RIGHT], image=image, head_folder="m2m_01", coil_file="D70.ccd"),
        write_localite([LEFT, RIGHT], image=image, space="LPS"),
    ):
        for said in (facts.notice(), "sub-01 T1w", SHA, LEFT.note, "actionloop 0", "Scanner"):
            assert said in text
        assert "M1 L (left): LEFT hemisphere, x = -40.0 mm, negative" in text
        assert "M1 R (right): RIGHT hemisphere, x = +40.0 mm, positive" in text
        assert "never navigate a person" not in text
    assert "never navigate a person" in write_visor([LEFT], image=make_image(codes=(4, 4)))
    packed = pack_simnibs([LEFT], image=image)
    assert packed["matsimnibs"].shape == (4, 4, 1)
    assert facts.notice() in packed["comment"]


def script(poses, *, image):
    return write_simnibs_script(poses, image=image, head_folder="m2m_01", coil_file="D70.ccd")


@pytest.mark.parametrize("write", [write_visor, write_simnibs, pack_simnibs, script, write_localite])
def test_refuses_to_write(write):
    for image in (make_image(agree=False), make_image(codes=(0, 0)), make_image(sha="cd" * 32), make_image(sha="")):
        with pytest.raises(GeometryError):
            write([LEFT], image=image)
    with pytest.raises(GeometryError, match="other side"):
        write([pose(RIGHT.matrix, "M1 L")], image=make_image())
    with pytest.raises(GeometryError, match="two poses"):
        write([LEFT, LEFT], image=make_image())
    with pytest.raises(GeometryError, match="two poses"):
        write([pose(DOWN, "M1\tL"), pose(DOWN, "M1 L")], image=make_image())
    with pytest.raises(EmptyRegionError):
        write([], image=make_image())


@needs_data
def test_reads_the_real_visor_file_and_writes_it_back():
    text = (DATA / "ant/ioJson3DMarker_example_SimNIBS.mrk").read_text(encoding="utf-8")
    found = read_visor(text, source="x.mrk")
    assert (found.system, found.version, found.frame, found.space) == (
        "Visor2",
        "visor2 2.8.0",
        "ASSOCIATED_IMAGE",
        "RAS",
    )
    assert len(found.entries) == len(found.poses) == 7
    assert found.skipped == ()
    labels = [entry.label for entry in found.entries]
    assert labels[:4] == ["CoilMarker_1", "CoilMarker_2", "CoilMarker_3", "CoilTarget 4"]
    np.testing.assert_allclose(found.entries[0].xyz_ras, [-70, -10, 60])
    for entry in found.entries:
        assert entry.matrix[0, 2] > 0  # left of the midline, z points right and down: into the head
        assert entry.matrix[2, 2] < 0
        assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    # Its qform: 180° about y and a reversed third axis are x to the left, from 90, -126, -172 on.
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = 90, -126, -172
    image = make_image(affine)
    read_visor(text, image=image)
    written = json.loads(write_visor([LEFT], image=image, kept=found))
    original = json.loads(text)
    assert written["TargetMarkers"][:7] == original["TargetMarkers"]
    assert len(written["TargetMarkers"]) == 8
    assert written["Configuration"]["AssociatedImageInfo"] == original["Configuration"]["AssociatedImageInfo"]
    moved = make_image(affine + np.pad([[0.5]], ((0, 3), (3, 0))))
    with pytest.raises(GeometryError, match=r"0\.50 mm apart"):
        read_visor(text, image=moved)
    with pytest.raises(GeometryError, match="mm apart"):
        write_visor([LEFT], image=moved, kept=found)
    with pytest.raises(GeometryError, match="mm apart"):
        read_visor(text, image=make_image(np.diag([-1.0, -1, 1, 1]) @ affine))


def test_visor_traps():
    text = write_visor([LEFT], image=make_image())
    for key, value in (("simnibs", "brainsight"), ('"mm"', '"m"'), ("ASSOCIATED_IMAGE", "WORLD"), ('"mm"', "null")):
        with pytest.raises(GeometryError, match="expected"):
            read_visor(text.replace(key, value))
    data = json.loads(text)
    coil = data["TargetMarkers"][0]["CoilTarget"]

    def again(matrix):
        coil["CoilPose"]["RigidTransformMatrix4x4"] = matrix
        return json.dumps(data)

    with pytest.raises(GeometryError, match="left-handed"):
        read_visor(again((DOWN @ np.diag([-1, 1, 1, 1])).tolist()))
    with pytest.raises(GeometryError, match="shear"):
        read_visor(again((DOWN + np.pad([[0.1]], ((0, 3), (1, 2)))).tolist()))
    with pytest.raises(InputError, match="transposed"):
        read_visor(again(DOWN.T.tolist()))
    for bad in ([], DOWN[:3].tolist(), "x", None, [[10**400] * 4] * 4, {"a": 1}):
        with pytest.raises(InputError, match="4 x 4"):
            read_visor(again(bad))
    with pytest.raises(GeometryError):
        read_visor(again([[float("nan")] * 4] * 3 + [[0, 0, 0, 1]]))
    untracked = read_visor(again(np.eye(4).tolist()))
    assert untracked.entries == ()
    assert "identity" in untracked.skipped[0]
    assert "no poses" in untracked.skipped[1]
    data["TargetMarkers"] = [{"PointTarget": {}}, 3]
    data["Recorded"] = []
    assert len(read_visor(json.dumps(data)).skipped) == 4
    with pytest.raises(GeometryError, match="no qform"):
        write_visor([LEFT], image=make_image(codes=(0, 1)))
    sheared = make_image().affine + np.pad([[0.2]], ((0, 3), (1, 2)))
    with pytest.raises(GeometryError, match="shear"):
        write_visor([LEFT], image=make_image(sheared))
    data["Configuration"]["AssociatedImageInfo"]["NIfTI_quatern"] = [1, 1, 1]
    with pytest.raises(InputError, match="associated image"):
        read_visor(json.dumps(data), image=make_image())


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7])
def test_one_pose_and_many_are_told_apart(n):
    turns = Rotation.random(n, rng=np.random.default_rng(n))
    stack = np.array([placed(turn, (-60.0 - i, 10.0 * i, 70)) for i, turn in enumerate(turns)])
    for shaped in (stack, np.moveaxis(stack, 0, 2), *([stack[0]] if n == 1 else [])):
        np.testing.assert_array_equal(split_poses(shaped, label="m", source=""), stack)
        for found in (
            read_simnibs(json.dumps(shaped.tolist())),
            read_simnibs(json.dumps({"matsimnibs": shaped.tolist()})),
            read_simnibs_mat({"matsimnibs": shaped, "__header__": b""}),
            read_simnibs_mat({"best": shaped, "other": np.zeros(3)}),
        ):
            np.testing.assert_allclose([entry.matrix for entry in found.entries], stack, atol=1e-12)
            assert not found.verified
            assert "does not say" in found.frame
    for shaped in (np.moveaxis(stack, 0, 1), np.swapaxes(stack, 1, 2), stack[:, :3], stack.ravel(), stack[None, None]):
        with pytest.raises(InputError):
            split_poses(shaped, label="m", source="")
    with pytest.raises(InputError, match="shape"):
        split_poses(np.empty((0, 4, 4)), label="m", source="")


def test_simnibs_sessions():
    record = {"matsimnibs": DOWN, "name": "M1", "didt": 1e6}
    other = {"matsimnibs": "", "name": "C3 to Cz", "centre": "C3"}
    unset = {"matsimnibs": np.eye(4), "name": ""}
    lists = np.empty(2, dtype=object)
    lists[:] = [{"type": "TMSLIST", "pos": [record, other]}, {"type": "TMSLIST", "pos": unset}]
    file = io.BytesIO()
    savemat(file, {"type": "SESSION", "poslist": lists}, do_compression=True)
    plainly = {"poslist": [{"pos": [{**record, "matsimnibs": DOWN.tolist()}, other, {"matsimnibs": None}]}]}
    records = loadmat(io.BytesIO(file.getvalue()))
    for found in (read_simnibs_mat(file.getvalue()), read_simnibs_mat(records), read_simnibs(json.dumps(plainly))):
        assert [entry.label for entry in found.entries] == ["M1"]
        np.testing.assert_allclose(found.entries[0].matrix, DOWN)
        assert len(found.skipped) == 2
        assert "'C3 to Cz' has no matrix" in found.skipped[0]


def test_simnibs_relative_places_and_other_traps():
    near = DOWN.copy()
    near[:3, 3] = 1.0, -2.0, 3.0
    metres = DOWN.copy()
    metres[:3, 3] /= 1000
    for one in (near, metres):
        with pytest.raises(GeometryError, match="relative to a target, or in metres"):
            read_simnibs(json.dumps(one.tolist()))
        with pytest.raises(GeometryError, match="relative to a target"):
            read_simnibs_mat({"matsimnibs": one})
    assert len(read_simnibs(json.dumps(near.tolist()), absolute=True).entries) == 1
    for said in ("relative", "offset", "voxel", 3):
        with pytest.raises(GeometryError, match="expected absolute"):
            read_simnibs(json.dumps({"matsimnibs": DOWN.tolist(), "coordinates": said}), absolute=True)
    with pytest.raises(InputError, match="transposed"):
        read_simnibs(json.dumps(DOWN.T.tolist()))
    with pytest.raises(GeometryError, match="left-handed"):
        read_simnibs(json.dumps((np.diag([-1, 1, 1, 1]) @ DOWN).tolist()))
    with pytest.raises(GeometryError, match="shear"):
        read_simnibs(json.dumps((DOWN @ np.diag([1.1, 1, 1, 1])).tolist()))
    with pytest.raises(InputError, match="names"):
        read_simnibs(json.dumps({"matsimnibs": DOWN.tolist(), "names": ["a", "b"]}))
    with pytest.raises(InputError, match="expected 'matsimnibs'"):
        read_simnibs_mat({"a": DOWN, "b": DOWN})
    for text in ("", "{", "[" * 100_000, "3", "{}", '{"pos": []}', '{"matsimnibs": "x"}', "[[1,2],[3]]", "null"):
        with pytest.raises(InputError):
            read_simnibs(text)
    with pytest.raises(OptionError):
        write_simnibs_script([LEFT], image=make_image(), head_folder="a", coil_file="b", didt_a_per_s=float("nan"))


def test_simnibs_keeps_what_was_only_read():
    rough = DOWN.copy()
    rough[0, 1] = 0.0004
    kept = read_simnibs(json.dumps({"matsimnibs": [rough.tolist()], "names": ["theirs"]}))
    written = json.loads(write_simnibs([LEFT], image=make_image(), kept=kept))
    assert written["matsimnibs"] == [rough.tolist(), DOWN.tolist()]
    assert written["names"] == ["theirs", "M1 L (left)"]
    with pytest.raises(GeometryError, match="two poses"):
        write_simnibs([LEFT], image=make_image(), kept=read_simnibs(write_simnibs([LEFT], image=make_image())))
    other = CoilPose(RIGHT.matrix, ImageTie("sub-01 T1w", "cd" * 32), "M1 R")
    with pytest.raises(GeometryError, match="another image"):
        ours = read_simnibs(write_simnibs([LEFT], image=make_image()))
        write_simnibs([other], image=make_image(sha="cd" * 32), kept=ours)
    with pytest.raises(GeometryError, match="cannot be written back"):
        write_visor([LEFT], image=make_image(), kept=kept)


def test_refuses_hostile_mat_files():
    file = io.BytesIO()
    savemat(file, {"matsimnibs": DOWN})
    good = file.getvalue()
    assert len(read_simnibs_mat(good).entries) == 1
    head = good[:128]
    bomb = zlib.compress(bytes(64_000_000), 9)
    large = bytearray(good)
    at = large.index(struct.pack("<II", 5, 8))
    large[at + 8 : at + 16] = struct.pack("<ii", 2**30, 4)
    deep = b""
    for _ in range(40):
        deep = struct.pack("<II", 14, len(deep)) + deep
    # A cell that states no length hides an array of 2^30 structures behind it.
    inner = struct.pack("<IIII", 6, 8, 2, 0) + struct.pack("<IIii", 5, 8, 2**15, 2**15) + struct.pack("<II", 1, 0)
    cell = struct.pack("<IIII", 6, 8, 1, 0) + struct.pack("<IIii", 5, 8, 1, 1) + struct.pack("<IIQ", 1, 1, 97)
    hidden = cell + struct.pack("<II", 14, 8) + inner
    for data in (
        head + struct.pack("<II", 14, len(hidden)) + hidden,
        b"",
        b"not a mat file" * 20,
        b"MATLAB 7.3 MAT-file" + bytes(200),
        good[:180],
        good[:-30],
        bytes(large),
        head + struct.pack("<II", 15, len(bomb)) + bomb,
        head + struct.pack("<II", 15, 50) + bytes(50),
        head + deep,
        head + bytes(8) * 300_000,
        good + bytes(33_000_000),
    ):
        with pytest.raises(InputError):
            read_simnibs_mat(data, source="x.mat")
    # Refused by what they state, before any memory is taken for it.
    for data, match in (
        (bytes(large), "states an array"),
        (head + struct.pack("<II", 14, len(hidden)) + hidden, "not filled"),
        (head + struct.pack("<II", 15, len(bomb)) + bomb, "larger or deeper"),
        (head + deep, "larger or deeper"),
    ):
        with pytest.raises(InputError, match=match):
            read_simnibs_mat(data, source="x.mat")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_give_our_errors_only(data):
    image = make_image()
    file = io.BytesIO()
    savemat(file, {"poslist": {"pos": [{"matsimnibs": DOWN, "name": "a"}]}}, do_compression=data.draw(st.booleans()))
    texts = (write_visor([LEFT], image=image), write_simnibs([LEFT], image=image), write_localite([LEFT], image=image))
    raw = [text.encode() for text in texts] + [file.getvalue()]
    readers = (read_visor, read_simnibs, read_localite_file, read_simnibs_mat)
    for content, reader in zip(raw, readers, strict=True):
        damaged = bytearray(content)
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        cut = bytes(damaged)[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else bytes(damaged)
        with contextlib.suppress(ActionloopError):
            reader(cut if reader is read_simnibs_mat else cut.decode(errors="surrogateescape"))


@needs_data
def test_reads_the_real_softaxic_file():
    text = (DATA / "softaxic/neuronav_coil_test.stmpx").read_text(encoding="utf-8")
    found = read_softaxic(text, source="x.stmpx")
    assert [entry.label for entry in found.entries] == ["P001", "P002", "P004", "P006"]
    assert "20210826-175502" in found.frame
    assert "taken as RAS" in found.frame
    first = found.entries[0]
    assert first.kind == "sample"
    np.testing.assert_allclose(first.xyz_ras, [-51.3255, 2.26082, 68.1565])
    # R = D · [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]: its columns are -(second), first and third of theirs.
    expected = [[-0.335503, -0.171625, 0.926273], [-0.234913, 0.967445, 0.0941655], [-0.912279, -0.186001, -0.364897]]
    np.testing.assert_allclose(first.matrix[:3, :3], expected, atol=1e-5)
    for entry in found.entries:
        # Their point f lies behind the coil, along -z; z into the head points right and down on the left side.
        behind = np.array([float(entry.raw["f"][axis]) for axis in "xyz"]) - entry.xyz_ras
        assert behind @ entry.matrix[:3, 2] / np.linalg.norm(behind) < -0.9
        assert entry.matrix[0, 2] > 0 > entry.matrix[2, 2]
        assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    assert found.entries[1].raw["props"] == {"EMS_FT dist": "-28.2399"}
    for old, new, error in (
        ('m11="0.234913"', 'm11="x"', InputError),
        (' z="68.1565"', "", InputError),
        ('m00="-0.171625"', 'm00="-0.371625"', GeometryError),
        ('x="-51.3255"', 'x="nan"', GeometryError),
        ("</stmp>", "", InputError),
        ("<!DOCTYPE stmp>", '<!DOCTYPE stmp [<!ENTITY e SYSTEM "file:///etc/passwd">]>', InputError),
        ("<!DOCTYPE stmp>", '<!DOCTYPE stmp SYSTEM "http://x/y.dtd">', InputError),
        ("stmp>", "other>", InputError),
    ):
        assert old in text
        with pytest.raises(error):
            read_softaxic(text.replace(old, new), source="x.stmpx")
    flipped = text
    for key in ("m00", "m10", "m20"):
        flipped = flipped.replace(f'{key}="', f'{key}="@').replace('"@-', '"').replace('"@', '"-')
    with pytest.raises(GeometryError, match="left-handed"):
        read_softaxic(flipped)
    assert "no poses" in read_softaxic("<!DOCTYPE stmp>\n<stmp/>").skipped[0]


@needs_data
def test_reads_every_real_localite_file():
    counts = {}
    for path in sorted(DATA.glob("localite/*/*/*Marker*.xml")):
        text = path.read_text(encoding="utf-8")
        found = read_localite_file(text, source=path.name)
        n_markers = text.count("<InstrumentMarker ") + text.count("<TriggerMarker ")
        counts[path.name] = (n_markers, len(found.entries))
        assert found.space == path.name[:3] or "Trigger" in path.name
        assert {entry.kind for entry in found.entries} <= {"target" if "Instrument" in path.name else "sample"}
        assert ("no poses" in " ".join(found.skipped)) == (not found.entries)
        n_left_out = n_markers - len(found.entries)
        assert (f"{n_left_out} of {n_markers} markers" in " ".join(found.skipped)) == (n_left_out > 0)
        for entry, one in zip(found.entries, poses_of(found), strict=True):
            np.testing.assert_array_equal(entry.matrix, one.matrix)
            assert entry.xyz_ras[0] < 0 > entry.matrix[2, 2]
    assert counts["TriggerMarkers_Coil0_20210409170557579.xml"] == (1052, 0)
    assert counts["TriggerMarkers_Coil1_20210409170557579.xml"] == (1052, 1052)
    assert counts["TriggerMarkers_Coil0_20210409152823690.xml"] == (0, 0)
    assert counts["no_pos_data_TriggerMarkers_Coil0_20200220155529299.xml"] == (960, 1)
    assert sum(n for _, n in counts.values()) == 1085
    for path in DATA.glob("localite/*/*/TriggerData*.xml"):
        data = read_localite_file(path.read_text(encoding="utf-8"), source=path.name)
        assert (data.entries, data.space) == ((), "unknown")
        assert "holds no poses" in data.skipped[0]
        assert "TriggerMarkers_Coil0" in data.skipped[0]


@needs_data
def test_localite_lps_is_the_same_place_and_kept_markers_stay():
    path = next(DATA.glob("localite/*/*/LPS_InstrumentMarker20120925123537421.xml"))
    kept = read_localite_file(path.read_text(encoding="utf-8"), source=path.name)
    assert kept.entries[0].label == "hotspot"
    np.testing.assert_allclose(kept.entries[0].xyz_ras, [-36.23757, -35.69139, 101.91661], atol=1e-5)
    image = make_image()
    text = write_localite([LEFT, RIGHT], image=image, space="LPS", kept=kept)
    again = read_localite_file(text)
    assert [entry.label for entry in again.entries[4:]] == ["M1 L (left)", "M1 R (right)"]
    for one, other in zip(kept.entries, again.entries, strict=False):
        assert one.raw == other.raw
    for said in (
        'data00="-0.349056140613181800"',
        "as they were read",
        "every x said in words is RAS",
    ):
        assert said in text
    assert 'index="4"' in text
    assert write_localite([], image=image, space="LPS", kept=kept).count("<InstrumentMarker ") == 4
    with pytest.raises(GeometryError, match="in LPS cannot be written back"):
        write_localite([LEFT], image=image, kept=kept)
    ours = read_localite_file(write_localite([LEFT], image=image))
    other = CoilPose(RIGHT.matrix, ImageTie("sub-01 T1w", "cd" * 32), "M1 R")
    with pytest.raises(GeometryError, match="another image"):
        write_localite([other], image=make_image(sha="cd" * 32), kept=ours)
    path = next(DATA.glob("localite/*/*/TriggerMarkers_Coil1_20210409170817799.xml"))
    with pytest.raises(GeometryError, match="trigger marker"):
        write_localite([LEFT], image=image, kept=read_localite_file(path.read_text(encoding="utf-8")))


def test_localite_lps_matrix_and_traps():
    ras, lps = (write_localite([LEFT], image=make_image(), space=space) for space in ("RAS", "LPS"))
    assert 'data03="-40.0000000000"' in ras
    assert 'data03="40.0000000000"' in lps
    # A file that says the other space is turned by half a turn, never mirrored.
    wrong = read_localite_file(lps.replace('coordinateSpace="LPS"', 'coordinateSpace="RAS"')).entries[0]
    np.testing.assert_allclose(wrong.matrix, FLIP @ LEFT.matrix, atol=1e-9)
    with pytest.raises(OptionError):
        write_localite([LEFT], image=make_image(), space="MNI")
    for old, new, error, match in (
        ('coordinateSpace="RAS"', 'coordinateSpace="World"', InputError, "coordinate space"),
        ('data30="0.0', 'data30="9.0', InputError, "0 0 0 1"),
        ('data00="', 'data00="9', GeometryError, "shear"),
        ('data03="', 'data03="nan" x="', GeometryError, "perpendicular"),
        ("<InstrumentMarkerList", "<!DOCTYPE x><InstrumentMarkerList", InputError, "document type"),
    ):
        assert old in ras
        with pytest.raises(error, match=match):
            read_localite_file(ras.replace(old, new))
    latin = ras.replace("UTF-8", "ISO-8859-1").replace("M1 L", "Süd L")
    assert read_localite_file(latin).entries[0].label == "Süd L (left)"
    bare = ras[: ras.index("<Matrix4D")] + "</Marker></InstrumentMarker></InstrumentMarkerList>"
    assert "has no matrix" in read_localite_file(bare).skipped[0]
