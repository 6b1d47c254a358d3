"""Lesions: geometry of nuclei, seeds over people, size-matched nulls, degree, symptoms; against naive references."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import sparse, stats

from actionloop import facts
from actionloop.brain.nuclei import ATLASES, MIDLINE_MM, Nuclei, atlas_nuclei, hemisphere_of, read_nuclei
from actionloop.brain.parcels import Parcels
from actionloop.brain.region import Ball, Mask, box_distance, voxel_shares
from actionloop.errors import (
    ActionloopError,
    EmptyRegionError,
    GeometryError,
    InputError,
    OptionError,
    PriorError,
    SignalError,
)
from actionloop.evidence.lesion import lesion_at, lesion_of, lesion_rows, on_parcels
from actionloop.evidence.lesionnulls import Structure, random_lesions, structure_of
from actionloop.evidence.lesionoverlap import network_evidence, overlap_values, row_evidence
from actionloop.evidence.seedmaps import SeedMaps, SeedSums, component_of, degree_of, prior_connectivity
from actionloop.evidence.symptoms import symptom_evidence
from actionloop.signal import compress
from actionloop.types import Grayordinates, Image, Prior, Timeseries, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
P1 = np.array(facts.load("lesion")["p1"]["xyz_mni"])
NAMES = ("SCAN", "AMN", "foot", "hand", "mouth", "other")
PER = 40
N_CORTEX = PER * len(NAMES)
NETWORK = np.tile(np.arange(len(NAMES)), PER)
TARGETS = (np.arange(len(NAMES))[:, None] == NETWORK).astype(float)
AFFINE = np.array([[-2.0, 0, 0, 24], [0, 2, 0, -32], [0, 0, 2, -8], [0, 0, 0, 1]])
SIDE = (8, 10, 8)
CM, VPL = np.array([14.0, -26.0, -2.0]), np.array([20.0, -18.0, 2.0])
COMMON = np.full(len(NAMES), 0.5)


def phantom_axis() -> Grayordinates:
    """Cortex of 240 rows, a right thalamus of 8 x 10 x 8 voxels, and a piece of cerebellum away from it."""
    ijk = np.argwhere(np.ones(SIDE))
    further = np.argwhere(np.ones((3, 3, 3))) + np.array([0, 0, 20])
    structure = np.array(["CIFTI_STRUCTURE_THALAMUS_RIGHT"] * len(ijk) + ["CIFTI_STRUCTURE_CEREBELLUM_RIGHT"] * 27)
    voxels = Voxels(np.concatenate([ijk, further]), structure, AFFINE, (30, 30, 30))
    return Grayordinates(np.arange(N_CORTEX // 2), np.arange(N_CORTEX // 2), voxels=voxels)


AXIS = phantom_axis()
XYZ = AXIS.voxels.ijk @ AFFINE[:3, :3].T + AFFINE[:3, 3]
N_VOXELS = len(XYZ)
AREA = np.append(np.random.default_rng(5).uniform(1, 3, N_CORTEX), np.zeros(N_VOXELS))
ON_ROWS = np.hstack([TARGETS, np.zeros((len(NAMES), N_VOXELS))])


NEAR = np.exp(-(np.linalg.norm(XYZ[:, None] - XYZ, axis=2) ** 2) / (2 * 4.0**2))
NEAR /= np.linalg.norm(NEAR, axis=1, keepdims=True)


def smooth_coupling(rng: np.random.Generator) -> np.ndarray:
    """Random coupling of each voxel with each network, alike in voxels close by; (voxel, network)."""
    return 0.4 * NEAR @ rng.standard_normal((N_VOXELS, len(NAMES)))


def planted(rng: np.random.Generator) -> np.ndarray:
    """CM with SCAN, VPL with the effectors, on a weak random coupling."""
    coupling = 0.3 * smooth_coupling(rng)
    for centre, networks, radius_mm in ((CM, [0], 3.5), (VPL, [2, 3, 4], 4.5)):
        inside = np.linalg.norm(XYZ - centre, axis=1) <= radius_mm
        coupling[np.ix_(inside, networks)] += 0.8
    return coupling


def person(
    rng: np.random.Generator, coupling: np.ndarray, *, hub: np.ndarray | None = None, frames: int = 120
) -> np.ndarray:
    """Make a scan; `hub` is how strongly each network follows a signal that all of the thalamus follows too."""
    course, common = rng.standard_normal((frames, len(NAMES))), rng.standard_normal((frames, 1))
    load = np.zeros(len(NAMES)) if hub is None else hub
    cortex = course[:, NETWORK] + common * load[NETWORK] + 1.5 * rng.standard_normal((frames, N_CORTEX))
    voxels = course @ coupling.T + 1.5 * rng.standard_normal((frames, N_VOXELS))
    voxels += common * (0.0 if hub is None else 1.0)
    return np.hstack([cortex, voxels]).astype(np.float32)


def cohort(
    weight: sparse.csr_array,
    rng: np.random.Generator,
    coupling: np.ndarray,
    *,
    people: int,
    component: bool = True,
    **how: object,
) -> SeedMaps:
    sums = SeedSums(weight, names=("lesion",), grayordinates=AXIS, component=component)
    for _ in range(people):
        sums.add(person(rng, coupling, **how))
    return sums.result()


def seeds(weight: np.ndarray, rng: np.random.Generator, n: int) -> sparse.csr_array:
    """Stack a lesion on null lesions in its structure."""
    return sparse.vstack([weight[None], random_lesions(weight, structure_of(AXIS, weight), n=n, rng=rng)], format="csr")


def mask_image(data: np.ndarray, affine: np.ndarray = AFFINE, frame: str = "MNI152NLin6Asym") -> Image:
    return Image(data, affine, frame, "lesion.nii.gz")


# Geometry


def test_ball_and_mask_share_voxels_with_what_they_hold():
    ball = Ball(np.array([10.3, -20.2, 2.1]), 3.0)
    assert voxel_shares(ball, AXIS.voxels.ijk, AFFINE).sum() * 8 < ball.volume_mm3  # sticks out of the phantom
    grid = np.argwhere(np.ones((12, 12, 12)))
    affine = np.array([[1.5, 0, 0, 1], [0, 1.5, 0, -29], [0, 0, 1.5, -7], [0, 0, 0, 1.0]])
    share = voxel_shares(ball, grid, affine)
    assert share.sum() * 1.5**3 == pytest.approx(ball.volume_mm3, rel=0.01)
    points = np.random.default_rng(0).random((20_000, 3)) - 0.5
    for row in np.flatnonzero((share > 0.2) & (share < 0.8))[:5]:
        inside = ball.contains((grid[row] + points) @ affine[:3, :3].T + affine[:3, 3]).mean()
        assert share[row] == pytest.approx(inside, abs=0.03)
    data = np.zeros((8, 8, 8), dtype=bool)
    data[2:5, 3:6, 1:4] = True
    assert np.array_equal(voxel_shares(Mask(data, affine), np.argwhere(data), affine), np.ones(27))


def test_shares_do_not_depend_on_order_grid_or_mirror():
    ball = Ball(np.array([17.0, -21.0, 1.0]), 3.5)
    share = voxel_shares(ball, AXIS.voxels.ijk, AFFINE)
    order = np.random.default_rng(1).permutation(N_VOXELS)
    assert np.array_equal(voxel_shares(ball, AXIS.voxels.ijk[order], AFFINE), share[order])
    flip = np.diag([-1.0, 1, 1, 1])
    mirrored = voxel_shares(Ball(flip[:3, :3] @ ball.centre_mm, 3.5), AXIS.voxels.ijk, flip @ AFFINE)
    assert np.allclose(mirrored, share, atol=1e-12)
    fine = np.argwhere(np.ones((60, 60, 60)))
    half = np.diag([0.5, 0.5, 0.5, 1.0])
    half[:3, 3] = [5, -35, -12]
    mask = np.zeros((60, 60, 60), dtype=bool)
    mask[tuple(fine.T)] = ball.contains(fine @ half[:3, :3].T + half[:3, 3])
    assert np.allclose(voxel_shares(Mask(mask, half), AXIS.voxels.ijk, AFFINE), share, atol=0.15)


def test_distance_to_boxes_is_that_of_a_fine_sampling():
    rng = np.random.default_rng(2)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * [1.0, 2.0, 1.5], [3, -4, 5]
    ijk = rng.integers(0, 6, (12, 3))
    inside = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 21)] * 3), axis=-1).reshape(-1, 3)
    cloud = (ijk[:, None] + inside).reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    for place in rng.uniform(-15, 15, (10, 3)):
        assert box_distance(place, ijk, affine) == pytest.approx(np.linalg.norm(cloud - place, axis=1).min(), abs=0.12)
    assert box_distance(affine[:3, :3] @ (ijk[0] + 0.3) + affine[:3, 3], ijk, affine) == 0


def test_a_place_has_a_side_or_is_refused():
    assert hemisphere_of(np.array([14.0, -21, 1])) == "R"
    assert hemisphere_of(np.array([MIDLINE_MM - 0.1, 0, 0]), said="L") == "L"
    with pytest.raises(GeometryError, match="has no side"):
        hemisphere_of(np.array([-1.0, -21, 1]))
    with pytest.raises(GeometryError, match="said to be left but"):
        hemisphere_of(P1, said="L")


def test_nuclei_that_are_mirrored_or_missing_are_refused():
    label = np.zeros((5, 5, 5), dtype=int)
    label[1:3, 1, 1] = 364
    right = np.eye(4)
    with pytest.raises(GeometryError, match="labelled left but lies at x"):
        Nuclei(("CM",), ("L",), (np.argwhere(label == 364),), right)
    with pytest.raises(EmptyRegionError, match="no voxel of AV"):
        atlas_nuclei(label, right, atlas="hcpex")
    with pytest.raises(OptionError, match="no atlas of nuclei"):
        atlas_nuclei(label, right, atlas="freesurfer")
    with pytest.raises(OptionError, match="an image for each side"):
        atlas_nuclei(label, right, atlas="thomas")


def test_tables_of_the_atlases_are_whole():
    tables = facts.load("nuclei")
    assert set(ATLASES) == {"thomas", "hcpex", "aal3"}
    for name in ATLASES:
        labels = tables[name]["labels"]
        assert set(tables[name]["groups"]) == set(facts.load("lesion")["p1"]["nuclei"])
        assert all(member in labels for group in tables[name]["groups"].values() for member in group)
        for side in ("L", "R"):
            assert len({one[side] for one in labels.values()}) == len(labels)


@pytest.fixture(scope="module")
def thalamus() -> tuple[np.ndarray, np.ndarray]:
    path = DATA / "thalamus" / "Atlas-Thalamus_space-MNI_hemi-right_label-AllNuclei_desc-MaxProb.nii.gz"
    if not path.is_file():
        pytest.skip(f"{path} is absent (set ACTIONLOOP_DATA)")
    image = nib.load(path)
    return np.asarray(image.dataobj), image.affine


@pytest.fixture(scope="module")
def thomas(thalamus) -> Nuclei:
    return atlas_nuclei(*thalamus, atlas="thomas", side="R")


def test_the_published_coordinate_lies_where_its_report_says(thomas):
    """MNI 14, -21, 1: 'intersection of CM-Pf, VPL and pulvinar', 3 mm from the published peak of SCAN in CM."""
    readings = {one.name: one for one in read_nuclei(thomas, Ball(P1, 3.0))}
    assert readings["Pul"].distance_mm == 0
    assert readings["VPL"].distance_mm == pytest.approx(1.06, abs=0.01)
    assert readings["CM"].distance_mm == pytest.approx(1.77, abs=0.01)
    assert readings["CM"].centroid_mm == pytest.approx(4.66, abs=0.01)
    touched = {name for name, one in readings.items() if one.overlap_mm3 > 0}
    assert {"CM", "VPL", "Pul"} <= touched
    assert readings["VLp"].distance_mm == pytest.approx(2.85, abs=0.01)
    assert sum(one.share_of_region for one in readings.values()) <= 1.001
    peak = next(one for one in facts.load("scan")["subcortical"] if one["name"] == "CM thalamus")["R"]
    assert np.linalg.norm(P1 - peak) == pytest.approx(3.0, abs=0.01)


def test_the_image_of_the_other_side_is_noticed(thalamus):
    with pytest.raises(GeometryError, match="labelled left but lies at x"):
        atlas_nuclei(*thalamus, atlas="thomas", side="L")


# Lesions


def test_a_lesion_says_its_side_twice():
    lesion = lesion_at(P1, name="thalamic lesion")
    assert lesion.statement == (
        "thalamic lesion (right): RIGHT hemisphere, centre at x = +14.0 mm, positive (RAS: left is negative)"
    )
    assert "3 mm" in lesion.made


def test_sphere_and_mask_of_it_take_the_same_rows():
    sphere = lesion_rows(lesion_at(np.array([18.0, -22, 0]), radius_mm=4), AXIS)
    assert sphere.weight[:N_CORTEX].max() == 0
    assert sphere.covered > 0.9
    assert sphere.structure_mm3["CIFTI_STRUCTURE_THALAMUS_RIGHT"] == pytest.approx(8 * sphere.weight.sum(), rel=1e-5)
    fine = np.diag([0.5, 0.5, 0.5, 1.0])
    fine[:3, 3] = [8, -32, -10]
    ijk = np.argwhere(np.ones((40, 40, 40)))
    inside = Ball(np.array([18.0, -22, 0]), 4.0).contains(ijk @ fine[:3, :3].T + fine[:3, 3]).reshape(40, 40, 40)
    mask = lesion_rows(lesion_of(mask_image(inside.astype(float), fine), side="R"), AXIS)
    assert np.allclose(mask.weight, sphere.weight, atol=0.12)
    moved = np.eye(4)
    moved[:3, 3] = [5, 1, -2]
    native = mask_image(inside, np.linalg.inv(moved) @ fine, frame="sub-01 T1w")
    again = lesion_rows(lesion_of(native, side="R", moving_to_mni=moved), AXIS)
    assert np.allclose(again.weight, mask.weight, atol=1e-6)


def test_cortex_in_a_lesion_is_found_between_white_and_pial():
    class Sheet:
        def __init__(self, z: float) -> None:
            x = np.where(np.arange(N_CORTEX // 2) % 2, 1.0, 40.0)
            self.vertices = np.column_stack([x, np.zeros_like(x), np.full_like(x, z)])
            self.n_vertices, self.source = AXIS.n_vertices, ""

    class Two:
        def surface(self, hemisphere: str, kind: str) -> Sheet:
            return Sheet(100.0 if kind == "white" else 104.0)

    rows = lesion_rows(lesion_at(np.array([1.0, 0, 100]), radius_mm=2.5, side="L"), AXIS, anatomy=Two())
    assert set(np.round(rows.weight[:N_CORTEX], 6)) == {0.0, np.float32(0.6)}
    assert rows.covered == 0


def test_weights_on_parcels_are_sums_over_members():
    cortex = Grayordinates(np.arange(6), np.arange(6))
    axis = Grayordinates(np.array([0, 3]), np.array([1]))
    parcels = Parcels(("a", "b", "c"), axis, cortex, (np.array([0, 1, 2]), np.array([3, 4]), np.array([6, 7, 8])))
    weight = np.arange(12.0)
    assert np.array_equal(on_parcels(weight, parcels), [3, 7, 21])
    with pytest.raises(EmptyRegionError, match="takes no parcel"):
        on_parcels(np.eye(12)[11], parcels)
    with pytest.raises(GeometryError, match="do not fit parcels"):
        on_parcels(np.ones(3), parcels)


def block(shape: tuple[int, ...] = SIDE) -> np.ndarray:
    data = np.zeros(shape)
    data[2:4, 2:4, 2:4] = 1
    return data


MIRROR = np.diag([-1.0, 1, 1, 1])
MIRROR[0, 3] = 2 * AFFINE[0, 3] - 10.0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: lesion_of(mask_image(np.zeros((3, 3, 3))), side="R"), EmptyRegionError, "is empty"),
        (lambda: lesion_of(mask_image(np.full((3, 3, 3), np.nan)), side="R"), InputError, "NaN"),
        (lambda: lesion_of(mask_image(block()), side="right"), OptionError, "no side of a lesion"),
        (lambda: lesion_of(mask_image(block()), side="L"), GeometryError, "said to be left, but 100%"),
        (lambda: lesion_of(mask_image(block()), side="both"), GeometryError, "said to be both sides, but"),
        (lambda: lesion_of(mask_image(block(), frame="sub-01 T1w"), side="R"), GeometryError, "healthy people's scans"),
        (
            lambda: lesion_of(mask_image(block()), side="R", moving_to_mni=np.diag([-1.0, 1, 1, 1])),
            GeometryError,
            "mirrors",
        ),
        (
            lambda: lesion_of(mask_image(block()), side="R", moving_to_mni=np.eye(3)),
            GeometryError,
            "not a finite 4 x 4",
        ),
        (
            lambda: lesion_of(mask_image(block(), MIRROR @ AFFINE), side="R", reference=mask_image(block())),
            GeometryError,
            "is mirrored",
        ),
        (
            lambda: lesion_of(mask_image(block()), side="R", reference=mask_image(block((9, 9, 9)))),
            GeometryError,
            "on another grid",
        ),
        (lambda: lesion_rows(lesion_at(np.array([60.0, 60, 60])), AXIS), EmptyRegionError, "outside the brain"),
        (lambda: lesion_at(np.array([1.0, -20, 2])), GeometryError, "has no side"),
        (lambda: lesion_at(np.array([np.nan, -20, 2]), side="L"), GeometryError, "three finite numbers"),
        (lambda: lesion_at(P1, radius_mm=0), GeometryError, "radius above 0"),
    ],
)
def test_bad_lesions_are_refused_with_one_clear_error(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert isinstance(caught.value, ActionloopError)
    assert "\n" not in caught.value.problem


def test_the_reference_a_mask_was_drawn_on_is_accepted():
    lesion = lesion_of(mask_image(block()), side="R", reference=mask_image(np.ones(SIDE)))
    assert lesion.region.volume_mm3 == pytest.approx(64)


# Seeds over people


def naive_maps(series: list[np.ndarray], weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean Fisher z, t and degree, everything written out."""
    every, degrees = [], []
    for data in series:
        standard = np.nan_to_num((data - data.mean(axis=0)) / data.std(axis=0))
        seed = standard @ weight.T
        r = np.corrcoef(seed.T, standard.T)[: len(weight), len(weight) :]
        every.append(np.arctanh(np.clip(r, -0.999, 0.999)))
        full = np.corrcoef(standard.T) - np.eye(standard.shape[1])
        degrees.append(full.sum(axis=0) / (len(full) - 1))
    z = np.stack(every)
    return z.mean(axis=0), stats.ttest_1samp(z, 0, axis=0).statistic, np.mean(degrees, axis=0)


