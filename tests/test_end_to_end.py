"""The whole line on simulated people, through the command line: layouts, own anatomy, lesions, maps, priors, meshes."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from actionloop import facts, files
from actionloop.brain import sphere_weights
from actionloop.cli import main
from actionloop.errors import ResourceError, SignalError
from actionloop.navigation import poses_of, read_any
from actionloop.pipeline.series import load_series
from actionloop.report import Picture
from actionloop.types import HEMISPHERES, Grayordinates

SEED, LABEL = 3, "P01"
# 25 confounds need runs of some length: 2.5 minutes would be refused.
MINUTES = {"xcpd": 5, "hcp": 5, "fmriprep": 7}
KINDS = ("white", "pial", "midthickness", "inflated")
ONE_PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00\x0c"
    b"IDATx\x9cc```\x00\x00\x00\x04\x00\x01\xf6\x178U\x00\x00\x00\x00IEND\xaeB`\x82"
)


# Making and running


@dataclass(frozen=True)
class Ran:
    """What a call of the command line left."""

    code: int
    out: Path
    shown: str
    log: str

    def one(self, pattern: str) -> Path:
        found = sorted(p for p in self.out.rglob(pattern) if ".work" not in p.parts)
        assert len(found) == 1, (pattern, found, self.log)
        return found[0]

    def none(self, pattern: str) -> bool:
        return not list(self.out.rglob(pattern))

    def table(self, name: str) -> list[dict[str, str]]:
        with self.one(f"*_{name}.tsv").open(encoding="utf-8") as rows:
            return list(csv.DictReader(rows, delimiter="\t"))

    @property
    def record(self) -> dict:
        return json.loads(self.one("*_provenance.json").read_text(encoding="utf-8"))

    @property
    def map(self) -> files.LabelMap:
        return files.read_label_map(self.one("*_dseg.dlabel.nii"))

    @property
    def page(self) -> str:
        """Return what the report says, without markup."""
        text = next(self.out.glob("sub-*.html")).read_text(encoding="utf-8")
        text = re.sub(r"<(script|style).*?</\1>", " ", text, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").replace("\N{MINUS SIGN}", "-")
        return " ".join(text.split())


def act(*words: object, out: Path) -> Ran:
    """Call the command line in this process."""
    shown, log = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(log):
        try:
            code = int(main([str(word) for word in words]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    assert "Traceback" not in log.getvalue() and "unexpected error" not in log.getvalue(), log.getvalue()
    return Ran(code, out, shown.getvalue(), log.getvalue())


def plan(derivatives: Path | None, out: Path, *words: object) -> Ran:
    places = [out] if derivatives is None else [derivatives, out]
    quick = ("--no-controls", "--no-reliability", "--engine", "geometric", "--export", "brainsight,localite")
    return act("plan", *places, "participant", *quick, *words, out=out)


def refused(ran: Ran, *expected: str) -> None:
    """Hold that a call ended with one clear error and left nothing."""
    assert ran.code != 0
    for pattern in expected:
        assert re.search(pattern, ran.log), ran.log
    assert not ran.out.exists()


@contextlib.contextmanager
def without_pictures() -> Iterator[None]:
    """Leave the pictures to the tests that look at them; they take half of a run's time."""
    patch = pytest.MonkeyPatch()
    picture = Picture("networks", "maps", ONE_PIXEL, "one pixel", "not drawn in this test")
    patch.setattr("actionloop.pipeline.page.draw_pictures", lambda *_, **__: [picture])
    yield
    patch.undo()


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan", "phantom"))
    except ResourceError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("line")


def phantom(place: Path, layout: str) -> Path:
    words = ("--subjects", 1, "--minutes", MINUTES[layout], "--seed", SEED, "--layout", layout)
    made = act("phantom", place / layout, *words, out=place)
    assert made.code == 0, made.log
    return place / layout


@pytest.fixture(scope="module")
def xcpd(place) -> Path:
    return phantom(place / "one", "xcpd")


@pytest.fixture(scope="module")
def fmriprep(place) -> Path:
    return phantom(place / "two", "fmriprep")


@pytest.fixture(scope="module")
def hcp(place) -> Path:
    """Make an HCP folder with surfaces in MNI space only, as a partial download has."""
    root = phantom(place / "three", "hcp")
    folder = root / LABEL / "MNINonLinear" / "fsaverage_LR32k"
    folder.mkdir()
    for (side, kind), surface in files.template_anatomy().surfaces.items():
        if kind in KINDS:
            files.write_gifti_surface(folder / f"{LABEL}.{side}.{kind}_MSMAll.32k_fs_LR.surf.gii", surface)
    return root


@pytest.fixture(scope="module")
def work(place) -> Path:
    """Give a work folder that several calls share, so that the fMRIPrep series are read once."""
    return place / "work"


@pytest.fixture(scope="module")
def quick(place) -> Path:
    """Settings that let the map settle sooner."""
    path = place / "quick.toml"
    path.write_text("controls = false\nreliability = false\n[mapping.options.iterative]\nmax_iterations = 3\n")
    return path


@pytest.fixture(scope="module")
def from_xcpd(xcpd, place) -> Ran:
    with without_pictures():
        return plan(xcpd, place / "out-xcpd")


@pytest.fixture(scope="module")
def from_fmriprep(fmriprep, place, work, quick) -> Ran:
    with without_pictures():
        return plan(fmriprep, place / "out-fmriprep", "--work-dir", work, "--config-file", quick)


@pytest.fixture(scope="module")
def from_hcp(hcp, place, quick) -> Ran:
    with without_pictures():
        return plan(hcp, place / "out-hcp", "--config-file", quick)


