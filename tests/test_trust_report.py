"""How far to trust this: what the page says of it, and what its pictures show."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import fields, replace
from functools import cache

import numpy as np
import pytest
from PIL import Image as Picture_
from scipy.ndimage import uniform_filter1d
from tests.test_report import NASTY, Reader, assert_silent

from actionloop import facts, figures, files
from actionloop.brain import vertex_areas
from actionloop.figures import agreement_curve, carpet, half_maps, motion_trace, seen_with, stability_map, surface_views
from actionloop.figures.layout import colour_ramp
from actionloop.figures.trust import RAMP
from actionloop.pipeline.head import Head
from actionloop.pipeline.motion import RunMotion
from actionloop.pipeline.person import find_targets
from actionloop.pipeline.priors import choose_prior
from actionloop.pipeline.settings import Settings
from actionloop.pipeline.trustpage import trust_content
from actionloop.pipeline.trustpictures import _floor
from actionloop.reliability.found import Curve, Halves, Reliability, Resamples, Similarity, TargetReliability
from actionloop.report import ReportContent, TrustContent, render_report
from actionloop.types import HEMISPHERES, Grayordinates, NetworkMap, Prior, Timeseries, Voxels

NAN = float("nan")


@cache
def points() -> np.ndarray:
    """The cortical rows of the template, mm."""
    anatomy, axis = files.template_anatomy(), files.template_grayordinates()
    left, right = (anatomy.surface(side).vertices.T for side in HEMISPHERES)
    return axis.from_mesh(left, right).T.astype(np.float32)


@cache
def waves(seed: int, wavelength_mm: float) -> np.ndarray:
    """Smooth noise over the cortical rows for each network, SD 1; shape (network, row)."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in default_prior().names:
        ways = (rng.normal(size=(8, 3)) * 2 * np.pi / wavelength_mm).astype(np.float32)
        phase = rng.uniform(0, 2 * np.pi, 8).astype(np.float32)
        made.append(np.cos(points() @ ways.T + phase).sum(axis=1) / 2)
    return np.stack(made)


@cache
def default_prior() -> Prior:
    return choose_prior(None, files.template_grayordinates())


def a_map(seed: int, *, noise: float) -> NetworkMap:
    """The default prior, its logarithm disturbed by smooth noise: part of it the person's own."""
    prior = default_prior()
    score = (prior.probability + 0.002) * np.exp(0.7 * waves(0, 45.0))
    if noise:
        score *= np.exp(noise * waves(seed, 30.0))
    probability = (score / score.sum(axis=0)).astype(np.float32)
    ordered = np.sort(probability, axis=0)
    label = prior.keys[probability.argmax(axis=0)]
    axis = files.template_grayordinates()
    return NetworkMap(
        prior.names, prior.keys, prior.colours, probability, label, ordered[-1] - ordered[-2], axis, "iterative"
    )


def motion() -> list[RunMotion]:
    """Three runs: quiet, restless with spikes, and one whose motion nobody wrote down."""
    rng = np.random.default_rng(4)
    runs = []
    for name, n, level in (("ses-01_task-rest_run-01", 700, 0.09), ("ses-01_task-rest_run-02", 700, 0.15)):
        fd = np.abs(rng.normal(level, 0.04, n))
        fd[0] = np.nan
        fd[rng.integers(1, n, int(n * level / 2))] += rng.exponential(0.6, int(n * level / 2))
        runs.append(RunMotion(name, fd, np.nan_to_num(fd) <= 0.3, 0.8))
    return [*runs, RunMotion("ses-02_task-rest_run-01", None, np.ones(250, dtype=bool), 0.8)]


