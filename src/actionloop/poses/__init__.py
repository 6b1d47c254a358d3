"""Where to lay a coil: candidate poses, their field on the cortex, the search, and how sure the choice is."""

from actionloop.poses.chance import Aim, estimate_chance
from actionloop.poses.clearance import make_casing
from actionloop.poses.cortex import CortexHead
from actionloop.poses.draws import Maps, maps_of, published_spread, soft_maps
from actionloop.poses.found import Chance, PoseSearch, ScoredPose
from actionloop.poses.head import PoseHead
from actionloop.poses.nearby import NearbyPoses
from actionloop.poses.preview import Sphere, SphereHead, fit_sphere, preview_pose, preview_settings
from actionloop.poses.search import search_pose
from actionloop.poses.session import SessionPlan, plan_session
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares
from actionloop.poses.target import PoseAim
from actionloop.poses.tissues import conductivity_response, log_response

__all__ = [
    "Aim",
    "Chance",
    "CortexHead",
    "Maps",
    "NearbyPoses",
    "NetworkShares",
    "PoseAim",
    "PoseHead",
    "PoseSearch",
    "ScoredPose",
    "SearchSettings",
    "SessionPlan",
    "Sphere",
    "SphereHead",
    "conductivity_response",
    "estimate_chance",
    "fit_sphere",
    "log_response",
    "make_casing",
    "maps_of",
    "plan_session",
    "preview_pose",
    "preview_settings",
    "published_spread",
    "search_pose",
    "soft_maps",
]
