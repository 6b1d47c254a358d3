"""Conduct: what the log says about everybody, what may be entered, what is asked, and tables that are read in."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trialstories import START, Story, day, enrol, lines, small_protocol, told_in_turn, trials

from actionloop.errors import InputError, OptionError
from actionloop.journal import Journal, verify
from actionloop.pipeline.trialcsv import TABLES, import_table, table_columns
from actionloop.trial import events as ev
from actionloop.trial.conduct import freeze_targets, record, replay, sift
from actionloop.trial.dataset import trial_data
from actionloop.trial.entryfields import Candidate
from actionloop.trial.queries import data_queries
from actionloop.trial.ratingpatterns import resolution
from actionloop.trial.schedule import planned_day
from actionloop.types import TrialOutcome

PROTOCOL = small_protocol()
LATER = START + timedelta(days=400)


def told(*stories):
    state = replay(lines(told_in_turn(stories)), PROTOCOL)
    assert not state.trouble, state.trouble
    return state


def enrolled(name="P01", **factors):
    story = Story(name)
    enrol(story, **factors)
    return story


def attempt(state, kind, **content):
    event = ev.read_event(kind, {"participant": "P01", **content})
    return sift([event], PROTOCOL, state)


def refused(state, kind, **content):
    try:
        problems = attempt(state, kind, **content).problems
    except InputError as error:
        return error.problem
    assert len(problems) == 1, "it was accepted"
    return problems[0][1].problem


# --- replay ---


@settings(max_examples=60, deadline=None)
@given(stories=trials(), data=st.data())
def test_any_interleaving_of_valid_courses_replays_to_the_same_state(stories, data):
    whole = replay(lines(told_in_turn(stories)), PROTOCOL)
    assert not whole.trouble
    waiting, mixed = [list(story.told) for story in stories], []
    while any(waiting):
        chosen = data.draw(st.sampled_from([one for one in waiting if one]))
        mixed.append(chosen.pop(0))
    assert replay(lines(mixed), PROTOCOL) == whole
    cut = data.draw(st.integers(0, len(mixed)))
    told_lines = lines(mixed)
    first = replay(told_lines[:cut], PROTOCOL)
    assert replay(told_lines[cut:], PROTOCOL, known=first) == whole


@settings(max_examples=40, deadline=None)
@given(stories=trials(4))
def test_entering_the_same_again_changes_nothing(stories):
    entries = lines(told_in_turn(stories))
    whole = replay(entries, PROTOCOL)
    twice = replay([*entries, *entries], PROTOCOL)
    assert twice == whole
    assert len(twice.trouble) >= sum(entry.kind not in ("target_assigned",) for entry in entries)
    events = [ev.read_event(one.kind, one.content) for one in entries if one.kind in ev.RECORDED]
    sifted = sift(events, PROTOCOL, whole)
    assert (sifted.new, sifted.problems, sifted.n_known) == ((), (), len(events))


@settings(max_examples=60, deadline=None)
@given(stories=trials(4), data=st.data())
def test_entries_in_any_order_never_break_the_replay(stories, data):
    entries = data.draw(st.permutations(lines(told_in_turn(stories))))
    state = replay(entries, PROTOCOL)
    for person in state.people.values():
        assert not person.sessions or person.allocated
        assert all(PROTOCOL.outcome(outcome) for _, outcome in person.ratings)
        days = [person.visits[visit.name] for visit in PROTOCOL.visits if visit.name in person.visits]
        assert days == sorted(days)


def test_events_are_written_as_they_are_read():
    story = enrolled()
    story.tell("adverse_event", 3, date=day(3), term="Headache", severity="mild", serious=False, related="possible")
    story.tell("deviation", 3, date=day(3), what="Late start", note="ten minutes")
    for kind, content, _ in story.told:
        event = ev.read_event(kind, content)
        if not event.open:
            assert ev.event_content(event) == content
        assert ev.read_event(kind, ev.event_content(event)) == event


def test_arms_are_known_only_once_they_are_revealed():
    entries = lines([*enrolled().told, *enrolled("P02").told])
    one = replace(entries[-1], kind="unblinded", content={"participant": "P01", "arm": "low", "reason": "seizure"})
    state = replay([*entries, one], PROTOCOL)
    assert (dict(state.arms), state.unblinded) == ({"P01": "low"}, False)
    assert state.people["P01"].unblinded is not None
    assert state.people["P02"].unblinded is None
    content = {"participant": "trial", "arms": {"P01": "low", "P02": "m1"}}
    state = replay([*entries, replace(one, content=content)], PROTOCOL)
    assert (dict(state.arms), state.unblinded) == ({"P01": "low", "P02": "m1"}, True)


# --- what is refused ---


def test_each_thing_that_cannot_be_is_one_clear_refusal():
    story = enrolled()
    story.tell("visit", 28, visit="w4", date=day(28))
    story.tell("rating", 28, visit="w4", outcome="pain", value=5)
    story.tell("session", 3, number=2, date=day(10), target="m1")
    state = told(story)
    cases = [
        ("screened", {"centre": "west", "factors": {"sex": "f"}}, "is a participant P01 already"),
        ("visit", {"visit": "w9", "date": day(30)}, "no visit is called 'w9'"),
        ("visit", {"visit": "w4", "date": day(30)}, "entered already"),
        ("visit", {"visit": "w8", "date": day(20)}, "visits out of order: w4 was on"),
        ("rating", {"visit": "w8", "outcome": "mood", "value": 5}, "no outcome is called 'mood'"),
        ("rating", {"visit": "w9", "outcome": "pain", "value": 5}, "no visit is called 'w9'"),
        ("rating", {"visit": "w8", "outcome": "pain", "value": 10.5}, "pain from 0 to 10, found 10.5"),
        ("rating", {"visit": "w8", "outcome": "pain", "value": -1}, "pain from 0 to 10"),
        ("rating", {"visit": "w8", "outcome": "pgic", "value": 2.5}, "whole number, found 2.5"),
        ("rating", {"visit": "base", "outcome": "pgic", "value": 2}, "pgic is not rated at base"),
        ("rating", {"visit": "base", "outcome": "local", "value": 0.1}, "measured before allocation"),
        ("rating", {"visit": "w4", "outcome": "pain", "value": 6}, "entered already (5)"),
        ("rating", {"visit": "w4", "outcome": "pain", "value": 5, "reason": "typo"}, "nothing is corrected"),
        ("rating", {"visit": "w8", "outcome": "pain", "value": float("nan")}, "finite number"),
        ("rating", {"visit": "w8", "outcome": "pain", "value": True}, "finite number"),
        ("rating", {"visit": "w8", "outcome": "pain", "value": "5"}, "finite number"),
        ("session", {"number": 2, "date": day(11), "target": "m1"}, "session 2 is entered already"),
        ("session", {"number": 1, "date": day(11), "target": "m1"}, "sessions out of order"),
        ("session", {"number": 3, "date": day(11), "target": "psi"}, "no candidate target is called 'psi'"),
        ("session", {"number": 0, "date": day(11), "target": "m1"}, "whole number from 1"),
        ("ineligible", {"reason": "x"}, "already allocated"),
        ("withdrawn", {"from": "life", "date": day(30), "reason": "x"}, "expected one of treatment, follow_up"),
        ("rescue", {"date": "2026-02-30", "what": "x"}, "date: day"),
        ("rescue", {"date": "30.1.2026", "what": "x"}, "YYYY-MM-DD"),
        ("rescue", {"date": day(30)}, "what is missing"),
        ("rescue", {"date": day(30), "what": "x", "arm": "low"}, "no field is called arm"),
        ("arm", {}, "no entry is of kind 'arm'"),
    ]
    for kind, content, expected in cases:
        assert expected in refused(state, kind, **content), (kind, content)


def test_what_comes_too_early_or_too_late_is_refused():
    state = replay([], PROTOCOL)
    assert "no participant is called P01" in refused(state, "rating", visit="base", outcome="pain", value=5)
    assert "no centre" in refused(state, "screened", centre="north", factors={"sex": "f"})
    assert "no level of sex" in refused(state, "screened", centre="east", factors={"sex": "x"})
    assert "no level is given for sex" in refused(state, "screened", centre="east", factors={})
    assert "no stratum" in refused(state, "screened", centre="east", factors={"sex": "f", "age": "old"})
    story = Story("P01")
    story.tell("screened", 0, centre="east", factors={"sex": "f"})
    state = told(story)
    assert "no consent" in refused(state, "rating", visit="base", outcome="pain", value=5)
    assert "no consent" in refused(state, "eligible")
    story.tell("consented", 0)
    state = told(story)
    assert "session before allocation" in refused(state, "session", number=1, date=day(1), target="m1")
    assert "not allocated" in refused(state, "rating", visit="w4", outcome="pain", value=5)
    assert "expected scores of acc, m1" in refused(
        state, "targets_frozen", candidates=[{"name": "m1", "xyz": [1, 2, 3], "score": 1}], digest="x"
    )
    story = enrolled()
    story.tell("withdrawn", 20, **{"from": "follow_up"}, date=day(20), reason="Moved away")
    state = told(story)
    assert f"withdrawn on {day(20)}" in refused(state, "rating", visit="w4", outcome="pain", value=5, date=day(28))
    assert f"withdrawn on {day(20)}" in refused(state, "rating", visit="w4", outcome="pain", value=5)
    assert not attempt(state, "rating", visit="w4", outcome="pain", value=5, date=day(19)).problems
    assert "already withdrawn" in refused(state, "withdrawn", **{"from": "treatment"}, date=day(21), reason="x")
    locked = replay(
        [*lines(story.told), replace(lines(story.told)[0], kind="data_locked", content={"digest": "0"})], PROTOCOL
    )
    assert "data are locked" in refused(locked, "rating", visit="w4", outcome="pain", value=5, date=day(19))
    harm = {"term": "Fall", "severity": "mild", "serious": False, "related": "unrelated"}
    assert not attempt(locked, "adverse_event", date=day(90), **harm).problems


def test_names_that_differ_in_case_only_are_one_participant():
    state = told(enrolled("P01"))
    event = ev.read_event("screened", {"participant": "p01", "centre": "east", "factors": {"sex": "f"}})
    assert "P01 already" in sift([event], PROTOCOL, state).problems[0][1].problem
    event = ev.read_event("consented", {"participant": "p01"})
    assert sift([event], PROTOCOL, state).problems[0][1].fix == "did you mean P01?"
    event = ev.read_event("screened", {"participant": "Trial", "centre": "east", "factors": {"sex": "f"}})
    assert "all participants" in sift([event], PROTOCOL, state).problems[0][1].problem


def test_who_stopped_treatment_is_rated_on():
    story = enrolled()
    story.tell("withdrawn", 20, **{"from": "treatment"}, date=day(20), reason="Headache")
    story.tell("rating", 28, visit="w4", outcome="pain", value=5)
    assert told(story).people["P01"].value("w4", "pain") == 5


def test_a_correction_needs_a_reason_and_keeps_both():
    story = enrolled()
    story.tell("rating", 28, visit="w4", outcome="pain", value=50 / 10)
    story.tell("rating", 29, visit="w4", outcome="pain", value=7, reason="read from the wrong line")
    person = told(story).people["P01"]
    assert person.value("w4", "pain") == 7
    assert [one.value for one in person.ratings["w4", "pain"]] == [5, 7]
    again = attempt(told(story), "rating", visit="w4", outcome="pain", value=5)
    assert (again.n_known, again.new, again.problems) == (1, (), ())


# --- queries ---


def asked(state, protocol=PROTOCOL, today=LATER):
    return {(one.participant, one.visit, one.what) for one in data_queries(state, protocol, today=today)}


def test_departures_are_asked_about_and_not_refused():
    story = enrolled()
    story.tell("session", 3, number=1, date=day(3), target="acc")
    story.tell("session", 4, number=2, date=day(4), target="m1")
    story.tell("session", 5, number=4, date=day(5), target="m1")
    story.tell("withdrawn", 4, **{"from": "treatment"}, date=day(4), reason="x")
    story.tell("visit", 34, visit="w4", date=day(34))
    story.tell("visit", 62, visit="w8", date=day(62))
    story.tell("rating", 62, visit="w8", outcome="pain", value=5)
    state = told(story)
    found = data_queries(state, PROTOCOL, today=LATER)
    kinds = [(one.visit, one.what) for one in found]
    assert ("w4", "window") in kinds
    assert ("w8", "window") not in kinds, "6 days of 7"
    assert ("session 1", "target") in kinds
    assert ("session 2", "target") not in kinds
    assert kinds.count(("session 4", "session")) == 2, "more than planned, and after treatment was stopped"
    shown = [one for one in found if not one.shows_target]
    assert not any("acc" in one.why or "m1" in one.why for one in shown)


def test_missing_late_corrected_future_and_jumps():
    story = enrolled(pain=9)
    story.tell("visit", 28, visit="w4", date=day(28))
    story.tell("rating", 40, visit="w4", outcome="pain", value=3)
    state = told(story)
    found = asked(state)
    assert {("P01", "w4", "late"), ("P01", "w4", "jump"), ("P01", "w4", "missing"), ("P01", "w8", "missing")} <= found
    assert ("P01", "base", "missing") in found, "the biomarker"
    assert ("P01", "w8", "missing") not in asked(state, today=START + timedelta(days=63)), "its window is open"
    assert ("P01", "w8", "missing") in asked(state, today=START + timedelta(days=64))
    assert ("P01", "w4", "future") in asked(state, today=START + timedelta(days=27))
    story.tell("withdrawn", 41, **{"from": "follow_up"}, date=day(41), reason="x")
    assert ("P01", "w8", "missing") not in asked(told(story))
    story = enrolled()
    story.tell("rating", 28, visit="w4", outcome="pain", value=5)
    story.tell("rating", 29, visit="w4", outcome="pain", value=6, reason="misread")
    assert ("P01", "w4", "corrected") in asked(told(story))
    story.tell("rating", 29, visit="base", outcome="pain", value=7, reason="misread")
    assert ("P01", "base", "baseline") in asked(told(story))


def many(values, protocol, raters):
    """One participant for each row of values over the visits base, w4 and w8, each by its rater."""
    entries = []
    for index, (row, rater) in enumerate(zip(values, raters, strict=True)):
        story = enrolled(f"P{index:03d}", pain=float(row[0]))
        for visit, value in zip(("w4", "w8"), row[1:], strict=True):
            story.tell("rating", 30, visit=visit, outcome="pain", value=float(value))
        entries += [replace(one, actor=rater) for one in lines(story.told)]
    return replay(entries, protocol)


def test_digits_identical_series_and_raters_are_noticed_and_honest_ones_are_not():
    visits = tuple(replace(one, name=name) for one, name in zip(PROTOCOL.visits, ("base", "w4", "w8"), strict=True))
    protocol = replace(PROTOCOL, visits=visits)
    rng = np.random.default_rng(7)
    honest = np.round(np.clip(rng.normal(5, 1.5, (60, 3)), 0, 10), 1)
    raters = ["ann", "bob", "eve"] * 20
    quiet = {"digits", "rater", "constant", "identical"}
    assert not quiet & {what for _, _, what in asked(many(honest, protocol, raters), protocol)}
    heaped = np.round(honest * 2) / 2 + np.array([[0.0, 0.1, 0.0]])
    assert "digits" in {what for _, _, what in asked(many(np.clip(heaped, 0, 10), protocol, raters), protocol)}
    shifted = honest.copy()
    shifted[1::3] = np.clip(shifted[1::3] + 3, 0, 10)
    found = [one for one in data_queries(many(shifted, protocol, raters), protocol, today=LATER) if one.what == "rater"]
    assert any(one.why.startswith("bob:") for one in found)
    narrow = honest.copy()
    narrow[2::3] = np.round(5 + (narrow[2::3] - 5) / 20, 1)
    found = [one for one in data_queries(many(narrow, protocol, raters), protocol, today=LATER) if one.what == "rater"]
    assert any(one.why.startswith("eve:") and "SD" in one.why for one in found)


def test_series_of_four_visits_that_repeat():
    from actionloop.types import Visit

    protocol = replace(PROTOCOL, visits=(*PROTOCOL.visits, Visit("w12", 12)))
    entries = []
    for name, values in (("P01", (6, 5, 4, 3)), ("P02", (6, 5, 4, 3)), ("P03", (6, 6, 6, 6)), ("P04", (6, 5, 4, 2))):
        story = enrolled(name, pain=values[0])
        for visit, value in zip(("w4", "w8", "w12"), values[1:], strict=True):
            story.tell("rating", 30, visit=visit, outcome="pain", value=value)
        entries += lines(story.told)
    found = asked(replay(entries, protocol), protocol)
    assert {("P02", "", "identical"), ("P03", "", "constant")} <= found
    assert not {("P04", "", "identical"), ("P01", "", "identical"), ("P01", "", "constant")} & found


def test_a_rater_who_sees_people_late_is_not_taken_for_one_who_rates_low():
    entries, rng = [], np.random.default_rng(3)
    for index in range(40):
        story = enrolled(f"P{index:03d}", pain=float(np.round(rng.normal(7, 0.8), 1)))
        early = [replace(one, actor="ann") for one in lines(story.told)]
        story.told.clear()
        for visit in ("w4", "w8"):
            value = float(np.round(rng.normal(3, 0.8), 1))
            story.tell("rating", 30, visit=visit, outcome="pain", value=value)
        entries += [*early, *(replace(one, actor="rita") for one in lines(story.told))]
    assert "rater" not in {what for _, _, what in asked(replay(entries, PROTOCOL))}


def test_resolution():
    assert resolution([1, 2, 10]) == 1
    assert resolution([1.5, 2]) == 0.1
    assert resolution([0.25]) == 0.01
    assert resolution([np.pi]) is None
    assert resolution([]) is None


# --- arrays ---


def test_arrays_hold_what_the_log_says():
    a, b = enrolled("B", pain=8, sex="m"), enrolled("A", pain=6)
    a.tell("rescue", 30, date=day(30), what="Opioid")
    a.tell("rating", 28, visit="w4", outcome="pain", value=5)
    a.tell("rating", 56, visit="w8", outcome="pain", value=4)
    b.tell("rating", 56, visit="w8", outcome="pain", value=3)
    b.tell("rating", 57, visit="w8", outcome="pain", value=2, reason="misread")
    screened = Story("C")
    screened.tell("screened", 0, centre="west", factors={"sex": "f"})
    data = trial_data(told(a, b, screened), PROTOCOL, "pain", {"A": "low", "B": "m1"})
    assert data.participants == ("A", "B")
    assert (data.arms, data.arm.tolist()) == (("m1", "low"), [1, 0])
    assert (data.visits, data.weeks.tolist()) == (("w4", "w8"), [4, 8])
    assert data.baseline.tolist() == [6, 8]
    np.testing.assert_array_equal(data.value, [[np.nan, 2], [5, 4]])
    assert data.stopped.tolist() == [[False, False], [False, True]]
    assert data.factors["sex"].tolist() == ["f", "m"]
    assert data.factors["centre"].tolist() == ["east", "east"]
    assert np.isnan(data.markers["local"]).all()
    codes = trial_data(told(a, b), PROTOCOL, "pain", {"A": "arm_2", "B": "arm_1"})
    assert codes.arms == ("arm_1", "arm_2")
    impression = trial_data(told(a, b), PROTOCOL, "pgic", {"A": "low", "B": "m1"})
    assert impression.visits == ("w4", "w8")
    assert np.isnan(impression.baseline).all()
    with pytest.raises(InputError, match="no arm is given for 1 of 2: B"):
        trial_data(told(a, b), PROTOCOL, "pain", {"A": "low"})
    with pytest.raises(InputError, match="mixed"):
        trial_data(told(a, b), PROTOCOL, "pain", {"A": "low", "B": "arm_1"})
    with pytest.raises(OptionError, match="no outcome after allocation"):
        trial_data(told(a, b), PROTOCOL, "local", {"A": "low", "B": "m1"})
    empty = trial_data(told(), PROTOCOL, "pain", {})
    assert empty.value.shape == (0, 2)


def test_a_visit_is_due_as_many_weeks_after_the_first():
    person = told(enrolled()).people["P01"]
    assert planned_day(person, PROTOCOL, "w8") == START + timedelta(weeks=8)
    assert planned_day(replace(person, visits={}), PROTOCOL, "w4") == date(2026, 1, 6) + timedelta(weeks=4)
    assert planned_day(replace(person, visits={}, allocated=None), PROTOCOL, "w4") is None


# --- the journal and tables ---


@pytest.fixture
def journal(tmp_path):
    with Journal.create(tmp_path / "journal.sqlite", clock=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)) as opened:
        yield opened


def table(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


PEOPLE = "participant,centre,sex,date\nP01,east,f,2026-01-05\nP02,west,m,2026-01-06\n"


def test_tables_are_entered_whole_and_again_without_effect(tmp_path, journal):
    def enter(text, kind, role="coordinator"):
        return import_table(journal, PROTOCOL, table(tmp_path, text), table=kind, actor="ann", role=role)

    done = enter(PEOPLE, "participants")
    assert [one.content["participant"] for one in done.entries] == ["P01", "P02"]
    assert done.entries[0].content["factors"] == {"sex": "f"}
    again = enter(PEOPLE + "P03,west,m,\n", "participants")
    assert (len(again.entries), again.n_known) == (1, 2)
    enter("\ufeffparticipant;date\r\nP01;2026-01-05\r\n\r\nP02;\r\n", "consents")
    ratings = (
        "participant\tvisit\toutcome\tvalue\nP01\tbase\tpain\t6.5\nP02\tbase\tpain\tn/a\nP01\tbase\tlocal\t-1e-1\n"
    )
    done = enter(ratings, "ratings", "rater")
    assert (len(done.entries), done.n_empty) == (2, 1)
    assert len(enter(ratings, "ratings", "rater").entries) == 0
    targets = "participant,name,x,y,z,score\nP01,m1,-40,-20,55,.3\nP01,acc,0,20,30,0.25\n"
    assert len(enter(targets, "targets").entries) == 1
    assert enter(targets, "targets").n_known == 1
    state = replay(journal.entries(), PROTOCOL)
    assert not state.trouble
    assert state.people["P01"].value("base", "pain") == 6.5
    assert [one.score for one in state.people["P01"].candidates] == [0.3, 0.25]
    assert not verify(journal.path)


def test_one_wrong_row_stops_all_and_every_problem_is_told(tmp_path, journal):
    import_table(journal, PROTOCOL, table(tmp_path, PEOPLE), table="participants", actor="ann", role="coordinator")
    import_table(
        journal, PROTOCOL, table(tmp_path, "participant\nP01\nP02\n"), table="consents", actor="ann", role="coordinator"
    )
    before = len(journal.entries())
    text = (
        "participant,visit,outcome,value\nP01,base,pain,6\nP01,base,pain,7\nP09,base,pain,6\nP02,base,pain,11\n"
        'P02,base,mood,1\nP02,base,pain,"6,5"\nP02,base,pain\nP02,w4,pain,3\n'
    )
    with pytest.raises(InputError) as caught:
        import_table(journal, PROTOCOL, table(tmp_path, text), table="ratings", actor="eve", role="rater")
    problem = caught.value.problem
    assert problem.startswith("7 rows cannot be entered")
    for number, word in enumerate(("already (6)", "P09", "found 11", "mood", "'6,5'", "3 cells", "not allocated"), 3):
        assert f"line {number}:" in problem
        assert word in problem
    assert len(journal.entries()) == before


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("", "ratings", "empty"),
        ("participant,visit,outcome\nP01,base,pain\n", "ratings", "no column is called 'value'"),
        ("participant,visit,outcome,value,arm\n", "ratings", "columns that are not read: 'arm'"),
        ("participant,visit,outcome,value,value\n", "ratings", "two columns: 'value'"),
        ('participant,visit,outcome,value\n"P01,base,pain,3\n', "ratings", "line 2"),
        ("participant,name,x,y,z,score\nP01,m1,1,2,inf,1\n", "targets", "z: expected a number, found 'inf'"),
        ("participant,centre,sex\nP01,north,f\n", "participants", "no centre is called 'north'"),
        ("participant,centre\nP01,east\n", "participants", "no column is called 'sex'"),
        ("participant,centre,sex\nP01,east,f\nP01,east,f\n", "participants", "line 3: the same stands in line 2"),
        ("participant,centre,sex\nP01,east,f\nP01,west,f\n", "participants", "line 3: there is a participant P01"),
        ("participant,visit,outcome,value\n\0,base,pain,3\n", "ratings", "no text"),
    ],
)
def test_tables_that_cannot_be_read_are_one_clear_error(tmp_path, journal, text, kind, told):
    with pytest.raises(InputError) as caught:
        import_table(journal, PROTOCOL, table(tmp_path, text), table=kind, actor="ann", role="coordinator")
    assert told in caught.value.problem
    assert journal.entries() == ()


def test_tables_know_their_columns_and_roles(tmp_path, journal):
    assert table_columns("ratings", PROTOCOL) == (("participant", "visit", "outcome", "value"), ("date", "reason"))
    assert table_columns("participants", PROTOCOL) == (("participant", "centre", "sex"), ("date",))
    assert table_columns("withdrawals", PROTOCOL) == (("participant", "from", "date", "reason"), ())
    assert set(TABLES.values()) == set(ev.RECORDED)
    with pytest.raises(OptionError, match="no table is called 'arms'"):
        table_columns("arms", PROTOCOL)
    path = table(tmp_path, "participant,number,date,target\n")
    with pytest.raises(OptionError, match="rater does not write 'session'"):
        import_table(journal, PROTOCOL, path, table="sessions", actor="eve", role="rater")
    with pytest.raises(InputError, match="cannot be read"):
        import_table(journal, PROTOCOL, tmp_path / "no.csv", table="sessions", actor="eve", role="operator")
    (tmp_path / "latin.csv").write_bytes("participant,reason\nP01,Schläge\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        import_table(journal, PROTOCOL, tmp_path / "latin.csv", table="ineligible", actor="a", role="coordinator")


def test_recording_is_all_or_nothing_and_leaves_allocation_alone(journal):
    screened = ev.read_event("screened", {"participant": "P01", "centre": "east", "factors": {"sex": "f"}})
    consent = ev.read_event("consented", {"participant": "P01"})
    stranger = ev.read_event("consented", {"participant": "P02"})
    other = ev.read_event("consented", {"participant": "P03"})
    with pytest.raises(InputError, match="2 entries cannot be made"):
        record(journal, PROTOCOL, [screened, consent, stranger, other], actor="ann", role="coordinator")
    assert journal.entries() == ()
    assert len(record(journal, PROTOCOL, [screened, consent], actor="ann", role="coordinator")) == 2
    assert record(journal, PROTOCOL, [screened, consent], actor="ann", role="coordinator") == ()
    candidates = (Candidate("m1", (1.0, 2.0, 3.0), 0.5), Candidate("acc", (0.0, 2.0, 3.0), 0.1))
    frozen = freeze_targets("P01", candidates)
    with pytest.raises(InputError, match="digest is not that"):
        record(journal, PROTOCOL, [replace(frozen, digest="0" * 64)], actor="ann", role="coordinator")
    assert len(record(journal, PROTOCOL, [frozen], actor="ann", role="coordinator")) == 1
    drawn = ev.read_event("allocated", {"participant": "P01"})
    with pytest.raises(InputError, match="by allocation alone"):
        record(journal, PROTOCOL, [drawn], actor="ann", role="coordinator")
    with pytest.raises(OptionError, match="rater does not write 'consented'"):
        record(journal, PROTOCOL, [consent], actor="eve", role="rater")


def test_conduct_and_allocation_read_the_same_log(tmp_path, journal):
    """What conduct enters is what allocation asks for, and what allocation enters is read back."""
    from actionloop.trial.allocation import allocate, commit_secret
    from actionloop.trial.digest import protocol_digest
    from actionloop.trial.secrecy import create_secret
    from actionloop.trial.unblinding import open_arms, unblind

    secret = create_secret(tmp_path / "allocator")
    commit_secret(journal, secret, actor="alma")
    content = {"digest": protocol_digest(PROTOCOL), "protocol": {}}
    journal.append("protocol_locked", content, actor="ann", role="coordinator")
    for index in range(4):
        name = f"P{index:02d}"
        story = Story(name)
        enrol(story, pain=5 + index)
        told = [ev.read_event(kind, content) for kind, content, _ in story.told if kind in ev.RECORDED]
        told = [freeze_targets(name, one.candidates) if isinstance(one, ev.TargetsFrozen) else one for one in told]
        record(journal, PROTOCOL, told, actor="ann", role="coordinator")
        assigned = allocate(journal, secret, protocol=PROTOCOL, participant=name, actor="alma")
        state = replay(journal.entries(), PROTOCOL)
        assert not state.trouble
        assert state.people[name].target == assigned.target
        assert not state.arms
    arms = open_arms(journal.study, journal.entries(), secret, protocol=PROTOCOL)
    data = trial_data(state, PROTOCOL, "pain", arms)
    assert sorted(data.arm.tolist()) == [0, 0, 1, 1]
    unblind(journal, secret, protocol=PROTOCOL, participant="P00", reason="a seizure at home", actor="alma")
    state = replay(journal.entries(), PROTOCOL)
    assert dict(state.arms) == {"P00": arms["P00"]}
    assert not state.unblinded
    journal.append("data_locked", {"digest": "0"}, actor="ann", role="coordinator")
    unblind(journal, secret, protocol=PROTOCOL, participant="trial", reason="the trial is over", actor="alma")
    state = replay(journal.entries(), PROTOCOL)
    assert (dict(state.arms), state.unblinded) == (arms, True)


def test_a_large_log_is_replayed_in_time():
    import time

    stories = []
    for index in range(300):
        story = enrolled(f"P{index:03d}")
        for number in range(1, 4):
            story.tell("session", number + 2, number=number, date=day(number + 2), target="m1")
        for visit, week in (("w4", 4), ("w8", 8)):
            story.tell("visit", 7 * week, visit=visit, date=day(7 * week))
            story.tell("rating", 7 * week, visit=visit, outcome="pain", value=4)
        stories.append(story)
    entries = lines(told_in_turn(stories))
    start = time.process_time()
    state = replay(entries, PROTOCOL)
    assert time.process_time() - start < 5
    assert len(state.allocated()) == 300


def test_an_outcome_in_tenths_is_not_taken_for_whole():
    assert isinstance(PROTOCOL.outcome("pain"), TrialOutcome)
    state = told(enrolled())
    assert not attempt(state, "rating", visit="w4", outcome="pain", value=3.7).problems
