"""Where a coil pose points, in words that a person can hold against the patient's head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.navigation.laterality import plain
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Hemisphere, Surface

# Own choices. Cortex this near to the coil's axis is under it; beyond the reach it is not the coil's any more.
_UNDER_MM, _REACH_MM = 4.0, 120.0
# A coil's face lies on hair: farther off, or deeper in, the pose is not one of this head.
FARTHEST_MM, DEEPEST_MM = 25.0, 5.0
# Steeper than this against the scalp the coil does not lie on it.
_TILTED_DEG, _OUTWARD_DEG = 30.0, 90.0
# Facing this nearly forwards or backwards, "backwards along the scalp" is downwards or upwards.
_FACING = 0.9
# Over the ears "away from the midline" is downwards.
_UPRIGHT = 0.9
_MIDLINE_MM = 10.0


@dataclass(frozen=True)
class PoseWords:
    """What one pose does, in words and in the numbers behind them.

    Attributes
    ----------
    sentences : tuple of str
        The most important first; warnings before all.
    warnings : tuple of str
        Why the pose is not one to stimulate with on this head; empty for a usable one.
    hemisphere : {'L', 'R'} or None
        Of the cortex under the axis; None where there is none.
    vertex : int or None
        Nearest cortex vertex under the axis.
    region : str
        Name of that vertex; empty where no names were given.
    coil_side : {'left', 'right', 'midline'}
        Where the coil stands.
    depth_mm : float or None
        Of the vertex under the scalp.
    scalp_gap_mm : float
        Coil to scalp; negative inside the head.
    tilt_deg : float
        Between the coil's axis and straight into the head.
    handle : str
        E.g. 'posterior-lateral'.
    beside_mm : float
        By which the axis passes the cortex; 0 where it meets it.
    """

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    hemisphere: Hemisphere | None
    vertex: int | None
    region: str
    coil_side: str
    depth_mm: float | None
    scalp_gap_mm: float
    tilt_deg: float
    handle: str
    beside_mm: float = 0.0

    @property
    def on_head(self) -> bool:
        """True where the coil lies on the scalp, near enough for its pose to be one of this head."""
        return -DEEPEST_MM <= self.scalp_gap_mm <= FARTHEST_MM

    @property
    def brief(self) -> str:
        """E.g. 'left precentral gyrus, 14 mm under the scalp, handle posterior-lateral'."""
        if self.hemisphere is None or self.depth_mm is None:
            return f"no cortex under the coil's axis, handle {self.handle}"
        where = f"{SIDES[self.hemisphere]} {self.region or 'hemisphere'}"
        beside = f" ({self.beside_mm:.0f} mm beside the axis)" if self.beside_mm else ""
        return f"{where}, {self.depth_mm:.0f} mm under the scalp{beside}, handle {self.handle}"

    @property
    def text(self) -> str:
        """All sentences in one line."""
        return " ".join(self.sentences)


def describe_pose(
    matrix: FloatArray,
    *,
    scalp: Scalp,
    surfaces: Mapping[Hemisphere, Surface],
    names: Mapping[Hemisphere, Sequence[str]] | None = None,
    farthest_mm: float = FARTHEST_MM,
) -> PoseWords:
    """Say in words where a pose points on one head, and whether it is a pose of that head at all.

    Parameters
    ----------
    matrix : (4, 4) float ndarray
        Coil axes in columns, RAS mm in the frame of `scalp`: x = y × z, y away from the handle, z into the head.
    scalp : Scalp
    surfaces : mapping of hemisphere to Surface
        Cortex of both sides (pial or midthickness), same frame.
    names : mapping of hemisphere to (vertex,) sequence of str, optional
        Region or network of each vertex; an empty name is 'unnamed'.
    farthest_mm : float
        From the scalp; a coil farther away is said not to be on this head.

    Returns
    -------
    PoseWords

    Raises
    ------
    GeometryError
        No right-handed rigid pose, surfaces of another frame, or another number of names than of vertices.
    """
    _require(matrix, scalp, surfaces, names)
    place, into = matrix[:3, 3], matrix[:3, 2]
    on_scalp, outward, apart = scalp.nearest(place)
    gap = apart if (place - on_scalp) @ outward >= 0 else -apart
    tilt = float(np.degrees(np.arccos(np.clip(-into @ outward, -1, 1))))
    middle = float(np.mean([surfaces[side].vertices[:, 0].mean() for side in HEMISPHERES]))
    side, stands = _beside(float(place[0]) - middle)
    warnings = _warnings(gap, tilt, farthest_mm)
    under = _under(place, into, surfaces)
    handle, turned = _handle(matrix, outward, side)
    said = [f"The coil stands {stands}.", f"Its handle points {handle} ({turned})."]
    if under is None:
        warnings.append("No cortex lies under the coil's axis.")
        return PoseWords((*warnings, *said), tuple(warnings), None, None, "", side, None, gap, tilt, handle)
    hemisphere, vertex, beside = under
    depth = float(scalp.nearest(surfaces[hemisphere].vertices[vertex])[2])
    region = "" if names is None else plain(str(names[hemisphere][vertex])) or "unnamed"
    where = f"the {SIDES[hemisphere]} hemisphere ({hemisphere})"
    aims = f"It points at {f'{region}, ' if region else ''}{where}, {depth:.0f} mm under the scalp"
    aims += "." if beside <= _UNDER_MM else f"; the axis passes {beside:.0f} mm beside the nearest cortex."
    if side not in ("midline", SIDES[hemisphere]):
        warnings.append(
            f"The coil stands on the {side} but points at the {SIDES[hemisphere]} hemisphere: check the side."
        )
    sentences = (*warnings, aims, *said)
    off = beside if beside > _UNDER_MM else 0.0
    return PoseWords(sentences, tuple(warnings), hemisphere, vertex, region, side, depth, gap, tilt, handle, off)


def judge_head(matrices: Sequence[FloatArray], *, scalp: Scalp, farthest_mm: float = FARTHEST_MM) -> str:
    """Tell whether several poses lie on this head, or on another person's; empty when more than half lie on this one.

    Parameters
    ----------
    matrices : sequence of (4, 4) float ndarrays
    scalp : Scalp
    farthest_mm : float

    Returns
    -------
    str
        A sentence, or ''. Poses that happen to lie near this scalp cannot be told apart from its own.
    """
    if not matrices:
        return ""
    gaps = []
    for matrix in matrices:
        on_scalp, outward, apart = scalp.nearest(np.asarray(matrix, dtype=np.float64)[:3, 3])
        gaps.append(apart if (matrix[:3, 3] - on_scalp) @ outward >= 0 else -apart)
    off = [gap for gap in gaps if gap > farthest_mm or gap < -DEEPEST_MM]
    if 2 * len(off) < len(gaps):
        return ""
    return (
        f"{len(off)} of {len(gaps)} poses do not lie on this scalp (from {abs(min(gaps)):.0f} mm "
        f"{'inside' if min(gaps) < 0 else 'outside'} to {abs(max(gaps)):.0f} mm "
        f"{'inside' if max(gaps) < 0 else 'outside'}): they belong to another person's head or to another frame."
    )


def _require(
    matrix: FloatArray,
    scalp: Scalp,
    surfaces: Mapping[Hemisphere, Surface],
    names: Mapping[Hemisphere, Sequence[str]] | None,
) -> None:
    turn = matrix[:3, :3] if np.shape(matrix) == (4, 4) else np.zeros((3, 3))
    if not (np.isfinite(matrix).all() and np.allclose(turn.T @ turn, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0):
        raise GeometryError(
            "this is not a right-handed rigid pose (4 x 4, finite, perpendicular unit axes)",
            fix="export the pose again from the navigation system",
        )
    for side in HEMISPHERES:
        if side not in surfaces:
            raise GeometryError(f"the surface of hemisphere {side} is missing")
        surface = surfaces[side]
        if surface.frame != scalp.frame:
            raise GeometryError(
                f"the surfaces are in the frame {surface.frame!r}, the scalp is in {scalp.frame!r}",
                fix="give both in the frame of one image",
            )
        if names is not None and len(names.get(side, ())) != surface.n_vertices:
            raise GeometryError(
                f"expected {surface.n_vertices} names for hemisphere {side}, found {len(names.get(side, ()))}"
            )


def _warnings(gap: float, tilt: float, farthest_mm: float) -> list[str]:
    other = "the pose belongs to another person's head or to another frame"
    found = []
    if gap > farthest_mm:
        found.append(f"The coil is {gap:.0f} mm away from the scalp: it does not touch this head, or {other}.")
    elif gap < -DEEPEST_MM:
        found.append(f"The coil lies {-gap:.0f} mm inside the head: {other}.")
    if tilt > _OUTWARD_DEG:
        found.append("The coil points out of the head: its axis z has the wrong sign, or it is turned over.")
    elif tilt > _TILTED_DEG:
        found.append(f"The coil is tilted by {tilt:.0f}° against the scalp: it does not lie flat on it.")
    return found


def _beside(x_mm: float) -> tuple[str, str]:
    """Side of the coil, and the same said with millimetres."""
    if abs(x_mm) < _MIDLINE_MM:
        return "midline", f"over the midline (within {_MIDLINE_MM:.0f} mm)"
    side = "left" if x_mm < 0 else "right"
    return side, f"on the {side} of the head, {abs(x_mm):.0f} mm {side} of the midline"


def _under(
    place: FloatArray, into: FloatArray, surfaces: Mapping[Hemisphere, Surface]
) -> tuple[Hemisphere, int, float] | None:
    """Hemisphere, vertex and mm beside the axis of the cortex that the axis meets first, or passes nearest to."""
    found: list[tuple[bool, float, Hemisphere, int, float]] = []
    for side in HEMISPHERES:
        away = surfaces[side].vertices - place
        ahead = away @ into
        beside = np.linalg.norm(away - ahead[:, None] * into, axis=1)
        seen = (ahead > 0) & (ahead < _REACH_MM)
        if not seen.any():
            continue
        close = seen & (beside <= _UNDER_MM)
        rank = np.where(close, ahead, np.inf) if close.any() else np.where(seen, beside, np.inf)
        vertex = int(rank.argmin())
        found.append((not close.any(), float(rank[vertex]), side, vertex, float(beside[vertex])))
    best = min(found, key=lambda one: one[:2], default=None)
    # An axis that passes the whole brain by points at none of it.
    if best is None or best[4] > _REACH_MM / 4:
        return None
    return best[2], best[3], best[4]


def _handle(matrix: FloatArray, outward: FloatArray, side: str) -> tuple[str, str]:
    """Direction of the handle along the scalp in one word, and its angle from straight back."""
    back = np.array([0.0, -1.0, 0.0])
    back_word, front_word = "posterior", "anterior"
    if abs(outward[1]) > _FACING:
        # On the forehead the way backwards along the scalp is up, on the back of the head it is down.
        back = np.array([0.0, 0.0, np.sign(outward[1])])
        back_word, front_word = ("superior", "inferior") if outward[1] > 0 else ("inferior", "superior")
    back = back - outward * (outward @ back)
    back /= np.linalg.norm(back)
    across = np.cross(outward, back)  # along the scalp, at right angles
    away = -matrix[:3, 1]
    first, second = float(away @ back), float(away @ across)
    words = [back_word if first > 0 else front_word] if abs(first) > _sector(first, second) else []
    towards = _cross_word(across * np.sign(second) if second else across, side)
    if abs(second) > _sector(first, second):
        words.append(towards[0])
    degrees = abs(float(np.degrees(np.arctan2(second, first))))
    straight = {"posterior": "straight back", "superior": "straight up", "inferior": "straight down"}[back_word]
    turned = straight if degrees < 0.5 else f"{degrees:.0f}° from {straight}, {towards[1]}"
    return "-".join(words), turned if degrees < 179.5 else f"180° from {straight}"


def _sector(first: float, second: float) -> float:
    """Least part of a direction that is named: eight directions of 45° each."""
    return float(np.sin(np.pi / 8) * np.hypot(first, second))


def _cross_word(direction: FloatArray, side: str) -> tuple[str, str]:
    """Name a direction across the scalp: by its anatomical word, and by the side or height it leads to."""
    if abs(direction[2]) > _UPRIGHT:
        return ("superior", "upwards") if direction[2] > 0 else ("inferior", "downwards")
    leads = "left" if direction[0] < 0 else "right"
    if side == "midline":
        return leads, f"to the {leads}"
    return ("lateral" if leads == side else "medial"), f"to the {leads}"
