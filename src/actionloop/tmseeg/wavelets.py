"""Morlet wavelets at chosen times: one product of matrices for each frequency."""

from __future__ import annotations

import numpy as np

from actionloop import arrays
from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.bands import ComplexArray, Grid, Window, sigma_s
from actionloop.types import FloatArray, IntArray, Trials

_REACH = 5.0  # standard deviations of the envelope that a wavelet is written out to


def morlet(frequency_hz: float, sfreq_hz: float, *, cycles: float) -> ComplexArray:
    """One Morlet wavelet without a mean; (sample,) complex128, of odd length.

    Scaled as MNE-Python scales it, to a norm of √2 [1]_.

    References
    ----------
    .. [1] Tallon-Baudry C et al. 1997, doi:10.1523/JNEUROSCI.17-02-00722.1997
    """
    sigma = sigma_s(frequency_hz, cycles)
    half = np.arange(0.0, _REACH * sigma, 1 / sfreq_hz)
    time = np.concatenate([-half[:0:-1], half])
    wave = np.exp(2j * np.pi * frequency_hz * time) - np.exp(-2 * (np.pi * frequency_hz * sigma) ** 2)
    wave = wave * np.exp(-(time**2) / (2 * sigma**2))
    return np.asarray(wave / (np.sqrt(0.5) * np.linalg.norm(wave)))


def transform(
    data: FloatArray, frequencies_hz: FloatArray, *, sfreq_hz: float, cycles: float, at: IntArray | None = None
) -> ComplexArray:
    """Convolve trials with Morlet wavelets; values beyond a trial count as 0.

    Few times are asked for of many samples, so that the wavelets, laid out at these times, and the trials are simply
    multiplied.

    Parameters
    ----------
    data : (trial, channel, sample) float ndarray
    frequencies_hz : (frequency,) float ndarray
    sfreq_hz : float
    cycles : float
    at : (time,) int ndarray, optional
        Samples; else all.

    Returns
    -------
    (trial, channel, frequency, time) complex128 ndarray

    Raises
    ------
    OptionError
        Frequencies that this sampling rate cannot hold, or times outside the trial.
    """
    n_trials, n_channels, n_samples = data.shape
    where = np.arange(n_samples) if at is None else np.asarray(at, dtype=np.int64)
    if (np.asarray(frequencies_hz) <= 0).any() or np.max(frequencies_hz) >= sfreq_hz / 2:
        raise OptionError(
            f"frequencies of {np.min(frequencies_hz):g} to {np.max(frequencies_hz):g} Hz cannot be read at "
            f"{sfreq_hz:g} samples a second",
            fix="sample faster, or ask for lower bands",
        )
    if not len(where) or where.min() < 0 or where.max() >= n_samples:
        raise OptionError("times outside the trial, or none", fix="check the windows")
    flat = np.ascontiguousarray(data.reshape(-1, n_samples), dtype=np.float64)
    out = np.empty((n_trials, n_channels, len(frequencies_hz), len(where)), dtype=np.complex128)

    def one(row: int) -> None:
        wave = morlet(float(frequencies_hz[row]), sfreq_hz, cycles=cycles)
        reach = len(wave) // 2
        offset = where[None] - np.arange(n_samples)[:, None] + reach
        used = (offset >= 0) & (offset < len(wave))
        first, last = max(0, int(where.min()) - reach), min(n_samples, int(where.max()) + reach + 1)
        laid = np.where(used, wave[np.clip(offset, 0, len(wave) - 1)], 0)[first:last]
        shape = n_trials, n_channels, len(where)
        out.real[:, :, row] = (flat[:, first:last] @ laid.real).reshape(shape)
        out.imag[:, :, row] = (flat[:, first:last] @ laid.imag).reshape(shape)

    arrays.side_by_side(one, range(len(frequencies_hz)))
    return out


def samples_of(trials: Trials, window: Window, *, grid: Grid) -> IntArray:
    """Return the samples of a window at which is measured, `grid.step_s` apart.

    Raises
    ------
    SignalError
        The window reaches beyond the trial, or the slowest wavelet at its ends does.
    """
    inside = np.flatnonzero(trials.window(window.start_s, window.stop_s))
    slow = min(grid.bands, key=lambda band: band.low_hz)
    reach = grid.edge_sigmas * sigma_s(slow.low_hz, grid.cycles)
    times = trials.times_s
    if (
        window.start_s - reach < times[0] - 1 / trials.sfreq_hz
        or window.stop_s + reach > times[-1] + 1 / trials.sfreq_hz
    ):
        raise SignalError(
            f"the band {slow.name!r} from {slow.low_hz:g} Hz needs trials from {(window.start_s - reach) * 1000:.0f} "
            f"to {(window.stop_s + reach) * 1000:.0f} ms for the window {window.name!r}; these last from "
            f"{times[0] * 1000:.0f} to {times[-1] * 1000:.0f} ms",
            where=trials.source or None,
            fix="cut longer trials, leave that band out, or ask for fewer cycles",
        )
    if not len(inside):
        raise SignalError(
            f"the window {window.name!r} holds no sample at {trials.sfreq_hz:g} Hz", where=trials.source or None
        )
    return inside[:: max(1, round(grid.step_s * trials.sfreq_hz))]
