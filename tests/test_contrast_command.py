"""`actionloop contrast` through its command: planted people, the LEMON scan, what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.memory import watch_memory
from tests.rows import axis as small_axis

from actionloop import files, pipeline
from actionloop.brain import Nuclei
from actionloop.cli import main
from actionloop.errors import ActionloopError, EmptyRegionError
from actionloop.evidence import nucleus_regions
from actionloop.pipeline import contrastperson
from actionloop.pipeline.priors import cached_default_prior
from actionloop.types import Grayordinates, NetworkMap, Timeseries, Voxels

PEOPLE, FRAMES, TR_S = 5, 120, 2.5
SEEDS = ("SCAN", "foot", "hand", "mouth")


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan", "demo"))
    except ActionloopError as error:
        pytest.skip(str(error))


def as_map(axis: Grayordinates) -> NetworkMap:
    """Labels of the default prior, on any axis with the standard cortex."""
    prior = cached_default_prior()
    label = np.zeros(len(axis), dtype=np.int64)
    label[: axis.n_cortex] = prior.keys[prior.probability.argmax(axis=0)]
    one_hot = (label == prior.keys[:, None]).astype(np.float32)
    return NetworkMap(prior.names, prior.keys, prior.colours, one_hot, label, one_hot.max(axis=0), axis, "truth")


def write_person(root: Path, label: str, axis: Grayordinates, *, seed: int) -> None:
    """Write a person in whom AMN, and all voxels, go with SCAN; and the true map into ../maps."""
    made, rng = as_map(axis), np.random.default_rng(seed)
    latent = rng.standard_normal((FRAMES, len(made.names) + 1)).astype(np.float32)
    scan, amn = made.names.index("SCAN") + 1, made.names.index("AMN") + 1
    latent[:, amn] = 0.8 * latent[:, scan] + 0.6 * latent[:, amn]
    index = np.zeros(len(axis), dtype=np.int64)
    for k, key in enumerate(made.keys):
        index[made.label == key] = k + 1
    index[axis.n_cortex :] = scan
    data = latent[:, index] + rng.standard_normal((FRAMES, len(axis)), dtype=np.float32)
    func = root / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    about = {"Name": "XCP-D", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "xcp_d", "Version": "0.10.0"}]}
    (root / "dataset_description.json").write_text(json.dumps(about))
    name = func / f"sub-{label}_task-rest_space-fsLR_den-91k_desc-denoised_bold"
    files.write_dtseries(f"{name}.dtseries.nii", Timeseries(data, axis, TR_S))
    Path(f"{name}.json").write_text(json.dumps({"RepetitionTime": TR_S}))
    maps = root.parent / "maps"
    maps.mkdir(exist_ok=True)
    files.write_dlabel(maps / f"sub-{label}_dseg.dlabel.nii", made.cortex())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Five people, and a sixth whose file is cut off."""
    root = tmp_path_factory.mktemp("people") / "xcpd"
    for number in range(1, PEOPLE + 1):
        write_person(root, f"{number:02d}", files.template_grayordinates(), seed=number)
    broken = root / "sub-06" / "func" / "sub-06_task-rest_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(next((root / "sub-01" / "func").glob("*.dtseries.nii")).read_bytes()[:2_000_000])
    shutil.copy(root.parent / "maps" / "sub-01_dseg.dlabel.nii", root.parent / "maps" / "sub-06_dseg.dlabel.nii")
    return root


