"""`check-export`: real navigation files, our own exports on the template's head, words for known places, warnings."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from actionloop import facts, files
from actionloop.brain import ScalpFit, find_scalp, fit_scalp
from actionloop.cli import main
from actionloop.cli.checkexport import as_json, as_text
from actionloop.errors import GeometryError, InputError, OptionError, ResourceError
from actionloop.navigation import SYSTEMS, Entry, write_any, written
from actionloop.pipeline import checkexport as module
from actionloop.pipeline import pointing as pointing_module
from actionloop.pipeline.checkexport import CheckExportRequest, check_export
from actionloop.pipeline.onhead import names_template, template_scalp
from actionloop.pipeline.pointing import Pointing, place_names
from actionloop.pipeline.priors import area_names
from actionloop.targets import geometric_matrix
from actionloop.types import HEMISPHERES, CoilPose

SHARED = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
DATA = SHARED / "navigation"
REAL = sorted(path for path in DATA.rglob("*.*") if path.is_file()) if DATA.is_dir() else []
HEAD = SHARED / "head" / "sub-M2051_T1w.nii.gz"
needs_data = pytest.mark.skipif(not REAL, reason=f"no navigation files in {DATA} (set ACTIONLOOP_DATA)")
needs_head = pytest.mark.skipif(not HEAD.is_file(), reason=f"no head in {HEAD.parent} (set ACTIONLOOP_DATA)")


@pytest.fixture(scope="module")
def template():
    """The template's T1 and surfaces."""
    try:
        return files.template_image(), files.template_anatomy()
    except ResourceError as error:
        pytest.skip(f"{error.problem} (run: actionloop data fetch)")


@pytest.fixture(scope="module")
def on_template(template):
    """Poses over the template's cortex, tied to its image."""
    image, _ = template

    def make(xyz, label, *, gap=2.0, tie=None):
        point, normal, _ = template_scalp().nearest(np.array(xyz, dtype=float))
        side = "L" if xyz[0] < 0 else "R"
        matrix = geometric_matrix(point, normal, hemisphere=side, handle_deg=45, gap_mm=gap)
        return CoilPose(matrix, tie or image.tie, label, "geometric, no field yet")

    return make


@pytest.fixture(scope="module")
def quick(template):
    """The template's head as its own cortex: what a fit finds, without the time that it takes."""
    _, anatomy = template
    surfaces = {side: anatomy.surface(side, "pial") for side in HEMISPHERES}
    return Pointing(template_scalp(), surfaces, place_names(), np.zeros(3), ScalpFit(np.eye(4), 0.5, 1.0))


@pytest.fixture
def known_head(quick, monkeypatch):
    monkeypatch.setattr(module, "pointing_at", lambda image, surfaces: replace(quick, scalp=replace(quick.scalp)))
    monkeypatch.setattr(module, "examine_head", lambda *_, **__: _Whole())


class _Whole:
    usable, reasons = True, ()


def save(folder, poses, image, system="brainsight", name="poses", **more):
    made = write_any(system, poses, image=image, **more)
    paths = []
    for suffix, content in made.items():
        path = folder / f"{name}{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return paths[0]


def whole(found):
    return " ".join(one.what for one in found.warnings)


def test_every_area_has_one_place_in_words(template):
    named = Counter(area for place in facts.load("gyri")["place"] for area in place["areas"])
    assert set(named) == set(area_names()) - {""}
    assert set(named.values()) == {1}
    names = place_names()
    assert all(len(names[side]) == 32_492 for side in HEMISPHERES)
    assert "precentral gyrus (primary motor cortex, area 4)" in names["L"]
    assert "medial wall" in names["R"]


@needs_data
@pytest.mark.parametrize("path", REAL, ids=[path.name for path in REAL])
def test_every_real_file_is_told(path):
    assume = "LPS" if path.name == "dcmimage_niftialignedcoord.txt" else None
    found = check_export(CheckExportRequest(path, assume=assume))
    assert sum(found.counts.values()) == len(found.entries)
    assert found.verified
    assert found.entries or found.skipped or "empty" in path.name
    for one in found.entries:
        if one.determinant is not None:
            assert one.determinant == pytest.approx(1, abs=1e-6)
            assert one.off_square_deg < 0.1
    told = json.loads(as_json(found))
    assert told["usable"] is found.usable
    assert "\x1b" not in as_text(found)


