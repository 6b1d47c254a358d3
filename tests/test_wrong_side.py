"""The ways in which left becomes right, each caught in words of its own, through the command that a person uses."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.test_convert import coil_on_head, head_affine, head_voxels, motion, save_image

from actionloop import files
from actionloop.cli import main
from actionloop.errors import ActionloopError
from actionloop.files import read_image
from actionloop.navigation import write_any

MIRROR = np.diag([-1.0, 1, 1, 1])
TURNED = np.diag([-1.0, -1, 1, 1])


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A T1, two poses on its head, and the folder that they lie in."""
    folder = tmp_path_factory.mktemp("head")
    t1 = save_image(folder / "sub-01_T1w.nii.gz", head_affine(), head_voxels(head_affine()))
    image = read_image(t1, frame="sub-01 T1w")
    poses = [coil_on_head(one, f"M1 {side}", image) for one, side in (((-0.5, 0.1, 0.85), "L"), ((0.6, 0.3, 0.7), "R"))]
    return folder, image, poses


def convert(source: Path, t1: Path, out: Path, *more: object) -> str:
    """Convert to Localite, expecting a refusal; returns what was said."""
    words = ["convert", source, out, "--to", "localite", "--image", t1, *more]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main([str(word) for word in words])
    assert code != 0 and not out.exists()
    assert "Traceback" not in said.getvalue() and "next:" in said.getvalue()
    return said.getvalue()


def matrices(path: Path, poses, names) -> Path:
    path.write_text(json.dumps({"matsimnibs": [np.asarray(pose).tolist() for pose in poses], "names": list(names)}))
    return path


def traps(head, tmp_path):
    """Name of each trap, its file, the T1, and words that no other trap is met with."""
    folder, image, poses = head
    t1, own = folder / "sub-01_T1w.nii.gz", [pose.matrix for pose in poses]
    ours = tmp_path / "ours.txt"
    ours.write_text(write_any("brainsight", poses, image=image)[".txt"])

    def given(name, some, names=("M1 L", "M1 R")):
        return matrices(tmp_path / f"{name}.json", some, names)

    # The same voxels with x reversed in the header: the head is another one, and so is its hash.
    mirrored = save_image(tmp_path / "mirrored.nii.gz", MIRROR @ head_affine(), head_voxels(head_affine()))
    another = save_image(tmp_path / "another.nii.gz", head_affine(), head_voxels(head_affine(), seed=1))
    sheared, left_handed, swapped = own[0].copy(), own[0].copy(), tmp_path / "swapped.txt"
    sheared[0, 1] += 0.2
    left_handed[:3, 0] *= -1
    front = [coil_on_head(one, "", image).matrix for one in ((0.1, 0.9, 0.3), (-0.2, 0.9, 0.35), (0.2, 0.85, 0.3))]
    lpa, rpa, nasion = (np.array(at) for at in ((-78.0, -10, 0), (78.0, -10, 0), (0.0, 95, 0)))
    row = "\t".join(["M1 L (left)", *(f"{v:.6f}" for v in own[0][:3, 3]), *(f"{v:.8f}" for v in own[0][:3, :3].T.flat)])
    header = [
        "# Version: 12",
        "# Coordinate system: NIfTI:Scanner",
        "# Units: millimetres, degrees, milliseconds, and microvolts",
        "\t".join(["# Target Name", "Loc. X", "Loc. Y", "Loc. Z", *(f"m{a}n{c}" for a in range(3) for c in range(3))]),
    ]
    marks = ["# Planned Landmark Name\tLoc. X\tLoc. Y\tLoc. Z"]
    marks += [
        "\t".join([name, *(f"{v:.3f}" for v in TURNED[:3, :3] @ at)])
        for name, at in (("LPA", lpa), ("RPA", rpa), ("Nasion", nasion))
    ]
    swapped.write_text("\n".join([*header, row, *marks]) + "\n")
    degrees = tmp_path / "degrees.txt"
    turned = "\t".join(
        ["M1 L", *(f"{v:.6f}" for v in own[0][:3, 3]), *(f"{v:.4f}" for v in np.degrees(own[0][:3, :3].T.flat))]
    )
    degrees.write_text("\n".join([*header, turned]) + "\n")
    return {
        "mirrored affine": (ours, mirrored, "was made on another image: its header is"),
        "names exchanged": (given("exchanged", own, ("M1 R", "M1 L")), t1, "on the other side of the head"),
        "LPS named RAS": (swapped, t1, "names its coordinate system 'NIfTI:Scanner', which is RAS, but the landmarks"),
        "LPS read as RAS": (given("lps", [TURNED @ one for one in front], "ABC"), t1, "LPS was read as RAS"),
        "outside the head": (given("off", [motion((0, 0, 90)) @ one for one in own]), t1, "do not lie on this scalp"),
        "another person's T1": (ours, another, "another scan with the same header"),
        "degrees for radians": (degrees, t1, "degrees"),
        "sheared": (given("sheared", [sheared], ["M1 L"]), t1, "not perpendicular unit vectors (shear or scaling)"),
        "left-handed": (given("handed", [left_handed], ["M1 L"]), t1, "left-handed: one axis was flipped"),
        "turned over": (given("over", [one @ np.diag([-1.0, 1, -1, 1]) for one in own]), t1, "point out of the head"),
    }


