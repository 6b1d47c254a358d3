"""Any system's file as any other's: round trips, verbatim write-back, the tie to one image, transforms, the command."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.test_navigation_brainsight import AXES, FLIP, brainsight_text, cells

from actionloop import pipeline
from actionloop.cli import main
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError, OutputError, ResourceError
from actionloop.files import read_image, template_image
from actionloop.navigation import (
    SYSTEMS,
    Reading,
    is_unplaced,
    poses_of,
    read_any,
    require_placed,
    write_any,
    written,
)
from actionloop.navigation.verbatim import write_as_read
from actionloop.pipeline.converted import ConvertRequest
from actionloop.types import CoilPose, Image

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data")) / "navigation"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no navigation files in {DATA} (set ACTIONLOOP_DATA)")
REAL = sorted(path for path in DATA.rglob("*") if path.is_file()) if DATA.is_dir() else []
LPS_NAMED_RAS = "dcmimage_niftialignedcoord.txt"
SYSTEMS_WRITTEN = written()
# Half a unit in the last printed decimal: of a place in mm, of an axis. SimNIBS's files hold whole doubles.
PRECISION = {
    "brainsight": (5e-7, 5e-8),
    "localite": (5e-11, 5e-10),
    "visor2": (5e-11, 5e-10),
    "slicer": (5e-7, 5e-9),
    "navinibs": (5e-7, 5e-9),
    "simnibs": (1e-12, 1e-12),
    "simnibs-mat": (1e-12, 1e-12),
    "invesalius": (5e-7, 5e-9),
    "nibs-bids": (5e-7, 5e-9),
}
RADII, MIDDLE = np.array([78.0, 96.0, 88.0]), np.array([2.0, -15.0, 10.0])
SHAPE, GRID_MM = (67, 78, 74), 3.0
VOXELS = "cd" * 32


def make_image(affine=None, *, shape=(160, 200, 180), codes=(1, 1), agree=True):
    if affine is None:
        affine = np.array([[1.0, 0, 0, -79.5], [0, 1, 0, -110], [0, 0, 1, -80], [0, 0, 0, 1]])
    return Image(np.zeros(shape, np.int8), affine, "sub-01 T1w", "t1.nii.gz", "ab" * 32, codes, agree, VOXELS)


def pose_on(image, turn, xyz, label, note=""):
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix()
    matrix[:3, 3] = xyz
    return CoilPose(matrix, image.tie, label, note)


def read_back(system, made, image=None):
    texts = [text.encode() if isinstance(text, str) else text for text in made.values()]
    sidecar = texts[1].decode() if len(texts) > 1 else ""
    key, found = read_any(texts[0], source="x", reading=Reading(image=image, sidecar=sidecar))
    assert key == system
    return found


@st.composite
def images(draw):
    """Oblique, flipped, permuted and anisotropic, the head in the middle; sform, qform or both."""
    shape = tuple(draw(st.integers(40, 60)) for _ in range(3))
    spacing = [draw(st.floats(0.5, 4)) for _ in range(3)]
    order = np.eye(3)[list(draw(st.permutations(range(3))))] * [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    tilt = Rotation.from_euler("xyz", [draw(st.floats(-35, 35)) for _ in range(3)], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = tilt @ order @ np.diag(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    codes = draw(st.sampled_from([(1, 1), (1, 0), (2, 2), (1, 4)]))
    return make_image(affine, shape=shape, codes=codes)


@st.composite
def rows(draw):
    """Turn, place, label and note of one pose or many."""
    found = []
    for index in range(draw(st.integers(1, 4))):
        angles = [draw(st.one_of(st.floats(-180, 180), st.sampled_from([0.0, 90.0, -90.0, 180.0]))) for _ in range(3)]
        x = draw(st.floats(1, 75)) * draw(st.sampled_from([-1, 1]))
        place = (x, draw(st.floats(-100, 100)), draw(st.floats(-40, 100)))
        label = f"{draw(st.sampled_from(['SCAN middle', 'a<b & c -- d', 'Süd ost']))} {index} {'L' if x < 0 else 'R'}"
        note = draw(st.sampled_from(["", "geometric, no field yet", "place ± 5 mm, 95 %"]))
        found.append((Rotation.from_euler("xyz", angles, degrees=True), place, label, note))
    return found


@pytest.mark.parametrize("system", SYSTEMS_WRITTEN)
@settings(max_examples=12, deadline=None)
@given(many=rows(), image=images())
def test_every_system_gives_back_what_it_was_given(system, many, image):
    poses = [pose_on(image, *one) for one in many]
    made = write_any(system, poses, image=image)
    back = poses_of(read_back(system, made, image))
    assert [(one.label, one.note, one.tie) for one in back] == [
        (one.label, one.note, replace(one.tie, form="")) for one in poses
    ]
    mm, axis = PRECISION[system]
    for one, other in zip(poses, back, strict=True):
        assert np.abs(one.matrix[:3, 3] - other.matrix[:3, 3]).max() <= mm * 1.01
        # Axes are made perpendicular again: that moves them by as much as their rounding did.
        assert np.abs(one.matrix[:3, :3] - other.matrix[:3, :3]).max() <= 3 * axis
        assert np.linalg.det(other.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    # What was only read is written back as it was, here and beside a new pose.
    found = read_back(system, made, image)
    again = read_back(system, write_any(system, [], image=image, kept=found), image)
    assert [entry.raw for entry in again.entries] == [entry.raw for entry in found.entries]
    new = pose_on(image, Rotation.identity(), (-40.0, 0, 80), "new L", "added")
    both = poses_of(read_back(system, write_any(system, [new], image=image, kept=found), image))
    assert len(both) == len(poses) + 1
    for one, other in zip(back, both, strict=False):
        np.testing.assert_array_equal(one.matrix, other.matrix)
    np.testing.assert_allclose(both[-1].matrix, new.matrix, atol=1e-6)


@pytest.mark.parametrize("system", SYSTEMS_WRITTEN)
def test_refuses_forms_that_disagree_and_kept_entries_of_another_image(system):
    image = make_image()
    poses = [pose_on(image, Rotation.identity(), (-40.0, 0, 80), "M1 L")]
    with pytest.raises(GeometryError, match="disagree"):
        write_any(system, poses, image=make_image(agree=False))
    found = read_back(system, write_any(system, poses, image=image))
    other = replace(image, header_sha256="ef" * 32)
    moved = [pose_on(other, Rotation.identity(), (-40.0, 0, 80), "M2 L")]
    if system not in ("visor2", "slicer", "navinibs"):  # these know an image by its affine, or not at all
        with pytest.raises(GeometryError, match="another image"):
            write_any(system, moved, image=other, kept=found)


def test_kept_tables_refuse_what_they_cannot_hold():
    image = make_image()
    poses = [pose_on(image, Rotation.identity(), (-40.0, 0, 80), "M1 L")]
    for system in ("invesalius", "nibs-bids", "brainsight"):
        found = read_back(system, write_any(system, poses, image=image))
        with pytest.raises(GeometryError, match="tell them apart"):
            write_any(system, poses, image=image, kept=found)
    made = write_any("invesalius", poses, image=image)[".mkss"]
    strange = made.replace('"mep_value"', '"mystery"')
    found = read_any(strange.encode(), reading=Reading(image=image))[1]
    assert write_any("invesalius", [], image=image, kept=found)[".mkss"] == strange
    new = [pose_on(image, Rotation.identity(), (-40.0, 0, 80), "new L")]
    with pytest.raises(GeometryError, match="not known"):
        write_any("invesalius", new, image=image, kept=found)
    # A file without our column gets it, empty.
    lines = [line.rpartition("\t")[0] if "\t" in line else line for line in made.rstrip("\n").split("\n")]
    theirs = "\r\n".join(lines) + "\r\n"
    found = read_any(theirs.encode(), reading=Reading(image=image))[1]
    assert found.tie is None
    assert write_any("invesalius", [], image=image, kept=found)[".mkss"] == theirs
    both = write_any("invesalius", new, image=image, kept=found)[".mkss"].split("\n")
    assert both[2] == lines[2] + '\t""'
    assert len(both) == 5
    table = write_any("nibs-bids", poses, image=image)["_markers.tsv"]
    how = Reading(assume="LPS", axes="simnibs")
    found = read_any(table.encode(), reading=how)[1]
    assert write_any("nibs-bids", [], image=image, kept=found) == {"_markers.tsv": table}
    found = read_any(table.encode(), reading=replace(how, assume="RAS"))[1]
    with pytest.raises(GeometryError, match="not of actionloop"):
        write_any("nibs-bids", new, image=image, kept=found)


@needs_data
@pytest.mark.parametrize("path", REAL, ids=[path.name for path in REAL])
def test_every_real_file_reads_without_an_image_and_goes_back_as_it_was(path):
    data = path.read_bytes()
    if path.name == LPS_NAMED_RAS:
        with pytest.raises(GeometryError, match="exchanged"):
            read_any(data, source=path.name)
        key, found = read_any(data, source=path.name, reading=Reading(assume="LPS"))
    else:
        key, found = read_any(data, source=path.name)
    assert found.entries or found.skipped or "empty" in path.name
    assert is_unplaced(found) == (path.name == "niiImage_brainsightcoord.txt")
    image = make_image()
    if key == "brainsight":
        assert write_as_read(found, system="Brainsight").encode() == data
        if found.entries:
            assert write_any(key, [], image=image, kept=found)[".txt"].encode() == data
    elif key == "localite" and "InstrumentMarker" in path.name:
        made = write_any(key, [], image=image, kept=found, space=found.space)[".xml"]
        for entry in found.entries:
            assert entry.raw["xml"] in made
        assert [entry.raw for entry in read_any(made.encode())[1].entries] == [entry.raw for entry in found.entries]


@needs_data
def test_new_targets_beside_those_of_a_real_brainsight_file():
    data = (DATA / "brainsight/niiImage_nifticoord.txt").read_bytes()
    image = make_image()
    found = read_any(data, source="x", reading=Reading(image=image))[1]
    new = pose_on(image, Rotation.identity(), (-40.0, 0, 80), "new L")
    text = write_any("brainsight", [new], image=image, kept=found)[".txt"]
    back = read_any(text.encode(), reading=Reading(image=image))[1]
    assert back.tie is None  # what others measured is not claimed for this image
    targets = [entry for entry in back.entries if entry.kind == "target"]
    assert targets[-1].label == "new L (left)"
    assert len(back.entries) == len(found.entries) + 1
    without = [line for line in text.splitlines() if "new L" not in line and "sha256" not in line]
    assert set(data.decode().splitlines()) <= set(without)
    aligned = (DATA / "brainsight/niiImage_niftialignedcoord.txt").read_bytes()
    found = read_any(aligned, source="x")[1]
    with pytest.raises(GeometryError, match="cannot stand in one file"):
        write_any("brainsight", [new], image=image, kept=found)


def test_unplaced_files_are_not_taken_for_places():
    image = make_image()
    poses = [pose_on(image, Rotation.identity(), (-40.0, 0, 80), "M1 L")]
    text = write_any("invesalius", poses, image=image)[".mkss"]
    head, row = text.split("\n")[1:3]
    columns = head.replace('"', "").split("\t")
    cells = ["N/A" if name.endswith("_world") else cell for name, cell in zip(columns, row.split("\t"), strict=True)]
    bare = "\n".join(["##INVESALIUS3_MARKER_FILE_5", head, "\t".join(cells), ""])
    found = read_any(bare.encode())[1]
    assert is_unplaced(found)
    with pytest.raises(GeometryError, match="no image was given"):
        require_placed(found)
    placed = read_any(bare.encode(), reading=Reading(image=image))[1]
    require_placed(placed)
    np.testing.assert_allclose(placed.poses[0].matrix, poses[0].matrix, atol=1e-6)
    # One marker with world coordinates and one without are in two frames: the latter is left out, and said so.
    mixed = read_any((bare + row + "\n").encode())[1]
    assert (len(mixed.entries), mixed.space) == (1, "RAS")
    assert "no image was given" in mixed.skipped[0]


# The command: a synthetic head of scalp, skull and brain, with coils on it.


def head_voxels(affine, *, shape=SHAPE, seed=0):
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    xyz = ijk @ affine[:3, :3].T + affine[:3, 3] - MIDDLE
    depth = (1 - np.linalg.norm(xyz / RADII, axis=-1)) * RADII.mean()
    value = np.zeros(shape, np.float32)
    for deeper_mm, grey in ((0, 220), (6, 20), (13, 50), (15, 150)):
        value[depth > deeper_mm] = grey
    return value + np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32) ** 2 / 4


def save_image(path, affine, data, *, codes=(1, 1), qform=None):
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine if codes[1] else None, codes[1])
    image.set_qform(affine if qform is None else qform, codes[0])
    image.to_filename(path)
    return path


def head_affine(shift=(0, 0, 0), turn=(0, 0, 0)):
    """An image whose frame is moved against the head's own by `motion` of the same arguments."""
    affine = np.diag([GRID_MM, GRID_MM, GRID_MM, 1.0])
    affine[:3, 3] = MIDDLE - affine[:3, :3] @ (np.array(SHAPE) - 1) / 2
    return motion(shift, turn) @ affine