@needs_data
def test_a_file_whose_axes_contradict_its_landmarks_is_refused_with_what_to_say(capsys):
    path = DATA / "brainsight" / "dcmimage_niftialignedcoord.txt"
    assert main(["check-export", str(path)]) == 1
    assert "LPS" in capsys.readouterr().err
    assert main(["check-export", str(path), "--assume", "LPS"]) == 0


@pytest.mark.parametrize("system", written())
def test_our_own_export_of_every_system_is_read_tied_and_named(system, template, on_template, tmp_path, known_head):
    image, _ = template
    poses = [on_template((-37, -21, 58), "M1 hand knob L"), on_template((37, 26, 49), "F4 R")]
    path = save(tmp_path, poses, image, system)
    found = check_export(CheckExportRequest(path, image=Path(image.source)))
    assert (found.system, found.name) == (system, SYSTEMS[system].name)
    assert found.verified is SYSTEMS[system].verified
    assert found.tie.header_sha256 == image.header_sha256
    assert found.image.same is True
    assert not [one.what for one in found.warnings if one.unusable]
    motor, frontal = (one for one in found.entries if one.determinant is not None)
    assert motor.points_at.startswith("left precentral gyrus")
    assert frontal.points_at.startswith("right middle frontal gyrus")
    assert motor.points_at.endswith("handle posterior-lateral")
    assert (motor.side_by_name, motor.side_by_x) == ("left", "left")
    assert ("UNVERIFIED" in as_text(found)) is not SYSTEMS[system].verified


def test_known_places_are_named_on_their_own_side(quick, on_template):
    for site in facts.load("sites")["site"]:
        fold = "precentral" if "M1" in site["name"]["L"] else "middle frontal"
        for side, word in (("L", "left"), ("R", "right")):
            said = quick.describe(on_template(site[side], side).matrix).brief
            assert said.startswith(f"{word} "), said
            assert fold in said, (site["name"][side], said)


def test_another_image_is_told_by_what_differs(template, on_template, tmp_path, known_head):
    image, _ = template
    path = save(tmp_path, [on_template((-37, -21, 58), "M1 L")], image)
    moved = nib.load(image.source)
    affine = moved.affine.copy()
    affine[2, 3] += 1
    nib.save(nib.Nifti1Image(np.asarray(moved.dataobj), affine), tmp_path / "moved.nii.gz")
    found = check_export(CheckExportRequest(path, image=tmp_path / "moved.nii.gz"))
    assert (found.image.same, found.image.differs, found.usable) == (False, "header", False)
    data = np.asarray(moved.dataobj).copy()
    data[90, 100, 90] += 1
    nib.save(nib.Nifti1Image(data, moved.affine, moved.header), tmp_path / "changed.nii.gz")
    found = check_export(CheckExportRequest(path, image=tmp_path / "changed.nii.gz"))
    assert (found.image.same, found.image.differs, found.usable) == (False, "voxels", False)
    assert "another person, or a changed image" in whole(found)
    assert "NO: the same header, other voxels" in as_text(found)


def test_forms_that_disagree_are_said(template, on_template, tmp_path, known_head):
    image, _ = template
    path = save(tmp_path, [on_template((-37, -21, 58), "M1 L")], image, "simnibs")
    odd = nib.load(image.source)
    made = nib.Nifti1Image(np.asarray(odd.dataobj), odd.affine)
    other = odd.affine.copy()
    other[1, 3] += 5
    made.set_sform(odd.affine, 1)
    made.set_qform(other, 1)
    nib.save(made, tmp_path / "odd.nii.gz")
    found = check_export(CheckExportRequest(path, image=tmp_path / "odd.nii.gz"))
    assert "qform and sform are both set and disagree" in whole(found)
    assert not found.usable