def test_each_trap_is_caught_in_its_own_words(head, tmp_path):
    found = traps(head, tmp_path)
    said = {name: convert(source, t1, tmp_path / "out.xml") for name, (source, t1, _) in found.items()}
    for name, (_, _, words) in found.items():
        assert words in said[name], (name, said[name])
        if name not in ("degrees for radians", "outside the head"):
            others = [other for other in said if words in said[other] and other != name]
            assert not others, (name, others)
    assert "LPS" not in said["outside the head"] and "MNI" not in said["outside the head"]


def test_mni_coordinates_given_as_native_have_their_own_words(tmp_path):
    try:
        files.template_image()
    except ActionloopError as error:
        pytest.skip(str(error))
    image = read_image(save_image(tmp_path / "a.nii.gz", head_affine(), head_voxels(head_affine())), frame="a")
    t1 = save_image(tmp_path / "sub-02_T1w.nii.gz", head_affine((0, -10, 70)), head_voxels(head_affine()))
    tops = [coil_on_head(one, "", image).matrix for one in ((-0.3, 0.1, 0.95), (-0.4, -0.2, 0.9))]
    source = matrices(tmp_path / "mni.json", tops, ("M1 L", "S1 L"))
    assert "MNI coordinates were given as this person's own" in convert(source, t1, tmp_path / "out.xml")


def test_radiological_storage_changes_no_coordinate(head, tmp_path):
    """The same head stored from right to left: another header, the same places, the same sides."""
    folder, image, poses = head
    stored = nib.load(folder / "sub-01_T1w.nii.gz")
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = stored.shape[0] - 1
    data = np.asarray(stored.dataobj)[::-1]
    las = save_image(tmp_path / "sub-01_T1w.nii.gz", stored.affine @ flip, np.ascontiguousarray(data))
    other = read_image(las, frame="sub-01 T1w")
    assert np.linalg.det(other.affine) < 0 < np.linalg.det(image.affine)
    names = [pose.label for pose in poses]
    source = matrices(tmp_path / "in.json", [pose.matrix for pose in poses], names)
    texts = []
    for number, t1 in enumerate((folder / "sub-01_T1w.nii.gz", las)):
        out = tmp_path / f"{number}.xml"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert main(["convert", str(source), str(out), "--to", "localite", "--image", str(t1)]) == 0
        texts.append([line for line in out.read_text().splitlines() if "data00" in line or "data10" in line])
    assert texts[0] == texts[1]
    # A file of ours knows that it was the other file, although the head is the same.
    ours = tmp_path / "ours.txt"
    ours.write_text(write_any("brainsight", poses, image=image)[".txt"])
    assert "made on another image" in convert(ours, las, tmp_path / "no.xml")
