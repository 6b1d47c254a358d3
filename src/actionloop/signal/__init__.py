"""Time series: standardise, join, clean, regress, compress, split and correlate."""

from actionloop.signal.adjacent import regress_adjacent_cortex
from actionloop.signal.clean import clean
from actionloop.signal.compress import TOLERANCE, compress
from actionloop.signal.connect import correlate, network_fc
from actionloop.signal.motion import framewise_displacement, motion24
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
from actionloop.signal.strategies import (
    Cleaning,
    Strategy,
    expand,
    find_strategy,
    named_cleaning,
    orthogonalise,
    plain_cleaning,
    strategy_names,
)
from actionloop.signal.stream import correlation_blocks

__all__ = [
    "TOLERANCE",
    "Cleaning",
    "Strategy",
    "bandpass",
    "clean",
    "compress",
    "concatenate",
    "correlate",
    "correlation_blocks",
    "expand",
    "find_strategy",
    "framewise_displacement",
    "global_signal",
    "halves",
    "motion24",
    "named_cleaning",
    "network_fc",
    "orthogonalise",
    "plain_cleaning",
    "regress",
    "regress_adjacent_cortex",
    "select_frames",
    "standardise",
    "strategy_names",
    "usable",
    "valid_rows",
]
