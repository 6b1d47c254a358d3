"""What an interval excludes, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from actionloop.trial.equivalence import Equivalence, Posterior
from actionloop.trial.estimates import Effect

Better = Literal["lower", "higher"]


def _number(value: float) -> str:
    if abs(value) < 1e-9:
        return "0"
    return (f"{value:.2f}" if abs(value) >= 0.095 else f"{value:.2g}").replace("-", "−")


def percent(share: float) -> str:
    """Return a share as a percentage, without needless decimals."""
    return f"{100 * share:.3g} %"


def p_words(p: float) -> str:
    """Return a p value as it is printed."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def interval_words(effect: Effect) -> str:
    """Return estimate and interval in the effect's own unit."""
    level = percent(1 - effect.alpha)
    if effect.measure == "risk difference":
        estimate, low, high = (_number(100 * one) for one in (effect.estimate, effect.low, effect.high))
        return f"{estimate} percentage points ({level} interval {low} to {high})"
    if effect.measure == "log odds ratio":
        estimate, low, high = (_number(float(np.exp(one))) for one in (effect.estimate, effect.low, effect.high))
        return f"odds ratio of a better rating {estimate} ({level} interval {low} to {high})"
    estimate, low, high = (_number(one) for one in (effect.estimate, effect.low, effect.high))
    return f"{estimate} ({level} interval {low} to {high})"


def exclusion(effect: Effect, *, better: Better = "lower") -> str:
    """Say in one sentence what the data exclude.

    Parameters
    ----------
    effect : Effect
    better : {'lower', 'higher'}
        Which direction of the outcome is a benefit; proportions of responders and odds of a better rating always
        benefit upwards.
    """
    head = f"{effect.versus}: {interval_words(effect)}. The data exclude "
    if effect.measure == "slope difference":
        return head + f"differences of slope below {_number(effect.low)} and above {_number(effect.high)}."
    if effect.measure == "log odds ratio":
        low, high = float(np.exp(effect.low)), float(np.exp(effect.high))
        return head + f"odds ratios below {_number(low)} and above {_number(high)}."
    up = effect.measure == "risk difference" or better == "higher"
    scale = 100.0 if effect.measure == "risk difference" else 1.0
    least, most = (effect.low, effect.high) if up else (-effect.high, -effect.low)
    told = " percentage points" if effect.measure == "risk difference" else ""

    def size(value: float) -> str:
        return f"{_number(scale * value)}{told}"

    if least > 0:
        return head + f"no difference, a benefit of less than {size(least)} and one of more than {size(most)}."
    if most < 0:
        return head + f"any benefit, a harm of less than {size(-most)} and one of more than {size(-least)}."
    return head + f"a benefit of more than {size(most)} and a harm of more than {size(-least)}, and nothing in between."


def favoured(effect: Effect, *, better: Better = "lower") -> str:
    """Return the arm that an estimate speaks for."""
    up = effect.measure in ("risk difference", "log odds ratio") or better == "higher"
    return effect.arm if (effect.estimate > 0) == up else effect.reference


def null_words(effects: Sequence[Effect]) -> str:
    """Say what a primary analysis without significance does not show."""
    told = "; ".join(f"{one.versus} {interval_words(one)}" for one in effects)
    return f"A null is not equivalence: any difference within its interval remains possible ({told})."


def equivalence_words(effect: Effect, found: Equivalence) -> str:
    """Say whether a difference was shown to lie within the margin."""
    margin, level = _number(found.margin), percent(1 - 2 * effect.alpha)
    head = f"{effect.versus}: {level} interval {_number(found.low)} to {_number(found.high)}"
    if found.equivalent:
        return f"{head} lies within ±{margin}: equivalent by that margin ({p_words(found.p)})."
    ends = [_number(end) for end in (found.low, found.high) if abs(end) >= found.margin]
    return f"{head} reaches {' and '.join(ends)}, beyond ±{margin}: equivalence is not shown ({p_words(found.p)})."


def posterior_words(effect: Effect, found: Posterior, *, better: Better = "lower") -> str:
    """Say what a posterior holds."""
    benefit = found.above_zero if better == "higher" else 1 - found.above_zero
    return (
        f"{effect.versus}, {found.prior} prior (mean {_number(found.prior_mean)}, SD"
        f" {_number(found.prior_sd)}): {_number(found.mean)} ({percent(1 - effect.alpha)} credible interval"
        f" {_number(found.low)} to {_number(found.high)}); probability of a difference above 0"
        f" {found.above_zero:.2f}, that is of a benefit {benefit:.2f}, within the margin {found.within:.2f}."
    )
