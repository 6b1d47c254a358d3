"""Where to lay a coil: candidate poses, their field on the cortex, the search, and how sure the choice is."""

from actionloop.poses.around import fields_around
from actionloop.poses.chance import Aim, estimate_chance
from actionloop.poses.clearance import make_casing
from actionloop.poses.compare import FieldComparison, compare_fields
from actionloop.poses.cortex import CortexHead
from actionloop.poses.dose import Dose, equal_field, require_threshold
from actionloop.poses.draws import Maps, maps_of, published_spread, soft_maps
from actionloop.poses.found import Chance, PoseSearch, ScoredPose
from actionloop.poses.head import PoseHead
from actionloop.poses.hotspot import HandDistance, HandField, Hotspot, hand_distance, hand_field, place_hotspot
from actionloop.poses.nearby import NearbyPoses
from actionloop.poses.preview import Sphere, SphereHead, fit_sphere, preview_pose, preview_settings
from actionloop.poses.search import search_pose
from actionloop.poses.session import SessionPlan, plan_session
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares, area_percentiles
from actionloop.poses.target import PoseAim
from actionloop.poses.tissues import conductivity_response, log_response

__all__ = [
    "Aim",
    "Chance",
    "CortexHead",
    "Dose",
    "FieldComparison",
    "HandDistance",
    "HandField",
    "Hotspot",
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
    "area_percentiles",
    "compare_fields",
    "conductivity_response",
    "equal_field",
    "estimate_chance",
    "fields_around",
    "fit_sphere",
    "hand_distance",
    "hand_field",
    "log_response",
    "make_casing",
    "maps_of",
    "place_hotspot",
    "plan_session",
    "preview_pose",
    "preview_settings",
    "published_spread",
    "require_threshold",
    "search_pose",
    "soft_maps",
]
