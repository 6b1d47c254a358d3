"""Frequency bands, time windows, and which of the windows is long enough for which band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.types import BoolArray, FloatArray

ComplexArray = NDArray[np.complexfloating[Any, Any]]

_HALF = 2 * np.sqrt(2 * np.log(2))
_ROUND = 1e-9


@dataclass(frozen=True)
class Band:
    """A frequency band, Hz, both ends included."""

    name: str
    low_hz: float
    high_hz: float

    def __post_init__(self) -> None:
        if not 0 < self.low_hz <= self.high_hz:
            raise OptionError(
                f"the band {self.name!r} is {self.low_hz:g} to {self.high_hz:g} Hz",
                fix="give a low and a high end in Hz",
            )


@dataclass(frozen=True)
class Window:
    """A time window against the pulse, s, both ends included."""

    name: str
    start_s: float
    stop_s: float

    def __post_init__(self) -> None:
        if not self.start_s < self.stop_s:
            raise OptionError(
                f"the window {self.name!r} goes from {self.start_s * 1000:g} to {self.stop_s * 1000:g} ms",
                fix="give a start before the stop, in seconds",
            )


@dataclass(frozen=True)
class Grid:
    """Where in time and frequency is measured; the values of data/tmseeg_measures.toml unless given.

    Attributes
    ----------
    bands : tuple of Band
    windows : tuple of Window
    baseline : Window
        For what is told against before the pulse.
    cycles : float
        Of the Morlet wavelets.
    frequency_step_hz, step_s : float
        Between frequencies, and between times.
    most_fwhm : float
        A window carries a band when the wavelet's full width at half maximum is at most so many times its length.
    edge_sigmas : float
        Standard deviations of the wavelet's envelope that must lie inside the trial.
    """

    bands: tuple[Band, ...] = ()
    windows: tuple[Window, ...] = ()
    baseline: Window | None = None
    cycles: float = float(facts.load("tmseeg_measures")["wavelet"]["cycles"])
    frequency_step_hz: float = float(facts.load("tmseeg_measures")["wavelet"]["frequency_step_hz"])
    step_s: float = float(facts.load("tmseeg_measures")["connectivity"]["step_s"])
    most_fwhm: float = float(facts.load("tmseeg_measures")["carrying"]["most_fwhm"])
    edge_sigmas: float = float(facts.load("tmseeg_measures")["carrying"]["edge_sigmas"])

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", tuple(self.bands) or default_bands())
        object.__setattr__(self, "windows", tuple(self.windows) or default_windows())
        for what, parts in (("band", self.bands), ("window", self.windows)):
            names = [part.name for part in parts]
            if len(set(names)) < len(names):
                raise OptionError(f"two {what}s of one name among {', '.join(names)}", fix="rename them")
        if not (self.cycles >= 1 and self.frequency_step_hz > 0 and self.step_s > 0):
            raise OptionError(
                f"expected at least 1 cycle and steps above 0, found {self.cycles:g} cycles, steps of "
                f"{self.frequency_step_hz:g} Hz and {self.step_s:g} s"
            )

    @property
    def before(self) -> Window:
        """The baseline, the default one where none was given."""
        if self.baseline is not None:
            return self.baseline
        found = facts.load("tmseeg_measures")["baseline"]
        return Window("baseline", found["start_s"], found["stop_s"])

    @property
    def frequencies_hz(self) -> FloatArray:
        """Every frequency once, band after band; (frequency,)."""
        return np.concatenate([self._within(band) for band in self.bands])

    @property
    def of_band(self) -> FloatArray:
        """Mean over the frequencies of each band, as a matrix; (band, frequency)."""
        counts = [len(self._within(band)) for band in self.bands]
        rows = np.repeat(np.eye(len(counts)), counts, axis=1)
        averaged: FloatArray = rows / rows.sum(axis=1, keepdims=True)
        return averaged

    @property
    def carried(self) -> BoolArray:
        """Which windows are long enough for which bands; (band, window)."""
        wide = np.array([fwhm_s(band.low_hz, self.cycles) for band in self.bands])
        long = np.array([window.stop_s - window.start_s for window in self.windows])
        return np.asarray(wide[:, None] <= self.most_fwhm * long[None] + _ROUND)

    def band_index(self, name: str) -> int:
        """Place of a band by its name."""
        return _find("band", [band.name for band in self.bands], name)

    def window_index(self, name: str) -> int:
        """Place of a window by its name."""
        return _find("window", [window.name for window in self.windows], name)

    def _within(self, band: Band) -> FloatArray:
        n = int(np.floor((band.high_hz - band.low_hz) / self.frequency_step_hz + _ROUND))
        return band.low_hz + np.arange(n + 1) * self.frequency_step_hz


def fwhm_s(frequency_hz: float, cycles: float) -> float:
    """Full width at half maximum of a Morlet wavelet's envelope, s."""
    return float(_HALF * sigma_s(frequency_hz, cycles))


def sigma_s(frequency_hz: float, cycles: float) -> float:
    """Return the standard deviation of a Morlet wavelet's envelope, s."""
    return float(cycles / (2 * np.pi * frequency_hz))


def default_bands(some: dict[str, Sequence[float]] | None = None) -> tuple[Band, ...]:
    """Return the bands of data/tmseeg_measures.toml, or those of a table of names with low and high ends."""
    if some is not None:
        return tuple(Band(name, float(low), float(high)) for name, (low, high) in some.items())
    found: list[dict[str, Any]] = facts.load("tmseeg_measures")["band"]
    return tuple(Band(one["name"], one["low_hz"], one["high_hz"]) for one in found)


def default_windows() -> tuple[Window, ...]:
    """Return the windows of data/tmseeg_measures.toml."""
    found: list[dict[str, Any]] = facts.load("tmseeg_measures")["window"]
    return tuple(Window(one["name"], one["start_s"], one["stop_s"]) for one in found)


def _find(what: str, names: list[str], name: str) -> int:
    if name not in names:
        raise OptionError(f"there is no {what} {name!r}", fix=f"choose one of {', '.join(names)}")
    return names.index(name)
