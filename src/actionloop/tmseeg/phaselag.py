"""Debiased weighted phase lag index of many pairs, and of trials drawn anew.

Of each pair, frequency and time the index needs three sums over trials: of the cross-spectrum's imaginary part, of its
absolute value and of its square. They are additive, and weights of the trials pass through them, so that a bootstrap is
three products of matrices.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.random import Generator

from actionloop import arrays
from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.bands import ComplexArray
from actionloop.types import FloatArray, IntArray

_AT_ONCE = 1024  # pairs whose trials are held together
_FAST = {"reassoc", "nsz", "arcp"}  # no contraction: a channel with itself must give exactly 0


def all_pairs(n: int) -> IntArray:
    """Return each pair of n channels once; (pair, 2), the first below the second."""
    return np.stack(np.triu_indices(n, k=1), axis=1).astype(np.int64)


def phase_lag(values: ComplexArray, *, pairs: IntArray | None = None) -> FloatArray:
    """Debiased estimate of the squared weighted phase lag index [1]_.

    ((Σ Im)² − Σ Im²) / ((Σ |Im|)² − Σ Im²) over trials, Im the imaginary part of the cross-spectrum. It may be negative
    and is never clipped: averages of clipped values would lie above 0 where nothing is coupled.

    Parameters
    ----------
    values : (trial, channel, frequency, time) complex ndarray
        Time-frequency values, of any unit.
    pairs : (pair, 2) int ndarray, optional
        Channels of each pair; else every pair once.

    Returns
    -------
    (pair, frequency, time) float64 ndarray
        0 where no trial has any imaginary part.

    Raises
    ------
    SignalError
        Not four axes, fewer than two trials, or values that are no numbers.
    OptionError
        Pairs of channels that are not there.

    References
    ----------
    .. [1] Vinck M et al. 2011, doi:10.1016/j.neuroimage.2011.01.055
    """
    signed, absolute, square = phase_lag_sums(values, pairs=pairs)
    return debiased(signed, absolute, square)


def phase_lag_sums(values: ComplexArray, *, pairs: IntArray | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sums over trials of the imaginary part, of its absolute value and of its square.

    Parameters
    ----------
    values, pairs
        As `phase_lag`. Sums of two sets of trials add up to those of both.

    Returns
    -------
    signed, absolute, square : (pair, frequency, time) float64 ndarray

    Raises
    ------
    SignalError, OptionError
        As `phase_lag`.
    """
    pairs = _checked(values, pairs)
    n_frequencies, n_times = values.shape[2:]
    out = np.empty((3, len(pairs), n_frequencies, n_times))

    def one(frequency: int) -> None:
        real, imaginary = _laid_out(values[:, :, frequency], np.float64)
        _sum_trials(real, imaginary, pairs, out[:, :, frequency])

    arrays.side_by_side(one, range(n_frequencies))
    return out[0], out[1], out[2]


def debiased(signed: FloatArray, absolute: FloatArray, square: FloatArray) -> FloatArray:
    """Return the index from its three sums; 0 where the denominator is 0.

    With weights w of the trials the sums are Σ w Im, Σ w |Im| and Σ w² Im²: a trial drawn twice would otherwise be
    paired with itself, which is the very bias that the estimator takes off.
    """
    below = absolute * absolute - square
    known = below > 0
    return np.where(known, (signed * signed - square) / np.where(known, below, 1), 0.0)


def draw_weights(n_trials: int, n: int, *, rng: Generator) -> FloatArray:
    """How often each trial is drawn in n resamples of as many trials, with replacement; (draw, trial) float32.

    Raises
    ------
    OptionError
        Fewer than two trials or draws.
    """
    if min(n_trials, n) < 2:
        raise OptionError(f"a bootstrap needs at least 2 trials and 2 draws, found {n_trials} and {n}")
    return rng.multinomial(n_trials, np.full(n_trials, 1 / n_trials), size=n).astype(np.float32)


