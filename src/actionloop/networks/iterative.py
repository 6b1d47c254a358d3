"""Iterative individual mapping that starts from a spatial prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.brain import Smoother
from actionloop.errors import OptionError, PriorError, SignalError
from actionloop.networks.pieces import clean_pieces
from actionloop.signal import standardise, valid_rows
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, NetworkMap, Prior, Timeseries

_DEFAULTS: dict[str, Any] = facts.load("mapping")["iterative"]
_FLOOR = 1e-12


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


def map_individual(
    series: Timeseries,
    prior: Prior,
    anatomy: Anatomy,
    *,
    settings: IterativeSettings | None = None,
    exclude: BoolArray | None = None,
) -> NetworkMap:
    """Map one person's cortical networks, iteratively from the spatial prior.

    Each round: the series of a network is the weighted mean over its confident members (in the first round: over the
    prior); every vertex gets a profile, its Fisher-z correlations with all network series, pooled along the surface; a
    Gaussian classifier with one covariance for all networks scores the profiles, so that networks which run together
    (SCAN and AMN) are told apart by what they do not share; the score times the spatial prior gives the new
    probabilities. This is the scheme of [1]_ with a classifier in place of the largest correlation.

    Parameters
    ----------
    series : Timeseries
        Cleaned; cortical rows only. Standardised here if it is not yet.
    prior : Prior
        On the same cortical rows.
    anatomy : Anatomy
        Surfaces along which evidence is pooled and pieces are measured (mm).
    settings : IterativeSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
        Rows to leave out, e.g. a lesion.

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
    if series.grayordinates.voxels is not None or not prior.grayordinates.same_cortex(series.grayordinates):
        raise PriorError(
            f"the prior has {len(prior.grayordinates)} rows and the series {len(series.grayordinates)}; "
            "both must have the same cortical rows",
            where=series.source or None,
        )
    valid = valid_rows(series)
    if exclude is not None:
        valid &= ~exclude
    if not valid.any():
        raise SignalError("no cortical row carries signal", where=series.source or None)
    data = standardise(series).data
    probability, rounds = _iterate(data, valid, prior, anatomy, settings)
    label, confidence = _decide(probability, valid, prior)
    network_map = NetworkMap(
        names=prior.names,
        keys=prior.keys,
        colours=prior.colours,
        probability=probability,
        label=label,
        confidence=confidence,
        grayordinates=series.grayordinates,
        method="iterative",
        settings={**asdict(settings), "rounds": rounds, "prior": prior.source},
    )
    return clean_pieces(network_map, anatomy, min_area_mm2=settings.min_piece_mm2)


def _iterate(
    data: FloatArray, valid: BoolArray, prior: Prior, anatomy: Anatomy, settings: IterativeSettings
) -> tuple[FloatArray, int]:
    """Repeat series -> profiles -> probabilities until the labels settle; returns probabilities and rounds."""
    floored = np.clip(prior.probability.astype(np.float64), settings.prior_floor, None)
    log_prior = settings.prior_weight * np.log(floored / floored.sum(axis=0))
    start = np.where(valid, prior.probability, 0).astype(np.float64)
    probability, weight = start, start**2
    pool = _pooling(valid, prior, anatomy, settings.pool_fwhm_mm)
    for rounds in range(1, settings.max_iterations + 1):  # noqa: B007 (reported below)
        profile = pool(_profiles(data, weight, valid))
        score = log_prior + settings.evidence_weight * _discriminate(profile, probability, valid, settings.shrinkage)
        score -= score.max(axis=0)
        updated = np.exp(score)
        updated /= updated.sum(axis=0)
        updated[:, ~valid] = 0
        moved = float((updated.argmax(axis=0) != probability.argmax(axis=0))[valid].mean())
        probability = updated
        if moved < settings.tolerance:
            break
        weight = probability * (probability.max(axis=0) > settings.core_probability)
        # A network that lost every confident member goes on from what the prior says of it.
        lost = weight.sum(axis=1) < 1
        weight[lost] = start[lost] ** 2
    return probability.astype(np.float32), rounds


def _profiles(data: FloatArray, weight: FloatArray, valid: BoolArray) -> FloatArray:
    """Fisher-z correlation of every row with every network's weighted mean series; (network, grayordinate)."""
    mean_series = data @ weight.T.astype(np.float32)
    mean_series -= mean_series.mean(axis=0)
    mean_series /= np.maximum(mean_series.std(axis=0), _FLOOR)
    correlation = (mean_series.T @ data).astype(np.float64) / len(data)
    profile: FloatArray = np.arctanh(np.clip(correlation, -0.999, 0.999))
    profile[:, ~valid] = 0
    return profile


def _pooling(valid: BoolArray, prior: Prior, anatomy: Anatomy, fwhm_mm: float) -> Callable[[FloatArray], FloatArray]:
    """Return what smooths profiles, (network, grayordinate), along each hemisphere's surface."""
    axis = prior.grayordinates
    smoothers = {
        hemisphere: Smoother(
            anatomy.surface(hemisphere), fwhm_mm=fwhm_mm, valid=axis.to_mesh(valid, hemisphere, fill=False)
        )
        for hemisphere in HEMISPHERES
    }

    def pool(profile: FloatArray) -> FloatArray:
        left, right = (smoothers[hemisphere](axis.to_mesh(profile, hemisphere)) for hemisphere in HEMISPHERES)
        return axis.from_mesh(left, right)

    return pool


def _discriminate(profile: FloatArray, probability: FloatArray, valid: BoolArray, shrinkage: float) -> FloatArray:
    """Log-likelihood of each network at each row, up to a term common to all: linear discriminant analysis.

    Profiles and probabilities are 0 in rows without data, so that those add nothing to the sums.
    """
    size = probability.sum(axis=1) + _FLOOR
    mean = probability @ profile.T / size[:, None]
    within = profile @ profile.T / valid.sum() - (mean.T * (size / size.sum())) @ mean
    within += (shrinkage * np.trace(within) / len(within) + _FLOOR) * np.eye(len(within))
    direction = np.linalg.solve(within, mean.T)
    offset = 0.5 * np.einsum("nk,kn->n", mean, direction)
    score: FloatArray = direction.T @ profile - offset[:, None]
    return score


def _decide(probability: FloatArray, valid: BoolArray, prior: Prior) -> tuple[Any, FloatArray]:
    """Winning key and margin over the runner-up."""
    label = np.where(valid, prior.keys[probability.argmax(axis=0)], 0)
    ranked = (
        np.partition(probability, -2, axis=0) if len(probability) > 1 else np.vstack([probability * 0, probability])
    )
    return label, (ranked[-1] - ranked[-2]).astype(np.float32)
