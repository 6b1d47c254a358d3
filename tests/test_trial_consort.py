"""The flow diagram's counts, table 1 and the picture."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trialstories import Story, day, enrol, lines, small_protocol, told_in_turn, trials

from actionloop.errors import InputError, OptionError
from actionloop.figures.trialflow import flow_diagram
from actionloop.trial.baseline import baseline_table
from actionloop.trial.conduct import replay
from actionloop.trial.consort import TOGETHER, count_flow, tally
from actionloop.types import FlowArm, TrialFlow

PROTOCOL = small_protocol()


def state_of(stories, *more):
    state = replay([*lines(told_in_turn(stories)), *more], PROTOCOL)
    assert not state.trouble
    return state


def lock(state):
    return replace(state, data_locked=True)


@settings(max_examples=80, deadline=None)
@given(stories=trials(8), locked=st.booleans(), data=st.data())
def test_counts_add_up_and_equal_a_recount_of_the_courses(stories, locked, data):
    state = lock(state_of(stories)) if locked else state_of(stories)
    allocated = [story for story in stories if story.allocated]
    arms = {story.name: data.draw(st.sampled_from(("m1", "low"))) for story in allocated}
    analysis = data.draw(st.sampled_from(("resp", "change", "week8")))
    for given_arms in (None, arms):
        flow = count_flow(state, PROTOCOL, arms=given_arms, analysis=analysis)
        assert flow.assessed == len(stories)
        assert flow.randomised == len(allocated)
        assert flow.excluded == tally(story.excluded for story in stories if story.excluded)
        assert flow.assessed == flow.randomised + flow.undecided + sum(flow.excluded.values())
        assert sum(arm.allocated for arm in flow.arms) == flow.randomised
        for arm in flow.arms:
            assert arm.allocated == arm.received + sum(arm.not_received.values())
            assert arm.allocated == arm.analysed + arm.following + sum(arm.not_analysed.values())
    labels = {"m1": "Classic M1", "low": "Lowest"}
    for name, arm in zip(("m1", "low"), flow.arms, strict=True):
        members = [story for story in allocated if arms[story.name] == name]
        assert arm.label == labels[name]
        assert arm.received == sum(story.sessions > 0 for story in members)
        assert sum(arm.lost.values()) == sum(story.lost is not None for story in members)
        assert arm.discontinued == tally(story.stopped for story in members if story.stopped)
        rated = [("w8", "pain") in story.rated for story in members]
        any_rated = [bool(story.rated & {("w4", "pain"), ("w8", "pain")}) for story in members]
        settled = [locked or here or story.lost is not None for here, story in zip(rated, members, strict=True)]
        counted = {"resp": [True] * len(members), "change": any_rated, "week8": rated}[analysis]
        assert arm.following == len(members) - sum(settled)
        assert arm.analysed == sum(a and b for a, b in zip(settled, counted, strict=True))


def test_arms_stay_together_until_they_are_known():
    story = Story("P01")
    enrol(story)
    state = state_of([story])
    flow = count_flow(state, PROTOCOL)
    assert [arm.label for arm in flow.arms] == [TOGETHER]
    coded = count_flow(state, PROTOCOL, arms={"P01": "arm_2"})
    assert [arm.label for arm in coded.arms] == ["Group arm_2"]
    one = replace(lines(story.told)[-1], kind="unblinded", content={"participant": "P01", "arm": "low"})
    assert [arm.label for arm in count_flow(state_of([story], one), PROTOCOL).arms] == [TOGETHER]
    end = replace(one, content={"participant": "trial", "arms": {"P01": "low"}})
    flow = count_flow(state_of([story], end), PROTOCOL)
    assert [(arm.label, arm.allocated) for arm in flow.arms] == [("Classic M1", 0), ("Lowest", 1)]
    with pytest.raises(InputError, match="no arm is given for 1 of 1: P01"):
        count_flow(state, PROTOCOL, arms={})
    with pytest.raises(OptionError, match="no analysis is called 'other'"):
        count_flow(state, PROTOCOL, analysis="other")


def test_one_reason_written_in_two_ways_is_one_reason():
    assert tally(["Moved away", "moved  AWAY", "Headache"]) == {"Moved away": 2, "Headache": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"assessed": 11},
        {"randomised": 5},
        {"undecided": -1},
        {"excluded": {"a": 3}},
        {"arms": ()},
    ],
)
def test_numbers_that_do_not_add_up_are_refused(change):
    arm = FlowArm("A", 6, 6, 6)
    good = {"assessed": 10, "excluded": {"a": 2}, "undecided": 2, "randomised": 6, "arms": (arm,), "analysis": "x"}
    TrialFlow(**good)
    with pytest.raises(InputError, match="does not add up"):
        TrialFlow(**{**good, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"received": 5},
        {"analysed": 5},
        {"following": 1},
        {"lost": {"a": 7}},
        {"not_received": {"a": -1}, "received": 7},
    ],
)
def test_an_arm_that_does_not_add_up_is_refused(change):
    with pytest.raises(InputError):
        FlowArm(**{"label": "A", "allocated": 6, "received": 6, "analysed": 6, **change})


def test_table_1_equals_numbers_counted_by_hand():
    stories, pains = [], (4.0, 6.0, 8.0, 5.0)
    for index, pain in enumerate(pains):
        story = Story(f"P{index}")
        enrol(story, centre=("east", "west")[index % 2], sex="ffmf"[index], pain=pain)
        stories.append(story)
    state = state_of(stories)
    table = baseline_table(state, PROTOCOL, arms={"P0": "m1", "P1": "m1", "P2": "low", "P3": "low"})
    assert (table.columns, table.n) == (("Classic M1", "Lowest", "All"), (2, 2, 4))
    rows = {(row.label, row.summary): row.cells for row in table.rows}
    assert rows["Pain", "mean (SD)"] == (
        "5.00 (1.41)",
        "6.50 (2.12)",
        f"5.75 ({np.std(pains, ddof=1):.2f})",
    )
    assert rows["Pain", "median [quartiles]"][2] == "5.50 [4.75, 6.50]"
    assert rows["sex: f", "n (%)"] == ("2 (100 %)", "1 (50 %)", "3 (75 %)")
    assert rows["Centre: west", "n (%)"] == ("1 (50 %)", "1 (50 %)", "2 (50 %)")
    assert rows["Local: missing", "n"] == ("2", "2", "4")
    assert rows["Local", "mean (SD)"] == ("-", "-", "-")
    assert "No p values" in table.note
    assert not any("p =" in cell for row in table.rows for cell in row.cells)
    assert baseline_table(state, PROTOCOL).columns == (TOGETHER,)
    assert baseline_table(state_of([]), PROTOCOL).n == (0,)
    with pytest.raises(InputError, match="no arm is given"):
        baseline_table(state, PROTOCOL, arms={"P0": "m1"})


def drawn(n_arms):
    arm = FlowArm("An arm with quite a long name for one column", 10, 9, 8, 0, {"Moved": 1}, {"Moved": 1}, {}, {"x": 2})
    return TrialFlow(10 * n_arms + 3, {"Declined": 3}, 0, 10 * n_arms, (arm,) * n_arms, "responders")


@pytest.mark.parametrize("n_arms", [1, 2, 3, 5])
def test_the_diagram_is_drawn_alike_each_time_and_holds_all_boxes(n_arms):
    flow = drawn(n_arms)
    picture = flow_diagram(flow, title="T$_x$ <trial>")
    assert picture.startswith(b"\x89PNG")
    assert picture == flow_diagram(flow, title="T$_x$ <trial>")
    drawing = flow_diagram(flow, form="svg")
    assert drawing == flow_diagram(flow, form="svg")
    assert b"<svg" in drawing
    assert drawing.count(b"<path") > 3 * n_arms


def test_boxes_do_not_overlap_and_their_text_fits():
    from actionloop.figures import trialflow

    reasons = {f"A reason with a number of words in it, the {index}th of them all": 1 for index in range(9)}
    arm = FlowArm("Site of highest connectivity", 20, 11, 20, 0, reasons, reasons, {"Headache": 2}, {})
    flow = TrialFlow(80, {"Declined": 20}, 0, 60, (arm,) * 3, "responders")
    boxes, stages = trialflow._arranged(flow, 2000.0, 40.0, 620)
    flat = [box for row in boxes for box in row]
    for index, one in enumerate(flat):
        assert max(map(len, one.lines)) * trialflow._CHARACTER < one.width + 40
        for other in flat[index + 1 :]:
            apart = one.bottom <= other.top or other.bottom <= one.top
            apart |= one.left + one.width <= other.left or other.left + other.width <= one.left
            assert apart
    assert all(a[1] < b[0] for a, b in pairwise(stages))
    told = sum(line.strip().startswith("•") for line in boxes[2][0].lines)
    assert told == trialflow._MOST_REASONS
    assert day(0) == "2026-01-05"
