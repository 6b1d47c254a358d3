"""Maps made otherwise: known shifts, planted breathing, planted motion, the prior alone; on a pair of spheres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionloop import facts, signal
from actionloop.brain import Geodesic, sphere_triangles
from actionloop.errors import SignalError
from actionloop.files import PersonFiles, RunFiles
from actionloop.networks import amn_regions, scan_nodes
from actionloop.pipeline.motion import RunMotion
from actionloop.pipeline.otherwise import Otherwise, variant_controls
from actionloop.pipeline.series import PersonSeries
from actionloop.reliability import variants
from actionloop.reliability.found import Halves
from actionloop.reliability.likeness import compare_maps
from actionloop.reliability.matching import Ruler, geodesic_mm, match_pieces
from actionloop.reliability.respiration import (
    RunTrace,
    breathing_depth,
    explained,
    explained_by_chance,
    has_global_signal,
    remove_respiration,
    respiration_regressors,
    respiration_response,
)
from actionloop.types import Anatomy, Grayordinates, NetworkMap, Prior, Surface, Target, Timeseries

N, RADIUS, RIGHT = 32_492, 45.0, 100
CENTRE = {"L": np.array([-50.0, -15.0, 25.0]), "R": np.array([50.0, -15.0, 25.0])}
NAMES, KEYS = ("SCAN", "AMN", "hand"), np.array([1, 2, 3])
TR = 0.8


def ball(n=N):
    step = np.arange(n) + 0.5
    polar, around = np.arccos(1 - 2 * step / n), np.pi * (1 + 5**0.5) * step
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)


UNIT = ball()
FACES = sphere_triangles(UNIT)


@pytest.fixture(scope="module")
def anatomy():
    surfaces = {
        (side, kind): Surface(UNIT * RADIUS + CENTRE[side], FACES, side, kind, "balls")
        for side in "LR"
        for kind in ("white", "pial", "midthickness", "inflated")
    }
    return Anatomy(surfaces, {"L": np.zeros(N), "R": np.zeros(N)}, "balls", True, "balls")


def moved(unit, mm):
    """Go some mm along a great circle, sideways, where no other node is near."""
    aside = np.cross(unit, [0.0, 1.0, 0.0])
    return unit * np.cos(mm / RADIUS) + aside / np.linalg.norm(aside) * np.sin(mm / RADIUS)


def disc(unit, radius_mm=6.0):
    return np.arccos(np.clip(UNIT @ unit, -1, 1)) * RADIUS <= radius_mm


FRONT = np.array([0.2, 0.9, 0.38]) / np.linalg.norm([0.2, 0.9, 0.38])
BESIDE = np.array([0.75, 0.6, 0.3]) / np.linalg.norm([0.75, 0.6, 0.3])
# Only rows near what is drawn, to be quick.
MIDDLE = UNIT[
    np.linalg.norm(
        UNIT * RADIUS + CENTRE["L"] - next(n["L"] for n in facts.load("scan")["node"] if n["name"] == "middle"), axis=1
    ).argmin()
]
LEFT = np.flatnonzero(disc(MIDDLE, 28) | disc(FRONT, 14) | disc(BESIDE, 14))
AXIS = Grayordinates(LEFT, np.arange(RIGHT), N)
ROWS = len(AXIS)
AREA = np.append(np.where(UNIT[LEFT, 1] > 0.4, "46", ""), np.repeat("", RIGHT))


def rows_of(mesh):
    """Take a mask of the left ball to the rows of the series."""
    return np.append(mesh[LEFT], np.zeros(RIGHT, dtype=bool))


def network_map(left):
    """Make a map from the label of the left ball; the right one is 'hand'."""
    label = np.append(left[LEFT], np.full(RIGHT, 3))
    probability = (label == KEYS[:, None]).astype(np.float32) * 0.8 + 0.05
    confidence = np.full(ROWS, 0.7, np.float32)
    return NetworkMap(NAMES, KEYS, np.zeros((3, 3)), probability, label, confidence, AXIS, "drawn")


def drawn(shift_mm=0.0, islands=((FRONT, 10.0), (BESIDE, 7.0)), middle=True, radius_mm=6.0):
    left = np.full(N, 3)
    if middle:
        left[disc(moved(MIDDLE, shift_mm), radius_mm)] = 1
    for unit, radius_mm in islands:
        left[disc(unit, radius_mm)] = 2
    return network_map(left)


def targets_of(made, anatomy):
    """Aim at the centre of every node and island."""
    pieces = [*scan_nodes(made, anatomy, anatomy), *amn_regions(made, anatomy, anatomy, area=AREA)]
    return tuple(
        Target(rank, piece, piece.centre_vertex, piece.centre_ras, piece.centre_mni, 0.5, {}, (), {}, 0.0)
        for rank, piece in enumerate(pieces, 1)
        if piece.name.startswith(("SCAN", "AMN dlPFC"))
    )


@pytest.fixture(scope="module")
def ruler(anatomy):
    return Ruler(targets_of(drawn(), anatomy), anatomy, anatomy, AREA)


def named(ruler, name):
    return next(target for target in ruler.targets if target.name == name)


def pick(rows, control, variant, name=""):
    return next(
        row
        for row in rows
        if row["control"] == control
        and variant in row["variant"]
        and row["name"] == name
        and row["subject"] != "network"
    )


# Matching


@pytest.mark.parametrize("mm", [0.0, 3.0, 7.0])
def test_a_piece_that_moved_is_found_where_it_went(anatomy, ruler, mm):
    target = named(ruler, "SCAN middle L")
    vertex, away = match_pieces([target], drawn(mm), anatomy, anatomy, area=AREA)[0]
    assert away == pytest.approx(mm, abs=1.5)
    # The great circle is what the distance must be, up to the flatness of the faces.
    angle = np.arccos(np.clip(UNIT[vertex] @ UNIT[target.vertex], -1, 1))
    assert away == pytest.approx(RADIUS * angle, abs=0.1)


def test_an_absent_piece_has_no_distance(anatomy, ruler):
    target = named(ruler, "SCAN middle L")
    vertex, away = match_pieces([target], drawn(middle=False), anatomy, anatomy, area=AREA)[0]
    assert vertex is None and np.isnan(away)
    nothing = replace(drawn(), names=("a", "b", "c"))
    assert match_pieces([target], nothing, anatomy, anatomy, area=AREA)[0][0] is None


def test_islands_are_matched_by_overlap_and_not_by_number(anatomy, ruler):
    target = named(ruler, "AMN dlPFC 1 L")
    swapped = drawn(islands=((FRONT, 7.0), (BESIDE, 10.0)))
    vertex, away = match_pieces([target], swapped, anatomy, anatomy, area=AREA)[0]
    assert away < 1.5 and UNIT[vertex] @ FRONT > UNIT[vertex] @ BESIDE
    apart = drawn(islands=((BESIDE, 7.0),))  # none overlaps: the nearest
    _, far = match_pieces([target], apart, anatomy, anatomy, area=AREA)[0]
    assert far == pytest.approx(RADIUS * np.arccos(FRONT @ BESIDE), abs=2.0)
    assert np.isnan(match_pieces([target], drawn(islands=()), anatomy, anatomy, area=AREA)[0][1])


def test_the_patch_gives_the_distance_of_the_whole_surface():
    unit = ball(4000)
    # A deep dent between the two vertices makes the shortest path go round it.
    dent = 25 * np.exp(-(((1 - unit[:, 2]) / 0.02) ** 2))
    surface = Surface(
        unit * (RADIUS - dent)[:, None] + CENTRE["L"], sphere_triangles(unit), "L", "midthickness", "ball"
    )
    one, other = (int((unit @ np.array([x, 0.0, 1.0])).argmax()) for x in (-0.25, 0.25))
    whole = Geodesic(surface).from_vertices(one, exact=True)[other]
    assert whole > 1.1 * np.linalg.norm(surface.vertices[one] - surface.vertices[other])
    assert geodesic_mm(surface, one, other) == pytest.approx(whole, abs=1e-9)
    assert geodesic_mm(surface, one, one) == 0


# Likeness


def test_likeness_against_counting_by_hand(anatomy):
    one, other = drawn(), drawn(5.0)
    alike = compare_maps(one, other)
    both = sum(a == b == 1 for a, b in zip(one.label, other.label, strict=True))
    assert alike.dice["SCAN"] == pytest.approx(2 * both / ((one.label == 1).sum() + (other.label == 1).sum()))
    assert alike.equal == pytest.approx(np.mean([a == b for a, b in zip(one.label, other.label, strict=True)]))
    joint = np.array([[np.mean((one.label == a) & (other.label == b)) for b in KEYS] for a in KEYS])
    outer = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    shared = (joint[joint > 0] * np.log(joint[joint > 0] / outer[joint > 0])).sum()
    entropy = [-(p * np.log(p)).sum() for p in (joint.sum(axis=0), joint.sum(axis=1))]
    assert alike.nmi == pytest.approx(shared / np.mean(entropy))
    empty = replace(one, label=np.zeros(ROWS, dtype=int))
    assert np.isnan(compare_maps(empty, empty).nmi)


def test_rows_state_shift_and_absence(anatomy, ruler):
    rows = variants.compare_variant(drawn(), drawn(6.0, islands=()), ruler, control="c", variant="of another day")
    assert pick(rows, "c", "another day", "SCAN middle L")["shift_mm"] == pytest.approx(6, abs=1.5)
    assert pick(rows, "c", "another day", "SCAN middle L")["own_mm"] == 0
    gone = pick(rows, "c", "another day", "AMN dlPFC 1 L")
    assert np.isnan(gone["shift_mm"]) and "no such piece" in gone["note"]
    split = variants.compare_split(drawn(), (drawn(1.0), drawn(8.0, islands=())), ruler, control="c", variant="two")
    row = pick(split, "c", "two", "SCAN middle L")
    assert row["shift_mm"] == pytest.approx(7, abs=1.5)
    assert (row["first_mm"], row["second_mm"]) == pytest.approx((1, 8), abs=1.5)
    assert pick(split, "c", "two", "AMN dlPFC 1 L")["note"] == "no such piece in the second half"


# The prior alone


def test_the_prior_alone_against_the_person(anatomy, ruler):
    group = drawn(6.0)
    probability = (group.label == KEYS[:, None]).astype(np.float32)
    probability[:, 5] = 0  # the prior says nothing here
    prior = Prior(NAMES, KEYS, np.zeros((3, 3)), probability, AXIS)
    assert variants.prior_as_map(prior).label[5] == 0
    own = drawn()
    lost = np.zeros(ROWS, dtype=bool)
    lost[-1000:] = True  # no data
    rows = variants.compare_prior(own.without(lost), prior, ruler)
    assert pick(rows, "prior", "prior alone", "SCAN middle L")["shift_mm"] == pytest.approx(6, abs=1.5)
    differ = np.mean(own.label[:-1000] != variants.prior_as_map(prior).label[:-1000])
    summary = pick(rows, "prior", "prior alone")
    assert 1 - summary["equal"] == pytest.approx(differ)
    assert f"{differ:.0%} of the vertices" in summary["note"]
    assert {row["name"] for row in rows if row["subject"] == "network"} == set(NAMES)


# Splits


def test_halves_by_motion_are_equal_and_ordered():
    rng = np.random.default_rng(3)
    fd = rng.gamma(2, 0.05, 1003)
    light, heavy = variants.motion_halves(fd, length=75)
    assert (light ^ heavy).all() and abs(int(light.sum()) - int(heavy.sum())) <= 14
    starts = np.flatnonzero(np.diff(light.astype(int), prepend=1 - int(light[0])))
    lengths = np.diff(np.append(starts, len(fd)))
    assert lengths.min() >= 71  # whole blocks
    assert fd[light].mean() < fd[heavy].mean()
    first, second = variants.random_halves(1003, length=75, rng=rng)
    assert (first ^ second).all() and abs(int(first.sum()) - int(second.sum())) <= 14
    with pytest.raises(SignalError, match="too few"):
        variants.motion_halves(fd[:100], length=75)
    with pytest.raises(SignalError, match="one number per frame"):
        variants.motion_halves(np.append(fd, np.nan), length=75)


# Breathing

N_FRAMES = 750


def breath(rng, tr_s=TR, n_frames=N_FRAMES):
    """Head movement of a chest that breathes now more and now less deeply; and what that does to the signal."""
    seconds = np.arange(n_frames) * tr_s
    swell = np.convolve(rng.normal(size=n_frames), np.hanning(50), "same")
    depth = 1 + 0.5 * swell / swell.std()
    depth = np.clip(depth, 0.1, None)
    shift = 0.05 * depth * np.sin(2 * np.pi * 0.28 * seconds) + np.cumsum(rng.normal(0, 0.002, n_frames))
    slow = np.convolve(depth - depth.mean(), respiration_response(tr_s))[:n_frames]
    return shift, slow / slow.std()


def test_the_response_is_the_published_one():
    response = respiration_response(0.1)
    assert response.argmax() * 0.1 == pytest.approx(3, abs=0.5)  # early overshoot, undershoot near 16 s
    assert response.argmin() * 0.1 == pytest.approx(16, abs=1.5)
    t = 10.0
    value = 0.6 * t**2.1 * np.exp(-t / 1.6) - 0.0023 * t**3.54 * np.exp(-t / 4.25)
    peak = max(
        abs(0.6 * s**2.1 * np.exp(-s / 1.6) - 0.0023 * s**3.54 * np.exp(-s / 4.25)) for s in np.arange(0, 50, 0.1)
    )
    assert response[100] == pytest.approx(value / peak)


def test_depth_of_breathing_from_movement():
    rng = np.random.default_rng(5)
    shift, slow = breath(rng)
    breathing = respiration_regressors([RunTrace(shift, np.ones(N_FRAMES, dtype=bool))], tr_s=TR)
    assert breathing.names == ("depth of breathing from motion", "its derivative")
    assert np.corrcoef(breathing.columns[:, 0], slow)[0, 1] > 0.9
    burst = shift.copy()
    burst[400:405] += 3.0
    clipped, plain = breathing_depth(burst, tr_s=TR), breathing_depth(shift, tr_s=TR)
    assert clipped.max() < 4 * np.median(plain)  # a burst of 3 mm is no breath


def test_what_cannot_be_had_is_said():
    every = np.ones(N_FRAMES, dtype=bool)
    none = respiration_regressors([RunTrace(None, every)], tr_s=TR)
    assert none.columns.shape == (N_FRAMES, 0)
    assert "motion parameters of every run" in none.words and "had been removed before" in none.words
    shift, _ = breath(np.random.default_rng(0))
    assert "too fast to be seen" in respiration_regressors([RunTrace(shift, every)], tr_s=2.0).words
    assert "shorter than" in respiration_regressors([RunTrace(shift[:50], every[:50])], tr_s=TR).words
    with pytest.raises(SignalError, match="global signal of 750 frames"):
        respiration_regressors([RunTrace(shift, every)], tr_s=TR, global_signal=np.zeros(800))


def test_the_slope_is_taken_over_gaps_and_within_runs():
    kept = np.ones(40, dtype=bool)
    kept[10:20] = False
    line = np.arange(40.0)[kept]
    traces = [RunTrace(None, kept), RunTrace(None, np.ones(30, dtype=bool))]
    wave = np.sin(np.arange(30) / 5) + 100
    slope = respiration_regressors(traces, tr_s=TR, global_signal=np.append(line, wave)).columns[:, 0]
    np.testing.assert_allclose(slope[:30], 0, atol=1e-9)  # a straight line has one slope, which is standardised away
    expected = np.gradient(wave)
    np.testing.assert_allclose(slope[30:], (expected - expected.mean()) / expected.std(), atol=1e-9)


def test_chance_is_what_slow_regressors_explain_anyway():
    rng = np.random.default_rng(2)
    smooth = np.apply_along_axis(np.convolve, 0, rng.normal(size=(600, 400)), np.hanning(20), "same")
    axis = Grayordinates(np.arange(200), np.arange(200), 200)
    series = signal.standardise(Timeseries(smooth.astype(np.float32), axis, TR))
    column = np.convolve(rng.normal(size=600), np.hanning(20), "same")[:, None]
    share, chance = explained(series, column), explained_by_chance(series, column, rng=rng)
    naive = np.mean([np.corrcoef(column[:, 0], row)[0, 1] ** 2 for row in series.data.T])
    assert share == pytest.approx(naive, rel=1e-4)
    assert 0.5 < share / chance < 2
    planted = replace(series, data=(series.data + column / column.std()).astype(np.float32))
    assert explained(planted, column) > 5 * chance


# A whole person


def brain_signal(rng):
    """Three networks of the drawn person, with noise; (frame, grayordinate)."""
    label = drawn().label
    courses = np.apply_along_axis(np.convolve, 0, rng.normal(size=(N_FRAMES, 3)), np.hanning(12), "same")
    courses /= courses.std(axis=0)
    noise = rng.standard_normal((N_FRAMES, ROWS), dtype=np.float32)
    return (courses[:, label - 1] + noise).astype(np.float32)


def mapper():
    """Map by the mean series of what a prior would say: the drawn networks, of SCAN only a part at one end."""
    core = drawn(-3.0, radius_mm=3.0).label

    def make(series):
        means = np.stack([series.data[:, core == key].mean(axis=1) for key in KEYS], axis=1)
        r = signal.correlate(series, means)
        label = KEYS[r.argmax(axis=0)]
        probability = np.clip(r, 0, 1).astype(np.float32)
        return NetworkMap(NAMES, KEYS, np.zeros((3, 3)), probability, label, probability.max(axis=0), AXIS, "seeds")

    return make


def person_of(tmp_path, data, shift, fd, *, cleaned=False):
    """One run, with its table of motion and the files that say so."""
    table = tmp_path / "sub-01_task-rest_desc-confounds_timeseries.tsv"
    columns = np.zeros((N_FRAMES, 6))
    columns[:, 1] = shift
    np.savetxt(
        table, columns, delimiter="\t", header="trans_x\ttrans_y\ttrans_z\trot_x\trot_y\trot_z", comments="", fmt="%.9f"
    )
    run = RunFiles((table,), "cifti", "fsLR32k", cleaned, False, TR, {}, "task-rest", table, None, table)
    series = signal.standardise(Timeseries(data, AXIS, TR))
    moved = RunMotion("task-rest", fd, np.ones(N_FRAMES, dtype=bool), TR)
    return PersonFiles("01", "fmriprep", (run,)), PersonSeries(series, (N_FRAMES,), ({},), "", (moved,))


def otherwise(ruler, loaded, **more):
    make = mapper()
    return Otherwise(loaded, make(loaded.series), make, ruler, None, **more)


def test_breathing_planted_in_a_piece_changes_the_map_and_is_removed(anatomy, ruler, tmp_path):
    rng = np.random.default_rng(8)
    shift, slow = breath(rng)
    clean = brain_signal(rng)
    hand = drawn().label == 3
    away = rows_of(disc(moved(MIDDLE, 6.0)))
    struck = away & (drawn().label == 1)
    data = clean.copy()
    data[:, hand] += slow[:, None].astype(np.float32)  # breathing is loud here,
    data[:, struck] += 3 * slow[:, None].astype(np.float32)  # and in a part of one piece of SCAN
    person, loaded = person_of(tmp_path, data, shift, None)
    job = otherwise(ruler, loaded)
    assert (job.own.label[struck] == 3).mean() > 0.9
    traces = [RunTrace(shift, np.ones(N_FRAMES, dtype=bool))]
    # The global signal stays, so that only the motion can tell.
    removed = remove_respiration(loaded.series, respiration_regressors(traces, tr_s=TR), with_global_signal=False)
    without = job.make(removed)
    assert (without.label[struck] == 1).mean() > 0.9
    rows = variants.compare_variant(job.own, without, ruler, control="respiration", variant="without")
    row = pick(rows, "respiration", "without", "SCAN middle L")
    assert row["own_mm"] > 1.5 and row["shift_mm"] < 1.0  # the map with breathing is off, the one without is not
    made = pick(variant_controls(person, job), "respiration", "", "SCAN middle L")
    assert made["shift_mm"] < 1.0


def no_mean(series):
    return signal.regress(series, signal.global_signal(series)[:, None], names=["global signal"])


def test_all_controls_of_a_person(anatomy, ruler, tmp_path):
    rng = np.random.default_rng(4)
    shift, slow = breath(rng)
    raw = brain_signal(rng) + slow[:, None].astype(np.float32)
    fd = rng.gamma(2, 0.05, N_FRAMES)
    person, with_mean = person_of(tmp_path, raw, shift, fd)
    loaded = replace(with_mean, series=no_mean(with_mean.series))
    assert has_global_signal(with_mean.series) and not has_global_signal(loaded.series)
    made = []
    job = otherwise(ruler, loaded, with_global_signal=lambda: with_mean.series)

    def counting(series):
        made.append(series.n_frames)
        return job.make(series)

    half = Halves((job.own, job.own), 60.0, 6.0, 1.0, 1.0, {}, job.own.label > 0)
    rows = variant_controls(person, replace(job, make=counting), halves=half)
    assert len(made) == 4
    assert {row["control"] for row in rows} == {"global signal", "respiration", "motion", "prior"}
    assert "without global signal" in pick(rows, "global signal", "")["variant"]
    said = pick(rows, "respiration", "")["note"]
    assert "depth of breathing" in said and "derivative of the global signal" in said and "random phases" in said
    assert "no prior with it" in pick(rows, "prior", "")["note"]
    made.clear()
    alone = variant_controls(person, replace(job, make=counting, ruler=replace(ruler, targets=ruler.targets[:1])))
    assert len(made) == 6 and sum(n < N_FRAMES for n in made) == 4
    assert pick(alone, "motion", "drawn at random")["nmi"] > 0


def test_input_denoised_elsewhere_without_tables(anatomy, ruler, tmp_path):
    rng = np.random.default_rng(6)
    person, loaded = person_of(tmp_path, brain_signal(rng), np.zeros(N_FRAMES), None, cleaned=True)
    loaded = replace(loaded, series=no_mean(loaded.series), motion=())
    rows = variant_controls(person, otherwise(ruler, loaded))
    assert len(rows) == 4 and all(row["note"].startswith("not done: ") for row in rows)
    assert "cannot be put back" in pick(rows, "global signal", "")["note"]
    assert "motion parameters of every run" in pick(rows, "respiration", "")["note"]
    assert "not known" in pick(rows, "motion", "")["note"]


def test_a_scan_too_short_to_be_split_says_so(anatomy, ruler, tmp_path):
    rng = np.random.default_rng(7)
    person, loaded = person_of(tmp_path, brain_signal(rng), np.zeros(N_FRAMES), np.full(N_FRAMES, 0.1))
    short = signal.standardise(signal.select_frames(loaded.series, np.arange(N_FRAMES) < 160))
    moved = replace(loaded.motion[0], kept=np.arange(N_FRAMES) < 160)
    rows = variant_controls(
        person, otherwise(ruler, replace(loaded, series=short, run_lengths=(160,), motion=(moved,)))
    )
    assert "too few frames" in pick(rows, "motion", "")["note"]
    assert "regressed here" in pick(rows, "global signal", "")["variant"]


def test_a_motion_artefact_shows_in_the_split_by_motion_alone(anatomy, ruler, tmp_path):
    rng = np.random.default_rng(9)
    data = brain_signal(rng)
    block = np.arange(N_FRAMES) // 75
    heavy = np.isin(block, rng.permutation(10)[:5])
    fd = rng.gamma(2, 0.05, N_FRAMES) + 0.2 * heavy
    # While the head moves, one side of the node goes with what moves elsewhere.
    away = rows_of(disc(moved(MIDDLE, 6.0)))
    hand = drawn().label == 3
    jolt = rng.normal(0, 2.0, N_FRAMES) * heavy
    data[:, away] += 2 * jolt[:, None].astype(np.float32)
    data[:, hand] += jolt[:, None].astype(np.float32)
    person, loaded = person_of(tmp_path, data, np.zeros(N_FRAMES), fd)
    job = otherwise(ruler, loaded)
    rows = variant_controls(person, job, halves=Halves((job.own, job.own), 60.0, 5.0, 1.0, 1.0, {}, job.own.label > 0))
    by_motion = pick(rows, "motion", "moved less")
    assert pick(rows, "motion", "alternate")["equal"] == 1
    blind = []
    for _ in range(5):
        split = variants.random_halves(N_FRAMES, length=75, rng=rng)
        maps = tuple(job.make(signal.select_frames(loaded.series, half)) for half in split)
        blind.append(variants.compare_split(job.own, maps, ruler, control="motion", variant="random"))
    alike = [pick(each, "motion", "random") for each in blind]
    assert by_motion["nmi"] < min(each["nmi"] for each in alike)
    assert by_motion["equal"] < min(each["equal"] for each in alike)
    apart = [pick(each, "motion", "random", "SCAN middle L")["shift_mm"] for each in blind]
    assert pick(rows, "motion", "moved less", "SCAN middle L")["shift_mm"] > 2 > np.median(apart)
