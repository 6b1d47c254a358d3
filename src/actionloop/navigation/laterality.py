"""Left or right, said twice: in the name of every exported entry, and beside the sign of its x."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Image

# Nearer to the midline than this, the sign of x says nothing about the hemisphere.
MARGIN_MM = 10.0

_LEFT = re.compile(r"(?<![A-Za-z0-9])(?:L|LH|left)(?![A-Za-z0-9])", re.IGNORECASE)
_RIGHT = re.compile(r"(?<![A-Za-z0-9])(?:R|RH|right)(?![A-Za-z0-9])", re.IGNORECASE)
_SUFFIX = re.compile(r" \((?:left|right)\)$")


def side_of(label: str, xyz_ras: FloatArray, image: Image) -> str:
    """Find the side of an entry from its label, and refuse it when its place says the opposite.

    The sign of x alone does not do: a scanner's origin may lie beside the midline, or at a corner of the image. So a
    contradiction counts only where x lies more than 10 mm to the other side of both the origin and the middle of the
    image.

    Parameters
    ----------
    label : str
        May hold 'L', 'LH', 'left', 'R', 'RH' or 'right' as a word.
    xyz_ras : (3,) float ndarray
        mm in the image's frame.
    image : Image

    Returns
    -------
    str
        'left' or 'right'.

    Raises
    ------
    GeometryError
        Label and place contradict each other, or neither says the side.
    """
    x = float(xyz_ras[0])
    middle = (np.asarray(image.data.shape) - 1) / 2
    beside = np.array([x, x - float((image.affine[:3, :3] @ middle + image.affine[:3, 3])[0])])
    side = said_side(label)
    if side:
        if ((beside > MARGIN_MM) if side == "left" else (beside < -MARGIN_MM)).all():
            raise GeometryError(
                f"{label!r} is named {side} but lies at x = {x:+.1f} mm, on the other side of the head (RAS)",
                where=image.source or None,
                fix="left and right are exchanged somewhere before the export; find out where, do not rename it",
            )
        return side
    if (beside < 0).all():
        return "left"
    if (beside > 0).all():
        return "right"
    raise GeometryError(
        f"neither the name {label!r} nor its place (x = {x:+.1f} mm) says which side it is on",
        where=image.source or None,
        fix="put L or R into the name",
    )


def said_side(label: str) -> str:
    """Return 'left' or 'right' where a label says one of them by a word (L, LH, left, R, RH, right), else ''."""
    said_left, said_right = _LEFT.search(label) is not None, _RIGHT.search(label) is not None
    return "" if said_left == said_right else "left" if said_left else "right"


def with_side(label: str, side: str) -> str:
    """Append the side to a label, e.g. 'SCAN middle L (left)'."""
    return f"{label} ({side})"


def without_side(name: str) -> str:
    """Take off what `with_side` appended."""
    return _SUFFIX.sub("", name)


def statement(name: str, x_mm: float, side: str) -> str:
    """Say the side of one entry beside the sign of its x.

    Returns
    -------
    str
        E.g. 'SCAN middle L (left): LEFT hemisphere, x = -43.2 mm, negative (RAS: left is negative)'.
    """
    sign = "negative" if x_mm < 0 else "positive"
    said = f"{name}: {side.upper()} hemisphere, x = {x_mm:+.1f} mm, {sign} (RAS: left is negative)"
    if (x_mm < 0) != (side == "left"):
        said += "; the origin of this image is not on the midline, or the coil stands across it"
    return said


def from_landmarks(left_ear: FloatArray, right_ear: FloatArray, nasion: FloatArray, *, where: str) -> str:
    """Tell RAS from LPS by where the ears and the nasion lie.

    Parameters
    ----------
    left_ear, right_ear, nasion : (3,) float ndarray
        mm, as written in the file.
    where : str
        For the error.

    Returns
    -------
    str
        'RAS' or 'LPS'.

    Raises
    ------
    GeometryError
        The landmarks fit neither: one axis is flipped, or two landmarks are exchanged.
    """
    right_is_positive = right_ear[0] > left_ear[0]
    front_is_positive = nasion[1] > (left_ear[1] + right_ear[1]) / 2
    if right_is_positive != front_is_positive:
        raise GeometryError(
            "the landmarks (LPA, RPA, nasion) fit neither RAS nor LPS: one axis is flipped or two are exchanged",
            where=where or None,
            fix="check the landmarks in the navigation system and export again",
        )
    return "RAS" if right_is_positive else "LPS"


def plain(text: str, *, forbidden: Sequence[str] = ()) -> str:
    """Return one line without control characters, each forbidden piece replaced by a space."""
    for piece in forbidden:
        text = text.replace(piece, " ")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
