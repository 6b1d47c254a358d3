"""The same person's map made otherwise: how alike the maps are, and where the targets go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator

from actionloop.errors import SignalError
from actionloop.reliability.likeness import Likeness, compare_maps
from actionloop.reliability.matching import Match, Ruler
from actionloop.types import BoolArray, FloatArray, NetworkMap, Prior

Subject = Literal["map", "network", "target"]
_NAN = float("nan")


@dataclass(frozen=True)
class ControlRow:
    """One figure of one control.

    Attributes
    ----------
    control : str
        What is asked, e.g. 'motion'.
    variant : str
        What was compared, in words.
    subject : {'map', 'network', 'target'}
        What the figures are of.
    name : str
        Of the network or target; '' for the map.
    shift_mm : float
        Of targets. One other map: from the target to the centre of its piece there. Two halves: between the centres of
        their pieces. Geodesic; NaN where a piece is absent.
    own_mm : float
        Of targets: from the target to the centre of its piece in the person's map, which `shift_mm` is to be read
        beside.
    first_mm, second_mm : float
        Of targets, two halves: from the target to the centre in each.
    nmi, equal : float
        Of maps: normalised mutual information, and share of equal labels.
    dice : float
        Of networks.
    note : str
    """

    control: str
    variant: str
    subject: Subject
    name: str = ""
    shift_mm: float = _NAN
    own_mm: float = _NAN
    first_mm: float = _NAN
    second_mm: float = _NAN
    nmi: float = _NAN
    equal: float = _NAN
    dice: float = _NAN
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as a plain dictionary."""
        return asdict(self)


def compare_variant(
    own: NetworkMap, other: NetworkMap, ruler: Ruler, *, control: str, variant: str, note: str = ""
) -> list[dict[str, Any]]:
    """Compare a person's map with the same map made otherwise.

    Parameters
    ----------
    own, other : NetworkMap
        On the same rows.
    ruler : Ruler
    control, variant : str
        As in `ControlRow`.
    note : str
        For the row of the map.

    Returns
    -------
    list of dict
        As `ControlRow`: the map, its networks to stimulate, the targets.
    """
    rows = _likeness_rows(compare_maps(own, other), control, variant, note)
    for target, mine, found in zip(ruler.targets, ruler.measure(own), ruler.measure(other), strict=True):
        absent = "" if found[0] is not None else f"the map {variant} has no such piece"
        rows.append(ControlRow(control, variant, "target", target.name, shift_mm=found[1], own_mm=mine[1], note=absent))
    return [row.as_dict() for row in rows]


def compare_split(
    own: NetworkMap, halves: tuple[NetworkMap, NetworkMap], ruler: Ruler, *, control: str, variant: str, note: str = ""
) -> list[dict[str, Any]]:
    """Compare the maps of two halves of a scan; parameters as `compare_variant`."""
    rows = _likeness_rows(compare_maps(*halves), control, variant, note)
    places = zip(ruler.targets, ruler.measure(own), *(ruler.measure(half) for half in halves), strict=True)
    for target, mine, first, second in places:
        rows.append(
            ControlRow(
                control,
                variant,
                "target",
                target.name,
                shift_mm=ruler.between(target.piece.hemisphere, first[0], second[0]),
                own_mm=mine[1],
                first_mm=first[1],
                second_mm=second[1],
                note=_missing(first, second),
            )
        )
    return [row.as_dict() for row in rows]


def compare_prior(own: NetworkMap, prior: Prior, ruler: Ruler) -> list[dict[str, Any]]:
    """Say how much of a map is the person: the prior alone against the map.

    Parameters
    ----------
    own : NetworkMap
        The person's, on the rows of the prior.
    prior : Prior
    ruler : Ruler

    Returns
    -------
    list of dict
        As `compare_variant`, with the Dice of every network. Rows without data count in neither map.
    """
    control, variant = "prior", "from the prior alone"
    empty: BoolArray = own.probability.max(axis=0) <= 0
    alone = prior_as_map(prior).without(empty)
    alike = compare_maps(own, alone)
    note = "" if np.isnan(alike.equal) else f"{1 - alike.equal:.0%} of the vertices have another label than the prior's"
    first, *rest = compare_variant(own, alone, ruler, control=control, variant=variant, note=note)
    others = [
        ControlRow(control, variant, "network", name, dice=value).as_dict()
        for name, value in alike.dice.items()
        if name not in _TO_STIMULATE
    ]
    return [first, *rest, *others]