# A person with a head: the template's surfaces and T1, moved together


class Motion:
    """A rigid motion of MNI space: where this person's head lies in the scanner."""

    rotation = Rotation.from_euler("xyz", [7, -5, 6], degrees=True).as_matrix()
    shift_mm = np.array([3.0, -14.0, 21.0])

    @property
    def matrix(self) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.shift_mm
        return matrix

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return np.atleast_2d(points) @ self.rotation.T + self.shift_mm


MOVED = Motion()


def write_t1(path: Path, affine: np.ndarray, *, qform: np.ndarray | None = None) -> Path:
    """Write the template's T1 as this person's, in scanner coordinates (code 1)."""
    image = nib.Nifti1Image(files.template_image().data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine if qform is None else qform, code=1)
    nib.save(image, path)
    return path


@pytest.fixture(scope="module")
def own(place) -> SimpleNamespace:
    """Write own surfaces and T1s in fMRIPrep's names: the T1, one shifted by 8 mm, one whose forms disagree."""
    anat = place / "anat"
    anat.mkdir()
    stem = anat / f"sub-{LABEL}"
    for (side, kind), surface in files.template_anatomy().surfaces.items():
        if kind in KINDS:
            moved = replace(surface, vertices=MOVED(surface.vertices) if kind != "inflated" else surface.vertices)
            files.write_gifti_surface(Path(f"{stem}_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"), moved)
    shutil.copy(files.resource("s1200_sulc"), f"{stem}_space-fsLR_den-91k_sulc.dscalar.nii")
    affine = MOVED.matrix @ files.template_image().affine
    shifted, turned = affine.copy(), affine.copy()
    shifted[1, 3] += 8
    turned[0, 3] += 12
    t1 = write_t1(Path(f"{stem}_desc-preproc_T1w.nii.gz"), affine)
    elsewhere = place / "other-t1"
    elsewhere.mkdir()
    return SimpleNamespace(
        anat=anat,
        t1=t1,
        shifted=write_t1(elsewhere / "shifted_T1w.nii.gz", shifted),
        disagreeing=write_t1(elsewhere / "disagreeing_T1w.nii.gz", affine, qform=turned),
    )


@pytest.fixture(scope="module")
def with_head(fmriprep, own, place) -> Path:
    """Make the fMRIPrep data set again, linked, with the anatomy in it."""
    root = place / "with-head"
    shutil.copytree(fmriprep, root, copy_function=os.link)
    shutil.copytree(own.anat, root / f"sub-{LABEL}" / "anat", copy_function=os.link)
    return root


@pytest.fixture(scope="module")
def from_head(with_head, from_fmriprep, place, work, quick) -> Ran:
    """Run with every picture; the series come from the run on template anatomy."""
    words = ("--work-dir", work, "--config-file", quick)
    return plan(with_head, place / "out-head", *words, "--pain-side", "right", "--pain-region", "hand")


def numbers(row: dict[str, str], names: str = "x y z") -> np.ndarray:
    return np.array([float(row[name]) for name in names.split()])


def agreement(one: files.LabelMap, other: files.LabelMap) -> float:
    assert one.names == other.names
    return float((one.label == other.label).mean())


# 1. Three layouts


def true_nodes(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "truth" / f"sub-{LABEL}_desc-nodes_truth.tsv").open(encoding="utf-8") as rows:
        return list(csv.DictReader(rows, delimiter="\t"))


def test_the_same_seed_makes_the_same_person_in_every_layout(xcpd, fmriprep, hcp):
    one, *others = (files.read_label_map(d / "truth" / f"sub-{LABEL}_truth.dlabel.nii") for d in (xcpd, fmriprep, hcp))
    for other in others:
        assert one.names == other.names
        np.testing.assert_array_equal(one.label, other.label)
    assert true_nodes(xcpd) == true_nodes(fmriprep) == true_nodes(hcp)


@pytest.mark.parametrize("name", ["from_xcpd", "from_fmriprep", "from_hcp"])
def test_every_layout_gives_every_output(name, request):
    ran = request.getfixturevalue(name)
    assert ran.code == 0, ran.log
    assert f"sub-{LABEL}\tok" in ran.shown
    names = [p.relative_to(ran.out).as_posix() for p in ran.out.rglob("*") if p.is_file() and ".work" not in p.parts]
    for output in files.declared_outputs().values():
        if output.required:
            assert any(output.matches(each) for each in names), output.key
    assert len(ran.record["runs"]) == 2
    minutes = MINUTES[name.removeprefix("from_")]
    assert sum(run["minutes"] for run in ran.record["runs"]) == pytest.approx(minutes, abs=0.05)
    assert {run["tr_s"] for run in ran.record["runs"]} == {0.8}


def test_the_sessions_are_named(from_xcpd, from_fmriprep, from_hcp):
    for ran in (from_xcpd, from_fmriprep):
        assert [run["name"] for run in ran.record["runs"]] == ["ses-1_task-rest", "ses-2_task-rest"]
    assert [run["name"] for run in from_hcp.record["runs"]] == ["rfMRI_REST1_AP", "rfMRI_REST2_AP"]


@pytest.mark.parametrize("name", ["from_xcpd", "from_hcp"])
def test_denoised_input_is_used_as_it_is(name, request):
    ran = request.getfixturevalue(name)
    assert all("used as it is" in run["cleaning"] for run in ran.record["runs"])
    assert "used as it is" in ran.page
    assert "plain cleaning" not in ran.page


