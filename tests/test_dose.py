"""The motor hotspot on scalp and cortex, the field over it, the output for equal fields, and ratings by place."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests import test_pose_plan
from tests.sphere import CORTEX_MM, FRAME, SCALP_MM, sphere_head

from actionloop import facts, files
from actionloop.brain import Geodesic, electrode_place, find_fiducials, lay_lines, vertex_areas
from actionloop.errors import ActionloopError, GeometryError, InputError, OptionError
from actionloop.field import FieldSolver, HeadModel, primary_field_on_lattice
from actionloop.networks import mask_of
from actionloop.pipeline import page as page_module
from actionloop.pipeline.head import template_head
from actionloop.pipeline.motor import Motor, hand_from_arrays, hand_to_arrays, hotspot_of, judge_motor
from actionloop.pipeline.motorwords import dose_words, hotspot_warnings, hotspot_words, motor_in_short
from actionloop.pipeline.paragraph import dose_sentences
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.settings import PoseSettings, read_settings
from actionloop.poses import (
    HandField,
    Hotspot,
    PoseHead,
    SearchSettings,
    equal_field,
    fields_around,
    hand_distance,
    hand_field,
    place_hotspot,
)
from actionloop.reliability.variants import prior_as_map
from actionloop.targets import geometric_matrix

SMART = Path(os.environ.get("ACTIONLOOP_DATA", "")) / "tolerability" / "meteyard-l_holmes-2018_TMS-SMART_data.txt"
HAND = (-37.0, -21.0, 58.0)  # M1 hand knob, MNI
FRONTAL = (-30.0, 50.0, 25.0)


@pytest.fixture(scope="module")
def template():
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))
    return template_head(), prior_as_map(cached_default_prior())


def cortex_of(network_map):
    axis = network_map.grayordinates
    return {side: np.isin(np.arange(axis.n_vertices), axis.vertices(side)) for side in ("L", "R")}


def judged(place, head, network_map, *, reason=""):
    hotspot = hotspot_of(PoseSettings(motor_hotspot=place), head)
    return judge_motor(hotspot, head, network_map, (), made=None, reason=reason)


def test_output_follows_from_equal_fields():
    dose = equal_field(1.2, 0.8, threshold_percent=50)
    assert dose.ratio == pytest.approx(1.5) and dose.output_percent == pytest.approx(75) and dose.possible
    assert equal_field(1.2, 0.8).output_percent is None and equal_field(1.2, 0.8).possible is None
    assert equal_field(1.0, 1.0, threshold_percent=63).output_percent == 63
    assert equal_field(3.0, 1.0, threshold_percent=40).possible is False
    assert equal_field(2.0, 1.0, threshold_percent=50).possible  # exactly 100 %


@pytest.mark.parametrize("fields", [(0, 1), (1, 0), (-1, 1), (np.nan, 1), (1, np.inf)])
def test_no_output_from_fields_that_are_none(fields):
    with pytest.raises(GeometryError, match="above 0 V/m"):
        equal_field(*fields)


def test_ratio_has_the_range_of_the_choices_that_both_have():
    hand, target = {"mean": 1.0, "highest": 3.0, "only here": 9.0}, {"highest": 1.0, "mean": 0.8, "only there": 9.0}
    dose = equal_field(1.2, 0.8, threshold_percent=40, around=(hand, target))
    assert dose.ratio == pytest.approx(1.5) and dose.ratios == pytest.approx({"mean": 1.25, "highest": 3.0})
    assert dose.ratio_range == pytest.approx((1.25, 3.0)) and dose.output_range_percent == pytest.approx((50, 120))
    assert equal_field(1.2, 0.8).ratio_range == pytest.approx((1.5, 1.5))
    assert equal_field(1.2, 0.8).output_range_percent is None
    with pytest.raises(GeometryError, match="at the target, found 0"):
        equal_field(1.2, 0.8, around=({"mean": 1.0}, {"mean": 0.0}))


def test_fields_around_a_vertex_are_those_of_a_plain_reckoning(template):
    surface = template[0].anatomy.surface("L")
    length = np.random.default_rng(7).uniform(0.5, 2.0, surface.n_vertices)
    length[::5] = 0.0  # not known there
    vertex = 12_000
    found = fields_around(length, surface, vertex)
    away, area = Geodesic(surface).from_vertices(vertex, exact=True), vertex_areas(surface)
    for radius in (5, 10):
        values = [(v, a) for v, a, d in zip(length, area, away, strict=True) if v > 0 and d <= radius]
        mean = sum(v * a for v, a in values) / sum(a for _, a in values)
        assert found[f"mean within {radius} mm"] == pytest.approx(mean, rel=1e-9)
        assert found[f"highest within {radius} mm"] == max(v for v, _ in values)
        at = found[f"99th percentile within {radius} mm"]
        assert found[f"mean within {radius} mm"] < at <= max(v for v, _ in values)
    assert len(found) == 6 and found["highest within 10 mm"] >= found["highest within 5 mm"]
    # A field that is the same everywhere has the same length by every choice.
    for value in fields_around(np.full(surface.n_vertices, 1.25), surface, vertex).values():
        assert value == pytest.approx(1.25, rel=1e-12)
    with pytest.raises(GeometryError, match="expected a field on"):
        fields_around(length[:-1], surface, vertex)
    with pytest.raises(GeometryError, match="no field is known within 5 mm"):
        fields_around(np.zeros(surface.n_vertices), surface, vertex)


def test_words_name_the_range_and_an_output_that_cannot_be_given(template):
    head, network_map = template
    made = HandField(np.eye(4), 0.0, 1.2, 1.3, 20, {"mean within 5 mm": 1.0, "highest within 5 mm": 2.0})
    around = {"mean within 5 mm": 0.9, "highest within 5 mm": 0.8}
    dose = equal_field(1.2, 0.8, threshold_percent=60, around=(made.around, around))
    plain = judged(HAND, head, network_map)
    motor = replace(plain, threshold_percent=60.0, made=made, doses={"SCAN middle L": dose})
    search = SimpleNamespace(name="SCAN middle L", hemisphere="L")
    said = " ".join(dose_words(motor, search))
    assert "runs from 1.11 to 2.50; lowest by mean within 5 mm (1.11), highest by highest within 5 mm (2.50)" in said
    assert "90 % of maximum stimulator output (67 to 150 %)" in said
    assert "1.50 times the output at the hand (1.11 to 2.50" in " ".join(motor_in_short(motor))
    (sentence,) = dose_sentences(motor)
    assert "SCAN middle L 90 % (67 to 150 %)" in sentence and "not a treatment dose" in sentence
    assert dose_sentences(plain) == [] and isinstance(plain, Motor)
    beyond = replace(motor, doses={"SCAN middle L": equal_field(1.2, 0.8, threshold_percent=80)})
    assert "more than 100 % cannot be given" in " ".join(dose_words(beyond, search))
    assert "which cannot be given" in dose_sentences(beyond)[0]
    kept = hand_from_arrays(hand_to_arrays(made))
    assert kept.around == made.around and kept.n_vertices == 20
    assert motor.recorded(withheld=["SCAN middle L"], posed=False)["outputs"] == {}
    assert motor.recorded(posed=False)["pose"] is None and motor.recorded()["pose"] == np.eye(4).tolist()


@pytest.mark.parametrize("threshold", [0, -5, 101, np.nan, np.inf])
def test_thresholds_that_no_stimulator_gives(threshold):
    with pytest.raises(OptionError, match="motor threshold above 0"):
        equal_field(1, 1, threshold_percent=threshold)
    with pytest.raises(OptionError, match="motor threshold above 0"):
        PoseSettings(motor_hotspot=HAND, motor_threshold=threshold)


def test_a_threshold_needs_its_place():
    with pytest.raises(OptionError, match="without the place"):
        read_settings(None, pose={"motor_threshold": 50.0})


def test_hand_knob_lies_near_the_hand_network_of_the_template(template):
    head, network_map = template
    motor = judged(HAND, head, network_map, reason="not asked for")
    assert motor.hotspot.kind == "cortex" and motor.hotspot.hemisphere == "L" and motor.distance.near
    assert motor.distance.hemisphere == "L"
    # No path on the cortex is shorter than the straight line to the nearest vertex of the same side.
    assert motor.distance.along_mm >= motor.distance.straight_mm - 1e-6
    hand = mask_of(network_map, "hand", "L")
    exact = Geodesic(head.anatomy.surface("L")).from_vertices(motor.hotspot.vertex, exact=True)[hand].min()
    assert motor.distance.along_mm == pytest.approx(exact, abs=0.05)
    assert not any("not in or near" in words for words in hotspot_warnings(motor))
    assert "left hemisphere" in hotspot_words(motor)[0] and "map was not changed" in hotspot_words(motor)[-1]
    assert json.loads(json.dumps(motor.recorded()))["near_hand_network"] is True


def test_a_place_on_the_scalp_is_carried_inward(template):
    head, network_map = template
    point, outward, _ = head.scalp.nearest(np.array(HAND))
    for lifted in (0.0, 8.0):  # on the skin, and the middle of a coil on hair
        found = place_hotspot(point + lifted * outward, head.anatomy, head.scalp, cortex_of(network_map))
        assert found.kind == "scalp" and found.hemisphere == "L"
        assert found.away_mm == pytest.approx(lifted, abs=0.5)
        along = (point - found.xyz_ras) @ outward
        beside = np.linalg.norm(point - found.xyz_ras - along * outward)
        assert 5 < along < 30 and beside <= facts.load("poses")["hotspot"]["beside_mm"] + 1e-6


def test_a_frontal_place_and_the_other_side_are_told(template):
    head, network_map = template
    motor = judged(FRONTAL, head, network_map)
    assert not motor.distance.near and motor.distance.along_mm > 30
    assert "not in or near" in " ".join(hotspot_warnings(motor))
    assert any(line.startswith("warning") for line in motor_in_short(motor))
    mirrored = judged((37, -21, 58), head, network_map)
    assert mirrored.hotspot.hemisphere == "R" and mirrored.distance.hemisphere == "R"
    hand = {"L": mask_of(network_map, "hand", "L"), "R": np.zeros_like(mask_of(network_map, "hand", "R"))}
    lonely = hand_distance(mirrored.hotspot, head.anatomy, hand)
    assert lonely.hemisphere == "L" and np.isinf(lonely.along_mm) and not lonely.near
    assert hand_distance(mirrored.hotspot, head.anatomy, {side: ~hand[side] & False for side in hand}) is None


@pytest.mark.parametrize(
    ("place", "expected"), [((200, 0, 0), "from scalp and cortex"), ((0, -20, np.nan), "three finite numbers")]
)
def test_places_that_are_no_hotspot(place, expected, template):
    head, network_map = template
    with pytest.raises(OptionError, match=expected):
        place_hotspot(np.array(place), head.anatomy, head.scalp, cortex_of(network_map))


def test_field_over_the_hotspot_is_that_of_a_plain_solve(monkeypatch):
    plain = sphere_head(monkeypatch)
    edge, n = 5.0, 38
    axis = (np.arange(n) - (n - 1) / 2) * edge
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None] ** 2)
    tissue = np.zeros((n, n, n), dtype=np.uint8)
    for number, outer in ((5, 84), (4, 80), (3, 76), (2, 73), (1, 66)):
        tissue[radius < outer] = number
    solver = FieldSolver(HeadModel(tissue, np.full(3, axis[0]), edge, FRAME, "sphere"))
    head = PoseHead(solver, plain.anatomy, plain.scalp, plain.coil)
    outward = np.array([-0.6, 0.2, 0.7746])
    places = plain.anatomy.surface("L").vertices
    vertex = int(np.linalg.norm(places - CORTEX_MM * outward, axis=1).argmin())
    hotspot = Hotspot(places[vertex], "cortex", 0.0, "L", vertex, places[vertex])
    flat = geometric_matrix(SCALP_MM * outward, outward, hemisphere="L")
    made = hand_field(head, hotspot, flat, settings=SearchSettings.default())
    assert len(head.solved) == 1 and made.lift_mm > 0
    np.testing.assert_allclose(made.matrix[:3, 3], flat[:3, 3] + made.lift_mm * outward, atol=1e-3)
    dadt = primary_field_on_lattice(head.coil, made.matrix, solver.centres_mm, tolerance=1e-4)
    potential = solver.solve(solver.drive(dadt)[:, None], tolerance=1e-8)[:, 0]
    within = np.linalg.norm(places - places[vertex], axis=1) <= 5.0
    field = solver.reader(places[within]).field(potential, dadt)
    assert made.mean_v_per_m == pytest.approx(np.linalg.norm(field, axis=1).mean(), rel=0.02)
    assert made.hand_v_per_m == pytest.approx(np.linalg.norm(field.mean(axis=0)), rel=0.02)
    assert made.hand_v_per_m <= made.mean_v_per_m
    again = hand_field(head, hotspot, flat, settings=SearchSettings.default())
    assert len(head.solved) == 1 and again.hand_v_per_m == made.hand_v_per_m
    kept = hand_from_arrays(hand_to_arrays(made))
    assert kept.n_vertices == made.n_vertices and kept.hand_v_per_m == made.hand_v_per_m


def test_places_of_the_ten_per_cent_system(template):
    head, _ = template
    lines = lay_lines(head.scalp, find_fiducials(head.scalp, from_mni=np.eye(4)))
    # standard_1005 (Oostenveld & Praamstra 2001), rounded; the same landmarks, another head of MNI's size.
    expected = {"F3.4": (-50, 53, 42), "C3.4": (-65, -12, 69), "P7.8": (-72, -73, -2), "CZ": (0, -9, 100)}
    for name, place in expected.items():
        row = facts.load("tolerability")["place"]["of"][name]
        left, right = (electrode_place(lines, side, **row) for side in ("L", "R"))
        assert np.linalg.norm(left - place) < 10
        assert np.linalg.norm(right * [-1, 1, 1] - left) < 6
    with pytest.raises(GeometryError, match="row of 0 to 100"):
        electrode_place(lines, "L", row=120, share=0.5)


@pytest.fixture(scope="module")
def smart() -> Path:
    if not SMART.is_file():
        pytest.skip("the table of ratings is not there")
    return SMART


def test_ratings_are_averaged_person_by_person(smart):
    found = files.read_tolerability(smart)
    assert found.n_people == 20 and found.n_trials == 9600 and len(found.locations) == 24
    with smart.open(newline="") as stream:
        header, *rows = list(csv.reader(stream, delimiter="\t"))
    place, person, pain = (header.index(name) + 1 for name in ("HomLocation", "SubNo", "Pain"))
    means = [
        np.mean([float(row[pain]) for row in rows if row[place] == "F7.8" and row[person] == one and row[pain] != "NA"])
        for one in sorted({row[person] for row in rows})
    ]
    rated = found.locations["F7.8"]["pain"]
    assert rated.mean == pytest.approx(np.mean(means)) and rated.spread == pytest.approx(np.std(means, ddof=1))
    assert found.n_missing["pain"] == 50
    # Beside the forehead it hurts, on top of the head it does not.
    assert rated.mean > 2 * found.locations["CZ"]["pain"].mean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "has no column SubNo"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n", "has no rows"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n1,CZ,11,0,0\n", "Pain from 0 to 10"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n1,CZ,much,0,0\n", "found 'much'"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n1,CZ,nan,0,0\n", "Pain from 0 to 10"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n1,CZ,1,0,0\n2,CZ,1\n", "another number in line 3"),
        ("SubNo,HomLocation,Pain,Pain,Annoyance,Twitches\n1,CZ,1,0,0,0\n", "twice: Pain"),
        ("SubNo,HomLocation,Pain,Annoyance,Twitches\n,CZ,1,0,0\n", "line 2 names no person"),
        (b"\xff\xfe\x00\x01", "no text"),
    ],
)
def test_tables_that_hold_no_ratings(text, expected, tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=expected):
        files.read_tolerability(path)


def test_missing_ratings_are_left_out_and_one_person_has_no_spread(tmp_path):
    path = tmp_path / "ratings.tsv"
    path.write_text("SubNo\tHomLocation\tPain\tAnnoyance\tTwitches\n1\tCZ\t2\tNA\t0\n1\tCZ\t4\t1\t0\n")
    found = files.read_tolerability(path)
    rated = found.locations["CZ"]
    assert rated["pain"].mean == 3 and rated["annoyance"].mean == 1 and np.isnan(rated["pain"].spread)
    assert found.n_missing["annoyance"] == 1 and "visible twitch" not in rated


@pytest.fixture(scope="module")
def person(template, tmp_path_factory):
    return test_pose_plan.person.__wrapped__(tmp_path_factory)


def small_coil(folder: Path) -> Path:
    """Write a figure of eight of few elements."""
    lattice = [(x, y) for x in range(-30, 31, 12) for y in range(-30, 31, 12) if x * x + y * y < 1000]
    rows = [(s * 0.036 + x / 1e3, y / 1e3, -0.006, s * 1e-4) for s in (-1, 1) for x, y in lattice]
    lines = [f"{x:.4f} {y:.4f} {z:.4f} 0 0 {m:.1e}" for x, y, z, m in rows]
    path = folder / "small.ccd"
    path.write_text("\n".join(["# coil;coilname=small", str(len(rows)), "# centres", *lines]) + "\n")
    return path


def test_one_run_says_hotspot_output_and_tolerability(person, template, smart, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "draw_pictures", lambda *_, **__: [])  # of the map: a third of the time
    head, _ = template
    point, outward, _ = head.scalp.nearest(np.array(HAND))
    spot = (point + 3 * outward) @ person.turn.T + test_pose_plan.TURN[:3, 3]
    # One target, few elements, coarse voxels: the line is walked whole, and its numbers are held against each other.
    words = ("--target", "SCAN middle L", "--resolution", "4", "--pose-draws", "0", "--export", "none")
    words += ("--coil", small_coil(tmp_path))
    hotspot = ("--motor-hotspot", *(f"{x:.2f}" for x in spot))
    out = tmp_path / "out"
    code, shown, said = test_pose_plan.run(
        "pose", out, person, *words, *hotspot, "--motor-threshold", "55", "--tolerability", smart
    )
    assert code == 0, said
    assert "motor hotspot: left hemisphere" in shown and "not a treatment dose" in shown
    record = json.loads(test_pose_plan.one(out, "*_provenance.json").read_text())["coil_poses"]
    motor = record["motor"]
    assert motor["nearest_to"] == "scalp" and motor["near_hand_network"] and record["tolerability"] == smart.name
    with test_pose_plan.one(out, "*_poses.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    for row in (row for row in rows if row["pose"] == "best"):
        ratio = motor["field"]["hand_v_per_m"] / float(row["field"])
        assert float(row["hand_ratio"]) == pytest.approx(ratio, rel=1e-3)
        assert float(row["output"]) == pytest.approx(55 * ratio, rel=1e-3)
        assert float(row["hand_ratio_low"]) <= ratio * 1.001 and ratio <= float(row["hand_ratio_high"]) * 1.001
    assert all(row["output"] in ("", "n/a") for row in rows if row["pose"] != "best")
    page = next(out.glob("sub-*.html")).read_text(encoding="utf-8")
    for expected in ("Which cortex counts matters", "This equalises fields and is not a treatment dose"):
        assert expected in page
    for expected in ("The motor hotspot", "Equal fields", "Limits of intensity are checked", "Ratings by place"):
        assert expected in page
    assert "the nearest place is" in page and "Not placed on this head" in page
    far = ("--motor-hotspot", "200", "0", "0")
    code, _, said = test_pose_plan.run("pose", tmp_path / "none", person, *words, *far)
    assert code != 0 and "from scalp and cortex" in said and not (tmp_path / "none").exists()


def test_without_a_field_at_the_hand_nothing_is_said_of_an_output(template):
    head, network_map = template
    motor = judged(HAND, head, network_map, reason="not asked for")
    assert dose_words(motor, type("Search", (), {"name": "SCAN middle L"})()) == []