def run(*words: object) -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in words]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, shown.getvalue(), said.getvalue()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_a_planted_cohort_is_found_and_the_broken_person_is_named(dataset, tmp_path, monkeypatch):
    out, maps = tmp_path / "out", dataset.parent / "maps"
    alive = watch_memory(monkeypatch, contrastperson)
    code, shown, said = run("contrast", dataset, out, "--maps", maps, "--draws", 40, "--seed", 3)
    assert code == 1 and "sub-06\tfailed" in shown and "Traceback" not in said, said
    assert len(alive) == PEOPLE  # the sixth cannot be read
    rows = rows_of(out / "contrast.tsv")
    amn = [row for row in rows if row["region"] == "AMN"]
    assert len(amn) == 3 * PEOPLE and {row["participant"] for row in rows} == {f"sub-{n:02d}" for n in range(1, 6)}
    assert all(float(row["difference_low"]) > 0 for row in amn)
    absent = [row for row in rows if row["note"].startswith("not covered")]
    assert {"dorsal posterior putamen", "CM thalamus", "cerebellum ventral"} <= {row["region"] for row in absent}
    assert all(row["scan_z"] == "n/a" for row in absent)
    tests = {(row["compared"], row["region"]): row for row in rows_of(out / "contrast_tests.tsv")}
    # Five people have 2^5 signs: the least two-sided p of all of them is 2/32.
    assert all(float(tests[f"SCAN - {name}", "AMN"]["p_fwe"]) == pytest.approx(2 / 32) for name in SEEDS[1:])
    told = json.loads((out / "contrast.json").read_text())
    assert told["LeftOut"][0]["Label"] == "06" and "CM thalamus" in told["NotCovered"]
    assert set(rows[0]) == set(told["Columns"]) and set(rows_of(out / "contrast_tests.tsv")[0]) == set(
        told["TestColumns"]
    )
    assert str(dataset.parent) not in json.dumps(told)
    page = (out / "contrast.html").read_text()
    assert "Not covered" in page and "sub-06 is left out" in page and "What this cannot show" in page
    for name in ("contrast.png", "contrast_preferential.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    stored = files.read_cifti_scalar(out / "contrast_preferential.dscalar.nii")
    assert stored.names[:4] == tuple(f"{name} mean preference" for name in SEEDS)
    assert stored.names[-1] == "mouth p (FWE)" and len(stored.data) == 16

    # Once more: nothing is read, everything is the same.
    before = (out / "contrast.tsv").read_bytes()
    code, _, said = run("contrast", dataset, out, "--maps", maps, "--draws", 40, "--seed", 3)
    assert said.count("taken from the finished steps") == PEOPLE and len(alive) == PEOPLE
    assert (out / "contrast.tsv").read_bytes() == before


def test_one_person_with_voxels_has_every_region(dataset, tmp_path):
    root = tmp_path / "xcpd"
    whole = files.standard_grayordinates_91k()
    write_person(root, "01", whole, seed=1)
    out = tmp_path / "out"
    words = ("contrast", root, out, "--maps", root.parent / "maps", "--subcortex", "--draws", 30)
    code, _, said = run(*words)
    assert code == 0, said
    rows = rows_of(out / "contrast.tsv")
    known = {row["region"] for row in rows if row["note"] == "n/a"}
    assert known == {
        *("AMN", "dACC/SMA", "insula", "dorsal posterior putamen", "CM thalamus"),
        *("cerebellum dorsal", "cerebellum ventral"),
    }
    assert not (out / "contrast_tests.tsv").exists()
    told = json.loads((out / "contrast.json").read_text())
    assert list(told["NotCovered"]) == ["thalamic nuclei other than CM"]
    stored = files.read_cifti_scalar(out / "contrast_preferential.dscalar.nii")
    assert stored.data.shape == (4, len(whole)) and stored.names[0] == "SCAN preference"
    # Against the definition, on some rows: own correlation minus the largest other, in Fisher's z. What the mean
    # series of adjacent cortex took out of the voxels is none of this test's, so that only cortex is looked at.
    series = files.read_cifti_series(next(root.rglob("*.dtseries.nii")))
    unit = (series.data - series.data.mean(axis=0)) / series.data.std(axis=0)
    made = as_map(whole)
    means = [unit[:, made.members(name)].mean(axis=1) for name in SEEDS]
    for row in range(0, whole.n_cortex, 9_973):
        z = np.arctanh([np.corrcoef(mean, unit[:, row])[0, 1] for mean in means])
        expected = [z[k] - np.delete(z, k).max() for k in range(4)]
        np.testing.assert_allclose(stored.data[:, row], expected, atol=2e-4)


def test_nuclei_go_to_the_voxels_that_they_fill():
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-20, -20, -20]
    ijk = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    x = ijk @ affine[0, :3] + affine[0, 3]
    structure = np.where(x < 0, "CIFTI_STRUCTURE_THALAMUS_LEFT", "CIFTI_STRUCTURE_THALAMUS_RIGHT")
    rows = replace(small_axis(10, 10, 0), voxels=Voxels(ijk, structure, affine, (20, 20, 20)))
    fine_affine = np.diag([0.5, 0.5, 0.5, 1])
    fine_affine[:3, 3] = -20
    rng = np.random.default_rng(0)
    blobs = [ijk_of(rng, left=left) for left in (True, True, False, False)]
    nuclei = Nuclei(("CM", "VPL", "CM", "VPL"), ("L", "L", "R", "R"), tuple(blobs), fine_affine)
    found = {region.name: region.rows for region in nucleus_regions(rows, [nuclei])}
    naive: dict[int, dict[str, int]] = {}
    for name, blob in zip(nuclei.names, blobs, strict=True):
        for voxel in np.rint((blob * 0.5) / 2).astype(int).tolist():
            row = 20 + int(np.flatnonzero((ijk == voxel).all(axis=1))[0])
            naive.setdefault(row, dict.fromkeys(("CM", "VPL"), 0))[name] += 1
    for name in ("CM", "VPL"):
        expected = {row for row, n in naive.items() if sum(n.values()) >= 32 and max(n, key=lambda k: n[k]) == name}
        assert set(np.flatnonzero(found[name]).tolist()) == expected and expected
    with pytest.raises(EmptyRegionError, match="no voxels of"):
        nucleus_regions(small_axis(10, 10, 0), [nuclei])


