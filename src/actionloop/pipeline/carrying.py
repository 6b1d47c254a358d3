"""From one image to another by a registration, and which way it is gone."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.files import AffineTransform, Toward, carry_pose, read_transform
from actionloop.pipeline.onhead import Doubt, Look, look_at_head
from actionloop.types import CoilPose, Image


@dataclass(frozen=True, eq=False)
class Way:
    """A registration, the image of it that poses are carried to, and what told so.

    Attributes
    ----------
    transform : AffineTransform
    to : {'reference', 'moving'}
    told : str
    """

    transform: AffineTransform
    to: Toward
    told: str


def find_way(path: Path, *, start: Image | None, name: str, image: Image, asked: Toward | None) -> Way:
    """Read a registration and find out in which direction it leads to an image.

    Parameters
    ----------
    path : Path
    start : Image or None
        Where the poses are; None where only its name is known.
    name : str
        Of that image, in place of `start`.
    image : Image
        Where they are carried to.
    asked : {'reference', 'moving'} or None
        What the user says; needed only where nothing else tells.

    Returns
    -------
    Way
        Without any sign of the direction: to the reference image, and `told` says so.

    Raises
    ------
    InputError, GeometryError
        Of `read_transform`; FSL's without `start`.
    OptionError
        The user says one direction, and the transform the other.
    """
    fitting: dict[Toward, AffineTransform] = {}
    failed: list[GeometryError] = []
    ways: tuple[Toward, Toward] = ("reference", "moving")
    for way in ways if asked != "moving" else ways[::-1]:
        one = _read(path, start=start, image=image, to=way)
        if isinstance(one, AffineTransform):
            fitting[way] = one
        else:
            failed.append(one)
    if not fitting:
        raise failed[0]
    told: Toward | None = next(iter(fitting))
    by = "by the images that the transform names"
    if len(fitting) > 1:
        told, by = _by_name(fitting["reference"], path, start, name, image), "by the transform's name"
    if told and asked and told != asked:
        raise OptionError(
            f"--transform-to {asked} contradicts the transform, which leads to its {told} image here ({by})",
            where=path,
            fix="leave --transform-to out, or give the other transform",
        )
    to: Toward = told or asked or "reference"
    by = by if told else "as asked" if asked else "nothing tells the direction; --transform-to moving is the other way"
    origin = "moving" if to == "reference" else "reference"
    return Way(fitting[to], to, f"from the {origin} to the {to} image of {path.name} ({by})")


def carry(poses: Sequence[CoilPose], way: Way, image: Image) -> list[CoilPose]:
    """Carry poses to an image; their notes say from where, by what, and which way."""
    moved = [carry_pose(pose, way.transform, to=way.to, image=image) for pose in poses]
    return [replace(pose, note=f"{pose.note}; carried {way.told}") for pose in moved]


def look_after(
    poses: Sequence[CoilPose], way: Way, image: Image, *, samples: Collection[int] = ()
) -> tuple[list[Doubt], tuple[int, ...]]:
    """Doubt poses that do not lie on the head that they were carried to.

    Parameters
    ----------
    poses : sequence of CoilPose
    way : Way
    image : Image
    samples : collection of int
        Positions of poses that say where the coil was.

    Returns
    -------
    doubts : list of Doubt
    stray : tuple of int
        Positions of the samples off the head, as of `look_at_head`.
    """
    look = look_at_head([(pose.label, pose.matrix) for pose in poses], image, samples=samples) if poses else Look(None)
    if look.doubt is None:
        return [], look.stray
    other = "moving" if way.to == "reference" else "reference"
    fix = f"check that the transform leads to this image, and which way (--transform-to {other} is the other one)"
    return [Doubt(f"carried {way.told}: {look.doubt.problem}", fix)], look.stray


def _read(path: Path, *, start: Image | None, image: Image, to: Toward) -> AffineTransform | GeometryError:
    moving, reference = (start, image) if to == "reference" else (image, start)
    try:
        return read_transform(path, moving=moving, reference=reference)
    except InputError as error:
        if start is None and "two images" in error.problem:
            raise InputError(error.problem, where=path, fix="give the image of the poses (--from-image)") from None
        raise
    except GeometryError as error:
        # Images that are not those of the file: perhaps they are the other way round.
        return error


def _by_name(found: AffineTransform, path: Path, start: Image | None, name: str, image: Image) -> Toward | None:
    if "_from-" not in path.name:
        return None
    here = _words(f"{name} {Path(start.source).name if start else ''}")
    there = _words(f"{image.frame} {Path(image.source).name}")
    moving, reference = found.moving.lower(), found.reference.lower()
    forward = (moving in here) + (reference in there)
    backward = (moving in there) + (reference in here)
    return None if forward == backward else "reference" if forward > backward else "moving"


def _words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9+]+", text.lower()))
