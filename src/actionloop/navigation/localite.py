"""Localite's XML lists of instrument markers and trigger markers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.navigation.conventions import LOCALITE_AXES, LPS_TO_RAS, rigid
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.navigation.laterality import plain
from actionloop.navigation.parsing import MAX_POSES, parse_xml, require_bottom_row
from actionloop.navigation.telling import name_poses, tell_frame, tell_kept
from actionloop.types import CoilPose, FloatArray, Image, ImageTie

_OURS = "actionloop: "
_TIE = re.compile(r"; frame (.*?); image ([0-9a-f]{1,64});(?: voxels ([0-9a-f]{1,64});)?")
_NOTE = "; note: "
_MARKERS = {"InstrumentMarkerList": "InstrumentMarker", "TriggerMarkerList": "TriggerMarker"}
# Colours and responses of a session's pulses; their poses are in the marker lists that it names.
_REFERENCES = "LocTMSTriggerData"


def write_localite(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    space: Literal["RAS", "LPS"] = "RAS",
    kept: NavigationFile | None = None,
) -> str:
    """Write coil poses as a Localite list of instrument markers.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the Localite session is made from.
    space : {'RAS', 'LPS'}
        RAS for a session made from NIfTI, LPS for one made from DICOM.
    kept : NavigationFile, optional
        Instrument markers read by `read_localite_file`, written first and unchanged.

    Returns
    -------
    str
        XML. Each marker's description ends in '(left)' or '(right)', and its additionalInformation says the sign of
        its x (RAS in either space), the frame, the image's header hash and the research-use notice.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, or
        kept markers of another space, image or kind.
    EmptyRegionError
        Nothing to write.
    OptionError
        A space that is neither RAS nor LPS.
    """
    if space not in ("RAS", "LPS"):
        raise OptionError(f"the space {space!r} is neither RAS nor LPS", where="space")
    told = tell_frame(image) + tell_kept(kept)
    if space == "LPS":
        told.append("The matrices are LPS (x to the left, y to the back); every x said in words is RAS.")
    named = name_poses(poses, image=image, kept=kept, system="Localite", space=space)
    markers = _kept_markers(kept, image)
    first = 1 + max(
        (int(n) for n in re.findall(r'<InstrumentMarker [^>]*?index="(\d{1,6})"', "".join(markers))), default=-1
    )
    for index, (pose, (name, said)) in enumerate(zip(poses, named, strict=True), start=first):
        matrix = (np.eye(4) if space == "RAS" else LPS_TO_RAS) @ pose.matrix @ LOCALITE_AXES
        told.append(said)
        about = f"{_OURS}{said}; frame {plain(image.frame)}; image {image.header_sha256}; "
        about += f"voxels {image.voxels_sha256}; " * bool(image.voxels_sha256) + facts.notice()
        if pose.note:
            about += _NOTE + plain(pose.note)
        markers.append(_marker(index, name, about, matrix))
    # Two hyphens may not stand side by side in an XML comment.
    comment = "\n".join(re.sub(r"-(?=-)", "- ", line) for line in told)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<InstrumentMarkerList coordinateSpace="{space}">\n'
        f"    <!--\n{comment}\n    -->\n{''.join(markers)}</InstrumentMarkerList>\n"
    )


def read_localite_file(text: str, *, source: str = "") -> NavigationFile:
    """Read a Localite list of instrument markers (targets) or trigger markers (samples), in RAS or LPS.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.

    Returns
    -------
    NavigationFile
        RAS mm. Markers whose matrix is the identity were not tracked: they are left out, and `skipped` says how many;
        it also says so where a file has no poses at all, as a session's trigger data, which only name the lists of
        markers. `raw` holds a marker's attributes, its responses to the pulse, and its whole element under 'xml'.

    Raises
    ------
    InputError
        Not such a list, damaged XML, or a coordinate space that is neither RAS nor LPS.
    GeometryError
        Axes that are no right-handed rotation.
    """
    root = _root(text, source)
    if root.tag == _REFERENCES:
        named = ", ".join(plain(one.text or "") for one in root.findall(".//fileReferencePath")[:4])
        why = f"{_REFERENCES} holds no poses" + (f"; they are in the files that it names: {named}" if named else "")
        return NavigationFile("Localite", "", "none: the file holds no places", "unknown", (), (why,), source=source)
    space: Literal["RAS", "LPS"] = "RAS" if root.get("coordinateSpace") == "RAS" else "LPS"
    kind: Literal["target", "sample"] = "target" if root.tag == "InstrumentMarkerList" else "sample"
    elements = root.findall(_MARKERS[root.tag])
    if len(elements) > MAX_POSES:
        raise InputError(f"the list has {len(elements)} markers, expected at most {MAX_POSES}", where=source or None)
    entries: list[Entry] = []
    skipped: list[str] = []
    untracked: list[str] = []
    for position, element in enumerate(elements):
        marker = element.find("Marker") if kind == "target" else element
        values = None if marker is None else marker.find("Matrix4D")
        if marker is None or values is None:
            skipped.append(f"{element.tag} {_number(element, position)} has no matrix and is left out")
            continue
        label = plain(marker.get("description", "")) or f"{element.tag} {_number(element, position)}"
        theirs = _matrix(values, label, source)
        if np.allclose(theirs, np.eye(4), atol=1e-9):
            untracked.append(label)
            continue
        to_ras = np.eye(4) if space == "RAS" else LPS_TO_RAS
        matrix = rigid(to_ras @ theirs @ LOCALITE_AXES, label=label, where=source)
        about = marker.get("additionalInformation", "")
        note = about.partition(_NOTE)[2] if about.startswith(_OURS) else plain(about)
        entries.append(Entry(kind, label, matrix, matrix[:3, 3].copy(), note, _raw(element, marker)))
    if untracked:
        skipped.append(
            f"{len(untracked)} of {len(elements)} markers hold the identity matrix (the coil was not tracked) and are "
            f"left out: {', '.join(untracked[:3])}{', ...' if len(untracked) > 3 else ''}"
        )
    if not entries:
        skipped.append("the file has no poses" if elements else "the file has no poses: its list of markers is empty")
    tie = _tie(entries[0]) if entries else None
    frame = f"coordinateSpace {space} of the session's image" if tie is None else tie.frame
    return NavigationFile("Localite", "", frame, space, tuple(entries), tuple(skipped), source=source, tie=tie)


def _tie(entry: Entry) -> ImageTie | None:
    """Image of an entry that we wrote."""
    about = entry.raw.get("additionalInformation", "")
    found = _TIE.search(about) if about.startswith(_OURS) else None
    return ImageTie(found[1], found[2], found[3] or "") if found else None


def _raw(element: ElementTree.Element, marker: ElementTree.Element) -> dict[str, object]:
    return {
        **element.attrib,
        **marker.attrib,
        "responses": {
            value.get("key", ""): value.get("response", "") for value in marker.findall("ResponseValues/Value")
        },
        "xml": ElementTree.tostring(element, encoding="unicode").strip(),
    }


def _kept_markers(kept: NavigationFile | None, image: Image) -> list[str]:
    markers = []
    for entry in kept.entries if kept else ():
        tied = _tie(entry)
        if entry.kind != "target" or (tied and tied.why_not(image.tie)):
            raise GeometryError(
                f"{entry.label!r} cannot stand unchanged among the targets of this image: "
                + ("it belongs to another image" if tied else "it is a trigger marker, where a pulse was given"),
                where=(kept.source if kept else "") or None,
                fix="leave it out, or export it as a pose of the image",
            )
        markers.append(f"    {entry.raw['xml']}\n")
    return markers


def _marker(index: int, name: str, about: str, matrix: FloatArray) -> str:
    rows = "\n".join(
        "                " + " ".join(f'data{i}{j}="{matrix[i, j]:.10f}"' for j in range(4)) for i in range(4)
    )
    return (
        f'    <InstrumentMarker alwaysVisible="false" index="{index}" selected="{str(index == 0).lower()}">\n'
        f"        <Marker additionalInformation={quoteattr(about)}\n"
        f'            color="#ff0000" description={quoteattr(name)} set="true">\n'
        f"            <Matrix4D\n{rows}/>\n"
        "        </Marker>\n    </InstrumentMarker>\n"
    )


def _root(text: str, source: str) -> ElementTree.Element:
    root = parse_xml(text, source=source)
    if root.tag == _REFERENCES:
        return root
    if root.tag not in _MARKERS:
        raise InputError(
            f"expected a Localite InstrumentMarkerList or TriggerMarkerList, found {plain(root.tag)!r}, which holds no "
            "poses",
            where=source or None,
            fix="give the file of markers",
        )
    space = root.get("coordinateSpace")
    if space not in ("RAS", "LPS"):
        raise InputError(
            f"the marker list names the coordinate space {space!r}, expected RAS or LPS",
            where=source or None,
            fix="without it left and right cannot be told; export from a Localite version that writes it",
        )
    return root


def _number(element: ElementTree.Element, position: int) -> str:
    return element.get("recordingTime") or element.get("index") or str(position)


def _matrix(values: ElementTree.Element, label: str, source: str) -> FloatArray:
    try:
        matrix = np.array([[float(values.attrib[f"data{i}{j}"]) for j in range(4)] for i in range(4)])
    except (KeyError, ValueError):
        raise InputError(
            f"the matrix of {label!r} is incomplete", where=source or None, fix="export the markers again"
        ) from None
    require_bottom_row(matrix, label=label, where=source)
    return matrix
