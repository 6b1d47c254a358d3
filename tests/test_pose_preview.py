"""The preview: the field in a sphere fitted to the scalp, what it says of itself, and what is not exported."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.sphere import CORTEX_MM, FRAME, MIRROR, SCALP_MM, balls, mesh, sphere_head
from tests.test_poses import AIM, COARSE, aimed, bumpy_scalp, exact_strength, posed

from actionloop import files
from actionloop.brain import Scalp
from actionloop.cli import main
from actionloop.errors import ActionloopError, EmptyRegionError, GeometryError
from actionloop.field import figure_of_eight, round_coil, sphere_field
from actionloop.field.layered import element_distances, sphere_fields
from actionloop.navigation import poses_of, read_brainsight_file
from actionloop.pipeline.paragraph import _pose_sentences
from actionloop.pipeline.posestore import search_from_arrays, search_to_arrays
from actionloop.pipeline.posewords import Current, chance_words, field_words, limit_words, preview_words
from actionloop.pipeline.posing import Posing
from actionloop.pipeline.posing import posed as with_poses
from actionloop.pipeline.priors import cached_default_prior
from actionloop.poses.found import Chance
from actionloop.poses.nearby import NearbyPoses
from actionloop.poses.preview import Sphere, SphereHead, fit_sphere, preview_pose, thin_focus
from actionloop.poses.search import search_pose
from actionloop.poses.target import gather_focus
from actionloop.types import ImageTie, NetworkMap


@pytest.fixture
def plain(monkeypatch):
    return sphere_head(monkeypatch)


def preview_head(head, aim_mm=AIM, **changed) -> SphereHead:
    given = {"anatomy": head.anatomy, "scalp": head.scalp, "coil": head.coil} | changed
    return SphereHead(fit_sphere(given["scalp"], aim_mm), **given)


@pytest.mark.parametrize("hemisphere", ["L", "R"])
def test_sphere_over_a_target_is_that_of_the_scalp_there(hemisphere):
    """The head has two curvatures; only the one over the target counts."""
    side = np.array([1 if hemisphere == "L" else -1, 1, 1])
    points = balls(8000, SCALP_MM)
    opposite = points @ (AIM * side) < -20.0
    points = np.add(np.where(opposite[:, None], 0.8 * points, points), [3.0, -11, 40])
    scalp = Scalp(points, mesh(points), balls(8000, 1.0), FRAME)
    found = fit_sphere(scalp, AIM * side + [3.0, -11, 40])
    np.testing.assert_allclose(found.centre_mm, [3.0, -11, 40], atol=1e-6)
    assert found.radius_mm == pytest.approx(SCALP_MM) and found.off_mm < 1e-6


def test_fit_is_the_least_of_all_spheres():
    scalp = bumpy_scalp()
    found = fit_sphere(scalp, AIM)
    entry, outward, _ = scalp.nearest(AIM)
    kept = (np.linalg.norm(scalp.vertices - entry, axis=1) <= 80.0) & (scalp.normals @ outward > 0)

    def off(centre, radius):
        return np.sqrt(((np.linalg.norm(scalp.vertices[kept] - centre, axis=1) - radius) ** 2).mean())

    assert off(found.centre_mm, found.radius_mm) == pytest.approx(found.off_mm)
    for k in range(3):
        for step in (-0.5, 0.5):
            assert off(found.centre_mm + step * np.eye(3)[k], found.radius_mm) > found.off_mm
            assert off(found.centre_mm, found.radius_mm + step) > found.off_mm


def test_scalp_that_is_no_sphere_is_refused():
    points = balls(4000, 1.0) * [70.0, 70.0, 200.0]
    with pytest.raises(GeometryError, match="no sphere resembles"):
        fit_sphere(Scalp(points, mesh(points), balls(4000, 1.0), FRAME), np.array([0.0, 0.0, 185.0]))
    few = balls(150, SCALP_MM)
    with pytest.raises(GeometryError, match="too few"):
        fit_sphere(Scalp(few, mesh(few), few / SCALP_MM, FRAME), AIM)


@pytest.mark.parametrize("coil", [figure_of_eight(spacing_mm=15.0), round_coil()], ids=lambda coil: coil.name)
def test_many_poses_at_once_are_as_one_at_a_time(coil):
    rng, centre = np.random.default_rng(0), np.array([4.0, -9, 20])
    matrices = np.array([posed(rng.normal(size=3), turn_deg=50.0 * k) for k in range(6)])
    matrices[:, :3, 3] += centre
    points = balls(9, 60.0) + centre
    each = np.array([sphere_field(coil, matrix, points, centre_mm=centre) for matrix in matrices])
    np.testing.assert_allclose(sphere_fields(coil, matrices, points, centre_mm=centre), each, atol=1e-12)
    elements = np.concatenate([coil.dipoles_mm, coil.wires_mm])
    near = [np.linalg.norm(elements @ m[:3, :3].T + m[:3, 3] - centre, axis=1).min() for m in matrices]
    np.testing.assert_allclose(element_distances(coil, matrices, centre), near)
    with pytest.raises(GeometryError, match="outside the sphere"):
        sphere_fields(coil, matrices, 2 * points - centre, centre_mm=centre)


def test_preview_of_a_true_sphere_is_its_field_and_has_no_radial_part(plain):
    head = preview_head(plain)
    assert head.moved == 0
    matrix = posed(AIM, turn_deg=30.0)
    field = head.field(matrix)
    points = np.concatenate([head.anatomy.surface(h).vertices[head.vertices[h]] for h in "LR"])
    exact = sphere_field(head.coil, matrix, points, centre_mm=np.zeros(3))
    np.testing.assert_allclose(field, exact, atol=1e-6 * np.abs(exact).max())
    assert np.abs(np.einsum("vx,vx->v", field, points / CORTEX_MM)).max() < 1e-9 * np.abs(field).max()
    aim, _ = aimed(plain)
    focus = gather_focus(aim, head.anatomy.surface("L"), radius_mm=6.0)
    mean = focus.share @ sphere_field(head.coil, matrix, focus.points_mm, centre_mm=np.zeros(3))
    np.testing.assert_allclose(head.mean_fields(focus, matrix[None])[0], mean, atol=0.01 * np.linalg.norm(mean))


def test_thinned_target_has_the_mean_of_all_of_it(plain):
    aim, _ = aimed(plain)
    focus = gather_focus(aim, plain.anatomy.surface("L"), radius_mm=16.0)
    assert len(focus.vertices) > 16
    points, share = thin_focus(focus, most=12)
    assert len(points) == len(share) == 12 and share.sum() == pytest.approx(1) and share.min() > 0
    assert np.linalg.norm(share @ points - focus.share @ focus.points_mm) < 2.0
    whole, every = thin_focus(focus, most=1000)
    assert whole is focus.points_mm and every is focus.share


def test_cortex_outside_the_sphere_is_read_farther_in():
    sphere = Sphere(np.array([5.0, 0, 0]), 80.0, 0.0)
    points = np.array([[5.0, 77, 0], [5, 78.5, 0], [95, 0, 0], [5, 0, 0]])
    np.testing.assert_allclose(sphere.drawn_in(points, 78.0), [[5.0, 77, 0], [5, 78, 0], [83, 0, 0], [5, 0, 0]])


def test_vertices_that_are_moved_keep_their_area_and_have_a_field(plain):
    head = replace(preview_head(plain), sphere=Sphere(np.array([0.0, 0, -4]), CORTEX_MM + 2, 0.0))
    assert 0.2 < head.moved < 0.8
    assert head.area_mm2.sum() == pytest.approx(2 * 2 * np.pi * CORTEX_MM**2, rel=0.03)
    field = head.field(posed(AIM))
    assert np.isfinite(field).all() and (np.linalg.norm(field, axis=1) > 0).all()
    assert np.linalg.norm(head.brain_mm - [0, 0, -4], axis=1).max() <= CORTEX_MM + 1e-9
    aim, networks = aimed(plain)
    sunk = replace(head, sphere=Sphere(np.array([0.0, 0, -20]), CORTEX_MM, 0.0))
    with pytest.raises(GeometryError, match="too far out"):
        preview_pose(sunk, aim, networks, settings=COARSE)


def test_search_in_the_sphere_is_that_of_the_head_that_is_one(plain):
    """The finite elements' place is taken by another solution of the same sphere: both searches must agree."""
    aim, networks = aimed(plain, avoid=True)
    conventional = {"far": posed([-0.6, 0.75, 0.3]), "above": posed(AIM, distance_mm=SCALP_MM)}
    told = []
    found = preview_pose(
        preview_head(plain),
        aim,
        networks,
        conventional=conventional,
        settings=COARSE,
        tell=lambda words, share: told.append(share),
    )
    other = search_pose(plain, aim, networks, conventional=conventional, settings=COARSE)
    assert found.preview and not other.preview
    assert np.isnan(found.numerical_error) and found.n_poses == other.n_poses and 0 < found.n_solved < 45
    assert found.best.score == pytest.approx(other.best.score, abs=0.02)
    for one, two in zip(found.conventional, other.conventional, strict=True):
        assert (one.label, one.on_target) == (two.label, pytest.approx(two.on_target, abs=0.03))
        assert one.target_v_per_m == pytest.approx(two.target_v_per_m, rel=0.02)
    strength = np.concatenate([found.field_v_per_m[h][plain.vertices[h]] for h in "LR"])
    exact = exact_strength(plain, found.best.matrix)
    np.testing.assert_allclose(strength, exact, atol=1e-4 * exact.max())
    # the target lies along the sphere, where there is no radial field
    assert abs(found.best.normal_v_per_m) < 0.02 * found.best.target_v_per_m
    assert told == sorted(told) and told[-1] == 1.0