def motion(shift=(0, 0, 0), turn=(0, 0, 0)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def coil_on_head(direction, label, image, *, off_mm=4.0, note="place ± 5 mm"):
    direction = np.array(direction) / np.linalg.norm(direction)
    on = MIDDLE + RADII * direction
    into = -(on - MIDDLE) / RADII**2
    into /= np.linalg.norm(into)
    forward = np.cross(np.cross(into, [0.2, 1, 0.1]), into)
    forward /= np.linalg.norm(forward)
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.cross(forward, into), forward, into])
    matrix[:3, 3] = on - off_mm * into
    return CoilPose(matrix, image.tie, label, note)


SHIFT, TURN = (9.0, -14.0, 22.0), (12.0, -8.0, 20.0)


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    """Folder with a T1, the same head in another session, and a file of poses by actionloop and one by SimNIBS."""
    folder = tmp_path_factory.mktemp("person")
    affine = head_affine()
    data = head_voxels(affine)
    save_image(folder / "sub-01_T1w.nii.gz", affine, data)
    save_image(folder / "sub-01_ses-2_T1w.nii.gz", head_affine(SHIFT, TURN), data)
    save_image(folder / "other.nii.gz", affine, head_voxels(affine, seed=1))
    image = read_image(folder / "sub-01_T1w.nii.gz", frame="sub-01 T1w")
    poses = [coil_on_head(one, f"M1 {side}", image) for one, side in (((-0.5, 0.1, 0.85), "L"), ((0.6, 0.3, 0.7), "R"))]
    (folder / "ours.txt").write_text(write_any("brainsight", poses, image=image)[".txt"])
    theirs = [[[float(v) for v in row] for row in one.matrix] for one in poses]
    (folder / "theirs.json").write_text(f'{{"matsimnibs": {theirs}, "names": ["M1 L", "M1 R"]}}')
    return folder, image, poses


