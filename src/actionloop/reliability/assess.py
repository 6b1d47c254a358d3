"""Everything that tells how far one person's map and targets can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from actionloop import signal
from actionloop.networks import IterativeSettings
from actionloop.reliability.curve import agreement_curve
from actionloop.reliability.evidence import gather
from actionloop.reliability.found import Curve, Halves, Reliability, Resamples, Similarity
from actionloop.reliability.halves import cut, split_halves
from actionloop.reliability.heldout import held_out
from actionloop.reliability.places import Place
from actionloop.reliability.resample import Draws, resample_frames, resample_series
from actionloop.reliability.similarity import similarity
from actionloop.reliability.verdict import judge
from actionloop.types import Anatomy, BoolArray, FloatArray, NetworkMap, Prior, Timeseries


@dataclass(frozen=True, eq=False)
class Subject:
    """One person's scan and map, and how to make such a map.

    Attributes
    ----------
    series : Timeseries
        Cleaned, of the cortex.
    prior : Prior
        On the rows of the series.
    anatomy : Anatomy
    made : NetworkMap
        Of the whole scan.
    make : callable
        Maps a series as `made` was made.
    settings : IterativeSettings or None
        None where `made` was made by another method: every resample is mapped from the start then.
    exclude : (grayordinate,) bool ndarray or None
    at_once : bool
        Whether two maps may be made at the same time.
    on_vertices : callable
        Brings a series to the rows of `made`; for parcels, which `make` maps as they are.
    with_similarity : bool
        Whether the prior's templates fit the rows of the series.
    """

    series: Timeseries
    prior: Prior
    anatomy: Anatomy
    made: NetworkMap
    make: Callable[[Timeseries], NetworkMap]
    settings: IterativeSettings | None
    exclude: BoolArray | None = None
    at_once: bool = False
    on_vertices: Callable[[Timeseries], Timeseries] = lambda series: series
    with_similarity: bool = True


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured of a scan before anything is judged; see `Reliability` and `held_out`."""

    halves: Halves
    resamples: Resamples
    curve: Curve
    similarity: Similarity | None
    held: FloatArray


def measure(subject: Subject, places: Sequence[Place], *, draws: Draws | None = None) -> Measures:
    """Measure halves, resamples, curve and similarity of one scan.

    Parameters
    ----------
    subject : Subject
    places : sequence of Place
        Of the targets.
    draws : Draws, optional

    Returns
    -------
    Measures

    Raises
    ------
    SignalError
        The scan is too short for two halves.
    """
    series, make = subject.series, subject.make
    pair, _ = cut(series)
    halves = split_halves(series, make, at_once=subject.at_once)
    curve = agreement_curve(series, make, halves=halves, at_once=subject.at_once)
    basis = signal.compress(series)
    found = (
        resample_series(series, make, made=subject.made, places=places, draws=draws)
        if subject.settings is None
        else resample_frames(
            basis,
            subject.prior,
            subject.anatomy,
            made=subject.made,
            places=places,
            settings=subject.settings,
            exclude=subject.exclude,
            draws=draws,
        )
    )
    return Measures(
        halves,
        found,
        curve,
        similarity(basis, subject.prior, subject.anatomy, exclude=subject.exclude) if subject.with_similarity else None,
        held_out((subject.on_vertices(pair[0]), subject.on_vertices(pair[1])), halves.maps, places, subject.anatomy),
    )


def assess(measured: Measures, places: Sequence[Place], *, minutes: float, calibrated: bool) -> Reliability:
    """Judge every target.

    Parameters
    ----------
    measured : Measures
    places : sequence of Place
    minutes : float
        Usable minutes that were mapped.
    calibrated : bool
        Whether the map was made as those were on which the verdict is calibrated; otherwise no target is better than
        'caution'.

    Returns
    -------
    Reliability
    """
    evidence = gather(
        places, measured.halves, measured.resamples, measured.held, names=measured.halves.maps[0].names, minutes=minutes
    )
    targets = [judge(place, one, curve=measured.curve) for place, one in zip(places, evidence, strict=True)]
    if not calibrated:
        said = "This way of mapping is not the one the probability was calibrated on."
        targets = [
            replace(one, verdict="caution" if one.verdict == "use" else one.verdict, reasons=(*one.reasons, said))
            for one in targets
        ]
    return Reliability(
        minutes, measured.halves, measured.resamples, measured.curve, measured.similarity, tuple(targets)
    )