def plain_file(folder, matrices, labels):
    """A SimNIBS-like export of another program: it names no image."""
    path = folder / "Markers.xml"
    rows = []
    from actionloop.navigation.conventions import LOCALITE_AXES

    for matrix, label in zip(matrices, labels, strict=True):
        theirs = matrix @ LOCALITE_AXES
        cells = " ".join(f'data{i}{j}="{theirs[i, j]:.6f}"' for i in range(4) for j in range(4))
        rows.append(
            f'<InstrumentMarker alwaysVisible="false" index="0" selected="false"><Marker description="{label}" '
            f'color="#ff0000" set="true"><Matrix4D {cells}/></Marker></InstrumentMarker>'
        )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<InstrumentMarkerList coordinateSpace="RAS">'
        + "".join(rows)
        + "</InstrumentMarkerList>\n"
    )
    return path


def test_poses_out_of_the_head_and_off_it_are_warned_of(template, on_template, tmp_path, known_head):
    image, _ = template
    good = on_template((-37, -21, 58), "M1 L").matrix
    over = good @ np.diag([1.0, -1, -1, 1])
    path = plain_file(tmp_path, [good, over], ["good", "over"])
    found = check_export(CheckExportRequest(path, image=Path(image.source)))
    assert found.image.same is None
    assert [one.label for one in found.warnings if "points out of the head" in one.what] == ["over"]
    far = good.copy()
    far[2, 3] += 80
    found = check_export(CheckExportRequest(plain_file(tmp_path, [far], ["far"]), image=Path(image.source)))
    assert "another person's head or to another frame" in whole(found)
    assert found.entries[0].points_at == ""
    assert not found.usable


def test_mni_and_lps_coordinates_are_recognised(quick, on_template):
    scalp = replace(quick.scalp, vertices=quick.scalp.vertices + np.array([0, 0, 70.0]))
    away = replace(quick, scalp=scalp)
    matrix = on_template((-37, -21, 58), "M1 L").matrix
    assert "look like MNI coordinates" in away.judge([matrix])
    front = replace(quick, scalp=replace(quick.scalp, vertices=quick.scalp.vertices + np.array([0, 90.0, 0])))
    own = matrix.copy()
    own[:3, 3] += [0, 90, 0]
    turned = np.diag([-1.0, -1, 1, 1]) @ own
    assert "LPS taken for RAS" in front.judge([turned])
    assert quick.judge([matrix]) == ""


def test_a_template_is_named_by_a_word_and_not_by_letters_within_one(template, on_template, tmp_path, known_head):
    for frame in ("MNI152NLin6Asym", "NIfTI:MNI-152", "NIfTI:Talairach", "in mni152", "fsaverage", "ICBM 2009c"):
        assert names_template(frame), frame
    for frame in ("SimNIBS", "m2m of SimNIBS 4", "NIfTI:Scanner", "sub-Omni01 T1w", "coordinateSpace RAS"):
        assert not names_template(frame), frame
    image, _ = template
    scanner = nib.load(image.source)
    scanner = nib.Nifti1Image(np.asarray(scanner.dataobj), scanner.affine)
    scanner.set_sform(scanner.affine, 1)
    scanner.set_qform(scanner.affine, 1)
    nib.save(scanner, tmp_path / "sub-01_T1w.nii.gz")
    pose = on_template((-37, -21, 58), "M1 L").matrix.tolist()
    for frame, said in (("SimNIBS", False), ("MNI152", True)):
        about = {"frame": frame, "matsimnibs": [pose], "names": ["M1 L"]}
        (tmp_path / "theirs.json").write_text(json.dumps(about))
        found = check_export(CheckExportRequest(tmp_path / "theirs.json", image=tmp_path / "sub-01_T1w.nii.gz"))
        assert (found.frame, found.tie) == (frame, None)
        assert ("in a template's frame" in whole(found)) is said


