"""Constants from papers and defaults, read from the TOML files in actionloop/data (each beside its reference)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Return the parsed contents of ``data/<name>.toml``.

    Parameters
    ----------
    name : str
        File name without ending, for example 'scan' or 'sites'.

    Returns
    -------
    dict
        Shared between callers: do not change it.

    Raises
    ------
    FileNotFoundError
        No such file in the package: a programming error, never the user's.
    """
    return tomllib.loads((resources.files("actionloop") / "data" / f"{name}.toml").read_text(encoding="utf-8"))


def notice() -> str:
    """Return the research-use notice that stands in every output."""
    return str(load("notice")["text"])
