"""Virtual patients: what everyone would rate under every arm, who gets which arm, and what is then seen.

One rating is trait + noise of the visit − course × fall. The fall is what no target gives, the person's own, the
centre's, and the benefit that the world grants the target delivered. Everyone's ratings under all arms come from the
same noise, so that true effects are known and designs may be compared on the same people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from actionloop.errors import OptionError
from actionloop.trial.worlds import Dropout, Population, Rescue, Sites, World, sites_of
from actionloop.types import BoolArray, FloatArray, IntArray, TrialData, TrialProtocol, Visit

Seed = np.random.SeedSequence


@dataclass(frozen=True)
class Setting:
    """Everything that a batch of virtual patients is drawn from.

    Attributes
    ----------
    protocol : TrialProtocol
        Arms and their rules, candidates, visits, centres and strata.
    outcome : str
    n : int
        People allocated.
    periods : int
        1, or 2 in a crossover.
    keep_share : float
        Share of those screened, lowest biomarker first, who are taken; 1 takes everyone.
    """

    protocol: TrialProtocol
    world: World
    population: Population
    dropout: Dropout
    rescue: Rescue
    outcome: str
    n: int
    periods: int = 1
    keep_share: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 2 * len(self.protocol.arms):
            raise OptionError(f"{self.n} people for {len(self.protocol.arms)} arms are too few", where="n")
        if not 0 < self.keep_share <= 1:
            raise OptionError(f"expected a share above 0, found {self.keep_share}", where="keep_share")
        if self.outcome not in {one.name for one in self.protocol.outcomes}:
            raise OptionError(f"no outcome is called {self.outcome!r}", where="outcome")
        if not self.visits:
            raise OptionError(f"{self.outcome!r} is never rated after allocation", where="outcome")
        if self.protocol.outcome(self.outcome).better != "lower":
            raise OptionError("virtual patients get better downwards", where=f"outcomes: {self.outcome}: better")

    @property
    def visits(self) -> tuple[Visit, ...]:
        """Visits after allocation where the outcome is rated."""
        first = self.protocol.visits[0]
        return tuple(one for one in self.protocol.rated(self.outcome) if one != first)

    @property
    def weeks(self) -> FloatArray:
        """Weeks since the first visit."""
        return np.array([one.week for one in self.visits]) - self.protocol.visits[0].week

    @property
    def course(self) -> FloatArray:
        """Share of the fall that is reached at each visit, 1 at the last."""
        reached = 1 - np.exp(-self.weeks / self.population.course_weeks)
        return np.asarray(reached / reached[-1])

    @property
    def factors(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Strata with their levels; the centre is one of them when there are several."""
        strata = [(one.name, one.levels) for one in self.protocol.strata if one.name != "centre"]
        if len(self.protocol.centres) > 1:
            strata.insert(0, ("centre", self.protocol.centres))
        return tuple(strata)

    @property
    def marker(self) -> str:
        """Name of the biomarker."""
        named = [one.name for one in self.protocol.outcomes if one.kind == "biomarker"]
        return named[0] if named else "biomarker"


@dataclass(frozen=True, eq=False)
class Patients:
    """A batch of trials before anyone is allocated.

    Attributes
    ----------
    setting : Setting
    baseline : (trial, participant, period) float ndarray
        As rated, at the start of each period, nothing being carried over.
    latent : (trial, participant, period, arm, visit) float ndarray
        Under each arm, before rescue, carry-over and the ends of the scale.
    benefit : (trial, participant, arm) float ndarray
        What the target delivered adds to the fall at the last visit, points.
    scores, engagement : (trial, participant, site) float ndarray
        Frozen for everyone before allocation.
    delivered : (trial, participant, arm) int ndarray
        Site that the arm's rule gives; -1 under a sham coil.
    marker : (trial, participant) float ndarray
        In standard deviations between people.
    factors : (trial, participant, factor) int ndarray
    leaves, rescued : (trial, participant, period × visit) float ndarray
        Uniform draws behind drop-out and rescue.
    keys : (trial, stratum, place) float ndarray
        Uniform draws behind the allocation: more places than people.
    """

    setting: Setting
    baseline: FloatArray
    latent: FloatArray
    benefit: FloatArray
    scores: FloatArray
    engagement: FloatArray
    delivered: IntArray
    marker: FloatArray
    factors: IntArray
    leaves: FloatArray
    rescued: FloatArray
    keys: FloatArray


