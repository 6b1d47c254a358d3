"""`actionloop overlap` through its command: maps of every kind, what is refused, and the map of pain itself."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pytest

from actionloop import files
from actionloop.brain import sample_ribbon
from actionloop.cli import main
from actionloop.errors import ActionloopError, GeometryError
from actionloop.pipeline import ale
from actionloop.pipeline.painmap import cortex_mask, read_cortical_map
from actionloop.pipeline.priors import cached_default_prior
from actionloop.types import HEMISPHERES, Image, Surface, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", "../shared/data"))
WASHU = DATA / "networks" / "networkTemplates.mat"


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def amn(tmp_path_factory) -> Path:
    """AMN's probability in noise, as a dense scalar file."""
    prior = cached_default_prior()
    values = prior.probability[prior.names.index("AMN")]
    values = values + 0.3 * np.random.default_rng(0).standard_normal(values.shape)
    path = tmp_path_factory.mktemp("map") / "pain.dscalar.nii"
    files.write_dscalar(path, values[None].astype(np.float32), ["pain"], prior.grayordinates.cortex())
    return path


def run(*words: object) -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in words]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, shown.getvalue(), said.getvalue()


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "overlap.tsv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_a_map_made_of_amn_is_found_again(amn, tmp_path):
    out = tmp_path / "out"
    code, shown, said = run("overlap", out, "--pain-map", amn, "--spins", 99, "--seed", 3)
    assert code == 0, said
    rows = rows_of(out)
    first = rows[0]
    assert first["network"] == "AMN" and float(first["value"]) > 0.5 and float(first["p"]) == pytest.approx(0.01)
    assert len(rows) == len(cached_default_prior().names) and shown.splitlines()[0].startswith("AMN\t")
    told = json.loads((out / "overlap.json").read_text())
    assert told["Inputs"][0]["File"] == "pain.dscalar.nii" and told["Seed"] == 3 and told["Options"]["spins"] == 99
    assert set(first) <= set(told["Columns"])
    page = (out / "overlap.html").read_text()
    assert "What this cannot show" in page and "r = .73" in page and "Research use only" in page
    assert (out / "overlap.png").read_bytes().startswith(b"\x89PNG")
    assert run("overlap", tmp_path / "again", "--pain-map", amn, "--spins", 99, "--seed", 3)[0] == 0
    assert rows_of(tmp_path / "again") == rows


def test_a_volume_and_two_meshes_say_the_same(tmp_path):
    """A ball of activation in MNI space, as a volume and as the values that its voxels have at the vertices."""
    anatomy = files.template_anatomy()
    centre = anatomy.surface("L").vertices[12_000]
    affine = np.diag([-2.0, 2, 2, 1])
    affine[:3, 3] = [90, -126, -72]
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in (91, 109, 91)), indexing="ij"), axis=-1)
    away = np.linalg.norm(ijk @ affine[:3, :3].T + affine[:3, 3] - centre, axis=-1)
    volume = np.exp(-((away / 15) ** 2)).astype(np.float32)
    image = nibabel.Nifti1Image(volume, affine)
    image.set_sform(affine, 4)
    path = tmp_path / "ball.nii.gz"
    nibabel.save(image, path)
    found = read_cortical_map([path])
    n = anatomy.surface("L").n_vertices
    assert np.nanargmax(found) < n  # stored LAS: left stays left
    wanted = np.exp(-((np.linalg.norm(anatomy.surface("L").vertices - centre, axis=1) / 15) ** 2))
    left = found[:n]
    known = np.isfinite(left)
    assert np.corrcoef(left[known], wanted[known])[0, 1] > 0.97
    pair = []
    for side, values in zip(HEMISPHERES, (found[:n], found[n:]), strict=True):
        pair.append(tmp_path / f"{side}.func.gii")
        array = nibabel.gifti.GiftiDataArray(np.nan_to_num(values).astype(np.float32), intent="NIFTI_INTENT_SHAPE")
        nibabel.save(nibabel.gifti.GiftiImage(darrays=[array]), pair[-1])
    same = read_cortical_map(pair)
    both = np.isfinite(found) & np.isfinite(same)
    assert np.allclose(same[both], found[both], atol=1e-5)
    assert not np.isfinite(same[~cortex_mask()]).any()


