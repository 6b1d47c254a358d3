"""A randomised trial as its protocol states it: arms, strata, schedule, outcomes, estimand and locked analyses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal

from actionloop.errors import OptionError

FORBID: dict[str, Any] = {"extra": "forbid"}
MOST = 100_000


def _require(met: bool, problem: str, *, where: str, fix: str | None = None) -> None:
    if not met:
        raise OptionError(problem, where=where, fix=fix)


def _require_names(names: Sequence[str], *, where: str, least: int = 1) -> None:
    _require(len(names) >= least, f"expected at least {least}, found {len(names)}", where=where)
    twice = sorted({name for name in names if list(names).count(name) > 1})
    _require(not twice, f"two entries have the name {', '.join(twice)}", where=where, fix="rename one")
    odd = [name for name in names if not name or not all(c.isalnum() or c in "_-" for c in name)]
    _require(not odd, f"names are letters, digits, - and _; found {odd}", where=where)


class ProtocolFaultsError(OptionError):
    """Several faults of one protocol; `faults` holds an error for each."""

    def __init__(self, faults: Sequence[OptionError]) -> None:
        self.faults = tuple(faults)
        told = "\n".join(f"  - {one.where}: {one.problem}" for one in faults)
        super().__init__(f"the protocol has {len(faults)} faults:\n{told}", fix="mend all of them")


@dataclass(frozen=True)
class Arm:
    """One arm and the rule by which its target follows from the frozen candidates.

    Attributes
    ----------
    name, label : str
    rule : {'fixed', 'lowest', 'highest', 'sham'}
        'fixed' takes `target`; 'lowest' and 'highest' take the candidate with that score; 'sham' stimulates `target`
        with a sham coil.
    target : str or None
        Name of a candidate target, with 'fixed' and 'sham'.
    ratio : int
        Share of the participants, relative to the other arms.
    """

    name: str
    label: str
    rule: Literal["fixed", "lowest", "highest", "sham"]
    target: str | None = None
    ratio: int = 1
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        _require(1 <= self.ratio <= 10, f"ratios are 1 to 10, found {self.ratio}", where=f"arms: {self.name}")
        needs = self.rule in ("fixed", "sham")
        _require(
            needs == (self.target is not None),
            f"the rule {self.rule!r} {'needs a target' if needs else 'chooses the target by itself'}",
            where=f"arms: {self.name}",
        )


@dataclass(frozen=True)
class Stratum:
    """A factor that allocation balances; 'centre' with the trial's centres as levels is one of them."""

    name: str
    levels: tuple[str, ...]
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        _require_names(self.levels, where=f"strata: {self.name}", least=2)


@dataclass(frozen=True)
class Allocation:
    """How arms are drawn.

    Attributes
    ----------
    method : {'blocks', 'minimisation'}
    block_sizes : tuple of int
        Multiples of the sum of the arms' ratios; which size comes when is hidden.
    biased_coin : float
        With minimisation: probability of the arm that balances best.
    """

    method: Literal["blocks", "minimisation"] = "blocks"
    block_sizes: tuple[int, ...] = (3, 6)
    biased_coin: float = 0.8
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        _require(
            0.5 < self.biased_coin < 1, f"expected .5 to 1, found {self.biased_coin}", where="allocation: biased_coin"
        )


@dataclass(frozen=True)
class Visit:
    """A planned visit; `window_days` is how far before or after it may lie."""

    name: str
    week: float
    window_days: int = 7
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID


@dataclass(frozen=True)
class TrialOutcome:
    """What is rated.

    Attributes
    ----------
    name, label : str
    kind : {'scale', 'ordinal', 'biomarker'}
        'ordinal' takes whole numbers; a 'biomarker' is measured once, before allocation.
    low, high : float
        What is possible; anything else is refused.
    better : {'lower', 'higher'}
    visits : tuple of str
        Where it is rated; all visits when empty.
    """

    name: str
    label: str
    kind: Literal["scale", "ordinal", "biomarker"]
    low: float
    high: float
    better: Literal["lower", "higher"] = "lower"
    visits: tuple[str, ...] = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        _require(self.low < self.high, f"low {self.low} is not below high {self.high}", where=f"outcomes: {self.name}")


