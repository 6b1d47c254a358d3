"""What `plan` hands on, through the command line: navigators, overlays, meshes, DICOM, sheets; what must be refused."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from actionloop import facts, files
from actionloop.brain import carry_affine, find_fiducials, find_scalp, lay_lines, measure_point
from actionloop.cli import main
from actionloop.errors import ActionloopError, GeometryError, InputError, OptionError
from actionloop.files import OutputFolder, read_fiducials
from actionloop.navigation import SYSTEMS, Reading, poses_of, read_any, written
from actionloop.pipeline import navigationexports
from actionloop.pipeline.brought import bring, open_brought, require_one_person
from actionloop.pipeline.exported import Handed, Shelf, entity_of
from actionloop.pipeline.exports import write_results
from actionloop.pipeline.page import in_short, write_report
from actionloop.pipeline.person import PersonResult
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.settings import OTHER_EXPORTS, read_settings
from actionloop.reliability.variants import prior_as_map
from actionloop.types import Timeseries

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TURN = np.array([[0.9962, -0.0872, 0, 4.0], [0.0872, 0.9962, 0, -9.0], [0, 0, 1, 21.0], [0, 0, 0, 1]])
ENDINGS = {
    "brainsight": "brainsight_targets.txt",
    "localite": "localite_targets.xml",
    "visor2": "visor2_targets.mrk",
    "slicer": "slicer_targets.mrk.json",
    "navinibs": "navinibs_targets.json",
    "simnibs": "simnibs_targets.json",
    "simnibs-mat": "simnibs_targets.mat",
    "invesalius": "invesalius_targets.mkss",
    "nibs-bids": "nibsbids_markers.tsv",
}
NAVIGATION = "*_desc-*_targets.*", "*_markers.*"
IMAGING = "*_probseg.nii.gz", "*_efield.nii.gz", "*_mask.nii.gz", "*_target.*", "*.dcm"


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Leave out pictures that other tests look at; they take most of a run's time."""
    patch = pytest.MonkeyPatch()
    patch.setattr("actionloop.pipeline.page.draw_pictures", lambda *_, **__: [])
    yield
    patch.undo()


def write_t1(path: Path, affine: np.ndarray, data: np.ndarray) -> Path:
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    nib.save(image, path)
    return path


@pytest.fixture(scope="module")
def person(tmp_path_factory) -> SimpleNamespace:
    """Write the template's head, turned and moved, as a person's own; the map is the group's."""
    place = tmp_path_factory.mktemp("person")
    turn, _ = np.linalg.qr(TURN[:3, :3])
    turn *= np.sign(np.diag(turn))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, TURN[:3, 3]
    (place / "surf").mkdir()
    for (side, kind), surface in files.template_anatomy().surfaces.items():
        if kind in ("white", "pial", "midthickness", "inflated"):
            vertices = surface.vertices
            moved = vertices if kind == "inflated" else vertices @ turn.T + affine[:3, 3]
            name = f"sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"
            files.write_gifti_surface(place / "surf" / name, replace(surface, vertices=moved))
    template = files.template_image()
    grid = affine @ template.affine
    files.write_dlabel(place / "map.dlabel.nii", prior_as_map(cached_default_prior()))
    return SimpleNamespace(
        folder=place,
        surfaces=place / "surf",
        t1=write_t1(place / "T1w.nii.gz", grid, template.data),
        map=place / "map.dlabel.nii",
        affine=affine,
    )


def run(out: Path, person: SimpleNamespace | None, *words: object, verb: str = "plan") -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    given = [verb, out, "participant", "--engine", "geometric"]
    if person is not None:
        given += ["--map", person.map]
        given += [] if "--t1w" in words or "--no-t1" in words else ["--surfaces", person.surfaces, "--t1w", person.t1]
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in (*given, *words) if word != "--no-t1"]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    assert "Traceback" not in said.getvalue() and "unexpected error" not in said.getvalue(), said.getvalue()
    return code, shown.getvalue(), said.getvalue()


