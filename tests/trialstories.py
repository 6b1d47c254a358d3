"""Participants whose whole course is known, and the journal entries that tell it."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from hypothesis import strategies as st

from actionloop.types import (
    Analysis,
    Arm,
    Estimand,
    Intercurrent,
    Stratum,
    TrialOutcome,
    TrialProtocol,
    Visit,
)

START = date(2026, 1, 5)
UTC = timezone.utc  # noqa: UP017


def small_protocol(**changes):
    given = {
        "title": "A small trial",
        "arms": (Arm("m1", "Classic M1", "fixed", "m1"), Arm("low", "Lowest", "lowest")),
        "control": "m1",
        "candidates": ("m1", "acc"),
        "centres": ("east", "west"),
        "sample_size": 40,
        "sessions": 3,
        "visits": (Visit("base", 0), Visit("w4", 4, 4), Visit("w8", 8)),
        "outcomes": (
            TrialOutcome("pain", "Pain", "scale", 0, 10),
            TrialOutcome("pgic", "Impression", "ordinal", 1, 7, visits=("w4", "w8")),
            TrialOutcome("local", "Local", "biomarker", -1, 1, visits=("base",)),
        ),
        "estimand": Estimand(
            "All",
            "Difference",
            (
                Intercurrent("rescue", "Rescue", responder="non_response"),
                Intercurrent("discontinuation", "Stopped", responder="non_response"),
            ),
        ),
        "analyses": (
            Analysis("resp", "responder", "primary", "pain", "w8", (("low", "m1"),), 0.3, missing="non_response"),
            Analysis("change", "mmrm", "secondary", "pain", "w8", (("low", "m1"),)),
            Analysis("week8", "ancova", "sensitivity", "pain", "w8", (("low", "m1"),)),
        ),
        "strata": (Stratum("centre", ("east", "west")), Stratum("sex", ("f", "m"))),
    }
    allocation = changes.pop("allocation", None)
    from actionloop.types import Allocation

    return TrialProtocol(**{**given, "allocation": allocation or Allocation(block_sizes=(2, 4)), **changes})


@dataclass(frozen=True)
class Line:
    """An entry of a journal, as far as replay reads it."""

    number: int
    time: str
    actor: str
    role: str
    kind: str
    content: dict


@dataclass
class Story:
    """What is true of one participant; `told` are the (kind, content, day) of the entries."""

    name: str
    excluded: str | None = None
    allocated: bool = False
    sessions: int = 0
    lost: str | None = None
    stopped: str | None = None
    rated: set = field(default_factory=set)
    told: list = field(default_factory=list)

    def tell(self, kind, day, **content):
        self.told.append((kind, {"participant": self.name, **content}, day))


def day(offset):
    return (START + timedelta(days=offset)).isoformat()


def enrol(story, *, centre="east", sex="f", pain=6.0):
    """Tell the way to allocation."""
    story.tell("screened", 0, centre=centre, factors={"sex": sex})
    story.tell("consented", 0)
    story.tell("visit", 0, visit="base", date=day(0))
    story.tell("rating", 0, visit="base", outcome="pain", value=pain)
    story.rated.add(("base", "pain"))
    candidates = [{"name": "m1", "xyz": [1, 2, 3], "score": 0.5}, {"name": "acc", "xyz": [0, 2, 3], "score": 0.1}]
    story.tell("targets_frozen", 1, candidates=candidates, digest="x")
    story.tell("eligible", 1)
    story.tell("allocated", 1, stratum="all", number=1, seal="0")
    story.tell("target_assigned", 1, target="m1", candidate="0")
    story.allocated = True


REASONS = ("Moved away", "Headache", "No time")


@st.composite
def stories(draw, name):
    """Draw one participant's course through the small protocol."""
    story = Story(name)
    fate = draw(st.sampled_from(("screened", "ineligible", "withdrawn", "allocated", "allocated", "allocated")))
    if fate != "allocated":
        story.tell("screened", 0, centre="west", factors={"sex": "m"})
        if fate == "ineligible":
            story.excluded = draw(st.sampled_from(REASONS))
            story.tell("ineligible", 1, reason=story.excluded)
        if fate == "withdrawn":
            reason = draw(st.sampled_from(REASONS))
            story.excluded = f"Withdrew: {reason}"
            story.tell("withdrawn", 1, **{"from": "treatment"}, date=day(1), reason=reason)
        return story
    enrol(story, centre=draw(st.sampled_from(("east", "west"))), sex=draw(st.sampled_from("fm")))
    story.sessions = draw(st.integers(0, 3))
    for number in range(1, story.sessions + 1):
        target = draw(st.sampled_from(("m1", "m1", "acc")))
        story.tell("session", number + 2, number=number, date=day(number + 2), target=target)
    if draw(st.booleans()):
        story.tell("rescue", 9, date=day(9), what="Opioid")
    if draw(st.booleans()):
        story.stopped = draw(st.sampled_from(REASONS))
        story.tell("withdrawn", 10, **{"from": "treatment"}, date=day(10), reason=story.stopped)
    for visit, week in (("w4", 4), ("w8", 8)):
        if story.lost is None and draw(st.integers(0, 3)) == 0:
            story.lost, story.stopped = draw(st.sampled_from(REASONS)), None
            at = 7 * week - 3
            story.tell("withdrawn", at, **{"from": "follow_up"}, date=day(at), reason=story.lost)
        if story.lost is None and draw(st.booleans()):
            value = draw(st.integers(0, 10))
            story.tell("visit", 7 * week, visit=visit, date=day(7 * week))
            story.tell("rating", 7 * week, visit=visit, outcome="pain", value=value)
            story.rated.add((visit, "pain"))
    return story


@st.composite
def trials(draw, most=6):
    n = draw(st.integers(0, most))
    return [draw(stories(f"P{index:02d}")) for index in range(n)]


def line(number, told, *, actor="ann", role="rater"):
    kind, content, at = told
    moment = datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(days=at)
    return Line(number, moment.isoformat(), actor, role, kind, content)


def lines(told):
    return [line(number, one) for number, one in enumerate(told, 1)]


def told_in_turn(told_stories):
    return [one for story in told_stories for one in story.told]