ENDINGS = {key: SYSTEMS[key].suffix for key in SYSTEMS_WRITTEN}


def convert(source, out, to, image, **more):
    request = ConvertRequest(source=source, out=out, to=to, image=image, **more)
    before = sorted(out.parent.iterdir())
    try:
        return pipeline.convert_file(request)
    except Exception:
        assert sorted(out.parent.iterdir()) == before  # nothing half written
        raise


@pytest.mark.parametrize("to", [*SYSTEMS_WRITTEN, "simnibs-script"])
@pytest.mark.parametrize("name", ["ours.txt", "theirs.json"])
def test_converts_to_every_system(person, tmp_path, capsys, to, name):
    folder, image, poses = person
    out = tmp_path / f"x{ENDINGS.get(to, '.py')}"
    more = ["--head-folder", "m2m_01", "--coil-file", "D70.ccd"] if to == "simnibs-script" else []
    words = ["convert", str(folder / name), str(out), "--to", to, "--image", str(folder / "sub-01_T1w.nii.gz"), *more]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == str(out)
    assert "2 poses" in said.err
    assert ("states its image by hash" if name == "ours.txt" else "on your word") in said.err
    if to == "simnibs-script":
        assert "M1 L (left)" in out.read_text()
        return
    sidecar = out.with_suffix(".json").read_text() if to == "nibs-bids" else ""
    found = read_any(out.read_bytes(), source=out.name, reading=Reading(image=image, sidecar=sidecar))[1]
    back = poses_of(found)
    for one, other in zip(poses, back, strict=True):
        np.testing.assert_allclose(one.matrix, other.matrix, atol=2e-6)
    if (name, to) == ("ours.txt", "brainsight"):
        assert out.read_bytes() == (folder / name).read_bytes()
    if to not in ("simnibs", "simnibs-mat") or name == "ours.txt":
        assert [one.label for one in back] == ["M1 L", "M1 R"]
        assert back[0].tie.header_sha256 == image.header_sha256
        assert all(one.note.startswith("place ± 5 mm" if name == "ours.txt" else "read from SimNIBS") for one in back)
    assert main(words) == 1  # stands there already
    assert main([*words, "--overwrite"]) == 0


