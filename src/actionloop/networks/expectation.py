"""Variational expectation-maximisation for one person of the hierarchical model, the group being given.

Row n of session t has the unit profile x_tn; q_nl is the probability that the row belongs to network l. Maximised is

    Σ q_nl [Σ_t (log C(κ_l) + κ_l x_tn·ν_tl) + w log θ_nl - log q_nl] - c Σ_n Σ_(j next to n) Σ_l q_nl (1 - q_jl)
    + Σ_l [Σ_t (log C(σ_l) + σ_l ν_tl·ψ_l) + log C(ε_l) + ε_l ψ_l·μ_l]

over q, the sessions' mean profiles ν, the person's ψ and, if wanted, κ, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop.networks.profiles import Profiles, as_directions
from actionloop.networks.vonmises import concentration, log_normaliser
from actionloop.types import BoolArray, FloatArray, GroupParameters

_SWEEPS = 100
_SETTLED = 1e-4  # mean change of q in a sweep, and relative change of κ in a step, that ends them
_STEPS = 20


@dataclass(frozen=True, eq=False)
class Fit:
    """What was inferred of one person.

    Attributes
    ----------
    posterior : (row, network) float64 ndarray
        Sums to 1 over networks; 0 in rows without a profile in any session.
    session_means : (session, network, seed) float64 ndarray
        ν.
    person_means : (network, seed) float64 ndarray
        ψ.
    kappa : (network,) float64 ndarray
    sums : (session, network, seed) float64 ndarray
        Profiles summed over the rows by membership, as of the last update of the means.
    counts : (session, network) float64 ndarray
        Rows with a profile, likewise.
    objective : tuple of float
        After each round.
    """

    posterior: FloatArray
    session_means: FloatArray
    person_means: FloatArray
    kappa: FloatArray
    sums: FloatArray
    counts: FloatArray
    objective: tuple[float, ...]


def fit_person(
    sessions: Sequence[Profiles],
    log_prior: FloatArray,
    group: GroupParameters,
    *,
    neighbours: Any | None,
    smoothness: float,
    refit_kappa: bool,
    stop: tuple[int, float],
) -> Fit:
    """Infer one person's networks.

    Parameters
    ----------
    sessions : sequence of Profiles
        Of the same rows, over the group's seeds.
    log_prior : (row, network) float ndarray
        Weighted logarithm of the spatial prior, w log θ.
    group : GroupParameters
    neighbours : (row, row) sparse array or None
        1 where two rows share an edge; None for no smoothness.
    smoothness : float
        c.
    refit_kappa : bool
        Estimate κ, one for all networks; the group's otherwise.
    stop : (int, float)
        Most rounds, and the share of rows that change network below which they end.

    Returns
    -------
    Fit
    """
    kappa, person = group.kappa, group.mu
    means: FloatArray = np.repeat(group.mu[None], len(sessions), axis=0)
    present = np.any([s.present for s in sessions], axis=0)
    likelihood = log_likelihood(sessions, means, kappa)
    posterior = softmax(likelihood + log_prior, present)
    objective: list[float] = []
    for _ in range(stop[0]):
        sums = np.stack([s.sums(posterior) for s in sessions])
        counts = np.stack([posterior[s.present].sum(axis=0) for s in sessions])
        means, person, kappa = maximise(sums, counts, group, kappa=kappa, person=person, refit_kappa=refit_kappa)
        likelihood = log_likelihood(sessions, means, kappa)
        before = posterior.argmax(axis=1)
        posterior = expect(likelihood + log_prior, present, neighbours, smoothness=smoothness, start=posterior)
        objective.append(
            row_energy(posterior, likelihood + log_prior, neighbours, smoothness) + mean_energy(means, person, group)
        )
        if (posterior.argmax(axis=1) != before).mean() < stop[1]:
            break
    return Fit(posterior, means, person, kappa, sums, counts, tuple(objective))


def log_likelihood(sessions: Sequence[Profiles], means: FloatArray, kappa: FloatArray) -> FloatArray:
    """Log-density of each row's profiles under each network, summed over sessions; (row, network).

    Sessions in which a row has no profile add nothing to it.
    """
    total = np.zeros((len(sessions[0].bits), means.shape[1]))
    log_c = log_normaliser(kappa, means.shape[2] - 1)
    for session, mean in zip(sessions, means, strict=True):
        total += np.where(session.present[:, None], log_c + kappa * session.cosines(mean), 0)
    return total


def maximise(
    sums: FloatArray,
    counts: FloatArray,
    group: GroupParameters,
    *,
    kappa: FloatArray,
    person: FloatArray,
    refit_kappa: bool,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Update ν, ψ and κ in turn until κ and ψ settle, the memberships being given.

    Parameters
    ----------
    sums : (session, network, seed) float ndarray
        Σ_n q_nl x_tn.
    counts : (session, network) float ndarray
        Σ_n q_nl over rows with a profile.
    group : GroupParameters
    kappa : (network,) float ndarray
    person : (network, seed) float ndarray
        ψ to start from.
    refit_kappa : bool

    Returns
    -------
    means : (session, network, seed) float64 ndarray
    person : (network, seed) float64 ndarray
    kappa : (network,) float64 ndarray
    """
    for _ in range(_STEPS):
        means = np.stack([as_directions(kappa[:, None] * s + group.sigma[:, None] * person) for s in sums])
        updated = as_directions(group.sigma[:, None] * means.sum(axis=0) + group.epsilon[:, None] * group.mu)
        moved = float(np.abs(updated - person).max())
        person = updated
        if refit_kappa:
            cosine = np.einsum("tls,tls->", means, sums) / max(counts.sum(), 1e-12)
            fresh = np.full(len(kappa), max(float(concentration(cosine, group.n_dimensions)), 1e-6))
            moved = max(moved, float(np.abs(fresh / kappa - 1).max()))
            kappa = fresh
        if moved < _SETTLED:
            break
    return means, person, kappa


