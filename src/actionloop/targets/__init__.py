"""Where to stimulate: candidates, ranking with reasons, a first coil pose, conventional sites; limits and screening."""

from actionloop.targets.exemption import Exemption
from actionloop.targets.limits import TrainLimit, require_within, strictest_limit, train_limits
from actionloop.targets.pain import Pain
from actionloop.targets.pose import geometric_matrix, geometric_pose
from actionloop.targets.rank import piece_depths, rank_targets
from actionloop.targets.screening import Question, Screening, screening_questions
from actionloop.targets.sites import Site, conventional_sites, read_sites
from actionloop.targets.train import Train
from actionloop.targets.weights import Ranking

__all__ = [
    "Exemption",
    "Pain",
    "Question",
    "Ranking",
    "Screening",
    "Site",
    "Train",
    "TrainLimit",
    "conventional_sites",
    "geometric_matrix",
    "geometric_pose",
    "piece_depths",
    "rank_targets",
    "read_sites",
    "require_within",
    "screening_questions",
    "strictest_limit",
    "train_limits",
]
