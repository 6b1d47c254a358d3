"""Resampling between spheres, sulcal depth, and what only shows on real cortex."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from actionloop.brain import (
    Geodesic,
    apply_weights,
    oriented_sulc,
    require_consistent_hemispheres,
    smooth,
    sphere_triangles,
    sphere_weights,
    sulcal_depth,
    vertex_areas,
    vertex_normals,
)
from actionloop.errors import GeometryError, ResourceError
from actionloop.types import Anatomy, Surface

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


def fibonacci(n: int, turn: int = 0) -> np.ndarray:
    """Points spread evenly over the unit sphere, turned at random."""
    z = 1 - (2 * np.arange(n) + 1) / n
    angle = np.arange(n) * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    return (
        np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
        @ Rotation.random(random_state=turn).as_matrix()
    )


def sphere(n: int, turn: int = 0, radius: float = 100.0) -> Surface:
    points = fibonacci(n, turn)
    return Surface(points * radius, sphere_triangles(points), "L", "sphere", "test")


def harmonic(surface: Surface) -> np.ndarray:
    x, y, z = surface.vertices.T / np.linalg.norm(surface.vertices, axis=1)
    return np.stack([x, y * z, x * y + z**2])


few = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 1000)


# ---- triangulation


@few
@given(seeds)
def test_triangles_cover_the_sphere_once_and_face_outward(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(200, 3))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    faces = sphere_triangles(unit * rng.uniform(70, 100, (200, 1)))
    a, b, c = (unit[faces[:, k]] for k in range(3))
    volume = np.einsum("fi,fi->f", a, np.cross(b, c))
    solid = 2 * np.arctan2(volume, 1 + (a * b).sum(1) + (b * c).sum(1) + (c * a).sum(1))
    assert (solid > 0).all()
    assert solid.sum() == pytest.approx(4 * np.pi)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_triangles_do_not_depend_on_vertex_order() -> None:
    points, order = fibonacci(300), np.random.default_rng(0).permutation(300)
    one = {frozenset(face) for face in sphere_triangles(points).tolist()}
    other = {frozenset(order[face].tolist()) for face in sphere_triangles(points[order])}
    assert one == other


@pytest.mark.parametrize(
    "points",
    [
        np.ones((3, 3)),
        np.zeros((10, 2)),
        np.c_[fibonacci(20)[:, :2], np.zeros(20)] + [5, 0, 0],
        np.repeat(fibonacci(20), 2, axis=0),
        np.abs(fibonacci(50)),
        np.full((10, 3), np.nan),
    ],
    ids=["few", "flat", "plane", "twice", "octant", "nan"],
)
def test_triangles_refuse_what_is_no_sphere(points: np.ndarray) -> None:
    with pytest.raises(GeometryError):
        sphere_triangles(points)


# ---- weights


def by_rays(source: Surface, target: Surface) -> np.ndarray:
    """Dense barycentric weights where the ray through each target vertex meets the source mesh."""
    weights = np.zeros((target.n_vertices, source.n_vertices))
    for row, point in enumerate(target.vertices):
        corner = np.swapaxes(source.vertices[source.faces], 1, 2)
        share = np.linalg.solve(corner, np.broadcast_to(point, (len(corner), 3))[..., None])[..., 0]
        inside = np.argmax(share.min(axis=1))
        weights[row, source.faces[inside]] = share[inside] / share[inside].sum()
    return weights


@pytest.mark.parametrize(("n_source", "n_target"), [(300, 700), (700, 300)])
def test_barycentric_weights_match_rays(n_source: int, n_target: int) -> None:
    source, target = sphere(n_source, 1, radius=80), sphere(n_target, 2)
    found = sphere_weights(source, target).toarray()
    # The nearest point of a flat face and the point below the ray differ by the face's tilt; less on finer meshes.
    np.testing.assert_allclose(found, by_rays(source, target), atol=0.02)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.min() >= 0


@pytest.mark.parametrize("method", ["barycentric", "adaptive", "nearest"])
def test_a_mesh_onto_itself_changes_nothing(method: Any) -> None:
    surface = sphere(500)
    area = np.random.default_rng(0).uniform(1, 2, 500)
    weights = sphere_weights(surface, surface, method=method, source_area=area, target_area=area)
    np.testing.assert_allclose(weights.toarray(), np.eye(500), atol=1e-9)


@pytest.mark.parametrize("method", ["barycentric", "adaptive", "nearest"])
@pytest.mark.parametrize(("n_source", "n_target"), [(2000, 6000), (6000, 2000), (3000, 3000)])
def test_smooth_maps_survive(method: Any, n_source: int, n_target: int) -> None:
    source, target = sphere(n_source, 1), sphere(n_target, 2, radius=1)
    weights = sphere_weights(
        source, target, method=method, source_area=vertex_areas(source), target_area=vertex_areas(target)
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    error = np.abs(apply_weights(weights, harmonic(source)) - harmonic(target))
    assert error.max() < {"nearest": 0.1, "adaptive": 0.05, "barycentric": 0.01}[method]


def test_adaptive_weights_use_every_source_vertex_when_the_target_is_coarser() -> None:
    source, target = sphere(5000, 1), sphere(300, 2)
    weights = sphere_weights(
        source, target, method="adaptive", source_area=vertex_areas(source), target_area=vertex_areas(target)
    )
    assert (weights.sum(axis=0) > 0).all()
    assert not (sphere_weights(source, target).sum(axis=0) > 0).all()


def test_adaptive_weights_follow_source_area() -> None:
    source, target = sphere(3000, 1), sphere(100, 2)
    area = np.where(source.vertices[:, 0] > 0, 9.0, 1.0)
    heavy = sphere_weights(source, target, method="adaptive", source_area=area, target_area=vertex_areas(target))
    equal = sphere_weights(
        source, target, method="adaptive", source_area=0 * area + 1, target_area=vertex_areas(target)
    )
    side = (source.vertices[:, 0] > 0).astype(float)
    mixed = (apply_weights(equal, side) > 0.1) & (apply_weights(equal, side) < 0.9)
    assert mixed.sum() > 3
    share = apply_weights(equal, side)[mixed]
    np.testing.assert_allclose(apply_weights(heavy, side)[mixed], 9 * share / (1 + 8 * share), atol=1e-9)


def test_nearest_takes_the_nearest() -> None:
    source, target = sphere(200, 1), sphere(300, 2)
    apart = np.linalg.norm(source.vertices[None] - target.vertices[:, None], axis=2)
    labels = np.arange(200)
    np.testing.assert_array_equal(
        apply_weights(sphere_weights(source, target, method="nearest"), labels), apart.argmin(axis=1)
    )


@pytest.mark.parametrize("method", ["barycentric", "adaptive", "nearest"])
def test_invalid_sources_never_leak(method: Any) -> None:
    source, target = sphere(900, 1), sphere(1500, 2)
    valid = source.vertices[:, 2] < 40
    areas = {"source_area": vertex_areas(source), "target_area": vertex_areas(target)}
    weights = sphere_weights(source, target, method=method, source_valid=valid, **areas)
    total = weights.sum(axis=1)
    assert (np.isclose(total, 1) | (total == 0)).all()
    assert (total[target.vertices[:, 2] < 30] > 0).all()
    assert (total[target.vertices[:, 2] > 60] == 0).all()
    carried = apply_weights(weights, np.where(valid, 2.0, 1e9))
    np.testing.assert_allclose(carried, np.where(total > 0, 2, 0))
    assert not sphere_weights(source, target, method=method, source_valid=np.zeros(900, bool), **areas).nnz


@few
@given(seeds)
@pytest.mark.parametrize("method", ["barycentric", "adaptive"])
def test_weights_follow_vertex_order_rotation_and_mirror(method: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = sphere(150, seed), sphere(220, seed + 1)
    areas = {"source_area": rng.uniform(1, 3, 150), "target_area": rng.uniform(1, 3, 220)}
    expected = sphere_weights(source, target, method=method, **areas).toarray()
    order = rng.permutation(150)
    shuffled = replace(source, vertices=source.vertices[order], faces=np.argsort(order)[source.faces])
    found = sphere_weights(shuffled, target, method=method, **(areas | {"source_area": areas["source_area"][order]}))
    np.testing.assert_allclose(found.toarray(), expected[:, order], atol=1e-6)
    turn = Rotation.random(random_state=seed).as_matrix()
    one, other = (replace(s, vertices=s.vertices @ turn) for s in (source, target))
    np.testing.assert_allclose(sphere_weights(one, other, method=method, **areas).toarray(), expected, atol=1e-6)
    one, other = (replace(s, vertices=s.vertices * [-1, 1, 1], faces=s.faces[:, ::-1]) for s in (source, target))
    np.testing.assert_allclose(sphere_weights(one, other, method=method, **areas).toarray(), expected, atol=1e-6)


def test_applying_weights_keeps_kind_and_leading_axes() -> None:
    weights = sphere_weights(sphere(60), sphere(40, 1))
    data = np.random.default_rng(0).normal(size=(2, 3, 60)).astype(np.float32)
    found = apply_weights(weights, data)
    assert found.shape == (2, 3, 40)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, data @ weights.toarray().T, atol=1e-5)
    for bad in (np.ones(40), np.array(1.0)):
        with pytest.raises(GeometryError, match="60 source vertices"):
            apply_weights(weights, bad)


def test_weights_refuse_what_does_not_fit() -> None:
    source, target = sphere(60), sphere(40, 1)
    with pytest.raises(GeometryError, match="hemisphere"):
        sphere_weights(source, replace(target, hemisphere="R"))
    with pytest.raises(GeometryError, match="needs source_area"):
        sphere_weights(source, target, method="adaptive")
    with pytest.raises(GeometryError, match="target_area of shape"):
        sphere_weights(source, target, method="adaptive", source_area=np.ones(60), target_area=np.ones(60))
    with pytest.raises(GeometryError, match="source_valid"):
        sphere_weights(source, target, source_valid=np.ones(40, bool))
    with pytest.raises(GeometryError, match="unknown"):
        sphere_weights(source, target, method="cubic")  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="not a sphere"):
        sphere_weights(replace(source, vertices=source.vertices * [1, 3, 1]), target)
    with pytest.raises(GeometryError, match="not a sphere"):
        sphere_weights(source, replace(target, vertices=target.vertices + 90))


# ---- real cortex


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    from actionloop import files

    try:
        return files.template_anatomy()
    except ResourceError as error:
        pytest.skip(f"template surfaces are not fetched: {error.problem}")


@pytest.fixture(scope="module")
def fsaverage5(anatomy: Anatomy) -> Surface:
    from actionloop import files

    try:
        return files.fsaverage_sphere("L", level=5)
    except ResourceError as error:
        pytest.skip(f"fsaverage spheres are not fetched: {error.problem}")


class Workbench:
    """Runs wb_command on arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def surface(self, surface: Surface, kind: str) -> str:
        return self._save(
            [(surface.vertices, "NIFTI_INTENT_POINTSET"), (surface.faces, "NIFTI_INTENT_TRIANGLE")], "surf", kind
        )

    def metric(self, maps: np.ndarray) -> str:
        return self._save([(m, "NIFTI_INTENT_NONE") for m in np.atleast_2d(maps)], "func", None)

    def __call__(self, command: str, *words: str) -> np.ndarray:
        import nibabel

        out = str(self.folder / "out.func.gii")
        subprocess.run(["wb_command", command, *[out if w == "OUT" else w for w in words]], check=True)
        return np.stack([array.data for array in nibabel.load(out).darrays])

    def _save(self, arrays: list[tuple[np.ndarray, str]], ending: str, kind: str | None) -> str:
        import nibabel
        from nibabel.gifti import GiftiDataArray, GiftiImage

        self.count += 1
        path = str(self.folder / f"{self.count}.{ending}.gii")
        nibabel.save(
            GiftiImage(
                darrays=[
                    GiftiDataArray(a.astype(np.int32 if "TRIANGLE" in intent else np.float32), intent)
                    for a, intent in arrays
                ]
            ),
            path,
        )
        extra = ["-surface-type", kind] if kind else []
        subprocess.run(["wb_command", "-set-structure", path, "CORTEX_LEFT", *extra], check=True)
        return path


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    if shutil.which("wb_command") is None:
        pytest.skip("wb_command is not installed")
    return Workbench(tmp_path)


