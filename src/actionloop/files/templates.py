"""What the fetched resources hold, as our own types: template anatomy, atlases, spheres, the demonstration scan."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.errors import ResourceError
from actionloop.files.cifti import read_cifti_scalar
from actionloop.files.opening import reading
from actionloop.files.resources import resource
from actionloop.files.surfaces import read_surface, read_surface_series
from actionloop.files.volumes import read_image
from actionloop.types import (
    FSLR32K_VERTICES,
    HEMISPHERES,
    Anatomy,
    FloatArray,
    Grayordinates,
    Hemisphere,
    Image,
    IntArray,
    Surface,
    SurfaceKind,
    Voxels,
)

MNI_FRAME = "MNI152NLin6Asym"
_SPHERE_SIZES = {5: 10_242, 6: 40_962, 7: 163_842}
_ATLASES = ("mmp", "yeo7", "yeo17")
_SCHAEFER_SIZES = (100, 200, 300, 400)


class Lemon(NamedTuple):
    """The demonstration scan; `left` and `right` are (frame, vertex) float32 on fsaverage5."""

    left: FloatArray
    right: FloatArray
    confounds: FloatArray
    names: tuple[str, ...]
    tr_s: float


@cache
def template_anatomy() -> Anatomy:
    """Return the HCP S1200 average surfaces (white, pial, midthickness, inflated, sphere) and sulcal depth.

    Read once and shared: its arrays cannot be written to.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    kinds: tuple[SurfaceKind, ...] = ("white", "pial", "midthickness", "inflated", "sphere")
    surfaces = {
        (hemisphere, kind): read_surface(
            resource(f"s1200_{kind}_{hemisphere}"), hemisphere=hemisphere, kind=kind, frame=MNI_FRAME
        )
        for hemisphere in HEMISPHERES
        for kind in kinds
    }
    maps = read_cifti_scalar(resource("s1200_sulc"))
    sulc = {
        hemisphere: maps.grayordinates.to_mesh(maps.data[0], hemisphere).astype(np.float64)
        for hemisphere in HEMISPHERES
    }
    for array in (*(array for one in surfaces.values() for array in (one.vertices, one.faces)), *sulc.values()):
        array.setflags(write=False)
    return Anatomy(surfaces, sulc, MNI_FRAME, own=False, description=f"template anatomy (S1200 average in {MNI_FRAME})")


def template_image() -> Image:
    """Return the MNI152NLin6Asym T1, 1 mm, with scalp.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    return read_image(resource("mni_t1"), frame=MNI_FRAME)


@cache
def template_grayordinates() -> Grayordinates:
    """Return the standard cortical rows: 29,696 left, 29,716 right.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    arrays = _npz(resource("cortex_mask"))
    return Grayordinates(arrays["grayl"].astype(np.int64), arrays["grayr"].astype(np.int64))


@cache
def standard_grayordinates_91k() -> Grayordinates:
    """Return the standard 91,282 rows: cortex and 31,870 voxels of MNI 2 mm.

    Raises
    ------
    ResourceError
        The data have not been fetched (group 'phantom').
    """
    path = resource("grayordinates_91k")
    grayordinates = _cifti1_axis(path)
    if len(grayordinates) != 91_282 or not grayordinates.same_cortex(template_grayordinates()):
        raise ResourceError("the standard axis is not the expected one", where=path, fix="run: actionloop data fetch")
    return grayordinates


def atlas(name: str) -> tuple[IntArray, dict[int, str]]:
    """Return an atlas on the 59,412 standard cortical rows.

    Parameters
    ----------
    name : {'mmp', 'yeo7', 'yeo17'}

    Returns
    -------
    (59412,) int64 ndarray
        0 is unlabelled.
    dict of int to str
        Area or network names of the keys in use, e.g. 'L_V1', 'network_7'.

    Raises
    ------
    ResourceError
        No such atlas, or the data have not been fetched.
    """
    if name not in _ATLASES:
        raise ResourceError(f"no atlas is called {name!r}", fix=f"choose from {', '.join(_ATLASES)}")
    arrays = _npz(resource(name))
    label = arrays["map_all"][: len(template_grayordinates())].astype(np.int64)
    used = set(np.unique(label[label > 0]).tolist())
    names = zip(arrays["ids"].tolist(), arrays["labels"].tolist(), strict=True)
    return label, {int(key): str(text) for key, text in names if key in used}


def schaefer_fc(n_parcels: int = 400) -> tuple[FloatArray, IntArray]:
    """Return the HCP group connectivity between Schaefer parcels, and the parcel of each cortical row.

    Parameters
    ----------
    n_parcels : {100, 200, 300, 400}

    Returns
    -------
    (parcel, parcel) float64 ndarray
        Pearson r, diagonal 1; parcel k of the labels is row k - 1.
    (59412,) int64 ndarray
        1 to n_parcels; 0 where the atlas, which has another medial wall, holds none.

    Raises
    ------
    ResourceError
        No such size, or the data have not been fetched.
    """
    if n_parcels not in _SCHAEFER_SIZES:
        raise ResourceError(f"no Schaefer atlas of {n_parcels} parcels", fix="choose 100, 200, 300 or 400")
    fc = _table(resource(f"schaefer{n_parcels}_fc"), ",")
    mesh = _table(resource(f"schaefer{n_parcels}_labels"), ",").ravel().astype(np.int64)
    if fc.shape != (n_parcels, n_parcels) or len(mesh) != 2 * FSLR32K_VERTICES:
        raise ResourceError("the Schaefer files have unexpected shapes", fix="run: actionloop data fetch")
    label = template_grayordinates().from_mesh(mesh[:FSLR32K_VERTICES], mesh[FSLR32K_VERTICES:])
    return fc, label


