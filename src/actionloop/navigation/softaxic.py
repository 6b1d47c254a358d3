"""Softaxic's XML of stored coil positions (.stmpx): read only."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from actionloop.errors import InputError
from actionloop.navigation.conventions import rigid
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.navigation.laterality import plain
from actionloop.navigation.parsing import MAX_POSES, parse_xml
from actionloop.types import FloatArray

# Right-multiplied: their coil axes to ours.
SOFTAXIC_AXES: FloatArray = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])


def read_softaxic(text: str, *, source: str = "") -> NavigationFile:
    """Read the stored coil positions of a Softaxic file.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.

    Returns
    -------
    NavigationFile
        Samples, RAS mm. The file names neither its image nor its axes: they are taken as RAS mm of the image that
        the Softaxic project was made from, and `frame` says so. The points beside each position (`b`, `bm`, `bt`,
        `f`) are in `raw` only.

    Raises
    ------
    InputError
        Not such a file, damaged XML, or a position without its numbers.
    GeometryError
        Axes that are no right-handed rotation.
    """
    root = parse_xml(text, source=source, doctype="stmp")
    if root.tag != "stmp":
        raise InputError(
            f"expected a Softaxic list of positions (stmp), found {plain(root.tag)!r}",
            where=source or None,
            fix="export the stored positions from Softaxic as .stmpx",
        )
    entries: list[Entry] = []
    skipped: list[str] = []
    stored = root.findall(".//fmp")
    if len(stored) > MAX_POSES:
        raise InputError(f"the file has {len(stored)} positions, expected at most {MAX_POSES}", where=source or None)
    for number, element in enumerate(stored, start=1):
        label = plain(element.get("id", "")) or f"position {number}"
        place = element.find("fp")
        if place is None:
            skipped.append(f"{label!r} has no coil position (fp) and is left out")
            continue
        entries.append(_entry(element, place, label, source))
    if not entries:
        skipped.append("the file has no poses")
    datasets = ", ".join(plain(group.get("dataset", "")) for group in root.findall("fmpm"))
    frame = "the image of the Softaxic project, which the file does not name; taken as RAS mm"
    return NavigationFile(
        "Softaxic", "", f"{frame} (data set {datasets})" if datasets else frame, "RAS", tuple(entries), tuple(skipped),
        source=source,
    )  # fmt: skip


def _entry(element: ElementTree.Element, place: ElementTree.Element, label: str, source: str) -> Entry:
    matrix = np.eye(4)
    try:
        theirs = np.array([[float(place.attrib[f"m{i}{j}"]) for j in range(3)] for i in range(3)])
        matrix[:3, 3] = [float(place.attrib[axis]) for axis in "xyz"]
    except (KeyError, ValueError):
        raise InputError(
            f"the position {label!r} lacks numbers (m00 to m22, x, y, z)",
            where=source or None,
            fix="the file is damaged; export it again",
        ) from None
    matrix[:3, :3] = theirs @ SOFTAXIC_AXES
    clean = rigid(matrix, label=label, where=source)
    raw = {
        **element.attrib,
        **{part.tag: dict(part.attrib) for part in place},
        "fp": dict(place.attrib),
        "props": {one.get("id", ""): one.text or "" for one in element.findall("props/p")},
    }
    return Entry("sample", label, clean, clean[:3, 3].copy(), raw=raw)