def a_series(network_map: NetworkMap, n_frames: int) -> Timeseries:
    rng = np.random.default_rng(6)
    slow = np.cumsum(rng.normal(size=(n_frames, len(network_map.names) + 1)), axis=0)
    slow -= uniform_filter1d(slow, 40, axis=0)
    slow = (slow / slow.std(axis=0)).astype(np.float32)
    place = np.searchsorted(network_map.keys, network_map.label) + 1
    data = slow[:, place] + rng.standard_normal((n_frames, len(place)), dtype=np.float32)
    data[n_frames // 3 : n_frames // 3 + 6] += 3  # one stripe across all networks
    return Timeseries(data, network_map.grayordinates, 0.8, "made up")


VERDICTS = ("use", "caution", "none")


@cache
def halves_of() -> Halves:
    one, other = a_map(1, noise=0.5), a_map(2, noise=0.5)
    agree = one.label == other.label
    dice = {
        name: 2
        * float((one.members(name) & other.members(name)).sum())
        / float(max(1, one.members(name).sum() + other.members(name).sum()))
        for name in one.names
    }
    return Halves((one, other), 30.0, 9.6, float(agree.mean()), 0.61, dice, agree)


@cache
def resamples_of(n_targets: int) -> Resamples:
    """Made from four other maps; stands for 200."""
    label = a_map(0, noise=0.0).label
    drawn = [a_map(seed, noise=0.3).label for seed in range(10, 14)]
    stability = np.mean([one == label for one in drawn], axis=0).astype(np.float32)
    stability[label == 0] = 0
    occurrence = np.zeros((len(default_prior().names), len(stability)), dtype=np.float32)
    return Resamples(200, 30.0, 0, stability, occurrence, tuple(np.zeros(200, int) for _ in range(n_targets)))


def reliability_of(targets) -> Reliability:
    reasons = {
        "use": ("97 % of resamples have their centre within 5 mm.",),
        "caution": ("The centres of the two halves lie 7.4 mm apart.", "Only 19.3 usable minutes."),
        "none": ("In 38 % of resamples the piece is absent.", "Only 19.3 usable minutes.", "NSI 0.43."),
    }
    probability = {"use": 0.93, "caution": 0.64, "none": 0.21}
    found = [
        TargetReliability(
            t.name,
            t.piece.hemisphere,
            spread_mm={"use": 1.8, "caution": 4.1, "none": 9.7}[v],
            spread_95_mm={"use": 4.2, "caution": 9.9, "none": 31.4}[v],
            present={"use": 1.0, "caution": 0.94, "none": 0.62}[v],
            within={"use": 0.97, "caution": 0.62, "none": 0.2}[v],
            near_mm=5.0,
            halves_mm={"use": 2.6, "caution": 7.4, "none": NAN}[v],
            probability=probability[v],
            verdict=v,
            reasons=reasons[v],
            minutes_more=None if v == "use" else 22.0,
        )
        for t, v in zip(targets, itertools.cycle(VERDICTS), strict=False)
    ]
    return Reliability(
        minutes=21.3,
        halves=halves_of(),
        resamples=resamples_of(len(targets)),
        curve=Curve((2.4, 4.8, 9.6), (0.42, 0.57, 0.64), 0.66, 0.42, {19.3: 0.66, 38.6: 0.66, 60.0: 0.66}),
        similarity=Similarity(0.47, 0.69, 1204, "the default prior"),
        targets=tuple(found),
    )


def controls_of(targets) -> list[dict]:
    rows = [{"subject": "map", "control": "motion", "variant": "x", "name": "", "shift_mm": NAN, "nmi": 0.6}]
    for i, target in enumerate(targets):
        for control, variant in (("global signal", "not removed"), ("motion", "calm half against restless half")):
            shift = NAN if i == 1 and control == "motion" else 0.0 if i == 0 else 2.5 + i
            rows.append(
                {
                    "subject": "target",
                    "control": control,
                    "variant": variant,
                    "name": target.name,
                    "shift_mm": shift,
                    "own_mm": 0.8,
                }
            )
    return rows


@pytest.fixture(scope="module", autouse=True)
def coarse_views():
    """Draw the cortex once, and coarsely: only what is on the pictures is looked at here."""
    drawn = cache(lambda pixels_per_mm: surface_views(files.template_anatomy(), pixels_per_mm=pixels_per_mm))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "surface_views", lambda anatomy, pixels_per_mm=2.0: drawn(1.0))
        yield drawn(1.0)


