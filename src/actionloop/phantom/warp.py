"""Smooth random deformations of the sphere, and the maps that they carry along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.spatial import cKDTree

from actionloop.types import FloatArray

RADIUS_MM = 100.0
_STEPS = 6
_DENSITY = 3.0
"""Kernels within one standard deviation squared: enough that they overlap everywhere."""


@dataclass(frozen=True)
class WarpScale:
    """One scale of a deformation: root-mean-square shift and width of its features, mm on the sphere."""

    rms_mm: float
    fwhm_mm: float


@dataclass(frozen=True, eq=False)
class Warp:
    """A steady smooth flow along the sphere of radius 100 mm; following it for unit time is the deformation.

    Such a flow has an inverse, the flow backwards, so that no part of the map folds over another.

    Attributes
    ----------
    vertices : (vertex, 3) float64 ndarray
        Of the sphere.
    field : (vertex, 3) float64 ndarray
        Flow at the vertices, tangent to the sphere, mm per unit time.
    """

    vertices: FloatArray
    field: FloatArray

    def forward(self, points: FloatArray) -> FloatArray:
        """Where points of the group's sphere lie on the person's; shape (point, 3)."""
        return self._flow(points, 1.0)

    def backward(self, points: FloatArray) -> FloatArray:
        """Where points of the person's sphere come from on the group's; shape (point, 3)."""
        return self._flow(points, -1.0)

    def _flow(self, points: FloatArray, time: float) -> FloatArray:
        here = on_sphere(np.asarray(points, dtype=np.float64))
        step = time / _STEPS
        for _ in range(_STEPS):
            middle = on_sphere(here + step / 2 * self._velocity(here))
            here = on_sphere(here + step * self._velocity(middle))
        return here

    def _velocity(self, points: FloatArray) -> FloatArray:
        distance, index = self._tree.query(points, k=3)
        weight = 1 / np.maximum(distance, 1e-6)
        weight /= weight.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("pk,pki->pi", weight, self.field[index]))

    @cached_property
    def _tree(self) -> Any:
        return cKDTree(self.vertices)


def draw_warp(vertices: FloatArray, scales: Sequence[WarpScale], *, rng: Generator) -> Warp:
    """Draw a deformation.

    Parameters
    ----------
    vertices : (vertex, 3) float ndarray
        Of a sphere of radius 100 mm.
    scales : sequence of WarpScale
    rng : Generator

    Returns
    -------
    Warp
    """
    field = np.zeros(vertices.shape)
    for scale in scales:
        if scale.rms_mm > 0:
            drawn = random_field(vertices, fwhm_mm=scale.fwhm_mm, n=3, rng=rng)
            # Two of the three components of each vector lie along the sphere.
            field += drawn * scale.rms_mm / np.sqrt(2)
    normal = vertices / RADIUS_MM
    return Warp(vertices, field - np.einsum("pi,pi->p", field, normal)[:, None] * normal)


def random_field(vertices: FloatArray, *, fwhm_mm: float, n: int, rng: Generator) -> FloatArray:
    """Smooth random fields on the sphere, of mean 0 and variance 1 (over draws).

    Parameters
    ----------
    vertices : (vertex, 3) float ndarray
        Of a sphere of radius 100 mm.
    fwhm_mm : float
        Width of the Gaussian kernels that they are sums of.
    n : int
        How many fields.
    rng : Generator

    Returns
    -------
    (vertex, n) float64 ndarray
    """
    sigma = fwhm_mm / np.sqrt(8 * np.log(2))
    count = int(np.ceil(_DENSITY * 4 * RADIUS_MM**2 / sigma**2))
    centres = on_sphere(rng.normal(size=(count, 3)))
    pushes = rng.normal(size=(count, n))
    near = cKDTree(vertices).sparse_distance_matrix(cKDTree(centres), 3 * sigma, output_type="coo_matrix").tocsr()
    near.data = np.exp(-(near.data**2) / (2 * sigma**2))
    # Σ weight² over centres spread evenly over the sphere.
    return np.asarray(near @ pushes / np.sqrt(count * sigma**2 / (4 * RADIUS_MM**2)))


def on_sphere(points: FloatArray) -> FloatArray:
    """Bring points back to the sphere of radius 100 mm; shape (..., 3)."""
    return np.asarray(RADIUS_MM * points / np.linalg.norm(points, axis=-1, keepdims=True))
