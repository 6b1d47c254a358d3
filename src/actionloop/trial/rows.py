"""Outcome and design of repeated measures: grouped by what is missing, and refused where nothing can be estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from actionloop.errors import InputError
from actionloop.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Outcome and design of the people who have at least one value, grouped by what is missing.

    Attributes
    ----------
    y : (participant, visit) float64 ndarray
        0 where it is missing.
    x : (participant, visit, column) float64 ndarray
        0 where the outcome is missing.
    kind : (participant,) int64 ndarray
        Row of `seen`.
    seen : (pattern, visit) bool ndarray
    """

    y: FloatArray
    x: FloatArray
    kind: IntArray
    seen: BoolArray

    @cached_property
    def present(self) -> BoolArray:
        """Where the outcome is known, (participant, visit)."""
        return self.seen[self.kind]

    @property
    def n_values(self) -> int:
        """Number of known values."""
        return int(self.present.sum())

    @cached_property
    def residual(self) -> FloatArray:
        """What ordinary least squares leaves of the outcome, (participant, visit); 0 where it is missing."""
        flat = self.x.reshape(-1, self.x.shape[2])
        beta = np.linalg.lstsq(flat, self.y.ravel(), rcond=None)[0]
        return np.where(self.present, self.y - self.x @ beta, 0.0)


def group_rows(y: FloatArray, x: FloatArray) -> Rows:
    """Leave out people without any value and number the patterns of missing visits.

    Parameters
    ----------
    y : (participant, visit) float ndarray
        NaN where it is missing.
    x : (participant, visit, column) float ndarray

    Returns
    -------
    Rows

    Raises
    ------
    InputError
        Shapes that do not fit, a design that is not finite where the outcome is known, nobody with a value.
    """
    y, x = np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if y.ndim != 2 or x.ndim != 3 or x.shape[:2] != y.shape:
        raise InputError(
            f"expected an outcome (participant, visit) and a design (participant, visit, column), "
            f"found {y.shape} and {x.shape}"
        )
    present = ~np.isnan(y)
    if np.isinf(y).any() or not np.isfinite(x[present]).all():
        raise InputError("expected finite numbers wherever the outcome is known")
    some = present.any(axis=1)
    if not some.any():
        raise InputError("nobody has a value at any visit")
    present = present[some]
    codes = present @ (1 << np.arange(y.shape[1], dtype=np.int64))
    _, first, kind = np.unique(-codes, return_index=True, return_inverse=True)
    return Rows(
        y=np.where(present, y[some], 0.0),
        x=np.ascontiguousarray(np.where(present[:, :, None], x[some], 0.0)),
        kind=np.ascontiguousarray(kind.ravel().astype(np.int64)),
        seen=np.ascontiguousarray(present[first]),
    )


def rough_covariance(rows: Rows) -> FloatArray:
    """Pairwise covariance of least-squares residuals, drawn towards its diagonal until safely positive definite."""
    present, residual, t = rows.present, rows.residual, rows.y.shape[1]
    together = present.T.astype(float) @ present
    v = residual.T @ residual / np.maximum(together, 1)
    overall = float((residual**2).sum() / max(present.sum() - rows.x.shape[2], 1))
    sd: FloatArray = np.sqrt(np.maximum(np.diag(v), 1e-3 * overall))
    correlation = v / np.outer(sd, sd)
    np.fill_diagonal(correlation, 1.0)
    least = float(np.linalg.eigvalsh(correlation)[0])
    if least < 0.05:
        share = (0.05 - least) / (1 - least)
        correlation = (1 - share) * correlation + share * np.eye(t)
    return np.asarray(correlation * np.outer(sd, sd))


def require_estimable(rows: Rows, names: Sequence[str], visits: Sequence[str]) -> None:
    """Refuse what no covariance structure can help.

    Raises
    ------
    InputError
        Nobody at a visit, fewer values than columns, columns that depend on each other, no variation left.
    """
    present = rows.present
    empty = [visits[int(a)] for a in np.flatnonzero(~present.any(axis=0))]
    if empty:
        raise InputError(f"nobody has a value at visit {', '.join(empty)}", fix="leave that visit out")
    flat = rows.x[present]
    n, p = flat.shape
    if n <= p:
        raise InputError(f"{n} values cannot determine {p} coefficients", fix="adjust for less or wait for more people")
    length = np.linalg.norm(flat, axis=0)
    scaled = flat / np.where(length > 0, length, 1.0)
    upright = np.abs(np.diag(np.linalg.qr(scaled, mode="r")))
    aliased = [names[int(j)] for j in np.flatnonzero(upright < 1e-9)]
    if aliased:
        raise InputError(
            f"nothing in the data tells {', '.join(aliased)} from the other terms",
            fix="adjust for less, or look for an arm or level that nobody has at a visit",
        )
    spread = np.sqrt((rows.residual**2).sum(axis=0))
    scale = np.sqrt((rows.y**2).sum(axis=0))
    flatlined = [visits[int(a)] for a in np.flatnonzero(spread <= 1e-9 * np.maximum(scale, 1e-300))]
    if flatlined:
        raise InputError(
            f"the outcome does not vary between people at visit {', '.join(flatlined)} once the terms are taken out",
            fix="look whether one value was copied to everybody, or too few people were seen",
        )
