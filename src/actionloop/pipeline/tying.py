"""Poses of a navigation file tied to an image: by the hash that the file states, else on the user's word."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from actionloop.errors import GeometryError
from actionloop.navigation import NavigationFile, plain, poses_of, side_of
from actionloop.pipeline.onhead import Doubt, Look, doubt_frame, look_at_head
from actionloop.types import CoilPose, Image

_NAMED = 5
# Own choice: a coil this near to the midline stands over it.
_MIDLINE_MM = 10.0
# What one system or another does not allow in a name: two names that differ by these alone are one.
_FORBIDDEN = ("\t", ";", "#", '"')


def tied_image(found: NavigationFile, image: Image, *, where: Path) -> Image:
    """Return the image under the name of the frame that a file states, or refuse another image by its hash.

    Raises
    ------
    GeometryError
        Header or voxels are not those that the file states.
    """
    if found.tie is None:
        return image
    image = replace(image, frame=found.tie.frame or image.frame)
    why = replace(found.tie, frame=image.frame).why_not(image.tie)
    if why:
        raise GeometryError(
            f"the file {why}",
            where=where,
            fix="give the image that it was exported with; for another image give the transform between the two",
        )
    return image


def look_over(found: NavigationFile, image: Image | None, *, force: bool) -> tuple[list[Doubt], tuple[int, ...]]:
    """Doubt that a file which states no image belongs to this one; nothing to doubt where it states it.

    Parameters
    ----------
    found : NavigationFile
    image : Image or None
    force : bool
        Samples off the head are a reason to doubt, as any other pose.

    Returns
    -------
    doubts : list of Doubt
    stray : tuple of int
        Positions among `found.poses` of samples off the head.
    """
    if found.tie is not None or image is None:
        return [], ()
    named = [(entry.label, entry.matrix) for entry in found.entries if entry.matrix is not None]
    look = look_at_head(named, image, samples=() if force else samples_of(found)) if named else Look(None)
    doubts = [doubt_frame(found.frame, image), look.doubt]
    return [doubt for doubt in doubts if doubt is not None], look.stray


def samples_of(found: NavigationFile) -> tuple[int, ...]:
    """Return the positions, among a file's poses, of those that say where the coil was."""
    return tuple(position for position, entry in enumerate(found.poses) if entry.kind == "sample")


def leave_out(found: NavigationFile, stray: Collection[int], notes: list[str], *, kept: bool = False) -> NavigationFile:
    """Leave out the samples that lie off the head, and name them.

    Parameters
    ----------
    found : NavigationFile
    stray : collection of int
        Positions among its poses.
    notes : list of str
        Which samples these are is added.
    kept : bool
        The file is written back as it was read: they stay, and are named all the same.

    Returns
    -------
    NavigationFile
    """
    if not stray:
        return found
    off = [entry for position, entry in enumerate(found.poses) if position in stray]
    names = ", ".join(repr(entry.label) for entry in off[:_NAMED]) + (", ..." if len(off) > _NAMED else "")
    told = "stand in the new file as they were read" if kept else "were left out; --force writes them too"
    notes.append(
        f"{len(off)} of {len(samples_of(found))} samples do not lie on this head, as when the coil was lifted, and "
        f"{told}: {names}. check-export says how far off each is."
    )
    gone = {id(entry) for entry in off}
    return found if kept else replace(found, entries=tuple(one for one in found.entries if id(one) not in gone))


