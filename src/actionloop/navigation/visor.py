"""ANT Visor2's coil markers (.mrk, JSON): SimNIBS axes in mm of an associated image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from actionloop import __version__, facts
from actionloop.errors import GeometryError, InputError
from actionloop.navigation.conventions import rigid
from actionloop.navigation.found import Entry, NavigationFile
from actionloop.navigation.laterality import plain
from actionloop.navigation.parsing import MAX_POSES, parse_json, require_bottom_row
from actionloop.navigation.telling import name_poses, tell_frame, tell_kept, told_tie
from actionloop.types import CoilPose, FloatArray, Image

# What a marker must say of its numbers before they can be taken as ours.
_MEANS = {"CoordinateSystem": "ASSOCIATED_IMAGE", "PositionalUnit": "mm", "CoilAxesConvention": "simnibs"}
_NOTE = "; note: "
# A qform in single precision moves no corner of a head image further than this.
_SAME_MM = 0.01


def read_visor(text: str, *, source: str = "", image: Image | None = None) -> NavigationFile:
    """Read the coil markers of a Visor2 file.

    Parameters
    ----------
    text : str
    source : str
        File name, for errors.
    image : Image, optional
        When given, the file's associated image must have the same affine.

    Returns
    -------
    NavigationFile
        Targets, RAS mm of the associated image. Each entry's `raw` holds its marker under 'TargetMarker', and the
        file's 'AssociatedImageInfo'.

    Raises
    ------
    InputError
        Not such a file, damaged JSON, or a marker without its matrix.
    GeometryError
        Another coordinate system, unit or axes than mm of the associated image in SimNIBS axes; an associated image
        that is not `image`; axes that are no right-handed rotation.
    """
    data = parse_json(text, source=source)
    markers = data.get("TargetMarkers") if isinstance(data, dict) else None
    if not isinstance(markers, list) or len(markers) > MAX_POSES:
        raise InputError(
            "expected a Visor2 marker file with a list 'TargetMarkers'"
            + (f" of at most {MAX_POSES}" if isinstance(markers, list) else ""),
            where=source or None,
            fix="export the coil markers from Visor2 as .mrk",
        )
    configuration = _mapping(data.get("Configuration"))
    about = _mapping(configuration.get("SourceInfo"))
    info = _mapping(configuration.get("AssociatedImageInfo"))
    if image is not None:
        _require_same_image(info, image, source)
    entries: list[Entry] = []
    skipped = [f"{plain(key)!r} is not read" for key in data if key not in ("Configuration", "TargetMarkers")]
    for number, marker in enumerate(markers, start=1):
        coil = _mapping(marker).get("CoilTarget")
        if not isinstance(coil, dict):
            skipped.append(f"marker {number} is no coil target and is left out")
            continue
        label = plain(str(coil.get("Name", ""))) or f"CoilTarget {number}"
        matrix = _matrix(coil, label, source)
        if np.allclose(matrix, np.eye(4), atol=1e-9):
            skipped.append(f"{label!r} holds the identity matrix (never set, or not tracked) and is left out")
            continue
        matrix = rigid(matrix, label=label, where=source)
        note = str(coil.get("Comment", "")).partition(_NOTE)[2]
        raw = {"TargetMarker": marker, "AssociatedImageInfo": dict(info)}
        entries.append(Entry("target", label, matrix, matrix[:3, 3].copy(), note, raw))
    if not entries:
        skipped.append("the file has no poses")
    frame = "ASSOCIATED_IMAGE" + ("" if info else " (the file does not describe the image)")
    version = plain(f"{about.get('AppName', '')} {about.get('AppVersion', '')}")
    return NavigationFile(
        "Visor2", version, frame, "RAS", tuple(entries), tuple(skipped), source=source, tie=told_tie(text)
    )


def write_visor(
    poses: Sequence[CoilPose],
    *,
    image: Image,
    coil_type: str = "",
    coil_id: str = "",
    kept: NavigationFile | None = None,
) -> str:
    """Write coil poses as Visor2 coil markers.

    Parameters
    ----------
    poses : sequence of CoilPose
        RAS mm of `image`.
    image : Image
        The associated image: its qform is written beside the markers.
    coil_type, coil_id : str
        Coil and its SimNIBS file, e.g. 'MagStim_D70' and 'MagStim_D70.ccd'.
    kept : NavigationFile, optional
        Markers read by `read_visor`, written first and unchanged.

    Returns
    -------
    str
        JSON. Names end in '(left)' or '(right)'; a 'Comment' of each marker says the sign of its x.

    Raises
    ------
    GeometryError
        Poses of another image, a name that contradicts its place, an image without a qform or with shear, or kept
        markers of another image.
    EmptyRegionError
        Nothing to write.

    Notes
    -----
    'Comment' is no field of Visor2's own: JSON has no other place for words.
    """
    told = tell_frame(image) + tell_kept(kept)
    named = name_poses(poses, image=image, kept=kept, system="Visor2")
    info = _image_info(image)
    for entry in kept.entries if kept else ():
        stated = _mapping(entry.raw.get("AssociatedImageInfo"))
        if stated:
            _require_same_image(stated, image, kept.source if kept else "")
    markers = [entry.raw["TargetMarker"] for entry in (kept.entries if kept else ())]
    for pose, (name, said) in zip(poses, named, strict=True):
        about = f"{said}; image {image.header_sha256}; {facts.notice()}" + (_NOTE + plain(pose.note)) * bool(pose.note)
        coil = {
            "Name": name,
            "Comment": about,
            **_MEANS,
            "CoilInfo": {"Type": coil_type, "Id": coil_id},
            "CoilPose": {"RigidTransformMatrix4x4": np.round(pose.matrix, 10).tolist()},
        }
        markers.append({"CoilTarget": coil})
        told.append(said)
    source_info = {"AppName": "actionloop", "AppVersion": __version__, "Comment": told}
    configuration = {"SourceInfo": source_info, "AssociatedImageInfo": info}
    document = {"Configuration": configuration, "TargetMarkers": markers}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _matrix(coil: Mapping[str, Any], label: str, source: str) -> FloatArray:
    for key, wanted in _MEANS.items():
        found = coil.get(key)
        if not isinstance(found, str) or found.lower() != wanted.lower():
            raise GeometryError(
                f"{key} of {label!r} is {plain(str(found))!r}, expected {wanted!r}",
                where=source or None,
                fix="export the markers in mm of the associated image with the SimNIBS convention of coil axes",
            )
    try:
        matrix = np.array(_mapping(coil.get("CoilPose"))["RigidTransformMatrix4x4"], dtype=float)
    except (KeyError, TypeError, ValueError, OverflowError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4):
        raise InputError(
            f"the matrix of {label!r} is not 4 x 4 numbers", where=source or None, fix="export the markers again"
        )
    require_bottom_row(matrix, label=label, where=source)
    return matrix


def _image_info(image: Image) -> dict[str, list[float]]:
    """Describe an image's qform as NIfTI stores it: quaternion, offset, and spacing with the sign of the third axis."""
    if image.form_codes[0] <= 0:
        raise GeometryError(
            "the image has no qform, which is what Visor2 knows an image by",
            where=image.source or None,
            fix="copy the sform to the qform (codes alike), and plan and navigate with that image",
        )
    axes = np.array(image.affine[:3, :3], dtype=float)
    spacing = np.linalg.norm(axes, axis=0)
    axes /= spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-4:
        raise GeometryError("the image's affine has shear, which no qform can hold", where=image.source or None)
    sign = 1.0 if np.linalg.det(axes) > 0 else -1.0
    axes[:, 2] *= sign
    quaternion = Rotation.from_matrix(axes).as_quat(canonical=True)[:3]
    return {
        "NIfTI_quatern": [float(value) for value in quaternion],
        "NIfTI_qoffset": [float(value) for value in image.affine[:3, 3]],
        "NIfTI_pixdim": [sign, *(float(value) for value in spacing)],
    }