def series_of(t1: Path, folder: Path) -> Path:
    """Write a T1 as the DICOM series that it could have come from: sagittal slices, LPS."""
    pydicom = pytest.importorskip("pydicom", reason="the extra 'dicom' is not installed")
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    image = files.read_image(t1, frame="x")
    data = np.clip(np.round(image.data / image.data.max() * 3000), 0, 4000)[::3, :, ::-1].transpose(1, 2, 0)
    affine = np.diag([-1.0, -1, 1, 1]) @ image.affine
    steps = affine[:3, 1], -affine[:3, 2], 3 * affine[:3, 0]
    origin = affine[:3, 3] + affine[:3, 2] * (image.data.shape[2] - 1)
    mm = [float(np.linalg.norm(step)) for step in steps]
    folder.mkdir(parents=True)
    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    for k in range(data.shape[2]):
        one = pydicom.Dataset()
        one.SOPClassUID, one.SOPInstanceUID = pydicom.uid.MRImageStorage, pydicom.uid.generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.Modality, one.ImageType, one.SeriesNumber, one.InstanceNumber = "MR", ["ORIGINAL", "PRIMARY"], 4, k + 1
        one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = "Doe^Jane", "P-7", "", ""
        one.StudyDate = one.StudyTime = one.AccessionNumber = one.StudyID = one.ReferringPhysicianName = ""
        one.Rows, one.Columns = data.shape[1], data.shape[0]
        one.PixelSpacing, one.SliceThickness = [f"{mm[1]:.6f}", f"{mm[0]:.6f}"], f"{mm[2]:.6f}"
        one.ImageOrientationPatient = [f"{v:.9f}" for v in (*steps[0] / mm[0], *steps[1] / mm[1])]
        one.ImagePositionPatient = [f"{v:.6f}" for v in origin + k * steps[2]]
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 0
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12, 11
        one.PixelData = data[:, :, k].T.astype("<u2").tobytes()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.save_as(folder / f"DOE_JANE_{k:03d}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture(scope="module")
def dicom(person) -> Path:
    return series_of(person.t1, person.folder / "dicom")


@contextlib.contextmanager
def kept() -> Iterator[list[PersonResult]]:
    """Keep what was found for a person, so that it can be handed on again in other ways without finding it again."""
    found, patch = [], pytest.MonkeyPatch()

    def keeping(out, result, **more):
        found.append(result)
        return write_results(out, result, **more)

    patch.setattr("actionloop.pipeline.run.write_results", keeping)
    yield found
    patch.undo()


def again(result: PersonResult, place: Path, *wanted: str, force: bool = False) -> tuple[Handed, str]:
    """Hand the same result on in another way; returns what was handed on, and the summary."""
    export = result.job.settings.export.model_copy(update={"wanted": wanted or ("all",)})
    settings = result.job.settings.model_copy(update={"export": export, "force": force})
    changed = replace(result, job=replace(result.job, settings=settings))
    shelf, handed, provenance = write_results(OutputFolder(place), changed, root=None, say=lambda _: None)
    write_report(shelf, changed, handed, provenance, say=lambda _: None)
    return handed, in_short(changed, handed)


@pytest.fixture(scope="module")
def planned(person, tmp_path_factory) -> SimpleNamespace:
    place = tmp_path_factory.mktemp("handed") / "out"
    with kept() as found:
        code, shown, said = run(place, person)
    assert code == 0, said
    return SimpleNamespace(out=place, result=found[0], shown=shown)


@pytest.fixture(scope="module")
def out(planned) -> Path:
    return planned.out


def one(out: Path, pattern: str) -> Path:
    found = [path for path in out.rglob(pattern) if ".work" not in path.parts]
    assert len(found) == 1, (pattern, found)
    return found[0]


def none(out: Path, *patterns: str) -> bool:
    return not any(path for pattern in patterns for path in out.rglob(pattern))


def truth(out: Path) -> dict[str, np.ndarray]:
    sidecar = next(path for path in out.rglob("*_seg-actionloop_targets.json"))
    return {name: np.array(matrix) for name, matrix in json.loads(sidecar.read_text())["Poses"].items()}


def places(out: Path) -> dict[str, np.ndarray]:
    table = next(out.rglob("*_seg-actionloop_targets.tsv")).read_text().splitlines()
    head = table[0].split("\t")
    rows = [dict(zip(head, line.split("\t"), strict=True)) for line in table[1:]]
    return {row["name"]: np.array([float(row[axis]) for axis in "xyz"]) for row in rows}


def page_of(out: Path) -> str:
    text = (out / "sub-01.html").read_text(encoding="utf-8")
    text = re.sub(r"<(script|style).*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").split())


