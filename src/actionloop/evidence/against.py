"""Maps of networks, ready to be held against many maps: correlations and differences where both are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.stats import rankdata

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.types import FloatArray

Measure = Literal["pearson", "spearman", "difference"]

_LEAST_KNOWN = float(facts.load("evidence")["overlap"]["least_known"])
_LEAST_PLACES = 3
_FLAT = 1e-12
"""A variance below this share of the mean square is rounding."""


class Against:
    """Networks' maps on vertices or voxels, from which sums over common places follow as matrix products.

    Parameters
    ----------
    others : (network, place) float ndarray
        NaN where not known. For 'difference' 1 inside and 0 outside.
    names : sequence of str
        Of the networks.
    measure : {'pearson', 'spearman', 'difference'}
        Correlation, correlation of ranks (given once among the known places of each map), or mean of the map inside
        minus mean outside.

    Raises
    ------
    GeometryError
        Shapes that do not fit.
    InputError
        Infinite values, or a network that is the same everywhere.
    OptionError
        No such measure.
    """

    def __init__(self, others: FloatArray, names: Sequence[str], *, measure: Measure) -> None:
        if measure not in ("pearson", "spearman", "difference"):
            raise OptionError(f"there is no measure {measure!r}", fix="choose 'pearson', 'spearman' or 'difference'")
        self.names, self.measure = tuple(names), measure
        y = np.asarray(others, dtype=np.float64)
        if y.ndim != 2 or len(y) != len(self.names) or not len(y):
            raise GeometryError(
                f"expected one map for each of {len(self.names)} networks, found {y.shape}",
                fix="give (network, vertex) or (network, voxel), and as many names",
            )
        if np.isinf(y).any():
            raise InputError("a network's map holds infinite values", fix="write NaN where it is not known")
        self.known = ~np.isnan(y)
        for name, row, known in zip(self.names, y, self.known, strict=True):
            if not known.any() or np.ptp(row[known]) == 0:
                raise InputError(f"the map of {name} is the same wherever it is known", fix="leave it out")
        mask = self.known[:1] if (self.known == self.known[0]).all() else self.known
        # Sums of known places, of map and of squared map are products with these; one column of known serves all
        # networks where they are known alike.
        values = np.where(self.known, y if measure == "difference" else _centred(y, measure), 0)
        self._count = mask.T.astype(np.float64)
        self._value = np.ascontiguousarray(values.T)
        self._square = None if measure == "difference" else self._value**2

    @property
    def n_places(self) -> int:
        """Vertices or voxels of a map."""
        return len(self._value)

    def scale(self, map_: FloatArray) -> FloatArray:
        """Check a map, and rank or centre it.

        Parameters
        ----------
        map_ : (place,) float ndarray
            NaN where not known.

        Returns
        -------
        (place,) float64 ndarray
            To be turned and given to `measured`.

        Raises
        ------
        GeometryError
            Another number of places.
        InputError
            Infinite values, nothing known, or the same everywhere.
        EmptyRegionError
            Too few places known in both the map and a network.
        """
        x = np.asarray(map_, dtype=np.float64)
        if x.shape != (self.n_places,):
            raise GeometryError(
                f"expected a map of {self.n_places:,} places as the networks have, found {x.shape}",
                fix="give both whole meshes, left and then right, NaN on the medial wall; or the same voxels",
            )
        known = ~np.isnan(x)
        if np.isinf(x).any():
            raise InputError("the map holds infinite values", fix="write NaN where it is not known")
        if not known.any():
            raise InputError("the map is NaN everywhere", fix="check that it lies on this brain at all")
        if np.ptp(x[known]) == 0:
            raise InputError(
                f"the map is {x[known][0]:g} everywhere, so that nothing can be compared with it",
                fix="check which image it was taken from, and whether a threshold has emptied it",
            )
        least = max(_LEAST_PLACES, _LEAST_KNOWN * len(x))
        for name, row, value in zip(self.names, self.known, self._value.T, strict=True):
            common = known & row
            if common.sum() < least:
                raise EmptyRegionError(
                    f"only {common.sum():,} of {len(x):,} places are known in both the map and {name}",
                    fix="give a map that covers more of the brain, or compare voxels of the region alone",
                )
            if np.ptp(value[common]) == 0 or np.ptp(x[common]) == 0:
                raise InputError(f"the map or {name} is the same wherever both are known", fix=f"leave out {name}")
        scaled: FloatArray = _centred(x[None], self.measure)[0]
        return scaled

    def measured(self, maps: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hold maps against every network.

        Parameters
        ----------
        maps : (map, place) float64 ndarray
            Scaled; NaN where not known.

        Returns
        -------
        value : (map, network) float64 ndarray
            NaN where map or network are the same at all common places, or the map unknown inside or outside.
        common : (map, network) float64 ndarray
            Places known in both; for 'difference' those inside the network.
        """
        known = ~np.isnan(maps)
        x, m = np.where(known, maps, 0), known.astype(np.float64)
        count, total, cross = m @ self._count, x @ self._count, x @ self._value
        y = m @ self._value
        with np.errstate(divide="ignore", invalid="ignore"):
            if self._square is None:
                value = cross / y - (total - cross) / (count - y)
                return value, y
            squares, y_squares = x**2 @ self._count, m @ self._square
            x_spread, y_spread = squares - total**2 / count, y_squares - y**2 / count
            flat = (x_spread <= _FLAT * squares) | (y_spread <= _FLAT * y_squares)
            value = np.clip((cross - total * y / count) / np.sqrt(x_spread * y_spread), -1, 1)
        return np.where(flat, np.nan, value), np.broadcast_to(count, value.shape)


def _centred(rows: FloatArray, measure: Measure) -> FloatArray:
    """Rows without their mean over known places; of ranks for 'spearman'."""
    ranked: Any = rankdata(rows, axis=1, nan_policy="omit") if measure == "spearman" else rows
    out: FloatArray = ranked - np.nanmean(ranked, axis=1, keepdims=True)
    return out
