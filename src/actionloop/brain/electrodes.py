"""Places of the 10-20 system and its 10 % extension on one scalp, by the lines that a tape makes."""

from __future__ import annotations

import numpy as np

from actionloop.brain.arcs import arc_through
from actionloop.brain.tapelines import ScalpLines
from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Hemisphere

# From FPz and Oz on, rows have no line of their own over both sides.
_FIRST_ROW, _LAST_ROW = 10.0, 90.0


def electrode_place(lines: ScalpLines, hemisphere: Hemisphere, *, row: float, share: float) -> FloatArray:
    """Find a place by its row and how far it lies from the midline.

    Parameters
    ----------
    lines : ScalpLines
    hemisphere : {'L', 'R'}
    row : float
        Level on the nasion-inion line (Fz 30, Cz 50), and of the half circumference from FPz (0) to Oz (100) on which
        the row ends (F7 30, T7 50, O1 90), per cent.
    share : float
        Of the way from the midline (0) to the circumference (1), along the line over both sides.

    Returns
    -------
    (3,) float64 ndarray
        On the scalp, RAS mm.

    Raises
    ------
    GeometryError
        Off the scale, or the circumference or the line over both sides is not in the image.
    """
    if not (0 <= row <= 100 and 0 <= share <= 1):
        raise GeometryError(f"expected a row of 0 to 100 and a share of 0 to 1, found {row} and {share}")
    sagittal = lines.nasion_inion
    middle = sagittal.at(row / 100 * sagittal.length_mm)
    if share == 0:
        return middle
    ends = {side: _on_circumference(lines, side, row / 100) for side in ("L", "R")}
    if share == 1:
        return ends[hemisphere]
    if not _FIRST_ROW < row < _LAST_ROW:
        raise GeometryError(f"a place between midline and circumference has no row {row:g}")
    # Half of the line is taken as it is on this head: it need not be cut in two equal parts by the midline.
    across = arc_through(lines.scalp, (ends["L"], middle, ends["R"]), what="line over both sides")
    half, _ = across.locate(middle)
    at = half * (1 - share) if hemisphere == "L" else half + (across.length_mm - half) * share
    return across.at(at)


def _on_circumference(lines: ScalpLines, hemisphere: Hemisphere, share: float) -> FloatArray:
    """Return the point at a share of the half circumference from its front to its back on one side."""
    round_, (front, left, _) = lines.circumference, lines.axes
    if round_ is None:
        raise GeometryError("the image does not hold the whole circumference of the head")
    first = round_.crossing(lines.vertex, left, ahead=front)
    last = round_.crossing(lines.vertex, left, ahead=-front)
    if first is None or last is None:
        raise GeometryError("the circumference does not cross the midline in front and behind")
    span = round_.length_mm
    outward = left if hemisphere == "L" else -left
    ways = [round_.at(first + share * ((last - first) % span)), round_.at(first - share * ((first - last) % span))]
    found: FloatArray = max(ways, key=lambda place: float(np.dot(place - lines.vertex, outward)))
    return found
