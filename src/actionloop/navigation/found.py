"""What a navigation file holds, in one form for all systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from actionloop.errors import GeometryError
from actionloop.navigation.laterality import without_side
from actionloop.types import CoilPose, FloatArray, ImageTie, require_pose

Kind = Literal["target", "sample", "electrode", "landmark"]
Space = Literal["RAS", "LPS", "corner", "unknown"]


@dataclass(frozen=True, eq=False)
class Entry:
    """One line of a navigation file: a pose, or a point.

    Attributes
    ----------
    kind : {'target', 'sample', 'electrode', 'landmark'}
        Target: planned; sample: where the coil was.
    label : str
        As in the file.
    matrix : (4, 4) float64 ndarray or None
        Coil pose, RAS mm, our axes (x = y × z, y away from the handle, z into the head); None for a point.
    xyz_ras : (3,) float64 ndarray
        mm; the pose's origin, or the point.
    note : str
    raw : mapping
        Every field as it stands in the file, so that what was only read is written back as it was.

    Raises
    ------
    GeometryError
        A pose that is no right-handed rotation (shear, one flipped axis), or values that are not finite.
    """

    kind: Kind
    label: str
    matrix: FloatArray | None
    xyz_ras: FloatArray
    note: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.xyz_ras.shape != (3,) or not np.isfinite(self.xyz_ras).all():
            raise GeometryError(f"the place of {self.label!r} is not three finite numbers")
        if self.matrix is not None:
            require_pose(self.matrix, f"the pose {self.label!r}")


@dataclass(frozen=True, eq=False)
class NavigationFile:
    """Everything that was read from one navigation file.

    Attributes
    ----------
    system : str
        'Brainsight', 'Localite', 'Visor2', 'Slicer', 'NaviNIBS', 'SimNIBS', 'InVesalius', 'Softaxic' or 'NIBS-BIDS'.
    version : str
        Of the format, as the file says it; empty where it does not.
    frame : str
        The coordinate system in the file's own words.
    space : {'RAS', 'LPS', 'corner', 'unknown'}
        Which way its axes point; entries are RAS whatever the file has.
    entries : tuple of Entry
        In the file's order.
    skipped : tuple of str
        What was left out and why (untracked identities, empty lines), in sentences.
    verified : bool
        False where no real file of this system was at hand to try the reader on.
    source : str
    tie : ImageTie or None
        The image that the file says it was written for; other programs' files say none.
    """

    system: str
    version: str
    frame: str
    space: Space
    entries: tuple[Entry, ...]
    skipped: tuple[str, ...] = ()
    verified: bool = True
    source: str = ""
    tie: ImageTie | None = None

    @property
    def poses(self) -> tuple[Entry, ...]:
        """Entries that are poses."""
        return tuple(entry for entry in self.entries if entry.matrix is not None)


def poses_of(found: NavigationFile) -> list[CoilPose]:
    """Return the poses of a file, tied to the image that the file names; those of other programs to none.

    Parameters
    ----------
    found : NavigationFile

    Returns
    -------
    list of CoilPose
        In the file's order. Sides that an export of ours appended to the names are taken off.
    """
    tie = found.tie or ImageTie(found.frame)
    named = (lambda label: label) if found.tie is None else without_side
    return [
        CoilPose(entry.matrix, tie, named(entry.label), entry.note)
        for entry in found.entries
        if entry.matrix is not None
    ]
