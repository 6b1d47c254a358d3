"""Ridge fusion: connectivity as a mixture of the prior's templates, joined with the spatial prior."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from actionloop import arrays, facts
from actionloop.arrays import Device
from actionloop.brain.nearby import Nearby
from actionloop.errors import OptionError, PriorError
from actionloop.networks.task import Task, conclude, prepare
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, NetworkMap, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["ridge"]
_COLUMNS = 8192  # of the basis multiplied at a time
_ROWS = 1024  # whose neighbours are looked up at a time


@dataclass(frozen=True)
class RidgeSettings:
    """Options of ridge fusion; defaults from data/mapping.toml.

    Attributes
    ----------
    penalty : float
        Added to the diagonal of the templates' products, above 0.
    evidence_weight, prior_weight : float
        Of the z-scored coefficients and of the logarithm of the spatial prior, 0 or more.
    prior_floor : float
        Smallest spatial probability, above 0.
    exclusion_mm : float
        Correlations of a cortical row with cortex this near count as 0; 0 leaves them all in.
    """

    penalty: float = _DEFAULTS["penalty"]
    evidence_weight: float = _DEFAULTS["evidence_weight"]
    prior_weight: float = _DEFAULTS["prior_weight"]
    prior_floor: float = _DEFAULTS["prior_floor"]
    exclusion_mm: float = _DEFAULTS["exclusion_mm"]

    def __post_init__(self) -> None:
        if not np.isfinite(list(asdict(self).values())).all():
            raise OptionError("the options of ridge fusion must be finite")
        if self.penalty <= 0 or self.evidence_weight < 0 or self.prior_weight < 0:
            raise OptionError("the penalty of ridge fusion must be above 0 and its weights not negative")
        if not 0 < self.prior_floor < 1 or self.exclusion_mm < 0:
            raise OptionError("prior_floor must lie between 0 and 1, exclusion_mm at 0 or above")


def map_ridge(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: RidgeSettings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
) -> NetworkMap:
    """Map networks by ridge regression on the prior's connectivity, fused with the spatial prior.

    The correlations of a row with the cortex are explained by all templates at once, b = (AᵀA + λI)⁻¹ Aᵀ r, where the
    columns of A are the cortical templates, centred and of length 1. The coefficients of a row, brought to mean 0 and
    SD 1 over the networks (sample SD, n - 1), and the logarithm of the spatial prior are weighted and added; their
    softmax is the probability. This is the fusion in current use by the authors of [1]_; smoothing the series and
    regressing nearby cortex out of voxels, which they do first, are steps of the series and not done here. Where the
    spatial prior knows nothing, theirs is 0.5 for every network; any number that is the same for all cancels.

    The matrix of correlations is never made: Aᵀr over all rows is (AᵀYᵀ)Y in the basis, less the sum over the few rows
    that lie near.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows, with templates (`fingerprint`), in any unit.
    anatomy : Anatomy or None
        For the exclusion of near cortex; None leaves all correlations in, that of a row with itself too.
    settings : RidgeSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
    device : Device, optional

    Returns
    -------
    NetworkMap
        `probability` sums to 1 over networks; not cleaned.

    Raises
    ------
    PriorError
        Other rows, no templates, or templates that do not vary over the cortex.

    References
    ----------
    .. [1] Lynch et al. 2024, doi:10.1038/s41586-024-07805-2
    """
    settings = settings or RidgeSettings()
    task = prepare(basis, prior, exclude)
    design = templates_on_cortex(task)
    coefficients = ridge_coefficients(task, design, anatomy, settings=settings, device=device)
    log_prior = np.log(np.maximum(task.spatial, settings.prior_floor))
    logit = settings.evidence_weight * over_networks(coefficients) + settings.prior_weight * log_prior
    logit -= logit.max(axis=0)
    probability = np.exp(logit)
    probability /= probability.sum(axis=0)
    return conclude(task, probability, method="ridge", measure="probability", settings=asdict(settings))


def templates_on_cortex(task: Task) -> FloatArray:
    """Centre the templates over the cortical rows with signal and bring them to length 1.

    Parameters
    ----------
    task : Task

    Returns
    -------
    (cortical row, network) float64 ndarray
        0 in rows without signal or template.

    Raises
    ------
    PriorError
        No templates, or some that do not vary over the cortex.
    """
    n_cortex = task.basis.grayordinates.n_cortex
    templates = task.fingerprint("ridge")[:, :n_cortex].T.astype(np.float64)
    known = (task.informed & task.valid)[:n_cortex]
    where = task.prior.source or None
    if not known.any():
        raise PriorError("no cortical row has both a template and signal", where=where)
    flat = [name for name, t in zip(task.prior.names, templates.T, strict=True) if np.ptp(t[known]) == 0]
    if flat:
        raise PriorError(f"templates that do not vary over the cortex: {', '.join(flat)}", where=where)
    design = np.zeros_like(templates)
    design[known] = templates[known] - templates[known].mean(axis=0)
    return np.asarray(design / np.linalg.norm(design, axis=0))


def ridge_coefficients(
    task: Task, design: FloatArray, anatomy: Anatomy | None, *, settings: RidgeSettings, device: Device | None = None
) -> FloatArray:
    """Regress the correlations of every row with the cortex on the templates.

    Parameters
    ----------
    task : Task
    design : (cortical row, network) float ndarray
        From `templates_on_cortex`.
    anatomy : Anatomy or None
        None: no exclusion.
    settings : RidgeSettings
    device : Device, optional

    Returns
    -------
    (network, grayordinate) float64 ndarray
    """
    place = device or arrays.device()
    xp, y = place.xp, task.basis.data
    n_cortex, n_networks = design.shape
    a = design.astype(np.float32)
    courses = np.zeros((len(y), n_networks))
    for part in _parts(n_cortex, _COLUMNS):
        courses += place.get(xp.matmul(place.put(y[:, part]), place.put(a[part])))
    left = place.put(np.ascontiguousarray(courses.T, dtype=np.float32))
    products = np.zeros((n_networks, y.shape[1]))
    for part in _parts(y.shape[1], _COLUMNS):
        products[:, part] = place.get(xp.matmul(left, place.put(y[:, part])))
    if anatomy is not None and settings.exclusion_mm > 0:
        from actionloop.networks.closeby import near_products

        nearby = Nearby(task.basis.grayordinates, anatomy, radius_mm=settings.exclusion_mm)
        for part in _parts(n_cortex, _ROWS):
            products[:, part] -= near_products(y, a, part, *nearby.block(part)).T
    return np.asarray(np.linalg.solve(design.T @ design + settings.penalty * np.eye(n_networks), products))


def over_networks(values: FloatArray) -> FloatArray:
    """Bring each column of (network, grayordinate) to mean 0 and sample SD 1; 0 where it does not vary."""
    centred: FloatArray = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) / max(len(values) - 1, 1))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def _parts(n: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]
