"""The log as arrays: one outcome of everybody who was allocated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from actionloop.errors import InputError, OptionError
from actionloop.trial.people import TrialState
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
    people = {person.name: person for person in state.allocated()}
    stopped = {name: stopped_day(person, protocol) for name, person in people.items()}

    def is_stopped(name: str, visit: str) -> bool:
        since, day = stopped[name], visit_day(people[name], protocol, visit)
        return since is not None and day is not None and since < day

    return outcome_data(
        protocol,
        outcome,
        {name: arms.get(name) for name in people},
        value=lambda name, rated, visit: people[name].value(visit, rated),
        stopped=is_stopped,
        factors={name: person.factors for name, person in people.items()},
    )


def outcome_data(
    protocol: TrialProtocol,
    outcome: str,
    arms: Mapping[str, str | None],
    *,
    value: Callable[[str, str, str], float | None],
    stopped: Callable[[str, str], bool],
    factors: Mapping[str, Mapping[str, str]],
) -> TrialData:
    """Return one outcome of some participants as arrays, in their order.

    Parameters
    ----------
    protocol : TrialProtocol
    outcome : str
    arms : mapping of participant to arm
        Or blinded code; None where it is not known.
    value : callable
        Rating of a participant, an outcome and a visit; None where there is none.
    stopped : callable
        Whether a participant had stopped by a visit.
    factors : mapping of participant to strata

    Raises
    ------
    InputError
        Somebody has no arm; arms and codes are mixed.
    """
    names, order = tuple(arms), arm_order(protocol, arms)
    first = protocol.visits[0].name
    visits = [visit for visit in protocol.rated(outcome) if visit.name != first]
    markers = {one.name: protocol.rated(one.name)[0].name for one in protocol.outcomes if one.kind == "biomarker"}

    def column(rated: str, visit: str) -> FloatArray:
        found = [value(name, rated, visit) for name in names]
        return np.array([np.nan if one is None else one for one in found], dtype=float)

    gone = [[stopped(name, visit.name) for visit in visits] for name in names]
    return TrialData(
        participants=names,
        arms=order,
        arm=np.array([order.index(arm) for arm in arms.values() if arm is not None], dtype=np.int64),
        visits=tuple(visit.name for visit in visits),
        weeks=np.array([visit.week for visit in visits], dtype=float),
        baseline=column(outcome, first),
        value=np.array([column(outcome, visit.name) for visit in visits]).reshape(len(visits), len(names)).T,
        stopped=np.array(gone, dtype=bool).reshape(len(names), len(visits)),
        factors={one.name: np.array([factors[name][one.name] for name in names], dtype=str) for one in protocol.strata},
        markers={name: column(name, visit) for name, visit in markers.items()},
    )


def arm_order(protocol: TrialProtocol, arms: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return arms in the order of analysis: the control, then the protocol's others; or sorted codes.

    Raises
    ------
    InputError
        Somebody has no arm; arms and codes are mixed.
    """
    without = [name for name, arm in arms.items() if arm is None]
    if without:
        raise InputError(f"no arm is given for {len(without)} of {len(arms)}: {', '.join(without[:5])}")
    given = {arm for arm in arms.values() if arm is not None}
    if given <= set(protocol.arm_names):
        return (protocol.control, *(name for name in protocol.arm_names if name != protocol.control))
    if given & set(protocol.arm_names):
        raise InputError(f"arms and blinded codes are mixed: {', '.join(sorted(given)[:6])}")
    return tuple(sorted(given))
