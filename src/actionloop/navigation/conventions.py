"""What the systems agree and disagree on: axes of the coil, handedness of space, names of coordinate systems.

A coil pose is a 4 x 4 matrix M with the coil's axes in its columns, RAS mm: z into the head, y away from the handle,
x = y × z. Each system's own axes are M times a fixed rotation; a text in LPS is the same matrix seen from the other
end of x and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop.errors import EmptyRegionError, GeometryError
from actionloop.types import CoilPose, FloatArray, Image

# Right-multiplied: our coil axes to theirs. Both are their own inverse and have determinant +1.
BRAINSIGHT_AXES: FloatArray = np.diag([-1.0, 1.0, -1.0, 1.0])
LOCALITE_AXES: FloatArray = np.array([[0.0, 0, 1, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
# Left-multiplied: LPS to RAS and back.
LPS_TO_RAS: FloatArray = np.diag([-1.0, -1.0, 1.0, 1.0])

# NIfTI xform codes by the names that Brainsight gives them; 0 is "unknown".
XFORM_NAMES = {1: "Scanner", 2: "Aligned", 3: "Talairach", 4: "MNI-152", 5: "Other-Template"}
TEMPLATE_CODES = (3, 4, 5)

# Files carry three decimals or more; what is further from a rotation than that holds shear or scaling.
ROUNDING = 4e-3


@dataclass(frozen=True)
class ImageFrame:
    """Which of an image's coordinate systems its affine is.

    Attributes
    ----------
    form : {'S', 'Q'}
        Whether the affine is the sform or the qform.
    name : str
        NIfTI's name of its code, as Brainsight writes it.
    template : bool
        True when the code says that the image is a template, not a person.
    """

    form: str
    name: str
    template: bool


def image_frame(image: Image) -> ImageFrame:
    """Name the coordinate system that an image's affine leads to.

    Navigation systems name it by the NIfTI code of the form it came from (1 Scanner, 2 Aligned, 3 Talairach,
    4 MNI-152), not by the form: an image whose only code is 1 has no "Aligned" system. The affine is the sform where
    that is set, the qform otherwise.

    Parameters
    ----------
    image : Image

    Returns
    -------
    ImageFrame

    Raises
    ------
    GeometryError
        Both forms are set and disagree (the navigation system could take the other one), none is set, or the code is
        none of NIfTI's.
    """
    where = image.source or None
    q_code, s_code = image.form_codes
    if q_code > 0 and s_code > 0 and not image.forms_agree:
        raise GeometryError(
            "the image's qform and sform are both set and disagree: a navigation system may place the head by the "
            "other one, so no coordinate in this image is safe to export",
            where=where,
            fix="make them agree (the sform that belongs to the surfaces, copied to the qform), then run again",
        )
    code = s_code if s_code > 0 else q_code
    if code not in XFORM_NAMES:
        raise GeometryError(
            f"the image names no coordinate system (qform code {q_code}, sform code {s_code})",
            where=where,
            fix="convert it again with a converter that sets the qform or the sform, and navigate with that image",
        )
    return ImageFrame("S" if s_code > 0 else "Q", XFORM_NAMES[code], code in TEMPLATE_CODES)


def require_tied(poses: Sequence[CoilPose], image: Image) -> None:
    """Refuse poses that do not belong to the image they are to be navigated on.

    Raises
    ------
    GeometryError
        The image has no header hash, or a pose is tied to another image or frame, or a label is used twice.
    """
    if not image.header_sha256:
        raise GeometryError("the image has no header hash, so no pose can be tied to it", where=image.source or None)
    seen: set[str] = set()
    for pose in poses:
        why = pose.tie.why_not(image.tie)
        if why:
            raise GeometryError(
                f"coil pose {pose.label!r} {why}",
                where=image.source or None,
                fix="export with the image that the pose was computed on, or give the transform between the two",
            )
        if pose.label in seen:
            raise GeometryError(f"two poses have the label {pose.label!r}; the navigator could not tell them apart")
        seen.add(pose.label)


def require_something(n_entries: int) -> None:
    """Refuse to write a navigation file without a single entry."""
    if n_entries == 0:
        raise EmptyRegionError("there is no pose and no point to write for the navigation system")


def rigid(matrix: FloatArray, *, label: str, where: str) -> FloatArray:
    """Return a right-handed rotation and its translation, free of the rounding of a text file.

    Parameters
    ----------
    matrix : (4, 4) float ndarray
    label, where : str
        For the error.

    Returns
    -------
    (4, 4) float ndarray
        Determinant +1.

    Raises
    ------
    GeometryError
        The axes are not orthonormal within rounding (shear or scaling), or left-handed (one flipped axis).
    """
    axes = matrix[:3, :3]
    if not np.isfinite(matrix).all() or np.abs(axes.T @ axes - np.eye(3)).max() > ROUNDING:
        raise GeometryError(
            f"the axes of {label!r} are not perpendicular unit vectors (shear or scaling)",
            where=where or None,
            fix="export the pose again from the navigation system",
        )
    if np.linalg.det(axes) < 0:
        raise GeometryError(
            f"the axes of {label!r} are left-handed: one axis was flipped",
            where=where or None,
            fix="export the pose again; never change the sign of a single axis by hand",
        )
    left, _, right = np.linalg.svd(axes)
    clean = np.eye(4)
    clean[:3, :3] = left @ right
    clean[:3, 3] = matrix[:3, 3]
    return clean
