"""What phantoms are made of: deformations, noise, networks, motion, denoising, and the layouts they are written in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from actionloop import files, phantom
from actionloop.brain import vertex_areas
from actionloop.errors import OutputError, PriorError, ResourceError, SignalError
from actionloop.phantom import group, latent, motion, noise, warp
from actionloop.phantom.layouts import write_session
from actionloop.phantom.realism import soft_band_pass
from actionloop.phantom.template import template
from actionloop.signal import framewise_displacement

MSC06 = "sub-MSC06_ses-combined_task-rest-299minutes_truncated_bold_template_matched_Zscored_scanthresh3_recolored"


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("phantom",))
    except ResourceError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def person():
    return phantom.draw_person(np.random.default_rng(11))


@pytest.fixture(scope="module")
def session(person):
    """Five minutes at 2 s, all 91,282 rows."""
    return phantom.simulate_session(person, minutes=5, tr_s=2.0, rng=np.random.default_rng(12))


def clone(session):
    series = session.series
    copy = type(series)(series.data.copy(), series.grayordinates, series.tr_s, series.source)
    return phantom.Session(copy, session.motion, session.fd_mm, session.components)


# --- deformations -----------------------------------------------------------------------------------------------------


def test_a_warp_has_its_size_an_inverse_and_no_folds():
    sphere = template().sides["L"].sphere
    drawn = warp.draw_warp(
        sphere.vertices, [warp.WarpScale(6, 60), warp.WarpScale(5, 25)], rng=np.random.default_rng(0)
    )
    some = sphere.vertices[::5]
    there = drawn.forward(some)
    shift = np.linalg.norm(there - some, axis=1)
    assert np.sqrt((shift**2).mean()) == pytest.approx(np.hypot(6, 5), rel=0.3)
    back = np.linalg.norm(drawn.backward(there) - some, axis=1)
    assert np.median(back) < 0.1 and back.max() < 1.0
    moved = drawn.forward(sphere.vertices)
    corner = moved[sphere.faces]
    outward = np.einsum("fi,fi->f", np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), corner[:, 0])
    assert (outward <= 0).mean() < 1e-3


def test_random_fields_have_unit_variance_and_their_width():
    vertices = template().sides["R"].sphere.vertices
    field = warp.random_field(vertices, fwhm_mm=20, n=200, rng=np.random.default_rng(1))
    assert field.var() == pytest.approx(1, rel=0.1)
    one = field[4000]
    chord = np.linalg.norm(vertices - vertices[4000], axis=1)
    # Two Gaussian kernels of standard deviation s overlap as exp(-d² / 4 s²).
    sigma = 20 / np.sqrt(8 * np.log(2))
    near = np.flatnonzero(np.abs(chord - 12) < 0.5)
    r = (field[near] @ one) / np.sqrt((field[near] ** 2).sum(axis=1) * (one @ one))
    assert r.mean() == pytest.approx(np.exp(-(12**2) / (4 * sigma**2)), abs=0.1)


def test_a_patch_has_the_area_of_its_ellipse():
    side = template().sides["L"]
    centre = next(node for node in phantom.group_map().nodes if node.name == "SCAN superior").centre
    patch = group.Patch("patch", 3, "L", centre, (10.0, 14.0))
    mask = group.paint(np.zeros(side.sphere.n_vertices, dtype=np.int64), [patch]) == 3
    assert vertex_areas(side.midthickness)[mask].sum() == pytest.approx(np.pi * 10 * 14, rel=0.25)
    along, across = group.local_axes("L", centre)
    assert abs(along @ across) < 1e-9 and abs(along @ centre) < 1e-6


# --- the group map ----------------------------------------------------------------------------------------------------


def test_the_group_map_lies_where_anatomy_says():
    built = phantom.group_map()
    axis = template().grayordinates
    xyz = noise.row_xyz()
    assert built.label.shape == (91282,)
    assert set(np.unique(built.label)) == {0, *built.keys.tolist()}
    visual, foot, mouth = (
        xyz[: axis.n_cortex][built.label[: axis.n_cortex] == built.key(n)] for n in ("visual", "foot", "mouth")
    )
    assert visual[:, 1].mean() < -60
    assert foot[:, 2].mean() > mouth[:, 2].mean() + 20
    assert np.abs(foot[:, 0]).mean() < np.abs(mouth[:, 0]).mean() - 25
    for hemisphere, sign in (("L", -1), ("R", 1)):
        peak = next(n for n in built.nodes if n.name == "SCAN middle" and n.hemisphere == hemisphere)
        side = template().sides[hemisphere]
        place = side.midthickness.vertices[group.nearest(side, peak.centre)]
        table = np.array([-38, -18, 44]) if sign < 0 else np.array([40, -15, 43])
        assert 0.1 < np.linalg.norm(place - table) < 15
    scan = xyz[axis.n_cortex :][built.label[axis.n_cortex :] == built.key("SCAN")]
    for table in ((-28, -5, -1), (12, -20, 3), (-9, -65, -18), (24, -59, -54)):
        assert np.linalg.norm(scan - table, axis=1).min() < 4


def test_people_have_the_nodes_that_their_table_lists(person):
    axis = template().grayordinates.cortex()
    names = {(n.name, n.hemisphere) for n in person.nodes if n.network == "SCAN"}
    assert {(f"SCAN {place}", side) for place in ("superior", "middle", "inferior") for side in "LR"} <= names
    for node in person.nodes:
        label = axis.to_mesh(person.truth[: len(axis)], node.hemisphere)
        assert label[node.vertex] == person.key(node.network)
        surface = template().sides[node.hemisphere].midthickness
        assert np.allclose(surface.vertices[node.vertex], node.xyz_mni)
    assert (person.part >= 0).sum() == (person.truth > 0).sum()
    for part in np.unique(person.part[person.part >= 0])[::40]:
        assert len(np.unique(person.truth[person.part == part])) == 1


# --- noise ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tr_s", [0.8, 2.0])
def test_coloured_noise_has_its_spectrum_whatever_the_repetition_time(tr_s):
    spectrum = noise.Spectrum(exponent=1.0, knee_hz=0.01, roll_off_hz=0.15)
    series = noise.coloured(np.random.default_rng(2), spectrum, noise.Timing(1000, tr_s), n_rows=400)
    frequency = np.fft.rfftfreq(1000, tr_s)
    power = (np.abs(np.fft.rfft(series, axis=1)) ** 2).mean(axis=0) * 2 * tr_s / 1000
    in_band = (frequency >= 0.01) & (frequency <= 0.1)
    assert power[in_band].sum() * frequency[1] == pytest.approx(1, rel=0.08)
    expected = (0.03**2 + 0.01**2) ** -0.5 * np.exp(-((0.03 / 0.15) ** 2))
    expected /= (0.08**2 + 0.01**2) ** -0.5 * np.exp(-((0.08 / 0.15) ** 2))
    at = [power[np.abs(frequency - f) < 0.004].mean() for f in (0.03, 0.08)]
    assert at[0] / at[1] == pytest.approx(expected, rel=0.1)


def test_a_kernel_gives_unit_variance_and_a_gaussian_fall():
    smooth = noise.kernel(9.0, cortex_only=True)
    field = smooth.spread(np.random.default_rng(3).standard_normal((smooth.n_nodes, 300), dtype=np.float32))
    assert (field**2).mean() == pytest.approx(1, rel=0.05)
    xyz = noise.row_xyz()[: len(field)]
    sigma = 9 / np.sqrt(8 * np.log(2))
    r = []
    for row in range(500, len(field), 3000):
        ring = np.flatnonzero(np.abs(np.linalg.norm(xyz - xyz[row], axis=1) - 6) < 0.3)
        r.append(
            ((field[ring] @ field[row]) / np.sqrt((field[ring] ** 2).sum(axis=1) * (field[row] ** 2).sum())).mean()
        )
    assert np.mean(r) == pytest.approx(np.exp(-36 / (4 * sigma**2)), abs=0.1)


def test_networks_correlate_as_stated():
    names = phantom.group_map().names
    wanted = latent.network_correlation(names)
    at = {name: names.index(name) for name in names}
    assert np.allclose(np.diag(wanted), 1) and np.linalg.eigvalsh(wanted).min() > 0
    assert wanted[at["SCAN"], at["AMN"]] > 0.4
    for effector in ("foot", "hand", "mouth"):
        assert wanted[at["AMN"], at[effector]] < wanted[at["SCAN"], at["AMN"]] - 0.4
    courses = latent.time_courses(np.random.default_rng(4), wanted, noise.Spectrum(), noise.Timing(4000, 2.0))
    assert np.abs(np.corrcoef(courses.T) - wanted).max() < 0.1
    pairs = latent.paired_courses(
        np.random.default_rng(5), noise.Spectrum(), noise.Timing(4000, 2.0), n_pairs=2, between=0.5
    )
    r = np.corrcoef(pairs.T)
    assert r[0, 1] == pytest.approx(0.5, abs=0.08) and abs(r[0, 2]) < 0.08
    strange = latent.network_correlation((*names[:3], "no such network"))
    assert not strange[3, :3].any()


# --- scans ------------------------------------------------------------------------------------------------------------


def test_members_of_a_network_rise_and_fall_together(person, session):
    quiet = phantom.denoise(clone(session), with_global_signal=True, filtered=True)
    cortex = person.truth[:59412]
    rng = np.random.default_rng(0)
    rows = {name: rng.choice(np.flatnonzero(cortex == person.key(name)), 300) for name in ("hand", "default", "visual")}
    unit = {n: quiet.data[:, r] / np.linalg.norm(quiet.data[:, r], axis=0) for n, r in rows.items()}
    mean = {(a, b): (unit[a].T @ unit[b]).mean() for a in rows for b in rows}
    for name in rows:
        assert mean[name, name] > max(mean[name, other] for other in rows if other != name) + 0.05
    assert np.abs(quiet.data.mean(axis=0)).mean() < 0.1 * quiet.data.std()


def test_preprocessed_scans_have_a_baseline_and_all_rows(session):
    assert session.series.data.shape == (150, 91282)
    assert session.series.data.dtype == np.float32
    assert 7000 < session.series.data.mean() < 13000
    assert np.allclose(session.fd_mm, framewise_displacement(session.motion))
    confounds, names = phantom.reference_confounds(session)
    assert confounds.shape == (150, 29) == (150, len(set(names)))


def test_motion_has_bursts_and_is_mostly_quiet():
    fd = [
        framewise_displacement(motion.draw_motion(np.random.default_rng(s), noise.Timing(750, 0.8))) for s in range(8)
    ]
    assert 0.02 < np.median(np.concatenate(fd)) < 0.2
    assert 0.001 < (np.concatenate(fd) > 0.3).mean() < 0.2


def test_denoising_removes_motion_and_the_slow_and_fast(person):
    rng = np.random.default_rng(7)
    made = phantom.simulate_session(person, minutes=8, tr_s=1.0, rng=rng, cortex_only=True)
    kept = made.fd_mm <= 0.3
    before = made.series.data.copy()
    after = phantom.denoise(made, with_global_signal=True, filtered=True).data
    frequency = np.fft.rfftfreq(len(after), 1.0)
    outside = (frequency < 0.004) | (frequency > 0.16)

    def share(data):
        power = np.abs(np.fft.rfft(data[:, ::500] - data[:, ::500].mean(axis=0), axis=0)) ** 2
        return power[outside].sum() / power.sum()

    assert share(after) < 0.1 < share(before)
    drift = np.linspace(-1, 1, len(after))[kept]
    slope = [
        np.mean([abs(np.corrcoef(drift, column)[0, 1]) for column in d[kept][:, ::2000].T]) for d in (before, after)
    ]
    assert slope[1] < 0.1 and slope[1] < slope[0] / 2
    assert abs(after.mean(axis=1)).max() < 0.3 * after.std()


def test_too_short_or_too_slow_is_refused(person, tmp_path):
    for minutes, tr_s in ((0.5, 0.8), (20, 6.0), (20, 0), (float("nan"), 0.8)):
        with pytest.raises(SignalError):
            phantom.simulate_series(person, minutes=minutes, tr_s=tr_s, rng=np.random.default_rng(0))
    with pytest.raises(SignalError):
        phantom.make_phantoms(tmp_path / "data", minutes=1)
    assert not (tmp_path / "data").exists()


def test_the_soft_filter_passes_what_it_should():
    time = np.arange(1500) * 1.0
    for f, low, high in ((0.03, 0.55, 0.75), (0.001, 0, 0.1), (0.2, 0, 0.01)):
        wave = np.sin(2 * np.pi * f * time)[:, None].astype(np.float32)
        passed = soft_band_pass(wave, tr_s=1.0)[200:-200]
        gain = passed.std() / wave[200:-200].std()
        # Gaussian with a standard deviation of 5 s: exp(-2 π² 25 f²).
        assert low <= gain <= high, f
        if f == 0.03:
            assert gain == pytest.approx(np.exp(-2 * np.pi**2 * 25 * f**2), rel=0.02)


# --- data sets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["fmriprep", "hcp", "xcpd"])
def test_layouts_are_found_by_the_readers(tmp_path, session, layout):
    for number in (1, 2):
        write_session(tmp_path, "P01", number, clone(session), layout)
    assert files.detect_layout(tmp_path) == layout
    found = files.find_person(tmp_path, "P01")
    assert found.layout == layout
    assert len(found.runs) == 2
    run = found.runs[0]
    assert run.tr_s == pytest.approx(2.0)
    assert run.cleaned == (layout != "fmriprep") and run.filtered == (layout == "xcpd")
    read = files.read_cifti_series(run.paths[0])
    assert read.data.shape == (150, 91282)
    if layout == "fmriprep":
        assert np.allclose(read.data, session.series.data, rtol=1e-4)
        assert run.confounds is not None
        table = np.genfromtxt(run.confounds, names=True, delimiter="\t", missing_values="n/a")
        assert np.allclose(table["trans_x"], session.motion[:, 0], atol=1e-5)
        assert np.allclose(table["global_signal"], session.series.data.mean(axis=1), rtol=1e-4)
    if layout == "hcp":
        assert run.motion is not None
        assert np.loadtxt(run.motion).shape == (150, 12)
        assert read.data.mean() > 7000
    if layout == "xcpd":
        assert run.outliers is not None
        outliers = np.loadtxt(run.outliers, skiprows=1)
        assert np.array_equal(outliers == 1, session.fd_mm > 0.3)


def test_a_data_set_is_resumed_and_never_mixed(tmp_path):
    out = tmp_path / "data"
    lines: list[str] = []
    options = {"minutes": 4, "seed": 1, "tr_s": 2.0, "layout": "fmriprep"}
    phantom.make_phantoms(out, **options, progress=lines.append)
    series = sorted(out.rglob("*_bold.dtseries.nii"))
    first = [path.read_bytes() for path in series]
    series[1].unlink()
    lines.clear()
    phantom.make_phantoms(out, **options, progress=lines.append)
    assert sum("already there" in line for line in lines) == 1
    assert [path.read_bytes() for path in series] == first
    with pytest.raises(OutputError):
        phantom.make_phantoms(out, **{**options, "seed": 2})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError):
        phantom.make_phantoms(tmp_path / "other", **options)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]
    record = json.loads((out / "truth" / "phantom.json").read_text())
    assert record["seed"] == 1 and record["truth_map"] is None
    assert str(tmp_path) not in (out / "truth" / "phantom.json").read_text()
    description = json.loads((out / "dataset_description.json").read_text())
    assert "phantom" in description["Name"]
    assert all(entry["Name"] != "actionloop" for entry in description["GeneratedBy"])


def test_a_real_persons_map_as_truth(tmp_path):
    path = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = path / "individual_msc06" / f"{MSC06}.dlabel.nii"
    if not path.is_file():
        pytest.skip("the map of MSC06 is not here (ACTIONLOOP_DATA)")
    (label,) = phantom.make_phantoms(tmp_path / "data", minutes=4, tr_s=2.0, seed=1, truth_map=path)
    truth = files.read_label_map(tmp_path / "data" / "truth" / f"sub-{label}_truth.dlabel.nii")
    given = files.read_label_map(path)
    for key in (18, 9, 10):
        name = {18: "SCAN", 9: "AMN", 10: "hand"}[key]
        mine = next(k for k, n in truth.names.items() if n == name)
        assert np.array_equal(truth.label == mine, given.label == key)
    rows = (tmp_path / "data" / "truth" / f"sub-{label}_desc-nodes_truth.tsv").read_text().splitlines()
    assert sum("\tSCAN\t" in row for row in rows) >= 6


def test_a_map_without_scan_is_no_truth(person):
    with pytest.raises(PriorError):
        phantom.given_person(
            np.where(person.truth == person.key("SCAN"), 0, person.truth),
            names=person.names,
            keys=person.keys,
            colours=person.colours,
            rng=np.random.default_rng(0),
        )
    with pytest.raises(PriorError):
        phantom.given_person(
            person.truth[:1000],
            names=person.names,
            keys=person.keys,
            colours=person.colours,
            rng=np.random.default_rng(0),
        )
