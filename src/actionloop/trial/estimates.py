"""What every analysis gives back: one arm against another, with its interval, p and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

import numpy as np
from scipy import stats

from actionloop.errors import InputError, OptionError

EXTRA = "trial"
Measure = Literal["risk difference", "difference in change", "log odds ratio", "slope difference"]
Comparisons = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Effect:
    """One arm compared with its reference.

    Attributes
    ----------
    arm, reference : str
    measure : str
        What `estimate` is; differences are arm minus reference.
    estimate, se : float
    df : float
        Of the t distribution behind interval and p; infinite for a normal one.
    low, high : float
        The interval, at 1 − alpha.
    p : float
        Two-sided, of no difference.
    n : (int, int)
        Participants analysed in the arm and in the reference.
    alpha : float
    beside : mapping of str to float
        Further figures of the same comparison, for example an unadjusted one.
    """

    arm: str
    reference: str
    measure: Measure
    estimate: float
    se: float
    df: float
    low: float
    high: float
    p: float
    n: tuple[int, int]
    alpha: float = 0.05
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def versus(self) -> str:
        """Arm and reference in words."""
        return f"{self.arm} against {self.reference}"


def make_effect(
    pair: tuple[str, str],
    estimate: float,
    se: float,
    *,
    measure: Measure,
    n: tuple[int, int],
    df: float = np.inf,
    alpha: float = 0.05,
    beside: Mapping[str, float] | None = None,
) -> Effect:
    """Return an effect with its interval and p from the t (or, with infinite `df`, the normal) distribution.

    Raises
    ------
    InputError
        The estimate or its standard error is no finite number, or the standard error is 0.
    """
    if not (np.isfinite(estimate) and np.isfinite(se) and se > 0):
        raise InputError(
            f"{pair[0]} against {pair[1]} cannot be estimated (estimate {estimate:.3g}, standard error {se:.3g})",
            fix="look at the outcome: it may be constant, or an arm may be empty",
        )
    half = float(stats.t.ppf(1 - alpha / 2, df)) * se
    p = float(2 * stats.t.sf(abs(estimate) / se, df))
    return Effect(
        *pair,
        measure,
        float(estimate),
        float(se),
        float(df),
        estimate - half,
        estimate + half,
        p,
        n,
        alpha,
        beside or {},
    )


def library(module: str) -> Any:
    """Return an imported library of the extra 'trial'.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise OptionError(
            f"this analysis needs the extra '{EXTRA}' ({module})", fix=f"pip install 'actionloop[{EXTRA}]'"
        ) from error