# Navigation


def test_every_system_reads_back_the_poses_on_this_image_alone(out, person):
    image = files.read_image(person.t1, frame="sub-01 T1w")
    assert set(ENDINGS) == set(written())
    for system, ending in ENDINGS.items():
        path = one(out, f"*_desc-{ending}")
        sidecar = one(out, "*_markers.json").read_text() if system == "nibs-bids" else ""
        data = path.read_bytes()
        key, found = read_any(data, source=path.name, system=system, reading=Reading(image=image, sidecar=sidecar))
        poses = poses_of(found)
        assert key == system
        assert {pose.label for pose in poses} == set(truth(out)), system
        for pose in poses:
            np.testing.assert_allclose(pose.matrix, truth(out)[pose.label], atol=1e-3)
            assert pose.tie.header_sha256 == image.header_sha256, system
            assert pose.tie.voxels_sha256 == image.voxels_sha256, system
            assert pose.tie.why_not(image.tie) == ""
        told = data.decode("latin-1") + sidecar
        if system != "simnibs-mat":
            assert facts.notice() in told
            assert ("UNVERIFIED" in told) != SYSTEMS[system].verified
            assert {"(left)", "(right)"} <= set(re.findall(r"\((?:left|right)\)", told)), system
            assert "LEFT hemisphere" in told and "RIGHT hemisphere" in told, system


def test_navinibs_aims_at_the_cortex(out):
    told = json.loads(one(out, "*_desc-navinibs_targets.json").read_text())["targets"]
    for target in told:
        np.testing.assert_allclose(target["targetCoord"], places(out)[target["key"].rpartition(" (")[0]], atol=1e-2)


def test_the_simnibs_script_is_python_and_holds_every_pose(out):
    text = one(out, "*_desc-simnibs_targets.py").read_text()
    compile(text, "script", "exec")
    coil = one(out, "*_desc-simnibs_coil.ccd")
    assert "session.subpath = 'm2m_01'" in text and f"parent / {coil.name!r}" in text
    assert files.read_coil(coil).name == "figure-of-eight-70mm"
    assert text.count("coil.add_position()") == len(truth(out))


def test_a_system_that_cannot_take_the_image_is_left_out_with_its_reason(planned, tmp_path):
    head = planned.result.head
    bare = replace(planned.result, head=replace(head, image=replace(head.image, form_codes=(0, 1))))
    _, shown = again(bare, tmp_path / "out", "visor2", "localite", "meshes")
    assert one(tmp_path / "out", "*_desc-localite_targets.xml")
    assert none(tmp_path / "out", "*visor2*", "*brainsight*", "*_sheet.html", "*.nii.gz")
    assert not none(tmp_path / "out", "*_target.stl")
    assert "left out: Visor2: the image has no qform" in shown
    assert "Visor2 : the image has no qform" in page_of(tmp_path / "out")
    record = json.loads(one(tmp_path / "out", "*_provenance.json").read_text())
    assert record["exports"]["left_out"][0]["what"] == "Visor2"
    assert record["navigation"] == "written"


