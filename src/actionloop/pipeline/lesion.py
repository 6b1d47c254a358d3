"""Cortex that a lesion has taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionloop import files
from actionloop.errors import GeometryError, OptionError
from actionloop.pipeline.head import Head
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Image

# Two grids of one field of view differ at their edges by less than a voxel.
_SLACK_MM = 1.0


def lesion_rows(path: Path | None, head: Head, *, t1w: Path | None) -> BoolArray:
    """Find the cortical rows that lie in a lesion, anywhere from white to pial surface.

    Parameters
    ----------
    path : Path or None
        Mask in the space of the person's T1, above 0 in the lesion; None for no lesion.
    head : Head
    t1w : Path or None
        The T1 that the mask is drawn on.

    Returns
    -------
    (59412,) bool ndarray

    Raises
    ------
    OptionError
        There are no surfaces that lie on a T1: the lesion would land elsewhere.
    InputError, GeometryError
        A mask that is empty, or has another field of view than the T1.
    """
    axis = files.template_grayordinates()
    rows = np.zeros(len(axis), dtype=bool)
    if path is None:
        return rows
    anatomy = head.anatomy
    if t1w is None or head.fit is None or not head.fit.ok:
        raise OptionError(
            "--lesion-mask needs the person's own surfaces on their T1, or the lesion would land elsewhere; but "
            f"{head.reason}",
            where=path,
            fix="give T1 and surfaces that belong together (fMRIPrep's anat folder, or --surfaces and --t1w)",
        )
    mask = files.read_image(path, frame=anatomy.frame)
    _require_same_view(mask, head.image or files.read_image(t1w, frame=anatomy.frame), path)
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


def _require_same_view(mask: Image, t1: Image, path: Path) -> None:
    """Refuse a mask that does not fill the same box in space as the T1, whatever its voxels and their order."""
    slack_mm = _SLACK_MM + max(float(np.linalg.norm(image.affine[:3, :3], axis=0).max()) for image in (mask, t1))
    apart = np.linalg.norm(_corners(mask)[:, None] - _corners(t1)[None], axis=2).min(axis=1).max()
    if apart > slack_mm:
        raise GeometryError(
            f"the lesion mask is not in the space of the T1: their fields of view are {apart:.0f} mm apart at a corner",
            where=path,
            fix=f"give the mask on the grid of {Path(t1.source).name} (resample it with nearest neighbour)",
        )


def _corners(image: Image) -> FloatArray:
    """Outer corners of the field of view, RAS mm; (8, 3)."""
    ends = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * np.array(image.data.shape) - 0.5
    corners: FloatArray = ends @ image.affine[:3, :3].T + image.affine[:3, 3]
    return corners