def test_seed_maps_are_those_of_the_naive_way():
    rng = np.random.default_rng(3)
    series = [
        rng.standard_normal((60, 5)) @ rng.standard_normal((5, 90)) + rng.standard_normal((60, 90)) for _ in "abcd"
    ]
    weight = rng.random((4, 90)) * (rng.random((4, 90)) < 0.1) + np.eye(4, 90)
    sums = SeedSums(weight, names=("one", "two"))
    for data in series:
        sums.add(data)
    maps = sums.result()
    mean, t, degree = naive_maps(series, weight)
    assert np.allclose(maps.mean_z, mean, atol=2e-6)
    assert np.allclose(maps.t, t[:2], rtol=2e-3, atol=2e-3)
    assert np.allclose(maps.degree, degree, atol=1e-6)
    expected = []
    for data in series:
        values, vectors = np.linalg.eigh(np.corrcoef(data.T))
        loading = vectors[:, -1] * np.sqrt(values[-1])
        expected.append(loading * np.sign(loading.sum()))
    assert np.allclose(maps.component, np.mean(expected, axis=0), atol=2e-3)
    assert maps.n_people == 4
    assert maps.valid.all()


def test_a_compressed_person_gives_the_same_maps_and_units_do_not_matter():
    rng = np.random.default_rng(4)
    one = person(rng, smooth_coupling(rng))
    series = rng.standard_normal((100, 8)) @ rng.standard_normal((8, len(AXIS))) + rng.standard_normal((100, len(AXIS)))
    basis = compress(Timeseries(series.astype(np.float32), AXIS, 0.8), tolerance=1e-6)
    weight = lesion_rows(lesion_at(CM, radius_mm=4), AXIS).weight
    results = []
    for given in (basis, series, 1000 * series + 50):
        sums = SeedSums(np.stack([weight, 3 * weight]), names=("lesion",), grayordinates=AXIS)
        sums.add(one)
        sums.add(given)
        results.append(sums.result())
    for other in results[1:]:
        assert np.allclose(other.mean_z, results[0].mean_z, atol=1e-4)
        assert np.allclose(other.degree, results[0].degree, atol=1e-5)
    assert np.allclose(results[0].mean_z[0], results[0].mean_z[1], atol=1e-6)


