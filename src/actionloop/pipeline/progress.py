"""How a long run tells where it is: the protocol that the command line fills in."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Somebody who is told about the steps of a run."""

    def start(self, label: str, steps: int) -> None:
        """A piece of work of that many steps begins, e.g. one person."""

    def step(self, text: str) -> None:
        """The next step begins."""

    def note(self, text: str) -> None:
        """Something worth a line in the log happened."""

    def done(self) -> None:
        """The piece of work that was started is finished."""


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
