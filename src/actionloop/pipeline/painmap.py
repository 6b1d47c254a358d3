"""A map to hold against networks: from CIFTI, GIFTI or a volume in MNI space, on the standard cortex."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionloop import files
from actionloop.brain import sample_ribbon
from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.types import FSLR32K_VERTICES, HEMISPHERES, BoolArray, FloatArray

_VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh")
_LEAST_KNOWN = 0.5


def read_cortical_map(paths: Sequence[Path]) -> FloatArray:
    """Read a map of the cortex.

    Parameters
    ----------
    paths : sequence of Path
        One .dscalar.nii (its first map), one volume in MNI152 space, or two files of values per vertex on fsLR-32k,
        left and then right.

    Returns
    -------
    (vertex,) float64 ndarray
        Left mesh, then right, NaN where not known; volumes are the mean through the ribbon of the template's cortex.

    Raises
    ------
    InputError
        A missing or damaged file, infinite values, or a map that is the same everywhere.
    GeometryError
        Another mesh, or a map that knows less than half of the cortex.
    OptionError
        Another number of files.
    """
    if len(paths) == 2:
        made = np.concatenate([_of_mesh(path) for path in paths])
    elif len(paths) == 1 and paths[0].name.endswith(".dscalar.nii"):
        made = _of_cifti(paths[0])
    elif len(paths) == 1 and paths[0].name.endswith(_VOLUMES):
        made = _of_volume(paths[0])
    else:
        raise OptionError(
            f"expected a .dscalar.nii, a volume (.nii.gz), or one file per hemisphere, found {len(paths)} file(s)",
            fix="give the left hemisphere's file and then the right one's",
        )
    cortex = cortex_mask()
    made[~cortex] = np.nan
    where = paths[0]
    if np.isinf(made).any():
        raise InputError("the map holds infinite values", where=where)
    known = np.isfinite(made[cortex])
    if known.mean() < _LEAST_KNOWN:
        raise GeometryError(
            f"the map knows {known.mean():.0%} of the cortex, expected half of it or more",
            where=where,
            fix="give a map of the whole cortex; a volume must be in MNI152 space",
        )
    values = made[cortex][known]
    if np.ptp(values) == 0:
        what = "zero" if values[0] == 0 else f"{values[0]:g}"
        raise InputError(f"the map is {what} everywhere on the cortex", where=where, fix="give a map that varies")
    return made


def require_volume(paths: Sequence[Path]) -> None:
    """Refuse a map of the cortex where voxels are asked for.

    Raises
    ------
    OptionError
        Anything but one volume.
    """
    if (
        len(paths) != 1
        or paths[0].name.endswith((".dscalar.nii", ".dtseries.nii"))
        or not paths[0].name.endswith(_VOLUMES)
    ):
        raise OptionError(
            "voxels can be compared of a volume only",
            where=paths[0],
            fix="give the map as a volume in MNI152 space, or leave --variogram-python out",
        )


def cortex_mask() -> BoolArray:
    """Mask of cortical vertices, left mesh and then right; shape (2 × 32,492,)."""
    axis = files.template_grayordinates().cortex()
    return np.concatenate([np.isin(np.arange(axis.n_vertices), axis.vertices(side)) for side in HEMISPHERES])


def _of_cifti(path: Path) -> FloatArray:
    maps = files.read_cifti_scalar(path)
    row = np.asarray(maps.data[0][: maps.grayordinates.n_cortex], dtype=np.float64)
    axis = maps.grayordinates.cortex()
    return np.concatenate([axis.to_mesh(row, side, fill=np.nan) for side in HEMISPHERES])


def _of_mesh(path: Path) -> FloatArray:
    values = np.asarray(files.read_mesh_scalar(path), dtype=np.float64)
    if len(values) != FSLR32K_VERTICES:
        raise GeometryError(
            f"expected {FSLR32K_VERTICES:,} vertices (fsLR-32k), found {len(values):,}",
            where=path,
            fix="resample the map to fsLR-32k first",
        )
    return values


def _of_volume(path: Path) -> FloatArray:
    anatomy = files.template_anatomy()
    image = files.read_image(path, frame=anatomy.frame, keep_missing=True)
    return np.concatenate(
        [sample_ribbon(image, anatomy.surface(side, "white"), anatomy.surface(side, "pial")) for side in HEMISPHERES]
    )
