"""The debiased phase lag index against mne-connectivity, a naive one and closed forms; its bootstrap; the wavelets."""

from __future__ import annotations

import numpy as np
import pytest

from actionloop.errors import OptionError, SignalError
from actionloop.tmseeg.phaselag import (
    all_pairs,
    debiased,
    draw_weights,
    left_out_phase_lag,
    phase_lag,
    phase_lag_sums,
    resampled_phase_lag,
)
from actionloop.tmseeg.spread import drawn_together, settled
from actionloop.tmseeg.wavelets import morlet, transform

SFREQ = 250.0
FREQUENCIES = np.array([8.0, 12.0, 20.0, 33.0])


def noise(trials=40, channels=5, frequencies=3, times=4, seed=0):
    rng = np.random.default_rng(seed)
    shape = trials, channels, frequencies, times
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def naive(values, pairs):
    """Product of every two different trials, one pair of channels at a time."""
    out = np.empty((len(pairs), *values.shape[2:]))
    for row, (a, b) in zip(out, pairs, strict=True):
        for place in np.ndindex(row.shape):
            part = [(one[a][place] * np.conj(one[b][place])).imag for one in values]
            above = sum(x * y for j, x in enumerate(part) for k, y in enumerate(part) if j != k)
            below = sum(abs(x * y) for j, x in enumerate(part) for k, y in enumerate(part) if j != k)
            row[place] = above / below
    return out


def test_the_index_is_that_of_every_two_different_trials():
    values = noise(trials=25, channels=4, frequencies=2, times=2)
    values[:, 1] += 0.7 * np.exp(0.9j) * values[:, 0]
    pairs = all_pairs(4)
    np.testing.assert_allclose(phase_lag(values), naive(values, pairs), atol=1e-12)
    some = pairs[[4, 1]]
    np.testing.assert_allclose(phase_lag(1e-6 * values, pairs=some), naive(values, some), atol=1e-12)


def test_sums_of_two_sets_of_trials_add_up():
    values = noise()
    unit = values / np.abs(values)  # sums of trials of one size, so that scaling by the size of all is the same
    parts = [np.stack(phase_lag_sums(unit[some])) for some in (slice(0, 15), slice(15, None))]
    np.testing.assert_allclose(debiased(*(parts[0] + parts[1])), phase_lag(unit), atol=1e-12)


def test_it_equals_mne_connectivity():
    mne, connectivity = pytest.importorskip("mne"), pytest.importorskip("mne_connectivity")
    rng = np.random.default_rng(3)
    data = rng.standard_normal((30, 5, 300))
    data[:, 1, 3:] += 0.6 * data[:, 0, :-3]
    values = transform(data, FREQUENCIES, sfreq_hz=SFREQ, cycles=3.0)
    info = mne.create_info(5, SFREQ, "eeg")
    theirs = connectivity.spectral_connectivity_epochs(
        mne.EpochsArray(data, info, verbose="ERROR"),
        method="wpli2_debiased",
        mode="cwt_morlet",
        cwt_freqs=FREQUENCIES,
        cwt_n_cycles=3.0,
        fmin=1.0,
        verbose="ERROR",
    )
    matrix = theirs.get_data("dense")[tuple(all_pairs(5)[:, ::-1].T)]
    np.testing.assert_allclose(phase_lag(values), matrix, atol=1e-9)


def test_wavelets_equal_those_of_mne():
    tfr = pytest.importorskip("mne.time_frequency")
    data = np.random.default_rng(4).standard_normal((6, 3, 400))
    for cycles in (3.0, 7.0):
        theirs = tfr.tfr_array_morlet(data, SFREQ, FREQUENCIES, n_cycles=cycles, output="complex", verbose="ERROR")
        at = np.array([0, 17, 130, 399])
        ours = transform(data, FREQUENCIES, sfreq_hz=SFREQ, cycles=cycles, at=at)
        np.testing.assert_allclose(ours, theirs[..., at], atol=1e-9)
    naive_one = np.convolve(data[0, 0], morlet(12.0, SFREQ, cycles=3.0), mode="same")
    np.testing.assert_allclose(
        transform(data[:1, :1], np.array([12.0]), sfreq_hz=SFREQ, cycles=3.0)[0, 0, 0], naive_one, atol=1e-12
    )


def test_a_fixed_lag_gives_one_and_no_lag_nothing_on_average():
    values = noise(trials=100, channels=2, frequencies=10, times=40, seed=5)
    for lag in (0.3, np.pi / 2, -2.0):
        lagged = np.stack([values[:, 0], values[:, 0] * np.exp(1j * lag)], axis=1)
        np.testing.assert_allclose(phase_lag(lagged), 1, atol=1e-9)
    for factor in (1.0, -1.0):  # no lag, and opposite phase
        same = np.stack([values[:, 0], factor * values[:, 0] + 0.5 * values[:, 1]], axis=1)
        found = phase_lag(same)
        assert abs(found.mean()) < 4 * found.std() / np.sqrt(found.size) and (found < 0).mean() > 0.4
    exact = phase_lag(np.stack([values[:, 0], values[:, 0]], axis=1))
    assert (exact == 0).all()


def test_it_estimates_its_closed_form():
    rng = np.random.default_rng(6)
    for coherency in (0.3j, 0.4 + 0.3j, -0.5 + 0.6j):
        first, second = (rng.standard_normal((2, 400, 60, 2)) @ [1, 1j] / np.sqrt(2)).reshape(2, 400, 1, 60, 1)
        other = np.conj(coherency) * first + np.sqrt(1 - abs(coherency) ** 2) * second
        a, s = coherency.imag, np.sqrt(1 - coherency.real**2)
        found = phase_lag(np.concatenate([first, other], axis=1))
        assert abs(found.mean() - (2 * a * s / (s**2 + a**2)) ** 2) < 4 * found.std() / np.sqrt(found.size)


