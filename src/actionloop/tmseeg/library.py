"""Bridges to MNE and the libraries beside it: trials out, cleaned trials and labels back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.filtering import downsample
from actionloop.types import BoolArray, FloatArray, Trials

EXTRA = "tmseeg"
LABELS = ("brain", "muscle", "eye", "heart", "line", "channel", "other")
"""What ICLabel tells apart, in its order."""
_QUIET = "ERROR"
_METRE = 1e-3
_MAXIMUM_SEED = 2**31 - 1


def require(module: str) -> Any:
    """Return an imported library of the extra.

    Raises
    ------
    OptionError
        It is not installed.
    """
    try:
        found = import_module(module)
    except ImportError as error:
        raise OptionError(
            f"TMS-EEG needs {module.split('.', maxsplit=1)[0]}, which cannot be loaded ({error})",
            fix=f"pip install 'actionloop[{EXTRA}]'",
        ) from None
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' log lines and warnings out of the user's sight."""
    mne = require("mne")
    with warnings.catch_warnings(), mne.use_log_level(_QUIET):
        warnings.simplefilter("ignore")
        yield


def seed_of(rng: np.random.Generator) -> int:
    """Return a seed for a library that takes no generator."""
    return int(rng.integers(_MAXIMUM_SEED))


def to_epochs(trials: Trials, *, only: BoolArray | None = None) -> Any:
    """Return trials as ``mne.EpochsArray`` with electrode positions; `only` picks channels."""
    mne = require("mne")
    picked = np.ones(len(trials.names), dtype=np.bool_) if only is None else only
    montage = trials.montage.only(picked)
    info = mne.create_info(list(montage.names), trials.sfreq_hz, "eeg", verbose=_QUIET)
    places = dict(zip(montage.names, montage.xyz_head_mm * _METRE, strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose=_QUIET)
    info["bads"] = [name for name in trials.bads if name in montage.names]
    return mne.EpochsArray(trials.data[:, picked], info, tmin=trials.start_s, baseline=None, verbose=_QUIET)


def to_raw(data: FloatArray, trials: Trials) -> Any:
    """Return (channel, sample) values as ``mne.io.RawArray`` with the trials' electrodes and rate."""
    mne = require("mne")
    return mne.io.RawArray(data, to_epochs(trials).info, verbose=_QUIET)


def from_epochs(epochs: Any, trials: Trials) -> Trials:
    """Return trials with the values of MNE's; channels that were not picked keep theirs."""
    data = trials.data.copy()
    data[:, [trials.names.index(name) for name in epochs.ch_names]] = epochs.get_data(copy=False)
    return trials.with_data(data)


def run_sound(
    trials: Trials,
    *,
    regularisation: float,
    iterations: int,
    source: str,
    windows_s: tuple[tuple[float, float], ...],
    rng: np.random.Generator,
) -> tuple[Trials, FloatArray]:
    """Suppress channel noise by SOUND on the good channels, with a spherical head fitted to the electrodes.

    Parameters
    ----------
    trials : Trials
    regularisation : float
    iterations : int
    source : {'evoked', 'trials'}
        Whether noise is told from the mean over trials or from single ones.
    windows_s : tuple of (float, float)
        Where it is told: what the pulse leaves is no noise of a channel.
    rng : numpy.random.Generator

    Returns
    -------
    trials : Trials
        Average reference over the good channels.
    noise_v : (channel,) float ndarray
        Estimated noise of each channel, NaN where it was not estimated, V.

    References
    ----------
    .. [1] Mutanen et al. 2018, doi:10.1016/j.neuroimage.2017.10.021
    """
    library = require("mne_denoise.sound")
    good = trials.good
    seen = np.zeros(trials.data.shape[2], dtype=np.bool_)
    for window in windows_s:
        seen |= trials.window(*window)
    with _quiet():
        model = library.SOUND(
            lambda_=regularisation, n_iter=iterations, sigma_source=source, random_state=seed_of(rng), verbose=_QUIET
        )
        try:
            model.fit(to_epochs(trials.with_data(trials.data[:, :, seen]), only=good))
        except ValueError as error:
            raise SignalError(f"SOUND could not be fitted: {error}", where=trials.source or None) from None
    noise = np.full(len(good), np.nan)
    estimated = np.flatnonzero(good)
    if model.best_channel_ is not None:
        estimated = np.delete(estimated, model.best_channel_)
    noise[estimated] = model.sigmas_
    data = trials.data.copy()
    data[:, good] = model.operator_ @ data[:, good]
    return trials.with_data(data), noise


def run_sspsir(
    trials: Trials, *, n_patterns: int, window_s: tuple[float, float], high_pass_hz: float
) -> tuple[Trials, int]:
    """Project out the largest fast patterns of a window and reconstruct the rest, on the good channels.

    Returns
    -------
    trials : Trials
        Average reference over the good channels.
    n_patterns : int
        Patterns that were removed.

    References
    ----------
    .. [1] Mutanen et al. 2016, doi:10.1016/j.neuroimage.2016.05.068
    """
    library = require("mne_denoise.sspsir")
    with _quiet():
        model = library.SSPSIR(n_components=n_patterns, art_window=window_s, high_pass=high_pass_hz, verbose=_QUIET)
        try:
            cleaned = model.fit_transform(to_epochs(trials, only=trials.good))
        except ValueError as error:
            raise SignalError(f"SSP-SIR could not be fitted: {error}", where=trials.source or None) from None
    return from_epochs(cleaned, trials), int(model.n_components_)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Independent components of trials.

    Attributes
    ----------
    sources : (trial, component, sample) float ndarray
        At the trials' rate.
    maps : (channel, component) float ndarray
        Of the good channels; maps times sources are volts.
    model, epochs : object
        MNE's own; the epochs at the rate of the fit.
    """

    sources: FloatArray
    maps: FloatArray
    model: Any
    epochs: Any


def fit_components(
    trials: Trials,
    *,
    n_components: int,
    fit_hz: float,
    every: int,
    tolerance: float,
    max_iterations: int,
    rng: np.random.Generator,
) -> Decomposition:
    """Split the good channels into independent components by Picard (extended Infomax).

    Parameters
    ----------
    trials : Trials
        In average reference.
    n_components : int
        At most the rank of the data.
    fit_hz : float
        The fit sees the trials at this rate; the mixing is instantaneous, so that it holds at theirs.
    every : int
        Of these samples only one in so many is used: neighbours tell little new.
    tolerance : float
        Of Picard's gradient.
    max_iterations : int
    rng : numpy.random.Generator

    References
    ----------
    .. [1] Ablin et al. 2018, doi:10.1109/TSP.2018.2844203
    """
    mne = require("mne")
    require("picard")
    with _quiet():
        epochs = to_epochs(downsample(trials, to_hz=fit_hz), only=trials.good)
        epochs.set_eeg_reference("average", projection=False)
        model = mne.preprocessing.ICA(
            n_components=n_components,
            method="picard",
            fit_params={"ortho": False, "extended": True, "tol": tolerance},
            max_iter=max_iterations,
            random_state=seed_of(rng),
            verbose=_QUIET,
        )
        model.fit(epochs, decim=every, verbose=_QUIET)
    unmixing = model.unmixing_matrix_ @ model.pca_components_[: model.n_components_] / model.pre_whitener_[:, 0]
    sources = unmixing @ trials.data[:, trials.good]
    return Decomposition(sources, model.get_components() * model.pre_whitener_, model, epochs)


def label_components(found: Decomposition) -> FloatArray:
    """Probabilities of `LABELS` for each component by ICLabel; (component, label).

    References
    ----------
    .. [1] Pion-Tonachini et al. 2019, doi:10.1016/j.neuroimage.2019.05.026
    """
    labeller = require("mne_icalabel.iclabel")
    with _quiet():
        return np.asarray(labeller.iclabel_label_components(found.epochs, found.model, inplace=False))


def without_components(trials: Trials, found: Decomposition, removed: list[int]) -> Trials:
    """Return trials without some of their components; what is too small for a component stays."""
    data = trials.data.copy()
    data[:, trials.good] -= found.maps[:, removed] @ found.sources[:, removed]
    return trials.with_data(data)


def interpolate_channels(trials: Trials) -> Trials:
    """Replace the bad channels by spherical splines of the others; no channel is bad afterwards."""
    if not trials.bads:
        return trials
    with _quiet():
        epochs = to_epochs(trials).interpolate_bads(reset_bads=True, mode="accurate", verbose=_QUIET)
    return trials.with_data(epochs.get_data(copy=True), bads=())


def rejection_threshold(trials: Trials, *, folds: int, decimate: int, rng: np.random.Generator) -> float:
    """Return autoreject's cross-validated threshold of a trial's peak-to-peak size, V.

    References
    ----------
    .. [1] Jas et al. 2017, doi:10.1016/j.neuroimage.2017.06.030
    """
    library = require("autoreject")
    with _quiet():
        limits = library.get_rejection_threshold(
            to_epochs(trials, only=trials.good),
            decim=decimate,
            random_state=seed_of(rng),
            ch_types="eeg",
            cv=folds,
            verbose=False,
        )
    return float(limits["eeg"])
