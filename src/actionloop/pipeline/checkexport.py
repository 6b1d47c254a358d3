"""What a navigation file holds, in words, and whether its poses may be used on a given image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from actionloop.brain import examine_head
from actionloop.errors import ActionloopError, GeometryError, OptionError
from actionloop.navigation import SYSTEMS, Entry, NavigationFile, Reading, image_frame, read_any, said_side
from actionloop.pipeline.checkedexport import CheckedEntry, CheckedImage, CheckExportRequest, ExportCheck, Warned
from actionloop.pipeline.onhead import names_template
from actionloop.pipeline.pointing import Pointing, pointing_at
from actionloop.pipeline.posefile import read_named_image, read_pose_file
from actionloop.types import FloatArray, Image

# As in exports: a side counts as contradicted only this far beyond the midline. A coil's place is judged by this, too.
MARGIN_MM = 10.0

UNSEEN = (
    "What cannot be seen here: an image whose voxels were mirrored without its header, and poses of another person "
    "whose head lies alike. Compare a side mark (a capsule on the skin, a known lesion) with the patient."
)


def check_export(request: CheckExportRequest) -> ExportCheck:
    """Read a navigation file of any system and say what it holds; with an image, where each pose points.

    Parameters
    ----------
    request : CheckExportRequest

    Returns
    -------
    ExportCheck

    Raises
    ------
    InputError, GeometryError
        A file, image or surface that is missing, damaged or contradicts itself.
    OptionError
        Words that do not fit the file, or surfaces without an image.
    """
    if request.surfaces is not None and request.image is None:
        raise OptionError("surfaces say where a pose points only with their image", fix="give the T1 with --image")
    image = None if request.image is None else read_named_image(request.image)
    system, found, warnings = _read(request, image)
    if image is not None and found.tie is not None:
        image = replace(image, frame=found.tie.frame)  # a name only: which image it is, the hashes say
    notes = [] if found.tie else ["The file names no image: only poses that lie on a head tell whether it is theirs."]
    checked, pointing = None, None
    if image is not None:
        checked, told = _tied(found, image)
        warnings += told
        try:
            pointing = pointing_at(image, request.surfaces)
            residual = None if pointing.fit is None else pointing.fit.residual_mm
            checked = replace(checked, cortex=pointing.about, residual_mm=residual)
            notes.append(UNSEEN)
        except GeometryError as error:
            if request.surfaces is not None:
                raise
            checked = replace(checked, cortex=f"Where the poses point cannot be said: {error.problem}.")
            warnings.append(Warned(f"The head of the image was not judged: {error.problem}.", unusable=False))
    placed = found.space in ("RAS", "LPS")
    if pointing is not None and image is not None and placed:
        warnings += _on_head(found, image, pointing)
    entries = []
    for entry in found.entries:
        one, told = _entry(entry, pointing, placed=placed)
        entries.append(one)
        warnings += told
    return ExportCheck(
        file=str(request.file),
        system=system,
        name=found.system,
        version=found.version,
        frame=found.frame,
        space=found.space,
        verified=found.verified and SYSTEMS[system].verified,
        tie=found.tie,
        counts=dict(Counter(entry.kind for entry in found.entries)),
        skipped=found.skipped,
        entries=tuple(entries),
        image=checked,
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


def _read(request: CheckExportRequest, image: Image | None) -> tuple[str, NavigationFile, list[Warned]]:
    """Read a file by itself, so that an image that is not its own can be said to be so; else with the image."""
    read = read_pose_file(request.file)
    data, alone = read.data, Reading(assume=request.assume, axes=request.axes, sidecar=read.sidecar)
    source = request.file.name
    if image is None:
        return *read_any(data, source=source, system=request.system, reading=alone), []
    try:
        return *read_any(data, source=source, system=request.system, reading=replace(alone, image=image)), []
    except GeometryError as error:
        system, found = read_any(data, source=source, system=request.system, reading=alone)
        return system, found, [Warned(f"With this image the file contradicts itself: {error.problem}.")]


def _tied(found: NavigationFile, image: Image) -> tuple[CheckedImage, list[Warned]]:
    """Compare the image that the file names with the one that was given."""
    warnings = []
    mine, tie = image.tie, found.tie
    same, differs = None, ""
    if tie is not None:
        why = tie.why_not(mine)
        same = not why
        if why:
            differs = "header" if tie.header_sha256 != mine.header_sha256 else "voxels"
            warnings.append(Warned(f"The file {why}. Its poses must not be used on this image."))
        elif not (tie.voxels_sha256 and mine.voxels_sha256):
            what = "The file states no hash of the voxels: only the header was compared, and two people may share one."
            warnings.append(Warned(what, unusable=False))
    try:
        template = image_frame(image).template
    except GeometryError as error:
        warnings.append(Warned(f"{error.problem[0].upper()}{error.problem[1:]}."))
        template = False
    if template:
        what = "The header says that the image is a template, not a person: never navigate a person with it."
        warnings.append(Warned(what, unusable=False))
    elif tie is None and names_template(found.frame):
        what = f"The file's places are in a template's frame ({found.frame}), not in that of this image."
        warnings.append(Warned(what))
    made = CheckedImage(image.source, mine.header_sha256, mine.voxels_sha256, mine.form, same, differs)
    return made, warnings


def _on_head(found: NavigationFile, image: Image, pointing: Pointing) -> Iterator[Warned]:
    """Warn of what speaks against all poses at once: another head or frame, a head that is cut where coils stand."""
    matrices = [entry.matrix for entry in found.entries if entry.matrix is not None]
    why = pointing.judge(matrices)
    if why:
        yield Warned(why)
        return
    places = np.array([matrix[:3, 3] for matrix in matrices]).reshape(-1, 3) - pointing.shift_mm
    shifted = np.array(image.affine)
    shifted[:3, 3] -= pointing.shift_mm
    try:
        exam = examine_head(replace(image, affine=shifted), pointing.scalp, needed_ras=places)
    except ActionloopError as error:
        yield Warned(f"What the head lacks was not judged: {error.problem}.", unusable=False)
        return
    for reason in exam.reasons if not exam.usable else ():
        yield Warned(reason, unusable=False)


def _entry(entry: Entry, pointing: Pointing | None, *, placed: bool) -> tuple[CheckedEntry, list[Warned]]:
    x, y, z = (float(value) for value in entry.xyz_ras)
    middle = 0.0 if pointing is None else pointing.middle_x_mm
    said, side = said_side(entry.label), ""
    warnings = []
    if placed:
        off = x - middle
        side = "midline" if abs(off) <= MARGIN_MM else "left" if off < 0 else "right"
        if said and side not in ("midline", said):
            of = "the midline of this head" if pointing is not None else "the origin (no image was given to judge by)"
            what = f"It is named {said} but lies {abs(off):.0f} mm to the {side} of {of}: left and right contradict."
            warnings.append(Warned(what, entry.label))
    determinant, off_square = (None, None) if entry.matrix is None else _axes(entry.matrix)
    points_at = ""
    sentences: tuple[str, ...] = ()
    if pointing is not None and entry.matrix is not None and placed:
        words = pointing.describe(entry.matrix)
        points_at, sentences = words.brief if words.on_head else "", words.sentences
        warnings += [Warned(what, entry.label) for what in words.warnings]
    one = CheckedEntry(
        label=entry.label,
        kind=entry.kind,
        xyz_ras=(x, y, z),
        side_by_name=said,
        side_by_x=side,
        determinant=determinant,
        off_square_deg=off_square,
        note=entry.note,
        points_at=points_at,
        sentences=sentences,
    )
    return one, warnings


def _axes(matrix: FloatArray) -> tuple[float, float]:
    """Return the determinant of a coil's axes, and how far two of them are from a right angle (degrees)."""
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    cosine = np.abs((turn.T @ turn)[np.triu_indices(3, 1)]).max()
    return float(np.linalg.det(matrix[:3, :3])), float(np.degrees(np.arcsin(min(1.0, cosine))))
