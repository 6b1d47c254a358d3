"""How each stimulated site talks to the rest of the brain (global) and to itself (local)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.bands import ComplexArray, Grid
from actionloop.tmseeg.phaselag import (
    all_pairs,
    draw_weights,
    left_out_phase_lag,
    phase_lag,
    resampled_phase_lag,
)
from actionloop.tmseeg.places import Places, distances_mm, near, place_of, sensors
from actionloop.tmseeg.spread import settled
from actionloop.tmseeg.wavelets import samples_of, transform
from actionloop.types import BoolArray, FloatArray, IntArray, Trials

MEASURES = ("global", "local")
_CHOICES = {
    "part": ("total", "induced"),
    "pairs": ("site-rest", "all"),
    "neighbourhood": ("nearest", "radius"),
    "global_weight": ("distance", "none", "inverse"),
    "local_weight": ("distance", "none", "inverse"),
}


def _default(name: str) -> Any:
    return field(default_factory=lambda: facts.load("tmseeg_measures")["connectivity"][name])


@dataclass(frozen=True)
class ConnectivityOptions:
    """What global and local mean; the values of data/tmseeg_measures.toml unless given.

    Attributes
    ----------
    grid : Grid
    part : {'total', 'induced'}
        'induced' takes the average response off every trial.
    pairs : {'site-rest', 'all'}
        Global pairs: of the neighbourhood with everything else, or all.
    neighbourhood : {'nearest', 'radius'}
        The `nearest` places, or those within `radius_mm`.
    global_weight, local_weight : {'distance', 'none', 'inverse'}
        Weight of a pair in the mean: its distance, 1, or one over its distance.
    """

    grid: Grid = field(default_factory=Grid)
    part: str = _default("part")
    pairs: str = _default("pairs")
    neighbourhood: str = _default("neighbourhood")
    nearest: int = _default("nearest")
    radius_mm: float = _default("radius_mm")
    global_weight: str = _default("global_weight")
    local_weight: str = _default("local_weight")

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise OptionError(f"{name} is {getattr(self, name)!r}", fix=f"choose one of {', '.join(allowed)}")
        if self.nearest < 2 or not self.radius_mm > 0:
            raise OptionError(
                f"a neighbourhood needs at least 2 places and a radius above 0, found {self.nearest} and "
                f"{self.radius_mm:g} mm"
            )


@dataclass(frozen=True, eq=False)
class Connectivity:
    """Global and local connectivity of one stimulated site: means of the debiased squared weighted phase lag index.

    Attributes
    ----------
    site, condition : str
    n_trials : int
    near : tuple of str
        Places that stand for the site.
    value : (measure, band, window) float64 ndarray
        Measures are those of `MEASURES`. May be negative.
    drawn : (draw, measure, band, window) float64 ndarray
        The same for trials drawn anew, scattering as `spread.settled` says; no rows where none were asked for.
    options : ConnectivityOptions
    version : int
        Of data/tmseeg_measures.toml.
    """

    site: str
    condition: str
    n_trials: int
    near: tuple[str, ...]
    value: FloatArray
    drawn: FloatArray
    options: ConnectivityOptions
    version: int

    @property
    def carried(self) -> BoolArray:
        """Which windows are long enough for which bands; (band, window)."""
        return self.options.grid.carried

    def interval(self, level: float) -> FloatArray:
        """Percentile interval; (2, measure, band, window)."""
        return percentile_interval(self.drawn, level)

    def mean(self, measure: str, bands: Sequence[str], window: str) -> tuple[float, FloatArray]:
        """Mean of a measure over bands in one window, and of every draw; (draw,).

        Raises
        ------
        OptionError
            No such measure, band or window, or a window that is too short for one of the bands.
        """
        if measure not in MEASURES:
            raise OptionError(f"there is no measure {measure!r}", fix=f"choose one of {', '.join(MEASURES)}")
        grid = self.options.grid
        rows, column = [grid.band_index(band) for band in bands], grid.window_index(window)
        short = [band for band, row in zip(bands, rows, strict=True) if not grid.carried[row, column]]
        if short or not rows:
            raise OptionError(
                f"the window {window!r} is too short for {', '.join(short) or 'no band at all'}: the wavelets there "
                "are longer than the window, and the values also tell of before and after it",
                fix="choose a longer window, other bands, or fewer cycles",
            )
        row = MEASURES.index(measure)
        return float(self.value[row, rows, column].mean()), self.drawn[:, row, rows, column].mean(axis=1)


def measure_connectivity(
    trials: Trials,
    *,
    at: str | FloatArray | None = None,
    places: Places | None = None,
    options: ConnectivityOptions | None = None,
    draws: int = 0,
    rng: Generator | None = None,
) -> Connectivity:
    """Global and local connectivity of the stimulated site.

    Parameters
    ----------
    trials : Trials
        Cleaned. At the scalp the average of the good channels is taken as reference.
    at : str or (3,) float ndarray, optional
        The electrode under the coil, even a bad one, or the coil's place in head mm; else the electrode that
        data/tmseeg_measures.toml names for `trials.site`. With `places`: the name of one of them, or a point in mm of
        their frame.
    places : Places, optional
        Cortical places with their inverse operator; else the good electrodes.
    options : ConnectivityOptions, optional
    draws : int
        Resamples of the trials; 0 for none.
    rng : Generator, optional
        Needed for draws.

    Returns
    -------
    Connectivity

    Raises
    ------
    SignalError
        Fewer than two trials, windows or wavelets that reach beyond the trial, or too few channels.
    OptionError
        A site without a known place, draws without `rng`, or a band beyond the sampling rate.
    """
    options = options or ConnectivityOptions()
    if places is None:
        places = sensors(trials)
        found = near(places, place_of(trials, at), options=options)
    else:  # in a frame of their own, of which the montage knows nothing
        found = near(places, trials.site if at is None else at, options=options)
    pairs, contrasts = contrasts_of(places, found, options)
    values, columns = time_frequency(trials, places, options)
    rows = options.grid.of_band
    estimate = np.tensordot(contrasts, phase_lag(values, pairs=pairs), axes=1)
    value = _into_windows(estimate[None], rows, columns)[0]
    drawn = np.empty((0, *value.shape))
    if draws:
        if rng is None:
            raise OptionError("resamples need a random generator", fix="give rng=numpy.random.default_rng(seed)")
        weights = draw_weights(len(values), draws, rng=rng)
        drawn = settled(
            value,
            _into_windows(resampled_phase_lag(values, weights, contrasts, pairs=pairs), rows, columns),
            _into_windows(left_out_phase_lag(values, contrasts, pairs=pairs), rows, columns),
        )
    return Connectivity(
        site=trials.site,
        condition=trials.condition,
        n_trials=len(trials.data),
        near=tuple(places.names[k] for k in np.flatnonzero(found)),
        value=value,
        drawn=drawn,
        options=options,
        version=int(facts.load("tmseeg_measures")["version"]),
    )


def subtract(active: Connectivity, control: Connectivity, *, level: float) -> tuple[FloatArray, FloatArray]:
    """Active less sham or masked stimulation, with its interval.

    Returns
    -------
    difference : (measure, band, window) float64 ndarray
    interval : (2, measure, band, window) float64 ndarray
        Of trials drawn apart in the two.

    Raises
    ------
    OptionError
        Another site, other options, or no draws.
    """
    if active.site != control.site or active.options != control.options:
        raise OptionError(
            f"{active.site} and {control.site} are not one site measured alike",
            fix="measure both with the same options",
        )
    n = min(len(active.drawn), len(control.drawn))
    return active.value - control.value, percentile_interval(active.drawn[:n] - control.drawn[:n], level)


def percentile_interval(drawn: FloatArray, level: float) -> FloatArray:
    """Percentile interval over the first axis; the ends come first.

    Raises
    ------
    OptionError
        No draws, or a level that is no share.
    """
    if len(drawn) < 2 or not 0 < level < 1:
        raise OptionError(f"an interval of level {level:g} cannot be read off {len(drawn)} draws", fix="ask for draws")
    return np.asarray(np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0))


def contrasts_of(places: Places, found: BoolArray, options: ConnectivityOptions) -> tuple[IntArray, FloatArray]:
    """Return the pairs that count and their weights in the global and the local mean.

    Returns
    -------
    pairs : (pair, 2) int64 ndarray
    contrasts : (2, pair) float64 ndarray
        Rows in the order of `MEASURES`; each sums to 1.

    Raises
    ------
    SignalError
        No pair within the neighbourhood, or none that leaves it.
    """
    pairs = all_pairs(len(places.names))
    count = found[pairs].sum(axis=1)
    inside = count == 2
    outward = np.ones(len(pairs), dtype=np.bool_) if options.pairs == "all" else count == 1
    if not inside.any() or not outward.any():
        raise SignalError(
            f"the neighbourhood holds {int(found.sum())} of {len(found)} places: there is no pair within it or "
            "none that leaves it",
            fix="choose a neighbourhood of at least two places that leaves others",
        )
    far = distances_mm(places, pairs)
    rows = []
    for members, kind in ((outward, options.global_weight), (inside, options.local_weight)):
        weight = members * {"none": np.ones_like(far), "distance": far, "inverse": 1 / far}[kind]
        rows.append(weight / weight.sum())
    used = inside | outward
    return pairs[used], np.stack(rows)[:, used]


def time_frequency(trials: Trials, places: Places, options: ConnectivityOptions) -> tuple[ComplexArray, FloatArray]:
    """Time-frequency values of all places in all windows, and which times belong to which window.

    Returns
    -------
    values : (trial, place, frequency, time) complex128 ndarray
    columns : (time, window) float64 ndarray
        Mean over the times of each window, as a matrix.
    """
    grid = options.grid
    within = [samples_of(trials, window, grid=grid) for window in grid.windows]
    at = np.unique(np.concatenate(within))
    columns = np.stack([np.isin(at, some) / len(some) for some in within], axis=1)
    data = places.of(trials)
    if options.part == "induced":
        data = data - data.mean(axis=0)
    values = transform(data, grid.frequencies_hz, sfreq_hz=trials.sfreq_hz, cycles=grid.cycles, at=at)
    return values, columns


def _into_windows(means: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Means over frequencies and times; (draw, measure, frequency, time) to (draw, measure, band, window)."""
    return np.asarray(np.einsum("bf,dmft,tw->dmbw", rows, means, columns, optimize=True))
