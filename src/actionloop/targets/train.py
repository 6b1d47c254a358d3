"""One train of rTMS as it is to be given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from actionloop.errors import OptionError

_ROUNDED = 1e-9


@dataclass(frozen=True)
class Train:
    """One train of rTMS as it is to be given.

    Attributes
    ----------
    frequency_hz : float
        Pulses per second within the train.
    intensity_percent_mt : float
        % of the motor threshold.
    train_s : float
        Length of one train, s.
    pulses : int or None
        Of the whole session.
    inter_train_s : float or None
        Pause between two trains, s.

    Raises
    ------
    OptionError
        A value that is no positive number, or fewer pulses than one train has.
    """

    frequency_hz: float
    intensity_percent_mt: float
    train_s: float
    pulses: int | None = None
    inter_train_s: float | None = None

    def __post_init__(self) -> None:
        optional = [name for name in ("pulses", "inter_train_s") if getattr(self, name) is not None]
        require_positive(self, ("frequency_hz", "intensity_percent_mt", "train_s", *optional))
        if self.pulses is not None and self.pulses != int(self.pulses):
            raise OptionError(f"expected a whole number of pulses, found {self.pulses:g}")
        if self.pulses is not None and self.pulses < math.floor(self.pulses_per_train + _ROUNDED):
            raise OptionError(
                f"the session has {self.pulses:g} pulses, but one train of {self.train_s:g} s at {self.frequency_hz:g} "
                f"Hz has {self.pulses_per_train:g}",
                fix="'pulses' counts those of the whole session",
            )

    @property
    def pulses_per_train(self) -> float:
        """Frequency times length."""
        return self.frequency_hz * self.train_s

    def in_words(self) -> str:
        """Say frequency, intensity and length."""
        return f"{self.train_s:g} s at {self.frequency_hz:g} Hz and {self.intensity_percent_mt:g} % of motor threshold"


def require_positive(given: object, names: Sequence[str]) -> None:
    """Refuse attributes that are no positive numbers.

    Raises
    ------
    OptionError
        Naming each of them.
    """
    wrong = [f"{name} = {getattr(given, name)!r}" for name in names if not _is_positive(getattr(given, name))]
    if wrong:
        raise OptionError(
            f"expected positive numbers, found {', '.join(wrong)}",
            fix="frequency in Hz, intensity in % of the motor threshold, train and pause in s; leave out the pause "
            "of a single train",
        )


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0
