"""Simulated TMS-EEG: the head against a naive series and MNE, the truth against naive measures, sizes, bad options."""

import dataclasses
import json
from functools import cache

import numpy as np
import pytest
from scipy.special import eval_legendre

from actionloop import facts
from actionloop.errors import EmptyRegionError, OptionError, OutputError
from actionloop.files.eegbids import find_eeg
from actionloop.phantom.eegcoupling import dwpli_of, global_value, opening, plant_coupling, true_dwpli
from actionloop.phantom.eegdataset import make_eeg_people
from actionloop.phantom.eeghead import average_reference, dipole_leadfield, eeg_head
from actionloop.phantom.eegperson import BRAIN, EegOptions, SimulatedEeg, simulate_person
from actionloop.phantom.eegsites import eeg_site, patch, patch_map, scalp_point, site_channels, site_names
from actionloop.phantom.eegsources import coloured, ongoing

pytest.importorskip("mne")
UV = 1e-6


@cache
def person(*parts: str, trials: int = 12, seed: int = 5, sites: tuple[str, ...] = ("M1",), **more) -> SimulatedEeg:
    options = EegOptions(sites=sites, trials=trials, parts=parts, **more)
    return simulate_person(options, rng=np.random.default_rng(seed))


def trials_of(one: SimulatedEeg, site: str = "M1") -> np.ndarray:
    recording = one.recordings[site]
    at = np.round(one.truth.times_s * recording.sfreq_hz).astype(int)
    return recording.data[:, recording.pulses[:, None] + at].transpose(1, 0, 2)


# The head


def series_potential(place: np.ndarray, moment: np.ndarray, electrodes: np.ndarray, radii, sigmas) -> np.ndarray:
    """Potential of a dipole in three shells around the origin, from the boundary conditions of each degree."""
    far = np.linalg.norm(place)
    up = place / far
    radial = moment @ up
    along = moment - radial * up
    unit = electrodes / np.linalg.norm(electrodes, axis=1, keepdims=True)
    cosine = unit @ up
    scale = radii[-1]
    r1, r2 = radii[0] / scale, radii[1] / scale
    found = np.zeros(len(electrodes))
    for n in range(1, 150):
        # Unknowns: A1; A2, B2; A3, B3. Inside the brain A1 r^n + r^-(n+1).
        rows, right = [], []
        for edge, inner, outer, one, other in (
            (r1, None, (1, 2), sigmas[0], sigmas[1]),
            (r2, (1, 2), (3, 4), *sigmas[1:]),
        ):
            value, flow = np.zeros(5), np.zeros(5)
            rise, fall = edge**n, edge ** -(n + 1.0)
            d_rise, d_fall = n * edge ** (n - 1.0), -(n + 1) * edge ** -(n + 2.0)
            if inner is None:
                value[0], flow[0] = rise, one * d_rise
                right += [-fall, -one * d_fall]
            else:
                value[inner[0]], value[inner[1]] = rise, fall
                flow[inner[0]], flow[inner[1]] = one * d_rise, one * d_fall
                right += [0.0, 0.0]
            value[outer[0]], value[outer[1]] = -rise, -fall
            flow[outer[0]], flow[outer[1]] = -other * d_rise, -other * d_fall
            rows += [value, flow]
        rows.append(np.array([0, 0, 0, n, -(n + 1.0)]))
        right.append(0.0)
        matrix = np.array(rows)
        size = np.abs(matrix).max(axis=0)
        a3, b3 = (np.linalg.solve(matrix / size, right) / size)[3:]
        legendre = eval_legendre(n, cosine)
        slope = n * (eval_legendre(n - 1, cosine) - cosine * legendre) / (1 - cosine**2)
        shape = n * radial * legendre + (unit @ along) * slope
        found += (far / scale) ** (n - 1) * (a3 + b3) * shape
    return found / (4 * np.pi * sigmas[0] * scale**2)


