"""Halves of a scan against maps whose agreement is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.rows import axis

from actionloop.errors import OptionError, SignalError
from actionloop.reliability.halves import block_frames, cut, split_halves
from actionloop.types import Grayordinates, NetworkMap, Timeseries

NAMES = ("SCAN", "AMN", "hand", "foot")
KEYS = np.array([4, 2, 7, 9])


def scan(n_frames: int = 1200, tr_s: float = 1.0, rows: Grayordinates | None = None) -> Timeseries:
    """Every row holds the number of the frame, so that a map can see which frames it got."""
    rows = rows or axis(30, 30)
    frames = np.arange(1, n_frames + 1, dtype=np.float32)[:, None]
    return Timeseries(np.repeat(frames, len(rows), axis=1), rows, tr_s, "scan.dtseries.nii")


def made(series: Timeseries, label: np.ndarray) -> NetworkMap:
    n = len(series.grayordinates)
    return NetworkMap(
        NAMES, KEYS, np.eye(4, 3), np.zeros((4, n)), label, np.zeros(n), series.grayordinates, method="test"
    )


def test_halves_are_disjoint_blocks_of_about_a_minute_and_hold_every_frame() -> None:
    seen = []

    def make(series: Timeseries) -> NetworkMap:
        seen.append(series.data[:, 0].astype(int))
        return made(series, np.full(60, 4))

    found = split_halves(scan(1205, 0.8), make)
    first, second = seen
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(1, 1206))
    jumps = np.flatnonzero(np.diff(first) > 1) + 1
    lengths = [len(part) for part in np.split(first, jumps)]
    assert len(lengths) == 8  # 1205 frames are 16 blocks of a minute
    assert set(lengths) == {76}
    assert found.block_s == pytest.approx(76 * 0.8)
    assert found.minutes == pytest.approx(1205 * 0.8 / 120)
    assert abs(len(first) - len(second)) < 20
    assert found.equal == 1


@pytest.mark.parametrize(("n_frames", "tr_s", "block_s"), [(240, 1.0, None), (400, 0.72, 300), (4000, 0.72, 20)])
def test_each_half_has_two_blocks_or_more(n_frames: int, tr_s: float, block_s: float | None) -> None:
    (one, other), length = cut(scan(n_frames, tr_s), block_s=block_s)
    for half in (one, other):
        assert (np.diff(half.data[:, 0]) > 1).sum() >= 1
    assert length >= 2
    assert length * tr_s >= 10


def test_blocks_never_alternate_frame_by_frame() -> None:
    assert block_frames(900, 15.0, block_s=20) == 2


def test_agreement_dice_and_rows_are_those_of_the_two_labels() -> None:
    rng = np.random.default_rng(3)
    one = np.repeat([4, 2, 7], 20)
    other = np.where(rng.random(60) < 0.3, 2, one)
    one[:5] = 0  # unlabelled in one half
    other[3:8] = 0  # three to four: in both
    labels = iter([one, other])
    found = split_halves(scan(), lambda series: made(series, next(labels)))
    either = [(a, b) for a, b in zip(one, other, strict=True) if a or b]
    assert len(either) == 58
    assert found.equal == pytest.approx(sum(a == b for a, b in either) / len(either))
    np.testing.assert_array_equal(found.agree, [a == b != 0 for a, b in zip(one, other, strict=True)])
    for name, key in zip(NAMES, KEYS, strict=True):
        a, b = set(np.flatnonzero(one == key)), set(np.flatnonzero(other == key))
        expected = 2 * len(a & b) / (len(a) + len(b)) if a or b else np.nan
        np.testing.assert_equal(found.dice[name], expected)
    assert np.isnan(found.dice["foot"])
    assert found.nmi == pytest.approx(nmi(either))


def nmi(pairs: list[tuple[int, int]]) -> float:
    def entropy(items: list) -> float:
        p = np.array([items.count(item) for item in set(items)]) / len(items)
        return float(-(p * np.log(p)).sum())

    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    return (entropy(a) + entropy(b) - entropy(pairs)) / ((entropy(a) + entropy(b)) / 2)


def test_both_at_once_gives_the_same_in_the_same_order() -> None:
    def make(series: Timeseries) -> NetworkMap:
        return made(series, np.full(60, 4 if series.data[0, 0] == 1 else 2))

    one, two = (split_halves(scan(), make, at_once=at_once) for at_once in (False, True))
    for found in (one, two):
        assert [m.label[0] for m in found.maps] == [4, 2]
        assert found.equal == 0


def test_maps_without_any_label_agree_in_nothing() -> None:
    found = split_halves(scan(), lambda series: made(series, np.zeros(60, dtype=int)))
    assert np.isnan(found.equal)
    assert np.isnan(found.nmi)
    assert not found.agree.any()


@pytest.mark.parametrize("short", [scan(238, 1.0), scan(198, 2.0), scan(2, 1.0)])
def test_a_half_that_is_too_short_is_refused_before_any_map(short: Timeseries) -> None:
    def make(series: Timeseries) -> NetworkMap:
        raise AssertionError("a map was made")

    with pytest.raises(SignalError, match="half of the scan is too short") as caught:
        split_halves(short, make)
    assert caught.value.where == "scan.dtseries.nii"
    assert caught.value.fix


@pytest.mark.parametrize("block_s", [0.0, -5.0, 5.0, float("nan"), float("inf")])
def test_short_and_impossible_blocks_are_refused(block_s: float) -> None:
    with pytest.raises(OptionError, match="expected blocks of 20 s or more"):
        split_halves(replace(scan()), lambda series: made(series, np.zeros(60, dtype=int)), block_s=block_s)
