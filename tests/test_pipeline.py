"""The whole line through its real entry point, on a small simulated person; bad input; resuming."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import shutil
import signal as signals
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actionloop import files
from actionloop.cli import main
from actionloop.errors import ResourceError
from actionloop.types import HEMISPHERES, Timeseries

RUN = "sub-01_ses-1_task-rest"
N_FRAMES, TR_S = 250, 1.0


@pytest.fixture(scope="module")
def resources():
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def truth(resources):
    from actionloop.pipeline.priors import cached_default_prior

    prior = cached_default_prior()
    return prior, prior.keys[prior.probability.argmax(axis=0)]


@pytest.fixture(scope="module")
def series(truth) -> Timeseries:
    prior, label = truth
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((N_FRAMES, int(label.max()) + 1)).astype(np.float32)
    data = latent[:, label] + 2 * rng.standard_normal((N_FRAMES, len(label)), dtype=np.float32)
    return Timeseries(data + 1000, prior.grayordinates, TR_S)


def write_xcpd(root: Path, series: Timeseries, *, surfaces: bool = False) -> Path:
    """Write one person as XCP-D would."""
    func = root / "sub-01" / "ses-1" / "func"
    func.mkdir(parents=True)
    description = {"Name": "XCP-D", "BIDSVersion": "1.8.0", "GeneratedBy": [{"Name": "xcp_d", "Version": "0.10.0"}]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    files.write_dtseries(func / f"{RUN}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii", series)
    (func / f"{RUN}_space-fsLR_den-91k_desc-denoised_bold.json").write_text(json.dumps({"RepetitionTime": series.tr_s}))
    rows = ["framewise_displacement", *("1" if i in (3, 4, 90) else "0" for i in range(series.n_frames))]
    (func / f"{RUN}_outliers.tsv").write_text("\n".join(rows) + "\n")
    if surfaces:
        write_surfaces(root / "sub-01" / "anat")
    return root


def write_surfaces(folder: Path, *, swap: bool = False) -> None:
    """Write the template's surfaces under the names of XCP-D."""
    folder.mkdir(parents=True, exist_ok=True)
    template = files.template_anatomy()
    for side in HEMISPHERES:
        named = {"L": "R", "R": "L"}[side] if swap else side
        for kind in ("white", "pial", "midthickness"):
            surface = template.surface(side, kind)
            name = f"sub-01_space-fsLR_den-32k_hemi-{named}_{kind}.surf.gii"
            files.write_gifti_surface(folder / name, replace(surface, hemisphere=side))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, series) -> Path:
    return write_xcpd(tmp_path_factory.mktemp("data") / "xcpd", series)


@pytest.fixture(scope="module")
def planned(dataset, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results") / "out"
    assert (
        run(
            "plan",
            dataset,
            out,
            "participant",
            "--participant-label",
            "01",
            "--pain-side",
            "left",
            "--pain-region",
            "hand",
        )
        == 0
    )
    return out


def run(*words) -> int:
    """Call the command line in this process; returns its exit code."""
    try:
        return int(main([str(word) for word in (*words, "--engine", "geometric")]) or 0)
    except SystemExit as end:
        return int(end.code or 0)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as rows:
        return list(csv.DictReader(rows, delimiter="\t"))


def only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.rglob(pattern))
    assert len(found) == 1, (pattern, found)
    return found[0]


def test_every_declared_output_is_there_and_nothing_else(planned):
    declared = files.declared_outputs()
    names = [
        path.relative_to(planned).as_posix()
        for path in planned.rglob("*")
        if path.is_file() and ".work" not in path.parts
    ]
    for name in names:
        assert any(output.matches(name) for output in declared.values()), name
    for output in declared.values():
        if output.required:
            assert any(output.matches(name) for name in names), output.key
    assert not any(re.search(r"(brainsight|localite)", name) for name in names)  # template anatomy, no T1


def test_targets_come_best_first_with_side_and_sign(planned):
    rows = table(only(planned, "*_targets.tsv"))
    assert list(rows[0])[:7] == ["rank", "name", "network", "side", "x", "y", "z"]
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert {row["network"] for row in rows} == {"SCAN", "AMN"}
    for row in rows:
        assert (float(row["x"]) < 0) == (row["side"] == "left")
    best = rows[0]  # pain in the left hand: the right hemisphere's middle node
    assert (best["network"], best["side"], best["name"]) == ("SCAN", "right", "SCAN middle R")