def test_leadfield_is_that_of_a_naive_series_and_of_mne():
    import mne

    head = eeg_head()
    shells, settings = head.shells, facts.load("tmseeg_simulation")["head"]
    chosen = np.random.default_rng(0).choice(len(head.vertex), 12, replace=False)
    radii = np.array(settings["relative_radii"]) * shells.radius_mm / 1000
    turn = shells.mni_to_head[:3, :3]
    electrodes = np.vstack([head.montage.xyz_head_mm, head.reference_xyz_head_mm]) - shells.centre_mm
    for one in chosen:
        place = (head.to_head(head.xyz_mni[one][None])[0] - shells.centre_mm) / 1000
        place *= min(1.0, settings["deepest_share"] * radii[0] / np.linalg.norm(place))
        moment = turn @ head.normals[one]
        moment /= np.linalg.norm(moment)
        naive = series_potential(place, moment, electrodes, radii, settings["conductivity_s_per_m"])
        ours = head.leadfield[:, one]
        # MNE replaces the series by three dipoles in one sphere; what is left is that approximation's error.
        assert np.linalg.norm(average_reference(ours - naive)) < 0.01 * np.linalg.norm(average_reference(naive))

        dipole = mne.Dipole([0.0], [place + shells.centre_mm / 1000], [1.0], [moment], [100.0])
        info = mne.create_info(list(head.montage.names), 1000.0, "eeg", verbose="ERROR")
        on_sphere = electrodes[:-1] / np.linalg.norm(electrodes[:-1], axis=1, keepdims=True) * radii[-1]
        places = dict(zip(head.montage.names, on_sphere + shells.centre_mm / 1000, strict=True))
        info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
        forward = mne.make_forward_dipole(dipole, shells.model, info, verbose="ERROR")[0]
        own = mne.convert_forward_solution(forward, force_fixed=True, verbose="ERROR")["sol"]["data"][:, 0]
        np.testing.assert_allclose(
            average_reference(ours[:-1]), average_reference(own), rtol=1e-4, atol=1e-3 * np.abs(own).max()
        )


def test_head_is_a_head_with_63_electrodes_over_the_cortex():
    head = eeg_head()
    assert len(head.montage.names) == 63 and "FCz" not in head.montage.names
    assert 85 < head.shells.radius_mm < 105
    assert head.leadfield.shape == (64, len(head.vertex))
    assert not head.leadfield.flags.writeable
    left = head.montage.xyz_head_mm[head.montage.index("C3"), 0]
    assert left < 0 < head.montage.xyz_head_mm[head.montage.index("C4"), 0]
    with pytest.raises(OptionError, match="outside"):
        broken = dataclasses.replace(head.shells, radius_mm=head.shells.radius_mm * 2)
        places = np.array([[0.0, 0.0, 20.0], [0.0, 0.0, 400.0]])
        dipole_leadfield(head.montage, head.reference_xyz_head_mm, broken, places, np.eye(3)[:2])


def test_sites_lie_under_their_electrodes_and_say_whether_they_are_verified():
    assert site_names() == ("M1", "DLPFC", "ACC", "PSI")
    names = eeg_head().montage.names
    nearest = {site: names[site_channels(site, count=1)[0]] for site in site_names()}
    assert nearest["M1"] in ("C3", "C1", "CP3") and nearest["DLPFC"] in ("F3", "F5", "AF3")
    assert nearest["ACC"] in ("Fz", "F1", "FC1") and nearest["PSI"] in ("C5", "T7", "CP5")
    for site in site_names():
        one = eeg_site(site)
        assert one.source and isinstance(one.verified, bool)
        assert np.linalg.norm(scalp_point(site) - eeg_head().shells.centre_mm) == pytest.approx(
            eeg_head().shells.radius_mm
        )
        weight = patch(one.xyz_mni, width_mm=8.0)
        assert weight.sum() == pytest.approx(1.0) and set(eeg_head().hemisphere[weight > 0]) == {"L"}
    with pytest.raises(EmptyRegionError, match="from the cortex"):
        patch((0, 0, 200), width_mm=8.0)


