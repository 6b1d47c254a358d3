"""Group parameters of the hierarchical model, from people one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actionloop.arrays import Device
from actionloop.errors import ActionloopError, OptionError, SignalError
from actionloop.networks.group import prior_parameters
from actionloop.networks.hierarchical import HierarchicalSettings, common_rows, fit_cortex
from actionloop.networks.profiles import as_directions, find_rows
from actionloop.networks.task import prepare
from actionloop.networks.vonmises import concentration, mean_resultant
from actionloop.types import Anatomy, Basis, FloatArray, GroupParameters, Prior

_STEPS = 200
_SETTLED = 1e-4  # relative change of a concentration
_FEWEST_PEOPLE = 2
_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Moments:
    """All that is kept of one person.

    Attributes
    ----------
    sums : (session, network, seed) float32 ndarray
        Profiles summed over the rows, by membership.
    counts : (session, network) float64 ndarray
        Rows with a profile, by membership.
    """

    sums: FloatArray
    counts: FloatArray


def train_hierarchical(
    people: Iterable[Sequence[Basis]],
    prior: Prior,
    anatomy: Anatomy | None = None,
    *,
    settings: HierarchicalSettings | None = None,
    rounds: int = 1,
    device: Device | None = None,
    refused: Callable[[ActionloopError], object] | None = None,
) -> GroupParameters:
    """Estimate how the networks' profiles vary between people, sessions and rows.

    Simplifies the published estimation [1]_ so that one person is held at a time: each person is first mapped with the
    present group parameters (at first those of the prior), and only the sums of profiles by network are kept; from
    these, people's mean profiles are inferred and the group parameters re-estimated until they settle. More rounds map
    everybody again. The spatial prior stays that of `prior`. People's mean profiles enter as posterior means, shorter
    than 1, where the published code takes the most probable direction: with those, the concentrations can run away to
    infinity.

    Parameters
    ----------
    people : iterable of sequences of Basis
        Two sessions or more of each person, on the prior's rows.
    prior : Prior
        With templates.
    anatomy : Anatomy, optional
        Whose mesh tells neighbours; no smoothness without.
    settings : HierarchicalSettings, optional
    rounds : int
        Times that everybody is mapped; more than 1 needs people that can be gone through again (a list, no generator).
    device : Device, optional
    refused : callable, optional
        Gets the error of each person who cannot be used, and who is then left out; without, it is raised.

    Returns
    -------
    GroupParameters

    Raises
    ------
    OptionError
        No rounds, or several over a generator.
    SignalError
        Fewer than two people, or people with fewer than two sessions.
    PriorError
        No templates, or people who lack the rows they are at.

    References
    ----------
    .. [1] Kong et al. 2019, doi:10.1093/cercor/bhy123
    """
    settings = settings or HierarchicalSettings()
    if rounds < 1 or (rounds > 1 and iter(people) is people):
        raise OptionError(
            f"{rounds} rounds of training are not possible with these people",
            fix="give 1 or more, and for more than 1 a list of people instead of a generator",
        )
    group = prior_parameters(prior, n_seeds=settings.n_seeds)

    def usable() -> Iterator[Moments]:
        for sessions in people:
            try:
                yield _moments(sessions, prior, group, anatomy, settings, device)
            except ActionloopError as error:
                if refused is None:
                    raise
                refused(error)

    for _ in range(rounds):
        moments = list(usable())
        if len(moments) < _FEWEST_PEOPLE:
            raise SignalError(f"training needs at least {_FEWEST_PEOPLE} people, found {len(moments)}")
        group = estimate_group(moments, group)
    return group


def _moments(
    sessions: Sequence[Basis],
    prior: Prior,
    group: GroupParameters,
    anatomy: Anatomy | None,
    settings: HierarchicalSettings,
    device: Device | None,
) -> Moments:
    """Map one person and sum the profiles up."""
    if len(sessions) < 2:
        raise SignalError(
            f"training needs at least two sessions (or halves) of every person, found {len(sessions)}",
            where=sessions[0].source or None if sessions else None,
        )
    task = common_rows(prepare(sessions[0], prior), sessions)
    fit, _, rows = fit_cortex(task, sessions, group, anatomy, settings=settings, device=device)
    # A seed that this person lacks counts as average.
    sums = np.zeros((*fit.sums.shape[:2], len(group.seeds)), dtype=np.float32)
    sums[:, :, np.isin(find_rows(prior.grayordinates, group.seeds), rows)] = fit.sums
    return Moments(sums, fit.counts)


def estimate_group(moments: Sequence[Moments], group: GroupParameters) -> GroupParameters:
    """Estimate group parameters from sums of profiles, by expectation-maximisation over people's mean profiles.

    Parameters
    ----------
    moments : sequence of Moments
    group : GroupParameters
        To start from.

    Returns
    -------
    GroupParameters
    """
    rows = max(sum(float(moment.counts.sum()) for moment in moments), 1e-12)
    people: list[FloatArray] = [group.mu for _ in moments]
    for _ in range(_STEPS):
        means = [_session_means(moment, person, group) for moment, person in zip(moments, people, strict=True)]
        people = [_person_mean(m, group) for m in means]
        total = np.sum(people, axis=0)
        mu = as_directions(total)
        fitted = sum(float(np.einsum("tls,tls->", m, moment.sums)) for m, moment in zip(means, moments, strict=True))
        agreement = sum(np.einsum("tls,ls->l", m, person) for m, person in zip(means, people, strict=True))
        cosines = np.stack(
            [
                (total * mu).sum(axis=1) / len(people),
                np.asarray(agreement) / sum(len(m) for m in means),
                np.full(len(mu), fitted / rows),
            ]
        )
        fresh = np.maximum(concentration(cosines, group.n_dimensions), _LEAST)
        moved = np.abs(fresh / np.stack([group.epsilon, group.sigma, group.kappa]) - 1).max()
        group = replace(group, mu=mu, epsilon=fresh[0], sigma=fresh[1], kappa=fresh[2], n_people=len(moments))
        if moved < _SETTLED:
            break
    return group


def _session_means(moment: Moments, person: FloatArray, group: GroupParameters) -> FloatArray:
    """Most probable mean profile of each session; (session, network, seed)."""
    pull = group.sigma[:, None] * person
    return np.stack([as_directions(group.kappa[:, None] * sums + pull) for sums in moment.sums])


def _person_mean(means: FloatArray, group: GroupParameters) -> FloatArray:
    """Posterior mean of a person's mean profile; (network, seed), shorter than 1."""
    drawn = group.sigma[:, None] * means.sum(axis=0) + group.epsilon[:, None] * group.mu
    certainty = np.linalg.norm(drawn, axis=1)
    return np.asarray(as_directions(drawn) * mean_resultant(certainty, group.n_dimensions)[:, None])
