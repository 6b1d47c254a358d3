"""A first coil pose from geometry alone."""

from __future__ import annotations

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import HEMISPHERES, CoilPose, FloatArray, Hemisphere, Image

# Facing this nearly forwards or backwards, "forwards along the scalp" is taken from the sagittal arc instead.
_FACING = 0.9


def geometric_matrix(
    entry_ras: FloatArray,
    normal: FloatArray,
    *,
    hemisphere: Hemisphere,
    handle_deg: float = 45.0,
    gap_mm: float = 0.0,
) -> FloatArray:
    """Lay a coil flat on the scalp, its handle backwards and away from the midline.

    The coil's z is the inward normal. Forwards along the scalp is the RAS direction y laid into the tangent plane;
    the coil's y (away from the handle) is turned from it by `handle_deg` towards the midline, so that the handle
    points backwards and outwards, on both sides.

    Parameters
    ----------
    entry_ras : (3,) float ndarray
        Scalp point, mm.
    normal : (3,) float ndarray
        Outward normal there; any length.
    hemisphere : {'L', 'R'}
        Which way outwards is.
    handle_deg : float
        Angle between the handle and straight backwards.
    gap_mm : float
        From the scalp outwards to the coil.

    Returns
    -------
    (4, 4) float64 ndarray
        x = y × z, y away from the handle, z into the head.

    Raises
    ------
    GeometryError
        A normal of length zero or a point that is not finite.
    """
    length = float(np.linalg.norm(normal))
    if not (np.isfinite(length) and length > 0 and np.isfinite(entry_ras).all()):
        raise GeometryError("no coil can be laid: the scalp point or its normal is not usable")
    if hemisphere not in HEMISPHERES:
        raise GeometryError(f"expected hemisphere L or R, found {hemisphere!r}")
    outward = np.asarray(normal, dtype=np.float64) / length
    forward = np.array([0.0, 1.0, 0.0])
    if abs(outward[1]) > _FACING:
        forward = np.cross(outward, [1.0, 0.0, 0.0])
    forward -= outward * (forward @ outward)
    forward /= np.linalg.norm(forward)
    to_the_right = np.cross(forward, outward)
    inward = to_the_right if hemisphere == "L" else -to_the_right
    angle = np.radians(handle_deg)
    matrix = np.eye(4)
    matrix[:3, 2] = -outward
    matrix[:3, 1] = np.cos(angle) * forward + np.sin(angle) * inward
    matrix[:3, 0] = np.cross(matrix[:3, 1], matrix[:3, 2])
    matrix[:3, 3] = np.asarray(entry_ras, dtype=np.float64) + gap_mm * outward
    return matrix


def geometric_pose(
    entry_ras: FloatArray,
    normal: FloatArray,
    *,
    hemisphere: Hemisphere,
    image: Image,
    label: str,
    handle_deg: float = 45.0,
    gap_mm: float = 0.0,
    note: str = "geometric, no field yet",
) -> CoilPose:
    """Lay a coil flat on the scalp, as `geometric_matrix` does, and tie the pose to an image.

    Parameters
    ----------
    entry_ras, normal, hemisphere, handle_deg, gap_mm
        As in `geometric_matrix`.
    image : Image
        That the pose is tied to; the point and the normal are in its frame.
    label, note : str
        Of the pose.

    Returns
    -------
    CoilPose

    Raises
    ------
    GeometryError
        A normal of length zero or a point that is not finite.
    """
    matrix = geometric_matrix(entry_ras, normal, hemisphere=hemisphere, handle_deg=handle_deg, gap_mm=gap_mm)
    return CoilPose(matrix, image.tie, label, note)
