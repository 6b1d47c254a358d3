"""One head to judge poses on: its scalp, a cortex with the names of its places, and whether poses lie on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from actionloop import facts, files
from actionloop.brain import Scalp, ScalpFit, find_scalp, fit_scalp
from actionloop.errors import GeometryError
from actionloop.navigation import PoseWords, describe_pose, judge_head
from actionloop.pipeline.head import read_head
from actionloop.pipeline.onhead import fits_template, fits_turned, template_scalp
from actionloop.pipeline.priors import area_names
from actionloop.types import HEMISPHERES, FloatArray, Hemisphere, Image, Surface


@dataclass(frozen=True, eq=False)
class Pointing:
    """What is needed to say where a pose points.

    Attributes
    ----------
    scalp : Scalp
        Moved by minus `shift_mm`, as are the surfaces.
    surfaces : mapping of hemisphere to Surface
        Pial.
    names : mapping of hemisphere to (vertex,) tuple of str, or None
        None where the cortex was laid into the head too badly to be named.
    shift_mm : (3,) float ndarray
        A scanner's origin may lie beside the head; a template's cortex is one about x = 0.
    fit : ScalpFit or None
        How the template's cortex was laid into the head; None for the person's own.
    """

    scalp: Scalp
    surfaces: Mapping[Hemisphere, Surface]
    names: Mapping[Hemisphere, tuple[str, ...]] | None
    shift_mm: FloatArray
    fit: ScalpFit | None

    @property
    def middle_x_mm(self) -> float:
        """Where the midline of the head lies in its image."""
        middle = np.mean([self.surfaces[side].vertices[:, 0].mean() for side in HEMISPHERES])
        return float(middle + self.shift_mm[0])

    @property
    def about(self) -> str:
        """Which cortex the words are of, in a sentence."""
        if self.fit is None:
            return "The cortex is the person's own; areas name cortex, not folds, so the names are approximate."
        laid = f"The template's cortex was laid into this head by its scalp (residual {self.fit.residual_mm:.1f} mm)"
        if self.names is None:
            return f"{laid}: too badly to name regions. Give the person's own surfaces (--surfaces)."
        off = facts.load("gyri")["carried"]
        return (
            f"{laid}: regions are approximate (on average {off['mean_mm'][0]:g} to {off['mean_mm'][1]:g} mm "
            f"off, at worst {off['worst_mm']:g}), and depths a few mm too large. "
            "The person's own surfaces (--surfaces) are better."
        )

    def describe(self, matrix: FloatArray) -> PoseWords:
        """Say where a pose points; without names of regions where the cortex is not to be trusted."""
        return describe_pose(_moved(matrix, -self.shift_mm), scalp=self.scalp, surfaces=self.surfaces, names=self.names)

    def judge(self, matrices: Sequence[FloatArray]) -> str:
        """Say that poses do not lie on this head, and which other head or frame they would fit; else ''."""
        scalp = replace(self.scalp, vertices=self.scalp.vertices + self.shift_mm)
        why = judge_head(matrices, scalp=scalp)
        if not why:
            return ""
        if fits_template(matrices):
            why += " They lie on the scalp of the MNI template: these look like MNI coordinates, not this person's."
        if fits_turned(matrices, scalp):
            why += " With the signs of x and y changed they would lie on it: LPS taken for RAS, or the reverse?"
        return why


def place_names() -> dict[Hemisphere, tuple[str, ...]]:
    """Name the place of each fsLR-32k vertex in words: fold, function and area.

    Returns
    -------
    dict of hemisphere to (32492,) tuple of str
        E.g. 'precentral gyrus (primary motor cortex, area 4)'.
    """
    known = facts.load("gyri")
    words = {
        area: f"{place['fold']} ({place['what']}, area {area})" for place in known["place"] for area in place["areas"]
    }
    words[""] = str(known["unnamed"])
    rows, cortex = area_names(), files.template_grayordinates()
    return {side: tuple(words[str(area)] for area in cortex.to_mesh(rows, side, fill="")) for side in HEMISPHERES}


def pointing_at(image: Image, surfaces: Path | None) -> Pointing:
    """Find the scalp of an image and the cortex under it.

    Parameters
    ----------
    image : Image
        T1-weighted, of a whole head.
    surfaces : Path or None
        Folder of the person's own surfaces in the space of the image; None: the template's cortex, laid into the head
        by its scalp.

    Returns
    -------
    Pointing

    Raises
    ------
    GeometryError
        No scalp in the image, or surfaces that do not belong to it.
    InputError
        Surfaces that cannot be read.
    """
    return _own(image, surfaces) if surfaces is not None else _carried(image)


def _own(image: Image, folder: Path) -> Pointing:
    head = read_head(files.bare_geometry("own", surfaces=folder, t1w=image.source))
    if head.scalp is None:
        raise GeometryError(
            f"the surfaces cannot be used with this image: {head.reason}",
            where=folder,
            fix="give the surfaces in the space of this image, or leave --surfaces out",
        )
    # Their coordinates are those of this image, whatever it is called.
    surfaces = {side: replace(head.anatomy.surface(side, "pial"), frame=image.frame) for side in HEMISPHERES}
    return Pointing(replace(head.scalp, frame=image.frame), surfaces, place_names(), np.zeros(3), None)


def _carried(image: Image) -> Pointing:
    scalp, template = find_scalp(image), files.template_anatomy()
    fit = fit_scalp(template_scalp(), scalp)
    pial = {side: fit(template.surface(side, "pial").vertices) for side in HEMISPHERES}
    shift = np.array([np.mean([places[:, 0].mean() for places in pial.values()]), 0.0, 0.0])
    surfaces = {
        side: replace(template.surface(side, "pial"), vertices=places - shift, frame=scalp.frame)
        for side, places in pial.items()
    }
    centred = replace(scalp, vertices=scalp.vertices - shift)
    return Pointing(centred, surfaces, place_names() if fit.good else None, shift, fit)


def _moved(matrix: FloatArray, by_mm: FloatArray) -> FloatArray:
    moved = np.array(matrix, dtype=np.float64)
    moved[:3, 3] += by_mm
    return moved
