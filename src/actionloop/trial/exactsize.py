"""Exact size of the score test of two proportions, over what the common proportion may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.trial.power import power_proportions
from actionloop.types import FloatArray


@dataclass(frozen=True, eq=False)
class ExactSize:
    """How often a test of two equal proportions rejects, over what the common proportion may be.

    Attributes
    ----------
    n : (int, int)
        People per arm.
    alpha : float
        Nominal level.
    proportion, size : (point,) float ndarray
    """

    n: tuple[int, int]
    alpha: float
    proportion: FloatArray
    size: FloatArray

    @property
    def maximum(self) -> float:
        """Largest size."""
        return float(self.size.max())

    @property
    def at(self) -> float:
        """Proportion at which the size is largest."""
        return float(self.proportion[self.size.argmax()])

    def note(self) -> str:
        """Return a sentence when the test rejects too often, else nothing."""
        if self.maximum <= self.alpha:
            return ""
        return (
            f"At {self.n[0]} and {self.n[1]} per arm the score test rejects up to {self.maximum:.3f} of true null "
            f"hypotheses (at a common proportion of {self.at:.2f}), more than the nominal {self.alpha:g}."
        )


def exact_size(
    n: int, n_reference: int | None = None, *, alpha: float = 0.05, proportion: FloatArray | None = None
) -> ExactSize:
    """Size of the score test for every common proportion on a grid.

    Parameters
    ----------
    n, n_reference : int
        People per arm; the same when only one is given.
    alpha : float
        Nominal two-sided level.
    proportion : (point,) float ndarray, optional
        Where to look; .001 to .999 in steps of .001 when none is given.

    Returns
    -------
    ExactSize

    Raises
    ------
    OptionError
        A proportion outside 0 to 1, an arm of fewer than two people.
    """
    m = n if n_reference is None else n_reference
    grid = np.arange(1, 1000) / 1000 if proportion is None else np.atleast_1d(np.asarray(proportion, float))
    return ExactSize((n, m), alpha, grid, power_proportions(grid, grid, n, m, alpha=alpha))