def test_ribbon_is_the_mean_over_depths_and_knows_what_it_does_not_know():
    affine = np.eye(4)
    data = np.broadcast_to(np.arange(20.0)[:, None, None], (20, 20, 20)).copy()
    data[:, :, 15:] = np.nan
    image = Image(data, affine, "here")
    faces = np.array([[0, 1, 2]])
    white = Surface(np.array([[2.0, 5, 5], [4, 5, 5], [6, 5, 18]]), faces, "R", "white", "here")
    pial = Surface(np.array([[4.0, 5, 5], [8, 5, 5], [8, 5, 18]]), faces, "R", "pial", "here")
    found = sample_ribbon(image, white, pial)
    assert found[:2] == pytest.approx([3.0, 6.0]) and np.isnan(found[2])
    with pytest.raises(GeometryError, match="frame"):
        sample_ribbon(Image(data, affine, "elsewhere"), white, pial)


def test_bad_maps_are_one_error_and_leave_nothing(amn, tmp_path):
    axis = files.template_grayordinates().cortex()
    rows = np.ones(len(axis), dtype=np.float32)
    bad = {
        "zero": (0 * rows, "zero everywhere"),
        "flat": (2 * rows, "2 everywhere"),
        "nan": (np.nan * rows, "knows 0%"),
        "infinite": (np.where(np.arange(len(rows)) == 7, np.inf, np.arange(len(rows), dtype=np.float32)), "infinite"),
    }
    for name, (values, words) in bad.items():
        path = tmp_path / f"{name}.dscalar.nii"
        files.write_dscalar(path, values[None].astype(np.float32), [name], axis)
        code, _, said = run("overlap", tmp_path / "out", "--pain-map", path, "--spins", 5)
        assert code == 1 and words in said and "Traceback" not in said, (name, said)
    for words, expected in (
        (("--pain-map", tmp_path / "none.nii.gz"), "does not exist"),
        (("--pain-map", amn, amn, amn), "3 file(s)"),
        (("--pain-map", amn, "--networks", tmp_path / "none.mat"), "does not exist"),
        (("--pain-map", amn, "--spins", 0), "0 spins"),
    ):
        code, _, said = run("overlap", tmp_path / "out", *words)
        assert code in (1, 2) and expected in said, said
    away = np.eye(4)
    away[:3, 3] = 500
    volume = nibabel.Nifti1Image(np.random.default_rng(0).random((10, 10, 10)).astype(np.float32), away)
    nibabel.save(volume, tmp_path / "away.nii.gz")
    code, _, said = run("overlap", tmp_path / "out", "--pain-map", tmp_path / "away.nii.gz")
    assert code == 1 and "MNI152" in said
    assert not (tmp_path / "out").exists()


def test_without_nimare_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(files, "versions", lambda libraries=(): {})
    with pytest.raises(ActionloopError, match="NiMARE, which is not installed") as caught:
        ale.pain_ale()
    assert "actionloop[pain]" in str(caught.value) and "--pain-map" in str(caught.value)


