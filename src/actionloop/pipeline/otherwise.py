"""The same person's map made otherwise: global signal, breathing, motion, prior; and where the targets go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop import facts, signal
from actionloop.arrays import side_by_side
from actionloop.errors import ActionloopError
from actionloop.files import PersonFiles
from actionloop.pipeline.breathing import read_traces
from actionloop.pipeline.controls import Make, Say, without_global_signal
from actionloop.pipeline.series import PersonSeries
from actionloop.reliability import found, respiration, variants
from actionloop.reliability.matching import Ruler
from actionloop.types import BoolArray, NetworkMap, Prior, Timeseries

Rows = list[dict[str, Any]]

_WITHOUT_BREATHING = "with the global signal and breathing regressed"
_BY_MOTION = "half that moved less against half that moved more"


@dataclass(frozen=True, eq=False)
class Otherwise:
    """What it takes to make a person's map otherwise and to compare.

    Attributes
    ----------
    loaded : PersonSeries
    own : NetworkMap
        The person's map on the cortical vertices.
    make : callable
        Maps a series of the same rows to the cortical vertices, as `Recipe.maker` returns it.
    ruler : Ruler
        With the person's targets.
    prior : Prior or None
        On the cortical vertices.
    with_global_signal : callable, optional
        Loads the same series before the global signal was removed; none where another program removed it.
    band_hz : (float, float) or None
        Filter of the runs that were cleaned here.
    at_once : bool
        Maps of halves are made at the same time; not for a method that uses all cores itself.
    """

    loaded: PersonSeries
    own: NetworkMap
    make: Make
    ruler: Ruler
    prior: Prior | None
    with_global_signal: Callable[[], Timeseries] | None = None
    band_hz: tuple[float, float] | None = None
    at_once: bool = False


def variant_controls(
    person: PersonFiles,
    otherwise: Otherwise,
    *,
    halves: found.Halves | None = None,
    seed: int = 0,
    say: Say = lambda _: None,
) -> Rows:
    """Make a person's map otherwise, and say where each target goes.

    Four more maps: without (or with) the global signal, without what breathing explains, of the frames that moved less
    and of those that moved more. The prior alone needs none.

    Parameters
    ----------
    person : PersonFiles
        Whose motion tables are read.
    otherwise : Otherwise
    halves : found.Halves, optional
        Of alternate blocks, whatever the motion: what the split by motion is read beside. Without it a split at
        random is made, for two more maps.
    seed : int
        Of that split, and of the surrogates of the regressors.
    say : callable
        Gets one line per control.

    Returns
    -------
    list of dict
        As `variants.ControlRow`. A control that cannot be made leaves one row that says why.
    """
    rng = np.random.default_rng([seed, 0])
    own_global = respiration.has_global_signal(otherwise.loaded.series)
    before = None if own_global or otherwise.with_global_signal is None else otherwise.with_global_signal()
    rows: Rows = []
    say("mapping with and without the global signal")
    rows += _guarded("global signal", "with or without the global signal", lambda: _global(otherwise, before))
    say("mapping without what breathing explains")
    rows += _guarded("respiration", _WITHOUT_BREATHING, lambda: _breathing(person, otherwise, before, rng))
    before = None  # as large as the series itself
    say("mapping the frames that moved less, and those that moved more")
    rows += _guarded("motion", _BY_MOTION, lambda: _motion(otherwise, halves, rng))
    return rows + _guarded("prior", "from the prior alone", lambda: _prior(otherwise))


def _guarded(control: str, variant: str, work: Callable[[], Rows]) -> Rows:
    try:
        return work()
    except ActionloopError as error:
        return variants.not_done(control, variant, error.problem)


def _global(otherwise: Otherwise, before: Timeseries | None) -> Rows:
    series = otherwise.loaded.series
    if before is not None:
        other, variant = before, "without global signal regression"
    elif respiration.has_global_signal(series):
        other, variant = without_global_signal(series), "with the global signal regressed here"
    else:
        why = "the program that denoised the input removed the global signal, and it cannot be put back"
        return variants.not_done("global signal", "without global signal regression", why)
    made = otherwise.make(other)
    return variants.compare_variant(otherwise.own, made, otherwise.ruler, control="global signal", variant=variant)


def _breathing(person: PersonFiles, otherwise: Otherwise, before: Timeseries | None, rng: np.random.Generator) -> Rows:
    series = otherwise.loaded.series
    own_global = respiration.has_global_signal(series)
    source = series if own_global else before
    breathing = respiration.respiration_regressors(
        read_traces(person, otherwise.loaded, band_hz=otherwise.band_hz),
        tr_s=series.tr_s,
        global_signal=None if source is None else signal.global_signal(source),
    )
    if not breathing.names:
        return variants.not_done("respiration", _WITHOUT_BREATHING, breathing.words)
    base = without_global_signal(series) if own_global else series
    share = respiration.explained(base, breathing.columns)
    chance = respiration.explained_by_chance(base, breathing.columns, rng=rng)
    made = otherwise.make(respiration.remove_respiration(series, breathing, with_global_signal=own_global))
    note = f"{breathing.words}; they explain {share:.1%} of the variance, with random phases {chance:.1%}"
    return variants.compare_variant(
        otherwise.own, made, otherwise.ruler, control="respiration", variant=_WITHOUT_BREATHING, note=note
    )


def _motion(otherwise: Otherwise, halves: found.Halves | None, rng: np.random.Generator) -> Rows:
    series, own, ruler = otherwise.loaded.series, otherwise.own, otherwise.ruler
    fd_mm = otherwise.loaded.fd_of_frames()
    if fd_mm is None:
        return variants.not_done("motion", _BY_MOTION, "framewise displacement of the frames is not known")
    block_s = float(facts.load("reliability")["variants"]["block_s"]) if halves is None else halves.block_s
    length = max(1, round(block_s / series.tr_s))
    light, heavy = variants.motion_halves(fd_mm, length=length)
    note = f"mean displacement {fd_mm[light].mean():.3f} and {fd_mm[heavy].mean():.3f} mm"
    maps = _both(otherwise, light, heavy)
    rows = variants.compare_split(own, maps, ruler, control="motion", variant=_BY_MOTION, note=note)
    if halves is None:
        blind = _both(otherwise, *variants.random_halves(series.n_frames, length=length, rng=rng))
        variant = "two halves drawn at random"
    else:
        blind, variant = halves.maps, "two halves of alternate blocks, whatever the motion"
    note = f"blocks of {length * series.tr_s:.0f} s in both splits"
    return rows + variants.compare_split(own, blind, ruler, control="motion", variant=variant, note=note)


def _both(otherwise: Otherwise, one: BoolArray, other: BoolArray) -> tuple[NetworkMap, NetworkMap]:
    halves = [signal.select_frames(otherwise.loaded.series, half) for half in (one, other)]
    for half in halves:
        signal.usable(half)
    first, second = side_by_side(otherwise.make, halves) if otherwise.at_once else map(otherwise.make, halves)
    return first, second


def _prior(otherwise: Otherwise) -> Rows:
    if otherwise.prior is None:
        return variants.not_done("prior", "from the prior alone", "the map was given, and no prior with it")
    return variants.compare_prior(otherwise.own, otherwise.prior, otherwise.ruler)
