"""The lines that a head is measured along: nasion-inion, tragus-tragus, and the circumference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from actionloop import facts
from actionloop.brain.arcs import Arc, arc_through, cut_scalp
from actionloop.brain.fiducials import NAMES, Fiducials
from actionloop.brain.scalp import Scalp
from actionloop.errors import GeometryError
from actionloop.types import FloatArray

# Cz is at half of both arcs; each arc is laid through the other's half until they agree so closely.
_AGREED_MM, _ROUNDS = 0.005, 60
# A plane through four levels of the head does not hold each of them exactly.
_NEAR_LEVEL_MM = 25.0


@dataclass(frozen=True, eq=False)
class ScalpLines:
    """The lines that one head is measured along.

    Attributes
    ----------
    scalp : Scalp
    fiducials : Fiducials
    nasion_inion : Arc
        From the nasion over Cz to the inion.
    tragus : Arc
        From the left tragus over Cz to the right.
    vertex : (3,) float64 ndarray
        Cz, at half of both, RAS mm.
    circumference : Arc or None
        Through the 10 % levels, closed; None where the image ends there.
    """

    scalp: Scalp
    fiducials: Fiducials
    nasion_inion: Arc
    tragus: Arc
    vertex: FloatArray
    circumference: Arc | None

    @cached_property
    def axes(self) -> FloatArray:
        """Unit axes in rows: to the front, to the left, and up from mid-head to Cz; (3, 3).

        Front and up lie in the plane of nasion, inion and Cz.
        """
        marks = self.fiducials
        left = np.cross(marks.inion - marks.nasion, self.vertex - marks.nasion)
        left *= np.sign(left @ (marks.left - marks.right)) / np.linalg.norm(left)
        up = self.vertex - np.mean([getattr(marks, name) for name in NAMES], axis=0)
        up -= left * (left @ up)
        up /= np.linalg.norm(up)
        return np.stack([np.cross(left, up), left, up])

    @cached_property
    def elsewhere(self) -> tuple[ScalpLines, ...]:
        """The same lines from each landmark moved along the scalp by its uncertainty, both ways it can go.

        Empty where some of them cannot be laid.
        """
        marks, found = self.fiducials, []
        for name in NAMES:
            place = getattr(marks, name)
            _, outward, _ = self.scalp.nearest(place)
            along = np.linalg.svd(outward[None])[2][1:]
            for step in along * marks.uncertainty_mm / np.sqrt(2):
                try:
                    found.append(lay_lines(self.scalp, marks.moved(name, self.scalp.nearest(place + step)[0])))
                except GeometryError:
                    return ()
        return tuple(found)


def lay_lines(scalp: Scalp, fiducials: Fiducials) -> ScalpLines:
    """Lay the tape: nasion-inion and tragus-tragus over Cz, and the circumference.

    Cz is the point at half of both arcs. Lengths are exact on the mesh; a tape that is pulled taut bridges hollows and
    reads a little less.

    Raises
    ------
    GeometryError
        Other frames, or a scalp that ends or is cut on one of the arcs.
    """
    if fiducials.frame != scalp.frame:
        raise GeometryError(
            f"the landmarks are in the frame {fiducials.frame!r}, the scalp is in {scalp.frame!r}",
            fix="give both in the frame of one image",
        )
    marks = fiducials
    middle = np.mean([getattr(marks, name) for name in NAMES], axis=0)
    up = np.cross(marks.right - marks.left, marks.nasion - marks.inion)
    top = _straight_up(scalp, middle, up / np.linalg.norm(up))
    for _ in range(_ROUNDS):
        sagittal = arc_through(scalp, (marks.nasion, top, marks.inion), what="nasion-inion line")
        half = sagittal.at(sagittal.length_mm / 2)
        coronal = arc_through(scalp, (marks.left, half, marks.right), what="tragus-tragus line")
        top = coronal.at(coronal.length_mm / 2)
        if np.linalg.norm(top - half) <= _AGREED_MM:
            break
    else:
        raise GeometryError("no point lies at half of both arcs of this head", fix="check the landmarks")
    lines = ScalpLines(scalp, marks, sagittal, coronal, top, None)
    return replace(lines, circumference=_circumference(lines))


def _straight_up(scalp: Scalp, middle: FloatArray, up: FloatArray) -> FloatArray:
    """Return the point of the scalp above the middle of the head."""
    away = scalp.vertices - middle
    ahead = away @ up
    if not (ahead > 0).any():
        raise GeometryError("no scalp lies above the landmarks", fix="check the landmarks")
    beside = np.linalg.norm(away - ahead[:, None] * up, axis=1)
    vertex = int(np.where(ahead > 0, beside, np.inf).argmin())
    top: FloatArray = scalp.vertices[vertex]
    return top


def _circumference(lines: ScalpLines) -> Arc | None:
    """Cut the scalp at the 10 % levels of both arcs; None where that line is not closed."""
    share = float(facts.load("measure")["circumference"]["percent"]) / 100
    levels = np.array(
        [arc.at(part * arc.length_mm) for arc in (lines.nasion_inion, lines.tragus) for part in (share, 1 - share)]
    )
    centre = levels.mean(axis=0)
    normal = np.linalg.svd(levels - centre)[2][2]
    for arc in cut_scalp(lines.scalp, centre, normal):
        if arc.closed and max(arc.locate(level)[1] for level in levels) < _NEAR_LEVEL_MM:
            return arc
    return None
