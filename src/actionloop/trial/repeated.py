"""Repeated measures on arrays: an outcome and a design over participants and visits, under one covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.contrasts import Contrast, Degrees, JointTest, compare_jointly, compare_once
from actionloop.trial.covariance import Covariance
from actionloop.trial.kenward import adjusted_covariance
from actionloop.trial.reml import RemlFit, fit_reml
from actionloop.trial.rows import Rows, group_rows, require_estimable
from actionloop.types import FloatArray

FALLBACK: tuple[Covariance, ...] = ("toeplitz", "ar1", "compound_symmetry")


@dataclass(frozen=True, eq=False)
class RepeatedFit:
    """A fitted model of repeated measures.

    Attributes
    ----------
    names : tuple of str
        Columns of the design.
    reml : RemlFit
        Where the search ended; always converged.
    refused : tuple of str
        Covariance structures that came first in the order, and why they were not kept.
    patterns : tuple of (str, int)
        Which visits are known ('1101') and for how many people, the fullest first.
    n_people, n_values : int
        That the fit is made of.
    """

    names: tuple[str, ...]
    reml: RemlFit
    refused: tuple[str, ...]
    patterns: tuple[tuple[str, int], ...]
    n_people: int
    n_values: int
    _rows: Rows = field(repr=False)

    @property
    def beta(self) -> FloatArray:
        """Coefficients, (column,)."""
        return self.reml.beta

    @cached_property
    def cov(self) -> FloatArray:
        """Covariance of the coefficients as if that of the visits were known, (column, column)."""
        return np.asarray(self.reml.root @ self.reml.root.T)

    @cached_property
    def adjusted(self) -> FloatArray:
        """Covariance of the coefficients by Kenward and Roger, (column, column)."""
        return adjusted_covariance(self._rows, self.reml)

    @property
    def theta(self) -> FloatArray:
        """Parameters of the covariance; see `covariance.Structure`."""
        return self.reml.theta

    @property
    def v(self) -> FloatArray:
        """Covariance of one participant's visits, (visit, visit)."""
        return self.reml.v

    @property
    def loglik(self) -> float:
        """Restricted log-likelihood, with the constant that nlme's gls uses."""
        return self.reml.loglik

    @property
    def structure(self) -> Covariance:
        """Covariance structure that was kept."""
        return self.reml.structure.name

    @property
    def converged(self) -> bool:
        """True: a search that did not converge ends in an error or in the next structure of the order."""
        return self.reml.converged

    @property
    def iterations(self) -> int:
        """Steps of the search."""
        return self.reml.iterations

    @property
    def condition(self) -> float:
        """Condition of `v`, in units of the visits' least-squares standard deviations."""
        return self.reml.condition

    def contrast(self, row: FloatArray, *, df: Degrees = "kenward_roger", level: float = 0.95) -> Contrast:
        """Estimate one linear combination of the coefficients, (column,)."""
        return compare_once(self, row, df=df, level=level)

    def joint(self, rows: FloatArray, *, df: Degrees = "kenward_roger") -> JointTest:
        """Test that several linear combinations, (row, column), are all zero."""
        return compare_jointly(self, rows, df=df)


def fit_repeated(
    y: FloatArray,
    x: FloatArray,
    *,
    names: Sequence[str] | None = None,
    visits: Sequence[str] | None = None,
    covariance: Covariance = "unstructured",
    fallback: Sequence[Covariance] = FALLBACK,
) -> RepeatedFit:
    """Fit repeated measures by restricted maximum likelihood.

    Parameters
    ----------
    y : (participant, visit) float ndarray
        NaN where it is missing, at random given what is known.
    x : (participant, visit, column) float ndarray
        Finite wherever the outcome is known.
    names, visits : sequence of str, optional
        Of the columns and of the visits, for messages.
    covariance : {'unstructured', 'toeplitz', 'ar1', 'compound_symmetry'}
        See `covariance.Structure`.
    fallback : sequence of structures
        Tried in this order where the first cannot be estimated; empty to refuse instead. What was tried is recorded.

    Returns
    -------
    RepeatedFit

    Raises
    ------
    InputError
        Shapes that do not fit, nobody at a visit, columns that depend on each other, an outcome that the design
        explains wholly, too few people, no structure that can be estimated.
    OptionError
        A structure that nothing is called.
    """
    rows = group_rows(y, x)
    labels = tuple(names) if names is not None else tuple(f"x{j + 1}" for j in range(rows.x.shape[2]))
    if len(labels) != rows.x.shape[2]:
        raise InputError(f"expected {rows.x.shape[2]} names of columns, found {len(labels)}")
    times = tuple(visits) if visits is not None else tuple(str(a + 1) for a in range(rows.y.shape[1]))
    if len(times) != rows.y.shape[1]:
        raise InputError(f"expected {rows.y.shape[1]} names of visits, found {len(times)}")
    require_estimable(rows, labels, times)
    kept = tuple(name for i, name in enumerate(fallback) if name != covariance and name not in fallback[:i])
    reml, refused = fit_reml(rows, covariance=covariance, fallback=kept)
    counts = np.bincount(rows.kind, minlength=len(rows.seen))
    patterns = tuple(
        ("".join("01"[int(one)] for one in seen), int(n)) for seen, n in zip(rows.seen, counts, strict=True)
    )
    return RepeatedFit(
        names=labels,
        reml=reml,
        refused=refused,
        patterns=patterns,
        n_people=len(rows.y),
        n_values=rows.n_values,
        _rows=rows,
    )
