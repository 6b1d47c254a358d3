"""What makes a finished run stale, what one run may be given for several people, and poses that are withheld."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.test_pose_report import a_search

from actionloop import files
from actionloop.brain.face import HeadExam
from actionloop.errors import OptionError
from actionloop.files import PersonFiles
from actionloop.files.person import RunFiles, SurfaceFiles
from actionloop.pipeline import head as head_module
from actionloop.pipeline.brought import require_one_person, require_one_place
from actionloop.pipeline.head import Head
from actionloop.pipeline.headmodels import missing_scalp
from actionloop.pipeline.navigationexports import withheld_poses
from actionloop.pipeline.personjob import PersonJob, job_keys
from actionloop.pipeline.posetables import pose_table
from actionloop.pipeline.run import _finished
from actionloop.pipeline.safety import Safety
from actionloop.pipeline.settings import read_settings
from actionloop.pipeline.steps import Steps
from actionloop.targets import Screening

BARE = PersonFiles(label="01", layout="bare", runs=())


def key_of(job: PersonJob, work: Path) -> str:
    return job_keys(job, Steps(work).hash_files(job.inputs))["person"]


@pytest.mark.parametrize(
    ("option", "name"),
    [("coil", "coil.ccd"), ("head", "head.nii.gz"), ("labels", "labels.toml"), ("tolerability", "t.tsv")],
)
def test_one_byte_of_a_file_makes_a_finished_run_stale(option, name, tmp_path):
    given, out = tmp_path / name, tmp_path / "out"
    given.write_bytes(b"# coil;coilname=x\n1\n")
    settings = read_settings(None, pose={option: given if option in ("head", "tolerability") else str(given)})
    job = PersonJob(BARE, settings)
    before = key_of(job, tmp_path / "work")
    (out / "sub-01").mkdir(parents=True)
    for written in ("sub-01/a.tsv", "sub-01.html"):
        (out / written).write_text("x")
    state = {"key": before, "label": "01", "report": "sub-01.html", "message": "", "written": ["sub-01/a.tsv"]}
    stamp = tmp_path / "work" / "finished.json"
    stamp.write_text(json.dumps(state))
    assert _finished(stamp, key_of(job, tmp_path / "work"), out) is not None, "nothing changed, and it is done again"
    given.write_bytes(b"# coil;coilname=x\n2\n")
    assert _finished(stamp, key_of(job, tmp_path / "work"), out) is None


def test_files_beside_given_ones_count_too(tmp_path):
    prior, names = tmp_path / "networkTemplates.mat", tmp_path / "networkTemplateNames.mat"
    prior.write_bytes(b"templates")
    job = PersonJob(BARE, read_settings(None), prior_file=prior)
    alone = key_of(job, tmp_path / "work")
    names.write_bytes(b"names")
    assert job.prior_files == (prior, names) and names in job.inputs
    first = key_of(job, tmp_path / "work")
    names.write_bytes(b"other")
    assert len({alone, first, key_of(job, tmp_path / "work")}) == 3
    assert PersonJob(BARE, read_settings(None), prior_file=tmp_path / "p.dlabel.nii").prior_files[1:] == ()
    table = tmp_path / "sub-01_confounds.tsv"
    table.write_text("x\n")
    run = RunFiles((tmp_path / "a.dtseries.nii",), "cifti", "fsLR32k", False, False, 2.0, {}, "rest", confounds=table)
    assert run.about_confounds is None and table.with_suffix(".json") not in run.files
    table.with_suffix(".json").write_text("{}")
    assert run.about_confounds in run.files and replace(run, confounds=None).about_confounds is None


def own(label: str, space: str = "native") -> PersonFiles:
    paths = {(side, kind): Path(f"{side}{kind}.gii") for side in "LR" for kind in ("white", "pial")}
    return replace(BARE, label=label, surfaces=SurfaceFiles(paths, space, "fsLR32k"))


def test_a_coordinate_is_one_persons_unless_it_is_mni_for_all():
    settings = read_settings(None, pose={"coordinate": (-38.0, -22.0, 58.0)})
    two = [own("01"), replace(BARE, label="02")]
    with pytest.raises(OptionError, match=r"--coordinate is one person's: 2 people.*T1 of sub-01 the same") as caught:
        require_one_place(settings, two, n_people=2)
    assert "--participant-label" in caught.value.fix
    with pytest.raises(OptionError, match="and others"):
        require_one_place(settings, [own(str(number)) for number in range(5)], n_people=5)
    with pytest.raises(OptionError, match="2 people"):  # the other one was not found
        require_one_place(settings, two[:1], n_people=2)
    require_one_place(settings, two[:1], n_people=1)
    require_one_place(settings, [own("01", "standard"), replace(BARE, label="02")], n_people=2)
    require_one_place(read_settings(None), two, n_people=2)
    with pytest.raises(OptionError, match="--head-model is one person's"):
        require_one_person(read_settings(None, pose={"head": Path("head.msh")}), 2)


def a_result(*, force=False, exported=(), reliability=None, epilepsy="no"):
    targets = [SimpleNamespace(name=name) for name in ("SCAN piece R", "AMN dlPFC L")]
    return SimpleNamespace(
        job=SimpleNamespace(
            safety=Safety(Screening.from_answers({"epilepsy": epilepsy})), settings=SimpleNamespace(force=force)
        ),
        targets=targets,
        asked=(),
        trusted=(),
        exported=[one for one in targets if one.name in exported],
        reliability=reliability,
        unjudged="the scan is too short",
    )


def test_poses_are_withheld_with_their_reason():
    found = withheld_poses(a_result(exported=("AMN dlPFC L",)))
    assert found == {"SCAN piece R": "its reliability could not be judged: the scan is too short"}
    found = withheld_poses(a_result(epilepsy="yes"))
    assert len(found) == 2 and all("answered YES to epilepsy" in reason for reason in found.values())
    verdict = SimpleNamespace(verdict="none", probability=0.2, near_mm=5.0)
    found = withheld_poses(a_result(reliability=SimpleNamespace(of=lambda target: verdict)))
    assert all(reason.startswith("it is not reliable (") and "0.20" in reason for reason in found.values())
    assert withheld_poses(a_result(force=True, exported=("SCAN piece R", "AMN dlPFC L"))) == {}


def test_rows_of_a_withheld_target_hold_no_place_of_the_coil(tmp_path):
    searches = [a_search(1), a_search(2)]
    rows = pose_table(searches, withheld={searches[0].name: "it is not reliable"})
    there = pose_table(searches)
    assert {row["withheld"] for row in there} == {None}
    for row, whole in zip(rows, there, strict=True):
        hidden = row["target"] == searches[0].name
        assert row["withheld"] == ("it is not reliable" if hidden else None)
        assert [row[axis] is None for axis in "xyz"] == [hidden] * 3
        assert row["field"] == whole["field"] and row["on_target"] == whole["on_target"]
    files.write_table(tmp_path / "poses.tsv", rows, columns=list(files.columns("poses")))
    assert "it is not reliable" in (tmp_path / "poses.tsv").read_text()


def test_a_head_is_examined_once(monkeypatch):
    asked = []
    exam = HeadExam.__new__(HeadExam)
    object.__setattr__(exam, "cut", np.zeros(4, dtype=bool))
    object.__setattr__(exam, "reasons", ())
    monkeypatch.setattr(head_module, "examine_head", lambda *given: asked.append(given) or exam)
    scalp = SimpleNamespace(vertices=np.zeros((4, 3)))
    head = Head(None, SimpleNamespace(), scalp, None, "")
    assert not len(missing_scalp(head, scalp).cut) and not len(missing_scalp(head, scalp).cut)
    assert len(asked) == 1
    missing_scalp(replace(head, image=SimpleNamespace()), scalp)
    assert len(asked) == 2, "another image was not looked at"
    assert Head(None, None, scalp, None, "").exam is None
