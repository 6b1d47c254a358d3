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
    from actionloop.pipeline.checkedexport import CheckExportRequest, ExportCheck
    from actionloop.pipeline.checkexport import check_export
    from actionloop.pipeline.cohort import BuiltPrior, CohortRequest, build_prior
    from actionloop.pipeline.convert import Converted, ConvertRequest, convert_file
    from actionloop.pipeline.overlaps import OverlapRequest, overlap
    from actionloop.pipeline.run import Outcome, PlanRequest, demo, plan
    from actionloop.pipeline.settings import Settings, read_settings

__all__ = [
    "BuiltPrior",
    "CheckExportRequest",
    "CheckReport",
    "CheckRequest",
    "CohortRequest",
    "ConvertRequest",
    "Converted",
    "DoctorReport",
    "ExportCheck",
    "Outcome",
    "OverlapRequest",
    "PlanRequest",
    "Progress",
    "Settings",
    "Silent",
    "build_prior",
    "check_data",
    "check_export",
    "convert_file",
    "demo",
    "demo_person",
    "doctor",
    "fetch_data",
    "make_phantoms",
    "overlap",
    "plan",
    "read_settings",
]

_LATER = {
    "BuiltPrior": "actionloop.pipeline.cohort",
    "CheckExportRequest": "actionloop.pipeline.checkedexport",
    "CheckReport": "actionloop.pipeline.checked",
    "CheckRequest": "actionloop.pipeline.check",
    "CohortRequest": "actionloop.pipeline.cohort",
    "ConvertRequest": "actionloop.pipeline.convert",
    "Converted": "actionloop.pipeline.convert",
    "ExportCheck": "actionloop.pipeline.checkedexport",
    "Outcome": "actionloop.pipeline.run",
    "OverlapRequest": "actionloop.pipeline.overlaps",
    "PlanRequest": "actionloop.pipeline.run",
    "Settings": "actionloop.pipeline.settings",
    "build_prior": "actionloop.pipeline.cohort",
    "check_export": "actionloop.pipeline.checkexport",
    "check_data": "actionloop.pipeline.check",
    "convert_file": "actionloop.pipeline.convert",
    "demo": "actionloop.pipeline.run",
    "make_phantoms": "actionloop.phantom",
    "overlap": "actionloop.pipeline.overlaps",
    "plan": "actionloop.pipeline.run",
    "read_settings": "actionloop.pipeline.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LATER[name]), name)
    return found