def test_another_image_is_refused_by_its_hash(person, tmp_path):
    folder, _, _ = person
    out = tmp_path / "x.xml"
    with pytest.raises(GeometryError, match="its header is"):
        convert(folder / "ours.txt", out, "localite", folder / "sub-01_ses-2_T1w.nii.gz")
    with pytest.raises(GeometryError, match="same header: voxels"):
        convert(folder / "ours.txt", out, "localite", folder / "other.nii.gz")
    with pytest.raises(GeometryError, match="its header is"):
        convert(folder / "ours.txt", out, "localite", folder / "sub-01_ses-2_T1w.nii.gz", force=True)


def test_forms_of_the_image(person, tmp_path):
    folder, _, poses = person
    data = head_voxels(head_affine())
    apart = save_image(tmp_path / "apart.nii.gz", head_affine(), data, qform=head_affine((5, 0, 0)))
    with pytest.raises(GeometryError, match="disagree"):
        convert(folder / "theirs.json", tmp_path / "x.xml", "localite", apart)
    only = save_image(tmp_path / "only_q.nii.gz", head_affine(), data, codes=(1, 0))
    done = convert(folder / "theirs.json", tmp_path / "x.xml", "localite", only)
    back = poses_of(read_any((tmp_path / "x.xml").read_bytes())[1])
    np.testing.assert_allclose(back[0].matrix, poses[0].matrix, atol=1e-6)
    assert done.n_poses == 2


def write_itk(path, reference_to_moving_ras):
    flip = np.diag([-1.0, -1, 1, 1])
    matrix = flip @ reference_to_moving_ras @ flip
    numbers = " ".join(f"{v:.15g}" for v in [*matrix[:3, :3].ravel(), *matrix[:3, 3]])
    path.write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
    )
    return path


def write_fsl(path, moving_to_reference, moving, reference):
    def space(image):
        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
        scaled = np.diag([*zooms, 1.0])
        if np.linalg.det(image.affine[:3, :3]) > 0:
            scaled[0] = [-zooms[0], 0, 0, (image.data.shape[0] - 1) * zooms[0]]
        return scaled @ np.linalg.inv(image.affine)

    np.savetxt(path, space(reference) @ moving_to_reference @ np.linalg.inv(space(moving)), fmt="%.12f")
    return path