def test_rows_without_signal_are_left_out_of_the_mean():
    rng = np.random.default_rng(6)
    series = [rng.standard_normal((40, 12)) for _ in range(3)]
    series[1][:, 5] = 7.0
    sums = SeedSums(np.eye(1, 12), names=("one",))
    for data in series:
        sums.add(data)
    maps = sums.result()
    z = [np.arctanh(np.corrcoef(data[:, 0], data[:, 5])[0, 1]) for data in (series[0], series[2])]
    assert maps.mean_z[0, 5] == pytest.approx(np.mean(z), abs=1e-5)
    assert maps.people.tolist() == [3] * 5 + [2] + [3] * 6
    assert maps.t[0, 5] == pytest.approx(stats.ttest_1samp(z, 0).statistic, rel=1e-3)
    assert not maps.valid[5]


def test_memory_does_not_grow_with_people():
    rng = np.random.default_rng(7)
    sums = SeedSums(np.eye(3, 50), names=("one",))
    held = []
    for _ in range(6):
        sums.add(rng.standard_normal((30, 50)))
        held.append(sum(value.nbytes for value in vars(sums).values() if isinstance(value, np.ndarray)))
    assert len(set(held)) == 1


def test_seeds_and_people_that_do_not_fit_are_refused():
    sums = SeedSums(np.eye(2, 10), names=("CM",))
    with pytest.raises(SignalError, match="at least one person"):
        sums.result()
    good = np.random.default_rng(0).standard_normal((20, 10))
    sums.add(good)
    before = sums.result()
    silent = good.copy()
    silent[:, 0] = 1.0
    for bad, words in (
        (good[:, :9], "has 9 rows"),
        (silent, "no signal in this person's rows of CM"),
        (np.full((20, 10), np.nan), "finite series"),
    ):
        with pytest.raises(SignalError, match=words):
            sums.add(bad)
    assert np.array_equal(sums.result().mean_z, before.mean_z)
    assert sums.result().n_people == 1
    assert np.isnan(before.t).all()
    with pytest.raises(EmptyRegionError, match="1 of 2 seeds have no row"):
        SeedSums(np.eye(2, 10) * [[1], [0]])
    with pytest.raises(SignalError, match="finite weights"):
        SeedSums(-np.eye(2, 10))
    other = replace(AXIS, left=AXIS.left + 1)
    sums = SeedSums(np.eye(1, len(AXIS)), grayordinates=other)
    with pytest.raises(SignalError, match="other rows than the seeds"):
        sums.add(compress(Timeseries(person(np.random.default_rng(0), np.zeros((N_VOXELS, 6))), AXIS, 0.8)))


