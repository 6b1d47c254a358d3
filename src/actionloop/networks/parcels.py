"""Mapping parcels in place of vertices: the prior per parcel, and the map back on the vertices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from actionloop.brain.parcels import Parcels
from actionloop.errors import GeometryError, PriorError
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Prior

__all__ = ["Parcels", "expand", "parcellate_prior"]


def parcellate_prior(prior: Prior, parcels: Parcels) -> Prior:
    """Average a prior over the rows of each parcel.

    Parameters
    ----------
    prior : Prior
        On the cortical rows of `parcels` (voxels are left out).
    parcels : Parcels

    Returns
    -------
    Prior
        On ``parcels.axis``. Probabilities are means over members, divided by their sum over networks (0 where a parcel
        has none); fingerprints are means over the members that have one. Group parameters are left out: their seeds are
        vertices.

    Raises
    ------
    PriorError
        Other rows, or a network that no parcel has.
    """
    if not prior.grayordinates.same_cortex(parcels.cortex):
        raise PriorError(
            f"the prior has {prior.grayordinates.n_cortex} cortical rows and the parcels lie on {len(parcels.cortex)}; "
            "both must be the same",
            where=prior.source or None,
            fix="bring the prior to the rows of the parcels first",
        )
    n_cortex = len(parcels.cortex)
    everywhere = np.ones(n_cortex, dtype=bool)
    share = _mean(prior.probability[:, :n_cortex], parcels, everywhere)
    lacking = [name for name, own in zip(prior.names, share, strict=True) if not own.any()]
    if lacking:
        raise PriorError(f"networks of the prior that no parcel has: {', '.join(lacking)}", where=prior.source or None)
    total = share.sum(axis=0)
    fingerprint = None
    if prior.fingerprint is not None:
        own = prior.fingerprint[:, :n_cortex]
        fingerprint = _mean(own, parcels, np.asarray(own.any(axis=0))).astype(np.float32)
    return replace(
        prior,
        probability=np.divide(share, total, out=np.zeros_like(share), where=total > 0).astype(np.float32),
        grayordinates=parcels.axis,
        fingerprint=fingerprint,
        group=None,
        source=f"{prior.source}, averaged over {len(parcels)} parcels".lstrip(", "),
    )


def expand(network_map: NetworkMap, parcels: Parcels, grayordinates: Grayordinates) -> NetworkMap:
    """Give every vertex what its parcel has.

    Parameters
    ----------
    network_map : NetworkMap
        On ``parcels.axis``.
    parcels : Parcels
    grayordinates : Grayordinates
        Where the map shall live; of the same mesh. Rows outside all parcels, and voxels, come out unassigned.

    Returns
    -------
    NetworkMap

    Raises
    ------
    GeometryError
        The map is not on the axis of the parcels, or the meshes differ.
    """
    if not network_map.grayordinates.same_cortex(parcels.axis) or len(network_map.label) != len(parcels):
        raise GeometryError(f"expected a map of {len(parcels)} parcels, found {len(network_map.label)} rows")
    if grayordinates.n_vertices != parcels.cortex.n_vertices:
        raise GeometryError(
            f"parcels on a mesh of {parcels.cortex.n_vertices} vertices cannot be carried to one of "
            f"{grayordinates.n_vertices}"
        )
    owner = np.full(len(grayordinates), -1, dtype=np.int64)
    left, right = (parcels.cortex.to_mesh(parcels.owner, side, fill=-1) for side in ("L", "R"))
    owner[: grayordinates.n_cortex] = grayordinates.from_mesh(left, right)
    inside = owner >= 0
    label: IntArray = np.where(inside, network_map.label[owner], 0)
    confidence: FloatArray = np.where(inside, network_map.confidence[owner], 0).astype(np.float32)
    return replace(
        network_map,
        probability=np.where(inside, network_map.probability[:, owner], 0).astype(np.float32),
        label=label,
        confidence=confidence,
        grayordinates=grayordinates,
        settings={**network_map.settings, "parcels": len(parcels)},
    )


def _weights(parcels: Parcels, counted: BoolArray) -> sparse.csr_array:
    """Return what averages rows of the cortex over each parcel's counted members; (parcel, row)."""
    rows = np.flatnonzero((parcels.owner >= 0) & counted)
    owner = parcels.owner[rows]
    size = np.bincount(owner, minlength=len(parcels))
    return sparse.csr_array((1 / size[owner], (owner, rows)), shape=(len(parcels), len(parcels.cortex)))


def _mean(values: FloatArray, parcels: Parcels, counted: BoolArray) -> FloatArray:
    """Average maps, (map, row), over each parcel's counted members; 0 where there are none."""
    mean: FloatArray = (_weights(parcels, counted) @ values.T.astype(np.float64)).T
    return mean
