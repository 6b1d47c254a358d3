"""Finding a person's surface series, and a person given as bare paths."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from actionloop.errors import InputError
from actionloop.files import bare_person, detect_layout, find_person, list_people

HEMIS = ("L", "R")


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


# --- surface files ---

LEMON = "sub-010188_ses-02_task-rest_acq-AP_run-01"


def test_surface_folder_with_a_headerless_confound_table(tmp_path: Path) -> None:
    for side in ("lh", "rh"):
        put_mgz(tmp_path / f"{LEMON}.fsa5.{side}.mgz", n_vertices=30)
    put(tmp_path, f"{LEMON}_confounds.txt")
    assert detect_layout(tmp_path) == "surface"
    assert list_people(tmp_path) == ["010188"]
    person = find_person(tmp_path, "sub-010188")
    (run,) = person.runs
    assert [p.name for p in run.paths] == [f"{LEMON}.fsa5.lh.mgz", f"{LEMON}.fsa5.rh.mgz"]
    assert (run.kind, run.space, run.cleaned) == ("surface", "fsaverage5", False)
    assert run.name == "ses-02_task-rest_acq-AP_run-01"
    assert run.confounds is not None and run.confounds.name == f"{LEMON}_confounds.txt"
    # The header says 1 s; it is a default, and nobody else says anything.
    assert run.tr_s is None
    assert any("says TR 1 s" in note for note in person.notes)
    put_json(tmp_path / "task-nback_bold.json", RepetitionTime=9.9)
    put_json(tmp_path / "task-rest_bold.json", RepetitionTime=1.4)
    again = find_person(tmp_path, "010188")
    assert again.runs[0].tr_s == 1.4
    assert any("1.4 s" in note and "header 1 s" in note for note in again.notes)


@pytest.mark.parametrize(("n_vertices", "space"), [(10242, "fsaverage5"), (40962, "fsaverage6"), (32492, "fsLR32k")])
def test_surface_space_from_the_vertex_count(tmp_path: Path, n_vertices: int, space: str) -> None:
    for run in ("rest1", "rest2"):
        for side in ("lh", "rh"):
            put_mgz(tmp_path / "patient" / f"{side}.{run}.mgz", n_vertices=n_vertices, n_frames=2)
    put_mgz(tmp_path / "patient" / "lh.thickness.mgz", n_vertices=n_vertices, n_frames=1)
    put(tmp_path / "patient", "rest2_confounds.tsv")
    person = find_person(tmp_path / "patient", "patient")
    assert [(run.name, run.space) for run in person.runs] == [("rest1", space), ("rest2", space)]
    assert person.runs[0].confounds is None and person.runs[0].cleaned
    assert person.runs[1].confounds is not None and not person.runs[1].cleaned


def test_surface_errors(tmp_path: Path) -> None:
    left = put_mgz(tmp_path / "a" / "sub-01_task-rest.fsa5.lh.mgz", n_vertices=30)
    with pytest.raises(InputError, match="right half is missing"):
        find_person(tmp_path / "a", "01")
    for side in ("lh", "rh"):
        put_mgz(tmp_path / "b" / f"sub-01_task-rest.{side}.mgz", n_vertices=163)
    with pytest.raises(InputError, match="found 163 vertices"):
        find_person(tmp_path / "b", "01")
    for desc in ("", "_desc-x"):
        for side in ("lh", "rh"):
            put_mgz(tmp_path / "c" / f"sub-01_task-rest{desc}.fsa5.{side}.mgz", n_vertices=30)
    with pytest.raises(InputError, match="claim the same run"):
        find_person(tmp_path / "c", "01")
    assert left.exists()


# --- bare paths ---


def put_bare_surfaces(folder: Path, pattern: str, kinds: tuple[str, ...], sides: tuple[str, str]) -> None:
    for side in sides:
        put(folder, *(pattern.format(side=side, kind=kind) for kind in kinds))


ALL_KINDS = ("white", "pial", "midthickness", "inflated")


@pytest.mark.parametrize(
    ("pattern", "sides"),
    [
        ("MSC06.{side}.{kind}.32k_fs_LR.surf.gii", ("L", "R")),
        ("sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii", ("L", "R")),
        ("sub-01_space-fsLR_den-32k_hemi-{side}_{kind}.surf.gii", ("L", "R")),
        ("patient_{side}_{kind}_32k.gii", ("lh", "rh")),
    ],
)
def test_bare_surfaces_by_name(tmp_path: Path, pattern: str, sides: tuple[str, str]) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii", tr_s=2.2)
    t1w = touch(tmp_path / "T1.nii.gz")
    put_bare_surfaces(tmp_path / "surf", pattern, ALL_KINDS, sides)
    person = bare_person("sub-01", bold=[bold], surfaces=tmp_path / "surf", t1w=t1w)
    assert (person.label, person.layout, person.t1w) == ("01", "bare", t1w)
    (run,) = person.runs
    assert (run.kind, run.tr_s, run.name, run.cleaned) == ("cifti", 2.2, "rest", True)
    assert any("cleaned already" in note for note in person.notes)
    surfaces = person.surfaces
    assert surfaces is not None and surfaces.missing == ()
    assert (surfaces.space, surfaces.mesh) == ("unknown", "fsLR32k")
    for (side, kind), path in surfaces.paths.items():
        assert path.name == pattern.format(side=sides[HEMIS.index(side)], kind=kind)


def test_bare_missing_midthickness_is_noted_and_missing_white_is_not_complete(tmp_path: Path) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii")
    put_bare_surfaces(tmp_path / "surf", "p.{side}.{kind}.32k_fs_LR.surf.gii", ("white", "pial", "inflated"), HEMIS)
    person = bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert person.surfaces is not None and person.surfaces.complete
    assert any("mean of white and pial" in note for note in person.notes)
    (tmp_path / "surf" / "p.L.white.32k_fs_LR.surf.gii").unlink()
    person = bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert person.surfaces is not None and not person.surfaces.complete
    assert any("L white" in note for note in person.notes)


def test_bare_surface_pairs_keep_the_order_given_and_their_tables(tmp_path: Path) -> None:
    files = [put_mgz(tmp_path / f"{side}.run{r}.fsa5.mgz", n_vertices=30) for r in (2, 1) for side in ("rh", "lh")]
    tables = [touch(tmp_path / f"{r}.tsv") for r in (2, 1)]
    person = bare_person("01", bold=files, confounds=tables, tr_s=1.4)
    assert [run.name for run in person.runs] == ["run2", "run1"]
    assert [run.confounds for run in person.runs] == tables
    assert all(run.tr_s == 1.4 and not run.cleaned for run in person.runs)
    assert [p.name for p in person.runs[0].paths] == ["lh.run2.fsa5.mgz", "rh.run2.fsa5.mgz"]


def test_bare_errors(tmp_path: Path) -> None:
    bold = put_series(tmp_path / "rest.dtseries.nii")
    with pytest.raises(InputError, match="no series"):
        bare_person("01", bold=[])
    with pytest.raises(InputError, match="does not exist"):
        bare_person("01", bold=[tmp_path / "absent.dtseries.nii"])
    with pytest.raises(InputError, match="expected a CIFTI series"):
        bare_person("01", bold=[touch(tmp_path / "bold.nii.gz")])
    with pytest.raises(InputError, match="2 confound files were given for 1 runs"):
        bare_person("01", bold=[bold], confounds=[touch(tmp_path / "a.tsv"), touch(tmp_path / "b.tsv")])
    with pytest.raises(InputError, match="template"):
        bare_person("01", bold=[bold], t1w=touch(tmp_path / "sub-01_space-MNI152NLin6Asym_desc-preproc_T1w.nii.gz"))
    put(tmp_path / "surf", "lh.white", "rh.white", "lh.pial", "rh.pial")
    with pytest.raises(InputError, match="no white, pial or midthickness") as error:
        bare_person("01", bold=[bold], surfaces=tmp_path / "surf")
    assert "mris_convert" in str(error.value)
    put(
        tmp_path / "two",
        *(f"{p}.L.white.32k_fs_LR.surf.gii" for p in ("a", "b")),
        "x_lh_white_32k.gii",
        "y_lh_white_32k.gii",
    )
    with pytest.raises(InputError, match="two files could be the white of hemisphere L"):
        bare_person("01", bold=[bold], surfaces=tmp_path / "two")
