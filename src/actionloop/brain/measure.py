"""A place on the scalp in numbers that a tape can follow: percentages of two arcs, or an angle and a way from Cz."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from actionloop import facts
from actionloop.brain.arcs import OFF_MM, Arc, arc_through, cut_scalp
from actionloop.brain.tapelines import ScalpLines
from actionloop.errors import GeometryError
from actionloop.types import FloatArray

Side = Literal["left", "right", "midline"]

# Nearer to the midline plane than this a point is on it.
_MIDLINE_MM = 0.5


@dataclass(frozen=True, eq=False)
class ScalpMeasure:
    """Where one point of the scalp lies, in mm and per cent of this head's own lines.

    Attributes
    ----------
    xyz_ras : (3,) float64 ndarray
        The point, mm, on the scalp.
    frame : str
    side : {'left', 'right', 'midline'}
        Of the plane of nasion, inion and Cz; the person's own.
    beside_midline_mm : float
        From that plane, straight.
    snapped_mm : float
        How far the place that was asked for lies from the scalp.
    nasion_inion_mm, tragus_mm : float
        Lengths of the two arcs over Cz.
    circumference_mm : float or None
    front_percent, front_mm : float
        Where the line from ear over the point to ear crosses the nasion-inion arc: share of the arc, and mm, from the
        nasion.
    ear_line_mm : float
        Length of that line from ear to ear.
    ear_percent, ear_mm : float
        How far along that line the point lies, from the left tragus.
    tragus_percent : float
        Where the line from nasion over the point to inion crosses the tragus-tragus arc, from the left tragus.
    from_vertex_mm : float
        Along the scalp from Cz, in the plane of Cz, the point and the middle of the head.
    angle_deg : float
        At Cz, from the front (0) to the back (180), to the side given by `side`.
    circumference_from_front_mm : float or None
        From the midline in front, along the circumference, to the line from Cz through the point (X of Beam F3).
    landmark_error_mm, tape_error_mm : float
        How far off the same numbers lead when the landmarks are felt elsewhere by their uncertainty, and by reading.
    """

    xyz_ras: FloatArray
    frame: str
    side: Side
    beside_midline_mm: float
    snapped_mm: float
    nasion_inion_mm: float
    tragus_mm: float
    circumference_mm: float | None
    front_percent: float
    front_mm: float
    ear_line_mm: float
    ear_percent: float
    ear_mm: float
    tragus_percent: float
    from_vertex_mm: float
    angle_deg: float
    circumference_from_front_mm: float | None
    landmark_error_mm: float = float("nan")
    tape_error_mm: float = float("nan")

    @property
    def error_mm(self) -> float:
        """Both errors together, root of the sum of squares."""
        return float(np.hypot(self.landmark_error_mm, self.tape_error_mm))


def measure_point(lines: ScalpLines, xyz_ras: FloatArray, *, with_error: bool = True) -> ScalpMeasure:
    """Measure the point of the scalp nearest to a place.

    Parameters
    ----------
    lines : ScalpLines
    xyz_ras : (3,) float ndarray
        mm in the frame of the scalp; on it, or near.
    with_error : bool
        Work out `landmark_error_mm` (lays the lines eight times more, once for a head).

    Returns
    -------
    ScalpMeasure

    Raises
    ------
    GeometryError
        Not finite, or a place below the ears that no line reaches.
    """
    place = np.asarray(xyz_ras, dtype=np.float64)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise GeometryError("the place to measure is not three finite numbers (RAS mm)")
    point, _, snapped = lines.scalp.nearest(place)
    marks, sagittal, coronal = lines.fiducials, lines.nasion_inion, lines.tragus
    beside = float((point - lines.vertex) @ lines.axes[1])
    side: Side = "midline" if abs(beside) < _MIDLINE_MM else "left" if beside > 0 else "right"
    across = arc_through(lines.scalp, (marks.left, point, marks.right), what="line from ear to ear over the point")
    front_mm = _over(sagittal, marks.left, point, marks.right, lines)
    tragus_mm = _over(coronal, marks.nasion, point, marks.inion, lines)
    angle = _angle(lines, point)
    ray = _ray(lines, angle)
    from_vertex, off = ray.locate(point)
    if off > OFF_MM:
        raise GeometryError("the scalp has an end or a hole between Cz and the point, so it cannot be measured from Cz")
    measure = ScalpMeasure(
        xyz_ras=point,
        frame=lines.scalp.frame,
        side=side,
        beside_midline_mm=abs(beside),
        snapped_mm=snapped,
        nasion_inion_mm=sagittal.length_mm,
        tragus_mm=coronal.length_mm,
        circumference_mm=None if lines.circumference is None else lines.circumference.length_mm,
        front_percent=100 * front_mm / sagittal.length_mm,
        front_mm=front_mm,
        ear_line_mm=across.length_mm,
        ear_percent=100 * across.locate(point)[0] / across.length_mm,
        ear_mm=across.locate(point)[0],
        tragus_percent=100 * tragus_mm / coronal.length_mm,
        from_vertex_mm=from_vertex,
        angle_deg=abs(float(np.degrees(angle))),
        circumference_from_front_mm=_round_from_front(lines, angle),
    )
    if not with_error:
        return measure
    tape = float(facts.load("measure")["uncertainty"]["tape_mm"])
    return replace(measure, landmark_error_mm=_landmark_error(lines, measure), tape_error_mm=float(np.sqrt(2) * tape))


def point_at(measure: ScalpMeasure, lines: ScalpLines, *, way: Literal["vertex", "ears"] = "vertex") -> FloatArray:
    """Find the point that the numbers of a measure lead to, on the head they were taken on or on another.

    Parameters
    ----------
    measure : ScalpMeasure
    lines : ScalpLines
    way : {'vertex', 'ears'}
        By angle and mm from Cz, or by the two percentages: along the nasion-inion arc, then from ear to ear.

    Returns
    -------
    (3,) float64 ndarray
        RAS mm on the scalp.

    Raises
    ------
    GeometryError
        The numbers lead beyond the imaged scalp.
    """
    if way == "vertex":
        sign = -1.0 if measure.side == "right" else 1.0
        return _ray(lines, sign * np.radians(measure.angle_deg)).at(measure.from_vertex_mm)
    marks = lines.fiducials
    over = lines.nasion_inion.at(measure.front_percent / 100 * lines.nasion_inion.length_mm)
    across = arc_through(lines.scalp, (marks.left, over, marks.right), what="line from ear to ear")
    return across.at(measure.ear_percent / 100 * across.length_mm)


def ray_over(lines: ScalpLines, xyz_ras: FloatArray) -> Arc:
    """Return the line from Cz along the scalp over a place, to the end of the scalp or the far side."""
    return _ray(lines, _angle(lines, np.asarray(xyz_ras, dtype=np.float64)))


def _over(arc: Arc, first: FloatArray, over: FloatArray, last: FloatArray, lines: ScalpLines) -> float:
    """Mm along an arc where the plane of three points crosses it above the head's middle."""
    found = arc.crossing(first, np.cross(over - first, last - first), ahead=lines.axes[2])
    if found is None:
        raise GeometryError(
            "the point lies below the ears, nasion or inion: no line over it crosses the arcs over the top of the head"
        )
    return found


