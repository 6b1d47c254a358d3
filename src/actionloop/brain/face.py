"""What a T1 lacks of its head: ends of the image, a face taken away, cuts under a coil."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, cKDTree
from scipy.spatial.distance import cdist

from actionloop.brain.scalp import Scalp
from actionloop.brain.surface import mesh_areas, mesh_normals
from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, Image, IntArray

# All values here are our own, chosen on one head with its face removed and three whole ones (MNI, Colin27, a phantom).
# Slices thicker than this show neither brow nor cut.
MOST_SPACING_MM = 3.0
# A removed face leaves a surface that looks down, in front, no deeper below the top than this (a chin lies deeper):
# 60-74 cm² in the defaced head turned by up to 30°, at most 8 cm² in whole ones.
FACE_DEPTH_MM, LOOKING_DOWN, LEAST_FACE_CUT_CM2 = 140.0, -0.5, 20.0
# How much of a head lies within so much of one plane: temples, which look to the side, up to 38 cm²; all else less.
PLANE_MM, PLANE_REACH_MM, LEAST_PLANE_CM2, LEAST_SIDE_PLANE_CM2 = 0.75, 60.0, 30.0, 48.0
# Dark skull under bright skin, as in `find_scalp`, but at each point of the vault; whole heads lack it nowhere.
LEAST_DIP, SKULL_DEPTH_MM, LEAST_BARE_CM2 = 0.25, 16, 3.0
# An end of the image smaller than this is the tip of an ear or nose.
LEAST_END_CM2 = 3.0
# The surface ends within this of the end of the image.
RIM_MM = 5.0
# Where the nose begins, below the top of the head.
NOSE_DEPTH_MM = 130.0
# Coils over the motor strip or dlPFC lie on the vault no deeper below the top than this.
NEEDED_DEPTH_MM = 60.0


@dataclass(frozen=True, eq=False)
class HeadExam:
    """What is missing of a head, and whether a coil needs it.

    Attributes
    ----------
    ends_cm2 : mapping of str to float
        Sides at which the image ends the head ('left', 'right', 'back', 'front', 'bottom', 'top') and how much of it.
    face : str
        'whole' (no sign that it was removed), 'outside the image', 'removed' or 'not judged'.
    cut : (vertex,) bool ndarray
        Vertices of the scalp that are no skin: cuts, places without skull beneath, rims where the image ends.
    needed_on_cut, n_needed : int
        How many of the places that a coil needs have a cut near them, of how many.
    nearest_cut_mm : float
        From the nearest of those places to a cut; infinite without any.
    reasons : tuple of str
        Each finding in a sentence.
    """

    ends_cm2: Mapping[str, float]
    face: str
    cut: BoolArray
    needed_on_cut: int
    n_needed: int
    nearest_cut_mm: float
    reasons: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """True where no cut lies near what a coil needs."""
        return self.needed_on_cut == 0


def examine_head(
    image: Image, scalp: Scalp, *, needed_ras: FloatArray | None = None, within_mm: float = 15.0
) -> HeadExam:
    """Look for what is missing of a head, from the shape of its scalp and what lies beneath it.

    Parameters
    ----------
    image : Image
        The T1 that the scalp was found in.
    scalp : Scalp
    needed_ras : (place, 3) float ndarray, optional
        Places that a coil is to be laid over, mm, on the scalp or in the brain beneath it; by default the vault down
        to 60 mm below the top.
    within_mm : float
        A place is on a cut when one is no farther than this from the scalp over it.

    Returns
    -------
    HeadExam

    Raises
    ------
    GeometryError
        Scalp and image of different frames, or places that are not finite.

    Notes
    -----
    Found are: ends of the image, also where zeros were filled in beyond them (planes of 30 cm² and more, at the sides
    48 cm²); faces removed as far as the skull base or below a plane; patches of the vault without skull. Not found
    are: a face blurred or replaced by another; smaller or rounded cuts with skull beneath them; a removed ear; faces of
    heads that are turned by more than 30°, or in slices thicker than 3 mm. Voxels that are not numbers count as
    background, as in `find_scalp`, and are named.
    """
    if scalp.frame != image.frame:
        raise GeometryError(
            f"the scalp is in the frame {scalp.frame!r}, the image in {image.frame!r}",
            where=image.source or None,
            fix="find the scalp in this image",
        )
    reasons = list(_not_numbers(image))
    depth = scalp.vertices[:, 2].max() - scalp.vertices[:, 2]
    rim = scalp.rim
    ends, bottom_mm, sentences = _ends(image, scalp, rim, depth)
    reasons += sentences
    cut = np.zeros(len(scalp.vertices), dtype=bool)
    cut[rim] = True
    face = "not judged"
    if np.linalg.norm(image.affine[:3, :3], axis=0).max() <= MOST_SPACING_MM:
        # Normals sharper than those a coil is laid along; areas in cm².
        normals, area = mesh_normals(scalp.vertices, scalp.faces), mesh_areas(scalp.vertices, scalp.faces) / 100
        below, sentence = _face_cut(scalp, normals, area, depth)
        flat, flat_sentence = _plane(scalp, normals, area, depth)
        bare, bare_sentence = _bare(image, scalp, area)
        cut |= below | flat | bare
        reasons += [text for text in (sentence, flat_sentence, bare_sentence) if text]
        short = "top" not in ends and bottom_mm < NOSE_DEPTH_MM
        face = "removed" if below.any() else "outside the image" if short else "whole"
    else:
        reasons.append(f"Slices are thicker than {MOST_SPACING_MM:g} mm: whether the face is whole was not judged.")
    if face == "outside the image":
        reasons.append(f"The image ends above the nose ({bottom_mm:.0f} mm below the top of the head).")
    near, nearest_mm, sentence = _near_cut(scalp, cut, needed_ras, within_mm)
    return HeadExam(ends, face, cut, int(near.sum()), len(near), nearest_mm, (*reasons, *([sentence] * bool(sentence))))


def _not_numbers(image: Image) -> tuple[str, ...]:
    if not np.issubdtype(image.data.dtype, np.inexact):
        return ()
    share = 1 - float(np.isfinite(image.data).mean())
    return (f"{100 * share:.2g} % of the voxels are not numbers; they count as background.",) if share else ()


def _ends(image: Image, scalp: Scalp, rim: IntArray, depth: FloatArray) -> tuple[dict[str, float], float, list[str]]:
    """Areas of the head's cross-section on each side of the image that it runs out of, and how deep the bottom is."""
    names = (("left", "right"), ("back", "front"), ("bottom", "top"))
    inverse = np.linalg.inv(image.affine)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    ijk = scalp.vertices[rim] @ inverse[:3, :3].T + inverse[:3, 3]
    last = np.array(image.data.shape) - 1
    away = np.stack([ijk * spacing, (last - ijk) * spacing], axis=-1).reshape(len(rim), 6)
    ends: dict[str, float] = {}
    bottom_mm, sentences = float("inf"), []
    for side in range(6):
        axis, far = divmod(side, 2)
        on = away[:, side] <= RIM_MM
        plane = np.delete(ijk[on] * spacing, axis, axis=1)
        cm2 = _hull_cm2(plane)
        if cm2 < LEAST_END_CM2:
            continue
        direction = image.affine[:3, axis] * (1 if far else -1)
        ras = int(np.abs(direction).argmax())
        name = names[ras][int(direction[ras] > 0)]
        ends[name] = cm2
        if name == "bottom":
            bottom_mm = float(np.median(depth[rim[on]]))
        else:
            high = float(depth[rim[on]].min())
            what = "the vertex is cut off" if name == "top" else f"from {high:.0f} mm below the top of the head"
            sentences.append(f"The image ends the head at the {name} ({cm2:.0f} cm², {what}).")
    return ends, bottom_mm, sentences


