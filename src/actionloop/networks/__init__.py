"""Networks of one person: the default prior, the mapping, its pieces, SCAN nodes and AMN regions."""

from actionloop.networks.iterative import IterativeSettings, map_individual
from actionloop.networks.nodes import amn_regions, scan_nodes
from actionloop.networks.pieces import clean_pieces, describe_piece, network_pieces
from actionloop.networks.prior import PriorIngredients, default_prior

__all__ = [
    "IterativeSettings",
    "PriorIngredients",
    "amn_regions",
    "clean_pieces",
    "default_prior",
    "describe_piece",
    "map_individual",
    "network_pieces",
    "scan_nodes",
]
