"""Opening files so that a missing, empty, truncated or foreign one gives one clear error."""

from __future__ import annotations

import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from actionloop.errors import GeometryError, InputError
from actionloop.types import Hemisphere

_CIFTI1 = re.compile(rb"<CIFTI[^>]*Version\s*=\s*[\"']1")
_SIDE_IN_NAME = re.compile(r"(?:^|[._-])hemi-([LR])(?=[._-])|(?:^|[._])([LR]|lh|rh|LH|RH)(?=[._])")


def check_file(path: str | Path) -> Path:
    """Return `path` as a Path if it names a file that can be read and is not empty.

    Raises
    ------
    InputError
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError("the file does not exist", where=path, fix="check the name and the folder")
        if not path.is_file():
            raise InputError("expected a file, found a folder or device", where=path)
        with path.open("rb") as stream:
            if not stream.read(1):
                raise InputError("the file is empty", where=path, fix="copy or make it again")
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", where=path) from error
    return path


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Turn whatever a file library raises on a damaged file into an InputError that says what was expected."""
    try:
        with warnings.catch_warnings(), _quiet_nibabel():
            warnings.simplefilter("ignore")
            yield
    except (EOFError, zlib.error) as error:
        raise _truncated(path) from error
    except Exception as error:
        # nibabel, expat and zlib raise many types; the user needs one. Errors of ours and of the machine pass.
        if isinstance(error, (InputError, GeometryError, MemoryError)) or type(error).__module__.startswith(
            "actionloop"
        ):
            raise
        if _is_cifti1(path) or "only cifti-2" in str(error).lower():
            raise InputError(
                "this is a CIFTI-1 file; CIFTI-2 is needed",
                where=path,
                fix="convert it: wb_command -file-convert -cifti-version-convert IN 2 OUT",
            ) from error
        if _looks_truncated(path, error):
            raise _truncated(path) from error
        words = _first_line(error).replace(str(path), path.name)
        raise InputError(
            f"this is not a readable {expected} file ({type(error).__name__}: {words})",
            where=path,
            fix="check that the right file was given and that it was copied completely",
        ) from error


def load(path: str | Path, expected: str) -> Any:
    """Open an image with nibabel; the data are read later, by `values`.

    Parameters
    ----------
    path : path
    expected : str
        What it should be, in words for the error, e.g. 'GIFTI surface'.

    Raises
    ------
    InputError
        Missing, empty, truncated, CIFTI-1, or not a format that nibabel knows.
    """
    import nibabel

    path = check_file(path)
    with reading(path, expected):
        return nibabel.load(path, mmap=False)


def values(image: Any, path: Path, expected: str, *, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Read an image's data into one array.

    Parameters
    ----------
    image : nibabel image with an array proxy
    path : Path
    expected : str
    dtype : dtype, optional
        What the array should be; the file's own type (after scaling) by default.

    Raises
    ------
    InputError
        The file ends too early or is damaged.
    """
    with reading(path, expected):
        # Opened without a memory map, so this reads into memory once and no longer depends on the file.
        return np.asarray(image.dataobj, dtype=dtype)


def side_in_name(path: str | Path) -> Hemisphere | None:
    """Return the hemisphere that a file name states (hemi-L, .L., lh.), or None if it states none or both."""
    sides: set[Hemisphere] = set()
    for long, short in _SIDE_IN_NAME.findall(Path(path).name):
        sides.add("L" if (long or short) in ("L", "lh", "LH") else "R")
    return sides.pop() if len(sides) == 1 else None


def check_side(path: Path, hemisphere: Hemisphere, structure: str = "") -> None:
    """Refuse a file whose name or structure metadata states the other hemisphere.

    Parameters
    ----------
    path : Path
    hemisphere : {'L', 'R'}
        What the caller takes it for.
    structure : str
        AnatomicalStructurePrimary of a GIFTI file, where there is one.

    Raises
    ------
    GeometryError
    """
    stated = {"cortexleft": "L", "cortexright": "R"}.get(re.sub("[^a-z]", "", structure.lower()))
    for side, where in ((stated, f"its metadata say {structure}"), (side_in_name(path), "its name says so")):
        if side is not None and side != hemisphere:
            raise GeometryError(
                f"a file of hemisphere {side} was given as hemisphere {hemisphere} ({where})",
                where=path,
                fix="left and right are probably exchanged; give the left file first",
            )


@contextmanager
def _quiet_nibabel() -> Iterator[None]:
    # nibabel reports repaired header fields on its own logger; they are not the user's concern.
    logger = logging.getLogger("nibabel.global")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _is_cifti1(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return _CIFTI1.search(stream.read(4096)) is not None
    except OSError:
        return False


def _truncated(path: Path) -> InputError:
    return InputError(
        "the file is truncated (ends too early) or damaged", where=path, fix="copy or make it again, completely"
    )


def _looks_truncated(path: Path, error: BaseException) -> bool:
    words = ("expected", "mmap length", "truncated", "end-of-stream", "not enough data", "buffer is smaller")
    chain = [error, error.__cause__, error.__context__]
    if any(isinstance(link, (EOFError, zlib.error)) for link in chain):
        return True
    if isinstance(error, (OSError, ValueError)) and any(word in str(error).lower() for word in words):
        return True
    return path.suffix == ".gz" and not _gzip_is_whole(path)


def _gzip_is_whole(path: Path) -> bool:
    import gzip

    try:
        with gzip.open(path) as stream:
            while stream.read(1 << 22):
                pass
    except (OSError, EOFError, zlib.error):
        # A file without the gzip magic is something else under a wrong name, not a truncated one.
        return path.read_bytes()[:2] != b"\x1f\x8b"
    return True


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else "no message"
