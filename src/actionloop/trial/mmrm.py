"""Mixed model for repeated measures: change from baseline on baseline and arm, each by visit, under one covariance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.trial.contrasts import Contrast, Degrees, JointTest
from actionloop.trial.covariance import Covariance
from actionloop.trial.repeated import FALLBACK, RepeatedFit, fit_repeated
from actionloop.types import BoolArray, FloatArray, IntArray, TrialData

__all__ = ["FALLBACK", "MmrmFit", "RepeatedFit", "fit_many", "fit_mmrm", "fit_repeated"]


@dataclass(frozen=True, eq=False)
class MmrmFit:
    """A fitted MMRM of one trial.

    Attributes
    ----------
    model : RepeatedFit
        Its first columns are arm by visit: adjusted mean changes at the average of what is adjusted for.
    arms, visits : tuple of str
    no_baseline, no_rating : tuple of str
        Participants left out because their baseline, or every rating after it, is missing.
    n_seen : (arm, visit) int ndarray
        People whose rating the fit uses.
    """

    model: RepeatedFit
    arms: tuple[str, ...]
    visits: tuple[str, ...]
    no_baseline: tuple[str, ...]
    no_rating: tuple[str, ...]
    n_seen: IntArray

    def _row(self, arm: str, visit: str) -> FloatArray:
        for name, known, where in ((arm, self.arms, "arm"), (visit, self.visits, "visit")):
            if name not in known:
                raise OptionError(f"nothing is called {name!r}", where=where, fix=f"choose from {', '.join(known)}")
        row = np.zeros(len(self.model.names))
        row[self.arms.index(arm) * len(self.visits) + self.visits.index(visit)] = 1.0
        return row

    def mean(self, arm: str, visit: str, *, df: Degrees = "kenward_roger", level: float = 0.95) -> Contrast:
        """Estimate the adjusted mean change of one arm at one visit."""
        return self.model.contrast(self._row(arm, visit), df=df, level=level)

    def difference(
        self, arm: str, reference: str, visit: str, *, df: Degrees = "kenward_roger", level: float = 0.95
    ) -> Contrast:
        """Estimate the adjusted difference in mean change, `arm` less `reference`, at one visit."""
        return self.model.contrast(self._row(arm, visit) - self._row(reference, visit), df=df, level=level)

    def any_difference(self, visit: str, *, df: Degrees = "kenward_roger") -> JointTest:
        """Test that all arms have the same mean change at one visit."""
        first = self._row(self.arms[0], visit)
        return self.model.joint(np.stack([self._row(arm, visit) - first for arm in self.arms[1:]]), df=df)

    def profile(self, arm: str, reference: str, *, df: Degrees = "kenward_roger") -> JointTest:
        """Test that two arms have the same mean change at every visit."""
        return self.model.joint(np.stack([self._row(arm, v) - self._row(reference, v) for v in self.visits]), df=df)


def fit_mmrm(
    data: TrialData,
    *,
    adjust: Sequence[str] = ("baseline",),
    covariance: Covariance = "unstructured",
    fallback: Sequence[Covariance] = FALLBACK,
) -> MmrmFit:
    """Fit change ~ arm x visit + baseline x visit + factors by restricted maximum likelihood.

    Parameters
    ----------
    data : TrialData
        Who has no baseline or no rating at all is left out and named; impute a baseline before, to keep them.
    adjust : sequence of str
        'baseline' and names of the data's factors; baseline and levels are centred over the people analysed.
    covariance, fallback
        See `fit_repeated`.

    Returns
    -------
    MmrmFit

    Raises
    ------
    InputError
        One visit only, an arm without people (at a visit), and what `fit_repeated` refuses.
    OptionError
        A term that the data do not have.
    """
    if len(data.visits) < 2:
        raise InputError(
            f"repeated measures need two visits or more after allocation, found {len(data.visits)}",
            fix="use analysis of covariance for a single visit",
        )
    unknown = [name for name in adjust if name != "baseline" and name not in data.factors]
    if unknown:
        known = ", ".join(("baseline", *data.factors))
        raise OptionError(f"nothing is called {', '.join(unknown)}", where="adjust", fix=f"choose from {known}")
    change = data.change
    with_baseline = ~np.isnan(data.baseline)
    rated = ~np.isnan(data.value).all(axis=1)
    kept = with_baseline & rated
    n_seen = _count_seen(data, kept)
    x, names = _design(data, kept, tuple(dict.fromkeys(adjust)))
    model = fit_repeated(change[kept], x, names=names, visits=data.visits, covariance=covariance, fallback=fallback)
    return MmrmFit(
        model=model,
        arms=data.arms,
        visits=data.visits,
        no_baseline=tuple(np.array(data.participants, dtype=object)[~with_baseline]),
        no_rating=tuple(np.array(data.participants, dtype=object)[with_baseline & ~rated]),
        n_seen=n_seen,
    )


def _count_seen(data: TrialData, kept: BoolArray) -> IntArray:
    seen = kept[:, None] & ~np.isnan(data.value)
    counts = np.stack([seen[data.arm == k].sum(axis=0) for k in range(len(data.arms))])
    for a in map(int, np.flatnonzero(counts.sum(axis=0) == 0)):
        raise InputError(f"nobody has a rating at visit {data.visits[a]!r}", fix="leave that visit out")
    for k, name in enumerate(data.arms):
        if not counts[k].any():
            raise InputError(f"arm {name!r} has nobody with a baseline and a rating", fix="leave that arm out")
        for a in map(int, np.flatnonzero(counts[k] == 0)):
            raise InputError(
                f"arm {name!r} has nobody with a rating at visit {data.visits[a]!r}", fix="leave that visit or arm out"
            )
    return counts


def _design(data: TrialData, kept: BoolArray, adjust: tuple[str, ...]) -> tuple[FloatArray, tuple[str, ...]]:
    t, arm = len(data.visits), data.arm[kept]
    arms = (arm[:, None] == np.arange(len(data.arms))).astype(float)
    blocks = [np.einsum("nk,ab->nakb", arms, np.eye(t)).reshape(len(arm), t, -1)]
    names = [f"{name} at {visit}" for name in data.arms for visit in data.visits]
    for term in adjust:
        if term == "baseline":
            centred = data.baseline[kept] - data.baseline[kept].mean()
            blocks.append(centred[:, None, None] * np.eye(t))
            names += [f"baseline at {visit}" for visit in data.visits]
            continue
        factor = np.asarray(data.factors[term])[kept]
        levels = np.unique(factor)[1:]
        dummies = (factor[:, None] == levels).astype(float)
        blocks.append(np.repeat((dummies - dummies.mean(axis=0))[:, None], t, axis=1))
        names += [f"{term} {level}" for level in levels]
    return np.concatenate(blocks, axis=2), tuple(names)


def fit_many(
    trials: Iterable[TrialData],
    *,
    adjust: Sequence[str] = ("baseline",),
    covariance: Covariance = "unstructured",
    fallback: Sequence[Covariance] = FALLBACK,
) -> list[MmrmFit | ActionloopError]:
    """Fit the same model to many trials; what one of them is refused for stands in its place.

    See `fit_mmrm`. Every fit is the one that `fit_mmrm` gives for that trial alone.
    """
    results: list[MmrmFit | ActionloopError] = []
    for data in trials:
        try:
            results.append(fit_mmrm(data, adjust=adjust, covariance=covariance, fallback=fallback))
        except InputError as error:
            results.append(error)
    return results
