"""Compression of the frame axis: a bound on every correlation that holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionloop import files, signal
from actionloop.arrays import DEVICES, device
from actionloop.errors import OptionError, ResourceError, SignalError
from actionloop.types import Grayordinates, Timeseries


def series(data: np.ndarray) -> Timeseries:
    n = data.shape[1]
    axis = Grayordinates(np.arange(n // 2), np.arange(n - n // 2))
    return Timeseries(data.astype(np.float32), axis, 0.8)


def smooth(rng: np.random.Generator, frames: int, rows: int, *, keep: float = 0.3) -> np.ndarray:
    """Noise whose upper frequencies are gone, as filtering leaves it."""
    spectrum = np.fft.rfft(rng.standard_normal((frames, rows)), axis=0)
    spectrum[int(keep * len(spectrum)) :] = 0
    return np.fft.irfft(spectrum, frames, axis=0) + 100


def worst(one: Timeseries, basis) -> float:
    rows = basis.valid
    return float(
        np.abs(np.corrcoef(one.data[:, rows].astype(float).T) - basis.data[:, rows].T @ basis.data[:, rows]).max()
    )


@settings(deadline=None, max_examples=25)
@given(
    frames=st.integers(3, 60),
    rows=st.integers(2, 120),
    tolerance=st.sampled_from([1e-1, 1e-2, 1e-4, 1e-6]),
    seed=st.integers(0, 2**16),
)
def test_no_correlation_is_further_off_than_the_tolerance(frames, rows, tolerance, seed):
    one = series(smooth(np.random.default_rng(seed), frames, rows, keep=0.6))
    if not signal.valid_rows(one).any():
        return
    basis = signal.compress(one, tolerance=tolerance)
    assert basis.error <= tolerance + 2e-6
    assert worst(one, basis) <= basis.error + 2e-6
    assert basis.n_dimensions <= frames


def test_filtered_series_need_few_dimensions():
    one = series(smooth(np.random.default_rng(0), 400, 3000))
    basis = signal.compress(one)
    assert basis.n_dimensions <= 0.31 * 400
    assert worst(one, basis) <= 1e-4


def test_a_row_unlike_all_others_is_kept_too():
    """An artefact in one vertex is in no sample; the check of every row finds it."""
    rng = np.random.default_rng(1)
    data = smooth(rng, 300, 4000, keep=0.1)
    odd = 1 + np.arange(7)  # missed by any regular sample
    data[:, odd] = rng.standard_normal((300, len(odd)))
    one = series(data)
    basis = signal.compress(one)
    assert worst(one, basis) <= 1e-4
    assert basis.n_dimensions < 60


def test_scale_offset_and_order_of_rows_do_not_matter():
    rng = np.random.default_rng(2)
    data = smooth(rng, 120, 500)
    order = rng.permutation(500)
    changed = data[:, order] * rng.uniform(0.1, 50, 500) - rng.uniform(0, 30, 500)
    one, other = signal.compress(series(data)), signal.compress(series(changed))
    np.testing.assert_allclose(other.data.T @ other.data, (one.data.T @ one.data)[np.ix_(order, order)], atol=2e-4)


def test_constant_rows_are_zero_and_named():
    data = smooth(np.random.default_rng(3), 50, 40)
    data[:, [4, 17]] = 7
    basis = signal.compress(series(data))
    assert np.flatnonzero(~basis.valid).tolist() == [4, 17]
    assert not basis.data[:, [4, 17]].any()


def test_more_frames_than_rows():
    one = series(np.random.default_rng(4).standard_normal((500, 30)))
    basis = signal.compress(one)
    assert basis.n_dimensions <= 30
    assert worst(one, basis) <= 1e-4


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_white_noise_that_fills_the_frames_is_not_counted_twice(seed, tolerance):
    """Nothing can be spared here; what rounding leaves of a direction must not pass for a new one."""
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(60, 200))
    one = series(rng.standard_normal((frames, 300)) + 0.5 * rng.standard_normal((frames, 1)))
    basis = signal.compress(one, tolerance=tolerance)
    assert basis.n_dimensions <= frames
    assert worst(one, basis) <= tolerance + 3e-6


def test_the_real_scan_is_compressed_within_its_tolerance():
    """190 dimensions hold all but a millionth of this scan's variance on average."""
    try:
        files.require(groups=("demo",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    from actionloop.phantom import reference_scan

    scan = reference_scan()
    basis = signal.compress(scan)
    assert 100 < basis.n_dimensions < 260
    rows = np.flatnonzero(basis.valid)[:: basis.valid.sum() // 1500]
    expected = np.corrcoef(scan.data[:, rows].astype(float).T)
    assert np.abs(basis.data[:, rows].T @ basis.data[:, rows] - expected).max() <= 1e-4


@pytest.mark.parametrize("tolerance", [0, -1, 0.5, np.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(OptionError, match="tolerance"):
        signal.compress(series(smooth(np.random.default_rng(0), 20, 20)), tolerance=tolerance)


def test_too_few_frames_or_no_signal_are_refused():
    with pytest.raises(SignalError, match="too few frames"):
        signal.compress(series(np.random.default_rng(0).standard_normal((2, 20))))
    with pytest.raises(SignalError, match="no grayordinate varies"):
        signal.compress(series(np.ones((20, 20))))


@pytest.mark.parametrize("name", DEVICES)
def test_arrays_come_back_from_every_device(name):
    try:
        place = device(name)
    except ResourceError as missing:
        assert name == "cuda"  # the test extra holds torch, so that only a GPU can be missing
        pytest.skip(str(missing))
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    there = place.put(array)
    np.testing.assert_array_equal(place.get(there), array)
    np.testing.assert_allclose(place.get(there.T @ there), array.T @ array)


def test_an_unknown_device_is_refused():
    with pytest.raises(OptionError, match="cpu, cuda, torch"):
        device("abacus")
