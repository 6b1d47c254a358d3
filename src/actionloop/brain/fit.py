"""Do these surfaces lie in the space of this image? Answered from the picture, not from file names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from actionloop.brain.scalp import Scalp, inside_head
from actionloop.errors import GeometryError
from actionloop.types import HEMISPHERES, Anatomy, FloatArray, Image

# Enough of the cortex has to lie inside the head and between brighter white matter and darker fluid.
LEAST_INSIDE, LEAST_CONTRAST = 0.98, 0.60
# The given place must not be worse, by more than this, than one moved, turned or scaled by about 5 %.
TOLERANCE = 0.02
MOVE_MM, TURN_DEG, SCALE = 4.0, 5.0, 0.05
# How much better than its mirror image the given place must be before the sides count as checked.
LEAST_ASYMMETRY = 0.03
# Steps off the surface at which the image is read, and the cortex too thin to be read.
STEP_MM, THIN_MM = 1.5, 0.3
# Brain to scalp over the vault: skin, skull and fluid are never thinner than this.
LEAST_COVER_MM = 4.0


@dataclass(frozen=True)
class FitReport:
    """How well surfaces fit an image.

    Attributes
    ----------
    inside_fraction : float
        Pial vertices inside the head, 0 to 1.
    contrast_fraction : float
        Vertices where the image darkens from white matter over cortex to outside, 0 to 1.
    mirrored_fraction : float
        The same after exchanging left and right of the surfaces. Close to `contrast_fraction`, the image is too
        symmetric (or too blurred) to tell its sides.
    sides_checked : bool
        True when the given side fits clearly better than the mirrored one.
    ok : bool
    reason : str
        One sentence, for the report.
    """

    inside_fraction: float
    contrast_fraction: float
    mirrored_fraction: float
    sides_checked: bool
    ok: bool
    reason: str

    def require(self) -> None:
        """Raise GeometryError with the reason unless `ok`."""
        if not self.ok:
            raise GeometryError(
                self.reason,
                fix="give the surfaces in the space of this T1 (HCP: T1w/fsaverage_LR32k, not MNINonLinear), "
                "or the T1 they were made from",
            )


def surfaces_fit_image(anatomy: Anatomy, image: Image) -> FitReport:
    """Test whether surfaces lie in the space of a T1-weighted image.

    Three questions: is the pial surface inside the head; does the image darken from white matter over cortex to the
    outside, as in a T1; and would the surfaces fit better a little elsewhere (moved by 4 mm, turned by 5°, scaled by
    5 %, mirrored)? The last one needs no threshold that noise or field strength could shift, and it is what tells
    native surfaces from those of a template space.

    Parameters
    ----------
    anatomy : Anatomy
    image : Image
        T1-weighted; may be skull-stripped.

    Returns
    -------
    FitReport
        `sides_checked` says whether an exchange of left and right would have been seen. With a person's own folds it
        is plain; with an average brain on an average image it rests on the average asymmetry alone.

    Raises
    ------
    GeometryError
        No head in the image.
    """
    white, pial = (
        np.concatenate([anatomy.surface(side, kind).vertices for side in HEMISPHERES])[::2]
        for kind in ("white", "pial")
    )
    inside = float(inside_head(image, pial).mean())
    here = _contrast(white, pial, image)
    moved = {name: _contrast(place(white), place(pial), image) for name, place in _elsewhere(pial).items()}
    mirrored = moved.pop("mirrored")
    better = max(moved, key=lambda name: moved[name])
    ok = False
    if inside < LEAST_INSIDE:
        reason = f"{1 - inside:.0%} of the pial surface lies outside the head of the image"
    elif mirrored > here + LEAST_ASYMMETRY:
        reason = (
            f"left and right are exchanged: the mirrored surfaces fit the image better ({mirrored:.2f}) than the given "
            f"ones ({here:.2f})"
        )
    elif moved[better] > here + TOLERANCE:
        reason = (
            f"the surfaces are in another space than the image: {better} they would fit better ({moved[better]:.2f}) "
            f"than where they are ({here:.2f})"
        )
    elif here < LEAST_CONTRAST:
        reason = (
            f"only {here:.0%} of the cortex lies between brighter white matter and darker surroundings: the surfaces "
            "are not those of this image, or it is not T1-weighted"
        )
    else:
        ok = True
        reason = f"{inside:.0%} of the pial surface is inside the head; {here:.0%} of the cortex fits its borders"
    checked = here - mirrored >= LEAST_ASYMMETRY
    if ok and not checked:
        reason += "; the image is too symmetric to tell its left from its right this way"
    return FitReport(inside, here, mirrored, checked, ok, reason)


def require_cover(scalp: Scalp, anatomy: Anatomy) -> float:
    """Refuse a scalp that lies on the brain, as in a skull-stripped image.

    Parameters
    ----------
    scalp : Scalp
    anatomy : Anatomy
        In the same frame.

    Returns
    -------
    float
        Median distance over the vault from the scalp to the nearest pial vertex, mm. Averaged surfaces are smaller
        than any person's, so that it is 5 to 7 mm too large for a template.

    Raises
    ------
    GeometryError
        Less than 4 mm, or the brain pokes through.
    """
    pial = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    vault = scalp.vault
    gaps, nearest = cKDTree(pial).query(scalp.vertices[vault])
    below = np.einsum("ij,ij->i", scalp.vertices[vault] - pial[nearest], scalp.normals[vault]) > 0
    cover_mm = float(np.median(np.where(below, gaps, -gaps)))
    if cover_mm < LEAST_COVER_MM:
        raise GeometryError(
            f"the scalp lies {cover_mm:.1f} mm from the pial surface over the top of the head, too near for skin, "
            "skull and fluid: the image is skull-stripped or defaced, or the surfaces are not its own",
            where=scalp.source or None,
            fix="give the T1-weighted image as it came from the scanner (never defaced, never skull-stripped)",
        )
    return cover_mm


def _contrast(white: FloatArray, pial: FloatArray, image: Image) -> float:
    """Fraction of vertices where the image darkens from inside over the middle to outside the cortex."""
    across = pial - white
    thickness = np.linalg.norm(across, axis=1)
    thick = thickness > THIN_MM
    if not thick.any():
        raise GeometryError("white and pial surfaces are the same")
    step = STEP_MM * across[thick] / thickness[thick, None]
    places = np.stack([white[thick] - step, (white[thick] + pial[thick]) / 2, pial[thick] + step])
    ijk = (places.reshape(-1, 3) - image.affine[:3, 3]) @ np.linalg.inv(image.affine[:3, :3]).T
    value = ndimage.map_coordinates(image.data, ijk.T, order=1, cval=0.0, output=np.float32).reshape(3, -1)
    return float(((value[0] > value[1]) & (value[1] > value[2])).mean())


class _Placement:
    """A similarity about the middle of the brain."""

    def __init__(self, middle: FloatArray, matrix: FloatArray, shift: FloatArray) -> None:
        self.middle, self.matrix, self.shift = middle, matrix, shift

    def __call__(self, points: FloatArray) -> FloatArray:
        moved: FloatArray = (points - self.middle) @ self.matrix.T + self.middle + self.shift
        return moved


def _elsewhere(pial: FloatArray) -> dict[str, _Placement]:
    """Places near the given one, by a phrase that fits 'x they would fit better'."""
    middle = (pial.min(axis=0) + pial.max(axis=0)) / 2
    still, same = np.zeros(3), np.eye(3)
    places = {"mirrored": _Placement(middle, np.diag([-1.0, 1, 1]), still)}
    words = (("left", "right"), ("back", "forward"), ("down", "up"))
    for axis, names in enumerate(words):
        for sign, word in zip((-1, 1), names, strict=True):
            shift = sign * MOVE_MM * np.eye(3)[axis]
            places[f"moved {MOVE_MM:g} mm {word}"] = _Placement(middle, same, shift)
            turn = Rotation.from_euler("xyz"[axis], sign * TURN_DEG, degrees=True).as_matrix()
            places[f"turned {sign * TURN_DEG:+g}° about {'xyz'[axis]}"] = _Placement(middle, turn, still)
    for factor in (1 - SCALE, 1 + SCALE):
        places[f"scaled by {factor:g}"] = _Placement(middle, same * factor, still)
    return places
