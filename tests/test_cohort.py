"""Priors of many people: the running sums against plain averages, and `prior build` from files to files."""

from __future__ import annotations

import errno
import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.memory import watch_memory

from actionloop import files, pipeline, signal
from actionloop.cli import main
from actionloop.errors import InputError, OptionError, OutputError, PriorError, ResourceError, SignalError
from actionloop.networks.cohort import CohortPrior, CohortSums
from actionloop.pipeline import priorfiles
from actionloop.pipeline.cohort import CohortRequest, build_prior
from actionloop.pipeline.priorfiles import output_paths
from actionloop.pipeline.progress import Silent
from actionloop.types import Basis, Grayordinates, NetworkMap, Timeseries, Voxels

AFFINE = np.diag([2.0, 2, 2, 1])
VOXELS = Voxels(np.arange(30).reshape(10, 3) % 4, np.array(["THALAMUS"] * 10), AFFINE, (4, 4, 4))
AXIS = Grayordinates(np.arange(0, 60, 2), np.arange(5, 45), 100, VOXELS)
NAMES = ("SCAN", "AMN", "hand")
KEYS = np.array([4, 9, 2])
COLOURS = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
N_FRAMES = 50


def network_map(label: np.ndarray, names: tuple[str, ...] = NAMES, keys: np.ndarray = KEYS) -> NetworkMap:
    one_hot = (label == keys[:, None]).astype(np.float32)
    colours = np.resize(COLOURS, (len(names), 3))
    confidence = (label > 0).astype(np.float32)
    return NetworkMap(names, keys, colours, one_hot, label, confidence, AXIS, "test")


def draw(rng: np.random.Generator, *, keys: tuple[int, ...] = (0, 4, 9, 2), silent: int = 0) -> tuple[np.ndarray, ...]:
    """One person's series (frame, row) and labels; the first `silent` rows are constant."""
    label = rng.choice(keys, len(AXIS))
    label[-len(keys) :] = keys
    latent = rng.standard_normal((N_FRAMES, 10))
    data = latent[:, label] + rng.standard_normal((N_FRAMES, len(AXIS)))
    data[:, :silent] = 3
    return data, label


def compressed(data: np.ndarray, axis: Grayordinates = AXIS) -> Basis:
    return signal.compress(Timeseries(data.astype(np.float32), axis, 1.0), tolerance=1e-6)


