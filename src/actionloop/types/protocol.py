"""A randomised trial as its protocol states it: arms, strata, schedule, outcomes, estimand and locked analyses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from actionloop.errors import OptionError
from actionloop.types.protocolparts import (
    FORBID,
    Allocation,
    Analysis,
    Arm,
    Estimand,
    Stopping,
    Stratum,
    TrialOutcome,
    Visit,
    require,
    require_names,
)

MOST = 100_000


class ProtocolFaultsError(OptionError):
    """Several faults of one protocol; `faults` holds an error for each."""

    def __init__(self, faults: Sequence[OptionError]) -> None:
        self.faults = tuple(faults)
        told = "\n".join(f"  - {one.where}: {one.problem}" for one in faults)
        super().__init__(f"the protocol has {len(faults)} faults:\n{told}", fix="mend all of them")


@dataclass(frozen=True)
class TrialProtocol:
    """The whole protocol, checked against itself.

    Attributes
    ----------
    format : int
        Version of this layout, 1.
    sessions : int
        Stimulation sessions planned for each participant.
    candidates : tuple of str
        Names of the targets whose scores are computed and frozen for everyone before allocation.
    score : str
        What the rules 'lowest' and 'highest' order candidates by.
    control : str
        Arm that others are compared with.

    Raises
    ------
    OptionError
        A name that nothing has, visits out of order, block sizes that do not fit, no primary analysis or two.
    ProtocolFaultsError
        More than one of these.
    """

    title: str
    arms: tuple[Arm, ...]
    control: str
    candidates: tuple[str, ...]
    centres: tuple[str, ...]
    sample_size: int
    sessions: int
    visits: tuple[Visit, ...]
    outcomes: tuple[TrialOutcome, ...]
    estimand: Estimand
    analyses: tuple[Analysis, ...]
    format: int = 1
    registration: str = ""
    score: str = "global_connectivity"
    strata: tuple[Stratum, ...] = ()
    allocation: Allocation = field(default_factory=Allocation)
    stopping: Stopping = field(default_factory=Stopping)
    alpha: float = 0.05
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        faults: list[OptionError] = []

        def gather(check: Callable[..., None], *given: Any) -> None:
            try:
                check(*given)
            except OptionError as fault:
                faults.append(fault)

        gather(self._check_numbers)
        for name, least in (("arms", 2), ("visits", 2), ("outcomes", 1), ("analyses", 1), ("strata", 0)):
            gather(self._check_names, name, [one.name for one in getattr(self, name)], least)
        gather(self._check_names, "candidates", self.candidates, 1)
        gather(self._check_names, "centres", self.centres, 1)
        gather(self._check_visits)
        gather(self._check_arms)
        for outcome in self.outcomes:
            gather(self._check_outcome, outcome)
        for analysis in self.analyses:
            gather(self._check_analysis, analysis)
        gather(self._check_primary)
        if len(faults) > 1:
            raise ProtocolFaultsError(faults)
        if faults:
            raise faults[0]

    def _check_numbers(self) -> None:
        require(self.format == 1, f"expected format 1, found {self.format}", where="format")
        require(0 < self.alpha < 0.5, f"expected 0 to .5, found {self.alpha}", where="alpha")
        require(2 <= self.sample_size <= MOST, f"expected 2 to {MOST}, found {self.sample_size}", where="sample_size")
        require(0 <= self.sessions <= 1000, f"expected 0 to 1000, found {self.sessions}", where="sessions")

    def _check_names(self, where: str, names: Sequence[str], least: int) -> None:
        require_names(names, where=where, least=least)

    def _check_visits(self) -> None:
        weeks = [visit.week for visit in self.visits]
        require(not weeks or weeks[0] <= 0, "the first visit is the baseline, at week 0 or before", where="visits")
        require(all(a < b for a, b in pairwise(weeks)), f"visits are not in order of time: {weeks}", where="visits")

    def _check_outcome(self, outcome: TrialOutcome) -> None:
        visits = [visit.name for visit in self.visits]
        self._known(outcome.visits, visits, where=f"outcomes: {outcome.name}: visits")

    def _check_primary(self) -> None:
        primary = [one.name for one in self.analyses if one.role == "primary"]
        require(len(primary) == 1, f"expected one primary analysis, found {primary or 'none'}", where="analyses")

    def _known(self, names: Sequence[str], known: Sequence[str], *, where: str) -> None:
        unknown = [name for name in names if name not in known]
        require(
            not unknown, f"nothing is called {', '.join(unknown)}", where=where, fix=f"choose from {', '.join(known)}"
        )

    def _check_arms(self) -> None:
        self._known([self.control], self.arm_names, where="control")
        for arm in self.arms:
            if arm.target is not None:
                self._known([arm.target], self.candidates, where=f"arms: {arm.name}: target")
        for stratum in self.strata:
            same = stratum.name != "centre" or stratum.levels == self.centres
            require(same, "the levels of 'centre' are the centres", where="strata: centre")
        whole, sizes = sum(arm.ratio for arm in self.arms), self.allocation.block_sizes
        fits = bool(sizes) and all(size > 0 and size % whole == 0 for size in sizes)
        require(fits, f"block sizes are multiples of {whole}, found {sizes}", where="allocation: block_sizes")

    def _check_analysis(self, analysis: Analysis) -> None:
        where = f"analyses: {analysis.name}"
        outcomes = {one.name: one for one in self.outcomes}
        self._known([analysis.outcome], list(outcomes), where=f"{where}: outcome")
        self._known([analysis.visit], [visit.name for visit in self.visits[1:]], where=f"{where}: visit")
        rated = [visit.name for visit in self.rated(analysis.outcome)]
        require(
            analysis.visit in rated, f"{analysis.outcome} is not rated at {analysis.visit}", where=f"{where}: visit"
        )
        require(bool(analysis.comparisons), "no comparison is named", where=where)
        for pair in analysis.comparisons:
            self._known(pair, self.arm_names, where=f"{where}: comparisons")
            require(pair[0] != pair[1], f"{pair[0]} is compared with itself", where=where)
        self._known(analysis.adjust, ["baseline", *(one.name for one in self.strata)], where=f"{where}: adjust")
        if analysis.biomarker is not None:
            markers = [name for name, one in outcomes.items() if one.kind == "biomarker"]
            self._known([analysis.biomarker], markers, where=f"{where}: biomarker")
        kind = outcomes[analysis.outcome].kind
        require(
            kind != "biomarker", f"{analysis.outcome} is measured before allocation only", where=f"{where}: outcome"
        )
        wrong = (analysis.kind == "ordinal") != (kind == "ordinal")
        require(not wrong, f"{analysis.outcome} is of kind {kind!r}", where=f"{where}: outcome")

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of the arms, in the protocol's order."""
        return tuple(arm.name for arm in self.arms)

    @property
    def asked_first(self) -> tuple[str, ...]:
        """Names of the outcomes that are rated at the first visit, before allocation; biomarkers are not among them."""
        first = self.visits[0]
        return tuple(one.name for one in self.outcomes if one.kind != "biomarker" and first in self.rated(one.name))

    def outcome(self, name: str) -> TrialOutcome:
        """Return the outcome of this name."""
        return next(one for one in self.outcomes if one.name == name)

    def rated(self, name: str) -> tuple[Visit, ...]:
        """Return the visits where an outcome is rated."""
        wanted = self.outcome(name).visits
        return tuple(visit for visit in self.visits if not wanted or visit.name in wanted)
