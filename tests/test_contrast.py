"""SCAN against the effectors: against naive versions, planted truth and nominal rates."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats
from tests.rows import axis

from actionloop import files
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError, ResourceError
from actionloop.evidence.blockwise import BlockSums, Bootstrap, interval
from actionloop.evidence.contrast import contrast, mean_series, seed_names, stacked
from actionloop.evidence.paired import between_regions, paired_tests
from actionloop.evidence.preferential import PreferenceSums, PreferentialMap, margins, preferential
from actionloop.evidence.regions import (
    Region,
    cortical_regions,
    near_rows,
    network_region,
    putamen_quadrant,
    subcortical_regions,
    voxel_sphere,
)
from actionloop.types import Grayordinates, NetworkMap, Timeseries, Voxels

NAMES = ("SCAN", "foot", "hand", "mouth", "AMN", "other")
SHORT = Bootstrap(n=60)


def network_map(grayordinates: Grayordinates, label: np.ndarray) -> NetworkMap:
    keys = np.array([18, 17, 10, 11, 9, 1])
    return NetworkMap(
        names=NAMES,
        keys=keys,
        colours=np.zeros((6, 3)),
        probability=(label == keys[:, None]).astype(np.float32),
        label=label,
        confidence=np.ones(len(label), dtype=np.float32),
        grayordinates=grayordinates,
        method="given",
    )


def person(
    rng: np.random.Generator, *, n_frames: int = 300, coupling: float = 0.8, noise: float = 1.0, voxels: int = 40
):
    """120 vertices in 6 networks; AMN and the first half of the voxels go with SCAN, the second half with hand."""
    rows = axis(60, 60, voxels)
    label = np.zeros(len(rows), dtype=np.int64)
    label[:120] = np.repeat([18, 17, 10, 11, 9, 1], 20)
    own = rng.standard_normal((n_frames, 6))
    own[:, 4] = coupling * own[:, 0] + np.sqrt(1 - coupling**2) * own[:, 4]
    index = np.repeat(np.arange(6), 20)
    index = np.concatenate([index, np.repeat([0, 2], voxels // 2)])
    data = own[:, index] + noise * rng.standard_normal((n_frames, len(index)))
    series = Timeseries((3 * data + 10).astype(np.float32), rows, 2.0)
    return series, network_map(rows, label), own


def voxel_regions(rows: Grayordinates) -> list[Region]:
    first, second = (np.zeros(len(rows), dtype=bool) for _ in range(2))
    first[120:140], second[140:160] = True, True
    return [Region("CM", first), Region("VPL", second)]


# One person


def test_fisher_z_and_differences_are_those_of_plain_means():
    series, made, _ = person(np.random.default_rng(0))
    regions = [network_region(made, "AMN"), *voxel_regions(series.grayordinates)]
    found = contrast(series, made, regions, anatomy=None, away_mm=0, rng=np.random.default_rng(1), bootstrap=SHORT)
    unit = stats.zscore(series.data.astype(np.float64))
    means = [unit[:, made.members(name)].mean(axis=1) for name in found.seeds]
    targets = [unit[:, region.rows].mean(axis=1) for region in regions]
    expected = np.arctanh([[np.corrcoef(seed, target)[0, 1] for target in targets] for seed in means])
    np.testing.assert_allclose(found.fisher_z, expected, atol=1e-9)
    np.testing.assert_allclose(found.difference, expected[0] - expected[1:], atol=1e-9)
    assert found.seeds == ("SCAN", "foot", "hand", "mouth") and found.regions == ("AMN", "CM", "VPL")
    assert (found.seed_rows == 20).all() and (found.region_rows == 20).all()
    assert (found.fisher_z_low < found.fisher_z).all() and (found.fisher_z < found.fisher_z_high).all()
    assert (found.difference_low[:, :2] > 0).all()  # SCAN-coupled AMN and CM
    assert found.difference_high[1, 2] < 0  # hand-coupled VPL


def test_units_and_order_of_rows_do_not_matter():
    series, made, _ = person(np.random.default_rng(2))
    regions = voxel_regions(series.grayordinates)
    given = {"anatomy": None, "away_mm": 0, "bootstrap": SHORT}
    found = contrast(series, made, regions, rng=np.random.default_rng(1), **given)
    order = np.random.default_rng(3).permutation(120)
    order = np.concatenate([order, np.arange(120, 160)])
    moved = replace(series, data=series.data[:, order] * np.linspace(1, 9, 160, dtype=np.float32))
    again = contrast(
        moved, network_map(made.grayordinates, made.label[order]), regions, rng=np.random.default_rng(1), **given
    )
    np.testing.assert_allclose(again.fisher_z, found.fisher_z, atol=1e-5)
    np.testing.assert_allclose(again.difference_low, found.difference_low, atol=1e-5)


def test_rows_without_signal_are_left_out():
    series, made, _ = person(np.random.default_rng(4))
    data = series.data.copy()
    data[:, [0, 125]] = 7
    data[:, 40:60] = 7  # all of hand
    found = contrast(
        replace(series, data=data),
        made,
        voxel_regions(series.grayordinates),
        anatomy=None,
        away_mm=0,
        rng=np.random.default_rng(0),
        bootstrap=SHORT,
    )
    assert found.seed_rows.tolist() == [19, 20, 0, 20] and found.region_rows.tolist() == [19, 20]
    assert np.isnan(found.fisher_z[2]).all() and np.isnan(found.difference_low[1]).all()
    assert np.isfinite(found.difference[[0, 2]]).all()


def test_a_phantom_with_scan_tied_to_amn_shows_it():
    try:
        files.require(groups=("plan",))
    except ResourceError as error:
        pytest.skip(str(error))
    from actionloop import phantom, signal
    from actionloop.phantom.template import template

    rng = np.random.default_rng(5)
    who = phantom.draw_person(rng)
    session = phantom.simulate_session(who, minutes=6, tr_s=2.5, rng=rng, cortex_only=True)
    series = phantom.denoise(session, with_global_signal=False, filtered=True)
    rows = template().grayordinates.cortex()
    label = who.truth[: len(rows)]
    made = NetworkMap(
        names=who.names,
        keys=who.keys,
        colours=who.colours,
        probability=np.zeros((len(who.names), len(rows)), dtype=np.float32),
        label=label,
        confidence=np.zeros(len(rows), dtype=np.float32),
        grayordinates=rows,
        method="truth",
    )
    regions = [network_region(made, "AMN"), network_region(made, "visual")]
    found = contrast(signal.standardise(series), made, regions, anatomy=files.template_anatomy(), rng=rng)
    assert found.away_mm == 10 and found.region_rows[0] < (label == who.key("AMN")).sum()
    assert (found.difference[:, 0] > 0).all()
    assert (found.difference_low[:, 0] > 0).sum() >= 2
    assert (np.abs(found.difference[:, 1]) < np.abs(found.difference[:, 0])).all()


# The bootstrap


def drawn_frames(start: int, kept: list[np.ndarray], length: int) -> np.ndarray:
    """Positions in the joined series of a block's kept frames, by plain counting."""
    first = 0
    for run in kept:
        if start < len(run):
            frames = (start + np.arange(min(length, len(run)))) % len(run)
            position = first + np.cumsum(run) - 1
            return position[frames[run[frames]]]
        start -= len(run)
        first += int(run.sum())
    raise AssertionError


