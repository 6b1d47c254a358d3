"""A question about the data, to somebody at a centre."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Query:
    """One question to somebody at a centre.

    Attributes
    ----------
    participant : str
        Empty where it is about a rater.
    visit : str
        Or a session; empty where neither.
    what : str
        One word for the kind of question: 'window', 'target', 'missing', 'late', 'jump' and so on.
    why : str
        A sentence with what was found and expected.
    shows_target : bool
        Not for eyes that must not know what is stimulated.
    """

    participant: str
    visit: str
    what: str
    why: str
    shows_target: bool = False
