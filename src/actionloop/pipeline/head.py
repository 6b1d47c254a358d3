"""One person's head: surfaces, sulci, T1, scalp; and whether positions may go to a navigation system."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from actionloop import files
from actionloop.brain import (
    Fiducials,
    FitReport,
    HeadExam,
    Scalp,
    apply_weights,
    carry_affine,
    examine_head,
    find_fiducials,
    find_scalp,
    oriented_sulc,
    require_consistent_hemispheres,
    require_cover,
    sphere_weights,
    sulcal_depth,
    surfaces_fit_image,
)
from actionloop.errors import GeometryError
from actionloop.files import PersonFiles, SurfaceFiles
from actionloop.navigation import image_frame
from actionloop.types import (
    FSLR32K_VERTICES,
    HEMISPHERES,
    Anatomy,
    FloatArray,
    Hemisphere,
    Image,
    Surface,
    SurfaceKind,
)


@dataclass(frozen=True, eq=False)
class Head:
    """Geometry of one person.

    Attributes
    ----------
    anatomy : Anatomy
    image : Image or None
        The T1 that positions are exported in; None when there is none that the surfaces belong to.
    scalp : Scalp or None
    fit : FitReport or None
    reason : str
        Why navigation files are left out; empty when they are written.
    notes : tuple of str
    """

    anatomy: Anatomy
    image: Image | None
    scalp: Scalp | None
    fit: FitReport | None
    reason: str
    notes: tuple[str, ...] = ()

    @cached_property
    def exam(self) -> HeadExam | None:
        """What the T1 lacks of the scalp, looked at once; None without T1 or scalp."""
        return None if self.image is None or self.scalp is None else examine_head(self.image, self.scalp)

    def found_fiducials(self) -> Fiducials:
        """Return the landmarks, found by the vertices that this cortex shares with the template's.

        Raises
        ------
        GeometryError
            No scalp, or landmarks that cannot be trusted.
        """
        marks = self._carried_fiducials
        if marks.doubts:
            raise GeometryError(" ".join(marks.doubts).rstrip("."))
        return marks

    @cached_property
    def _carried_fiducials(self) -> Fiducials:
        if self.scalp is None:
            raise GeometryError(self.reason or "there is no scalp")
        template = files.template_anatomy()
        both = [
            np.concatenate([anatomy.surface(side).vertices for side in HEMISPHERES])
            for anatomy in (template, self.anatomy)
        ]
        return find_fiducials(self.scalp, from_mni=carry_affine(*both))


def template_head() -> Head:
    """Return the template's head: S1200 surfaces and the MNI T1 with scalp."""
    anatomy, image = files.template_anatomy(), files.template_image()
    fit = surfaces_fit_image(anatomy, image)
    note = "Template anatomy: positions are those of an average head, not of this person's."
    return Head(anatomy, image, find_scalp(image), fit, "" if fit.ok else fit.reason, (note,))


def in_mni(person: PersonFiles) -> bool:
    """Tell whether positions of a person are in MNI space: on the template, or on surfaces warped to it."""
    found = person.surfaces
    return found is None or not found.complete or found.space == "standard"


def read_head(person: PersonFiles) -> Head:
    """Read a person's surfaces and T1, and test that they belong together.

    Surfaces in a template's space, a T1 that is missing, defaced or of another space, or no surfaces at all are no
    errors: maps and targets are still made, and `reason` says why navigation files are not.

    Raises
    ------
    GeometryError, InputError
        Files that are damaged or contradict themselves (left and right exchanged, wrong vertex counts).
    """
    found = person.surfaces
    if found is None or not found.complete:
        lacking = "none were found" if found is None else f"missing: {', '.join(found.missing)}"
        reason = f"the person's own surfaces are not there ({lacking}); positions on the template are not in the head"
        return Head(files.template_anatomy(), None, None, None, reason)
    frame = f"sub-{person.label} T1w"
    if found.space == "standard":
        reason = "the surfaces are in the space of a template (MNINonLinear or MNI152), not in that of the person's T1"
        return Head(_own_anatomy(person, found, "MNI152 (surfaces in standard space)"), None, None, None, reason)
    # Without a T1 that they fit, the coordinates are those of the surface files and of nothing else.
    bare = f"sub-{person.label} surface files (no T1)"
    if person.t1w is None:
        return Head(_own_anatomy(person, found, bare), None, None, None, "there is no T1 that the surfaces belong to")
    anatomy = _own_anatomy(person, found, frame)
    image = files.read_image(person.t1w, frame=frame)
    fit = surfaces_fit_image(anatomy, image)
    if not fit.ok:
        return Head(_renamed(anatomy, f"sub-{person.label} surface files (not the T1)"), None, None, fit, fit.reason)
    try:
        image_frame(image)
        scalp = find_scalp(image)
        require_cover(scalp, anatomy)
    except GeometryError as error:
        return Head(anatomy, None, None, fit, f"{person.t1w.name}: {error.problem}")
    return Head(anatomy, image, scalp, fit, "")