def write_lta(path, matrix, moving, reference):
    def volume(image):
        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
        axes = image.affine[:3, :3] / zooms
        middle = image.affine[:3, :3] @ (np.array(image.data.shape) / 2) + image.affine[:3, 3]
        rows = [f"{n}ras = " + " ".join(f"{v:.15e}" for v in axes[:, i]) for i, n in enumerate("xyz")]
        sizes = [
            f"volume = {' '.join(map(str, image.data.shape))}",
            "voxelsize = " + " ".join(f"{v:.15e}" for v in zooms),
        ]
        return "\n".join(["valid = 1", *sizes, *rows, "cras = " + " ".join(f"{v:.15e}" for v in middle)])

    rows = "\n".join(" ".join(f"{v:.15e}" for v in row) for row in matrix)
    path.write_text(
        f"type = 1\nnxforms = 1\nmean = 0 0 0\nsigma = 1\n1 4 4\n{rows}\nsrc volume info\n{volume(moving)}\n"
        f"dst volume info\n{volume(reference)}\n"
    )
    return path


@pytest.mark.parametrize("source", ["ours.txt", "theirs.json"])
@pytest.mark.parametrize("kind", ["itk", "itk inverse", "named", "named inverse", "fsl", "lta", "lta inverse"])
def test_poses_are_carried_by_a_transform(person, tmp_path, source, kind):
    folder, image, poses = person
    there = motion(SHIFT, TURN)  # points of the first session's frame to the second's
    second = read_image(folder / "sub-01_ses-2_T1w.nii.gz", frame="second")
    inverse = np.linalg.inv(there)
    path, to = {
        "itk": lambda: (write_itk(tmp_path / "x.tfm", inverse), None),
        "itk inverse": lambda: (write_itk(tmp_path / "x.tfm", there), "moving"),
        "named": lambda: (write_itk(tmp_path / "s_from-T1w_to-2_mode-image_xfm.txt", inverse), None),
        "named inverse": lambda: (write_itk(tmp_path / "s_from-2_to-T1w_mode-image_xfm.txt", there), None),
        "fsl": lambda: (write_fsl(tmp_path / "x.mat", there, image, second), None),
        "lta": lambda: (write_lta(tmp_path / "x.lta", there, image, second), None),
        "lta inverse": lambda: (write_lta(tmp_path / "x.lta", inverse, second, image), None),
    }[kind]()
    out = tmp_path / "x.xml"
    more = {"transform": path, "transform_to": to, "from_image": folder / "sub-01_T1w.nii.gz"}
    done = convert(folder / source, out, "localite", folder / "sub-01_ses-2_T1w.nii.gz", **more)
    back = poses_of(read_any(out.read_bytes())[1])
    for one, other in zip(poses, back, strict=True):
        np.testing.assert_allclose(other.matrix, there @ one.matrix, atol=1e-5)
        assert other.tie.header_sha256 == second.header_sha256
        assert "carried from" in other.note
    assert ("nothing tells the direction" in " ".join(done.notes)) == (kind in ("itk", "fsl"))
    assert not done.verbatim


def test_transforms_that_lead_elsewhere_are_refused(person, tmp_path):
    folder, image, _ = person
    far = motion((60, 80, 60))
    second = save_image(tmp_path / "second.nii.gz", head_affine((60, 80, 60)), head_voxels(head_affine()))
    path = write_itk(tmp_path / "x.tfm", np.linalg.inv(far))
    out = tmp_path / "out.xml"
    wrong = {"transform": path, "transform_to": "moving", "from_image": folder / "sub-01_T1w.nii.gz"}
    with pytest.raises(GeometryError, match="do not lie on this scalp") as caught:
        convert(folder / "ours.txt", out, "localite", second, **wrong)
    assert "--transform-to reference" in caught.value.fix
    # A file that states its image needs no --from-image, except for FSL.
    convert(folder / "ours.txt", out, "localite", second, transform=path)
    fsl = write_fsl(tmp_path / "x.mat", far, image, read_image(second, frame="second"))
    with pytest.raises(InputError) as caught:
        convert(folder / "ours.txt", tmp_path / "no.xml", "localite", second, transform=fsl)
    assert "--from-image" in caught.value.fix
    with pytest.raises(OptionError, match="does not say which image"):
        convert(folder / "theirs.json", tmp_path / "no.xml", "localite", second, transform=path)
    lta = write_lta(tmp_path / "x.lta", far, image, read_image(second, frame="second"))
    with pytest.raises(OptionError, match="contradicts"):
        convert(folder / "ours.txt", tmp_path / "no.xml", "localite", second, transform=lta, transform_to="moving")


def simnibs_json(path, matrices, names):
    path.write_text(f'{{"matsimnibs": {[m.tolist() for m in matrices]}, "names": {list(names)}}}'.replace("'", '"'))
    return path