def test_a_prior_tells_the_networks_of_a_lesion():
    rng = np.random.default_rng(8)
    template = np.tanh(rng.normal(0, 0.4, (3, 10))).astype(np.float32)
    template[:, 9] = 0
    axis = Grayordinates(np.arange(5), np.arange(5))
    prior = Prior(("a", "b", "c"), np.arange(1, 4), np.eye(3), np.full((3, 10), 0.2), axis, template)
    weight = np.array([[0, 1, 2, 0, 0, 0, 0, 0, 0, 5.0]])
    z = np.arctanh(template.astype(float))
    assert np.allclose(prior_connectivity(prior, weight), (z[:, 1] + 2 * z[:, 2]) / 3, atol=1e-6)
    with pytest.raises(PriorError, match="no template in the rows of 1 seed"):
        prior_connectivity(prior, np.eye(10)[9:])
    with pytest.raises(PriorError, match="do not fit 10"):
        prior_connectivity(prior, np.eye(4))
    with pytest.raises(PriorError, match="no connectivity templates"):
        prior_connectivity(replace(prior, fingerprint=None), weight)


# Null lesions


def test_null_lesions_are_connected_and_of_the_same_size_within_the_structure():
    weight = lesion_rows(lesion_at(CM, radius_mm=4), AXIS).weight
    structure = structure_of(AXIS, weight)
    assert structure.name == "CIFTI_STRUCTURE_THALAMUS_RIGHT"
    ijk = AXIS.voxels.ijk[structure.rows - N_CORTEX]
    touching = np.abs(ijk[:, None] - ijk).sum(axis=2) == 1
    assert np.array_equal(structure.touching.toarray() > 0, touching)
    avoid = weight > 0.5
    for scatter in (0.0, 2.0, 50.0):
        lesions = random_lesions(weight, structure, n=25, avoid=avoid, scatter_mm=scatter, rng=np.random.default_rng(9))
        assert lesions.shape == (25, len(AXIS))
        for lesion in lesions.toarray():
            assert np.array_equal(np.sort(lesion[lesion > 0]), np.sort(weight[weight > 0]))
            rows = np.flatnonzero(lesion)
            assert np.isin(rows, structure.rows).all()
            assert not avoid[rows].any()
            member = np.searchsorted(structure.rows, rows)
            parts, _ = sparse.csgraph.connected_components(sparse.csr_array(touching[np.ix_(member, member)]))
            assert parts == 1
    same = [random_lesions(weight, structure, n=3, rng=np.random.default_rng(1)).toarray() for _ in range(2)]
    assert np.array_equal(*same)


