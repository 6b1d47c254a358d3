"""One map against another: contrasts of connectivity, overlap with a map of pain, lesions; with their nulls."""

from actionloop.evidence.adjust import fdr, max_p, null_p
from actionloop.evidence.contrast import ContrastTable, contrast, stacked
from actionloop.evidence.overlap import Overlap, compare_inside, correlate
from actionloop.evidence.paired import PairedTests, between_regions, paired_tests
from actionloop.evidence.preferential import GroupPreference, PreferenceSums, PreferentialMap, preferential
from actionloop.evidence.regions import Region, cortical_regions, network_region, subcortical_regions
from actionloop.evidence.spins import Spinner, draw_rotations
from actionloop.evidence.variogram import correlate_surrogates, surrogates

__all__ = [
    "ContrastTable",
    "GroupPreference",
    "Overlap",
    "PairedTests",
    "PreferenceSums",
    "PreferentialMap",
    "Region",
    "Spinner",
    "between_regions",
    "compare_inside",
    "contrast",
    "correlate",
    "correlate_surrogates",
    "cortical_regions",
    "draw_rotations",
    "fdr",
    "max_p",
    "network_region",
    "null_p",
    "paired_tests",
    "preferential",
    "stacked",
    "subcortical_regions",
    "surrogates",
]
