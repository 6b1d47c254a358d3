"""Regression of voxels on the cortex beside them, against one regression at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionloop import facts
from actionloop.errors import OptionError, SignalError
from actionloop.signal.adjacent import regress_adjacent_cortex
from actionloop.types import HEMISPHERES, Anatomy, Grayordinates, Surface, Timeseries, Voxels

few = settings(max_examples=8, deadline=None)
N_VERTICES, N_CORTEX = 150, 225


class SmallAnatomy(Anatomy):
    """Surfaces of any size."""

    def __post_init__(self) -> None:
        pass


def head(seed: int = 0) -> SmallAnatomy:
    rng = np.random.default_rng(seed)
    surfaces = {}
    for side, sign in zip(HEMISPHERES, (-1, 1), strict=True):
        points = rng.uniform([10, -40, -40], [40, 40, 40], size=(N_VERTICES, 3)) * [sign, 1, 1]
        surfaces[side, "midthickness"] = Surface(points, np.array([[0, 1, 2]]), side, "midthickness", "")
    return SmallAnatomy(surfaces, {}, "", own=False, description="")


def axis(n_side: int = 7) -> Grayordinates:
    """Sparse right rows; voxels from the middle outwards to where no cortex is."""
    ijk = np.stack(np.meshgrid(*[np.arange(n_side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    affine = np.array([[-12.0, 0, 0, 36], [0, 20, 0, -60], [0, 0, 12, -36], [0, 0, 0, 1]])
    voxels = Voxels(ijk, np.full(len(ijk), "CIFTI_STRUCTURE_BRAIN_STEM"), affine, (n_side,) * 3)
    return Grayordinates(np.arange(N_VERTICES), np.arange(0, N_VERTICES, 2), N_VERTICES, voxels)


def make(n_frames: int = 60, seed: int = 0) -> Timeseries:
    rows = axis()
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_frames, 5)) @ rng.normal(size=(5, len(rows)))
    data = 3000 + 20 * (shared + rng.normal(size=shared.shape))
    return Timeseries(data.astype(np.float32), rows, 0.8, "somewhere", ("denoised",))


def naive(series: Timeseries, anatomy: Anatomy, radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit [mean of the cortex nearby, 1] to each voxel by least squares; which voxels had any."""
    rows = series.grayordinates
    assert rows.voxels is not None
    data = series.data.astype(np.float64)
    points = np.concatenate([anatomy.surface(side).vertices[rows.vertices(side)] for side in HEMISPHERES])
    out, has = data.copy(), np.zeros(len(rows.voxels), dtype=bool)
    for voxel, ijk in enumerate(rows.voxels.ijk):
        row = N_CORTEX + voxel
        centre = (rows.voxels.affine @ [*ijk, 1])[:3]
        near = np.flatnonzero(np.linalg.norm(points - centre, axis=1) <= radius_mm)
        near = near[np.ptp(data[:, near], axis=0) > 0]
        has[voxel] = near.size > 0
        design = np.ones((len(data), 1))
        if near.size:
            design = np.column_stack([data[:, near].mean(axis=1), design])
        out[:, row] -= design @ np.linalg.lstsq(design, data[:, row], rcond=None)[0]
    return out, has


@pytest.mark.parametrize("radius_mm", [8.0, 20.0, 35.0])
def test_it_equals_one_regression_at_a_time(radius_mm: float) -> None:
    series, anatomy = make(), head()
    before = series.data.copy()
    expected, has = naive(series, anatomy, radius_mm)
    found = regress_adjacent_cortex(series, anatomy, radius_mm=radius_mm)
    assert has.any() and (radius_mm > 20 or not has.all())
    assert found.data.dtype == np.float32
    np.testing.assert_allclose(found.data[:, N_CORTEX:], expected[:, N_CORTEX:], atol=2e-3)
    np.testing.assert_array_equal(found.data[:, :N_CORTEX], series.data[:, :N_CORTEX])
    np.testing.assert_array_equal(series.data, before)
    assert found.steps[:-1] == ("denoised",)
    assert f"{has.sum()} of {len(has)} voxels" in found.steps[-1] and f"{radius_mm:g} mm" in found.steps[-1]
    assert np.abs(found.data[:, N_CORTEX:].mean(axis=0)).max() < 1e-3


def test_the_default_radius_is_the_published_one() -> None:
    assert facts.load("mapping")["adjacent"]["radius_mm"] == 20
    np.testing.assert_array_equal(
        regress_adjacent_cortex(make(), head()).data, regress_adjacent_cortex(make(), head(), radius_mm=20).data
    )