def test_draws_equal_a_naive_bootstrap_that_never_pairs_a_trial_with_itself():
    values = noise(trials=20, channels=4, frequencies=2, times=2)
    rng = np.random.default_rng(1)
    pairs, weights = all_pairs(4), draw_weights(20, 5, rng=rng)
    contrasts = rng.random((2, len(pairs)))
    found = resampled_phase_lag(values, weights, contrasts)
    for row, drawn in zip(found, weights, strict=True):
        for place in np.ndindex(2, 2):
            part = (values[:, pairs[:, 0]] * values[:, pairs[:, 1]].conj()).imag[(..., *place)]
            index = []
            for one in part.T:
                twice = np.outer(drawn, drawn) * (1 - np.eye(20))
                index.append((twice * np.outer(one, one)).sum() / (twice * np.abs(np.outer(one, one))).sum())
            np.testing.assert_allclose(row[(slice(None), *place)], contrasts @ index, atol=1e-5)
    ones = resampled_phase_lag(values, np.ones((1, 20)), contrasts)[0]
    np.testing.assert_allclose(ones, np.tensordot(contrasts, phase_lag(values), axes=1), atol=1e-5)


def test_each_trial_left_out_once():
    values = noise(trials=12, channels=4, frequencies=2, times=2)
    contrasts = np.random.default_rng(2).random((2, 6))
    found = left_out_phase_lag(values, contrasts)
    for k, row in enumerate(found):
        rest = phase_lag(np.delete(values, k, axis=0))
        np.testing.assert_allclose(row, np.tensordot(contrasts, rest, axes=1), atol=1e-5)


def test_draws_are_centred_where_repeating_trials_would_lift_them():
    values = noise(trials=60, channels=6, frequencies=4, times=4, seed=8)
    even = np.full((1, 15), 1 / 15)
    weights = draw_weights(60, 400, rng=np.random.default_rng(9))
    drawn = resampled_phase_lag(values, weights, even).mean(axis=(1, 2, 3))
    value = phase_lag(values).mean()
    assert abs(drawn.mean() - value) < 4 * drawn.std() / np.sqrt(len(drawn))
    repeated = [phase_lag(np.repeat(values, one.astype(int), axis=0)).mean() for one in weights[:20]]
    assert np.mean(repeated) - value > 0.01  # what the squared weights take off


def test_spread_without_coupling_is_true_after_settling():
    """Where nothing is coupled plain draws scatter √3 too widely."""
    even = np.full((1, 3), 1 / 3)
    rng = np.random.default_rng(10)
    value, plain, spread = [], [], []
    for seed in range(60):
        values = noise(trials=100, channels=3, frequencies=1, times=6, seed=seed)
        drawn = resampled_phase_lag(values, draw_weights(100, 200, rng=rng), even).mean(axis=(1, 2, 3))
        left = left_out_phase_lag(values, even).mean(axis=(1, 2, 3))
        value.append(phase_lag(values).mean())
        plain.append(drawn.var())
        fitted = settled(np.asarray(value[-1]), drawn, left)
        assert abs(fitted.mean() - value[-1]) < 1e-9
        spread.append(fitted.var())
    assert np.sqrt(np.mean(plain)) > 1.45 * np.std(value)
    assert 0.8 * np.std(value) < np.sqrt(np.mean(spread)) < 1.45 * np.std(value)


def test_sites_far_apart_stay_where_they_are_and_close_ones_are_pulled_together():
    rng = np.random.default_rng(11)
    for value, pulled in ((np.array([0.1, 0.3, 0.5, 0.9]), False), (np.array([0.10, 0.101, 0.102, 0.103]), True)):
        drawn = value + 0.01 * rng.standard_normal((2000, 4))
        found = drawn_together(value, drawn, scale=0.05, rng=rng)
        assert (np.ptp(found.mean(axis=0)) < 0.6 * np.ptp(value)) == pulled
        assert pulled or np.allclose(found.mean(axis=0), value, atol=2e-3)
    with pytest.raises(OptionError, match="do not vary"):
        drawn_together(value, np.tile(value, (5, 1)), scale=0.05, rng=rng)


def test_bad_input_is_told():
    values = noise()
    broken = values.copy()
    broken[0, 0, 0, 0] = np.nan
    for bad, expected in ((values[:1], "at least 2 trials"), (values[0], "at least 2 trials"), (broken, "no numbers")):
        with pytest.raises(SignalError, match=expected):
            phase_lag(bad)
    with pytest.raises(OptionError, match="pairs of 5 channels"):
        phase_lag(values, pairs=np.array([[0, 5]]))
    even = np.full((1, 10), 0.1)
    with pytest.raises(OptionError, match="weights of 40 trials"):
        resampled_phase_lag(values, np.ones((3, 39)), even)
    with pytest.raises(OptionError, match="weights of 10 pairs"):
        resampled_phase_lag(values, np.ones((3, 40)), even[:, :9])
    with pytest.raises(OptionError, match="at least 2 trials and 2 draws"):
        draw_weights(40, 1, rng=np.random.default_rng(0))
    with pytest.raises(OptionError, match="cannot be read at"):
        transform(np.zeros((2, 2, 100)), np.array([60.0]), sfreq_hz=100.0, cycles=3.0)
