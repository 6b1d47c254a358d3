"""The coil on the page: what is said of poses, what is drawn where, and what of files is escaped."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import math
import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture_
from scipy.spatial import ConvexHull
from tests.test_report import NASTY, Reader, a_target, assert_silent

from actionloop import facts, figures, files
from actionloop.brain import Scalp
from actionloop.field.coils import figure_of_eight, round_coil
from actionloop.figures import (
    FieldScale,
    coil_shape,
    field_map,
    moved,
    on_target_curves,
    outlines,
    seen_with,
    share_histogram,
    surface_views,
)
from actionloop.figures.coilshape import tube
from actionloop.figures.curves import _LOOKS
from actionloop.figures.fieldmap import FIELD_RAMP, field_bar
from actionloop.figures.layout import colour_ramp
from actionloop.figures.page import sheet
from actionloop.pipeline import posepage
from actionloop.pipeline.posepage import pose_section
from actionloop.pipeline.posetables import pose_shift, pose_table
from actionloop.pipeline.posewords import chance_words, compared_words, current_of, limit_words, out_of_reach
from actionloop.pipeline.priors import choose_prior
from actionloop.poses.found import Chance, PoseSearch, ScoredPose
from actionloop.report import CoilContent, ReportContent, render_report
from actionloop.report.rotatable import rotatable_view
from actionloop.types import HEMISPHERES, Coil, NetworkMap, Target

NAN = float("nan")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
COILS = Path(os.environ.get("ACTIONLOOP_DATA", "")) / "coils"


@cache
def scalp() -> Scalp:
    """An ellipsoid around the template's brain."""
    k = np.arange(3000) + 0.5
    polar, turn = np.arccos(1 - 2 * k / 3000), np.pi * (1 + 5**0.5) * k
    ball = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1)
    faces = ConvexHull(ball).simplices.astype(np.int64)
    one, two, three = ball[faces].transpose(1, 0, 2)
    inward = (np.cross(two - one, three - one) * one).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    size = np.array([80.0, 103.0, 95.0])
    normals = ball / size
    return Scalp(
        ball * size + [0, -18, 12],
        faces,
        normals / np.linalg.norm(normals, axis=1, keepdims=True),
        files.template_anatomy().frame,
    )


@cache
def the_map() -> NetworkMap:
    """The default prior as if it were somebody's map."""
    prior = choose_prior(None, files.template_grayordinates())
    probability = (prior.probability + 0.002) / (prior.probability + 0.002).sum(axis=0)
    ordered = np.sort(probability, axis=0)
    label = prior.keys[probability.argmax(axis=0)]
    axis = files.template_grayordinates()
    confidence = ordered[-1] - ordered[-2]
    return NetworkMap(
        prior.names, prior.keys, prior.colours, probability.astype(np.float32), label, confidence, axis, "iterative"
    )


@cache
def the_targets() -> tuple[Target, ...]:
    anatomy = files.template_anatomy()
    return a_target(anatomy, 1, "SCAN", "R"), a_target(anatomy, 2, "AMN", "L")


