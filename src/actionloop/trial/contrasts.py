"""Linear combinations of coefficients: estimate, standard error, degrees of freedom, test, interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import special

from actionloop.errors import InputError, OptionError
from actionloop.trial.kenward import kenward_roger, satterthwaite
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from actionloop.trial.repeated import RepeatedFit

Degrees = Literal["kenward_roger", "satterthwaite", "residual"]
DEGREES: tuple[Degrees, ...] = get_args(Degrees)


@dataclass(frozen=True)
class Contrast:
    """One linear combination of coefficients.

    Attributes
    ----------
    estimate, se : float
        In units of the outcome.
    df : float
        Degrees of freedom of t.
    t, p : float
        `p` two-sided.
    low, high : float
        Interval at `level`.
    level : float
    method : {'kenward_roger', 'satterthwaite', 'residual'}
    """

    estimate: float
    se: float
    df: float
    t: float
    p: float
    low: float
    high: float
    level: float
    method: Degrees


@dataclass(frozen=True)
class JointTest:
    """Test that several linear combinations are all zero.

    Attributes
    ----------
    f : float
        Scaled by `scale`, as compared with F(`df_rows`, `df`).
    df_rows : int
    df : float
    p : float
    scale : float
        1 except with Kenward-Roger.
    method : {'kenward_roger', 'satterthwaite', 'residual'}
    """

    f: float
    df_rows: int
    df: float
    p: float
    scale: float
    method: Degrees


def _check(fit: RepeatedFit, rows: Any, df: str) -> FloatArray:
    if df not in DEGREES:
        raise OptionError(f"expected one of {', '.join(DEGREES)}, found {df!r}", where="df")
    rows = np.atleast_2d(np.asarray(rows, dtype=float))
    if rows.shape[1] != len(fit.names) or not np.isfinite(rows).all():
        raise InputError(f"expected contrasts of {len(fit.names)} finite weights, found shape {rows.shape}")
    if np.linalg.matrix_rank(rows) < len(rows):
        raise InputError("contrasts are zero or depend on each other", fix="give linearly independent ones")
    return np.asarray(rows)


def _freedom(fit: RepeatedFit, rows: FloatArray, df: Degrees) -> tuple[float, float]:
    if df == "kenward_roger":
        return kenward_roger(fit.reml, rows)
    if df == "satterthwaite":
        return satterthwaite(fit.reml, rows), 1.0
    return float(fit.n_values - len(fit.names)), 1.0


def _require_sound(df: Degrees, freedom: float, *parts: float) -> None:
    """Refuse degrees of freedom that are not positive and a variance or statistic that is not."""
    if not (freedom > 0 and all(np.isfinite(part) and part > 0 for part in parts)):
        raise InputError(
            f"the correction {df!r} breaks down: too few people for the covariance ({freedom:.3g} degrees of freedom)",
            fix="give a simpler covariance structure, or analyse fewer visits",
        )


def compare_once(fit: RepeatedFit, row: FloatArray, *, df: Degrees, level: float) -> Contrast:
    """Estimate one linear combination.

    Parameters
    ----------
    fit : RepeatedFit
    row : (column,) float ndarray
        Weights of the coefficients.
    df : {'kenward_roger', 'satterthwaite', 'residual'}
        Kenward-Roger also takes its own, larger, covariance. 'residual' is values less coefficients.
    level : float
        Of the interval.

    Returns
    -------
    Contrast

    Raises
    ------
    InputError
        Weights that do not fit the coefficients, too few people for the correction.
    OptionError
        An unknown method, a level outside 0 to 1.
    """
    rows = _check(fit, row, df)
    if not 0 < level < 1:
        raise OptionError(f"a level lies between 0 and 1, found {level}", where="level")
    freedom, _ = _freedom(fit, rows, df)
    cov = fit.adjusted if df == "kenward_roger" else fit.cov
    estimate = float(rows[0] @ fit.beta)
    variance = float(rows[0] @ cov @ rows[0])
    _require_sound(df, freedom, variance)
    se = math.sqrt(variance)
    t = estimate / se
    half = se * float(special.stdtrit(freedom, (1 + level) / 2))
    p = 2 * float(special.stdtr(freedom, -abs(t)))
    return Contrast(estimate, se, freedom, t, p, estimate - half, estimate + half, level, df)


def compare_jointly(fit: RepeatedFit, rows: FloatArray, *, df: Degrees) -> JointTest:
    """Test that several linear combinations, (row, column), are all zero; see `compare_once`."""
    rows = _check(fit, rows, df)
    freedom, scale = _freedom(fit, rows, df)
    cov = fit.adjusted if df == "kenward_roger" else fit.cov
    values = rows @ fit.beta
    wald = float(values @ np.linalg.solve(rows @ cov @ rows.T, values))
    _require_sound(df, freedom, scale, float(np.linalg.eigvalsh(rows @ cov @ rows.T)[0]))
    f = scale * wald / len(rows)
    p = (
        float(special.chdtrc(len(rows), f * len(rows)))
        if np.isinf(freedom)
        else float(special.fdtrc(len(rows), freedom, f))
    )
    return JointTest(f, len(rows), freedom, p, scale, df)