@pytest.mark.parametrize("upward", [True, False], ids=["fsaverage5 to fsLR", "fsLR to fsaverage5"])
def test_resampling_equals_workbench(anatomy: Anatomy, fsaverage5: Surface, workbench: Workbench, upward: bool) -> None:
    pair = (fsaverage5, anatomy.surface("L", "sphere"))
    source, target = pair if upward else pair[::-1]
    rng = np.random.default_rng(0)
    maps = np.concatenate([harmonic(source), rng.normal(size=(2, source.n_vertices))])
    areas = {
        "source_area": rng.uniform(0.5, 3, source.n_vertices),
        "target_area": rng.uniform(0.5, 3, target.n_vertices),
    }
    valid = (source.vertices[:, 0] < 40) & (rng.random(source.n_vertices) < 0.8)
    spheres = [workbench.surface(source, "SPHERICAL"), workbench.surface(target, "SPHERICAL")]
    data, roi = workbench.metric(maps), ["-current-roi", workbench.metric(valid)]
    metrics = ["-area-metrics", *(workbench.metric(a) for a in areas.values())]
    for method, name, extra in (("barycentric", "BARYCENTRIC", []), ("adaptive", "ADAP_BARY_AREA", metrics)):
        for mask, more in ((None, []), (valid, roi)):
            expected = workbench("-metric-resample", data, *spheres, name, "OUT", *extra, *more)
            weights = sphere_weights(source, target, method=method, source_valid=mask, **areas)  # type: ignore[arg-type]
            np.testing.assert_allclose(apply_weights(weights, maps), expected, atol=1e-3, err_msg=f"{method} {more}")


