"""The stimulated sites of lowest and highest global connectivity, and how sure the trials are of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from actionloop import facts
from actionloop.errors import InputError, OptionError, SignalError
from actionloop.tmseeg.connectivity import (
    Connectivity,
    ConnectivityOptions,
    measure_connectivity,
    percentile_interval,
)
from actionloop.tmseeg.places import Places
from actionloop.tmseeg.spread import drawn_together
from actionloop.types import FloatArray, IntArray, Trials

_SAME_RATE = 1e-6


def _default(name: str) -> Any:
    return field(default_factory=lambda: facts.load("tmseeg_measures")["choice"][name])


@dataclass(frozen=True)
class ChoiceOptions:
    """By what sites are compared; the values of data/tmseeg_measures.toml unless given.

    Attributes
    ----------
    bands : tuple of str
        Averaged with equal weight.
    window : str
    least_trials, few_trials : int
        Fewer than the first are refused, fewer than the second marked.
    draws : int
    level : float
        Of intervals.
    between : float
        Scale of the prior of how far apart sites lie.
    sure : float
        A P(rank 1) below this is a near tie.
    cover : float
        Sites named in a near tie hold at least so much of P(rank 1).
    """

    bands: tuple[str, ...] = field(default_factory=lambda: tuple(facts.load("tmseeg_measures")["choice"]["bands"]))
    window: str = _default("window")
    least_trials: int = _default("least_trials")
    few_trials: int = _default("few_trials")
    draws: int = _default("draws")
    level: float = _default("level")
    between: float = _default("between")
    sure: float = _default("sure")
    cover: float = _default("cover")

    def __post_init__(self) -> None:
        shares = {"level": self.level, "sure": self.sure, "cover": self.cover}
        for name, value in shares.items():
            if not 0 < value < 1:
                raise OptionError(f"{name} is {value:g}", fix="give a share between 0 and 1")
        if self.least_trials < 2 or self.draws < 2:
            raise OptionError(f"expected at least 2 trials and draws, found {self.least_trials} and {self.draws}")


@dataclass(frozen=True, eq=False)
class Rank:
    """Which site comes first at one end.

    Attributes
    ----------
    end : {'lowest', 'highest'}
    first : str
        The site whose estimate comes first.
    p_first : (site,) float64 ndarray
        Chance that each site comes first: share of trials drawn anew, sites drawn together as `spread.drawn_together`
        says.
    is_tie : bool
        No site comes first in `sure` of the draws: no site is picked.
    tied : tuple of str
        In a near tie the sites between which the trials do not decide, the likeliest first; else the first alone.
    """

    end: str
    first: str
    p_first: FloatArray
    is_tie: bool
    tied: tuple[str, ...]

    @property
    def pick(self) -> str | None:
        """The site, or None in a near tie."""
        return None if self.is_tie else self.first


@dataclass(frozen=True, eq=False)
class SiteChoice:
    """Sites ranked by one connectivity value each.

    Attributes
    ----------
    sites : tuple of str
    value : (site,) float64 ndarray
    interval : (2, site) float64 ndarray
    lowest, highest : Rank
    """

    sites: tuple[str, ...]
    value: FloatArray
    interval: FloatArray
    lowest: Rank
    highest: Rank


@dataclass(frozen=True, eq=False)
class PersonChoice:
    """One person's sites, measured on equally many trials, and the choice between them.

    Attributes
    ----------
    ranking : SiteChoice
        By global connectivity.
    connectivity : dict of str to Connectivity
    kept : dict of str to (trial,) int ndarray
        Trials of each site that were used, ascending.
    local_m1 : tuple of float or None
        Local connectivity of M1 in the same bands and window, with the ends of its interval; None without M1.
    few : bool
        Fewer trials than `few_trials`.
    options : ChoiceOptions
    """

    ranking: SiteChoice
    connectivity: dict[str, Connectivity]
    kept: dict[str, IntArray]
    local_m1: tuple[float, float, float] | None
    few: bool
    options: ChoiceOptions


def rank_sites(
    value: Mapping[str, float],
    drawn: Mapping[str, FloatArray],
    *,
    rng: Generator,
    options: ChoiceOptions | None = None,
) -> SiteChoice:
    """Rank sites by their values and by values of trials drawn anew in each of them apart.

    Parameters
    ----------
    value : mapping of site to float
    drawn : mapping of site to (draw,) float ndarray
    rng : Generator
    options : ChoiceOptions, optional

    Returns
    -------
    SiteChoice

    Raises
    ------
    OptionError
        Fewer than two sites, or draws of other sites or lengths.
    """
    options = options or ChoiceOptions()
    sites = tuple(value)
    if len(sites) < 2 or set(sites) != set(drawn) or len({len(drawn[site]) for site in sites}) != 1:
        raise OptionError(f"expected two or more sites with equally many draws, found {', '.join(sites) or 'none'}")
    numbers = np.array([value[site] for site in sites])
    table = np.stack([drawn[site] for site in sites], axis=1)
    if not (np.isfinite(numbers).all() and np.isfinite(table).all()):
        raise OptionError("values of the sites that are no numbers cannot be ranked")
    together = drawn_together(numbers, table, scale=options.between, rng=rng)
    return SiteChoice(
        sites=sites,
        value=numbers,
        interval=percentile_interval(table, options.level),
        lowest=_rank("lowest", sites, -numbers, -together, options),
        highest=_rank("highest", sites, numbers, together, options),
    )


def choose_site(
    trials: Mapping[str, Trials],
    *,
    rng: Generator,
    at: Mapping[str, str | FloatArray] | None = None,
    places: Places | None = None,
    measured: ConnectivityOptions | None = None,
    options: ChoiceOptions | None = None,
    sites: tuple[str, ...] | None = None,
) -> PersonChoice:
    """Measure every site on equally many trials and rank them by global connectivity.

    Parameters
    ----------
    trials : mapping of site to Trials
        Cleaned.
    rng : Generator
        Draws the trials that are kept, and those drawn anew.
    at : mapping of site to str or (3,) float ndarray, optional
        As in `measure_connectivity`.
    places : Places, optional
    measured : ConnectivityOptions, optional
    options : ChoiceOptions, optional
    sites : tuple of str, optional
        Sites that must be there; else the four of data/tmseeg_measures.toml.

    Returns
    -------
    PersonChoice

    Raises
    ------
    InputError
        A site is missing.
    SignalError
        Other channels or sampling rates among the sites, or too few trials.
    OptionError
        As `measure_connectivity`, and a window too short for one of the bands.
    """
    options, measured = options or ChoiceOptions(), measured or ConnectivityOptions()
    wanted = sites or tuple(facts.load("tmseeg_measures")["sites"]["names"])
    alike = _comparable({site: trials[site] for site in wanted if site in trials}, wanted, options)
    fewest = min(len(one.data) for one in alike.values())
    kept: dict[str, IntArray] = {site: np.sort(rng.permutation(len(one.data))[:fewest]) for site, one in alike.items()}
    found = {
        site: measure_connectivity(
            one.with_data(one.data[kept[site]]),
            at=(at or {}).get(site, site),
            places=places,
            options=measured,
            draws=options.draws,
            rng=rng,
        )
        for site, one in alike.items()
    }
    means = {site: one.mean("global", options.bands, options.window) for site, one in found.items()}
    ranking = rank_sites(
        {site: mean for site, (mean, _) in means.items()},
        {site: some for site, (_, some) in means.items()},
        rng=rng,
        options=options,
    )
    local = None
    if "M1" in found:
        mean, drawn = found["M1"].mean("local", options.bands, options.window)
        low, high = percentile_interval(drawn, options.level)
        local = mean, float(low), float(high)
    return PersonChoice(ranking, found, kept, local, fewest < options.few_trials, options)


def _rank(end: str, sites: tuple[str, ...], numbers: FloatArray, table: FloatArray, options: ChoiceOptions) -> Rank:
    """Rank by the largest value."""
    p_first = np.bincount(table.argmax(axis=1), minlength=len(sites)) / len(table)
    first = int(numbers.argmax())
    is_tie = bool(p_first[first] < options.sure)
    order = np.lexsort((-numbers, -p_first))
    n = int(np.searchsorted(np.cumsum(p_first[order]), options.cover - 1e-12)) + 1
    named = {*order[:n].tolist(), first}
    tied = tuple(sites[k] for k in order if k in named) if is_tie else (sites[first],)
    return Rank(end, sites[first], p_first, is_tie, tied)


def _comparable(trials: dict[str, Trials], wanted: tuple[str, ...], options: ChoiceOptions) -> dict[str, Trials]:
    """Refuse sites that cannot be compared; channels that are bad at one site are left out at all."""
    missing = [site for site in wanted if site not in trials]
    if missing or len(wanted) < 2:
        raise InputError(
            f"expected TMS-EEG of {', '.join(wanted)}; {', '.join(missing) or 'a second site'} is missing",
            fix="add its recording, or name the two or more sites that are to be compared",
        )
    first = trials[wanted[0]]
    for site, one in trials.items():
        if one.names != first.names:
            differ = sorted(set(one.names) ^ set(first.names)) or ["their order"]
            raise SignalError(
                f"{wanted[0]} and {site} have other channels: {', '.join(differ)}",
                where=one.source or None,
                fix="compare recordings of one montage, with the same channels in the same order",
            )
        if abs(one.sfreq_hz - first.sfreq_hz) > _SAME_RATE:
            raise SignalError(
                f"{wanted[0]} was sampled at {first.sfreq_hz:g} Hz and {site} at {one.sfreq_hz:g} Hz",
                where=one.source or None,
                fix="resample all sites to one rate",
            )
        if one.condition != first.condition:
            raise SignalError(
                f"{wanted[0]} was recorded as {first.condition!r} and {site} as {one.condition!r}",
                where=one.source or None,
                fix="compare sites of one condition",
            )
        if len(one.data) < options.least_trials:
            raise SignalError(
                f"{site} has {len(one.data)} trials; the choice of a site needs {options.least_trials} at each",
                where=one.source or None,
                fix="record more trials, or reject fewer",
            )
    bads = tuple(name for name in first.names if any(name in one.bads for one in trials.values()))
    return {site: replace(one, bads=bads) for site, one in trials.items()}