def _require_same_image(info: Mapping[str, Any], image: Image, source: str) -> None:
    """Refuse a file whose associated image lies elsewhere than `image`, at any corner."""
    where = source or None
    axes, offset = _image_axes(info, source)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.data.shape])).reshape(3, -1)
    there = axes @ corners + offset[:, None]
    here = image.affine[:3, :3] @ corners + image.affine[:3, 3][:, None]
    apart = float(np.abs(there - here).max())
    if not apart <= _SAME_MM:
        raise GeometryError(
            f"the file's associated image and this image lie {apart:.2f} mm apart",
            where=where,
            fix="give the image that the Visor2 session was made from",
        )


def _image_axes(info: Mapping[str, Any], source: str) -> tuple[FloatArray, FloatArray]:
    """Read the (3, 3) axes and the (3,) offset of the associated image."""
    rest = np.nan
    try:
        b, c, d = (float(value) for value in info["NIfTI_quatern"])
        x, y, z = (float(value) for value in info["NIfTI_qoffset"])
        sign, *spacing = (float(value) for value in info["NIfTI_pixdim"])
        rest = 1 - b * b - c * c - d * d
    except (KeyError, TypeError, ValueError, OverflowError):
        spacing = []
    if len(spacing) != 3 or not -1e-3 < rest <= 1:
        raise InputError(
            "the file does not describe its associated image (AssociatedImageInfo)",
            where=source or None,
            fix="export the markers from Visor2 again",
        )
    axes = Rotation.from_quat([b, c, d, max(rest, 0.0) ** 0.5]).as_matrix() * spacing
    axes[:, 2] *= -1 if sign < 0 else 1
    return axes, np.array([x, y, z])
