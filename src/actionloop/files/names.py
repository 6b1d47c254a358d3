"""One name for each network, whatever an atlas calls it."""

from __future__ import annotations

import re
from functools import cache

from actionloop import facts

_PARCEL_PREFIX = re.compile(r"^\d+_[LR]_")
_ENDING = re.compile(r"([_ -]*(network|net)|_LABEL_\d+)$", re.IGNORECASE)


def network_name(name: str) -> str | None:
    """Return our name of a network ('SCAN', 'AMN', 'foot', 'hand', 'mouth', 'default' ...).

    Parameters
    ----------
    name : str
        As an atlas writes it: 'CON', 'Cingulo-Opercular_net', '21_L_CinguloOperc', 'SMf' ...

    Returns
    -------
    str or None
        The name itself, stripped, where data/aliases.toml does not know it; None where it means "no network".
    """
    stripped = _ENDING.sub("", _PARCEL_PREFIX.sub("", name.strip())).strip(" _-")
    plain = _plain(stripped)
    table = _aliases()
    if plain in table:
        return table[plain]
    # 'unlabelled4' and the like
    return stripped if re.sub(r"\d+$", "", plain) not in _dropped() else None


def network_colour(name: str) -> tuple[float, float, float]:
    """Return the RGB colour (0 to 1) of one of our networks; a steady one made from the name for any other."""
    for entry in facts.load("aliases")["network"]:
        if entry["name"] == name:
            red, green, blue = entry["colour"]
            return float(red), float(green), float(blue)
    import colorsys
    import zlib

    return colorsys.hsv_to_rgb(zlib.crc32(name.encode()) % 360 / 360, 0.6, 0.85)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _dropped() -> frozenset[str]:
    return frozenset(_plain(name) for name in facts.load("aliases")["dropped"])


@cache
def _aliases() -> dict[str, str]:
    entries = facts.load("aliases")["network"]
    return {_plain(alias): entry["name"] for entry in entries for alias in [entry["name"], *entry["aliases"]]}
