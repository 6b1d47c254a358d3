"""Writing single files: text, tables, CIFTI and GIFTI; each appears whole under its name, or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.errors import OutputError
from actionloop.files.atomic import atomic_path
from actionloop.types import FloatArray, Grayordinates, Hemisphere, NetworkMap, Surface, Timeseries

CIFTI_EXTENSION = 32  # code of the CIFTI header among NIfTI's extensions
CIFTI_CORTEX: dict[Hemisphere, str] = {"L": "CIFTI_STRUCTURE_CORTEX_LEFT", "R": "CIFTI_STRUCTURE_CORTEX_RIGHT"}
_GIFTI_CORTEX: dict[Hemisphere, str] = {"L": "CortexLeft", "R": "CortexRight"}
_DENSE_LABELS, _DENSE_SCALARS, _DENSE_SERIES = 3007, 3006, 3002  # NIfTI intent codes of CIFTI-2


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8 with the line ends it has."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        out.write(text)


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write JSON; arrays become lists, paths text, NaN and infinity null."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] | None = None) -> None:
    """Write a BIDS table: tab-separated, 'n/a' where nothing is known, numbers to six digits.

    Parameters
    ----------
    path : path
    rows : sequence of mappings
    columns : sequence of str, optional
        Order of the columns; the keys of the first row if not given. Needed for a table without rows.

    Raises
    ------
    OutputError
        A row has a column that the table does not.
    """
    names = list(columns) if columns is not None else list(rows[0]) if rows else []
    strange = sorted({name for row in rows for name in row} - set(names))
    if strange:
        raise OutputError(f"rows hold columns that the table does not have: {', '.join(strange)}", where=path)
    lines = ["\t".join(names), *("\t".join(_cell(row.get(name)) for name in names) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def write_dlabel(path: str | Path, network_map: NetworkMap) -> None:
    """Write the winning networks as CIFTI-2 dense label (int32, with names and colours)."""
    from nibabel.cifti2 import LabelAxis

    axis = LabelAxis(["actionloop networks"], [_label_table(network_map)])
    data = np.asarray(network_map.label, dtype=np.int32)[None]
    _write_cifti(path, data, axis, network_map.grayordinates, intent=_DENSE_LABELS)


def write_dscalar(path: str | Path, values: FloatArray, names: Sequence[str], grayordinates: Grayordinates) -> None:
    """Write maps as CIFTI-2 dense scalar (float32).

    Parameters
    ----------
    path : path
        Ends in '.dscalar.nii'.
    values : (map, grayordinate) or (grayordinate,) ndarray
    names : sequence of str
        One per map.
    grayordinates : Grayordinates
    """
    from nibabel.cifti2 import ScalarAxis

    data = np.atleast_2d(np.asarray(values, dtype=np.float32))
    _require_shape(path, data, (len(names), len(grayordinates)))
    _write_cifti(path, data, ScalarAxis(list(names)), grayordinates, intent=_DENSE_SCALARS)


def write_dtseries(path: str | Path, series: Timeseries) -> None:
    """Write a series as CIFTI-2 dense series (float32, repetition time in seconds)."""
    from nibabel.cifti2 import SeriesAxis

    axis = SeriesAxis(start=0.0, step=series.tr_s, size=series.n_frames, unit="SECOND")
    data = np.asarray(series.data, dtype=np.float32)
    _write_cifti(path, data, axis, series.grayordinates, intent=_DENSE_SERIES)


def write_gifti_labels(path: str | Path, network_map: NetworkMap, hemisphere: Hemisphere) -> None:
    """Write one hemisphere's winning networks over its full mesh as GIFTI label."""
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiLabel, GiftiLabelTable, GiftiMetaData

    table = GiftiLabelTable()
    for key, (name, (red, green, blue, alpha)) in _label_table(network_map).items():
        label = GiftiLabel(key=key, red=red, green=green, blue=blue, alpha=alpha)
        label.label = name
        table.labels.append(label)
    values = network_map.grayordinates.to_mesh(np.asarray(network_map.label, dtype=np.int32), hemisphere)
    array = GiftiDataArray(
        values,
        intent="NIFTI_INTENT_LABEL",
        datatype="NIFTI_TYPE_INT32",
        meta=GiftiMetaData({"Name": "actionloop networks"}),
    )
    image = GiftiImage(labeltable=table, darrays=[array], meta=_gifti_meta(hemisphere))
    _save(image, path)


def write_gifti_scalar(path: str | Path, values: FloatArray, names: Sequence[str], hemisphere: Hemisphere) -> None:
    """Write maps over one hemisphere's mesh as GIFTI functional.

    Parameters
    ----------
    path : path
        Ends in '.func.gii' or '.shape.gii'.
    values : (map, vertex) or (vertex,) ndarray
    names : sequence of str
        One per map.
    hemisphere : {'L', 'R'}
    """
    from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

    data = np.atleast_2d(np.asarray(values, dtype=np.float32))
    _require_shape(path, data, (len(names), data.shape[1]))
    arrays = [
        GiftiDataArray(
            row, intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32", meta=GiftiMetaData({"Name": name})
        )
        for name, row in zip(names, data, strict=True)
    ]
    _save(GiftiImage(darrays=arrays, meta=_gifti_meta(hemisphere)), path)


