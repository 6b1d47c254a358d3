"""Poses as text: round trips, real exports, independent conversions, and everything that must be refused."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.navigation import Reading, poses_of, read_any, require_placed, write_brainsight, write_localite
from actionloop.types import CoilPose, Image, ImageTie

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "navigation"
SHA = "ab" * 32
LPS_NAMED_RAS = ("dcmimage_niftialignedcoord.txt",)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no navigation files in {DATA} (set ACTIONLOOP_DATA)")


def make_image(codes=(1, 1), *, agree=True, shape=(160, 200, 180), affine=None, sha=SHA):
    if affine is None:
        affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros(shape, np.int8), affine, "sub-01 T1w", "t1.nii.gz", sha, codes, agree)


def pose(rotation, xyz, label="SCAN middle L", note="geometric, no field yet", sha=SHA):
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = xyz
    return CoilPose(matrix, ImageTie("sub-01 T1w", sha), label, note)


def read(text, source="", **more):
    """Poses of a file, as the commands read it."""
    _, found = read_any(text.encode(), source=source, reading=Reading(**more))
    require_placed(found)
    return poses_of(found)


def straight_down(x):
    """A coil on the vertex: z down (into the head), y forward, so x = y × z points to the left."""
    return pose(Rotation.from_euler("y", 180, degrees=True), (x, 0.0, 90.0), "SCAN middle " + ("L" if x < 0 else "R"))


@st.composite
def poses(draw):
    angles = [draw(st.floats(-180, 180)) for _ in range(3)]
    x = draw(st.floats(-75, 75).filter(lambda v: abs(v) > 1))
    place = (x, draw(st.floats(-100, 100)), draw(st.floats(-40, 100)))
    label = draw(st.sampled_from(["SCAN middle", "AMN dlPFC 1", 'a<b & "c" -- d\'', "Süd;\tost #1"]))
    return pose(Rotation.from_euler("xyz", angles, degrees=True), place, f"{label} {'L' if x < 0 else 'R'}")


@settings(max_examples=60, deadline=None)
@given(poses(), st.sampled_from([(1, 1), (2, 2), (0, 1), (1, 0), (4, 4), (1, 2)]), st.sampled_from([7, 12, 13, 14]))
def test_round_trip(one, codes, version):
    image = make_image(codes)
    for back in (
        read(write_brainsight([one], image=image, version=version)),
        read(write_localite([one], image=image)),
    ):
        assert len(back) == 1
        np.testing.assert_allclose(back[0].matrix, one.matrix, atol=1e-6)
        assert np.linalg.det(back[0].matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
        assert (back[0].tie.frame, back[0].tie.header_sha256, back[0].note) == (one.tie.frame, SHA, one.note)
    assert read(write_localite([one], image=image))[0].label == " ".join(one.label.split())
    written = one.label.translate(str.maketrans("\t;#", "   "))
    assert read(write_brainsight([one], image=image))[0].label == " ".join(written.split())


def test_brainsight_columns_of_a_known_pose():
    text = write_brainsight([straight_down(-40.0)], image=make_image())
    columns, row = (line.split("\t") for line in text.splitlines()[-2:])
    value = dict(zip(columns, row, strict=True))
    assert value["# Target Name"] == "SCAN middle L (left)"
    assert [float(value[f"Loc. {axis}"]) for axis in "XYZ"] == [-40, 0, 90]
    # Brainsight: x to the right of the coil seen from behind the handle, y forward, z out of the head.
    assert [float(value[f"m0n{i}"]) for i in range(3)] == pytest.approx([1, 0, 0])
    assert [float(value[f"m1n{i}"]) for i in range(3)] == pytest.approx([0, 1, 0])
    assert [float(value[f"m2n{i}"]) for i in range(3)] == pytest.approx([0, 0, 1])


def test_localite_matrix_of_a_known_pose():
    root = ET.fromstring(write_localite([straight_down(40.0)], image=make_image()))
    assert root.tag == "InstrumentMarkerList"
    assert root.get("coordinateSpace") == "RAS"
    values = root.find("InstrumentMarker/Marker/Matrix4D").attrib
    matrix = np.array([[float(values[f"data{i}{j}"]) for j in range(4)] for i in range(4)])
    # Localite: x into the head, y towards the handle, z to the left here.
    np.testing.assert_allclose(matrix[:3, :3].T, [[0, 0, -1], [0, -1, 0], [-1, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(matrix[:3, 3], [40, 0, 90])


@pytest.mark.parametrize(
    ("codes", "version", "name"),
    [
        ((1, 1), 13, "NIfTI:Scanner"),
        ((1, 0), 13, "NIfTI:Scanner"),
        ((0, 2), 13, "NIfTI:Aligned"),
        ((1, 2), 13, "NIfTI:Aligned"),  # the affine is the sform where it is set
        ((4, 4), 13, "NIfTI:MNI-152"),
        ((3, 3), 12, "NIfTI:Talairach"),
        ((1, 0), 14, "NIfTI:Q:Scanner"),
        ((1, 2), 14, "NIfTI:S:Aligned"),
        ((0, 5), 14, "NIfTI:S:Other-Template"),
    ],
)
def test_names_the_true_coordinate_system(codes, version, name):
    text = write_brainsight([straight_down(-40)], image=make_image(codes), version=version)
    assert text.splitlines()[0] == f"# Version: {version}"
    assert text.splitlines()[1] == f"# Coordinate system: {name}"
    assert ("never navigate a person" in text) == (max(codes) > 2)


def test_every_export_carries_notice_frame_hash_and_side_twice():
    entries = [straight_down(-40.0), straight_down(38.0)]
    for text in (write_brainsight(entries, image=make_image()), write_localite(entries, image=make_image())):
        assert facts.notice() in text
        assert "sub-01 T1w" in text
        assert SHA in text
        for name, said in (
            ("L (left)", "LEFT hemisphere, x = -40.0 mm, negative"),
            ("R (right)", "RIGHT hemisphere, x = +38.0 mm, positive"),
        ):
            assert f"SCAN middle {name}" in text
            assert said in text
    markers = ET.fromstring(write_localite(entries, image=make_image())).findall("InstrumentMarker/Marker")
    for marker in markers:
        assert facts.notice() in marker.get("additionalInformation")
        assert SHA in marker.get("additionalInformation")


def test_points_without_a_coil():
    image = make_image()
    text = write_brainsight([straight_down(-40)], image=image, points={"AMN dlPFC 1 R": np.array([38.5, 40, 30.25])})
    assert text.splitlines()[-1].split("\t")[4:] == ["(null)"] * 9
    assert [p.label for p in read(text)] == ["SCAN middle L"]
    [point] = [entry for entry in read_any(text.encode())[1].entries if entry.matrix is None]
    assert point.label == "AMN dlPFC 1 R (right)"
    np.testing.assert_allclose(point.xyz_ras, [38.5, 40, 30.25], atol=1e-6)


def test_refuses_forms_that_disagree_or_are_missing():
    for codes, agree in (((1, 1), False), ((1, 2), False), ((0, 0), True)):
        image = make_image(codes, agree=agree)
        for version in (13, 14):
            with pytest.raises(GeometryError):
                write_brainsight([straight_down(-40)], image=image, version=version)
        with pytest.raises(GeometryError):
            write_localite([straight_down(-40)], image=image)
    with pytest.raises(GeometryError, match="code 5"):
        write_brainsight([straight_down(-40)], image=make_image((5, 5)), version=13)


def test_refuses_another_image_and_double_names():
    for write in (write_brainsight, write_localite):
        with pytest.raises(GeometryError, match="made on another image"):
            write([straight_down(-40)], image=make_image(sha="cd" * 32))
        with pytest.raises(GeometryError, match="no header hash"):
            write([straight_down(-40)], image=make_image(sha=""))
        with pytest.raises(GeometryError, match="two poses"):
            write([straight_down(-40), straight_down(-41)], image=make_image())
        with pytest.raises(EmptyRegionError):
            write([], image=make_image())
    with pytest.raises(OptionError):
        write_brainsight([straight_down(-40)], image=make_image(), version=15)


def test_refuses_exchanged_sides():
    swapped = pose(Rotation.identity(), (42.0, 0, 80), "SCAN middle L")
    for write in (write_brainsight, write_localite):
        with pytest.raises(GeometryError, match="other side"):
            write([swapped], image=make_image())
    with pytest.raises(GeometryError, match="other side"):
        write_brainsight([], image=make_image(), points={"F4 right": np.array([-30.0, 0, 80])})
    with pytest.raises(GeometryError, match="neither the name"):
        write_brainsight([], image=make_image(shape=(164, 200, 180)), points={"vertex": np.array([1.0, 0, 95])})
    # An origin at the corner of the image makes every x positive: the middle of the image decides then.
    corner = make_image(affine=np.eye(4))
    text = write_brainsight([pose(Rotation.identity(), (40.0, 0, 80), "SCAN middle L")], image=corner)
    assert "origin of this image is not on the midline" in text
    # Without a word for the side, the place says it.
    text = write_brainsight([pose(Rotation.identity(), (-40.0, 0, 80), "hot spot")], image=make_image())
    assert "hot spot (left)" in text


@needs_data
@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("dcmimage_niftialignedcoord.txt", 19),
        ("dcmimage_worldcoord.txt", 19),
        ("niiImage_niftialignedcoord.txt", 108),
        ("niiImage_niftialignedcoord_empty.txt", 0),
        ("niiImage_niftialignedcoord_no_samples.txt", 7),
        ("niiImage_niftialignedcoord_no_targets.txt", 101),
        ("niiImage_nifticoord.txt", 108),
        ("niiImage_nifticoord_gridfolder.txt", 28),
        ("niiImage_nifticoord_largefile.txt", 1394),
    ],
)
def test_reads_real_brainsight_files(file, count):
    text = (DATA / "brainsight" / file).read_text(encoding="utf-8")
    found = read(text, source=file, assume="LPS" if file in LPS_NAMED_RAS else None)
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    posed = [row for row in rows if len(row.split("\t")) >= 13 and not row.startswith("Session 1\t")]
    assert len(found) == len(posed) == count
    for one in found:
        # Each coil stands above the ears with z into the head: down, and towards the midline when well lateral.
        assert one.matrix[2, 2] < 0
        assert np.linalg.det(one.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
        if abs(one.matrix[0, 3]) > 40:
            assert one.matrix[0, 2] * one.matrix[0, 3] < 0


@needs_data
def test_real_files_of_one_session_agree_between_systems():
    texts = {
        name: (DATA / "brainsight" / f"niiImage_{name}.txt").read_text(encoding="utf-8")
        for name in ("niftialignedcoord", "nifticoord", "brainsightcoord")
    }
    aligned, scanner = read(texts["niftialignedcoord"]), read(texts["nifticoord"])
    for one, other in zip(aligned, scanner, strict=True):
        np.testing.assert_array_equal(one.matrix, other.matrix)

    with pytest.raises(GeometryError, match="no image was given"):
        read(texts["brainsightcoord"])
    # The same planned landmarks and poses in both systems give the image's affine; then every pose must agree.
    corner = read_brainsight_rows(texts["brainsightcoord"])
    ras = np.array([one.matrix[:3, 3] for one in scanner])
    middle = corner.mean(axis=0)
    rotation, _ = Rotation.align_vectors(ras - ras.mean(axis=0), corner - middle)
    shape = (176, 240, 256)
    affine = np.eye(4)
    affine[:3, :3] = rotation.as_matrix() @ np.diag([-1, -1, 1])
    affine[:3, 3] = ras.mean(axis=0) - rotation.as_matrix() @ middle - affine[:3, :3] @ [shape[0] - 1, shape[1] - 1, 0]
    image = make_image(shape=shape, affine=affine)
    placed = read(texts["brainsightcoord"], image=image)
    for one, other in zip(placed, scanner, strict=True):
        np.testing.assert_allclose(one.matrix[:3, 3], other.matrix[:3, 3], atol=2e-3)
        np.testing.assert_allclose(one.matrix[:3, :3], other.matrix[:3, :3], atol=4e-3)
    # The same file beside the same image stored with another order and direction of voxels.
    stored = make_image(shape=(256, 176, 240), affine=affine @ permuted(shape))
    again = read(texts["brainsightcoord"], image=stored)
    np.testing.assert_allclose(again[5].matrix, placed[5].matrix, atol=1e-9)


def permuted(shape):
    """Voxels as (k, -i, j) instead of (i, j, k)."""
    back = np.zeros((4, 4))
    back[2, 0], back[0, 1], back[1, 2], back[3, 3] = 1, -1, 1, 1
    back[0, 3] = shape[0] - 1
    return back


def read_brainsight_rows(text):
    places = []
    for line in text.splitlines():
        cells = line.split("\t")
        if not line.startswith("#") and len(cells) >= 13:
            start = 1 if len(cells) == 13 else 4
            places.append([float(v) for v in cells[start : start + 3]])
    return np.array(places)


@needs_data
def test_landmarks_decide_between_ras_and_lps():
    text = (DATA / "brainsight" / "dcmimage_niftialignedcoord.txt").read_text(encoding="utf-8")
    # Its LPA lies at x = +79, so this 'NIfTI:Aligned' file is LPS: the sample at (46.9, -44.5) is left and anterior.
    with pytest.raises(GeometryError, match="the landmarks are LPS"):
        read(text)
    np.testing.assert_allclose(read(text, assume="LPS")[1].matrix[:3, 3], [-46.889, 44.464, 73.812])
    world = text.replace("NIfTI:Aligned", "World")
    assert read(world)[1].matrix[0, 3] == pytest.approx(-46.889)
    with pytest.raises(GeometryError, match="landmarks say"):
        read(world, assume="RAS")
    bare = text[: text.index("# Planned Landmark Name")]
    with pytest.raises(GeometryError, match="no landmarks"):
        read(bare)
    assert read(bare, assume="LPS")[1].matrix[0, 3] == pytest.approx(-46.889)
    with pytest.raises(GeometryError, match="fit neither"):
        read(text.replace("LPA\t79.237", "LPA\t-179.237"))


@needs_data
def test_refuses_damaged_brainsight_files():
    text = (DATA / "brainsight" / "niiImage_nifticoord.txt").read_text(encoding="utf-8")
    with pytest.raises(GeometryError, match="left-handed"):
        read(text.replace("0.712\t0.013\t0.702", "-0.712\t-0.013\t-0.702", 1))
    with pytest.raises(GeometryError, match="shear"):
        read(text.replace("0.712\t0.013\t0.702", "0.812\t0.013\t0.702", 1))
    with pytest.raises(InputError, match="columns"):
        read(text[:1500])
    with pytest.raises(InputError, match="numbers"):
        read(text.replace("-44.198", "left", 1))
    with pytest.raises(InputError, match="not a Brainsight"):
        read_any(b"a,b\n1,2\n", system="brainsight")


@needs_data
def test_reads_real_localite_files():
    counts = {}
    for path in sorted(DATA.glob("localite/*/*/*Marker*.xml")):
        found = read(path.read_text(encoding="utf-8"), source=path.name)
        counts[path.name] = len(found)
        for one in found:
            assert one.matrix[2, 2] < 0  # into the head is down
            assert one.matrix[0, 3] < 0  # these sessions stimulated the left side, whether stored as RAS or LPS
            assert np.linalg.det(one.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    assert sum("Instrument" in name for name in counts) == 5
    assert sorted(counts.values())[-9:] == [0, 1, 4, 4, 4, 6, 6, 8, 1052]
    assert sum(counts.values()) == 1085


@needs_data
def test_a_real_left_hotspot_points_forward_and_inward():
    """The marker 'M0' of a left motor hot spot: handle 45° backwards and outwards, in our axes."""
    name = "RAS_InstrumentMarker20170316160859032.xml"
    path = next(DATA.glob(f"localite/*/*/{name}"))
    one = read(path.read_text(encoding="utf-8"))[0]
    assert one.label == "M0"
    away_from_handle = one.matrix[:3, 1]
    assert away_from_handle[1] > 0.4
    assert away_from_handle[0] > 0.4  # medial on the left side


@needs_data
def test_refuses_what_is_no_marker_list():
    path = next(DATA.glob("localite/*/*/TriggerData20210409152823690.xml"))
    assert read(path.read_text(encoding="utf-8"), source=path.name) == []
    with pytest.raises(InputError, match="expected a Localite"):
        read(path.read_text(encoding="utf-8").replace("LocTMSTriggerData", "LocSession"), source=path.name)


def test_localite_spaces_and_damage():
    text = write_localite([straight_down(-40.0)], image=make_image())
    lps = text.replace('coordinateSpace="RAS"', 'coordinateSpace="LPS"')
    flipped = read(lps)[0].matrix
    np.testing.assert_allclose(flipped, np.diag([-1, -1, 1, 1]) @ read(text)[0].matrix, atol=1e-9)
    with pytest.raises(InputError, match="coordinate space"):
        read(text.replace('coordinateSpace="RAS"', ""))
    with pytest.raises(InputError, match="damaged"):
        read(text[:-30])
    with pytest.raises(InputError, match="document type"):
        read('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + text.split("\n", 1)[1])
    with pytest.raises(InputError, match="incomplete"):
        read(text.replace('data00="', 'dataXX="'))
    untracked = """<TriggerMarkerList coordinateSpace="RAS"><TriggerMarker description="" recordingTime="5" set="false">
      <Matrix4D data00="1.0" data01="0.0" data02="0.0" data03="0.0" data10="0.0" data11="1.0" data12="0.0" data13="0.0"
      data20="0.0" data21="0.0" data22="1.0" data23="0.0" data30="0.0" data31="0.0" data32="0.0" data33="1.0"/>
      </TriggerMarker></TriggerMarkerList>"""
    assert read(untracked) == []
