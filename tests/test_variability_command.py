"""`actionloop variability` through its command: moved maps of known places, what is kept, what is refused."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from actionloop import files
from actionloop.cli import main
from actionloop.errors import ActionloopError
from actionloop.pipeline.people import MapFolder
from actionloop.pipeline.priors import cached_default_prior
from actionloop.types import Grayordinates, NetworkMap, Voxels

PEOPLE = 4
VOXELS = Voxels(
    np.array([[40, 50, 30], [41, 50, 40]]),
    np.array(["CIFTI_STRUCTURE_THALAMUS_LEFT"] * 2),
    np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]]),
    (91, 109, 91),
)


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))


def person_map(number: int, *, voxels: Voxels | None = None) -> NetworkMap:
    """Labels of the default prior; each further person has more of SCAN unassigned, the last no foot at all."""
    prior = cached_default_prior()
    cortex = files.template_grayordinates()
    label = prior.keys[prior.probability.argmax(axis=0)].copy()
    own = np.flatnonzero(label == prior.keys[prior.names.index("SCAN")])
    label[own[: number * len(own) // 10]] = 0
    if number == PEOPLE:
        label[label == prior.keys[prior.names.index("foot")]] = prior.keys[prior.names.index("hand")]
    axis = Grayordinates(cortex.left, cortex.right, cortex.n_vertices, voxels)
    label = np.concatenate([label, np.full(0 if voxels is None else len(voxels.ijk), prior.keys[0])])
    one_hot = (label == prior.keys[:, None]).astype(np.float32)
    return NetworkMap(prior.names, prior.keys, prior.colours, one_hot, label, one_hot.max(axis=0), axis, "given")


@pytest.fixture(scope="module")
def maps(tmp_path_factory) -> Path:
    """A folder as `plan` leaves it: labels, probabilities and confidence beside each other; a fifth file is broken."""
    root = tmp_path_factory.mktemp("plan") / "maps"
    for number in range(1, PEOPLE + 1):
        func = root / f"sub-{number:02d}" / "func"
        name = func / f"sub-{number:02d}_task-rest_space-fsLR_seg-actionloop_den-32k"
        func.mkdir(parents=True)
        made = person_map(number)
        files.write_dlabel(f"{name}_dseg.dlabel.nii", made)
        if number == 1:
            files.write_dscalar(f"{name}_probseg.dscalar.nii", made.probability, made.names, made.grayordinates)
            files.write_dscalar(
                f"{name}_stat-confidence_boldmap.dscalar.nii", made.confidence, ["c"], made.grayordinates
            )
    (root / "sub-05").mkdir()
    (root / "sub-05" / "sub-05_dseg.dlabel.nii").write_bytes(b"nothing")
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


def test_maps_of_plan_are_put_together(maps, tmp_path):
    out = tmp_path / "out"
    scan = files.template_anatomy().surface("L").vertices[files.template_grayordinates().left]
    made = [person_map(number) for number in range(1, PEOPLE + 1)]
    n_left = len(files.template_grayordinates().left)
    own = np.flatnonzero(made[-1].members("SCAN")[:n_left])
    at = scan[own[len(own) // 2]]
    code, shown, said = run("variability", maps, out, "--coordinate", *(f"{value:.2f}" for value in at))
    assert code == 1 and "sub-05\tfailed" in shown and "Traceback" not in said, said
    shares = files.read_cifti_scalar(out / "variability_probseg.dscalar.nii")
    for name in ("SCAN", "AMN", "foot"):
        naive = np.mean([one.members(name) for one in made if name in one.names], axis=0)
        if name == "SCAN":  # rows without a label in a finished map count as without data
            known = np.mean([one.label > 0 for one in made], axis=0)
            naive = np.divide(naive, known, out=np.zeros_like(naive), where=known > 0)
        np.testing.assert_allclose(shares.data[shares.names.index(name)], naive, atol=1e-6)
    differ = files.read_cifti_scalar(out / "variability_entropy.dscalar.nii")
    foot, hand = (made[0].members(name) & (made[-1].label > 0) for name in ("foot", "hand"))
    expected = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    np.testing.assert_allclose(differ.data[0][foot], expected, atol=1e-6)
    assert not differ.data[0][hand].any() and differ.data[3].max() == PEOPLE
    nodes = {(row["name"], row["hemisphere"]): row for row in rows_of(out / "variability_nodes.tsv")}
    middle = nodes["SCAN middle", "R"]
    # What is taken from SCAN lies at the beginning of the left side: on the right everybody is alike.
    assert middle["found_in"] == str(PEOPLE) and float(middle["cortex_median_mm"]) == 0
    sites = [row for row in rows_of(out / "variability_sites.tsv") if row["site"].startswith("coordinate")]
    assert [row["network"] for row in sites] == ["SCAN", "AMN"]
    assert float(sites[0]["hit"]) == 1 and float(sites[0]["moved_mm"]) < 0.02 and float(sites[1]["hit"]) == 0
    group = [row for row in rows_of(out / "variability_sites.tsv") if row["kind"] == "group"]
    assert group and all(row["people"] == str(PEOPLE) for row in group if row["hemisphere"] == "R")
    told = json.loads((out / "variability.json").read_text())
    assert {"Name": "foot", "People": PEOPLE - 1} in told["Networks"] and told["LeftOut"][0]["Label"] == "05"
    assert set(rows_of(out / "variability_nodes.tsv")[0]) == set(told["NodeColumns"])
    assert set(sites[0]) == set(told["SiteColumns"]) and str(maps.parent) not in json.dumps(told)
    page = (out / "variability.html").read_text()
    assert "Not everybody&#39;s map has foot (3)" in page and "log2(n)" in page and "sub-05 is left out" in page
    for name in ("SCAN", "AMN", "entropy"):
        assert (out / f"variability_{name}.png").read_bytes().startswith(b"\x89PNG")
    kept = list((out / ".work").glob("sub-*/labels-*.npz"))
    assert len(kept) == PEOPLE and max(path.stat().st_size for path in kept) < 1_000_000


def test_the_map_of_the_asked_kind_is_taken(maps, tmp_path):
    folder = MapFolder(maps)
    assert folder.file_of("01").name.endswith("_dseg.dlabel.nii") and folder.labels == ("01", "02", "03", "04", "05")
    both = tmp_path / "both"
    both.mkdir()
    for density in ("32k", "91k"):
        voxels = VOXELS if density == "91k" else None
        files.write_dlabel(both / f"sub-01_den-{density}_dseg.dlabel.nii", person_map(1, voxels=voxels))
    (both / "group_dseg.dlabel.nii").write_bytes(b"nobody")
    assert MapFolder(both).labels == ("01",)
    assert "den-32k" in MapFolder(both).file_of("01").name
    assert "den-91k" in MapFolder(both, subcortex=True).file_of("01").name
    (both / "sub-01_other_dseg.dlabel.nii").write_bytes(b"x")
    with pytest.raises(ActionloopError, match="expected one map of sub-01, found sub-01_den-32k"):
        MapFolder(both).file_of("01")


def test_what_cannot_be_used_is_one_error_and_leaves_nothing(maps, tmp_path):
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    for words, expected in (
        ((tmp_path / "absent", out), "expected a folder"),
        ((empty, out), "neither a data set nor a folder of maps"),
        ((maps, out, "--participant-label", "01"), "two people or more"),
        ((maps, out, "--prior", tmp_path / "p.mat"), "these maps are finished"),
        ((maps, out, "--coordinate", 0.5, 10, 50), "has no side"),
        ((maps, out, "--coordinate", -400, 10, 50), "from the nearest cortex"),
        ((maps, out, "--subcortex", "--participant-label", "01", "02"), "has no subcortex"),
        ((maps, out, "--participant-label", "05", "06"), "none of the 2 people"),
    ):
        code, _, said = run("variability", *words)
        assert code in (1, 2) and expected in said and "Traceback" not in said, said
        assert not out.exists(), expected
