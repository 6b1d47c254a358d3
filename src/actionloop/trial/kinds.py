"""One function for each kind of analysis: from an entry of the protocol and the data to a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.ancova import ancova
from actionloop.trial.equivalence import judge_equivalence, posterior, priors
from actionloop.trial.estimates import Effect, make_effect
from actionloop.trial.exactsize import exact_size
from actionloop.trial.imputation import Completed, Rule, impute
from actionloop.trial.marker import compare_slopes
from actionloop.trial.mmrm import fit_mmrm
from actionloop.trial.ordinal import compare_ordered
from actionloop.trial.predictors import visit_index
from actionloop.trial.responder import compare_responders, respond
from actionloop.trial.results import Finding
from actionloop.trial.sensitivity import Question, compare_completed, tip
from actionloop.types import Analysis, TrialData, TrialOutcome

MOST_ENUMERATED = 300
FIRTH = "a predictor separates responders from the others, so Firth's penalised likelihood stands in for the usual one"
NORMAL = "the likelihood is taken as normal, with the standard error as known"
SCEPTIC = "the sceptical prior itself leans to equivalence: read 'within the margin' under the weak one"
REFERENCE_RULES: Mapping[Rule, str] = {
    "jump_to_reference": "jump to reference",
    "copy_increments": "copy increments in reference",
    "copy_reference": "copy reference",
}


@dataclass(frozen=True, eq=False)
class Task:
    """One analysis with what it reads; `rng` is its own."""

    analysis: Analysis
    outcome: TrialOutcome
    data: TrialData
    alpha: float
    rng: np.random.Generator

    @property
    def question(self) -> Question:
        """What is asked of completed data."""
        one = self.analysis
        return Question(one.visit, one.comparisons, one.adjust, self.alpha, one.threshold, self.outcome.better)


def find(task: Task) -> Finding:
    """Run one analysis.

    Raises
    ------
    InputError
        The data do not allow it.
    """
    return FINDERS[task.analysis.kind](task)


def _observed(task: Task) -> str:
    """Return how many lack the outcome, by arm."""
    data, visit = task.data, task.analysis.visit
    there = np.isfinite(data.value[:, visit_index(data, visit)])
    lacking = [int((~there & (data.arm == index)).sum()) for index in range(len(data.arms))]
    told = ", ".join(f"{name} {number}" for name, number in zip(data.arms, lacking, strict=True))
    return f"{sum(lacking)} of {len(there)} have no outcome at {visit} ({told})"


def _imputed(task: Task, rules: tuple[Rule, ...]) -> tuple[dict[Rule, Completed], str]:
    found = impute(task.data, rng=task.rng, rules=rules, reference=None, adjust=task.analysis.adjust)
    one = next(iter(found.values()))
    told = f"{_observed(task)}; multiple imputation, {len(one.value)} completed data sets"
    if one.shared:
        told += ", arms sharing one covariance because one is too small for its own"
    if not one.kept.all():
        told += f"; {int((~one.kept).sum())} without a baseline left out"
    return found, told


def _completed(task: Task, model: str) -> Finding:
    """Run an analysis on completed data, by whichever rule the protocol names."""
    if task.analysis.missing == "reference_based":
        found, told = _imputed(task, tuple(REFERENCE_RULES))
        effects = {
            name: compare_completed(task.data, found[rule], task.question) for rule, name in REFERENCE_RULES.items()
        }
        first = REFERENCE_RULES["jump_to_reference"]
        beside = tuple((name, one) for name, one in effects.items() if name != first)
        reference = task.data.arms[0]
        return Finding(
            model, effects[first], f"{told}; who dropped out is drawn by {first} ({reference})", beside=beside
        )
    found, told = _imputed(task, ("at_random",))
    effects_at_random = compare_completed(task.data, found["at_random"], task.question)
    if task.analysis.missing != "tipping_point":
        return Finding(model, effects_at_random, f"{told}, missing at random given arm, baseline and the other visits")
    span = task.outcome.high - task.outcome.low
    tipping = tip(task.data, found["at_random"], task.question, span=span)
    return Finding(
        model,
        effects_at_random,
        f"{told}; what was drawn after drop-out is then shifted in one arm of each comparison",
        tipping=tipping,
    )


def _find_responders(task: Task) -> Finding:
    one, data = task.analysis, task.data
    model = "logistic regression of all arms, g-computed risk differences"
    stopped = int(data.stopped[:, visit_index(data, one.visit)].sum())
    notes = [f"{stopped} counted as non-response after an intercurrent event"] if stopped else []
    if one.missing not in ("as_observed", "non_response"):
        finding = _completed(task, model)
        return Finding(
            model, finding.effects, finding.missing, tuple(notes), beside=finding.beside, tipping=finding.tipping
        )
    assert one.threshold is not None
    seen = respond(data, one.visit, threshold=one.threshold, better=task.outcome.better)
    told, response = _observed(task), seen
    if one.missing == "non_response":
        response = respond(data, one.visit, threshold=one.threshold, better=task.outcome.better, missing="non_response")
    found = compare_responders(data, response, comparisons=one.comparisons, adjust=one.adjust, alpha=task.alpha)
    left_out = int(np.isnan(seen).sum())
    told += "; counted as non-response" if one.missing == "non_response" else f"; {left_out} left out"
    if one.missing == "non_response" and found.left_out:
        told += f"; {found.left_out} without a baseline left out"
    if found.method == "Firth":
        notes.append(FIRTH)
    notes += _sizes(found.effects, task.alpha)
    return Finding(model, found.effects, told, tuple(notes))


def _sizes(effects: Sequence[Effect], alpha: float) -> list[str]:
    """Return what is to be known of the unadjusted test where it rejects too often."""
    numbers = sorted({one.n for one in effects if max(one.n) <= MOST_ENUMERATED})
    notes = (exact_size(*pair, alpha=alpha).note() for pair in numbers)
    return [f"beside, unadjusted: {note[0].lower()}{note[1:].rstrip('.')}" for note in notes if note]


def _observed_change(task: Task) -> Finding:
    """Compare changes by MMRM, or by ANCOVA where there is one visit only."""
    return _find_mmrm(task) if len(task.data.visits) > 1 else _find_ancova(task)


def _find_ancova(task: Task) -> Finding:
    model = "analysis of covariance of the change from baseline"
    if task.analysis.missing != "as_observed":
        return _completed(task, model)
    one = task.analysis
    found = ancova(task.data, one.visit, comparisons=one.comparisons, adjust=one.adjust, alpha=task.alpha)
    return Finding(model, found.effects, f"{_observed(task)}; {found.left_out} without outcome or baseline left out")


def _find_mmrm(task: Task) -> Finding:
    one, data = task.analysis, task.data
    if one.missing != "as_observed":
        return _completed(task, "analysis of covariance at the visit, on completed data")
    fit = fit_mmrm(data, adjust=one.adjust)
    index = fit.visits.index(one.visit)
    effects = []
    for arm, reference in one.comparisons:
        found = fit.difference(arm, reference, one.visit, level=1 - task.alpha)
        n = (int(fit.n_seen[fit.arms.index(arm), index]), int(fit.n_seen[fit.arms.index(reference), index]))
        effects.append(
            make_effect(
                (arm, reference),
                found.estimate,
                found.se,
                measure="difference in change",
                n=n,
                df=found.df,
                alpha=task.alpha,
            )
        )
    told = f"{_observed(task)}; the likelihood uses all visits of {fit.model.n_people} (missing at random given them)"
    if fit.no_baseline or fit.no_rating:
        told += f"; left out: {len(fit.no_baseline)} without a baseline, {len(fit.no_rating)} without any rating"
    structure = fit.model.structure.replace("_", " ")
    notes = tuple(f"covariance not kept: {reason}" for reason in fit.model.refused)
    return Finding(f"MMRM, REML, {structure} covariance, Kenward-Roger", tuple(effects), told, notes)


def _find_ordinal(task: Task) -> Finding:
    one, better = task.analysis, task.outcome.better
    found = compare_ordered(
        task.data, one.visit, comparisons=one.comparisons, better=better, adjust=one.adjust, alpha=task.alpha
    )
    without = set(one.adjust) - set(found.adjusted)
    notes = ("the outcome has no baseline, so none is adjusted for",) if without else ()
    told = f"{_observed(task)}; {found.left_out} left out"
    return Finding("proportional odds of a better rating, Wilcoxon beside", found.effects, told, notes)


def _find_marker(task: Task) -> Finding:
    one = task.analysis
    assert one.biomarker is not None
    markers = tuple(
        compare_slopes(task.data, one.visit, marker=one.biomarker, comparison=pair, adjust=one.adjust, alpha=task.alpha)
        for pair in one.comparisons
    )
    told = f"{_observed(task)}; {markers[0].left_out} without outcome, baseline or marker left out"
    model = f"change on {one.biomarker} × arm, continuous and centred"
    return Finding(model, tuple(one.effect for one in markers), told, markers=markers)


def _changes(task: Task) -> Finding:
    observed = task.analysis.missing == "as_observed"
    return _observed_change(task) if observed else _completed(task, "analysis of covariance at the visit")


def _find_equivalence(task: Task) -> Finding:
    base, margin = _changes(task), task.analysis.margin
    assert margin is not None
    judged = tuple(
        judge_equivalence(one.estimate, one.se, df=one.df, margin=margin, alpha=task.alpha) for one in base.effects
    )
    model = f"two one-sided tests of ±{margin:g} on: {base.model}"
    return Finding(model, base.effects, base.missing, base.notes, base.beside, equivalence=judged)


def _find_posterior(task: Task) -> Finding:
    base, margin = _changes(task), task.analysis.margin
    assert margin is not None
    stated = priors(margin, better=task.outcome.better)
    found = tuple(
        tuple(
            posterior(one.estimate, one.se, margin=margin, prior=prior, name=name, alpha=task.alpha)
            for name, prior in stated.items()
        )
        for one in base.effects
    )
    notes = (*base.notes, NORMAL, SCEPTIC)
    model = f"normal priors on: {base.model}"
    return Finding(model, base.effects, base.missing, notes, base.beside, posteriors=found)


FINDERS: Mapping[str, Callable[[Task], Finding]] = {
    "responder": _find_responders,
    "mmrm": _find_mmrm,
    "ancova": _find_ancova,
    "ordinal": _find_ordinal,
    "biomarker": _find_marker,
    "equivalence": _find_equivalence,
    "bayes": _find_posterior,
}


def require_arms(data: TrialData, arms: tuple[str, ...], control: str, outcome: str) -> None:
    """Refuse data whose arms are not the protocol's, or do not begin with its control.

    Raises
    ------
    InputError
    """
    if set(data.arms) != set(arms) or data.arms[0] != control:
        raise InputError(
            f"expected the arms {', '.join(arms)} with {control} first, found {', '.join(data.arms)}", where=outcome
        )
