"""The folder of simulated people: a new one, or one that an interrupted call with the same options left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actionloop import facts
from actionloop.errors import OutputError
from actionloop.files import clear_stale, write_json


def claim(out: Path, record: Path, options: Mapping[str, Any], *, of: str, about: Mapping[str, Any]) -> None:
    """Open a folder and write down what it is made with.

    Parameters
    ----------
    out : Path
    record : Path
        Where the options stand.
    options : mapping
        What makes one data set unlike another.
    of : str
        What the folder holds, for the error.
    about : mapping
        What the record says besides.

    Raises
    ------
    OutputError
        A file, or a folder that holds something else.
    """
    if out.exists() and not out.is_dir():
        raise OutputError("the output path is a file, not a folder", where=out, fix="give another OUT")
    held = [entry for entry in out.iterdir() if not entry.name.startswith(".")] if out.exists() else []
    if held and not _same(record, options):
        raise OutputError(
            f"the folder is not empty and does not hold {of} made with these options",
            where=out,
            fix="give a new or empty folder",
        )
    out.mkdir(parents=True, exist_ok=True)
    clear_stale(out)
    write_json(record, {**options, "notice": facts.notice(), **about})


def _same(record: Path, options: Mapping[str, Any]) -> bool:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and all(found.get(key) == value for key, value in options.items())
