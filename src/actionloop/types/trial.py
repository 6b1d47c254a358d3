"""What a trial's analysis reads: one outcome over visits, arms and what was known before allocation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import InputError
from actionloop.types.basic import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class TrialData:
    """One outcome of every allocated participant.

    Attributes
    ----------
    participants : tuple of str
    arms : tuple of str
        The first is the control.
    arm : (participant,) int ndarray
        Index into `arms`.
    visits : tuple of str
        After allocation, in order of time.
    weeks : (visit,) float ndarray
    baseline : (participant,) float ndarray
        Before allocation; NaN where it is missing.
    value : (participant, visit) float ndarray
        The outcome as it was rated, not its change; NaN where it is missing.
    stopped : (participant, visit) bool ndarray
        True from the first visit after an intercurrent event that counts as non-response.
    factors : mapping of str to (participant,) str ndarray
        Strata.
    markers : mapping of str to (participant,) float ndarray
        Measured before allocation, NaN where missing.

    Raises
    ------
    InputError
        Shapes that do not fit, an arm that is none, two participants of one name, infinite values.
    """

    participants: tuple[str, ...]
    arms: tuple[str, ...]
    arm: IntArray
    visits: tuple[str, ...]
    weeks: FloatArray
    baseline: FloatArray
    value: FloatArray
    stopped: BoolArray
    factors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    markers: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, v = len(self.participants), len(self.visits)
        shapes: dict[str, tuple[Any, tuple[int, ...]]] = {
            "arm": (self.arm, (n,)),
            "weeks": (self.weeks, (v,)),
            "baseline": (self.baseline, (n,)),
            "value": (self.value, (n, v)),
            "stopped": (self.stopped, (n, v)),
            **{f"factor {name}": (one, (n,)) for name, one in self.factors.items()},
            **{f"marker {name}": (one, (n,)) for name, one in self.markers.items()},
        }
        for name, (array, shape) in shapes.items():
            if np.shape(array) != shape:
                raise InputError(f"expected {name} to be {shape}, found {np.shape(array)}")
        if len(set(self.participants)) < n:
            twice = sorted({name for name in self.participants if self.participants.count(name) > 1})
            raise InputError(f"participants that occur twice: {', '.join(twice)}", fix="keep one row of each")
        if n and (self.arm.min() < 0 or self.arm.max() >= len(self.arms)):
            raise InputError(f"arms are numbered 0 to {len(self.arms) - 1}, found {self.arm.min()} to {self.arm.max()}")
        if np.isinf(self.value).any() or np.isinf(self.baseline).any():
            raise InputError("ratings are finite or missing, found infinite ones")

    @property
    def change(self) -> FloatArray:
        """Change from baseline, (participant, visit)."""
        return self.value - self.baseline[:, None]
