"""Questions about the pain, asked at a terminal only; without answers the ranking has no preference."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from actionloop import facts
from actionloop.cli.streams import say

PainSide = Literal["left", "right", "both", "midline", "unknown"]
SIDES: tuple[str, ...] = get_args(PainSide)
UNKNOWN = "unknown"

_MEANS = {
    "pain_side": "--pain-side was not given: neither hemisphere is preferred in the ranking "
    "(otherwise the one opposite the pain is)",
    "pain_region": "--pain-region was not given: no SCAN node is preferred in the ranking "
    "(otherwise the one that suits the body part is)",
}


def regions() -> tuple[str, ...]:
    """Every word that --pain-region takes, from data/pain.toml."""
    table = facts.load("pain")["region"]
    return tuple(word for group in table["group"] for word in group["words"]) + tuple(table["none"]["words"])


def missing_answers(lacking: Sequence[str], say: Callable[[str], None], *, ask: bool = True) -> dict[str, str]:
    """Ask for what is lacking where somebody can answer; elsewhere say what its absence means.

    Parameters
    ----------
    lacking : sequence of {'pain_side', 'pain_region'}
    say : callable
        Gets one line of text for the log.
    ask : bool
        False to ask nobody even at a terminal.

    Returns
    -------
    dict
        The answers; empty when nobody was asked.
    """
    if not (ask and sys.stdin.isatty() and sys.stderr.isatty()):
        for name in lacking:
            say(_MEANS[name])
        return {}
    answers = {}
    if "pain_side" in lacking:
        answers["pain_side"] = _choose("On which side of the body is the pain?", SIDES)
    if "pain_region" in lacking:
        answers["pain_region"] = _choose("Where is the pain?", regions())
    return answers


def _choose(question: str, choices: Sequence[str]) -> str:
    """Ask until the answer is one of the choices; an empty line or the end of input is 'unknown'."""
    say(f"{question} One of: {', '.join(choices)}.")
    while True:
        say(f"[enter = {UNKNOWN}] ", end="")
        line = sys.stdin.readline()
        answer = line.strip().casefold()
        if not answer:
            return UNKNOWN
        if answer in choices:
            return answer
        beginning = [choice for choice in choices if choice.startswith(answer)]
        if len(beginning) == 1:
            return beginning[0]
        hint = f"it could be {' or '.join(beginning)}" if beginning else f"choose from: {', '.join(choices)}"
        say(f"{answer!r} is not one of them; {hint}.")
