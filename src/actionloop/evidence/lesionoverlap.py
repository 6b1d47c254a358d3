"""Whether a lesion's connectivity favours a network, or a place, more than that of lesions of its size elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actionloop.errors import EmptyRegionError, InputError, OptionError
from actionloop.evidence.adjust import Side, fdr, max_p, null_p
from actionloop.types import BoolArray, FloatArray

Overlap = Literal["difference", "correlation"]

_BLOCK = 4096  # rows worked on at a time
_GONE = 1e-6  # of its length: what is left of a network is then rounding


@dataclass(frozen=True, eq=False)
class NetworkEvidence:
    """A lesion's overlap with networks against that of null lesions.

    Attributes
    ----------
    names : tuple of str
        Networks.
    measure : {'difference', 'correlation'}
        Fisher z inside minus outside, or correlation of the map with the network's probability.
    value : (network,) float ndarray
        NaN where the network cannot be told from what was removed.
    null : (null lesion, network) float ndarray
    p, p_fdr, p_max : (network,) float ndarray
        For one network, by false discovery rate, and family-wise: against the largest of all networks, each in units
        of its own null.
    removed : tuple of str
        What was partialled out of the maps, e.g. 'degree'.
    confound_r : mapping of str to float
        Correlation over rows of the lesion's map with each of these before.
    """

    names: tuple[str, ...]
    measure: Overlap
    value: FloatArray
    null: FloatArray
    p: FloatArray
    p_fdr: FloatArray
    p_max: FloatArray
    removed: tuple[str, ...]
    confound_r: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class RowEvidence:
    """A lesion's connectivity with every row against that of null lesions.

    Attributes
    ----------
    z : (row,) float32 ndarray
        Distance from the mean of all lesions, its own among them, in their standard deviations; NaN where rows do not
        count.
    p_max : (row,) float32 ndarray
        Family-wise, against the largest of all rows.
    """

    z: FloatArray
    p_max: FloatArray


def network_evidence(
    maps: FloatArray,
    targets: FloatArray,
    *,
    names: Sequence[str],
    weight: FloatArray,
    confounds: Mapping[str, FloatArray] | None = None,
    measure: Overlap = "difference",
    side: Side = "positive",
) -> NetworkEvidence:
    """Compare a lesion's overlap with networks with that of null lesions.

    Parameters
    ----------
    maps : (1 + null lesion, row) float ndarray
        Mean Fisher z; the lesion's first.
    targets : (network, row) float ndarray
        Probability of each network, or 0 and 1.
    names : sequence of str
    weight : (row,) float ndarray
        Area or volume; 0 for rows that do not count.
    confounds : mapping of str to (row,) float ndarray, optional
        Partialled out of every map, e.g. degree and first component.
    measure : {'difference', 'correlation'}
    side : {'positive', 'both'}
        'both' asks as well for networks that the lesion is less connected with than others are.

    Returns
    -------
    NetworkEvidence

    Raises
    ------
    OptionError
        No such measure, or names that do not fit.
    InputError
        No null lesion, or as `overlap_values`.
    EmptyRegionError
        As `overlap_values`.
    """
    if measure not in ("difference", "correlation") or len(names) != len(targets):
        raise OptionError(f"expected 'difference' or 'correlation' and a name for each of {len(targets)} networks")
    if len(maps) < 2:
        raise InputError("expected the lesion's map and those of null lesions, found one", fix="draw null lesions")
    given = {} if confounds is None else dict(confounds)
    stacked = np.stack(list(given.values())) if given else None
    both = overlap_values(maps, targets, weight=weight, confounds=stacked)
    values = both[0 if measure == "difference" else 1]
    standard = (values - values.mean(axis=0)) / np.where(values.std(axis=0) > 0, values.std(axis=0), 1)
    p = null_p(standard[0], standard[1:], side=side)
    counted = np.asarray(weight) > 0
    return NetworkEvidence(
        names=tuple(names),
        measure=measure,
        value=values[0],
        null=values[1:],
        p=p,
        p_fdr=fdr(p),
        p_max=max_p(standard[0], standard[1:], side=side),
        removed=tuple(given),
        confound_r={name: _correlation(maps[0], own, np.asarray(weight), counted) for name, own in given.items()},
    )


def overlap_values(
    maps: FloatArray, targets: FloatArray, *, weight: FloatArray, confounds: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Measure how maps overlap with networks after confounds were partialled out.

    Confounds are taken out of the contrasts instead of the maps: the same numbers, and no map is copied.

    Parameters
    ----------
    maps : (map, row) float ndarray
    targets : (network, row) float ndarray
        0 to 1.
    weight : (row,) float ndarray
    confounds : (confound, row) float ndarray, optional

    Returns
    -------
    difference : (map, network) float64 ndarray
        Mean inside minus mean outside; rows count by area and by probability, outside by one minus it.
    correlation : (map, network) float64 ndarray
        Over rows, by area; partial where there are confounds.

    Raises
    ------
    InputError
        Shapes that do not fit, or values that are not finite where rows count.
    EmptyRegionError
        A network without area, or with all of it.
    """
    rows, area = _counted(maps, targets, weight, confounds)
    root, inside = np.sqrt(area), np.asarray(targets, dtype=np.float64)[:, rows]
    within, beyond = inside @ area, (1 - inside) @ area
    if not ((within > 0) & (beyond > 0)).all():
        raise EmptyRegionError("a network has no area, or all of it, among the rows that count")
    contrast = root * (inside / within[:, None] - (1 - inside) / beyond[:, None])
    basis = _span(root, None if confounds is None else np.asarray(confounds, dtype=np.float64)[:, rows])
    shape = inside * root
    whole = np.linalg.norm(shape, axis=1)
    contrast -= (contrast @ basis.T) @ basis
    shape -= (shape @ basis.T) @ basis
    length = np.linalg.norm(shape, axis=1)
    known = np.where(length > _GONE * whole, 1.0, np.nan)
    shape /= np.where(length > 0, length, 1)[:, None]
    k = len(inside)
    products, squares = np.zeros((len(maps), 2 * k + len(basis))), np.zeros(len(maps))
    against = np.concatenate([contrast, shape, basis])
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        block = maps[:, rows[part]] * root[part]
        products += block @ against[:, part].T
        squares += np.einsum("mr,mr->m", block, block)
    rest = squares - (products[:, 2 * k :] ** 2).sum(axis=1)
    size = np.sqrt(np.where(rest > _GONE**2 * squares, rest, np.inf))[:, None]
    return products[:, :k] * known, products[:, k : 2 * k] / size * known