def _hull_cm2(points: FloatArray) -> float:
    if len(points) < 3:
        return 0.0
    try:
        return float(ConvexHull(points).volume) / 100  # of a plane figure the volume is its area
    except QhullError:  # all on one line
        return 0.0


def _face_cut(scalp: Scalp, normals: FloatArray, area: FloatArray, depth: FloatArray) -> tuple[BoolArray, str]:
    """Where the face was: all in front below the upper rim of a surface that looks down."""
    upper = scalp.vertices[depth < 80, 1]
    front = scalp.vertices[:, 1] > (upper.max() + upper.min()) / 2
    down = front & (normals[:, 2] < LOOKING_DOWN) & (depth < FACE_DEPTH_MM)
    if area[down].sum() < LEAST_FACE_CUT_CM2:
        return np.zeros(len(depth), dtype=bool), ""
    from_mm = float(np.percentile(depth[down], 2))
    return front & (depth >= from_mm), (
        f"The face was removed: in front, {area[down].sum():.0f} cm² of the surface look down, from {from_mm:.0f} mm "
        "below the top of the head on."
    )


def _plane(scalp: Scalp, normals: FloatArray, area: FloatArray, depth: FloatArray) -> tuple[BoolArray, str]:
    """Find a plane that more of the head lies in than of any curved one: a cut, or the end of a padded image."""
    every, each = 4, 40
    some = np.arange(0, len(depth), every)
    tried = np.flatnonzero(depth < FACE_DEPTH_MM)[::each]
    cut = np.zeros(len(depth), dtype=bool)
    best, highest = 0.0, np.inf
    for part in np.array_split(tried, max(1, len(tried) // 100)):
        on = _in_plane(scalp, normals, part, some)
        cm2 = every * (on @ area[some])
        sideways = np.abs(scalp.normals[part, 0]) > 0.9
        found = part[cm2 > np.where(sideways, LEAST_SIDE_PLANE_CM2, LEAST_PLANE_CM2)]
        if len(found):
            here = _in_plane(scalp, normals, found, np.arange(len(depth))).any(axis=0)
            cut |= here
            best, highest = max(best, float(cm2.max())), min(highest, float(depth[here].min()))
    if not cut.any():
        return cut, ""
    return cut, (
        f"The head ends in a plane ({best:.0f} cm², from {highest:.0f} mm below its top): cut, or the end of an image "
        "that was filled up with zeros."
    )


def _in_plane(scalp: Scalp, normals: FloatArray, planes: IntArray, of: IntArray) -> BoolArray:
    """Tell which vertices lie in the tangent plane of others; (plane, vertex)."""
    place, across = scalp.vertices[planes], scalp.normals[planes]
    height = across @ scalp.vertices[of].T - np.einsum("ij,ij->i", across, place)[:, None]
    square = cdist(place, scalp.vertices[of], "sqeuclidean")
    found: BoolArray = (np.abs(height) < PLANE_MM) & (across @ normals[of].T > 0.9) & (square < PLANE_REACH_MM**2)
    return found


def _bare(image: Image, scalp: Scalp, area: FloatArray) -> tuple[BoolArray, str]:
    """Places of the vault without a dark layer under a bright one."""
    vault = np.flatnonzero(scalp.vault)
    depth_mm = np.arange(0.0, 31.0)
    points = scalp.vertices[vault][:, None] - depth_mm[None, :, None] * scalp.normals[vault][:, None]
    inverse = np.linalg.inv(image.affine)
    ijk = points.reshape(-1, 3) @ inverse[:3, :3].T + inverse[:3, 3]
    data = np.nan_to_num(np.asarray(image.data, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    value = ndimage.map_coordinates(data, ijk.T, order=1).reshape(-1, len(depth_mm))
    outer = np.maximum.accumulate(value[:, :SKULL_DEPTH_MM], axis=1)
    bright = np.maximum(np.maximum(outer, value[:, 20:].max(axis=1, keepdims=True)), 1e-12)
    dip = ((outer - value[:, :SKULL_DEPTH_MM]) / bright)[:, 3:].max(axis=1)
    bare = np.zeros(len(area), dtype=bool)
    bare[vault[dip < LEAST_DIP]] = True
    if area[bare].sum() < LEAST_BARE_CM2:
        return np.zeros(len(area), dtype=bool), ""
    return bare, (
        f"{area[bare].sum():.0f} cm² of the vault have no dark skull beneath: scalp was cut away there, or the skull "
        "is missing."
    )


def _near_cut(
    scalp: Scalp, cut: BoolArray, needed_ras: FloatArray | None, within_mm: float
) -> tuple[BoolArray, float, str]:
    if needed_ras is None:
        height = scalp.vertices[:, 2]
        needed = scalp.vertices[scalp.vault & (height > height.max() - NEEDED_DEPTH_MM)]
    else:
        needed = np.asarray(needed_ras, dtype=np.float64)
    if needed.ndim != 2 or needed.shape[1] != 3 or not np.isfinite(needed).all():
        raise GeometryError(f"expected finite places of shape (place, 3), found shape {needed.shape}")
    if not (cut.any() and len(needed)):
        return np.zeros(len(needed), dtype=bool), float("inf"), ""
    over = scalp.vertices[cKDTree(scalp.vertices).query(needed)[1]]
    distance = np.asarray(cKDTree(scalp.vertices[cut]).query(over)[0], dtype=np.float64)
    near: BoolArray = np.asarray(distance <= within_mm)
    if not near.any():
        return near, float(distance.min()), ""
    return (
        near,
        float(distance.min()),
        (
            f"{int(near.sum())} of {len(near)} places that a coil needs lie within {within_mm:g} mm of a cut: the "
            "scalp there is not to be trusted."
        ),
    )
