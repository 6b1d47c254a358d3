"""The words of `actionloop plan` without dashes: DERIVATIVES, OUT and the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actionloop.cli.options import Given
from actionloop.errors import OptionError

LEVELS = ("participant", "group")
SHAPE = "actionloop plan DERIVATIVES OUT participant [options]"
BARE_SHAPE = "actionloop plan OUT participant --bold FILES [options]"


@dataclass(frozen=True)
class Places:
    """What the words without dashes mean."""

    derivatives: Path | None
    out: Path
    level: str


def read_places(words: Sequence[str], given: Given) -> Places:
    """Tell DERIVATIVES, OUT and the level apart.

    Raises
    ------
    OptionError
        Too few or too many words, or no level at the end.
    """
    alone = bool(given.bold)
    shape = f"the form is: {BARE_SHAPE if alone else SHAPE}"
    if not words or words[-1] not in LEVELS:
        found = f"found {' '.join(words)}" if words else "found nothing"
        raise OptionError(
            f"the last word must be the level, 'participant'; {found}",
            fix=f"{shape}; lists such as --participant-label 01 02 come after these words",
        )
    places = [Path(word) for word in words[:-1]]
    if len(places) == 2 and not alone:
        return Places(places[0], places[1], words[-1])
    if len(places) == 1 and (alone or given.map_file is not None):
        return Places(None, places[0], words[-1])
    if len(places) == 2:
        raise OptionError("--bold takes the place of DERIVATIVES; both were given", fix=shape)
    expected = "OUT" if alone else "DERIVATIVES and OUT"
    raise OptionError(f"expected {expected} before '{words[-1]}', found {len(places)} path(s)", fix=shape)
