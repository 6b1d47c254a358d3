"""Whether features tell responders from others: nested cross-validation with its chance level, and what n can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy import stats

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.tmseeg.connectivity import percentile_interval
from actionloop.types import BoolArray, FloatArray, IntArray

_POWER = 0.8
_PER_FEATURE = 10  # of the rarer outcome, the usual rule of thumb


def _default(name: str) -> Any:
    return field(default_factory=lambda: facts.load("tmseeg_measures")["classifier"][name])


@dataclass(frozen=True)
class ClassifierOptions:
    """How the classifier is trained and tested; the values of data/tmseeg_measures.toml unless given.

    Attributes
    ----------
    least_each : int
        People with either outcome; fewer are refused.
    folds, inner_folds, repeats : int
        Of the outer and the inner cross-validation; the outer one is repeated over new folds.
    penalties : tuple of float
        Inverse ridge penalties (C) that the inner cross-validation chooses from.
    permutations, draws : int
        Of the outcome, and of people for the interval.
    level : float
    """

    least_each: int = _default("least_each")
    folds: int = _default("folds")
    inner_folds: int = _default("inner_folds")
    repeats: int = _default("repeats")
    penalties: tuple[float, ...] = field(
        default_factory=lambda: tuple(facts.load("tmseeg_measures")["classifier"]["penalties"])
    )
    permutations: int = _default("permutations")
    draws: int = _default("draws")
    level: float = _default("level")

    def __post_init__(self) -> None:
        if min(self.folds, self.inner_folds, self.permutations, self.draws) < 2 or self.repeats < 1:
            raise OptionError("folds, permutations and draws must be 2 or more, repeats 1 or more")
        if not self.penalties or min(self.penalties) <= 0 or not 0 < self.level < 1:
            raise OptionError("penalties must be above 0 and the level a share")
        if self.least_each < self.folds * self.inner_folds / (self.inner_folds - 1):
            raise OptionError(
                f"{self.least_each} people with either outcome do not fill {self.folds} folds of {self.inner_folds}",
                fix="ask for fewer folds",
            )


@dataclass(frozen=True, eq=False)
class Prediction:
    """How well people who were left out were told apart.

    Attributes
    ----------
    auc : float
        Chance that a left-out responder scores above a left-out other person of the same fold.
    interval : tuple of float
        Over people; the classifier is not trained anew for it, so that it is somewhat too narrow.
    p : float
        Share of permuted outcomes that do as well.
    score : (person,) float64 ndarray
        Probability of response when left out, mean over repeats.
    n_responders, n_others : int
    names : tuple of str
    can_show : str
        What so many people can and cannot show.
    """

    auc: float
    interval: tuple[float, float]
    p: float
    score: FloatArray
    n_responders: int
    n_others: int
    names: tuple[str, ...]
    can_show: str


def cross_validate(
    features: FloatArray,
    responded: BoolArray,
    *,
    names: Sequence[str],
    rng: Generator,
    options: ClassifierOptions | None = None,
) -> Prediction:
    """Test a logistic regression with a ridge penalty on people it was not trained on.

    Standardising and the choice of the penalty happen inside the training people of each fold, and again for every
    permuted outcome.

    Parameters
    ----------
    features : (person, feature) float ndarray
    responded : (person,) bool ndarray
    names : sequence of str
        Of the features.
    rng : Generator
    options : ClassifierOptions, optional

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        Shapes that do not fit, values that are no numbers, a feature that does not vary, or too few people.
    OptionError
        Options that cannot be used.

    References
    ----------
    .. [1] Varma & Simon 2006, doi:10.1186/1471-2105-7-91 (nested); Ojala & Garriga 2010, JMLR 11:1833 (permutation);
       Airola 2011, doi:10.1016/j.csda.2010.11.023 (pairs of one fold)
    """
    from sklearn import config_context  # type: ignore[import-untyped]

    options = options or ClassifierOptions()
    table, outcome = _checked(features, responded, names, options)
    seeds = rng.integers(2**31, size=options.repeats)
    score, won, met = _left_out(table, outcome, seeds, options)
    auc = float(won.sum() / met.sum())
    null = np.empty(options.permutations)
    with config_context(assume_finite=True, skip_parameter_validation=True):  # many small fits
        for k in range(options.permutations):
            _, some, of = _left_out(table, rng.permutation(outcome), rng.integers(2**31, size=1), options)
            null[k] = some.sum() / of.sum()
    one = _left_out(table, outcome, seeds[:1], options)
    reached = np.count_nonzero(null >= one[1].sum() / one[2].sum() - 1e-12)
    yes, no = int(outcome.sum()), int((~outcome).sum())
    low, high = percentile_interval(_over_people(won, met, options.draws, rng), options.level)
    return Prediction(
        auc=auc,
        interval=(float(low), float(high)),
        p=(1 + reached) / (1 + options.permutations),
        score=score,
        n_responders=yes,
        n_others=no,
        names=tuple(names),
        can_show=_can_show(yes, no, len(names), options.level),
    )


def detectable_auc(n_responders: int, n_others: int, *, level: float = 0.95, power: float = _POWER) -> float:
    """Smallest true AUC that so many people tell from 0.5, for one score that was fixed beforehand.

    References
    ----------
    .. [1] Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747
    """
    z = stats.norm.ppf((1 + level) / 2), stats.norm.ppf(power)
    for auc in np.arange(0.5, 1.0, 0.005):
        if auc - 0.5 >= z[0] * _auc_error(0.5, n_responders, n_others) + z[1] * _auc_error(auc, n_responders, n_others):
            return float(auc)
    return 1.0


def _auc_error(auc: float, yes: int, no: int) -> float:
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (yes - 1) * (one - auc**2) + (no - 1) * (two - auc**2)) / (yes * no)
    return float(np.sqrt(variance))


def _can_show(yes: int, no: int, n_features: int, level: float) -> str:
    least = detectable_auc(yes, no, level=level)
    told = (
        f"{yes} responders and {no} others tell an AUC of {least:.2f} or more from chance in {_POWER:.0%} of studies, "
        "for a score fixed beforehand; one that is trained on the same people needs more. Smaller effects would be "
        "missed, and p above .05 does not say that there is none. People of one centre were left out in turn: nothing "
        "here tells how it does elsewhere, and a result does not show that the features guide treatment, which takes "
        "another arm to compare with."
    )
    if min(yes, no) < _PER_FEATURE * n_features:
        told += (
            f" {n_features} features are many for {min(yes, no)} people of the rarer outcome: which of them matter "
            "cannot be told."
        )
    return told


def _checked(
    features: FloatArray, responded: BoolArray, names: Sequence[str], options: ClassifierOptions
) -> tuple[FloatArray, BoolArray]:
    table, outcome = np.asarray(features, dtype=np.float64), np.asarray(responded)
    if table.ndim != 2 or table.shape != (len(outcome), len(names)) or not names:
        raise InputError(f"expected {len(outcome)} people by {len(names)} features, found {table.shape}")
    if outcome.dtype != np.bool_:
        raise InputError(
            "the outcome must be yes or no for each person", fix="compare the pain ratings with a threshold"
        )
    broken = [name for name, column in zip(names, table.T, strict=True) if not np.isfinite(column).all()]
    if broken:
        raise InputError(
            f"features that are no numbers: {', '.join(broken)}", fix="leave out these people or these features"
        )
    flat = [name for name, column in zip(names, table.T, strict=True) if np.ptp(column) == 0]
    if flat:
        raise InputError(f"features that do not vary: {', '.join(flat)}", fix="leave them out")
    yes, no = int(outcome.sum()), int((~outcome).sum())
    if min(yes, no) < options.least_each:
        raise InputError(
            f"{yes} responders and {no} others; a classifier needs at least {options.least_each} of both to be tested",
            fix="report the features themselves, each with its interval",
        )
    return table, outcome


def _left_out(
    table: FloatArray, outcome: BoolArray, seeds: IntArray, options: ClassifierOptions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores of people left out; how often each responder came before each other person, of how often they met."""
    from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]

    yes, no = np.flatnonzero(outcome), np.flatnonzero(~outcome)
    score, won, met = np.zeros(len(table)), np.zeros((len(yes), len(no))), np.zeros((len(yes), len(no)))
    for seed in seeds:
        folds = StratifiedKFold(options.folds, shuffle=True, random_state=int(seed))
        for train, test in folds.split(table, outcome):
            scaled, others = _standardised(table[train], table[test])
            some = _trained(scaled, outcome[train], int(seed), options).predict_proba(others)[:, 1]
            score[test] += some / len(seeds)
            row, column = np.isin(yes, test), np.isin(no, test)
            ahead = some[outcome[test]][:, None] - some[~outcome[test]][None]
            won[np.ix_(row, column)] += (ahead > 0) + 0.5 * (ahead == 0)
            met[np.ix_(row, column)] += 1
    return score, won, met


