"""From virtual patients to what a trial sees: allocation, rescue, carry-over, drop-out, and the true effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import expit

from actionloop import facts
from actionloop.trial.patients import Patients, Seed, Setting, draw_patients, rate, single_trial
from actionloop.trial.responder import responded
from actionloop.types import BoolArray, FloatArray, IntArray, TrialData

_ENGINE = facts.load("trial_simulation")["engine"]


@dataclass(frozen=True, eq=False)
class Trials:
    """A batch of trials as they were seen.

    Attributes
    ----------
    patients : Patients
    given : (trial, participant, period) int ndarray
        Arm in each period, in the protocol's order.
    baseline : (trial, participant, period) float ndarray
    complete : (trial, participant, period, visit) float ndarray
        What would have been rated without drop-out.
    value : (trial, participant, period, visit) float ndarray
        NaN after somebody left.
    stopped : (trial, participant, period, visit) bool ndarray
        From the first visit after rescue.
    """

    patients: Patients
    given: IntArray
    baseline: FloatArray
    complete: FloatArray
    value: FloatArray
    stopped: BoolArray

    def __len__(self) -> int:
        """Return how many trials there are."""
        return len(self.given)

    def one(self, trial: int) -> TrialData:
        """Return one trial's first period as the analyses read it."""
        return single_trial(
            self.patients,
            trial,
            arm=self.given[trial, :, 0],
            value=self.value[trial, :, 0],
            stopped=self.stopped[trial, :, 0],
        )


def _stratum(patients: Patients) -> IntArray:
    """Return which combination of strata each participant has, (trial, participant)."""
    number = np.zeros(patients.marker.shape, int)
    for index, (_, levels) in enumerate(patients.setting.factors):
        number = number * len(levels) + patients.factors[..., index]
    return number


