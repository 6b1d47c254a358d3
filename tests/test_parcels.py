"""Parcels in place of vertices: against loops over members, round trips, and real parcel series."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ParcelsAxis, ScalarAxis, SeriesAxis
from scipy.spatial import ConvexHull
from threadpoolctl import threadpool_limits

from actionloop import files, signal
from actionloop.brain.parcels import label_parcels, make_parcels
from actionloop.errors import ActionloopError, GeometryError, InputError, PriorError, ResourceError, SignalError
from actionloop.networks.group import prior_parameters
from actionloop.networks.iterative import map_iterative
from actionloop.networks.parcels import Parcels, expand, parcellate_prior
from actionloop.types import HEMISPHERES, Grayordinates, Hemisphere, NetworkMap, Prior, Surface, Timeseries, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; set ACTIONLOOP_DATA")
PTSERIES = DATA / "parcellated_rest" / "dcan_ptseries" / "Av_318_FNL_preproc_Gordon_subcortical.ptseries.nii"
GLASSER = DATA / "parcellated_rest" / "hcp_glasser360"
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
N_MESH = 150
N_PARCELS = 12


@pytest.fixture(scope="session")
def fetched() -> None:
    try:
        files.require(groups=["plan"])
    except ResourceError as error:
        pytest.skip(str(error))


@cache
def ball(hemisphere: Hemisphere) -> Surface:
    """A closed mesh of points on a sphere, on its side of the midline."""
    rng = np.random.default_rng(HEMISPHERES.index(hemisphere))
    points = rng.standard_normal((N_MESH, 3))
    points *= 30 / np.linalg.norm(points, axis=1)[:, None]
    faces = ConvexHull(points).simplices
    points[:, 0] += -40 if hemisphere == "L" else 40
    return Surface(points, faces.astype(np.int64), hemisphere, "midthickness", "made up")


SURFACES = {side: ball(side) for side in HEMISPHERES}
CORTEX = Grayordinates(np.arange(10, N_MESH), np.arange(0, N_MESH - 25), N_MESH)
VOXELS = Voxels(np.array([[0, 0, 0], [1, 0, 0]]), np.array(["THALAMUS"] * 2), np.eye(4), (2, 2, 2))


def membership(seed: int = 0) -> list[np.ndarray]:
    """Rows of each parcel: nearest of some centres, in a shuffled order of left and right; some rows in none."""
    rng = np.random.default_rng(seed)
    members = []
    for side in HEMISPHERES:
        points = SURFACES[side].vertices[CORTEX.vertices(side)]
        centres = points[rng.choice(len(points), N_PARCELS // 2, replace=False)]
        nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
        free = rng.random(len(points)) < 0.15
        members += [CORTEX.rows(side).start + np.flatnonzero((nearest == i) & ~free) for i in range(N_PARCELS // 2)]
    order = rng.permutation(N_PARCELS)
    return [rng.permutation(members[i]) for i in order]


def some_parcels(seed: int = 0) -> tuple[Parcels, np.ndarray, list[np.ndarray]]:
    members = membership(seed)
    parcels, order = make_parcels([f"parcel {i}" for i in range(N_PARCELS)], members, CORTEX, SURFACES)
    return parcels, order, members


def a_prior(axis: Grayordinates = CORTEX) -> Prior:
    rng = np.random.default_rng(2)
    probability = rng.dirichlet(np.ones(4), len(axis)).T.astype(np.float32)
    probability[:, ::9] = 0
    fingerprint = rng.uniform(-1, 1, (4, len(axis))).astype(np.float32)
    fingerprint[:, 3:40:4] = 0
    names = ("SCAN", "AMN", "hand", "foot")
    return Prior(names, np.array([7, 2, 3, 9]), rng.random((4, 3)), probability, axis, fingerprint, "here")


# ---- the parcels themselves


def test_a_parcel_is_stood_for_by_the_member_nearest_to_its_centroid() -> None:
    parcels, order, members = some_parcels()
    vertices = []
    for rows in members:
        side: Hemisphere = "L" if rows.max() < len(CORTEX.left) else "R"
        own = CORTEX.vertices(side)[rows - CORTEX.rows(side).start]
        surface = SURFACES[side]
        area = np.zeros(N_MESH)
        for face in surface.faces:
            a, b, c = surface.vertices[face]
            area[face] += np.linalg.norm(np.cross(b - a, c - a)) / 6
        centroid = np.average(surface.vertices[own], axis=0, weights=area[own])
        nearest = own[np.linalg.norm(surface.vertices[own] - centroid, axis=1).argmin()]
        vertices.append((HEMISPHERES.index(side), int(nearest)))
    assert sorted(range(N_PARCELS), key=vertices.__getitem__) == order.tolist()
    found = [(0, int(v)) for v in parcels.axis.left] + [(1, int(v)) for v in parcels.axis.right]
    assert found == [vertices[i] for i in order]
    assert parcels.names == tuple(f"parcel {i}" for i in order)
    for parcel, i in enumerate(order):
        np.testing.assert_array_equal(parcels.members[parcel], np.sort(members[i]))
        assert set(np.flatnonzero(parcels.owner == parcel)) == set(members[i])
    assert (parcels.owner < 0).sum() == len(CORTEX) - sum(map(len, members))


def test_order_of_parcels_does_not_matter() -> None:
    parcels, _, members = some_parcels()
    turned = np.random.default_rng(5).permutation(N_PARCELS)
    again, order = make_parcels([f"parcel {i}" for i in turned], [members[i] for i in turned], CORTEX, SURFACES)
    assert again.names == parcels.names
    np.testing.assert_array_equal(again.owner, parcels.owner)
    assert [f"parcel {turned[i]}" for i in order] == list(parcels.names)


def test_parcels_of_an_atlas_and_across_the_midline() -> None:
    parcels, _, members = some_parcels()
    label = np.zeros(len(CORTEX), dtype=int)
    for i, rows in enumerate(members):
        label[rows] = 10 * i + 5
    named = {10 * i + 5: f"parcel {i}" for i in range(N_PARCELS)}
    again, order = label_parcels(label, named, CORTEX, SURFACES)
    assert again.names == parcels.names == tuple(f"parcel {i}" for i in order)
    np.testing.assert_array_equal(again.owner, parcels.owner)
    with pytest.raises(GeometryError, match="without any row: nowhere"):
        label_parcels(label, {**named, 999: "nowhere"}, CORTEX, SURFACES)
    with pytest.raises(GeometryError, match="labels of shape"):
        label_parcels(label[1:], named, CORTEX, SURFACES)
    both, _ = make_parcels(["a", "b"], [np.array([0, 150, 151]), np.array([1, 2, 152])], CORTEX, SURFACES)
    assert both.names == ("b", "a")  # a has more rows on the right, b on the left
    np.testing.assert_array_equal([len(both.axis.left), len(both.axis.right)], [1, 1])


def test_bad_parcels() -> None:
    parcels, _, members = some_parcels()
    names = list(parcels.names)
    axis = Grayordinates(parcels.axis.left + 1, parcels.axis.right, N_MESH)

    def make(members: list[np.ndarray], cortex: Grayordinates = CORTEX) -> object:
        return make_parcels([f"parcel {i}" for i in range(len(members))], members, cortex, SURFACES)

    small = Grayordinates(np.arange(9), np.arange(9), 90)
    bad: list[tuple[str, Callable[[], object]]] = [
        ("without any row: parcel 3", lambda: make([*members[:3], np.array([], int), *members[4:]])),
        ("in more than one parcel", lambda: make([np.array([1, 2, 3, 4]), np.array([4, 5, 6, 7])])),
        ("share a vertex", lambda: make([np.array([1]), np.array([1])])),
        ("holds rows outside", lambda: make([*members[:-1], np.array([len(CORTEX)])])),
        ("1 names were given for 12", lambda: make_parcels(["a"], members, CORTEX, SURFACES)),
        ("mesh of 90", lambda: make([np.array([0])], small)),
        ("does not belong to", lambda: replace(parcels, axis=axis)),
        ("does not belong to", lambda: replace(parcels, members=parcels.members[::-1])),
        ("one name, vertex", lambda: replace(parcels, names=tuple(names[1:]))),
        ("found voxels", lambda: replace(parcels, cortex=Grayordinates(CORTEX.left, CORTEX.right, N_MESH, VOXELS))),
    ]
    for words, act in bad:
        with pytest.raises(GeometryError, match=words):
            act()


# ---- prior, series, map


@pytest.mark.parametrize("voxels", [None, VOXELS])
def test_prior_of_parcels_against_a_loop(voxels: Voxels | None) -> None:
    parcels, _, _ = some_parcels()
    prior = a_prior(Grayordinates(CORTEX.left, CORTEX.right, N_MESH, voxels))
    made = parcellate_prior(prior, parcels)
    assert made.grayordinates is parcels.axis and "12 parcels" in made.source
    assert prior.fingerprint is not None and made.fingerprint is not None
    for parcel, rows in enumerate(parcels.members):
        mean = np.mean([prior.probability[:, row] for row in rows], axis=0)
        np.testing.assert_allclose(made.probability[:, parcel], mean / mean.sum(), atol=1e-6)
        known = [prior.fingerprint[:, row] for row in rows if prior.fingerprint[:, row].any()]
        np.testing.assert_allclose(made.fingerprint[:, parcel], np.mean(known, axis=0), atol=1e-6)
    assert parcellate_prior(replace(prior, fingerprint=None), parcels).fingerprint is None
    # a vertex that stands for a parcel may be a seed, but its profile is not the parcel's
    trained = replace(prior, group=prior_parameters(prior, n_seeds=20))
    assert parcellate_prior(trained, parcels).group is None


def test_prior_of_parcels_that_know_nothing() -> None:
    parcels, _, _ = some_parcels()
    prior = a_prior()
    prior.probability[:, parcels.members[2]] = 0
    prior.fingerprint[:, parcels.members[2]] = 0  # type: ignore[index]
    made = parcellate_prior(prior, parcels)
    assert not made.probability[:, 2].any() and not made.fingerprint[:, 2].any()  # type: ignore[index]
    np.testing.assert_allclose(np.delete(made.probability.sum(axis=0), 2), 1, atol=1e-6)
    prior.probability[1, parcels.owner >= 0] = 0
    with pytest.raises(PriorError, match="no parcel has: AMN"):
        parcellate_prior(prior, parcels)
    with pytest.raises(PriorError, match="10 cortical rows and the parcels lie on 265"):
        parcellate_prior(a_prior(Grayordinates(np.arange(5), np.arange(5), N_MESH)), parcels)


def map_of(axis: Grayordinates, names: tuple[str, ...] = ("SCAN", "AMN")) -> NetworkMap:
    rng = np.random.default_rng(4)
    probability = rng.random((2, len(axis))).astype(np.float32)
    label = rng.choice([0, 5, 8], len(axis))
    return NetworkMap(
        names, np.array([5, 8]), rng.random((2, 3)), probability, label, probability.max(axis=0), axis, "m", {"a": 1}
    )


def test_map_back_on_the_vertices_against_a_loop() -> None:
    parcels, _, _ = some_parcels()
    own = map_of(parcels.axis)
    # onto other rows of the same mesh: some in no parcel, some outside the cortex of the parcels, and voxels
    axis = Grayordinates(np.arange(0, N_MESH, 3), np.arange(1, N_MESH), N_MESH, VOXELS)
    made = expand(own, parcels, axis)
    holder: dict[tuple[str, int], int] = {}
    for parcel, rows in enumerate(parcels.members):
        for row in rows:
            left = row < len(CORTEX.left)
            holder["L" if left else "R", int(CORTEX.left[row] if left else CORTEX.right[row - len(CORTEX.left)])] = (
                parcel
            )
    places = [("L", int(v)) for v in axis.left] + [("R", int(v)) for v in axis.right] + [("V", 0), ("V", 1)]
    assert 0 < sum(place in holder for place in places) < len(places)
    for row, place in enumerate(places):
        if place in holder:
            parcel = holder[place]
            assert made.label[row] == own.label[parcel] and made.confidence[row] == own.confidence[parcel]
            np.testing.assert_array_equal(made.probability[:, row], own.probability[:, parcel])
        else:
            assert made.label[row] == made.confidence[row] == 0 and not made.probability[:, row].any()
    assert made.settings == {"a": 1, "parcels": 12} and made.names == own.names
    with pytest.raises(GeometryError, match="map of 12 parcels, found 265 rows"):
        expand(map_of(CORTEX), parcels, CORTEX)
    with pytest.raises(GeometryError, match="cannot be carried"):
        expand(own, parcels, Grayordinates(np.arange(3), np.arange(3)))


def test_there_and_back() -> None:
    parcels, _, _ = some_parcels()
    own = map_of(parcels.axis)
    own.label[own.label == 0] = 5
    on_vertices = expand(own, parcels, CORTEX)
    again = expand(replace(own, label=on_vertices.label[[rows[0] for rows in parcels.members]]), parcels, CORTEX)
    np.testing.assert_array_equal(again.label, on_vertices.label)
    assert ((on_vertices.label > 0) == (parcels.owner >= 0)).all()
    one_hot = (on_vertices.label == own.keys[:, None]).astype(np.float32)
    prior = Prior(own.names, own.keys, own.colours, one_hot, CORTEX)
    back = parcellate_prior(prior, parcels)
    np.testing.assert_array_equal(back.keys[back.probability.argmax(axis=0)], own.label)


# ---- .ptseries.nii


def surface_part(vertices: np.ndarray, side: str, n_vertices: int = 32_492) -> BrainModelAxis:
    return BrainModelAxis.from_surface(vertices, n_vertices, name=f"CIFTI_STRUCTURE_CORTEX_{side}")


def voxel_part() -> BrainModelAxis:
    mask = np.zeros((91, 109, 91), dtype=bool)
    mask[40:42, 50, 30] = True
    return BrainModelAxis.from_mask(mask, affine=AFFINE, name="CIFTI_STRUCTURE_THALAMUS_LEFT")


def parcels_axis(n_vertices: int = 32_492) -> ParcelsAxis:
    """Right, voxels, left, left with medial wall, medial wall alone."""
    wall = np.setdiff1d(np.arange(32_492), files.template_grayordinates().left)
    left, right = files.template_grayordinates().left, files.template_grayordinates().right
    return ParcelsAxis.from_brain_models(
        [
            ("R one", surface_part(right[100:140], "RIGHT", n_vertices)),
            ("THALAMUS", voxel_part()),
            ("L two", surface_part(left[5000:5030], "LEFT", n_vertices)),
            ("L one", surface_part(np.union1d(left[:20], wall[:7]), "LEFT", n_vertices)),
            ("wall", surface_part(wall[20:30], "LEFT", n_vertices)),
        ]
    )


def write_ptseries(path: Path, axis: Any = None, *, first: Any = None, data: np.ndarray | None = None) -> Path:
    axis = parcels_axis() if axis is None else axis
    first = SeriesAxis(0, 0.8, 30) if first is None else first
    if data is None:
        data = np.random.default_rng(6).standard_normal((len(first), len(axis))).astype(np.float32)
    Cifti2Image(data, (first, axis)).to_filename(path)
    return path


@pytest.mark.usefixtures("fetched")
def test_ptseries_round_trip(tmp_path: Path) -> None:
    path = write_ptseries(tmp_path / "a.ptseries.nii")
    series, parcels = files.read_ptseries(path)
    stored = np.asarray(nib.load(path).dataobj)
    assert set(parcels.names) == {"L one", "L two", "R one"}
    for column, name in ((0, "R one"), (2, "L two"), (3, "L one")):
        np.testing.assert_array_equal(series.data[:, parcels.names.index(name)], stored[:, column])
    assert series.tr_s == pytest.approx(0.8) and series.source == str(path)
    assert series.steps == ("2 parcels without cortex left out (THALAMUS, wall)",)
    cortex = files.template_grayordinates()
    assert parcels.cortex.same_cortex(cortex) and series.grayordinates is parcels.axis
    np.testing.assert_array_equal(parcels.members[parcels.names.index("L one")], np.arange(20))
    right = parcels.members[parcels.names.index("R one")]
    np.testing.assert_array_equal(right, len(cortex.left) + np.arange(100, 140))
    assert len(parcels.axis.left) == 2 and parcels.axis.right[0] in cortex.right[100:140]
    assert files.read_ptseries(path, tr_s=2.2)[0].tr_s == 2.2


@pytest.mark.usefixtures("fetched")
def test_bad_ptseries(tmp_path: Path) -> None:
    path = tmp_path / "a.ptseries.nii"
    left = files.template_grayordinates().left

    def parts(*models: BrainModelAxis) -> Callable[[], Path]:
        return lambda: write_ptseries(path, ParcelsAxis.from_brain_models(list(zip("abc", models, strict=False))))

    bad: list[tuple[type[ActionloopError], str, Callable[[], Path]]] = [
        (InputError, "found maps of parcels", lambda: write_ptseries(path, first=ScalarAxis(["a"]))),
        (InputError, "found a dense series", lambda: write_ptseries(path, surface_part(left[:9], "LEFT"))),
        (GeometryError, "10,242 .fsaverage5", parts(surface_part(left[:9], "LEFT", 10_242))),
        (GeometryError, "no cortical parcel", parts(voxel_part())),
        (GeometryError, "3 rows lie in more", parts(surface_part(left[:9], "LEFT"), surface_part(left[6:20], "LEFT"))),
        (SignalError, "HERTZ", lambda: write_ptseries(path, first=SeriesAxis(0, 1, 30, unit="hertz"))),
        (SignalError, "milliseconds", lambda: write_ptseries(path, first=SeriesAxis(0, 720, 30))),
        (SignalError, "NaN", lambda: write_ptseries(path, data=np.full((30, 5), np.nan, "f4"))),
    ]
    for error, words, make in bad:
        make()
        with pytest.raises(error, match=words) as caught:
            files.read_ptseries(path)
        assert caught.value.where == str(path), words
    write_ptseries(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="truncated"):
        files.read_ptseries(path)
    with pytest.raises(InputError, match="does not exist"):
        files.read_ptseries(tmp_path / "absent.ptseries.nii")


# ---- real people, real parcellations


def default_prior() -> Prior:
    from actionloop.pipeline.priors import choose_prior

    return choose_prior(None, files.template_grayordinates())


def map_parcels(series: Timeseries, prior: Prior) -> NetworkMap:
    with threadpool_limits(limits=1, user_api="blas"):
        return map_iterative(signal.compress(series), prior, None)


def midthickness() -> dict[Hemisphere, Surface]:
    return {side: files.template_anatomy().surface(side) for side in HEMISPHERES}


@pytest.mark.usefixtures("fetched")
def test_a_prior_on_400_parcels() -> None:
    _, label = files.schaefer_fc(400)
    parcels, order = label_parcels(
        label, {key: f"Schaefer {key}" for key in range(1, 401)}, files.template_grayordinates(), midthickness()
    )
    assert len(parcels) == 400 and len(parcels.axis.left) == 200
    np.testing.assert_array_equal(np.sort(order), np.arange(400))
    prior = default_prior()
    small = parcellate_prior(prior, parcels)
    np.testing.assert_allclose(small.probability.sum(axis=0), 1, atol=1e-6)
    # the default prior's fingerprints are those of these very parcels: averaging gives them back
    assert prior.fingerprint is not None and small.fingerprint is not None
    rows = [members[0] for members in parcels.members]
    np.testing.assert_allclose(small.fingerprint, prior.fingerprint[:, rows], atol=1e-5)
    for name in ("SCAN", "AMN"):
        assert (small.probability.argmax(axis=0) == small.index(name)).sum() > 3, name


@real_data
@pytest.mark.usefixtures("fetched")
def test_real_ptseries_is_read_and_mapped() -> None:
    series, parcels = files.read_ptseries(PTSERIES)
    image = nib.load(PTSERIES)
    stored, names = np.asarray(image.dataobj), image.header.get_axis(1).name.tolist()
    assert (len(names), len(parcels), series.n_frames, series.tr_s) == (352, 333, 600, 2.0)
    assert series.steps[0].startswith("19 parcels without cortex left out (CEREBELLUM_LEFT")
    for parcel, name in enumerate(parcels.names):
        np.testing.assert_array_equal(series.data[:, parcel], stored[:, names.index(name)].astype(np.float32))
        assert ("_L_" in name) == (parcel < len(parcels.axis.left))
    made = map_parcels(series, parcellate_prior(default_prior(), parcels))
    # the atlas names the network that each parcel has in a group: an independent answer
    theirs = [files.network_name(name) for name in parcels.names]
    ours = [made.names[made.keys.tolist().index(key)] if key else "" for key in made.label]
    for name, least in (("AMN", 0.5), ("hand", 0.4), ("auditory", 0.6), ("default", 0.45), ("visual", 0.7)):
        group = {i for i, one in enumerate(theirs) if one == name}
        own = {i for i, one in enumerate(ours) if one.startswith(name)}
        assert 2 * len(group & own) / (len(group) + len(own)) > least, name
    on_vertices = expand(made, parcels, files.template_grayordinates())
    assert (on_vertices.label > 0).sum() == sum(map(len, parcels.members))


def read_glasser(path: Path) -> np.ndarray:
    """(frame, area) series of a person; areas in the order of the mmp atlas's keys, the left ones first."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path) as file:
        return np.asarray(file["restdata"]).T


