"""Geometry of one head in mm: surfaces, resampling between meshes, distances, smoothing, scalp."""

from actionloop.brain.affine import fit_affine
from actionloop.brain.face import HeadExam, examine_head
from actionloop.brain.fit import FitReport, require_cover, surfaces_fit_image
from actionloop.brain.geodesic import Geodesic
from actionloop.brain.nearby import Nearby, row_places
from actionloop.brain.parcels import Parcels, label_parcels, make_parcels
from actionloop.brain.scalp import Scalp, find_scalp, inside_head, scalp_of
from actionloop.brain.smooth import Smoother, smooth
from actionloop.brain.sphere import apply_weights, sphere_triangles, sphere_weights
from actionloop.brain.sulc import oriented_sulc, sulcal_depth
from actionloop.brain.surface import (
    adjacency,
    connected_pieces,
    piece_centre,
    require_consistent_hemispheres,
    unfolded,
    vertex_areas,
    vertex_normals,
    weighted_centre,
)

__all__ = [
    "FitReport",
    "Geodesic",
    "HeadExam",
    "Nearby",
    "Parcels",
    "Scalp",
    "Smoother",
    "adjacency",
    "apply_weights",
    "connected_pieces",
    "examine_head",
    "find_scalp",
    "fit_affine",
    "inside_head",
    "label_parcels",
    "make_parcels",
    "oriented_sulc",
    "piece_centre",
    "require_consistent_hemispheres",
    "require_cover",
    "row_places",
    "scalp_of",
    "smooth",
    "sphere_triangles",
    "sphere_weights",
    "sulcal_depth",
    "surfaces_fit_image",
    "unfolded",
    "vertex_areas",
    "vertex_normals",
    "weighted_centre",
]