def expect(
    evidence: FloatArray, present: BoolArray, neighbours: Any | None, *, smoothness: float, start: FloatArray
) -> FloatArray:
    """Find the memberships q by mean field: each row's follow from its evidence and its neighbours'.

    All rows are updated at once and half of the way, for full steps can swing between two states for ever.

    Parameters
    ----------
    evidence : (row, network) float ndarray
        Log-likelihood plus weighted log-prior.
    present : (row,) bool ndarray
        Rows that belong to some network at all.
    neighbours : (row, row) sparse array or None
    smoothness : float
        c; a neighbour that surely belongs to another network costs 2 c.
    start : (row, network) float ndarray

    Returns
    -------
    (row, network) float64 ndarray
    """
    if neighbours is None or smoothness == 0:
        return softmax(evidence, present)
    posterior = start
    for _ in range(_SWEEPS):
        target = softmax(evidence + 2 * smoothness * (neighbours @ posterior), present)
        change = float(np.abs(target - posterior).mean())
        if change < _SETTLED:
            return target
        posterior = (posterior + target) / 2
    return posterior


def softmax(score: FloatArray, present: BoolArray) -> FloatArray:
    """Exponentiate and scale rows to sum 1; 0 in rows that are not present."""
    out = np.exp(score - score.max(axis=1, keepdims=True))
    out /= out.sum(axis=1, keepdims=True)
    out[~present] = 0
    return np.asarray(out)


def row_energy(posterior: FloatArray, evidence: FloatArray, neighbours: Any | None, smoothness: float) -> float:
    """Part of the objective that depends on the memberships."""
    entropy = -float((posterior * np.log(np.maximum(posterior, 1e-300))).sum())
    fit = float((posterior * evidence).sum())
    if neighbours is None:
        return fit + entropy
    around = neighbours @ posterior
    return fit + entropy - smoothness * float((posterior * (around.sum(axis=1, keepdims=True) - around)).sum())


def mean_energy(means: FloatArray, person: FloatArray, group: GroupParameters) -> float:
    """Part of the objective that depends on the mean profiles of sessions and person."""
    within = log_normaliser(group.sigma, group.n_dimensions) * len(means)
    within = within + group.sigma * np.einsum("tls,ls->l", means, person)
    between = log_normaliser(group.epsilon, group.n_dimensions) + group.epsilon * (person * group.mu).sum(axis=1)
    return float((within + between).sum())
