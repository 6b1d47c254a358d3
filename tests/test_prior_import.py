"""Priors from other people's files and from our own archive: what is read, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from actionloop import files
from actionloop.errors import ActionloopError, GeometryError, InputError, PriorError, ResourceError
from actionloop.types import Grayordinates, GroupParameters, Prior, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no test data at {DATA}; set ACTIONLOOP_DATA")
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
VOXELS = Voxels(
    np.array([[40, 50, 30], [41, 50, 30]]), np.array(["THALAMUS_LEFT", "BRAIN_STEM"]), AFFINE, (91, 109, 91)
)
AXIS = Grayordinates(np.array([3, 10, 400]), np.array([0, 7, 32_491]), voxels=VOXELS)
NAMES = ("SCAN", "CON", "DMN")
N_CORTEX = 59_412


@pytest.fixture(scope="session")
def fetched() -> None:
    try:
        files.require(groups=["plan"])
    except ResourceError as error:
        pytest.skip(str(error))


def shares(n_maps: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(n_maps), len(AXIS)).T.astype(np.float32)


def a_prior(**more: Any) -> Prior:
    rng = np.random.default_rng(1)
    made = Prior(
        names=("SCAN", "AMN", "visual cortex"),
        keys=np.array([18, 9, 3]),
        colours=rng.random((3, 3)),
        probability=shares(),
        grayordinates=AXIS,
        fingerprint=rng.uniform(-1, 1, (3, len(AXIS))).astype(np.float32),
        source="prior of 2 people",
        terms="ours",
    )
    return replace(made, **more)


def a_group(names: tuple[str, ...] = ("SCAN", "AMN", "visual cortex"), **more: Any) -> GroupParameters:
    rng = np.random.default_rng(5)
    mu = rng.standard_normal((len(names), 4))
    mu -= mu.mean(axis=1, keepdims=True)
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    epsilon, sigma, kappa = rng.uniform(1, 900, (3, len(names)))
    seeds = np.array([[0, 3], [0, 400], [1, 7], [1, 32_491]])
    return replace(GroupParameters(names, mu, epsilon, sigma, kappa, seeds, 12, "trained on 12 people"), **more)


# ---- probabilities must be whole


def write_maps(path: Path, values: np.ndarray, names: tuple[str, ...] = NAMES) -> Path:
    files.write_dscalar(path, values, names, AXIS)
    return path


def test_columns_that_do_not_sum_to_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.dscalar.nii"
    partial = shares()
    partial[:, 2] *= 0.6
    partial[:, 5] *= 0.9
    with pytest.raises(PriorError, match=r"sum to 0 or 1 .* in 2 of 8 rows .* from 0.6 to 0.9") as caught:
        files.read_prior(write_maps(path, partial))
    assert caught.value.where == str(path) and "unassigned" in str(caught.value.fix)
    # somebody's map of one person may be partial
    np.testing.assert_array_equal(files.read_network_map(path).probability, partial)
    with pytest.raises(PriorError, match=r"sum to at most 1 over networks, found up to 1\.2"):
        files.read_prior(write_maps(path, shares() * 1.2))
    with pytest.raises(PriorError, match="NaN"):
        files.read_prior(write_maps(path, np.where(np.arange(8) == 1, np.nan, shares())))


def test_whole_columns_pass(tmp_path: Path) -> None:
    path, whole = tmp_path / "p.dscalar.nii", shares()
    whole[:, 4] = 0  # the prior knows nothing of this row
    np.testing.assert_array_equal(files.read_prior(write_maps(path, whole)).probability, whole)
    # what is lacking may be stated, and is no network then
    four = shares(4)
    stated = files.read_prior(write_maps(path, four, (*NAMES, "unassigned")))
    assert stated.names == ("SCAN", "AMN", "default")
    np.testing.assert_array_equal(stated.probability, four[:3])
    # rounding, to within 1 %
    for factor in (0.993, 1.007):
        rounded = files.read_prior(write_maps(path, whole * factor)).probability
        np.testing.assert_allclose(rounded, whole * min(factor, 1), atol=1e-6)


@pytest.mark.usefixtures("fetched")
def test_the_default_prior_is_whole(tmp_path: Path) -> None:
    from actionloop.pipeline.priors import cached_default_prior

    prior = cached_default_prior()
    files.write_dscalar(tmp_path / "p.dscalar.nii", prior.probability, prior.names, prior.grayordinates)
    read = files.read_prior(tmp_path / "p.dscalar.nii")
    assert read.names == prior.names
    np.testing.assert_allclose(read.probability, prior.probability, atol=1e-6)
    files.write_prior(tmp_path / "p.npz", prior)
    again = files.read_prior(tmp_path / "p.npz")
    np.testing.assert_array_equal(again.probability, prior.probability)
    np.testing.assert_array_equal(again.fingerprint, prior.fingerprint)  # type: ignore[arg-type]


@real_data
@pytest.mark.parametrize(
    ("pattern", "at_least"),
    [
        ("individual_msc06/sub-MSC06*recolored.dlabel.nii", ("SCAN", "AMN")),
        ("networks/Gordon2017_17Networks.dlabel.nii", ("AMN", "foot")),
        ("networks/WashU120_groupNetworks.dtseries.nii", ()),
    ],
)
def test_real_label_maps_still_make_priors(pattern: str, at_least: tuple[str, ...]) -> None:
    (path,) = DATA.glob(pattern)
    prior = files.read_prior(path)
    assert set(at_least) <= set(prior.names)
    assert set(np.unique(prior.probability.sum(axis=0))) <= {0.0, 1.0}


# ---- our own archive


def test_archive_round_trip(tmp_path: Path) -> None:
    path, prior = tmp_path / "p.npz", a_prior()
    extra = np.random.default_rng(2).random((3, 8))
    files.write_prior(path, prior, variability=extra, people=np.array(7))
    read, extras = files.read_archive(path)
    assert read.names == prior.names
    for name in ("keys", "colours", "probability", "fingerprint"):
        np.testing.assert_array_equal(getattr(read, name), getattr(prior, name))
    assert read.grayordinates.same_cortex(AXIS) and read.grayordinates.voxels is not None
    for name in ("ijk", "structure", "affine", "shape"):
        np.testing.assert_array_equal(getattr(read.grayordinates.voxels, name), getattr(VOXELS, name))
    assert read.source == f"{path} (prior of 2 people)" and read.terms == "ours"
    assert set(extras) == {"variability", "people"}
    np.testing.assert_array_equal(extras["variability"], extra)
    assert files.read_prior(path).names == prior.names
    renamed = files.read_prior(path, names={9: "visual", 3: "SMf"})
    assert renamed.names == ("SCAN", "visual", "mouth")
    with pytest.raises(PriorError, match="2 names were given for 3"):
        files.read_prior(path, names=["a", "b"])
    with pytest.raises(PriorError, match="distinct name"):
        files.read_prior(path, names=["CON", "AMN", "SCAN"])
    bare = a_prior(fingerprint=None, grayordinates=AXIS.cortex(), probability=shares()[:, :6])
    files.write_prior(path, bare)
    assert files.read_prior(path).fingerprint is None
    assert files.read_prior(path).grayordinates.voxels is None


def test_archive_keeps_group_parameters(tmp_path: Path) -> None:
    path, group = tmp_path / "p.npz", a_group()
    files.write_prior(path, a_prior(group=group), people=np.array(12))
    prior, extras = files.read_archive(path)
    assert set(extras) == {"people"}
    read = prior.group
    assert read is not None and read.names == group.names and read.n_people == 12
    for name in ("mu", "epsilon", "sigma", "kappa", "seeds"):
        np.testing.assert_array_equal(getattr(read, name), getattr(group, name))
    assert read.source == f"{path} (trained on 12 people)"
    # they go by the names that the prior gets
    renamed = files.read_prior(path, names={9: "visual", 3: "SMf"})
    assert renamed.group is not None and renamed.group.names == renamed.names == ("SCAN", "visual", "mouth")
    files.write_prior(path, a_prior())
    assert files.read_prior(path).group is None
    with pytest.raises(PriorError, match="prior's own: group_mu"):
        files.write_prior(path, a_prior(), group_mu=group.mu)


def test_group_parameters_go_with_vertices() -> None:
    prior = a_prior(group=a_group())
    fewer = Grayordinates(AXIS.left[1:], AXIS.right, voxels=VOXELS)
    aligned = files.align_prior(prior, fewer)
    assert aligned.group is prior.group and aligned.terms == prior.terms and aligned.source == prior.source
    with pytest.raises(GeometryError, match="vertices cannot be carried"):
        files.align_prior(prior, Grayordinates(np.arange(3), np.arange(3), 40_000))
    with pytest.raises(PriorError, match="beyond the 500 vertices"):
        a_prior(group=a_group(), grayordinates=Grayordinates(AXIS.left, np.array([0, 7, 400]), 500, VOXELS))
    with pytest.raises(PriorError, match="group parameters are of a, b, c, the prior of SCAN, AMN"):
        replace(prior, group=a_group(("a", "b", "c")))


def test_archive_states_what_is_unassigned(tmp_path: Path) -> None:
    path, four = tmp_path / "p.npz", shares(4)
    files.write_prior(path, a_prior(probability=four[:3]), unassigned=four[3])
    np.testing.assert_array_equal(files.read_prior(path).probability, four[:3])
    files.write_prior(path, a_prior(probability=four[:3]))
    with pytest.raises(PriorError, match="sum to 0 or 1"):
        files.read_prior(path)
    with pytest.raises(PriorError, match="prior's own: left"):
        files.write_prior(tmp_path / "q.npz", a_prior(), left=np.zeros(3))
    assert not (tmp_path / "q.npz").exists()


def without(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.__delitem__(name)


def with_value(name: str, value: Any) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.__setitem__(name, np.asarray(value))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (without("keys"), PriorError, "lacks keys"),
        (without("n_vertices"), PriorError, "lacks n_vertices"),
        (without("left"), PriorError, "found version, names"),
        (without("voxel_affine"), PriorError, "has voxels but lacks voxel_affine"),
        (with_value("voxel_shape", [91, 109]), PriorError, "voxel_shape of shape"),
        (with_value("left", [10, 3, 400]), PriorError, "axis of the prior cannot be used: left rows must be ascending"),
        (with_value("right", [0, 7, 32_492]), PriorError, "axis of the prior"),
        (with_value("probability", np.ones((3, 7)) / 3), PriorError, "expected probability of shape"),
        (with_value("fingerprint", np.ones((2, 8))), PriorError, "expected fingerprint of shape"),
        (with_value("keys", [1, 2]), PriorError, "expected keys of shape"),
        (with_value("colours", np.ones(3)), PriorError, "expected colours of shape"),
        (with_value("probability", np.full((3, 8), np.nan)), PriorError, "NaN"),
        (with_value("probability", shares() * 0.8), PriorError, "8 of 8 rows"),
        (with_value("probability", np.full((3, 8), "x")), InputError, "not a readable NumPy"),
        (with_value("names", np.array(["a", "b", None], dtype=object)), InputError, "allow_pickle"),
        (with_value("names", ["a", "a", "b"]), PriorError, "distinct name"),
    ],
)
def test_bad_archives(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], error: type[ActionloopError], words: str
) -> None:
    path = tmp_path / "p.npz"
    files.write_prior(path, a_prior())
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(error, match=words) as caught:
        files.read_prior(path)
    assert caught.value.where is not None and caught.value.where.startswith(str(path))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (without("group_mu"), PriorError, "has group parameters but lacks group_mu"),
        (without("group_people"), PriorError, "has group parameters but lacks group_people"),
        (with_value("group_mu", np.ones((3, 3))), PriorError, "expected mean profiles of shape"),
        (with_value("group_mu", np.ones((3, 4))), PriorError, "sum to 0 and have length 1"),
        (with_value("group_mu", np.full((3, 4), np.nan)), PriorError, "mean profiles hold NaN"),
        (with_value("group_mu", np.full((3, 4), "x")), InputError, "not a readable NumPy"),
        (with_value("group_sigma", np.ones(2)), PriorError, "expected sigma above 0 for each of 3"),
        (with_value("group_kappa", np.array([1.0, 0, 2])), PriorError, "expected kappa above 0"),
        (with_value("group_epsilon", np.array([1.0, np.inf, 2])), PriorError, "expected epsilon above 0"),
        (with_value("group_seeds", np.arange(4)), PriorError, "group_seeds of shape"),
        (with_value("group_seeds", [[0, 3], [0, 3], [1, 7], [1, 9]]), PriorError, "distinct seeds"),
        (with_value("group_seeds", [[2, 3], [0, 3], [1, 7], [1, 9]]), PriorError, "distinct seeds"),
        (with_value("group_seeds", [[0, 3], [0, 4], [1, 7], [1, 32_492]]), PriorError, "beyond the 32492"),
        (with_value("group_people", [1, 2]), PriorError, "group_people of shape"),
    ],
)
def test_bad_group_parameters(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], error: type[ActionloopError], words: str
) -> None:
    path = tmp_path / "p.npz"
    files.write_prior(path, a_prior(group=a_group()))
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(error, match=words) as caught:
        files.read_prior(path)
    assert caught.value.where is not None and caught.value.where.startswith(str(path))


def test_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    files.write_prior(path, a_prior())
    whole = path.read_bytes()
    for content in (whole[:500], whole[: len(whole) // 2], b"text", b""):
        path.write_bytes(content)
        with pytest.raises(InputError):
            files.read_prior(path)
    with pytest.raises(InputError, match="does not exist"):
        files.read_prior(tmp_path / "absent.npz")


# ---- structures and matrices of others


LYNCH = ("Somatomotor_Face", "CinguloOpercular/Action-mode", "Noise")
COLOURS = np.array([[255.0, 128, 0], [102, 0, 153], [1, 2, 3]])


def lynch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    fc = rng.uniform(-1, 1, (N_CORTEX, 3))
    spatial = rng.uniform(0, 0.7, (N_CORTEX, 3))
    spatial[7] = 0
    return {
        "FC": fc,
        "Spatial": spatial,
        "NetworkLabels": np.array(LYNCH, dtype=object),
        "NetworkColors": COLOURS,
    }


def write_lynch(path: Path, form: str, priors: dict[str, np.ndarray]) -> Path:
    """Write the structure Priors as MATLAB 5, MATLAB 7.3, or .npz."""
    if form == "5":
        scipy.io.savemat(path.with_suffix(".mat"), {"Priors": priors})
        return path.with_suffix(".mat")
    if form == "npz":
        np.savez(path.with_suffix(".npz"), **{k: v.astype(str) if v.dtype == object else v for k, v in priors.items()})
        return path.with_suffix(".npz")
    h5py = pytest.importorskip("h5py")
    with h5py.File(path.with_suffix(".mat"), "w", userblock_size=512) as file:
        held = file.create_group("Priors")
        for name, value in priors.items():
            if value.dtype != object:
                held[name] = value.T
                continue
            references = []
            for number, text in enumerate(value):
                file[f"#refs#/{number}"] = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
                references.append(file[f"#refs#/{number}"].ref)
            held.create_dataset(name, data=np.array([references], dtype=object), dtype=h5py.ref_dtype)
    return path.with_suffix(".mat")


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("form", ["5", "7.3", "npz"])
def test_lynch_priors_in_every_form(tmp_path: Path, form: str) -> None:
    given = lynch()
    path = write_lynch(tmp_path / "Priors", form, given)
    prior = files.read_prior(path)
    assert prior.names == ("mouth", "AMN", "Noise")
    np.testing.assert_allclose(prior.fingerprint, given["FC"].T, atol=1e-6)
    spatial = given["Spatial"].T
    np.testing.assert_allclose(prior.probability, spatial / np.maximum(spatial.sum(axis=0), 1), atol=1e-6)
    np.testing.assert_allclose(prior.colours, COLOURS / 255)
    assert prior.source.startswith(str(path))
    assert "untested on the real file, which is not public" in prior.source
    assert prior.grayordinates.same_cortex(files.template_grayordinates())


@pytest.mark.usefixtures("fetched")
def test_lynch_priors_that_do_not_fit(tmp_path: Path) -> None:
    path, given = tmp_path / "Priors", lynch()
    cases: list[tuple[dict[str, np.ndarray], str]] = [
        ({**given, "Spatial": given["Spatial"][:, :2]}, "Spatial has 2 networks .* and FC 3"),
        ({**given, "Spatial": given["Spatial"] * [1, 0, 1]}, "without spatial prior: AMN"),
        ({**given, "NetworkLabels": given["NetworkLabels"][:2]}, "network ID 3 has no name"),
        ({key: given[key] for key in ("FC", "Spatial")}, "names none of its 3 networks"),
        ({**given, "FC": given["FC"][:5000]}, "5,000 rows"),
        ({key: given[key] for key in ("Spatial", "NetworkLabels")}, "expected connectivity templates"),
    ]
    for priors, words in cases:
        with pytest.raises(PriorError, match=words):
            files.read_prior(write_lynch(path, "npz", priors))
    no_colours = files.read_prior(write_lynch(path, "npz", {**given, "NetworkColors": COLOURS[:2]}))
    np.testing.assert_allclose(no_colours.colours[0], files.network_colour("mouth"))


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("name", ["seed_matrix", "avg_seedmaps_all_networks"])
def test_seed_maps_of_any_name(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(3).normal(0, 1, (91_282, 3)).astype(np.float32)
    path = tmp_path / "seedmaps.mat"
    others = {"nNetworks": 3, "notes": "text", "small": np.ones((4, 5))}
    scipy.io.savemat(path, {**others, name: values})
    prior = files.read_prior(path, names=["SCAN", "CON", "SMf"])
    assert prior.names == ("SCAN", "AMN", "mouth")
    np.testing.assert_array_equal(prior.fingerprint, values[:N_CORTEX].T)
    assert f"{name} read as DCAN seed maps; this reader is untested on the real file" in prior.source
    # inside a structure, and stored the other way round
    scipy.io.savemat(path, {**others, "seeds": {name: values.T}})
    np.testing.assert_array_equal(files.read_prior(path, names=["a", "b", "c"]).fingerprint, values[:N_CORTEX].T)
    with pytest.raises(PriorError, match="names none of its 3 networks"):
        files.read_prior(path)
    if name != "seed_matrix":
        scipy.io.savemat(path, {name: values, "another": values})
        with pytest.raises(PriorError, match=r"several matrices could be the connectivity templates: .*another"):
            files.read_prior(path, names=["a", "b", "c"])
    scipy.io.savemat(path, others)
    with pytest.raises(PriorError, match="found nNetworks, notes, small"):
        files.read_prior(path)


@real_data
@pytest.mark.usefixtures("fetched")
def test_public_templates_carry_no_remark() -> None:
    path = DATA / "networks" / "networkTemplates.mat"
    assert files.read_prior(path).source == str(path)
