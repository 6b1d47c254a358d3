"""Output names, the output folder, and files that other programs open."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionloop import __version__, facts
from actionloop.errors import InputError, OutputError
from actionloop.files import (
    OutputFolder,
    atomic_path,
    clear_stale,
    declared_outputs,
    file_sha256,
    network_rows,
    node_rows,
    outputs_table,
    provenance,
    shown_path,
    site_rows,
    source_dataset,
    table_sidecar,
    target_rows,
    versions,
    write_dlabel,
    write_dscalar,
    write_dtseries,
    write_gifti_labels,
    write_gifti_scalar,
    write_gifti_surface,
    write_json,
    write_table,
)
from actionloop.files.atomic import atomic_folder
from actionloop.types import Grayordinates, NetworkMap, Piece, SiteReading, Surface, Target, Timeseries, Voxels

WB = shutil.which("wb_command")
needs_wb = pytest.mark.skipif(WB is None, reason="wb_command (connectome-workbench) is not installed")
PERSON = {"sub": "01", "task": "rest"}


def an_axis(*, voxels: bool = False) -> Grayordinates:
    left = np.arange(3, 29_699)
    right = np.arange(5, 29_721)
    inside = None
    if voxels:
        ijk = np.argwhere(np.ones((3, 4, 5), bool)) + 20
        structure = np.repeat(["CIFTI_STRUCTURE_THALAMUS_LEFT", "CIFTI_STRUCTURE_THALAMUS_RIGHT"], 30)
        affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
        inside = Voxels(ijk, structure, affine, (91, 109, 91))
    return Grayordinates(left, right, voxels=inside)


def a_map(*, voxels: bool = False) -> NetworkMap:
    axis = an_axis(voxels=voxels)
    rng = np.random.default_rng(4)
    probability = rng.random((3, len(axis))).astype(np.float32)
    probability /= probability.sum(axis=0)
    label = np.array([18, 9, 17])[probability.argmax(axis=0)]
    label[::50] = 0
    ordered = np.sort(probability, axis=0)
    return NetworkMap(
        ("SCAN", "AMN", "Foot"),
        np.array([18, 9, 17]),
        np.array([[0.5, 0.1, 0.2], [0.4, 0.2, 0.6], [0.1, 0.6, 0.3]]),
        probability,
        label,
        ordered[-1] - ordered[-2],
        axis,
        "test",
    )


def a_piece(hemisphere: str = "L") -> Piece:
    x = -38.0 if hemisphere == "L" else 38.0
    point = np.array([x, -18.0, 44.0])
    return Piece(
        "SCAN middle",
        "SCAN",
        hemisphere,
        np.arange(5),
        210.0,
        3,
        point,
        point + 1,
        4,
        point + 2,
        point + 3,
        0.6,
        0.9,
        0.5,
        17.5,
    )


def a_target(rank: int = 1, hemisphere: str = "L") -> Target:
    piece = a_piece(hemisphere)
    return Target(
        rank, piece, 4, piece.peak_ras, piece.peak_mni, 0.8, {"crown": 1.0}, ("on a crown", "large"), {"Hand": 6.25},
        0.4, site_distance_mm={"M1 hand knob": 9.96},
    )  # fmt: skip


# ---- names


def test_names_follow_bids():
    name = declared_outputs()["dlabel"].name
    assert name(PERSON) == "sub-01/func/sub-01_task-rest_space-fsLR_seg-actionloop_den-32k_dseg.dlabel.nii"
    assert name({**PERSON, "ses": "b2", "den": "91k", "run": None}) == (
        "sub-01/ses-b2/func/sub-01_ses-b2_task-rest_space-fsLR_seg-actionloop_den-91k_dseg.dlabel.nii"
    )
    targets = declared_outputs()["targets"].name({**PERSON, "space": "T1w"})
    assert targets == "sub-01/func/sub-01_task-rest_space-T1w_seg-actionloop_targets.tsv"
    order = ["sub", "ses", "task", "run", "hemi", "space", "seg", "den", "stat", "desc"]
    for output in declared_outputs().values():
        keys = [part.split("-")[0].strip("[_") for part in output.pattern.rsplit("/", 1)[-1].split("_") if "-" in part]
        assert [key for key in order if key in keys] == [key for key in keys if key in order], output.pattern


@pytest.mark.parametrize("label", ["../../x", "a/b", "a_b", "a-b", "a b", "<script>", ""])
def test_labels_that_are_not_bids_are_refused(label):
    with pytest.raises(OutputError):
        declared_outputs()["dlabel"].name({"sub": label})


def test_every_output_is_declared_once_and_recognises_its_own_name():
    entities = {"sub": "01", "ses": "1", "task": "rest", "run": "1", "hemi": "L", "space": "T1w"}
    entities |= {"desc": "map", "slice": "0001", "acq": "M1", "kind": "ranking", "cell": "0a1b"}
    names = {output.key: output.name(entities) for output in declared_outputs().values()}
    assert len(set(names.values())) == len(names)
    for output in declared_outputs().values():
        assert output.required or output.when
        assert output.matches(names[output.key])
        assert [other.key for other in declared_outputs().values() if other.matches(names[output.key])] == [output.key]
        assert not output.matches("other/" + names[output.key])
    assert [row["file"] for row in outputs_table()] == [output.pattern for output in declared_outputs().values()]


def test_declared_columns_are_the_written_columns():
    declared = facts.load("outputs")["columns"]
    network_map = a_map()
    areas = {"L": np.ones(32_492), "R": np.full(32_492, 2.0)}
    rows = {
        "targets": target_rows([a_target()]),
        "nodes": node_rows([a_piece()]),
        "sites": site_rows([a_site()], [a_target()]),
        "networks": network_rows(network_map, areas),
    }
    for table, made in rows.items():
        assert list(made[0]) == list(declared[table]), table
    assert [*declared["targets"]][:7] == ["rank", "name", "network", "side", "x", "y", "z"]
    scan = rows["networks"][0]
    assert scan["area_left"] == (network_map.label[:29_696] == 18).sum()
    assert scan["area_right"] == 2 * (network_map.label[29_696:59_412] == 18).sum()


def a_site(hemisphere: str = "L") -> SiteReading:
    x = -1 if hemisphere == "L" else 1
    return SiteReading(
        "M1 hand knob", hemisphere, np.array([40.0 * x, -20, 50]), np.array([39.0 * x, -20, 50]), "Hand", 0.7, "a paper"
    )


def test_tables_say_the_side_in_words_and_never_mix_sides():
    rows = site_rows([a_site("L"), a_site("R")], [a_target(1, "R"), a_target(2, "L")])
    assert [(row["side"], row["best_target"]) for row in rows] == [
        ("left", "SCAN middle L"),
        ("right", "SCAN middle R"),
    ]
    assert rows[0]["best_target_distance"] == pytest.approx(np.linalg.norm([3, 4, -4]))
    first, second = target_rows([a_target(2, "L"), a_target(1, "R")])
    assert (first["rank"], first["side"], first["x"]) == (1, "right", 40.0)
    assert (second["rank"], second["side"], second["x"]) == (2, "left", -36.0)
    assert second["sites"] == "M1 hand knob 10.0"
    assert table_sidecar("targets", frame="T1w")["x"]["Units"] == "mm"


# ---- the folder


def test_a_new_folder_is_a_derivative_dataset(tmp_path):
    folder = OutputFolder(tmp_path / "a" / "out", sources=[{"URL": "../xcpd"}])
    described = json.loads((folder.path / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "actionloop"
    assert described["GeneratedBy"][0]["Version"] == __version__
    assert described["SourceDatasets"] == [{"URL": "../xcpd"}]
    assert facts.notice() in (folder.path / "README.md").read_text()
    assert "*_targets.*" in (folder.path / ".bidsignore").read_text()
    before = (folder.path / "dataset_description.json").stat().st_mtime_ns
    OutputFolder(folder.path, sources=[{"URL": "../xcpd"}])
    assert (folder.path / "dataset_description.json").stat().st_mtime_ns == before
    OutputFolder(folder.path, sources=[{"URL": "../hcp"}])
    assert len(json.loads((folder.path / "dataset_description.json").read_text())["SourceDatasets"]) == 2


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        OutputFolder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]
    folder = OutputFolder(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    assert folder.has("description")
    OutputFolder(tmp_path)  # now it is ours


@pytest.mark.parametrize(
    "name",
    [
        "dataset_description.json",
        "sub-01.html",
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_space-fsLR_seg-actionloop_den-32k_dseg.dlabel.nii",
    ],
)
def test_overwrite_never_touches_files_of_others(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('{"GeneratedBy": [{"Name": "fMRIPrep"}]}')
    with pytest.raises(OutputError):
        OutputFolder(tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() == '{"GeneratedBy": [{"Name": "fMRIPrep"}]}'
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]


def test_overwrite_keeps_the_readme_of_others(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    OutputFolder(tmp_path, overwrite=True)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"GeneratedBy": 3}', '{"GeneratedBy": ["actionloop"]}', "\x00"])
def test_a_damaged_description_is_not_ours(tmp_path, content):
    (tmp_path / "dataset_description.json").write_text(content)
    with pytest.raises(OutputError):
        OutputFolder(tmp_path)
    assert (tmp_path / "dataset_description.json").read_text() == content


def test_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "out", Path("/proc/no/out")):
        with pytest.raises(OutputError):
            OutputFolder(path)


def test_write_is_all_or_nothing(tmp_path):
    folder = OutputFolder(tmp_path / "out")

    def half(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        folder.write("report", {"sub": "01"}, half)
    assert not folder.has("report", {"sub": "01"})
    path = folder.write("report", {"sub": "01"}, lambda path: path.write_text("whole"))
    assert path == folder.path / "sub-01.html"
    with pytest.raises(RuntimeError):
        folder.write("report", {"sub": "01"}, half)
    assert path.read_text() == "whole"
    assert not list(folder.path.rglob(".actionloop-*"))

    def full_disk(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        folder.write("targets", PERSON, full_disk)


def test_missing_lists_what_is_not_there(tmp_path):
    folder = OutputFolder(tmp_path)
    assert "targets" in folder.missing(PERSON)
    assert "description" not in folder.missing(PERSON)
    assert "brainsight" not in folder.missing(PERSON)
    folder.write("label_gifti", {**PERSON, "hemi": "L"}, lambda path: path.write_text("x"))
    assert folder.missing(PERSON, keys=["label_gifti", "readme"]) == ["label_gifti"]
    folder.write("label_gifti", {**PERSON, "hemi": "R"}, lambda path: path.write_text("x"))
    assert folder.missing(PERSON, keys=["label_gifti"]) == []


def test_killed_writer_leaves_nothing_and_a_living_one_is_spared(tmp_path):
    program = textwrap.dedent(
        """
        import sys, time
        from actionloop.files import OutputFolder
        folder = OutputFolder(sys.argv[1])
        def slow(path):
            path.write_text("half")
            print("ready", flush=True)
            time.sleep(60)
        folder.write("report", {"sub": "01"}, slow)
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(out)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout.readline().strip() == "ready"
        OutputFolder(out)
        assert len(list(out.rglob(".actionloop-*"))) == 1, "the temporary of a living writer was removed"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert not (out / "sub-01.html").exists()
    OutputFolder(out)
    assert not list(out.rglob(".actionloop-*"))
    assert clear_stale(out) == 0


