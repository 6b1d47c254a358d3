"""Ratings that look made rather than given: digits, identical series, raters unlike the others. Blind to arms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actionloop.trial.people import TrialState
from actionloop.trial.query import Query
from actionloop.types import FloatArray, TrialOutcome, TrialProtocol

_DECIMALS = 4


def pattern_queries(state: TrialState, protocol: TrialProtocol, rules: Mapping[str, Any]) -> list[Query]:
    """Ask about digits, identical series and raters.

    Parameters
    ----------
    state : TrialState
    protocol : TrialProtocol
    rules : mapping
        Section [queries] of data/trial.toml.
    """
    found: list[Query] = []
    for outcome in protocol.outcomes:
        if outcome.kind == "scale":
            found += _digits(state, outcome, rules)
        if outcome.kind != "biomarker":
            found += _identical(state, protocol, outcome, rules)
            found += _raters(state, outcome, rules)
    return found


def _identical(
    state: TrialState, protocol: TrialProtocol, outcome: TrialOutcome, rules: Mapping[str, Any]
) -> Iterator[Query]:
    """Ask about series that never change, and about those of two people that agree where chance hardly makes them."""
    visits = [visit.name for visit in protocol.rated(outcome.name)]
    series = {
        name: tuple(state.people[name].value(visit, outcome.name) for visit in visits) for name in sorted(state.people)
    }
    same: dict[tuple[float | None, ...], list[str]] = defaultdict(list)
    for name, values in series.items():
        known = [one for one in values if one is not None]
        if len(known) < int(rules["least_visits"]):
            continue
        if len(set(known)) == 1:
            yield Query(name, "", "constant", f"{outcome.name} is {known[0]:g} at all {len(known)} visits")
        else:
            same[values].append(name)
    step = resolution([one for values in series.values() for one in values if one is not None])
    levels = math.inf if step is None else (outcome.high - outcome.low) / step + 1
    pairs = len(series) * (len(series) - 1) / 2
    for values, names in same.items():
        if pairs > float(rules["chance_pairs"]) * levels ** sum(one is not None for one in values):
            continue
        for name in names[1:]:
            yield Query(name, "", "identical", f"{outcome.name} at all visits is that of {names[0]}")


def _digits(state: TrialState, outcome: TrialOutcome, rules: Mapping[str, Any]) -> Iterator[Query]:
    """Compare the last digits with an even spread (chi-square), where the scale is fine enough to have them."""
    from scipy.stats import chisquare

    by_rater: dict[str, list[float]] = defaultdict(list)
    for person in state.people.values():
        for (_, name), ratings in person.ratings.items():
            if name == outcome.name:
                by_rater[ratings[-1].by].append(ratings[-1].value)
    everything = [value for values in by_rater.values() for value in values]
    step = resolution(everything)
    if step is None or (outcome.high - outcome.low) / step < int(rules["digits_steps"]):
        return
    for rater, values in [("", everything), *sorted(by_rater.items())]:
        inner = [value for value in values if outcome.low < value < outcome.high]  # the ends are chosen as ends
        if len(inner) < int(rules["digits_least"]) or (rater and len(by_rater) == 1):
            continue
        last = np.round(np.array(inner) / step).astype(np.int64) % 10
        counts = np.bincount(last, minlength=10)
        p = float(chisquare(counts).pvalue)
        if p < float(rules["p_below"]):
            most = int(counts.argmax())
            who = f" by {rater}" if rater else ""
            share = 100 * counts[most] / len(inner)
            why = f"{outcome.name}{who}: {share:.0f} % end in {most} (even is 10 %; p = {p:.1g})"
            yield Query("", "", "digits", why)


def resolution(values: Sequence[float]) -> float | None:
    """Return the power of ten that all values are multiples of, 1 to 0.0001; None where finer, or without values."""
    for decimals in range(_DECIMALS + 1 if values else 0):
        if all(abs(round(value, decimals) - value) < 1e-9 for value in values):
            return float(10.0**-decimals)
    return None


def _raters(state: TrialState, outcome: TrialOutcome, rules: Mapping[str, Any]) -> Iterator[Query]:
    """Compare each rater's people with everybody else's: their level (Mann-Whitney) and spread (Brown-Forsythe).

    Only visits that both rated count, each as a difference from its mean, so that a rater who sees people late is not
    taken for one who rates low. One value for each person and rater, the mean, because ratings of one person are not
    independent.
    """
    from scipy.stats import levene, mannwhitneyu

    rated: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))  # rater, visit, person
    for person in state.people.values():
        for (visit, name), ratings in person.ratings.items():
            if name == outcome.name:
                rated[ratings[-1].by][visit][person.name] = ratings[-1].value
    least, below = int(rules["rater_least"]), float(rules["p_below"])
    for rater in sorted(rated):
        rest = [visits for other, visits in rated.items() if other != rater]
        shared = [visit for visit in rated[rater] if any(visit in visits for visits in rest)]
        centre = {
            visit: np.mean([v for one in rated.values() for v in one.get(visit, {}).values()]) for visit in shared
        }
        here = _person_means([rated[rater]], centre)
        there = _person_means(rest, centre)
        if min(len(here), len(there)) < least or not _varies(here, there):
            continue
        level = float(mannwhitneyu(here, there).pvalue)
        spread = float(levene(here, there, center="median").pvalue)
        middle, wide = (np.median(here), np.median(there)), (here.std(ddof=1), there.std(ddof=1))
        for p, what, (own, others) in ((level, "median", middle), (spread, "SD", wide)):
            if p < below:
                why = f"{what} {own:.2g}, of other raters {others:.2g}, about the visits' means (p = {p:.1g})"
                yield Query("", "", "rater", f"{rater}: {outcome.name}: {why}")


def _person_means(
    raters: Sequence[Mapping[str, Mapping[str, float]]], centre: Mapping[str, np.floating[Any]]
) -> FloatArray:
    own: dict[str, list[float]] = defaultdict(list)
    for visits in raters:
        for visit, middle in centre.items():
            for name, value in visits.get(visit, {}).items():
                own[name].append(value - float(middle))
    return np.array([np.mean(values) for values in own.values()], dtype=float)


def _varies(here: FloatArray, there: FloatArray) -> bool:
    return bool(np.ptp(np.concatenate([here, there])) > 0)
