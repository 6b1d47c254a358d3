"""The field around one vertex by several choices of the cortex that counts, so that a ratio of fields has a range."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.brain import Geodesic, vertex_areas
from actionloop.errors import GeometryError
from actionloop.types import FloatArray, Surface


def fields_around(length_v_per_m: FloatArray, surface: Surface, vertex: int) -> dict[str, float]:
    """Take mean, high percentile and maximum of |E| within some distances along the cortex.

    Parameters
    ----------
    length_v_per_m : (vertex,) float ndarray
        |E| on the mesh; 0 where it is not known.
    surface : Surface
        Midthickness of that hemisphere.
    vertex : int
        In the middle.

    Returns
    -------
    dict of str to float
        V/m, by the choice in words; distances and percentile as in data/poses.toml. Means are weighted by area.

    Raises
    ------
    GeometryError
        A field of another mesh, or none known near the vertex.
    """
    length = np.asarray(length_v_per_m, dtype=np.float64)
    if length.shape != (surface.n_vertices,):
        raise GeometryError(f"expected a field on {surface.n_vertices} vertices, found {length.shape}")
    known, area = facts.load("poses")["hotspot"], vertex_areas(surface)
    radii_mm, percentile = [float(one) for one in known["compared_mm"]], float(known["compared_percentile"])
    away_mm = Geodesic(surface).near(vertex, max(radii_mm))
    found: dict[str, float] = {}
    for radius_mm in radii_mm:
        within = (away_mm <= radius_mm) & (length > 0)
        if not within.any():
            raise GeometryError(f"no field is known within {radius_mm:g} mm of vertex {vertex}")
        values = length[within]
        found[f"mean within {radius_mm:g} mm"] = float(np.average(values, weights=area[within]))
        found[f"{percentile:g}th percentile within {radius_mm:g} mm"] = float(np.percentile(values, percentile))
        found[f"highest within {radius_mm:g} mm"] = float(values.max())
    return found
