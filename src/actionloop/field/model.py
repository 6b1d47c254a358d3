"""A head as voxels of five tissues."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field.inside import Grid
from actionloop.types import FloatArray, IntArray

TISSUES = ("air", "white", "grey", "csf", "skull", "scalp")
"""Names of the tissues, by their number in `HeadModel.tissue`."""
AIR, WHITE, GREY, CSF, SKULL, SCALP = range(6)


def conductivities(**changed: float) -> FloatArray:
    """Return the conductivity of each tissue, S/m, by its number; air has none.

    Parameters
    ----------
    **changed : float
        Other values than those of data/field.toml, by the tissue's name.

    Returns
    -------
    (6,) float64 ndarray
    """
    known = {**facts.load("field")["conductivity_s_per_m"], **changed}
    return np.array([0.0, *(float(known[name]) for name in TISSUES[1:])])


@dataclass(frozen=True, eq=False)
class HeadModel:
    """Tissues of one head on a grid of cubes along the axes of its frame.

    Attributes
    ----------
    tissue : (i, j, k) uint8 ndarray
        Number of the tissue in `TISSUES`; one voxel of air all round.
    corner_ras : (3,) float64 ndarray
        Centre of voxel (0, 0, 0), RAS mm in `frame`.
    edge_mm : float
        Of every voxel.
    frame : str
    description : str
        What it was made from, for the report.
    approximate : bool
        True where it is a template's head carried over, not this person's.
    source : str
    notes : tuple of str
        What to know of it, in sentences.

    Raises
    ------
    GeometryError
        No volume of known tissues, an edge that is not above 0, or no grey matter.
    """

    tissue: IntArray
    corner_ras: FloatArray
    edge_mm: float
    frame: str
    description: str
    approximate: bool = False
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = self.source or None
        if self.tissue.ndim != 3 or self.tissue.dtype != np.uint8 or self.tissue.max(initial=0) >= len(TISSUES):
            raise GeometryError(f"expected a volume of tissues 0 to {len(TISSUES) - 1} as uint8", where=where)
        if not (np.isfinite(self.edge_mm) and self.edge_mm > 0 and np.isfinite(self.corner_ras).all()):
            raise GeometryError("the grid of the head model is not usable", where=where)
        if not (self.tissue == GREY).any():
            raise GeometryError("the head model has no grey matter", where=where)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid(self.corner_ras, self.edge_mm, self.tissue.shape)

    @cached_property
    def voxels(self) -> IntArray:
        """Every voxel that conducts, in the order of the array; (voxel, 3)."""
        return np.argwhere(self.tissue != AIR)

    def centres(self, voxels: IntArray | None = None) -> FloatArray:
        """Centres of voxels (by default every voxel that conducts), RAS mm; (voxel, 3)."""
        return self.grid.xyz(self.voxels if voxels is None else voxels)

    def volumes_ml(self) -> dict[str, float]:
        """Volume of each tissue."""
        counts = np.bincount(self.tissue.ravel(), minlength=len(TISSUES))
        return {name: float(n) * self.edge_mm**3 / 1000 for name, n in zip(TISSUES[1:], counts[1:], strict=True)}
