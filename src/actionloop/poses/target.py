"""What is aimed at, and what the field is averaged over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.brain import Geodesic, vertex_areas, vertex_normals
from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import HEMISPHERES, FloatArray, Hemisphere, IntArray, Surface, Target


@dataclass(frozen=True, eq=False)
class PoseAim:
    """What a pose is searched for.

    Attributes
    ----------
    name : str
        With the side, e.g. 'SCAN middle L'.
    network : str
    hemisphere : {'L', 'R'}
    vertex : int
        Mesh vertex aimed at.
    members : (member,) int ndarray
        Mesh vertices of its piece of the network.

    Raises
    ------
    GeometryError
        Another hemisphere than L or R.
    """

    name: str
    network: str
    hemisphere: Hemisphere
    vertex: int
    members: IntArray

    def __post_init__(self) -> None:
        if self.hemisphere not in HEMISPHERES:
            raise GeometryError(f"expected hemisphere L or R, found {self.hemisphere!r}")

    @classmethod
    def of(cls, target: Target) -> PoseAim:
        """Return what a ranked target aims at."""
        piece = target.piece
        return cls(target.name, piece.network, piece.hemisphere, target.vertex, piece.vertices)


@dataclass(frozen=True, eq=False)
class Focus:
    """The patch of cortex that the field of a target is averaged over.

    Attributes
    ----------
    hemisphere : {'L', 'R'}
    vertices : (member,) int64 ndarray
        Mesh vertices, ascending.
    points_mm : (member, 3) float64 ndarray
        On the midthickness.
    share : (member,) float64 ndarray
        Area of each vertex as a share of the patch; sums to 1.
    inward : (3,) float64 ndarray
        Mean normal into the cortex, length 1.
    """

    hemisphere: Hemisphere
    vertices: IntArray
    points_mm: FloatArray
    share: FloatArray
    inward: FloatArray

    @property
    def weights(self) -> FloatArray:
        """Weights that make the x, y and z component of the mean field; (3, member, 3)."""
        weights: FloatArray = np.einsum("p,kd->kpd", self.share, np.eye(3))
        return weights


def gather_focus(aim: PoseAim, surface: Surface, *, radius_mm: float) -> Focus:
    """Gather the vertices of the target's piece that are not farther than a radius from the aim along the cortex.

    Parameters
    ----------
    aim : PoseAim
    surface : Surface
        Midthickness of its hemisphere.
    radius_mm : float

    Returns
    -------
    Focus
        Of the aim alone where the radius holds no other vertex of the piece.

    Raises
    ------
    GeometryError
        The surface is of the other hemisphere, or the aim is no vertex of it.
    EmptyRegionError
        The aim has no area (a vertex without faces).
    """
    if surface.hemisphere != aim.hemisphere:
        raise GeometryError(f"{aim.name} is on hemisphere {aim.hemisphere}, the surface is {surface.hemisphere}")
    if not 0 <= aim.vertex < surface.n_vertices:
        raise GeometryError(f"{aim.name} aims at vertex {aim.vertex} of a surface of {surface.n_vertices} vertices")
    within = Geodesic(surface).within(aim.vertex, radius_mm)
    vertices = np.union1d(np.intersect1d(within, aim.members), [aim.vertex]).astype(np.int64)
    area = vertex_areas(surface)[vertices]
    if not area.sum() > 0:
        raise EmptyRegionError(f"{aim.name} aims at a vertex that has no area", fix="choose a vertex of the cortex")
    share = area / area.sum()
    inward = -(share @ vertex_normals(surface)[vertices])
    length = float(np.linalg.norm(inward))
    return Focus(aim.hemisphere, vertices, surface.vertices[vertices], share, inward / max(length, 1e-12))
