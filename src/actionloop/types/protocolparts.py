"""The parts of a protocol, each of which checks itself: arms, strata, schedule, outcomes, estimand, analyses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from actionloop.errors import OptionError

FORBID: dict[str, Any] = {"extra": "forbid"}


def require(met: bool, problem: str, *, where: str, fix: str | None = None) -> None:
    """Raise an OptionError unless something holds."""
    if not met:
        raise OptionError(problem, where=where, fix=fix)


def require_names(names: Sequence[str], *, where: str, least: int = 1) -> None:
    """Refuse names that occur twice, too few of them, or odd characters."""
    require(len(names) >= least, f"expected at least {least}, found {len(names)}", where=where)
    twice = sorted({name for name in names if list(names).count(name) > 1})
    require(not twice, f"two entries have the name {', '.join(twice)}", where=where, fix="rename one")
    odd = [name for name in names if not name or not all(c.isalnum() or c in "_-" for c in name)]
    require(not odd, f"names are letters, digits, - and _; found {odd}", where=where)


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
        require(1 <= self.ratio <= 10, f"ratios are 1 to 10, found {self.ratio}", where=f"arms: {self.name}")
        needs = self.rule in ("fixed", "sham")
        require(
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
        require_names(self.levels, where=f"strata: {self.name}", least=2)


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
        require(
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
        require(self.low < self.high, f"low {self.low} is not below high {self.high}", where=f"outcomes: {self.name}")


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
            require(given == wanted, f"an analysis of kind {self.kind!r} {told} {name!r}", where=where)
        if self.threshold is not None:
            require(0 < self.threshold < 1, f"a threshold is a share, .3 for 30 %; found {self.threshold}", where=where)
        if self.margin is not None:
            require(self.margin > 0, f"a margin is above 0, found {self.margin}", where=where)


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
        require(good, f"expected shares between 0 and 1, found {self.blinded_at}", where="stopping: blinded_at")
