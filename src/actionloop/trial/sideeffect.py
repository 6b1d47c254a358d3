"""What a published trial's counts of a side effect can and cannot show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.trial.power import power_proportions, score_statistic
from actionloop.trial.responder import newcombe_interval


@dataclass(frozen=True)
class SideEffect:
    """A published side effect in two arms: the difference of shares, its interval, and the power to see it."""

    name: str
    counts: tuple[int, int]
    people: tuple[int, int]
    difference: float
    low: float
    high: float
    p: float
    power: float

    def sentence(self) -> str:
        """Say what the counts can and cannot show."""
        (x, y), (n, m) = self.counts, self.people
        return (
            f"{self.name.capitalize()}: {x} of {n} against {y} of {m}, difference {100 * self.difference:.1f} points "
            f"({100 * self.low:.1f} to {100 * self.high:.1f}), p = {self.p:.2f}; were that the true difference, such a "
            f"trial would find it with a probability of {self.power:.2f}, so it cannot be said that there is none."
        )


def side_effect(study: str, *, alpha: float = 0.05) -> SideEffect | None:
    """Return a study's published side effect, compared; None where none is given."""
    given = facts.load("trial_simulation")["studies"][study].get("side_effect")
    if given is None:
        return None
    n = np.array(given["people"])
    counts = np.round(np.array(given["shares"]) * n).astype(int)
    share = counts / n
    z = float(score_statistic(*counts.astype(float), *n.astype(float)))
    low, high = newcombe_interval(counts.astype(float), n.astype(float), alpha=alpha)
    power = float(power_proportions(share[0], share[1], int(n[0]), int(n[1]), alpha=alpha))
    return SideEffect(
        given["name"],
        (int(counts[0]), int(counts[1])),
        (int(n[0]), int(n[1])),
        float(share[0] - share[1]),
        float(low),
        float(high),
        float(2 * stats.norm.sf(abs(z))),
        power,
    )
