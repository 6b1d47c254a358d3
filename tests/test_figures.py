"""Pictures: what is seen where, left on the left, colours that everybody can tell apart."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from scipy.spatial import ConvexHull
from skimage.color import deltaE_ciede2000, rgb2lab

from actionloop import facts
from actionloop.figures import (
    confidence_map,
    coverage,
    cut_lines,
    display_colours,
    fc_matrix,
    inflated_map,
    of_interest,
    pial_on_t1,
    probability_map,
    rgb,
    seen_with,
    surface_views,
    take_slice,
    target_views,
)
from actionloop.figures.page import spread
from actionloop.figures.raster import rasterise
from actionloop.figures.views import finish, outline, paint
from actionloop.types import (
    Anatomy,
    CoilPose,
    Grayordinates,
    Image,
    ImageTie,
    NetworkMap,
    Piece,
    SiteReading,
    Surface,
    Target,
)

N = 32_492


def egg(hemisphere: str, scale: float = 1.0, *, kind: str = "pial") -> Surface:
    """An ellipsoid with the number of vertices that fsLR-32k has, beside the midline."""
    k = np.arange(N) + 0.5
    polar, turn = np.arccos(1 - 2 * k / N), np.pi * (1 + 5**0.5) * k
    points = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1)
    faces = ConvexHull(points).simplices
    normal = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    inward = (normal * points[faces].mean(axis=1)).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    x = -33.0 if hemisphere == "L" else 33.0
    vertices = points * np.array([28, 75, 50]) * scale + np.array([x, -10, 10])
    return Surface(vertices, faces, hemisphere, kind, "test")


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    surfaces = {}
    for side in "LR":
        for kind, scale in (("white", 0.92), ("midthickness", 0.96), ("pial", 1.0), ("inflated", 1.0)):
            surfaces[side, kind] = egg(side, scale, kind=kind)
    sulc = {side: np.sin(surfaces[side, "pial"].vertices[:, 1] / 4) for side in "LR"}
    return Anatomy(surfaces, sulc, "test", False, "two eggs")


@pytest.fixture(scope="module")
def views(anatomy):
    return surface_views(anatomy, pixels_per_mm=1.5)


@pytest.fixture(scope="module")
def network_map(anatomy) -> NetworkMap:
    axis = Grayordinates(np.arange(N), np.arange(N))
    y = np.concatenate([anatomy.surface(side).vertices[:, 1] for side in "LR"])
    names = ("SCAN", "AMN", "Foot", "Hand", "Mouth", "Visual", "Other <b>")
    centres = np.linspace(60, -80, len(names))
    probability = np.exp(-(((y - centres[:, None]) / 14) ** 2)).astype(np.float32)
    probability /= probability.sum(axis=0)
    keys = np.arange(1, len(names) + 1)
    ordered = np.sort(probability, axis=0)
    colours = np.random.default_rng(0).random((len(names), 3))
    label = keys[probability.argmax(axis=0)]
    return NetworkMap(names, keys, colours, probability, label, ordered[-1] - ordered[-2], axis, "stripes")


@pytest.fixture(scope="module")
def target(anatomy) -> Target:
    surface = anatomy.surface("R")
    vertex = int(np.linalg.norm(surface.vertices - np.array([55, 20, 35]), axis=1).argmin())
    at = surface.vertices[vertex]
    members = np.flatnonzero(np.linalg.norm(surface.vertices - at, axis=1) < 9)
    piece = Piece("AMN dlPFC 1", "AMN", "R", members, 200.0, vertex, at, at, vertex, at, at, 0.7, 0.9, 0.5, 15.0)
    inward = np.array([-0.8, 0.0, -0.6])
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross([0, 1.0, 0], inward), [0, 1.0, 0], inward], axis=1)
    matrix[:3, 3] = at - 15 * inward
    pose = CoilPose(matrix, ImageTie("test", "0"), "target 1", "geometric, no field yet")
    return Target(1, piece, vertex, at, at, 0.8, {}, ("large",), {}, 0.4, at - 15 * inward, 15.0, pose, {})


@pytest.fixture(scope="module")
def image(anatomy) -> Image:
    """A T1 whose right half is brighter, stored with its first axis from right to left."""
    affine = np.array([[-2.0, 0, 0, 100], [0, 2, 0, -120], [0, 0, 2, -80], [0, 0, 0, 1]])
    x = 100 - 2.0 * np.arange(100)
    data = np.broadcast_to(np.where(x > 0, 900, 400)[:, None, None], (100, 110, 90)).astype(np.int16)
    return Image(data, affine, "test")


def pixels(png: bytes) -> np.ndarray:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return np.asarray(Picture.open(io.BytesIO(png)).convert("RGB")).astype(float) / 255


# ---- the rasteriser


def naive(points, faces, shape):
    """One pixel and one face at a time."""
    best = np.full(shape, -np.inf)
    for a, b, c in points[faces]:
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area >= -1e-9:
            continue
        for i, j in itertools.product(range(shape[0]), range(shape[1])):
            x, y = j + 0.5, i + 0.5
            share = [
                ((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0])) / area for p, q in ((b, c), (c, a), (a, b))
            ]
            if min(share) >= -1e-5:
                best[i, j] = max(best[i, j], share[0] * a[2] + share[1] * b[2] + share[2] * c[2])
    return best


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_rasterise_equals_the_naive_way(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 22, (12, 3))
    faces = rng.integers(0, 12, (25, 3))
    shape = (14, 19)
    raster = rasterise(points, faces, shape)
    expected = naive(points, faces, shape)
    found = raster.depth_image()
    assert (np.isfinite(found) == np.isfinite(expected)).mean() > 0.995  # a pixel centre on an edge may round away
    both = np.isfinite(found) & np.isfinite(expected)
    # Nearly edge-on faces blow rounding up; elsewhere the depth agrees.
    assert np.mean(np.abs(found[both] - expected[both]) < 1e-2) > 0.98 if both.any() else True
    assert len(np.unique(raster.pixel)) == len(raster.pixel)
    np.testing.assert_allclose(raster.weights.sum(axis=1), 1, atol=1e-4)


def test_interpolation_is_linear_and_labels_take_the_largest_share():
    points = np.array([[0.0, 0, 0], [0, 30, 0], [30, 0, 0]])
    raster = rasterise(points, np.array([[0, 1, 2]]), (30, 30))
    column = raster.interpolate(points[:, 0])
    np.testing.assert_allclose(column, raster.pixel % 30 + 0.5, atol=1e-4)
    label = raster.label(np.array([5, 7, 7]))
    clear = np.abs(raster.weights[:, 0] - 0.5) > 1e-3
    np.testing.assert_array_equal((label == 5)[clear], (raster.weights[:, 0] > 0.5)[clear])
    assert not len(rasterise(points, np.array([[0, 2, 1]]), (30, 30)).pixel), "a face turned away is not drawn"


# ---- views


def test_left_is_left_and_front_is_where_it_says(anatomy, views):
    n_left = views.n_left

    def spot(view, side, where):
        vertex = int((anatomy.surface(side, "inflated").vertices @ np.array(where)).argmax())
        return views.views[view].locate(side, vertex, n_left=n_left)

    dorsal = views.views["dorsal"].shape[1] / 2
    top_left, top_right = spot("dorsal", "L", (0, 0, 1)), spot("dorsal", "R", (0, 0, 1))
    assert top_left[0] < dorsal < top_right[0]
    front, back = spot("dorsal", "L", (0, 1, 0.5)), spot("dorsal", "L", (0, -1, 0.5))
    assert front[1] < back[1]
    for view, side, outward, front_left in (
        ("L lateral", "L", -1, True),
        ("L medial", "L", 1, False),
        ("R lateral", "R", 1, False),
        ("R medial", "R", -1, True),
    ):
        front, back = spot(view, side, (outward * 0.3, 1, 0)), spot(view, side, (outward * 0.3, -1, 0))
        assert (front[0] < back[0]) == front_left, view
        assert spot(view, side, (outward * 0.3, 0, 1))[1] < spot(view, side, (outward * 0.3, 0, -1))[1]
        assert spot(view, side, (-outward, 0, 0)) is None, "the far side is hidden"
        assert spot(view, side, (outward, 0, 0)) is not None
        assert spot(view, "R" if side == "L" else "L", (0, 0, 1)) is None


def test_outline_lies_inside_and_not_on_the_edge_of_the_brain(anatomy, views):
    view = views.views["L lateral"]
    front = view.raster.interpolate(np.tile(anatomy.surface("L").vertices[:, 1], 2)) > 0
    line = outline(view, front, width_px=1.0)
    assert line.any()
    assert not (line & ~front).any()
    y = view.raster.interpolate(np.tile(anatomy.surface("L").vertices[:, 1], 2))[line]
    assert y.max() < 3.0, "only the border across the brain is marked"
    assert not outline(view, np.ones_like(front)).any()
    assert not outline(view, np.zeros_like(front)).any()


def test_finish_averages_colours_without_darkening_the_edge(views):
    view = views.views["dorsal"]
    picture = finish(view, np.ones((len(view.raster.pixel), 3)))
    assert picture.shape == (*view.shape, 4)
    np.testing.assert_allclose(picture[..., :3], 1)
    assert 0 < ((picture[..., 3] > 0) & (picture[..., 3] < 1)).sum() < 0.05 * picture[..., 3].size
    assert paint(view, views.sulc).shape == (len(view.raster.pixel), 3)


# ---- whole pictures


def share_of(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Mask of the pixels whose hue is that of `colour`, shaded or not."""
    brightness = picture.max(axis=-1, keepdims=True)
    scaled = picture / np.maximum(brightness, 1e-6)
    return (np.abs(scaled - colour / colour.max()).max(axis=-1) < 0.09) & (brightness[..., 0] > 0.25)