def test_areas_equal_workbench(anatomy: Anatomy, workbench: Workbench) -> None:
    surface = anatomy.surface("L")
    expected = workbench("-surface-vertex-areas", workbench.surface(surface, "ANATOMICAL"), "OUT")[0]
    np.testing.assert_allclose(vertex_areas(surface), expected, rtol=1e-3, atol=1e-4)


def test_smoothing_is_as_wide_as_in_workbench(anatomy: Anatomy, workbench: Workbench) -> None:
    surface = anatomy.surface("L")
    noise = np.random.default_rng(0).normal(size=(4, surface.n_vertices))
    expected = workbench(
        "-metric-smoothing", workbench.surface(surface, "ANATOMICAL"), workbench.metric(noise), "6", "OUT", "-fwhm"
    )
    found = smooth(noise, surface, fwhm_mm=6)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98
    assert found.std() / expected.std() == pytest.approx(1, abs=0.08)


def test_the_registered_mesh_keeps_its_faces(fsaverage5: Surface) -> None:
    assert fsaverage5.faces.shape == (20480, 3)
    assert np.einsum("vi,vi->v", vertex_normals(fsaverage5), fsaverage5.vertices).min() > 0
    valence = np.bincount(fsaverage5.faces.ravel())
    assert (valence == 5).sum() == 12  # a subdivided icosahedron
    assert (valence == 6).sum() == 10_242 - 12


