"""People made of known truth: where their networks lie, how their scans sound, and data sets of them."""

from actionloop.phantom.dataset import dice, make_phantoms
from actionloop.phantom.denoise import denoise
from actionloop.phantom.group import GroupMap, group_map
from actionloop.phantom.loudness import Loudness, calibrated
from actionloop.phantom.person import PhantomPerson, TrueNode, draw_person, given_person
from actionloop.phantom.realism import Realism, fsaverage5_route, realism, reference_confounds, reference_scan
from actionloop.phantom.series import Session, simulate_series, simulate_session
from actionloop.phantom.surrogate import Surrogate, fit_surrogate
from actionloop.phantom.thalamus import PlantedNucleus, add_hub, plant_thalamus, planted_nuclei, thalamic_rows

__all__ = [
    "GroupMap",
    "Loudness",
    "PhantomPerson",
    "PlantedNucleus",
    "Realism",
    "Session",
    "Surrogate",
    "TrueNode",
    "add_hub",
    "calibrated",
    "denoise",
    "dice",
    "draw_person",
    "fit_surrogate",
    "fsaverage5_route",
    "given_person",
    "group_map",
    "make_phantoms",
    "plant_thalamus",
    "planted_nuclei",
    "realism",
    "reference_confounds",
    "reference_scan",
    "simulate_series",
    "simulate_session",
    "thalamic_rows",
]
