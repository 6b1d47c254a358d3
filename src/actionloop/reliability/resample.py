"""Draw blocks of frames anew, and see what remains of the map and where its targets go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actionloop import arrays, facts
from actionloop.errors import OptionError, SignalError
from actionloop.networks import IterativeSettings
from actionloop.networks.iterative import Iteration
from actionloop.networks.task import prepare
from actionloop.reliability.found import Resamples
from actionloop.reliability.places import Place
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, IntArray, NetworkMap, Prior, Timeseries

_AT_ONCE = 8


@dataclass(frozen=True)
class Draws:
    """How many resamples are drawn, from which seed, and who is told how many are done.

    `n` is that of data/reliability.toml unless given.
    """

    n: int = int(facts.load("reliability")["resampling"]["n"])
    seed: int = 0
    tell: Callable[[int], None] = lambda _: None

    def __post_init__(self) -> None:
        if self.n < 2:
            raise OptionError(f"a bootstrap needs at least 2 resamples, found {self.n}")


def resample_frames(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    made: NetworkMap,
    places: Sequence[Place] = (),
    settings: IterativeSettings | None = None,
    exclude: BoolArray | None = None,
    draws: Draws | None = None,
) -> Resamples:
    """Bootstrap a map over blocks of frames.

    Blocks of neighbouring frames are drawn with replacement, so that what is alike because it is near in time is drawn
    together [1]_. Correlations under new weights of the frames follow from the compressed series: its directions of the
    frame axis, weighted and centred, give one small matrix, and one product with it all resampled series. The iteration
    goes on from the map for a few rounds. What a resample shows is therefore the scatter around this map, and no
    doubt about its starting point, which is the prior.

    Parameters
    ----------
    basis : Basis
        Of the cortex, with its directions of the frame axis.
    prior : Prior
    anatomy : Anatomy or None
    made : NetworkMap
        On the same rows.
    places : sequence of Place
        Where the targets' pieces are looked for.
    settings : IterativeSettings, optional
        Resamples look at fewer principal axes: `resampling.max_dimensions` of data/reliability.toml.
    exclude : (grayordinate,) bool ndarray, optional
    draws : Draws, optional

    Returns
    -------
    Resamples

    Raises
    ------
    SignalError
        The basis has no directions, or the scan is shorter than two blocks.

    References
    ----------
    .. [1] Kunsch 1989, doi:10.1214/aos/1176347265 (moving blocks)
    """
    wanted, draws = facts.load("reliability")["resampling"], draws or Draws()
    person = _Resampling(basis, prior, anatomy, settings=settings, exclude=exclude)
    length = block_frames(basis.n_frames, basis.tr_s, where=basis.source)
    rounds = int(wanted["rounds"])
    cortex = person.iteration.cortex
    keys = np.asarray(prior.keys)
    start = np.where(cortex, made.probability, 0).astype(np.float64)

    def one(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        drawn = np.bincount(_drawn(rng, basis.n_frames, length), minlength=basis.n_frames).astype(np.float64)
        probability, _ = person.iteration.run(person.resampled(drawn), start, most=rounds)
        label = np.where(cortex, keys[probability.argmax(axis=0)], 0)
        return label, _centres(places, label, probability, made)

    return _collect(one, made, draws, block_s=length * basis.tr_s, places=places)


def resample_series(
    series: Timeseries,
    make: Callable[[Timeseries], NetworkMap],
    *,
    made: NetworkMap,
    places: Sequence[Place] = (),
    draws: Draws | None = None,
) -> Resamples:
    """Bootstrap a map over blocks of frames by mapping every resample from the start, by whatever method.

    Parameters
    ----------
    series : Timeseries
    make : callable
        Maps a series.
    made : NetworkMap
        Of the whole series.
    places : sequence of Place
    draws : Draws, optional
        `resampling.n_remapped` of data/reliability.toml by default: every one costs a map.

    Returns
    -------
    Resamples

    Raises
    ------
    SignalError
        The scan is shorter than two blocks.
    """
    draws = draws or Draws(int(facts.load("reliability")["resampling"]["n_remapped"]))
    length = block_frames(series.n_frames, series.tr_s, where=series.source)

    def one(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        drawn = np.sort(_drawn(rng, series.n_frames, length))
        found = make(replace(series, data=series.data[drawn]))
        return np.asarray(found.label), _centres(places, np.asarray(found.label), found.probability, made)

    return _collect(one, made, draws, block_s=length * series.tr_s, places=places, at_once=1)


def block_frames(n_frames: int, tr_s: float, *, where: str = "") -> int:
    """Tell how many frames a block has; at least two must fit.

    Raises
    ------
    SignalError
        They do not.
    """
    block_s = float(facts.load("reliability")["resampling"]["block_s"])
    length = max(1, round(block_s / tr_s))
    if n_frames < 2 * length:
        raise SignalError(
            f"{n_frames * tr_s / 60:.1f} minutes are too short to draw blocks of {block_s:g} s anew",
            where=where or None,
        )
    return length


def _collect(
    one: Callable[[np.random.Generator], tuple[IntArray, IntArray]],
    made: NetworkMap,
    draws: Draws,
    *,
    block_s: float,
    places: Sequence[Place],
    at_once: int = _AT_ONCE,
) -> Resamples:
    """Draw all resamples, count where the networks lie, and keep which rows are in those of the targets."""
    keys, n = np.asarray(made.keys), draws.n
    generators = [np.random.default_rng([draws.seed, number]) for number in range(n)]
    counts = np.zeros((len(keys), len(made.label)), dtype=np.int32)
    centres: list[IntArray] = []
    members: dict[str, list[IntArray]] = {place.target.piece.network: [] for place in places}
    for first in range(0, n, at_once):
        for label, found in arrays.side_by_side(one, generators[first : first + at_once]):
            counts += label == keys[:, None]
            centres.append(found)
            for name, rows in members.items():
                rows.append(np.packbits(label == made.key(name)))
        draws.tell(min(first + at_once, n))
    occurrence = (counts / n).astype(np.float32)
    stability = (occurrence * (made.label == keys[:, None])).sum(axis=0)
    along = np.stack(centres) if places else np.zeros((n, 0), dtype=np.int64)
    packed = {name: np.stack(rows) for name, rows in members.items()}
    return Resamples(n, block_s, draws.seed, stability, occurrence, tuple(along.T), packed)


def _centres(places: Sequence[Place], label: IntArray, probability: FloatArray, made: NetworkMap) -> IntArray:
    """Centre of every target's piece; (place,)."""
    found = []
    for place in places:
        network = place.target.piece.network
        row = made.names.index(network)
        found.append(place.centre(label[place.rows] == made.key(network), probability[row][place.rows]))
    return np.array(found, dtype=np.int64)