def test_a_file_that_does_not_read_back_is_not_written(planned, tmp_path, monkeypatch):
    """A writer that moves the poses is found out before its file appears."""
    real = navigationexports.navigation.write_any

    def moving(system, poses, **more):
        moved = [replace(pose, matrix=pose.matrix + 5 * np.eye(4, k=3)) for pose in poses]
        return real(system, moved if system == "simnibs" else poses, **more)

    monkeypatch.setattr(navigationexports.navigation, "write_any", moving)
    _, shown = again(planned.result, tmp_path / "out", "simnibs", "localite")
    assert "does not read back" in shown
    assert none(tmp_path / "out", "*simnibs*") and one(tmp_path / "out", "*localite*")


# Overlays and meshes


def test_overlays_lie_in_the_grid_of_the_t1(out, person):
    t1 = files.read_image(person.t1, frame="sub-01 T1w")
    for path in [p for pattern in ("*_probseg.nii.gz", "*_mask.nii.gz") for p in out.rglob(pattern)]:
        overlay = files.read_image(path, frame="sub-01 T1w")
        assert overlay.header_sha256 == t1.header_sha256, path
        comment = b"".join(e.get_content() for e in nib.load(path).header.extensions).decode()
        assert facts.notice() in comment and t1.header_sha256 in comment and t1.voxels_sha256 in comment
    scan = files.read_image(one(out, "*_desc-scan_probseg.nii.gz"), frame="x")
    amn = files.read_image(one(out, "*_desc-amn_probseg.nii.gz"), frame="x")
    for name, xyz in places(out).items():
        own, other = (scan, amn) if name.startswith("SCAN") else (amn, scan)
        i, j, k = np.round(np.linalg.inv(scan.affine) @ [*xyz, 1])[:3].astype(int)
        near = np.s_[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3]
        assert own.data[i, j, k] == 1 and own.data[near].sum() > 3 * other.data[near].sum(), name
    assert scan.data.max() <= 1.0001 and 0.001 < (scan.data > 0).mean() < 0.05


def test_spheres_lie_at_the_targets_as_voxels_and_as_surfaces(out, person):
    for name, xyz in places(out).items():
        words = entity_of(name)
        mask = files.read_image(one(out, f"*_desc-{words}_mask.nii.gz"), frame="x")
        inside = np.argwhere(mask.data > 0) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
        assert np.linalg.norm(inside.mean(axis=0) - xyz) < 0.5
        assert np.linalg.norm(inside - xyz, axis=1).max() <= 5.01
        gifti = nib.load(one(out, f"*_desc-{words}_target.surf.gii"))
        points = gifti.darrays[0].data
        np.testing.assert_allclose(np.linalg.norm(points - xyz, axis=1), 5, atol=1e-2)
        side = "LEFT" if name.endswith("L") else "RIGHT"
        assert side in gifti.meta["Side"] and gifti.meta["ImageVoxelsSHA256"]
        stl = one(out, f"*_desc-{words}_target.stl").read_bytes()
        assert b"SPACE=LPS" in stl[:80] and side.encode() in stl[:80]
        row = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
        corners = np.frombuffer(stl, row, offset=84)["corners"].reshape(-1, 3)
        np.testing.assert_allclose(corners.mean(axis=0) * [-1, -1, 1], xyz, atol=0.1)


# The page, and what is withheld


def test_the_page_lists_every_file_with_frame_hashes_and_side(planned, out, person):
    image = files.read_image(person.t1, frame="sub-01 T1w")
    text = (out / "sub-01.html").read_text(encoding="utf-8")
    section = text[text.index('<section id="handed"') :].split("</section>")[0]
    handed = [p for p in out.rglob("*_desc-*") if "figures" not in p.parts and ".work" not in p.parts]
    assert len(handed) > 30
    for path in handed:
        assert f'href="./{path.relative_to(out).as_posix()}"' in section, path.name
    assert image.header_sha256[:12] in section and image.voxels_sha256[:12] in section
    assert "unverified" in section and "tried on real files" in section
    assert "NIfTI Sform, Scanner; RAS mm" in section and "LPS mm" in section
    assert "LEFT hemisphere, x = -" in section and "positive x" in section
    assert "for the tape: " in planned.shown


