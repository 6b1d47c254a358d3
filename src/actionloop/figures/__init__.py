"""Pictures from arrays: maps on the inflated cortex, T1 slices, close-ups of targets, connectivity, what to trust."""

from actionloop.figures.closeups import target_views
from actionloop.figures.colours import display_colours, hexadecimal, of_interest, rgb, seen_with
from actionloop.figures.maps import confidence_map, coverage, inflated_map, legend_colours, probability_map
from actionloop.figures.matrix import fc_matrix
from actionloop.figures.slices import cut_lines, pial_on_t1, take_slice
from actionloop.figures.timeline import THRESHOLDS_MM, carpet, motion_trace
from actionloop.figures.trust import agreement_curve, half_maps, stability_map
from actionloop.figures.views import SurfaceViews, folds, surface_views

__all__ = [
    "THRESHOLDS_MM",
    "SurfaceViews",
    "agreement_curve",
    "carpet",
    "confidence_map",
    "coverage",
    "cut_lines",
    "display_colours",
    "fc_matrix",
    "folds",
    "half_maps",
    "hexadecimal",
    "inflated_map",
    "legend_colours",
    "motion_trace",
    "of_interest",
    "pial_on_t1",
    "probability_map",
    "rgb",
    "seen_with",
    "stability_map",
    "surface_views",
    "take_slice",
    "target_views",
]