@pytest.fixture(scope="module")
def person():
    network_map = a_map(0, noise=0.0)
    anatomy = files.template_anatomy()
    head = Head(anatomy, None, None, None, "template")
    pieces, targets, sites = find_targets(network_map, head, Settings())
    return network_map, anatomy, pieces, targets, sites


@pytest.fixture(scope="module")
def trust(person) -> TrustContent:
    network_map, anatomy, _, targets, _ = person
    runs = motion()
    return trust_content(
        reliability_of(targets),
        network_map,
        anatomy,
        targets=targets,
        motion=runs,
        series=a_series(network_map, sum(int(run.kept.sum()) for run in runs)),
        controls=controls_of(targets),
        exports="written",
        notes=["The probability was calibrated on simulated people."],
    )


def content_of(person, trust: TrustContent | None, **more) -> ReportContent:
    network_map, anatomy, pieces, targets, sites = person
    areas = {side: vertex_areas(anatomy.surface(side)) for side in HEMISPHERES}
    return ReportContent(
        "01",
        anatomy,
        network_map,
        anatomy.frame,
        networks=files.network_rows(network_map, areas),
        pieces=pieces,
        targets=targets,
        sites=sites,
        rotatable=False,
        trust=trust,
        **more,
    )


@pytest.fixture(scope="module")
def page(person, trust) -> str:
    return render_report(content_of(person, trust))


def text_of(page: str) -> str:
    return " ".join(Reader(page).text.split())


def summary_of(page: str) -> str:
    return text_of(page[page.index('<section id="summary"') : page.index('<section id="quality"')])


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Picture_.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_the_section_says_everything(page, trust, person):
    assert_silent(page)
    targets = person[3]
    text = text_of(page)
    for words in (
        "21.3 of 22.0 min (3 runs)",
        "9.6 min each, interleaved blocks of 30 s",
        "200 times, blocks of 30 s (seed 0)",
        "NSI 0.47: by the published relation, 69 % of such scans are usable",
        "NSI shares the prior with the map",
        "Independent measures therefore stand beside it",
        "The centres of the two halves lie 7.4 mm apart. Only 19.3 usable minutes.",
        "The probability was calibrated on simulated people.",
        "To expect between two scans of so many minutes each: 19.3 min: 0.66; 38.6 min: 0.66; 60 min: 0.66",
        "motion: calm half against restless half",
        "55 of 1650 frames were left out",
        "Probability 0.93 that the true node lies within 5 mm; spread 1.8 mm (95 %: 4.2 mm)",
    ):
        assert words in text, words
    assert "was not estimated" not in text
    first = targets[0]
    side = {"L": "left", "R": "right"}[first.piece.hemisphere]
    assert f"1. {first.piece.name}, {side} ({first.piece.hemisphere})● use0.931.84.2100 %2.6–" in text
    third = targets[2].piece
    side = {"L": "left", "R": "right"}[third.hemisphere]
    assert f"3. {third.name}, {side} ({third.hemisphere})■ no reliable target0.219.731.462 %–22" in text
    shifts = next(t for part in trust.parts for t in part.tables if t.caption.startswith("Shifts"))
    assert list(shifts.rows[0]) == [targets[0].name, "0.8", "0.0", "0.0"]
    assert list(shifts.rows[1]) == [targets[1].name, "0.8", "3.5", "absent"]
    assert [p.key for p in trust.pictures] == ["halves", "stability", "agreement", "motion", "carpet"]
    assert {p.section for p in trust.pictures} == {"trust"}


def test_the_section_is_small_and_accessible(page):
    section = page[page.index('id="trust"') : page.index('id="sites"')]
    assert len(section.encode()) < 1_200_000
    assert section.count("<img") == 5
    read = Reader(page)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in attributes for attributes in read.all("th"))
    assert all(len(image["alt"]) > 15 for image in read.all("img"))
    assert {"href": "#trust"} in read.all("a")


def test_the_verdict_stands_beside_the_target_at_the_top(person, trust, page):
    assert "● use Best target: " in summary_of(page)
    swapped = {"use": "caution", "caution": "none", "none": "use"}
    other = [replace(target, verdict=swapped[target.verdict]) for target in trust.targets]
    summary = summary_of(render_report(content_of(person, replace(trust, targets=other))))
    assert "▲ use with caution Best target: " in summary
    assert f"● use Best-ranked target to rely on (rank 3): {person[3][2].piece.name}" in summary
    assert "No reliable target" not in summary
    assert "--force" not in summary


