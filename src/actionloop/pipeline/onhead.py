"""Whether poses that name no image lie on the head of the image that they are said to belong to."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from actionloop import files
from actionloop.brain import Scalp, find_scalp
from actionloop.errors import GeometryError, ResourceError
from actionloop.navigation import LPS_TO_RAS, image_frame, judge_head
from actionloop.types import FloatArray, Image

# At the start of a word: SimNIBS is no template.
_TEMPLATE = re.compile(r"(?<![A-Za-z])(?:MNI|ICBM|Talairach|TLRC|fsaverage|colin27)", re.IGNORECASE)
_NAMED = 3


@dataclass(frozen=True)
class Doubt:
    """Why poses may not belong to an image.

    Attributes
    ----------
    problem, fix : str
        As in an error.
    """

    problem: str
    fix: str


@dataclass(frozen=True)
class Look:
    """What a look at a head found of poses.

    Attributes
    ----------
    doubt : Doubt or None
        Of all poses.
    stray : tuple of int
        Positions of the samples that lie off the head while the others lie on it: the coil was lifted.
    """

    doubt: Doubt | None
    stray: tuple[int, ...] = ()


@cache
def template_scalp() -> Scalp:
    """Return the scalp of the MNI template."""
    return find_scalp(files.template_image())


def names_template(frame: str) -> bool:
    """Tell whether a file's words for its coordinate system name a template's."""
    return _TEMPLATE.search(frame) is not None


def fits_turned(matrices: Sequence[FloatArray], scalp: Scalp) -> bool:
    """Tell whether poses lie on a scalp with x and y negated."""
    return not judge_head([LPS_TO_RAS @ matrix for matrix in matrices], scalp=scalp)


def fits_template(matrices: Sequence[FloatArray]) -> bool:
    """Tell whether poses lie on the MNI template's scalp; False where the template is not installed."""
    try:
        return not judge_head(matrices, scalp=template_scalp())
    except ResourceError:
        return False


def doubt_frame(frame: str, image: Image) -> Doubt | None:
    """Doubt a file that names a template's coordinates, on an image that is a person's.

    Parameters
    ----------
    frame : str
        The coordinate system in the file's words.
    image : Image

    Raises
    ------
    GeometryError
        The image's qform and sform disagree or are missing.
    """
    found = image_frame(image)
    if found.template or not names_template(frame):
        return None
    return Doubt(
        f"the file is in {frame}, a template's coordinates, and the image is a person's ({found.name})",
        "carry the places to the person's image by a registration (--transform), or give the template's image",
    )


def look_at_head(named: Sequence[tuple[str, FloatArray]], image: Image, *, samples: Collection[int] = ()) -> Look:
    """Doubt poses that do not lie on the scalp of an image, and say what they look like instead.

    Parameters
    ----------
    named : sequence of (str, (4, 4) float ndarray)
        Label and pose, RAS mm.
    image : Image
        A whole head.
    samples : collection of int
        Positions of poses that say where the coil was. Where most of them lie on the head, those that do not are
        strays: told by position, and no reason to doubt the others.

    Returns
    -------
    Look
    """
    try:
        scalp = find_scalp(image)
    except GeometryError as error:
        doubt = Doubt(
            f"whether the poses lie on this head could not be checked: {error.problem}",
            error.fix or "give the T1-weighted image of the whole head",
        )
        return Look(doubt)
    matrices = [matrix for _, matrix in named]
    judged = judge_head(matrices, scalp=scalp)
    if judged:
        return Look(_explain(matrices, judged, scalp, image))
    off = [position for position, matrix in enumerate(matrices) if judge_head([matrix], scalp=scalp)]
    if set(off) <= set(samples) and not judge_head([matrices[position] for position in samples], scalp=scalp):
        on = [matrix for position, matrix in enumerate(matrices) if position not in off]
        return Look(_doubt_axes(on, scalp), tuple(off))
    names = ", ".join(repr(named[position][0]) for position in off[:_NAMED])
    doubt = Doubt(
        f"{len(off)} of {len(named)} poses do not lie on this head, the others do: {names}"
        + (", ..." if len(off) > _NAMED else ""),
        "take them out of the file, or find out where they were moved",
    )
    return Look(doubt)


def _doubt_axes(matrices: Sequence[FloatArray], scalp: Scalp) -> Doubt | None:
    outward = sum(float(matrix[:3, 2] @ scalp.nearest(matrix[:3, 3])[1]) > 0 for matrix in matrices)
    if 2 * outward <= len(matrices):
        return None
    return Doubt(
        f"{outward} of {len(matrices)} coils point out of the head: their axes are not those that the file is read by",
        "say which way the coil's axes point (--axes), or export the poses again",
    )


def _explain(matrices: Sequence[FloatArray], judged: str, scalp: Scalp, image: Image) -> Doubt:
    if fits_turned(matrices, scalp):
        return Doubt(
            f"{judged} With x and y negated they lie on it: LPS was read as RAS, or the reverse",
            "find out in which of the two the file is; left and right are exchanged with front and back",
        )
    if not image_frame(image).template and fits_template(matrices):
        return Doubt(
            f"{judged} They lie on the MNI template's head: MNI coordinates were given as this person's own",
            "carry them to the person's image by a registration (--transform)",
        )
    return Doubt(
        judged, "give the T1 that the poses were made on, or the transform from it (--from-image, --transform)"
    )
