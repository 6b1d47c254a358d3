"""Iterative individual mapping that starts from a spatial prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from actionloop import arrays, facts
from actionloop.arrays import Device
from actionloop.brain import Smoother
from actionloop.errors import OptionError
from actionloop.networks.pieces import clean_pieces
from actionloop.networks.task import Task, conclude, prepare
from actionloop.types import HEMISPHERES, Anatomy, Basis, BoolArray, FloatArray, NetworkMap, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["iterative"]
_FLOOR = 1e-12
Pool: TypeAlias = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class IterativeSettings:
    """Options of the iterative mapping; defaults from data/mapping.toml.

    Attributes
    ----------
    prior_weight, evidence_weight : float
        Exponents of the spatial prior and of the likelihood, above 0 (prior_weight may be 0).
    pool_fwhm_mm : float
        Width over which series are pooled along the surface.
    core_probability : float
        Vertices above this probability shape a network's series.
    prior_floor : float
        Smallest prior probability.
    shrinkage : float
        Share of a multiple of the identity in the covariance within networks.
    max_dimensions : int
        Principal axes of the series that are looked at.
    max_iterations : int
    tolerance : float
        Share of vertices whose network changes, below which the iteration stops.
    min_piece_mm2 : float
        Smaller pieces are refilled from their border.
    """

    prior_weight: float = _DEFAULTS["prior_weight"]
    evidence_weight: float = _DEFAULTS["evidence_weight"]
    pool_fwhm_mm: float = _DEFAULTS["pool_fwhm_mm"]
    core_probability: float = _DEFAULTS["core_probability"]
    prior_floor: float = _DEFAULTS["prior_floor"]
    shrinkage: float = _DEFAULTS["shrinkage"]
    max_dimensions: int = _DEFAULTS["max_dimensions"]
    max_iterations: int = _DEFAULTS["max_iterations"]
    tolerance: float = _DEFAULTS["tolerance"]
    min_piece_mm2: float = facts.load("mapping")["cleaning"]["min_piece_mm2"]

    def __post_init__(self) -> None:
        if self.prior_weight < 0 or self.evidence_weight <= 0:
            raise OptionError("mapping weights must be positive")
        if not 0 <= self.core_probability < 1 or not 0 < self.prior_floor < 0.1:
            raise OptionError("core_probability must lie in [0, 1) and prior_floor in (0, 0.1)")
        if not 0 < self.shrinkage <= 1:
            raise OptionError("the shrinkage must lie above 0 and not above 1")
        if self.max_iterations < 1 or self.max_dimensions < 1:
            raise OptionError("the mapping needs at least one iteration and one dimension")


def map_iterative(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: IterativeSettings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
) -> NetworkMap:
    """Map one person's networks, iteratively from the spatial prior.

    Each round: the series of a network is the weighted mean over its confident members (in the first round: over the
    prior); a Gaussian classifier with one covariance for all networks compares every row's series with them, in the
    space of the frames, so that what varies among rows of one network (noise, parts of networks) counts less, and
    networks which run together (SCAN and AMN) are told apart by what they do not share; the score times the spatial
    prior gives the new probabilities. This is the scheme of [1]_ with a classifier in place of
    the largest correlation. Series are pooled along the surface before.

    Networks are shaped by the cortex alone. Voxels are scored alike, by series brought to the length that is usual on
    the cortex, since they are not pooled.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows.
    anatomy : Anatomy or None
        Surfaces along which series are pooled and pieces are measured (mm); None does neither.
    settings : IterativeSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
        Rows to leave out, e.g. a lesion.
    device : Device, optional
        Where the products with the series are done.

    Returns
    -------
    NetworkMap
        Probability and label are 0 where there is no signal (dropout) and where excluded.

    Raises
    ------
    PriorError
        The prior's rows are not those of the series.
    SignalError
        No row carries signal.

    References
    ----------
    .. [1] Wang et al. 2015, doi:10.1038/nn.4164
    """
    settings = settings or IterativeSettings()
    task = prepare(basis, prior, exclude)
    person = Iteration(task, anatomy, settings, device or arrays.device())
    probability, rounds = person.run(person.pooled, person.start)
    made = conclude(
        task, probability, method="iterative", measure="probability", settings={**asdict(settings), "rounds": rounds}
    )
    return made if anatomy is None else clean_pieces(made, anatomy, min_area_mm2=settings.min_piece_mm2)


class Iteration:
    """One person's pooled series, prior and options, from which the rounds start.

    Parameters
    ----------
    task : Task
    anatomy : Anatomy or None
    settings : IterativeSettings
    place : Device

    Attributes
    ----------
    cortex : (grayordinate,) bool ndarray
        Valid rows that shape networks.
    axes : (dimension kept, dimension of the basis) float32 ndarray or None
        Principal axes that are looked at; None for all dimensions of the basis.
    pooled : (dimension kept, grayordinate) float32 ndarray
    start : (network, grayordinate) float64 ndarray
        The prior's probabilities on the cortex.
    """

    def __init__(self, task: Task, anatomy: Anatomy | None, settings: IterativeSettings, place: Device) -> None:
        self.task, self.settings, self.place = task, settings, place
        self.cortex: BoolArray = task.valid & (task.structure < 2)
        floored = np.clip(task.spatial, settings.prior_floor, None)
        self._log_prior = settings.prior_weight * np.log(floored / floored.sum(axis=0))
        self.start: FloatArray = np.where(self.cortex, task.prior.probability, 0).astype(np.float64)
        pool = None if anatomy is None else _pooling(task, anatomy, settings.pool_fwhm_mm)
        self.axes = self._axes()
        self.pooled = self._pooled(pool)

    def run(self, series: FloatArray, probability: FloatArray, *, most: int | None = None) -> tuple[FloatArray, int]:
        """Repeat series -> evidence -> probabilities until the labels settle.

        Parameters
        ----------
        series : (dimension, grayordinate) float32 ndarray
            `pooled`, or the same of other frames.
        probability : (network, grayordinate) float ndarray
            To begin with: `start`, or that of a map.
        most : int, optional
            Rounds at most; those of the settings by default.

        Returns
        -------
        probability : (network, grayordinate) float64 ndarray
        rounds : int
        """
        rows, settings, cortex = Rows(series, self.cortex, self.place), self.settings, self.cortex
        fresh = probability is self.start
        weight = probability**2 if fresh else self._members(probability)
        for rounds in range(1, (most or settings.max_iterations) + 1):
            evidence = rows.discriminate(weight, np.where(cortex, probability, 0), settings.shrinkage)
            score = self._log_prior + settings.evidence_weight * evidence
            score -= score.max(axis=0)
            updated = np.exp(score)
            updated /= updated.sum(axis=0)
            updated[:, ~self.task.valid] = 0
            moved = float((updated.argmax(axis=0) != probability.argmax(axis=0))[cortex].mean())
            probability = updated
            # A first round that moves nothing says only that the prior was strong: the series of its soft members are
            # blurred, and sharpen in the second.
            if (rounds > 1 or not fresh) and moved < settings.tolerance:
                break
            weight = self._members(probability)
        return probability, rounds

    def _members(self, probability: FloatArray) -> FloatArray:
        """Weights of the confident members of each network."""
        sure = probability.max(axis=0) > self.settings.core_probability
        weight: FloatArray = np.where(self.cortex, probability * sure, 0)
        # A network that lost every confident member goes on from what the prior says of it.
        lost = weight.sum(axis=1) < 1
        weight[lost] = self.start[lost] ** 2
        return weight

    def _axes(self) -> FloatArray | None:
        series, most = self.task.basis.data, self.settings.max_dimensions
        if len(series) <= most:
            return None
        on_cortex = self.place.put(np.where(self.cortex, series, np.float32(0)))
        axes = np.linalg.eigh(self.place.get(on_cortex @ on_cortex.T).astype(np.float64))[1]
        return np.ascontiguousarray(axes[:, : -most - 1 : -1].T, dtype=np.float32)

    def _pooled(self, pool: Pool | None) -> FloatArray:
        """Series along the axes, pooled along the surface, 0 where not valid."""
        pooled = self.along_axes()
        pooled = pooled if pool is None else pool(pooled)
        pooled = np.where(self.task.valid, pooled, 0).astype(np.float32)
        _lengthen(pooled, self.cortex, self.task.valid)
        return pooled

    def along_axes(self) -> FloatArray:
        """Return the series along the axes, not pooled; (dimension kept, grayordinate) float32."""
        series = self.task.basis.data
        if self.axes is None:
            return series
        along: FloatArray = self.place.get(self.place.put(self.axes) @ self.place.put(series))
        return along


@dataclass(frozen=True)
class Rows:
    """Series of all rows, and how those of the cortex scatter.

    Attributes
    ----------
    series : (dimension, grayordinate) float32 ndarray
    shaping : (grayordinate,) bool ndarray
        Rows that shape networks and covariance.
    place : Device
    """

    series: FloatArray
    shaping: BoolArray
    place: Device

    @cached_property
    def _there(self) -> Any:
        return self.place.put(self.series)

    @cached_property
    def scatter(self) -> FloatArray:
        """Mean outer product of the shaping rows; (dimension, dimension)."""
        some = self.place.put(np.where(self.shaping, self.series, np.float32(0)))
        total: FloatArray = self.place.get(some @ some.T).astype(np.float64) / self.shaping.sum()
        return total

    def discriminate(self, weight: FloatArray, probability: FloatArray, shrinkage: float) -> FloatArray:
        """Log-likelihood of each network at each row, up to a term common to all: linear discriminant analysis.

        Parameters
        ----------
        weight, probability : (network, grayordinate) float ndarray
            Members that give the networks' means, and those that give the covariance within networks; 0 outside the
            shaping rows.
        shrinkage : float

        Returns
        -------
        (network, grayordinate) float64 ndarray
        """
        mean, _ = self._means(weight)
        centre, size = self._means(probability)
        within = self.scatter - (centre.T * (size / self.shaping.sum())) @ centre
        usual = np.trace(within) / len(within)
        within = (1 - shrinkage) * within + (shrinkage * usual + _FLOOR) * np.eye(len(within))
        direction = np.linalg.solve(within, mean.T)
        offset = 0.5 * np.einsum("nd,dn->n", mean, direction)
        score = self.place.get(self.place.put(direction.T.astype(np.float32)) @ self._there).astype(np.float64)
        return np.asarray(score - offset[:, None])

    def _means(self, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted mean series of each network, (network, dimension), and the weights' sums."""
        size = weight.sum(axis=1) + _FLOOR
        total = self.place.get(self.place.put(weight.astype(np.float32)) @ self._there.T).astype(np.float64)
        return total / size[:, None], size


def _lengthen(series: FloatArray, cortex: BoolArray, valid: BoolArray) -> None:
    """Bring the series of voxels to the median length of the cortex's, in place."""
    voxels = valid & ~cortex
    if voxels.any():
        usual = np.median(np.linalg.norm(series[:, cortex], axis=0))
        series[:, voxels] *= usual / np.maximum(np.linalg.norm(series[:, voxels], axis=0), _FLOOR)


def _pooling(task: Task, anatomy: Anatomy, fwhm_mm: float) -> Pool:
    """Return what smooths series, (dimension, grayordinate), along each hemisphere's surface; voxels stay."""
    axis = task.basis.grayordinates
    smoothers = {
        hemisphere: Smoother(
            anatomy.surface(hemisphere), fwhm_mm=fwhm_mm, valid=axis.to_mesh(task.valid, hemisphere, fill=False)
        )
        for hemisphere in HEMISPHERES
    }

    def pool(series: FloatArray) -> FloatArray:
        left, right = (smoothers[hemisphere](axis.to_mesh(series, hemisphere)) for hemisphere in HEMISPHERES)
        return np.concatenate([axis.from_mesh(left, right), series[:, axis.n_cortex :]], axis=1)

    return pool
