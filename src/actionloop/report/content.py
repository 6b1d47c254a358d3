"""What the page is made of: filled in by the pipeline, rendered by `render_report`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actionloop.report.coil import CoilContent
from actionloop.report.handed import HandedContent
from actionloop.report.screening import ScreeningContent
from actionloop.types import Anatomy, Hemisphere, NetworkMap, Piece, SiteReading, Target

Section = Literal["quality", "maps", "targets", "coil", "controls", "trust"]
Verdict = Literal["use", "caution", "none"]
Exports = Literal["written", "withheld", "forced", ""]

VERDICT_WORDS: Mapping[Verdict, str] = {
    "use": "use",
    "caution": "use with caution",
    "none": "no reliable target",
}
VERDICT_SHAPES: Mapping[Verdict, str] = {"use": "●", "caution": "▲", "none": "■"}
"""Verdicts differ in word and shape, so that print without colour shows them."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of the page, also saved beside it.

    Attributes
    ----------
    key : str
        The `desc` of its file name: letters and digits only, unique on the page.
    section : {'quality', 'maps', 'targets', 'coil', 'controls', 'trust'}
    png : bytes
    alt : str
        What a person who cannot see it should know.
    caption : str
    rank : int or None
        Rank of the target it belongs to, in section 'targets'.
    """

    key: str
    section: Section
    png: bytes
    alt: str
    caption: str
    rank: int | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose meaning the page need not know.

    Attributes
    ----------
    caption : str
    columns : sequence of str
        Headings, with units.
    rows : sequence of sequences
        Numbers are rounded for reading; None becomes a dash.
    note : str
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class TargetTrust:
    """How far one target can be trusted, for reading; NaN and None become a dash.

    Attributes
    ----------
    name : str
        Without the side.
    hemisphere : {'L', 'R'}
    verdict : {'use', 'caution', 'none'}
    rank : int or None
        Of the target on the page, which then shows the verdict; None where it is not there.
    probability : float
        That the true node lies within `near_mm`, calibrated.
    near_mm : float
    spread_mm, spread_95_mm : float
        Median and 95th percentile over resampled frames.
    present : float
        Share of resamples that have it.
    halves_mm : float
        Between its centres in the two halves.
    reasons : tuple of str
    minutes_more : float or None
        That would help.
    """

    name: str
    hemisphere: Hemisphere
    verdict: Verdict
    rank: int | None = None
    probability: float = math.nan
    near_mm: float = 5.0
    spread_mm: float = math.nan
    spread_95_mm: float = math.nan
    present: float = math.nan
    halves_mm: float = math.nan
    reasons: tuple[str, ...] = ()
    minutes_more: float | None = None


@dataclass(frozen=True, eq=False)
class SimilarityTrust:
    """Network similarity index (NSI) for reading.

    Attributes
    ----------
    value : float
    usable : float
        Published probability that such a scan is usable.
    rows : int
    prior : str
    """

    value: float
    usable: float
    rows: int
    prior: str


@dataclass(frozen=True, eq=False)
class TrustPart:
    """Tables and pictures of one kind of evidence, under a heading."""

    title: str
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, eq=False)
class TrustContent:
    """What the section 'How far to trust this' says; whatever is empty is left out.

    Attributes
    ----------
    judged : bool
        False where nothing could be found out of how reliable the map is.
    facts : mapping of str to str
        E.g. {'Usable data': '21.3 of 30.5 min'}.
    targets : sequence of TargetTrust
    similarity : SimilarityTrust or None
    exports : {'written', 'withheld', 'forced', ''}
        What became of the navigation files; '' says nothing.
    parts : sequence of TrustPart
        Their pictures are of section 'trust'.
    notes : sequence of str
    """

    judged: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)
    targets: Sequence[TargetTrust] = ()
    similarity: SimilarityTrust | None = None
    exports: Exports = ""
    parts: Sequence[TrustPart] = ()
    notes: Sequence[str] = ()

    @property
    def pictures(self) -> list[Picture]:
        """Every picture of the section."""
        return [picture for part in self.parts for picture in part.pictures]

    @property
    def reliable(self) -> bool:
        """True unless every target that was judged came out as none."""
        return not self.targets or any(target.verdict != "none" for target in self.targets)

    def of(self, rank: int) -> TargetTrust | None:
        """Return what is known of the target of this rank."""
        return next((target for target in self.targets if target.rank == rank), None)


@dataclass(frozen=True, eq=False)
class ReportContent:
    """Everything that the page of one person says.

    Attributes
    ----------
    label : str
        Participant label without 'sub-'.
    anatomy : Anatomy
    network_map : NetworkMap
    frame : str
        Frame of the exported coordinates, e.g. 'sub-01 T1w (scanner)'.
    session : str or None
    glance : mapping of str to str
        Facts for the top of the page, e.g. {'Data': '2 runs, 41.2 min', 'Prior': ..., 'Pain': 'left arm'}.
    warnings : sequence of str
        What the reader must know before using the numbers.
    runs : sequence of mappings
        One row per run; the keys of the first row are the headings.
    quality_notes : sequence of str
    networks : sequence of mappings
        From `actionloop.files.network_rows`.
    pieces : sequence of Piece
        SCAN nodes and AMN regions.
    targets : sequence of Target
    sites : sequence of SiteReading
    no_target_reason : str
        Why there is no target, if there is none.
    navigation_files : sequence of str
        Paths below OUT; empty if none were written.
    navigation_reason : str
        Why none were written.
    handed : HandedContent or None
        What other programs and people are given.
    controls : sequence of Table
    pictures : sequence of Picture
    methods : sequence of str
        Sentences of the methods paragraph.
    references : sequence of str
    written : sequence of (str, str)
        Key in data/outputs.toml and path below OUT of every file written.
    provenance : mapping
        From `actionloop.files.provenance`.
    rotatable : bool
        Embed the view that can be turned (about 3 MB).
    trust : TrustContent or None
        None where nothing was asked of the map's reliability, as of a map that was given.
    coil : CoilContent or None
        None where no pose was searched for.
    screening : ScreeningContent or None
        What is to be asked before anybody is stimulated.
    """

    label: str
    anatomy: Anatomy
    network_map: NetworkMap
    frame: str
    session: str | None = None
    glance: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    quality_notes: Sequence[str] = ()
    networks: Sequence[Mapping[str, Any]] = ()
    pieces: Sequence[Piece] = ()
    targets: Sequence[Target] = ()
    sites: Sequence[SiteReading] = ()
    no_target_reason: str = ""
    navigation_files: Sequence[str] = ()
    navigation_reason: str = ""
    handed: HandedContent | None = None
    controls: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    methods: Sequence[str] = ()
    references: Sequence[str] = ()
    written: Sequence[tuple[str, str]] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    rotatable: bool = True
    trust: TrustContent | None = None
    coil: CoilContent | None = None
    screening: ScreeningContent | None = None