def test_wrong_heads_frames_and_sides_are_refused(person, tmp_path):
    folder, image, poses = person
    t1 = folder / "sub-01_T1w.nii.gz"
    out = tmp_path / "x.xml"
    front = [coil_on_head(one, "", image).matrix for one in ((0.1, 0.9, 0.3), (-0.2, 0.9, 0.35), (0.2, 0.85, 0.3))]
    turned = [np.diag([-1.0, -1, 1, 1]) @ one for one in front]
    cases = [
        ([motion((0, 0, 90)) @ p.matrix for p in poses], ["M1 L", "M1 R"], "do not lie on this scalp"),
        ([poses[0].matrix, motion((60, 0, 0)) @ poses[1].matrix, poses[0].matrix], "ABC", "the others do"),
        ([p.matrix @ np.diag([-1.0, 1, -1, 1]) for p in poses], ["M1 L", "M1 R"], "point out of the head"),
        ([p.matrix for p in poses], ["M1 R", "M1 L"], "on the other side"),
        (turned, "ABC", "LPS was read as RAS"),
    ]
    for matrices, names, match in cases:
        source = simnibs_json(tmp_path / "in.json", matrices, names)
        with pytest.raises(GeometryError, match=match):
            convert(source, out, "localite", t1)
    source = simnibs_json(tmp_path / "in.json", cases[0][0], ["M1 L", "M1 R"])
    done = convert(source, out, "localite", t1, force=True)
    assert any(note.startswith("FORCED") for note in done.notes)
    assert all("FORCED" in pose.note for pose in poses_of(read_any(out.read_bytes())[1]))
    # A template's coordinates, by name.
    made = write_any("nibs-bids", poses, image=image)
    table, sidecar = tmp_path / "a_markers.tsv", tmp_path / "a_markers.json"
    table.write_text(made["_markers.tsv"])
    sidecar.write_text('{"NIBSCoordinateSystem": "MNI152NLin6Asym", "NIBSCoordinateUnits": "mm"}')
    with pytest.raises(GeometryError, match="template's coordinates"):
        convert(table, tmp_path / "y.xml", "localite", t1, assume="RAS", axes="simnibs")


def test_mni_coordinates_given_as_native_are_told(tmp_path):
    try:
        template_image()
    except ResourceError as error:
        pytest.skip(str(error))
    # This person's frame begins at the neck, the poses are on a head whose middle is at the origin.
    low = (0, -10, 70)
    t1 = save_image(tmp_path / "sub-02_T1w.nii.gz", head_affine(low), head_voxels(head_affine()))
    tops = [coil_on_head(one, "", make_image()).matrix for one in ((-0.3, 0.1, 0.95), (-0.4, -0.2, 0.9))]
    source = simnibs_json(tmp_path / "in.json", tops, ["M1 L", "S1 L"])
    with pytest.raises(GeometryError, match="MNI coordinates were given as this person's own"):
        convert(source, tmp_path / "x.xml", "localite", t1)


def test_options_and_outputs(person, tmp_path):
    folder, _, _ = person
    t1, ours = folder / "sub-01_T1w.nii.gz", folder / "ours.txt"
    out = tmp_path / "x.xml"
    for to, name, more, match in (
        ("softaxic", "x.stmpx", {}, "only read"),
        ("nothing", "x.xml", {}, "no navigation system"),
        ("localite", "x.json", {}, "ends in"),
        ("localite", "x.xml", {"version": 14}, "for --to brainsight only"),
        ("brainsight", "x.txt", {"space": "LPS"}, "for --to localite only"),
        ("simnibs-script", "x.py", {"coil_file": "x.ccd"}, "head model and the coil"),
        ("localite", "x.xml", {"transform_to": "moving"}, "by a transform only"),
        ("localite", "x.xml", {"assume": "LPS"}, "contradict|not LPS|RAS"),
    ):
        with pytest.raises((OptionError, GeometryError), match=match):
            convert(ours, tmp_path / name, to, t1, **more)
    with pytest.raises(InputError, match="no such file"):
        convert(tmp_path / "no.txt", out, "localite", t1)
    with pytest.raises(OptionError, match="cannot be written too"):
        convert(ours, ours, "brainsight", t1, overwrite=True)
    convert(ours, out, "localite", t1, space="LPS")
    assert 'coordinateSpace="LPS"' in out.read_text()
    convert(ours, tmp_path / "v14.txt", "brainsight", t1, version=14)
    assert "NIfTI:S:Scanner" in (tmp_path / "v14.txt").read_text()
    with pytest.raises(OutputError, match="already"):
        convert(ours, out, "localite", t1)
    (tmp_path / "folder.xml").mkdir()
    with pytest.raises(OutputError, match="already"):
        convert(ours, tmp_path / "folder.xml", "localite", t1, overwrite=True)