@cache
def fsaverage_sphere(hemisphere: Hemisphere, *, level: int = 5, registered: bool = True) -> Surface:
    """Return the sphere of fsaverage5, 6 or 7.

    fsaverage5 and 6 are the first 10,242 and 40,962 vertices of the 164k mesh; their faces are triangulated on the
    undeformed sphere, so that they are the mesh's own.

    Parameters
    ----------
    hemisphere : {'L', 'R'}
    level : {5, 6, 7}
    registered : bool
        True: vertices where they lie on the fsLR sphere; goes with `s1200_sphere_*`, and with no other fsLR sphere.
        False: the undeformed fsaverage sphere.

    Raises
    ------
    ResourceError
        No such level, or the data have not been fetched.
    """
    from actionloop.brain import sphere_triangles

    if level not in _SPHERE_SIZES:
        raise ResourceError(f"no fsaverage mesh of level {level}", fix="choose 5, 6 or 7")
    n = _SPHERE_SIZES[level]
    plain, deformed = (
        read_surface(resource(f"{name}_{hemisphere}"), hemisphere=hemisphere, kind="sphere", frame=frame)
        for name, frame in (("fsaverage_sphere", "fsaverage sphere"), ("fsaverage_to_fslr_sphere", "fsLR sphere"))
    )
    faces = plain.faces if level == 7 else sphere_triangles(plain.vertices[:n])
    chosen = deformed if registered else plain
    return Surface(chosen.vertices[:n], faces, hemisphere, "sphere", chosen.frame, source=chosen.source)


def fsaverage_pial(hemisphere: Hemisphere) -> Surface:
    """Return the fsaverage5 pial surface (MNI305 space), for areas and pictures.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    path = resource(f"fsaverage5_pial_{hemisphere}")
    return read_surface(path, hemisphere=hemisphere, kind="pial", frame="MNI305")


def read_lemon() -> Lemon:
    """Return the demonstration scan: LEMON sub-010188 on fsaverage5, with its confounds and true repetition time.

    Returns
    -------
    Lemon
        left, right (652, 10242) float32; confounds (652, 29) float64; their names; tr_s = 1.4.

    Raises
    ------
    ResourceError
        The data have not been fetched.
    """
    scan = facts.load("lemon")
    tr_s = float(scan["tr_s"])
    data, _ = read_surface_series(resource("lemon_series_L"), resource("lemon_series_R"), tr_s=tr_s)
    confounds = _table(resource("lemon_confounds"), None)
    names = tuple(str(name) for name in scan["confounds"])
    if confounds.shape != (len(data["L"]), len(names)):
        raise ResourceError("the confounds do not fit the series", fix="run: actionloop data fetch")
    return Lemon(data["L"], data["R"], confounds, names, tr_s)


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path, "NumPy (.npz)"), np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _table(path: Path, delimiter: str | None) -> FloatArray:
    with reading(path, "table of numbers"):
        return np.loadtxt(path, delimiter=delimiter, ndmin=2)


def _cifti1_axis(path: Path) -> Grayordinates:
    # The one file of ours in CIFTI-1, which nibabel refuses. Its header is XML between the NIfTI header and the data.
    from xml.etree import ElementTree

    with reading(path, "CIFTI-1"):
        raw = path.read_bytes()
        text = raw[raw.index(b"<CIFTI") : raw.index(b"</CIFTI>") + len(b"</CIFTI>")]
        root = ElementTree.fromstring(text)  # noqa: S314 (the file's hash is known)
        surfaces: dict[str, IntArray] = {}
        ijk, structures = [], []
        for model in root.iter("BrainModel"):
            structure = model.attrib["BrainStructure"]
            numbers = np.array((model[0].text or "").split(), dtype=np.int64)
            if model.attrib["ModelType"] == "CIFTI_MODEL_TYPE_SURFACE":
                surfaces[structure] = numbers
            else:
                ijk.append(numbers.reshape(-1, 3))
                structures += [structure] * len(ijk[-1])
        volume = next(root.iter("Volume"))
        shape = [int(size) for size in volume.attrib["VolumeDimensions"].split(",")]
        affine = np.array((volume[0].text or "").split(), dtype=np.float64).reshape(4, 4)
        affine[3] = 0, 0, 0, 1  # the file writes zeros
        voxels = Voxels(np.concatenate(ijk), np.array(structures), affine, (shape[0], shape[1], shape[2]))
        left, right = (surfaces[f"CIFTI_STRUCTURE_CORTEX_{side}"] for side in ("LEFT", "RIGHT"))
    return Grayordinates(left, right, voxels=voxels)
