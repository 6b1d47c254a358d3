"""Pictures from arrays: maps on the inflated cortex, T1 slices, targets, connectivity, coils and fields, trust."""

from actionloop.figures.closeups import target_views
from actionloop.figures.coilshape import CoilShape, coil_shape, moved, outlines
from actionloop.figures.coilview import POSE_COLOURS, SeenField, coil_on_head
from actionloop.figures.colours import display_colours, hexadecimal, of_interest, rgb, seen_with
from actionloop.figures.curves import on_target_curves, share_histogram
from actionloop.figures.fieldmap import FieldScale, field_map
from actionloop.figures.maps import confidence_map, coverage, inflated_map, legend_colours, probability_map, value_map
from actionloop.figures.matrix import fc_matrix
from actionloop.figures.measure import measured_head
from actionloop.figures.slices import cut_lines, pial_on_t1, take_slice
from actionloop.figures.timeline import THRESHOLDS_MM, carpet, motion_trace
from actionloop.figures.trust import agreement_curve, half_maps, stability_map
from actionloop.figures.views import SurfaceViews, folds, surface_views

__all__ = [
    "POSE_COLOURS",
    "THRESHOLDS_MM",
    "CoilShape",
    "FieldScale",
    "SeenField",
    "SurfaceViews",
    "agreement_curve",
    "carpet",
    "coil_on_head",
    "coil_shape",
    "confidence_map",
    "coverage",
    "cut_lines",
    "display_colours",
    "fc_matrix",
    "field_map",
    "folds",
    "half_maps",
    "hexadecimal",
    "inflated_map",
    "legend_colours",
    "measured_head",
    "motion_trace",
    "moved",
    "of_interest",
    "on_target_curves",
    "outlines",
    "pial_on_t1",
    "probability_map",
    "rgb",
    "seen_with",
    "share_histogram",
    "stability_map",
    "surface_views",
    "take_slice",
    "target_views",
    "value_map",
]
