"""Which way the axes of a Brainsight file point: its name for them, its landmarks, its image, and when to refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.navigation.conventions import LPS_TO_RAS, XFORM_NAMES, rigid
from actionloop.navigation.corner import TOLD_UNPLACED, from_corner
from actionloop.navigation.found import Space
from actionloop.navigation.laterality import from_landmarks
from actionloop.types import FloatArray, Image

Handed = Literal["RAS", "LPS"]

_SYSTEM = re.compile(rf"NIfTI:(?:([QS]):)?({'|'.join(XFORM_NAMES.values())})|Talairach|World|Brainsight")
_EARS_AND_NASION = {
    "left": ("lpa", "left ear", "left tragus", "left preauricular"),
    "right": ("rpa", "right ear", "right tragus", "right preauricular"),
    "nasion": ("nasion",),
}
# Heads are wider and longer than this: landmarks nearer to each other are no landmarks, or are not in millimetres.
_LEAST_APART_MM = 40.0


@dataclass(frozen=True, eq=False)
class Placing:
    """How to bring a file's coordinates to RAS.

    Attributes
    ----------
    to_ras : (4, 4) float ndarray
    space : {'RAS', 'LPS', 'corner', 'unknown'}
    said : tuple of str
        Evidence that was overruled, in sentences.
    """

    to_ras: FloatArray
    space: Space
    said: tuple[str, ...] = ()


def named_space(system: str, *, where: str) -> Space:
    """Which way the axes point by the name of the coordinate system.

    Parameters
    ----------
    system : str
        As in the file. 'World' is that of DICOM.
    where : str
        For the error.

    Returns
    -------
    {'RAS', 'LPS', 'corner'}

    Raises
    ------
    InputError
        A name that is not known.
    """
    if not _SYSTEM.fullmatch(system):
        raise InputError(
            f"the coordinate system {system[:60]!r} is not known; expected NIfTI:..., Talairach, World or Brainsight",
            where=where or None,
            fix="export again from Brainsight in a NIfTI coordinate system",
        )
    return "LPS" if system == "World" else "corner" if system == "Brainsight" else "RAS"


def landmark_space(marks: Mapping[str, FloatArray], *, where: str) -> Handed | None:
    """Which way the axes point by the ears and the nasion.

    Parameters
    ----------
    marks : mapping of str to (3,) float ndarray
        Landmarks of the image (not of the tracker), mm as written.
    where : str
        For the error.

    Returns
    -------
    'RAS', 'LPS' or None
        None when one of the three is missing.

    Raises
    ------
    GeometryError
        They fit neither, or are nearer to each other than on any head.
    """
    three = _three(marks)
    if three is None:
        return None
    left, right, nasion = three
    ahead = abs(nasion[1] - (left[1] + right[1]) / 2)
    if min(abs(right[0] - left[0]), ahead) < _LEAST_APART_MM:
        raise GeometryError(
            f"the ears lie {abs(right[0] - left[0]):.1f} mm apart and the nasion {ahead:.1f} mm before them: these "
            "landmarks are not those of a head in millimetres along x and y",
            where=where or None,
            fix="check the landmarks in Brainsight and export again",
        )
    return "RAS" if from_landmarks(left, right, nasion, where=where) == "RAS" else "LPS"


def place(
    system: str,
    marks: Mapping[str, FloatArray],
    *,
    image: Image | None,
    assume: Handed | None,
    ours: bool,
    where: str,
) -> Placing:
    """Decide how a file's coordinates become RAS: the name and the landmarks must agree, or somebody must decide.

    Parameters
    ----------
    system : str
    marks : mapping of str to (3,) float ndarray
        Landmarks of the image, mm as written.
    image : Image or None
    assume : {'RAS', 'LPS'} or None
        Decides where the name and the landmarks contradict each other, or where there are no landmarks.
    ours : bool
        Written by actionloop: RAS without landmarks.
    where : str
        For the error.

    Returns
    -------
    Placing

    Raises
    ------
    GeometryError
        Nothing decides; the assumption contradicts both; the image is not that of the file.
    """
    named, seen = named_space(system, where=where), landmark_space(marks, where=where)
    if assume not in (None, "RAS", "LPS"):
        raise OptionError(f"{assume!r} is no direction of axes; expected RAS or LPS", where="assume")
    if named == "corner":
        return _corner(marks, image, where=where)
    if image is not None:
        _require_same_system(system, image, where=where)
    if seen is None:
        if assume is None and not ours:
            raise GeometryError(
                f"the file ({system}) has no landmarks, so nothing tells whether it is RAS or LPS: left and right "
                "could be exchanged",
                where=where or None,
                fix="export it with its planned landmarks (LPA, RPA, Nasion), or say the space yourself",
            )
        seen = assume or "RAS"
        if ours and (seen, named) != ("RAS", "RAS"):
            raise GeometryError(
                f"actionloop wrote this file in RAS; it now says {system}, and it is to be read as {seen}",
                where=where or None,
                fix="export it again with actionloop",
            )
        return _placing(seen)
    if seen == named:
        if assume not in (None, seen):
            raise GeometryError(
                f"the name ({system}) and the landmarks say that the file is {seen}, not {assume}",
                where=where or None,
                fix="leave the space out, or check the landmarks",
            )
        return _placing(seen)
    told = f"the landmarks are {seen} ({_in_words(marks)})"
    if assume is None or ours:
        raise GeometryError(
            f"the file names its coordinate system {system!r}, which is {named}, but {told}: left and right "
            "could be exchanged",
            where=where or None,
            fix=f"if the project was made from DICOM, the landmarks are right: assume {seen}; else assume {named}",
        )
    overruled = told if assume == named else f"the name {system!r} is {named}"
    return _placing(assume, f"left out of the decision: {overruled}; {assume} was assumed")


def _placing(space: Handed, *said: str) -> Placing:
    return Placing(np.eye(4) if space == "RAS" else LPS_TO_RAS, space, said)


def _three(marks: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    plain = {name.strip().lower(): xyz for name, xyz in marks.items()}
    found = [next((plain[name] for name in names if name in plain), None) for names in _EARS_AND_NASION.values()]
    left, right, nasion = found
    return None if left is None or right is None or nasion is None else (left, right, nasion)


def _in_words(marks: Mapping[str, FloatArray]) -> str:
    three = _three(marks)
    if three is None:
        return "landmarks"
    left, right, nasion = three
    return f"left ear at x = {left[0]:+.1f} mm, right ear at x = {right[0]:+.1f}, nasion at y = {nasion[1]:+.1f}"


def _corner(marks: Mapping[str, FloatArray], image: Image | None, *, where: str) -> Placing:
    if image is None:
        _require_right(marks, LPS_TO_RAS, "by the directions of that system", where=where)
        return Placing(LPS_TO_RAS, "corner", (TOLD_UNPLACED,))
    to_ras = from_corner(image)
    rigid(to_ras, label="the image's voxel grid", where=where)
    _require_right(marks, to_ras, "on this image", where=where)
    return Placing(to_ras, "corner")


def _require_right(marks: Mapping[str, FloatArray], to_ras: FloatArray, by: str, *, where: str) -> None:
    mapped = {name: (to_ras @ np.append(xyz, 1.0))[:3] for name, xyz in marks.items()}
    if landmark_space(mapped, where=where) == "LPS":
        raise GeometryError(
            f"{by} the landmarks come out with left and right exchanged ({_in_words(mapped)})",
            where=where or None,
            fix="give the image that the Brainsight project was made from",
        )


def _require_same_system(system: str, image: Image, *, where: str) -> None:
    """Refuse a NIfTI system that the image does not have, or that its affine is not."""
    found = _SYSTEM.fullmatch(system)
    name = found.group(2) if found else None
    q_code, s_code = image.form_codes
    if name is None or found is None or not (q_code or s_code):
        return
    in_use = "S" if s_code > 0 else "Q"
    names = {"Q": XFORM_NAMES.get(q_code), "S": XFORM_NAMES.get(s_code)}
    forms = [form for form in (found.group(1) or "SQ") if names[form] == name]
    if not forms:
        raise GeometryError(
            f"the file is in {system}, but the image has no such system (qform code {q_code}, sform code {s_code})",
            where=where or None,
            fix="give the image that the Brainsight project was made from",
        )
    if not image.forms_agree and (in_use not in forms or len(forms) == 2):
        raise GeometryError(
            f"the file is in {system}; the image's qform and sform disagree, and its affine may be the other one",
            where=where or None,
            fix="make them agree (the one that belongs to the surfaces), and export again from Brainsight",
        )
