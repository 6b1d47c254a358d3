"""Heads of other programs: gmsh files, lists of labels, tetrahedra and label images on the grid of a head model."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from actionloop import facts
from actionloop.errors import ActionloopError, GeometryError, InputError, OptionError
from actionloop.field.labels import choose_labels, head_from_labels, head_from_mesh, known_labels
from actionloop.field.model import TISSUES
from actionloop.files.gmsh import read_mesh
from actionloop.files.tissuelabels import read_tissue_labels as read_label_map
from actionloop.types import Image, Mesh

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / "../shared/data"))
SPHERES = [DATA / "coils" / name for name in ("sphere3.msh", "sphere3_v4_1_ascii.msh")]
sphere_data = pytest.mark.skipif(
    not all(path.is_file() for path in SPHERES), reason=f"no sphere meshes in {DATA}; set ACTIONLOOP_DATA"
)
LABELS = {1: "white", 2: "grey", 3: "csf", 4: "skull", 5: "scalp"}

# A small mesh with numbers out of order and gaps between them: two triangles, five tetrahedra that fill a cube.
TAGS = np.array([7, 3, 12, 1, 40, 9, 100, 25])
CUBE = np.array([[x, y, z] for x in (0, 80) for y in (0, 80) for z in (0, 80)], dtype=float) - [30, 20, 10]
FIVE = np.array([[0, 3, 5, 6], [0, 1, 3, 5], [0, 2, 3, 6], [0, 4, 5, 6], [3, 5, 6, 7]])
REGION = np.array([2, 4, 5, 4, 2])
TRIANGLES = np.array([[0, 1, 3], [0, 2, 3]])


def elements():
    """Type, physical group, entity, nodes: kinds mixed, so that no run is longer than three."""
    rows = [(4, r, r + 10, TAGS[t]) for r, t in zip(REGION, FIVE, strict=True)]
    rows[2:2] = [(2, 1005, 7, TAGS[t]) for t in TRIANGLES]
    return [(15, 3, 3, TAGS[:1]), *rows]


def text_2():
    nodes = "".join(f"{t} {x:.17g} {y:.17g} {z:.17g}\n" for t, (x, y, z) in zip(TAGS, CUBE, strict=True))
    rows = "".join(
        f"{k + 1} {kind} 2 {group} {entity} {' '.join(map(str, nodes_))}\n"
        for k, (kind, group, entity, nodes_) in enumerate(elements())
    )
    return (
        '$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$PhysicalNames\n1\n3 2 "GM"\n$EndPhysicalNames\n'
        f"$Nodes\n{len(TAGS)}\n{nodes}$EndNodes\n$Elements\n{len(elements())}\n{rows}$EndElements\n"
        '$ElementData\n1\n"$Nodes"\n1\n0.0\n3\n0\n1\n1\n1 0.5\n$EndElementData\n'
    ).encode()


def binary_2(order, *, together):
    out = b"$MeshFormat\n2.2 1 8\n" + struct.pack(order + "i", 1) + b"\n$EndMeshFormat\n"
    out += b"$Nodes\n%d\n" % len(TAGS)
    out += b"".join(struct.pack(order + "i3d", t, *xyz) for t, xyz in zip(TAGS, CUBE, strict=True))
    out += b"\n$EndNodes\n$Elements\n%d\n" % len(elements())
    rows = elements()
    if together:
        rows = sorted(rows, key=lambda row: row[0])
    for k, (kind, group, entity, nodes) in enumerate(rows):
        alike = [row for row in rows if row[0] == kind]
        if not together:
            out += struct.pack(order + "3i", kind, 1, 2)
        elif row_is_first(rows, k):
            out += struct.pack(order + "3i", kind, len(alike), 2)
        out += struct.pack(order + f"{3 + len(nodes)}i", k + 1, group, entity, *nodes)
    return out + b"\n$EndElements\n$ElementData\n\x00\x01$Elements\n\xff\n$EndElementData\n"


def row_is_first(rows, k):
    return k == 0 or rows[k - 1][0] != rows[k][0]


def text_4(version):
    """Entities 12, 14 and 15 belong to the groups 2, 4 and 5; nodes in two blocks, the second parametric."""
    box = "0 0 0 1 1 1"
    point = f"1 {box} 0" if version == "4.0" else "1 0 0 0 0"
    volumes = "".join(f"{e} {box} 1 {g} 1 7\n" for e, g in ((12, 2), (14, 4), (15, 5)))
    entities = f"$Entities\n1 1 1 3\n{point}\n3 {box} 0 2 1 -1\n7 {box} 1 1005 1 3\n{volumes}$EndEntities\n"
    rows = [(int(t), *xyz) for t, xyz in zip(TAGS, CUBE, strict=True)]
    if version == "4.0":
        nodes = f"2 8\n12 3 0 5\n{lines(rows[:5])}7 2 1 3\n{lines([(*row, 0.5, 0.25) for row in rows[5:]])}"
    else:
        nodes = "2 8 1 100\n3 12 0 5\n" + lines([row[:1] for row in rows[:5]]) + lines([row[1:] for row in rows[:5]])
        nodes += "2 7 1 3\n" + lines([row[:1] for row in rows[5:]]) + lines([(*r[1:], 0.5, 0.25) for r in rows[5:]])
    blocks, n = "", 0
    made = elements()
    for dimension, entity, kind in ((2, 7, 2), (3, 14, 4), (3, 12, 4), (3, 15, 4)):
        mine = [row for row in made if row[0] == kind and row[2] == entity]
        where = f"{entity} {dimension}" if version == "4.0" else f"{dimension} {entity}"
        blocks += f"{where} {kind} {len(mine)}\n" + lines([(k, *row[3]) for k, row in enumerate(mine)])
        n += len(mine)
    head = f"4 {n}" if version == "4.0" else f"4 {n} 1 {n}"
    return (
        f"$MeshFormat\n{version} 0 8\n$EndMeshFormat\n{entities}$Nodes\n{nodes}$EndNodes\n"
        f"$Elements\n{head}\n{blocks}$EndElements\n"
    ).encode()


def lines(rows):
    return "".join(" ".join(f"{value:.17g}" for value in row) + " \n" for row in rows)


WAYS = {
    "text 2.2": text_2,
    "text 2.2, DOS": lambda: text_2().replace(b"\n", b"\r\n"),
    "binary 2.2": lambda: binary_2("<", together=True),
    "binary 2.2, one by one": lambda: binary_2("<", together=False),
    "binary 2.2, big": lambda: binary_2(">", together=True),
    "text 4.0": lambda: text_4("4.0"),
    "text 4.1": lambda: text_4("4.1"),
}


def written(tmp_path, data, name="head.msh"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def volumes(mesh: Mesh):
    corner = mesh.nodes_mm[mesh.tetrahedra]
    across = np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 0])
    return np.abs(np.einsum("ij,ij->i", corner[:, 1] - corner[:, 0], across)) / 6


@pytest.mark.parametrize("way", WAYS)
def test_reads_every_kind_of_gmsh_file(tmp_path, way):
    mesh = read_mesh(written(tmp_path, WAYS[way]()), frame="made")
    found = {
        (int(region), tuple(sorted(map(tuple, mesh.nodes_mm[nodes]))))
        for region, nodes in zip(mesh.region, mesh.tetrahedra, strict=True)
    }
    truth = {(int(r), tuple(sorted(map(tuple, CUBE[nodes])))) for r, nodes in zip(REGION, FIVE, strict=True)}
    assert found == truth
    assert mesh.frame == "made"
    assert mesh.source.endswith("head.msh")


def test_without_physical_groups_the_entity_is_the_tissue(tmp_path):
    two = text_2()
    for region in (2, 4, 5):
        two = two.replace(f" 4 2 {region} {region + 10} ".encode(), f" 4 2 0 {region + 10} ".encode())
    four = text_4("4.1")
    for region in (2, 4, 5):
        four = four.replace(f" 1 {region} 1 7\n".encode(), b" 0 1 7\n")
    for data in (two, four):
        mesh = read_mesh(written(tmp_path, data), frame="made")
        assert sorted(mesh.region) == sorted(REGION + 10)


@sphere_data
def test_both_files_of_the_real_sphere_are_the_same_mesh():
    one, other = (read_mesh(path, frame="sphere") for path in SPHERES)
    for region, low, high in ((3, 0, 85), (4, 85, 90), (5, 90, 95)):
        first, second = (np.sort(volumes(mesh)[mesh.region == region]) for mesh in (one, other))
        assert len(first) == len(second) > 6000
        np.testing.assert_allclose(first, second, rtol=1e-9)
        assert first.sum() == pytest.approx(4 / 3 * np.pi * (high**3 - low**3), rel=0.006)
    assert set(one.region) == set(other.region) == {3, 4, 5}


@sphere_data
def test_a_real_file_cut_anywhere_gives_one_error(tmp_path):
    for path in SPHERES:
        data = path.read_bytes()
        ends = np.random.default_rng(0).integers(1, len(data) - 14, 25)
        for end in [*ends, len(data) - 14]:
            with pytest.raises(InputError):
                read_mesh(written(tmp_path, data[:end]), frame="f")


def test_a_small_file_cut_anywhere_gives_one_error(tmp_path):
    """Also of the kind with a header for each element, whose last one may be cut."""
    for make in (lambda: binary_2("<", together=False), text_2, lambda: text_4("4.0")):
        data = make()
        for end in range(1, data.rindex(b"$EndElements") + 5, 7):
            with pytest.raises(InputError):
                read_mesh(written(tmp_path, data[:end]), frame="f")


def test_damaged_bytes_never_give_a_traceback(tmp_path):
    rng = np.random.default_rng(1)
    for data in (make() for make in WAYS.values()):
        for _ in range(40):
            broken = bytearray(data)
            for at in rng.integers(0, len(broken), 3):
                broken[at] = rng.integers(0, 256)
            try:
                read_mesh(written(tmp_path, bytes(broken)), frame="f")
            except ActionloopError as error:
                assert error.where is not None


BAD = {
    "not gmsh": (lambda: b"solid head\nfacet\n", InputError, "not a gmsh file"),
    "version 1": (lambda: text_2().replace(b"2.2 0 8", b"1 0 8"), InputError, "version 1,"),
    "version 5": (lambda: text_2().replace(b"2.2 0 8", b"5.0 0 8"), InputError, "version 5,"),
    "binary 4.1": (lambda: text_4("4.1").replace(b"4.1 0 8", b"4.1 1 8"), InputError, "version 4.1 binary"),
    "only triangles": (
        lambda: text_2().replace(b" 4 2 ", b" 3 2 "),
        InputError,
        "no tetrahedra",
    ),
    "hexahedron": (
        lambda: text_2().replace(b"\n8\n1 15 2 3 3 7\n", b"\n8\n1 5 2 3 3 7 3 12 1 40 9 100 25\n"),
        InputError,
        "other than tetrahedra",
    ),
    "absurd nodes": (
        lambda: binary_2("<", together=True).replace(b"$Nodes\n8\n", b"$Nodes\n99999999999\n"),
        InputError,
        "truncated or damaged",
    ),
    "absurd elements": (
        lambda: text_4("4.1").replace(b"3 14 4 2\n", b"3 14 4 999999999999\n"),
        InputError,
        "truncated or damaged",
    ),
    "absurd entities": (
        lambda: text_4("4.0").replace(b"$Entities\n1 1 1 3", b"$Entities\n1 1 1 88888888888"),
        InputError,
        "truncated or damaged",
    ),
    "negative count": (
        lambda: text_2().replace(b"$Nodes\n8\n", b"$Nodes\n-8\n"),
        InputError,
        "truncated or damaged",
    ),
    "NaN": (lambda: text_2().replace(b"\n3 -30 -20 70\n", b"\n3 nan -20 70\n"), GeometryError, "NaN"),
    "twice": (lambda: text_2().replace(b"\n3 -30 -20 70\n", b"\n7 -30 -20 70\n"), GeometryError, "same number"),
    "absent node": (lambda: text_2().replace(b"\n3 -30 -20 70\n", b"\n4 -30 -20 70\n"), GeometryError, "not there"),
    "no elements": (lambda: text_2().split(b"$Elements")[0], InputError, "Elements"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_a_bad_gmsh_file(tmp_path, name):
    make, kind, words = BAD[name]
    assert make() != text_2()
    path = written(tmp_path, make())
    with pytest.raises(kind, match=words) as caught:
        read_mesh(path, frame="f")
    assert caught.value.where == str(path)


def test_refuses_metres_and_missing_files(tmp_path):
    global CUBE  # noqa: PLW0603
    kept = CUBE
    try:
        CUBE = kept / 1000
        data = text_2()
    finally:
        CUBE = kept
    with pytest.raises(GeometryError, match="in millimetres") as caught:
        read_mesh(written(tmp_path, data), frame="f")
    assert "metres" in caught.value.fix
    with pytest.raises(InputError, match="does not exist"):
        read_mesh(tmp_path / "none.msh", frame="f")
    with pytest.raises(InputError, match="empty"):
        read_mesh(written(tmp_path, b""), frame="f")


def test_reads_a_large_binary_file_fast(tmp_path):
    """300,000 tetrahedra with a header each, as gmsh itself writes them."""
    n = 300_000
    nodes = np.zeros(4, np.dtype([("tag", "<i4"), ("xyz", "<f8", 3)]))
    nodes["tag"], nodes["xyz"][1:] = [1, 2, 3, 4], 100 * np.eye(3)
    rows = np.tile(np.array([4, 1, 2, 0, 2, 2, 1, 2, 3, 4], "<i4"), (n, 1))
    rows[:, 3] = np.arange(n)
    data = b"$MeshFormat\n2.2 1 8\n\1\0\0\0\n$EndMeshFormat\n$Nodes\n4\n" + nodes.tobytes() + b"\n$EndNodes\n"
    path = written(tmp_path, data + b"$Elements\n%d\n" % n + rows.tobytes() + b"\n$EndElements\n")
    begin = time.process_time()
    assert len(read_mesh(path, frame="f").region) == n
    assert time.process_time() - begin < 3


def naive(mesh: Mesh, labels, model):
    """Tissue at each voxel's centre by solving for its barycentric coordinates."""
    found = np.zeros(model.tissue.shape, np.uint8)
    every = np.argwhere(np.ones(model.tissue.shape, bool))
    centres = model.centres(every)
    for region, nodes in zip(mesh.region, mesh.tetrahedra, strict=True):
        corner = mesh.nodes_mm[nodes]
        part = np.linalg.solve((corner[1:] - corner[0]).T, (centres - corner[0]).T)
        inside = (part > 0).all(axis=0) & (part.sum(axis=0) < 1)
        found[tuple(every[inside].T)] = TISSUES.index(labels[region])
    return found


