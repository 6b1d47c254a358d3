"""What imaging and planning systems are given: overlays in the T1's grid, target surfaces, a DICOM series and SEG."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from actionloop import files
from actionloop.errors import ActionloopError, GeometryError, OutputError
from actionloop.files import Mark
from actionloop.pipeline.exported import ExportedFile, Handed, Shelf, entity_of, place_side
from actionloop.pipeline.navigationexports import told_name, told_verdict, withheld_words
from actionloop.pipeline.personjob import PersonResult
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Hemisphere, Image

RADIUS_MM = 5.0
_NETWORKS = ("SCAN", "AMN")
_TEMPLATE = "TEMPLATE head, not this person's"


def put_overlays(shelf: Shelf, result: PersonResult, handed: Handed) -> None:
    """Write probability, fields and target spheres in the grid of the T1, and the spheres as surfaces.

    On template anatomy the overlays lie in the template's grid and say so; surfaces are then not written, because
    planning tools do not show what a surface file says of itself.

    Parameters
    ----------
    shelf : Shelf
    result : PersonResult
    handed : Handed
        Is told what was written and what was left out.
    """
    image, own = ground_of(result), result.head.anatomy.own
    asked = result.job.settings.export
    if image is None:
        names = [name for name in ("overlays", "meshes") if asked.has(name)]
        if names:
            handed.leave_out(" and ".join(names), result.head.reason)
        return
    if asked.has("overlays"):
        _put_maps(shelf, result, handed, image)
    if asked.has("meshes") and result.exported and not own:
        handed.leave_out("meshes", f"positions are those of a {_TEMPLATE}, which planning tools would not show")
    for target in result.exported:
        label, words = told_name(result, target), entity_of(target.name)
        try:
            said = files.side_statement(label, target.xyz_ras, image)
            mask = files.sphere_mask(image, target.xyz_ras, radius_mm=RADIUS_MM)
        except GeometryError as error:
            handed.leave_out(f"overlay of {label}", error.problem)
            continue
        about = ExportedFile(
            "imaging", f"sphere at {label}", _frame(image, own), "", place_side(label, target.xyz_ras, image)
        )
        told = [said, told_verdict(result, target)]
        if asked.has("overlays"):
            name = f"{label}, sphere of {RADIUS_MM:g} mm"
            write = partial(_overlay, data=mask, image=image, name=_named(name, own), places=told)
            handed.add(about, shelf.put("target_overlay", write, desc=words))
        if asked.has("meshes") and own:
            mesh = files.sphere_mesh(target.xyz_ras, radius_mm=RADIUS_MM)
            gifti = partial(files.write_target_gifti, mesh=mesh, image=image, label=label, xyz_ras=target.xyz_ras)
            handed.add(about, shelf.put("target_gifti", gifti, desc=words))
            stl = partial(files.write_target_stl, mesh=mesh, image=image, label=label, xyz_ras=target.xyz_ras)
            handed.add(about, shelf.put("target_stl", stl, desc=words), frame=_frame(image, own, space="LPS"))


def ground_of(result: PersonResult) -> Image | None:
    """Return the image that overlays lie on: the person's T1, or the template's for template anatomy."""
    if result.head.image is not None or result.head.anatomy.own:
        return result.head.image
    return files.template_image()


def _put_maps(shelf: Shelf, result: PersonResult, handed: Handed, image: Image) -> None:
    """Write what lies on the cortex: probability of each network, field of each solved pose."""
    anatomy, shown, axis = result.head.anatomy, result.network_map, result.network_map.grayordinates
    ribbon = {side: (anatomy.surface(side, "white"), anatomy.surface(side, "pial")) for side in HEMISPHERES}
    try:
        grid = files.lay_ribbon(image, ribbon)
    except GeometryError as error:
        handed.leave_out("overlays", error.problem)
        return

    def put(key: str, values: Mapping[Hemisphere, FloatArray], name: str, **desc: str) -> None:
        named = _named(name, anatomy.own)
        write = partial(_overlay, data=grid.fill(values), image=image, name=named, places=[_BOTH])
        about = ExportedFile("imaging", name, _frame(image, anatomy.own), "", _BOTH)
        handed.add(about, shelf.put(key, write, **desc))

    for network in _NETWORKS:
        if network in shown.names:
            rows = shown.probability[shown.names.index(network)]
            put(f"{network.lower()}_overlay", {s: axis.to_mesh(rows, s) for s in HEMISPHERES}, f"{network} probability")
    for search in result.posing.searches:
        if not search.preview:
            name = f"|E| of the pose for {search.name}, V/m at 1 A/us"
            put("field_overlay", search.field_v_per_m, name, desc=entity_of(search.name))


_BOTH = "both hemispheres; left is at negative x (RAS)"


def _overlay(path: Path, *, data: FloatArray | BoolArray, image: Image, name: str, places: list[str]) -> None:
    files.write_overlay(path, data, image, name=name, places=places)


def _named(name: str, own: bool) -> str:
    return name if own else f"{name}, {_TEMPLATE}"


def _frame(image: Image, own: bool, *, space: str = "RAS") -> str:
    return f"{image.frame}, {space} mm" + ("" if own else f" ({_TEMPLATE})")


def put_dicom(shelf: Shelf, result: PersonResult, handed: Handed) -> None:
    """Write the person's own series with exported targets burned in, and targets and networks as SEG.

    Raises
    ------
    OutputError
        The folder cannot be written, or holds files that are not ours.
    """
    series, image = result.brought.series, result.head.image
    if series is None or image is None:
        return
    if not result.exported:
        handed.leave_out("DICOM", f"{withheld_words(result)}; --force writes it all the same and records it")
        return
    marks = [
        Mark(told_name(result, target), target.xyz_ras, RADIUS_MM, note=told_verdict(result, target))
        for target in result.exported
    ]
    sides = "; ".join(place_side(mark.label, mark.xyz_ras, image) for mark in marks)
    frame = f"patient axes of the series (LPS mm), same place as {image.frame}"
    try:
        folder = shelf.empty_folder("dicom_series", slice="0001")
        written = files.write_target_series(folder, series, marks, image=image)
        about = ExportedFile("imaging", "DICOM series with targets burned in", frame, "", sides)
        paths = [shelf.note("dicom_series", path) for path in written]
        handed.add(about, paths[0], note=f"{len(paths)} slices in this folder")
        masks = _network_masks(result, series.image)
        write = partial(files.write_segmentation, series=series, image=image, marks=marks, networks=masks)
        about = ExportedFile("imaging", f"DICOM SEG: targets, {', '.join(masks)}", frame, "", sides)
        handed.add(about, shelf.put("dicom_seg", write))
    except OSError as error:
        raise OutputError(f"cannot write: {error.strerror or error}", where=shelf.out.path) from error
    except OutputError:
        raise
    except ActionloopError as error:
        handed.leave_out("DICOM", error.problem)


def _network_masks(result: PersonResult, grid_of: Image) -> dict[str, BoolArray]:
    """Mark the voxels of the cortical ribbon whose vertex has the network's label."""
    anatomy, shown, axis = result.head.anatomy, result.network_map, result.network_map.grayordinates
    ribbon = {side: (anatomy.surface(side, "white"), anatomy.surface(side, "pial")) for side in HEMISPHERES}
    grid = files.lay_ribbon(grid_of, ribbon)
    found = {}
    for network in _NETWORKS:
        if network in shown.names and shown.members(network).any():
            members = shown.members(network).astype(np.float32)
            found[network] = grid.fill({side: axis.to_mesh(members, side) for side in HEMISPHERES}) > 0
    return found
