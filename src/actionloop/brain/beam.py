"""The Beam F3 procedure: two numbers from three lengths of a head, and where they lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.brain.measure import ray_over
from actionloop.brain.tapelines import ScalpLines
from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Hemisphere


@dataclass(frozen=True, eq=False)
class BeamF3:
    """Where the Beam F3 procedure leads on one head.

    Attributes
    ----------
    x_mm : float
        Along the circumference from the midline in front.
    y_mm : float
        From Cz along the scalp towards that mark.
    xyz_ras : (3,) float64 ndarray
        The place, mm; F3 on the left, F4 (mirrored) on the right.
    hemisphere : {'L', 'R'}
    source : str
    """

    x_mm: float
    y_mm: float
    xyz_ras: FloatArray
    hemisphere: Hemisphere
    source: str


def beam_numbers(nasion_inion_mm: float, tragus_mm: float, circumference_mm: float) -> tuple[float, float]:
    """Return X and Y of Beam F3, mm, from the three lengths of a head, mm.

    Raises
    ------
    GeometryError
        A length that is not a positive number.

    References
    ----------
    .. [1] Beam et al. 2009, doi:10.1016/j.brs.2008.09.006
    """
    if not all(np.isfinite(value) and value > 0 for value in (nasion_inion_mm, tragus_mm, circumference_mm)):
        raise GeometryError("Beam F3 needs three positive lengths, mm")
    known = facts.load("measure")["beam_f3"]
    f7, fp1 = np.radians([known["f7_deg"], known["fp1_deg"]])
    front, side = known["radius_share"] * nasion_inion_mm, known["radius_share"] * tragus_mm
    wide = side * (np.cos(f7) if known["f7_cosine"] else 1.0)
    # In a flat head with Cz at 0 and the front at negative y: lines Fz-F7 and C3-Fp1, and where they meet.
    first = (side * np.sin(f7) + front / 2) / wide
    second = front * np.sin(fp1) / (front * np.cos(fp1) - side / 2)
    across = (front - side * second) / (first - second) / 2
    ahead = first * across - front / 2
    angle = np.pi / 2 + np.arctan2(ahead, across)
    return float(circumference_mm * angle / (2 * np.pi)), float(known["shrink"] * np.hypot(across, ahead))


def beam_f3(lines: ScalpLines, hemisphere: Hemisphere = "L") -> BeamF3:
    """Carry the Beam F3 procedure out on a head: X along the circumference, then Y from Cz towards the mark.

    Raises
    ------
    GeometryError
        The circumference is not in the image.
    """
    if lines.circumference is None:
        raise GeometryError(
            "the image does not hold the whole circumference of the head, so Beam F3 cannot be measured on it"
        )
    round_, (front, left, _) = lines.circumference, lines.axes
    x_mm, y_mm = beam_numbers(lines.nasion_inion.length_mm, lines.tragus.length_mm, round_.length_mm)
    begin = round_.crossing(lines.vertex, left, ahead=front)
    if begin is None:
        raise GeometryError("the circumference does not cross the midline in front")
    towards = left if hemisphere == "L" else -left
    marks = [round_.at(begin + sign * x_mm) for sign in (1, -1)]
    mark = max(marks, key=lambda place: float(place @ towards))
    return BeamF3(x_mm, y_mm, ray_over(lines, mark).at(y_mm), hemisphere, _source())


def _source() -> str:
    """Return where the numbers of Beam F3 come from, and that they are not verified."""
    known = facts.load("measure")["beam_f3"]
    return str(known["source"]) + ("" if known["verified"] else "; numbers not verified")