def test_it_says_so_when_no_target_is_reliable(person, trust):
    none = replace(trust, targets=[replace(target, verdict="none") for target in trust.targets])
    said = {
        exports: summary_of(render_report(content_of(person, replace(none, exports=exports))))
        for exports in ("withheld", "forced", "")
    }
    assert "No reliable target: no export written; --force writes them and records it." in said["withheld"]
    assert "No reliable target, yet exports were forced (--force)" in said["forced"]
    assert "--force" not in said[""]
    for summary in said.values():
        assert "■ no reliable target The scan does not determine" in summary
        assert "Best" not in summary
        assert "Highest-ranked place" in summary
    mixed = summary_of(render_report(content_of(person, replace(trust, exports="forced"))))
    assert "■ Exports were forced (--force)" in mixed


def poisoned(value, found):
    """The same reliability with markup in every text that a file can bring in."""
    wicked = [replace(t, name=t.name + NASTY, reasons=(NASTY, "$\\frac{")) for t in found.targets]
    names = tuple(name + NASTY + "$\\bad$" for name in value.names)
    maps = tuple(replace(one, names=names) for one in found.halves.maps)
    halves = replace(found.halves, maps=maps, dice={"SCAN": NAN, "foot" + NASTY: 0.2})
    prior = replace(found.similarity, prior=NASTY)
    return replace(found, targets=tuple(wicked), halves=halves, similarity=prior), replace(value, names=names)


def test_whatever_stands_in_files_is_escaped(person, trust, page):
    network_map, anatomy, _, targets, _ = person
    found, wicked_map = poisoned(network_map, reliability_of(targets))
    runs = [replace(run, name=run.name + NASTY + "$\\bad$") for run in motion()]
    rows = [{**row, "name": row["name"] + NASTY, "control": NASTY, "variant": NASTY} for row in controls_of(targets)]
    bad = trust_content(
        found,
        wicked_map,
        anatomy,
        targets=targets,
        motion=runs,
        series=a_series(network_map, 60),
        controls=rows,
        notes=[NASTY],
    )
    nasty = render_report(content_of(person, replace(bad, facts={**bad.facts, NASTY: NASTY}, exports="forced")))
    read = Reader(nasty)
    assert read.text.count("alert(1)") > 30
    assert len(read.all("img")) == len(Reader(page).all("img"))
    assert not read.all("script")
    for tag, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes), tag
    assert all(target.rank is None for target in bad.targets)


def test_each_target_gets_its_own_verdict_whatever_the_order(person):
    network_map, anatomy, _, targets, _ = person
    found = reliability_of(targets)
    turned = trust_content(replace(found, targets=found.targets[::-1]), network_map, anatomy, targets=targets)
    for target, expected in zip(targets, found.targets, strict=True):
        assert turned.of(target.rank).verdict == expected.verdict
        assert turned.of(target.rank).name == target.piece.name
        assert turned.of(target.rank).hemisphere == target.piece.hemisphere


def test_what_is_not_known_is_left_out(person):
    network_map, anatomy, _, targets, _ = person
    found = reliability_of(targets)
    bare = replace(
        found,
        curve=Curve((9.6,), (NAN,), NAN, NAN, {}),
        similarity=None,
        targets=(),
        halves=replace(found.halves, nmi=NAN, dice={}),
    )
    said = trust_content(bare, network_map, anatomy)
    page = render_report(content_of(person, said))
    assert_silent(page)
    text = text_of(page)
    assert said.facts["Usable data"] == "21.3 min"
    assert "too few or too scattered points for a curve" in text
    assert "NSI" not in text
    assert "Verdicts" not in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert said.reliable
    assert [p.key for p in said.pictures] == ["halves", "stability", "agreement"]
    runs = [RunMotion("run", None, None, 0.8), RunMotion("other", None, np.zeros(0, bool), 0.8)]
    unknown = trust_content(None, network_map, anatomy, motion=runs)
    assert unknown.parts[0].tables[0].rows[0] == ["run", *[None] * 7]
    assert not unknown.facts
    only = trust_content(None, network_map, anatomy, motion=[RunMotion("run", np.full(150, 0.1), None, 2.0)])
    assert only.facts == {"Usable data": "5.0 of 5.0 min (1 run)"}
    text = text_of(render_report(content_of(person, unknown)))
    assert "could not be found out from this scan" in text
    assert "Treat its targets as not reliable" in text
    without = text_of(render_report(content_of(person, None)))
    assert "How far to trust this" not in without
    assert "was not estimated" in without