def test_hcp_series_without_fix_get_the_plain_cleaning(hcp, tmp_path):
    root = tmp_path / "hcp"
    shutil.copytree(hcp, root, copy_function=os.link)
    for path in root.rglob("*_hp0_clean.dtseries.nii"):
        path.rename(path.with_name(path.name.replace("_hp0_clean", "")))
    person = files.find_person(root, LABEL)
    assert not any(run.cleaned for run in person.runs)
    try:
        assert load_series(person).cleaning == "plain cleaning 24P+GSR+censoring"
    except SignalError as error:  # 2.5 minutes are at the edge of what 25 confounds leave
        assert "too few for 25 confounds" in error.problem


def test_fmriprep_input_gets_the_plain_cleaning_and_says_so(from_fmriprep):
    words = "plain cleaning 24P+GSR+censoring"
    assert all(run["cleaning"] == words for run in from_fmriprep.record["runs"])
    assert words in from_fmriprep.page
    assert "preprocessed but not denoised" in from_fmriprep.page


@pytest.mark.parametrize("name", ["from_xcpd", "from_fmriprep", "from_hcp"])
def test_scan_targets_lie_at_true_nodes(name, request, xcpd):
    """Five minutes leave a node or two where the prior has it, 10 to 15 mm from this person's."""
    away = []
    for row in request.getfixturevalue(name).table("targets"):
        true = [numbers(node) for node in true_nodes(xcpd) if (node["network"], node["side"]) == ("SCAN", row["side"])]
        if row["network"] == "SCAN":
            away.append(min(np.linalg.norm(numbers(row, "x_mni y_mni z_mni") - node) for node in true))
    assert len(away) == 6
    assert np.median(away) < 8 and max(away) < 20, away


@pytest.mark.parametrize("name", ["from_xcpd", "from_fmriprep", "from_hcp"])
def test_the_map_is_nearer_the_truth_than_chance_or_another_network(name, request, xcpd):
    found = request.getfixturevalue(name).map
    truth = files.read_label_map(xcpd / "truth" / f"sub-{LABEL}_truth.dlabel.nii")
    key = {label: number for number, label in truth.names.items()}
    ours = {label: number for number, label in found.names.items()}
    for network in ("SCAN", "AMN"):
        true = truth.label[: len(found.label)] == key[network]
        members = {name: found.label == k for name, k in ours.items()}
        dice = {name: 2 * (true & member).sum() / (true.sum() + member.sum()) for name, member in members.items()}
        assert max(dice, key=dice.get) == network, dice
        assert dice[network] > 0.5


def test_sessions_are_chosen_by_label_and_by_filter_file(xcpd, place):
    chosen = place / "filter.json"
    chosen.write_text(json.dumps({"bold": {"session": "2"}}))
    for words, wanted, other in (
        (("--session-label", "1"), "run ses-1_task-rest", "run ses-2"),
        (("--session-label", "ses-02"), "run ses-2_task-rest", "run ses-1"),
        (("--bids-filter-file", chosen), "run ses-2_task-rest", "run ses-1"),
    ):
        ran = plan(xcpd, place / "out-dry", "--dry-run", *words)
        assert ran.code == 0 and not ran.out.exists()
        assert wanted in ran.shown and other not in ran.shown
    both = plan(xcpd, place / "out-dry", "--session-label", "1", "--bids-filter-file", chosen)
    refused(both, "no run is left", "ses-1_task-rest, ses-2_task-rest")


# 2. Own surfaces and T1


def test_own_anatomy_gives_navigation_files_in_the_frame_of_the_t1(from_head, own):
    assert from_head.code == 0, from_head.log
    image = files.read_image(own.t1, frame=f"sub-{LABEL} T1w")
    record = from_head.record
    assert record["navigation"] == "written"
    assert record["frame"] == image.frame
    assert record["image_sha256"] == image.header_sha256
    brainsight, localite = from_head.one("*_desc-brainsight_targets.txt"), from_head.one("*_desc-localite_targets.xml")
    for path in (brainsight, localite):
        assert "space-T1w" in path.name
        assert image.header_sha256 in path.read_text()
        assert path.name in from_head.page and path.name in from_head.shown
    assert "# Coordinate system: NIfTI:Scanner" in brainsight.read_text()
    assert 'coordinateSpace="RAS"' in localite.read_text()


def test_poses_read_back_right_handed_and_alike(from_head):
    """Both files hold the poses of the targets' sidecar."""
    sidecar = json.loads(from_head.one("*_targets.json").read_text())["Poses"]
    found = {
        "brainsight": poses_of(read_any(from_head.one("*_desc-brainsight_targets.txt").read_bytes())[1]),
        "localite": poses_of(read_any(from_head.one("*_desc-localite_targets.xml").read_bytes())[1]),
    }
    rows = from_head.table("targets")
    for poses in found.values():
        assert [pose.label for pose in poses] == [row["name"] for row in rows]
        for pose, row in zip(poses, rows, strict=True):
            np.testing.assert_allclose(np.linalg.det(pose.matrix[:3, :3]), 1, atol=1e-6)
            np.testing.assert_allclose(pose.matrix, sidecar[row["name"]], atol=1e-4)
            np.testing.assert_allclose(pose.matrix[:3, 3], numbers(row, "entry_x entry_y entry_z"), atol=1e-3)
            # The coil looks at the cortex: its z points from the scalp inwards.
            assert pose.matrix[:3, 2] @ (numbers(row) - pose.matrix[:3, 3]) > 0.7 * float(row["scalp_distance"])