def _drawn(rng: np.random.Generator, n_frames: int, length: int) -> IntArray:
    """Frames of a resample: blocks from random starts (round the end) until the scan is full."""
    starts = rng.integers(n_frames, size=-(-n_frames // length))
    drawn: IntArray = ((starts[:, None] + np.arange(length)) % n_frames).ravel()[:n_frames]
    return drawn


class _Resampling:
    """The iteration of one person, and its series under other weights of the frames."""

    def __init__(
        self,
        basis: Basis,
        prior: Prior,
        anatomy: Anatomy | None,
        *,
        settings: IterativeSettings | None,
        exclude: BoolArray | None,
    ) -> None:
        if basis.frames is None:
            raise SignalError("the compressed series has no directions of the frame axis", where=basis.source or None)
        settings = settings or IterativeSettings()
        few = int(facts.load("reliability")["resampling"]["max_dimensions"])
        settings = replace(settings, max_dimensions=min(few, settings.max_dimensions))
        self.basis = basis
        self.iteration = Iteration(prepare(basis, prior, exclude), anatomy, settings, arrays.device())
        axes = self.iteration.axes
        frames = basis.frames.astype(np.float64)
        self._frames: FloatArray = frames if axes is None else frames @ axes.T.astype(np.float64)
        self._along = self.iteration.along_axes()
        self._rest = np.maximum(0, 1 - np.einsum("dg,dg->g", self._along, self._along))

    def resampled(self, weight: FloatArray) -> FloatArray:
        """Pooled series under weights of the frames whose mean is 1; (dimension, grayordinate) float32.

        Lengths are those of the rows before pooling, so that a row counts for what it correlates.
        """
        weighted = self._frames * weight[:, None]
        mean = weighted.sum(axis=0) / weight.sum()
        gram = self._frames.T @ weighted - weight.sum() * np.outer(mean, mean)
        value, vector = np.linalg.eigh(gram)
        root = (vector * np.sqrt(np.maximum(value, 0))).T.astype(np.float32)
        moved = root @ self._along
        length = np.sqrt(np.einsum("dg,dg->g", moved, moved) + self._rest)
        series: FloatArray = root @ self.iteration.pooled
        series /= np.maximum(length, np.finfo(np.float32).tiny)
        return series