# Truth


def test_true_response_is_what_is_left_without_noise():
    one = person("evoked", "auditory", trials=9)
    mean = average_reference(trials_of(one).mean(axis=0))
    np.testing.assert_allclose(mean, one.truth.evoked["M1"], atol=1e-12)
    np.testing.assert_allclose(one.truth.direct["M1"] + one.truth.auditory["M1"], one.truth.evoked["M1"], atol=1e-15)
    assert np.abs(one.truth.evoked["M1"].mean(axis=0)).max() < 1e-12
    before = one.truth.times_s <= 0
    assert not one.truth.evoked["M1"][:, before].any()


def test_responses_begin_at_the_site_and_spread():
    one = person("evoked", trials=150)
    truth, times = one.truth.direct["M1"], one.truth.times_s
    early = np.abs(times - 0.045).argmin()
    names = eeg_head().montage.names
    assert names[int(np.abs(truth[:, early]).argmax())] in ("C3", "C1", "CP3", "C5", "FC3")
    parts = np.linalg.svd(truth, compute_uv=False)
    assert (parts > 0.05 * parts[0]).sum() >= 5
    own = average_reference(patch_map(eeg_site("M1").xyz_mni, width_mm=8.0)[:-1])
    alike = [np.abs(np.corrcoef(truth[:, np.abs(times - at).argmin()], own)[0, 1]) for at in (0.045, 0.275)]
    assert alike[0] > 0.85 > alike[1]
    assert 4 * UV < np.abs(truth).max() < 25 * UV


def test_trials_differ_in_size_and_latency():
    data = average_reference(trials_of(person("evoked", trials=60)), axis=1)
    times = person("evoked", trials=60).truth.times_s
    channel = int(np.abs(data.mean(axis=0)).max(axis=1).argmax())
    window = (times > 0.15) & (times < 0.25)
    peaks = np.abs(data[:, channel][:, window])
    assert 0.2 < peaks.max(axis=1).std() / peaks.max(axis=1).mean() < 0.8
    assert 0.002 < times[window][peaks.argmax(axis=1)].std() < 0.03


def naive_dwpli(one: np.ndarray, other: np.ndarray) -> float:
    """Vinck et al. 2011, pair by pair of trials."""
    imaginary = (one * other.conj()).imag
    top = bottom = 0.0
    for j in range(len(imaginary)):
        for k in range(len(imaginary)):
            if j != k:
                top += imaginary[j] * imaginary[k]
                bottom += abs(imaginary[j] * imaginary[k])
    return top / bottom


def fast_dwpli(imaginary: np.ndarray) -> np.ndarray:
    squares = (imaginary**2).sum(axis=0)
    return (imaginary.sum(axis=0) ** 2 - squares) / (np.abs(imaginary).sum(axis=0) ** 2 - squares)


def test_closed_form_is_what_gaussian_signals_give():
    rng = np.random.default_rng(2)
    mixing = rng.standard_normal((3, 4)) + 1j * rng.standard_normal((3, 4))
    spectrum = mixing @ mixing.conj().T
    draws = (rng.standard_normal((40_000, 4)) + 1j * rng.standard_normal((40_000, 4))) @ mixing.T
    truth = dwpli_of(spectrum)
    np.testing.assert_allclose(truth, truth.T, atol=1e-12)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        imaginary = (draws[:, i] * draws[:, j].conj()).imag
        assert fast_dwpli(imaginary) == pytest.approx(truth[i, j], abs=0.015)
        assert naive_dwpli(draws[:150, i], draws[:150, j]) == pytest.approx(fast_dwpli(imaginary[:150]), abs=1e-9)