def resampled_phase_lag(
    values: ComplexArray, weights: FloatArray, contrasts: FloatArray, *, pairs: IntArray | None = None
) -> FloatArray:
    """Weighted means over pairs of the index, for trials drawn anew.

    Parameters
    ----------
    values : (trial, channel, frequency, time) complex ndarray
    weights : (draw, trial) float ndarray
        How often each trial counts; 0 or more.
    contrasts : (measure, pair) float ndarray
        Weight of each pair in each mean.
    pairs : (pair, 2) int ndarray, optional

    Returns
    -------
    (draw, measure, frequency, time) float64 ndarray

    Raises
    ------
    SignalError
        As `phase_lag`.
    OptionError
        Weights or contrasts of another length, or weights below 0.
    """
    pairs = _checked(values, pairs)
    n_trials, _, n_frequencies, n_times = values.shape
    if weights.ndim != 2 or weights.shape[1] != n_trials or (weights < 0).any():
        raise OptionError(f"expected weights of {n_trials} trials, none below 0, found {weights.shape}")
    if contrasts.ndim != 2 or contrasts.shape[1] != len(pairs):
        raise OptionError(f"expected weights of {len(pairs)} pairs, found {contrasts.shape}")
    once = np.ascontiguousarray(weights, dtype=np.float32)
    twice, means = once**2, np.ascontiguousarray(contrasts.T, dtype=np.float32)
    out = np.zeros((len(weights), len(contrasts), n_frequencies, n_times))

    def one(frequency: int) -> None:
        real, imaginary = _laid_out(values[:, :, frequency], np.float32)
        held = np.empty((3, min(_AT_ONCE, len(pairs)), n_trials), dtype=np.float32)
        for time in range(n_times):
            for start in range(0, len(pairs), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                parts = held[:, : len(pairs[some])]
                _spread_trials(real[time], imaginary[time], pairs[some], parts)
                found = debiased(once @ parts[0].T, once @ parts[1].T, twice @ parts[2].T)
                out[:, :, frequency, time] += found @ means[some]

    arrays.side_by_side(one, range(n_frequencies))
    return out


def left_out_phase_lag(values: ComplexArray, contrasts: FloatArray, *, pairs: IntArray | None = None) -> FloatArray:
    """Weighted means over pairs of the index, each trial left out once.

    Parameters
    ----------
    values, contrasts, pairs
        As `resampled_phase_lag`.

    Returns
    -------
    (trial, measure, frequency, time) float64 ndarray

    Raises
    ------
    SignalError, OptionError
        As `resampled_phase_lag`, and fewer than three trials.
    """
    pairs = _checked(values, pairs)
    n_trials, _, n_frequencies, n_times = values.shape
    if n_trials < 3:
        raise SignalError(f"expected at least 3 trials to leave one out, found {n_trials}")
    if contrasts.ndim != 2 or contrasts.shape[1] != len(pairs):
        raise OptionError(f"expected weights of {len(pairs)} pairs, found {contrasts.shape}")
    means = np.ascontiguousarray(contrasts, dtype=np.float32)
    out = np.zeros((n_trials, len(contrasts), n_frequencies, n_times))

    def one(frequency: int) -> None:
        real, imaginary = _laid_out(values[:, :, frequency], np.float32)
        held = np.empty((min(_AT_ONCE, len(pairs)), n_trials), dtype=np.float32)
        for time in range(n_times):
            for start in range(0, len(pairs), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                part = held[: len(pairs[some])]
                _leave_out(real[time], imaginary[time], pairs[some], part)
                out[:, :, frequency, time] += (means[:, some] @ part).T

    arrays.side_by_side(one, range(n_frequencies))
    return out


def _checked(values: ComplexArray, pairs: IntArray | None) -> IntArray:
    if values.ndim != 4 or len(values) < 2:
        raise SignalError(
            f"expected at least 2 trials by channels, frequencies and times, found {values.shape}",
            fix="a phase lag index is one of trials: give each its own row",
        )
    if not np.isfinite(values).all():
        raise SignalError("time-frequency values hold values that are no numbers", fix="leave bad channels out")
    if pairs is None:
        return all_pairs(values.shape[1])
    found = np.ascontiguousarray(pairs, dtype=np.int64)
    if found.ndim != 2 or found.shape[1] != 2 or (found < 0).any() or (found >= values.shape[1]).any():
        raise OptionError(f"expected pairs of {values.shape[1]} channels, found an array of {found.shape}")
    return found


def _laid_out(values: ComplexArray, dtype: type) -> tuple[FloatArray, FloatArray]:
    """Real and imaginary parts as (time, channel, trial), each channel and time of unit size to lose no digits."""
    turned = np.moveaxis(values, (0, 1, 2), (2, 1, 0))
    size = np.sqrt((turned.real**2 + turned.imag**2).mean(axis=2, keepdims=True))
    size[size == 0] = 1
    return np.ascontiguousarray(turned.real / size, dtype=dtype), np.ascontiguousarray(turned.imag / size, dtype=dtype)


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def _sum_trials(real: FloatArray, imaginary: FloatArray, pairs: IntArray, out: FloatArray) -> None:
    for time in range(real.shape[0]):
        for pair in range(pairs.shape[0]):
            a, b = pairs[pair]
            re_a, im_a, re_b, im_b = real[time, a], imaginary[time, a], real[time, b], imaginary[time, b]
            signed = absolute = square = 0.0
            for trial in range(real.shape[2]):
                part = im_a[trial] * re_b[trial] - re_a[trial] * im_b[trial]
                signed += part
                absolute += abs(part)
                square += part * part
            out[0, pair, time] = signed
            out[1, pair, time] = absolute
            out[2, pair, time] = square


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def _spread_trials(real: FloatArray, imaginary: FloatArray, pairs: IntArray, out: FloatArray) -> None:
    for pair in range(pairs.shape[0]):
        a, b = pairs[pair]
        for trial in range(real.shape[1]):
            part = imaginary[a, trial] * real[b, trial] - real[a, trial] * imaginary[b, trial]
            out[0, pair, trial] = part
            out[1, pair, trial] = abs(part)
            out[2, pair, trial] = part * part


@numba.njit(cache=True, nogil=True, fastmath=_FAST)  # type: ignore[untyped-decorator]
def _leave_out(real: FloatArray, imaginary: FloatArray, pairs: IntArray, out: FloatArray) -> None:
    for pair in range(pairs.shape[0]):
        a, b = pairs[pair]
        signed = absolute = square = 0.0
        for trial in range(real.shape[1]):
            part = imaginary[a, trial] * real[b, trial] - real[a, trial] * imaginary[b, trial]
            out[pair, trial] = part
            signed += part
            absolute += abs(part)
            square += part * part
        for trial in range(real.shape[1]):
            part = out[pair, trial]
            rest = square - part * part
            below = (absolute - abs(part)) ** 2 - rest
            out[pair, trial] = ((signed - part) ** 2 - rest) / below if below > 0 else 0.0
