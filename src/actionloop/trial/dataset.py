"""The log as arrays: one outcome of everybody who was allocated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from actionloop.errors import InputError, OptionError
from actionloop.trial.people import Person, TrialState
from actionloop.trial.schedule import require_known_events, stopped_day, visit_day
from actionloop.types import FloatArray, TrialData, TrialProtocol


def trial_data(state: TrialState, protocol: TrialProtocol, outcome: str, arms: Mapping[str, str]) -> TrialData:
    """Return what an analysis reads, in order of the participants' names.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    outcome : str
        Rated after allocation.
    arms : mapping of str to str
        Arm, or blinded code, of everybody who was allocated. With the protocol's arms the control comes first; codes
        are sorted, and the first of them is no control.

    Returns
    -------
    TrialData
        Ratings that were corrected count as corrected. `stopped` is True from the first visit on a later day than an
        intercurrent event that the estimand counts as non-response.

    Raises
    ------
    InputError
        Somebody has no arm.
    OptionError
        No such outcome, or one that is measured before allocation only.
    """
    known = [one.name for one in protocol.outcomes if one.kind != "biomarker"]
    if outcome not in known:
        raise OptionError(f"no outcome after allocation is called {outcome!r}", fix=f"choose from {', '.join(known)}")
    require_known_events(protocol)
    people = state.allocated()
    without = [person.name for person in people if person.name not in arms]
    if without:
        raise InputError(f"no arm is given for {len(without)} of {len(people)}: {', '.join(without[:5])}")
    names = arm_order(protocol, [arms[person.name] for person in people])
    first = protocol.visits[0].name
    visits = [visit for visit in protocol.rated(outcome) if visit.name != first]
    markers = {one.name: protocol.rated(one.name)[0].name for one in protocol.outcomes if one.kind == "biomarker"}
    return TrialData(
        participants=tuple(person.name for person in people),
        arms=names,
        arm=np.array([names.index(arms[person.name]) for person in people], dtype=np.int64),
        visits=tuple(visit.name for visit in visits),
        weeks=np.array([visit.week for visit in visits], dtype=float),
        baseline=_values(people, [first], outcome)[:, 0],
        value=_values(people, [visit.name for visit in visits], outcome),
        stopped=np.array(
            [[_is_stopped(person, protocol, visit.name) for visit in visits] for person in people], dtype=bool
        ).reshape(len(people), len(visits)),
        factors={one.name: np.array([p.factors[one.name] for p in people], dtype=str) for one in protocol.strata},
        markers={name: _values(people, [visit], name)[:, 0] for name, visit in markers.items()},
    )


def arm_order(protocol: TrialProtocol, given: list[str]) -> tuple[str, ...]:
    """Return arms in the order of analysis: the control, then the protocol's others; or sorted codes."""
    if set(given) <= set(protocol.arm_names):
        return (protocol.control, *(name for name in protocol.arm_names if name != protocol.control))
    mixed = sorted(set(given) & set(protocol.arm_names))
    if mixed:
        raise InputError(f"arms and blinded codes are mixed: {', '.join(sorted(set(given))[:6])}")
    return tuple(sorted(set(given)))


def _values(people: tuple[Person, ...], visits: list[str], outcome: str) -> FloatArray:
    rated = [[person.value(visit, outcome) for visit in visits] for person in people]
    table = np.array([[np.nan if one is None else one for one in row] for row in rated], dtype=float)
    return table.reshape(len(people), len(visits))


def _is_stopped(person: Person, protocol: TrialProtocol, visit: str) -> bool:
    stopped, day = stopped_day(person, protocol), visit_day(person, protocol, visit)
    return stopped is not None and day is not None and stopped < day
