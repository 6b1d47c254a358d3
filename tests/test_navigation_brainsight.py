"""Brainsight's file whole: real exports, every coordinate system, verbatim writing, and what must be refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop.errors import ActionloopError, GeometryError, InputError, OptionError
from actionloop.navigation.brainsight import write_brainsight
from actionloop.navigation.brainsightfile import read_brainsight_file
from actionloop.navigation.found import NavigationFile, poses_of
from actionloop.navigation.verbatim import write_as_read
from actionloop.types import CoilPose, Image, ImageTie

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "navigation/brainsight"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no navigation files in {DATA} (set ACTIONLOOP_DATA)")
SHA = "ab" * 32
AXES = "\t".join(f"m{a}n{b}" for a in range(3) for b in range(3))
FLIP = np.diag([-1.0, 1, -1, 1])
HEAD = {"LPA": (-78.0, 5.0, -37.0), "Nasion": (-1.0, 107.0, -6.0), "RPA": (82.0, 18.0, -29.0)}


def make_image(codes=(1, 1), *, agree=True, shape=(160, 200, 180), affine=None, sha=SHA):
    if affine is None:
        affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros(shape, np.int8), affine, "sub-01 T1w", "t1.nii.gz", sha, codes, agree)


def written(found):
    return write_as_read(found, system="Brainsight")


def cells(values):
    return "\t".join(f"{v:.4f}" for v in np.ravel(values))


def brainsight_text(
    matrices, system="NIfTI:Scanner", version=12, *, to_file=None, marks=HEAD, units="millimetres", more=()
):
    """A file as Brainsight writes it; `matrices` and landmarks are RAS, our axes, and `to_file` leads to the file's."""
    to_file = np.eye(4) if to_file is None else to_file
    lines = [
        f"# Version: {version}",
        f"# Coordinate system: {system}",
        f"# Units: {units}, degrees, milliseconds, and microvolts",
        f"# Target Name\tLoc. X\tLoc. Y\tLoc. Z\t{AXES}",
    ]
    for number, matrix in enumerate(matrices, start=1):
        theirs = to_file @ matrix @ FLIP
        lines.append(f"T{number}\t{cells(theirs[:3, 3])}\t{cells(theirs[:3, :3].T)}")
    lines += [*more, "# Planned Landmark Name\tLoc. X\tLoc. Y\tLoc. Z"]
    lines += [f"{name}\t{cells((to_file @ [*xyz, 1.0])[:3])}" for name, xyz in marks.items()]
    return "\n".join(lines) + "\n"


def real(name):
    return (DATA / f"{name}.txt").read_bytes().decode("utf-8")


@st.composite
def rigid(draw):
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True)
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix()
    matrix[:3, 3] = [draw(st.floats(-90, 90)) for _ in range(3)]
    return matrix


@st.composite
def images(draw):
    """Oblique, anisotropic, with voxel axes in any order and direction."""
    turn = Rotation.from_euler("xyz", [draw(st.floats(-25, 25)) for _ in range(3)], degrees=True).as_matrix()
    spacing = np.array([draw(st.floats(0.5, 3)) for _ in range(3)])
    order = list(draw(st.permutations(range(3))))
    signs = np.array([draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)])
    affine = np.eye(4)
    affine[:3, :3] = (turn * signs * spacing)[:, order]
    affine[:3, 3] = [draw(st.floats(-150, 150)) for _ in range(3)]
    return make_image(affine=affine, shape=(9, 12, 7)), turn


def corner_of(image, turn):
    """RAS to the right, anterior, inferior voxel and mm to the left, back and up; found by trying all eight corners."""
    last = np.array(image.data.shape) - 1
    corners = [image.affine @ [*(last * pick), 1] for pick in np.ndindex(2, 2, 2)]
    along = [(corner[:3] @ turn) * [1, 1, -1] for corner in corners]
    to_ras = np.eye(4)
    to_ras[:3, :3] = turn * [-1, -1, 1]
    to_ras[:3, 3] = corners[int(np.argmax(np.sum(along, axis=1)))][:3]
    return np.linalg.inv(to_ras)


SYSTEMS = [
    *((f"NIfTI:{name}", 7) for name in ("Scanner", "Aligned", "MNI-152", "Talairach")),
    *((f"NIfTI:{form}:{name}", 14) for form in "QS" for name in ("Scanner", "Aligned", "MNI-152", "Talairach")),
    ("NIfTI:S:Other-Template", 14),
    ("Talairach", 13),
    ("World", 12),
]