def test_template_hemispheres_belong_together(anatomy: Anatomy) -> None:
    require_consistent_hemispheres(anatomy.surface("L"), anatomy.surface("R"))
    for side in ("L", "R"):
        pial, white = anatomy.surface(side, "pial"), anatomy.surface(side, "white")
        outward = np.einsum("vi,vi->v", pial.vertices - white.vertices, vertex_normals(anatomy.surface(side)))
        assert np.median(outward) > 1.5


def test_heat_distances_on_cortex_are_within_a_few_per_cent(fsaverage5: Surface) -> None:
    from actionloop import files

    solver = Geodesic(files.fsaverage_pial("L"))
    heat, exact = solver.from_vertices(2000), solver.from_vertices(2000, exact=True)
    far = exact > 10
    assert np.median(np.abs(heat - exact)[far] / exact[far]) < 0.05
    np.testing.assert_array_equal(solver.within(2000, 20), np.flatnonzero(exact <= 20))


@pytest.mark.parametrize("side", ["L", "R"])
def test_sulcal_depth_follows_the_templates_sulc(anatomy: Anatomy, side: Any) -> None:
    sulc = anatomy.sulc[side]
    cortex = sulc != 0
    depth = sulcal_depth(anatomy.surface(side))
    assert np.corrcoef(depth[cortex], sulc[cortex])[0, 1] > 0.9


def test_sulcal_depth_follows_the_template_on_a_real_person(anatomy: Anatomy) -> None:
    from actionloop import files

    path = DATA / "individual_msc06" / "MSC06.L.midthickness.32k_fs_LR.surf.gii"
    if not path.exists():
        pytest.skip(f"real data are not at {DATA}")
    surface = files.read_surface(path, hemisphere="L", kind="midthickness", frame="MSC06")
    cortex = anatomy.sulc["L"] != 0
    assert np.corrcoef(sulcal_depth(surface)[cortex], anatomy.sulc["L"][cortex])[0, 1] > 0.7


def test_sulcal_depth_does_not_depend_on_place_or_side(anatomy: Anatomy) -> None:
    surface = anatomy.surface("L")
    depth = sulcal_depth(surface)
    turned = replace(surface, vertices=surface.vertices @ Rotation.from_euler("x", 40, degrees=True).as_matrix())
    np.testing.assert_allclose(sulcal_depth(turned), depth, atol=1e-3)
    mirror = replace(surface, vertices=surface.vertices * [-1, 1, 1], faces=surface.faces[:, ::-1], hemisphere="R")
    np.testing.assert_allclose(sulcal_depth(mirror), depth, atol=1e-3)
    with pytest.raises(GeometryError, match="inflated"):
        sulcal_depth(anatomy.surface("L", "inflated"))


def test_sulc_is_turned_to_the_hcp_sign() -> None:
    rng = np.random.default_rng(0)
    template = rng.normal(size=500)
    own = template + rng.normal(size=500)
    own[:3] = np.nan
    expected = np.nan_to_num(own)
    np.testing.assert_array_equal(oriented_sulc(own, template), expected)
    np.testing.assert_array_equal(oriented_sulc(-own, template), expected)
    with pytest.raises(GeometryError, match="does not follow"):
        oriented_sulc(rng.normal(size=500), template, source="lh.thickness")
    with pytest.raises(GeometryError, match="does not follow"):
        oriented_sulc(np.ones(500), template)
    with pytest.raises(GeometryError, match="500 vertices"):
        oriented_sulc(own[:-1], template)