def test_the_map_is_the_simulated_truth(planned, truth):
    _, label = truth
    found = files.read_label_map(only(planned, "*_dseg.dlabel.nii"))
    assert found.names[1] == "SCAN"
    assert (found.label == label).mean() > 0.95
    shares = files.read_cifti_scalar(only(planned, "*_probseg.dscalar.nii"))
    assert shares.names[:2] == ("SCAN", "AMN") or list(shares.names[:2]) == ["SCAN", "AMN"]
    np.testing.assert_allclose(shares.data.sum(axis=0), 1, atol=1e-3)


def test_censored_frames_and_provenance_are_recorded(planned, dataset):
    record = json.loads(only(planned, "*_provenance.json").read_text())
    assert record["runs"][0]["frames"] == N_FRAMES
    assert record["runs"][0]["frames_kept"] == N_FRAMES - 3
    text = json.dumps(record)
    assert str(dataset) not in text
    hashes = re.findall(r"[0-9a-f]{64}", text)
    series = next(dataset.rglob("*.dtseries.nii"))
    assert files.file_sha256(series) in hashes
    assert "denoised by the pipeline that wrote it" in text


def test_report_says_why_there_are_no_navigation_files(planned):
    page = (planned / "sub-01.html").read_text()
    assert "Research use only" in page
    assert "positions on the template are not in the head" in page
    assert "Template anatomy" in page
    assert not re.search(r"<(script|img|link|iframe)[^>]+(src|href)=[\"'](https?:)?//", page)


def test_controls_read_connectivity_in_the_other_half(planned):
    rows = table(only(planned, "*_controls.tsv"))
    assert len(rows) == 4
    assert {row["direction"] for row in rows} == {"map on half 1, read in half 2", "map on half 2, read in half 1"}
    assert all(abs(float(row["scan_amn_r"])) < 0.6 for row in rows)  # independent networks were simulated


@pytest.mark.skipif(shutil.which("wb_command") is None, reason="Connectome Workbench (wb_command) is not installed")
def test_workbench_opens_the_cifti_and_gifti_files(planned):
    opened = 0
    for pattern in ("*.dlabel.nii", "*.dscalar.nii", "*.gii"):
        for path in planned.rglob(pattern):
            subprocess.run(["wb_command", "-file-information", str(path)], check=True, capture_output=True)
            opened += 1
    assert opened == 7


def test_a_second_run_has_nothing_to_do(planned, dataset, capsys):
    before = {path: path.stat().st_mtime_ns for path in planned.rglob("*") if path.is_file()}
    words = ("--participant-label", "01", "--pain-side", "left", "--pain-region", "hand")
    assert run("plan", dataset, planned, "participant", *words) == 0
    assert "already finished" in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in planned.rglob("*") if path.is_file()}
    changed = {path.name for path in before if before[path] != after.get(path)}
    assert changed <= {"hashes.json"}