def naive(people: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Everything from the definitions, with all people in memory at once."""
    z = np.full((len(people), len(KEYS), len(AXIS)), np.nan)
    for person, (data, label) in enumerate(people):
        good = data.std(axis=0) > 0
        scaled = np.where(good, (data - data.mean(axis=0)) / np.where(good, data.std(axis=0), 1), 0)
        for network, key in enumerate(KEYS):
            rows = np.flatnonzero(good & (label == key))
            if len(rows):
                mean = scaled[:, rows].mean(axis=1)
                for row in np.flatnonzero(good):
                    r = np.corrcoef(mean, scaled[:, row])[0, 1]
                    z[person, network, row] = np.arctanh(np.clip(r, -0.999, 0.999))
    known = np.array([(data.std(axis=0) > 0) | (label > 0) for data, label in people])
    share = np.stack([np.sum([label == key for _, label in people], axis=0) / known.sum(axis=0) for key in KEYS])
    rest = 1 - share.sum(axis=0)
    entropy = np.zeros(len(AXIS))
    for p in (*share, rest):
        entropy[p > 1e-9] -= p[p > 1e-9] * np.log2(p[p > 1e-9])
    with np.errstate(all="ignore"):
        return {
            "templates": np.tanh(np.nanmean(z, axis=0)),
            "variability": np.nanstd(z, axis=0, ddof=1),
            "share": share,
            "unassigned": rest,
            "entropy": entropy,
        }


@pytest.fixture
def people() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    some = [draw(rng), draw(rng), draw(rng, silent=6), draw(rng, keys=(0, 4, 9))]
    return [(data, label) for data, label in some]


def summed(people: list[tuple[np.ndarray, np.ndarray]]) -> CohortPrior:
    sums = CohortSums(AXIS)
    for data, label in people:
        sums.add(compressed(data), network_map(label))
    return sums.result(source="made here", terms="none")


# ---- the sums


def test_against_plain_averages(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    made, expected = summed(people), naive(people)
    assert made.prior.names == NAMES
    np.testing.assert_array_equal(made.prior.keys, KEYS)
    assert made.prior.fingerprint is not None
    np.testing.assert_allclose(made.prior.fingerprint, expected["templates"], atol=2e-5)
    np.testing.assert_allclose(made.variability, expected["variability"], atol=2e-4)
    np.testing.assert_allclose(made.prior.probability, expected["share"], atol=1e-6)
    np.testing.assert_allclose(made.unassigned, expected["unassigned"], atol=1e-6)
    np.testing.assert_allclose(made.entropy_bits, expected["entropy"], atol=1e-6)
    assert made.people == 4
    np.testing.assert_array_equal(made.people_with, [4, 4, 3])  # one person has no hand
    assert (made.prior.source, made.prior.terms) == ("made here", "none")


def test_neither_order_of_people_nor_scale_of_series_matters(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    made = summed(people)
    other = summed([(data * 7 - 100, label) for data, label in reversed(people)])
    np.testing.assert_allclose(other.prior.fingerprint, made.prior.fingerprint, atol=2e-5)  # type: ignore[arg-type]
    np.testing.assert_allclose(other.variability, made.variability, atol=2e-4)
    np.testing.assert_allclose(other.prior.probability, made.prior.probability, atol=1e-7)


def test_silent_rows_are_no_data(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    # a row that drops out in everybody but one: that one's values, no SD, and no average with zeros
    quiet = []
    for person, (loud, given) in enumerate(people):
        data, label = loud.copy(), given.copy()
        if person:
            data[:, 0], label[0] = 0, 0
        data[:, 1], label[1] = 0, 0
        quiet.append((data, label))
    quiet[0][1][0] = 9
    made, alone = summed(quiet), summed(quiet[:1])
    np.testing.assert_allclose(made.prior.fingerprint[:, 0], alone.prior.fingerprint[:, 0], atol=1e-6)  # type: ignore[index]
    assert np.isnan(made.variability[:, 0]).all()
    np.testing.assert_array_equal(made.prior.probability[:, 0], [0, 1, 0])
    assert not made.prior.fingerprint[:, 1].any()  # type: ignore[index]
    assert made.prior.probability[:, 1].sum() == made.unassigned[1] == 0
    assert np.isnan(made.entropy_bits[1])
    assert np.isnan(alone.variability).all()


def test_a_network_of_one_row_stays_finite() -> None:
    rng = np.random.default_rng(1)
    sums = CohortSums(AXIS)
    for _ in range(3):
        data, label = draw(rng, keys=(0, 9))
        label[3] = 4
        sums.add(compressed(data), network_map(label))
    made = sums.result()
    assert made.prior.names == ("SCAN", "AMN")
    assert made.prior.fingerprint is not None and np.isfinite(made.prior.fingerprint).all()
    assert made.prior.fingerprint[0, 3] == pytest.approx(0.999, abs=1e-6)
    assert made.variability[0, 3] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(made.prior.probability.sum(axis=0) + made.unassigned, 1, atol=1e-6)


def test_arrays_and_maps_with_other_keys_are_the_same(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    made = summed(people)
    arrays = CohortSums(AXIS, networks=network_map(people[0][1]))
    renamed = CohortSums(AXIS, networks=made.prior)
    for data, label in people:
        arrays.add(compressed(data), label)
        # the same networks in another order and under other keys
        shifted = np.where(label > 0, label + 20, 0)
        renamed.add(compressed(data), network_map(shifted, names=NAMES[::-1], keys=KEYS[::-1] + 20))
    for other in (arrays.result(), renamed.result()):
        assert other.prior.names == NAMES
        np.testing.assert_array_equal(other.prior.keys, KEYS)
        np.testing.assert_array_equal(other.prior.fingerprint, made.prior.fingerprint)  # type: ignore[arg-type]
        np.testing.assert_array_equal(other.variability, made.variability)


def test_networks_met_later_get_a_key_of_their_own(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    sums = CohortSums(AXIS)
    for names, (data, label) in zip((NAMES, ("SCAN", "foot", "hand")), people[:2], strict=True):
        sums.add(compressed(data), network_map(label, names=names))
    made = sums.result()
    assert made.prior.names == (*NAMES, "foot")
    np.testing.assert_array_equal(made.prior.keys, [4, 9, 2, 10])  # 9 is taken
    np.testing.assert_array_equal(made.people_with, [2, 1, 2, 1])
    np.testing.assert_allclose(made.prior.probability[3], (people[1][1] == 9) / 2)


def test_nobody_is_kept_in_memory(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    sums, basis = CohortSums(AXIS), compressed(people[0][0])
    sums.add(basis, network_map(people[0][1]))
    gone = weakref.ref(basis.data), weakref.ref(basis)
    del basis
    gc.collect()
    assert all(reference() is None for reference in gone)


def test_people_who_do_not_fit_leave_the_sums_alone(people: list[tuple[np.ndarray, np.ndarray]]) -> None:
    data, label = people[0]
    sums = CohortSums(AXIS)
    with pytest.raises(PriorError, match="at least one person"):
        sums.result()
    for person in people:
        sums.add(compressed(person[0]), network_map(person[1]))
    before = sums.result()
    basis = compressed(data)
    other = Grayordinates(AXIS.left + 1, AXIS.right, 100, VOXELS)
    moved = replace(VOXELS, ijk=VOXELS.ijk[::-1])
    bad: list[tuple[type[Exception], str, Callable[[], None]]] = [
        (SignalError, "other rows", lambda: sums.add(compressed(data, other), network_map(label))),
        (
            SignalError,
            "other rows",
            lambda: sums.add(compressed(data, Grayordinates(AXIS.left, AXIS.right, 100, moved)), network_map(label)),
        ),
        (SignalError, "other rows", lambda: sums.add(compressed(data[:, :70], AXIS.cortex()), label[:70])),
        (PriorError, "do not fit", lambda: sums.add(basis, label[:-1])),
        (PriorError, "without a network: 77", lambda: sums.add(basis, np.where(label == 9, 77, label))),
        (SignalError, "both a label and signal", lambda: sums.add(basis, np.zeros_like(label))),
    ]
    for error, words, act in bad:
        with pytest.raises(error, match=words):
            act()
    after = sums.result()
    assert after.people == before.people
    np.testing.assert_array_equal(after.prior.fingerprint, before.prior.fingerprint)  # type: ignore[arg-type]
    lonely = CohortSums(AXIS)
    lonely.add(basis, network_map(np.where(label == 4, 4, 0)))
    with pytest.raises(PriorError, match="several networks, found 1"):
        lonely.result()


# ---- from files to files


@pytest.fixture(scope="module")
def axis() -> Grayordinates:
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    return files.template_grayordinates()


@pytest.fixture(scope="module")
def group(axis: Grayordinates) -> np.ndarray:
    """Labels of the default prior on the standard rows."""
    from actionloop.pipeline.priors import cached_default_prior

    prior = cached_default_prior()
    return prior.keys[prior.probability.argmax(axis=0)]


def as_map(label: np.ndarray) -> NetworkMap:
    from actionloop.pipeline.priors import cached_default_prior

    prior = cached_default_prior()
    one_hot = (label == prior.keys[:, None]).astype(np.float32)
    confidence = (label > 0).astype(np.float32)
    return NetworkMap(
        prior.names, prior.keys, prior.colours, one_hot, label, confidence, prior.grayordinates, "given map"
    )


def write_person(root: Path, label: str, networks: np.ndarray, axis: Grayordinates, *, seed: int) -> None:
    """Write one person as XCP-D would, and their networks beside the data set."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((130, int(networks.max()) + 1)).astype(np.float32)
    data = latent[:, networks] + rng.standard_normal((130, len(networks)), dtype=np.float32)
    func = root / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    description = {"Name": "XCP-D", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "xcp_d", "Version": "0.10.0"}]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    name = func / f"sub-{label}_task-rest_space-fsLR_den-91k_desc-denoised_bold"
    files.write_dtseries(f"{name}.dtseries.nii", Timeseries(data, axis, 2.5))
    Path(f"{name}.json").write_text(json.dumps({"RepetitionTime": 2.5}))
    truth = root.parent / "truth"
    files.write_dlabel(truth / f"sub-{label}_truth.dlabel.nii", as_map(networks))


