"""How far a coil must be moved outwards so that no part of its casing is in the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from scipy.spatial import ConvexHull, QhullError

from actionloop.errors import GeometryError
from actionloop.types import FloatArray

# A casing given as the outline of its face alone gets this thickness, so that it has an inside.
_THINNEST_MM = 1.0


@dataclass(frozen=True, eq=False)
class Casing:
    """The convex hull of a coil's casing, in coil axes.

    Attributes
    ----------
    corners_mm : (corner, 3) float64 ndarray
        Corners of the hull.
    face : (plane, 3) float64 ndarray
        The face towards the head is the lowest of the planes z = a + b x + c y.
    outline : (side, 3) float64 ndarray
        The footprint is where all of a x + b y + c are not above 0; a and b have length 1.
    """

    corners_mm: FloatArray
    face: FloatArray
    outline: FloatArray


def make_casing(outline_mm: FloatArray, *, name: str = "coil") -> Casing:
    """Make the hull of a casing.

    Parameters
    ----------
    outline_mm : (point, 3) float ndarray
        In coil axes (z into the head), e.g. `field.coils.casing_of(coil)`.
    name : str
        For the error.

    Returns
    -------
    Casing

    Raises
    ------
    GeometryError
        Fewer than three points, or all on a line.
    """
    points = np.asarray(outline_mm, dtype=np.float64)
    try:
        hull = ConvexHull(np.vstack([points, points - [0.0, 0.0, _THINNEST_MM]]))
        flat = ConvexHull(points[:, :2])
    except (QhullError, ValueError, IndexError):
        raise GeometryError(
            f"the casing of {name!r} has no extent",
            fix="describe it by points around its face, in mm, coil axes",
        ) from None
    planes = np.unique(np.round(hull.equations[hull.equations[:, 2] > 1e-9], 12), axis=0)
    face = -planes[:, [3, 0, 1]] / planes[:, 2:3]
    return Casing(hull.points[hull.vertices], np.ascontiguousarray(face), np.ascontiguousarray(flat.equations))


def lift_needed(casing: Casing, matrices: FloatArray, scalp_mm: FloatArray, *, gap_mm: float) -> FloatArray:
    """How far each pose must move outwards along its z until the casing is clear of the head.

    The casing is grown by the gap. Points of the scalp above its face (within the footprint) push it outwards, also
    those behind its back: a casing is never left between an ear and the head.

    Parameters
    ----------
    casing : Casing
    matrices : (pose, 4, 4) float ndarray
        Coil axes in columns, mm.
    scalp_mm : (vertex, 3) float ndarray
        Of the head's outer surface.
    gap_mm : float
        Between casing and scalp.

    Returns
    -------
    (pose,) float64 ndarray
        mm; negative where the coil could come closer, -inf where no scalp lies under it.
    """
    matrices = np.ascontiguousarray(matrices, dtype=np.float64)
    reach = float(np.linalg.norm(casing.corners_mm[:, :2], axis=1).max()) + gap_mm
    middle = matrices[:, :3, 3].mean(axis=0)
    spread = float(np.linalg.norm(matrices[:, :3, 3] - middle, axis=1).max())
    # What is farther sideways than the casing reaches does not count; a ball a little wider holds the rest that does,
    # save for points deep under the coil or far behind it, where a head has none that matter.
    near = np.linalg.norm(scalp_mm - middle, axis=1) <= 1.5 * reach + spread + 10.0
    lifts: FloatArray = _lifts(
        matrices, np.ascontiguousarray(scalp_mm[near], dtype=np.float64), casing.face, casing.outline, float(gap_mm)
    )
    return lifts


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _lifts(matrices: Any, scalp: Any, face: Any, outline: Any, gap: float) -> Any:
    lifts = np.empty(len(matrices))
    for p in numba.prange(len(matrices)):
        m = matrices[p]
        highest = _face_bound(face, outline)
        lift = -np.inf
        for v in range(len(scalp)):
            dx, dy, dz = scalp[v, 0] - m[0, 3], scalp[v, 1] - m[1, 3], scalp[v, 2] - m[2, 3]
            z = m[0, 2] * dx + m[1, 2] * dy + m[2, 2] * dz
            if highest + gap - z <= lift:
                continue
            x = m[0, 0] * dx + m[1, 0] * dy + m[2, 0] * dz
            y = m[0, 1] * dx + m[1, 1] * dy + m[2, 1] * dz
            under = True
            for s in range(len(outline)):
                if outline[s, 0] * x + outline[s, 1] * y + outline[s, 2] > gap:
                    under = False
                    break
            if under:
                here = np.inf
                for k in range(len(face)):
                    here = min(here, face[k, 0] + face[k, 1] * x + face[k, 2] * y)
                lift = max(lift, here + gap - z)
        lifts[p] = lift
    return lifts


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _face_bound(face: Any, outline: Any) -> float:
    """No point of the face lies higher: the lowest flat plane, else no bound."""
    bound = np.inf
    for k in range(len(face)):
        if abs(face[k, 1]) + abs(face[k, 2]) < 1e-9:
            bound = min(bound, face[k, 0])
    return bound
