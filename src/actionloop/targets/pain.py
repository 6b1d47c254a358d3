"""Where it hurts, and what that prefers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.types import SIDES, Hemisphere, Piece

PAIN_SIDES = ("left", "right", "both", "midline", "unknown")
_OPPOSITE: dict[str, Hemisphere] = {"left": "R", "right": "L"}


@dataclass(frozen=True)
class Pain:
    """Side and region of the pain, as they decide hemisphere and node.

    Attributes
    ----------
    side : str
        'left', 'right', 'both', 'midline' or 'unknown': the side of the body.
    region : str
        'face', 'arm', 'hand', 'trunk', 'leg', 'foot', ... (every word in data/pain.toml) or 'unknown'.

    Raises
    ------
    OptionError
        Another word.
    """

    side: str = "unknown"
    region: str = "unknown"

    def __post_init__(self) -> None:
        if self.side not in PAIN_SIDES:
            raise OptionError(
                f"pain side {self.side!r} is not known", where="--pain-side", fix=f"use one of: {', '.join(PAIN_SIDES)}"
            )
        words = [word for group in _regions()["group"] for word in group["words"]] + _regions()["none"]["words"]
        if self.region not in words:
            raise OptionError(
                f"pain region {self.region!r} is not known",
                where="--pain-region",
                fix=f"use one of: {', '.join(words)}",
            )

    @property
    def hemisphere(self) -> Hemisphere | None:
        """Preferred hemisphere: the one opposite the pain; None for no preference."""
        return _OPPOSITE.get(self.side)

    @property
    def node(self) -> str | None:
        """Preferred SCAN node ('superior', 'middle' or 'inferior'); None for no preference."""
        group = self._group()
        return None if group is None else str(group["node"])

    def side_term(self, piece: Piece) -> tuple[float, str]:
        """Tell how well the hemisphere of a piece suits the pain, 0 to 1, and why."""
        here = SIDES[piece.hemisphere]
        if self.hemisphere is None:
            where = {"both": "on both sides", "midline": "in the midline"}.get(self.side, "on an unknown side")
            return 0.5, f"Side: the pain is {where}, so neither hemisphere is preferred (this one is the {here})."
        rule = f"Side: the pain is on the {self.side}, so the {SIDES[self.hemisphere]} hemisphere is preferred"
        suits = piece.hemisphere == self.hemisphere
        return float(suits), f"{rule}; this is {'it' if suits else f'the {here}'}."

    def region_term(self, piece: Piece) -> tuple[float, str]:
        """Tell how well a piece suits the region of the pain, 0 to 1, and why."""
        group, part = self._group(), piece.name.removeprefix("SCAN ")
        if group is None:
            return 0.5, f"Region: {self.region}, so no node is preferred."
        preferred = f"pain in the {self.region} prefers the {group['node']} SCAN node"
        if piece.network != "SCAN" or part not in group["suits"]:
            return 0.5, f"Region: {preferred}; this piece has no known body part."
        suits = float(group["suits"][part])
        told = "this is it" if part == group["node"] else f"the {part} one suits it {suits:.1f} of 1"
        return suits, f"Region: {preferred}; {told}."

    def _group(self) -> dict[str, Any] | None:
        return next((group for group in _regions()["group"] if self.region in group["words"]), None)


def _regions() -> dict[str, Any]:
    table: dict[str, Any] = facts.load("pain")["region"]
    return table