@settings(max_examples=80, deadline=None)
@given(st.lists(rigid(), min_size=0, max_size=3), st.sampled_from(SYSTEMS))
def test_reads_every_named_system(matrices, system):
    name, version = system
    to_file = np.diag([-1.0, -1, 1, 1]) if name == "World" else np.eye(4)
    text = brainsight_text(matrices, name, version, to_file=to_file)
    found = read_brainsight_file(text)
    assert (found.system, found.version, found.frame) == ("Brainsight", str(version), name)
    assert found.space == ("LPS" if name == "World" else "RAS")
    assert len(found.poses) == len(matrices)
    for entry, matrix in zip(found.poses, matrices, strict=True):
        np.testing.assert_allclose(entry.matrix, matrix, atol=2e-4)
        assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose([e.xyz_ras for e in found.entries if e.kind == "landmark"], list(HEAD.values()))
    assert written(found) == text


@settings(max_examples=60, deadline=None)
@given(st.lists(rigid(), min_size=1, max_size=3), images())
def test_reads_the_corner_system_of_any_image(matrices, image_and_turn):
    image, turn = image_and_turn
    text = brainsight_text(matrices, "Brainsight", to_file=corner_of(image, turn))
    found = read_brainsight_file(text, image=image)
    assert found.space == "corner"
    for entry, matrix in zip(found.poses, matrices, strict=True):
        np.testing.assert_allclose(entry.matrix, matrix, atol=3e-4)
    assert written(found) == text


@settings(max_examples=40, deadline=None)
@given(st.lists(rigid(), min_size=1, max_size=3), st.sampled_from([12, 13, 14]))
def test_round_trip_with_electrodes_and_landmarks(matrices, version):
    image = make_image((1, 2))
    poses = [
        CoilPose(m, ImageTie("sub-01 T1w", SHA), f"n{i} {'L' if m[0, 3] < 0 else 'R'}", "±4 mm; of field")
        for i, m in enumerate(matrices)
    ]
    marks = {name: np.array(xyz) for name, xyz in HEAD.items()}
    text = write_brainsight(
        poses, image=image, version=version, electrodes={"C3": np.array([-60.0, 1, 70])}, landmarks=marks
    )
    found = read_brainsight_file(text, image=image)
    assert found.frame == ("NIfTI:S:Aligned" if version == 14 else "NIfTI:Aligned")
    assert [e.kind for e in found.entries] == [*["target"] * len(poses), "electrode", *["landmark"] * 3]
    for entry, pose in zip(found.poses, poses, strict=True):
        np.testing.assert_allclose(entry.matrix, pose.matrix, atol=1e-6)
        assert entry.note == pose.note
    assert found.entries[-4].label == "C3"
    np.testing.assert_allclose(found.entries[-4].xyz_ras, [-60, 1, 70])
    assert [e.label for e in found.entries[-3:]] == list(HEAD)
    assert written(found) == text
    assert [(p.label, p.note) for p in poses_of(found)] == [(p.label, p.note) for p in poses]


@needs_data
@pytest.mark.parametrize(
    ("name", "kinds", "skipped"),
    [
        ("dcmimage_worldcoord", (1, 18, 0, 27), 0),
        ("niiImage_niftialignedcoord", (7, 101, 0, 26), 0),
        ("niiImage_niftialignedcoord_empty", (0, 0, 0, 0), 0),
        ("niiImage_niftialignedcoord_no_samples", (7, 0, 0, 26), 0),
        ("niiImage_niftialignedcoord_no_targets", (0, 101, 0, 26), 0),
        ("niiImage_nifticoord", (7, 101, 0, 26), 0),
        ("niiImage_nifticoord_gridfolder", (15, 13, 0, 3), 1),
        ("niiImage_nifticoord_largefile", (5, 1389, 0, 3), 26),
    ],
)
def test_reads_real_files_whole_and_writes_them_back(name, kinds, skipped):
    text = real(name)
    found = read_brainsight_file(text, source=name)
    counted = tuple(
        sum(e.kind == kind for e in found.entries) for kind in ("target", "sample", "electrode", "landmark")
    )
    assert counted == kinds
    assert len(found.skipped) == skipped
    assert found.verified
    assert written(found) == text
    for entry in found.entries:
        assert "\t".join(entry.raw.values()) in text
    for entry in found.poses:
        assert entry.matrix[2, 2] < 0
        assert np.linalg.det(entry.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)