def ijk_of(rng: np.random.Generator, *, left: bool) -> np.ndarray:
    """Voxels of a ball of half-millimetre voxels on one side."""
    centre = rng.uniform([8, 30, 30], [28, 50, 50]) + (0 if left else np.array([44, 0, 0]))
    grid = np.stack(np.meshgrid(*[np.arange(76)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid[np.linalg.norm(grid - centre, axis=1) <= 7]


def test_what_cannot_be_used_is_one_error_and_leaves_nothing(dataset, tmp_path):
    out, maps, empty = tmp_path / "out", dataset.parent / "maps", tmp_path / "empty"
    empty.mkdir()
    one = ("--participant-label", "01")
    for words, expected in (
        ((dataset, out, "--maps", tmp_path / "none"), "folder of maps does not exist"),
        ((dataset, out, "--maps", empty), "no map in this folder"),
        ((dataset, out, "--maps", maps, "--prior", tmp_path / "p.mat"), "nobody is mapped"),
        ((dataset, out, "--maps", maps, "--nuclei", tmp_path / "n.nii"), "--nuclei needs voxels"),
        ((dataset, out, "--maps", maps, "--subcortex", "--nuclei", tmp_path / "n.nii"), "an image for each side"),
        ((dataset, out, "--maps", maps, "--draws", 1), "2 resamples"),
        ((dataset, out, "--maps", maps, "--subcortex", *one), "expected a series with subcortex"),
        ((dataset, out, "--maps", maps, "--no-gsr", *one), "--no-gsr"),
        ((dataset, out, "--maps", maps, "--participant-label", "06"), "truncated"),
        ((dataset, out, "--maps", maps, "--participant-label", "06", "07"), "none of the 2 people"),
        ((tmp_path / "absent", out), "expected a folder"),
    ):
        code, _, said = run("contrast", *words)
        assert code in (1, 2) and expected in said and "Traceback" not in said, said
        assert not out.exists(), expected


def test_lemon_ties_scan_to_amn_more_than_each_effector(tmp_path):
    """15 minutes of one real person, mapped and read on the same scan, with the global signal removed."""
    request = pipeline.ContrastRequest(None, tmp_path / "out", given=(pipeline.demo_person(),), draws=1000)
    found, page = pipeline.contrast(request, progress=pipeline.Silent())
    table = found.tables[0]
    amn = table.regions.index("AMN")
    assert table.seeds == SEEDS and (table.difference_low[:, amn] > 0).all()
    assert table.fisher_z[0, amn] > 0 and page.is_file()
    assert found.people[0]["Minutes"] == pytest.approx(15.2, abs=0.1)
