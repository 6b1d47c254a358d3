"""One A4 page for one target: how to find its place on the scalp without navigation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import __version__, facts
from actionloop.errors import GeometryError
from actionloop.report.page import _templates, embedded
from actionloop.types import SIDES, FloatArray, Hemisphere

# A coil may lie this far over the midline and still be meant for the hemisphere.
_ACROSS_MM = 10.0


@dataclass(frozen=True, eq=False)
class SheetContent:
    """What the page says.

    Attributes
    ----------
    person, target : str
    hemisphere : {'L', 'R'}
        Of the target.
    side : {'left', 'right', 'midline'}
        Of the point on the scalp.
    beside_midline_mm : float
        Of the point, from the plane of nasion, inion and Cz.
    xyz_ras : (3,) float ndarray
        Of the point, mm.
    frame : str
        In words.
    image_sha256 : str
        Header of the image; empty for none.
    rows : sequence of (str, str)
        What was measured, and how much.
    steps, check, caveats : sequence of str
        What to do; a second way; how far to trust it.
    pose : sequence of str
        The coil's pose in words; empty where there is none.
    beside : sequence of str
        What a conventional procedure would lead to on the same head.
    picture : bytes
        PNG.
    created : str
        ISO time; empty to leave it out.

    Raises
    ------
    GeometryError
        The point lies on the other side of the head than the target, or is not finite.
    """

    person: str
    target: str
    hemisphere: Hemisphere
    side: str
    beside_midline_mm: float
    xyz_ras: FloatArray
    frame: str
    image_sha256: str
    rows: Sequence[tuple[str, str]]
    steps: Sequence[str]
    check: Sequence[str]
    caveats: Sequence[str]
    picture: bytes
    pose: Sequence[str] = ()
    beside: Sequence[str] = ()
    created: str = ""

    def __post_init__(self) -> None:
        if np.shape(self.xyz_ras) != (3,) or not np.isfinite([*self.xyz_ras, self.beside_midline_mm]).all():
            raise GeometryError(f"the point of {self.target!r} is not three finite numbers (RAS mm)")
        other = self.side in ("left", "right") and self.side != SIDES[self.hemisphere]
        if self.side not in ("left", "right", "midline") or (other and self.beside_midline_mm > _ACROSS_MM):
            raise GeometryError(
                f"{self.target!r} is in the {SIDES[self.hemisphere]} hemisphere but its point on the scalp lies "
                f"{self.beside_midline_mm:.0f} mm to the {self.side} of the midline",
                fix="left and right are exchanged somewhere before this page; find out where",
            )


def render_sheet(content: SheetContent) -> str:
    """Render one printable page.

    Parameters
    ----------
    content : SheetContent

    Returns
    -------
    str
        HTML; opens without a network and prints on one A4 page.
    """
    shown = _templates().get_template("sheet.html.j2")
    return shown.render(
        content=content,
        word=SIDES[content.hemisphere],
        version=__version__,
        notice=facts.notice(),
        sides=facts.load("outputs")["dataset"]["sides"],
        shown=embedded(content.picture),
    )
