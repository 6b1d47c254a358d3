"""One map against another: contrasts of connectivity, overlap with a map of pain, lesions; with their nulls."""

from actionloop.evidence.adjust import fdr, max_p, null_p
from actionloop.evidence.blockwise import Bootstrap
from actionloop.evidence.contrast import ContrastTable, contrast, stacked
from actionloop.evidence.lesion import Lesion, LesionRows, LesionSide, lesion_at, lesion_of, lesion_rows, on_parcels
from actionloop.evidence.lesionnulls import Structure, random_lesions, structure_of
from actionloop.evidence.lesionoverlap import (
    NetworkEvidence,
    RowEvidence,
    network_evidence,
    overlap_values,
    row_evidence,
)
from actionloop.evidence.nucleusregions import nucleus_regions
from actionloop.evidence.overlap import Overlap, compare_inside, correlate
from actionloop.evidence.paired import PairedTests, between_regions, paired_tests
from actionloop.evidence.preferential import GroupPreference, PreferenceSums, PreferentialMap, margins, preferential
from actionloop.evidence.regions import Region, cortical_regions, network_region, subcortical_regions
from actionloop.evidence.seedmaps import SeedMaps, SeedSums, prior_connectivity
from actionloop.evidence.spins import Spinner, draw_rotations
from actionloop.evidence.symptoms import SymptomEvidence, symptom_evidence
from actionloop.evidence.variogram import Run, correlate_surrogates, surrogates

__all__ = [
    "Bootstrap",
    "ContrastTable",
    "GroupPreference",
    "Lesion",
    "LesionRows",
    "LesionSide",
    "NetworkEvidence",
    "Overlap",
    "PairedTests",
    "PreferenceSums",
    "PreferentialMap",
    "Region",
    "RowEvidence",
    "Run",
    "SeedMaps",
    "SeedSums",
    "Spinner",
    "Structure",
    "SymptomEvidence",
    "between_regions",
    "compare_inside",
    "contrast",
    "correlate",
    "correlate_surrogates",
    "cortical_regions",
    "draw_rotations",
    "fdr",
    "lesion_at",
    "lesion_of",
    "lesion_rows",
    "margins",
    "max_p",
    "network_evidence",
    "network_region",
    "nucleus_regions",
    "null_p",
    "on_parcels",
    "overlap_values",
    "paired_tests",
    "preferential",
    "prior_connectivity",
    "random_lesions",
    "row_evidence",
    "stacked",
    "structure_of",
    "subcortical_regions",
    "surrogates",
    "symptom_evidence",
]