def test_sides_are_said_alike_everywhere(from_head):
    rows = from_head.table("targets")
    assert {row["side"] for row in rows} == {"left", "right"}
    brainsight, localite = (
        from_head.one("*_desc-brainsight_targets.txt").read_text(),
        from_head.one("*_desc-localite_targets.xml").read_text(),
    )
    poses = {
        "brainsight": {pose.label: pose for pose in poses_of(read_any(brainsight.encode())[1])},
        "localite": {pose.label: pose for pose in poses_of(read_any(localite.encode())[1])},
    }
    for row in rows:
        left = row["side"] == "left"
        assert (float(row["x"]) < 0) == (float(row["x_mni"]) < 0) == (float(row["entry_x"]) < 0) == left
        assert row["name"].endswith(" L" if left else " R")
        for text, system in ((brainsight, "brainsight"), (localite, "localite")):
            assert f"{row['name']} ({row['side']})" in text
            sign = "negative" if left else "positive"
            assert re.search(rf"{row['name']} \({row['side']}\): {row['side'].upper()} hemisphere, x = .*{sign}", text)
            assert (poses[system][row["name"]].matrix[0, 3] < 0) == left
    told = re.findall(r"\d\. [\w /]+, (left|right) hemisphere \([LR]\).*?Cortex (-?[\d.]+),", from_head.page)
    assert [side for side, _ in told] == [row["side"] for row in rows]
    assert all((float(x) < 0) == (side == "left") for side, x in told)


def test_the_map_does_not_depend_on_where_the_head_lies(from_head, from_fmriprep):
    assert agreement(from_head.map, from_fmriprep.map) > 0.999


def test_targets_are_those_of_the_template_run_moved(from_head, own):
    """The template's head is the same head elsewhere: same nodes, same targets, moved."""
    from actionloop.pipeline.head import template_head
    from actionloop.pipeline.person import find_targets
    from actionloop.pipeline.settings import Settings

    shares = files.read_cifti_scalar(from_head.one("*_probseg.dscalar.nii"))
    network_map = replace(
        files.read_network_map(from_head.one("*_dseg.dlabel.nii")),
        probability=shares.data,
        confidence=files.read_cifti_scalar(from_head.one("*_boldmap.dscalar.nii")).data[0],
    )
    settings = Settings(pain_side="right", pain_region="hand")
    pieces, targets, sites = find_targets(network_map, template_head(), settings)
    expected = {target.name: target for target in targets}
    rows = from_head.table("targets")
    assert [row["name"] for row in rows] == [target.name for target in targets]
    for row in rows:
        target = expected[row["name"]]
        np.testing.assert_allclose(numbers(row), MOVED(target.xyz_ras)[0], atol=1)
        np.testing.assert_allclose(numbers(row, "entry_x entry_y entry_z"), MOVED(target.entry_ras)[0], atol=1)
        np.testing.assert_allclose(MOVED(numbers(row, "x_mni y_mni z_mni"))[0], numbers(row), atol=0.01)
    nodes = {f"{piece.name} {piece.hemisphere}": piece for piece in pieces}
    for row in from_head.table("nodes"):
        np.testing.assert_allclose(numbers(row), MOVED(nodes[row["name"]].centre_ras)[0], atol=1)
        assert abs(float(row["area"]) - nodes[row["name"]].area_mm2) < 0.01 * nodes[row["name"]].area_mm2
    for row, site in zip(from_head.table("sites"), sites, strict=True):
        np.testing.assert_allclose(numbers(row), MOVED(site.xyz_ras)[0], atol=0.01)
    assert rows[0]["name"] == "SCAN middle L"  # pain in the right hand


@pytest.fixture(scope="module")
def judged(with_head, place, work) -> Ran:
    """Plan with reliability, few resamples."""
    words = ("--work-dir", work, "--resamples", 6, "--no-controls", "--engine", "geometric")
    return act("plan", with_head, place / "out-judged", "participant", *words, out=place / "out-judged")


def test_every_target_has_a_verdict_and_only_trusted_ones_are_exported(judged):
    assert judged.code == 0, judged.log
    rows = judged.table("targets")
    assert rows and {row["verdict"] for row in rows} <= {"use", "caution", "none"}
    for row in rows:
        assert 0 <= float(row["probability_near"]) <= 1 and 0 <= float(row["present"]) <= 1
        assert "within 5 mm" in row["verdict_reasons"]
    trusted = [row["name"] for row in rows if row["verdict"] != "none"]
    if trusted:
        text = judged.one("*_desc-brainsight_targets.txt").read_text()
        assert [pose.label for pose in poses_of(read_any(text.encode())[1])] == trusted
        assert text.count("probability 0.") + text.count("probability 1.") >= len(trusted)
    else:
        assert judged.none("*_desc-brainsight_targets.txt")
    assert judged.record["reliability"]["verdicts"] == {
        row["name"]: [row["verdict"], pytest.approx(float(row["probability_near"]), abs=1e-4)] for row in rows
    }
    assert "How far to trust this" in judged.page and "frames drawn anew" in judged.page.casefold()


