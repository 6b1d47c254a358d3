"""Minimisation with a biased coin: the arm that balances the margins best is likely, never certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from actionloop.trial.secrecy import Secret
from actionloop.types import TrialProtocol

OVERALL = "trial"
_Factors = Mapping[str, str]


def arms_by_minimisation(
    secret: Secret, protocol: TrialProtocol, factors: Sequence[_Factors], *, study: str
) -> tuple[str, ...]:
    """Return the arms of all participants so far, in the order in which they were allocated.

    For each participant in turn and each arm, the imbalance that the arm would leave is the sum, over the participant's
    levels, of the range over arms of count divided by ratio [1]_. Of the arms with the least, one is drawn; it is
    given with the probability of `assignment_law`. Without strata the arms' counts in the whole trial are balanced.

    Parameters
    ----------
    factors : sequence of mappings
        Level of each stratum, for each participant.

    References
    ----------
    .. [1] Pocock and Simon 1975, doi:10.2307/2529712; for unequal ratios Han et al. 2009, doi:10.1016/j.cct.2008.10.001
    """
    counts: dict[tuple[str, str], list[int]] = {}
    found = []
    for place, levels in enumerate(factors):
        law = assignment_law(protocol, imbalances(protocol, counts, levels))
        arm = secret.draws("minimisation", study, place + 1).choice(law)
        for margin in _margins(protocol, levels):
            counts.setdefault(margin, [0] * len(protocol.arms))[arm] += 1
        found.append(protocol.arms[arm].name)
    return tuple(found)


def _margins(protocol: TrialProtocol, levels: _Factors) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, levels[one.name]) for one in protocol.strata) or ((OVERALL, OVERALL),)


def imbalances(
    protocol: TrialProtocol, counts: Mapping[tuple[str, str], Sequence[int]], levels: _Factors
) -> tuple[Fraction, ...]:
    """Return, for each arm, the imbalance over a participant's margins that giving it would leave."""
    found = []
    for arm in range(len(protocol.arms)):
        total = Fraction(0)
        for margin in _margins(protocol, levels):
            here = counts.get(margin, [0] * len(protocol.arms))
            shares = [Fraction(n + (i == arm), protocol.arms[i].ratio) for i, n in enumerate(here)]
            total += max(shares) - min(shares)
        found.append(total)
    return tuple(found)


def assignment_law(protocol: TrialProtocol, imbalance: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return the probability of each arm for one participant.

    With equal ratios the preferred arm has the protocol's `biased_coin` and the others share the rest. With unequal
    ratios the coin belongs to the arms of the smallest ratio; arm i is preferred with 1 - (1 - coin) (sum of the other
    ratios) / (sum of ratios but the smallest), and the others share the rest by ratio, which keeps the arms' expected
    shares at their ratios [1]_. Arms that tie are preferred equally often.

    References
    ----------
    .. [1] Han et al. 2009, doi:10.1016/j.cct.2008.10.001
    """
    ratios = [arm.ratio for arm in protocol.arms]
    coin, whole = Fraction(str(protocol.allocation.biased_coin)), sum(ratios)
    best = [index for index, value in enumerate(imbalance) if value == min(imbalance)]
    law = [Fraction(0)] * len(ratios)
    for preferred in best:
        others = whole - ratios[preferred]
        likely = 1 - (1 - coin) * Fraction(others, whole - min(ratios))
        for index, ratio in enumerate(ratios):
            share = likely if index == preferred else (1 - likely) * Fraction(ratio, others)
            law[index] += share / len(best)
    return tuple(law)