def censored(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.random(n) > 0.2 for n in (130, 90, 11)]


def test_sums_of_blocks_give_what_the_drawn_frames_give():
    rng = np.random.default_rng(6)
    kept = censored(rng)
    n = sum(int(run.sum()) for run in kept)
    a, b = rng.standard_normal((n, 3)) + 50, rng.standard_normal((n, 2)).cumsum(axis=0) + 20
    sums = BlockSums(a, b, tr_s=2.0, kept=kept, block_s=30.0)
    assert sums.n_drawn == -(-231 // 15) and len(sums.windows) == 231
    np.testing.assert_allclose(np.tanh(sums.fisher_z(sums.whole)), np.corrcoef(a.T, b.T)[:3, 3:], atol=1e-12)
    found = sums.draw(20, rng=np.random.default_rng(9))
    starts = np.random.default_rng(9).integers(231, size=(20, sums.n_drawn))
    for z, own in zip(found, starts, strict=True):
        frames = np.concatenate([drawn_frames(int(start), kept, 15) for start in own])
        np.testing.assert_allclose(z, np.arctanh(np.corrcoef(a[frames].T, b[frames].T)[:3, 3:]), atol=1e-10)


def test_every_frame_lies_in_equally_many_blocks_and_none_joins_runs():
    kept = censored(np.random.default_rng(7))
    n = sum(int(run.sum()) for run in kept)
    sums = BlockSums(np.ones((n, 1)), np.ones((n, 1)), tr_s=2.0, kept=kept, block_s=30.0)
    counts = np.zeros(n, dtype=int)
    for start in range(231):
        counts[drawn_frames(start, kept, 15)] += 1
    first = int(kept[0].sum() + kept[1].sum())
    assert (counts[:first] == 15).all() and (counts[first:] == 11).all()
    assert sums.windows[:, 0].sum() == counts.sum()


def test_leaving_out_a_block_is_leaving_out_its_frames():
    rng = np.random.default_rng(8)
    kept = [np.ones(70, dtype=bool), rng.random(80) > 0.3]
    n = 70 + int(kept[1].sum())
    a, b = rng.standard_normal((n, 1)), rng.standard_normal((n, 1))
    found = BlockSums(a, b, tr_s=2.0, kept=kept, block_s=30.0).without_each()[:, 0, 0]
    owner = np.concatenate([np.arange(70) // 15, 5 + np.flatnonzero(kept[1]) // 15])
    expected = [np.corrcoef(a[owner != one, 0], b[owner != one, 0])[0, 1] for one in np.unique(owner)]
    np.testing.assert_allclose(np.tanh(found), expected, atol=1e-10)


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_intervals_are_those_of_scipy(kind):
    rng = np.random.default_rng(10)
    x = rng.exponential(size=40)
    drawn = rng.choice(x, (4000, 40)).mean(axis=1)
    left_out = (x.sum() - x) / 39
    low, high = interval(np.array(x.mean()), drawn, left_out, Bootstrap(interval=kind))
    wanted = stats.bootstrap((x,), np.mean, n_resamples=4000, method=kind if kind == "percentile" else "BCa", rng=rng)
    np.testing.assert_allclose([low, high], wanted.confidence_interval, atol=0.05)
    if kind == "bca":
        assert low > np.quantile(drawn, 0.025)  # skewed to the right


def test_intervals_hold_the_truth_at_about_their_level():
    """300 scans of white-noise series smoothed over 5 frames; of 95 % intervals 90 to 98 % hold the truth."""
    rng = np.random.default_rng(11)
    settings, held = Bootstrap(n=200), []
    truth = np.arctanh(0.6) - np.arctanh(0.2)
    for _ in range(300):
        x = rng.standard_normal((404, 3)).cumsum(axis=0)
        x = x[5:] - x[:-5]
        a = np.stack([0.6 * x[:, 2] + 0.8 * x[:, 0], 0.2 * x[:, 2] + np.sqrt(0.96) * x[:, 1]], axis=1)
        sums = BlockSums(a, x[:, 2:], tr_s=2.0, block_s=30.0)
        found, drawn, left = (
            z[..., 0, 0] - z[..., 1, 0]
            for z in (sums.fisher_z(sums.whole), sums.draw(200, rng=rng), sums.without_each())
        )
        low, high = interval(found, drawn, left, settings)
        held.append(low <= truth <= high)
    assert 0.90 <= np.mean(held) <= 0.98


# Regions


def putamen(rows: int = 6) -> Grayordinates:
    """A block of voxels on each side named putamen, and one named cerebellum."""
    ijk = np.array(list(product(range(4), range(rows), range(rows))))
    right = ijk + np.array([20, 0, 0])
    structure = np.repeat(
        ["CIFTI_STRUCTURE_PUTAMEN_LEFT", "CIFTI_STRUCTURE_PUTAMEN_RIGHT", "CIFTI_STRUCTURE_CEREBELLUM_LEFT"], len(ijk)
    )
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-30, -10, -6]
    voxels = Voxels(np.concatenate([ijk, right, ijk + np.array([0, 50, 0])]), structure, affine, (40, 80, 40))
    return Grayordinates(np.arange(5), np.arange(5), voxels=voxels)


def test_the_quadrant_is_dorsal_and_posterior_on_both_sides():
    rows = putamen()
    mask = putamen_quadrant(rows).rows
    ijk = rows.voxels.ijk[mask[10:]]
    assert mask.sum() == 2 * 4 * 3 * 3
    assert (ijk[:, 1] < 3).all() and (ijk[:, 2] >= 3).all()
    assert {"LEFT", "RIGHT"} == {name.rsplit("_", 1)[1] for name in rows.voxels.structure[mask[10:]]}


def test_spheres_stay_in_their_structure():
    rows = putamen()
    mask = voxel_sphere(rows, np.array([-28.0, -4.0, 0.0]), radius_mm=4.0, structure="CIFTI_STRUCTURE_PUTAMEN_LEFT")
    xyz = rows.voxels.ijk * 2.0 + [-30, -10, -6]
    away = np.linalg.norm(xyz - [-28, -4, 0], axis=1)
    np.testing.assert_array_equal(mask[10:], (away <= 4) & (rows.voxels.structure == "CIFTI_STRUCTURE_PUTAMEN_LEFT"))


def test_regions_of_the_standard_rows_hold_the_published_points():
    try:
        files.require(groups=("plan",))
    except ResourceError as error:
        pytest.skip(str(error))
    from actionloop.facts import load

    rows = files.standard_grayordinates_91k()
    found = {region.name: region.rows for region in subcortical_regions(rows)}
    assert set(found) == {"dorsal posterior putamen", "CM thalamus", "cerebellum dorsal", "cerebellum ventral"}
    xyz = rows.voxels.ijk @ rows.voxels.affine[:3, :3].T + rows.voxels.affine[:3, 3]
    points = {
        one["name"].replace("posterior putamen", "dorsal posterior putamen"): one for one in load("scan")["subcortical"]
    }
    for name, mask in found.items():
        inside = xyz[mask[rows.n_cortex :]]
        assert not mask[: rows.n_cortex].any()
        for side in ("L", "R"):
            assert np.linalg.norm(inside - points[name][side], axis=1).min() < 2
    area = np.where(np.arange(rows.n_cortex) < 100, "SCEF", "MI")
    first, second = cortical_regions(rows, area)
    assert (first.name, second.name) == ("dACC/SMA", "insula") and first.rows.sum() == 100
    assert second.rows.sum() == rows.n_cortex - 100


def test_near_rows_are_those_of_exact_distances_but_for_the_border():
    try:
        files.require(groups=("plan",))
    except ResourceError as error:
        pytest.skip(str(error))
    from actionloop.brain import Geodesic

    anatomy, rows = files.template_anatomy(), files.template_grayordinates()
    seed = np.zeros(len(rows), dtype=bool)
    seed[np.searchsorted(rows.left, 20000)] = True
    vertex = int(rows.left[np.flatnonzero(seed)[0]])
    near = near_rows(rows, anatomy, seed, distance_mm=15.0)
    surface = anatomy.surface("L")
    exact = Geodesic(surface).near(vertex, 20.0)[rows.left]
    mask = near[rows.rows("L")]
    assert mask[exact < 13.5].all() and not mask[exact > 16.5].any()
    straight = np.linalg.norm(anatomy.surface("R").vertices[rows.right] - surface.vertices[vertex], axis=1)
    np.testing.assert_array_equal(near[rows.rows("R")], straight <= 15)
    np.testing.assert_array_equal(near_rows(rows, anatomy, seed, distance_mm=0), seed)


# Preferential maps


def test_preferential_maps_are_those_of_the_dense_way():
    series, made, _ = person(np.random.default_rng(12))
    data = series.data.copy()
    data[:, 130] = 4
    series = replace(series, data=data)
    found = preferential(series, made)
    unit = stats.zscore(data.astype(np.float64) + 1e-9 * np.arange(len(data))[:, None], axis=0)
    unit[:, 130] = 0
    seeds = np.stack([unit[:, made.members(name)].mean(axis=1) for name in found.seeds])
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(np.corrcoef(np.concatenate([seeds, unit.T]))[:4, 4:])
    z = np.arctanh(r)
    np.testing.assert_allclose(found.fisher_z, z, atol=1e-5)
    naive = np.stack([z[i] - np.delete(z, i, axis=0).max(axis=0) for i in range(4)])
    np.testing.assert_allclose(found.margin, naive, atol=1e-5)
    assert ((found.positive > 0).sum(axis=0) <= 1).all() and not found.valid[130]
    assert (found.positive[0, 120:130] > 0).all() and (found.positive[2, 140:] > 0).all()


def test_a_tie_prefers_nobody():
    np.testing.assert_array_equal(margins(np.array([[1.0], [1.0], [0.0]])), [[0], [0], [-1]])


def preference(rows: Grayordinates, margin: np.ndarray, valid: np.ndarray | None = None) -> PreferentialMap:
    valid = np.ones(len(rows), dtype=bool) if valid is None else valid
    return PreferentialMap(("SCAN", "foot"), margin.astype(np.float32), margin.astype(np.float32), valid, rows)


def test_running_sums_are_those_of_all_people_at_once():
    rng, rows = np.random.default_rng(13), axis(30, 30)
    all_margins = rng.standard_normal((9, 2, 60)) + np.linspace(0, 2, 60)
    valid = rng.random((9, 60)) > 0.2
    valid[:, 0], valid[1:, 1] = False, False
    sums = PreferenceSums(rows, rng=np.random.default_rng(0), n_flips=99)
    for margin, have in zip(all_margins, valid, strict=True):
        sums.add(preference(rows, margin, have))
    found = sums.result()
    known = np.where(valid[:, None], all_margins.astype(np.float32), np.nan)
    np.testing.assert_array_equal(found.people, valid.sum(axis=0))
    some = valid.any(axis=0)
    np.testing.assert_allclose(found.mean[:, some], np.nanmean(known[:, :, some], axis=0), atol=1e-6)
    np.testing.assert_allclose(found.positive[:, some], np.nanmean(np.maximum(known[:, :, some], 0), axis=0), atol=1e-6)
    enough = valid.sum(axis=0) >= 5
    wanted = stats.ttest_1samp(known[:, :, enough], 0, nan_policy="omit").statistic
    np.testing.assert_allclose(found.t[:, enough], wanted, rtol=1e-4)
    assert np.isnan(found.mean[:, 0]).all() and np.isnan(found.t[:, ~enough]).all()
    signs = np.random.default_rng(0)
    flips = np.stack([np.where(signs.random(99) < 0.5, -1.0, 1.0) for _ in range(9)], axis=1)
    n = valid.sum(axis=0)[enough]
    largest = []
    for own in flips:
        signed = known[:, :, enough] * own[:, None, None]
        largest.append((np.nanmean(signed, axis=0) / np.nanstd(signed, axis=0, ddof=1) * np.sqrt(n)).max())
    p = (1 + (np.array(largest)[:, None, None] >= wanted - 1e-5 * np.abs(wanted)).sum(axis=0)) / 100
    np.testing.assert_allclose(found.p_fwe[:, enough], p, atol=1e-6)


# Over people


def test_paired_t_is_that_of_scipy_and_all_signs_are_gone_through():
    rng = np.random.default_rng(14)
    values = rng.standard_normal((7, 3, 4)) + 1
    found = paired_tests(values, rng=rng)
    wanted = stats.ttest_1samp(values, 0)
    np.testing.assert_allclose(found.statistic, wanted.statistic, rtol=1e-10)
    np.testing.assert_allclose(found.p, wanted.pvalue, rtol=1e-8)
    np.testing.assert_allclose(found.p_fdr, stats.false_discovery_control(wanted.pvalue.ravel()).reshape(3, 4))
    assert found.all_flips and found.n_flips == 128
    largest = []
    for signs in product([1, -1], repeat=7):
        largest.append(np.abs(stats.ttest_1samp(values * np.array(signs)[:, None, None], 0).statistic).max())
    p = (np.array(largest)[:, None, None] >= np.abs(wanted.statistic) * (1 - 1e-9)).mean(axis=0)
    np.testing.assert_allclose(found.p_fwe, p)
    assert (found.p_fwe >= found.p.min()).all() and found.p_fwe.min() >= 2 / 128


def test_wilcoxon_is_that_of_scipy():
    rng = np.random.default_rng(15)
    values = rng.standard_normal((12, 5)) + np.array([0, 0.3, 0.6, 0.9, 1.2])
    values[3, 1] = 0
    found = paired_tests(values, rng=rng, test="wilcoxon", n_flips=500)
    np.testing.assert_allclose(found.p, [stats.wilcoxon(column).pvalue for column in values.T])
    ranks = stats.rankdata(np.abs(values[:, 0]))
    np.testing.assert_allclose(found.statistic[0], (np.sign(values[:, 0]) * ranks).sum() / np.sqrt((ranks**2).sum()))
    assert not found.all_flips and found.n_flips == 501


def test_people_without_a_value_are_left_out_of_that_test():
    rng = np.random.default_rng(16)
    values = rng.standard_normal((10, 3))
    values[:3, 1], values[:6, 2] = np.nan, np.nan
    found = paired_tests(values, rng=rng, n_flips=200)
    assert found.people.tolist() == [10, 7, 4]
    np.testing.assert_allclose(found.statistic[1], stats.ttest_1samp(values[3:, 1], 0).statistic)
    assert np.isnan([found.p[2], found.p_fwe[2], found.p_fdr[2], found.mean[2]]).all()


@pytest.mark.parametrize(("test", "cohorts", "tests"), [("t", 400, 15), ("wilcoxon", 150, 3)])
def test_family_wise_errors_are_at_the_nominal_rate(test, cohorts, tests):
    """Null cohorts of 12 people, correlated tests with heavy tails; .05 ± 3 standard errors."""
    rng = np.random.default_rng(17)
    wrong = []
    for _ in range(cohorts):
        values = rng.standard_t(4, (12, tests)) + rng.standard_normal((12, 1))
        wrong.append(paired_tests(values, rng=rng, test=test, n_flips=199).p_fwe.min() <= 0.05)
    assert abs(np.mean(wrong) - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / cohorts)


def test_a_planted_cohort_is_found_and_cm_stands_above_vpl():
    tables = []
    for number in range(8):
        series, made, _ = person(np.random.default_rng(100 + number), n_frames=150)
        regions = [network_region(made, "AMN"), *voxel_regions(series.grayordinates)]
        given = {"anatomy": None, "away_mm": 0, "bootstrap": SHORT, "rng": np.random.default_rng(number)}
        tables.append(contrast(series, made, regions, **given))
    values = stacked(tables)
    assert values.shape == (8, 3, 3)
    found = paired_tests(values, rng=np.random.default_rng(0))
    assert (found.p_fwe[:, :2] < 0.05).all() and found.mean[1, 2] < 0
    against, others = between_regions(values, tables[0].regions, "CM")
    assert others == ("AMN", "VPL")
    np.testing.assert_allclose(against[..., 1], values[..., 1] - values[..., 2])
    assert (paired_tests(against[:, [1]], rng=np.random.default_rng(0)).p_fwe[..., 1] < 0.05).all()


# What cannot be used


def refuse_contrast(**changed):
    series, made, _ = person(np.random.default_rng(0), n_frames=150)
    given = {
        "series": series,
        "made": made,
        "regions": voxel_regions(series.grayordinates),
        "anatomy": None,
        "away_mm": 0,
    }
    given |= changed
    series, made, regions = (given.pop(name) for name in ("series", "made", "regions"))
    contrast(series, made, regions, rng=np.random.default_rng(0), bootstrap=SHORT, **given)


def test_bad_input_to_a_contrast_is_refused_once_and_clearly():
    series, made, _ = person(np.random.default_rng(0), n_frames=150)
    with pytest.raises(GeometryError, match="160 rows and the map 140"):
        refuse_contrast(made=person(np.random.default_rng(0), voxels=20)[1])
    with pytest.raises(GeometryError, match="'CM' has 5 rows"):
        refuse_contrast(regions=[Region("CM", np.ones(5, dtype=bool))])
    with pytest.raises(OptionError, match="name of its own"):
        refuse_contrast(regions=[])
    with pytest.raises(OptionError, match="only be measured on a surface"):
        refuse_contrast(away_mm=10)
    with pytest.raises(OptionError, match="no network foot, hand"):
        refuse_contrast(made=replace(made, names=("SCAN", "feet", "hands", "mouth", "AMN", "other")))
    with pytest.raises(EmptyRegionError, match="SCAN: no row"):
        refuse_contrast(made=replace(made, label=np.where(made.label == 18, 0, made.label)))
    with pytest.raises(EmptyRegionError, match="nothing is left of foot region"):
        refuse_contrast(regions=[Region("foot region", made.members("foot"))])
    with pytest.raises(InputError, match="hold 3 blocks of 30 s"):
        refuse_contrast(series=replace(series, data=series.data[:50]))
    with pytest.raises(InputError, match="keep 100 frames and the series has 150"):
        refuse_contrast(kept=[np.ones(100, dtype=bool)])
    with pytest.raises(InputError, match="bool mask of its frames"):
        refuse_contrast(kept=[np.ones(150)])


def test_bad_input_to_the_other_functions_is_refused():
    rng, rows = np.random.default_rng(0), putamen()
    with pytest.raises(EmptyRegionError, match="no rows"):
        Region("CM", np.zeros(5, dtype=bool))
    with pytest.raises(GeometryError, match="bool mask"):
        Region("CM", np.ones(5))
    with pytest.raises(EmptyRegionError, match=r"no voxel of .* lies within 4 mm"):
        voxel_sphere(rows, np.array([28.0, 0, 0]), radius_mm=4, structure="CIFTI_STRUCTURE_PUTAMEN_LEFT")
    with pytest.raises(EmptyRegionError, match="no voxels of CIFTI_STRUCTURE_PUTAMEN_LEFT"):
        putamen_quadrant(axis(5, 5))
    with pytest.raises(OptionError, match="radius above 0"):
        voxel_sphere(rows, np.zeros(3), radius_mm=0, structure="CIFTI_STRUCTURE_PUTAMEN_LEFT")
    with pytest.raises(GeometryError, match="an area for each"):
        cortical_regions(rows, np.array(["MI"]))
    with pytest.raises(OptionError, match="no interval 'normal'"):
        Bootstrap(interval="normal")
    with pytest.raises(OptionError, match="2 resamples"):
        Bootstrap(n=1)
    with pytest.raises(InputError, match="values of 5 people; the most is 4"):
        paired_tests(rng.standard_normal((4, 2)), rng=rng)
    with pytest.raises(InputError, match="infinite"):
        paired_tests(np.full((8, 2), np.inf), rng=rng)
    with pytest.raises(OptionError, match="found 'z'"):
        paired_tests(np.ones((8, 2)), rng=rng, test="z")
    with pytest.raises(OptionError, match="among the regions"):
        between_regions(np.ones((8, 3, 2)), ("CM", "VPL"), "MD")
    with pytest.raises(InputError, match="nobody to compare"):
        stacked([])
    with pytest.raises(InputError, match="nobody to average"):
        PreferenceSums(rows).result()
    with pytest.raises(OptionError, match="random generator"):
        PreferenceSums(rows, n_flips=5)


def test_people_measured_otherwise_are_not_mixed():
    series, made, _ = person(np.random.default_rng(0), n_frames=150)
    given = {"anatomy": None, "away_mm": 0, "bootstrap": SHORT}
    both = voxel_regions(series.grayordinates)
    tables = [contrast(series, made, some, rng=np.random.default_rng(0), **given) for some in (both, both[:1])]
    with pytest.raises(InputError, match="person 2 was measured otherwise"):
        stacked(tables)
    sums = PreferenceSums(axis(3, 3))
    sums.add(preference(axis(3, 3), np.ones((2, 6))))
    with pytest.raises(GeometryError, match="other rows"):
        sums.add(preference(axis(4, 4), np.ones((2, 8))))
    with pytest.raises(InputError, match="expected maps of SCAN, foot"):
        sums.add(replace(preference(axis(3, 3), np.ones((2, 6))), seeds=("SCAN", "hand")))
    with pytest.raises(InputError, match="NaN"):
        sums.add(preference(axis(3, 3), np.full((2, 6), np.nan)))
    assert sums.result().people.max() == 1
    with pytest.raises(EmptyRegionError, match="mouth: no row"):
        preferential(series, replace(made, label=np.where(made.label == 11, 0, made.label)))
    with pytest.raises(GeometryError, match="bring both"):
        preferential(series, person(np.random.default_rng(0), voxels=20)[1])


def test_means_are_taken_of_rows_with_unit_variance():
    series, _, _ = person(np.random.default_rng(1), n_frames=50)
    masks = np.zeros((2, 160), dtype=bool)
    masks[0, :3] = True
    mean, counts = mean_series(series, masks)
    np.testing.assert_allclose(mean[:, 0], stats.zscore(series.data[:, :3].astype(float)).mean(axis=1), atol=1e-10)
    assert counts.tolist() == [3, 0] and not mean[:, 1].any()
    assert seed_names(network_map(axis(3, 3), np.zeros(6, dtype=int)))[0] == "SCAN"
