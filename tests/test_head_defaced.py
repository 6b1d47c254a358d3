"""What a T1 lacks: whole heads, a real defaced one, heads cut here on purpose."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actionloop import files
from actionloop.brain import Scalp, find_scalp
from actionloop.brain.face import examine_head
from actionloop.errors import GeometryError, ResourceError
from actionloop.types import Image

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
DEFACED = DATA / "head" / "sub-M2051_T1w.nii.gz"
SHAPE = (92, 112, 104)


def grid(spacing=2.0, shape=SHAPE):
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = [-(shape[0] - 1), -(shape[1] - 1), -95.0]
    return affine


def places(image_shape, affine):
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in image_shape], indexing="ij"), axis=-1)
    return ijk @ affine[:3, :3].T + affine[:3, 3]


def head(affine=None, shape=SHAPE):
    """Half an ellipsoid over half a longer one that leaves the image: scalp, skull, fluid, brain."""
    affine = grid() if affine is None else affine
    xyz = places(shape, affine)
    height = np.where(xyz[..., 2] > 0, xyz[..., 2] / 90, xyz[..., 2] / 160)
    depth = (1 - np.linalg.norm(np.stack([xyz[..., 0] / 76, xyz[..., 1] / 94, height], axis=-1), axis=-1)) * 85
    value = np.select([depth > 15, depth > 13, depth > 6, depth > 0], [150.0, 50.0, 20.0, 220.0], 0.0)
    return Image(value.astype(np.float32) + 2, affine, "made"), xyz


@pytest.fixture(scope="module")
def mni():
    try:
        image = files.template_image()
    except ResourceError as error:
        pytest.skip(str(error))
    return image, find_scalp(image)


@pytest.fixture(scope="module")
def defaced():
    if not DEFACED.is_file():
        pytest.skip(f"no test data at {DEFACED}; set ACTIONLOOP_DATA")
    image = files.read_image(DEFACED, frame="sub-M2051 T1w")
    return image, find_scalp(image)


def litres(scalp: Scalp):
    """Volume inside; an opening counts as closed by a plane at the lowest point."""
    corner = scalp.vertices[scalp.faces] - [0, 0, scalp.vertices[:, 2].min()]
    return float(np.einsum("ij,ij->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6e6)


def rim_depth_mm(scalp: Scalp):
    """How far below the top the surface is first open."""
    edges = np.sort(scalp.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    once, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    open_at = scalp.vertices[once[count == 1].ravel(), 2]
    return float(scalp.vertices[:, 2].max() - open_at.max()) if len(open_at) else np.inf


@pytest.mark.parametrize("which", ["mni", "defaced"])
def test_the_scalp_of_real_heads_is_closed_over_the_vault_and_of_human_size(which, request):
    _, scalp = request.getfixturevalue(which)
    assert 2.5 < litres(scalp) < 5.5
    assert rim_depth_mm(scalp) > 120
    width = np.ptp(scalp.vertices[scalp.vault], axis=0)
    assert 130 < width[0] < 185
    assert 165 < width[1] < 225


def test_the_mni_head_is_whole(mni):
    image, scalp = mni
    exam = examine_head(image, scalp)
    assert exam.face == "whole"
    assert exam.usable
    assert list(exam.ends_cm2) == ["bottom"]
    assert 200 < exam.ends_cm2["bottom"] < 320
    assert exam.nearest_cut_mm > 60
    assert exam.reasons == ()


def test_the_defaced_head_is_noticed_and_its_vault_is_usable(defaced):
    image, scalp = defaced
    exam = examine_head(image, scalp)
    assert exam.face == "removed"
    assert any("face was removed" in reason for reason in exam.reasons)
    assert exam.usable
    assert exam.nearest_cut_mm > 15
    # The removed part is in front and below; occiput and vertex are no cut.
    assert scalp.vertices[exam.cut, 1].min() > np.median(scalp.vertices[:, 1]) - 20
    assert (scalp.vertices[:, 2].max() - scalp.vertices[exam.cut, 2]).min() > 70
    # A coil over the brow would need what is gone.
    middle = scalp.vertices[np.abs(scalp.vertices[:, 0] - np.median(scalp.vertices[:, 0])) < 5]
    brow = middle[middle[:, 1].argmax()]
    there = examine_head(image, scalp, needed_ras=brow[None] - [0, 5, 0])
    assert there.needed_on_cut == there.n_needed == 1
    assert not there.usable
    assert "a coil needs" in there.reasons[-1]


def test_a_face_cut_out_of_a_whole_head_is_noticed(mni):
    image, _ = mni
    xyz = places(image.data.shape, image.affine)
    cut = replace(image, data=np.where((xyz[..., 1] > 35) & (xyz[..., 2] < -12), 0, image.data))
    exam = examine_head(cut, find_scalp(cut))
    assert exam.face == "removed"
    assert exam.usable


def test_a_cut_forehead_spoils_dlpfc_and_leaves_the_motor_strip(mni):
    image, scalp = mni
    motor, dlpfc = np.array([[-38.0, -22, 58], [38, -22, 58]]), np.array([[-40.0, 44, 30], [40, 44, 30]])
    assert examine_head(image, scalp, needed_ras=np.vstack([motor, dlpfc])).usable
    cut = replace(image, data=np.where(places(image.data.shape, image.affine)[..., 1] > 45, 0, image.data))
    spoilt = find_scalp(cut)
    assert examine_head(cut, spoilt, needed_ras=motor).usable
    exam = examine_head(cut, spoilt, needed_ras=dlpfc)
    assert exam.needed_on_cut == exam.n_needed == 2


def test_a_whole_head_of_ours_is_whole_however_it_is_stored():
    image, _ = head()
    exam = examine_head(image, find_scalp(image))
    flipped = grid()
    flipped[0] *= -1
    other, _ = head(flipped)
    assert (exam.face, exam.usable, exam.reasons, list(exam.ends_cm2)) == ("whole", True, (), ["bottom"])
    las = examine_head(other, find_scalp(other))
    assert (las.face, las.usable, list(las.ends_cm2)) == ("whole", True, ["bottom"])


def test_the_vertex_outside_the_image_is_noticed():
    image, _ = head()
    short = replace(image, data=image.data[:, :, :-25])
    exam = examine_head(short, find_scalp(short))
    # The ellipsoid at that height, from its formula.
    height = (short.data.shape[2] - 1) * 2.0 - 95
    assert exam.ends_cm2["top"] == pytest.approx(np.pi * 76 * 94 * (1 - (height / 90) ** 2) / 100, rel=0.2)
    assert not exam.usable
    assert any("vertex is cut off" in reason for reason in exam.reasons)


@pytest.mark.parametrize(("axis", "side"), [(2, "top"), (1, "front"), (0, "right")])
def test_a_cut_that_was_filled_with_zeros_is_noticed(axis, side):
    image, xyz = head()
    at_mm = (52, 72, 65)[axis]
    image = replace(image, data=np.where(xyz[..., axis] > at_mm, 2, image.data))
    exam = examine_head(image, find_scalp(image))
    assert any("ends in a plane" in reason for reason in exam.reasons)
    # What is marked as cut, rims aside, lies in that plane.
    scalp = find_scalp(image)
    marked = scalp.vertices[exam.cut & (scalp.vertices[:, 2] > -80)]
    assert np.percentile(np.abs(marked[:, axis] - at_mm), 95) < 6
    assert exam.needed_on_cut > 0
    assert side not in exam.ends_cm2


def test_an_image_that_ends_above_the_nose_is_no_defaced_one():
    image, _ = head()
    move = np.eye(4)
    move[2, 3] = 40
    short = replace(image, data=image.data[:, :, 40:], affine=image.affine @ move)
    exam = examine_head(short, find_scalp(short))
    assert exam.face == "outside the image"
    assert exam.usable
    assert any("ends above the nose" in reason for reason in exam.reasons)


def test_a_patch_without_scalp_and_skull_is_noticed():
    image, xyz = head()
    hole = np.linalg.norm(xyz - [30, 30, 78], axis=-1) < 32
    image = replace(image, data=np.where(hole, 2, image.data))
    exam = examine_head(image, find_scalp(image))
    assert any("no dark skull" in reason for reason in exam.reasons)
    assert not exam.usable


def test_voxels_that_are_not_numbers_are_background_and_named():
    image, xyz = head()
    data = np.where(xyz[..., 2] > 100, np.nan, image.data)
    with_nan = replace(image, data=data)
    plain = find_scalp(replace(image, data=np.nan_to_num(data)))
    scalp = find_scalp(with_nan)
    np.testing.assert_array_equal(scalp.vertices, plain.vertices)
    exam = examine_head(with_nan, scalp)
    assert exam.usable
    assert exam.reasons[0].endswith("are not numbers; they count as background.")


def test_thick_slices_are_not_judged():
    shape = (46, 56, 52)
    affine = grid(4.0, shape)
    affine[:3, 3] = [-90, -110, -95]
    made, _ = head(affine, shape)
    exam = examine_head(made, find_scalp(made))
    assert exam.face == "not judged"
    assert "thicker than 3 mm" in exam.reasons[-1]


def test_refuses_scalp_of_another_image_and_places_that_are_none():
    image, _ = head()
    scalp = find_scalp(image)
    with pytest.raises(GeometryError, match="frame"):
        examine_head(replace(image, frame="other"), scalp)
    with pytest.raises(GeometryError, match="finite places"):
        examine_head(image, scalp, needed_ras=np.array([[np.nan, 0, 0]]))
    with pytest.raises(GeometryError, match="finite places"):
        examine_head(image, scalp, needed_ras=np.zeros(3))
