"""`actionloop lesion` through its command: people, parcels and a prior as cohort, P1, symptoms, and what is refused."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import os
import weakref
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from actionloop import facts, files
from actionloop.brain import make_parcels
from actionloop.brain.region import Ball
from actionloop.cli import main
from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.evidence import lesion_at
from actionloop.pipeline import lesioncohort, lesionpage
from actionloop.pipeline.lesionfiles import read_symptoms
from actionloop.pipeline.lesionplaces import nuclei_of_lesion, read_nucleus_atlases
from actionloop.pipeline.lesionseeds import make_seeds, null_count, structure_words
from actionloop.pipeline.priors import cached_default_prior
from actionloop.types import Grayordinates, Timeseries, Voxels

DATA = Path(os.environ.get("ACTIONLOOP_DATA", "../shared/data"))
HEAD = DATA / "head"
THOMAS = DATA / "thalamus" / "Atlas-Thalamus_space-MNI_hemi-right_label-AllNuclei_desc-MaxProb.nii.gz"
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
CM, VPL, ELSEWHERE = (14.0, -22.0, 0.0), (20.0, -22.0, 8.0), (8.0, -12.0, 4.0)
RIGHT = "CIFTI_STRUCTURE_THALAMUS_RIGHT"


@pytest.fixture(scope="module", autouse=True)
def resources():
    try:
        files.require(groups=("plan", "lesion"))
    except ActionloopError as error:
        pytest.skip(str(error))


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Pictures take most of the time; one test draws them."""
    monkeypatch.setattr(lesionpage, "_pictures", lambda found, atlases: iter(()))


def thalamus() -> Voxels:
    """A right thalamus of 1,080 voxels of 2 mm."""
    ijk = np.stack(np.meshgrid(np.arange(34, 44), np.arange(49, 61), np.arange(34, 43), indexing="ij"), -1)
    ijk = ijk.reshape(-1, 3)
    return Voxels(ijk, np.array([RIGHT] * len(ijk)), AFFINE, (91, 109, 91))


def axis() -> Grayordinates:
    return replace(files.template_grayordinates(), voxels=thalamus())


def places() -> np.ndarray:
    voxels = thalamus()
    return voxels.ijk @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def draw(rng: np.random.Generator, *, frames: int = 110) -> np.ndarray:
    """CM follows SCAN and VPL the effectors; all else of the thalamus follows nothing."""
    prior = cached_default_prior()
    label = prior.probability.argmax(axis=0)
    courses = rng.standard_normal((frames, len(prior.names))).astype(np.float32)
    cortex = courses[:, label] + rng.standard_normal((frames, len(label)), dtype=np.float32)
    inside = rng.standard_normal((frames, len(places())), dtype=np.float32)
    for centre, networks in ((CM, ["SCAN"]), (VPL, ["foot", "hand", "mouth"])):
        near = np.linalg.norm(places() - centre, axis=1) <= 4
        inside[:, near] += courses[:, [prior.names.index(name) for name in networks]].sum(axis=1)[:, None]
    return np.concatenate([cortex, inside], axis=1)


def write_person(root: Path, label: str, data: np.ndarray, rows: Grayordinates) -> None:
    func = root / f"sub-{label}" / "func"
    func.mkdir(parents=True)
    (root / "dataset_description.json").write_text(
        json.dumps({"Name": "x", "DatasetType": "derivative", "GeneratedBy": [{"Name": "xcp_d"}]})
    )
    name = f"sub-{label}_task-rest_space-fsLR_den-91k_desc-denoised_bold"
    files.write_dtseries(func / f"{name}.dtseries.nii", Timeseries(data, rows, 2.5))
    (func / f"{name}.json").write_text(json.dumps({"RepetitionTime": 2.5}))


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people")
    for number in range(3):
        write_person(root, f"{number + 1:02d}", draw(np.random.default_rng(number)), axis())
    return root


@pytest.fixture(scope="module")
def cortical(tmp_path_factory) -> Path:
    """One person without voxels."""
    root = tmp_path_factory.mktemp("cortical")
    data = draw(np.random.default_rng(9))[:, :59_412]
    write_person(root, "01", data, files.template_grayordinates())
    return root