def test_kinds_points_and_names(person, tmp_path):
    folder, image, poses = person
    t1 = folder / "sub-01_T1w.nii.gz"
    text = write_any("brainsight", poses, image=image, points={"spot L": np.array([-30.0, 0, 60])})[".txt"]
    source = tmp_path / "points.txt"
    source.write_text(text)
    done = convert(source, tmp_path / "x.xml", "localite", t1)
    assert "1 points without a coil were left out: spot L (left)." in done.notes
    assert convert(source, tmp_path / "y.txt", "brainsight", t1).verbatim
    # Markers of the kind 'coil pose' are samples: InVesalius keeps them, others say so.
    text = write_any("invesalius", poses, image=image, samples={"M1 R"})[".mkss"]
    source = tmp_path / "in.mkss"
    source.write_text(text.replace("M1 L", "M1 R"))
    source.write_text(text)
    done = convert(source, tmp_path / "z.xml", "localite", t1)
    assert any(note.startswith("1 samples") for note in done.notes)
    # Two of one name, and one over the midline that says no side.
    top = coil_on_head((-0.01, 0, 1), "Cz", image).matrix
    source = simnibs_json(tmp_path / "in.json", [poses[0].matrix, poses[0].matrix, top], ["A", "A", "Cz"])
    done = convert(source, tmp_path / "w.xml", "localite", t1)
    labels = [one.label for one in poses_of(read_any((tmp_path / "w.xml").read_bytes())[1])]
    assert labels == ["A", "A, 2", "Cz R"]
    assert "1 poses had the name of another one and got a number after it." in done.notes
    with pytest.raises(EmptyRegionError, match="nothing to convert"):
        source.write_text('{"matsimnibs": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}')
        convert(source, tmp_path / "no.xml", "localite", t1)


def brainsight_session(path, targets, samples):
    """A file of Brainsight's own, with landmarks: targets T1, T2, ..., and samples by name."""
    heading = "# Sample Name\tSession Name\tLoc. X\tLoc. Y\tLoc. Z\t" + AXES
    rows = []
    for name, matrix in samples.items():
        theirs = matrix @ FLIP
        rows.append(f"{name}\tSession 1\t{cells(theirs[:3, 3])}\t{cells(theirs[:3, :3].T)}")
    path.write_text(brainsight_text(targets, more=[heading, *rows]))
    return path


@pytest.fixture
def lifted(person, tmp_path):
    """A session of a target and four samples, of which the third was taken 60 mm above the head."""
    _, image, poses = person
    places = ((-0.5, 0.12, 0.85), (-0.5, 0.1, 0.83), (-0.52, 0.1, 0.85), (-0.48, 0.1, 0.86))
    on = [coil_on_head(place, "", image, off_mm=60 if number == 2 else 4).matrix for number, place in enumerate(places)]
    samples = {f"Sample {number} L": matrix for number, matrix in enumerate(on, 1)}
    return brainsight_session(tmp_path / "session.txt", [poses[0].matrix], samples), poses[0].matrix, samples


def test_a_stray_sample_is_named_and_the_others_are_written(person, lifted, tmp_path, capsys):
    folder, image, _ = person
    t1 = folder / "sub-01_T1w.nii.gz"
    source, target, samples = lifted
    kept = [target, *(matrix for name, matrix in samples.items() if name != "Sample 3 L")]
    for to in ("localite", "invesalius"):
        out = tmp_path / f"out{ENDINGS[to]}"
        assert main(["convert", str(source), str(out), "--to", to, "--image", str(t1)]) == 0
        said = " ".join(capsys.readouterr().err.split())
        assert "4 poses" in said
        assert "1 of 4 samples do not lie on this head" in said and "were left out" in said and "'Sample 3 L'" in said
        back = read_any(out.read_bytes(), source=out.name, reading=Reading(image=image))[1]
        assert not any("Sample 3" in one.label for one in back.entries)
        for one, matrix in zip(back.poses, kept, strict=True):
            np.testing.assert_allclose(one.matrix, matrix, atol=2e-4)  # Brainsight's four decimals
            assert "FORCED" not in one.note
    assert [one.kind for one in back.poses] == ["target", "sample", "sample", "sample"]
    # Written back as it was read it keeps its samples, for they stay samples.
    done = convert(source, tmp_path / "same.txt", "brainsight", t1)
    assert done.verbatim and (tmp_path / "same.txt").read_bytes() == source.read_bytes()
    assert any("as they were read: 'Sample 3 L'" in note for note in done.notes)
    done = convert(source, tmp_path / "all.xml", "localite", t1, force=True)
    assert done.n_poses == 5
    forced = poses_of(read_any((tmp_path / "all.xml").read_bytes())[1])
    assert len(forced) == 5 and all("FORCED" in pose.note for pose in forced)


