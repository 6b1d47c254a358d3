"""Published trials replayed: how often each world would have produced what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.trial.patients import Seed, Setting, draw_patients
from actionloop.trial.pattern import SIGNS, Signs
from actionloop.trial.simulate import Assumptions
from actionloop.trial.workers import Workers, work
from actionloop.trial.worlds import World, world, world_names
from actionloop.types import TrialProtocol

_FACTS = facts.load("trial_simulation")


@dataclass(frozen=True)
class Frequency:
    """How often one world, at one size of its effect, gives the published pattern.

    Attributes
    ----------
    world, label : str
    effect : float
        Multiple of the world's effect; 0 in a world without one.
    trials, matches : int
    parts : tuple of (str, float)
        How often each sign of the pattern occurs on its own.
    low, high : float
        95 % interval of the share of matches, Clopper and Pearson.
    """

    world: str
    label: str
    effect: float
    trials: int
    matches: int
    parts: tuple[tuple[str, float], ...]
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of trials with the whole pattern."""
        return self.matches / self.trials


@dataclass(frozen=True)
class LikelihoodRatio:
    """How much more often one world gives the pattern than 'no difference'; 95 % interval of the simulation.

    `signs` holds the same ratio for each sign of the pattern alone, and its interval.
    """

    world: str
    effect: float
    ratio: float
    low: float
    high: float
    signs: tuple[tuple[str, float, float, float], ...]


@dataclass(frozen=True)
class Replay:
    """One published trial under every world.

    Attributes
    ----------
    study, title, source : str
    verified : bool
        Whether the published figures were read in the paper.
    people : int
    """

    study: str
    title: str
    source: str
    verified: bool
    people: int
    frequencies: tuple[Frequency, ...]
    ratios: tuple[LikelihoodRatio, ...]

    def sentences(self) -> tuple[str, ...]:
        """Say in plain words what the published pattern tells of each world, and what it cannot."""
        labels = {one.world: one.label for one in self.frequencies}
        base = self.frequencies[0]
        said = [f"Were there {_plain(base.label)}, {_per_cent(base)} of such trials would look like the published one."]
        said += [_verdict(one, labels[one.world]) for one in self.ratios]
        if not self.verified:
            said.append(
                "The published figures were not checked against the paper: read this as an exercise until they are."
            )
        return tuple(said)


def _plain(label: str) -> str:
    return "no difference" if label.startswith("no arm") else label


def _per_cent(one: Frequency) -> str:
    return f"{100 * one.share:.1f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _verdict(one: LikelihoodRatio, label: str) -> str:
    strong = float(_FACTS["engine"]["telling_ratio"])
    if one.low > strong:
        told = "the pattern speaks for this world against 'no difference'"
    elif one.high < 1 / strong:
        told = "the pattern speaks against this world"
    elif 1 / strong < one.low and one.high < strong:
        told = "the trial cannot tell this world from 'no difference'"
    else:
        told = "the simulation cannot say that the trial tells the two apart"
    name, ratio, *_ = max(one.signs, key=lambda sign: abs(np.log(sign[1])))
    return (
        f"If {label} (effect × {one.effect:g}): likelihood ratio {one.ratio:.2f} "
        f"({one.low:.2f} to {one.high:.2f}); {told}. What weighs most is '{name}' (alone {ratio:.2f})."
    )


def studies() -> tuple[str, ...]:
    """Return the names of the published trials that can be replayed."""
    return tuple(_FACTS["studies"])


