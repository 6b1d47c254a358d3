"""The page of an analysis beside the line (contrasts, overlap, variability, lesions): sentences, tables, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actionloop import __version__, facts
from actionloop.errors import OptionError
from actionloop.report.content import Table
from actionloop.report.page import _templates, embedded


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture of such a page.

    Attributes
    ----------
    png : bytes
        A PNG, or an SVG.
    alt : str
        What a person who cannot see it should know.
    caption : str
    file : str
        Where it is saved, relative to the page; empty where it is not.
    """

    png: bytes
    alt: str
    caption: str
    file: str = ""


@dataclass(frozen=True, eq=False)
class EvidenceSection:
    """One section of such a page.

    Attributes
    ----------
    title : str
    sentences : sequence of str
    tables : sequence of Table
    pictures : sequence of Shown
    """

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Shown] = ()


@dataclass(frozen=True, eq=False)
class EvidenceContent:
    """Everything that such a page says.

    Attributes
    ----------
    title, lead : str
        What was asked, and of whom.
    answer : sequence of str
        The result in a few sentences, the first one on its own.
    glance : mapping of str to str
    warnings : sequence of str
        To be read before the numbers are used.
    sections : sequence of EvidenceSection
    limits : sequence of str
        What this cannot show.
    methods, references : sequence of str
    files : sequence of (str, str)
        What, and the path relative to the page.
    provenance : mapping
        As `files.provenance` makes it.
    sides : bool
        Whether the page tells left from right.
    """

    title: str
    lead: str
    answer: Sequence[str]
    sections: Sequence[EvidenceSection]
    limits: Sequence[str]
    methods: Sequence[str]
    glance: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    references: Sequence[str] = ()
    files: Sequence[tuple[str, str]] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sides: bool = True

    def __post_init__(self) -> None:
        if not self.answer or not self.limits:
            raise OptionError(f"the page {self.title!r} has no answer, or does not say what it cannot show")


def render_evidence(content: EvidenceContent) -> str:
    """Render the page.

    Parameters
    ----------
    content : EvidenceContent

    Returns
    -------
    str
        HTML; opens without a network and without the files beside it. Text from files is escaped.
    """
    return (
        _templates()
        .get_template("evidence.html.j2")
        .render(
            content=content,
            version=__version__,
            notice=facts.notice(),
            sides=facts.load("outputs")["dataset"]["sides"] if content.sides else "",
            drawn=lambda shown: {"picture": shown, "file": shown.file, **embedded(shown.png)},
            inputs=[(one["File"], one["SHA256"]) for one in content.provenance.get("Inputs", ())],
            colours={},
            verdict_words={},
            verdict_shapes={},
        )
    )
