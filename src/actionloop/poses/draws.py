"""What is uncertain when a coil is held over a target, drawn at random."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.field import TISSUES
from actionloop.types import BoolArray, FloatArray, IntArray

KINDS = ("map", "registration", "placement", "conductivity")
"""Kinds of uncertainty."""


@dataclass(frozen=True)
class Spread:
    """How far each thing may be off; 0 where it is certain.

    Attributes
    ----------
    translation_sd_mm, rotation_sd_deg : float
        Registration of image to head: of each axis, the rotation about the middle of the head.
    keeps_contact : bool
        Whether the coil rests on the head whatever the tracker says: registration does not move it along its own z.
    position_sd_mm, tilt_sd_deg, angle_sd_deg : float
        Placement: along each axis of the coil's plane, about each of these, and about the normal.
    log_range : tuple of 5 float
        Conductivity: largest logarithm of the factor on each tissue, white matter to scalp.
    shape : float
        Of the symmetric beta distribution of that logarithm.

    Raises
    ------
    OptionError
        A value that is negative or not finite.
    """

    translation_sd_mm: float
    rotation_sd_deg: float
    keeps_contact: bool
    position_sd_mm: float
    tilt_sd_deg: float
    angle_sd_deg: float
    log_range: tuple[float, ...]
    shape: float = 3.0

    def __post_init__(self) -> None:
        for one in fields(self):
            values = np.atleast_1d(np.asarray(getattr(self, one.name), dtype=np.float64))
            if not (np.isfinite(values) & (values >= 0)).all():
                raise OptionError(f"expected {one.name} of at least 0, found {getattr(self, one.name)}")
        if len(self.log_range) != len(TISSUES) - 1 or self.shape == 0:
            raise OptionError(f"expected one range for each of {', '.join(TISSUES[1:])}, and a shape above 0")

    def only(self, *kinds: str) -> Spread:
        """Return the same with every other kind certain; the map is not in here."""
        if wrong := set(kinds) - set(KINDS):
            raise OptionError(f"there is no uncertainty called {wrong.pop()!r}", fix=f"choose of {', '.join(KINDS)}")
        kept = self
        if "registration" not in kinds:
            kept = replace(kept, translation_sd_mm=0.0, rotation_sd_deg=0.0)
        if "placement" not in kinds:
            kept = replace(kept, position_sd_mm=0.0, tilt_sd_deg=0.0, angle_sd_deg=0.0)
        if "conductivity" not in kinds:
            kept = replace(kept, log_range=(0.0,) * len(self.log_range))
        return kept


def published_spread() -> Spread:
    """Return the spread of data/chance.toml."""
    known = facts.load("chance")
    ranges = known["conductivity"]["range_s_per_m"]
    return Spread(
        **{name: known["registration"][name] for name in ("translation_sd_mm", "rotation_sd_deg", "keeps_contact")},
        **{name: known["placement"][name] for name in ("position_sd_mm", "tilt_sd_deg", "angle_sd_deg")},
        log_range=tuple(float(np.log(ranges[name][1] / ranges[name][0])) / 2 for name in TISSUES[1:]),
        shape=float(known["conductivity"]["shape"]),
    )


@dataclass(frozen=True, eq=False)
class Maps:
    """Equally likely maps of one network on the vertices where the field is known.

    Attributes
    ----------
    packed : (map, ceil(vertex / 8)) uint8 ndarray
        Which vertices belong to the network, as packed bits.
    n_vertices : int
    right : float or None
        Calibrated probability that the target is where the map has it; None where the map was not judged.
    note : str
        What to know of them, as a sentence.

    Raises
    ------
    OptionError
        No map, shapes that do not fit, or no probability.
    """

    packed: NDArray[np.uint8]
    n_vertices: int
    right: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.packed.ndim != 2 or not len(self.packed) or self.packed.dtype != np.uint8:
            raise OptionError("expected at least one map of packed bits (uint8)")
        if self.packed.shape[1] != -(-self.n_vertices // 8):
            raise OptionError(f"maps of {self.packed.shape[1]} bytes are not of {self.n_vertices} vertices")
        if self.right is not None and not 0 <= self.right <= 1:
            raise OptionError(f"expected a probability that the map is right, found {self.right}")

    def __len__(self) -> int:
        return len(self.packed)

    def members(self, maps: IntArray) -> BoolArray:
        """Unpack maps by their numbers; (len(maps), vertex)."""
        return np.unpackbits(self.packed[maps], axis=1, count=self.n_vertices).astype(bool)


def maps_of(members: Iterable[BoolArray], *, right: float | None = None, note: str = "") -> Maps:
    """Take maps one after the other, each a (vertex,) bool ndarray: of resamples, or a single one.

    Raises
    ------
    OptionError
        There are none, or they differ in length.
    """
    rows = [np.asarray(one, dtype=bool) for one in members]
    if not rows or len({one.shape for one in rows}) > 1 or rows[0].ndim != 1:
        raise OptionError("expected one or more maps with the same vertices")
    if len(rows) == 1 and not note:
        note = "There is one map, and no doubt about it was drawn."
    return Maps(np.stack([np.packbits(one) for one in rows]), len(rows[0]), right, note)


def soft_maps(probability: FloatArray, *, right: float | None = None) -> Maps:
    """Cut a probability map at common levels, so that each vertex belongs as often as its probability says.

    For maps without resamples. A common level keeps what is near together: the network as a whole is larger or smaller.

    Parameters
    ----------
    probability : (vertex,) float ndarray
        That each vertex belongs to the network, 0 to 1.
    right : float, optional

    Returns
    -------
    Maps

    Raises
    ------
    OptionError
        Values that are no probabilities.
    """
    known = np.asarray(probability, dtype=np.float64)
    if not (np.isfinite(known).all() and known.min(initial=0) >= 0 and known.max(initial=0) <= 1 + 1e-6):
        raise OptionError("expected probabilities from 0 to 1 on the vertices")
    levels = int(facts.load("chance")["draws"]["levels"])
    note = "No resampled maps: the map's own probabilities were cut at a common random level."
    return maps_of((known >= (level + 0.5) / levels for level in range(levels)), right=right, note=note)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Random numbers of all draws, before they are scaled by a `Spread`.

    Attributes
    ----------
    maps : (draw,) int ndarray
        Number of the map.
    registration : (draw, 6) float64 ndarray
        Standard normal: translation, rotation vector.
    placement : (draw, 5) float64 ndarray
        Standard normal: along x and y of the coil, tilts about these, angle about z.
    conductivity : (draw, 5) float64 ndarray
        -1 to 1, by tissue.
    """

    maps: IntArray
    registration: FloatArray
    placement: FloatArray
    conductivity: FloatArray


