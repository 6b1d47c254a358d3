"""Thalamic nuclei of an atlas as regions of a series' voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionloop import facts
from actionloop.brain import Nuclei
from actionloop.errors import EmptyRegionError
from actionloop.evidence.regions import Region, structure_voxels
from actionloop.types import HEMISPHERES, SIDES, Grayordinates


def nucleus_regions(grayordinates: Grayordinates, nuclei: Sequence[Nuclei]) -> list[Region]:
    """Return the thalamic nuclei of an atlas, both sides together.

    A voxel of the thalamus belongs to the nucleus that fills most of it, where nuclei fill half of it or more.

    Parameters
    ----------
    grayordinates : Grayordinates
        With voxels in the space of the atlas.
    nuclei : sequence of Nuclei
        One image or one a side; voxels no larger than those of the grayordinates.

    Returns
    -------
    list of Region
        Nuclei that have a voxel, in the order of the atlas.

    Raises
    ------
    EmptyRegionError
        No voxels of the thalamus, or none in a nucleus.
    """
    settings = facts.load("contrast")["nuclei"]
    thalamus = np.concatenate(
        [structure_voxels(grayordinates, settings["structure"] + SIDES[side].upper())[0] for side in HEMISPHERES]
    )
    voxels = grayordinates.voxels
    assert voxels is not None  # or the thalamus would have had none
    row_at = np.full(voxels.shape, -1, dtype=np.int64)
    row_at[tuple(voxels.ijk.T)] = np.arange(len(voxels.ijk)) + grayordinates.n_cortex
    back, volume_mm3 = np.linalg.inv(voxels.affine), abs(np.linalg.det(voxels.affine[:3, :3]))
    names = list(dict.fromkeys(name for one in nuclei for name in one.names))
    filled = np.zeros((len(names), len(grayordinates)))
    for one in nuclei:
        for number, name in enumerate(one.names):
            ijk = np.rint(one.centres_mm(number) @ back[:3, :3].T + back[:3, 3]).astype(np.int64)
            ijk = ijk[((ijk >= 0) & (ijk < voxels.shape)).all(axis=1)]
            rows = row_at[tuple(ijk.T)]
            np.add.at(filled[names.index(name)], rows[rows >= 0], one.voxel_mm3 / volume_mm3)
    inside = np.zeros(len(grayordinates), dtype=bool)
    inside[thalamus] = filled[:, thalamus].sum(axis=0) >= float(settings["least_share"])
    best = filled.argmax(axis=0)
    found = [Region(name, inside & (best == k)) for k, name in enumerate(names) if (inside & (best == k)).any()]
    if not found:
        raise EmptyRegionError(
            "no voxel of the thalamus lies in a nucleus of the atlas", fix="check that both are in MNI space"
        )
    return found
