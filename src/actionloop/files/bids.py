"""BIDS file names and folders: taking names apart and listing what is there, always in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionloop.errors import InputError

ENTITIES = {
    "sub": "subject",
    "ses": "session",
    "task": "task",
    "acq": "acquisition",
    "ce": "ceagent",
    "rec": "reconstruction",
    "dir": "direction",
    "run": "run",
    "echo": "echo",
    "part": "part",
    "hemi": "hemi",
    "space": "space",
    "cohort": "cohort",
    "den": "density",
    "res": "resolution",
    "desc": "desc",
}
SHORT = {long: short for short, long in ENTITIES.items()}
# What tells one run from another; space, density, desc and hemi only tell files of one run apart.
RUN_ENTITIES = ("session", "task", "acquisition", "ceagent", "reconstruction", "direction", "run")


@dataclass(frozen=True)
class BidsFile:
    """A file name taken apart.

    Attributes
    ----------
    path : Path
    entities : mapping of str to str
        Long names ('session') for the entities of `ENTITIES`, the key itself for others.
    suffix, extension : str
        'bold', '.dtseries.nii'.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str

    def get(self, entity: str) -> str | None:
        """Value of an entity, or None."""
        return self.entities.get(entity)

    @property
    def run(self) -> dict[str, str]:
        """The entities that tell runs apart."""
        return run_entities(self.entities)


def parse_name(path: Path) -> BidsFile:
    """Take a file name apart; a name that is not BIDS gives what can be read of it."""
    stem, dot, rest = path.name.partition(".")
    parts = stem.split("_")
    entities: dict[str, str] = {}
    suffix = ""
    for part in parts:
        key, dash, value = part.partition("-")
        if dash and value:
            entities[ENTITIES.get(key, key)] = value
        elif part is parts[-1]:
            suffix = part
    return BidsFile(path, entities, suffix, dot + rest)


def run_entities(entities: Mapping[str, str]) -> dict[str, str]:
    """Keep the entities that tell runs apart, in their BIDS order."""
    return {key: entities[key] for key in RUN_ENTITIES if key in entities}


def run_name(entities: Mapping[str, str]) -> str:
    """Short name of a run, e.g. 'ses-01_task-rest_run-01'."""
    return "_".join(f"{SHORT[key]}-{value}" for key, value in run_entities(entities).items()) or "run"


def without_prefix(label: str, key: str) -> str:
    """Strip 'sub-', 'ses-' ... from a label."""
    return label.strip().removeprefix(f"{key}-")


def same_label(one: str, other: str) -> bool:
    """Tell whether two labels mean the same: case does not count, nor do leading zeros of an index."""
    if one.isdecimal() and other.isdecimal():
        return int(one) == int(other)
    return one.casefold() == other.casefold()


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts run-2 before run-10."""
    pieces = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in pieces)


def listed(folder: Path) -> list[Path]:
    """List a folder's entries in a fixed order, without hidden ones (among them macOS's '._' doubles).

    Raises
    ------
    InputError
        The folder cannot be read.
    """
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"the folder cannot be read: {error.strerror or error}", where=folder) from error
    return sorted(entries, key=lambda entry: natural_key(entry.name))


def is_there(path: Path) -> bool:
    """Tell whether a file is there, or at least a link to it (whose content may have to be fetched)."""
    return path.is_file() or path.is_symlink()


def files_in(folders: Iterable[Path]) -> list[BidsFile]:
    """Files of several folders (not of their subfolders), names taken apart."""
    return [parse_name(entry) for folder in folders for entry in listed(folder) if not entry.is_dir()]


def people_folders(derivatives: Path) -> dict[str, Path]:
    """Return the `sub-` folders, keyed by label."""
    return {entry.name[4:]: entry for entry in listed(derivatives) if entry.name.startswith("sub-") and entry.is_dir()}


def data_folders(person: Path, datatype: str) -> list[Path]:
    """`datatype` folders ('func', 'anat') of a person: without session first, then session by session."""
    parents = [person, *(e for e in listed(person) if e.name.startswith("ses-") and e.is_dir())]
    return [parent / datatype for parent in parents if (parent / datatype).is_dir()]


def beside(
    files: Sequence[BidsFile], run: Mapping[str, str], *, suffixes: Sequence[str], extension: str = ".tsv"
) -> BidsFile | None:
    """Find the file of one run with one of the suffixes (earlier ones preferred), the plainest name first."""
    found = [f for f in files if f.suffix in suffixes and f.extension == extension and f.run == run_entities(run)]
    return min(found, key=lambda f: (suffixes.index(f.suffix), len(f.entities), f.path.name), default=None)


def require_distinct(series: Iterable[BidsFile]) -> None:
    """Refuse two series of the same run: one measurement would count twice.

    Raises
    ------
    InputError
    """
    seen: dict[tuple[tuple[str, str], ...], BidsFile] = {}
    for each in series:
        first = seen.setdefault(tuple(each.run.items()), each)
        if first is not each:
            raise InputError(
                f"two series claim the same run: {first.path.name} and {each.path.name}",
                where=each.path.parent,
                fix="keep one of them in the folder, or name the files with --bold",
            )


def is_combined(run: Mapping[str, str], others: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether a run name is that of other runs put together: theirs without run and direction."""
    if "run" in run and "direction" in run:
        return False
    return any(
        other != run
        and set(other) - set(run) <= {"run", "direction"}
        and all(other.get(key) == value for key, value in run.items())
        for other in others
    )


def in_words(labels: Iterable[str], *, limit: int = 12) -> str:
    """Write a list for a sentence, cut after `limit`."""
    each = list(dict.fromkeys(labels))
    rest = f" and {len(each) - limit} more" if len(each) > limit else ""
    return ", ".join(each[:limit]) + rest if each else "none"
