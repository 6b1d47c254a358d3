"""Steps that are done once: results kept in the work folder under the hash of everything that shaped them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from actionloop import __version__
from actionloop.errors import ActionloopError, InputError, OutputError
from actionloop.files import atomic_path, clear_stale, file_sha256

Arrays = dict[str, np.ndarray[Any, Any]]


class Steps:
    """One person's finished steps.

    A result is one .npz file, written under a temporary name and renamed; its name holds the hash of the step's
    inputs, so that a changed input, option or version never meets an old result, and a killed run leaves no half one.

    Parameters
    ----------
    folder : Path
        Created if absent.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = [place for place in (*reversed(folder.parents), folder) if not place.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            clear_stale(folder)
        except OSError as error:
            raise OutputError(
                f"cannot write: {error.strerror or error}", where=folder, fix="give another folder with --work-dir"
            ) from error
        self._hashes_file = folder / "hashes.json"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """After bad input, remove the work folder unless it holds a finished step."""
        if isinstance(error, ActionloopError) and not any(self.folder.glob("*.npz")):
            for leftover in self.folder.iterdir():
                leftover.unlink(missing_ok=True)
            for folder in reversed(self._made):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def file(self, name: str, key: str) -> Path:
        """Where the arrays of a step are, or will be."""
        return self.folder / f"{name}-{key[:16]}.npz"

    def run(self, name: str, key: str, make: Callable[[], Arrays]) -> tuple[Arrays, bool]:
        """Return the arrays of a step, from the work folder if they are there.

        Returns
        -------
        dict of str to ndarray
        bool
            True when nothing had to be computed.
        """
        path = self.file(name, key)
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                return {field: stored[field] for field in stored.files}, True
        arrays = make()
        for old in self.folder.glob(f"{name}-*.npz"):
            old.unlink(missing_ok=True)
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as stream:
                np.savez(stream, **arrays)  # type: ignore[arg-type]
        except OSError as error:
            raise OutputError(f"cannot write: {error.strerror or error}", where=path, fix="check free space") from error
        return arrays, False

    def hash_files(self, paths: tuple[Path, ...]) -> dict[str, str]:
        """SHA-256 of each file; a file with unchanged size and time is not read again.

        Raises
        ------
        InputError
            A file is not there.
        """
        known: dict[str, str] = {}
        if self._hashes_file.is_file():
            known = json.loads(self._hashes_file.read_text(encoding="utf-8"))
        found: dict[str, str] = {}
        current: dict[str, str] = {}
        for path in paths:
            if not path.is_file():
                raise InputError("the file does not exist", where=path, fix="check the path")
            state = path.stat()
            ticket = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
            current[ticket] = found[str(path)] = known.get(ticket) or file_sha256(path)
        with atomic_path(self._hashes_file) as temporary:
            temporary.write_text(json.dumps({**known, **current}), encoding="utf-8")
        return found


def key_of(parts: Mapping[str, Any]) -> str:
    """Hash of everything that shapes a step: options, input hashes, program version."""
    text = json.dumps({"actionloop": __version__, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