def row_evidence(
    maps: FloatArray, *, weight: FloatArray, confounds: Mapping[str, FloatArray] | None = None, side: Side = "positive"
) -> RowEvidence:
    """Compare a lesion's connectivity with every row with that of null lesions.

    Parameters
    ----------
    maps : (1 + null lesion, row) float ndarray
        Mean Fisher z; the lesion's first.
    weight : (row,) float ndarray
        Area or volume, for the fit of confounds; 0 for rows that do not count.
    confounds : mapping of str to (row,) float ndarray, optional
    side : {'positive', 'both'}

    Returns
    -------
    RowEvidence

    Raises
    ------
    InputError
        No null lesion, shapes that do not fit, or values that are not finite.
    """
    if len(maps) < 2:
        raise InputError("expected the lesion's map and those of null lesions, found one", fix="draw null lesions")
    stacked = None if not confounds else np.stack(list(confounds.values()))
    rows, area = _counted(maps, None, weight, stacked)
    root = np.sqrt(area)
    basis = _span(root, None if stacked is None else stacked[:, rows])[1:]  # the map's own mean stays
    parts = [slice(first, first + _BLOCK) for first in range(0, len(rows), _BLOCK)]
    amount = np.zeros((len(maps), len(basis)))
    for part in parts:
        amount += (maps[:, rows[part]] * root[part]) @ basis[:, part].T
    z, largest = np.full(maps.shape[1], np.nan), np.full(len(maps), -np.inf)
    for part in parts:
        block = maps[:, rows[part]] - (amount @ basis[:, part]) / root[part]
        spread = block.std(axis=0)
        block = (block - block.mean(axis=0)) / np.where(spread > 0, spread, 1)
        z[rows[part]] = block[0]
        np.maximum(largest, (np.abs(block) if side == "both" else block).max(axis=1), out=largest)
    reached = np.abs(z[rows]) if side == "both" else z[rows]
    ordered = np.sort(largest[1:])
    p = np.full(maps.shape[1], np.nan)
    p[rows] = (1 + len(ordered) - np.searchsorted(ordered, reached)) / (1 + len(ordered))
    return RowEvidence(z.astype(np.float32), p.astype(np.float32))


def _counted(
    maps: FloatArray, targets: FloatArray | None, weight: FloatArray, confounds: FloatArray | None
) -> tuple[np.ndarray, FloatArray]:
    """Rows that count, and their areas; refuses arrays that do not fit or are not finite there."""
    n_rows = maps.shape[1]
    area = np.asarray(weight, dtype=np.float64)
    others = [one for one in (targets, confounds) if one is not None]
    if area.shape != (n_rows,) or any(one.ndim != 2 or one.shape[1] != n_rows for one in others):
        raise InputError(f"expected networks, confounds and areas on the {n_rows} rows of the maps")
    if not np.isfinite(area).all() or (area < 0).any() or not area.any():
        raise InputError("expected finite areas, not negative, and some above 0")
    rows = np.flatnonzero(area > 0)
    if not all(np.isfinite(one[:, rows]).all() for one in others) or not np.isfinite(maps.sum(axis=0)[rows]).all():
        raise InputError(
            "maps, networks or confounds hold NaN or infinite values in rows that count",
            fix="give these rows the area 0",
        )
    if targets is not None and ((targets[:, rows] < 0) | (targets[:, rows] > 1)).any():
        raise InputError("expected probabilities of networks from 0 to 1")
    return rows, area[rows]


def _span(root: FloatArray, confounds: FloatArray | None) -> FloatArray:
    """Orthonormal rows for the mean and the confounds, both times the root of the area; (1 + confound, row)."""
    rows = [root / np.linalg.norm(root)]
    for confound in () if confounds is None else confounds * root:
        rest = confound.astype(np.float64)
        for _ in range(2):  # once more for what rounding leaves
            for row in rows:
                rest = rest - (rest @ row) * row
        if (length := np.linalg.norm(rest)) > _GONE * max(float(np.linalg.norm(confound)), 1e-300):
            rows.append(rest / length)
    return np.stack(rows)


def _correlation(one: FloatArray, other: FloatArray, weight: FloatArray, counted: BoolArray) -> float:
    area = weight[counted] / weight[counted].sum()
    first, second = one[counted].astype(np.float64), np.asarray(other, dtype=np.float64)[counted]
    first, second = first - area @ first, second - area @ second
    size = float(np.sqrt((area @ first**2) * (area @ second**2)))
    return float(area @ (first * second)) / size if size > 0 else float("nan")
