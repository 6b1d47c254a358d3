"""Scalp sheets: for every exported target the way to it by tape, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts, figures, files, navigation
from actionloop.brain import (
    Arc,
    ScalpLines,
    ScalpMeasure,
    beam_f3,
    lay_lines,
    measure_point,
    ray_over,
)
from actionloop.errors import GeometryError
from actionloop.pipeline.exported import ExportedFile, Handed, Shelf, entity_of, place_side
from actionloop.pipeline.head import Head, template_head
from actionloop.pipeline.headmodels import missing_scalp
from actionloop.pipeline.navigationexports import told_name, told_verdict
from actionloop.pipeline.personjob import PersonResult
from actionloop.report import SheetContent, render_sheet
from actionloop.types import HEMISPHERES, CoilPose, FloatArray, Hemisphere, Image, NetworkMap, Target

# Own choices. A tape that passes this near to a cut does not lie on skin; in front of this a target is called frontal.
_CUT_NEAR_MM = 6.0
_FRONTAL_MNI_Y_MM = 10.0
_AVERAGE = (
    "TEMPLATE HEAD: the head measured here is an average one, not this person's. Lengths and percentages are those of "
    "an average head; where the target lies in this person's own brain is not known."
)
_OTHERWISE = "use a T1 that holds the whole head, or give the landmarks by hand with --fiducials"


@dataclass(frozen=True, eq=False)
class _Ground:
    """The head that is measured.

    Attributes
    ----------
    head : Head
    lines : ScalpLines
    image : Image
    cut : (place, 3) float ndarray
        Places of the scalp that are no skin, mm.
    reasons : tuple of str
        Why they are none.
    """

    head: Head
    lines: ScalpLines
    image: Image
    cut: FloatArray
    reasons: tuple[str, ...]

    def require_skin(self, points: FloatArray, what: str) -> None:
        """Refuse to measure over a cut.

        Raises
        ------
        GeometryError
        """
        if not len(self.cut):
            return
        nearest = float(np.min(cKDTree(self.cut).query(np.atleast_2d(points))[0]))
        if nearest <= _CUT_NEAR_MM:
            why = f" ({' '.join(self.reasons)})" if self.reasons else ""
            raise GeometryError(f"a cut in the T1 lies {nearest:.0f} mm from the {what}{why}")


def put_sheets(shelf: Shelf, result: PersonResult, handed: Handed) -> None:
    """Write a sheet for every exported target.

    Parameters
    ----------
    shelf : Shelf
    result : PersonResult
    handed : Handed
        Is told what was written, and what was left out and why.
    """
    if not result.job.settings.export.has("sheets") or not result.exported:
        return
    try:
        ground = _ground(result)
    except GeometryError as error:
        handed.leave_out("scalp sheets", f"{error.problem}; {_OTHERWISE}")
        return
    if ground is None:
        handed.leave_out("scalp sheets", result.head.reason)
        return
    names = _network_names(result.network_map)
    for target in result.exported:
        try:
            content = _sheet(result, target, ground, names)
        except GeometryError as error:
            handed.leave_out(f"scalp sheet of {told_name(result, target)}", error.problem)
            continue
        write = partial(files.write_text, text=render_sheet(content))
        place = f"{ground.image.frame}, scalp, RAS mm" + ("" if ground.head.anatomy.own else "; TEMPLATE head")
        sides = place_side(content.target, content.xyz_ras, ground.image)
        about = ExportedFile("tape", f"scalp sheet of {content.target}", place, "", sides)
        handed.add(about, shelf.put("sheet", write, desc=entity_of(target.name)))


def _ground(result: PersonResult) -> _Ground | None:
    """Lay the tape on this head, or on the template's where the anatomy is the template's; None without a scalp.

    Raises
    ------
    GeometryError
        Landmarks that cannot be trusted, a face cut away, or a scalp that ends on one of the lines.
    """
    head = result.head
    if not head.anatomy.own and head.scalp is None:
        head = template_head()
    if head.scalp is None or head.image is None:
        return None
    marks = result.brought.fiducials or head.found_fiducials()
    missing = missing_scalp(head, head.scalp)
    cut = missing.cut
    ground = _Ground(head, lay_lines(head.scalp, marks), head.image, cut, missing.reasons)
    for name in ("nasion", "inion", "left", "right"):
        ground.require_skin(getattr(marks, name), name if name in ("nasion", "inion") else f"{name} tragus")
    ground.require_skin(ground.lines.nasion_inion.points, "line from nasion to inion")
    ground.require_skin(ground.lines.tragus.points, "line from tragus to tragus")
    return ground


def _sheet(result: PersonResult, target: Target, ground: _Ground, names: dict[Hemisphere, list[str]]) -> SheetContent:
    lines, pose = ground.lines, target.pose if not result.head.reason else None
    place = lines.scalp.nearest(target.xyz_ras)[0] if pose is None else pose.matrix[:3, 3]
    measure = measure_point(lines, place)
    ground.require_skin(_ray(lines, measure), "line from Cz to the point")
    if lines.circumference is not None and len(ground.cut):
        near = np.min(cKDTree(ground.cut).query(lines.circumference.points)[0]) <= _CUT_NEAR_MM
        measure = replace(measure, circumference_mm=None, circumference_from_front_mm=None) if near else measure
    words = navigation.tape_words(measure, lines.fiducials)
    own = ground.head.anatomy.own
    return SheetContent(
        person=f"sub-{result.job.person.label}",
        target=told_name(result, target) + ("" if own else " (template head)"),
        hemisphere=target.piece.hemisphere,
        side=measure.side,
        beside_midline_mm=measure.beside_midline_mm,
        xyz_ras=measure.xyz_ras,
        frame=ground.image.frame,
        image_sha256=ground.image.header_sha256,
        rows=words.rows,
        steps=words.steps,
        check=words.check,
        caveats=[*([] if own else [_AVERAGE]), f"The target: {told_verdict(result, target)}.", *words.caveats],
        picture=figures.measured_head(lines, measure),
        pose=[] if pose is None else _pose_words(pose, ground, names),
        beside=_beam(lines, target, measure),
    )


def _ray(lines: ScalpLines, measure: ScalpMeasure) -> FloatArray:
    """Points of the line from Cz as far as the point that is measured."""
    ray: Arc = ray_over(lines, measure.xyz_ras)
    return np.concatenate([ray.points[ray.along_mm <= measure.from_vertex_mm], measure.xyz_ras[None]])


def _pose_words(pose: CoilPose, ground: _Ground, names: dict[Hemisphere, list[str]]) -> list[str]:
    """Say where the coil points, how it is turned, and its kind; where it stands is what the sheet measures."""
    surfaces = {side: ground.head.anatomy.surface(side, "pial") for side in HEMISPHERES}
    said = navigation.describe_pose(pose.matrix, scalp=ground.lines.scalp, surfaces=surfaces, names=names)
    *aimed, _, handle = said.sentences
    return [" ".join([*aimed, handle]), f"Pose: {pose.note}."]


def _beam(lines: ScalpLines, target: Target, measure: ScalpMeasure) -> Sequence[str]:
    """Say where Beam F3 or F4 lies on the same head, beside a frontal target."""
    if target.xyz_mni[1] <= _FRONTAL_MNI_Y_MM:
        return ()
    side = target.piece.hemisphere
    try:
        found = beam_f3(lines, side)
    except GeometryError as error:
        return (f"Beam F3 cannot be measured here: {error.problem}.",)
    apart = float(np.linalg.norm(found.xyz_ras - measure.xyz_ras))
    known = facts.load("measure")["beam_f3"]
    trusted = "" if known["verified"] else "; its numbers are second-hand, not verified"
    name = "Beam F3" if side == "L" else "F4 (Beam F3 mirrored)"
    return (
        f"{name} on this head: {found.x_mm / 10:.1f} cm along the circumference from the midline in front, then "
        f"{found.y_mm / 10:.1f} cm from Cz towards that mark. It lies {apart:.0f} mm from the point above "
        f"(doi:10.1016/j.brs.2008.09.006{trusted}).",
    )


def _network_names(network_map: NetworkMap) -> dict[Hemisphere, list[str]]:
    """Return the name of the network at every vertex; empty where there is none."""
    names = {int(key): name for key, name in zip(network_map.keys, network_map.names, strict=True)}
    axis = network_map.grayordinates
    return {
        side: [names.get(int(label), "") for label in axis.to_mesh(network_map.label, side)] for side in HEMISPHERES
    }
