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
    from actionloop.phantom.eegdataset import make_eeg_people
    from actionloop.phantom.eegperson import EegOptions
    from actionloop.pipeline.check import CheckRequest, check_data
    from actionloop.pipeline.checked import CheckReport
    from actionloop.pipeline.checkedexport import CheckExportRequest, ExportCheck
    from actionloop.pipeline.checkexport import check_export
    from actionloop.pipeline.cohort import BuiltPrior, CohortRequest, build_prior
    from actionloop.pipeline.contrastperson import ContrastRequest
    from actionloop.pipeline.contrasts import Contrasts, contrast
    from actionloop.pipeline.convert import convert_file
    from actionloop.pipeline.converted import Converted, ConvertRequest
    from actionloop.pipeline.lesionmaps import LesionRequest, map_lesions
    from actionloop.pipeline.overlaps import OverlapRequest, overlap
    from actionloop.pipeline.run import Outcome, PlanRequest, demo, plan
    from actionloop.pipeline.settings import Settings, read_settings
    from actionloop.pipeline.tmseegchoose import ChooseRequest, choose_sites
    from actionloop.pipeline.tmseegclean import CleanRequest, clean_recordings
    from actionloop.pipeline.tmseegmeasure import MeasureRequest, measure_sites
    from actionloop.pipeline.variationperson import VariabilityRequest
    from actionloop.pipeline.variations import Variability, variability

__all__ = [
    "BuiltPrior",
    "CheckExportRequest",
    "CheckReport",
    "CheckRequest",
    "ChooseRequest",
    "CleanRequest",
    "CohortRequest",
    "ContrastRequest",
    "Contrasts",
    "ConvertRequest",
    "Converted",
    "DoctorReport",
    "EegOptions",
    "ExportCheck",
    "LesionRequest",
    "MeasureRequest",
    "Outcome",
    "OverlapRequest",
    "PlanRequest",
    "Progress",
    "Settings",
    "Silent",
    "Variability",
    "VariabilityRequest",
    "build_prior",
    "check_data",
    "check_export",
    "choose_sites",
    "clean_recordings",
    "contrast",
    "convert_file",
    "demo",
    "demo_person",
    "doctor",
    "fetch_data",
    "make_eeg_people",
    "make_phantoms",
    "map_lesions",
    "measure_sites",
    "overlap",
    "plan",
    "read_settings",
    "variability",
]

_LATER = {
    "EegOptions": "actionloop.phantom.eegperson",
    "make_eeg_people": "actionloop.phantom.eegdataset",
    "choose_sites": "actionloop.pipeline.tmseegchoose",
    "measure_sites": "actionloop.pipeline.tmseegmeasure",
    "clean_recordings": "actionloop.pipeline.tmseegclean",
    "ChooseRequest": "actionloop.pipeline.tmseegchoose",
    "MeasureRequest": "actionloop.pipeline.tmseegmeasure",
    "CleanRequest": "actionloop.pipeline.tmseegclean",
    "BuiltPrior": "actionloop.pipeline.cohort",
    "CheckExportRequest": "actionloop.pipeline.checkedexport",
    "CheckReport": "actionloop.pipeline.checked",
    "CheckRequest": "actionloop.pipeline.check",
    "CohortRequest": "actionloop.pipeline.cohort",
    "ContrastRequest": "actionloop.pipeline.contrastperson",
    "Contrasts": "actionloop.pipeline.contrasts",
    "ConvertRequest": "actionloop.pipeline.converted",
    "Converted": "actionloop.pipeline.converted",
    "ExportCheck": "actionloop.pipeline.checkedexport",
    "LesionRequest": "actionloop.pipeline.lesionmaps",
    "Outcome": "actionloop.pipeline.run",
    "OverlapRequest": "actionloop.pipeline.overlaps",
    "PlanRequest": "actionloop.pipeline.run",
    "Settings": "actionloop.pipeline.settings",
    "Variability": "actionloop.pipeline.variations",
    "VariabilityRequest": "actionloop.pipeline.variationperson",
    "build_prior": "actionloop.pipeline.cohort",
    "check_export": "actionloop.pipeline.checkexport",
    "check_data": "actionloop.pipeline.check",
    "contrast": "actionloop.pipeline.contrasts",
    "convert_file": "actionloop.pipeline.convert",
    "demo": "actionloop.pipeline.run",
    "make_phantoms": "actionloop.phantom",
    "map_lesions": "actionloop.pipeline.lesionmaps",
    "overlap": "actionloop.pipeline.overlaps",
    "plan": "actionloop.pipeline.run",
    "read_settings": "actionloop.pipeline.settings",
    "variability": "actionloop.pipeline.variations",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LATER[name]), name)
    return found