def _angle(lines: ScalpLines, point: FloatArray) -> float:
    """Angle of a point at Cz: 0 to the front, positive to the left, radians."""
    front, left, _ = lines.axes @ (point - lines.vertex)
    return float(np.arctan2(left, front))


def _ray(lines: ScalpLines, angle: float) -> Arc:
    """Line along the scalp from Cz in one direction."""
    front, left, up = lines.axes
    ahead = np.cos(angle) * front + np.sin(angle) * left
    for arc in cut_scalp(lines.scalp, lines.vertex, np.cross(up, ahead)):
        start, off = arc.locate(lines.vertex)
        if off > OFF_MM:
            continue
        step = min(1.0, arc.length_mm / 4)
        after = np.interp((start + step) % arc.length_mm, arc.along_mm, arc.points @ ahead)
        before = np.interp((start - step) % arc.length_mm, arc.along_mm, arc.points @ ahead)
        away = (arc.along_mm - start) if after > before else (start - arc.along_mm)
        away = away % arc.length_mm if arc.closed else away
        kept = away > 1e-9
        points = arc.points[kept][np.argsort(away[kept], kind="stable")]
        return Arc(np.concatenate([lines.vertex[None], points]))
    raise GeometryError("the scalp has a hole at Cz")


def _round_from_front(lines: ScalpLines, angle: float) -> float | None:
    """Mm along the circumference from the midline in front to the line from Cz; the shorter way."""
    if lines.circumference is None:
        return None
    front, left, up = lines.axes
    ahead = np.cos(angle) * front + np.sin(angle) * left
    begin = lines.circumference.crossing(lines.vertex, left, ahead=front)
    end = lines.circumference.crossing(lines.vertex, np.cross(up, ahead), ahead=ahead)
    if begin is None or end is None:
        return None
    around = (end - begin) % lines.circumference.length_mm
    return float(min(around, lines.circumference.length_mm - around))


def _landmark_error(lines: ScalpLines, measure: ScalpMeasure) -> float:
    """How far off the same numbers lead when each landmark is moved along the scalp by its uncertainty, mm."""
    try:
        moves = [np.linalg.norm(point_at(measure, other) - measure.xyz_ras) for other in lines.elsewhere]
    except GeometryError:
        return float("nan")
    return float(np.sqrt(np.sum(np.square(moves)))) if moves else float("nan")
