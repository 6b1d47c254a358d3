"""Whether poses that name no image lie on the head of the image that they are said to belong to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import files
from actionloop.brain import Scalp, find_scalp
from actionloop.errors import GeometryError, ResourceError
from actionloop.navigation import image_frame, judge_head
from actionloop.types import FloatArray, Image

_TEMPLATE = re.compile(r"(?<![A-Za-z])(?:MNI|ICBM|Talairach|TLRC|fsaverage|colin27)", re.IGNORECASE)
_TURNED = np.diag([-1.0, -1.0, 1.0, 1.0])
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
    if found.template or not _TEMPLATE.search(frame):
        return None
    return Doubt(
        f"the file is in {frame}, a template's coordinates, and the image is a person's ({found.name})",
        "carry the places to the person's image by a registration (--transform), or give the template's image",
    )


def doubt_places(named: Sequence[tuple[str, FloatArray]], image: Image) -> Doubt | None:
    """Doubt poses that do not lie on the scalp of an image, and say what they look like instead.

    Parameters
    ----------
    named : sequence of (str, (4, 4) float ndarray)
        Label and pose, RAS mm.
    image : Image
        A whole head.

    Returns
    -------
    Doubt or None
    """
    try:
        scalp = find_scalp(image)
    except GeometryError as error:
        return Doubt(
            f"whether the poses lie on this head could not be checked: {error.problem}",
            error.fix or "give the T1-weighted image of the whole head",
        )
    matrices = [matrix for _, matrix in named]
    judged = judge_head(matrices, scalp=scalp)
    if judged:
        return _explain(matrices, judged, scalp, image)
    off = [(label, judge_head([matrix], scalp=scalp)) for label, matrix in named]
    off = [(label, why) for label, why in off if why]
    if off:
        names = ", ".join(repr(label) for label, _ in off[:_NAMED])
        return Doubt(
            f"{len(off)} of {len(named)} poses do not lie on this head, the others do: {names}"
            + (", ..." if len(off) > _NAMED else ""),
            "take them out of the file, or find out where they were moved",
        )
    outward = sum(float(matrix[:3, 2] @ scalp.nearest(matrix[:3, 3])[1]) > 0 for matrix in matrices)
    if 2 * outward > len(matrices):
        return Doubt(
            f"{outward} of {len(named)} coils point out of the head: their axes are not those that the file is read by",
            "say which way the coil's axes point (--axes), or export the poses again",
        )
    return None


def _explain(matrices: Sequence[FloatArray], judged: str, scalp: Scalp, image: Image) -> Doubt:
    if not judge_head([_TURNED @ matrix for matrix in matrices], scalp=scalp):
        return Doubt(
            f"{judged} With x and y negated they lie on it: LPS was read as RAS, or the reverse",
            "find out in which of the two the file is; left and right are exchanged with front and back",
        )
    if not image_frame(image).template and _on_template(matrices):
        return Doubt(
            f"{judged} They lie on the MNI template's head: MNI coordinates were given as this person's own",
            "carry them to the person's image by a registration (--transform)",
        )
    return Doubt(
        judged, "give the T1 that the poses were made on, or the transform from it (--from-image, --transform)"
    )


def _on_template(matrices: Sequence[FloatArray]) -> bool:
    try:
        template = files.template_image()
    except ResourceError:
        return False
    return not judge_head(matrices, scalp=find_scalp(template))
