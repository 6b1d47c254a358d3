"""Readers: against files written here by nibabel, real files, and every kind of bad input."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, ParcelsAxis, ScalarAxis, SeriesAxis
from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage, GiftiMetaData

from actionloop import files
from actionloop.errors import ActionloopError, GeometryError, InputError, PriorError, ResourceError, SignalError
from actionloop.types import Grayordinates, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; set ACTIONLOOP_DATA")
MSC06 = DATA / "individual_msc06"
MSC06_MAP = next(MSC06.glob("sub-MSC06*recolored.dlabel.nii"), MSC06 / "absent")
workbench = pytest.mark.skipif(shutil.which("wb_command") is None, reason="wb_command is not installed")

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
LEFT, RIGHT = np.array([3, 10, 400]), np.array([0, 7, 32_491])


@pytest.fixture(scope="session")
def fetched() -> None:
    try:
        files.require(groups=["demo", "plan", "phantom"])
    except ResourceError as error:
        pytest.skip(str(error))


def surface_axis(rows: np.ndarray, side: str, n_vertices: int = 32_492) -> BrainModelAxis:
    return BrainModelAxis.from_surface(rows, n_vertices, name=f"CIFTI_STRUCTURE_CORTEX_{side}")


def voxel_axis() -> BrainModelAxis:
    mask = np.zeros((91, 109, 91), dtype=bool)
    mask[40:42, 50, 30] = True
    return BrainModelAxis.from_mask(mask, affine=AFFINE, name="CIFTI_STRUCTURE_THALAMUS_LEFT")


def brain_axis(n_vertices: int = 32_492) -> BrainModelAxis:
    return surface_axis(LEFT, "LEFT", n_vertices) + surface_axis(RIGHT, "RIGHT", n_vertices) + voxel_axis()


def write_cifti(path: Path, data: np.ndarray, *axes: object) -> Path:
    Cifti2Image(data, axes).to_filename(path)
    return path


def write_series(path: Path, *, axis: BrainModelAxis | None = None, tr: float = 0.8, unit: str = "second") -> Path:
    axis = brain_axis() if axis is None else axis
    data = np.random.default_rng(1).standard_normal((5, len(axis))).astype(np.float32)
    return write_cifti(path, data, SeriesAxis(0, tr, 5, unit=unit), axis)


# ---- CIFTI series


def test_series_rows_frames_and_units(tmp_path: Path) -> None:
    path = write_series(tmp_path / "a.dtseries.nii")
    series = files.read_cifti_series(path)
    stored = np.asarray(nib.load(path).dataobj)
    assert series.data.dtype == np.float32
    np.testing.assert_array_equal(series.data, stored)
    assert series.tr_s == pytest.approx(0.8)
    assert series.source == str(path)
    grayordinates = series.grayordinates
    np.testing.assert_array_equal(grayordinates.left, LEFT)
    np.testing.assert_array_equal(grayordinates.right, RIGHT)
    assert grayordinates.voxels is not None
    np.testing.assert_array_equal(grayordinates.voxels.ijk, [[40, 50, 30], [41, 50, 30]])
    np.testing.assert_array_equal(grayordinates.voxels.affine, AFFINE)
    assert set(grayordinates.voxels.structure) == {"CIFTI_STRUCTURE_THALAMUS_LEFT"}
    assert files.read_cifti_series(path, tr_s=1.4).tr_s == 1.4


def test_series_does_not_depend_on_the_file_afterwards(tmp_path: Path) -> None:
    path = write_series(tmp_path / "a.dtseries.nii")
    series = files.read_cifti_series(path)
    before = series.data.copy()
    path.write_bytes(bytes(path.stat().st_size))
    np.testing.assert_array_equal(series.data, before)


def test_series_of_other_types_and_compression(tmp_path: Path) -> None:
    data = np.random.default_rng(2).standard_normal((4, 8))
    path = write_cifti(tmp_path / "d.dtseries.nii", data, SeriesAxis(0, 2, 4), brain_axis())
    packed = tmp_path / "d.dtseries.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for each in (path, packed):
        np.testing.assert_allclose(files.read_cifti_series(each).data, data, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(8)))
def test_axis_order_never_moves_a_value(order: list[int]) -> None:
    # Whatever the order of rows in the file, each value stays with its vertex or voxel.
    from actionloop.files import read_axis

    axis = brain_axis()
    shuffled = BrainModelAxis(
        axis.name[order],
        voxel=axis.voxel[order],
        vertex=axis.vertex[order],
        affine=axis.affine,
        volume_shape=axis.volume_shape,
        nvertices=axis.nvertices,
    )
    values = np.arange(8)[order]
    grayordinates, positions = read_axis(shuffled)
    sorted_values = values if positions is None else values[positions]
    assert (positions is None) == (list(order) in ([*range(8)], [0, 1, 2, 3, 4, 5, 7, 6]))
    np.testing.assert_array_equal(grayordinates.left, LEFT)
    np.testing.assert_array_equal(grayordinates.right, RIGHT)
    np.testing.assert_array_equal(sorted_values[:6], np.arange(6))
    assert grayordinates.voxels is not None
    np.testing.assert_array_equal(grayordinates.voxels.ijk, axis.voxel[6:][sorted_values[6:] - 6])


def test_right_before_left_and_full_mesh_rows(tmp_path: Path) -> None:
    axis = surface_axis(RIGHT, "RIGHT") + voxel_axis() + surface_axis(LEFT, "LEFT")
    path = write_series(tmp_path / "a.dtseries.nii", axis=axis)
    stored = np.asarray(nib.load(path).dataobj)
    np.testing.assert_array_equal(files.read_cifti_series(path).data, stored[:, [5, 6, 7, 0, 1, 2, 3, 4]])
    full = surface_axis(np.arange(32_492), "LEFT") + surface_axis(np.arange(32_492), "RIGHT")
    series = files.read_cifti_series(write_series(tmp_path / "b.dtseries.nii", axis=full))
    assert len(series.grayordinates) == 64_984
    np.testing.assert_array_equal(series.grayordinates.right, np.arange(32_492))


@real_data
def test_washu_file_of_66697_rows() -> None:
    series = files.read_cifti_series(DATA / "networks" / "WashU120_groupNetworks.dtseries.nii")
    assert len(series.grayordinates) == 66_697
    assert series.grayordinates.n_cortex == 59_412
    assert series.tr_s == 2.5
    assert series.grayordinates.voxels is not None
    assert series.grayordinates.voxels.shape == (48, 64, 48)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda p: write_series(p, axis=brain_axis(10_242)), GeometryError, "10,242 .fsaverage5"),
        (lambda p: write_series(p, axis=brain_axis(40_962)), GeometryError, "fsaverage6"),
        (lambda p: write_series(p, axis=brain_axis(59_292)), GeometryError, "fsLR-59k"),
        (lambda p: write_series(p, axis=brain_axis(163_842)), GeometryError, "fsLR-164k"),
        (lambda p: write_series(p, axis=brain_axis(33_333)), GeometryError, r"found 33,333\n"),
        (lambda p: write_series(p, axis=surface_axis(LEFT, "LEFT")), GeometryError, "no right cortical surface"),
        (lambda p: write_series(p, axis=voxel_axis()), GeometryError, "no left cortical surface"),
        (lambda p: write_series(p, tr=720), SignalError, "looks like milliseconds"),
        (lambda p: write_series(p, tr=0), SignalError, "missing"),
        (lambda p: write_series(p, tr=0.00072), SignalError, "too short"),
        (lambda p: write_series(p, unit="hertz"), SignalError, "HERTZ"),
        (
            lambda p: write_cifti(p, np.zeros((4, 8), "f4"), SeriesAxis(0, 1, 4), brain_axis()),
            SignalError,
            "zero everywhere",
        ),
        (
            lambda p: write_cifti(p, np.full((4, 8), np.nan, "f4"), SeriesAxis(0, 1, 4), brain_axis()),
            SignalError,
            "NaN",
        ),
        (
            lambda p: write_cifti(p, np.ones((1, 8), "f4"), ScalarAxis(["a"]), brain_axis()),
            InputError,
            r"found dense maps \(dscalar\)",
        ),
        (
            lambda p: write_cifti(p, np.ones((8, 8), "f4"), brain_axis(), brain_axis()),
            InputError,
            r"dense connectome \(dconn\)",
        ),
    ],
)
def test_bad_series(tmp_path: Path, make: Callable[[Path], Path], error: type[Exception], words: str) -> None:
    path = make(tmp_path / "x.dtseries.nii")
    with pytest.raises(error, match=words) as caught:
        files.read_cifti_series(path)
    assert caught.value.where == str(path)  # type: ignore[attr-defined]


def test_parcels_are_refused(tmp_path: Path) -> None:
    parcels = ParcelsAxis.from_brain_models(
        [("one", surface_axis(LEFT, "LEFT")), ("two", surface_axis(RIGHT, "RIGHT"))]
    )
    path = write_cifti(tmp_path / "x.ptseries.nii", np.ones((3, 2), "f4"), SeriesAxis(0, 1, 3), parcels)
    with pytest.raises(InputError, match="series of parcels"):
        files.read_cifti_series(path)


@real_data
def test_real_parcels_are_refused() -> None:
    path = next((DATA / "parcellated_rest" / "dcan_ptseries").glob("*.ptseries.nii"))
    with pytest.raises(InputError, match="series of parcels"):
        files.read_cifti_series(path)


def test_damaged_files_give_one_input_error(tmp_path: Path) -> None:
    good = write_series(tmp_path / "good.dtseries.nii").read_bytes()
    packed = gzip.compress(good)
    cases = {
        "missing": (None, "does not exist"),
        "empty": (b"", "is empty"),
        "short header": (good[:200], "not a readable|truncated"),
        "short xml": (good[:900], "not a readable|truncated"),
        "short data": (good[:-20], "truncated"),
        "text": (b"hello, this is text\n" * 50, "not a readable"),
    }
    readers = (files.read_cifti_series, files.read_cifti_scalar, files.read_label_map, files.read_prior)
    for name, (contents, words) in cases.items():
        path = tmp_path / f"{name}.dtseries.nii"
        if contents is not None:
            path.write_bytes(contents)
        for reader in readers if name != "short data" else readers[:1]:
            with pytest.raises(InputError, match=words):
                reader(path)
    for cut in (5, 100, len(packed) // 2, len(packed) - 50):
        path = tmp_path / "cut.dtseries.nii.gz"
        path.write_bytes(packed[:cut])
        with pytest.raises(InputError, match="truncated"):
            files.read_cifti_series(path)
    with pytest.raises(InputError, match="folder"):
        files.read_cifti_series(tmp_path)


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Give up the rights of an administrator for a while, whom no permission binds."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name == "nt", reason="permissions work otherwise on Windows")
def test_a_file_without_permission() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folder is closed to others
        Path(folder).chmod(0o755)
        path = write_series(Path(folder) / "x.dtseries.nii")
        files.read_cifti_series(path)
        path.chmod(0)
        with ordinary_user(), pytest.raises(InputError, match="cannot be read"):
            files.read_cifti_series(path)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    volume = tmp_path / "v.nii"
    nib.Nifti1Image(np.ones((3, 3, 3), "f4"), np.eye(4)).to_filename(volume)
    with pytest.raises(InputError, match="found an image of voxels"):
        files.read_cifti_series(volume)
    surface = write_gifti(tmp_path / "s.surf.gii", sphere_points() - 60)
    with pytest.raises(InputError, match="GIFTI"):
        files.read_cifti_series(surface)


@workbench
def test_cifti1_as_workbench_writes_it(tmp_path: Path) -> None:
    path = write_series(tmp_path / "two.dtseries.nii")
    old = tmp_path / "one.dtseries.nii"
    subprocess.run(
        ["wb_command", "-file-convert", "-cifti-version-convert", str(path), "1", str(old)], check=True, text=True
    )
    packed = tmp_path / "one.dtseries.nii.gz"
    packed.write_bytes(gzip.compress(old.read_bytes()))
    for reader in (files.read_cifti_series, files.read_label_map, files.read_prior):
        for each in (old, packed):
            with pytest.raises(InputError, match="CIFTI-1") as caught:
                reader(each)
            assert "-cifti-version-convert IN 2 OUT" in str(caught.value)


@pytest.mark.usefixtures("fetched")
def test_cifti1_as_found_in_the_wild() -> None:
    with pytest.raises(InputError, match="CIFTI-1"):
        files.read_cifti_scalar(files.resource("grayordinates_91k"))


# ---- scalars and labels


def test_scalars(tmp_path: Path) -> None:
    data = np.arange(16, dtype=np.float32).reshape(2, 8)
    maps = files.read_cifti_scalar(
        write_cifti(tmp_path / "a.dscalar.nii", data, ScalarAxis(["one", "two"]), brain_axis())
    )
    assert maps.names == ("one", "two")
    np.testing.assert_array_equal(maps.data, data)


def write_labels(path: Path, values: np.ndarray, table: dict[int, str], map_names: list[str] | None = None) -> Path:
    full = {key: (name, (key / 40, 0.5, 0.25, 1.0)) for key, name in table.items()}
    names = map_names or ["map"]
    return write_cifti(path, values.astype(np.float32), LabelAxis(names, [full] * len(names)), brain_axis())


def test_labels(tmp_path: Path) -> None:
    table = {0: "???", 2: "CON", 5: "SCAN", 9: "unused"}
    values = np.array([[0, 2, 2, 5, 5, 0, 2, 5], [5, 5, 5, 5, 5, 5, 5, 5]])
    path = write_labels(tmp_path / "a.dlabel.nii", values, table, ["first", "second"])
    found = files.read_label_map(path)
    np.testing.assert_array_equal(found.label, values[0])
    assert found.names == {2: "CON", 5: "SCAN"}
    assert found.colours[5] == pytest.approx((0.125, 0.5, 0.25))
    assert files.read_label_map(path, map_name="second").names == {5: "SCAN"}
    with pytest.raises(InputError, match="no map 'third'"):
        files.read_label_map(path, map_name="third")


def test_labels_in_a_dscalar(tmp_path: Path) -> None:
    values = np.array([[0, 1, 3, 3, 0, 1, 0, 0]], dtype=np.float32)
    found = files.read_label_map(write_cifti(tmp_path / "a.dscalar.nii", values, ScalarAxis(["x"]), brain_axis()))
    assert found.names == {1: "label 1", 3: "label 3"}
    for bad, words in ((values + 0.5, "whole numbers"), (-values, "negative"), (values * 0, "no label")):
        path = write_cifti(tmp_path / "b.dscalar.nii", bad, ScalarAxis(["x"]), brain_axis())
        with pytest.raises(InputError, match=words):
            files.read_label_map(path)


@real_data
@pytest.mark.parametrize(
    ("path", "n_rows", "n_labels", "some"),
    [
        ("networks/Gordon2017_17Networks.dlabel.nii", 59_412, 17, {9: "Cingulo-opercular", 17: "SM Foot"}),
        ("networks/MiDB_ProbabilisticParcellation.dlabel.nii", 91_282, 80, {10: "CO_LABEL_10"}),
        ("networks/Gordon.subcortical.32k_fs_LR.dlabel.nii", 96_854, 352, {21: "21_L_CinguloOperc"}),
        ("networks/WashU120_groupNetworks.dtseries.nii", 66_697, 14, {16: "label 16"}),
        (f"individual_msc06/{MSC06_MAP.name}", 91_282, 15, {18: "Somato-cognitive-action_net"}),
    ],
)
def test_real_labels(path: str, n_rows: int, n_labels: int, some: dict[int, str]) -> None:
    found = files.read_label_map(DATA / path)
    assert len(found.grayordinates) == n_rows
    assert len(found.names) == n_labels
    assert some.items() <= found.names.items()
    image = nib.load(DATA / path)
    np.testing.assert_array_equal(found.label, np.asarray(image.dataobj)[0])


# ---- surfaces


def sphere_points(n: int = 200) -> np.ndarray:
    k = np.arange(n) + 0.5
    polar, turn = np.arccos(1 - 2 * k / n), np.pi * (1 + 5**0.5) * k
    return 40 * np.c_[np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)]


def write_gifti(
    path: Path,
    points: np.ndarray,
    *,
    meta: dict[str, str] | None = None,
    file_meta: dict[str, str] | None = None,
    system: GiftiCoordSystem | None = None,
) -> Path:
    from scipy.spatial import ConvexHull

    faces = ConvexHull(sphere_points(len(points))).simplices.astype(np.int32)
    arrays = [
        GiftiDataArray(
            points.astype(np.float32), "NIFTI_INTENT_POINTSET", coordsys=system, meta=GiftiMetaData(meta or {})
        ),
        GiftiDataArray(faces, "NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(GiftiImage(darrays=arrays, meta=GiftiMetaData(file_meta or {})), path)
    return path


def read_left(path: Path, kind: str = "white") -> np.ndarray:
    return files.read_surface(path, hemisphere="L", kind=kind, frame="test").vertices  # type: ignore[arg-type]


LEFT_POINTS = sphere_points() + np.array([-60, 0, 0])
OFFSET = np.array([1.5, -20.25, 7.0])
GEOMETRY = {f"VolGeomC_{axis}": str(value) for axis, value in zip("RAS", OFFSET, strict=True)}


def test_gifti_offset_to_scanner_space(tmp_path: Path) -> None:
    plain = read_left(write_gifti(tmp_path / "a.surf.gii", LEFT_POINTS))
    np.testing.assert_allclose(plain, LEFT_POINTS, atol=1e-5)
    # c_ras in the metadata of the points or of the file
    for where in ("meta", "file_meta"):
        moved = read_left(write_gifti(tmp_path / "b.surf.gii", LEFT_POINTS, **{where: GEOMETRY}))
        np.testing.assert_allclose(moved, LEFT_POINTS + OFFSET, atol=1e-5)
    # already in scanner space: the metadata stay, the offset must not be added twice
    scanner = GiftiCoordSystem(dataspace=1, xformspace=1)
    kept = read_left(write_gifti(tmp_path / "c.surf.gii", LEFT_POINTS, meta=GEOMETRY, system=scanner))
    np.testing.assert_allclose(kept, LEFT_POINTS, atol=1e-5)
    history = {"Provenance": "wb_command -surface-apply-affine in c_ras.mat out"}
    kept = read_left(write_gifti(tmp_path / "d.surf.gii", LEFT_POINTS, meta=GEOMETRY, file_meta=history))
    np.testing.assert_allclose(kept, LEFT_POINTS, atol=1e-5)


def test_gifti_transforms(tmp_path: Path) -> None:
    xform = np.eye(4)
    xform[:3, 3] = OFFSET
    to_scanner = GiftiCoordSystem(dataspace=0, xformspace=1, xform=xform)
    moved = read_left(write_gifti(tmp_path / "a.surf.gii", LEFT_POINTS, meta=GEOMETRY, system=to_scanner))
    np.testing.assert_allclose(moved, LEFT_POINTS + OFFSET, atol=1e-5)
    # a transform to Talairach space belongs to another frame
    talairach = GiftiCoordSystem(dataspace=0, xformspace=3, xform=xform)
    kept = read_left(write_gifti(tmp_path / "b.surf.gii", LEFT_POINTS, system=talairach))
    np.testing.assert_allclose(kept, LEFT_POINTS, atol=1e-5)


def test_freesurfer_binary_surface(tmp_path: Path) -> None:
    from scipy.spatial import ConvexHull

    faces = ConvexHull(sphere_points()).simplices
    notes = {
        "head": np.array([2, 0, 20]),
        "valid": "1  # volume info valid",
        "filename": "../mri/filled.mgz",
        "volume": np.array([256, 256, 256]),
        "voxelsize": np.ones(3),
        "xras": np.array([-1.0, 0, 0]),
        "yras": np.array([0.0, 0, -1]),
        "zras": np.array([0.0, 1, 0]),
        "cras": OFFSET,
    }
    path = tmp_path / "lh.white"
    nib.freesurfer.write_geometry(path, LEFT_POINTS, faces, volume_info=notes)
    np.testing.assert_allclose(read_left(path), LEFT_POINTS + OFFSET, atol=1e-4)
    nib.freesurfer.write_geometry(path, LEFT_POINTS, faces)
    np.testing.assert_allclose(read_left(path), LEFT_POINTS, atol=1e-4)
    with pytest.raises(GeometryError, match="hemisphere L was given as hemisphere R"):
        files.read_surface(path, hemisphere="R", kind="white", frame="test")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError):
        read_left(path)


def test_wrong_side_is_caught_three_ways(tmp_path: Path) -> None:
    def right(path: Path) -> None:
        files.read_surface(path, hemisphere="R", kind="white", frame="test")

    with pytest.raises(GeometryError, match="its name says so"):
        right(write_gifti(tmp_path / "sub-01_hemi-L_white.surf.gii", LEFT_POINTS))
    with pytest.raises(GeometryError, match="its metadata say CortexLeft"):
        right(write_gifti(tmp_path / "a.surf.gii", LEFT_POINTS, meta={"AnatomicalStructurePrimary": "CortexLeft"}))
    with pytest.raises(GeometryError, match=r"mean x = -60"):
        right(write_gifti(tmp_path / "a.surf.gii", LEFT_POINTS))
    # an inflated surface lies around zero: only name and metadata can tell
    inflated = write_gifti(tmp_path / "sub-01.L.inflated.32k_fs_LR.surf.gii", sphere_points())
    with pytest.raises(GeometryError):
        files.read_surface(inflated, hemisphere="R", kind="inflated", frame="test")


def test_wrong_kind_and_damage(tmp_path: Path) -> None:
    path = write_gifti(tmp_path / "a.surf.gii", LEFT_POINTS, meta={"GeometricType": "Inflated"})
    with pytest.raises(GeometryError, match="given as white"):
        read_left(path)
    assert len(read_left(path, "inflated")) == 200
    whole = path.read_bytes()
    for cut in (0, 50, 400, len(whole) - 30):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            read_left(path)
    scalar = tmp_path / "b.shape.gii"
    write_rows(scalar, np.ones((1, 10)))
    with pytest.raises(InputError, match="points and triangles"):
        read_left(scalar)
    nan = LEFT_POINTS.copy()
    nan[3, 1] = np.nan
    with pytest.raises(GeometryError, match="NaN"):
        read_left(write_gifti(tmp_path / "c.surf.gii", nan))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("lh.white", "L"),
        ("rh.sphere.reg", "R"),
        ("sub-01_hemi-R_space-fsLR_den-32k_midthickness.surf.gii", "R"),
        ("100307.L.pial.32k_fs_LR.surf.gii", "L"),
        ("fsaverage.L_LR.spherical_std.164k_fs_L.surf.gii", "L"),
        ("sub-010188_ses-02_task-rest_acq-AP_run-01.fsa5.rh.mgz", "R"),
        ("rfMRI_REST1_LR_Atlas.dtseries.nii", None),
        ("sub-R_white.surf.gii", None),
        ("lh.and.rh.gii", None),
        ("Loud.gii", None),
    ],
)
def test_side_in_name(name: str, side: str | None) -> None:
    assert files.side_in_name(f"/data/lh.folder/{name}") == side


@real_data
def test_real_surfaces_and_exchange() -> None:
    for side in "LR":
        for kind in ("white", "pial", "midthickness", "inflated"):
            path = MSC06 / f"MSC06.{side}.{kind}.32k_fs_LR.surf.gii"
            surface = files.read_surface(path, hemisphere=side, kind=kind, frame="MSC06")
            assert surface.vertices.shape == (32_492, 3)
            np.testing.assert_array_equal(surface.vertices.astype(np.float32), nib.load(path).darrays[0].data)
    with pytest.raises(GeometryError):
        files.read_surface(MSC06 / "MSC06.L.white.32k_fs_LR.surf.gii", hemisphere="R", kind="white", frame="x")


# ---- per-hemisphere series and scalars


def write_rows(path: Path, rows: np.ndarray, structure: str = "") -> Path:
    arrays = [GiftiDataArray(row.astype(np.float32), "NIFTI_INTENT_TIME_SERIES") for row in rows]
    meta = GiftiMetaData({"AnatomicalStructurePrimary": structure} if structure else {})
    nib.save(GiftiImage(darrays=arrays, meta=meta), path)
    return path


def write_mgz(path: Path, rows: np.ndarray) -> Path:
    data = rows.T.astype(np.float32)[:, None, None, :]
    data = data[..., 0] if len(rows) == 1 else data
    nib.save(nib.MGHImage(data, np.eye(4)), path)
    return path


@pytest.mark.parametrize(("n", "mesh"), [(10_242, "fsaverage5"), (40_962, "fsaverage6"), (32_492, "fsLR-32k")])
@pytest.mark.parametrize("form", ["gii", "mgz"])
def test_surface_series(tmp_path: Path, n: int, mesh: str, form: str) -> None:
    rows = np.random.default_rng(3).standard_normal((2, 3, n)).astype(np.float32)
    write, ending = (write_rows, "func.gii") if form == "gii" else (write_mgz, "mgz")
    left, right = (write(tmp_path / f"{side}.{ending}", rows[i]) for i, side in enumerate(("lh", "rh")))
    data, name = files.read_surface_series(left, right, tr_s=2)
    assert name == mesh
    np.testing.assert_array_equal(data["L"], rows[0])
    np.testing.assert_array_equal(data["R"], rows[1])
    assert data["L"].dtype == np.float32


def test_surface_series_as_one_array(tmp_path: Path) -> None:
    rows = np.random.default_rng(4).standard_normal((3, 10_242)).astype(np.float32)
    paths = []
    for side in ("lh", "rh"):
        paths.append(tmp_path / f"{side}.func.gii")
        nib.save(GiftiImage(darrays=[GiftiDataArray(rows.T.copy(), "NIFTI_INTENT_TIME_SERIES")]), paths[-1])
    data, _ = files.read_surface_series(*paths, tr_s=2)
    np.testing.assert_array_equal(data["R"], rows)


def test_bad_surface_series(tmp_path: Path) -> None:
    rows = np.random.default_rng(5).standard_normal((3, 10_242))
    good = {side: write_mgz(tmp_path / f"{side}.good.mgz", rows) for side in ("lh", "rh")}

    def read(left: Path, right: Path, tr_s: float = 2) -> None:
        files.read_surface_series(left, right, tr_s=tr_s)

    with pytest.raises(GeometryError, match="hemisphere R was given as hemisphere L"):
        read(good["rh"], good["lh"])
    with pytest.raises(GeometryError, match="same file"):
        read(good["lh"], good["lh"])
    with pytest.raises(GeometryError, match="metadata say CortexLeft"):
        read(good["lh"], write_rows(tmp_path / "b.func.gii", rows, "CortexLeft"))
    with pytest.raises(GeometryError, match="not one mesh"):
        read(good["lh"], write_mgz(tmp_path / "rh.big.mgz", np.ones((3, 40_962))))
    with pytest.raises(GeometryError, match="no known mesh"):
        read(good["lh"], write_mgz(tmp_path / "rh.odd.mgz", np.ones((3, 5000))))
    with pytest.raises(SignalError, match="3 frames, right 2"):
        read(good["lh"], write_mgz(tmp_path / "rh.short.mgz", rows[:2]))
    with pytest.raises(SignalError, match="zero everywhere"):
        read(good["lh"], write_mgz(tmp_path / "rh.zero.mgz", rows * 0))
    nan = rows.copy()
    nan[1, 5] = np.nan
    with pytest.raises(SignalError, match="NaN"):
        read(good["lh"], write_mgz(tmp_path / "rh.nan.mgz", nan))
    with pytest.raises(SignalError, match="milliseconds"):
        read(good["lh"], good["rh"], tr_s=1400)
    with pytest.raises(SignalError, match="missing"):
        read(good["lh"], good["rh"], tr_s=0)
    with pytest.raises(InputError, match="does not exist"):
        read(good["lh"], tmp_path / "rh.none.mgz")
    cut = tmp_path / "rh.cut.mgz"
    cut.write_bytes(good["rh"].read_bytes()[:20_000])
    with pytest.raises(InputError, match="truncated"):
        read(good["lh"], cut)
    volume = tmp_path / "rh.volume.mgz"
    nib.save(nib.MGHImage(np.ones((4, 4, 4), "f4"), np.eye(4)), volume)
    with pytest.raises(InputError, match="volume of shape"):
        read(good["lh"], volume)


def test_mesh_scalars(tmp_path: Path) -> None:
    values = np.random.default_rng(6).standard_normal(300).astype(np.float32)
    morph = tmp_path / "lh.sulc"
    nib.freesurfer.write_morph_data(morph, values)
    gifti = write_rows(tmp_path / "a.shape.gii", values[None])
    mgz = write_mgz(tmp_path / "lh.sulc.mgz", values[None])
    for path in (morph, gifti, mgz):
        np.testing.assert_array_equal(files.read_mesh_scalar(path), values)
    with pytest.raises(GeometryError):
        files.read_mesh_scalar(morph, hemisphere="R")
    with pytest.raises(InputError, match="2 maps"):
        files.read_mesh_scalar(write_rows(tmp_path / "b.shape.gii", np.ones((2, 300))))
    morph.write_bytes(morph.read_bytes()[:600])
    with pytest.raises(InputError, match="truncated"):
        files.read_mesh_scalar(morph)
    morph.write_bytes(b"plain text")
    with pytest.raises(InputError, match="expected a GIFTI"):
        files.read_mesh_scalar(morph)


# ---- images


def image(shape: tuple[int, ...] = (4, 5, 6), *, affine: np.ndarray | None = None, codes: tuple[int, int] = (1, 1)):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    made = nib.Nifti1Image(data, None)
    affine = AFFINE if affine is None else affine
    made.set_qform(affine, codes[0])
    made.set_sform(affine, codes[1])
    return made


def saved(made: nib.Nifti1Image, path: Path) -> Path:
    nib.save(made, path)
    return path


def test_image_and_its_hash(tmp_path: Path) -> None:
    made = image()
    read = files.read_image(saved(made, tmp_path / "a.nii.gz"), frame="sub-01 T1w")
    np.testing.assert_array_equal(read.data, made.get_fdata())
    np.testing.assert_allclose(read.affine, AFFINE)
    assert (read.frame, read.form_codes, read.forms_agree) == ("sub-01 T1w", (1, 1), True)
    # voxels, type, name and compression do not matter; place, grid and codes do
    other = nib.Nifti1Image((made.get_fdata() * 3).astype(np.int16), None, made.header)
    same = files.read_image(saved(other, tmp_path / "b.nii"), frame="x")
    assert same.header_sha256 == read.header_sha256
    moved = AFFINE.copy()
    moved[0, 3] += 0.01
    for changed in (image(affine=moved), image((4, 5, 7)), image(codes=(1, 4))):
        assert files.read_image(saved(changed, tmp_path / "c.nii"), frame="x").header_sha256 != read.header_sha256
    assert files.header_sha256((4, 5, 6), -0.0 * AFFINE, (1, 1)) == files.header_sha256((4, 5, 6), 0 * AFFINE, (1, 1))


def test_image_forms(tmp_path: Path) -> None:
    both = image()
    shifted = AFFINE.copy()
    shifted[:3, 3] += (0, 3, 0)
    both.set_qform(shifted, 1)
    read = files.read_image(saved(both, tmp_path / "a.nii"), frame="x")
    assert not read.forms_agree
    np.testing.assert_allclose(read.affine, AFFINE)
    only_q = files.read_image(saved(image(codes=(1, 0)), tmp_path / "b.nii"), frame="x")
    np.testing.assert_allclose(only_q.affine, AFFINE, atol=1e-4)
    assert only_q.forms_agree
    with pytest.raises(GeometryError, match="left and right are unknown"):
        files.read_image(saved(image(codes=(0, 0)), tmp_path / "c.nii"), frame="x")


def test_image_of_freesurfer_and_four_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "T1.mgz"
    nib.save(nib.MGHImage(np.arange(24, dtype=np.float32).reshape(2, 3, 4), AFFINE), path)
    read = files.read_image(path, frame="x")
    np.testing.assert_allclose(read.affine, AFFINE)
    assert read.form_codes == (0, 0)
    assert files.read_image(saved(image((4, 5, 6, 1)), tmp_path / "a.nii"), frame="x").data.shape == (4, 5, 6)
    with pytest.raises(GeometryError, match="one 3-D image"):
        files.read_image(saved(image((4, 5, 6, 2)), tmp_path / "b.nii"), frame="x")


def test_bad_images(tmp_path: Path) -> None:
    data = np.ones((20, 20, 20), "f4")
    data[0, 0, 0] = np.nan
    random = nib.Nifti1Image(data + np.random.default_rng(7).standard_normal(data.shape).astype("f4"), None)
    random.set_sform(AFFINE, 1)
    path = saved(random, tmp_path / "a.nii.gz")
    assert files.read_image(path, frame="x").data[0, 0, 0] == 0
    whole = path.read_bytes()
    for cut in (8, 500, len(whole) - 100):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match="truncated"):
            files.read_image(path, frame="x")
    zero = nib.Nifti1Image(data * 0, None)
    zero.set_sform(AFFINE, 1)
    with pytest.raises(InputError, match="zero everywhere"):
        files.read_image(
            saved(nib.Nifti1Image(np.zeros((3, 3, 3), "f4"), None, zero.header), tmp_path / "z.nii"), frame="x"
        )
    with pytest.raises(InputError, match="image of voxels"):
        files.read_image(write_series(tmp_path / "s.dtseries.nii"), frame="x")
    with pytest.raises(InputError):
        files.read_image(write_gifti(tmp_path / "s.surf.gii", LEFT_POINTS), frame="x")


@real_data
def test_real_image() -> None:
    read = files.read_image(DATA / "head" / "sub-M2051_T1w.nii.gz", frame="sub-M2051 T1w")
    assert read.data.ndim == 3
    np.testing.assert_allclose(read.affine, nib.load(read.source).affine)


# ---- names and priors


@pytest.mark.parametrize(
    ("given_name", "ours"),
    [
        ("Cingulo-Opercular_net", "AMN"),
        ("CON", "AMN"),
        ("CO_LABEL_10", "AMN"),
        ("21_L_CinguloOperc", "AMN"),
        ("Action-Mode Network", "AMN"),
        ("CinguloOpercular/Action-mode", "AMN"),
        ("Somato-cognitive-action_net", "SCAN"),
        ("SMh", "hand"),
        ("SMd_LABEL_13", "hand"),
        ("SMf", "mouth"),  # face, not foot
        ("Ventral SM", "mouth"),
        ("SM Foot", "foot"),
        ("Somatomotor_Foot", "foot"),
        ("skip", None),
        ("11_L_None", None),
        ("???", None),
        ("unlabelled6", None),
        (" My own network ", "My own"),
        ("Fronto-parietal2", "Fronto-parietal2"),
    ],
)
def test_network_names(given_name: str, ours: str | None) -> None:
    assert files.network_name(given_name) == ours
    if ours is not None:
        assert files.network_name(ours) == ours


def test_prior_from_labels_merges_and_drops(tmp_path: Path) -> None:
    table = {0: "???", 1: "CO_LABEL_1", 2: "SMf", 3: "CON", 4: "none", 7: "SCAN"}
    values = np.array([[1, 2, 3, 4, 7, 0, 1, 2]])
    prior = files.read_prior(write_labels(tmp_path / "a.dlabel.nii", values, table))
    assert prior.names == ("AMN", "mouth", "SCAN")
    np.testing.assert_array_equal(prior.keys, [1, 2, 7])
    np.testing.assert_array_equal(prior.probability[0], [1, 0, 1, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(prior.probability.sum(axis=0), [1, 1, 1, 0, 1, 0, 1, 1])
    assert prior.fingerprint is None
    renamed = files.read_prior(tmp_path / "a.dlabel.nii", names={2: "foot"})
    assert renamed.names == ("AMN", "foot", "SCAN")
    person = files.read_network_map(tmp_path / "a.dlabel.nii")
    np.testing.assert_array_equal(person.label, [1, 2, 1, 0, 7, 0, 1, 2])
    np.testing.assert_array_equal(person.confidence, [1, 1, 1, 0, 1, 0, 1, 1])


def test_prior_from_probabilities(tmp_path: Path) -> None:
    four = np.random.default_rng(8).dirichlet([1, 1, 1, 1], 8).T.astype(np.float32)
    values = four[:3]
    path = write_cifti(tmp_path / "a.dscalar.nii", four, ScalarAxis(["SCAN", "CON", "DMN", "none"]), brain_axis())
    prior = files.read_prior(path)
    assert prior.names == ("SCAN", "AMN", "default")
    np.testing.assert_allclose(prior.probability, values)
    person = files.read_network_map(path)
    np.testing.assert_array_equal(person.label, values.argmax(axis=0) + 1)
    ranked = np.sort(values, axis=0)
    np.testing.assert_allclose(person.confidence, ranked[2] - ranked[1])
    bad = write_cifti(tmp_path / "b.dscalar.nii", values * 3, ScalarAxis(["SCAN", "CON", "DMN"]), brain_axis())
    with pytest.raises(PriorError, match="sum to at most 1"):
        files.read_prior(bad)
    with pytest.raises(PriorError, match="2 names were given for 4"):
        files.read_prior(path, names=["SCAN", "AMN"])
    one = write_cifti(tmp_path / "c.dscalar.nii", values[:1], ScalarAxis(["SCAN"]), brain_axis())
    with pytest.raises(PriorError, match="several networks"):
        files.read_prior(one)


def test_prior_from_templates(tmp_path: Path) -> None:
    values = np.random.default_rng(9).uniform(-0.5, 0.8, (3, 8)).astype(np.float32)
    values[:, 4] = 0
    path = write_cifti(tmp_path / "a.dscalar.nii", values, ScalarAxis(["SCAN", "CON", "DMN"]), brain_axis())
    prior = files.read_prior(path)
    np.testing.assert_allclose(prior.fingerprint, values)
    known = [0, 1, 2, 3, 5, 6, 7]
    np.testing.assert_allclose(prior.probability.sum(axis=0)[known], 1, atol=1e-6)
    assert prior.probability[:, 4].sum() == 0
    np.testing.assert_array_equal(prior.probability.argmax(axis=0)[known], values.argmax(axis=0)[known])
    # the unit of the templates does not matter
    np.testing.assert_allclose(files.template_probability(values * 7), prior.probability, atol=1e-6)
    with pytest.raises(PriorError, match="not a map of one person"):
        files.read_network_map(path)


@real_data
@pytest.mark.usefixtures("fetched")
def test_washu_templates() -> None:
    prior = files.read_prior(DATA / "networks" / "networkTemplates.mat")
    assert prior.names[:3] == ("default", "visual", "frontoparietal")
    assert {"AMN", "hand", "mouth"} <= set(prior.names)
    assert "skip" not in prior.names
    assert int(prior.keys[prior.index("AMN")]) == 9  # ID 9 of a list that skips 4 and 6
    assert prior.fingerprint is not None and prior.fingerprint.shape[1] == 59_412
    # independent: the same group's labels, by key
    labels = files.read_label_map(DATA / "networks" / "Laumann2015_14Networks.dlabel.nii")
    assert labels.grayordinates.same_cortex(prior.grayordinates)
    winner = prior.keys[prior.probability.argmax(axis=0)]
    known = np.isin(labels.label, prior.keys)
    assert (winner == labels.label)[known].mean() > 0.85
    # another atlas, by name: hand and mouth must not be exchanged
    gordon = files.read_prior(DATA / "networks" / "Gordon2017_17Networks.dlabel.nii")
    for name in ("hand", "mouth", "AMN", "default"):
        ours = winner == prior.keys[prior.index(name)]
        theirs = gordon.probability[gordon.index(name)] > 0
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.5, name


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("n_rows", [59_412, 91_282, 64_984])
def test_matlab_templates_of_both_versions(tmp_path: Path, version: str, n_rows: int) -> None:
    values = np.random.default_rng(10).uniform(-1, 1, (n_rows, 3)).astype(np.float32)
    path = tmp_path / "seeds.mat"
    if version == "5":
        import scipy.io

        scipy.io.savemat(path, {"seed_matrix": values})
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file["seed_matrix"] = values.T
    with pytest.raises(PriorError, match="names none of its 3 networks"):
        files.read_prior(path)
    prior = files.read_prior(path, names=["SCAN", "CON", "SMf"])
    assert prior.names == ("SCAN", "AMN", "mouth")
    expected = values[:59_412].T
    if n_rows == 64_984:
        standard = files.template_grayordinates()
        expected = np.concatenate([values[standard.left], values[32_492 + standard.right]]).T
    np.testing.assert_array_equal(prior.fingerprint, expected)


@pytest.mark.usefixtures("fetched")
def test_matlab_struct_priors_and_bad_mats(tmp_path: Path) -> None:
    import scipy.io

    rng = np.random.default_rng(11)
    names = np.array(["Somatomotor_Face", "CinguloOpercular/Action-mode"], dtype=object)
    spatial = rng.uniform(0, 0.5, (59_412, 2))
    fc = rng.uniform(-1, 1, (59_412, 2))
    path = tmp_path / "priors.mat"
    scipy.io.savemat(path, {"Priors": {"FC": fc, "Spatial": spatial, "NetworkLabels": names}})
    prior = files.read_prior(path)
    assert prior.names == ("mouth", "AMN")
    np.testing.assert_allclose(prior.fingerprint, fc.T, atol=1e-6)
    np.testing.assert_allclose(prior.probability, spatial.T, atol=1e-6)
    scipy.io.savemat(path, {"something": np.ones((3, 4))})
    with pytest.raises(PriorError, match="found something"):
        files.read_prior(path)
    scipy.io.savemat(path, {"templates": np.ones((5000, 3))})
    with pytest.raises(PriorError, match="5,000 rows"):
        files.read_prior(path, names=["a", "b", "c"])
    scipy.io.savemat(path, {"templates": fc, "IDs": [1, 2, 3]})
    with pytest.raises(PriorError, match="3 network IDs"):
        files.read_prior(path, names=["a", "b"])
    path.write_bytes(b"MATLAB 5.0 but not really")
    with pytest.raises(InputError):
        files.read_prior(path)


@real_data
def test_msc06_as_a_given_map() -> None:
    person = files.read_network_map(MSC06_MAP)
    stored = np.asarray(nib.load(MSC06_MAP).dataobj)[0]
    np.testing.assert_array_equal(person.members("SCAN"), stored == 18)
    np.testing.assert_array_equal(person.members("AMN"), stored == 9)
    np.testing.assert_array_equal(person.members("mouth"), stored == 11)


# ---- carrying values between axes


@st.composite
def axes(draw: st.DrawFn) -> Grayordinates:
    picks = [np.sort(draw(st.lists(st.integers(0, 19), unique=True, max_size=12))).astype(int) for _ in range(2)]
    cells = draw(st.lists(st.tuples(*[st.integers(0, 2)] * 3), unique=True, max_size=6))
    voxels = Voxels(np.array(cells).reshape(-1, 3), np.array(["x"] * len(cells)), AFFINE, (3, 3, 3)) if cells else None
    return Grayordinates(picks[0], picks[1], 20, voxels)


def places(axis: Grayordinates) -> list[tuple[object, ...]]:
    cells = [] if axis.voxels is None else [("V", *ijk) for ijk in axis.voxels.ijk.tolist()]
    return [("L", v) for v in axis.left.tolist()] + [("R", v) for v in axis.right.tolist()] + cells


@settings(max_examples=60, deadline=None)
@given(source=axes(), target=axes())
def test_align_against_a_dictionary(source: Grayordinates, target: Grayordinates) -> None:
    values = np.arange(1, 1 + 2 * len(source), dtype=np.float32).reshape(2, -1)
    carried = files.align(values, source, target, fill=-1)
    where = {place: row for row, place in enumerate(places(source))}
    for column, place in enumerate(places(target)):
        expected = values[:, where[place]] if place in where else [-1, -1]
        np.testing.assert_array_equal(carried[:, column], expected)


def test_align_refuses_other_meshes_and_grids() -> None:
    small = Grayordinates(LEFT, RIGHT)
    with pytest.raises(GeometryError, match="expected 6 rows"):
        files.align(np.zeros(5), small, small)
    with pytest.raises(GeometryError, match="cannot be carried"):
        files.align(np.zeros(6), small, Grayordinates(LEFT, RIGHT, 40_962))
    grids = [
        Grayordinates(LEFT, RIGHT, voxels=Voxels(np.zeros((1, 3), int), np.array(["x"]), affine, (3, 3, 3)))
        for affine in (AFFINE, AFFINE * 1.5)
    ]
    with pytest.raises(GeometryError, match="different grids"):
        files.align(np.zeros(7), *grids)


# ---- what the resources hold


@pytest.mark.usefixtures("fetched")
def test_template_anatomy() -> None:
    anatomy = files.template_anatomy()
    assert not anatomy.own
    assert "template anatomy" in anatomy.description
    areas, names = files.atlas("mmp")
    rows = files.template_grayordinates()
    for side in ("L", "R"):
        # the insula lies deep, and depth is positive on crowns
        keys = [key for key, name in names.items() if name in (f"{side}_MI", f"{side}_PoI1", f"{side}_PoI2")]
        deep = rows.to_mesh(np.isin(areas, keys), side)
        assert deep.sum() > 100
        assert anatomy.sulc[side][deep].mean() < -0.3
        # hand area: HCP-MMP 4 lies near the published M1 hand coordinate's height
        assert anatomy.surface(side).vertices[:, 2].max() > 60
    assert np.abs(anatomy.surface("L").vertices[:, 0]).max() < 80


@pytest.mark.usefixtures("fetched")
def test_standard_axes() -> None:
    cortex = files.template_grayordinates()
    assert (len(cortex.left), len(cortex.right)) == (29_696, 29_716)
    for side in ("L", "R"):
        roi = files.read_mesh_scalar(files.resource(f"cortex_roi_{side}"), hemisphere=side)
        np.testing.assert_array_equal(np.flatnonzero(roi), cortex.vertices(side))
    whole = files.standard_grayordinates_91k()
    assert len(whole) == 91_282
    assert whole.same_cortex(cortex)


@real_data
@pytest.mark.usefixtures("fetched")
def test_standard_axis_is_that_of_a_real_file() -> None:
    theirs = files.read_label_map(MSC06_MAP).grayordinates
    ours = files.standard_grayordinates_91k()
    assert ours.same_cortex(theirs)
    assert ours.voxels is not None and theirs.voxels is not None
    np.testing.assert_array_equal(ours.voxels.ijk, theirs.voxels.ijk)
    np.testing.assert_array_equal(ours.voxels.structure, theirs.voxels.structure)
    np.testing.assert_allclose(ours.voxels.affine, theirs.voxels.affine)


@pytest.mark.usefixtures("fetched")
def test_atlases() -> None:
    for name, n in (("mmp", 360), ("yeo7", 7), ("yeo17", 17)):
        label, names = files.atlas(name)
        assert label.shape == (59_412,)
        assert len(names) == n
        assert set(np.unique(label)) - {0} == set(names)
    areas, names = files.atlas("mmp")
    split = len(files.template_grayordinates().left)
    assert {names[key][0] for key in np.unique(areas[:split]) if key} == {"L"}
    assert {names[key][0] for key in np.unique(areas[split:]) if key} == {"R"}
    for size in (100, 400):
        fc, label = files.schaefer_fc(size)
        assert fc.shape == (size, size)
        np.testing.assert_allclose(fc, fc.T, atol=1e-12)
        np.testing.assert_allclose(np.diag(fc), 1)
        assert set(np.unique(label[:split])) - {0} == set(range(1, size // 2 + 1))
        assert set(np.unique(label[split:])) - {0} == set(range(size // 2 + 1, size + 1))
    with pytest.raises(ResourceError, match="no atlas is called"):
        files.atlas("ca_network")
    with pytest.raises(ResourceError):
        files.schaefer_fc(1000)


def corners(faces: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(face) for face in np.sort(faces, axis=1).tolist()}


@real_data
@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize(("level", "n", "stem"), [(5, 10_242, "10k_fsavg"), (6, 40_962, "41k_fsavg")])
def test_fsaverage_spheres_against_the_published_mesh(level: int, n: int, stem: str) -> None:
    for side in ("L", "R"):
        sphere = files.fsaverage_sphere(side, level=level, registered=False)
        published = nib.load(DATA / "spheres" / f"fsaverage{level}_std_sphere.{side}.{stem}_{side}.surf.gii")
        points, faces = (array.data for array in published.darrays)
        assert sphere.n_vertices == n
        np.testing.assert_allclose(sphere.vertices, points, atol=1e-2)
        assert corners(sphere.faces) == corners(faces)
        registered = files.fsaverage_sphere(side, level=level)
        assert registered.n_vertices == n
        shift = np.linalg.norm(registered.vertices - sphere.vertices, axis=1)
        assert shift.max() > 5  # deformed indeed


@pytest.mark.usefixtures("fetched")
def test_fsaverage_registration_puts_the_medial_wall_where_fslr_has_it() -> None:
    # Independent of the sphere files: LEMON's vertices without signal against the fsLR medial wall.
    scan = files.read_lemon()
    for side, data in (("L", scan.left), ("R", scan.right)):
        empty = ~data.any(axis=0)
        assert 850 < empty.sum() < 900
        from scipy.spatial import cKDTree

        fslr = files.read_surface(
            files.resource(f"s1200_sphere_{side}"), hemisphere=side, kind="sphere", frame="fsLR sphere"
        )
        wall = np.ones(32_492, dtype=bool)
        wall[files.template_grayordinates().vertices(side)] = False
        source = files.fsaverage_sphere(side).vertices
        nearest = cKDTree(fslr.vertices / 100).query(source / np.linalg.norm(source, axis=1)[:, None])[1]
        on_wall = wall[nearest]
        assert 2 * (on_wall & empty).sum() / (on_wall.sum() + empty.sum()) > 0.85


@pytest.mark.usefixtures("fetched")
def test_lemon() -> None:
    scan = files.read_lemon()
    assert scan.left.shape == scan.right.shape == (652, 10_242)
    assert scan.confounds.shape == (652, 29)
    assert scan.tr_s == 1.4
    column = {name: scan.confounds[:, i] for i, name in enumerate(scan.names)}
    assert len(column) == 29
    np.testing.assert_array_equal(column["constant"], 1)
    for i in range(1, 9):
        assert np.count_nonzero(column[f"spike_{i}"]) == 1
    for name in ("rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z"):
        np.testing.assert_allclose(np.diff(column[name]), column[f"{name}_derivative1"][1:], atol=1e-9)


@pytest.mark.usefixtures("fetched")
def test_template_image() -> None:
    read = files.template_image()
    assert read.data.shape == (182, 218, 182)
    assert read.forms_agree
    mask = files.read_image(files.resource("mni_brain"), frame=files.MNI_FRAME)
    assert mask.header_sha256 == read.header_sha256


def test_every_error_of_ours_names_a_place(tmp_path: Path) -> None:
    path = tmp_path / "nothing.nii"
    for reader in (
        files.read_cifti_series,
        files.read_cifti_scalar,
        files.read_label_map,
        files.read_prior,
        files.read_network_map,
        files.read_mesh_scalar,
        lambda p: files.read_image(p, frame="x"),
        lambda p: files.read_surface(p, hemisphere="L", kind="white", frame="x"),
        lambda p: files.read_surface_series(p, tmp_path / "other.mgz", tr_s=1),
    ):
        with pytest.raises(ActionloopError) as caught:
            reader(path)
        assert caught.value.where == str(path)
        assert "does not exist" in str(caught.value)
