"""What a result came from: hashes of the inputs, versions, options, seed; nothing about the machine or its user."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from actionloop import __version__, facts
from actionloop.errors import InputError
from actionloop.files.resources import sha256_of

LIBRARIES = (
    "numpy",
    "scipy",
    "nibabel",
    "nilearn",
    "scikit-image",
    "potpourri3d",
    "pygeodesic",
    "matplotlib",
    "plotly",
)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of an input file's bytes, read in pieces.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        return sha256_of(Path(path))
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror or error}", where=path) from error


def versions(libraries: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """Versions of actionloop, Python and the installed ones of `libraries`, without importing them."""
    found = {"actionloop": __version__, "python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def shown_path(path: str | Path, *, root: str | Path | None = None) -> str:
    """Return a path fit for an exported file: relative to the data set, else as given if relative, else the name.

    Parameters
    ----------
    path : path
    root : path, optional
        Folder of the input data set.
    """
    path = Path(path)
    if root is not None:
        for inside, base in ((path, Path(root)), (path.resolve(), Path(root).resolve())):
            if inside.is_relative_to(base):
                return inside.relative_to(base).as_posix()
    return path.name if path.is_absolute() or path.parts[:1] in {("..",), ("~",)} else path.as_posix()


def provenance(
    inputs: Iterable[str | Path],
    *,
    root: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Collect the provenance of one person's results.

    Parameters
    ----------
    inputs : iterable of paths
        Every file that was read.
    root : path, optional
        Folder of the input data set; inputs are named relative to it.
    options : mapping, optional
        Resolved options; paths among them are shortened the same way.
    seed : int, optional
    **more
        Further entries, for example ``frame=...`` or ``steps=...``.

    Returns
    -------
    dict
        Ready for `write_json`: Notice, GeneratedBy, Created, Inputs, Options, Seed, Versions, System.

    Raises
    ------
    InputError
        An input cannot be read.
    """
    listed = [
        {"File": shown_path(path, root=root), "SHA256": file_sha256(path), "Bytes": Path(path).stat().st_size}
        for path in dict.fromkeys(Path(path) for path in inputs)
    ]
    return {
        "Notice": facts.notice(),
        "GeneratedBy": {"Name": "actionloop", "Version": __version__},
        "Created": datetime.now(UTC).isoformat(timespec="seconds"),
        "Inputs": listed,
        "Options": _shorten(options or {}, root),
        "Seed": seed,
        "Versions": versions(),
        "System": f"{platform.system()} {platform.machine()}",
        **{name: _shorten(value, root) for name, value in more.items()},
    }


def _shorten(value: Any, root: str | Path | None) -> Any:
    if isinstance(value, Path):
        return shown_path(value, root=root)
    if isinstance(value, str) and Path(value).is_absolute():
        return shown_path(value, root=root)
    if isinstance(value, Mapping):
        return {str(key): _shorten(item, root) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shorten(item, root) for item in value]
    return value