def test_another_pain_side_repeats_only_the_ranking(planned, dataset, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(planned, out)
    work = {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")}
    assert run("plan", dataset, out, "participant", "--participant-label", "01", "--pain-side", "right") == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.npz")} == work
    assert table(only(out, "*_targets.tsv"))[0]["side"] == "left"


def test_killed_runs_go_on_where_they_stopped(dataset, tmp_path):
    """Kill the program at each step in turn; what was finished is kept, nothing is half written."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "actionloop", "plan", str(dataset), str(out), "participant"]
    command += [
        "--participant-label",
        "01",
        "--no-controls",
        "--no-reliability",
        "--engine",
        "geometric",
        "--pain-side",
        "unknown",
        "--pain-region",
        "unknown",
    ]
    kept: dict[str, int] = {}
    for step in ("mapping", "nodes and targets", "files", "report"):
        kill_at(command, step)
        for name, written in kept.items():
            assert (out / name).stat().st_mtime_ns == written, f"{name} was made again"
        kept = {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in out.rglob("*.npz") if p.name[0] != "."}
    assert any("series-" in name for name in kept) and any("map-" in name for name in kept)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "sub-01.html").is_file()
    assert {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in out.rglob("*.npz")} == kept
    half = [p for p in out.rglob("*") if p.is_file() and not p.stat().st_size]
    leftover = [p.name for p in out.rglob(".*") if p.is_file() and p.name != ".bidsignore"]
    assert not half and not leftover


def kill_at(command: list[str], step: str) -> None:
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(rf"\[\d/\d\] \S+ {re.escape(step)}", line):
                time.sleep(0.3)
                os.kill(process.pid, signals.SIGKILL)
                break
        process.stderr.read()


# Wrong input: one clear error, no output.


def spoiled_nan(root, series):
    path = next(root.rglob("*.dtseries.nii"))
    data = series.data.copy()
    data[7, 123] = np.nan
    overwrite_data(path, data)


def spoiled_zero(root, series):
    overwrite_data(next(root.rglob("*.dtseries.nii")), np.zeros_like(series.data))


def overwrite_data(path: Path, data: np.ndarray) -> None:
    import nibabel as nib

    image = nib.load(path)
    nib.Cifti2Image(data.astype(np.float32), header=image.header, nifti_header=image.nifti_header).to_filename(path)


def spoiled_truncated(root, series):
    path = next(root.rglob("*.dtseries.nii"))
    path.write_bytes(path.read_bytes()[:2_000_000])


def spoiled_gzip(root, series):
    path = next(root.rglob("*.dtseries.nii"))
    whole = gzip.compress(path.read_bytes()[:4_000_000], 1)
    path.write_bytes(whole[: len(whole) // 2])


def spoiled_milliseconds(root, series):
    next(root.rglob("*_bold.json")).write_text(json.dumps({"RepetitionTime": 1000.0}))


def spoiled_short(root, series):
    path = next(root.rglob("*.dtseries.nii"))
    files.write_dtseries(path, replace(series, data=series.data[:40]))
    next(root.rglob("*_outliers.tsv")).unlink()


def spoiled_mask_length(root, series):
    next(root.rglob("*_outliers.tsv")).write_text("framewise_displacement\n0\n1\n0\n")


def spoiled_all_censored(root, series):
    next(root.rglob("*_outliers.tsv")).write_text("framewise_displacement\n" + "1\n" * N_FRAMES)


def spoiled_swapped(root, series):
    write_surfaces(root / "sub-01" / "anat", swap=True)


def spoiled_vertices(root, series):
    write_surfaces(root / "sub-01" / "anat")
    path = next((root / "sub-01" / "anat").glob("*hemi-L_pial*"))
    surface = files.read_surface(path, hemisphere="L", kind="pial", frame="x")
    keep = surface.n_vertices - 10
    faces = surface.faces[(surface.faces < keep).all(axis=1)]
    files.write_gifti_surface(path, replace(surface, vertices=surface.vertices[:keep], faces=faces))


def spoiled_cifti1(root, series):
    path = next(root.rglob("*.dtseries.nii"))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'<CIFTI Version="2.0"', b'<CIFTI Version="1.0"', 1))


BAD = {
    spoiled_nan: "NaN",
    spoiled_zero: "zero",
    spoiled_truncated: "truncated|shorter|cut|incomplete|damaged",
    spoiled_gzip: "truncated|damaged|not|incomplete",
    spoiled_milliseconds: "milliseconds",
    spoiled_short: "40 usable",
    spoiled_mask_length: "250 frames",
    spoiled_all_censored: "every frame|no frame|outlier",
    spoiled_swapped: "other side|hemisphere",
    spoiled_vertices: "32492|32,492|vertices",
    spoiled_cifti1: "CIFTI-1",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_bad_input_gives_one_clear_error_and_no_output(spoil, series, tmp_path, capsys):
    root = write_xcpd(tmp_path / "xcpd", series)
    spoil(root, series)
    out = tmp_path / "out"
    assert run("plan", root, out, "participant", "--participant-label", "01") != 0
    shown = capsys.readouterr()
    assert re.search(BAD[spoil], shown.err), shown.err
    assert "Traceback" not in shown.err and "unexpected error" not in shown.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--participant-label", "99"], "'99' is not there"),
        (["--participant-label", "01", "--session-label", "7"], "session"),
        (["--participant-label", "01", "--prior", "missing.mat"], "missing.mat"),
        (["--participant-label", "01", "--pain-side", "sideways"], "sideways"),
    ],
)
def test_wrong_words_are_named(words, expected, dataset, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("plan", dataset, out, "participant", *words) != 0
    assert expected in capsys.readouterr().err
    assert not out.exists()


def test_out_that_holds_something_else_is_left_alone(dataset, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.docx").write_text("mine")
    assert run("plan", dataset, out, "participant", "--participant-label", "01") != 0
    assert "--overwrite" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]


def test_out_that_cannot_be_written(dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("plan", dataset, tmp_path / "file" / "out", "participant", "--participant-label", "01") != 0
    shown = capsys.readouterr().err
    assert "cannot be written" in shown or "cannot write" in shown
    assert "Traceback" not in shown
