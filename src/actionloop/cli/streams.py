"""The two streams: results to standard output, the log to standard error."""

from __future__ import annotations

import sys


def put(text: str) -> None:
    """Write a result."""
    print(text)  # noqa: T201 - results


def say(text: str, *, end: str = "\n") -> None:
    """Write to the log; an empty `end` leaves an answer on the same line."""
    print(text, end=end, file=sys.stderr, flush=True)  # noqa: T201 - the log
