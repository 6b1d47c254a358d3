"""Overlap of maps against naive versions, calibration of the spin test, and the exchange with the variogram program."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import binom, pearsonr, spearmanr

from actionloop.errors import EmptyRegionError, GeometryError, InputError, OptionError, ResourceError
from actionloop.evidence import variogram
from actionloop.evidence.adjust import fdr
from actionloop.evidence.against import Against
from actionloop.evidence.overlap import compare_inside, correlate
from actionloop.evidence.spins import Spinner, draw_rotations
from actionloop.evidence.variogram import correlate_surrogates, surrogates
from actionloop.files.targetmeshes import sphere_mesh

WALL_COSINE = 0.83  # 8.5 % of a sphere, as the medial wall of fsLR


class Mesh:
    """Two icospheres with a medial wall."""

    def __init__(self, subdivisions):
        left, _ = sphere_mesh(np.zeros(3), radius_mm=100.0, subdivisions=subdivisions)
        self.unit = np.concatenate([left, left * [-1, 1, 1]]) / np.linalg.norm(left[0])
        self.n = len(left)
        self.spinner = Spinner(left, left * [-1, 1, 1])
        inward = np.where(np.arange(2 * self.n) < self.n, 1, -1) * self.unit[:, 0]
        self.cortex = inward < WALL_COSINE

    def smooth(self, n, *, width_deg, rng, symmetric=False):
        """Random maps whose law no rotation changes: bumps anywhere; NaN on the medial wall."""
        out = np.empty((n, 2 * self.n))
        n_bumps = max(60, int(12 / np.deg2rad(width_deg) ** 2))
        for row in out:
            for first in (0, self.n):
                centre = rng.standard_normal((n_bumps, 3))
                centre /= np.linalg.norm(centre, axis=1, keepdims=True)
                cosine = self.unit[first : first + self.n] @ centre.T
                row[first : first + self.n] = np.exp((cosine - 1) / np.deg2rad(width_deg) ** 2) @ rng.standard_normal(
                    n_bumps
                )
            if symmetric:
                row[self.n :] = row[: self.n]
        out[:, ~self.cortex] = np.nan
        return out


@pytest.fixture(scope="module")
def mesh():
    return Mesh(3)


@pytest.fixture
def maps(mesh):
    rng = np.random.default_rng(0)
    made = mesh.smooth(5, width_deg=20, rng=rng)
    made[1, 30:80] = np.nan  # networks known in different places
    made[2] += 1.5 * made[0]
    return made[0] + 7, made[1:]


NAMES = ("a", "b", "c", "d")


def naive(map_, other, method):
    known = ~np.isnan(map_) & ~np.isnan(other)
    return method(map_[known], other[known]).statistic


def test_pearson_is_that_of_common_vertices(mesh, maps):
    map_, others = maps
    found = correlate(map_, others, mesh.spinner, names=NAMES, n=30, rng=np.random.default_rng(1))
    assert np.abs(found.value - [naive(map_, other, pearsonr) for other in others]).max() < 1e-10
    # The null, turned one at a time.
    rng, sizes = np.random.default_rng(1), []
    for first in range(0, 30, 16):
        for source in mesh.spinner.sources(draw_rotations(min(16, 30 - first), rng=rng)):
            sizes.append([naive(map_[source], other, pearsonr) for other in others])
    assert found.redrawn == 0
    assert np.abs(found.drawn - sizes).max() < 1e-10
    reached = (np.abs(sizes) >= np.abs(found.value)).sum(axis=0)
    assert (found.p == (1 + reached) / 31).all()
    assert (found.p_fdr == fdr(found.p)).all()
    assert (found.p_max >= found.p).all()
    assert found.n_common[0] == mesh.cortex.sum() - np.isnan(others[0][mesh.cortex]).sum()


def test_spearman_is_pearson_of_ranks(mesh, maps):
    map_, others = maps
    whole = others[1:]
    found = correlate(map_, whole, mesh.spinner, names=NAMES[1:], measure="spearman", n=5, rng=np.random.default_rng(1))
    assert np.abs(found.value - [naive(map_, other, spearmanr) for other in whole]).max() < 1e-10
    bent = correlate(
        np.exp(map_), whole**3, mesh.spinner, names=NAMES[1:], measure="spearman", n=5, rng=np.random.default_rng(1)
    )
    assert np.abs(bent.value - found.value).max() < 1e-10
    assert np.abs(bent.drawn - found.drawn).max() < 1e-10


def test_difference_is_that_of_means(mesh, maps):
    map_, others = maps
    labels = np.nanargmax(np.where(np.isnan(others), -9, others), axis=0) + 1
    networks = {"a": 1, "b": 2, "c": 3}
    found = compare_inside(
        map_, labels, mesh.spinner, cortex=mesh.cortex, networks=networks, n=10, rng=np.random.default_rng(2)
    )
    inside = [map_[mesh.cortex & (labels == key)].mean() for key in networks.values()]
    outside = [map_[mesh.cortex & (labels != key)].mean() for key in networks.values()]
    assert np.abs(found.value - np.subtract(inside, outside)).max() < 1e-10
    assert found.value.argmax() == 1  # the network that the map was mixed into
    assert (found.n_common == [(mesh.cortex & (labels == key)).sum() for key in networks.values()]).all()
    assert found.redrawn == 0
    turned = map_[mesh.spinner.sources(draw_rotations(10, rng=np.random.default_rng(2)))[0]]
    known = mesh.cortex & ~np.isnan(turned)
    first = turned[known & (labels == 1)].mean() - turned[known & (labels != 1)].mean()
    assert abs(found.drawn[0, 0] - first) < 1e-10


def test_a_true_overlap_is_found_and_chance_is_not(mesh, maps):
    map_, others = maps
    found = correlate(map_, others, mesh.spinner, names=NAMES, n=199, rng=np.random.default_rng(3))
    assert found.p[1] == 1 / 200
    assert found.p_max[1] <= 0.01
    assert found.p_positive[1] == 1 / 200
    opposite = correlate(-map_, others, mesh.spinner, names=NAMES, n=199, rng=np.random.default_rng(3))
    assert (opposite.p == found.p).all()
    assert opposite.p_positive[1] == 1
    first = found.rows()[0]
    assert (first["network"], first["null"], first["draws"]) == ("b", "spin", 199)
    assert first["value"] == found.value.max()


def test_units_mirror_and_order_of_networks_do_not_matter(mesh, maps):
    map_, others = maps
    plain = correlate(map_, others, mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(4))
    scaled = correlate(1e6 * map_ - 3e8, others * 1e-4, mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(4))
    assert np.abs(plain.drawn - scaled.drawn).max() < 1e-7
    assert np.abs(plain.value - scaled.value).max() < 1e-7
    swap = np.r_[mesh.n : 2 * mesh.n, : mesh.n]
    other_side = correlate(map_[swap], others[:, swap], mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(4))
    assert np.abs(plain.drawn - other_side.drawn).max() < 1e-10
    back = correlate(map_, others[::-1], mesh.spinner, names=NAMES[::-1], n=20, rng=np.random.default_rng(4))
    assert np.abs(back.drawn[:, ::-1] - plain.drawn).max() < 1e-10


def test_the_medial_wall_is_missing_and_not_zero(mesh, maps):
    map_, others = maps
    zeros = np.where(mesh.cortex, map_, 0)
    missing = correlate(map_, others, mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(5))
    wrong = correlate(zeros, others, mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(5))
    assert np.abs(missing.value - wrong.value).max() < 1e-10  # unturned the networks' own wall hides it
    assert np.abs(missing.drawn - wrong.drawn).max() > 0.05


def test_spins_with_too_few_common_vertices_are_drawn_again(mesh, maps):
    map_, others = maps
    half = np.where(mesh.unit[:, 2] > 0.3, map_, np.nan)
    small = np.where(mesh.unit[:, 2] > 0.3, others, np.nan)
    found = correlate(half, small, mesh.spinner, names=NAMES, n=20, rng=np.random.default_rng(6))
    assert found.redrawn > 0
    assert len(found.drawn) == 20
    assert np.isfinite(found.drawn).all()
    cap = np.where(mesh.unit[:, 2] > 0.85, map_, np.nan)
    with pytest.raises(EmptyRegionError, match="left enough vertices"):
        correlate(
            cap,
            np.where(np.isnan(cap), np.nan, others[1:]),
            mesh.spinner,
            names=NAMES[1:],
            n=100,
            rng=np.random.default_rng(6),
        )


@pytest.mark.parametrize(("width_deg", "symmetric"), [(12, False), (25, False), (25, True)])
def test_false_positives_of_smooth_random_maps(mesh, width_deg, symmetric):
    rng = np.random.default_rng(7)
    spun, naive_p = [], []
    for _ in range(40):
        made = mesh.smooth(11, width_deg=width_deg, rng=rng, symmetric=symmetric)
        found = correlate(made[0], made[1:], mesh.spinner, names=[str(k) for k in range(10)], n=199, rng=rng)
        spun.append(found.p)
        keep = mesh.cortex
        naive_p.append([pearsonr(made[0][keep], other[keep]).pvalue for other in made[1:]])
    n = np.size(spun)
    assert np.mean(np.array(spun) <= 0.05) <= binom.ppf(0.995, n, 0.05) / n
    assert np.mean(np.array(spun) <= 0.05) <= 0.07 + 1 / n
    assert np.mean(np.array(naive_p) <= 0.05) > 0.3  # what the spins are for


def refused(mesh, maps, error, match, *, map_=None, others=None, names=NAMES, **options):
    options = {"n": 5, "rng": np.random.default_rng(0)} | options
    with pytest.raises(error, match=match):
        correlate(
            maps[0] if map_ is None else map_,
            maps[1] if others is None else others,
            mesh.spinner,
            names=names,
            **options,
        )


def test_bad_maps(mesh, maps):
    map_, others = maps
    refused(mesh, maps, InputError, "is 0 everywhere", map_=np.where(mesh.cortex, 0.0, np.nan))
    refused(mesh, maps, InputError, "NaN everywhere", map_=np.full(len(map_), np.nan))
    refused(mesh, maps, InputError, "the map holds infinite", map_=np.where(np.arange(len(map_)) == 200, np.inf, map_))
    refused(mesh, maps, InputError, "network's map holds infinite", others=np.where(others > 2, np.inf, others))
    refused(mesh, maps, GeometryError, "found", map_=map_[:-1])
    refused(mesh, maps, GeometryError, "one map for each", names=NAMES[:3])
    refused(mesh, maps, GeometryError, "the spheres have", map_=map_[:-1], others=others[:, :-1])
    refused(mesh, maps, EmptyRegionError, "known in both", map_=np.where(np.arange(len(map_)) < 100, map_, np.nan))
    refused(mesh, maps, OptionError, "0 spins", n=0)
    refused(mesh, maps, OptionError, "no correlation", measure="difference")
    flat = others.copy()
    flat[2, mesh.cortex] = 4
    refused(mesh, maps, InputError, "map of c is the same", others=flat)
    elsewhere = np.where(np.arange(len(map_)) < mesh.n, map_, np.nan)
    step = others.copy()
    step[3] = np.where(np.arange(len(map_)) < mesh.n, 0, 1)
    refused(mesh, maps, InputError, "d is the same wherever both", map_=elsewhere, others=step)
    with pytest.raises(OptionError, match="no measure"):
        Against(others, NAMES, measure="kendall")
    with pytest.raises(GeometryError, match="mask of cortex"):
        compare_inside(
            map_, np.ones(3, int), mesh.spinner, cortex=mesh.cortex, networks={"a": 1}, rng=np.random.default_rng(0)
        )
    with pytest.raises(InputError, match="map of absent is the same"):
        compare_inside(
            map_,
            np.ones(len(map_), int),
            mesh.spinner,
            cortex=mesh.cortex,
            networks={"absent": 9},
            rng=np.random.default_rng(0),
        )


# A stand-in for brainsmash: the same modules and calls, surrogates that are shuffled maps.
STAND_IN = """
import numpy
class _Shuffle:
    def __init__(self, x, D, *index, knn=None, seed=None):
        assert len(D) == len(x)
        if index:
            assert index[0].shape == D.shape == (len(x), knn + 1) and (numpy.diff(D, axis=1) >= 0).all()
            assert (index[0][:, 0] == numpy.arange(len(x))).all()
        else:
            assert D.shape == (len(x), len(x)) and not D.diagonal().any()
        self.x, self.rng = x, numpy.random.default_rng(seed)
    def __call__(self, n=1):
        made = numpy.stack([self.rng.permutation(self.x) for _ in range(n)])
        return made[0] if n == 1 else made
