"""CIFTI-2 series, maps and labels. Rows are known by the brain-model axis, never by their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files.opening import check_file, load, reading, values
from actionloop.files.writing import CIFTI_EXTENSION
from actionloop.types import FSLR32K_VERTICES, FloatArray, Grayordinates, IntArray, Timeseries, Voxels

_LEFT = "CIFTI_STRUCTURE_CORTEX_LEFT"
_RIGHT = "CIFTI_STRUCTURE_CORTEX_RIGHT"
_OTHER_MESHES = {
    4_002: "fsLR-4k",
    7_842: "fsLR-8k",
    10_242: "fsaverage5",
    40_962: "fsaverage6",
    59_292: "fsLR-59k",
    163_842: "fsLR-164k or fsaverage",
}
# Shorter than any scanner samples: what is left when milliseconds were taken for seconds once too often.
_SHORTEST_TR_S = 0.05


class LabelMap(NamedTuple):
    """Labels per row.

    Attributes
    ----------
    grayordinates : Grayordinates
    label : (row,) int64 ndarray
        0 is unlabelled.
    names : dict of int to str
        Name of each key above 0, as the file writes it.
    colours : dict of int to tuple
        RGB, 0 to 1.
    """

    grayordinates: Grayordinates
    label: IntArray
    names: dict[int, str]
    colours: dict[int, tuple[float, float, float]]


class ScalarMaps(NamedTuple):
    """Named maps: `data` is (map, row) float32."""

    grayordinates: Grayordinates
    data: FloatArray
    names: tuple[str, ...]


class Matrix(NamedTuple):
    """A CIFTI file that was opened: its data, not read yet, and its two axes."""

    dataobj: Any
    first: Any
    second: Any


def read_cifti_series(path: str | Path, *, tr_s: float | None = None) -> Timeseries:
    """Read a dense series (.dtseries.nii).

    Parameters
    ----------
    path : path
    tr_s : float, optional
        Repetition time in seconds, instead of what the header says.

    Returns
    -------
    Timeseries
        (frame, grayordinate) float32, rows in the order left, right, voxels. Each row's series is contiguous in
        memory, as in the file.

    Raises
    ------
    InputError
        Missing, damaged, CIFTI-1, or another kind of CIFTI file.
    GeometryError
        Not on fsLR-32k, or a hemisphere is missing.
    SignalError
        The repetition time is missing, in milliseconds or not a time; NaN; zero everywhere.
    """
    path = Path(path)
    image = open_matrix(path, "CIFTI-2 dense series (.dtseries.nii)")
    first, second = image.first, image.second
    if type(first).__name__ != "SeriesAxis" or type(second).__name__ != "BrainModelAxis":
        raise InputError(
            f"expected a dense series (dtseries), found {describe_axes(first, second)}",
            where=path,
            fix="give the .dtseries.nii file",
        )
    grayordinates, order = read_axis(second, where=path)
    step_s = header_tr(first, path) if tr_s is None else tr_s
    data = values(image, path, "CIFTI-2", dtype=np.float32)
    if order is not None:
        data = data[:, order]
    return Timeseries(data, grayordinates, step_s, source=str(path))


def read_cifti_scalar(path: str | Path) -> ScalarMaps:
    """Read the maps of a dense scalar file (.dscalar.nii).

    Raises
    ------
    InputError, GeometryError
        As `read_cifti_series`.
    """
    path = Path(path)
    image = open_matrix(path, "CIFTI-2 dense scalar (.dscalar.nii)")
    first, second = image.first, image.second
    if type(first).__name__ != "ScalarAxis" or type(second).__name__ != "BrainModelAxis":
        raise InputError(f"expected dense maps (dscalar), found {describe_axes(first, second)}", where=path)
    grayordinates, order = read_axis(second, where=path)
    data = np.ascontiguousarray(values(image, path, "CIFTI-2", dtype=np.float32))
    return ScalarMaps(grayordinates, data if order is None else data[:, order], tuple(str(n) for n in first.name))


def read_label_map(path: str | Path, *, map_name: str | None = None) -> LabelMap:
    """Read labels: a dlabel, or one map of whole numbers in a dscalar or a one-frame dtseries.

    Parameters
    ----------
    path : path
    map_name : str, optional
        Which map of several; the first by default.

    Returns
    -------
    LabelMap
        Keys without a name in the file are named 'label 7'. Labels of 0 and keys named '???' count as unlabelled.

    Raises
    ------
    InputError
        No such map, values that are not whole numbers, negative labels, or no label at all.
    GeometryError
        Not on fsLR-32k.
    """
    path = Path(path)
    image = open_matrix(path, "CIFTI-2 label (.dlabel.nii)")
    first, second = image.first, image.second
    kind = type(first).__name__
    if kind not in ("LabelAxis", "ScalarAxis", "SeriesAxis") or type(second).__name__ != "BrainModelAxis":
        raise InputError(f"expected labels (dlabel), found {describe_axes(first, second)}", where=path)
    if kind == "SeriesAxis" and len(first) != 1:
        raise InputError("expected labels (dlabel), found a series of many frames", where=path)
    grayordinates, order = read_axis(second, where=path)
    position = _map_position(first, map_name, path)
    numbers = values(image, path, "CIFTI-2")[position]
    label = _whole_numbers(numbers if order is None else numbers[order], path)
    table = first.label[position] if kind == "LabelAxis" else {}
    nameless = [key for key, (name, _) in table.items() if name.strip() in ("", "???")]
    label[np.isin(label, nameless)] = 0
    keys = np.unique(label[label > 0]).tolist()
    if not keys:
        raise InputError("the map holds no label", where=path)
    names = {key: str(table[key][0]) if key in table else f"label {key}" for key in keys}
    colours = {key: _rgb(table[key][1]) if key in table else _spread_colour(key) for key in keys}
    return LabelMap(grayordinates, label, names, colours)


def read_axis(axis: Any, *, where: str | Path | None = None) -> tuple[Grayordinates, IntArray | None]:
    """Turn a nibabel brain-model axis into `Grayordinates`.

    Returns
    -------
    Grayordinates
    (row,) int ndarray or None
        Order that brings the file's rows to left, right, voxels; None when they are so already.

    Raises
    ------
    GeometryError
        Cortex not on 32,492 vertices, a hemisphere missing, or a surface that is not cortex.
    """
    structures = np.asarray(axis.name).astype(str)
    on_surface = np.asarray(axis.surface_mask)
    for structure, n_vertices in axis.nvertices.items():
        if structure not in (_LEFT, _RIGHT):
            raise GeometryError(f"the file holds a surface that is not cortex ({structure})", where=where)
        require_fslr32k(int(n_vertices), where)
    parts = []
    for structure in (_LEFT, _RIGHT):
        rows = np.flatnonzero(on_surface & (structures == structure))
        if not rows.size:
            side = "left" if structure == _LEFT else "right"
            raise GeometryError(f"the file holds no {side} cortical surface", where=where)
        parts.append(rows[np.argsort(axis.vertex[rows], kind="stable")])
    voxel_rows = np.flatnonzero(~on_surface)
    voxels = None
    if voxel_rows.size:
        shape = axis.volume_shape
        voxels = Voxels(
            ijk=np.asarray(axis.voxel[voxel_rows]).astype(np.int64),
            structure=structures[voxel_rows],
            affine=np.asarray(axis.affine, dtype=np.float64),
            shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        )
    left, right = (np.asarray(axis.vertex[rows]).astype(np.int64) for rows in parts)
    for rows in (left, right):
        if (np.diff(rows) == 0).any():
            raise GeometryError("a vertex occurs twice in the brain-model axis", where=where)
    order = np.concatenate([*parts, voxel_rows])
    already = np.array_equal(order, np.arange(len(order)))
    return Grayordinates(left, right, FSLR32K_VERTICES, voxels), None if already else order


def open_matrix(path: Path, expected: str) -> Matrix:
    """Open a file and parse its axes; the data are read later, by `values`."""
    from nibabel import Nifti2Image

    # nibabel's own class for CIFTI takes the axes apart several times, which takes seconds, and does not know
    # compressed files.
    check_file(path)
    with reading(path, expected):
        image = Nifti2Image.from_filename(path, mmap=False) if Nifti2Image.path_maybe_image(path)[0] else None
        found = [] if image is None else [e for e in image.header.extensions if e.get_code() == CIFTI_EXTENSION]
        if image is None or not found:
            axes = None
        else:
            header = found[0].get_content()
            axes = [header.get_axis(i) for i in range(len(image.shape) - 4)]
    if image is None or axes is None:
        other = load(path, expected)
        kind = "a GIFTI file" if type(other).__name__ == "GiftiImage" else "an image of voxels"
        raise InputError(f"expected a {expected} file, found {kind}", where=path)
    shape = tuple(image.shape[4:])
    if len(axes) != 2:
        raise InputError(f"expected a CIFTI matrix of two dimensions, found {len(axes)}", where=path)
    if shape != tuple(map(len, axes)):
        raise InputError(f"the header describes a matrix of {tuple(map(len, axes))}, the data are {shape}", where=path)
    return Matrix(image.dataobj.reshape(shape), axes[0], axes[1])


def describe_axes(first: Any, second: Any) -> str:
    """Say in words which kind of CIFTI file two axes make."""
    words = {
        ("SeriesAxis", "BrainModelAxis"): "a dense series (dtseries)",
        ("ScalarAxis", "BrainModelAxis"): "dense maps (dscalar)",
        ("LabelAxis", "BrainModelAxis"): "dense labels (dlabel)",
        ("BrainModelAxis", "BrainModelAxis"): "a dense connectome (dconn)",
        ("SeriesAxis", "ParcelsAxis"): "a series of parcels (ptseries)",
        ("ScalarAxis", "ParcelsAxis"): "maps of parcels (pscalar)",
        ("LabelAxis", "ParcelsAxis"): "labels of parcels (plabel)",
        ("ParcelsAxis", "ParcelsAxis"): "a parcel connectome (pconn)",
    }
    names = (type(first).__name__, type(second).__name__)
    return words.get(names, f"axes {names[0]} and {names[1]}")


def require_fslr32k(n_vertices: int, where: str | Path | None) -> None:
    """Raise GeometryError for any other mesh."""
    if n_vertices == FSLR32K_VERTICES:
        return
    mesh = f" ({_OTHER_MESHES[n_vertices]})" if n_vertices in _OTHER_MESHES else ""
    fix = "resample it to fsLR-32k (91k): fMRIPrep --cifti-output 91k, or wb_command -cifti-resample"
    if n_vertices in (10_242, 40_962):
        fix = "give the left and the right surface series of fsaverage as two files instead, or resample to fsLR-32k"
    raise GeometryError(
        f"expected {FSLR32K_VERTICES:,} vertices per hemisphere (fsLR-32k), found {n_vertices:,}{mesh}",
        where=where,
        fix=fix,
    )


def header_tr(axis: Any, path: Path) -> float:
    """Repetition time in seconds of a series axis; SignalError where it states none."""
    if str(axis.unit).upper() != "SECOND":
        raise SignalError(
            f"the series axis counts in {axis.unit}, not in seconds", where=path, fix="give the repetition time: --tr"
        )
    # nibabel has applied the header's power of ten, so a step of 720 x 10^-3 is 0.72 here.
    step_s = float(axis.step)
    if 0 < step_s < _SHORTEST_TR_S:
        raise SignalError(
            f"the repetition time in the header is {step_s:g} s, too short to be true",
            where=path,
            fix="give it in seconds with --tr",
        )
    return step_s


def _map_position(axis: Any, map_name: str | None, path: Path) -> int:
    if map_name is None:
        return 0
    found = [] if type(axis).__name__ == "SeriesAxis" else [str(name) for name in axis.name]
    if map_name not in found:
        raise InputError(f"the file has no map {map_name!r} (it has {', '.join(found) or 'no names'})", where=path)
    return found.index(map_name)


def _whole_numbers(numbers: NDArray[Any], path: Path) -> IntArray:
    if not np.isfinite(numbers).all() or not np.array_equal(numbers, np.rint(numbers)):
        raise InputError(
            "expected labels (whole numbers), found other values", where=path, fix="give a dlabel, not a scalar map"
        )
    label = numbers.astype(np.int64)
    if label.min() < 0:
        raise InputError("labels must not be negative", where=path)
    return label


def _rgb(rgba: tuple[float, ...]) -> tuple[float, float, float]:
    return float(rgba[0]), float(rgba[1]), float(rgba[2])


def _spread_colour(key: int) -> tuple[float, float, float]:
    # Steps of the golden angle keep neighbouring keys apart in hue.
    import colorsys

    return colorsys.hsv_to_rgb(key * 0.381966 % 1, 0.65, 0.9)