def test_closed_form_of_no_lag_is_zero_and_of_one_lag_is_one():
    real = np.array([[2.0, 1.5], [1.5, 3.0]], dtype=np.complex128)
    assert not dwpli_of(real).any()
    lagged = np.outer([1, np.exp(0.7j)], np.conj([1, np.exp(0.7j)]))
    assert dwpli_of(lagged)[0, 1] == pytest.approx(1.0)
    assert not np.diag(dwpli_of(lagged)).any()


def test_planted_patches_have_the_stated_lag_and_coherence():
    alpha = plant_coupling("M1", dwpli=0.15)[0]
    rng, rate = np.random.default_rng(3), 500.0
    pulses = np.arange(1000, 600_000, 1000)
    waves, follow = alpha.draw(601_000, rate, pulses, rng=rng)
    assert follow[pulses + 100].min() == pytest.approx(alpha.coherence) and not follow[pulses - 200].any()
    at = np.arange(-50, 51) / rate
    wavelet = np.exp(2j * np.pi * 10.5 * at) * np.hanning(len(at))
    for middle, coherence in ((100, alpha.coherence), (-250, 0.0)):
        values = waves[:, pulses[:, None] + middle + np.arange(-50, 51)] @ wavelet.conj()
        cross = np.einsum("pt,qt->pq", values, values.conj())
        power = np.sqrt(np.diag(cross).real)
        found = cross[0, 1:] / (power[0] * power[1:])
        np.testing.assert_allclose(np.abs(found), coherence, atol=0.12)
        if coherence:
            apart = np.angle(found * np.exp(-1j * alpha.lag_rad[1:]))
            assert np.abs(apart).max() < 0.45
    np.testing.assert_allclose(waves.std(axis=1), 1.0, rtol=0.03)


def morlet_values(
    data: np.ndarray, pulses: np.ndarray, rate: float, at_s: float, hz: float, cycles: float
) -> np.ndarray:
    """Wavelet values at one latency; (trial, channel)."""
    width = cycles / (2 * np.pi * hz)
    reach = int(4 * width * rate)
    times = np.arange(-reach, reach + 1) / rate
    wavelet = np.exp(-2j * np.pi * hz * times - 0.5 * (times / width) ** 2)
    return np.stack(
        [data[:, p + round(at_s * rate) - reach : p + round(at_s * rate) + reach + 1] @ wavelet for p in pulses]
    )


@pytest.mark.slow
def test_truth_of_coupling_is_what_a_long_recording_without_artefacts_shows():
    wanted = {"M1": 0.20}
    options = EegOptions(
        sites=("M1",),
        trials=400,
        sfreq_hz=500.0,
        interval_s=1.4,
        interval_jitter_s=0.0,
        dwpli=wanted,
        parts=("ongoing", "coupling"),
    )
    one = simulate_person(options, rng=np.random.default_rng(9))
    recording = one.recordings["M1"]
    data = average_reference(recording.data)
    rows, columns = np.triu_indices(len(data), 1)
    for band, low, high in (("alpha", 8, 13), ("low beta", 14, 24)):
        truth = one.truth.coupling["M1"][band]
        assert one.truth.global_dwpli["M1"][band] == pytest.approx(0.20, abs=2e-3)
        found, silent = np.zeros_like(truth), np.zeros_like(truth)
        frequencies = np.arange(low, high + 1.0)
        for hz in frequencies:
            for matrix, at_s, share in ((found, 0.1, 0.5), (found, 0.3, 0.5), (silent, -0.42, 1.0)):
                values = morlet_values(data, recording.pulses, 500.0, at_s, float(hz), 4.0)
                index = fast_dwpli((values[:, rows] * values[:, columns].conj()).imag)
                matrix[rows, columns] += share * index / len(frequencies)
        found, silent = found + found.T, silent + silent.T
        assert global_value(found, "M1") == pytest.approx(0.20, abs=0.03)
        assert abs(global_value(silent, "M1")) < 0.03
        assert np.corrcoef(found[rows, columns], truth[rows, columns])[0, 1] > 0.9
        assert np.abs(found - truth)[rows, columns].mean() < 0.04


