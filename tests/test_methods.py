"""Every way of mapping through one interface: on small people, on real ones, on every device."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from benchmarks.real import PARCEL_OPTIONS, agreement, halves_of, hcp_people, lemon_maps, lemon_overlap

from actionloop import files, signal
from actionloop.arrays import device
from actionloop.brain import Parcels
from actionloop.errors import OptionError, PriorError, ResourceError, SignalError
from actionloop.networks import (
    DEFAULT_METHOD,
    METHODS,
    DiceSettings,
    InfomapSettings,
    find_method,
    map_networks,
    parcellate_prior,
)
from actionloop.pipeline.settings import MappingSettings, read_settings
from actionloop.types import Grayordinates, Prior, Timeseries

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
NAMES = ("default", "visual", "SCAN", "hand", "AMN")
# Each of five networks has a fifth of all rows, of 300: more edges than on a real cortex.
SMALL = {
    "infomap": InfomapSettings(density=0.1, densities=(0.1,), min_rows=2, trials=2),
    "dice": DiceSettings(share=0.2, template_share=0.2),
}


def needs_data() -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is absent (set ACTIONLOOP_DATA)")
    try:
        files.require(groups=("demo",))
    except ResourceError as missing:
        pytest.skip(str(missing))


def small_person(*, seed: int = 0, n: int = 300, frames: int = 250) -> tuple[Timeseries, Prior, np.ndarray]:
    """Make a scan of five networks whose signals differ, a prior wrong in a fifth of the rows, and the truth."""
    rng = np.random.default_rng(seed)
    axis = Grayordinates(np.arange(n // 2), np.arange(n - n // 2))
    truth = rng.integers(0, len(NAMES), n)
    courses = rng.standard_normal((frames, len(NAMES)))
    data = courses[:, truth] + 0.8 * rng.standard_normal((frames, n))
    believed = np.where(rng.random(n) < 0.2, rng.integers(0, len(NAMES), n), truth)
    probability = np.where(believed == np.arange(len(NAMES))[:, None], 0.6, 0.1)
    template = np.where(truth == np.arange(len(NAMES))[:, None], 0.5, 0.02) + rng.normal(0, 0.05, (len(NAMES), n))
    prior = Prior(
        NAMES,
        np.arange(1, 6) * 2,
        np.eye(5, 3),
        probability.astype(np.float32),
        axis,
        template.astype(np.float32),
        source="a small prior",
    )
    return Timeseries(data.astype(np.float32), axis, 0.8), prior, prior.keys[truth]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_networks_of_a_small_person(method):
    series, prior, truth = small_person()
    made = map_networks(signal.compress(series), prior, None, method=method, settings=SMALL.get(method))
    assert made.method == method
    assert made.names == NAMES and made.probability.shape == (5, 300)
    assert (made.label == truth).mean() > 0.95
    assert (made.probability >= 0).all() and (made.probability <= 1).all()
    assert (made.confidence >= 0).all() and (made.confidence <= 1).all()
    if made.measure == "probability":
        np.testing.assert_allclose(made.probability.sum(axis=0), 1, atol=1e-4)
    assert made.settings["prior"] == "a small prior"
    assert "?" not in find_method(method).describe(made.settings)


@pytest.mark.parametrize("method", METHODS)
def test_rows_without_signal_and_excluded_rows_are_unassigned(method):
    series, prior, truth = small_person(seed=1)
    data = series.data.copy()
    data[:, [5, 200]] = 3
    exclude = np.zeros(300, dtype=bool)
    exclude[[7, 8]] = True
    basis = signal.compress(replace(series, data=data))
    made = map_networks(basis, prior, None, method=method, settings=SMALL.get(method), exclude=exclude)
    empty = [5, 200, 7, 8]
    assert not made.label[empty].any() and not made.probability[:, empty].any() and not made.confidence[empty].any()
    assert (made.label == truth)[np.delete(np.arange(300), empty)].mean() > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_networks_does_not_matter(method):
    series, prior, _ = small_person(seed=2)
    order = np.random.default_rng(0).permutation(5)
    other = Prior(
        tuple(NAMES[i] for i in order),
        prior.keys[order],
        prior.colours[order],
        prior.probability[order],
        prior.grayordinates,
        prior.fingerprint[order],
    )
    basis = signal.compress(series)
    one, two = (map_networks(basis, p, None, method=method, settings=SMALL.get(method)) for p in (prior, other))
    np.testing.assert_allclose(two.probability, one.probability[order], atol=2e-3)
    assert (one.label == two.label).mean() > 0.99


@pytest.mark.parametrize("name", ["torch", "cuda"])
@pytest.mark.parametrize("method", METHODS)
def test_every_device_gives_the_same_map(method, name):
    try:
        place = device(name)
    except ResourceError as missing:
        assert name == "cuda"
        pytest.skip(str(missing))
    series, prior, _ = small_person(seed=3)
    basis = signal.compress(series)
    options = {"method": method, "settings": SMALL.get(method)}
    one, other = map_networks(basis, prior, None, **options), map_networks(basis, prior, None, device=place, **options)
    np.testing.assert_allclose(other.probability, one.probability, atol=1e-3)
    assert (one.label == other.label).mean() > 0.99


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_is_one_clear_error(method):
    series, prior, _ = small_person()
    basis = signal.compress(series)
    axis = replace(prior.grayordinates, left=prior.grayordinates.left[:-1])
    elsewhere = Prior(NAMES, prior.keys, prior.colours, prior.probability[:, :-1], axis, prior.fingerprint[:, :-1])
    with pytest.raises(PriorError, match="299 rows and the series 300"):
        map_networks(basis, elsewhere, None, method=method, settings=SMALL.get(method))
    with pytest.raises(SignalError, match="carries signal"):
        everything = np.ones(300, dtype=bool)
        map_networks(basis, prior, None, method=method, settings=SMALL.get(method), exclude=everything)
    if method != "iterative":
        with pytest.raises(PriorError, match="templates"):
            bare = replace(prior, fingerprint=None)
            map_networks(basis, bare, None, method=method, settings=SMALL.get(method))


def test_methods_are_chosen_by_name_and_options_by_method(tmp_path):
    assert read_settings(None).mapping.method == DEFAULT_METHOD
    assert read_settings(None, method="ridge").mapping.method == "ridge"
    path = tmp_path / "settings.toml"
    path.write_text('[mapping]\nmethod = "eta2"\n[mapping.options.eta2]\nthreshold_z = 1.5\n')
    settings = read_settings(path)
    assert settings.mapping.chosen().threshold_z == 1.5
    assert read_settings(path, method="iterative").mapping.method == "iterative"
    assert settings.mapping.resolved()["options"]["second_threshold_z"] == 3.0
    for text, words in (
        ('[mapping]\nmethod = "magic"\n', "iterative, eta2, dice, ridge, infomap, hierarchical"),
        ("[mapping.options.eta2]\nthreshold = 1\n", "no option threshold"),
        ('[mapping.options.eta2]\nthreshold_z = "high"\n', "threshold_z"),
        ('[mapping]\ndevice = "abacus"\n', "cpu, cuda, torch"),
        ("[mapping]\ncompression = 2\n", "compression"),
    ):
        path.write_text(text)
        with pytest.raises(OptionError) as caught:
            read_settings(path)
        assert words in f"{caught.value.problem} {caught.value.fix}"
    with pytest.raises(OptionError, match="no method"):
        find_method("magic")
    assert MappingSettings().resolved() == MappingSettings(device="torch").resolved()


# Real people


@pytest.fixture(scope="module")
def hcp() -> tuple[list[Timeseries], Parcels, Prior]:
    needs_data()
    from actionloop.pipeline.priors import cached_default_prior

    people, parcels = hcp_people()
    return people, parcels, parcellate_prior(cached_default_prior(), parcels)


@pytest.mark.parametrize("method", METHODS)
def test_halves_of_one_real_person_agree_more_than_those_of_two(method, hcp):
    people, _, prior = hcp
    assert len(people) == 4
    assert method != "infomap" or PARCEL_OPTIONS[method].density == 0.05
    within, between = agreement(halves_of(people, prior, method))
    assert within > between + 0.03
    assert within > 0.45


def test_eta2_and_dice_agree_on_a_real_scan_with_published_templates():
    """On the left cortex's first rows; `benchmarks.real` has the whole."""
    needs_data()
    maps = lemon_maps(slice(0, 12_000))
    assert all(made.members("AMN").sum() > 300 for made in maps.values())
    assert lemon_overlap(maps) >= 0.5


def test_seed_connectivity_is_that_of_connectome_workbench(tmp_path):
    if shutil.which("wb_command") is None:
        pytest.skip("wb_command is not installed")
    rng = np.random.default_rng(0)
    axis = Grayordinates(
        np.sort(rng.choice(32_492, 150, replace=False)), np.sort(rng.choice(32_492, 130, replace=False))
    )
    data = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 280)) + rng.standard_normal((200, 280)) + 400
    series = Timeseries(data.astype(np.float32), axis, 0.8)
    path, out = tmp_path / "x.dtseries.nii", tmp_path / "x.dconn.nii"
    files.write_dtseries(path, series)
    subprocess.run(["wb_command", "-cifti-correlation", path, out], check=True, capture_output=True)
    theirs = np.asarray(nib.load(out).dataobj)
    basis = signal.compress(series)
    np.testing.assert_allclose(basis.data.T @ basis.data, theirs, atol=1.1e-4)
    np.testing.assert_allclose(signal.correlate(series, series.data[:, :5]), theirs[:5], atol=1e-5)