def test_what_lies_exactly_so_far_counts() -> None:
    surfaces = {
        (side, "midthickness"): Surface(
            np.array([[sign * 20.0, 0, 0], [sign * 90, 0, 0], [sign * 90, 1, 0]]), np.array([[0, 1, 2]]), side,
            "midthickness", "",
        )
        for side, sign in zip(HEMISPHERES, (-1, 1), strict=True)
    }  # fmt: skip
    anatomy = SmallAnatomy(surfaces, {}, "", own=False, description="")
    voxels = Voxels(np.array([[0, 0, 0]]), np.array(["CIFTI_STRUCTURE_BRAIN_STEM"]), np.eye(4), (1, 1, 1))
    rows = Grayordinates(np.arange(3), np.array([1]), 3, voxels)
    data = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    data[:, 4] += data[:, 0]
    series = Timeseries(data, rows, 1.0)
    found = regress_adjacent_cortex(series, anatomy, radius_mm=20).data
    assert abs(np.corrcoef(found[:, 4], data[:, 0])[0, 1]) < 1e-4
    far = regress_adjacent_cortex(series, anatomy, radius_mm=19.99)
    np.testing.assert_allclose(far.data[:, 4], data[:, 4] - data[:, 4].mean(), atol=1e-6)
    assert far.steps[-1].startswith("0 of 1 voxels")


@few
@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_scale_and_offset_of_the_cortex_do_not_matter_and_those_of_voxels_pass(
    seed: int, scale: float, offset: float
) -> None:
    series, anatomy = make(seed=seed), head(seed)
    standard = (series.data - series.data.mean(axis=0)).astype(np.float32)
    one = regress_adjacent_cortex(replace(series, data=standard), anatomy).data[:, N_CORTEX:]
    cortex = np.concatenate([standard[:, :N_CORTEX] * np.float32(scale), standard[:, N_CORTEX:]], axis=1)
    other = regress_adjacent_cortex(replace(series, data=cortex), anatomy).data[:, N_CORTEX:]
    np.testing.assert_allclose(other, one, atol=1e-3)
    voxels = np.concatenate([standard[:, :N_CORTEX], standard[:, N_CORTEX:] * 3 + np.float32(offset)], axis=1)
    other = regress_adjacent_cortex(replace(series, data=voxels), anatomy).data[:, N_CORTEX:]
    np.testing.assert_allclose(other, 3 * one, atol=1e-2)


def test_dropout_is_not_averaged_and_dead_voxels_stay_dead() -> None:
    series, anatomy = make(), head()
    data = series.data.copy()
    data[:, :N_CORTEX:3] = 0
    data[:, N_CORTEX + 4] = 10_000.1
    series = replace(series, data=data)
    found = regress_adjacent_cortex(series, anatomy).data
    np.testing.assert_allclose(found[:, N_CORTEX:], naive(series, anatomy, 20)[0][:, N_CORTEX:], atol=2e-3)
    assert not found[:, N_CORTEX + 4].any()
    data[:, :N_CORTEX] = 0
    alone = regress_adjacent_cortex(replace(series, data=data), anatomy)
    assert alone.steps[-1].startswith("0 of ")
    found = alone.data[:, N_CORTEX:]
    np.testing.assert_allclose(found, data[:, N_CORTEX:] - data[:, N_CORTEX:].mean(axis=0, dtype=float), atol=1e-3)


def test_a_voxel_that_is_its_cortex_becomes_zero() -> None:
    series, anatomy = make(), head()
    near = naive(series, anatomy, 20)[1]
    data = series.data.copy()
    data[:, N_CORTEX:] = data[:, :1] * 2 + 5
    data[:, :N_CORTEX] = data[:, :1]
    found = regress_adjacent_cortex(replace(series, data=data), anatomy).data[:, N_CORTEX:]
    assert not found[:, near].any()
    assert (found[:, ~near].std(axis=0) > 1).all()


def test_without_voxels_nothing_happens() -> None:
    rows = axis().cortex()
    series = Timeseries(make().data[:, :N_CORTEX], rows, 0.8)
    assert regress_adjacent_cortex(series, head()) is series


def test_bad_input_is_refused() -> None:
    for radius_mm in (0, -3, np.nan, np.inf):
        with pytest.raises(OptionError, match="radius above 0 mm"):
            regress_adjacent_cortex(make(), head(), radius_mm=radius_mm)
    with pytest.raises(SignalError, match="2 frames"):
        regress_adjacent_cortex(make(n_frames=2), head())