@real_data
@pytest.mark.usefixtures("fetched")
def test_glasser_files_hold_the_left_areas_first() -> None:
    # Group connectivity from another source, averaged over the areas, fits better this way round in every person.
    group_fc, schaefer = files.schaefer_fc(400)
    mmp, _ = files.atlas("mmp")
    both = (schaefer > 0) & (mmp > 0)
    share = np.zeros((360, 400))
    np.add.at(share, (mmp[both] - 1, schaefer[both] - 1), 1)
    share /= share.sum(axis=1, keepdims=True)
    expected = share @ np.arctanh(group_fc * (1 - np.eye(400))) @ share.T
    upper = np.triu_indices(360, 1)
    turned = np.r_[180:360, 0:180]
    paths = sorted(GLASSER.glob("*.h5"))
    assert len(paths) == 4
    for path in paths:
        fc = np.corrcoef(read_glasser(path).T)
        fc = np.arctanh(fc * (1 - np.eye(360)))
        as_is = np.corrcoef(expected[upper], fc[upper])[0, 1]
        exchanged = np.corrcoef(expected[upper], fc[turned][:, turned][upper])[0, 1]
        assert as_is > exchanged + 0.01
        assert as_is > 0.65
        # and areas have the same order on both sides: each runs with its counterpart
        across = fc[:180, 180:]
        assert np.diag(across).mean() > across.mean() + 0.25


@real_data
@pytest.mark.usefixtures("fetched")
def test_real_people_on_360_areas() -> None:
    label, names = files.atlas("mmp")
    parcels, order = label_parcels(label, names, files.template_grayordinates(), midthickness())
    assert (len(parcels), len(parcels.axis.left)) == (360, 180)
    prior = parcellate_prior(default_prior(), parcels)
    expected = prior.probability.argmax(axis=0)
    for path in sorted(GLASSER.glob("*.h5")):
        series = Timeseries(read_glasser(path)[:, order].astype(np.float32), parcels.axis, 0.72, str(path))
        made = map_parcels(series, prior)
        assert (made.label > 0).all()
        agreement = (made.label == prior.keys[expected]).mean()
        assert 0.4 < agreement < 1, (path.name, agreement)
        for area, network in (("L_V1", "visual"), ("R_V1", "visual"), ("L_FOP4", "AMN"), ("R_FOP4", "AMN")):
            key = made.label[parcels.names.index(area)]
            assert made.names[made.keys.tolist().index(key)].startswith(network), (path.name, area)
