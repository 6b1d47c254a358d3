"""How long a train of rTMS may be: the table of data/limits.toml, never read in the laxer direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.targets.exemption import Exemption
from actionloop.targets.train import Train

# Trains as long as the limit are within it, whatever the last digit of a product of floats.
_ROUNDED = 1e-9
_EXCEPTION = (
    "a protocol-level exception is required: name it in the protocol file under 'exception', as the approved protocol "
    "of the study has it"
)


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


def require_within(train: Train, *, exemption: Exemption | None = None) -> list[str]:
    """Refuse a train that crosses its limit, unless an approved protocol allows this very train.

    Parameters
    ----------
    train : Train
    exemption : Exemption, optional
        What an approved protocol allows beyond the table.

    Returns
    -------
    list of str
        What was checked against which limit, and what the table says nothing of. A train beyond the limit is told
        first, with its exception.

    Raises
    ------
    OptionError
        The train is longer than its limit, which is named, or lies outside the table, and no exception covers it.

    References
    ----------
    .. [1] Rossi et al. 2009, doi:10.1016/j.clinph.2009.08.016
    .. [2] Rossi et al. 2021, doi:10.1016/j.clinph.2020.10.003
    """
    try:
        limit = _limit_kept(train)
    except OptionError as crossed:
        if exemption is None:
            raise
        if not exemption.covers(train):
            raise OptionError(
                f"{crossed.problem}; the {exemption.in_words()} does not cover this train",
                fix="give the train that was approved (same frequency, no stronger, no longer), or have this one "
                "approved",
            ) from crossed
        return [f"WARNING: {crossed.problem}; allowed by the {exemption.in_words()}.", *_pauses(train)]
    unneeded = [] if exemption is None else [f"Not needed for this train: {exemption.in_words()}."]
    return [
        f"A train of {train.in_words()} is within the limit; {limit.in_words()}.",
        *_beside(train, limit),
        *_pauses(train),
        *unneeded,
    ]


def _limit_kept(train: Train) -> TrainLimit:
    """Return the limit that a train keeps.

    Raises
    ------
    OptionError
        The train crosses it, or lies outside the table.
    """
    limit = strictest_limit(train)
    if train.train_s > limit.train_s * (1 + _ROUNDED):
        raise OptionError(
            f"the train of {train.in_words()} crosses the {facts.load('limits')['trains']['name']}; {limit.in_words()}",
            fix=f"shorten the train to {limit.train_s:g} s, or lower frequency or intensity; beyond the limit "
            f"{_EXCEPTION}",
        )
    return limit


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
