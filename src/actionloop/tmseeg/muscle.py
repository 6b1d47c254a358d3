"""Rules for components of the scalp muscle that a pulse makes twitch, and of muscle that is always tense."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.types import BoolArray, FloatArray


def early_ratio(sources: FloatArray, times_s: FloatArray, *, window_s: tuple[float, float]) -> FloatArray:
    """Size of each component's evoked response in a window over its size in the whole trial; (component,).

    Parameters
    ----------
    sources : (trial, component, sample) float ndarray
    times_s : (sample,) float ndarray
    window_s : (float, float)
        The second end not included.

    References
    ----------
    .. [1] Rogasch et al. 2017, doi:10.1016/j.neuroimage.2016.10.031
    .. [2] Cline et al. 2021, doi:10.1109/NER49283.2021.9441147
    """
    size = np.abs(sources.mean(axis=0))
    inside = (times_s >= window_s[0]) & (times_s < window_s[1])
    whole = size.mean(axis=1)
    ratio: FloatArray = np.divide(size[:, inside].mean(axis=1), whole, out=np.zeros_like(whole), where=whole > 0)
    return ratio


def spectral_slope(
    sources: FloatArray, sfreq_hz: float, *, band_hz: tuple[float, float], except_hz: tuple[float, ...], width_hz: float
) -> FloatArray:
    """Slope of log power over log frequency of each component; (component,).

    Brain activity falls with frequency; that of a tense muscle falls little or rises.

    Parameters
    ----------
    sources : (trial, component, sample) float ndarray
    sfreq_hz : float
    band_hz : (float, float)
    except_hz : tuple of float
        Frequencies (the mains) around which `width_hz` to either side is left out.
    width_hz : float
    """
    window = np.hanning(sources.shape[2])
    power = np.zeros((sources.shape[1], sources.shape[2] // 2 + 1))
    for trial in sources:
        power += np.abs(np.fft.rfft((trial - trial.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
    hertz = np.fft.rfftfreq(sources.shape[2], 1 / sfreq_hz)
    kept = (hertz >= band_hz[0]) & (hertz <= band_hz[1])
    for centre in except_hz:
        kept &= np.abs(hertz - centre) > width_hz
    slopes = np.polyfit(np.log(hertz[kept]), np.log(np.maximum(power[:, kept], np.finfo(float).tiny)).T, 1)[0]
    return np.asarray(slopes)


def tms_muscle(sources: FloatArray, times_s: FloatArray) -> BoolArray:
    """Mark components whose evoked response is nearly all in the first milliseconds after the pulse.

    Parameters
    ----------
    sources : (trial, component, sample) float ndarray
    times_s : (sample,) float ndarray

    Returns
    -------
    (component,) bool ndarray
    """
    rules = facts.load("tmseeg_cleaning")["muscle"]
    early_s = (float(rules["early_s"][0]), float(rules["early_s"][1]))
    return np.asarray(early_ratio(sources, times_s, window_s=early_s) > rules["early_ratio"])


def tense_muscle(sources: FloatArray, sfreq_hz: float) -> BoolArray:
    """Mark components whose spectrum falls as little as that of a tense muscle; (component,)."""
    rules = facts.load("tmseeg_cleaning")["muscle"]
    low, high = (float(edge) for edge in rules["slope_hz"])
    slopes = spectral_slope(
        sources, sfreq_hz, band_hz=(low, high), except_hz=(50.0, 60.0), width_hz=float(rules["slope_except_hz"])
    )
    return np.asarray(slopes > rules["slope_above"])
