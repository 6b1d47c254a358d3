"""Which components are artefacts: eyes and muscle by ICLabel, TMS-evoked muscle by rule."""

from __future__ import annotations

import numpy as np

from actionloop.errors import SignalError
from actionloop.tmseeg.library import LABELS, Decomposition, label_components
from actionloop.tmseeg.muscle import tense_muscle, tms_muscle
from actionloop.types import FloatArray

_NEVER = 2.0
"""A probability that no label reaches."""


def artefact_components(
    found: Decomposition,
    times_s: FloatArray,
    *,
    eye_above: float = _NEVER,
    muscle_above: float = _NEVER,
    brain_below: float = 0.0,
    tms_muscle_rule: bool = False,
    tense_muscle_rule: bool = False,
    least_left: int = 0,
) -> dict[int, str]:
    """Name the components that are artefacts, and why.

    Parameters
    ----------
    found : Decomposition
    times_s : (sample,) float ndarray
    eye_above, muscle_above : float
        ICLabel's probability above which a component is one; above 1 for never.
    brain_below : float
        ICLabel's probability of brain below which a component is none; 0 for never.
    tms_muscle_rule : bool
        Also those that `tms_muscle` marks.
    tense_muscle_rule : bool
        Also those that `tense_muscle` marks.
    least_left : int
        Components that have to stay.

    Returns
    -------
    dict of int to str

    Raises
    ------
    SignalError
        Fewer than `least_left` would stay.
    """
    chances = dict(zip(LABELS, label_components(found).T, strict=True))
    early = tms_muscle(found.sources, times_s) if tms_muscle_rule else np.zeros(len(chances["brain"]), dtype=np.bool_)
    rate = 1 / float(times_s[1] - times_s[0])
    tense = tense_muscle(found.sources, rate) if tense_muscle_rule else np.zeros_like(early)
    reasons: dict[int, str] = {}
    for number in range(len(early)):
        brain, eye, muscle = (float(chances[name][number]) for name in ("brain", "eye", "muscle"))
        if early[number]:
            reasons[number] = "TMS-evoked muscle"
        elif tense[number]:
            reasons[number] = "tense muscle"
        elif eye > eye_above:
            reasons[number] = f"eye {eye:.2f}"
        elif muscle > muscle_above:
            reasons[number] = f"muscle {muscle:.2f}"
        elif brain < brain_below:
            reasons[number] = f"brain only {brain:.2f}"
    if len(early) - len(reasons) < least_left:
        raise SignalError(
            f"{len(reasons)} of {len(early)} components were named as artefacts, and {least_left} have to stay",
            fix="look at the recording; if it is sound, lower the step's brain_below or raise its muscle_above",
        )
    return reasons