def named_poses(found: NavigationFile, image: Image | None, notes: list[str]) -> list[CoilPose]:
    """Return a file's poses, each tied and with a name of its own.

    Parameters
    ----------
    found : NavigationFile
    image : Image or None
        That a file which states none is tied to.
    notes : list of str
        What was done is added, in sentences.

    Returns
    -------
    list of CoilPose
        In the file's order.
    """
    poses = poses_of(found)
    if found.tie is None and image is not None:
        said = f"read from {found.system} ({found.frame}) and tied to {image.frame} on the word of who converted it"
        poses = [replace(pose, tie=image.tie, note=_joined(pose.note, said)) for pose in poses]
        notes.append(
            f"The file states no image: its {len(poses)} poses were tied to {image.frame} on your word, after a look "
            "at its scalp."
        )
    elif found.tie is not None:
        notes.append(f"The file states its image by hash: {found.tie.frame}, header {found.tie.header_sha256[:12]}.")
    named: list[CoilPose] = []
    seen: set[str] = set()
    renamed = 0
    for pose, entry in zip(poses, found.poses, strict=True):
        label, number = pose.label, 1
        while plain(label, forbidden=_FORBIDDEN) in seen:
            number += 1
            label = f"{pose.label}, {number}"
        renamed += number > 1
        seen.add(plain(label, forbidden=_FORBIDDEN))
        note = _joined(pose.note, "sample: where the coil was") if entry.kind == "sample" else pose.note
        named.append(replace(pose, label=label, note=note))
    if renamed:
        notes.append(f"{renamed} poses had the name of another one and got a number after it.")
    return named


def require_sides(poses: Sequence[CoilPose], image: Image) -> None:
    """Refuse names that contradict the places, where entries are written back as they were.

    Raises
    ------
    GeometryError
    """
    for pose in poses:
        try:
            side_of(pose.label, pose.matrix[:3, 3], image)
        except GeometryError as error:
            # A name that says no side contradicts nothing, and nobody is asked to change it here.
            if " is named " in error.problem:
                raise


def sided(poses: Sequence[CoilPose], image: Image, notes: list[str]) -> list[CoilPose]:
    """Put a side into the names of poses over the midline whose names say none: that of the sign of x."""
    middle_mm = float((image.affine @ [*(np.array(image.data.shape) - 1) / 2, 1])[0])
    named = []
    for pose in poses:
        x = float(pose.matrix[0, 3])
        try:
            side_of(pose.label, pose.matrix[:3, 3], image)
        except GeometryError as error:
            # Farther off, origin and image disagree about where the middle of the head is: then nobody knows.
            if max(abs(x), abs(x - middle_mm)) > _MIDLINE_MM or " is named " in error.problem:
                raise
            label = f"{pose.label} {'L' if x < 0 else 'R'}"
            note = _joined(pose.note, f"over the midline (x = {x:+.1f} mm); the side in its name is that sign")
            named.append(replace(pose, label=label, note=note))
            notes.append(f"{pose.label} stands over the midline; its name got the side of x = {x:+.1f} mm.")
        else:
            named.append(pose)
    return named


def tell_kinds(found: NavigationFile, system: str, notes: list[str]) -> None:
    """Say what of a file the poses of another do not hold: points, and which poses are where the coil was."""
    points = [entry.label for entry in found.entries if entry.matrix is None]
    if points:
        more = ", ..." if len(points) > _NAMED else ""
        notes.append(f"{len(points)} points without a coil were left out: {', '.join(points[:_NAMED])}{more}.")
    samples = sum(entry.kind == "sample" for entry in found.poses)
    if samples and system != "InVesalius":
        notes.append(f"{samples} samples (where the coil was) were written as targets; their notes say so.")


def answer(
    doubts: Sequence[Doubt], poses: list[CoilPose], notes: list[str], *, force: bool, where: Path
) -> list[CoilPose]:
    """Refuse poses in doubt, or say the doubt in every note where the user insists.

    Raises
    ------
    GeometryError
        Not forced.
    """
    problem = "; ".join(doubt.problem for doubt in doubts)
    if not force:
        raise GeometryError(problem, where=where, fix=f"{doubts[0].fix}; --force writes them all the same and says so")
    notes.append(f"FORCED: {problem}")
    return [replace(pose, note=_joined(pose.note, f"FORCED although {problem}")) for pose in poses]


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
