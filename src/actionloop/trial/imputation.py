"""Multiple imputation of missing visits: proper draws under missing at random, reference-based, and shifted.

The visits after allocation follow, in each arm, a multivariate normal distribution around a regression on baseline and
strata, with any covariance between visits. Its parameters are drawn from their posterior by data augmentation. A rating
missing between two observed ones is always drawn at random given the others; what follows the last observed rating may
instead be drawn as in the reference arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.errors import InputError
from actionloop.trial.predictors import make_predictors
from actionloop.types import BoolArray, FloatArray, IntArray, TrialData

Rule = Literal["at_random", "jump_to_reference", "copy_increments", "copy_reference"]
RULES: tuple[Rule, ...] = ("at_random", "jump_to_reference", "copy_increments", "copy_reference")


@dataclass(frozen=True, eq=False)
class Completed:
    """Completed data sets.

    Attributes
    ----------
    value : (completed, participant, visit) float ndarray
        Nothing missing, except in whoever is not `kept`.
    imputed : (participant, visit) bool ndarray
        What was missing.
    dropped : (participant, visit) bool ndarray
        What was missing after the last observed rating.
    kept : (participant,) bool ndarray
        False without a baseline: nothing is imputed, and they are left out.
    shared : bool
        True where the arms share one covariance, because an arm is too small for its own.
    """

    value: FloatArray
    imputed: BoolArray
    dropped: BoolArray
    kept: BoolArray
    shared: bool


@dataclass(eq=False)
class _Group:
    """Participants that share a regression and a covariance while parameters are drawn."""

    rows: IntArray
    design: FloatArray
    spread: FloatArray
    factor: FloatArray
    beta: FloatArray
    sigma: FloatArray


@dataclass(frozen=True)
class _Pattern:
    """Participants of one group in whom the same visits are missing."""

    group: int
    rows: IntArray
    missing: IntArray
    seen: IntArray


def missing_after_last(value: FloatArray) -> BoolArray:
    """Return what lies after each participant's last observed rating, (participant, visit)."""
    later_seen = np.cumsum(np.isfinite(value)[:, ::-1], axis=1)[:, ::-1] > 0
    return ~later_seen


def impute(
    data: TrialData,
    *,
    rng: np.random.Generator,
    rules: Sequence[Rule] = ("at_random",),
    reference: str | None = None,
    adjust: Sequence[str] = ("baseline",),
    completed: int | None = None,
) -> dict[Rule, Completed]:
    """Return completed data sets under each rule, from the same draws of the parameters.

    Parameters
    ----------
    data : TrialData
    rng : Generator
        Participants are drawn for in the order of their names: another order of rows gives the same ratings.
    rules : sequence of str
        'at_random'; 'jump_to_reference' gives those who dropped out the reference's mean from then on,
        'copy_increments' the reference's changes from their own arm's last mean, 'copy_reference' the reference's mean
        throughout. The reference arm itself is imputed at random.
    reference : str, optional
        With the rules that need one; the first arm by default.
    completed : int, optional
        Number of data sets, by default as in data/trial_analysis.toml.

    Raises
    ------
    InputError
        A visit that nobody of an arm has, or too few participants for the covariance of the visits.

    References
    ----------
    .. [1] Schafer 1997, doi:10.1201/9780367803025; Carpenter, Roger & Kenward 2013, doi:10.1080/10543406.2013.834911
    """
    order = np.array(sorted(range(len(data.participants)), key=lambda index: data.participants[index]))
    predictors = make_predictors(data, adjust=adjust)
    matrix, kept = predictors.matrix, predictors.kept
    stated = facts.load("trial_analysis")["imputation"]
    wanted = int(stated["completed"]) if completed is None else completed
    named = data.arms[0] if reference is None else reference
    if named not in data.arms:
        raise InputError(f"no arm is called {named}", fix=f"choose from {', '.join(data.arms)}")
    ratings = np.where(kept[:, None], data.value, np.nan)
    groups, shared = _groups(data, matrix, ratings, order[kept[order]], predictors.names)
    patterns = _patterns(groups, ratings)
    missing = np.isnan(data.value)
    dropped = missing_after_last(data.value)
    filled = _start(ratings, data.arm)
    results = {rule: np.repeat(data.value[None], wanted, axis=0) for rule in rules}
    for index in range(wanted):
        for _ in range(int(stated["burn_in" if index == 0 else "apart"])):
            for group in groups:
                _draw_parameters(group, filled, rng)
            _draw_at_random(groups, patterns, filled, rng)
        noise = np.empty_like(filled)
        noise[order] = rng.standard_normal(filled.shape)
        for rule in rules:
            value = filled
            if rule != "at_random":
                value = _by_reference(data, matrix, filled, _Parameters.of(data, groups), rule, named, noise)
            results[rule][index] = np.where(missing & kept[:, None], value, data.value)
    return {rule: Completed(value, missing, dropped, kept, shared) for rule, value in results.items()}


