"""Pictures from arrays: maps on the inflated cortex, T1 slices, targets, connectivity, coils and fields, trust."""

from actionloop.figures.closeups import target_views
from actionloop.figures.coilshape import CoilShape, coil_shape, moved, outlines
from actionloop.figures.coilview import POSE_COLOURS, SeenField, coil_on_head
from actionloop.figures.colours import display_colours, hexadecimal, of_interest, rgb, seen_with
from actionloop.figures.comparedfield import TwoFields, compared_fields
from actionloop.figures.contrasts import contrast_intervals, preferred_map
from actionloop.figures.curves import on_target_curves, share_histogram
from actionloop.figures.eeg import butterfly, field_power, site_ranking, stacked, time_frequency, topographies
from actionloop.figures.fieldmap import FieldScale, field_map
from actionloop.figures.lesions import lesion_slices, null_strips
from actionloop.figures.maps import (
    confidence_map,
    coverage,
    inflated_map,
    legend_colours,
    probability_map,
    share_map,
    value_map,
)
from actionloop.figures.matrix import fc_matrix
from actionloop.figures.measure import measured_head
from actionloop.figures.slices import cut_lines, pial_on_t1, take_slice
from actionloop.figures.timeline import THRESHOLDS_MM, carpet, motion_trace
from actionloop.figures.trialflow import flow_diagram
from actionloop.figures.trialforest import IntervalPanel, IntervalRow, forest_plot
from actionloop.figures.trialresults import Course, courses, difference_by_marker, share_bars, tipping_plot
from actionloop.figures.trust import agreement_curve, half_maps, stability_map
from actionloop.figures.views import SurfaceViews, folds, surface_views

__all__ = [
    "POSE_COLOURS",
    "THRESHOLDS_MM",
    "CoilShape",
    "Course",
    "FieldScale",
    "IntervalPanel",
    "IntervalRow",
    "SeenField",
    "SurfaceViews",
    "TwoFields",
    "agreement_curve",
    "butterfly",
    "carpet",
    "coil_on_head",
    "coil_shape",
    "compared_fields",
    "confidence_map",
    "contrast_intervals",
    "courses",
    "coverage",
    "cut_lines",
    "difference_by_marker",
    "display_colours",
    "fc_matrix",
    "field_map",
    "field_power",
    "flow_diagram",
    "folds",
    "forest_plot",
    "half_maps",
    "hexadecimal",
    "inflated_map",
    "legend_colours",
    "lesion_slices",
    "measured_head",
    "motion_trace",
    "moved",
    "null_strips",
    "of_interest",
    "on_target_curves",
    "outlines",
    "pial_on_t1",
    "preferred_map",
    "probability_map",
    "rgb",
    "seen_with",
    "share_bars",
    "share_histogram",
    "share_map",
    "site_ranking",
    "stability_map",
    "stacked",
    "surface_views",
    "take_slice",
    "target_views",
    "time_frequency",
    "tipping_plot",
    "topographies",
    "value_map",
]