@pytest.fixture(scope="module")
def dataset(axis: Grayordinates, group: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people, of whom 03 is broken; in 02 some of AMN is not assigned."""
    root = tmp_path_factory.mktemp("cohort") / "xcpd"
    second = group.copy()
    second[np.flatnonzero(group == as_map(group).key("AMN"))[::3]] = 0
    write_person(root, "01", group, axis, seed=1)
    write_person(root, "02", second, axis, seed=2)
    broken = root / "sub-03" / "func" / "sub-03_task-rest_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(next((root / "sub-01" / "func").glob("*.dtseries.nii")).read_bytes()[:4_000_000])
    (root.parent / "truth" / "sub-03_truth.dlabel.nii").write_bytes(
        (root.parent / "truth" / "sub-01_truth.dlabel.nii").read_bytes()
    )
    return root


@pytest.fixture(scope="module")
def built(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """`prior build` through the command line: folder of the results, exit code, both streams."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("priors") / "new"
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["prior", "build", str(dataset), str(folder / "mine"), "--labels", str(dataset.parent / "truth")])
    return folder, code, out.getvalue(), err.getvalue()


def test_build_through_the_command_line(built: tuple[Path, int, str, str]) -> None:
    folder, code, out, err = built
    assert code == 1  # somebody failed
    assert sorted(path.name for path in folder.iterdir()) == [
        "mine_prior.json",
        "mine_prior.npz",
        "mine_probseg.dscalar.nii",
        "mine_templates.dscalar.nii",
        "mine_variability.dscalar.nii",
    ]
    lines = out.splitlines()
    assert [line.split("\t")[:2] for line in lines[:3]] == [["sub-01", "ok"], ["sub-02", "ok"], ["sub-03", "failed"]]
    assert lines[3] == str(folder / "mine_prior.npz")
    assert "error: sub-03: the file is truncated" in err
    assert "sub-03 is left out" in err
    assert "prior of 3 people [2/4]" in err
    assert "Traceback" not in err


