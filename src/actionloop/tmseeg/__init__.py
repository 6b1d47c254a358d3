"""TMS-EEG: cleaning, evoked measures, connectivity, choice of site."""

from actionloop.tmseeg.bands import Band, Grid, Window
from actionloop.tmseeg.choice import ChoiceOptions, PersonChoice, Rank, SiteChoice, choose_site, rank_sites
from actionloop.tmseeg.classifier import ClassifierOptions, Prediction, cross_validate
from actionloop.tmseeg.clean import BeforeAfter, Cleaned, StepRecord, clean
from actionloop.tmseeg.connectivity import (
    MEASURES,
    Connectivity,
    ConnectivityOptions,
    measure_connectivity,
    percentile_interval,
    subtract,
)
from actionloop.tmseeg.evoked import Evoked, FieldPower, average, global_field_power, local_field_power
from actionloop.tmseeg.oscillation import Oscillation, TimeFrequency, measure_oscillation, picture
from actionloop.tmseeg.places import Places, near, place_of, sensors
from actionloop.tmseeg.predictors import Predictor, m1_predictors
from actionloop.tmseeg.pulses import find_pulses
from actionloop.tmseeg.steps import Pipeline, Step, build_pipeline, named_pipeline, pipeline_names, step_names

__all__ = [
    "MEASURES",
    "Band",
    "BeforeAfter",
    "ChoiceOptions",
    "ClassifierOptions",
    "Cleaned",
    "Connectivity",
    "ConnectivityOptions",
    "Evoked",
    "FieldPower",
    "Grid",
    "Oscillation",
    "PersonChoice",
    "Pipeline",
    "Places",
    "Prediction",
    "Predictor",
    "Rank",
    "SiteChoice",
    "Step",
    "StepRecord",
    "TimeFrequency",
    "Window",
    "average",
    "build_pipeline",
    "choose_site",
    "clean",
    "cross_validate",
    "find_pulses",
    "global_field_power",
    "local_field_power",
    "m1_predictors",
    "measure_connectivity",
    "measure_oscillation",
    "named_pipeline",
    "near",
    "percentile_interval",
    "picture",
    "pipeline_names",
    "place_of",
    "rank_sites",
    "sensors",
    "step_names",
    "subtract",
]