def test_sites_are_ranked_by_what_was_planted_and_no_coupling_is_null():
    wanted = {"M1": 0.2, "DLPFC": 0.05, "ACC": 0.1, "PSI": 0.15}
    options = EegOptions(trials=2, parts=("coupling",), dwpli=wanted)
    truth = simulate_person(options, rng=np.random.default_rng(0)).truth
    assert truth.rank == ("DLPFC", "ACC", "PSI", "M1")
    for site, value in wanted.items():
        assert list(truth.global_dwpli[site].values()) == pytest.approx([value] * 2, abs=2e-3)
    for site in site_names():
        assert not true_dwpli(plant_coupling(site, dwpli=0.0), (8.0, 13.0)).any()


# Determinism


def test_one_seed_gives_one_recording_whichever_sites_are_asked_for():
    parts = (
        "evoked",
        "auditory",
        "ongoing",
        "coupling",
        "pulse",
        "decay",
        "muscle",
        "blink",
        "line",
        "electrode",
        "bad",
    )
    options = EegOptions(trials=2, parts=parts, sites=("PSI",))
    alone = simulate_person(options, rng=np.random.default_rng(4))
    again = simulate_person(options, rng=np.random.default_rng(4))
    both = simulate_person(dataclasses.replace(options, sites=("DLPFC", "PSI")), rng=np.random.default_rng(4))
    other = simulate_person(options, rng=np.random.default_rng(5))
    np.testing.assert_array_equal(alone.recordings["PSI"].data, again.recordings["PSI"].data)
    np.testing.assert_array_equal(alone.recordings["PSI"].data, both.recordings["PSI"].data)
    assert alone.truth.bads == both.truth.bads
    assert other.recordings["PSI"].data.shape[0] == 63
    assert not np.array_equal(alone.truth.evoked["PSI"], other.truth.evoked["PSI"])


def test_sham_has_the_click_but_no_answer_and_no_coupling():
    active = person("evoked", "auditory", "coupling", trials=3)
    sham = person("evoked", "auditory", "coupling", trials=3, condition="sham")
    assert not sham.truth.direct["M1"].any() and active.truth.direct["M1"].any()
    clicks = [one.truth.auditory["M1"].ravel() for one in (active, sham)]
    assert 0.8 < np.corrcoef(*clicks)[0, 1] < 1 - 1e-6  # the same person hears it, in other trials
    assert not np.array_equal(active.recordings["M1"].pulses, sham.recordings["M1"].pulses)
    assert not sham.truth.coupling["M1"]["alpha"].any()
    assert sham.recordings["M1"].condition == "sham"
    loud = person("auditory", trials=3, masked=False).truth.auditory["M1"]
    np.testing.assert_allclose(loud, 2 * person("auditory", trials=3).truth.auditory["M1"])


# Sizes


def test_ongoing_activity_has_the_stated_size_and_spectrum():
    data = average_reference(person("ongoing", trials=60).recordings["M1"].data)
    background = facts.load("tmseeg_simulation")["background"]
    whole = np.sqrt(background["broad_uv"] ** 2 + sum(row["uv"] ** 2 for row in background["rhythm"]))
    assert data.std(axis=1).mean() == pytest.approx(whole * UV, rel=0.15)
    power = np.abs(np.fft.rfft(data, axis=1)) ** 2
    hz = np.fft.rfftfreq(data.shape[1], 1e-3)

    def mean(low: float, high: float, channel: str) -> float:
        return power[eeg_head().montage.index(channel)][(hz >= low) & (hz <= high)].mean()

    assert mean(9, 11, "O1") > 3 * mean(5, 7, "O1")
    assert mean(30, 40, "Fz") / mean(60, 80, "Fz") == pytest.approx(2**1.2, rel=0.25)


