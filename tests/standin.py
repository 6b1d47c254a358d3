"""Stand-ins for SimNIBS and cuNIBS: what our scripts call, with fields of our own sphere in files of their form.

They play the documented names and files of both programs, not the programs: what a real one does differently is not
seen here.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from actionloop.field import primary_field, sphere_field
from actionloop.files import read_coil, read_mesh

ROOT = Path(__file__).resolve().parents[1]
# Five tetrahedra of a cube whose corners are numbered by x, y, z.
FIVE = np.array([[0, 3, 5, 6], [0, 1, 3, 5], [0, 2, 3, 6], [0, 4, 5, 6], [3, 5, 6, 7]])
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])


def cubes(points_mm, *, edge_mm, reach_mm):
    """Tetrahedra of grey matter (2) in every cube of a grid whose middle is near one of the points."""
    from scipy.spatial import cKDTree

    low = np.floor(points_mm.min(axis=0) / edge_mm) - 1
    size = (np.ceil(points_mm.max(axis=0) / edge_mm) + 1 - low).astype(int)
    where = np.argwhere(np.ones(size, dtype=bool))
    near = cKDTree(points_mm).query((where + low + 0.5) * edge_mm, distance_upper_bound=reach_mm)[0] <= reach_mm
    corners = where[near][:, None] + CORNERS
    used, number = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    tetrahedra = number.reshape(-1, 8)[:, FIVE].reshape(-1, 4)
    return (used + low) * edge_mm, tetrahedra, np.full(len(tetrahedra), 2)


def gmsh_bytes(nodes_mm, tetrahedra, region, fields=(), *, order="<", node_fields=()):
    """A file of SimNIBS's form: binary gmsh 2.2, triangles first, numbers from 1, fields of all elements."""
    skin = tetrahedra[:2, :3]
    n_tri, n_tet = len(skin), len(tetrahedra)
    i4, f8 = order + "i4", order + "f8"
    nodes = np.zeros(len(nodes_mm), np.dtype([("n", i4), ("xyz", f8, 3)]))
    nodes["n"], nodes["xyz"] = np.arange(len(nodes_mm)) + 1, nodes_mm
    out = b"$MeshFormat\n2.2 1 8\n" + struct.pack(order + "i", 1) + b"\n$EndMeshFormat\n"
    out += b"$Nodes\n%d\n" % len(nodes) + nodes.tobytes() + b"$EndNodes\n"
    out += b"$Elements\n%d\n" % (n_tri + n_tet)
    for kind, corners, tags, first in ((2, skin, np.full(n_tri, 1005), 1), (4, tetrahedra, region, 1 + n_tri)):
        rows = np.column_stack([np.arange(len(corners)) + first, tags, tags, corners + 1]).astype(i4)
        out += np.array([kind, len(corners), 2], i4).tobytes() + rows.tobytes()
    out += b"$EndElements\n"
    for section, given, n_before in (("NodeData", node_fields, 0), ("ElementData", fields, n_tri)):
        for name, held in dict(given).items():
            values = np.asarray(held, dtype=float).reshape(len(held), -1)
            values = np.vstack([np.zeros((n_before, values.shape[1])), values])
            rows = np.zeros(len(values), np.dtype([("n", i4), ("v", f8, (values.shape[1],))]))
            rows["n"], rows["v"] = np.arange(len(values)) + 1, values
            head = f'${section}\n1\n"{name}"\n1\n0.0\n4\n0\n{values.shape[1]}\n{len(values)}\n0\n'
            out += head.encode() + rows.tobytes() + f"$End{section}\n".encode()
    return out


def field_at(coil_file, matrix, points_mm, didt_a_per_s):
    """The field in a sphere around STANDIN_CENTRE; without one, the coil's dA/dt alone."""
    coil, matrix = read_coil(coil_file), np.array(matrix, dtype=float)
    centre = os.environ.get("STANDIN_CENTRE")
    if centre:
        field = sphere_field(coil, matrix, points_mm, centre_mm=np.array([float(x) for x in centre.split()]))
    else:
        field = -primary_field(coil, matrix, points_mm)
    return field * didt_a_per_s / 1e6


class _List:
    def __init__(self):
        self.fnamecoil, self.pos = None, []

    def add_position(self):
        self.pos.append(SimpleNamespace(name="", didt=None, matsimnibs=None))
        return self.pos[-1]


