"""Series of parcels (.ptseries.nii)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop.errors import GeometryError, InputError
from actionloop.files.cifti import describe_axes, header_tr, open_matrix, require_fslr32k
from actionloop.files.opening import values
from actionloop.files.templates import template_anatomy, template_grayordinates
from actionloop.files.writing import CIFTI_CORTEX
from actionloop.types import HEMISPHERES, Grayordinates, IntArray, Timeseries

if TYPE_CHECKING:
    from actionloop.brain.parcels import Parcels


def read_ptseries(path: str | Path, *, tr_s: float | None = None) -> tuple[Timeseries, Parcels]:
    """Read a series of cortical parcels.

    Parcels without cortical vertices (subcortical structures) are left out; the series says so in its steps.

    Parameters
    ----------
    path : path
    tr_s : float, optional
        Repetition time in seconds, instead of what the header says.

    Returns
    -------
    Timeseries
        (frame, parcel) float32, on the axis of the parcels, whose order is not the file's.
    Parcels
        On the standard 59,412 rows; the vertex that stands for a parcel is chosen on the template's midthickness.

    Raises
    ------
    InputError
        Missing, damaged, CIFTI-1, or another kind of CIFTI file.
    GeometryError
        Not on fsLR-32k, no cortical parcel, or parcels that overlap.
    SignalError
        The repetition time is missing, in milliseconds or not a time; NaN; zero everywhere.
    ResourceError
        The data have not been fetched.
    """
    from actionloop.brain.parcels import make_parcels

    path = Path(path)
    image = open_matrix(path, "CIFTI-2 series of parcels (.ptseries.nii)")
    first, second = image.first, image.second
    if type(first).__name__ != "SeriesAxis" or type(second).__name__ != "ParcelsAxis":
        raise InputError(
            f"expected a series of parcels (ptseries), found {describe_axes(first, second)}",
            where=path,
            fix="give the .ptseries.nii file",
        )
    for structure, n_vertices in second.nvertices.items():
        if structure not in CIFTI_CORTEX.values():
            raise GeometryError(f"the file holds a surface that is not cortex ({structure})", where=path)
        require_fslr32k(int(n_vertices), path)
    step_s = header_tr(first, path) if tr_s is None else tr_s
    cortex = template_grayordinates()
    members = _cortical_rows(second, cortex)
    kept = [parcel for parcel, rows in enumerate(members) if rows.size]
    if not kept:
        raise GeometryError("the file holds no cortical parcel", where=path)
    names = [str(second.name[parcel]) for parcel in kept]
    template = template_anatomy()
    surfaces = {hemisphere: template.surface(hemisphere) for hemisphere in HEMISPHERES}
    try:
        parcels, order = make_parcels(names, [members[parcel] for parcel in kept], cortex, surfaces)
    except GeometryError as error:
        raise GeometryError(error.problem, where=path) from error
    data = values(image, path, "CIFTI-2", dtype=np.float32)[:, np.array(kept)[order]]
    left_out = [str(name) for parcel, name in enumerate(second.name) if not members[parcel].size]
    steps = (f"{len(left_out)} parcels without cortex left out ({', '.join(left_out)})",) if left_out else ()
    return Timeseries(np.ascontiguousarray(data), parcels.axis, step_s, source=str(path), steps=steps), parcels


def _cortical_rows(axis: Any, cortex: Grayordinates) -> list[IntArray]:
    """Rows of the cortex of each parcel; vertices outside that cortex (on the medial wall) are left out."""
    row_of = {}
    for hemisphere, structure in CIFTI_CORTEX.items():
        span = cortex.rows(hemisphere)
        row_of[structure] = np.full(cortex.n_vertices, -1, dtype=np.int64)
        row_of[structure][cortex.vertices(hemisphere)] = np.arange(span.start, span.stop)
    members = []
    for vertices in axis.vertices:
        rows = [row_of[structure][np.asarray(own, dtype=np.int64)] for structure, own in vertices.items()]
        joined = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        members.append(np.sort(joined[joined >= 0]))
    return members