def test_growth_is_that_of_a_naive_one_and_round_without_scatter():
    weight = lesion_rows(lesion_at(CM, radius_mm=4), AXIS).weight
    structure = structure_of(AXIS, weight)
    size = int((weight > 0).sum())
    balls = random_lesions(weight, structure, n=40, scatter_mm=0.0, rng=np.random.default_rng(2)).toarray()
    near = structure.touching.toarray() > 0
    rng = np.random.default_rng(2)
    starts = rng.choice(len(structure.rows), size=40)
    for ball, start in zip(balls, starts, strict=True):
        far = np.linalg.norm(structure.xyz_mm - structure.xyz_mm[start], axis=1)
        taken = [start]
        while len(taken) < size:
            rim = np.setdiff1d(np.flatnonzero(near[taken].any(axis=0)), taken)
            taken.append(rim[np.argmin(far[rim])])
        got = np.searchsorted(structure.rows, np.flatnonzero(ball))
        assert far[got].max() == pytest.approx(far[taken].max())
        assert far[got].sum() == pytest.approx(far[taken].sum())
    spread = [
        np.mean(
            [
                XYZ[np.flatnonzero(one) - N_CORTEX].std(axis=0).sum()
                for one in random_lesions(
                    weight, structure, n=40, scatter_mm=scatter, rng=np.random.default_rng(3)
                ).toarray()
            ]
        )
        for scatter in (0.0, 2.0, 30.0)
    ]
    assert spread[0] < spread[1] < spread[2]