def test_coloured_noise_has_unit_variance_and_its_analytic_form_no_negative_frequencies():
    rng = np.random.default_rng(0)
    white = coloured(4, 20_000, 1000.0, np.ones_like, rng=rng)
    np.testing.assert_allclose(white.std(axis=1), 1.0, rtol=0.03)
    wave = coloured(1, 20_000, 1000.0, lambda f: np.exp(-((f - 20) ** 2)), rng=rng, analytic=True)
    spectrum = np.abs(np.fft.fft(wave[0])) ** 2
    assert spectrum[10_001:].sum() < 1e-6 * spectrum.sum()


@pytest.mark.parametrize("site", ["M1", "PSI"])
def test_artefacts_have_the_sizes_of_the_file(site):
    settings = facts.load("tmseeg_simulation")

    def around(name: str) -> tuple[np.ndarray, np.ndarray]:
        one = person(name, trials=20, sites=(site,))
        return trials_of(one, site), one.truth.times_s

    data, times = around("pulse")
    assert np.abs(data).max() == pytest.approx(settings["pulse"]["mv"] * 1e-3, rel=0.15)
    assert not data[:, :, times < 0].any()
    data, times = around("decay")
    at = np.abs(times - 0.015).argmin()
    assert np.abs(data[:, :, at].mean(axis=0)).max() == pytest.approx(settings["decay"]["uv"] * UV, rel=0.3)
    data, times = around("muscle")
    worst = np.abs(data.mean(axis=0)).max()
    assert worst == pytest.approx(settings["muscle"]["uv"][site] * UV, rel=0.6)
    assert times[np.abs(data.mean(axis=0)).max(axis=0).argmax()] < 0.013
    assert np.abs(data[:, :, times > 0.1]).max() == 0
    recharge = person("recharge", trials=3, sites=(site,)).recordings[site]
    late = recharge.pulses + round(settings["recharge"]["s"] * recharge.sfreq_hz)
    assert np.abs(recharge.data[:, late]).max() == pytest.approx(settings["recharge"]["uv"] * UV, rel=0.01)


def test_artefacts_of_the_whole_recording_have_the_sizes_of_the_file():
    settings = facts.load("tmseeg_simulation")
    line = person("line", trials=20).recordings["M1"].data
    assert np.median(line.std(axis=1) * np.sqrt(2)) == pytest.approx(settings["line"]["uv"] * UV, rel=0.35)
    blink = person("blink", trials=60).recordings["M1"]
    strongest = np.abs(blink.data).max(axis=1)
    assert blink.names[int(strongest.argmax())] in ("Fp1", "Fpz", "Fp2", "AF7", "AF8")
    assert 80 * UV < strongest.max() < 350 * UV
    noise = person("electrode", trials=20).recordings["M1"].data
    quick = np.diff(noise, axis=1).std(axis=1) / np.sqrt(2)
    np.testing.assert_allclose(quick, settings["electrode"]["white_uv"] * UV, rtol=0.1)
    bad = person("bad", trials=20)
    silent = ~bad.recordings["M1"].data.any(axis=1)
    assert (
        tuple(name for name, one in zip(bad.recordings["M1"].names, silent, strict=True) if not one) == bad.truth.bads
    )
    assert not set(site_channels("M1", count=4)) & {eeg_head().montage.index(name) for name in bad.truth.bads}


def test_a_recording_that_is_not_cleaned_shows_no_evoked_response():
    one = simulate_person(EegOptions(sites=("M1",), trials=60), rng=np.random.default_rng(1))
    assert one.recordings["M1"].bads == () and len(one.truth.bads) == 2
    data, times = trials_of(one), one.truth.times_s
    data = data - data[:, :, (times > -0.1) & (times < -0.01)].mean(axis=2, keepdims=True)
    window = (times >= 0.015) & (times <= 0.3)
    mean, truth = average_reference(data.mean(axis=0)), one.truth.evoked["M1"]
    near = site_channels("M1", count=4)
    alike = [np.corrcoef(mean[k, window], truth[k, window])[0, 1] for k in near]
    assert np.mean(alike) < 0.7
    assert np.abs(data).max() > 5e-3


