"""Values carried from one axis to another, by vertex and voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Prior


def align(
    values: FloatArray, from_grayordinates: Grayordinates, to_grayordinates: Grayordinates, *, fill: float = 0
) -> FloatArray:
    """Carry values from one axis to another by vertex and voxel; nothing is interpolated.

    Parameters
    ----------
    values : (..., row of from_grayordinates) ndarray
    from_grayordinates, to_grayordinates : Grayordinates
    fill : float
        For rows that the source lacks.

    Returns
    -------
    (..., row of to_grayordinates) ndarray

    Raises
    ------
    GeometryError
        `values` do not fit their axis, or the two axes have different meshes or voxel grids.
    """
    if values.shape[-1] != len(from_grayordinates):
        raise GeometryError(f"expected {len(from_grayordinates)} rows, found {values.shape[-1]}")
    if from_grayordinates.n_vertices != to_grayordinates.n_vertices:
        raise GeometryError(
            f"values on {from_grayordinates.n_vertices} vertices cannot be carried to {to_grayordinates.n_vertices}"
        )
    source, found = _row_of_each(from_grayordinates, to_grayordinates)
    carried = np.full((*values.shape[:-1], len(to_grayordinates)), fill, dtype=values.dtype)
    carried[..., found] = values[..., source[found]]
    return carried


def align_map(network_map: NetworkMap, grayordinates: Grayordinates) -> NetworkMap:
    """Carry a map to another axis; rows it does not know are unassigned.

    Raises
    ------
    GeometryError
        As `align`.
    """
    label, confidence, probability = (
        align(np.asarray(values), network_map.grayordinates, grayordinates)
        for values in (network_map.label, network_map.confidence, network_map.probability)
    )
    return replace(
        network_map,
        label=np.asarray(label).astype(np.int64),
        confidence=confidence,
        probability=probability,
        grayordinates=grayordinates,
    )


def align_prior(prior: Prior, grayordinates: Grayordinates) -> Prior:
    """Carry a prior to another axis; rows it does not know get probability and fingerprint 0.

    Group parameters stay as they are: their seeds are vertices of the mesh, which both axes share.

    Raises
    ------
    PriorError
        A network has no row left.
    GeometryError
        As `align`.
    """
    fingerprint = None if prior.fingerprint is None else align(prior.fingerprint, prior.grayordinates, grayordinates)
    probability = align(prior.probability, prior.grayordinates, grayordinates)
    return replace(prior, probability=probability, grayordinates=grayordinates, fingerprint=fingerprint)


def _row_of_each(source: Grayordinates, target: Grayordinates) -> tuple[IntArray, BoolArray]:
    rows = np.full(len(target), -1, dtype=np.int64)
    for hemisphere in ("L", "R"):
        where = np.full(source.n_vertices, -1, dtype=np.int64)
        span = source.rows(hemisphere)
        where[source.vertices(hemisphere)] = np.arange(span.start, span.stop)
        rows[target.rows(hemisphere)] = where[target.vertices(hemisphere)]
    if source.voxels is not None and target.voxels is not None:
        if source.voxels.shape != target.voxels.shape or not np.allclose(
            source.voxels.affine, target.voxels.affine, atol=1e-3
        ):
            raise GeometryError("the voxels of the two axes lie on different grids", fix="use files of one space")
        grid = np.full(source.voxels.shape, -1, dtype=np.int64)
        grid[tuple(source.voxels.ijk.T)] = np.arange(source.n_cortex, len(source))
        rows[target.n_cortex :] = grid[tuple(target.voxels.ijk.T)]
    return rows, rows >= 0