def turned(matrix: np.ndarray, degrees: float, *, shift=(0.0, 0.0, 0.0)) -> np.ndarray:
    """The same pose, its handle turned about the coil's axis and its middle moved in the coil's axes."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    spin = np.eye(4)
    spin[:3, :3] = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    spin[:3, 3] = shift
    return matrix @ spin


def a_pose(matrix, label, on_target, field, **more) -> ScoredPose:
    values = {"lift_mm": 2.4, "normal_v_per_m": -0.3 * field, "avoided": 0.11, "score": on_target - 0.15} | more
    return ScoredPose(
        matrix, on_target=on_target, target_v_per_m=field, peak_v_per_m=1.3 * field, label=label, **values
    )


@cache
def a_search(rank: int) -> PoseSearch:
    """A search whose field falls off under the coil, with comparisons that do better in one respect or another."""
    target, anatomy = the_targets()[rank - 1], files.template_anatomy()
    side = target.piece.hemisphere
    place, normal, _ = scalp().nearest(target.xyz_ras)
    y = np.cross(-normal, [1.0, 0, 0])
    y /= np.linalg.norm(y)
    geometric = np.eye(4)
    geometric[:3] = np.stack([np.cross(y, -normal), y, -normal, place], axis=1)
    best = turned(geometric, 35.0, shift=(6.0, -8.0, -2.0))
    under = best[:3, 3] + 20 * best[:3, 2]
    fields, near = {}, {}
    for one in HEMISPHERES:
        vertices = anatomy.surface(one).vertices
        fields[one] = (0.62 / (1 + (np.linalg.norm(vertices - under, axis=1) / 34) ** 2)).astype(np.float32)
        near[one] = np.linalg.norm(vertices - target.xyz_ras, axis=1) < 7
    far = turned(geometric, 80.0, shift=(30.0, 40.0, 0.0))
    rise = np.linspace(0, 0.2, 10)
    curves = {"geometric": 0.42 + rise, "M1 hand knob": 0.2 - rise, "Beam F3": 0.6 + rise / 2, "best": 0.5 + rise}
    alone = {"map": 0.81, "registration": 0.92, "placement": 0.88, "conductivity": 0.99}
    shares = np.random.default_rng(rank).beta(6, 4, 400)
    chance = Chance(0.63, 400, shares, 0.9, alone, (0.33, 0.58), 0.022, ("The scalp was held as it is.",))
    return PoseSearch(
        name=target.name,
        network=target.piece.network,
        hemisphere=side,
        aim_ras=target.xyz_ras,
        coil="eight" if rank == 1 else "another coil",
        n_poses=14_400,
        n_solved=24,
        best=a_pose(best, "best", 0.60, 0.52),
        ranked=(),
        conventional=(
            a_pose(geometric, "geometric", 0.52, 0.55),
            a_pose(far, "M1 hand knob", 0.10, 0.21, score=-0.05),
            a_pose(far, "Beam F3", 0.65, 0.34, avoided=0.02, score=0.61),
        ),
        thresholds_percent=np.linspace(99.0, 99.9, 10),
        curves=curves,
        field_v_per_m=fields,
        averaged=near,
        numerical_error=0.0042,
        chance=chance if rank == 1 else None,
    )


@cache
def eight() -> Coil:
    return replace(figure_of_eight(), name="eight", didt_max_a_per_us=150.0)


def section(searches, **more) -> CoilContent:
    known = {"scalp": scalp(), "targets": the_targets(), "coils": [eight()], "head": "own T1, voxels of 1.5 mm"}
    return pose_section(searches, the_map(), files.template_anatomy(), **known | more)


def content_of(coil: CoilContent | None, **more) -> ReportContent:
    anatomy = files.template_anatomy()
    return ReportContent(
        "01", anatomy, the_map(), anatomy.frame, targets=the_targets(), coil=coil, **{"rotatable": False} | more
    )


@pytest.fixture(scope="module", autouse=True)
def views():
    """Draw the cortex once, and coarsely: only what is on the pictures is looked at here."""
    drawn = surface_views(files.template_anatomy(), pixels_per_mm=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "surface_views", lambda anatomy, pixels_per_mm=2.0: drawn)
        yield drawn


@pytest.fixture(scope="module")
def coil() -> CoilContent:
    return section(
        [a_search(1), a_search(2)],
        approximate=True,
        plan=("Both coils fit: their casings are 31 mm apart.",),
        notes=("The skull was assumed.",),
    )


@pytest.fixture(scope="module")
def page(coil) -> str:
    return render_report(content_of(coil))


def text_of(page: str) -> str:
    part = page[page.index('<section id="coil"') : page.index('<section id="sites"')]
    return " ".join(Reader(part).text.split())


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Picture_.open(io.BytesIO(png)).convert("RGB")).astype(float) / 255


# ---- what the page says


def test_the_section_says_everything(page):
    assert_silent(page)
    text = text_of(page)
    for words in (
        "a template's head carried over to this person: poses and fields are approximate",
        "own T1, voxels of 1.5 mm",
        "1. SCAN piece R, eight, right hemisphere (R)",
        "2. AMN piece L, another coil, left hemisphere (L)",
        "14,400 poses were scored, 24 of them solved on the whole cortex.",
        "60 % of the stimulated cortex lies in SCAN and 11 % in networks to avoid",
        "thresholds at the 99th to 99.9th percentile",
        "0.52 V/m per A/µs (78 V/m at 150 A/µs, the largest of eight by its file); of it, 0.16 points out of the",
        "2.4 mm off the scalp so that no part of it is in the head",
        "a current that rises at 1 A/µs",
        "points away from the handle",
        "More on target: Beam F3, 65 % of the stimulated cortex against 60 %",
        "Stronger at the target: geometric, 0.55 against 0.52",
        "Ranked higher by score than the best pose (0.45): Beam F3 (0.61)",
        "Chance of hitting SCAN: 63 %. In 70 % of 400 draws",
        "which vary where the network lies, registration, placement of the coil and conductivities",
        "the target is where the map has it is 0.90; both together give 63 %",
        "± 2.2 percentage points",
        "between 0.33 and 0.58 V/m per A/µs in nine draws of ten",
        "The scalp was held as it is.",
        "How likely this pose hits was not worked out.",
        "Both coils fit: their casings are 31 mm apart.",
        "Research use only.",
        "not known what field these networks need",
        "SCAN piece R 0.4 %; AMN piece L 0.4 %",
        "may be better than the best one here; they are shown either way",
        "The head model is a template's head",
        "The skull was assumed.",
        "geometric52 %11 %0.5582−0.17",
        "best60 %11 %0.5278−0.160.680.452.41035°0°",
    ):
        assert words in text, words
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert '<a href="#coil">' in page


def test_left_and_right_stand_in_words_and_letters(page, coil):
    text = text_of(page)
    for search in (a_search(1), a_search(2)):
        side, other = ("left", "right") if search.hemisphere == "L" else ("right", "left")
        told = f"{side} hemisphere ({search.hemisphere})"
        assert text.count(told) >= 2
        assert f"{other} hemisphere ({search.hemisphere})" not in text
    for target in coil.targets:
        for picture in target.pictures[:1]:
            assert f"({target.hemisphere})" in picture.alt


def test_it_is_accessible_and_small(page):
    read = Reader(page)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    tags = [tag for tag, _ in read.elements]
    assert all(tags[i + 1] == "caption" for i, tag in enumerate(tags) if tag == "table")
    assert all("scope" in attributes for attributes in read.all("th"))
    assert all(len(image["alt"]) > 30 for image in read.all("img"))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(page.encode()) < 1_200_000


def test_pictures_are_of_the_section_and_named_apart(coil, page):
    keys = [picture.key for picture in coil.pictures]
    assert keys == ["coil1", "field1", "curve1", "chance1", "coil2", "field2", "curve2"]
    assert all(re.fullmatch(r"[a-z0-9]+", key) for key in keys)
    assert page.count("<img") == len(keys)
    saved = "sub-01/figures/sub-01_desc-field1_figure.png"
    assert f'<a href="./{saved}"' in render_report(content_of(coil, written=[("figure", saved)]))
    twice = render_report(content_of(coil, pictures=coil.pictures))
    assert twice.count("<img") == len(keys)


def test_without_poses_scalp_or_judgement():
    none = section([])
    assert not none.targets
    assert none.head is None
    text = text_of(render_report(content_of(none)))
    assert "No target was given a pose by its field." in text
    assert "Research use only" not in text
    bare = replace(a_search(2), conventional=(), curves={}, field_v_per_m={}, averaged={}, numerical_error=NAN)
    bare = replace(bare, best=replace(bare.best, normal_v_per_m=NAN, peak_v_per_m=NAN))
    said = section([bare], scalp=None, coils=(), targets=())
    text = text_of(render_report(content_of(said)))
    assert [picture.key for picture in said.pictures] == ["coil1", "field1"]
    assert "There is no scalp, so the coil is not drawn on the head." in text
    assert "A. AMN piece L, another coil, left hemisphere (L)" in text
    assert "No geometric or conventional pose was scored beside it." in text
    assert "approximate" not in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert "the coil</a>" not in render_report(content_of(None)).lower()


def test_several_coils_for_one_target_are_told_apart(monkeypatch):
    monkeypatch.setattr(posepage, "draw_poses", lambda posed, *_: [[] for _ in posed])
    one = replace(a_search(1), curves={}, chance=None)
    said = section([one, replace(one, coil="round")])
    assert [target.title for target in said.targets] == ["1a. SCAN piece R, eight", "1b. SCAN piece R, round"]
    assert [placed.mark for placed in said.head.coils] == ["1a", "1b"]
    assert len({placed.colour for placed in said.head.coils}) == 2


def test_a_stated_rate_of_change_wins_over_the_coils():
    assert current_of(eight(), None).didt_a_per_us == 150
    assert current_of(eight(), 80.0).didt_a_per_us == 80
    assert current_of(replace(eight(), didt_max_a_per_us=None), None).didt_a_per_us is None
    assert current_of(None, None).away_from_handle is None


def test_comparisons_are_said_either_way():
    search = a_search(1)
    weaker = [replace(one, on_target=0.2, target_v_per_m=0.1, score=0.0) for one in search.conventional]
    said = " ".join(compared_words(replace(search, conventional=tuple(weaker))))
    assert "No other pose has more on target than 60 %: geometric 20 %, M1 hand knob 20 %, Beam F3 20 %." in said
    assert "No other pose makes a stronger field at the target than 0.52" in said
    assert "More on target" not in said
    best = replace(search, best=replace(search.best, on_target=0.1, score=-1.0))
    said = compared_words(best)
    assert [words.split(",")[0] for words in said if words.startswith("More")] == [
        "More on target: Beam F3",
        "More on target: geometric",
    ]


def test_a_chance_without_a_judged_map_says_so():
    search = a_search(1)
    said = chance_words(replace(search, chance=replace(search.chance, on_target=0.7, map_right=1.0)))[0]
    assert "In 70 % of 400 draws" in said
    assert "was not judged" in said
    assert "too high" in said
    nothing = chance_words(replace(search, chance=replace(search.chance, on_target=0.0, map_right=0.0)))[0]
    assert "Chance of hitting SCAN: 0 %" in nothing


def test_limits_depend_on_what_was_used():
    own = " ".join(limit_words([a_search(1)], approximate=False, told=False))
    assert "template" not in own
    assert "multiply by the one that is used" in own
    small = " ".join(limit_words([replace(a_search(1), numerical_error=1e-5)], approximate=True, told=True))
    assert "less than 0.1 %" in small
    assert "template's head" in small


def test_whatever_stands_in_files_is_escaped(page):
    search = a_search(1)
    wicked = replace(
        search,
        name=search.name + NASTY,
        network=NASTY + "$\\bad$",
        coil=NASTY,
        conventional=tuple(replace(one, label=one.label + NASTY) for one in search.conventional),
        curves={name + NASTY: values for name, values in search.curves.items()},
        chance=replace(search.chance, alone={"map": 0.5, NASTY + "$\\frac{": 0.4}, notes=(NASTY,)),
    )
    bad = section([wicked], coils=[replace(eight(), name=NASTY)], head=NASTY, plan=[NASTY], notes=[NASTY], targets=())
    nasty = render_report(content_of(bad, rotatable=True))
    read = Reader(nasty)
    assert read.text.count("alert(1)") > 25
    assert len(read.all("script")) == 3
    assert len(read.all("img")) == 4
    for tag, attributes in read.elements:
        assert not any(name.startswith("on") for name in attributes), tag
    assert_silent(nasty)
    view = json.loads(read.scripts[0])
    assert "alert(1)" in view["head"]["coils"][0]["name"]
    assert "</script" not in read.scripts[0]


# ---- the table of poses


def test_rows_of_the_table(tmp_path):
    rows = pose_table([a_search(1), a_search(2)])
    assert [row["pose"] for row in rows] == ["best", "geometric", "M1 hand knob", "Beam F3"] * 2
    assert len({tuple(row) for row in rows}) == 1, "every row has the same columns in the same order"
    first, geometric, second = rows[0], rows[1], rows[4]
    assert (first["target"], first["side"], first["coil"]) == ("SCAN piece R", "right", "eight")
    assert (second["side"], second["chance"], second["draws"]) == ("left", None, None)
    assert (first["chance"], first["map_right"], first["draws"]) == (0.63, 0.9, 400)
    assert geometric["chance"] is None
    assert geometric["numerical_error"] is None
    assert (geometric["shift"], geometric["turn"], geometric["tilt"]) == pytest.approx((0, 0, 0), abs=1e-5)
    assert first["shift"] == pytest.approx(math.sqrt(6**2 + 8**2 + 2**2))
    assert (first["turn"], first["tilt"]) == pytest.approx((35, 0), abs=1e-5)
    assert (first["x"] > 0, second["x"] < 0) == (True, True)
    without = pose_table([replace(a_search(1), conventional=())])
    assert [without[0][key] for key in ("shift", "turn", "tilt")] == [None] * 3
    files.write_table(tmp_path / "poses.tsv", rows)
    written = (tmp_path / "poses.tsv").read_text().splitlines()
    assert len(written) == 9
    assert written[5].split("\t")[written[0].split("\t").index("chance")] == "n/a"


def rotation(seed: int) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(-179, 179), st.floats(0, 175))
def test_a_shift_is_what_was_done_to_the_pose(seed, turn, tilt):
    rng = np.random.default_rng(seed)
    reference = np.eye(4)
    reference[:3, :3], reference[:3, 3] = rotation(seed), rng.normal(size=3) * 50
    pose = turned(reference, turn)
    # Tilt about an axis in the coil's plane: the shortest turn between the two axes into the head.
    angle = rng.uniform(0, 2 * np.pi)
    axis = reference[:3, :3] @ [np.cos(angle), np.sin(angle), 0]
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    t = np.radians(tilt)
    pose[:3, :3] = (np.eye(3) + np.sin(t) * cross + (1 - np.cos(t)) * cross @ cross) @ pose[:3, :3]
    step = rng.normal(size=3) * 10
    pose[:3, 3] += step
    expected = (np.linalg.norm(step), abs(turn), tilt)
    assert pose_shift(pose, reference) == pytest.approx(expected, abs=1e-6)
    assert pose_shift(reference, pose) == pytest.approx(expected, abs=1e-6)
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation(seed + 1), rng.normal(size=3)
    assert pose_shift(motion @ pose, motion @ reference) == pytest.approx(expected, abs=1e-6)


# ---- the coil's outline and the direction of its field


def real_coil(name: str) -> Coil:
    path = COILS / name
    if not path.is_file():
        pytest.skip(f"{name} is not there (ACTIONLOOP_DATA)")
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    rows = np.array([[float(v) for v in line.split()] for line in lines[1:]])
    return Coil(name, dipoles_mm=1000 * rows[:, :3], moments_m2=rows[:, 3:6])


def test_a_figure_of_eight_has_two_wings_and_a_round_coil_one():
    wings = coil_shape(eight()).windings_mm
    assert len(wings) == 2
    right, left = sorted(wings, key=lambda wing: -wing[:, 0].mean())
    assert right[:, 0].min() > -1
    assert left[:, 0].max() < 1
    np.testing.assert_allclose(np.abs(right[:, 1]).max(), np.abs(left[:, 1]).max(), rtol=0.02)
    one = coil_shape(round_coil()).windings_mm
    assert len(one) == 1
    radius = np.linalg.norm(one[0][:, :2], axis=1)
    outer = np.linalg.norm(round_coil().wires_mm[:, :2], axis=1).max()
    assert 0.97 * outer < radius.min() <= radius.max() <= outer + 1e-6
    for shape in (coil_shape(eight()), coil_shape(round_coil())):
        assert shape.handle_mm[-1, 1] < min(wing[:, 1].min() for wing in shape.windings_mm) - 50
        assert all((wing[:, 2] < 0).all() for wing in shape.windings_mm), "windings lie away from the head"
    assert coil_shape(None).windings_mm == ()
    assert coil_shape(None).handle_mm[-1, 1] < -50


@pytest.mark.parametrize(
    "name", ["MagVenture_Cool-B65.ccd", "MagStim_D70.ccd", "Magstim_70mm_Fig8.ccd", "MagVenture_MCF-B65.ccd"]
)
def test_wings_of_real_coils_are_found(name):
    wings = coil_shape(real_coil(name)).windings_mm
    assert len(wings) == 2
    right, left = wings
    for wing, side in ((right, 1), (left, -1)):
        width = np.ptp(wing[:, 0]), np.ptp(wing[:, 1])
        assert 60 < min(width) <= max(width) < 110
        assert 30 < side * wing[:, 0].mean() < 55
        assert (side * wing[:, 0]).min() > -5


def test_the_direction_of_the_field_is_that_of_the_coil():
    assert current_of(eight(), None).away_from_handle is True
    assert current_of(replace(eight(), wires_m=-eight().wires_m), None).away_from_handle is False
    assert current_of(round_coil(), None).away_from_handle is None
    # Their signs are known to differ.
    one, other = (real_coil(name) for name in ("MagVenture_Cool-B65.ccd", "MagStim_D70.ccd"))
    assert {current_of(one, None).away_from_handle, current_of(other, None).away_from_handle} == {True, False}


@pytest.mark.parametrize("closed", [True, False])
def test_tubes_are_closed_and_wound_outwards(closed):
    turn = 2 * np.pi * np.arange(60) / 60
    path = np.stack([40 * np.cos(turn), 30 * np.sin(turn), np.zeros(60)], axis=1)
    path = path if closed else np.array([[0.0, 0, 0], [0, -50.0, 0]])
    vertices, normals, faces = tube(path, radius_mm=2.0, closed=closed, around=24)
    edges = Counter(tuple(face[[i, (i + 1) % 3]]) for face in faces for i in range(3))
    assert all(count == 1 and edges[b, a] == 1 for (a, b), count in edges.items())
    one, two, three = vertices[faces].transpose(1, 0, 2)
    volume = float((np.cross(two, three) * one).sum()) / 6
    ring = np.concatenate([path, path[:1]]) if closed else path
    length = np.linalg.norm(np.diff(ring, axis=0), axis=1).sum()
    assert volume == pytest.approx(np.pi * 4 * length, rel=0.03)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    outward = np.cross(two - one, three - one)
    assert ((outward * normals[faces[:, 0]]).sum(axis=1) > -1e-9).mean() > 0.9


# ---- pictures


def test_the_coil_is_drawn_on_its_own_side(coil):
    for target, search, at in zip(coil.targets, (a_search(1), a_search(2)), (0, 1), strict=True):
        seen = pixels(target.pictures[0].png)[44:564, :520]
        dark = 0.55 * figures.rgb(figures.POSE_COLOURS[at])
        hue = dark / dark.sum()
        shade = seen / np.maximum(seen.sum(axis=2, keepdims=True), 1e-6)
        like = (np.abs(shade - hue).max(axis=2) < 0.05) & (seen.sum(axis=2) < 2.0)
        columns = np.nonzero(like)[1]
        assert len(columns) > 300
        head = np.nonzero((np.abs(seen - seen.mean(axis=2, keepdims=True)).max(axis=2) < 0.06) & (seen[..., 0] < 0.9))[
            1
        ]
        middle = (np.percentile(head, 1) + np.percentile(head, 99)) / 2
        assert (columns.mean() > middle) == (search.hemisphere == "R")


def warm(png: bytes) -> np.ndarray:
    """Where the picture is orange or red: strong fields."""
    seen = pixels(png)
    return (seen[..., 0] - seen[..., 2] > 0.45) & (seen[..., 0] > 0.4)


def test_the_field_is_seen_where_it_is(views):
    nothing = {side: np.zeros(32_492, dtype=bool) for side in HEMISPHERES}
    field = {"L": np.full(32_492, 0.9), "R": np.zeros(32_492)}
    looks = {"target": nothing, "network": nothing, "network_name": "SCAN"}
    left = warm(field_map(views, field, scale=FieldScale(1.0), **looks))
    width = left.shape[1]
    assert left[:, : width // 3].mean() > 0.2
    assert not left[:, 2 * width // 3 :].any()
    weak = warm(field_map(views, field, scale=FieldScale(10.0), **looks))
    assert weak[:, : width // 3].mean() < 0.01
    lost = pixels(field_map(views, {"L": np.full(32_492, np.nan)}, scale=FieldScale(1.0), **looks))
    assert np.ptp(lost[60:, : width // 3], axis=2).max() < 0.12, "what is not known is grey"


def test_the_scale_is_numbered_for_both_rates_of_change():
    _, axes = sheet(400, 200)
    field_bar(axes, (50, 20, 300, 20), FieldScale(0.8, 150.0))
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["0", "0.4", "0.8", "V/m per A/µs", "0", "60", "120", "V/m at 150 A/µs"]
    _, axes = sheet(400, 200)
    field_bar(axes, (50, 20, 300, 20), FieldScale(0.8))
    assert len(axes.texts) == 4


def test_target_and_network_are_outlined(views):
    anatomy = files.template_anatomy()
    far = anatomy.surface("R").vertices - np.array([50.0, 0, 40])
    near = {"L": np.zeros(32_492, dtype=bool), "R": np.linalg.norm(far, axis=1) < 14}
    none = {side: np.zeros(32_492, dtype=bool) for side in HEMISPHERES}
    field = {side: np.full(32_492, 0.8) for side in HEMISPHERES}
    looks = {"scale": FieldScale(1.0), "network_name": "SCAN"}
    bare = pixels(field_map(views, field, target=none, network=none, **looks))
    aimed = pixels(field_map(views, field, target=near, network=none, **looks))
    lined = pixels(field_map(views, field, target=none, network=near, **looks))
    for drawn in (aimed, lined):
        columns = np.nonzero((drawn != bare).any(axis=2))[1]
        assert 20 < len(columns) < 4000
        assert columns.min() > 0.35 * bare.shape[1], "only the right hemisphere, and the view from above"
    white = (aimed > 0.9).all(axis=2) & (bare < 0.9).any(axis=2)
    assert white.sum() > 10
    assert not ((lined > 0.9).all(axis=2) & (bare < 0.9).any(axis=2)).any()


@pytest.mark.parametrize("vision", [None, *facts.load("palette")["vision"]])
def test_the_scale_darkens_steadily_for_everybody(vision):
    colours = colour_ramp(FIELD_RAMP, np.linspace(0, 1, 30))
    seen = colours if vision is None else seen_with(colours, vision)
    light = seen @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) < -0.003).all()
    assert light[0] - light[-1] > 0.5


def test_lines_of_poses_differ_without_colour():
    for (line, marker, filled, _), (other_line, other_marker, other_filled, _) in itertools.combinations(_LOOKS, 2):
        assert line != other_line
        assert (marker, filled) != (other_marker, other_filled)
    at = np.linspace(99, 99.9, 10)
    grey = []
    for i in range(4):
        curves = {f"pose {k}": np.full(10, NAN) for k in range(i)} | {f"pose {i}": np.full(10, 0.5)}
        grey.append(pixels(on_target_curves(at, curves))[200:320, 150:760].min(axis=2))
    for one, other in itertools.combinations(grey, 2):
        assert (np.abs(one - other) > 0.25).mean() > 0.002


def test_curves_lie_at_their_values():
    at = np.linspace(99, 99.9, 10)

    def row(value):
        dark = pixels(on_target_curves(at, {"best": np.full(10, value)}))[:, 130:760, 0] < 0.3
        return float(np.nonzero(dark[: int(0.82 * 640)])[0].mean())

    low, middle, high = row(0.25), row(0.5), row(0.75)
    assert low > middle > high
    assert low - middle == pytest.approx(middle - high, abs=3)
    on_target_curves(np.zeros(0), {})
    on_target_curves(at, {"best": np.full(10, NAN), "x" * 200 + NASTY: at / 100, "$\\frac{": at / 100})


def test_the_histogram_follows_the_draws():
    def mass(shares):
        seen = pixels(share_histogram(np.array(shares), undisturbed=NAN, network="SCAN"))
        bars = (np.abs(seen - figures.rgb("#8fb4cc")).max(axis=2) < 0.03).nonzero()[1]
        return bars.mean() / seen.shape[1]

    assert mass([0.12, 0.14]) < 0.3 < 0.7 < mass([0.88, 0.87, NAN])
    empty = share_histogram(np.zeros(0), undisturbed=0.4, network=NASTY, alone={NASTY: NAN, "map": 0.0})
    assert pixels(empty).shape[1] == 1100


# ---- the view that can be turned


def unpack(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(gzip.decompress(base64.b64decode(text)), kind)


def test_the_head_comes_back(coil):
    anatomy = files.template_anatomy()
    view = json.loads(json.dumps(rotatable_view(anatomy, the_map(), the_targets(), head=coil.head)))
    head = view["head"]
    for side, packed in zip(HEMISPHERES, head["pial"], strict=True):
        vertices = unpack(packed, "<i2").reshape(3, -1).T * head["step"]
        np.testing.assert_allclose(vertices, anatomy.surface(side, "pial").vertices, atol=0.06)
    vertices = unpack(head["scalp"]["vertices"], "<i2").reshape(3, -1).T * head["step"]
    faces = unpack(head["scalp"]["faces"], "<u2").reshape(3, -1).T
    assert faces.max() == len(vertices) - 1
    away = np.array([scalp().nearest(point)[2] for point in vertices[::50]])
    assert away.max() < 4, "the coarse scalp stays at the scalp"
    one, two, three = vertices[faces].transpose(1, 0, 2)
    outward = (np.cross(two - one, three - one) * (one - vertices.mean(axis=0))).sum(axis=1)
    assert (outward > 0).mean() > 0.98
    for shown, search in zip(head["coils"], (a_search(1), a_search(2)), strict=True):
        assert shown["side"] == {"L": "left", "R": "right"}[search.hemisphere]
        matrix = search.best.matrix
        assert (shown["middle"][0] > 0) == (search.hemisphere == "R")
        np.testing.assert_allclose(shown["middle"], matrix[:3, 3], atol=0.06)
        handle = np.subtract(shown["handle"][1], shown["handle"][0])
        np.testing.assert_allclose(handle / np.linalg.norm(handle), -matrix[:3, 1], atol=0.01)
    lines = outlines(coil_shape(eight()), a_search(1).best.matrix)
    assert len(head["coils"][0]["lines"]) == 2
    np.testing.assert_allclose(head["coils"][0]["lines"][0], lines[0], atol=0.06)
    np.testing.assert_allclose(lines[0][0], lines[0][-1])
    assert head["coils"][1]["lines"] == [], "the windings of a coil that is not known are not made up"
    assert rotatable_view(anatomy, the_map())["head"] is None


def test_points_are_carried_by_the_pose():
    matrix = a_search(1).best.matrix
    np.testing.assert_allclose(moved(np.zeros((1, 3)), matrix)[0], matrix[:3, 3])
    np.testing.assert_allclose(moved(np.array([[0, 7.0, 0]]), matrix)[0], matrix[:3, 3] + 7 * matrix[:3, 1])


def test_the_page_offers_the_coils_in_the_view(coil):
    page = render_report(content_of(coil, rotatable=True))
    assert_silent(page)
    read = Reader(page)
    assert {"value": "head"} in read.all("option")
    legend = page[page.index('id="turn-coils"') :]
    assert legend.index("SCAN piece R (right), eight") < legend.index("AMN piece L (left), another coil")
    assert figures.POSE_COLOURS[1] in legend[: legend.index("</ul>")]
    without = render_report(content_of(None, rotatable=True))
    assert 'value="head"' not in without
    assert 'id="turn-coils"' not in without


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_view_shows_the_coils_without_a_network(tmp_path, coil):
    page = render_report(content_of(coil, rotatable=True))
    press = """<script>(function () { var n = 0; function go() { var box = document.getElementById("turn");
    if (box.dataset.ready !== "yes") { if (n++ < 900) { setTimeout(go, 100); } return; }
    var choice = box.querySelector("select"); choice.value = "head"; choice.dispatchEvent(new Event("change")); }
    go(); })();</script></body>"""
    (tmp_path / "page.html").write_text(page.replace("</body>", press), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000", "--window-size=1200,900"]
    command += ["--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]
    shown = subprocess.run(
        [*command, f"file://{tmp_path / 'page.html'}"], capture_output=True, text=True, timeout=480, check=False
    )
    assert 'data-shown="head"' in shown.stdout, shown.stderr[-2000:]
    console = [line for line in shown.stderr.splitlines() if "CONSOLE" in line]
    assert not [line for line in console if "Refused" in line or "violates" in line or "Uncaught" in line], console


def test_a_target_that_no_pose_reaches_is_said_to_be_out_of_reach():
    search = a_search(1)
    assert out_of_reach(search) == out_of_reach(a_search(2)) == ""
    weak = replace(search, best=replace(search.best, on_target=0.02))
    unlikely = replace(search, chance=replace(search.chance, on_target=0.0))
    for one, words in ((weak, "at best 2 %"), (unlikely, "chance of hitting 0 %")):
        said = out_of_reach(one)
        assert said.startswith("Out of reach") and words in said and one.name in said
        assert said in section([one]).warnings