def test_strongest_pose_lies_above_a_tangential_target(plain):
    aim, networks = aimed(plain)
    found = preview_pose(preview_head(plain), aim, networks, settings=COARSE)
    strongest = max(found.ranked, key=lambda pose: pose.target_v_per_m)
    outward = strongest.matrix[:3, 3] / np.linalg.norm(strongest.matrix[:3, 3])
    assert np.degrees(np.arccos(outward @ AIM / CORTEX_MM)) < 4.0


def test_mirrored_target_has_the_mirrored_preview(monkeypatch):
    left, right = (sphere_head(monkeypatch, mirrored=m) for m in (False, True))
    one = preview_pose(preview_head(left), *aimed(left, "L"), settings=COARSE)
    other = preview_pose(preview_head(right, AIM * [-1, 1, 1]), *aimed(right, "R"), settings=COARSE)
    np.testing.assert_allclose(MIRROR @ one.best.matrix @ MIRROR, other.best.matrix, atol=1e-5)
    assert one.best.target_v_per_m == pytest.approx(other.best.target_v_per_m, rel=1e-3)


def test_poses_near_those_looked_at_are_known(plain):
    head = preview_head(plain)
    aim, networks = aimed(plain)
    found = preview_pose(head, aim, networks, settings=COARSE)
    moved = np.array(found.best.matrix)
    moved[:3, 3] += 2.0 * moved[:3, 0]
    field = NearbyPoses(head, found.aim_ras, settings=COARSE)(moved[None])[0]
    exact = head.field(moved)
    assert np.linalg.norm(field - exact) < 0.03 * np.linalg.norm(exact)


