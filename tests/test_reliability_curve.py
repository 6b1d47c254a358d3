"""Agreement against minutes: curves of known ceiling and rate, and points that determine none."""

from __future__ import annotations

import numpy as np
import pytest
from tests.rows import axis

from actionloop.errors import OptionError
from actionloop.reliability.curve import agreement_curve, minutes_needed, project
from actionloop.reliability.found import Curve
from actionloop.reliability.halves import split_halves
from actionloop.types import NetworkMap, Timeseries

ROWS = axis(2000, 2000)


def scan(minutes: float, tr_s: float = 1.0) -> Timeseries:
    n_frames = round(minutes * 60 / tr_s)
    frames = np.arange(1, n_frames + 1, dtype=np.float32)[:, None]
    return Timeseries(np.repeat(frames, len(ROWS), axis=1), ROWS, tr_s)


class Mapper:
    """Maps whose agreement is R(T): each labels a row rightly or, by chance, like nobody else."""

    def __init__(self, ceiling: float, rate: float) -> None:
        self.ceiling, self.rate, self.minutes = ceiling, rate, []

    def __call__(self, series: Timeseries) -> NetworkMap:
        self.minutes.append(series.minutes)
        agree = self.ceiling * (1 - np.exp(-self.rate * series.minutes))
        n = len(ROWS)
        label = np.where(np.arange(n) < round(agree * n), 1, 2 + len(self.minutes) % 2)
        keys = np.array([1, 2, 3])
        empty = np.zeros((3, n))
        return NetworkMap(("SCAN", "AMN", "hand"), keys, np.eye(3), empty, label, empty[0], ROWS, method="test")


def test_ceiling_rate_and_projection_are_recovered() -> None:
    make = Mapper(0.9, 0.15)
    found = agreement_curve(scan(32), make)
    assert len(make.minutes) == 6
    np.testing.assert_allclose(found.minutes, [4, 8, 16])
    assert found.ceiling == pytest.approx(0.9, abs=0.005)
    assert found.rate_per_min == pytest.approx(0.15, abs=0.005)
    assert sorted(found.projected) == [32, 40, 48, 60, 64, 96]
    for minutes, agreement in found.projected.items():
        assert agreement == pytest.approx(0.9 * (1 - np.exp(-0.15 * minutes)), abs=0.005)


def test_halves_of_the_whole_save_two_maps() -> None:
    series = scan(32)
    halves = split_halves(series, Mapper(0.9, 0.15))
    make = Mapper(0.9, 0.15)
    with_them, without = (agreement_curve(series, make, halves=h) for h in (halves, None))
    assert make.minutes[:4] == pytest.approx([4, 4, 8, 8], rel=0.02)
    assert len(make.minutes) == 4 + 6
    assert with_them.agreement == without.agreement
    assert with_them.projected == without.projected


def test_maps_that_agree_without_signal_give_no_curve() -> None:
    check_undetermined(project([2, 4, 8], [0.765, 0.78, 0.81], scan_minutes=16))


def test_growth_with_the_logarithm_of_minutes_gives_no_curve() -> None:
    # The demonstration's scan by eta²: a ceiling below its last point would say that more minutes are of no use.
    check_undetermined(project([2.333, 4.2117, 7.6067], [0.37616, 0.42964, 0.4969], scan_minutes=15.2))


def check_undetermined(found: Curve) -> None:
    assert np.isnan(found.ceiling)
    assert np.isnan(found.rate_per_min)
    assert found.projected == {}
    assert minutes_needed(found, 0.5) is None


@pytest.mark.parametrize(
    "agreement",
    [[0.5, 0.7], [0.8, 0.8, 0.8], [0.9, 0.8, 0.7], [0.8, 0.9, 0.8], [0.5, np.nan, 0.7], [0.5, 0.3, 0.9], [0, 0, 0]],
)
def test_points_that_determine_nothing_say_so(agreement: list[float]) -> None:
    minutes = [2.0, 4.0, 8.0][: len(agreement)]
    found = project(minutes, agreement, scan_minutes=16)
    assert found.minutes == tuple(minutes)
    assert np.isnan([found.ceiling, found.rate_per_min]).all()
    assert not found.projected


def test_the_fit_is_the_least_squares_of_a_dense_search() -> None:
    minutes, agreement = np.array([2.0, 4.0, 8.0, 16.0]), np.array([0.27, 0.46, 0.71, 0.87])
    found = project(minutes, agreement, scan_minutes=32)
    rates, ceilings = np.geomspace(0.01, 2, 1500)[:, None, None], np.linspace(0.3, 1, 1401)[None, :, None]
    loss = ((ceilings * (1 - np.exp(-rates * minutes)) - agreement) ** 2).sum(axis=-1)
    rate, ceiling = np.unravel_index(loss.argmin(), loss.shape)
    assert found.rate_per_min == pytest.approx(rates.ravel()[rate], rel=0.01)
    assert found.ceiling == pytest.approx(ceilings.ravel()[ceiling], abs=0.002)


def test_the_ceiling_is_at_most_one() -> None:
    minutes = np.array([2.0, 4.0, 8.0])
    found = project(minutes, 1.1 * (1 - np.exp(-0.1 * minutes)), scan_minutes=16)
    assert found.ceiling == 1
    assert all(agreement <= 1 for agreement in found.projected.values())


def test_minutes_needed_inverts_the_projection_and_knows_its_end() -> None:
    minutes = np.array([4.0, 8.0, 16.0])
    found = project(minutes, 0.9 * (1 - np.exp(-0.05 * minutes)), scan_minutes=32)
    for at, agreement in found.projected.items():
        assert minutes_needed(found, agreement - 1e-9) == pytest.approx(at, rel=1e-6)
    assert minutes_needed(found, 0.9 * (1 - np.exp(-0.05 * 97))) is None  # three times the scan is 96
    assert minutes_needed(found, 0.95) is None  # above the ceiling
    for wrong in (0, 1, 1.2, float("nan")):
        with pytest.raises(OptionError, match="expected an agreement"):
            minutes_needed(found, wrong)


def test_a_short_scan_has_lengths_closer_together_or_only_its_whole() -> None:
    make = Mapper(0.9, 0.2)
    found = agreement_curve(scan(10), make)
    np.testing.assert_allclose(found.minutes, [2, np.sqrt(10), 5], atol=0.05)
    assert np.isfinite(found.ceiling)
    series = scan(5)
    found = agreement_curve(series, make, halves=split_halves(series, make))
    assert found.minutes == (2.5,)
    assert np.isnan(found.ceiling)
    assert agreement_curve(series, make).minutes == ()


def test_lengths_whose_halves_are_too_short_are_left_out() -> None:
    found = agreement_curve(scan(16), Mapper(0.9, 0.2), lengths=[1, 0.1, 0.5])
    assert found.minutes == (4, 8)
    assert np.isnan(found.ceiling)


@pytest.mark.parametrize("lengths", [[0.0, 1], [-0.5], [1.5], [float("nan")]])
def test_lengths_that_are_none_are_refused(lengths: list[float]) -> None:
    with pytest.raises(OptionError, match="lengths are shares"):
        agreement_curve(scan(16), Mapper(0.9, 0.2), lengths=lengths)


def test_a_block_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="blocks"):
        agreement_curve(scan(16), Mapper(0.9, 0.2), block_s=1)
