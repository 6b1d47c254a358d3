"""Whether two images show one head in one place, which no header says."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.files.dicomseries import DicomSeries
from actionloop.types import FloatArray, Image


def require_same_place(series: DicomSeries, image: Image) -> float:
    """Refuse an image that does not show the series' head in the series' place.

    A target found on one image is a place in the other only if both share a frame, which no header says. So their
    intensities are compared where they lie, and shifted and mirrored.

    Parameters
    ----------
    series : DicomSeries
    image : Image
        The T1 that targets were found on.

    Returns
    -------
    float
        Correlation.

    Raises
    ------
    GeometryError
        They do not overlap, do not resemble each other, or would fit better shifted or mirrored. Shifts below half of
        the 4 mm that are tried pass.
    """
    settings = facts.load("dicom")["place"]
    image_mm = np.linalg.norm(image.affine[:3, :3], axis=0)
    stride = np.maximum(1, np.round(settings["lattice_mm"] / image_mm)).astype(int)
    grid = np.stack(
        np.meshgrid(*(np.arange(0, n, s) for n, s in zip(image.data.shape, stride, strict=True)), indexing="ij"), -1
    ).reshape(-1, 3)
    values = image.data[tuple(grid.T)].astype(np.float64)
    places = grid @ image.affine[:3, :3].T + image.affine[:3, 3]
    shifts = [sign * settings["shift_mm"] * axis for axis in np.eye(3) for sign in (1, -1)]
    here = _correlation(series.image, places, values)
    others = [_correlation(series.image, places + shift, values) for shift in shifts]
    # Files are mirrored by exchanging the ends of a voxel axis, not of the head's.
    flipped = max(
        _correlation(series.image, places, np.flip(image.data, axis=axis)[tuple(grid.T)].astype(np.float64))
        for axis in range(3)
    )
    if here < settings["correlation"] or here <= max(*others, flipped):
        why = "mirrored" if flipped > max(here, *others) else "shifted" if max(others) > here else "another image"
        raise GeometryError(
            f"the DICOM series does not show the head of {image.frame!r} in the same place (correlation {here:.2f}; "
            f"shifted up to {max(others):.2f}, mirrored {flipped:.2f}: {why})",
            where=series.source,
            fix="carry the target by a rigid registration of the two images, or give the series that the T1 came from",
        )
    return here


def _correlation(image: Image, places: FloatArray, values: FloatArray) -> float:
    from scipy.ndimage import map_coordinates

    inverse = np.linalg.inv(image.affine)
    ijk = places @ inverse[:3, :3].T + inverse[:3, 3]
    inside = ((ijk >= 0) & (ijk <= np.array(image.data.shape) - 1)).all(axis=1)
    if inside.sum() < facts.load("dicom")["place"]["points_at_least"]:
        return 0.0
    theirs, ours = map_coordinates(image.data, ijk[inside].T, order=1), values[inside]
    if not (theirs.std() > 0 and ours.std() > 0):
        return 0.0
    return float(np.corrcoef(theirs, ours)[0, 1])