def test_stray_samples_are_left_out_on_the_way_to_another_image(person, lifted, tmp_path):
    folder, image, _ = person
    source, target, samples = lifted
    there = motion(SHIFT, TURN)
    way = write_itk(tmp_path / "x.tfm", np.linalg.inv(there))
    # A file of our own states its image: only on the head that they are carried to is it seen where they lie.
    poses = [CoilPose(matrix, image.tie, name, "") for name, matrix in {"T L": target, **samples}.items()]
    ours = tmp_path / "ours.mkss"
    ours.write_text(write_any("invesalius", poses, image=image, samples=set(samples))[".mkss"])
    for name, path, more in (("theirs", source, {"from_image": folder / "sub-01_T1w.nii.gz"}), ("ours", ours, {})):
        out = tmp_path / f"{name}_moved.mkss"
        done = convert(path, out, "invesalius", folder / "sub-01_ses-2_T1w.nii.gz", transform=way, **more)
        second = read_image(folder / "sub-01_ses-2_T1w.nii.gz", frame="second")
        back = read_any(out.read_bytes(), reading=Reading(image=second))[1].poses
        assert done.n_poses == len(back) == 4
        assert [note for note in done.notes if "'Sample 3 L'" in note and "left out" in note]
        assert [one.kind for one in back] == ["target", "sample", "sample", "sample"]
        np.testing.assert_allclose(back[-1].matrix, there @ samples["Sample 4 L"], atol=2e-4)


def test_samples_off_the_head_are_no_strays_where_most_of_them_are(person, lifted, tmp_path):
    folder, _, poses = person
    t1 = folder / "sub-01_T1w.nii.gz"
    _, target, samples = lifted
    on, off = samples["Sample 1 L"], samples["Sample 3 L"]
    for targets, some, match in (
        ([target, target, target], {"on L": on, "off L": off}, "the others do: 'off L'"),  # half of the samples
        ([target], {"off L": off}, "1 of 2 poses do not lie on this scalp"),  # half of all
        ([target, off], {"a L": on, "b L": on, "c L": on, "off L": off}, "the others do: 'T2', 'off L'"),  # a target
    ):
        source = brainsight_session(tmp_path / "some.txt", targets, some)
        with pytest.raises(GeometryError, match=match):
            convert(source, tmp_path / "x.xml", "localite", t1)
    # Left out, they do not hide coils that point away.
    over = np.diag([-1.0, 1, -1, 1])
    turned = {name: matrix @ over for name, matrix in samples.items()}
    source = brainsight_session(tmp_path / "over.txt", [poses[0].matrix @ over], turned)
    with pytest.raises(GeometryError, match="4 of 4 coils point out of the head"):
        convert(source, tmp_path / "x.xml", "localite", t1)


def test_the_sidecar_of_a_table_is_found_by_either_name(person, tmp_path):
    folder, image, poses = person
    t1 = folder / "sub-01_T1w.nii.gz"
    made = write_any("nibs-bids", poses, image=image)
    table = tmp_path / "sub-01_markers.tsv"
    table.write_text(made["_markers.tsv"])
    for name in ("sub-01_coordsystem.json", "sub-01_markers.json"):
        beside = tmp_path / name
        beside.write_text("\ufeff" + made["_markers.json"])
        assert convert(table, tmp_path / f"{name}.xml", "localite", t1).n_poses == 2
        found = pipeline.check_export(pipeline.CheckExportRequest(table))
        assert found.tie.header_sha256 == image.header_sha256
        beside.write_bytes(b"\xff\xfe{}")
        for read in (
            lambda: convert(table, tmp_path / "no.xml", "localite", t1),
            lambda: pipeline.check_export(pipeline.CheckExportRequest(table)),
        ):
            with pytest.raises(InputError, match="no UTF-8") as caught:
                read()
            assert caught.value.where == str(beside)
        beside.unlink()
    # A table of another name is not taken for its own sidecar.
    plain = tmp_path / "poses.tsv"
    plain.write_text(made["_markers.tsv"])
    done = convert(plain, tmp_path / "plain.xml", "localite", t1, assume="RAS", axes="simnibs")
    assert done.n_poses == 2


REAL_NAMES = [
    "niiImage_nifticoord.txt",
    "dcmimage_worldcoord.txt",
    "neuronav_coil_test.stmpx",
    "RAS_InstrumentMarker20170403154022328.xml",
]
# Every system is written from a file of another one, and every file is read.
PAIRS = [(REAL_NAMES[number % 4], to) for number, to in enumerate(SYSTEMS_WRITTEN, 2)]


@needs_data
@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_real_files_through_the_command(person, tmp_path, capsys, name, to):
    folder, image, _ = person
    [path] = [one for one in REAL if one.name == name]
    out = tmp_path / f"x{ENDINGS[to]}"
    words = ["convert", str(path), str(out), "--to", to, "--image", str(folder / "sub-01_T1w.nii.gz"), "--force"]
    code = main(words)
    said = capsys.readouterr().err
    assert code == 0, said
    found = read_any(path.read_bytes(), source=name)[1]
    sidecar = out.with_suffix(".json").read_text() if to == "nibs-bids" else ""
    back = read_any(out.read_bytes(), source=out.name, reading=Reading(image=image, sidecar=sidecar))[1]
    assert len(back.poses) == len(found.poses)
    for one, other in zip(found.poses, back.poses, strict=True):
        np.testing.assert_allclose(one.matrix, other.matrix, atol=2e-6)
        assert np.linalg.det(other.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    # Softaxic's and Localite's people have heads about as large, and in the same place.
    assert ("FORCED" in said) == (path.suffix == ".txt")
