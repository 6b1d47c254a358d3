"""The randomised trial: allocation, conduct, analysis, simulation.

What needs scipy and numba is imported when it is first asked for, so that an entry is made at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actionloop.trial.allocation import AllocationError, Assignment, allocate, commit_secret
    from actionloop.trial.analyse import analyse as run_analyses
    from actionloop.trial.ancova import fit_linear
    from actionloop.trial.baseline import BaselineTable, baseline_table
    from actionloop.trial.blocks import arm_in_blocks, next_arm_law, stratum_bound, trial_bound
    from actionloop.trial.conduct import follow, freeze_targets, record, sift
    from actionloop.trial.conduct import replay as replay_entries
    from actionloop.trial.consort import TOGETHER, count_flow, tally
    from actionloop.trial.dataset import outcome_data, trial_data
    from actionloop.trial.designs import ANY, Design, Kind
    from actionloop.trial.digest import plain_protocol, protocol_digest
    from actionloop.trial.entryfields import Candidate
    from actionloop.trial.equivalence import judge_equivalence, posterior, priors
    from actionloop.trial.estimates import Effect
    from actionloop.trial.events import KINDS, RECORDED, AdverseEvent, Event, TargetsFrozen, event_content, read_event
    from actionloop.trial.exactsize import exact_size
    from actionloop.trial.imputation import impute
    from actionloop.trial.interim import BlindedLook, look_at_events, look_at_variance
    from actionloop.trial.locked import analysis_digest, require_locked, require_runnable
    from actionloop.trial.logistic import fit_logistic
    from actionloop.trial.marker import compare_slopes
    from actionloop.trial.mmrm import MmrmFit, fit_many, fit_mmrm
    from actionloop.trial.multiplicity import holm
    from actionloop.trial.ordinal import compare_ordered
    from actionloop.trial.people import Person, TrialState
    from actionloop.trial.pooling import pool
    from actionloop.trial.power import detectable_difference, detectable_share, power_proportions
    from actionloop.trial.predictors import visit_index
    from actionloop.trial.queries import data_queries
    from actionloop.trial.query import Query
    from actionloop.trial.recount import observer_law, verify_allocation
    from actionloop.trial.register import EVERYBODY, Register, scheme_digest, stratum_of, table_digest
    from actionloop.trial.replay import Frequency, LikelihoodRatio, Replay, studies
    from actionloop.trial.replay import replay as replay_published
    from actionloop.trial.responder import compare_responders, newcombe_interval, responded, responder_test
    from actionloop.trial.results import AnalysisResult, TrialAnalysis
    from actionloop.trial.roles import may_append, may_see, require_append, role_names, view
    from actionloop.trial.schedule import planned_day, require_known_events
    from actionloop.trial.secrecy import SECRET, Secret, create_secret, read_secret
    from actionloop.trial.sensitivity import compare_completed, tip
    from actionloop.trial.simulate import Grid, Row, SimulationTable
    from actionloop.trial.simulate import simulate as simulate_designs
    from actionloop.trial.synopsis import Synopsis, SynopsisPart, as_markdown, write_synopsis
    from actionloop.trial.unblinding import Unblinding, arm_codes, open_arms, tell_coil, unblind
    from actionloop.trial.words import exclusion, interval_words, null_words, p_words, percent
    from actionloop.trial.workers import Workers, work_as_done
    from actionloop.trial.worlds import World, default_dropout, default_population, world, world_names

__all__ = [
    "ANY",
    "EVERYBODY",
    "KINDS",
    "RECORDED",
    "SECRET",
    "TOGETHER",
    "AdverseEvent",
    "AllocationError",
    "AnalysisResult",
    "Assignment",
    "BaselineTable",
    "BlindedLook",
    "Candidate",
    "Design",
    "Effect",
    "Event",
    "Frequency",
    "Grid",
    "Kind",
    "LikelihoodRatio",
    "MmrmFit",
    "Person",
    "Query",
    "Register",
    "Replay",
    "Row",
    "Secret",
    "SimulationTable",
    "Synopsis",
    "SynopsisPart",
    "TargetsFrozen",
    "TrialAnalysis",
    "TrialState",
    "Unblinding",
    "Workers",
    "World",
    "allocate",
    "analysis_digest",
    "arm_codes",
    "arm_in_blocks",
    "as_markdown",
    "baseline_table",
    "commit_secret",
    "compare_completed",
    "compare_ordered",
    "compare_responders",
    "compare_slopes",
    "count_flow",
    "create_secret",
    "data_queries",
    "default_dropout",
    "default_population",
    "detectable_difference",
    "detectable_share",
    "event_content",
    "exact_size",
    "exclusion",
    "fit_linear",
    "fit_logistic",
    "fit_many",
    "fit_mmrm",
    "follow",
    "freeze_targets",
    "holm",
    "impute",
    "interval_words",
    "judge_equivalence",
    "look_at_events",
    "look_at_variance",
    "may_append",
    "may_see",
    "newcombe_interval",
    "next_arm_law",
    "null_words",
    "observer_law",
    "open_arms",
    "outcome_data",
    "p_words",
    "percent",
    "plain_protocol",
    "planned_day",
    "pool",
    "posterior",
    "power_proportions",
    "priors",
    "protocol_digest",
    "read_event",
    "read_secret",
    "record",
    "replay_entries",
    "replay_published",
    "require_append",
    "require_known_events",
    "require_locked",
    "require_runnable",
    "responded",
    "responder_test",
    "role_names",
    "run_analyses",
    "scheme_digest",
    "sift",
    "simulate_designs",
    "stratum_bound",
    "stratum_of",
    "studies",
    "table_digest",
    "tally",
    "tell_coil",
    "tip",
    "trial_bound",
    "trial_data",
    "unblind",
    "verify_allocation",
    "view",
    "visit_index",
    "work_as_done",
    "world",
    "world_names",
    "write_synopsis",
]

_LATER = {
    "ANY": ("designs", "ANY"),
    "EVERYBODY": ("register", "EVERYBODY"),
    "KINDS": ("events", "KINDS"),
    "RECORDED": ("events", "RECORDED"),
    "SECRET": ("secrecy", "SECRET"),
    "TOGETHER": ("consort", "TOGETHER"),
    "AdverseEvent": ("events", "AdverseEvent"),
    "AllocationError": ("allocation", "AllocationError"),
    "AnalysisResult": ("results", "AnalysisResult"),
    "Assignment": ("allocation", "Assignment"),
    "BaselineTable": ("baseline", "BaselineTable"),
    "BlindedLook": ("interim", "BlindedLook"),
    "Candidate": ("entryfields", "Candidate"),
    "Design": ("designs", "Design"),
    "Effect": ("estimates", "Effect"),
    "Event": ("events", "Event"),
    "Frequency": ("replay", "Frequency"),
    "Grid": ("simulate", "Grid"),
    "Kind": ("designs", "Kind"),
    "LikelihoodRatio": ("replay", "LikelihoodRatio"),
    "MmrmFit": ("mmrm", "MmrmFit"),
    "Person": ("people", "Person"),
    "Query": ("query", "Query"),
    "Register": ("register", "Register"),
    "Replay": ("replay", "Replay"),
    "Row": ("simulate", "Row"),
    "Secret": ("secrecy", "Secret"),
    "SimulationTable": ("simulate", "SimulationTable"),
    "Synopsis": ("synopsis", "Synopsis"),
    "SynopsisPart": ("synopsis", "SynopsisPart"),
    "TargetsFrozen": ("events", "TargetsFrozen"),
    "TrialAnalysis": ("results", "TrialAnalysis"),
    "TrialState": ("people", "TrialState"),
    "Unblinding": ("unblinding", "Unblinding"),
    "Workers": ("workers", "Workers"),
    "World": ("worlds", "World"),
    "allocate": ("allocation", "allocate"),
    "analysis_digest": ("locked", "analysis_digest"),
    "arm_codes": ("unblinding", "arm_codes"),
    "arm_in_blocks": ("blocks", "arm_in_blocks"),
    "outcome_data": ("dataset", "outcome_data"),
    "as_markdown": ("synopsis", "as_markdown"),
    "baseline_table": ("baseline", "baseline_table"),
    "commit_secret": ("allocation", "commit_secret"),
    "compare_completed": ("sensitivity", "compare_completed"),
    "compare_ordered": ("ordinal", "compare_ordered"),
    "compare_responders": ("responder", "compare_responders"),
    "compare_slopes": ("marker", "compare_slopes"),
    "count_flow": ("consort", "count_flow"),
    "create_secret": ("secrecy", "create_secret"),
    "data_queries": ("queries", "data_queries"),
    "default_dropout": ("worlds", "default_dropout"),
    "default_population": ("worlds", "default_population"),
    "detectable_difference": ("power", "detectable_difference"),
    "detectable_share": ("power", "detectable_share"),
    "event_content": ("events", "event_content"),
    "exact_size": ("exactsize", "exact_size"),
    "exclusion": ("words", "exclusion"),
    "fit_linear": ("ancova", "fit_linear"),
    "fit_logistic": ("logistic", "fit_logistic"),
    "fit_many": ("mmrm", "fit_many"),
    "fit_mmrm": ("mmrm", "fit_mmrm"),
    "follow": ("conduct", "follow"),
    "freeze_targets": ("conduct", "freeze_targets"),
    "holm": ("multiplicity", "holm"),
    "impute": ("imputation", "impute"),
    "interval_words": ("words", "interval_words"),
    "judge_equivalence": ("equivalence", "judge_equivalence"),
    "look_at_events": ("interim", "look_at_events"),
    "look_at_variance": ("interim", "look_at_variance"),
    "may_append": ("roles", "may_append"),
    "may_see": ("roles", "may_see"),
    "newcombe_interval": ("responder", "newcombe_interval"),
    "next_arm_law": ("blocks", "next_arm_law"),
    "null_words": ("words", "null_words"),
    "observer_law": ("recount", "observer_law"),
    "open_arms": ("unblinding", "open_arms"),
    "p_words": ("words", "p_words"),
    "percent": ("words", "percent"),
    "plain_protocol": ("digest", "plain_protocol"),
    "planned_day": ("schedule", "planned_day"),
    "pool": ("pooling", "pool"),
    "posterior": ("equivalence", "posterior"),
    "power_proportions": ("power", "power_proportions"),
    "priors": ("equivalence", "priors"),
    "protocol_digest": ("digest", "protocol_digest"),
    "read_event": ("events", "read_event"),
    "read_secret": ("secrecy", "read_secret"),
    "record": ("conduct", "record"),
    "replay_entries": ("conduct", "replay"),
    "replay_published": ("replay", "replay"),
    "require_append": ("roles", "require_append"),
    "require_known_events": ("schedule", "require_known_events"),
    "require_locked": ("locked", "require_locked"),
    "require_runnable": ("locked", "require_runnable"),
    "responded": ("responder", "responded"),
    "responder_test": ("responder", "responder_test"),
    "role_names": ("roles", "role_names"),
    "run_analyses": ("analyse", "analyse"),
    "scheme_digest": ("register", "scheme_digest"),
    "sift": ("conduct", "sift"),
    "simulate_designs": ("simulate", "simulate"),
    "stratum_bound": ("blocks", "stratum_bound"),
    "stratum_of": ("register", "stratum_of"),
    "studies": ("replay", "studies"),
    "table_digest": ("register", "table_digest"),
    "tally": ("consort", "tally"),
    "tell_coil": ("unblinding", "tell_coil"),
    "tip": ("sensitivity", "tip"),
    "trial_bound": ("blocks", "trial_bound"),
    "trial_data": ("dataset", "trial_data"),
    "unblind": ("unblinding", "unblind"),
    "verify_allocation": ("recount", "verify_allocation"),
    "view": ("roles", "view"),
    "visit_index": ("predictors", "visit_index"),
    "work_as_done": ("workers", "work_as_done"),
    "world": ("worlds", "world"),
    "world_names": ("worlds", "world_names"),
    "write_synopsis": ("synopsis", "write_synopsis"),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own = _LATER[name]
    globals()[name] = found = getattr(import_module(f"{__name__}.{module}"), own)
    return found
