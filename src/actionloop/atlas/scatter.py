"""How far SCAN nodes and AMN islands scatter over people, and who has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from actionloop import facts
from actionloop.atlas.hits import Rate, rate
from actionloop.atlas.matching import ABSENT
from actionloop.brain import Geodesic, unfolded
from actionloop.errors import EmptyRegionError, OptionError
from actionloop.types import Anatomy, FloatArray, Hemisphere, IntArray, Surface

_FIRST_MM = 15.0


@dataclass(frozen=True, eq=False)
class Distances:
    """How far people's centres lie from where the others' are.

    Attributes
    ----------
    each_mm : (person,) float64 ndarray
        NaN where the piece is absent.
    median_mm : float
    median_low_mm, median_high_mm : float
        Interval of the median from order statistics, at least `level` of data/atlas.toml; NaN with too few people.
    largest_mm : float
        95th percentile.
    """

    each_mm: FloatArray
    median_mm: float
    median_low_mm: float
    median_high_mm: float
    largest_mm: float


@dataclass(frozen=True, eq=False)
class Scatter:
    """Where one part of a network lies in many people.

    Attributes
    ----------
    name : str
    hemisphere : {'L', 'R'}
    presence : Rate
        In how many people it was found.
    vertices : (person,) int ndarray
        Mesh vertex of its centre; -1 where it is absent.
    centre_vertex : int
        Vertex nearest the mean centre on the template's unfolded cortex.
    centre_mni : (3,) float64 ndarray
        That vertex on the template's midthickness, mm.
    cortex : Distances
        From a person's centre to the middle of the *others*, as for somebody new: along the template's midthickness,
        exact; 60 mm stand for more.
    straight : Distances
        Likewise straight through MNI space, to the others' mean.
    spread_mm : (3,) float64 ndarray
        SD of the MNI centres along their principal directions, largest first.
    directions : (3, 3) float64 ndarray
        Those directions, one a row, unit length in RAS; the largest component of each is positive.
    """

    name: str
    hemisphere: Hemisphere
    presence: Rate
    vertices: IntArray
    centre_vertex: int
    centre_mni: FloatArray
    cortex: Distances
    straight: Distances
    spread_mm: FloatArray
    directions: FloatArray


def scatter(centres: IntArray, template: Anatomy, *, name: str, hemisphere: Hemisphere) -> Scatter:
    """Measure how far one part scatters.

    Parameters
    ----------
    centres : (person,) int ndarray
        Mesh vertices from `matching.node_centres` or `matching.island_centres`.
    template : Anatomy
        In MNI space.
    name : str
    hemisphere : {'L', 'R'}

    Returns
    -------
    Scatter

    Raises
    ------
    EmptyRegionError
        Too few people have it.
    OptionError
        Vertices that the template has not.
    """
    settings = facts.load("atlas")["scatter"]
    surface, flat = template.surface(hemisphere), unfolded(template, hemisphere)
    centres = np.asarray(centres)
    if centres.ndim != 1 or (centres < ABSENT).any() or (centres >= surface.n_vertices).any():
        raise OptionError(f"expected for each person a vertex below {surface.n_vertices}, or {ABSENT}")
    have, least = np.flatnonzero(centres != ABSENT), int(settings["least_people"])
    if len(have) < least:
        raise EmptyRegionError(f"{name} {hemisphere}: found in {len(have)} people; its scatter needs {least}")
    own = centres[have]
    xyz = surface.vertices[own].astype(np.float64)
    cortex, straight = (np.full(len(centres), np.nan) for _ in range(2))
    cortex[have] = _to_others(own, surface, flat, float(settings["far_mm"]))
    straight[have] = np.linalg.norm(xyz - (xyz.sum(axis=0) - xyz) / (len(have) - 1), axis=1)
    centre = middle(own, flat)
    spread, directions = principal_directions(xyz)
    return Scatter(
        name=name,
        hemisphere=hemisphere,
        presence=rate(len(have), len(centres)),
        vertices=centres,
        centre_vertex=centre,
        centre_mni=surface.vertices[centre].astype(np.float64),
        cortex=_summed_up(cortex),
        straight=_summed_up(straight),
        spread_mm=spread,
        directions=directions,
    )


def left_out_places(centres: IntArray, template: Anatomy, hemisphere: Hemisphere) -> IntArray:
    """Find for each person where the others' centres have their middle.

    Parameters
    ----------
    centres : (person,) int ndarray
        As for `scatter`.
    template : Anatomy
    hemisphere : {'L', 'R'}

    Returns
    -------
    (person,) int64 ndarray
        Mesh vertices; for `hits.left_out_chance`.

    Raises
    ------
    EmptyRegionError
        Nobody is left to find a place from.
    """
    centres = np.asarray(centres)
    have = centres != ABSENT
    if have.sum() < 2:
        raise EmptyRegionError("a group's place without one person needs two people who have the piece")
    flat = unfolded(template, hemisphere)
    everybody = middle(centres[have], flat)
    found = np.full(len(centres), everybody, dtype=np.int64)
    for person in np.flatnonzero(have).tolist():
        found[person] = middle(np.delete(centres, person)[np.delete(have, person)], flat)
    return found


def middle(vertices: IntArray, flat: Surface) -> int:
    """Vertex of the unfolded cortex nearest the mean of some of its vertices.

    Parameters
    ----------
    vertices : (person,) int ndarray
    flat : Surface
        From `brain.unfolded`.

    Returns
    -------
    int
        Any mesh vertex, not only one of these.
    """
    mean = flat.vertices[vertices].astype(np.float64).mean(axis=0)
    if flat.kind == "sphere" and np.linalg.norm(mean) > 0:
        mean *= np.linalg.norm(flat.vertices[vertices], axis=1).mean() / np.linalg.norm(mean)
    return int(np.linalg.norm(flat.vertices - mean, axis=1).argmin())


def principal_directions(xyz: FloatArray) -> tuple[FloatArray, FloatArray]:
    """SD along the principal directions of some points, largest first, and the directions as rows; (3,), (3, 3)."""
    value, vector = np.linalg.eigh(np.cov(xyz.T))
    directions = vector.T[::-1]
    sign = np.sign(directions[np.arange(3), np.abs(directions).argmax(axis=1)])
    return np.sqrt(np.maximum(value[::-1], 0)), directions * sign[:, None]


def _summed_up(each_mm: FloatArray) -> Distances:
    known = np.sort(each_mm[np.isfinite(each_mm)])
    level = float(facts.load("atlas")["hits"]["level"])
    # The k-th of n from either end: the median lies between them but with chance 2 P(Binomial(n, 1/2) < k).
    k = int(stats.binom.ppf((1 - level) / 2, len(known), 0.5))
    low, high = (float(known[k - 1]), float(known[-k])) if k > 0 else (np.nan, np.nan)
    median, largest = np.quantile(known, [0.5, 0.95])
    return Distances(each_mm, float(median), low, high, float(largest))


def _to_others(own: IntArray, surface: Surface, flat: Surface, far_mm: float) -> FloatArray:
    """Exact distance along the cortex from each centre to the middle of the others."""
    geodesic = Geodesic(surface)
    middles = np.array([middle(np.delete(own, one), flat) for one in range(len(own))])
    found = np.empty(len(own))
    for at in np.unique(middles).tolist():
        here = np.flatnonzero(middles == at)
        # Exact distances cost by the area searched: mostly a small one holds all.
        radius_mm = min(_FIRST_MM, far_mm)
        away_mm = geodesic.near(at, radius_mm)[own[here]]
        while np.isinf(away_mm).any() and radius_mm < far_mm:
            radius_mm = min(2 * radius_mm, far_mm)
            away_mm = geodesic.near(at, radius_mm)[own[here]]
        found[here] = np.minimum(away_mm, far_mm)
    return found