@needs_data
def test_session_landmarks_in_the_trackers_frame_are_left_out():
    found = read_brainsight_file(real("niiImage_nifticoord_largefile"))
    assert sum("tracker's frame" in reason for reason in found.skipped) == 25
    assert any("'Session Name'" in reason for reason in found.skipped)
    near = read_brainsight_file(real("niiImage_nifticoord"))
    ears = [e.xyz_ras for e in near.entries if e.label == "LPA"]
    assert len(ears) == 2
    assert np.linalg.norm(ears[0] - ears[1]) < 6


@needs_data
def test_lps_named_aligned_is_caught_and_refused():
    text = real("dcmimage_niftialignedcoord")
    with pytest.raises(GeometryError, match=r"landmarks are LPS \(left ear at x = \+79\.2 mm") as error:
        read_brainsight_file(text, source="dcm.txt")
    assert "dcm.txt" in str(error.value)
    assert "assume LPS" in str(error.value)
    lps, ras = (read_brainsight_file(text, assume=assume) for assume in ("LPS", "RAS"))
    world = read_brainsight_file(real("dcmimage_worldcoord"))
    for one, same, other in zip(lps.entries, world.entries, ras.entries, strict=True):
        np.testing.assert_array_equal(one.xyz_ras, same.xyz_ras)
        np.testing.assert_allclose(other.xyz_ras, one.xyz_ras * [-1, -1, 1])
    assert next(e.xyz_ras[0] for e in lps.entries if e.label == "LPA") == -79.237
    assert "NIfTI:Aligned" in lps.skipped[0]
    assert "RAS was assumed" in ras.skipped[0]
    assert written(lps) == written(ras) == text
    # A true one refuses the opposite: its name and its landmarks agree.
    for name, wrong in (("niiImage_nifticoord", "LPS"), ("dcmimage_worldcoord", "RAS")):
        with pytest.raises(GeometryError, match=r"the name .* and the landmarks"):
            read_brainsight_file(real(name), assume=wrong)
    with pytest.raises(GeometryError, match="no landmarks"):
        read_brainsight_file(text[: text.index("# Planned")])
    with pytest.raises(OptionError):
        read_brainsight_file(text, assume="lps")


