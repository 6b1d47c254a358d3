"""Many people's maps: how likely a network is at each place, and how far its parts scatter."""

from actionloop.atlas.hits import FixedSite, Rate, left_out_chance, place_site, rate, site_chances
from actionloop.atlas.matching import island_centres, node_centres
from actionloop.atlas.probability import MapCounts, ProbabilityAtlas
from actionloop.atlas.scatter import Scatter, scatter

__all__ = [
    "FixedSite",
    "MapCounts",
    "ProbabilityAtlas",
    "Rate",
    "Scatter",
    "island_centres",
    "left_out_chance",
    "node_centres",
    "place_site",
    "rate",
    "scatter",
    "site_chances",
]
