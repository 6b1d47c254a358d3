"""How many participants a trial had at each step, arm by arm, as its flow diagram shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actionloop.errors import InputError


@dataclass(frozen=True)
class FlowArm:
    """One column of the diagram.

    Attributes
    ----------
    label : str
        An arm, or a code while the trial is blinded.
    allocated, received : int
    not_received, lost, discontinued, not_analysed : mapping of str to int
        How many, by reason. Who was lost is not counted as discontinued again.
    following : int
        Still followed: neither analysed nor left out yet.
    analysed : int
    """

    label: str
    allocated: int
    received: int
    analysed: int
    following: int = 0
    not_received: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    discontinued: Mapping[str, int] = field(default_factory=dict)
    not_analysed: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_sum(f"{self.label}: allocated", self.allocated, self.received, self.not_received)
        _require_sum(f"{self.label}: allocated", self.allocated, self.analysed + self.following, self.not_analysed)
        left = sum(self.lost.values()) + sum(self.discontinued.values())
        if left > self.allocated:
            raise InputError(f"{self.label}: {left} left of {self.allocated}")


@dataclass(frozen=True)
class TrialFlow:
    """The whole diagram.

    Attributes
    ----------
    assessed : int
        For eligibility.
    excluded : mapping of str to int
        Before allocation, by reason.
    undecided : int
        Assessed, neither excluded nor allocated yet.
    randomised : int
    arms : tuple of FlowArm
    analysis : str
        Which analysis `analysed` is told for.

    Raises
    ------
    InputError
        Numbers that do not add up.
    """

    assessed: int
    excluded: Mapping[str, int]
    undecided: int
    randomised: int
    arms: tuple[FlowArm, ...]
    analysis: str

    def __post_init__(self) -> None:
        _require_sum("assessed", self.assessed, self.undecided + self.randomised, self.excluded)
        _require_sum("randomised", self.randomised, 0, {str(i): arm.allocated for i, arm in enumerate(self.arms)})


def _require_sum(what: str, whole: int, rest: int, by_reason: Mapping[str, int]) -> None:
    total = rest + sum(by_reason.values())
    if total != whole or rest < 0 or any(count < 0 for count in by_reason.values()):
        raise InputError(f"the flow does not add up: {what} are {whole}, the parts are {total}")
