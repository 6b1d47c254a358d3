"""NIBS-BIDS (BEP037, a proposal): coil poses as '*_markers.tsv' with its sidecar."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from actionloop import __version__
from actionloop.errors import GeometryError
from actionloop.navigation.exchange import OUR_AXES, Saying, tell
from actionloop.navigation.found import NavigationFile, Space
from actionloop.navigation.laterality import plain
from actionloop.navigation.nibsbidsfile import (
    COIL,
    DIRECTION,
    NORMAL,
    NOTE,
    OWN_SCAN,
    PROPOSAL,
    XYZ,
    MarkersFile,
    read_nibsbids,
)
from actionloop.navigation.parsing import parse_json
from actionloop.navigation.verbatim import require_kept, write_as_read
from actionloop.types import CoilPose, Image

__all__ = ["read_nibsbids", "write_nibsbids"]

_COLUMNS = ("target_id", "target_label", "target_description", "coil_transform", *COIL, *NORMAL, *DIRECTION)


def write_nibsbids(
    poses: Sequence[CoilPose], *, image: Image, intended_for: str = "", kept: NavigationFile | None = None
) -> tuple[str, str]:
    """Write coil poses as the text of '*_markers.tsv' and of its JSON sidecar.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
    intended_for : str
        BIDS URI of that image, e.g. 'bids::sub-01/anat/sub-01_T1w.nii.gz'.
    kept : NavigationFile, optional
        From `read_nibsbids`: its rows stand first and as they were, and without new poses its sidecar too.

    Returns
    -------
    markers_tsv, markers_json : str
        The sidecar is empty where a table without one is written back.
        One row per pose: the whole matrix, and again its origin, its z (normal) and its y (direction). The fields
        NIBSCoordinateSystem, -Units and -Description of the sidecar are also those of '*_coordsystem.json'.

    Raises
    ------
    GeometryError
        Poses of another image, qform and sform that disagree or are missing, a name that contradicts its place, or
        kept rows of another image or with other axes or columns than ours.
    EmptyRegionError
        Nothing to write.

    Notes
    -----
    The proposal says neither which way the axes of coil_transform point nor how the matrix stands in a cell; here it
    is a JSON array of four rows, and the sidecar names the axes.
    """
    if kept is not None:
        require_kept(kept, image)
    space: Space = kept.space if kept is not None and not poses else "RAS"
    general, sayings = tell(poses, image=image, system="NIBS-BIDS", forbidden=("\t",), kept=kept, space=space)
    columns, text, before, first = _COLUMNS, "\t".join(_COLUMNS) + "\n", dict[str, Any](), 1
    if kept is not None and kept.entries:
        text = write_as_read(kept, system="NIBS-BIDS")
        if not poses:
            return text, kept.sidecar if isinstance(kept, MarkersFile) else ""
        columns, before, first = _beside(kept, {saying.name for saying in sayings})
        text += "" if text.endswith(("\n", "\r")) else "\n"
    lines = []
    for index, (pose, saying) in enumerate(zip(poses, sayings, strict=True), first):
        matrix = [[round(float(pose.matrix[i, j]), 6 if j == 3 else 9) for j in range(4)] for i in range(4)]
        three = [pose.matrix[:3, column] for column in (3, 2, 1)]
        described = saying.said + (NOTE + saying.note if saying.note else "")
        cells = [f"pose{index:03d}", saying.name, described, json.dumps(matrix, separators=(",", ":"))]
        row = dict(zip(_COLUMNS, [*cells, *(f"{value:.6f}" for vector in three for value in vector)], strict=True))
        lines.append("\t".join(row.get(name, "n/a") for name in columns) + "\n")
    sidecar = _sidecar(general, sayings, image, intended_for)
    sides = before.get("actionloop", {}).get("Sides", [])
    sidecar["actionloop"]["Sides"] = [*sides, *sidecar["actionloop"]["Sides"]]
    return text + "".join(lines), json.dumps({**before, **sidecar}, ensure_ascii=False, indent=1) + "\n"


def _beside(kept: NavigationFile, new: set[str]) -> tuple[tuple[str, ...], dict[str, Any], int]:
    """Columns, sidecar and next number of a table that new rows can stand in."""
    where = kept.source or None
    columns = tuple(kept.entries[0].raw)
    about = parse_json(kept.sidecar or "{}", source=kept.source) if isinstance(kept, MarkersFile) else {}
    own = about.get("actionloop")
    if not isinstance(own, dict) or own.get("CoilAxes") != OUR_AXES or not set(_COLUMNS) <= set(columns):
        raise GeometryError(
            "the rows that are to stand first are not of actionloop: their sidecar does not name our coil axes, or "
            "they have other columns",
            where=where,
            fix="export the new poses to a table of their own",
        )
    twice = new & {plain(entry.raw["target_label"]) for entry in kept.entries}
    if twice:
        raise GeometryError(
            f"the table has a pose named {min(twice)!r} already; the navigator could not tell them apart",
            where=where,
            fix="rename one of them",
        )
    taken = [re.fullmatch(r"pose(\d{1,9})", entry.raw["target_id"]) for entry in kept.entries]
    return columns, dict(about), max((int(one[1]) for one in taken if one), default=0) + 1


def _sidecar(general: Sequence[str], sayings: Sequence[Saying], image: Image, intended_for: str) -> dict[str, Any]:
    told: dict[str, Any] = {"NIBSCoordinateSystem": OWN_SCAN, "NIBSCoordinateUnits": "mm"}
    told["NIBSCoordinateSystemDescription"] = f"RAS mm of the image {plain(image.frame)}. " + " ".join(general)
    if intended_for:
        told["IntendedFor"] = intended_for
    columns = {
        "target_id": "Identifier of the pose within this file",
        "target_label": "Name of the target with its side",
        "target_description": "Side in words beside the sign of x, and how sure the pose is",
        "coil_transform": f"4 x 4 matrix as JSON rows, coil to RAS mm; {OUR_AXES}",
    }
    told |= {name: {"Description": text} for name, text in columns.items()}
    for names, text in (
        (COIL, "middle of the coil's face"),
        (NORMAL, "z axis of the coil: unit vector into the head"),
        (DIRECTION, "y axis of the coil: unit vector away from the handle"),
    ):
        unit = {"Units": "mm"} if names is COIL else {}
        told |= {
            name: {"Description": f"{axis} of the {text}, RAS"} | unit for axis, name in zip(XYZ, names, strict=True)
        }
    told["actionloop"] = {
        "Version": __version__,
        "Proposal": PROPOSAL,
        "CoilAxes": OUR_AXES,
        "ImageHeaderSHA256": image.header_sha256,
        "ImageVoxelsSHA256": image.voxels_sha256,
        "About": list(general),
        "Sides": [one.said for one in sayings],
    }
    return told
