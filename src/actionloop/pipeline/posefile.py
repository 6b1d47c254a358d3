"""What is read before any pose: a navigation file with its sidecar, and an image under the name of its frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actionloop import files
from actionloop.errors import InputError
from actionloop.types import Image

# A session of some thousand pulses takes about a megabyte.
_MOST_BYTES = 200_000_000
_MARKERS = "_markers.tsv"


@dataclass(frozen=True)
class PoseFile:
    """What is read of a navigation file, whatever its system.

    Attributes
    ----------
    data : bytes
    sidecar : str
        Text of the JSON beside a NIBS-BIDS table; empty without one.
    """

    data: bytes
    sidecar: str


def read_pose_file(path: Path) -> PoseFile:
    """Read a navigation file, and the sidecar of a NIBS-BIDS table.

    Parameters
    ----------
    path : Path
        The sidecar of 'a_markers.tsv' is 'a_markers.json', else 'a_coordsystem.json'.

    Returns
    -------
    PoseFile

    Raises
    ------
    InputError
        Missing, too large for a file of poses, cannot be read, or a sidecar that is no UTF-8.
    """
    if not path.exists():
        raise InputError(
            "the navigation file cannot be read: there is no such file", where=path, fix="give the file of poses"
        )
    sidecar = next((one for one in _beside(path) if one.is_file()), None)
    try:
        about = "" if sidecar is None else _bytes(sidecar).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"the sidecar is no UTF-8 ({error})", where=sidecar, fix="save it as UTF-8") from None
    return PoseFile(_bytes(path), about)


def read_named_image(path: Path) -> Image:
    """Read an image under the name of its frame: as `plan` names a person's own T1, else by its file."""
    own = re.match(r"sub-([A-Za-z0-9]+)_(?!.*space-).*?T1w\.", path.name)
    return files.read_image(path, frame=f"sub-{own[1]} T1w" if own else path.name)


def _beside(path: Path) -> Iterator[Path]:
    if path.suffix == ".tsv":
        yield path.with_suffix(".json")
    if path.name.endswith(_MARKERS):
        yield path.with_name(path.name.removesuffix(_MARKERS) + "_coordsystem.json")


def _bytes(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise InputError("the file is too large for a file of poses", where=path, fix="give the file of targets")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the navigation file cannot be read ({error.strerror or error})", where=path, fix="check the path"
        ) from None
