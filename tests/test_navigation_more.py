"""Formats without a real file: round trips, conversions worked out by hand, and what must be refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import ActionloopError, EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.navigation.invesalius import read_invesalius, write_invesalius
from actionloop.navigation.navinibs import read_navinibs, write_navinibs
from actionloop.navigation.nibsbids import read_nibsbids, write_nibsbids
from actionloop.navigation.slicer import read_slicer, write_slicer
from actionloop.types import CoilPose, Image, ImageTie

SHA = "ab" * 32
FRAME = "sub-01 T1w"


def make_image(*, affine=None, shape=(160, 200, 180), codes=(1, 1), agree=True, sha=SHA):
    if affine is None:
        affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros(shape, np.int8), affine, FRAME, "t1.nii.gz", sha, codes, agree)


def pose(rotation, xyz, label="SCAN middle L", note="geometric, no field yet", sha=SHA):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = xyz
    return CoilPose(matrix, ImageTie(FRAME, sha), label, note)


def straight_down(x):
    """On the vertex: z down (into the head), y forward, so x = y × z points to the left."""
    return pose(Rotation.from_euler("y", 180, degrees=True), (x, 0.0, 90.0), "SCAN middle " + ("L" if x < 0 else "R"))


def nibsbids(poses, *, image):
    return "\0".join(write_nibsbids(poses, image=image))


def from_nibsbids(text, *, source=""):
    table, sidecar = text.split("\0")
    return read_nibsbids(table, sidecar=sidecar, source=source)


FORMATS = [
    pytest.param(write_slicer, read_slicer, id="slicer"),
    pytest.param(write_navinibs, read_navinibs, id="navinibs"),
    pytest.param(write_invesalius, read_invesalius, id="invesalius"),
    pytest.param(nibsbids, from_nibsbids, id="nibsbids"),
]
WRITERS = [one.values[0] for one in FORMATS]


@st.composite
def images(draw):
    """Oblique, flipped, permuted and anisotropic, the head in the middle."""
    shape = tuple(draw(st.integers(40, 60)) for _ in range(3))
    spacing = [draw(st.floats(0.5, 4)) for _ in range(3)]
    order = np.eye(3)[list(draw(st.permutations(range(3))))] * [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    tilt = Rotation.from_euler("xyz", [draw(st.floats(-35, 35)) for _ in range(3)], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = tilt @ order @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return make_image(affine=affine, shape=shape)


@st.composite
def many_poses(draw):
    found = []
    for index in range(draw(st.integers(1, 4))):
        angles = [draw(st.one_of(st.floats(-180, 180), st.sampled_from([0.0, 90.0, -90.0, 180.0]))) for _ in range(3)]
        x = draw(st.floats(-75, 75).filter(lambda v: abs(v) > 1))
        place = (x, draw(st.floats(-100, 100)), draw(st.floats(-40, 100)))
        label = draw(st.sampled_from(["SCAN middle", "AMN dlPFC 1", 'a<b & "c" -- d\'', "Süd;\tost #1"]))
        label = f"{label} {index} {'L' if x < 0 else 'R'}"
        found.append(pose(Rotation.from_euler("xyz", angles, degrees=True), place, label, draw(st.sampled_from(NOTES))))
    return found


NOTES = ["", "geometric, no field yet", 'place ± 5 mm; "95 %"']


@pytest.mark.parametrize(("write", "read"), FORMATS)
@settings(max_examples=40, deadline=None)
@given(many=many_poses(), image=images())
def test_round_trip(write, read, many, image):
    found = read(write(many, image=image), source="file")
    assert not found.verified
    assert found.source == "file"
    assert found.skipped == ()
    assert len(found.poses) == len(found.entries) == len(many)
    for entry, one in zip(found.entries, many, strict=True):
        np.testing.assert_allclose(entry.matrix, one.matrix, atol=2e-6)
        np.testing.assert_array_equal(entry.xyz_ras, entry.matrix[:3, 3])
        assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
        assert entry.kind == "target"
        assert entry.label.replace('"', " ").split() == one.label.replace('"', " ").split()
        assert entry.note.replace('"', "").split() == one.note.replace('"', "").split()
        assert entry.raw


@settings(max_examples=30, deadline=None)
@given(many=many_poses(), image=images())
def test_invesalius_places_by_its_own_columns_too(many, image):
    text = write_invesalius(many, image=image)
    bare = "\n".join(text.split("\n")[:2] + [without_world(line) for line in text.split("\n")[2:] if line])
    for entry, one in zip(read_invesalius(bare, image=image).entries, many, strict=True):
        np.testing.assert_allclose(entry.matrix, one.matrix, atol=3e-6)
    unplaced = read_invesalius(bare)
    assert unplaced.space == "corner"
    assert "counted from a corner" in unplaced.frame
    placed = read_invesalius(bare, image=image)
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    for one, other in zip(unplaced.poses, placed.poses, strict=True):
        turn = other.matrix[:3, :3] @ one.matrix[:3, :3].T
        assert np.abs(np.abs(turn.T @ axes).max(axis=0) - 1).max() < 1e-6  # along the voxels
        off = placed.poses[0].xyz_ras - turn @ unplaced.poses[0].xyz_ras
        np.testing.assert_allclose(turn @ one.xyz_ras + off, other.xyz_ras, atol=1e-5)
    assert len(read_invesalius(text, image=image).poses) == len(many)  # both agree


def without_world(line):
    cells = line.split("\t")
    return "\t".join([*cells[:-7], *["N/A"] * 6, cells[-1]])


@pytest.mark.parametrize("write", WRITERS)
def test_every_export_says_what_it_is(write):
    text = write([straight_down(-40.0), straight_down(38.0)], image=make_image())
    for word in (facts.notice(), FRAME, SHA, "UNVERIFIED", "geometric, no field yet"):
        assert word in text
    for name, said in (("L (left)", "LEFT hemisphere, x = -40.0 mm"), ("R (right)", "RIGHT hemisphere, x = +38.0 mm")):
        assert f"SCAN middle {name}" in text
        assert said in text
    assert "never navigate a person" in write([straight_down(-40.0)], image=make_image(codes=(4, 4)))


@pytest.mark.parametrize("write", WRITERS)
def test_refuses_what_is_not_tied_or_contradicts_itself(write):
    one = straight_down(-40.0)
    with pytest.raises(GeometryError, match="made on another image"):
        write([one], image=make_image(sha="cd" * 32))
    with pytest.raises(GeometryError, match="two poses"):
        write([one, straight_down(-41.0)], image=make_image())
    with pytest.raises(GeometryError, match="other side"):
        write([pose(Rotation.identity(), (42.0, 0, 80))], image=make_image())
    with pytest.raises(GeometryError, match="disagree"):
        write([one], image=make_image(agree=False))
    with pytest.raises(EmptyRegionError):
        write([], image=make_image())


@pytest.mark.parametrize(("write", "read"), FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_never_gives_a_traceback(write, read, data):
    text = write([straight_down(-40.0), straight_down(38.0)], image=make_image())
    start = data.draw(st.integers(0, len(text) - 1))
    stop = data.draw(st.integers(start, min(len(text), start + 60)))
    junk = data.draw(st.sampled_from(["", "NaN", "1e999", "null", "[", '"', "\t", "\n", "-", "{}", "9" * 400, "\x00"]))
    damaged = text[:start] + junk + text[stop:]
    if read is from_nibsbids and damaged.count("\0") != 1:
        return
    try:
        found = read(damaged)
    except ActionloopError:
        return
    for entry in found.entries:
        assert np.isfinite(entry.xyz_ras).all()


@pytest.mark.parametrize("read", [read_slicer, read_navinibs, read_invesalius, read_nibsbids])
@pytest.mark.parametrize(
    "text", ["", "\ufeff", "[" * 100_000, "{}", "null", "3", '{"markups": 3, "targets": 4}', "a\tb\n1\t2"]
)
def test_refuses_strangers(read, text):
    with pytest.raises((InputError, GeometryError)):
        read(text, source="odd.txt")


@pytest.mark.parametrize(("write", "read"), FORMATS[:2])
def test_what_was_only_read_is_written_back_as_it_was(write, read):
    first = read(write([straight_down(-40.0)], image=make_image()))
    again = read(write([straight_down(38.0)], image=make_image(), kept=first))
    assert again.entries[0].raw == first.entries[0].raw
    assert [entry.note for entry in again.entries] == ["geometric, no field yet"] * 2
    assert [entry.label for entry in again.entries] == ["SCAN middle L", "SCAN middle R"]


def test_what_was_read_in_another_space_is_not_written_back():
    with pytest.raises(GeometryError, match="cannot be written back"):
        write_slicer([straight_down(-40.0)], image=make_image(), kept=read_slicer(slicer([], "RAS")))


# 3D Slicer


def test_slicer_of_a_known_pose():
    document = json.loads(write_slicer([straight_down(-40.0)], image=make_image()))
    assert document["@schema"].endswith("markups-schema-v1.0.3.json#")
    (markup,) = document["markups"]
    (point,) = markup["controlPoints"]
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == ("Fiducial", "LPS", "mm")
    assert point["position"] == [40, 0, 90]  # left is positive in LPS
    # Elements 0, 3, 6 are the x axis: to the left, + in LPS; y forward, - in LPS; z down.
    assert point["orientation"][0::3] == pytest.approx([1, 0, 0])
    assert point["orientation"][1::3] == pytest.approx([0, -1, 0])
    assert point["orientation"][2::3] == pytest.approx([0, 0, -1])


def slicer(points, system="LPS", **more):
    markup = {"type": "Fiducial", "controlPoints": points, **more}
    if system:
        markup["coordinateSystem"] = system
    return json.dumps({"@schema": "https://x/markups-schema-v1.0.0.json#", "markups": [markup]})


def test_slicer_reads_both_systems_and_keeps_points_as_points():
    plain_points = [{"label": "F-1", "position": [40, -10, 5.5]}]
    for system, place in (("LPS", [-40, 10, 5.5]), (None, [-40, 10, 5.5]), ("RAS", [40, -10, 5.5])):
        found = read_slicer(slicer(plain_points, system))
        assert found.space == (system or "LPS")
        assert found.version == "1.0.0"
        assert found.entries[0].matrix is None
        assert found.entries[0].raw == plain_points[0]
        np.testing.assert_allclose(found.entries[0].xyz_ras, place)
    # What Slicer, or a program that does not care, gives every point.
    for turn in ([-1, 0, 0, 0, -1, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1], [0] * 9):
        found = read_slicer(slicer([plain_points[0] | {"orientation": turn}]))
        assert (found.poses, found.skipped) == ((), ())


def test_slicer_asks_for_the_coil_axes_of_others():
    turned = [{"label": "coil", "position": [40, 0, 90], "orientation": [1, 0, 0, 0, -1, 0, 0, 0, -1]}]
    found = read_slicer(slicer(turned))
    assert found.poses == ()
    assert "which way the coil's axes point" in found.skipped[0]
    found = read_slicer(slicer(turned), axes="simnibs")
    np.testing.assert_allclose(found.poses[0].matrix, straight_down(-40.0).matrix, atol=1e-12)
    with pytest.raises(OptionError):
        read_slicer(slicer(turned), axes="mine")


def test_slicer_refuses_mirrored_sheared_and_swapped():
    one = {"label": "coil", "position": [40, 0, 90], "orientation": [1, 0, 0, 0, -1, 0, 0, 0, 1]}
    with pytest.raises(GeometryError, match="left-handed"):
        read_slicer(slicer([one]), axes="simnibs")
    with pytest.raises(GeometryError, match="shear"):
        read_slicer(slicer([one | {"orientation": [1, 0.1, 0, 0, -1, 0, 0, 0, -1]}]), axes="simnibs")
    marks = {"LPA": [75, 10, -40], "RPA": [-75, 10, -40], "Nasion": [0, -90, -20]}  # LPS
    points = [{"label": name, "position": place} for name, place in marks.items()]
    assert [entry.kind for entry in read_slicer(slicer(points)).entries] == ["landmark"] * 3
    with pytest.raises(GeometryError, match="LPS and RAS are exchanged"):
        read_slicer(slicer(points, "RAS"))
    for more in ({"coordinateUnits": "um"}, {"coordinateUnits": 3}):
        with pytest.raises(InputError, match="expected mm"):
            read_slicer(slicer(points, **more))
    with pytest.raises(InputError, match="LPS or RAS"):
        read_slicer(slicer(points, "HFS"))
    found = read_slicer(slicer([{"label": "a", "position": [1, 2, 3], "positionStatus": "undefined"}]))
    assert (found.entries, len(found.skipped)) == ((), 1)
    text = write_slicer([straight_down(-40.0)], image=make_image())
    lost = json.loads(text)
    del lost["markups"][0]["controlPoints"][0]["orientation"]
    with pytest.raises(InputError, match="lost its orientation"):
        read_slicer(json.dumps(lost))


# NaviNIBS


def test_navinibs_of_a_known_pose():
    aim = {"SCAN middle L": np.array([-38.0, 2, 60])}
    document = json.loads(write_navinibs([straight_down(-40.0)], image=make_image(), aimed_ras=aim))
    (target,) = document["targets"]
    assert set(target) == {"key", "targetCoord", "coilToMRITransf"}
    # -y along the handle (backwards here), -z into the head, so x to the right.
    np.testing.assert_allclose(
        target["coilToMRITransf"], [[1, 0, 0, -40], [0, 1, 0, 0], [0, 0, 1, 90], [0, 0, 0, 1]], atol=1e-9
    )
    assert target["targetCoord"] == [-38, 2, 60]
    with pytest.raises(GeometryError, match="behind its coil"):
        write_navinibs(
            [straight_down(-40.0)], image=make_image(), aimed_ras={"SCAN middle L": np.array([-40, 0, 120.0])}
        )


def test_navinibs_reads_the_other_ways_to_say_a_target():
    rows = [[1, 0, 0, -40], [0, 1, 0, 0], [0, 0, 1, 90], [0, 0, 0, 1]]
    targets = [
        {"key": "whole", "coilToMRITransf": rows, "targetCoord": [-40, 0, 60], "color": "#0000FF"},
        {"key": "planned", "targetCoord": [-40, 0, 60], "entryCoord": [-45, 0, 80], "angle": 45, "depthOffset": 3.0},
        {"key": "old", "coilToMRITransf": rows, "isHistorical": True},
        {"key": "unset", "coilToMRITransf": np.eye(4).tolist()},
        {"key": "empty"},
    ]
    for text in (json.dumps(targets), json.dumps({"targets": targets})):
        found = read_navinibs(text)
        assert [entry.label for entry in found.entries] == ["whole", "planned"]
        np.testing.assert_allclose(found.entries[0].matrix, straight_down(-40.0).matrix, atol=1e-12)
        assert found.entries[0].raw == targets[0]
        assert found.entries[1].matrix is None
        np.testing.assert_allclose(found.entries[1].xyz_ras, [-40, 0, 60])
        assert [said.split(":")[0] for said in found.skipped] == ["planned", "old", "unset", "empty"]


def test_navinibs_refuses_other_axes_and_damage():
    ours = straight_down(-40.0).matrix  # z into the head, where NaviNIBS has it out of the head
    with pytest.raises(GeometryError, match="behind its coil"):
        read_navinibs(json.dumps([{"key": "a", "coilToMRITransf": ours.tolist(), "targetCoord": [-40, 0, 60]}]))
    for change, error, match in (
        (lambda m: m.T, InputError, "transposed"),
        (lambda m: m @ np.diag([-1.0, 1, 1, 1]), GeometryError, "left-handed"),
        (lambda m: m @ np.diag([1.1, 1, 1, 1]), GeometryError, "shear"),
        (lambda m: m[:3], InputError, "not 4 x 4"),
        (lambda m: m * 1e306, ActionloopError, "."),
        (lambda m: m + np.array([[0, 0, 0, 5e4]] + [[0, 0, 0, 0]] * 3), InputError, "in mm"),
    ):
        with pytest.raises(error, match=match):
            read_navinibs(json.dumps([{"key": "a", "coilToMRITransf": change(ours).tolist()}]))
    with pytest.raises(InputError, match="finite numbers"):
        read_navinibs(json.dumps([{"key": "a", "targetCoord": ["1", "2", "3"]}]))


# InVesalius


def mkss_cells(text):
    lines = text.rstrip("\n").split("\n")
    columns = [name.strip('"') for name in lines[1].split("\t")]
    return dict(zip(columns, lines[2].split("\t"), strict=True))


def test_invesalius_of_a_known_pose():
    text = write_invesalius([straight_down(-40.0)], image=make_image())
    assert text.startswith('##INVESALIUS3_MARKER_FILE_5\n"marker_id"\t"x"\t"y"\t"z"\t"alpha"')
    cells = mkss_cells(text)
    assert cells["label"] == '"SCAN middle L (left)"'
    assert cells["marker_type"] == "3"
    assert [float(cells[f"{axis}_world"]) for axis in "xyz"] == [-40, 0, 90]
    # x away from the handle (forward), z out of the head: a quarter turn about z. Degrees, not radians.
    assert [float(cells[f"{name}_world"]) for name in ("alpha", "beta", "gamma")] == pytest.approx([0, 0, 90])
    # From the left, back, lower voxel (-79.5, -110, -80) of 200 voxels along y, which counts from the front (199 mm).
    assert [float(cells[axis]) for axis in "xyz"] == pytest.approx([39.5, 199 - 110, 170])
    assert [float(cells[name]) for name in ("alpha", "beta", "gamma")] == pytest.approx([0, 0, 90])
    assert write_invesalius([straight_down(-40.0)], image=make_image(), version=4).startswith(
        "##INVESALIUS3_MARKER_FILE_4\n"
    )
    with pytest.raises(OptionError):
        write_invesalius([straight_down(-40.0)], image=make_image(), version=6)


def test_invesalius_euler_angles_are_about_fixed_axes():
    world = np.eye(4)
    world[:3, :3] = Rotation.from_euler("z", 20, degrees=True).as_matrix() @ (
        Rotation.from_euler("y", 30, degrees=True).as_matrix() @ Rotation.from_euler("x", 40, degrees=True).as_matrix()
    )
    one = world @ np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
    one[:3, 3] = (-40, 0, 90)
    cells = mkss_cells(write_invesalius([CoilPose(one, ImageTie(FRAME, SHA), "M1 L")], image=make_image()))
    assert [float(cells[f"{name}_world"]) for name in ("alpha", "beta", "gamma")] == pytest.approx([40, 30, 20])


def mkss(*rows, columns='"marker_id"\t"x"\t"y"\t"z"\t"alpha"\t"beta"\t"gamma"\t"label"\t"marker_type"\t"x_world"'):
    head = columns + "".join(f'\t"{name}_world"' for name in ("y", "z", "alpha", "beta", "gamma"))
    return "\n".join(["##INVESALIUS3_MARKER_FILE_4", head, *rows]) + "\n"


def test_invesalius_kinds_and_angles_that_are_no_coils():
    found = read_invesalius(
        mkss(
            '0\t1\t2\t3\tNone\tNone\tNone\t"LEI"\t0\t-70.0\t5.0\t-40.0\t0.0\t0.0\t0.0',
            '1\t1\t2\t3\t0.0\t0.0\t90.0\t"brain"\t2\t-40.0\t5.0\t60.0\t0.0\t0.0\t90.0',
            '2\t1\t2\t3\t0.0\t0.0\t90.0\t"aim"\t3\t-40.0\t0.0\t90.0\t0.0\t0.0\t90.0',
            '3\t1\t2\t3\t0.0\t0.0\t90.0\t"pulse"\t4\t-40.0\t0.0\t90.0\t0.0\t0.0\t90.0',
        )
    )
    assert [entry.kind for entry in found.entries] == ["landmark", "target", "target", "sample"]
    assert [entry.matrix is None for entry in found.entries] == [True, True, False, False]
    np.testing.assert_allclose(found.entries[2].matrix, straight_down(-40.0).matrix, atol=1e-9)
    np.testing.assert_allclose(found.entries[0].xyz_ras, [-70, 5, -40])
    assert found.version == "4"
    assert len(found.skipped) == 1
    assert found.entries[2].raw["alpha_world"] == "0.0"


def test_invesalius_refuses_another_image_and_damage():
    text = write_invesalius([straight_down(-40.0)], image=make_image())
    for other in (
        make_image(shape=(160, 210, 180)),
        make_image(affine=np.diag([1.0, 1, 1.1, 1]) @ make_image().affine),
    ):
        with pytest.raises(GeometryError, match="another image"):
            read_invesalius(text, image=other)
    sheared = make_image().affine.copy()
    sheared[0, 1] = 0.1
    with pytest.raises(GeometryError, match="shear"):
        write_invesalius([straight_down(-40.0)], image=make_image(affine=sheared))
    with pytest.raises(InputError, match="version 0 to 5"):
        read_invesalius(text.replace("FILE_5", "FILE_9"))
    for cut, match in ((len(text) - 200, "quoted cell"), (text.index("(left)"), "columns"), (60, "header")):
        with pytest.raises(InputError, match=match):
            read_invesalius(text[:cut])
    with pytest.raises(InputError, match="finite numbers"):
        read_invesalius(text.replace("-40.000000", "nan"))
    with pytest.raises(InputError, match="360"):
        read_invesalius(text.replace("90.000000000", "900.0"))


# NIBS-BIDS


def test_nibsbids_of_a_known_pose():
    table, sidecar = write_nibsbids([straight_down(-40.0)], image=make_image(), intended_for="bids::sub-01/anat/x.nii")
    columns, row = (line.split("\t") for line in table.rstrip("\n").split("\n"))
    value = dict(zip(columns, row, strict=True))
    assert columns[0] == "target_id"
    assert value["target_label"] == "SCAN middle L (left)"
    np.testing.assert_allclose(json.loads(value["coil_transform"]), straight_down(-40.0).matrix, atol=1e-9)
    assert [float(value[f"coil_{axis}"]) for axis in "xyz"] == [-40, 0, 90]
    assert [float(value[f"normal_{axis}"]) for axis in "xyz"] == [0, 0, -1]
    assert [float(value[f"direction_{axis}"]) for axis in "xyz"] == [0, 1, 0]
    about = json.loads(sidecar)
    assert (about["NIBSCoordinateSystem"], about["NIBSCoordinateUnits"]) == ("ScanRAS", "mm")
    assert about["IntendedFor"] == "bids::sub-01/anat/x.nii"
    assert set(columns) <= set(about)


def test_nibsbids_without_matrix_is_built_from_its_vectors():
    table, sidecar = write_nibsbids([straight_down(-40.0)], image=make_image())
    rows = [line.split("\t") for line in table.rstrip("\n").split("\n")]
    at = rows[0].index("coil_transform")
    bare = "\n".join("\t".join(cells[:at] + cells[at + 1 :]) for cells in rows)
    np.testing.assert_allclose(
        read_nibsbids(bare, sidecar=sidecar).poses[0].matrix, straight_down(-40.0).matrix, atol=1e-9
    )


def test_nibsbids_of_others():
    # As in an example of the proposal: numbers from a corner of the image, and nothing that says so.
    table = "target_id\tcoil_x\tcoil_y\tcoil_z\tnormal_x\tnormal_y\tnormal_z\ttimestamp\n"
    table += "1\t136\t222\t72\t0.6\t0.8\t0\tn/a\n"
    for sidecar in ("", '{"NIBSCoordinateSystem": "IndividualMRI"}'):
        with pytest.raises(GeometryError, match="RAS or LPS"):
            read_nibsbids(table, sidecar=sidecar)
    found = read_nibsbids(table, space="LPS")
    np.testing.assert_allclose(found.entries[0].xyz_ras, [-136, -222, 72])
    assert found.poses == ()
    assert "which way" in found.skipped[0]
    with pytest.raises(GeometryError, match="not LPS"):
        read_nibsbids(table, sidecar='{"NIBSCoordinateSystem": "ScanRAS"}', space="LPS")
    with pytest.raises(InputError, match="expected mm"):
        read_nibsbids(table, sidecar='{"NIBSCoordinateUnits": "m"}', space="RAS")
    with pytest.raises(InputError, match="second time"):
        read_nibsbids(table + table.split("\n")[1] + "\n", space="RAS")
    matrix = straight_down(-40.0).matrix @ np.diag([-1.0, 1, -1, 1])
    table = "target_id\tcoil_transform\ttimestamp\n1\t" + json.dumps(matrix.tolist()) + "\t2026-01-01T10:00:00\n"
    table += "2\t" + json.dumps(np.eye(4).tolist()) + "\tn/a\n"
    found = read_nibsbids(table, space="RAS", axes="brainsight")
    assert found.poses[0].kind == "sample"
    np.testing.assert_allclose(found.poses[0].matrix, straight_down(-40.0).matrix, atol=1e-12)
    assert "not tracked" in found.skipped[0]


def test_nibsbids_refuses_a_matrix_that_was_edited():
    table, sidecar = write_nibsbids([straight_down(-40.0)], image=make_image())
    for old, new in (("\t-40.000000\t", "\t40.000000\t"), ("\t-1.000000\t", "\t1.000000\t"), ("-40.0]", "40.0]")):
        assert table.count(old) == 1
        with pytest.raises(GeometryError, match="contradicts"):
            read_nibsbids(table.replace(old, new), sidecar=sidecar)
    with pytest.raises(InputError, match="columns"):
        read_nibsbids(table[:-20], sidecar=sidecar)
    with pytest.raises(InputError, match="0 0 0 1"):
        read_nibsbids(table.replace("[0.0,0.0,0.0,1.0]", "[0.0,0.0,0.0,2.0]"), sidecar=sidecar)