def allocate(patients: Patients, arms: Sequence[int] | IntArray) -> IntArray:
    """Draw arms in permuted blocks within the combinations of strata.

    Parameters
    ----------
    patients : Patients
    arms : sequence of int
        One block's content before it is permuted; repeated to the protocol's largest block when that is longer.

    Returns
    -------
    (trial, participant) int ndarray
        Block sizes do not vary and minimisation is not imitated: neither matters to people who differ from
        each other by chance only.
    """
    stratum, keys = _stratum(patients), patients.keys
    content = np.tile(arms, max(1, max(patients.setting.protocol.allocation.block_sizes) // len(arms)))
    places = keys.shape[-1] // len(content) * len(content)
    blocks = keys[..., :places].reshape(*keys.shape[:2], -1, len(content))
    sequence = content[blocks.argsort(axis=-1)].reshape(*keys.shape[:2], places)
    member = stratum[..., None] == np.arange(keys.shape[1])
    place = np.take_along_axis(member.cumsum(axis=1) - 1, stratum[..., None], axis=2)[..., 0]
    return np.asarray(sequence[np.arange(len(stratum))[:, None], stratum, place])


def block(setting: Setting) -> IntArray:
    """Return the smallest block that holds every arm by its ratio."""
    arms = setting.protocol.arms
    return np.repeat(np.arange(len(arms)), [arm.ratio for arm in arms])


def observe(patients: Patients, given: IntArray, *, washout_weeks: float = 0.0) -> Trials:
    """Return what is seen when people are given these arms.

    Parameters
    ----------
    patients : Patients
    given : (trial, participant, period) int ndarray
    washout_weeks : float
        Between the periods of a crossover.

    Returns
    -------
    Trials
    """
    baseline, complete, stopped = _paths(patients, given, washout_weeks)
    shape = complete.shape
    hazard = expit(_intercept(patients.setting, washout_weeks) + _pull(patients.setting, baseline, complete))
    gone = np.logical_or.accumulate(patients.leaves < hazard.reshape(*shape[:2], -1), axis=-1).reshape(shape)
    value = np.where(gone, np.nan, complete)
    if patients.setting.dropout.rate == 0:
        value = complete
    return Trials(patients, given, baseline, complete, value, stopped)


def _paths(patients: Patients, given: IntArray, washout_weeks: float) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Baseline, ratings and what rescue stops, were everyone to stay."""
    setting, people = patients.setting, patients.setting.population
    latent = np.take_along_axis(patients.latent, given[..., None, None], axis=3)[..., 0, :]
    baseline = patients.baseline
    if setting.periods == 2:
        left = np.take_along_axis(patients.benefit, given[..., :1], axis=2) * people.carried(washout_weeks)
        latent = np.stack([latent[:, :, 0], latent[:, :, 1] - left], axis=2)
        baseline = np.stack([baseline[..., 0], rate(people, baseline[..., 1] - left[..., 0])], axis=2)
    stopped = np.zeros(latent.shape, bool)
    if setting.rescue.probability > 0 and setting.periods == 1:
        latent, stopped = _rescued(patients, latent)
    return baseline, rate(people, latent), stopped


def _rescued(patients: Patients, latent: FloatArray) -> tuple[FloatArray, BoolArray]:
    setting, latent = patients.setting, latent.copy()
    rescue, taken = setting.rescue, np.zeros(latent.shape[:2], bool)
    stopped = np.zeros(latent.shape, bool)
    for visit, week in enumerate(setting.weeks):
        latent[:, :, 0, visit] -= rescue.points * taken
        stopped[:, :, 0, visit] = taken
        rating, start = rate(setting.population, latent[:, :, 0, visit]), patients.baseline[..., 0]
        asks = (week >= rescue.from_week) & (start - rating < rescue.relief_below * start)
        taken = taken | (asks & (patients.rescued[..., visit] < rescue.probability))
    return latent, stopped


def _pull(setting: Setting, baseline: FloatArray, complete: FloatArray) -> FloatArray:
    """Return what pain adds to the log odds of leaving at each visit."""
    people, leaving = setting.population, setting.dropout
    if leaving.mechanism == "mcar":
        return np.zeros(complete.shape)
    rating = complete
    if leaving.mechanism == "mar":
        flat = complete.reshape(*complete.shape[:2], -1)
        rating = np.concatenate([baseline[..., :1], flat[..., :-1]], axis=-1).reshape(complete.shape)
    return np.asarray(leaving.strength * (rating - people.baseline_mean) / people.sd)


def _pilot(setting: Setting) -> Patients:
    people = replace(setting.population, centre_sd=0.0)  # one draw of the centres would stand for all trials
    large = replace(setting, n=int(_ENGINE["pilot_people"]), population=people)
    return draw_patients(large, [Seed(int(_ENGINE["pilot_seed"]))])


@lru_cache(maxsize=512)
def _intercept(setting: Setting, washout_weeks: float) -> float:
    """Log odds of leaving at the mean rating that give the rate asked for, over all arms."""
    if setting.dropout.rate == 0:
        return -np.inf
    patients = _pilot(setting)
    given = _everywhere(patients)
    baseline, complete, _ = _paths(patients, given, washout_weeks)
    pull = _pull(setting, baseline, complete).reshape(-1, complete.shape[2] * complete.shape[3])
    low, high = -30.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        left = 1 - np.prod(1 - expit(middle + pull), axis=1).mean()
        low, high = (middle, high) if left < setting.dropout.rate else (low, middle)
    return high


def _everywhere(patients: Patients) -> IntArray:
    """Arms in turn, the periods of a crossover shifted by one."""
    content = block(patients.setting)
    turn = np.arange(patients.setting.n)
    return np.stack([content[(turn + period) % len(content)] for period in range(patients.setting.periods)], axis=1)[
        None
    ]


@lru_cache(maxsize=512)
def true_effects(setting: Setting, *, threshold: float = 0.3) -> dict[str, tuple[float, float]]:
    """Return each arm's true effect against the control at the last visit, from many virtual people under both.

    Parameters
    ----------
    setting : Setting
    threshold : float
        Relief that counts as a response.

    Returns
    -------
    dict of arm to (float, float)
        Mean difference of the rating were everyone to stay, points; difference of the shares of responders where
        leaving and rescue count as non-response.
    """
    patients = _pilot(replace(setting, periods=1))
    means, shares = [], []
    for arm in range(len(setting.protocol.arms)):
        seen = observe(patients, np.full((1, patients.setting.n, 1), arm))
        means.append(float(seen.complete[..., 0, -1].mean()))
        response = responded(seen.baseline[..., 0], seen.value[..., 0, -1], threshold=threshold)
        shares.append(float(np.where(seen.stopped[..., 0, -1], 0.0, np.nan_to_num(response)).mean()))
    control = setting.protocol.arm_names.index(setting.protocol.control)
    return {
        name: (means[index] - means[control], shares[index] - shares[control])
        for index, name in enumerate(setting.protocol.arm_names)
    }
