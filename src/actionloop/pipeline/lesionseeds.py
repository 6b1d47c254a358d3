"""Lesions and their null lesions on the rows of scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from actionloop import facts, files
from actionloop.brain import Parcels, adjacency
from actionloop.errors import EmptyRegionError, OptionError
from actionloop.evidence import Lesion, LesionRows, Structure, lesion_rows, on_parcels, random_lesions, structure_of
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Grayordinates

_CORTEX = "CIFTI_STRUCTURE_CORTEX_"


@dataclass(frozen=True, eq=False)
class Seeds:
    """Lesions and their null lesions on the rows of the scans.

    Attributes
    ----------
    weight : (seed, row) csr_array
        Lesions first, then the null lesions of each.
    rows : tuple of LesionRows
        What each lesion takes of the grayordinates.
    structures : tuple of str
        Where the null lesions of each were drawn.
    null_of : tuple of slice
        Seeds that are each lesion's null lesions.
    """

    weight: sparse.csr_array[Any]
    rows: tuple[LesionRows, ...]
    structures: tuple[str, ...]
    null_of: tuple[slice, ...]


def null_count(asked: int | None, n_lesions: int) -> int:
    """Null lesions for each lesion: as many as asked, else as many as memory is set aside for.

    Raises
    ------
    OptionError
        None, or more maps than memory is set aside for.
    """
    known = facts.load("lesion")
    most, least = int(known["command"]["most_maps"]), int(known["command"]["least_null"])
    n = max(least, min(int(known["null"]["n"]), most // n_lesions - 1)) if asked is None else asked
    if n < 1 or n_lesions * (1 + n) > max(most, n_lesions * (1 + least)):
        raise OptionError(
            f"{n_lesions} lesion(s) with {n:,} null lesions each; at least 1, and at most {most:,} maps in all",
            where="--nulls",
            fix="give fewer null lesions, or fewer lesions at a time",
        )
    return n


def make_seeds(
    lesions: Sequence[Lesion], axis: Grayordinates, *, parcels: Parcels | None, n: int, rng: np.random.Generator
) -> Seeds:
    """Put lesions and null lesions on rows.

    Null lesions are drawn in the structure that holds most of the lesion: voxels of one name, or the cortex of one
    side, along its mesh.

    Raises
    ------
    EmptyRegionError
        A lesion outside the brain, or below the cortex where the rows are cortex alone; no structure.
    """
    whole = axis if parcels is None else parcels.cortex
    rows, weights, nulls, structures = [], [], [], []
    for lesion in lesions:
        one = _rows_of(lesion, whole)
        structure = _structure(whole, one.weight)
        drawn = random_lesions(one.weight, structure, n=n, rng=rng)
        rows.append(one)
        structures.append(structure.name)
        weights.append(one.weight if parcels is None else on_parcels(one.weight, parcels))
        nulls.append(drawn if parcels is None else _parcel_nulls(drawn, parcels))
    first = np.cumsum([len(lesions), *(part.shape[0] for part in nulls)])
    stacked = sparse.vstack([sparse.csr_array(np.stack(weights)), *nulls], format="csr")
    null_of = tuple(slice(int(a), int(b)) for a, b in pairwise(first))
    return Seeds(sparse.csr_array(stacked), tuple(rows), tuple(structures), null_of)


def structure_words(name: str) -> str:
    """'CIFTI_STRUCTURE_THALAMUS_RIGHT' as 'right thalamus'."""
    words = name.removeprefix("CIFTI_STRUCTURE_").lower().split("_")
    side = [word for word in words if word in SIDES.values()]
    return " ".join([*side, *(word for word in words if word not in side)])


def _rows_of(lesion: Lesion, axis: Grayordinates) -> LesionRows:
    try:
        return lesion_rows(lesion, axis, anatomy=files.template_anatomy())
    except EmptyRegionError as error:
        if axis.voxels is not None:
            raise
        raise EmptyRegionError(
            f"{lesion.name} takes no cortex, and these scans have no voxels below it ({len(axis):,} rows of cortex): "
            "a lesion of the thalamus cannot be judged with them",
            fix="give 91k CIFTI series (fMRIPrep: --cifti-output 91k) or a prior built with --subcortex; for cortex "
            "check that the lesion is in MNI space",
        ) from error


def _structure(axis: Grayordinates, weight: FloatArray) -> Structure:
    """Voxels of one name, or the cortex of one side, whichever holds most of a lesion."""
    least = float(facts.load("lesion")["null"]["least_inside"])
    for side in HEMISPHERES:
        span = axis.rows(side)
        if weight[span].sum() >= least * weight.sum():
            surface = files.template_anatomy().surface(side)
            own = axis.vertices(side)
            near = sparse.csr_array(adjacency(surface.faces, surface.n_vertices))[own][:, own]
            rows = np.arange(span.start, span.stop)
            return Structure(f"{_CORTEX}{SIDES[side].upper()}", rows, surface.vertices[own], sparse.csr_array(near))
    return structure_of(axis, weight)


def _parcel_nulls(drawn: sparse.csr_array[Any], parcels: Parcels) -> sparse.csr_array[Any]:
    """Null lesions on parcels, without those that take none."""
    owner = parcels.owner
    inside = np.flatnonzero(owner >= 0)
    ones = np.ones(len(inside), dtype=np.float32)
    member = sparse.csr_array((ones, (inside, owner[inside])), shape=(len(owner), len(parcels)))
    summed = sparse.csr_array(drawn @ member)
    kept = np.flatnonzero(np.asarray(summed.sum(axis=1)).ravel() > 0)
    if not len(kept):
        raise EmptyRegionError("no null lesion takes a parcel")
    return sparse.csr_array(summed[kept])