def draw_patients(setting: Setting, seeds: Sequence[Seed]) -> Patients:
    """Draw one trial's people for each seed; a trial is the same whatever it is drawn together with.

    Parameters
    ----------
    setting : Setting
    seeds : sequence of SeedSequence
        One a trial.

    Returns
    -------
    Patients
    """
    sites, n, v, periods = sites_of(setting.protocol.candidates), setting.n, len(setting.visits), setting.periods
    n_sites, n_factors = len(sites.sites), len(setting.factors)
    n_normal = 4 + 2 * n_sites + periods * (2 + v)
    n_uniform = n_factors + 2 * periods * v
    normal, uniform = np.empty((len(seeds), n, n_normal)), np.empty((len(seeds), n, n_uniform))
    centres = np.empty((len(seeds), len(setting.protocol.centres)))
    keys = np.empty(
        (
            len(seeds),
            prod(len(levels) for _, levels in setting.factors),
            n + max(setting.protocol.allocation.block_sizes),
        )
    )
    for index, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        generator.standard_normal(out=normal[index])
        generator.random(out=uniform[index])
        generator.standard_normal(out=centres[index])
        generator.random(out=keys[index])
    trait, own, marker, common = np.moveaxis(normal[..., :4], -1, 0)
    if setting.keep_share < 1:
        marker = stats.norm.ppf(stats.norm.cdf(marker) * setting.keep_share)
    marker_score = _marker_scores(sites, marker)
    scores = _scores(sites, common, normal[..., 4 : 4 + n_sites], marker_score)
    engagement = _engagement(sites, scores, normal[..., 4 + n_sites : 4 + 2 * n_sites])
    factors = (uniform[..., :n_factors] * [len(levels) for _, levels in setting.factors]).astype(int)
    centre = factors[..., 0] if len(setting.protocol.centres) > 1 else np.zeros(trait.shape, int)
    delivered = _delivered(setting.protocol, scores)
    benefit = _benefit(setting.world, sites, delivered, engagement, scores, marker)
    people = setting.population
    shared, noise_sd = people.sd * np.sqrt(people.correlation), people.sd * np.sqrt(1 - people.correlation)
    trait = people.baseline_mean + shared * trait
    drawn = normal[..., 4 + 2 * n_sites :].reshape(*trait.shape, periods, 2 + v)
    noise, again = noise_sd * drawn[..., 1:], drawn[..., 0]
    kept, new = np.sqrt(people.fall_correlation), np.sqrt(1 - people.fall_correlation)
    fall = people.placebo_share * people.baseline_mean + people.fall_sd * (kept * own[..., None] + new * again)
    fall = fall + people.centre_sd * np.take_along_axis(centres, centre, axis=1)[..., None]
    fall = fall + people.period_points * np.arange(periods)
    points = fall[..., None] + benefit[..., None, :]
    latent = (trait[..., None, None] + noise[..., 1:])[..., None, :] - setting.course * points[..., None]
    chance = uniform[..., n_factors:].reshape(*trait.shape, 2, periods * v)
    return Patients(
        setting,
        rate(people, trait[..., None] + noise[..., 0]),
        latent,
        benefit,
        scores,
        engagement,
        delivered,
        marker,
        factors,
        chance[..., 0, :],
        chance[..., 1, :],
        keys,
    )


