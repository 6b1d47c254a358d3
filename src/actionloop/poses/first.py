"""The first stage: the mean field over the target of every pose, by reciprocity."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from actionloop.errors import GeometryError
from actionloop.field import FieldTable, adjoint_currents
from actionloop.poses.head import PoseHead
from actionloop.poses.target import Focus
from actionloop.types import Coil, FloatArray

_CHUNK = 256
"""Poses whose elements are placed at once."""


def mean_fields(head: PoseHead, focus: Focus, matrices: FloatArray, *, table_mm: float) -> FloatArray:
    """Mean field over the target of every pose, at 1 A/µs.

    Parameters
    ----------
    head : PoseHead
    focus : Focus
    matrices : (pose, 4, 4) float64 ndarray
    table_mm : float
        Spacing of the table of the adjoint field.

    Returns
    -------
    (pose, 3) float64 ndarray
        V/m.

    Raises
    ------
    GeometryError
        No field at all.
    """
    reader = head.solver.reader(focus.points_mm)
    currents = adjoint_currents(head.solver, reader, focus.weights)
    region = cells_of_elements(head.coil, matrices, cell_mm=table_mm)
    table = FieldTable.build(head.solver.centres_mm, currents, region, spacing_mm=table_mm)
    means: FloatArray = table.values(head.coil, matrices)
    if not (np.isfinite(means).all() and np.abs(means).max(initial=0.0) > 0):
        raise GeometryError("no pose makes a field on the target", fix="check the coil file and the head model")
    return means


def cells_of_elements(coil: Coil, matrices: FloatArray, *, cell_mm: float) -> FloatArray:
    """Where elements of the coil come to lie in any of many poses, as centres of cubes of a lattice.

    Parameters
    ----------
    coil : Coil
    matrices : (pose, 4, 4) float64 ndarray
    cell_mm : float
        Edge of the cubes.

    Returns
    -------
    (cell, 3) float64 ndarray
        mm; cubes with an element, and their neighbours.
    """
    elements = np.concatenate([coil.dipoles_mm, coil.wires_mm]).astype(np.float64)
    # Of elements within a quarter of a cube one is enough: turned anyhow, the others are in it or a neighbour, whatever
    # the offset of the lattice that is laid over these cubes.
    _, kept = np.unique(np.round(elements / (cell_mm / 4)), axis=0, return_index=True)
    elements = elements[kept]
    reach = float(np.linalg.norm(elements, axis=1).max()) + 3 * cell_mm
    corner = matrices[:, :3, 3].min(axis=0) - reach
    counts = np.ceil((matrices[:, :3, 3].max(axis=0) + reach - corner) / cell_mm).astype(int) + 1
    marked = np.zeros(counts, dtype=bool)
    for first in range(0, len(matrices), _CHUNK):
        chunk = matrices[first : first + _CHUNK]
        placed = elements @ chunk[:, :3, :3].transpose(0, 2, 1) + chunk[:, None, :3, 3]
        cell = np.round((placed - corner) / cell_mm).astype(np.int32).reshape(-1, 3)
        marked[cell[:, 0], cell[:, 1], cell[:, 2]] = True
    marked = ndimage.binary_dilation(marked, structure=np.ones((3, 3, 3), dtype=bool))
    cells: FloatArray = corner + cell_mm * np.argwhere(marked)
    return cells
