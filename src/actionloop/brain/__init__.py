"""Geometry of one head in mm: surfaces, resampling between meshes, distances, smoothing, scalp."""

from actionloop.brain.geodesic import Geodesic
from actionloop.brain.smooth import smooth
from actionloop.brain.sphere import apply_weights, sphere_triangles, sphere_weights
from actionloop.brain.sulc import oriented_sulc, sulcal_depth
from actionloop.brain.surface import (
    adjacency,
    connected_pieces,
    piece_centre,
    require_consistent_hemispheres,
    vertex_areas,
    vertex_normals,
)

__all__ = [
    "Geodesic",
    "adjacency",
    "apply_weights",
    "connected_pieces",
    "oriented_sulc",
    "piece_centre",
    "require_consistent_hemispheres",
    "smooth",
    "sphere_triangles",
    "sphere_weights",
    "sulcal_depth",
    "vertex_areas",
    "vertex_normals",
]