def test_without_a_reliable_target_all_is_withheld(person, tmp_path):
    """A pure-noise scan has nothing to rely on: no navigation file, no sphere, no sheet; the maps are there."""
    rng = np.random.default_rng(0)
    axis = files.template_grayordinates()
    noise = Timeseries(rng.standard_normal((120, len(axis)), dtype=np.float32) + 100, axis, 2.0)
    bold = tmp_path / "sub-01_task-rest_desc-denoised_bold.dtseries.nii"
    files.write_dtseries(bold, noise)
    words = ("--bold", bold, "--participant-label", "01", "--surfaces", person.surfaces, "--t1w", person.t1)
    words += ("--no-controls", "--resamples", "2")
    with kept() as found:
        code, shown, said = run(tmp_path / "out", None, *words)
    assert code == 0, said
    assert "no reliable target" in shown
    assert none(tmp_path / "out", *NAVIGATION, "*_mask.nii.gz", "*_target.*", "*_sheet.html")
    assert one(tmp_path / "out", "*_desc-scan_probseg.nii.gz")
    sidecar = json.loads(one(tmp_path / "out", "*_seg-actionloop_targets.json").read_text())
    assert sidecar["Poses"] == {} and set(sidecar["Withheld"]) == set(places(tmp_path / "out"))
    assert "withheld: it" in one(tmp_path / "out", "*_seg-actionloop_targets.tsv").read_text()
    again(found[0], tmp_path / "forced", "localite", "sheets", force=True)
    assert re.search("FORCED not (reliable|judged)", one(tmp_path / "forced", "*localite_targets.xml").read_text())
    assert none(tmp_path / "forced", "*_probseg.nii.gz", "*brainsight*")
    sheet = next((tmp_path / "forced").rglob("*_sheet.html")).read_text()
    assert re.search("FORCED not (reliable|judged)", sheet) and "exported with --force" in sheet


def test_template_anatomy_is_marked_everywhere(person, tmp_path):
    code, shown, said = run(tmp_path / "out", person, "--no-t1", "--export", "overlays,sheets,meshes,localite")
    assert code == 0, said
    assert none(tmp_path / "out", *NAVIGATION, "*_target.*")
    overlay = nib.load(one(tmp_path / "out", "*_space-MNI152NLin6Asym_*_desc-scan_probseg.nii.gz"))
    assert b"TEMPLATE head, not this person" in bytes(overlay.header["descrip"])
    assert "left out: meshes: positions are those of a TEMPLATE head" in shown
    sheet = next((tmp_path / "out").rglob("*_sheet.html")).read_text()
    assert "average head" in sheet and "(template head)" in sheet
    assert "Template anatomy: overlays and sheets lie on an average head" in page_of(tmp_path / "out")


def test_none_writes_none(planned, tmp_path):
    again(planned.result, tmp_path / "out", "none")
    assert none(tmp_path / "out", *NAVIGATION, *IMAGING, "*_sheet.html")
    assert "None were written: none were asked for" in page_of(tmp_path / "out")


# DICOM


