"""Choosing people, sessions and runs; folders and files that are not what they seem; headers and names."""

from __future__ import annotations

import gzip
import json
import random
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionloop.errors import InputError
from actionloop.files import Selection, detect_layout, find_person, list_people, read_bids_filter
from actionloop.files.bids import is_combined, natural_key, parse_name
from actionloop.files.peek import cifti_header, gifti_vertices, mgh_header
from actionloop.files.sidecar import repetition_time

HEMIS = ("L", "R")
BOLD = "space-fsLR_den-91k_desc-denoised_bold"


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put(root: Path, *names: str) -> None:
    for name in names:
        touch(root / name)


def put_json(path: Path, **content: object) -> Path:
    return touch(path, json.dumps(content))


def put_series(path: Path, *, tr_s: float = 0.8, n_frames: int = 5) -> Path:
    """Write a real CIFTI-2 series of three rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = nib.cifti2.BrainModelAxis.from_surface([0, 1, 2], 32492, "CortexLeft")
    axis = nib.cifti2.SeriesAxis(0, tr_s, n_frames)
    nib.save(nib.Cifti2Image(np.ones((n_frames, 3), np.float32), (axis, rows)), path)
    return path


def put_mgz(path: Path, *, n_vertices: int, n_frames: int = 4, tr_ms: float = 1000) -> Path:
    """Write a real .mgz by the format's description: 284 bytes of header, data, then the TR in ms."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">7i", 1, n_vertices, 1, 1, n_frames, 3, 0).ljust(284, b"\0")
    with gzip.open(path, "wb") as stream:
        stream.write(head + b"\0" * (4 * n_vertices * n_frames) + struct.pack(">4f", tr_ms, 0, 0, 0))
    return path


@pytest.fixture
def xcpd(tmp_path: Path) -> Path:
    root = tmp_path / "xcp_d"
    put_json(root / "dataset_description.json", DatasetType="derivative", GeneratedBy=[{"Name": "xcp_d"}])
    for run in ("01", "02"):
        stem = f"sub-01_task-rest_run-{run}"
        put_series(root / "sub-01" / "func" / f"{stem}_{BOLD}.dtseries.nii")
        put_json(root / "sub-01" / "func" / f"{stem}_{BOLD}.json", RepetitionTime=0.8)
        put(root / "sub-01" / "func", f"{stem}_outliers.tsv", f"{stem}_motion.tsv")
    return root


def put_fmriprep(root: Path, *, runs: tuple[int, ...]) -> Path:
    put_json(root / "dataset_description.json", GeneratedBy=[{"Name": "fMRIPrep"}])
    for run in runs:
        put_series(root / "sub-01" / "func" / f"sub-01_task-rest_run-{run}_space-fsLR_den-91k_bold.dtseries.nii")
        put(root / "sub-01" / "func", f"sub-01_task-rest_run-{run}_desc-confounds_timeseries.tsv")
    for hemi in HEMIS:
        put(root / "sub-01" / "anat", *(f"sub-01_hemi-{hemi}_den-32k_{kind}.surf.gii" for kind in ("white", "pial")))
    put(root / "sub-01" / "anat", *(f"sub-01_acq-{a}_desc-preproc_T1w.nii.gz" for a in "cab"))
    return root


# --- choosing ---


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """Two sessions, two tasks, ten runs of rest in the second."""
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "xcp_d"}])
    for session, task, run in [
        ("01", "nback", ""),
        ("01", "rest", "_run-1"),
        *(("02", "rest", f"_run-{i}") for i in range(1, 11)),
    ]:
        func = tmp_path / "sub-01" / f"ses-{session}" / "func"
        put_series(func / f"sub-01_ses-{session}_task-{task}{run}_{BOLD}.dtseries.nii")
        put(func, f"sub-01_ses-{session}_task-{task}{run}_outliers.tsv")
    return tmp_path


def names(root: Path, **selection: object) -> list[str]:
    return [run.name for run in find_person(root, "01", selection=Selection(**selection)).runs]  # type: ignore[arg-type]


