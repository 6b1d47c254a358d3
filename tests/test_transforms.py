"""Affine registrations of three programs against known motions, in both directions, and what must be refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.files.transforms import AffineTransform, carry_points, carry_pose, read_transform
from actionloop.files.volumes import header_sha256
from actionloop.types import CoilPose, Image, ImageTie

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
# Written by SimpleITK 2.5.7 (ITK 5.4.8), with where ITK carries the point (10, 20, 30) LPS.
BANNER = "#Insight Transform File V1.0\n"
EULER = "Transform: Euler3DTransform_double_3_3\nParameters: 0.2 -0.3 0.5 1 2 3\nFixedParameters: 5 -7 11 {}\n"
AFFINE = (
    "Transform: AffineTransform_double_3_3\nParameters: 1.1 0.1 0 -0.1 0.95 0.05 0.02 0 1.03 4 -2 9\n"
    "FixedParameters: 5 -7 11\n"
)
VERSOR = (
    "Transform: VersorRigid3DTransform_double_3_3\nParameters: 0.11429926915181711 0.22859853830363422 "
    "-0.22859853830363422 1 2 3\nFixedParameters: 5 -7 11\n"
)
COMPOSITE = "#Transform 0\nTransform: CompositeTransform_double_3_3\n#Transform 1\n{}#Transform 2\n{}"
ITK = {
    "euler": ("#Transform 0\n" + EULER.format(0), (-5.552446786, 14.398266501, 38.601793228)),
    "euler zyx": ("#Transform 0\n" + EULER.format(1), (-6.905270828, 13.801608664, 38.391668588)),
    "versor": ("#Transform 0\n" + VERSOR, (30.128921575, 10.520704539, 31.085165327)),
    "affine": ("#Transform 0\n" + AFFINE, (17.2, 17.1, 39.67)),
    "composite": (COMPOSITE.format(EULER.format(0), AFFINE), (0.421271277, 11.85003246, 49.164941233)),
}


def rigid(angles, shift):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def make_image(frame, *, shape=(30, 40, 20), zooms=(1.0, 0.9, 2.5), turn=(5, -8, 12), flip=False):
    affine = rigid(turn, (-20, 3, 7)) @ np.diag([*zooms, 1.0])
    if flip:
        affine[:, 0] *= -1
    return Image(np.zeros(shape, np.int8), affine, frame, "", header_sha256(shape, affine, (1, 1)), (1, 1))


def write_text(path, kind, parameters, centre):
    numbers = (" ".join(f"{v:.17g}" for v in values) for values in (parameters, centre))
    path.write_text(
        f"{BANNER}#Transform 0\nTransform: {kind}\nParameters: {next(numbers)}\nFixedParameters: {next(numbers)}\n"
    )


def write_itk(path, reference_to_moving, centre=(5.0, -7.0, 11.0)):
    """Write an affine as ITK defines it, y = A (x - c) + c + t in LPS, by hand."""
    lps = FLIP @ reference_to_moving @ FLIP
    shift = lps[:3, 3] - centre + lps[:3, :3] @ centre
    parameters = np.concatenate([lps[:3, :3].ravel(), shift])
    kind = "AffineTransform_double_3_3"
    if path.suffix == ".txt":
        write_text(path, kind, parameters, centre)
    elif path.suffix == ".mat":
        scipy.io.savemat(path, {kind: parameters[:, None], "fixed": np.array(centre)[:, None]}, format="4")
    else:
        with h5py.File(path, "w") as file:
            group = file.create_group("TransformGroup/0")
            group["TransformType"] = [kind.encode()]
            group["TransformParameters"], group["TransformFixedParameters"] = parameters, np.array(centre)
    return path


def fsl_matrix(motion, moving, reference):
    """FSL's own matrix of a motion of points moving -> reference (RAS), voxel by voxel from its definition."""

    def to_fsl(image):
        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
        voxels = np.eye(4)
        if np.linalg.det(image.affine) > 0:
            voxels[0] = [-1, 0, 0, image.data.shape[0] - 1]  # neurological images are counted from the other side
        return np.diag([*zooms, 1]) @ voxels @ np.linalg.inv(image.affine)

    return to_fsl(reference) @ motion @ np.linalg.inv(to_fsl(moving))


