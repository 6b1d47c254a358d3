"""Iterative individual mapping that starts from a spatial prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
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
        Width over which evidence is pooled along the surface.
    core_probability : float
        Vertices above this probability shape a network's series.
    prior_floor : float
        Smallest prior probability.
    shrinkage : float
        Share of a multiple of the identity in the profile covariance.
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
    max_iterations: int = _DEFAULTS["max_iterations"]
    tolerance: float = _DEFAULTS["tolerance"]
    min_piece_mm2: float = facts.load("mapping")["cleaning"]["min_piece_mm2"]

    def __post_init__(self) -> None:
        if self.prior_weight < 0 or self.evidence_weight <= 0:
            raise OptionError("mapping weights must be positive")
        if not 0 <= self.core_probability < 1 or not 0 < self.prior_floor < 0.1:
            raise OptionError("core_probability must lie in [0, 1) and prior_floor in (0, 0.1)")
        if self.max_iterations < 1:
            raise OptionError("the mapping needs at least one iteration")


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
    prior); every row gets a profile, its Fisher-z correlations with all network series, pooled along the surface; a
    Gaussian classifier with one covariance for all networks scores the profiles, so that networks which run together
    (SCAN and AMN) are told apart by what they do not share; the score times the spatial prior gives the new
    probabilities. This is the scheme of [1]_ with a classifier in place of the largest correlation.

    Networks are shaped by the cortex alone. Voxels are scored alike, by profiles brought to the length that is usual
    on the cortex, since their signal is weaker.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows.
    anatomy : Anatomy or None
        Surfaces along which evidence is pooled and pieces are measured (mm); None does neither.
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
    pool = None if anatomy is None else _pooling(task, anatomy, settings.pool_fwhm_mm)
    probability, rounds = _iterate(task, pool, settings, device or arrays.device())
    made = conclude(
        task, probability, method="iterative", measure="probability", settings={**asdict(settings), "rounds": rounds}
    )
    return made if anatomy is None else clean_pieces(made, anatomy, min_area_mm2=settings.min_piece_mm2)


def _iterate(task: Task, pool: Pool | None, settings: IterativeSettings, place: Device) -> tuple[FloatArray, int]:
    """Repeat series -> profiles -> probabilities until the labels settle; returns probabilities and rounds."""
    valid = task.valid
    floored = np.clip(task.spatial, settings.prior_floor, None)
    log_prior = settings.prior_weight * np.log(floored / floored.sum(axis=0))
    cortex = valid & (task.structure < 2)
    start = np.where(cortex, task.prior.probability, 0).astype(np.float64)
    probability, weight = start, start**2
    series = place.put(task.basis.data)
    for rounds in range(1, settings.max_iterations + 1):
        profile = _profiles(place, series, weight, valid)
        profile = profile if pool is None else pool(profile)
        _lengthen(profile, cortex, valid)
        evidence = _discriminate(profile, np.where(cortex, probability, 0), cortex, settings.shrinkage)
        score = log_prior + settings.evidence_weight * evidence
        score -= score.max(axis=0)
        updated = np.exp(score)
        updated /= updated.sum(axis=0)
        updated[:, ~valid] = 0
        moved = float((updated.argmax(axis=0) != probability.argmax(axis=0))[cortex].mean())
        probability = updated
        # A first round that moves nothing says only that the prior was strong: the profiles of its soft members are
        # blurred, and sharpen in the second.
        if rounds > 1 and moved < settings.tolerance:
            break
        weight = np.where(cortex, probability * (probability.max(axis=0) > settings.core_probability), 0)
        # A network that lost every confident member goes on from what the prior says of it.
        lost = weight.sum(axis=1) < 1
        weight[lost] = start[lost] ** 2
    return probability, rounds


def _profiles(place: Device, series: Any, weight: FloatArray, valid: BoolArray) -> FloatArray:
    """Fisher-z correlation of every row with every network's weighted mean series; (network, grayordinate)."""
    mean = place.get(series @ place.put(weight.T.astype(np.float32))).astype(np.float64)
    mean /= np.maximum(np.linalg.norm(mean, axis=0), _FLOOR)
    correlation = place.get(place.put(mean.T.astype(np.float32)) @ series).astype(np.float64)
    profile: FloatArray = np.arctanh(np.clip(correlation, -0.999, 0.999))
    profile[:, ~valid] = 0
    return profile


def _lengthen(profile: FloatArray, cortex: BoolArray, valid: BoolArray) -> None:
    """Bring the profiles of voxels to the median length of the cortex's, in place."""
    voxels = valid & ~cortex
    if voxels.any():
        usual = np.median(np.linalg.norm(profile[:, cortex], axis=0))
        profile[:, voxels] *= usual / np.maximum(np.linalg.norm(profile[:, voxels], axis=0), _FLOOR)


def _pooling(task: Task, anatomy: Anatomy, fwhm_mm: float) -> Pool:
    """Return what smooths profiles, (network, grayordinate), along each hemisphere's surface; voxels stay."""
    axis = task.basis.grayordinates
    smoothers = {
        hemisphere: Smoother(
            anatomy.surface(hemisphere), fwhm_mm=fwhm_mm, valid=axis.to_mesh(task.valid, hemisphere, fill=False)
        )
        for hemisphere in HEMISPHERES
    }

    def pool(profile: FloatArray) -> FloatArray:
        left, right = (smoothers[hemisphere](axis.to_mesh(profile, hemisphere)) for hemisphere in HEMISPHERES)
        return np.concatenate([axis.from_mesh(left, right), profile[:, axis.n_cortex :]], axis=1)

    return pool


def _discriminate(profile: FloatArray, probability: FloatArray, shaping: BoolArray, shrinkage: float) -> FloatArray:
    """Log-likelihood of each network at each row, up to a term common to all: linear discriminant analysis.

    Means and covariance are those of the rows in `shaping`; outside, the probabilities are 0.
    """
    size = probability.sum(axis=1) + _FLOOR
    mean = probability @ profile.T / size[:, None]
    some = profile if shaping.all() else np.where(shaping, profile, 0)
    within = some @ some.T / shaping.sum() - (mean.T * (size / size.sum())) @ mean
    within += (shrinkage * np.trace(within) / len(within) + _FLOOR) * np.eye(len(within))
    direction = np.linalg.solve(within, mean.T)
    offset = 0.5 * np.einsum("nk,kn->n", mean, direction)
    score: FloatArray = direction.T @ profile - offset[:, None]
    return score
