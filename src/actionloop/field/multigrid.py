"""Conjugate gradients on several right-hand sides at once, preconditioned by one V-cycle.

Single precision is enough for the V-cycle; the residual is in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop.field import lanes as loops
from actionloop.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Level:
    """One grid of a V-cycle, in single precision.

    Attributes
    ----------
    matrix : (indptr, indices, data) tuple
        CSR, columns ascending.
    diagonal : (node,) int32 ndarray
        Place of the diagonal in indices and data.
    inverse : (node,) float32 ndarray
        Of the diagonal.
    finer : (indptr, indices, data) tuple
        CSR, carries the next coarser grid to this one.
    n_coarse : int
        Nodes of the next coarser grid.
    """

    matrix: tuple[Any, Any, Any]
    diagonal: IntArray
    inverse: FloatArray
    finer: tuple[Any, Any, Any]
    n_coarse: int


@dataclass(frozen=True, eq=False)
class Cycle:
    """A V-cycle: one sweep of Gauss-Seidel down, a dense inverse on the coarsest grid, one backward sweep up.

    It is symmetric, as conjugate gradients need it, and deterministic.

    Attributes
    ----------
    levels : tuple of Level
    coarsest : (node, node) float32 ndarray
        Pseudo-inverse.
    """

    levels: tuple[Level, ...]
    coarsest: FloatArray

    def apply(self, right: FloatArray, lanes: tuple[int, ...]) -> FloatArray:
        """Return an approximate solution; (node, lane) float32 in and out."""
        rights: list[FloatArray] = [right]
        guesses: list[FloatArray] = []
        for level in self.levels:
            guess = np.empty_like(rights[-1])
            coarse = np.zeros((level.n_coarse, len(lanes)), dtype=np.float32)
            loops.sweep_down(level.matrix, level.diagonal, level.inverse, rights[-1], guess, lanes)
            loops.restrict_rest(level.matrix, level.diagonal, level.finer, guess, coarse, lanes)
            guesses.append(guess)
            rights.append(coarse)
        found: FloatArray = self.coarsest @ rights.pop()
        for level in reversed(self.levels):
            guess = guesses.pop()
            loops.add_coarse(level.finer, found, guess, lanes)
            loops.sweep_up(level.matrix, level.inverse, rights.pop(), guess, lanes)
            found = guess
        return found


def conjugate_gradients(
    matrix: tuple[Any, Any, Any],
    cycle: Cycle,
    right: FloatArray,
    *,
    start: FloatArray | None,
    tolerance: float,
    most: int,
) -> tuple[FloatArray, int]:
    """Solve for several right-hand sides, until the residual of each has fallen to `tolerance` of its right-hand side.

    Parameters
    ----------
    matrix : (indptr, indices, data) tuple
        CSR, symmetric and positive semi-definite, float64.
    cycle : Cycle
    right : (node, lane) float64 ndarray
        In the range of the matrix.
    start : (node, lane) float64 ndarray or None
    tolerance : float
    most : int
        Iterations.

    Returns
    -------
    found : (node, lane) float64 ndarray
    left : int
        Right-hand sides that did not get there.
    """
    lanes = (0,) * right.shape[1]
    found = np.zeros_like(right) if start is None else start.copy()
    rest, moved = right.copy(), np.empty_like(right)
    goal = tolerance**2 * loops.dots(right, right, lanes)
    if start is not None:
        loops.multiply(matrix, found, moved, lanes)
        rest -= moved
    square = loops.dots(rest, rest, lanes)
    way, before = np.zeros_like(right), np.zeros(len(lanes))
    for _ in range(most):
        if (square <= goal).all():
            break
        better = cycle.apply(rest.astype(np.float32), lanes)
        now = loops.dots(rest, better, lanes)
        loops.turn(way, better, _ratio(now, before), lanes)
        step = _ratio(now, loops.multiply(matrix, way, moved, lanes))
        square = loops.advance(found, rest, way, moved, step, lanes)
        before = now
    return found, int((square > goal).sum())


def _ratio(one: FloatArray, other: FloatArray) -> FloatArray:
    # A right-hand side of zeros (an empty lane, or one that is solved exactly) goes nowhere.
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0)