def test_without_a_reliable_target_nothing_is_exported_unless_forced(judged, with_head, place, work, monkeypatch):
    """A limit that no scan meets stands for a poor scan: the same steps, judged anew."""
    monkeypatch.setitem(facts.load("verdict")["thresholds"], "least_minutes", 10_000.0)
    words = ("participant", "--work-dir", work, "--resamples", 6, "--no-controls", "--engine", "geometric")
    with without_pictures():
        withheld = act("plan", with_head, place / "withheld", *words, "--pain-side", "left", out=place / "withheld")
        forced = act("plan", with_head, place / "forced", *words, "--force", out=place / "forced")
    assert withheld.code == forced.code == 0, withheld.log + forced.log
    assert {row["verdict"] for row in withheld.table("targets")} == {"none"}
    assert withheld.none("*brainsight*") and withheld.none("*localite*")
    assert withheld.record["navigation"].startswith("withheld: no reliable target")
    assert "No reliable target: no export written" in withheld.page and "--force" in withheld.shown
    assert forced.record["navigation"] == "forced" and forced.record["reliability"]["forced"] is True
    for pattern in ("*_desc-brainsight_targets.txt", "*_desc-localite_targets.xml"):
        text = forced.one(pattern).read_text()
        assert text.count("FORCED not reliable") >= len(forced.table("targets"))
        assert "--force although there is no reliable target" in text
    assert "exports were forced" in forced.page


def test_own_anatomy_is_named_in_the_report(from_head):
    assert f"sub-{LABEL}'s own surfaces" in from_head.page
    assert "Template anatomy" not in from_head.page
    assert not from_head.none("*_desc-coverage_figure.png")


@pytest.fixture(scope="module")
def own_map(from_head) -> Path:
    return from_head.one("*_dseg.dlabel.nii")


def left_out(ran: Ran, reason: str) -> None:
    """Hold that map and targets were made, and that the navigation files' absence is explained everywhere."""
    assert ran.code == 0, ran.log
    assert ran.none("*brainsight*") and ran.none("*localite*")
    assert {row["network"] for row in ran.table("targets")} == {"SCAN", "AMN"}
    assert all(row["pose"] == "n/a" and row["entry_x"] == "n/a" for row in ran.table("targets"))
    assert re.search(reason, ran.record["navigation"]), ran.record["navigation"]
    assert re.search(reason, ran.page)
    assert re.search(r"navigation.*" + reason, ran.shown), ran.shown


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("shifted", "in another space than the image"),
        ("disagreeing", "qform and sform are both set and disagree"),
        (None, "no T1"),
    ],
)
def test_a_t1_that_cannot_be_used_leaves_navigation_out(which, reason, own, own_map, tmp_path):
    t1w = () if which is None else ("--t1w", getattr(own, which))
    with without_pictures():
        ran = plan(None, tmp_path / "out", "--map", own_map, "--surfaces", own.anat, "--participant-label", LABEL, *t1w)
    left_out(ran, reason)
    # Without a T1 that fits, positions are those of the surface files and must not be called the T1's.
    assert ("T1w" in ran.record["frame"]) == (which == "disagreeing")
    assert ran.none("*space-T1w*")
    assert agreement(ran.map, files.read_label_map(own_map)) == 1
    np.testing.assert_allclose(
        [numbers(row) for row in ran.table("targets")],
        [MOVED(numbers(row, "x_mni y_mni z_mni"))[0] for row in ran.table("targets")],
        atol=0.01,
    )


def test_surfaces_in_mni_space_leave_navigation_out(from_hcp):
    left_out(from_hcp, "in the space of a template")
    assert "MNI" in from_hcp.record["frame"]
    assert "own surfaces" in from_hcp.record["anatomy"]


def test_template_anatomy_leaves_navigation_out(from_xcpd):
    left_out(from_xcpd, "own surfaces are not there")


# 3. Lesion


@pytest.fixture(scope="module")
def lesion(from_head, own, place) -> SimpleNamespace:
    """Draw a sphere of 12 mm in the T1's grid over the best target."""
    centre = numbers(from_head.table("targets")[0])
    return SimpleNamespace(centre=centre, radius=12.0, path=write_sphere(place / "lesion.nii.gz", own.t1, centre, 12.0))


def write_sphere(path: Path, like: Path, centre: np.ndarray, radius: float) -> Path:
    image = nib.load(like)
    voxels = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), axis=-1)
    world = nib.affines.apply_affine(image.affine, voxels)
    inside = np.linalg.norm(world - centre, axis=-1) <= radius
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), image.affine, image.header), path)
    return path


def test_cortex_in_a_lesion_takes_no_part(with_head, from_head, lesion, place, work, quick):
    words = ("--pain-side", "right", "--pain-region", "hand", "--lesion-mask", lesion.path, "--config-file", quick)
    with without_pictures():
        ran = plan(with_head, place / "out-lesion", "--work-dir", work, *words)
    assert ran.code == 0, ran.log
    axis = files.template_grayordinates()
    hit = np.zeros(len(axis), dtype=bool)
    for side in HEMISPHERES:
        white, pial = (
            MOVED(files.template_anatomy().surface(side, kind).vertices)[axis.vertices(side)]
            for kind in ("white", "pial")
        )
        away = np.stack([np.linalg.norm(place - lesion.centre, axis=1) for place in (white, (white + pial) / 2, pial)])
        hit[axis.rows(side)] = (away < lesion.radius - 1).any(axis=0)
        kept = (away > lesion.radius + 6).all(axis=0)
        assert ran.map.label[axis.rows(side)][kept].all()
    assert hit.sum() > 100
    assert not ran.map.label[hit].any()
    shares = files.read_cifti_scalar(ran.one("*_probseg.dscalar.nii")).data
    assert not shares[:, hit].any()
    gone = int((ran.map.label == 0).sum())
    assert from_head.map.label.all()
    for row in ran.table("targets"):
        assert np.linalg.norm(numbers(row) - lesion.centre) > lesion.radius - 1
    said = re.search(r"([\d,]+) cortical vertices lie in the lesion", ran.page)
    assert said and int(said[1].replace(",", "")) == gone
    assert "lesion.nii.gz" in json.dumps(ran.record)
    assert not ran.none("*_desc-brainsight_targets.txt")


