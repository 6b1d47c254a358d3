"""What a navigation file holds, in one form for all systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from actionloop.errors import GeometryError
from actionloop.types import FloatArray

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
        if self.matrix is None:
            return
        turn = self.matrix[:3, :3]
        if self.matrix.shape != (4, 4) or not np.isfinite(self.matrix).all():
            raise GeometryError(f"the pose {self.label!r} is not a finite 4 x 4 matrix")
        if not np.allclose(turn.T @ turn, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
            raise GeometryError(
                f"the pose {self.label!r} is not a right-handed rotation (determinant {np.linalg.det(turn):+.3f}; "
                "shear or one flipped axis)"
            )


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
    """

    system: str
    version: str
    frame: str
    space: Space
    entries: tuple[Entry, ...]
    skipped: tuple[str, ...] = ()
    verified: bool = True
    source: str = ""

    @property
    def poses(self) -> tuple[Entry, ...]:
        """Entries that are poses."""
        return tuple(entry for entry in self.entries if entry.matrix is not None)