class {name}(_Shuffle):
    pass
"""


@pytest.fixture
def run(tmp_path):
    package = tmp_path / "brainsmash" / "mapgen"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "base.py").write_text(STAND_IN.format(name="Base"))
    (package / "sampled.py").write_text(STAND_IN.format(name="Sampled"))

    def run(arguments, folder):
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stderr

    return run


@pytest.fixture
def block():
    """A block of voxels, a smooth map of it, and three networks."""
    xyz = np.stack(np.meshgrid(*[np.arange(6.0) * 2] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    blur = np.exp(-(cdist(xyz, xyz) ** 2) / 18)
    made = rng.standard_normal((4, len(xyz))) @ blur
    made[2] = made[0] + 0.2 * made[2]
    return xyz, made[0], made[1:]


@pytest.mark.parametrize("whole", [True, False])
def test_surrogates_come_back_from_the_program(monkeypatch, run, block, whole):
    xyz, map_, others = block
    if not whole:
        monkeypatch.setattr(variogram, "_FACTS", variogram._FACTS | {"whole_places": 100, "nearest_places": 50})
    made = surrogates(map_, xyz, n=99, seed=3, run=run)
    assert made.shape == (99, len(map_))
    assert np.abs(np.sort(made, axis=1) - np.sort(map_)).max() < 1e-5 * np.abs(map_).max()
    assert (made == surrogates(map_, xyz, n=99, seed=3, run=run)).all()
    found = correlate_surrogates(map_, others, made, names=("x", "y", "z"))
    assert found.null == "variogram"
    assert np.abs(found.value - [pearsonr(map_, other).statistic for other in others]).max() < 1e-10
    assert np.abs(found.drawn[5, 2] - pearsonr(made[5], others[2]).statistic) < 1e-10
    assert found.p[1] == 0.01
    assert surrogates(map_, xyz, n=1, seed=0, run=run).shape == (1, len(map_))


def test_surrogates_of_the_known_voxels_by_ranks(run, block):
    xyz, map_, others = block
    partly = np.where(xyz[:, 0] < 10, map_, np.nan)
    known = ~np.isnan(partly)
    made = surrogates(partly[known], xyz[known], n=9, seed=0, run=run)
    found = correlate_surrogates(partly, others, made, names=("x", "y", "z"), measure="spearman")
    # Ranks of the networks are given among all their voxels.
    ranks = others.argsort(axis=1).argsort(axis=1)
    assert np.abs(found.value[0] - pearsonr(spear(partly[known]), ranks[0][known]).statistic) < 1e-10
    assert np.abs(found.drawn[4, 0] - pearsonr(spear(made[4]), ranks[0][known]).statistic) < 1e-10
    with pytest.raises(GeometryError, match="known voxels"):
        correlate_surrogates(map_, others, made, names=("x", "y", "z"))
    with pytest.raises(InputError, match="surrogates hold NaN"):
        correlate_surrogates(partly, others, np.where(made > 0, np.nan, made), names=("x", "y", "z"))
    with pytest.raises(OptionError, match="no correlation"):
        correlate_surrogates(partly, others, made, names=("x", "y", "z"), measure="difference")


def spear(values):
    return values.argsort().argsort()


def test_a_missing_or_failing_program(block):
    xyz, map_, _ = block

    def absent(arguments, folder):
        raise FileNotFoundError("no such python")

    def leaves(text):
        def run(arguments, folder):
            (folder / "surrogates.txt").write_text(text)
            return 0, ""

        return run

    for run, match in (
        (absent, "does not start: no such python"),
        (lambda *_: (1, "Traceback\nModuleNotFoundError: No module named 'brainsmash'\n"), "is not installed"),
        (lambda *_: (3, "a\nb\nc\nout of memory"), r"exit 3.*out of memory"),
        (lambda *_: (-9, ""), "said nothing"),
        (lambda *_: (0, ""), "without leaving"),
        (leaves("1 2\n3 4\n"), "expected 2 surrogates"),
        (leaves("words\n"), "cannot be read"),
    ):
        with pytest.raises(ResourceError, match=match) as caught:
            surrogates(map_, xyz, n=2, seed=0, run=run)
        assert "pip install brainsmash" in caught.value.fix


def test_bad_places(block):
    xyz, map_, _ = block

    def never(arguments, folder):
        raise AssertionError

    for values, places, options, error, match in (
        (map_, xyz[:-1], {}, GeometryError, "places of shape"),
        (np.where(map_ > 0, np.nan, map_), xyz, {}, InputError, "holds NaN"),
        (np.zeros(len(map_)), xyz, {}, InputError, "no variogram"),
        (map_, np.maximum(xyz, 2), {}, GeometryError, "same place"),
        (np.arange(40_001.0), np.zeros((40_001, 3)), {}, GeometryError, "at most 40,000"),
        (map_, xyz, {"n": 0}, OptionError, "cannot make 0"),
    ):
        with pytest.raises(error, match=match):
            surrogates(values, places, **({"seed": 0, "run": never} | options))