def test_structures_without_room_are_refused():
    weight = lesion_rows(lesion_at(CM, radius_mm=4), AXIS).weight
    structure = structure_of(AXIS, weight)
    rng = np.random.default_rng(0)
    everything = np.zeros(len(AXIS), dtype=np.float32)
    everything[structure.rows] = 1
    with pytest.raises(EmptyRegionError, match="is as large as the lesion"):
        random_lesions(everything, structure, avoid=weight > 0, rng=rng)
    with pytest.raises(EmptyRegionError, match="is as large as the lesion"):
        random_lesions(weight, structure, avoid=everything > 0, rng=rng)
    with pytest.raises(EmptyRegionError, match="no size to match"):
        random_lesions(0 * weight, structure, rng=rng)
    with pytest.raises(OptionError, match="1 null lesion or more"):
        random_lesions(weight, structure, n=0, rng=rng)
    with pytest.raises(EmptyRegionError, match="no structure holds 50%"):
        structure_of(AXIS, np.append(np.ones(N_CORTEX), np.full(N_VOXELS, 0.1)))
    with pytest.raises(EmptyRegionError, match="without voxels"):
        structure_of(AXIS.cortex(), np.ones(N_CORTEX))
    with pytest.raises(EmptyRegionError, match="has no row"):
        Structure("nothing", np.zeros(0, dtype=int), np.zeros((0, 3)), sparse.csr_array((0, 0)))


# Overlap


def naive_overlap(map_, target, area, confounds):
    """Difference and partial correlation by weighted regression, row by row of the tables."""
    used = area > 0
    m, p, a = map_[used].astype(float), target[used], area[used]
    design = np.column_stack([np.ones(used.sum()), *[c[used] for c in confounds]])
    root = np.sqrt(a)[:, None]

    def residual(y: np.ndarray) -> np.ndarray:
        return y - design @ np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)[0]

    m, q = residual(m), residual(p)
    difference = np.average(m, weights=a * p) - np.average(m, weights=a * (1 - p))
    cov = np.cov(m, q, aweights=a)
    return difference, cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])


@pytest.mark.parametrize("n_confounds", [0, 2])
def test_overlap_is_that_of_the_naive_way(n_confounds):
    rng = np.random.default_rng(10)
    maps = rng.standard_normal((4, 300)).astype(np.float32) + 0.3
    targets = rng.dirichlet(np.ones(3), 300).T
    area = rng.random(300) * (rng.random(300) > 0.2)
    confounds = rng.standard_normal((n_confounds, 300)) + 2
    difference, correlation = overlap_values(maps, targets, weight=area, confounds=confounds if n_confounds else None)
    for i, map_ in enumerate(maps):
        for k, target in enumerate(targets):
            expected = naive_overlap(map_, target, area, confounds)
            assert difference[i, k] == pytest.approx(expected[0], abs=1e-6)
            assert correlation[i, k] == pytest.approx(expected[1], abs=1e-6)
    order = rng.permutation(300)
    again = overlap_values(
        maps[:, order],
        targets[:, order],
        weight=7 * area[order],
        confounds=confounds[:, order] if n_confounds else None,
    )
    assert np.allclose(again[0], difference, atol=1e-9)
    assert np.allclose(again[1], correlation, atol=1e-9)