def test_a_series_comes_back_with_targets_and_segments(person, dicom, tmp_path):
    import pydicom

    out = tmp_path / "out"
    with kept() as found:
        code, _, said = run(out, person, "--dicom", dicom, "--export", "localite")
    assert code == 0, said
    folder = next(out.rglob("*_desc-targets_T1w"))
    assert len(list(folder.iterdir())) == len(list(dicom.iterdir()))
    source, back = (files.read_dicom_series(place, frame="x") for place in (dicom, folder))
    np.testing.assert_allclose(back.image.affine, source.image.affine, atol=1e-6)
    bright = back.image.data > 1.05 * source.image.data.max()
    inverse = np.linalg.inv(back.image.affine)
    for xyz in places(out).values():
        assert bright[tuple(np.round(inverse @ [*xyz, 1])[:3].astype(int))]
    segments = pydicom.dcmread(one(out, "*_desc-targets_seg.dcm")).SegmentSequence
    labels = [segment.SegmentLabel for segment in segments]
    assert labels[:2] == ["SCAN", "AMN"] and len(labels) == 2 + len(places(out))
    assert not any("DOE_JANE" in p.name or "Doe" in p.name for p in out.rglob("*"))
    for path in (one(out, "*_provenance.json"), out / "sub-01.html"):
        assert "DOE_JANE" not in path.read_text()
    assert "slices in this folder" in page_of(out)
    code, _, said = run(out, person, "--dicom", dicom, "--export", "localite")
    assert "already finished" in said
    again(found[0], out, "none")
    assert len(list(folder.iterdir())) == len(list(dicom.iterdir()))
    again(replace(found[0], targets=()), tmp_path / "none", "none")
    assert none(tmp_path / "none", "*.dcm") and "no reliable target" in page_of(tmp_path / "none")


def test_a_missing_extra_is_named_before_any_work(person, dicom, tmp_path, monkeypatch):
    def absent(where=None):
        raise InputError("DICOM needs the extra 'dicom' (pydicom, highdicom)", where=where)

    monkeypatch.setattr("actionloop.files.dicomseries.require_dicom", absent)
    code, _, said = run(tmp_path / "out", person, "--dicom", dicom)
    assert code != 0 and "extra 'dicom'" in said and "reading the anatomy" not in said
    assert not (tmp_path / "out").exists()


# Sheets


def test_numbers_on_the_sheet_are_those_of_the_head(out, person):
    image = files.read_image(person.t1, frame="sub-01 T1w")
    scalp = find_scalp(image)
    template = files.template_anatomy()
    both = np.concatenate([template.surface(side).vertices for side in ("L", "R")])
    own = both @ person.affine[:3, :3].T + person.affine[:3, 3]
    lines = lay_lines(scalp, find_fiducials(scalp, from_mni=carry_affine(both, own)))
    name, pose = next((name, pose) for name, pose in truth(out).items() if name.startswith("AMN dlPFC"))
    measure = measure_point(lines, pose[:3, 3], with_error=False)
    text = one(out, f"*_desc-{entity_of(name)}_sheet.html").read_text(encoding="utf-8")
    assert f"{measure.from_vertex_mm / 10:.1f} cm" in text
    assert f"{measure.front_percent:.1f} % from the nasion" in text
    assert f"{measure.ear_percent:.1f} % of" in text
    assert image.header_sha256[:16] in text and facts.notice() in text
    assert "carried from the MNI head" in text and "Beam" in text and "not verified" in text
    word = "LEFT" if name.endswith("L") else "RIGHT"
    assert f"{word} ({name[-1]})" in text and f"in the {word} hemisphere" in text
    assert "sub-01 T1w" in text and "Its handle points" in text
    motor = next(out.rglob("*_desc-SCANmiddle*_sheet.html")).read_text(encoding="utf-8")
    assert "Beam" not in motor


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_sheet_prints_on_one_page(out, tmp_path):
    sheet = one(out, "*_desc-AMNdlPFC1L_sheet.html")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--disable-background-networking"]
    subprocess.run([*command, f"--print-to-pdf={tmp_path / 'sheet.pdf'}", f"file://{sheet}"], timeout=300, check=False)
    assert re.findall(rb"/Count (\d+)", (tmp_path / "sheet.pdf").read_bytes()) == [b"1"]


