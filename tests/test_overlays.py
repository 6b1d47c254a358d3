"""Overlays in the T1's grid and target surfaces: places, headers, laterality."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.files.overlays import lay_ribbon, side_statement, sphere_mask, write_overlay
from actionloop.files.targetmeshes import sphere_mesh, write_target_gifti, write_target_stl
from actionloop.files.volumes import header_sha256, read_image
from actionloop.types import Image, Surface


def make_image(*, codes=(1, 1), zooms=(1.0, 1.2, 1.5), turn=(0, 0, 0), flip=False, agree=True, shape=(90, 100, 60)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.diag(zooms)
    if flip:
        affine[:3, 0] *= -1
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) / 2)
    affine = affine.astype(np.float32).astype(float)  # as a header stores it
    sha = header_sha256(shape, affine, codes, qform=affine if 0 not in codes else None)
    return Image(np.zeros(shape, np.int16), affine, "sub-01 T1w", "t1.nii.gz", sha, codes, agree)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.floats(-45, 45)] * 3), st.booleans(), st.tuples(*[st.floats(-9, 9)] * 3), st.floats(0.2, 9))
def test_sphere_holds_what_is_near_and_nothing_else(turn, flip, xyz, radius):
    image = make_image(turn=turn, flip=flip, shape=(50, 44, 36))
    mask = sphere_mask(image, np.array(xyz), radius_mm=radius)
    every = np.indices(image.data.shape).reshape(3, -1).T @ image.affine[:3, :3].T + image.affine[:3, 3]
    expected = (np.linalg.norm(every - xyz, axis=1) <= radius).reshape(mask.shape)
    extra = np.argwhere(mask & ~expected)
    assert not (expected & ~mask).any()
    assert len(extra) <= 1  # the voxel at the centre of a sphere smaller than a voxel
    assert mask.any()


def test_spheres_that_must_be_refused():
    image = make_image()
    for xyz, radius, error in (
        ([0, 0, 500], 5, GeometryError),
        ([0, 0, np.nan], 5, GeometryError),
        ([0, 0, 0], 0, OptionError),
    ):
        with pytest.raises(error):
            sphere_mask(image, np.array(xyz, dtype=float), radius_mm=radius)


def shell(side, radius, kind, centre=20.0):
    points, faces = sphere_mesh(np.array([-centre if side == "L" else centre, 0, 0]), radius_mm=radius, subdivisions=4)
    return Surface(points, faces, side, kind, "sub-01 T1w")


@pytest.mark.parametrize("flip", [False, True])
def test_ribbon_takes_the_value_of_the_nearest_place(flip):
    image = make_image(zooms=(1, 1, 1), shape=(90, 60, 60), turn=(4, -6, 8), flip=flip)
    ribbon = {side: (shell(side, 13, "white"), shell(side, 16, "pial")) for side in ("L", "R")}
    values = {"L": np.where(ribbon["L"][0].vertices[:, 2] > 0, 0.9, 0.3), "R": np.full(ribbon["R"][0].n_vertices, 0.6)}
    values["L"][0] = np.nan
    volume = lay_ribbon(image, ribbon, reach_mm=2.0).fill(values)
    every = np.indices(image.data.shape).reshape(3, -1).T @ image.affine[:3, :3].T + image.affine[:3, 3]
    flat = volume.ravel()
    for side, x in (("L", -20.0), ("R", 20.0)):
        depth = np.linalg.norm(every - [x, 0, 0], axis=1)
        inside = (depth > 13.2) & (depth < 15.8)
        if side == "R":
            assert (flat[inside] == np.float32(0.6)).all()  # the ribbon has no hole
        else:
            top, bottom = inside & (every[:, 2] > 2.5), inside & (every[:, 2] < -2.5)
            assert np.mean(flat[top] == np.float32(0.9)) > 0.99
            assert np.mean(flat[bottom] == np.float32(0.3)) > 0.99
    away = np.minimum(*(np.abs(np.linalg.norm(every - [x, 0, 0], axis=1) - 14.5) for x in (-20.0, 20.0)))
    assert not flat[away > 1.5 + 2.1].any()


def test_ribbons_that_must_be_refused():
    image = make_image()
    white, pial = shell("L", 13, "white"), shell("L", 16, "pial")
    with pytest.raises(GeometryError, match="vertices"):
        lay_ribbon(image, {"L": (white, pial)}).fill({"L": np.zeros(5)})
    far = Surface(pial.vertices - [300, 0, 0], pial.faces, "L", "pial", "x")
    near = Surface(white.vertices - [300, 0, 0], white.faces, "L", "white", "x")
    with pytest.raises(GeometryError, match="outside the image"):
        lay_ribbon(image, {"L": (near, far)})


@pytest.mark.parametrize("codes", [(1, 1), (0, 2), (1, 0), (4, 4)])
@pytest.mark.parametrize("flip", [False, True])
def test_overlay_has_the_grid_and_the_hash_of_the_t1(tmp_path, codes, flip):
    image = make_image(codes=codes, turn=(0, 0, 0), flip=flip)
    xyz = np.array([-22.0, 5, 8])
    path = tmp_path / "sphere.nii.gz"
    said = side_statement("SCAN L", xyz, image)
    write_overlay(path, sphere_mask(image, xyz, radius_mm=6), image, name="target sphere 6 mm", places=[said])
    back = read_image(path, frame="sub-01 T1w")
    assert back.header_sha256 == image.header_sha256
    place = back.affine[:3, :3] @ np.argwhere(back.data).mean(axis=0) + back.affine[:3, 3]
    np.testing.assert_allclose(place, xyz, atol=0.4)
    nifti = nibabel.load(path)
    assert nifti.header["descrip"].item().startswith(b"RESEARCH USE ONLY")
    comment = nifti.header.extensions[0].get_content()
    comment = comment if isinstance(comment, str) else comment.decode()
    for words in (facts.notice(), "SCAN L (left): LEFT hemisphere", "negative (RAS", image.header_sha256):
        assert words in comment


def test_overlays_that_must_be_refused(tmp_path):
    with pytest.raises(GeometryError, match="disagree"):
        write_overlay(tmp_path / "a.nii", np.zeros((90, 100, 60)), make_image(agree=False), name="x")
    with pytest.raises(GeometryError, match="shape"):
        write_overlay(tmp_path / "a.nii", np.zeros((3, 3, 3)), make_image(), name="x")
    with pytest.raises(GeometryError, match="other side"):
        side_statement("SCAN R", np.array([-30.0, 0, 0]), make_image())
    assert not list(tmp_path.iterdir())


def test_sphere_of_triangles_faces_outwards():
    points, faces = sphere_mesh(np.array([-30.0, 10, 40]), radius_mm=5)
    np.testing.assert_allclose(np.linalg.norm(points - [-30, 10, 40], axis=1), 5)
    assert len(points) == 642
    assert len(faces) == 1280
    corner = points[faces]
    volume = np.einsum("ij,ij->i", corner[:, 0] - [-30, 10, 40], np.cross(corner[:, 1], corner[:, 2])).sum() / 6
    away = (np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]) * (corner.mean(1) - [-30, 10, 40])).sum(
        1
    )
    assert (away > 0).all()
    assert np.isfinite(volume)


def read_stl(path):
    raw = path.read_bytes()
    count = int(np.frombuffer(raw, "<u4", 1, 80)[0])
    assert len(raw) == 84 + 50 * count
    rows = np.frombuffer(raw, np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")]), count, 84)
    return raw[:80].decode("ascii"), rows["n"], rows["c"]


@pytest.mark.parametrize("space", ["RAS", "LPS"])
def test_stl(tmp_path, space):
    xyz = np.array([-30.0, 10, 20])
    path = tmp_path / "target.stl"
    write_target_stl(path, sphere_mesh(xyz, radius_mm=5), make_image(), label="SCAN Süd L", xyz_ras=xyz, space=space)
    header, normals, corners = read_stl(path)
    assert header.startswith("RESEARCH USE ONLY")
    assert f"SPACE={space};mm;LEFT;" in header
    centre = xyz * ([-1, -1, 1] if space == "LPS" else [1, 1, 1])
    np.testing.assert_allclose(corners.mean(axis=(0, 1)), centre, atol=0.05)
    # Turned, not mirrored: stored normals and the order of the corners both point outwards.
    outwards = corners.mean(axis=1) - centre
    assert ((normals * outwards).sum(axis=1) > 0).all()
    assert ((np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) * outwards).sum(axis=1) > 0).all()


def test_gifti_sphere(tmp_path):
    xyz = np.array([-30.0, 4, 12])
    points, faces = sphere_mesh(xyz, radius_mm=5)
    path = tmp_path / "target.surf.gii"
    write_target_gifti(path, (points, faces), make_image(), label="SCAN L", xyz_ras=xyz)
    back = nibabel.load(path)
    np.testing.assert_allclose(back.agg_data("pointset"), points, atol=1e-5)
    np.testing.assert_array_equal(back.agg_data("triangle"), faces)
    assert back.meta["Notice"] == facts.notice()
    assert "LEFT hemisphere" in back.meta["Side"]
    assert back.meta["Space"] == "RAS mm"


def test_meshes_that_must_be_refused(tmp_path):
    image, xyz = make_image(), np.array([-30.0, 0, 0])
    mesh = sphere_mesh(xyz, radius_mm=5)
    with pytest.raises(GeometryError, match="other side"):
        write_target_stl(tmp_path / "a.stl", mesh, image, label="SCAN R", xyz_ras=xyz)
    with pytest.raises(OptionError, match="RAS or LPS"):
        write_target_stl(tmp_path / "a.stl", mesh, image, label="SCAN L", xyz_ras=xyz, space="MNI")
    with pytest.raises(GeometryError, match="no triangles"):
        write_target_gifti(tmp_path / "a.gii", (mesh[0], mesh[1][:0]), image, label="SCAN L", xyz_ras=xyz)
    assert not list(tmp_path.iterdir())
