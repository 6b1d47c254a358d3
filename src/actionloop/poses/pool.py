"""All poses that one search looks at: the candidates, and conventional poses with their surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from actionloop.errors import GeometryError
from actionloop.poses.clearance import lift_needed
from actionloop.poses.cortex import CortexHead
from actionloop.poses.grid import Candidates, hexagon, lay_candidates, lift_out
from actionloop.poses.settings import SearchSettings
from actionloop.poses.target import PoseAim
from actionloop.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Pool:
    """Poses of one search.

    Attributes
    ----------
    candidates : Candidates
        The first poses of the pool.
    matrices : (pose, 4, 4) float64 ndarray
    lift_mm : (pose,) float64 ndarray
    near : list of (near,) int64 ndarray
        Of each candidate, and of each conventional pose by its number, the poses within the navigation error.
    sites : mapping of str to int
        Number of each conventional pose, by its label.
    """

    candidates: Candidates
    matrices: FloatArray
    lift_mm: FloatArray
    near: Mapping[int, IntArray]
    sites: Mapping[str, int]

    def with_near(self, poses: IntArray) -> IntArray:
        """Poses and all that lie within the navigation error of them, ascending."""
        return np.unique(np.concatenate([np.asarray(poses, dtype=np.int64), *(self.near[int(p)] for p in poses)]))


def gather_pool(
    head: CortexHead, aim: PoseAim, conventional: Mapping[str, FloatArray], settings: SearchSettings
) -> Pool:
    """Lay the candidates for a target, and conventional poses beside them.

    Conventional poses are lifted off the head like the candidates, so that the same coil is compared; their
    surroundings are shifts along the face of the coil.

    Parameters
    ----------
    head : CortexHead
    aim : PoseAim
    conventional : mapping of str to (4, 4) float ndarray
        Poses to compare with, by their labels.
    settings : SearchSettings

    Returns
    -------
    Pool

    Raises
    ------
    GeometryError
        As `lay_candidates`, or a conventional pose that is no pose.
    """
    surface = head.anatomy.surface(aim.hemisphere)
    candidates = lay_candidates(
        surface.vertices[aim.vertex], head.scalp, head.casing, hemisphere=aim.hemisphere, settings=settings
    )
    near = dict(enumerate(candidates.near(settings.navigation_mm)))
    matrices, lifts = [candidates.matrices], [candidates.lift_mm]
    shifts = hexagon(settings.navigation_mm, settings.spacing_mm)
    sites, n_poses = {}, len(candidates)
    for label, matrix in conventional.items():
        _require_pose(label, matrix)
        needed = lift_needed(head.casing, matrix[None], head.scalp.vertices, gap_mm=settings.gap_mm)
        lift = np.maximum(needed, 0.0)
        around = np.repeat(lift_out(np.asarray(matrix, dtype=np.float64)[None], lift), len(shifts), axis=0)
        around[:, :3, 3] += shifts @ around[0, :3, :2].T
        sites[label] = n_poses
        near[n_poses] = np.arange(n_poses, n_poses + len(shifts))
        matrices.append(around)
        lifts.append(np.repeat(lift, len(shifts)))
        n_poses += len(shifts)
    return Pool(candidates, np.concatenate(matrices), np.concatenate(lifts), near, sites)


def _require_pose(label: str, matrix: FloatArray) -> None:
    turned = np.asarray(matrix)[:3, :3]
    if (
        np.shape(matrix) != (4, 4)
        or not np.isfinite(matrix).all()
        or not np.allclose(turned.T @ turned, np.eye(3), atol=1e-3)
        or np.linalg.det(turned) < 0
    ):
        raise GeometryError(f"the conventional pose {label!r} is not a rigid 4 x 4 matrix with determinant +1")