def test_folder_of_a_killed_writer_is_cleared_and_that_of_a_living_one_is_spared(tmp_path):
    program = textwrap.dedent(
        """
        import sys, time
        from actionloop.files.atomic import atomic_folder
        with atomic_folder(sys.argv[1]) as whole:
            (whole / "IM0001.dcm").write_text("half a series")
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    out = tmp_path / "sub-01" / "dicom"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(out)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout.readline().strip() == "ready"
        assert clear_stale(tmp_path) == 0, "the folder of a living writer was removed"
        (held,) = (path for path in tmp_path.rglob(".actionloop-*"))
        assert (held / "whole" / "IM0001.dcm").is_file()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    (tmp_path / "sub-01" / ".actionloop-0123-no-lock").mkdir()  # killed before it had a lock
    assert clear_stale(tmp_path) == 2
    assert not any((tmp_path / "sub-01").iterdir()) and clear_stale(tmp_path) == 0


def test_atomic_folder_appears_whole_or_not_at_all(tmp_path):
    with atomic_folder(tmp_path / "new" / "series") as whole:
        (whole / "a.dcm").write_text("a")
        assert not (tmp_path / "new" / "series").exists()
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["series", "a.dcm"]
    with pytest.raises(OutputError, match="not empty"), atomic_folder(tmp_path / "new" / "series"):
        pass
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "other") as whole:
        (whole / "a.dcm").write_text("a")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_atomic_path_keeps_the_ending_and_nests(tmp_path):
    with atomic_path(tmp_path / "new" / "x.dlabel.nii") as outer:
        assert outer.name.endswith("x.dlabel.nii")
        with atomic_path(outer) as inner:
            assert inner == outer
            inner.write_text("content")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.dlabel.nii"]


# ---- tables, JSON, provenance


@given(
    st.lists(
        st.fixed_dictionaries({"a": st.one_of(st.none(), st.text(), st.floats(), st.integers()), "b": st.text()}),
        max_size=4,
    )
)
def test_tables_keep_their_shape_whatever_the_text(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "x.tsv"
    write_table(path, rows, columns=["a", "b"])
    lines = path.read_bytes().decode().split("\n")
    assert lines[-1] == ""
    assert len(lines) == len(rows) + 2
    assert {line.count("\t") for line in lines[:-1]} == {1}


def test_table_cells(tmp_path):
    row = {
        "a": np.float32(1 / 3),
        "b": None,
        "c": float("nan"),
        "d": True,
        "e": -0.0,
        "f": ["x", "y"],
        "g": np.int64(7),
    }
    write_table(tmp_path / "x.tsv", [row])
    assert (tmp_path / "x.tsv").read_text().splitlines()[1] == "0.333333\tn/a\tn/a\ttrue\t0\tx; y\t7"
    with pytest.raises(OutputError, match="zz"):
        write_table(tmp_path / "y.tsv", [{"zz": 1}], columns=["a"])
    assert not (tmp_path / "y.tsv").exists()


def test_json_holds_plain_values(tmp_path):
    write_json(tmp_path / "x.json", {"a": np.eye(2), "b": float("inf"), "c": Path("d/e"), "f": {np.int64(3): (1, "µ")}})
    read = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert read == {"a": [[1.0, 0.0], [0.0, 1.0]], "b": None, "c": "d/e", "f": {"3": [1, "µ"]}}


def test_provenance_names_inputs_without_the_machine(tmp_path):
    held = tmp_path / "data" / "sub-01" / "bold.nii"
    held.parent.mkdir(parents=True)
    held.write_bytes(b"x" * 3_000_000)
    made = provenance(
        [held, held],
        root=tmp_path / "data",
        options={"t1w": tmp_path / "data" / "t1.nii", "out": str(tmp_path / "out"), "networks": ["SCAN"]},
        seed=3,
        frame="T1w",
    )
    digest = hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert made["Inputs"] == [{"File": "sub-01/bold.nii", "SHA256": digest, "Bytes": 3_000_000}]
    assert made["Options"] == {"t1w": "t1.nii", "out": "out", "networks": ["SCAN"]}
    assert made["Seed"] == 3
    assert made["Versions"]["numpy"] == np.__version__
    text = json.dumps(made)
    for secret in (str(tmp_path), str(Path.home()), os.uname().nodename, os.environ.get("USER") or "\0"):
        assert secret in ("/root", "root") or secret not in text
    with pytest.raises(InputError):
        file_sha256(tmp_path / "absent")
    assert shown_path("data/x.nii") == "data/x.nii"
    assert shown_path("/somewhere/else/x.nii", root=tmp_path) == "x.nii"
    assert "python" in versions()


def test_source_dataset_is_relative(tmp_path):
    inputs = tmp_path / "xcpd"
    inputs.mkdir()
    assert source_dataset(inputs, out=tmp_path / "out") == {"URL": "../xcpd"}
    (inputs / "dataset_description.json").write_text(
        '{"GeneratedBy": [{"Name": "xcp_d", "Version": "0.10"}], "DatasetDOI": "doi:1"}'
    )
    assert source_dataset(inputs, out=tmp_path / "out") == {"URL": "../xcpd", "DOI": "doi:1", "Version": "xcp_d 0.10"}


# ---- images


@pytest.mark.parametrize("voxels", [False, True])
def test_dlabel_and_dscalar_come_back(tmp_path, voxels):
    network_map = a_map(voxels=voxels)
    write_dlabel(tmp_path / "x.dlabel.nii", network_map)
    image = nibabel.load(tmp_path / "x.dlabel.nii")
    labels, models = (image.header.get_axis(i) for i in (0, 1))
    np.testing.assert_array_equal(np.asarray(image.dataobj)[0], network_map.label)
    assert labels.label[0][18] == ("SCAN", pytest.approx((0.5, 0.1, 0.2, 1.0)))
    assert labels.label[0][0][1][3] == 0
    structures = {name: (part.start, part.stop) for name, part, _ in models.iter_structures()}
    assert structures["CIFTI_STRUCTURE_CORTEX_LEFT"][0] == 0
    np.testing.assert_array_equal(models.vertex[:29_696], network_map.grayordinates.left)
    assert models.nvertices["CIFTI_STRUCTURE_CORTEX_RIGHT"] == 32_492
    assert image.nifti_header.get_intent()[0] == "ConnDenseLabel"
    write_dscalar(tmp_path / "x.dscalar.nii", network_map.probability, network_map.names, network_map.grayordinates)
    scalar = nibabel.load(tmp_path / "x.dscalar.nii")
    np.testing.assert_array_equal(np.asarray(scalar.dataobj), network_map.probability)
    assert list(scalar.header.get_axis(0).name) == ["SCAN", "AMN", "Foot"]
    with pytest.raises(OutputError):
        write_dscalar(tmp_path / "y.dscalar.nii", network_map.probability, ["one"], network_map.grayordinates)
    assert not (tmp_path / "y.dscalar.nii").exists()


def test_dtseries_keeps_the_repetition_time(tmp_path):
    axis = an_axis()
    series = Timeseries(np.random.default_rng(0).random((4, len(axis)), dtype=np.float32), axis, 1.4)
    write_dtseries(tmp_path / "x.dtseries.nii", series)
    image = nibabel.load(tmp_path / "x.dtseries.nii")
    assert image.header.get_axis(0).step == 1.4
    assert image.header.get_axis(0).unit == "SECOND"
    np.testing.assert_array_equal(np.asarray(image.dataobj), series.data)


def a_surface() -> Surface:
    vertices = np.array([[-10.0, 0, 0], [-20, 0, 0], [-10, 10, 0], [-10, 0, 10]])
    return Surface(vertices, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]), "L", "midthickness", "T1w")


def test_gifti_and_nifti_come_back(tmp_path):
    network_map = a_map()
    write_gifti_labels(tmp_path / "x.label.gii", network_map, "R")
    labels = nibabel.load(tmp_path / "x.label.gii")
    np.testing.assert_array_equal(labels.darrays[0].data, network_map.grayordinates.to_mesh(network_map.label, "R"))
    assert labels.meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert labels.labeltable.get_labels_as_dict() == {0: "???", 18: "SCAN", 9: "AMN", 17: "Foot"}
    values = network_map.grayordinates.to_mesh(network_map.probability, "L")
    write_gifti_scalar(tmp_path / "x.func.gii", values, network_map.names, "L")
    scalars = nibabel.load(tmp_path / "x.func.gii")
    np.testing.assert_array_equal(np.stack([array.data for array in scalars.darrays]), values)
    assert [array.meta["Name"] for array in scalars.darrays] == ["SCAN", "AMN", "Foot"]
    write_gifti_surface(tmp_path / "x.surf.gii", a_surface())
    surface = nibabel.load(tmp_path / "x.surf.gii")
    np.testing.assert_allclose(surface.agg_data("pointset"), a_surface().vertices)


def wb(*arguments: object) -> str:
    outcome = subprocess.run([WB, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


@needs_wb
@pytest.mark.parametrize("voxels", [False, True])
def test_workbench_opens_cifti(tmp_path, voxels):
    network_map = a_map(voxels=voxels)
    write_dlabel(tmp_path / "x.dlabel.nii", network_map)
    told = wb("-file-information", tmp_path / "x.dlabel.nii")
    assert "CIFTI - Dense Label" in told
    assert "SCAN" in told
    assert "CortexLeft" in told
    assert f"{len(network_map.grayordinates)}" in told
    wb("-cifti-separate", tmp_path / "x.dlabel.nii", "COLUMN", "-label", "CORTEX_RIGHT", tmp_path / "wb.label.gii")
    separated = nibabel.load(tmp_path / "wb.label.gii")
    write_gifti_labels(tmp_path / "our.label.gii", network_map, "R")
    ours = nibabel.load(tmp_path / "our.label.gii")
    np.testing.assert_array_equal(separated.darrays[0].data, ours.darrays[0].data)
    theirs = {label.key: (label.label, label.rgba) for label in separated.labeltable.labels}
    for label in ours.labeltable.labels:
        assert theirs[label.key][0] == label.label
        np.testing.assert_allclose(theirs[label.key][1], label.rgba, atol=1e-6)
    write_dscalar(tmp_path / "x.dscalar.nii", network_map.probability, network_map.names, network_map.grayordinates)
    wb("-cifti-separate", tmp_path / "x.dscalar.nii", "COLUMN", "-metric", "CORTEX_LEFT", tmp_path / "wb.func.gii")
    metric = nibabel.load(tmp_path / "wb.func.gii")
    expected = network_map.grayordinates.to_mesh(network_map.probability, "L")
    np.testing.assert_allclose(np.stack([array.data for array in metric.darrays]), expected, atol=1e-7)
    if voxels:
        structure, volume = "THALAMUS_RIGHT", tmp_path / "thalamus.nii"
        wb("-cifti-separate", tmp_path / "x.dscalar.nii", "COLUMN", "-volume", structure, volume)
        assert np.count_nonzero(np.asarray(nibabel.load(volume).dataobj)[..., 0]) == 30


@needs_wb
def test_workbench_opens_gifti_and_series(tmp_path):
    network_map = a_map()
    write_gifti_labels(tmp_path / "x.label.gii", network_map, "L")
    assert "CortexLeft" in wb("-file-information", tmp_path / "x.label.gii")
    write_gifti_scalar(tmp_path / "x.func.gii", np.ones((1, 32_492)), ["one"], "R")
    assert "CortexRight" in wb("-file-information", tmp_path / "x.func.gii")
    write_gifti_surface(tmp_path / "x.surf.gii", a_surface())
    told = wb("-file-information", tmp_path / "x.surf.gii")
    assert "CortexLeft" in told
    assert "Midthickness" in told
    assert "Normal Vectors Correct:     true" in told
    axis = an_axis()
    series = Timeseries(np.random.default_rng(0).random((4, len(axis)), dtype=np.float32), axis, 0.72)
    write_dtseries(tmp_path / "x.dtseries.nii", series)
    told = wb("-file-information", tmp_path / "x.dtseries.nii")
    assert "0.72" in told
    assert "Seconds" in told
