"""A protocol-level exception: what an approved protocol allows beyond the limits of rTMS trains."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from actionloop.errors import OptionError
from actionloop.targets.train import Train, require_positive

# A train as long or strong as what was approved is covered, whatever the last digit of a float.
_ROUNDED = 1e-9


@dataclass(frozen=True)
class Exemption:
    """What an approved protocol allows, who approved it, and why.

    Attributes
    ----------
    reference : str
        Number or name of the approved protocol.
    approved_by : str
        Board or person who approved it.
    approved_on : str
        Date, YYYY-MM-DD.
    reason : str
    frequency_hz : float
        Allowed, pulses per second within the train: this one alone.
    intensity_percent_mt : float
        Highest allowed, % of the motor threshold.
    train_s : float
        Longest allowed, s.

    Raises
    ------
    OptionError
        A word that is missing, a date that is none or lies ahead, a value that is no positive number.
    """

    reference: str
    approved_by: str
    approved_on: str
    reason: str
    frequency_hz: float
    intensity_percent_mt: float
    train_s: float

    def __post_init__(self) -> None:
        words = {name: getattr(self, name) for name in ("reference", "approved_by", "reason")}
        empty = [name for name, value in words.items() if not isinstance(value, str) or not value.strip()]
        if empty:
            raise OptionError(
                f"the exception says nothing under {', '.join(empty)}",
                fix="name the approved protocol, who approved it, and why the limit does not hold here",
            )
        if self._date() > datetime.date.today():
            raise OptionError(f"the exception's approved_on = {self.approved_on!r} lies ahead of today")
        require_positive(self, ("frequency_hz", "intensity_percent_mt", "train_s"))

    def _date(self) -> datetime.date:
        try:
            return datetime.date.fromisoformat(self.approved_on)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"the exception's approved_on = {self.approved_on!r} is no date", fix="write it as YYYY-MM-DD"
            ) from error

    def covers(self, train: Train) -> bool:
        """Tell whether a train is what was approved: the same frequency, no stronger, no longer."""
        return (
            abs(train.frequency_hz - self.frequency_hz) <= _ROUNDED * self.frequency_hz
            and train.intensity_percent_mt <= self.intensity_percent_mt * (1 + _ROUNDED)
            and train.train_s <= self.train_s * (1 + _ROUNDED)
        )

    def in_words(self) -> str:
        """Say what is allowed, by whom, and why."""
        return (
            f"protocol-level exception {self.reference}, approved by {self.approved_by} on {self.approved_on}, for up "
            f"to {self.train_s:g} s at {self.frequency_hz:g} Hz and {self.intensity_percent_mt:g} % of motor "
            f"threshold: {self.reason}"
        )
