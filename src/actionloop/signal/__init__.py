"""Time series: standardise, join, clean, regress, compress, split and correlate."""

from actionloop.signal.adjacent import regress_adjacent_cortex
from actionloop.signal.clean import Cleaning, clean, framewise_displacement, motion24, plain_cleaning
from actionloop.signal.compress import TOLERANCE, compress
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
from actionloop.signal.stream import correlation_blocks

__all__ = [
    "TOLERANCE",
    "Cleaning",
    "bandpass",
    "clean",
    "compress",
    "concatenate",
    "correlate",
    "correlation_blocks",
    "framewise_displacement",
    "global_signal",
    "halves",
    "motion24",
    "network_fc",
    "plain_cleaning",
    "regress",
    "regress_adjacent_cortex",
    "select_frames",
    "standardise",
    "usable",
    "valid_rows",
]
