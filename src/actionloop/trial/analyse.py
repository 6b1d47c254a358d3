"""Run what the locked protocol names, in its order, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.kinds import Task, find, require_arms
from actionloop.trial.locked import analysis_digest, require_runnable
from actionloop.trial.multiplicity import holm
from actionloop.trial.results import LABELS, AnalysisResult, Finding, TrialAnalysis
from actionloop.trial.words import (
    Better,
    equivalence_words,
    exclusion,
    favoured,
    interval_words,
    null_words,
    percent,
    posterior_words,
)
from actionloop.types import TrialData, TrialProtocol


def analyse(
    protocol: TrialProtocol, data_by_outcome: Mapping[str, TrialData], *, rng: np.random.Generator
) -> TrialAnalysis:
    """Run the protocol's analyses.

    Parameters
    ----------
    protocol : TrialProtocol
    data_by_outcome : mapping of str to TrialData
        Every outcome that an analysis names; arms are the protocol's, the control first.
    rng : Generator
        For multiple imputation; each analysis has its own stream, so that leaving one out changes no other.

    Returns
    -------
    TrialAnalysis
        An analysis that the data do not allow stands there with its problem instead of a finding.

    Raises
    ------
    OptionError
        An analysis with a way of handling missing values that its kind does not have, or the extra is not installed.
    InputError
        An outcome without data, or data of other arms.
    """
    require_runnable(protocol)
    absent = sorted({one.outcome for one in protocol.analyses} - set(data_by_outcome))
    if absent:
        raise InputError(f"no data of {', '.join(absent)}", fix="give every outcome that an analysis names")
    for name in dict.fromkeys(one.outcome for one in protocol.analyses):
        require_arms(data_by_outcome[name], protocol.arm_names, protocol.control, name)
    results = []
    for analysis, stream in zip(protocol.analyses, rng.spawn(len(protocol.analyses)), strict=True):
        outcome = protocol.outcome(analysis.outcome)
        task = Task(analysis, outcome, data_by_outcome[analysis.outcome], protocol.alpha, stream)
        results.append(_run(task))
    found = TrialAnalysis(protocol.title, analysis_digest(protocol), tuple(results))
    better = protocol.outcome(found.primary.analysis.outcome).better
    conclusions = _conclusions(found.primary, protocol.alpha, better)
    return TrialAnalysis(found.title, found.digest, found.results, conclusions)


def _run(task: Task) -> AnalysisResult:
    analysis = task.analysis
    label = LABELS["exploratory" if analysis.kind == "biomarker" else analysis.role]
    try:
        finding = find(task)
    except InputError as error:
        return AnalysisResult(analysis, label, None, problem=str(error))
    p = tuple(one.p for one in finding.effects)
    adjusted = holm(p) if analysis.multiplicity == "holm" and len(p) > 1 else p
    return AnalysisResult(analysis, label, finding, adjusted, _sentences(task, finding))


def _sentences(task: Task, finding: Finding) -> tuple[str, ...]:
    told = [exclusion(one, better=task.outcome.better) for one in finding.effects]
    told += [equivalence_words(*pair) for pair in zip(finding.effects, finding.equivalence, strict=False)]
    for effect, posteriors in zip(finding.effects, finding.posteriors, strict=False):
        told += [posterior_words(effect, one, better=task.outcome.better) for one in posteriors]
    for one in finding.tipping:
        at = " or ".join(f"{shift:+.2f}".replace("-", "−") for shift in (one.below, one.above) if shift is not None)
        reach = f"{one.deltas[0]:+.2f} to {one.deltas[-1]:+.2f}".replace("-", "−")
        changes = f"changes at a shift of {at}" if at else "changes nowhere"
        told.append(
            f"{one.arm} against {one.reference}: significance {changes} when what was imputed after drop-out in"
            f" {one.arm} is shifted by {reach}."
        )
    return tuple(told)


def _conclusions(primary: AnalysisResult, alpha: float, better: Better) -> tuple[str, ...]:
    if primary.finding is None:
        return (f"The primary analysis could not be run: {primary.problem}",)
    significant = [p < alpha for p in primary.adjusted_p]
    pairs = list(zip(primary.effects, primary.adjusted_p, significant, strict=True))
    told = [
        f"{one.versus}: {'' if yes else 'not '}significant at {percent(alpha)}"
        f" (p {p:.3f}{' after Holm' if len(pairs) > 1 and primary.analysis.multiplicity == 'holm' else ''})"
        + (f", in favour of {favoured(one, better=better)}: {interval_words(one)}." if yes else ".")
        for one, p, yes in pairs
    ]
    nulls = [one for one, _, yes in pairs if not yes]
    return (*told, null_words(nulls)) if nulls else tuple(told)
