"""How much of a map is the person and how much chance: halves, resampled frames, length of the scan, verdicts."""

from actionloop.reliability.assess import Measures, Subject, assess, measure
from actionloop.reliability.curve import agreement_curve, minutes_needed
from actionloop.reliability.evidence import Evidence, gather
from actionloop.reliability.found import (
    Curve,
    Halves,
    Reliability,
    Resamples,
    Similarity,
    TargetReliability,
    Verdict,
)
from actionloop.reliability.halves import split_halves
from actionloop.reliability.heldout import held_out
from actionloop.reliability.places import Place, find_places
from actionloop.reliability.resample import Draws, resample_frames, resample_series
from actionloop.reliability.similarity import similarity
from actionloop.reliability.verdict import VERDICT_WORDS, Model, decide, fit_model, judge

__all__ = [
    "VERDICT_WORDS",
    "Curve",
    "Draws",
    "Evidence",
    "Halves",
    "Measures",
    "Model",
    "Place",
    "Reliability",
    "Resamples",
    "Similarity",
    "Subject",
    "TargetReliability",
    "Verdict",
    "agreement_curve",
    "assess",
    "decide",
    "find_places",
    "fit_model",
    "gather",
    "held_out",
    "judge",
    "measure",
    "minutes_needed",
    "resample_frames",
    "resample_series",
    "similarity",
    "split_halves",
]
