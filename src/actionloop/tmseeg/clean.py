"""Cleaning as a declared, ordered pipeline of steps, each logged with what it removed and shown before and after."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.tmseeg.actions import Removal
from actionloop.tmseeg.steps import Pipeline, Step, named_pipeline
from actionloop.types import FloatArray, Recording, Trials


@dataclass(frozen=True)
class WindowChange:
    """How much a step changed the values of a window, over trials and the channels that are good afterwards.

    Attributes
    ----------
    start_s, stop_s : float
    before_v, after_v, removed_v : float
        Root mean square before, after, and of the difference; `removed_v` is NaN where trials or samples differ.
    """

    start_s: float
    stop_s: float
    before_v: float
    after_v: float
    removed_v: float


@dataclass(frozen=True)
class StepRecord:
    """One line of the log.

    Attributes
    ----------
    name, what : str
    parameters : mapping
    removed : Removal
        Channels, components and trials, and notes.
    changes : tuple of WindowChange
    seconds : float
    skipped : bool
        True where the step was not needed: trials were given, so that none were cut.
    """

    name: str
    what: str
    parameters: Mapping[str, Any]
    removed: Removal
    changes: tuple[WindowChange, ...] = ()
    seconds: float = 0.0
    skipped: bool = False

    @property
    def line(self) -> str:
        """What was removed, in words."""
        found = self.removed
        parts = []
        if found.channels:
            parts.append("channels: " + ", ".join(f"{name} ({why})" for name, why in found.channels.items()))
        if found.n_components:
            told = ", ".join(found.components) or "none"
            parts.append(f"components: {len(found.components)} of {found.n_components} ({told})")
        if found.trials:
            parts.append(f"trials: {', '.join(str(one + 1) for one in found.trials)}")
        return "; ".join((*parts, *found.notes))


@dataclass(frozen=True, eq=False)
class BeforeAfter:
    """Mean over trials before and after a step.

    Attributes
    ----------
    name : str
        Of the step.
    before, after : (channel, sample) float64 ndarray
        V.
    before_s, after_s : (sample,) float64 ndarray
        Times against the pulse; they differ where the sampling rate does.
    """

    name: str
    before: FloatArray
    after: FloatArray
    before_s: FloatArray
    after_s: FloatArray


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Cleaned trials and how they came about.

    Attributes
    ----------
    trials : Trials
    log : tuple of StepRecord
        In the order of the pipeline.
    before_after : tuple of BeforeAfter
        Of every step that took trials.
    pipeline : Pipeline
    """

    trials: Trials
    log: tuple[StepRecord, ...]
    before_after: tuple[BeforeAfter, ...]
    pipeline: Pipeline


def clean(
    recording_or_trials: Recording | Trials, pipeline: Pipeline | str = "default", *, rng: np.random.Generator
) -> Cleaned:
    """Clean one site's recording, or trials that were cut before.

    Parameters
    ----------
    recording_or_trials : Recording or Trials
        With trials, the step that cuts is passed over.
    pipeline : Pipeline or str
        Or the name of one: 'default' is AARATEP's order.
    rng : numpy.random.Generator
        For the steps that draw numbers (SOUND's order of channels, the start of ICA).

    Returns
    -------
    Cleaned

    Raises
    ------
    OptionError
        An unknown pipeline; a recording, and no step that cuts trials; a library that is not installed.
    SignalError
        No pulse, pulses too dense, too many bad channels, too few trials.
    """
    steps = named_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    first = steps.steps[0]
    if isinstance(recording_or_trials, Recording) and not first.needs_recording:
        raise OptionError(
            f"a recording was given, but the pipeline begins with {first.name!r}",
            fix="let the pipeline begin with the step 'cut', or give trials",
        )
    log: list[StepRecord] = []
    shown: list[BeforeAfter] = []
    current = recording_or_trials
    for step in steps.steps:
        if step.needs_recording and isinstance(current, Trials):
            log.append(StepRecord(step.name, step.what, step.parameters, Removal(), skipped=True))
            continue
        before = current
        current, record = _run(step, before, rng)
        log.append(record)
        if isinstance(before, Trials):
            means = before.data.mean(axis=0), current.data.mean(axis=0)
            shown.append(BeforeAfter(step.name, *means, before.times_s, current.times_s))
    if not isinstance(current, Trials):
        raise OptionError("the pipeline makes no trials of a recording")
    return Cleaned(current, tuple(log), tuple(shown), steps)


def _run(step: Step, given: Recording | Trials, rng: np.random.Generator) -> tuple[Trials, StepRecord]:
    started = time.perf_counter()
    trials, removed = step.run(given, rng=rng)
    seconds = time.perf_counter() - started
    changes = _changes(given, trials) if isinstance(given, Trials) else ()
    return trials, StepRecord(step.name, step.what, step.parameters, removed, changes, seconds)


def _changes(before: Trials, after: Trials) -> tuple[WindowChange, ...]:
    """Return how much changed in the windows of the data file that the trials cover."""
    good = after.good & before.good
    same = before.data.shape == after.data.shape and before.sfreq_hz == after.sfreq_hz
    changes = []
    for start, stop in facts.load("tmseeg_cleaning")["record"]["windows_s"]:
        if start < max(before.start_s, after.start_s) or stop > min(before.times_s[-1], after.times_s[-1]):
            continue
        old = before.data[:, :, before.window(start, stop)][:, good]
        new = after.data[:, :, after.window(start, stop)][:, good]
        removed = _rms(old - new) if same else float("nan")
        changes.append(WindowChange(start, stop, _rms(old), _rms(new), removed))
    return tuple(changes)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
