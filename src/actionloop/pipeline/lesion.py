"""Cortex that a lesion has taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionloop import files
from actionloop.errors import GeometryError, OptionError
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, Image


def lesion_rows(path: Path | None, anatomy: Anatomy) -> BoolArray:
    """Find the cortical rows that lie in a lesion, anywhere from white to pial surface.

    Parameters
    ----------
    path : Path or None
        Mask in the space of the person's T1, above 0 in the lesion; None for no lesion.
    anatomy : Anatomy

    Returns
    -------
    (59412,) bool ndarray

    Raises
    ------
    OptionError
        The surfaces are the template's, where the lesion would land elsewhere.
    GeometryError
        A mask that is empty or does not cover the cortex.
    """
    axis = files.template_grayordinates()
    rows = np.zeros(len(axis), dtype=bool)
    if path is None:
        return rows
    if not anatomy.own:
        raise OptionError(
            "--lesion-mask needs the person's own surfaces: on template anatomy the lesion would land elsewhere",
            where=path,
            fix="give the surfaces in T1 space (fMRIPrep's anat folder, or --surfaces)",
        )
    mask = files.read_image(path, frame=anatomy.frame)
    _require_cover(mask, anatomy, path)
    to_voxel = np.linalg.inv(mask.affine)
    for hemisphere in HEMISPHERES:
        white = anatomy.surface(hemisphere, "white").vertices
        pial = anatomy.surface(hemisphere, "pial").vertices
        hit = np.zeros(len(white), dtype=bool)
        for share in np.linspace(0, 1, 5):
            place = white + share * (pial - white)
            voxel = np.rint(place @ to_voxel[:3, :3].T + to_voxel[:3, 3]).astype(int)
            inside = ((voxel >= 0) & (voxel < mask.data.shape)).all(axis=1)
            hit[inside] |= np.asarray(mask.data)[tuple(voxel[inside].T)] > 0
        rows[axis.rows(hemisphere)] = hit[axis.vertices(hemisphere)]
    return rows


def _require_cover(mask: Image, anatomy: Anatomy, path: Path) -> None:
    """Refuse a mask whose field of view does not hold the person's cortex."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(mask.data.shape) - 1)
    world = corners @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    cortex = np.concatenate([anatomy.surface(side).vertices for side in HEMISPHERES])
    covered = ((cortex >= world.min(axis=0)) & (cortex <= world.max(axis=0))).all(axis=1).mean()
    if covered < 0.9:
        raise GeometryError(
            f"the lesion mask covers only {covered:.0%} of the space that the cortex lies in",
            where=path,
            fix="give the mask in the space of the person's T1",
        )
    if not np.asarray(mask.data).any():
        raise GeometryError("the lesion mask is empty", where=path, fix="check the mask; 1 marks the lesion")
