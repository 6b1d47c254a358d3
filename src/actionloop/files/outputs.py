"""The output folder: names from data/outputs.toml, and writing that never leaves half a file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from actionloop import __version__, facts
from actionloop.errors import OutputError
from actionloop.files.atomic import atomic_path, clear_stale
from actionloop.files.writing import write_json, write_text

GENERATOR = "actionloop"
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
_ENTITY = re.compile(r"\{(\w+)\}")
_VALUE = re.compile(r"[A-Za-z0-9+]+")


@dataclass(frozen=True)
class Output:
    """One declared output file.

    Attributes
    ----------
    key : str
        What code calls it.
    pattern : str
        Name below OUT; ``{entity}``, with ``[optional parts]``.
    what, units, format : str
    required : bool
        True when every finished person has it.
    when : str
        What a conditional file depends on.
    level : str
        'person', 'dataset', or 'analysis' (a command beside the line).
    keep : bool
        True when an existing file of this name that is not ours stays as it is.
    """

    key: str
    pattern: str
    what: str
    format: str
    required: bool
    units: str = ""
    when: str = ""
    level: str = "person"
    keep: bool = False

    def name(self, entities: Mapping[str, str | None]) -> str:
        """Path below OUT, with '/' between folders.

        Raises
        ------
        OutputError
            An entity that the pattern needs is missing, or a value that BIDS does not allow (letters and digits only).
        """
        known = {**facts.load("outputs")["defaults"], **{k: v for k, v in entities.items() if v}}
        known.pop("prefix")

        def part(match: re.Match[str]) -> str:
            return match[1] if all(name in known for name in _ENTITY.findall(match[1])) else ""

        def value(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise OutputError(f"the name of the output {self.key!r} needs the entity {match[1]!r}")
            if not _VALUE.fullmatch(str(known[match[1]])):
                raise OutputError(
                    f"BIDS labels hold letters and digits only; found {known[match[1]]!r} for {match[1]!r}",
                    fix="give the label without dashes, underscores, blanks or slashes",
                )
            return str(known[match[1]])

        return _ENTITY.sub(value, _OPTIONAL.sub(part, self.pattern))

    def matches(self, name: str) -> bool:
        """Tell whether a path below OUT could be this output."""
        pattern = re.escape(self.pattern).replace(r"\{", "{").replace(r"\}", "}")
        pattern = pattern.replace(r"\[", "(?:").replace(r"\]", ")?")
        return re.fullmatch(_ENTITY.sub(lambda _: "[A-Za-z0-9+]+", pattern), name) is not None


@cache
def declared_outputs() -> dict[str, Output]:
    """Return every declared output by its key, in the order of data/outputs.toml."""
    declared = facts.load("outputs")
    prefix = declared["defaults"]["prefix"]
    made = [
        Output(**{**entry, "pattern": entry["pattern"].replace("{prefix}", prefix)}) for entry in declared["output"]
    ]
    return {output.key: output for output in made}


def outputs_table() -> list[dict[str, str]]:
    """Return one row per declared output for the docs and the report: file, what, units, format, written."""
    return [
        {
            "file": output.pattern,
            "what": output.what,
            "units": output.units or "–",
            "format": output.format,
            "written": "always" if output.required else output.when,
        }
        for output in declared_outputs().values()
    ]


def columns(table: str) -> dict[str, dict[str, str]]:
    """Return the declared columns of a table ('targets', 'nodes', 'sites', 'networks'): meaning and unit of each."""
    return {
        name: {"Description": column["what"], **({"Units": column["units"]} if "units" in column else {})}
        for name, column in facts.load("outputs")["columns"][table].items()
    }


class OutputFolder:
    """OUT: opened or created, recognised as ours, and written without ever leaving half a file.

    A folder is ours when its dataset_description.json names actionloop in GeneratedBy; it is then continued. Files
    that are not ours are never changed or removed.

    Parameters
    ----------
    path : Path
        Created with its parents if absent.
    overwrite : bool
        Allow a folder that already holds other things. Refused all the same when one of those things has a name that
        actionloop would write.
    sources : sequence of mappings
        SourceDatasets of the dataset description (URL, DOI, Version).

    Raises
    ------
    OutputError
        Not a folder, not writable, or it holds something that is not ours.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False, sources: Sequence[Mapping[str, str]] = ()) -> None:
        self.path = Path(path)
        self.overwrite = overwrite
        self._require_usable()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            clear_stale(self.path)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._describe(sources)

    def file(self, key: str, entities: Mapping[str, str | None] | None = None) -> Path:
        """Full path of an output."""
        return self.path / declared_outputs()[key].name(entities or {})

    def has(self, key: str, entities: Mapping[str, str | None] | None = None) -> bool:
        """Tell whether an output is there (it is complete if so)."""
        return self.file(key, entities).is_file()

    def write(self, key: str, entities: Mapping[str, str | None] | None, writer: Callable[[Path], object]) -> Path:
        """Write one output: all of it, or nothing.

        Parameters
        ----------
        key : str
            Key in data/outputs.toml.
        entities : mapping
            Entities of its name, e.g. ``{"sub": "01", "task": "rest"}``; missing or None ones are left out.
        writer : callable
            Gets a temporary path in the same folder and with the same ending, and writes the file there.

        Returns
        -------
        Path
            Where the file now is.

        Raises
        ------
        OutputError
            The file cannot be written (rights, space), or the name cannot be made.
        """
        path = self.file(key, entities)
        try:
            with atomic_path(path) as temporary:
                writer(temporary)
        except OSError as error:
            raise _unwritable(path, error) from error
        return path

    def missing(self, entities: Mapping[str, str | None], *, keys: Iterable[str] | None = None) -> list[str]:
        """Keys of the outputs that are not there yet: of `keys`, or of all that need no other entity.

        Per-hemisphere files are looked for on both sides; pictures are not looked for.
        """
        wanted = (
            keys
            if keys is not None
            else [o.key for o in declared_outputs().values() if o.required and o.key != "figure"]
        )
        absent = []
        for key in wanted:
            per_side = "{hemi}" in declared_outputs()[key].pattern and "hemi" not in entities
            sides = [{**entities, "hemi": side} for side in "LR"] if per_side else [entities]
            if not all(self.has(key, side) for side in sides):
                absent.append(key)
        return absent

    @classmethod
    def check(cls, path: str | Path, *, overwrite: bool = False) -> None:
        """Raise what opening the folder would raise, without creating or writing anything in it.

        Raises
        ------
        OutputError
            As for the class.
        """
        folder = cls.__new__(cls)
        folder.path, folder.overwrite = Path(path), overwrite
        folder._require_usable()
        above = next(place for place in (folder.path, *folder.path.absolute().parents) if place.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise OutputError(
                "the output folder cannot be written",
                where=folder.path,
                fix="check its rights, or give another OUT",
            )

    def _require_usable(self) -> None:
        ours = self._recognise()
        if not ours and not self.overwrite:
            self._require_empty()
        if not ours:
            self._require_no_clash()

    def _recognise(self) -> bool:
        if self.path.exists() and not self.path.is_dir():
            raise OutputError("the output path is a file, not a folder", where=self.path, fix="give another OUT")
        description = self.path / declared_outputs()["description"].pattern
        try:
            found = json.loads(description.read_text(encoding="utf-8"))
            return any(entry.get("Name") == GENERATOR for entry in found.get("GeneratedBy", []))
        except (OSError, ValueError, AttributeError, TypeError):
            return False

    def _require_empty(self) -> None:
        held = sorted(entry.name for entry in _entries(self.path) if not entry.name.startswith("."))
        if held:
            shown = ", ".join(held[:3]) + (" ..." if len(held) > 3 else "")
            raise OutputError(
                f"the output folder holds something that actionloop did not write ({shown})",
                where=self.path,
                fix="give an empty or new folder, or --overwrite to write beside it (nothing of it is removed)",
            )

    def _require_no_clash(self) -> None:
        guarded = [output for output in declared_outputs().values() if not output.keep]
        for root, folders, names in os.walk(self.path):
            below = Path(root).relative_to(self.path)
            if len(below.parts) >= 4:
                folders.clear()
            for name in names:
                relative = (below / name).as_posix()
                if any(output.matches(relative) for output in guarded):
                    raise OutputError(
                        f"the output folder holds {relative}, a name that actionloop writes, but not from actionloop",
                        where=self.path,
                        fix="give another OUT; a data set of another program is never changed",
                    )

    def _describe(self, sources: Sequence[Mapping[str, str]]) -> None:
        declared = facts.load("outputs")["dataset"]
        known = self.path / declared_outputs()["description"].pattern
        earlier: list[Any] = []
        if known.exists():
            earlier = json.loads(known.read_text(encoding="utf-8")).get("SourceDatasets", [])
        description = {
            "Name": declared["name"],
            "BIDSVersion": declared["bids_version"],
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": GENERATOR, "Version": __version__, "Description": facts.notice()}],
            "SourceDatasets": [*earlier, *(dict(source) for source in sources if dict(source) not in earlier)],
        }
        if not known.exists() or json.loads(known.read_text(encoding="utf-8")) != description:
            self.write("description", None, lambda path: write_json(path, description))
        for key, text in (("readme", _readme()), ("bidsignore", "\n".join(declared["bidsignore"]) + "\n")):
            if not self.has(key):
                self.write(key, None, lambda path, text=text: write_text(path, text))  # type: ignore[misc]


def source_dataset(folder: str | Path, *, out: str | Path) -> dict[str, str]:
    """Describe an input data set for SourceDatasets: its place relative to OUT, and its DOI and version if stated."""
    folder = Path(folder)
    described: dict[str, str] = {"URL": Path(os.path.relpath(folder.resolve(), Path(out).resolve())).as_posix()}
    try:
        stated = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        generator = (stated.get("GeneratedBy") or [{}])[0]
        if stated.get("DatasetDOI"):
            described["DOI"] = str(stated["DatasetDOI"])
        if generator.get("Version"):
            described["Version"] = f"{generator.get('Name', '')} {generator['Version']}".strip()
    except (OSError, ValueError, AttributeError, TypeError, IndexError):
        pass  # the place alone is enough; reading the data reports what is wrong with them
    return described


def _entries(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write: {error.strerror or error}", where=path, fix="check rights and free space, or give another OUT"
    )


def _readme() -> str:
    declared = facts.load("outputs")["dataset"]
    rows = [f"| `{row['file']}` | {row['what']} | {row['units']} | {row['written']} |" for row in outputs_table()]
    return "\n".join(
        [
            f"# {declared['name']}",
            "",
            f"**{facts.notice()}**",
            "",
            f"{declared['sides']} Coordinates are RAS millimetres.",
            "",
            "| file | what | units | written |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "Parts of a name in [brackets] appear only when they apply.",
            "",
        ]
    )
