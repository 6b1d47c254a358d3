"""Removing the slow decay after a pulse without eating the evoked response."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from actionloop.errors import OptionError
from actionloop.types import FloatArray, Trials

_JITTER = 1e-9
_QUIET_S = -0.02
"""End of what counts as before the pulse."""


@dataclass(frozen=True)
class DecayModel:
    """What is known beforehand of decay and of evoked responses.

    Attributes
    ----------
    fit_s : (float, float)
        Window after the pulse in which the two are told apart.
    back_to_s : float
        The decay is continued from the window back to this time, and is flat from there to the pulse.
    taus_s : (float, float)
        Shortest and longest time constant.
    n_taus : int
        Time constants, spaced evenly in their logarithm; a power law is a sum of such exponentials too.
    points : int
        Places, spaced evenly in the logarithm of time, at which the response is looked at.
    size_s : float
        Time from the window's beginning on whose mean size is how large a channel's decay may be.
    least_v : float
        And at least so large.
    evoked_v : float
        Size (standard deviation) of an evoked response.
    width : float
        How far in the logarithm of time an evoked response resembles itself.
    period : float
        Logarithm of the ratio between the times of one peak and the next of the same sign.
    reach_mm : float
        How far along the head an evoked response resembles itself.
    noise_s : float
        Correlation time of what is left of the ongoing activity in the mean over trials.
    noise_v : float
        Noise of each channel beside that.
    scale_s : float
        Time from the window's beginning on in which each trial's size of the decay is found.
    """

    fit_s: tuple[float, float]
    back_to_s: float
    taus_s: tuple[float, float]
    n_taus: int
    points: int
    size_s: float
    least_v: float
    evoked_v: float
    width: float
    period: float
    reach_mm: float
    noise_s: float
    noise_v: float
    scale_s: float

    def __post_init__(self) -> None:
        if not 0 < self.fit_s[0] < self.fit_s[1] or not 0 < self.taus_s[0] < self.taus_s[1]:
            raise OptionError(f"windows and time constants ascend from above 0; found {self.fit_s} and {self.taus_s} s")
        if self.n_taus < 1 or self.points <= self.n_taus:
            raise OptionError(f"{self.n_taus} time constants need more than {self.points} places to be fitted")


def fit_decay(trials: Trials, model: DecayModel) -> FloatArray:
    """Return the decay in the mean over trials: zero before the pulse, a sum of exponentials after it.

    Three things add up to the mean over trials, each a Gaussian process over channels and time. Decay goes its own
    way at every electrode and is a sum of decaying exponentials. An evoked response is alike at neighbouring
    electrodes, turns its sign again and again, and its peaks grow wider in proportion to their time. What is left of
    the ongoing activity is as before the pulse. The decay is its expectation given the mean over trials, all channels
    at once.

    Parameters
    ----------
    trials : Trials
    model : DecayModel

    Returns
    -------
    (channel, sample) float64 ndarray
        V, average reference over the good channels; zero in bad ones.

    Raises
    ------
    SignalError
        The window reaches beyond the trials.
    """
    times, good = trials.times_s, trials.good
    mean = trials.data[:, good].mean(axis=0)
    mean = mean - mean.mean(axis=0)
    inside = trials.window(*model.fit_s)
    early = trials.window(model.fit_s[0], model.fit_s[0] + model.size_s)
    places, values = _thinned(times[inside], mean[:, inside], model.points)
    sizes = np.maximum(np.abs(mean[:, early]).mean(axis=1), model.least_v)
    exponentials = partial(_exponentials, taus=np.geomspace(*model.taus_s, model.n_taus), start_s=model.fit_s[0])
    xyz_mm = trials.montage.xyz_head_mm[good]
    found = _expected(places, values, exponentials(places), sizes, np.cov(mean[:, times < _QUIET_S]), xyz_mm, model)
    after = times > 0
    decay = np.zeros(trials.data.shape[1:])
    decay[np.ix_(good, after)] = found @ exponentials(np.maximum(times[after], model.back_to_s)).T
    return decay


def _exponentials(times: FloatArray, *, taus: FloatArray, start_s: float) -> FloatArray:
    """Exponentials that are 1 at the start; (time, exponential)."""
    return np.asarray(np.exp(-(times[:, None] - start_s) / taus))


def _thinned(times: FloatArray, values: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
    """Means over bins of even width in the logarithm of time."""
    bins = np.floor((points - 1e-9) * np.log(times / times[0]) / np.log(times[-1] / times[0])).astype(np.int64)
    _, number, counts = np.unique(bins, return_inverse=True, return_counts=True)
    share = np.zeros((len(times), len(counts)))
    share[np.arange(len(times)), number] = 1 / counts[number]
    return times @ share, values @ share


def _expected(
    places: FloatArray,
    values: FloatArray,
    basis: FloatArray,
    sizes_v: FloatArray,
    ongoing: FloatArray,
    xyz_mm: FloatArray,
    model: DecayModel,
) -> FloatArray:
    """Return the expected coefficients of the exponentials given the values; (channel, exponential)."""
    from scipy.linalg import cho_factor, cho_solve

    reference = np.eye(len(values)) - 1 / len(values)
    far = np.linalg.norm(xyz_mm[:, None] - xyz_mm[None], axis=2)
    alike = reference @ np.exp(-0.5 * (far / model.reach_mm) ** 2) @ reference
    apart = np.log(places[:, None] / places[None])
    turning = np.exp(-0.5 * (apart / model.width) ** 2) * np.cos(2 * np.pi * apart / model.period)
    lasting = np.exp(-np.abs(places[:, None] - places[None]) / model.noise_s)
    decaying = reference @ np.diag(sizes_v**2) @ reference
    covariance = np.kron(model.evoked_v**2 * alike, turning)
    covariance += np.kron(decaying, basis @ basis.T)
    covariance += np.kron(ongoing + model.noise_v**2 * reference, lasting)
    # The mean of all channels is zero by the reference: it is given a small variance of its own
    small = 0.01 * model.noise_v**2 + _JITTER * float(np.trace(covariance)) / values.size
    covariance[np.diag_indices(values.size)] += small
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, values.ravel(), check_finite=False).reshape(values.shape)
    expected: FloatArray = decaying @ solved @ basis
    return expected


def trial_scales(trials: Trials, decay: FloatArray, *, window_s: tuple[float, float]) -> FloatArray:
    """Size of the decay in each trial against its mean, found over all good channels at once, drawn to 1; (trial,).

    One number a trial: what is fitted to ongoing activity by chance stays small.
    """
    inside, good = trials.window(*window_s), trials.good
    shape = decay[good][:, inside]
    seen = trials.data[:, good][:, :, inside]
    quiet = trials.data[:, good][:, :, trials.times_s < _QUIET_S]
    ridge = float(quiet.var(axis=2).mean()) * shape.size
    scales: FloatArray = (np.einsum("tcs,cs->t", seen, shape) + ridge) / (float((shape**2).sum()) + ridge)
    return np.clip(scales, 0.0, None)


def decay_of_trials(trials: Trials, model: DecayModel) -> tuple[FloatArray, str]:
    """Return the decay in each trial, (trial, channel, sample), and a line for the log; see `fit_decay`."""
    decay = fit_decay(trials, model)
    start = model.fit_s[0]
    size = np.abs(decay[:, int(np.argmax(trials.times_s >= start))]) * 1e6
    scales = trial_scales(trials, decay, window_s=(start, start + model.scale_s))
    scales /= scales.mean()
    note = (
        f"decay of {np.median(size):.3g} µV at the median channel and {size.max():.3g} µV at most {start * 1000:g} ms "
        f"after the pulse; trials' sizes {scales.min():.2f} to {scales.max():.2f}"
    )
    return scales[:, None, None] * decay, note


def topography_decay(
    trials: Trials, *, start_s: float, map_s: float, longest_s: float, blend_taus: tuple[float, float], trim: float
) -> tuple[FloatArray, str]:
    """Return the decay that has the map of the first milliseconds, (trial, channel, sample), and a line for the log.

    The map is the first singular vector of the trimmed mean just after the pulse's window. An exponential is fitted to
    the map's time course; until some time constants later what has its sign is decay, afterwards at most what the
    exponential says.

    Parameters
    ----------
    trials : Trials
    start_s : float
        End of the pulse's window.
    map_s : float
        Time after it in which the map is found.
    longest_s : float
        Twice this is the longest time constant; where none of at most that fits, nothing is removed.
    blend_taus : (float, float)
        Time constants after `start_s` between which the bound sets in.
    trim : float
        Share of the trials left out of the mean, half at either end.

    References
    ----------
    .. [1] Cline et al. 2021, doi:10.1109/NER49283.2021.9441147
    """
    from scipy.optimize import curve_fit
    from scipy.stats import trim_mean

    times, good = trials.times_s, trials.good
    mean = np.asarray(trim_mean(trials.data[:, good], trim / 2, axis=0))
    pattern = np.linalg.svd(mean[:, (times >= start_s) & (times < start_s + map_s)], full_matrices=False)[0][:, 0]
    course = pattern @ mean
    early = (times > start_s) & (times < start_s + 2 * longest_s)
    if course[early].mean() < 0:
        pattern, course = -pattern, -course
    nothing = np.zeros((1, *trials.data.shape[1:]))
    late = times[early] - start_s
    try:
        (size, tau), spread = curve_fit(
            lambda t, a, b: a * np.exp(-t / b),
            late * 1e3,
            np.maximum(course[early], 0) * 1e6,
            p0=(max(1.0, course[early][0] * 1e6), 10.0),
            bounds=([0, 1.0], [1e6, 2e3 * longest_s]),
            sigma=1 / np.linspace(1, 0.5, int(early.sum())),
        )
    except RuntimeError:
        return nothing, "no exponential fits the map's time course; nothing was removed"
    if not tau + 1.96 * np.sqrt(spread[1, 1]) <= 2e3 * longest_s:
        return nothing, "the time constant is not certain; nothing was removed"
    tau_s = tau * 1e-3
    bound = size * 1e-6 * np.exp(-(times - start_s) / tau_s) * 1.1
    free = np.clip((blend_taus[1] - (times - start_s) / tau_s) / (blend_taus[1] - blend_taus[0]), 0, 1)
    seen = np.maximum(np.einsum("c,tcs->ts", pattern, trials.data[:, good]), 0)
    removed = free * seen + (1 - free) * np.minimum(seen, bound)
    removed[:, times < 0] = 0
    decay = np.zeros_like(trials.data)
    decay[:, good] = removed[:, None, :] * pattern[:, None]
    return decay, f"decay with a time constant of {tau:.1f} ms, {size:.3g} µV at its beginning"
