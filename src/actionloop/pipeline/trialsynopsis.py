"""The synopsis of a protocol as Markdown and as a page that opens without a network."""

from __future__ import annotations

from pathlib import Path

from actionloop import facts
from actionloop.files import write_text
from actionloop.report import EvidenceContent, EvidenceSection, Table, render_evidence
from actionloop.trial import Synopsis, SynopsisPart, as_markdown, write_synopsis
from actionloop.types import TrialProtocol

NAMES = ("synopsis.md", "synopsis.html")


def write_synopsis_files(folder: Path, protocol: TrialProtocol) -> tuple[Path, ...]:
    """Write what a protocol states into `synopsis.md` and `synopsis.html`; returns both paths."""
    synopsis = write_synopsis(protocol)
    texts = (f"> {facts.notice()}\n\n{as_markdown(synopsis)}", render_evidence(synopsis_content(protocol, synopsis)))
    paths = tuple(folder / name for name in NAMES)
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    return paths


def synopsis_content(protocol: TrialProtocol, synopsis: Synopsis) -> EvidenceContent:
    """Return the page of a synopsis."""
    known = facts.load("trial")["synopsis"]
    primary = next(one for one in protocol.analyses if one.role == "primary")
    return EvidenceContent(
        title="Synopsis of a trial's protocol",
        lead=protocol.title,
        answer=[
            f"{protocol.sample_size} participants in {len(protocol.arms)} arms; primary: "
            f"{protocol.outcome(primary.outcome).label} at {primary.visit.replace('_', ' ')}.",
            protocol.estimand.summary,
        ],
        sections=synopsis_sections(synopsis),
        limits=known["limits"],
        methods=[known["methods"]],
        glance={
            "Registration": protocol.registration or "none stated",
            "Arms": ", ".join(arm.label for arm in protocol.arms),
            "Centres": str(len(protocol.centres)),
            "Digest": synopsis.digest[:12],
        },
        references=synopsis.sources,
        files=[("Markdown", NAMES[0]), ("Protocol", "protocol.yaml")],
    )


def synopsis_sections(synopsis: Synopsis) -> list[EvidenceSection]:
    """Return a synopsis as the sections of a page."""
    return [_section(part) for part in synopsis.parts]


def _section(part: SynopsisPart) -> EvidenceSection:
    items = f"SPIRIT 2013: {part.item_2013}; SPIRIT 2025: {part.item_2025}."
    tables = [Table(part.heading, part.head, part.rows)] if part.rows else []
    return EvidenceSection(part.heading, (*part.lines, items), tables)