def write_lta(path, motion, moving, reference, *, kind, valid=1):
    def volume(image):
        zooms = np.linalg.norm(image.affine[:3, :3], axis=0)
        axes = image.affine[:3, :3] / zooms
        middle = image.affine[:3, :3] @ (np.array(image.data.shape) / 2) + image.affine[:3, 3]
        rows = [
            f"{name} = {' '.join(f'{v:.15e}' for v in axes[:, k])}" for k, name in enumerate(("xras", "yras", "zras"))
        ]
        return "\n".join(
            [
                f"valid = {valid}  # volume info valid",
                f"filename = {image.frame}.mgz",
                "volume = " + " ".join(map(str, image.data.shape)),
                "voxelsize = " + " ".join(f"{v:.15e}" for v in zooms),
                *rows,
                "cras = " + " ".join(f"{v:.15e}" for v in middle),
            ]
        )

    matrix = motion if kind == 1 else np.linalg.inv(reference.affine) @ motion @ moving.affine
    numbers = "\n".join(" ".join(f"{v:.15e}" for v in row) for row in matrix)
    path.write_text(
        f"type      = {kind} # LINEAR\nnxforms   = 1\nmean      = 0.0 0.0 0.0\nsigma     = 1.0\n1 4 4\n{numbers}\n"
        f"src volume info\n{volume(moving)}\ndst volume info\n{volume(reference)}\nsubject x\nfscale 0.1\n"
    )
    return path


ANGLES = st.tuples(*[st.floats(-170, 170)] * 3)
SHIFTS = st.tuples(*[st.floats(-80, 80)] * 3)


