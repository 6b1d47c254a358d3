"""Geometry of one head in mm: surfaces, resampling between meshes, distances, smoothing, scalp."""

from actionloop.brain.affine import fit_affine
from actionloop.brain.arcs import Arc
from actionloop.brain.beam import BeamF3, beam_f3
from actionloop.brain.electrodes import electrode_place
from actionloop.brain.face import HeadExam, examine_head
from actionloop.brain.fiducials import Fiducials, carry_affine, find_fiducials, place_fiducials
from actionloop.brain.fit import FitReport, require_cover, surfaces_fit_image
from actionloop.brain.geodesic import Geodesic
from actionloop.brain.measure import ScalpMeasure, measure_point, ray_over
from actionloop.brain.nearby import Nearby, row_places
from actionloop.brain.nuclei import ATLASES, MIDLINE_MM, Nuclei, NucleusReading, atlas_nuclei, read_nuclei
from actionloop.brain.parcels import Parcels, label_parcels, make_parcels
from actionloop.brain.ribbon import sample_ribbon
from actionloop.brain.scalp import Scalp, find_scalp, inside_head, scalp_of
from actionloop.brain.scalpfit import ScalpFit, fit_scalp
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
from actionloop.brain.tapelines import ScalpLines, lay_lines

__all__ = [
    "ATLASES",
    "MIDLINE_MM",
    "Arc",
    "BeamF3",
    "Fiducials",
    "FitReport",
    "Geodesic",
    "HeadExam",
    "Nearby",
    "Nuclei",
    "NucleusReading",
    "Parcels",
    "Scalp",
    "ScalpFit",
    "ScalpLines",
    "ScalpMeasure",
    "Smoother",
    "adjacency",
    "apply_weights",
    "atlas_nuclei",
    "beam_f3",
    "carry_affine",
    "connected_pieces",
    "electrode_place",
    "examine_head",
    "find_fiducials",
    "find_scalp",
    "fit_affine",
    "fit_scalp",
    "inside_head",
    "label_parcels",
    "lay_lines",
    "make_parcels",
    "measure_point",
    "oriented_sulc",
    "piece_centre",
    "place_fiducials",
    "ray_over",
    "read_nuclei",
    "require_consistent_hemispheres",
    "require_cover",
    "row_places",
    "sample_ribbon",
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
