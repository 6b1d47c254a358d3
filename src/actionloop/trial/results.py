"""What the locked analyses found, ready to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from actionloop.trial.equivalence import Equivalence, Posterior
from actionloop.trial.estimates import Effect
from actionloop.trial.marker import MarkerResult
from actionloop.trial.sensitivity import Tipping
from actionloop.types import Analysis

LABELS = {
    "primary": "Primary",
    "secondary": "Secondary: not adjusted for the other analyses",
    "sensitivity": "Sensitivity: asks how far the result rests on an assumption",
    "exploratory": "Exploratory: raises a hypothesis, tests none",
}


@dataclass(frozen=True, eq=False)
class Finding:
    """What one analysis gives: model, effects, and what stands beside them.

    Attributes
    ----------
    model : str
    effects : tuple of Effect
        One for each comparison, in the protocol's order.
    missing : str
        What was done about missing values, with numbers.
    notes : tuple of str
    beside : tuple of (str, tuple of Effect)
        The same effects another way, with its name.
    equivalence : tuple of Equivalence
    posteriors : tuple of tuple of Posterior
        For each comparison, one for each prior.
    markers : tuple of MarkerResult
    tipping : tuple of Tipping
    """

    model: str
    effects: tuple[Effect, ...]
    missing: str
    notes: tuple[str, ...] = ()
    beside: tuple[tuple[str, tuple[Effect, ...]], ...] = ()
    equivalence: tuple[Equivalence, ...] = ()
    posteriors: tuple[tuple[Posterior, ...], ...] = ()
    markers: tuple[MarkerResult, ...] = ()
    tipping: tuple[Tipping, ...] = ()


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """One analysis of the protocol as it was run.

    Attributes
    ----------
    analysis : Analysis
    label : str
        Its role in words.
    finding : Finding or None
        None where the data do not allow the analysis.
    adjusted_p : tuple of float
        By the analysis' multiplicity, over its comparisons.
    sentences : tuple of str
        What the data exclude, one or more for each comparison.
    problem : str or None
        Why there is no finding.
    """

    analysis: Analysis
    label: str
    finding: Finding | None
    adjusted_p: tuple[float, ...] = ()
    sentences: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Effects of the comparisons; none where there is no finding."""
        return self.finding.effects if self.finding else ()


@dataclass(frozen=True, eq=False)
class TrialAnalysis:
    """All analyses of a protocol, in its order.

    Attributes
    ----------
    title : str
    digest : str
        Of the analyses that were run.
    results : tuple of AnalysisResult
    conclusions : tuple of str
        What may be said of the primary analysis, and what may not.
    """

    title: str
    digest: str
    results: tuple[AnalysisResult, ...]
    conclusions: tuple[str, ...] = field(default=())

    @property
    def primary(self) -> AnalysisResult:
        """The primary analysis."""
        return next(one for one in self.results if one.analysis.role == "primary")

    def result(self, name: str) -> AnalysisResult:
        """Return the analysis of this name."""
        return next(one for one in self.results if one.analysis.name == name)