def volume_and_networks(folder):
    """A smooth map in MNI space, and two networks with voxels of which the first follows it."""
    cortex = files.template_grayordinates().cortex()
    ijk = np.stack(
        np.meshgrid(np.arange(25, 65), np.arange(30, 70), np.arange(25, 50), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    to_mm = np.diag([-2.0, 2, 2, 1])
    to_mm[:3, 3] = [90, -126, -72]
    structure = np.where(ijk[:, 0] > 45, "CIFTI_STRUCTURE_THALAMUS_LEFT", "CIFTI_STRUCTURE_THALAMUS_RIGHT")
    order = np.argsort(structure, kind="stable")
    axis = replace(cortex, voxels=Voxels(ijk[order], structure[order], to_mm, (91, 109, 91)))
    xyz = ijk[order] @ to_mm[:3, :3].T + to_mm[:3, 3]
    grid = np.stack(np.meshgrid(*[np.arange(60.0)] * 3, indexing="ij"), axis=-1) * 3 + [-90, -126, -72]
    affine = np.diag([3.0, 3, 3, 1])
    affine[:3, 3] = [-90, -126, -72]

    def field(places, middle):
        return np.exp(-((places - middle) ** 2).sum(axis=-1) / (2 * 15.0**2))

    volume = folder / "pain_space-MNI152NLin6Asym.nii.gz"
    nibabel.save(nibabel.Nifti1Image(field(grid, [10, -18, 8]).astype(np.float32), affine), volume)
    ramp = np.linspace(0, 1, axis.n_cortex)
    rows = [np.concatenate([ramp**k, field(xyz, [k * 30 - 20, -18, 8])]) for k in (1, 2)]
    networks = folder / "networks_probseg.dscalar.nii"
    files.write_dscalar(networks, np.array(rows, dtype=np.float32) / 2, ["SCAN", "AMN"], axis)
    return volume, networks


def stand_in(folder):
    """A Python whose brainsmash shuffles maps."""
    package = folder / "env" / "brainsmash" / "mapgen"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").write_text("")
    (package / "base.py").write_text(
        "import numpy\nclass Base:\n    def __init__(self, x, D, seed=None):\n"
        "        self.x, self.rng = x, numpy.random.default_rng(seed)\n"
        "    def __call__(self, n=1):\n        return numpy.stack([self.rng.permutation(self.x) for _ in range(n)])\n"
    )
    python = folder / "env" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "env"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def test_a_volume_is_compared_below_the_cortex_too(tmp_path):
    volume, networks = volume_and_networks(tmp_path)
    words = ("--pain-map", volume, "--networks", networks, "--spins", 9, "--surrogates", 19)
    code, _, said = run("overlap", tmp_path / "out", *words, "--variogram-python", stand_in(tmp_path))
    assert code == 0, said
    with (tmp_path / "out" / "overlap_volumes.tsv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert rows[0]["network"] == "SCAN" and float(rows[0]["value"]) > 0.9 and float(rows[0]["p"]) == pytest.approx(0.05)
    assert 500 < int(rows[0]["n_common"]) <= 2000 and rows[0]["null"] == "variogram"
    assert "brainsmash" in (tmp_path / "out" / "overlap.html").read_text()


def test_what_cannot_be_compared_below_the_cortex(amn, tmp_path):
    volume, networks = volume_and_networks(tmp_path)
    flat, cortex = tmp_path / "flat_probseg.dscalar.nii", files.template_grayordinates().cortex()
    files.write_dscalar(flat, np.eye(2, len(cortex), dtype=np.float32), ["SCAN", "AMN"], cortex)
    cases = (
        (("--pain-map", volume), sys.executable, "cortex alone"),
        (("--pain-map", amn, "--networks", networks), sys.executable, "of a volume only"),
        (("--pain-map", volume, "--networks", flat), sys.executable, "no voxels"),
        (("--pain-map", volume, "--networks", networks), tmp_path / "no-python", "does not start"),
        (("--pain-map", volume, "--networks", networks), sys.executable, "brainsmash, which is not installed"),
    )
    for words, python, expected in cases:
        code, _, said = run("overlap", tmp_path / "out", *words, "--spins", 2, "--variogram-python", python)
        assert code in (1, 2) and expected in said and "Traceback" not in said, said
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(
    "ACTIONLOOP_BRAINSMASH" not in os.environ, reason="foreign program: ACTIONLOOP_BRAINSMASH names no Python"
)
def test_surrogates_of_the_real_program_keep_the_variogram(tmp_path):
    volume, networks = volume_and_networks(tmp_path)
    words = ("--pain-map", volume, "--networks", networks, "--spins", 9, "--surrogates", 19)
    code, _, said = run("overlap", tmp_path / "out", *words, "--variogram-python", os.environ["ACTIONLOOP_BRAINSMASH"])
    assert code == 0, said
    with (tmp_path / "out" / "overlap_volumes.tsv").open(encoding="utf-8") as lines:
        row = next(csv.DictReader(lines, delimiter="\t"))
    assert float(row["null_sd"]) > 0.1  # smooth surrogates scatter far more than shuffled ones, 1 / sqrt(1,000)


@pytest.mark.skipif(find_spec("nimare") is None, reason="NiMARE is not installed (extra 'pain')")
@pytest.mark.skipif(not WASHU.is_file(), reason="the WashU-120 templates are not there (ACTIONLOOP_DATA)")
def test_ale_of_pain_goes_with_con_of_washu(tmp_path):
    """A first look had CON first, r = .46, with the same map and templates."""
    out = tmp_path / "out"
    code, _, said = run("overlap", out, "--networks", WASHU, "--spins", 99)
    assert code == 0, said
    first = rows_of(out)[0]
    assert first["network"] == "AMN" and float(first["value"]) == pytest.approx(0.46, abs=0.02)
