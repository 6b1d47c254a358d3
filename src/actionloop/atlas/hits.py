"""The chance that a fixed place hits a network in somebody new."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.brain import Geodesic
from actionloop.errors import GeometryError, InputError, OptionError
from actionloop.types import Anatomy, FloatArray, Hemisphere, IntArray, NetworkMap


@dataclass(frozen=True)
class Rate:
    """A share of people, with its interval.

    Attributes
    ----------
    count, people : int
    share : float
    low, high : float
        Jeffreys interval [1]_.
    level : float
        Of the interval.

    References
    ----------
    .. [1] Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286
    """

    count: int
    people: int
    share: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, eq=False)
class FixedSite:
    """A place that is the same in everybody.

    Attributes
    ----------
    name : str
    hemisphere : {'L', 'R'}
    vertex : int
        Of the template's mesh.
    xyz_mni : (3,) float64 ndarray
        That vertex on the template's midthickness.
    moved_mm : float
        From the point that was asked for to that vertex.
    """

    name: str
    hemisphere: Hemisphere
    vertex: int
    xyz_mni: FloatArray
    moved_mm: float


@dataclass(frozen=True, eq=False)
class SiteChance:
    """How often a place hits a network.

    Attributes
    ----------
    site : str
    hemisphere : {'L', 'R'}
    network : str
    hit : Rate
        The place itself carries the network; of the people with data there.
    near : Rate
        The network lies no farther than `within_mm` along the template's cortex; of the same people.
    within_mm : float
    """

    site: str
    hemisphere: Hemisphere
    network: str
    hit: Rate
    near: Rate
    within_mm: float


def rate(count: int, people: int, *, level: float | None = None) -> Rate:
    """Return a share of people with its Jeffreys interval.

    Parameters
    ----------
    count, people : int
    level : float, optional
        0.95 (data/atlas.toml) unless given.

    Returns
    -------
    Rate
        The interval reaches 0 where nobody, and 1 where everybody is counted.

    Raises
    ------
    InputError
        Nobody, or more counted than there are.
    OptionError
        A level that is none.
    """
    level = float(facts.load("atlas")["hits"]["level"]) if level is None else level
    if not 0 <= count <= people or people < 1:
        raise InputError(f"{count} of {people} people are no share")
    if not 0 < level < 1:
        raise OptionError(f"expected a level between 0 and 1, found {level:g}")
    low, high = (float(stats.beta.ppf(share, count + 0.5, people - count + 0.5)) for share in _tails(level))
    return Rate(count, people, count / people, 0.0 if count == 0 else low, 1.0 if count == people else high, level)


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def place_site(xyz_mni: FloatArray, template: Anatomy, *, name: str, cortex: dict[Hemisphere, IntArray]) -> FixedSite:
    """Put an MNI point on the nearest cortical vertex of its side.

    Parameters
    ----------
    xyz_mni : (3,) float ndarray
        mm, RAS: left is negative.
    template : Anatomy
        In MNI space.
    name : str
    cortex : dict of hemisphere to (row,) int ndarray
        Vertices that may be chosen, without the medial wall: ``Grayordinates.left`` and ``right``.

    Returns
    -------
    FixedSite

    Raises
    ------
    GeometryError
        No point, a point without a side, or one that is not in the cortex.
    """
    settings = facts.load("atlas")["hits"]
    point = np.asarray(xyz_mni, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise GeometryError(f"expected {name} as x, y, z in MNI mm, found {xyz_mni}")
    words = ", ".join(f"{value:g}" for value in point)
    if abs(point[0]) <= float(settings["sideless_mm"]):
        raise GeometryError(
            f"{name} at {words} lies {abs(point[0]):g} mm from the midline and has no side",
            fix="give x of the side that is meant: left negative, right positive",
        )
    side: Hemisphere = "L" if point[0] < 0 else "R"
    places = template.surface(side).vertices[cortex[side]].astype(np.float64)
    away_mm = np.linalg.norm(places - point, axis=1)
    at = int(away_mm.argmin())
    if away_mm[at] > float(settings["off_cortex_mm"]):
        raise GeometryError(
            f"{name} at {words} lies {away_mm[at]:.0f} mm from the nearest cortex of the template",
            fix="check that the point is in MNI mm (RAS), and on the cortex",
        )
    return FixedSite(name, side, int(cortex[side][at]), places[at], float(away_mm[at]))


def site_chances(
    maps: Iterable[NetworkMap],
    sites: Sequence[FixedSite],
    template: Anatomy,
    *,
    networks: Sequence[str],
    within_mm: float | None = None,
) -> list[SiteChance]:
    """Count in how many people fixed places hit networks.

    A place that was not chosen on these people is as likely to hit in somebody new. For one that was, see
    `left_out_chance`.

    Parameters
    ----------
    maps : iterable of NetworkMap
        One a person; looked at one after another and not kept.
    sites : sequence of FixedSite
    template : Anatomy
        Whose vertices correspond to everybody's.
    networks : sequence of str
    within_mm : float, optional
        5 (data/atlas.toml) unless given.

    Returns
    -------
    list of SiteChance
        For each site every network.

    Raises
    ------
    InputError
        Nobody, or nobody with data at a site.
    OptionError
        No site or network.
    """
    if not sites or not networks:
        raise OptionError("expected one site and one network or more")
    within_mm = _within(within_mm)
    around = [_around(site.vertex, template, site.hemisphere, within_mm) for site in sites]
    counts = np.zeros((3, len(sites), len(networks)), dtype=np.int64)
    for one in maps:
        for number, (site, vertices) in enumerate(zip(sites, around, strict=True)):
            for column, name in enumerate(networks):
                counts[:, number, column] += _look(one, name, site.hemisphere, site.vertex, vertices)
    found = []
    for number, site in enumerate(sites):
        for column, name in enumerate(networks):
            people, hit, near = (int(count) for count in counts[:, number, column])
            if not people:
                raise InputError(f"nobody has data at {site.name} {site.hemisphere}")
            found.append(SiteChance(site.name, site.hemisphere, name, rate(hit, people), rate(near, people), within_mm))
    return found


def left_out_chance(
    maps: Iterable[NetworkMap],
    vertices: IntArray,
    template: Anatomy,
    *,
    place: tuple[str, Hemisphere],
    network: str,
    within_mm: float | None = None,
) -> SiteChance:
    """Count in how many people a group's place hits a network, the place being found without the person.

    Parameters
    ----------
    maps : iterable of NetworkMap
        One a person, looked at one after another and not kept.
    vertices : (person,) int ndarray
        The place as found from everybody else (see `scatter.left_out_places`), in the order of the maps.
    template : Anatomy
    place : (name, hemisphere)
    network : str
    within_mm : float, optional
        5 (data/atlas.toml) unless given.

    Returns
    -------
    SiteChance
        People without the piece count too: in them a group's place may miss.

    Raises
    ------
    InputError
        More or fewer maps than places, or nobody with data there.
    """
    within_mm = _within(within_mm)
    around: dict[int, IntArray] = {}
    counts, seen = np.zeros(3, dtype=np.int64), 0
    for one in maps:
        if seen >= len(vertices):
            raise InputError(f"there are more maps than the {len(vertices)} people of the places")
        vertex = int(vertices[seen])
        if vertex not in around:
            around[vertex] = _around(vertex, template, place[1], within_mm)
        counts += _look(one, network, place[1], vertex, around[vertex])
        seen += 1
    people, hit, near = (int(count) for count in counts)
    if seen != len(vertices) or not people:
        raise InputError(
            f"expected the maps of {len(vertices)} people with data at {place[0]} {place[1]}, found {seen} maps, "
            f"{people} with data there"
        )
    return SiteChance(place[0], place[1], network, rate(hit, people), rate(near, people), within_mm)


def _look(one: NetworkMap, network: str, side: Hemisphere, vertex: int, around: IntArray) -> tuple[bool, bool, bool]:
    """Tell whether a person has data at a vertex, the network there, and the network around it."""
    axis = one.grayordinates
    own, start = axis.vertices(side), axis.rows(side).start
    at = int(np.searchsorted(own, vertex))
    if at >= len(own) or own[at] != vertex:
        return False, False, False
    row = start + at
    if one.label[row] <= 0 and not one.probability[:, row].any():
        return False, False, False
    rows = start + np.flatnonzero(np.isin(own, around))
    key = one.key(network)
    return True, bool(one.label[row] == key), bool((one.label[rows] == key).any())


def _around(vertex: int, template: Anatomy, side: Hemisphere, within_mm: float) -> IntArray:
    return Geodesic(template.surface(side)).within(vertex, within_mm)


def _within(within_mm: float | None) -> float:
    within_mm = float(facts.load("atlas")["hits"]["within_mm"]) if within_mm is None else within_mm
    if not 0 <= within_mm < np.inf:
        raise OptionError(f"expected a distance of 0 mm or more, found {within_mm}")
    return within_mm