@dataclass(frozen=True)
class Intercurrent:
    """An event after allocation that changes what an outcome means, and what is done about it (ICH E9(R1))."""

    event: str
    label: str
    strategy: Literal["treatment_policy", "composite", "hypothetical", "while_on_treatment"] = "treatment_policy"
    responder: Literal["as_observed", "non_response"] = "as_observed"
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID


@dataclass(frozen=True)
class Estimand:
    """What is to be estimated, in words and in rules."""

    population: str
    summary: str
    intercurrent: tuple[Intercurrent, ...] = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID


@dataclass(frozen=True)
class Analysis:
    """One analysis that the protocol locks.

    Attributes
    ----------
    name : str
    kind : {'responder', 'mmrm', 'ancova', 'ordinal', 'biomarker', 'bayes', 'equivalence'}
    role : {'primary', 'secondary', 'sensitivity', 'exploratory'}
    outcome : str
    visit : str
        Where arms are compared.
    comparisons : tuple of (str, str)
        Arm against arm; the second is the reference.
    threshold : float or None
        With 'responder': relief that counts, a share of baseline (.3 is 30 %).
    margin : float or None
        With 'equivalence' and 'bayes': the difference that matters, in units of the outcome.
    adjust : tuple of str
        'baseline' and names of strata.
    biomarker : str or None
        With 'biomarker': the outcome of kind 'biomarker' whose interaction with arm is asked for.
    missing : {'as_observed', 'non_response', 'multiple_imputation', 'reference_based', 'tipping_point'}
    multiplicity : {'holm', 'none'}
        Within this analysis, over its comparisons.
    """

    name: str
    kind: Literal["responder", "mmrm", "ancova", "ordinal", "biomarker", "bayes", "equivalence"]
    role: Literal["primary", "secondary", "sensitivity", "exploratory"]
    outcome: str
    visit: str
    comparisons: tuple[tuple[str, str], ...]
    threshold: float | None = None
    margin: float | None = None
    adjust: tuple[str, ...] = ("baseline",)
    biomarker: str | None = None
    missing: Literal["as_observed", "non_response", "multiple_imputation", "reference_based", "tipping_point"] = (
        "as_observed"
    )
    multiplicity: Literal["holm", "none"] = "holm"
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        where = f"analyses: {self.name}"
        needs = (
            ("threshold", self.kind == "responder"),
            ("margin", self.kind in ("bayes", "equivalence")),
            ("biomarker", self.kind == "biomarker"),
        )
        for name, wanted in needs:
            given = getattr(self, name) is not None
            told = "needs" if wanted else "takes no"
            _require(given == wanted, f"an analysis of kind {self.kind!r} {told} {name!r}", where=where)
        if self.threshold is not None:
            _require(
                0 < self.threshold < 1, f"a threshold is a share, .3 for 30 %; found {self.threshold}", where=where
            )
        if self.margin is not None:
            _require(self.margin > 0, f"a margin is above 0, found {self.margin}", where=where)