def _groups(
    data: TrialData, matrix: FloatArray, ratings: FloatArray, order: IntArray, names: Sequence[str]
) -> tuple[list[_Group], bool]:
    """Return one group for each arm, or one for all where an arm is too small; rows in the order of names."""
    n_arms, n_visits = len(data.arms), ratings.shape[1]
    for index, arm in enumerate(data.arms):
        seen = np.isfinite(ratings[data.arm == index]).sum(axis=0)
        if seen.min(initial=len(ratings)) < 2:
            visit = data.visits[int(seen.argmin())]
            raise InputError(
                f"the arm {arm} has {int(seen.min())} ratings at {visit}: what is missing cannot be drawn",
                fix="leave that visit out of the outcome, or analyse as observed",
            )
    own = np.r_[0, np.arange(n_arms, len(names))]
    needed = len(own) + n_visits + int(facts.load("trial_analysis")["imputation"]["spare"])
    by_arm = [order[data.arm[order] == index] for index in range(n_arms)]
    designs = [matrix[np.ix_(rows, own)] for rows in by_arm]
    full = all(np.linalg.matrix_rank(one) == len(own) for one in designs)
    if full and min(len(rows) for rows in by_arm) >= needed:
        pairs = list(zip(by_arm, designs, strict=True))
    else:
        pairs = [(order, matrix[order])]
        least = len(names) + n_visits
        if len(order) <= least or np.linalg.matrix_rank(matrix[order]) < len(names):
            raise InputError(
                f"{len(order)} participants do not suffice to draw {n_visits} visits given {len(names)} columns",
                fix="adjust for less, or analyse as observed",
            )
    groups = []
    for rows, design in pairs:
        spread = np.linalg.inv(design.T @ design)
        zero = np.zeros((design.shape[1], n_visits))
        groups.append(_Group(rows, design, spread, np.linalg.cholesky(spread), zero, np.eye(n_visits)))
    return groups, len(pairs) == 1


def _patterns(groups: Sequence[_Group], ratings: FloatArray) -> list[_Pattern]:
    found = []
    for number, group in enumerate(groups):
        absent = np.isnan(ratings[group.rows])
        for pattern in np.unique(absent, axis=0):
            if pattern.any():
                inside = np.flatnonzero((absent == pattern).all(axis=1))
                found.append(_Pattern(number, inside, np.flatnonzero(pattern), np.flatnonzero(~pattern)))
    return found


def _start(ratings: FloatArray, arm: IntArray) -> FloatArray:
    """Return ratings with the arm's mean where one is missing."""
    filled = ratings.copy()
    for index in np.unique(arm):
        rows = arm == index
        filled[rows] = np.where(np.isnan(ratings[rows]), np.nanmean(ratings[rows], axis=0), ratings[rows])
    return filled


