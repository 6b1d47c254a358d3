"""Many people's maps: how likely a network is at each place, and how far its parts scatter."""

from actionloop.atlas.hits import FixedSite, Rate, SiteChance, left_out_chance, place_site, rate, site_chances
from actionloop.atlas.matching import ABSENT, Placed, island_centres, node_centres
from actionloop.atlas.probability import MapCounts, ProbabilityAtlas
from actionloop.atlas.scatter import Scatter, left_out_places, scatter

__all__ = [
    "ABSENT",
    "FixedSite",
    "MapCounts",
    "Placed",
    "ProbabilityAtlas",
    "Rate",
    "Scatter",
    "SiteChance",
    "island_centres",
    "left_out_chance",
    "left_out_places",
    "node_centres",
    "place_site",
    "rate",
    "scatter",
    "site_chances",
]
