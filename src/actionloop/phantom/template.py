"""The template cortex that phantoms live on: fsLR-32k surfaces, areas, adjacency and standard rows, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from actionloop.brain import adjacency, vertex_areas
from actionloop.files import standard_grayordinates_91k, template_anatomy
from actionloop.types import HEMISPHERES, FloatArray, Grayordinates, Hemisphere, Surface


@dataclass(frozen=True, eq=False)
class Side:
    """One hemisphere of the template.

    Attributes
    ----------
    midthickness, sphere : Surface
    area_mm2 : (vertex,) float64 ndarray
        On the midthickness.
    neighbours : (vertex, vertex) csr bool array
    scale : (vertex,) float64 ndarray
        Midthickness mm per mm on the sphere of radius 100 mm, averaged over some 10 mm.
    """

    midthickness: Surface
    sphere: Surface
    area_mm2: FloatArray
    neighbours: Any
    scale: FloatArray


@dataclass(frozen=True, eq=False)
class Template:
    """Both hemispheres and the 91,282 standard rows."""

    sides: Mapping[Hemisphere, Side]
    grayordinates: Grayordinates

    @property
    def voxel_xyz(self) -> FloatArray:
        """Centre of every voxel row, RAS mm; shape (voxel, 3)."""
        voxels = self.grayordinates.voxels
        if voxels is None:
            return np.zeros((0, 3))
        return np.asarray(voxels.ijk @ voxels.affine[:3, :3].T + voxels.affine[:3, 3])


@cache
def template() -> Template:
    """Return the template.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    anatomy = template_anatomy()
    sides: dict[Hemisphere, Side] = {}
    for hemisphere in HEMISPHERES:
        midthickness, sphere = anatomy.surface(hemisphere), anatomy.surface(hemisphere, "sphere")
        area = vertex_areas(midthickness)
        near = adjacency(midthickness.faces, midthickness.n_vertices)
        sides[hemisphere] = Side(midthickness, sphere, area, near, _scale(area, vertex_areas(sphere), near))
    return Template(sides, standard_grayordinates_91k())


def _scale(area: FloatArray, on_sphere: FloatArray, near: Any) -> FloatArray:
    # Six rings of neighbours reach about 10 mm; the areas of single vertices scatter too much.
    mean, weight = area.copy(), on_sphere.copy()
    for _ in range(6):
        mean, weight = mean + near @ mean, weight + near @ weight
    return np.asarray(np.sqrt(mean / weight))