def test_resting_runs_by_default_in_natural_order(sessions: Path) -> None:
    found = find_person(sessions, "01")
    assert [run.name for run in found.runs] == [
        "ses-01_task-rest_run-1",
        *(f"ses-02_task-rest_run-{i}" for i in range(1, 11)),
    ]
    assert any("left out: task nback" in note for note in found.notes)


def test_labels_choose(sessions: Path) -> None:
    assert names(sessions, sessions=["01"], tasks=["nback", "rest"]) == ["ses-01_task-nback", "ses-01_task-rest_run-1"]
    assert names(sessions, sessions=["ses-02"], runs=["run-01", "10"]) == [
        "ses-02_task-rest_run-1",
        "ses-02_task-rest_run-10",
    ]
    assert names(sessions, tasks=["task-nback"]) == ["ses-01_task-nback"]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"sessions": ["03"]}, "session 03 was asked for and is not there; there are 01, 02"),
        ({"tasks": ["motor"]}, "task motor was asked for and is not there; there are nback, rest"),
        ({"runs": ["11"]}, "run 11 was asked for .* there are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ({"acquisitions": ["AP"]}, "no file name states a acquisition"),
        ({"sessions": ["02"], "tasks": ["nback"]}, "no run is left .* ses-01_task-nback"),
        ({"bids_filter": {"bold": {"session": "09"}}}, "no run is left"),
    ],
)
def test_what_is_not_there_is_named(sessions: Path, selection: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        names(sessions, **selection)


def test_bids_filter_as_fmriprep_reads_it(sessions: Path, tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    text = {"bold": {"datatype": "func", "suffix": "bold", "ses": ["01"], "task": "rest"}, "t1w": {"session": "01"}}
    path.write_text(json.dumps(text))
    read = read_bids_filter(path)
    assert read == {"bold": {"session": ["01"], "task": "rest"}, "t1w": {"session": "01"}}
    assert names(sessions, bids_filter=read) == ["ses-01_task-rest_run-1"]
    assert names(sessions, bids_filter={"bold": {"run": None, "task": "*"}}) == ["ses-01_task-nback"]
    assert names(sessions, bids_filter={"bold": {"run": "Query.NONE", "task": "nback"}}) == ["ses-01_task-nback"]
    assert names(sessions, bids_filter={"bold": {"run": [1, "02"]}}, sessions=["02"]) == [
        "ses-02_task-rest_run-1",
        "ses-02_task-rest_run-2",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not hold an object"),
        ('{"BOLD": {}}', "unknown query BOLD"),
        ('{"bold": ["rest"]}', "is not an object"),
        ('{"bold": {"tsk": "rest"}}', "uses 'tsk'"),
        ('{"bold": {"task": {"a": 1}}}', "not a label"),
        ('{"bold": {"run": true}}', "not a label"),
    ],
)
def test_bids_filter_errors(tmp_path: Path, text: str, message: str) -> None:
    path = touch(tmp_path / "filter.json", text)
    with pytest.raises(InputError, match=message):
        read_bids_filter(path)


# --- people, folders, files that are not what they seem ---


def test_label_that_is_not_there_names_those_found_closest_first(tmp_path: Path) -> None:
    put_json(tmp_path / "dataset_description.json", GeneratedBy=[{"Name": "xcp_d"}])
    for label in ("pain02", "pain10", "control1"):
        (tmp_path / f"sub-{label}").mkdir()
    put(tmp_path, "sub-pain02.html")
    assert list_people(tmp_path) == ["control1", "pain02", "pain10"]
    with pytest.raises(InputError) as error:
        find_person(tmp_path, "sub-pain2")
    assert "'pain2' is not there; found pain02, " in str(error.value)
    assert "control1" in str(error.value) and "did you mean pain02" in str(error.value)


def test_folders_that_are_not_what_is_needed(tmp_path: Path, xcpd: Path) -> None:
    with pytest.raises(InputError, match="found nothing"):
        detect_layout(tmp_path / "absent")
    with pytest.raises(InputError, match="found a file"):
        detect_layout(xcpd / "dataset_description.json")
    with pytest.raises(InputError, match="one person") as error:
        detect_layout(xcpd / "sub-01")
    assert "--participant-label 01" in str(error.value) and str(xcpd) in str(error.value)
    with pytest.raises(InputError, match="folders inside it do") as error:
        detect_layout(tmp_path)
    assert str(xcpd) in str(error.value)
    raw = tmp_path / "raw"
    put_json(raw / "dataset_description.json", Name="study", BIDSVersion="1.8.0", DatasetType="raw")
    with pytest.raises(InputError, match="raw data set"):
        detect_layout(raw)
    put(tmp_path / "pictures", "holiday.jpg")
    with pytest.raises(InputError, match=r"found holiday\.jpg"):
        detect_layout(tmp_path / "pictures")


def test_layout_by_shape_without_a_description(tmp_path: Path, xcpd: Path) -> None:
    (xcpd / "dataset_description.json").unlink()
    assert detect_layout(xcpd) == "xcpd"
    prep = put_fmriprep(tmp_path / "prep", runs=(1,))
    (prep / "dataset_description.json").unlink()
    assert detect_layout(prep) == "fmriprep"
    touch(prep / "dataset_description.json", "{")
    with pytest.raises(InputError, match="JSON"):
        detect_layout(prep)


def test_a_written_phantom_is_told_by_its_shape(xcpd: Path) -> None:
    put_json(xcpd / "dataset_description.json", GeneratedBy=[{"Name": "actionloop"}], DatasetType="derivative")
    assert detect_layout(xcpd) == "xcpd"


def test_hidden_doubles_are_ignored(xcpd: Path) -> None:
    before = find_person(xcpd, "01")
    for path in [*xcpd.rglob("*")]:
        if path.is_file():
            touch(path.with_name(f"._{path.name}"), "AppleDouble")
    touch(xcpd / "._sub-09" / "x")
    assert list_people(xcpd) == ["01"]
    assert find_person(xcpd, "01") == before


def test_empty_file_and_unfetched_link_are_named(xcpd: Path) -> None:
    series = xcpd / "sub-01" / "func" / f"sub-01_task-rest_run-02_{BOLD}.dtseries.nii"
    series.write_bytes(b"")
    with pytest.raises(InputError, match="empty") as error:
        find_person(xcpd, "01")
    assert error.value.where == str(series)
    assert len(find_person(xcpd, "01", selection=Selection(runs=["1"])).runs) == 1
    series.unlink()
    series.symlink_to(xcpd / ".git" / "annex" / "objects" / "gone")
    with pytest.raises(InputError, match="link to content") as error:
        find_person(xcpd, "01")
    assert "datalad get" in str(error.value)


def test_links_to_files_that_are_there_serve(xcpd: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(xcpd, target_is_directory=True)
    series = xcpd / "sub-01" / "func" / f"sub-01_task-rest_run-02_{BOLD}.dtseries.nii"
    series.rename(tmp_path / "store.dtseries.nii")
    series.symlink_to(tmp_path / "store.dtseries.nii")
    assert len(find_person(tmp_path / "linked", "01").runs) == 2


def test_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_fmriprep(tmp_path, runs=(10, 2, 1))
    straight = find_person(tmp_path, "01")
    assert [run.entities["run"] for run in straight.runs] == ["1", "2", "10"]
    plain = Path.iterdir
    rng = random.Random(1)

    def shuffled(folder: Path) -> list[Path]:
        entries = list(plain(folder))
        rng.shuffle(entries)
        return entries

    monkeypatch.setattr(Path, "iterdir", shuffled)
    for _ in range(5):
        assert find_person(tmp_path, "01") == straight


# --- repetition time, headers, names ---


def test_sidecars_inherit_from_the_root_and_nearer_ones_win(tmp_path: Path) -> None:
    func = tmp_path / "sub-01" / "ses-1" / "func"
    series = put_series(func / "sub-01_ses-1_task-rest_space-fsLR_den-91k_bold.dtseries.nii", tr_s=1.0)
    assert repetition_time([series], root=tmp_path) == (1.0, [])
    put_json(tmp_path / "task-nback_bold.json", RepetitionTime=7)
    put_json(tmp_path / "task-rest_bold.json", RepetitionTime=2)
    tr_s, notes = repetition_time([series], root=tmp_path)
    assert tr_s == 2
    assert len(notes) == 1 and "header 1 s" in notes[0]
    put_json(tmp_path / "sub-01" / "sub-01_task-rest_bold.json", RepetitionTime=3)
    assert repetition_time([series], root=tmp_path)[0] == 3
    put_json(func / "sub-01_ses-1_task-rest_space-fsLR_den-91k_bold.json", RepetitionTime=1.005)
    assert repetition_time([series], root=tmp_path) == (1.005, [])


@pytest.mark.parametrize("value", ["2", 0, -1, True, [2]])
def test_sidecar_with_an_impossible_repetition_time(tmp_path: Path, value: object) -> None:
    series = put_series(tmp_path / "sub-01_task-rest_bold.dtseries.nii")
    put_json(tmp_path / "sub-01_task-rest_bold.json", RepetitionTime=value)
    with pytest.raises(InputError, match="number of seconds"):
        repetition_time([series], root=tmp_path)


def test_headers_agree_with_nibabel(tmp_path: Path) -> None:
    series = put_series(tmp_path / "a.dtseries.nii", tr_s=0.72, n_frames=11)
    axis = nib.load(series).header.get_axis(0)
    assert cifti_header(series).n_frames == axis.size == 11
    assert cifti_header(series).tr_s == pytest.approx(axis.step)
    points = nib.gifti.GiftiDataArray(np.zeros((42, 3), np.float32), "NIFTI_INTENT_POINTSET")
    faces = nib.gifti.GiftiDataArray(np.zeros((80, 3), np.int32), "NIFTI_INTENT_TRIANGLE")
    for order in ([points, faces], [faces, points]):
        nib.save(nib.gifti.GiftiImage(darrays=order), tmp_path / "a.surf.gii")
        assert gifti_vertices(tmp_path / "a.surf.gii") == 42
    image = nib.MGHImage(np.zeros((33, 1, 1, 7), np.float32), np.eye(4))
    image.header["tr"] = 1400
    for name in ("a.mgz", "a.mgh"):
        nib.save(image, tmp_path / name)
        assert mgh_header(tmp_path / name) == (33, (7, pytest.approx(1.4)))
    own = put_mgz(tmp_path / "own.mgz", n_vertices=12, n_frames=3, tr_ms=2000)
    assert nib.load(own).shape == (12, 1, 1, 3)
    assert mgh_header(own) == (12, (3, 2.0))


@pytest.mark.parametrize("content", [b"", b"x", b"\x1f\x8b\x08broken", b"\0" * 2000])
def test_headers_of_damaged_files_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mgz"
    path.write_bytes(content)
    assert cifti_header(path) == (None, None)
    assert gifti_vertices(path) is None
    assert mgh_header(path) == (None, (None, None))


labels = st.text("abcXYZ019", min_size=1, max_size=6)


@given(st.dictionaries(st.sampled_from(["ses", "task", "acq", "dir", "run"]), labels, min_size=1))
def test_names_are_taken_apart_whatever_their_order(entities: dict[str, str]) -> None:
    long = {"ses": "session", "task": "task", "acq": "acquisition", "dir": "direction", "run": "run"}
    middle = "_".join(f"{key}-{value}" for key, value in entities.items())
    name = parse_name(Path(f"/data/sub-01_{middle}_hemi-L_bold.func.gii"))
    assert name.run == {long[key]: value for key, value in entities.items()}
    assert (name.suffix, name.extension, name.get("subject"), name.get("hemi")) == ("bold", ".func.gii", "01", "L")
    assert not is_combined(name.run, [name.run])
    single = {**name.run, "run": "1"} if "run" not in name.run else {**name.run, "acquisition": "other"}
    assert is_combined(name.run, [single]) == ("run" not in name.run)


@given(st.lists(st.integers(0, 200), unique=True))
def test_natural_order_is_numeric(numbers: list[int]) -> None:
    assert sorted((f"run-{n}" for n in numbers), key=natural_key) == [f"run-{n}" for n in sorted(numbers)]
