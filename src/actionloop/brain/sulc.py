"""Sulcal depth: where the gyral crowns are."""

from __future__ import annotations

import numpy as np

from actionloop.brain.smooth import smooth
from actionloop.brain.surface import vertex_areas, vertex_normals
from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Surface

_FOLD_MM = 40.0
"""Smoothing that flattens gyri and sulci but keeps the lobes; chosen on the S1200 average against its own sulc."""

_LEAST_AGREEMENT = 0.2
"""Below this correlation with the template's sulc a file is no sulc of this hemisphere."""


def sulcal_depth(midthickness: Surface, *, fold_mm: float = _FOLD_MM) -> FloatArray:
    """Estimate sulcal depth where no sulc file is at hand: height over the surface with its folds smoothed away.

    The coordinates diffuse along the surface over `fold_mm`; what they lose is measured along the normal of the
    smoothed surface. It follows FreeSurfer's sulc in sign and rank after the HCP's change of sign, not in value.

    Parameters
    ----------
    midthickness : Surface
        Closed.
    fold_mm : float
        Full width at half maximum of the smoothing.

    Returns
    -------
    (vertex,) float64 ndarray
        mm, positive on gyral crowns, negative in sulci; area-weighted mean 0.

    Raises
    ------
    GeometryError
        The surface is no white, pial or midthickness surface.
    """
    if midthickness.kind not in ("white", "pial", "midthickness"):
        raise GeometryError(
            f"sulcal depth cannot be read from the {midthickness.kind} surface",
            where=midthickness.source or None,
            fix="give the midthickness surface",
        )
    points = np.asarray(midthickness.vertices, dtype=np.float64)
    flattened = smooth(points.T, midthickness, fwhm_mm=fold_mm).T
    smooth_surface = Surface(
        flattened, midthickness.faces, midthickness.hemisphere, "inflated", midthickness.frame, midthickness.source
    )
    height = np.einsum("vi,vi->v", points - flattened, vertex_normals(smooth_surface))
    depth: FloatArray = height - np.average(height, weights=vertex_areas(midthickness))
    return depth


def oriented_sulc(sulc: FloatArray, template_sulc: FloatArray, *, source: str = "") -> FloatArray:
    """Bring a sulc map to the HCP sign, positive on gyral crowns; FreeSurfer's own is positive in sulci.

    Parameters
    ----------
    sulc, template_sulc : (vertex,) float ndarray
        This person's, and the template's in HCP sign. NaN and exact zeros (no data) are not compared.
    source : str
        File of `sulc`, for the error.

    Returns
    -------
    (vertex,) float64 ndarray
        `sulc` or its negative; NaN becomes 0.

    Raises
    ------
    GeometryError
        Shapes that do not fit, or a map that does not look like the sulci of this hemisphere either way round.
    """
    sulc = np.asarray(sulc, dtype=np.float64)
    template_sulc = np.asarray(template_sulc, dtype=np.float64)
    where = source or None
    if sulc.ndim != 1 or sulc.shape != template_sulc.shape:
        raise GeometryError(
            f"expected a sulc map of {template_sulc.size} vertices, found {sulc.shape}",
            where=where,
            fix="give the sulc file of the same mesh, for example fsLR-32k",
        )
    both = np.isfinite(sulc) & np.isfinite(template_sulc) & (sulc != 0) & (template_sulc != 0)
    agreement = 0.0
    if both.sum() > 2 and np.ptp(sulc[both]) > 0 and np.ptp(template_sulc[both]) > 0:
        agreement = float(np.corrcoef(sulc[both], template_sulc[both])[0, 1])
    if abs(agreement) < _LEAST_AGREEMENT:
        raise GeometryError(
            f"the sulc map does not follow the sulci of this hemisphere (r = {agreement:+.2f} with the template)",
            where=where,
            fix="check that it is a sulc file, of this side, on this mesh; or leave it out",
        )
    oriented: FloatArray = np.nan_to_num(np.sign(agreement) * sulc, posinf=0, neginf=0)
    return oriented
