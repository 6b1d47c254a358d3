"""What the page says of files for navigation systems, imaging and the tape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HandedFile:
    """One file for other programs or people, as the page lists it.

    Attributes
    ----------
    name : str
        System, or what it shows.
    paths : tuple of str
        Below OUT.
    frame, verified, sides, note : str
    """

    name: str
    paths: tuple[str, ...]
    frame: str
    verified: str
    sides: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class HandedContent:
    """What the section 'Files for navigation, imaging and the tape' says.

    Attributes
    ----------
    groups : mapping of str to sequence of HandedFile
        By heading.
    left_out : sequence of (str, str)
        What is not there, and why.
    header_sha256, voxels_sha256 : str
        Of the image that places belong to; empty for none.
    statements : sequence of str
        Side of every exported target in words, beside the sign of its x.
    warning : str
        What must be known before any of it is used; empty for nothing.
    """

    groups: Mapping[str, Sequence[HandedFile]] = field(default_factory=dict)
    left_out: Sequence[tuple[str, str]] = ()
    header_sha256: str = ""
    voxels_sha256: str = ""
    statements: Sequence[str] = ()
    warning: str = ""
