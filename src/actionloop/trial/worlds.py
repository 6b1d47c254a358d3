"""What a simulated trial rests on: the world that responses come from, the people, drop-out, rescue."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import exp
from typing import Any, Literal

from actionloop import facts
from actionloop.errors import OptionError

_FACTS = facts.load("trial_simulation")


@dataclass(frozen=True)
class World:
    """What makes one person's pain fall more than another's.

    Attributes
    ----------
    name, label : str
    engagement : float
        Points of fall at the last visit if the whole stimulated cortex lay in SCAN or AMN.
    connectivity : float
        Points of fall per standard deviation of the delivered site's score below its mean.
    stimulation : float
        Points of fall by any active coil.
    marker : float
        Points of fall per standard deviation of the biomarker below its mean, where the biomarker's site is stimulated.
    """

    name: str
    label: str = ""
    engagement: float = 0.0
    connectivity: float = 0.0
    stimulation: float = 0.0
    marker: float = 0.0

    def scaled(self, effect: float) -> World:
        """Return the world with every effect so many times as large."""
        return replace(
            self,
            engagement=self.engagement * effect,
            connectivity=self.connectivity * effect,
            stimulation=self.stimulation * effect,
            marker=self.marker * effect,
        )

    @property
    def null(self) -> bool:
        """Whether nothing depends on the arm."""
        return self.engagement == self.connectivity == self.stimulation == self.marker == 0


@dataclass(frozen=True)
class Population:
    """The people of a simulated trial, in points of the outcome; what the fields mean stands in the data file.

    Raises
    ------
    OptionError
        A spread below 0, a correlation outside 0 to 1, a scale without length.
    """

    baseline_mean: float
    sd: float
    correlation: float
    placebo_share: float
    fall_sd: float
    fall_correlation: float
    course_weeks: float
    centre_sd: float
    period_points: float
    carry_weeks: float
    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        if min(self.sd, self.course_weeks, self.carry_weeks) <= 0 or min(self.fall_sd, self.centre_sd, self.step) < 0:
            raise OptionError("spreads and times are above 0", where="population")
        if not (0 <= self.correlation < 1 and 0 <= self.fall_correlation <= 1):
            raise OptionError("correlations are 0 to below 1", where="population")
        if not self.low < self.baseline_mean < self.high:
            raise OptionError(f"the mean {self.baseline_mean} lies outside the scale", where="population")

    def carried(self, washout_weeks: float) -> float:
        """Return the share of a benefit that is left after a washout."""
        return exp(-washout_weeks / self.carry_weeks)


@dataclass(frozen=True)
class Dropout:
    """How people leave: a share of everyone by the last visit, for good.

    Attributes
    ----------
    rate : float
        Expected share without the last rating.
    mechanism : {'mcar', 'mar', 'mnar'}
        By chance; by the last rating seen; by the rating that is then missing.
    strength : float
        Log odds of leaving per standard deviation of that rating.
    """

    rate: float = 0.2
    mechanism: Literal["mcar", "mar", "mnar"] = "mcar"
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 0.9:
            raise OptionError(f"expected a share of 0 to below .9, found {self.rate}", where="dropout: rate")
        if self.mechanism not in ("mcar", "mar", "mnar"):
            raise OptionError(
                f"no drop-out is called {self.mechanism!r}", where="dropout: mechanism", fix="mcar, mar or mnar"
            )


@dataclass(frozen=True)
class Rescue:
    """Rescue medication: whom it is given, what it does. `probability` 0 leaves it out."""

    from_week: float = 4.0
    relief_below: float = 0.1
    probability: float = 0.0
    points: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise OptionError(f"expected 0 to 1, found {self.probability}", where="rescue: probability")


@dataclass(frozen=True)
class Site:
    """A candidate target: median engagement of SCAN and AMN, its spread over people (logit), mean score."""

    name: str
    engagement: float
    logit_sd: float
    score: float


@dataclass(frozen=True)
class Sites:
    """The candidate targets and how their scores, engagement and the biomarker hang together (correlations)."""

    sites: tuple[Site, ...]
    marker_site: str
    score_shared: float
    score_engagement: float
    marker_score: float


def _of(kind: type, table: dict[str, Any], **more: Any) -> Any:
    names = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in table.items() if name in names}, **more)


def default_population(**changes: float) -> Population:
    """Return the people of data/trial_simulation.toml, with some values changed."""
    made: Population = _of(Population, _FACTS["population"])
    return replace(made, **changes)


def default_dropout() -> Dropout:
    """Return the drop-out of data/trial_simulation.toml."""
    made: Dropout = _of(Dropout, _FACTS["dropout"])
    return made


def default_rescue() -> Rescue:
    """Return the rescue medication of data/trial_simulation.toml."""
    made: Rescue = _of(Rescue, _FACTS["rescue"])
    return made


def world(name: str) -> World:
    """Return a world of data/trial_simulation.toml.

    Raises
    ------
    OptionError
        None has that name.
    """
    known = _FACTS["worlds"]
    if name not in known:
        raise OptionError(f"no world is called {name!r}", where="worlds", fix=f"choose from {', '.join(known)}")
    made: World = _of(World, known[name], name=name)
    return made


def world_names() -> tuple[str, ...]:
    """Return the names of the worlds."""
    return tuple(_FACTS["worlds"])


def sites_of(candidates: tuple[str, ...]) -> Sites:
    """Return what is known or assumed of a protocol's candidate targets.

    Parameters
    ----------
    candidates : tuple of str
        Names as in the protocol; upper and lower case are the same.

    Raises
    ------
    OptionError
        A candidate that the data file says nothing of.
    """
    table = _FACTS["sites"]
    known = {name.lower(): one for name, one in table.items() if isinstance(one, dict)}
    unknown = [name for name in candidates if name.lower() not in known]
    if unknown:
        raise OptionError(
            f"nothing is known of how {', '.join(unknown)} engages SCAN and AMN",
            where="candidates",
            fix=f"known are {', '.join(known)}",
        )
    sites = tuple(_of(Site, known[name.lower()], name=name) for name in candidates)
    marker = next((name for name in candidates if name.lower() == table["marker_site"].lower()), "")
    made: Sites = _of(Sites, {**table, "marker_site": marker}, sites=sites)
    return made
