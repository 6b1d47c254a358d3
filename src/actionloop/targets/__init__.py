"""Where to stimulate: candidates, their ranking with reasons, a first coil pose, conventional sites."""

from actionloop.targets.pain import Pain
from actionloop.targets.pose import geometric_matrix, geometric_pose
from actionloop.targets.rank import piece_depths, rank_targets
from actionloop.targets.sites import Site, conventional_sites, read_sites
from actionloop.targets.weights import Ranking

__all__ = [
    "Pain",
    "Ranking",
    "Site",
    "conventional_sites",
    "geometric_matrix",
    "geometric_pose",
    "piece_depths",
    "rank_targets",
    "read_sites",
]