def landmarks(person, **change: object) -> dict[str, object]:
    known = facts.load("measure")["fiducials"]
    found = {
        name: (person.affine[:3, :3] @ known[name] + person.affine[:3, 3]).round(2).tolist()
        for name in ("nasion", "inion", "left", "right")
    }
    return {name: value for name, value in {**found, **change}.items() if value is not None}


def test_landmarks_given_by_hand_are_used(person, planned, tmp_path):
    given = tmp_path / "fiducials.tsv"
    rows = [f"{name}\t{x}\t{y}\t{z}" for name, (x, y, z) in landmarks(person).items()]
    given.write_text("\n".join(["name\tx\ty\tz", *rows]) + "\n")
    brought = bring(planned.result.job, (None, read_fiducials(given)), planned.result.head)
    again(replace(planned.result, brought=brought, targets=planned.result.targets[:1]), tmp_path / "out", "sheets")
    assert "carried from the MNI head" not in one(tmp_path / "out", "*_sheet.html").read_text()
    assert none(tmp_path / "out", *NAVIGATION, *IMAGING)


def test_no_sheet_over_a_face_cut_away(person, planned, tmp_path):
    image = planned.result.head.image
    grid = np.stack(np.meshgrid(*map(np.arange, image.data.shape), indexing="ij"), axis=-1)
    back = np.linalg.inv(person.affine) @ image.affine
    mni = grid @ back[:3, :3].T + back[:3, 3]
    face = (mni[..., 1] > 40) & (mni[..., 2] < 5 + 0.4 * (mni[..., 1] - 40))
    cut = replace(image, data=np.where(face, 0, image.data))
    head = replace(planned.result.head, image=cut, scalp=find_scalp(cut))
    _, shown = again(replace(planned.result, head=head), tmp_path / "out", "sheets", "localite")
    assert none(tmp_path / "out", "*_sheet.html") and one(tmp_path / "out", "*localite*")
    assert re.search(r"left out: scalp sheets: .*(cut|nasion|scalp).*--fiducials", shown), shown


# What must be refused


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"left": None}, "missing: left"),
        ({"nose": [0, 0, 0]}, "unknown: nose"),
        ({"nasion": [1, 2]}, "not three numbers"),
        ({"nasion": ["a", 1, 2]}, "not three numbers"),
        ({"nasion": [float("nan"), 1, 2]}, "not three numbers"),
        ({"nasion": [1e6, 1, 2]}, "not three numbers"),
        ({"nasion": True}, "not three numbers"),
    ],
)
def test_landmark_files_that_hold_none_are_refused(change, expected, person, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(landmarks(person, **change)))
    with pytest.raises(InputError, match=expected) as raised:
        read_fiducials(path)
    assert str(path) in str(raised.value)


def test_landmark_files_of_other_kinds_are_refused(person, tmp_path):
    metres = {name: (np.array(value) / 1000).tolist() for name, value in landmarks(person).items()}
    for name, text, expected in (
        ("a.json", "{", "no JSON"),
        ("b.json", "[1]", "no JSON object"),
        ("c.json", '{"nasion": [1,2,3], "nasion": [1,2,3]}', "named twice: nasion"),
        ("d.tsv", "name\tx\ty\n", "rows of name, x, y and z"),
        ("e.tsv", "name\tx\ty\tz\nnasion\t1\t2\t3\nnasion\t1\t2\t3\n", "named twice"),
        ("f.csv", "nasion,1,2,3\n", "not '.csv'"),
        ("g.json", json.dumps(metres), "no head in millimetres"),
        ("h.json", "", "empty"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=re.escape(expected)):
            read_fiducials(tmp_path / name)


def exchanged(person) -> dict[str, object]:
    here = landmarks(person)
    return {**here, "left": here["right"], "right": here["left"]}


def lps(person) -> dict[str, object]:
    return {name: [-x, -y, z] for name, (x, y, z) in landmarks(person).items()}


def elsewhere(person) -> dict[str, object]:
    return {name: [x, y + 60, z] for name, (x, y, z) in landmarks(person).items()}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (exchanged, "to the right of the right ear"),
        (lps, "to the right of|from the scalp"),
        (elsewhere, "from the scalp"),
    ],
)
def test_landmarks_of_another_head_are_refused(made, expected, person, planned, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(made(person)))
    export = planned.result.job.settings.export.model_copy(update={"fiducials": path})
    settings = planned.result.job.settings.model_copy(update={"export": export})
    job = replace(planned.result.job, settings=settings)
    with pytest.raises(GeometryError, match=expected) as raised:
        bring(job, open_brought(job), planned.result.head)
    assert "f.json" in str(raised.value)