def run(*words: object) -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in words]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, shown.getvalue(), said.getvalue()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def ball(path: Path, centre: tuple[float, ...], *, radius: float = 3.0, code: int = 4, affine=AFFINE) -> Path:
    """A mask of a ball on the 2 mm grid of MNI152."""
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in (91, 109, 91)), indexing="ij"), axis=-1)
    away = np.linalg.norm(ijk @ AFFINE[:3, :3].T + AFFINE[:3, 3] - np.array(centre), axis=-1)
    image = nibabel.Nifti1Image((away <= radius).astype(np.uint8), affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    nibabel.save(image, path)
    return path


# What is found


def test_a_coordinate_in_cm_finds_scan_and_reads_one_person_at_a_time(people, tmp_path, monkeypatch):
    alive: list[weakref.ref[object]] = []
    load = lesioncohort.load_series

    def watched(*given: object, **options: object) -> object:
        gc.collect()
        assert not [one for one in alive if one() is not None], "two people in memory"
        loaded = load(*given, **options)
        alive.append(weakref.ref(loaded.series))
        return loaded

    monkeypatch.setattr(lesioncohort, "load_series", watched)
    out = tmp_path / "out"
    words = ("--coordinate", *CM, "--cohort", people, "--nulls", 199, "--seed", 3)
    code, shown, said = run("lesion", out, *words)
    assert code == 0, said
    assert len(alive) == 3
    rows = {row["network"]: row for row in table(out / "lesion.tsv")}
    assert list(rows) == facts.load("lesion")["command"]["networks"]
    assert float(rows["SCAN"]["p_max"]) <= 0.05 and float(rows["SCAN"]["p_max_removed"]) <= 0.05
    assert min(float(rows[name]["p_max"]) for name in ("foot", "hand", "mouth")) > 0.05
    assert rows["SCAN"]["structure"] == "right thalamus" and rows["SCAN"]["n_null"] == "199"
    assert "SCAN\tz +" in shown
    maps = files.read_cifti_scalar(out / "lesion_maps.dscalar.nii")
    assert maps.data.shape == (4, len(axis())) and [name.split(": ")[1] for name in maps.names][:2] == ["mean z", "t"]
    prior = cached_default_prior()
    scan = prior.probability.argmax(axis=0) == prior.names.index("SCAN")
    assert maps.data[0, :59_412][scan].mean() > 0.1 > abs(maps.data[0, :59_412][~scan].mean())
    told = json.loads((out / "lesion.json").read_text())
    assert told["Lesions"][0]["Side"].startswith("lesion at 14, −22, 0 (right): RIGHT hemisphere")
    assert [one["Label"] for one in told["People"]] == ["01", "02", "03"] and told["Seed"] == 3
    assert set(rows["SCAN"]) == set(told["Columns"]["lesion"])
    assert set(table(out / "lesion_nuclei.tsv")[0]) == set(told["Columns"]["lesion_nuclei"])
    page = (out / "lesion.html").read_text()
    assert "One patient cannot show" in page and "Research use only" in page and "HCPex" in page and "AAL3" in page
    assert page.count("<img") == 4 and page.count('alt="') >= 4
    assert len(list((out / "figures").glob("*.png"))) == 4


@pytest.mark.usefixtures("undrawn")
def test_many_lesions_with_a_symptom(people, tmp_path):
    """Lesions in CM have the symptom, those elsewhere have not."""
    rng = np.random.default_rng(0)
    lines, masks = ["lesion,score,age,side"], []
    for number in range(8):
        centre = CM if number < 4 else ELSEWHERE
        path = ball(tmp_path / f"case{number}.nii.gz", tuple(np.array(centre) + 2 * (number % 2) * np.array([0, 1, 0])))
        masks.append(path)
        lines.append(f"{path.name},{int(number < 4)},{rng.integers(30, 60)},right")
    sheet = tmp_path / "symptoms.csv"
    sheet.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    code, _, said = run("lesion", *masks, out, "--cohort", people, "--symptoms", sheet, "--nulls", 20)
    assert code == 0, said
    found = {row["network"]: row for row in table(out / "lesion_symptoms.tsv")}
    assert float(found["SCAN"]["t"]) > 3 and float(found["SCAN"]["p_max"]) <= 0.1
    assert float(found["SCAN"]["t"]) == max(float(row["t"]) for row in found.values())
    assert len(table(out / "lesion.tsv")) == 8 * 5
    page = (out / "lesion.html").read_text()
    assert "Exchanged labels of a symptom" in page and "Covariates: age" in page


@pytest.mark.usefixtures("undrawn")
def test_a_prior_tells_networks_and_no_map(tmp_path):
    prior = cached_default_prior()
    rng = np.random.default_rng(1)
    near = np.linalg.norm(places() - CM, axis=1) <= 4
    below = 0.1 * rng.standard_normal((len(prior.names), len(near))).astype(np.float32)
    below[prior.names.index("SCAN"), near] += 0.5
    whole = replace(
        prior,
        grayordinates=axis(),
        probability=np.concatenate([prior.probability, np.zeros_like(below)], axis=1),
        fingerprint=np.concatenate([prior.fingerprint, below], axis=1),
    )
    path = tmp_path / "cohort_prior.npz"
    files.write_prior(path, whole)
    out = tmp_path / "out"
    code, _, said = run("lesion", out, "--coordinate", *CM, "--cohort", path, "--nulls", 199)
    assert code == 0, said
    rows = {row["network"]: row for row in table(out / "lesion.tsv")}
    assert float(rows["SCAN"]["p_max"]) <= 0.05 and rows["SCAN"]["p_removed"] == "n/a"
    assert not (out / "lesion_maps.dscalar.nii").exists()
    assert "A prior holds connectivity with whole networks only" in (out / "lesion.html").read_text()
    files.write_prior(path, prior)
    code, _, said = run("lesion", tmp_path / "b", "--coordinate", *CM, "--cohort", path)
    assert code == 1 and "no voxels below it" in said and not (tmp_path / "b").exists()


@pytest.mark.usefixtures("undrawn")
def test_cortex_has_lesions_of_its_size_along_its_mesh(cortical, tmp_path):
    vertex = files.template_anatomy().surface("L").vertices[files.template_grayordinates().left[9_000]]
    out = tmp_path / "out"
    code, _, said = run("lesion", out, "--coordinate", *vertex, "--radius", 6, "--cohort", cortical, "--nulls", 30)
    assert code == 0, said
    assert {row["structure"] for row in table(out / "lesion.tsv")} == {"left cortex"}
    assert "mean and t are those of few people" in (out / "lesion.html").read_text()


def test_parcels_are_seeds_by_their_members():
    whole = files.template_grayordinates()
    members = [np.arange(first, first + 400) for first in range(0, len(whole) - 400, 400)]
    members = [rows for rows in members if rows[-1] < len(whole.left) or rows[0] >= len(whole.left)]
    surfaces = {side: files.template_anatomy().surface(side) for side in ("L", "R")}
    parcels, _ = make_parcels([str(k) for k in range(len(members))], members, whole, surfaces)
    vertex = surfaces["L"].vertices[whole.left[members[3][200]]]
    rng = np.random.default_rng(0)
    seeds = make_seeds([lesion_at(vertex, radius_mm=5)], parcels.axis, parcels=parcels, n=20, rng=rng)
    assert seeds.weight.shape[1] == len(members) and seeds.structures == ("CIFTI_STRUCTURE_CORTEX_LEFT",)
    inside = seeds.rows[0].weight
    assert np.allclose(seeds.weight[[0]].toarray()[0], [inside[rows].sum() for rows in parcels.members])
    assert (np.asarray(seeds.weight.sum(axis=1)) > 0).all()
    assert seeds.null_of[0] == slice(1, seeds.weight.shape[0])


# Where it lies


def test_p1_lies_where_its_report_says_by_two_atlases_side_by_side():
    """'Intersection of CM-Pf, VPL and pulvinar': all three share volume with 3 mm around it in every atlas."""
    p1 = facts.load("lesion")["p1"]
    lesion = lesion_at(np.array(p1["xyz_mni"]))
    found = {one.atlas: one for one in nuclei_of_lesion(lesion, read_nucleus_atlases(()))}
    assert set(found) == {"HCPex", "AAL3"}
    expected = {
        "HCPex": {"VPL": 0, "CM-Pf": 0.5, "pulvinar-LP": 1.66},
        "AAL3": {"CM-Pf": 0, "VPL": 0.5, "pulvinar-LP": 1.5},
    }
    for atlas, distances in expected.items():
        grouped = {one.name: one for one in found[atlas].grouped}
        assert set(grouped) == set(p1["nuclei"])
        for name, distance in distances.items():
            assert grouped[name].distance_mm == pytest.approx(distance, abs=0.01)
            assert grouped[name].overlap_mm3 > 0
        assert {one.side for one in found[atlas].own} == {"R"}
    if not THOMAS.is_file():
        pytest.skip(f"{THOMAS} is absent (set ACTIONLOOP_DATA)")
    (thomas,) = nuclei_of_lesion(lesion, read_nucleus_atlases((THOMAS,)))
    assert {one.name for one in thomas.grouped if one.overlap_mm3 > 0} == set(p1["nuclei"])
    left = lesion_at(np.array([-14.0, -21, 1]))
    assert nuclei_of_lesion(left, read_nucleus_atlases((THOMAS,))) == ()


def test_atlases_that_are_not_known_are_refused(tmp_path):
    for name, words in (
        ("mine.nii.gz", "labels of this atlas are not known"),
        ("thomas.nii.gz", "image for each side"),
    ):
        with pytest.raises(OptionError, match=words):
            read_nucleus_atlases((ball(tmp_path / name, CM),))


# Native space


@pytest.mark.usefixtures("undrawn")
def test_a_native_lesion_needs_a_transform_and_goes_through_one(people, tmp_path):
    """A T1 of MNI moved by 7 mm, with a lesion of CM drawn on it."""
    template = files.template_image()
    shift = np.eye(4)
    shift[:3, 3] = [7, -4, 5]
    t1 = tmp_path / "sub-01_T1w.nii.gz"
    moved = shift @ template.affine
    image = nibabel.Nifti1Image(np.asarray(template.data), moved)
    image.set_sform(moved, 1)
    image.set_qform(moved, 1)
    nibabel.save(image, t1)
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in template.data.shape), indexing="ij"), axis=-1)
    inside = Ball(np.array(CM), 3.0).contains(ijk @ template.affine[:3, :3].T + template.affine[:3, 3])
    mask = tmp_path / "sub-01_lesion.nii.gz"
    drawn = nibabel.Nifti1Image(inside.astype(np.uint8), moved)
    drawn.set_sform(moved, 1)
    nibabel.save(drawn, mask)
    xfm = tmp_path / "sub-01_from-T1w_to-MNI152NLin6Asym_mode-image_xfm.txt"
    lps = np.diag([-1.0, -1, 1, 1]) @ shift @ np.diag([-1.0, -1, 1, 1])  # points of MNI to those of the T1

    def itk(matrix: np.ndarray) -> None:
        numbers = " ".join(f"{value:.6f}" for value in [*matrix[:3, :3].ravel(), *matrix[:3, 3]])
        xfm.write_text(
            "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
            f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
        )

    itk(lps)
    out = tmp_path / "out"
    words = (mask, out, "--cohort", people, "--nulls", 99, "--side", "right")
    code, _, said = run("lesion", *words, "--t1", t1, "--transform", xfm)
    assert code == 0, said
    told = json.loads((out / "lesion.json").read_text())
    assert told["Lesions"][0]["CentreMNI"] == pytest.approx(CM, abs=0.1)
    assert min(table(out / "lesion.tsv"), key=lambda row: float(row["p"]))["network"] == "SCAN"
    none = tmp_path / "none"
    itk(np.linalg.inv(lps))
    shifted = tmp_path / "other_lesion.nii.gz"
    nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8)[:-1], moved), shifted)
    mirrored = tmp_path / "mirrored_lesion.nii.gz"
    flip = moved @ np.diag([-1.0, 1, 1, 1])
    nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8), flip), mirrored)
    cases = [
        ((mask, none), (), "neither name nor header"),
        ((mask, none), ("--t1", t1), "--transform is missing"),
        ((mask, none), ("--transform", xfm), "--t1 is missing"),
        ((mask, none), ("--t1", t1, "--transform", xfm), "does not lie on the MNI152 template"),
    ]
    for given, more, words in cases:
        code, _, said = run("lesion", *given, "--cohort", people, "--side", "right", *more)
        assert code in (1, 2) and words in said and "Traceback" not in said, said
    itk(lps)
    for path, words in ((shifted, "on another grid"), (mirrored, "is mirrored")):
        more = ("--t1", t1, "--transform", xfm, "--side", "right")
        code, _, said = run("lesion", path, none, "--cohort", people, *more)
        assert code in (1, 2) and words in said, said
    assert not none.exists()


