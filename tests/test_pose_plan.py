"""Coil poses through the command line: own surfaces and T1, a finished map, every file that comes of it, bad input."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from actionloop import files
from actionloop.brain import find_scalp
from actionloop.cli import main
from actionloop.errors import ActionloopError
from actionloop.navigation import poses_of, read_brainsight_file
from actionloop.pipeline.head import template_head
from actionloop.pipeline.headmodels import missing_scalp
from actionloop.pipeline.priors import cached_default_prior
from actionloop.reliability.variants import prior_as_map

# Coarse, so that the whole line takes seconds.
QUICK = ("--resolution", "3", "--pose-draws", "40")
TURN = np.array([[0.9962, -0.0872, 0, 4.0], [0.0872, 0.9962, 0, -9.0], [0, 0, 1, 21.0], [0, 0, 0, 1]])


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def person(tmp_path_factory) -> SimpleNamespace:
    """Write the template's head, turned and moved, as a person's own; the map is the group's."""
    place = tmp_path_factory.mktemp("person")
    anatomy = files.template_anatomy()
    turn, _ = np.linalg.qr(TURN[:3, :3])
    turn *= np.sign(np.diag(turn))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, TURN[:3, 3]
    for (side, kind), surface in anatomy.surfaces.items():
        if kind in ("white", "pial", "midthickness", "inflated"):
            vertices = surface.vertices
            moved = vertices if kind == "inflated" else vertices @ turn.T + affine[:3, 3]
            name = f"sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"
            files.write_gifti_surface(place / name, replace(surface, vertices=moved))
    template = files.template_image()
    image = nib.Nifti1Image(template.data, affine @ template.affine)
    image.set_sform(affine @ template.affine, code=1)
    image.set_qform(affine @ template.affine, code=1)
    nib.save(image, place / "T1w.nii.gz")
    files.write_dlabel(place / "map.dlabel.nii", prior_as_map(cached_default_prior()))
    return SimpleNamespace(folder=place, t1=place / "T1w.nii.gz", map=place / "map.dlabel.nii", turn=turn)


def run(verb: str, out: Path, person: SimpleNamespace, *words: object) -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    given = [verb, out, "participant", "--map", person.map, "--surfaces", person.folder, "--t1w", person.t1, *words]
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in given]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, shown.getvalue(), said.getvalue()


