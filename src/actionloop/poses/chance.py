"""How likely a pose stimulates its network, everything uncertain taken together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.field import TISSUES
from actionloop.poses.draws import Drawn, Maps, Spread, displaced, draw, log_factors, published_spread
from actionloop.poses.found import Chance
from actionloop.poses.hottest import Hottest, join, measure_strength, strongest
from actionloop.types import BoolArray, FloatArray, IntArray

PoseField = Callable[[FloatArray], FloatArray]
"""Fields of poses, (pose, 4, 4) to (pose, vertex, 3) V/m at 1 A/µs."""


@dataclass(frozen=True, eq=False)
class Aim:
    """Where the field is known, and what is to be hit.

    Attributes
    ----------
    area_mm2 : (vertex,) float ndarray
        Of both hemispheres' vertices, in the order of the field; 0 where there is no cortex (medial wall).
    side : (vertex,) bool ndarray
        Vertices of the target's hemisphere.
    target : (vertex,) bool ndarray
        Vertices that the field on the target is averaged over.
    centre_ras : (3,) float ndarray
        Middle of the head, mm: registration errors turn about it.

    Raises
    ------
    GeometryError
        Shapes that do not fit, areas that are no areas, or no cortex in the target.
    """

    area_mm2: FloatArray
    side: BoolArray
    target: BoolArray
    centre_ras: FloatArray

    def __post_init__(self) -> None:
        shape = self.area_mm2.shape
        if len(shape) != 1 or self.side.shape != shape or self.target.shape != shape or self.centre_ras.shape != (3,):
            raise GeometryError("areas, side and target of the cortex are not of the same vertices")
        if not (np.isfinite(self.area_mm2).all() and self.area_mm2.min(initial=0) >= 0):
            raise GeometryError("areas of vertices are negative or not finite")
        if not np.isfinite(self.centre_ras).all() or not self.area_mm2[self.target & self.side].sum() > 0:
            raise GeometryError("the target has no cortex on its side, or the middle of the head is not known")


def estimate_chance(
    field: PoseField,
    matrix: FloatArray,
    aim: Aim,
    maps: Maps,
    *,
    response: FloatArray | None = None,
    spread: Spread | None = None,
    n: int | None = None,
    rng: np.random.Generator,
) -> Chance:
    """Estimate by Monte Carlo how likely the strongest field lies on the target's network.

    In every draw a map is taken, the registration of image to head and the placement of the coil are off, and the
    tissues conduct otherwise than assumed. The strongest field is that on the part of the cortex, of both hemispheres,
    where |E| lies above `hit.percentile` of data/chance.toml (the 99.9th, by area). A draw is on target when more than
    `hit.least_share` (half) of that area belongs to the network in the draw's map, on the side of the target. The
    definition is ours. The share of such draws is multiplied by the calibrated probability that the target is where
    the map has it, which holds what resamples do not show (they scatter around one map); as the two overlap, the
    product is rather too low than too high.

    Parameters
    ----------
    field : callable
        Fields of poses near `matrix`, (pose, 4, 4) to (pose, vertex, 3), V/m at 1 A/µs, e.g. `NearbyPoses`. Where it
        has a method `missing`, that is asked how well it knows the poses drawn.
    matrix : (4, 4) float ndarray
        The pose as planned.
    aim : Aim
    maps : Maps
        On the same vertices.
    response : (5, vertex) float ndarray, optional
        `log_response` of the pose; without it conductivities are not varied.
    spread : Spread, optional
        Of data/chance.toml by default.
    n : int, optional
        Draws; `draws.n` of data/chance.toml by default.
    rng : Generator

    Returns
    -------
    Chance
        `alone` has the kinds that were varied, from the same draws (the first `draws.alone`); kinds other than the
        map are judged by what belongs to the network in most maps.

    Raises
    ------
    GeometryError
        A pose that is no rigid motion, or arrays on other vertices.
    OptionError
        Fewer than two draws.
    """
    n = int(facts.load("chance")["draws"]["n"]) if n is None else n
    spread = published_spread() if spread is None else spread
    if n < 2:
        raise OptionError(f"a chance needs at least 2 draws, found {n}")
    _require(matrix, aim, maps, response)
    drawn = draw(n, len(maps), spread, rng)
    poses = displaced(matrix, drawn, spread, centre_ras=aim.centre_ras)
    person = _Person(field, matrix, aim, response, drawn)
    every = person.look(spread)
    shares = every.shares(maps, drawn.maps)
    fixed = maps.members(np.array([0])) if len(maps) == 1 else _usual(maps)
    alone = {}
    if len(maps) > 1:
        alone["map"] = person.look(spread.only(), first=1).shares(maps, drawn.maps)
    fewer = int(facts.load("chance")["draws"]["alone"])
    for kind in ("registration", "placement", *(() if response is None else ("conductivity",))):
        alone[kind] = person.look(spread.only(kind), first=fewer).shares_of(fixed[0])
    hits = int(_hit(shares).sum())
    right = 1.0 if maps.right is None else maps.right
    low, high = np.percentile(every.target_v_per_m, (5, 95))
    likely = (hits + 1) / (n + 2)
    return Chance(
        on_target=hits / n * right,
        draws=n,
        shares=shares,
        map_right=right,
        alone={kind: float(_hit(found).mean()) for kind, found in alone.items()},
        target_range_v_per_m=(float(low), float(high)),
        standard_error=right * float(np.sqrt(likely * (1 - likely) / n)),
        notes=(*_notes(maps, response), *_unknown(field, poses)),
    )


class _Person:
    """Fields of the draws of one pose."""

    def __init__(
        self, field: PoseField, matrix: FloatArray, aim: Aim, response: FloatArray | None, drawn: Drawn
    ) -> None:
        self.field, self.matrix, self.aim, self.drawn = field, np.asarray(matrix, dtype=np.float64), aim, drawn
        self.response = None if response is None else np.ascontiguousarray(response, dtype=np.float32)
        known = facts.load("chance")
        self.limit_mm2 = (1 - float(known["hit"]["percentile"]) / 100) * float(aim.area_mm2.sum())
        self.at_once = int(known["draws"]["at_once"])
        weight = aim.area_mm2 * (aim.target & aim.side)
        self.target = np.flatnonzero(weight)
        self.weight = weight[self.target] / weight.sum()
        self.planned = self._field(self.matrix[None])
        nothing = np.zeros((1, len(TISSUES) - 1), dtype=np.float32)
        self.known: IntArray | None = None
        self.known = self._look(self.planned, nothing).vertices[0]

    def look(self, spread: Spread, *, first: int | None = None) -> Hottest:
        """Find the strongest field of every draw, or of the first ones."""
        poses = displaced(self.matrix, self.drawn, spread, centre_ras=self.aim.centre_ras)[:first]
        factors = log_factors(self.drawn, spread)[:first].astype(np.float32)
        still = bool((poses == poses[0]).all())
        found = []
        for start in range(0, len(poses), self.at_once):
            some = slice(start, start + self.at_once)
            found.append(self._look(self.planned if still else self._field(poses[some]), factors[some]))
        return join(found)

    def _field(self, poses: FloatArray) -> FloatArray:
        found = np.asarray(self.field(poses), dtype=np.float32)
        if found.shape != (len(poses), len(self.aim.area_mm2), 3):
            raise GeometryError(
                f"expected the field of {len(poses)} poses on {len(self.aim.area_mm2)} vertices, found {found.shape}"
            )
        return found

    def _look(self, field: FloatArray, factors: FloatArray) -> Hottest:
        area = self.aim.area_mm2
        strength = measure_strength(field, area, response=self.response, factors=factors)
        vertices, share = strongest(strength, area, limit_mm2=self.limit_mm2, known=self.known)
        on_target = field[:, self.target]
        if self.response is not None:
            on_target = on_target * np.exp(factors @ self.response[:, self.target])[..., None]
        mean = np.einsum("v,pvx->px", self.weight, on_target)
        lengths = np.broadcast_to(np.linalg.norm(mean, axis=1), len(factors))
        return Hottest(vertices, share * self.aim.side[vertices], lengths)


def _hit(shares: FloatArray) -> BoolArray:
    hit: BoolArray = shares > float(facts.load("chance")["hit"]["least_share"])
    return hit


def _usual(maps: Maps) -> BoolArray:
    """Vertices that belong to the network in most maps; (1, vertex)."""
    counts = sum(maps.members(np.array([number])).astype(np.int32) for number in range(len(maps)))
    usual: BoolArray = 2 * np.asarray(counts) > len(maps)
    return usual


def _notes(maps: Maps, response: FloatArray | None) -> tuple[str, ...]:
    said = [maps.note]
    if maps.right is None:
        said.append("The target was not judged: that the map is right is taken for granted.")
    if response is None:
        said.append("Conductivities were not varied.")
    return tuple(one for one in said if one)


def _unknown(field: PoseField, poses: FloatArray) -> tuple[str, ...]:
    """Say where the fields of displaced poses are not known well."""
    known = facts.load("chance")["draws"]
    missing = getattr(field, "missing", None)
    if missing is None:
        return ()
    part = float(np.percentile(missing(poses[: int(known["checked"])]), 95))
    if part <= float(known["largest_missing"]):
        return ()
    return (f"Up to {part:.0%} of the coil's field of displaced poses is not known from the poses solved.",)


def _require(matrix: FloatArray, aim: Aim, maps: Maps, response: FloatArray | None) -> None:
    """Refuse what does not belong together."""
    turn = matrix[:3, :3] if matrix.shape == (4, 4) and np.isfinite(matrix).all() else np.zeros((3, 3))
    if not (np.allclose(turn.T @ turn, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0):
        raise GeometryError("the coil pose is not a finite 4 x 4 matrix with a right-handed rotation")
    n_vertices = len(aim.area_mm2)
    if maps.n_vertices != n_vertices:
        raise GeometryError(f"the maps have {maps.n_vertices} vertices, the cortex {n_vertices}")
    if response is not None and response.shape != (len(TISSUES) - 1, n_vertices):
        raise GeometryError(
            f"expected the response to {len(TISSUES) - 1} tissues on {n_vertices} vertices, found {response.shape}"
        )
    if response is not None and not np.isfinite(response).all():
        raise GeometryError("the response to conductivities holds NaN or infinite values")