def test_tetrahedra_become_voxels_by_their_centres():
    rng = np.random.default_rng(3)
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    mesh = Mesh(CUBE @ turn.T + rng.normal(0, 1, 3), FIVE[:, [1, 0, 2, 3]], REGION, "made")
    labels = {2: "grey", 4: "skull", 5: "scalp"}
    model = head_from_mesh(mesh, labels=labels, edge_mm=4.3)
    np.testing.assert_array_equal(model.tissue, naive(mesh, labels, model))
    border = np.ones(model.tissue.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    assert not model.tissue[border].any()
    assert (model.frame, model.approximate) == ("made", False)
    assert "white matter" in " ".join(model.notes)


def test_a_region_that_is_left_out_is_air():
    mesh = Mesh(CUBE, np.vstack([FIVE, FIVE[:1]]), np.array([2, 4, 5, 4, 2, 77]), "made")
    model = head_from_mesh(mesh, labels={2: "grey", 4: "skull", 5: "scalp", 77: None}, edge_mm=4.0)
    same = head_from_mesh(Mesh(CUBE, FIVE, REGION, "made"), labels={2: "grey", 4: "skull", 5: "scalp"}, edge_mm=4.0)
    np.testing.assert_array_equal(model.tissue, same.tissue)


@sphere_data
def test_the_real_sphere_becomes_shells():
    mesh = read_mesh(SPHERES[0], frame="sphere")
    model = head_from_mesh(mesh, labels={3: "grey", 4: "skull", 5: "scalp"}, edge_mm=2.0)
    measured = model.volumes_ml()
    for region, name in ((3, "grey"), (4, "skull"), (5, "scalp")):
        assert measured[name] == pytest.approx(volumes(mesh)[mesh.region == region].sum() / 1000, rel=0.01)
    radius = np.linalg.norm(model.centres(), axis=1)
    tissue = model.tissue[tuple(model.voxels.T)]
    # Flat faces between nodes lie a little inside the spheres.
    assert set(tissue[radius < 83]) == {2}
    assert set(tissue[(radius > 85) & (radius < 88.5)]) == {4}
    assert set(tissue[radius > 90]) == {5}
    assert radius.max() < 95


def nested(affine, shape, radii=(60, 70, 74, 80, 86), middle=(4, -10, 6)):
    """Shells 1 to 5 about a point in mm, a ball of scalp at the right ear, as an image of any affine."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    xyz = ijk @ affine[:3, :3].T + affine[:3, 3] - middle
    far = np.linalg.norm(xyz, axis=-1)
    data = np.select([far < r for r in radii], [1, 2, 3, 4, 5], 0)
    data[(np.linalg.norm(xyz - [88, 0, 0], axis=-1) < 12) & (far >= 80)] = 5
    return Image(data.astype(np.int16), affine, "made", source="seg.nii.gz")


def placed(spacing, shape, angles=(0, 0, 0), flip=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(np.multiply(spacing, flip))
    affine[:3, 3] = np.array([8, -10, 6]) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine


GRIDS = {
    "RAS": (placed((2, 2, 2), (100, 96, 92)), (100, 96, 92)),
    "LAS": (placed((2, 2, 2), (100, 96, 92), flip=(-1, 1, 1)), (100, 96, 92)),
    "oblique": (placed((2, 2, 2), (120, 116, 112), (14, -11, 25)), (120, 116, 112)),
    "thin": (placed((1, 2, 3), (200, 96, 62), flip=(1, -1, 1)), (200, 96, 62)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_label_images_of_any_orientation_become_the_same_head(name):
    image = nested(*GRIDS[name])
    model = head_from_labels(image, labels=LABELS, edge_mm=2.5)
    for tissue, number in zip(TISSUES[1:], range(1, 6), strict=True):
        voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
        assert model.volumes_ml()[tissue] == pytest.approx((image.data == number).sum() * voxel_ml, rel=0.03)
    offset = model.centres() - [4, -10, 6]
    far = np.linalg.norm(offset, axis=1)
    tissue = model.tissue[tuple(model.voxels.T)]
    # Away from the shells' edges by half a diagonal of both voxels.
    room = 2.2 + np.linalg.norm(image.affine[:3, :3], axis=0).max() * 0.87
    assert set(tissue[far < 60 - room]) == {1}
    assert set(tissue[np.abs(far - 65) < 5 - room]) == {2}
    # The ear is on the right: nothing sticks out on the left.
    assert offset[:, 0].max() > 94
    assert offset[:, 0].min() > -88
    assert set(tissue[np.linalg.norm(offset - [93, 0, 0], axis=1) < 3]) == {5}


@pytest.mark.parametrize("name", ["RAS", "LAS"])
def test_a_grid_in_step_with_the_image_loses_nothing(name):
    image = nested(*GRIDS[name])
    model = head_from_labels(image, labels=LABELS, edge_mm=2.0)
    inverse = np.linalg.inv(image.affine)
    ijk = model.centres() @ inverse[:3, :3].T + inverse[:3, 3]
    np.testing.assert_allclose(ijk, np.rint(ijk), atol=1e-9)
    at = tuple(np.rint(ijk).astype(int).T)
    np.testing.assert_array_equal(image.data[at], model.tissue[tuple(model.voxels.T)])
    assert len(model.voxels) == (image.data > 0).sum()


def test_coarser_voxels_take_the_majority():
    """Blocks of 2 x 2 x 2 by counting, where the grid is in step with them."""
    rng = np.random.default_rng(5)
    data = np.zeros((14, 12, 16), np.uint8)
    data[2:-2, 2:-2, 2:-2] = rng.choice([1, 2, 4, 5], (10, 8, 12), p=[0.1, 0.4, 0.2, 0.3])
    affine = np.diag([1.0, 1, 1, 1])
    model = head_from_labels(Image(data, affine, "f"), labels=LABELS, edge_mm=2.0)
    # The grid's centres are at whole coordinates, so a voxel spans half, one and half a voxel along each axis.
    weight = np.array([0.5, 1.0, 0.5])
    cube = weight[:, None, None] * weight[None, :, None] * weight
    checked = 0
    for i, j, k in model.voxels:
        centre = np.rint(model.corner_ras + 2.0 * np.array([i, j, k])).astype(int)
        if (centre < 1).any() or (centre + 2 > data.shape).any():
            continue
        block = data[tuple(slice(c - 1, c + 2) for c in centre)]
        votes = np.array([cube[block == t].sum() for t in range(6)])
        if np.sort(votes)[-1] > np.sort(votes)[-2]:
            assert model.tissue[i, j, k] == votes.argmax()
            checked += 1
    assert checked > 60


def test_a_rigid_move_of_the_affine_moves_the_head():
    affine, shape = GRIDS["oblique"]
    move = np.eye(4)
    move[:3, 3] = [11, -7, 30]
    one = head_from_labels(nested(affine, shape), labels=LABELS, edge_mm=3.0)
    image = nested(affine, shape)
    other = head_from_labels(Image(image.data, move @ affine, "made"), labels=LABELS, edge_mm=3.0)
    np.testing.assert_array_equal(one.tissue, other.tissue)
    np.testing.assert_allclose(other.corner_ras - one.corner_ras, move[:3, 3])


def test_a_head_cut_off_by_the_labels_is_named():
    affine, shape = GRIDS["LAS"]
    image = nested(affine, shape)
    # The first voxels of an LAS image are on the right.
    short = Image(image.data[16:], affine @ np.block([[np.eye(3), np.array([[16], [0], [0]])], [0, 0, 0, 1]]), "made")
    assert not head_from_labels(image, labels=LABELS, edge_mm=3.0).notes
    notes = head_from_labels(short, labels=LABELS, edge_mm=3.0).notes
    assert notes == ("The labelled head reaches the end of the image (right).",)


def test_one_error_lists_all_labels_and_tissues_that_are_not_known():
    affine, shape = GRIDS["RAS"]
    image = nested(affine, shape)
    image.data[50, 50, 40:44] = [17, 901, -3, 6]
    with pytest.raises(GeometryError) as caught:
        head_from_labels(image, labels={**LABELS, 6: "brain", 8: "fat"}, edge_mm=3.0)
    for word in ("-3", "17", "901", "brain", "fat"):
        assert word in caught.value.problem
    assert caught.value.where == "seg.nii.gz"
    with pytest.raises(GeometryError, match="901"):
        head_from_mesh(Mesh(CUBE, FIVE, np.array([2, 4, 5, 901, 2]), "f"), labels=LABELS, edge_mm=3.0)


def test_refuses_what_is_no_whole_head():
    affine, shape = GRIDS["RAS"]
    image = nested(affine, shape)
    brain = Image(np.where(image.data > 2, 0, image.data), affine, "f")
    with pytest.raises(GeometryError, match="no skull and no scalp"):
        head_from_labels(brain, labels=LABELS, edge_mm=3.0)
    with pytest.raises(GeometryError, match="whole numbers"):
        head_from_labels(Image(image.data * 0.5, affine, "f"), labels=LABELS, edge_mm=3.0)
    with pytest.raises(GeometryError, match="whole numbers"):
        head_from_labels(Image(np.where(image.data == 2, np.nan, image.data), affine, "f"), labels=LABELS, edge_mm=3.0)
    for edge in (0.0, -1.0, 0.1, 50.0, np.nan):
        with pytest.raises(GeometryError, match="voxels of"):
            head_from_labels(image, labels=LABELS, edge_mm=edge)
    with pytest.raises(GeometryError, match="would need"):
        head_from_mesh(Mesh(CUBE * 40, FIVE, REGION, "f"), labels=LABELS, edge_mm=1.0)
    as_floats = Image(image.data.astype(np.float32), affine, "f")
    np.testing.assert_array_equal(
        head_from_labels(as_floats, labels=LABELS, edge_mm=4.0).tissue,
        head_from_labels(image, labels=LABELS, edge_mm=4.0).tissue,
    )


def test_known_lists_hold_only_tissues_and_say_where_they_are_from():
    assert tuple(facts.load("tissuelabels")["tissues"]) == TISSUES
    assert set(known_labels()) == {"simnibs", "samseg", "freesurfer_head"}
    for name, labels in known_labels().items():
        assert set(labels.values()) <= set(TISSUES)
        groups = facts.load("tissuelabels")[name]["groups"]
        assert all(group["source"] and isinstance(group["verified"], bool) for group in groups)
        # No number stands in two groups.
        assert sum(len(group["labels"]) for group in groups) == len(
            {key for group in groups for key in group["labels"]}
        )
    assert known_labels()["freesurfer_head"][2035] == "grey"


def test_left_and_right_of_freesurfer_agree():
    pairs = [(2, 41), (3, 42), (4, 43), (5, 44), (7, 46), (8, 47), (10, 49), (11, 50), (12, 51), (13, 52), (17, 53)]
    pairs += [(18, 54), (26, 58), (28, 60), (30, 62), (31, 63)]
    for name in ("samseg", "freesurfer_head"):
        labels = known_labels()[name]
        assert all(labels[left] == labels[right] for left, right in pairs)


def test_chooses_a_list_only_when_one_fits():
    assert choose_labels(np.array([0, 1, 2, 3, 5, 7, 8, 9]))[0] == "simnibs"
    brain = [2, 3, 4, 7, 8, 10, 16, 24, 41, 42, 43]
    name, labels = choose_labels(np.array([0, *brain, 165, 258, 259]))
    assert (name, labels[259], labels[165]) == ("samseg", "scalp", "skull")
    assert choose_labels(np.array([0, *brain, 130, 165, 257, 258, 1024, 2024]))[0] == "freesurfer_head"
    # The same meaning in two lists is no question.
    assert choose_labels(np.array([0, *brain, 165, 258]))[1][258] == "scalp"
    for present, words in (
        ([0, 1, 2, 3, 4, 5, 99], "none of"),
        ([0, *brain], "none of"),  # a brain alone
        ([1, 2, 3], "none of"),
        ([0], "none of"),
        ([2, 3, 4, 5, 7], "none of"),
    ):
        with pytest.raises(OptionError, match=words) as caught:
            choose_labels(np.array(present), source="seg.nii.gz")
        assert "simnibs" in caught.value.problem
        assert caught.value.where == "seg.nii.gz"


def test_asks_when_two_lists_differ(monkeypatch):
    from actionloop.field import labels as module

    other = {1: "grey", 2: "white", 3: "csf", 4: "skull", 5: "scalp"}
    monkeypatch.setattr(module, "known_labels", lambda: {"simnibs": LABELS, "samseg": other})
    with pytest.raises(OptionError, match="fit and differ"):
        choose_labels(np.array([1, 2, 3, 4, 5]))


def test_reads_a_users_own_list(tmp_path):
    texts = {
        "own.toml": '1 = "white"\n2 = "Gray"\n9 = "ignore"\n-4 = "air"\n',
        "under.toml": 'title = "x"\n[labels]\n1 = "white"\n2 = "grey"\n9 = "none"\n-4 = "air"\n',
        "own.json": json.dumps({"1": "white", "2": "GREY", "9": None, "-4": "air"}),
        "under.json": json.dumps({"labels": {"1": "white", "2": "grey", "9": None, "-4": "air"}}),
    }
    for name, text in texts.items():
        assert read_label_map(written(tmp_path, text.encode(), name)) == {1: "white", 2: "grey", 9: None, -4: "air"}


def test_refuses_a_bad_list_with_everything_that_is_wrong(tmp_path):
    path = written(tmp_path, b'1 = "white"\ntwo = "grey"\n3 = "bone"\n4 = 7\n"04" = "scalp"\n', "bad.toml")
    with pytest.raises(InputError) as caught:
        read_label_map(path)
    for word in ("'two'", "'bone'", "7", "label 4"):
        assert word in caught.value.problem
    assert caught.value.where == str(path)
    for name, text in (
        ("a.toml", b"1 = white"),
        ("b.json", b"[1, 2]"),
        ("c.json", b'{"1": "white", "1": "grey"}'),
        ("d.toml", b"# nothing"),
        ("e.json", b"{"),
        ("f.toml", b"\xff\xfe\x00"),
        ("g.json", b"[" * 100_000),
        ("h.toml", b"#" * 2_000_000),
    ):
        with pytest.raises(InputError):
            read_label_map(written(tmp_path, text, name))