def test_maps_with_voxels_and_of_parcels(person):
    network_map, anatomy, _, targets, _ = person
    found = reliability_of(targets)
    axis = network_map.grayordinates
    voxels = Voxels(np.zeros((3, 3), int), np.array(["THALAMUS"] * 3), np.eye(4), (2, 2, 2))
    whole = Grayordinates(axis.left, axis.right, axis.n_vertices, voxels)

    def grown(one):
        pad = [(0, 0)] * (one.ndim - 1) + [(0, 3)]
        return np.pad(one, pad)

    maps = tuple(
        replace(
            one,
            grayordinates=whole,
            label=grown(one.label),
            probability=grown(one.probability),
            confidence=grown(one.confidence),
        )
        for one in found.halves.maps
    )
    wide = replace(
        found,
        halves=replace(found.halves, maps=maps, agree=grown(found.halves.agree)),
        resamples=replace(found.resamples, stability=grown(found.resamples.stability)),
    )
    same = trust_content(found, network_map, anatomy)
    said = trust_content(wide, network_map, anatomy)
    assert [p.png for p in said.pictures] == [p.png for p in same.pictures]
    few = Grayordinates(axis.left[::500], axis.right[::500], axis.n_vertices)
    rows = np.concatenate([np.arange(len(axis.left))[::500], len(axis.left) + np.arange(len(axis.right))[::500]])
    maps = tuple(
        replace(
            one,
            grayordinates=few,
            label=one.label[rows],
            probability=one.probability[:, rows],
            confidence=one.confidence[rows],
        )
        for one in found.halves.maps
    )
    parcels = replace(
        found,
        halves=replace(found.halves, maps=maps, agree=found.halves.agree[rows]),
        resamples=replace(found.resamples, stability=found.resamples.stability[rows]),
    )
    series = Timeseries(np.random.default_rng(0).random((50, len(few)), dtype=np.float32), few, 2.0)
    said = trust_content(parcels, network_map, anatomy, series=series)
    assert [p.key for p in said.pictures] == ["agreement", "carpet"]


def shaded(png: bytes) -> np.ndarray:
    """Columns in which frames are marked as left out, at the foot of the trace."""
    dark = picture(png).sum(axis=2) < 150
    return np.flatnonzero(dark[360:367].all(axis=0))


def test_left_out_frames_are_marked_where_they_are():
    fd = np.full(100, 0.05)
    kept = np.ones(100, dtype=bool)
    assert shaded(motion_trace(["a"], [fd], [kept], [1.0])).size == 0
    kept[60:80] = False
    columns = shaded(motion_trace(["a"], [fd], [kept], [1.0]))
    width = 1900 - 230 - 50
    assert abs(columns.min() - (230 + 0.6 * width)) < 5
    assert abs(columns.max() - (230 + 0.8 * width)) < 5
    assert np.diff(columns).max() == 1
    second = shaded(motion_trace(["a", "b"], [fd, None], [np.ones(100, bool), kept], [1.0, 1.0]))
    assert abs(second.min() - (230 + 0.8 * width)) < 5


