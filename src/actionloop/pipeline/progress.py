"""How a long run tells where it is: the protocol that the command line fills in."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Somebody who is told about the steps of a run."""

    def start(self, label: str, steps: int) -> None:
        """Begin a piece of work of that many steps, e.g. one person."""

    def step(self, text: str) -> None:
        """Begin the next step."""

    def note(self, text: str) -> None:
        """Write one line into the log."""

    def done(self) -> None:
        """Finish the piece of work that was begun."""


class Silent:
    """Progress that says nothing."""

    def start(self, label: str, steps: int) -> None:
        """Say nothing."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""
