"""The line from scan to target, and the other verbs; everything that needs several rooms."""

from actionloop.files import fetch as fetch_data
from actionloop.phantom import make_phantoms
from actionloop.pipeline.doctor import DoctorReport, doctor
from actionloop.pipeline.progress import Progress, Silent
from actionloop.pipeline.run import Outcome, PlanRequest, demo, plan
from actionloop.pipeline.settings import Settings, read_settings

__all__ = [
    "DoctorReport",
    "Outcome",
    "PlanRequest",
    "Progress",
    "Settings",
    "Silent",
    "demo",
    "doctor",
    "fetch_data",
    "make_phantoms",
    "plan",
    "read_settings",
]
