"""Where each of SCAN, foot, hand and mouth is the one that a place is tied to most: one person, and many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError
from actionloop.evidence.contrast import mean_series, seed_names
from actionloop.signal import correlate, valid_rows
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Timeseries

_MOST_R = 1 - 1e-6
_SLACK = 1e-5
"""Of t: sums under exchanged signs are kept in single precision."""
_LEAST_PEOPLE = int(facts.load("contrast")["cohort"]["least_people"])


@dataclass(frozen=True, eq=False)
class PreferentialMap:
    """One person's preferential connectivity.

    Attributes
    ----------
    seeds : tuple of str
    fisher_z : (seed, grayordinate) float32 ndarray
        With the seed's mean series; 0 in rows without signal.
    margin : (seed, grayordinate) float32 ndarray
        Own Fisher z minus the largest of the others.
    valid : (grayordinate,) bool ndarray
        Rows with signal.
    grayordinates : Grayordinates
    """

    seeds: tuple[str, ...]
    fisher_z: FloatArray
    margin: FloatArray
    valid: BoolArray
    grayordinates: Grayordinates

    @property
    def positive(self) -> FloatArray:
        """The map as published: the margin where it is above 0, 0 elsewhere; (seed, grayordinate)."""
        return np.maximum(self.margin, 0)


@dataclass(frozen=True, eq=False)
class GroupPreference:
    """Many people's preferential connectivity.

    Attributes
    ----------
    seeds : tuple of str
    mean : (seed, grayordinate) float32 ndarray
        Mean margin over people, negative ones included; NaN where nobody has signal.
    positive : (seed, grayordinate) float32 ndarray
        Mean of people's maps, as published.
    t : (seed, grayordinate) float32 ndarray
        One-sample t of the margin; NaN where fewer than five people (data/contrast.toml) have signal.
    share : (seed, grayordinate) float32 ndarray
        People whose margin is above 0.
    p_fwe : (seed, grayordinate) float32 ndarray or None
        One-sided (margin above 0), of the largest t over all rows and seeds under exchanged signs; None without flips.
        The largest of three others is taken off, so that margins lean below 0 where no seed is preferred: p is then too
        large rather than too small.
    people : (grayordinate,) int ndarray
        With signal.
    n_flips : int
        The data's own signs not among them.
    """

    seeds: tuple[str, ...]
    mean: FloatArray
    positive: FloatArray
    t: FloatArray
    share: FloatArray
    p_fwe: FloatArray | None
    people: IntArray
    n_flips: int


def preferential(series: Timeseries, network_map: NetworkMap) -> PreferentialMap:
    """Find where each seed is preferred: own connectivity minus the largest other [1]_.

    The four seeds are correlated with all rows at once, a block of rows at a time.

    Parameters
    ----------
    series : Timeseries
        Cleaned.
    network_map : NetworkMap
        On the same rows; only cortex seeds.

    Returns
    -------
    PreferentialMap

    Raises
    ------
    GeometryError
        Other rows.
    OptionError
        A map without these networks.
    EmptyRegionError
        A seed without signal: the others' maps would not mean the same.

    References
    ----------
    .. [1] Gordon et al. 2023, doi:10.1038/s41586-023-05964-2
    """
    if not series.grayordinates.same_rows(network_map.grayordinates):
        raise GeometryError(
            f"the series has {len(series.grayordinates)} rows and the map {len(network_map.label)}, or others of them",
            where=series.source or None,
            fix="bring both to the same grayordinates",
        )
    names = seed_names(network_map)
    masks = np.stack([network_map.members(name) for name in names])
    masks[:, network_map.grayordinates.n_cortex :] = False
    mean, counts = mean_series(series, masks)
    if not counts.all():
        lacking = ", ".join(name for name, count in zip(names, counts, strict=True) if not count)
        raise EmptyRegionError(
            f"{lacking}: no row of the cortex with signal in this person's map", where=series.source or None
        )
    z = np.arctanh(np.clip(correlate(series, mean), -_MOST_R, _MOST_R))
    return PreferentialMap(names, z, margins(z), valid_rows(series), series.grayordinates)


def margins(fisher_z: FloatArray) -> FloatArray:
    """Own value minus the largest of the others; (seed, grayordinate)."""
    ordered = np.sort(fisher_z, axis=0)
    best, second = ordered[-1], ordered[-2]
    # Of two that share the largest value neither is preferred.
    found: FloatArray = fisher_z - np.where(fisher_z == best, second, best)
    return found


def _empty() -> FloatArray:
    return np.zeros((0, 0))


class PreferenceSums:
    """Running sums of people's preferential maps; the maps are not kept.

    With flips, one set of sums is kept for each assignment of signs: 16 bytes a row and flip for four seeds, whatever
    the number of people (91,282 rows and 200 flips: 0.3 GB).

    Parameters
    ----------
    grayordinates : Grayordinates
    rng : Generator, optional
        Draws the signs; needed with flips.
    n_flips : int
        0 leaves `p_fwe` out.

    Raises
    ------
    OptionError
        Flips without `rng`, or fewer than none.
    """

    def __init__(self, grayordinates: Grayordinates, *, rng: Generator | None = None, n_flips: int = 0) -> None:
        if n_flips < 0 or (n_flips and rng is None):
            raise OptionError(f"{n_flips} flips need a random generator", fix="give rng, or no flips")
        self.grayordinates = grayordinates
        self._rng, self._n_flips = rng, n_flips
        self._seeds: tuple[str, ...] = ()
        self._total, self._square, self._positive = (_empty() for _ in range(3))
        self._above: IntArray = np.zeros(0, dtype=np.int32)
        self._people: IntArray = np.zeros(len(grayordinates), dtype=np.int32)
        self._flipped: FloatArray = _empty()

    def add(self, person: PreferentialMap) -> None:
        """Add one person; after an error the sums are as before.

        Raises
        ------
        GeometryError
            Other rows.
        InputError
            Other seeds, or values that are not finite.
        """
        if not person.grayordinates.same_rows(self.grayordinates):
            raise GeometryError(
                f"this person has other rows ({len(person.grayordinates)}) than the others ({len(self.grayordinates)})"
            )
        if self._seeds and person.seeds != self._seeds:
            raise InputError(f"expected maps of {', '.join(self._seeds)}, found {', '.join(person.seeds)}")
        if not np.isfinite(person.margin[:, person.valid]).all():
            raise InputError("a preferential map holds NaN or infinite values")
        if not self._seeds:
            self._begin(person.seeds)
        margin = np.where(person.valid, person.margin, 0).astype(np.float64)
        self._total += margin
        self._square += margin**2
        self._positive += np.maximum(margin, 0)
        self._above += margin > 0
        self._people += person.valid
        if self._rng is not None:
            single = margin.astype(np.float32)
            for flip, negative in enumerate(self._rng.random(self._n_flips) < 0.5):
                if negative:
                    self._flipped[flip] -= single
                else:
                    self._flipped[flip] += single

    def result(self) -> GroupPreference:
        """Return what everybody added so far shows.

        Raises
        ------
        InputError
            Nobody was added.
        """
        if not self._seeds:
            raise InputError("there is nobody to average")
        n = self._people
        t = self._t(self._total)
        least, p_fwe = np.maximum(n, 1), None
        if self._n_flips:
            largest = np.array([np.nanmax(self._t(total.astype(np.float64)), initial=0) for total in self._flipped])
            # Assignments that only differ in people without signal at a row give the same t but for rounding.
            bound = np.nan_to_num(t - _SLACK * np.abs(t), nan=np.inf)
            reached = len(largest) - np.searchsorted(np.sort(largest), bound, side="left")
            p_fwe = np.where(np.isnan(t), np.nan, (reached + 1) / (self._n_flips + 1)).astype(np.float32)
        mean, positive, share = (
            np.where(n > 0, some / least, np.nan).astype(np.float32)
            for some in (self._total, self._positive, self._above)
        )
        return GroupPreference(self._seeds, mean, positive, t.astype(np.float32), share, p_fwe, n.copy(), self._n_flips)

    def _begin(self, seeds: tuple[str, ...]) -> None:
        shape = (len(seeds), len(self.grayordinates))
        self._seeds = seeds
        self._total, self._square, self._positive = (np.zeros(shape) for _ in range(3))
        self._above = np.zeros(shape, dtype=np.int32)
        self._flipped = np.zeros((self._n_flips, *shape), dtype=np.float32)

    def _t(self, total: FloatArray) -> FloatArray:
        """One-sample t under some signs: the sums of squares do not depend on them."""
        n = self._people
        left = np.maximum(self._square - total**2 / np.maximum(n, 1), 0)
        error = np.sqrt(left * n / np.maximum(n - 1, 1))
        varies = (n >= _LEAST_PEOPLE) & (left > 1e-12 * self._square)
        t: FloatArray = np.divide(total, error, out=np.full_like(total, np.nan), where=varies)
        return t