def test_window_of_coupling_opens_smoothly_around_each_pulse():
    opened = opening(5000, 1000.0, np.array([1000, 3000]))
    assert (opened[1000:1400] == 1).all() and not opened[:850].any() and not opened[1560:2840].any()
    assert np.abs(np.diff(opened)).max() < 0.02


# Data sets and bad options


def test_data_set_is_read_back_with_its_sites_and_finished_when_interrupted(tmp_path):
    options = EegOptions(sites=("M1", "PSI"), trials=2, parts=(*BRAIN[:1], "pulse"), condition="sham")
    told = []
    assert make_eeg_people(tmp_path / "out", seed=2, options=options, progress=told.append) == ("P01",)
    found = find_eeg(tmp_path / "out", "P01")
    assert [(one.site, one.condition) for one in found] == [("M1", "sham"), ("PSI", "sham")]
    made = simulate_person(options, rng=np.random.default_rng([2, 0]))
    for one in found:
        read, own = one.read(), made.recordings[one.site]
        np.testing.assert_array_equal(read.pulses, own.pulses)
        np.testing.assert_allclose(read.data, own.data, atol=1e-9, rtol=1e-5)
        np.testing.assert_allclose(read.montage.xyz_head_mm, own.montage.xyz_head_mm, atol=1e-3)
        assert one.about["StimulationSite"] == one.site and one.about["SamplingFrequency"] == 1000
        assert one.events.is_file()
        with np.load(tmp_path / f"out/truth/sub-P01_acq-{one.site}sham_truth.npz") as truth:
            np.testing.assert_array_equal(truth["evoked"], made.truth.evoked[one.site])
    content = json.loads((tmp_path / "out/truth/eeg.json").read_text())
    assert content["version"] == facts.load("tmseeg_simulation")["version"] and "Research use" in content["notice"]

    make_eeg_people(tmp_path / "out", seed=2, options=options, progress=told.append)
    assert told[-1] == "sub-P01: already there"
    with pytest.raises(OutputError, match="not empty"):
        make_eeg_people(tmp_path / "out", seed=3, options=options)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="not a folder"):
        make_eeg_people(tmp_path / "file", options=options)
    with pytest.raises(OptionError, match="0 people"):
        make_eeg_people(tmp_path / "none", subjects=0)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sites": ("M1", "V1")}, "V1"),
        ({"sites": ("M1", "M1")}, "M1"),
        ({"sites": ()}, "0 sites"),
        ({"trials": 0}, "0 trials"),
        ({"sfreq_hz": 100.0}, "100 Hz"),
        ({"sfreq_hz": float("nan")}, "nan Hz"),
        ({"interval_s": 0.3}, "too dense"),
        ({"interval_jitter_s": 1.5}, "too dense"),
        ({"condition": "placebo"}, "placebo"),
        ({"parts": ("thunder",)}, "thunder"),
        ({"dwpli": {"M1": 0.1}}, "DLPFC"),
        ({"dwpli": {"M1": 0.1, "moon": 0.2}}, "moon"),
    ],
)
def test_bad_options_are_refused(changes, words):
    with pytest.raises(OptionError, match=words):
        EegOptions(**changes)


def test_coupling_that_no_coherence_gives_is_refused():
    with pytest.raises(OptionError, match="cannot be planted"):
        plant_coupling("M1", dwpli=0.9)
    with pytest.raises(OptionError, match="cannot be planted"):
        plant_coupling("M1", dwpli=-0.1)
    with pytest.raises(OptionError, match="no site"):
        plant_coupling("V1", dwpli=0.1)


def test_ongoing_activity_alone_has_no_lag():
    for kind in ongoing():
        assert kind.mixing.shape[0] == 64 and np.isrealobj(kind.mixing)
