"""Files and folders that appear whole under their name, or not at all; and what killed runs left of them."""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from actionloop.errors import OutputError

fcntl: Any = None
with contextlib.suppress(ImportError):  # absent on Windows
    # Advisory locks tell a living writer's temporary from one that a killed run left behind.
    fcntl = importlib.import_module("fcntl")

_MARK = ".actionloop-"
# A folder cannot be locked everywhere; a file in it can.
_LOCK, _WHOLE = "lock", "whole"


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put it in its place when the block ends without an error.

    The temporary keeps the whole file name as its ending ('x.dlabel.nii' stays '.dlabel.nii'), is flushed to disk
    before it takes the name, and is removed on an error. Nested use yields the outer temporary.
    """
    path = Path(path)
    if path.name.startswith(_MARK):
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, lock = _claim(path)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        lock.close()


@contextlib.contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder`, and put it in its place when the block ends without an error.

    On an error nothing is left of it.

    Raises
    ------
    OutputError
        There is such a folder already, and it is not empty.
    """
    folder = Path(folder)
    require_empty(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, lock = _claim_folder(folder)
    try:
        whole = temporary / _WHOLE
        whole.mkdir()
        yield whole
        if folder.exists():
            folder.rmdir()
        whole.replace(folder)
        _sync_folder(folder.parent)
    finally:
        lock.close()
        shutil.rmtree(temporary, ignore_errors=True)


def require_empty(folder: Path) -> None:
    """Refuse a folder that holds something, and a file of that name.

    Raises
    ------
    OutputError
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError("the folder is not empty", where=folder, fix="give a new folder")


def clear_stale(folder: str | Path) -> int:
    """Remove temporaries that killed runs left below `folder`; those of living writers stay. Returns how many."""
    removed = 0
    for temporary in list(Path(folder).rglob(f"{_MARK}*")):
        with contextlib.suppress(OSError):
            if temporary.is_dir():
                # One without a lock is of a writer that was killed before it had any.
                if (temporary / _LOCK).exists():
                    _take(temporary / _LOCK)
                shutil.rmtree(temporary)
            else:
                _take(temporary)
            removed += 1
    return removed


def _take(temporary: Path) -> None:
    """Remove a file, unless a living writer holds it: that raises OSError."""
    if fcntl is None:  # there an open file cannot be removed anyway
        temporary.unlink()
        return
    with temporary.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        temporary.unlink()


def _claim(path: Path) -> tuple[Path, IO[bytes]]:
    """Make a locked, empty temporary beside `path`."""
    while True:
        temporary = _name_beside(path)
        lock = temporary.open("xb")
        if _locked(lock, temporary):
            return temporary, lock


def _claim_folder(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make a temporary folder beside `folder` that holds nothing but its lock."""
    while True:
        temporary = _name_beside(folder)
        temporary.mkdir()
        with contextlib.suppress(FileNotFoundError):  # a cleaner may have taken it before it had a lock
            lock = (temporary / _LOCK).open("xb")
            if _locked(lock, temporary / _LOCK):
                return temporary, lock


def _name_beside(path: Path) -> Path:
    return path.with_name(f"{_MARK}{secrets.token_hex(4)}-{path.name}")


def _locked(lock: IO[bytes], place: Path) -> bool:
    """Lock an open file; False, and closed, where a cleaner took it before."""
    if fcntl is not None:
        with contextlib.suppress(OSError):  # some network file systems know no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
    if place.exists():
        return True
    lock.close()
    return False


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