def test_built_files_hold_what_the_sums_give(
    built: tuple[Path, int, str, str], dataset: Path, axis: Grayordinates
) -> None:
    folder = built[0]
    sums = CohortSums(axis)
    for label in ("01", "02"):
        series = files.read_cifti_series(next((dataset / f"sub-{label}").rglob("*.dtseries.nii")))
        truth = files.read_label_map(dataset.parent / "truth" / f"sub-{label}_truth.dlabel.nii").label
        sums.add(signal.compress(signal.standardise(series)), as_map(truth))
    expected = sums.result()
    prior, extras = files.read_archive(folder / "mine_prior.npz")
    assert set(prior.names) == set(expected.prior.names)
    order = [prior.names.index(name) for name in expected.prior.names]
    assert prior.fingerprint is not None and expected.prior.fingerprint is not None
    np.testing.assert_allclose(prior.fingerprint[order], expected.prior.fingerprint, atol=1e-5)
    np.testing.assert_array_equal(prior.probability[order], expected.prior.probability)
    np.testing.assert_allclose(extras["variability"][order], expected.variability, atol=1e-5)
    assert int(extras["people"]) == 2
    np.testing.assert_array_equal(extras["people_with"], 2)
    for name, value in (("templates", prior.fingerprint), ("probseg", prior.probability)):
        stored = files.read_cifti_scalar(folder / f"mine_{name}.dscalar.nii")
        np.testing.assert_array_equal(stored.data[: len(order)], value)
        assert stored.names[: len(order)] == prior.names
    stored = files.read_cifti_scalar(folder / "mine_variability.dscalar.nii")
    np.testing.assert_array_equal(stored.data, np.vstack([extras["variability"], extras["entropy_bits"]]))