def test_bad_input_is_refused(plain):
    head = preview_head(plain)
    aim, networks = aimed(plain)
    with pytest.raises(EmptyRegionError, match="no vertex"):
        nothing = {h: np.zeros_like(networks.wanted[h]) for h in "LR"}
        preview_pose(head, aim, replace(networks, wanted=nothing), settings=COARSE)
    with pytest.raises(GeometryError, match="different frames"):
        replace(head, scalp=replace(head.scalp, frame="another"))


def test_words_say_that_it_is_a_preview_and_targets_keep_their_pose(plain):
    aim, networks = aimed(plain)
    found = preview_pose(preview_head(plain), aim, networks, settings=COARSE)
    chance = Chance(0.5, 40, np.full(40, 0.5), 1.0, {"map": 0.5}, (0.4, 0.6))
    found = replace(found, chance=chance)
    kept = search_from_arrays(search_to_arrays(found))
    assert kept.preview and np.isnan(kept.numerical_error)
    assert "3 to 10 %" in preview_words() and "29 %" in preview_words() and "Not for navigation" in preview_words()
    assert field_words(kept, Current())[0].startswith("Preview, not for navigation")
    assert chance_words(kept)[0].startswith("Preview")
    limits = limit_words([kept], approximate=False, told=False)
    assert preview_words() in limits and any("Numerical error: not known" in one for one in limits)
    full = replace(kept, preview=False, numerical_error=0.01)
    assert not any("Preview" in one for one in (*limit_words([full], approximate=False, told=False),))
    assert not any("Preview" in one for one in (*field_words(full, Current()), *chance_words(full)))

    target = SimpleNamespace(name=found.name, piece=SimpleNamespace(hemisphere="L"), entry_ras=AIM, pose="as it was")
    image = SimpleNamespace(tie=ImageTie(FRAME))
    posing = Posing(searches=(kept,), head="sphere of radius 86 mm fitted to the scalp (preview)", preview=True)
    assert with_poses([target], posing, SimpleNamespace(image=image)) == (target,)
    said = _pose_sentences(SimpleNamespace(posing=posing, targets=(), job=None))
    assert "previewed" in said[0] and posing.head in said[0] and preview_words() in said
    assert "geometric" in said[-1] and not any("finite elements" in one for one in said)


