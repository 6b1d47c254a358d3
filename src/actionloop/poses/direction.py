"""Which way the induced current flows."""

from __future__ import annotations

import numpy as np

from actionloop.field import primary_field
from actionloop.types import Coil, FloatArray, Hemisphere

# How deep under the coil, and how far around its middle, the direction is taken.
_DEPTH_MM, _AROUND_MM = 25.0, 15.0
# Of the strongest field there, the mean is at least so much where there is one direction (a round coil has none).
_ONE_WAY = 0.3
# A direction counts as oblique where its lesser part is at least so much of its length.
_OBLIQUE = 0.38


def first_phase(coil: Coil, matrix: FloatArray) -> FloatArray | None:
    """Direction of the electric field under a coil while its current rises as the coil file has it.

    Parameters
    ----------
    coil : Coil
    matrix : (4, 4) float ndarray
        Pose, RAS mm.

    Returns
    -------
    (3,) float64 ndarray or None
        Length 1, along the coil's face; None for a coil without one direction under its middle.
    """
    step = np.linspace(-_AROUND_MM, _AROUND_MM, 5)
    x, y = (axis.ravel() for axis in np.meshgrid(step, step, indexing="ij"))
    induced = -primary_field(coil, np.eye(4), np.stack([x, y, np.full_like(x, _DEPTH_MM)], axis=1))
    mean = induced.mean(axis=0)
    mean[2] = 0.0
    length = float(np.linalg.norm(mean))
    if not length > _ONE_WAY * float(np.linalg.norm(induced, axis=1).max()):
        return None
    direction: FloatArray = np.asarray(matrix, dtype=np.float64)[:3, :3] @ (mean / length)
    return direction


def tell_first_phase(coil: Coil, matrix: FloatArray, *, hemisphere: Hemisphere) -> str:
    """Say in words which way the electric field of the first phase points in the head.

    Parameters
    ----------
    coil : Coil
    matrix : (4, 4) float ndarray
    hemisphere : {'L', 'R'}
        Which way the midline is.

    Returns
    -------
    str
        One sentence.
    """
    direction = first_phase(coil, matrix)
    if direction is None:
        return "The coil has no single direction of the induced field under its middle."
    # Towards the midline is down where the head faces sideways, so that both count as one axis.
    outward = -np.asarray(matrix)[:3, 2]
    forward = np.array([0.0, 1.0, 0.0]) - outward * outward[1]
    forward /= max(float(np.linalg.norm(forward)), 1e-12)
    to_the_right = np.cross(forward, outward)
    along = float(direction @ forward)
    inward = float(direction @ to_the_right) * (1 if hemisphere == "L" else -1)
    words = []
    if abs(along) >= _OBLIQUE:
        words.append("the front" if along > 0 else "the back")
    if abs(inward) >= _OBLIQUE:
        words.append("the midline" if inward > 0 else "the side")
    return (
        f"While the current rises as in the coil's file (first phase), the electric field in the head points towards "
        f"{' and '.join(words)}; with the current reversed, the opposite way."
    )