def test_inflated_map_shows_each_network_where_it_is(anatomy, network_map, views, target):
    one_sided = NetworkMap(
        network_map.names,
        network_map.keys,
        network_map.colours,
        network_map.probability,
        np.where((network_map.label == 4) & (np.arange(2 * N) < N), 4, 0),  # hand, left only
        network_map.confidence,
        network_map.grayordinates,
        "test",
    )
    picture = pixels(inflated_map(anatomy, one_sided, views=views))
    hand = share_of(picture, rgb(facts.load("palette")["networks"]["Hand"]))
    width = picture.shape[1]
    left_panel, right_panel = hand[:, : width // 4], hand[:, -width // 4 :]
    assert left_panel.sum() > 1000
    assert right_panel.sum() == 0
    with_marks = inflated_map(anatomy, network_map, targets=[target], views=views, title="sub-01")
    assert with_marks != inflated_map(anatomy, network_map, views=views, title="sub-01")
    assert with_marks == inflated_map(anatomy, network_map, targets=[target], views=views, title="sub-01")


def test_scalar_maps_and_coverage(anatomy, network_map, views):
    assert pixels(probability_map(anatomy, network_map, name="SCAN", views=views)).std() > 0.05
    assert pixels(confidence_map(anatomy, network_map, views=views)).std() > 0.05
    axis = network_map.grayordinates
    valid = np.ones(2 * N, dtype=bool)
    orange = np.array([0.84, 0.33, 0.10])
    whole = pixels(coverage(anatomy, valid, axis, views=views))
    assert share_of(whole, orange).sum() == 0
    valid[N : N + N // 3] = False
    holed = share_of(pixels(coverage(anatomy, valid, axis, views=views)), orange)
    assert holed[:, -holed.shape[1] // 4 :].sum() > 500
    assert holed[:, : holed.shape[1] // 4].sum() == 0
    sd = np.where(valid, 2.0, 0.0)
    sd[5] = np.nan
    assert share_of(pixels(coverage(anatomy, sd, axis, views=views)), orange).sum() > 500
    assert coverage(anatomy, np.zeros(2 * N), axis, views=views)


def test_slices_put_left_on_the_left_whatever_the_storage(image):
    for name in ("axial", "coronal"):
        piece = take_slice(image, name, np.array([0.0, -10, 10]), half_mm=(40, 30), spacing_mm=1.0)
        assert piece.picture.shape == (60, 80)
        assert (piece.picture[:, 45:] == 900).all()
        assert (piece.picture[:, :35] == 400).all()
    rising = Image(np.broadcast_to(np.arange(90.0), (100, 110, 90)), image.affine, "test")
    sagittal = take_slice(rising, "sagittal", np.array([0.0, -10, 10]), half_mm=(30, 20), spacing_mm=1.0)
    assert sagittal.picture[0, 0] > sagittal.picture[-1, 0], "up is up"
    np.testing.assert_allclose(sagittal.picture[0], (10 + 19.5 + 80) / 2, atol=1e-4)
    assert take_slice(image, "axial", np.array([900.0, 0, 0]), half_mm=(5, 5)).picture.max() == 0


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["axial", "coronal", "sagittal"]), st.floats(-0.9, 0.9))
def test_cut_lines_of_an_ellipsoid_are_its_ellipse(name, share):
    surface = SMALL
    axis = {"sagittal": 0, "coronal": 1, "axial": 2}[name]
    radii, centre = np.array([28.0, 75, 50]), np.array([-33.0, -10, 10])
    at = centre[axis] + share * radii[axis]
    # Through a vertex the line has pieces without length, whose ends are one.
    assume(np.abs(surface.vertices[:, axis] - at).min() > 1e-4)
    segments, faces = cut_lines(surface, name, at)
    others = [i for i in range(3) if i != axis]
    scaled = (segments - centre[others]) / (radii[others] * np.sqrt(1 - share**2))
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=-1), 1, atol=0.02)
    assert len(faces) == len(segments)
    # A closed line: every end is the end of exactly two segments.
    ends, times = np.unique(np.round(segments.reshape(-1, 2), 6), axis=0, return_counts=True)
    assert len(ends) == len(segments)
    assert set(times) == {2}


