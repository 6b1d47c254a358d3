"""A spherical head with known fields, for tests of the pose search: no voxels, no tables, few vertices."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from actionloop.brain import Scalp
from actionloop.field.coils import figure_of_eight
from actionloop.field.model import GREY, HeadModel
from actionloop.poses.head import PoseHead
from actionloop.poses.sampler import CoilSampler
from actionloop.types import Surface

FRAME = "sphere"
CORTEX_MM, CONDUCTOR_MM, SCALP_MM = 70.0, 80.0, 86.0
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def balls(n, radius_mm):
    """Points spread evenly over a sphere."""
    i = np.arange(n) + 0.5
    polar, around = np.arccos(1 - 2 * i / n), np.pi * (1 + 5**0.5) * i
    unit = np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], axis=1)
    return radius_mm * unit


def mesh(points):
    """Triangles over points on a sphere, counter-clockwise from outside."""
    faces = ConvexHull(points).simplices.astype(np.int64)
    first, second, third = points[faces].transpose(1, 0, 2)
    inward = np.einsum("ij,ij->i", np.cross(second - first, third - first), first) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faces


def half(points, faces):
    """The left half of a mesh."""
    faces = faces[points[faces].mean(axis=1)[:, 0] < 0]
    kept = np.unique(faces)
    return points[kept], np.searchsorted(kept, faces)


class SphereReader:
    def __init__(self, solver, points_mm):
        self.points_mm = np.asarray(points_mm)
        self._slope = solver.slopes(self.points_mm)
        distance, self.at = cKDTree(solver.centres_mm).query(self.points_mm)
        assert distance.max() < 1e-6

    def field(self, potential, dadt):
        return -np.einsum("pdj,j->pd", self._slope, potential) - dadt[self.at]


class SphereSolver:
    """Uniform sphere: the potential is made of charges outside it and balances -dA/dt at its surface."""

    def __init__(self, points_mm, *, n_charges=300, n_surface=800):
        inside = np.argwhere(np.ones((40, 40, 40), dtype=bool)) * 4.0 - 78.0
        tissue = np.zeros((40, 40, 40), dtype=np.uint8)
        tissue.reshape(-1)[np.linalg.norm(inside, axis=1) <= CORTEX_MM + 2] = GREY
        self.head = HeadModel(tissue, np.full(3, -78.0), 4.0, FRAME, "sphere")
        one = balls(n_surface // 2, CONDUCTOR_MM)
        self._surface = np.vstack([one, one * [-1, 1, 1]])
        one = balls(n_charges // 2, 1.3 * CONDUCTOR_MM)
        self._charges = np.vstack([one, one * [-1, 1, 1]])
        self.centres_mm = np.vstack([self._surface, points_mm])
        self.n_nodes = len(self._charges)
        outward = self._surface / CONDUCTOR_MM
        through = np.einsum("pdj,pd->pj", self.slopes(self._surface), outward)
        self._inverse = np.linalg.pinv(through, rcond=1e-9)
        self._outward = outward
        self.n_solves = 0

    def slopes(self, points_mm):
        away = points_mm[:, None] - self._charges[None]
        return -(away / np.linalg.norm(away, axis=2, keepdims=True) ** 3 * 1e3).transpose(0, 2, 1)

    def drive(self, dadt):
        return -self._inverse @ (dadt[: len(self._surface)] * self._outward).sum(axis=1)

    def solve(self, drives, *, tolerance=1e-6, start=None):
        self.n_solves += 1 if drives.ndim == 1 else drives.shape[1]
        assert start is None or start.shape == drives.shape
        return drives.copy()

    def reader(self, points_mm, *, tissue=GREY):
        return SphereReader(self, points_mm)


def sphere_adjoint(solver, reader, weights, *, tolerance=1e-6):
    """The currents whose product with dA/dt is the weighted sum of the field."""
    currents = np.zeros((len(weights), len(solver.centres_mm), 3))
    n = len(solver._surface)
    for k, weight in enumerate(weights):
        charges = np.einsum("pdj,pd->j", reader._slope, weight)
        currents[k, :n] = (charges @ solver._inverse)[:, None] * solver._outward
        np.subtract.at(currents[k], reader.at, weight)
    return currents


class DirectTable:
    """Stands in for the table of the adjoint field: multiplies dA/dt by the currents at every place."""

    @classmethod
    def build(cls, centres_mm, currents, region_mm, *, spacing_mm=4.0):
        table = cls()
        used = np.abs(currents).any(axis=(0, 2))
        table.centres, table.currents, table.region = centres_mm[used], currents[:, used], region_mm
        return table

    def values(self, coil, matrices):
        rows = CoilSampler(coil, lattice_mm=4.0).rows(matrices, self.centres)
        return rows @ self.currents.reshape(len(self.currents), -1).T


def sphere_head(monkeypatch, *, n_cortex=3000, n_scalp=3000, mirrored=False):
    """A head of spheres with a small coil, both hemispheres mirror images."""
    from actionloop.poses import first

    monkeypatch.setattr(first, "adjoint_currents", sphere_adjoint)
    monkeypatch.setattr(first, "FieldTable", DirectTable)
    points = balls(n_cortex, CORTEX_MM)
    left, faces = half(points, mesh(points))
    surfaces = {
        "L": Surface(left, faces, "L", "midthickness", FRAME),
        "R": Surface(left * [-1, 1, 1], faces[:, ::-1], "R", "midthickness", FRAME),
    }
    anatomy = SimpleNamespace(frame=FRAME, surface=lambda hemisphere, kind="midthickness": surfaces[hemisphere])
    out = balls(n_scalp, SCALP_MM)
    skin = mesh(out)
    if mirrored:
        out, skin = out * [-1, 1, 1], skin[:, ::-1]
    scalp = Scalp(out, skin, out / SCALP_MM, FRAME)
    solver = SphereSolver(np.concatenate([surfaces[h].vertices for h in "LR"]))
    return PoseHead(solver, anatomy, scalp, figure_of_eight(spacing_mm=25.0, n_layers=1))
