"""One person's own T1 as a series of DICOM slices."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, InputError
from actionloop.files.opening import reading
from actionloop.files.provenance import file_sha256
from actionloop.files.volumes import header_sha256, voxels_sha256
from actionloop.navigation import LPS_TO_RAS
from actionloop.types import FloatArray, Image


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """A volume of DICOM slices.

    Attributes
    ----------
    slices : tuple of pydicom Dataset
        In the order of their places, along the normal of the slices.
    image : Image
        Voxels (column, row, slice), rescaled; affine to RAS mm.
    source : str
        Folder.
    """

    slices: tuple[Any, ...]
    image: Image
    source: str


def require_dicom(where: str | Path | None = None) -> tuple[Any, Any]:
    """Import pydicom and highdicom.

    Raises
    ------
    InputError
        One of them is not installed.
    """
    try:
        import highdicom
        import pydicom
    except ImportError as error:
        raise InputError(
            "DICOM needs the extra 'dicom' (pydicom, highdicom)", where=where, fix="pip install 'actionloop[dicom]'"
        ) from error
    return pydicom, highdicom


def read_dicom_series(folder: str | Path, *, frame: str, series_uid: str | None = None) -> DicomSeries:
    """Read a folder of DICOM slices as one volume.

    Parameters
    ----------
    folder : path
        Files of other kinds, and a DICOMDIR, are passed over. Subfolders are not read.
    frame : str
        Name of the frame that its affine leads to, e.g. 'sub-01 T1w DICOM'.
    series_uid : str, optional
        Which series, where the folder holds several.

    Returns
    -------
    DicomSeries

    Raises
    ------
    InputError
        No such folder or no DICOM in it, several series, compressed pixels, enhanced or mosaic files, missing tags,
        truncated pixels, or the extra 'dicom' is not installed.
    GeometryError
        Slices that differ in orientation or size, are missing, lie twice in one place, or drift sideways.
    """
    folder = Path(folder)
    require_dicom(folder)
    found = _datasets(folder)
    series = Counter(str(one.get("SeriesInstanceUID", "")) for one in found)
    if series_uid is not None:
        found = [one for one in found if str(one.get("SeriesInstanceUID", "")) == series_uid]
    if not found or len({str(one.get("SeriesInstanceUID", "")) for one in found}) > 1:
        listed = "; ".join(f"{uid or 'no UID'} ({count} files)" for uid, count in series.most_common(5))
        raise InputError(
            f"expected one series, found {len(series)}: {listed}",
            where=folder,
            fix="keep the T1 series alone in a folder, or say its series UID",
        )
    _require_plain(found, folder)
    _require_same(found, folder)
    slices, affine = _stack(found, folder)
    planes = [_plane(one, folder) for one in slices]
    data = np.stack(planes, axis=-1).transpose(1, 0, 2)
    if not data.any():
        raise InputError("the image is zero everywhere", where=folder)
    codes = (1, 1)
    sha256 = header_sha256(data.shape, affine, codes)
    data = np.ascontiguousarray(data)
    image = Image(data, affine, frame, str(folder), sha256, codes, voxels_sha256=voxels_sha256(data))
    return DicomSeries(tuple(slices), image, str(folder))


def series_sha256(folder: str | Path) -> str:
    """Hash what the files of a folder hold; their names, which may be a person's, do not count.

    Raises
    ------
    InputError
        No such folder, or a file that cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("expected a folder of DICOM files", where=folder, fix="give the folder of the T1 series")
    each = sorted(file_sha256(path) for path in folder.iterdir() if path.is_file())
    return hashlib.sha256("".join(each).encode()).hexdigest()


def _datasets(folder: Path) -> list[Any]:
    import pydicom
    from pydicom.errors import InvalidDicomError

    limits = facts.load("dicom")["limits"]
    if not folder.is_dir():
        raise InputError("expected a folder of DICOM files", where=folder)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name.upper() != "DICOMDIR")
    if len(paths) > limits["files"]:
        raise InputError(f"the folder holds {len(paths):,} files, at most {limits['files']:,} are read", where=folder)
    found = []
    for path in paths:
        if path.stat().st_size > limits["file_bytes"]:
            raise InputError(f"the file has {path.stat().st_size:,} bytes: no single slice", where=path)
        with reading(path, "DICOM"):
            try:
                dataset = pydicom.dcmread(path)
            except InvalidDicomError:
                continue
            # Elements are decoded when they are first used; here is where an error can still name the file.
            dataset.walk(lambda *_: None)
        found.append(dataset)
    if not found:
        raise InputError("the folder holds no DICOM file", where=folder, fix="give the folder of the T1's slices")
    return found


