"""Time series: standardise, join, clean, regress, compress, split and correlate."""

from actionloop.signal.clean import Cleaning, clean, framewise_displacement, motion24, plain_cleaning
from actionloop.signal.compress import compress
from actionloop.signal.connect import correlate, network_fc
from actionloop.signal.regress import bandpass, regress
from actionloop.signal.series import (
    concatenate,
    global_signal,
    halves,
    select_frames,
    standardise,
    usable,
    valid_rows,
)

__all__ = [
    "Cleaning",
    "bandpass",
    "clean",
    "compress",
    "concatenate",
    "correlate",
    "framewise_displacement",
    "global_signal",
    "halves",
    "motion24",
    "network_fc",
    "plain_cleaning",
    "regress",
    "select_frames",
    "standardise",
    "usable",
    "valid_rows",
]