def test_a_name_that_contradicts_its_place_is_warned_of(template, on_template, tmp_path, known_head):
    matrix = on_template((37, -21, 58), "M1 R").matrix
    path = plain_file(tmp_path, [matrix], ["M1 left"])
    alone = check_export(CheckExportRequest(path))
    assert "left and right contradict" in whole(alone)
    assert "of the origin" in whole(alone)
    image, _ = template
    found = check_export(CheckExportRequest(path, image=Path(image.source)))
    assert "of the midline of this head" in whole(found)
    assert not found.usable


def test_labels_cannot_move_the_cursor(on_template, tmp_path, capsys):
    entry = Entry("target", "M1\x1b[2J\u202eL [red]", None, np.array([-30.0, 0, 50]), note="a\nb\x07")
    one, _ = module._entry(entry, None, placed=True)
    assert one.label == entry.label
    found = check_export(CheckExportRequest(plain_file(tmp_path, [on_template((-37, -21, 58), "L").matrix], ["M1"])))
    text = as_text(replace(found, entries=(one,), frame="x\x1b]0;y\x07", warnings=(module.Warned("w\x1b", "l\r"),)))
    assert not any(c in text for c in "\x1b\x07\r\u202e")
    assert "[red]" in text


def test_the_command_says_all_as_json_and_refuses_what_does_not_fit(on_template, tmp_path, capsys):
    path = plain_file(tmp_path, [on_template((-37, -21, 58), "L").matrix], ["M1 L"])
    assert main(["check-export", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["notice"] == facts.notice()
    assert {"system", "version", "frame", "space", "tie", "counts", "entries", "warnings", "image", "usable"} <= set(
        told
    )
    assert main(["check-export", str(path), "--surfaces", str(tmp_path)]) == 2
    assert main(["check-export", str(tmp_path / "none.txt")]) == 1
    with pytest.raises(InputError, match="cannot be read"):
        check_export(CheckExportRequest(tmp_path / "none.txt"))
    with pytest.raises(OptionError, match="image"):
        check_export(CheckExportRequest(path, surfaces=tmp_path))


def carried(affine, scalp):
    normals = scalp.normals @ np.linalg.inv(affine[:3, :3])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return replace(scalp, vertices=scalp.vertices @ affine[:3, :3].T + affine[:3, 3], normals=normals)


@pytest.mark.parametrize(
    ("turn", "shift", "scale"),
    [((10, 5, -8), (12, -30, 25), (1, 1, 1)), ((-20, 3, 10), (40, 20, -60), (0.95, 1.05, 0.97))],
)
def test_a_moved_template_is_found_again(template, turn, shift, scale):
    _, anatomy = template
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.diag(scale)
    affine[:3, 3] = shift
    fit = fit_scalp(template_scalp(), carried(affine, template_scalp()))
    cortex = np.concatenate([anatomy.surface(side).vertices for side in HEMISPHERES])
    off = np.linalg.norm(fit(cortex) - (cortex @ affine[:3, :3].T + affine[:3, 3]), axis=1)
    assert fit.good
    assert off.mean() < 2
    assert off.max() < 4


def test_what_is_no_head_is_not_laid_in(template):
    scalp = template_scalp()
    flat = replace(scalp, vertices=scalp.vertices * [1, 1, 0.1])
    with pytest.raises(GeometryError, match="too little scalp"):
        fit_scalp(scalp, flat)
    assert not ScalpFit(np.eye(4), 9.0, 1.0).good


@needs_head
def test_a_real_head_gets_its_cortex_within_what_is_said(template):
    _, anatomy = template
    fit = fit_scalp(template_scalp(), find_scalp(files.read_image(HEAD, frame="M2051 T1w")))
    assert fit.residual_mm < 1.5
    pial = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    # An affine fitted to the brain itself by mutual information, with another program.
    brain = np.array(
        [[0.832, 0.032, -0.003, 0.488], [-0.035, 0.857, -0.339, 27.241], [-0.025, 0.353, 0.832, -35.223], [0, 0, 0, 1]]
    )
    off = np.linalg.norm(fit(pial) - (pial @ brain[:3, :3].T + brain[:3, 3]), axis=1)
    said = facts.load("gyri")["carried"]
    assert off.mean() < said["mean_mm"][1] + 1
    assert off.max() < said["worst_mm"] + 1


def test_storage_does_not_change_the_words(template, on_template, tmp_path, monkeypatch):
    image, _ = template
    stored = nib.load(image.source)
    flipped = stored.as_reoriented([[0, -1], [1, 1], [2, 1]])
    nib.save(flipped, tmp_path / "radiological.nii.gz")
    other = files.read_image(tmp_path / "radiological.nii.gz", frame=image.frame)
    assert np.linalg.det(other.affine[:3, :3]) * np.linalg.det(image.affine[:3, :3]) < 0
    monkeypatch.setattr(pointing_module, "fit_scalp", lambda *_: ScalpFit(np.eye(4), 0.5, 1.0))
    pose = on_template((-37, -21, 58), "M1 L").matrix
    one, same = (pointing_module.pointing_at(each, None).describe(pose) for each in (image, other))
    assert one.region == same.region
    assert one.handle == same.handle
    assert one.depth_mm == pytest.approx(same.depth_mm, abs=1)


MOVED = np.eye(4)
MOVED[:3, :3] = Rotation.from_euler("xyz", (6, -4, 9), degrees=True).as_matrix()
MOVED[:3, 3] = (12, -30, 25)


@pytest.fixture(scope="module")
def own(template, tmp_path_factory):
    """T1 and folder of surfaces of the template's head, moved: a person's own."""
    image, anatomy = template
    folder = tmp_path_factory.mktemp("own")
    (folder / "surf").mkdir()
    made = nib.Nifti1Image(np.asarray(image.data), MOVED @ image.affine)
    made.set_sform(made.affine, 1)
    made.set_qform(made.affine, 1)
    nib.save(made, folder / "sub-01_T1w.nii.gz")
    for (side, kind), surface in anatomy.surfaces.items():
        if kind in ("white", "pial", "midthickness"):
            vertices = surface.vertices @ MOVED[:3, :3].T + MOVED[:3, 3]
            name = f"sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"
            files.write_gifti_surface(folder / "surf" / name, replace(surface, vertices=vertices))
    return folder


def test_own_surfaces_name_the_cortex_under_a_coil(own, quick, on_template, tmp_path, capsys):
    t1 = own / "sub-01_T1w.nii.gz"
    image = files.read_image(t1, frame="sub-01 T1w")
    there = {"M1 hand knob L": (-37, -21, 58), "F4 R": (37, 26, 49)}
    native = {label: on_template(xyz, label) for label, xyz in there.items()}
    poses = [CoilPose(MOVED @ one.matrix, image.tie, label, "") for label, one in native.items()]
    path = save(tmp_path, poses, image)
    found = check_export(CheckExportRequest(path, image=t1, surfaces=own / "surf"))
    assert found.usable and found.image.same and found.image.residual_mm is None
    assert "the person's own" in found.image.cortex
    assert not found.warnings, whole(found)  # the head was examined too, under one name of its frame
    for one, (label, pose) in zip(found.entries, native.items(), strict=True):
        assert one.label.startswith(label)
        assert one.points_at == quick.describe(pose.matrix).brief
    assert found.entries[0].points_at.startswith("left precentral gyrus")
    # A file that names no image, and the same through the command.
    path = plain_file(tmp_path, [pose.matrix for pose in poses], there)
    assert main(["check-export", str(path), "--image", str(t1), "--surfaces", str(own / "surf")]) == 0
    assert "right middle frontal gyrus" in capsys.readouterr().out


def test_surfaces_of_another_place_are_refused(own, template, on_template, tmp_path, capsys):
    image, _ = template
    path = plain_file(tmp_path, [on_template((-37, -21, 58), "L").matrix], ["M1 L"])
    assert main(["check-export", str(path), "--image", image.source, "--surfaces", str(own / "surf")]) == 1
    said = capsys.readouterr()
    assert "the surfaces cannot be used with this image" in said.err
    assert said.out == ""