def test_the_carpet_is_ordered_by_network_and_sampled_from_each():
    network = np.tile([2, 0, 1, -1], 200)
    names, colours = ("other", "SCAN", "hand"), np.full((3, 3), 0.5)
    up = np.repeat([0.0, 1.0], 100)
    data = np.stack([up, 1 - up, up, 1 - up], axis=1)[:, np.array([3, 2, 0, 1])]  # hand, other, SCAN, none
    seen = picture(carpet(data[:, np.tile(np.arange(4), 200)], network, names, colours, run_lengths=(100, 100)))
    band = seen[46:-70, 230:-50, 0]
    assert band.shape == (4 * 55 * 3, 1620)
    for i, bright_first in enumerate((True, True, False, False)):  # SCAN, hand, other, none
        block = band[i * 165 + 3 : (i + 1) * 165 - 3]
        first, second = block[:, 20:780].mean(), block[:, 840:1600].mean()
        expected = {1: data[0, 2] > 0.5, 2: data[0, 0] > 0.5, 0: data[0, 1] > 0.5, -1: data[0, 3] > 0.5}
        order = (1, 2, 0, -1)
        assert (first > second) == expected[order[i]], (i, bright_first)
        assert abs(first - second) > 100
    flat = carpet(np.zeros((10, 8)), network[:8], names, colours)
    assert picture(flat).shape[1] == 1900


@pytest.mark.parametrize("vision", [None, *facts.load("palette")["vision"]])
def test_stability_brightens_steadily_for_everybody(vision):
    colours = colour_ramp(RAMP, np.linspace(0, 1, 30))
    seen = colours if vision is None else seen_with(colours, vision)
    light = seen @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) > 0.003).all()
    assert light[-1] - light[0] > 0.6


def test_halves_show_where_they_differ(person, coarse_views):
    network_map, anatomy = person[:2]
    views = coarse_views
    agree = np.ones(len(network_map.label), dtype=bool)
    same = picture(half_maps(anatomy, (network_map, network_map), agree, views=views))
    left = network_map.grayordinates.rows("L")
    agree[left] = False
    other = picture(half_maps(anatomy, (network_map, network_map), agree, views=views))
    changed = np.argwhere((same != other).any(axis=2))
    assert changed[:, 0].min() > 40 + 2 * (same.shape[0] - 86) / 3 - 2, "only the lowest row tells the difference"
    assert other[tuple(changed.T)].mean() < 90
    assert changed[:, 1].max() < 190 + (same.shape[1] - 190) * 0.55, "the right hemisphere stays as it was"


def test_stability_and_curve_take_what_is_missing(person, coarse_views):
    network_map, anatomy = person[:2]
    views = coarse_views
    high = picture(stability_map(anatomy, network_map, np.ones(len(network_map.label)), views=views))
    low = picture(stability_map(anatomy, network_map, np.zeros(len(network_map.label)), views=views))
    assert high.mean() - low.mean() > 30
    fit = {"ceiling": 0.8, "rate_per_min": 0.2}
    drawn = [
        agreement_curve((), ()),
        agreement_curve((5.0,), (NAN,), projected={30.0: NAN}),
        agreement_curve((2.0, 4.0, 8.0), (0.3, 0.4, 0.6), **fit),
        agreement_curve((2.0, 4.0, 8.0), (0.3, 0.4, 0.6), **fit, projected={30.0: 0.797}),
    ]
    assert len(set(drawn)) == 4


def test_the_floor_of_a_curve_is_found_from_what_it_projects():
    def curve(floor, *minutes):
        at = {t: floor + (0.8 - floor) * (1 - np.exp(-0.1 * t)) for t in minutes}
        return Curve((), (), 0.8, 0.1, at)

    assert _floor(curve(0.35, 20.0, 60.0)) == pytest.approx(0.35)
    assert _floor(curve(0.0, 20.0)) == pytest.approx(0.0, abs=1e-9)
    assert _floor(curve(0.35, 900.0)) == 0
    assert _floor(Curve((), (), NAN, NAN, {})) == 0


def test_pictures_are_linked_where_they_were_saved(person, trust):
    saved = "sub-01/figures/sub-01_desc-carpet_figure.png"
    assert f'<a href="./{saved}"' in render_report(content_of(person, trust, written=[("figure", saved)]))
    twice = render_report(content_of(person, trust, pictures=trust.pictures))
    assert twice.count("<img") == 5
    assert {f.name for f in fields(trust)} >= {"judged", "facts", "targets", "parts"}
