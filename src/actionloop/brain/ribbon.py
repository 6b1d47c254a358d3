"""Values of a volume on the cortex: the mean through the grey matter."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from actionloop.errors import GeometryError, OptionError
from actionloop.types import FloatArray, Image, Surface


def sample_ribbon(image: Image, white: Surface, pial: Surface, *, depths: int = 5) -> FloatArray:
    """Read a volume at several depths between white and pial surface, trilinearly, and average.

    Parameters
    ----------
    image : Image
        Values that are not finite are unknown.
    white, pial : Surface
        In the frame of the image, vertex by vertex.
    depths : int
        From a tenth to nine tenths of the way outwards.

    Returns
    -------
    (vertex,) float64 ndarray
        Mean of what is known; NaN where no depth lies on known voxels.

    Raises
    ------
    GeometryError
        Surfaces of another frame than the image.
    OptionError
        No depths.
    """
    if depths < 1:
        raise OptionError(f"cannot read a volume at {depths} depths")
    for surface in (white, pial):
        if surface.frame != image.frame:
            raise GeometryError(
                f"the surfaces are in the frame {surface.frame!r}, the image is in {image.frame!r}",
                where=image.source or None,
            )
    data = np.asarray(image.data, dtype=np.float64)
    known = np.isfinite(data)
    filled, weight = np.where(known, data, 0.0), known.astype(np.float64)
    to_voxels = np.linalg.inv(image.affine)
    total, share = (np.zeros(white.n_vertices) for _ in range(2))
    for part in np.linspace(0.1, 0.9, depths) if depths > 1 else (0.5,):
        places = (1 - part) * white.vertices + part * pial.vertices
        ijk = (places @ to_voxels[:3, :3].T + to_voxels[:3, 3]).T
        total += ndimage.map_coordinates(filled, ijk, order=1, mode="constant", cval=0.0)
        share += ndimage.map_coordinates(weight, ijk, order=1, mode="constant", cval=0.0)
    # Less than half a voxel known at one depth is not a value of this place.
    enough = share >= 0.5
    return np.where(enough, total / np.where(enough, share, 1.0), np.nan)