def test_a_lesion_mask_that_cannot_be_placed_is_refused(xcpd, hcp, own, own_map, lesion, tmp_path):
    mni = write_sphere(tmp_path / "mni.nii.gz", files.resource("mni_t1"), np.array([-40.0, -12, 44]), 12.0)
    empty = tmp_path / "empty.nii.gz"
    image = nib.load(own.t1)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), empty)
    out = tmp_path / "out"
    refused(plan(xcpd, out, "--lesion-mask", lesion.path), "own surfaces", "template")
    refused(plan(hcp, out, "--lesion-mask", lesion.path), "lesion", "space of a template")
    given = ("--map", own_map, "--surfaces", own.anat, "--lesion-mask")
    refused(plan(None, out, *given, lesion.path), "lesion", "no T1")
    refused(plan(None, out, *given, lesion.path, "--t1w", own.shifted), "lesion", "another space")
    refused(plan(None, out, *given, mni, "--t1w", own.t1), "lesion mask", "space of the T1", r"mni\.nii\.gz")
    refused(plan(None, out, *given, empty, "--t1w", own.t1), "zero everywhere", r"empty\.nii\.gz")
    refused(plan(None, out, *given, tmp_path / "no.nii.gz", "--t1w", own.t1), r"no\.nii\.gz")


# 4. Finished maps


@pytest.fixture(scope="module")
def msc06() -> Path:
    folder = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data")) / "individual_msc06"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent (set ACTIONLOOP_DATA)")
    return folder


@pytest.fixture(scope="module")
def msc06_map(msc06) -> Path:
    return next(msc06.glob("sub-MSC06*.dlabel.nii"))


def test_a_published_map_with_own_surfaces_gives_targets(msc06, msc06_map, tmp_path):
    with without_pictures():
        ran = plan(
            None,
            tmp_path / "out",
            "--map",
            msc06_map,
            "--surfaces",
            msc06,
            "--participant-label",
            "MSC06",
            "--pain-side",
            "left",
        )
    left_out(ran, "no T1")
    names = {row["name"] for row in ran.table("nodes")}
    assert {"SCAN middle L", "SCAN middle R"} <= names
    assert ran.table("targets")[0]["side"] == "right"
    assert ran.none("*_controls.tsv")
    assert "own surfaces" in ran.record["anatomy"]
    assert "actionloop did not make or check it" in ran.page
    theirs, ours = files.read_network_map(msc06_map), ran.map
    assert tuple(ours.names.values()) == theirs.names
    assert {"SCAN", "AMN"} <= set(theirs.names)
    axis = files.template_grayordinates()
    np.testing.assert_array_equal(ours.label, files.align(theirs.label, theirs.grayordinates, axis))
    for row in ran.table("targets"):
        surface = files.read_surface(
            next(msc06.glob(f"*.{row['name'][-1]}.midthickness*")),
            hemisphere=row["name"][-1],
            kind="midthickness",
            frame="",
        )
        np.testing.assert_allclose(numbers(row), surface.vertices[int(row["vertex"])], atol=1e-2)


def test_a_map_takes_the_place_of_the_series(xcpd, msc06_map, tmp_path):
    ran = plan(xcpd, tmp_path / "out", "--map", msc06_map, "--dry-run")
    assert ran.code == 0 and "run ses" not in ran.shown


# 5 and 6. Meshes


def session(xcpd: Path, ending: str) -> Path:
    return next((xcpd / f"sub-{LABEL}" / "ses-1" / "func").glob(f"*{ending}"))