def test_a_network_in_the_span_of_the_confounds_cannot_be_told():
    rng = np.random.default_rng(11)
    maps, targets = rng.standard_normal((30, 60)), np.repeat(np.eye(2), 30, axis=1)
    found = network_evidence(
        maps, targets, names=("a", "b"), weight=np.ones(60), confounds={"degree": 3 * targets[0] + 1}
    )
    assert np.isnan(found.p).all()
    assert np.isnan(found.p_max).all()
    assert found.removed == ("degree",)


def test_row_evidence_is_that_of_the_naive_way():
    rng = np.random.default_rng(12)
    maps, area, degree = rng.standard_normal((50, 80)), np.append(np.ones(70), np.zeros(10)), rng.standard_normal(80)
    maps[0, 3] += 8
    found = row_evidence(maps, weight=area, confounds={"degree": degree})
    design = degree[:70, None] - degree[:70].mean()
    rest = maps[:, :70] - (maps[:, :70] @ design / (design**2).sum()) @ design.T
    z = (rest - rest.mean(axis=0)) / rest.std(axis=0)
    assert np.allclose(found.z[:70], z[0], atol=1e-5)
    assert np.isnan(found.z[70:]).all()
    largest = z[1:].max(axis=1)
    assert np.allclose(found.p_max[:70], [(1 + (largest >= one).sum()) / 50 for one in z[0]], atol=1e-6)
    assert found.p_max[3] == pytest.approx(1 / 50)


def test_bad_maps_are_refused():
    rng = np.random.default_rng(13)
    maps, targets, area = rng.standard_normal((5, 20)), np.repeat(np.eye(2), 10, axis=1), np.ones(20)
    names = ("a", "b")
    broken = maps.copy()
    broken[2, 3] = np.nan
    cases = [
        (lambda: network_evidence(maps[:1], targets, names=names, weight=area), InputError, "null lesions, found one"),
        (lambda: row_evidence(maps[:1], weight=area), InputError, "null lesions, found one"),
        (lambda: network_evidence(broken, targets, names=names, weight=area), InputError, "NaN"),
        (lambda: network_evidence(maps, targets, names=names, weight=0 * area), InputError, "some above 0"),
        (lambda: network_evidence(maps, targets[:, :9], names=names, weight=area), InputError, "on the 20 rows"),
        (lambda: network_evidence(maps, 2 * targets, names=names, weight=area), InputError, "from 0 to 1"),
        (lambda: network_evidence(maps, 0 * targets, names=names, weight=area), EmptyRegionError, "no area"),
        (lambda: network_evidence(maps, targets, names=("a",), weight=area), OptionError, "a name for each"),
        (lambda: network_evidence(maps, targets, names=names, weight=area, measure="t"), OptionError, "'difference'"),
    ]
    for call, error, words in cases:
        with pytest.raises(error, match=words):
            call()
    whole = network_evidence(broken, targets, names=names, weight=np.where(np.arange(20) == 3, 0, area))
    assert np.isfinite(whole.p).all()


# What must be found, and what must not


@pytest.mark.parametrize(("centre", "wanted"), [(CM, {"SCAN"}), (VPL, {"foot", "hand", "mouth"})])
def test_the_planted_circuit_is_found(centre, wanted):
    """CM lesion: SCAN and nothing else; VPL lesion: the effectors and nothing else; with degree removed as well."""
    rng = np.random.default_rng(20)
    coupling = planted(rng)
    weight = lesion_rows(lesion_at(centre, radius_mm=3), AXIS).weight
    maps = cohort(seeds(weight, rng, 499), rng, coupling, people=8, hub=COMMON)
    for confounds in ({}, {"degree": maps.degree}, {"degree": maps.degree, "first component": maps.component}):
        found = network_evidence(maps.mean_z, ON_ROWS, names=NAMES, weight=AREA, confounds=confounds)
        assert {name for name, p in zip(NAMES, found.p, strict=True) if p <= 0.05} == wanted
        assert found.p_max[[NAMES.index(name) for name in wanted]].min() <= 0.05
        assert np.nanmax(np.abs(list(found.confound_r.values()) or [0])) <= 1
    if wanted == {"SCAN"}:  # a map like three networks at once is like none of them in shape
        shape = network_evidence(maps.mean_z, ON_ROWS, names=NAMES, weight=AREA, measure="correlation")
        assert {name for name, p in zip(NAMES, shape.p, strict=True) if p <= 0.05} == wanted
    planted_rows = np.isin(NETWORK, [NAMES.index(one) for one in wanted])
    assert (maps.t[0, :N_CORTEX][planted_rows] > 2).mean() > 0.9
    rows = row_evidence(maps.mean_z, weight=AREA, confounds={"degree": maps.degree})
    hit = rows.p_max[:N_CORTEX] <= 0.05
    # The larger the nucleus, the more null lesions lie in it too, and the fewer single rows stand out.
    assert hit[planted_rows].mean() > (0.9 if wanted == {"SCAN"} else 0)
    assert not hit[~planted_rows].any()


