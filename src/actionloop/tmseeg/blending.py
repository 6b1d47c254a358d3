"""Replacing the pulse: autoregressive prediction from before and from after, blended across the gap."""

from __future__ import annotations

import numpy as np

from actionloop.errors import SignalError
from actionloop.types import FloatArray

_TINY = 1e-30
LEAST_FIT = 4
"""Samples that a model is fitted to, at least."""


def burg(series: FloatArray, *, order: int) -> FloatArray:
    """Autoregressive coefficients by Burg's method; the model is stable, so that its prediction never grows.

    Parameters
    ----------
    series : (series, sample) float ndarray
        Zero mean; oldest sample first.
    order : int
        Below the number of samples.

    Returns
    -------
    (series, order) float ndarray
        x[t] is predicted as the sum of a[k] x[t - 1 - k].

    References
    ----------
    .. [1] Burg 1968, A new analysis technique for time series data, NATO Advanced Study Institute, Enschede.
    """
    forward, backward = series.copy(), series.copy()
    polynomial = np.zeros((len(series), order + 1))
    polynomial[:, 0] = 1.0
    for step in range(order):
        ahead, behind = forward[:, 1:], backward[:, :-1]
        power = np.einsum("ij,ij->i", ahead, ahead) + np.einsum("ij,ij->i", behind, behind)
        reflection = -2.0 * np.einsum("ij,ij->i", ahead, behind) / np.maximum(power, _TINY)
        turned = polynomial[:, step::-1].copy()
        polynomial[:, 1 : step + 2] += reflection[:, None] * turned
        forward, backward = ahead + reflection[:, None] * behind, behind + reflection[:, None] * ahead
    return -polynomial[:, 1:]


def predict(series: FloatArray, count: int, *, order: int) -> FloatArray:
    """Continue series by an autoregressive model of each around its own mean.

    Parameters
    ----------
    series : (series, sample) float ndarray
        Oldest sample first.
    count : int
        Samples to add.
    order : int
        At most one below the number of samples; more is cut to that.

    Returns
    -------
    (series, count) float ndarray
    """
    mean = series.mean(axis=1, keepdims=True)
    centred = series - mean
    order = max(1, min(order, series.shape[1] - 1))
    weights = burg(centred, order=order)[:, ::-1]
    known = np.concatenate((centred[:, -order:], np.zeros((len(series), count))), axis=1)
    for place in range(order, order + count):
        known[:, place] = np.einsum("ij,ij->i", known[:, place - order : place], weights)
    predicted: FloatArray = known[:, order:] + mean
    return predicted


def blend_weights(count: int) -> FloatArray:
    """Weight of the prediction from before, from nearly 1 to nearly 0, flat at both ends; (count,)."""
    return np.asarray(np.cos(0.5 * np.pi * np.arange(1, count + 1) / (count + 1)) ** 2)


def gap_samples(start_s: float, sfreq_hz: float, n_samples: int, gap_s: tuple[float, float]) -> slice:
    """Return the samples of a gap, both ends included.

    Raises
    ------
    SignalError
        The gap holds no sample, or nothing is left before or after it.
    """
    first = int(np.ceil((gap_s[0] - start_s) * sfreq_hz - 1e-6))
    last = int(np.floor((gap_s[1] - start_s) * sfreq_hz + 1e-6))
    if last < first:
        raise SignalError(
            f"at {sfreq_hz:g} Hz no sample lies between {gap_s[0] * 1000:g} and {gap_s[1] * 1000:g} ms",
            fix="widen the window around the pulse",
        )
    if first < LEAST_FIT or n_samples - 1 - last < LEAST_FIT:
        raise SignalError(
            f"the window of {gap_s[0] * 1000:g} to {gap_s[1] * 1000:g} ms around the pulse leaves nothing to predict "
            "from",
            fix="cut longer trials",
        )
    return slice(first, last + 1)


def bridge(
    series: FloatArray,
    gap: slice,
    *,
    fit: tuple[int, int],
    order_share: float,
) -> FloatArray:
    """Replace a gap by prediction forwards from before it and backwards from after it, blended.

    Parameters
    ----------
    series : (series, sample) float ndarray
    gap : slice
        Samples to replace, see `gap_samples`.
    fit : (int, int)
        Samples before and after the gap that the models are fitted to; fewer where the series ends.
    order_share : float
        Order of the model in shares of the samples of the fit.

    Returns
    -------
    (series, sample of the gap) float ndarray

    References
    ----------
    .. [1] Cline et al. 2021, doi:10.1109/NER49283.2021.9441147
    """
    count = gap.stop - gap.start
    before = series[:, max(0, gap.start - fit[0]) : gap.start]
    after = series[:, gap.stop : gap.stop + fit[1]]
    weights = blend_weights(count)
    ahead = predict(before, count, order=int(np.ceil(before.shape[1] * order_share)))
    back = predict(after[:, ::-1], count, order=int(np.ceil(after.shape[1] * order_share)))[:, ::-1]
    blended: FloatArray = weights * ahead + (1 - weights) * back
    return blended


def interpolate_pulse(
    data: FloatArray,
    *,
    start_s: float,
    sfreq_hz: float,
    gap_s: tuple[float, float],
    fit_s: tuple[float, float],
    order_share: float,
) -> FloatArray:
    """Replace the pulse in every trial and channel.

    Parameters
    ----------
    data : (trial, channel, sample) float ndarray
    start_s, sfreq_hz : float
        Time of the first sample against the pulse, and the sampling rate.
    gap_s : (float, float)
        Window to replace.
    fit_s : (float, float)
        Time before and after it that the models are fitted to.
    order_share : float
        Order of the model in shares of the samples of the fit.

    Returns
    -------
    (trial, channel, sample) float ndarray
        A copy.

    Raises
    ------
    SignalError
        The gap holds no sample, or nothing is left before or after it.
    """
    gap = gap_samples(start_s, sfreq_hz, data.shape[2], gap_s)
    fit = (max(LEAST_FIT, round(fit_s[0] * sfreq_hz)), max(LEAST_FIT, round(fit_s[1] * sfreq_hz)))
    filled = data.copy()
    for trial in filled:
        trial[:, gap] = bridge(trial, gap, fit=fit, order_share=order_share)
    return filled
