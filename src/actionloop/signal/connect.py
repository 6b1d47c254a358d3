"""Correlations between time series."""

from __future__ import annotations

import numpy as np

from actionloop.errors import SignalError
from actionloop.signal.series import blocks, valid_rows
from actionloop.types import FloatArray, IntArray, Timeseries


def correlate(series: Timeseries, seed: FloatArray) -> FloatArray:
    """Pearson correlation of some seed signals with every grayordinate.

    Parameters
    ----------
    series : Timeseries
    seed : (frame, seed) or (frame,) float ndarray

    Returns
    -------
    (seed, grayordinate) float32 ndarray
        0 where the grayordinate or the seed is constant.

    Raises
    ------
    SignalError
        Shapes that do not fit or a seed that is not finite.
    """
    seed = np.asarray(seed)
    seed = seed[:, None] if seed.ndim == 1 else seed
    if seed.ndim != 2 or len(seed) != series.n_frames:
        raise SignalError(
            f"expected seeds of shape ({series.n_frames}, k), found {seed.shape}", where=series.source or None
        )
    if not np.isfinite(seed).all():
        raise SignalError("a seed holds NaN or infinite values", where=series.source or None)
    unit = _unit_columns(seed, (seed != seed[:1]).any(axis=0))
    varies = valid_rows(series)
    out = np.zeros((seed.shape[1], series.data.shape[1]), dtype=np.float32)
    for part in blocks(out.shape[1]):
        out[:, part] = np.clip(unit.T @ _unit_columns(series.data[:, part], varies[part]), -1, 1)
    return out


def network_fc(series: Timeseries, label: IntArray, keys: IntArray) -> FloatArray:
    """Correlation between the mean signals of networks.

    Each grayordinate is brought to unit variance before it enters the mean, so that none outweighs the others.

    Parameters
    ----------
    series : Timeseries
    label : (grayordinate,) int ndarray
        Network key of each grayordinate; 0 unassigned.
    keys : (network,) int ndarray
        Networks to correlate.

    Returns
    -------
    (network, network) float64 ndarray
        Pearson r; diagonal 1. NaN in row and column of a network without any varying grayordinate.

    Raises
    ------
    SignalError
        Label and series do not fit each other.
    """
    label, keys = np.asarray(label), np.asarray(keys)
    if label.shape != (series.data.shape[1],) or keys.ndim != 1:
        raise SignalError(
            f"expected one label for each of {series.data.shape[1]} grayordinates, found {label.shape}",
            where=series.source or None,
        )
    varies = valid_rows(series)
    mean = np.zeros((series.n_frames, len(keys)))
    members = np.flatnonzero(varies & np.isin(label, keys))
    for part in blocks(len(members)):
        some = members[part]
        unit = _unit_columns(series.data[:, some], varies[some])
        mean += unit @ (label[some][:, None] == keys).astype(np.float64)
    present = np.array([bool((varies & (label == key)).any()) for key in keys], dtype=bool)
    unit = _unit_columns(mean, present)
    fc = np.clip(unit.T @ unit, -1, 1)
    np.fill_diagonal(fc, 1)
    fc[~present], fc[:, ~present] = np.nan, np.nan
    return fc


def _unit_columns(data: FloatArray, varies: FloatArray | np.ndarray) -> FloatArray:
    """Centre columns and bring them to length 1; constant ones to 0."""
    centred = data.astype(np.float64)
    centred -= centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    keep = np.asarray(varies, dtype=bool) & (length > 0)
    centred /= np.where(keep, length, 1)
    centred[:, ~keep] = 0
    return centred
