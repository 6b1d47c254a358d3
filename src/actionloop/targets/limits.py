"""How long a train of rTMS may be: the table of data/limits.toml, never read in the laxer direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from actionloop import facts
from actionloop.errors import OptionError

# Trains as long as the limit are within it, whatever the last digit of a product of floats.
_ROUNDED = 1e-9
_EXCEPTION = (
    "outside the table a protocol-level exception is required: it belongs in the approved protocol of the study, and "
    "this program takes none"
)


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
        wrong = [
            f"{one.name} = {value!r}"
            for one in fields(self)
            if not _is_positive(value := getattr(self, one.name)) and not (value is None and one.default is None)
        ]
        if wrong:
            raise OptionError(
                f"expected positive numbers, found {', '.join(wrong)}",
                fix="frequency in Hz, intensity in % of the motor threshold, train and pause in s; leave out the pause "
                "of a single train",
            )
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


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


@dataclass(frozen=True)
class TrainLimit:
    """One cell of the table.

    Attributes
    ----------
    frequency_hz, intensity_percent_mt : float
        Row and column.
    train_s : float
        Longest train, s.
    longest_tested : bool
        True where no longer train was tested, which does not mean that longer ones are safe.
    source : str
    verified : bool
        False when the number still has to be checked by a person.
    """

    frequency_hz: float
    intensity_percent_mt: float
    train_s: float
    longest_tested: bool
    source: str
    verified: bool

    def in_words(self) -> str:
        """Name the limit: how long, for what, from where, and whether somebody has checked it."""
        kind = "longest train tested" if self.longest_tested else "longest train held safe"
        return (
            f"{kind} at {self.frequency_hz:g} Hz and {self.intensity_percent_mt:g} % of motor threshold: "
            f"{self.train_s:g} s ({self.source}; {_mark(self.verified)})"
        )


def train_limits() -> list[TrainLimit]:
    """Return every cell of the table, row by row."""
    table = facts.load("limits")["trains"]
    return [
        TrainLimit(
            float(row["frequency_hz"]), float(intensity), float(longest), tested, table["source"], row["verified"]
        )
        for row in table["row"]
        for intensity, longest, tested in zip(
            table["intensity_percent_mt"], row["train_s"], row["longest_tested"], strict=True
        )
    ]


def strictest_limit(train: Train) -> TrainLimit:
    """Find the limit of a train; between rows or columns it is the shortest of the neighbours.

    Raises
    ------
    OptionError
        Frequency or intensity outside the table.
    """
    cells = train_limits()
    rows = _neighbours("frequency", train.frequency_hz, [cell.frequency_hz for cell in cells], "Hz")
    columns = _neighbours(
        "intensity", train.intensity_percent_mt, [cell.intensity_percent_mt for cell in cells], "% of motor threshold"
    )
    around = [cell for cell in cells if cell.frequency_hz in rows and cell.intensity_percent_mt in columns]
    return min(around, key=lambda cell: cell.train_s)


def _neighbours(what: str, value: float, known: Sequence[float], unit: str) -> set[float]:
    """Return the value itself where the table has it, else those below and above."""
    lowest, highest = min(known), max(known)
    if not lowest <= value <= highest:
        table = facts.load("limits")["trains"]
        mark = _mark(all(row["verified"] for row in table["row"]))
        raise OptionError(
            f"the {what} of {value:g} {unit} lies outside the {table['name']}, which cover {lowest:g} to {highest:g} "
            f"{unit} ({table['source']}; {mark})",
            fix=_EXCEPTION,
        )
    return {max(one for one in known if one <= value), min(one for one in known if one >= value)}


def _mark(verified: bool) -> str:
    return "verified" if verified else "UNVERIFIED, from memory"


def require_within(train: Train) -> list[str]:
    """Refuse a train that crosses its limit.

    Parameters
    ----------
    train : Train

    Returns
    -------
    list of str
        What was checked against which limit, and what the table says nothing of.

    Raises
    ------
    OptionError
        The train is longer than its limit, which is named, or lies outside the table.

    References
    ----------
    .. [1] Rossi et al. 2009, doi:10.1016/j.clinph.2009.08.016
    .. [2] Rossi et al. 2021, doi:10.1016/j.clinph.2020.10.003
    """
    limit = strictest_limit(train)
    if train.train_s > limit.train_s * (1 + _ROUNDED):
        raise OptionError(
            f"the train of {train.in_words()} crosses the {facts.load('limits')['trains']['name']}; {limit.in_words()}",
            fix=f"shorten the train to {limit.train_s:g} s, or lower frequency or intensity",
        )
    return [
        f"A train of {train.in_words()} is within the limit; {limit.in_words()}.",
        *_beside(train, limit),
        *_pauses(train),
    ]


def _beside(train: Train, limit: TrainLimit) -> list[str]:
    """Say that the limit is that of a neighbour."""
    if (limit.frequency_hz, limit.intensity_percent_mt) == (train.frequency_hz, train.intensity_percent_mt):
        return []
    return ["The limit is that of the strictest neighbour in the table, which does not hold this very train."]


def _pauses(train: Train) -> list[str]:
    """Say what the table does not cover."""
    several = train.pulses is not None and train.pulses > train.pulses_per_train * (1 + _ROUNDED)
    if train.inter_train_s is not None:
        return [
            f"The pause of {train.inter_train_s:g} s between trains was not checked: the table is of single trains."
        ]
    if several:
        return [
            f"{train.pulses:g} pulses are several trains; the pause between them is not stated and was not checked."
        ]
    return []
