"""Localite's XML lists of instrument markers and trigger markers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from actionloop import facts
from actionloop.errors import InputError
from actionloop.navigation.conventions import (
    LOCALITE_AXES,
    LPS_TO_RAS,
    image_frame,
    require_something,
    require_tied,
    rigid,
)
from actionloop.navigation.laterality import plain, side_of, statement, with_side, without_side
from actionloop.types import CoilPose, FloatArray, Image

_OURS = "actionloop: "
_NOTE = "; note: "


def write_localite(poses: Sequence[CoilPose], *, image: Image) -> str:
    """Write coil poses as a Localite list of instrument markers, in RAS.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The image that the Localite session is made from.

    Returns
    -------
    str
        XML. Each marker's description ends in '(left)' or '(right)', and its additionalInformation says the sign of
        its x, the frame, the image's header hash and the research-use notice.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, or a name that contradicts its place.
    EmptyRegionError
        Nothing to write.
    """
    require_something(len(poses))
    require_tied(poses, image)
    frame = image_frame(image)
    told = [facts.notice(), f"frame: {plain(image.frame)}", f"image header sha256: {image.header_sha256}"]
    if frame.template:
        told.append("These places are on a template head, not on a person: never navigate a person with them.")
    markers = []
    for index, pose in enumerate(poses):
        matrix = pose.matrix @ LOCALITE_AXES
        side = side_of(pose.label, matrix[:3, 3], image)
        name = with_side(plain(pose.label), side)
        said = statement(name, float(matrix[0, 3]), side)
        told.append(said)
        about = f"{_OURS}{said}; frame {plain(image.frame)}; image {image.header_sha256}; {facts.notice()}"
        if pose.note:
            about += _NOTE + plain(pose.note)
        markers.append(_marker(index, name, about, matrix))
    # Two hyphens may not stand side by side in an XML comment.
    comment = "\n".join(re.sub(r"-(?=-)", "- ", line) for line in told)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<InstrumentMarkerList coordinateSpace="RAS">\n'
        f"    <!--\n{comment}\n    -->\n{''.join(markers)}</InstrumentMarkerList>\n"
    )


def read_localite(text: str, *, source: str = "") -> list[CoilPose]:
    """Read the coil poses of a Localite list of instrument markers or trigger markers.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.

    Returns
    -------
    list of CoilPose
        RAS mm. Markers whose matrix is the identity were not tracked and are left out. `frame` and `image_sha256`
        are those of the export for our own files, else 'Localite' and ''.

    Raises
    ------
    InputError
        Not such a list, damaged XML, or a coordinate space that is neither RAS nor LPS.
    GeometryError
        Axes that are no right-handed rotation.
    """
    root = _root(text, source)
    space = root.get("coordinateSpace")
    if space not in ("RAS", "LPS"):
        raise InputError(
            f"the marker list names the coordinate space {space!r}, expected RAS or LPS",
            where=source or None,
            fix="without it left and right cannot be told; export from a Localite version that writes it",
        )
    to_ras = np.eye(4) if space == "RAS" else LPS_TO_RAS
    poses: list[CoilPose] = []
    for element in root:
        marker = element.find("Marker") if element.tag == "InstrumentMarker" else element
        values = None if marker is None else marker.find("Matrix4D")
        if marker is None or values is None:
            continue
        label = plain(marker.get("description", "")) or f"{element.tag} {_number(element, len(poses))}"
        theirs = _matrix(values, label, source)
        if np.allclose(theirs, np.eye(4), atol=1e-9):
            continue
        frame, sha256, note = "Localite", "", ""
        about = marker.get("additionalInformation", "")
        if about.startswith(_OURS):
            label = without_side(label)
            note = about.partition(_NOTE)[2]
            tied = re.search(r"; frame (.*?); image ([0-9a-f]+);", about)
            frame, sha256 = tied.groups() if tied else (frame, sha256)
        matrix = rigid(to_ras @ theirs @ LOCALITE_AXES, label=label, where=source)
        poses.append(CoilPose(matrix, frame, sha256, label, note))
    return poses


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
    # A marker list needs no document type, and entities are how hostile XML reads files or fills the memory.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError("the XML declares a document type, which no Localite list does", where=source or None)
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff").encode())  # noqa: S314 - entities were refused above
    except ElementTree.ParseError as error:
        raise InputError(
            f"the XML is damaged ({error})", where=source or None, fix="export the markers again"
        ) from None
    if root.tag not in ("InstrumentMarkerList", "TriggerMarkerList"):
        raise InputError(
            f"expected a Localite InstrumentMarkerList or TriggerMarkerList, found {root.tag!r}",
            where=source or None,
            fix="give the file of markers, not the one that refers to it",
        )
    return root


def _number(element: ElementTree.Element, position: int) -> str:
    return element.get("recordingTime") or element.get("index") or str(position)


def _matrix(values: ElementTree.Element, label: str, source: str) -> FloatArray:
    try:
        return np.array([[float(values.attrib[f"data{i}{j}"]) for j in range(4)] for i in range(4)])
    except (KeyError, ValueError):
        raise InputError(
            f"the matrix of {label!r} is incomplete", where=source or None, fix="export the markers again"
        ) from None
