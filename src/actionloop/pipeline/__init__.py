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
    from actionloop.pipeline.trialamend import amend_protocol
    from actionloop.pipeline.trialanalysis import AnalyseRequest, analyse_trial
    from actionloop.pipeline.trialconduct import (
        TrialEvent,
        TrialWriter,
        allocate_participant,
        coil_of,
        lock_data,
        open_arms_of,
        read_receipts,
        record_event,
        record_table,
        verify_study,
    )
    from actionloop.pipeline.trialreport import TrialReportRequest, report_trial
    from actionloop.pipeline.trialsimulation import SimulateRequest, simulate_trial
    from actionloop.pipeline.trialstatus import StatusRequest, trial_status
    from actionloop.pipeline.trialstatusfiles import TrialStatus
    from actionloop.pipeline.trialstudy import new_study
    from actionloop.pipeline.trialtargets import TargetTable
    from actionloop.pipeline.variationperson import VariabilityRequest
    from actionloop.pipeline.variations import Variability, variability

__all__ = [
    "AnalyseRequest",
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
    "SimulateRequest",
    "StatusRequest",
    "TargetTable",
    "TrialEvent",
    "TrialReportRequest",
    "TrialStatus",
    "TrialWriter",
    "Variability",
    "VariabilityRequest",
    "allocate_participant",
    "amend_protocol",
    "analyse_trial",
    "build_prior",
    "check_data",
    "check_export",
    "choose_sites",
    "clean_recordings",
    "coil_of",
    "contrast",
    "convert_file",
    "demo",
    "demo_person",
    "doctor",
    "fetch_data",
    "lock_data",
    "make_eeg_people",
    "make_phantoms",
    "map_lesions",
    "measure_sites",
    "new_study",
    "open_arms_of",
    "overlap",
    "plan",
    "read_receipts",
    "read_settings",
    "record_event",
    "record_table",
    "report_trial",
    "simulate_trial",
    "trial_status",
    "variability",
    "verify_study",
]

_LATER = {
    "amend_protocol": "actionloop.pipeline.trialamend",
    "TrialEvent": "actionloop.pipeline.trialconduct",
    "TrialWriter": "actionloop.pipeline.trialconduct",
    "allocate_participant": "actionloop.pipeline.trialconduct",
    "coil_of": "actionloop.pipeline.trialconduct",
    "record_event": "actionloop.pipeline.trialconduct",
    "record_table": "actionloop.pipeline.trialconduct",
    "lock_data": "actionloop.pipeline.trialconduct",
    "open_arms_of": "actionloop.pipeline.trialconduct",
    "read_receipts": "actionloop.pipeline.trialconduct",
    "verify_study": "actionloop.pipeline.trialconduct",
    "StatusRequest": "actionloop.pipeline.trialstatus",
    "trial_status": "actionloop.pipeline.trialstatus",
    "TrialStatus": "actionloop.pipeline.trialstatusfiles",
    "new_study": "actionloop.pipeline.trialstudy",
    "TargetTable": "actionloop.pipeline.trialtargets",
    "AnalyseRequest": "actionloop.pipeline.trialanalysis",
    "SimulateRequest": "actionloop.pipeline.trialsimulation",
    "TrialReportRequest": "actionloop.pipeline.trialreport",
    "analyse_trial": "actionloop.pipeline.trialanalysis",
    "report_trial": "actionloop.pipeline.trialreport",
    "simulate_trial": "actionloop.pipeline.trialsimulation",
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