def test_a_real_stroke_lesion_is_refused_without_a_transform(people, tmp_path):
    if not HEAD.is_dir():
        pytest.skip(f"{HEAD} is absent (set ACTIONLOOP_DATA)")
    mask = HEAD / "sub-M2051_lesion_mask.nii.gz"
    code, _, said = run("lesion", mask, tmp_path / "out", "--cohort", people, "--side", "left")
    assert code == 1 and "neither name nor header" in said and "--transform" in said
    assert not (tmp_path / "out").exists()


# What is refused


def test_bad_lesions_are_one_error_and_leave_nothing(people, cortical, tmp_path):
    empty = tmp_path / "empty_space-MNI.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 9, 9), np.uint8), AFFINE), empty)
    good, outside = ball(tmp_path / "good.nii.gz", CM), ball(tmp_path / "outside.nii.gz", (80.0, 60.0, 80.0))
    unsaid = ball(tmp_path / "unsaid.nii.gz", CM, code=1)
    out = tmp_path / "out"
    cases: list[tuple[tuple[object, ...], str]] = [
        ((empty, out, "--side", "right"), "zero everywhere"),
        ((good, out), "the side of good was not said"),
        ((good, out, "--side", "left"), "said to be left, but 100%"),
        ((unsaid, out, "--side", "right"), "neither name nor header"),
        ((outside, out, "--side", "right"), "outside the brain"),
        ((out, "--coordinate", 1, -20, 2), "--side left or --side right"),
        ((out, "--coordinate", 14, -21, 1, "--side", "left"), "said to be left but"),
        ((out, "--coordinate", 14, -21, 1, "--side", "both"), "a coordinate lies on one side"),
        ((out,), "neither a mask nor a coordinate"),
        ((good, out, "--coordinate", 14, -21, 1), "both masks and a coordinate"),
        ((good, good, out, "--side", "right"), "two lesions are called good"),
        ((good, out, "--side", "right", "--nulls", 0), "0 null lesions"),
        ((good, out, "--side", "right", "--nulls", 90_000), "at most"),
        ((good, out, "--side", "right", "--radius", 4), "a radius goes with a coordinate alone"),
        ((tmp_path / "absent.nii.gz", out, "--side", "right"), "does not exist"),
    ]
    for words, expected in cases:
        code, _, said = run("lesion", *words, "--cohort", people)
        assert code in (1, 2) and expected in said and "Traceback" not in said, (expected, said)
    for cohort, expected in ((cortical, "cannot be judged"), (tmp_path / "nobody", "nobody")):
        code, _, said = run("lesion", good, out, "--side", "right", "--cohort", cohort)
        assert code == 1 and expected in said, said
    assert not out.exists()


