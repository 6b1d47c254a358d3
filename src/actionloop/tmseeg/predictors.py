"""What has been published to differ at M1 between people whom rTMS helped and others, as features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.tmseeg.bands import Grid, default_bands
from actionloop.tmseeg.connectivity import ConnectivityOptions, percentile_interval
from actionloop.tmseeg.evoked import global_field_power, local_field_power
from actionloop.tmseeg.oscillation import measure_oscillation
from actionloop.tmseeg.places import near, place_of, sensors
from actionloop.types import FloatArray, Trials

_MICROVOLT = 1e6


@dataclass(frozen=True)
class Predictor:
    """One feature of one person.

    Attributes
    ----------
    name : str
        Such as 'GMFP' or 'ITC alpha'.
    value : float
    low, high : float
        Interval.
    unit : str
    direction : str
        'lower' when responders had lower values; '' when no difference was published.
    source : str
        '' when no difference was published.
    carried : bool
        The window is long enough for the band; True of field power.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    direction: str
    source: str
    carried: bool = True


def m1_predictors(
    trials: Trials,
    *,
    rng: Generator,
    at: str | FloatArray | None = None,
    grid: Grid | None = None,
    draws: int | None = None,
    level: float | None = None,
) -> tuple[Predictor, ...]:
    """GMFP, LMFP, ERSP and ITC after M1 pulses, with intervals.

    In 43 people with chronic pain those whom 10 Hz rTMS of M1 helped had lower GMFP, LMFP, alpha ERSP and alpha ITC
    before treatment [1]_; nobody has confirmed it in other people. Windows were not in what was read.

    Parameters
    ----------
    trials : Trials
        Of M1.
    rng : Generator
    at : str or (3,) float ndarray, optional
        Electrode under the coil or the coil's place in head coordinates; else that of data/tmseeg_measures.toml.
    grid : Grid, optional
        Its bands are replaced by the published ones.
    draws : int, optional
    level : float, optional

    Returns
    -------
    tuple of Predictor
        In V scaled to µV, dB, and shares.

    Raises
    ------
    OptionError
        Trials of another site, or a place that is not known.
    SignalError
        As `measure_oscillation`.

    References
    ----------
    .. [1] De Martino E et al. 2025, medRxiv 10.1101/2025.10.11.25337793
    """
    wanted, choice = facts.load("tmseeg_measures")["predictors"], facts.load("tmseeg_measures")["choice"]
    draws, level = draws or int(choice["draws"]), level or float(choice["level"])
    if trials.site != "M1":
        raise OptionError(
            f"these predictors are of M1, the trials of {trials.site or 'a site without a name'}",
            where=trials.source or None,
            fix="give the trials of M1",
        )
    grid = replace(grid or Grid(), bands=default_bands(wanted["bands"]))
    places = sensors(trials)
    options = ConnectivityOptions(neighbourhood="nearest", nearest=int(wanted["nearest"]))
    found = near(places, place_of(trials, at), options=options)
    names = tuple(places.names[k] for k in np.flatnonzero(found))
    column = grid.window_index(wanted["window"])
    powers = {
        "GMFP": global_field_power(trials, baseline=grid.before, draws=draws, rng=rng),
        "LMFP": local_field_power(trials, names, baseline=grid.before, draws=draws, rng=rng),
    }
    made = []
    for name, power in powers.items():
        mean, drawn = power.mean(grid.windows[column])
        low, high = percentile_interval(drawn, level)
        value, ends = mean * _MICROVOLT, (float(low) * _MICROVOLT, float(high) * _MICROVOLT)
        made.append(_predictor(name, value, ends, "µV", wanted))
    found_here = measure_oscillation(trials, names=names, grid=grid, averaged=True)
    for what, label, unit in (("ersp_db", "ERSP", "dB"), ("itc", "ITC", "")):
        table, interval = getattr(found_here, what)[0], found_here.interval(what, level)[:, 0]
        for row, band in enumerate(grid.bands):
            ends = float(interval[0, row, column]), float(interval[1, row, column])
            one = _predictor(f"{label} {band.name}", float(table[row, column]), ends, unit, wanted)
            made.append(replace(one, carried=bool(grid.carried[row, column])))
    return tuple(made)


def _predictor(name: str, value: float, ends: tuple[float, float], unit: str, wanted: dict[str, Any]) -> Predictor:
    known = name in wanted["published"]
    return Predictor(
        name,
        value,
        *ends,
        unit=unit,
        direction=wanted["direction"] if known else "",
        source=wanted["source"] if known else "",
    )