@needs_data
def test_corner_system_agrees_with_its_nifti_twins():
    corner = real("niiImage_brainsightcoord")
    twins = [read_brainsight_file(real(f"niiImage_{n}")) for n in ("nifticoord", "niftialignedcoord")]
    bare = read_brainsight_file(corner)
    assert bare.space == "corner"
    assert "counted from a corner" in bare.frame
    assert "no image was given" in bare.skipped[0]
    assert written(bare) == corner
    # An image at the origin gives the corner's own axes; one rigid transform must lead from there to the twins.
    shape = (176, 240, 256)
    plain = make_image(shape=shape, affine=np.diag([-1.0, -1, 1, 1]) @ np.diag([-1.0, -1, 1, 1]))
    placed = read_brainsight_file(corner, image=plain)
    assert placed.space == "corner"
    assert written(placed) == corner
    # This image's corner is its origin but for its size: the directions are those of the file without an image.
    for one, other in zip(bare.poses, placed.poses, strict=True):
        np.testing.assert_array_equal(one.matrix[:3, :3], other.matrix[:3, :3])
        np.testing.assert_allclose(
            one.xyz_ras - bare.poses[0].xyz_ras, other.xyz_ras - placed.poses[0].xyz_ras, atol=1e-9
        )
    here = np.array([e.xyz_ras for e in placed.entries])
    for twin in twins:
        there = np.array([e.xyz_ras for e in twin.entries])
        assert [e.label for e in placed.entries] == [e.label for e in twin.entries]
        turn, _ = Rotation.align_vectors(there - there.mean(0), here - here.mean(0))
        left = turn.apply(here - here.mean(0)) + there.mean(0) - there
        assert np.linalg.norm(left, axis=1).max() <= 0.002
        for one, other in zip(placed.poses, twin.poses, strict=True):
            np.testing.assert_allclose(turn.as_matrix() @ one.matrix[:3, :3], other.matrix[:3, :3], atol=4e-3)
    mirrored = make_image(shape=shape, affine=np.diag([1.0, 1, 1, 1]))
    mirrored.affine[:3, :3] += [[0, 0.2, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(GeometryError, match="shear"):
        read_brainsight_file(corner, image=mirrored)


def test_landmarks_of_another_head_are_refused():
    pose = np.eye(4)
    pose[:3, :3] = np.diag([-1.0, 1, -1])
    pose[:3, 3] = [-40, 0, 90]
    swapped = {"LPA": HEAD["RPA"], "Nasion": HEAD["Nasion"], "RPA": HEAD["LPA"]}
    with pytest.raises(GeometryError, match="fit neither"):
        read_brainsight_file(brainsight_text([pose], marks=swapped))
    metres = {name: tuple(v / 1000 for v in xyz) for name, xyz in HEAD.items()}
    with pytest.raises(GeometryError, match="not those of a head"):
        read_brainsight_file(brainsight_text([pose], marks=metres))
    # World, although the numbers are RAS.
    with pytest.raises(GeometryError, match="which is LPS"):
        read_brainsight_file(brainsight_text([pose], "World"))
    corner = make_image(affine=np.eye(4))
    with pytest.raises(GeometryError, match="left and right exchanged"):
        read_brainsight_file(brainsight_text([pose], "Brainsight"), image=corner)


@pytest.mark.parametrize(
    ("system", "codes", "agree", "refused"),
    [
        ("NIfTI:Scanner", (1, 1), True, None),
        ("NIfTI:Scanner", (1, 2), True, None),
        ("NIfTI:Aligned", (1, 2), False, None),
        ("NIfTI:Scanner", (1, 2), False, "disagree"),
        ("NIfTI:Scanner", (1, 1), False, "disagree"),
        ("NIfTI:Q:Scanner", (1, 1), False, "disagree"),
        ("NIfTI:S:Scanner", (1, 1), False, None),
        ("NIfTI:Aligned", (1, 1), True, "no such system"),
        ("NIfTI:Q:Aligned", (1, 2), True, "no such system"),
        ("NIfTI:MNI-152", (1, 0), True, "no such system"),
    ],
)
def test_a_nifti_system_has_to_be_one_of_the_image(system, codes, agree, refused):
    pose = np.eye(4)
    pose[:3, 3] = [-40, 0, 90]
    text = brainsight_text([pose], system, 14)
    image = make_image(codes, agree=agree)
    if refused is None:
        np.testing.assert_allclose(read_brainsight_file(text, image=image).poses[0].matrix, pose, atol=1e-4)
    else:
        with pytest.raises(GeometryError, match=refused):
            read_brainsight_file(text, image=image)


def with_axes(axes):
    """A file with one pose whose axes (rows: x, y, z) are written as given."""
    pose = np.eye(4)
    pose[:3, 3] = [-40, 0, 90]
    text = brainsight_text([pose])
    return text.replace(cells((pose @ FLIP)[:3, :3].T), cells(axes))


@pytest.mark.parametrize(
    ("axes", "problem"),
    [
        (np.degrees(np.eye(3)), "degrees where direction cosines"),
        ([[45, 0, 0], [0, -90, 0], [0, 0, 180]], "degrees where direction cosines"),
        ([[1, 0, 0], [0.0872, 0.9962, 0], [0, 0, 1]], r"5\.0° off perpendicular \(shear\)"),
        (2 * np.eye(3), r"2\.000, 2\.000, 2\.000 long, not 1 \(scaling\)"),
        (np.zeros((3, 3)), "scaling"),
        (np.diag([-1, 1, 1]), "left-handed"),
        (-np.eye(3), "left-handed"),
    ],
)
def test_each_wrong_matrix_has_its_own_message(axes, problem):
    with pytest.raises(GeometryError, match=problem) as error:
        read_brainsight_file(with_axes(axes), source="x.txt")
    assert "x.txt, line 5" in str(error.value)


def test_skips_what_was_not_tracked_and_keeps_points_and_comments():
    columns = "# Sample Name\tSession Name\tLoc. X\tLoc. Y\tLoc. Z\t" + AXES + "\tComment"
    unit = cells(np.eye(3))
    nothing = "\t".join(["(null)"] * 9)
    more = [
        columns,
        f"a\tS\t{cells([0, 0, 0])}\t{unit}\t(null)",
        f"b\tS\t{cells([-20, 0, 90])}\t{unit}\tmoved",
        f"c\tS\t(null)\t(null)\t(null)\t{nothing}\t(null)",
        f"d\tS\t{cells([-20, 5, 90])}\t{nothing}\t(null)\tone cell more",
        "",
        "# Electrode Name\tElectrode Type\tSession Name\tLoc. X\tLoc. Y\tLoc. Z\t" + AXES,
        f"C3\tEEG\tS\t{cells([-60, 5, 70])}\t{unit}",
    ]
    text = "\ufeff" + brainsight_text([], more=more).replace("\n", "\r\n")
    found = read_brainsight_file(text)
    assert [(e.kind, e.label, e.note, e.matrix is None) for e in found.entries[:3]] == [
        ("sample", "b", "moved", False),
        ("sample", "d", "", True),
        ("electrode", "C3", "EEG", True),
    ]
    assert [line.split(":")[0] for line in found.skipped] == ["line 6", "line 8"]
    assert "not tracked" in found.skipped[0]
    assert written(found) == text


def test_writes_back_only_what_was_read():
    turned = np.eye(4)
    turned[:3, 3] = [-40, 0, 90]
    text = brainsight_text([turned, turned])
    found = read_brainsight_file(text)
    first, second, *marks = found.entries
    fewer = written(replace(found, entries=(second, *marks)))
    assert fewer == "".join(line for line in text.splitlines(keepends=True) if not line.startswith("T1\t"))
    for edited in (
        replace(first, xyz_ras=first.xyz_ras + 1),
        replace(first, matrix=first.matrix @ np.diag([-1.0, -1, 1, 1])),
        replace(first, label="other"),
        replace(first, raw={**first.raw, "Loc. X": "40.0000"}),
    ):
        with pytest.raises(InputError, match=r"changed|not read from"):
            written(replace(found, entries=(edited, second, *marks)))
    with pytest.raises(InputError, match="Localite"):
        written(NavigationFile("Localite", "", "", "RAS", ()))


def test_own_files_edited_by_others_are_refused():
    matrix = np.diag([-1.0, 1, -1, 1])
    matrix[:3, 3] = [-40, 0, 90]
    image = make_image()
    text = write_brainsight([CoilPose(matrix, ImageTie("sub-01 T1w", SHA), "SCAN L")], image=image)
    assert read_brainsight_file(text, image=image).poses[0].matrix[0, 3] == -40
    with pytest.raises(GeometryError, match="comment of the export"):
        read_brainsight_file(text.replace("\t-40.000000", "\t40.000000"))
    with pytest.raises(GeometryError, match="wrote this file in RAS"):
        read_brainsight_file(text.replace("NIfTI:Scanner", "World"))
    with pytest.raises(GeometryError, match="wrote this file in RAS"):
        read_brainsight_file(text, assume="LPS")
    with pytest.raises(GeometryError, match="made on another image"):
        read_brainsight_file(text, image=make_image(sha="cd" * 32))
    lps = {name: np.array(xyz) * [-1, -1, 1] for name, xyz in HEAD.items()}
    with pytest.raises(GeometryError, match="LPS; expected RAS"):
        write_brainsight([], image=image, landmarks=lps)
    with pytest.raises(GeometryError, match="three finite"):
        write_brainsight([], image=image, electrodes={"C3": np.array([np.nan, 0, 0])})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# Version: 12", "# Version: 6", "version '6'"),
        ("# Version: 12", "# Version: 15", "version '15'"),
        ("# Version: 12", "# Version: ١٢", "not known"),
        ("# Version: 12\n", "", "not a Brainsight"),
        ("NIfTI:Scanner", "NIfTI:Nobody", "coordinate system 'NIfTI:Nobody' is not known"),
        ("NIfTI:Scanner", "NIfTI:S:", "not known"),
        ("# Units", "# Coordinate system: World\n# Units", "two coordinate systems"),
        ("millimetres", "metres", "expected millimetres"),
        ("-40.0000", "-40,0000", "decimal commas"),
        ("-40.0000", "nan", "lacks numbers"),
        ("-40.0000", "1_0", "lacks numbers"),
        ("-40.0000", "٤٠", "lacks numbers"),
        ("-40.0000", "(null)", "lacks numbers"),
        ("-40.0000", "-4e9", "no head is that large"),
        ("-40.0000\t", "", "expected 13"),
    ],
)
def test_refuses_damaged_files(old, new, problem):
    pose = np.eye(4)
    pose[:3, 3] = [-40, 0, 90]
    text = brainsight_text([pose])
    assert old in text
    with pytest.raises(ActionloopError, match=problem):
        read_brainsight_file(text.replace(old, new, 1))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hostile_text_gives_an_error_of_ours_or_a_finite_result(data):
    pose = np.eye(4)
    pose[:3, 3] = [-40, 0, 90]
    text = brainsight_text([pose])
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 40)))
    text = text[:start] + data.draw(st.text(max_size=20)) + text[stop:]
    try:
        found = read_brainsight_file(text)
    except ActionloopError:
        return
    assert written(found) == text
    assert all(np.isfinite(e.xyz_ras).all() for e in found.entries)