@dataclass(frozen=True)
class Stopping:
    """When the trial is looked at before its end, and what may follow.

    `blinded_at` are shares of the participants at which variance and event rate are looked at without arms;
    `safety` names, in words, what halts the trial.
    """

    blinded_at: tuple[float, ...] = ()
    safety: str = ""
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def __post_init__(self) -> None:
        good = all(0 < share < 1 for share in self.blinded_at)
        _require(good, f"expected shares between 0 and 1, found {self.blinded_at}", where="stopping: blinded_at")


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
        _require(self.format == 1, f"expected format 1, found {self.format}", where="format")
        _require(0 < self.alpha < 0.5, f"expected 0 to .5, found {self.alpha}", where="alpha")
        _require(2 <= self.sample_size <= MOST, f"expected 2 to {MOST}, found {self.sample_size}", where="sample_size")
        _require(0 <= self.sessions <= 1000, f"expected 0 to 1000, found {self.sessions}", where="sessions")

    def _check_names(self, where: str, names: Sequence[str], least: int) -> None:
        _require_names(names, where=where, least=least)

    def _check_visits(self) -> None:
        weeks = [visit.week for visit in self.visits]
        _require(not weeks or weeks[0] <= 0, "the first visit is the baseline, at week 0 or before", where="visits")
        _require(all(a < b for a, b in pairwise(weeks)), f"visits are not in order of time: {weeks}", where="visits")

    def _check_outcome(self, outcome: TrialOutcome) -> None:
        visits = [visit.name for visit in self.visits]
        self._known(outcome.visits, visits, where=f"outcomes: {outcome.name}: visits")

    def _check_primary(self) -> None:
        primary = [one.name for one in self.analyses if one.role == "primary"]
        _require(len(primary) == 1, f"expected one primary analysis, found {primary or 'none'}", where="analyses")

    def _known(self, names: Sequence[str], known: Sequence[str], *, where: str) -> None:
        unknown = [name for name in names if name not in known]
        _require(
            not unknown, f"nothing is called {', '.join(unknown)}", where=where, fix=f"choose from {', '.join(known)}"
        )

    def _check_arms(self) -> None:
        self._known([self.control], self.arm_names, where="control")
        for arm in self.arms:
            if arm.target is not None:
                self._known([arm.target], self.candidates, where=f"arms: {arm.name}: target")
        for stratum in self.strata:
            same = stratum.name != "centre" or stratum.levels == self.centres
            _require(same, "the levels of 'centre' are the centres", where="strata: centre")
        whole, sizes = sum(arm.ratio for arm in self.arms), self.allocation.block_sizes
        fits = bool(sizes) and all(size > 0 and size % whole == 0 for size in sizes)
        _require(fits, f"block sizes are multiples of {whole}, found {sizes}", where="allocation: block_sizes")

    def _check_analysis(self, analysis: Analysis) -> None:
        where = f"analyses: {analysis.name}"
        outcomes = {one.name: one for one in self.outcomes}
        self._known([analysis.outcome], list(outcomes), where=f"{where}: outcome")
        self._known([analysis.visit], [visit.name for visit in self.visits[1:]], where=f"{where}: visit")
        rated = [visit.name for visit in self.rated(analysis.outcome)]
        _require(
            analysis.visit in rated, f"{analysis.outcome} is not rated at {analysis.visit}", where=f"{where}: visit"
        )
        _require(bool(analysis.comparisons), "no comparison is named", where=where)
        for pair in analysis.comparisons:
            self._known(pair, self.arm_names, where=f"{where}: comparisons")
            _require(pair[0] != pair[1], f"{pair[0]} is compared with itself", where=where)
        self._known(analysis.adjust, ["baseline", *(one.name for one in self.strata)], where=f"{where}: adjust")
        if analysis.biomarker is not None:
            markers = [name for name, one in outcomes.items() if one.kind == "biomarker"]
            self._known([analysis.biomarker], markers, where=f"{where}: biomarker")
        kind = outcomes[analysis.outcome].kind
        _require(
            kind != "biomarker", f"{analysis.outcome} is measured before allocation only", where=f"{where}: outcome"
        )
        wrong = (analysis.kind == "ordinal") != (kind == "ordinal")
        _require(not wrong, f"{analysis.outcome} is of kind {kind!r}", where=f"{where}: outcome")

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names of the arms, in the protocol's order."""
        return tuple(arm.name for arm in self.arms)

    def outcome(self, name: str) -> TrialOutcome:
        """Return the outcome of this name."""
        return next(one for one in self.outcomes if one.name == name)

    def rated(self, name: str) -> tuple[Visit, ...]:
        """Return the visits where an outcome is rated."""
        wanted = self.outcome(name).visits
        return tuple(visit for visit in self.visits if not wanted or visit.name in wanted)
