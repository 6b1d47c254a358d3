"""What the page is made of: filled in by the pipeline, rendered by `render_report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actionloop.types import Anatomy, NetworkMap, Piece, SiteReading, Target

Section = Literal["quality", "maps", "targets", "controls"]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of the page, also saved beside it.

    Attributes
    ----------
    key : str
        The `desc` of its file name: letters and digits only, unique on the page.
    section : {'quality', 'maps', 'targets', 'controls'}
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
    controls: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    methods: Sequence[str] = ()
    references: Sequence[str] = ()
    written: Sequence[tuple[str, str]] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    rotatable: bool = True