@pytest.mark.parametrize("name", ITK)
def test_itk_carries_points_as_itk_does(tmp_path, name):
    text, there = ITK[name]
    path = tmp_path / "x.tfm"
    path.write_text(BANNER + text)
    found = read_transform(path)
    moved = carry_points(np.array([-10.0, -20, 30]), found, to="moving")
    np.testing.assert_allclose(moved, np.array(there) * [-1, -1, 1], atol=1e-8)
    np.testing.assert_allclose(carry_points(moved, found, to="reference"), [-10, -20, 30], atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(ANGLES, SHIFTS)
def test_one_motion_reads_alike_from_every_program(tmp_path_factory, angles, shift):
    folder = tmp_path_factory.mktemp("t")
    motion = rigid(angles, shift)  # points of the moving image to the reference image
    moving, reference = (
        make_image("bold"),
        make_image("T1w", shape=(50, 44, 60), zooms=(0.8, 1, 1.2), turn=(0, 3, -30), flip=True),
    )
    files = [write_itk(folder / f"x{ending}", np.linalg.inv(motion)) for ending in (".txt", ".mat", ".h5")]
    files += [write_lta(folder / f"{kind}.lta", motion, moving, reference, kind=kind) for kind in (0, 1)]
    np.savetxt(folder / "flirt.mat", fsl_matrix(motion, moving, reference), fmt="%.12f")
    files.append(folder / "flirt.mat")
    for file in files:
        found = read_transform(file, moving=moving, reference=reference)
        np.testing.assert_allclose(found.moving_to_reference, motion, atol=1e-7, err_msg=file.name)
        np.testing.assert_allclose(found.reference_to_moving @ motion, np.eye(4), atol=1e-7)
        assert found.stretch == pytest.approx((1, 1), abs=1e-6)


@pytest.mark.parametrize("flip", [False, True])
def test_another_reader_agrees(tmp_path, flip):
    linear = pytest.importorskip("nitransforms.io", reason="nitransforms is not installed")
    from nibabel import Nifti1Image

    motion = rigid((10, -20, 35), (4, 30, -9))
    moving, reference = make_image("bold", flip=flip), make_image("T1w", shape=(50, 44, 60), turn=(0, 3, -30))
    theirs = {i.frame: Nifti1Image(i.data, i.affine) for i in (moving, reference)}
    np.savetxt(tmp_path / "flirt.mat", fsl_matrix(motion, moving, reference), fmt="%.12f")
    cases = [
        (tmp_path / "flirt.mat", linear.fsl.FSLLinearTransform),
        (write_itk(tmp_path / "x.txt", np.linalg.inv(motion)), linear.itk.ITKLinearTransform),
        (write_itk(tmp_path / "i.mat", np.linalg.inv(motion)), linear.itk.ITKLinearTransform),
        (write_lta(tmp_path / "x.lta", motion, moving, reference, kind=1), linear.lta.FSLinearTransform),
    ]
    for path, reader in cases:
        # nitransforms' matrices carry points of the reference to the moving image.
        other = reader.from_filename(path).to_ras(moving=theirs["bold"], reference=theirs["T1w"])
        found = read_transform(path, moving=moving, reference=reference)
        np.testing.assert_allclose(found.reference_to_moving, other, atol=2e-4, err_msg=path.name)


def test_names_say_the_direction(tmp_path):
    path = write_itk(tmp_path / "sub-01_from-MNI152_to-T1w_mode-image_xfm.h5", np.eye(4))
    found = read_transform(path)
    # An image resampled from MNI to T1w: its points are MNI's, and T1w is what stays.
    assert (found.moving, found.reference) == ("MNI152", "T1w")
    path = write_itk(tmp_path / "sub-01_from-MNI152_to-T1w_mode-points_xfm.h5", np.eye(4))
    assert (read_transform(path).moving, read_transform(path).reference) == ("T1w", "MNI152")


@settings(max_examples=25, deadline=None)
@given(ANGLES, SHIFTS, ANGLES)
def test_poses_go_there_and_back(angles, shift, turn):
    there, back = make_image("T1w"), make_image("bold", flip=True)
    transform = AffineTransform(rigid(angles, shift), format="ITK")
    pose = CoilPose(rigid(turn, (-40, 10, 60)), ImageTie("bold", back.header_sha256), "SCAN L", "note")
    moved = carry_pose(pose, transform, to="reference", image=there)
    np.testing.assert_allclose(moved.matrix, rigid(angles, shift) @ pose.matrix, atol=1e-9)
    assert np.linalg.det(moved.matrix[:3, :3]) == pytest.approx(1, abs=1e-9)
    assert (moved.tie.frame, moved.tie.header_sha256, moved.label) == ("T1w", there.header_sha256, "SCAN L")
    assert moved.note.startswith("note; carried from bold")
    assert "scales" not in moved.note
    again = carry_pose(moved, transform, to="moving", image=back)
    np.testing.assert_allclose(again.matrix, pose.matrix, atol=1e-9)


def test_a_stretched_head_is_said(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text(BANNER + ITK["affine"][0])
    image = make_image("T1w")
    pose = CoilPose(np.eye(4), ImageTie("MNI"), "SCAN L")
    moved = carry_pose(pose, read_transform(path), to="reference", image=image)
    assert "it scales by" in moved.note
    np.testing.assert_allclose(moved.matrix[:3, :3].T @ moved.matrix[:3, :3], np.eye(3), atol=1e-12)
    with pytest.raises(GeometryError, match="no header hash"):
        carry_pose(pose, read_transform(path), to="reference", image=Image(image.data, image.affine, "T1w"))
    with pytest.raises(OptionError, match="not 'native'"):
        carry_points(np.zeros(3), read_transform(path), to="native")


WARP = "Transform: DisplacementFieldTransform_double_3_3\nParameters: 0 0 0\nFixedParameters: 1 1 1\n"


@pytest.mark.parametrize(
    ("name", "text", "error", "words"),
    [
        ("x.txt", BANNER + "#Transform 0\n" + WARP, InputError, "nonlinear"),
        ("x.txt", BANNER + COMPOSITE.format(AFFINE, WARP), InputError, "nonlinear"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE + "#Transform 1\n" + AFFINE, InputError, "how they follow"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("1.1 ", "-1.1 "), GeometryError, "mirrors"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("1.1 ", ""), InputError, "11 . 3 numbers"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("1.1 ", "nan "), InputError, "expected 12 numbers"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("1.1 ", "__import__('os') "), InputError, "expected"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("1.1 ", "110 "), GeometryError, "scales by"),
        ("x.txt", BANNER + "#Transform 0\n" + AFFINE.replace("Affine", "Similarity3D"), InputError, "is not read"),
        ("x.txt", BANNER, InputError, "found none"),
        ("x.txt", BANNER + COMPOSITE.format(AFFINE, AFFINE) * 40, InputError, "expected 1 to"),
        ("x.txt", "1 0 0 0\n", InputError, "not an ITK transform"),
        ("x.txt", "x" * 1_000_001, InputError, "bytes"),
        ("x.mat", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", InputError, "not given"),
        ("x.mat", "no matrix", InputError, "MATLAB|not a readable"),
        ("x.h5", "no HDF5", InputError, "not a readable"),
        ("x.lta", "type = 1\n", InputError, "found 0"),
        ("x.lta", "type = 14\n1 4 4\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", InputError, "type 14"),
        ("x.lta", "type = 0\n1 4 4\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", InputError, "geometry"),
        ("x.lta", "type = 1\n1 4 4\n1 0 0 0\n0 1 0 0\n0 0 1 0\n", InputError, "expected 16"),
        ("x.lta", "type = 1\n1 4 4\n1 0 0 0\n0 1 0 0\n0 0 -1 0\n0 0 0 1\n", GeometryError, "mirrors"),
        ("x.xfm", "MNI Transform File", InputError, "end in"),
    ],
)
def test_what_must_be_refused(tmp_path, name, text, error, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=words):
        read_transform(tmp_path / name)


def test_exchanged_images_are_noticed(tmp_path):
    motion, moving, reference = rigid((1, 2, 3), (4, 5, 6)), make_image("bold"), make_image("T1w", zooms=(1, 1, 1))
    path = write_lta(tmp_path / "x.lta", motion, moving, reference, kind=1)
    with pytest.raises(GeometryError, match="exchanged"):
        read_transform(path, moving=reference, reference=moving)
    path = write_lta(tmp_path / "y.lta", motion, moving, reference, kind=0, valid=0)
    with pytest.raises(InputError, match="geometry"):
        read_transform(path)


def test_hdf5_warps_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["TransformGroup/0/TransformType"] = [b"CompositeTransform_double_3_3"]
        group = file.create_group("TransformGroup/1")
        group["TransformType"] = [b"DisplacementFieldTransform_float_3_3"]
        group.create_dataset(
            "TranformParameters", shape=(10**12,), chunks=(1000,), dtype="f4"
        )  # 4 TB, none of it there
        group["TranformFixedParameters"] = np.zeros(18)
    with pytest.raises(InputError, match="nonlinear"):
        read_transform(path)
    with h5py.File(path, "r+") as file:
        del file["TransformGroup/1/TransformType"]
        file["TransformGroup/1/TransformType"] = [b"AffineTransform_float_3_3"]
    with pytest.raises(InputError, match="is no affine"):
        read_transform(path)


def test_mat_traps(tmp_path):
    scipy.io.savemat(
        tmp_path / "x.mat", {"CompositeTransform_double_3_3": np.zeros((12, 1)), "fixed": np.zeros((3, 1))}
    )
    with pytest.raises(InputError, match="composite"):
        read_transform(tmp_path / "x.mat")
    scipy.io.savemat(tmp_path / "x.mat", {"other": np.zeros(3)})
    with pytest.raises(InputError, match="found other"):
        read_transform(tmp_path / "x.mat")
