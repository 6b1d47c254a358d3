"""The field that another program computed in tetrahedra, at the vertices of this cortex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, IntArray, Mesh

_EDGE = 1e-9
_FACES = {"left": (0, "min"), "right": (0, "max"), "back": (1, "min"), "front": (1, "max"), "top": (2, "max")}


@dataclass(frozen=True, eq=False)
class ElementField:
    """Length of a field in the elements of one tissue.

    Attributes
    ----------
    centres_mm : (element, 3) float64 ndarray
        Middle of each element, RAS mm.
    strength : (element,) float64 ndarray
        V/m.
    corners_mm : (element, 4, 3) float64 ndarray or None
        None where only the middles are known.
    source : str

    Raises
    ------
    GeometryError
        Shapes that do not fit, no element, or values that are not finite or negative.
    """

    centres_mm: FloatArray
    strength: FloatArray
    corners_mm: FloatArray | None = None
    source: str = ""

    def __post_init__(self) -> None:
        n, where = len(self.strength), self.source or None
        if not n:
            raise GeometryError("the result has no grey matter", where=where, fix="give the result of a whole head")
        if (
            self.centres_mm.shape != (n, 3)
            or self.strength.shape != (n,)
            or (self.corners_mm is not None and self.corners_mm.shape != (n, 4, 3))
        ):
            raise GeometryError("the result does not have one value for each element", where=where)
        if not (np.isfinite(self.centres_mm).all() and np.isfinite(self.strength).all() and (self.strength >= 0).all()):
            raise GeometryError(
                "the result holds places or fields that are not finite, or a length below 0", where=where
            )


@dataclass(frozen=True, eq=False)
class Sampled:
    """A field at points.

    Attributes
    ----------
    strength : (point,) float64 ndarray
        V/m; NaN where no element is near.
    inside : (point,) bool ndarray
        The value is that of the element that holds the point, not of the nearest.
    """

    strength: FloatArray
    inside: BoolArray


def grey_elements(mesh: Mesh, strength: FloatArray) -> ElementField:
    """Take the grey matter out of a field in a CHARM mesh.

    Parameters
    ----------
    mesh : Mesh
    strength : (tetrahedron,) float ndarray
        V/m.

    Raises
    ------
    GeometryError
        No grey matter.
    """
    chosen = mesh.region == int(facts.load("engines")["grey_label"])
    corners = mesh.nodes_mm[mesh.tetrahedra[chosen]]
    return ElementField(corners.mean(axis=1), np.asarray(strength, dtype=np.float64)[chosen], corners, mesh.source)


def sample_elements(field: ElementField, points_mm: FloatArray) -> Sampled:
    """Read a field of elements at points: the element that holds the point, else the nearest (data/engines.toml).

    Parameters
    ----------
    field : ElementField
    points_mm : (point, 3) float ndarray

    Returns
    -------
    Sampled
    """
    known = facts.load("engines")["sampling"]
    k = min(int(known["candidates"]), len(field.strength))
    found = cKDTree(field.centres_mm).query(points_mm, k=list(range(1, k + 1)))
    away, near = np.asarray(found[0]), np.asarray(found[1])
    chosen, inside = near[:, 0].copy(), np.zeros(len(points_mm), dtype=bool)
    if field.corners_mm is not None:
        for column in reversed(range(k)):  # the nearest that holds a point has the last word
            holds = _holds(field.corners_mm, near[:, column], points_mm)
            chosen[holds], inside[holds] = near[holds, column], True
    strength = field.strength[chosen].copy()
    strength[~inside & (away[:, 0] > float(known["reach_mm"]))] = np.nan
    return Sampled(strength, inside)


def require_same_head(field: ElementField, cortex_mm: FloatArray, strength: FloatArray) -> None:
    """Refuse a field in another head, or in another space.

    Parameters
    ----------
    field : ElementField
    cortex_mm : (vertex, 3) float ndarray
        Vertices of this cortex.
    strength : (vertex,) float ndarray
        The field there; NaN where no element is near.

    Raises
    ------
    GeometryError
        Boxes that end apart, or cortex without elements.
    """
    known = facts.load("engines")["sampling"]
    off = {
        name: float(getattr(np, end)(field.centres_mm[:, axis]) - getattr(np, end)(cortex_mm[:, axis]))
        for name, (axis, end) in _FACES.items()
    }
    worst = max(off, key=lambda name: abs(off[name]))
    lost = float(np.isnan(strength).mean())
    if abs(off[worst]) <= known["box_mm"] and lost <= known["most_lost"]:
        return
    boxes = [
        " x ".join(f"{low:.0f} to {high:.0f}" for low, high in zip(p.min(axis=0), p.max(axis=0), strict=True))
        for p in (cortex_mm, field.centres_mm)
    ]
    raise GeometryError(
        f"the result lies in another head or another space: this cortex fills {boxes[0]} mm, its grey matter "
        f"{boxes[1]} mm; they end {abs(off[worst]):.0f} mm apart at the {worst}, and {lost:.0%} of the cortex has no "
        "grey element near",
        where=field.source or None,
        fix="compute it in a head model made from the T1 of this person (RAS mm of that image)",
    )


def _holds(corners: FloatArray, elements: IntArray, points: FloatArray) -> BoolArray:
    """Tell which point lies in which element, by barycentric coordinates; flat elements hold none."""
    first = corners[elements, 0]
    edges = (corners[elements, 1:] - first[:, None]).transpose(0, 2, 1)
    volume = np.linalg.det(edges)
    solid = np.abs(volume) > 0
    share = np.full((len(points), 3), -1.0)
    share[solid] = np.linalg.solve(edges[solid], (points - first)[solid, :, None])[..., 0]
    holds: BoolArray = (share >= -_EDGE).all(axis=1) & (share.sum(axis=1) <= 1 + _EDGE)
    return holds