def _require_plain(found: Sequence[Any], folder: Path) -> None:
    """Refuse what is no plain series of single MR slices, all missing tags named at once."""
    known = facts.load("dicom")
    first = found[0]
    where = getattr(first, "filename", None) or folder
    classes = {str(one.get("SOPClassUID", "")) for one in found}
    if known["enhanced_mr_image"] in classes or any(int(one.get("NumberOfFrames") or 1) > 1 for one in found):
        raise InputError(
            "the series is an enhanced (multi-frame) one, which is not read",
            where=where,
            fix="export it from the scanner or the archive as single slices (MR Image Storage)",
        )
    if classes != {known["mr_image"]} or any("MOSAIC" in one.get("ImageType", []) for one in found):
        raise InputError(
            f"expected MR slices, found {first.get('Modality', 'no modality')} of SOP class {', '.join(classes)}"
            f" and image type {'/'.join(first.get('ImageType', []))}",
            where=where,
            fix="give the T1 series as the scanner wrote it",
        )
    syntaxes = {str(getattr(one.file_meta, "TransferSyntaxUID", "none")) for one in found}
    if not syntaxes <= set(known["transfer_syntaxes"]):
        raise InputError(
            f"the pixels are compressed or stored in another order (transfer syntax {', '.join(sorted(syntaxes))})",
            where=where,
            fix="decompress the series first (for example gdcmconv --raw, or dcmdjpeg), into another folder",
        )
    missing = {name for one in found for name in known["required"] if one.get(name) in (None, "")}
    if missing:
        raise InputError(
            f"slices lack the tags {', '.join(sorted(missing))}",
            where=where,
            fix="a de-identified series must keep its geometry and its UIDs; export it again",
        )
    if any(one.SamplesPerPixel != 1 or one.BitsAllocated not in (8, 16) for one in found) or {
        one.PhotometricInterpretation for one in found
    } != {"MONOCHROME2"}:
        raise InputError("expected grey slices of 8 or 16 bits (MONOCHROME2)", where=where)


def _require_same(found: Sequence[Any], folder: Path) -> None:
    for name in facts.load("dicom")["same"]:
        values = {str(one.get(name, "")) for one in found}
        if len(values) > 1:
            # Values of identity do not belong into a message.
            shown = "" if name == "PatientID" else f" ({', '.join(sorted(values)[:3])})"
            raise GeometryError(
                f"the slices differ in {name}{shown}", where=folder, fix="give the slices of one volume alone"
            )
    turns = np.array([[float(v) for v in one.ImageOrientationPatient] for one in found])
    if np.ptp(turns, axis=0).max() > facts.load("dicom")["limits"]["orthogonal"]:
        raise GeometryError(
            "the slices differ in orientation", where=folder, fix="a localiser or another series lies in the folder"
        )


def _stack(found: Sequence[Any], folder: Path) -> tuple[list[Any], FloatArray]:
    """Sort slices along their normal; return them and the (4, 4) affine from (column, row, slice) to RAS mm."""
    limits = facts.load("dicom")["limits"]
    if len(found) < limits["slices_at_least"]:
        raise InputError(f"a volume needs {limits['slices_at_least']} slices, found {len(found)}", where=folder)
    turn = np.array([float(v) for v in found[0].ImageOrientationPatient])
    along_row, along_column = turn[:3], turn[3:]
    off = np.abs([along_row @ along_row - 1, along_column @ along_column - 1, along_row @ along_column]).max()
    down_mm, across_mm = (float(v) for v in found[0].PixelSpacing)
    if not off <= limits["orthogonal"] or not (down_mm > 0 and across_mm > 0):
        raise GeometryError("the slices' axes are not perpendicular unit vectors, or have no spacing", where=folder)
    normal = np.cross(along_row, along_column)
    places = np.array([[float(v) for v in one.ImagePositionPatient] for one in found])
    order = np.argsort(places @ normal, kind="stable")
    places = places[order]
    steps = np.diff(places @ normal)
    step = float(np.median(steps))
    if (steps < 1e-3).any():
        raise GeometryError(
            f"{int((steps < 1e-3).sum())} slices lie in the place of another one",
            where=folder,
            fix="several echoes, repetitions or copies lie in the folder; give one volume",
        )
    if (np.abs(steps - step) > limits["spacing"] * step).any():
        worst = int(np.abs(steps - step).argmax())
        raise GeometryError(
            f"the slices are {step:.3f} mm apart, but {steps[worst]:.3f} mm after slice {worst + 1} of {len(found)}: "
            "slices are missing or belong to another series",
            where=folder,
            fix="copy the series again, completely",
        )
    sideways = (places - places[0]) - np.outer((places - places[0]) @ normal, normal)
    if np.abs(sideways).max() > limits["sideways_mm"]:
        raise GeometryError("the slices drift sideways: a sheared volume is not navigated on", where=folder)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along_row * across_mm, along_column * down_mm
    affine[:3, 2] = (places[-1] - places[0]) / (len(found) - 1)
    affine[:3, 3] = places[0]
    # DICOM's patient axes are LPS.
    return [found[i] for i in order], LPS_TO_RAS @ affine


def stored_plane(dataset: Any) -> Any:
    """Return one slice's stored values, (row, column), as a new array."""
    kind = f"<{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}"
    size = dataset.Rows * dataset.Columns
    return np.frombuffer(dataset.PixelData, kind, count=size).reshape(dataset.Rows, dataset.Columns).copy()


def _plane(dataset: Any, folder: Path) -> FloatArray:
    expected = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    if len(dataset.PixelData) not in (expected, expected + expected % 2):
        raise InputError(
            f"a slice holds {len(dataset.PixelData):,} bytes of pixels, expected {expected:,}: it is truncated",
            where=getattr(dataset, "filename", None) or folder,
            fix="copy the series again, completely",
        )
    slope, intercept = rescaling(dataset)
    return np.asarray(stored_plane(dataset) * slope + intercept, dtype=np.float32)


def rescaling(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept from stored values to the slice's own."""
    slope = float(dataset.get("RescaleSlope", None) or 1)
    return slope, float(dataset.get("RescaleIntercept", None) or 0)