SMALL = egg("L")


def test_cut_lines_outside_or_through_a_vertex(anatomy):
    surface = anatomy.surface("L")
    assert cut_lines(surface, "axial", 500.0)[0].shape == (0, 2, 2)
    segments, _ = cut_lines(surface, "axial", float(surface.vertices[10_000, 2]))
    assert np.isfinite(segments).all()


def test_target_and_t1_pictures(anatomy, network_map, target, image):
    site = SiteReading("Beam F3", "R", target.xyz_mni, target.xyz_ras + 6, "AMN", 0.5, "x")
    full = pixels(target_views(anatomy, network_map, target, image=image, others=[target], sites=[site]))
    alone = pixels(target_views(anatomy, network_map, target))
    assert full.shape[1] > 2 * alone.shape[1]
    axial = full[300:400, 520:980].mean(axis=(0, 2))  # the right half of the test image is brighter
    assert axial.max() > axial.min()
    mosaic = pixels(pial_on_t1(anatomy, image, title="QC"))
    first = mosaic[150:350, 60:430].mean(axis=(0, 2))
    assert first[-150:].mean() > first[:150].mean() + 0.1


def test_fc_matrix_takes_missing_networks():
    fc = np.array([[1, 0.4, np.nan], [0.4, 1, -0.3], [np.nan, -0.3, 1]])
    assert pixels(fc_matrix(fc, ["SCAN", "AMN", "Nobody's"], title="r")).std() > 0.05


