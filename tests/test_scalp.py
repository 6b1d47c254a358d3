"""The scalp against analytic heads, the MNI head and a real one; surfaces against images they do and do not fit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from actionloop.brain import (
    FitReport,
    Scalp,
    find_scalp,
    inside_head,
    require_cover,
    surfaces_fit_image,
    vertex_normals,
)
from actionloop.errors import GeometryError, ResourceError
from actionloop.types import HEMISPHERES, Anatomy, Image, Surface

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
RADII = np.array([78.0, 96.0, 88.0])  # of the synthetic head, mm
MIDDLE = np.array([2.0, -15.0, 10.0])


def head(affine, shape, *, layers=True, noise=3.0, ears=True):
    """Ellipsoid with scalp 6 mm, skull 7 mm, fluid 2 mm and brain, painted where the affine puts each voxel."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    xyz = ijk @ affine[:3, :3].T + affine[:3, 3] - MIDDLE
    depth = (1 - np.linalg.norm(xyz / RADII, axis=-1)) * RADII.mean()
    value = np.zeros(shape, np.float32)
    if layers:
        value[depth > 0] = 220
        value[depth > 6] = 20
        value[depth > 13] = 50
    value[depth > 15] = 150
    if ears and layers:
        for side in (-1, 1):
            value[np.linalg.norm(xyz - [side * 80, 0, -25], axis=-1) < 9] = 200
            canal = (np.linalg.norm(xyz[..., 1:] - [0, -25], axis=-1) < 3) & (side * xyz[..., 0] > 55)
            value[canal] = 0
    return value + np.random.default_rng(0).normal(0, noise, shape).astype(np.float32) ** 2 / 4


