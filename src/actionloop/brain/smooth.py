"""Smooth data along a surface by heat diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ive

from actionloop.brain.surface import vertex_areas
from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray, Surface

_COLUMNS = 128
"""How many maps diffuse at a time; bounds the memory."""

_TOLERANCE = 1e-8
"""Terms of the Chebyshev series below this are left out."""

_LARGEST_COTANGENT = 20.0
"""Faces with an angle below 3° conduct no more than this."""

_SMALLEST_AREA = 0.01
"""Vertices smaller than this share of the median vertex area count as this large, or slivers would rule the cost."""


class Smoother:
    """Smoothing along one surface over one width, set up once for as many maps as needed.

    Heat flows for a time t over the mesh (cotangent Laplacian, lumped vertex areas); on a flat sheet this equals
    a Gaussian of standard deviation sqrt(2 t), so t = fwhm² / (16 ln 2). The area-weighted sum of each map is
    kept, a constant map stays constant, and no value leaves the range of the input.

    Parameters
    ----------
    surface : Surface
    fwhm_mm : float
        Full width at half maximum along the surface; 0 changes nothing.
    valid : (vertex,) bool ndarray, optional
        Where data exist. Heat flows only over faces whose three vertices are valid; the rest comes back as 0.

    Raises
    ------
    GeometryError
        A mask that does not fit, or a negative width.
    """

    def __init__(self, surface: Surface, *, fwhm_mm: float, valid: BoolArray | None = None) -> None:
        if not fwhm_mm >= 0 or not np.isfinite(fwhm_mm):
            raise GeometryError(f"expected a smoothing width of 0 mm or more, found {fwhm_mm}")
        if valid is None:
            valid = np.ones(surface.n_vertices, dtype=bool)
        if valid.shape != (surface.n_vertices,) or valid.dtype != np.bool_:
            raise GeometryError(f"expected valid to be bool of shape ({surface.n_vertices},), found {valid.shape}")
        self._valid = valid
        self._flow = _heat_flow(surface, time_mm2=fwhm_mm**2 / (16 * np.log(2)), valid=valid) if fwhm_mm > 0 else None

    def __call__(self, values: FloatArray) -> FloatArray:
        """Smooth maps.

        Parameters
        ----------
        values : (..., vertex) float ndarray

        Returns
        -------
        (..., vertex) float ndarray
            float32 for float32 input, otherwise float64.

        Raises
        ------
        GeometryError
            Another number of vertices, or values that are not finite where valid.
        """
        values, n_vertices = np.asarray(values), len(self._valid)
        if values.ndim == 0 or values.shape[-1] != n_vertices:
            raise GeometryError(f"expected {n_vertices} vertices on the last axis, found {values.shape}")
        kind: Any = np.float32 if values.dtype == np.float32 else np.float64
        flat = values.reshape(-1, n_vertices)
        if not np.isfinite(flat[:, self._valid]).all():
            raise GeometryError("values to smooth hold NaN or infinite entries", fix="mark those vertices with valid=")
        smoothed: NDArray[Any] = np.where(self._valid, flat, 0).astype(kind, copy=False)
        if self._flow is not None:
            self._flow.run(smoothed)
        return smoothed.reshape(values.shape)


def smooth(values: FloatArray, surface: Surface, *, fwhm_mm: float, valid: BoolArray | None = None) -> FloatArray:
    """Smooth maps along a surface once; `Smoother` says how, and spares the set-up where it is done again.

    Parameters
    ----------
    values : (..., vertex) float ndarray
    surface : Surface
    fwhm_mm : float
        Full width at half maximum along the surface; 0 returns a copy.
    valid : (vertex,) bool ndarray, optional
        Where data exist. Heat flows only over faces whose three vertices are valid; the rest comes back as 0.

    Returns
    -------
    (..., vertex) float ndarray
        float32 for float32 input, otherwise float64.

    Raises
    ------
    GeometryError
        Shapes that do not fit, values that are not finite where valid, or a negative width.
    """
    return Smoother(surface, fwhm_mm=fwhm_mm, valid=valid)(values)


@dataclass(frozen=True, eq=False)
class _HeatFlow:
    """exp(-time L) by its Chebyshev series, over the vertices that any valid face uses.

    With the eigenvalues of L between 0 and 2 c, exp(-t L) = Σ a_k T_k(1 - L/c) and a_k = (2 - δ_k0) e^(-tc) I_k(tc),
    I_k the modified Bessel function. A few dozen sparse products replace a factorisation and its time steps.
    """

    used: IntArray
    root_area: FloatArray
    twice_shifted: Any
    coefficients: FloatArray

    def run(self, maps: NDArray[Any]) -> None:
        """Smooth (map, vertex) in place."""
        for first in range(0, len(maps), _COLUMNS):
            block = np.s_[first : first + _COLUMNS]
            before = np.ascontiguousarray(maps[block][:, self.used].T) * self.root_area[:, None]
            now = self.twice_shifted @ before / 2
            result = self.coefficients[0] * before + (self.coefficients[1] * now if len(self.coefficients) > 1 else 0)
            for coefficient in self.coefficients[2:]:
                after = self.twice_shifted @ now
                after -= before
                before, now = now, after
                result += coefficient * now
            maps[block, self.used] = (result / self.root_area[:, None]).T


def _heat_flow(surface: Surface, *, time_mm2: float, valid: BoolArray) -> _HeatFlow | None:
    """Set up the flow; None where no face is valid."""
    faces = surface.faces[valid[surface.faces].all(axis=1)]
    if not faces.size:
        return None
    reached = np.zeros(surface.n_vertices, dtype=bool)
    reached[faces] = True
    used = np.flatnonzero(reached)
    compact = np.cumsum(reached) - 1
    sheet = Surface(surface.vertices[used], compact[faces], surface.hemisphere, "inflated", surface.frame)
    area = vertex_areas(sheet)
    root = np.sqrt(np.maximum(area, max(_SMALLEST_AREA * float(np.median(area)), 1e-12)))
    balance = sparse.diags_array(1 / root)
    laplacian = sparse.csr_array(balance @ cotangent_laplacian(sheet, non_negative=True) @ balance)
    half_range = max(float(abs(laplacian).sum(axis=1).max()) / 2, 1e-12)
    twice_shifted = 2 * sparse.csr_array(sparse.eye_array(len(used)) - laplacian / half_range)
    return _HeatFlow(used, root, twice_shifted, _chebyshev(time_mm2 * half_range))


def _chebyshev(reach: float) -> FloatArray:
    count = int(np.ceil(np.sqrt(2 * reach * np.log(1 / _TOLERANCE)) + np.log(1 / _TOLERANCE))) + 2
    coefficients = 2 * ive(np.arange(count), reach)
    coefficients[0] /= 2
    needed = int(np.flatnonzero(coefficients > _TOLERANCE)[-1]) + 1
    return np.asarray(coefficients[:needed] / coefficients[:needed].sum())


def cotangent_laplacian(surface: Surface, *, non_negative: bool = False) -> sparse.csr_array[Any]:
    """Stiffness matrix of linear elements on a mesh: symmetric, rows sum to 0.

    Parameters
    ----------
    surface : Surface
    non_negative : bool
        Cut edges across which obtuse faces would drive heat from cold to warm.

    Returns
    -------
    (vertex, vertex) float64 csr_array
        Dimensionless, positive semi-definite; divide by vertex areas for a Laplacian in 1/mm².

    References
    ----------
    .. [1] Meyer et al. 2003, doi:10.1007/978-3-662-05105-4_2
    """
    corner = np.asarray(surface.vertices, dtype=np.float64)[surface.faces]
    starts, ends, weights = [], [], []
    for apex in range(3):
        one, other = (apex + 1) % 3, (apex + 2) % 3
        first, second = corner[:, one] - corner[:, apex], corner[:, other] - corner[:, apex]
        across = np.linalg.norm(np.cross(first, second), axis=1)
        along = np.einsum("fi,fi->f", first, second)
        cotangent = np.divide(along, across, out=np.zeros_like(along), where=across > 0)
        starts.append(surface.faces[:, one])
        ends.append(surface.faces[:, other])
        weights.append(np.clip(cotangent, -_LARGEST_COTANGENT, _LARGEST_COTANGENT) / 2)
    n = surface.n_vertices
    half = sparse.coo_array((np.concatenate(weights), (np.concatenate(starts), np.concatenate(ends))), shape=(n, n))
    coupling = sparse.csr_array(half + half.T)
    if non_negative:
        coupling.data = np.maximum(coupling.data, 0)
    return sparse.csr_array(sparse.diags_array(np.asarray(coupling.sum(axis=1)).ravel()) - coupling)
