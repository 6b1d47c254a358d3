"""A user's own list of what the numbers of a label image or mesh stand for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actionloop import facts
from actionloop.errors import InputError
from actionloop.files.opening import check_file

# A list of tissues has a few lines; more is another file.
_LARGEST_BYTES = 1_000_000
_EXAMPLE = '1 = "white", 2 = "grey", 3 = "csf", 4 = "skull", 5 = "scalp"'


def read_tissue_labels(path: str | Path) -> dict[int, str | None]:
    """Read which tissue each label is, from a .toml or .json file.

    Lines ``1 = "white"`` (TOML) or ``{"1": "white"}`` (JSON), on their own or under ``labels``. Tissues are white,
    grey, csf, skull, scalp and air; 'ignore', and in JSON null, leave a label out.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of int to str or None
        None for labels that are left out.

    Raises
    ------
    InputError
        Missing, not readable, or with labels or tissues that are not known: all of them in one error.
    """
    path = check_file(path)
    found = _parsed(path)
    if isinstance(found, Mapping) and isinstance(found.get("labels"), Mapping):
        found = found["labels"]
    if not isinstance(found, Mapping) or not found:
        raise InputError("expected a list of labels and tissues", where=path, fix=f"write lines such as {_EXAMPLE}")
    labels: dict[int, str | None] = {}
    wrong = []
    for key, value in found.items():
        number, tissue = _number(key), _tissue(value)
        if number is None:
            wrong.append(f"{key!r} is not a whole number")
        elif tissue == "":
            wrong.append(f"{value!r} (label {key}) is not a tissue")
        elif number in labels:
            wrong.append(f"label {number} stands there twice")
        else:
            labels[number] = tissue
    if wrong:
        raise InputError(
            f"the list of labels cannot be used: {'; '.join(wrong)}",
            where=path,
            fix=f"name one of {', '.join(facts.load('tissuelabels')['tissues'])} or ignore for each, e.g. {_EXAMPLE}",
        )
    return labels


def _parsed(path: Path) -> Any:
    if path.stat().st_size > _LARGEST_BYTES:
        raise InputError("the file is too large for a list of labels", where=path, fix="give a .toml or .json list")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return json.loads(text, object_pairs_hook=_pairs)
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also bytes that are not text
        raise InputError(
            f"the list of labels is not readable as {'JSON' if path.suffix.lower() == '.json' else 'TOML'} ({error})",
            where=path,
            fix=f"write lines such as {_EXAMPLE}",
        ) from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a JSON key that stands there twice, as TOML does."""
    twice = sorted({key for key, _ in pairs if [name for name, _ in pairs].count(key) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands there twice")
    return dict(pairs)


def _number(key: str) -> int | None:
    try:
        return int(key.strip())
    except ValueError:
        return None


def _tissue(value: object) -> str | None:
    """Return the tissue of the head model, None for a label that is left out, '' for neither."""
    if value is None:
        return None
    name = value.strip().lower() if isinstance(value, str) else ""
    name = "grey" if name == "gray" else name
    if name in ("ignore", "none"):
        return None
    return name if name in facts.load("tissuelabels")["tissues"] else ""