def rate(population: Population, latent: FloatArray) -> FloatArray:
    """Return ratings: latent pain within the scale, in its steps."""
    step = population.step
    value = np.round(latent / step) * step if step else latent
    return np.asarray(np.clip(value, population.low, population.high))


def _marker_scores(sites: Sites, marker: FloatArray) -> FloatArray:
    """Part of each site's score that goes with the biomarker, (trial, participant, site)."""
    at = np.array([one.name == sites.marker_site for one in sites.sites], float)
    return np.asarray(sites.marker_score * marker[..., None] * at)


def _scores(sites: Sites, common: FloatArray, own: FloatArray, with_marker: FloatArray) -> FloatArray:
    shared = np.sqrt(sites.score_shared)
    left = 1 - sites.score_shared - sites.marker_score**2 * (with_marker != 0)
    mean = np.array([one.score for one in sites.sites])
    return np.asarray(mean + shared * common[..., None] + with_marker + np.sqrt(left) * own)


def _engagement(sites: Sites, scores: FloatArray, own: FloatArray) -> FloatArray:
    mean = np.array([one.score for one in sites.sites])
    middle = logit(np.array([one.engagement for one in sites.sites]))
    sd = np.array([one.logit_sd for one in sites.sites])
    r = sites.score_engagement
    return np.asarray(expit(middle + sd * (r * (scores - mean) + np.sqrt(1 - r**2) * own)))


def _delivered(protocol: TrialProtocol, scores: FloatArray) -> IntArray:
    """Site that each arm would stimulate, (trial, participant, arm); -1 under a sham coil."""
    chosen = []
    for arm in protocol.arms:
        if arm.rule == "lowest":
            chosen.append(scores.argmin(axis=-1))
        elif arm.rule == "highest":
            chosen.append(scores.argmax(axis=-1))
        else:
            site = -1 if arm.rule == "sham" or arm.target is None else protocol.candidates.index(arm.target)
            chosen.append(np.full(scores.shape[:-1], site))
    return np.stack(chosen, axis=-1)


def _benefit(
    world: World, sites: Sites, delivered: IntArray, engagement: FloatArray, scores: FloatArray, marker: FloatArray
) -> FloatArray:
    at = np.maximum(delivered, 0)
    engaged, score = (np.take_along_axis(one, at, axis=-1) for one in (engagement, scores))
    names = [one.name for one in sites.sites]
    has_marker = delivered == (names.index(sites.marker_site) if sites.marker_site else len(names))
    above = score - np.array([one.score for one in sites.sites])[at]
    points = world.engagement * engaged - world.connectivity * above + world.stimulation
    return np.asarray(np.where(delivered >= 0, points - world.marker * marker[..., None] * has_marker, 0.0))


def single_trial(patients: Patients, trial: int, *, arm: IntArray, value: FloatArray, stopped: BoolArray) -> TrialData:
    """Return one trial of a batch as the analyses read it.

    Parameters
    ----------
    patients : Patients
    trial : int
    arm : (participant,) int ndarray
        In the protocol's order of arms.
    value : (participant, visit) float ndarray
    stopped : (participant, visit) bool ndarray

    Returns
    -------
    TrialData
        The control comes first, then the protocol's other arms in their order.
    """
    setting = patients.setting
    names = setting.protocol.arm_names
    order = [setting.protocol.control, *(name for name in names if name != setting.protocol.control)]
    place = np.array([order.index(name) for name in names])
    factors = {
        name: np.array(levels)[patients.factors[trial, :, index]]
        for index, (name, levels) in enumerate(setting.factors)
    }
    return TrialData(
        participants=tuple(f"P{number + 1:04d}" for number in range(setting.n)),
        arms=tuple(order),
        arm=place[arm],
        visits=tuple(one.name for one in setting.visits),
        weeks=setting.weeks,
        baseline=patients.baseline[trial, :, 0],
        value=value,
        stopped=stopped,
        factors=factors,
        markers={setting.marker: patients.marker[trial]},
    )
