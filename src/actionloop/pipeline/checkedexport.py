"""What `check-export` was asked, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actionloop.types import ImageTie


@dataclass(frozen=True)
class CheckExportRequest:
    """What `check-export` was asked.

    Attributes
    ----------
    file : Path
    image : Path or None
        T1 that the poses are to be used on.
    surfaces : Path or None
        Folder of the person's own surfaces, in the space of `image`.
    system : str or None
        Key of the system; found by the contents when None.
    assume : {'RAS', 'LPS'} or None
    axes : {'simnibs', 'brainsight', 'localite'} or None
        As in `Reading`.
    """

    file: Path
    image: Path | None = None
    surfaces: Path | None = None
    system: str | None = None
    assume: Literal["RAS", "LPS"] | None = None
    axes: Literal["simnibs", "brainsight", "localite"] | None = None


@dataclass(frozen=True)
class Warned:
    """What speaks against a file or a pose.

    Attributes
    ----------
    what : str
        A sentence.
    label : str
        Of the entry; empty for the whole file.
    unusable : bool
        True where the pose, or any pose of the file, must not be used; False for what is only to be known.
    """

    what: str
    label: str = ""
    unusable: bool = True


@dataclass(frozen=True)
class CheckedEntry:
    """One entry of a file.

    Attributes
    ----------
    label, kind : str
    xyz_ras : tuple of 3 float
        mm.
    side_by_name : str
        'left', 'right' or ''.
    side_by_x : str
        'left', 'right' or 'midline' (within 10 mm): of the head where an image was given, else of the origin; '' where
        the file's axes have no known origin.
    determinant, off_square_deg : float or None
        Of the coil's axes, and the largest departure of two of them from a right angle; None for a point.
    note : str
    points_at : str
        E.g. 'left precentral gyrus (primary motor cortex, area 4), 15 mm under the scalp, handle posterior-lateral';
        empty without an image, and for a pose that is not on this head.
    sentences : tuple of str
        The same at length.
    """

    label: str
    kind: str
    xyz_ras: tuple[float, float, float]
    side_by_name: str
    side_by_x: str
    determinant: float | None
    off_square_deg: float | None
    note: str
    points_at: str = ""
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckedImage:
    """The image that was given, and whether the file belongs to it.

    Attributes
    ----------
    path : str
    header_sha256, voxels_sha256, form : str
    same : bool or None
        None where the file names no image.
    differs : str
        'header', 'voxels', 'frame' or ''.
    cortex : str
        Which cortex the words are of, or why there are none.
    residual_mm : float or None
        Of the template's scalp laid into this head.
    """

    path: str
    header_sha256: str
    voxels_sha256: str
    form: str
    same: bool | None
    differs: str
    cortex: str = ""
    residual_mm: float | None = None


@dataclass(frozen=True)
class ExportCheck:
    """What was found of one navigation file.

    Attributes
    ----------
    file, system, name, version, frame, space : str
        `system` is a key of `SYSTEMS`, `name` its name; `frame` in the file's own words.
    verified : bool
        False where no real file of this system was at hand to try the reader on.
    tie : ImageTie or None
        The image that the file names.
    counts : mapping of str to int
        Entries by kind.
    skipped : tuple of str
        What was left out and why.
    entries : tuple of CheckedEntry
    image : CheckedImage or None
    warnings : tuple of Warned
    notes : tuple of str
    """

    file: str
    system: str
    name: str
    version: str
    frame: str
    space: str
    verified: bool
    tie: ImageTie | None
    counts: Mapping[str, int]
    skipped: tuple[str, ...]
    entries: tuple[CheckedEntry, ...]
    image: CheckedImage | None
    warnings: tuple[Warned, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """True where nothing says that a pose must not be used."""
        return not any(one.unusable for one in self.warnings)
