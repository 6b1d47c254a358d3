"""What the report says of the files for navigation, imaging and the tape."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from actionloop import files
from actionloop.errors import GeometryError
from actionloop.pipeline.exported import ExportedFile, Handed, Kind
from actionloop.pipeline.imagingexports import ground_of
from actionloop.pipeline.navigationexports import told_name
from actionloop.pipeline.personjob import PersonResult
from actionloop.report import HandedContent, HandedFile
from actionloop.types import Image

_HEADINGS: dict[Kind, str] = {"navigation": "For navigation", "imaging": "For imaging", "tape": "For the tape"}
_TEMPLATE = (
    "Template anatomy: overlays and sheets lie on an average head and say so. They do not tell where a target lies in "
    "this person's head."
)


def handed_content(result: PersonResult, handed: Handed) -> HandedContent:
    """Put the exports together for the page.

    Parameters
    ----------
    result : PersonResult
    handed : Handed

    Returns
    -------
    HandedContent
    """
    image = ground_of(result) if handed.files else None
    return HandedContent(
        groups={heading: _rows(handed.of(kind)) for kind, heading in _HEADINGS.items()},
        left_out=handed.left_out,
        header_sha256="" if image is None else image.header_sha256,
        voxels_sha256="" if image is None else image.voxels_sha256,
        statements=() if image is None else _statements(result, image),
        warning=_TEMPLATE if handed.files and not result.head.anatomy.own else "",
    )


def _rows(found: list[ExportedFile]) -> list[HandedFile]:
    """Give files that differ in nothing but their path one row."""
    rows = []
    for about, same in groupby(found, key=lambda one: replace(one, path="")):
        paths = tuple(one.path for one in same)
        rows.append(HandedFile(about.name, paths, about.frame, about.verified, about.sides, about.note))
    return rows


def _statements(result: PersonResult, image: Image) -> list[str]:
    """Say the side of every exported target on the cortex."""
    said = []
    for target in result.exported:
        try:
            said.append(files.side_statement(told_name(result, target), target.xyz_ras, image))
        except GeometryError as error:
            said.append(error.problem)
    return said