class _Session:
    def __init__(self):
        self.fnamehead = self.subpath = self.pathfem = None
        self.open_in_gmsh, self.lists = True, []

    def add_tmslist(self):
        self.lists.append(_List())
        return self.lists[-1]


sim_struct = SimpleNamespace(SESSION=_Session)


def run_simnibs(session):
    """Leave <sub>_TMS_<list>-<position>_<coil>_scalar.msh in the output folder."""
    if os.environ.get("STANDIN_FAILS"):
        sys.exit(os.environ["STANDIN_FAILS"])
    assert session.open_in_gmsh is False
    folder = Path(session.subpath or "")
    head = Path(session.fnamehead or folder / f"{folder.name.removeprefix('m2m_')}.msh")
    mesh = read_mesh(head, frame="T1")
    centres = mesh.nodes_mm[mesh.tetrahedra].mean(axis=1)
    out = Path(session.pathfem)
    out.mkdir()
    for n, coil in enumerate(session.lists, start=1):
        assert Path(coil.fnamecoil).is_absolute()
        for k, position in enumerate(coil.pos, start=1):
            didt = position.didt * float(os.environ.get("STANDIN_DIDT", "1"))
            field = field_at(coil.fnamecoil, position.matsimnibs, centres, didt)
            fields = {"E": field, "magnE": np.linalg.norm(field, axis=1)}
            name = f"{head.stem}_TMS_{n}-{k:04d}_{Path(coil.fnamecoil).stem}_scalar.msh"
            (out / name).write_bytes(gmsh_bytes(mesh.nodes_mm, mesh.tetrahedra, mesh.region, fields))


class Placement:
    def __init__(self, center_mm, handle_mm, distance_mm=4.0):
        self.centre, self.handle = np.array(center_mm, dtype=float), np.array(handle_mm, dtype=float)
        self.distance = float(distance_mm)


class Subject:
    """Lays the coil flat on a sphere around STANDIN_CENTRE, as cuNIBS lays it on the scalp."""

    def __init__(self, mesh):
        self.mesh = mesh

    @classmethod
    def from_mesh(cls, path):
        return cls(read_mesh(path, frame="T1"))

    def simulate(self, coil, placement, didt=1e6, *, magnitude=False):
        middle = np.array([float(x) for x in os.environ.get("STANDIN_CENTRE", "0 -18 12").split()])
        inward = middle - placement.centre
        inward /= np.linalg.norm(inward)
        y = placement.handle - placement.centre
        y -= inward * (inward @ y)
        y /= np.linalg.norm(y)
        matrix = np.eye(4)
        place = placement.centre - placement.distance * inward
        matrix[:3] = np.stack([np.cross(y, inward), y, inward, place], axis=1)
        centres = self.mesh.nodes_mm[self.mesh.tetrahedra].mean(axis=1)
        field = np.linalg.norm(field_at(coil, matrix, centres, didt), axis=1)
        return SimpleNamespace(
            magnE=field if magnitude else None, tet_tags=self.mesh.region, barycenters_mm=centres, transform=matrix
        )


class Coil:
    @staticmethod
    def load(path):
        return Path(Path(path).read_text())


def encode_ccd(ccd_file, output_h5):
    """Read the head of a .ccd as cuNIBS does: first line of key=value, then the count, a comment, rows."""
    first, count, _, *rows = Path(ccd_file).read_text().splitlines()
    assert first.startswith("#") and "coilname=" in first and int(count) == len(rows)
    Path(output_h5).write_text(str(ccd_file))


def install(folder: Path) -> dict[str, str]:
    """Write both programs into a folder; returns the variables that name them."""
    library, here = folder / "library", "from tests.standin import"
    for name, text in {
        "simnibs/__init__.py": f"{here} run_simnibs, sim_struct\n",
        "cunibs/__init__.py": f"{here} Placement, Subject\n",
        "cunibs/coil.py": f"{here} Coil, encode_ccd\n",
    }.items():
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / name).write_text(text)
    found = {}
    for variable, below in (("ACTIONLOOP_SIMNIBS", "bin/simnibs_python"), ("ACTIONLOOP_CUNIBS", "bin/python")):
        program = folder / variable / below
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{library}:{ROOT}" exec "{sys.executable}" "$@"\n')
        program.chmod(0o755)
        found[variable] = str(folder / variable)
    return found
