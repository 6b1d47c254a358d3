"""Surfaces, per-hemisphere series and per-vertex values: GIFTI and FreeSurfer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files.opening import check_file, check_side, load, reading, values
from actionloop.types import FSLR32K_VERTICES, FloatArray, Hemisphere, IntArray, Surface, SurfaceKind

MESH_NAMES = {10_242: "fsaverage5", 40_962: "fsaverage6", FSLR32K_VERTICES: "fsLR-32k"}

_POINTS, _TRIANGLES = 1008, 1009
_SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT
_SHAPES = {
    "anatomical": ("white", "pial", "midthickness"),
    "reconstruction": ("white", "pial", "midthickness"),
    "inflated": ("inflated",),
    "veryinflated": ("inflated",),
    "spherical": ("sphere",),
    "sphere": ("sphere",),
    "flat": (),
    "hull": (),
    "ellipsoid": (),
}


def read_surface(path: str | Path, *, hemisphere: Hemisphere, kind: SurfaceKind, frame: str) -> Surface:
    """Read a surface from GIFTI (.surf.gii) or a FreeSurfer binary (lh.white, rh.pial ...).

    FreeSurfer counts from the centre of its own volume. The offset to scanner RAS (c_ras) is added from a binary's
    volume geometry, and from the VolGeomC_R/A/S metadata of a GIFTI file unless its data are already in scanner
    space, were moved by ``wb_command -surface-apply-affine``, or the file has a transform to scanner space, which is
    used instead. A transform to Talairach or MNI space is never applied.

    Parameters
    ----------
    path : path
    hemisphere : {'L', 'R'}
    kind : str
        'white', 'pial', 'midthickness', 'inflated' or 'sphere'.
    frame : str
        Name of the frame that the coordinates lie in.

    Returns
    -------
    Surface
        Vertices in RAS mm.

    Raises
    ------
    InputError
        Missing, damaged, or not a surface.
    GeometryError
        The name, the metadata or the x coordinates state the other hemisphere, or the metadata another kind.
    """
    path = check_file(path)
    if path.name.endswith((".gii", ".gii.gz")):
        vertices, faces, structure, shape = _read_gifti_surface(path)
        if shape in _SHAPES and kind not in _SHAPES[shape]:
            raise GeometryError(
                f"a surface of geometric type {shape!r} was given as {kind}", where=path, fix="check the file names"
            )
    else:
        vertices, faces = _read_freesurfer_surface(path)
        structure = ""
    check_side(path, hemisphere, structure)
    return Surface(vertices, faces, hemisphere, kind, frame, source=str(path))


def read_surface_series(
    left: str | Path, right: str | Path, *, tr_s: float
) -> tuple[dict[Hemisphere, FloatArray], str]:
    """Read one run stored per hemisphere (.func.gii, .mgz) on fsaverage5, fsaverage6 or fsLR-32k.

    Parameters
    ----------
    left, right : path
    tr_s : float
        Repetition time in seconds; such files often state it wrongly, so it must be given, and is checked here.

    Returns
    -------
    dict of hemisphere to (frame, vertex) float32 ndarray
    str
        'fsaverage5', 'fsaverage6' or 'fsLR-32k'.

    Raises
    ------
    InputError
        Missing or damaged.
    GeometryError
        Hemispheres exchanged, on different meshes, or on a mesh that is not known.
    SignalError
        Different numbers of frames, NaN, a hemisphere zero everywhere, no usable repetition time.
    """
    _check_tr(tr_s, left)
    if Path(left).resolve() == Path(right).resolve():
        raise GeometryError("the same file was given for both hemispheres", where=left)
    sides: tuple[tuple[Hemisphere, str | Path], ...] = (("L", left), ("R", right))
    data = {hemisphere: _read_hemisphere(Path(path), hemisphere) for hemisphere, path in sides}
    if data["L"].shape[1] != data["R"].shape[1]:
        raise GeometryError(
            f"left has {data['L'].shape[1]:,} vertices, right {data['R'].shape[1]:,}: not one mesh", where=right
        )
    if len(data["L"]) != len(data["R"]):
        raise SignalError(
            f"left has {len(data['L'])} frames, right {len(data['R'])}",
            where=right,
            fix="give both hemispheres of the same run",
        )
    return data, MESH_NAMES[data["L"].shape[1]]


def read_mesh_scalar(path: str | Path, *, hemisphere: Hemisphere | None = None) -> FloatArray:
    """Read one value per vertex: GIFTI (.shape.gii, .func.gii), .mgz, or a FreeSurfer morphometry file (lh.sulc).

    Parameters
    ----------
    path : path
    hemisphere : {'L', 'R'}, optional
        Refuse a file that states the other one.

    Returns
    -------
    (vertex,) float64 ndarray
        As stored; FreeSurfer's sulc is positive in the sulci, HCP's on the crowns.

    Raises
    ------
    InputError
        Missing, damaged, more than one map, or NaN.
    GeometryError
        The other hemisphere.
    """
    path = check_file(path)
    structure = ""
    if path.name.endswith((".gii", ".gii.gz")):
        rows, structure = _gifti_rows(path)
    elif path.suffix in (".mgz", ".mgh"):
        rows = _freesurfer_rows(path)
    else:
        rows = _read_morph(path)[np.newaxis]
    if len(rows) != 1:
        raise InputError(f"expected one value per vertex, found {len(rows)} maps", where=path)
    if not np.isfinite(rows).all():
        raise InputError("the values hold NaN or infinite numbers", where=path)
    if hemisphere is not None:
        check_side(path, hemisphere, structure)
    values_per_vertex: FloatArray = rows[0].astype(np.float64)
    return values_per_vertex


def _read_hemisphere(path: Path, hemisphere: Hemisphere) -> FloatArray:
    path = check_file(path)
    structure = ""
    if path.name.endswith((".gii", ".gii.gz")):
        data, structure = _gifti_rows(path)
    elif path.suffix in (".mgz", ".mgh"):
        data = _freesurfer_rows(path)
    else:
        raise InputError("expected a surface series (.func.gii or .mgz)", where=path)
    check_side(path, hemisphere, structure)
    if data.shape[1] not in MESH_NAMES:
        known = ", ".join(f"{name} {n:,}" for n, name in MESH_NAMES.items())
        raise GeometryError(
            f"{data.shape[1]:,} vertices per hemisphere belong to no known mesh ({known})",
            where=path,
            fix="resample to fsaverage5, fsaverage6 or fsLR-32k",
        )
    if not np.isfinite(data).all():
        raise SignalError("the series holds NaN or infinite values", where=path)
    if not data.any():
        raise SignalError("the series is zero everywhere", where=path, fix="check the file; it holds no signal")
    return data


def _check_tr(tr_s: float, where: str | Path) -> None:
    if not tr_s > 0:
        raise SignalError("the repetition time (TR) is missing", where=where, fix="give it in seconds with --tr")
    if tr_s > 20:
        raise SignalError(
            f"the repetition time is {tr_s:g} s, which looks like milliseconds",
            where=where,
            fix=f"give it in seconds: --tr {tr_s / 1000:g}",
        )


def _gifti_rows(path: Path) -> tuple[FloatArray, str]:
    """Return (map, vertex) float32 and the structure; one array per frame, or one array (vertex, frame)."""
    image = load(path, "GIFTI")
    if type(image).__name__ != "GiftiImage" or not image.darrays:
        raise InputError("expected a GIFTI file with data", where=path)
    arrays = [array.data for array in image.darrays]
    if any(array is None or array.dtype.names or array.ndim > 2 for array in arrays):
        raise InputError("expected values per vertex in the GIFTI file", where=path)
    if any(int(array.intent) in (_POINTS, _TRIANGLES) for array in image.darrays):
        raise InputError("expected values per vertex, found a surface", where=path)
    rows: list[NDArray[Any]] = [array.T if array.ndim == 2 else array[np.newaxis] for array in arrays]
    if len({row.shape[1] for row in rows}) != 1:
        raise InputError("the maps in the file have different numbers of vertices", where=path)
    return np.concatenate(rows).astype(np.float32, copy=False), _structure(image)


def _freesurfer_rows(path: Path) -> FloatArray:
    image = load(path, "FreeSurfer .mgz")
    if type(image).__name__ != "MGHImage":
        raise InputError("expected a FreeSurfer .mgz file", where=path)
    data = values(image, path, "FreeSurfer .mgz", dtype=np.float32)
    n_frames = data.shape[3] if data.ndim == 4 else 1
    if max(data.shape[:3]) != int(np.prod(data.shape[:3])):
        raise InputError(f"expected values per vertex, found a volume of shape {data.shape}", where=path)
    return np.ascontiguousarray(data.reshape(-1, n_frames).T)


def _read_morph(path: Path) -> FloatArray:
    import nibabel.freesurfer

    with reading(path, "FreeSurfer morphometry"), path.open("rb") as stream:
        if stream.read(3) != b"\xff\xff\xff":
            raise InputError("expected a GIFTI, .mgz or FreeSurfer morphometry file", where=path)
        expected = int.from_bytes(stream.read(4), "big")
        data: FloatArray = np.asarray(nibabel.freesurfer.read_morph_data(str(path)), dtype=np.float64)
        if len(data) != expected:
            raise InputError("the file ends too early (truncated)", where=path)
        return data


def _read_gifti_surface(path: Path) -> tuple[FloatArray, IntArray, str, str]:
    image = load(path, "GIFTI surface (.surf.gii)")
    arrays = {int(array.intent): array for array in getattr(image, "darrays", [])}
    if _POINTS not in arrays or _TRIANGLES not in arrays:
        raise InputError(
            "expected a surface (points and triangles)", where=path, fix="give the .surf.gii, not a .shape.gii"
        )
    points = arrays[_POINTS]
    if points.data is None or arrays[_TRIANGLES].data is None or points.data.ndim != 2 or points.data.shape[1] != 3:
        raise InputError("the surface's arrays are empty or damaged", where=path)
    vertices = np.asarray(points.data, dtype=np.float64)
    faces = np.asarray(arrays[_TRIANGLES].data).astype(np.int64)
    shape = str(points.meta.get("GeometricType", "")).replace("_", "").lower()
    return _to_scanner(vertices, image, points), faces, _structure(image), shape


def _to_scanner(vertices: FloatArray, image: Any, points: Any) -> FloatArray:
    system = points.coordsys
    if system is not None and int(system.dataspace) == _SCANNER:
        return vertices
    if system is not None and int(system.xformspace) == _SCANNER and not np.allclose(system.xform, np.eye(4)):
        xform = np.asarray(system.xform, dtype=np.float64)
        moved: FloatArray = vertices @ xform[:3, :3].T + xform[:3, 3]
        return moved
    notes = {**dict(image.meta), **dict(points.meta)}
    history = notes.get("Provenance", "") + notes.get("ParentProvenance", "")
    if "-surface-apply-affine" in history:
        return vertices
    try:
        offset = [float(notes.get(f"VolGeomC_{axis}", 0)) for axis in "RAS"]
    except ValueError:
        return vertices
    shifted: FloatArray = vertices + np.array(offset)
    return shifted


def _structure(image: Any) -> str:
    for notes in (image.meta, *(array.meta for array in image.darrays)):
        if "AnatomicalStructurePrimary" in notes:
            return str(notes["AnatomicalStructurePrimary"])
    return ""


def _read_freesurfer_surface(path: Path) -> tuple[FloatArray, IntArray]:
    import nibabel.freesurfer

    with reading(path, "FreeSurfer surface"):
        vertices, faces, notes = nibabel.freesurfer.read_geometry(str(path), read_metadata=True)
        if len(vertices) == 0 or len(faces) == 0:
            raise InputError("the surface is empty", where=path)
    # Without a valid volume geometry (or with real-RAS coordinates) nibabel gives none, and nothing is added.
    valid = str(notes.get("valid", "")).startswith("1") and "cras" in notes
    offset = np.asarray(notes["cras"], dtype=np.float64) if valid else np.zeros(3)
    return np.asarray(vertices, dtype=np.float64) + offset, np.asarray(faces).astype(np.int64)
