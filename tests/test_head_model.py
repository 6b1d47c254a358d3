"""Head models against analytic spheres, the MNI head, and a head that is carried over to another cortex."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.brain import Scalp
from actionloop.errors import GeometryError, ResourceError
from actionloop.field.build import build_head
from actionloop.field.carry import carry_head, fit_warp
from actionloop.field.inside import Grid, inside_surface
from actionloop.field.model import AIR, CSF, GREY, SCALP, SKULL, WHITE, HeadModel
from actionloop.field.sanity import check_head
from actionloop.types import FSLR32K_VERTICES, Anatomy, Image, Surface

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
# Two balls for hemispheres, unlike in size and place so that sides can be told: centre, white and pial radius, mm.
BALLS = {"L": (np.array([-44.0, 0, 10]), 37.0, 47.0), "R": (np.array([40.0, 12, 16]), 33.0, 42.0)}
FLUID_MM, BONE_MM, SKIN_MM = 2.0, 8.0, 15.0  # where each ends, over the pial surface
EDGE_MM = 3.0
STILL = np.eye(3)


@cache
def unit_sphere(n=FSLR32K_VERTICES):
    at = np.arange(n) + 0.5
    height, turn = 1 - 2 * at / n, np.pi * (1 + 5**0.5) * at
    ring = np.sqrt(1 - height**2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    faces = ConvexHull(points).simplices.astype(np.int64)
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    inward = np.einsum("ij,ij->i", np.cross(second - first, third - first), first) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces


def ball_anatomy(move=lambda xyz: xyz, frame="balls"):
    points, faces = unit_sphere()
    surfaces = {}
    for side, (centre, white, pial) in BALLS.items():
        radii = {"white": white, "pial": pial, "midthickness": (white + pial) / 2, "inflated": pial}
        for kind, radius in radii.items():
            surfaces[side, kind] = Surface(move(centre + radius * points), faces, side, kind, frame)
    sulc = {side: np.zeros(FSLR32K_VERTICES) for side in BALLS}
    return Anatomy(surfaces, sulc, frame, own=True, description="two balls")


def ball_scalp(turn=STILL, shift=0.0, frame="balls"):
    """Two spheres that overlap: their union is the skin."""
    points, faces = unit_sphere(4000)
    vertices = np.concatenate([centre + (pial + SKIN_MM) * points for centre, _, pial in BALLS.values()])
    normals = np.concatenate([points, points])
    return Scalp(vertices @ turn.T + shift, np.concatenate([faces, faces + 4000]), normals @ turn.T, frame)


def ball_image(affine=None, frame="balls", spacing=2.0):
    """T1 of the two balls; `affine` moves it."""
    shape = np.array([118, 84, 84])
    grid = np.diag([spacing, spacing, spacing, 1.0])
    grid[:3, 3] = [-118, -76, -68]
    xyz = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1) * spacing + grid[:3, 3]
    away = {side: np.linalg.norm(xyz - centre, axis=-1) for side, (centre, _, _) in BALLS.items()}
    over = np.min([away[side] - pial for side, (_, _, pial) in BALLS.items()], axis=0)
    value = np.select([over < 0, over < FLUID_MM, over < BONE_MM, over < SKIN_MM], [150.0, 50.0, 15.0, 230.0], 0.0)
    for side, (_, white, _) in BALLS.items():
        value[away[side] < white] = 200
    value *= 1 + 0.15 * xyz[..., :1].squeeze(-1) / 100  # one side is nearer the coil
    return Image(value.astype(np.float32), (np.eye(4) if affine is None else affine) @ grid, frame)


@cache
def ball_head():
    return build_head(ball_anatomy(), image=ball_image(), scalp=ball_scalp(), edge_mm=EDGE_MM)


@pytest.mark.parametrize("way", [1, -1])
def test_winding_of_a_sphere_has_its_volume(way):
    points, faces = unit_sphere(4000)
    grid = Grid(np.array([-40.0, -41.5, -39.0]), 1.5, (60, 62, 58))
    inside = inside_surface(30.3 * points + [1, 2, 3], faces[:, ::way], grid=grid)
    ijk = np.argwhere(np.ones(grid.shape, bool)).reshape(*grid.shape, 3)
    away = np.linalg.norm(grid.xyz(ijk) - [1, 2, 3], axis=-1)
    assert inside[away < 30.2].all()
    assert not inside[away > 30.3].any()
    assert inside.sum() * 1.5**3 == pytest.approx(4 / 3 * np.pi * 30.3**3, rel=0.01)


def test_winding_agrees_with_libigl_on_a_surface_that_overlaps_itself():
    igl = pytest.importorskip("igl")
    points, faces = unit_sphere(4000)
    rng = np.random.default_rng(3)
    bumpy = points * (20 + 4 * np.sin(5 * points[:, :1]) * np.cos(4 * points[:, 1:2]))
    vertices = np.concatenate([bumpy, bumpy + np.array([15, 3, 2])])
    both = np.concatenate([faces, faces + 4000])
    grid = Grid(np.array([-30.0, -30, -30]), 1.7, (48, 36, 36))
    inside = inside_surface(vertices, both, grid=grid)
    chosen = rng.integers(0, grid.shape, (4000, 3))
    winding = igl.fast_winding_number(vertices, both, grid.xyz(chosen))
    clear = np.abs(winding - np.rint(winding)) < 0.2
    assert (inside[tuple(chosen.T)] == (winding > 0.5))[clear].all()
    assert 0.1 < inside.mean() < 0.9


def test_a_surface_open_below_goes_on_straight_down():
    points, faces = unit_sphere(4000)
    vertices = 30 * points
    kept = faces[(vertices[faces, 2] > -15).all(axis=1)]
    grid = Grid(np.array([-36.0, -36, -36]), 2.0, (37, 37, 37))
    whole, cut = inside_surface(vertices, faces, grid=grid), inside_surface(vertices, kept, grid=grid)
    above = grid.xyz(np.indices(grid.shape).reshape(3, -1).T)[:, 2].reshape(grid.shape) > -12
    assert (whole == cut)[above].all()
    assert cut[18, 18, 0]
    assert not cut[0].any()


def test_a_surface_without_volume_or_with_nan_is_refused():
    points, faces = unit_sphere(4000)
    grid = Grid(np.zeros(3), 2.0, (5, 5, 5))
    with pytest.raises(GeometryError, match="no inside"):
        inside_surface(points * [1, 1, 0], faces, grid=grid)
    with pytest.raises(GeometryError, match="NaN"):
        inside_surface(points * np.nan, faces, grid=grid)


def test_balls_have_their_volumes_and_layers():
    head = ball_head()
    volumes = head.volumes_ml()
    white, pial = (sum(4e-3 / 3 * np.pi * ball[which] ** 3 for ball in BALLS.values()) for which in (1, 2))
    # The balls overlap a little: a lens is counted once.
    assert volumes["white"] == pytest.approx(white, rel=0.02)
    assert volumes["white"] + volumes["grey"] == pytest.approx(pial, rel=0.03)
    # Outwards along a line on which only one ball matters: where skull ends is what the T1 shows.
    centre, _, radius = BALLS["L"]
    steps = np.arange(0, 75, 0.25)
    line = np.rint((centre - steps[:, None] * [1, 0, 0] - head.corner_ras) / EDGE_MM).astype(int)
    found = head.tissue[tuple(line.T)]
    ends = {tissue: steps[found == tissue].max() for tissue in (WHITE, GREY, CSF, SKULL, SCALP)}
    assert ends[WHITE] == pytest.approx(37, abs=EDGE_MM / 2 + 0.3)
    assert ends[GREY] == pytest.approx(radius, abs=EDGE_MM / 2 + 0.3)
    assert ends[SKULL] == pytest.approx(radius + BONE_MM, abs=EDGE_MM)
    assert ends[SCALP] == pytest.approx(radius + SKIN_MM, abs=EDGE_MM / 2 + 0.3)
    assert list(dict.fromkeys(found)) == [WHITE, GREY, CSF, SKULL, SCALP, AIR]
    assert any("outer border" in note and not note.endswith(" 0% of the upper head.") for note in head.notes)


def touching(head, inner, outer):
    """Voxels of `inner` with a neighbour (corners too) in `outer`, above the lowest layer of tissue."""
    grown = ndimage.binary_dilation(np.isin(head.tissue, outer), np.ones((3, 3, 3)))
    lowest = np.flatnonzero((head.tissue > 0).any(axis=(0, 1)))[0]
    return (np.isin(head.tissue, inner) & grown)[:, :, lowest + 1 :].sum()


def assert_nested(head):
    assert touching(head, (WHITE, GREY, CSF), (SCALP, AIR)) == 0
    assert touching(head, (SKULL,), (AIR,)) == 0
    for axis in range(3):
        for end in (0, -1):
            assert not np.moveaxis(head.tissue, axis, 0)[end].any()


@pytest.mark.parametrize("thin_mm", [0.0, 3.0, 9.0, 12.0])
def test_shells_are_closed_however_thin_the_skin(thin_mm):
    scalp = ball_scalp()
    centres = np.repeat([centre for centre, _, _ in BALLS.values()], 4000, axis=0)
    thin = replace(scalp, vertices=scalp.vertices - thin_mm * (scalp.vertices - centres) / 60)
    head = build_head(ball_anatomy(), image=ball_image(), scalp=thin, edge_mm=4.0)
    assert_nested(head)
    check_head(head, ball_anatomy())


def test_a_brain_far_out_of_its_scalp_is_refused():
    scalp = ball_scalp()
    away = replace(scalp, vertices=scalp.vertices + np.array([0, 30, 0]))
    with pytest.raises(GeometryError, match="inside the scalp") as caught:
        build_head(ball_anatomy(), image=None, scalp=away, edge_mm=4.0)
    assert "one space" in caught.value.fix


def test_a_rigid_motion_changes_no_volume():
    turn, shift = Rotation.from_euler("xyz", [14, -9, 7], degrees=True).as_matrix(), np.array([3.3, -20.0, 11.0])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, shift
    anatomy = ball_anatomy(lambda xyz: xyz @ turn.T + shift)
    head = build_head(anatomy, image=ball_image(affine), scalp=ball_scalp(turn, shift), edge_mm=EDGE_MM)
    for name, volume in ball_head().volumes_ml().items():
        assert head.volumes_ml()[name] == pytest.approx(volume, rel=0.04), name
    check_head(head, anatomy)


def test_a_head_is_sane_and_its_notes_say_so():
    notes = check_head(ball_head(), ball_anatomy())
    assert any("pial" in note for note in notes)
    assert any("ml" in note for note in notes)


def test_exchanged_sides_are_refused():
    head = ball_head()
    span = (head.tissue.shape[0] - 1) * EDGE_MM
    middle = np.concatenate([ball_anatomy().surface(side).vertices[:, 0] for side in "LR"])
    corner = head.corner_ras.copy()
    corner[0] = middle.min() + middle.max() - head.corner_ras[0] - span
    flipped = replace(head, tissue=head.tissue[::-1].copy(), corner_ras=corner)
    with pytest.raises(GeometryError, match="exchanged"):
        check_head(flipped, ball_anatomy())


def test_holes_wrong_sizes_and_other_frames_are_refused():
    head, anatomy = ball_head(), ball_anatomy()
    holed = head.tissue.copy()
    holed[(holed == SKULL) & (np.indices(holed.shape)[2] > holed.shape[2] * 0.7)] = SCALP
    with pytest.raises(GeometryError, match="holes"):
        check_head(replace(head, tissue=holed), anatomy)
    bald = head.tissue.copy()
    bald[(bald == SCALP) & (np.indices(bald.shape)[2] > bald.shape[2] * 0.8)] = AIR
    with pytest.raises(GeometryError, match="holes: skull"):
        check_head(replace(head, tissue=bald), anatomy)
    fluid = head.tissue.copy()
    fluid[fluid == WHITE] = CSF
    with pytest.raises(GeometryError, match="white 0 ml"):
        check_head(replace(head, tissue=fluid), anatomy)
    with pytest.raises(GeometryError, match="does not fit"):
        check_head(replace(head, corner_ras=head.corner_ras + np.array([0, 25, 0])), anatomy)
    with pytest.raises(GeometryError, match="frame"):
        check_head(replace(head, frame="other"), anatomy)


def test_images_that_are_no_t1_of_this_brain_are_refused():
    anatomy, image, scalp = ball_anatomy(), ball_image(), ball_scalp()
    for data in (np.full_like(image.data, np.nan), np.ones_like(image.data), 300 - image.data):
        with pytest.raises(GeometryError, match="white matter is not brighter"):
            build_head(anatomy, image=replace(image, data=data), scalp=scalp, edge_mm=4.0)
    with pytest.raises(GeometryError, match="frame"):
        build_head(anatomy, image=replace(image, frame="other"), scalp=scalp, edge_mm=4.0)
    with pytest.raises(GeometryError, match="needs a T1 or a scalp"):
        build_head(anatomy, image=None, scalp=None)
    with pytest.raises(GeometryError, match="make no head model"):
        build_head(anatomy, image=image, scalp=scalp, edge_mm=12.0)


def test_a_few_nan_in_the_image_change_nothing_much():
    image = ball_image()
    data = image.data.copy()
    data[np.random.default_rng(0).random(data.shape) < 1e-4] = np.nan
    head = build_head(ball_anatomy(), image=replace(image, data=data), scalp=ball_scalp(), edge_mm=EDGE_MM)
    assert (head.tissue == ball_head().tissue).mean() > 0.99


def test_without_a_t1_the_skull_takes_its_share():
    head = build_head(ball_anatomy(), image=None, scalp=ball_scalp(), edge_mm=EDGE_MM)
    assert_nested(head)
    assert any("No T1" in note for note in head.notes)
    assert 0.4 < head.volumes_ml()["skull"] / ball_head().volumes_ml()["skull"] < 1.8


def test_a_scalp_cut_by_the_image_ends_the_head():
    scalp = ball_scalp()
    cut = replace(scalp, faces=scalp.faces[(scalp.vertices[scalp.faces, 2] > -38).all(axis=1)])
    kept = np.unique(cut.faces)
    number = np.zeros(len(cut.vertices), np.int64)
    number[kept] = np.arange(len(kept))
    cut = replace(cut, vertices=cut.vertices[kept], normals=cut.normals[kept], faces=number[cut.faces])
    head = build_head(ball_anatomy(), image=ball_image(), scalp=cut, edge_mm=EDGE_MM)
    assert head.centres()[:, 2].min() >= -38 - EDGE_MM
    assert_nested(head)
    check_head(head, ball_anatomy())


@cache
def template():
    from actionloop.pipeline.head import template_head

    try:
        return template_head()
    except ResourceError as error:
        pytest.skip(f"template resources are not there: {error.problem}")


@cache
def mni_head():
    found = template()
    return build_head(found.anatomy, image=found.image, scalp=found.scalp, edge_mm=3.0, template=found.anatomy)


def tissue_at(head, xyz):
    return int(head.tissue[tuple(np.rint((np.array(xyz) - head.corner_ras) / head.edge_mm).astype(int))])


def test_the_mni_head_has_cerebellum_stem_and_closed_shells():
    head = mni_head()
    for place in ([25, -65, -40], [-25, -65, -40], [0, -28, -34], [0, -40, -52]):
        assert tissue_at(head, place) in (GREY, CSF if place[2] < -50 else GREY), place
    assert tissue_at(head, [-20, -30, 35]) == WHITE
    assert tissue_at(head, [0, 70, -50]) == SCALP
    assert_nested(head)
    assert not head.approximate
    check_head(head, template().anatomy)
    # Over the vertex: 12 to 25 mm of skull and skin, as the T1 shows.
    column = head.tissue[tuple(np.rint((np.array([30, -20]) - head.corner_ras[:2]) / 3).astype(int))]
    assert 1 <= (column[column.shape[0] // 2 :] == SKULL).sum() <= 4


def test_the_template_carried_onto_itself_stays():
    found, head = template(), mni_head()
    carried, scalp = carry_head(found.anatomy, found.scalp, head, found.anatomy)
    assert carried.approximate
    assert "carried over" in carried.description
    np.testing.assert_allclose(scalp.vertices, found.scalp.vertices, atol=1e-6)
    assert carried.tissue.shape == head.tissue.shape
    for tissue in (WHITE, GREY, CSF, SKULL, SCALP):
        one, other = carried.tissue == tissue, head.tissue == tissue
        # Within a voxel: what differs lies at a border.
        beyond = one & ~ndimage.binary_dilation(other, np.ones((3, 3, 3)))
        assert beyond.sum() <= 0.01 * other.sum(), tissue
    assert (carried.tissue == head.tissue)[head.tissue > 0].mean() > 0.93


def test_an_affine_of_the_cortex_is_that_of_the_scalp():
    found = template()
    matrix = Rotation.from_euler("xyz", [12, 5, -8], degrees=True).as_matrix() @ np.diag([0.95, 1.04, 0.92])
    shift = np.array([4.0, -9.0, 22.0])
    surfaces = {
        key: replace(surface, vertices=surface.vertices @ matrix.T + shift, frame="moved")
        for key, surface in found.anatomy.surfaces.items()
    }
    moved = replace(found.anatomy, surfaces=surfaces, frame="moved")
    carried, scalp = carry_head(found.anatomy, found.scalp, mni_head(), moved)
    np.testing.assert_allclose(scalp.vertices, found.scalp.vertices @ matrix.T + shift, atol=1e-3)
    normals = found.scalp.normals @ np.linalg.inv(matrix)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(scalp.normals, normals, atol=1e-3)
    volumes, before = carried.volumes_ml(), mni_head().volumes_ml()
    for name in ("white", "grey"):
        assert volumes[name] == pytest.approx(np.linalg.det(matrix) * before[name], rel=0.08), name
    assert_nested(carried)
    check_head(carried, moved)


def test_cortices_that_do_not_correspond_are_refused():
    found = template()
    rng = np.random.default_rng(0)
    surfaces = {
        key: replace(surface, vertices=surface.vertices[rng.permutation(surface.n_vertices)])
        for key, surface in found.anatomy.surfaces.items()
    }
    with pytest.raises(GeometryError, match="do not correspond"):
        fit_warp(found.anatomy, replace(found.anatomy, surfaces=surfaces))


def test_a_head_for_a_person_without_t1():
    from actionloop import files

    folder = DATA / "individual_msc06"
    if not folder.exists():
        pytest.skip(f"no {folder}")
    found = template()
    surfaces = {
        (side, kind): files.read_surface(
            folder / f"MSC06.{side}.{kind}.32k_fs_LR.surf.gii", hemisphere=side, kind=kind, frame="MSC06"
        )
        for side in "LR"
        for kind in ("white", "pial", "midthickness", "inflated")
    }
    anatomy = Anatomy(surfaces, found.anatomy.sulc, "MSC06", own=True, description="MSC06")
    warp = fit_warp(found.anatomy, anatomy)
    box = np.stack(np.meshgrid(*[np.arange(-140.0, 141, 14)] * 3), axis=-1).reshape(-1, 3)
    volume = np.linalg.det(warp.affine[:3])
    stretch = np.linalg.det(warp.slope(box)) / volume
    assert stretch.min() > facts.load("head")["carried"]["least_stretch"]
    # The derivative is that of the map; far from the head the map is the affine.
    step = 1e-4
    some = box[::150]
    numeric = np.stack([(warp(some + step * e) - warp(some - step * e)) / (2 * step) for e in STILL], axis=2)
    np.testing.assert_allclose(warp.slope(some), numeric, atol=1e-5)
    far = np.array([[0.0, 0, 400]])
    np.testing.assert_allclose(warp(far), warp.straight(far), atol=1e-3)
    head, scalp = carry_head(found.anatomy, found.scalp, mni_head(), anatomy)
    assert head.approximate
    assert head.frame == scalp.frame == "MSC06"
    assert_nested(head)
    check_head(head, anatomy)
    pial = np.concatenate([anatomy.surface(side, "pial").vertices for side in "LR"])
    depth = scalp.distances(pial[pial[:, 2] > 30])
    assert 8 < np.percentile(depth, 5) < 18  # scalp to crowns


def test_a_head_model_keeps_to_its_type():
    assert isinstance(ball_head(), HeadModel)
    assert ball_head().frame == "balls"