def test_every_built_file_can_be_read_as_a_prior(built: tuple[Path, int, str, str]) -> None:
    folder = built[0]
    prior = files.read_prior(folder / "mine_prior.npz")
    # AMN is unassigned in some rows of one of two people: the map 'unassigned' says so, and is no network
    shares = files.read_prior(folder / "mine_probseg.dscalar.nii")
    assert "unassigned" in files.read_cifti_scalar(folder / "mine_probseg.dscalar.nii").names
    assert shares.names == prior.names
    np.testing.assert_array_equal(shares.probability, prior.probability)
    assert prior.probability.sum(axis=0).min() == pytest.approx(0.5)
    templates = files.read_prior(folder / "mine_templates.dscalar.nii")
    np.testing.assert_array_equal(templates.fingerprint, prior.fingerprint)  # type: ignore[arg-type]
    assert str(folder / "mine_prior.npz") in prior.source and "2 people" in prior.source
    assert "terms of these data" in prior.terms


def test_the_built_prior_maps_a_new_person(
    built: tuple[Path, int, str, str], group: np.ndarray, axis: Grayordinates
) -> None:
    from actionloop.networks.iterative import map_iterative
    from actionloop.pipeline.priors import choose_prior

    rng = np.random.default_rng(5)
    latent = rng.standard_normal((130, int(group.max()) + 1)).astype(np.float32)
    data = latent[:, group] + rng.standard_normal((130, len(group)), dtype=np.float32)
    prior = choose_prior(built[0] / "mine_prior.npz", axis)
    made = map_iterative(signal.compress(Timeseries(data, axis, 2.5), tolerance=0.01), prior, None)
    assert (made.label == group).mean() > 0.95
    assert prior.fingerprint is not None
    own = np.corrcoef(data[:, group == prior.keys[0]].mean(axis=1), data[:, ::100].T)[0, 1:]
    assert np.corrcoef(own, prior.fingerprint[0, ::100])[0, 1] > 0.5


def test_sidecar_tells_people_method_and_versions(built: tuple[Path, int, str, str], dataset: Path) -> None:
    told = json.loads((built[0] / "mine_prior.json").read_text(encoding="utf-8"))
    assert [person["Label"] for person in told["People"]] == ["01", "02"]
    assert told["Minutes"] == pytest.approx(2 * 130 * 2.5 / 60, abs=0.01)
    assert [one["Label"] for one in told["LeftOut"]] == ["03"]
    assert told["Versions"]["actionloop"] and told["Notice"]
    assert {network["People"] for network in told["Networks"]} == {2}
    assert set(told["Files"]) | {"mine_prior.json"} == {path.name for path in built[0].iterdir()}
    (series, truth) = told["People"][0]["Inputs"]
    assert series["SHA256"] == files.file_sha256(dataset / series["File"])
    assert truth["File"] == "sub-01_truth.dlabel.nii"
    assert str(dataset.parent) not in json.dumps(told)  # nothing of this machine