def test_lesions_elsewhere_are_nominal_where_degree_fools_the_naive_overlap():
    """240 cohorts, each with a structure of its own and SCAN as a hub that all of the thalamus follows.

    Naively every lesion looks like SCAN; against lesions of its size .05 is at most .07: for SCAN, for all networks,
    for the maximum over networks, with and without degree partialled out.
    """
    rng = np.random.default_rng(21)
    hub = np.array([1.2, 0.3, 0.3, 0.3, 0.3, 0.3])
    size = lesion_rows(lesion_at(np.array([17.0, -22.0, 0.0]), radius_mm=3), AXIS).weight
    structure = structure_of(AXIS, size)
    naive, shapes, alone, removed, family = [], [], [], [], []
    for _ in range(240):
        draws = random_lesions(size, structure, n=100, rng=rng)
        maps = cohort(draws, rng, 0.5 * smooth_coupling(rng), people=2, frames=100, hub=hub, component=False)
        cortex = maps.mean_z[0, :N_CORTEX]
        naive.append(stats.ttest_ind(cortex[NETWORK == 0], cortex[NETWORK != 0], alternative="greater").pvalue)
        shapes.append(stats.pearsonr(cortex, TARGETS[0]).statistic)
        found = network_evidence(maps.mean_z, ON_ROWS, names=NAMES, weight=AREA)
        alone.append(found.p)
        family.append(found.p_max.min())
        without = network_evidence(maps.mean_z, ON_ROWS, names=NAMES, weight=AREA, confounds={"degree": maps.degree})
        removed.append((*without.p, abs(without.value[0]) / abs(found.value[0]), without.confound_r["degree"]))
    alone, removed = np.array(alone), np.array(removed)
    assert np.mean(np.array(naive) <= 0.05) > 0.95
    assert np.mean(shapes) > 0.4
    assert (alone[:, 0] <= 0.05).mean() <= 0.07
    assert 0.02 <= (alone <= 0.05).mean() <= 0.07
    assert np.mean(np.array(family) <= 0.05) <= 0.07
    assert (removed[:, 0] <= 0.05).mean() <= 0.07
    assert (removed[:, : len(NAMES)] <= 0.05).mean() <= 0.07
    assert np.median(removed[:, -2]) < 0.5
    assert np.median(removed[:, -1]) > 0.5


# Symptoms


def test_symptom_maps_are_those_of_ordinary_regression():
    rng = np.random.default_rng(30)
    maps, score, size = rng.standard_normal((20, 15)), rng.standard_normal(20), rng.standard_normal((20, 1))
    maps[:, 4] = 1.0
    found = symptom_evidence(maps, score, covariates=size, n=50, rng=rng)
    for row in (0, 7, 14):
        design = np.column_stack([np.ones(20), size, maps[:, row]])
        beta, rss, *_ = np.linalg.lstsq(design, score, rcond=None)
        error = np.sqrt(rss[0] / 17 * np.linalg.inv(design.T @ design)[2, 2])
        assert found.t[row] == pytest.approx(beta[2] / error, rel=1e-4)
    assert found.t[4] == 0
    assert found.p_max[4] == 1
    assert found.freedom == 17
    expected = [(1 + (found.largest >= abs(t) - 1e-6).sum()) / 51 for t in found.t]
    assert np.allclose(found.p_max, expected, atol=1e-6)


def test_a_symptom_is_found_and_noise_is_not():
    rng = np.random.default_rng(31)
    maps = rng.standard_normal((24, 200))
    score = maps[:, 9] + 0.3 * rng.standard_normal(24)
    found = symptom_evidence(maps, score, n=500, rng=rng)
    assert np.flatnonzero(found.p_max <= 0.05).tolist() == [9]
    size = rng.standard_normal((24, 1))
    false = [
        symptom_evidence(maps, size[:, 0] + rng.standard_normal(24), covariates=size, n=99, rng=rng).p_max.min() <= 0.05
        for _ in range(300)
    ]
    assert np.mean(false) <= 0.07


def test_symptoms_that_cannot_be_tested_are_refused():
    rng = np.random.default_rng(32)
    maps, score = rng.standard_normal((10, 5)), rng.standard_normal(10)
    for call, words in (
        (lambda: symptom_evidence(maps[:5], score[:5], rng=rng), "5 lesions are too few"),
        (lambda: symptom_evidence(maps, np.ones(10), rng=rng), "does not vary"),
        (lambda: symptom_evidence(maps, score, covariates=score[:, None], rng=rng), "does not vary"),
        (lambda: symptom_evidence(maps[:9], score, rng=rng), "a map and covariates for each"),
        (lambda: symptom_evidence(np.full((10, 5), np.nan), score, rng=rng), "NaN"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    with pytest.raises(OptionError, match="1 order of the labels"):
        symptom_evidence(maps, score, n=0, rng=rng)


def test_degree_and_component_of_few_dimensions():
    data = np.zeros((2, 4), dtype=np.float32)
    data[0, :3] = 1
    valid = np.array([True, True, True, False])
    assert np.allclose(degree_of(data, valid), [1, 1, 1, 0])
    assert np.allclose(component_of(data), [1, 1, 1, 0])