def test_landmarks_are_refused_before_any_work(person, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(json.dumps(exchanged(person)))
    code, _, said = run(tmp_path / "out", person, "--fiducials", path)
    assert code != 0 and said.count("error:") == 1 and "f.json" in said and "mapping" not in said, said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--export", "nonsense"), "there is no export 'nonsense'"),
        (("--export", "softaxic"), "only read"),
        (("--export", "all", "visor2"), "stand alone"),
        (("--export", ","), "no export is named"),
        (("--fiducials", "{place}/none.json"), "does not exist"),
        (("--dicom", "{place}/none"), "expected a folder of DICOM files"),
        (("--dicom", "{place}"), "no DICOM file"),
        (("--no-t1", "--dicom", "{place}"), "the person's own T1 and surfaces"),
        (("--no-t1", "--fiducials", "{t1}"), "the person's own T1 and surfaces"),
    ],
)
def test_bad_options_give_one_error_and_no_output(words, expected, person, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no image")
    given = [str(word).format(place=tmp_path / "in", t1=person.t1) for word in words]
    code, _, said = run(tmp_path / "out", person, *given)
    assert code != 0 and expected in said, said
    assert said.count("error:") == 1
    assert not (tmp_path / "out").exists()


def test_a_series_of_another_head_is_refused_before_any_work(person, tmp_path):
    template = files.template_image()
    other = write_t1(tmp_path / "t1.nii.gz", person.affine @ template.affine, template.data[:, ::-1].copy())
    folder = series_of(other, tmp_path / "dicom")
    code, _, said = run(tmp_path / "out", person, "--dicom", folder)
    assert code != 0 and "does not show the head" in said and "mapping" not in said
    assert not (tmp_path / "out").exists()


def test_one_persons_files_are_refused_for_several(tmp_path):
    settings = read_settings(None, export={"dicom": tmp_path})
    require_one_person(settings, 1)
    with pytest.raises(OptionError, match="one person's; 3 people"):
        require_one_person(settings, 3)


def test_the_names_of_exports_are_read_as_written():
    chosen = read_settings(None, export={"wanted": ("Brainsight, visor2", "NIBS_BIDS", "sheets")}).export
    assert chosen.systems() == ["brainsight", "visor2", "nibs-bids"]
    assert chosen.has("sheets") and not chosen.has("overlays")
    everything = read_settings(None).export
    assert everything.systems() == written() and all(everything.has(name) for name in OTHER_EXPORTS)


def test_slices_of_an_earlier_run_make_room_and_nothing_else(tmp_path):
    shelf = Shelf(OutputFolder(tmp_path / "out"), {"sub": "01"})
    folder = shelf.empty_folder("dicom_series", slice="0001")
    folder.mkdir(parents=True)
    (folder / "IM0001.dcm").write_text("ours")
    (folder / "other.txt").write_text("not ours")
    assert shelf.empty_folder("dicom_series", slice="0001") == folder
    assert [path.name for path in folder.iterdir()] == ["other.txt"]
    shutil.rmtree(folder)
    handed = Handed()
    handed.leave_out("a", "why")
    handed.leave_out("a", "why")
    assert handed.recorded()["left_out"] == [{"what": "a", "why": "why"}]
