"""Template matching by eta²: how much of a grayordinate's connectivity a network's template explains."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.arrays import Device
from actionloop.errors import OptionError
from actionloop.networks.components import clean_components
from actionloop.networks.moments import Blocks, basis_moments, block_moments, streamed_moments
from actionloop.networks.task import Task, conclude, prepare, winners
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, NetworkMap, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["eta2"]


@dataclass(frozen=True)
class Eta2Settings:
    """Options of template matching by eta²; defaults from data/mapping.toml.

    Attributes
    ----------
    threshold_z : float
        Template values at or below this are left out of the comparison (in SD of the template within left cortex,
        right cortex and voxels).
    second_threshold_z : float
        The same in the second pass; 0 or less leaves that pass out.
    second_pass : tuple of str
        Networks whose rows are compared again, with all networks.
    fisher_z : bool
        Compare Fisher z instead of r: exact too, but through every pair of rows, hence slow.
    min_rows : int
        Smaller components take the most frequent label around them.
    """

    threshold_z: float = _DEFAULTS["threshold_z"]
    second_threshold_z: float = _DEFAULTS["second_threshold_z"]
    second_pass: tuple[str, ...] = tuple(_DEFAULTS["second_pass"])
    fisher_z: bool = _DEFAULTS["fisher_z"]
    min_rows: int = facts.load("mapping")["components"]["min_rows"]

    def __post_init__(self) -> None:
        if not np.isfinite([self.threshold_z, self.second_threshold_z]).all() or self.min_rows < 0:
            raise OptionError("the thresholds of eta² must be finite and min_rows not negative")


def map_eta2(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: Eta2Settings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
) -> NetworkMap:
    """Label every row with the template that its connectivity fits best.

    With m = (t + c) / 2 and g the mean of both, eta² = 1 - Σ[(t - m)² + (c - m)²] / Σ[(t - g)² + (c - g)²] over the
    columns where the template t exceeds the threshold; c is the person's r, brought to mean 0 and SD 1 within each of
    the nine blocks that left cortex, right cortex and voxels make. The largest eta² wins, the first on ties. Rows that
    go to SCAN or an effector are then compared again, with templates cut higher [1]_.

    The matrix of correlations is never made: over a mask, eta² needs Σc, Σc² and Σtc alone, which are linear and
    quadratic forms in the row's own series (see `moments`).

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows, with templates (`fingerprint`), in any unit.
    anatomy : Anatomy or None
        For the components that are cleaned; None leaves the map as it is.
    settings : Eta2Settings, optional
    exclude : (grayordinate,) bool ndarray, optional
    device : Device, optional

    Returns
    -------
    NetworkMap
        `probability` holds eta² (0 to 1, networks do not sum to 1).

    Raises
    ------
    PriorError
        Other rows, no templates, empty or constant ones.

    References
    ----------
    .. [1] Hermosillo et al. 2024, doi:10.1038/s41593-024-01596-5
    """
    settings = settings or Eta2Settings()
    task = prepare(basis, prior, exclude)
    columns = task.informed & task.valid
    templates = standard_templates(task, columns)
    options: dict[str, Any] = {"fisher_z": settings.fisher_z, "device": device}
    if not settings.fisher_z:
        options["blocks"] = block_moments(task, columns, device=device)
    score = compare(task, templates, columns, threshold=settings.threshold_z, **options)
    label = winners(task, score)
    second = np.isin(label, [prior.keys[i] for i, name in enumerate(prior.names) if name in settings.second_pass])
    if settings.second_threshold_z > 0 and second.any():
        again = compare(task, templates, columns, threshold=settings.second_threshold_z, rows=second, **options)
        # Where no template comes that high, the first pass stands.
        second &= again.max(axis=0) > 0
        score[:, second] = again[:, second]
        label = winners(task, score)
    made = conclude(task, score, method="eta2", measure="eta²", settings=asdict(settings), label=label)
    return made if anatomy is None else clean_components(made, anatomy, min_rows=settings.min_rows)


def standard_templates(task: Task, columns: BoolArray) -> FloatArray:
    """Bring templates to mean 0 and SD 1 within left cortex, right cortex and voxels; 0 outside `columns`."""
    raw = task.fingerprint("eta2").astype(np.float64)
    out = np.zeros_like(raw)
    for structure in range(3):
        part = columns & (task.structure == structure)
        if part.any():
            values = raw[:, part]
            spread = values.std(axis=1, keepdims=True)
            out[:, part] = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return out


def compare(
    task: Task,
    templates: FloatArray,
    columns: BoolArray,
    *,
    threshold: float,
    rows: BoolArray | None = None,
    fisher_z: bool = False,
    device: Device | None = None,
    blocks: Blocks | None = None,
) -> FloatArray:
    """Eta² of every row with every template.

    Parameters
    ----------
    task : Task
    templates : (network, grayordinate) float ndarray
        From `standard_templates`.
    columns : (grayordinate,) bool ndarray
        Columns that may be compared.
    threshold : float
        Columns where a template is at or below are left out for that network.
    rows : (grayordinate,) bool ndarray, optional
        Rows wanted; others are 0.
    fisher_z : bool
    device : Device, optional
    blocks : pair of (3, 3) float ndarray, optional
        Mean and SD of the blocks, where they are known.

    Returns
    -------
    (network, grayordinate) float64 ndarray
        0 where the row is not valid, or the template nowhere exceeds the threshold.
    """
    wanted = task.valid if rows is None else rows & task.valid
    masks = (templates > threshold) & columns
    inside = np.where(masks, templates, 0)
    sums = streamed_moments if fisher_z else basis_moments
    c, cc, tc = sums(task, inside, masks, columns=columns, rows=wanted, device=device, blocks=blocks)
    n = masks.sum(axis=1)[:, None]
    t = inside.sum(axis=1)[:, None]
    tt = (inside**2).sum(axis=1)[:, None]
    apart = (tt + cc - 2 * tc) / 2
    spread = tt + cc - (t + c) ** 2 / np.maximum(2 * n, 1)
    out: FloatArray = np.where((n > 0) & wanted, 1 - apart / np.where(spread > 0, spread, np.inf), 0)
    return np.clip(out, 0, 1)
