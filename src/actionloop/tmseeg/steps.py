"""Steps of cleaning: each a small frozen description of what it does, with what parameters, and what it removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.tmseeg import actions
from actionloop.tmseeg.actions import Removal
from actionloop.types import Recording, Trials

Action = Callable[..., tuple[Trials, Removal]]
ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "cut": actions.cut,
        "interpolate": actions.interpolate,
        "downsample": actions.lower_rate,
        "baseline": actions.subtract_baseline,
        "high_pass": actions.remove_drifts,
        "low_pass": actions.remove_fast,
        "bad_channels": actions.replace_bad_channels,
        "sound": actions.sound,
        "sspsir": actions.sspsir,
        "decay": actions.subtract_decay,
        "decay_topography": actions.subtract_map_decay,
        "line": actions.remove_line,
        "notch": actions.notch_line,
        "components": actions.remove_components,
        "average_reference": actions.average_reference,
        "bad_trials": actions.drop_trials,
        "autoreject": actions.autoreject,
    }
)
"""What a step's `function` in the data file can be."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes
    ----------
    name : str
        What it is called in a pipeline and in the log.
    what : str
        One line for the reader of a report.
    action : callable
        Takes trials (the step 'cut': a recording), `rng` and the parameters by name; gives trials and what was removed.
    parameters : mapping
    needs_recording : bool
        True for the step that cuts trials.
    """

    name: str
    what: str
    action: Action
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs_recording: bool = False

    def with_parameters(self, **values: Any) -> Step:
        """Return the step with other parameters.

        Raises
        ------
        OptionError
            A parameter that the step does not have.
        """
        unknown = sorted(set(values) - set(self.parameters))
        if unknown:
            raise OptionError(
                f"the step {self.name!r} has no parameter {', '.join(map(repr, unknown))}; it has "
                f"{', '.join(self.parameters) or 'none'}"
            )
        return replace(self, parameters=MappingProxyType({**self.parameters, **values}))

    def run(self, given: Recording | Trials, *, rng: np.random.Generator) -> tuple[Trials, Removal]:
        """Return what the step makes of its input, and what it removed."""
        return self.action(given, rng=rng, **self.parameters)


@dataclass(frozen=True)
class Pipeline:
    """Steps in order.

    Attributes
    ----------
    name : str
    steps : tuple of Step
        Of different names.
    version : int
        Of the data file that the steps were read from.

    Raises
    ------
    OptionError
        No step, two of a name, or one that needs the recording behind another.
    """

    name: str
    steps: tuple[Step, ...]
    version: int = 0

    def __post_init__(self) -> None:
        if not self.steps:
            raise OptionError("a pipeline needs a step", fix=f"there are {', '.join(step_names())}")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise OptionError(f"steps of one name: {', '.join(twice)}", fix="give the second another name")
        late = [step.name for step in self.steps[1:] if step.needs_recording]
        if late:
            raise OptionError(f"the step {late[0]!r} works on the recording and comes first")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the steps, in order."""
        return tuple(step.name for step in self.steps)

    def without(self, *names: str) -> Pipeline:
        """Return the pipeline without some steps."""
        for name in names:
            self._place(name)
        return replace(self, steps=tuple(step for step in self.steps if step.name not in names))

    def swapped(self, name: str, step: Step | str) -> Pipeline:
        """Return the pipeline with another step in the place of one; a name is looked up in the data file."""
        place = self._place(name)
        new = named_step(step) if isinstance(step, str) else step
        return replace(self, steps=(*self.steps[:place], new, *self.steps[place + 1 :]))

    def added(self, step: Step | str, *, after: str) -> Pipeline:
        """Return the pipeline with one more step behind another."""
        place = self._place(after) + 1
        new = named_step(step) if isinstance(step, str) else step
        return replace(self, steps=(*self.steps[:place], new, *self.steps[place:]))

    def with_parameters(self, name: str, **values: Any) -> Pipeline:
        """Return the pipeline with other parameters of one step."""
        place = self._place(name)
        return self.swapped(name, self.steps[place].with_parameters(**values))

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise OptionError(f"the pipeline {self.name!r} has no step {name!r}; it has {', '.join(self.names)}")
        return self.names.index(name)


def step_names() -> tuple[str, ...]:
    """Names of all steps that the data file describes."""
    return tuple(facts.load("tmseeg_cleaning")["steps"])


def pipeline_names() -> tuple[str, ...]:
    """Names of all pipelines that the data file describes."""
    return tuple(facts.load("tmseeg_cleaning")["pipelines"])


def named_step(name: str) -> Step:
    """Return a step of the data file.

    Raises
    ------
    OptionError
        No such step.
    """
    known = facts.load("tmseeg_cleaning")["steps"]
    if name not in known:
        raise OptionError(f"there is no step {name!r}; there are {', '.join(known)}")
    entry = known[name]
    function = entry["function"]
    return Step(name, entry["what"], ACTIONS[function], MappingProxyType(entry["parameters"]), function == "cut")


def named_pipeline(name: str = "default") -> Pipeline:
    """Return a pipeline of the data file: 'default' is AARATEP's order.

    Raises
    ------
    OptionError
        No such pipeline.
    """
    data = facts.load("tmseeg_cleaning")
    if name not in data["pipelines"]:
        raise OptionError(f"there is no pipeline {name!r}; there are {', '.join(data['pipelines'])}")
    return build_pipeline(data["pipelines"][name], name=name)


def build_pipeline(names: list[str] | tuple[str, ...], *, name: str = "own") -> Pipeline:
    """Return a pipeline of named steps of the data file in the order given.

    Raises
    ------
    OptionError
        A name that is unknown or stands twice, no name.
    """
    return Pipeline(name, tuple(named_step(one) for one in names), int(facts.load("tmseeg_cleaning")["version"]))
