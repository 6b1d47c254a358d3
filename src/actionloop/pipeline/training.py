"""Group parameters of the hierarchical model from the people of a cohort: `prior build --train-hierarchical`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.errors import ActionloopError, SignalError
from actionloop.files import PersonFiles
from actionloop.networks import HierarchicalSettings, train_hierarchical
from actionloop.pipeline.priors import PHANTOMS
from actionloop.pipeline.series import PersonSeries
from actionloop.types import Basis, BoolArray, GroupParameters, Prior

HALVES = ("first half", "second half")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"  # parts of one visit in the layout of the HCP: REST1a, REST1b

Load = Callable[[str], tuple[PersonFiles, PersonSeries]]
LeaveOut = Callable[[str, ActionloopError], None]


def session_frames(person: PersonFiles, loaded: PersonSeries) -> dict[str, BoolArray]:
    """Tell which frames of a joined series belong to which session.

    Sessions are known by the names of the runs (in the layout of the HCP by the run's number: REST1 and REST2 are two
    visits). Too short ones are left out. Where fewer than two remain, the two halves in time of the whole series take
    their place, as they do when `plan` maps.

    Parameters
    ----------
    person : PersonFiles
    loaded : PersonSeries
        Its runs joined.

    Returns
    -------
    dict of str to (frame,) bool ndarray
        Two sessions or more; 'first half' and 'second half' of a single one.

    Raises
    ------
    SignalError
        Series of parcels, or too few frames for two halves.
    """
    series = loaded.series
    if any(run.kind == "parcels" for run in person.runs):
        raise SignalError(
            "the hierarchical model is trained on series of vertices, found parcels", where=series.source or None
        )
    names = [_session_of(run.entities, person.layout) for run in person.runs]
    session = np.repeat(names, loaded.run_lengths)
    frames = {name: session == name for name in dict.fromkeys(names)}
    if len(frames) > 1:
        frames = {name: mask for name, mask in frames.items() if _long_enough(loaded, mask)}
    if len(frames) > 1:
        return frames
    both = signal.halves(series.n_frames)
    if not all(_long_enough(loaded, half) for half in both):
        raise SignalError(
            f"training needs two sessions, or one that can be cut in half; found one of {series.n_frames} frames "
            f"({series.minutes:.1f} min)",
            where=series.source or None,
            fix="add sessions, or leave this person out of the training",
        )
    return dict(zip(HALVES, both, strict=True))


def train_group(
    prior: Prior, labels: Sequence[str], load: Load, leave_out: LeaveOut, *, phantoms: bool = False
) -> GroupParameters:
    """Train group parameters on people who are read one after the other; nobody's series is kept.

    Parameters
    ----------
    prior : Prior
        Made of these people.
    labels : sequence of str
    load : callable
        Reads the person of a label.
    leave_out : callable
        Gets label and error of a person who cannot be used.
    phantoms : bool
        They are simulated.

    Returns
    -------
    GroupParameters

    Raises
    ------
    SignalError
        Fewer than two people are left.
    """
    sessions: dict[str, int] = {}

    def people() -> Iterator[list[Basis]]:
        for label in labels:
            try:
                bases = _compressed(load, label)
            except ActionloopError as error:
                leave_out(label, error)
                continue
            sessions[label] = len(bases)
            yield bases
            del bases

    def refused(error: ActionloopError) -> None:
        label, _ = sessions.popitem()  # the last one who was given
        leave_out(label, error)

    group = train_hierarchical(people(), prior, files.template_anatomy(), refused=refused)
    who = f"{PHANTOMS}: {len(sessions)} simulated people" if phantoms else f"trained on {len(sessions)} people"
    return replace(group, source=f"{who}, {sum(sessions.values())} sessions")


def training_words(group: GroupParameters) -> dict[str, Any]:
    """Return what the sidecar of a prior says of its group parameters."""
    return {
        "Source": group.source,
        "People": group.n_people,
        "Seeds": len(group.seeds),
        "Method": "each person mapped from the prior's templates; mean profiles and their concentrations by "
        "expectation-maximisation (after Kong et al. 2019, doi:10.1093/cercor/bhy123)",
        "Settings": asdict(HierarchicalSettings()),
        "Networks": [
            {"Name": name, "Epsilon": float(epsilon), "Sigma": float(sigma), "Kappa": float(kappa)}
            for name, epsilon, sigma, kappa in zip(group.names, group.epsilon, group.sigma, group.kappa, strict=True)
        ],
    }


def _compressed(load: Load, label: str) -> list[Basis]:
    person, loaded = load(label)
    frames = session_frames(person, loaded)
    return [signal.compress(signal.select_frames(loaded.series, mask)) for mask in frames.values()]


def _session_of(entities: Mapping[str, str], layout: str) -> str:
    if "session" in entities:
        return f"ses-{entities['session']}"
    return f"REST{entities.get('run', '').rstrip(_LETTERS)}" if layout == "hcp" else "unnamed session"


def _long_enough(loaded: PersonSeries, mask: BoolArray) -> bool:
    try:
        signal.usable(signal.select_frames(loaded.series, mask))
    except SignalError:
        return False
    return True