def _draw_parameters(group: _Group, filled: FloatArray, rng: np.random.Generator) -> None:
    """Draw covariance and regression from their posterior under Jeffreys' prior."""
    y = filled[group.rows]
    fitted = group.spread @ (group.design.T @ y)
    residual = y - group.design @ fitted
    scale = residual.T @ residual
    df = len(y) - group.design.shape[1]
    smallest = np.linalg.eigvalsh(scale)[0]
    if smallest <= 1e-10 * max(float(np.trace(scale)), 1e-300):
        raise InputError(
            "ratings of two visits are the same, or do not vary: their covariance cannot be drawn",
            fix="leave one of the visits out of the outcome, or analyse as observed",
        )
    group.sigma = np.atleast_2d(stats.invwishart.rvs(df, scale, random_state=rng))
    noise = rng.standard_normal(fitted.shape)
    group.beta = fitted + group.factor @ noise @ np.linalg.cholesky(group.sigma).T


def _draw_at_random(
    groups: Sequence[_Group], patterns: Sequence[_Pattern], filled: FloatArray, rng: np.random.Generator
) -> None:
    for pattern in patterns:
        group = groups[pattern.group]
        rows = group.rows[pattern.rows]
        mean = group.design[pattern.rows] @ group.beta
        slope, rest = _conditional(group.sigma, pattern.seen, pattern.missing)
        deviation = filled[np.ix_(rows, pattern.seen)] - mean[:, pattern.seen]
        noise = rng.standard_normal((len(rows), len(pattern.missing))) @ np.linalg.cholesky(rest).T
        filled[np.ix_(rows, pattern.missing)] = mean[:, pattern.missing] + deviation @ slope.T + noise


def _conditional(sigma: FloatArray, seen: IntArray, missing: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return slopes of the missing visits on those seen, and the covariance that is left."""
    within = sigma[np.ix_(missing, missing)]
    if not len(seen):
        return np.zeros((len(missing), 0)), within
    cross = sigma[np.ix_(missing, seen)]
    slope = np.linalg.solve(sigma[np.ix_(seen, seen)], cross.T).T
    return slope, within - slope @ cross.T


@dataclass(frozen=True, eq=False)
class _Parameters:
    """Each arm's regression, on all columns, and its covariance."""

    beta: list[FloatArray]
    sigma: list[FloatArray]

    @classmethod
    def of(cls, data: TrialData, groups: Sequence[_Group]) -> _Parameters:
        n_arms = len(data.arms)
        if len(groups) == 1:
            shifts = [groups[0].beta[index] if index else 0.0 for index in range(n_arms)]
            betas = []
            for shift in shifts:
                beta = groups[0].beta.copy()
                beta[1:n_arms] = 0
                beta[0] += shift
                betas.append(beta)
            return cls(betas, [groups[0].sigma] * n_arms)
        empty = np.zeros((n_arms - 1, groups[0].beta.shape[1]))
        betas = [np.concatenate([one.beta[:1], empty, one.beta[1:]]) for one in groups]
        return cls(betas, [one.sigma for one in groups])


def _by_reference(
    data: TrialData,
    matrix: FloatArray,
    filled: FloatArray,
    parameters: _Parameters,
    rule: Rule,
    reference: str,
    noise: FloatArray,
) -> FloatArray:
    """Return ratings whose missing ends, outside the reference arm, follow the reference.

    Given what went before, they have the reference's slopes and remaining covariance; the rule sets the means.
    """
    number = data.arms.index(reference)
    after = missing_after_last(data.value)
    first = np.where(after.any(axis=1), after.argmax(axis=1), filled.shape[1])
    value = filled.copy()
    sigma = parameters.sigma[number]
    theirs = matrix @ parameters.beta[number]
    for arm in range(len(data.arms)):
        own = matrix @ parameters.beta[arm]
        for start in np.unique(first[data.arm == arm]):
            if arm == number or start == filled.shape[1]:
                continue
            rows = np.flatnonzero((data.arm == arm) & (first == start))
            seen, missing = np.arange(start), np.arange(start, filled.shape[1])
            before = theirs if rule == "copy_reference" else own
            later = theirs[rows][:, missing]
            if rule == "copy_increments" and start:
                later = later + (own - theirs)[rows, start - 1][:, None]
            slope, rest = _conditional(sigma, seen, missing)
            deviation = (filled - before)[rows][:, seen]
            drawn = noise[rows][:, missing] @ np.linalg.cholesky(rest).T
            value[np.ix_(rows, missing)] = later + deviation @ slope.T + drawn
    return value
