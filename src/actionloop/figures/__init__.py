"""Pictures from arrays: maps on the inflated cortex, T1 slices, close-ups of targets, connectivity."""

from actionloop.figures.closeups import target_views
from actionloop.figures.colours import display_colours, hexadecimal, of_interest, rgb, seen_with
from actionloop.figures.maps import confidence_map, coverage, inflated_map, legend_colours, probability_map
from actionloop.figures.matrix import fc_matrix
from actionloop.figures.slices import cut_lines, pial_on_t1, take_slice
from actionloop.figures.views import SurfaceViews, folds, surface_views

__all__ = [
    "SurfaceViews",
    "confidence_map",
    "coverage",
    "cut_lines",
    "display_colours",
    "fc_matrix",
    "folds",
    "hexadecimal",
    "inflated_map",
    "legend_colours",
    "of_interest",
    "pial_on_t1",
    "probability_map",
    "rgb",
    "seen_with",
    "surface_views",
    "take_slice",
    "target_views",
]
