"""Two fields of one pose on one cortex, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.poses.second import PEAK_PERCENTILE
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import area_percentiles, hot_shares
from actionloop.types import BoolArray, FloatArray


@dataclass(frozen=True)
class FieldComparison:
    """How a field of another program stands beside ours, over the cortex where both are known.

    Attributes
    ----------
    correlation : float
        Pearson's, of |E|, weighted by area; NaN where one of both does not vary.
    ratio : float
        Theirs by ours: the factor that brings ours nearest to theirs (least squares by area).
    relative_difference : float
        Length of theirs less ours by the length of ours.
    scaled_difference : float
        The same once ours has been multiplied by `ratio`, by the length of theirs.
    peak_mm : float
        Between the places of the greatest |E|.
    centre_mm : float
        Between the middles of the stimulated cortex, weighted by area times |E|.
    dice : float
        Overlap of the stimulated cortex by area, 0 to 1.
    share_ours, share_theirs : float
        Of the stimulated cortex on the network, mean over the thresholds of the search.
    target_ours, target_theirs : float
        Mean |E| over the target, V/m; NaN where the target is not known.
    peak_ours, peak_theirs : float
        99.9th percentile of |E| by area, V/m.
    covered : float
        Share of the area that was compared.
    """

    correlation: float
    ratio: float
    relative_difference: float
    scaled_difference: float
    peak_mm: float
    centre_mm: float
    dice: float
    share_ours: float
    share_theirs: float
    target_ours: float
    target_theirs: float
    peak_ours: float
    peak_theirs: float
    covered: float


def compare_fields(
    ours: FloatArray,
    theirs: FloatArray,
    *,
    cortex: Mapping[str, FloatArray],
    target: BoolArray,
    settings: SearchSettings,
) -> FieldComparison:
    """Compare |E| of two programs at the same vertices.

    Parameters
    ----------
    ours, theirs : (vertex,) float ndarray
        V/m for the same rate of change; vertices where one is not finite take no part.
    cortex : mapping of str to ndarray
        'points_mm' (vertex, 3), 'area_mm2' (vertex,), 'weights' (vertex,): how much each belongs to the network.
    target : (vertex,) bool ndarray
        Vertices that the search averaged over.
    settings : SearchSettings
        For the thresholds.

    Returns
    -------
    FieldComparison

    Raises
    ------
    GeometryError
        Shapes that do not fit, nothing that both know, or a field of zero.
    """
    points, area, weights = (np.asarray(cortex[name]) for name in ("points_mm", "area_mm2", "weights"))
    if not ours.shape == theirs.shape == area.shape == weights.shape == target.shape == points.shape[:1]:
        raise GeometryError(f"expected two fields on {len(area)} vertices, found {ours.shape} and {theirs.shape}")
    known = np.isfinite(ours) & np.isfinite(theirs)
    covered = float(area[known].sum() / area.sum()) if area.sum() > 0 else 0.0
    ours, theirs = ours[known].astype(np.float64), theirs[known].astype(np.float64)
    points, area, weights, target = points[known], area[known], weights[known], target[known]
    if not covered > 0 or not ours.any() or not theirs.any():
        raise GeometryError("one of both fields is 0 or unknown all over the cortex")
    squares = float(area @ (ours * ours))
    ratio = float(area @ (ours * theirs)) / squares
    percentile = float(facts.load("engines")["compare"]["percentile"])
    hot = [values >= area_percentiles(values, area, [percentile])[0] for values in (ours, theirs)]
    centres = [np.average(points[h], axis=0, weights=(area * v)[h]) for h, v in zip(hot, (ours, theirs), strict=True)]
    found = hot_shares(np.stack([ours, theirs]), area, weights[None], (*settings.percentiles, PEAK_PERCENTILE))
    shares = found.share[0, :, :-1].mean(axis=1)
    aimed = [float(np.average(v[target], weights=area[target])) if target.any() else np.nan for v in (ours, theirs)]
    return FieldComparison(
        correlation=_correlation(ours, theirs, area),
        ratio=ratio,
        relative_difference=float(np.sqrt(area @ (theirs - ours) ** 2 / squares)),
        scaled_difference=float(np.sqrt(area @ (theirs - ratio * ours) ** 2 / (area @ theirs**2))),
        peak_mm=float(np.linalg.norm(points[ours.argmax()] - points[theirs.argmax()])),
        centre_mm=float(np.linalg.norm(centres[0] - centres[1])),
        dice=float(2 * area[hot[0] & hot[1]].sum() / (area[hot[0]].sum() + area[hot[1]].sum())),
        share_ours=float(shares[0]),
        share_theirs=float(shares[1]),
        target_ours=aimed[0],
        target_theirs=aimed[1],
        peak_ours=float(found.level_v_per_m[0, -1]),
        peak_theirs=float(found.level_v_per_m[1, -1]),
        covered=covered,
    )


def _correlation(one: FloatArray, other: FloatArray, area: FloatArray) -> float:
    a, b = one - np.average(one, weights=area), other - np.average(other, weights=area)
    spread = float(np.sqrt((area @ (a * a)) * (area @ (b * b))))
    return float(area @ (a * b)) / spread if spread > 0 else float("nan")