@pytest.fixture(scope="module")
def two_people(xcpd, place) -> Path:
    """Make a data set of a person whose series is truncated and the good one."""
    root = place / "two-people"
    shutil.copytree(xcpd, root, copy_function=os.link)
    broken = root / "sub-A01" / "ses-1" / "func"
    broken.mkdir(parents=True)
    for path in (root / f"sub-{LABEL}" / "ses-1" / "func").iterdir():
        content = path.read_bytes()
        half = content[: len(content) // 2] if path.name.endswith(".nii") else content
        (broken / path.name.replace(LABEL, "A01")).write_bytes(half)
    return root


@pytest.fixture(scope="module")
def from_two(two_people, place, quick) -> Ran:
    with without_pictures():
        return plan(two_people, place / "out-two", "--session-label", "1", "--config-file", quick)


@pytest.mark.parametrize("rows", [59_412, 64_984])
def test_the_same_series_on_other_rows_gives_the_same_map(rows, xcpd, from_two, quick, tmp_path):
    series = files.read_cifti_series(session(xcpd, ".dtseries.nii"))
    assert len(series.grayordinates) == 91_282
    axis = series.grayordinates.cortex()
    data = series.data[:, : axis.n_cortex]
    if rows == 64_984:
        every = np.arange(axis.n_vertices)
        data = np.concatenate([axis.to_mesh(data, side) for side in HEMISPHERES], axis=1)
        axis = Grayordinates(every, every)
    bold = tmp_path / f"sub-{LABEL}_ses-1_task-rest_desc-denoised_bold.dtseries.nii"
    files.write_dtseries(bold, replace(series, data=data, grayordinates=axis))
    assert nib.load(bold).shape[1] == rows
    words = ("--bold", bold, "--outliers", session(xcpd, "_outliers.tsv"), "--participant-label", LABEL)
    with without_pictures():
        ran = plan(None, tmp_path / "out", *words, "--config-file", quick)
    assert ran.code == 0, ran.log
    assert agreement(ran.map, from_two.map) > 0.999


def write_fsaverage(xcpd: Path, folder: Path, level: int, ending: str) -> list[Path]:
    """Sample the first session to fsaverage, and write it as fMRIPrep or FreeSurfer would."""
    series = files.read_cifti_series(session(xcpd, ".dtseries.nii"))
    axis, template = series.grayordinates.cortex(), files.template_anatomy()
    paths = []
    for side in HEMISPHERES:
        nearest = sphere_weights(
            template.surface(side, "sphere"), files.fsaverage_sphere(side, level=level), method="nearest"
        )
        data = (nearest @ axis.to_mesh(series.data[:, : axis.n_cortex], side).T).T.astype(np.float32)
        if ending == ".mgz":
            path = folder / f"{side.lower()}h.rest_desc-denoised.fsaverage{level}.mgz"
            nib.save(nib.MGHImage(data.T[:, None, None, :], np.eye(4)), path)
        else:
            path = folder / f"sub-{LABEL}_task-rest_hemi-{side}_space-fsaverage{level}_desc-denoised_bold.func.gii"
            files.write_gifti_scalar(path, data, [str(i) for i in range(len(data))], side)
        paths.append(path)
    return paths


@pytest.mark.parametrize(("level", "ending"), [(5, ".mgz"), (6, ".func.gii")])
def test_fsaverage_series_are_mapped_on_fslr(level, ending, xcpd, from_two, quick, tmp_path):
    paths = write_fsaverage(xcpd, tmp_path, level, ending)
    words = ("--bold", *paths, "--participant-label", LABEL, "--config-file", quick)
    refused(plan(None, tmp_path / "out", *words), r"repetition time \(TR\) is missing", "--tr")
    refused(plan(None, tmp_path / "out", *words, "--tr", 800), "milliseconds", "--tr 0.8")
    with without_pictures():
        ran = plan(None, tmp_path / "out", *words, "--tr", 0.8)
    assert ran.code == 0, ran.log
    assert ran.record["runs"][0]["tr_s"] == 0.8
    assert agreement(ran.map, from_two.map) > 0.85
    assert (ran.map.label > 0).mean() > 0.98


@pytest.mark.parametrize("ending", [".func.gii", ".mgz"])
def test_exchanged_hemispheres_are_refused(ending, xcpd, tmp_path):
    left, right = write_fsaverage(xcpd, tmp_path, 5, ending)
    left.rename(tmp_path / "away")
    right.rename(left)
    (tmp_path / "away").rename(right)
    refused(plan(None, tmp_path / "out", "--bold", left, right, "--tr", 0.8), "hemisphere|exchanged")


# 7. Priors


def prior_run(two_people: Path, out: Path, prior: Path, quick: Path) -> Ran:
    words = ("--participant-label", LABEL, "--session-label", "1", "--prior", prior, "--config-file", quick)
    with without_pictures():
        return plan(two_people, out, *words)


def test_our_probabilities_serve_as_a_prior(two_people, from_two, quick, tmp_path):
    prior = from_two.one("*_probseg.dscalar.nii")
    ran = prior_run(two_people, tmp_path / "out", prior, quick)
    assert ran.code == 0, ran.log
    assert ran.map.names == from_two.map.names
    assert agreement(ran.map, from_two.map) > 0.9
    assert prior.name in ran.page


def test_a_published_map_serves_as_a_prior(two_people, msc06_map, quick, tmp_path):
    ran = prior_run(two_people, tmp_path / "out", msc06_map, quick)
    assert ran.code == 0, ran.log
    assert set(ran.map.names.values()) == set(files.read_prior(msc06_map).names)
    assert {row["network"] for row in ran.table("targets")} == {"SCAN", "AMN"}


def test_a_prior_without_scan_gives_amn_and_says_so(msc06, two_people, quick, tmp_path):
    prior = msc06.parent / "networks" / "networkTemplates.mat"
    ran = prior_run(two_people, tmp_path / "out", prior, quick)
    assert ran.code == 0, ran.log
    assert {row["network"] for row in ran.table("targets")} == {"AMN"}
    assert all(row["name"].startswith("AMN dlPFC") for row in ran.table("targets"))
    for text in (ran.page, ran.shown + ran.log, json.dumps(ran.record)):
        assert re.search("has no SCAN.*cannot be found", text), text


def test_a_prior_of_other_rows_is_refused(two_people, quick, tmp_path):
    from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis

    rows = BrainModelAxis.from_surface(np.arange(10_242), 10_242, "CortexLeft")
    rows += BrainModelAxis.from_surface(np.arange(10_242), 10_242, "CortexRight")
    data = np.full((2, len(rows)), 0.5, dtype=np.float32)
    data[0, :5000], data[1, :5000] = 1, 0
    path = tmp_path / "other.dscalar.nii"
    Cifti2Image(data, header=(ScalarAxis(["SCAN", "AMN"]), rows)).to_filename(path)
    refused(prior_run(two_people, tmp_path / "out", path, quick), r"other\.dscalar\.nii", "10,?242|20,?484")


# 8. Several people


def test_a_broken_person_leaves_the_others_whole(from_two):
    assert from_two.code == 1
    assert re.search(rf"^sub-{LABEL}\tok", from_two.shown, re.MULTILINE)
    assert re.search(r"^sub-A01\tfailed", from_two.shown, re.MULTILINE)
    assert re.search(r"error: sub-A01: .*(truncated|damaged)", from_two.log)
    assert "1 of 2 people finished" in from_two.log
    assert from_two.table("targets")
    assert (from_two.out / f"sub-{LABEL}.html").is_file()
    assert not list(from_two.out.rglob("*A01*"))
    assert from_two.one("*_targets.tsv").parent.parent.name == "ses-1"


def test_the_first_crash_stops_when_asked(two_people, quick, tmp_path):
    ran = plan(two_people, tmp_path / "out", "--stop-on-first-crash", "--config-file", quick)
    refused(ran, "truncated|damaged", "sub-A01")
    assert f"sub-{LABEL}" not in ran.shown + ran.log.split("error:")[1]


def test_a_dry_run_writes_nothing(two_people, tmp_path):
    before = sorted(two_people.rglob("*"))
    ran = plan(two_people, tmp_path / "out", "--dry-run")
    assert f"sub-{LABEL}\tok" in ran.shown
    assert not ran.out.exists() and sorted(two_people.rglob("*")) == before


def test_reports_only_writes_again_from_finished_steps(two_people, from_two, quick):
    steps = {path: path.stat().st_mtime_ns for path in from_two.out.rglob("*.npz")}
    page = from_two.out / f"sub-{LABEL}.html"
    targets = from_two.one("*_targets.tsv")
    kept = targets.read_text()
    page.unlink()
    words = ("--participant-label", LABEL, "--session-label", "1", "--config-file", quick)
    with without_pictures():
        ran = plan(two_people, from_two.out, "--reports-only", *words)
    assert ran.code == 0, ran.log
    assert page.is_file() and targets.read_text() == kept
    assert {path: path.stat().st_mtime_ns for path in from_two.out.rglob("*.npz")} == steps
    assert "reading ses-1" not in ran.log


# 9. Other ways of mapping, and rows below the cortex


@pytest.fixture(scope="module")
def cohort_prior(two_people, xcpd, place) -> Path:
    words = ("--participant-label", LABEL, "--session-label", "2", "--labels", xcpd / "truth")
    made = act("prior", "build", two_people.parent / "one" / "xcpd", place / "cohort", *words, out=place)
    assert made.code == 0, made.log
    return place / "cohort_prior.npz"


# In two and a half minutes, eta² does not tell SCAN from AMN and the effectors.
@pytest.mark.parametrize(("method", "least"), [("eta2", {"AMN": 0.4}), ("ridge", {"SCAN": 0.3, "AMN": 0.6})])
def test_a_prior_of_people_serves_template_matching(method, least, cohort_prior, two_people, xcpd, tmp_path):
    words = ("--participant-label", LABEL, "--session-label", "1", "--prior", cohort_prior, "--method", method)
    with without_pictures():
        ran = plan(two_people, tmp_path / "out", *words)
    assert ran.code == 0, ran.log
    assert ran.record["method"] == method
    assert ran.record["method_settings"]["compression_error"] <= 1e-4
    assert "keep every correlation" in ran.page and "cohort_prior.npz" in ran.page
    truth = files.read_label_map(xcpd / "truth" / f"sub-{LABEL}_truth.dlabel.nii")
    key = {label: number for number, label in truth.names.items()}
    ours = {label: number for number, label in ran.map.names.items()}
    for network, share in least.items():
        mine, true = ran.map.label == ours[network], truth.label[: len(ran.map.label)] == key[network]
        assert 2 * (mine & true).sum() / (mine.sum() + true.sum()) > share


def test_voxels_are_labelled_when_asked_for(xcpd, from_two, quick, tmp_path):
    words = ("--subcortex", "--session-label", "1", "--config-file", quick)
    with without_pictures():
        ran = plan(xcpd, tmp_path / "out", *words)
    assert ran.code == 0, ran.log
    whole = files.read_label_map(ran.one("*_den-91k_dseg.dlabel.nii"))
    assert len(whole.label) == 91_282
    cortex = whole.label[:59_412]
    # Voxels shape no network; they share the compression, whose last digits may turn a vertex at a border.
    assert (cortex == from_two.map.label).mean() > 0.995
    assert (whole.label[59_412:] > 0).mean() > 0.99
    assert files.read_cifti_scalar(ran.one("*_den-91k_probseg.dscalar.nii")).data.shape[1] == 91_282
    assert "91,282 grayordinates" in ran.page and "regressed from each voxel" in ran.page
    assert ran.table("targets")


def test_voxels_cannot_be_had_from_cortical_series(xcpd, tmp_path):
    series = files.read_cifti_series(session(xcpd, ".dtseries.nii"))
    bold = tmp_path / "sub-X_task-rest_desc-denoised_bold.dtseries.nii"
    files.write_dtseries(bold, series.cortex())
    refused(plan(None, tmp_path / "out", "--bold", bold, "--subcortex"), "cortical rows", "--subcortex")


def test_a_series_of_parcels_is_mapped(tmp_path):
    folder = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[2] / "shared" / "data")) / "parcellated_rest"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent (set ACTIONLOOP_DATA)")
    (bold,) = (folder / "dcan_ptseries").glob("*.ptseries.nii")
    with without_pictures():
        ran = plan(None, tmp_path / "out", "--bold", bold, "--participant-label", "X1")
    assert ran.code == 0, ran.log
    assert "cannot be placed better than a parcel is large" in ran.page
    _, parcels = files.read_ptseries(bold)
    for rows in parcels.members:
        assert len(np.unique(ran.map.label[rows])) == 1
    assert {row["network"] for row in ran.table("targets")} >= {"SCAN"}
