"""Template matching by Dice, against the whole matrix in double precision."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.rows import Near, axis

from actionloop import arrays, files, signal
from actionloop.errors import OptionError, PriorError, ResourceError, SignalError
from actionloop.networks import dice, pairs
from actionloop.networks.dice import DiceSettings, map_dice
from actionloop.networks.task import prepare
from actionloop.signal.stream import correlation_blocks
from actionloop.types import Basis, Grayordinates, Prior, Timeseries

NAMES = ("SCAN", "AMN", "hand", "visual", "default")


def person(rows: Grayordinates, *, frames: int = 120, seed: int = 0) -> tuple[Timeseries, Prior]:
    """Make a scan with five networks, a constant row, and templates that know little about where they are."""
    rng = np.random.default_rng(seed)
    n = len(rows)
    network = rng.integers(0, len(NAMES), n)
    courses = rng.standard_normal((frames, len(NAMES)))
    data = 0.8 * courses[:, network] + rng.standard_normal((frames, n)) + 70
    data[:, 11] = 70
    template = 0.4 * (network == np.arange(len(NAMES))[:, None]) + rng.normal(0, 0.2, (len(NAMES), n))
    template[:, 17:23] = 0
    probability = np.full((len(NAMES), n), 1 / len(NAMES), dtype=np.float32)
    prior = Prior(NAMES, np.arange(1, 6) * 2, np.eye(5, 3), probability, rows, template.astype(np.float32))
    return Timeseries(data.astype(np.float32), rows, 0.8), prior


def naive(basis: Basis, prior: Prior, *, near: np.ndarray, valid: np.ndarray | None = None, share: float = 0.05):
    """Dice by its formula, and the threshold."""
    valid = basis.valid if valid is None else valid
    n = len(valid)
    r = basis.data.T.astype(float) @ basis.data
    one, other = np.triu_indices(n, 1)
    both = valid[one] & valid[other]
    values = np.sort(r[one, other][both])
    threshold = values[-max(1, round(share * len(values)))]
    informed = prior.fingerprint.any(axis=0)
    pooled = np.sort(prior.fingerprint[:, informed], axis=None)
    strong = prior.fingerprint >= pooled[-round(0.05 * len(pooled))]
    out = np.zeros((len(prior.names), n))
    for i in np.flatnonzero(valid):
        left = informed & valid & ~near[i]
        left[i] = False
        b = r[i, left] >= threshold - 1e-9
        for k in range(len(prior.names)):
            a = strong[k, left]
            out[k, i] = 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)
    return out, threshold


def compared(basis: Basis, prior: Prior, nearby: Near | None = None, **options):
    exclude, device = options.pop("exclude", None), options.pop("device", None)
    return dice.compare(prepare(basis, prior, exclude), nearby, settings=DiceSettings(**options), device=device)


@pytest.mark.parametrize("shape", [(150, 140, 0), (90, 110, 120)])
@pytest.mark.parametrize("radius", [None, 0.1])
def test_values_labels_and_threshold_are_those_of_the_formula(shape, radius):
    series, prior = person(axis(*shape))
    basis = signal.compress(series)
    n = len(series.grayordinates)
    nearby = None if radius is None else Near(n, radius)
    score, threshold = compared(basis, prior, nearby)
    expected, wanted = naive(basis, prior, near=np.zeros((n, n), bool) if nearby is None else nearby.matrix)
    assert threshold == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(score, expected, atol=1e-6)
    assert expected.max() > 0.3 and (expected[:, 11] == 0).all()
    if nearby is None:
        found = map_dice(basis, prior, None)
        clear = np.diff(np.sort(expected, axis=0)[-2:], axis=0)[0] > 1e-6
        best = np.where(expected.max(axis=0) > 0, prior.keys[expected.argmax(axis=0)], 0)
        np.testing.assert_array_equal(found.label[clear], best[clear])
        assert clear.mean() > 0.8
        np.testing.assert_allclose(found.probability, expected, atol=1e-6)
        assert found.measure == "Dice" and found.settings["threshold_r"] == threshold


def test_the_threshold_is_the_value_that_sorting_all_pairs_finds():
    """Bit for bit, for many shares; the number of strong pairs is the rank."""
    series, _ = person(axis(200, 180))
    basis = signal.compress(series)
    valid = basis.valid.copy()
    valid[30:40] = False
    _, block = next(correlation_blocks(basis, upper=True))
    one, other = np.triu_indices(len(valid), 1)
    both = valid[one] & valid[other]
    values = np.sort(block[one, other][both])
    sets = np.ones((1, len(valid)), dtype=bool)
    for share in (1e-6, 0.001, 0.05, 0.3, 0.9):
        rank = max(1, round(share * len(values)))
        for nearby in (None, Near(len(valid), 0.2)):
            counts = pairs.count_strongest(basis, sets, valid=valid, share=share, nearby=nearby, seed=1)
            assert counts.threshold == values[-rank]
            removed = (
                0 if nearby is None else (nearby.matrix[one, other] & both & (block[one, other] >= values[-rank])).sum()
            )
            assert counts.common.sum() == 2 * (rank - removed)


@pytest.mark.parametrize("missed", [(0.99, 1.0), (-0.9, -0.8), (0.3, 0.3)])
def test_a_missed_bracket_is_widened(monkeypatch, missed):
    series, prior = person(axis(80, 80))
    basis = signal.compress(series)
    expected = compared(basis, prior)
    proper, widths = pairs.bracket, []

    def once_wrong(sample, share, *, width):
        widths.append(width)
        return missed if len(widths) == 1 else proper(sample, share, width=width)

    monkeypatch.setattr(pairs, "bracket", once_wrong)
    again = compared(basis, prior)
    assert len(widths) == 2 and widths[1] > widths[0]
    assert again[1] == expected[1]
    np.testing.assert_array_equal(again[0], expected[0])


def test_brackets_hold_the_quantile_and_end_in_all_values():
    sample = np.sort(np.random.default_rng(0).standard_normal(10_000))
    low, high = pairs.bracket(sample, 0.05, width=5.0)
    assert low < 1.645 < high and high - low < 0.5
    assert pairs.bracket(sample, 0.05, width=1e6) == (-np.inf, np.inf)


def test_blocks_sample_and_device_have_no_bearing(monkeypatch):
    series, prior = person(axis(100, 90, 60))
    basis = signal.compress(series)
    nearby = Near(250, 0.1)
    expected = compared(basis, prior, nearby)
    for n_rows in (1, 63, 65):
        small = partial(correlation_blocks, block_bytes=n_rows * 250 * 4)
        monkeypatch.setattr(pairs, "correlation_blocks", small)
        score, threshold = compared(basis, prior, nearby, seed=n_rows)
        assert threshold == pytest.approx(expected[1], abs=1e-6)
        np.testing.assert_allclose(score, expected[0], atol=1e-6)
    score, _ = compared(basis, prior, nearby, device=arrays.device("torch"))
    np.testing.assert_allclose(score, expected[0], atol=1e-6)


def test_order_of_rows_and_scales_do_not_matter():
    series, prior = person(axis(160, 0))
    expected = map_dice(signal.compress(series), prior, None)
    order = np.random.default_rng(5).permutation(160)
    turned = replace(prior, fingerprint=prior.fingerprint[:, order])
    found = map_dice(signal.compress(replace(series, data=series.data[:, order])), turned, None)
    np.testing.assert_allclose(found.probability, expected.probability[:, order], atol=1e-6)
    louder = replace(series, data=series.data * np.float32(4))
    found = map_dice(signal.compress(louder), replace(prior, fingerprint=prior.fingerprint * 8), None)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-6)


def test_excluded_rows_leave_rows_columns_and_threshold():
    series, prior = person(axis(120, 100))
    basis = signal.compress(series)
    exclude = np.zeros(220, dtype=bool)
    exclude[40:90] = True
    score, threshold = compared(basis, prior, exclude=exclude)
    expected, wanted = naive(basis, prior, near=np.zeros((220, 220), bool), valid=basis.valid & ~exclude)
    assert threshold == pytest.approx(wanted, abs=1e-6)
    assert threshold != pytest.approx(compared(basis, prior)[1], abs=1e-6)
    np.testing.assert_allclose(score, expected, atol=1e-6)
    found = map_dice(basis, prior, None, exclude=exclude)
    assert (found.label[exclude] == 0).all() and (found.label[~exclude] > 0).any()


def test_a_row_that_shares_nothing_stays_unassigned():
    series, prior = person(axis(100, 100))
    data = series.data.copy()
    data[:, 50] = np.random.default_rng(9).standard_normal(len(data))  # reaches the threshold with nobody
    basis = signal.compress(replace(series, data=data))
    found = map_dice(basis, prior, None, settings=DiceSettings(share=0.001))
    assert found.label[50] == 0 and not found.probability[:, 50].any()


def test_bad_input_is_refused():
    series, prior = person(axis(30, 30))
    basis = signal.compress(series)
    for options in ({"share": 0}, {"share": 1}, {"template_share": 0}, {"exclusion_mm": -1}, {"min_piece_mm2": np.inf}):
        with pytest.raises(OptionError):
            DiceSettings(**options)
    with pytest.raises(PriorError, match="templates"):
        map_dice(basis, replace(prior, fingerprint=None), None)
    exclude = np.arange(60) != 3
    with pytest.raises(SignalError, match="two grayordinates"):
        pairs.count_strongest(basis, np.ones((1, 60), bool), valid=~exclude, share=0.05, nearby=None, seed=0)


@pytest.fixture(scope="module")
def template():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    return files.template_anatomy()


def test_near_pairs_are_left_out_along_the_real_surface_and_small_pieces_refilled(template):
    """A disc of cortex with two networks and, inside one, a patch of two vertices of the other."""
    from actionloop.brain import adjacency
    from actionloop.brain.nearby import Nearby

    surface = template.surface("L")
    inside = np.linalg.norm(surface.vertices - surface.vertices[5000], axis=1) < 45
    full = files.template_grayordinates()
    rows = Grayordinates(full.left[inside[full.left]], full.right[:: len(full.right) // 40])
    n = len(rows)
    y = surface.vertices[rows.left, 1]
    network = np.concatenate([(y > np.median(y)).astype(int), np.arange(n - len(y)) % 2])
    middle = int(np.argmin(np.abs(y - np.quantile(y, 0.2))))
    friend = adjacency(surface.faces, surface.n_vertices)[[rows.left[middle]]].indices
    patch = [middle, int(np.flatnonzero(np.isin(rows.left, friend))[0])]
    rng = np.random.default_rng(2)
    truth = network.copy()
    truth[patch] = 1
    data = rng.standard_normal((60, 2))[:, truth] + 0.4 * rng.standard_normal((60, n))
    basis = signal.compress(Timeseries(data.astype(np.float32), rows, 1.0))
    fingerprint = (network == np.arange(2)[:, None]) + rng.normal(0, 0.1, (2, n))
    prior = Prior(("SCAN", "AMN"), np.array([3, 4]), np.eye(2, 3), np.full((2, n), 0.5, np.float32), rows, fingerprint)
    settings = DiceSettings(share=0.4, template_share=0.4, exclusion_mm=10.0)
    found = map_dice(basis, prior, template, settings=settings)
    nearby = Nearby(rows, template, radius_mm=10.0)
    score, _ = dice.compare(prepare(basis, prior), nearby, settings=settings)
    np.testing.assert_allclose(found.probability, score, atol=1e-6)
    everything, _ = dice.compare(prepare(basis, prior), None, settings=settings)
    assert np.abs(everything - score).max() > 0.01
    assert (score.argmax(axis=0)[patch] == 1).all()
    assert (found.label[patch] == 3).all()
    assert (found.label == prior.keys[network]).mean() > 0.98
    kept = map_dice(basis, prior, template, settings=replace(settings, min_piece_mm2=0.0))
    assert (kept.label[patch] == 4).all()
