"""Images of voxels."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, InputError
from actionloop.files.opening import load, values
from actionloop.types import FloatArray, Image

# A quaternion rounds to a few µm at the corners of a head; farther than this, the two forms are two places.
_FORM_TOLERANCE_MM = 0.1


def read_image(path: str | Path, *, frame: str, keep_missing: bool = False) -> Image:
    """Read a three-dimensional NIfTI or .mgz image.

    Parameters
    ----------
    path : path
    frame : str
        Name of the frame that its affine leads to, e.g. 'sub-01 T1w'.
    keep_missing : bool
        Leave values that are not numbers as they are: in a map they are unknown.

    Returns
    -------
    Image
        Voxels as stored (not reoriented; not-a-number becomes 0 unless kept); affine to RAS mm, from the sform, else
        the qform.

    Raises
    ------
    InputError
        Missing, damaged, truncated, zero everywhere, or not an image.
    GeometryError
        Not three-dimensional, no usable affine, or a header that states no orientation.
    """
    path = Path(path)
    image = load(path, "NIfTI or .mgz image")
    kind = type(image).__name__
    if kind == "Cifti2Image" or getattr(image, "affine", None) is None or len(getattr(image, "shape", ())) < 3:
        raise InputError(f"expected an image of voxels (NIfTI or .mgz), found {kind}", where=path)
    data = values(image, path, "NIfTI or .mgz image")
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise GeometryError(f"expected one 3-D image, found shape {data.shape}", where=path, fix="give a single volume")
    if data.dtype.names is not None or np.iscomplexobj(data):
        raise InputError("expected a grey image, found colours or complex numbers", where=path)
    if np.issubdtype(data.dtype, np.floating) and not keep_missing:
        data = np.nan_to_num(data.astype(np.float32, copy=False), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    if not data.any():
        raise InputError("the image is zero everywhere", where=path)
    affine = np.asarray(image.affine, dtype=np.float64)
    codes, agree = _forms(image, path)
    return Image(
        data=data,
        affine=affine,
        frame=frame,
        source=str(path),
        header_sha256=header_sha256(data.shape, affine, codes, qform=_qform(image, codes)),
        form_codes=codes,
        forms_agree=agree,
        voxels_sha256=voxels_sha256(data),
    )


def header_sha256(
    shape: tuple[int, ...], affine: FloatArray, form_codes: tuple[int, int], *, qform: FloatArray | None = None
) -> str:
    """Return the hash of where an image lies: shape, sform and qform (to 1e-4) and their codes, nothing else.

    Two files with the same grid in the same place have the same hash, whatever their voxels, names or compression.

    Parameters
    ----------
    shape : (int, int, int)
    affine : (4, 4) float ndarray
        In use: the sform, else the qform.
    form_codes : (int, int)
        Of qform and sform.
    qform : (4, 4) float ndarray, optional
        Where both forms are set.
    """
    forms = [affine] if qform is None else [affine, qform]
    # Adding zero turns -0.0 into 0.0, which prints alike everywhere.
    grids = [[[f"{value:.4f}" for value in row] for row in np.round(form, 4) + 0.0] for form in forms]
    known = {"codes": list(form_codes), "forms": grids, "shape": [int(n) for n in shape]}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def voxels_sha256(data: NDArray[Any]) -> str:
    """Return the hash of an image's values as float32, slice by slice: storage, compression and scaling do not matter.

    Parameters
    ----------
    data : (i, j, k) ndarray
    """
    found = hashlib.sha256()
    for plane in np.moveaxis(data, -1, 0):
        # Adding zero turns -0.0 into 0.0.
        found.update((np.ascontiguousarray(plane, dtype="<f4") + np.float32(0)).tobytes())
    return found.hexdigest()


def _qform(image: Any, codes: tuple[int, int]) -> FloatArray | None:
    """Return the qform where both forms are set: the other one is the affine."""
    return np.asarray(image.header.get_qform(), dtype=np.float64) if 0 not in codes else None


def _forms(image: Any, path: Path) -> tuple[tuple[int, int], bool]:
    header = image.header
    if not hasattr(header, "get_qform") or not hasattr(header, "get_sform"):
        return (0, 0), True
    codes = (int(header["qform_code"]), int(header["sform_code"]))
    if codes == (0, 0):
        raise GeometryError(
            "the image header states no orientation (qform and sform codes are 0), so left and right are unknown",
            where=path,
            fix="convert it again from DICOM; do not guess",
        )
    if 0 in codes:
        return codes, True
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    corners[:, :3] *= np.array(image.shape[:3]) - 1
    apart = corners @ (header.get_qform() - header.get_sform()).T
    return codes, bool(np.linalg.norm(apart[:, :3], axis=1).max() < _FORM_TOLERANCE_MM)