@pytest.mark.slow
def test_preview_through_the_command_line(tmp_path):
    """The template's head as a person's own: the report shows the preview, what is exported stays geometric."""
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))
    person, out = written_person(tmp_path), tmp_path / "out"
    words = ["plan", out, "participant", "--map", person / "map.dlabel.nii", "--surfaces", person]
    words += ["--t1w", person / "T1w.nii.gz", "--engine", "sphere", "--pose-draws", "20", "--coil", person / "c.ccd"]
    shown, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        code = main([str(word) for word in words])
    assert not code, said.getvalue()

    def one(pattern: str) -> Path:
        (path,) = out.rglob(pattern)
        return path

    record = json.loads(one("*_provenance.json").read_text())
    assert record["coil_poses"]["engine"] == "sphere" and "(preview)" in record["coil_poses"]["head_model"]
    sidecar = json.loads(one("*_poses.json").read_text())
    assert "Not for navigation" in sidecar["Notes"][0] and "(preview)" in sidecar["HeadModel"]
    targets = json.loads(one("*_seg-actionloop_targets.json").read_text())
    assert targets["PoseNotes"] and not any(note.startswith("field") for note in targets["PoseNotes"].values())
    text = one("*brainsight_targets.txt").read_text()
    exported = {pose.label: pose.matrix for pose in poses_of(read_brainsight_file(text))}
    with one("*_poses.tsv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream, delimiter="\t"))
    assert {row["network"] for row in table} == {"SCAN", "AMN"}
    for name, matrix in sidecar["Poses"].items():
        np.testing.assert_allclose(exported[name], targets["Poses"][name], atol=1e-3)
        assert np.abs(exported[name] - matrix).max() > 0.5
        best = next(row for row in table if (row["target"], row["pose"]) == (name, "best"))
        assert 0 <= float(best["chance"]) <= 1 and best["numerical_error"] in ("", "n/a", "nan")
    assert all("(preview)" in name for name in files.read_cifti_scalar(one("*_efield.dscalar.nii")).names)
    page = next(out.glob("sub-*.html")).read_text(encoding="utf-8")
    assert page.count("Not for navigation") >= 2 and "sphere of radius" in page
    assert not list(out.rglob("*headmodel*"))


def written_person(place: Path) -> Path:
    """Write the template's surfaces and T1, the group's map, and a coil of few elements."""
    import nibabel as nib

    for (side, kind), surface in files.template_anatomy().surfaces.items():
        if kind in ("white", "pial", "midthickness", "inflated"):
            name = f"sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"
            files.write_gifti_surface(place / name, surface)
    template = files.template_image()
    nib.save(nib.Nifti1Image(template.data, template.affine), place / "T1w.nii.gz")
    prior = cached_default_prior()
    most = prior.probability.max(axis=0)
    label = np.where(most > 0, np.asarray(prior.keys)[prior.probability.argmax(axis=0)], 0)
    group = NetworkMap(
        prior.names, prior.keys, prior.colours, prior.probability, label, most, prior.grayordinates, "prior"
    )
    files.write_dlabel(place / "map.dlabel.nii", group)
    lattice = [(x, y) for x in range(-30, 31, 12) for y in range(-30, 31, 12) if x * x + y * y < 1000]
    rows = [(s * 0.036 + x / 1e3, y / 1e3, -0.006, s * 1e-4) for s in (-1, 1) for x, y in lattice]
    lines = [f"{x:.4f} {y:.4f} {z:.4f} 0 0 {m:.1e}" for x, y, z, m in rows]
    (place / "c.ccd").write_text("\n".join(["# coil;coilname=small", str(len(rows)), "# centres", *lines]) + "\n")
    return place
