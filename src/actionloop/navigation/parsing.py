"""Strangers' XML and JSON, taken as text: bounded, without entities, every failure told in one sentence."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from actionloop.errors import InputError
from actionloop.types import FloatArray

# A session of some thousand pulses takes about a megabyte.
MAX_CHARACTERS = 64_000_000
MAX_POSES = 100_000


def require_bounded(text: str, *, where: str) -> None:
    """Refuse a text that is too long to be a file of poses, before anything is parsed.

    Raises
    ------
    InputError
        Longer than `MAX_CHARACTERS`.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the file has {len(text):,} characters; a file of poses has at most {MAX_CHARACTERS:,}",
            where=where or None,
            fix="give the file of targets, not an image or a mesh",
        )


def parse_xml(text: str, *, source: str, doctype: str = "") -> ElementTree.Element:
    """Parse XML that declares no entities.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    doctype : str
        Document type that the format itself writes ('stmp' for '<!DOCTYPE stmp>'); anything more in it is refused.

    Returns
    -------
    Element

    Raises
    ------
    InputError
        Too long, damaged, or with a document type that the format does not have.
    """
    require_bounded(text, where=source)
    body = text.lstrip("\ufeff")
    if doctype:
        body = re.sub(rf"<!DOCTYPE\s+{re.escape(doctype)}\s*>", "", body, count=1)
    # Entities are how hostile XML reads files or fills the memory, and they need a document type.
    if "<!DOCTYPE" in body or "<!ENTITY" in body:
        raise InputError(
            "the XML declares a document type that no export of this system has",
            where=source or None,
            fix="export the file again; do not open files from people you do not know",
        )
    try:
        # As text, so that no declared encoding can hide what was looked for above.
        return ElementTree.fromstring(body)  # noqa: S314 - entities were refused above
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"the XML is damaged ({error})", where=source or None, fix="export the file again") from None


def parse_json(text: str, *, source: str) -> Any:
    """Parse JSON of bounded length and depth.

    Raises
    ------
    InputError
        Too long, damaged, or nested too deeply.
    """
    require_bounded(text, where=source)
    try:
        return json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"the JSON is damaged ({said})", where=source or None, fix="export the file again") from None


def require_bottom_row(matrix: FloatArray, *, label: str, where: str) -> None:
    """Refuse a 4 x 4 matrix that does not end in 0 0 0 1, before its translation is read from the wrong place.

    Raises
    ------
    InputError
        The matrix is transposed, or no pose.
    """
    last = np.array([0.0, 0.0, 0.0, 1.0])
    if np.allclose(matrix[3], last, atol=1e-6):
        return
    transposed = np.allclose(matrix[:, 3], last, atol=1e-6)
    raise InputError(
        f"the matrix of {label!r} ends in the row {' '.join(f'{value:g}' for value in matrix[3])}, expected 0 0 0 1"
        + (": it is transposed" if transposed else ""),
        where=where or None,
        fix="export the pose again with its axes in columns",
    )