@pytest.fixture(scope="module")
def posed(person, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("posed") / "out"
    code, _, said = run("plan", out, person, *QUICK)
    assert code == 0, said
    return out


def one(out: Path, pattern: str) -> Path:
    (path,) = out.rglob(pattern)
    return path


def test_best_targets_get_poses_by_their_field_in_every_file(posed):
    with one(posed, "*_poses.tsv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream, delimiter="\t"))
    told = json.loads(one(posed, "*_poses.json").read_text())
    assert {row["network"] for row in table} == {"SCAN", "AMN"}
    for name in {row["target"] for row in table}:
        kinds = [row["pose"] for row in table if row["target"] == name]
        assert kinds[0] == "best" and {"geometric", "M1 hand knob"} < set(kinds)
        assert any(kind.startswith("Beam F") for kind in kinds)
    for row in table:
        assert 0 <= float(row["on_target"]) <= 1 and 0.1 < float(row["field"]) < 5 and float(row["lift"]) >= 0
    poses = {
        pose.label: pose for pose in poses_of(read_brainsight_file(one(posed, "*brainsight_targets.txt").read_text()))
    }
    sidecar = json.loads(one(posed, "*_seg-actionloop_targets.json").read_text())
    for name, matrix in told["Poses"].items():
        np.testing.assert_allclose(sidecar["Poses"][name], matrix, atol=1e-6)
        np.testing.assert_allclose(poses[name].matrix, matrix, atol=1e-3)
        assert sidecar["PoseNotes"][name].startswith("field:")
        rotation = np.array(matrix)[:3, :3]
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
        assert np.linalg.det(rotation) > 0
    others = set(sidecar["Poses"]) - set(told["Poses"])
    assert others and all("geometric" in sidecar["PoseNotes"][name] for name in others)


def test_field_on_the_cortex_is_strongest_under_the_coil(posed, person):
    maps = files.read_cifti_scalar(one(posed, "*_efield.dscalar.nii"))
    told = json.loads(one(posed, "*_poses.json").read_text())
    assert list(maps.names) == list(told["Poses"])
    surfaces = {side: files.template_anatomy().surface(side) for side in ("L", "R")}
    for name, values in zip(maps.names, maps.data, strict=True):
        side = name[-1]
        axis = maps.grayordinates
        strongest = np.argsort(axis.to_mesh(values, side))[-50:]
        other = "R" if side == "L" else "L"
        assert values[axis.rows(side)].max() > 2 * np.median(values[axis.rows(side)])
        assert values[axis.rows(side)].max() > values[axis.rows(other)].max()
        coil = np.array(told["Poses"][name])[:3, 3]
        back = (coil - TURN[:3, 3]) @ person.turn
        assert np.linalg.norm(surfaces[side].vertices[strongest].mean(axis=0) - back) < 45


def test_field_in_the_grid_of_the_t1_is_strongest_near_the_target(posed, person):
    told = json.loads(one(posed, "*_poses.json").read_text())
    t1 = files.read_image(person.t1, frame="sub-01 T1w")
    for name in told["Poses"]:
        words = "".join(filter(str.isalnum, name))
        field = files.read_image(one(posed, f"*_desc-{words}_efield.nii.gz"), frame="sub-01 T1w")
        assert field.header_sha256 == t1.header_sha256
        strongest = np.argwhere(field.data >= np.quantile(field.data[field.data > 0], 0.999))
        xyz = (strongest @ field.affine[:3, :3].T + field.affine[:3, 3]).mean(axis=0)
        assert np.linalg.norm(xyz - np.array(told["Poses"][name])[:3, 3]) < 45


def test_report_says_what_the_poses_are(posed):
    page = next(posed.glob("sub-*.html")).read_text(encoding="utf-8")
    record = json.loads(one(posed, "*_provenance.json").read_text())
    assert "The coil" in page and "chance" in page.casefold() and "1 A/µs" in page
    assert record["coil_poses"]["engine"] == "fem" and min(record["coil_poses"]["scored"].values()) >= 5000
    assert record["coil_poses"]["approximate"] is False
    assert "Coil poses of other targets" in page or "Poses of other targets are geometric" in page


def test_a_second_run_finds_the_poses_there(posed, person):
    code, shown, said = run("plan", posed, person, *QUICK)
    assert code == 0 and "already finished" in said, said + shown


def test_a_named_target_and_a_place(person, tmp_path):
    out = tmp_path / "out"
    anatomy = files.template_anatomy()
    place = anatomy.surface("L").vertices[12_000] @ person.turn.T + TURN[:3, 3]
    words = ("--coordinate", *(f"{x:.2f}" for x in place), "--engine", "geometric")
    code, _, said = run("pose", out, person, *words)
    assert code == 0, said
    assert json.loads(one(out, "*_provenance.json").read_text())["navigation"] == "written"
    exported = one(out, "*_desc-brainsight_targets.txt").read_text()
    assert "coordinate in" in exported and "FORCED" not in exported
    code, _, said = run("pose", tmp_path / "none", person, "--target", "SCAN nowhere L", *QUICK)
    assert code != 0 and "there is no target 'SCAN nowhere L'" in said and "SCAN middle L" in said
    assert not (tmp_path / "none").exists()
    code, _, said = run("pose", tmp_path / "none", person)
    assert code == 2 and "nothing to aim at" in said
    code, _, said = run("pose", tmp_path / "none", person, "--coordinate", "200", "0", "0", "--engine", "geometric")
    assert code != 0 and "mm from the cortex" in said and not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--coil", "no-such-coil"), "there is no coil"),
        (("--coil", "{place}/none.ccd"), "does not exist"),
        (("--coil", "{place}/mm.ccd"), "unit"),
        (("--head-model", "{place}/none.nii.gz"), "does not exist"),
        (("--head-model", "{t1}", "--head-labels", "nonsense"), "no list of tissue labels"),
        (("--head-model", "{t1}", "--head-labels", "simnibs"), "label"),
        (("--resolution", "9"), "resolution"),
    ],
)
def test_bad_input_gives_one_error_and_no_output(words, expected, person, tmp_path):
    coil = "# coil;coilname=x\n2\n# centres\n-30 0 -5 0 0 1e-6\n30 0 -5 0 0 -1e-6\n"
    (tmp_path / "mm.ccd").write_text(coil)
    given = [str(word).format(place=tmp_path, t1=person.t1) for word in words]
    code, _, said = run("plan", tmp_path / "out", person, *QUICK, *given)
    assert code != 0 and expected in said, said
    assert said.count("error:") == 1 and "Traceback" not in said and "unexpected error" not in said, said
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").rglob("*.tsv"))


def test_no_pose_is_laid_over_a_cut_in_the_t1():
    head = template_head()
    grid = np.stack(np.meshgrid(*map(np.arange, head.image.data.shape), indexing="ij"), axis=-1)
    y = grid @ head.image.affine[1, :3] + head.image.affine[1, 3]
    image = replace(head.image, data=np.where(y > 45, 0, head.image.data))
    spoilt = replace(head, image=image, scalp=find_scalp(image))
    whole, cut = missing_scalp(head, head.scalp), missing_scalp(spoilt, spoilt.scalp)
    forehead, motor = (SimpleNamespace(xyz_ras=np.array(place)) for place in ([-40.0, 44, 30], [-38.0, -22, 58]))
    assert not whole.near(forehead) and not whole.near(motor)
    assert cut.near(forehead) and not cut.near(motor)
    assert cut.reasons