def oblique(spacing, shape, angles=(0, 0, 0), flip=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(np.multiply(spacing, flip))
    affine[:3, 3] = MIDDLE - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


GRIDS = {
    "isotropic": (oblique((2, 2, 2), (100, 116, 110)), (100, 116, 110)),
    "anisotropic": (oblique((1, 2, 3.5), (200, 116, 62)), (200, 116, 62)),
    "oblique": (oblique((2, 2, 2), (116, 124, 118), (12, -15, 25)), (116, 124, 118)),
    "left-handed": (oblique((2, 2, 2), (100, 116, 110), flip=(-1, 1, 1)), (100, 116, 110)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_finds_an_ellipsoid(name):
    affine, shape = GRIDS[name]
    scalp = find_scalp(Image(head(affine, shape), affine, "synthetic"))
    assert scalp.frame == "synthetic"
    for direction in ([0, 0, 1], [0.5, 0.3, 0.8], [-0.6, 0.4, 0.7], [0.2, -0.8, 0.5], [-0.95, 0.1, 0.3]):
        on = MIDDLE + RADII * np.array(direction) / np.linalg.norm(direction)
        outward = (on - MIDDLE) / RADII**2
        outward /= np.linalg.norm(outward)
        point, normal, distance = scalp.nearest(on - 25 * outward)
        # Across the surface to about half a slice; along it the nearest point is only loosely fixed.
        assert abs((point - on) @ outward) < (1.0 if name != "anisotropic" else 1.8)
        assert np.linalg.norm(point - on) < 7.0
        assert distance == pytest.approx(25, abs=1.0 if name != "anisotropic" else 1.8)
        assert np.degrees(np.arccos(normal @ outward)) < 5
        assert np.linalg.norm(normal) == pytest.approx(1)
        assert scalp.distances((on - 25 * outward)[None])[0] == pytest.approx(distance, abs=0.2)


def test_faces_look_outward_and_the_surface_is_single():
    affine, shape = GRIDS["left-handed"]
    scalp = find_scalp(Image(head(affine, shape), affine, "synthetic"))
    first, second, third = scalp.vertices[scalp.faces].transpose(1, 0, 2)
    volume = np.einsum("ij,ij->", first, np.cross(second, third)) / 6
    assert volume == pytest.approx(4 / 3 * np.pi * RADII.prod(), rel=0.03)
    # No vertex inside: neither the skull's inner side nor the ear canal is a surface.
    assert (np.linalg.norm((scalp.vertices - MIDDLE) / RADII, axis=1) > 0.9).all()


def test_the_surface_is_open_where_the_image_ends():
    shape = (100, 116, 70)
    affine = oblique((2, 2, 2), (100, 116, 110))
    affine[:3, 3] += [0, 0, 60]
    scalp = find_scalp(Image(head(affine, shape), affine, "cut"))
    floor = affine[2, 3]
    under = MIDDLE - np.array([0, 0, 20])  # 20 mm below the middle; the cut is nearer than the sides
    assert under[2] - floor < 30
    point, _, distance = scalp.nearest(under)
    assert distance > 60
    assert np.linalg.norm((point - MIDDLE) / RADII) == pytest.approx(1, abs=0.05)


def test_follows_the_affine():
    affine, shape = GRIDS["isotropic"]
    data = head(affine, shape)
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", [5, 8, -11], degrees=True).as_matrix()
    move[:3, 3] = [11, -7, 30]
    one, other = (find_scalp(Image(data, a, "f")) for a in (affine, move @ affine))
    np.testing.assert_allclose(other.vertices, one.vertices @ move[:3, :3].T + move[:3, 3], atol=1e-6)
    np.testing.assert_allclose(other.normals, one.normals @ move[:3, :3].T, atol=1e-6)


def test_refuses_heads_without_scalp_and_images_without_head():
    affine, shape = GRIDS["isotropic"]
    with pytest.raises(GeometryError, match="not scalp"):
        find_scalp(Image(head(affine, shape, layers=False), affine, "stripped"))
    with pytest.raises(GeometryError, match="constant"):
        find_scalp(Image(np.zeros(shape, np.float32), affine, "empty"))
    with pytest.raises(GeometryError, match="too little"):
        find_scalp(Image((head(affine, shape) * (np.arange(100) < 10)[:, None, None]), affine, "scrap"))


def test_nearest_is_the_nearest_point_of_the_triangles():
    affine, shape = GRIDS["isotropic"]
    scalp = find_scalp(Image(head(affine, shape), affine, "f"))
    corners = scalp.vertices[scalp.faces]
    # Naive: a dense sampling of every triangle.
    rng = np.random.default_rng(1)
    weights = rng.dirichlet([1, 1, 1], (len(corners), 12))
    dense = np.einsum("fsc,fcx->fsx", weights, corners).reshape(-1, 3)
    for place in MIDDLE + rng.normal(0, 30, (5, 3)):
        naive = np.linalg.norm(dense - place, axis=1).min()
        assert scalp.nearest(place)[2] <= naive + 1e-9
        assert scalp.nearest(place)[2] == pytest.approx(naive, abs=0.05)


def resource(name):
    files = pytest.importorskip("actionloop.files")
    try:
        return files.resource(name)
    except (AttributeError, ResourceError, KeyError) as error:
        pytest.skip(f"data resource {name} is not installed: {error}")


@pytest.fixture(scope="module")
def mni():
    import nibabel as nib

    image = nib.load(resource("mni_t1"))
    return Image(np.asanyarray(image.dataobj), image.affine, "MNI152NLin6Asym", "template", "0" * 64, (4, 4))


@pytest.fixture(scope="module")
def s1200():
    import nibabel as nib

    surfaces = {}
    for side in HEMISPHERES:
        for kind in ("white", "pial", "midthickness", "inflated"):
            points, faces = (a.data for a in nib.load(resource(f"s1200_{kind}_{side}")).darrays[:2])
            surfaces[side, kind] = Surface(points.astype(float), faces.astype(np.int64), side, kind, "MNI152NLin6Asym")
    return Anatomy(surfaces, {side: np.zeros(32_492) for side in HEMISPHERES}, "MNI152NLin6Asym", False, "template")


def placed(anatomy, move):
    """The anatomy with every point moved; 'sphere' keeps Surface from checking the side."""
    surfaces = {
        (side, kind): Surface(move(s.vertices), s.faces, side, "sphere", s.frame)
        for (side, kind), s in anatomy.surfaces.items()
    }
    return Anatomy(surfaces, anatomy.sulc, anatomy.frame, anatomy.own, anatomy.description)


def middle_of(anatomy):
    points = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    return (points.min(axis=0) + points.max(axis=0)) / 2


def test_scalp_of_the_mni_head(mni, s1200):
    scalp = find_scalp(mni)
    assert isinstance(scalp, Scalp)
    cover = require_cover(scalp, s1200)
    assert 12 < cover < 28
    vertex = s1200.surface("L", "midthickness").vertices
    hand = vertex[np.linalg.norm(vertex - [-37, -25, 60], axis=1).argmin()]
    point, normal, distance = scalp.nearest(hand)
    assert 12 < distance < 40
    assert normal @ (point - hand) > 0.9 * distance
    # The mirror image of the place is as deep in this nearly symmetric head.
    assert scalp.nearest(hand * [-1, 1, 1])[2] == pytest.approx(distance, abs=2.5)


def test_surfaces_fit_their_own_space(mni, s1200):
    report = surfaces_fit_image(s1200, mni)
    assert isinstance(report, FitReport)
    assert report.ok
    assert report.sides_checked
    assert report.inside_fraction > 0.99
    assert report.contrast_fraction > 0.8
    report.require()


@pytest.mark.parametrize(
    "name",
    ["shift x", "shift y", "shift z", "smaller", "larger", "turned", "mirrored surfaces", "mirrored image", "far away"],
)
def test_surfaces_of_another_space_do_not_fit(mni, s1200, name):
    middle = middle_of(s1200)
    turn = Rotation.from_euler("z", 8, degrees=True).as_matrix()
    moves = {
        "shift x": lambda p: p + np.array([8, 0, 0]),
        "shift y": lambda p: p + np.array([0, -8, 0]),
        "shift z": lambda p: p + np.array([0, 0, 8]),
        "smaller": lambda p: (p - middle) * 0.92 + middle,
        "larger": lambda p: p * 1.08,
        "turned": lambda p: (p - middle) @ turn.T + middle,
        "mirrored surfaces": lambda p: p * [-1, 1, 1],
        "mirrored image": lambda p: p,
        "far away": lambda p: p + np.array([60, 0, 0]),
    }
    image = mni
    if name == "mirrored image":
        image = Image(mni.data, np.diag([-1.0, 1, 1, 1]) @ mni.affine, mni.frame)
    report = surfaces_fit_image(placed(s1200, moves[name]), image)
    assert not report.ok
    with pytest.raises(GeometryError):
        report.require()
    if "mirrored" in name:
        assert "left and right are exchanged" in report.reason


def test_a_symmetric_picture_cannot_tell_its_sides(mni, s1200):
    """An image averaged with its own mirror image: the fit must say that it does not know."""
    middle = middle_of(s1200)[0]
    shift = (2 * middle - mni.affine[0, 3]) - (mni.affine[0, 3] + mni.data.shape[0] - 1)
    other = ndimage.shift(np.asarray(mni.data, np.float32)[::-1], (shift, 0, 0), order=1)
    report = surfaces_fit_image(s1200, Image(np.asarray(mni.data, np.float32) + other, mni.affine, mni.frame))
    assert not report.sides_checked
    assert report.contrast_fraction == pytest.approx(report.mirrored_fraction, abs=0.03)


def test_a_stripped_head_is_refused_by_picture_and_by_cover(mni, s1200):
    import nibabel as nib

    stripped = mni.data * (np.asanyarray(nib.load(resource("mni_brain")).dataobj) > 0)
    with pytest.raises(GeometryError, match="not scalp"):
        find_scalp(Image(stripped, mni.affine, mni.frame))
    # Should the picture not give it away, the distance to the brain does.
    side = s1200.surface("L", "pial")
    skin = np.concatenate([s1200.surface(s, "pial").vertices for s in HEMISPHERES])
    outward = skin - skin.mean(axis=0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    with pytest.raises(GeometryError, match="too near"):
        require_cover(Scalp(skin + outward, side.faces, outward, mni.frame), s1200)
    # A stripped image still tells that the surfaces are its own.
    assert surfaces_fit_image(s1200, Image(stripped, mni.affine, mni.frame)).contrast_fraction > 0.7


def test_inside_head(mni):
    places = np.array([[0.0, 0, 20], [40, -20, 50], [0, 0, 108], [-90, 70, 80]])
    np.testing.assert_array_equal(inside_head(mni, places), [True, True, False, False])


def test_a_real_head_with_its_face_cut_away():
    """Its scalp over the vault is there, so it is accepted; the same head without that scalp is not."""
    nib = pytest.importorskip("nibabel")
    path = DATA / "head" / "sub-M2051_T1w.nii.gz"
    if not path.exists():
        pytest.skip(f"no {path} (set ACTIONLOOP_DATA)")
    loaded = nib.load(path)
    image = Image(np.asanyarray(loaded.dataobj), loaded.affine, "sub-M2051 T1w", str(path))
    scalp = find_scalp(image)
    assert scalp.vault.sum() > 3000
    # Peel 14 mm of skin and bone off, as a brain mask does.
    data = image.data[::2, ::2, ::2]
    affine = image.affine @ np.diag([2, 2, 2, 1])
    skin = np.ones(data.shape, bool)
    vertices = np.round((scalp.vertices - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    skin[tuple(np.clip(vertices, 0, np.array(skin.shape) - 1).T)] = False
    peeled = np.where(ndimage.distance_transform_edt(skin, sampling=2) > 14, data, 0)
    with pytest.raises(GeometryError, match="not scalp"):
        find_scalp(Image(peeled, affine, "peeled"))


@pytest.mark.slow
def test_a_persons_own_folds_tell_the_sides_in_a_noisy_image():
    """MSC06's real surfaces, painted as a noisy T1: the image fits, its mirror image and a moved one do not."""
    nib = pytest.importorskip("nibabel")
    folder = DATA / "individual_msc06"
    if not folder.is_dir():
        pytest.skip(f"no {folder} (set ACTIONLOOP_DATA)")
    surfaces = {}
    for side in HEMISPHERES:
        for kind in ("white", "pial", "midthickness", "inflated"):
            points, faces = (a.data for a in nib.load(folder / f"MSC06.{side}.{kind}.32k_fs_LR.surf.gii").darrays[:2])
            surfaces[side, kind] = Surface(points.astype(float), faces.astype(np.int64), side, kind, "MSC06")
    anatomy = Anatomy(surfaces, {side: np.zeros(32_492) for side in HEMISPHERES}, "MSC06", True, "MSC06")

    pial = np.concatenate([surfaces[side, "pial"].vertices for side in HEMISPHERES])
    affine = np.diag([2.5, 2.5, 2.5, 1])
    affine[:3, 3] = pial.min(axis=0) - 20
    shape = tuple(int(n) for n in np.ceil((np.ptp(pial, axis=0) + 40) / 2.5))
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, 3)
    grid = ijk * 2.5 + affine[:3, 3]

    def depth(kind):
        points = np.concatenate([surfaces[side, kind].vertices for side in HEMISPHERES])
        normals = np.concatenate([vertex_normals(surfaces[side, kind]) for side in HEMISPHERES])
        distance, nearest = cKDTree(points).query(grid)
        return (np.sign(np.einsum("ij,ij->i", grid - points[nearest], normals[nearest])) * distance).reshape(shape)

    outside, below = depth("pial"), ndimage.binary_fill_holes(depth("white") < 0)
    data = np.full(shape, 5.0)
    for limit, value in ((17, 180), (11, 15), (4, 45), (0, 120)):
        data[outside < limit] = value
    data[below] = 170
    data += np.random.default_rng(0).normal(0, 12, shape)
    image = Image(data, affine, "MSC06")

    report = surfaces_fit_image(anatomy, image)
    assert report.ok
    assert report.sides_checked
    assert report.mirrored_fraction < report.contrast_fraction - 0.2
    assert require_cover(find_scalp(image), anatomy) == pytest.approx(17, abs=2)
    mirrored = surfaces_fit_image(anatomy, Image(data[::-1], affine, "MSC06"))
    assert not mirrored.ok
    assert "left and right are exchanged" in mirrored.reason
    shifted = np.array(affine)
    shifted[1, 3] += 8
    assert not surfaces_fit_image(anatomy, Image(data, shifted, "MSC06")).ok
