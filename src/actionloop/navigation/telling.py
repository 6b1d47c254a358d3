"""What every export says in words: notice, frame, image, side; and what it may carry over from another file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from actionloop import __version__, facts
from actionloop.errors import GeometryError
from actionloop.navigation.conventions import image_frame, require_something, require_tied
from actionloop.navigation.found import NavigationFile, Space
from actionloop.navigation.laterality import plain, side_of, statement, with_side
from actionloop.types import SIDES, CoilPose, Image, ImageTie

_HEADER, _VOXELS = (re.compile(rf"image {what} sha256: ([0-9a-f]{{64}})") for what in ("header", "voxels"))
_FRAME = re.compile(r"\bframe: (.{1,200}?)(?: \(NIfTI [SQ]form, [^)]*\)|$)", re.MULTILINE)

ON_A_TEMPLATE = "These places are on a template head, not on a person: never navigate a person with them."


def tell_frame(image: Image) -> list[str]:
    """Say notice, program, frame and image in one line each.

    Raises
    ------
    GeometryError
        The image's qform and sform disagree or are missing.
    """
    frame = image_frame(image)
    told = [
        facts.notice(),
        f"actionloop {__version__}",
        f"frame: {plain(image.frame)} (NIfTI {frame.form}form, {frame.name}; millimetres)",
        f"image header sha256: {image.header_sha256}",
    ]
    if image.voxels_sha256:
        told.append(f"image voxels sha256: {image.voxels_sha256}")
    if frame.template:
        told.append(ON_A_TEMPLATE)
    return told


def unverified(system: str) -> str:
    """Say that no real file of a system was at hand."""
    return (
        f"UNVERIFIED: this {system} file was written from the published format, without a real file of that system to "
        "compare with; check one pose in it by eye before use"
    )


def told_tie(text: str) -> ImageTie | None:
    """Find the image that an export of ours says it belongs to.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    ImageTie or None
        None in a file that says none, or several.
    """
    headers = set(_HEADER.findall(text))
    if len(headers) != 1:
        return None
    voxels, frames = set(_VOXELS.findall(text)), _FRAME.findall(text)
    # In JSON the name stands with its quotes escaped.
    frame = frames[0].replace('\\"', '"').replace("\\\\", "\\") if frames else ""
    return ImageTie(frame, headers.pop(), voxels.pop() if len(voxels) == 1 else "")


def name_poses(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    kept: NavigationFile | None,
    system: str,
    space: Space = "RAS",
) -> list[tuple[str, str]]:
    """Name each pose with its side and say its side beside the sign of its x, or refuse to write.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
    kept : NavigationFile or None
        Entries that are written back as they were read.
    system : str
        That writes; `kept` must be its own.
    space : {'RAS', 'LPS'}
        Of the file to be written; what is kept cannot be turned.

    Returns
    -------
    list of (str, str)
        E.g. ('M1 L (left)', 'M1 L (left): LEFT hemisphere, x = -43.2 mm, negative (RAS: left is negative)').

    Raises
    ------
    GeometryError
        Poses of another image, two of one name, a name that contradicts its place, or kept entries that do not fit.
    EmptyRegionError
        Nothing to write.
    """
    there = kept.entries if kept else ()
    require_something(len(poses) + len(there))
    require_tied(poses, image)
    if kept and (kept.system, kept.space) != (system, space):
        raise GeometryError(
            f"entries read from {kept.system} in {kept.space} cannot be written back unchanged to {system} in {space}",
            where=kept.source or None,
            fix="write the same system in the same space, or export the entries as poses of the image",
        )
    if any(entry.raw.get("image_header_sha256") not in (None, "", image.header_sha256) for entry in there):
        raise GeometryError(
            "entries to be written back unchanged belong to another image",
            where=(kept.source if kept else "") or None,
            fix="export with the image that they were made on",
        )
    if kept and kept.tie is not None:
        why = replace(kept.tie, frame=image.frame).why_not(image.tie)
        if why:
            raise GeometryError(
                f"the file of the entries to be written back unchanged {why}",
                where=kept.source or None,
                fix="export with the image that they were made on",
            )
    named = []
    # Our own exports append the side to a name; readers take it off again.
    seen = {with_side(entry.label, side) for entry in there for side in SIDES.values()}
    seen |= {entry.label for entry in there}
    for pose in poses:
        side = side_of(pose.label, pose.matrix[:3, 3], image)
        name = with_side(plain(pose.label), side)
        if name in seen:
            raise GeometryError(
                f"two poses have the name {name!r}; the navigator could not tell them apart", fix="rename one of them"
            )
        seen.add(name)
        named.append((name, statement(name, float(pose.matrix[0, 3]), side)))
    return named


def tell_kept(kept: NavigationFile | None) -> list[str]:
    """Say how many entries stand in an export as they were read, if any."""
    if not kept or not kept.entries:
        return []
    return [
        f"{len(kept.entries)} entries stand here as they were read from {plain(kept.source) or 'another file'}; "
        "whether they belong to this image was not checked beyond what that file says."
    ]
