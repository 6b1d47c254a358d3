"""The line from scan to target, and the other verbs; everything that needs several rooms.

What needs the whole house is imported when it is first asked for, so that `doctor` and the like answer at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actionloop.files import fetch as fetch_data
from actionloop.pipeline.doctor import DoctorReport, doctor
from actionloop.pipeline.lemon import demo_person
from actionloop.pipeline.progress import Progress, Silent

if TYPE_CHECKING:
    from actionloop.phantom import make_phantoms
    from actionloop.pipeline.check import CheckRequest, check_data
    from actionloop.pipeline.checked import CheckReport
    from actionloop.pipeline.cohort import BuiltPrior, CohortRequest, build_prior
    from actionloop.pipeline.run import Outcome, PlanRequest, demo, plan
    from actionloop.pipeline.settings import Settings, read_settings

__all__ = [
    "BuiltPrior",
    "CheckReport",
    "CheckRequest",
    "CohortRequest",
    "DoctorReport",
    "Outcome",
    "PlanRequest",
    "Progress",
    "Settings",
    "Silent",
    "build_prior",
    "check_data",
    "demo",
    "demo_person",
    "doctor",
    "fetch_data",
    "make_phantoms",
    "plan",
    "read_settings",
]

_LATER = {
    "BuiltPrior": "actionloop.pipeline.cohort",
    "CheckReport": "actionloop.pipeline.checked",
    "CheckRequest": "actionloop.pipeline.check",
    "CohortRequest": "actionloop.pipeline.cohort",
    "Outcome": "actionloop.pipeline.run",
    "PlanRequest": "actionloop.pipeline.run",
    "Settings": "actionloop.pipeline.settings",
    "build_prior": "actionloop.pipeline.cohort",
    "check_data": "actionloop.pipeline.check",
    "demo": "actionloop.pipeline.run",
    "make_phantoms": "actionloop.phantom",
    "plan": "actionloop.pipeline.run",
    "read_settings": "actionloop.pipeline.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LATER[name]), name)
    return found