def _renamed(anatomy: Anatomy, frame: str) -> Anatomy:
    """Return the same anatomy under another name of its frame."""
    surfaces = {key: replace(surface, frame=frame) for key, surface in anatomy.surfaces.items()}
    return replace(anatomy, surfaces=surfaces, frame=frame)


def _own_anatomy(person: PersonFiles, found: SurfaceFiles, frame: str) -> Anatomy:
    """Read own surfaces, on fsLR-32k; what only pictures need is filled in."""
    template = files.template_anatomy()
    surfaces: dict[tuple[Hemisphere, SurfaceKind], Surface] = {}
    sulc: dict[Hemisphere, FloatArray] = {}
    for hemisphere in HEMISPHERES:
        weights = _native_weights(found, hemisphere)
        for kind in ("white", "pial", "midthickness", "inflated"):
            path = found.paths.get((hemisphere, kind))
            if path is not None:
                surface = files.read_surface(path, hemisphere=hemisphere, kind=kind, frame=frame)
                surfaces[hemisphere, kind] = _on_fslr(surface, weights, template)
        white, pial = surfaces[hemisphere, "white"], surfaces[hemisphere, "pial"]
        middle = replace(white, vertices=(white.vertices + pial.vertices) / 2, kind="midthickness")
        surfaces.setdefault((hemisphere, "midthickness"), middle)
        surfaces.setdefault((hemisphere, "inflated"), template.surface(hemisphere, "inflated"))
        sulc[hemisphere] = _sulc(person, hemisphere, weights, template, surfaces[hemisphere, "midthickness"])
    require_consistent_hemispheres(surfaces["L", "midthickness"], surfaces["R", "midthickness"])
    described = f"sub-{person.label}'s own surfaces" + (f" ({found.registration})" if found.registration else "")
    return Anatomy(surfaces, sulc, frame, own=True, description=described)


def _native_weights(found: SurfaceFiles, hemisphere: Hemisphere) -> object | None:
    """Weights from the native mesh to fsLR-32k, or None for surfaces that are there already."""
    if found.mesh == "fsLR32k":
        return None
    sphere = files.read_surface(found.spheres[hemisphere], hemisphere=hemisphere, kind="sphere", frame="fsLR")
    return sphere_weights(sphere, files.template_anatomy().surface(hemisphere, "sphere"))


def _on_fslr(surface: Surface, weights: object | None, template: Anatomy) -> Surface:
    if weights is None:
        if surface.n_vertices != FSLR32K_VERTICES:
            raise GeometryError(
                f"expected {FSLR32K_VERTICES} vertices (fsLR-32k), found {surface.n_vertices}",
                where=surface.source,
                fix="give the fsLR-32k surfaces (den-32k), or the native ones with their registration spheres",
            )
        return surface
    faces = template.surface(surface.hemisphere).faces
    return replace(surface, vertices=apply_weights(weights, surface.vertices.T).T, faces=faces)


def _sulc(
    person: PersonFiles, hemisphere: Hemisphere, weights: object | None, template: Anatomy, middle: Surface
) -> FloatArray:
    """Sulcal depth from a file where there is one, else from the shape of the surface."""
    if hemisphere in person.sulc:
        path = person.sulc[hemisphere]
        values = files.read_mesh_scalar(path, hemisphere=hemisphere)
        if weights is not None:
            values = apply_weights(weights, values[None])[0]
        if len(values) == FSLR32K_VERTICES:
            return oriented_sulc(values, template.sulc[hemisphere], source=str(path))
    elif "both" in person.sulc:
        maps = files.read_cifti_scalar(person.sulc["both"])
        values = np.asarray(maps.grayordinates.to_mesh(maps.data[0], hemisphere))
        return oriented_sulc(values, template.sulc[hemisphere], source=str(person.sulc["both"]))
    return sulcal_depth(middle)
