"""Networks of one person: priors, the ways of mapping, pieces, SCAN nodes and AMN regions; priors of many people."""

from actionloop.networks.cohort import CohortPrior, CohortSums
from actionloop.networks.components import clean_components
from actionloop.networks.dice import DiceSettings, map_dice
from actionloop.networks.eta2 import Eta2Settings, map_eta2
from actionloop.networks.hierarchical import HierarchicalSettings, map_hierarchical
from actionloop.networks.infomap import InfomapSettings, map_infomap
from actionloop.networks.iterative import IterativeSettings, map_iterative
from actionloop.networks.methods import DEFAULT_METHOD, METHODS, Method, find_method, map_networks
from actionloop.networks.nodes import amn_regions, node_territories, scan_nodes
from actionloop.networks.overlap import overlap
from actionloop.networks.parcels import expand, parcellate_prior
from actionloop.networks.pieces import clean_pieces, describe_piece, mask_of
from actionloop.networks.prior import PriorIngredients, default_prior
from actionloop.networks.ridge import RidgeSettings, map_ridge
from actionloop.networks.training import train_hierarchical

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "CohortPrior",
    "CohortSums",
    "DiceSettings",
    "Eta2Settings",
    "HierarchicalSettings",
    "InfomapSettings",
    "IterativeSettings",
    "Method",
    "PriorIngredients",
    "RidgeSettings",
    "amn_regions",
    "clean_components",
    "clean_pieces",
    "default_prior",
    "describe_piece",
    "expand",
    "find_method",
    "map_dice",
    "map_eta2",
    "map_hierarchical",
    "map_infomap",
    "map_iterative",
    "map_networks",
    "map_ridge",
    "mask_of",
    "node_territories",
    "overlap",
    "parcellate_prior",
    "scan_nodes",
    "train_hierarchical",
]