def draw(n: int, n_maps: int, spread: Spread, rng: np.random.Generator) -> Drawn:
    """Draw everything n times; every map comes equally often, as far as n allows."""
    rounds = [rng.permutation(n_maps) for _ in range(-(-n // n_maps))]
    return Drawn(
        np.concatenate(rounds)[:n],
        rng.standard_normal((n, 6)),
        rng.standard_normal((n, 5)),
        2 * rng.beta(spread.shape, spread.shape, size=(n, len(TISSUES) - 1)) - 1,
    )


def displaced(matrix: FloatArray, drawn: Drawn, spread: Spread, *, centre_ras: FloatArray) -> FloatArray:
    """Return where the coil is in the image, in every draw.

    Parameters
    ----------
    matrix : (4, 4) float ndarray
        The pose as planned.
    drawn : Drawn
    spread : Spread
    centre_ras : (3,) float ndarray
        Middle of the head, mm.

    Returns
    -------
    (draw, 4, 4) float64 ndarray
    """
    turn = Rotation.from_rotvec(np.deg2rad(spread.rotation_sd_deg) * drawn.registration[:, 3:]).as_matrix()
    shift = spread.translation_sd_mm * drawn.registration[:, :3]
    axes, origin = matrix[:3, :3], matrix[:3, 3]
    moved = (turn @ (origin - centre_ras)) + centre_ras + shift - origin
    if spread.keeps_contact:
        moved -= np.outer(moved @ axes[:, 2], axes[:, 2])
    degrees = np.array([spread.tilt_sd_deg, spread.tilt_sd_deg, spread.angle_sd_deg]) * drawn.placement[:, 2:]
    poses = np.tile(np.eye(4), (len(moved), 1, 1))
    poses[:, :3, :3] = turn @ axes @ Rotation.from_rotvec(np.deg2rad(degrees)).as_matrix()
    along = spread.position_sd_mm * drawn.placement[:, :2]
    poses[:, :3, 3] = origin + moved + np.einsum("dij,dj->di", turn @ axes[:, :2], along)
    return poses


def log_factors(drawn: Drawn, spread: Spread) -> FloatArray:
    """Return the logarithm of the factor on every tissue's conductivity; (draw, 5)."""
    factors: FloatArray = drawn.conductivity * np.asarray(spread.log_range)
    return factors