def test_tables_of_symptoms_that_do_not_fit_are_refused(tmp_path):
    names = [f"case{k}" for k in range(8)]
    rows = [f"{name}.nii.gz,{k % 2}" for k, name in enumerate(names)]
    cases = {
        "lesion,pain\n" + "\n".join(rows): "columns lesion and score",
        "lesion,score\n" + "\n".join(rows[:7]): "1 lesions have no row: case7",
        "lesion,score\n" + "\n".join([*rows, rows[0]]): "comes twice",
        "lesion,score\n" + "\n".join([*rows[:7], "case7,much"]): "is no number",
        "lesion,score,side\n" + "\n".join(f"{row},up" for row in rows): "is no side",
        "lesion,score\n" + "\n".join([*rows, "stranger,1"]): "none of the lesions",
        "": "columns lesion and score",
    }
    path = tmp_path / "table.csv"
    for text, words in cases.items():
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_symptoms(path, names)
    path.write_text("lesion\tscore\n" + "\n".join(row.replace(",", "\t") for row in rows[:4]))
    with pytest.raises(InputError, match="4 lesions are too few"):
        read_symptoms(path, names[:4])
    with pytest.raises(InputError, match="does not exist"):
        read_symptoms(tmp_path / "none.csv", names)


def test_numbers_of_null_lesions():
    assert null_count(None, 1) == 1000 and null_count(None, 10) == 399 and null_count(None, 200) == 99
    assert null_count(50, 3) == 50
    with pytest.raises(OptionError, match="at most"):
        null_count(5000, 1)
    assert structure_words("CIFTI_STRUCTURE_DIENCEPHALON_VENTRAL_LEFT") == "left diencephalon ventral"