def write_gifti_surface(path: str | Path, surface: Surface) -> None:
    """Write a surface as GIFTI (float32 mm, RAS)."""
    from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage

    kinds = {"white": "GrayWhite", "pial": "Pial", "midthickness": "MidThickness"}
    geometry = {"inflated": "Inflated", "sphere": "Spherical"}.get(surface.kind, "Anatomical")
    meta = _gifti_meta(surface.hemisphere, GeometricType=geometry)
    if surface.kind in kinds:
        meta["AnatomicalStructureSecondary"] = kinds[surface.kind]
    points = GiftiDataArray(
        surface.vertices.astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        datatype="NIFTI_TYPE_FLOAT32",
        coordsys=GiftiCoordSystem(dataspace=3, xformspace=3),  # Talairach: how Workbench marks RAS mm
        meta=meta,
    )
    triangles = GiftiDataArray(
        surface.faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype="NIFTI_TYPE_INT32", coordsys=None
    )
    _save(GiftiImage(darrays=[points, triangles], meta=_gifti_meta(surface.hemisphere)), path)


@lru_cache(maxsize=2)
def brain_models(grayordinates: Grayordinates) -> Any:
    """Return the CIFTI-2 brain-model axis (nibabel BrainModelAxis) of a grayordinate axis; made once, it takes time."""
    from nibabel.cifti2 import BrainModelAxis

    axis = None
    for hemisphere, structure in CIFTI_CORTEX.items():
        part = BrainModelAxis.from_surface(grayordinates.vertices(hemisphere), grayordinates.n_vertices, structure)
        axis = part if axis is None else axis + part
    if grayordinates.voxels is not None:
        voxels = grayordinates.voxels
        axis += BrainModelAxis(
            voxels.structure.astype(str), voxel=voxels.ijk, affine=voxels.affine, volume_shape=voxels.shape
        )
    return axis


@lru_cache(maxsize=2)
def _rows(grayordinates: Grayordinates) -> Any:
    return brain_models(grayordinates).to_mapping(1)


def _write_cifti(path: str | Path, data: NDArray[Any], axis: Any, grayordinates: Grayordinates, *, intent: int) -> None:
    # A CIFTI-2 file is NIfTI-2 with an XML extension. nibabel's Cifti2Image would take the row axis apart and put it
    # together some five times for each file, which takes seconds.
    from nibabel import Nifti2Image
    from nibabel.cifti2 import Cifti2Header, Cifti2Matrix, Cifti2MetaData
    from nibabel.nifti1 import Nifti1Extension

    _require_shape(path, data, (len(axis), len(grayordinates)))
    matrix = Cifti2Matrix()
    sides = facts.load("outputs")["dataset"]["sides"]
    matrix.metadata = Cifti2MetaData({"Notice": facts.notice(), "Sides": sides})
    matrix.append(axis.to_mapping(0))
    matrix.append(_rows(grayordinates))
    image = Nifti2Image(data[None, None, None, None], None)
    image.header["intent_code"] = intent
    image.header.extensions.append(Nifti1Extension(CIFTI_EXTENSION, Cifti2Header(matrix).to_xml()))
    _save(image, path)


def _save(image: Any, path: str | Path) -> None:
    import nibabel

    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)


def _label_table(network_map: NetworkMap) -> dict[int, tuple[str, tuple[float, float, float, float]]]:
    table: dict[int, tuple[str, tuple[float, float, float, float]]] = {0: ("???", (1.0, 1.0, 1.0, 0.0))}
    for name, key, colour in zip(network_map.names, network_map.keys, network_map.colours, strict=True):
        red, green, blue = (float(channel) for channel in colour)
        table[int(key)] = (name, (red, green, blue, 1.0))
    return table


def _gifti_meta(hemisphere: Hemisphere, **more: str) -> Any:
    from nibabel.gifti import GiftiMetaData

    return GiftiMetaData({"AnatomicalStructurePrimary": _GIFTI_CORTEX[hemisphere], "Notice": facts.notice(), **more})


def _require_shape(path: str | Path, data: NDArray[Any], shape: tuple[int, int]) -> None:
    if data.shape != shape:
        raise OutputError(f"expected values of shape (map, place) = {shape}, found {data.shape}", where=path)


def _plain(value: Any) -> Any:
    """Turn arrays, paths and numbers of numpy into what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, bool, int)) else str(value)


def _cell(value: Any) -> str:
    """One table cell; tabs and line ends would break the table and become blanks."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value + 0.0:.6g}"
    if isinstance(value, (list, tuple)):
        return _cell("; ".join(str(item) for item in value))
    return " ".join(str(value).split()) or "n/a"
