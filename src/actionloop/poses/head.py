"""One head with one coil: what all targets share, and every pose that was solved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.field import GREY, WHITE, FieldSolver, Reader, primary_field_on_lattice
from actionloop.poses.cortex import CortexHead, SolvedFields
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, Coil, FloatArray, Hemisphere, IntArray

# Vertices farther than so many voxels from grey matter have no field; more than this share of them is an error.
_FAR_VOXELS, _MOST_FAR = 2.5, 0.05
# Of the largest dA/dt in the head; far below what the voxels cost.
_DRIVE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class PoseHead(CortexHead):
    """What the searches for all targets of one head and one coil share.

    Attributes
    ----------
    solver : FieldSolver
    anatomy : Anatomy
    scalp : Scalp
    coil : Coil
    cortex : mapping of hemisphere to (vertex,) bool ndarray, or None
        Vertices of the cortex (not of the medial wall); None for all that have an area. Those that are not near grey
        matter of the head model are left out.

    Raises
    ------
    GeometryError
        Head model, surfaces and scalp of different frames.
    """

    solver: FieldSolver
    anatomy: Anatomy
    scalp: Scalp
    coil: Coil
    cortex: Mapping[Hemisphere, BoolArray] | None = None

    def __post_init__(self) -> None:
        frames = {self.solver.head.frame, self.anatomy.frame, self.scalp.frame}
        if len(frames) > 1:
            raise GeometryError(
                f"head model, surfaces and scalp are in different frames: {', '.join(sorted(frames))}",
                fix="make all of them from the same image",
            )

    @cached_property
    def vertices(self) -> dict[Hemisphere, IntArray]:
        """Mesh vertices of the cortex that lie near grey matter of the head model, ascending.

        Raises
        ------
        GeometryError
            A mask of another mesh, or too many vertices far from grey matter.
        """
        model = self.solver.head
        voxels: IntArray = np.argwhere(model.tissue == GREY)
        grey = cKDTree(model.centres(voxels))
        found: dict[Hemisphere, IntArray] = {}
        for hemisphere in HEMISPHERES:
            cortex = self.on_cortex(hemisphere)
            away, _ = grey.query(self.anatomy.surface(hemisphere).vertices[cortex])
            near = np.less_equal(away, _FAR_VOXELS * model.edge_mm)
            far = 1 - float(np.mean(near))
            # Without a mask the medial wall is among them.
            if self.cortex is not None and far > _MOST_FAR:
                raise GeometryError(
                    f"{far:.0%} of the cortex of hemisphere {hemisphere} lie far from the grey matter of "
                    "the head model",
                    fix="check that surfaces and head model are of one head and frame",
                )
            found[hemisphere] = cortex[near]
        return found

    @cached_property
    def reader(self) -> Reader:
        """Reads the field on the cortex of both hemispheres, left then right."""
        points = [self.anatomy.surface(h).vertices[self.vertices[h]] for h in HEMISPHERES]
        return self.solver.reader(np.concatenate(points))

    @cached_property
    def solved(self) -> SolvedPoses:
        """Every pose that was solved forward."""
        return SolvedPoses(self)

    @cached_property
    def brain_mm(self) -> FloatArray:
        """Centres of the voxels of white and grey matter; (voxel, 3)."""
        tissue = self.solver.head.tissue
        voxels: IntArray = np.argwhere((tissue == WHITE) | (tissue == GREY))
        return self.solver.head.centres(voxels)


class SolvedPoses(SolvedFields):
    """Poses that were solved forward: their potential, and their field on the cortex at 1 A/µs.

    Parameters
    ----------
    head : PoseHead
    """

    def __init__(self, head: PoseHead) -> None:
        super().__init__()
        self._head = head
        self._potentials: list[FloatArray] = []

    def potential(self, number: int) -> FloatArray:
        """Potential of a pose; (node,) float64, V at 1 A/µs."""
        return self._potentials[number].astype(np.float64)

    def dadt(self, number: int) -> FloatArray:
        """dA/dt of a pose in the conducting voxels; (voxel, 3), V/m at 1 A/µs."""
        head = self._head
        return primary_field_on_lattice(
            head.coil, self._matrices[number], head.solver.centres_mm, tolerance=_DRIVE_TOLERANCE
        )

    def solve(
        self, matrices: FloatArray, *, tolerance: float, known: IntArray | None = None, parts: FloatArray | None = None
    ) -> IntArray:
        """Solve some poses side by side."""
        solver, coil = self._head.solver, self._head.coil
        dadt = [
            primary_field_on_lattice(coil, matrix, solver.centres_mm, tolerance=_DRIVE_TOLERANCE) for matrix in matrices
        ]
        drives = np.stack([solver.drive(values) for values in dadt], axis=1)
        start = None
        if known is not None and parts is not None and len(known):
            start = np.zeros_like(drives)
            for pose, row in enumerate(parts):
                for index, part in zip(known, row, strict=True):
                    start[:, pose] += part * self._potentials[index]
        potentials = solver.solve(drives, tolerance=tolerance, start=start)
        first = len(self)
        for pose, matrix in enumerate(matrices):
            potential = np.ascontiguousarray(potentials[:, pose])
            field = self._head.reader.field(potential, dadt[pose])
            self._matrices.append(np.array(matrix))
            self._potentials.append(potential.astype(np.float32))
            self._fields.append(field.astype(np.float32))
        return np.arange(first, len(self))