def _standardised(train: FloatArray, test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scale by the training people alone; a feature that does not vary in them becomes 0."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    return (train - mean) * scale, (test - mean) * scale


def _trained(table: FloatArray, outcome: BoolArray, seed: int, options: ClassifierOptions) -> Any:
    """Logistic regression whose penalty an inner cross-validation chose by its log loss."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.model_selection import StratifiedKFold

    def model(penalty: float) -> Any:
        return LogisticRegression(C=penalty, solver="newton-cholesky")

    folds = StratifiedKFold(options.inner_folds, shuffle=True, random_state=seed)
    loss = np.zeros(len(options.penalties))
    for train, test in folds.split(table, outcome):
        scaled, others = _standardised(table[train], table[test])
        for k, penalty in enumerate(options.penalties):
            chance = model(penalty).fit(scaled, outcome[train]).predict_proba(others)[:, 1]
            of_truth = np.where(outcome[test], chance, 1 - chance)
            loss[k] -= np.log(np.clip(of_truth, 1e-12, None)).sum()
    return model(options.penalties[int(loss.argmin())]).fit(table, outcome)


def _over_people(won: FloatArray, met: FloatArray, draws: int, rng: Generator) -> FloatArray:
    """AUC for people drawn anew within each outcome."""
    yes, no = (rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(np.float64) for n in won.shape)
    above = np.einsum("dy,yn,dn->d", yes, won, no, optimize=True)
    return np.asarray(above / np.einsum("dy,yn,dn->d", yes, met, no, optimize=True))
