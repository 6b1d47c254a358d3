"""Targets and maps for surgical planning systems: a derived DICOM series with targets burned in, and DICOM SEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import actionloop
from actionloop import facts
from actionloop.errors import EmptyRegionError, GeometryError, InputError
from actionloop.files.atomic import atomic_folder, atomic_path, require_empty
from actionloop.files.dicomseries import DicomSeries, require_dicom, stored_plane
from actionloop.files.marks import Mark, bright_and_dark, burned, draw_banner, said_of, sides_of
from actionloop.files.overlays import ascii_text, sphere_mask
from actionloop.files.sameplace import require_same_place
from actionloop.navigation import side_of
from actionloop.types import BoolArray, Image

_SHORT, _LONG = 64, 10_000  # characters of LO, and fewer than LT takes
_SERIES_NUMBERS = 9000  # added to the source's, so that ours follow it in a list


def write_target_series(folder: str | Path, series: DicomSeries, marks: Sequence[Mark], *, image: Image) -> list[Path]:
    """Write the person's T1 series again with targets and a research-use banner in its pixels.

    Patient and study are the source's, element by element, from a list (data/dicom.toml): nothing is added, no
    private element is taken, and what marks a de-identified source is kept. Series and instances get new UIDs; the
    frame of reference stays, so that the series lies over its source.

    Parameters
    ----------
    folder : path
        New or empty; it appears whole or not at all.
    series : DicomSeries
    marks : sequence of Mark
    image : Image
        T1 that the marks were found on; it must show the head in the series' place (`require_same_place`).

    Returns
    -------
    list of Path
        One file per slice, first to last along the normal.

    Raises
    ------
    GeometryError
        Another place, a target outside the series, a label that contradicts its place, or a target under the banner.
    EmptyRegionError
        No mark.
    InputError
        Slices too small for a legible banner, or the extra 'dicom' is not installed.
    OutputError
        The folder is not empty.
    """
    pydicom, _ = require_dicom()
    folder = Path(folder)
    require_empty(folder)
    sides = sides_of(marks, image)
    require_same_place(series, image)
    inside, around = burned(series.image, marks)
    banner, rows = draw_banner(series.image, sides, inside)
    top = float(np.abs(series.image.data).max())
    uid, said = pydicom.uid.generate_uid(prefix=None), said_of(marks, image)
    written = []
    with atomic_folder(folder) as whole:
        for number, source in enumerate(series.slices):
            bright, dark = bright_and_dark(source, top)
            plane = stored_plane(source)
            plane[around[:, :, number].T] = dark
            plane[inside[:, :, number].T] = bright
            plane[rows] = np.where(banner, bright, dark)
            one = _derived(source, plane, number=number + 1, series_uid=uid)
            one.SeriesDescription = _line(f"RESEARCH USE ONLY target {' and '.join(sides)}", _SHORT)
            one.DerivationDescription = _line("; ".join(said), 1000)
            one.ImageComments = _line("; ".join([facts.notice(), *said]), _LONG)
            name = f"IM{number + 1:04d}.dcm"
            one.save_as(whole / name, enforce_file_format=True)
            written.append(folder / name)
    return written


def write_segmentation(
    path: str | Path,
    series: DicomSeries,
    *,
    image: Image,
    marks: Sequence[Mark] = (),
    networks: Mapping[str, BoolArray] | None = None,
) -> None:
    """Write networks and target spheres as DICOM SEG over the person's T1 series.

    Parameters
    ----------
    path : path
    series : DicomSeries
        Referred to by every frame.
    image : Image
        T1 that marks were found on; it must show the head in the series' place.
    marks : sequence of Mark
        Spheres, whatever their `shape`.
    networks : mapping of str to (column, row, slice) bool ndarray
        Masks in the series' grid (`series.image`), e.g. of a probability above a threshold that the name says.

    Raises
    ------
    GeometryError
        As `write_target_series`, or a mask of another shape.
    EmptyRegionError
        Nothing to write, or an empty mask.
    InputError
        highdicom refuses the series, or the extra 'dicom' is not installed.

    Notes
    -----
    The standard asks for the date of making (ContentDate), which is today's: the only date that the source lacks.
    """
    _, highdicom = require_dicom(path)
    sides = sides_of(marks, image) if marks else []
    require_same_place(series, image)
    masks, kinds = dict(networks or {}), ["network"] * len(networks or {})
    for mark in marks:
        label = f"{mark.label} ({side_of(mark.label, mark.xyz_ras, image)})"
        masks[label] = sphere_mask(series.image, mark.xyz_ras, radius_mm=mark.radius_mm)
        kinds.append("target")
    _require_masks(masks, series, count=len(kinds))
    described = " ".join(["RESEARCH USE ONLY", "target" if marks else "networks", *sides])
    pixels = np.stack([mask.transpose(2, 1, 0) for mask in masks.values()], axis=-1).astype(np.uint8)
    try:
        segmentation = highdicom.seg.Segmentation(
            source_images=[_without_pixels(one) for one in series.slices],
            pixel_array=pixels,
            segmentation_type="BINARY",
            segment_descriptions=[
                _segment(number + 1, label, kind) for number, (label, kind) in enumerate(zip(masks, kinds, strict=True))
            ],
            series_instance_uid=highdicom.UID(),
            series_number=int(series.slices[0].get("SeriesNumber") or 0) + _SERIES_NUMBERS + 1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="actionloop",
            manufacturer_model_name="actionloop",
            software_versions=actionloop.__version__,
            device_serial_number="none",
            content_label="RESEARCH",
            content_description=_line(described, _SHORT),
            series_description=_line(described, _SHORT),
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(
            f"highdicom refuses the series ({type(error).__name__}: {str(error)[:120]})", where=series.source
        ) from error
    for name in facts.load("dicom")["copied_to_segmentation"]:
        if name in series.slices[0]:
            segmentation.add(deepcopy(series.slices[0][name]))
    segmentation.ImageComments = _line("; ".join([facts.notice(), *said_of(marks, image)]), _LONG)
    with atomic_path(path) as temporary:
        segmentation.save_as(temporary)


def _without_pixels(source: Any) -> Any:
    """Copy a slice for highdicom, which reads its header alone and wants elements that may be empty to be there."""
    import pydicom

    one = pydicom.Dataset()
    one.file_meta = source.file_meta
    for element in source:
        if element.keyword != "PixelData":
            one.add(element)
    for name in facts.load("dicom")["copied_or_empty"]:
        if name not in one:
            setattr(one, name, None)
    return one


def _segment(number: int, label: str, kind: str) -> Any:
    import highdicom
    from highdicom.sr import CodedConcept

    codes = facts.load("dicom")["codes"]
    value, meaning = codes[kind]
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=_line(label, _SHORT),
        segmented_property_category=CodedConcept(*codes[f"{kind}_category"]),
        segmented_property_type=CodedConcept(value, codes["scheme"], meaning),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="actionloop", version=actionloop.__version__, family=CodedConcept(*codes["family"])
        ),
    )


def _require_masks(masks: Mapping[str, BoolArray], series: DicomSeries, *, count: int) -> None:
    if not masks:
        raise EmptyRegionError("there is no network and no target to write")
    if len(masks) != count:
        raise GeometryError("a network and a target have one name")
    for label, mask in masks.items():
        if mask.shape != series.image.data.shape or mask.dtype != bool:
            raise GeometryError(
                f"the mask of {label!r} has shape {mask.shape} and type {mask.dtype}, expected booleans of shape "
                f"{series.image.data.shape}, the series' grid (column, row, slice)"
            )
        if not mask.any():
            raise EmptyRegionError(f"the mask of {label!r} is empty")


def _derived(source: Any, plane: NDArray[Any], *, number: int, series_uid: str) -> Any:
    """Make one slice of the derived series from the listed elements of its source."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    known = facts.load("dicom")
    one = pydicom.Dataset()
    for name in (*known["copied"], *known["copied_or_empty"]):
        if name in source:
            one.add(deepcopy(source[name]))
        elif name in known["copied_or_empty"]:
            setattr(one, name, None)
    one.SOPClassUID, one.SOPInstanceUID = source.SOPClassUID, generate_uid(prefix=None)
    one.SeriesInstanceUID, one.Modality = series_uid, "MR"
    one.SeriesNumber = int(source.get("SeriesNumber") or 0) + _SERIES_NUMBERS
    one.InstanceNumber = number
    one.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    one.BurnedInAnnotation = "YES"
    one.Manufacturer = one.ManufacturerModelName = "actionloop"
    one.SoftwareVersions = actionloop.__version__
    reference = pydicom.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    one.SourceImageSequence = [reference]
    pixels = plane.tobytes()
    one.PixelData = pixels + b"\0" * (len(pixels) % 2)
    one["PixelData"].VR = "OW" if source.BitsAllocated == 16 else "OB"
    one.file_meta = pydicom.dataset.FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    return one


def _line(text: str, length: int) -> str:
    # A backslash parts values in DICOM.
    return ascii_text(text.replace("\\", "/"), length).decode().strip()
