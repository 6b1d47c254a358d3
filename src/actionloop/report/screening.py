"""What the page says of limits and screening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ScreenedQuestion:
    """One question of the list and its answer."""

    text: str
    answer: Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class ScreeningContent:
    """What the section 'Before anybody is stimulated' says.

    Attributes
    ----------
    state : str
        What was answered, in one line.
    questions : sequence of ScreenedQuestion
        Boxes are ticked by the answers; those of 'unknown' stay empty, to be filled in on paper.
    stopped : str
        What was answered yes; empty for nothing.
    forced : bool
        Exports were written in spite of that.
    about : str
        Where the list comes from.
    limits : sequence of str
        What the protocol was held against.
    """

    state: str
    questions: Sequence[ScreenedQuestion]
    stopped: str = ""
    forced: bool = False
    about: str = ""
    limits: Sequence[str] = ()