def test_labels_are_spread_apart():
    home = np.array([[0.0, 0], [1, 0], [0, 1], [100, 100], [0, 0]])
    placed = spread(home, gap=30, home=home)
    distance = np.linalg.norm(placed[:, None] - placed[None], axis=-1) + 1e3 * np.eye(5)
    assert distance.min() > 27
    np.testing.assert_allclose(placed[3], home[3], atol=1e-6)


# ---- colours


@pytest.mark.parametrize(
    ("vision", "apart"), [(None, 25), ("deuteranopia", 20), ("protanopia", 20), ("tritanopia", 15)]
)
def test_networks_of_interest_can_be_told_apart(vision, apart):
    palette = facts.load("palette")
    colours = np.array([rgb(colour) for colour in [*palette["networks"].values(), palette["brain"]["crown"]]])
    seen = colours if vision is None else seen_with(colours, vision)
    lab = rgb2lab(seen[None])[0]
    nearest = min(float(deltaE_ciede2000(lab[i], lab[j])) for i, j in itertools.combinations(range(len(lab)), 2))
    assert nearest > apart


def test_simulated_vision_keeps_greys_and_confuses_red_with_green():
    grey = np.full((1, 3), 0.5)
    np.testing.assert_allclose(seen_with(grey, "deuteranopia"), grey, atol=2e-3)
    pair = rgb2lab(seen_with(np.array([[[0.75, 0.25, 0.1], [0.42, 0.45, 0.1]]]), "deuteranopia"))[0]
    full = rgb2lab(np.array([[[0.75, 0.25, 0.1], [0.42, 0.45, 0.1]]]))[0]
    assert deltaE_ciede2000(*pair) < 0.5 * deltaE_ciede2000(*full)


def test_other_networks_are_muted():
    colours = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]])
    shown = display_colours(["scan", "Visual", "Default"], colours)
    np.testing.assert_allclose(shown[0], rgb(facts.load("palette")["networks"]["SCAN"]))
    assert all(np.ptp(shown[i]) < 0.5 for i in (1, 2))
    assert of_interest("AMN")
    assert not of_interest("Visual")
