"""Permuted blocks of hidden, varying size, and how much of the next arm an observer can know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from actionloop.trial.secrecy import Secret
from actionloop.types import TrialProtocol


def arm_in_blocks(secret: Secret, protocol: TrialProtocol, *, study: str, stratum: str, number: int) -> str:
    """Return the arm of the n-th participant of a stratum.

    Each block has a size drawn from the protocol's, all equally likely, and holds every arm in its ratio, in random
    order. Size and order follow from the secret, the study, the stratum and the block's number alone.

    Parameters
    ----------
    number : int
        1 is the first of the stratum.
    """
    sizes, whole = protocol.allocation.block_sizes, sum(arm.ratio for arm in protocol.arms)
    left, block = number - 1, 0
    while True:
        draws = secret.draws("block", study, stratum, block)
        size = sizes[draws.below(len(sizes))]
        if left < size:
            arms = [arm.name for arm in protocol.arms for _ in range(arm.ratio * size // whole)]
            return draws.shuffled(arms)[left]
        left, block = left - size, block + 1


def stratum_bound(protocol: TrialProtocol) -> Fraction:
    """Return the most that two arms' counts, each divided by its ratio, differ within a stratum at any time.

    Whole blocks hold the ratios exactly, and in one block of size s an arm of ratio r occurs s r / sum of ratios
    times: the bound is the largest block size over the sum of the ratios.
    """
    return Fraction(max(protocol.allocation.block_sizes), sum(arm.ratio for arm in protocol.arms))


def trial_bound(protocol: TrialProtocol, *, strata: int) -> Fraction:
    """Return the same over a whole trial: each stratum that somebody is in may have one unfinished block."""
    return strata * stratum_bound(protocol)


def next_arm_law(protocol: TrialProtocol, possible: Sequence[Collection[str]]) -> Mapping[str, Fraction]:
    """Return the exact probability of each arm for the next participant of a stratum, given what is known of the past.

    This is what an observer knows who sees the protocol (block sizes too) and, of each earlier participant, only which
    arms are possible: delivered targets, or an arm that was unblinded in an emergency. Blocks that are nearly full
    give away their rest whatever else is hidden; this tells how much.

    Parameters
    ----------
    possible : sequence of collections of str
        For each participant of the stratum so far, in order, the names of the arms it may have.

    Returns
    -------
    mapping of str to Fraction
        Sums to 1.

    Raises
    ------
    ValueError
        What is given cannot have come about.
    """
    names = protocol.arm_names
    whole = sum(arm.ratio for arm in protocol.arms)
    sizes = protocol.allocation.block_sizes
    fresh: dict[tuple[int, ...], Fraction] = {}
    for size in sizes:
        full = tuple(arm.ratio * size // whole for arm in protocol.arms)
        fresh[full] = fresh.get(full, Fraction(0)) + Fraction(1, len(sizes))
    weights = dict(fresh)
    for arms in possible:
        weights = _after(weights, [index for index, name in enumerate(names) if name in arms], fresh)
    total = sum(weights.values())
    if not total:
        raise ValueError("no order of arms fits what is known")
    law = [Fraction(0)] * len(names)
    for left, weight in weights.items():
        for index, count in enumerate(left):
            law[index] += weight * Fraction(count, sum(left)) / total
    return dict(zip(names, law, strict=True))


def _after(
    weights: Mapping[tuple[int, ...], Fraction], arms: Sequence[int], fresh: Mapping[tuple[int, ...], Fraction]
) -> dict[tuple[int, ...], Fraction]:
    """Return the weight of what is left of the current block, after one more participant with one of these arms."""
    found: dict[tuple[int, ...], Fraction] = {}
    for left, weight in weights.items():
        for index in arms:
            share = weight * Fraction(left[index], sum(left))
            if not share:
                continue
            rest = (*left[:index], left[index] - 1, *left[index + 1 :])
            for state, part in {rest: Fraction(1)}.items() if any(rest) else fresh.items():
                found[state] = found.get(state, Fraction(0)) + share * part
    return found