def test_without_labels_people_are_mapped(
    dataset: Path, group: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = watch_memory(monkeypatch)
    request = CohortRequest(dataset, tmp_path / "mapped_prior.npz", participant_labels=("sub-01", "02"))
    made = build_prior(request, progress=Silent())
    assert made.paths["prior"] == tmp_path / "mapped_prior.npz"
    assert [one.ok for one in made.outcomes] == [True, True]
    prior = files.read_prior(made.paths["prior"])
    assert (prior.keys[prior.probability.argmax(axis=0)] == group).mean() > 0.9
    told = json.loads(made.paths["sidecar"].read_text(encoding="utf-8"))
    assert told["Method"]["Prior"].startswith("actionloop default prior")
    assert len(alive) == 2


def with_voxels(dataset: Path, root: Path) -> tuple[Path, Voxels]:
    """Person 01 once more, with two voxels that run with the first and the second network."""
    series = files.read_cifti_series(next((dataset / "sub-01").rglob("*.dtseries.nii")))
    truth = files.read_label_map(dataset.parent / "truth" / "sub-01_truth.dlabel.nii")
    keys = np.unique(truth.label)[:2]
    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    structure = np.array(["CIFTI_STRUCTURE_THALAMUS_LEFT"] * 2)
    voxels = Voxels(np.array([[40, 50, 30], [41, 50, 40]]), structure, affine, (91, 109, 91))
    axis = replace(series.grayordinates, voxels=voxels)
    rng = np.random.default_rng(9)
    more = np.stack([series.data[:, truth.label == key].mean(axis=1) for key in keys], axis=1)
    more += 0.1 * rng.standard_normal(more.shape)
    data = np.concatenate([series.data, more], axis=1).astype(np.float32)
    func = root / "sub-01" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text((dataset / "dataset_description.json").read_text())
    name = "sub-01_task-rest_space-fsLR_den-91k_desc-denoised_bold"
    files.write_dtseries(func / f"{name}.dtseries.nii", Timeseries(data, axis, 2.5))
    (func / f"{name}.json").write_text(json.dumps({"RepetitionTime": 2.5}))
    return root, voxels


def test_subcortex_is_kept_on_request(dataset: Path, tmp_path: Path) -> None:
    root, voxels = with_voxels(dataset, tmp_path / "xcpd")
    request = CohortRequest(root, tmp_path / "a", labels=dataset.parent / "truth", subcortex=True)
    prior = files.read_prior(build_prior(request, progress=Silent()).paths["prior"])
    assert prior.grayordinates.voxels is not None and len(prior.grayordinates) == 59_412 + 2
    np.testing.assert_array_equal(prior.grayordinates.voxels.ijk, voxels.ijk)
    assert prior.fingerprint is not None
    assert prior.fingerprint[:, -2:].argmax(axis=0).tolist() == np.argsort(prior.keys)[:2].tolist()
    # the true map has no voxels, so that nobody carries a network there
    assert not prior.probability[:, -2:].any() and prior.probability[:, :-2].any(axis=0).all()
    with pytest.raises(InputError, match="expected a series with subcortex"):
        build_prior(
            CohortRequest(dataset, tmp_path / "b", participant_labels=("01",), subcortex=True), progress=Silent()
        )


# ---- what goes wrong


def ask(dataset: Path, out: Path, **more: object) -> CohortRequest:
    return CohortRequest(dataset, out, labels=dataset.parent / "truth", participant_labels=("01",), **more)  # type: ignore[arg-type]


def test_where_the_files_go(tmp_path: Path) -> None:
    for ending in ("", "_prior.npz", ".npz", ".prior"):
        assert output_paths(tmp_path / f"a{ending}")["templates"] == tmp_path / "a_templates.dscalar.nii"
    for folder in (tmp_path, tmp_path / "_prior.npz"):
        with pytest.raises(OptionError, match="OUT is a folder"):
            output_paths(folder)


def test_what_is_there_is_kept_unless_told_otherwise(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "a_probseg.dscalar.nii").write_text("mine")
    with pytest.raises(OutputError, match=r"a_probseg\.dscalar\.nii is there already"):
        build_prior(ask(dataset, tmp_path / "a"), progress=Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["a_probseg.dscalar.nii"]
    build_prior(ask(dataset, tmp_path / "a", overwrite=True), progress=Silent())
    assert files.read_cifti_scalar(tmp_path / "a_probseg.dscalar.nii").data.max() == 1


def test_bad_requests_write_nothing(dataset: Path, tmp_path: Path) -> None:
    empty, twice = tmp_path / "empty", tmp_path / "twice"
    empty.mkdir()
    for folder in ("a", "b"):
        (twice / folder).mkdir(parents=True)
        (twice / folder / "sub-01_dseg.dlabel.nii").write_bytes(b"x")
    (twice / ".work").mkdir()
    (twice / ".work" / "sub-01_other.dlabel.nii").write_bytes(b"x")
    out = tmp_path / "out" / "a"
    bad: list[tuple[type[Exception], str, CohortRequest]] = [
        (InputError, "found none", replace(ask(dataset, out), labels=empty)),
        (
            InputError,
            "found a/sub-01_dseg.dlabel.nii, b/sub-01_dseg.dlabel.nii",
            replace(ask(dataset, out), labels=twice),
        ),
        (InputError, "folder of labels", replace(ask(dataset, out), labels=tmp_path / "absent")),
        (InputError, "expected a folder", replace(ask(tmp_path / "absent", out), participant_labels=())),
        (InputError, "'99' is not there", replace(ask(dataset, out), labels=None, participant_labels=("99",))),
        (InputError, "truncated", replace(ask(dataset, out), participant_labels=("03",))),
        (
            InputError,
            "truncated",
            replace(ask(dataset, out), participant_labels=("03", "01"), stop_on_first_crash=True),
        ),
        (PriorError, "none of the 2 people .* truncated", replace(ask(dataset, out), participant_labels=("03", "04"))),
        (OptionError, "nobody is mapped", ask(dataset, out, prior=tmp_path / "p.mat")),
    ]
    for error, words, request in bad:
        with pytest.raises(error, match=words):
            build_prior(request, progress=Silent())
        assert not out.parent.exists(), words
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        build_prior(ask(dataset, tmp_path / "file" / "a"), progress=Silent())


@pytest.mark.parametrize("step", ["write_dscalar", "write_prior", "write_json"])
def test_a_full_disk_leaves_no_file(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    write, calls = getattr(files, step), []

    def full(*given: object, **more: object) -> None:
        calls.append(given)
        if len(calls) > (1 if step == "write_dscalar" else 0):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*given, **more)

    monkeypatch.setattr(priorfiles.files, step, full)
    made = _small_result()
    with pytest.raises(OutputError, match="No space left"):
        priorfiles.write_cohort(output_paths(tmp_path / "a"), made, {})
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    priorfiles.write_cohort(output_paths(tmp_path / "a"), made, {})
    assert len(list(tmp_path.iterdir())) == 5


def _small_result() -> CohortPrior:
    rng = np.random.default_rng(3)
    axis = Grayordinates(np.arange(30), np.arange(40))
    names = NetworkMap(NAMES, KEYS, COLOURS, np.zeros((3, 70)), np.zeros(70, int), np.zeros(70), axis, "test")
    sums = CohortSums(axis, networks=names)
    data, label = draw(rng)
    sums.add(compressed(data[:, :70], axis), label[:70])
    return sums.result()


def test_the_command_is_lazy_and_known() -> None:
    assert pipeline.build_prior is build_prior
    assert main(["prior", "build", "--help"]) == 0
    assert main(["prior", "build", "only-one"]) == 2
