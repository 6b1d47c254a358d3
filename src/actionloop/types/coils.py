"""Coils as their makers' files describe them, and tetrahedral heads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types.basic import FloatArray, IntArray

# Elements farther than this from the coil's origin: a file in millimetres that says metres (or the reverse).
FARTHEST_MM = 500.0


def _none() -> FloatArray:
    return np.zeros((0, 3))


@dataclass(frozen=True, eq=False)
class Coil:
    """A coil as the sources of its magnetic field for a current of 1 A.

    Coil axes: x = y × z, y away from the handle, z into the head, origin in the middle of the face that touches the
    head (so that the windings lie at negative z).

    Attributes
    ----------
    name : str
    dipoles_mm : (dipole, 3) float64 ndarray
        Magnetic dipoles.
    moments_m2 : (dipole, 3) float64 ndarray
        Their moment per ampere (A·m² per A).
    wires_mm : (wire, 3) float64 ndarray
        Middle of short straight pieces of wire.
    wires_m : (wire, 3) float64 ndarray
        Direction times length of each piece, along the current.
    didt_max_a_per_us : float or None
        Largest rate of change of the current, A/µs; None where the file does not say.
    casing_mm : (point, 3) float64 ndarray
        Outline of the casing, whose convex hull stays outside the head; empty: taken from the elements.
    brand, source : str

    Raises
    ------
    GeometryError
        Shapes that do not fit, nothing that makes a field, values that are not finite, or elements half a metre away
        (units).
    """

    name: str
    dipoles_mm: FloatArray = field(default_factory=_none)
    moments_m2: FloatArray = field(default_factory=_none)
    wires_mm: FloatArray = field(default_factory=_none)
    wires_m: FloatArray = field(default_factory=_none)
    didt_max_a_per_us: float | None = None
    casing_mm: FloatArray = field(default_factory=_none)
    brand: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        pairs = ((self.dipoles_mm, self.moments_m2), (self.wires_mm, self.wires_m))
        if any(place.shape != what.shape or place.ndim != 2 or place.shape[1] != 3 for place, what in pairs):
            raise GeometryError(f"elements of the coil {self.name!r} are not (element, 3) arrays in pairs", where=where)
        if not (self.moments_m2.any() or self.wires_m.any()):
            raise GeometryError(f"the coil {self.name!r} has no element that makes a field", where=where)
        if not all(np.isfinite(values).all() for pair in (*pairs, (self.casing_mm,)) for values in pair):
            raise GeometryError(f"elements of the coil {self.name!r} hold NaN or infinite values", where=where)
        farthest = max(float(np.abs(place).max()) for place, _ in pairs if len(place))
        if farthest > FARTHEST_MM:
            raise GeometryError(
                f"elements of the coil {self.name!r} lie up to {farthest:g} mm from its origin",
                where=where,
                fix="the file's lengths are probably in another unit (a .ccd file is in metres, a .tcd file in mm)",
            )


@dataclass(frozen=True, eq=False)
class Mesh:
    """A head of tetrahedra.

    Attributes
    ----------
    nodes_mm : (node, 3) float64 ndarray
        RAS mm in `frame`.
    tetrahedra : (tetrahedron, 4) int64 ndarray
        Node indices.
    region : (tetrahedron,) int64 ndarray
        Tissue number as in the file.
    frame : str
    source : str

    Raises
    ------
    GeometryError
        Shapes or indices that do not fit, coordinates that are not finite, no tetrahedron.
    """

    nodes_mm: FloatArray
    tetrahedra: IntArray
    region: IntArray
    frame: str
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        if self.nodes_mm.ndim != 2 or self.nodes_mm.shape[1] != 3 or not np.isfinite(self.nodes_mm).all():
            raise GeometryError("expected finite nodes of shape (node, 3)", where=where)
        if self.tetrahedra.shape != (len(self.region), 4) or not len(self.region):
            raise GeometryError("the mesh has no tetrahedra with a tissue number each", where=where)
        if self.tetrahedra.min() < 0 or self.tetrahedra.max() >= len(self.nodes_mm):
            raise GeometryError("tetrahedra name nodes that are not there", where=where)