def not_done(control: str, variant: str, why: str) -> list[dict[str, Any]]:
    """Return the row that says why a control could not be made."""
    return [ControlRow(control, variant, "map", note=f"not done: {why}").as_dict()]


def prior_as_map(prior: Prior) -> NetworkMap:
    """Return what the prior alone would say: its winner everywhere, nothing where it has none."""
    ranked = np.sort(prior.probability, axis=0)
    winner = prior.keys[prior.probability.argmax(axis=0)]
    return NetworkMap(
        prior.names,
        prior.keys,
        prior.colours,
        prior.probability,
        np.where(ranked[-1] > 0, winner, 0),
        ranked[-1] - ranked[-2] if len(ranked) > 1 else ranked[-1],
        prior.grayordinates,
        "prior alone",
    )


def motion_halves(fd_mm: FloatArray, *, length: int) -> tuple[BoolArray, BoolArray]:
    """Split frames at the median of motion, block by block, in their order.

    Blocks and not frames, because neighbouring frames of a filtered series are nearly copies of each other (halves of
    single frames would agree whatever the motion did), and because the trace of a movement outlasts it.

    Parameters
    ----------
    fd_mm : (frame,) float ndarray
        Framewise displacement.
    length : int
        Frames of a block, about: their number is made even, so that both halves are equally long but for a few frames.

    Returns
    -------
    light, heavy : (frame,) bool ndarray
        Disjoint, together all frames.

    Raises
    ------
    SignalError
        Motion that is not known of every frame, or not even two blocks.

    References
    ----------
    .. [1] Power et al. 2014, doi:10.1016/j.neuroimage.2013.08.048 (signal changes outlast movements by several seconds)
    """
    fd_mm = np.asarray(fd_mm, dtype=np.float64)
    if fd_mm.ndim != 1 or not np.isfinite(fd_mm).all():
        raise SignalError("framewise displacement must be one number per frame")
    block = _blocks(len(fd_mm), length)
    mean = np.bincount(block, weights=fd_mm) / np.bincount(block)
    order = np.argsort(mean, kind="stable")
    light: BoolArray = np.isin(block, order[: len(order) // 2])
    return light, ~light


def random_halves(n_frames: int, *, length: int, rng: Generator) -> tuple[BoolArray, BoolArray]:
    """Split frames at random, in the same blocks as `motion_halves`."""
    block = _blocks(n_frames, length)
    order = rng.permutation(int(block[-1]) + 1)
    first: BoolArray = np.isin(block, order[: len(order) // 2])
    return first, ~first


def _blocks(n_frames: int, length: int) -> Any:
    """Index of the block of each frame; an even number of blocks, as long as each other but for one frame."""
    if length < 1 or n_frames < 2 * length:
        raise SignalError(f"{n_frames} frames are too few for two blocks of {length} frames")
    n_blocks = 2 * (n_frames // (2 * length))
    return np.arange(n_frames) * n_blocks // n_frames


_TO_STIMULATE = ("SCAN", "AMN")


def _likeness_rows(alike: Likeness, control: str, variant: str, note: str) -> list[ControlRow]:
    networks: Sequence[str] = [name for name in _TO_STIMULATE if name in alike.dice]
    return [
        ControlRow(control, variant, "map", nmi=alike.nmi, equal=alike.equal, note=note),
        *(ControlRow(control, variant, "network", name, dice=alike.dice[name]) for name in networks),
    ]


def _missing(first: Match, second: Match) -> str:
    lacking = [words for words, match in (("first", first), ("second", second)) if match[0] is None]
    return f"no such piece in the {' and the '.join(lacking)} half" if lacking else ""