def replay(
    study: str,
    protocol: TrialProtocol,
    *,
    n_trials: int,
    rng: np.random.Generator,
    worlds: Sequence[World] | None = None,
    effects: Sequence[float] = (0.5, 1.0, 2.0),
    assumptions: Assumptions | None = None,
    workers: Workers | None = None,
) -> Replay:
    """Simulate a published trial in several worlds and count how often its pattern comes out.

    The mean fall that no target gives is set in every world so that the published mean fall is what is expected: it
    is not what the worlds differ in.

    Parameters
    ----------
    study : str
        One of `studies()`.
    protocol : TrialProtocol
        That trial's.
    n_trials : int
        In each world and size of effect.
    rng : Generator
    worlds : sequence of World, optional
        All of the data file by default. 'no_difference' is what others are compared with, and is added when it is not
        there.
    effects : sequence of float
        Multiples of the worlds' effects.
    assumptions : Assumptions, optional
        Its drop-out rate gives way to the study's.
    workers : Workers, optional

    Returns
    -------
    Replay

    Raises
    ------
    OptionError
        No such study, or a protocol that does not have its arms.
    """
    known = _FACTS["studies"]
    if study not in known:
        raise OptionError(f"no study is called {study!r}", where="study", fix=f"choose from {', '.join(known)}")
    if n_trials < 1:
        raise OptionError(f"expected 1 trial or more, found {n_trials}", where="n_trials")
    facts_of = known[study]
    _require_arms(protocol, facts_of)
    base = world("no_difference")
    others = [one for one in (worlds or [world(name) for name in world_names()]) if not one.null]
    cases = [(base, 0.0), *((one, effect) for one in others for effect in effects)]
    root, given = int(rng.integers(2**63)), assumptions or Assumptions()
    size, parts = int(_FACTS["engine"]["chunk_trials"]), []
    for number, (one, effect) in enumerate(cases):
        setting = _calibrated(facts_of, protocol, one.scaled(effect) if effect else one, given)
        starts = range(0, n_trials, size)
        parts += [(study, setting, (root, number), start, min(start + size, n_trials)) for start in starts]
    batches = work(signs_of, parts, workers or Workers())
    each = len(parts) // len(cases)
    frequencies = [
        _count(one, effect, batches[number * each : (number + 1) * each]) for number, (one, effect) in enumerate(cases)
    ]
    ratios = tuple(_ratio(one, frequencies[0]) for one in frequencies[1:])
    return Replay(
        study,
        facts_of["title"],
        facts_of["source"],
        bool(facts_of["verified"]),
        facts_of["people"],
        tuple(frequencies),
        ratios,
    )


def _require_arms(protocol: TrialProtocol, study: Mapping[str, Any]) -> None:
    same = study.get("same", [])
    unknown = [
        name for name in (*study.get("differs", []), *(same if same != "all" else [])) if name not in protocol.arm_names
    ]
    if unknown:
        raise OptionError(
            f"the protocol has no arm {', '.join(unknown)}", where="arms", fix="give the protocol of the study replayed"
        )


def _calibrated(study: Mapping[str, Any], protocol: TrialProtocol, one: World, given: Assumptions) -> Setting:
    """Set the fall that no target gives so that the published fall is expected."""
    primary = next(analysis for analysis in protocol.analyses if analysis.role == "primary")
    leaving = replace(given.dropout, rate=study["dropout"])
    setting = Setting(protocol, one, given.population, leaving, given.rescue, primary.outcome, study["people"])
    if "overall_fall" not in study:
        return replace(setting, population=replace(given.population, placebo_share=study["sham_fall"]))
    engine = _FACTS["engine"]
    large = replace(setting, n=int(engine["pilot_people"]))
    benefit = draw_patients(large, [Seed(int(engine["pilot_seed"]))]).benefit[0].mean(axis=0)
    ratio = np.array([arm.ratio for arm in protocol.arms])
    share = study["overall_fall"] - float(benefit @ ratio / ratio.sum()) / given.population.baseline_mean
    return replace(setting, population=replace(given.population, placebo_share=max(share, 0.0)))


def signs_of(part: tuple[str, Setting, tuple[int, int], int, int]) -> Signs:
    """Return the signs of the pattern in some of the trials; what a worker is sent."""
    study, setting, (root, number), first, end = part
    seeds = [Seed([root, number, trial]) for trial in range(first, end)]
    return SIGNS[study](_FACTS["studies"][study], setting, seeds)


def _count(one: World, effect: float, batches: Sequence[Signs]) -> Frequency:
    signs = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    whole = np.logical_and.reduce(list(signs.values()))
    n, matches = len(whole), int(whole.sum())
    low = float(stats.beta.ppf(0.025, matches, n - matches + 1)) if matches else 0.0
    high = float(stats.beta.ppf(0.975, matches + 1, n - matches)) if matches < n else 1.0
    parts = tuple((name, float(sign.mean())) for name, sign in signs.items())
    return Frequency(one.name, one.label, effect, n, matches, parts, low, high)


def _ratio(one: Frequency, base: Frequency) -> LikelihoodRatio:
    signs = tuple(
        (name, *_odds(round(share * one.trials), one.trials, round(other * base.trials), base.trials))
        for (name, share), (_, other) in zip(one.parts, base.parts, strict=True)
    )
    return LikelihoodRatio(one.world, one.effect, *_odds(one.matches, one.trials, base.matches, base.trials), signs)


def _odds(matches: int, trials: int, other: int, other_trials: int) -> tuple[float, float, float]:
    """Ratio of two shares with a half added to each count, and its 95 % interval on the logarithm."""
    a, b, n, m = matches + 0.5, other + 0.5, trials + 1.0, other_trials + 1.0
    ratio = (a / n) / (b / m)
    half = float(stats.norm.isf(0.025) * np.sqrt(1 / a - 1 / n + 1 / b - 1 / m))
    return ratio, float(ratio * np.exp(-half)), float(ratio * np.exp(half))
