"""Where connectivity is measured: at electrodes, or on the cortex through an inverse operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError, SignalError
from actionloop.types import BoolArray, FloatArray, IntArray, Trials

_LEAST_CHANNELS = 4


class Neighbourhood(Protocol):
    """What tells which places stand for a site."""

    @property
    def neighbourhood(self) -> str:
        """'nearest' or 'radius'."""

    @property
    def nearest(self) -> int:
        """How many places."""

    @property
    def radius_mm(self) -> float:
        """How far."""


@dataclass(frozen=True, eq=False)
class Places:
    """Electrodes or cortical places whose time series are compared.

    Attributes
    ----------
    names : tuple of str
    xyz_mm : (place, 3) float64 ndarray
    channels : tuple of str
        Channels that the operator takes, in its order.
    operator : (place, channel) float64 ndarray
        Applied to each trial.

    Raises
    ------
    GeometryError
        Shapes that do not fit, or values that are no numbers.
    """

    names: tuple[str, ...]
    xyz_mm: FloatArray
    channels: tuple[str, ...]
    operator: FloatArray

    def __post_init__(self) -> None:
        n = len(self.names)
        if self.xyz_mm.shape != (n, 3) or self.operator.shape != (n, len(self.channels)):
            raise GeometryError(
                f"expected {n} places in mm and an operator of {n} by {len(self.channels)}, found {self.xyz_mm.shape} "
                f"and {self.operator.shape}"
            )
        if not (np.isfinite(self.xyz_mm).all() and np.isfinite(self.operator).all()):
            raise GeometryError("places or their operator hold values that are no numbers")

    def of(self, trials: Trials) -> FloatArray:
        """Time series of each place; (trial, place, sample) float64 ndarray.

        Raises
        ------
        SignalError
            A channel that the operator takes is bad or absent.
        """
        lost = [name for name in self.channels if name not in trials.names or name in trials.bads]
        if lost:
            raise SignalError(
                f"channels that are needed are bad or absent: {', '.join(lost)}",
                where=trials.source or None,
                fix="interpolate them, or make the operator for the good channels",
            )
        rows = [trials.names.index(name) for name in self.channels]
        return np.asarray(np.einsum("pc,tcs->tps", self.operator, trials.data[:, rows], optimize=True))


def sensors(trials: Trials) -> Places:
    """Return the good electrodes, against their average.

    Raises
    ------
    SignalError
        Fewer than four good channels.
    """
    good = trials.good
    if good.sum() < _LEAST_CHANNELS:
        raise SignalError(
            f"{int(good.sum())} good channels of {len(good)}; an average reference needs at least {_LEAST_CHANNELS}",
            where=trials.source or None,
        )
    montage = trials.montage.only(good)
    n = len(montage.names)
    return Places(montage.names, montage.xyz_head_mm, montage.names, np.eye(n) - 1 / n)


def near(places: Places, at: str | FloatArray, *, options: Neighbourhood) -> BoolArray:
    """Return which places stand for a site; (place,).

    Parameters
    ----------
    places : Places
    at : str or (3,) float ndarray
        A site of data/tmseeg_measures.toml, the name of a place, or a point in mm.
    options : Neighbourhood

    Raises
    ------
    OptionError
        A name that is neither, or a point that is none.
    SignalError
        Fewer than two places near, or none left away from it.
    """
    point = places.xyz_mm[_named(places, at)] if isinstance(at, str) else np.asarray(at, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise OptionError(f"expected a place of three coordinates in mm, found {at!r}")
    away = np.linalg.norm(places.xyz_mm - point, axis=1)
    if options.neighbourhood == "radius":
        found = np.asarray(away <= options.radius_mm)
    else:
        found = np.zeros(len(away), dtype=np.bool_)
        found[np.argsort(away, kind="stable")[: options.nearest]] = True
    if not 2 <= found.sum() < len(found):
        raise SignalError(
            f"{int(found.sum())} of {len(found)} places stand for the site; at least two must, and some must not",
            fix="choose another radius or number of nearest places",
        )
    return found


def place_of(trials: Trials, at: str | FloatArray | None = None) -> FloatArray:
    """Return the stimulated site's place in head coordinates, mm; an electrode counts there even where it is bad.

    Parameters
    ----------
    trials : Trials
    at : str or (3,) float ndarray, optional
        As in `near`; else the trials' own site.

    Raises
    ------
    OptionError
        A name that is neither a site nor an electrode, or a site whose electrode is not in the montage.
    """
    if at is not None and not isinstance(at, str):
        return np.asarray(at, dtype=np.float64)
    montage = trials.montage
    whole = Places(montage.names, montage.xyz_head_mm, montage.names, np.eye(len(montage.names)))
    point: FloatArray = whole.xyz_mm[_named(whole, trials.site if at is None else at)]
    return point


def distances_mm(places: Places, pairs: IntArray) -> FloatArray:
    """Straight distance between the places of each pair, mm; (pair,)."""
    return np.asarray(np.linalg.norm(places.xyz_mm[pairs[:, 0]] - places.xyz_mm[pairs[:, 1]], axis=1))


def _named(places: Places, name: str) -> int:
    if name in places.names:
        return places.names.index(name)
    electrodes: dict[str, list[str]] = facts.load("tmseeg_measures")["sites"]["electrodes"]
    standing = electrodes.get(name, [])
    found = next((one for one in standing if one in places.names), None)
    if found is not None:
        return places.names.index(found)
    if standing:
        raise OptionError(
            f"none of the electrodes that stand for {name} is there ({', '.join(standing)})",
            fix="name another one, or give the coil's place in mm",
        )
    raise OptionError(
        f"where the site {name!r} lies is not known",
        fix=f"name one of {', '.join(electrodes)}, an electrode, or a place in mm",
    )
